"""The demo trades on each venue that the exchange speaks for, leaves nothing, and is replayed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.demo import MARKETS

pytestmark = pytest.mark.yard

ROOT = Path(__file__).parents[2]


def on_one_cpu() -> None:
    """Have the demo wait instead of spin, so that it trades on whatever machine tests it."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def hotloop(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        preexec_fn=on_one_cpu,
    )


@pytest.mark.parametrize("venue", MARKETS)
def test_a_demo_trades_leaves_nothing_and_is_replayed_identically(
    venue: str, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    done = hotloop("demo", "--venue", venue, "--seconds", "6", "--dir", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the venue lists none of our orders" in done.stderr
    assert " trading " in done.stderr
    again = hotloop("replay", str(folder))
    assert again.returncode == 0, again.stdout + again.stderr
    assert "identical" in again.stdout
