"""Many seeds over several processes, and what they have shown together.

Here lives how seeds are handed out and their lives summed up. One seed in twenty is lived twice,
the second time in another process with another hash seed, and has to leave the same trace.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import msgspec
import trio
from msgspec import Struct, structs

from core.model.errors import HotloopError
from tools.scratch import WHERE, scratch
from tools.world.dialect import Dialect
from tools.world.life import Life
from tools.world.of_binance import BINANCE
from tools.world.rings import RINGS, TANK
from tools.world.strikes import of_venue
from tools.world.variety import names_of
from tools.world.worker import Task

TWICE_EVERY: Final = 20

LONGEST_S: Final = 600.0
"""Real seconds that one seed may take, hundreds of times the usual: beyond, it hangs, however busy
the machine is."""

MAX_LINE_BYTES: Final = 1 << 20
"""Longest result of a worker: some tens of lines of a log."""

OFTEN: Final = 40
"""Strikes after which a fault that was never answered is no accident."""

WORLDS: Final = 15
"""Worlds after which a setting that never mattered is no accident."""

HASH_SEEDS: Final = ("1", "2")


class Violation(Struct, frozen=True):
    """A seed whose world broke an invariant."""

    seed: int
    invariant: str
    text: str
    repeat: str
    events: tuple[str, ...] = ()


class Summary:
    """What the seeds lived so far have shown."""

    def __init__(self, ring: str = TANK, dialect: Dialect = BINANCE) -> None:
        # What a command has to say to get to these worlds.
        self._where = "" if ring == TANK else f" --ring {ring}"
        self._where += "" if dialect is BINANCE else f" --venue {dialect.name}"
        faults = [fault.name for fault in of_venue(RINGS[ring].faults, dialect)]
        names = names_of(dialect)
        self.seeds = 0
        self.simulated_s = 0.0
        self.injected: Counter[str] = Counter(dict.fromkeys(faults, 0))
        self.reacted: Counter[str] = Counter(dict.fromkeys(faults, 0))
        self.settings: Counter[str] = Counter(dict.fromkeys(names, 0))
        self.mattered: Counter[str] = Counter(dict.fromkeys(names, 0))
        self.violations: list[Violation] = []

    def take(self, life: Life) -> None:
        """Count one life."""
        self.seeds += 1
        self.simulated_s += life.simulated_s
        self.injected.update(life.injected)
        self.reacted.update(life.reacted)
        self.settings.update(life.settings.keys())
        self.mattered.update(name for name, matters in life.settings.items() if matters)
        if life.failed:
            self.violate(life.seed, life.invariant, life.text, life.events)

    def violate(self, seed: int, invariant: str, text: str, events: tuple[str, ...] = ()) -> None:
        repeat = f"hotloop dst{self._where} --seed {seed}"
        self.violations.append(Violation(seed, invariant, text, repeat, events))

    def take_census(self) -> None:
        """I23: a fault that struck often and never had its reaction is a violation, and so is a
        setting that often was and never mattered.
        """
        for name, struck in self.injected.items():
            if struck >= OFTEN and not self.reacted[name]:
                text = f"{name} struck {struck} times and never had its reaction"
                repeat = f"hotloop dst{self._where} --seeds {self.seeds} --json"
                self.violations.append(Violation(-1, "I23", text, repeat))
        for name, worlds in self.settings.items():
            if worlds >= WORLDS and not self.mattered[name]:
                text = f"{worlds} worlds had {name}, and it mattered in none"
                repeat = f"hotloop dst{self._where} --seeds {self.seeds} --json"
                self.violations.append(Violation(-1, "I23", text, repeat))

    def line(self) -> str:
        """Return where the batch stands, for people."""
        return (
            f"{self.seeds} seeds, {self.simulated_s / 3600:.2f} simulated hours, "
            f"{sum(self.injected.values())} faults injected, {len(self.violations)} violations"
        )

    def json(self) -> bytes:
        """Return all of it, for programs."""
        names = self.injected
        return msgspec.json.encode(
            {
                "seeds": self.seeds,
                "simulated_seconds": round(self.simulated_s, 3),
                "faults": {
                    name: {"injected": names[name], "reacted": self.reacted[name]} for name in names
                },
                "settings": {
                    name: {"worlds": worlds, "mattered": self.mattered[name]}
                    for name, worlds in self.settings.items()
                },
                "violations": self.violations,
            }
        )


class WorkerFailed(HotloopError):
    """A worker ended, or hangs, in the middle of a seed."""


class Worker:
    """One worker process."""

    def __init__(
        self,
        process: trio.Process,
        folder: TemporaryDirectory[str],
        ring: str,
        dialect: Dialect,
    ) -> None:
        self._process = process
        self._folder = folder
        self._ring = ring
        self._venue = dialect.name
        self._left = b""

    async def live(self, seed: int, canary: str = "") -> Life:
        """Have a seed lived through. Raises ``WorkerFailed``."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise WorkerFailed("the worker was started without pipes")
        with trio.move_on_after(LONGEST_S):
            task = Task(seed, canary, self._ring, self._venue)
            await stdin.send_all(msgspec.json.encode(task) + b"\n")
            while b"\n" not in self._left:
                data = await stdout.receive_some()
                if not data or len(self._left) > MAX_LINE_BYTES:
                    raise WorkerFailed("the worker ended: see above")
                self._left += data
            line, _, self._left = self._left.partition(b"\n")
            return msgspec.json.decode(line, type=Life)
        raise WorkerFailed(f"nothing came of it within {LONGEST_S:g} s")

    async def stop(self) -> None:
        """End the process wherever it is, and remove what it has left on the disk."""
        self._process.kill()
        await self._process.wait()
        self._folder.cleanup()


async def start(hash_seed: str, ring: str = TANK, dialect: Dialect = BINANCE) -> Worker:
    """Start a worker whose sets and dictionaries are ordered by that hash seed."""
    command = [sys.executable, "-m", "tools.world.worker"]
    folder = scratch("worker")
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, WHERE: folder.name}
    process = await trio.lowlevel.open_process(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    return Worker(process, folder, ring, dialect)


async def run(
    seeds: Iterator[int],
    jobs: int,
    *,
    ring: str = TANK,
    dialect: Dialect = BINANCE,
    seconds: float = float("inf"),
    told: Callable[[Summary], None] = lambda summary: None,
) -> Summary:
    """Live seeds until there are no more, or time is over; ``told`` is called after each."""
    summary = Summary(ring, dialect)
    deadline = trio.current_time() + seconds

    async def live(seed: int, first: Worker, second: Worker) -> None:
        life = await first.live(seed)
        summary.take(life)
        if seed % TWICE_EVERY == 0:
            again = await second.live(seed)
            if structs.replace(again, events=()) != structs.replace(life, events=()):
                text = f"two runs differ: {life.digest[:16]} and {again.digest[:16]}"
                summary.violate(seed, "I21", text)

    async def work_until_one_fails() -> bool:
        """Live seeds with two workers; return whether one of them has failed."""
        first, second = [await start(hash_seed, ring, dialect) for hash_seed in HASH_SEEDS]
        try:
            for seed in seeds:
                try:
                    await live(seed, first, second)
                except WorkerFailed as error:
                    summary.violate(seed, "I14", str(error))
                    return True
                finally:
                    told(summary)
                if trio.current_time() > deadline:
                    break
            return False
        finally:
            with trio.CancelScope(shield=True):
                await first.stop()
                await second.stop()

    async def work() -> None:
        # Nobody knows what state a worker is in that has failed: others take over.
        while await work_until_one_fails() and trio.current_time() < deadline:
            pass

    async with trio.open_nursery() as nursery:
        for _ in range(jobs):
            nursery.start_soon(work)
    summary.take_census()
    return summary


class Hunt(NamedTuple):
    """A rule to break, and the seeds of which one has to notice."""

    canary: str
    seeds: range


Caught = Callable[[Hunt, Life | None, int], None]
"""Is told of each hunt that is over: the life that noticed, if one did, and after how many."""


async def hunt(
    hunts: Iterator[Hunt], jobs: int, told: Caught, *, ring: str = TANK, dialect: Dialect = BINANCE
) -> None:
    """Live seeds with a rule broken until one notices, in so many processes at a time."""

    async def work() -> None:
        worker = await start(HASH_SEEDS[0], ring, dialect)
        try:
            for one in hunts:
                told(one, *await _hunt(one, worker))
        finally:
            with trio.CancelScope(shield=True):
                await worker.stop()

    async with trio.open_nursery() as nursery:
        for _ in range(jobs):
            nursery.start_soon(work)


async def _hunt(one: Hunt, worker: Worker) -> tuple[Life | None, int]:
    for count, seed in enumerate(one.seeds, 1):
        life = await worker.live(seed, one.canary)
        if life.failed:
            return life, count
    return None, len(one.seeds)
