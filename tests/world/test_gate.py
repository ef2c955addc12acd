"""The gate: what a halt reaches, however late it turns up, and whom a failed run calls no more."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core.model.events import Side
from core.model.halts import HaltKind
from core.model.views import OrderState, Refusal, SessionState
from tests.world.test_recovery import MARKET, World, world
from venues.sim.ledger import DEFAULT_KEY


def standing(w: World) -> World:
    w.buy()
    w.run(0.1)
    return w


def test_an_order_that_turns_up_late_on_a_halted_symbol_is_cancelled():
    w = world()
    w.engine.gate.halt_instrument(0, "test", HaltKind.BREAKER)
    w.run(1)
    late = w.engine.setup.scope + "0-0-77"
    w.other("BUY", "64000.00", "0.01", key=DEFAULT_KEY, newClientOrderId=late)
    w.run(3)
    order = w.engine.orders.find(late)
    assert order is not None
    assert order.state is OrderState.CANCELED
    assert w.ledger.open_orders("BTCUSDT") == []


def test_a_symbol_that_is_not_halted_is_not_swept():
    w = standing(world(symbols=("BTCUSDT", "ETHUSDT")))
    w.engine.gate.halt_instrument(1, "test", HaltKind.BREAKER)
    w.run(3)
    assert len(w.ledger.open_orders("BTCUSDT")) == 1


def test_a_strategy_that_has_raised_is_called_no_more():
    w = standing(world())
    calls: list[str] = []

    def fail(*_: object) -> None:
        calls.append("book")
        raise ZeroDivisionError("a strategy may raise anything")

    w.hand.on_book = fail  # type: ignore[assignment, method-assign] # the point of the test
    w.hand.on_timer = lambda *_: calls.append("timer")  # type: ignore[method-assign]
    w.hand.on_order = lambda *_: calls.append("order")  # type: ignore[method-assign]
    w.hand.on_session = lambda *_: calls.append("session")  # type: ignore[method-assign]
    w.hand.on_stop = lambda *_: calls.append("stop")  # type: ignore[method-assign]
    w.other("BUY", "64991.00", "1")
    w.run(1)
    w.other("BUY", "64992.00", "1")
    w.run(1)
    w.engine.leave("test", w.now_ns)
    w.run(2)
    assert calls == ["book"]
    assert "ZeroDivisionError" in w.stopped
    assert w.ledger.open_orders("BTCUSDT") == []


def test_a_halt_sends_its_cancels_in_the_same_turn():
    w = standing(world())
    w.desk.now_ns = w.now_ns
    w.engine.gate.halt("test", HaltKind.BREAKER)
    w.flush()
    assert w.methods()[-1] == "order.cancel"


def _clock_unknown(w: World) -> None:
    w.engine.clock.forget()


def _nothing_to_start_from(w: World) -> None:
    w.engine.continuity.noted = False


def _table_unproved(w: World) -> None:
    w.engine.recovery.reconciled = False


def _market_connection_not_ready(w: World) -> None:
    w.engine.sessions[MARKET].relieve(w.now_ns)


@pytest.mark.parametrize(
    "lacking",
    [_clock_unknown, _nothing_to_start_from, _table_unproved, _market_connection_not_ready],
)
def test_each_thing_that_trading_needs_closes_the_gate_alone(lacking: Callable[[World], None]):
    w = world()
    assert w.desk.session is SessionState.TRADING
    lacking(w)
    w.engine.gate.refresh()
    assert w.desk.session is SessionState.INTERRUPTED
    assert not w.desk.gate_open
    assert isinstance(w._place(Side.BUY, 6_490_000, 1_000), Refusal)
