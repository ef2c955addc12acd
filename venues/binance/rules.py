"""Binance's exchange information -> instruments and limits.

Here lives how the venue spells its filters and rate limits. Bounds are rounded to the safe side
(a minimum up, a maximum down), because the venue's own bounds need not lie on its grids. What is
not obeyed here the venue enforces: of those filters the types are listed below, and any other is
named to whoever asks.

Source: filters.md and rest-api.md "Exchange information" at a5e0bc3 (2026-07-21).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import gcd
from typing import Final

import msgspec

from core.model.contract import Linear
from core.model.errors import Drifted
from core.model.events import FRAMES, Limit, Rule, Scope
from core.model.instrument import Instrument, Trading
from core.model.units import MAX_COUNT, NS_PER_S, Grid, format_decimal, parse_decimal
from venues.binance import schema
from venues.kit.numbers import least_steps, most_steps, ratio

BPS: Final = 10_000

TRADES_PAGE: Final = 1_000
"""Most trades the venue gives at once."""

ORDERS_PAGE: Final = 1_000
"""Most orders the venue gives at once."""

OBEYED: Final = frozenset(
    (
        "PRICE_FILTER",
        "LOT_SIZE",
        "MARKET_LOT_SIZE",
        "NOTIONAL",
        "MIN_NOTIONAL",
        "MAX_NUM_ORDERS",
        "PERCENT_PRICE",
        "PERCENT_PRICE_BY_SIDE",
    )
)
"""What an order is held to before it leaves."""

LEFT_TO_THE_VENUE: Final = frozenset(
    (
        "MAX_POSITION",
        "MAX_NUM_ORDER_AMENDS",
        "MAX_ASSET",
        "EXCHANGE_MAX_NUM_ORDERS",
        "ICEBERG_PARTS",
        "TRAILING_DELTA",
        "MAX_NUM_ALGO_ORDERS",
        "MAX_NUM_ICEBERG_ORDERS",
        "MAX_NUM_ORDER_LISTS",
        "EXCHANGE_MAX_NUM_ALGO_ORDERS",
        "EXCHANGE_MAX_NUM_ICEBERG_ORDERS",
        "EXCHANGE_MAX_NUM_ORDER_LISTS",
    )
)
"""Of the first four we do not know enough; the others are of orders that we do not send. Why, each
by itself, says ``docs/strategies.md``."""

_filter_type: Final = msgspec.json.Decoder(schema.FilterType).decode
_filter: Final = msgspec.json.Decoder(schema.Filter).decode

_NONE: Final = schema.Filter(filter_type="")

_TRADING: Final[dict[str, Trading]] = {
    "TRADING": Trading.OPEN,
    "CANCEL_ONLY": Trading.CANCEL_ONLY,
}
"""Every other status (END_OF_DAY, HALT, BREAK, and any to come) halts the instrument."""

_INTERVALS_S: Final[dict[str, int]] = {"SECOND": 1, "MINUTE": 60, "HOUR": 3_600, "DAY": 86_400}

_NAMES: Final[dict[str, str]] = {
    "REQUEST_WEIGHT": "weight",
    "ORDERS": "orders",
    "RAW_REQUESTS": "raw",
}

WEIGHT: Final = "weight_1m"
ORDERS_10S: Final = "orders_10s"
ORDERS_1D: Final = "orders_1d"
RAW: Final = "raw_5m"

PUBLISHED: Final = (
    Limit(WEIGHT, "weight", 6_000, 60 * NS_PER_S),
    Limit(ORDERS_10S, "orders", 50, 10 * NS_PER_S, unfilled=True),
    Limit(ORDERS_1D, "orders", 160_000, 86_400 * NS_PER_S, unfilled=True),
    Limit(RAW, "raw", 300_000, 300 * NS_PER_S),
    Limit("frames_1s", FRAMES, 5, NS_PER_S, Rule.SLIDING, Scope.CONNECTION, "market"),
)
"""The limits as documented (rest-api.md; RAW_REQUESTS: changelog of 2026-03-27), until exchangeInfo
states the account's own. Orders that trade are taken off the count of orders
(faqs/order_count_decrement.md). Frames on the market connection, pongs included: more are a
disconnect (web-socket-streams.md "Websocket Limits")."""


SNAPSHOTS: Final = ((1_000, 50), (500, 25), (100, 5))
"""Levels a side of a snapshot, and their weight (rest-api.md "Order book"), the deepest first."""

SNAPSHOTS_WEIGHT: Final = 1_500
"""What one snapshot of every book of a run may cost: a quarter of a minute, because a start has to
request our orders and trades as well."""


def snapshot(symbols: int) -> tuple[int, int]:
    """Return levels and weight of the snapshots of a run of so many symbols."""
    for levels, weight in SNAPSHOTS[:-1]:
        if symbols * weight <= SNAPSHOTS_WEIGHT:
            return levels, weight
    return SNAPSHOTS[-1]


def limit_name(kind: str, interval: str, number: int) -> str:
    """Return our name of a limit: ``weight_1m``, ``orders_10s``."""
    return f"{_NAMES.get(kind, kind.lower())}_{number}{interval[:1].lower()}"


def limits(rates: Iterable[schema.RateLimit]) -> tuple[Limit, ...]:
    """Return the limits of an exchangeInfo; an interval we do not know is ``Drifted``."""
    found = []
    for rate in rates:
        seconds = _INTERVALS_S.get(rate.interval)
        if seconds is None or rate.interval_num < 1 or rate.limit < 1:
            raise Drifted(
                f"rateLimits: {rate.rate_limit_type} of {rate.limit} per {rate.interval_num} "
                f"{rate.interval}; expected a count per SECOND, MINUTE, HOUR or DAY"
            )
        name = limit_name(rate.rate_limit_type, rate.interval, rate.interval_num)
        kind, interval_ns = name.partition("_")[0], rate.interval_num * seconds * NS_PER_S
        found.append(Limit(name, kind, rate.limit, interval_ns, unfilled=kind == "orders"))
    return tuple(found)


def instruments(info: schema.ExchangeInfo, symbols: Sequence[str]) -> tuple[Instrument, ...]:
    """Return the instruments of ``symbols``, in that order; ``Drifted`` when one is missing."""
    by_symbol = {symbol.symbol: symbol for symbol in info.symbols}
    missing = [symbol for symbol in symbols if symbol not in by_symbol]
    if missing:
        raise Drifted(
            f"exchangeInfo lacks {', '.join(missing)}; it lists {', '.join(sorted(by_symbol))}"
        )
    unread = _unread(info.exchange_filters)
    return tuple(
        _instrument(index, by_symbol[symbol], unread) for index, symbol in enumerate(symbols)
    )


def _instrument(index: int, symbol: schema.Symbol, unread: frozenset[str]) -> Instrument:
    filters = _filters(symbol)
    prices = filters.get("PRICE_FILTER", _NONE)
    sizes = filters.get("LOT_SIZE", _NONE)
    market = filters.get("MARKET_LOT_SIZE", _NONE)
    notional = filters.get("NOTIONAL", _NONE)
    older = filters.get("MIN_NOTIONAL", _NONE)
    orders = filters.get("MAX_NUM_ORDERS", _NONE)
    tick = _grid(prices.tick_size, symbol.quote_asset_precision)
    lot = _grid(sizes.step_size, symbol.base_asset_precision)
    contract = Linear.spot(symbol.base_asset, symbol.quote_asset, tick, lot)
    unit = contract.mantissa, contract.decimals
    up, down = _collar(filters)
    return Instrument(
        index=index,
        symbol=symbol.symbol,
        base=symbol.base_asset,
        quote=symbol.quote_asset,
        tick=tick,
        lot=lot,
        contract=contract,
        min_ticks=least_steps(prices.min_price, tick.step_mantissa, tick.decimals),
        max_ticks=most_steps(prices.max_price, tick.step_mantissa, tick.decimals),
        min_lots=least_steps(sizes.min_qty, lot.step_mantissa, lot.decimals),
        max_lots=most_steps(sizes.max_qty, lot.step_mantissa, lot.decimals),
        max_market_lots=most_steps(market.max_qty, lot.step_mantissa, lot.decimals),
        min_market_lots=least_steps(market.min_qty, lot.step_mantissa, lot.decimals),
        market_step_lots=_common_step(market.step_size, lot),
        min_notional=max(least_steps(each.min_notional, *unit) for each in (notional, older)),
        max_notional=most_steps(notional.max_notional, *unit),
        max_open_orders=orders.max_num_orders or orders.limit,
        collar_up_bps=up,
        collar_down_bps=down,
        trading=_trading(symbol),
        venue_status=symbol.status,
        unread_filters=tuple(sorted(_unread(symbol.filters) | unread)),
    )


def _filters(symbol: schema.Symbol) -> dict[str, schema.Filter]:
    """Return the filters that we use, by type; others may write their fields as they like."""
    kinds = ((_filter_type(raw).filter_type, raw) for raw in symbol.filters)
    return {kind: _filter(raw) for kind, raw in kinds if kind in OBEYED}


def _unread(filters: Iterable[msgspec.Raw]) -> frozenset[str]:
    """Return the types of filters that nothing is known of here."""
    kinds = {_filter_type(raw).filter_type for raw in filters}
    return frozenset(kinds - OBEYED - LEFT_TO_THE_VENUE)


def _trading(symbol: schema.Symbol) -> Trading:
    if not symbol.is_spot_trading_allowed:
        return Trading.HALTED
    return _TRADING.get(symbol.status, Trading.HALTED)


def _grid(step: str, precision: int) -> Grid:
    """Return the grid of a step; 0 disables the filter, and the asset's precision is left."""
    mantissa, _ = parse_decimal(step)
    return Grid(step if mantissa else format_decimal(1, precision))


def _common_step(step: str, lot: Grid) -> int:
    """Return of how many lots sizes have to be multiples to lie on a step, too; 0 for any."""
    above, below = ratio(step, lot.step_mantissa, lot.decimals)
    return min(above // gcd(above, below), MAX_COUNT) if above else 0


def _collar(filters: dict[str, schema.Filter]) -> tuple[int, int]:
    """Return how far up and down a price may be from the venue's average, in basis points.

    Where buys and sells have bounds of their own, or two filters hold, the tightest one is taken
    for all: a price that is refused on our side costs nothing.
    """
    ups: list[str] = []
    downs: list[str] = []
    if (by_side := filters.get("PERCENT_PRICE_BY_SIDE")) is not None:
        ups += (by_side.bid_multiplier_up, by_side.ask_multiplier_up)
        downs += (by_side.bid_multiplier_down, by_side.ask_multiplier_down)
    if (both := filters.get("PERCENT_PRICE")) is not None:
        ups.append(both.multiplier_up)
        downs.append(both.multiplier_down)
    if not ups:
        return 0, 0
    up = min(_bps(text, round_up=False) for text in ups) - BPS
    down = BPS - max(_bps(text, round_up=True) for text in downs)
    if up <= 0 or down <= 0:
        raise Drifted(f"PERCENT_PRICE: multipliers {ups} up and {downs} down leave no price")
    return up, down


def _bps(text: str, *, round_up: bool) -> int:
    mantissa, exponent = parse_decimal(text)
    above, below = mantissa * BPS, int(10**exponent)
    return -(-above // below) if round_up else above // below
