"""All commands, one frozen Struct each.

A command is an intent in our own terms; a venue's encoder turns it into a request. Commands that
create risk (``Place``, ``Replace``, ``Amend``) leave only inside an ``Approved``, which nothing but
``core.state.risk`` makes. What a command does to our own tables is decided by the machines.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from core.model.events import Side


class OrderKind(StrEnum):
    """How an order meets the book."""

    LIMIT = "limit"
    POST_ONLY = "post_only"
    """A limit order that is refused instead of trading at once."""
    MARKET = "market"


class TimeInForce(StrEnum):
    """Time in force: until cancelled, immediate or cancel, fill or kill, or for the venue's day."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    DAY = "day"


class Stream(StrEnum):
    """Public feeds a run can subscribe to; the values are those of the configuration."""

    BBO = "top"
    DEPTH = "depth"
    TRADES = "trades"
    ORDERS = "orders"
    """Every order of the book by itself, where the venue tells them."""


class Command(Struct, frozen=True):
    """Root of all commands."""


class Riskless(Command, frozen=True, gc=False):
    """Root of all commands that cannot create risk: they leave without an ``Approved``."""


# -- orders ----------------------------------------------------------------------------------


class Place(Command, frozen=True, gc=False):
    """A new order. ``price_ticks`` is 0 for a market order."""

    instrument: int
    client_order_id: str
    side: Side
    kind: OrderKind
    tif: TimeInForce
    price_ticks: int
    lots: int


class PlaceMany(Command, frozen=True):
    """New orders on one instrument in one request; the venue takes or refuses each by itself."""

    instrument: int
    places: tuple[Place, ...]


class Cancel(Riskless, frozen=True, gc=False):
    """Cancel one order. ``venue_order_id`` is "" until the venue has told one."""

    instrument: int
    client_order_id: str
    venue_order_id: str


class CancelMany(Riskless, frozen=True):
    """Cancel several orders on one instrument in one request."""

    instrument: int
    cancels: tuple[Cancel, ...]


class Replace(Command, frozen=True):
    """Cancel-replace: cancel ``old`` and, only if that succeeds, place ``new``."""

    old: Cancel
    new: Place


class Amend(Command, frozen=True, gc=False):
    """Change an order where it stands; it keeps its ids.

    ``size_lots`` is the whole new size, filled part included. Without ``price_ticks`` the order is
    only made smaller, and keeps its place in the queue. With it price and size both change, and the
    order goes to the end of the queue; with ``post_only`` the venue refuses it instead of trading
    at once.
    """

    instrument: int
    client_order_id: str
    venue_order_id: str
    size_lots: int
    price_ticks: int | None = None
    post_only: bool = False


class CancelAll(Riskless, frozen=True, gc=False):
    """Cancel every open order of the account on one instrument, others' included.

    ``NO_INSTRUMENT`` is all of them, on whatever instrument.
    """

    instrument: int


class TestPlace(Riskless, frozen=True, gc=False):
    """Have the venue judge a new order without placing it; ``hotloop check`` asks so."""

    __test__ = False  # of ours, not pytest's

    place: Place


# -- questions -------------------------------------------------------------------------------


class QueryOrder(Riskless, frozen=True, gc=False):
    """Ask how one order stands; by the venue's own id where it is known, which is the surer way.

    A venue may give a cancelled order another client order id, and then knows it no more by ours.
    """

    instrument: int
    client_order_id: str
    venue_order_id: str = ""


class FetchOpenOrders(Riskless, frozen=True, gc=False):
    """Request every open order of the account on one instrument, ``NO_INSTRUMENT`` for all.

    Of one alone only where a venue has such lists (``Capabilities.lists``).
    """

    instrument: int


class Since(Struct, frozen=True, gc=False):
    """A place in an instrument's history of trades: right behind one that is accounted for.

    A venue whose numbers rise goes on behind ``rank``, any other from ``venue_ns`` on: what stands
    at that very time is told again, and is told from what is new by its id. ``trade_id`` is the
    trade that the place lies behind, which need not be told; "" where none is known.
    """

    trade_id: str
    rank: int
    venue_ns: int

    def with_it(self) -> Since:
        """Return the place right before that trade, so that it is told."""
        return Since("", self.rank - 1, self.venue_ns)


BEGINNING = Since("", -1, 0)
"""Before the first trade of all."""


class FetchTrades(Riskless, frozen=True, gc=False):
    """Request the account's own trades on one instrument, in any order; ``None``: the newest alone.

    ``NO_INSTRUMENT`` requests those on every instrument of the run, and only where a history is the
    account's (``Capabilities.history``): the newest are then those of one page.

    A venue answers with a page, and says with ``Reply.more`` how to request the next one. No trade
    may be missed that was there when the first page was requested, whatever trades meanwhile.
    """

    instrument: int
    since: Since | None
    page: str = ""


class FetchOrderTrades(Riskless, frozen=True, gc=False):
    """Request our own trades of one order, a page at a time."""

    instrument: int
    venue_order_id: str
    page: str = ""


class FetchOrders(Riskless, frozen=True, gc=False):
    """Request the account's orders on one instrument, finished ones too, from one on, by pages.

    Only asked where a venue's ids rise (``Capabilities.rising_ids``): they come in ascending order.
    """

    instrument: int
    first_order_id: str
    page: str = ""


class FetchAccount(Riskless, frozen=True, gc=False):
    """Request the account's balances and permissions."""


class FetchPositions(Riskless, frozen=True, gc=False):
    """Request the account's positions in what is not delivered; answered with a ``PositionReport``.

    Only asked where those are the truth (``Truth.POSITIONS``).
    """


class FetchBook(Riskless, frozen=True, gc=False):
    """Request a snapshot of one instrument's book."""

    instrument: int


class FetchBbos(Riskless, frozen=True, gc=False):
    """Request the best prices of some instruments at once, to hold them against their books."""

    instruments: tuple[int, ...]


class FetchPrice(Riskless, frozen=True, gc=False):
    """Request the last price of a symbol, of this run or not."""

    symbol: str


class FetchInstruments(Riskless, frozen=True, gc=False):
    """Request the rules of the instruments of this run.

    ``also`` are symbols that it does not trade, and has to be able to cancel on; ``only`` are those
    that are requested where that is not all of them. What a venue has no more its answer lacks, or
    it refuses the whole.
    """

    also: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    def of(self, symbols: tuple[str, ...]) -> tuple[str, ...]:
        """Return what is requested in a run of these symbols, in its order."""
        return self.only or (*symbols, *self.also)


class FetchTime(Riskless, frozen=True, gc=False):
    """Request the venue's clock."""


# -- sessions --------------------------------------------------------------------------------


class Logon(Riskless, frozen=True, gc=False):
    """Authenticate the connection it is sent on."""


class Logout(Riskless, frozen=True, gc=False):
    """End the session of the connection it is sent on, where a venue wants to be told."""


class SubscribeMarket(Riskless, frozen=True, gc=False):
    """Subscribe to public feeds of every instrument of this run.

    ``streams`` are those that one message can request; () is every feed of the run.
    """

    streams: tuple[Stream, ...] = ()


class SubscribeStatus(Riskless, frozen=True, gc=False):
    """Subscribe to what the venue allows on each instrument, where it tells of changes at once."""


class SubscribePrivate(Riskless, frozen=True, gc=False):
    """Subscribe to the account's own events on the connection it is sent on.

    ``channel`` is the one of them that one message can request, in the venue's words; "" is all.
    """

    channel: str = ""


class Ping(Riskless, frozen=True, gc=False):
    """Request a sign of life on the connection it is sent on, where the venue wants to be asked."""


class SetDeadMan(Riskless, frozen=True, gc=False):
    """Have the venue take our orders out unless it hears this again within ``timeout_ns``; 0 stops
    that.
    """

    timeout_ns: int


class UnsubscribeBook(Riskless, frozen=True, gc=False):
    """End the changes of one instrument's book, so that they can begin anew with a snapshot."""

    instrument: int


class SubscribeBook(Riskless, frozen=True, gc=False):
    """Subscribe to the changes of one instrument's book, which begin with a snapshot."""

    instrument: int
