"""A run without a key watches an exchange of another venue, and its journal tells it all again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from tests.yard.application import PATIENCE_S, exchange_process, until

pytestmark = pytest.mark.yard

CONFIG = """
venue = "kraken"
environment = "sim"
symbols = ["BTC/USD", "ETH/USD"]
streams = {streams}

[strategy]
name = "observer"
[strategy.parameters]
interval_s = 1

[endpoints]
rest = "{rest}"
public = "{public}"
private = "{private}"

[run]
dir = "."
"""


def tools(*arguments: str | Path) -> list[str | Path]:
    return [sys.executable, "-m", "tools", *arguments]


@pytest.mark.parametrize("streams", [["depth", "trades"], ["top", "trades"]])
async def test_a_market_is_watched_without_a_key_and_replays_identically(
    tmp_path: Path, streams: list[str]
) -> None:
    config, log = tmp_path / "run.toml", tmp_path / "run.log"
    with exchange_process("--venue", "kraken", "--rate", "300") as (announced, _):
        config.write_text(CONFIG.format(streams=json.dumps(streams), **announced))
        async with running("run", config) as run:
            await until(lambda: log.exists() and log.read_text().count("book changes") >= 4)
            run.send_signal(signal.SIGINT)
    told = log.read_text()
    assert "is down" not in told.partition("leaving")[0]
    assert all(" 0 times lost" in line for line in told.splitlines() if "times lost" in line)
    replayed = await trio.run_process(tools("replay", tmp_path), capture_stdout=True)
    assert b"identical" in replayed.stdout


@asynccontextmanager
async def running(*arguments: str | Path) -> AsyncIterator[trio.Process]:
    """Run a command until the block is left, and wait for its end."""
    async with trio.open_nursery() as nursery:
        process = await nursery.start(
            partial(trio.run_process, tools(*arguments), stderr=subprocess.DEVNULL)
        )
        with trio.fail_after(PATIENCE_S):
            yield process
            await process.wait()
