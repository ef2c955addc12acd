"""The strategy's callbacks: what it is told, in which order, and what follows if it raises.

Only here is a strategy called. What a turn has found waits until everything that was read is
folded, so that no strategy acts on half of it; what there is to tell is for others to say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.book import Book
from core.counts import Counts
from core.desk import TradingDesk
from core.strategy import Strategy
from core.views import BookState

_STALE = BookState.STALE


class Callbacks:
    """One strategy, and what it is to be told at the end of the turn."""

    __slots__ = ("_counts", "_desk", "_lost", "_raised", "changed", "due", "silent", "strategy")

    def __init__(
        self,
        strategy: Strategy[Any],
        *,
        desk: TradingDesk,
        counts: Counts,
        lost: Callable[[Book], None],
        raised: Callable[[str], None],
    ) -> None:
        """``lost`` is called once the strategy knows that a book is stale, ``raised`` with what
        it raised.
        """
        self.strategy = strategy
        self._desk = desk
        self._counts = counts
        self._lost = lost
        self._raised = raised
        self.due: list[tuple[Callable[..., None], Any, Any]] = []
        """Callbacks with one argument or, where the last is not ``None``, two; for ``tell``."""
        self.changed: dict[int, Book] = {}
        """Books that changed, by instrument; for ``tell``."""
        self.silent = False
        """Whether the strategy is called no more, because the run cannot go on."""

    def tell(self) -> None:
        """Tell the strategy: trades and order events one by one, then each changed book once."""
        if self.due:
            for callback, first, second in self.due:  # what a callback adds is told as well
                if second is None:
                    self.call(callback, first)
                else:
                    self.call(callback, first, second)
            self.due.clear()
        if self.changed:
            changed, self.changed = self.changed, {}
            for book in changed.values():
                self._counts.changes += 1
                self.call(self.strategy.on_book, book)
                if book.state is _STALE:
                    self._lost(book)

    def call(self, callback: Callable[..., None], *arguments: Any) -> None:
        """Call the strategy; if it raises, it is not called again and the run is left."""
        if self.silent:
            return
        try:
            callback(self._desk, *arguments)
        except Exception as error:  # noqa: BLE001 - a strategy may raise anything; it ends the run
            self._raised(f"strategy raised {type(error).__name__}: {error}")
