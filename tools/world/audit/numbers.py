"""Numbers: where the exchange begins them anew, our side notices with the first that tells it. I7.

The venue gives ascending numbers. One of an order of ours that is no higher than one that our side
had been told before the order left was given by an exchange that has begun anew: what is held and
open there is to be looked at by somebody, and nothing is placed before.
"""

from __future__ import annotations

from tools.world.audit.halts import Halts
from tools.world.audit.watch import Context, Sent, Watch
from tools.world.dialect import Reported


class Numbers(Watch):
    """The numbers that our side was told in this boot."""

    def __init__(self, context: Context, halts: Halts) -> None:
        super().__init__(context)
        self._halts = halts
        self._newest: dict[str, tuple[int, int]] = {}
        """The highest number of an order, and when it was told first, by symbol."""
        self._sent_ns: dict[str, int] = {}

    def on_boot(self) -> None:
        self._newest.clear()
        self._sent_ns.clear()

    def resume(self) -> None:
        """Somebody has looked: what comes now is held against what comes from now on."""
        self._newest.clear()

    def told_above(self, number: int) -> bool:
        """Whether our side was told of an order above a number."""
        return any(told > number for told, _ in self._newest.values())

    def on_order(self, order: Sent, now_ns: int) -> None:
        self._sent_ns[order.client_id] = now_ns

    def on_told(self, payload: bytes, now_ns: int) -> None:
        for told in self.dialect.reported(payload):
            if told.number:
                self._hear(told, now_ns)

    def _hear(self, told: Reported, now_ns: int) -> None:
        number, booked = told.number, self.ledger.order_of(told.client_id)
        if booked is None or booked.order_id != number or told.symbol != booked.symbol:
            return  # spoiled on its way, or of others
        newest, told_ns = self._newest.get(booked.symbol, (0, 0))
        if number > newest:
            self._newest[booked.symbol] = (number, now_ns)
            return
        began_anew = self.ledger.epoch and self._sent_ns.get(booked.client_id, 0) > told_ns
        if began_anew and booked.symbol not in self.ledger.doubled:
            text = f"{booked.symbol}: order {number} was sent after {newest} had been told"
            self._halts.halt("", text)
