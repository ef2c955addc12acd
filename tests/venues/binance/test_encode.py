"""Commands become the requests that the venue documents, and nothing that it does not."""

import json
from itertools import product
from typing import Any

import msgspec
import pytest

from core.model.commands import (
    Amend,
    Cancel,
    CancelAll,
    Command,
    FetchAccount,
    FetchBook,
    FetchInstruments,
    FetchOpenOrders,
    FetchOrderTrades,
    FetchTime,
    FetchTrades,
    Logon,
    OrderKind,
    Place,
    QueryOrder,
    Replace,
    Since,
    SubscribeMarket,
    SubscribePrivate,
    TimeInForce,
)
from core.model.errors import BadConfig, BadParameter, Misuse
from core.model.events import NO_INSTRUMENT, Side
from core.model.venue import HttpRequest, Stream, WireRequest
from tests.venues.binance import world
from venues.binance import VENUE, decode

ADAPTER = world.ADAPTER
SESSION = world.adapter(session_logon=True)
OLD = Cancel(0, "hl-0", "")
OLD_BY_ID = Cancel(0, "hl-0", "12569099453")

WIRE_COMMANDS: list[Command] = [
    world.place(),
    OLD,
    OLD_BY_ID,
    Replace(OLD, world.place()),
    Replace(OLD_BY_ID, world.place()),
    Amend(0, "hl-1", "", 500),
    Amend(0, "hl-1", "12", 500),
    CancelAll(0),
    QueryOrder(0, "hl-1"),
    QueryOrder(0, "hl-1", "12"),
    Logon(),
    SubscribePrivate(),
]


def sent(command: Command, adapter: Any = ADAPTER, request_id: int = 17) -> dict[str, Any]:
    request = adapter.encode(command, request_id, world.NOW_NS)
    assert isinstance(request, WireRequest)
    message: dict[str, Any] = json.loads(request.body)
    return message


def rest(command: Command) -> HttpRequest:
    return ADAPTER.encode_rest(command, world.NOW_NS)


STAMP = {"recvWindow": 5000, "timestamp": 1645423376532}
LIMIT = STAMP | {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "price": "23416.10",
    "quantity": "0.00847",
    "newClientOrderId": "hl-1",
    "newOrderRespType": "FULL",
}


def test_a_limit_order_is_placed_as_documented() -> None:
    assert sent(world.place()) == {"id": "p17", "method": "order.place", "params": LIMIT}


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("tif", [TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK])
def test_each_side_and_time_in_force_of_a_limit_order(side: Side, tif: TimeInForce) -> None:
    params = sent(world.place(side=side, tif=tif))["params"]
    assert params == LIMIT | {"side": side.name, "timeInForce": tif.name}


def test_a_post_only_order_has_no_time_in_force() -> None:
    params = sent(world.place(kind=OrderKind.POST_ONLY))["params"]
    expected = LIMIT | {"type": "LIMIT_MAKER"}
    del expected["timeInForce"]
    assert params == expected


def test_a_market_order_has_neither_price_nor_time_in_force() -> None:
    market = world.place(kind=OrderKind.MARKET, tif=TimeInForce.IOC, price_ticks=0)
    expected = LIMIT | {"type": "MARKET"}
    del expected["timeInForce"], expected["price"]
    assert sent(market)["params"] == expected


def test_a_post_only_order_that_would_not_rest_is_our_misuse() -> None:
    with pytest.raises(BadParameter, match="tif is gtc"):
        sent(world.place(kind=OrderKind.POST_ONLY, tif=TimeInForce.IOC))


def test_a_cancel_names_the_venues_id_alone_when_it_is_known() -> None:
    named = STAMP | {"symbol": "BTCUSDT", "newClientOrderId": "hl-0-c"}
    assert sent(OLD_BY_ID) == {
        "id": "c17",
        "method": "order.cancel",
        "params": named | {"orderId": 12569099453},
    }
    assert sent(OLD)["params"] == named | {"origClientOrderId": "hl-0"}


def test_a_replace_stops_when_the_cancel_fails() -> None:
    message = sent(Replace(OLD_BY_ID, world.place()))
    assert message["id"] == "r17"
    assert message["method"] == "order.cancelReplace"
    mode = {
        "cancelReplaceMode": "STOP_ON_FAILURE",
        "orderRateLimitExceededMode": "CANCEL_ONLY",
        "cancelNewClientOrderId": "hl-0-c",
    }
    assert message["params"] == LIMIT | mode | {"cancelOrderId": 12569099453}
    by_name = sent(Replace(OLD, world.place()))["params"]
    assert by_name == LIMIT | mode | {"cancelOrigClientOrderId": "hl-0"}


def test_an_amend_keeps_the_client_order_id() -> None:
    message = sent(Amend(0, "hl-1", "12", 500))
    assert (message["id"], message["method"]) == ("a17", "order.amend.keepPriority")
    kept = STAMP | {"symbol": "BTCUSDT", "newClientOrderId": "hl-1", "newQty": "0.00500"}
    assert message["params"] == kept | {"orderId": 12}
    assert sent(Amend(0, "hl-1", "", 500))["params"] == kept | {"origClientOrderId": "hl-1"}


def test_a_query_names_the_venues_id_where_it_is_known() -> None:
    assert sent(QueryOrder(0, "hl-1", "12")) == {
        "id": "q17",
        "method": "order.status",
        "params": STAMP | {"symbol": "BTCUSDT", "orderId": 12},
    }
    assert sent(QueryOrder(0, "hl-1"))["params"]["origClientOrderId"] == "hl-1"


def test_cancel_all_is_of_one_symbol() -> None:
    message = sent(CancelAll(1))
    assert (message["id"], message["method"]) == ("x17", "openOrders.cancelAll")
    assert message["params"] == STAMP | {"symbol": "LTCBNB"}


def test_a_session_logs_on_once_and_signs_nothing_after() -> None:
    assert list(SESSION.script(decode.TRADE)) == [Logon(), SubscribePrivate()]
    logon = SESSION.encode(Logon(), 1, world.NOW_NS)
    assert isinstance(logon, WireRequest)
    assert logon.signing == b"recvWindow=5000&timestamp=1645423376532"
    assert json.loads(logon.body) == {"id": "l1", "method": "session.logon", "params": STAMP}
    assert sent(SubscribePrivate(), SESSION) == {"id": "u17", "method": "userDataStream.subscribe"}
    for command in WIRE_COMMANDS:
        request = SESSION.encode(command, 17, world.NOW_NS)
        assert isinstance(request, WireRequest)
        assert bool(request.signing) is isinstance(command, Logon)


def test_without_a_session_the_private_stream_is_subscribed_by_signature() -> None:
    assert list(ADAPTER.script(decode.TRADE)) == [SubscribePrivate()]
    message = sent(SubscribePrivate())
    assert message["method"] == "userDataStream.subscribe.signature"
    assert message["params"] == STAMP


@pytest.mark.parametrize("command", WIRE_COMMANDS, ids=lambda one: type(one).__name__)
def test_what_is_signed_is_the_sorted_parameters_of_the_body(command: Command) -> None:
    request = ADAPTER.encode(command, 17, world.NOW_NS)
    assert isinstance(request, WireRequest)
    params = json.loads(request.body)["params"]
    expected = "&".join(f"{name}={params[name]}" for name in sorted(params))
    assert request.signing.decode() == expected
    assert "apiKey" not in params
    assert all(name > "apiKey" for name in params), "apiKey has to be the first of the sorted"


@pytest.mark.parametrize("command", WIRE_COMMANDS, ids=lambda one: type(one).__name__)
def test_the_signer_puts_key_and_signature_into_the_parameters(command: Command) -> None:
    request = ADAPTER.encode(command, 17, world.NOW_NS)
    assert isinstance(request, WireRequest)
    signed = json.loads(VENUE.signer(world.DOC_KEYS).wire(request))
    params = signed["params"]
    assert params.pop("apiKey") == world.DOC_KEY
    assert len(params.pop("signature")) == 64
    assert signed == json.loads(request.body)


def test_the_market_connection_subscribes_every_stream_of_every_symbol() -> None:
    assert list(ADAPTER.script(decode.MARKET)) == [SubscribeMarket()]
    request = ADAPTER.encode(SubscribeMarket(), 3, world.NOW_NS)
    assert isinstance(request, WireRequest)
    assert (request.connection, request.signing) == (decode.MARKET, b"")
    names = product(("btcusdt", "ltcbnb"), ("bookTicker", "depth@100ms", "trade"))
    assert json.loads(request.body) == {
        "method": "SUBSCRIBE",
        "params": [f"{symbol}@{kind}" for symbol, kind in names],
        "id": "m3",
    }


def test_only_the_streams_that_are_asked_for_are_subscribed() -> None:
    run = world.subscription(("BTCUSDT",), (Stream.BBO,))
    request = VENUE.adapter(run).encode(SubscribeMarket(), 3, world.NOW_NS)
    assert isinstance(request, WireRequest)
    assert json.loads(request.body)["params"] == ["btcusdt@bookTicker"]


STAMP_QUERY = "recvWindow=5000&timestamp=1645423376532"


@pytest.mark.parametrize(
    ("command", "method", "path", "query", "signed"),
    [
        (FetchTime(), "GET", "time", "", False),
        (
            FetchInstruments(),
            "GET",
            "exchangeInfo",
            "symbols=%5B%22BTCUSDT%22%2C%22LTCBNB%22%5D",
            False,
        ),
        (FetchBook(0), "GET", "depth", "symbol=BTCUSDT&limit=1000", False),
        (FetchAccount(), "GET", "account", f"omitZeroBalances=true&{STAMP_QUERY}", True),
        (FetchOpenOrders(1), "GET", "openOrders", f"symbol=LTCBNB&{STAMP_QUERY}", True),
        (FetchOpenOrders(NO_INSTRUMENT), "GET", "openOrders", STAMP_QUERY, True),
        (
            FetchTrades(0, Since("28456", 28456, 1)),
            "GET",
            "myTrades",
            f"symbol=BTCUSDT&fromId=28457&limit=1000&{STAMP_QUERY}",
            True,
        ),
        (
            FetchOrderTrades(0, "12"),
            "GET",
            "myTrades",
            f"symbol=BTCUSDT&orderId=12&fromId=0&limit=1000&{STAMP_QUERY}",
            True,
        ),
        (
            QueryOrder(0, "a:b/c"),
            "GET",
            "order",
            f"symbol=BTCUSDT&origClientOrderId=a%3Ab%2Fc&{STAMP_QUERY}",
            True,
        ),
        (QueryOrder(0, "a", "7"), "GET", "order", f"symbol=BTCUSDT&orderId=7&{STAMP_QUERY}", True),
        (
            Cancel(0, "a", "7"),
            "DELETE",
            "order",
            f"symbol=BTCUSDT&orderId=7&newClientOrderId=a-c&{STAMP_QUERY}",
            True,
        ),
        (CancelAll(0), "DELETE", "openOrders", f"symbol=BTCUSDT&{STAMP_QUERY}", True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Command) else "",
)
def test_questions_go_by_rest(
    command: Command, method: str, path: str, query: str, signed: bool
) -> None:
    assert rest(command) == HttpRequest(
        method, f"/api/v3/{path}", query, signed=signed, cancels=method == "DELETE"
    )


def test_questions_without_a_connection_of_their_own_leave_by_rest_in_a_run_too() -> None:
    assert isinstance(ADAPTER.encode(FetchBook(0), 1, world.NOW_NS), HttpRequest)
    assert isinstance(ADAPTER.encode(QueryOrder(0, "a"), 1, world.NOW_NS), WireRequest)


def test_an_order_is_never_placed_by_rest() -> None:
    with pytest.raises(Misuse, match="Place is not sent by REST"):
        rest(world.place())


@pytest.mark.parametrize("name", ["", "a" * 37, 'a"b', "a b", "a\\", "ä", "a\n"])
def test_a_client_order_id_that_the_venue_refuses_never_leaves(name: str) -> None:
    with pytest.raises(BadParameter, match="1 to 36"):
        ADAPTER.encode(world.place(client_order_id=name), 1, world.NOW_NS)
    with pytest.raises(BadParameter, match="1 to 36"):
        rest(QueryOrder(0, name))


def test_an_instrument_that_was_never_learned_is_our_misuse() -> None:
    with pytest.raises(Misuse, match="instrument 9"):
        sent(world.place(instrument=9))


def test_a_replacement_on_another_instrument_is_our_misuse() -> None:
    with pytest.raises(Misuse):
        sent(Replace(OLD, world.place(instrument=1)))


@pytest.mark.parametrize("symbol", ["", "btcusdt", "BTC USDT", 'BTC"', "BTC&X", "A" * 51])
def test_a_symbol_that_cannot_be_one_is_named_with_what_is_allowed(symbol: str) -> None:
    with pytest.raises(BadConfig, match="as in BTCUSDT"):
        VENUE.adapter(world.subscription((symbol,)))


def test_a_receive_window_outside_of_what_is_allowed_is_named() -> None:
    for window in (0, 60_001):
        with pytest.raises(BadConfig, match="request_expiry_ms"):
            VENUE.adapter(world.subscription(request_expiry_ms=window))


def test_more_streams_than_a_connection_takes_are_refused_before_dialling() -> None:
    symbols = tuple(f"S{number}" for number in range(342))
    with pytest.raises(BadConfig, match="1026 streams"):
        VENUE.adapter(world.subscription(symbols))


def test_a_connection_without_an_url_is_named() -> None:
    run = msgspec.structs.replace(world.subscription(), urls={"stream": "ws://localhost"})
    with pytest.raises(BadConfig, match="'ws_api' is missing"):
        VENUE.adapter(run)


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("command", [world.place(), Replace(OLD, world.place())])
def test_an_order_is_read_again_from_what_was_sent(side: Side, command: Place | Replace) -> None:
    place = world.place(side=side)
    command = place if isinstance(command, Place) else Replace(OLD, place)
    request = ADAPTER.encode(command, 17, world.NOW_NS)
    assert isinstance(request, WireRequest)
    assert ADAPTER.placed(request.body) == (place,)


def test_an_order_at_market_is_read_again_without_a_price() -> None:
    market = world.place(kind=OrderKind.MARKET, tif=TimeInForce.IOC, price_ticks=0)
    request = ADAPTER.encode(market, 17, world.NOW_NS)
    assert isinstance(request, WireRequest)
    [placed] = ADAPTER.placed(request.body)
    assert (placed.price_ticks, placed.lots) == (0, market.lots)


@pytest.mark.parametrize(
    "command", [c for c in WIRE_COMMANDS if not isinstance(c, Place | Replace)]
)
def test_no_other_request_is_an_order(command: Command) -> None:
    request = ADAPTER.encode(command, 17, world.NOW_NS)
    assert isinstance(request, WireRequest)
    assert ADAPTER.placed(request.body) == ()


HEAD = b'{"id":"p1","method":"order.place","params":'
OURS = b'"side":"BUY","quantity":"1","newClientOrderId":"a"'


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x8a\x80masked pong",
        HEAD + b"{}}",
        HEAD + b'{"symbol":"ETHUSDT",' + OURS + b"}}",
        HEAD + b'{"symbol":"BTCUSDT","price":"1e3",' + OURS + b"}}",
    ],
)
def test_what_was_no_order_of_ours_is_none(request_bytes: bytes) -> None:
    assert ADAPTER.placed(request_bytes) == ()


def test_an_order_of_a_finer_grid_is_no_smaller_by_todays() -> None:
    ours = OURS.replace(b'"quantity":"1"', b'"quantity":"0.000015"')
    [place] = ADAPTER.placed(HEAD + b'{"symbol":"BTCUSDT","price":"1.001",' + ours + b"}}")
    assert (place.price_ticks, place.lots) == (100, 2)
