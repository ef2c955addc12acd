"""The market line: every documented frame becomes its event, by whichever way it is found."""

import json
from typing import Any

import pytest

from core.model.errors import Drifted, Malformed
from core.model.events import (
    NO_REQUEST,
    Bbo,
    BookDelta,
    Event,
    Ignored,
    MarketTrade,
    Notice,
    Reply,
    SessionNotice,
    Side,
    Verdict,
)
from core.model.units import NS_PER_MS
from tests.venues.binance import world
from tests.venues.binance.world import frame, market
from venues.binance import decode

MS = 1_000_000


def stream(name: str, **data: Any) -> dict[str, Any]:
    return {"stream": name, "data": data}


BBO = stream(
    "btcusdt@bookTicker",
    u=400900217,
    s="BTCUSDT",
    b="25.35000000",
    B="31.21000000",
    a="25.36000000",
    A="40.66000000",
)
DELTA = stream(
    "btcusdt@depth@100ms",
    e="depthUpdate",
    E=1672515782136,
    s="BTCUSDT",
    U=157,
    u=160,
    b=[["24.00000000", "10.00000000"], ["23.00000000", "0.00000000"]],
    a=[["26.00000000", "100.00000000"]],
)
TRADE = stream(
    "btcusdt@trade",
    e="trade",
    E=1672515782136,
    s="BTCUSDT",
    t=12345,
    p="24.00000000",
    q="100.00000000",
    T=1672515782135,
    m=True,
    M=True,
)

EXPECTED: list[tuple[dict[str, Any], Event]] = [
    (BBO, Bbo(0, 400900217, 2535, 3_121_000, 2536, 4_066_000)),
    (
        DELTA,
        BookDelta(
            0,
            157,
            160,
            [(2400, 1_000_000), (2300, 0)],
            [(2600, 10_000_000)],
            1672515782136 * MS,
        ),
    ),
    (TRADE, MarketTrade(0, "12345", 2400, 10_000_000, Side.SELL, 1672515782135 * MS)),
]


def needed(message: dict[str, Any]) -> set[str]:
    """Return the names of the fields that a message cannot be read without."""
    return set(message["data"]) - {"e", "M", "E" if message is TRADE else ""}


def changed(message: dict[str, Any], **data: Any) -> bytes:
    return frame(message | {"data": message["data"] | data})


@pytest.mark.parametrize(("message", "event"), EXPECTED)
def test_the_documented_streams(message: dict[str, Any], event: Event) -> None:
    assert market(frame(message)) == [event]


@pytest.mark.parametrize(("message", "event"), EXPECTED)
def test_other_key_order_and_blanks_mean_the_same(message: dict[str, Any], event: Event) -> None:
    turned = {"data": dict(reversed(message["data"].items())), "stream": message["stream"]}
    for text in (
        json.dumps(message),
        json.dumps(turned),
        json.dumps(message, indent=2),
        " " + json.dumps(turned) + "\n",
        json.dumps(message).replace("@", "\\u0040"),
    ):
        assert market(text.encode()) == [event]


@pytest.mark.parametrize(("message", "event"), EXPECTED)
def test_new_fields_are_ignored(message: dict[str, Any], event: Event) -> None:
    wider = message | {"data": message["data"] | {"new": {"deep": [1, {"s": "x"}]}}, "more": None}
    assert market(frame(wider)) == [event]


def test_a_buyer_that_is_not_the_maker_is_the_aggressor() -> None:
    [trade] = market(changed(TRADE, m=False))
    assert isinstance(trade, MarketTrade)
    assert trade.aggressor is Side.BUY


def test_a_side_that_is_empty_has_size_0_and_no_price() -> None:
    [bbo] = market(changed(BBO, b="0.00000000", B="0.00000000"))
    assert bbo == Bbo(0, 400900217, 0, 0, 2536, 4_066_000)


def test_each_symbol_has_its_own_grid() -> None:
    data = TRADE["data"] | {"s": "LTCBNB", "q": "0.50000000"}
    [trade] = market(frame({"stream": "ltcbnb@trade", "data": data}))
    assert isinstance(trade, MarketTrade)
    assert (trade.instrument, trade.price_ticks, trade.lots) == (1, 2400, 500)


def test_a_public_size_from_before_larger_lots_counts_up() -> None:
    """Seen in BTCUSDT depth on 2024-08-08: 25.42618900 where a lot is 0.00001."""
    [delta] = market(changed(DELTA, b=[["24.00", "25.42618900"], ["23.00", "0.00000001"]]))
    assert isinstance(delta, BookDelta)
    assert delta.bids == [(2400, 2_542_619), (2300, 1)]


def test_a_level_from_before_larger_ticks_is_left_out() -> None:
    """Seen in NKNUSDT's book on 2021-10-12: 0.25974000 where a tick is 0.0001."""
    [delta] = market(changed(DELTA, b=[["24.00", "1.0"], ["23.005", "1.0"]], a=[["26.001", "0"]]))
    assert isinstance(delta, BookDelta)
    assert (delta.bids, delta.asks) == ([(2400, 100_000)], [])


def test_a_best_price_from_before_larger_ticks_is_no_better_than_it_is() -> None:
    [bbo] = market(changed(BBO, b="25.359", a="25.361"))
    assert isinstance(bbo, Bbo)
    assert (bbo.bid_ticks, bbo.ask_ticks) == (2535, 2537)
    assert bbo.rounded
    [exact] = market(changed(BBO))
    assert isinstance(exact, Bbo)
    assert not exact.rounded
    with pytest.raises(Malformed):
        market(changed(BBO, b="0.001"))


def test_a_trade_between_two_ticks_is_left_out() -> None:
    assert market(changed(TRADE, p="24.005")) == [Ignored("trade between two ticks")]


BAD_NUMBERS = [
    "",
    "-1.00",
    "-0",
    "+1",
    "NaN",
    "Infinity",
    "-Infinity",
    "1e3",
    "1e999",
    "1_000",
    " 1",
    "1 ",
    "1.",
    ".5",
    "1.0.0",
    "0x10",
    "١",
    "1,5",
    str(2**63),
    "9" * 41,
]


@pytest.mark.parametrize("text", BAD_NUMBERS)
def test_a_text_that_is_no_plain_number_is_refused(text: str) -> None:
    for message in (
        changed(TRADE, p=text),
        changed(TRADE, q=text),
        changed(BBO, b=text),
        changed(BBO, A=text),
        changed(DELTA, b=[[text, "1.0"]]),
        changed(DELTA, a=[["1.0", text]]),
    ):
        with pytest.raises(Malformed):
            market(message)


def test_a_count_beyond_2_to_the_53_is_exact() -> None:
    [trade] = market(changed(TRADE, p="90071992547409.93"))
    assert isinstance(trade, MarketTrade)
    assert trade.price_ticks == 2**53 + 1


@pytest.mark.parametrize(
    "message",
    [
        changed(TRADE, p="0.00000000"),
        changed(TRADE, q="0.00000000"),
        changed(BBO, b="0.00000000"),
        changed(BBO, a="0"),
        changed(DELTA, b=[["0.00000000", "1.0"]]),
        changed(DELTA, a=[["0", "0"]]),
    ],
)
def test_zero_is_refused_where_it_is_impossible(message: bytes) -> None:
    with pytest.raises(Malformed, match="above zero"):
        market(message)


@pytest.mark.parametrize("message", [BBO, DELTA, TRADE], ids=["top", "delta", "trade"])
def test_a_missing_field_is_drift_and_named(message: dict[str, Any]) -> None:
    for name in needed(message):
        data = {key: value for key, value in message["data"].items() if key != name}
        with pytest.raises(Drifted, match=f"`{name}`"):
            market(frame(message | {"data": data}))


@pytest.mark.parametrize("message", [BBO, DELTA, TRADE], ids=["top", "delta", "trade"])
@pytest.mark.parametrize("value", [None, 1.5, True, {}, [1], -1, 2**63, 10**400, 1e300])
def test_a_changed_type_is_drift_and_located(message: dict[str, Any], value: object) -> None:
    for name in needed(message):
        if name == "m" and value is True:
            continue
        with pytest.raises(Drifted, match=rf"\$\.data\.{name}"):
            market(changed(message, **{name: value}))


def test_a_time_in_microseconds_is_drift() -> None:
    with pytest.raises(Drifted, match=r"\$\.data\.T"):
        market(changed(TRADE, T=1672515782135_000))


@pytest.mark.parametrize("message", [BBO, DELTA, TRADE], ids=["top", "delta", "trade"])
def test_a_stream_that_tells_of_another_symbol_is_drift(message: dict[str, Any]) -> None:
    with pytest.raises(Drifted, match="tells of LTCBNB"):
        market(changed(message, s="LTCBNB"))


def test_streams_we_have_no_use_for_are_ignored_by_kind() -> None:
    for name in ("btcusdt@kline_1m", "ethusdt@trade", "!miniTicker@arr"):
        [event] = market(frame({"stream": name, "data": {"e": "kline"}}))
        assert isinstance(event, Ignored)
        assert event.what.startswith("stream of kind ")


@pytest.mark.parametrize(
    "message",
    [
        {"e": "serverShutdown", "E": 1770123456789},
        {"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": 1770123456789}},
        {"data": {"e": "serverShutdown", "E": 1770123456789}, "stream": "!serverShutdown"},
    ],
)
def test_the_shutdown_of_the_server_in_each_wrapper(message: dict[str, Any]) -> None:
    assert market(frame(message)) == [SessionNotice(Notice.SHUTDOWN, "serverShutdown")]


def test_the_answer_to_a_subscription() -> None:
    done = Reply(request_id=3, verdict=Verdict.DONE)
    assert market(b'{"result":null,"id":"m3"}') == [done]
    assert market(b'{ "id": "m3", "result": null }') == [done]


def test_a_ban_counts_wherever_it_is_told() -> None:
    text = "Way too much request weight used; IP banned until 1659146400000. Please use ..."
    [reply] = market(frame({"error": {"code": -1003, "msg": text}, "id": "m3"}))
    assert isinstance(reply, Reply)
    assert reply.verdict is Verdict.BANNED
    assert reply.retry_ns == 1_659_146_400_000 * NS_PER_MS


@pytest.mark.parametrize("code", range(4))
def test_a_refused_control_message_is_fatal(code: int) -> None:
    refused = Reply(
        request_id=3, verdict=Verdict.FATAL, code=str(code or ""), text="Invalid request"
    )
    flat = {"code": code, "msg": "Invalid request", "id": "m3"}
    nested = {"error": {"code": code, "msg": "Invalid request"}, "id": "m3"}
    assert market(frame(flat)) == [refused]
    assert market(frame(nested)) == [refused]


def test_a_refusal_that_names_no_request_holds_for_the_connection() -> None:
    [reply] = market(frame({"code": 3, "msg": "Invalid JSON"}))
    assert isinstance(reply, Reply)
    assert (reply.request_id, reply.verdict) == (NO_REQUEST, Verdict.FATAL)


@pytest.mark.parametrize("wire_id", [1, None, "x", "", "m", "m1_0", "m-1", "m" + "9" * 19, "m١"])
def test_answers_to_others_requests_are_ignored(wire_id: object) -> None:
    [event] = market(frame({"result": None, "id": wire_id}))
    assert event == Ignored("answer to a request that is not ours")


def test_a_frame_of_no_kind_is_drift() -> None:
    with pytest.raises(Drifted, match="no stream, no id and no event type"):
        market(b"{}")


def test_learning_an_instrument_again_renews_its_grid() -> None:
    adapter = world.adapter()
    adapter.learn([world.instrument(tick="0.1")])
    events: list[Event] = []
    adapter.decode(decode.MARKET, frame(TRADE), events)
    assert isinstance(events[0], MarketTrade)
    assert events[0].price_ticks == 240


def test_nothing_is_appended_by_a_frame_that_is_refused() -> None:
    events: list[Event] = []
    with pytest.raises(Malformed):
        world.ADAPTER.decode(decode.MARKET, changed(DELTA, a=[["1", "x"]]), events)
    assert events == []
