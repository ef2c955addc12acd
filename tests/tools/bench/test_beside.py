"""Two checkouts side by side: which of them is slower, and what is no checkout."""

from __future__ import annotations

import pathlib

import pytest

from core.model.errors import BadParameter
from tools.bench import beside

CALLS = """
from typing import NamedTuple, Any

class Micro(NamedTuple):
    name: str
    hop: str
    make: Any

CALLS = [{}]
"""

CALL = 'Micro("{}", "all", lambda house, folder: lambda: [one for one in range({})])'


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "PAIRS", 1)
    monkeypatch.setattr(beside, "RUNS", 3)


def checkout(folder: pathlib.Path, **calls: int) -> pathlib.Path:
    """Write what is asked of a checkout: calls, each of which counts so far."""
    bench = folder / "tools" / "bench"
    bench.mkdir(parents=True)
    (bench.parent / "__init__.py").touch()
    (bench / "__init__.py").touch()
    (bench / "house.py").write_text("class House: ...\n", encoding="utf-8")
    made = ", ".join(CALL.format(name, count) for name, count in calls.items())
    (bench / "micro.py").write_text(CALLS.format(made), encoding="utf-8")
    return folder


def test_a_call_that_does_more_is_told_to_be_slower(quick: None, tmp_path: pathlib.Path) -> None:
    there = checkout(tmp_path / "there", slower=10, same=1_000)
    here = checkout(tmp_path / "here", slower=1_000, same=1_000)

    slower, same = beside.compare(there, here)

    assert (slower.name, slower.hop) == ("slower", "all")
    assert slower.ratio > 5 > same.ratio > 0


def test_a_call_that_only_one_of_them_has_is_new(quick: None, tmp_path: pathlib.Path) -> None:
    there = checkout(tmp_path / "there", old=10)
    here = checkout(tmp_path / "here", young=10)

    (cost,) = beside.compare(there, here)

    assert cost.here_ns > 0
    assert cost.ratio == 0
    assert beside.text([cost]).endswith("new")


def test_a_folder_without_calls_is_refused(quick: None, tmp_path: pathlib.Path) -> None:
    with pytest.raises(BadParameter, match="expected a checkout of hotloop"):
        beside.compare(tmp_path, checkout(tmp_path / "here"))


def test_this_checkout_has_the_calls_that_are_asked_for(
    quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert beside.run(beside.HERE, as_json=False) == 0

    *_, last = capsys.readouterr().out.splitlines()
    assert last.startswith("engine: tick, order, its reply")
