"""The street: a few other traders, enough to move prices and to trade with us.

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
"""How far from the middle the street quotes, and how far it takes."""

STEP_TICKS: Final = 8
"""How far the middle moves at most with one event."""

LOTS: Final = (20, 400)
"""Smallest and largest order, in steps of the symbol."""


class Corner:
    """The street in one market."""

    def __init__(self, engine: Engine, market: Market, draw: random.Random) -> None:
        self._engine = engine
        self._market = market
        self._draw = draw
        self._middle = market.symbol.opening_price // market.symbol.tick_size
        self._quotes: list[Resting] = []

    def refill(self, now_ns: int) -> None:
        """Quote until both sides are there."""
        for side in (True, False):
            while sum(quote.side is side for quote in self._alive()) < LEVELS:
                self._quote(side, now_ns)

    def act(self, now_ns: int) -> None:
        """Do one thing that changes the book."""
        draw = self._draw
        self._middle += draw.randint(-STEP_TICKS, STEP_TICKS)
        roll = draw.random()
        if roll < 0.35:
            self._order(draw.random() < 0.5, REACH_TICKS, now_ns, rest=False)
        elif roll < 0.6:
            quotes = self._alive()
            if quotes:
                self._engine.house_cancel(self._market, draw.choice(quotes))
        else:
            self._quote(draw.random() < 0.5, now_ns)
        self.refill(now_ns)

    def move(self, ticks: int, now_ns: int) -> None:
        """Take everything back, and quote at other prices."""
        self._middle = max(self._middle + ticks, 2 * REACH_TICKS)
        for quote in self._alive():
            self._engine.house_cancel(self._market, quote)
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


class Street:
    """The street in all markets."""

    def __init__(self, engine: Engine, draw: random.Random, now_ns: int) -> None:
        self._draw = draw
        self._corners = [Corner(engine, market, draw) for market in engine.markets.values()]
        for corner in self._corners:
            corner.refill(now_ns)

    def act(self, now_ns: int) -> None:
        """Do one thing somewhere."""
        self._draw.choice(self._corners).act(now_ns)

    def move(self, symbol: str, bps: int, now_ns: int) -> None:
        """Have a market jump."""
        corner = next(corner for corner in self._corners if corner.symbol == symbol)
        corner.move(corner.middle * bps // 10_000, now_ns)
