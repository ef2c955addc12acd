"""What the operator's words answer: what became of them, not that they were heard."""

from __future__ import annotations

import pytest

from core.model.halts import HaltKind
from core.model.views import SessionState
from tests.world.test_recovery import TRADE, World, world
from tools.world.tank import Tank


def say(w: World, text: str) -> str:
    return w.engine.on_control(text.encode(), w.now_ns)


def standing() -> World:
    w = world()
    w.buy()
    w.run(0.1)
    return w


@pytest.mark.parametrize("word", ["halt", "cancel-all"])
def test_what_cancels_names_the_orders_that_are_on_their_way_out(word: str):
    said = say(standing(), word)
    assert "1 order of ours being cancelled: BTCUSDT buy 0.01000 BTC at 64900.00 USDT" in said
    assert "as soon as there is a way" not in said


def test_where_nothing_is_open_that_is_said():
    assert say(world(), "cancel-all") == "none of our orders is open"


def test_resume_says_that_the_symbols_may_be_traded():
    w = world()
    say(w, "halt")
    assert say(w, "resume") == "BTCUSDT may be traded"
    assert w.desk.session is SessionState.TRADING


def test_resume_does_not_say_that_all_is_well_where_the_only_symbol_stays_halted():
    w = world()
    w.engine.gate.halt_instrument(0, "tick or lot changed", HaltKind.GRID)
    said = say(w, "resume")
    assert said == "nothing may be placed: BTCUSDT stays halted: tick or lot changed"


def test_resume_names_each_symbol_that_stays_halted_beside_those_that_trade():
    w = world(symbols=("BTCUSDT", "ETHUSDT"))
    w.engine.gate.halt_instrument(1, "tick or lot changed", HaltKind.GRID)
    assert say(w, "resume") == ("BTCUSDT may be traded; ETHUSDT stays halted: tick or lot changed")


def test_resume_says_why_the_whole_run_stays_halted():
    w = world()
    w.engine.gate.halt("lost 5 USDT today", HaltKind.DAILY_LOSS)
    assert say(w, "resume") == ("nothing may be placed: the run stays halted: lost 5 USDT today")


def test_resume_without_a_connection_says_that_it_waits_for_one():
    w = world()
    say(w, "halt")
    w.dials_allowed = False
    w.cut(TRADE)
    assert say(w, "resume") == "BTCUSDT may be traded once the run is ready; it is interrupted"


def test_flatten_says_what_is_to_be_done():
    assert "1 order of ours not proved gone yet" in say(standing(), "flatten")
    assert say(world(), "flatten") == "flat"


def test_set_says_what_it_set():
    tank = Tank(seed=1).run(1)
    assert tank.engine.on_control(b"set size 0.02", tank.now_ns) == "size = 0.02"


def test_resume_of_a_run_that_is_being_left_says_that_nothing_is_placed_any_more():
    w = world()
    w.engine.leave("time is over", w.now_ns)
    assert say(w, "resume") == "nothing is placed any more: the run is being left"
