"""python-binance: REST, market streams, user data, orders over the WebSocket API."""

from __future__ import annotations

import asyncio
from typing import Any

import steps
from binance import AsyncClient, BinanceSocketManager
from binance.base_client import BaseClient
from steps import SIZE, STEP_SECONDS, SYMBOL


async def main() -> None:
    day = steps.Day()
    where = day.where
    BaseClient.API_URL = f"{where['rest']}/api"
    BaseClient.MARGIN_API_URL = f"{where['rest']}/sapi"
    BaseClient.WS_API_URL = where["ws_api"]
    BinanceSocketManager.STREAM_URL = f"{where['stream']}/"
    client = await AsyncClient.create(where["api_key"], where["api_secret"])

    async def received(socket: Any) -> Any:
        return await asyncio.wait_for(socket.recv(), STEP_SECONDS)

    with day.step("get_exchange_info") as seen:
        info = await client.get_exchange_info()
        seen([symbol["symbol"] for symbol in info["symbols"]])
    with day.step("get_server_time") as seen:
        seen((await client.get_server_time())["serverTime"])
    with day.step("get_order_book") as seen:
        depth = await client.get_order_book(symbol=SYMBOL)
        bid = depth["bids"][0][0]
        seen(bid, float(bid) < float(depth["asks"][0][0]))
    with day.step("get_trade_fee") as seen:
        seen((await client.get_trade_fee(symbol=SYMBOL))[0]["makerCommission"])
    manager = BinanceSocketManager(client)
    with day.step("multiplex_socket") as seen:
        async with manager.multiplex_socket(["btcusdt@bookTicker", "ethusdt@trade"]) as socket:
            seen((await received(socket))["stream"])
    with day.step("depth_socket") as seen:
        async with manager.depth_socket(SYMBOL, interval=100) as socket:
            first, second = await received(socket), await received(socket)
            seen(f"{first['u']}, {second['U']}", second["U"] == first["u"] + 1)
    with day.step("kline_socket") as seen:
        async with manager.kline_socket(SYMBOL) as socket:
            seen((await received(socket))["e"])

    async with manager.user_socket() as user:
        with day.step("order_limit_buy") as seen:
            order = await client.order_limit_buy(
                symbol=SYMBOL, quantity=SIZE, price=steps.below(bid)
            )
            seen(order["status"], order["status"] == "NEW")
        with day.step("user_socket NEW") as seen:
            event = await received(user)
            seen(event["x"], event["i"] == order["orderId"])
        with day.step("get_order") as seen:
            found = await client.get_order(symbol=SYMBOL, orderId=order["orderId"])
            seen(found["status"], found["status"] == "NEW")
        with day.step("cancel_order") as seen:
            canceled = await client.cancel_order(symbol=SYMBOL, orderId=order["orderId"])
            seen(canceled["status"], canceled["status"] == "CANCELED")
    with day.step("order_market_buy") as seen:
        bought = await client.order_market_buy(symbol=SYMBOL, quantity=SIZE)
        seen(bought["fills"][0]["price"], bought["status"] == "FILLED")
    with day.step("create_oco_order") as seen:
        pair = await client.create_oco_order(
            symbol=SYMBOL,
            side="SELL",
            quantity=SIZE,
            aboveType="LIMIT_MAKER",
            abovePrice=steps.above(bid),
            belowType="STOP_LOSS",
            belowStopPrice=steps.below(bid),
        )
        seen(len(pair["orders"]), pair["listOrderStatus"] == "EXECUTING")
    with day.step("cancel_all_open_orders") as seen:
        await client.cancel_all_open_orders(symbol=SYMBOL)
        left = await client.get_open_orders(symbol=SYMBOL)
        seen("none left", left == [])
    with day.step("ws_create_order") as seen:
        sold = await client.ws_create_order(
            symbol=SYMBOL, side="SELL", type="MARKET", quantity=SIZE
        )
        seen(sold["status"], sold["status"] == "FILLED")
    with day.step("get_my_trades") as seen:
        seen("fills", len(await client.get_my_trades(symbol=SYMBOL)) >= 2)
    with day.step("get_account") as seen:
        seen(len((await client.get_account())["balances"]))
    with day.refusal("filter violation", -1013):
        await client.order_limit_buy(symbol=SYMBOL, quantity=SIZE, price="0.001")
    with day.refusal("unknown symbol", -1121):
        await client.get_order_book(symbol="NOPE")
    with day.refusal("unknown order", -2011):
        await client.cancel_order(symbol=SYMBOL, orderId=987654)
    await client.close_connection()
    day.end()


if __name__ == "__main__":
    asyncio.run(main())
