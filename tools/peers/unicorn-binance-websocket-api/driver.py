"""unicorn-binance-websocket-api: its streams, its user stream, orders over the WebSocket API."""

from __future__ import annotations

import json
import time
from typing import Any

import steps
from steps import SIZE, STEP_SECONDS, SYMBOL
from unicorn_binance_websocket_api import BinanceWebSocketApiManager

PATIENCE_SECONDS = 0.02
"""Between looks into its buffers, which wait for nobody."""


def main() -> None:
    day = steps.Day()
    where = day.where
    manager = BinanceWebSocketApiManager(
        exchange="binance.com",
        websocket_base_uri=f"{where['stream']}/",
        websocket_api_base_uri=where["ws_api"],
        restful_base_uri=where["rest"],
        warn_on_update=False,
    )

    def replied(ask: Any, **parameters: Any) -> Any:
        answer = ask(stream_id=api_stream, return_response=True, **parameters)
        # Of an order also its client id, before the reply.
        return json.loads(answer[-1] if isinstance(answer, tuple) else answer)

    def received(stream: str, wanted: Any = lambda _: True) -> Any:
        until = time.monotonic() + STEP_SECONDS
        while time.monotonic() < until:
            text = manager.pop_stream_data_from_stream_buffer(stream)
            if text:
                message = json.loads(text)
                message = message.get("data", message.get("event", message))
                if wanted(message):
                    return message
            else:
                time.sleep(PATIENCE_SECONDS)
        raise TimeoutError("nothing came")

    for channel, event in (
        ("trade", "trade"),
        ("depth@100ms", "depthUpdate"),
        ("kline_1m", "kline"),
        ("miniTicker", "24hrMiniTicker"),
        ("aggTrade", "aggTrade"),
    ):
        with day.step(f"stream {channel}") as seen:
            stream = manager.create_stream(channel, SYMBOL, stream_buffer_name=channel)
            seen(event, received(channel, lambda message, event=event: message.get("e") == event))
            manager.stop_stream(stream)
    with day.step("several markets in one stream") as seen:
        manager.create_stream("bookTicker", [SYMBOL, "ETHUSDT"], stream_buffer_name="tops")
        tops = {received("tops", lambda message: "s" in message)["s"] for _ in range(50)}
        seen(sorted(tops), tops)

    with day.step("user stream") as seen:
        manager.create_stream(
            "arr",
            "!userData",
            api_key=where["api_key"],
            api_secret=where["api_secret"],
            stream_buffer_name="user",
        )
        api_stream = manager.create_stream(
            api=True,
            api_key=where["api_key"],
            api_secret=where["api_secret"],
            stream_buffer_name="api",
            process_stream_data=None,
        )
        time.sleep(2)
        seen("opened")
    api = manager.api.spot
    with day.step("get_order_book") as seen:
        book = replied(
            api.get_order_book,
            symbol=SYMBOL,
            limit=5,
        )
        bid = book["result"]["bids"][0][0]
        seen(bid)
    with day.step("create_order") as seen:
        reply = replied(
            api.create_order,
            symbol=SYMBOL,
            side="BUY",
            order_type="LIMIT",
            time_in_force="GTC",
            quantity=float(SIZE),
            price=float(steps.below(bid)),
        )
        order = reply["result"]
        seen(order["status"], order["status"] == "NEW")
    with day.step("its executionReport NEW") as seen:
        report = received("user", lambda message: message.get("e") == "executionReport")
        seen(report["x"], report["i"] == order["orderId"])
    with day.step("get_order") as seen:
        reply = replied(api.get_order, symbol=SYMBOL, order_id=order["orderId"])
        seen(reply["result"]["status"])
    with day.step("get_open_orders") as seen:
        reply = replied(api.get_open_orders, symbol=SYMBOL)
        seen(len(reply["result"]), len(reply["result"]) == 1)
    with day.step("cancel_order") as seen:
        reply = replied(api.cancel_order, symbol=SYMBOL, order_id=order["orderId"])
        seen(reply["result"]["status"], reply["result"]["status"] == "CANCELED")
    with day.step("its executionReport CANCELED") as seen:
        report = received("user", lambda message: message.get("x") == "CANCELED")
        seen(report["x"], report["i"] == order["orderId"])
    with day.step("create_order MARKET") as seen:
        reply = replied(
            api.create_order,
            symbol=SYMBOL,
            side="BUY",
            order_type="MARKET",
            quantity=float(SIZE),
        )
        seen(reply["result"]["status"], reply["result"]["status"] == "FILLED")
    with day.step("get_account_status") as seen:
        reply = replied(api.get_account_status)
        seen(len(reply["result"]["balances"]))
    with day.step("unknown order") as seen:
        reply = replied(api.cancel_order, symbol=SYMBOL, order_id=987654)
        seen(reply["error"], reply["error"]["code"] == -2011)
    manager.stop_manager()
    day.end()


if __name__ == "__main__":
    main()
