"""``hotloop bench --saturation``: the highest rate that holds.

A rate holds where the median of its ticks is answered within a millisecond and none is lost; above
that one the ticks queue up. It is looked for by stream, by what is answered with an order and by
build, in the open loop, so that what comes too late is charged with all its delay. Here live the
search and the table; the ticks are sent by ``tools.bench.generator``.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from math import sqrt
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from core.state.hops import P50, Histogram
from tools import compiled
from tools.bench import race, variants, wire
from tools.bench.strategy import Answers

HOLDS_NS: Final = 1_000_000

CELL_S: Final = 0.5
"""A tick in two hundred too many, and the last one waits for 2.5 ms."""

TRIES: Final = 2
"""A rate that another process has spoilt is tried again."""

PRECISION: Final = 1.04

WHOLE_S: Final = 280.0
"""All searches share this, each what is left by those before it."""

LEAST_RATE: Final = 100

LEVELS: Final = 5_000

IDLE: Final = 0.1
"""A generator with less than this to spare is what does not keep up."""

PROBES_A_S: Final = 1_000
"""Where nothing is to be answered, so many ticks are: else nobody knew how late they are."""

STREAMS: Final = ("bookTicker", "depth")


class Policy(Struct, frozen=True):
    """What is answered with an order."""

    name: str
    answers: Answers
    first_rate: int
    """Where the search begins."""
    probes: bool = False

    def ticks_a_size(self, rate: int) -> int:
        """Return how many ticks have the same size, which only one order is for."""
        return max(rate // PROBES_A_S, 1) if self.probes else 1


POLICIES: Final = (
    Policy("every tick", Answers.TICK, 2_000),
    Policy("one per read", Answers.READ, 4_000),
    Policy("none", Answers.SIZE, 16_000, probes=True),
)


class Found(Struct, frozen=True, kw_only=True):
    """What a search has found."""

    stream: str
    orders: str
    build: str
    rate: int
    """Ticks a second; 0 where none holds."""
    at_least: bool = False
    """Whether it was the generator that did not keep up, or the time was over."""


class Search:
    """Looks for the highest rate that holds, from one that may."""

    def __init__(self, holds: Callable[[int], bool], *, is_over: Callable[[], bool]) -> None:
        self._holds = holds
        self._is_over = is_over
        self.rate = 0
        """The highest one that held."""
        self.too_high = 0
        """The lowest one that did not, 0 where none was found."""

    def run(self, first: int, most: int) -> None:
        """Double or halve, then close in; above ``most`` nothing can be sent."""
        rate = first
        while LEAST_RATE <= rate <= most and not self._is_over():
            held = self._try(rate)
            if (self.rate and self.too_high) or self.rate == most:
                break
            rate = min(2 * rate, most) if held else rate // 2
        while self.rate and self.too_high > self.rate * PRECISION and not self._is_over():
            self._try(round(sqrt(self.rate * self.too_high)))

    @property
    def is_close(self) -> bool:
        """Whether what is a little more does not hold."""
        return 0 < self.too_high <= max(self.rate * PRECISION, 2 * LEAST_RATE)

    def _try(self, rate: int) -> bool:
        holds = self._holds(rate)
        if holds:
            self.rate = rate
        else:
            self.too_high = rate
        return holds


class Flood:
    """One hotloop under ticks at a rate."""

    def __init__(
        self, generator: race.Generator, runner: race.Runner, stream: str, policy: Policy
    ) -> None:
        self._generator = generator
        self._runner = runner
        self._stream = stream
        self._policy = policy
        self.spare = 1.0
        """What the generator had to spare at the last rate that did not hold."""

    def holds(self, rate: int) -> bool:
        """Whether a rate holds in one of ``TRIES``."""
        return any(self._try(rate) for _ in range(TRIES))

    def _try(self, rate: int) -> bool:
        why = race.until_ready(self._generator, self._runner, self._stream)
        if why:
            raise race.BenchFailed(f"hotloop at {rate} ticks a second: {why}")
        found = self._generator.ask(
            "cell",
            mode="flood",
            stream=self._stream,
            seconds=CELL_S,
            rate=rate,
            ticks_a_size=self._policy.ticks_a_size(rate),
        )
        histogram = Histogram()
        histogram.counts.update(dict(found["counts"]))
        holds = not found["lost"] and 0 < histogram.values_at((P50,))[0] < HOLDS_NS
        if not holds:
            self.spare = found["idle"]
        return holds


def run() -> dict[str, Any]:
    """Search for all that there is a build for; Ctrl-C ends it with what it has."""
    machine = race.machine()
    builds = {"source": variants.ROOT}
    if compiled.is_current():
        builds["compiled"] = compiled.FOLDER
    cases = [
        (stream, policy, build) for stream in STREAMS for policy in POLICIES for build in builds
    ]
    contest = race.Race(seconds=CELL_S, rounds=1, levels=LEVELS)
    found: list[Found] = []
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hotloop-saturation-") as text:
        generator = race.Generator(contest.generator_cpu, None, LEVELS)
        try:
            with suppress(KeyboardInterrupt):
                for at, (stream, policy, build) in enumerate(cases):
                    now_s = time.monotonic()
                    share_s = (began_s + WHOLE_S - now_s) / (len(cases) - at)
                    folder = Path(text) / str(at)
                    folder.mkdir()
                    place = variants.Place(
                        port=generator.port,
                        ca=None,
                        stream=stream,
                        action="place",
                        cpu=contest.variant_cpu,
                        folder=folder,
                    )
                    start = variants.start_hotloop(
                        place, spin=True, answers=policy.answers, folder=builds[build]
                    )
                    found.append(_search(generator, start, place, policy, build, now_s + share_s))
                    print(f"{stream}, {policy.name}, {build}: {_shown(found[-1])}", file=sys.stderr)
        finally:
            generator.close()
    settings = {
        "generator_cpu": contest.generator_cpu,
        "variant_cpu": contest.variant_cpu,
        "versions": variants.versions([]),
    }
    return {"machine": machine, "settings": settings, "saturation": msgspec.to_builtins(found)}


def _search(
    generator: race.Generator,
    start: variants.Start,
    place: variants.Place,
    policy: Policy,
    build: str,
    until_s: float,
) -> Found:
    generator.ask("reset")
    runner = race.Runner(start, place.folder / "output")
    try:
        flood = Flood(generator, runner, place.stream, policy)
        search = Search(flood.holds, is_over=lambda: time.monotonic() >= until_s)
        search.run(policy.first_rate, round(wire.MOST_MADE[place.stream] / CELL_S))
    finally:
        runner.stop()
    return Found(
        stream=place.stream,
        orders=policy.name,
        build=build,
        rate=search.rate,
        at_least=not search.is_close or flood.spare < IDLE,
    )


def _shown(found: Found) -> str:
    return f"{'at least ' if found.at_least else ''}{found.rate:,}"
