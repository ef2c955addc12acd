"""``hotloop flatten`` as a process: where no run does it, the position is traded away."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import trio

from core.engine.replay import replay
from tests.yard.application import Pair, a_pair, run_at, until
from tools import cli
from tools.recording import Recording

pytestmark = pytest.mark.yard


async def flatten(pair: Pair) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools", "flatten", str(pair.folder / "run.toml")]
    return await trio.to_thread.run_sync(
        partial(subprocess.run, command, capture_output=True, text=True, check=False, timeout=60)
    )


async def test_flatten_takes_to_zero_what_a_dead_run_has_left(tmp_path: Path) -> None:
    with a_pair(tmp_path) as pair:
        async with run_at(pair.folder, pair.endpoints) as run:
            await pair.trading(run)
            await until(lambda: run.status().get("fills"))
            beside = await flatten(pair)
            assert beside.returncode == cli.Exit.MISUSE
            assert f"pid {run.process.pid}" in beside.stderr
            assert "hotloop ctl" in beside.stderr
            run.kill()
        found = await flatten(pair)
        assert found.returncode == cli.Exit.OK, found.stderr
        assert "hotloop: flat" in found.stdout
        assert pair.exchange.open_orders() == []
    recording = Recording(pair.folder, None)
    boots = list(recording.boots())
    header, records = boots[-1]
    application = recording.wire(header, recording.config_of(header))
    assert header.strategy == "flatten"
    assert replay(records, application.engine).difference is None
