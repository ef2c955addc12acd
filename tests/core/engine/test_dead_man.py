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
from core.state.inflight import Asked
from core.state.throttle import Share

START_NS = 1_700_000_000 * NS_PER_S
TICK_NS = 100 * NS_PER_MS
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
        assert share is Share.PROOF
        if self.room:
            self.sent.append((now_ns, what))
        return len(self.sent) if self.room else 0


class House:
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
            self.now_ns += TICK_NS

    def answer(self, verdict: Verdict, text: str = "", to: SetDeadMan = SET) -> None:
        reply = Reply(request_id=1, verdict=verdict, text=text)
        self.switch.on_reply(asked(to), reply, self.now_ns)

    @property
    def commands(self) -> list[Command]:
        return [command for _, command in self.out.sent]


def asked(command: Command) -> Asked:
    return Asked(1, command, 0, START_NS, START_NS + 10 * NS_PER_S)


@pytest.fixture
def house() -> House:
    return House()


def test_it_is_set_at_once_and_anew_long_before_it_runs_out(house: House) -> None:
    house.run(65)
    times_s = [(at_ns - START_NS) / NS_PER_S for at_ns, _ in house.out.sent]
    assert times_s == [0, 20, 40, 60]
    assert set(house.commands) == {SET}


def test_without_a_way_it_is_left_to_run_out(house: House) -> None:
    house.run(1)
    house.run(100, way_open=False)
    assert house.commands == [SET]
    house.run(0.1)
    assert house.commands == [SET, SET], "and set anew as soon as there is one"


def test_a_run_that_has_left_stops_it_and_waits_for_the_answer(house: House) -> None:
    house.run(1)
    assert not house.switch.stop(house.now_ns)
    assert not house.switch.stop(house.now_ns)
    house.answer(Verdict.DONE, to=STOP)
    assert house.switch.stop(house.now_ns)
    assert house.commands == [SET, STOP]


def test_a_run_that_leaves_stops_it_twice_where_it_is_refused_and_no_more(house: House) -> None:
    house.run(1)
    for _ in range(2):
        assert not house.switch.stop(house.now_ns)
        house.answer(Verdict.REFUSED, "EService:Unavailable", to=STOP)
        assert house.switch.stop(house.now_ns) is (house.commands == [SET, STOP, STOP])
        house.now_ns += AGAIN_NS
    assert house.switch.stop(house.now_ns)
    assert house.commands == [SET, STOP, STOP]
    assert "not stopped" in house.said[0]


def test_a_run_that_leaves_stops_it_once_more_where_it_got_no_answer(house: House) -> None:
    house.run(1)
    assert not house.switch.stop(house.now_ns)
    house.switch.on_no_reply(asked(STOP))
    house.now_ns += 20 * NS_PER_S
    assert not house.switch.stop(house.now_ns)
    house.answer(Verdict.DONE, to=STOP)
    assert house.switch.stop(house.now_ns)
    assert house.commands == [SET, STOP, STOP]


@pytest.mark.parametrize("answered", [True, False])
def test_it_is_not_stopped_before_what_sets_it_is_answered(house: House, answered: bool) -> None:
    house.answers = False
    house.run(1)
    assert not house.switch.stop(house.now_ns)
    house.run(1, needless=True)
    assert house.commands == [SET]
    if answered:
        house.answer(Verdict.DONE)
    else:
        house.switch.on_no_reply(asked(SET))
    assert not house.switch.stop(house.now_ns)
    assert house.commands == [SET, STOP]


def test_where_it_cannot_be_told_nothing_is_awaited(house: House) -> None:
    house.run(1)
    house.out.room = False
    assert house.switch.stop(house.now_ns)


def test_a_run_that_leaves_waits_for_no_answer_where_its_line_is_gone(house: House) -> None:
    house.run(1)
    house.switch.stop(house.now_ns)
    house.switch.on_no_reply(asked(STOP))
    house.out.room = False
    house.now_ns += 20 * NS_PER_S
    assert house.switch.stop(house.now_ns)
    assert house.commands == [SET, STOP]


def test_what_was_never_set_is_not_stopped(house: House) -> None:
    assert house.switch.stop(START_NS)
    assert house.commands == []


def test_where_it_is_needless_it_is_stopped_and_after_that_set_again(house: House) -> None:
    house.run(1)
    house.run(1, needless=True)
    house.answer(Verdict.DONE, to=STOP)
    house.run(60, needless=True)
    assert house.commands == [SET, STOP]
    house.run(1)
    assert house.commands == [SET, STOP, SET]


def test_a_stop_that_is_refused_is_tried_again_as_long_as_it_is_needless(house: House) -> None:
    house.run(1)
    house.run(1, needless=True)
    house.answer(Verdict.REFUSED, "EService:Unavailable", to=STOP)
    house.run(AGAIN_NS / NS_PER_S, needless=True)
    assert house.commands == [SET, STOP]
    house.run(1, needless=True)
    assert house.commands == [SET, STOP, STOP]


def test_while_a_stop_is_on_its_way_it_is_not_set(house: House) -> None:
    house.run(1)
    house.run(1, needless=True)
    house.run(30)
    assert house.commands == [SET, STOP]
    house.answer(Verdict.DONE, to=STOP)
    house.run(0.1)
    assert house.commands == [SET, STOP, SET]


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("scope", [Scope.ACCOUNT, Scope.CONNECTION])
def test_one_of_the_account_is_never_set_where_others_act_on_it(scope: Scope, shared: bool) -> None:
    switch = DeadMan(kind=DeadManKind.TIMER, scope=scope, window_ns=60 * NS_PER_S, renew_ns=1)
    house = House(switch, shared=shared)
    house.run(1)
    assert bool(house.commands) is not (shared and scope is Scope.ACCOUNT)


@pytest.mark.parametrize("kind", [DeadManKind.NONE, DeadManKind.DISCONNECT])
def test_where_there_is_no_timer_nothing_is_sent(kind: DeadManKind) -> None:
    house = House(DeadMan(kind=kind))
    house.run(60)
    house.switch.stop(house.now_ns)
    assert house.commands == []


def test_a_refusal_is_said_once_and_it_is_tried_again_soon(house: House) -> None:
    house.answers = False
    house.run(0.1)
    for _ in range(2):
        house.answer(Verdict.REFUSED, "EGeneral:Internal error")
        house.run(AGAIN_NS / NS_PER_S + 0.1)
    house.answer(Verdict.DONE)
    assert len(house.said) == 2
    assert "not set" in house.said[0]
    assert house.commands == [SET] * 3
    house.run(10)
    assert house.commands == [SET] * 3, "it is set"


def test_one_that_is_not_answered_is_set_anew_at_once(house: House) -> None:
    house.run(1)
    house.switch.on_no_reply(asked(SET))
    house.run(0.1)
    assert house.commands == [SET, SET]


def test_where_nothing_may_be_sent_it_is_tried_with_every_look(house: House) -> None:
    house.out.room = False
    house.run(1)
    house.out.room = True
    house.run(0.1)
    assert house.commands == [SET]


def test_replies_to_others_are_none_of_its_business(house: House) -> None:
    house.run(1)
    reply = Reply(request_id=1, verdict=Verdict.REFUSED)
    house.switch.on_reply(asked(FetchTime()), reply, house.now_ns)
    house.switch.on_no_reply(asked(FetchTime()))
    house.run(10)
    assert (house.commands, house.said) == ([SET], [])
