"""Public Binance clients against the built-in exchange, with nothing changed but their URLs.

Runs one client library through a day's work: load the markets, read time and depth, stream, place,
cancel, see orders, fills and balances, and meet the venue's own error codes. The libraries are no
dependency of hotloop; each comes from the registry into an environment of its own::

    python -m venv peers && peers/bin/pip install ccxt python-binance
    peers/bin/python tools/peer_clients.py LINE          # LINE: what `hotloop sim` printed

Exit code 0 when every step did what it says, 1 when one did not, 2 when a library is absent.
"""

import argparse
import asyncio
import importlib
import importlib.metadata
import json
import re
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

INSTALL: Final = {
    "ccxt": "pip install ccxt",
    "ccxt.pro": "pip install ccxt",
    "python-binance": "pip install python-binance",
}
# Any single step of a client takes milliseconds on the loopback.
STEP_SECONDS: Final = 20

PAIR: Final = "BTC/USDT"
SYMBOL: Final = "BTCUSDT"


class Steps:
    """Runs named steps, prints a line for each, remembers whether all succeeded."""

    def __init__(self, client: str) -> None:
        self.client = client
        self.failed = False

    def check(self, name: str, succeeded: bool, seen: object) -> None:
        self.failed |= not succeeded
        print(f"| {self.client} | {name} | {'ok' if succeeded else 'FAILED'} | {seen} |")


def redirected(urls: Any, where: dict[str, str]) -> Any:
    """Return ccxt's table of URLs with every host replaced by the exchange's."""
    if isinstance(urls, dict):
        return {name: redirected(url, where) for name, url in urls.items()}
    if "ws-api" in urls:
        return where["ws_api"]
    return re.sub("^https://[^/]+", where["rest"], re.sub("^wss://[^/]+", where["stream"], urls))


def run_ccxt(where: dict[str, str]) -> bool:
    """Work through ccxt's synchronous client."""
    ccxt = importlib.import_module("ccxt")
    steps = Steps(f"ccxt {ccxt.__version__}")
    client = ccxt.binance({"apiKey": where["api_key"], "secret": where["api_secret"]})
    client.urls["api"] = redirected(client.urls["api"], where)

    markets = client.load_markets()
    market = markets[PAIR]
    steps.check("load_markets", PAIR in markets, f"{len(markets)} markets, {market['precision']}")
    steps.check("fetch_time", client.fetch_time() > 0, "milliseconds")
    book = client.fetch_order_book(PAIR, 5)
    bid, ask = book["bids"][0][0], book["asks"][0][0]
    steps.check("fetch_order_book", 0 < bid < ask, f"{bid} / {ask}")
    steps.check("fetch_trades", bool(client.fetch_trades(PAIR, limit=5)), "5 trades")
    steps.check("fetch_ticker", client.fetch_ticker(PAIR)["last"] > 0, "24 hours")
    steps.check("fetch_ohlcv", bool(client.fetch_ohlcv(PAIR, "1m")), "1m candles")

    price = round(bid * 0.9, 2)
    order = client.create_order(PAIR, "limit", "buy", 0.01, price)
    steps.check("create_order limit", order["status"] == "open", f"{order['id']} at {price}")
    found = client.fetch_order(order["id"], PAIR)
    steps.check("fetch_order", found["price"] == price, found["status"])
    opened = client.fetch_open_orders(PAIR)
    steps.check("fetch_open_orders", [o["id"] for o in opened] == [order["id"]], len(opened))
    locked = client.fetch_balance()["USDT"]["used"]
    steps.check("fetch_balance", abs(locked - 0.01 * price) < 1e-6, f"{locked} USDT locked")
    edited = client.edit_order(order["id"], PAIR, "limit", "buy", 0.01, price - 1)
    steps.check("edit_order (cancelReplace)", edited["id"] != order["id"], edited["id"])
    canceled = client.cancel_order(edited["id"], PAIR)
    steps.check("cancel_order", canceled["status"] == "canceled", canceled["status"])
    maker = client.create_order(PAIR, "limit", "buy", 0.01, price, {"postOnly": True})
    client.cancel_all_orders(PAIR)
    after = client.fetch_order(maker["id"], PAIR)
    steps.check("post-only, cancel_all_orders", after["status"] == "canceled", after["type"])
    filled = client.create_order(PAIR, "market", "buy", 0.01)
    steps.check("create_order market", filled["status"] == "closed", f"{filled['average']}")
    cost = client.create_market_buy_order_with_cost(PAIR, 50)
    steps.check("market buy by cost", 45 < cost["cost"] <= 50, f"{cost['cost']} USDT")
    mine = client.fetch_my_trades(PAIR)
    fills = [trade for trade in mine if trade["order"] == filled["id"]]
    steps.check("fetch_my_trades", bool(fills), f"fee {fills[0]['fee']}")
    total = client.fetch_balance()["BTC"]["total"]
    steps.check("balance after fills", total > 100, f"{total} BTC")

    def refused(name: str, error: type[Exception], act: Callable[[], object]) -> None:
        try:
            act()
        except error as caught:
            steps.check(name, True, f"{type(caught).__name__}: {str(caught)[8:]}")
        else:
            steps.check(name, False, "accepted")

    refused(
        "filter violation", ccxt.InvalidOrder, lambda: _raw_order(client, "BUY", "0.01", "0.001")
    )
    refused(
        "insufficient balance",
        ccxt.InsufficientFunds,
        lambda: _raw_order(client, "SELL", "120", "70000"),
    )
    refused("unknown order", ccxt.OrderNotFound, lambda: client.cancel_order("987654", PAIR))
    refused("unknown symbol", ccxt.BadSymbol, lambda: client.public_get_depth({"symbol": "NOPE"}))
    client.secret = "wrong"  # noqa: S105 - the point
    refused("wrong signature", ccxt.AuthenticationError, client.fetch_balance)
    return not steps.failed


def _raw_order(client: Any, side: str, quantity: str, price: str) -> object:
    return client.private_post_order(
        {
            "symbol": SYMBOL,
            "side": side,
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": quantity,
            "price": price,
        }
    )


async def run_ccxt_pro(where: dict[str, str]) -> bool:
    """Work through ccxt.pro: market streams, private events, orders over the WebSocket API."""
    ccxt = importlib.import_module("ccxt")
    pro = importlib.import_module("ccxt.pro")
    steps = Steps(f"ccxt.pro {ccxt.__version__}")
    client = pro.binance({"apiKey": where["api_key"], "secret": where["api_secret"]})
    client.urls["api"] = redirected(client.urls["api"], where)

    async def step(awaitable: Awaitable[Any]) -> Any:
        return await asyncio.wait_for(awaitable, STEP_SECONDS)

    try:
        await step(client.load_markets())
        book = await step(client.watch_order_book(PAIR))
        bid = book["bids"][0][0]
        steps.check("watch_order_book", bid < book["asks"][0][0], f"nonce {book['nonce']}")
        first = book["nonce"]
        for _ in range(10):
            book = await step(client.watch_order_book(PAIR))
        steps.check("its diffs chain", book["nonce"] > first, f"nonce {book['nonce']}")
        steps.check("watch_trades", bool(await step(client.watch_trades(PAIR))), "trades")
        best = await step(client.watch_bids_asks([PAIR]))
        steps.check("watch_bids_asks", best[PAIR]["bid"] > 0, "bookTicker")
        ticker = await step(client.watch_ticker(PAIR))
        steps.check("watch_ticker", ticker["last"] > 0, "24hrTicker")
        steps.check("watch_ohlcv", bool(await step(client.watch_ohlcv(PAIR, "1m"))), "kline_1m")

        watching = asyncio.ensure_future(client.watch_orders(PAIR))
        await asyncio.sleep(0.5)
        price = round(bid * 0.9, 2)
        placed = await step(client.create_order_ws(PAIR, "limit", "buy", 0.01, price))
        steps.check("create_order_ws", placed["status"] == "open", placed["id"])
        seen = await step(watching)
        steps.check("watch_orders NEW", seen[-1]["id"] == placed["id"], seen[-1]["status"])
        watching = asyncio.ensure_future(client.watch_orders(PAIR))
        await step(client.cancel_order_ws(placed["id"], PAIR))
        seen = await step(watching)
        steps.check("watch_orders CANCELED", seen[-1]["status"] == "canceled", "cancel_order_ws")
        filling = asyncio.ensure_future(client.watch_my_trades(PAIR))
        await asyncio.sleep(0.2)
        market = await step(client.create_order_ws(PAIR, "market", "buy", 0.01))
        fills = await step(filling)
        steps.check("watch_my_trades", fills[-1]["order"] == market["id"], fills[-1]["amount"])
        balance = await step(client.fetch_balance_ws())
        # This release of ccxt.pro reads the reply with its derivatives parser, so look at the info.
        steps.check("fetch_balance_ws", bool(balance["info"]["balances"]), "account.status")
        opened = await step(client.fetch_open_orders_ws(PAIR))
        steps.check("fetch_open_orders_ws", opened == [], "none left")
    finally:
        await client.close()
    return not steps.failed


async def run_python_binance(where: dict[str, str]) -> bool:
    """Work through python-binance: REST, market stream, user data, order over the WebSocket API."""
    binance = importlib.import_module("binance")
    exceptions = importlib.import_module("binance.exceptions")
    steps = Steps(f"python-binance {importlib.metadata.version('python-binance')}")
    base = importlib.import_module("binance.base_client").BaseClient
    base.API_URL = where["rest"] + "/api"
    base.WS_API_URL = where["ws_api"]
    binance.BinanceSocketManager.STREAM_URL = where["stream"] + "/"

    client = await binance.AsyncClient.create(where["api_key"], where["api_secret"])
    try:
        info = await client.get_exchange_info()
        steps.check("get_exchange_info", len(info["symbols"]) == 3, "3 symbols")
        steps.check("get_server_time", (await client.get_server_time())["serverTime"] > 0, "")
        depth = await client.get_order_book(symbol=SYMBOL)
        bid = float(depth["bids"][0][0])
        steps.check("get_order_book", bid > 0, depth["lastUpdateId"])
        manager = binance.BinanceSocketManager(client)
        async with manager.multiplex_socket(["btcusdt@bookTicker", "ethusdt@trade"]) as socket:
            message = await asyncio.wait_for(socket.recv(), STEP_SECONDS)
        steps.check("multiplex_socket", "stream" in message, message["stream"])
        async with manager.depth_socket(SYMBOL, interval=100) as socket:
            message = await asyncio.wait_for(socket.recv(), STEP_SECONDS)
        steps.check("depth_socket", message["e"] == "depthUpdate", f"U {message['U']}")

        async with manager.user_socket() as user:
            price = f"{bid * 0.9:.2f}"
            order = await client.order_limit_buy(symbol=SYMBOL, quantity="0.01", price=price)
            event = await asyncio.wait_for(user.recv(), STEP_SECONDS)
            steps.check("user_socket NEW", event["i"] == order["orderId"], event["x"])
            status = await client.get_order(symbol=SYMBOL, orderId=order["orderId"])
            steps.check("get_order", status["status"] == "NEW", status["status"])
            canceled = await client.cancel_order(symbol=SYMBOL, orderId=order["orderId"])
            steps.check("cancel_order", canceled["status"] == "CANCELED", canceled["status"])
        bought = await client.order_market_buy(symbol=SYMBOL, quantity="0.01")
        steps.check("order_market_buy", bought["status"] == "FILLED", bought["fills"][0]["price"])
        by_socket = await client.ws_create_order(
            symbol=SYMBOL, side="SELL", type="MARKET", quantity="0.01"
        )
        steps.check("ws_create_order", by_socket["status"] == "FILLED", by_socket["orderId"])
        trades = await client.get_my_trades(symbol=SYMBOL)
        steps.check("get_my_trades", len(trades) >= 2, f"{len(trades)} fills")
        account = await client.get_account()
        steps.check("get_account", bool(account["balances"]), f"{len(account['balances'])} assets")
        refusals: tuple[tuple[str, int, Callable[[], Awaitable[Any]]], ...] = (
            ("filter violation", -1013, lambda: _limit_buy(client, "0.001")),
            ("unknown symbol", -1121, lambda: client.get_order_book(symbol="NOPE")),
            ("unknown order", -2011, lambda: client.cancel_order(symbol=SYMBOL, orderId=987654)),
        )
        for name, code, act in refusals:
            try:
                await act()
            except exceptions.BinanceAPIException as caught:
                steps.check(name, caught.code == code, caught)
            else:
                steps.check(name, False, "accepted")
    finally:
        await client.close_connection()
    return not steps.failed


def _limit_buy(client: Any, price: str) -> Any:
    return client.order_limit_buy(symbol=SYMBOL, quantity="0.01", price=price)


CLIENTS: Final[dict[str, Callable[[dict[str, str]], bool]]] = {
    "ccxt": run_ccxt,
    "ccxt.pro": lambda where: asyncio.run(run_ccxt_pro(where)),
    "python-binance": lambda where: asyncio.run(run_python_binance(where)),
}


def main() -> int:
    """Run the named clients (all by default) against a running exchange."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("line", type=json.loads, help="the JSON line that `hotloop sim` printed")
    parser.add_argument("--client", choices=list(CLIENTS), action="append", default=[])
    args = parser.parse_args()
    succeeded = True
    print("| client | step | result | seen |")
    print("|---|---|---|---|")
    for name in args.client or CLIENTS:
        try:
            succeeded &= CLIENTS[name](args.line)
        except ModuleNotFoundError as error:
            print(f"{name} needs {error.name}: {INSTALL[name]}", file=sys.stderr)
            return 2
    return 0 if succeeded else 1


if __name__ == "__main__":
    sys.exit(main())
