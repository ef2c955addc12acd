"""The background: seeded traders that make a lively two-sided market.

Per symbol a fair price drifts; market makers add and cancel around it, arbitrageurs take what the
drift has left behind, and noise takes a little of everything. Deep anchor orders keep both sides
from ever being empty. No clock: ``step`` plays everything that is due by the time given.
"""

import random
from dataclasses import dataclass
from typing import Final

from venues.sim.engine import TRADING, Engine, Market
from venues.sim.fixed import ONE
from venues.sim.matching import BUY, SELL, Resting

# How book events are shared out; other symbols share what is left equally.
SHARES: Final = {"BTCUSDT": 0.5, "ETHUSDT": 0.3, "BNBUSDT": 0.2}

# Standard deviation of the fair price's step at each event of its symbol, as a fraction: the price
# moves as fast as the market is busy, some 0.4 basis points in a second of 500 events.
DRIFT: Final = 0.000_002
# The fair price is pulled back to the opening price within some hours, far inside the filters.
PULL_PER_SECOND: Final = 0.000_1
# Quotes lie this fraction off the fair price on average; one in ten lies DEEP times further out.
QUOTE_DISTANCE: Final = 0.000_05
DEEP: Final = 20
# Market makers keep about this many orders a side, unless told otherwise.
QUOTES_PER_SIDE: Final = 150
# Noise takers reach this far through the fair price, arbitrageurs to the fair price itself.
NOISE_REACH: Final = 0.000_3
NOISE_SHARE: Final = 0.04
# Anchors begin beyond any reach of the takers above.
ANCHOR_LEVELS: Final = 200
ANCHOR_STEP: Final = 0.000_5
FEWEST_LEVELS: Final = 100
# Orders are log-normal around the symbol's smallest notional times this, anchors are larger.
TYPICAL_SIZE: Final = 160.0
ANCHOR_SIZE: Final = 20_000

# After a pause (a suspended machine, a debugger) at most this much of it is caught up.
LONGEST_CATCH_UP_NS: Final = 100_000_000


@dataclass(frozen=True, slots=True)
class Temper:
    """What the background makes of a market.

    ``volatility`` multiplies how fast prices drift, ``depth`` is about how many orders the market
    makers keep a side.
    """

    volatility: float = 1.0
    depth: int = QUOTES_PER_SIDE


USUAL: Final = Temper()


class Crowd:
    """The traders of one symbol."""

    def __init__(
        self, engine: Engine, market: Market, rng: random.Random, rate: float, temper: Temper
    ) -> None:
        self._temper = temper
        self._engine = engine
        self._market = market
        self._rng = rng
        self._rate = rate
        self._fair = market.symbol.opening_price / market.symbol.tick_size
        self._opening = self._fair
        self._quotes: dict[bool, list[Resting]] = {BUY: [], SELL: []}

    def open(self, now_ns: int) -> None:
        """Build the first book, on an empty one."""
        self._fair = self._opening
        self._quotes = {BUY: [], SELL: []}
        self._anchor(BUY, now_ns)
        self._anchor(SELL, now_ns)
        for _ in range(self._temper.depth):
            self._quote(BUY, now_ns)
            self._quote(SELL, now_ns)

    def act(self, now_ns: int) -> None:
        """Do one thing, which changes the book at least once but for rare misses."""
        if self._market.status != TRADING:
            return
        self._drift()
        for side in (BUY, SELL):
            if self._is_thin(side):
                self._anchor(side, now_ns)
        if self._arbitrage(now_ns):
            return
        if self._rng.random() < NOISE_SHARE:
            self._take(self._rng.random() < 0.5, NOISE_REACH, now_ns)
            return
        side = self._rng.random() < 0.5
        quotes = self._quotes[side]
        # Cancels become more likely the fuller the side, so that it hovers around its target.
        if self._rng.random() < len(quotes) / (2 * self._temper.depth):
            self._cancel(quotes)
        else:
            self._quote(side, now_ns)

    def _drift(self) -> None:
        self._fair *= 1 + self._rng.gauss(0, DRIFT * self._temper.volatility)
        self._fair += (self._opening - self._fair) * PULL_PER_SECOND / self._rate

    def _is_thin(self, side: bool) -> bool:
        book = self._market.book
        return len((book.bids if side else book.asks).levels) < FEWEST_LEVELS

    def _anchor(self, side: bool, now_ns: int) -> None:
        """Lay large orders far out; they are never canceled, only taken."""
        symbol = self._market.symbol
        if side not in self._market.quoted_sides:
            return
        away = -1 if side is BUY else 1
        for level in range(2, ANCHOR_LEVELS + 2):
            ticks = round(self._fair * (1 + away * level * ANCHOR_STEP))
            self._rest(side, ticks * symbol.tick_size, ANCHOR_SIZE * self._unit(), now_ns)

    def _quote(self, side: bool, now_ns: int) -> None:
        """Add one quote off the fair price, without crossing."""
        if side not in self._market.quoted_sides:
            return
        symbol, book = self._market.symbol, self._market.book
        mean_ticks = self._fair * QUOTE_DISTANCE
        if self._rng.random() < 0.1:
            mean_ticks *= DEEP
        distance = 1 + int(self._rng.expovariate(1 / mean_ticks))
        away = -1 if side is BUY else 1
        price = (round(self._fair) + away * distance) * symbol.tick_size
        best = book.best()
        if side is BUY and best.ask:
            price = min(price, best.ask - symbol.tick_size)
        elif side is SELL:
            price = max(price, best.bid + symbol.tick_size)
        order = self._rest(side, price, self._size(), now_ns)
        if order is not None:
            self._quotes[side].append(order)

    def _cancel(self, quotes: list[Resting]) -> None:
        """Cancel one quote at random; those that traded away are dropped in passing."""
        orders = self._market.book.orders
        while quotes:
            position = self._rng.randrange(len(quotes))
            order, quotes[position] = quotes[position], quotes[-1]
            quotes.pop()
            if order.order_id in orders:
                self._engine.house_cancel(self._market, order)
                return

    def _arbitrage(self, now_ns: int) -> bool:
        """Take the best order when the fair price has moved through it."""
        best, fair = self._market.book.best(), self._fair * self._market.symbol.tick_size
        if best.ask and best.ask < fair:
            self._take(BUY, 0.0, now_ns)
            return True
        if best.bid > fair:
            self._take(SELL, 0.0, now_ns)
            return True
        return False

    def _take(self, side: bool, reach: float, now_ns: int) -> None:
        symbol = self._market.symbol
        away = 1 if side is BUY else -1
        ticks = round(self._fair * (1 + away * reach))
        if reach:
            # On a coarse grid too it reaches the nearest quote.
            nearest = round(self._fair) + away
            ticks = max(ticks, nearest) if side is BUY else min(ticks, nearest)
        price = ticks * symbol.tick_size
        quantity = self._quantity(self._size(), price)
        self._engine.house_order(self._market, side, price, quantity, now_ns, rest=False)

    def _rest(self, side: bool, price: int, value: float, now_ns: int) -> Resting | None:
        quantity = self._quantity(value, price)
        return self._engine.house_order(self._market, side, price, quantity, now_ns, rest=True)

    def _size(self) -> float:
        return TYPICAL_SIZE * self._unit() * self._rng.lognormvariate(0.0, 0.8)

    def _unit(self) -> float:
        """Return the symbol's smallest notional in its quote asset, of which all sizes are many."""
        return self._market.symbol.min_notional / ONE

    def _quantity(self, value: float, price: int) -> int:
        """Return the quantity on the step grid that is worth about ``value``, at least a step."""
        step = self._market.symbol.step_size
        return max(1, round(value * ONE * ONE / price / step)) * step


class Traders:
    """All crowds, fed from one clock at ``rate`` book events a second."""

    def __init__(
        self, engine: Engine, rng: random.Random, rate: float, temper: Temper = USUAL
    ) -> None:
        self._rng = rng
        self._rate = rate
        names = list(engine.markets)
        shares = [SHARES.get(name, 1 / len(names)) for name in names]
        self._weights = shares
        self._crowds = [
            Crowd(engine, engine.markets[name], rng, max(rate, 1.0) * share / sum(shares), temper)
            for name, share in zip(names, shares, strict=True)
        ]
        self._next_ns: int | None = None

    def open(self, now_ns: int) -> None:
        """Build the first books, on empty ones; to be called before any step."""
        for crowd in self._crowds:
            crowd.open(now_ns)
        self._next_ns = self._after(now_ns)

    def step(self, now_ns: int) -> int | None:
        """Play what is due by ``now_ns``; return when the next thing is due, None at rate 0."""
        if self._next_ns is None:
            return None
        self._next_ns = max(self._next_ns, now_ns - LONGEST_CATCH_UP_NS)
        while self._next_ns is not None and self._next_ns <= now_ns:
            crowd = self._rng.choices(self._crowds, self._weights)[0]
            crowd.act(self._next_ns)
            self._next_ns = self._after(self._next_ns)
        return self._next_ns

    def _after(self, now_ns: int) -> int | None:
        if self._rate <= 0:
            return None
        return now_ns + 1 + int(self._rng.expovariate(self._rate) * 1e9)
