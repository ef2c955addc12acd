"""Recovery by itself: what a pass asks, what its answers prove, and when a run has been left."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from core.engine.recovery import MAX_SINGLE, PATIENCE_NS, PERIOD_NS, RETRY_NS, Recovery
from core.engine.resolution import SKEW_NS
from core.engine.turn import Turn
from core.model.commands import (
    BEGINNING,
    Cancel,
    Command,
    FetchAccount,
    FetchOpenOrders,
    FetchOrders,
    FetchPositions,
    FetchTrades,
    OrderKind,
    Place,
    QueryOrder,
    Since,
    TimeInForce,
)
from core.model.events import (
    NO_INSTRUMENT,
    Event,
    ExecType,
    Fill,
    FillReport,
    OpenOrders,
    OrderReport,
    OrdersListed,
    OrdStatus,
    Reply,
    Scope,
    Side,
    Source,
    UnknownExecution,
    Verdict,
)
from core.model.instrument import InstrumentTable
from core.model.units import NS_PER_S
from core.state.inflight import InFlightRequest
from core.state.orders import Order, Orders
from core.state.throttle import Share
from tests.strategies.desk import instrument
from venues.kit.names import Prefixed

EXPIRY_NS, EXECUTION_NS, LAG_NS = 5 * NS_PER_S, 10 * NS_PER_S, 60 * NS_PER_S
START_NS = 1_000 * NS_PER_S
TRIP_NS = NS_PER_S
"""How well the venue's clock is known: to half of it."""
SCOPE = "scope-"


class Rig:
    """A recovery with its orders; whatever else it speaks to is noted."""

    def __init__(
        self,
        *,
        cancel_leftovers: bool = True,
        rising_ids: bool = True,
        asks_positions: bool = False,
        scope: Scope = Scope.INSTRUMENT,
        instruments: int = 1,
        expiry_ns: int | None = EXPIRY_NS,
    ) -> None:
        self.now_ns = START_NS
        self.orders = Orders(Prefixed(SCOPE, 1, 0))
        self.asked: dict[int, Command] = {}
        self.shares: list[Share | None] = []
        self.cancels: list[str] = []
        self.doubted: list[str] = []
        self.agreed: list[int] = []
        self.agrees = True
        self.log: list[str] = []
        self.turn = Turn(START_NS)
        retries = SimpleNamespace(query_now=lambda now_ns: None)
        resolution = SimpleNamespace(
            query_due=lambda now_ns, share: None,
            resolve=lambda name, now_ns: self.doubted.append(name),
            retries=retries,
            stream_since_ns=None,
        )
        parts: dict[str, Any] = {
            "outbound": SimpleNamespace(request=self._request),
            "turn": self.turn,
            "desk": SimpleNamespace(
                send_cancels=self._send_cancels,
                force_cancel=lambda _: self._send_cancels(list(self.orders.open())),
            ),
            "resolution": resolution,
            "clock": SimpleNamespace(offset_ns=0, known=True, round_trip_ns=TRIP_NS),
        }
        rows = [instrument(index=n, symbol=f"S{n}") for n in range(instruments)]
        self.table = InstrumentTable(rows)
        self.recovery = Recovery(
            table=self.table,
            orders=self.orders,
            expiry_ns=expiry_ns,
            execution_ns=EXECUTION_NS,
            lag_ns=LAG_NS,
            cancel_leftovers=cancel_leftovers,
            rising_ids=rising_ids,
            lists=scope,
            history=scope,
            asks_positions=asks_positions,
            log=self.log.append,
            **parts,
        )
        self._id = 0

    def _request(self, command: Command, now_ns: int, *, share: Share | None = None) -> int:
        self._id += 1
        self.asked[self._id] = command
        self.shares.append(share)
        return self._id

    def _send_cancels(self, orders: Sequence[Order]) -> None:
        for order in orders:
            self.cancels.append(order.client_order_id)
            order.cancelling = True

    @property
    def begun_anew(self) -> list[int]:
        return list(self.turn.renumbered)

    @property
    def baselines(self) -> list[Since | None]:
        return [baseline.newest for baseline in self.turn.baselines]

    @property
    def as_of_ns(self) -> int:
        return self.turn.baselines[-1].as_of_ns

    def after(self, seconds: float) -> None:
        self.now_ns += int(seconds * NS_PER_S)
        self.turn.now_ns = self.now_ns
        self.recovery.step(self.now_ns)

    def open(self) -> list[Command]:
        return list(self.asked.values())

    def answer(
        self, command: Command, *events: Event, verdict: Verdict = Verdict.DONE, more: str = ""
    ) -> list[Command]:
        """Answer a question that is under way; return what is asked upon that."""
        request_id = next(i for i, asked in self.asked.items() if asked == command)
        del self.asked[request_id]
        before = set(self.asked)
        for event in events:
            if isinstance(event, OpenOrders):
                self.recovery.on_open_orders(event)
                self.recovery.cancel_left()
            elif isinstance(event, FillReport):
                self.recovery.on_fill_report(event)
            elif isinstance(event, OrdersListed):
                self.recovery.on_orders(event)
        for report in self.turn.told:
            assert isinstance(report, OrderReport)
            self.orders.disown(report.instrument, report.venue_order_id)
        self.turn.told.clear()
        asked = InFlightRequest(request_id, command, 0, self.now_ns, self.now_ns + 10 * NS_PER_S)
        reply = Reply(request_id=request_id, verdict=verdict, events=events, more=more)
        as_of_ns = self.recovery.on_reply(asked, reply, self.now_ns)
        if as_of_ns is not None:
            self.agreed.append(as_of_ns)
            self.recovery.agreed(self.now_ns, agree=self.agrees)
        return [self.asked[i] for i in self.asked if i not in before]

    def answer_all(self) -> None:
        while self.asked:
            command = self.open()[0]
            if isinstance(command, FetchOpenOrders):
                self.answer(command, OpenOrders(command.instrument, ()))
            else:
                self.answer(command)

    def reconcile(self) -> Rig:
        self.recovery.begin(self.now_ns)
        self.recovery.step(self.now_ns)
        self.answer_all()
        assert self.recovery.reconciled
        return self

    def live(self, number: str = "7") -> Order:
        place = Place(0, self.orders.next_id(), Side.BUY, OrderKind.LIMIT, TimeInForce.GTC, 100, 10)
        order = self.orders.add(place, self.now_ns)
        self.orders.on_report(listed(order.client_order_id, number))
        return order


def listed(name: str, number: str = "7", **more: Any) -> OrderReport:
    values: dict[str, Any] = {
        "instrument": 0,
        "client_order_id": name,
        "venue_order_id": number,
        "source": Source.RECONCILE,
        "exec_type": ExecType.SNAPSHOT,
        "status": OrdStatus.NEW,
        "side": Side.BUY,
        "price_ticks": 100,
        "size_lots": 10,
        "filled_lots": 0,
    }
    return OrderReport(**(values | more))


def trade(rank: int, number: str, venue_ns: int = START_NS, trade_id: str = "") -> FillReport:
    fill = Fill(trade_id or str(rank), rank, 100, 1, 0, "USDT", True, venue_ns)
    return FillReport(0, number, Side.BUY, fill)


WHOLE = FetchOpenOrders(NO_INSTRUMENT)
HERE = FetchOpenOrders(0)


def begun(**options: Any) -> Rig:
    rig = Rig(**options)
    rig.recovery.begin(rig.now_ns)
    rig.recovery.step(rig.now_ns)
    return rig


# -- a pass ----------------------------------------------------------------------------------


def test_the_first_pass_lists_the_whole_account_and_the_later_ones_each_symbol() -> None:
    rig = begun()
    assert rig.open() == [FetchAccount(), WHOLE, FetchTrades(0, None)]
    rig.answer_all()
    rig.after(PERIOD_NS / NS_PER_S)
    assert HERE in rig.open()
    assert WHOLE not in rig.open()


def test_where_positions_are_the_truth_a_pass_asks_for_them_and_proves_nothing_without() -> None:
    rig = begun(asks_positions=True)
    assert rig.open() == [FetchAccount(), FetchPositions(), WHOLE, FetchTrades(0, None)]
    rig.answer(FetchPositions(), verdict=Verdict.UNKNOWN)
    rig.answer_all()
    assert not rig.recovery.reconciled


def test_what_is_counted_begins_no_later_than_the_first_question_surely_was() -> None:
    rig = begun()
    rig.answer(FetchTrades(0, None))
    assert rig.as_of_ns == START_NS - TRIP_NS // 2


def test_what_is_counted_begins_behind_the_newest_trade_that_was_told() -> None:
    rig = begun()
    rig.answer(FetchTrades(0, None), trade(3, "7", START_NS))
    assert rig.as_of_ns == START_NS


@pytest.mark.parametrize("verdict", [Verdict.UNKNOWN, Verdict.THROTTLED, Verdict.REFUSED])
def test_one_answer_that_proves_nothing_fails_the_pass(verdict: Verdict) -> None:
    rig = begun()
    rig.answer(FetchAccount(), verdict=verdict)
    rig.answer_all()
    assert not rig.recovery.reconciled
    rig.after(RETRY_NS / NS_PER_S)
    assert FetchAccount() in rig.open()


def test_an_answer_that_does_not_come_fails_the_pass() -> None:
    rig = begun()
    request_id, command = next(iter(rig.asked.items()))
    del rig.asked[request_id]
    rig.recovery.on_no_reply(InFlightRequest(request_id, command, 0, rig.now_ns, rig.now_ns))
    rig.answer_all()
    assert not rig.recovery.reconciled


def test_a_pass_whose_answers_are_missing_is_given_up_and_begun_again() -> None:
    rig = begun()
    rig.asked.clear()
    rig.after(PATIENCE_NS / NS_PER_S)
    assert rig.open() == []
    rig.after(0.1)
    assert FetchAccount() in rig.open()


def test_a_stream_that_is_lost_unproves_the_table_and_stops_the_pass() -> None:
    rig = Rig().reconcile()
    rig.recovery.suspend()
    assert not rig.recovery.reconciled
    rig.after(2 * PERIOD_NS / NS_PER_S)
    assert rig.open() == []


def test_what_a_dead_boot_sent_last_is_waited_for_before_anything_is_asked() -> None:
    rig = Rig()
    until_ns = rig.recovery.not_before(rig.now_ns)
    assert until_ns is not None
    assert until_ns == START_NS + EXPIRY_NS + SKEW_NS
    rig.recovery.begin(rig.now_ns)
    rig.recovery.step(rig.now_ns)
    assert rig.open() == []
    rig.after((until_ns - START_NS) / NS_PER_S)
    assert FetchAccount() in rig.open()


# -- pages -----------------------------------------------------------------------------------


def paging() -> Rig:
    rig = Rig().reconcile()
    rig.after(PERIOD_NS / NS_PER_S)
    return rig


def test_a_page_of_trades_is_followed_by_the_one_that_the_venue_names() -> None:
    rig = paging()
    order = rig.live("7")
    assert order.venue_order_id == "7"
    first, second = FetchTrades(0, BEGINNING), FetchTrades(0, BEGINNING, "two")
    assert rig.answer(first, trade(1, "7"), more="two") == [second]
    assert rig.answer(second, trade(2, "7")) == []


def test_a_pass_is_over_only_when_the_last_page_is_there() -> None:
    rig = begun()
    rig.answer_all()
    rig.recovery.begin(rig.now_ns)
    rig.after(1)
    rig.live("7")
    fetch = next(c for c in rig.open() if isinstance(c, FetchTrades))
    rig.answer(fetch, trade(1, "7"), more="two")
    rig.answer(FetchAccount())
    rig.answer(HERE, OpenOrders(0, ()))
    assert not rig.recovery.reconciled
    rig.answer_all()
    assert rig.recovery.reconciled


def test_orders_known_by_their_trades_alone_are_asked_for_by_pages_and_then_one_by_one() -> None:
    rig = paging()
    numbers = range(5_000, 5_000 + MAX_SINGLE + 5)
    trades = [trade(n, str(n)) for n in numbers]
    first = FetchOrders(0, "5000")
    assert rig.answer(FetchTrades(0, BEGINNING), *trades) == [first]
    strangers = tuple(listed("x", str(n)) for n in (4_001, 5_000))
    assert rig.answer(first, OrdersListed(0, strangers), more="5001") == [
        FetchOrders(0, "5001", "5001")
    ]
    rig.asked = {i: c for i, c in rig.asked.items() if isinstance(c, FetchOrders)}
    singles: list[Command] = rig.answer(FetchOrders(0, "5001", "5001"), OrdersListed(0, ()))
    for _ in range(2 * MAX_SINGLE):
        found = next((c for c in rig.open() if isinstance(c, QueryOrder)), None)
        if found is None:
            break
        singles += [c for c in rig.answer(found) if c not in singles]
    assert singles == [QueryOrder(0, "", str(n)) for n in numbers[1 : MAX_SINGLE + 1]]


def test_nothing_within_the_lag_of_a_history_is_settled() -> None:
    rig = paging()
    rig.answer(FetchTrades(0, BEGINNING), trade(3, "7", rig.now_ns))
    rig.after((LAG_NS + SKEW_NS) / NS_PER_S)
    assert rig.recovery.last_trade(0) == BEGINNING
    rig.answer_all()  # a pass, begun meanwhile
    rig.after(2)
    assert rig.recovery.last_trade(0).rank == 3


def test_a_history_that_lacks_what_it_has_told_of_lags_until_it_has_begun_anew() -> None:
    rig = Rig()
    rig.recovery.resume_trades(0, Since("5", 5, 0), Since("9", 9, rig.now_ns))
    rig.recovery.begin(rig.now_ns)
    rig.recovery.step(rig.now_ns)
    rig.answer_all()
    assert not rig.recovery.reconciled
    assert rig.begun_anew == []
    rig.after(LAG_NS / NS_PER_S + 1)
    rig.answer_all()
    assert rig.begun_anew == [0]
    assert rig.recovery.reconciled


def test_a_fill_that_is_found_by_asking_casts_doubt_on_its_order() -> None:
    rig = paging()
    order = rig.live("7")
    rig.answer(FetchTrades(0, BEGINNING), trade(3, "7"))
    assert rig.doubted == [order.client_order_id]


def place(rank: int, venue_ns: int) -> Since:
    return Since(str(rank), rank, venue_ns)


def of_account(**options: Any) -> Rig:
    return Rig(scope=Scope.ACCOUNT, instruments=20, rising_ids=False, **options)


def trade_on(instrument: int, venue_ns: int) -> FillReport:
    return replace(trade(venue_ns // NS_PER_S, "7", venue_ns, "T"), instrument=instrument)


def test_where_lists_and_histories_are_of_the_account_each_is_asked_for_once_for_all() -> None:
    rig = of_account()
    rig.recovery.begin(rig.now_ns)
    rig.recovery.step(rig.now_ns)
    assert rig.open() == [FetchAccount(), WHOLE, FetchTrades(NO_INSTRUMENT, None)]
    rig.answer_all()
    assert rig.recovery.reconciled
    assert rig.baselines == [None] * 20
    rig.after(PERIOD_NS / NS_PER_S)
    began = Since("", -1, rig.as_of_ns)
    assert rig.open() == [FetchAccount(), WHOLE, FetchTrades(NO_INSTRUMENT, began)]


def test_a_history_of_the_account_is_read_from_the_earliest_place_of_any_instrument() -> None:
    rig = of_account()
    for index in range(20):
        rig.recovery.resume_trades(index, place(90 + index, (90 + index) * NS_PER_S), None)
    rig.recovery.resume_trades(7, place(50, 50 * NS_PER_S), None)
    rig.recovery.begin(rig.now_ns)
    rig.recovery.step(rig.now_ns)
    assert rig.open()[-1] == FetchTrades(NO_INSTRUMENT, place(50, 50 * NS_PER_S))


def test_a_history_of_the_account_goes_on_by_time_where_an_instrument_does_not_trade() -> None:
    rig = of_account().reconcile()
    for _ in range(5):
        rig.after(PERIOD_NS / NS_PER_S)
        rig.answer_all()
    rig.after(PERIOD_NS / NS_PER_S)
    asked = rig.open()[-1]
    assert isinstance(asked, FetchTrades)
    assert asked.since is not None
    assert rig.now_ns - asked.since.venue_ns <= LAG_NS + SKEW_NS + PERIOD_NS + 4 * NS_PER_S
    assert rig.now_ns - asked.since.venue_ns > LAG_NS


def test_what_a_history_of_the_account_tells_late_is_told_before_anything_goes_on() -> None:
    rig = of_account().reconcile()
    rig.after(PERIOD_NS / NS_PER_S)
    rig.answer(WHOLE, OpenOrders(NO_INSTRUMENT, ()))
    rig.answer(FetchAccount())
    asked = rig.open()[-1]
    assert isinstance(asked, FetchTrades)
    began = asked.since
    page = FetchTrades(NO_INSTRUMENT, began, "two")
    assert rig.answer(asked, trade_on(3, rig.now_ns), more="two") == [page]
    assert rig.recovery.last_trade(4) == began, "one page is not all"
    rig.answer(page)
    rig.after(PERIOD_NS / NS_PER_S + LAG_NS / NS_PER_S + 10)
    rig.answer_all()
    rig.after(PERIOD_NS / NS_PER_S)
    assert rig.recovery.last_trade(3).trade_id == "T"
    assert rig.recovery.last_trade(4).trade_id == ""
    assert rig.recovery.last_trade(4).venue_ns > rig.now_ns - 3 * PERIOD_NS


@pytest.mark.parametrize("scope", [Scope.INSTRUMENT, Scope.ACCOUNT])
def test_a_pass_asks_nothing_about_what_the_venue_has_no_more(scope: Scope) -> None:
    rig = Rig(scope=scope, instruments=3, rising_ids=False).reconcile()
    rig.table.put(replace(rig.table[1], gone=True))
    rig.after(PERIOD_NS / NS_PER_S)
    asked = {getattr(command, "instrument", NO_INSTRUMENT) for command in rig.open()}
    assert asked == ({NO_INSTRUMENT} if scope is Scope.ACCOUNT else {NO_INSTRUMENT, 0, 2})
    rig.answer_all()
    assert rig.recovery.reconciled


def test_a_list_of_one_symbol_that_is_refused_for_good_keeps_no_run_from_being_left() -> None:
    rig = Rig(instruments=2).reconcile()
    rig.after(PERIOD_NS / NS_PER_S)
    rig.answer(HERE, verdict=Verdict.FATAL)
    assert not rig.recovery.unlisted


# -- lists -----------------------------------------------------------------------------------


def test_what_a_list_lacks_is_in_doubt() -> None:
    rig = Rig().reconcile()
    order = rig.live()
    rig.after(PERIOD_NS / NS_PER_S)
    rig.answer(HERE, OpenOrders(0, ()))
    assert rig.doubted == [order.client_order_id]


@pytest.mark.parametrize("cancels", [True, False])
def test_what_an_earlier_boot_left_is_taken_over_and_cancelled_where_that_is_wanted(
    cancels: bool,
) -> None:
    rig = begun(cancel_leftovers=cancels)
    name = f"{SCOPE}0-1"
    rig.answer(WHOLE, OpenOrders(NO_INSTRUMENT, (listed(name),)))
    assert rig.orders.find(name) is not None
    assert rig.cancels == ([name] if cancels else [])


def test_orders_of_others_are_counted_and_left_alone() -> None:
    rig = begun()
    rig.answer(WHOLE, OpenOrders(NO_INSTRUMENT, (listed("stranger"),)))
    rig.answer_all()
    assert sum(rig.recovery.foreign_orders.values()) == 1
    assert rig.cancels == []
    assert "reconciled: 0 of our orders open, 1 of others" in rig.log


def stray(instrument: int) -> UnknownExecution:
    return UnknownExecution(
        instrument=instrument,
        client_order_id=f"{SCOPE}0-9",
        venue_order_id="9",
        what="off the grid",
    )


def test_a_stray_is_cancelled_by_its_name_once() -> None:
    rig = Rig()
    rig.recovery.on_stray(stray(0))
    rig.recovery.on_stray(stray(0))
    assert rig.open() == [Cancel(0, f"{SCOPE}0-9", "")]


def test_a_stray_on_a_symbol_that_nobody_knows_is_told_to_a_person() -> None:
    rig = Rig()
    rig.recovery.on_stray(stray(NO_INSTRUMENT))
    assert rig.open() == []
    assert rig.log[0].startswith("LOOK AT THE VENUE")


# -- the ledgers -----------------------------------------------------------------------------


def test_the_ledgers_are_held_against_each_other_only_where_no_fill_crossed_the_pass() -> None:
    rig = begun()
    rig.recovery.on_fill(0, Fill("1", 1, 100, 1, 0, "USDT", True, START_NS))
    rig.answer_all()
    assert rig.agreed == []
    rig.after(PERIOD_NS / NS_PER_S)
    rig.answer_all()
    assert len(rig.agreed) == 1


def test_ledgers_that_differ_are_asked_about_soon_and_then_ever_more_seldom() -> None:
    rig = Rig()
    rig.agrees = False
    rig.reconcile()
    looks = []
    for _ in range(130 * 10):
        rig.after(0.1)
        if rig.asked:
            looks.append((rig.now_ns - START_NS) // NS_PER_S)
            rig.answer_all()
    assert looks[:6] == [1, 3, 7, 15, 31, 63]


# -- leaving ---------------------------------------------------------------------------------


def leaving() -> Rig:
    rig = Rig().reconcile()
    rig.recovery.leave(rig.now_ns)
    return rig


def empty(rig: Rig) -> None:
    rig.answer(WHOLE, OpenOrders(NO_INSTRUMENT, ()))


def test_a_run_has_left_when_the_whole_account_was_listed_empty_twice() -> None:
    rig = leaving()
    empty(rig)
    assert not rig.recovery.left
    rig.after(1)
    empty(rig)
    assert rig.recovery.left


def test_a_list_that_shows_something_of_ours_makes_the_count_begin_anew() -> None:
    rig = leaving()
    empty(rig)
    rig.after(1)
    rig.recovery.on_stray(stray(0))
    rig.asked = {i: c for i, c in rig.asked.items() if c == WHOLE}
    empty(rig)
    rig.after(3)
    empty(rig)
    assert not rig.recovery.left
    rig.after(1)
    empty(rig)
    assert rig.recovery.left


def test_no_list_proves_anything_before_what_a_dead_boot_sent_can_be_accepted_no_more() -> None:
    rig = Rig()
    rig.recovery.not_before(rig.now_ns)
    rig.recovery.leave(rig.now_ns)
    empty(rig)
    rig.after((EXPIRY_NS + SKEW_NS + EXECUTION_NS) / NS_PER_S - 0.5)
    assert rig.open() == []
    rig.after(0.5)
    empty(rig)
    assert not rig.recovery.left
    rig.after(1)
    empty(rig)
    assert rig.recovery.left


def test_where_requests_never_expire_nothing_is_waited_for_and_what_was_named_is_in_doubt() -> None:
    rig = Rig(expiry_ns=None)
    assert rig.recovery.not_before(rig.now_ns) is None
    rig.recovery.begin(rig.now_ns)
    rig.recovery.step(rig.now_ns)
    assert FetchAccount() in rig.open(), "no time makes a list prove more"
    rig = Rig(expiry_ns=None)
    rig.recovery.not_before(rig.now_ns)
    rig.recovery.leave(rig.now_ns)
    empty(rig)
    rig.after(1)
    empty(rig)
    assert rig.recovery.left, "no order of the journal is in doubt any more"


@pytest.mark.parametrize("elsewhere", [True, False], ids=["elsewhere", "damaged"])
def test_where_requests_never_expire_no_list_proves_that_nothing_unnamed_is_left(
    elsewhere: bool,
) -> None:
    rig = Rig(expiry_ns=None)
    if elsewhere:
        assert rig.recovery.not_before_elsewhere(rig.now_ns) is None
    else:
        rig.recovery.not_before(rig.now_ns, all_named=False)
    assert rig.recovery.not_before(rig.now_ns) is None, "what is named proves nothing of it"
    rig.recovery.leave(rig.now_ns)
    for _ in range(100):
        empty(rig)
        rig.after(60)
    assert not rig.recovery.left
    assert "LOOK AT THE VENUE" in rig.log[-1]


def test_open_orders_are_cancelled_and_nothing_is_listed_before_they_are_gone() -> None:
    rig = Rig().reconcile()
    order = rig.live()
    rig.recovery.leave(rig.now_ns)
    assert rig.cancels == [order.client_order_id]
    assert rig.open() == []


def test_what_the_exit_waits_for_is_asked_on_the_exits_own_share() -> None:
    rig = leaving()
    assert rig.shares[-1] is Share.RESOLUTION
    assert set(Rig().reconcile().shares) == {Share.QUESTION}


def test_a_list_that_is_refused_for_good_is_known_to_prove_nothing_ever() -> None:
    rig = leaving()
    rig.answer(WHOLE, verdict=Verdict.FATAL)
    assert rig.recovery.unlisted
    assert not rig.recovery.left
