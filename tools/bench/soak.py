"""``hotloop bench --soak MINUTES``: whether memory and tails stay flat, and what idling costs.

The load generator sends book tickers at a fixed modest rate, each is answered with an order, and
once a minute hotloop's memory, CPU and hops are noted; beside them, what the generator saw. Before
that, a second hotloop in ``wait`` mode is left without traffic for a while. Here lives the
watching; what races live in ``tools.bench.race``.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from math import sqrt
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import msgspec
from msgspec import Struct

from core.state.hops import P50, P99, P999, Histogram
from tools.bench import race, variants
from tools.bench.hops import Tail, figures, in_order

RATE: Final = 1_000
"""Ticks, and orders, a second."""

SAMPLE_S: Final = 60.0
LEAST_SAMPLES: Final = 20
"""A short soak is sampled more often than once a minute, so that it has a slope at all."""

IDLE_S: Final = 30.0
"""How long hotloop is left without traffic; a tenth of a short soak instead."""

QUIET_S: Final = 2.0
"""After the last tick: the answers to the last orders are still coming in."""

TENTHS: Final = 10


class Sample(Struct, frozen=True, kw_only=True):
    """One minute, or less where the soak is short."""

    at_s: float
    """Since the begin, at the end of the sample."""
    own_mb: float
    """What the process has allocated."""
    rss_mb: float
    """With mapped files; the journal's segments are among them."""
    cpu_percent: float
    orders: int
    lost: int
    p50_ns: int
    p99_ns: int
    p999_ns: int
    """tick_to_trade, of hotloop's own hop log."""
    wire_p50_ns: int
    wire_p99_ns: int
    wire_p999_ns: int
    """Tick to order, seen by the generator, from when the tick should have been sent."""


class Slope(Struct, frozen=True):
    """A straight line through the samples, by least squares."""

    mb_per_h: float
    error_mb_per_h: float
    """Its standard error; a slope within two of them is none."""


class Soak(Struct, frozen=True, kw_only=True):
    """What a soak came to."""

    minutes: float
    rate: int
    samples: list[Sample]
    memory: Slope
    """Of the process's own memory, after the first tenth of the run."""
    p999_ns: list[int]
    """tick_to_trade's p99.9 in each tenth of the run."""
    idle_cpu_percent: float
    """In ``wait`` mode, without traffic."""
    hops: dict[str, dict[str, int]]


def run(minutes: float) -> dict[str, Any]:
    """Soak hotloop, and return what came of it; Ctrl-C ends it with what it has."""
    machine = race.machine()
    contest = race.Race(seconds=1, rounds=1, levels=100)
    with tempfile.TemporaryDirectory(prefix="hotloop-soak-") as text:
        generator = race.Generator(contest.generator_cpu, None, 100)
        try:
            watched = Watched(generator, contest.variant_cpu, Path(text))
            with suppress(KeyboardInterrupt):
                watched.idle(min(IDLE_S, minutes * 6))
                watched.soak(minutes * 60)
        finally:
            generator.close()
    settings = {
        "generator_cpu": contest.generator_cpu,
        "variant_cpu": contest.variant_cpu,
        "versions": variants.versions([]),
    }
    return {
        "machine": machine,
        "settings": settings,
        "soak": msgspec.to_builtins(watched.seen.result()),
    }


class Seen:
    """What was seen so far; a soak may end at any moment."""

    def __init__(self) -> None:
        self.idle_cpu_percent = 0.0
        self.samples: list[Sample] = []
        self.hops: list[tuple[float, dict[str, Histogram]]] = []
        """What the hop log said in each sample, by when that ended."""

    def result(self) -> Soak:
        """Return what was seen."""
        end_s = self.samples[-1].at_s if self.samples else 0.0
        settled = [sample for sample in self.samples if sample.at_s > end_s / TENTHS]
        whole: dict[str, Histogram] = {}
        for _, hops in self.hops:
            for hop, histogram in hops.items():
                whole.setdefault(hop, Histogram()).add(histogram)
        return Soak(
            minutes=round(end_s / 60, 1),
            rate=RATE,
            samples=self.samples,
            memory=slope([(sample.at_s / 3600, sample.own_mb) for sample in settled]),
            p999_ns=self._tenths(end_s),
            idle_cpu_percent=round(self.idle_cpu_percent, 2),
            hops={hop: figures(histogram) for hop, histogram in in_order(whole).items()},
        )

    def _tenths(self, end_s: float) -> list[int]:
        tenths = [Histogram() for _ in range(TENTHS)]
        for at_s, hops in self.hops:
            place = min(int(TENTHS * at_s / end_s - 1e-9), TENTHS - 1)
            tenths[place].add(hops.get("tick_to_trade", Histogram()))
        return [tenth.values_at((P999,))[0] for tenth in tenths]


class Watched:
    """hotloop under a steady load, and what was seen of it."""

    def __init__(self, generator: race.Generator, cpu: int | None, folder: Path) -> None:
        self._generator = generator
        self._cpu = cpu
        self._folder = folder
        self.seen = Seen()

    def _start(self, name: str, *, spin: bool) -> race.Runner:
        folder = self._folder / name
        folder.mkdir()
        self._generator.ask("reset")
        place = variants.Place(
            port=self._generator.port,
            ca=None,
            stream="bookTicker",
            action="place",
            cpu=self._cpu,
            folder=folder,
        )
        runner = race.Runner(variants.start_hotloop(place, spin=spin), folder / "output")
        why = race.until_ready(self._generator, runner, "bookTicker")
        if why:
            runner.stop()
            raise race.BenchFailed(f"hotloop: {why}")
        return runner

    def idle(self, seconds: float) -> None:
        """Note the CPU that waiting takes."""
        print(f"idle in wait mode, {seconds:.0f} s", file=sys.stderr)
        runner = self._start("idle", spin=False)
        try:
            time.sleep(QUIET_S)
            began_s, began_cpu_s = time.monotonic(), runner.cpu_s()
            time.sleep(seconds)
            took_s = time.monotonic() - began_s
            self.seen.idle_cpu_percent = 100 * (runner.cpu_s() - began_cpu_s) / took_s
        finally:
            runner.stop()

    def soak(self, seconds: float) -> None:
        """Load it, and note once a minute how it is."""
        every_s = min(SAMPLE_S, seconds / LEAST_SAMPLES)
        runner = self._start("soak", spin=True)
        try:
            tail = Tail(self._folder / "soak" / "run" / "hops.hlog")
            for _ in tail.lines():
                pass  # the warm-up is not part of it
            began_s = time.monotonic()
            while (at_s := time.monotonic() - began_s) < seconds:
                self._sample(runner, tail, began_s, every_s)
                left_min = (seconds - at_s) / 60
                last = self.seen.samples[-1]
                print(
                    f"{left_min:.1f} min left: own {last.own_mb:.1f} MB, tick to trade "
                    f"p50 {last.p50_ns / 1e3:.1f} us, p99.9 {last.p999_ns / 1e3:.1f} us",
                    file=sys.stderr,
                )
        finally:
            runner.stop()

    def _sample(self, runner: race.Runner, tail: Tail, soak_began_s: float, every_s: float) -> None:
        began_s, began_cpu_s = time.monotonic(), runner.cpu_s()
        found = self._generator.ask(
            "cell", mode="open", stream="bookTicker", seconds=every_s, rate=RATE
        )
        if not runner.alive:
            raise race.BenchFailed("hotloop has ended during the soak")
        ended_s = time.monotonic()
        cpu_percent = 100 * (runner.cpu_s() - began_cpu_s) / (ended_s - began_s)
        wire = Histogram()
        wire.counts.update(dict(found["counts"]))
        hops: dict[str, Histogram] = {}
        for hop, _, _, histogram in tail.lines():
            hops.setdefault(hop, Histogram()).add(histogram)
        at_s = ended_s - soak_began_s
        self.seen.hops.append((at_s, hops))
        p50, p99, p999 = hops.get("tick_to_trade", Histogram()).values_at((P50, P99, P999))
        wire_p50, wire_p99, wire_p999 = wire.values_at((P50, P99, P999))
        own_mb, rss_mb = runner.memory_mb()
        self.seen.samples.append(
            Sample(
                at_s=round(at_s, 1),
                own_mb=round(own_mb, 3),
                rss_mb=round(rss_mb, 3),
                cpu_percent=round(cpu_percent, 1),
                orders=found["orders"],
                lost=found["lost"],
                p50_ns=p50,
                p99_ns=p99,
                p999_ns=p999,
                wire_p50_ns=wire_p50,
                wire_p99_ns=wire_p99,
                wire_p999_ns=wire_p999,
            )
        )


def slope(points: Sequence[tuple[float, float]]) -> Slope:
    """Return the line through points of hours and megabytes; flat where there are fewer than 3."""
    if len(points) < 3:
        return Slope(0.0, 0.0)
    mean_x, mean_y = fmean(x for x, _ in points), fmean(y for _, y in points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    rise = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    rest = sum((y - mean_y - rise * (x - mean_x)) ** 2 for x, y in points)
    error = sqrt(rest / (len(points) - 2) / spread)
    return Slope(round(rise, 3), round(error, 3))
