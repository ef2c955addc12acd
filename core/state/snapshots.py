"""When to request which book's snapshot: one at a time for each, few at once, ever more slowly.

Here live the requests for snapshots and their back-off, nothing of what is asked or of books. A
request that is on its way is not repeated. A book that is lost again soon after its last snapshot
goes on with the gap it had, so that a feed which loses it at once does not eat the venue's budget.
"""

from __future__ import annotations

from collections.abc import Callable

from core.model.units import NS_PER_MS, NS_PER_S

FIRST_NS = 250 * NS_PER_MS
"""Before the first repetition: several times an ordinary answer."""

LONGEST_NS = 5 * NS_PER_S
"""Between repetitions: bounded load, and still a prompt end when the venue answers again."""

CALM_NS = 10 * NS_PER_S
"""A book that stood so long after its snapshot is requested without a gap when it is lost."""

MOST_AT_ONCE = 8
"""Requests under way at one time: 100 books take 13 round trips, and REST keeps room for
cancels and questions about orders."""


class _Book:
    __slots__ = ("due_ns", "gap_ns", "taken_ns", "under_way", "wanted")

    def __init__(self) -> None:
        self.wanted = False
        self.under_way = False
        self.due_ns = 0
        self.gap_ns = FIRST_NS
        self.taken_ns = 0
        """When the last snapshot was taken, 0 for never."""


class Snapshots:
    """The snapshots of one run's books, by instrument."""

    __slots__ = ("_books",)

    def __init__(self) -> None:
        self._books: dict[int, _Book] = {}

    def want(self, instrument: int, now_ns: int) -> None:
        """A snapshot would help; where one is wanted already nothing changes."""
        book = self._books.setdefault(instrument, _Book())
        if book.wanted:
            return
        book.wanted = True
        if not book.taken_ns or now_ns - book.taken_ns >= CALM_NS:
            book.gap_ns = FIRST_NS
            book.due_ns = now_ns
        else:
            self._wait(book, now_ns)

    def due(self, now_ns: int, important: Callable[[int], bool]) -> list[int]:
        """Return whose snapshots to request now, as many as may be; ``important`` ones first."""
        room = MOST_AT_ONCE - sum(book.under_way for book in self._books.values())
        ready = [i for i, book in self._books.items() if self._is_due(book, now_ns)]
        return sorted(ready, key=lambda i: (not important(i), i))[: max(room, 0)]

    def requested(self, instrument: int) -> None:
        """A request for it has left."""
        self._books[instrument].under_way = True

    def answered(self, instrument: int, now_ns: int) -> None:
        """Its request has ended, whichever way; if it is wanted still it is requested later."""
        book = self._books.get(instrument)
        if book is not None and book.under_way:
            book.under_way = False
            self._wait(book, now_ns)

    def taken(self, instrument: int, now_ns: int) -> None:
        """The book has taken a snapshot."""
        book = self._books.setdefault(instrument, _Book())
        book.wanted = False
        book.taken_ns = now_ns

    def was_taken(self, instrument: int, now_ns: int) -> bool:
        """Whether the book has taken a snapshot in this turn."""
        book = self._books.get(instrument)
        return book is not None and book.taken_ns == now_ns

    def drop(self, instrument: int) -> None:
        """Nothing is wanted any more until it is again, and what is under way comes too late."""
        book = self._books.get(instrument)
        if book is not None:
            book.wanted = book.under_way = False

    @staticmethod
    def _is_due(book: _Book, now_ns: int) -> bool:
        return book.wanted and not book.under_way and book.due_ns <= now_ns

    @staticmethod
    def _wait(book: _Book, now_ns: int) -> None:
        book.due_ns = now_ns + book.gap_ns
        book.gap_ns = min(2 * book.gap_ns, LONGEST_NS)
