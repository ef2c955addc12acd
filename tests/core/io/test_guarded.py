"""A guardian's process from the outside: started, heard, missed, let go. The guardians are fake."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from core.io import guarded
from core.io.guarded import Guarded, Watch
from core.model.errors import Unguarded
from tests.core.io.test_guardian import CHARGE

WATCHES = """
import sys
charge = sys.stdin.readline()
assert "fake-secret" in charge
print('{"time": "now", "action": "watching", "pid": %d}' % __import__("os").getpid(), flush=True)
"""
WAITS = """
word = sys.stdin.readline().replace("~", "")
open(sys.argv[1], "a").write("word:" + word)
"""
LIVES = """
import time
while True:
    print(flush=True)
    time.sleep(0.05)
"""
ECHOES = """
import os
while data := os.read(0, 1):
    print('{"time": "now", "action": "got", "what": %d}' % data[0], flush=True)
"""
DIES = """
open(sys.argv[1], "a").write("died ")
"""


class Run:
    """The trading process's side of it."""

    def __init__(self, folder: Path, script: str) -> None:
        self.traces = folder / "traces"
        self.lines: list[str] = []
        self.left = True
        self.guarded = Guarded(
            (sys.executable, "-I", "-c", script, str(self.traces)),
            {"PATH": os.environ["PATH"]},
            CHARGE,
            left=lambda: self.left,
            log=self.lines.append,
        )

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                await nursery.start(self.guarded.keep)
                yield
                nursery.cancel_scope.cancel()

    async def until(self, text: str, since: int = 0) -> None:
        with trio.fail_after(20):
            while not any(text in line for line in self.lines[since:]):  # noqa: ASYNC110 - not ours
                await trio.sleep(0.01)

    async def until_process_is_not(self, process: trio.Process) -> None:
        with trio.fail_after(20):
            while self.guarded.process is process:  # noqa: ASYNC110 - not ours to tell
                await trio.sleep(0.01)


async def test_a_run_begins_only_with_a_guardian_that_watches(tmp_path: Path) -> None:
    run = Run(tmp_path, WATCHES + WAITS)
    assert run.guarded.state is Watch.STARTING
    async with run.alive():
        assert run.guarded.state is Watch.WATCHING
        assert run.lines[0].startswith("guardian: watching, ")
    assert run.traces.read_text() == "word:left\n"


async def test_where_orders_may_be_alive_the_last_word_is_not_said(tmp_path: Path) -> None:
    run = Run(tmp_path, WATCHES + WAITS)
    async with run.alive():
        run.left = False
    assert run.guarded.process is not None
    with trio.fail_after(10):
        await run.guarded.process.wait()
    assert run.traces.read_text() == "word:"
    assert any("goes on" in line for line in run.lines)


async def test_a_guardian_that_dies_is_replaced_at_once_and_then_ever_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded, "FIRST_WAIT_S", 0.01)
    run = Run(tmp_path, WATCHES + DIES)
    async with run.alive():
        await run.until("NO GUARDIAN for 0.02 s")
    said = [line.partition(",")[0].partition(":")[0] for line in run.lines]
    assert said[: said.index("the guardian has died; NO GUARDIAN for 0.02 s")] == [
        "guardian",
        "the guardian has died; starting another",
        "guardian",
        "the guardian has died; NO GUARDIAN for 0.01 s",
        "guardian",
    ]


async def test_a_guardian_that_is_stopped_is_missed_and_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded, "SILENT_S", 0.5)
    run = Run(tmp_path, WATCHES + LIVES)
    async with run.alive():
        first = run.guarded.process
        assert first is not None
        os.kill(first.pid, signal.SIGSTOP)
        await run.until("has been silent for 0.5 s")
        await run.until_process_is_not(first)
        assert first.returncode == -signal.SIGKILL
        second = len(run.lines)
        await run.until("guardian: watching", since=second - 1)


async def test_the_loops_beat_and_each_signal_are_told_to_the_guardian(tmp_path: Path) -> None:
    run = Run(tmp_path, WATCHES + ECHOES)
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        async with run.alive():
            await run.until("guardian: got, 126")
            os.kill(os.getpid(), signal.SIGTERM)
            await run.until("guardian: got, 15")
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("script", ["", "import sys; sys.stdin.readline()", "raise SystemExit(3)"])
async def test_without_a_guardian_nothing_begins(tmp_path: Path, script: str) -> None:
    run = Run(tmp_path, script)
    with pytest.RaisesGroup(pytest.RaisesExc(Unguarded, match="nothing is placed without one")):
        async with run.alive():
            raise AssertionError("it began")


async def test_one_that_does_not_begin_to_watch_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded, "START_S", 0.1)
    run = Run(tmp_path, "import time; time.sleep(60)")
    with pytest.RaisesGroup(Unguarded):
        async with run.alive():
            raise AssertionError("it began")


async def test_one_that_does_not_end_when_all_is_well_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded, "GOODBYE_S", 0.1)
    run = Run(tmp_path, WATCHES + "import time; time.sleep(60)")
    async with run.alive():
        pass
    pid = int(run.lines[0].rpartition(" ")[2])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_one_that_speaks_no_more_is_ended_before_it_takes_us_for_dead(
    tmp_path: Path,
) -> None:
    run = Run(tmp_path, WATCHES + "import os; os.close(1)" + WAITS)
    async with run.alive():
        first = run.guarded.process
        assert first is not None
        await run.until("the guardian has died; starting another")
        assert first.returncode == -signal.SIGKILL
        assert not run.traces.exists()


async def test_its_notes_are_in_the_log(tmp_path: Path) -> None:
    note = """print('{"time": "x", "action": "trouble", "why": "no way"}', flush=True)"""
    run = Run(tmp_path, WATCHES + note + WAITS)
    async with run.alive():
        await run.until("guardian: trouble, no way")
