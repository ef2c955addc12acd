"""The venue's list of open orders minus our table: what is missing, left over, or not ours."""

from core.model.commands import (
    BEGINNING,
    FetchAccount,
    FetchOpenOrders,
    OrderKind,
    Place,
    Since,
    TimeInForce,
)
from core.model.events import ExecType, OrderReport, OrdStatus, Side, Source
from core.model.units import NS_PER_S
from core.state.orders import Order, Orders
from core.state.reconcile import MOST_AT_ONCE, Pass, Watermark, compare
from venues.kit.names import Prefixed


def order(orders: Orders, sent_ns: int) -> Order:
    place = Place(0, orders.next_id(), Side.BUY, OrderKind.LIMIT, TimeInForce.GTC, 100, 5)
    return orders.add(place, sent_ns)


def listed(client_order_id: str) -> OrderReport:
    return OrderReport(
        instrument=0,
        client_order_id=client_order_id,
        venue_order_id="1",
        source=Source.RECONCILE,
        exec_type=ExecType.SNAPSHOT,
        status=OrdStatus.NEW,
        side=Side.BUY,
        price_ticks=100,
        size_lots=5,
        filled_lots=0,
    )


def difference(orders: Orders, reports, requested_ns: int):
    def known(client_order_id: str) -> bool:
        return orders.find(client_order_id) is not None

    return compare(orders.open(), reports, requested_ns, known, orders.is_ours)


def test_an_open_order_that_is_not_listed_is_missing():
    orders = Orders(Prefixed("hx-", 2))
    one, two = order(orders, 1), order(orders, 2)
    found = difference(orders, [listed(two.client_order_id)], requested_ns=10)
    assert found.missing == (one.client_order_id,)


def test_an_order_sent_after_the_question_cannot_be_missing():
    orders = Orders(Prefixed("hx-", 2))
    order(orders, 10)
    assert difference(orders, [], requested_ns=10).missing == ()


def test_an_order_of_an_earlier_boot_is_left_over():
    orders = Orders(Prefixed("hx-", 2))
    report = listed("hx-1-9")
    assert difference(orders, [report], 10).leftover == (report,)


def test_an_order_of_others_is_counted_and_nothing_else():
    found = difference(Orders(Prefixed("hx-", 2)), [listed("web_1"), listed("")], 10)
    assert found.foreign == 2
    assert found.leftover == ()


def test_a_finished_order_in_the_list_is_no_left_over():
    orders = Orders(Prefixed("hx-", 2))
    one = order(orders, 1)
    orders.on_refused(one, "")
    found = difference(orders, [listed(one.client_order_id)], 10)
    assert (found.missing, found.leftover, found.foreign) == ((), (), 0)


def test_a_known_order_in_the_list_hides_none_of_those_after_it():
    orders = Orders(Prefixed("hx-", 2))
    one = order(orders, 1)
    left = listed("hx-1-9")
    found = difference(orders, [listed(one.client_order_id), left, listed("web_1")], 10)
    assert (found.missing, found.leftover, found.foreign) == ((), (left,), 1)


def test_a_pass_that_has_not_begun_awaits_nothing():
    one = Pass()
    assert (one.running, one.failed, one.started_ns) == (False, False, 0)
    ask(one, 1)
    assert not one.answered(1, proved=True)


def test_a_new_pass_forgets_the_one_before():
    one = Pass()
    one.start(5)
    ask(one, 1)
    ask(one, 2)
    one.answered(1, proved=False)
    one.start(7)
    assert (one.running, one.failed, one.started_ns) == (True, False, 7)
    assert not one.answered(2, proved=True), "an answer to the old pass"
    ask(one, 3)
    assert one.answered(3, proved=True)
    assert one.running is False
    one.start(9)
    one.stop()
    assert one.running is False


def ask(one: Pass, request_id: int) -> None:
    one.want([FetchAccount()])
    if one.running:
        one.requested(request_id)


def test_a_pass_is_complete_when_every_answer_proved_something():
    one = Pass()
    one.start(0)
    ask(one, 1)
    ask(one, 2)
    assert not one.answered(1, proved=True)
    assert not one.answered(9, proved=True)
    assert one.answered(2, proved=True)
    assert not one.running


def test_a_pass_with_an_answer_that_proved_nothing_proves_nothing():
    one = Pass()
    one.start(0)
    ask(one, 1)
    ask(one, 2)
    one.answered(1, proved=False)
    assert not one.answered(2, proved=True)
    assert not one.running


def test_an_answer_to_an_abandoned_pass_counts_for_nothing():
    one = Pass()
    one.start(0)
    ask(one, 1)
    one.stop()
    assert not one.answered(1, proved=True)


def test_few_questions_of_a_pass_are_under_way_at_once():
    one = Pass()
    one.start(0)
    one.want([FetchOpenOrders(n) for n in range(MOST_AT_ONCE + 1)])
    for n in range(MOST_AT_ONCE):
        assert one.next() == FetchOpenOrders(n)
        one.requested(n + 1)
    assert one.next() is None
    assert not one.answered(1, proved=True)
    assert one.next() == FetchOpenOrders(MOST_AT_ONCE)


def test_a_pass_is_not_complete_while_something_is_still_to_be_asked():
    one = Pass()
    one.start(0)
    one.want([FetchAccount(), FetchAccount()])
    one.requested(1)
    assert not one.answered(1, proved=True)
    assert one.running
    one.requested(2)
    assert one.answered(2, proved=True)


def test_a_pass_that_was_given_up_asks_no_more():
    one = Pass()
    one.start(0)
    one.want([FetchAccount()])
    one.stop()
    assert one.next() is None
    one.want([FetchAccount()])
    assert one.next() is None


# -- up to where a history is complete -----------------------------------------------------------


def test_a_trade_is_settled_once_a_lagging_history_has_shown_all_before_it():
    mark = Watermark(Since("five", 5, 0))
    mark.saw("eight", 8, 100 * NS_PER_S)
    mark.saw("nine", 9, 130 * NS_PER_S)
    assert mark.settled(100 * NS_PER_S) == Since("five", 5, 0)
    assert mark.settled(102 * NS_PER_S) == Since("eight", 8, 100 * NS_PER_S)
    assert mark.settled(131 * NS_PER_S).rank == 8
    assert mark.settled(132 * NS_PER_S).rank == 9


def test_a_trade_that_is_shown_late_moves_nothing_back():
    mark = Watermark()
    mark.saw("nine", 9, 100 * NS_PER_S)
    mark.saw("seven", 7, 50 * NS_PER_S)
    assert mark.settled(60 * NS_PER_S) == BEGINNING
    assert mark.settled(200 * NS_PER_S).rank == 9


def test_nothing_is_settled_while_a_history_is_read_or_after_its_reading_was_broken_off():
    """Its pages come in any order: a new trade may be told while an older page is still to come."""
    mark = Watermark()
    mark.reads()
    mark.saw("newest, on the first page", 9, 100 * NS_PER_S)
    assert mark.settled(200 * NS_PER_S) == BEGINNING
    mark.read()
    assert mark.settled(200 * NS_PER_S).rank == 9
