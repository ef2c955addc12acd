"""What an order, an amend and a cancel cost of a pair's rate counter, by the age of the order.

The counter of each pair holds a tier's threshold and forgets at the tier's pace; an order's age
counts from when it was placed or last amended. Adding costs even where it is refused.

Source: docs.kraken.com, "Spot Trading Limits" (page of 2026-05-27).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from core.model.units import NS_PER_S

ADD: Final = 1
_AMEND: Final = ((5, 3), (10, 2), (15, 1))
_CANCEL: Final = ((5, 8), (10, 6), (15, 5), (45, 4), (90, 2), (300, 1))
"""Below how many seconds of age how much is counted, beside the fixed part."""

DEAREST_CANCEL: Final = 8


class Tier(Struct, frozen=True):
    """What an account may do on one pair; the lowest holds where nothing else is known."""

    threshold: int
    token_ns: int
    """In which one of the count is forgotten."""
    open_orders: int
    calls: int
    """What a key's counter of REST calls holds."""
    call_ns: int
    """In which one of those is forgotten."""


STARTER: Final = Tier(60, NS_PER_S, 60, 15, 3 * NS_PER_S)
INTERMEDIATE: Final = Tier(125, 427_350_428, 80, 20, 2 * NS_PER_S)
PRO: Final = Tier(180, 266_666_667, 225, 20, NS_PER_S)
"""Decays of 1, 2.34 and 3.75 a second, rounded up to whole nanoseconds: never faster than told.
Calls as in "Spot REST Rate Limits"."""

TIERS: Final = (STARTER, INTERMEDIATE, PRO)


def tier_of(threshold: int) -> Tier:
    """Return the tier of a threshold, as the acknowledgement of executions tells it
    (``maxratecount``); of one in between the lower one.
    """
    return max((t for t in TIERS if t.threshold <= threshold), default=STARTER, key=_threshold)


def _threshold(tier: Tier) -> int:
    return tier.threshold


def amend(resting_ns: int) -> int:
    """Return what an amend costs of an order that has stood so long."""
    return 1 + _by_age(_AMEND, resting_ns)


def cancel(resting_ns: int) -> int:
    """Return what a cancel costs of an order that has stood so long."""
    return _by_age(_CANCEL, resting_ns)


def _by_age(steps: Sequence[tuple[int, int]], resting_ns: int) -> int:
    for below_s, count in steps:
        if resting_ns < below_s * NS_PER_S:
            return count
    return 0


def batch_add(orders: int) -> int:
    """Return what a batch of new orders costs: half of them, and a half counts whole."""
    return -(-orders // 2)


def batch_cancel(resting_ns: Sequence[int]) -> int:
    """Return what cancelling orders of these ages at once costs."""
    return sum(cancel(age_ns) for age_ns in resting_ns)
