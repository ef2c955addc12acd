"""Reading a new order and holding it against the symbol's filters (filters.md, errors.md).

What is refused here never reaches the matching engine, so no report tells of it.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from venues.sim.accounts import Account
from venues.sim.binance import errors
from venues.sim.binance.order_views import Tag
from venues.sim.binance.parameters import Parameters
from venues.sim.binance.symbols import ORDER_TYPES
from venues.sim.contingent import AT_MARKET, STOPS
from venues.sim.engine import CANCEL_ONLY, TRADING, Market
from venues.sim.fixed import ONE, notional
from venues.sim.matching import BUY, SELL, SelfTrade
from venues.sim.orders import NewOrder, Order

SIDES: Final = {"BUY": BUY, "SELL": SELL}
TIMES_IN_FORCE: Final = frozenset({"GTC", "IOC", "FOK"})
RESPONSES: Final = frozenset({"ACK", "RESULT", "FULL"})
SELF_TRADE_MODES: Final = frozenset(mode.value for mode in SelfTrade)
LOWEST_STRATEGY_TYPE: Final = 1_000_000

# Order types that name a price, and those of them that name a time in force.
PRICED: Final = frozenset({"LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"})
TIMED: Final = PRICED - {"LIMIT_MAKER"}


def read_order(p: Parameters) -> NewOrder:
    """Return the order that the parameters describe; raise ApiError for what they lack."""
    side = _read_side(p, "side")
    kind = _read_kind(p, "type", ORDER_TYPES)
    if kind == "MARKET":
        quantity, quote_quantity = _read_market_size(p)
    else:
        p.forbid("quoteOrderQty")
        quantity, quote_quantity = p.need_decimal("quantity"), 0
    return _read_terms(p, "", side, kind, quantity, quote_quantity, "newClientOrderId")


def read_leg(
    p: Parameters, leg: str, side: bool, quantity: int, kinds: Collection[str]
) -> NewOrder:
    """Return one order of a list, whose parameters all begin with ``leg`` (``abovePrice``)."""
    kind = _read_kind(p, f"{leg}Type", kinds)
    return _read_terms(p, leg, side, kind, quantity, 0, f"{leg}ClientOrderId")


def read_leg_side(p: Parameters, leg: str) -> bool:
    """Return the side of one order of a list."""
    return _read_side(p, f"{leg}Side" if leg else "side")


def _read_terms(
    p: Parameters,
    leg: str,
    side: bool,
    kind: str,
    quantity: int,
    quote_quantity: int,
    client_id_name: str,
) -> NewOrder:
    """Read what a type requests besides side and size, by names that begin with ``leg``."""

    def name(plain: str) -> str:
        return leg + plain[0].upper() + plain[1:] if leg else plain

    if p.has(name("pegPriceType")):
        raise errors.order_type_not_supported("Pegged")
    time_in_force = _read_time_in_force(p, name("timeInForce"), kind)
    price = 0
    if kind in PRICED:
        price = p.need_decimal(name("price"))
    else:
        p.forbid(name("price"))
    stop_price, trailing_delta = _read_trigger(p, name("stopPrice"), name("trailingDelta"), kind)
    return NewOrder(
        side=side,
        kind=kind,
        time_in_force=time_in_force,
        price=price,
        quantity=quantity,
        quote_quantity=quote_quantity,
        client_id=p.client_id(client_id_name) or "",
        tag=Tag(
            _read_response(p, kind, in_list=bool(leg)),
            p.integer(name("strategyId")),
            _read_strategy_type(p, name("strategyType")),
        ),
        self_trade=_read_self_trade(p),
        stop_price=stop_price,
        trailing_delta=trailing_delta,
        iceberg=_read_iceberg(p, name("icebergQty"), kind, time_in_force, quantity),
    )


def read_old_pair(p: Parameters, side: bool, quantity: int) -> tuple[NewOrder, NewOrder]:
    """Return the limit and the stop of an OCO in the names of the deprecated endpoint."""
    limit = NewOrder(
        side=side,
        kind="LIMIT_MAKER",
        time_in_force="GTC",
        price=p.need_decimal("price"),
        quantity=quantity,
        quote_quantity=0,
        client_id=p.client_id("limitClientOrderId") or "",
        tag=Tag(
            _read_response(p, "LIMIT_MAKER", in_list=True),
            p.integer("limitStrategyId"),
            _read_strategy_type(p, "limitStrategyType"),
        ),
        self_trade=_read_self_trade(p),
        iceberg=_read_iceberg(p, "limitIcebergQty", "LIMIT_MAKER", "GTC", quantity),
    )
    kind = "STOP_LOSS_LIMIT" if p.has("stopLimitPrice") else "STOP_LOSS"
    time_in_force = _read_time_in_force(p, "stopLimitTimeInForce", kind)
    stop = replace(
        limit,
        kind=kind,
        time_in_force=time_in_force,
        price=p.need_decimal("stopLimitPrice") if kind in PRICED else 0,
        client_id=p.client_id("stopClientOrderId") or "",
        tag=Tag(
            limit.tag.response,
            p.integer("stopStrategyId"),
            _read_strategy_type(p, "stopStrategyType"),
        ),
        stop_price=p.need_decimal("stopPrice"),
        trailing_delta=p.integer("trailingDelta"),
        iceberg=_read_iceberg(p, "stopIcebergQty", kind, time_in_force, quantity),
    )
    return limit, stop


def _read_strategy_type(p: Parameters, name: str) -> int | None:
    found = p.integer(name)
    if found is not None and found < LOWEST_STRATEGY_TYPE:
        raise errors.bad_strategy_type()
    return found


def _read_side(p: Parameters, name: str) -> bool:
    side = p.need_text(name)
    if side not in SIDES:
        raise errors.bad_side()
    return SIDES[side]


def _read_kind(p: Parameters, name: str, kinds: Collection[str]) -> str:
    kind = p.need_text(name)
    if kind not in ORDER_TYPES:
        raise errors.bad_order_type()
    if kind not in kinds:
        raise errors.not_in_lists()
    return kind


def _read_time_in_force(p: Parameters, name: str, kind: str) -> str:
    if kind not in TIMED:
        p.forbid(name)
        return "GTC"
    time_in_force = p.need_text(name)
    if time_in_force not in TIMES_IN_FORCE:
        raise errors.bad_time_in_force()
    return time_in_force


def _read_trigger(p: Parameters, stop: str, trailing: str, kind: str) -> tuple[int, int | None]:
    """Return the stop price (0 where none) and the trailing delta; a stop order has either."""
    if kind not in STOPS:
        p.forbid(stop)
        p.forbid(trailing)
        return 0, None
    stop_price, delta = p.decimal(stop), p.integer(trailing)
    if stop_price is None and delta is None:
        raise errors.missing_both(stop, trailing)
    return stop_price or 0, delta


def _read_iceberg(p: Parameters, name: str, kind: str, time_in_force: str, quantity: int) -> int:
    """Return what an iceberg shows, 0 for an order that shows itself whole."""
    shown = p.decimal(name)
    if not shown:
        return 0
    if kind not in PRICED or time_in_force != "GTC":
        raise errors.unsupported_combination()
    if shown >= quantity:
        raise errors.iceberg_exceeds()
    return shown


def _read_market_size(p: Parameters) -> tuple[int, int]:
    quantity, quote_quantity = p.decimal("quantity"), p.decimal("quoteOrderQty")
    if quantity is None and quote_quantity is None:
        raise errors.missing_both("quantity", "quoteOrderQty")
    if quantity is not None and quote_quantity is not None:
        raise errors.bad_combination()
    return quantity or 0, quote_quantity or 0


def _read_response(p: Parameters, kind: str, *, in_list: bool) -> str:
    chosen = p.choice("newOrderRespType", RESPONSES, errors.invalid_data("newOrderRespType"))
    if chosen is not None:
        return chosen
    if in_list:
        return "RESULT"
    return "FULL" if kind in {"LIMIT", "MARKET"} else "ACK"


def _read_self_trade(p: Parameters) -> SelfTrade:
    name = "selfTradePreventionMode"
    chosen = p.choice(name, SELF_TRADE_MODES, errors.invalid_data(name))
    return SelfTrade.NONE if chosen is None else SelfTrade(chosen)


def check_order(
    request: NewOrder, market: Market, open_orders: Collection[Order], now_ns: int
) -> None:
    """Raise -1013 with the first filter that ``request`` fails beside the orders that are open."""
    symbol = market.symbol
    average = market.average_price(now_ns)
    check_quantity(request.quantity, market)
    if request.kind in AT_MARKET:
        if request.quantity > symbol.max_market_quantity:
            raise errors.filter_failure("MARKET_LOT_SIZE")
        if notional(average, request.quantity) < symbol.min_notional:
            raise errors.filter_failure("NOTIONAL")
    else:
        _check_price(request, market, average)
        check_notional(request.price, request.quantity, market)
    if request.kind in STOPS:
        _check_trigger(request, market)
    if request.iceberg:
        _check_iceberg(request, market)
    if request.kind != "MARKET":
        _check_counts(request, market, open_orders)


def _check_trigger(request: NewOrder, market: Market) -> None:
    symbol, price = market.symbol, request.stop_price
    if price and (not symbol.tick_size <= price <= symbol.max_price or price % symbol.tick_size):
        raise errors.filter_failure("PRICE_FILTER")
    delta = request.trailing_delta
    if delta is not None and not symbol.min_trailing <= delta <= symbol.max_trailing:
        raise errors.filter_failure("TRAILING_DELTA")


def _check_iceberg(request: NewOrder, market: Market) -> None:
    check_quantity(request.iceberg, market)
    if -(-request.quantity // request.iceberg) > market.symbol.iceberg_parts:
        raise errors.filter_failure("ICEBERG_PARTS")


def _check_counts(request: NewOrder, market: Market, open_orders: Collection[Order]) -> None:
    symbol = market.symbol
    if len(open_orders) >= symbol.max_orders:
        raise errors.filter_failure("MAX_NUM_ORDERS")
    if request.kind in STOPS:
        stops = sum(one.kind in STOPS for one in open_orders)
        if stops >= symbol.max_algo_orders:
            raise errors.filter_failure("MAX_NUM_ALGO_ORDERS")
    if request.iceberg:
        icebergs = sum(one.iceberg > 0 for one in open_orders)
        if icebergs >= symbol.max_iceberg_orders:
            raise errors.filter_failure("MAX_NUM_ICEBERG_ORDERS")


def check_may_trade(account: Account, market: Market) -> None:
    """Raise -2010 where the account is kept from placing orders in the symbol."""
    if not account.may_trade:
        raise errors.rejected("This account may not place or cancel orders.")
    if account.disabled:
        raise errors.rejected("This action is disabled on this account.")
    if market.symbol.name in account.not_permitted:
        raise errors.rejected("This symbol is not permitted for this account.")
    if market.symbol.name in account.restricted:
        raise errors.rejected("This symbol is restricted for this account.")


def check_may_cancel(account: Account, market: Market) -> None:
    """Raise -2011 where either the account or the symbol lets no cancel through."""
    if not account.may_trade:
        raise errors.cancel_rejected("This account may not place or cancel orders.")
    if market.status not in {TRADING, CANCEL_ONLY}:
        raise errors.market_closed("order.cancel")


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
        taken = min(affordable, maker.left)
        quantity += taken
        left -= notional(maker.price, taken)
        if affordable <= maker.left:
            break
    quantity -= quantity % step
    if not quantity:
        raise errors.filter_failure("LOT_SIZE")
    return quantity
