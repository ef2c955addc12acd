"""The symbols of this exchange and their published trading rules (filters.md)."""

from dataclasses import dataclass
from typing import Any, Final

from venues.sim.fixed import ONE, show
from venues.sim.matching import SelfTrade

ORDER_TYPES: Final = (
    "LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
)  # fmt: skip
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

    def published(self, status: str) -> dict[str, Any]:
        """Return the entry of ``exchangeInfo.symbols``."""
        return {
            "symbol": self.name,
            "status": status,
            "baseAsset": self.base,
            "baseAssetPrecision": 8,
            "quoteAsset": self.quote,
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
            "filters": self.filters(),
            "permissions": [],
            "permissionSets": [["SPOT"]],
            "defaultSelfTradePreventionMode": SelfTrade.NONE.value,
            "allowedSelfTradePreventionModes": [mode.value for mode in SelfTrade],
        }

    def filters(self) -> list[dict[str, Any]]:
        return [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": show(self.tick_size),
                "maxPrice": show(self.max_price),
                "tickSize": show(self.tick_size),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": show(self.step_size),
                "maxQty": show(self.max_quantity),
                "stepSize": show(self.step_size),
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": show(0),
                "maxQty": show(self.max_market_quantity),
                "stepSize": show(0),
            },
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": _multiplier(self.bid_up),
                "bidMultiplierDown": _multiplier(self.bid_down),
                "askMultiplierUp": _multiplier(self.ask_up),
                "askMultiplierDown": _multiplier(self.ask_down),
                "avgPriceMins": AVERAGE_PRICE_MINUTES,
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": show(self.min_notional),
                "applyMinToMarket": True,
                "maxNotional": show(self.max_notional),
                "applyMaxToMarket": False,
                "avgPriceMins": AVERAGE_PRICE_MINUTES,
            },
            {"filterType": "ICEBERG_PARTS", "limit": self.iceberg_parts},
            {
                "filterType": "TRAILING_DELTA",
                "minTrailingAboveDelta": self.min_trailing,
                "maxTrailingAboveDelta": self.max_trailing,
                "minTrailingBelowDelta": self.min_trailing,
                "maxTrailingBelowDelta": self.max_trailing,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": self.max_orders},
            {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": self.max_order_lists},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": self.max_algo_orders},
            {
                "filterType": "MAX_NUM_ICEBERG_ORDERS",
                "maxNumIcebergOrders": self.max_iceberg_orders,
            },
            {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": self.max_amends},
        ]


def _multiplier(units: int) -> str:
    return show(units).rstrip("0").rstrip(".")


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

    def worth(many: int) -> int:
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
        max_quantity=worth(_LARGEST),
        max_market_quantity=worth(_LARGEST_MARKET),
        min_notional=min_notional,
        max_notional=_LARGEST * min_notional,
    )


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
