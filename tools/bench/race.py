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
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

import msgspec
from msgspec import Struct

from core.errors import HotloopError
from core.hops import P50, P90, P99, P999, Histogram
from tools.bench import variants

READY_S: Final = 60.0
"""How long a variant may take until it answers; nautilus_trader takes 5, ccxt 3."""

READY_LOOK_S: Final = 3.0
"""Between two looks whether it is alive at all."""

STOP_S: Final = 15.0
ANSWER_S: Final = 120.0
"""Longer than any cell with its drain: then the load generator is broken."""

THROUGHPUT_ONLY: Final = ("cryptofeed",)
REPLACING: Final = ("floor", "hotloop", variants.COMPILED)

OPEN_RATES: Final = (1_000, 5_000, 20_000)
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


MODES: Final = ("closed", "back_to_back", "open", "burst")


def plan(names: Sequence[str], modes: Sequence[str]) -> list[tuple[Series, list[str]]]:
    """Return what is measured, and who takes part in it.

    What cannot send orders takes part in bursts alone, where the floor has nothing to take.
    """
    trading = [name for name in names if name not in THROUGHPUT_ONLY]
    taking = [name for name in names if name not in ("floor", "hotloop+hmac")]
    whole = [
        (_series("bookTicker", modes=("closed", "back_to_back", "open")), trading),
        (_series("bookTicker", modes=("burst",)), taking),
        (_series("depth", modes=("closed", "open")), trading),
        (_series("depth", modes=("burst",)), taking),
        (_series("bookTicker", modes=("closed",), tls=True), trading),
        (
            _series("bookTicker", modes=("closed",), action="cancel_replace"),
            [name for name in names if name in REPLACING],
        ),
    ]
    chosen = []
    for series, variants_of_it in whole:
        cells = tuple(cell for cell in series.cells if cell.mode in modes)
        if cells:
            chosen.append((msgspec.structs.replace(series, cells=cells), list(variants_of_it)))
    return chosen


def _series(
    stream: str, *, modes: Sequence[str], tls: bool = False, action: str = "place"
) -> Series:
    cells = tuple(
        Cell(mode=mode, stream=stream, tls=tls, action=action, rate=rate)
        for mode in modes
        for rate in (OPEN_RATES if mode == "open" else (0,))
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
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=variants.ROOT
        )
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
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Runner:
    """One variant's process."""

    def __init__(self, start: variants.Start, log: Path) -> None:
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

    def cpu_s(self) -> float:
        stat = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii")
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss_mb(self) -> float:
        statm = Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii")
        return int(statm.split()[1]) * PAGE / 1e6

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        if self.alive:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()


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

    def run(self, plan: Sequence[tuple[Series, Sequence[str]]]) -> list[Row]:
        """Go through all rounds; return a row for each variant and cell."""
        with tempfile.TemporaryDirectory(prefix="hotloop-bench-") as folder:
            ca = Path(folder) / "ca.pem"
            with _generators(self.generator_cpu, ca, self._levels) as generators:
                for number in range(self._rounds):
                    for series, names in plan:
                        for name in names:
                            print(
                                f"round {number + 1} of {self._rounds}: {series.stream}"
                                f"{' TLS' if series.tls else ''} {series.action}: {name}",
                                file=sys.stderr,
                            )
                            self._measure(
                                generators[series.tls], name, series, ca, Path(folder) / "run"
                            )
        return [row(name, cell, samples) for (name, cell), samples in self._samples.items()]

    def _measure(
        self, generator: Generator, name: str, series: Series, ca: Path, folder: Path
    ) -> None:
        waiting = [] if (name, series) in self._absent else list(series.cells)
        while waiting:
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
                why = _until_ready(generator, runner, series.stream)
                if why:
                    self._fail(name, series, why, log)
                    return
                while waiting:
                    cell = waiting.pop(0)
                    sample = self._sample(generator, runner, cell)
                    self._samples.setdefault((name, cell), []).append(sample)
                    if sample.lost:
                        break  # what it still has to do would meet the next cell: begin afresh
            finally:
                runner.stop()
                shutil.rmtree(folder)

    def _sample(self, generator: Generator, runner: Runner, cell: Cell) -> Sample:
        began_s, began_cpu_s = time.monotonic(), runner.cpu_s()
        found = generator.ask(
            "cell", mode=cell.mode, stream=cell.stream, seconds=self._seconds, rate=cell.rate
        )
        took_s, took_cpu_s = time.monotonic() - began_s, runner.cpu_s() - began_cpu_s
        histogram = Histogram()
        histogram.counts.update(dict(found["counts"]))
        return Sample(
            histogram,
            found.get("messages_per_s", 0),
            found["orders"],
            found["lost"],
            runner.rss_mb(),
            100 * took_cpu_s / took_s,
        )

    def _fail(self, name: str, series: Series, why: str, log: Path) -> None:
        said = _COLOUR.sub("", log.read_text(encoding="utf-8", errors="replace")).split("\n")
        last = next((line.strip() for line in reversed(said) if line.strip(" []")), "no word")
        where = f"{series.stream}{' TLS' if series.tls else ''}"
        what = f"{where}: {why}; {last.replace(str(variants.ROOT), '.')}"
        if name in variants.OURS:
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


def _until_ready(generator: Generator, runner: Runner, stream: str) -> str:
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
