"""trio-websocket on trio."""

from __future__ import annotations

import ssl
from typing import Any

import plain
import raw
import trio
from trio_websocket import WebSocketConnection, open_websocket_url


async def drain(trade: WebSocketConnection) -> None:
    while True:
        await trade.get_message()


async def main(asked: dict[str, Any]) -> None:
    read, order = raw.reader(asked), raw.order_maker(asked)
    least = float(asked["least_size"])
    context = ssl.create_default_context(cafile=asked["ca"]) if asked["ca"] else None
    async with (
        open_websocket_url(asked["ws_api"], context) as trade,
        open_websocket_url(raw.market_url(asked), context) as market,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(drain, trade)
        while True:
            price, size = read(await market.get_message())
            if float(size) >= least:
                await trade.send_message(order(price, size).decode())


if __name__ == "__main__":
    trio.run(main, plain.settings())
