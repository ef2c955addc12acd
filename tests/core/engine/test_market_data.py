"""Market data by itself: how old and how late a feed is, and what follows from either."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from core.engine.market_data import DENIALS, SUSPECT_NS, MarketData
from core.engine.turn import Turn
from core.model.commands import Command, FetchBbos, FetchBook, SubscribeBook, UnsubscribeBook
from core.model.events import (
    Bbo,
    BbosReport,
    BookDelta,
    BookSnapshot,
    MarketTrade,
    Reply,
    Side,
    Verdict,
)
from core.model.instrument import InstrumentTable
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import BookFeed, Connection, Role, SyncKind
from core.model.views import BookState
from core.protocols.websocket import websocket
from core.state import hops as hop
from core.state.book import Book
from core.state.counts import Counts
from core.state.inflight import REST, InFlightRequest
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
CONNECTION = Connection(
    name="market",
    url="ws://127.0.0.1/",
    carries=frozenset({Role.MARKET}),
    silence_ns=60 * NS_PER_S,
    lifetime_ns=3_600 * NS_PER_S,
    protocol=websocket(1 << 20),
)


class Rig:
    """The books of one instrument, live as of now; whatever else they speak to is noted."""

    def __init__(self, *, depth: bool = True, cancels: bool = True, confirms: bool = True) -> None:
        self.asked: list[Command] = []
        self.force_cancelled: list[int] = []
        self.turn = Turn(NOW_NS)
        self.hops: list[tuple[int, int]] = []
        self.session = Session(CONNECTION)
        self.session.up([], NOW_NS)
        self.session.phase = Phase.READY
        self.clock = VenueClock()
        self.clock.measure(NOW_NS, NOW_NS, NOW_NS + OFFSET_NS)
        self.desk = SimpleNamespace(
            force_cancel=self.force_cancelled.append,
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
            feed_of=lambda instrument: BookFeed(sync=SyncKind.REST_BRIDGED),
            sessions=[self.session],
            clock=self.clock,
            counts=self.counts,
            cancel_when_stale=cancels,
            confirms=confirms,
            log=lambda text: None,
            **parts,
        )
        self.data.add(LIMITS)
        self.data.begin(CONNECTION)
        if depth:
            self.delta(10)
            self.data.on_snapshot(BookSnapshot(0, 10, [(100, 5)], [(102, 5)]))
        else:
            self.bbo(10)
        self.asked.clear()
        self.hops.clear()
        assert self.book.live

    @property
    def book(self) -> Book:
        return self.data.books[0]

    def _request(self, command: Command, now_ns: int) -> int:
        self.asked.append(command)
        return 1

    def after(self, ns: int) -> Rig:
        self.turn.now_ns += ns
        return self

    def delta(self, seq: int, late_ns: int = 0) -> None:
        venue_ns = self.turn.now_ns + OFFSET_NS - late_ns
        self.data.on_delta(BookDelta(0, seq, seq, [(100, 5)], [], venue_ns))

    def bbo(self, seq: int) -> None:
        self.data.on_bbo(Bbo(0, seq, 100, 5, 102, 5))

    def trade(self, late_ns: int) -> None:
        venue_ns = self.turn.now_ns + OFFSET_NS - late_ns
        self.data.on_trade(MarketTrade(0, "1", 100, 1, Side.BUY, venue_ns))

    def bbos(
        self, bid_ticks: int, requested_ns: int = 0, *, rounded: bool = False, cut: int = 0
    ) -> None:
        """Answer best prices; the size of the bid may be ``cut`` by so much."""
        requested_ns = requested_ns or self.turn.now_ns
        asked = InFlightRequest(
            1, FetchBbos((0,)), REST, requested_ns, requested_ns + 10 * NS_PER_S
        )
        event = BbosReport((Bbo(0, 0, bid_ticks, 5 - cut, 102, 5, rounded),), sized=not cut)
        self.data.on_reply(asked, Reply(request_id=1, verdict=Verdict.DONE, events=(event,)))


# -- age -------------------------------------------------------------------------------------


def test_a_bbo_makes_a_book_fresh_though_it_changes_nothing() -> None:
    rig = Rig().after(AGE_NS)
    rig.bbo(11)
    assert rig.book.fresh_ns == rig.turn.now_ns


def test_a_delta_makes_a_book_fresh_though_it_changes_nothing() -> None:
    rig = Rig().after(AGE_NS)
    rig.delta(11)
    assert rig.book.fresh_ns == rig.turn.now_ns


def test_a_snapshot_makes_a_book_as_fresh_as_its_question() -> None:
    rig = Rig().after(2 * NS_PER_S)
    rig.data.begin(CONNECTION)
    requested_ns = rig.turn.now_ns - NS_PER_S
    asked = InFlightRequest(1, FetchBook(0), REST, requested_ns, requested_ns + 10 * NS_PER_S)
    rig.data.on_snapshot(BookSnapshot(0, 20, [(100, 5)], [(102, 5)]))
    rig.data.on_reply(asked, Reply(request_id=1, verdict=Verdict.DONE))
    assert rig.book.fresh_ns == requested_ns


@pytest.mark.parametrize("verdict", [Verdict.THROTTLED, Verdict.UNKNOWN, Verdict.DONE])
def test_a_snapshot_that_was_not_taken_makes_no_book_fresh(verdict: Verdict) -> None:
    rig = Rig().after(2 * NS_PER_S)
    asked = InFlightRequest(1, FetchBook(0), REST, rig.turn.now_ns, rig.turn.now_ns + 10 * NS_PER_S)
    rig.data.on_reply(asked, Reply(request_id=1, verdict=verdict))
    assert rig.book.fresh_ns == NOW_NS


@pytest.mark.parametrize("cancels", [True, False])
def test_orders_on_a_silent_book_go_at_its_largest_age_where_that_is_wanted(cancels: bool) -> None:
    rig = Rig(cancels=cancels).after(AGE_NS)
    rig.data.step()
    assert rig.force_cancelled == []
    rig.after(1)
    rig.data.step()
    assert rig.force_cancelled == ([0] if cancels else [])
    assert rig.book.live, "its prices stay"


@pytest.mark.parametrize("confirms", [True, False])
def test_a_book_silent_for_half_its_age_is_asked_about_once_a_second(confirms: bool) -> None:
    rig = Rig(confirms=confirms).after(AGE_NS // 2)
    rig.data.step()
    assert rig.asked == []
    for _ in range(20):
        rig.after(100 * NS_PER_MS)
        rig.data.step()
    assert rig.asked == ([FetchBbos((0,))] * 2 if confirms else [])


def test_a_book_that_rest_confirms_is_as_fresh_as_the_question() -> None:
    rig = Rig().after(3 * NS_PER_S)
    rig.bbos(100)
    assert rig.book.fresh_ns == rig.turn.now_ns


def test_where_sizes_are_told_cut_the_prices_alone_confirm_a_book_or_deny_it() -> None:
    rig = Rig().after(3 * NS_PER_S)
    rig.bbos(100, cut=4)
    assert rig.book.fresh_ns == rig.turn.now_ns
    for _ in range(DENIALS):
        rig.bbos(99, cut=4)
    assert rig.book.state is BookState.STALE


def test_a_silent_book_that_rest_denies_often_enough_is_dead_and_its_connection_replaced() -> None:
    rig = Rig().after(10 * NS_PER_S)
    for _ in range(DENIALS - 1):
        rig.bbos(99)
    assert rig.book.live
    rig.bbos(99)
    assert rig.book.state is BookState.STALE
    assert rig.session.expires(rig.turn.now_ns)
    assert rig.turn.changed == {0: rig.book}


def test_an_answer_to_a_question_older_than_the_feeds_word_denies_nothing() -> None:
    rig = Rig().after(3 * NS_PER_S)
    for _ in range(2 * DENIALS):
        rig.bbos(99, requested_ns=NOW_NS - 1)
    assert rig.book.live


def test_a_word_of_the_feed_begins_the_denials_anew() -> None:
    rig = Rig().after(3 * NS_PER_S)
    for seq in range(11, 11 + DENIALS):
        rig.bbos(99)
        rig.after(NS_PER_S)
        rig.delta(seq)
        rig.bbos(99, requested_ns=rig.turn.now_ns - 1)
    assert rig.book.live


def test_a_best_price_between_two_ticks_neither_denies_nor_confirms_a_book() -> None:
    rig = Rig().after(10 * NS_PER_S)
    for _ in range(2 * DENIALS):
        rig.bbos(99, rounded=True)
    assert rig.book.live
    assert rig.book.fresh_ns == NOW_NS


def test_denials_count_only_while_the_feed_stays_silent() -> None:
    rig = Rig()
    for seq in range(11, 11 + 2 * DENIALS):
        rig.after(3 * NS_PER_S)
        rig.bbos(99)
        rig.delta(seq)
    assert rig.book.live


# -- lateness --------------------------------------------------------------------------------


@pytest.mark.parametrize("late_ns", [-LATE_NS, 0, 3 * NS_PER_MS, LATE_NS])
def test_a_feeds_age_is_measured_on_the_venues_clock(late_ns: int) -> None:
    rig = Rig().after(NS_PER_S)
    rig.delta(11, late_ns)
    assert rig.hops == [(hop.FEED_AGE, late_ns)]
    assert rig.book.live


@pytest.mark.parametrize("late_ns", [-LATE_NS - 1, LATE_NS + 1])
def test_a_feed_behind_or_ahead_of_its_limit_has_no_book_and_doubts_the_clock(late_ns: int) -> None:
    rig = Rig().after(100 * NS_PER_S)
    rig.delta(11, late_ns)
    assert rig.book.state is BookState.STALE
    assert rig.data.late(0)
    assert rig.data.clock_suspect
    rig.data.clock_suspect = False
    rig.after(SUSPECT_NS - 1)
    rig.delta(12, late_ns)
    assert not rig.data.clock_suspect, "not again and again"
    rig.after(1)
    rig.delta(13, late_ns)
    assert rig.data.clock_suspect
    rig.delta(14)
    assert not rig.data.late(0)
    assert rig.book.takes_snapshot, "it proves itself anew"


@pytest.mark.parametrize(("late_ns", "moved_ns"), [(-LATE_NS - 1, 0), (LATE_NS + 1, -NS_PER_S)])
def test_a_feed_that_seemed_late_before_the_clock_was_known_is_judged_once_it_is(
    late_ns: int, moved_ns: int
) -> None:
    """It may tell nothing more: a book must not stand on what it has told."""
    rig = Rig()
    rig.clock.forget()
    rig.delta(11, late_ns)
    rig.data.judge()
    assert rig.book.live
    rig.clock.measure(NOW_NS, NOW_NS, NOW_NS + OFFSET_NS + moved_ns)
    rig.data.judge()
    assert rig.book.live is (moved_ns != 0), "by another clock it was not late"
    assert rig.data.late(0) is not rig.book.live


@pytest.mark.parametrize(("late_ns", "told"), [(LATE_NS, 1), (LATE_NS + 1, 0)])
def test_without_depth_the_times_of_trades_tell_how_late_the_feed_is(
    late_ns: int, told: int
) -> None:
    rig = Rig(depth=False).after(100 * NS_PER_S)
    rig.trade(late_ns)
    assert len(rig.turn.callbacks) == told
    assert rig.book.live is bool(told)


def test_while_the_venues_clock_is_not_known_no_feed_is_late() -> None:
    rig = Rig().after(NS_PER_S)
    rig.clock.forget()
    rig.delta(11, 100 * LATE_NS)
    assert rig.book.live


# -- loss ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cancels", [True, False])
def test_a_lost_book_is_counted_its_orders_go_and_it_proves_itself_anew(cancels: bool) -> None:
    rig = Rig(cancels=cancels)
    rig.book.invalidate("a gap")
    rig.data.resync(rig.book)
    assert rig.counts.resyncs == 1
    assert rig.force_cancelled == ([0] if cancels else [])
    assert rig.book.takes_snapshot


def test_a_lost_feed_leaves_no_book_live() -> None:
    rig = Rig()
    rig.data.lose("line lost")
    assert rig.book.state is BookState.STALE
    assert rig.turn.changed == {0: rig.book}


def test_a_market_that_is_quiet_from_the_start_is_asked_for_its_snapshot() -> None:
    rig = Rig()
    rig.data.begin(CONNECTION)
    rig.data.step()
    assert rig.asked == []
    rig.after(NS_PER_S)
    rig.data.step()
    assert rig.asked == [FetchBook(0)]


def in_band() -> Rig:
    """A feed that begins with a snapshot and numbers nothing; the checksum is 0 of anything."""
    rig = Rig()
    feed = BookFeed(sync=SyncKind.CHECKSUMMED, depth=10)
    rig.data.books[0] = Book(0, sync_of(feed))
    rig.data.begin(CONNECTION)
    rig.data.on_snapshot(BookSnapshot(0, 0, [(100, 5)], [(102, 5)], checksum=0))
    assert rig.book.live
    assert rig.asked == []
    return rig


def answered(rig: Rig, command: Command) -> None:
    asked = InFlightRequest(1, command, 0, rig.turn.now_ns, rig.turn.now_ns + 10 * NS_PER_S)
    rig.data.on_reply(asked, Reply(request_id=1, verdict=Verdict.DONE))


def test_a_book_whose_feed_brings_snapshots_is_subscribed_anew_when_it_is_lost() -> None:
    rig = in_band().after(10 * NS_PER_S)
    venue_ns = rig.turn.now_ns + OFFSET_NS
    rig.data.on_delta(BookDelta(0, 0, 0, [(100, 6)], [], venue_ns, checksum=1))
    rig.data.resync(rig.book)
    assert rig.asked == [UnsubscribeBook(0)]
    answered(rig, UnsubscribeBook(0))
    assert rig.asked == [UnsubscribeBook(0), SubscribeBook(0)]
    answered(rig, SubscribeBook(0))
    rig.data.on_snapshot(BookSnapshot(0, 0, [(100, 6)], [(102, 5)], checksum=0))
    assert rig.book.live
    rig.after(10 * NS_PER_S).data.step()
    assert UnsubscribeBook(0) not in rig.asked[2:], "it stands"


def test_a_subscription_that_brings_no_snapshot_is_made_anew() -> None:
    rig = in_band()
    rig.data.begin(CONNECTION)
    rig.data.step()
    assert rig.asked == []
    rig.after(NS_PER_S).data.step()
    assert rig.asked == [UnsubscribeBook(0)]


def test_a_snapshot_of_the_feed_makes_a_book_as_fresh_as_any_change() -> None:
    rig = in_band().after(AGE_NS)
    rig.data.on_snapshot(BookSnapshot(0, 0, [(100, 5)], [(102, 5)]))
    assert rig.book.fresh_ns == rig.turn.now_ns


def test_a_book_on_which_something_is_ours_matters_more_than_others() -> None:
    rig = Rig()
    assert not rig.data._matters(0)
    rig.desk.open_orders = lambda index: ("an order",)
    assert rig.data._matters(0)
    rig.desk.open_orders = lambda index: ()
    rig.desk.position = lambda index: SimpleNamespace(lots=-1)
    assert rig.data._matters(0)
