"""What each verdict proves of an order, by itself: a reply in, the order and the doubts out."""

from __future__ import annotations

from typing import Any, cast

import pytest

from core.engine.outbound import Outbound
from core.engine.proof import APART_NS, REST_NS, SKEW_NS, Proof
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
    Change,
    Event,
    Fill,
    FillReport,
    OpenOrders,
    OrderReport,
    ReplaceOutcome,
    Reply,
    Scope,
    Side,
    Source,
    VenueStatus,
    Verdict,
)
from core.model.units import NS_PER_S
from core.model.views import OrderState
from core.state.doubts import LONGEST_NS
from core.state.inflight import REST, Asked
from core.state.orders import Order, Orders
from core.state.throttle import Share
from venues.kit.names import Prefixed

NOW_NS = 1_000 * NS_PER_S
EXPIRY_NS, EXECUTION_NS, LAG_NS = 5 * NS_PER_S, 10 * NS_PER_S, 60 * NS_PER_S


class Asking:
    """Stands for the way out; notes what is asked."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.shares: list[Share] = []
        self.inflight: list[Asked] = []
        self.spent = False
        """Whether there is no token for anything."""

    def request(self, command: Command, now_ns: int, *, share: Share) -> int:
        if self.spent:
            return 0
        self.commands.append(command)
        self.shares.append(share)
        return len(self.commands)


class House:
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
        self.proof = Proof(
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
        self.orders.on_report(report(order, VenueStatus.NEW, number))
        assert order.state is OrderState.LIVE
        return order

    def told(
        self,
        command: Command,
        verdict: Verdict,
        *facts: Event,
        sent_ns: int = NOW_NS,
        now_ns: int = 0,
        more: str = "",
    ) -> None:
        asked = Asked(1, command, 0, sent_ns, sent_ns + 10 * NS_PER_S)
        reply = Reply(request_id=1, verdict=verdict, facts=facts, more=more)
        self.proof.on_reply(asked, reply, now_ns or sent_ns)

    def asks(self, now_ns: int) -> list[Command]:
        self.out.commands.clear()
        self.proof.ask(now_ns, Share.QUESTION)
        return self.out.commands

    def in_doubt(self, order: Order) -> bool:
        return order.client_order_id in self.proof.doubts


def report(order: Order, status: VenueStatus, number: str = "7", **more: Any) -> OrderReport:
    values: dict[str, Any] = {
        "instrument": order.instrument,
        "client_order_id": order.client_order_id,
        "venue_order_id": number,
        "side": order.side,
        "price_ticks": order.price_ticks,
        "size_lots": order.size_lots,
        "filled_lots": 0,
        "status": status,
        "change": Change.NEW,
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
    house = House()
    order = house.sent()
    house.told(place_of(order), verdict)
    assert order.state is OrderState.UNKNOWN
    assert house.in_doubt(order)
    assert house.orders.exposure(0).open_buy_lots == 10


@pytest.mark.parametrize(
    "verdict", [Verdict.REFUSED, Verdict.THROTTLED, Verdict.BANNED, Verdict.FATAL]
)
def test_a_place_that_was_refused_ends_and_is_in_no_doubt(verdict: Verdict) -> None:
    house = House()
    order = house.sent()
    house.told(place_of(order), verdict)
    assert order.state is OrderState.REJECTED
    assert not house.in_doubt(order)
    assert house.orders.exposure(0).open_buy_lots == 0


def test_a_place_that_a_report_has_proved_stays_out_of_doubt() -> None:
    house = House()
    order = house.live()
    house.told(place_of(order), Verdict.DONE)
    assert order.state is OrderState.LIVE
    assert not house.in_doubt(order)


TELLS_NS = 2 * NS_PER_S


def test_what_was_acknowledged_is_told_elsewhere_and_asked_about_only_if_it_is_not() -> None:
    """A venue may answer with ids alone, and tell how an order stands on another channel."""
    for is_told in (True, False):
        house = House(tells_ns=TELLS_NS)
        order = house.sent()
        house.told(place_of(order), Verdict.DONE)
        assert order.state is not OrderState.UNKNOWN
        assert house.asks(NOW_NS + TELLS_NS - 1) == []
        if is_told:
            house.orders.on_report(report(order, VenueStatus.NEW))
        asked = house.asks(NOW_NS + TELLS_NS)
        assert asked == ([] if is_told else [query_of(order)])
        assert house.in_doubt(order) is not is_told
        assert (order.state is OrderState.UNKNOWN) is not is_told


def test_an_acknowledged_cancel_is_asked_about_where_the_order_stands_on() -> None:
    house = House(tells_ns=TELLS_NS)
    order = house.live()
    house.told(cancel_of(order), Verdict.DONE)
    assert house.asks(NOW_NS + TELLS_NS - 1) == []
    assert house.asks(NOW_NS + TELLS_NS) == [query_of(order)]
    gone = house.live("8")
    house.told(cancel_of(gone), Verdict.DONE)
    house.orders.on_report(report(gone, VenueStatus.CANCELED, "8"))
    assert query_of(gone) not in house.asks(NOW_NS + TELLS_NS)
    assert not house.in_doubt(gone)


def test_a_cancel_that_is_acknowledged_soon_after_its_place_is_not_settled_with_it() -> None:
    house = House(tells_ns=TELLS_NS)
    order = house.sent()
    house.told(place_of(order), Verdict.DONE)
    house.orders.on_report(report(order, VenueStatus.NEW))
    house.told(cancel_of(order), Verdict.DONE, sent_ns=NOW_NS + NS_PER_S)
    assert house.asks(NOW_NS + TELLS_NS) == [query_of(order)]


def test_an_acknowledged_amend_is_asked_about_where_the_size_stays() -> None:
    for is_told in (True, False):
        house = House(tells_ns=TELLS_NS)
        order = house.live()
        amend = Amend(order.instrument, order.client_order_id, order.venue_order_id, 5)
        house.told(amend, Verdict.DONE)
        if is_told:
            house.orders.on_report(
                report(order, VenueStatus.NEW, size_lots=5, change=Change.REPLACED)
            )
        assert house.asks(NOW_NS + TELLS_NS) == ([] if is_told else [query_of(order)])


def test_what_was_withheld_ends_without_a_doubt() -> None:
    house = House()
    order = house.sent()
    house.proof.on_withheld(Asked(1, place_of(order), 0, NOW_NS, NOW_NS), NOW_NS)
    assert order.state is OrderState.REJECTED
    assert not house.in_doubt(order)


def test_an_answer_that_does_not_come_proves_nothing() -> None:
    house = House()
    order = house.sent()
    house.proof.on_no_reply(Asked(1, place_of(order), 0, NOW_NS, NOW_NS), NOW_NS)
    assert order.state is OrderState.UNKNOWN
    assert house.in_doubt(order)


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
    house = House()
    order = house.live()
    order.cancelling = True
    house.told(cancel_of(order), verdict)
    assert order.state is OrderState.LIVE
    assert house.in_doubt(order) is doubted
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
    house = House()
    order = house.live()
    order.cancelling = True
    amend = Amend(order.instrument, order.client_order_id, order.venue_order_id, 5)
    house.told(amend, verdict)
    assert house.in_doubt(order) is doubted
    assert not order.cancelling


def moved(house: House, order: Order, ticks: int = 90, lots: int = 15) -> Amend:
    """Have a move to another price and size leave."""
    house.orders.amend(order, ticks, lots, NOW_NS)
    return Amend(order.instrument, order.client_order_id, order.venue_order_id, lots, ticks)


@pytest.mark.parametrize(
    ("verdict", "open_lots"),
    [
        (Verdict.REFUSED, 10),
        (Verdict.OUT_OF_BUDGET, 10),
        (Verdict.WITHHELD, 10),
        (Verdict.UNKNOWN, 15),
        (Verdict.DONE, 15),
    ],
)
def test_a_move_is_over_where_it_is_proved_not_to_have_been_made(
    verdict: Verdict, open_lots: int
) -> None:
    house = House(tells_ns=TELLS_NS)
    order = house.live()
    house.told(moved(house, order), verdict)
    assert order.open_lots == open_lots
    assert not order.cancelling


def test_an_acknowledged_move_is_asked_about_where_it_is_not_told() -> None:
    for is_told in (True, False):
        house = House(tells_ns=TELLS_NS)
        order = house.live()
        house.told(moved(house, order), Verdict.DONE)
        if is_told:
            stands: dict[str, Any] = {
                "price_ticks": 90,
                "size_lots": 15,
                "source": Source.STREAM,
            }
            house.orders.on_report(report(order, VenueStatus.NEW, **stands))
        assert house.asks(NOW_NS + TELLS_NS) == ([] if is_told else [query_of(order)])


def test_a_move_without_an_answer_is_asked_about_until_nothing_can_be_on_its_way() -> None:
    house = House()
    order = house.live()
    house.told(moved(house, order), Verdict.UNKNOWN)
    over_ns = NOW_NS + EXPIRY_NS + EXECUTION_NS + LAG_NS + SKEW_NS
    stands = report(order, VenueStatus.NEW, source=Source.QUERY)
    house.told(query_of(order), Verdict.DONE, stands, sent_ns=over_ns)
    assert (order.open_lots, house.in_doubt(order)) == (15, True)
    house.told(query_of(order), Verdict.DONE, stands, sent_ns=over_ns + 1)
    assert (order.open_lots, house.in_doubt(order)) == (10, False)


def test_a_move_that_nobody_told_of_is_found_where_the_order_stands_there() -> None:
    house = House()
    order = house.live()
    house.told(moved(house, order), Verdict.UNKNOWN)
    house.proof.stream_since_ns = NOW_NS - 1
    over_ns = NOW_NS + EXPIRY_NS + EXECUTION_NS + SKEW_NS
    stands = report(order, VenueStatus.NEW, source=Source.QUERY, price_ticks=90, size_lots=15)
    house.told(query_of(order), Verdict.DONE, stands, sent_ns=over_ns + 1)
    assert (order.price_ticks, order.open_lots) == (90, 15)
    assert not house.in_doubt(order)


def test_where_a_request_never_expires_only_the_stream_ends_a_move() -> None:
    house = House(expiry_ns=None)
    order = house.live()
    house.told(moved(house, order), Verdict.UNKNOWN)
    stands = report(order, VenueStatus.NEW, source=Source.QUERY)
    house.told(query_of(order), Verdict.DONE, stands, sent_ns=NOW_NS + 86_400 * NS_PER_S)
    assert (order.open_lots, house.in_doubt(order)) == (15, True)


def test_the_halves_of_a_replace_are_judged_one_by_one() -> None:
    house = House()
    old, new = house.live(), house.sent(101)
    old.cancelling = True
    replace = Replace(cancel_of(old), place_of(new))
    outcome = ReplaceOutcome(cancel=Verdict.REFUSED, place=Verdict.REFUSED)
    house.told(replace, Verdict.REFUSED, outcome)
    assert house.in_doubt(old)
    assert new.state is OrderState.REJECTED
    assert not old.cancelling


def test_a_replace_that_nobody_answers_leaves_both_in_doubt() -> None:
    house = House()
    old, new = house.live(), house.sent(101)
    house.told(Replace(cancel_of(old), place_of(new)), Verdict.UNKNOWN)
    assert house.in_doubt(old)
    assert house.in_doubt(new)
    assert new.state is OrderState.UNKNOWN


def test_a_cancel_of_all_casts_doubt_on_every_order_of_its_instrument() -> None:
    house = House()
    order = house.live()
    house.told(CancelAll(0), Verdict.DONE)
    assert house.in_doubt(order)


# -- questions -------------------------------------------------------------------------------


def test_an_order_is_asked_about_by_its_number_and_then_by_its_name() -> None:
    house = House()
    order = house.live("7")
    house.proof.doubt(order.client_order_id, NOW_NS)
    assert house.asks(NOW_NS) == [QueryOrder(0, order.client_order_id, "7")]
    house.told(query_of(order), Verdict.ABSENT)
    assert house.asks(NOW_NS + NS_PER_S) == [QueryOrder(0, order.client_order_id, "")]


def test_a_number_that_is_answered_with_somebody_elses_order_is_an_absence() -> None:
    house = House()
    order = house.live("7")
    house.proof.doubt(order.client_order_id, NOW_NS)
    other = report(order, VenueStatus.NEW, "7", client_order_id="somebody")
    house.told(query_of(order), Verdict.DONE, other)
    assert house.in_doubt(order)
    assert house.asks(NOW_NS + NS_PER_S) == [QueryOrder(0, order.client_order_id, "")]


def test_an_order_whose_fills_are_not_booked_is_asked_for_its_trades_page_after_page() -> None:
    house = House()
    order = house.live("7")
    house.orders.on_report(report(order, VenueStatus.PARTIALLY_FILLED, "7", filled_lots=4))
    house.proof.doubt(order.client_order_id, NOW_NS)
    assert house.asks(NOW_NS) == [FetchOrderTrades(0, "7")]
    trade = FillReport(0, "99", Side.BUY, Fill("x", 1, 100, 1, 0, "USDT", True, 1))
    house.out.commands.clear()
    house.told(FetchOrderTrades(0, "7"), Verdict.DONE, trade, more="page two")
    assert house.out.commands == [FetchOrderTrades(0, "7", "page two")]
    house.out.commands.clear()
    house.told(FetchOrderTrades(0, "7", "page two"), Verdict.DONE, trade)
    assert house.out.commands == []
    assert house.in_doubt(order), "what is not booked yet is asked for again"


def test_a_page_that_there_was_no_token_for_is_asked_for_before_the_first_one_again() -> None:
    house = House()
    order = house.live("7")
    house.orders.on_report(report(order, VenueStatus.PARTIALLY_FILLED, "7", filled_lots=4))
    house.proof.doubt(order.client_order_id, NOW_NS)
    house.asks(NOW_NS)
    house.out.spent = True
    house.told(FetchOrderTrades(0, "7"), Verdict.DONE, more="page two")
    house.out.spent = False
    assert house.asks(NOW_NS + LONGEST_NS) == [FetchOrderTrades(0, "7", "page two")]
    house.told(FetchOrderTrades(0, "7", "page two"), Verdict.UNKNOWN)
    assert house.asks(NOW_NS + 3 * LONGEST_NS) == [FetchOrderTrades(0, "7")]


def test_the_page_that_follows_is_asked_for_with_the_tokens_that_the_first_one_took() -> None:
    house = House()
    order = house.live("7")
    house.orders.on_report(report(order, VenueStatus.PARTIALLY_FILLED, "7", filled_lots=4))
    house.proof.doubt(order.client_order_id, NOW_NS)
    house.proof.ask(NOW_NS, Share.PROOF)
    house.told(FetchOrderTrades(0, "7"), Verdict.DONE, more="page two")
    assert house.out.shares == [Share.PROOF, Share.PROOF]


def test_a_question_that_is_answered_ends_the_doubt_only_where_all_fills_are_booked() -> None:
    house = House()
    order = house.live("7")
    house.proof.doubt(order.client_order_id, NOW_NS)
    told = report(order, VenueStatus.PARTIALLY_FILLED, "7", filled_lots=4)
    house.orders.on_report(told)
    house.told(query_of(order), Verdict.DONE, told)
    assert house.in_doubt(order)


# -- absence ---------------------------------------------------------------------------------


def absent(house: House, order: Order, asked_ns: int) -> None:
    house.told(query_of(order), Verdict.ABSENT, sent_ns=asked_ns)


def listed(house: House, asked_ns: int, *reports: OrderReport) -> None:
    fact = OpenOrders(0, reports)
    house.told(FetchOpenOrders(0), Verdict.DONE, fact, sent_ns=asked_ns)


LATE_NS = NOW_NS + EXPIRY_NS + EXECUTION_NS + LAG_NS + SKEW_NS


@pytest.fixture
def doubted() -> tuple[House, Order]:
    house = House()
    order = house.sent()
    house.told(place_of(order), Verdict.UNKNOWN)
    return house, order


def test_absence_is_believed_after_window_timeout_lag_and_skew_by_two_sources_apart(
    doubted: tuple[House, Order],
) -> None:
    house, order = doubted
    absent(house, order, LATE_NS + 1)
    listed(house, LATE_NS + 1 + APART_NS)
    assert order.state is OrderState.REJECTED
    assert not house.in_doubt(order)


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
    doubted: tuple[House, Order], absent_ns: int, listed_ns: int, shown: bool
) -> None:
    house, order = doubted
    if absent_ns:
        absent(house, order, absent_ns)
    if listed_ns:
        listed(house, listed_ns, *([report(order, VenueStatus.NEW)] if shown else []))
    assert order.state is OrderState.UNKNOWN
    assert house.in_doubt(order)


def test_a_list_that_shows_an_order_begins_the_proof_of_its_absence_anew(
    doubted: tuple[House, Order],
) -> None:
    house, order = doubted
    absent(house, order, LATE_NS + 1)
    listed(house, LATE_NS + 1 + APART_NS, report(order, VenueStatus.NEW))
    listed(house, LATE_NS + 1 + 3 * APART_NS)
    assert order.state is OrderState.UNKNOWN


def test_a_stream_that_stood_since_before_the_order_lets_no_lag_count(
    doubted: tuple[House, Order],
) -> None:
    house, order = doubted
    house.proof.stream_since_ns = NOW_NS - 1
    absent(house, order, LATE_NS - LAG_NS + 1)
    listed(house, LATE_NS - LAG_NS + 1 + APART_NS)
    assert order.state is OrderState.REJECTED


def test_what_proves_an_absence_is_asked_as_soon_as_it_does(doubted: tuple[House, Order]) -> None:
    house, order = doubted
    soon_ns = LATE_NS - LONGEST_NS // 2
    for asked_ns in range(soon_ns - 12 * LONGEST_NS, soon_ns + 1, LONGEST_NS):
        house.asks(asked_ns)  # at its longest gap by the last of them
        absent(house, order, asked_ns)
    assert house.asks(LATE_NS) == []
    assert house.asks(LATE_NS + 1) == [query_of(order)]
    absent(house, order, LATE_NS + 1)
    assert house.asks(LATE_NS + APART_NS) == []
    assert house.asks(LATE_NS + 1 + APART_NS) == [FetchOpenOrders(0)]


def test_without_a_window_no_absence_is_ever_believed() -> None:
    house = House(expiry_ns=None)
    order = house.sent()
    house.told(place_of(order), Verdict.UNKNOWN)
    absent(house, order, LATE_NS + 3_600 * NS_PER_S)
    listed(house, LATE_NS + 7_200 * NS_PER_S)
    assert order.state is OrderState.UNKNOWN


def test_what_a_person_gives_up_ends_its_doubt_and_counts_again_where_the_venue_tells_of_it() -> (
    None
):
    house = House(expiry_ns=None)
    order = house.sent()
    house.told(place_of(order), Verdict.UNKNOWN)
    house.proof.give_up(order)
    assert (order.state, order.reason) == (OrderState.REJECTED, "given up by the operator")
    assert not house.in_doubt(order)
    house.orders.on_report(report(order, VenueStatus.NEW, "7"))
    assert order.state is OrderState.LIVE


def test_one_list_is_asked_for_however_many_orders_of_an_instrument_want_it() -> None:
    house = House()
    for _ in range(3):
        order = house.sent()
        house.told(place_of(order), Verdict.UNKNOWN)
        absent(house, order, LATE_NS + 1)
    assert house.asks(LATE_NS + 1 + APART_NS) == [FetchOpenOrders(0)]


def test_where_lists_are_of_the_account_one_is_asked_for_whatever_the_instruments() -> None:
    house = House(lists=Scope.ACCOUNT)
    for instrument in (0, 1, 2):
        order = house.sent(instrument=instrument)
        house.told(place_of(order), Verdict.UNKNOWN)
        absent(house, order, LATE_NS + 1)
    assert house.asks(LATE_NS + 1 + APART_NS) == [FetchOpenOrders(NO_INSTRUMENT)]
    fact = OpenOrders(NO_INSTRUMENT, ())
    asked_ns = LATE_NS + 1 + APART_NS
    house.told(FetchOpenOrders(NO_INSTRUMENT), Verdict.DONE, fact, sent_ns=asked_ns)
    assert {order.state for order in house.orders.unsettled()} <= {OrderState.REJECTED}
    assert not len(house.orders)


def test_rest_is_not_asked_again_about_an_order_while_its_answer_may_be_on_its_way() -> None:
    house = House()
    order = house.live()
    query = QueryOrder(0, order.client_order_id, "7")
    house.proof.doubt(order.client_order_id, NOW_NS)
    house.out.inflight = [Asked(7, query, REST, NOW_NS, NOW_NS + 10 * NS_PER_S)]
    assert house.asks(NOW_NS + REST_NS - 1) == []
    assert house.asks(NOW_NS + 2 * REST_NS) == [query]
    house.out.inflight = [Asked(8, query, 1, NOW_NS + 4 * REST_NS, NOW_NS + 20 * NS_PER_S)]
    assert house.asks(NOW_NS + 4 * REST_NS) == [query], "what a line loses is asked for again"
