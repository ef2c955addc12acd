"""What two connections of one line tell is folded once, and in order."""

from __future__ import annotations

from functools import partial

import pytest

from core.engine.overlap import QUIET_NS, Overlap
from core.model.events import (
    BalanceLocked,
    BalanceMoved,
    Bbo,
    BookDelta,
    BookSnapshot,
    Event,
    MarketTrade,
    Side,
    TradeElsewhere,
)
from core.state.book import Book
from core.state.sequence import Checksummed, RestBridged

NOW_NS = 1_700_000_000_000_000_000


def numbered() -> Book:
    book = Book(0, RestBridged)
    book.begin()
    book.apply_snapshot(BookSnapshot(0, 10, [(99, 5)], [(101, 4)]))
    return book


def in_band() -> Book:
    book = Book(0, partial(Checksummed, lambda bids, asks: 0, 10))
    book.begin()
    book.apply_snapshot(BookSnapshot(0, 0, [(99, 5)], [(101, 4)]))
    return book


def change(first: int, last: int) -> BookDelta:
    return BookDelta(0, first, last, [(99, last)], [], 0)


def told(overlap: Overlap, event: Event, *, new: bool) -> list[Event]:
    return overlap.merge([event], new=new)


def test_a_new_feed_takes_over_once_its_changes_reach_the_book() -> None:
    book = numbered()
    overlap = Overlap([book])
    assert not overlap.met(NOW_NS)
    assert told(overlap, change(10, 11), new=True) == []
    assert overlap.met(NOW_NS)
    assert overlap.take_over() == [change(10, 11)]


def test_a_book_of_which_neither_feed_tells_is_the_same_on_both() -> None:
    overlap = Overlap([numbered()])
    assert not overlap.met(NOW_NS)
    assert not overlap.met(NOW_NS + QUIET_NS - 1)
    assert overlap.met(NOW_NS + QUIET_NS)


def test_a_feed_that_begins_with_a_snapshot_continues_any_other() -> None:
    book = in_band()
    overlap = Overlap([book])
    begin = BookSnapshot(0, 0, [(98, 1)], [(101, 2)])
    assert told(overlap, change(0, 0), new=False) == [change(0, 0)]
    assert not overlap.met(NOW_NS)
    assert told(overlap, begin, new=True) == []
    assert told(overlap, change(0, 0), new=True) == []
    assert overlap.met(NOW_NS)
    assert overlap.continuing(NOW_NS) == [0]
    assert overlap.take_over() == [begin, change(0, 0)]
    assert told(overlap, change(0, 0), new=False) == [], "the old one is not listened to any more"
    assert told(overlap, change(0, 0), new=True) == [change(0, 0)]


def test_the_old_connection_still_tells_of_the_account_after_the_new_one_took_over() -> None:
    overlap = Overlap([])
    moved = BalanceMoved("BTC", 5, NOW_NS)
    assert overlap.met(NOW_NS)
    assert overlap.take_over() == []
    assert told(overlap, moved, new=False) == [moved]
    assert told(overlap, moved, new=True) == [], "told by both, counted once"


@pytest.mark.parametrize(
    "change",
    [
        BalanceMoved("BTC", 5, NOW_NS),
        BalanceLocked("BTC", 5, NOW_NS),
        TradeElsewhere("ETHBTC", Side.BUY, "1.0", "0.05", NOW_NS),
    ],
)
@pytest.mark.parametrize("new_first", [False, True])
def test_whatever_is_told_as_a_change_counts_once(change: Event, new_first: bool) -> None:
    overlap = Overlap([])
    assert told(overlap, change, new=new_first) == [change]
    assert told(overlap, change, new=not new_first) == [], "the other connection tells it, too"
    assert told(overlap, change, new=new_first) == [change], "another one of the same size"


def test_a_feed_of_some_markets_is_held_against_the_books_of_these() -> None:
    book = Book(7, RestBridged)
    book.begin()
    book.apply_snapshot(BookSnapshot(7, 10, [(99, 5)], [(101, 4)]))
    overlap = Overlap([book])
    known = [BookDelta(7, 9, 10, [(99, 1)], [], 0), Bbo(7, 10, 99, 5, 101, 4)]
    newer = [BookDelta(7, 11, 12, [(99, 1)], [], 0), Bbo(7, 12, 99, 1, 101, 4)]
    book.apply_bbo(Bbo(7, 10, 99, 5, 101, 4))
    assert overlap.merge([*known, *newer], new=True) == []
    assert overlap.met(NOW_NS)
    assert overlap.take_over() == newer


def trade(trade_id: str) -> MarketTrade:
    return MarketTrade(0, trade_id, 100, 1, Side.BUY, NOW_NS)


def test_trades_are_told_apart_by_their_names_whatever_those_are() -> None:
    overlap = Overlap([in_band()])
    for name in ("b", "a"):
        assert told(overlap, trade(name), new=False) == [trade(name)]
    for name in ("a", "0"):
        assert told(overlap, trade(name), new=True) == []
    assert overlap.take_over() == [trade("0")], "the old connection has not told of it"
    assert told(overlap, trade("b"), new=True) == []
    assert told(overlap, trade("1"), new=True) == [trade("1")]


def test_trades_without_a_name_are_all_told() -> None:
    overlap = Overlap([in_band()])
    assert told(overlap, trade(""), new=False) == [trade("")]
    overlap.take_over()
    assert told(overlap, trade(""), new=True) == [trade("")]
