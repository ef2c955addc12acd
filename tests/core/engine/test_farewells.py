"""Farewells by themselves: what is said before a connection is closed, and how long is waited."""

from __future__ import annotations

from typing import Any

from core.engine.farewells import FAREWELL_NS, Farewells
from core.model.commands import Command, Logout, SetDeadMan
from core.state.inflight import Asked
from core.state.throttle import Share

WORDS = (SetDeadMan(0), Logout())


class House:
    """Farewells whose words are noted, and perhaps cannot be sent."""

    def __init__(self) -> None:
        self.said: list[tuple[Command, int]] = []
        self.spent = False
        outbound: Any = self
        self.farewells = Farewells(outbound)

    def request(self, word: Command, now_ns: int, *, share: Share, link: int) -> int:
        assert share is Share.PROOF
        if self.spent:
            return 0
        self.said.append((word, link))
        return len(self.said)

    def answer(self, request_id: int) -> int | None:
        word, link = self.said[request_id - 1]
        return self.farewells.on_answer(Asked(request_id, word, link, 0, 1), 0)


def test_one_word_follows_the_other_once_it_is_answered() -> None:
    house = House()
    assert house.farewells.begin(1, WORDS, 0)
    assert house.said == [(SetDeadMan(0), 1)]
    assert house.answer(1) is None
    assert house.said == [(SetDeadMan(0), 1), (Logout(), 1)]
    assert house.answer(2) == 1
    assert 1 not in house.farewells


def test_where_there_is_nothing_to_say_nothing_is_awaited() -> None:
    house = House()
    assert not house.farewells.begin(0, (), 0)
    assert not len(house.farewells)


def test_a_venue_that_does_not_answer_is_not_waited_for_any_longer() -> None:
    house = House()
    house.farewells.begin(0, WORDS, 0)
    assert house.farewells.step(FAREWELL_NS - 1) == []
    assert house.farewells.step(FAREWELL_NS) == [0]
    assert not len(house.farewells)
    assert house.answer(1) is None


def test_what_could_not_be_said_is_said_as_soon_as_it_can() -> None:
    house = House()
    house.spent = True
    assert house.farewells.begin(0, WORDS, 0)
    house.spent = False
    assert house.farewells.step(1) == []
    assert house.said == [(SetDeadMan(0), 0)]
    house.farewells.step(2)
    assert len(house.said) == 1


def test_connections_are_left_each_by_itself_and_one_that_is_lost_is_left() -> None:
    house = House()
    house.farewells.begin(0, WORDS, 0)
    house.farewells.begin(1, (Logout(),), 0)
    house.farewells.lost(0)
    assert house.answer(2) == 1
    assert not len(house.farewells)
