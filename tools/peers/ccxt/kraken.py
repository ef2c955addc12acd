"""ccxt, and the ccxt.pro that it brings, on Kraken: REST, streams, orders over WebSockets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import ccxt
import ccxt.pro
import steps
from steps import STEP_SECONDS

PAIR = "BTC/USD"
SIZE = float(steps.SIZE)


def redirect(client: Any, where: dict[str, Any]) -> None:
    """Have a client ask the exchange instead of the venue."""
    api = client.urls["api"]
    api |= {"public": where["rest"], "private": where["rest"]}
    if "ws" in api:
        public, private = where["public"], where["private"]
        api["ws"] |= {"publicV2": public, "privateV2": private, "private": private}


def rest(day: steps.Day, client: Any) -> None:
    """Work through the synchronous client."""
    with day.step("load_markets") as seen:
        market = client.load_markets()[PAIR]
        precision = market["precision"]
        seen(precision, market["id"] == "XXBTZUSD", precision["price"] == 0.1)
    with day.step("fetch_time") as seen:
        seen(client.fetch_time())
    with day.step("fetch_status") as seen:
        status = client.fetch_status()["status"]
        seen(status, status == "ok")
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
        fee = client.fetch_trading_fee(PAIR)["maker"]
        seen(fee, fee == 0.001)

    price = round(bid * 0.9, 1)
    with day.step("create_order limit") as seen:
        order = client.create_order(PAIR, "limit", "buy", SIZE, price)
        seen(order["id"], order["id"].startswith("O"))
    with day.step("fetch_order") as seen:
        found = client.fetch_order(order["id"], PAIR)
        seen(found["status"], found["status"] == "open", found["price"] == price)
    with day.step("fetch_open_orders") as seen:
        opened = client.fetch_open_orders(PAIR)
        seen(len(opened), [o["id"] for o in opened] == [order["id"]])
    with day.step("fetch_balance") as seen:
        used = client.fetch_balance()["USD"]["used"]
        seen(f"{used} USD held", SIZE * price <= used < SIZE * price * 1.01)
    with day.step("edit_order (AmendOrder)") as seen:
        client.edit_order(order["id"], PAIR, "limit", "buy", SIZE * 2, price - 1)
        found = client.fetch_order(order["id"], PAIR)
        seen(found["amount"], found["amount"] == SIZE * 2, found["price"] == price - 1)
    with day.step("cancel_order") as seen:
        client.cancel_order(order["id"], PAIR)
        found = client.fetch_order(order["id"], PAIR)
        seen(found["status"], found["status"] == "canceled")
    with day.step("post-only, client id, cancel_all_orders") as seen:
        params = {"postOnly": True, "clientOrderId": "peer-1"}
        maker = client.create_order(PAIR, "limit", "buy", SIZE, price, params)
        client.cancel_all_orders(PAIR)
        after = client.fetch_order(maker["id"], PAIR)
        seen(after["clientOrderId"], after["status"] == "canceled")
    with day.step("create_order market") as seen:
        market = client.create_order(PAIR, "market", "buy", SIZE)
        filled = client.fetch_order(market["id"], PAIR)
        seen(filled["average"], filled["status"] == "closed", filled["filled"] == SIZE)
    with day.step("create_market_buy_order_with_cost") as seen:
        placed = client.create_market_buy_order_with_cost(PAIR, 50)
        cost = client.fetch_order(placed["id"], PAIR)["cost"]
        seen(f"{cost} USD", 45 < cost <= 50)
    with day.step("stop-loss order") as seen:
        stop = client.create_order(PAIR, "market", "sell", SIZE, None, {"stopLossPrice": price})
        again = client.fetch_order(stop["id"], PAIR)
        client.cancel_order(stop["id"], PAIR)
        seen(again["stopLossPrice"], again["stopLossPrice"] == price)
    with day.step("create_orders (AddOrderBatch), cancel_orders") as seen:
        wanted = {"symbol": PAIR, "type": "limit", "side": "buy", "amount": SIZE, "price": price}
        both = client.create_orders([wanted, wanted | {"price": price - 1}])
        client.cancel_orders([one["id"] for one in both])
        seen(len(both), client.fetch_open_orders(PAIR) == [])
    with day.step("cancel_all_orders_after") as seen:
        seen(client.cancel_all_orders_after(60_000), client.cancel_all_orders_after(0))
    with day.step("fetch_my_trades") as seen:
        mine = client.fetch_my_trades(PAIR)
        fills = [trade for trade in mine if trade["order"] == filled["id"]]
        seen(f"fee {fills[0]['fee']}", fills, fills[0]["fee"]["currency"] == "USD")
    with day.step("fetch_order_trades") as seen:
        with_trades = client.fetch_order(filled["id"], PAIR, {"trades": True})
        trades = client.fetch_order_trades(filled["id"], PAIR, params=with_trades)
        seen(len(trades), len(trades) == len(fills))
    with day.step("fetch_closed_orders") as seen:
        closed = client.fetch_closed_orders(PAIR)
        seen(len(closed), filled["id"] in [one["id"] for one in closed])
    with day.step("balance after fills") as seen:
        total = client.fetch_balance()["BTC"]["total"]
        seen(f"{total} BTC", total > 100)

    def raw(**changed: str) -> object:
        """Place past ccxt's own checks."""
        order = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "volume": "0.01"}
        return client.private_post_addorder(order | {"price": str(price)} | changed)

    with day.refusal("tick size", "Tick size check failed"):
        raw(price="60000.123")
    with day.refusal("minimum", "Order minimum not met"):
        raw(volume="0.00001")
    with day.refusal("insufficient funds", "InsufficientFunds"):
        raw(type="sell", volume="500", price="70000")
    with day.refusal("unknown order", "Unknown order"):
        client.cancel_order("OAAAAA-BBBBB-CCCCCC", PAIR)
    with day.refusal("unknown pair", "Unknown asset pair"):
        client.public_get_depth({"pair": "NOPE"})
    client.secret = "d3Jvbmc="  # noqa: S105 - the point
    with day.refusal("wrong signature", "Invalid signature"):
        client.fetch_balance()


async def pro(day: steps.Day, client: Any) -> None:
    """Work through ccxt.pro: market streams, private events, orders over WebSockets."""

    async def soon(awaitable: Awaitable[Any]) -> Any:
        return await asyncio.wait_for(awaitable, STEP_SECONDS)

    await soon(client.load_markets())
    with day.step("pro: watch_order_book") as seen:
        book = await soon(client.watch_order_book(PAIR, 25))
        bid = book["bids"][0][0]
        for _ in range(100):
            book = await soon(client.watch_order_book(PAIR, 25))
        crossed = book["bids"][0][0] >= book["asks"][0][0]
        seen("100 updates", not crossed, len(book["bids"]) == 25)
    with day.step("pro: watch_trades") as seen:
        seen("trades", await soon(client.watch_trades(PAIR)))
    with day.step("pro: watch_bids_asks") as seen:
        seen((await soon(client.watch_bids_asks([PAIR])))[PAIR]["bid"])
    with day.step("pro: watch_ticker") as seen:
        seen((await soon(client.watch_ticker(PAIR)))["last"])
    with day.step("pro: watch_balance") as seen:
        seen((await soon(client.watch_balance()))["BTC"]["total"])
    price = round(bid * 0.9, 1)
    watching = asyncio.ensure_future(client.watch_orders(PAIR))
    await asyncio.sleep(2)
    with day.step("pro: create_order_ws") as seen:
        placed = await soon(client.create_order_ws(PAIR, "limit", "buy", SIZE, price))
        seen(placed["id"], placed["id"].startswith("O"))
    with day.step("pro: watch_orders new") as seen:
        event = (await soon(watching))[-1]
        seen(event["status"], event["id"] == placed["id"])
    with day.step("pro: edit_order_ws (amend_order)") as seen:
        edited = await soon(
            client.edit_order_ws(placed["id"], PAIR, "limit", "buy", SIZE, price - 1)
        )
        seen(edited["id"], edited["id"] == placed["id"])
    with day.step("pro: cancel_order_ws, watch_orders canceled") as seen:
        # By symbol it hears of messages that name theirs alone, and this one does not.
        watching = asyncio.ensure_future(client.watch_orders())
        await asyncio.sleep(0.1)
        await soon(client.cancel_order_ws(placed["id"]))
        event = (await soon(watching))[-1]
        seen(event["status"], event["status"] == "canceled")
    filling = asyncio.ensure_future(client.watch_my_trades(PAIR))
    await asyncio.sleep(0.5)
    with day.step("pro: watch_my_trades") as seen:
        market = await soon(client.create_order_ws(PAIR, "market", "buy", SIZE))
        fill = (await soon(filling))[-1]
        seen(fill["amount"], fill["order"] == market["id"], fill["fee"]["currency"] == "USD")
    with day.step("pro: cancel_all_orders_ws") as seen:
        await soon(client.create_order_ws(PAIR, "limit", "buy", SIZE, price))
        await soon(client.cancel_all_orders_ws())
        opened = await soon(client.fetch_open_orders(PAIR))
        seen("none left", opened == [])
    await client.close()


def main() -> None:
    day = steps.Day()
    # Two calls a second instead of one: what the counter of this account's tier bears for a minute.
    pace = {"rateLimit": 500}
    keys = {"apiKey": day.where["api_key"], "secret": day.where["api_secret"]}
    client = ccxt.kraken(keys | pace)
    redirect(client, day.where)
    rest(day, client)
    client = ccxt.pro.kraken(keys | pace)
    redirect(client, day.where)
    asyncio.run(pro(day, client))
    day.end()


if __name__ == "__main__":
    main()
