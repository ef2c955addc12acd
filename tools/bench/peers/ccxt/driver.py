"""ccxt.pro: its watchers, and its orders over the WebSocket API."""

from __future__ import annotations

import asyncio
from typing import Any

import ccxt.pro
import plain

SYMBOL = "BTC/USDT"


def at_home(urls: Any, rest: str) -> Any:
    """Return a tree of addresses with all public and private ones on one host."""
    if isinstance(urls, dict):
        return {name: at_home(url, rest) for name, url in urls.items()}
    path = str(urls).partition("://")[2].partition("/")[2]
    return f"{rest}/{path}"


async def main() -> None:
    asked = plain.settings()
    exchange = ccxt.pro.binance(
        {
            "apiKey": asked["api_key"],
            "secret": asked["secret"],
            "enableRateLimit": False,
            "newUpdates": True,
            "options": {
                "defaultType": "spot",
                "fetchMarkets": {"types": ["spot"]},
                "fetchCurrencies": False,
                "fetchMargins": False,
            },
        }
    )
    if asked["ca"]:
        exchange.cafile = asked["ca"]
    exchange.has["fetchCurrencies"] = False
    api = exchange.urls["api"]
    streams = api.pop("ws")
    exchange.urls["api"] = at_home(api, asked["rest"])
    streams["spot"] = f"{asked['stream_url']}/ws"
    streams["ws-api"]["spot"] = asked["ws_api"]
    exchange.urls["api"]["ws"] = streams
    least = float(asked["least_size"])
    await exchange.load_markets()
    tasks: set[asyncio.Task[Any]] = set()
    depth = asked["stream"] == "depth"
    while True:
        if depth:
            book = await exchange.watch_order_book(SYMBOL)
            price, size = book["bids"][0]
        else:
            ticker = (await exchange.watch_bids_asks([SYMBOL]))[SYMBOL]
            price, size = ticker["bid"], ticker["bidVolume"]
        if size >= least:
            # Its watchers miss what arrives while nobody awaits them: a reply is not waited for.
            order = exchange.create_order_ws(
                SYMBOL, "limit", "buy", size, price, {"timeInForce": "IOC"}
            )
            task = asyncio.create_task(order)
            tasks.add(task)
            task.add_done_callback(tasks.discard)


if __name__ == "__main__":
    asyncio.run(main())
