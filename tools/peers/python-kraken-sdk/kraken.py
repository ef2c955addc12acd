"""python-kraken-sdk on Kraken: REST, WebSocket v2, and books whose checksums it proves itself."""

from __future__ import annotations

# This folder's own file has the name of the package: keep it out of the way.
import sys
from pathlib import Path

sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).parent]

import asyncio  # noqa: E402
import re  # noqa: E402
from collections.abc import Callable  # noqa: E402
from typing import Any  # noqa: E402

import steps  # noqa: E402
from kraken.base_api import SpotClient  # noqa: E402
from kraken.spot import Market, SpotOrderBookClient, SpotWSClient, Trade, User  # noqa: E402
from kraken.spot.websocket import SpotWSClientBase  # noqa: E402
from steps import STEP_SECONDS  # noqa: E402

PAIR, SYMBOL = "XBTUSD", "BTC/USD"
SIZE = steps.SIZE


def redirect(where: dict[str, Any]) -> None:
    """Have every client ask the exchange instead of the venue."""
    SpotClient.URL = where["rest"]
    # The clients put the version behind a host themselves.
    SpotWSClientBase.WS_URL = re.sub("/v2$", "", where["public"])
    SpotWSClientBase.AUTH_WS_URL = re.sub("/v2$", "", where["private"])


def rest(day: steps.Day) -> None:
    """Work through the synchronous clients."""
    keys = {"key": day.where["api_key"], "secret": day.where["api_secret"]}
    market, trade, user = Market(), Trade(**keys), User(**keys)
    with day.step("get_system_status") as seen:
        status = market.get_system_status()["status"]
        seen(status, status == "online")
    with day.step("get_assets, get_asset_pairs") as seen:
        pair = market.get_asset_pairs(pair=PAIR)["XXBTZUSD"]
        seen(pair["wsname"], pair["wsname"] == "XBT/USD", "XXBT" in market.get_assets())
    with day.step("get_ticker") as seen:
        seen(market.get_ticker(pair=PAIR)["XXBTZUSD"]["c"])
    with day.step("get_ohlc") as seen:
        seen("1m", market.get_ohlc(pair=PAIR)["XXBTZUSD"])
    with day.step("get_recent_trades") as seen:
        seen("trades", market.get_recent_trades(pair=PAIR)["XXBTZUSD"])
    with day.step("get_order_book") as seen:
        book = market.get_order_book(pair=PAIR, count=5)["XXBTZUSD"]
        bid, ask = float(book["bids"][0][0]), float(book["asks"][0][0])
        seen(bid, 0 < bid < ask)
    price = round(bid * 0.9, 1)
    order = {"ordertype": "limit", "side": "buy", "pair": PAIR, "volume": SIZE, "price": price}
    with day.step("create_order limit, truncated") as seen:
        placed = trade.create_order(**order, truncate=True, userref=7)["txid"][0]
        seen(placed, placed.startswith("O"))
    with day.step("get_open_orders by userref") as seen:
        opened = user.get_open_orders(userref=7)["open"]
        seen(len(opened), list(opened) == [placed])
    with day.step("get_balances") as seen:
        held = user.get_balances()["ZUSD"]["hold_trade"]
        seen(held, float(held) >= float(SIZE) * price)
    with day.step("amend_order") as seen:
        trade.amend_order(txid=placed, limit_price=str(round(price - 1, 1)))
        shown = user.get_orders_info(txid=placed)[placed]
        seen(shown["descr"]["price"], float(shown["descr"]["price"]) == round(price - 1, 1))
    with day.step("cancel_order") as seen:
        seen(trade.cancel_order(txid=placed), user.get_open_orders()["open"] == {})
    with day.step("create_order_batch, cancel_order_batch") as seen:
        one = {k: order[k] for k in ("ordertype", "volume", "price")} | {"type": "buy"}
        placed = trade.create_order_batch(orders=[one, one], pair=PAIR)["orders"]
        gone = trade.cancel_order_batch(orders=[each["txid"] for each in placed])
        seen(gone, gone["count"] == 2)
    with day.step("create_order market") as seen:
        bought = trade.create_order(ordertype="market", side="buy", pair=PAIR, volume=SIZE)
        txid = bought["txid"][0]
        shown = user.get_orders_info(txid=txid, trades=True)[txid]
        seen(shown["status"], shown["status"] == "closed", shown["trades"])
    with day.step("get_trades_history, get_trades_info") as seen:
        history = user.get_trades_history()
        one_id = next(iter(history["trades"]))
        seen(history["count"], user.get_trades_info(txid=one_id)[one_id]["ordertxid"] == txid)
    with day.step("get_closed_orders") as seen:
        closed = user.get_closed_orders()
        seen(closed["count"], txid in closed["closed"])
    with day.step("get_trade_balance, get_trade_volume") as seen:
        seen(user.get_trade_balance()["eb"], user.get_trade_volume(pair=PAIR)["fees"])
    with day.step("cancel_all_orders_after_x, cancel_all_orders") as seen:
        trade.create_order(**order)
        armed = trade.cancel_all_orders_after_x(timeout=60)
        trade.cancel_all_orders_after_x(timeout=0)
        gone = trade.cancel_all_orders()
        seen(armed["triggerTime"], gone["count"] == 1)
    with day.refusal("insufficient funds", "Insufficient"):
        trade.create_order(**order | {"volume": "500"}, timeinforce="GTC")
        trade.create_order("limit", "sell", PAIR, "500", "70000")
    with day.refusal("minimum", "minimum"):
        trade.create_order(**order | {"volume": "0.00001"})
    with day.refusal("wrong signature", "signature"):
        User(key=keys["key"], secret="d3Jvbmc=").get_balances()  # noqa: S106 - the point


class Books(SpotOrderBookClient):
    """A book client that counts its updates and those whose checksum did not prove it."""

    def __init__(self, depth: int) -> None:
        super().__init__(depth=depth)
        self.right = self.wrong = 0

    async def on_book_update(self, pair: str, message: dict[str, Any]) -> None:
        """Count one update; the client has just held its checksum against the book."""
        if "error" not in message and self.get(pair)["valid"]:
            self.right += 1
        else:
            self.wrong += 1


async def books(day: steps.Day) -> None:
    """Keep books at three depths; the client verifies the CRC32 of every update."""
    for depth in (10, 100, 1000):
        with day.step(f"order book client, depth {depth}, checksums") as seen:
            client = Books(depth)
            await client.start()
            await client.add_book(pairs=[SYMBOL])
            await until(lambda client=client: client.right + client.wrong >= 300)
            seen(f"{client.right} right", client.right >= 300, client.wrong == 0)
            await client.stop()


async def until(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(STEP_SECONDS):
        while not condition():  # noqa: ASYNC110 - what the client heard is no event
            await asyncio.sleep(0.05)


async def sockets(day: steps.Day) -> None:
    """Work through the WebSocket client: public and private channels, orders."""
    heard: list[dict[str, Any]] = []

    async def on_message(message: dict[str, Any]) -> None:
        heard.append(message)

    def answers(method: str) -> list[dict[str, Any]]:
        return [one for one in heard if one.get("method") == method]

    def on(channel: str) -> list[dict[str, Any]]:
        return [one for one in heard if one.get("channel") == channel]

    def reports(kind: str) -> list[dict[str, Any]]:
        updates = [one for message in on("executions") for one in message["data"]]
        return [one for one in updates if one["exec_type"] == kind]

    client = SpotWSClient(
        key=day.where["api_key"], secret=day.where["api_secret"], callback=on_message
    )
    await client.start()
    with day.step("ws: instrument, ticker, trade, ohlc, book") as seen:
        for channel in ("ticker", "trade", "ohlc", "book"):
            await client.subscribe(params={"channel": channel, "symbol": [SYMBOL]})
        await client.subscribe(params={"channel": "instrument"})
        wanted = ("ticker", "trade", "ohlc", "book", "instrument")
        await until(lambda: all(on(channel) for channel in wanted))
        seen("all five", on("status"))
    with day.step("ws: executions, balances, level3") as seen:
        await client.subscribe(params={"channel": "executions"})
        await client.subscribe(params={"channel": "balances"})
        await client.subscribe(params={"channel": "level3", "symbol": [SYMBOL]})
        await until(lambda: on("executions") and on("balances") and len(on("level3")) > 5)
        seen("all three")
    bid = float(on("ticker")[-1]["data"][0]["bid"])
    price = round(bid * 0.9, 1)
    order = {"order_type": "limit", "side": "buy", "order_qty": float(SIZE), "symbol": SYMBOL}
    with day.step("ws: add_order") as seen:
        await client.send_message(
            message={"method": "add_order", "params": order | {"limit_price": price}}
        )
        await until(lambda: answers("add_order") and reports("new"))
        placed = answers("add_order")[0]["result"]["order_id"]
        seen(placed, reports("new")[-1]["order_id"] == placed)
    with day.step("ws: amend_order") as seen:
        params = {"order_id": placed, "limit_price": round(price - 1, 1)}
        await client.send_message(message={"method": "amend_order", "params": params})
        await until(lambda: reports("amended"))
        seen(reports("amended")[-1]["limit_price"])
    with day.step("ws: cancel_order") as seen:
        await client.send_message(
            message={"method": "cancel_order", "params": {"order_id": [placed]}}
        )
        await until(lambda: reports("canceled"))
        seen(reports("canceled")[-1]["reason"])
    with day.step("ws: market order, trade, filled, balances") as seen:
        market = {"order_type": "market", "side": "buy", "order_qty": float(SIZE)}
        await client.send_message(
            message={"method": "add_order", "params": market | {"symbol": SYMBOL}}
        )
        await until(lambda: reports("filled") and len(on("balances")) > 1)
        seen(reports("filled")[-1]["avg_price"], reports("trade"))
    with day.step("ws: cancel_all_orders_after, cancel_all") as seen:
        for method, params in (("cancel_all_orders_after", {"timeout": 60}), ("cancel_all", {})):
            await client.send_message(message={"method": method, "params": params})
        await until(lambda: answers("cancel_all"))
        seen(answers("cancel_all")[0]["result"])
    with day.step("ws: sequences without a gap") as seen:
        numbers = [one["sequence"] for one in on("executions")]
        seen(len(numbers), numbers == list(range(1, len(numbers) + 1)))
    await client.stop()


async def live(day: steps.Day) -> None:
    """Work through what needs WebSockets."""
    await books(day)
    await sockets(day)


def main() -> None:
    day = steps.Day()
    redirect(day.where)
    rest(day)
    asyncio.run(live(day))
    day.end()


if __name__ == "__main__":
    main()
