"""A few moments of the long crash test: a run of its own process, killed, and the ledger asked."""

from __future__ import annotations

import pytest

from tools import crash_test


def test_killed_runs_agree_with_the_exchange_and_leave_nothing() -> None:
    told: list[str] = []
    shown = crash_test.crash(2, 4, told.append)
    assert len(told) == 2
    assert "no id twice, none left" in shown


def test_a_wait_for_what_does_not_come_ends() -> None:
    with pytest.raises(crash_test.Wrong, match="the moon"):
        crash_test.until("the moon", lambda: 0, 0.0)
