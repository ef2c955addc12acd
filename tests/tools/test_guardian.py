"""Real processes against the built-in exchange: a run is killed, stopped, doubled, followed."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from core.io.control import SOCKET
from core.io.guardian import LOG
from core.model.venue import Credentials, HttpRequest
from tools import ctl
from venues.binance import VENUE
from venues.sim.server import (
    DEFAULT_KEY,
    DEFAULT_SECRET,
    RunningExchange,
    ServerConfig,
    running_exchange,
)

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30

CONFIG = """
venue = "binance"
environment = "sim"
symbols = ["BTCUSDT"]
[endpoints]
rest = "{rest}"
stream = "{stream}"
ws_api = "{ws_api}"
[keys]
file = "keys.toml"
[strategy]
name = "maker"
[strategy.parameters]
size = "0.01"
max_position = "1"
[risk]
max_order_size = "0.05"
max_order_notional = "10000"
max_position = "2"
max_daily_loss = "100000"
[run]
dir = "."
[session]
request_expiry_ms = {request_expiry_ms}
[journal]
segment_mb = 4
"""


class Folder:
    """A run folder with all that a run needs, and what is in it afterwards."""

    def __init__(self, path: Path, exchange: RunningExchange, request_expiry_ms: int = 500) -> None:
        self.path = path
        path.mkdir(mode=0o700)
        keys = path / "keys.toml"
        keys.touch(mode=0o600)
        keys.write_text(f'api_key = "{DEFAULT_KEY}"\napi_secret = "{DEFAULT_SECRET}"\n')
        self.config = path / "run.toml"
        self.config.write_text(
            CONFIG.format(
                rest=exchange.rest,
                stream=exchange.stream,
                ws_api=exchange.ws_api,
                request_expiry_ms=request_expiry_ms,
            )
        )

    def notes(self) -> list[dict[str, Any]]:
        log = self.path / LOG
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def noted(self, action: str) -> list[dict[str, Any]]:
        return [note for note in self.notes() if note["action"] == action]

    def errors(self) -> str:
        return (self.path / "stderr").read_text()


@asynccontextmanager
async def a_run(folder: Folder) -> AsyncIterator[trio.Process]:
    """Run ``hotloop run`` in a process group of its own; never leave it behind."""
    with (folder.path / "stderr").open("ab") as errors:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "tools", "run", str(folder.config)],
            cwd=ROOT,
            stderr=errors,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def until(true: Callable[[], object], within_s: float = PATIENCE_S) -> None:
    with trio.fail_after(within_s):
        while not true():  # noqa: ASYNC110 - other processes make it true
            await trio.sleep(0.01)


def own(exchange: RunningExchange, boot: int = 0) -> list[str]:
    """Return our open orders, of one boot or of all."""
    names = [order.client_id for order in exchange.ledger.open_orders("BTCUSDT")]
    return [n for n in names if n != "somebody" and (not boot or n.split("-")[1] == str(boot))]


def shown_of(pid: int) -> bytes:
    """Return what everybody on the machine may see of a process, and what its owner may."""
    return b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ"))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def somebodys_order(exchange: RunningExchange) -> None:
    query = (
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=60000"
        f"&newClientOrderId=somebody&timestamp={time.time_ns() // 1_000_000}"
    )
    request = HttpRequest("POST", "/api/v3/order", query, signed=True)
    keys = Credentials({"api_key": DEFAULT_KEY, "api_secret": DEFAULT_SECRET})
    signed = VENUE.signer(keys).rest(request, time.time_ns())
    async with httpx.AsyncClient(base_url=exchange.rest) as client:
        (await client.post(signed.target, headers=dict(signed.headers))).raise_for_status()


@pytest.fixture
async def exchange() -> AsyncIterator[RunningExchange]:
    async with running_exchange(ServerConfig(rate=200)) as running:
        yield running


async def test_of_a_killed_run_no_order_is_left_and_of_others_every_one(
    tmp_path: Path, exchange: RunningExchange
) -> None:
    folder = Folder(tmp_path / "run", exchange)
    await somebodys_order(exchange)
    async with a_run(folder) as process:
        await until(lambda: len(own(exchange)) >= 2)
        [watching] = folder.noted("watching")
        assert watching["of"] == process.pid
        told = shown_of(watching["pid"])
        assert DEFAULT_SECRET.encode() not in told
        assert DEFAULT_KEY.encode() not in told
        process.kill()
    await until(lambda: not own(exchange), within_s=2)
    await until(lambda: not alive(watching["pid"]))
    assert own(exchange) == []
    assert len(exchange.ledger.open_orders("BTCUSDT")) == 1
    actions = [note["action"] for note in folder.notes()]
    assert actions[-1] == "proved"
    assert actions.index("died") < actions.index("cancel")
    cancelled = {note["order"] for note in folder.noted("cancel")}
    assert cancelled
    assert "somebody" not in cancelled
    assert DEFAULT_SECRET not in (folder.path / LOG).read_text()


async def test_a_stopped_run_leaves_no_guardian_and_a_dead_guardian_is_replaced(
    tmp_path: Path, exchange: RunningExchange
) -> None:
    folder = Folder(tmp_path / "run", exchange)
    async with a_run(folder) as process:
        await until(lambda: own(exchange))
        [first] = folder.noted("watching")
        os.kill(first["pid"], signal.SIGKILL)
        await until(lambda: len(folder.noted("watching")) == 2)
        second = folder.noted("watching")[1]
        await until(lambda: (folder.path / SOCKET).exists())
        status = await trio.to_thread.run_sync(ctl.ask, folder.path, "status")
        assert json.loads(status)["guardian"] == "watching"
        os.killpg(process.pid, signal.SIGINT)  # as a terminal's Ctrl-C
        with trio.fail_after(PATIENCE_S):
            assert await process.wait() == 0, folder.errors()
    assert own(exchange) == []
    assert not alive(second["pid"])
    assert [note["action"] for note in folder.notes() if note["action"] != "ready"] == [
        "watching",
        "watching",
        "left",
    ]
    assert "the guardian has died; starting another" in (folder.path / "run.log").read_text()


async def refused(folder: Folder) -> str:
    """Return why a run does not start."""
    before = len(folder.errors()) if (folder.path / "stderr").exists() else 0
    async with a_run(folder) as process:
        with trio.fail_after(PATIENCE_S):
            assert await process.wait() == 2
    return folder.errors()[before:]


async def test_a_second_run_of_one_account_and_strategy_is_refused(
    tmp_path: Path, exchange: RunningExchange
) -> None:
    folder, other = Folder(tmp_path / "one", exchange), Folder(tmp_path / "two", exchange)
    async with a_run(folder) as process:
        await until(lambda: own(exchange))
        assert f"(pid {process.pid}) trades this account and strategy" in await refused(other)
        assert "another process runs in it" in await refused(folder)
        process.kill()
    await until(lambda: folder.noted("proved"))


async def stop(process: trio.Process) -> int:
    process.send_signal(signal.SIGTERM)
    with trio.fail_after(PATIENCE_S):
        return await process.wait()


async def test_a_new_run_takes_over_and_its_orders_are_left_alone(
    tmp_path: Path, exchange: RunningExchange
) -> None:
    folder = Folder(tmp_path / "run", exchange, request_expiry_ms=4_000)
    async with a_run(folder) as killed:
        await until(lambda: own(exchange, boot=1))
        killed.kill()
    async with a_run(folder) as process:
        await until(lambda: folder.noted("taken_over"))
        await until(lambda: own(exchange, boot=2))
        [first, second] = folder.noted("watching")
        await until(lambda: not alive(first["pid"]))
        assert alive(second["pid"])
        assert await stop(process) == 0, folder.errors()
    cancelled: Sequence[str] = [note["order"] for note in folder.noted("cancel")]
    assert cancelled
    assert not [name for name in cancelled if name.split("-")[1] == "2"]
