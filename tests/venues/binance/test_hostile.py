"""Any bytes give events or one typed error: torn, mutated, drifted, and built to hurt."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.commands import (
    BEGINNING,
    Cancel,
    Command,
    FetchAccount,
    FetchBook,
    FetchInstruments,
    FetchOpenOrders,
    FetchTime,
    FetchTops,
    FetchTrades,
)
from core.model.errors import Drifted, Malformed
from core.model.events import Event, MarketTrade, Reply
from tests.venues.binance import test_answer as rest
from tests.venues.binance import test_decode_market as public
from tests.venues.binance import test_decode_trade as private
from tests.venues.binance import test_rules as info
from tests.venues.binance import world
from tests.venues.binance.world import frame
from venues.binance import decode

ANSWERS: dict[str, object] = {
    "p1": private.ORDER,
    "q1": private.ORDER,
    "c1": private.CANCELED,
    "x1": [private.CANCELED, private.LIST],
    "a1": private.AMENDED,
    "r1": private.halves("SUCCESS", "SUCCESS", private.CANCELED, private.NEW_ORDER),
    "l1": {"apiKey": "k"},
}
TRADE_FRAMES: list[object] = [
    {"subscriptionId": 0, "event": private.REPORT},
    {"subscriptionId": 0, "event": {"e": "outboundAccountPosition", "u": 1, "B": []}},
    {"subscriptionId": 0, "event": {"e": "balanceUpdate", "a": "BTC", "d": "1.0", "T": 1}},
    {"id": None, "status": 401, "error": {"code": -2015, "msg": "no"}},
    {"id": "p1", "status": 429, "error": {"code": -1003, "msg": "", "data": {"retryAfter": 5}}},
    *(
        {"id": wire_id, "status": 200, "result": result, "rateLimits": private.RATES}
        for wire_id, result in ANSWERS.items()
    ),
]
MARKET_FRAMES: list[object] = [
    public.TOP,
    public.DELTA,
    public.TRADE,
    {"result": None, "id": "m1"},
    {"code": 2, "msg": "no", "id": "m1"},
]
LINES = [(decode.MARKET, one) for one in MARKET_FRAMES] + [
    (decode.TRADE, one) for one in TRADE_FRAMES
]
BODIES: list[tuple[Command, object]] = [
    (
        FetchTops((0,)),
        [{"symbol": "BTCUSDT", "bidPrice": "4.0", "bidQty": "4.0", "askPrice": "5", "askQty": "1"}],
    ),
    (FetchBook(0), {"lastUpdateId": 1, "bids": [["4.0", "4.0"]], "asks": []}),
    (FetchOpenOrders(0), [rest.ORDER]),
    (Cancel(0, "a", "1"), rest.ORDER),
    (FetchTrades(0, BEGINNING), []),
    (FetchAccount(), {"canTrade": True, "updateTime": 1, "balances": []}),
    (
        FetchInstruments(),
        {"rateLimits": info.RATES, "symbols": [info.symbol(), info.symbol("LTCBNB")]},
    ),
    (FetchTime(), {"serverTime": 1}),
]

Read = Callable[[bytes], list[Event]]


def on(line: int) -> Read:
    def read(payload: bytes) -> list[Event]:
        events: list[Event] = []
        world.ADAPTER.decode(line, payload, events)
        return events

    return read


def to(command: Command) -> Read:
    def read(payload: bytes) -> list[Event]:
        return [world.ADAPTER.answer(command, 1, 200, {}, payload)]

    return read


SAMPLES: list[tuple[Read, object]] = [(on(line), one) for line, one in LINES] + [
    (to(command), one) for command, one in BODIES
]


def survives(read: Read, payload: bytes) -> list[Event] | str:
    """Read a message: events, or the words of one of the two typed errors; others pass through."""
    try:
        return read(payload)
    except (Malformed, Drifted) as error:
        return str(error)


@pytest.mark.parametrize(("read", "message"), SAMPLES)
def test_a_message_torn_at_every_byte_is_refused(read: Read, message: object) -> None:
    payload = frame(message)
    assert len(read(payload)) == 1
    for end in range(len(payload)):
        with pytest.raises((Malformed, Drifted)):
            read(payload[:end])


@pytest.mark.parametrize(("read", "message"), SAMPLES)
def test_a_message_with_a_tail_is_refused(read: Read, message: object) -> None:
    for tail in (b"x", b"{}", b",", b"\x00"):
        with pytest.raises((Malformed, Drifted)):
            read(frame(message) + tail)


@given(st.sampled_from(SAMPLES), st.data())
def test_a_message_with_changed_bytes_gives_events_or_a_typed_error(
    sample: tuple[Read, object], data: st.DataObject
) -> None:
    read, message = sample
    payload = bytearray(frame(message))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(payload) - 1))
        payload[at] = data.draw(st.integers(0, 255))
    assert survives(read, bytes(payload))


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
    sample: tuple[Read, object], data: st.DataObject
) -> None:
    read, message = sample
    drifted = data.draw(st.composite(mutated)(message))
    survives(read, json.dumps(drifted).encode())


@given(
    st.binary(max_size=60), st.sampled_from([b"", b'{"stream":"', b'{"id":"p', b'{"event":{"e":"'])
)
def test_any_bytes_give_events_or_a_typed_error(noise: bytes, start: bytes) -> None:
    for read, _ in SAMPLES:
        assert survives(read, start + noise)


# -- built to hurt ---------------------------------------------------------------------------

DEEP = b"[" * 100_000 + b"]" * 100_000
LONG = b"9" * 1_000_000


@pytest.mark.parametrize(("line", "message"), [(0, public.TRADE), (1, TRADE_FRAMES[0])])
def test_nesting_without_end_is_malformed(line: int, message: object) -> None:
    payload = frame(message)
    with pytest.raises(Malformed):
        on(line)(payload[:-2] + b',"new":' + DEEP + payload[-2:])
    for lonely in (DEEP, b'{"id":' * 100_000, b'{"stream":"x","data":' + DEEP + b"}"):
        with pytest.raises((Malformed, Drifted)):
            on(line)(lonely)


def test_a_number_of_a_million_digits_is_refused_where_it_is_needed() -> None:
    payload = frame(public.TRADE)
    with pytest.raises(Drifted, match=r"\$\.data\.t"):
        world.market(payload.replace(b"12345", LONG))
    with pytest.raises(Malformed, match="longer than 40"):
        world.market(payload.replace(b"24.00000000", LONG))
    with pytest.raises(Drifted, match=r"\$\.event\.i"):
        world.trade(frame(TRADE_FRAMES[0]).replace(b"4293153", LONG))


def test_a_message_of_50_million_bytes_is_not_looked_at() -> None:
    payload = b'{"stream":"btcusdt@trade","data":"' + b"x" * 50_000_000 + b'"}'
    for line in (decode.MARKET, decode.TRADE):
        with pytest.raises(Malformed, match="longer than"):
            on(line)(payload)


def test_of_duplicate_keys_the_last_one_counts_whichever_way_the_frame_is_found() -> None:
    payload = frame(public.TRADE).replace(b'"p":"24.00000000"', b'"p":"1.00","p":"24.00000000"')
    expected = world.market(frame(public.TRADE))
    assert world.market(payload) == expected
    assert world.market(b" " + payload) == expected


def test_bytes_that_are_no_utf_8_are_malformed() -> None:
    for read, payload in (
        (on(0), frame(public.TRADE).replace(b"BTCUSDT", b"BTC\xffUSDT")),
        (on(1), frame(TRADE_FRAMES[0]).replace(b"hl-1", b"hl\xc3\x28")),
    ):
        with pytest.raises(Malformed):
            read(payload)


# -- numbers ---------------------------------------------------------------------------------


@given(st.integers(1, 10**13), st.integers(1, 10**13))
def test_a_trade_frame_is_the_numbers_it_was_made_of(price: int, size: int) -> None:
    data = public.TRADE["data"] | {
        "p": world.BTC.tick.text(price) + "000000",
        "q": world.BTC.lot.text(size) + "000",
    }
    [event] = world.market(frame(public.TRADE | {"data": data}))
    assert isinstance(event, MarketTrade)
    assert (event.price_ticks, event.lots) == (price, size)


# -- drift -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("line", "message"), LINES)
def test_every_field_that_is_needed_is_missed_by_name(line: int, message: dict[str, Any]) -> None:
    """Take out one field after the other, at every depth: it is either not needed or named."""
    for path, name, without in fields_taken_out(message):
        told = survives(on(line), frame(without))
        if isinstance(told, str) and path and name != "orderReports":
            assert f"`{name}`" in told, path


def fields_taken_out(message: Any, path: str = "") -> list[tuple[str, str, Any]]:
    """Return a message without each of its fields in turn, with the field's path and name."""
    found: list[tuple[str, str, Any]] = []
    if isinstance(message, dict):
        for name, value in message.items():
            rest_of = {key: one for key, one in message.items() if key != name}
            found.append((path, name, rest_of))
            inner = fields_taken_out(value, f"{path}.{name}")
            found += [(where, one, message | {name: changed}) for where, one, changed in inner]
    elif isinstance(message, list):
        for at, value in enumerate(message):
            inner = fields_taken_out(value, f"{path}[{at}]")
            found += [
                (where, one, [*message[:at], changed, *message[at + 1 :]])
                for where, one, changed in inner
            ]
    return found


def test_an_answer_that_succeeds_never_loses_its_request_number() -> None:
    for wire_id, result in ANSWERS.items():
        [reply] = world.trade(frame({"id": wire_id, "status": 200, "result": result}))
        assert isinstance(reply, Reply)
        assert reply.request_id == 1
