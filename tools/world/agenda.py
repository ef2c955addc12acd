"""The agenda: what will happen outside the process, and when, on trio's simulated clock.

Exchange, network and faults are plain calls on a heap of virtual nanoseconds; the process under
test is the only thing here that is made of tasks. While a call runs, ``now_ns`` is the time it was
put down for: a process that was held up finds everything that has happened meanwhile, in order.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import NoReturn

import trio
import trio.testing

from core.model.units import NS_PER_S


class Agenda:
    """The heap, and the clock of everybody in the world."""

    def __init__(self, start_ns: int) -> None:
        self._start_ns = start_ns
        self._clock = trio.testing.MockClock(autojump_threshold=0)
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._event_ns = 0
        self._sleep: trio.CancelScope | None = None

    @property
    def trio_clock(self) -> trio.abc.Clock:
        """What ``trio.run`` takes."""
        return self._clock

    def process_ns(self) -> int:
        """Return the time as the process under test sees it."""
        return self._start_ns + round(self._clock.current_time() * NS_PER_S)

    @property
    def now_ns(self) -> int:
        return self._event_ns or self.process_ns()

    def at(self, when_ns: int, what: Callable[[], None]) -> None:
        """Have something happen at a time, or at once where that is over."""
        heapq.heappush(self._heap, (when_ns, next(self._order), what))
        if self._sleep is not None:
            self._sleep.deadline = min(self._sleep.deadline, self._deadline())

    def later(self, delay_ns: int, what: Callable[[], None]) -> None:
        """Have something happen after a while."""
        self.at(self.now_ns + delay_ns, what)

    def pass_time(self, ns: int) -> None:
        """The process is busy, or held up, for so long."""
        self._clock.jump(ns / NS_PER_S)

    def idle_ns(self) -> int:
        """Return how long nothing happens from now on."""
        return max(self._heap[0][0] - self.now_ns, 1) if self._heap else NS_PER_S

    def run_due(self) -> None:
        """Let everything happen that is due by now, in order."""
        if self._event_ns:
            return  # from within a call: the loop below goes on when it returns
        heap = self._heap
        while heap and heap[0][0] <= self.process_ns():
            when_ns, _, what = heapq.heappop(heap)
            self._event_ns = when_ns
            try:
                what()
            finally:
                self._event_ns = 0

    async def keep(self) -> NoReturn:
        """Let things happen when they are due, until cancelled."""
        while True:
            self.run_due()
            with trio.CancelScope(deadline=self._deadline()) as self._sleep:
                await trio.sleep_forever()
            self._sleep = None

    def _deadline(self) -> float:
        if not self._heap:
            return float("inf")
        # Rounded up to where process_ns has surely got there.
        return (self._heap[0][0] - self._start_ns) / NS_PER_S + 1e-10
