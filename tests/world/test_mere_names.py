"""What is promised of recovery, restarts and shared accounts holds where ids are mere names, too.

The tests of those rules are run again, each with the venue's numbers in disguise: no id rises, no
trade has a number, a history comes in pages of three by time, and nothing can be read in a name.
"""

from __future__ import annotations

from types import FunctionType
from typing import Final

import pytest
from msgspec.structs import replace

from tests.world import test_continuity, test_executions, test_recovery, test_shared
from tests.world.mere_names import MereNames
from tools import app
from tools.world.tank import Tank

NOT_HERE: Final = {
    "test_a_number_below_one_that_was_told_before_the_order_left_is_of_numbers_begun_anew": (
        "no number tells that"
    ),
    "test_many_trades_of_others_while_we_were_away_delay_no_start": (
        "600 pages of three do, and orders can be asked about one by one alone"
    ),
}
"""Tests of what rising numbers alone give, and why."""


@pytest.fixture(autouse=True)
def _in_disguise(monkeypatch: pytest.MonkeyPatch) -> None:
    as_it_is = Tank.application_of

    def application_of(tank: Tank, boot: int) -> app.Application:
        application = as_it_is(tank, boot)
        return replace(application, adapter=MereNames(application.adapter))

    monkeypatch.setattr(Tank, "application_of", application_of)


for _module in (test_continuity, test_executions, test_recovery, test_shared):
    for _name, _test in vars(_module).items():
        if _name.startswith("test_") and isinstance(_test, FunctionType) and _name not in NOT_HERE:
            assert _name not in globals(), f"two tests are called {_name}"
            globals()[_name] = _test
