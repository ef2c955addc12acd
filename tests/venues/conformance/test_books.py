"""A book keeps the rule that its venue declares: under gap, repetition, disorder, reset, error."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.model.events import BookDelta, BookSnapshot, Levels
from core.model.instrument import Instrument
from core.model.venue import BookFeed, SyncKind
from core.state.book import Book
from core.state.sequence import CHECKED, sync_of
from tests.venues.conformance import samples

MIDDLE = 10_000


def feeds() -> Iterator[object]:
    for name, shown in samples.EVERY.items():
        adapter = shown.adapter()
        for row in shown.instruments:
            yield pytest.param(row, adapter.book_feed(row), id=f"{name}-{row.symbol}")


FEEDS = list(feeds())
NUMBERED = [one for one in FEEDS if one.values[1].sync is not SyncKind.CHECKSUMMED]  # type: ignore[attr-defined]


class Feed:
    """A feed as the declaration has it: five levels a side, of which the best changes."""

    def __init__(self, row: Instrument, declared: BookFeed) -> None:
        self.row = row
        self.declared = declared
        self.book = Book(row.index, sync_of(declared))
        self.n = 100
        self.bids = [(MIDDLE - at, 10) for at in range(1, 6)]
        self.asks = [(MIDDLE + at, 10) for at in range(1, 6)]
        self.book.begin()

    @property
    def _checks(self) -> int | None:
        if self.declared.sync is not SyncKind.CHECKSUMMED:
            return None
        bids: Levels = self.bids[:CHECKED]
        return self.declared.checksum(bids, self.asks[:CHECKED])

    def begins(self) -> None:
        """The snapshot, and before it a change where the book wants one to bridge it into."""
        if self.declared.sync is SyncKind.REST_BRIDGED:
            self.tells(self.change())
        seq = 0 if self._checks is not None else self.n
        snapshot = BookSnapshot(self.row.index, seq, self.bids, self.asks, checksum=self._checks)
        self.book.apply_snapshot(snapshot)

    def change(self, at: int = 0) -> BookDelta:
        """Move on by one update, of one level, and return what is told of it."""
        self.n += 1
        self.bids[at] = (MIDDLE - 1 - at, self.n)
        first = 0 if self._checks is not None else self.n
        return BookDelta(
            self.row.index, first, self.n, [self.bids[at]], [], 1_000, checksum=self._checks
        )

    def tells(self, delta: BookDelta) -> None:
        self.book.apply_delta(delta)

    @property
    def is_whole(self) -> bool:
        """Whether the book is live, and what the venue has."""
        top = (self.book.bid_ticks, self.book.bid_lots)
        return self.book.live and top == self.bids[0]


@pytest.fixture
def feed(row: Instrument, declared: BookFeed) -> Feed:
    made = Feed(row, declared)
    assert not made.book.live
    made.begins()
    assert made.is_whole, made.book.why
    return made


@pytest.mark.parametrize(("row", "declared"), FEEDS)
def test_changes_one_after_the_other_keep_a_book_whole(feed: Feed) -> None:
    for _ in range(10):
        feed.tells(feed.change())
        assert feed.is_whole, feed.book.why


@pytest.mark.parametrize(("row", "declared"), FEEDS)
def test_a_change_that_is_missing_is_noticed_with_the_next(feed: Feed) -> None:
    feed.change(1)
    feed.tells(feed.change())
    assert not feed.book.live


@pytest.mark.parametrize(("row", "declared"), FEEDS)
def test_a_change_that_comes_twice_is_taken_once(feed: Feed) -> None:
    delta = feed.change()
    feed.tells(delta)
    feed.tells(delta)
    assert feed.is_whole, feed.book.why


@pytest.mark.parametrize(("row", "declared"), FEEDS)
def test_changes_in_the_wrong_order_never_give_a_wrong_book(feed: Feed) -> None:
    one, two = feed.change(0), feed.change(1)
    feed.tells(two)
    assert not feed.book.live or feed.is_whole
    feed.tells(one)
    assert not feed.book.live or feed.is_whole


@pytest.mark.parametrize(("row", "declared"), NUMBERED)
def test_numbers_that_begin_anew_are_not_taken_for_repetitions_for_ever(feed: Feed) -> None:
    for _ in range(5):
        feed.tells(feed.change())
    feed.n = 3
    for _ in range(6):
        feed.tells(feed.change())
        if not feed.book.live:
            return
    pytest.fail("the book stands still, and is taken for live")


@pytest.mark.parametrize(("row", "declared"), FEEDS)
def test_a_wrong_checksum_is_a_book_lost(feed: Feed) -> None:
    if feed.declared.sync is not SyncKind.CHECKSUMMED:
        pytest.skip("nothing is checked")
    delta = feed.change()
    assert delta.checksum is not None
    wrong = BookDelta(
        delta.instrument, 0, delta.last_seq, delta.bids, [], 1_000, delta.checksum ^ 1
    )
    feed.tells(wrong)
    assert not feed.book.live


@pytest.mark.parametrize(("row", "declared"), FEEDS)
def test_a_book_that_was_lost_is_whole_again_with_its_next_snapshot(feed: Feed) -> None:
    feed.book.invalidate("lost")
    assert not feed.book.live
    feed.book.begin()
    feed.begins()
    assert feed.is_whole, feed.book.why
    feed.tells(feed.change())
    assert feed.is_whole, feed.book.why
