"""Profits by themselves: what a position has made today, and the halt where that is too little."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from core.engine.pnl import PATIENCE_NS, PnL
from core.engine.prices import Prices
from core.engine.turn import Turn
from core.model.events import Bbo, Fill, Side
from core.model.halts import HaltKind
from core.model.instrument import InstrumentTable
from core.model.units import NS_PER_S
from core.state.book import Book
from core.state.orders import Orders
from core.state.position import Position
from core.state.risk import Risk
from core.state.venue_clock import VenueClock
from tests.core.engine.test_remedies import LIMITS
from tests.strategies.desk import instrument
from venues.kit.names import Prefixed

NOON_NS = 20_000 * 86_400 * NS_PER_S + 43_200 * NS_PER_S


class Rig:
    """One position, and a book that values it."""

    def __init__(self) -> None:
        self.turn, self.position, self.risk = Turn(NOON_NS), Position(instrument().contract), Risk()
        self.risk.add(0, LIMITS)
        self.book = Book(0, None, far_bps=1_000)
        self.log: list[str] = []
        table, clock = InstrumentTable([instrument()]), VenueClock()
        clock.measure(NOON_NS, NOON_NS, NOON_NS)
        outbound: Any = SimpleNamespace(request=lambda command, now_ns: 0)
        prices = Prices(
            table=table,
            books=[self.book],
            outbound=outbound,
            stated={},
            symbol_of=lambda base, quote: base + quote,
            turn=self.turn,
        )
        self.pnl = PnL(
            book_id="book",
            table=table,
            books=[self.book],
            positions=[self.position],
            orders=Orders(Prefixed("ours-", 1)),
            risk=self.risk,
            turn=self.turn,
            clock=clock,
            prices=prices,
            totals={},
            log=self.log.append,
        )
        self.book.begin()
        self.market(1, 1_000)
        self.pnl.step()

    def market(self, seq: int, ticks: int) -> None:
        self.book.apply_bbo(Bbo(0, seq, ticks - 1, 5, ticks + 1, 5))

    def trade(self, side: Side, ticks: int, lots: int, asset: str = "USDT", fee: int = 0) -> None:
        fill = Fill(str(ticks), ticks, ticks, lots, fee, asset, True, NOON_NS)
        self.position.on_fill(side, fill)
        self.pnl.on_fills(0, side, [fill])

    @property
    def result(self) -> str:
        [told] = self.pnl.told()["symbols"]
        return str(told["result"])

    @property
    def halts(self) -> list[HaltKind]:
        return [halt.kind for halt in self.turn.halts]


def test_a_position_counts_at_the_market() -> None:
    rig = Rig()
    rig.trade(Side.BUY, 1_000, 10)
    rig.market(2, 1_040)
    rig.pnl.step()
    assert rig.result == "0.004"  # 40 ticks of 0.01, 10 lots of 0.001
    assert rig.halts == []


def test_the_loss_of_a_day_halts_once_and_is_noted_at_once() -> None:
    rig = Rig()
    rig.trade(Side.BUY, 1_000, 100)
    rig.market(2, 989)  # 1,100 units lost, 1,000 are allowed
    rig.pnl.step()
    assert rig.halts == [HaltKind.DAILY_LOSS]
    assert rig.turn.writes
    rig.pnl.step()
    assert len(rig.halts) == 1


def test_a_fill_is_judged_at_once() -> None:
    rig = Rig()
    rig.trade(Side.BUY, 1_011, 100)
    assert rig.halts == [HaltKind.DAILY_LOSS]


def test_what_has_no_price_halts_once_that_lasts() -> None:
    rig = Rig()
    rig.trade(Side.BUY, 1_000, 1, "BNB", fee=5)
    rig.pnl.step()
    assert "no price of BNB" in rig.risk.not_valued
    assert rig.halts == []
    rig.turn.now_ns += PATIENCE_NS + 1
    rig.market(3, 1_000)
    rig.pnl.step()
    assert rig.halts == [HaltKind.NOT_VALUED]
