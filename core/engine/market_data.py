"""Market data: the feed's events become books, and a book that is lost is proved anew.

Here live when a book begins, which feed is too late or too silent to be believed, and what its loss
means for our orders; levels and the proof that they are whole live in ``core.state.book``, when to
request a snapshot in ``core.state.snapshots``.

A feed that tells of times long gone is late: its books are not live, however whole they are. One
that says nothing is quiet or dead, and only somebody else's word tells which: REST is queried for
the best prices of every silent book at once. Where it agrees the book is as fresh as the question;
where it disagrees again and again while the feed stays silent, the feed is dead. A book of which
nobody has said anything for its largest age keeps its prices, and our orders on it are cancelled.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Final

from core.engine.desk import TradingDesk
from core.engine.outbound import Outbound
from core.engine.turn import Turn
from core.model.commands import FetchBbos, FetchBook, SubscribeBook, UnsubscribeBook
from core.model.events import (
    Bbo,
    BbosReport,
    BookDelta,
    BookSnapshot,
    MarketTrade,
    QueueDelta,
    QueueSnapshot,
    Reply,
    Verdict,
)
from core.model.instrument import Instrument, InstrumentTable
from core.model.strategy import Strategy
from core.model.units import NS_PER_S
from core.model.venue import BookFeed, Connection
from core.model.views import BookState
from core.state import hops as hop
from core.state.book import Book
from core.state.counts import Counts
from core.state.hops import Hops
from core.state.inflight import InFlightRequest
from core.state.queues import OrderQueues
from core.state.risk import RiskLimits
from core.state.sequence import sync_of
from core.state.session import Phase, Session
from core.state.snapshots import Snapshots
from core.state.venue_clock import VenueClock

_STALE = BookState.STALE

CONFIRM_NS: Final = NS_PER_S
"""Between two requests for the best prices of silent books: where that counts, 4 of 6,000 a minute,
so that a run whose symbols are all quiet spends a twenty-fifth of it."""

FIRST_CHANGE_NS: Final = NS_PER_S
"""How long a first change is awaited once the feed stands: ten times what a busy market takes."""

LEAST_FAR_BPS: Final = 50
"""How far off the proved levels a best price is believed at least, however tight the collar is: a
lively market moves by some hundredths of a percent within the 100 ms between two changes."""

DENIALS: Final = 3
"""How often in a row REST must show another best price, the feed silent throughout, before the feed
counts as dead: an answer may be younger than a change that is on its way to us."""

SUSPECT_NS: Final = 10 * NS_PER_S
"""Between two times that a late feed has the venue's clock measured at once: it may be a clock that
was set. A start's queries, 21 weight, are sent for that."""


class MarketData:
    """The books of one run, and the feeds they have."""

    __slots__ = (
        "_ahead",
        "_begun_ns",
        "_cancel_when_stale",
        "_clock",
        "_confirm_ns",
        "_confirms",
        "_counts",
        "_denials",
        "_desk",
        "_feed_of",
        "_hops",
        "_late",
        "_limits",
        "_log",
        "_most_late_ns",
        "_outbound",
        "_queues",
        "_sessions",
        "_silent",
        "_snapshots",
        "_strategy",
        "_suspected_ns",
        "_table",
        "_turn",
        "_unjudged_ns",
        "_unlisted",
        "_unready_ns",
        "_with_depth",
        "books",
        "clock_suspect",
    )

    def __init__(
        self,
        *,
        table: InstrumentTable,
        books: list[Book],
        queues: dict[int, OrderQueues],
        with_depth: bool,
        feed_of: Callable[[Instrument], BookFeed],
        sessions: Sequence[Session],
        turn: Turn,
        desk: TradingDesk,
        strategy: Strategy[Any],
        outbound: Outbound,
        clock: VenueClock,
        hops: Hops,
        counts: Counts,
        cancel_when_stale: bool,
        confirms: bool,
        log: Callable[[str], None],
    ) -> None:
        """``confirms`` says whether REST is queried about silent books."""
        self._table = table
        self.books = books
        self._sessions = sessions
        self._turn = turn
        self._desk = desk
        self._strategy = strategy
        self._outbound = outbound
        self._clock = clock
        self._hops = hops
        self._counts = counts
        self._cancel_when_stale = cancel_when_stale
        self._log = log
        self._with_depth = with_depth
        self._feed_of = feed_of
        self._confirms = confirms
        self._limits: list[RiskLimits] = []
        self._queues = queues
        self._most_late_ns: list[int] = []
        """How late the feed of each instrument may be."""
        self._ahead: dict[int, tuple[int, int]] = {}
        """Number of a snapshot that the feed has not reached, and since when, by instrument."""
        self._late: set[int] = set()
        """Instruments whose feed is too late to be believed."""
        self._unjudged_ns: dict[int, int] = {}
        """How late by our own clock a feed seemed while the venue's was not known."""
        self._silent: set[int] = set()
        """Instruments whose orders were cancelled because nobody tells of their market."""
        self._denials: dict[int, tuple[int, int]] = {}
        """How often REST has denied a book in a row, and the age of the book that was denied."""
        self._unlisted: set[int] = set()
        """Instruments of which the venue refuses to tell the best prices: requested no more."""
        self._confirm_ns = 0
        self._unready_ns: dict[int, int] = {}
        """When the feed of each book was last not ready, by instrument."""
        self._suspected_ns = 0
        self.clock_suspect = False
        """Whether the venue's clock is to be measured anew; for whoever does."""
        self._snapshots = Snapshots()
        self._begun_ns: dict[int, int] = {}
        """When each book began to prove itself, by instrument."""

    def add(self, limits: RiskLimits) -> None:
        """Open the book of the next instrument."""
        index = len(self.books)
        feed = self._feed_of(self._table[index])
        sync = sync_of(feed) if self._with_depth else None
        if feed.queues is not None:
            self._queues[index] = OrderQueues(feed.depth, feed.queues)
        book = Book(index, sync, far_bps=max(limits.collar_bps, LEAST_FAR_BPS))
        self.books.append(book)
        self._limits.append(limits)
        self._most_late_ns.append(limits.max_feed_age_ns)

    # -- events --------------------------------------------------------------------------------

    def on_bbo(self, bbo: Bbo) -> None:
        if bbo.instrument < 0:
            return
        book = self.books[bbo.instrument]
        book.fresh_ns = self._turn.now_ns
        if book.apply_bbo(bbo):
            self._turn.changed[bbo.instrument] = book

    def on_delta(self, delta: BookDelta) -> None:
        index = delta.instrument
        if index < 0:
            return
        book = self.books[index]
        now_ns = book.fresh_ns = self._turn.now_ns
        late_ns = now_ns + self._clock.offset_ns - delta.venue_ns
        most_ns = self._most_late_ns[index]
        if not -most_ns <= late_ns <= most_ns or index in self._late:
            if not self._in_time(book, late_ns):
                return
            late_ns = min(max(late_ns, -hop.MAX_NS), hop.MAX_NS)
        if book.apply_delta(delta):
            self._turn.changed[index] = book
        elif book.ahead:
            self._hold_to_feed(book)
        elif book.wants_snapshot:
            self._want_snapshot(index)
        self._hops.record(hop.FEED_AGE, late_ns)

    def on_snapshot(self, snapshot: BookSnapshot) -> None:
        if snapshot.instrument < 0:
            return
        book = self.books[snapshot.instrument]
        if book.in_band:
            book.fresh_ns = self._turn.now_ns
        if book.apply_snapshot(snapshot):
            self._turn.changed[snapshot.instrument] = book
            self._snapshots.taken(snapshot.instrument, self._turn.now_ns)
        elif book.state is _STALE and snapshot.instrument not in self._late:
            self.resync(book)

    def on_queue_snapshot(self, told: QueueSnapshot) -> None:
        """All orders of a book were told: it begins anew, if their checksum agrees."""
        index = told.instrument
        if index < 0:
            return
        queues = self._queues[index]
        bids, asks = queues.begin(told.bids, told.asks)
        self.on_snapshot(BookSnapshot(index, 0, bids, asks))
        self._hold_to_queues(index, queues, told.checksum)

    def on_queue_delta(self, told: QueueDelta) -> None:
        """Orders have come, changed or gone: the levels that they make have changed with them.

        Of a book that is not live nothing is kept; one that was late may be in time again.
        """
        index = told.instrument
        if index < 0:
            return
        book = self.books[index]
        if not book.live:
            late_ns = self._turn.now_ns + self._clock.offset_ns - told.venue_ns
            if index in self._late and self._in_time(book, late_ns):
                self._want_snapshot(index)
            return
        queues = self._queues[index]
        bids, asks = queues.apply(told.bids, told.asks)
        self.on_delta(BookDelta(index, 0, 0, bids, asks, told.venue_ns))
        self._hold_to_queues(index, queues, told.checksum)

    def _hold_to_queues(self, index: int, queues: OrderQueues, checksum: int) -> None:
        book = self.books[index]
        if book.live and not queues.agrees(checksum):
            book.invalidate("its orders have not the checksum that the feed tells")
            self._turn.changed[index] = book

    def on_trade(self, trade: MarketTrade) -> None:
        """Somebody traded; where there is no depth its time tells how late the feed is."""
        index = trade.instrument
        if index < 0:
            return
        if not self._with_depth:
            late_ns = self._turn.now_ns + self._clock.offset_ns - trade.venue_ns
            if not self._in_time(self.books[index], late_ns):
                return
        self._counts.trades += 1
        self._turn.callbacks.append((self._strategy.on_trade, trade, None))

    # -- late ----------------------------------------------------------------------------------

    def _in_time(self, book: Book, late_ns: int) -> bool:
        """Whether a message is young enough; a book that is late, or is no more, learns of it.

        While the venue's clock is not known nothing changes: that is judged once it is.
        """
        index = book.instrument
        most_ns = self._most_late_ns[index]
        if self._clock.known and -most_ns <= late_ns <= most_ns:
            if index in self._late:
                self._late.discard(index)
                self._log(f"{self._table[index].symbol}: the feed is in time again")
                self._begin(book)
            return True
        if not self._clock.known and index not in self._late:
            self._unjudged_ns[index] = late_ns - self._clock.offset_ns
            return True
        self._hops.record(hop.FEED_AGE, min(max(late_ns, -hop.MAX_NS), hop.MAX_NS))
        self._late.add(index)
        self._suspect_clock()
        if book.state is not _STALE:
            book.invalidate(_how_late(late_ns, most_ns))
            self._turn.changed[index] = book
        return False

    def judge(self) -> None:
        """Hold what seemed late while the venue's clock was not known against it once it is: a feed
        may have told nothing since.
        """
        if not self._unjudged_ns or not self._clock.known:
            return
        for index, late_ns in self._unjudged_ns.items():
            self._in_time(self.books[index], late_ns + self._clock.offset_ns)
        self._unjudged_ns = {}

    def _suspect_clock(self) -> None:
        now_ns = self._turn.now_ns
        if now_ns - self._suspected_ns >= SUSPECT_NS:
            self._suspected_ns = now_ns
            self.clock_suspect = True

    def _hold_to_feed(self, book: Book) -> None:
        """Lose a book whose snapshot is not reached by a feed that is in time: one of them counts
        otherwise, and what the feed tells would pass the book by for good.
        """
        index, now_ns = book.instrument, self._turn.now_ns
        seq, since_ns = self._ahead.get(index, (-1, 0))
        if seq != book.levels_seq:
            self._ahead[index] = (book.levels_seq, now_ns)
        elif now_ns - since_ns > self._most_late_ns[index]:
            book.invalidate("its snapshot is numbered beyond what the feed tells")
            self._turn.changed[index] = book

    def late(self, instrument: int) -> bool:
        """Whether the feed of an instrument is too late to be believed."""
        return instrument in self._late

    # -- from one proof to the next ------------------------------------------------------------

    def begin(self, connection: Connection) -> None:
        """A feed stands: every book of its proves itself."""
        for book in self.books_of(connection):
            self._begin(book)

    def books_of(self, connection: Connection) -> list[Book]:
        """Return the books that a connection tells of."""
        return [
            book for book in self.books if connection.tells_of(self._table[book.instrument].symbol)
        ]

    def _begin(self, book: Book) -> None:
        if self._table[book.instrument].carried:
            return  # nothing is subscribed to, and nothing traded
        book.begin()
        self._snapshots.drop(book.instrument)
        self._ahead.pop(book.instrument, None)
        self._begun_ns[book.instrument] = self._turn.now_ns

    def lose(self, why: str, connection: Connection | None = None) -> None:
        """Nothing is known any more of the markets that a connection tells of, or of any."""
        for book in self.books if connection is None else self.books_of(connection):
            self._lose(book, why)

    def _lose(self, book: Book, why: str) -> None:
        was_live = book.live
        book.invalidate(why)
        if was_live:
            self._turn.changed[book.instrument] = book

    def lose_but(self, continuing: Collection[int], why: str, connection: Connection) -> None:
        """Another feed has taken over, and continues these books; its others begin anew."""
        for book in self.books_of(connection):
            if book.live and book.instrument not in continuing:
                self._lose(book, why)
            elif not book.live and self._feed_stands(book):
                self._begin(book)

    def _feeds(self, book: Book) -> Iterator[Session]:
        """Yield the connections in use that tell of a book."""
        symbol = self._table[book.instrument].symbol
        return (session for session in self._sessions if session.connection.tells_of(symbol))

    def _feed_stands(self, book: Book) -> bool:
        return any(session.sendable for session in self._feeds(book))

    def resync(self, book: Book) -> None:
        """The strategy knows; cancel the orders, and prove the book anew while the feed lives."""
        self._counts.resyncs += 1
        self._log(f"book {self._table[book.instrument].symbol} lost: {book.why}")
        if self._cancel_when_stale:
            self._desk.force_cancel(book.instrument)
        if book.instrument in self._late:
            return
        if self._feed_stands(book):
            self._begin(book)
            if book.in_band:
                self._want_snapshot(book.instrument)

    # -- silent --------------------------------------------------------------------------------

    def step(self) -> None:
        """Request what is due: snapshots, and the best prices of silent books."""
        self._want_what_does_not_change()
        self._request_snapshots()
        quiet = [book for book in self.books if book.live and self._is_quiet(book)]
        now_ns = self._turn.now_ns
        if quiet and self._confirms and now_ns >= self._confirm_ns:
            self._confirm_ns = now_ns + CONFIRM_NS
            # Who is nearly quiet goes along: a request costs the same for one book and for all.
            silent = [b for b in self.books if b.live and now_ns - b.fresh_ns >= CONFIRM_NS]
            request = {book.instrument for book in (*quiet, *silent)} - self._unlisted
            if request:
                self._outbound.request(FetchBbos(tuple(sorted(request))), now_ns)

    def _is_quiet(self, book: Book) -> bool:
        """Whether a live book was silent for half its largest age; over it its orders go."""
        index = book.instrument
        age_ns, most_ns = self._turn.now_ns - book.fresh_ns, self._limits[index].max_book_age_ns
        if age_ns <= most_ns:
            self._silent.discard(index)
            return age_ns > most_ns // 2
        if index not in self._silent:
            self._silent.add(index)
            self._log(f"{self._table[index].symbol}: nothing heard for {age_ns / NS_PER_S:.1f} s")
        if self._cancel_when_stale:
            self._desk.force_cancel(index)
        return True

    def _confirm(self, request: InFlightRequest, reply: Reply) -> None:
        if reply.verdict is Verdict.FATAL and isinstance(request.command, FetchBbos):
            self._find_unlisted(request.command.instruments)
        for event in reply.events:
            if type(event) is BbosReport:
                for bbo in event.bbos:
                    if bbo.instrument >= 0 and self.books[bbo.instrument].live:
                        book = self.books[bbo.instrument]
                        self._hold_against(book, bbo, request.sent_ns, sized=event.sized)

    def _find_unlisted(self, instruments: tuple[int, ...]) -> None:
        """One of these is no longer the venue's, which refuses all of them: request halves."""
        middle = len(instruments) // 2
        if middle:
            for half in (instruments[:middle], instruments[middle:]):
                self._outbound.request(FetchBbos(half), self._turn.now_ns)
        else:
            self._unlisted.update(instruments)

    def _hold_against(self, book: Book, bbo: Bbo, requested_ns: int, *, sized: bool) -> None:
        """Hold a silent book against what REST says of its best prices, and of their sizes where
        it tells those exactly.
        """
        index = book.instrument
        if book.fresh_ns > requested_ns:
            self._denials.pop(index, None)
        elif _best(book, sized=sized) == _best(bbo, sized=sized):
            self._denials.pop(index, None)
            book.fresh_ns = requested_ns
        elif not bbo.rounded:  # a price between two ticks no level tells of: no fault of the feed
            denied_ns, denials = self._denials.get(index, (book.fresh_ns, 0))
            denials = denials + 1 if denied_ns == book.fresh_ns else 1  # else the feed has spoken
            self._denials[index] = (book.fresh_ns, denials)
            if denials >= DENIALS:
                self._declare_dead(book)

    def _declare_dead(self, book: Book) -> None:
        """The market moves and the feed does not tell: lose the book, and replace its
        connection.
        """
        index = book.instrument
        del self._denials[index]
        book.invalidate(f"silent while REST showed another best price {DENIALS} times")
        self._turn.changed[index] = book
        for session in self._feeds(book):
            if session.phase is Phase.READY:
                session.expire()

    def _want_what_does_not_change(self) -> None:
        """A market may be quiet from the start: its snapshot is requested without a change."""
        now_ns = self._turn.now_ns
        for book in self.books:
            index = book.instrument
            if not self._with_depth or not any(session.ready for session in self._feeds(book)):
                self._unready_ns[index] = now_ns
            elif book.waits and now_ns - self._unready_ns.get(index, 0) >= FIRST_CHANGE_NS:
                self._snapshots.want(index, now_ns)

    # -- snapshots -----------------------------------------------------------------------------

    def _want_snapshot(self, instrument: int) -> None:
        self._snapshots.want(instrument, self._turn.now_ns)
        self._request_snapshots()

    def _request_snapshots(self) -> None:
        """Request the snapshots that are wanted, as far as they are due."""
        now_ns = self._turn.now_ns
        for instrument in self._snapshots.due(now_ns, self._matters):
            book = self.books[instrument]
            if not book.waits:
                self._snapshots.drop(instrument)
                continue
            ask = UnsubscribeBook(instrument) if book.in_band else FetchBook(instrument)
            if self._outbound.request(ask, now_ns):
                self._snapshots.requested(instrument)

    def _matters(self, instrument: int) -> bool:
        """Whether there is something of ours on an instrument."""
        desk = self._desk
        return bool(desk.position(instrument).lots or desk.open_orders(instrument))

    def on_reply(self, request: InFlightRequest, reply: Reply) -> None:
        """Handle the reply to a query of this component; its events are applied already."""
        if type(request.command) is UnsubscribeBook:
            # Whatever it says: an end that is refused is one of what had not begun.
            if not self._outbound.request(
                SubscribeBook(request.command.instrument), self._turn.now_ns
            ):
                self._snapshots.answered(request.command.instrument, self._turn.now_ns)
        elif type(request.command) is SubscribeBook:
            self._snapshots.answered(request.command.instrument, self._turn.now_ns)
        elif type(request.command) is FetchBook:
            index, now_ns = request.command.instrument, self._turn.now_ns
            self._snapshots.answered(index, now_ns)
            if self._snapshots.was_taken(index, now_ns):  # a refusal proves nothing
                book = self.books[index]
                book.fresh_ns = max(book.fresh_ns, request.sent_ns)
        elif type(request.command) is FetchBbos:
            self._confirm(request, reply)

    def on_no_reply(self, request: InFlightRequest) -> None:
        """An answer will not come."""
        if isinstance(request.command, FetchBook | SubscribeBook | UnsubscribeBook):
            self._snapshots.answered(request.command.instrument, self._turn.now_ns)

    def outlived(self, request: InFlightRequest) -> bool:
        """Whether a snapshot was requested before its book began anew, so that another is needed.

        Its number means nothing where the venue has begun its numbers anew in between.
        """
        command = request.command
        return type(command) is FetchBook and request.sent_ns < self._begun_ns[command.instrument]


def _how_late(late_ns: int, most_ns: int) -> str:
    how = "behind" if late_ns > 0 else "ahead of"
    return (
        f"late: the feed's times are {abs(late_ns) / NS_PER_S:.1f} s {how} the venue's clock, "
        f"allowed are {most_ns / NS_PER_S:g} s"
    )


def _best(told: Book | Bbo, *, sized: bool) -> tuple[int, ...]:
    """Return best prices, and their sizes or only whether there are any."""
    bid_lots, ask_lots = told.bid_lots, told.ask_lots
    sizes = (bid_lots, ask_lots) if sized else (bid_lots > 0, ask_lots > 0)
    return (told.bid_ticks if bid_lots else 0, told.ask_ticks if ask_lots else 0, *sizes)
