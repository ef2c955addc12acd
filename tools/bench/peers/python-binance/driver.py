"""python-binance: its socket manager, and its orders over the WebSocket API."""

from __future__ import annotations

import asyncio

import plain
from binance import AsyncClient, BinanceSocketManager
from binance.base_client import BaseClient


async def main() -> None:
    asked = plain.settings()
    BaseClient.API_URL = f"{asked['rest']}/api"
    BaseClient.WS_API_URL = asked["ws_api"]
    BinanceSocketManager.STREAM_URL = f"{asked['stream_url']}/"
    least = float(asked["least_size"])
    client = await AsyncClient.create(asked["api_key"], asked["secret"])
    # Longer than any burst: its own limit of 100 messages ends the stream.
    manager = BinanceSocketManager(client, max_queue_size=1_000_000)
    depth = asked["stream"] == "depth"
    if depth:
        socket = manager.depth_socket("BTCUSDT", interval=100)
    else:
        socket = manager.symbol_book_ticker_socket("BTCUSDT")
    async with socket as stream:
        while True:
            message = await stream.recv()
            if depth:
                price, size = plain.best(message["b"])
            else:
                price, size = message["b"], message["B"]
            if float(size) >= least:
                await client.ws_create_order(
                    symbol="BTCUSDT",
                    side="BUY",
                    type="LIMIT",
                    timeInForce="IOC",
                    quantity=size,
                    price=price,
                )


if __name__ == "__main__":
    asyncio.run(main())
