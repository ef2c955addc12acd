"""The regression guard: what is over its budget fails, and only that."""

from __future__ import annotations

import pathlib

import msgspec
import pytest

from core.model.errors import BadParameter
from tools.bench import micro

COMMITTED = pathlib.Path(micro.__file__).with_name("budgets.json")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(micro, "RUNS", 1)
    monkeypatch.setattr(micro, "RUN_NS", 100_000)
    monkeypatch.setattr(micro, "CALIBRATION_ROUNDS", 500)
    monkeypatch.setattr(micro, "COUNTED_CALLS", 64)


def budgets(
    folder: pathlib.Path, factor: float, *, share: float = 2.0, python: str = micro.PYTHON
) -> pathlib.Path:
    """Write budgets of time that are ``factor``, and of bytecodes that are a share of today's."""
    path = folder / "budgets.json"
    found = {call.name: factor for call in micro.CALLS}
    committed = msgspec.json.decode(COMMITTED.read_bytes(), type=micro.Budgets)
    bytecodes = {name: round(share * most) for name, most in committed.bytecodes.items()}
    written = micro.Budgets(found, 1.0, python, bytecodes, committed.bytecodes_tolerance)
    path.write_bytes(msgspec.json.encode(written))
    return path


def test_every_call_has_a_committed_budget_and_every_budget_a_call() -> None:
    committed = msgspec.json.decode(COMMITTED.read_bytes(), type=micro.Budgets)

    assert set(committed.budgets) == {call.name for call in micro.CALLS}
    assert set(committed.bytecodes) == set(committed.budgets)
    assert 1.2 < committed.tolerance < 2.0  # more than noise, less than a doubling
    assert committed.bytecodes_tolerance < 1.1


def test_calls_within_their_budgets_pass(
    quick: None, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert micro.run(budgets(tmp_path, 1e9), as_json=False) == 0
    assert "decode book ticker" in capsys.readouterr().out


def test_a_call_over_its_budget_fails_and_is_named(
    quick: None, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert micro.run(budgets(tmp_path, 1e-6), as_json=True) == 1
    assert "risk approve: takes" in capsys.readouterr().err


def test_a_call_that_executes_15_percent_more_than_its_budget_fails(
    quick: None, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert micro.run(budgets(tmp_path, 1e9, share=1.0 / 1.15), as_json=False) == 1
    assert "risk approve: executes" in capsys.readouterr().err


def test_the_bytecodes_of_another_python_are_not_judged(
    quick: None, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert micro.run(budgets(tmp_path, 1e9, share=0.5, python="2.7"), as_json=False) == 0
    assert "not judged: their budgets are of Python 2.7" in capsys.readouterr().err


def test_a_call_without_a_budget_fails(quick: None, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "budgets.json"
    path.write_bytes(msgspec.json.encode(micro.Budgets({"nothing": 1.0}, 1.5, "", {}, 1.05)))

    assert micro.run(path, as_json=True) == 1


def test_a_file_that_holds_no_budgets_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "budgets.json"
    path.write_text("{}", encoding="utf-8")

    with pytest.raises(BadParameter, match="budgets"):
        micro.run(path, as_json=True)
