"""What each verdict proves of an order, by itself: a reply in, the order and the doubts out."""

from __future__ import annotations

from typing import Any, cast

import pytest

from core.engine.outbound import Outbound
from core.engine.resolution import APART_NS, REST_NS, SKEW_NS, Resolution
from core.engine.turn import Turn
from core.model.commands import (
    Amend,
    Cancel,
    CancelAll,
    Command,
    FetchOpenOrders,
    FetchOrderTrades,
    OrderKind,
    Place,
    QueryOrder,
    Replace,
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
    OrdStatus,
    ReplaceOutcome,
    Reply,
    Scope,
    Side,
    Source,
    Verdict,
)
from core.model.units import NS_PER_S
from core.model.views import OrderState
from core.state.inflight import REST, InFlightRequest
from core.state.orders import Order, Orders
from core.state.retries import LONGEST_NS
from core.state.throttle import Share
from venues.kit.names import Prefixed

NOW_NS = 1_000 * NS_PER_S
EXPIRY_NS, EXECUTION_NS, LAG_NS = 5 * NS_PER_S, 10 * NS_PER_S, 60 * NS_PER_S


class Asking:
    """Stands for the way out; notes what is asked."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.shares: list[Share] = []
        self.inflight: list[InFlightRequest] = []
        self.spent = False
        """Whether there is no token for anything."""

    def request(self, command: Command, now_ns: int, *, share: Share) -> int:
        if self.spent:
            return 0
        self.commands.append(command)
        self.shares.append(share)
        return len(self.commands)


class Rig:
    """A proof, its orders, and what came of them."""

    def __init__(
        self,
        *,
        expiry_ns: int | None = EXPIRY_NS,
        tells_ns: int = 0,
        lists: Scope = Scope.INSTRUMENT,
    ) -> None:
        self.orders = Orders(Prefixed("scope-", 1, 0), reprices=True)
        self.out = Asking()
        self.turn = Turn(NOW_NS)
        self.log: list[str] = []
        self.resolution = Resolution(
            orders=self.orders,
            outbound=cast(Outbound, self.out),
            turn=self.turn,
            expiry_ns=expiry_ns,
            execution_ns=EXECUTION_NS,
            lag_ns=LAG_NS,
            tells_ns=tells_ns,
            lists=lists,
            end_with_connection=False,
            log=self.log.append,
        )

    def sent(self, price_ticks: int = 100, instrument: int = 0) -> Order:
        place = Place(
            instrument,
            self.orders.next_id(),
            Side.BUY,
            OrderKind.LIMIT,
            TimeInForce.GTC,
            price_ticks,
            10,
        )
        return self.orders.add(place, NOW_NS)

    def live(self, number: str = "7") -> Order:
        order = self.sent()
        self.orders.on_report(report(order, OrdStatus.NEW, number))
        assert order.state is OrderState.LIVE
        return order

    def told(
        self,
        command: Command,
        verdict: Verdict,
        *events: Event,
        sent_ns: int = NOW_NS,
        now_ns: int = 0,
        more: str = "",
    ) -> None:
        asked = InFlightRequest(1, command, 0, sent_ns, sent_ns + 10 * NS_PER_S)
        reply = Reply(request_id=1, verdict=verdict, events=events, more=more)
        self.resolution.on_reply(asked, reply, now_ns or sent_ns)

    def asks(self, now_ns: int) -> list[Command]:
        self.out.commands.clear()
        self.resolution.query_due(now_ns, Share.QUESTION)
        return self.out.commands

    def in_doubt(self, order: Order) -> bool:
        return order.client_order_id in self.resolution.retries


def report(order: Order, status: OrdStatus, number: str = "7", **more: Any) -> OrderReport:
    values: dict[str, Any] = {
        "instrument": order.instrument,
        "client_order_id": order.client_order_id,
        "venue_order_id": number,
        "side": order.side,
        "price_ticks": order.price_ticks,
        "size_lots": order.size_lots,
        "filled_lots": 0,
        "status": status,
        "exec_type": ExecType.NEW,
        "source": Source.QUERY,
    }
    return OrderReport(**(values | more))


def place_of(order: Order) -> Place:
    return Place(
        order.instrument,
        order.client_order_id,
        order.side,
        order.kind,
        order.tif,
        order.price_ticks,
        order.size_lots,
    )


def cancel_of(order: Order) -> Cancel:
    return Cancel(order.instrument, order.client_order_id, order.venue_order_id)


def query_of(order: Order) -> QueryOrder:
    return QueryOrder(order.instrument, order.client_order_id, order.venue_order_id)


# -- a new order -----------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", [Verdict.DONE, Verdict.UNKNOWN])
def test_a_place_that_is_done_without_a_report_or_unknown_is_in_doubt(verdict: Verdict) -> None:
    rig = Rig()
    order = rig.sent()
    rig.told(place_of(order), verdict)
    assert order.state is OrderState.UNKNOWN
    assert rig.in_doubt(order)
    assert rig.orders.exposure(0).open_buy_lots == 10


@pytest.mark.parametrize(
    "verdict", [Verdict.REFUSED, Verdict.THROTTLED, Verdict.BANNED, Verdict.FATAL]
)
def test_a_place_that_was_refused_ends_and_is_in_no_doubt(verdict: Verdict) -> None:
    rig = Rig()
    order = rig.sent()
    rig.told(place_of(order), verdict)
    assert order.state is OrderState.REJECTED
    assert not rig.in_doubt(order)
    assert rig.orders.exposure(0).open_buy_lots == 0


def test_a_place_that_a_report_has_proved_stays_out_of_doubt() -> None:
    rig = Rig()
    order = rig.live()
    rig.told(place_of(order), Verdict.DONE)
    assert order.state is OrderState.LIVE
    assert not rig.in_doubt(order)


TELLS_NS = 2 * NS_PER_S


def test_what_was_acknowledged_is_told_elsewhere_and_asked_about_only_if_it_is_not() -> None:
    """A venue may answer with ids alone, and tell how an order stands on another channel."""
    for is_told in (True, False):
        rig = Rig(tells_ns=TELLS_NS)
        order = rig.sent()
        rig.told(place_of(order), Verdict.DONE)
        assert order.state is not OrderState.UNKNOWN
        assert rig.asks(NOW_NS + TELLS_NS - 1) == []
        if is_told:
            rig.orders.on_report(report(order, OrdStatus.NEW))
        asked = rig.asks(NOW_NS + TELLS_NS)
        assert asked == ([] if is_told else [query_of(order)])
        assert rig.in_doubt(order) is not is_told
        assert (order.state is OrderState.UNKNOWN) is not is_told


def test_an_acknowledged_cancel_is_asked_about_where_the_order_stands_on() -> None:
    rig = Rig(tells_ns=TELLS_NS)
    order = rig.live()
    rig.told(cancel_of(order), Verdict.DONE)
    assert rig.asks(NOW_NS + TELLS_NS - 1) == []
    assert rig.asks(NOW_NS + TELLS_NS) == [query_of(order)]
    gone = rig.live("8")
    rig.told(cancel_of(gone), Verdict.DONE)
    rig.orders.on_report(report(gone, OrdStatus.CANCELED, "8"))
    assert query_of(gone) not in rig.asks(NOW_NS + TELLS_NS)
    assert not rig.in_doubt(gone)


def test_a_cancel_that_is_acknowledged_soon_after_its_place_is_not_settled_with_it() -> None:
    rig = Rig(tells_ns=TELLS_NS)
    order = rig.sent()
    rig.told(place_of(order), Verdict.DONE)
    rig.orders.on_report(report(order, OrdStatus.NEW))
    rig.told(cancel_of(order), Verdict.DONE, sent_ns=NOW_NS + NS_PER_S)
    assert rig.asks(NOW_NS + TELLS_NS) == [query_of(order)]


def test_an_acknowledged_amend_is_asked_about_where_the_size_stays() -> None:
    for is_told in (True, False):
        rig = Rig(tells_ns=TELLS_NS)
        order = rig.live()
        amend = Amend(order.instrument, order.client_order_id, order.venue_order_id, 5)
        rig.told(amend, Verdict.DONE)
        if is_told:
            rig.orders.on_report(
                report(order, OrdStatus.NEW, size_lots=5, exec_type=ExecType.REPLACED)
            )
        assert rig.asks(NOW_NS + TELLS_NS) == ([] if is_told else [query_of(order)])


def test_what_was_discarded_ends_without_a_doubt() -> None:
    rig = Rig()
    order = rig.sent()
    rig.resolution.on_discarded(InFlightRequest(1, place_of(order), 0, NOW_NS, NOW_NS), NOW_NS)
    assert order.state is OrderState.REJECTED
    assert not rig.in_doubt(order)


def test_an_answer_that_does_not_come_proves_nothing() -> None:
    rig = Rig()
    order = rig.sent()
    rig.resolution.on_no_reply(InFlightRequest(1, place_of(order), 0, NOW_NS, NOW_NS), NOW_NS)
    assert order.state is OrderState.UNKNOWN
    assert rig.in_doubt(order)


# -- cancels and amends ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "doubted"),
    [
        (Verdict.DONE, True),
        (Verdict.REFUSED, True),
        (Verdict.ABSENT, True),
        (Verdict.UNKNOWN, True),
        (Verdict.THROTTLED, False),
        (Verdict.BANNED, False),
    ],
)
def test_a_cancel_is_asked_about_unless_it_surely_did_nothing(
    verdict: Verdict, doubted: bool
) -> None:
    rig = Rig()
    order = rig.live()
    order.cancelling = True
    rig.told(cancel_of(order), verdict)
    assert order.state is OrderState.LIVE
    assert rig.in_doubt(order) is doubted
    assert not order.cancelling, "it may be cancelled again"


@pytest.mark.parametrize(
    ("verdict", "doubted"),
    [
        (Verdict.DONE, False),
        (Verdict.REFUSED, True),
        (Verdict.ABSENT, True),
        (Verdict.UNKNOWN, True),
        (Verdict.THROTTLED, False),
    ],
)
def test_an_amend_is_asked_about_where_it_is_not_known_what_it_did(
    verdict: Verdict, doubted: bool
) -> None:
    rig = Rig()
    order = rig.live()
    order.cancelling = True
    amend = Amend(order.instrument, order.client_order_id, order.venue_order_id, 5)
    rig.told(amend, verdict)
    assert rig.in_doubt(order) is doubted
    assert not order.cancelling


def moved(rig: Rig, order: Order, ticks: int = 90, lots: int = 15) -> Amend:
    """Have a move to another price and size leave."""
    rig.orders.amend(order, ticks, lots, NOW_NS)
    return Amend(order.instrument, order.client_order_id, order.venue_order_id, lots, ticks)


@pytest.mark.parametrize(
    ("verdict", "open_lots"),
    [
        (Verdict.REFUSED, 10),
        (Verdict.OUT_OF_BUDGET, 10),
        (Verdict.DISCARDED, 10),
        (Verdict.UNKNOWN, 15),
        (Verdict.DONE, 15),
    ],
)
def test_a_move_is_over_where_it_is_proved_not_to_have_been_made(
    verdict: Verdict, open_lots: int
) -> None:
    rig = Rig(tells_ns=TELLS_NS)
    order = rig.live()
    rig.told(moved(rig, order), verdict)
    assert order.open_lots == open_lots
    assert not order.cancelling


def test_an_acknowledged_move_is_asked_about_where_it_is_not_told() -> None:
    for is_told in (True, False):
        rig = Rig(tells_ns=TELLS_NS)
        order = rig.live()
        rig.told(moved(rig, order), Verdict.DONE)
        if is_told:
            stands: dict[str, Any] = {
                "price_ticks": 90,
                "size_lots": 15,
                "source": Source.STREAM,
            }
            rig.orders.on_report(report(order, OrdStatus.NEW, **stands))
        assert rig.asks(NOW_NS + TELLS_NS) == ([] if is_told else [query_of(order)])


def test_a_move_without_an_answer_is_asked_about_until_nothing_can_be_on_its_way() -> None:
    rig = Rig()
    order = rig.live()
    rig.told(moved(rig, order), Verdict.UNKNOWN)
    over_ns = NOW_NS + EXPIRY_NS + EXECUTION_NS + LAG_NS + SKEW_NS
    stands = report(order, OrdStatus.NEW, source=Source.QUERY)
    rig.told(query_of(order), Verdict.DONE, stands, sent_ns=over_ns)
    assert (order.open_lots, rig.in_doubt(order)) == (15, True)
    rig.told(query_of(order), Verdict.DONE, stands, sent_ns=over_ns + 1)
    assert (order.open_lots, rig.in_doubt(order)) == (10, False)


def test_a_move_that_nobody_told_of_is_found_where_the_order_stands_there() -> None:
    rig = Rig()
    order = rig.live()
    rig.told(moved(rig, order), Verdict.UNKNOWN)
    rig.resolution.stream_since_ns = NOW_NS - 1
    over_ns = NOW_NS + EXPIRY_NS + EXECUTION_NS + SKEW_NS
    stands = report(order, OrdStatus.NEW, source=Source.QUERY, price_ticks=90, size_lots=15)
    rig.told(query_of(order), Verdict.DONE, stands, sent_ns=over_ns + 1)
    assert (order.price_ticks, order.open_lots) == (90, 15)
    assert not rig.in_doubt(order)


def test_where_a_request_never_expires_only_the_stream_ends_a_move() -> None:
    rig = Rig(expiry_ns=None)
    order = rig.live()
    rig.told(moved(rig, order), Verdict.UNKNOWN)
    stands = report(order, OrdStatus.NEW, source=Source.QUERY)
    rig.told(query_of(order), Verdict.DONE, stands, sent_ns=NOW_NS + 86_400 * NS_PER_S)
    assert (order.open_lots, rig.in_doubt(order)) == (15, True)


def test_the_halves_of_a_replace_are_judged_one_by_one() -> None:
    rig = Rig()
    old, new = rig.live(), rig.sent(101)
    old.cancelling = True
    replace = Replace(cancel_of(old), place_of(new))
    outcome = ReplaceOutcome(cancel=Verdict.REFUSED, place=Verdict.REFUSED)
    rig.told(replace, Verdict.REFUSED, outcome)
    assert rig.in_doubt(old)
    assert new.state is OrderState.REJECTED
    assert not old.cancelling


def test_a_replace_that_nobody_answers_leaves_both_in_doubt() -> None:
    rig = Rig()
    old, new = rig.live(), rig.sent(101)
    rig.told(Replace(cancel_of(old), place_of(new)), Verdict.UNKNOWN)
    assert rig.in_doubt(old)
    assert rig.in_doubt(new)
    assert new.state is OrderState.UNKNOWN


def test_a_cancel_of_all_casts_doubt_on_every_order_of_its_instrument() -> None:
    rig = Rig()
    order = rig.live()
    rig.told(CancelAll(0), Verdict.DONE)
    assert rig.in_doubt(order)


# -- questions -------------------------------------------------------------------------------


def test_an_order_is_asked_about_by_its_number_and_then_by_its_name() -> None:
    rig = Rig()
    order = rig.live("7")
    rig.resolution.resolve(order.client_order_id, NOW_NS)
    assert rig.asks(NOW_NS) == [QueryOrder(0, order.client_order_id, "7")]
    rig.told(query_of(order), Verdict.ABSENT)
    assert rig.asks(NOW_NS + NS_PER_S) == [QueryOrder(0, order.client_order_id, "")]


def test_a_number_that_is_answered_with_somebody_elses_order_is_an_absence() -> None:
    rig = Rig()
    order = rig.live("7")
    rig.resolution.resolve(order.client_order_id, NOW_NS)
    other = report(order, OrdStatus.NEW, "7", client_order_id="somebody")
    rig.told(query_of(order), Verdict.DONE, other)
    assert rig.in_doubt(order)
    assert rig.asks(NOW_NS + NS_PER_S) == [QueryOrder(0, order.client_order_id, "")]


def test_an_order_whose_fills_are_not_booked_is_asked_for_its_trades_page_after_page() -> None:
    rig = Rig()
    order = rig.live("7")
    rig.orders.on_report(report(order, OrdStatus.PARTIALLY_FILLED, "7", filled_lots=4))
    rig.resolution.resolve(order.client_order_id, NOW_NS)
    assert rig.asks(NOW_NS) == [FetchOrderTrades(0, "7")]
    trade = FillReport(0, "99", Side.BUY, Fill("x", 1, 100, 1, 0, "USDT", True, 1))
    rig.out.commands.clear()
    rig.told(FetchOrderTrades(0, "7"), Verdict.DONE, trade, more="page two")
    assert rig.out.commands == [FetchOrderTrades(0, "7", "page two")]
    rig.out.commands.clear()
    rig.told(FetchOrderTrades(0, "7", "page two"), Verdict.DONE, trade)
    assert rig.out.commands == []
    assert rig.in_doubt(order), "what is not booked yet is asked for again"


def test_a_page_that_there_was_no_token_for_is_asked_for_before_the_first_one_again() -> None:
    rig = Rig()
    order = rig.live("7")
    rig.orders.on_report(report(order, OrdStatus.PARTIALLY_FILLED, "7", filled_lots=4))
    rig.resolution.resolve(order.client_order_id, NOW_NS)
    rig.asks(NOW_NS)
    rig.out.spent = True
    rig.told(FetchOrderTrades(0, "7"), Verdict.DONE, more="page two")
    rig.out.spent = False
    assert rig.asks(NOW_NS + LONGEST_NS) == [FetchOrderTrades(0, "7", "page two")]
    rig.told(FetchOrderTrades(0, "7", "page two"), Verdict.UNKNOWN)
    assert rig.asks(NOW_NS + 3 * LONGEST_NS) == [FetchOrderTrades(0, "7")]


def test_the_page_that_follows_is_asked_for_with_the_tokens_that_the_first_one_took() -> None:
    rig = Rig()
    order = rig.live("7")
    rig.orders.on_report(report(order, OrdStatus.PARTIALLY_FILLED, "7", filled_lots=4))
    rig.resolution.resolve(order.client_order_id, NOW_NS)
    rig.resolution.query_due(NOW_NS, Share.RESOLUTION)
    rig.told(FetchOrderTrades(0, "7"), Verdict.DONE, more="page two")
    assert rig.out.shares == [Share.RESOLUTION, Share.RESOLUTION]


def test_a_question_that_is_answered_ends_the_doubt_only_where_all_fills_are_booked() -> None:
    rig = Rig()
    order = rig.live("7")
    rig.resolution.resolve(order.client_order_id, NOW_NS)
    told = report(order, OrdStatus.PARTIALLY_FILLED, "7", filled_lots=4)
    rig.orders.on_report(told)
    rig.told(query_of(order), Verdict.DONE, told)
    assert rig.in_doubt(order)


# -- absence ---------------------------------------------------------------------------------


def absent(rig: Rig, order: Order, requested_ns: int) -> None:
    rig.told(query_of(order), Verdict.ABSENT, sent_ns=requested_ns)


def listed(rig: Rig, requested_ns: int, *reports: OrderReport) -> None:
    event = OpenOrders(0, reports)
    rig.told(FetchOpenOrders(0), Verdict.DONE, event, sent_ns=requested_ns)


LATE_NS = NOW_NS + EXPIRY_NS + EXECUTION_NS + LAG_NS + SKEW_NS


@pytest.fixture
def doubted() -> tuple[Rig, Order]:
    rig = Rig()
    order = rig.sent()
    rig.told(place_of(order), Verdict.UNKNOWN)
    return rig, order


def test_absence_is_believed_after_window_timeout_lag_and_skew_by_two_sources_apart(
    doubted: tuple[Rig, Order],
) -> None:
    rig, order = doubted
    absent(rig, order, LATE_NS + 1)
    listed(rig, LATE_NS + 1 + APART_NS)
    assert order.state is OrderState.REJECTED
    assert not rig.in_doubt(order)


@pytest.mark.parametrize(
    ("absent_ns", "listed_ns", "shown"),
    [
        (LATE_NS + 1, 0, False),
        (0, LATE_NS + 1 + APART_NS, False),
        (LATE_NS, LATE_NS + 2 * APART_NS, False),
        (LATE_NS + 1, LATE_NS + APART_NS, False),
        (LATE_NS + 1, LATE_NS + 1 + APART_NS, True),
    ],
    ids=["no list", "no question", "too soon", "not apart", "listed"],
)
def test_anything_less_proves_no_absence(
    doubted: tuple[Rig, Order], absent_ns: int, listed_ns: int, shown: bool
) -> None:
    rig, order = doubted
    if absent_ns:
        absent(rig, order, absent_ns)
    if listed_ns:
        listed(rig, listed_ns, *([report(order, OrdStatus.NEW)] if shown else []))
    assert order.state is OrderState.UNKNOWN
    assert rig.in_doubt(order)


def test_a_list_that_shows_an_order_begins_the_proof_of_its_absence_anew(
    doubted: tuple[Rig, Order],
) -> None:
    rig, order = doubted
    absent(rig, order, LATE_NS + 1)
    listed(rig, LATE_NS + 1 + APART_NS, report(order, OrdStatus.NEW))
    listed(rig, LATE_NS + 1 + 3 * APART_NS)
    assert order.state is OrderState.UNKNOWN


def test_a_stream_that_stood_since_before_the_order_lets_no_lag_count(
    doubted: tuple[Rig, Order],
) -> None:
    rig, order = doubted
    rig.resolution.stream_since_ns = NOW_NS - 1
    absent(rig, order, LATE_NS - LAG_NS + 1)
    listed(rig, LATE_NS - LAG_NS + 1 + APART_NS)
    assert order.state is OrderState.REJECTED


def test_what_proves_an_absence_is_asked_as_soon_as_it_does(doubted: tuple[Rig, Order]) -> None:
    rig, order = doubted
    soon_ns = LATE_NS - LONGEST_NS // 2
    for requested_ns in range(soon_ns - 12 * LONGEST_NS, soon_ns + 1, LONGEST_NS):
        rig.asks(requested_ns)  # at its longest gap by the last of them
        absent(rig, order, requested_ns)
    assert rig.asks(LATE_NS) == []
    assert rig.asks(LATE_NS + 1) == [query_of(order)]
    absent(rig, order, LATE_NS + 1)
    assert rig.asks(LATE_NS + APART_NS) == []
    assert rig.asks(LATE_NS + 1 + APART_NS) == [FetchOpenOrders(0)]


def test_without_a_window_no_absence_is_ever_believed() -> None:
    rig = Rig(expiry_ns=None)
    order = rig.sent()
    rig.told(place_of(order), Verdict.UNKNOWN)
    absent(rig, order, LATE_NS + 3_600 * NS_PER_S)
    listed(rig, LATE_NS + 7_200 * NS_PER_S)
    assert order.state is OrderState.UNKNOWN


def test_what_a_person_gives_up_ends_its_doubt_and_counts_again_where_the_venue_tells_of_it() -> (
    None
):
    rig = Rig(expiry_ns=None)
    order = rig.sent()
    rig.told(place_of(order), Verdict.UNKNOWN)
    rig.resolution.give_up(order)
    assert (order.state, order.reason) == (OrderState.REJECTED, "given up by the operator")
    assert not rig.in_doubt(order)
    rig.orders.on_report(report(order, OrdStatus.NEW, "7"))
    assert order.state is OrderState.LIVE


def test_one_list_is_asked_for_however_many_orders_of_an_instrument_want_it() -> None:
    rig = Rig()
    for _ in range(3):
        order = rig.sent()
        rig.told(place_of(order), Verdict.UNKNOWN)
        absent(rig, order, LATE_NS + 1)
    assert rig.asks(LATE_NS + 1 + APART_NS) == [FetchOpenOrders(0)]


def test_where_lists_are_of_the_account_one_is_asked_for_whatever_the_instruments() -> None:
    rig = Rig(lists=Scope.ACCOUNT)
    for instrument in (0, 1, 2):
        order = rig.sent(instrument=instrument)
        rig.told(place_of(order), Verdict.UNKNOWN)
        absent(rig, order, LATE_NS + 1)
    assert rig.asks(LATE_NS + 1 + APART_NS) == [FetchOpenOrders(NO_INSTRUMENT)]
    event = OpenOrders(NO_INSTRUMENT, ())
    requested_ns = LATE_NS + 1 + APART_NS
    rig.told(FetchOpenOrders(NO_INSTRUMENT), Verdict.DONE, event, sent_ns=requested_ns)
    assert {order.state for order in rig.orders.unsettled()} <= {OrderState.REJECTED}
    assert not len(rig.orders)


def test_rest_is_not_asked_again_about_an_order_while_its_answer_may_be_on_its_way() -> None:
    rig = Rig()
    order = rig.live()
    query = QueryOrder(0, order.client_order_id, "7")
    rig.resolution.resolve(order.client_order_id, NOW_NS)
    rig.out.inflight = [InFlightRequest(7, query, REST, NOW_NS, NOW_NS + 10 * NS_PER_S)]
    assert rig.asks(NOW_NS + REST_NS - 1) == []
    assert rig.asks(NOW_NS + 2 * REST_NS) == [query]
    rig.out.inflight = [InFlightRequest(8, query, 1, NOW_NS + 4 * REST_NS, NOW_NS + 20 * NS_PER_S)]
    assert rig.asks(NOW_NS + 4 * REST_NS) == [query], "what a line loses is asked for again"
