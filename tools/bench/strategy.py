"""The strategy of the race: what is read of a book is answered with one order.

It joins the best bid with the best bid's own size, which tells the load generator which tick the
order has seen. Placing, the order is taken at once or expires; replacing, one order is moved.

For ``hotloop bench --saturation`` it may also answer each of the ticks that a read has brought, or
a size alone that it has not answered yet.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from core.model.commands import TimeInForce
from core.model.events import Side
from core.model.strategy import Desk, Strategy
from core.model.views import BookView, OrderView, Refusal
from tools.bench import wire

_BUY = Side.BUY
_IOC = TimeInForce.IOC


class Answers(StrEnum):
    """What is answered with an order."""

    READ = "read"
    TICK = "tick"
    SIZE = "size"
    """A size of the best bid that was not answered last: few ticks, where many have the same."""


MOST_MISSED = 500
"""More ticks than a read has brought: the generator counts them anew."""


class EveryTickParameters(Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of ``EveryTick``."""

    least_lots: int
    """Smallest best bid that is answered."""
    replace: bool = False
    """Whether one order is moved by cancel-replace, instead of a new one placed."""
    answers: Answers = Answers.READ


class EveryTick(Strategy[EveryTickParameters]):
    """Answers each change of a book with one order."""

    Parameters = EveryTickParameters

    def __init__(self, parameters: EveryTickParameters) -> None:
        super().__init__(parameters)
        self._order: OrderView | None = None
        self._behind = False
        self._answered_lots = 0
        self._answers = parameters.answers

    def on_book(self, desk: Desk, book: BookView) -> None:
        if not book.live or book.bid_lots < self.parameters.least_lots:
            return
        if self.parameters.replace:
            self._move(desk, book)
        elif self._answers is not Answers.READ:
            self._answer(desk, book)
        else:
            desk.place(book.instrument, _BUY, book.bid_ticks, book.bid_lots, tif=_IOC)

    def on_order(self, desk: Desk, order: OrderView) -> None:
        """Follow the book that was missed while a change was on its way."""
        if self._behind:
            self.on_book(desk, desk.book(order.instrument))

    def _answer(self, desk: Desk, book: BookView) -> None:
        """Place an order for each tick that is not answered, or for the size if that is new."""
        lots, least_lots = book.bid_lots, self.parameters.least_lots
        missed = (lots - self._answered_lots) % wire.NUMBERS
        self._answered_lots = lots
        if self._answers is Answers.SIZE or missed > MOST_MISSED:
            missed = min(missed, 1)
        for back in range(missed - 1, -1, -1):
            size_lots = (lots - least_lots - back) % wire.NUMBERS + least_lots
            desk.place(book.instrument, _BUY, book.bid_ticks, size_lots, tif=_IOC)

    def _move(self, desk: Desk, book: BookView) -> None:
        order = self._order
        if order is None or order.state.terminal:
            moved = desk.place(book.instrument, _BUY, book.bid_ticks, book.bid_lots)
        else:
            moved = desk.replace(order, book.bid_ticks, book.bid_lots)
        self._behind = isinstance(moved, Refusal)
        if not isinstance(moved, Refusal):
            self._order = moved
