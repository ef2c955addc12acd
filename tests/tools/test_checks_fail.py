"""Checks that are run by hand or by CI fail where what they look for is absent."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tools import autobahn, bad_input, check, compiled, fuzz, measure_loop
from tools.bench.goals import goals
from tools.fuzz.__main__ import main as fuzzed

ROOT = Path(__file__).parents[2]
OK = {"behavior": "OK", "behaviorClose": "OK"}


# -- the Autobahn suite ----------------------------------------------------------------------


def report(path: Path, cases: int) -> Path:
    path.write_text(json.dumps({autobahn.AGENT: {f"1.{case}": OK for case in range(cases)}}))
    return path


def test_a_report_of_this_run_and_all_its_cases_is_taken(tmp_path: Path) -> None:
    assert len(autobahn.report_of(report(tmp_path / "index.json", 3), 3, 0)) == 3


def test_a_report_of_another_run_is_found_out(tmp_path: Path) -> None:
    old = report(tmp_path / "index.json", 3)
    began_ns = old.stat().st_mtime_ns + 1
    with pytest.raises(SystemExit, match="has not written it in this run"):
        autobahn.report_of(old, 3, began_ns)
    with pytest.raises(SystemExit, match="has not written it in this run"):
        autobahn.report_of(tmp_path / "none.json", 3, 0)


@pytest.mark.parametrize(("told", "ran"), [(2, 3), (0, 3), (0, 0)])
def test_a_report_of_fewer_cases_than_were_run_is_found_out(
    told: int, ran: int, tmp_path: Path
) -> None:
    with pytest.raises(SystemExit, match=f"tells of {told} cases, and {ran} were run"):
        autobahn.report_of(report(tmp_path / "index.json", told), ran, 0)


def test_a_report_of_another_client_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text(json.dumps({"somebody": {"1.1": OK}}))
    with pytest.raises(SystemExit, match="tells of 0 cases"):
        autobahn.report_of(tmp_path / "index.json", 1, 0)


# -- the compiled build ----------------------------------------------------------------------


def test_a_copy_in_which_a_module_is_not_compiled_shows_nothing(tmp_path: Path) -> None:
    for module in compiled.MODULES:
        (tmp_path / module).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / module).with_suffix(EXTENSION_SUFFIXES[0]).touch()
    assert compiled.pure(tmp_path) == []
    (tmp_path / "core/state/book.py").with_suffix(EXTENSION_SUFFIXES[0]).unlink()
    assert compiled.pure(tmp_path) == ["core/state/book.py"]
    with pytest.raises(compiled.BuildsDiffer, match="not compiled"):
        compiled.check(tmp_path)


# -- bad input -------------------------------------------------------------------------------


def test_the_page_of_bad_input_says_what_is_said() -> None:
    page = bad_input.page()
    assert page == (ROOT / "docs/bad-input.md").read_text(encoding="utf-8")
    assert bad_input.taken(page) == []


@pytest.mark.parametrize(
    "answer", ["accepted", "accepted as 5 ticks", "exit 0: hotloop: left", "exit 2:", ""]
)
def test_bad_input_that_is_taken_or_refused_without_a_word_is_found_out(
    answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = [("Prices", [("NaN", lambda _: answer)])]
    monkeypatch.setattr(bad_input, "cases", lambda: iter(cases))
    assert bad_input.write(tmp_path / "page.md") == 1


# -- hotloop check ---------------------------------------------------------------------------


@pytest.mark.parametrize("told", [(), ("BTCUSDT",)])
async def test_a_symbol_that_the_venue_says_nothing_of_is_no_success(
    told: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    async def ask(*_: object) -> Any:
        return SimpleNamespace(instruments=[SimpleNamespace(symbol=symbol) for symbol in told])

    findings = check.Findings()
    question: Any = SimpleNamespace(ask=ask)
    subject: Any = SimpleNamespace(config=SimpleNamespace(symbols=("BTCUSDT", "ETHUSDT")))
    assert await check._check_symbols(findings, question, subject) is None
    assert findings.code == 3
    assert "the venue says nothing of" in capsys.readouterr().out


# -- fuzzing, and measuring ------------------------------------------------------------------


@pytest.mark.parametrize("seeds", ["0", "-5"])
def test_no_case_at_all_is_no_success(seeds: str) -> None:
    assert fuzz.__doc__
    with pytest.raises(SystemExit) as ended:
        fuzzed(["--seeds", seeds])
    assert ended.value.code == 2


def die(listener: socket.socket) -> None:
    listener.accept()
    os._exit(3)


def test_a_peer_that_dies_measures_nothing() -> None:
    with pytest.raises(RuntimeError, match="the peer ended with 3"), measure_loop._peer(die):
        pass


def test_a_goal_that_was_not_measured_is_there_and_not_reached() -> None:
    held = goals({})
    assert len(held) > 25
    assert not any(goal.reached for goal in held)
    assert {goal.seen for goal in held} == {None}
    replayed = goals({"replay": {"source": {"bookTicker": 250_000, "depth": 1}}})
    assert [goal.what for goal in replayed if goal.reached] == ["replay, source: events a second"]


# -- CI --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "code", "last"),
    [
        ("echo '===== 9 passed in 1.00s ====='", 0, "===== 9 passed in 1.00s ====="),
        ("echo nothing", 1, "pytest did not finish"),
        ("echo '===== 1 failed in 1.00s ====='; exit 2", 1, "===== 1 failed in 1.00s ====="),
    ],
)
def test_ci_fails_where_a_step_fails_or_tests_did_not_finish(
    make: str, code: int, last: str, tmp_path: Path
) -> None:
    (tmp_path / ".ci").mkdir()
    script = tmp_path / ".ci/run"
    script.write_bytes((ROOT / ".ci/run").read_bytes())
    fake = tmp_path / "bin/make"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\n{make}\n")
    fake.chmod(0o755)
    path = f"{fake.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", str(script)],
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == last
