"""Accounts: balances free and locked, fee rates, API keys.

Amounts are integers of 1e-8 of the asset. A balance never goes below zero; only the house, which
trades for the background, may owe. Every commission is credited to ``fees``, so that the sum over
all accounts of each asset changes by deposits alone.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from venues.sim import errors
from venues.sim.fixed import ONE, show
from venues.sim.limits import OrderCounter

# 0.1 %, the venue's ordinary rate for maker and taker.
STANDARD_RATE: Final = ONE // 1000

# Paying commission in BNB earns no discount here.
NO_DISCOUNT: Final[dict[str, Any]] = {
    "enabledForAccount": False,
    "enabledForSymbol": False,
    "discountAsset": "BNB",
    "discount": show(0),
}


class Balance:
    """One asset of one account."""

    __slots__ = ("free", "locked")

    def __init__(self, free: int = 0, locked: int = 0) -> None:
        self.free = free
        self.locked = locked


@dataclass(slots=True)
class Account:
    """One trading account. ``number`` is the owner its resting orders carry in the book."""

    number: int
    orders: OrderCounter
    maker_rate: int = STANDARD_RATE
    taker_rate: int = STANDARD_RATE
    may_owe: bool = False
    updated_ns: int = 0
    balances: dict[str, Balance] = field(default_factory=dict)

    def balance(self, asset: str) -> Balance:
        found = self.balances.get(asset)
        if found is None:
            found = self.balances[asset] = Balance()
        return found

    def rates(self) -> dict[str, str]:
        """Return the commission rates as the venue shows them."""
        return {
            "maker": show(self.maker_rate),
            "taker": show(self.taker_rate),
            "buyer": show(0),
            "seller": show(0),
        }

    def lock(self, asset: str, amount: int) -> None:
        """Move ``amount`` from free to locked; raise -2010 when there is less."""
        balance = self.balance(asset)
        if balance.free < amount and not self.may_owe:
            raise errors.insufficient_balance()
        balance.free -= amount
        balance.locked += amount

    def unlock(self, asset: str, amount: int) -> None:
        balance = self.balance(asset)
        balance.locked -= amount
        balance.free += amount


class HmacKey:
    """An API key whose requests are signed by HMAC-SHA256 with a shared secret."""

    __slots__ = ("account", "api_key", "secret")

    def __init__(self, api_key: str, account: Account, secret: str) -> None:
        self.api_key = api_key
        self.account = account
        self.secret = secret.encode()


class Ed25519Key:
    """An API key whose requests are signed with the private half of ``public_key`` (32 bytes)."""

    __slots__ = ("account", "api_key", "public_key")

    def __init__(self, api_key: str, account: Account, public_key: bytes) -> None:
        self.api_key = api_key
        self.account = account
        self.public_key = public_key


ApiKey = HmacKey | Ed25519Key
