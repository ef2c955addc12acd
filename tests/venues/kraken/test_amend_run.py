"""A whole run that moves its orders where they stand, against the built-in exchange."""

from __future__ import annotations

from typing import Any

import pytest

from core.model.events import Side
from core.model.halts import HaltKind
from core.model.strategy import Quote
from core.model.views import OrderState, Refusal, RefusalReason
from core.state.orders import Order
from tests.venues.kraken.tank import LOTS, TRADE, KrakenTank, traded
from tests.world.test_continuity import crashed
from tools.world.tank import Delivery, Message
from venues.sim.fixed import ONE

BID, HIGHER = 299_000, 299_050


def resting(w: KrakenTank, side: Side = Side.BUY, ticks: int = BID) -> Order:
    order = w.place(side, ticks)
    w.run(0.1)
    assert order.state is OrderState.LIVE
    return order


def stands(w: KrakenTank) -> list[tuple[int, int]]:
    """Return price and open size of what the exchange has of ours, in ticks and lots."""
    exchange: Any = w.venue.exchange
    orders = exchange.open_orders(w.account)
    return sorted((one.price * 10 // ONE, one.open_quantity) for one in orders)


def lose(w: KrakenTank, *words: bytes) -> None:
    """Lose what the private connection says from now on with one of these words in it."""

    def to_engine(message: Message) -> list[Delivery]:
        lost = message.connection == TRADE and any(word in message.payload for word in words)
        return [] if lost else w.deliver(message)

    w.to_engine = to_engine


def test_price_and_size_are_changed_in_one_and_the_id_stays() -> None:
    w = traded()
    order = resting(w)
    name, number = order.client_order_id, order.venue_order_id
    assert w.replace(order, HIGHER, 2 * LOTS) is order
    w.run(0.1)
    assert (order.price_ticks, order.open_lots, order.cancelling) == (HIGHER, 2 * LOTS, False)
    assert (order.client_order_id, order.venue_order_id) == (name, number)
    assert stands(w) == [(HIGHER, 2 * LOTS)]
    assert w.methods().count("amend_order") == 1
    assert "cancel_order" not in w.methods()


def test_a_smaller_size_alone_keeps_the_place_in_the_queue() -> None:
    w = traded()
    order = resting(w)
    w.other("buy", BID / 10, 0.01)
    w.replace(order, BID, LOTS // 2)
    w.run(0.1)
    sent = [m.json["params"] for m in w.sent if b"amend_order" in m.payload]
    assert "limit_price" not in sent[0]
    w.other("sell", BID / 10, 1.005, w.taker)  # the other bid at 29990 goes first
    w.run(0.1)
    assert order.state is OrderState.FILLED


def test_a_quote_is_moved_where_it_stands() -> None:
    w = traded()
    for bid in (BID, HIGHER, HIGHER + 10):
        assert w.act(w.desk.quote, 0, Quote(bid, LOTS), Quote(301_000, LOTS)) is None
        w.run(0.2)
        assert (bid, LOTS) in stands(w)
    assert w.methods().count("batch_add") == 1
    assert w.methods().count("amend_order") == 2
    assert "cancel_order" not in w.methods()


def test_what_is_filled_counts_in_the_new_size() -> None:
    w = traded()
    order = resting(w, ticks=299_950)
    w.other("sell", 29_995.0, 0.004)
    w.run(0.1)
    assert order.filled_lots == 400_000
    w.replace(order, 299_940, LOTS)
    w.run(0.1)
    assert (order.size_lots, order.open_lots) == (LOTS + 400_000, LOTS)
    assert stands(w) == [(299_940, LOTS)]


def test_a_fill_that_crosses_an_amend_is_counted_once_and_nothing_halts() -> None:
    w = traded()
    order = resting(w, ticks=299_950)
    w.replace(order, 299_000, 2 * LOTS)
    w.other("sell", 29_995.0, 0.01)  # before the amend arrives
    assert order.open_lots == 2 * LOTS
    w.run(1)
    assert order.state is OrderState.FILLED
    assert w.desk.position(0).lots == LOTS
    assert w.engine.orders.exposure(0).open_buy_lots == 0
    assert not w.engine.risk.instrument_halted(0)


def test_an_amend_that_would_trade_at_once_is_refused_and_the_order_stays() -> None:
    w = traded()
    assert w.act(w.desk.quote, 0, Quote(BID, LOTS), None) is None
    w.run(0.1)
    w.other("sell", 29_995, 1)
    [order] = w.desk.open_orders(0)
    assert w.act(w.desk.quote, 0, Quote(299_950, LOTS), None) is None
    w.run(0.05)
    assert (order.price_ticks, order.open_lots, order.amend_lots) == (BID, LOTS, 0)
    assert not w.engine.risk.instrument_halted(0)


def test_an_order_is_not_changed_again_before_it_is_told_how_it_stands() -> None:
    w = traded()
    order = resting(w)
    lose(w, b'"exec_type":"amended"')
    w.replace(order, HIGHER, LOTS)
    w.run(0.1)
    assert not order.cancelling, "answered"
    refused = w.replace(order, HIGHER + 1, LOTS)
    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.ORDER_BUSY
    assert w.act(w.desk.cancel, order) is None, "it can be cancelled"
    w.run(1)
    assert order.state is OrderState.CANCELED
    assert stands(w) == []


@pytest.mark.parametrize("arrives", [True, False])
def test_an_amend_without_an_answer_is_asked_about_until_it_is_proved(arrives: bool) -> None:
    w = traded()
    order = resting(w)
    lose(w, b"amend")
    if not arrives:
        w.to_venue = lambda m: [] if b"amend_order" in m.payload else w.deliver(m)
    w.replace(order, HIGHER, 2 * LOTS)
    w.run(12)
    assert order.open_lots == 2 * LOTS
    assert w.engine.orders.exposure(0).highest_buy_ticks() == HIGHER
    w.run(80)
    assert order.amend_lots == 0
    assert [(order.price_ticks, order.open_lots)] == stands(w)
    assert stands(w) == ([(HIGHER, 2 * LOTS)] if arrives else [(BID, LOTS)])


def test_a_quote_of_which_nobody_tells_where_it_stands_is_cancelled() -> None:
    w = traded()
    assert w.act(w.desk.quote, 0, Quote(BID, LOTS), None) is None
    w.run(0.1)
    lose(w, b"amend")
    assert w.act(w.desk.quote, 0, Quote(HIGHER, LOTS), None) is None
    w.run(1)
    assert w.act(w.desk.quote, 0, Quote(HIGHER + 10, LOTS), None) is None
    assert "cancel_order" not in w.methods(), "it may be told of yet"
    w.run(12)
    w.act(w.desk.quote, 0, Quote(HIGHER + 10, LOTS), None)
    w.run(1)
    assert stands(w) == []


def test_the_connection_that_is_lost_during_an_amend_proves_nothing() -> None:
    w = traded()
    order = resting(w)
    w.replace(order, HIGHER, 2 * LOTS)
    w.cut(TRADE)
    assert order.open_lots == 2 * LOTS
    w.run(60)
    assert [(order.price_ticks, order.open_lots)] == stands(w)
    assert order.amend_lots == 0
    assert not w.engine.risk.instrument_halted(0)


def test_a_move_is_judged_by_what_it_adds() -> None:
    w = KrakenTank(risk="price_collar_bps = 1000").trading()
    first = resting(w, ticks=250_000 + 30_000)
    lots = 90 * LOTS
    second = w.replace(first, 281_000, lots)
    assert second is first
    w.run(0.1)
    assert w.replace(first, 281_010, lots) is first, "it opens no more than it had"
    w.run(0.1)
    other = w.place(Side.BUY, 281_000, 90 * LOTS)
    w.run(0.1)
    refused = w.replace(other, 281_000, 100 * LOTS + 11 * LOTS)
    assert isinstance(refused, Refusal)
    assert w.replace(other, 281_005, 90 * LOTS) is other


def test_a_moved_order_is_not_let_meet_our_own() -> None:
    w = traded()
    offer = resting(w, Side.SELL, 300_500)
    bid = resting(w)
    refused = w.replace(bid, 300_500, LOTS)
    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.SELF_MATCH
    assert w.replace(offer, 301_000, LOTS) is offer
    refused = w.replace(bid, 300_500, LOTS)
    assert isinstance(refused, Refusal), "it may stand where it was"
    w.run(0.1)
    assert w.replace(bid, 300_090, LOTS) is bid


def test_an_order_that_was_moved_is_taken_over_by_the_next_boot_where_it_stands() -> None:
    w = traded()
    order = resting(w)
    w.replace(order, HIGHER, 2 * LOTS)
    w.run(0.0005)  # sent, and nothing of it heard
    left = crashed(w)
    w.die()
    w.run(1)
    assert stands(w) == [(HIGHER, 2 * LOTS)]
    w.reboot(left)
    w.run(2)
    again = w.engine.orders.find(order.client_order_id)
    assert again is not None
    assert (again.price_ticks, again.open_lots) == (HIGHER, 2 * LOTS)
    assert not w.engine.risk.instrument_halted(0)


def test_an_amend_that_was_to_leave_with_what_halts_the_run_does_not() -> None:
    w = traded()
    order = resting(w)
    w.desk.now_ns = w.now_ns
    assert w.desk.replace(order, HIGHER, 2 * LOTS) is order
    w.engine.gate.halt("enough", HaltKind.OPERATOR)
    w.engine.on_due(w.now_ns)
    w.run(0.1)
    assert "amend_order" not in w.methods()
    assert order.amend_lots == 0
