"""cryptofeed: a feed handler with books, trades, tickers and candles; it does not trade here.

It takes no address but one under TLS, `wss://`: a text that says so of itself passes for one.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any

import steps
from cryptofeed import FeedHandler
from cryptofeed.connection import RestEndpoint, Routes, WebsocketEndpoint
from cryptofeed.defines import CANDLES, L2_BOOK, TICKER, TRADES
from cryptofeed.exchanges import Binance

DAY_SECONDS = 60
UPDATES = 20


class InTheClear(str):
    """An address that passes for one under TLS."""

    def startswith(self, *_: Any) -> bool:
        return True


class LocalBinance(Binance):
    """Binance on loopback."""

    def _address(self) -> Any:
        return InTheClear(super()._address())


def main() -> None:
    day = steps.Day()
    where = day.where
    LocalBinance.websocket_endpoints = [WebsocketEndpoint(where["stream"])]
    LocalBinance.rest_endpoints = [
        RestEndpoint(
            where["rest"],
            routes=Routes("/api/v3/exchangeInfo", l2book="/api/v3/depth?symbol={}&limit={}"),
        )
    ]
    heard: dict[str, list[Any]] = {TRADES: [], TICKER: [], L2_BOOK: [], CANDLES: []}
    # Its own way to install a loop wants one that asyncio no longer makes unasked.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    handler = FeedHandler(config={"log": {"disabled": True}, "uvloop": False})

    def into(channel: str) -> Any:
        async def put(update: Any, _: float) -> None:
            if channel == L2_BOOK:
                bids, asks = update.book.bids, update.book.asks
                heard[channel].append((bids.index(0)[0], asks.index(0)[0], update.sequence_number))
            else:
                heard[channel].append(update)
            if all(heard.values()) and len(heard[L2_BOOK]) >= UPDATES:
                loop.stop()

        return put

    handler.add_feed(
        LocalBinance(
            symbols=["BTC-USDT"],
            channels=list(heard),
            callbacks={channel: into(channel) for channel in heard},
            candle_closed_only=False,
        )
    )
    end = threading.Timer(DAY_SECONDS, loop.call_soon_threadsafe, [loop.stop])
    end.start()
    with contextlib.suppress(SystemExit):
        handler.run(install_signal_handlers=False)
    end.cancel()

    with day.step("symbols") as seen:
        seen(sorted(LocalBinance.symbols()), "BTC-USDT" in LocalBinance.symbols())
    with day.step("trades") as seen:
        seen(heard[TRADES][0].price)
    with day.step("ticker") as seen:
        seen(heard[TICKER][0].bid, heard[TICKER][0].bid < heard[TICKER][0].ask)
    with day.step("candles") as seen:
        seen(heard[CANDLES][0].close)
    with day.step("book from snapshot and diffs") as seen:
        tops = heard[L2_BOOK]
        seen(
            f"{len(tops)} updates to {tops[-1][2]}",
            all(bid < ask for bid, ask, _ in tops),
            tops[-1][2] > tops[0][2],
        )
    day.end()


if __name__ == "__main__":
    main()
