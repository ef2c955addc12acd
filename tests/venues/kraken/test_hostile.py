"""Any bytes give events or one typed error: torn, mutated, drifted, and built to hurt."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.commands import (
    Command,
    FetchBook,
    FetchInstruments,
    FetchPrice,
    FetchTime,
    FetchTops,
)
from core.model.errors import Drifted, Malformed
from core.model.events import BookDelta, BookSnapshot, Event, MarketTrade
from core.model.units import MAX_COUNT
from core.model.venue import Stream
from tests.venues.kraken import test_answer as rest
from tests.venues.kraken import world

ADAPTER = world.adapter((Stream.TOP, Stream.TRADES))

FRAMES = [
    world.SNAPSHOT,
    world.UPDATE,
    world.TICKER,
    world.TRADE,
    world.STATUS,
    world.PONG,
    world.SUBSCRIBED,
    world.REFUSED,
    b'{"channel":"heartbeat"}',
]
BODIES: list[tuple[Command, object]] = [
    (FetchTime(), {"unixtime": 1_616_336_594}),
    (FetchInstruments(), world.PAIRS),
    (FetchTops((0,)), {"XXBTZUSD": rest.TICKER}),
    (FetchPrice("BTC/USD"), {"XXBTZUSD": rest.TICKER}),
    (FetchBook(0), {"XXBTZUSD": {"asks": [["4.1", "1.0", 1]], "bids": [["4.0", "2.5", 1]]}}),
]

Read = Callable[[bytes], list[Event]]


def stream(payload: bytes) -> list[Event]:
    events: list[Event] = []
    ADAPTER.decode(0, payload, events)
    return events


def to(command: Command) -> Read:
    return lambda payload: [ADAPTER.answer(command, 1, 200, {}, payload)]


SAMPLES: list[tuple[Read, bytes]] = [
    *((stream, frame) for frame in FRAMES),
    *((to(command), world.frame({"error": [], "result": told})) for command, told in BODIES),
]


def survives(read: Read, payload: bytes) -> list[Event] | str:
    """Read a message: events, or the words of one of the two typed errors; others pass through."""
    try:
        return read(payload)
    except (Malformed, Drifted) as error:
        return str(error)


@pytest.mark.parametrize(("read", "payload"), SAMPLES)
def test_a_message_torn_at_every_byte_is_refused(read: Read, payload: bytes) -> None:
    assert len(read(payload)) == 1
    for end in range(len(payload)):
        with pytest.raises((Malformed, Drifted)):
            read(payload[:end])


@pytest.mark.parametrize(("read", "payload"), SAMPLES)
def test_a_message_with_a_tail_is_refused(read: Read, payload: bytes) -> None:
    for tail in (b"x", b"{}", b",", b"\x00"):
        with pytest.raises((Malformed, Drifted)):
            read(payload + tail)


@given(st.sampled_from(SAMPLES), st.data())
def test_a_message_with_changed_bytes_gives_events_or_a_typed_error(
    sample: tuple[Read, bytes], data: st.DataObject
) -> None:
    read, message = sample
    payload = bytearray(message)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(payload) - 1))
        payload[at] = data.draw(st.integers(0, 255))
    survives(read, bytes(payload))


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=45),
    st.lists(st.integers(0, 3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(0, 3), max_size=3),
)


def mutated(draw: st.DrawFn, value: Any) -> Any:
    """Return a message with one value of it, at any depth, replaced, removed or added."""
    if isinstance(value, dict) and value and draw(st.integers(0, 5)):
        name = draw(st.sampled_from(sorted(value)))
        kept = {key: one for key, one in value.items() if key != name}
        if draw(st.integers(0, 4)) == 0:
            return kept
        return kept | {name: mutated(draw, value[name])}
    if isinstance(value, list) and value and draw(st.integers(0, 5)):
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], mutated(draw, value[at]), *value[at + 1 :]]
    return draw(VALUES)


@given(st.sampled_from(SAMPLES), st.data())
def test_a_message_that_drifted_gives_events_or_a_typed_error(
    sample: tuple[Read, bytes], data: st.DataObject
) -> None:
    read, payload = sample
    drifted = data.draw(st.composite(mutated)(json.loads(payload)))
    survives(read, json.dumps(drifted).encode())


@given(
    st.binary(max_size=60),
    st.sampled_from(
        [b"", b'{"channel":"book"', b'{"channel":"', b'{"method":"pong"', b'{"error":[]']
    ),
)
def test_any_bytes_give_events_or_a_typed_error(noise: bytes, start: bytes) -> None:
    for read, _ in SAMPLES:
        survives(read, start + noise)


# -- built to hurt ---------------------------------------------------------------------------


def test_a_message_nested_without_end_is_malformed() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    for read, payload in SAMPLES:
        with pytest.raises((Malformed, Drifted)):
            read(b'{"channel":"book","type":"update","data":%b}' % deep)
        with pytest.raises((Malformed, Drifted)):
            read(payload[:-1] + b',"deep":%b}' % deep)


def test_a_message_without_end_is_malformed() -> None:
    with pytest.raises(Malformed, match="longer"):
        stream(b'{"channel":"heartbeat"}' + b" " * (4 * 1024 * 1024))


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
