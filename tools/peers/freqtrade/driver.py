"""freqtrade: its exchange layer, with the stop-loss that it keeps on the exchange.

The bot's own loop is left out: it talks to the venue through this layer alone. Addresses go through
its documented `ccxt_config`.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import ccxt
import steps
from freqtrade.enums import CandleType, RunMode
from freqtrade.resolvers import ExchangeResolver

PAIR = "BTC/USDT"
SIZE = float(steps.SIZE)


def redirected(urls: Any, where: dict[str, Any]) -> Any:
    """Return ccxt's table of URLs with every host replaced by the exchange's."""
    if isinstance(urls, dict):
        return {name: redirected(url, where) for name, url in urls.items()}
    if "ws-api" in urls:
        return where["ws_api"]
    return re.sub("^https://[^/]+", where["rest"], re.sub("^wss://[^/]+", where["stream"], urls))


def main() -> None:
    day = steps.Day()
    where = day.where
    urls = {"api": redirected(ccxt.binance().urls["api"], where)}
    venue = ExchangeResolver.load_exchange(
        {
            "runmode": RunMode.LIVE,
            "dry_run": False,
            "stake_currency": "USDT",
            "trading_mode": "spot",
            "margin_mode": "",
            "timeframe": "1m",
            "entry_pricing": {"price_side": "same", "use_order_book": True, "order_book_top": 1},
            "exit_pricing": {"price_side": "same", "use_order_book": True, "order_book_top": 1},
            "order_types": {
                "entry": "limit",
                "exit": "limit",
                "stoploss": "limit",
                "stoploss_on_exchange": True,
            },
            "exchange": {
                "name": "binance",
                "key": where["api_key"],
                "secret": where["api_secret"],
                "ccxt_config": {"urls": urls},
                "pair_whitelist": [PAIR],
                "enable_ws": False,
            },
        },
        validate=True,
    )
    order_types = {"stoploss": "limit", "stoploss_on_exchange_limit_ratio": 0.99}
    with day.step("markets") as seen:
        seen(sorted(venue.markets), PAIR in venue.markets)
    with day.step("fetch_ticker") as seen:
        last = venue.fetch_ticker(PAIR)["last"]
        seen(last, last > 0)
    with day.step("get_rate") as seen:
        rate = venue.get_rate(PAIR, refresh=True, side="entry", is_short=False)
        seen(rate, rate > 0)
    with day.step("refresh_latest_ohlcv") as seen:
        key = (PAIR, "1m", CandleType.SPOT)
        venue.refresh_latest_ohlcv([key])
        seen(f"{len(venue.klines(key))} candles")
    with day.step("get_fee") as seen:
        seen(venue.get_fee(PAIR))
    common = {"pair": PAIR, "amount": SIZE, "leverage": 1.0}
    with day.step("entry, limit") as seen:
        price = round(rate * 0.9, 2)
        order = venue.create_order(**common, ordertype="limit", side="buy", rate=price)
        seen(order["status"], order["status"] == "open")
    with day.step("fetch_order") as seen:
        found = venue.fetch_order(order["id"], PAIR)
        seen(found["status"], found["price"] == price)
    with day.step("cancel_order_with_result") as seen:
        canceled = venue.cancel_order_with_result(order["id"], PAIR, SIZE)
        seen(canceled["status"], canceled["status"] == "canceled")
    with day.step("entry, market") as seen:
        bought = venue.create_order(**common, ordertype="market", side="buy", rate=rate)
        seen(bought["status"], bought["filled"] == SIZE)
    with day.step("get_trades_for_order") as seen:
        opened = bought["datetime"]
        fills = venue.get_trades_for_order(bought["id"], PAIR, datetime.fromisoformat(opened))
        seen(f"{len(fills)} fills", fills)
    with day.step("create_stoploss") as seen:
        stop = venue.create_stoploss(
            PAIR, SIZE, stop_price=price, order_types=order_types, side="sell", leverage=1.0
        )
        seen(stop["id"], stop["id"])
    with day.step("fetch_stoploss_order") as seen:
        found = venue.fetch_stoploss_order(stop["id"], PAIR)
        seen(found["status"], found["status"] == "open", found["stopPrice"] == price)
    with day.step("stop-loss moved up") as seen:
        canceled = venue.cancel_stoploss_order_with_result(stop["id"], PAIR, SIZE)
        higher = round(price * 1.01, 2)
        stop = venue.create_stoploss(
            PAIR, SIZE, stop_price=higher, order_types=order_types, side="sell", leverage=1.0
        )
        found = venue.fetch_stoploss_order(stop["id"], PAIR)
        seen(found["stopPrice"], canceled["status"] == "canceled", found["stopPrice"] == higher)
    with day.step("cancel_stoploss_order") as seen:
        seen(venue.cancel_stoploss_order(stop["id"], PAIR)["status"])
    with day.step("exit, market") as seen:
        sold = venue.create_order(
            **common, ordertype="market", side="sell", rate=rate, initial_order=False
        )
        seen(sold["status"], sold["status"] == "closed")
    with day.step("get_balances") as seen:
        seen(venue.get_balances()["BTC"]["total"])
    with day.refusal("more than the balance", "InsufficientFunds"):
        venue.create_order(**{**common, "amount": 120.0}, ordertype="limit", side="sell", rate=rate)
    venue.close()
    day.end()


if __name__ == "__main__":
    main()
