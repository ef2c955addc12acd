"""Anything at all said to the exchange gives a documented answer, and nothing else happens."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.venues.sim.binance.driver import START_NS, Desk, limit
from tests.venues.sim.binance.test_faults import Client, RestOut
from tests.venues.sim.binance.test_order_lists import OTO, OTOCO, SELL_OCO
from tests.venues.sim.binance.test_stops import stop
from venues.sim import control
from venues.sim.binance.methods import METHODS
from venues.sim.binance.rest import ENDPOINTS, receive
from venues.sim.binance.venue import Venue
from venues.sim.http import HttpRequest
from venues.sim.venue import TooManyMessagesError

# Every parameter that some method knows, and values that break naive readers.
NAMES = sorted(
    {
        "symbol", "symbols", "side", "type", "timeInForce", "quantity", "quoteOrderQty", "price",
        "stopPrice", "trailingDelta", "icebergQty", "newClientOrderId", "newOrderRespType",
        "selfTradePreventionMode", "strategyId", "strategyType", "orderId", "origClientOrderId",
        "cancelRestrictions", "newQty", "limit", "fromId", "startTime", "endTime", "interval",
        "timeZone", "windowSize", "symbolStatus", "permissions", "showPermissionSets",
        "cancelReplaceMode", "cancelOrderId", "cancelOrigClientOrderId", "cancelNewClientOrderId",
        "orderRateLimitExceededMode", "orderListId", "listClientOrderId", "preventedMatchId",
        "fromPreventedMatchId", "fromAllocationId", "fromExecutionId", "omitZeroBalances",
        "computeCommissionRates", "recvWindow", "pegPriceType", "stopLimitPrice",
        "stopLimitTimeInForce", "limitClientOrderId", "stopClientOrderId",
        *(f"{leg}{name}" for leg in ("above", "below", "working", "pending", "pendingAbove",
          "pendingBelow") for name in ("Type", "Side", "Price", "StopPrice", "Quantity",
          "TimeInForce", "TrailingDelta", "IcebergQty", "ClientOrderId")),
    }
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(
        ["BTCUSDT", "ETHUSDT", "BUY", "SELL", "LIMIT", "MARKET", "LIMIT_MAKER", "STOP_LOSS",
         "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT", "GTC", "IOC", "FOK", "ACK", "FULL",
         "60000", "65000", "70000", "0.01", "0.001", "1", "0", "-1", "1e3", "nan", "9" * 20,
         "9223372036854775807", "9223372036854775808", "0.00000001", "0.000000001", "1767225600500",
         "253402300800000", "99999999999999", "1m", "1M", "1d", "7d", "-12:00", "+14:00", "14:01",
         '["BTCUSDT"]', '["BTCUSDT","BTCUSDT"]', "[]", "[1]", "[", "true", "false", "TRADING",
         "ALLOW_FAILURE", "STOP_ON_FAILURE", "CANCEL_ONLY", "ONLY_NEW", "NONE", "DECREMENT", ""]
    ),
    st.text(max_size=40),
)  # fmt: skip
PARAMETERS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=9)
# Requests that succeed, from which hostile ones are bent.
LEGAL: tuple[tuple[str, dict[str, Any]], ...] = (
    ("order.place", limit("BUY", "65000", "0.01")),
    ("order.place", limit("SELL", "65000", "0.01", icebergQty="0.002")),
    ("order.place", stop("STOP_LOSS_LIMIT", "SELL", stopPrice="60000", price="59000")),
    ("order.place", stop("TAKE_PROFIT", "SELL", trailingDelta="100")),
    ("orderList.place.oco", SELL_OCO),
    ("orderList.place.oto", OTO),
    ("orderList.place.otoco", OTOCO),
    ("order.cancelReplace", limit("BUY", "64000", "0.01", cancelOrderId="1")
     | {"cancelReplaceMode": "ALLOW_FAILURE"}),
    ("order.amend.keepPriority", {"symbol": "BTCUSDT", "orderId": "1", "newQty": "0.005"}),
    ("order.cancel", {"symbol": "BTCUSDT", "orderId": "1"}),
    ("orderList.cancel", {"symbol": "BTCUSDT", "orderListId": "0"}),
    ("openOrders.cancelAll", {"symbol": "BTCUSDT"}),
    ("myTrades", {"symbol": "BTCUSDT"}),
    ("allOrders", {"symbol": "BTCUSDT"}),
    ("klines", {"symbol": "BTCUSDT", "interval": "1m"}),
    ("ticker", {"symbol": "BTCUSDT"}),
)  # fmt: skip
BENT = st.tuples(
    st.sampled_from(LEGAL), st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=2)
).map(lambda both: (both[0][0], both[0][1] | both[1]))


@settings(max_examples=400, deadline=None)
@given(st.lists(BENT | st.tuples(st.sampled_from(sorted(METHODS)), PARAMETERS), max_size=12))
def test_every_method_answers_any_parameters(asked: list[tuple[str, dict[str, Any]]]) -> None:
    desk = Desk()
    parties = (desk.party(), desk.party())
    for number, (method, values) in enumerate(asked):
        reply = parties[number % 3 % 2].call(method, **values)
        assert reply.error is None or -2100 < reply.error.code <= -1000
        msgspec.json.encode(reply.result)


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200)))
def test_both_kinds_of_connections_answer_any_bytes(said: bytes | str) -> None:
    client = Client()
    client.session.receive(said, START_NS)
    assert client.out.sent[0]["status"] in {400, 401}
    stream = client.venue.open_stream_session(client.out, "/ws")
    stream.receive(said, START_NS)
    assert client.out.sent[-1]["code"] in {0, 1, 2, 3}


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
        ),
        max_leaves=9,
    ),
    st.sampled_from(
        ["SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY"]
    ),
)
def test_streams_answer_any_json(anything: Any, method: str) -> None:
    venue, out = Venue(START_NS, rate=0), Client().out
    session = venue.open_stream_session(out, "/stream")
    for request in (anything, {"method": method, "params": anything, "id": 1},
                    {"method": anything, "id": 1}, {"method": method, "id": anything}):  # fmt: skip
        try:
            session.receive(json.dumps(request), START_NS)
        except TooManyMessagesError:
            return
        assert "result" in out.sent[-1] or out.sent[-1]["code"] in {0, 1, 2, 3}


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(ENDPOINTS)),
    st.text(max_size=60),
    st.text(max_size=60),
    st.text(max_size=20),
)
def test_rest_answers_any_request(
    endpoint: tuple[str, str], query: str, body: str, key: str
) -> None:
    venue, out = Venue(START_NS, rate=0), RestOut()
    method, path = endpoint
    receive(venue, HttpRequest(method, path, query, body, {"x-mbx-apikey": key}), out, START_NS)
    [reply] = out.replies
    assert reply.status in {200, 400, 401, 404, 429}


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(control.PATHS)), st.text(max_size=120))
def test_the_switch_panel_answers_any_body(path: str, body: str) -> None:
    request = HttpRequest("POST", path, "", body)
    refused = 405 if path == control.LEDGER else 400
    assert control.answer(Venue(START_NS, rate=0), request, START_NS).status == refused


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_refuses_what_it_does_not_know(method: str) -> None:
    party = Desk().party()
    code, _ = party.refused(method, surprise="1", symbol="BTCUSDT", orderId="1", interval="1m")
    assert code in {-1102, -1104, -1106, -2011, -2013, -2043}
