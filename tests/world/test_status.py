"""Status: each instrument's state and why, every refusal by reason, how far a flattening is."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from core.engine.status import status
from core.model.commands import TimeInForce
from core.model.events import Side
from core.model.halts import HaltKind
from core.model.instrument import Trading
from core.model.units import NS_PER_S
from core.model.views import Refusal
from core.model.wording import order_text
from core.state.orders import Order
from tests.world.test_recovery import TRADE, World, world


def of(w: World) -> dict[str, Any]:
    return status(w.engine, {}, w.now_ns)


def trading(w: World) -> tuple[str, str]:
    book = of(w)["books"][0]
    return book["trading"], book["why_not"]


def test_a_symbol_that_trades_says_so():
    assert trading(world()) == ("trading", "")


def test_a_halted_symbol_says_why():
    w = world()
    w.engine.gate.halt_instrument(0, "too many rejects", HaltKind.BREAKER)
    assert trading(w) == ("halted", "too many rejects")
    assert of(w)["halts"] == [
        {"symbol": "BTCUSDT", "kind": "breaker", "why": "too many rejects", "resumable": True}
    ]


def test_a_halted_run_says_why_on_each_symbol():
    w = world()
    w.engine.on_control(b"halt lunch", w.now_ns)
    assert trading(w) == ("halted", "halted by the operator: lunch")
    assert of(w)["halts"][0]["symbol"] is None


def test_a_symbol_that_the_venue_has_in_break_says_so():
    w = world()
    row = structs.replace(w.engine.table[0], trading=Trading.HALTED, venue_status="BREAK")
    w.engine.table.put(row)
    assert trading(w) == ("break", "the venue has it in BREAK")
    assert of(w)["books"][0]["venue_status"] == "BREAK"


def test_a_book_that_is_not_live_says_why():
    w = world()
    w.engine.books[0].invalidate("a gap")
    assert trading(w) == ("no book", "its book is stale: a gap")


def test_a_book_that_was_silent_for_too_long_says_how_long():
    w = world(risk="[risk.BTCUSDT]\nmax_book_age_ms = 2000")
    w.engine.books[0].fresh_ns = w.now_ns - 3 * NS_PER_S
    word, why = trading(w)
    assert word == "no book"
    assert "silent for 3" in why


def test_a_run_without_its_connection_is_not_trading():
    w = world()
    w.dials_allowed = False
    w.cut(TRADE)
    assert trading(w)[0] == "interrupted"


def test_every_refusal_of_ours_is_counted_by_symbol_and_reason():
    w = world()
    for _ in range(3):
        assert isinstance(w._place(Side.BUY, 7_000_000, 100), Refusal)
    assert isinstance(w._place(Side.BUY, 6_490_000, 200_000), Refusal)
    order = w.buy()
    w.run(0.1)
    w.desk.now_ns = w.now_ns
    assert isinstance(w.desk.replace(order, 7_000_000, 100), Refusal)
    w.engine.on_control(b"halt", w.now_ns)
    assert isinstance(w._place(Side.BUY, 6_490_000, 100), Refusal)
    found = {each["reason"]: each for each in of(w)["own_refusals"]}
    counts = {reason: each["count"] for reason, each in found.items()}
    assert counts == {"price_collar": 4, "order_size": 1, "not_trading": 1}
    assert {each["symbol"] for each in found.values()} == {"BTCUSDT"}
    assert "70000.00 USDT would reach" in found["price_collar"]["text"]


@pytest.mark.parametrize("word", ["quote units", " lots", " ticks", " ns", "<", "instrument 0"])
def test_no_refusal_speaks_of_what_only_the_core_counts_in(word: str):
    w = world(risk='[risk.BTCUSDT]\nmax_open_orders = 2\nmax_position = "0.5"')
    for ticks, lots in ((7_000_000, 100), (6_490_000, 200_000), (6_490_000, 1), (0, 100)):
        w._place(Side.BUY, ticks, lots)
    w._place(Side.BUY, 6_490_000, 60_000)
    for _ in range(3):
        w._place(Side.BUY, 6_490_000, 1_000)
    w._place(Side.SELL, 6_490_000, 1_000)
    found = of(w)["own_refusals"]
    assert len(found) >= 5
    for each in found:
        assert word not in each["text"], each["text"]


def test_how_far_a_flattening_is_is_told():
    w = world()
    w.other("BUY", "64980.00", "5")
    w.buy(6_501_000, 10_000, tif=TimeInForce.IOC)
    w.run(0.1)
    assert of(w)["flatten"] is None
    w.engine.on_control(b"flatten", w.now_ns)
    assert of(w)["flatten"]["under_way"]
    assert of(w)["flatten"]["symbols"] == ["BTCUSDT trading: 0.09990 BTC left"]
    w.run(2)
    found = of(w)["flatten"]
    assert not found["under_way"]
    assert found["flat"]
    assert found["verdict"].startswith("flat")


def test_fees_are_told_beside_the_position():
    w = world()
    w.buy(6_501_000, 10_000, tif=TimeInForce.IOC)
    w.run(0.1)
    position = of(w)["positions"][0]
    assert position["position"] == "0.10000"
    assert position["fees"] == {"BTC": "0.0001"}


def test_what_survives_an_exit_is_named_in_the_users_words():
    w = world()
    order = w.buy()
    assert isinstance(order, Order)
    [text] = [order_text(w.engine.table[o.instrument], o) for o in w.engine.orders.unsettled()]
    assert text.startswith("BTCUSDT buy 0.01000 BTC at 64900.00 USDT (pending, id ")
