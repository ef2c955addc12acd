"""Market data: the feed's facts become books, and a book that is lost is proved anew.

Here live when a book begins, when its snapshot is asked for, and what its loss means for our
orders; levels and the proof that they are whole live in ``core.book``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from core import hops as hop
from core.book import Book
from core.callbacks import Callbacks
from core.commands import FetchBook
from core.counts import Counts
from core.desk import TradingDesk
from core.doubts import Doubts
from core.events import BookDelta, BookSnapshot, BookTop, MarketTrade
from core.hops import Hops
from core.inflight import Asked
from core.instrument import InstrumentTable
from core.outbound import Outbound
from core.session import Session
from core.venue_clock import VenueClock
from core.views import BookState

_STALE = BookState.STALE


class MarketData:
    """The books of one run, and the feed they share."""

    __slots__ = (
        "_begun_ns",
        "_callbacks",
        "_cancel_when_stale",
        "_clock",
        "_counts",
        "_desk",
        "_hops",
        "_log",
        "_outbound",
        "_sessions",
        "_snapshots",
        "_table",
        "books",
    )

    def __init__(
        self,
        *,
        table: InstrumentTable,
        books: Sequence[Book],
        sessions: Sequence[Session],
        desk: TradingDesk,
        callbacks: Callbacks,
        outbound: Outbound,
        clock: VenueClock,
        hops: Hops,
        counts: Counts,
        cancel_when_stale: bool,
        log: Callable[[str], None],
    ) -> None:
        self._table = table
        self.books = books
        self._sessions = sessions
        self._desk = desk
        self._callbacks = callbacks
        self._outbound = outbound
        self._clock = clock
        self._hops = hops
        self._counts = counts
        self._cancel_when_stale = cancel_when_stale
        self._log = log
        self._snapshots: Doubts[int] = Doubts()
        self._begun_ns: dict[int, int] = {}
        """When each book began to prove itself, by instrument."""

    # -- facts ---------------------------------------------------------------------------------

    def on_top(self, top: BookTop) -> None:
        if top.instrument < 0:
            return
        self._desk.heard_ns = self._desk.now_ns
        book = self.books[top.instrument]
        if book.apply_top(top):
            self._callbacks.changed[top.instrument] = book

    def on_delta(self, delta: BookDelta) -> None:
        if delta.instrument < 0:
            return
        now_ns = self._desk.heard_ns = self._desk.now_ns
        book = self.books[delta.instrument]
        if book.apply_delta(delta):
            self._callbacks.changed[delta.instrument] = book
        elif book.wants_snapshot:
            self._want_snapshot(delta.instrument)
        self._hops.record(hop.FEED_AGE, now_ns + self._clock.offset_ns - delta.venue_ns)

    def on_snapshot(self, snapshot: BookSnapshot) -> None:
        book = self.books[snapshot.instrument]
        if book.apply_snapshot(snapshot):
            self._callbacks.changed[snapshot.instrument] = book
            self._snapshots.settle(snapshot.instrument)
        elif book.state is _STALE:
            self.resync(book)

    def on_trade(self, trade: MarketTrade) -> None:
        if trade.instrument < 0:
            return
        self._desk.heard_ns = self._desk.now_ns
        self._counts.trades += 1
        self._callbacks.due.append((self._callbacks.strategy.on_trade, trade, None))

    # -- from one proof to the next ------------------------------------------------------------

    def begin(self) -> None:
        """The feed stands: every book proves itself."""
        for book in self.books:
            if not self._table[book.instrument].carried:
                self._begin(book)

    def _begin(self, book: Book) -> None:
        book.begin()
        self._begun_ns[book.instrument] = self._desk.now_ns

    def lose(self, why: str) -> None:
        """Nothing is known of the markets any more."""
        for book in self.books:
            self._lose(book, why)

    def _lose(self, book: Book, why: str) -> None:
        was_live = book.live
        book.invalidate(why)
        if was_live:
            self._callbacks.changed[book.instrument] = book

    def lose_but(self, continuing: Collection[int], why: str) -> None:
        """Another feed has taken over, and continues these books; the others begin anew."""
        for book in self.books:
            if book.live and book.instrument not in continuing:
                self._lose(book, why)
            elif not book.live and self._feed_stands():
                self._begin(book)

    def _feed_stands(self) -> bool:
        return any(s.sendable and not s.line.private for s in self._sessions)

    def resync(self, book: Book) -> None:
        """The strategy knows; take the orders out, and prove the book anew while the feed lives."""
        self._counts.resyncs += 1
        self._log(f"book {self._table[book.instrument].symbol} lost: {book.why}")
        if self._cancel_when_stale:
            self._desk.take_out(book.instrument)
        self._snapshots.settle(book.instrument)
        if self._feed_stands():
            self._begin(book)

    # -- snapshots -----------------------------------------------------------------------------

    def _want_snapshot(self, instrument: int) -> None:
        if instrument not in self._snapshots:
            self._snapshots.raise_(instrument, self._desk.now_ns)
            self.step()

    def step(self) -> None:
        """Ask for the snapshots that are wanted, as far as they are due."""
        now_ns = self._desk.now_ns
        for instrument in self._snapshots.due(now_ns):
            if self.books[instrument].wants_snapshot:
                self._outbound.request(FetchBook(instrument), now_ns)
            else:
                self._snapshots.settle(instrument)

    def outlived(self, asked: Asked) -> bool:
        """Whether a snapshot was asked for before its book began anew, which asks for another.

        Its number means nothing where the venue has begun its numbers anew in between.
        """
        command = asked.command
        return type(command) is FetchBook and asked.sent_ns < self._begun_ns[command.instrument]
