"""picows on uvloop: frames arrive in a callback, and the order leaves from it."""

from __future__ import annotations

import asyncio
from typing import Any

import plain
import raw
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect


class Trade(WSListener):
    """Takes replies, and does nothing with them."""

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport


class Market(WSListener):
    """Answers ticks."""

    def __init__(self, asked: dict[str, Any], trade: Trade) -> None:
        self._read = raw.reader(asked)
        self._order = raw.order_maker(asked)
        self._least = float(asked["least_size"])
        self._send = trade.transport.send

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            price, size = self._read(frame.get_payload_as_memoryview())
            if float(size) >= self._least:
                self._send(WSMsgType.TEXT, self._order(price, size))


async def main(asked: dict[str, Any]) -> None:
    _, trade = await ws_connect(Trade, asked["ws_api"])
    market, _ = await ws_connect(lambda: Market(asked, trade), raw.market_url(asked))
    await market.wait_disconnected()


if __name__ == "__main__":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(main(plain.settings()))
