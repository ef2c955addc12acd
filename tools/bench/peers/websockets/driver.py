"""websockets on asyncio: its new client, which is its fastest."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

sys.path.remove(str(Path(__file__).parent))  # this folder is named like the library's parent

import plain
import raw
from websockets.asyncio.client import ClientConnection, connect


async def drain(trade: ClientConnection) -> None:
    async for _ in trade:
        pass


async def main(asked: dict[str, Any]) -> None:
    read, order = raw.reader(asked), raw.order_maker(asked)
    least = float(asked["least_size"])
    async with (
        connect(asked["ws_api"], compression=None) as trade,
        connect(raw.market_url(asked), compression=None) as market,
    ):
        task = asyncio.create_task(drain(trade))
        while True:
            price, size = read(await market.recv(decode=False))
            if float(size) >= least:
                await trade.send(order(price, size), text=True)
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main(plain.settings()))
