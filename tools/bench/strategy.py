"""The strategy of the race: every tick that asks for it is answered with one order.

It joins the best bid with the best bid's own size, which tells the load generator which tick the
order has seen. Placing, the order is taken at once or expires; replacing, one order is moved.
"""

from __future__ import annotations

from msgspec import Struct

from core.model.commands import TimeInForce
from core.model.events import Side
from core.model.strategy import Desk, Strategy
from core.model.views import BookView, OrderView, Refusal

_BUY = Side.BUY
_IOC = TimeInForce.IOC


class EveryTickParameters(Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of ``EveryTick``."""

    least_lots: int
    """Smallest best bid that is answered."""
    replace: bool = False
    """Whether one order is moved by cancel-replace, instead of a new one placed."""


class EveryTick(Strategy[EveryTickParameters]):
    """Answers each change of a book with one order."""

    Parameters = EveryTickParameters

    def __init__(self, parameters: EveryTickParameters) -> None:
        super().__init__(parameters)
        self._order: OrderView | None = None
        self._behind = False

    def on_book(self, desk: Desk, book: BookView) -> None:
        if not book.live or book.bid_lots < self.parameters.least_lots:
            return
        if self.parameters.replace:
            self._move(desk, book)
        else:
            desk.place(book.instrument, _BUY, book.bid_ticks, book.bid_lots, tif=_IOC)

    def on_order(self, desk: Desk, order: OrderView) -> None:
        """Follow the book that was missed while a change was on its way."""
        if self._behind:
            self.on_book(desk, desk.book(order.instrument))

    def _move(self, desk: Desk, book: BookView) -> None:
        order = self._order
        if order is None or order.state.terminal:
            moved = desk.place(book.instrument, _BUY, book.bid_ticks, book.bid_lots)
        else:
            moved = desk.replace(order, book.bid_ticks, book.bid_lots)
        self._behind = isinstance(moved, Refusal)
        if not isinstance(moved, Refusal):
            self._order = moved
