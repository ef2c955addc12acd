"""Strategy callbacks, and the Desk: all that a strategy may see and do.

A strategy is plain synchronous code. Each callback runs inside the turn of the event that caused
it, must return at once (a slow one is measured and named), and acts through the desk it is given.
It may not read a clock, a file, a socket or a random source of its own: ``desk.now_ns`` and
``desk.random`` are the same in a replay, and only then is the replay identical.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import ClassVar, Generic, Protocol, TypeVar

from msgspec import Struct

from core.model.commands import OrderKind, TimeInForce
from core.model.events import Fill, MarketTrade, Side
from core.model.instrument import Instrument
from core.model.views import BookView, OrderView, PositionView, Refusal, SessionState


class Quote(Struct, frozen=True, gc=False):
    """One side of a two-sided quote."""

    price_ticks: int
    lots: int


class NewOrder(Struct, frozen=True, gc=False):
    """One of several new orders, as ``Desk.place`` takes it."""

    side: Side
    price_ticks: int
    lots: int
    kind: OrderKind = OrderKind.LIMIT
    tif: TimeInForce | None = None


class Desk(Protocol):
    """All that a strategy may see and do."""

    @property
    def now_ns(self) -> int:
        """The time of this turn: UTC nanoseconds, never going backwards."""
        ...

    @property
    def session(self) -> SessionState: ...
    @property
    def instruments(self) -> Sequence[Instrument]:
        """The instruments of this run, in the order of the configuration."""
        ...

    @property
    def random(self) -> random.Random:
        """A generator whose seed is in the journal."""
        ...

    def book(self, instrument: int) -> BookView: ...
    def queue(self, instrument: int, side: Side, ticks: int) -> Sequence[tuple[str, int]]:
        """Return the orders of one price of a book, first come first: the venue's id and the size
        in lots of each, ours among them (``OrderView.venue_order_id``).

        Empty where the book is not live, or its stream is not ``orders``.
        """
        ...

    def position(self, instrument: int) -> PositionView: ...
    def balance_atoms(self, asset: str) -> int:
        """Return the free amount of an asset as the venue last stated it, 0 when it never did."""
        ...

    def open_orders(self, instrument: int) -> Sequence[OrderView]:
        """Return our orders that are not terminal, unknown ones included, oldest first."""
        ...

    def place(
        self,
        instrument: int,
        side: Side,
        price_ticks: int,
        lots: int,
        *,
        kind: OrderKind = OrderKind.LIMIT,
        tif: TimeInForce | None = None,
    ) -> OrderView | Refusal:
        """Send a new order; returns the order, or why it was not sent. Without ``tif`` it is
        ``GTC``, or ``DAY`` where the venue has no other.
        """
        ...

    def place_all(
        self, instrument: int, orders: Sequence[NewOrder]
    ) -> Sequence[OrderView | Refusal]:
        """Send several new orders on one instrument, in as few requests as the venue takes.

        Returns what became of each, in their order: risk and venue judge each by itself, as if
        those before it were open already.
        """
        ...

    def cancel(self, order: OrderView) -> Refusal | None:
        """Cancel an order: the cancel is sent again until the order is gone.

        A refusal says that it cannot be sent now. A cancel that is in flight is not sent twice.
        """
        ...

    def cancel_all(self, instrument: int) -> None:
        """Cancel our own open orders on an instrument; others' are left alone."""
        ...

    def replace(self, order: OrderView, price_ticks: int, lots: int) -> OrderView | Refusal:
        """Move an order to a price and an open size; returns the order that then stands.

        The same price with less size is an amend that keeps the place in the queue. Everything
        else is an amend as well where the venue has such (``AmendKind.PRICE_AND_SIZE``): the order
        keeps its ids, goes to the end of the queue, and ``open_lots`` is that of the larger size
        until it is told how it stands.

        Elsewhere it cancels the order and places another of ``lots``, even if the old one trades
        before it is gone. Risk has approved both together: of the order and all it replaced no more
        trades than ``chain_filled_lots`` at this moment, plus ``open_lots`` of the old, plus
        ``lots``. It is refused while the fate of an earlier order of the chain is not proved, and
        while an earlier change of the order is.
        """
        ...

    def quote(self, instrument: int, bid: Quote | None, ask: Quote | None) -> Refusal | None:
        """Keep one post-only order a side as wanted, with the fewest changes.

        Where the venue has no such orders each is a limit order, which is refused here, and does
        not stay, where it would trade at once by the book that we have. It may trade at once all
        the same, against what the book does not show yet.

        Nothing is sent for a side that already stands as wanted or has a change on its way.
        ``None`` cancels a side. Returns the first refusal, if any.
        """
        ...

    def timer(self, delay_ns: int, tag: str) -> None:
        """Have ``on_timer`` called with ``tag`` after ``delay_ns``."""
        ...

    def log(self, text: str) -> None:
        """Write a line into the run's log."""
        ...


class NoParameters(Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters of a strategy that takes none."""


ParametersT = TypeVar("ParametersT", bound=Struct)


class Strategy(Generic[ParametersT]):
    """Base of all strategies: override the callbacks you need.

    ``Parameters`` is a frozen Struct whose fields carry their bounds and meaning as
    ``Annotated[..., msgspec.Meta(...)]``; the configuration's ``[strategy.parameters]`` is checked
    against it, and unknown keys are refused.
    """

    Parameters: ClassVar[type[Struct]] = NoParameters

    def __init__(self, parameters: ParametersT) -> None:
        self.parameters = parameters

    def on_start(self, desk: Desk) -> None:
        """Instruments are known, nothing is live yet."""

    def on_book(self, desk: Desk, book: BookView) -> None:
        """A book changed, or was proved or lost: once per book and read. Check ``book.live``."""

    def on_trade(self, desk: Desk, trade: MarketTrade) -> None:
        """Somebody traded."""

    def on_order(self, desk: Desk, order: OrderView) -> None:
        """One of our orders changed its state or size."""

    def on_fill(self, desk: Desk, order: OrderView, fill: Fill) -> None:
        """One of our orders traded; called once per fill, after the position has changed."""

    def on_timer(self, desk: Desk, tag: str) -> None:
        """A timer set with ``desk.timer`` is due."""

    def on_session(self, desk: Desk, session: SessionState) -> None:
        """Trading has become possible or impossible."""

    def on_parameters(self, desk: Desk) -> None:
        """A parameter was changed while running: ``self.parameters`` is new, and checked."""

    def on_stop(self, desk: Desk) -> None:
        """The run is being left; the gate is closed and our orders are being cancelled."""
