"""What a chain of replacements may trade in all, at a venue that counts each order for itself."""

from __future__ import annotations

import gc
import random

import pytest

from core.model.strategy import Quote
from core.model.views import OrderState, Refusal, RefusalReason
from core.state.orders import Order
from tests.world.test_recovery import World, lose, world
from tools.world.tank import LATENCY_NS, Delivery, Message

LOT_UNITS = 1_000
"""Units of 1e-8 in a lot."""


def replaced(w: World, old: Order, ticks: int, lots: int) -> Order | Refusal:
    w.desk.now_ns = w.now_ns
    answer = w.desk.replace(old, ticks, lots)
    w.flush()
    return answer


def standing(w: World) -> Order:
    order = w.buy(6_499_500, 1_000)
    w.run(0.1)
    assert order.state is OrderState.LIVE
    return order


def test_a_partial_fill_that_crosses_a_replace_counts_for_the_chain():
    w = world()
    old = standing(w)
    w.other("SELL", "64995.00", "0.004")  # trades before the replace arrives
    new = replaced(w, old, 6_499_400, 1_000)
    assert isinstance(new, Order)
    assert (new.chain_filled_lots, new.chain_open_lots) == (0, 2_000), "both may still trade"
    w.run(0.1)
    assert (new.filled_lots, new.chain_filled_lots, new.chain_open_lots) == (0, 400, 1_000)
    assert old.chain_filled_lots == 400
    w.other("SELL", "64994.00", "0.01")
    w.run(0.1)
    assert (new.chain_filled_lots, new.chain_open_lots) == (1_400, 0)
    assert w.engine.positions[0].lots == 1_400


def test_a_failed_replace_leaves_the_chain_with_the_old_order():
    w = world()
    old = standing(w)
    w.other("SELL", "64995.00", "0.01")
    new = replaced(w, old, 6_499_400, 1_000)
    w.run(1)
    assert isinstance(new, Order)
    assert new.state is OrderState.REJECTED
    assert (new.chain_filled_lots, new.chain_open_lots) == (1_000, 0)


def without_the_end_of_the_old(m: Message) -> list[Delivery]:
    """Let the new order be heard of, and the end of the old one not."""
    if b'"x":"CANCELED"' in m.payload or b"cancelResult" in m.payload:
        return []
    return [(LATENCY_NS, m)]


def test_an_order_is_not_replaced_while_the_one_before_it_may_still_trade():
    w = world()
    old = standing(w)
    w.to_engine = without_the_end_of_the_old
    new = replaced(w, old, 6_499_400, 1_000)
    assert isinstance(new, Order)
    w.run(0.1)
    assert (old.state, new.state) == (OrderState.LIVE, OrderState.LIVE)
    refused = replaced(w, new, 6_499_300, 1_000)
    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.ORDER_BUSY
    assert isinstance(replaced(w, new, 6_499_400, 500), Order), "to make it smaller is safe"
    w.to_engine = w.deliver
    w.run_until(lambda: old.state is OrderState.CANCELED)
    w.run(0.1)
    assert isinstance(replaced(w, new, 6_499_300, 500), Order)


def test_a_quote_that_cannot_move_before_the_one_before_it_is_proved_gone_is_cancelled():
    w = world()
    w.desk.now_ns = w.now_ns
    assert w.desk.quote(0, Quote(6_499_500, 1_000), None) is None
    w.flush()
    w.run(0.1)
    w.to_engine = without_the_end_of_the_old
    w.desk.now_ns = w.now_ns
    assert w.desk.quote(0, Quote(6_499_400, 1_000), None) is None
    w.flush()
    w.run(0.1)
    w.desk.now_ns = w.now_ns
    refused = w.desk.quote(0, Quote(6_499_300, 1_000), None)
    assert refused is not None
    assert refused.reason is RefusalReason.ORDER_BUSY
    w.flush()
    assert w.methods().count("order.cancelReplace") == 1
    assert w.methods()[-1] == "order.cancel", "taking out needs no proof"


def test_a_chain_keeps_none_of_its_orders_alive():
    w = world()
    order = standing(w)
    chain = order.joined()
    for step in range(5):
        moved = replaced(w, order, 6_499_400 - 10 * step, 1_000)
        assert isinstance(moved, Order)
        assert moved.chain is chain
        order = moved
        w.run(0.1)
    assert not any(isinstance(one, Order) for one in gc.get_referents(chain))
    before = order.replaces
    assert before is not None
    assert before.replaces is None, "the one before the last is all that is remembered"


@pytest.mark.parametrize("seed", range(12))
def test_a_chain_never_trades_more_than_was_approved_for_it(seed: int):
    """Replaces, crossing fills and lost replies: the sum stays within each approval."""
    w = world(seed=seed)
    chance = random.Random(seed)
    order = standing(w)
    bounds: list[int] = [1_000]
    for _ in range(25):
        match chance.randrange(4):
            case 0:
                w.other("SELL", "64990.01", f"{chance.randrange(1, 9) / 1000:.5f}")
            case 1:
                w.to_engine = chance.choice([w.deliver, lose("cancelResult"), lose("CANCELED")])
            case _:
                lots = chance.randrange(100, 1_001)
                bound = order.chain_filled_lots + order.open_lots + lots
                ticks = 6_499_100 + 10 * chance.randrange(40)
                answer = replaced(w, order, ticks, lots)
                if isinstance(answer, Order) and answer is not order:
                    order = answer
                    bounds.append(bound)
        w.run(chance.choice([0.0005, 0.0015, 0.1]))
        assert order.chain_filled_lots + order.chain_open_lots <= bounds[-1]
    w.to_engine = w.deliver
    w.run(20)
    bought = sum(one.executed for one in w.ledger.orders("BTCUSDT")) // LOT_UNITS
    assert w.engine.positions[0].lots == bought
    assert order.chain_filled_lots <= bought
    assert order.chain_open_lots == order.open_lots


def test_an_id_that_the_venue_took_twice_halts_the_instrument_and_takes_our_orders_out():
    w = world()
    order = standing(w)
    number = str(order.venue_order_id).encode()
    w.to_engine = lambda m: [
        (LATENCY_NS, Message(m.connection, m.opcode, m.payload.replace(b'"i":' + number, b'"i":9')))
    ]
    w.other("SELL", "64995.00", "0.001")
    w.run(0.01)
    assert "stands twice" in w.engine.risk.instrument_halted(0)
    w.to_engine = w.deliver
    w.run(1)
    assert w.ledger.open_orders("BTCUSDT") == []
