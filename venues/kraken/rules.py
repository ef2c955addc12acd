"""Kraken's asset pairs -> instruments, its names for them, and its published limits.

Here lives how the venue spells a pair: v2 writes ``BTC/USD``, REST calls the same pair
``XXBTZUSD``, ``XBTUSD`` and ``XBT/USD``. Prices count in the pair's precision where its tick is as
fine; levels and checksums are written with that precision in any case.

Source: docs.kraken.com, "Get Tradable Asset Pairs", "Spot Websockets Introduction" ("XBT/USD pair
is missing"), "Spot Trading Limits", "Spot REST Rate Limits" (pages of 2026-05-27).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from core.model.contract import Linear
from core.model.errors import Drifted
from core.model.events import Limit, Rule, Scope
from core.model.instrument import Instrument, Trading
from core.model.units import NS_PER_S, Grid, format_decimal
from venues.kit.numbers import least_steps
from venues.kraken import rates, schema

SYMBOL: Final = re.compile(r"[A-Za-z0-9.]{1,20}/[A-Za-z0-9.]{1,20}", re.ASCII)
"""A symbol of v2; nothing of it has to be escaped in JSON."""

_V2_NAMES: Final[dict[str, str]] = {"XBT": "BTC", "XDG": "DOGE"}
"""Assets that v2 calls otherwise than REST does."""

_REST_NAMES: Final[dict[str, str]] = {ours: theirs for theirs, ours in _V2_NAMES.items()}

_LEDGER_NAMES: Final[dict[str, str]] = {
    **{f"X{name}": name for name in ("ETC", "ETH", "LTC", "MLN", "REP")},
    **{f"X{name}": name for name in ("XLM", "XMR", "XRP", "ZEC")},
    **{f"Z{name}": name for name in ("ARS", "AUD", "CAD", "COP", "EUR")},
    **{f"Z{name}": name for name in ("GBP", "JPY", "MXN", "USD")},
    "XXBT": "BTC",
    "XBT": "BTC",
    "XXDG": "DOGE",
    "XDG": "DOGE",
}
"""Assets whose balances REST lists under another name than pairs have them, of all 732 that it
listed on 2026-02-26; a rule of letters would turn ZETA into ETA."""

_TRADING: Final[dict[str, Trading]] = {
    "online": Trading.OPEN,
    "limit_only": Trading.LIMIT_ONLY,
    "post_only": Trading.POST_ONLY,
    "cancel_only": Trading.CANCEL_ONLY,
    # What is held without margin is no position there that an order could reduce.
    "reduce_only": Trading.CANCEL_ONLY,
}
"""Every other status (maintenance, delisted, work_in_progress, any to come) halts the pair."""

_NEAR: Final = frozenset({"imminent_5m", "final_warning_30s"})
_OF_TRADING: Final = frozenset({"spot_trading", "all"})
"""Phases of planned work that are minutes before it, and the services that orders stand on
("Status")."""

CALLS: Final = "calls"
ORDERS: Final = "orders"
PUBLIC: Final = "public_10s"

PAIR_COUNTER: Final = "orders_pair"


def limits(tier: rates.Tier) -> tuple[Limit, ...]:
    """Return what an account of a tier is held to: a key's counter of calls, each pair's of orders.

    Public questions are limited by address, documented as about one a second (support.kraken.com,
    "What are the API rate limits?").
    """
    return (
        Limit("calls", CALLS, tier.calls, tier.call_ns, Rule.BUCKET),
        Limit(PUBLIC, "public", 10, 10 * NS_PER_S),
        Limit(PAIR_COUNTER, ORDERS, tier.threshold, tier.token_ns, Rule.BUCKET, Scope.INSTRUMENT),
    )


PUBLISHED: Final = limits(rates.STARTER)
"""Those of the lowest tier, until the subscription to executions tells which it is."""


def trading_of(status: str) -> Trading:
    """Return what a pair's status allows."""
    return _TRADING.get(status, Trading.HALTED)


def is_near(work: schema.Maintenance) -> bool:
    """Whether planned work on the trading engine is minutes away."""
    return work.phase in _NEAR and not _OF_TRADING.isdisjoint(work.affected_services)


def symbol_of(wsname: str) -> str:
    """Return the symbol in v2 of a pair's ``wsname``: "XBT/USD" is "BTC/USD"."""
    base, _, quote = wsname.partition("/")
    return f"{_V2_NAMES.get(base, base)}/{_V2_NAMES.get(quote, quote)}"


def asset_of(name: str) -> str:
    """Return what v2 calls an asset that REST lists a balance of: "XXBT" is "BTC".

    An asset with an ending, "BTC.F" or "ETH.B", is one of its own: it cannot be traded as it is.
    """
    return _LEDGER_NAMES.get(name, name)


def altname_of(symbol: str) -> str:
    """Return what REST calls a pair in questions, and in the description of an order: "XBTUSD"."""
    base, _, quote = symbol.partition("/")
    return _REST_NAMES.get(base, base) + _REST_NAMES.get(quote, quote)


def instruments(
    pairs: Mapping[str, schema.AssetPair], symbols: Sequence[str], tier: rates.Tier = rates.STARTER
) -> tuple[Instrument, ...]:
    """Return the instruments of ``symbols``, in that order; ``Drifted`` when one is missing.

    How many orders may be open on each is the tier's ("Open Order Limits").
    """
    by_symbol = {symbol_of(pair.wsname): (name, pair) for name, pair in pairs.items()}
    missing = [symbol for symbol in symbols if symbol not in by_symbol]
    if missing:
        raise Drifted(
            f"AssetPairs lacks {', '.join(missing)}; it lists {', '.join(sorted(by_symbol))}"
        )
    return tuple(_instrument(index, s, tier, *by_symbol[s]) for index, s in enumerate(symbols))


def _instrument(
    index: int, symbol: str, tier: rates.Tier, name: str, pair: schema.AssetPair
) -> Instrument:
    if pair.lot_multiplier != 1:
        raise Drifted(f"{symbol}: lot_multiplier is {pair.lot_multiplier}, and was always 1")
    tick = Grid(pair.tick_size or format_decimal(1, pair.pair_decimals))
    lot = Grid(format_decimal(1, pair.lot_decimals))
    if tick.decimals > pair.pair_decimals:
        raise Drifted(
            f"{symbol}: a tick of {tick.step} is finer than the {pair.pair_decimals} decimals that "
            "prices are written with"
        )
    base, _, quote = symbol.partition("/")
    contract = Linear.spot(base, quote, tick, lot)
    # A pair that is requested with a slash is listed under the name it was requested; histories
    # have its own, of an old pair both assets' ("XXBTZUSD"), of any other its short one.
    return Instrument(
        index=index,
        symbol=symbol,
        base=base,
        quote=quote,
        tick=tick,
        lot=lot,
        contract=contract,
        min_ticks=1,
        max_ticks=0,
        min_lots=least_steps(pair.ordermin, lot.step_mantissa, lot.decimals),
        max_lots=0,
        max_market_lots=0,
        min_notional=least_steps(pair.costmin, contract.mantissa, contract.decimals),
        max_notional=0,
        max_open_orders=tier.open_orders,
        trading=trading_of(pair.status),
        code=pair.base + pair.quote if "/" in name else name,
        venue_status=pair.status,
    )


def price_decimals(instrument: Instrument, told: Mapping[str, int]) -> int:
    """Return the precision that prices are written with: never less than the tick's own."""
    return max(told.get(instrument.symbol, 0), instrument.tick.decimals)
