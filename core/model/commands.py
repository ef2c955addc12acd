"""All we can ask for, one frozen Struct each.

A command is an intent in our own words; a venue's encoder turns it into a request. Commands that
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
    """How long an order stands: until cancelled, at once or not, all at once or not."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"


class Stream(StrEnum):
    """Public feeds a run can ask for."""

    TOP = "top"
    DEPTH = "depth"
    TRADES = "trades"


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


class Cancel(Riskless, frozen=True, gc=False):
    """Take one order out. ``venue_order_id`` is 0 as long as the venue told none."""

    instrument: int
    client_order_id: str
    venue_order_id: int


class Replace(Command, frozen=True):
    """Cancel-replace: take ``old`` out and, only if that succeeds, place ``new``."""

    old: Cancel
    new: Place


class Amend(Command, frozen=True, gc=False):
    """Make an order smaller where it stands, keeping its place in the queue.

    ``size_lots`` is the whole new size, filled part included.
    """

    instrument: int
    client_order_id: str
    venue_order_id: int
    size_lots: int


class CancelAll(Riskless, frozen=True, gc=False):
    """Take out every open order of the account on one instrument, others' included."""

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
    venue_order_id: int = 0


class FetchOpenOrders(Riskless, frozen=True, gc=False):
    """Ask for every open order of the account on one instrument."""

    instrument: int


NEWEST_TRADE = -2
"""Stands for a trade id: ask for the newest trade alone."""


class FetchTrades(Riskless, frozen=True, gc=False):
    """Ask for our own trades on one instrument from trade id ``from_trade_id`` on.

    A venue answers with a page; a full one means that there may be more. ``NEWEST_TRADE`` asks
    for the newest trade alone.
    """

    instrument: int
    from_trade_id: int


class FetchOrderTrades(Riskless, frozen=True, gc=False):
    """Ask for our own trades of one order, from trade id ``from_trade_id`` on, a page at a time."""

    instrument: int
    venue_order_id: int
    from_trade_id: int = 0


class FetchOrders(Riskless, frozen=True, gc=False):
    """Ask for the account's orders on one instrument, finished ones too, from a number on.

    A venue answers with a page; a full one means that there may be more.
    """

    instrument: int
    from_order_id: int


class FetchAccount(Riskless, frozen=True, gc=False):
    """Ask for the account's balances and permissions."""


class FetchBook(Riskless, frozen=True, gc=False):
    """Ask for a snapshot of one instrument's book."""

    instrument: int


class FetchTops(Riskless, frozen=True, gc=False):
    """Ask for the best prices of some instruments at once, to hold them against their books."""

    instruments: tuple[int, ...]


class FetchPrice(Riskless, frozen=True, gc=False):
    """Ask for the last price of a symbol, of this run or not."""

    symbol: str


class FetchInstruments(Riskless, frozen=True, gc=False):
    """Ask for the rules of the instruments of this run.

    ``also`` are symbols that it does not trade, and has to be able to cancel on.
    """

    also: tuple[str, ...] = ()


class FetchTime(Riskless, frozen=True, gc=False):
    """Ask for the venue's clock."""


# -- sessions --------------------------------------------------------------------------------


class Logon(Riskless, frozen=True, gc=False):
    """Authenticate the connection it is sent on."""


class SubscribeMarket(Riskless, frozen=True, gc=False):
    """Subscribe to public feeds of every instrument of this run.

    ``streams`` are those that one message can ask for; () is every feed of the run.
    """

    streams: tuple[Stream, ...] = ()


class SubscribePrivate(Riskless, frozen=True, gc=False):
    """Subscribe to the account's own events on the connection it is sent on."""


class Ping(Riskless, frozen=True, gc=False):
    """Ask for a sign of life on the connection it is sent on, where the venue wants to be asked."""


class UnsubscribeBook(Riskless, frozen=True, gc=False):
    """End the changes of one instrument's book, so that they can begin anew with a snapshot."""

    instrument: int


class SubscribeBook(Riskless, frozen=True, gc=False):
    """Subscribe to the changes of one instrument's book, which begin with a snapshot."""

    instrument: int
