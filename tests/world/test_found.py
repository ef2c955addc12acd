"""Bugs that simulated worlds have found, each shown by itself."""

from __future__ import annotations

import msgspec

from core.units import NS_PER_MS, NS_PER_S
from core.views import OrderState, SessionState
from tests.world.test_continuity import next_boot, trading
from tests.world.test_recovery import TRADE, world


def test_a_cancelled_order_that_was_never_acknowledged_is_known_under_its_cancels_id():
    w = world()
    w.to_engine = lambda m: [] if b"order" in m.payload or b"event" in m.payload else w.deliver(m)
    order = w.buy()
    w.run(0.1)
    w.cancel(order)
    w.run(0.1)
    w.cut(TRADE)
    w.to_engine = w.deliver
    w.run_until(lambda: order.state is OrderState.CANCELED)


def test_the_fills_of_an_order_that_a_dead_boot_cancelled_are_found():
    w = world()
    w.run(11)
    w.to_engine = lambda m: []
    order = w.buy(6_499_500, 1_000)
    w.run(0.01)
    w.other("SELL", "64995.00", "0.004")
    w.cancel(order)
    w.run(0.05)
    again = trading(next_boot(w))
    assert again.engine.positions[0].lots == 400


def test_a_line_that_opens_during_a_ban_is_opened_once_it_is_over():
    w = world()
    until_ms = (w.now_ns + 3 * NS_PER_S) // NS_PER_MS
    error = {"code": -1003, "msg": "banned", "data": {"retryAfter": until_ms}}
    banned = msgspec.json.encode({"id": "q999", "status": 418, "error": error})
    w.say(TRADE, 1, banned)
    w.run(0.1)
    w.cut(TRADE)
    w.run(1)
    assert w.desk.session is SessionState.INTERRUPTED
    w.run_until(lambda: w.desk.session is SessionState.TRADING, 10)
