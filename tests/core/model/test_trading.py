"""What a venue allows as a whole bounds what it allows on each instrument."""

import pytest
from msgspec.structs import replace

from core.model.instrument import Trading
from tests.strategies.desk import instrument

OPEN, CANCEL_ONLY, HALTED = Trading.OPEN, Trading.CANCEL_ONLY, Trading.HALTED


@pytest.mark.parametrize(
    ("own", "whole", "both"),
    [
        (OPEN, OPEN, OPEN),
        (OPEN, CANCEL_ONLY, CANCEL_ONLY),
        (CANCEL_ONLY, OPEN, CANCEL_ONLY),
        (CANCEL_ONLY, HALTED, HALTED),
        (HALTED, CANCEL_ONLY, HALTED),
        (Trading.LIMIT_ONLY, Trading.POST_ONLY, Trading.POST_ONLY),
        (CANCEL_ONLY, Trading.POST_ONLY, CANCEL_ONLY),
        (OPEN, Trading.LIMIT_ONLY, Trading.LIMIT_ONLY),
    ],
)
def test_the_stricter_of_both_counts(own: Trading, whole: Trading, both: Trading) -> None:
    row = replace(instrument(), trading=own, venue_status="its own")
    found = row.under(whole, "the venue's")
    assert found.trading is both
    assert found.venue_status == ("its own" if own is both else "the venue's")
