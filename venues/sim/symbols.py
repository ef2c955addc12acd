"""What a symbol trades, and the rules that the exchange holds its orders against."""

from dataclasses import dataclass
from typing import Final

from venues.sim.fixed import ONE

AVERAGE_PRICE_MINUTES: Final = 5


@dataclass(frozen=True, slots=True)
class Symbol:
    """One spot pair. Prices, quantities and notionals are integers of 1e-8.

    ``opening_price`` stands for the average price until something has traded.
    """

    name: str
    base: str
    quote: str
    tick_size: int
    step_size: int
    opening_price: int
    # What the value of a trade is rounded down to.
    cost_step: int = 1
    min_quantity: int = 0
    max_price: int = 1_000_000 * ONE
    max_quantity: int = 9_000 * ONE
    max_market_quantity: int = 100 * ONE
    min_notional: int = 5 * ONE
    max_notional: int = 9_000_000 * ONE
    max_orders: int = 200
    max_amends: int = 10
    max_algo_orders: int = 5
    max_iceberg_orders: int = 10
    max_order_lists: int = 20
    iceberg_parts: int = 10
    # Bounds of TRAILING_DELTA in basis points, above and below the market alike.
    min_trailing: int = 10
    max_trailing: int = 2_000
    # Bounds of PERCENT_PRICE_BY_SIDE as fractions of 1e-8 of the average price.
    bid_down: int = ONE // 5
    bid_up: int = 5 * ONE
    ask_down: int = ONE // 5
    ask_up: int = 5 * ONE


# What the usual symbols allow at most, in units of their smallest notional.
_LARGEST: Final = 1_800_000
_LARGEST_MARKET: Final = 20_000


def symbol_of(
    name: str,
    base: str,
    quote: str,
    opening_price: int,
    tick_size: int,
    step_size: int,
    min_notional: int = 5 * ONE,
) -> Symbol:
    """Return a symbol whose limits suit its price and its quote asset."""

    def quantity_of(many: int) -> int:
        """Return the quantity worth so many of the smallest notional, in whole steps."""
        steps = many * min_notional * ONE // opening_price // step_size
        return max(1, steps) * step_size

    return Symbol(
        name,
        base,
        quote,
        tick_size=tick_size,
        step_size=step_size,
        opening_price=opening_price,
        max_price=max(1_000_000 * ONE, 100 * opening_price // tick_size * tick_size),
        max_quantity=quantity_of(_LARGEST),
        max_market_quantity=quantity_of(_LARGEST_MARKET),
        min_notional=min_notional,
        max_notional=_LARGEST * min_notional,
    )
