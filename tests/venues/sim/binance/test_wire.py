"""The running exchange over real sockets, with clients that know nothing of its insides."""

import hashlib
import hmac
import json
import ssl
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpx
import trio
from trio_websocket import (
    ConnectionClosed,
    WebSocketConnection,
    open_websocket_url,
    wrap_client_stream,
)

from venues.sim.fixed import show
from venues.sim.server import (
    DEFAULT_ACCOUNT,
    AccountConfig,
    RunningExchange,
    ServerConfig,
    running_exchange,
)

# Loopback answers in milliseconds; a test that waits this long has failed.
PATIENCE_SECONDS = 10


class Client:
    """A REST client that signs."""

    def __init__(self, exchange: RunningExchange, http: httpx.AsyncClient) -> None:
        self.exchange = exchange
        self.http = http

    async def signed(self, method: str, path: str, **params: Any) -> httpx.Response:
        params["timestamp"] = time.time_ns() // 1_000_000
        query = str(httpx.QueryParams(params))
        return await self.http.request(
            method,
            f"{self.exchange.rest}{path}?{query}&signature={sign(self.exchange, query)}",
            headers={"X-MBX-APIKEY": self.exchange.api_key},
        )


def sign(exchange: RunningExchange, payload: str) -> str:
    return hmac.new(exchange.api_secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def ws_request(exchange: RunningExchange, method: str, **params: Any) -> str:
    params |= {"apiKey": exchange.api_key, "timestamp": time.time_ns() // 1_000_000}
    payload = "&".join(f"{name}={value}" for name, value in sorted(params.items()))
    params["signature"] = sign(exchange, payload)
    return json.dumps({"id": method, "method": method, "params": params})


async def test_a_maker_trades_over_the_websocket_api_and_sees_it_privately() -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            running_exchange(ServerConfig(rate=500)) as exchange,
            httpx.AsyncClient() as http,
            open_websocket_url(exchange.ws_api) as api,
        ):
            await api.send_message(ws_request(exchange, "userDataStream.subscribe.signature"))
            assert json.loads(await api.get_message())["result"] == {"subscriptionId": 0}
            best = (
                await http.get(f"{exchange.rest}/api/v3/ticker/bookTicker?symbol=BTCUSDT")
            ).json()
            order = {
                "symbol": "BTCUSDT",
                "side": "BUY",
                "type": "LIMIT",
                "timeInForce": "IOC",
                "price": f"{float(best['askPrice']) * 1.01:.2f}",
                "quantity": "0.00100",
                "newClientOrderId": "taker-1",
            }
            await api.send_message(ws_request(exchange, "order.place", **order))
            # The level may be one order's or several's: a trade each.
            trades = 1
            messages: list[dict[str, Any]] = []
            while len(messages) < 3 + trades:
                messages.append(json.loads(await api.get_message()))
                trades = max(1, sum(one.get("event", {}).get("x") == "TRADE" for one in messages))
            (answer,) = [one for one in messages if "status" in one]
            events = [one["event"] for one in messages if "event" in one]
            assert answer["result"]["status"] == "FILLED"
            assert [event.get("x") for event in events] == ["NEW", *["TRADE"] * trades, None]
            assert events[1]["c"] == "taker-1"
            # What the client was told is what the exchange's own books say.
            (booked,) = exchange.ledger.orders("BTCUSDT")
            executions = exchange.ledger.executions("BTCUSDT")
            assert booked.client_id == "taker-1"
            told = [event["L"] for event in events[1:-1]]
            assert told == [show(execution.trade.price) for execution in executions]
            assert exchange.ledger.open_orders("BTCUSDT") == []
            position = {one["a"]: one["f"] for one in events[-1]["B"]}
            assert position["BTC"] == show(exchange.ledger.balances()["BTC"][0])


async def test_rest_orders_reach_the_private_stream() -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            running_exchange(ServerConfig(rate=0)) as exchange,
            httpx.AsyncClient() as http,
            open_websocket_url(exchange.ws_api) as api,
        ):
            await api.send_message(ws_request(exchange, "userDataStream.subscribe.signature"))
            await api.get_message()
            client = Client(exchange, http)
            placed = await client.signed(
                "POST",
                "/api/v3/order",
                symbol="ETHUSDT",
                side="SELL",
                type="LIMIT_MAKER",
                quantity="0.5",
                price="3300",
            )
            assert placed.status_code == 200
            assert placed.headers["X-MBX-ORDER-COUNT-10S"] == "1"
            event = json.loads(await api.get_message())["event"]
            assert (event["x"], event["i"]) == ("NEW", placed.json()["orderId"])
            await api.get_message()
            gone = await client.signed("DELETE", "/api/v3/openOrders", symbol="ETHUSDT")
            assert [one["status"] for one in gone.json()] == ["CANCELED"]
            assert json.loads(await api.get_message())["event"]["x"] == "CANCELED"
            unknown = await client.signed("GET", "/api/v3/order", symbol="ETHUSDT", orderId=99)
            assert unknown.json() == {"code": -2013, "msg": "Order does not exist."}


async def test_market_streams_flow_and_end_with_an_announcement() -> None:
    streams = "btcusdt@bookTicker/btcusdt@depth@100ms/btcusdt@trade"
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            async with running_exchange(ServerConfig(rate=2_000)) as exchange:
                client = await nursery.start(
                    _listener, f"{exchange.stream}/stream?streams={streams}"
                )
                seen: set[str] = set()
                while len(seen) < 3:
                    seen.add(json.loads(await client.get_message())["stream"])
                assert seen == set(streams.split("/"))
            last, code = await _to_the_end(client)
            assert json.loads(last)["stream"] == "!serverShutdown"
            assert code == 1001
            nursery.cancel_scope.cancel()


async def _listener(url: str, *, task_status: trio.TaskStatus[WebSocketConnection]) -> None:
    """Hold a client whose socket is closed here: trio-websocket leaves that to the other end."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    target = f"{parts.path}?{parts.query}"
    async with (
        await trio.open_tcp_stream(parts.hostname, parts.port) as stream,
        trio.open_nursery() as nursery,
    ):
        task_status.started(await wrap_client_stream(nursery, stream, "sim", target))
        await trio.sleep_forever()


async def _to_the_end(client: WebSocketConnection) -> tuple[str | bytes, int]:
    """Return the last message and the code of the close frame."""
    last: str | bytes = ""
    with suppress(ConnectionClosed):
        while True:
            last = await client.get_message()
    assert client.closed is not None
    return last, client.closed.code


async def test_tls_with_a_ca_that_clients_can_verify() -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with running_exchange(ServerConfig(rate=0, tls=True)) as exchange:
            assert exchange.rest.startswith("https://")
            assert exchange.announcement()["ca"] == exchange.ca
            context = ssl.create_default_context(cafile=exchange.ca)
            async with httpx.AsyncClient(verify=context) as http:
                assert (await http.get(f"{exchange.rest}/api/v3/ping")).json() == {}
            async with open_websocket_url(f"{exchange.stream}/ws", ssl_context=context) as client:
                await client.send_message('{"method":"LIST_SUBSCRIPTIONS","id":1}')
                assert json.loads(await client.get_message())["result"] == []


async def test_further_accounts_have_their_own_books() -> None:
    second = AccountConfig("second-key", "second-secret", {"USDT": 5 * 10**8})
    config = ServerConfig(rate=0, accounts=(DEFAULT_ACCOUNT, second))
    with trio.fail_after(PATIENCE_SECONDS):
        async with running_exchange(config) as exchange:
            assert exchange.ledger.balances("second-key") == {"USDT": (5 * 10**8, 0)}
            assert "USDT" in exchange.ledger.balances()
            exchange.ledger.deposit("BTC", 7, "second-key")
            assert exchange.ledger.balances("second-key")["BTC"] == (7, 0)


async def test_an_oversized_body_is_refused() -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with running_exchange(ServerConfig(rate=0)) as exchange, httpx.AsyncClient() as http:
            answer = await http.post(f"{exchange.rest}/api/v3/order", content=b"x" * 100_000)
            assert answer.status_code == 413
