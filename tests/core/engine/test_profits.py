"""Profits by themselves: what a position has made today, and the halt where that is too little."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from core.engine.prices import Prices
from core.engine.profits import PATIENCE_NS, Profits
from core.engine.turn import Turn
from core.model.events import BookTop, Fill, Side
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


class House:
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
        self.profits = Profits(
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
        self.profits.step()

    def market(self, seq: int, ticks: int) -> None:
        self.book.apply_top(BookTop(0, seq, ticks - 1, 5, ticks + 1, 5))

    def trade(self, side: Side, ticks: int, lots: int, asset: str = "USDT", fee: int = 0) -> None:
        fill = Fill(str(ticks), ticks, ticks, lots, fee, asset, True, NOON_NS)
        self.position.on_fill(side, fill)
        self.profits.on_fills(0, side, [fill])

    @property
    def result(self) -> str:
        [told] = self.profits.told()["symbols"]
        return str(told["result"])

    @property
    def halts(self) -> list[HaltKind]:
        return [halt.kind for halt in self.turn.halts]


def test_a_position_counts_at_the_market() -> None:
    house = House()
    house.trade(Side.BUY, 1_000, 10)
    house.market(2, 1_040)
    house.profits.step()
    assert house.result == "0.004"  # 40 ticks of 0.01, 10 lots of 0.001
    assert house.halts == []


def test_the_loss_of_a_day_halts_once_and_is_noted_at_once() -> None:
    house = House()
    house.trade(Side.BUY, 1_000, 100)
    house.market(2, 989)  # 1,100 units lost, 1,000 are allowed
    house.profits.step()
    assert house.halts == [HaltKind.DAILY_LOSS]
    assert house.turn.writes
    house.profits.step()
    assert len(house.halts) == 1


def test_a_fill_is_judged_at_once() -> None:
    house = House()
    house.trade(Side.BUY, 1_011, 100)
    assert house.halts == [HaltKind.DAILY_LOSS]


def test_what_has_no_price_halts_once_that_lasts() -> None:
    house = House()
    house.trade(Side.BUY, 1_000, 1, "BNB", fee=5)
    house.profits.step()
    assert "no price of BNB" in house.risk.not_valued
    assert house.halts == []
    house.turn.now_ns += PATIENCE_NS + 1
    house.market(3, 1_000)
    house.profits.step()
    assert house.halts == [HaltKind.NOT_VALUED]
