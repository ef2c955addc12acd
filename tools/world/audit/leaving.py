"""Leaving: that none of ours is left is said once the whole account was listed empty twice. I26."""

from __future__ import annotations

from typing import Final

from tools.world.audit.ledger import Booked
from tools.world.audit.watch import Context, Watch
from venues.sim.events import OrderChanged

LISTS: Final = 2
"""How often: one list may have been taken before what was under way arrived."""


class Leaving(Watch):
    """What our side has been shown by the time it says that nothing is left."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._lists = 0

    def on_boot(self) -> None:
        self._lists = 0

    def on_report(self, order: Booked, event: OrderChanged) -> None:
        self._lists = 0

    def on_listed(self, symbol: str) -> None:
        """A list of open orders has reached our side; "" is the one of the whole account."""
        if not symbol:
            self._lists += 1

    def on_left(self, now_ns: int) -> None:
        self.ledger.over = True
        for order in self.ledger.alive():
            self.note(
                "I26", f"{order.client_id} is alive on {order.symbol} when none is said to be"
            )
        if self._lists < LISTS:
            self.note("I26", f"nothing left is said after {self._lists} lists of the whole account")
