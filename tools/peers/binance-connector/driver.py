"""binance-connector, the official client before the modular SDK: REST, streams, WebSocket API.

Its user stream wants a listenKey, which the venue has removed: it has none here either.
"""

from __future__ import annotations

import json
import queue
from typing import Any

import steps
from binance.spot import Spot
from binance.websocket.spot.websocket_api import SpotWebsocketAPIClient
from binance.websocket.spot.websocket_stream import SpotWebsocketStreamClient
from steps import SIZE, STEP_SECONDS, SYMBOL


def main() -> None:
    day = steps.Day()
    where = day.where
    client = Spot(where["api_key"], where["api_secret"], base_url=where["rest"])
    with day.step("exchange_info") as seen:
        seen([symbol["symbol"] for symbol in client.exchange_info()["symbols"]])
    with day.step("depth") as seen:
        book = client.depth(SYMBOL, limit=10)
        bid = book["bids"][0][0]
        seen(bid, float(bid) < float(book["asks"][0][0]))
    with day.step("klines") as seen:
        seen("1m", client.klines(SYMBOL, "1m", limit=5))
    with day.step("ticker_24hr") as seen:
        seen(client.ticker_24hr(SYMBOL)["lastPrice"])
    with day.step("rolling_window_ticker") as seen:
        seen(client.rolling_window_ticker(SYMBOL)["lastPrice"])

    messages: queue.Queue[Any] = queue.Queue()
    streams = SpotWebsocketStreamClient(
        stream_url=where["stream"], on_message=lambda _, text: messages.put(json.loads(text))
    )

    def streamed(event: str) -> Any:
        while True:
            message = messages.get(timeout=STEP_SECONDS)
            if message.get("e") == event:
                return message

    with day.step("stream trade") as seen:
        streams.trade(symbol=SYMBOL)
        seen(streamed("trade")["p"])
    with day.step("stream diff_book_depth") as seen:
        streams.diff_book_depth(symbol=SYMBOL, speed=100)
        first = streamed("depthUpdate")
        second = streamed("depthUpdate")
        seen(f"{first['u']}, {second['U']}", second["U"] == first["u"] + 1)
    with day.step("stream kline") as seen:
        streams.kline(symbol=SYMBOL, interval="1m")
        seen(streamed("kline")["k"]["c"])
    streams.stop()

    with day.refusal("new_listen_key (removed by the venue)", 404):
        client.new_listen_key()
    with day.step("new_order LIMIT") as seen:
        order = client.new_order(
            symbol=SYMBOL,
            side="BUY",
            type="LIMIT",
            timeInForce="GTC",
            quantity=SIZE,
            price=steps.below(bid),
        )
        seen(order["status"], order["status"] == "NEW")
    with day.step("get_order") as seen:
        seen(client.get_order(SYMBOL, orderId=order["orderId"])["status"])
    with day.step("cancel_and_replace") as seen:
        replaced = client.cancel_and_replace(
            symbol=SYMBOL,
            side="BUY",
            type="LIMIT",
            cancelReplaceMode="STOP_ON_FAILURE",
            timeInForce="GTC",
            quantity=SIZE,
            price=steps.below(bid),
            cancelOrderId=order["orderId"],
        )
        order = replaced["newOrderResponse"]
        seen(replaced["newOrderResult"], replaced["newOrderResult"] == "SUCCESS")
    with day.step("get_open_orders") as seen:
        opened = client.get_open_orders(SYMBOL)
        seen(len(opened), [other["orderId"] for other in opened] == [order["orderId"]])
    with day.step("cancel_order") as seen:
        canceled = client.cancel_order(SYMBOL, orderId=order["orderId"])
        seen(canceled["status"], canceled["status"] == "CANCELED")
    with day.step("new_order MARKET") as seen:
        bought = client.new_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity=SIZE)
        seen(bought["fills"][0]["price"], bought["status"] == "FILLED")
    with day.step("new_oco_order") as seen:
        pair = client.new_oco_order(
            symbol=SYMBOL,
            side="SELL",
            quantity=SIZE,
            aboveType="LIMIT_MAKER",
            belowType="STOP_LOSS",
            abovePrice=steps.above(bid),
            belowStopPrice=steps.below(bid),
        )
        seen(len(pair["orders"]), pair["listOrderStatus"] == "EXECUTING")
    with day.step("get_oco_open_orders") as seen:
        lists = client.get_oco_open_orders()
        seen(len(lists), lists[0]["orderListId"] == pair["orderListId"])
    with day.step("cancel_oco_order") as seen:
        ended = client.cancel_oco_order(SYMBOL, orderListId=pair["orderListId"])
        seen(ended["listOrderStatus"], ended["listOrderStatus"] == "ALL_DONE")
    with day.step("my_trades") as seen:
        seen("fills", client.my_trades(SYMBOL))
    with day.step("account") as seen:
        seen(len(client.account()["balances"]))
    with day.step("trade_fee") as seen:
        seen(client.trade_fee(symbol=SYMBOL)[0]["makerCommission"])

    replies: queue.Queue[Any] = queue.Queue()
    api = SpotWebsocketAPIClient(
        stream_url=where["ws_api"],
        api_key=where["api_key"],
        api_secret=where["api_secret"],
        on_message=lambda _, text: replies.put(json.loads(text)),
    )
    with day.step("WebSocket API new_order") as seen:
        api.new_order(symbol=SYMBOL, side="SELL", type="MARKET", quantity=float(SIZE))
        reply = replies.get(timeout=STEP_SECONDS)
        seen(reply["result"]["status"], reply["result"]["status"] == "FILLED")
    with day.step("WebSocket API account") as seen:
        api.account()
        seen(len(replies.get(timeout=STEP_SECONDS)["result"]["balances"]))
    api.stop()

    with day.refusal("filter violation", -1013):
        client.new_order(
            symbol=SYMBOL,
            side="BUY",
            type="LIMIT",
            timeInForce="GTC",
            quantity=SIZE,
            price="0.001",
        )
    with day.refusal("unknown order", -2011):
        client.cancel_order(SYMBOL, orderId=987654)
    with day.refusal("unknown symbol", -1121):
        client.depth("NOPE")
    day.end()


if __name__ == "__main__":
    main()
