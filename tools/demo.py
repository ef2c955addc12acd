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
from itertools import chain, count
from pathlib import Path
from typing import Any, NamedTuple

from core.model.errors import BadConfig
from tools import app, report
from tools.arguments import seconds
from tools.files import read_config, read_keys
from tools.run import close, trade

READY_S = 20.0
"""How long the exchange may take until it is ready; an interpreter and its imports take one."""

STOP_S = 10.0

KEYS = "keys.toml"

_EXCHANGE = """\
import ctypes, os, signal
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != {parent}:
    raise SystemExit
from tools.cli import main
raise SystemExit(main())
"""
"""The exchange, which ends with us however we end: PR_SET_PDEATHSIG, prctl(2)."""

CONFIG = """\
# Written by hotloop demo: the maker strategy against the built-in exchange.
venue = "{venue}"
environment = "sim"
symbols = ["{symbol}"]

[endpoints]
rest = "{rest}"
{market} = "{market_url}"
{trade} = "{trade_url}"

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


class Market(NamedTuple):
    """What the demo trades on a venue, and what that calls its endpoints for markets and orders."""

    symbol: str
    market: str
    trade: str


MARKETS = {
    "binance": Market("BTCUSDT", "stream", "ws_api"),
    "kraken": Market("BTC/USD", "public", "private"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``hotloop demo``."""
    parser.add_argument("--venue", choices=MARKETS, default="binance", help="default: binance")
    parser.add_argument("--seconds", type=seconds, default=20.0, metavar="N", help="default: 20")
    parser.add_argument(
        "--dir",
        type=Path,
        metavar="RUNDIR",
        help="run folder to make (default: runs/demo-DATE-TIME)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the demo; return the exit code."""
    folder = _folder(args.dir)
    cpus = sorted(os.sched_getaffinity(0))
    with _exchange(args.venue, cpus[0] if len(cpus) > 1 else None) as exchange:
        cpu = cpus[-1] if len(cpus) > 1 else None
        config_path = _write_config(folder, args.venue, exchange, cpu)
        config = read_config(config_path)
        keys = read_keys(config, config_path, app.venue_of(config, str(config_path)).key_fields)
        print(f"trading on {exchange['rest']} for {args.seconds:g} s", file=sys.stderr)
        ending = trade(config, config_path, keys, seconds=args.seconds, state=folder / "state")
        print(file=sys.stderr)
        code = close(ending)
    report.show(folder)
    print(f"\nrun folder: {folder}\njournal:    {folder / 'journal'}")
    print(f"again:      hotloop report {folder}")
    return code


def _folder(wanted: Path | None) -> Path:
    """Make a folder that is this demo's alone, whoever else begins one at the same time."""
    if wanted is None:
        now = f"{datetime.now(tz=UTC):%Y%m%d-%H%M%S}"
        names = chain([f"demo-{now}"], (f"demo-{now}-{n}" for n in count(2)))
        places = (Path("runs") / name for name in names)
        return next(place for place in places if _claim(place))
    if not _claim(wanted):
        raise BadConfig(f"--dir {wanted}: is not empty; choose another, or remove it")
    return wanted


def _claim(folder: Path) -> bool:
    """Make a folder, or take an empty one; the key file in it says whose it is."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            return False
        (folder / KEYS).touch(mode=0o600, exist_ok=False)
    except FileExistsError as error:
        if folder.is_dir():
            return False
        raise BadConfig(f"--dir {folder}: {error.strerror}") from error
    except OSError as error:
        raise BadConfig(f"--dir {folder}: {error.strerror}") from error
    return True


@contextmanager
def _exchange(venue: str, cpu: int | None) -> Iterator[dict[str, Any]]:
    """Run the built-in exchange in a process of its own; yields what it announces."""
    program = _EXCHANGE.format(parent=os.getpid())
    command = [sys.executable, "-c", program, "sim", "--venue", venue]
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


def _write_config(folder: Path, venue: str, exchange: dict[str, Any], cpu: int | None) -> Path:
    (folder / KEYS).write_text(
        f'api_key = "{exchange["api_key"]}"\napi_secret = "{exchange["api_secret"]}"\n',
        encoding="utf-8",
    )
    market = MARKETS[venue]
    path = folder / "config.toml"
    path.write_text(
        CONFIG.format(
            venue=venue,
            symbol=market.symbol,
            rest=exchange["rest"],
            market=market.market,
            market_url=exchange[market.market],
            trade=market.trade,
            trade_url=exchange[market.trade],
            mode="wait" if cpu is None else "spin",
            cpu="" if cpu is None else f"cpu = {cpu}\n",
        ),
        encoding="utf-8",
    )
    return path
