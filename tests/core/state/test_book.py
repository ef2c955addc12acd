"""The book is read through its state, and is live only while the feed proves it whole."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.events import Bbo, BookDelta, BookSnapshot, Levels, Side
from core.model.views import BookState, StaleBook
from core.state.book import MAX_BUFFERED, MAX_LEVELS, Book
from core.state.sequence import Chained, Checksummed, RestBridged


def delta(first: int, last: int, bids=(), asks=()) -> BookDelta:
    return BookDelta(0, first, last, list(bids), list(asks), 0)


def snapshot(seq: int, bids=((99, 5), (98, 7)), asks=((101, 4), (102, 6))) -> BookSnapshot:
    return BookSnapshot(0, seq, list(bids), list(asks))


def live_book(seq: int = 10) -> Book:
    book = Book(0, RestBridged)
    book.begin()
    book.apply_delta(delta(seq, seq))
    assert book.apply_snapshot(snapshot(seq))
    return book


def best(book: Book) -> tuple[int, int, int, int]:
    return book.bid_ticks, book.bid_lots, book.ask_ticks, book.ask_lots


def test_an_empty_book_yields_no_price():
    with pytest.raises(StaleBook, match="empty"):
        _ = Book(0, RestBridged).bid_ticks


def test_changes_are_kept_until_a_snapshot_bridges_them():
    book = Book(0, RestBridged)
    book.begin()
    assert not book.wants_snapshot
    book.apply_delta(delta(8, 10))
    book.apply_delta(delta(11, 12, bids=[(100, 3)]))
    assert book.wants_snapshot
    assert book.state is BookState.BUFFERING
    assert book.apply_snapshot(snapshot(10))
    assert best(book) == (100, 3, 101, 4)
    assert book.seq == 12


def test_a_snapshot_older_than_the_first_change_kept_is_not_used():
    book = Book(0, RestBridged)
    book.begin()
    book.apply_delta(delta(8, 10))
    assert not book.apply_snapshot(snapshot(7))
    assert book.wants_snapshot
    assert not book.live


def test_what_was_kept_before_a_gap_is_forgotten():
    book = Book(0, RestBridged)
    book.begin()
    book.apply_delta(delta(8, 10))
    book.apply_delta(delta(12, 13))
    assert not book.apply_snapshot(snapshot(10)), "older than what is kept now"
    assert book.wants_snapshot
    assert book.apply_snapshot(snapshot(12))


def test_a_number_out_of_thin_air_among_the_changes_kept_is_overcome():
    book = Book(0, RestBridged)
    book.begin()
    for first, last in ((10**9, 10**9 + 1), (8, 10), (8, 10), (11, 12), (9, 10)):
        book.apply_delta(delta(first, last))
    assert book.apply_snapshot(snapshot(9))
    assert book.seq == 12


def test_changes_kept_are_forgotten_when_the_feed_begins_to_count_anew():
    book = Book(0, RestBridged)
    book.begin()
    for first, last in ((1, 20), (21, 34), (4, 5), (6, 7), (8, 9)):
        book.apply_delta(delta(first, last, bids=[(last, 1)]))
    assert book.apply_snapshot(snapshot(8))
    assert book.seq == 9, "and none of the changes that were counted otherwise is applied"


def bbo(seq: int, bid_ticks: int = 99) -> Bbo:
    return Bbo(0, seq, bid_ticks, 5, 101, 4)


@pytest.mark.parametrize("with_depth", [True, False])
def test_best_prices_that_count_from_elsewhere_lose_the_book(with_depth: bool):
    book = live_book(10) if with_depth else Book(0, None)
    if not with_depth:
        book.begin()
    assert book.apply_bbo(bbo(232, 98))
    assert not book.apply_bbo(bbo(11)), "a single old one is a repetition"
    assert book.apply_bbo(bbo(12)), "a newer one after it is not"
    assert book.why == "the best prices went back from 232 to 12"
    assert not book.live


def test_older_best_prices_with_a_new_one_between_them_are_repetitions_each():
    book = live_book(10)
    assert book.apply_bbo(bbo(232, 98))
    assert not book.apply_bbo(bbo(11))
    assert book.apply_bbo(bbo(233, 97))
    assert not book.apply_bbo(bbo(12))
    assert book.live


def test_repeated_best_prices_are_ignored():
    book = live_book(10)
    assert book.apply_bbo(bbo(12, 98))
    for seq in (11, 12, 11, 12, 11, 9):
        assert not book.apply_bbo(bbo(seq))
    assert best(book) == (98, 5, 101, 4)


def test_a_bbo_kept_from_before_the_numbers_began_anew_does_not_freeze_the_book():
    book = Book(0, RestBridged)
    book.begin()
    book.apply_bbo(bbo(232, 98))
    book.apply_delta(delta(1, 1))
    assert book.apply_snapshot(snapshot(1))
    assert book.seq == 232
    book.apply_bbo(bbo(2))
    assert book.apply_bbo(bbo(3))
    assert not book.live


def test_a_snapshot_nobody_asked_for_changes_nothing():
    book = live_book()
    assert not book.apply_snapshot(snapshot(50, bids=[(1, 1)]))
    assert best(book) == (99, 5, 101, 4)


def test_a_gap_takes_the_prices_away():
    book = live_book(10)
    assert book.apply_delta(delta(12, 12))
    assert book.state is BookState.STALE
    assert book.gaps == 1
    for name in ("bid_ticks", "bid_lots", "ask_ticks", "ask_lots"):
        with pytest.raises(StaleBook, match=r"gap: holds update 10, got 12\.\.12"):
            getattr(book, name)
    with pytest.raises(StaleBook):
        book.levels(Side.BUY, 1)


def test_a_stale_book_takes_nothing_until_it_begins_anew():
    book = live_book(10)
    book.invalidate("silent")
    assert not book.apply_delta(delta(11, 11, bids=[(100, 1)]))
    assert not book.apply_bbo(Bbo(0, 11, 100, 1, 101, 1))
    assert book.state is BookState.STALE
    book.begin()
    assert book.state is BookState.BUFFERING


def test_a_repeated_change_is_ignored():
    book = live_book(10)
    change = delta(11, 11, bids=[(100, 1)])
    assert book.apply_delta(change)
    assert not book.apply_delta(change)
    assert book.live


def test_changes_that_the_snapshot_holds_already_may_still_arrive():
    book = Book(0, RestBridged)
    book.begin()
    book.apply_delta(delta(8, 10))
    assert book.apply_snapshot(snapshot(14))
    assert not book.apply_delta(delta(11, 12))
    assert not book.apply_delta(delta(11, 12)), "even twice"
    assert book.apply_delta(delta(13, 15, bids=[(100, 1)]))
    assert book.live
    assert best(book) == (100, 1, 101, 4)


def test_a_feed_that_counts_anew_right_behind_the_snapshot_loses_the_book():
    book = live_book(4)
    assert not book.apply_delta(delta(1, 1)), "a single old one is a repetition"
    assert book.apply_delta(delta(2, 2))
    assert book.why == "gap: holds update 4, got 2..2"


def test_a_change_that_counts_backwards_is_a_gap():
    book = live_book(10)
    book.apply_delta(delta(12, 11))
    assert book.state is BookState.STALE


def test_size_zero_deletes_a_level_and_an_unknown_level_is_deleted_without_effect():
    book = live_book(10)
    book.apply_delta(delta(11, 11, bids=[(99, 0), (50, 0)]))
    assert best(book)[:2] == (98, 7)
    assert book.levels(Side.BUY, 5) == [(98, 7)]


def test_a_crossed_book_is_not_whole():
    book = live_book(10)
    book.apply_delta(delta(11, 11, bids=[(101, 1)]))
    assert book.state is BookState.STALE
    assert "crossed" in book.why


def test_an_emptied_side_has_no_size():
    book = live_book(10)
    book.apply_delta(delta(11, 11, asks=[(101, 0), (102, 0)]))
    assert best(book) == (99, 5, 0, 0)
    assert book.levels(Side.SELL, 3) == []


def test_a_newer_bbo_leads_the_levels():
    book = live_book(10)
    assert book.apply_bbo(Bbo(0, 12, 98, 7, 102, 6))
    assert best(book) == (98, 7, 102, 6)
    assert book.levels(Side.BUY, 3) == [(98, 7)]
    assert book.levels(Side.SELL, 3) == [(102, 6)]
    book.apply_delta(delta(11, 11, bids=[(97, 1)]))
    assert best(book) == (98, 7, 102, 6)


def test_an_older_bbo_is_ignored():
    book = live_book(10)
    assert not book.apply_bbo(Bbo(0, 10, 90, 1, 110, 1))
    assert best(book) == (99, 5, 101, 4)


def test_levels_and_bbo_of_the_same_update_must_agree():
    book = live_book(10)
    book.apply_bbo(Bbo(0, 11, 100, 2, 101, 4))
    book.apply_delta(delta(11, 11, bids=[(100, 2)]))
    assert book.live
    book.apply_bbo(Bbo(0, 12, 100, 3, 101, 4))
    book.apply_delta(delta(12, 12, bids=[(100, 9)]))
    assert book.state is BookState.STALE
    assert "contradict" in book.why


def test_a_best_price_between_two_ticks_is_the_bbos_alone_to_tell():
    """An order from before the ticks were made larger: no level says that it is there."""
    book = live_book()
    book.apply_bbo(Bbo(0, 11, 100, 3, 101, 4, rounded=True))
    book.apply_delta(delta(11, 11))
    assert best(book) == (100, 3, 101, 4), "of the same update, and no contradiction"
    book.apply_delta(delta(12, 12, bids=[(98, 1)]))
    assert best(book) == (100, 3, 101, 4), "it stands until the tops say otherwise"
    book.apply_bbo(Bbo(0, 13, 99, 5, 101, 4))
    book.apply_delta(delta(13, 14, bids=[(99, 6)]))
    assert best(book) == (99, 6, 101, 4)


def test_a_bbo_seen_before_the_snapshot_leads_once_live():
    book = Book(0, RestBridged)
    book.begin()
    book.apply_delta(delta(8, 10))
    assert not book.apply_bbo(Bbo(0, 14, 100, 1, 101, 4))
    book.apply_snapshot(snapshot(10))
    assert best(book)[:2] == (100, 1)


def test_a_crossed_bbo_is_not_whole():
    book = live_book(10)
    book.apply_bbo(Bbo(0, 11, 101, 1, 101, 1))
    assert book.state is BookState.STALE


def test_a_book_of_bbos_alone_is_live_from_the_first():
    book = Book(0, None)
    assert not book.apply_bbo(Bbo(0, 1, 99, 1, 101, 1))
    book.begin()
    assert book.apply_bbo(Bbo(0, 1, 99, 1, 101, 1))
    assert book.live
    assert not book.apply_bbo(Bbo(0, 1, 98, 1, 101, 1))
    assert not book.apply_bbo(Bbo(0, 2, 99, 1, 101, 1)), "the same best two are no change"
    assert book.levels(Side.BUY, 5) == [(99, 1)]


def test_levels_are_bounded_and_the_worst_are_dropped():
    book = live_book(10)
    bids = [(ticks, 1) for ticks in range(1, 90)]
    asks = [(200 + ticks, 1) for ticks in range(MAX_LEVELS + 10)]
    book.apply_delta(delta(11, 11, bids=bids, asks=asks))
    assert len(book.levels(Side.SELL, MAX_LEVELS * 2)) == MAX_LEVELS
    assert book.levels(Side.SELL, 1) == [(101, 4)]


def test_what_a_bounded_book_has_dropped_is_an_edge_as_a_snapshots_is():
    book = live_book(10)
    bids = [(ticks, 1) for ticks in range(1, 90)]
    asks = [(200 + ticks, 1) for ticks in range(MAX_LEVELS + 10)]
    book.apply_delta(delta(11, 11, bids=bids, asks=asks))
    kept = book.levels(Side.SELL, MAX_LEVELS)
    half, edge_ticks = kept[: MAX_LEVELS * 3 // 4], kept[-1][0]
    book.apply_delta(delta(12, 12, asks=[(ticks, 0) for ticks, _ in half]))
    book.apply_delta(delta(13, 13))
    assert book.live
    assert book.wants_snapshot, "half of the way there it is renewed"
    gone = [(ticks, 0) for ticks, _ in kept[len(half) :]]
    book.apply_delta(delta(14, 14, asks=[*gone, (edge_ticks + 50, 1)]))
    assert not book.live, "asks below this one were dropped, and may stand"


def test_changes_kept_are_bounded():
    book = Book(0, RestBridged)
    book.begin()
    for seq in range(MAX_BUFFERED + 1):
        book.apply_delta(delta(seq, seq))
    assert book.state is BookState.STALE


levels = st.lists(
    st.tuples(st.integers(1, 40), st.integers(0, 3)), max_size=8, unique_by=lambda level: level[0]
)


@given(st.lists(st.tuples(levels, levels), max_size=30))
def test_a_live_book_equals_the_plain_fold_of_its_changes(changes):
    book = live_book(0)
    bids, asks = {99: 5, 98: 7}, {101: 4, 102: 6}
    for seq, (low, high) in enumerate(changes, start=1):
        high = [(200 - ticks, lots) for ticks, lots in high]
        book.apply_delta(delta(seq, seq, low, high))
        for sizes, side in ((bids, low), (asks, high)):
            sizes.update(side)
            for ticks, lots in side:
                if not lots:
                    del sizes[ticks]
        assert book.live
        assert book.levels(Side.BUY, 1000) == sorted(bids.items(), reverse=True)
        assert book.levels(Side.SELL, 1000) == sorted(asks.items())
        assert book.bid_lots == (bids[max(bids)] if bids else 0)


def test_a_feed_that_counts_from_the_beginning_again_is_a_gap():
    book = live_book()
    book.apply_delta(delta(11, 12))
    assert not book.apply_delta(delta(1, 2)), "one old change may be a repetition"
    assert book.live
    book.apply_delta(delta(3, 4))
    assert book.state is BookState.STALE


def test_old_changes_that_do_not_follow_one_another_are_repetitions():
    book = live_book()
    book.apply_delta(delta(11, 12))
    for first, last in ((11, 12), (5, 6), (5, 6), (11, 12)):
        assert not book.apply_delta(delta(first, last))
    assert book.live


def test_a_change_that_overlaps_the_one_applied_before_is_a_gap():
    book = live_book()
    book.apply_delta(delta(11, 12))
    book.apply_delta(delta(12, 13))
    assert book.state is BookState.STALE


# -- edges of a snapshot ---------------------------------------------------------------------


def cut_book(seq: int = 10) -> Book:
    """A live book of a snapshot that held three levels a side of more: 90..100 and 101..111."""
    book = Book(0, RestBridged)
    book.begin()
    book.apply_delta(delta(seq, seq))
    bids, asks = [(100, 1), (95, 1), (90, 1)], [(101, 1), (106, 1), (111, 1)]
    assert book.apply_snapshot(BookSnapshot(0, seq, bids, asks, bids_cut=True, asks_cut=True))
    return book


def test_levels_beyond_the_edge_of_a_snapshot_are_not_shown():
    book = cut_book()
    book.apply_delta(delta(11, 11, bids=[(80, 5)], asks=[(130, 5)]))
    assert book.levels(Side.BUY, 10) == [(100, 1), (95, 1), (90, 1)]
    assert book.levels(Side.SELL, 10) == [(101, 1), (106, 1), (111, 1)]


def test_a_book_is_lost_where_its_best_price_leaves_the_snapshot():
    book = cut_book()
    assert book.apply_delta(delta(11, 11, bids=[(100, 0), (95, 0), (90, 0), (80, 5)]))
    assert not book.live
    assert "beyond the levels" in book.why


def test_a_side_whose_known_levels_are_all_gone_is_lost_where_it_had_more():
    book = cut_book()
    assert book.apply_delta(delta(11, 11, asks=[(101, 0), (106, 0), (111, 0)]))
    assert not book.live


def test_a_side_that_was_whole_may_be_empty():
    book = live_book()
    assert book.apply_delta(delta(11, 11, asks=[(101, 0), (102, 0)]))
    assert book.live
    assert not book.ask_lots
    assert not book.wants_snapshot


def test_a_book_near_its_edge_is_renewed_and_stays_live():
    book = cut_book()
    assert book.apply_delta(delta(11, 11, bids=[(100, 0), (95, 0), (94, 2)]))
    assert not book.wants_snapshot, "no change is kept yet that a snapshot could be bridged into"
    assert book.apply_delta(delta(12, 12, bids=[(93, 3)]))
    assert book.live
    assert book.wants_snapshot
    bids, asks = [(94, 2), (90, 1), (85, 1)], [(101, 1), (106, 1), (111, 1)]
    assert not book.apply_snapshot(BookSnapshot(0, 11, bids, asks, bids_cut=True)), "too old"
    assert book.live
    bids.insert(1, (93, 3))
    assert book.apply_snapshot(BookSnapshot(0, 12, bids, asks, bids_cut=True, asks_cut=True))
    assert book.levels(Side.BUY, 10) == [(94, 2), (93, 3), (90, 1), (85, 1)]
    assert not book.wants_snapshot


def test_a_renewal_never_takes_a_live_book_back():
    """REST may lag behind the feed, and a market that is quiet keeps no change meanwhile."""
    book = cut_book()
    book.apply_delta(delta(11, 11, bids=[(100, 0), (95, 0), (94, 2)]))
    bids, asks = [(100, 1), (95, 1), (90, 1)], [(101, 1), (106, 1), (111, 1)]
    assert not book.apply_snapshot(BookSnapshot(0, 10, bids, asks, bids_cut=True))
    assert book.levels(Side.BUY, 1) == [(94, 2)]
    assert book.apply_delta(delta(12, 12, bids=[(93, 3)]))
    assert book.live


def test_a_renewal_keeps_what_the_snapshot_does_not_know_yet():
    book = cut_book()
    book.apply_delta(delta(11, 11, bids=[(100, 0), (95, 0), (94, 2)]))
    book.apply_delta(delta(12, 12, bids=[(93, 3)]))
    book.apply_delta(delta(13, 13, bids=[(94, 7)]))
    bids = [(94, 2), (93, 3), (90, 1), (85, 1)]
    assert book.apply_snapshot(BookSnapshot(0, 12, bids, [(101, 1)], bids_cut=True))
    assert book.levels(Side.BUY, 10) == [(94, 7), (93, 3), (90, 1), (85, 1)]
    assert book.apply_delta(delta(14, 14, bids=[(94, 0)]))
    assert book.bid_ticks == 93


def test_a_book_that_is_lost_while_it_is_renewed_begins_anew():
    book = cut_book()
    book.apply_delta(delta(11, 11, bids=[(100, 0), (95, 0), (94, 2)]))
    book.apply_delta(delta(12, 12, bids=[(93, 3)]))
    assert book.apply_delta(delta(15, 15))
    assert not book.live
    assert not book.wants_snapshot


# -- tops far off ----------------------------------------------------------------------------


def watchful_book() -> Book:
    book = Book(0, RestBridged, far_bps=100)
    book.begin()
    book.apply_delta(delta(10, 10))
    assert book.apply_snapshot(snapshot(10, bids=[(10_000, 5)], asks=[(10_010, 4)]))
    return book


@pytest.mark.parametrize(
    ("bid_ticks", "ask_ticks", "believed"),
    [
        (9_900, 10_005, True),
        (9_899, 10_005, False),
        (10_005, 10_110, True),
        (10_005, 10_111, False),
        (10_120, 10_130, False),
        (9_000, 9_010, False),
    ],
)
def test_a_best_price_far_off_the_proved_levels_is_not_believed(bid_ticks, ask_ticks, believed):
    book = watchful_book()
    assert book.apply_bbo(Bbo(0, 11, bid_ticks, 1, ask_ticks, 1))
    assert book.live is believed
    assert believed or "over 1 % off" in book.why


def test_a_far_price_of_a_one_sided_bbo_is_not_believed():
    book = watchful_book()
    book.apply_bbo(Bbo(0, 11, 0, 0, 10_005, 1))
    assert book.live, "a side without orders has no price to be far off"
    book.apply_bbo(Bbo(0, 12, 0, 0, 9_000, 1))
    assert not book.live


def test_a_far_bid_is_not_believed_because_the_asks_are_gone():
    book = watchful_book()
    book.apply_bbo(Bbo(0, 11, 10_005, 1, 0, 0))
    assert book.live
    book.apply_bbo(Bbo(0, 12, 20_000, 1, 0, 0))
    assert not book.live


@pytest.mark.parametrize(
    ("bid_ticks", "ask_ticks", "believed"),
    [(0, 9_000, False), (0, 10_005, True), (8_000, 10_010, True), (12_000, 12_010, False)],
)
def test_where_the_bids_are_gone_the_asks_tell_what_is_far(bid_ticks, ask_ticks, believed):
    book = watchful_book()
    assert book.apply_delta(delta(11, 11, bids=[(bid, 0) for bid in book._bids]))
    book.apply_bbo(Bbo(0, 12, bid_ticks, 1 if bid_ticks else 0, ask_ticks, 1))
    assert book.live is believed


def test_a_few_coarse_ticks_are_not_far_off():
    book = Book(0, RestBridged, far_bps=100)
    book.begin()
    book.apply_delta(delta(10, 10))
    assert book.apply_snapshot(snapshot(10, bids=[(8, 5)], asks=[(9, 4)]))
    book.apply_bbo(Bbo(0, 11, 11, 1, 12, 1))
    assert book.live
    book.apply_bbo(Bbo(0, 12, 12, 1, 13, 1))
    assert not book.live


def test_levels_that_moved_themselves_move_what_is_believed():
    book = watchful_book()
    book.apply_delta(delta(11, 11, bids=[(10_000, 0), (9_000, 5)], asks=[(10_010, 0), (9_010, 4)]))
    book.apply_bbo(Bbo(0, 12, 8_990, 1, 9_000, 1))
    assert book.live


def low(ticks: int) -> int:
    return min(ticks * 99 // 100, ticks - 3)


def high(ticks: int) -> int:
    return max(ticks * 101 // 100, ticks + 3)


def is_far(bid_ticks: int, ask_ticks: int, best_bid: int, best_ask: int) -> bool:
    """The rule itself: 1 % and 3 ticks off the best prices of the levels, 0 for none; one that
    begins a side may be any distance from the other, away from it.
    """
    bid = (best_bid and bid_ticks < low(best_bid)) or bid_ticks > high(best_ask or best_bid)
    ask = (best_ask and ask_ticks > high(best_ask)) or ask_ticks < low(best_bid or best_ask)
    return bool(bid or ask)


@given(
    st.sampled_from([5, 300, 10_000]),
    st.lists(
        st.tuples(st.integers(-60, 60), st.integers(1, 8), st.integers(-130, 130), st.booleans()),
        max_size=20,
    ),
)
def test_whatever_way_the_levels_went_a_bbo_is_held_against_where_they_are(mid, steps):
    book = Book(0, RestBridged, far_bps=100)
    book.begin()
    assert book.apply_snapshot(snapshot(10, bids=[(mid, 5)], asks=[(mid + 2, 4)]))
    bid_ticks, ask_ticks = mid, mid + 2
    for seq, (step, spread, off, has_asks) in enumerate(steps, 11):
        bids, asks = [(bid_ticks, 0)], [(ask_ticks, 0)] if ask_ticks else []
        bid_ticks = max(bid_ticks + step, 1)
        ask_ticks = bid_ticks + spread if has_asks else 0
        bids.append((bid_ticks, 5))
        asks += [(ask_ticks, 4)] if has_asks else []
        book.apply_delta(delta(seq, seq, bids=bids, asks=asks))
        bbo = max(bid_ticks + off, 1)
        far = is_far(bbo, bbo + 1, bid_ticks, ask_ticks)
        book.apply_bbo(Bbo(0, 1_000 + seq, bbo, 1, bbo + 1, 1))
        assert book.live is not far
        if far:
            return


# -- quiet from the start --------------------------------------------------------------------


def test_a_market_that_does_not_change_is_proved_by_a_snapshot_alone():
    book = Book(0, RestBridged)
    book.begin()
    assert book.takes_snapshot
    assert not book.wants_snapshot
    assert book.apply_snapshot(snapshot(10))
    assert best(book) == (99, 5, 101, 4)
    assert book.apply_delta(delta(11, 12, bids=[(100, 3)]))
    assert book.bid_ticks == 100


def test_a_change_missing_behind_such_a_snapshot_is_a_gap():
    book = Book(0, RestBridged)
    book.begin()
    assert book.apply_snapshot(snapshot(10))
    assert book.apply_delta(delta(12, 12))
    assert not book.live


def test_a_live_book_takes_no_snapshot_that_nobody_wanted():
    book = live_book()
    assert not book.apply_snapshot(snapshot(50))
    assert book.seq == 10


# -- books whose feed brings the snapshots itself ------------------------------------------------


def best_lots(bids: Levels, asks: Levels) -> int:
    """A checksum that tells any two of these books apart."""
    return sum((place + 1) * lots for place, (_, lots) in enumerate(bids + asks))


def checksummed(depth: int = 3) -> Book:
    book = Book(0, partial(Checksummed, best_lots, depth))
    book.begin()
    return book


def test_a_snapshot_of_the_feed_begins_the_book_without_a_change():
    book = checksummed()
    assert not book.wants_snapshot
    book.apply_delta(delta(0, 0, bids=[(90, 1)]))
    assert book.apply_snapshot(BookSnapshot(0, 0, [(99, 5)], [(101, 4)], checksum=5 + 8))
    assert best(book) == (99, 5, 101, 4), "what came before it is of an older subscription"


def test_a_book_whose_checksum_differs_is_lost():
    book = checksummed()
    assert book.apply_snapshot(BookSnapshot(0, 0, [(99, 5)], [(101, 4)], checksum=13))
    assert book.apply_delta(BookDelta(0, 0, 0, [(99, 6)], [], 0, checksum=14))
    assert book.live
    assert book.apply_delta(BookDelta(0, 0, 0, [(99, 7)], [], 0, checksum=14))
    assert book.state is BookState.STALE
    assert "checksum" in book.why


def test_a_snapshot_whose_checksum_differs_begins_nothing():
    book = checksummed()
    assert not book.apply_snapshot(BookSnapshot(0, 0, [(99, 5)], [(101, 4)], checksum=12))
    assert book.state is BookState.STALE


def test_levels_beyond_the_depth_of_the_feed_are_forgotten_before_the_checksum_is_held_against():
    book = checksummed(depth=2)
    assert book.apply_snapshot(BookSnapshot(0, 0, [(99, 5), (98, 7)], [(101, 4)], checksum=31))
    better = BookDelta(0, 0, 0, [(100, 1)], [], 0, checksum=1 + 2 * 5 + 3 * 4)
    assert book.apply_delta(better)
    assert book.levels(Side.BUY, 5) == [(100, 1), (99, 5)]
    assert book.live


def test_another_snapshot_of_the_feed_begins_a_live_book_anew():
    book = checksummed()
    assert book.apply_snapshot(BookSnapshot(0, 0, [(99, 5)], [(101, 4)]))
    for lots in (6, 7, 8):
        book.apply_delta(delta(0, 0, bids=[(99, lots)]))
    assert book.apply_snapshot(BookSnapshot(0, 0, [(97, 1)], [(98, 2)]))
    assert best(book) == (97, 1, 98, 2)


def test_a_change_that_does_not_name_the_one_before_loses_a_chained_book():
    book = Book(0, partial(Chained, 0))
    book.begin()
    assert book.apply_snapshot(snapshot(10))
    assert book.apply_delta(delta(11, 14, bids=[(100, 3)]))
    assert not book.apply_delta(delta(11, 14, bids=[(100, 9)])), "told twice"
    assert best(book) == (100, 3, 101, 4)
    assert book.apply_delta(delta(16, 17))
    assert book.state is BookState.STALE
