"""Run and guardian killed in one instant, and nobody started: the venue itself clears up."""

from __future__ import annotations

import pytest

from tools.crash_test import rounds
from tools.crash_test.strikes import KINDS

pytestmark = pytest.mark.yard


def test_what_run_and_guardian_leave_is_gone_once_the_venue_s_window_is_over() -> None:
    """A minute of real time, which is the venue's: what is left stays at first, then is gone."""
    [kind] = [kind for kind in KINDS if kind.timer]
    told: list[str] = []
    shown = rounds.crash(1, 5, told.append, [kind], "kraken")
    assert "for good, 2 orders open then" in told[0] or "for good, 1 orders open then" in told[0]
    assert "no id twice, every one journaled, none left" in shown
