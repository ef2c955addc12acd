"""The exchange's own books, and the account that it opens by itself.

No socket is needed for either: a whole exchange in memory has them as well.
"""

from collections.abc import Callable
from typing import Final

from venues.sim.accounts import Account
from venues.sim.actions import Host
from venues.sim.engine import Engine
from venues.sim.fixed import ONE
from venues.sim.orders import Execution, Order
from venues.sim.tape import Trade
from venues.sim.venue import AnyVenue

DEFAULT_KEY: Final = "hotloop-sim-key-this-is-not-a-secret"
DEFAULT_SECRET: Final = "hotloop-sim-secret-this-is-not-a-secret"  # noqa: S105 - visibly fake
DEFAULT_BALANCES: Final = {
    "BTC": 100 * ONE,
    "ETH": 2_000 * ONE,
    "BNB": 10_000 * ONE,
    "USDT": 10_000_000 * ONE,
}


class Ledger:
    """The exchange's own books, for tests to compare with what a client believes."""

    def __init__(self, venue: AnyVenue, clock: Callable[[], int]) -> None:
        self._venue = venue
        self._clock = clock

    @property
    def host(self) -> Host:
        return self._venue.host

    @property
    def engine(self) -> Engine:
        return self._venue.engine

    def account(self, api_key: str = DEFAULT_KEY) -> Account:
        return self._venue.host.keys[api_key].account

    def orders(self, symbol: str, api_key: str = DEFAULT_KEY) -> list[Order]:
        """Return every order the account ever placed in ``symbol``, oldest first."""
        return list(self.engine.file(self.account(api_key), symbol).orders.values())

    def open_orders(self, symbol: str, api_key: str = DEFAULT_KEY) -> list[Order]:
        return list(self.engine.file(self.account(api_key), symbol).open.values())

    def executions(self, symbol: str, api_key: str = DEFAULT_KEY) -> list[Execution]:
        """Return the account's side of every trade it had in ``symbol``, oldest first."""
        return list(self.engine.file(self.account(api_key), symbol).executions)

    def balances(self, api_key: str = DEFAULT_KEY) -> dict[str, tuple[int, int]]:
        """Return (free, locked) in units of 1e-8 for each asset."""
        found = self.account(api_key).balances
        return {asset: (balance.free, balance.locked) for asset, balance in found.items()}

    def trades(self, symbol: str) -> list[Trade]:
        """Return the latest public trades, oldest first."""
        return list(self.engine.markets[symbol].tape.trades)

    def deposit(self, asset: str, amount: int, api_key: str = DEFAULT_KEY) -> None:
        """Move ``amount`` of 1e-8 in, or out when negative, and tell the account."""
        now_ns = self._clock()
        self.engine.deposit(self.account(api_key), asset, amount, now_ns)
        self._venue.advance(now_ns)
