"""Accounts: balances free and locked, fee rates, what their owner may do.

Amounts are integers of 1e-8 of the asset. A balance never goes below zero; only the house, which
trades for the background, may owe. Every commission is credited to ``fees``, so that the sum over
all accounts of each asset changes by deposits alone.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from venues.sim.durations import SECOND_NS
from venues.sim.fixed import ONE
from venues.sim.refusals import Reason, Refused

# 0.1 %, the venue's ordinary rate for maker and taker.
STANDARD_RATE: Final = ONE // 1000

# How far back balances are kept: as far as a replica may be behind.
REPLICA_NS: Final = 60 * SECOND_NS


class Balance:
    """One asset of one account."""

    __slots__ = ("free", "locked")

    def __init__(self, free: int = 0, locked: int = 0) -> None:
        self.free = free
        self.locked = locked


@dataclass(slots=True)
class Account:
    """One trading account. ``number`` is the owner its resting orders carry in the book.

    ``may_trade`` and ``disabled`` are what the venue's staff may do to an account,
    ``not_permitted`` and ``restricted`` the symbols it may not trade.
    """

    number: int
    maker_rate: int = STANDARD_RATE
    taker_rate: int = STANDARD_RATE
    may_owe: bool = False
    pays_in_bnb: bool = False
    may_trade: bool = True
    disabled: bool = False
    not_permitted: frozenset[str] = frozenset()
    restricted: frozenset[str] = frozenset()
    locked_outside: dict[str, int] = field(default_factory=dict)
    opening: dict[str, int] = field(default_factory=dict)
    updated_ns: int = 0
    balances: dict[str, Balance] = field(default_factory=dict)
    # What balances were before each change that a replica may still show, oldest first.
    _former: deque[tuple[int, str, int, int]] = field(default_factory=deque)
    _told: dict[str, tuple[int, int]] = field(default_factory=dict)

    def balance(self, asset: str) -> Balance:
        found = self.balances.get(asset)
        if found is None:
            found = self.balances[asset] = Balance()
        return found

    def begin(self) -> None:
        """Begin anew with the opening balances and nothing placed."""
        self.balances = {asset: Balance(amount) for asset, amount in self.opening.items()}
        self.locked_outside.clear()
        self._former.clear()
        self._told.clear()
        self.remember(self.opening, 0)

    def remember(self, assets: Iterable[str], now_ns: int) -> None:
        """Keep what balances were until now for replicas that are behind."""
        for asset in assets:
            balance = self.balance(asset)
            self._former.append((now_ns, asset, *self._told.get(asset, (0, 0))))
            self._told[asset] = (balance.free, balance.locked)
        while self._former and self._former[0][0] < now_ns - REPLICA_NS:
            self._former.popleft()

    def balances_at(self, seen_ns: int) -> dict[str, Balance]:
        """Return the balances as they were at a time, as far back as a replica may be."""
        found = dict(self.balances)
        for changed_ns, asset, free, locked in reversed(self._former):
            if changed_ns <= seen_ns:
                break
            found[asset] = Balance(free, locked)
        return found

    def lock(self, asset: str, amount: int) -> None:
        """Move ``amount`` from free to locked; raise ``Refused`` when there is less."""
        balance = self.balance(asset)
        if balance.free < amount and not self.may_owe:
            raise Refused(Reason.INSUFFICIENT_FUNDS)
        balance.free -= amount
        balance.locked += amount

    def unlock(self, asset: str, amount: int) -> None:
        balance = self.balance(asset)
        balance.locked -= amount
        balance.free += amount
