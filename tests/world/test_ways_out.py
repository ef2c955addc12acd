"""An order that is to go goes by whichever way is open: the trade line, or REST."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core.engine.desk import CANCEL_NS
from core.engine.replay import replay
from core.model.events import Side
from core.model.units import NS_PER_S
from core.model.views import OrderState, Refusal, RefusalReason
from core.protocols.websocket import TEXT
from core.state.journal import Ask, Kind, unpack
from core.state.orders import Order
from tests.world.test_recovery import TRADE, World, world
from tools.world.tank import Delivery, Message, Tank

ANSWERED_S = CANCEL_NS / NS_PER_S
SOON_S = 0.3
"""Three ticks: a tick, an answer and a tick."""


def rest_cancels(w: World) -> int:
    return sum(request.method == "DELETE" for request in w.asked)


def wire_cancels(w: World) -> int:
    return w.methods().count("order.cancel")


def no_trade_connection(w: World) -> None:
    """The trade line is gone, and cannot be dialled."""
    w.closed_connections.add(TRADE)
    w.cut(TRADE)
    w.run(0.05)


def deaf_trade_connection(w: World) -> None:
    """Nothing that we send on the trade line reaches anybody."""
    w.to_venue = lambda m: [] if m.connection == TRADE else w.deliver(m)


# -- the trade line is down ------------------------------------------------------------------


def by_the_strategy(w: World, order: Order) -> None:
    w.cancel(order)


def by_a_halt(w: World, _: Order) -> None:
    w.engine.on_control(b"halt enough", w.now_ns)


def by_the_operator(w: World, _: Order) -> None:
    w.engine.on_control(b"cancel-all", w.now_ns)


def by_a_lost_book(w: World, order: Order) -> None:
    w.engine.market_data.lose("a test")
    w.engine.market_data.resync(w.engine.books[order.instrument])
    w.flush()


def by_leaving(w: World, _: Order) -> None:
    w.engine.leave("test", w.now_ns)


@pytest.mark.parametrize(
    "wanted", [by_the_strategy, by_a_halt, by_the_operator, by_a_lost_book, by_leaving]
)
def test_while_the_trade_connection_is_down_a_cancel_goes_by_rest(
    wanted: Callable[[World, Order], None],
) -> None:
    w = world()
    order = w.buy()
    w.run(0.1)
    no_trade_connection(w)
    wanted(w, order)
    w.run(SOON_S)
    assert order.state is OrderState.CANCELED
    assert rest_cancels(w) == 1
    assert wire_cancels(w) == 0


def test_a_run_without_a_trade_connection_can_be_left_with_proof() -> None:
    w = world()
    known, doubted = w.buy(), w.buy(6_480_000)
    w.to_engine = lambda m: (
        [] if b'"id":"p' in m.payload or b"executionReport" in m.payload else w.deliver(m)
    )
    lost = w.buy(6_470_000)
    w.run(0.1)
    no_trade_connection(w)
    assert lost.state is OrderState.UNKNOWN
    w.leave()
    assert {known.state, doubted.state, lost.state} == {OrderState.CANCELED}


def test_what_is_in_doubt_is_asked_about_by_rest_while_the_trade_connection_is_down() -> None:
    w = world()
    w.to_engine = lambda m: [] if m.connection == TRADE else w.deliver(m)
    order = w.buy()
    no_trade_connection(w)
    assert order.state is OrderState.UNKNOWN
    w.run(SOON_S)
    assert order.state is OrderState.LIVE
    assert any(request.path == "/api/v3/order" for request in w.asked)


def test_nothing_else_is_sent_by_rest_for_want_of_a_connection() -> None:
    w = world()
    order = w.buy()
    w.run(0.1)
    no_trade_connection(w)
    w.desk.gate_open = True
    answer = w._place(Side.BUY, 6_480_000, 1_000)
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.NO_CONNECTION
    answer = w.desk.replace(order, order.price_ticks, 500)
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.NO_CONNECTION
    assert not any(request.method != "GET" for request in w.asked)


# -- not ready, or unheard -------------------------------------------------------------------


def test_before_the_opening_script_is_through_a_cancel_goes_by_rest() -> None:
    w = world()
    order = w.buy()
    w.run(0.1)
    w.to_engine = lambda m: [] if b'"id":"u' in m.payload else w.deliver(m)
    w.to_venue = lambda m: [] if b"subscribe" in m.payload else w.deliver(m)
    w.cut(TRADE)
    w.run(0.3)
    assert TRADE in w.links
    assert not w.engine.sessions[TRADE].ready
    w.cancel(order)
    w.run(0.1)
    assert order.state is OrderState.CANCELED
    assert rest_cancels(w) == 1


def test_a_cancel_without_an_answer_in_time_is_sent_again_by_rest() -> None:
    w = world()
    order = w.buy()
    w.run(0.1)
    deaf_trade_connection(w)
    w.cancel(order)
    w.run(ANSWERED_S - 0.1)
    assert order.state is OrderState.LIVE
    assert rest_cancels(w) == 0
    w.run(SOON_S)
    assert order.state is OrderState.CANCELED
    assert rest_cancels(w) == 1


def test_a_cancel_replace_without_an_answer_in_time_is_followed_by_a_cancel_by_rest() -> None:
    w = world()
    order = w.buy()
    w.run(0.1)
    deaf_trade_connection(w)
    w.desk.now_ns = w.now_ns
    assert isinstance(w.desk.replace(order, 6_489_000, 1_000), Order)
    w.flush()
    w.run(ANSWERED_S + SOON_S)
    assert order.state is OrderState.CANCELED


def test_once_a_cancel_was_not_answered_others_go_by_rest_at_once_until_a_reply_comes() -> None:
    w = world()
    orders = [w.buy(6_490_000 - i * 1_000) for i in range(3)]
    w.run(0.1)
    deaf_trade_connection(w)
    w.cancel(orders[0])
    w.run(ANSWERED_S + SOON_S)
    w.cancel(orders[1])
    assert rest_cancels(w) == 2
    w.to_venue = w.deliver
    w.buy(6_400_000)
    w.run(0.1)
    w.cancel(orders[2])
    assert rest_cancels(w) == 2
    w.run(0.1)
    assert {order.state for order in orders} == {OrderState.CANCELED}


def test_a_cancel_that_rest_does_not_answer_goes_over_the_connection_once_that_is_back() -> None:
    w = world()
    order = w.buy()
    w.run(0.1)
    no_trade_connection(w)
    w.send_rest = lambda request_id, request: None  # type: ignore[method-assign]
    w.cancel(order)
    w.closed_connections.clear()
    w.run(ANSWERED_S + SOON_S)
    assert order.state is OrderState.CANCELED
    assert wire_cancels(w) >= 1


def test_while_rest_is_down_a_cancel_goes_over_the_connection() -> None:
    w = world()
    order = w.buy()
    w.run(0.1)
    w.send_rest = lambda request_id, request: None  # type: ignore[method-assign]
    w.cancel(order)
    w.run(0.1)
    assert order.state is OrderState.CANCELED


def test_a_cancel_that_does_not_reach_rest_is_followed_by_one_over_an_unheard_connection() -> None:
    """Nothing else is asked on the line while the venue throttles us: no reply brings it back."""
    w = world()
    order = w.buy()
    w.run(0.1)
    w.engine.throttle.cool_down(w.now_ns + 60 * NS_PER_S, w.now_ns)
    w.send_rest = lambda request_id, request: w.not_replied(w.engine, request_id)  # type: ignore[method-assign]
    deaf_trade_connection(w)
    w.cancel(order)
    w.run(ANSWERED_S + SOON_S)
    w.to_venue = w.deliver
    w.run(3)
    assert order.state is OrderState.CANCELED


def test_an_amend_without_an_answer_does_not_keep_an_order_from_going() -> None:
    w = world()
    order = w.buy()
    w.run(0.1)
    deaf_trade_connection(w)
    w.desk.now_ns = w.now_ns
    assert w.desk.replace(order, order.price_ticks, 500) is order
    w.flush()
    w.run(2)
    assert rest_cancels(w) == 0
    w.engine.on_control(b"cancel-all", w.now_ns)
    w.run(ANSWERED_S + SOON_S)
    assert order.state is OrderState.CANCELED


# -- what still holds ------------------------------------------------------------------------


def test_a_strategys_cancel_is_sent_again_until_the_order_is_gone() -> None:
    w = world()
    order = w.buy()
    w.run(0.1)
    w.fault("refuse_cancel", times=3)
    w.cancel(order)
    w.run(2)
    assert order.state is OrderState.CANCELED


def test_during_a_ban_no_cancel_leaves_by_rest_either() -> None:
    w = world()
    order = w.buy()
    w.run(0.1)
    no_trade_connection(w)
    w.engine.throttle.ban(w.now_ns + 30 * NS_PER_S, w.now_ns)
    asked = len(w.asked)
    w.engine.on_control(b"halt enough", w.now_ns)
    w.run(29)
    assert len(w.asked) == asked
    w.run(8)
    assert order.state is OrderState.CANCELED


def test_a_cancel_by_rest_spends_the_venues_budget() -> None:
    w = world()
    order = w.buy()
    w.run(0.1)
    no_trade_connection(w)
    free = w.engine.throttle.free("raw_5m", w.now_ns)
    w.cancel(order)
    assert w.engine.throttle.free("raw_5m", w.now_ns) == free - 1


def test_a_cancel_by_rest_is_in_the_journal_and_replays_identically() -> None:
    w = Tank(seed=5).run(3)
    assert len(w.engine.orders)
    w.closed_connections.add(TRADE)
    w.cut(TRADE)
    w.engine.on_control(b"halt enough", w.now_ns)
    w.run(SOON_S)
    assert not len(w.engine.orders)
    asks = [unpack(r.payload, Ask) for r in w.journal.records if r.kind == Kind.ASK]
    assert sum(ask.method == "DELETE" for ask in asks) >= 1
    w.closed_connections.clear()
    w.leave()
    assert replay(w.journal.records, w.application_again().engine).difference is None


def test_who_leaves_does_not_spend_the_budget_on_cancels_of_what_the_venue_does_not_know() -> None:
    """A cancel of each order four times a second left no token to ask about any of them."""
    w = world()
    w.buy()
    w.run(0.1)
    refused = b'{"id":"%s","status":400,"error":{"code":-2011,"msg":"Unknown order sent."}}'

    def to_venue(message: Message) -> list[Delivery]:
        if b'"order.cancel"' not in message.payload:
            return w.deliver(message)
        w.say(TRADE, TEXT, refused % message.json["id"].encode())
        return []

    w.to_venue = to_venue
    before = wire_cancels(w)
    w.engine.leave("test", w.now_ns)
    w.run(20)
    assert 2 < wire_cancels(w) - before < 12
