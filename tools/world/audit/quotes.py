"""Quotes: what could not be moved does not stand where it was. I27.

Which order quotes a side, and that a move of it was refused, is taken where it passes between the
strategy and its desk. In the calm such a quote is gone within some seconds, at rest in any case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from core.engine.engine import Engine
from core.model.events import Side
from core.model.units import NS_PER_S
from tools.world.audit.connection import Connection
from tools.world.audit.watch import Context, Watch

GONE_NS: Final = 3 * NS_PER_S
"""Within which a cancel that nothing is in the way of has come to its end."""


@dataclass(slots=True)
class Immovable:
    """A quote whose last move was refused."""

    client_id: str
    timed: bool
    """Whether it is to be gone by a time: it was placed when nothing struck any more."""
    cuts: int
    """How often the private connection had been lost by then: what is under way is lost with it."""
    since_ns: int = 0
    """The first news of the market since, 0 where there was none yet."""


class Quotes(Watch):
    """The quotes of one world, by symbol and side."""

    def __init__(self, context: Context, connection: Connection) -> None:
        super().__init__(context)
        self._connection = connection
        self.calm = False
        """Whether nothing strikes any more."""
        self._standing: dict[tuple[str, Side], tuple[str, bool]] = {}
        self._immovable: dict[tuple[str, Side], Immovable] = {}

    def on_boot(self) -> None:
        self._standing.clear()
        self._immovable.clear()

    def on_stands(self, symbol: str, side: Side, client_id: str) -> None:
        """A side is quoted by this order from now on."""
        self._standing[symbol, side] = (client_id, self.calm)
        self._immovable.pop((symbol, side), None)

    def on_refused(self, symbol: str, side: Side) -> None:
        """A side was to be quoted otherwise, and cannot be."""
        standing = self._standing.get((symbol, side))
        if standing is not None:
            self._immovable[symbol, side] = Immovable(*standing, self._connection.cuts)

    def on_market(self, now_ns: int) -> None:
        for where, quote in self._immovable.items():
            if not quote.timed or quote.cuts != self._connection.cuts:
                continue
            if not quote.since_ns or self._connection.is_slow(now_ns):
                quote.since_ns = now_ns
            elif now_ns - quote.since_ns > GONE_NS:
                self._check(where, quote)

    def at_rest(self, engine: Engine, now_ns: int) -> None:
        self.look()

    def look(self) -> None:
        """By now what could not be moved has had its time."""
        for where, quote in self._immovable.items():
            self._check(where, quote)

    def _check(self, where: tuple[str, Side], quote: Immovable) -> None:
        order = self.ledger.order_of(quote.client_id)
        if order is not None and order.is_open and order.symbol not in self.ledger.doubled:
            symbol, side = where
            what = f"the {side.name.lower()} quote of {symbol}"
            self.note("I27", f"{quote.client_id}, {what}, stands though it could not be moved")
