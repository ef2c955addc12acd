"""Client order ids: known again by every boot, nobody else's, no two alike, and fit to be sent."""

from __future__ import annotations

import random
import re
import string

import pytest

from core.model.commands import OrderKind, Place
from core.model.events import Side
from core.model.venue import Adapter, Names, WireRequest
from tests.venues.conformance import samples

SCOPE, OTHER = "h0a1b2-", "h0a1b3-"
NUMBERS = (1, 2, 35, 36, 999, 10_000, 238_327, 10**7)
SEEDS = (0, 1, 0xFFFFFF, 2**63)

every_venue = pytest.mark.parametrize("name", samples.EVERY)


def adapter(name: str) -> Adapter:
    return samples.EVERY[name].adapter()


@every_venue
def test_an_id_is_known_to_its_boot_and_to_every_other_of_its_scope(name: str) -> None:
    made = adapter(name)
    for boot in (1, 2, 300):
        for seed in SEEDS:
            mine, later = made.names(SCOPE, boot, seed), made.names(SCOPE, boot + 1, seed)
            for number in NUMBERS:
                told = mine.next(number)
                assert mine.is_ours(told)
                assert mine.is_of_this_boot(told)
                assert later.is_ours(told)
                assert not later.is_of_this_boot(told)


@every_venue
def test_no_two_ids_of_a_scope_are_alike_whatever_the_boot_or_the_run_folder(name: str) -> None:
    made = adapter(name)
    told = [
        made.names(SCOPE, boot, seed).next(number)
        for boot in (1, 2, 11, 12, 300)
        for seed in SEEDS
        for number in NUMBERS
    ]
    alike = {seed & 0xFFFFFF for seed in SEEDS}  # of a seed so much is told
    assert len(set(told)) == len(told) // len(SEEDS) * len(alike)


@every_venue
def test_an_id_of_somebody_else_is_not_ours(name: str) -> None:
    mine = adapter(name).names(SCOPE, 1, 7)
    others = adapter(name).names(OTHER, 1, 7)
    draw = random.Random(1)
    length = len(mine.next(1))
    foreign = [others.next(number) for number in NUMBERS]
    foreign += ["", "x", "0" * 32, "web_0123456789abcdef", "1690000000", "6ba7b810-9dad-11d1-80b4"]
    foreign += [
        "".join(draw.choices(letters, k=length))
        for letters in (string.digits, "0123456789abcdef", string.ascii_letters + string.digits)
        for _ in range(2_000)
    ]
    assert not [one for one in foreign if mine.is_ours(one)]
    assert not [one for one in foreign if mine.is_of_this_boot(one)]


@every_venue
def test_an_id_is_as_it_is_in_the_request_and_read_back_from_it(name: str) -> None:
    made = adapter(name)
    kinds = sorted(made.capabilities.orders)
    if not kinds:
        pytest.skip("it takes no orders yet")
    names: Names = made.names(SCOPE, 300, 2**40)
    for number, (kind, tif) in zip(NUMBERS, kinds * len(NUMBERS), strict=False):
        told = names.next(number)
        assert re.fullmatch(r"[!-~]{1,64}", told), "it would have to be escaped"
        price = 0 if kind is OrderKind.MARKET else 1_000
        place = Place(0, told, Side.BUY, kind, tif, price, 100)
        request = made.encode(place, number, 1_790_000_000_000_000_000)
        assert told.encode() in request.body
        if isinstance(request, WireRequest):
            [back] = made.placed(request.body)
            assert (back.client_order_id, back.side, back.lots) == (told, Side.BUY, 100)
