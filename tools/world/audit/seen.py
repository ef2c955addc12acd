"""Seen: whether what a world was given has mattered, for the census of a batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from core.engine.engine import Engine
from tools.world.audit.ledger import Booked
from tools.world.audit.watch import Context, Watch
from tools.world.dialect import PLACING, Request
from venues.sim.events import OrderChanged


class Seen(Watch):
    """What was seen at least once."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._seen: Counter[str] = Counter()
        self.reconfigured = False
        """Whether the boot has another configuration than the first."""

    def note_seen(self, what: str) -> None:
        self._seen[what] += 1

    def on_request(self, request: Request, now_ns: int) -> None:
        if request.kind in PLACING:
            self._seen["unsigned"] += "signature" not in request.values

    def on_told(self, payload: bytes, now_ns: int) -> None:
        self._seen["insufficient"] += self.dialect.insufficient(payload)

    def on_report(self, order: Booked, event: OrderChanged) -> None:
        self._seen["order"] += 1
        self._seen["order of another configuration"] += self.reconfigured
        self._seen[order.symbol] += 1
        symbol, filled = self.markets[order.symbol].symbol, event.execution
        own = (symbol.base, symbol.quote)
        self._seen["fee elsewhere"] += filled is not None and filled.commission_asset not in own

    def check(self, engine: Engine) -> None:
        """Look at the books: whether one is being renewed for the edges of its snapshot."""
        self._seen["renewing"] += any(book._renewing for book in engine.books)

    def matters(self, setting: str) -> bool:
        """Whether a setting was seen to matter."""
        if setting == "triangle":
            return all(self._seen[symbol.name] for symbol in self.dialect.triangle)
        if setting == "deep" and not self.dialect.numbered:
            return _traded(self._seen)  # a feed that is cut to a depth has no edge to be renewed
        return _MATTERS[setting](self._seen)


def _traded(seen: Counter[str]) -> bool:
    return bool(seen["order"])


_MATTERS: Final[dict[str, Callable[[Counter[str]], bool]]] = {
    "logs_on": lambda seen: bool(seen["unsigned"]),
    "no_base": lambda seen: bool(seen["insufficient"]),
    "no_quote": lambda seen: bool(seen["insufficient"]),
    "dust": lambda seen: bool(seen["insufficient"]),
    "fees_in_bnb": lambda seen: bool(seen["fee elsewhere"]),
    "reconfigured": lambda seen: bool(seen["order of another configuration"]),
    "shared": lambda seen: bool(seen["others"]),
    "top_alone": _traded,
    "no_top": _traded,
    "no_depth": _traded,
    "by_order": _traded,
    "deep": lambda seen: bool(seen["renewing"]),
    "midnight": lambda seen: bool(seen["midnight"]),
    "clock_off": _traded,
    "turns_take_time": lambda seen: bool(seen["late"]),
    "rehearses": lambda seen: bool(seen["rehearsed"]),
}
