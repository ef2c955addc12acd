"""The strategy's callbacks: what it is told, in which order, and what follows if it raises.

Only here is a strategy called. What a turn has found waits until everything that was read is
applied, so that no strategy acts on half of it; what there is to tell is for others to say. Here is
known, too, which callback it is that raises or takes too long.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any, Final

from core.engine.desk import TradingDesk
from core.engine.turn import Turn
from core.model.strategy import Strategy
from core.model.units import NS_PER_MS

SLOW_NS: Final = 10 * NS_PER_MS
"""What one callback may take before it is named: as long as ten others' ticks wait meanwhile."""

SLOW_GROWTH: Final = 1.25
"""A callback is named again once it takes so much longer than ever before: some forty lines from
a hundredth of a second to a minute."""

MAX_FRAMES: Final = 30
"""Lines of a traceback: those nearest to the error, which of a recursion without end are enough."""

MAX_TEXT: Final = 300
"""Characters kept of what an exception says of itself."""


class Callbacks:
    """One strategy, and what it is to be told at the end of the turn."""

    __slots__ = (
        "_desk",
        "_log",
        "_stamp",
        "_turn",
        "_worst_ns",
        "silent",
        "strategy",
        "traceback",
    )

    def __init__(
        self,
        strategy: Strategy[Any],
        *,
        turn: Turn,
        desk: TradingDesk,
        stamp: Callable[[], int],
        log: Callable[[str], None],
    ) -> None:
        """What ``stamp`` measures leads to words alone."""
        self.strategy = strategy
        self._turn = turn
        self._desk = desk
        self._stamp = stamp
        self._log = log
        self._worst_ns: dict[str, int] = {}
        self.silent = False
        """Whether the strategy is called no more, because the run cannot go on."""
        self.traceback = ""
        """Where the strategy raised, as Python shows it; "" while it has not."""

    def tell(self, began_ns: int) -> int:
        """Tell the strategy, one by one, what the turn has for it: trades and order events.

        ``began_ns`` is a stamp of now; returns the stamp of the end.
        """
        turn, desk = self._turn, self._desk
        for callback, first, second in turn.callbacks:  # what a callback adds is told as well
            arguments = (desk, first) if second is None else (desk, first, second)
            began_ns = self.run(began_ns, callback, arguments)
        turn.callbacks.clear()
        return began_ns

    def call(self, callback: Callable[..., None], *arguments: Any) -> None:
        """Call the strategy at once, outside of ``tell``."""
        self.run(self._stamp(), callback, (self._desk, *arguments))

    def run(self, began_ns: int, callback: Callable[..., None], arguments: tuple[Any, ...]) -> int:
        """Call the strategy; if it raises, it is not called again and the run is left.

        ``SystemExit`` and ``KeyboardInterrupt`` are no exception: whatever a strategy does, its
        orders are cancelled before the process ends. ``began_ns`` is a stamp of now; returns the
        stamp of the end.
        """
        if self.silent:
            return began_ns
        try:
            callback(*arguments)
        except BaseException as error:  # noqa: BLE001 - a strategy may raise anything
            self._broke(error, self._named(callback, arguments))
        ended_ns = self._stamp()
        if ended_ns - began_ns > SLOW_NS:
            self._was_slow(self._named(callback, arguments), ended_ns - began_ns)
        return ended_ns

    def _broke(self, error: BaseException, where: str) -> None:
        frames = traceback.extract_tb(error.__traceback__)[1:]  # without our own
        self.traceback = "".join(
            [
                *traceback.format_list(frames[-MAX_FRAMES:]),
                *traceback.format_exception_only(error),
            ]
        )
        for line in self.traceback.splitlines():
            self._log(f"strategy: {line}")
        place = "no source"
        if frames:
            place = f"{frames[-1].filename.rpartition('/')[2]}, line {frames[-1].lineno}"
        what = traceback.format_exception_only(error)[0].strip()[:MAX_TEXT]
        self.silent = True
        self._turn.fail(f"strategy raised {what} in {where} ({place})")

    def _was_slow(self, where: str, took_ns: int) -> None:
        if took_ns > SLOW_GROWTH * self._worst_ns.get(where, 0):
            self._worst_ns[where] = took_ns
            self._log(
                f"slow strategy: {where} took {took_ns / NS_PER_MS:.0f} ms, its longest so far; "
                "everything else waits meanwhile"
            )

    def _named(self, callback: Callable[..., None], arguments: tuple[Any, ...]) -> str:
        """Return a callback's name, with the symbol that it was about."""
        name = getattr(callback, "__name__", repr(callback))
        instrument = getattr(arguments[1], "instrument", None) if len(arguments) > 1 else None
        if isinstance(instrument, int) and 0 <= instrument < len(self._desk.instruments):
            return f"{name} of {self._desk.instruments[instrument].symbol}"
        return name
