"""Books of a feed that numbers nothing: a live one is one of those that the exchange has had.

I5, I6 and I9. Which one it is nobody can tell, but it is of the last seconds, and no older than the
one that it was before.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from core.engine.engine import Engine
from core.model.events import Side
from core.state.book import Book
from tools.world.audit.books import Books
from tools.world.audit.seen import Seen
from tools.world.audit.watch import Context
from venues.sim.engine import BestMoved

KEPT: Final = 20_000
"""Best prices remembered per market: minutes of the busiest street, more than any message is held
up."""

Prices = tuple[int, int, int, int]
"""Bid and its size, ask and its size, in units of 1e-8."""


class UnnumberedBooks(Books):
    """The exchange's best prices in their order, and how far along it each book of ours is."""

    def __init__(self, context: Context, seen: Seen, *, with_depth: bool) -> None:
        super().__init__(context, seen, with_depth=with_depth)
        self._had: dict[str, deque[Prices]] = {
            name: deque([_prices(market.book.best()[1:])], maxlen=KEPT)
            for name, market in self.markets.items()
        }
        self._counted = dict.fromkeys(self.markets, 1)
        """How many best prices there were of each market."""
        self._at: dict[str, int] = {}
        """Which of them a live book of ours shows at the least."""

    def on_boot(self) -> None:
        self._at.clear()

    def moved(self, event: BestMoved) -> None:
        prices = _prices(event.best[1:])
        had = self._had[event.symbol]
        if had[-1] != prices:
            had.append(prices)
            self._counted[event.symbol] += 1

    def published(self) -> None:
        """Whole books are looked at while they stand still alone."""

    def check(self, engine: Engine, now_ns: int, *, whole: bool = False) -> None:
        self._seen.check(engine)
        for row in engine.table:
            book = engine.books[row.index]
            if not book.live or row.symbol not in self._had:
                self._at.pop(row.symbol, None)
                continue
            if book.bid_lots and book.ask_lots and book.bid_ticks >= book.ask_ticks:
                self.note("I6", f"{row.symbol}: bid {book.bid_ticks} ask {book.ask_ticks}")
            self._check(row.symbol, book)
            if whole and self._with_depth:
                found = self._unlike(row.symbol, book)
                if found:
                    self.note("I5", f"{row.symbol}: {found}")

    def _check(self, symbol: str, book: Book) -> None:
        terms = self.markets[symbol].symbol
        tick, step = terms.tick_size, terms.step_size
        ours = (
            book.bid_ticks * tick * bool(book.bid_lots),
            book.bid_lots * step,
            book.ask_ticks * tick * bool(book.ask_lots),
            book.ask_lots * step,
        )
        had, counted = self._had[symbol], self._counted[symbol]
        first = counted - len(had)
        at = self._at.get(symbol, first)
        # One is looked for from where the book was: mostly it is there still, or a few further.
        for place in range(max(at, first), counted):
            if had[place - first] == ours:
                self._at[symbol] = place
                return
        went_back = ours in had
        what = "went back to" if went_back else "shows"
        self.note("I9" if went_back else "I5", f"{symbol} {what} {ours}, truly {had[-1]}")

    def _unlike(self, symbol: str, book: Book) -> str:
        """Return in what a book differs from the exchange's as it is, "" where it does not."""
        market = self.markets[symbol]
        tick, step = market.symbol.tick_size, market.symbol.step_size
        for side, true in ((Side.BUY, market.book.bids), (Side.SELL, market.book.asks)):
            ours = [(ticks * tick, lots * step) for ticks, lots in book.levels(side, 10_000)]
            if ours != true.top(len(ours)) or bool(ours) != bool(true.top(1)):
                return f"levels of the {side.name.lower()} side {ours[:3]}, truly {true.top(3)}"
        return ""

    def behind(self, engine: Engine) -> str:
        for row in engine.table if self._with_depth else ():
            book = engine.books[row.index]
            found = "" if row.carried or not book.live else self._unlike(row.symbol, book)
            if found:
                return f"I5: {row.symbol}: {found}"
        return ""


def _prices(told: tuple[int, ...]) -> Prices:
    bid, bid_size, ask, ask_size = told
    return bid, bid_size, ask, ask_size
