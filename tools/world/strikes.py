"""When faults strike, and whether the promised reaction was seen.

Each fault is off with probability one half, else has a random weight; those that want messages are
asked for each, the others strike by themselves. What a fault does, and how its reaction is
recognised, it brings along; here is only counted. Each has a generator of its own, which is
``draw.faults`` of its world while it strikes.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from core.model.units import NS_PER_S
from tools.world.dialect import Dialect
from tools.world.seeds import Generators

WATCHED_AT_ONCE: Final = 4
"""Strikes of one fault whose reaction is awaited at once; further ones are only counted."""


class Struck(NamedTuple):
    """What a fault has done: what passes instead, and how its reaction is recognised."""

    passes: Any
    reacted: Callable[[], bool]
    within_s: float = 5.0


class Fault(NamedTuple):
    """One way in which the world goes wrong.

    ``number`` is that of ``docs/faults.md``. ``on`` names the kinds of messages it may strike; with
    none it strikes by itself, ``often`` times a second; else ``often`` is its chance per message.
    ``share`` is that of the worlds in which it takes part: less where what it does takes minutes.
    """

    number: int
    name: str
    often: float
    strike: Callable[..., Struck | None]
    on: tuple[str, ...] = ()
    share: float = 0.5


def by_number(*faults: Sequence[Fault]) -> tuple[Fault, ...]:
    """Return all of them, those of a number in the order given."""
    return tuple(sorted(itertools.chain(*faults), key=lambda fault: fault.number))


def of_venue(faults: Sequence[Fault], dialect: Dialect) -> tuple[Fault, ...]:
    """Return those of some faults that can exist at a venue."""
    return tuple(fault for fault in faults if fault.name not in dialect.lacks)


@dataclass(slots=True)
class Watch:
    """A reaction that is awaited."""

    fault: str
    reacted: Callable[[], bool]
    until_ns: int


class Chosen(NamedTuple):
    """A fault that takes part in a world."""

    fault: Fault
    weight: float
    draw: random.Random


class Time(Protocol):
    """What a world's time is asked for."""

    @property
    def now_ns(self) -> int: ...
    def at(self, when_ns: int, what: Callable[[], None]) -> None: ...


class Strikes:
    """The faults of one world."""

    def __init__(
        self,
        world: Any,
        faults: Sequence[Fault],
        draw: Generators,
        time: Time,
        alive: Callable[[], bool],
        look_ns: int,
        *,
        certain: bool = False,
    ) -> None:
        """``look_ns`` passes between two looks whether faults had their reaction; ``certain`` has
        every fault take part, with its highest weight.
        """
        self._world = world
        self._draw = draw
        self._time = time
        self._alive = alive
        self._look_ns = look_ns
        self.injected: Counter[str] = Counter()
        self.reacted: Counter[str] = Counter()
        self._watches: list[Watch] = []
        self._by_kind: dict[str, list[Chosen]] = {}
        self._alone: list[Chosen] = []
        self.storming = False
        self.until_ns = 0
        self._lull_until_ns = 0
        self._held: dict[str, Callable[..., Struck | None]] = {}
        for fault in faults:
            own = draw.of_fault(fault.name)
            weight = own.random() * 2 if own.random() < fault.share else 0.0
            if certain or weight:
                self._choose(Chosen(fault, 2.0 if certain else weight, own))

    def _choose(self, chosen: Chosen) -> None:
        for kind in chosen.fault.on:
            self._by_kind.setdefault(kind, []).append(chosen)
        if not chosen.fault.on:
            self._alone.append(chosen)

    def begin(self, seconds: float) -> None:
        """Let faults strike for so long, or longer where one of them wants to be seen out."""
        self.storming = True
        self.last(seconds)
        for chosen in self._alone:
            self._plan(chosen)

    def end(self) -> None:
        """Nothing strikes any more."""
        self.storming = False

    def last(self, seconds: float) -> None:
        """Have the storm go on for at least that long."""
        self.until_ns = max(self.until_ns, self._time.now_ns + int(seconds * NS_PER_S))

    def lull(self, seconds: float) -> None:
        """Let nothing else strike for so long: what one fault does takes its time."""
        self._lull_until_ns = self._time.now_ns + int(seconds * NS_PER_S)
        self.last(seconds)

    @property
    def striking(self) -> bool:
        """Whether faults strike at the moment."""
        return self.storming and self._time.now_ns >= self._lull_until_ns

    def _plan(self, chosen: Chosen) -> None:
        rate = chosen.fault.often * chosen.weight
        pause_ns = int(chosen.draw.expovariate(rate) * NS_PER_S)

        def strike() -> None:
            if self.striking and self._alive():
                self._strike(chosen)
            if self.storming:
                self._plan(chosen)

        self._time.at(self._time.now_ns + pause_ns + 1, strike)

    def hold(self, kinds: Sequence[str], strike: Callable[..., Struck | None]) -> None:
        """Have every message of some kinds struck, storm or not, until it is let go."""
        self._held = dict.fromkeys(kinds, strike)

    def let_go(self) -> None:
        self._held.clear()

    def on(self, kind: str, *what: Any) -> Struck | None:
        """Let the faults of a kind of message have a go at one."""
        if kind in self._held:
            return self._held[kind](self._world, *what)
        if self.striking:
            for chosen in self._by_kind.get(kind, ()):
                if chosen.draw.random() < chosen.fault.often * chosen.weight:
                    struck = self._strike(chosen, *what)
                    if struck is not None:
                        return struck
        return None

    def _strike(self, chosen: Chosen, *what: Any) -> Struck | None:
        self._world.draw.faults = chosen.draw
        struck = chosen.fault.strike(self._world, *what)
        self._count(chosen.fault, struck)
        return struck

    def _count(self, fault: Fault, struck: Struck | None) -> None:
        if struck is None:
            return
        self.injected[fault.name] += 1
        if sum(watch.fault == fault.name for watch in self._watches) < WATCHED_AT_ONCE:
            until_ns = self._time.now_ns + int(struck.within_s * NS_PER_S)
            self._watches.append(Watch(fault.name, struck.reacted, until_ns))

    def watch(self) -> None:
        """Take note of reactions, from now on."""
        self._time.at(self._time.now_ns + self._look_ns, self.watch)
        if not self._watches or not self._alive():
            return
        left = []
        for watch in self._watches:
            if watch.reacted():
                self.reacted[watch.fault] += 1
            elif watch.until_ns > self._time.now_ns:
                left.append(watch)
        self._watches = left
