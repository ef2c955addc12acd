"""Fills: what we have booked is what the exchange traded, never more, never less again. I4."""

from __future__ import annotations

from core.engine.engine import Engine
from core.state.orders import Order
from tools.world.audit.watch import Context, Watch


class Fills(Watch):
    """Filled sizes, of each order and of each instrument."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._filled: dict[str, int] = {}
        self._bought: dict[int, tuple[int, int]] = {}

    def on_boot(self) -> None:
        self._filled.clear()
        self._bought.clear()

    def check(self, engine: Engine) -> None:
        """I4: our filled sizes never exceed the exchange's, and never shrink."""
        for order in engine.orders.unsettled():
            self._check_fills(engine, order)
        for row in engine.table:
            position = engine.positions[row.index]
            before = self._bought.get(row.index, (0, 0))
            after = (position.bought_lots, position.sold_lots)
            if after == before:
                continue
            self._bought[row.index] = after
            if after[0] < before[0] or after[1] < before[1]:
                self.note("I4", f"{row.symbol}: bought and sold went from {before} to {after}")
            step = self.markets[row.symbol].symbol.step_size
            true = self.ledger.traded(row.symbol)
            if after[0] * step > true[0] or after[1] * step > true[1]:
                self.note("I4", f"{row.symbol}: {after} lots booked, traded were {true} of 1e-8")

    def _check_fills(self, engine: Engine, order: Order) -> None:
        known = self._filled.get(order.client_order_id, 0)
        if order.filled_lots == known:
            return
        self._filled[order.client_order_id] = order.filled_lots
        if order.filled_lots < known:
            self.note("I4", f"{order!r}: filled was {known}")
        symbol = engine.table[order.instrument].symbol
        booked = self.ledger.order_of(order.client_order_id)
        true = 0 if booked is None else booked.filled
        ours = order.filled_lots * self.markets[symbol].symbol.step_size
        if ours > true and order.client_order_id not in self.ledger.excused:
            self.note("I4", f"{order!r}: the exchange filled {true} of 1e-8")
