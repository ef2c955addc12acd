"""The highest rate that holds: how it is looked for, and what is answered while it is."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest

from core.model.strategy import Desk
from core.model.views import BookView
from core.state.hops import Histogram
from tools import cli, compiled
from tools.bench import page, saturation, wire
from tools.bench.saturation import Flood, Found, Search
from tools.bench.strategy import MOST_MISSED, Answers, EveryTick, EveryTickParameters

MOST = 500_000


def search(limit: int, *, first: int = 4_000, tries: int = 99) -> tuple[Search, list[int]]:
    """Look for a rate where all up to ``limit`` hold, with time for so many."""
    tried: list[int] = []

    def holds(rate: int) -> bool:
        tried.append(rate)
        return rate <= limit

    found = Search(holds, is_over=lambda: len(tried) >= tries)
    found.run(first, MOST)
    return found, tried


@pytest.mark.parametrize("limit", [130, 999, 3_999, 4_000, 16_321, 123_456, 400_000])
def test_the_highest_rate_that_holds_is_found_to_a_few_percent(limit: int) -> None:
    found, tried = search(limit)
    assert found.rate <= limit < found.rate * saturation.PRECISION + 1
    assert found.is_close
    assert len(tried) < 20
    assert len(set(tried)) == len(tried)


def test_what_holds_as_far_as_can_be_sent_is_a_bound_from_below() -> None:
    found, tried = search(MOST)
    assert tried[-1] == MOST
    assert (found.rate, found.is_close) == (MOST, False)


def test_a_search_whose_time_is_over_says_what_has_held_until_then() -> None:
    found, tried = search(100_000, tries=3)
    assert tried == [4_000, 8_000, 16_000]
    assert (found.rate, found.is_close) == (16_000, False)


def test_where_nothing_holds_there_is_no_rate() -> None:
    found, tried = search(0)
    assert (found.rate, found.is_close) == (0, True)
    assert all(one > other >= saturation.LEAST_RATE for one, other in pairwise(tried))


class Scripted:
    """A load generator that has seen what a test says."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    def ask(self, word: str, **argument: Any) -> dict[str, Any]:
        if argument["mode"] == "ready":
            return {"ready": True}
        self.asked.append(argument)
        return self.answers.pop(0)


def seen(us: int, *, lost: int = 0, idle: float = 0.5) -> dict[str, Any]:
    return {"counts": [(Histogram().index(us * 1_000), 9)], "lost": lost, "idle": idle}


@pytest.mark.parametrize(
    ("answers", "holds"),
    [
        ([seen(900)], True),
        ([seen(1_100), seen(900)], True),
        ([seen(1_100), seen(1_100)], False),
        ([seen(100, lost=1), seen(100, lost=1)], False),
    ],
)
def test_a_rate_holds_where_the_median_is_within_a_millisecond_and_nothing_lost(
    answers: list[dict[str, Any]], holds: bool
) -> None:
    generator = Scripted(*answers)
    flood = Flood(cast(Any, generator), cast(Any, None), "depth", saturation.POLICIES[0])
    assert flood.holds(10_000) is holds
    assert not generator.answers


def test_where_nothing_is_answered_a_thousand_ticks_a_second_tell_how_late_the_others_are() -> None:
    every, read, none = saturation.POLICIES
    assert [policy.ticks_a_size(64_000) for policy in (every, read, none)] == [1, 1, 64]
    assert none.ticks_a_size(500) == 1


# -- what is answered ------------------------------------------------------------------------


def answered(answers: Answers, *ticks: int) -> list[int]:
    """Return the numbers of the ticks that orders are for, when reads end with these ticks."""
    sent: list[int] = []
    place: Callable[..., None] = lambda *order, **_: sent.append(order[3] - wire.LEAST_LOTS)  # noqa: E731
    desk = cast(Desk, SimpleNamespace(place=place))
    strategy = EveryTick(EveryTickParameters(wire.LEAST_LOTS, answers=answers))
    for number in ticks:
        lots = wire.lots_of(number)
        book = SimpleNamespace(live=True, instrument=0, bid_lots=lots, bid_ticks=1)
        strategy.on_book(desk, cast(BookView, book))
    return sent


def test_every_tick_of_a_read_is_answered_by_its_own_number() -> None:
    assert answered(Answers.TICK, 5, 6, 9)[-4:] == [6, 7, 8, 9]
    assert answered(Answers.TICK, 9_998, 10_001)[-3:] == [9_999, 0, 1]


def test_numbers_that_begin_anew_are_answered_once() -> None:
    assert answered(Answers.TICK, 5, 5 + MOST_MISSED + 1)[-2:] == [5, 5 + MOST_MISSED + 1]


def test_of_a_read_the_newest_tick_is_answered() -> None:
    assert answered(Answers.READ, 5, 5, 9) == [5, 5, 9]


def test_a_size_is_answered_once() -> None:
    assert answered(Answers.SIZE, 5, 5, 9, 9, 10) == [5, 9, 10]


# -- what is said ----------------------------------------------------------------------------


def test_the_table_has_a_column_for_each_build() -> None:
    rows = [
        Found(stream="depth", orders="none", build="source", rate=60_000),
        Found(stream="depth", orders="none", build="compiled", rate=70_000, at_least=True),
    ]
    found = [{name: getattr(row, name) for name in Found.__struct_fields__} for row in rows]
    (table,) = page.tables({"saturation": found})
    assert list(table.columns) == ["stream", "orders", "source", "compiled"]
    assert table.lines == [["depth", "none", "60,000", "at least 70,000"]]


def test_a_real_search_finds_a_rate(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine that others load, too: there a median may be above a millisecond."""
    monkeypatch.setattr(saturation, "HOLDS_NS", 1_000_000_000)
    monkeypatch.setattr(saturation, "CELL_S", 0.1)
    monkeypatch.setattr(saturation, "LEVELS", 100)
    monkeypatch.setattr(saturation, "WHOLE_S", 6.0)
    monkeypatch.setattr(saturation, "STREAMS", ("bookTicker",))
    monkeypatch.setattr(saturation, "POLICIES", saturation.POLICIES[1:2])
    monkeypatch.setattr(compiled, "is_current", lambda: False)
    assert cli.main(["bench", "--saturation"]) == 0
    out = capsys.readouterr().out
    assert "The highest rate that holds, ticks a second" in out
    assert "one per read" in out
