"""What a strategy could do to the process that trades: fork it, and end it as if all was well."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import trio.testing

from core.io.hang import Signals
from core.io.journal_file import JournalFile, read
from core.io.one_process import CHILD_ENDED, NOT_PROVED, OneProcess, end_child
from core.io.scope_lock import ScopeLock, holder
from core.model.venue import KeyKind
from core.state.journal import Header, Kind

HEADER = Header(
    run_id="test",
    boot=1,
    config_digest="",
    seeds={},
    venue="sim",
    strategy="s",
    start_ns=1,
    key=KeyKind.SIGNS,
)


def forked(child: Callable[[], object]) -> int:
    """Fork, have the child do something, and return how it ended; 0 where it got to its end."""
    pid = os.fork()
    if not pid:
        try:
            child()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


@pytest.mark.parametrize(("status", "code"), [(0, NOT_PROVED), (7, NOT_PROVED), (4, 4)])
def test_a_process_that_is_ended_while_its_run_lives_never_ends_as_if_all_was_well(
    status: int, code: int
) -> None:
    program = (
        "import os; from core.io.one_process import OneProcess\n"
        f"with OneProcess(): os._exit({status})"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == code
    assert ("LOOK AT THE VENUE" in ended.stderr) == (status != NOT_PROVED)


def test_a_child_and_a_process_whose_run_is_over_end_with_their_own_code() -> None:
    before = os._exit
    with OneProcess():
        assert os._exit is not before
        assert forked(lambda: os._exit(3)) == 3
    assert os._exit is before


def test_a_forked_child_writes_nothing_into_the_journal(tmp_path: Path) -> None:
    journal = JournalFile(tmp_path, HEADER, segment_bytes=1 << 16)
    with OneProcess() as process:
        process.in_child(lambda: journal.forked(end_child))
        journal.append(Kind.SEND, 0, 1, b"before")
        assert forked(lambda: journal.append(Kind.SEND, 0, 2, b"a child's")) == CHILD_ENDED
        journal.append(Kind.SEND, 0, 3, b"after")
    sent = [record.payload for record in read(tmp_path) if record.kind == Kind.SEND]
    assert sent == [b"before", b"after"]


def test_a_forked_child_holds_no_lock_longer_than_its_parent(tmp_path: Path) -> None:
    name = f"test-{tmp_path.name}-{os.getpid()}"
    ours, theirs = socket.socketpair()
    with ours, theirs, OneProcess() as process:
        with ScopeLock(name) as lock:
            process.in_child(lock.forked)
            pid = os.fork()
            if not pid:
                theirs.send(b"forked")
                theirs.recv(1)  # lives on until the parent is done
                os._exit(0)
            ours.recv(6)
            assert holder(name) == os.getpid()
        assert holder(name) == 0, "the child does not hold it"
        ours.send(b"x")
        os.waitpid(pid, 0)


def test_signals_mean_to_a_forked_child_what_they_always_do() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with OneProcess():
            assert forked(lambda: os.kill(os.getpid(), signal.SIGTERM)) == -signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, before)


async def test_a_signal_that_a_strategy_takes_is_taken_back() -> None:
    told: list[str] = []
    with Signals(patience_s=1, turned=lambda: 0, stop=told.append, hung=told.append) as signals:
        assert signals.restore() == []
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        assert signals.restore() == ["SIGTERM"]
        os.kill(os.getpid(), signal.SIGTERM)
        await trio.testing.wait_all_tasks_blocked()
    assert told == ["SIGTERM"]


async def test_an_alarm_of_a_strategy_is_no_hang() -> None:
    hung: list[str] = []
    with Signals(patience_s=1, turned=lambda: 0, stop=hung.append, hung=hung.append):
        os.kill(os.getpid(), signal.SIGALRM)
        os.kill(os.getpid(), signal.SIGALRM)
    assert hung == []
