"""Days: what our side says it has made since midnight is what the exchange's trades have made. I28.

The auditor reckons by itself: fills, fees in whatever asset, and what is held, from the last price
before midnight on, however often the process died meanwhile. What a day begins from is known to the
nearest look of ours, so a midnight has a range.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from core.engine.engine import Engine
from core.model.units import NS_PER_MS, NS_PER_S
from core.state.daily_loss import DAY_NS
from tools.world.audit.ledger import Booked
from tools.world.audit.watch import Context, Watch
from venues.sim.fixed import ONE, parse

LOOK_NS: Final = 100 * NS_PER_MS
"""Between two looks: as often as our side holds the day against its limit."""

AROUND_NS: Final = 2 * NS_PER_S
"""So long before a midnight a look may have been the last of our side: a turn may be late, and a
feed with it."""

KEPT: Final = 400
"""Looks that are kept, more than those of the longest silence before a midnight."""

SLACK: Final = 100
"""Fees in another asset are valued by its price of some seconds ago: off by a hundredth at most."""

CLOCKS_NS: Final = NS_PER_S
"""Where the exchange's clock is further off, nothing is reckoned: which day it is depends on it."""


class Look(NamedTuple):
    """What had been made on a symbol at some time, in units of 1e-8 of its quote asset."""

    at_ns: int
    made: int
    fees: dict[str, int]
    """Fees in assets that are not its own."""


class Days(Watch):
    """The days of one world."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._looks: dict[str, deque[Look]] = {name: deque(maxlen=KEPT) for name in self.markets}
        self._looked_ns = 0
        self._day = 0
        self._bases: dict[str, list[Look]] = {}
        """What the day may have begun from, by symbol; nothing where it is the first."""

    def on_market(self, now_ns: int) -> None:
        if now_ns - self._looked_ns >= LOOK_NS:
            self._look(now_ns)

    def on_report(self, order: Booked, event: Mapping[str, Any]) -> None:
        self._looked_ns = 0  # what a fill has moved is looked at with the next message

    def _look(self, now_ns: int) -> None:
        day, self._looked_ns = now_ns // DAY_NS, now_ns
        first_ns = day * DAY_NS
        if self._day and day > self._day:
            self._bases = {}
        self._day = day
        for symbol, looks in self._looks.items():
            look = Look(now_ns, self.ledger.profit(symbol, own_fees=True), self._fees(symbol))
            if looks and first_ns > looks[0].at_ns and symbol not in self._bases:
                newest_ns = looks[-1].at_ns
                self._bases[symbol] = [old for old in looks if old.at_ns >= newest_ns - AROUND_NS]
            if symbol in self._bases and now_ns - first_ns < AROUND_NS:
                self._bases[symbol].append(look)
            looks.append(look)

    def _fees(self, symbol: str) -> dict[str, int]:
        terms = self.markets[symbol].symbol
        paid: Counter[str] = Counter()
        for deal in self.ledger.deals(symbol):
            if deal.fee_asset not in (terms.base, terms.quote):
                paid[deal.fee_asset] += deal.fee
        return dict(paid)

    # -- at rest -------------------------------------------------------------------------------

    def at_rest(self, engine: Engine, now_ns: int) -> None:
        if abs(engine.clock.offset_ns) > CLOCKS_NS:
            return
        self._look(now_ns)
        for told in engine.profits.told()["symbols"]:
            symbol = told["symbol"]
            row, best = engine.table.find(symbol), self.markets[symbol].book.best()
            if row is None or row.carried or not engine.books[row.index].live:
                continue
            if symbol in self.ledger.doubled or not (best.bid and best.ask):
                continue
            if told["result"] is None:
                self.note("I28", f"{symbol}: what today has made is told as not known")
            else:
                self._hold(symbol, _units(told["result"]))
                self._check_limit(symbol, engine)

    def _hold(self, symbol: str, told: int) -> None:
        now = self._looks[symbol][-1]
        bases = self._bases.get(symbol, [Look(0, 0, {})])
        truly = [self._since(symbol, base, now) for base in bases]
        slack = self._slack(symbol, now)
        if not min(truly) - slack <= told <= max(truly) + slack:
            self.note(
                "I28",
                f"{symbol}: {told} is told as made today, truly {min(truly)} to {max(truly)}",
            )

    def _since(self, symbol: str, base: Look, now: Look) -> int:
        quote = self.markets[symbol].symbol.quote
        paid = sum(
            self.ledger.worth(asset, fee - base.fees.get(asset, 0), quote)
            for asset, fee in now.fees.items()
        )
        return now.made - base.made - paid

    def _slack(self, symbol: str, now: Look) -> int:
        """Return by how much both may differ: what we hold is valued at a whole tick, each fee is
        rounded, and a price is some seconds old.
        """
        terms = self.markets[symbol].symbol
        ticks = (abs(self.ledger.positions[symbol]) * terms.tick_size // ONE) * 2
        fills = sum(len(order.deals) for order in self.ledger.orders.values())
        fees = sum(self.ledger.worth(a, abs(fee), terms.quote) for a, fee in now.fees.items())
        return ticks + 2 * fills + terms.tick_size + fees // SLACK

    def _check_limit(self, symbol: str, engine: Engine) -> None:
        """A loss beyond its limit has halted the run, by whatever it came about."""
        now, limit = self._looks[symbol][-1], self.limits[symbol].max_daily_loss
        bases = self._bases.get(symbol, [Look(0, 0, {})])
        lost = -max(self._since(symbol, base, now) for base in bases)
        if lost > limit + self._slack(symbol, now) and not engine.risk.halted:
            self.note("I28", f"{lost} lost on {symbol} today, allowed are {limit}, and no halt")


def _units(text: str) -> int:
    """Return an amount of decimals in units of 1e-8, towards zero."""
    sign = -1 if text.startswith("-") else 1
    whole, _, fraction = text.removeprefix("-").partition(".")
    return sign * parse(f"{whole}.{fraction[:8] or '0'}")
