"""Executions: what is noted, what halts, and what a position is worth."""

from __future__ import annotations

import pytest

from core.engine import checkpoint
from core.model.events import (
    ExecType,
    OffGridTrade,
    OrderReport,
    OrdStatus,
    Side,
    Source,
    UnknownExecution,
)
from core.model.halts import HaltKind
from core.model.views import OrderState
from core.state.journal import Kind
from core.state.orders import Order
from tests.world.test_recovery import World, world


def standing(w: World) -> Order:
    order = w.buy()
    w.run(0.1)
    return order


def test_the_number_that_the_venue_gives_an_order_is_noted_at_once():
    w = world()
    before = len(w.journal.records)
    order = standing(w)
    notes = [r for r in w.journal.records[before:] if r.kind == Kind.NOTE]
    numbers = [r for r in notes if bytes(r.payload).startswith(checkpoint.NUMBER)]
    assert len(numbers) == 1
    assert str(order.venue_order_id).encode() in bytes(numbers[0].payload)


def off_grid(venue_order_id: str) -> OffGridTrade:
    return OffGridTrade(
        instrument=0,
        venue_order_id=venue_order_id,
        trade_id="77",
        rank=77,
        side=Side.BUY,
        base_atoms=1,
        quote_atoms=1,
        fee_atoms=0,
        fee_asset="BNB",
        venue_ns=1,
    )


def test_a_trade_of_ours_off_todays_grid_halts_its_symbol_and_one_of_others_does_not():
    w = world()
    order = standing(w)
    w.engine.fold((off_grid("nobody's"),))
    assert not w.engine.risk.halts()
    w.engine.fold((off_grid(order.venue_order_id),))
    assert w.engine.risk.instrument_halt_kind(0) is HaltKind.RECORD


def unnumbered() -> tuple[World, Order]:
    """Return an order whose number nobody has told, and a trade off the grid that may be of it."""
    w = world()
    w.to_venue = lambda m: []
    order = w.buy()
    w.engine.fold((off_grid("555"),))
    assert not w.engine.risk.halts()
    assert w.engine.ledger.recent(0, 10) == {}, "it is not said to be anybody else's"
    return w, order


def test_a_trade_off_the_grid_is_ours_once_our_order_is_told_to_have_its_number():
    w, order = unnumbered()
    told = UnknownExecution(0, order.client_order_id, "off the grid", "555", OrdStatus.FILLED)
    w.engine.fold((told,))
    assert w.engine.risk.instrument_halt_kind(0) is HaltKind.RECORD
    assert order.state is OrderState.FILLED


def test_a_trade_off_the_grid_is_somebody_elses_once_our_order_is_told_to_be_another():
    w, order = unnumbered()
    w.engine.executions.apply(w.engine.orders.on_refused(order, "-1 refused"))
    assert not w.engine.risk.halts()
    assert w.engine.ledger.recent(0, 10) == {"77": 77}


@pytest.mark.parametrize("side", ["_bid_lots", "_ask_lots"])
def test_there_is_no_pnl_where_a_side_of_the_book_is_empty(side: str):
    w = world()
    assert w.engine.executions.pnl(0) is not None
    setattr(w.engine.books[0], side, 0)
    assert w.engine.executions.pnl(0) is None


def test_there_is_no_pnl_where_the_book_is_not_live():
    w = world()
    w.engine.books[0].invalidate("lost")
    assert w.engine.executions.pnl(0) is None


def test_a_number_below_one_that_was_told_before_the_order_left_is_of_numbers_begun_anew():
    w = world()
    first = standing(w)
    w.run(1)
    second = w.buy(6_489_000)
    told = OrderReport(
        instrument=0,
        client_order_id=second.client_order_id,
        venue_order_id=str(int(first.venue_order_id) - 1),
        source=Source.STREAM,
        exec_type=ExecType.NEW,
        status=OrdStatus.NEW,
        side=second.side,
        price_ticks=second.price_ticks,
        size_lots=second.size_lots,
        filled_lots=0,
    )
    w.desk.now_ns = w.now_ns
    w.engine.fold((told,))
    assert "numbers its orders on BTCUSDT from the beginning again" in w.engine.risk.halted
    assert w.engine.risk.halt_kind is HaltKind.LEDGER
