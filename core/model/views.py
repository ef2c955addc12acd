"""What may be seen from outside a machine: states, refusals and read-only views.

A strategy, a report or another machine's caller sees books, orders and positions through the
protocols here; the objects behind them belong to their machines and are changed only there.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from core.model.commands import OrderKind, TimeInForce
from core.model.errors import Misuse
from core.model.events import Side
from core.model.frozen import Frozen


class BookState(StrEnum):
    """The state of a book; only a ``LIVE`` book has prices."""

    EMPTY = "empty"
    BUFFERING = "buffering"
    """Changes are kept until a snapshot bridges them."""
    LIVE = "live"
    STALE = "stale"
    """It was live, until a gap, a contradiction or silence."""


class StaleBook(Misuse):
    """A price was read from a book that is not ``LIVE``; look at ``book.live`` first."""


class BookView(Protocol):
    """A book as a strategy sees it. Every price or size raises ``StaleBook`` unless ``live``."""

    @property
    def instrument(self) -> int: ...
    @property
    def state(self) -> BookState: ...
    @property
    def live(self) -> bool: ...
    @property
    def seq(self) -> int:
        """The venue's number of the newest update seen."""
        ...

    @property
    def bid_ticks(self) -> int: ...
    @property
    def bid_lots(self) -> int: ...
    @property
    def ask_ticks(self) -> int: ...
    @property
    def ask_lots(self) -> int: ...
    def levels(self, side: Side, depth: int) -> list[tuple[int, int]]:
        """Return up to ``depth`` levels ``(ticks, lots)``, best first."""
        ...


class OrderState(StrEnum):
    """How one of our orders stands, by what the venue has proved."""

    PENDING = "pending"
    """Sent, no answer yet."""
    UNKNOWN = "unknown"
    """The reply was lost: the order may be open at the venue or not, and keeps its exposure."""
    LIVE = "live"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"

    terminal: bool
    """Whether no more of it can be open; fills may still arrive, and are counted."""


# Kept in the members, as every look at an order asks: 5 ns instead of a property's 40.
for _state in OrderState:
    _state.terminal = _state in (
        OrderState.FILLED,
        OrderState.CANCELED,
        OrderState.REJECTED,
        OrderState.EXPIRED,
    )


class OrderView(Protocol):
    """One of our orders as a strategy sees it."""

    @property
    def instrument(self) -> int: ...
    @property
    def client_order_id(self) -> str: ...
    @property
    def venue_order_id(self) -> str: ...
    @property
    def side(self) -> Side: ...
    @property
    def kind(self) -> OrderKind: ...
    @property
    def tif(self) -> TimeInForce: ...
    @property
    def price_ticks(self) -> int: ...
    @property
    def size_lots(self) -> int: ...
    @property
    def filled_lots(self) -> int: ...
    @property
    def open_lots(self) -> int:
        """What may still trade: all that is not filled until the venue confirms otherwise, 0 once
        terminal.

        While an amend is under way it is that of the larger size.
        """
        ...

    @property
    def chain_filled_lots(self) -> int:
        """Filled lots of this order and of all orders in its chain of replaces."""
        ...

    @property
    def chain_open_lots(self) -> int:
        """Lots of the whole chain that may still trade.

        More than the newest order's own ``open_lots`` until the ones before are proved gone.
        """
        ...

    @property
    def state(self) -> OrderState: ...
    @property
    def sent_ns(self) -> int:
        """When we sent it; 0 for an order of an earlier boot that only the venue knew of."""
        ...

    @property
    def amend_ticks(self) -> int:
        """The price that an amend may have moved it to already, 0 while none is under way."""
        ...

    @property
    def cancelling(self) -> bool:
        """Whether a cancel, amend or cancel-replace of it is on its way."""
        ...


class PositionView(Protocol):
    """What a run has traded on one instrument, in exact integers."""

    @property
    def lots(self) -> int:
        """Bought minus sold since the start of the run."""
        ...

    @property
    def bought_lots(self) -> int: ...
    @property
    def sold_lots(self) -> int: ...
    def pnl(self, mark_ticks: int) -> int:
        """Return PnL without fees, in value units of the contract, marked at ``mark_ticks``."""
        ...


class ExposureView(Protocol):
    """What our orders on one instrument may still trade, worst case: unresolved ones in full."""

    @property
    def open_buy_lots(self) -> int: ...
    @property
    def open_sell_lots(self) -> int: ...
    @property
    def open_orders(self) -> int: ...
    def highest_buy_ticks(self) -> int:
        """Return the best price of our open buys, 0 when there is none."""
        ...

    def lowest_sell_ticks(self) -> int:
        """Return the best price of our open sells, 0 when there is none."""
        ...


class RefusalReason(StrEnum):
    """Why a command did not leave."""

    NOT_TRADING = "not_trading"
    """The gate is closed: starting, reconciling, halted or leaving."""
    HALTED = "halted"
    BOOK_NOT_LIVE = "book_not_live"
    BOOK_TOO_OLD = "book_too_old"
    VENUE_FILTER = "venue_filter"
    ORDER_SIZE = "order_size"
    ORDER_NOTIONAL = "order_notional"
    POSITION = "position"
    OPEN_ORDERS = "open_orders"
    PRICE_COLLAR = "price_collar"
    ORDER_RATE = "order_rate"
    REJECT_RATE = "reject_rate"
    SELF_MATCH = "self_match"
    BACK_OFF = "back_off"
    """The venue has just refused an order on this side; it is tried again after a while."""
    DAILY_LOSS = "daily_loss"
    NOT_VALUED = "not_valued"
    """What the day has lost is not known: something held or paid has no price."""
    TOTAL = "total"
    """All symbols together would hold more than is allowed in their quote asset."""
    VENUE_LIMIT = "venue_limit"
    """The venue's own budget leaves no token for it."""
    NO_CONNECTION = "no_connection"
    """The connection that orders go over is down."""
    ORDER_NOT_OPEN = "order_not_open"
    ORDER_BUSY = "order_busy"
    """A change of the same order is on its way."""


class Refusal(Frozen, frozen=True):
    """A command that was not sent, and why."""

    reason: RefusalReason
    text: str
    side: Side | None = None
    """Which side of a quote it holds for; ``None`` for any other command."""


class SessionState(StrEnum):
    """Whether the strategy may trade, as told to ``on_session``."""

    STARTING = "starting"
    TRADING = "trading"
    INTERRUPTED = "interrupted"
    """A connection or its proof is lost; nothing can be placed until it is back."""
    HALTED = "halted"
    """A limit was hit; nothing will be placed any more in this run."""
    LEAVING = "leaving"
