"""The venue's timer: set while orders have a way, set anew in time, stopped when none is left."""

from __future__ import annotations

from typing import cast

import pytest

from core.engine.dead_man import AGAIN_NS, DeadMansSwitch
from core.engine.outbound import Outbound
from core.model.commands import Command, FetchTime, Riskless, SetDeadMan
from core.model.events import Reply, Verdict
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import DeadMan, DeadManKind, Scope
from core.state.inflight import InFlightRequest
from core.state.throttle import Share

START_NS = 1_700_000_000 * NS_PER_S
HOUSEKEEPING_NS = 100 * NS_PER_MS
TIMER = DeadMan(
    kind=DeadManKind.TIMER, scope=Scope.ACCOUNT, window_ns=60 * NS_PER_S, renew_ns=20 * NS_PER_S
)
SET, STOP = SetDeadMan(60 * NS_PER_S), SetDeadMan(0)


class Out:
    """Notes what leaves."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, Command]] = []
        self.room = True

    def request(self, what: Riskless, now_ns: int, *, share: Share) -> int:
        assert share is Share.RESOLUTION
        if self.room:
            self.sent.append((now_ns, what))
        return len(self.sent) if self.room else 0


class Rig:
    def __init__(self, switch: DeadMan = TIMER, *, shared: bool = False) -> None:
        self.out, self.said = Out(), list[str]()
        self.answers = True
        """Whether what sets it is answered at once."""
        self.now_ns = START_NS
        self.switch = DeadMansSwitch(
            switch=switch, shared=shared, outbound=cast(Outbound, self.out), log=self.said.append
        )

    def run(self, seconds: float, *, way_open: bool = True, needless: bool = False) -> None:
        until_ns = self.now_ns + round(seconds * NS_PER_S)
        while self.now_ns < until_ns:
            before = len(self.out.sent)
            self.switch.step(self.now_ns, way_open=way_open, needless=needless)
            if self.answers and self.commands[before:] == [SET]:
                self.answer(Verdict.DONE)
            self.now_ns += HOUSEKEEPING_NS

    def answer(self, verdict: Verdict, text: str = "", to: SetDeadMan = SET) -> None:
        reply = Reply(request_id=1, verdict=verdict, text=text)
        self.switch.on_reply(requested(to), reply, self.now_ns)

    @property
    def commands(self) -> list[Command]:
        return [command for _, command in self.out.sent]


def requested(command: Command) -> InFlightRequest:
    return InFlightRequest(1, command, 0, START_NS, START_NS + 10 * NS_PER_S)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_it_is_set_at_once_and_anew_long_before_it_runs_out(rig: Rig) -> None:
    rig.run(65)
    times_s = [(at_ns - START_NS) / NS_PER_S for at_ns, _ in rig.out.sent]
    assert times_s == [0, 20, 40, 60]
    assert set(rig.commands) == {SET}


def test_without_a_way_it_is_left_to_run_out(rig: Rig) -> None:
    rig.run(1)
    rig.run(100, way_open=False)
    assert rig.commands == [SET]
    rig.run(0.1)
    assert rig.commands == [SET, SET], "and set anew as soon as there is one"


def test_a_run_that_has_left_stops_it_and_waits_for_the_answer(rig: Rig) -> None:
    rig.run(1)
    assert not rig.switch.stop(rig.now_ns)
    assert not rig.switch.stop(rig.now_ns)
    rig.answer(Verdict.DONE, to=STOP)
    assert rig.switch.stop(rig.now_ns)
    assert rig.commands == [SET, STOP]


def test_a_run_that_leaves_stops_it_twice_where_it_is_refused_and_no_more(rig: Rig) -> None:
    rig.run(1)
    for _ in range(2):
        assert not rig.switch.stop(rig.now_ns)
        rig.answer(Verdict.REFUSED, "EService:Unavailable", to=STOP)
        assert rig.switch.stop(rig.now_ns) is (rig.commands == [SET, STOP, STOP])
        rig.now_ns += AGAIN_NS
    assert rig.switch.stop(rig.now_ns)
    assert rig.commands == [SET, STOP, STOP]
    assert "not stopped" in rig.said[0]


def test_a_run_that_leaves_stops_it_once_more_where_it_got_no_answer(rig: Rig) -> None:
    rig.run(1)
    assert not rig.switch.stop(rig.now_ns)
    rig.switch.on_no_reply(requested(STOP))
    rig.now_ns += 20 * NS_PER_S
    assert not rig.switch.stop(rig.now_ns)
    rig.answer(Verdict.DONE, to=STOP)
    assert rig.switch.stop(rig.now_ns)
    assert rig.commands == [SET, STOP, STOP]


@pytest.mark.parametrize("answered", [True, False])
def test_it_is_not_stopped_before_what_sets_it_is_answered(rig: Rig, answered: bool) -> None:
    rig.answers = False
    rig.run(1)
    assert not rig.switch.stop(rig.now_ns)
    rig.run(1, needless=True)
    assert rig.commands == [SET]
    if answered:
        rig.answer(Verdict.DONE)
    else:
        rig.switch.on_no_reply(requested(SET))
    assert not rig.switch.stop(rig.now_ns)
    assert rig.commands == [SET, STOP]


def test_where_it_cannot_be_told_nothing_is_awaited(rig: Rig) -> None:
    rig.run(1)
    rig.out.room = False
    assert rig.switch.stop(rig.now_ns)


def test_a_run_that_leaves_waits_for_no_answer_where_its_connection_is_gone(rig: Rig) -> None:
    rig.run(1)
    rig.switch.stop(rig.now_ns)
    rig.switch.on_no_reply(requested(STOP))
    rig.out.room = False
    rig.now_ns += 20 * NS_PER_S
    assert rig.switch.stop(rig.now_ns)
    assert rig.commands == [SET, STOP]


def test_what_was_never_set_is_not_stopped(rig: Rig) -> None:
    assert rig.switch.stop(START_NS)
    assert rig.commands == []


def test_where_it_is_needless_it_is_stopped_and_after_that_set_again(rig: Rig) -> None:
    rig.run(1)
    rig.run(1, needless=True)
    rig.answer(Verdict.DONE, to=STOP)
    rig.run(60, needless=True)
    assert rig.commands == [SET, STOP]
    rig.run(1)
    assert rig.commands == [SET, STOP, SET]


def test_a_stop_that_is_refused_is_tried_again_as_long_as_it_is_needless(rig: Rig) -> None:
    rig.run(1)
    rig.run(1, needless=True)
    rig.answer(Verdict.REFUSED, "EService:Unavailable", to=STOP)
    rig.run(AGAIN_NS / NS_PER_S, needless=True)
    assert rig.commands == [SET, STOP]
    rig.run(1, needless=True)
    assert rig.commands == [SET, STOP, STOP]


def test_while_a_stop_is_on_its_way_it_is_not_set(rig: Rig) -> None:
    rig.run(1)
    rig.run(1, needless=True)
    rig.run(30)
    assert rig.commands == [SET, STOP]
    rig.answer(Verdict.DONE, to=STOP)
    rig.run(0.1)
    assert rig.commands == [SET, STOP, SET]


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("scope", [Scope.ACCOUNT, Scope.CONNECTION])
def test_one_of_the_account_is_never_set_where_others_act_on_it(scope: Scope, shared: bool) -> None:
    switch = DeadMan(kind=DeadManKind.TIMER, scope=scope, window_ns=60 * NS_PER_S, renew_ns=1)
    rig = Rig(switch, shared=shared)
    rig.run(1)
    assert bool(rig.commands) is not (shared and scope is Scope.ACCOUNT)


@pytest.mark.parametrize("kind", [DeadManKind.NONE, DeadManKind.DISCONNECT])
def test_where_there_is_no_timer_nothing_is_sent(kind: DeadManKind) -> None:
    rig = Rig(DeadMan(kind=kind))
    rig.run(60)
    rig.switch.stop(rig.now_ns)
    assert rig.commands == []


def test_a_refusal_is_said_once_and_it_is_tried_again_soon(rig: Rig) -> None:
    rig.answers = False
    rig.run(0.1)
    for _ in range(2):
        rig.answer(Verdict.REFUSED, "EGeneral:Internal error")
        rig.run(AGAIN_NS / NS_PER_S + 0.1)
    rig.answer(Verdict.DONE)
    assert len(rig.said) == 2
    assert "not set" in rig.said[0]
    assert rig.commands == [SET] * 3
    rig.run(10)
    assert rig.commands == [SET] * 3, "it is set"


def test_one_that_is_not_answered_is_set_anew_at_once(rig: Rig) -> None:
    rig.run(1)
    rig.switch.on_no_reply(requested(SET))
    rig.run(0.1)
    assert rig.commands == [SET, SET]


def test_where_nothing_may_be_sent_it_is_tried_with_every_look(rig: Rig) -> None:
    rig.out.room = False
    rig.run(1)
    rig.out.room = True
    rig.run(0.1)
    assert rig.commands == [SET]


def test_replies_to_others_are_none_of_its_business(rig: Rig) -> None:
    rig.run(1)
    reply = Reply(request_id=1, verdict=Verdict.REFUSED)
    rig.switch.on_reply(requested(FetchTime()), reply, rig.now_ns)
    rig.switch.on_no_reply(requested(FetchTime()))
    rig.run(10)
    assert (rig.commands, rig.said) == ([SET], [])
