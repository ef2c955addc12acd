"""The table of steps, warm and cold: who is in it, and where it is written."""

from __future__ import annotations

import pathlib

import pytest

from core.model.errors import BadParameter
from tools.bench import micro, steps

FOUND = [
    {"name": "a step", "here": (1_000.0, 2_500.0), "there": (2_000.0, 2_500.0)},
    {"name": "a new one", "here": (10.0, 20.0)},
]


def test_every_turn_and_every_call_on_the_way_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "WARMING", 2)
    monkeypatch.setattr(steps, "SAMPLES", 3)
    monkeypatch.setattr(steps, "FLUSH_BYTES", 4_096)
    found = steps.measure()
    assert set(found) == {*steps.TURNS, *(one.name for one in micro.CALLS if one.hop != "all")}
    warm_ns, cold_ns = found[steps.TURNS[1]]
    assert 0 < warm_ns < 1e8
    assert 0 < cold_ns < 1e8


def test_a_table_has_ratios_where_there_is_something_to_compare() -> None:
    *_, compared, new = steps.table(FOUND).splitlines()
    assert compared == "| a step | 2.00 | 1.00 | 0.50 | 2.50 | 2.50 | 1.00 |"
    assert new == "| a new one |  | 0.01 |  |  | 0.02 |  |"
    alone = steps.table([{"name": "a step", "here": (1_000.0, 2_500.0)}])
    assert alone.splitlines()[-1] == "| a step | 1.00 | 2.50 |"


def test_the_page_around_the_table_stays_as_it_is(tmp_path: pathlib.Path) -> None:
    page = tmp_path / "speed.md"
    page.write_text(f"before\n{steps.BEGIN}\nold\n{steps.END}\nafter\n", encoding="utf-8")
    for _ in range(2):
        steps.write(FOUND, page)
    assert page.read_text(encoding="utf-8") == (
        f"before\n{steps.BEGIN}\n\n{steps.table(FOUND)}\n\n{steps.END}\nafter\n"
    )


def test_a_page_without_a_place_for_it_is_refused(tmp_path: pathlib.Path) -> None:
    page = tmp_path / "other.md"
    page.write_text("nothing of it", encoding="utf-8")
    with pytest.raises(BadParameter, match="no place for the steps"):
        steps.write(FOUND, page)
    assert page.read_text(encoding="utf-8") == "nothing of it"


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: pathlib.Path) -> None:
    """Whatever else is imported there is somebody else's, and measures nothing of it."""
    bench = tmp_path / "tools" / "bench"
    bench.mkdir(parents=True)
    for folder in (bench.parent, bench):
        (folder / "__init__.py").touch()
    with pytest.raises(BadParameter, match="its process has failed"):
        steps.costs_of(tmp_path)
