"""The usual symbols, and how this venue publishes a symbol's rules (filters.md)."""

from typing import Any, Final

from venues.sim.fixed import ONE, show
from venues.sim.market import CANCEL_ONLY, TRADING
from venues.sim.matching import SelfTrade
from venues.sim.symbols import AVERAGE_PRICE_MINUTES, Symbol

ORDER_TYPES: Final = (
    "LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
)  # fmt: skip
# The states of a symbol that the venue documents (enums.md, Symbol status).
STATUSES: Final = frozenset({TRADING, CANCEL_ONLY, "BREAK", "HALT", "END_OF_DAY"})

SYMBOLS: Final = (
    Symbol(
        "BTCUSDT",
        "BTC",
        "USDT",
        tick_size=ONE // 100,
        step_size=ONE // 100_000,
        opening_price=65_000 * ONE,
    ),
    Symbol(
        "ETHUSDT",
        "ETH",
        "USDT",
        tick_size=ONE // 100,
        step_size=ONE // 10_000,
        opening_price=3_200 * ONE,
    ),
    Symbol(
        "BNBUSDT",
        "BNB",
        "USDT",
        tick_size=ONE // 100,
        step_size=ONE // 1_000,
        opening_price=600 * ONE,
        max_quantity=90_000 * ONE,
        max_market_quantity=10_000 * ONE,
    ),
)


def published(symbol: Symbol, status: str) -> dict[str, Any]:
    """Return the entry of ``exchangeInfo.symbols``."""
    return {
        "symbol": symbol.name,
        "status": status,
        "baseAsset": symbol.base,
        "baseAssetPrecision": 8,
        "quoteAsset": symbol.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": list(ORDER_TYPES),
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": filters(symbol),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": SelfTrade.NONE.value,
        "allowedSelfTradePreventionModes": [mode.value for mode in SelfTrade],
    }


def filters(symbol: Symbol) -> list[dict[str, Any]]:
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": show(symbol.tick_size),
            "maxPrice": show(symbol.max_price),
            "tickSize": show(symbol.tick_size),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": show(symbol.step_size),
            "maxQty": show(symbol.max_quantity),
            "stepSize": show(symbol.step_size),
        },
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": show(0),
            "maxQty": show(symbol.max_market_quantity),
            "stepSize": show(0),
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": _multiplier(symbol.bid_up),
            "bidMultiplierDown": _multiplier(symbol.bid_down),
            "askMultiplierUp": _multiplier(symbol.ask_up),
            "askMultiplierDown": _multiplier(symbol.ask_down),
            "avgPriceMins": AVERAGE_PRICE_MINUTES,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": show(symbol.min_notional),
            "applyMinToMarket": True,
            "maxNotional": show(symbol.max_notional),
            "applyMaxToMarket": False,
            "avgPriceMins": AVERAGE_PRICE_MINUTES,
        },
        {"filterType": "ICEBERG_PARTS", "limit": symbol.iceberg_parts},
        {
            "filterType": "TRAILING_DELTA",
            "minTrailingAboveDelta": symbol.min_trailing,
            "maxTrailingAboveDelta": symbol.max_trailing,
            "minTrailingBelowDelta": symbol.min_trailing,
            "maxTrailingBelowDelta": symbol.max_trailing,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": symbol.max_orders},
        {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": symbol.max_order_lists},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": symbol.max_algo_orders},
        {
            "filterType": "MAX_NUM_ICEBERG_ORDERS",
            "maxNumIcebergOrders": symbol.max_iceberg_orders,
        },
        {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": symbol.max_amends},
    ]


def _multiplier(units: int) -> str:
    return show(units).rstrip("0").rstrip(".")
