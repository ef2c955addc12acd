"""What venues differ in when an order is filled: what it costs, and what is counted of it."""

from collections.abc import Iterable
from typing import Protocol

from venues.sim.accounts import Account
from venues.sim.market import Market
from venues.sim.symbols import Symbol


class Terms(Protocol):
    """The engine's questions to a dialect."""

    def commission(
        self,
        account: Account,
        symbol: Symbol,
        quantity: int,
        quote: int,
        markets: Iterable[Market],
        *,
        is_buyer: bool,
        is_maker: bool,
    ) -> tuple[int, str]:
        """Return what a fill of ``quantity`` for ``quote`` costs, and in which asset."""

    def reserve(self, account: Account, cost: int) -> int:
        """Return what a buyer locks beyond ``cost`` of the quote asset, for the commission."""

    def assets_moved(self, account: Account, symbol: Symbol) -> tuple[str, ...]:
        """Return the assets that a fill in ``symbol`` may have moved, each once."""

    def filled_first(self, account: Account, now_ns: int, *, is_maker: bool) -> None:
        """Count that an order of the account was filled for the first time."""

    def begin(self) -> None:
        """Forget what was counted."""
