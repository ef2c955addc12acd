"""The table of methods: what each costs, who may call it, who answers it.

Names are those of the WebSocket API; REST maps its endpoints onto them. Weights are the documented
ones (rest-api.md, web-socket-api.md).
"""

from collections.abc import Mapping
from typing import Final

from venues.sim.binance import account_methods as account
from venues.sim.binance import list_methods as lists
from venues.sim.binance import market_methods as market
from venues.sim.binance import trading_methods as trading
from venues.sim.binance.exchange import Handler, Method, Weight


def _depth_weight(values: Mapping[str, str]) -> int:
    text = values.get("limit", "100")
    limit = int(text) if text.isdecimal() and len(text) < 9 else 100
    for up_to, weight in ((100, 5), (500, 25), (1_000, 50)):
        if limit <= up_to:
            return weight
    return 250


def _symbol_weight(one: int, all_symbols: int) -> Weight:
    return lambda values: one if "symbol" in values else all_symbols


def _day_weight(values: Mapping[str, str]) -> int:
    if "symbol" in values:
        return 2
    named = values.get("symbols")
    if named is None:
        return 80
    symbols = 1 + named.count(",")
    return 2 if symbols <= 20 else 40 if symbols <= 100 else 80


def _each_symbol_weight(values: Mapping[str, str]) -> int:
    """Return 4 for each symbol that is named, 200 at the most."""
    return 4 * min(50, 1 + values.get("symbols", "").count(","))


def _trade(
    handler: Handler,
    weight: Weight = 1,
    *,
    free_on_success: bool = True,
    counts_orders: bool = False,
) -> Method:
    return Method(
        handler,
        weight,
        signed=True,
        permission="TRADE",
        free_on_success=free_on_success,
        counts_orders=counts_orders,
    )


METHODS: Final[dict[str, Method]] = {
    "ping": Method(market.ping, 1),
    "time": Method(market.time, 1),
    "exchangeInfo": Method(market.exchange_info, 20),
    "depth": Method(market.depth, _depth_weight),
    "trades.recent": Method(market.recent_trades, 25),
    "trades.historical": Method(market.historical_trades, 25),
    "trades.aggregate": Method(market.aggregate_trades, 4),
    "klines": Method(market.klines, 2),
    "uiKlines": Method(market.klines, 2),
    "avgPrice": Method(market.average_price, 2),
    "ticker.price": Method(market.ticker_price, _symbol_weight(2, 4)),
    "ticker.book": Method(market.ticker_book, _symbol_weight(2, 4)),
    "ticker.24hr": Method(market.ticker_day, _day_weight),
    "ticker": Method(market.ticker_window, _each_symbol_weight),
    "ticker.tradingDay": Method(market.ticker_trading_day, _each_symbol_weight),
    "blockTrades.historical": Method(market.no_block_trades, 25),
    "referencePrice": Method(market.no_reference_price, 2),
    "referencePrice.calculation": Method(market.no_reference_price, 2),
    "executionRules": Method(market.no_execution_rules, _symbol_weight(2, 40)),
    "order.place": _trade(trading.place, counts_orders=True),
    "order.test": _trade(
        trading.test_order,
        lambda values: 20 if values.get("computeCommissionRates") == "true" else 1,
        free_on_success=False,
    ),
    "order.cancel": _trade(trading.cancel),
    "openOrders.cancelAll": _trade(trading.cancel_all),
    "order.cancelReplace": _trade(trading.cancel_replace, counts_orders=True),
    # An amend is free where it ends the order, which the method says itself.
    "order.amend.keepPriority": _trade(trading.amend, 4, free_on_success=False),
    "orderList.place": _trade(lists.place_old_oco, counts_orders=True),
    "orderList.place.oco": _trade(lists.place_oco, counts_orders=True),
    "orderList.place.oto": _trade(lists.place_oto, counts_orders=True),
    "orderList.place.otoco": _trade(lists.place_otoco, counts_orders=True),
    "orderList.cancel": _trade(lists.cancel),
    "orderList.status": Method(lists.status, 4, signed=True),
    "openOrderLists.status": Method(lists.open_lists, 6, signed=True),
    "allOrderLists": Method(lists.all_lists, 20, signed=True),
    "order.amendments": Method(account.amendments, 4, signed=True),
    "order.status": Method(account.order_status, 4, signed=True),
    "openOrders.status": Method(account.open_orders, _symbol_weight(6, 80), signed=True),
    "allOrders": Method(account.all_orders, 20, signed=True),
    "myTrades": Method(
        account.my_trades, lambda values: 5 if "orderId" in values else 20, signed=True
    ),
    "myAllocations": Method(account.my_allocations, 20, signed=True),
    "myPreventedMatches": Method(
        account.prevented_matches,
        lambda values: 2 if "preventedMatchId" in values else 20,
        signed=True,
    ),
    "myFilters": Method(account.my_filters, 40, signed=True),
    "account.status": Method(account.account_status, 20, signed=True),
    "account.commission": Method(account.commission, 20, signed=True),
    "account.rateLimits.orders": Method(account.order_counts, 40, signed=True),
}

# Endpoints of REST alone.
SYSTEM_STATUS: Final = Method(market.system_status, 1)
TRADE_FEES: Final = Method(account.trade_fees, 1, signed=True)
COINS: Final = Method(account.coins, 10, signed=True)
NO_MARGIN_PAIRS: Final = Method(account.no_margin_pairs, 1)
NO_DERIVATIVES: Final = Method(account.no_derivatives, 1)
