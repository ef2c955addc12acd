"""A hot loop on a clock of the test's own, and sockets under its control."""

from __future__ import annotations

from collections.abc import Callable

import trio

from core.io.loop import HotLoop

START_NS = 1_000_000_000_000


class StepClock:
    """Advances by ``step_ns`` each time it is read, and by what a test adds."""

    def __init__(self, step_ns: int = 100) -> None:
        self.time_ns = START_NS
        self.step_ns = step_ns

    def now_ns(self) -> int:
        self.time_ns += self.step_ns
        return self.time_ns


class TrioClock(StepClock):
    """Follows trio's own clock, and so a mock one."""

    def now_ns(self) -> int:
        return START_NS + round(trio.current_time() * 1e9)


class Timer:
    """One timer, as the engine's heap looks to the loop."""

    def __init__(self) -> None:
        self.due_ns = 0
        self.fired_ns: list[int] = []
        self.then: Callable[[], None] = lambda: None

    def next_due_ns(self) -> int:
        return self.due_ns

    def on_due(self, now_ns: int) -> None:
        self.fired_ns.append(now_ns)
        self.due_ns = 0
        self.then()


class Lags:
    """What the loop recorded."""

    def __init__(self) -> None:
        self.all: list[tuple[str, int]] = []

    def record(self, hop: str, lag_ns: int) -> None:
        self.all.append((hop, lag_ns))

    def of(self, hop: str) -> list[int]:
        return [lag_ns for name, lag_ns in self.all if name == hop]


def make_loop(
    *,
    spin: bool = True,
    clock: StepClock | None = None,
    timer: Timer | None = None,
    lags: Lags | None = None,
    idle: tuple[Callable[[], None], ...] = (),
) -> HotLoop:
    timer = timer or Timer()
    return HotLoop(
        spin=spin,
        now_ns=(clock or StepClock()).now_ns,
        next_due_ns=timer.next_due_ns,
        on_due=timer.on_due,
        record=(lags or Lags()).record,
        idle=idle,
    )
