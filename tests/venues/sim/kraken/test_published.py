"""The venue's own published vectors: signature, checksums, counters, ids."""

import base64
import itertools

import pytest

from tests.venues.sim.kraken.driver import SECOND, World
from venues.sim.fixed import parse
from venues.sim.kraken.keys import sign
from venues.sim.kraken.limits import ADDED, AMENDED, Counter, amend_cost, cancel_cost
from venues.sim.kraken.market_data import checksum
from venues.sim.kraken.numbers import ORDER, name_of, read_name, read_stamp, stamp
from venues.sim.kraken.venue import Venue


def test_the_published_signature() -> None:
    """Guide Spot REST Authentication."""
    secret = (
        "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
    )
    body = "nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
    signed = sign(base64.b64decode(secret), "/0/private/AddOrder", "1616492376594", body)
    assert signed == (
        "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="
    )


ASKS = """
45285.2 0.00100000 45286.4 1.54571953 45286.6 1.54571109 45289.6 1.54560911
45290.2 0.15890660 45291.8 1.54553491 45294.7 0.04454749 45296.1 0.35380000
45297.5 0.09945542 45299.5 0.18772827
"""
BIDS = """
45283.5 0.10000000 45283.4 1.54582015 45282.1 0.10000000 45281.0 0.10000000
45280.3 1.54592586 45279.0 0.07990000 45277.6 0.03310103 45277.5 0.30000000
45277.3 1.54602737 45276.6 0.15445238
"""


def pairs(text: str) -> list[tuple[int, int]]:
    units = [parse(one) for one in text.split()]
    return list(zip(units[::2], units[1::2], strict=True))


def test_the_published_book_checksum() -> None:
    """Guide Spot Websockets (v2) Book Checksum."""
    pair = Venue(0, rate=0).exchange.pairs.by_name["BTC/USD"]
    assert checksum(iter(pairs(ASKS) + pairs(BIDS)), pair) == 3310070434


L3_ASKS = """
44939.5 4.52308393 44939.5 0.00111261 44939.5 0.00100000 44939.5 0.01000000
44950.0 0.10334926 44953.0 0.00064537 44955.0 0.00250000 44959.6 0.35630000
44959.6 0.35630000 44960.1 0.00338072 44960.2 0.88967575 44967.0 3.14392283
44978.5 0.06778960 44979.2 0.35630000
"""
L3_BIDS = """
44939.4 0.88968699 44939.4 0.45210000 44939.4 0.10000000 44939.4 0.14296323
44939.4 0.25000000 44939.4 0.10292988 44939.4 0.33880000 44939.4 1.28140860
44937.1 0.03346877 44934.7 0.35630000 44930.2 0.22734299 44930.2 0.01000000
44930.2 0.05550000 44930.2 0.70000000 44930.2 0.15000000 44928.0 0.00105240
44919.6 0.33870000 44919.5 0.07610000 44912.0 0.35630000 44909.7 0.06690000
44901.9 0.00088982
"""


def test_the_published_level3_checksum() -> None:
    """Guide Spot Websockets (v2) Level3 Checksum."""
    pair = Venue(0, rate=0).exchange.pairs.by_name["BTC/USD"]
    assert checksum(iter(pairs(L3_ASKS) + pairs(L3_BIDS)), pair) == 1063832831


def test_the_published_example_of_a_short_life() -> None:
    """Guide Spot Trading Limits: placed, amended after 7 s, cancelled 36 s after that."""
    assert ADDED + AMENDED + amend_cost(7 * SECOND) + cancel_cost(36 * SECOND) == 8


def test_the_published_example_of_decay() -> None:
    """Guide Spot Trading Limits: 50 orders in a burst, 10 s later, intermediate tier."""
    counter = Counter()
    for _ in range(50):
        counter.add(ADDED, 2.34, 0)
    assert counter.value(2.34, 10 * SECOND) == pytest.approx(26.6)


@pytest.mark.parametrize(
    ("seconds", "cost"),
    [(0, 8), (5, 6), (10, 5), (15, 4), (45, 2), (90, 1), (299, 1), (300, 0), (4_000, 0)],
)
def test_a_cancel_costs_less_the_older_the_order(seconds: int, cost: int) -> None:
    assert cancel_cost(seconds * SECOND) == cost


def test_ids_have_the_venue_s_form_are_unique_and_come_in_no_order() -> None:
    names = [name_of(ORDER, market, n) for market, n in itertools.product((1, 2), range(500))]
    assert all(len(one) == 19 and (one[6], one[12]) == ("-", "-") for one in names)
    assert len(set(names)) == len(names)
    assert names != sorted(names)
    assert [read_name(ORDER, one) for one in names] == list(itertools.product((1, 2), range(500)))


@pytest.mark.parametrize("text", ["", "OABCDE-12345-FGHIJ", "TK4GJX-KSTLS-7DZZO5", 5, None])
def test_what_is_no_order_id_names_none(text: object) -> None:
    assert read_name(ORDER, text) is None
    assert World().venue.exchange.find(World().account, text) is None


def test_times_are_read_as_they_are_written() -> None:
    assert stamp(1_695_378_785_709_950_123) == "2023-09-22T10:33:05.709950Z"
    assert read_stamp("2023-09-22T10:33:05.709950Z") == 1_695_378_785_709_950_000
