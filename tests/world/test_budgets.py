"""What becomes of orders, cancels and questions when the venue's budgets run short."""

from __future__ import annotations

from typing import Any

import pytest

from core.model.commands import Amend, Cancel, OrderKind, Place, QueryOrder, Replace, TimeInForce
from core.model.errors import Misuse
from core.model.events import Side
from core.model.units import NS_PER_S
from core.model.views import OrderState, Refusal
from core.state.orders import Order
from core.state.throttle import Share
from tests.world.test_recovery import World
from venues.sim.ledger import DEFAULT_KEY

PLACE = Place(0, "h1-1", Side.BUY, OrderKind.LIMIT, TimeInForce.GTC, 6_490_000, 100)


def fresh(**options: Any) -> World:
    """A world that trades, at the begin of a window of ten seconds."""
    w = World(**options).trading()
    w.run_until(lambda: (w.now_ns // NS_PER_S) % 10 == 1)
    return w


@pytest.mark.parametrize(
    "command", [PLACE, Replace(Cancel(0, "h1-0", ""), PLACE), Amend(0, "h1-0", "", 5), None]
)
def test_nothing_that_creates_risk_leaves_unapproved(command: Any) -> None:
    w = fresh()
    journaled = len(w.engine.outbound.inflight)
    with pytest.raises(Misuse, match="is not approved"):
        w.engine.outbound.request(command, w.now_ns)
    assert not w.engine.outbound.waiting
    assert len(w.engine.outbound.inflight) == journaled


def spend(w: World, share: Share) -> None:
    """Use up the venue's weight as far as one share may."""
    venue_ns = w.now_ns + w.engine.clock.offset_ns
    while w.engine.throttle.take((("weight", 1),), venue_ns, share):
        pass


def test_an_amend_leaves_the_tokens_of_cancels_alone() -> None:
    w = fresh()
    order = w.buy(lots=1_000)
    w.run(0.1)
    spend(w, Share.ORDER)
    w.desk.now_ns = w.now_ns
    assert isinstance(w.desk.replace(order, order.price_ticks, 500), Refusal)
    assert w.desk.cancel(order) is None


def test_a_question_leaves_the_tokens_of_cancels_and_of_the_exit_alone() -> None:
    w = fresh()
    order = w.buy(lots=1_000)
    w.run(0.1)
    question = QueryOrder(0, order.client_order_id, order.venue_order_id)
    spend(w, Share.QUESTION)
    assert not w.engine.outbound.request(question, w.now_ns)
    assert w.engine.outbound.request(question, w.now_ns, share=Share.RESOLUTION)
    spend(w, Share.RESOLUTION)
    assert not w.engine.outbound.request(question, w.now_ns, share=Share.RESOLUTION)
    assert w.desk.cancel(order) is None


def test_a_run_leaves_though_questions_and_orders_have_no_token_left() -> None:
    w = fresh()
    w.buy(lots=1_000)
    w.run(0.1)
    spend(w, Share.ORDER)
    spend(w, Share.QUESTION)
    w.leave(10)
    assert w.engine.left


def test_orders_that_trade_at_once_all_leave() -> None:
    """Two hundred in ten seconds where fifty are allowed: the venue counts none that traded."""
    w = fresh()
    placed = []
    for _ in range(200):
        order = w._place(Side.BUY, 6_501_000, 100, tif=TimeInForce.IOC)
        assert isinstance(order, Order), order
        placed.append(order)
        w.run(0.04)
    assert all(order.state is OrderState.FILLED for order in placed)


def test_what_others_place_on_the_account_is_counted_with_the_next_answer() -> None:
    w = fresh()
    for _ in range(40):
        w.other("BUY", "30000.00", "0.001", key=DEFAULT_KEY)
    w.buy()
    w.run(0.1)
    assert w.engine.throttle.free("orders_10s", w.now_ns + w.engine.clock.offset_ns) == 9


def test_an_order_that_trades_while_it_rests_gives_room_before_any_answer() -> None:
    w = fresh()
    order = w.buy(6_499_500, 100)
    w.run(0.1)
    while not isinstance(w._place(Side.BUY, 6_400_000, 100), Refusal):
        w.run(0.01)
    w.other("SELL", "64995.00", "0.001")
    w.run(0.1)
    assert order.state is OrderState.FILLED
    assert isinstance(w._place(Side.BUY, 6_400_000, 100), Order)


def test_too_many_orders_hold_up_nothing_but_orders() -> None:
    w = fresh()
    order = w.buy()
    w.run(0.1)
    for _ in range(49):
        w.other("BUY", "30000.00", "0.001", key=DEFAULT_KEY)
    refused = w._place(Side.BUY, 6_400_000, 100)
    assert isinstance(refused, Order)
    w.run(0.1)
    assert refused.state is OrderState.REJECTED
    assert isinstance(w._place(Side.BUY, 6_400_000, 100), Refusal), "the venue has said so"
    assert w.engine.throttle.cooling_until_ns == 0
    question = QueryOrder(0, order.client_order_id, order.venue_order_id)
    assert w.engine.outbound.request(question, w.now_ns)
    assert not w.engine.risk.instrument_halted(0), "an order budget is no breaker's concern"
