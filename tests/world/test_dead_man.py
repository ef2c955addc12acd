"""A venue with a timer for our orders, in a whole run: set, kept up, and stopped at the end."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from core.model.commands import Command, FetchTime, SetDeadMan
from core.model.events import Reply, Verdict
from core.model.units import NS_PER_S
from core.model.venue import DeadMan, DeadManKind, HttpRequest, WireRequest
from tests.world.test_recovery import World
from venues.binance.adapter import SpotAdapter

TIMER = DeadMan(kind=DeadManKind.TIMER, window_ns=60 * NS_PER_S, renew_ns=20 * NS_PER_S)


def application_with_timer(
    monkeypatch: pytest.MonkeyPatch, **options: Any
) -> tuple[World, list[Command]]:
    """Return a world whose venue has a timer: what is said to it is noted, and answered."""
    real = SpotAdapter.capabilities.fget  # type: ignore[attr-defined] # a property's own function
    monkeypatch.setattr(
        SpotAdapter, "capabilities", property(lambda self: replace(real(self), dead_man=TIMER))
    )
    w = World(**options)
    said: list[Command] = []
    encode = w.engine.outbound._encode

    def noting(command: Command, request_id: int, venue_ns: int) -> WireRequest | HttpRequest:
        if isinstance(command, SetDeadMan):
            said.append(command)
            command = FetchTime()
        return encode(command, request_id, venue_ns)

    answer = SpotAdapter.answer

    def answering(self: SpotAdapter, command: Command, request_id: int, *told: Any) -> Reply:
        if isinstance(command, SetDeadMan):
            return Reply(request_id=request_id, verdict=Verdict.DONE)
        return answer(self, command, request_id, *told)

    monkeypatch.setattr(SpotAdapter, "answer", answering)
    w.engine.outbound._encode = noting
    return w, said


def test_a_run_sets_the_timer_once_it_trades_and_stops_it_when_it_has_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    w, said = application_with_timer(monkeypatch)
    assert not said
    w.trading()
    w.run(0.5)
    assert said == [SetDeadMan(TIMER.window_ns)]
    w.run(41)
    assert said == [SetDeadMan(TIMER.window_ns)] * 3
    w.leave()
    w.run(2)
    assert w.engine.left
    assert said[-1] == SetDeadMan(0)
    assert said.count(SetDeadMan(0)) == 1
