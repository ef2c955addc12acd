"""Placing, amending and cancelling: what REST and WebSockets share.

Parameters come in the names of WebSocket v2; REST puts its own into them. Sources: add_order,
amend_order, cancel_order, cancel_all, cancel_all_orders_after, batch_add, batch_cancel.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from venues.sim.accounts import Account
from venues.sim.durations import MILLISECOND_NS, SECOND_NS
from venues.sim.fixed import ONE, notional
from venues.sim.kraken import words
from venues.sim.kraken.exchange import Exchange, Tag
from venues.sim.kraken.limits import ADDED, AMENDED, amend_cost, cancel_cost
from venues.sim.kraken.numbers import NotNumberError, coarse_stamp, read, read_stamp
from venues.sim.kraken.pairs import LIMIT_ONLY, Pair
from venues.sim.kraken.words import ApiError
from venues.sim.market import CANCEL_ONLY, POST_ONLY, TRADING
from venues.sim.matching import BUY, SELL, SelfTrade
from venues.sim.orders import NewOrder, Order
from venues.sim.refusals import Refused

SIDES: Final = {"buy": BUY, "sell": SELL}
# Order types by the engine's names; those of margin, trailing ones and closing orders are left out.
KINDS: Final = {
    "limit": "LIMIT",
    "market": "MARKET",
    "iceberg": "LIMIT",
    "stop-loss": "STOP_LOSS",
    "stop-loss-limit": "STOP_LOSS_LIMIT",
    "take-profit": "TAKE_PROFIT",
    "take-profit-limit": "TAKE_PROFIT_LIMIT",
}
PRICED: Final = frozenset({"limit", "iceberg", "stop-loss-limit", "take-profit-limit"})
TRIGGERED: Final = frozenset({"stop-loss", "stop-loss-limit", "take-profit", "take-profit-limit"})
SELF_TRADE: Final = {
    "cancel_newest": SelfTrade.EXPIRE_TAKER,
    "cancel_oldest": SelfTrade.EXPIRE_MAKER,
    "cancel_both": SelfTrade.EXPIRE_BOTH,
}
TIMES_IN_FORCE: Final = frozenset({"GTC", "GTD", "IOC", "FOK"})
# What requests what this exchange does not have: refused, never accepted in silence.
_LEFT_OUT: Final = ("margin", "reduce_only", "conditional", "effective_time", "leverage")
_MAY_BE_FALSE: Final = frozenset({"margin", "reduce_only"})

# A client id: a UUID with or without dashes, or free ASCII text.
_CLIENT_ID: Final = re.compile(
    r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}|[\x21-\x7e]{1,18}"
)
_INT32: Final = range(-(2**31), 2**31)
_SHORTEST_DEADLINE_NS: Final = 500 * MILLISECOND_NS
_LONGEST_DEADLINE_NS: Final = 60 * SECOND_NS
# When an order is too late that names no deadline.
_USUAL_DEADLINE_NS: Final = 5 * SECOND_NS
# An iceberg shows at least this part of itself.
_LARGEST_ICEBERG: Final = 15
# GTD orders end within a month.
_LONGEST_LIFE_NS: Final = 31 * 86_400 * SECOND_NS
BATCH: Final = range(2, 16)
CANCEL_BATCH: Final = range(2, 51)
LONGEST_TIMEOUT: Final = 86_400


# -- reading -----------------------------------------------------------------------------------


def pair_of(exchange: Exchange, name: Any) -> Pair:
    """Return a pair by its WebSocket name; raise EQuery:Unknown asset pair."""
    found = exchange.pairs.by_name.get(name) if isinstance(name, str) else None
    if found is None:
        raise ApiError(words.UNKNOWN_PAIR)
    return found


def _number(params: Mapping[str, Any], name: str) -> int | None:
    value = params.get(name)
    if value is None:
        return None
    try:
        units = read(value)
    except NotNumberError:
        raise words.arguments(name) from None
    if units <= 0:
        raise words.arguments(name)
    return units


def _needed(params: Mapping[str, Any], name: str) -> int:
    units = _number(params, name)
    if units is None:
        raise words.arguments(name)
    return units


def _choice(params: Mapping[str, Any], name: str, known: Any, default: Any = None) -> Any:
    value = params.get(name, default)
    if not isinstance(value, str) or value not in known:
        raise words.arguments(name)
    return value


def _flag(params: Mapping[str, Any], name: str) -> bool:
    value = params.get(name, False)
    if not isinstance(value, bool):
        raise words.arguments(name)
    return value


def _client_id(params: Mapping[str, Any]) -> str:
    value = params.get("cl_ord_id")
    if value is None:
        return ""
    if not isinstance(value, str) or _CLIENT_ID.fullmatch(value) is None:
        raise words.arguments("cl_ord_id")
    if params.get("order_userref") is not None:
        raise words.arguments("cl_ord_id and order_userref")
    return value


def _userref(params: Mapping[str, Any]) -> int | None:
    value = params.get("order_userref")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value not in _INT32:
        raise words.arguments("order_userref")
    return value


def check_deadline(params: Mapping[str, Any], received_ns: int, now_ns: int) -> None:
    """Raise EService:Deadline elapsed for what is executed too late, or a deadline out of range."""
    text = params.get("deadline")
    deadline_ns = received_ns + _USUAL_DEADLINE_NS
    if text is not None:
        try:
            deadline_ns = read_stamp(text)
        except NotNumberError:
            raise words.arguments("deadline") from None
        if deadline_ns - received_ns > _LONGEST_DEADLINE_NS:
            raise words.arguments("deadline")
        # One that has passed, or has less than the least, was sent in time and came too late.
        if deadline_ns - received_ns < _SHORTEST_DEADLINE_NS and deadline_ns <= now_ns:
            raise ApiError(words.DEADLINE)
    if now_ns > deadline_ns:
        raise ApiError(words.DEADLINE)


def read_order(params: Mapping[str, Any], pair: Pair, now_ns: int) -> NewOrder:
    """Return the order that parameters describe, held against the pair's rules."""
    for name in _LEFT_OUT:
        value = params.get(name)
        if value is not None and not (value is False and name in _MAY_BE_FALSE):
            raise words.arguments(name)
    side = SIDES[_choice(params, "side", SIDES)]
    name = _choice(params, "order_type", KINDS)
    symbol, market = pair.symbol, pair.market
    price = _needed(params, "limit_price") if name in PRICED else 0
    trigger = _read_trigger(params, pair, name)
    for each in (price, trigger):
        if each % symbol.tick_size:
            raise ApiError(words.TICK_SIZE)
        if each > symbol.max_price:
            raise ApiError(words.INVALID_PRICE)
    quantity = _quantity(params, pair, side, name)
    if quantity % symbol.step_size:
        raise words.arguments("order_qty")
    if quantity < symbol.min_quantity:
        raise ApiError(words.ORDER_MINIMUM)
    if notional(price or trigger or market.last_price(), quantity) < symbol.min_notional:
        raise ApiError(words.COST_MINIMUM)
    default = "IOC" if name == "market" else "GTC"
    time_in_force = str(params.get("time_in_force", default)).upper()
    if time_in_force not in TIMES_IN_FORCE:
        raise words.arguments("time_in_force")
    post_only = _flag(params, "post_only")
    if post_only and (name not in PRICED or time_in_force in {"IOC", "FOK"}):
        raise words.arguments("post_only")
    return NewOrder(
        side=side,
        kind=KINDS[name],
        time_in_force="GTC" if time_in_force == "GTD" else time_in_force,
        price=price,
        quantity=quantity,
        quote_quantity=0,
        client_id=_client_id(params),
        self_trade=SELF_TRADE[_choice(params, "stp_type", SELF_TRADE, "cancel_newest")],
        tag=Tag(_userref(params), post_only, name, _read_expiry(params, time_in_force, now_ns)),
        stop_price=trigger,
        iceberg=_read_display(params, name, quantity),
    )


def _quantity(params: Mapping[str, Any], pair: Pair, side: bool, name: str) -> int:
    """Return an order's size; one in the quote currency buys what it can at the best price."""
    cash = _number(params, "cash_order_qty")
    if cash is None:
        return _needed(params, "order_qty")
    if side is not BUY or name != "market" or params.get("order_qty") is not None:
        raise words.arguments("cash_order_qty")
    step, left, quantity = pair.symbol.step_size, cash, 0
    for maker in pair.market.book.opposite(side):
        taken = min(maker.open_quantity, left * ONE // maker.price // step * step)
        quantity += taken
        left -= notional(maker.price, taken)
        if taken < maker.open_quantity:
            break
    return quantity


def _read_trigger(params: Mapping[str, Any], pair: Pair, name: str) -> int:
    triggers = params.get("triggers")
    if name not in TRIGGERED:
        if triggers is not None:
            raise words.arguments("triggers")
        return 0
    if not isinstance(triggers, dict):
        raise words.arguments("triggers")
    if triggers.get("reference", "last") != "last":
        raise ApiError(f"{words.ARGUMENTS}:Index unavailable")
    if triggers.get("price_type", "static") != "static":
        raise words.arguments("price_type")
    return _needed(triggers, "price")


def _read_display(params: Mapping[str, Any], name: str, quantity: int) -> int:
    shown = _number(params, "display_qty")
    if name != "iceberg":
        if shown is not None:
            raise words.arguments("display_qty")
        return 0
    if shown is None or shown > quantity or shown * _LARGEST_ICEBERG < quantity:
        raise words.arguments("display_qty")
    return shown


def _read_expiry(params: Mapping[str, Any], time_in_force: str, now_ns: int) -> int:
    text = params.get("expire_time")
    if time_in_force != "GTD":
        if text is not None:
            raise words.arguments("expire_time")
        return 0
    try:
        expire_ns = read_stamp(text)
    except NotNumberError:
        raise words.arguments("expire_time") from None
    if not now_ns < expire_ns <= now_ns + _LONGEST_LIFE_NS:
        raise words.arguments("expire_time")
    return expire_ns


# -- what the trading engine lets through ------------------------------------------------------


def _check_open(exchange: Exchange, pair: Pair, request: NewOrder | None) -> None:
    """Raise while neither the engine nor the pair takes such an order."""
    status = pair.market.status
    if exchange.system == "maintenance" or status not in {
        TRADING, CANCEL_ONLY, POST_ONLY, LIMIT_ONLY,
    }:  # fmt: skip
        raise ApiError(words.UNAVAILABLE)
    if status == CANCEL_ONLY:
        raise ApiError(words.CANCEL_ONLY)
    posts = request is None or request.tag.post_only
    if status == POST_ONLY and not posts:
        raise ApiError(words.POST_ONLY)
    if status == LIMIT_ONLY and request is not None and request.kind != "LIMIT":
        raise ApiError(words.UNAVAILABLE)


def _check_cancels(exchange: Exchange) -> None:
    if exchange.system == "maintenance":
        raise ApiError(words.UNAVAILABLE)


def _check_may_trade(account: Account, pair: Pair) -> None:
    kept = account.not_permitted | account.restricted
    if not account.may_trade or account.disabled or pair.name in kept:
        raise ApiError(words.PERMISSION)


# -- placing -----------------------------------------------------------------------------------


def add(exchange: Exchange, account: Account, params: Mapping[str, Any], now_ns: int) -> Order:
    """Place an order; raise what refuses it."""
    pair = pair_of(exchange, params.get("symbol"))
    exchange.count(account, pair, ADDED, now_ns)
    request = read_order(params, pair, now_ns)
    return place(exchange, account, pair, request, now_ns)


def place(
    exchange: Exchange, account: Account, pair: Pair, request: NewOrder, now_ns: int
) -> Order:
    """Place an order that has been read and counted."""
    _check_may_trade(account, pair)
    _check_open(exchange, pair, request)
    if exchange.is_over(account, pair, now_ns):
        raise ApiError(words.ORDER_RATE)
    file = exchange.engine.file(account, pair.name)
    if len(file.open) >= exchange.rates(account).open_orders:
        raise ApiError(words.ORDERS_LIMIT)
    name = request.client_id
    if name and exchange.open_named(account, name) is not None:
        raise words.arguments("cl_ord_id")
    crosses = pair.market.book.would_match(request.side, request.price)
    try:
        if request.tag.post_only and request.kind == "LIMIT" and crosses:
            return exchange.engine.place_in_vain(
                account, pair.market, request, words.WOULD_TAKE, now_ns
            )
        order = exchange.engine.place(account, pair.market, request, now_ns).order
    except Refused as refused:
        raise words.of(refused) from None
    if order.is_open and request.tag.expire_ns:
        exchange.expire_at(order, request.tag.expire_ns)
    return order


def add_batch(
    exchange: Exchange,
    account: Account,
    symbol: Any,
    orders: Any,
    now_ns: int,
    *,
    validate: bool = False,
) -> list[Order | ApiError]:
    """Place several orders of one pair: all are read before any is placed, then each by itself."""
    pair = pair_of(exchange, symbol)
    if not isinstance(orders, list) or len(orders) not in BATCH:
        raise words.arguments("orders")
    exchange.count(account, pair, len(orders) / 2, now_ns)
    requests = [read_order(_object(one), pair, now_ns) for one in orders]
    if validate:
        return []
    done: list[Order | ApiError] = []
    for request in requests:
        try:
            done.append(place(exchange, account, pair, request, now_ns))
        except ApiError as error:
            done.append(error)
    return done


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise words.arguments("orders")
    return value


# -- amending ----------------------------------------------------------------------------------


def amend(
    exchange: Exchange, account: Account, params: Mapping[str, Any], now_ns: int
) -> tuple[Order, str]:
    """Change an open order in place; return it, and the amend's id."""
    order = _named(exchange, account, params)
    pair = exchange.pairs.by_name[order.symbol]
    exchange.count(account, pair, AMENDED, now_ns)
    _check_may_trade(account, pair)
    _check_open(exchange, pair, None)
    exchange.count(account, pair, amend_cost(now_ns - order.updated_ns), now_ns)
    if exchange.is_over(account, pair, now_ns):
        raise ApiError(words.ORDER_RATE)
    symbol = pair.symbol
    quantity = _number(params, "order_qty") or order.quantity
    price = _number(params, "limit_price") or order.price
    trigger = _number(params, "trigger_price") or order.stop_price
    if (price and not order.price) or (trigger and not order.stop_price):
        raise words.arguments("limit_price" if price else "trigger_price")
    if price % symbol.tick_size or trigger % symbol.tick_size:
        raise ApiError(words.TICK_SIZE)
    if price > symbol.max_price:
        raise ApiError(words.INVALID_PRICE)
    if quantity % symbol.step_size:
        raise words.arguments("order_qty")
    if quantity < symbol.min_quantity:
        raise ApiError(words.ORDER_MINIMUM)
    display = _number(params, "display_qty")
    if display is not None:
        if not order.iceberg or display * _LARGEST_ICEBERG < order.left:
            raise words.arguments("display_qty")
        order.iceberg = display
    rests = order.order_id in pair.market.book.orders
    takes = rests and price != order.price and pair.market.book.would_match(order.side, price)
    if takes and (_flag(params, "post_only") or order.tag.post_only):
        raise ApiError(words.WOULD_TAKE)
    order.stop_price = trigger
    order.tag = order.tag._replace(amended=True)
    try:
        exchange.engine.alter(account, pair.market, order, quantity, price, now_ns)
    except Refused as refused:
        raise words.of(refused) from None
    return order, exchange.new_amend_id()


def _named(exchange: Exchange, account: Account, params: Mapping[str, Any]) -> Order:
    """Return the open order that a request names by one of its two ids."""
    order_id, name = params.get("order_id"), params.get("cl_ord_id")
    if (order_id is None) == (name is None):
        raise words.arguments("order_id")
    if order_id is not None:
        order = exchange.find(account, order_id)
    else:
        order = exchange.open_named(account, name) if isinstance(name, str) else None
    if order is None or not order.is_open:
        raise ApiError(words.UNKNOWN_ORDER)
    return order


# -- cancelling --------------------------------------------------------------------------------


def cancel(exchange: Exchange, account: Account, order: Order | None, now_ns: int) -> Order:
    """Cancel one order; raise EOrder:Unknown order where it is not open."""
    _check_cancels(exchange)
    if order is None or not order.is_open:
        raise ApiError(words.UNKNOWN_ORDER)
    pair = exchange.pairs.by_name[order.symbol]
    if exchange.is_over(account, pair, now_ns):
        raise ApiError(words.ORDER_RATE)
    _cancel(exchange, account, order, now_ns)
    return order


def _cancel(exchange: Exchange, account: Account, order: Order, now_ns: int) -> None:
    pair = exchange.pairs.by_name[order.symbol]
    exchange.count(account, pair, cancel_cost(now_ns - order.updated_ns), now_ns)
    exchange.cancel(account, order, now_ns)


def chosen(exchange: Exchange, account: Account, params: Mapping[str, Any]) -> list[Order | None]:
    """Return the orders that a cancel_order names, by one kind of id; None for an unknown one."""
    kinds = [name for name in ("order_id", "cl_ord_id", "order_userref") if params.get(name)]
    if len(kinds) != 1 or not isinstance(params[kinds[0]], list):
        raise words.arguments("order_id")
    named = params[kinds[0]]
    if kinds[0] == "order_id":
        return [exchange.find(account, text) for text in named]
    if kinds[0] == "cl_ord_id":
        return [
            exchange.open_named(account, text) if isinstance(text, str) else None for text in named
        ]
    return _by_userref(exchange, account, named) or [None]


def _by_userref(exchange: Exchange, account: Account, named: list[Any]) -> list[Order | None]:
    return [one for one in exchange.open_orders(account) if one.tag.userref in named]


def cancel_batch(exchange: Exchange, account: Account, named: Any, names: Any, now_ns: int) -> int:
    """Cancel what is open of up to fifty orders; return how many that were. No counter stops it."""
    _check_cancels(exchange)
    named, names = named or [], names or []
    if not isinstance(named, list) or not isinstance(names, list):
        raise words.arguments("orders")
    if len(named) + len(names) not in CANCEL_BATCH:
        raise words.arguments("orders")
    found: dict[int, Order] = {}
    for text in named:
        order = exchange.find(account, text)
        if order is None and isinstance(text, str):
            order = exchange.open_named(account, text)
        matches = [order] if order is not None else _by_userref(exchange, account, [text])
        found |= {id(one): one for one in matches if one is not None}
    for text in names:
        order = exchange.open_named(account, text) if isinstance(text, str) else None
        found |= {} if order is None else {id(order): order}
    cancelled = [order for order in found.values() if order.is_open]
    if not cancelled:
        raise ApiError(words.UNKNOWN_ORDER)
    for order in cancelled:
        _cancel(exchange, account, order, now_ns)
    return len(cancelled)


def cancel_all(exchange: Exchange, account: Account, now_ns: int) -> int:
    """Cancel everything that is open; no counter stops it."""
    _check_cancels(exchange)
    return exchange.cancel_all(account, now_ns)


def cancel_after(exchange: Exchange, account: Account, timeout: Any, now_ns: int) -> dict[str, str]:
    """Arm, extend or disarm the dead man's switch."""
    if isinstance(timeout, str) and timeout.isdecimal() and len(timeout) < 9:
        timeout = int(timeout)
    if isinstance(timeout, bool) or not isinstance(timeout, int):
        raise words.arguments("timeout")
    if not 0 <= timeout < LONGEST_TIMEOUT:
        raise words.arguments("timeout")
    at_ns = exchange.arm(account, timeout, now_ns)
    return {
        "currentTime": coarse_stamp(now_ns),
        "triggerTime": coarse_stamp(at_ns) if at_ns else "0",
    }


def edit(
    exchange: Exchange, account: Account, params: Mapping[str, Any], now_ns: int
) -> tuple[Order, Order]:
    """Cancel an order and place another with what changes; return the former and the new one."""
    former = _named(exchange, account, {"order_id": params.get("order_id")})
    pair = exchange.pairs.by_name[former.symbol]
    exchange.count(account, pair, ADDED, now_ns)
    quantity = _number(params, "order_qty") or former.quantity
    if former.executed > quantity or former.stop_price:
        raise words.arguments("order_qty")
    request = NewOrder(
        side=former.side,
        kind=former.kind,
        time_in_force=former.time_in_force,
        price=_number(params, "limit_price") or former.price,
        quantity=quantity - former.executed,
        quote_quantity=0,
        client_id="",
        self_trade=former.self_trade,
        tag=former.tag._replace(userref=_userref(params) or former.tag.userref),
    )
    if request.price % pair.symbol.tick_size:
        raise ApiError(words.TICK_SIZE)
    exchange.cancel(account, former, now_ns)
    return former, place(exchange, account, pair, request, now_ns)
