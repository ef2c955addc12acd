"""What the venue counts (guides Spot Trading Limits, Spot REST Rate Limits; May 2026).

A counter rises with each request and decays by the second; all depends on the account's tier.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from venues.sim.durations import SECOND_NS


class Tier(StrEnum):
    """How well an account is verified."""

    STARTER = "starter"
    INTERMEDIATE = "intermediate"
    PRO = "pro"


class Rates(NamedTuple):
    """A tier's limits; decays are per second, ``open_orders`` and ``threshold`` are per pair."""

    threshold: float
    decay: float
    open_orders: int
    calls: float
    calls_decay: float


RATES: Final = {
    Tier.STARTER: Rates(60, 1.0, 60, 15, 0.33),
    Tier.INTERMEDIATE: Rates(125, 2.34, 80, 20, 0.5),
    Tier.PRO: Rates(180, 3.75, 225, 20, 1.0),
}

ADDED: Final = 1.0
AMENDED: Final = 1.0
# What an amend and a cancel cost besides, by the seconds since the order was placed or amended.
_AMEND_AGES: Final = ((5, 3), (10, 2), (15, 1))
_CANCEL_AGES: Final = ((5, 8), (10, 6), (15, 5), (45, 4), (90, 2), (300, 1))


class Counter:
    """A count that decays."""

    __slots__ = ("_since_ns", "_value")

    def __init__(self) -> None:
        self._value = 0.0
        self._since_ns = 0

    def value(self, decay: float, now_ns: int) -> float:
        """Return the count of now."""
        passed = max(0, now_ns - self._since_ns) / SECOND_NS
        return max(0.0, self._value - passed * decay)

    def add(self, amount: float, decay: float, now_ns: int) -> None:
        self._value = self.value(decay, now_ns) + amount
        self._since_ns = max(self._since_ns, now_ns)


def amend_cost(age_ns: int) -> float:
    """Return what an amend of an order of that age adds besides its fixed count."""
    return _by_age(_AMEND_AGES, age_ns)


def cancel_cost(age_ns: int) -> float:
    """Return what a cancel of an order of that age adds."""
    return _by_age(_CANCEL_AGES, age_ns)


def _by_age(ages: tuple[tuple[int, int], ...], age_ns: int) -> float:
    return next((float(cost) for under, cost in ages if age_ns < under * SECOND_NS), 0.0)
