"""A whole run that sends several orders, and several cancels, in one request each."""

from __future__ import annotations

from typing import Any

import pytest

from core.model.commands import OrderKind
from core.model.events import Side
from core.model.strategy import NewOrder, Quote
from core.model.views import OrderState, Refusal, RefusalReason, SessionState
from core.state.orders import Order
from tests.venues.kraken.tank import LOTS, TRADE, KrakenTank, traded
from tests.venues.kraken.test_amend_run import lose, stands
from tests.world.test_continuity import crashed
from venues.sim.kraken import trading
from venues.sim.kraken.limits import Tier

BUY, SELL = Side.BUY, Side.SELL
TWO = (NewOrder(BUY, 299_000, LOTS), NewOrder(SELL, 301_000, LOTS))


def place(w: KrakenTank, *orders: NewOrder) -> list[Any]:
    answers: list[Any] = w.act(w.desk.place_all, 0, orders)
    return answers


def many(count: int) -> list[NewOrder]:
    return [NewOrder(BUY, 290_000 + number, LOTS) for number in range(count)]


def placed(w: KrakenTank, count: int) -> list[Order]:
    orders = place(w, *many(count))
    w.run(0.1)
    assert all(order.state is OrderState.LIVE for order in orders)
    return orders


def test_orders_of_one_callback_leave_in_one_request() -> None:
    w = traded()
    orders = place(w, *TWO)
    w.run(0.1)
    assert w.methods().count("batch_add") == 1
    assert "add_order" not in w.methods()
    assert [order.price_ticks for order in orders] == [299_000, 301_000]
    assert all(order.state is OrderState.LIVE for order in orders)
    assert stands(w) == [(299_000, LOTS), (301_000, LOTS)]


def test_more_than_the_venue_takes_leave_in_several() -> None:
    w = traded()
    w.desk._most_places = 2
    placed(w, 5)
    assert w.methods().count("batch_add") == 2
    assert w.methods().count("add_order") == 1
    assert len(stands(w)) == 5


def test_of_a_batch_that_the_budget_does_not_take_as_much_leaves_as_it_does() -> None:
    w = KrakenTank()
    exchange: Any = w.venue.exchange
    exchange.tiers[w.account.number] = Tier.STARTER
    w.trading()
    answers = place(w, *many(9))
    left = [answer for answer in answers if not isinstance(answer, Refusal)]
    refused = [answer.reason for answer in answers if isinstance(answer, Refusal)]
    assert (len(left), refused) == (6, [RefusalReason.VENUE_LIMIT] * 3)
    w.run(0.1)
    assert len(stands(w)) == 6
    assert w.engine.orders.exposure(0).open_orders == 6


def test_an_order_alone_is_no_batch() -> None:
    w = traded()
    place(w, TWO[0])
    w.run(0.1)
    assert "batch_add" not in w.methods()
    assert stands(w) == [(299_000, LOTS)]


def test_risk_judges_each_as_if_those_before_it_were_open() -> None:
    w = traded()
    first, meets, last = place(w, TWO[1], NewOrder(BUY, 301_000, LOTS), TWO[0])
    assert isinstance(meets, Refusal)
    assert meets.reason is RefusalReason.SELF_MATCH
    w.run(0.1)
    assert (first.state, last.state) == (OrderState.LIVE, OrderState.LIVE)
    assert stands(w) == [(299_000, LOTS), (301_000, LOTS)]


def test_a_batch_that_cannot_leave_leaves_nothing_behind() -> None:
    w = traded()
    w.cut(TRADE, redial=False)
    w.desk.gate_open = True
    answers = place(w, *TWO)
    assert all(isinstance(answer, Refusal) for answer in answers)
    assert w.engine.orders.exposure(0).open_orders == 0


def test_one_order_of_a_batch_is_refused_by_itself() -> None:
    w = traded()
    dear = NewOrder(SELL, 301_000, 99 * LOTS)
    account: Any = w.account
    account.balances["BTC"].free = 0
    good, refused = place(w, TWO[0], dear)
    w.run(0.1)
    assert good.state is OrderState.LIVE
    assert refused.state is OrderState.REJECTED
    assert "Insufficient funds" in refused.reason
    assert stands(w) == [(299_000, LOTS)]


@pytest.mark.parametrize("arrives", [True, False])
def test_a_batch_without_an_answer_is_asked_about_until_each_is_proved(arrives: bool) -> None:
    w = traded()
    lose(w, b"batch_add")
    if not arrives:
        w.to_venue = lambda m: [] if b"batch_add" in m.payload else w.deliver(m)
    orders = place(w, *TWO)
    w.run(12)
    assert all(not order.state.terminal for order in orders)
    w.run_until(lambda: all(o.state is not OrderState.UNKNOWN for o in orders), 120)
    state = OrderState.LIVE if arrives else OrderState.REJECTED
    assert [order.state for order in orders] == [state] * 2
    assert len(stands(w)) == (2 if arrives else 0)


def test_a_batch_that_a_boot_has_sent_is_looked_for_by_the_next() -> None:
    w = traded()
    w.run(11)
    w.other("sell", 30_020, 1)
    w.run(0.1)
    orders = place(w, *TWO)
    left = crashed(w)
    w.die()
    w.run(1)
    w.reboot(left)
    w.run(0.5)
    again = [w.engine.orders.find(order.client_order_id) for order in orders]
    assert [order.price_ticks for order in again if order is not None] == [299_000, 301_000]


def test_both_sides_of_a_quote_begin_in_one_request() -> None:
    w = traded()
    assert w.act(w.desk.quote, 0, Quote(299_000, LOTS), Quote(301_000, LOTS)) is None
    w.run(0.1)
    assert w.methods().count("batch_add") == 1
    assert all(order.kind is OrderKind.POST_ONLY for order in w.desk.open_orders(0))
    assert stands(w) == [(299_000, LOTS), (301_000, LOTS)]


# -- cancels -----------------------------------------------------------------------------------


def test_orders_on_an_instrument_are_cancelled_in_one_request() -> None:
    w = traded()
    orders = placed(w, 3)
    w.act(w.desk.cancel_all, 0)
    w.run(0.2)
    assert w.methods().count("batch_cancel") == 1
    assert "cancel_order" not in w.methods()
    assert all(order.state is OrderState.CANCELED for order in orders)
    assert stands(w) == []


def test_leaving_takes_all_out_in_one_request() -> None:
    w = traded()
    placed(w, 3)
    w.engine.leave("test", w.now_ns)
    w.run_until(lambda: w.has_left, 60)
    assert w.methods().count("batch_cancel") == 1
    assert stands(w) == []


def test_cancels_without_an_answer_are_sent_again_one_by_one_the_other_way() -> None:
    w = traded()
    orders = placed(w, 3)
    w.to_venue = lambda m: [] if b"batch_cancel" in m.payload else w.deliver(m)
    w.act(w.desk.cancel_all, 0)
    w.run(3)
    assert all(order.state is OrderState.CANCELED for order in orders)
    assert stands(w) == []
    assert sum(request.path.endswith("/CancelOrder") for request in w.asked) == 3


def test_where_the_connection_is_down_each_cancel_goes_by_rest() -> None:
    w = traded()
    orders = placed(w, 2)
    w.cut(TRADE, redial=False)
    w.act(w.desk.cancel_all, 0)
    w.run(3)  # the stream is down, so that they are asked about after two
    assert all(not order.cancelling for order in orders)
    assert stands(w) == []


def test_an_order_that_is_gone_already_does_not_keep_the_others() -> None:
    w = traded()
    orders = placed(w, 2)
    w.other("sell", 29_000.1, 2.01, w.taker)
    w.act(w.desk.cancel_all, 0)
    w.run(5)
    assert all(order.state.terminal for order in orders)
    assert stands(w) == []


# -- the whole account ---------------------------------------------------------------------------


def by_hand(w: KrakenTank, price: str) -> None:
    """Have our own account's owner place an order that is none of the run's."""
    params = {
        "symbol": "BTC/USD", "side": "buy", "order_type": "limit",
        "order_qty": "0.01", "limit_price": price,
    }  # fmt: skip
    exchange: Any = w.venue.exchange
    trading.add(exchange, w.account, params, w.venue_ns)
    w.venue.advance(w.venue_ns)


def test_the_operator_has_everybodys_orders_taken_out() -> None:
    w = traded()
    orders = placed(w, 2)
    by_hand(w, "28000")
    w.run(0.1)
    assert len(stands(w)) == 3
    w.engine.on_control(b"cancel-account", w.now_ns)
    w.run(0.2)
    assert w.methods().count("cancel_all") == 1
    assert "batch_cancel" not in w.methods()
    assert stands(w) == []
    assert all(order.state is OrderState.CANCELED for order in orders)
    assert w.desk.session is SessionState.TRADING


def test_what_the_cancel_of_everything_leaves_of_ours_is_cancelled_by_name() -> None:
    w = traded()
    orders = placed(w, 2)
    by_hand(w, "28000")
    w.to_venue = lambda m: [] if b"cancel_all" in m.payload else w.deliver(m)
    w.engine.on_control(b"cancel-account", w.now_ns)
    w.run(3)
    assert all(order.state is OrderState.CANCELED for order in orders)
    assert len(stands(w)) == 1, "nobody else's"


def test_cancel_all_leaves_everybody_elses_orders_alone() -> None:
    w = traded()
    placed(w, 2)
    by_hand(w, "28000")
    w.engine.on_control(b"cancel-all", w.now_ns)
    w.run(1)
    assert len(stands(w)) == 1
    assert "cancel_all" not in w.methods()
