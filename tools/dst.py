"""``hotloop dst``: the whole process in simulated worlds, under faults, by seed.

Lives worlds and says what they have shown; a violation is printed with the seed, the invariant,
the last events and the one command that repeats it. ``--canary`` breaks a rule on purpose instead.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Final

import trio

from tools.arguments import count, minutes, part
from tools.cli import Exit
from tools.world import batch
from tools.world.canaries import CANARIES, chosen
from tools.world.dialect import Dialect
from tools.world.dialects import DIALECTS
from tools.world.life import Life
from tools.world.of_binance import BINANCE
from tools.world.rings import RINGS, TANK

SEEDS: Final = 200
"""Seeds lived when nothing else is asked for: some ten seconds in the tank."""

MOST_FOR_A_CANARY: Final = 100
"""Seeds within which each canary has to be caught, from wherever one begins."""

STARTS: Final = (0, 10_000, 20_000)
"""Seeds to begin with: a canary that is caught from one of them alone is caught by its path."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``hotloop dst``."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--seeds", type=count, metavar="N", help=f"live N seeds (default: {SEEDS})")
    which.add_argument("--seed", type=int, metavar="S", help="live this one seed, and show it")
    which.add_argument("--minutes", type=minutes, metavar="M", help="live seeds for M minutes")
    which.add_argument(
        "--canary",
        metavar="NAME",
        help=f"break a rule on purpose: all, {', '.join(CANARIES)}",
    )
    parser.add_argument(
        "--part", type=part, default=slice(None), metavar="I/N", help="of all canaries, one in N"
    )
    parser.add_argument("--first", type=int, default=0, metavar="S", help="seed to begin with")
    parser.add_argument(
        "--ring",
        choices=tuple(RINGS),
        default=TANK,
        help="what runs: the engine and its adapter (tank), or the whole process (world)",
    )
    parser.add_argument(
        "--venue",
        choices=tuple(DIALECTS),
        default=BINANCE.name,
        help="whose worlds (default: %(default)s)",
    )
    parser.add_argument("--jobs", type=count, default=os.cpu_count() or 1, metavar="J")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")


def run(args: argparse.Namespace) -> int:
    """Live the worlds asked for; return whether all went well."""
    if args.canary is not None:
        names = chosen(args.canary)[args.part]
        return trio.run(_release, names, args.ring, DIALECTS[args.venue], args.jobs)
    return trio.run(_live, args)


# -- seeds -----------------------------------------------------------------------------------


async def _live(args: argparse.Namespace) -> int:
    jobs, seconds = args.jobs, float("inf")
    seeds: Iterator[int]
    if args.seed is not None:
        seeds, jobs = iter([args.seed]), 1
    elif args.minutes is not None:
        seeds, seconds = itertools.count(args.first), 60 * args.minutes
    else:
        seeds = iter(range(args.first, args.first + (args.seeds or SEEDS)))
    progress = _Progress()
    summary = await batch.run(
        seeds,
        jobs,
        ring=args.ring,
        dialect=DIALECTS[args.venue],
        seconds=seconds,
        told=progress.tell,
    )
    progress.tell(summary)
    progress.end(summary)
    if args.seed is not None:
        _show_faults(summary)
    if args.json:
        print(summary.json().decode())
    return Exit.FAILED if summary.violations else Exit.OK


class _Progress:
    """Violations as they come, and one line about how far it is.

    The line is renewed on a terminal; elsewhere there is a new one each minute.
    """

    def __init__(self) -> None:
        self._renews = sys.stderr.isatty()
        self._period_s = 0.5 if self._renews else 60.0
        self._next_s = trio.current_time() + self._period_s
        self._shown = 0

    def tell(self, summary: batch.Summary) -> None:
        for violation in summary.violations[self._shown :]:
            _show(violation)
        self._shown = len(summary.violations)
        now_s = trio.current_time()
        if now_s >= self._next_s:
            self._next_s = now_s + self._period_s
            self._print(summary, "" if self._renews else "\n")

    def end(self, summary: batch.Summary) -> None:
        self._print(summary, "\n")

    def _print(self, summary: batch.Summary, end: str) -> None:
        start = "\r" if self._renews else ""
        print(f"{start}{summary.line()}", end=end, file=sys.stderr, flush=True)


def _show(violation: batch.Violation) -> None:
    print(f"\nseed {violation.seed}: {violation.invariant}: {violation.text}")
    for event in violation.events:
        print(f"    {event[:300]}")
    print(f"repeat: {violation.repeat}", flush=True)


def _show_faults(summary: batch.Summary) -> None:
    for name, injected in summary.injected.items():
        if injected:
            print(f"{name}: {injected} injected, {summary.reacted[name]} reactions seen")


# -- canaries --------------------------------------------------------------------------------


async def _release(names: Sequence[str], ring: str, dialect: Dialect, jobs: int) -> int:
    breakable = [name for name in names if name not in dialect.unbreakable]
    for name in names:
        if name not in breakable:
            print(f"{name}: cannot be broken there: {dialect.unbreakable[name]}")
    caught: dict[str, dict[int, tuple[Life | None, int]]] = {name: {} for name in breakable}
    missed: list[str] = []

    def told(one: batch.Hunt, life: Life | None, count: int) -> None:
        lives = caught[one.canary]
        lives[one.seeds.start] = (life, count)
        if len(lives) == len(STARTS) and not _tell(one.canary, [lives[at] for at in STARTS]):
            missed.append(one.canary)

    hunts = (
        batch.Hunt(name, range(first, first + MOST_FOR_A_CANARY))
        for name in breakable
        for first in STARTS
    )
    await batch.hunt(hunts, jobs, told, ring=ring, dialect=dialect)
    return Exit.FAILED if missed else Exit.OK


def _tell(name: str, lives: Sequence[tuple[Life | None, int]]) -> bool:
    """Print what became of a canary from each start; return whether all have caught it."""
    counts = ", ".join(str(count) for _, count in lives)
    found = [life for life, _ in lives if life is not None]
    if len(found) < len(lives):
        print(f"{name}: NOT CAUGHT within {counts} seeds ({CANARIES[name].breaks})")
    else:
        invariants = ", ".join(sorted({life.invariant for life in found}))
        print(f"{name}: caught by {invariants}, after {counts} seeds from each start")
    sys.stdout.flush()
    return len(found) == len(lives)
