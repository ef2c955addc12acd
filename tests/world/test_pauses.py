"""A process that did not run, turns that took too long, and a venue that wants to be left alone."""

from __future__ import annotations

from typing import Any

import msgspec

from core.engine.engine import STOPPED_NS, TURN_BUDGET_NS
from core.model.events import Side
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.views import BookState, Refusal, SessionState
from tests.world.test_recovery import MARKET, TRADE, World, world
from tools.world.tank import LATENCY_NS


def sleep(w: World, for_ns: int) -> None:
    """Let time pass in which the process does not run; its timers are late then."""
    w.now_ns += for_ns


def test_after_a_stop_nothing_is_placed_before_the_book_was_read_again():
    w = world()
    sleep(w, 5 * NS_PER_S)
    w.run(0)
    assert not w.engine.books[0].live
    assert w.hand.books[-1] is BookState.STALE
    assert isinstance(w._place(Side.BUY, 6_490_000, 1_000), Refusal)
    w.run(1)
    w.other("BUY", "64001.00", "1")
    w.run_until(lambda: w.engine.books[0].live)
    w.buy()


def test_what_waited_on_the_market_connection_is_not_taken_after_a_stop():
    w = world()
    link = w.links[MARKET]
    w.clog(MARKET, 3 * NS_PER_S)
    w.other("BUY", "64002.00", "1")
    sleep(w, 5 * NS_PER_S)
    w.run(0.001)
    assert link.dropped
    assert not w.engine.books[0].live


def test_a_stop_shorter_than_that_is_none():
    w = world()
    sleep(w, STOPPED_NS - 200 * NS_PER_MS)
    w.run(0.3)
    assert w.engine.books[0].live
    assert w.desk.session is SessionState.TRADING


def test_our_own_orders_news_is_taken_after_a_stop():
    w = world()
    order = w.buy(6_499_500, 1_000)
    w.run(0.1)
    w.clog(TRADE, 3 * NS_PER_S)
    w.other("SELL", "64995.00", "0.004")
    sleep(w, 4 * NS_PER_S)
    w.run(0.2)
    assert order.filled_lots == 400


def test_a_turn_over_its_budget_is_counted_and_the_worst_one_said(monkeypatch: Any):
    w = world()
    late_ns = 0
    w._stamp = lambda: w.now_ns + late_ns  # type: ignore[method-assign] # a clock that moves

    def slow(*_: Any) -> None:
        nonlocal late_ns
        late_ns += TURN_BUDGET_NS + NS_PER_MS

    w.engine._stamp = w.engine.callbacks._stamp = w._stamp
    monkeypatch.setattr(w.hand, "on_book", slow)
    for price in ("64003.00", "64004.00"):
        w.other("BUY", price, "1")
        w.run(0.3)
    assert w.engine.counts.slow_turns == 2
    assert w.engine.counts.slowest_turn_ns == TURN_BUDGET_NS + NS_PER_MS
    assert len([line for line in w.log_lines if "the longest so far" in line]) == 1


def test_nothing_is_dialled_during_a_ban():
    w = world()
    until_ns = w.now_ns + 8 * NS_PER_S
    error = {"code": -1003, "msg": "banned", "data": {"retryAfter": until_ns // NS_PER_MS}}
    w.say(TRADE, 1, msgspec.json.encode({"id": "q999", "status": 418, "error": error}))
    w.run(0.1)
    w.cut(MARKET)
    w.run(7.5)
    assert MARKET not in w.links
    w.run_until(lambda: MARKET in w.links, 2)
    assert w.now_ns >= until_ns


def test_a_cool_down_from_before_the_time_is_known_is_no_longer_than_it_was_meant() -> None:
    """Our clock is an hour ahead, and the first that the venue says is that we ask too much."""
    w = World(skew_ns=-3_600 * NS_PER_S)
    answer = w.rest_answer
    w.rest_answer = lambda request, *told: (LATENCY_NS, 429, {}, b'{"code":-1003,"msg":"Too many"}')
    w.run(0.5)
    w.rest_answer = answer
    w.run_until(lambda: w.desk.session is SessionState.TRADING, 150)


def requested_the_time_in_a_back_off(w: World) -> int:
    """Have the venue throttle all and refuse our time; return how often it is asked for its own."""
    w.engine.throttle.cool_down(0, w.now_ns + w.engine.clock.offset_ns)
    w.engine.reference_data.forget_clock()
    before = len(w.asked)
    w.rest_answer = lambda request, *told: None
    w.run(5)
    return sum(request.path.endswith("/time") for request in w.asked[before:])


def test_in_a_back_off_the_time_is_asked_for_where_an_order_is_to_be_cancelled():
    """Cancels are taken, and those of a wrong time are not."""
    w = world()
    w.buy()
    w.run(0.5)
    assert 4 <= requested_the_time_in_a_back_off(w) <= 6, "once a second"


def test_in_a_back_off_nobody_is_asked_for_the_time_where_no_order_stands():
    assert requested_the_time_in_a_back_off(world()) == 0


def test_cancels_wait_where_it_is_not_known_what_was_throttled():
    """It was asked on a connection that has been replaced since, and may have been a cancel."""
    w = world()
    error = {"code": -1003, "msg": "Too much request weight used"}
    w.say(TRADE, 1, msgspec.json.encode({"id": "c999", "status": 429, "error": error}))
    w.run(0.1)
    venue_ns = w.now_ns + w.engine.clock.offset_ns
    assert w.engine.throttle.cancels_from_ns > venue_ns + 4 * NS_PER_S
