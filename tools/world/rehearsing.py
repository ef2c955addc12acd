"""Rehearsals in the tank: between two of its steps the path is rehearsed, as a spinning loop does.

Whatever a rehearsal changes of the run is seen where everything of it is: in what it sends, what it
says, and in its replay, which knows of no rehearsals.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from core.engine.engine import Engine
from core.engine.understudy import Understudy
from core.model.units import NS_PER_MS
from core.model.venue import WireRequest
from core.state.journal import Payload
from tools.app import Application

EVERY_NS: Final = 250 * NS_PER_MS
"""Between two of them: they cost a world some thousandth of its time."""


class Scene(Protocol):
    """What of a tank rehearsals are made in."""

    @property
    def now_ns(self) -> int: ...
    @property
    def engine(self) -> Engine: ...
    @property
    def runs(self) -> bool: ...
    def at(self, when_ns: int, what: Callable[[], None]) -> None: ...
    def application_again(self) -> Application:
        """Return the application of this boot once more."""
        ...

    def rehearsed(self) -> None:
        """Take note that one was made."""
        ...


class Forgotten:
    """The journal of rehearsals, which keeps nothing."""

    segment = 0

    def append(self, kind: int, connection: int, time_ns: int, payload: Payload) -> None: ...
    def hold(self) -> None: ...


class Rehearsals:
    """The rehearsals of one world, of one boot after the other."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._run: Engine | None = None
        self._understudy: Understudy | None = None
        scene.at(scene.now_ns + EVERY_NS, self._step)

    def _step(self) -> None:
        scene = self._scene
        scene.at(scene.now_ns + EVERY_NS, self._step)
        if scene.runs and scene.engine.desk.gate_open and self._ready(scene.engine):
            self._rehearse()

    def _ready(self, run: Engine) -> bool:
        """Whether there is an understudy of this boot that trades."""
        if self._run is not run:
            if not any(book.live and book.bid_lots and book.ask_lots for book in run.books):
                return False
            self._run, self._understudy = run, _prepared(self._scene)
        return self._understudy is not None

    def _rehearse(self) -> None:
        understudy = self._understudy
        if understudy is not None:
            understudy.tick()
            understudy.leave()
            while understudy.reply():
                understudy.leave()
            self._scene.rehearsed()


def _prepared(scene: Scene) -> Understudy | None:
    application = scene.application_again()
    understudy = Understudy(
        application.engine,
        streams=application.setup.streams,
        feed_of=application.adapter.book_feed,
        journal=Forgotten(),
        sign=_unsigned,
        stamp=_no_stamp,
    )
    steps = understudy.prepare(scene.engine, scene.now_ns)
    while True:
        try:
            next(steps)
        except StopIteration as over:
            return None if over.value else understudy


def _unsigned(request: WireRequest) -> bytes:
    return request.body


def _no_stamp() -> int:
    return 0
