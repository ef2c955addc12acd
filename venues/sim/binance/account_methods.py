"""Requests about one's own account: orders, trades, balances (rest-api.md, Account Endpoints)."""

from collections.abc import Iterator
from typing import Any, Final

from venues.sim.accounts import Balance
from venues.sim.binance import errors, order_views
from venues.sim.binance.commissions import discount, rates
from venues.sim.binance.exchange import Call, Exchange, page
from venues.sim.binance.symbols import filters
from venues.sim.durations import MILLISECOND_NS
from venues.sim.engine import OrderFile
from venues.sim.fixed import ONE, show
from venues.sim.orders import Execution, Order
from venues.sim.refusals import Refused

LONGEST_LOOKUP_HOURS: Final = 24
NOTHING: Final = Balance()


def order_status(exchange: Exchange, call: Call) -> dict[str, Any]:
    market = exchange.market(call.p.need_text("symbol"))
    order_id, client_id = call.p.order_names()
    call.p.finish()
    file = exchange.engine.file(call.account, market.symbol.name)
    try:
        order = file.look_up(order_id, client_id)
    except Refused as refused:
        raise errors.of(refused) from None
    seen = None if order is None else order.at(call.seen_ns)
    if seen is None:
        raise errors.no_such_order()
    return order_views.queried(seen, call.unit_ns)


def open_orders(exchange: Exchange, call: Call) -> list[dict[str, Any]]:
    name = call.p.text("symbol")
    call.p.finish()
    return [
        order_views.queried(order, call.unit_ns)
        for market in exchange.choose(name, None)
        for order in _open_at(exchange.engine.file(call.account, market.symbol.name), call)
    ]


def _open_at(file: OrderFile, call: Call) -> Iterator[Order]:
    """Yield the orders that were open at the moment the caller is shown."""
    if call.seen_ns >= call.now_ns:
        yield from file.open.values()
        return
    for order in file.orders.values():
        seen = order.at(call.seen_ns)
        if seen is not None and seen.is_open:
            yield seen


def all_orders(exchange: Exchange, call: Call) -> list[dict[str, Any]]:
    p = call.p
    market = exchange.market(p.need_text("symbol"))
    order_id, limit = p.integer("orderId"), p.count("limit", 500, 1_000)
    start_ns, end_ns = p.span(LONGEST_LOOKUP_HOURS)
    p.finish()
    found = [
        order
        for one in exchange.engine.file(call.account, market.symbol.name).orders.values()
        if (order := one.at(call.seen_ns)) is not None
        and (order_id is None or order.order_id >= order_id)
        and (start_ns is None or order.created_ns >= start_ns)
        and (end_ns is None or order.created_ns < end_ns + MILLISECOND_NS)
    ]
    oldest_first = order_id is not None or start_ns is not None
    return [
        order_views.queried(order, call.unit_ns)
        for order in page(found, limit, oldest_first=oldest_first)
    ]


def my_trades(exchange: Exchange, call: Call) -> list[dict[str, Any]]:
    p = call.p
    market = exchange.market(p.need_text("symbol"))
    order_id, from_id = p.integer("orderId"), p.integer("fromId")
    limit = p.count("limit", 500, 1_000)
    start_ns, end_ns = p.span(LONGEST_LOOKUP_HOURS)
    p.finish()
    timed = start_ns is not None or end_ns is not None
    if timed and (order_id is not None or from_id is not None):
        raise errors.bad_combination()

    def wanted(one: Execution) -> bool:
        trade = one.trade
        return (
            (order_id is None or one.order_id == order_id)
            and (from_id is None or trade.trade_id >= from_id)
            and trade.time_ns <= call.seen_ns
            and (start_ns is None or trade.time_ns >= start_ns)
            and (end_ns is None or trade.time_ns < end_ns + MILLISECOND_NS)
        )

    executions = exchange.engine.file(call.account, market.symbol.name).executions
    found = [one for one in executions if wanted(one)]
    oldest_first = from_id is not None or start_ns is not None
    return [
        order_views.traded(market.symbol.name, one, call.unit_ns)
        for one in page(found, limit, oldest_first=oldest_first)
    ]


def prevented_matches(exchange: Exchange, call: Call) -> list[dict[str, Any]]:
    p = call.p
    market = exchange.market(p.need_text("symbol"))
    match_id, order_id = p.integer("preventedMatchId"), p.integer("orderId")
    from_id, limit = p.integer("fromPreventedMatchId"), p.count("limit", 500, 1_000)
    p.finish()
    if match_id is None and order_id is None:
        raise errors.missing_both("preventedMatchId", "orderId")
    if match_id is not None and (order_id is not None or from_id is not None):
        raise errors.bad_combination()
    found = [
        one
        for one in exchange.engine.file(call.account, market.symbol.name).prevented
        if one.time_ns <= call.seen_ns
        and match_id in {None, one.prevented_id}
        and order_id in {None, one.taker_order_id, one.maker_order_id}
        and (from_id is None or one.prevented_id >= from_id)
    ]
    return [order_views.prevented(market.symbol.name, one, call.unit_ns) for one in found[:limit]]


def my_allocations(exchange: Exchange, call: Call) -> list[dict[str, Any]]:
    p = call.p
    market = exchange.market(p.need_text("symbol"))
    order_id, from_id = p.integer("orderId"), p.integer("fromAllocationId")
    limit = p.count("limit", 500, 1_000)
    start_ns, end_ns = p.span(LONGEST_LOOKUP_HOURS)
    p.finish()
    timed = start_ns is not None or end_ns is not None
    if timed and (order_id is not None or from_id is not None):
        raise errors.bad_combination()
    found = [
        one
        for one in exchange.engine.file(call.account, market.symbol.name).allocations
        if one.time_ns <= call.seen_ns
        and (order_id is None or one.order_id == order_id)
        and (from_id is None or one.allocation_id >= from_id)
        and (start_ns is None or one.time_ns >= start_ns)
        and (end_ns is None or one.time_ns < end_ns + MILLISECOND_NS)
    ]
    # Only ``endTime`` alone requests the newest (rest-api.md, Query Allocations).
    oldest_first = start_ns is not None or end_ns is None
    return [
        order_views.allocated(market.symbol.name, one, call.unit_ns)
        for one in page(found, limit, oldest_first=oldest_first)
    ]


def account_status(exchange: Exchange, call: Call) -> dict[str, Any]:
    omit_zero = call.p.boolean("omitZeroBalances", default=False)
    call.p.finish()
    account = call.account
    balances = account.balances_at(call.seen_ns)
    return {
        "makerCommission": account.maker_rate * 10_000 // ONE,
        "takerCommission": account.taker_rate * 10_000 // ONE,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": rates(account),
        "canTrade": account.may_trade,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": account.updated_ns // call.unit_ns,
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": show(one.free), "locked": show(one.locked)}
            for asset in exchange.assets()
            for one in (balances.get(asset, NOTHING),)
            if not omit_zero or one.free or one.locked
        ],
        "permissions": ["SPOT"],
        "uid": account.number,
    }


def commission(exchange: Exchange, call: Call) -> dict[str, Any]:
    market = exchange.market(call.p.need_text("symbol"))
    call.p.finish()
    nothing = {name: show(0) for name in ("maker", "taker", "buyer", "seller")}
    return {
        "symbol": market.symbol.name,
        "standardCommission": rates(call.account),
        "specialCommission": nothing,
        "taxCommission": nothing,
        "discount": discount(call.account),
    }


def order_counts(exchange: Exchange, call: Call) -> list[dict[str, Any]]:
    call.p.finish()
    return exchange.counter(call.account).states(call.now_ns)


def amendments(exchange: Exchange, call: Call) -> list[dict[str, Any]]:
    p = call.p
    market, order_id = exchange.market(p.need_text("symbol")), p.need_integer("orderId")
    from_id, limit = p.integer("fromExecutionId"), p.count("limit", 500, 1_000)
    p.finish()
    file = exchange.engine.file(call.account, market.symbol.name)
    order = file.look_up(order_id, None)
    if order is None:
        raise errors.no_such_order()
    return [
        {
            "symbol": market.symbol.name,
            "orderId": order.order_id,
            "executionId": one.execution_id,
            "origClientOrderId": one.former_client_id,
            "newClientOrderId": one.client_id,
            "origQty": show(one.former_quantity),
            "newQty": show(one.quantity),
            "time": one.time_ns // call.unit_ns,
        }
        for one in order.amends
        if one.time_ns <= call.seen_ns and (from_id is None or one.execution_id >= from_id)
    ][:limit]


def my_filters(exchange: Exchange, call: Call) -> dict[str, Any]:
    market = exchange.market(call.p.need_text("symbol"))
    call.p.finish()
    return {
        "exchangeFilters": [],
        "symbolFilters": filters(market.symbol),
        "assetFilters": [],
    }


# -- what general clients ask of the venue's other services when they load the markets -----------


def coins(exchange: Exchange, call: Call) -> list[dict[str, Any]]:
    """Return the assets as the wallet service lists them; none of them can leave."""
    call.p.finish()
    nothing = show(0)
    return [
        {
            "coin": asset,
            "name": asset,
            "depositAllEnable": False,
            "withdrawAllEnable": False,
            "trading": True,
            "isLegalMoney": False,
            "free": show(call.account.balance(asset).free),
            "locked": show(call.account.balance(asset).locked),
            "freeze": nothing,
            "withdrawing": nothing,
            "ipoing": nothing,
            "ipoable": nothing,
            "storage": nothing,
            "networkList": [],
        }
        for asset in exchange.assets()
    ]


def trade_fees(exchange: Exchange, call: Call) -> list[dict[str, Any]]:
    """Return the commission of one symbol or all, as the wallet service lists it."""
    name = call.p.text("symbol")
    call.p.finish()
    account = call.account
    return [
        {
            "symbol": market.symbol.name,
            "makerCommission": _short(account.maker_rate),
            "takerCommission": _short(account.taker_rate),
        }
        for market in exchange.choose(name, None)
    ]


def _short(units: int) -> str:
    """Return a rate without trailing zeros, as that service writes it."""
    return show(units).rstrip("0").rstrip(".")


def no_margin_pairs(exchange: Exchange, call: Call) -> list[Any]:
    call.p.finish()
    return []


def no_derivatives(exchange: Exchange, call: Call) -> dict[str, Any]:
    """Return the exchangeInfo of a venue that lists no futures."""
    call.p.finish()
    return {
        "timezone": "UTC",
        "serverTime": call.now,
        "rateLimits": [],
        "exchangeFilters": [],
        "assets": [],
        "symbols": [],
    }
