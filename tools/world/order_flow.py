"""The order flow: a few other traders, enough to move prices and to trade with us.

Sparse on purpose: a simulated second costs what its events cost, and a thin book that moves
through our orders finds more than a thick one. No clock: ``act`` is told the time.
"""

from __future__ import annotations

import random
from typing import Final

from venues.sim.engine import Engine, Market
from venues.sim.matching import Resting

LEVELS: Final = 6
"""Orders kept on each side, so that the book is never empty."""

REACH_TICKS: Final = 60
"""How far from the middle the order flow quotes, and how far it takes."""

STEP_TICKS: Final = 8
"""How far the middle moves at most with one event."""

LOTS: Final = (20, 400)
"""Smallest and largest order, in steps of the symbol."""


JUMPS: Final = 0.01
"""Share of the acts in a deep market with which it goes far at once: steps take too long to get to
the edge of what a snapshot holds."""

FAR_TICKS: Final = (400, 1_500)
"""How far: to half of what a snapshot holds, and beyond all of it."""


class Corner:
    """The order flow in one market, with so many levels behind what moves."""

    def __init__(self, engine: Engine, market: Market, draw: random.Random, deep: int) -> None:
        self._engine = engine
        self._market = market
        self._draw = draw
        self._middle = market.symbol.opening_price // market.symbol.tick_size
        self._quotes: list[Resting] = []
        self._deep = deep
        self._levels: list[Resting] = []
        self._absent: frozenset[bool] = frozenset()
        """Sides that nobody quotes on at the moment."""

    def lay(self, now_ns: int) -> None:
        """Lay the levels behind what moves, one a tick."""
        symbol = self._market.symbol
        size = LOTS[0] * symbol.step_size
        for away in range(REACH_TICKS + 1, REACH_TICKS + 1 + self._deep):
            for side, ticks in ((True, self._middle - away), (False, self._middle + away)):
                level = self._engine.house_order(
                    self._market, side, ticks * symbol.tick_size, size, now_ns, rest=True
                )
                if level is not None:
                    self._levels.append(level)

    def begin(self, now_ns: int) -> None:
        """The exchange has forgotten everything: quote as at first, around where the middle is."""
        self._quotes, self._levels = [], []
        self.lay(now_ns)
        self.refill(now_ns)

    def scale(self, finer: int) -> None:
        """A tick is divided into so many: the middle stays where it is."""
        self._middle *= finer

    def _clear(self) -> None:
        """Take back the levels that the middle has come near to."""
        tick, alive = self._market.symbol.tick_size, self._market.book.orders
        kept = []
        for level in self._levels:
            away = self._middle - level.price // tick
            if (away if level.side else -away) > REACH_TICKS:
                kept.append(level)
            elif level.order_id in alive:
                self._engine.house_cancel(self._market, level)
        self._levels = kept

    def refill(self, now_ns: int) -> None:
        """Quote until both sides are there."""
        for side in {True, False} - self._absent:
            while sum(quote.side is side for quote in self._alive()) < LEVELS:
                self._quote(side, now_ns)

    def act(self, now_ns: int) -> None:
        """Do one thing that changes the book."""
        draw = self._draw
        self._middle += draw.randint(-STEP_TICKS, STEP_TICKS)
        if self._deep and draw.random() < JUMPS:
            self.move(draw.choice((-1, 1)) * draw.randint(*FAR_TICKS), now_ns)
        roll = draw.random()
        if roll < 0.35:
            self._order(draw.random() < 0.5, REACH_TICKS, now_ns, rest=False)
        elif roll < 0.6:
            quotes = self._alive()
            if quotes:
                self._engine.house_cancel(self._market, draw.choice(quotes))
        elif (side := draw.random() < 0.5) not in self._absent:
            self._quote(side, now_ns)
        self.refill(now_ns)

    def empty(self, sides: frozenset[bool], now_ns: int) -> None:
        """Quote on these sides no more, until others are named."""
        self._absent = sides
        for quote in (*self._alive(), *self._levels):
            if quote.side in sides and quote.order_id in self._market.book.orders:
                self._engine.house_cancel(self._market, quote)
        self.refill(now_ns)

    def move(self, ticks: int, now_ns: int) -> None:
        """Take everything back, and quote at other prices."""
        self._middle = max(self._middle + ticks, 2 * REACH_TICKS)
        for quote in self._alive():
            self._engine.house_cancel(self._market, quote)
        self._clear()
        self.refill(now_ns)

    @property
    def symbol(self) -> str:
        return self._market.symbol.name

    @property
    def middle(self) -> int:
        return self._middle

    def _alive(self) -> list[Resting]:
        orders = self._market.book.orders
        self._quotes = [quote for quote in self._quotes if quote.order_id in orders]
        return self._quotes

    def _quote(self, side: bool, now_ns: int) -> None:
        quote = self._order(side, -self._draw.randint(1, REACH_TICKS), now_ns, rest=True)
        if quote is not None:
            self._quotes.append(quote)

    def _order(self, side: bool, through: int, now_ns: int, *, rest: bool) -> Resting | None:
        symbol = self._market.symbol
        ticks = self._middle + (through if side else -through)
        lots = self._draw.randint(*LOTS)
        return self._engine.house_order(
            self._market, side, ticks * symbol.tick_size, lots * symbol.step_size, now_ns, rest=rest
        )


class OrderFlow:
    """The order flow in all markets."""

    def __init__(self, engine: Engine, draw: random.Random, now_ns: int, deep: int = 0) -> None:
        self._draw = draw
        self._corners = [Corner(engine, market, draw, deep) for market in engine.markets.values()]
        self.begin(now_ns)

    def begin(self, now_ns: int) -> None:
        """Quote in markets where nobody does."""
        for corner in self._corners:
            corner.begin(now_ns)

    def act(self, now_ns: int) -> None:
        """Do one thing somewhere."""
        self._draw.choice(self._corners).act(now_ns)

    def empty(self, symbol: str, sides: frozenset[bool], now_ns: int) -> None:
        """Have nobody quote on some sides of a market; on no side is as usual."""
        self._corner(symbol).empty(sides, now_ns)

    def jump(self, symbol: str, ticks: int, now_ns: int) -> None:
        """Have a market jump by so many ticks."""
        self._corner(symbol).move(ticks, now_ns)

    def _corner(self, symbol: str) -> Corner:
        return next(corner for corner in self._corners if corner.symbol == symbol)

    def scale(self, symbol: str, finer: int) -> None:
        """Have a market's ticks be divided into so many each."""
        self._corner(symbol).scale(finer)

    def move(self, symbol: str, bps: int, now_ns: int) -> None:
        """Have a market jump by a share of its price."""
        corner = self._corner(symbol)
        corner.move(corner.middle * bps // 10_000, now_ns)
