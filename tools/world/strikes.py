"""When faults strike, and whether the promised reaction was seen.

Each fault is off with probability one half, else has a random weight; those that want messages are
asked for each, the others strike by themselves. What a fault does, and how its reaction is
recognised, it brings along; here is only counted.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from core.units import NS_PER_MS, NS_PER_S
from tools.world.agenda import Agenda
from tools.world.world import WATCHED_AT_ONCE, Fault, Struck, Watch

LOOK_NS: Final = 50 * NS_PER_MS
"""Between two looks whether a fault had its reaction."""


class Strikes:
    """The faults of one world."""

    def __init__(
        self,
        world: Any,
        faults: Sequence[Fault],
        draw: random.Random,
        agenda: Agenda,
        alive: Callable[[], bool],
        *,
        certain: bool = False,
    ) -> None:
        """``certain`` has every fault take part, with its highest weight."""
        self._world = world
        self._draw = draw
        self._agenda = agenda
        self._alive = alive
        self.injected: Counter[str] = Counter()
        self.reacted: Counter[str] = Counter()
        self._watches: list[Watch] = []
        self._by_kind: dict[str, list[tuple[Fault, float]]] = {}
        self._alone: list[tuple[Fault, float]] = []
        self.storming = False
        self.until_ns = 0
        self._lull_until_ns = 0
        for fault in faults:
            weight = draw.random() * 2 if draw.random() < 0.5 else 0.0
            if certain or weight:
                self._choose(fault, 2.0 if certain else weight)

    def _choose(self, fault: Fault, weight: float) -> None:
        for kind in fault.on:
            self._by_kind.setdefault(kind, []).append((fault, fault.often * weight))
        if not fault.on:
            self._alone.append((fault, weight))

    def begin(self, seconds: float) -> None:
        """Let faults strike for so long, or longer where one of them wants to be seen out."""
        self.storming = True
        self.last(seconds)
        self._look()
        for fault, weight in self._alone:
            self._plan(fault, weight)

    def end(self) -> None:
        """Nothing strikes any more."""
        self.storming = False

    def last(self, seconds: float) -> None:
        """Have the storm go on for at least that long."""
        self.until_ns = max(self.until_ns, self._agenda.now_ns + int(seconds * NS_PER_S))

    def lull(self, seconds: float) -> None:
        """Let nothing else strike for so long: what one fault does takes its time."""
        self._lull_until_ns = self._agenda.now_ns + int(seconds * NS_PER_S)
        self.last(seconds)

    @property
    def striking(self) -> bool:
        return self.storming and self._agenda.now_ns >= self._lull_until_ns and self._alive()

    def _plan(self, fault: Fault, weight: float) -> None:
        pause_ns = int(self._draw.expovariate(fault.often * weight) * NS_PER_S)

        def strike() -> None:
            if self.striking:
                self._count(fault, fault.strike(self._world))
            if self.storming:
                self._plan(fault, weight)

        self._agenda.later(pause_ns + 1, strike)

    def on(self, kind: str, *what: Any) -> Struck | None:
        """Let the faults of a kind of message have a go at one."""
        if self.striking:
            for fault, chance in self._by_kind.get(kind, ()):
                if self._draw.random() < chance:
                    struck = fault.strike(self._world, *what)
                    if struck is not None:
                        self._count(fault, struck)
                        return struck
        return None

    def _count(self, fault: Fault, struck: Struck | None) -> None:
        if struck is None:
            return
        self.injected[fault.name] += 1
        if sum(watch.fault == fault.name for watch in self._watches) < WATCHED_AT_ONCE:
            until_ns = self._agenda.now_ns + int(struck.within_s * NS_PER_S)
            self._watches.append(Watch(fault.name, struck.reacted, until_ns))

    def _look(self) -> None:
        """Take note of reactions."""
        left = []
        for watch in self._watches:
            if self._alive() and watch.reacted():
                self.reacted[watch.fault] += 1
            elif watch.until_ns > self._agenda.now_ns:
                left.append(watch)
        self._watches = left
        self._agenda.later(LOOK_NS, self._look)
