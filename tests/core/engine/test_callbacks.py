"""A strategy is called from one place, which knows who raised and who took too long."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from core.engine.callbacks import MAX_FRAMES, SLOW_NS, Callbacks
from core.engine.turn import Turn
from core.model.halts import HaltKind
from core.model.strategy import Strategy
from core.state.book import Book
from tests.strategies.desk import instrument

MS = 1_000_000


class Odd(Strategy[Any]):
    """Does what it is made for when it is told of a book."""

    def __init__(self, now: Callable[[], object]) -> None:
        super().__init__(None)
        self.now = now

    def on_book(self, desk: Any, book: Any) -> None:
        self.now()


class Told:
    """Callbacks of one strategy, and what became of them; ``took_ns`` is how long each takes."""

    def __init__(self, now: Callable[[], object], took_ns: int = 0) -> None:
        self.log: list[str] = []
        self._now_ns = 0
        self.took_ns = took_ns
        self.turn = Turn()
        desk: Any = SimpleNamespace(instruments=(instrument(),))
        self._desk = desk
        self.callbacks = Callbacks(
            Odd(now),
            turn=self.turn,
            desk=desk,
            stamp=self._stamp,
            log=self.log.append,
        )

    @property
    def raised(self) -> list[str]:
        return [wanted.why for wanted in self.turn.halts if wanted.kind is HaltKind.FATAL]

    def _stamp(self) -> int:
        self._now_ns += self.took_ns
        return self._now_ns

    def book(self) -> None:
        told = (self._desk, Book(0, None))
        self._now_ns = self.callbacks.run(self._now_ns, self.callbacks.strategy.on_book, told)


def exits() -> None:
    raise SystemExit(7)


def interrupts() -> None:
    raise KeyboardInterrupt


def deepens() -> None:
    deeper()


def deeper() -> None:
    deepens()


class Unshown(Exception):
    def __str__(self) -> str:
        raise ValueError


def breaks() -> None:
    raise Unshown


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (exits, "SystemExit: 7"),
        (interrupts, "KeyboardInterrupt in "),
        (deepens, "RecursionError: "),
        (breaks, "tests.core.engine.test_callbacks.Unshown: <exception str() failed>"),
    ],
)
def test_whatever_a_callback_raises_is_told_with_its_place_and_callback(
    now: Callable[[], object], said: str
) -> None:
    told = Told(now)
    told.book()
    assert len(told.raised) == 1
    assert f"strategy raised {said}" in told.raised[0]
    assert "in on_book of BTCUSDT (test_callbacks.py, line" in told.raised[0]
    assert f"in {now.__name__}" in told.callbacks.traceback
    assert told.callbacks.traceback.count("File ") <= MAX_FRAMES
    assert any("test_callbacks.py" in line for line in told.log)


def test_a_strategy_that_has_raised_is_called_no_more() -> None:
    called: list[int] = []

    def once() -> None:
        called.append(1)
        raise ValueError

    told = Told(once)
    told.book()
    told.book()
    assert called == [1]
    assert len(told.raised) == 1


def test_a_slow_callback_is_named_with_its_symbol_and_again_only_when_it_is_slower() -> None:
    told = Told(lambda: None, took_ns=SLOW_NS)
    told.book()
    assert told.log == []
    told.took_ns = SLOW_NS + 1
    told.book()
    told.book()
    assert len(told.log) == 1
    assert told.log[0].startswith("slow strategy: on_book of BTCUSDT took 10 ms")
    told.took_ns = 20 * MS
    told.book()
    assert told.log[1].startswith("slow strategy: on_book of BTCUSDT took 20 ms")


def test_the_last_stamp_of_a_turn_is_that_of_its_last_callback() -> None:
    told = Told(lambda: None, took_ns=5)
    assert told.callbacks.tell(100) == 100
    told.turn.callbacks.append((told.callbacks.strategy.on_timer, "one", None))
    assert told.callbacks.tell(100) == 5
    assert told.callbacks.tell(7) == 7


def test_what_a_callback_adds_is_told_in_the_same_turn_and_once() -> None:
    told = Told(lambda: None)
    heard: list[object] = []

    def first(_: Any, one: str) -> None:
        heard.append(one)
        told.turn.callbacks.append((second, "two", "three"))

    def second(_: Any, two: str, three: str) -> None:
        heard.append((two, three))

    told.turn.callbacks.append((first, "one", None))
    told.callbacks.tell(0)
    told.callbacks.tell(0)
    assert heard == ["one", ("two", "three")]
