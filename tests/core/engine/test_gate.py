"""The gate by itself: what has to be true before anything is placed, and what a halt does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from core.engine.gate import Gate
from core.engine.turn import Turn, Wanted
from core.model.halts import WHOLE_RUN, HaltKind
from core.model.instrument import InstrumentTable
from core.model.views import SessionState
from core.state.risk import Risk
from core.state.venue_clock import VenueClock
from tests.core.engine.test_remedies import LIMITS
from tests.strategies.desk import instrument


class House:
    """A gate where all is well; what it takes out is noted."""

    def __init__(self) -> None:
        self.turn, self.risk, self.clock = Turn(1), Risk(), VenueClock()
        for index in range(2):
            self.risk.add(index, LIMITS)
        self.clock.measure(0, 0, 0)
        self.taken_out: list[int] = []
        self.withheld: list[str] = []
        self.stopped: list[str] = []
        self.log: list[str] = []
        self.desk = SimpleNamespace(
            session=SessionState.STARTING,
            gate_open=False,
            way_open=False,
            take_out=lambda index, but="": self.taken_out.append(index),
            step=lambda: None,
        )
        self.recovery = SimpleNamespace(leaving=False, reconciled=True)
        self.continuity = SimpleNamespace(noted=True)
        self.callbacks = SimpleNamespace(
            silent=False, strategy=SimpleNamespace(on_session="on_session")
        )
        self.session = SimpleNamespace(ready=True, line=SimpleNamespace(public=True))
        parts: dict[str, Any] = {
            "sessions": [self.session],
            "outbound": SimpleNamespace(take_back=self._take_back),
            "desk": self.desk,
            "callbacks": self.callbacks,
            "proof": SimpleNamespace(on_withheld=lambda asked, now_ns: self.withheld.append(asked)),
            "recovery": self.recovery,
            "continuity": self.continuity,
            "flattening": SimpleNamespace(wanted=False, slice_of=lambda index: ""),
        }
        self.gate = Gate(
            private=True,
            table=InstrumentTable([instrument(0), instrument(1, "ETHUSDT")]),
            clock=self.clock,
            risk=self.risk,
            turn=self.turn,
            stop=self.stopped.append,
            log=self.log.append,
            **parts,
        )

    def _take_back(self, halted: set[int]) -> list[str]:
        return [f"an order on {index}" for index in sorted(halted)]


def test_the_strategy_is_told_once_that_it_may_trade() -> None:
    house = House()
    house.gate.refresh()
    house.gate.refresh()
    assert (house.desk.gate_open, house.desk.way_open) == (True, True)
    assert house.turn.callbacks == [("on_session", SessionState.TRADING, None)]


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("recovery", "reconciled", False),
        ("continuity", "noted", False),
        ("session", "ready", False),
        ("clock", "known", False),
    ],
)
def test_nothing_is_placed_before_all_is_proved(part: str, name: str, value: bool) -> None:
    house = House()
    if part == "clock":
        house.clock.forget()
    else:
        setattr(getattr(house, part), name, value)
    house.gate.refresh()
    assert not house.desk.gate_open
    assert not house.desk.way_open


def test_a_halt_takes_back_what_has_not_left_and_takes_out_what_has() -> None:
    house = House()
    house.gate.obey(Wanted("why", HaltKind.LEDGER))
    assert house.risk.halted == "why"
    assert house.withheld == ["an order on 0", "an order on 1"]
    assert house.taken_out == [0, 1]
    assert house.turn.looks_again


def test_a_halt_of_one_instrument_leaves_the_others_alone() -> None:
    house = House()
    house.gate.obey(Wanted("why", HaltKind.GRID, 1))
    assert (house.risk.instrument_halted(0), house.risk.instrument_halted(1)) == ("", "why")
    assert (house.withheld, house.taken_out) == (["an order on 1"], [1])


def test_a_run_that_cannot_go_on_is_left_and_its_strategy_called_no_more() -> None:
    house = House()
    house.gate.obey(Wanted("refused", HaltKind.FATAL, WHOLE_RUN, remote=True))
    house.gate.obey(Wanted("and again", HaltKind.FATAL))
    assert (house.gate.fatal, house.gate.remote) == ("refused", True)
    assert house.callbacks.silent
    assert house.stopped == ["refused"]


def test_what_is_accepted_late_on_what_is_halted_is_taken_out() -> None:
    house = House()
    house.risk.halt_instrument(1, "why", HaltKind.GRID)
    house.gate.step()
    assert house.taken_out == [1]
