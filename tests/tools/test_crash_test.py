"""The long crash test in short, and each of its checks broken once: else it would show nothing.

The runs and exchanges of the broken checks are fakes that do what must not happen.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from tools import crash_test, ctl
from tools.crash_test import Run, Struck, Wrong


def test_struck_runs_agree_with_the_exchange_and_leave_nothing() -> None:
    told: list[str] = []
    shown = crash_test.crash(2, 4, told.append)
    assert len(told) == 2
    assert "no id twice, none left" in shown


def test_a_wait_for_what_does_not_come_ends() -> None:
    with pytest.raises(Wrong, match="the moon"):
        crash_test.until("the moon", lambda: 0, 0.0)


class FakeProcess:
    def __init__(self) -> None:
        self.signals: list[int] = []

    def send_signal(self, number: int) -> None:
        self.signals.append(number)


class FakeExchange:
    """An exchange that lists these orders, one list a question, the last one for ever."""

    def __init__(self, *lists: list[str], position: str = "0.00000") -> None:
        self._lists = list(lists) or [[]]
        self._position = position
        self.process = FakeProcess()

    def open_orders(self) -> list[str]:
        return self._lists.pop(0) if len(self._lists) > 1 else self._lists[0]

    def position(self) -> str:
        return self._position


class FakeRun:
    """A run that says this of itself, and is guarded by these."""

    folder = Path("nowhere")

    def __init__(self, guardians: list[list[int]] | None = None, **status: Any) -> None:
        self._guardians = [*(guardians or [[]])]
        self._status = {
            "state": "trading",
            "guardian": "watching",
            "open_orders": [],
            "positions": [{"position": "0.00000"}],
            **status,
        }
        self.sent: list[int] = []

    def status(self) -> dict[str, Any]:
        return self._status

    def trading(self) -> bool:
        return bool(self._status["state"] == "trading")

    def kill(self) -> None:
        self.sent.append(signal.SIGKILL)

    def send(self, number: int) -> None:
        self.sent.append(number)

    def guardians(self) -> list[int]:
        return self._guardians.pop(0) if len(self._guardians) > 1 else self._guardians[0]

    def guardian(self) -> int:
        return Run.guardian(self)  # type: ignore[arg-type]


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give up at once on what does not come, and kill nobody; return who would have been killed."""
    found: list[int] = []
    until = crash_test.until
    monkeypatch.setattr(crash_test, "until", lambda what, look, _=0.0: until(what, look, 0.0))
    monkeypatch.setattr(os, "kill", lambda pid, _: found.append(pid))
    monkeypatch.setattr(crash_test, "_is_guardian", lambda _: False)
    monkeypatch.setattr(ctl, "ask", lambda *_: b"{}")
    monkeypatch.setattr(crash_test, "STAYS_S", 0.0)
    monkeypatch.setattr(crash_test, "AWAY_S", 0.0)
    return found


GUARDED = [[7]]
REPLACED = [[7], [8]]
ONE = ["h-1"]


def compare(run: Any, exchange: Any, _: random.Random) -> Struck:
    crash_test.compare(run, exchange)
    return Struck(0, "")


@pytest.mark.parametrize(
    ("check", "run", "exchange", "says"),
    [
        # what is held against the ledger
        (compare, FakeRun(), FakeExchange(ONE), "no order is left after a halt"),
        (compare, FakeRun(), FakeExchange(position="0.01"), "the run holds 0.00000, the ledger"),
        (compare, FakeRun(state="halted"), FakeExchange(), "it trades again"),
        # what a strike has to be followed by
        (crash_test.kill, FakeRun(), FakeExchange(ONE), "the guardian takes all out"),
        (crash_test.kill_starting, FakeRun(), FakeExchange(ONE), "takes all out"),
        (crash_test.kill_both, FakeRun(), FakeExchange(ONE), "nobody guards it"),
        (crash_test.kill_both, FakeRun(GUARDED), FakeExchange(ONE, []), "somebody took out"),
        (crash_test.stop, FakeRun(), FakeExchange(ONE), "the guardian of a stopped run takes"),
        (crash_test.stop, FakeRun(state="interrupted"), FakeExchange(), "after it was stopped"),
        (crash_test.stop, FakeRun(), FakeExchange([], [], position="1"), "the run holds"),
        (crash_test.stop, FakeRun(), FakeExchange([], [], [], [], ONE), "guardian takes all"),
        (crash_test.kill_guardian, FakeRun(), FakeExchange(), "nobody guards it"),
        (crash_test.kill_guardian, FakeRun(GUARDED), FakeExchange(), "another guardian watches"),
        (crash_test.kill_guardian, FakeRun([[7], []], guardian="gone"), FakeExchange(), "another"),
        (crash_test.kill_guardian, FakeRun(REPLACED), FakeExchange(ONE), "takes all out"),
        (crash_test.stop_guardian, FakeRun(), FakeExchange(), "nobody guards it"),
        (crash_test.stop_guardian, FakeRun(GUARDED), FakeExchange(), "another guardian watches"),
        (crash_test.stop_guardian, FakeRun(REPLACED), FakeExchange(ONE), "takes all out"),
        (crash_test.stop_exchange, FakeRun(state="interrupted"), FakeExchange(), "was away"),
        (crash_test.stop_exchange, FakeRun(), FakeExchange(position="1"), "the run holds"),
        (crash_test.stop_exchange, FakeRun(), FakeExchange([], [], [], ONE), "takes all out"),
    ],
)
def test_each_check_of_a_strike_was_seen_to_fail(
    check: Callable[..., Struck], run: Any, exchange: Any, says: str, killed: list[int]
) -> None:
    with pytest.raises(Wrong, match=says):
        check(run, exchange, random.Random(0))


@pytest.mark.parametrize("strike", [*crash_test.TRADING, crash_test.kill_starting])
def test_a_strike_that_is_followed_by_what_has_to_follow_is_told(
    strike: Callable[..., Struck], killed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crash_test, "STARTING_S", 0.0)
    run: Any = FakeRun([[7], [8]])
    struck = strike(run, FakeExchange(), random.Random(0))
    assert struck.open == 0
    assert signal.SIGKILL in run.sent
    if "guardian" in strike.__name__ or strike is crash_test.kill_both:
        assert killed == [7]


@pytest.mark.parametrize(
    ("code", "left", "names", "says"),
    [
        (1, [], ONE, "ended with 1"),
        (0, ONE, ONE, "left open"),
        (0, [], [], "no order was ever placed"),
        (0, [], ONE * 2, "placed twice"),
    ],
)
def test_each_check_of_the_end_was_seen_to_fail(
    code: int, left: list[str], names: list[str], says: str
) -> None:
    crash_test.check_end(0, [], ONE)
    with pytest.raises(Wrong, match=says):
        crash_test.check_end(code, left, names)


def test_strikes_that_meet_no_order_show_nothing() -> None:
    assert crash_test.check_met([Struck(0, ""), Struck(2, "")]) == 1
    with pytest.raises(Wrong, match="no strike met an open order"):
        crash_test.check_met([Struck(0, "")] * 9)


def test_a_run_that_has_ended_by_itself_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("nonsense")
    run = Run(tmp_path)
    run.process.wait(30)
    with pytest.raises(Wrong, match="ended by itself with 2"):
        run.status()


async def test_a_guardian_is_found_whichever_thread_has_started_it() -> None:
    """The trading process starts it from a thread, whose children the main thread does not list."""
    script = "import sys; sys.stdin.read()"
    command = [sys.executable, "-c", script, "tools.guardian"]
    run: Any = Run.__new__(Run)
    run.process = SimpleNamespace(pid=os.getpid())
    process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE)
    try:
        with trio.fail_after(10):
            while process.pid not in run.guardians():  # noqa: ASYNC110 - it has to exec
                await trio.sleep(0.01)
    finally:
        process.kill()
        await process.wait()
    assert run.guardians() == []
