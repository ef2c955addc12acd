"""What a fill costs: a fee in the quote currency, of buyers on top of the price.

Source: executions, ``fees`` ("currently, the fees are expressed in the quote currency only").
"""

from collections.abc import Iterable

from venues.sim.accounts import Account
from venues.sim.fixed import ONE
from venues.sim.market import Market
from venues.sim.symbols import Symbol

# Fees have as many decimals as values of trades: five.
_FEE_STEP = ONE // 100_000


class Fees:
    """The terms of this venue."""

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
        rate = account.maker_rate if is_maker else account.taker_rate
        return _rounded_down(quote * rate // ONE), symbol.quote

    def reserve(self, account: Account, cost: int) -> int:
        return cost * max(account.maker_rate, account.taker_rate) // ONE

    def assets_moved(self, account: Account, symbol: Symbol) -> tuple[str, ...]:
        return symbol.base, symbol.quote

    def filled_first(self, account: Account, now_ns: int, *, is_maker: bool) -> None:
        """Fills count for nothing here."""

    def begin(self) -> None:
        """Nothing was counted."""


def _rounded_down(amount: int) -> int:
    return amount // _FEE_STEP * _FEE_STEP
