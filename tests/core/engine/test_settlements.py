"""Settlements by themselves: payments for a position, and its end at the venue."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from core.engine.settlements import Settlements
from core.engine.turn import Turn
from core.model.contract import Linear
from core.model.events import NO_INSTRUMENT, Fill, Funding, Settled, Side
from core.model.halts import HaltKind
from core.model.instrument import InstrumentTable
from core.state.position import Position
from tests.strategies.desk import instrument

ROW = instrument()
FUTURE = instrument(contract=Linear.future("USDT", "BTC", ROW.tick, ROW.lot))


class Rig:
    """Two positions of ten lots; what a payment is told to is noted."""

    def __init__(self) -> None:
        self.turn = Turn(0)
        self.position = Position(FUTURE.contract)
        self.position.on_fill(Side.BUY, Fill("1", 1, 1_000, 10, 0, "USDT", True, 0))
        self.told: list[tuple[Any, ...]] = []
        self.log: list[str] = []
        ledger: Any = SimpleNamespace(funded=lambda row, *how: self.told.append(how))
        pnl: Any = SimpleNamespace(
            on_funding=lambda *how: self.told.append(how), on_settled=lambda index: None
        )
        self.settlements = Settlements(
            table=InstrumentTable([FUTURE]),
            positions=[self.position],
            ledger=ledger,
            pnl=pnl,
            turn=self.turn,
            log=self.log.append,
        )


def test_a_payment_is_told_on_once() -> None:
    rig = Rig()
    for _ in range(2):
        rig.settlements.on_funding(Funding(0, "a", -5, 7))
    assert rig.told == [(-5, 7), (0, -5, 7)]
    assert rig.position.funding_atoms == -5
    assert len(rig.log) == 1


def test_what_is_told_of_an_instrument_of_no_run_moves_nothing() -> None:
    rig = Rig()
    rig.settlements.on_funding(Funding(NO_INSTRUMENT, "a", 5, 7))
    rig.settlements.on_settled(Settled(NO_INSTRUMENT, 1, 0, 7))
    assert rig.told == []
    assert not rig.turn.busy


def test_an_expiry_closes_halts_by_name_and_is_noted_at_once() -> None:
    rig = Rig()
    rig.settlements.on_settled(Settled(0, 10_055, 3, 7))
    assert (rig.position.lots, rig.position.pnl(0)) == (0, 55)
    [halt] = rig.turn.halts
    assert (halt.instrument, halt.kind) == (0, HaltKind.ENDED)
    assert halt.why == "BTCUSDT has settled at 10.055 USDT: the venue has closed 0.010 BTC"
    assert rig.turn.writes


def test_an_expiry_is_told_once() -> None:
    rig = Rig()
    rig.settlements.on_settled(Settled(0, 10, 0, 7))
    before = rig.position.pnl(0)
    rig.settlements.on_settled(Settled(0, 20, 0, 7))
    assert rig.position.pnl(0) == before
    assert len(rig.turn.halts) == 1
