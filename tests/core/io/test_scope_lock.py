"""One process on one scope, on all of the machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.io.scope_lock import BACKLOG, ScopeLock, holder
from core.model.errors import BadConfig

ROOT = Path(__file__).parents[3]
SCOPE = f"test-{os.getpid()}-"

HOLD = """
import sys
from core.io.scope_lock import ScopeLock
with ScopeLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_holder_is_refused_and_told_who_the_first_is() -> None:
    with (
        ScopeLock(SCOPE),
        pytest.raises(BadConfig, match=rf"pid {os.getpid()}\).*{SCOPE}"),
        ScopeLock(SCOPE),
    ):
        pass


def test_another_scope_is_free() -> None:
    with ScopeLock(SCOPE), ScopeLock(SCOPE + "2"):
        assert holder(SCOPE + "2") == os.getpid()


def test_a_lock_that_was_let_go_can_be_taken_again() -> None:
    with ScopeLock(SCOPE):
        pass
    assert holder(SCOPE) == 0
    with ScopeLock(SCOPE):
        assert holder(SCOPE) == os.getpid()


def test_a_killed_process_holds_nothing() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, SCOPE],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert holder(SCOPE) == process.pid
        process.kill()
    assert holder(SCOPE) == 0


def test_asking_often_wears_nothing_out() -> None:
    with ScopeLock(SCOPE):
        found = {holder(SCOPE) for _ in range(3 * BACKLOG)}
        assert found == {os.getpid(), -1}
        with pytest.raises(BadConfig), ScopeLock(SCOPE):
            pass
