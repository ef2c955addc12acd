"""aiohttp on asyncio: one session, two WebSockets."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import plain
import raw


async def drain(trade: aiohttp.ClientWebSocketResponse) -> None:
    async for _ in trade:
        pass


async def main(asked: dict[str, Any]) -> None:
    read, order = raw.reader(asked), raw.order_maker(asked)
    least = float(asked["least_size"])
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(asked["ws_api"]) as trade,
        session.ws_connect(raw.market_url(asked)) as market,
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(drain(trade))
        async for message in market:
            price, size = read(message.data)
            if float(size) >= least:
                await trade.send_str(order(price, size).decode())


if __name__ == "__main__":
    asyncio.run(main(plain.settings()))
