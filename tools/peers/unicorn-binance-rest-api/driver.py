"""unicorn-binance-rest-api: REST alone.

It asks for the time while it is made, so that its addresses are set in the class; with a top-level
domain named it takes them from there. Left out: `get_trade_fee`, whose reader wants a reply that
the venue gave up in 2020, and `get_recent_trades`, which asks a path of the venue's first version.
"""

from __future__ import annotations

import steps
from steps import SIZE, SYMBOL
from unicorn_binance_rest_api import BinanceRestApiManager


def main() -> None:
    day = steps.Day()
    where = day.where
    BinanceRestApiManager.API_URL = f"{where['rest']}/api"
    BinanceRestApiManager.MARGIN_API_URL = f"{where['rest']}/sapi"
    client = BinanceRestApiManager(
        where["api_key"], where["api_secret"], tld="com", warn_on_update=False
    )
    with day.step("get_exchange_info") as seen:
        seen([symbol["symbol"] for symbol in client.get_exchange_info()["symbols"]])
    with day.step("get_order_book") as seen:
        book = client.get_order_book(symbol=SYMBOL)
        bid = book["bids"][0][0]
        seen(bid, float(bid) < float(book["asks"][0][0]))
    with day.step("get_klines") as seen:
        seen("1m", client.get_klines(symbol=SYMBOL, interval="1m"))
    with day.step("get_ticker") as seen:
        seen(client.get_ticker(symbol=SYMBOL)["lastPrice"])
    with day.step("order_limit_buy") as seen:
        order = client.order_limit_buy(symbol=SYMBOL, quantity=SIZE, price=steps.below(bid))
        seen(order["status"], order["status"] == "NEW")
    with day.step("get_order") as seen:
        seen(client.get_order(symbol=SYMBOL, orderId=order["orderId"])["status"])
    with day.step("get_open_orders") as seen:
        opened = client.get_open_orders(symbol=SYMBOL)
        seen(len(opened), opened[0]["orderId"] == order["orderId"])
    with day.step("cancel_order") as seen:
        canceled = client.cancel_order(symbol=SYMBOL, orderId=order["orderId"])
        seen(canceled["status"], canceled["status"] == "CANCELED")
    with day.step("order_market_buy") as seen:
        bought = client.order_market_buy(symbol=SYMBOL, quantity=SIZE)
        seen(bought["fills"][0]["price"], bought["status"] == "FILLED")
    with day.step("create_oco_order") as seen:
        pair = client.create_oco_order(
            symbol=SYMBOL,
            side="SELL",
            quantity=SIZE,
            price=steps.above(bid),
            stopPrice=steps.below(bid),
            stopLimitPrice=steps.below(bid),
            stopLimitTimeInForce="GTC",
        )
        seen(len(pair["orders"]), pair["listOrderStatus"] == "EXECUTING")
    with day.step("cancel_all_open_orders") as seen:
        seen(len(client.cancel_all_open_orders(symbol=SYMBOL)))
    with day.step("get_my_trades") as seen:
        seen("fills", client.get_my_trades(symbol=SYMBOL))
    with day.step("get_account") as seen:
        seen(len(client.get_account()["balances"]))
    with day.step("get_system_status") as seen:
        seen(client.get_system_status())
    with day.refusal("filter violation", -1013):
        client.order_limit_buy(symbol=SYMBOL, quantity=SIZE, price="0.001")
    with day.refusal("unknown order", -2011):
        client.cancel_order(symbol=SYMBOL, orderId=987654)
    with day.refusal("unknown symbol", -1121):
        client.get_order_book(symbol="NOPE")
    day.end()


if __name__ == "__main__":
    main()
