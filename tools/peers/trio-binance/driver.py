"""trio-binance: REST for reading, combined streams and the user stream, on trio.

It sends what it posts as JSON, which the venue's documents do not know: they take query strings and
forms. Its orders are refused for that, here as there.
"""

from __future__ import annotations

from typing import Any

import steps
import trio
from steps import SIZE, STEP_SECONDS, SYMBOL
from trio_binance import AsyncClient
from trio_binance.streams import BinanceSocketManager


async def main() -> None:
    day = steps.Day()
    where = day.where
    AsyncClient.API_URL = f"{where['rest']}/api"
    AsyncClient.MARGIN_API_URL = f"{where['rest']}/sapi"
    BinanceSocketManager.URLS = {"main": {"spot": where["stream"]}}
    BinanceSocketManager.WSAPI_URLS = {"main": where["ws_api"]}
    client = await AsyncClient.create(where["api_key"], where["api_secret"])

    async def streamed(socket: Any, event: str) -> Any:
        with trio.fail_after(STEP_SECONDS):
            while True:
                message = await socket.__anext__()
                message = message.get("data", message.get("event", message))
                if message.get("e") == event:
                    return message

    with day.step("get_exchange_info") as seen:
        info = await client.get_exchange_info()
        seen([symbol["symbol"] for symbol in info["symbols"]])
    with day.step("get_order_book") as seen:
        book = await client.get_order_book(symbol=SYMBOL)
        bid = book["bids"][0][0]
        seen(bid, float(bid) < float(book["asks"][0][0]))
    with day.step("get_klines") as seen:
        seen("1m", await client.get_klines(symbol=SYMBOL, interval="1m"))
    with day.step("get_trade_fee") as seen:
        seen((await client.get_trade_fee(symbol=SYMBOL))[0]["makerCommission"])
    market = await BinanceSocketManager.create(client)
    async with market.connect():
        await market.subscribe(["btcusdt@trade", "btcusdt@depth@100ms", "btcusdt@kline_1m"])
        messages = market.get_next_message()
        for event in ("trade", "depthUpdate", "kline"):
            with day.step(f"stream {event}") as seen:
                seen((await streamed(messages, event))["E"])
    user = await BinanceSocketManager.create(client)
    user.user_data = True
    async with user.connect():
        with day.step("user stream") as seen:
            seen("subscribed", "private" in user._connection_ready)
        with day.refusal("an order as JSON", "-1102"):
            await client.order_limit_buy(symbol=SYMBOL, quantity=SIZE, price=steps.below(bid))
    with day.step("get_open_orders") as seen:
        seen("none", await client.get_open_orders(symbol=SYMBOL) == [])
    with day.step("get_my_trades") as seen:
        seen(len(await client.get_my_trades(symbol=SYMBOL)))
    with day.step("get_account") as seen:
        seen(len((await client.get_account())["balances"]))
    with day.refusal("get_order of an unknown one", -2013):
        await client.get_order(symbol=SYMBOL, orderId=987654)
    with day.refusal("unknown symbol", -1121):
        await client.get_order_book(symbol="NOPE")
    await client.close_connection()
    day.end()


if __name__ == "__main__":
    trio.run(main)
