"""Requests about the market, which anybody may ask (rest-api.md, Market Data endpoints)."""

import re
from collections.abc import Callable
from itertools import islice
from typing import Any, Final

from venues.sim.binance import errors
from venues.sim.binance.errors import ApiError
from venues.sim.binance.exchange import Call, Exchange, page
from venues.sim.binance.parameters import Parameters
from venues.sim.binance.symbols import STATUSES, published
from venues.sim.binance.views import Statistics, candle_row, depth_snapshot
from venues.sim.durations import DAY_NS, HOUR_NS, MILLISECOND_NS, MINUTE_NS
from venues.sim.engine import Market
from venues.sim.fixed import show
from venues.sim.symbols import AVERAGE_PRICE_MINUTES
from venues.sim.tape import INTERVALS_NS

_WINDOW: Final = re.compile(r"([1-9][0-9]?)([mhd])", re.ASCII)
_WINDOW_UNITS: Final = {"m": (MINUTE_NS, 59), "h": (HOUR_NS, 23), "d": (DAY_NS, 7)}
TICKER_TYPES: Final = frozenset({"FULL", "MINI"})


def system_status(exchange: Exchange, call: Call) -> dict[str, Any]:
    """Say that the system is up, as the wallet service does."""
    call.p.finish()
    return {"status": 0, "msg": "normal"}


def ping(exchange: Exchange, call: Call) -> dict[str, Any]:
    call.p.finish()
    return {}


def time(exchange: Exchange, call: Call) -> dict[str, Any]:
    call.p.finish()
    return {"serverTime": call.now}


def exchange_info(exchange: Exchange, call: Call) -> dict[str, Any]:
    p = call.p
    name, names = p.text("symbol"), p.names("symbols")
    permissions, status = p.text("permissions"), _read_status(p)
    show_sets = p.boolean("showPermissionSets", default=True)
    p.finish()
    if sum(value is not None for value in (name, names, permissions)) > 1:
        raise errors.bad_combination()
    if status is not None and (name is not None or names is not None):
        raise errors.bad_combination()
    chosen = exchange.choose(name, names)
    if permissions is not None and "SPOT" not in permissions:
        chosen = []
    if status is not None:
        chosen = [market for market in chosen if market.status == status]
    listed = [published(market.symbol, market.status) for market in chosen]
    if not show_sets:
        listed = [entry | {"permissionSets": []} for entry in listed]
    return {
        "timezone": "UTC",
        "serverTime": call.now,
        "rateLimits": exchange.limits.published(),
        "exchangeFilters": [],
        "symbols": listed,
    }


def depth(exchange: Exchange, call: Call) -> dict[str, Any]:
    market = exchange.market(call.p.need_text("symbol"))
    limit = call.p.count("limit", 100, 5_000)
    _check_status(call.p, market)
    call.p.finish()
    return depth_snapshot(market, limit)


def recent_trades(exchange: Exchange, call: Call) -> list[dict[str, Any]]:
    return _trades(exchange, call, None)


def historical_trades(exchange: Exchange, call: Call) -> list[dict[str, Any]]:
    return _trades(exchange, call, call.p.integer("fromId"))


def _trades(exchange: Exchange, call: Call, from_id: int | None) -> list[dict[str, Any]]:
    market = exchange.market(call.p.need_text("symbol"))
    limit = call.p.count("limit", 500, 1_000)
    call.p.finish()
    trades = market.tape.trades
    if from_id is None:
        chosen = list(islice(trades, max(0, len(trades) - limit), None))
    else:
        chosen = list(islice((one for one in trades if one.trade_id >= from_id), limit))
    return [
        {
            "id": trade.trade_id,
            "price": show(trade.price),
            "qty": show(trade.quantity),
            "quoteQty": show(trade.quote),
            "time": trade.time_ns // call.unit_ns,
            "isBuyerMaker": trade.buyer_is_maker,
            "isBestMatch": True,
        }
        for trade in chosen
    ]


def aggregate_trades(exchange: Exchange, call: Call) -> list[dict[str, Any]]:
    p = call.p
    market = exchange.market(p.need_text("symbol"))
    limit, from_id = p.count("limit", 500, 1_000), p.integer("fromId")
    start_ns, end_ns = p.span()
    p.finish()
    found = [
        one
        for one in market.tape.aggregates
        if (from_id is None or one.aggregate_id >= from_id)
        and (start_ns is None or one.time_ns >= start_ns)
        and (end_ns is None or one.time_ns < end_ns + MILLISECOND_NS)
    ]
    oldest_first = from_id is not None or start_ns is not None
    return [
        {
            "a": one.aggregate_id,
            "p": show(one.price),
            "q": show(one.quantity),
            "f": one.first_id,
            "l": one.last_id,
            "T": one.time_ns // call.unit_ns,
            "m": one.buyer_is_maker,
            "M": True,
        }
        for one in page(found, limit, oldest_first=oldest_first)
    ]


def klines(exchange: Exchange, call: Call) -> list[list[Any]]:
    p = call.p
    market = exchange.market(p.need_text("symbol"))
    interval = p.need_text("interval")
    if interval not in INTERVALS_NS:
        raise errors.bad_interval()
    limit = p.count("limit", 500, 1_000)
    start_ns, end_ns = p.span()
    zone_ns = p.zone_ns()
    p.finish()
    last_ns = call.now_ns if end_ns is None else min(end_ns, call.now_ns)
    found = list(market.tape.candles(interval, start_ns or 0, last_ns, zone_ns))
    return [
        candle_row(candle, interval, call.unit_ns, zone_ns)
        for candle in page(found, limit, oldest_first=start_ns is not None)
    ]


def average_price(exchange: Exchange, call: Call) -> dict[str, Any]:
    market = exchange.market(call.p.need_text("symbol"))
    call.p.finish()
    trades = market.tape.trades
    return {
        "mins": AVERAGE_PRICE_MINUTES,
        "price": show(market.average_price(call.now_ns)),
        "closeTime": trades[-1].time_ns // call.unit_ns if trades else 0,
    }


def ticker_price(exchange: Exchange, call: Call) -> Any:
    return _per_symbol(
        exchange,
        call,
        lambda market: {"symbol": market.symbol.name, "price": show(market.last_price())},
    )


def ticker_book(exchange: Exchange, call: Call) -> Any:
    def shown(market: Market) -> dict[str, Any]:
        best = market.book.best()
        return {
            "symbol": market.symbol.name,
            "bidPrice": show(best.bid),
            "bidQty": show(best.bid_quantity),
            "askPrice": show(best.ask),
            "askQty": show(best.ask_quantity),
        }

    return _per_symbol(exchange, call, shown)


def ticker_day(exchange: Exchange, call: Call) -> Any:
    kind = call.p.choice("type", TICKER_TYPES, ApiError(-1139, "Invalid ticker type."))

    def shown(market: Market) -> dict[str, Any]:
        day = Statistics.day(market, call.now_ns)
        return day.mini(call.unit_ns) if kind == "MINI" else day.full_day(call.unit_ns)

    return _per_symbol(exchange, call, shown)


def ticker_window(exchange: Exchange, call: Call) -> Any:
    window_ns = _read_window(call.p)

    def statistics(market: Market) -> Statistics:
        return Statistics.window(market, call.now_ns, window_ns)

    return _statistics(exchange, call, statistics)


def ticker_trading_day(exchange: Exchange, call: Call) -> Any:
    zone_ns = call.p.zone_ns()

    def statistics(market: Market) -> Statistics:
        return Statistics.trading_day(market, call.now_ns, zone_ns)

    return _statistics(exchange, call, statistics)


def _statistics(exchange: Exchange, call: Call, over: Callable[[Market], Statistics]) -> Any:
    """Answer with statistics over a time, for symbols that have to be named."""
    p = call.p
    kind = p.choice("type", TICKER_TYPES, ApiError(-1139, "Invalid ticker type."))
    if not p.has("symbol") and not p.has("symbols"):
        raise errors.missing_both("symbol", "symbols")

    def shown(market: Market) -> dict[str, Any]:
        found = over(market)
        return found.mini(call.unit_ns) if kind == "MINI" else found.full(call.unit_ns)

    return _per_symbol(exchange, call, shown)


def _read_window(p: Parameters) -> int:
    """Return ``windowSize`` in nanoseconds: 1m to 59m, 1h to 23h, 1d to 7d."""
    match = _WINDOW.fullmatch(p.text("windowSize") or "1d")
    if match is None:
        raise errors.invalid_data("windowSize")
    length_ns, most = _WINDOW_UNITS[match[2]]
    if int(match[1]) > most:
        raise errors.invalid_data("windowSize")
    return int(match[1]) * length_ns


def no_block_trades(exchange: Exchange, call: Call) -> list[Any]:
    """Return the block trades of a venue on which there are none."""
    exchange.market(call.p.need_text("symbol"))
    call.p.integer("fromId")
    call.p.count("limit", 500, 1_000)
    call.p.finish()
    return []


def no_reference_price(exchange: Exchange, call: Call) -> Any:
    exchange.market(call.p.need_text("symbol"))
    _read_status(call.p)
    call.p.finish()
    raise ApiError(-2043, "This symbol doesn't have a reference price.")


def no_execution_rules(exchange: Exchange, call: Call) -> dict[str, Any]:
    """Return the rules of symbols that have none."""

    def shown(market: Market) -> dict[str, Any]:
        return {"symbol": market.symbol.name, "rules": []}

    found = _per_symbol(exchange, call, shown)
    return {"symbolRules": found if isinstance(found, list) else [found]}


def _check_status(p: Parameters, market: Market) -> None:
    if _read_status(p) not in {None, market.status}:
        raise errors.symbol_status_differs()


def _per_symbol(exchange: Exchange, call: Call, shown: Callable[[Market], dict[str, Any]]) -> Any:
    """Answer for one symbol with an object, for several or all with an array."""
    p = call.p
    name, names = p.text("symbol"), p.names("symbols")
    status = _read_status(p)
    p.finish()
    if name is not None and names is not None:
        raise errors.bad_combination()
    chosen = exchange.choose(name, names)
    fitting = [market for market in chosen if status in {None, market.status}]
    if name is None:
        return [shown(market) for market in fitting]
    if not fitting:
        raise errors.symbol_status_differs()
    return shown(fitting[0])


def _read_status(p: Parameters) -> str | None:
    return p.choice("symbolStatus", STATUSES, errors.bad_symbol_status())
