"""What Kraken's messages alone can hurt with; any bytes are in ``tests/venues/conformance``."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.errors import Drifted, Malformed
from core.model.events import BookDelta, BookSnapshot, Event, MarketTrade
from core.model.units import MAX_COUNT
from core.model.venue import Stream
from tests.venues.conformance.mutation import mutated
from tests.venues.kraken import world

ADAPTER = world.adapter((Stream.BBO, Stream.TRADES))

Read = Callable[[bytes], list[Event]]


def stream(payload: bytes) -> list[Event]:
    events: list[Event] = []
    ADAPTER.decode(0, payload, events)
    return events


def survives(read: Read, payload: bytes) -> list[Event] | str:
    """Read a message: events, or the words of one of the two typed errors; others pass through."""
    try:
        return read(payload)
    except (Malformed, Drifted) as error:
        return str(error)


EXTREMES = [b"9" * 41, b"1e999", b"1e-999", b"9.99e40", b"-1", b"0.0000000000000000000000000001"]
EXTREMES += [b"9223372036854775808", b"1e19"]


@pytest.mark.parametrize("number", EXTREMES)
def test_a_number_beyond_any_is_refused_or_proves_its_book_wrong(number: bytes) -> None:
    for level in (b'{"price":%b,"qty":1}' % number, b'{"price":1,"qty":%b}' % number):
        got = survives(stream, world.book(b"update", level, b"", 5))
        if not isinstance(got, str):
            [delta] = got
            assert isinstance(delta, BookDelta)
            assert (delta.bids, delta.checksum) == ([], -1)


@pytest.mark.parametrize("number", [b"2" * 30, b"-1", b"1.5", b'"1"', b"null", b"true"])
def test_a_checksum_or_trade_number_that_is_none_is_drift(number: bytes) -> None:
    for payload in (
        world.UPDATE.replace(b"2114181697", number),
        world.TRADE.replace(b"4665846", number),
        world.SUBSCRIBED.replace(b'"req_id":7', b'"req_id":' + number),
    ):
        if number == b"1.5" or number == b"-1" or payload:
            with pytest.raises((Malformed, Drifted)):
                stream(payload)


@given(st.decimals(min_value="0.0001", max_value="1e9", places=4), st.integers(0, 10**15))
def test_what_is_read_is_what_was_written(price: Decimal, lots: int) -> None:
    size = Decimal(lots).scaleb(-8)
    level = b'{"price":%b,"qty":%b}' % (f"{price:f}".encode(), f"{size:f}".encode())
    [delta] = stream(world.book(b"update", level, b"", 5))
    assert isinstance(delta, BookDelta)
    assert delta.bids == [(int(price.scaleb(4)), lots)]


@given(st.sampled_from([world.SNAPSHOT, world.UPDATE, world.TRADE]), st.data())
def test_events_hold_nothing_that_core_cannot_count(payload: bytes, data: st.DataObject) -> None:
    drifted = data.draw(st.composite(mutated)(json.loads(payload)))
    got = survives(stream, json.dumps(drifted).encode())
    for event in got if isinstance(got, list) else ():
        if isinstance(event, BookDelta | BookSnapshot):
            for ticks, lots in (*event.bids, *event.asks):
                assert 1 <= ticks <= MAX_COUNT
                assert 0 <= lots <= MAX_COUNT
        elif isinstance(event, MarketTrade):
            assert 1 <= event.price_ticks <= MAX_COUNT
            assert 1 <= event.lots <= MAX_COUNT


NEEDED = [
    *((world.UPDATE, name) for name in ("symbol", "bids", "asks", "checksum", "timestamp")),
    *((world.TICKER, name) for name in ("symbol", "bid", "bid_qty", "ask", "ask_qty", "timestamp")),
    *((world.TRADE, n) for n in ("symbol", "side", "price", "qty", "trade_id", "timestamp")),
]


@pytest.mark.parametrize(("payload", "name"), NEEDED)
def test_a_field_that_is_needed_and_missing_is_an_error(payload: bytes, name: str) -> None:
    message = json.loads(payload)
    del message["data"][0][name]
    with pytest.raises((Malformed, Drifted)):
        stream(json.dumps(message).encode())
