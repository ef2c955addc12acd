"""The race: rounds in which each variant has its turn on the same machine, in the same minutes.

Here live the cells (what is measured), the processes, and the medians over rounds. A noisy moment
meets one variant in one round; a noisy hour meets all of them, so trust the ratios.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any, Final

import msgspec
from msgspec import Struct

from core.io.process import HIGHEST_PRIORITY
from core.model.errors import HotloopError
from core.state.hops import P50, P90, P99, P999, Histogram
from tools.bench import hops, variants

READY_S: Final = 25.0
"""How long a variant may take until it answers; nautilus_trader takes 5 at most, ccxt 3."""

READY_LOOK_S: Final = 3.0
"""Between two looks whether it is alive at all."""

STOP_S: Final = 15.0
"""How long one of ours may take to leave: half a second."""

THROUGHPUT_ONLY: Final = ("cryptofeed",)
"""What cannot send orders."""

TEEMING: Final = 5_000
"""From so many ticks a second on half the seconds are enough: there are still more ticks than in
any other cell. Back to back and in bursts there are, too."""

REPLACING: Final = ("floor", "hotloop", variants.COMPILED)

BEHIND_NS: Final = 50_000_000
"""An open loop whose median is above this has fallen behind: it measures how long it ran."""

HOPS_S: Final = 3.0
"""Least length of the closed loop whose hops are shown: the hop log has an interval a second."""

OPEN_RATES: Final = (1_000, 5_000, 20_000)
QUIET_RATES: Final = (5, 20, 50, 200)
"""Ticks a second of one symbol's best price, from a small one to a busy one's."""

QUIET_TICKS: Final = 60
"""Least ticks of a quiet loop, whatever the seconds: over five rounds a p99 has three above it."""

RATES: Final = {"open": OPEN_RATES, "quiet": QUIET_RATES}

CURVE: Final = tuple(1_000_000 - round(1_000_000 / 10 ** (step / 8)) for step in range(8 * 4 + 1))
"""Quantiles of the percentile plot, in parts per million, evenly spaced on its axis."""

_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGESIZE")


class BenchFailed(HotloopError):
    """The load generator or one of our own variants did not do its part."""


class Cell(Struct, frozen=True, kw_only=True):
    """One way to load a variant."""

    mode: str
    stream: str
    tls: bool
    action: str = "place"
    rate: int = 0
    """Ticks a second of an open loop."""

    def lasts(self, seconds: float) -> float:
        """Return how long it is measured, of the seconds asked for."""
        if self.mode == "quiet":
            return max(seconds, QUIET_TICKS / self.rate)
        teems = self.mode in ("back_to_back", "burst") or self.rate >= TEEMING
        return seconds / 2 if teems else seconds


class Series(Struct, frozen=True):
    """Cells that one process of a variant goes through, mildest first."""

    stream: str
    tls: bool
    action: str
    cells: tuple[Cell, ...]


class Row(Struct, kw_only=True):
    """What a cell was for a variant, over all rounds."""

    variant: str
    mode: str
    action: str
    rate: int
    stream: str
    tls: bool
    p50_ns: int
    p90_ns: int
    p99_ns: int
    p999_ns: int
    max_ns: int
    messages_per_s: int
    orders: int
    lost: int
    rss_mb: float
    cpu_percent: float
    rounds: int
    curve: list[int]
    """Latencies at the quantiles of ``CURVE``, over all rounds together."""


class Sample(Struct, frozen=True):
    """A cell in one round."""

    histogram: Histogram
    messages_per_s: int
    orders: int
    lost: int
    rss_mb: float
    cpu_percent: float


MODES: Final = ("closed", "back_to_back", "quiet", "open", "burst")


def plan(names: Sequence[str], modes: Sequence[str]) -> list[tuple[Series, list[str]]]:
    """Return what is measured, and who takes part in it.

    One process of a variant goes through a whole series: starting it takes longer than a cell.
    """
    whole = [
        (_series("bookTicker", modes=MODES), names),
        (_series("depth", modes=("closed", "open", "burst")), names),
        (_series("bookTicker", modes=("closed",), tls=True), names),
        (
            _series("bookTicker", modes=("closed",), action="cancel_replace"),
            [name for name in names if name in REPLACING],
        ),
    ]
    chosen = []
    for series, those in whole:
        cells = tuple(cell for cell in series.cells if cell.mode in modes)
        narrowed = msgspec.structs.replace(series, cells=cells)
        taking = [name for name in those if cells_of(name, narrowed)]
        if taking:
            chosen.append((narrowed, taking))
    return chosen


def cells_of(name: str, series: Series) -> list[Cell]:
    """Return the cells of a series that a variant takes part in.

    What cannot send orders takes part in bursts alone, and the floor in none, because it has
    nothing to take. What differs in its orders alone is compared where these differ: what signs
    every order on book tickers in the clear, hotloop without parts in the closed loop there.
    """
    plain = series.stream == "bookTicker" and not series.tls
    if name in THROUGHPUT_ONLY:
        modes: Sequence[str] = ("burst",)
    elif name == variants.COLD:
        modes = ("closed", "quiet") if plain else ()
    elif variants.parts_without(name):
        modes = ("closed",) if plain else ()
    elif name.endswith(variants.HMAC):
        modes = MODES[:-1] if plain else ()
    elif name == "floor":
        modes = MODES[:-1]
    else:
        modes = MODES
    return [cell for cell in series.cells if cell.mode in modes]


def _series(
    stream: str, *, modes: Sequence[str], tls: bool = False, action: str = "place"
) -> Series:
    cells = tuple(
        Cell(mode=mode, stream=stream, tls=tls, action=action, rate=rate)
        for mode in modes
        for rate in RATES.get(mode, (0,))
    )
    return Series(stream, tls, action, cells)


# -- processes -------------------------------------------------------------------------------


class Generator:
    """The load generator, as seen from here."""

    def __init__(self, cpu: int | None, ca: Path | None, levels: int) -> None:
        command = [sys.executable, "-m", "tools.bench.generator", "--levels", str(levels)]
        if cpu is not None:
            command += ["--cpu", str(cpu)]
        if ca is not None:
            command += ["--ca-out", str(ca)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=variants.ROOT,
            start_new_session=True,  # Ctrl-C is for the race, which ends it
        )
        _prefer(self._process.pid)
        self.port: int = self._read()["port"]

    def ask(self, word: str, **argument: Any) -> dict[str, Any]:
        stdin = self._process.stdin
        if stdin is None:
            raise BenchFailed("the load generator has no input")
        stdin.write(f"{word} {json.dumps(argument)}\n")
        stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        stdout = self._process.stdout
        line = stdout.readline() if stdout else ""
        if not line:
            raise BenchFailed("the load generator has ended; its last words are above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End it, whatever it is at: nobody wants its answer any more."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


class Runner:
    """One variant's process."""

    def __init__(self, start: variants.Start, log: Path) -> None:
        self._leaves = start.leaves
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                start.command,
                env=start.environment,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                cwd=start.folder,
                start_new_session=True,
            )
        _prefer(self._process.pid)

    def cpu_s(self) -> float:
        stat = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii")
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_mb(self) -> tuple[float, float]:
        """Return what it has allocated, and with that all of its resident memory."""
        statm = Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii")
        _, resident, shared, *_ = (int(field) * PAGE / 1e6 for field in statm.split())
        return resident - shared, resident

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """Let what leaves by itself leave, and end the others at once: some take 10 s to."""
        if self.alive and self._leaves:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_S)
        if self.alive:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _prefer(pid: int) -> None:
    """Give all that take part the priority that hotloop asks for, where that is allowed."""
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, pid, HIGHEST_PRIORITY)


# -- rounds ----------------------------------------------------------------------------------


class Race:
    """Rounds over series and variants; what came of them."""

    def __init__(self, *, seconds: float, rounds: int, levels: int) -> None:
        self._seconds = seconds
        self._rounds = rounds
        self._levels = levels
        cpus = sorted(os.sched_getaffinity(0))
        apart = len(cpus) > 1
        self.generator_cpu = cpus[0] if apart else None
        self.variant_cpu = cpus[-1] if apart else None
        self._samples: dict[tuple[str, Cell], list[Sample]] = {}
        self.failures: dict[str, str] = {}
        """Variants that did not answer in some series, and why."""
        self._absent: set[tuple[str, Series]] = set()
        self.spared: dict[str, int] = {}
        """Open loops that a peer was spared, and in how many rounds."""
        self.rounds_done = 0
        self.hops: dict[str, hops.Costs] = {}
        """What each hop cost those of ours that have hops."""

    def run(self, plan: Sequence[tuple[Series, Sequence[str]]]) -> list[Row]:
        """Go through all rounds; return a row for each variant and cell.

        Ctrl-C ends it with what it has.
        """
        with (
            tempfile.TemporaryDirectory(prefix="hotloop-bench-") as text,
            suppress(KeyboardInterrupt),
        ):
            folder = Path(text)
            ca = folder / "ca.pem"
            turns = [(series, name) for series, names in plan for name in names]
            began_s = time.monotonic()
            with _generators(self.generator_cpu, ca, self._levels) as generators:
                for number in range(self._rounds):
                    for at, (series, name) in enumerate(turns):
                        done = number * len(turns) + at
                        took_s = time.monotonic() - began_s
                        _tell(number, self._rounds, series, name, took_s, done, len(turns))
                        self._measure(generators[series.tls], name, series, ca, folder / "run")
                    self.rounds_done = number + 1
                self._measure_hops(generators[False], turns, folder / "run")
        return [row(name, cell, samples) for (name, cell), samples in self._samples.items()]

    def _measure(
        self, generator: Generator, name: str, series: Series, ca: Path, folder: Path
    ) -> None:
        waiting = [] if (name, series) in self._absent else cells_of(name, series)
        while waiting:
            with self._started(generator, name, series, ca, folder) as runner:
                if runner is None:
                    return
                while waiting:
                    cell = waiting.pop(0)
                    sample = self._sample(generator, runner, cell)
                    self._samples.setdefault((name, cell), []).append(sample)
                    waiting = self.after(name, cell, sample, waiting)
                    if sample.lost:
                        break  # what it still has to do would meet the next cell: begin afresh

    @contextmanager
    def _started(
        self, generator: Generator, name: str, series: Series, ca: Path, folder: Path
    ) -> Iterator[Runner | None]:
        """Run a variant that answers; ``None`` where it does not, which is kept as a failure."""
        folder.mkdir()
        generator.ask("reset")
        place = variants.Place(
            port=generator.port,
            ca=ca if series.tls else None,
            stream=series.stream,
            action=series.action,
            cpu=self.variant_cpu,
            folder=folder,
        )
        log = folder / "output"
        runner = Runner(variants.start(name, place), log)
        try:
            why = until_ready(generator, runner, series.stream)
            if why:
                self._fail(name, series, why, log)
            yield None if why else runner
        finally:
            runner.stop()
            shutil.rmtree(folder)

    def after(self, name: str, cell: Cell, sample: Sample, waiting: list[Cell]) -> list[Cell]:
        """Return what is still to be measured after a cell.

        A peer that has fallen behind at one rate is spared the higher ones, in this round.
        """
        if cell.mode != "open" or name in variants.OURS or not _is_behind(sample):
            return waiting
        for spared in waiting:
            if spared.mode == "open":
                what = f"{name}: {spared.stream} at {spared.rate:,} ticks a second"
                self.spared[what] = self.spared.get(what, 0) + 1
        return [other for other in waiting if other.mode != "open"]

    def _measure_hops(
        self, generator: Generator, turns: Sequence[tuple[Series, str]], folder: Path
    ) -> None:
        """Have each of ours that races a closed loop tell where its time goes."""
        names = dict.fromkeys(
            name
            for series, name in turns
            if name != "floor"
            and variants.is_ours(name)
            and not variants.parts_without(name)
            and any(cell.mode == "closed" for cell in series.cells)
        )
        for name in names:
            series = _series("bookTicker", modes=("closed",))
            with self._started(generator, name, series, folder, folder) as runner:
                if runner is None:
                    continue
                began_s = time.time()
                seconds = max(HOPS_S, self._seconds)
                generator.ask("cell", mode="closed", stream=series.stream, seconds=seconds, rate=0)
                ended_s = time.time()
                runner.stop()  # what it has counted is written when it leaves
                self.hops[name] = hops.read(folder / "run" / "hops.hlog", began_s, ended_s)

    def _sample(self, generator: Generator, runner: Runner, cell: Cell) -> Sample:
        began_s, began_cpu_s = time.monotonic(), runner.cpu_s()
        found = generator.ask(
            "cell",
            mode=cell.mode,
            stream=cell.stream,
            seconds=cell.lasts(self._seconds),
            rate=cell.rate,
        )
        took_s, took_cpu_s = time.monotonic() - began_s, runner.cpu_s() - began_cpu_s
        histogram = Histogram()
        histogram.counts.update(dict(found["counts"]))
        return Sample(
            histogram,
            found.get("messages_per_s", 0),
            found["orders"],
            found["lost"],
            runner.memory_mb()[1],
            100 * took_cpu_s / took_s,
        )

    def _fail(self, name: str, series: Series, why: str, log: Path) -> None:
        said = _COLOUR.sub("", log.read_text(encoding="utf-8", errors="replace")).split("\n")
        last = next((line.strip() for line in reversed(said) if line.strip(" []")), "no word")
        where = f"{series.stream}{' TLS' if series.tls else ''}"
        what = f"{where}: {why}; {last.replace(str(variants.ROOT), '.')}"
        if variants.is_ours(name):
            raise BenchFailed(f"{name}: {what}")
        self.failures[name] = what
        self._absent.add((name, series))
        print(f"{name}: {what}", file=sys.stderr)


def row(name: str, cell: Cell, samples: Sequence[Sample]) -> Row:
    """Return what the rounds of a cell come down to: medians, but the largest and all lost."""
    values = [sample.histogram.values_at((P50, P90, P99, P999)) for sample in samples]
    p50, p90, p99, p999 = (int(median(column)) for column in zip(*values, strict=True))
    together = Histogram()
    for sample in samples:
        together.add(sample.histogram)
    return Row(
        variant=name,
        mode=cell.mode,
        action=cell.action,
        rate=cell.rate,
        stream=cell.stream,
        tls=cell.tls,
        p50_ns=p50,
        p90_ns=p90,
        p99_ns=p99,
        p999_ns=p999,
        max_ns=together.max,
        messages_per_s=int(median(sample.messages_per_s for sample in samples)),
        orders=sum(sample.orders for sample in samples),
        lost=sum(sample.lost for sample in samples),
        rss_mb=round(max(sample.rss_mb for sample in samples), 1),
        cpu_percent=round(median(sample.cpu_percent for sample in samples), 1),
        rounds=len(samples),
        curve=together.values_at(CURVE) if together.counts else [],
    )


def _is_behind(sample: Sample) -> bool:
    return sample.lost > 0 or sample.histogram.values_at((P50,))[0] > BEHIND_NS


def _tell(
    number: int, rounds: int, series: Series, name: str, took_s: float, done: int, turns: int
) -> None:
    """Say on standard error what comes next, and how long the rest will take."""
    left = f", {took_s / done * (rounds * turns - done) / 60:.0f} min left" if done else ""
    tls = " TLS" if series.tls else ""
    where = f"{series.stream}{tls} {series.action}"
    print(f"round {number + 1} of {rounds}{left}: {where}: {name}", file=sys.stderr)


def until_ready(generator: Generator, runner: Runner, stream: str) -> str:
    """Wait until a variant answers ticks; return why it does not."""
    until_s = time.monotonic() + READY_S
    while time.monotonic() < until_s:
        ready = generator.ask("cell", mode="ready", stream=stream, seconds=READY_LOOK_S)
        if ready["ready"]:
            return ""
        if not runner.alive:
            return "it ended"
    return str(ready["why"])


@contextmanager
def _generators(cpu: int | None, ca: Path, levels: int) -> Iterator[dict[bool, Generator]]:
    """Run a load generator in the clear and one under TLS; they sleep while the other works."""
    plain = Generator(cpu, None, levels)
    try:
        secret = Generator(cpu, ca, levels)
        try:
            yield {False: plain, True: secret}
        finally:
            secret.close()
    finally:
        plain.close()


def machine() -> dict[str, Any]:
    """Return what the figures depend on besides the code."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "cpu": model,
        "cpus": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * PAGE / 1e9, 1),
        "kernel": platform.release(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load_before": os.getloadavg()[0],
    }
