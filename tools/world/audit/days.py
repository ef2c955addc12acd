"""Days: what our side says it has made since midnight is what the exchange's trades have made. I28.

The auditor reckons by itself: fills by the exchange's time of them, fees in whatever asset, however
often the process died meanwhile. What is held at midnight counts at a price of then: one that our
side can have known last, so a midnight has a range of prices.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Final, NamedTuple

from core.engine.engine import Engine
from core.model.units import NS_PER_MS, NS_PER_S
from core.state.daily_loss import DAY_NS
from tools.world.audit.ledger import Booked
from tools.world.audit.watch import Context, Watch
from venues.sim.events import OrderChanged
from venues.sim.fixed import ONE, parse

LOOK_NS: Final = 100 * NS_PER_MS
"""Between two looks: as often as our side holds the day against its limit."""

AROUND_NS: Final = 2 * NS_PER_S
"""So long before a midnight a look may have been the last of our side: a turn may be late, and a
feed with it."""

BEFORE_NS: Final = 10 * NS_PER_S
"""How old the price of a midnight may be: a book that is lost while the venue throttles or bans us
has no newer one."""

APART_NS: Final = 100 * NS_PER_MS
"""So far both clocks may be apart: a fill so near to midnight may be of either day."""

KEPT: Final = 400
"""Looks that are kept, more than those of the longest silence before a midnight."""

SLACK: Final = 100
"""Fees in another asset are valued by its price of some seconds ago: off by a hundredth at most."""

MOST_BEYOND: Final = ONE // 100
"""What both may differ by beyond that, at most a tick: a coarse one is more than a day makes."""

CLOCKS_NS: Final = NS_PER_S
"""Where the exchange's clock is further off, or our side knows that it does not know it, nothing is
reckoned: which day it is depends on it."""


class Look(NamedTuple):
    """The price of a symbol at some time, in units of 1e-8."""

    at_ns: int
    price: int


class Days(Watch):
    """The days of one world."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._looks: dict[str, deque[Look]] = {name: deque(maxlen=KEPT) for name in self.markets}
        self._looked_ns = 0
        self._day = 0
        self._began: dict[str, set[int]] = {}
        """The prices that the day may have begun at, by symbol; none where it is the first."""
        self._noted_ns = 0
        """When our side has last noted what its next boot begins from, 0 for never."""
        self._noted_since_ns = 0
        """How old a price in that note may be."""
        self._since_ns = self._proved_ns = 0
        """The same of the note that this boot goes on from, and when it has first noted itself."""

    def on_boot(self) -> None:
        self._since_ns, self._proved_ns = self._noted_since_ns, 0
        if 0 < self._noted_ns < self._day * DAY_NS:
            for symbol, prices in self._began.items():
                prices |= self._prices(symbol, self._noted_since_ns)

    def on_noted(self, now_ns: int) -> None:
        self._proved_ns = self._proved_ns or now_ns
        self._noted_ns, self._noted_since_ns = now_ns, self._price_since(now_ns)

    def _price_since(self, now_ns: int) -> int:
        """Return how old a price may be that our side goes by: it has its own soon after it has
        proved its orders, and until then that of the note it goes on from.
        """
        proved = self._proved_ns and now_ns - self._proved_ns >= AROUND_NS
        newest_ns = now_ns - BEFORE_NS
        return min(newest_ns, self._since_ns) if self._since_ns and not proved else newest_ns

    def on_new_folder(self) -> None:
        self._noted_ns = self._noted_since_ns = 0

    def on_market(self, now_ns: int) -> None:
        if now_ns - self._looked_ns >= LOOK_NS:
            self._look(now_ns)

    def on_report(self, order: Booked, event: OrderChanged) -> None:
        self._looked_ns = 0  # the price at which a fill is heard is looked at with the next message

    def _look(self, now_ns: int) -> None:
        day, self._looked_ns = now_ns // DAY_NS, now_ns
        if self._day and day > self._day:
            self._began = {}
        self._day = day
        for symbol, looks in self._looks.items():
            best = self.markets[symbol].book.best()
            if best.bid and best.ask:
                self._take(symbol, looks, Look(now_ns, (best.bid + best.ask) // 2))

    def _take(self, symbol: str, looks: deque[Look], look: Look) -> None:
        first_ns = self._day * DAY_NS
        if looks and first_ns > looks[0].at_ns and symbol not in self._began:
            since_ns = self._price_since(looks[-1].at_ns)
            self._began[symbol] = self._prices(symbol, since_ns) or {looks[-1].price}
        if symbol in self._began and look.at_ns - first_ns < AROUND_NS:
            self._began[symbol].add(look.price)
        looks.append(look)

    def _prices(self, symbol: str, since_ns: int) -> set[int]:
        return {look.price for look in self._looks[symbol] if look.at_ns >= since_ns}

    # -- at rest -------------------------------------------------------------------------------

    def at_rest(self, engine: Engine, now_ns: int) -> None:
        if abs(engine.clock.offset_ns) > CLOCKS_NS or not engine.clock.known:
            return
        if now_ns % DAY_NS < 2 * LOOK_NS:
            return  # our side has not looked since midnight
        self._look(now_ns)
        for told in engine.pnl.told()["symbols"]:
            symbol = told["symbol"]
            row, best = engine.table.find(symbol), self.markets[symbol].book.best()
            if row is None or row.carried or not engine.books[row.index].live:
                continue
            if symbol in self.ledger.doubled or not (best.bid and best.ask):
                continue
            if told["result"] is None:
                self.note("I28", f"{symbol}: what today has made is told as not known")
            else:
                self._hold(symbol, _units(told["result"]), engine)

    def _hold(self, symbol: str, told: int, engine: Engine) -> None:
        """What is told is so, and a loss beyond its limit has halted the run, by whatever it came
        about.
        """
        truly, slack = self._today(symbol), self._slack(symbol)
        if not min(truly) - slack <= told <= max(truly) + slack:
            self.note(
                "I28",
                f"{symbol}: {told} is told as made today, truly {min(truly)} to {max(truly)}",
            )
        lost, limit = -max(truly), self.limits[symbol].max_daily_loss
        if lost > limit + slack and not engine.risk.halted:
            self.note("I28", f"{lost} lost on {symbol} today, allowed are {limit}, and no halt")

    def _today(self, symbol: str) -> list[int]:
        """Return what today may have made, by the price it has begun at."""
        made = self.ledger.pnl(symbol, own_fees=True)
        if symbol not in self._began:
            return [made - self._paid(symbol, 0)]
        first_ns = self._day * DAY_NS
        prices = self._began[symbol] | self._told_late(symbol, first_ns)
        return [
            made
            - self._paid(symbol, cut_ns)
            - self.ledger.pnl(symbol, own_fees=True, at=price, before_ns=cut_ns)
            for cut_ns in (first_ns - APART_NS, first_ns, first_ns + APART_NS)
            for price in sorted(prices)
        ]

    def _told_late(self, symbol: str, first_ns: int) -> set[int]:
        """Return the prices of what was traded before midnight and after what this boot goes on
        from: it is told only now, and may be all that our side knows a price of then by.
        """
        deals = self.ledger.deals(symbol) if self._since_ns else ()
        return {deal.price for deal in deals if self._since_ns <= deal.at_ns < first_ns}

    def _paid(self, symbol: str, since_ns: int) -> int:
        """Return the fees since then in assets that are not the symbol's own, by their value."""
        quote = self.markets[symbol].symbol.quote
        return sum(
            self.ledger.value(asset, fee, quote)
            for asset, fee in self._fees(symbol, since_ns).items()
        )

    def _fees(self, symbol: str, since_ns: int = 0) -> Counter[str]:
        terms = self.markets[symbol].symbol
        paid: Counter[str] = Counter()
        for deal in self.ledger.deals(symbol):
            if deal.fee_asset not in (terms.base, terms.quote) and deal.at_ns >= since_ns:
                paid[deal.fee_asset] += deal.fee
        return paid

    def _slack(self, symbol: str) -> int:
        """Return by how much both may differ: what we hold, and held at midnight, is valued at a
        whole tick, each fee is rounded, and a price is some seconds old.
        """
        terms = self.markets[symbol].symbol
        held = abs(self.ledger.positions[symbol]) + abs(self._held_at_midnight(symbol))
        ticks = held * terms.tick_size // ONE * 2
        fills = sum(len(order.deals) for order in self.ledger.orders.values())
        fees = sum(
            self.ledger.value(asset, abs(fee), terms.quote)
            for asset, fee in self._fees(symbol).items()
        )
        return ticks + 2 * fills + min(terms.tick_size, MOST_BEYOND) + fees // SLACK

    def _held_at_midnight(self, symbol: str) -> int:
        first_ns = self._day * DAY_NS
        return sum(
            deal.size if order.buy else -deal.size
            for order in self.ledger.orders.values()
            for deal in order.deals.values()
            if order.symbol == symbol and deal.at_ns < first_ns
        )


def _units(text: str) -> int:
    """Return an amount of decimals in units of 1e-8, towards zero."""
    sign = -1 if text.startswith("-") else 1
    whole, _, fraction = text.removeprefix("-").partition(".")
    return sign * parse(f"{whole}.{fraction[:8] or '0'}")
