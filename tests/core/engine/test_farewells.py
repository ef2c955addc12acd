"""Farewells by themselves: what is said before a connection is closed, and how long is waited."""

from __future__ import annotations

from typing import Any

from core.engine.farewells import FAREWELL_NS, Farewells
from core.model.commands import Command, Logout, SetDeadMan
from core.state.inflight import InFlightRequest
from core.state.throttle import Share

WORDS = (SetDeadMan(0), Logout())


class Rig:
    """Farewells whose words are noted, and perhaps cannot be sent."""

    def __init__(self) -> None:
        self.said: list[tuple[Command, int]] = []
        self.spent = False
        outbound: Any = self
        self.farewells = Farewells(outbound)

    def request(self, word: Command, now_ns: int, *, share: Share, link: int) -> int:
        assert share is Share.RESOLUTION
        if self.spent:
            return 0
        self.said.append((word, link))
        return len(self.said)

    def answer(self, request_id: int) -> int | None:
        word, link = self.said[request_id - 1]
        return self.farewells.on_answer(InFlightRequest(request_id, word, link, 0, 1), 0)


def test_one_word_follows_the_other_once_it_is_answered() -> None:
    rig = Rig()
    assert rig.farewells.begin(1, WORDS, 0)
    assert rig.said == [(SetDeadMan(0), 1)]
    assert rig.answer(1) is None
    assert rig.said == [(SetDeadMan(0), 1), (Logout(), 1)]
    assert rig.answer(2) == 1
    assert 1 not in rig.farewells


def test_where_there_is_nothing_to_say_nothing_is_awaited() -> None:
    rig = Rig()
    assert not rig.farewells.begin(0, (), 0)
    assert not len(rig.farewells)


def test_a_venue_that_does_not_answer_is_not_waited_for_any_longer() -> None:
    rig = Rig()
    rig.farewells.begin(0, WORDS, 0)
    assert rig.farewells.step(FAREWELL_NS - 1) == []
    assert rig.farewells.step(FAREWELL_NS) == [0]
    assert not len(rig.farewells)
    assert rig.answer(1) is None


def test_what_could_not_be_said_is_said_as_soon_as_it_can() -> None:
    rig = Rig()
    rig.spent = True
    assert rig.farewells.begin(0, WORDS, 0)
    rig.spent = False
    assert rig.farewells.step(1) == []
    assert rig.said == [(SetDeadMan(0), 0)]
    rig.farewells.step(2)
    assert len(rig.said) == 1


def test_connections_are_left_each_by_itself_and_one_that_is_lost_is_left() -> None:
    rig = Rig()
    rig.farewells.begin(0, WORDS, 0)
    rig.farewells.begin(1, (Logout(),), 0)
    rig.farewells.lost(0)
    assert rig.answer(2) == 1
    assert not len(rig.farewells)
