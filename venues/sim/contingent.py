"""When a stop order begins to work: by the price it waits for, or by a reversal it follows.

Decisions only; what a triggered order then does is the engine's. Sources: rest-api.md (trigger
order price rules) and faqs/trailing-stop-faq.md at a5e0bc3 (2026-07-21).
"""

from typing import Final

from venues.sim.matching import BUY
from venues.sim.orders import NewOrder, Order

STOPS: Final = frozenset({"STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"})
# Orders that take whatever price there is once they work.
AT_MARKET: Final = frozenset({"MARKET", "STOP_LOSS", "TAKE_PROFIT"})

# A trailing delta counts hundredths of a percent.
BASIS_POINTS: Final = 10_000


def waits_above(side: bool, kind: str) -> bool:
    """Whether such an order waits for a price above the market's, rather than below."""
    return (side is BUY) == kind.startswith("STOP_LOSS")


def is_met(request: NewOrder | Order, price: int) -> bool:
    """Whether a trade at ``price`` is at the stop price or beyond it."""
    if waits_above(request.side, request.kind):
        return price >= request.stop_price
    return price <= request.stop_price


def is_triggered(order: Order, price: int, now_ns: int) -> bool:
    """Whether a trade at ``price`` makes ``order`` work; a trailing one follows the price."""
    if order.trailing_delta is None:
        return is_met(order, price)
    if order.trailing_ns is None:
        if is_met(order, price):
            follow(order, price, now_ns)
        return False
    if order.side is BUY:
        order.extreme = min(order.extreme, price)
        return price * BASIS_POINTS >= order.extreme * (BASIS_POINTS + order.trailing_delta)
    order.extreme = max(order.extreme, price)
    return price * BASIS_POINTS <= order.extreme * (BASIS_POINTS - order.trailing_delta)


def follow(order: Order, price: int, now_ns: int) -> None:
    """Have a trailing order follow the price from here on."""
    order.trailing_ns = now_ns
    order.extreme = price
