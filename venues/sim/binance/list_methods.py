"""Requests that place, cancel and query order lists (rest-api.md, Order lists)."""

from typing import Any, Final

from venues.sim.binance import errors, order_views, rules
from venues.sim.binance.exchange import Call, Exchange, page
from venues.sim.binance.parameters import Parameters
from venues.sim.binance.symbols import ORDER_TYPES
from venues.sim.contingent import STOPS
from venues.sim.durations import MILLISECOND_NS
from venues.sim.engine import TRADING, Market
from venues.sim.matching import BUY
from venues.sim.order_lists import OCO, OTO, OrderList
from venues.sim.orders import NewOrder
from venues.sim.refusals import Refused

LEG_TYPES: Final = STOPS | {"LIMIT_MAKER"}
WORKING_TYPES: Final = frozenset({"LIMIT", "LIMIT_MAKER"})
LONGEST_LOOKUP_HOURS: Final = 24


# -- placing -----------------------------------------------------------------------------------


def place_oco(exchange: Exchange, call: Call) -> dict[str, Any]:
    p = call.p
    market = exchange.market(p.need_text("symbol"))
    side, quantity = rules.read_leg_side(p, ""), p.need_decimal("quantity")
    pair = _read_pair(p, "above", "below", side, quantity)
    return _place(exchange, call, market, OCO, pair)


def place_old_oco(exchange: Exchange, call: Call) -> dict[str, Any]:
    """Place an OCO as the deprecated endpoint describes it: a limit and a stop."""
    p = call.p
    market = exchange.market(p.need_text("symbol"))
    side, quantity = rules.read_leg_side(p, ""), p.need_decimal("quantity")
    limit, stop = rules.read_old_pair(p, side, quantity)
    return _place(exchange, call, market, OCO, [stop, limit])


def place_oto(exchange: Exchange, call: Call) -> dict[str, Any]:
    p = call.p
    market = exchange.market(p.need_text("symbol"))
    working = _read_leg(p, "working", WORKING_TYPES)
    pending = _read_leg(p, "pending", ORDER_TYPES)
    return _place(exchange, call, market, OTO, [working, pending])


def place_otoco(exchange: Exchange, call: Call) -> dict[str, Any]:
    p = call.p
    market = exchange.market(p.need_text("symbol"))
    working = _read_leg(p, "working", WORKING_TYPES)
    side, quantity = rules.read_leg_side(p, "pending"), p.need_decimal("pendingQuantity")
    pair = _read_pair(p, "pendingAbove", "pendingBelow", side, quantity)
    return _place(exchange, call, market, OTO, [working, *pair])


def _read_leg(p: Parameters, leg: str, kinds: Any) -> NewOrder:
    side, quantity = rules.read_leg_side(p, leg), p.need_decimal(f"{leg}Quantity")
    return rules.read_leg(p, leg, side, quantity, kinds)


def _read_pair(p: Parameters, above: str, below: str, side: bool, quantity: int) -> list[NewOrder]:
    """Read an OCO pair, its stop first; raise what is wrong with the pair as such."""
    over = rules.read_leg(p, above, side, quantity, LEG_TYPES)
    under = rules.read_leg(p, below, side, quantity, LEG_TYPES)
    _check_place(over, under, side)
    return sorted((over, under), key=lambda one: not _is_stop(one))


def _is_stop(one: NewOrder) -> bool:
    return one.kind.startswith("STOP_LOSS")


def _check_place(over: NewOrder, under: NewOrder, side: bool) -> None:
    """Raise the venue's refusal of a pair whose orders do not stand where their types belong."""
    if over.kind == under.kind == "LIMIT_MAKER":
        raise errors.no_contingent_order()
    place_of_stop = over if side is BUY else under
    for one in (over, under):
        if _is_stop(one) != (one is place_of_stop):
            raise errors.misplaced_in_oco(one.kind, is_buy=side is BUY)


def _place(
    exchange: Exchange, call: Call, market: Market, contingency: str, requests: list[NewOrder]
) -> dict[str, Any]:
    list_client_id = call.p.client_id("listClientOrderId")
    call.p.finish()
    _check_filters(exchange, call, market, requests)
    account = call.account
    refusal = exchange.counter(account).full(call.now_ns, len(requests))
    if refusal is not None:
        raise refusal
    rules.check_may_trade(account, market)
    if market.status != TRADING:
        raise errors.market_closed("order.place")
    exchange.counter(account).add(len(requests), call.now_ns)
    requests = [exchange.named(request) for request in requests]
    name = list_client_id or exchange.new_client_id()
    try:
        one, placed = exchange.engine.place_list(
            account, market, contingency, requests, name, call.now_ns
        )
    except Refused as refused:
        exchange.counter(account).add(-len(requests), call.now_ns)
        raise errors.of(refused) from None
    return order_views.shown(one, call.unit_ns) | {
        "listStatusType": "EXEC_STARTED",
        "listOrderStatus": "EXECUTING",
        "orderReports": [
            order_views.placed(
                each.order, requests[0].tag.response, each.executions, each.prevented, call.unit_ns
            )
            for each in placed
        ],
    }


def _check_filters(
    exchange: Exchange, call: Call, market: Market, requests: list[NewOrder]
) -> None:
    lists = [one for one in exchange.engine.lists(call.account) if not one.is_done]
    mine = [one for one in lists if one.symbol == market.symbol.name]
    if len(mine) >= market.symbol.max_order_lists:
        raise errors.filter_failure("MAX_NUM_ORDER_LISTS")
    open_orders = exchange.engine.file(call.account, market.symbol.name).open.values()
    if len(open_orders) + len(requests) > market.symbol.max_orders:
        raise errors.filter_failure("MAX_NUM_ORDERS")
    for request in requests:
        rules.check_order(request, market, open_orders, call.now_ns)


# -- cancelling and asking ---------------------------------------------------------------------


def cancel(exchange: Exchange, call: Call) -> dict[str, Any]:
    p = call.p
    market = exchange.market(p.need_text("symbol"))
    list_id, client_id = p.order_names("orderListId", "listClientOrderId")
    new_client_id = p.client_id("newClientOrderId")
    p.finish()
    rules.check_may_cancel(call.account, market)
    one = _find(exchange, call, list_id, client_id)
    if one is None or one.is_done or one.symbol != market.symbol.name:
        raise errors.cancel_rejected()
    return canceled(exchange, call, market, one, new_client_id)


def canceled(
    exchange: Exchange, call: Call, market: Market, one: OrderList, client_id: str | None
) -> dict[str, Any]:
    """Cancel a list, and return what is said of it."""
    name = client_id or exchange.new_client_id()
    ended = exchange.engine.cancel_list(call.account, market, one, name, call.now_ns)
    return order_views.shown(one, call.unit_ns) | {
        "orderReports": [
            order_views.canceled(order, former, call.unit_ns) for order, former in ended
        ]
    }


def status(exchange: Exchange, call: Call) -> dict[str, Any]:
    list_id, client_id = call.p.order_names("orderListId", "origClientOrderId")
    call.p.finish()
    one = _find(exchange, call, list_id, client_id)
    if one is None:
        raise errors.no_such_order()
    return order_views.shown(one, call.unit_ns)


def open_lists(exchange: Exchange, call: Call) -> list[dict[str, Any]]:
    call.p.finish()
    mine = exchange.engine.lists(call.account)
    return [order_views.shown(one, call.unit_ns) for one in mine if not one.is_done]


def all_lists(exchange: Exchange, call: Call) -> list[dict[str, Any]]:
    p = call.p
    from_id, limit = p.integer("fromId"), p.count("limit", 500, 1_000)
    start_ns, end_ns = p.span(LONGEST_LOOKUP_HOURS)
    p.finish()
    if from_id is not None and (start_ns is not None or end_ns is not None):
        raise errors.bad_combination()
    found = [
        one
        for one in exchange.engine.lists(call.account)
        if (from_id is None or one.list_id >= from_id)
        and (start_ns is None or one.placed_ns >= start_ns)
        and (end_ns is None or one.placed_ns < end_ns + MILLISECOND_NS)
    ]
    oldest_first = from_id is not None or start_ns is not None
    chosen = page(found, limit, oldest_first=oldest_first)
    return [order_views.shown(one, call.unit_ns) for one in chosen]


def _find(
    exchange: Exchange, call: Call, list_id: int | None, client_id: str | None
) -> OrderList | None:
    """Return a list by id, else the latest of that name; none when both are sent and differ."""
    for one in reversed(exchange.engine.lists(call.account)):
        if list_id in {None, one.list_id} and client_id in {None, one.client_id}:
            return one
    return None
