"""Public clients, unmodified but for their URLs; where they are installed."""

import importlib.util

import pytest
import trio

from tools.peer_clients import CLIENTS
from venues.sim.server import ServerConfig, running_exchange

MODULES = {"ccxt": "ccxt", "ccxt.pro": "ccxt", "python-binance": "binance"}
PATIENCE_SECONDS = 120


# Warnings of other people's libraries are theirs.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("client", list(CLIENTS))
async def test_a_public_client_trades(client: str) -> None:
    if importlib.util.find_spec(MODULES[client]) is None:
        pytest.skip(f"{client} is not installed; docs/peers.md says how to run it")
    with trio.fail_after(PATIENCE_SECONDS):
        async with running_exchange(ServerConfig()) as exchange:
            where = exchange.announcement()
            assert await trio.to_thread.run_sync(CLIENTS[client], where)
