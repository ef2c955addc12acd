"""What the worlds of both rings have in common: an exchange, its street, a workload, an auditor.

All of it is drawn here, from the seed's own generators, so that a seed is busy with the same
symbols and the same workload whichever ring it is lived in.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tools.world.auditor import Auditor, Limits
from tools.world.seeds import Generators
from tools.world.street import Street
from tools.world.tank import START_NS
from tools.world.workload import MISCHIEF
from venues.sim.fixed import parse
from venues.sim.ledger import DEFAULT_BALANCES, DEFAULT_KEY, DEFAULT_SECRET
from venues.sim.symbols import SYMBOLS
from venues.sim.venue import Venue

MAX_ORDER: Final = {"BTCUSDT": "0.003", "ETHUSDT": "0.03", "BNBUSDT": "0.3"}
MAX_POSITION: Final = {"BTCUSDT": "0.01", "ETHUSDT": "0.1", "BNBUSDT": "1"}


class WatchedVenue(Venue):
    """An exchange that tells the auditor what it did before it tells anybody else."""

    auditor: Auditor | None = None

    def step(self, now_ns: int) -> int:
        next_ns = super().step(now_ns)
        if self.auditor is not None:
            self.auditor.published()
        return next_ns

    def settle(self, now_ns: int) -> None:
        if self.auditor is not None:
            self.auditor.saw(self.exchange.engine.events)
        super().settle(now_ns)


class Run(NamedTuple):
    """What is drawn of the configuration, in its own words."""

    strategy: str
    parameters: str
    symbols: tuple[str, ...]
    risk: str
    run: str


class Setting:
    """The exchange of one seed, who is on it, and the run that is tried there."""

    def __init__(self, seed: int) -> None:
        self.draw = Generators(seed)
        workload = self.draw.workload
        names = [symbol.name for symbol in SYMBOLS]
        count = workload.choice((1, 2, 2, 3))
        self.symbols = tuple(sorted(workload.sample(names, count)))
        traded = tuple(symbol for symbol in SYMBOLS if symbol.name in self.symbols)
        self.venue = WatchedVenue(START_NS, seed=seed, rate=0.0, symbols=traded)
        engine = self.venue.exchange.engine
        self.account = engine.open_account(DEFAULT_BALANCES)
        self.venue.exchange.add_hmac_key(DEFAULT_KEY, DEFAULT_SECRET, self.account)
        self.street = Street(engine, self.draw.venue, START_NS)
        self.street_rate = self.draw.venue.choice((15.0, 40.0, 80.0))
        self.venue.settle(START_NS)
        self.auditor = Auditor(
            engine.markets,
            self.account.number,
            {n: Limits(parse(MAX_POSITION[n]), parse(MAX_ORDER[n])) for n in self.symbols},
        )
        self.venue.auditor = self.auditor
        self.auditor.published()
        self.run = self._draw_run()

    def _draw_run(self) -> Run:
        workload = self.draw.workload
        mischief = workload.choice(MISCHIEF) if workload.random() < 0.1 else ""
        return Run(
            strategy="tools.world.workload:Workload",
            parameters=(
                f"eager = {workload.choice((0.1, 0.3, 0.6))}\n"
                f'mischief = "{mischief}"\nafter = {workload.randint(1, 120)}'
            ),
            symbols=self.symbols,
            risk="\n".join(
                f'[risk.{n}]\nmax_order_size = "{MAX_ORDER[n]}"\nmax_position = "{MAX_POSITION[n]}"'
                for n in self.symbols
            ),
            run=(
                f'on_stale = "{workload.choice(("cancel", "keep"))}"\n'
                f'on_restart = "{workload.choice(("cancel", "cancel", "adopt"))}"'
            ),
        )
