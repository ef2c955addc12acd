"""Flattening by itself: what it takes to zero, what is in the way, and what it gives up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from core.engine.flatten import Flattening, State
from core.engine.turn import Turn
from core.model.commands import TimeInForce
from core.model.events import Bbo, Fill, Side
from core.model.instrument import InstrumentTable
from core.model.units import NS_PER_S
from core.model.views import Refusal, RefusalReason, SessionState
from core.state.book import Book
from core.state.orders import Orders
from core.state.position import Position
from core.state.risk import Risk
from tests.core.engine.test_remedies import LIMITS
from tests.strategies.desk import instrument
from venues.kit.names import Prefixed

NOW_NS = 1_000 * NS_PER_S


class Rig:
    """A position of a few lots, a market, and a desk that refuses what it is asked for."""

    def __init__(self, lots: int = 4, *, way_open: bool = True) -> None:
        self.turn, self.position, self.risk = Turn(NOW_NS), Position(instrument().contract), Risk()
        self.risk.add(0, LIMITS)
        if lots:
            fill = Fill("1", 1, 1_000, lots, 0, "USDT", True, NOW_NS)
            self.position.on_fill(Side.BUY, fill)
        self.asked: list[tuple[Side, int]] = []
        self.log: list[str] = []
        book = Book(0, None)
        book.begin()
        book.apply_bbo(Bbo(0, 1, 999, 50, 1_001, 50))
        book.fresh_ns = NOW_NS
        self.desk = SimpleNamespace(
            session=SessionState.HALTED, way_open=way_open, way_out=self._way_out
        )
        desk: Any = self.desk
        outbound: Any = SimpleNamespace(request=lambda command, now_ns, **_: 0)
        self.flattening = Flattening(
            table=InstrumentTable([instrument()]),
            books=[book],
            positions=[self.position],
            balances={"BTC": 10**20, "USDT": 10**24},
            orders=Orders(Prefixed("ours-", 1)),
            turn=self.turn,
            desk=desk,
            outbound=outbound,
            risk=self.risk,
            limits_of=lambda row: LIMITS,
            log=self.log.append,
        )
        self.flattening.begin()
        self.flattening.step()

    def _way_out(self, index: int, side: Side, ticks: int, lots: int, tif: TimeInForce) -> Refusal:
        self.asked.append((side, lots))
        return Refusal(RefusalReason.VENUE_LIMIT, "no token")

    @property
    def state(self) -> State:
        return self.flattening.legs[0].state


def test_nothing_held_is_flat_at_once() -> None:
    rig = Rig(lots=0)
    assert rig.flattening.flat
    assert not rig.flattening.wanted
    assert rig.risk.halted, "placing stays halted until the operator resumes"


def test_what_is_owned_is_sold() -> None:
    rig = Rig()
    assert rig.asked == [(Side.SELL, 4)]
    assert rig.state is State.WAITING


def test_without_a_proved_connection_it_waits() -> None:
    rig = Rig(way_open=False)
    assert (rig.asked, rig.state) == ([], State.WAITING)
    assert "no proved connection" in rig.flattening.legs[0].why


def test_leaving_ends_it() -> None:
    rig = Rig()
    rig.desk.session = SessionState.LEAVING
    rig.flattening.step()
    assert not rig.flattening.wanted
    assert "the run is being left" in rig.flattening.verdict
