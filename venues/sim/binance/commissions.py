"""What a fill costs, and in which asset it is paid (faqs/commission_faq.md)."""

from collections.abc import Iterable

from venues.sim.accounts import DISCOUNT, DISCOUNT_ASSET, Account
from venues.sim.fixed import ONE
from venues.sim.market import Market
from venues.sim.symbols import Symbol


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


def assets_moved(account: Account, symbol: Symbol) -> tuple[str, ...]:
    """Return the assets that a fill in ``symbol`` may have moved, each once."""
    pair = (symbol.base, symbol.quote)
    pays_elsewhere = account.pays_in_bnb and DISCOUNT_ASSET not in pair
    return (*pair, DISCOUNT_ASSET) if pays_elsewhere else pair


def price_of(base: str, quote: str, markets: Iterable[Market]) -> int | None:
    """Return the last price of ``base`` in ``quote``, by a symbol of both or a common quote."""
    prices = {(one.symbol.base, one.symbol.quote): one.last_price() for one in markets}
    if (base, quote) in prices:
        return prices[base, quote]
    for (one, common), price in prices.items():
        if one == base and (quote, common) in prices:
            return price * ONE // prices[quote, common]
    return None
