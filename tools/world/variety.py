"""What differs from world to world besides what strikes: keys, money, pairs, feeds, books, time.

Each setting is drawn from a generator of its own, so that a new one leaves the others as they were,
and has a name under which it is counted: how many worlds had it, and in how many it was seen to
matter. What a setting does to what may be expected is said where that is watched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from core.model.units import NS_PER_MS, NS_PER_S
from tools.world.dialect import Dialect
from tools.world.seeds import Generators
from tools.world.tank import START_NS
from venues.sim.fixed import ONE
from venues.sim.symbols import Symbol

MIDNIGHT_NS: Final = START_NS - START_NS % (86_400 * NS_PER_S) + 86_400 * NS_PER_S

STREAMS: Final = (("top",), ("depth",), ("depth", "trades"), ("top", "depth"), ("top", "trades"))

ORDERS: Final = ("orders",)
"""What tells of a book order by order, beside which there is nothing."""

DEEP_LEVELS: Final = 1_100
"""Levels of a deep book: more than the deepest snapshot holds."""

LITTLE: Final = ONE // 100_000
"""What is left of a base asset where nothing but dust is: worth less than any order."""

FEW: Final = 60 * ONE
"""What there is of a quote asset where there is little: some orders' worth."""


class Variety(NamedTuple):
    """One world's settings; the usual ones where nothing is said."""

    logs_on: bool = False
    """The key is an Ed25519 key, and the trade connection is logged on."""
    poor: str = ""
    """Which side has too little for most orders: ``base``, ``quote``, ``dust`` for both."""
    pays_in_bnb: bool = False
    """Fees are paid in BNB."""
    shared: bool = False
    """Our side is told that others act on the account."""
    triangle: bool = False
    """Three pairs of three assets are traded."""
    streams: tuple[str, ...] = ("top", "depth", "trades")
    by_order: bool = False
    """Books are told order by order, and nothing else is."""
    deep: bool = False
    """Books are deeper than snapshots of them."""
    start_ns: int = START_NS
    """Some seconds before a midnight, or far from any."""
    skew_ns: int = 0
    """How far the exchange's clock is ahead of ours to begin with."""
    reconfigured: bool = False
    """Each boot has a configuration of its own."""
    turn_ns: int = 0
    """How long each callback takes in the tank."""
    rehearses: bool = False
    """The path is rehearsed between two steps of the tank."""

    @property
    def names(self) -> tuple[str, ...]:
        """The settings that are not the usual ones."""
        return tuple(name for name, is_set in _IS_SET.items() if is_set(self))

    @property
    def with_depth(self) -> bool:
        return self.by_order or "depth" in self.streams

    def balances(self, symbols: tuple[Symbol, ...], dialect: Dialect) -> dict[str, int]:
        """Return what the account begins with."""
        found = dict(dialect.default_balances)
        quotes = {symbol.quote for symbol in symbols}
        bases = {symbol.base for symbol in symbols} - quotes
        if self.poor in ("base", "dust"):
            found.update(dict.fromkeys(bases, LITTLE if self.poor == "dust" else 0))
        if self.poor in ("quote", "dust"):
            found.update(dict.fromkeys(quotes, FEW if self.poor == "dust" else 0))
        return found


_IS_SET: Final[dict[str, Callable[[Variety], bool]]] = {
    "logs_on": lambda v: v.logs_on,
    "no_base": lambda v: v.poor == "base",
    "no_quote": lambda v: v.poor == "quote",
    "dust": lambda v: v.poor == "dust",
    "fees_in_bnb": lambda v: v.pays_in_bnb,
    "shared": lambda v: v.shared,
    "triangle": lambda v: v.triangle,
    "top_alone": lambda v: v.streams == ("top",),
    "no_top": lambda v: not v.by_order and "top" not in v.streams,
    "no_depth": lambda v: not v.with_depth and len(v.streams) > 1,
    "by_order": lambda v: v.by_order,
    "deep": lambda v: v.deep,
    "midnight": lambda v: v.start_ns != START_NS,
    "clock_off": lambda v: v.skew_ns != 0,
    "reconfigured": lambda v: v.reconfigured,
    "turns_take_time": lambda v: v.turn_ns != 0,
    "rehearses": lambda v: v.rehearses,
}

NAMES: Final = tuple(_IS_SET)


def names_of(dialect: Dialect) -> tuple[str, ...]:
    """Return the settings that worlds of a venue may have."""
    return tuple(name for name in NAMES if name not in dialect.settings_lacking)


def drawn(draw: Generators, start_ns: int, dialect: Dialect) -> Variety:
    """Draw one world's settings, of one that begins then."""

    def is_so(name: str, share: float) -> bool:
        return name not in dialect.settings_lacking and draw.of_setting(name).random() < share

    poor = draw.of_setting("poor")
    streams = draw.of_setting("streams")
    told = streams.choice(STREAMS) if streams.random() < 0.3 else Variety().streams
    by_order = is_so("by_order", 0.15)
    return Variety(
        logs_on=is_so("logs_on", 0.3),
        poor=poor.choice(("base", "quote", "dust")) if poor.random() < 0.12 else "",
        shared=is_so("shared", 0.3),
        triangle=is_so("triangle", 0.15),
        streams=ORDERS if by_order else told,
        by_order=by_order,
        deep=is_so("deep", 0.06),
        start_ns=start_ns,
        skew_ns=0
        if start_ns != START_NS or not is_so("clock_off", 0.15)
        else draw.of_setting("clock_s").choice((-3_600, -90, 90, 3_600)) * NS_PER_S,
        reconfigured=is_so("reconfigured", 0.15),
        turn_ns=draw.of_setting("turn_ns").choice((1, 3)) * NS_PER_MS
        if is_so("turns_take_time", 0.08)
        else 0,
        rehearses=is_so("rehearses", 0.4),
    )
