"""What the worlds of both rings have in common: an exchange, its street, a workload, an auditor.

All of it is drawn here, from the seed's own generators, so that a seed is busy with the same
symbols and the same workload whichever ring it is lived in.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from core.model import config
from core.model.units import NS_PER_MS, NS_PER_S
from core.state.daily_loss import DAY_NS
from tools.world.audit.watch import Limits
from tools.world.auditor import Auditor
from tools.world.dialect import Dialect
from tools.world.of_binance import BINANCE
from tools.world.order_flow import OrderFlow
from tools.world.seeds import Generators
from tools.world.tank import IP, START_NS
from tools.world.variety import DEEP_LEVELS, ORDERS, STREAMS, drawn
from tools.world.workload import MISCHIEF
from venues.sim.fixed import parse, show

BEFORE_MIDNIGHT: Final = 0.25
"""Share of the worlds that begin before a midnight, and so long before it."""
BEFORE_MIDNIGHT_S: Final = (0.7, 4.0)

OF_ORDERS: Final = (1.2, 2.0, 3.4)
"""Largest positions, in largest orders: near a limit it shows who counts what is in doubt."""


ALL: Final = ("top", "depth", "trades")

COARSE: Final = 100_000
"""Ticks in units of 1e-8 that may be divided and still are more than the smallest."""

FINER: Final = 10
"""Into how many a tick is divided where a grid becomes finer."""


class Run(NamedTuple):
    """What is drawn of the configuration, in its own words."""

    strategy: str
    parameters: str
    symbols: tuple[str, ...]
    top: str
    risk: str
    run: str


class Configured(NamedTuple):
    """What a boot's configuration says, and what of it the auditor and the drills go by."""

    run: Run
    symbols: tuple[str, ...]
    """Those that are traded, of all that ``run`` names."""
    limits: dict[str, Limits]
    shared: bool
    cancels_when_stale: bool
    finer: str = ""
    """A symbol whose grid is finer from this boot on, where there is one."""


def reduced(whole: config.Config, symbols: tuple[str, ...]) -> config.Config:
    """Return a configuration that names these of its symbols alone."""
    risk = {name: limits for name, limits in whole.risk.items() if name in symbols}
    return replace(whole, symbols=symbols, risk=risk)


class Setting:
    """The exchange of one seed, who is on it, and the run that is tried there."""

    def __init__(self, seed: int, dialect: Dialect = BINANCE, *, days: bool = False) -> None:
        """``days`` may have the world begin shortly before midnight, fees be paid in BNB, and books
        be told order by order.
        """
        self._dialect = dialect
        self.draw = Generators(seed)
        self.start_ns = _start(self.draw.days) if days else START_NS
        workload = self.draw.workload
        variety = drawn(self.draw, self.start_ns, dialect)
        if not days and variety.by_order:
            variety = variety._replace(by_order=False, streams=ALL)
        names = [symbol.name for symbol in dialect.usual]
        chosen = workload.sample(names, workload.choice((1, 2, 2, 3)))
        usual = tuple(symbol for symbol in dialect.usual if symbol.name in chosen)
        traded = dialect.triangle if variety.triangle else usual
        self.symbols = tuple(sorted(symbol.name for symbol in traded))
        self.keys = dialect.keys(logs_on=variety.logs_on)
        """What our side signs with."""
        pays_in_bnb = days and "BNBUSDT" in self.symbols and self.draw.days.random() < 0.4
        self.variety = variety = variety._replace(pays_in_bnb=pays_in_bnb)
        began_ns = self.start_ns + variety.skew_ns
        self.venue = dialect.watched(began_ns, seed, traded)
        engine = self.venue.engine
        self.account = engine.open_account(variety.balances(traded, dialect))
        self.account.pays_in_bnb = variety.pays_in_bnb
        dialect.add_key(self.venue, self.account, logs_on=variety.logs_on)
        self.order_flow = OrderFlow(
            engine, self.draw.venue, began_ns, DEEP_LEVELS if variety.deep else 0
        )
        self.flow_rate = self.draw.venue.choice((15.0, 40.0, 80.0))
        self.venue.advance(began_ns)
        self._traded = traded
        limits = self._draw_limits(workload)
        self.auditor = Auditor(
            dict(engine.markets),
            self.account.number,
            limits,
            dialect,
            with_depth=variety.with_depth,
        )
        self.auditor.poor = bool(variety.poor)
        self.auditor.shared = variety.shared
        self.auditor.rest.balances = lambda: {
            asset: balance.free for asset, balance in self.account.balances.items()
        }
        self.auditor.secrets = lambda: dialect.secrets(self.venue)
        dialect.weigh(self.auditor, self.venue, IP)
        dialect.attend(self.auditor, self.venue, self.account)
        self.venue.auditor = self.auditor
        self.auditor.published()
        usual_streams, shared, stale = variety.streams, variety.shared, workload.random() < 0.5
        run = self._draw_run(workload, limits, usual_streams, shared=shared, stale=stale)
        self._configured = {1: Configured(run, self.symbols, limits, shared, stale)}
        self._finer: set[str] = set()

    # -- from boot to boot -----------------------------------------------------------------------

    def configured(self, boot: int) -> Configured:
        """Return what the configuration of a boot says: of each its own where that is a setting."""
        if not self.variety.reconfigured:
            return self._configured[1]
        found = self._configured.get(boot)
        if found is None:
            found = self._configured[boot] = self._draw_configured(boot)
        return found

    def _draw_configured(self, boot: int) -> Configured:
        draw = self.draw.of_setting(f"boot {boot}")
        limits = self._draw_limits(draw)
        shared, stale = draw.random() < 0.5, draw.random() < 0.5
        alike = [s for s in (*STREAMS, ALL) if ("depth" in s) is self.variety.with_depth]
        if self.variety.by_order:
            alike = [ORDERS]
        run = self._draw_run(draw, limits, draw.choice(alike), shared=shared, stale=stale)
        names = draw.sample(self.symbols, draw.randint(1, len(self.symbols)))
        coarse = [s.name for s in self._traded if s.tick_size >= COARSE]
        finer = draw.choice(coarse) if coarse and draw.random() < 0.4 else ""
        return Configured(run, tuple(sorted(names)), limits, shared, stale, finer)

    def begins(self, boot: int) -> None:
        """A boot begins: what its configuration says is what holds from now on."""
        now = self.configured(boot)
        self.auditor.allowed.update(now.limits)
        self.auditor.shared = now.shared
        if boot > 1 and self.variety.reconfigured:
            self.auditor.seen.reconfigured = True
        if now.finer and now.finer not in self._finer:
            self._finer.add(now.finer)
            market = self.venue.engine.markets[now.finer]
            terms = market.symbol
            self.order_flow.scale(now.finer, FINER)
            market.symbol = dataclasses.replace(terms, tick_size=terms.tick_size // FINER)

    # -- what is drawn ---------------------------------------------------------------------------

    def _draw_limits(self, draw: random.Random) -> dict[str, Limits]:
        return {one.name: self._draw_limits_of(draw, one.name, one.quote) for one in self._traded}

    def _draw_limits_of(self, draw: random.Random, symbol: str, quote: str) -> Limits:
        order = parse(self._dialect.max_order[symbol])
        return Limits(
            max_position=int(order * draw.choice(OF_ORDERS)),
            max_order=order,
            max_open_orders=draw.choice((3, 8, 100)),
            max_orders_per_s=draw.choice((4, 20, 1_000)),
            collar_bps=draw.choice((5, 20, 100)),
            max_book_age_ns=draw.choice((1, 5, 60)) * NS_PER_S,
            max_feed_age_ns=2 * NS_PER_S,
            max_rejects=draw.choice((3, 20)),
            reject_window_ns=10 * NS_PER_S,
            max_daily_loss=draw.choice(self._dialect.losses[quote]),
        )

    def _draw_run(
        self,
        workload: random.Random,
        limits: Mapping[str, Limits],
        streams: tuple[str, ...],
        *,
        shared: bool,
        stale: bool,
    ) -> Run:
        mischief = workload.choice(MISCHIEF) if workload.random() < 0.1 else ""
        return Run(
            strategy="tools.world.workload:Workload",
            parameters=(
                f"eager = {workload.choice((0.1, 0.3, 0.6))}\n"
                f"wild_bps = {workload.choice((0, 300))}\n"
                f'mischief = "{mischief}"\nafter = {workload.randint(1, 120)}'
            ),
            symbols=self.symbols,
            top=(
                f"streams = {msgspec.json.encode(streams).decode()}\n"
                f'account = "{"shared" if shared else "own"}"\n'
            ),
            risk="\n".join(_section(name, limits[name]) for name in self.symbols),
            run=(
                f'on_stale = "{"cancel" if stale else "keep"}"\n'
                f'on_restart = "{workload.choice(("cancel", "cancel", "adopt"))}"'
            ),
        )


def _start(draw: random.Random) -> int:
    """Return when a world begins: one of four some seconds before a midnight."""
    if draw.random() > BEFORE_MIDNIGHT:
        return START_NS
    before_ns = int(draw.uniform(*BEFORE_MIDNIGHT_S) * NS_PER_S)
    return START_NS - START_NS % DAY_NS + DAY_NS - before_ns


def _section(symbol: str, limits: Limits) -> str:
    """Return what a configuration says of one symbol's limits."""
    return (
        f'[risk."{symbol}"]\n'
        f'max_order_size = "{show(limits.max_order)}"\n'
        f'max_position = "{show(limits.max_position)}"\n'
        f"max_open_orders = {limits.max_open_orders}\n"
        f"max_orders_per_second = {limits.max_orders_per_s}\n"
        f"price_collar_bps = {limits.collar_bps}\n"
        f"max_book_age_ms = {limits.max_book_age_ns // NS_PER_MS}\n"
        f"max_feed_age_ms = {limits.max_feed_age_ns // NS_PER_MS}\n"
        f"max_rejects = {limits.max_rejects}\n"
        f"reject_window_s = {limits.reject_window_ns // NS_PER_S}\n"
        f'max_daily_loss = "{show(limits.max_daily_loss)}"'
    )
