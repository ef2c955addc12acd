"""Bugs that simulated worlds have found, each shown by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from core.model.events import Side
from core.model.halts import HaltKind
from core.model.strategy import Desk
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.views import OrderState, Refusal, SessionState
from core.state.orders import Order
from tests.world.test_continuity import next_boot, trading
from tests.world.test_recovery import TRADE, World, world
from venues.sim.server import DEFAULT_KEY


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


def test_a_connection_that_opens_during_a_ban_is_opened_once_it_is_over():
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


def test_a_fill_told_before_the_first_pass_does_not_hide_those_made_while_we_were_dead():
    w = world()
    w.run(11)
    first, second = w.buy(6_499_500, 400), w.buy(6_499_400, 1_000)
    w.run(0.1)
    w.to_engine = lambda m: []
    w.other("SELL", "64995.00", "0.004")
    w.run(0.1)
    again = next_boot(w)
    again.run(1)
    again.other("SELL", "64994.00", "0.003")  # told over the stream, before anything is asked
    again.run(0.1)
    assert again.engine.orders.find(second.client_order_id) is not None
    trading(again)
    assert again.engine.positions[0].lots == 700
    assert first.filled_lots == 0, "the dead boot never heard of it"


def test_nothing_is_sent_after_a_close_frame():
    w = world()
    order = w.buy()
    w.run(0.1)
    w._arrive(w.links[TRADE], b"\x83\x02{}")  # an unknown opcode: we close, and drop the line
    w.desk.now_ns = w.now_ns
    w.desk.cancel(order)
    w.flush()
    w.run_until(lambda: order.state is OrderState.CANCELED)


def test_what_no_type_checker_lets_pass_is_refused():
    w = world()
    one: Any = 1
    text: Any = "limit"
    for refused in (
        w._place(one, 6_490_000, 100),
        w._place(Side.BUY, 6_490_000, 100, kind=text),
        w._place(Side.BUY, 6_490_000, 100, tif=text),
    ):
        assert isinstance(refused, Refusal)
    assert isinstance(w.desk.place(-1, Side.BUY, 6_490_000, 100), Refusal)


def test_a_run_left_before_it_has_proved_anything_proves_that_the_dead_boots_orders_are_gone():
    w = world()
    w.run(11)
    w.buy()
    w.run(0.1)
    again = next_boot(w)
    again.run(0.5)
    again.leave()
    assert again.ledger.open_orders("BTCUSDT") == []


def test_a_run_left_before_it_knows_its_instruments_proves_it_as_soon_as_it_does():
    w = world()
    w.run(11)
    w.buy()
    w.run(0.1)
    again = next_boot(w)
    again.run(0.0005)  # the instruments are asked for, and have not come
    again.leave(29.5)  # what a run is given: 30 s
    assert again.ledger.open_orders("BTCUSDT") == []


def test_leaving_waits_for_what_a_dead_boot_sent_last():
    w = world()
    w.run(11)
    w.to_venue = lambda m: [(4 * NS_PER_S, m)]
    w.buy()
    w.alive = False
    again = next_boot(w)

    def arrive() -> None:
        w.run(4.1)

    again.at(again.now_ns + 4 * NS_PER_S, arrive)
    again.run(0.5)
    again.leave()
    assert len(again.ledger.orders("BTCUSDT")) == 1, "it was accepted late, and then cancelled"
    assert again.ledger.open_orders("BTCUSDT") == []


def test_an_order_whose_number_no_boot_has_heard_is_found_by_its_own_name():
    w = world()
    w.run(11)
    w.to_engine = lambda m: []
    w.buy(6_499_500, 1_000)
    w.run(0.01)
    w.other("SELL", "64995.00", "0.004")
    for standing in w.ledger.open_orders("BTCUSDT"):
        somebody = {"symbol": "BTCUSDT", "orderId": str(standing.order_id)}
        w.request("order.cancel", somebody, key=DEFAULT_KEY)
    w.run(0.01)
    again = trading(next_boot(w))
    assert again.engine.positions[0].lots == 400
    again.run(5)
    assert not again.engine.risk.halted, again.engine.risk.halted


def test_an_order_that_a_dead_boot_sent_and_the_venue_never_took_keeps_nothing():
    w = world()
    w.run(11)
    w.to_venue = lambda m: []
    w.buy()
    w.run(0.01)
    again = trading(next_boot(w))
    again.run_until(lambda: not list(again.engine.orders.unsettled()), 90)
    assert again.engine.orders.exposure(0).open_buy_lots == 0


def acting(w: World, act: Callable[[Desk], None]) -> None:
    """Have the strategy do something in its next callback."""
    hand: Any = w.hand
    hand.on_book = lambda desk, book: act(desk)
    w.other("BUY", "64991.00", "1")
    w.run(0.3)


def test_an_order_does_not_leave_where_its_strategy_raises_in_the_same_turn():
    w = world()
    placed: list[Any] = []

    def act(desk: Desk) -> None:
        placed.append(desk.place(0, Side.BUY, 6_490_000, 100))
        raise ZeroDivisionError("a strategy may raise anything")

    acting(w, act)
    assert w.stopped
    assert placed[0].state is OrderState.REJECTED
    assert w.ledger.orders("BTCUSDT") == []
    w.leave(1)


def test_a_replace_does_not_leave_where_its_strategy_raises_in_the_same_turn():
    w = world()
    order = w.buy()
    w.run(0.1)

    def act(desk: Desk) -> None:
        assert isinstance(desk.replace(order, 6_480_000, 1_000), Order)
        raise ZeroDivisionError("a strategy may raise anything")

    acting(w, act)
    assert order.state is OrderState.CANCELED
    assert len(w.ledger.orders("BTCUSDT")) == 1
    w.leave(1)


def test_an_order_does_not_leave_where_its_instrument_is_halted_in_the_same_turn():
    w = world()
    placed: list[Any] = []

    def act(desk: Desk) -> None:
        if not placed:
            placed.append(desk.place(0, Side.BUY, 6_490_000, 100))
            w.engine.gate.halt_instrument(0, "the test says so", HaltKind.CONTRADICTION)

    acting(w, act)
    assert placed[0].state is OrderState.REJECTED
    assert w.ledger.orders("BTCUSDT") == []


def test_a_late_answer_about_the_account_takes_back_nothing_that_was_told_since_it_was_asked():
    w = world()
    w.run(11)
    before = w.desk.balance_atoms("ETH")

    def late(request: Any, status: int, headers: dict[str, str], body: bytes) -> Any:
        account = request.path.endswith("/account")
        return (9 * NS_PER_S if account else NS_PER_MS), status, headers, body

    w.rest_answer = late
    w.cut(TRADE)
    w.run(1)
    w.ledger.deposit("ETH", 2_000_000)
    w.run(1)
    assert w.desk.balance_atoms("ETH") > before
    told = w.desk.balance_atoms("ETH")
    w.run(10)
    assert w.desk.balance_atoms("ETH") == told
    w.ledger.account().balance("ETH").free += 1_000_000
    w.cut(TRADE)
    w.run(12)
    assert w.desk.balance_atoms("ETH") > told, "what was asked for later counts"


def test_an_answer_that_is_not_behind_shows_what_was_before_the_venues_clock_was_set_back():
    w = world()
    w.run(11)
    w.ledger.deposit("ETH", 2_000_000)
    w.skew_ns -= 500 * NS_PER_MS
    w.run(0.1)
    free = w.ledger.balances()["ETH"][0]
    w.engine.balances.clear()
    w.cut(TRADE)
    w.run(0.35)
    assert w.desk.balance_atoms("ETH") == free * 10**10
