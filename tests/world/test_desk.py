"""The desk: what meets an intent on its way out, and what it leaves behind where it stays here."""

from __future__ import annotations

import pytest

from core.model.commands import OrderKind
from core.model.errors import BadParameter
from core.model.events import Side
from core.model.strategy import Quote
from core.model.units import NS_PER_S
from core.model.venue import HttpRequest
from core.model.views import OrderState, Refusal, RefusalReason, SessionState
from core.protocols.websocket import TEXT
from core.state.chatter import LINES_PER_S
from core.state.orders import Order
from tests.world.test_recovery import TRADE, World, refusing, world
from tools.world.tank import Tank


def standing(w: World) -> Order:
    order = w.buy()
    w.run(0.1)
    w.desk.now_ns = w.now_ns
    return order


def refused(answer: Order | Refusal) -> RefusalReason:
    assert isinstance(answer, Refusal)
    return answer.reason


def cancels(w: World) -> int:
    return w.methods().count("order.cancel") + sum(
        send_rest.method == "DELETE" for send_rest in w.asked
    )


def test_a_place_heeds_the_age_of_the_book():
    w = world()
    w.engine.books[0].fresh_ns = w.now_ns - 3_600 * NS_PER_S
    assert refused(w._place(Side.BUY, 6_490_000, 1_000)) is RefusalReason.BOOK_TOO_OLD


def test_an_order_that_finds_no_way_leaves_nothing_behind():
    w = world()
    w.desk.now_ns = w.now_ns
    w.engine.outbound.detach(w.engine.sessions[1].link)
    assert refused(w.desk.place(0, Side.BUY, 6_490_000, 1_000)) is RefusalReason.NO_CONNECTION
    assert len(w.engine.orders) == 0
    assert w.engine.orders.exposure(0).open_buy_lots == 0


def test_a_replace_that_finds_no_way_leaves_the_old_order_and_nothing_else():
    w = world()
    old = standing(w)
    w.engine.outbound.detach(w.engine.sessions[1].link)
    assert refused(w.desk.replace(old, 6_489_000, 1_000)) is RefusalReason.NO_CONNECTION
    assert list(w.engine.orders.open()) == [old]
    assert w.engine.orders.exposure(0).open_buy_lots == 1_000
    assert not old.cancelling


def test_nothing_moves_while_the_gate_is_closed():
    w = world()
    order = standing(w)
    w.desk.gate_open = False
    assert refused(w.desk.replace(order, 6_489_000, 1_000)) is RefusalReason.NOT_TRADING
    assert refused(w.desk.replace(order, order.price_ticks, 500)) is RefusalReason.NOT_TRADING
    assert refused(w.desk.place(0, Side.BUY, 6_490_000, 1_000)) is RefusalReason.NOT_TRADING


def test_a_cancel_is_sent_once_while_it_is_on_its_way():
    w = world()
    order = standing(w)
    assert w.desk.cancel(order) is None
    assert w.desk.cancel(order) is None
    w.flush()
    assert cancels(w) == 1


def test_a_cancel_that_nobody_answers_is_sent_ever_more_seldom():
    w = world()
    order = standing(w)
    w.to_venue = lambda m: [] if b"order.cancel" in m.payload else w.deliver(m)
    send_rest = w.send_rest

    def lose_cancels(request_id: int, request: HttpRequest) -> None:
        if request.method == "DELETE":
            w.asked.append(request)
        else:
            send_rest(request_id, request)

    w.send_rest = lose_cancels  # type: ignore[method-assign] # the point of the test
    w.cancel(order)
    w.run(9)
    assert order.state is OrderState.LIVE
    assert cancels(w) == 5, "after 0.5, 1, 2 and 4 s more"


def test_quotes_of_which_nobody_knows_what_became_do_not_eat_the_budget():
    """A maker wants them elsewhere with every tick of the market; the venue is overloaded."""
    w = Tank(rate=20.0)
    w.run_until(lambda: w.engine.desk.session is SessionState.TRADING)
    w.to_venue = refusing(w, -1007, "Timeout waiting for response from backend server.")
    w.run(20)
    sent = [m.json.get("method") for m in w.sent if m.connection == TRADE and m.opcode == TEXT]
    assert sent.count("order.cancel") < 60


def test_what_is_to_go_is_cancelled_at_once_when_the_way_is_open_again():
    w = world()
    order = standing(w)
    w.desk.force_cancel(0)
    order.cancelling = False  # as after a line that was lost with it
    w.desk.step()
    w.flush()
    assert cancels(w) == 1, "it is not due yet"
    w.desk.hurry()
    w.desk.step()
    w.flush()
    assert cancels(w) == 2


def test_a_quote_is_post_only():
    w = world()
    w.desk.now_ns = w.now_ns
    assert w.desk.quote(0, Quote(6_490_000, 1_000), Quote(6_510_000, 1_000)) is None
    assert {order.kind for order in w.engine.orders.open()} == {OrderKind.POST_ONLY}


def test_a_strategys_log_is_bounded_by_the_second():
    w = world()
    w.desk.now_ns = w.now_ns
    for _ in range(10 * LINES_PER_S):
        w.desk.log("again")
    assert w.log_lines.count("again") == LINES_PER_S


def test_a_timer_in_the_past_is_refused():
    w = world()
    with pytest.raises(BadParameter, match="lies in the past"):
        w.desk.timer(-1, "never")
