"""REST without a socket: endpoints, parameters, headers."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from tests.venues.sim.binance.driver import MS, START_NS
from venues.sim.binance.rest import respond
from venues.sim.binance.venue import Venue
from venues.sim.fixed import ONE
from venues.sim.http import HttpReply, HttpRequest


class Client:
    """Signs and sends requests for one account."""

    def __init__(self, rate: float = 0) -> None:
        self.venue = Venue(START_NS, rate=rate)
        exchange = self.venue.exchange
        account = exchange.engine.open_account({"USDT": 10_000 * ONE})
        exchange.add_hmac_key("key", "fake", account)

    def send(self, method: str, path: str, query: str = "", **more: Any) -> HttpReply:
        request = HttpRequest(method, path, query, **more)
        return respond(self.venue.exchange, request, START_NS)

    def get(self, path: str, query: str = "") -> Any:
        reply = self.send("GET", path, query)
        return json.loads(reply.body)

    def signed(self, method: str, path: str, query: str = "", body: str = "") -> HttpReply:
        stamp = f"timestamp={START_NS // MS}"
        query = f"{query}&{stamp}" if query else stamp
        payload = (query + body).encode()
        signature = hmac.new(b"fake", payload, hashlib.sha256).hexdigest()
        return self.send(
            method,
            path,
            f"{query}&signature={signature}",
            body=body,
            headers={"x-mbx-apikey": "key"},
        )


ORDER = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=60000"


def test_unknown_endpoints_get_a_bare_404() -> None:
    for method, path in (("GET", "/api/v3/nothing"), ("PUT", "/api/v3/order"), ("GET", "/")):
        reply = Client().send(method, path)
        assert (reply.status, reply.content_type) == (404, "text/html")


def test_every_reply_shows_the_used_weight() -> None:
    client = Client()
    assert client.send("GET", "/api/v3/ping").headers["X-MBX-USED-WEIGHT-1M"] == "1"
    failed = client.send("GET", "/api/v3/depth", "symbol=NOPE")
    assert failed.headers["X-MBX-USED-WEIGHT-1M"] == "6"
    assert json.loads(failed.body) == {"code": -1121, "msg": "Invalid symbol."}
    assert failed.status == 400


def test_an_order_by_query_by_body_and_by_both() -> None:
    client = Client()
    symbol, rest = ORDER.split("&", 1)
    for query, body in ((ORDER, ""), ("", ORDER), (symbol, rest)):
        reply = client.signed("POST", "/api/v3/order", query, body)
        assert reply.status == 200, reply.body
    assert reply.headers["X-MBX-ORDER-COUNT-10S"] == "3"
    assert reply.headers["X-MBX-ORDER-COUNT-1D"] == "3"


def test_the_query_string_wins_over_the_body() -> None:
    reply = Client().signed("POST", "/api/v3/order", ORDER, "price=1")
    assert json.loads(reply.body)["price"] == "60000.00000000"


def test_duplicates_are_refused() -> None:
    reply = Client().signed("POST", "/api/v3/order", ORDER + "&price=1")
    assert json.loads(reply.body)["code"] == -1101


def test_missing_key_unknown_key_missing_and_wrong_signature() -> None:
    client = Client()
    stamped = f"timestamp={START_NS // MS}"
    key = {"x-mbx-apikey": "key"}
    for headers, query, status, code in (
        ({}, stamped, 401, -2014),
        ({"x-mbx-apikey": "other"}, stamped, 401, -2015),
        (key, stamped, 400, -1102),
        (key, f"{stamped}&signature=00", 400, -1022),
        (key, "", 400, -1102),
        (key, "timestamp=1&signature=00", 400, -1021),
    ):
        reply = client.send("GET", "/api/v3/account", query, headers=headers)
        assert (reply.status, json.loads(reply.body)["code"]) == (status, code)


def test_cancel_replace_halves_travel_with_the_error() -> None:
    query = ORDER + "&cancelReplaceMode=STOP_ON_FAILURE&cancelOrderId=9"
    reply = Client().signed("POST", "/api/v3/order/cancelReplace", query)
    body = json.loads(reply.body)
    assert (reply.status, body["code"]) == (400, -2022)
    assert body["data"]["newOrderResult"] == "NOT_ATTEMPTED"


def test_limits_answer_with_retry_after() -> None:
    client = Client()
    client.venue.exchange.requests_of("127.0.0.1").charge(6_000, START_NS)
    reply = client.send("GET", "/api/v3/time")
    assert (reply.status, reply.headers["Retry-After"]) == (429, "60")
    for _ in range(60):
        reply = client.send("GET", "/api/v3/time")
    assert (reply.status, reply.headers["Retry-After"]) == (418, "120")


def test_microseconds_by_header() -> None:
    reply = Client().send("GET", "/api/v3/time", headers={"x-mbx-time-unit": "MICROSECOND"})
    assert json.loads(reply.body) == {"serverTime": START_NS // 1_000}


def test_exchange_info_by_symbol_symbols_permission_and_status() -> None:
    client = Client()
    path = "/api/v3/exchangeInfo"
    everything = client.get(path)
    assert [one["symbol"] for one in everything["symbols"]] == ["BTCUSDT", "ETHUSDT", "BNBUSDT"]
    assert {one["rateLimitType"] for one in everything["rateLimits"]} == {
        "REQUEST_WEIGHT",
        "ORDERS",
        "RAW_REQUESTS",
    }
    assert len(client.get(path, "symbol=ETHUSDT")["symbols"]) == 1
    assert len(client.get(path, "symbols=%5B%22ETHUSDT%22,%22BNBUSDT%22%5D")["symbols"]) == 2
    assert client.get(path, "permissions=MARGIN")["symbols"] == []
    assert client.get(path, "symbolStatus=HALT")["symbols"] == []
    assert client.get(path, "symbol=NOPE")["code"] == -1121
    assert client.get(path, "symbol=ETHUSDT&permissions=SPOT")["code"] == -1128
    assert client.get(path, "symbols=%5B%22ETHUSDT%22,%22ETHUSDT%22%5D")["code"] == -1151
    assert client.get(path, "symbols=ETHUSDT")["code"] == -1100
    sets = client.get(path, "symbol=ETHUSDT&showPermissionSets=false")["symbols"][0]
    assert sets["permissionSets"] == []


def test_market_data_endpoints_agree_with_each_other() -> None:
    client = Client(rate=2_000)
    client.venue.traders.step(START_NS + 100 * MS)
    depth = client.get("/api/v3/depth", "symbol=BTCUSDT&limit=5")
    assert len(depth["bids"]) == len(depth["asks"]) == 5
    best = client.get("/api/v3/ticker/bookTicker", "symbol=BTCUSDT")
    assert [best["bidPrice"], best["bidQty"]] == depth["bids"][0]
    trades = client.get("/api/v3/trades", "symbol=BTCUSDT&limit=1000")
    last = client.get("/api/v3/ticker/price", "symbol=BTCUSDT")["price"]
    assert trades[-1]["price"] == last
    day = client.get("/api/v3/ticker/24hr", "symbol=BTCUSDT")
    assert (day["lastPrice"], day["count"]) == (last, len(trades))
    mini = client.get("/api/v3/ticker/24hr", "symbol=BTCUSDT&type=MINI")
    assert mini.items() <= day.items()
    klines = client.get("/api/v3/klines", "symbol=BTCUSDT&interval=1m")
    assert sum(row[8] for row in klines) == len(trades)
    aggregates = client.get("/api/v3/aggTrades", "symbol=BTCUSDT&limit=1000")
    assert (aggregates[0]["f"], aggregates[-1]["l"]) == (trades[0]["id"], trades[-1]["id"])
    older = client.get("/api/v3/historicalTrades", "symbol=BTCUSDT&fromId=2&limit=3")
    assert older == trades[1:4]
    assert len(client.get("/api/v3/ticker/price")) == 3
    assert client.get("/api/v3/klines", "symbol=BTCUSDT&interval=7m")["code"] == -1120
    tokyo = client.get("/api/v3/klines", "symbol=BTCUSDT&interval=1d&timeZone=9")
    assert tokyo[0][0] % 86_400_000 == 15 * 3_600_000
    assert client.get("/api/v3/klines", "symbol=BTCUSDT&interval=1d&timeZone=15")["code"] == -1130


@pytest.mark.parametrize(
    "path",
    [
        "/api/v3/account",
        "/api/v3/openOrders",
        "/api/v3/rateLimit/order",
        "/sapi/v1/capital/config/getall",
    ],
)
def test_signed_reads(path: str) -> None:
    assert Client().signed("GET", path).status == 200


def test_what_clients_ask_beside_the_spot_api() -> None:
    client = Client()
    assert client.get("/fapi/v1/exchangeInfo")["symbols"] == []
    assert client.get("/dapi/v1/exchangeInfo")["symbols"] == []
    assert client.get("/sapi/v1/margin/allPairs") == []
    coins = json.loads(client.signed("GET", "/sapi/v1/capital/config/getall").body)
    assert [one["coin"] for one in coins] == ["BNB", "BTC", "ETH", "USDT"]


def test_the_life_of_an_order_over_rest() -> None:
    client = Client()
    order = json.loads(client.signed("POST", "/api/v3/order", ORDER).body)
    names = f"symbol=BTCUSDT&orderId={order['orderId']}"
    amended = client.signed("PUT", "/api/v3/order/amend/keepPriority", f"{names}&newQty=0.005")
    assert json.loads(amended.body)["amendedOrder"]["qty"] == "0.00500000"
    found = json.loads(client.signed("GET", "/api/v3/order", names).body)
    assert found["origQty"] == "0.00500000"
    assert json.loads(client.signed("GET", "/api/v3/openOrders").body) == [found]
    canceled = json.loads(client.signed("DELETE", "/api/v3/order", names).body)
    assert canceled["status"] == "CANCELED"
    history = json.loads(client.signed("GET", "/api/v3/allOrders", "symbol=BTCUSDT").body)
    assert [one["status"] for one in history] == ["CANCELED"]
    assert client.signed("POST", "/api/v3/order/test", ORDER).body == b"{}"
    rates = json.loads(client.signed("GET", "/api/v3/account/commission", "symbol=BTCUSDT").body)
    assert rates["standardCommission"]["taker"] == "0.00100000"


def test_the_wallet_service_lists_fees_and_says_that_it_is_up() -> None:
    client = Client()
    assert client.get("/sapi/v1/system/status") == {"status": 0, "msg": "normal"}
    fees = json.loads(client.signed("GET", "/sapi/v1/asset/tradeFee").body)
    assert {one["symbol"] for one in fees} == {"BTCUSDT", "ETHUSDT", "BNBUSDT"}
    [one] = json.loads(client.signed("GET", "/sapi/v1/asset/tradeFee", "symbol=BNBUSDT").body)
    assert one == {"symbol": "BNBUSDT", "makerCommission": "0.001", "takerCommission": "0.001"}


@pytest.mark.parametrize("path", ["/api/v3/ticker", "/api/v3/ticker/tradingDay"])
def test_statistics_over_other_times_name_their_symbols(path: str) -> None:
    client = Client(rate=500)
    client.venue.step(START_NS)
    assert client.get(path)["code"] == -1102
    one = client.get(path, "symbol=BTCUSDT")
    assert one["symbol"] == "BTCUSDT"
    assert "bidPrice" not in one
    assert "priceChange" not in client.get(path, "symbol=BTCUSDT&type=MINI")
    both = client.get(path, "symbols=%5B%22BTCUSDT%22,%22ETHUSDT%22%5D")
    assert [found["symbol"] for found in both] == ["BTCUSDT", "ETHUSDT"]
    weight = client.send("GET", path, "symbols=%5B%22BTCUSDT%22,%22ETHUSDT%22%5D")
    before = int(weight.headers["X-MBX-USED-WEIGHT-1M"])
    after = client.send("GET", path, "symbol=BTCUSDT").headers["X-MBX-USED-WEIGHT-1M"]
    assert int(after) - before == 4


@pytest.mark.parametrize(
    ("window", "hours"), [("1m", 1 / 60), ("59m", 59 / 60), ("23h", 23), ("7d", 168), (None, 24)]
)
def test_a_rolling_window_is_at_most_a_minute_wider_than_asked_for(
    window: str | None, hours: float
) -> None:
    query = "symbol=BTCUSDT" + (f"&windowSize={window}" if window else "")
    found = Client().get("/api/v3/ticker", query)
    assert found["openTime"] % 60_000 == 0
    assert 0 <= found["closeTime"] - found["openTime"] - hours * 3_600_000 < 60_000


@pytest.mark.parametrize("window", ["0m", "60m", "24h", "8d", "1d2h", "1w", "x"])
def test_other_windows_are_refused(window: str) -> None:
    found = Client().get("/api/v3/ticker", f"symbol=BTCUSDT&windowSize={window}")
    assert found["code"] == -1130


def test_a_trading_day_is_cut_by_its_zone() -> None:
    found = Client().get("/api/v3/ticker/tradingDay", "symbol=BTCUSDT&timeZone=-1:00")
    assert found["openTime"] % 86_400_000 == 3_600_000
    assert found["closeTime"] == found["openTime"] + 86_399_999


def test_what_does_not_exist_here_is_said_truthfully() -> None:
    client = Client()
    assert client.get("/api/v3/historicalBlockTrades", "symbol=BTCUSDT") == []
    assert client.get("/api/v3/referencePrice", "symbol=BTCUSDT")["code"] == -2043
    rules = client.get("/api/v3/executionRules", "symbol=BTCUSDT")
    assert rules == {"symbolRules": [{"symbol": "BTCUSDT", "rules": []}]}
