"""Client order ids of every scheme: none is given twice, ours are known again, others' are not."""

from __future__ import annotations

import string
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.errors import Misuse
from core.model.venue import Names
from venues.kit.names import HEX_128, SEED_MASK, TEXT_18, Fixed, Layout, Prefixed

Scheme = Callable[[str, int, int], Names]

LAYOUTS = {"18 characters": TEXT_18, "128 bits": HEX_128}


def fixed(layout: Layout) -> Scheme:
    return lambda scope, boot, seed: Fixed(layout, scope, boot, seed)


SCHEMES: dict[str, Scheme] = {"as it is": Prefixed} | {
    name: fixed(layout) for name, layout in LAYOUTS.items()
}

every_scheme = pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
every_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)

SCOPES = st.text(string.ascii_lowercase, min_size=8, max_size=8).map(lambda text: f"h{text}-")
BOOTS = st.integers(1, 100_000)
SEEDS = st.integers(0, 2**63 - 1)
NUMBERS = st.integers(1, 10**9)


@every_scheme
@given(SCOPES, BOOTS, BOOTS, SEEDS, NUMBERS)
def test_what_one_boot_gave_every_boot_of_its_scope_knows_for_ours(
    scheme: Scheme, scope: str, boot: int, later: int, seed: int, n: int
) -> None:
    given_id = scheme(scope, boot, seed).next(n)
    assert scheme(scope, boot, seed).is_of_this_boot(given_id)
    assert scheme(scope, later, seed + 1).is_ours(given_id)
    assert scheme(scope, later, seed).is_of_this_boot(given_id) == (later == boot)


@every_scheme
@given(SCOPES, st.lists(st.tuples(BOOTS, st.integers(0, 2**20), NUMBERS), unique=True))
def test_no_two_ids_of_a_scope_are_alike(
    scheme: Scheme, scope: str, given_by: list[tuple[int, int, int]]
) -> None:
    ids = [scheme(scope, boot, seed).next(n) for boot, seed, n in given_by]
    assert len(set(ids)) == len(ids)


@every_scheme
@given(SCOPES, SCOPES, BOOTS, SEEDS, NUMBERS)
def test_an_id_of_another_scope_is_not_ours(
    scheme: Scheme, scope: str, other: str, boot: int, seed: int, n: int
) -> None:
    if scope != other:
        assert not scheme(scope, boot, seed).is_ours(scheme(other, boot, seed).next(n))


@every_layout
@given(scope=SCOPES, boot=BOOTS, seed=SEEDS, n=NUMBERS)
def test_an_id_has_the_length_and_the_alphabet_of_its_layout(
    layout: Layout, scope: str, boot: int, seed: int, n: int
) -> None:
    given_id = Fixed(layout, scope, boot, seed).next(n)
    assert len(given_id) == layout.scope + layout.boot + layout.seed + layout.number
    assert set(given_id) <= set(layout.alphabet)


def test_the_lengths_are_those_that_venues_take() -> None:
    assert len(Fixed(TEXT_18, "hx-", 1, 1).next(1)) == 18
    assert len(Fixed(HEX_128, "hx-", 1, 1).next(1)) == 32
    assert len(Prefixed("h12345678-", 0xFFFF, SEED_MASK).next(10**9)) <= 36


@every_layout
def test_others_ids_are_taken_for_ours_less_than_once_in_16_million(layout: Layout) -> None:
    assert len(layout.alphabet) ** layout.scope > 2**24


@every_layout
def test_an_id_of_another_length_is_not_ours(layout: Layout) -> None:
    names = Fixed(layout, "hx-", 1, 1)
    assert not names.is_ours(names.next(1)[:-1])
    assert not names.is_of_this_boot(names.next(1) + "0")


@every_layout
def test_what_has_no_room_is_refused_and_never_given_twice(layout: Layout) -> None:
    boots, numbers = (len(layout.alphabet) ** places for places in (layout.boot, layout.number))
    last = Fixed(layout, "hx-", boots - 1, 1)
    assert last.is_of_this_boot(last.next(numbers - 1))
    with pytest.raises(Misuse):
        last.next(numbers)
    with pytest.raises(Misuse):
        Fixed(layout, "hx-", boots, 1)
