"""Reading a new order and holding it against the symbol's filters (filters.md, errors.md).

What is refused here never reaches the matching engine, so no report tells of it.
"""

from typing import Final

from venues.sim import errors
from venues.sim.engine import Market
from venues.sim.fixed import ONE, notional
from venues.sim.matching import BUY, SELL, SelfTrade
from venues.sim.orders import NewOrder
from venues.sim.parameters import Parameters
from venues.sim.symbols import ORDER_TYPES

SIDES: Final = {"BUY": BUY, "SELL": SELL}
TIMES_IN_FORCE: Final = frozenset({"GTC", "IOC", "FOK"})
RESPONSES: Final = frozenset({"ACK", "RESULT", "FULL"})
SELF_TRADE_MODES: Final = frozenset(mode.value for mode in SelfTrade)
LOWEST_STRATEGY_TYPE: Final = 1_000_000

# Order types of the venue that this exchange does not offer, as its messages name them.
_NOT_OFFERED: Final = {
    "STOP_LOSS": "Stop loss",
    "STOP_LOSS_LIMIT": "Stop loss limit",
    "TAKE_PROFIT": "Take profit",
    "TAKE_PROFIT_LIMIT": "Take profit limit",
}
# Parameters of order features that this exchange does not offer.
_NOT_OFFERED_PARAMETERS: Final = (
    ("icebergQty", "Iceberg"),
    ("trailingDelta", "Trailing stop"),
    ("pegPriceType", "Pegged"),
)


def read_order(p: Parameters) -> NewOrder:
    """Return the order that the parameters describe; raise ApiError for what they lack."""
    side_name = p.need_text("side")
    if side_name not in SIDES:
        raise errors.bad_side()
    kind = p.need_text("type")
    if kind in _NOT_OFFERED:
        raise errors.order_type_not_supported(_NOT_OFFERED[kind])
    if kind not in ORDER_TYPES:
        raise errors.bad_order_type()
    for name, label in _NOT_OFFERED_PARAMETERS:
        if p.has(name):
            raise errors.order_type_not_supported(label)
    p.forbid("stopPrice")
    time_in_force, price = "GTC", 0
    if kind == "LIMIT":
        time_in_force = p.need_text("timeInForce")
        if time_in_force not in TIMES_IN_FORCE:
            raise errors.bad_time_in_force()
    else:
        p.forbid("timeInForce")
    if kind == "MARKET":
        p.forbid("price")
        quantity, quote_quantity = _read_market_size(p)
    else:
        p.forbid("quoteOrderQty")
        quantity, quote_quantity = p.need_decimal("quantity"), 0
        price = p.need_decimal("price")
    return NewOrder(
        side=SIDES[side_name],
        kind=kind,
        time_in_force=time_in_force,
        price=price,
        quantity=quantity,
        quote_quantity=quote_quantity,
        client_id=p.client_id("newClientOrderId"),
        response=_read_response(p, kind),
        self_trade=_read_self_trade(p),
        strategy_id=p.integer("strategyId"),
        strategy_type=_read_strategy_type(p),
    )


def _read_market_size(p: Parameters) -> tuple[int, int]:
    quantity, quote_quantity = p.decimal("quantity"), p.decimal("quoteOrderQty")
    if quantity is None and quote_quantity is None:
        raise errors.missing_both("quantity", "quoteOrderQty")
    if quantity is not None and quote_quantity is not None:
        raise errors.bad_combination()
    return quantity or 0, quote_quantity or 0


def _read_response(p: Parameters, kind: str) -> str:
    chosen = p.choice("newOrderRespType", RESPONSES, errors.invalid_data("newOrderRespType"))
    if chosen is not None:
        return chosen
    return "ACK" if kind == "LIMIT_MAKER" else "FULL"


def _read_self_trade(p: Parameters) -> SelfTrade:
    name = "selfTradePreventionMode"
    chosen = p.choice(name, SELF_TRADE_MODES, errors.invalid_data(name))
    return SelfTrade.NONE if chosen is None else SelfTrade(chosen)


def _read_strategy_type(p: Parameters) -> int | None:
    found = p.integer("strategyType")
    if found is not None and found < LOWEST_STRATEGY_TYPE:
        raise errors.bad_strategy_type()
    return found


def check_order(request: NewOrder, market: Market, open_orders: int, now_ns: int) -> None:
    """Raise -1013 with the first filter that ``request`` fails."""
    symbol = market.symbol
    average = market.average_price(now_ns)
    check_quantity(request.quantity, market)
    if request.kind == "MARKET":
        if request.quantity > symbol.max_market_quantity:
            raise errors.filter_failure("MARKET_LOT_SIZE")
        if notional(average, request.quantity) < symbol.min_notional:
            raise errors.filter_failure("NOTIONAL")
        return
    _check_price(request, market, average)
    check_notional(request.price, request.quantity, market)
    if open_orders >= symbol.max_orders:
        raise errors.filter_failure("MAX_NUM_ORDERS")


def check_quantity(quantity: int, market: Market) -> None:
    symbol = market.symbol
    if not symbol.step_size <= quantity <= symbol.max_quantity or quantity % symbol.step_size:
        raise errors.filter_failure("LOT_SIZE")


def check_notional(price: int, quantity: int, market: Market) -> None:
    symbol = market.symbol
    if not symbol.min_notional <= notional(price, quantity) <= symbol.max_notional:
        raise errors.filter_failure("NOTIONAL")


def _check_price(request: NewOrder, market: Market, average: int) -> None:
    symbol, price = market.symbol, request.price
    if not symbol.tick_size <= price <= symbol.max_price or price % symbol.tick_size:
        raise errors.filter_failure("PRICE_FILTER")
    down, up = (
        (symbol.bid_down, symbol.bid_up)
        if request.side is BUY
        else (symbol.ask_down, symbol.ask_up)
    )
    if not average * down <= price * ONE <= average * up:
        raise errors.filter_failure("PERCENT_PRICE_BY_SIDE")


def quantity_for_quote(request: NewOrder, market: Market) -> int:
    """Return the largest quantity on the step grid whose notional is within ``quoteOrderQty``.

    Raises -2010 when the book is too thin for the smallest quantity.
    """
    left, quantity = request.quote_quantity, 0
    step = market.symbol.step_size
    if next(market.book.opposite(request.side), None) is None:
        raise errors.rejected("Order book liquidity is less than symbol minimum quantity.")
    for maker in market.book.opposite(request.side):
        affordable = left * ONE // maker.price
        taken = min(affordable, maker.open_quantity)
        quantity += taken
        left -= notional(maker.price, taken)
        if affordable <= maker.open_quantity:
            break
    quantity -= quantity % step
    if not quantity:
        raise errors.filter_failure("LOT_SIZE")
    return quantity
