"""binance-sdk-spot, the official modular SDK: REST, streams, WebSocket API, user data stream."""

from __future__ import annotations

import asyncio
from typing import Any

import steps
from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_sdk_spot.spot import Spot
from steps import SIZE, STEP_SECONDS, SYMBOL

UNSUBSCRIBE_PAUSE_SECONDS = 0.5
"""The venue takes 5 messages a second of a connection."""


async def main() -> None:
    day = steps.Day()
    where = day.where
    keys = {"api_key": where["api_key"], "api_secret": where["api_secret"]}
    client = Spot(
        config_rest_api=ConfigurationRestAPI(**keys, base_path=where["rest"]),
        config_ws_api=ConfigurationWebSocketAPI(**keys, stream_url=where["ws_api"]),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=where["stream"]),
    )
    rest = client.rest_api
    size = float(SIZE)

    with day.step("exchange_info") as seen:
        seen([symbol.symbol for symbol in rest.exchange_info().data().symbols])
    with day.step("depth") as seen:
        book = rest.depth(symbol=SYMBOL).data()
        bid = book.bids[0][0]
        seen(bid, float(bid) < float(book.asks[0][0]))
    with day.step("klines") as seen:
        seen("1m", rest.klines(symbol=SYMBOL, interval="1m").data())
    with day.step("ticker") as seen:
        seen("1d", rest.ticker(symbol=SYMBOL).data())
    with day.step("ticker_trading_day") as seen:
        seen("a day", rest.ticker_trading_day(symbol=SYMBOL).data())

    streams = await client.websocket_streams.create_connection()
    for name, parameters in (
        ("agg_trade", {}),
        ("trade", {}),
        ("book_ticker", {}),
        ("diff_book_depth", {"update_speed": "100ms"}),
        ("partial_book_depth", {"levels": "10"}),
        ("kline", {"interval": "1m"}),
        ("kline_offset", {"interval": "1m"}),
        ("mini_ticker", {}),
        ("rolling_window_ticker", {"window_size": "1h"}),
        ("avg_price", {}),
    ):
        with day.step(f"stream {name}") as seen:
            messages: asyncio.Queue[Any] = asyncio.Queue()
            stream = await getattr(streams, name)(symbol=SYMBOL.lower(), **parameters)
            stream.on("message", messages.put_nowait)
            seen(type(await asyncio.wait_for(messages.get(), STEP_SECONDS)).__name__)
            await stream.unsubscribe()
            await asyncio.sleep(UNSUBSCRIBE_PAUSE_SECONDS)
    await streams.close_connection(close_session=True)

    api = await client.websocket_api.create_connection()
    events: asyncio.Queue[Any] = asyncio.Queue()

    async def report(execution: str) -> Any:
        while True:
            message = await asyncio.wait_for(events.get(), STEP_SECONDS)
            event = getattr(message, "actual_instance", message)
            if getattr(event, "x", None) == execution:
                return event

    with day.step("user_data_stream_subscribe_signature") as seen:
        subscribed = await api.user_data_stream_subscribe_signature()
        subscribed.stream.on("message", events.put_nowait)
        seen("subscribed")
    limit = {
        "symbol": SYMBOL,
        "side": "BUY",
        "type": "LIMIT",
        "time_in_force": "GTC",
        "price": float(steps.below(bid)),
    }
    with day.step("order_place") as seen:
        order = (await api.order_place(**limit, quantity=size)).data().result
        seen(order.order_id, order.status in (None, "NEW"))
    with day.step("its executionReport NEW") as seen:
        event = await report("NEW")
        seen(event.x, event.i == order.order_id)
    with day.step("get_order") as seen:
        found = rest.get_order(symbol=SYMBOL, order_id=order.order_id).data()
        seen(found.status, found.status == "NEW")
    with day.step("order_amend_keep_priority") as seen:
        amended = rest.order_amend_keep_priority(
            symbol=SYMBOL, order_id=order.order_id, new_qty=size / 2
        ).data()
        seen(amended.amended_order.qty, float(amended.amended_order.qty) == size / 2)
    with day.step("order_cancel_replace") as seen:
        replaced = rest.order_cancel_replace(
            **limit,
            quantity=size,
            cancel_replace_mode="STOP_ON_FAILURE",
            cancel_order_id=order.order_id,
        ).data()
        order = replaced.new_order_response
        seen(replaced.new_order_result, replaced.new_order_result == "SUCCESS")
    with day.step("get_open_orders") as seen:
        opened = rest.get_open_orders(symbol=SYMBOL).data()
        seen(len(opened), len(opened) == 1)
    with day.step("order_cancel") as seen:
        canceled = (await api.order_cancel(symbol=SYMBOL, order_id=order.order_id)).data().result
        seen(canceled.status, canceled.status == "CANCELED")
    with day.step("new_order MARKET") as seen:
        bought = rest.new_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity=size).data()
        seen(bought.status, bought.status == "FILLED")
    with day.step("its executionReport TRADE") as seen:
        seen((await report("TRADE")).L)
    with day.step("order_list_oco") as seen:
        pair = rest.order_list_oco(
            symbol=SYMBOL,
            side="SELL",
            quantity=size,
            above_type="LIMIT_MAKER",
            above_price=float(steps.above(bid)),
            below_type="STOP_LOSS",
            below_stop_price=float(steps.below(bid)),
        ).data()
        seen(len(pair.orders), pair.list_order_status == "EXECUTING")
    with day.step("open_order_list") as seen:
        lists = rest.open_order_list().data()
        seen(len(lists), len(lists) == 1)
    with day.step("delete_order_list") as seen:
        ended = rest.delete_order_list(symbol=SYMBOL, order_list_id=pair.order_list_id).data()
        seen(ended.list_order_status, ended.list_order_status == "ALL_DONE")
    with day.step("my_trades") as seen:
        seen("fills", rest.my_trades(symbol=SYMBOL).data())
    with day.step("get_account") as seen:
        seen(len(rest.get_account().data().balances))
    with day.step("account_commission") as seen:
        seen(rest.account_commission(symbol=SYMBOL).data().standard_commission.maker)
    with day.step("my_prevented_matches") as seen:
        matches = rest.my_prevented_matches(symbol=SYMBOL, order_id=order.order_id).data()
        seen("none", matches == [])
    with day.step("my_allocations") as seen:
        seen("none", rest.my_allocations(symbol=SYMBOL).data() == [])
    with day.refusal("filter violation", "PRICE_FILTER"):
        rest.new_order(**{**limit, "price": 0.001}, quantity=size)
    with day.refusal("unknown order", "Unknown order"):
        rest.delete_order(symbol=SYMBOL, order_id=987654)
    with day.refusal("unknown symbol", "Invalid symbol"):
        rest.depth(symbol="NOPE")
    await api.close_connection(close_session=True)
    day.end()


if __name__ == "__main__":
    asyncio.run(main())
