"""Callbacks: each fill is told once, each order's end is told, and the session as it is.

Held against the exchange's ledger, from what passed between engine and strategy. A strategy that
has raised is called no more, and nothing is expected of its boot.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from core.engine.engine import Engine
from core.model.views import OrderState, SessionState
from tools.world.audit.watch import Context, Watch
from tools.world.witness import Requested


class Callbacks(Watch):
    """What the strategy was told."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._fills: set[tuple[str, str]] = set()
        """Fills told in any boot, by client id and trade."""
        self._fills_of_boot: set[tuple[str, str]] = set()
        self._orders: dict[str, tuple[OrderState, int]] = {}
        """State and filled lots of each order as it was told last, in this boot."""
        self._asked: dict[str, str] = {}
        """Symbols of the orders asked for in this boot, by client id."""
        self._calls: Counter[str] = Counter()
        self.session: SessionState | None = None
        self.raised = False
        self.excused: bool = False
        """Whether a strategy raised in some boot: fills that came later were told to nobody."""
        self.untold: set[str] = set()
        """Symbols that some boot's configuration left out: it is told nothing of them."""

    def on_boot(self) -> None:
        self._fills_of_boot.clear()
        self._orders.clear()
        self._asked.clear()
        self._calls.clear()
        self.session = None
        self.raised = False

    def on_requested(self, asked: Requested) -> None:
        self._asked[asked.client_id] = asked.symbol

    def on_raised(self) -> None:
        self.raised = self.excused = True

    def on_callback(self, name: str, arguments: tuple[Any, ...]) -> None:
        self._calls[name] += 1
        if name == "on_fill":
            order, fill = arguments
            told = (order.client_order_id, fill.trade_id)
            if told in self._fills_of_boot:
                self.note("callbacks", f"on_fill of trade {told[1]} of {told[0]} comes twice")
            self._fills_of_boot.add(told)
            self._fills.add(told)
        elif name == "on_order":
            (order,) = arguments
            self._orders[order.client_order_id] = (order.state, order.filled_lots)
        elif name == "on_session":
            (self.session,) = arguments
        elif name in ("on_start", "on_stop") and self._calls[name] > 1:
            self.note("callbacks", f"{name} comes twice")

    def at_rest(self, engine: Engine, now_ns: int) -> None:
        if self.raised:
            return
        self._check_fills()
        for client_id, symbol in self._asked.items():
            if symbol not in self.ledger.doubled:
                self._check_order(client_id, symbol)
        if self._calls["on_start"] != 1:
            self.note("callbacks", f"on_start came {self._calls['on_start']} times")

    def _check_fills(self) -> None:
        if self.excused:
            return
        for order in self.ledger.orders.values():
            if order.symbol in self.ledger.doubled or order.symbol in self.untold:
                continue
            for deal in order.deals.values():
                if (order.client_id, deal.name) not in self._fills:
                    self.note("callbacks", f"no on_fill for trade {deal.name} of {order.client_id}")

    def _check_order(self, client_id: str, symbol: str) -> None:
        booked, told = self.ledger.order_of(client_id), self._orders.get(client_id)
        if told is None:
            self.note("callbacks", f"no on_order for {client_id}, truly {booked}")
            return
        state, filled_lots = told
        is_open = booked is not None and booked.is_open
        filled = 0 if booked is None else booked.filled
        step = self.markets[symbol].symbol.step_size
        if state.terminal is is_open or filled_lots * step != filled:
            self.note("callbacks", f"on_order said {state}, {filled_lots} lots; truly {booked}")

    def at_end(self) -> None:
        """The run has been left."""
        if self._calls and not self.raised and self._calls["on_stop"] != 1:
            self.note("callbacks", f"on_stop came {self._calls['on_stop']} times")
