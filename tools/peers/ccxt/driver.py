"""ccxt, and the ccxt.pro that it brings: REST, streams, orders over the WebSocket API."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable
from typing import Any

import ccxt
import ccxt.pro
import steps
from steps import STEP_SECONDS, SYMBOL

PAIR = "BTC/USDT"
SIZE = float(steps.SIZE)


def redirected(urls: Any, where: dict[str, Any]) -> Any:
    """Return ccxt's table of URLs with every host replaced by the exchange's."""
    if isinstance(urls, dict):
        return {name: redirected(url, where) for name, url in urls.items()}
    if "ws-api" in urls:
        return where["ws_api"]
    return re.sub("^https://[^/]+", where["rest"], re.sub("^wss://[^/]+", where["stream"], urls))


def rest(day: steps.Day, client: Any) -> None:
    """Work through the synchronous client."""
    with day.step("load_markets") as seen:
        markets = client.load_markets()
        seen(sorted(markets), PAIR in markets)
    with day.step("fetch_time") as seen:
        seen(client.fetch_time())
    with day.step("fetch_order_book") as seen:
        book = client.fetch_order_book(PAIR, 5)
        bid, ask = book["bids"][0][0], book["asks"][0][0]
        seen(bid, 0 < bid < ask)
    with day.step("fetch_trades") as seen:
        seen("trades", client.fetch_trades(PAIR, limit=5))
    with day.step("fetch_ticker") as seen:
        seen(client.fetch_ticker(PAIR)["last"])
    with day.step("fetch_ohlcv") as seen:
        seen("1m", client.fetch_ohlcv(PAIR, "1m"))
    with day.step("fetch_trading_fee") as seen:
        seen(client.fetch_trading_fee(PAIR)["maker"])

    price = round(bid * 0.9, 2)
    with day.step("create_order limit") as seen:
        order = client.create_order(PAIR, "limit", "buy", SIZE, price)
        seen(order["status"], order["status"] == "open")
    with day.step("fetch_order") as seen:
        found = client.fetch_order(order["id"], PAIR)
        seen(found["status"], found["price"] == price)
    with day.step("fetch_open_orders") as seen:
        opened = client.fetch_open_orders(PAIR)
        seen(len(opened), [o["id"] for o in opened] == [order["id"]])
    with day.step("fetch_balance") as seen:
        locked = client.fetch_balance()["USDT"]["used"]
        seen(f"{locked} USDT locked", abs(locked - SIZE * price) < 1e-6)
    with day.step("edit_order (cancelReplace)") as seen:
        edited = client.edit_order(order["id"], PAIR, "limit", "buy", SIZE, price - 1)
        seen(edited["status"], edited["id"] != order["id"])
    with day.step("cancel_order") as seen:
        canceled = client.cancel_order(edited["id"], PAIR)
        seen(canceled["status"], canceled["status"] == "canceled")
    with day.step("post-only, cancel_all_orders") as seen:
        maker = client.create_order(PAIR, "limit", "buy", SIZE, price, {"postOnly": True})
        client.cancel_all_orders(PAIR)
        after = client.fetch_order(maker["id"], PAIR)
        seen(after["status"], after["status"] == "canceled")
    with day.step("create_order market") as seen:
        filled = client.create_order(PAIR, "market", "buy", SIZE)
        seen(filled["average"], filled["status"] == "closed")
    with day.step("create_market_buy_order_with_cost") as seen:
        cost = client.create_market_buy_order_with_cost(PAIR, 50)["cost"]
        seen(f"{cost} USDT", 45 < cost <= 50)
    with day.step("stop-loss order") as seen:
        stop = client.create_order(PAIR, "limit", "sell", SIZE, price, {"stopLossPrice": price})
        again = client.fetch_order(stop["id"], PAIR)
        client.cancel_order(stop["id"], PAIR)
        seen(again["type"], again["stopPrice"] == price)
    with day.step("trailing order") as seen:
        trailing = {"trailingPercent": 5, "stopLossOrTakeProfit": "stopLoss"}
        stop = client.create_order(PAIR, "market", "sell", SIZE, None, trailing)
        seen(client.cancel_order(stop["id"], PAIR)["status"])
    with day.step("fetch_my_trades") as seen:
        mine = client.fetch_my_trades(PAIR)
        fills = [trade for trade in mine if trade["order"] == filled["id"]]
        seen(f"fee {fills[0]['fee']}", fills)
    with day.step("balance after fills") as seen:
        total = client.fetch_balance()["BTC"]["total"]
        seen(f"{total} BTC", total > 100)

    def raw(side: str, quantity: str, price: str) -> object:
        """Place past ccxt's own checks."""
        order = {"side": side, "type": "LIMIT", "quantity": quantity, "price": price}
        return client.private_post_order({"symbol": SYMBOL, "timeInForce": "GTC", **order})

    with day.refusal("filter violation", "InvalidOrder"):
        raw("BUY", "0.01", "0.001")
    with day.refusal("insufficient balance", "InsufficientFunds"):
        raw("SELL", "120", "70000")
    with day.refusal("unknown order", "OrderNotFound"):
        client.cancel_order("987654", PAIR)
    with day.refusal("unknown symbol", "BadSymbol"):
        client.public_get_depth({"symbol": "NOPE"})
    client.secret = "wrong"  # noqa: S105 - the point
    with day.refusal("wrong signature", "AuthenticationError"):
        client.fetch_balance()


async def pro(day: steps.Day, client: Any) -> None:
    """Work through ccxt.pro: market streams, private events, orders over the WebSocket API."""

    async def soon(awaitable: Awaitable[Any]) -> Any:
        return await asyncio.wait_for(awaitable, STEP_SECONDS)

    await soon(client.load_markets())
    with day.step("pro: watch_order_book") as seen:
        book = await soon(client.watch_order_book(PAIR))
        bid, first = book["bids"][0][0], book["nonce"]
        for _ in range(10):
            book = await soon(client.watch_order_book(PAIR))
        crossed = book["bids"][0][0] >= book["asks"][0][0]
        seen(f"nonce {book['nonce']}", not crossed, book["nonce"] > first)
    with day.step("pro: watch_trades") as seen:
        seen("trades", await soon(client.watch_trades(PAIR)))
    with day.step("pro: watch_bids_asks") as seen:
        seen((await soon(client.watch_bids_asks([PAIR])))[PAIR]["bid"])
    with day.step("pro: watch_ticker") as seen:
        seen((await soon(client.watch_ticker(PAIR)))["last"])
    with day.step("pro: watch_ohlcv") as seen:
        seen("1m", await soon(client.watch_ohlcv(PAIR, "1m")))
    price = round(bid * 0.9, 2)
    watching = asyncio.ensure_future(client.watch_orders(PAIR))
    await asyncio.sleep(0.5)
    with day.step("pro: create_order_ws") as seen:
        placed = await soon(client.create_order_ws(PAIR, "limit", "buy", SIZE, price))
        seen(placed["status"], placed["status"] == "open")
    with day.step("pro: watch_orders NEW") as seen:
        event = (await soon(watching))[-1]
        seen(event["status"], event["id"] == placed["id"])
    watching = asyncio.ensure_future(client.watch_orders(PAIR))
    with day.step("pro: cancel_order_ws") as seen:
        seen((await soon(client.cancel_order_ws(placed["id"], PAIR)))["id"])
    with day.step("pro: watch_orders CANCELED") as seen:
        event = (await soon(watching))[-1]
        seen(event["status"], event["status"] == "canceled")
    filling = asyncio.ensure_future(client.watch_my_trades(PAIR))
    await asyncio.sleep(0.2)
    with day.step("pro: watch_my_trades") as seen:
        market = await soon(client.create_order_ws(PAIR, "market", "buy", SIZE))
        fill = (await soon(filling))[-1]
        seen(fill["amount"], fill["order"] == market["id"])
    with day.step("pro: fetch_balance_ws") as seen:
        # This release reads the reply with its derivatives parser, so look at the info.
        seen("account.status", (await soon(client.fetch_balance_ws()))["info"]["balances"])
    with day.step("pro: fetch_open_orders_ws") as seen:
        opened = await soon(client.fetch_open_orders_ws(PAIR))
        seen("none left", opened == [])
    await client.close()


def main() -> None:
    day = steps.Day()
    keys = {"apiKey": day.where["api_key"], "secret": day.where["api_secret"]}
    client = ccxt.binance(keys)
    client.urls["api"] = redirected(client.urls["api"], day.where)
    rest(day, client)
    client = ccxt.pro.binance(keys)
    client.urls["api"] = redirected(client.urls["api"], day.where)
    asyncio.run(pro(day, client))
    day.end()


if __name__ == "__main__":
    main()
