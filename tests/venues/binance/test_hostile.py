"""What Binance's messages alone can hurt with; any bytes are in ``tests/venues/conformance``."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.errors import Drifted, Malformed
from core.model.events import Event, MarketTrade, Reply
from tests.venues.binance import test_decode_market as public
from tests.venues.binance import world
from tests.venues.binance.frames import ANSWERS, LINES, TRADE_FRAMES
from tests.venues.binance.world import frame

Read = Callable[[bytes], list[Event]]


def on(connection: int) -> Read:
    def read(payload: bytes) -> list[Event]:
        events: list[Event] = []
        world.ADAPTER.decode(connection, payload, events)
        return events

    return read


def survives(read: Read, payload: bytes) -> list[Event] | str:
    """Read a message: events, or the words of one of the two typed errors; others pass through."""
    try:
        return read(payload)
    except (Malformed, Drifted) as error:
        return str(error)


# -- built to hurt ---------------------------------------------------------------------------

LONG = b"9" * 1_000_000


def test_a_number_of_a_million_digits_is_refused_where_it_is_needed() -> None:
    payload = frame(public.TRADE)
    with pytest.raises(Drifted, match=r"\$\.data\.t"):
        world.market(payload.replace(b"12345", LONG))
    with pytest.raises(Malformed, match="longer than 40"):
        world.market(payload.replace(b"24.00000000", LONG))
    with pytest.raises(Drifted, match=r"\$\.event\.i"):
        world.trade(frame(TRADE_FRAMES[0]).replace(b"4293153", LONG))


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


@pytest.mark.parametrize(("connection", "message"), LINES)
def test_every_field_that_is_needed_is_missed_by_name(
    connection: int, message: dict[str, Any]
) -> None:
    """Take out one field after the other, at every depth: it is either not needed or named."""
    for path, name, without in fields_taken_out(message):
        told = survives(on(connection), frame(without))
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
