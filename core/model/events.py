"""All that can happen to us, one frozen Struct each.

An event is what a venue tells, in our own terms: integer ticks and lots, instrument indices,
nanoseconds. A venue's decoder makes events from wire messages; the machines apply them. Nothing
here decides anything, and nothing here knows how a venue spells a field.

Order events are written so that a fold over them cannot depend on their order or number: filled
sizes are cumulative, and every fill carries the venue's own trade id.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import NamedTuple

from msgspec import Struct

from core.model.instrument import Instrument, Trading

NO_INSTRUMENT = -1
"""Index of an instrument that is not in our table: somebody else's order, an unwatched symbol."""


class Side(IntEnum):
    """Side of an order or of an aggressor; the value is the sign of the position it makes."""

    BUY = 1
    SELL = -1


class Event(Struct, frozen=True, gc=False):
    """Root of all events."""


# -- market data -----------------------------------------------------------------------------


Levels = list[tuple[int, int]]
"""Price levels of one side: price in ticks, size in lots."""


class Bbo(Event, frozen=True, gc=False):
    """An image of the best bid and ask as of book update ``seq``. Size 0: that side is empty.

    Where changes of the book are told as well it counts the same updates as they do; a venue whose
    best prices are numbered otherwise tells none beside changes.

    ``rounded`` where a price lies between two ticks, and stands here as the next worse one.
    """

    instrument: int
    seq: int
    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int
    rounded: bool = False


class BookDelta(Event, frozen=True):
    """New absolute sizes for book updates ``first_seq..last_seq``, in their order; 0 deletes.

    A venue that names the update before a change tells a ``first_seq`` one above it; one that
    numbers nothing tells 0. ``checksum`` is that of the levels which the change leaves behind.
    """

    instrument: int
    first_seq: int
    last_seq: int
    bids: Levels
    asks: Levels
    venue_ns: int
    checksum: int | None = None


class BookSnapshot(Event, frozen=True):
    """The levels of a book as of update ``seq``, in any order; 0 where nothing is numbered."""

    instrument: int
    seq: int
    bids: Levels
    asks: Levels
    bids_cut: bool = False
    """Whether there may be worse levels than these, of which the feed will not tell: as many came
    as were requested."""
    asks_cut: bool = False
    checksum: int | None = None


NOT_NUMBERED = -1
"""The ``seq`` of best prices that an answer tells: only the feed's are numbered."""


class BbosReport(Event, frozen=True):
    """The best prices as the venue answers them: what a silent book is held against."""

    bbos: tuple[Bbo, ...]
    sized: bool = True
    """Whether sizes are told as exactly as the books have them; else prices alone can be held."""


Queued = tuple[str, int, int, int]
"""One order of a book: the venue's id of it, its price in ticks, its size in lots, of which 0 says
that it is gone, and the time since which it stands where it does."""

Queues = list[tuple[int, list[int]]]
"""Levels of a side, best first: price, and the sizes of its orders, first come first."""


class QueueSnapshot(Event, frozen=True, gc=False):
    """All orders of a book, as far down as they are told; ``checksum`` is of the best of them."""

    instrument: int
    bids: list[Queued]
    asks: list[Queued]
    checksum: int


class QueueDelta(Event, frozen=True, gc=False):
    """Orders of a book that are new, changed or gone; ``checksum`` is of what stands after them."""

    instrument: int
    bids: list[Queued]
    asks: list[Queued]
    venue_ns: int
    checksum: int


class MarketTrade(Event, frozen=True, gc=False):
    """Somebody's trade. ``venue_ns`` is the venue's time of the trade.

    ``trade_id`` is the venue's own text, unique for an instrument; "" where it names none.
    """

    instrument: int
    trade_id: str
    price_ticks: int
    lots: int
    aggressor: Side
    venue_ns: int


# -- our orders ------------------------------------------------------------------------------


class ExecType(StrEnum):
    """What an order report says happened. Only ``TRADE`` is a fill; the set is closed."""

    NEW = "new"
    TRADE = "trade"
    CANCELED = "canceled"
    REPLACED = "replaced"
    REJECTED = "rejected"
    EXPIRED = "expired"
    PREVENTED = "prevented"
    """Self-trade prevention took size off the order, without a fill."""
    SNAPSHOT = "snapshot"
    """Nothing happened; a query tells how the order stands."""


class OrdStatus(StrEnum):
    """How the venue says an order stands."""

    PENDING = "pending"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"


class Source(StrEnum):
    """By which channel an order event came.

    Evidence that only ever grows is the same by all of them. An order whose price and size may be
    changed where it stands is told of by the first two in the order in which that happened; an
    answer to a question may lie behind.
    """

    STREAM = "stream"
    REPLY = "reply"
    QUERY = "query"
    RECONCILE = "reconcile"


class Fill(Struct, frozen=True, gc=False):
    """One execution of one of our orders; ``trade_id`` is unique per instrument and side.

    ``rank`` grows from trade to trade of an instrument: the venue's own number of it where those
    rise, else its time. It is the same by whichever channel the trade is told, and two trades of
    one moment may share it.
    """

    trade_id: str
    rank: int
    price_ticks: int
    lots: int
    fee_atoms: int
    fee_asset: str
    maker: bool
    venue_ns: int
    listed: bool = True
    """Whether a history of trades has it. What is in none is known by its id alone."""
    also: tuple[tuple[str, int], ...] = ()
    """Fees in other assets beside that one, in atoms: a venue may take a trade's from several."""


class OrderReport(Event, frozen=True, gc=False, kw_only=True):
    """The venue states the condition of one order.

    ``client_order_id`` is the id the order was placed with, even where the venue repeats the id
    of a later cancel or amend request; ``venue_order_id`` is "" where it states none.
    ``size_lots`` is the size it has now, ``filled_lots`` what was filled since it was placed.
    """

    instrument: int
    client_order_id: str
    venue_order_id: str
    source: Source
    exec_type: ExecType
    status: OrdStatus
    side: Side
    price_ticks: int
    size_lots: int
    filled_lots: int
    fills: tuple[Fill, ...] = ()
    reason: str = ""
    venue_ns: int = 0


class OrderUpdate(Event, frozen=True, gc=False, kw_only=True):
    """The venue states what has changed of one order, and leaves out what has not: ``None``.

    It names the order by its own id, by ours or by both. Where neither is known it is of an order
    of somebody else, or of one that has to be told of whole before.
    """

    venue_order_id: str
    exec_type: ExecType
    status: OrdStatus
    client_order_id: str = ""
    price_ticks: int | None = None
    size_lots: int | None = None
    filled_lots: int | None = None
    fills: tuple[Fill, ...] = ()
    reason: str = ""
    venue_ns: int = 0


class FillReport(Event, frozen=True, gc=False):
    """A fill found by requesting trades; the order is named by the venue's own order id."""

    instrument: int
    venue_order_id: str
    side: Side
    fill: Fill


class OffGridTrade(Event, frozen=True):
    """A trade of the account whose price or size the grid of today cannot express.

    It was made on a former grid, by whomever. Amounts are in atoms of the instrument's assets.
    """

    instrument: int
    venue_order_id: str
    trade_id: str
    rank: int
    side: Side
    base_atoms: int
    quote_atoms: int
    fee_atoms: int
    fee_asset: str
    venue_ns: int


class TradeElsewhere(Event, frozen=True):
    """Somebody traded on the account, on a symbol that this run does not watch.

    Amounts are as the venue writes them: what its assets are is not known here.
    """

    symbol: str
    side: Side
    size: str
    price: str
    venue_ns: int


class UnknownExecution(Event, frozen=True):
    """An order report that cannot be read: of a type outside the closed set, or off today's grid.

    It is never booked; where the order is ours, its instrument halts.
    """

    instrument: int
    client_order_id: str
    what: str
    venue_order_id: str = ""
    status: OrdStatus | None = None
    """How it stands, where only its price or its sizes cannot be read."""


class OrdersListed(Event, frozen=True):
    """Orders of the account on one instrument, finished ones too.

    What cannot be read stands among them: whose it is may matter all the same.
    """

    instrument: int
    reports: tuple[OrderReport | UnknownExecution, ...]


# -- the account -----------------------------------------------------------------------------


class Balance(Struct, frozen=True, gc=False):
    """One asset's free and locked amount, in atoms (``core.model.units.ASSET_DECIMALS``)."""

    asset: str
    free_atoms: int
    locked_atoms: int


class AccountReport(Event, frozen=True):
    """Balances as the venue states them; ``whole`` says that no asset is left out.

    ``can_trade`` is ``None`` where the message does not say.
    """

    balances: tuple[Balance, ...]
    whole: bool
    can_trade: bool | None
    venue_ns: int
    requested_ns: int = 0
    """When an answer was requested, by our clock; 0 where nobody asked."""


class PositionReport(Event, frozen=True):
    """All positions of the account in what is not delivered, as the venue states them.

    ``positions`` are instruments and lots, bought less sold; what is not named is held by nobody.
    """

    positions: tuple[tuple[int, int], ...]


class Funding(Event, frozen=True):
    """The account was paid for holding a position, below zero it has paid: no trade did that.

    ``atoms`` are of the asset that the instrument settles in, ``funding_id`` is unique for it.
    """

    instrument: int
    funding_id: str
    atoms: int
    venue_ns: int


class Settled(Event, frozen=True):
    """An instrument has expired: the venue has closed each position in it at a price.

    That is ``mantissa`` at ``decimals``, and may lie between two ticks; ``venue_ns`` is when.
    """

    instrument: int
    mantissa: int
    decimals: int
    venue_ns: int


class BalanceMoved(Event, frozen=True):
    """A deposit, withdrawal or transfer moved an asset by ``delta_atoms``; no trade did."""

    asset: str
    delta_atoms: int
    venue_ns: int


class BalanceLocked(Event, frozen=True):
    """Somebody outside trading has locked ``delta_atoms`` of an asset, as collateral for example.

    Below zero, so much was unlocked. A locked amount is not free, and still the account's.
    """

    asset: str
    delta_atoms: int
    venue_ns: int


class OpenOrders(Event, frozen=True):
    """Every order that is open at the venue, ours or not, as of one answer."""

    instrument: int
    """``NO_INSTRUMENT`` when the answer covers every symbol."""
    reports: tuple[OrderReport, ...]


# -- the venue -------------------------------------------------------------------------------


class InstrumentsReport(Event, frozen=True):
    """The venue's rules for the instruments that were requested, as of one answer.

    The first has all of the run's in their order, from index 0; later ones are known by symbol.
    """

    instruments: tuple[Instrument, ...]


class TradingStatus(Event, frozen=True):
    """What the venue as a whole, or on one instrument, allows from now on; ``text`` is its own word
    for it.

    An instrument that allows less than the whole keeps its own state.
    """

    trading: Trading
    text: str
    maintenance_near: bool = False
    """Whether the venue says that planned work on what trades is minutes away."""
    instrument: int = NO_INSTRUMENT
    """The one that it is about, where it is not the venue as a whole."""


class Rule(StrEnum):
    """How a venue counts against a limit."""

    FIXED = "fixed"
    """So many in each interval of the venue's clock: minutes begin on the minute."""
    SLIDING = "sliding"
    """So many in any interval, whenever it begins."""
    BUCKET = "bucket"
    """A counter that goes up with what is sent and comes down by one in each interval."""


class Scope(StrEnum):
    """Of what a venue counts one by one."""

    ACCOUNT = "account"
    INSTRUMENT = "instrument"
    CONNECTION = "connection"


FRAMES = "frames"
"""The kind of limit that each frame sent on a connection takes one of, control frames included."""


class Limit(Struct, frozen=True):
    """One of the venue's rate limits."""

    name: str
    """Its own name: a limit that keeps it keeps its count, and the venue tells its count by it."""
    kind: str
    """What it counts: a venue may state several limits of one kind."""
    amount: int
    interval_ns: int
    """In which ``amount`` may be taken; of a ``BUCKET``, in which it comes down by one."""
    rule: Rule = Rule.FIXED
    scope: Scope = Scope.ACCOUNT
    where: str = ""
    """The name of the connections it holds on, where it is one of ``CONNECTION``; "" is each."""
    unfilled: bool = False
    """Whether it counts orders that have not traded: one that does is taken off the count."""


Costs = tuple[tuple[str, int], ...]
"""What a command takes: kinds of limits, and tokens of each limit of that kind."""


class LimitsReport(Event, frozen=True):
    """The venue's rate limits as it states them now; they replace the published ones."""

    limits: tuple[Limit, ...]


class PriceTold(Event, frozen=True, gc=False):
    """The last price of a symbol, ``mantissa`` at ``decimals``; 0 where it has none."""

    symbol: str
    mantissa: int
    decimals: int


class VenueTime(Event, frozen=True, gc=False):
    """The venue's clock when it answered, to ``within_ns``: venues tell whole seconds, too."""

    venue_ns: int
    within_ns: int = 0


class Notice(StrEnum):
    """What a venue tells about a session."""

    SHUTDOWN = "shutdown"
    """The connection will be dropped soon: open another."""
    PRIVATE_ENDED = "private_ended"
    """The private stream has ended while the connection stays."""
    LOGGED_OUT = "logged_out"
    """The session's credentials are no longer accepted."""
    CLOCK_OFF = "clock_off"
    """The time a request carried is not the venue's: request its time before sending more."""


class SessionNotice(Event, frozen=True):
    """The venue tells something about the connection the message came on."""

    notice: Notice
    text: str = ""


class Numbered(Event, frozen=True, gc=False):
    """The number of a message on a channel of the account's own: each is one above the last.

    ``first`` begins a channel anew, with all there is. A missing number is a lost message.
    """

    channel: str
    seq: int
    first: bool


class Ignored(Event, frozen=True):
    """A legal message that we do not use; counted by its kind, never an error."""

    what: str


# -- replies ---------------------------------------------------------------------------------


class Verdict(StrEnum):
    """What an answer proves about the request it answers. Anything unlisted is ``UNKNOWN``."""

    DONE = "done"
    REFUSED = "refused"
    """The request was not accepted. Where it was a query, that says nothing of the order."""
    ABSENT = "absent"
    """Not accepted, because the venue knows no such order."""
    UNKNOWN = "unknown"
    """It may have been accepted or not; only a query can tell. Never sent again on its own."""
    OUT_OF_BUDGET = "out_of_budget"
    """Not accepted, because one of the limits that it costs is used up; what costs it nothing, and
    every cancel, goes on."""
    THROTTLED = "throttled"
    """Not accepted, because of a rate limit; a cool-down applies."""
    BANNED = "banned"
    """Not accepted, and nothing may be sent until the ban is over."""
    LOGGED_OUT = "logged_out"
    """Not accepted, because the session or the signature is not; log in again."""
    DISCARDED = "withheld"
    """The request was discarded before it left."""
    FATAL = "fatal"
    """Not accepted, and no repetition will help: key, permission or programme is wrong."""


class BudgetUse(Struct, frozen=True, gc=False):
    """The venue's own count against one of its limits."""

    name: str
    """As in the venue's ``Limit`` of the same name."""
    used: int
    instrument: int = NO_INSTRUMENT
    """Where that is one of ``INSTRUMENT``."""


class Counted(Event, frozen=True, gc=False):
    """The venue's own counts against its limits, told beside what it answers."""

    uses: tuple[BudgetUse, ...]


class ReplaceOutcome(Event, frozen=True, kw_only=True):
    """What the answer to a ``Replace`` proves about each of its halves.

    It is among the events of every such reply, beside the reports of the halves that were done. A
    half that was not attempted is ``REFUSED``.
    """

    cancel: Verdict
    place: Verdict
    cancel_code: str = ""
    cancel_text: str = ""
    place_code: str = ""
    place_text: str = ""


NO_REQUEST = 0
"""``request_id`` of an error that names no request: its verdict holds for the connection."""


def refusal_text(verdict: Verdict, code: str, text: str) -> str:
    """Return a venue's error for people, in its own words: what it calls it, and what it says of
    it. Where it named none, what the answer proves.
    """
    return f"{code} {text}" if code and text else code or text or verdict.value


class Outcome(NamedTuple):
    """What a reply proves of one order of several, with the venue's code and words."""

    verdict: Verdict
    code: str = ""
    text: str = ""


class BatchOutcome(Event, frozen=True):
    """What became of each order of a request for several, in the order of the request."""

    outcomes: tuple[Outcome, ...]


class Reply(Event, frozen=True, gc=False, kw_only=True):
    """The venue answered the request ``request_id``; ``events`` are what the answer proves.

    The verdict on a ``Replace`` is the one on its new order; see ``ReplaceOutcome``.

    ``retry_ns`` is the venue's time before which nothing may be sent again, 0 where it states
    none; ``said_ns`` is its time when it said so, 0 where it does not tell that. ``code`` and
    ``text`` are the venue's own error: what it calls it, a number or words, and what it says of it
    besides. Both are "" where it named none: nothing, or something in front of it, has refused.

    ``more`` is the page to request next where the answer goes on, in the venue's own words; "" says
    that this was all.

    A venue may name the order instead of the request: then ``request_id`` is ``NO_REQUEST``, and
    what is answered is the oldest change of the order ``client_order_id`` that is under way on the
    connection.
    """

    request_id: int
    verdict: Verdict
    code: str = ""
    text: str = ""
    retry_ns: int = 0
    said_ns: int = 0
    events: tuple[Event, ...] = ()
    budgets: tuple[BudgetUse, ...] = ()
    more: str = ""
    client_order_id: str = ""

    @property
    def words(self) -> str:
        """The venue's error for people; see ``refusal_text``."""
        return refusal_text(self.verdict, self.code, self.text)


def outcomes(reply: Reply, count: int) -> tuple[Outcome, ...]:
    """Return what a reply proves of each order of a request for so many.

    One that says that it is done, and not of each order what became of it, proves nothing.
    """
    for event in reply.events:
        if type(event) is BatchOutcome and len(event.outcomes) == count:
            return event.outcomes
    verdict = Verdict.UNKNOWN if reply.verdict is Verdict.DONE else reply.verdict
    return (Outcome(verdict, reply.code, reply.text),) * count
