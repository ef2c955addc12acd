"""Books: a live one is the exchange's at its update, best bid below best ask, counting upwards.

I5, I6 and I9. The exchange's best prices are remembered by update, its whole books by publication.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, Final

from core.engine.engine import Engine
from core.model.events import Side
from core.model.units import NS_PER_S
from core.state.book import Book
from tools.world.audit.seen import Seen
from tools.world.audit.watch import Context, Watch
from venues.sim.engine import BestMoved
from venues.sim.matching import Best

BOOKS_KEPT: Final = 200
"""Published books remembered per market: 20 s, more than any message is held up."""

NOTHING_MORE_NS: Final = NS_PER_S
"""A feed that has said nothing of a symbol for so long goes on no more."""

RENUMBERED_NS: Final = 2 * NS_PER_S
"""How long numbers of before and after may meet in one book, where an exchange starts over: until
two more changes have come."""


class Books(Watch):
    """The exchange's books, and ours against them."""

    def __init__(self, context: Context, seen: Seen, *, with_depth: bool) -> None:
        """Without depth a book is its best prices: nothing more is there to be compared."""
        super().__init__(context)
        self._seen = seen
        self._with_depth = with_depth
        self._bests: dict[str, tuple[list[int], list[Best]]] = {}
        self._books: dict[str, dict[int, Any]] = {name: {} for name in self.markets}
        for name, market in self.markets.items():
            best = market.book.best()
            self._bests[name] = ([best.update_id], [best])
        self._seqs: dict[int, int] = {}
        self.unaware: set[str] = set()
        """Symbols whose book has not been lost since a fault renumbered it at the exchange."""
        self._comparable_ns = dict.fromkeys(self.markets, 0)
        self._misnumbered: set[str] = set()
        """Symbols of which a fault has given a snapshot another number."""

    def on_boot(self) -> None:
        self._seqs.clear()

    def moved(self, event: BestMoved) -> None:
        """The exchange's best prices are others."""
        ids, bests = self._bests[event.symbol]
        ids.append(event.best.update_id)
        bests.append(event.best)

    def published(self) -> None:
        """The exchange has said its depth: remember the whole books as they are now."""
        for name, market in self.markets.items() if self._with_depth else ():
            books = self._books[name]
            update_id = market.book.update_id
            if update_id not in books:
                books[update_id] = (market.book.bids.top(5_000), market.book.asks.top(5_000))
                if len(books) > BOOKS_KEPT:
                    del books[next(iter(books))]

    def renumbered(self, symbol: str, now_ns: int) -> None:
        """The exchange counts the updates of a book from the beginning again."""
        best = self.markets[symbol].book.best()
        self._bests[symbol] = ([best.update_id], [best])
        self._books[symbol].clear()
        self.unaware.add(symbol)
        self._comparable_ns[symbol] = now_ns + RENUMBERED_NS

    def misnumbered(self, symbol: str, until_ns: int) -> None:
        """A fault gives a snapshot another number: what we hold cannot be compared until then, or
        until the feed, which alone can contradict it, has said something more.
        """
        self._comparable_ns[symbol] = max(self._comparable_ns[symbol], until_ns)
        self._misnumbered.add(symbol)

    def check(self, engine: Engine, now_ns: int, *, whole: bool = False) -> None:
        """I5, I6 and I9: a live book is the exchange's at its update, and counts upwards."""
        self._seen.check(engine)
        for row in engine.table:
            book = engine.books[row.index]
            if not book.live:
                self._seqs.pop(row.index, None)
                self.unaware.discard(row.symbol)
                continue
            if row.symbol in self._misnumbered:
                if book.ahead and now_ns - book.fresh_ns > NOTHING_MORE_NS:
                    self._comparable_ns[row.symbol] = now_ns + RENUMBERED_NS
                elif not book.ahead:
                    self._misnumbered.discard(row.symbol)
            if now_ns < self._comparable_ns[row.symbol]:
                continue
            if row.symbol in self.unaware:
                # One that was waiting for its snapshot has got that of after, and was never lost.
                if not self._is_true(row.symbol, book):
                    continue
                self.unaware.discard(row.symbol)
            if book.seq < self._seqs.get(row.index, -1):
                self.note("I9", f"{row.symbol} went back to update {book.seq}")
            self._seqs[row.index] = book.seq
            if book.bid_lots and book.ask_lots and book.bid_ticks >= book.ask_ticks:
                self.note("I6", f"{row.symbol}: bid {book.bid_ticks} ask {book.ask_ticks}")
            ours, truly = self._best(row.symbol, book)
            if ours != truly:
                self.note("I5", f"{row.symbol} at {book.seq}: {ours}, truly {truly}")
            if whole and self._with_depth and self._differs(row.symbol, book):
                self.note("I5", f"{row.symbol} at {book.seq}: its levels differ")

    def _is_true(self, name: str, book: Book) -> bool:
        """Whether a book is surely the exchange's by the number that it has."""
        ours, truly = self._best(name, book)
        differs = self._differs(name, book) if self._with_depth else False
        return truly is not None and ours == truly and differs is False

    def _best(self, name: str, book: Book) -> tuple[Best | None, Best | None]:
        """Return the best prices of a book and those of the exchange at its number, ``None`` where
        that is from before it began to count.
        """
        ids, bests = self._bests[name]
        at = bisect_right(ids, book.seq) - 1
        if at < 0:
            return None, None
        tick, step = self.markets[name].symbol.tick_size, self.markets[name].symbol.step_size
        ours = Best(
            bests[at].update_id,
            book.bid_ticks * tick,
            book.bid_lots * step,
            book.ask_ticks * tick,
            book.ask_lots * step,
        )
        return ours, bests[at]

    def _differs(self, name: str, book: Book) -> bool | None:
        """Whether a book's levels are not those that were published by its number, ``None`` where
        nothing was.

        What lies beyond the edge of a snapshot is not known, and not shown.
        """
        published = self._books[name].get(book.seq)
        if published is None:
            return None
        symbol = self.markets[name].symbol
        for side, true in zip((Side.BUY, Side.SELL), published, strict=True):
            levels = [
                (ticks * symbol.tick_size, lots * symbol.step_size)
                for ticks, lots in book.levels(side, 10_000)
            ]
            if levels != true[: len(levels)] or bool(levels) != bool(true):
                return True
        return False

    def behind(self, engine: Engine) -> str:
        """Return which book is behind the exchange's although nothing moves, "" when none is."""
        for row in engine.table if self._with_depth else ():
            book, update_id = engine.books[row.index], self.markets[row.symbol].book.update_id
            # Best prices may be ahead of the levels: a lost last change shows with the next one.
            if book._chain.seq != update_id and not row.carried:
                return f"I5: {book!r}, the exchange is at {update_id}"
        return ""
