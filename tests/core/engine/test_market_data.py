"""Market data by itself: how old and how late a feed is, and what follows from either."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from core.engine.market_data import DENIALS, DOUBT_NS, MarketData
from core.engine.turn import Turn
from core.model.commands import Command, FetchBook, FetchTops, SubscribeBook, UnsubscribeBook
from core.model.events import (
    BookDelta,
    BookSnapshot,
    BookTop,
    MarketTrade,
    Reply,
    Side,
    TopsReport,
    Verdict,
)
from core.model.instrument import InstrumentTable
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import BookFeed, Line, Role, SyncKind
from core.model.views import BookState
from core.protocols.websocket import websocket
from core.state import hops as hop
from core.state.book import Book
from core.state.counts import Counts
from core.state.inflight import REST, Asked
from core.state.risk import RiskLimits
from core.state.sequence import sync_of
from core.state.session import Phase, Session
from core.state.venue_clock import VenueClock
from tests.strategies.desk import instrument

NOW_NS = 1_000 * NS_PER_S
OFFSET_NS = 7 * NS_PER_S
AGE_NS, LATE_NS = 5 * NS_PER_S, 2 * NS_PER_S
LIMITS = RiskLimits(
    max_order_lots=1,
    max_order_notional=1,
    max_position_lots=1,
    max_open_orders=1,
    collar_bps=100,
    max_book_age_ns=AGE_NS,
    max_feed_age_ns=LATE_NS,
    max_orders_per_s=1,
    max_rejects=1,
    reject_window_ns=NS_PER_S,
    max_daily_loss=1,
)
LINE = Line(
    name="market",
    url="ws://127.0.0.1/",
    carries=frozenset({Role.MARKET}),
    silence_ns=60 * NS_PER_S,
    lifetime_ns=3_600 * NS_PER_S,
    protocol=websocket(1 << 20),
)


class House:
    """The books of one instrument, live as of now; whatever else they speak to is noted."""

    def __init__(self, *, depth: bool = True, cancels: bool = True, confirms: bool = True) -> None:
        self.asked: list[Command] = []
        self.taken_out: list[int] = []
        self.turn = Turn(NOW_NS)
        self.hops: list[tuple[int, int]] = []
        self.session = Session(LINE)
        self.session.up([], NOW_NS)
        self.session.phase = Phase.READY
        self.clock = VenueClock()
        self.clock.measure(NOW_NS, NOW_NS, NOW_NS + OFFSET_NS)
        self.desk = SimpleNamespace(
            take_out=self.taken_out.append,
            position=lambda index: SimpleNamespace(lots=0),
            open_orders=lambda index: (),
        )
        parts: dict[str, Any] = {
            "desk": self.desk,
            "strategy": SimpleNamespace(on_trade="on_trade"),
            "outbound": SimpleNamespace(request=self._request),
            "hops": SimpleNamespace(record=lambda hop, ns: self.hops.append((hop, ns))),
        }
        self.counts = Counts()
        self.data = MarketData(
            table=InstrumentTable([instrument()]),
            turn=self.turn,
            queues={},
            books=[],
            with_depth=depth,
            feed_of=lambda instrument: BookFeed(sync=SyncKind.BRIDGED),
            sessions=[self.session],
            clock=self.clock,
            counts=self.counts,
            cancel_when_stale=cancels,
            confirms=confirms,
            log=lambda text: None,
            **parts,
        )
        self.data.add(LIMITS)
        self.data.begin(LINE)
        if depth:
            self.delta(10)
            self.data.on_snapshot(BookSnapshot(0, 10, [(100, 5)], [(102, 5)]))
        else:
            self.top(10)
        self.asked.clear()
        self.hops.clear()
        assert self.book.live

    @property
    def book(self) -> Book:
        return self.data.books[0]

    def _request(self, command: Command, now_ns: int) -> int:
        self.asked.append(command)
        return 1

    def after(self, ns: int) -> House:
        self.turn.now_ns += ns
        return self

    def delta(self, seq: int, late_ns: int = 0) -> None:
        venue_ns = self.turn.now_ns + OFFSET_NS - late_ns
        self.data.on_delta(BookDelta(0, seq, seq, [(100, 5)], [], venue_ns))

    def top(self, seq: int) -> None:
        self.data.on_top(BookTop(0, seq, 100, 5, 102, 5))

    def trade(self, late_ns: int) -> None:
        venue_ns = self.turn.now_ns + OFFSET_NS - late_ns
        self.data.on_trade(MarketTrade(0, "1", 100, 1, Side.BUY, venue_ns))

    def tops(
        self, bid_ticks: int, asked_ns: int = 0, *, rounded: bool = False, cut: int = 0
    ) -> None:
        """Answer best prices; the size of the bid may be ``cut`` by so much."""
        asked_ns = asked_ns or self.turn.now_ns
        asked = Asked(1, FetchTops((0,)), REST, asked_ns, asked_ns + 10 * NS_PER_S)
        fact = TopsReport((BookTop(0, 0, bid_ticks, 5 - cut, 102, 5, rounded),), sized=not cut)
        self.data.on_reply(asked, Reply(request_id=1, verdict=Verdict.DONE, facts=(fact,)))


# -- age -------------------------------------------------------------------------------------


def test_a_top_makes_a_book_fresh_though_it_changes_nothing() -> None:
    house = House().after(AGE_NS)
    house.top(11)
    assert house.book.fresh_ns == house.turn.now_ns


def test_a_delta_makes_a_book_fresh_though_it_changes_nothing() -> None:
    house = House().after(AGE_NS)
    house.delta(11)
    assert house.book.fresh_ns == house.turn.now_ns


def test_a_snapshot_makes_a_book_as_fresh_as_its_question() -> None:
    house = House().after(2 * NS_PER_S)
    house.data.begin(LINE)
    asked_ns = house.turn.now_ns - NS_PER_S
    asked = Asked(1, FetchBook(0), REST, asked_ns, asked_ns + 10 * NS_PER_S)
    house.data.on_snapshot(BookSnapshot(0, 20, [(100, 5)], [(102, 5)]))
    house.data.on_reply(asked, Reply(request_id=1, verdict=Verdict.DONE))
    assert house.book.fresh_ns == asked_ns


@pytest.mark.parametrize("verdict", [Verdict.THROTTLED, Verdict.UNKNOWN, Verdict.DONE])
def test_a_snapshot_that_was_not_taken_makes_no_book_fresh(verdict: Verdict) -> None:
    house = House().after(2 * NS_PER_S)
    asked = Asked(1, FetchBook(0), REST, house.turn.now_ns, house.turn.now_ns + 10 * NS_PER_S)
    house.data.on_reply(asked, Reply(request_id=1, verdict=verdict))
    assert house.book.fresh_ns == NOW_NS


@pytest.mark.parametrize("cancels", [True, False])
def test_orders_on_a_silent_book_go_at_its_largest_age_where_that_is_wanted(cancels: bool) -> None:
    house = House(cancels=cancels).after(AGE_NS)
    house.data.step()
    assert house.taken_out == []
    house.after(1)
    house.data.step()
    assert house.taken_out == ([0] if cancels else [])
    assert house.book.live, "its prices stay"


@pytest.mark.parametrize("confirms", [True, False])
def test_a_book_silent_for_half_its_age_is_asked_about_once_a_second(confirms: bool) -> None:
    house = House(confirms=confirms).after(AGE_NS // 2)
    house.data.step()
    assert house.asked == []
    for _ in range(20):
        house.after(100 * NS_PER_MS)
        house.data.step()
    assert house.asked == ([FetchTops((0,))] * 2 if confirms else [])


def test_a_book_that_rest_confirms_is_as_fresh_as_the_question() -> None:
    house = House().after(3 * NS_PER_S)
    house.tops(100)
    assert house.book.fresh_ns == house.turn.now_ns


def test_where_sizes_are_told_cut_the_prices_alone_confirm_a_book_or_deny_it() -> None:
    house = House().after(3 * NS_PER_S)
    house.tops(100, cut=4)
    assert house.book.fresh_ns == house.turn.now_ns
    for _ in range(DENIALS):
        house.tops(99, cut=4)
    assert house.book.state is BookState.STALE


def test_a_silent_book_that_rest_denies_often_enough_is_dead_and_its_line_replaced() -> None:
    house = House().after(10 * NS_PER_S)
    for _ in range(DENIALS - 1):
        house.tops(99)
    assert house.book.live
    house.tops(99)
    assert house.book.state is BookState.STALE
    assert house.session.expires(house.turn.now_ns)
    assert house.turn.changed == {0: house.book}


def test_an_answer_to_a_question_older_than_the_feeds_word_denies_nothing() -> None:
    house = House().after(3 * NS_PER_S)
    for _ in range(2 * DENIALS):
        house.tops(99, asked_ns=NOW_NS - 1)
    assert house.book.live


def test_a_word_of_the_feed_begins_the_denials_anew() -> None:
    house = House().after(3 * NS_PER_S)
    for seq in range(11, 11 + DENIALS):
        house.tops(99)
        house.after(NS_PER_S)
        house.delta(seq)
        house.tops(99, asked_ns=house.turn.now_ns - 1)
    assert house.book.live


def test_a_best_price_between_two_ticks_neither_denies_nor_confirms_a_book() -> None:
    house = House().after(10 * NS_PER_S)
    for _ in range(2 * DENIALS):
        house.tops(99, rounded=True)
    assert house.book.live
    assert house.book.fresh_ns == NOW_NS


def test_denials_count_only_while_the_feed_stays_silent() -> None:
    house = House()
    for seq in range(11, 11 + 2 * DENIALS):
        house.after(3 * NS_PER_S)
        house.tops(99)
        house.delta(seq)
    assert house.book.live


# -- lateness --------------------------------------------------------------------------------


@pytest.mark.parametrize("late_ns", [-LATE_NS, 0, 3 * NS_PER_MS, LATE_NS])
def test_a_feeds_age_is_measured_on_the_venues_clock(late_ns: int) -> None:
    house = House().after(NS_PER_S)
    house.delta(11, late_ns)
    assert house.hops == [(hop.FEED_AGE, late_ns)]
    assert house.book.live


@pytest.mark.parametrize("late_ns", [-LATE_NS - 1, LATE_NS + 1])
def test_a_feed_behind_or_ahead_of_its_limit_has_no_book_and_doubts_the_clock(late_ns: int) -> None:
    house = House().after(100 * NS_PER_S)
    house.delta(11, late_ns)
    assert house.book.state is BookState.STALE
    assert house.data.late(0)
    assert house.data.clock_doubted
    house.data.clock_doubted = False
    house.after(DOUBT_NS - 1)
    house.delta(12, late_ns)
    assert not house.data.clock_doubted, "not again and again"
    house.after(1)
    house.delta(13, late_ns)
    assert house.data.clock_doubted
    house.delta(14)
    assert not house.data.late(0)
    assert house.book.takes_snapshot, "it proves itself anew"


@pytest.mark.parametrize(("late_ns", "moved_ns"), [(-LATE_NS - 1, 0), (LATE_NS + 1, -NS_PER_S)])
def test_a_feed_that_seemed_late_before_the_clock_was_known_is_judged_once_it_is(
    late_ns: int, moved_ns: int
) -> None:
    """It may tell nothing more: a book must not stand on what it has told."""
    house = House()
    house.clock.forget()
    house.delta(11, late_ns)
    house.data.judge()
    assert house.book.live
    house.clock.measure(NOW_NS, NOW_NS, NOW_NS + OFFSET_NS + moved_ns)
    house.data.judge()
    assert house.book.live is (moved_ns != 0), "by another clock it was not late"
    assert house.data.late(0) is not house.book.live


@pytest.mark.parametrize(("late_ns", "told"), [(LATE_NS, 1), (LATE_NS + 1, 0)])
def test_without_depth_the_times_of_trades_tell_how_late_the_feed_is(
    late_ns: int, told: int
) -> None:
    house = House(depth=False).after(100 * NS_PER_S)
    house.trade(late_ns)
    assert len(house.turn.callbacks) == told
    assert house.book.live is bool(told)


def test_while_the_venues_clock_is_not_known_no_feed_is_late() -> None:
    house = House().after(NS_PER_S)
    house.clock.forget()
    house.delta(11, 100 * LATE_NS)
    assert house.book.live


# -- loss ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cancels", [True, False])
def test_a_lost_book_is_counted_its_orders_go_and_it_proves_itself_anew(cancels: bool) -> None:
    house = House(cancels=cancels)
    house.book.invalidate("a gap")
    house.data.resync(house.book)
    assert house.counts.resyncs == 1
    assert house.taken_out == ([0] if cancels else [])
    assert house.book.takes_snapshot


def test_a_lost_feed_leaves_no_book_live() -> None:
    house = House()
    house.data.lose("line lost")
    assert house.book.state is BookState.STALE
    assert house.turn.changed == {0: house.book}


def test_a_market_that_is_quiet_from_the_start_is_asked_for_its_snapshot() -> None:
    house = House()
    house.data.begin(LINE)
    house.data.step()
    assert house.asked == []
    house.after(NS_PER_S)
    house.data.step()
    assert house.asked == [FetchBook(0)]


def in_band() -> House:
    """A feed that begins with a snapshot and numbers nothing; the checksum is 0 of anything."""
    house = House()
    feed = BookFeed(sync=SyncKind.CHECKSUMMED, depth=10)
    house.data.books[0] = Book(0, sync_of(feed))
    house.data.begin(LINE)
    house.data.on_snapshot(BookSnapshot(0, 0, [(100, 5)], [(102, 5)], checksum=0))
    assert house.book.live
    assert house.asked == []
    return house


def answered(house: House, command: Command) -> None:
    asked = Asked(1, command, 0, house.turn.now_ns, house.turn.now_ns + 10 * NS_PER_S)
    house.data.on_reply(asked, Reply(request_id=1, verdict=Verdict.DONE))


def test_a_book_whose_feed_brings_snapshots_is_subscribed_anew_when_it_is_lost() -> None:
    house = in_band().after(10 * NS_PER_S)
    venue_ns = house.turn.now_ns + OFFSET_NS
    house.data.on_delta(BookDelta(0, 0, 0, [(100, 6)], [], venue_ns, checksum=1))
    house.data.resync(house.book)
    assert house.asked == [UnsubscribeBook(0)]
    answered(house, UnsubscribeBook(0))
    assert house.asked == [UnsubscribeBook(0), SubscribeBook(0)]
    answered(house, SubscribeBook(0))
    house.data.on_snapshot(BookSnapshot(0, 0, [(100, 6)], [(102, 5)], checksum=0))
    assert house.book.live
    house.after(10 * NS_PER_S).data.step()
    assert UnsubscribeBook(0) not in house.asked[2:], "it stands"


def test_a_subscription_that_brings_no_snapshot_is_made_anew() -> None:
    house = in_band()
    house.data.begin(LINE)
    house.data.step()
    assert house.asked == []
    house.after(NS_PER_S).data.step()
    assert house.asked == [UnsubscribeBook(0)]


def test_a_snapshot_of_the_feed_makes_a_book_as_fresh_as_any_change() -> None:
    house = in_band().after(AGE_NS)
    house.data.on_snapshot(BookSnapshot(0, 0, [(100, 5)], [(102, 5)]))
    assert house.book.fresh_ns == house.turn.now_ns


def test_a_book_on_which_something_is_ours_matters_more_than_others() -> None:
    house = House()
    assert not house.data._matters(0)
    house.desk.open_orders = lambda index: ("an order",)
    assert house.data._matters(0)
    house.desk.open_orders = lambda index: ()
    house.desk.position = lambda index: SimpleNamespace(lots=-1)
    assert house.data._matters(0)
