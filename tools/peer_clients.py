"""Public clients against the built-in exchange, with nothing changed but their URLs.

Each has a folder under ``tools/peers``: a driver for each venue (``driver.py`` or ``driver.js`` for
Binance, ``kraken.py`` for Kraken) that leads it through a day's work (market data,
streams, orders, fills, balances, the venue's own refusals) and pinned requirements. Each runs in an
environment of its own under ``.peers/clients``, which is never committed; it never shares one
with hotloop::

    python -m tools.peer_clients --install                      # all, or --client NAME ...
    python -m tools.peer_clients --line "$(cat line.json)"      # what `hotloop sim` printed

Exit code 0 when every step of every client did what it says, 1 when one did not.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from core.model.errors import BadParameter

ROOT: Final = Path(__file__).parents[1]
DRIVERS: Final = Path(__file__).parent / "peers"
ENVIRONMENTS: Final = ROOT / ".peers" / "clients"

STEMS: Final = {"binance": "driver", "kraken": "kraken"}
"""A driver's file, without its ending, by the venue that it expects."""

# A day takes 5 to 30 s on an idle machine; a client that hangs is ended.
DAY_SECONDS: Final = 180
# A client that says less than this has not been led through anything.
LEAST_STEPS: Final = 4


@dataclass(frozen=True, slots=True)
class Step:
    """What a client did, whether it was right, and what was seen."""

    name: str
    succeeded: bool
    seen: str


@dataclass(slots=True)
class Day:
    """A client's steps; ``trouble`` says why it did not come to its end, empty when it did."""

    client: str
    steps: list[Step] = field(default_factory=list)
    trouble: str = ""

    @property
    def succeeded(self) -> bool:
        return not self.wrong()

    def wrong(self) -> list[str]:
        """Return what was not as it should be, in words."""
        steps = [f"{step.name}: {step.seen}" for step in self.steps if not step.succeeded]
        return [*steps, self.trouble] if self.trouble else steps


def known(venue: str | None = None) -> list[str]:
    """Return the clients that have a driver for a venue, or for any."""
    stems = STEMS.values() if venue is None else [STEMS[venue]]
    return sorted({path.parent.name for stem in stems for path in DRIVERS.glob(f"*/{stem}.*")})


def installed(name: str) -> bool:
    """Whether a client's environment is there."""
    return _environment_stamp(name).exists()


def install(name: str) -> bool:
    """Make or renew a client's environment from its pinned requirements."""
    folder = ENVIRONMENTS / name
    _environment_stamp(name).unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    if _runs_on_node(name):
        for file in ("package.json", "package-lock.json"):
            shutil.copy(DRIVERS / name / file, folder)
        # Nothing of a package runs while it is installed.
        commands = [["npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]]
    else:
        python = str(folder / "bin" / "python")
        requirements = str(DRIVERS / name / "requirements.txt")
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        commands = [
            [sys.executable, "-m", "venv", str(folder)],
            [*pip, "--no-deps", "-r", requirements],
        ]
    for command in commands:
        if subprocess.run(command, cwd=folder, check=False).returncode:
            return False
    _environment_stamp(name).touch()
    return True


def run(name: str, where: dict[str, Any]) -> Day:
    """Lead one client through its day against the exchange that ``where`` describes."""
    day = Day(name)
    driver = _driver(name, where.get("venue", "binance"))
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(DRIVERS),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NODE_PATH": str(ENVIRONMENTS / name / "node_modules"),
        "HOME": str(ENVIRONMENTS / name),
    }
    try:
        process = subprocess.run(
            [_interpreter(name), str(driver), json.dumps(where)],
            capture_output=True,
            text=True,
            timeout=DAY_SECONDS,
            check=False,
            cwd=ENVIRONMENTS / name,
            env=environment,
        )
    except subprocess.TimeoutExpired as late:
        day.steps = _steps(late.stdout.decode() if isinstance(late.stdout, bytes) else "")
        day.trouble = f"was not through after {DAY_SECONDS} s"
        return day
    day.steps = _steps(process.stdout)
    if process.returncode and all(step.succeeded for step in day.steps):
        last = process.stderr.strip().splitlines()[-1:] or ["without a word"]
        day.trouble = f"ended with {process.returncode}: {last[0]}"
    elif len(day.steps) < LEAST_STEPS:
        day.trouble = f"took {len(day.steps)} steps only"
    return day


def version(name: str) -> str:
    """Return the client's pinned version: the requirement that bears its name."""
    if _runs_on_node(name):
        manifest = json.loads((DRIVERS / name / "package.json").read_text(encoding="utf-8"))
        return str(next(iter(manifest["dependencies"].values())))
    for line in (DRIVERS / name / "requirements.txt").read_text(encoding="utf-8").splitlines():
        package, _, pinned = line.partition("==")
        if package.replace("_", "-").lower() == name.replace("_", "-"):
            return pinned.split()[0]
    raise BadParameter(f"{name}: its requirements do not name it")


def _runs_on_node(name: str) -> bool:
    return (DRIVERS / name / "package.json").exists()


def _driver(name: str, venue: str) -> Path:
    return next((DRIVERS / name).glob(f"{STEMS[venue]}.*"))


def _interpreter(name: str) -> str:
    return "node" if _runs_on_node(name) else str(ENVIRONMENTS / name / "bin" / "python")


def _environment_stamp(name: str) -> Path:
    return ENVIRONMENTS / name / "installed.stamp"


def _steps(output: str) -> list[Step]:
    """Read the steps from what a driver printed; a client's own words are passed over."""
    steps = []
    for line in output.splitlines():
        try:
            name, succeeded, seen = json.loads(line)
        except ValueError:
            continue
        steps.append(Step(name, succeeded, seen))
    return steps


def _told(day: Day, *, each_step: bool) -> Day:
    """Print a client's rows, and return its day."""
    result = "; ".join(map(_cell, day.wrong())) or "all ok"
    print(f"| {day.client} | {version(day.client)} | {len(day.steps)} | {result} |", flush=True)
    for step in day.steps if each_step else ():
        print(f"| | {step.name} | {'ok' if step.succeeded else 'WRONG'} | {_cell(step.seen)} |")
    return day


def _cell(text: str) -> str:
    shown = " ".join(text.replace("|", "/").split())
    return shown if len(shown) <= 100 else shown[:99] + "…"


def main() -> int:
    """Install the named clients, or run them against an exchange and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--line", type=json.loads, help="what `hotloop sim` printed")
    parser.add_argument("--install", action="store_true", help="make their environments")
    parser.add_argument("--client", choices=known(), action="append", help="these alone")
    parser.add_argument("--steps", action="store_true", help="a row for each step")
    args = parser.parse_args()
    venue = None if args.line is None else args.line.get("venue", "binance")
    names = args.client or known(venue)
    if args.install:
        failed = [name for name in names if not install(name)]
        if failed:
            print(f"not installed: {', '.join(failed)}; the reasons are above", file=sys.stderr)
            return 1
    if args.line is None:
        return 0
    absent = [name for name in names if not installed(name)]
    if absent:
        print(f"not installed, see --install: {', '.join(absent)}", file=sys.stderr)
        return 1
    print("| client | version | steps | result |\n|---|---|---|---|", flush=True)
    days = [_told(run(name, args.line), each_step=args.steps) for name in names]
    return 0 if all(day.succeeded for day in days) else 1


if __name__ == "__main__":
    sys.exit(main())
