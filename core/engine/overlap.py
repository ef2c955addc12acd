"""Two links of one connection, while both are up: what they tell is applied once, and in order.

A connection is replaced before it is closed, so for some seconds the venue tells everything twice.
Here lives which part of it is applied. Opening and closing connections lives in
``core.engine.connections``, and the fold of order reports needs nothing from here: it takes any
report any number of times.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from core.model.events import (
    AccountReport,
    BalanceLocked,
    BalanceMoved,
    Bbo,
    BookDelta,
    BookSnapshot,
    Event,
    MarketTrade,
    QueueDelta,
    QueueSnapshot,
    TradeElsewhere,
)
from core.model.units import NS_PER_S
from core.state.book import Book

QUIET_NS: Final = 2 * NS_PER_S
"""A book that neither connection tells anything of for so long is the same on both: the slower
one is never so far behind, or its feed would be late."""

MOST_HELD: Final = 20_000
"""Events kept of the new connection: 2 s of a hundred busy symbols. More are forgotten, and the
new connection has to meet the old one again."""

MOST_TRADES: Final = 20_000
"""Trades remembered that the old connection has told, the newest: as many as are held of the new
one, which may tell any of them again."""

MOST_MOVES: Final = 100
"""Payments, locks and trades elsewhere remembered: an account has a few in the seconds that two
connections stand."""


_OF_MARKETS: Final = frozenset(
    {BookDelta, BookSnapshot, Bbo, MarketTrade, QueueDelta, QueueSnapshot}
)

_Move = BalanceMoved | BalanceLocked | TradeElsewhere
_MOVES: Final = (BalanceMoved, BalanceLocked, TradeElsewhere)
"""What is told as a change, and has no number by which a repetition would be known."""


class Overlap:
    """What two connections tell, made one: of the account, and of the markets of ``books``."""

    def __init__(self, books: Sequence[Book]) -> None:
        self._account = _AccountOverlap()
        self._feed = _FeedOverlap(books)

    def merge(self, events: list[Event], *, new: bool) -> list[Event]:
        """Return what is to be applied of what the ``new`` or the old connection told."""
        return self._feed.merge(self._account.merge(events, new=new), new=new)

    def met(self, now_ns: int) -> bool:
        """Whether the new connection can take over without anything being lost."""
        return self._feed.met(now_ns)

    def continuing(self, now_ns: int) -> Collection[int]:
        """Return the instruments whose books go on if the old connection ends now."""
        return self._feed.continuing(now_ns)

    def take_over(self) -> list[Event]:
        """Return what the new connection has told ahead: from now on it is the one."""
        return self._feed.take_over()


class _AccountOverlap:
    """Two private streams: what is told as a change counts once, and what is older counts not."""

    def __init__(self) -> None:
        self._moves: tuple[list[_Move], list[_Move]] = ([], [])
        """Told by the old and by the new connection alone."""
        self._newest_ns = 0

    def merge(self, events: list[Event], *, new: bool) -> list[Event]:
        return [event for event in events if self._counts(event, new)]

    def _counts(self, event: Event, new: bool) -> bool:
        if isinstance(event, _MOVES):
            return self._first_told(event, new)
        if type(event) is AccountReport and not event.whole:
            late = event.venue_ns < self._newest_ns
            self._newest_ns = max(self._newest_ns, event.venue_ns)
            return not late
        return True

    def _first_told(self, moved: _Move, new: bool) -> bool:
        mine, others = self._moves[new], self._moves[not new]
        if moved in others:
            others.remove(moved)
            return False
        mine.append(moved)
        del mine[:-MOST_MOVES]
        return True


class _FeedOverlap:
    """Two market feeds: the new one is held back until it continues what the old one has told.

    That is so for a book once the changes that the new feed tells begin no later than where the
    book stands, and reach to where it stood when both began; or once neither has told anything of
    it for a while. A feed that begins with a snapshot continues any other from there on.
    """

    def __init__(self, books: Sequence[Book]) -> None:
        self._books = {book.instrument: book for book in books}
        self._held: list[Event] = []
        self._first_seq: dict[int, int] = {}
        """Where the first change that the new connection told begins, by instrument."""
        self._last_seq: dict[int, int] = {}
        self._began_seq: dict[int, int] = {}
        """Where each book stood when it was first looked at: a feed that counts anew lies below."""
        self._stood: dict[int, tuple[int, int]] = {}
        """Where each book stood when it was last looked at, and since when."""
        self._begun: set[int] = set()
        """Instruments of which the new connection has brought a snapshot."""
        self._traded: dict[tuple[int, str], None] = {}
        """Trades that the old connection has told, by instrument and id; the oldest first."""
        self._taken = False

    def merge(self, events: list[Event], *, new: bool) -> list[Event]:
        if self._taken and new:
            return [event for event in events if self._is_newer(event)]
        if self._taken:
            return [event for event in events if type(event) not in _OF_MARKETS]
        if new:
            return self._hold(events)
        for event in events:
            if type(event) is MarketTrade and event.trade_id:
                self._traded[event.instrument, event.trade_id] = None
                if len(self._traded) > MOST_TRADES:
                    del self._traded[next(iter(self._traded))]
        return events

    def _hold(self, events: list[Event]) -> list[Event]:
        """Keep what is told of the markets; return the rest."""
        rest = []
        for event in events:
            if type(event) is BookDelta:
                self._first_seq.setdefault(event.instrument, event.first_seq)
                self._last_seq[event.instrument] = event.last_seq
                self._held.append(event)
            elif type(event) is BookSnapshot or type(event) is QueueSnapshot:
                self._begun.add(event.instrument)
                self._held.append(event)
            elif type(event) in _OF_MARKETS:
                self._held.append(event)
            else:
                rest.append(event)
        if len(self._held) > MOST_HELD:
            self._held.clear()
            self._first_seq.clear()
            self._last_seq.clear()
            self._begun.clear()
        return rest

    def _is_newer(self, event: Event) -> bool:
        """Whether an event of the new feed tells something that the old one has not."""
        if type(event) is BookDelta:
            book = self._books.get(event.instrument)
            return book is None or book.in_band or event.last_seq > book.levels_seq
        if type(event) is Bbo:
            book = self._books.get(event.instrument)
            return book is None or event.seq > book.bbo_seq
        if type(event) is MarketTrade:
            return (event.instrument, event.trade_id) not in self._traded
        return True

    def met(self, now_ns: int) -> bool:
        waiting = [b for b in self._books.values() if b.live and not self._continues(b, now_ns)]
        return not waiting

    def continuing(self, now_ns: int) -> Collection[int]:
        return [b.instrument for b in self._books.values() if b.live and self._continues(b, now_ns)]

    def _continues(self, book: Book, now_ns: int) -> bool:
        if book.in_band:
            return book.instrument in self._begun
        index, seq = book.instrument, book.levels_seq
        stood_seq, since_ns = self._stood.get(index, (seq, now_ns))
        if stood_seq != seq:
            since_ns = now_ns
        self._stood[index] = (seq, since_ns)
        began_seq = self._began_seq.setdefault(index, seq)
        if index not in self._first_seq:
            return now_ns - since_ns >= QUIET_NS
        return self._first_seq[index] <= seq + 1 and self._last_seq[index] >= began_seq

    def take_over(self) -> list[Event]:
        self._taken = True
        for book in self._books.values():
            book.continue_from_another_feed()
        held, self._held = self._held, []
        return [event for event in held if self._is_newer(event)]
