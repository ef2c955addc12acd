"""``hotloop demo``: the maker strategy against the built-in exchange, start to report.

The exchange runs in a process of its own, on another CPU where there is one; everything between
the two goes over real sockets on loopback. Here both are started, watched and stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.errors import BadConfig
from tools import report
from tools.files import read_config, read_keys
from tools.run import close, trade

READY_S = 20.0
"""How long the exchange may take until it is ready; an interpreter and its imports take one."""

STOP_S = 10.0

CONFIG = """\
# Written by hotloop demo: the maker strategy against the built-in exchange.
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
max_position = "0.05"
half_spread_bps = "0.4"
skew_bps = "0.4"
requote_bps = "0.3"

[risk]
max_order_size = "0.05"
max_order_notional = "10000"
max_position = "0.2"
max_daily_loss = "1000"
max_orders_per_second = 100

[loop]
mode = "{mode}"
{cpu}
[run]
dir = "."
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``hotloop demo``."""
    parser.add_argument("--seconds", type=float, default=20.0, metavar="N", help="default: 20")
    parser.add_argument(
        "--dir",
        type=Path,
        metavar="RUNDIR",
        help="run folder to make (default: runs/demo-DATE-TIME)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the demo; return the exit code."""
    folder: Path = args.dir or Path("runs") / f"demo-{datetime.now(tz=UTC):%Y%m%d-%H%M%S}"
    if folder.exists() and any(folder.iterdir()):
        raise BadConfig(f"--dir {folder}: is not empty; choose another, or remove it")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    cpus = sorted(os.sched_getaffinity(0))
    with _exchange(cpus[0] if len(cpus) > 1 else None) as exchange:
        config_path = _write_config(folder, exchange, cpus[-1] if len(cpus) > 1 else None)
        config = read_config(config_path)
        keys = read_keys(config, config_path)
        print(f"trading on {exchange['rest']} for {args.seconds:g} s", file=sys.stderr)
        ending = trade(config, config_path, keys, seconds=args.seconds)
        print(file=sys.stderr)
        code = close(ending)
    report.show(folder)
    print(f"\nrun folder: {folder}\njournal:    {folder / 'journal'}")
    print(f"again:      hotloop report {folder}")
    return code


@contextmanager
def _exchange(cpu: int | None) -> Iterator[dict[str, Any]]:
    """Run the built-in exchange in a process of its own; yields what it announces."""
    command = [sys.executable, "-m", "tools", "sim"]
    if cpu is not None:
        command += ["--cpu", str(cpu)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            yield _announcement(process)
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _announcement(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    stdout = process.stdout
    line = stdout.readline() if stdout else b""
    if not line:
        raise BadConfig("the built-in exchange did not start; try: hotloop sim")
    announcement: dict[str, Any] = json.loads(line)
    return announcement


def _write_config(folder: Path, exchange: dict[str, Any], cpu: int | None) -> Path:
    keys = folder / "keys.toml"
    keys.touch(mode=0o600)
    keys.write_text(
        f'api_key = "{exchange["api_key"]}"\napi_secret = "{exchange["api_secret"]}"\n',
        encoding="utf-8",
    )
    path = folder / "config.toml"
    path.write_text(
        CONFIG.format(
            rest=exchange["rest"],
            stream=exchange["stream"],
            ws_api=exchange["ws_api"],
            mode="wait" if cpu is None else "spin",
            cpu="" if cpu is None else f"cpu = {cpu}\n",
        ),
        encoding="utf-8",
    )
    return path
