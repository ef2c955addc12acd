"""cryptofeed: a feed handler without orders, so that it takes part in bursts alone.

The last tick of a burst, which asks for an order, is answered by a plain request, outside of what
is timed for others too.
"""

from __future__ import annotations

import asyncio
import http.client
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import plain
import uvloop
from cryptofeed import FeedHandler
from cryptofeed.connection import RestEndpoint, Routes, WebsocketEndpoint
from cryptofeed.defines import L2_BOOK, TICKER
from cryptofeed.exchanges import Binance


class InTheClear(str):
    """An address that passes for one under TLS: it takes no other, and the race has both."""

    def startswith(self, *_: Any) -> bool:
        return True


class LocalBinance(Binance):
    """Binance on loopback."""

    def _address(self) -> InTheClear:
        return InTheClear(super()._address())


def main() -> None:
    asked = plain.settings()
    least = Decimal(asked["least_size"])

    def order(size: Decimal) -> None:
        venue = http.client.HTTPConnection(urlsplit(asked["rest"]).netloc, timeout=5)
        venue.request("POST", f"/api/v3/order?quantity={size}")
        venue.getresponse().read()
        venue.close()

    async def ticker(update: Any, _: float) -> None:
        # The ticker keeps no sizes: the raw message does.
        size = Decimal(update.raw["B"])
        if size >= least:
            order(size)

    async def book(update: Any, _: float) -> None:
        size = update.book.bids.index(0)[1]
        if size >= least:
            order(size)

    LocalBinance.websocket_endpoints = [WebsocketEndpoint(asked["stream_url"])]
    LocalBinance.rest_endpoints = [
        RestEndpoint(
            asked["rest"],
            routes=Routes("/api/v3/exchangeInfo", l2book="/api/v3/depth?symbol={}&limit={}"),
        )
    ]
    # Its own way to install uvloop wants a loop that asyncio no longer makes unasked.
    asyncio.set_event_loop(uvloop.new_event_loop())
    handler = FeedHandler(config={"log": {"disabled": True}, "uvloop": False})
    if asked["stream"] == "depth":
        feed = LocalBinance(symbols=["BTC-USDT"], channels=[L2_BOOK], callbacks={L2_BOOK: book})
    else:
        feed = LocalBinance(symbols=["BTC-USDT"], channels=[TICKER], callbacks={TICKER: ticker})
    handler.add_feed(feed)
    handler.run()


if __name__ == "__main__":
    main()
