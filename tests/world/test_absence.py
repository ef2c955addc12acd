"""What proves that the venue does not have an order, and what becomes of one that appears late."""

from __future__ import annotations

import pytest

from core.engine.resolution import APART_NS, SKEW_NS
from core.model.commands import TimeInForce
from core.model.events import Side
from core.model.units import NS_PER_S
from core.model.views import OrderState, Refusal, SessionState
from tests.world.test_continuity import next_boot
from tests.world.test_recovery import TRADE, World, world
from tools.world.tank import Delivery, Message
from venues.binance.adapter import EXECUTION_NS, LAG_NS
from venues.sim.actions import Reset, perform

WINDOW_NS = 5 * NS_PER_S


def open_lots(w: World) -> int:
    return w.engine.orders.exposure(0).open_buy_lots


def test_an_order_that_timed_out_is_proved_absent_after_window_timeout_and_skew():
    """By two sources, some seconds apart; the stream stood all the while, and does not lag."""
    w = world()
    w.fault("timeout", methods=["order.place"], times=1)
    order = w.buy()
    sent_ns = w.now_ns
    w.run_until(lambda: order.state is OrderState.REJECTED, 40)
    assert w.now_ns - sent_ns > WINDOW_NS + EXECUTION_NS + SKEW_NS + APART_NS
    assert open_lots(w) == 0


def test_one_source_proves_no_absence():
    """The order itself is not found, and the list of open orders has it: it stays unknown."""
    w = world()
    w.fault("timeout", methods=["order.place"], executed=True, times=1)

    def not_found(message: Message) -> list[Delivery]:
        if (
            message.connection == TRADE
            and message.opcode == 1
            and b"executionReport" in message.payload
        ):
            return []
        return w.deliver(message)

    w.to_engine = not_found
    order = w.buy()
    w.fault("lag", methods=["order.status"], delay_ms=60_000)
    w.run(50)
    assert order.state in (OrderState.UNKNOWN, OrderState.LIVE)
    assert open_lots(w) == 1_000


@pytest.mark.parametrize("methods", [["order.status"], ["openOrders.status"], ["myTrades"], []])
def test_answers_that_lag_by_a_minute_prove_nothing(methods):
    """An order that was filled at once is in no list, and a replica knows nothing of it yet."""
    w = world()
    w.run(11)
    w.fault("disconnect", methods=["order.place"], executed=True, times=1)
    order = w.buy(6_501_000, 500, tif=TimeInForce.IOC)
    w.fault("lag", delay_ms=60_000, seconds=120, **({"methods": methods} if methods else {}))
    w.run_until(lambda: w.engine.positions[0].lots == 500, 100)
    assert order.state is OrderState.FILLED
    assert not any("ALARM" in line for line in w.log_lines), "it was never declared absent"


def test_without_a_window_absence_is_never_proved():
    w = world()
    w.engine.resolution._expiry_ns = None
    w.fault("timeout", methods=["order.place"], times=1)
    order = w.buy()
    w.run(300)
    assert (order.state, open_lots(w)) == (OrderState.UNKNOWN, 1_000)


@pytest.mark.parametrize("late_s", [6, 20, 60])
def test_an_order_accepted_late_never_takes_the_position_beyond_its_limit(late_s: int):
    """Its exposure stands until it is proved absent, and is back at once should it appear."""
    w = world(risk='[risk.BTCUSDT]\nmax_position = "0.01"')
    w.fault("late", delay_ms=late_s * 1_000, methods=["order.place"], times=1)
    first = w.buy()
    w.run(0.3)
    w.cut(TRADE)
    w.run_until(lambda: w.desk.gate_open)
    assert isinstance(w._place(Side.BUY, 6_490_000, 1_000), Refusal), "the first may stand"
    w.run_until(lambda: w.ledger.open_orders("BTCUSDT") != [], late_s + 5)
    w.other("SELL", "64900.00", "2")
    w.run(2)
    assert first.state is OrderState.FILLED
    assert w.engine.positions[0].lots == 1_000


def test_an_order_proved_absent_that_appears_after_all_counts_at_once_and_is_cancelled():
    w = world()
    w.fault("timeout", methods=["order.place"], times=1)
    order = w.buy()
    w.run_until(lambda: order.state is OrderState.REJECTED, 40)
    w.run(5)
    w.other(
        "BUY",
        "64900.00",
        "0.01",
        key="hotloop-sim-key-this-is-not-a-secret",
        newClientOrderId=order.client_order_id,
    )
    w.run(0.01)
    assert any("ALARM" in line for line in w.log_lines)
    w.run_until(lambda: order.state is OrderState.CANCELED, 5)
    assert (open_lots(w), w.ledger.open_orders("BTCUSDT")) == (0, [])


def test_leaving_waits_for_what_may_still_be_accepted():
    w = world()
    w.fault("timeout", methods=["order.place"], times=1)
    w.buy()
    sent_ns = w.now_ns
    w.run(11)
    w.leave(60)
    assert w.now_ns - sent_ns > WINDOW_NS + EXECUTION_NS + SKEW_NS


# -- orders that the venue no longer knows -------------------------------------------------------


def reset(w: World) -> None:
    """The exchange is set up anew, as its test network is every month."""
    perform(Reset(), w.venue.exchange, w.venue_ns)
    w.venue.advance(w.venue_ns)
    w.other("BUY", "64990.00", "1")
    w.other("SELL", "65010.00", "1")


def see_the_book(w: World) -> None:
    """Have changes, for the snapshot to bridge."""
    for price in range(64_000, 64_100):
        w.other("BUY", f"{price}.00", "0.01")
        w.run(0.2)
        if w.engine.books[0].live:
            return


def test_an_order_that_the_venue_no_longer_knows_ends_with_proof():
    w = world()
    order = w.buy()
    w.run(1)
    assert order.state is OrderState.LIVE
    reset(w)
    reset_ns = w.now_ns
    w.run_until(lambda: order.state.terminal, 200)
    assert w.now_ns - reset_ns > LAG_NS, "a replica that is behind looks the same"
    assert (order.state, open_lots(w)) == (OrderState.EXPIRED, 0)
    assert any("no longer knows" in line for line in w.log_lines)


def test_numbers_that_begin_anew_are_noticed_with_the_first_order_and_its_fill_is_booked():
    w = world()
    for _ in range(5):
        w.buy(6_501_000, 100, tif=TimeInForce.IOC)
        w.run(0.5)
    assert w.engine.positions[0].lots == 500
    w.run(2)
    reset(w)
    see_the_book(w)
    w.buy(6_501_000, 100, tif=TimeInForce.IOC)
    w.run(0.2)
    assert w.engine.positions[0].lots == 600, "it is no repetition, though we know its id"
    assert "from the beginning again" in w.engine.risk.halted
    w.engine.on_control(b"resume", w.now_ns)
    w.run(10)
    assert not w.engine.risk.halted, w.engine.risk.halted
    see_the_book(w)
    w.buy(6_501_000, 100, tif=TimeInForce.IOC)
    w.run(0.2)
    assert w.engine.positions[0].lots == 700


def test_numbers_that_begin_anew_are_noticed_at_a_start_before_anything_is_placed():
    w = world()
    for _ in range(5):
        w.buy(6_501_000, 100, tif=TimeInForce.IOC)
        w.run(0.5)
    w.run(80)
    reset(w)
    again = next_boot(w)
    again.run(30)
    assert "from the beginning again" in again.engine.risk.halted
    assert again.places() == 0


def test_a_start_waits_for_a_history_that_lacks_what_it_has_told_of():
    """It lags, and would hide other trades as well."""
    w = world()
    w.run(11)
    w.buy(6_501_000, 500, tif=TimeInForce.IOC)
    w.run(11)
    w.fault("lag", methods=["myTrades"], delay_ms=60_000, seconds=40)
    again = next_boot(w)
    began_ns = again.now_ns
    again.run_until(lambda: again.desk.session is SessionState.TRADING, 60)
    assert again.now_ns - began_ns > 25 * NS_PER_S
    assert not again.engine.risk.halted
    assert again.engine.positions[0].lots == 500


def test_no_fill_is_lost_at_a_restart_because_the_history_lags():
    """What an order known by its number alone has traded is asked until the sums agree."""
    w = world()
    w.run(11)
    w.buy(6_499_500, 400)
    w.run(0.3)
    w.die()
    w.other("SELL", "64995.00", "0.004")
    again = next_boot(w)
    again.fault("lag", methods=["myTrades"], delay_ms=50_000, seconds=60)
    again.run(5)
    assert again.engine.orders.exposure(0).open_buy_lots == 400, "it may trade, or has"
    again.run_until(lambda: again.engine.positions[0].lots == 400, 100)
    again.run(0.1)
    assert again.engine.positions[0].lots == 400


def test_a_reset_that_a_person_has_resumed_is_not_met_again_by_the_next_boot():
    """Also where that boot dies long before its next note were due."""
    w = world()
    for _ in range(5):
        w.buy(6_501_000, 100, tif=TimeInForce.IOC)
        w.run(0.5)
    w.run(80)
    reset(w)
    noted_ns = w.engine.continuity._noted_ns
    w.run_until(lambda: w.engine.continuity._noted_ns > noted_ns, 20)
    see_the_book(w)
    w.buy(6_501_000, 100, tif=TimeInForce.IOC)
    w.run(0.2)
    assert "from the beginning again" in w.engine.risk.halted
    w.engine.on_control(b"resume", w.now_ns)
    w.run(1.5)
    again = next_boot(w)
    again.run(200)
    assert not again.engine.risk.halts(), again.engine.risk.halted
    assert again.engine.positions[0].lots == 600
