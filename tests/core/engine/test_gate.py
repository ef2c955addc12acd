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


class Rig:
    """A gate where all is well; what it takes out is noted."""

    def __init__(self) -> None:
        self.turn, self.risk, self.clock = Turn(1), Risk(), VenueClock()
        for index in range(2):
            self.risk.add(index, LIMITS)
        self.clock.measure(0, 0, 0)
        self.force_cancelled: list[int] = []
        self.discarded: list[str] = []
        self.stopped: list[str] = []
        self.log: list[str] = []
        self.desk = SimpleNamespace(
            session=SessionState.STARTING,
            gate_open=False,
            way_open=False,
            force_cancel=lambda index, but="": self.force_cancelled.append(index),
            step=lambda: None,
        )
        self.recovery = SimpleNamespace(leaving=False, reconciled=True)
        self.continuity = SimpleNamespace(noted=True)
        self.callbacks = SimpleNamespace(
            silent=False, strategy=SimpleNamespace(on_session="on_session")
        )
        self.session = SimpleNamespace(ready=True, connection=SimpleNamespace(public=True))
        parts: dict[str, Any] = {
            "sessions": [self.session],
            "outbound": SimpleNamespace(drop_unsent=self._drop_unsent),
            "desk": self.desk,
            "callbacks": self.callbacks,
            "resolution": SimpleNamespace(
                on_discarded=lambda asked, now_ns: self.discarded.append(asked)
            ),
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

    def _drop_unsent(self, halted: set[int]) -> list[str]:
        return [f"an order on {index}" for index in sorted(halted)]


def test_the_strategy_is_told_once_that_it_may_trade() -> None:
    rig = Rig()
    rig.gate.refresh()
    rig.gate.refresh()
    assert (rig.desk.gate_open, rig.desk.way_open) == (True, True)
    assert rig.turn.callbacks == [("on_session", SessionState.TRADING, None)]


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
    rig = Rig()
    if part == "clock":
        rig.clock.forget()
    else:
        setattr(getattr(rig, part), name, value)
    rig.gate.refresh()
    assert not rig.desk.gate_open
    assert not rig.desk.way_open


def test_a_halt_drops_what_was_not_sent_and_force_cancels_what_has() -> None:
    rig = Rig()
    rig.gate.obey(Wanted("why", HaltKind.LEDGER))
    assert rig.risk.halted == "why"
    assert rig.discarded == ["an order on 0", "an order on 1"]
    assert rig.force_cancelled == [0, 1]
    assert rig.turn.looks_again


def test_a_halt_of_one_instrument_leaves_the_others_alone() -> None:
    rig = Rig()
    rig.gate.obey(Wanted("why", HaltKind.GRID, 1))
    assert (rig.risk.instrument_halted(0), rig.risk.instrument_halted(1)) == ("", "why")
    assert (rig.discarded, rig.force_cancelled) == (["an order on 1"], [1])


def test_a_run_that_cannot_go_on_is_left_and_its_strategy_called_no_more() -> None:
    rig = Rig()
    rig.gate.obey(Wanted("refused", HaltKind.FATAL, WHOLE_RUN, remote=True))
    rig.gate.obey(Wanted("and again", HaltKind.FATAL))
    assert (rig.gate.fatal, rig.gate.remote) == ("refused", True)
    assert rig.callbacks.silent
    assert rig.stopped == ["refused"]


def test_what_is_accepted_late_on_what_is_halted_is_cancelled() -> None:
    rig = Rig()
    rig.risk.halt_instrument(1, "why", HaltKind.GRID)
    rig.gate.step()
    assert rig.force_cancelled == [1]
