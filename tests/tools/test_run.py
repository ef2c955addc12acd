"""What ``hotloop run`` is made of, and what it says before and after."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

EXCHANGE_ONLY = ("hypercorn", "starlette", "trustme", "trio_websocket", "h2", "venues.sim.server")


def test_the_trading_process_loads_nothing_that_only_the_exchange_needs() -> None:
    script = (
        "import sys, tools.cli, tools.run, tools.world.rehearsal\n"
        "tools.world.rehearsal.rehearse()\n"
        f"print(sorted(set({EXCHANGE_ONLY!r}) & sys.modules.keys()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "[]\n"
