"""The wiring of the application: from a checked configuration to an engine.

This is the one module that names venues and strategies. It opens nothing and reads nothing: what
it makes is the same for a live run and for a replay of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

import strategies
import venues
from core.engine.engine import Engine, Setup
from core.engine.outbound import Port
from core.model.config import AccountUse, Config, checked, parameters, tells, urls_of
from core.model.errors import BadConfig
from core.model.instrument import Instrument
from core.model.strategy import Strategy
from core.model.units import NS_PER_MS, NS_PER_S, atoms, parse_decimal
from core.model.venue import Adapter, Environment, KeyKind, Subscription, Venue
from core.state.daily_loss import Price, Told
from core.state.hops import Hops
from core.state.journal import Journal
from core.state.risk import RiskLimits, TotalLimits

FLATTEN = "flatten"
"""Stands for the strategy of a run that only flattens; no strategy can be called that."""

SCOPE_DIGITS = 6
"""Hexadecimal digits that tell one account's scope from another's in a client order id."""


_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)


class Application(Struct, frozen=True, kw_only=True):
    """A run, wired up to where the outside begins."""

    config: Config
    venue: Venue
    subscription: Subscription
    adapter: Adapter
    strategy: Strategy[Any]
    setup: Setup

    def engine(self, port: Port, stamp: Callable[[], int], journal: Journal, hops: Hops) -> Engine:
        """Return the engine of this run."""
        return Engine(
            setup=self.setup,
            adapter=self.adapter,
            strategy=self.strategy,
            limits_of=self.limits,
            parameters_with=self.parameters_with,
            journal=journal,
            hops=hops,
            port=port,
            stamp=stamp,
        )

    def parameters_with(self, parameters: Struct, key: str, value: str) -> Struct:
        """Return a strategy's parameters with one of them replaced by what ``value`` says.

        Raises ``BadConfig`` for a key or value that the strategy does not allow.
        """
        kept = {name: getattr(parameters, name) for name in parameters.__struct_fields__}
        old = kept.get(key)
        new: str | int | float | bool = value
        if isinstance(old, bool):
            new = {"true": True, "false": False}.get(value, value)
        elif isinstance(old, int | float) and _NUMBER.fullmatch(value):
            new = float(value) if "." in value else int(value)
        raw = msgspec.to_builtins(kept) | {key: new}
        with strategies.foreign(self.config.strategy.name, "ctl set"):
            return checked(raw, type(parameters), "strategy.parameters", "ctl set")

    def limits(self, instrument: Instrument) -> RiskLimits:
        """Return the configured limits of an instrument in its own ticks, lots and units."""
        section = self.config.risk_of(instrument.symbol)
        return RiskLimits(
            max_order_lots=_lots(section.max_order_size, instrument),
            max_order_notional=instrument.contract.whole_units(section.max_order_notional),
            max_position_lots=_lots(section.max_position, instrument),
            max_open_orders=section.max_open_orders,
            collar_bps=section.price_collar_bps,
            max_book_age_ns=section.max_book_age_ms * NS_PER_MS,
            max_feed_age_ns=section.max_feed_age_ms * NS_PER_MS,
            max_orders_per_s=section.max_orders_per_second,
            max_rejects=section.max_rejects,
            reject_window_ns=section.reject_window_s * NS_PER_S,
            expiry_lead_ns=section.expiry_lead_s * NS_PER_S,
            max_daily_loss=instrument.contract.whole_units(section.max_daily_loss),
        )


def wire(
    config: Config,
    name: str,
    *,
    scope: str,
    boot: int,
    seed: int,
    key: KeyKind,
    flattens: bool = False,
) -> Application:
    """Wire a run up. ``name`` is the configuration's, for messages.

    One that ``flattens`` is the configuration's in all but its strategy, which does nothing.

    Raises ``BadConfig`` for a venue, symbol or strategy that does not exist or does not fit.
    """
    venue = venue_of(config, name)
    urls = urls_of(config, venue, name)
    subscription = Subscription(
        symbols=config.symbols,
        streams=config.streams,
        rest_url=urls.get(venue.http, ""),
        urls=urls,
        session_logon=key is KeyKind.LOGS_ON,
        request_expiry_ms=config.session.request_expiry_ms,
    )
    strategy = _idle() if flattens else _strategy(config, name)
    setup = Setup(
        venue=config.venue,
        strategy=FLATTEN if flattens else config.strategy.name,
        scope=scope,
        boot=boot,
        seed=seed,
        symbols=config.symbols,
        streams=config.streams,
        cancel_when_stale=config.run.on_stale == "cancel",
        confirms_quiet=config.run.on_quiet == "confirm",
        cancel_leftovers=config.run.on_restart == "cancel",
        ledger_tolerance_lots=config.run.ledger_tolerance_lots,
        totals={
            asset: TotalLimits(_atoms(section.max_daily_loss), _atoms(section.max_notional))
            for asset, section in config.totals.items()
        },
        prices={
            quote: {asset: _stated(text, asset, quote) for asset, text in stated.items()}
            for quote, stated in config.prices.items()
        },
        shared=config.account is AccountUse.SHARED,
        private=key is not KeyKind.NONE,
    )
    return Application(
        config=config,
        venue=venue,
        subscription=subscription,
        adapter=venue.adapter(subscription),
        strategy=strategy,
        setup=setup,
    )


def _strategy(config: Config, name: str) -> Strategy[Any]:
    kind = strategies.find(config.strategy.name, name)
    with strategies.foreign(config.strategy.name, name):
        return kind(parameters(config, kind.Parameters, name))


def _idle() -> Strategy[Any]:
    """Return a strategy that does nothing whatever it is told."""
    return Strategy(Strategy.Parameters())


def venue_of(config: Config, name: str) -> Venue:
    """Return the venue a configuration names, which has the endpoints that are stated there."""
    venue = venues.find(config.venue)
    if venue is None:
        known = ", ".join(venues.names())
        raise BadConfig(f'{name}: venue = "{config.venue}": no such venue; allowed: {known}')
    urls_of(config, venue, name)
    return venue


def scope_of(config: Config, account: str | None) -> str:
    """Return what begins every client order id of a ``Venue.account`` and a strategy."""
    text = f"{config.venue}|{config.environment}|{account}|{config.strategy.name}"
    return f"h{hashlib.sha256(text.encode()).hexdigest()[:SCOPE_DIGITS]}-"


def lock_of(config: Config, scope: str) -> str:
    """Return what the scope's lock is called: in the sim every exchange has its own accounts."""
    if config.environment is not Environment.SIM:
        return scope
    venue = venues.find(config.venue)
    at = "" if venue is None else config.endpoints.urls.get(venue.http, "")
    return scope + hashlib.sha256(at.encode()).hexdigest()[:SCOPE_DIGITS]


def _lots(text: str, instrument: Instrument) -> int:
    """Return the whole lots in a size."""
    mantissa, exponent = parse_decimal(text)
    lot = instrument.lot
    return int(mantissa * 10**lot.decimals // (10**exponent * lot.step_mantissa))


def _atoms(text: str | None) -> int:
    """Return an amount of an asset in atoms, 0 where none is stated."""
    return 0 if text is None else atoms(text)


def _stated(text: str, asset: str, quote: str) -> Price | Told:
    """Return what the configuration says an asset is worth in another."""
    direct = tells(text, asset, quote)
    if direct is not None:
        return Told(text, not direct)
    mantissa, decimals = parse_decimal(text)
    return Price(mantissa, int(10**decimals))
