"""Named regressions of what users of other systems suffered: lost, doubled and orphaned orders.

Each test is named after its problem, ``test_field_NN_...``, and lets the exchange do wrong what it
did there. At the end both ledgers, ours and the exchange's, say the same.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from core.model.commands import FetchAccount, OrderKind, TimeInForce
from core.model.events import Side
from core.model.halts import HaltKind
from core.model.strategy import Desk
from core.model.views import BookView, OrderState, OrderView, Refusal, SessionState
from core.state.orders import Order
from tests.world.test_continuity import next_boot, trading
from tests.world.test_recovery import MARKET, TRADE, Hand, World, refusing, world
from tools.world.tank import LATENCY_NS, Message, Tank
from venues.sim.faults import Kind
from venues.sim.matching import BUY
from venues.sim.server import DEFAULT_KEY

LOT_UNITS = 1_000
"""Units of 1e-8 in a lot."""

SYMBOL = "BTCUSDT"


def mine(w: Tank) -> list[Any]:
    """Return the exchange's own record of every order of this scope."""
    scope = w.engine.setup.scope
    return [one for one in w.ledger.orders(SYMBOL) if one.names[0].startswith(scope)]


def alive(w: Tank) -> list[Any]:
    return [one for one in mine(w) if one.is_open]


def held(w: Tank) -> int:
    """Return the position that the exchange's record of our orders makes, in lots."""
    return sum((one.executed if one.side is BUY else -one.executed) // LOT_UNITS for one in mine(w))


def agree(w: World) -> None:
    """Hold our ledger against the exchange's."""
    assert w.engine.positions[0].lots == held(w)
    exposure = w.engine.orders.exposure(0)
    for side, open_lots in ((True, exposure.open_buy_lots), (False, exposure.open_sell_lots)):
        theirs = [one for one in alive(w) if (one.side is BUY) is side]
        assert open_lots == sum(one.quantity - one.executed for one in theirs) // LOT_UNITS
    assert not [one for one in w.engine.orders.open() if one.state is OrderState.UNKNOWN]
    names = [name for one in mine(w) for name in {one.names[0]}]
    assert len(names) == len(set(names)), "a client order id was used twice"
    trades = [fill.trade_id for fill in w.hand.fills]
    assert len(trades) == len(set(trades)), "a fill was told twice"
    real = {str(one.trade.trade_id) for one in w.ledger.executions(SYMBOL)}
    assert set(trades) <= real, "a fill was made up"


def calm(w: World, seconds: float = 30.0) -> None:
    """Switch the faults off, and let both ledgers become the same within bounded time."""
    w.venue.faults.clear()
    w.run_until(
        lambda: (
            w.desk.session is not SessionState.INTERRUPTED
            and not any(one.state is OrderState.UNKNOWN for one in w.engine.orders.open())
            and not len(w.engine.resolution.retries)
        ),
        seconds,
    )
    w.run(1)
    agree(w)


def standing(w: World, ticks: int = 6_499_500, lots: int = 1_000) -> Order:
    order = w.buy(ticks, lots)
    w.run(0.1)
    assert order.state is OrderState.LIVE
    return order


def replace(w: World, order: Order, ticks: int, lots: int) -> Order | Refusal:
    w.desk.now_ns = w.now_ns
    answer = w.desk.replace(order, ticks, lots)
    w.flush()
    return answer


def states(w: World, order: Order) -> list[OrderState]:
    return [state for name, state in w.hand.states if name == order.client_order_id]


def control(w: World, text: bytes) -> None:
    w.engine.on_control(text, w.now_ns)


# -- 1: an unknown outcome -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["server_error", "timeout", "disconnect"])
def test_field_01_unknown_outcome_of_an_executed_order_is_found_and_not_sent_again(kind: str):
    w = world()
    w.fault(kind, executed=True, methods=["order.place"], times=1)
    w.fault("drop", on="reports", seconds=0.2)
    order = w.buy()
    w.run_until(lambda: OrderState.UNKNOWN in states(w, order), 1)
    assert w.engine.orders.exposure(0).open_buy_lots == 1_000
    w.run_until(lambda: order.state is OrderState.LIVE)
    assert OrderState.REJECTED not in states(w, order)
    calm(w)
    assert w.places() == len(mine(w)) == 1


@pytest.mark.parametrize("kind", ["server_error", "timeout", "disconnect"])
def test_field_01_unknown_outcome_of_an_order_not_executed_keeps_its_reserve_until_proof(kind: str):
    w = world()
    w.fault(kind, methods=["order.place"], times=1)
    order = w.buy()
    sent_ns = w.now_ns
    w.run(6.5)
    assert order.state is OrderState.UNKNOWN, "it could still be accepted"
    assert w.engine.orders.exposure(0).open_buy_lots == 1_000
    w.run_until(lambda: order.state is OrderState.REJECTED, 90)
    lag_s = 60 if kind == "disconnect" else 0
    assert w.now_ns - sent_ns > (17 + lag_s) * 10**9, "the stream tells what questions may not yet"
    calm(w)
    assert (w.places(), mine(w)) == (1, [])


def test_field_01_unknown_outcome_of_an_order_that_arrives_after_we_asked_about_it():
    w = world()
    w.fault("delay", on="requests", delay_ms=4_000, methods=["order.place"], times=1)
    w.fault("disconnect", methods=["time", "order.status"], line="ws_api", times=1)
    order = w.buy()
    w.run(0.01)
    w.cut(TRADE)
    w.run(3)
    assert "order.status" in w.methods(), "it was asked about, and not found"
    assert order.state is OrderState.UNKNOWN
    w.run_until(lambda: order.state is OrderState.LIVE)
    calm(w)
    assert w.places() == len(mine(w)) == 1


def test_field_01_unknown_outcome_a_report_is_enough_when_the_reply_never_comes():
    w = world()
    w.fault("drop", on="replies", methods=["order.place"])
    order = w.buy()
    w.run(0.1)
    assert order.state is OrderState.LIVE
    w.run(15)
    assert states(w, order) == [OrderState.LIVE], "an overdue reply takes nothing back"
    calm(w)


@pytest.mark.parametrize("executed", [False, True])
def test_field_01_unknown_outcome_of_a_cancel_is_asked_about(executed: bool):
    w = world()
    order = standing(w)
    w.fault("timeout", executed=executed, methods=["order.cancel"], times=1)
    w.fault("drop", on="reports", seconds=0.2)
    w.cancel(order)
    w.run(2)
    assert order.state is OrderState.CANCELED, "what was not executed is asked for again"
    calm(w)


def test_field_01_unknown_outcome_a_wrong_clock_is_a_refusal_and_the_clock_is_measured_anew():
    w = world()
    asked = sum("time" in request.path for request in w.asked)
    w.fault("clock", methods=["order.place"], times=1)
    order = w.buy()
    w.run(1.5)
    assert order.state is OrderState.REJECTED
    assert sum("time" in request.path for request in w.asked) > asked
    calm(w)


def test_field_01_unknown_outcome_of_an_order_that_somebody_has_cancelled_under_its_cancels_name():
    w = world()
    w.fault("drop", on="reports", seconds=1.0)
    w.fault("disconnect", executed=True, methods=["order.place"], times=1)
    order = w.buy()
    w.run(0.01)
    by_hand = {"symbol": SYMBOL, "origClientOrderId": order.client_order_id}
    w.request("order.cancel", by_hand, DEFAULT_KEY)
    assert order.state is OrderState.UNKNOWN
    w.run_until(lambda: order.state is OrderState.CANCELED)
    calm(w)


# -- 2: an outage --------------------------------------------------------------------------------


def test_field_02_outage_drops_no_live_order():
    w = world()
    orders = [w.buy(6_490_000 - 100 * n) for n in range(6)]
    w.run(0.1)
    w.fault("server_error", line="rest")
    w.fault("timeout", methods=["order.status", "userDataStream", "session"])
    for _ in range(6):
        w.cut(TRADE)
        w.run(10)
        assert len(w.engine.orders) == 6
        assert w.engine.orders.exposure(0).open_buy_lots == 6_000
    w.other("SELL", "64900.00", "0.01")
    assert isinstance(w._place(Side.BUY, 6_490_000, 100), Refusal), "nothing is placed meanwhile"
    calm(w, 60)
    assert w.desk.session is SessionState.TRADING
    assert [one.state for one in orders].count(OrderState.LIVE) == len(alive(w))


def test_field_02_outage_passes_of_reconciliation_never_overlap():
    w = world()
    w.fault("delay", on="replies", line="rest", delay_ms=12_000)
    w.cut(TRADE)
    most = 0
    for _ in range(600):
        w.run(0.1)
        under_way = [a for a in w.engine.outbound.inflight if isinstance(a.command, FetchAccount)]
        most = max(most, len(under_way))
    assert most == 1
    assert w.desk.session is SessionState.INTERRUPTED
    calm(w, 60)
    assert w.desk.session is SessionState.TRADING


def test_field_02_outage_a_refused_cancel_does_not_end_the_tracking():
    w = world()
    order = standing(w)
    w.fault("refuse_cancel", times=5)
    w.cancel(order)
    w.run(0.5)
    assert order.state is OrderState.LIVE
    w.other("SELL", "64995.00", "0.01")
    w.run(0.1)
    assert order.state is OrderState.FILLED
    assert w.engine.positions[0].lots == 1_000
    calm(w)


def test_field_02_outage_a_name_that_cannot_be_resolved_changes_no_order():
    w = world()
    order = standing(w)
    w.dials_allowed = False
    w.fault("disconnect", line="rest")
    w.cut(TRADE)
    w.cut(MARKET)
    w.run(60)
    assert order.state is OrderState.LIVE
    w.dials_allowed = True
    calm(w, 60)


# -- 3: reconciliation ---------------------------------------------------------------------------


def test_field_03_reconciliation_twice_finds_the_same_and_makes_up_nothing():
    w = world()
    order = standing(w)
    w.fault("drop", on="reports")
    w.other("SELL", "64995.00", "0.004")
    w.run(0.1)
    assert w.engine.positions[0].lots == 0
    seen = []
    for _ in range(3):
        w.cut(TRADE)
        w.run_until(lambda: w.desk.session is SessionState.INTERRUPTED)
        calm(w)
        position = w.engine.positions[0]
        seen.append(
            (position.lots, position.bought_value, order.state, order.open_lots, w.hand.fills)
        )
    assert seen[0] == seen[1] == seen[2]
    assert [fill.lots for fill in w.hand.fills] == [400]


def test_field_03_reconciliation_of_a_warm_restart_makes_up_no_opposite_fill():
    w = world()
    w.buy(6_501_000, 500, tif=TimeInForce.IOC)
    w.run(11)
    again = trading(next_boot(w))
    again.run(70)  # a periodic pass as well
    assert again.hand.fills == []
    assert again.engine.positions[0].lots == 500
    third = trading(next_boot(again))
    assert third.engine.positions[0].lots == 500
    calm(third)


def test_field_03_reconciliation_asks_about_what_the_venue_does_not_list():
    w = world()
    order = standing(w)
    w.fault("drop", on="reports", methods=["executionReport.CANCELED"])
    by_hand = {"symbol": SYMBOL, "origClientOrderId": order.client_order_id}
    w.request("order.cancel", by_hand, DEFAULT_KEY)
    w.run(1)
    assert order.state is OrderState.LIVE, "nobody has told us"
    w.run_until(lambda: order.state is OrderState.CANCELED, 61)
    calm(w)


def test_field_03_reconciliation_of_a_list_older_than_a_fill_takes_nothing_back():
    w = world()
    order = standing(w)
    w.fault("delay", on="replies", line="rest", delay_ms=3_000, methods=["openOrders.status"])
    w.engine.recovery.begin(w.now_ns)
    w.engine.recovery.step(w.now_ns)
    w.run(0.5)  # the list is made, and still on its way
    w.other("SELL", "64995.00", "0.01")
    w.run(0.5)
    assert order.state is OrderState.FILLED
    w.run(5)
    assert order.state is OrderState.FILLED
    assert w.engine.positions[0].lots == 1_000
    calm(w)


def test_field_03_reconciliation_of_a_list_older_than_an_order_does_not_miss_it():
    w = world()
    w.fault("delay", on="replies", line="rest", delay_ms=2_000, methods=["openOrders.status"])
    w.cut(TRADE)
    w.run(1)
    w.venue.faults.clear()
    w.run_until(lambda: w.desk.session is SessionState.TRADING)
    order = standing(w)
    w.run(5)
    assert states(w, order) == [OrderState.LIVE]
    calm(w)


# -- 4: a reconnect in the middle of something ----------------------------------------------------


@pytest.mark.parametrize("executed", [False, True])
def test_field_04_reconnect_in_the_middle_of_a_replace(executed: bool):
    w = world()
    old = standing(w)
    w.fault("disconnect", executed=executed, methods=["order.cancelReplace"], times=1)
    new = replace(w, old, 6_499_400, 1_000)
    assert isinstance(new, Order)
    w.run(0.01)
    assert (old.state, new.state) == (OrderState.LIVE, OrderState.UNKNOWN)
    assert w.engine.orders.exposure(0).open_buy_lots == 2_000, "either may stand, or both"
    w.run_until(lambda: new.state is not OrderState.UNKNOWN, 90)
    calm(w)
    if executed:
        assert (old.state, new.state) == (OrderState.CANCELED, OrderState.LIVE)
    else:
        assert (old.state, new.state) == (OrderState.LIVE, OrderState.REJECTED)


def test_field_04_reconnect_a_fill_of_the_replacing_order_counts_once():
    w = world()
    old = standing(w)
    w.fault("disconnect", executed=True, methods=["order.cancelReplace"], times=1)
    w.fault("duplicate", on="reports", delay_ms=700)
    new = replace(w, old, 6_499_400, 1_000)
    assert isinstance(new, Order)
    w.run(0.01)
    w.other("SELL", "64994.00", "0.004")  # while nobody listens
    w.run_until(lambda: w.engine.positions[0].lots == 400)
    w.other("SELL", "64994.00", "0.006")
    w.run(3)
    assert (new.state, new.filled_lots, old.filled_lots) == (OrderState.FILLED, 1_000, 0)
    calm(w)


def test_field_04_reconnect_a_cancel_during_recovery_is_not_undone_by_an_older_list():
    w = world()
    order = standing(w)
    w.fault("delay", on="replies", line="rest", delay_ms=2_000, methods=["openOrders.status"])
    w.cut(TRADE)
    w.run_until(lambda: w.engine.sessions[TRADE].ready)
    w.run(0.1)
    w.cancel(order)
    w.run(0.1)
    assert order.state is OrderState.CANCELED
    w.run_until(lambda: w.desk.session is SessionState.TRADING)
    assert order.state is OrderState.CANCELED
    calm(w)


def test_field_04_reconnect_an_older_acceptance_does_not_bring_back_what_was_replaced():
    w = world()
    w.fault("delay", on="reports", delay_ms=1_500, methods=["executionReport.NEW"])
    old = w.buy(6_499_500, 1_000)
    w.run(0.1)
    new = replace(w, old, 6_499_400, 1_000)
    assert isinstance(new, Order)
    w.run(3)
    assert (old.state, new.state) == (OrderState.CANCELED, OrderState.LIVE)
    calm(w)


def test_field_04_reconnect_again_and_again_during_recovery():
    w = world(
        risk="max_book_age_ms = 60000"
    )  # REST is cut as well, and cannot tell quiet from dead
    orders = [w.buy(6_490_000 - 100 * n) for n in range(4)]
    w.fault("disconnect", executed=True, chance=0.5)
    for _ in range(10):
        w.run(1)
    calm(w, 60)
    assert {one.state for one in orders} == {OrderState.LIVE}


# -- 5: the same fill twice ------------------------------------------------------------------------


def test_field_05_duplicate_fills_over_reconnects_count_once():
    w = world()
    w.fault("duplicate", on="reports", delay_ms=300)
    w.fault("reorder", on="reports", chance=0.5)
    order = standing(w)
    for n in range(5):
        w.other("SELL", "64995.00", "0.001")
        w.run(0.01)
        if n % 2:
            w.cut(TRADE)
        w.run(1)
    w.run_until(lambda: w.engine.positions[0].lots == 500)
    calm(w)
    assert order.filled_lots == 500


def test_field_05_duplicate_fills_after_a_restart_count_once():
    w = world()
    order = standing(w)
    w.other("SELL", "64995.00", "0.001")
    w.run(11)
    w.fault("duplicate", on="reports", delay_ms=500)
    w.other("SELL", "64995.00", "0.002")  # booked, and not in the last note
    w.run(0.1)
    assert w.engine.positions[0].lots == 300
    again = trading(next_boot(w, run='on_restart = "adopt"'))
    assert again.engine.positions[0].lots == 300
    again.other("SELL", "64995.00", "0.003")
    again.run(2)
    assert again.engine.positions[0].lots == 600
    assert [fill.lots for fill in again.hand.fills] == [200, 300]
    adopted = again.engine.orders.find(order.client_order_id)
    assert adopted is not None
    assert adopted.filled_lots == 600
    calm(again)


def test_field_05_duplicate_fills_of_an_order_cancelled_before_a_crash_count_once():
    w = world()
    w.run(11)
    w.fault("drop", on="reports")
    w.fault("drop", on="replies", methods=["order"])
    order = w.buy(6_499_500, 1_000)  # after the last note, and never heard of
    w.run(0.1)
    w.other("SELL", "64995.00", "0.004")
    w.cancel(order)
    w.run(0.1)
    assert (held(w), alive(w)) == (400, [])
    again = next_boot(w)
    again.venue.faults.clear()
    trading(again)
    again.run(2)
    assert again.engine.positions[0].lots == 400
    calm(again)


def test_field_05_duplicate_fills_a_count_before_its_fills_is_not_booked_twice():
    w = world()
    order = standing(w)
    w.fault("drop", on="reports", methods=["executionReport.TRADE"], times=1)
    w.other("SELL", "64995.00", "0.004")
    w.run(0.1)
    w.fault("delay", on="reports", methods=["executionReport.TRADE"], delay_ms=2_000)
    w.other("SELL", "64995.00", "0.003")
    replaced = replace(w, order, 6_499_500, 100)  # its reply tells 700 filled, and no trades
    assert replaced is order
    w.run(5)
    assert order.filled_lots == 700
    assert sorted(fill.lots for fill in w.hand.fills) == [300, 400]
    calm(w)


# -- 6: a modify that races a fill ----------------------------------------------------------------


def test_field_06_modify_that_a_fill_overtakes_trades_no_more_than_approved():
    w = world()
    order = standing(w)
    w.fault("delay", on="requests", methods=["order.amend"], delay_ms=50)
    assert replace(w, order, 6_499_500, 500) is order
    w.other("SELL", "64995.00", "0.007")  # before the amend to 0.005 arrives
    w.run(1)
    assert order.filled_lots == w.engine.positions[0].lots == 700
    assert order.state.terminal, "nothing is left of it to amend"
    assert w.engine.risk.instrument_halted(0) == "", "no more was filled than was placed"
    calm(w)


def test_field_06_modify_whose_answer_is_lost_leaves_the_larger_size_until_proved():
    w = world()
    order = standing(w)
    w.fault("drop", on="replies", methods=["order.amend"])
    w.fault("drop", on="reports")
    assert replace(w, order, 6_499_500, 400) is order
    w.run(1)
    assert w.engine.orders.exposure(0).open_buy_lots == 1_000
    w.run_until(lambda: order.size_lots == 400, 15)
    calm(w)


@pytest.mark.parametrize("seed", range(10))
def test_field_06_modify_races_never_exceed_the_approved_exposure(seed: int):
    """Whatever is lost or late, what the exchange may have us hold stays within our limit."""
    w = world(seed=seed, risk='[risk.BTCUSDT]\nmax_position = "0.03"')
    limit = 3_000
    chance = random.Random(seed)
    parts = ("requests", "replies", "reports")
    for _ in range(3):
        w.fault("delay", on=chance.choice(parts), delay_ms=chance.randrange(1, 400), chance=0.4)
    w.fault("drop", on=chance.choice(parts), chance=0.2)
    w.fault("duplicate", on="reports", delay_ms=100, chance=0.3)
    w.fault("reorder", on="reports", chance=0.3)
    for _ in range(80):
        orders = [one for one in w.engine.orders.open() if one.state is OrderState.LIVE]
        w.desk.now_ns = w.now_ns
        ticks = 6_499_000 + 10 * chance.randrange(60)
        lots = chance.randrange(100, 1_500)
        match chance.randrange(5):
            case 0:
                w.other("SELL", "64990.01", f"{chance.randrange(1, 9) / 1000:.5f}")
            case 1 if orders:
                w.desk.cancel(chance.choice(orders))
            case 2 | 3 if orders:
                order = chance.choice(orders)
                w.desk.replace(order, chance.choice([ticks, order.price_ticks]), lots)
            case _:
                w.desk.place(0, Side.BUY, ticks, lots, kind=OrderKind.POST_ONLY)
        w.flush()
        w.run(chance.choice([0.001, 0.02, 0.3]))
        could = held(w) + sum(one.quantity - one.executed for one in alive(w)) // LOT_UNITS
        assert could <= limit
        exposure = w.engine.orders.exposure(0)
        assert w.engine.positions[0].lots + exposure.open_buy_lots >= could, "we know of less"
    w.venue.faults.clear()
    w.run(65)  # what was lost on a line that stayed up is found by the next periodic pass
    calm(w)


# -- 7: a cancel that races a fill -----------------------------------------------------------------


def test_field_07_cancel_that_loses_to_a_fill_loses_no_fill():
    w = world()
    order = standing(w)
    w.fault("delay", on="requests", methods=["order.cancel"], delay_ms=100)
    w.fault("drop", on="reports", seconds=0.05)
    w.cancel(order)
    w.other("SELL", "64995.00", "0.01")
    w.run_until(lambda: order.state is OrderState.FILLED)
    w.run_until(lambda: w.engine.positions[0].lots == 1_000)
    calm(w)


def test_field_07_cancel_whose_answers_are_all_lost_counts_what_filled_meanwhile():
    w = world()
    order = standing(w)
    w.fault("drop", on="requests", methods=["order.cancel"])
    w.cancel(order)
    w.run(0.1)
    w.fault("drop", on="reports", seconds=1.0)
    w.other("SELL", "64995.00", "0.01")
    w.run(9)
    assert order.state is not OrderState.CANCELED
    w.run_until(lambda: order.state is OrderState.FILLED)
    w.run_until(lambda: w.engine.positions[0].lots == 1_000)
    calm(w)


def test_field_07_cancel_told_before_the_fill_that_came_before_it():
    w = world()
    order = standing(w)
    w.fault("delay", on="reports", methods=["executionReport.TRADE"], delay_ms=300)
    w.other("SELL", "64995.00", "0.004")
    w.cancel(order)
    w.run(0.1)
    assert order.state is OrderState.CANCELED
    assert w.engine.orders.exposure(0).open_buy_lots == 400, "the fills are still to come"
    w.run(0.5)
    assert order.filled_lots == w.engine.positions[0].lots == 400
    calm(w)


def test_field_07_cancel_told_and_the_fill_before_it_never():
    w = world()
    order = standing(w)
    w.fault("drop", on="reports", methods=["executionReport.TRADE"])
    w.other("SELL", "64995.00", "0.004")
    w.cancel(order)
    w.run_until(lambda: w.engine.positions[0].lots == 400)
    assert order.state is OrderState.CANCELED
    calm(w)


# -- 8: orders that survive ------------------------------------------------------------------------


def by_word(w: World) -> None:
    w.engine.leave("the operator says stop", w.now_ns)


def by_a_strategy_that_raises(w: World) -> None:
    def fail(desk: Desk, book: BookView) -> None:
        raise RuntimeError("nonsense")

    w.hand.on_book = fail  # type: ignore[method-assign] # the point of the test
    w.other("BUY", "64500.00", "0.01")
    w.run(0.2)
    assert "RuntimeError" in w.stopped
    w.engine.leave(w.stopped, w.now_ns)


def by_a_failure_outside(w: World) -> None:
    w.engine.fail("the loop is stuck", w.now_ns)
    w.engine.leave("the loop is stuck", w.now_ns)


def without_a_connection(w: World) -> None:
    w.cut(TRADE)
    w.engine.leave("the line is gone", w.now_ns)


WAYS = [by_word, by_a_strategy_that_raises, by_a_failure_outside, without_a_connection]

FAULTS: dict[str, list[dict[str, Any]]] = {
    "none": [],
    "cancels refused": [{"fault": "refuse_cancel", "times": 3}],
    "cancels lost": [{"fault": "drop", "on": "requests", "methods": ["order.cancel"], "times": 3}],
    "cancels fail": [{"fault": "server_error", "methods": ["order.cancel"], "times": 3}],
    "cancels fail after they are done": [
        {"fault": "timeout", "executed": True, "methods": ["order.cancel"], "times": 3},
        {"fault": "drop", "on": "reports", "seconds": 3.0},
    ],
    "cancels cut the line": [{"fault": "disconnect", "methods": ["order.cancel"], "times": 2}],
    "halted by the venue": [
        {"fault": "maintenance", "methods": ["order.place", "order.cancel"], "seconds": 5.0}
    ],
    "silence": [{"fault": "silence", "line": "ws_api", "seconds": 20.0}],
    "throttled": [{"fault": "throttled", "retry_ms": 2_000, "seconds": 3.0}],
    "throttled without a time": [{"fault": "throttled", "seconds": 3.0}],
    "banned": [{"fault": "banned", "retry_ms": 5_000, "times": 1}],
    "an order under way": [
        {"fault": "delay", "on": "requests", "methods": ["order.place"], "delay_ms": 3_000}
    ],
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("leave", WAYS)
def test_field_08_survivors_none_after_leaving(
    leave: Callable[[World], None], faults: list[dict[str, Any]]
):
    w = world()
    for n in range(3):
        w.buy(6_490_000 - 100 * n)
    w.run(0.1)
    for fault in faults:
        w.fault(**{"kind" if key == "fault" else key: value for key, value in fault.items()})
    w.buy(6_480_000)
    leave(w)
    w.run_until(lambda: w.has_left, 150)
    assert alive(w) == []
    w.run(60)
    assert alive(w) == [], "and nothing arrives later"
    assert w.engine.positions[0].lots == held(w)


def test_field_08_survivors_of_an_earlier_boot_that_nobody_knows_of_are_found_by_the_list():
    w = world()
    w.fault("drop", on="reports")
    stray = f"{w.engine.setup.scope}0-7"
    w.other("BUY", "64000.00", "0.01", key=DEFAULT_KEY, newClientOrderId=stray)
    by_word(w)
    w.run_until(lambda: w.has_left)
    assert (len(mine(w)), alive(w)) == (1, [])


def test_field_08_survivors_an_order_in_doubt_is_cancelled_without_waiting_for_proof():
    w = world()
    w.fault("disconnect", executed=True, methods=["order.place"], times=1)
    w.fault("timeout", methods=["order.status"])
    w.fault("server_error", line="rest")
    w.fault("drop", on="reports", seconds=0.5)
    order = w.buy()
    w.run_until(lambda: w.engine.sessions[TRADE].ready and order.state is OrderState.UNKNOWN)
    by_word(w)
    w.run(0.1)
    assert alive(w) == []


# -- 9: orders placed during shutdown --------------------------------------------------------------


class Eager(Hand):
    """Places an order whenever it is called, and asks to be called again."""

    price = 6_480_000

    def _place(self, desk: Desk) -> None:
        desk.place(0, Side.BUY, self.price, 100)

    def on_book(self, desk: Desk, book: BookView) -> None:
        self._place(desk)

    def on_order(self, desk: Desk, order: OrderView) -> None:
        super().on_order(desk, order)
        self._place(desk)

    def on_timer(self, desk: Desk, tag: str) -> None:
        self._place(desk)
        desk.timer(10_000_000, tag)

    def on_session(self, desk: Desk, session: SessionState) -> None:
        super().on_session(desk, session)
        self._place(desk)
        desk.timer(10_000_000, "again")

    def on_stop(self, desk: Desk) -> None:
        self._place(desk)


EAGER = "tests.world.test_field:Eager"


@pytest.mark.parametrize("fault", [None, "refuse_cancel"])
def test_field_09_shutdown_is_not_answered_with_new_orders(fault: str | None):
    w = World(strategy=EAGER, risk="[risk.BTCUSDT]\nmax_open_orders = 5")
    w.trading()
    w.run(1)
    assert alive(w)
    if fault:
        w.fault(fault, times=4)
    before = w.places()
    by_word(w)
    w.other("BUY", "64500.00", "0.01")
    w.run_until(lambda: w.has_left, 60)
    w.run(5)
    assert w.places() == before
    assert alive(w) == []


def test_field_09_shutdown_waits_for_an_order_that_had_left_before():
    w = world()
    w.fault("delay", on="requests", methods=["order.place"], delay_ms=4_000)
    w.buy()
    w.run(0.01)
    by_word(w)
    w.run(3.5)
    assert not w.has_left, "it may still be accepted"
    w.run_until(lambda: w.has_left)
    assert [one.is_open for one in mine(w)] == [False]


# -- 10: somebody else's orders --------------------------------------------------------------------


@pytest.mark.parametrize("how", [b"halt", b"cancel-all", b"flatten", b"leave", b"fail", b"restart"])
def test_field_10_others_orders_are_left_alone(how: bytes):
    w = world()
    scope = w.engine.setup.scope
    other_scope = ("a" if scope[0] != "a" else "b") + scope[1:]
    w.other("BUY", "60000.00", "0.01", key=DEFAULT_KEY)
    w.other("BUY", "60001.00", "0.01", key=DEFAULT_KEY, newClientOrderId=f"{other_scope}1-1")
    standing(w)
    if how == b"restart":
        w.run(11)
        w = trading(next_boot(w))
        by_word(w)
    else:
        control(w, how + b" test")
    w.run(5)
    left = w.ledger.open_orders(SYMBOL)
    assert [one.price // 10**8 for one in left] == [60_000, 60_001]
    assert alive(w) == []
    assert not any("cancelAll" in method for method in w.methods())
    assert not any(request.method == "DELETE" for request in w.asked)


def test_field_10_others_orders_are_counted_and_their_fills_are_not_ours():
    w = world()
    w.other("BUY", "64999.00", "0.01", key=DEFAULT_KEY)
    w.other("SELL", "64999.00", "0.01")
    w.other("BUY", "60000.00", "0.01", key=DEFAULT_KEY)
    w.cut(TRADE)
    w.run_until(lambda: w.desk.session is SessionState.INTERRUPTED)
    calm(w)
    assert w.engine.recovery.foreign_orders == {0: 1}
    assert (w.engine.positions[0].lots, w.hand.fills) == (0, [])


# -- 11: the kill switch ---------------------------------------------------------------------------


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("how", [b"halt", b"flatten", b"cancel-all"])
def test_field_11_kill_switch_takes_every_order_out_whatever_fails(
    how: bytes, faults: list[dict[str, Any]]
):
    w = world()
    for n in range(3):
        w.buy(6_490_000 - 100 * n)
    w.run(0.1)
    for fault in faults:
        w.fault(**{"kind" if key == "fault" else key: value for key, value in fault.items()})
    w.buy(6_480_000)
    w.run(0.001)
    control(w, how)
    w.run_until(lambda: not len(w.engine.orders), 150)
    w.run(60)
    assert alive(w) == []
    calm(w)


@pytest.mark.parametrize("how", [b"halt", b"flatten", b"cancel-all"])
def test_field_11_kill_switch_works_while_the_connection_is_down(how: bytes):
    w = world()
    standing(w)
    w.dials_allowed = False
    w.cut(TRADE)
    w.run(1)
    control(w, how)
    w.run(20)
    w.dials_allowed = True
    w.run_until(lambda: w.engine.sessions[TRADE].ready)
    w.run(0.1)
    assert alive(w) == [], "as soon as there is a line"
    calm(w)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "timeout", "executed": True},
        {"kind": "timeout"},
        {"kind": "disconnect", "executed": True},
        {"kind": "server_error"},
        {"kind": "clock"},
    ],
)
def test_field_11_kill_switch_flattens_exactly_once(fault: dict[str, Any]):
    w = world()
    w.other("BUY", "64980.00", "5")
    w.buy(6_501_000, 50_000, tif=TimeInForce.IOC)
    standing(w, 6_480_000)
    w.fault(**fault, methods=["order.place"], times=1)
    w.fault("drop", on="reports", seconds=1.0)
    control(w, b"flatten")
    w.run_until(lambda: not w.engine.flattening.wanted, 60)
    assert "flat" in w.engine.risk.halted
    calm(w)
    assert (held(w), alive(w)) == (50, []), "what was paid as fees is not ours to sell"


def test_field_11_kill_switch_does_not_depend_on_the_strategy():
    w = world()
    standing(w)

    def fail(desk: Desk, session: SessionState) -> None:
        raise AttributeError("kill_switch")

    w.hand.on_session = fail  # type: ignore[method-assign] # the point of the test
    control(w, b"halt")
    w.run(1)
    assert alive(w) == []
    assert w.desk.session is SessionState.HALTED


def test_field_11_kill_switch_is_not_tripped_by_what_is_merely_late_or_doubled():
    w = world()
    for part in ("replies", "reports"):
        w.fault("duplicate", on=part, delay_ms=50)
        w.fault("reorder", on=part, chance=0.3)
        w.fault("delay", on=part, delay_ms=120, chance=0.3)
    for n in range(20):
        order = w.buy(6_499_500, 100)
        w.run(0.05)
        w.other("SELL", "64995.00", f"0.000{1 + n % 9}")
        w.run(0.3)
        if not order.state.terminal and not order.cancelling:
            w.cancel(order)
        w.run(0.3)
    assert (w.engine.risk.halted, w.engine.risk.instrument_halted(0)) == ("", "")
    calm(w)


@pytest.mark.parametrize("how", [b"halt", b"flatten", b"cancel-all", b"leave", b"fail"])
def test_field_11_kill_switch_sends_its_cancels_in_the_same_turn(how: bytes):
    w = world()
    standing(w)
    control(w, how)
    assert w.methods()[-1] == "order.cancel"


def test_field_11_kill_switch_of_one_instrument_keeps_at_it_until_its_orders_are_gone():
    w = world()
    standing(w)
    w.fault("refuse_cancel", times=3)
    w.engine.gate.halt_instrument(0, "test", HaltKind.CONTRADICTION)
    w.flush()
    w.run(10)
    assert alive(w) == []


# -- 12: what is no trade --------------------------------------------------------------------------


def disguised(w: World, kind: bytes) -> None:
    """Have the exchange call its trades by another name."""
    w.to_engine = lambda m: [
        (
            LATENCY_NS,
            Message(
                m.connection, m.opcode, m.payload.replace(b'"x":"TRADE"', b'"x":"' + kind + b'"')
            ),
        )
    ]


def test_field_12_non_trade_halts_its_instrument_and_moves_no_position():
    w = world()
    order = standing(w)
    w.fault("timeout", methods=["order.status", "myTrades"])
    disguised(w, b"FUNDING")
    w.other("SELL", "64995.00", "0.004")
    w.run(2)
    assert (w.engine.positions[0].lots, w.hand.fills) == (0, [])
    assert "FUNDING" in w.engine.risk.instrument_halted(0)
    assert w.engine.risk.halted == "", "other instruments go on"
    assert isinstance(w._place(Side.BUY, 6_490_000, 100), Refusal)
    w.to_engine = w.deliver
    w.run_until(order.state.terminal.__bool__ if order.state.terminal else lambda: not alive(w))
    calm(w)


def test_field_12_non_trade_a_deposit_is_no_fill():
    w = world()
    w.ledger.deposit("BTC", 5 * 10**8)
    w.ledger.deposit("USDT", -(10**8))
    w.run(1)
    assert (w.engine.positions[0].lots, w.hand.fills) == (0, [])
    assert w.engine.risk.instrument_halted(0) == ""
    calm(w)


def test_field_12_non_trade_a_size_the_venue_rewrites_is_never_more_than_we_asked():
    w = world()
    w.to_engine = lambda m: [
        (
            LATENCY_NS,
            Message(m.connection, m.opcode, m.payload.replace(b'"0.01000000"', b'"9.00000000"')),
        )
        if m.connection == TRADE
        else (LATENCY_NS, m)
    ]
    order = w.buy()
    w.run(0.5)
    assert order.size_lots == 1_000
    assert w.engine.orders.exposure(0).open_buy_lots == 1_000


# -- 13: runaway loops -----------------------------------------------------------------------------


class Runaway(Eager):
    """Tries again at once whatever it is answered, a hundred times a call."""

    def _place(self, desk: Desk) -> None:
        for _ in range(100):
            desk.place(0, Side.BUY, self.price, 100)


RUNAWAY = "tests.world.test_field:Runaway"


def runaway(risk: str) -> World:
    w = World(strategy=RUNAWAY, risk=f"[risk.BTCUSDT]\n{risk}")
    w.make_market()
    return w


def let_go(w: World, seconds: float) -> None:
    w.run_until(lambda: w.desk.session is SessionState.TRADING)
    w.other("BUY", "64000.00", "1")
    w.run(seconds)


@pytest.mark.parametrize("cause", ["balance", "maintenance"])
def test_field_13_runaway_loop_of_ordinary_refusals_waits_longer_each_time(cause: str):
    w = runaway("max_rejects = 10\nmax_orders_per_second = 20")
    if cause == "balance":
        for asset, (free, _) in w.ledger.balances().items():
            w.ledger.deposit(asset, -free)
    else:
        w.fault("maintenance")
    let_go(w, 60)
    assert w.engine.risk.instrument_halted(0) == "", "who has no funds may have some tomorrow"
    assert 10 < w.places() <= 12 * 20, "twelve times a minute, twenty each"
    calm(w)


def test_field_13_runaway_loop_of_unexpected_refusals_trips_the_breaker():
    w = runaway("max_rejects = 10\nmax_orders_per_second = 20")
    w.to_venue = refusing(w, -2010, "Price * QTY is zero or less.")
    let_go(w, 60)
    assert "rejects" in w.engine.risk.instrument_halted(0)
    assert 10 < w.places() <= 31, "ten are forgiven; what was under way by then may be refused too"
    calm(w)


@pytest.mark.parametrize(
    ("limit", "most"),
    [
        ('max_position = "0.02"', 20),
        ("max_open_orders = 10", 10),
        ("max_orders_per_second = 2", 99),
    ],
)
def test_field_13_runaway_loop_of_accepted_orders_stays_within_every_limit(limit: str, most: int):
    w = runaway(limit)
    let_go(w, 0)
    for _ in range(30):
        before = w.places()
        w.run(1)
        assert len(alive(w)) <= most
        assert w.places() - before <= (4 if "second" in limit else most)
    assert w.places() >= 10


@pytest.mark.parametrize("scope", [{}, {"retry_ms": 3_000}])
def test_field_13_runaway_loop_is_slowed_by_the_venue_before_it_is_banned(scope: dict[str, int]):
    w = runaway("max_rejects = 10\nmax_orders_per_second = 5")
    w.fault("throttled", methods=["order.place"], **scope)
    let_go(w, 2.9)
    assert w.places() == 5, "not one more before the time the venue told, or a minute"


def test_field_13_runaway_loop_of_cancels_and_replaces_is_refused_without_a_request():
    w = world()
    order = standing(w)
    before = len(w.methods())
    for _ in range(1_000):
        w.desk.cancel(order)
        replace(w, order, 6_499_400, 500)
        replace(w, order, 6_499_500, 500)
    assert len(w.methods()) - before == 1, "one change of an order at a time"
    pending = w.buy()
    for _ in range(1_000):
        assert isinstance(replace(w, pending, 6_499_400, 500), Refusal)
    assert len(w.methods()) - before == 2, "and none before it is known to stand"
    w.run(1)
    calm(w)


def test_field_world_can_see_a_lie():
    """A canary: a fill that we do not know of is noticed."""
    w = world()
    standing(w)
    w.fault("drop", on="reports")
    w.other("SELL", "64995.00", "0.004")
    w.run(0.1)
    with pytest.raises(AssertionError):
        agree(w)
    assert w.venue.faults.hits[Kind.DROP] == 2
