"""What an operator may say to a running engine, and what comes of it."""

from __future__ import annotations

import msgspec
import pytest

from core.engine.status import status
from core.model.commands import TimeInForce
from core.model.errors import BadConfig
from core.model.events import Side
from core.model.views import OrderState, Refusal, SessionState
from core.state.orders import Order
from tests.world.test_recovery import world
from tools.world.tank import Tank
from venues.sim.ledger import DEFAULT_KEY


def test_halt_takes_our_orders_out_and_resume_lets_place_again():
    w = world()
    order = w.buy()
    w.run(0.1)
    w.engine.on_control(b"halt lunch", w.now_ns)
    w.run(0.1)
    assert order.state is OrderState.CANCELED
    assert w.desk.session is SessionState.HALTED
    assert isinstance(w._place(Side.BUY, 6_490_000, 100), Refusal)
    w.engine.on_control(b"resume", w.now_ns)
    assert isinstance(w._place(Side.BUY, 6_490_000, 100), Order)


def test_resume_does_not_undo_a_daily_loss():
    w = world(risk='[risk.BTCUSDT]\nmax_daily_loss = "1"')
    w.buy(6_501_000, 10_000, tif=TimeInForce.IOC)
    w.run_until(lambda: w.desk.session is SessionState.HALTED)
    w.engine.on_control(b"resume", w.now_ns)
    assert w.desk.session is SessionState.HALTED


def test_cancel_all_takes_out_our_orders_and_trading_goes_on():
    w = world()
    first, second = w.buy(6_490_000), w.buy(6_480_000)
    w.run(0.1)
    w.engine.on_control(b"cancel-all", w.now_ns)
    w.run(0.1)
    assert {first.state, second.state} == {OrderState.CANCELED}
    assert w.desk.session is SessionState.TRADING


def test_cancel_account_takes_out_everybodys_orders_on_the_symbols_of_the_run():
    w = world()
    ours = w.buy(6_490_000)
    w.other("BUY", "64800.00", "0.01", key=DEFAULT_KEY)
    w.run(0.1)
    w.engine.on_control(b"cancel-account", w.now_ns)
    w.run(0.1)
    assert "openOrders.cancelAll" in w.methods()
    assert ours.state is OrderState.CANCELED
    assert not w.venue.exchange.engine.file(
        w.venue.exchange.keys[DEFAULT_KEY].account, "BTCUSDT"
    ).open


def test_set_changes_a_checked_parameter():
    tank = Tank(seed=1).run(1)
    tank.engine.on_control(b"set size 0.02", tank.now_ns)
    assert tank.application.strategy.parameters.size == "0.02"


def test_set_refuses_what_the_strategy_does_not_allow():
    tank = Tank(seed=1).run(1)
    for text in (b"set size -1", b"set nonsense 3"):
        with pytest.raises(BadConfig):
            tank.engine.on_control(text, tank.now_ns)


def test_status_is_plain_data_with_all_that_a_person_asks_for():
    w = world()
    w.buy()
    w.run(0.1)
    found = status(w.engine, {}, w.now_ns)
    assert found["state"] == "trading"
    assert found["books"][0]["state"] == "live"
    assert found["open_orders"][0]["price"] == "64900.00"
    assert found["unknown_orders"] == 0
    assert found["positions"][0]["profit"] == "0.0000000"
    assert b"secret" not in msgspec.json.encode(found)
