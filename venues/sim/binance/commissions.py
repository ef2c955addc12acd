"""What a fill costs, in which asset it is paid, and what it takes off the unfilled order count.

Sources: faqs/commission_faq.md, faqs/order_count_decrement.md at a5e0bc3 (2026-07-21).
"""

from collections.abc import Iterable
from typing import Any, Final

from venues.sim.accounts import Account
from venues.sim.binance.limits import Limit, OrderCounter
from venues.sim.fixed import ONE, show
from venues.sim.market import Market
from venues.sim.symbols import Symbol

# What is left of the standard commission when it is paid in this asset.
DISCOUNT_ASSET: Final = "BNB"
DISCOUNT: Final = ONE * 3 // 4


class Commissions:
    """The terms of this venue: a commission on what is received, unfilled orders counted."""

    def __init__(self, order_limits: tuple[Limit, ...]) -> None:
        self._order_limits = order_limits
        self._counters: dict[int, OrderCounter] = {}

    def begin(self) -> None:
        self._counters.clear()

    def counter(self, account: Account) -> OrderCounter:
        """Return the unfilled order count of an account."""
        found = self._counters.get(account.number)
        if found is None:
            found = self._counters[account.number] = OrderCounter(self._order_limits)
        return found

    def filled_first(self, account: Account, now_ns: int, *, is_maker: bool) -> None:
        counter = self.counter(account)
        counter.add(
            counter.FIRST_FILL_AS_MAKER if is_maker else counter.FIRST_FILL_AS_TAKER, now_ns
        )

    def reserve(self, account: Account, cost: int) -> int:
        return 0

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
        asset, got = (symbol.base, quantity) if is_buyer else (symbol.quote, quote)
        return commission_on(account, asset, got, markets, is_maker=is_maker)

    def assets_moved(self, account: Account, symbol: Symbol) -> tuple[str, ...]:
        pair = (symbol.base, symbol.quote)
        pays_elsewhere = account.pays_in_bnb and DISCOUNT_ASSET not in pair
        return (*pair, DISCOUNT_ASSET) if pays_elsewhere else pair


def discount(account: Account) -> dict[str, Any]:
    """Return the discount on commission as the venue shows it."""
    return {
        "enabledForAccount": account.pays_in_bnb,
        "enabledForSymbol": True,
        "discountAsset": DISCOUNT_ASSET,
        "discount": show(DISCOUNT),
    }


def rates(account: Account) -> dict[str, str]:
    """Return the commission rates as the venue shows them."""
    return {
        "maker": show(account.maker_rate),
        "taker": show(account.taker_rate),
        "buyer": show(0),
        "seller": show(0),
    }


def commission_on(
    account: Account, asset: str, amount: int, markets: Iterable[Market], *, is_maker: bool
) -> tuple[int, str]:
    """Return the commission on ``amount`` received, and its asset.

    In BNB at a discount where the account pays so, has enough and BNB has a price; else in what is
    received.
    """
    rate = account.maker_rate if is_maker else account.taker_rate
    commission = amount * rate // ONE
    if not account.pays_in_bnb:
        return commission, asset
    if asset == DISCOUNT_ASSET:
        return commission * DISCOUNT // ONE, asset
    price = price_of(DISCOUNT_ASSET, asset, markets)
    if price is None:
        return commission, asset
    discounted = commission * DISCOUNT // price
    if discounted > account.balance(DISCOUNT_ASSET).free:
        return commission, asset
    return discounted, DISCOUNT_ASSET


def price_of(base: str, quote: str, markets: Iterable[Market]) -> int | None:
    """Return the last price of ``base`` in ``quote``, by a symbol of both or a common quote."""
    prices = {(one.symbol.base, one.symbol.quote): one.last_price() for one in markets}
    if (base, quote) in prices:
        return prices[base, quote]
    for (one, common), price in prices.items():
        if one == base and (quote, common) in prices:
            return price * ONE // prices[quote, common]
    return None
