"""What a world needs to know of the venue that it simulates.

Here lives what differs from venue to venue for whoever surrounds a run: how the built-in exchange
is opened, what its messages and our requests say in words that all venues share, how it refuses,
and which faults and settings it has none of. What a world does with that lives in the rings, the
faults and the auditor's watches, which name no venue. It is written from the venue's documentation:
nothing of our own code for a venue is asked.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from core.model.venue import Credentials
from venues.sim.accounts import Account
from venues.sim.symbols import Symbol
from venues.sim.venue import AnyVenue, Session

if TYPE_CHECKING:
    from tools.world.auditor import Auditor

MARKET: Final = 0
TRADE: Final = 1
"""The connections of a run, by their place: each venue here has one of either kind."""


class Sent(NamedTuple):
    """An order on its way to the exchange; price and size in units of 1e-8."""

    client_id: str
    symbol: str
    buy: bool
    kind: str
    """LIMIT, LIMIT_MAKER for one that only makes, or MARKET."""
    tif: str
    """GTC, IOC or FOK of a LIMIT, "" of any other."""
    price: int
    size: int
    replaces: str
    """Name or number of the order it replaces, "" where it is a new one."""


PLACE: Final = "p"
REPLACE: Final = "r"
CANCEL: Final = "c"
AMEND: Final = "a"
QUERY: Final = "q"
DEAD_MAN: Final = "d"
"""What sets or stops the venue's timer."""
OTHER: Final = "o"

PLACING: Final = frozenset({PLACE, REPLACE})


class Request(NamedTuple):
    """What our side asks for over the private connection."""

    kind: str
    """Of those above."""
    id: str
    """By which its reply names it."""
    method: str
    """The venue's word for it."""
    values: Mapping[str, Any]
    orders: tuple[Sent, ...] = ()
    """The orders that it places."""
    client_id: str = ""
    """The name of the order that it is about, "" where it names none."""
    number: str = ""
    """The venue's id of that order, "" where it names none."""


class Reported(NamedTuple):
    """What a private message tells of an order; all of it may be spoiled."""

    client_id: str
    symbol: str = ""
    buy: bool | None = None
    price: int = 0
    """In units of 1e-8, 0 where it tells none, or none that can be read."""
    number: int = 0
    """The venue's number of it, 0 where its ids are no numbers."""


class Refusal(NamedTuple):
    """How the exchange says no to a request."""

    request_id: str
    reason: str
    """By which refusals are counted."""
    must: bool
    """Whether its repetition has to halt the symbol: the order itself was wrong."""


class BboKeys(NamedTuple):
    """The best prices in a message, by the names of its fields."""

    bid: str
    bid_size: str
    ask: str
    ask_size: str


class Dialect(ABC):
    """One venue's answers."""

    name: str

    # -- the exchange, and who is on it --------------------------------------------------------

    usual: tuple[Symbol, ...]
    """The symbols that a world chooses from."""
    triangle: tuple[Symbol, ...]
    """Three pairs of three assets."""
    default_symbol: str
    max_order: Mapping[str, str]
    """The size of the largest order, by symbol."""
    losses: Mapping[str, tuple[int, int]]
    """What a day may cost, by quote asset in units of 1e-8: little, or more than is ever lost."""
    default_balances: Mapping[str, int]
    tells_spent: bool = True
    """Whether answers tell how much of its limits our side has used."""
    tells_balances: bool = True
    """Whether our side is told of each change of what is free."""
    cut_off: Mapping[str, int] = {}
    """By how much less an answer may tell than there is, in units of 1e-8 by asset."""
    secret: str
    api_key: str
    rest_prices: tuple[str, ...]
    """How paths end at which prices of markets that are quiet are asked for."""
    connections: tuple[str, str]
    places: tuple[str, str]
    """What the venue calls the endpoint of each connection."""
    """Paths of the market connection and the private one."""
    orders_path: str = ""
    """Where the market is told order by order, "" where it is not."""

    lacks: Mapping[str, str]
    """Faults that cannot exist at this venue, and why."""
    unbreakable: Mapping[str, str]
    """Rules that cannot be broken at this venue, and why, by canary."""
    acts_lacking: frozenset[str] = frozenset()
    """What others on an account cannot do here: payment, lock, allocation, list."""
    settings_lacking: Mapping[str, str]
    """Settings that worlds of this venue do not have, and why."""

    @abstractmethod
    def open(
        self, now_ns: int, seed: int, symbols: tuple[Symbol, ...] | None, rate: float
    ) -> AnyVenue:
        """Open an exchange."""

    @abstractmethod
    def watched(self, now_ns: int, seed: int, symbols: tuple[Symbol, ...]) -> Any:
        """Open an exchange that tells an auditor what it does."""

    @abstractmethod
    def add_key(self, venue: AnyVenue, account: Account, *, logs_on: bool) -> None:
        """Give an account the key of our side."""

    @abstractmethod
    def keys(self, *, logs_on: bool) -> Credentials:
        """Return what our side signs with."""

    @abstractmethod
    def secrets(self, venue: AnyVenue) -> Sequence[bytes]:
        """Return what must be in no journal and no log: keys and whatever was given since."""

    @abstractmethod
    def marker(self, scope: str) -> str:
        """Return what every client order id of a scope begins with."""

    def attend(  # noqa: B027 - most venues have nothing of the kind
        self, auditor: Auditor, venue: AnyVenue, account: Account
    ) -> None:
        """Have the auditor hear what this venue alone has to be obeyed in."""

    def was_ahead(self, venue: AnyVenue, ahead_ns: int) -> None:  # noqa: B027 - as above
        """The clock of our process was so far ahead of the exchange's when it signed last."""

    def order_key(self, symbol: str, market: int, number: int) -> tuple[str, str]:
        """Return what requests name an order by: a symbol, where that is needed, and an id.

        ``market`` is its market's place among all, from 1.
        """
        return symbol, str(number)

    def fill_name(self, market: int, number: int, *, bought: bool) -> str:
        """Return what our side knows its side of a trade by."""
        return str(number)

    @abstractmethod
    def is_private(self, target: str) -> bool:
        """Whether a WebSocket of that path takes orders."""

    def control(self, session: Session, now_ns: int) -> None:
        """Have the exchange count a ping or pong. Raises ``TooManyMessagesError``."""
        session.control(now_ns)

    @abstractmethod
    def weigh(self, auditor: Auditor, venue: AnyVenue, ip: str) -> None:
        """Tell the auditor what the exchange counts of our requests, where it tells that."""

    # -- what our side says --------------------------------------------------------------------

    @abstractmethod
    def asks(self, payload: bytes) -> str:
        """Return the kind of a request, without reading all of it."""

    @abstractmethod
    def request(self, payload: bytes) -> Request:
        """Read a request of the private connection."""

    @abstractmethod
    def request_name(self, payload: bytes) -> bytes:
        """Return what tells a request from all others, as it leaves and as the journal has it."""

    @abstractmethod
    def request_id(self, payload: bytes) -> str:
        """Return the id by which a request's reply names it."""

    @abstractmethod
    def is_request(self, payload: bytes) -> bool:
        """Whether a message of ours is a request at all."""

    @abstractmethod
    def rest_kind(self, path: str) -> str:
        """Return what a path asks for: depth, openOrders, myTrades, order, account, exchangeInfo,
        time, bookTicker or what the venue has besides.
        """

    @abstractmethod
    def listed_symbol(self, query: str) -> str:
        """Return the symbol that a question is about, "" where it is about all."""

    # -- what the exchange says ----------------------------------------------------------------

    @abstractmethod
    def kind_of(self, connection: int, payload: bytes) -> str:
        """Return what kind of message the exchange sends, for faults to choose by."""

    @abstractmethod
    def reply_id(self, payload: bytes) -> str:
        """Return the id of the request that a private message answers, "" where it answers none."""

    @abstractmethod
    def reply_mark(self, payload: bytes) -> bytes:
        """Return what the reply to a request has in it, and no other message."""

    @abstractmethod
    def refused_for_limits(self, payload: bytes) -> bool:
        """Whether a reply refuses because our side asked for too much, or is banned."""

    @abstractmethod
    def throttled(self, payload: bytes) -> bool:
        """Whether a reply tells our side to be slower."""

    @abstractmethod
    def cancel_throttled(self, payload: bytes) -> bool:
        """Whether it tells so in answer to a cancel."""

    @abstractmethod
    def banned_ns(self, payload: bytes) -> int | None:
        """Return until when a reply bans our side by the venue's clock, 0 where it does not say,
        ``None`` where it does not ban.
        """

    @abstractmethod
    def subscribed(self, payload: bytes) -> bool:
        """Whether a reply says that our orders are told from now on."""

    @abstractmethod
    def time_refused(self, payload: bytes) -> bool:
        """Whether a reply refuses because of our time."""

    @abstractmethod
    def refusal(self, payload: bytes) -> Refusal | None:
        """Return what a reply refuses, ``None`` where it refuses nothing."""

    @abstractmethod
    def insufficient(self, payload: bytes) -> bool:
        """Whether a reply says that the account has too little."""

    @abstractmethod
    def reported(self, payload: bytes) -> list[Reported]:
        """Return what a private message tells of orders, as far as it can be read."""

    @abstractmethod
    def dated(self, payload: bytes) -> tuple[str, int] | None:
        """Return the symbol and the venue's time in ns of a change of depth."""

    @abstractmethod
    def snapshot_of(self, payload: bytes) -> str:
        """Return the symbol whose whole book a message of the market connection is, "" for none."""

    def listed(self, status: int, body: bytes) -> bool:
        """Whether a REST answer tells what was asked for."""
        return status == 200

    # -- what faults make of it ----------------------------------------------------------------

    numbered: bool
    """Whether changes of books and best prices have numbers that count upwards."""
    bbo: BboKeys
    lies: tuple[str, ...]
    """Numbers that are none, as they are written here."""
    may_be_negative: frozenset[str]
    """Fields in which a number below zero is one: a rebate."""
    needed: Mapping[str, tuple[str, ...]]
    """Fields that cannot be missing, by kind of message."""
    bombs: tuple[bytes, ...]
    """Messages that want more than they are."""
    unknown_public: bytes
    """A message of the market connection of a kind that nobody knows."""
    flood: bytes
    """Such a one, of a hundred bytes."""
    unknown_private: bytes
    stream_ended: bytes = b""
    """What says that our orders are told no more, b"" where nothing does."""
    look_again: bytes = b""
    """What has our side ask for the instruments early, b"" where nothing does."""
    logged_out: bytes
    """What says that the session counts no more."""
    paths: Mapping[str, str]
    """REST paths by what they ask for."""
    methods: Mapping[str, str]
    """What the exchange's switchboard calls placing, cancelling and so on."""
    questions: tuple[str, ...]
    """What it calls the questions that a replica may answer."""
    no_html: tuple[bytes, bytes]
    """Two errors over REST: what has no error's status, and what has one."""
    forbidden: tuple[Any, ...]
    """Refusals for good: see ``say_no``."""
    errors: tuple[Any, ...]
    """Refusals that prove nothing."""
    too_many: Any
    calls_limit: str = ""
    """What our side calls the limit that questions over REST are refused for, "" for all limits."""
    orders_spent: Any
    orders_limit: str
    """What our side calls the limit that is spent then."""
    closed: Any
    filter: Any
    """A refusal whose repetition has to halt the symbol."""
    banned: Any
    proof_more_s: float = 0.0
    """How much longer it may take to come to rest, and to leave: where questions are few, each of
    many doubts waits."""
    silent_s: float
    """After which a silent connection has been noticed for sure."""
    noticed_s: float
    """No connection is dropped for its silence before."""

    @abstractmethod
    def decode(self, payload: bytes) -> Any:
        """Read a message so that ``encode`` writes it as it was."""

    @abstractmethod
    def encode(self, body: Any) -> bytes: ...

    @abstractmethod
    def entry(self, body: Any) -> dict[str, Any] | None:
        """Return the part of a message that tells of something, ``None`` where there is none."""

    @abstractmethod
    def text(self, value: Any) -> str:
        """Return a number of a message as text."""

    @abstractmethod
    def number(self, text: str) -> Any:
        """Return text as a number of a message."""

    @abstractmethod
    def is_number(self, value: Any) -> bool:
        """Whether a value of a message is a number that may be lied about."""

    @abstractmethod
    def symbol(self, body: Any) -> str:
        """Return the symbol that a message of the market connection is about."""

    @abstractmethod
    def misdate(self, payload: bytes, by_ms: int) -> bytes:
        """Return a message with its time set off by so much."""

    @abstractmethod
    def date(self, body: Any, at_ms: int) -> None:
        """Have a change of depth tell a time of its own, in ms since the epoch."""

    @abstractmethod
    def time_ms(self, body: Any) -> int:
        """Return the time that a change of depth tells, in ms since the epoch."""

    @abstractmethod
    def report_name(self, body: Any) -> str:
        """Return the client order id that a report is about, "" where it names none."""

    @abstractmethod
    def make_unknown(self, body: Any) -> None:
        """Have a report say a word that is outside its closed set."""

    @abstractmethod
    def contradict(self, body: Any, *, side: bool, price: int) -> bool:
        """Have a report tell the other side, or a price in units of 1e-8; whether it could."""

    @abstractmethod
    def trade_id(self, body: Any) -> str:
        """Return the id under which our side books the trade that a report tells."""

    @abstractmethod
    def refuses(self, payload: bytes, refusal: Any, venue_ns: int, until_ns: int) -> bytes:
        """Return the reply that refuses a request like one of those above.

        ``until_ns`` is when to come back, by the venue's clock, where it says so; else 0.
        """

    @abstractmethod
    def words(self, refusal: Any) -> str:
        """Return the text of such a refusal."""

    @abstractmethod
    def rest_refused(self, status: int, body: bytes) -> str:
        """Return how a REST answer refuses for its limits: throttled, banned, or ""."""

    @abstractmethod
    def throttled_rest(self) -> tuple[int, bytes]:
        """Return status and body of an answer that tells to be slower."""

    @abstractmethod
    def with_more(self, body: bytes, asset: str, more: int) -> bytes:
        """Return an account's answer in which there is more of an asset, in units of 1e-8."""

    @abstractmethod
    def with_grid(self, body: bytes, symbol: str, *, tick: bool, factor: int) -> bytes:
        """Return a list of instruments in which one symbol's tick or lot is coarser."""

    @abstractmethod
    def place_elsewhere(
        self, venue: AnyVenue, symbol: str, buy: bool, price: int, size: int, now_ns: int
    ) -> bool:
        """Have somebody else on our account place a limit order; whether it was taken."""
