"""``hotloop bench --micro --against PATH``: what each call costs in another checkout, and here.

Whether a change made something slower is told by both versions side by side, in one run, and by
nothing else: a figure of yesterday, of another machine or of another minute differs by more. One
process of each checkout (``tools.bench.turns``) stands ready, both on the same CPU, and each call
is run in turns, half a millisecond there and half a millisecond here. The least counts: noise only
ever adds. Where in memory things happen to lie is worth some percent as well, so all of it is done
again in fresh processes, several times.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Final

from msgspec import Struct

from core.model.errors import BadParameter
from tools.bench import race, turns

PAIRS: Final = 8
"""Pairs of fresh processes. With four of them a call differs from itself by up to 4 %, with eight
by up to 2 %."""

RUNS: Final = 40
"""Runs of a call in each process, in turns with the other's."""

HERE: Final = Path(turns.__file__).resolve().parents[2]
"""The checkout that this is of."""


class Cost(Struct, frozen=True):
    """What a call costs in both checkouts; 0 where it has none of that name."""

    name: str
    hop: str
    there_ns: float
    here_ns: float

    @property
    def ratio(self) -> float:
        """Here to there; 0 where one of them has no such call."""
        return self.here_ns / self.there_ns if self.there_ns else 0.0


def run(path: Path, *, as_json: bool) -> int:
    """Compare this checkout with the one at ``path``, and print it."""
    costs = compare(path.resolve(), HERE)
    if as_json:
        found = [{**_fields(cost), "ratio": round(cost.ratio, 3)} for cost in costs]
        print(json.dumps({"machine": race.machine(), "beside": found}))
    else:
        print(text(costs))
    return 0


def _fields(cost: Cost) -> dict[str, Any]:
    there_ns, here_ns = round(cost.there_ns, 1), round(cost.here_ns, 1)
    return {"name": cost.name, "hop": cost.hop, "there_ns": there_ns, "here_ns": here_ns}


def text(costs: list[Cost]) -> str:
    """Return a table for people."""
    lines = [f"{'call':34} {'hop':10} {'us there':>10} {'us here':>10} {'ratio':>8}"]
    for cost in costs:
        ratio = f"{cost.ratio:8.3f}" if cost.ratio else "     new"
        there, here = cost.there_ns / 1e3, cost.here_ns / 1e3
        lines.append(f"{cost.name:34} {cost.hop:10} {there:10.3f} {here:10.3f} {ratio}")
    return "\n".join(lines)


def compare(there: Path, here: Path) -> list[Cost]:
    """Return what each call costs in both checkouts.

    Raises ``BadParameter`` for a folder that has no calls to measure.
    """
    least: dict[str, list[float]] = {}
    hops: dict[str, str] = {}
    for _ in range(PAIRS):
        with ExitStack() as both:
            pair = [both.enter_context(_process(folder)) for folder in (there, here)]
            hops = pair[1].calls
            for name in hops:
                known = least.setdefault(name, [float("inf")] * 2)
                least[name] = list(map(min, known, _in_turns(name, pair)))
    return [Cost(name, hop, *_finite(least[name])) for name, hop in hops.items()]


def _finite(pair: list[float]) -> list[float]:
    return [ns if ns < float("inf") else 0.0 for ns in pair]


class _Process:
    """One checkout, ready to run its calls."""

    def __init__(self, words: IO[str], answers: IO[str], folder: Path) -> None:
        self._words = words
        self._answers = answers
        self._folder = folder
        known = json.loads(self._answer())
        if not Path(known["file"]).is_relative_to(folder):
            raise BadParameter(f"--against {folder}: expected a checkout of hotloop")
        self.calls: dict[str, str] = known["calls"]
        """The hop of each call, by name."""

    def ask(self, word: str) -> float:
        self._words.write(f"{word}\n")
        self._words.flush()
        return float(self._answer())

    def _answer(self) -> str:
        line = self._answers.readline()
        if not line:
            raise BadParameter(f"{self._folder}: its process has ended, and says why above")
        return line


@contextmanager
def _process(folder: Path) -> Iterator[_Process]:
    """Start a process of a checkout on the last CPU that is ours; it ends with the block."""
    cpu = max(os.sched_getaffinity(0))
    with subprocess.Popen(
        [sys.executable, "-P", turns.__file__],
        env={**os.environ, "PYTHONPATH": str(folder)},
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        os.sched_setaffinity(process.pid, {cpu})
        if process.stdin is None or process.stdout is None:
            raise AssertionError("both are pipes")
        try:
            yield _Process(process.stdin, process.stdout, folder)
        finally:
            process.stdin.close()


def _in_turns(name: str, pair: list[_Process]) -> list[float]:
    """Return the least nanoseconds of a call in each of two processes that has it."""
    found = [float("inf")] * 2
    able = [at for at, one in enumerate(pair) if name in one.calls]
    count = max(int(pair[at].ask(f"make {name}")) for at in able)
    for turn in range(RUNS):
        for at in able if turn % 2 else reversed(able):
            found[at] = min(found[at], pair[at].ask(f"run {count}"))
    return found
