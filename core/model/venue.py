"""The questions a venue answers.

A venue is a set of answers, not a subclass: where to connect, what to say first, how messages
read and are written, what every error code proves, what its limits are. Everything that venues
have in common (sessions, books, orders, budgets, recovery) lives once, in the machines.

An ``Adapter`` holds nothing but what it learned of the instruments: decoding and encoding are
functions of their arguments. A ``Signer`` holds the secret and lives in ``core/io`` only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from msgspec import Struct

from core.model.commands import (
    Cancel,
    Command,
    FetchOpenOrders,
    OrderKind,
    Place,
    Riskless,
    TimeInForce,
)
from core.model.commands import Stream as Stream
from core.model.conceal import conceal
from core.model.events import NO_INSTRUMENT, Costs, Event, Levels, Queues, Reply
from core.model.events import Limit as Limit
from core.model.events import Scope as Scope
from core.model.instrument import Instrument
from core.model.wire import Entropy, WireProtocol


class Environment(StrEnum):
    """Which of a venue's worlds a run connects to."""

    SIM = "sim"
    TESTNET = "testnet"
    LIVE = "live"


class KeyKind(StrEnum):
    """What a run's key allows it; of the key itself nothing but the signer and a scope is made."""

    NONE = "none"
    """There is no key: public data only, and nothing is ever placed."""
    SIGNS = "signs"
    """Every request is signed by itself."""
    LOGS_ON = "logs_on"
    """A connection is logged on once, and its requests need no signature."""


class SyncKind(StrEnum):
    """How a feed of changes proves that a book is whole."""

    REST_BRIDGED = "bridged"
    """Numbered changes, into which a snapshot requested by REST is bridged."""
    CHAINED = "chained"
    """A snapshot on the feed itself, and changes that each name the one before."""
    CHECKSUMMED = "checksummed"
    """A snapshot on the feed itself, and a checksum with each unnumbered change."""


class BookFeed(Struct, frozen=True, kw_only=True):
    """How the changes of one book are told."""

    sync: SyncKind
    depth: int = 0
    """Levels a side that are told of; 0: all."""
    checksum: Callable[[Levels, Levels], int] = lambda bids, asks: 0
    """Of the best levels of both sides, best first, at most ten of each."""
    queues: Callable[[Queues, Queues], int] | None = None
    """Where single orders are told: the same, of the orders in those levels."""


class Remedy(StrEnum):
    """What a refusal asks of us, beside what it proves."""

    PAUSE = "pause"
    """Ordinary weather: that side waits a little, and longer each time."""
    COUNT = "count"
    """It should not happen: too many of them are a loop, and halt the instrument."""
    HALT_INSTRUMENT = "halt_instrument"
    """No repetition will help on this instrument."""
    HALT = "halt"
    """No repetition will help at all: key, permission, account or programme is wrong."""


class Role(StrEnum):
    """What a connection is for. One may be for several, and several for one."""

    MARKET = "market"
    """It tells of markets."""
    ORDERS = "orders"
    """It takes orders, cancels, and questions about orders."""
    ACCOUNT = "account"
    """It tells what becomes of our orders and balances."""


class Keepalive(Struct, frozen=True):
    """What a venue has to hear on a connection now and then, whatever else is said on it."""

    every_ns: int
    command: Riskless


class Respond(Event, frozen=True):
    """A message wants an answer: the command, on the connection that it came on."""

    command: Riskless


class Connection(Struct, frozen=True, kw_only=True):
    """One connection to a venue, as the adapter declares it; named by its place in
    ``Adapter.connections``.
    """

    name: str
    url: str
    """Its scheme chooses the transport: ``ws`` and ``wss`` with path and query, whose HTTP upgrade
    is over before ``protocol`` hears anything; ``tcp`` and ``tls`` with host and port."""
    carries: frozenset[Role]
    symbols: tuple[str, ...] = ()
    """Whose markets it tells of, where it does: books fall with it. () is all of the run's."""
    silence_ns: int
    """Without a single byte for this long the connection counts as dead (half open)."""
    lifetime_ns: int
    """We reconnect by ourselves after this long, before the venue forces it; 0: it knows no age."""
    overlap: bool = True
    """Whether another may stand beside it: else it is closed before another is made."""
    protocol: Callable[[Entropy], WireProtocol]
    """Makes what each connection speaks."""
    dial_costs: Costs = ()
    """What a connection takes from the venue's limits, as ``Adapter.cost`` states it."""
    conceals: tuple[str, ...] = ()
    """Fields of what arrives on it, by their names in JSON, whose texts are secrets: masked before
    anything is recorded, and given to ``Signer.keep``."""
    keepalive: Keepalive | None = None
    """What is asked once the connection is ready, and again and again from then on."""

    @property
    def public(self) -> bool:
        """Whether it tells of markets."""
        return Role.MARKET in self.carries

    @property
    def private(self) -> bool:
        """Whether orders or the account's own events go over it: it needs a key."""
        return Role.ORDERS in self.carries or Role.ACCOUNT in self.carries

    def tells_of(self, symbol: str) -> bool:
        """Whether it tells of the market of this symbol."""
        return self.public and (not self.symbols or symbol in self.symbols)


class AmendKind(StrEnum):
    """How an order can be changed where it stands, with its ids.

    One that only becomes smaller keeps its place in the queue; at another price, or larger, it goes
    to the end of the queue there.
    """

    NONE = "none"
    SHRINK = "shrink"
    """It can be made smaller."""
    PRICE_AND_SIZE = "price_and_size"
    """It can have any other price and size."""


class DeadManKind(StrEnum):
    """What cancels orders at the venue once we are gone."""

    NONE = "none"
    DISCONNECT = "disconnect"
    """The loss of the connection they came on. What has not arrived by then never stands, or only
    for ``Capabilities.execution_ns``."""
    TIMER = "timer"
    """A timer that has not been set anew in time."""


class DeadMan(Struct, frozen=True, kw_only=True):
    """A venue's dead-man switch."""

    kind: DeadManKind = DeadManKind.NONE
    scope: Scope = Scope.ACCOUNT
    """Whose orders it cancels. One of ``ACCOUNT`` is not armed where others act on it too."""
    window_ns: int = 0
    """How long after our last word a ``TIMER`` cancels the orders."""
    renew_ns: int = 0
    """How often it is set anew: several times in the window, as a word may be lost."""


class Clock(StrEnum):
    """Whose clock dates what is sent, and what is told of it."""

    QUERIED = "asked"
    """The venue's, which answers a query for its time."""
    OURS = "ours"
    """Ours: the venue has no query for its time, so our clock has to be right."""


class Truth(StrEnum):
    """What our fills are reconciled with."""

    BALANCES = "balances"
    POSITIONS = "positions"


OrderKinds = frozenset[tuple[OrderKind, TimeInForce]]


class Capabilities(Struct, frozen=True, kw_only=True):
    """What a venue can do, for one run. Nothing else is requested from it."""

    streams: frozenset[Stream]
    orders: OrderKinds
    """Which orders it takes. Those at market are ``IOC``, and stand here so, whatever they say."""
    resting: TimeInForce = TimeInForce.GTC
    """What an order has that is to stay, where whoever places it does not say: ``GTC`` or
    ``DAY``.
    """
    amend: AmendKind
    replace: bool
    """Whether it can take one order out and place another in one request."""
    batch: int = 1
    """How many new orders on one instrument it takes in one request."""
    batch_cancel: int = 1
    """How many orders on one instrument it cancels in one request."""
    cancel_all: Scope | None = None
    """Of what it takes everybody's orders out in one request: of an instrument, or of the account;
    ``None`` where it has no such request.
    """
    test_place: bool
    """Whether it judges an order without placing it."""
    request_expiry_ns: int | None
    """For how long a request is valid once it has left, ``None`` for ever: then no query can prove
    that an order will never be accepted."""
    execution_ns: int
    """How long it may still execute a request that is no longer valid.

    Validity is checked when a request arrives; what waits behind that check is bounded by the
    venue's own timeout.
    """
    lag_ns: int
    """How far its answers to queries may lag behind what it has executed."""
    lists: Scope
    """The least that a list of open orders is of: one instrument, or the whole account. That it can
    be of the whole account is asked of every venue."""
    history: Scope
    """Of what the account's own trades are told: of one instrument, or of the whole account, and
    then by their time alone."""
    dead_man: DeadMan
    truth: Truth
    clock: Clock = Clock.QUERIED
    rising_ids: bool
    """Whether its ids of orders are whole numbers that rise from order to order of a symbol.

    Then a lower one says that they have begun anew, and orders can be requested from one on.
    """


class WireRequest(Struct, frozen=True, gc=False):
    """A message for a connection: ``body`` as the journal has it, so that nothing secret is ever in
    it.

    ``signing`` and ``cut`` are the venue's word to its own signer, and nobody else reads them: what
    has to be signed, say, and the offset at which key and signature go in, or that of a token.
    A request that needs nothing of its signer has neither.
    """

    connection: int
    body: bytes
    signing: bytes = b""
    cut: int = 0
    replies: int = 1
    """How many it is answered with: it is done with the last of them, or refused with any."""


class HttpRequest(Struct, frozen=True, gc=False):
    """A REST request as the journal has it: nothing secret is ever in it."""

    method: str
    path: str
    query: str = ""
    """Escaped already, as it is sent."""
    headers: Mapping[str, str] = {}
    """Those that say nothing secret: a content type, the time it was made at."""
    body: bytes = b""
    signed: bool = False
    """Whether the signer adds what proves who asks, when the request leaves."""
    cancels: bool = False
    """Whether it cancels orders: then it waits behind no question."""
    conceals: tuple[str, ...] = ()
    """Fields of its answer that are secrets, as ``Connection.conceals`` of what arrives there."""

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def leaving(self, signer: Signer | None, now_ns: int) -> Signed:
        """Return it as it leaves at ``now_ns``; without a signer nothing is proved."""
        if self.signed and signer is not None:
            return signer.rest(self, now_ns)
        return Signed(self.target, self.headers, self.body)

    def arriving(self, signer: Signer | None, answer: HttpAnswer) -> HttpAnswer:
        """Return its answer without the secrets in it, which the signer keeps.

        Of one that should hold a secret and cannot be read nothing is left.
        """
        if not self.signed or signer is None or not answer.status:
            return answer
        if self.conceals:
            answer = answer._replace(body=conceal(answer.body, self.conceals, signer.keep))
        return signer.take(self, answer)


class HttpAnswer(NamedTuple):
    """What came back for a REST request; status 0 where nothing did, and then the body says why."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


class Signed(Struct, frozen=True):
    """A REST request as it leaves: target, headers and body may hold secrets."""

    target: str
    headers: Mapping[str, str] = {}
    body: bytes = b""

    def __repr__(self) -> str:
        return "Signed(...)"


class Signer(Protocol):
    """Holds the secrets; made by ``Venue.signer``, never seen by the engine or the journal.

    It works where a request leaves and where an answer comes in, outside of what is replayed. So
    it may keep what only it may know: the number of its last request, a session's token.
    """

    @property
    def in_order(self) -> bool:
        """Whether the venue takes signed REST requests in the order they were signed in only.

        So it is where each carries a number that has to rise. They are then carried one after the
        other, those that cancel first.
        """
        ...

    def wire(self, request: WireRequest) -> bytes:
        """Return the body with the secrets in it, as the venue's encoder has marked it.

        On the way of every order: it costs what the venue's signature costs. A time, where one is
        signed, stands in ``request.signing``: it was the turn's.
        """
        ...

    def rest(self, request: HttpRequest, now_ns: int) -> Signed:
        """Return a signed request as it leaves, at once: ``now_ns`` is the time since the epoch."""
        ...

    def take(self, request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        """Return the answer to a signed request as it is to be read: declared secrets are masked
        in it already.

        What is returned goes into the journal, to the adapter and perhaps into an error. Raises
        nothing.
        """
        ...

    def keep(self, field: str, value: bytes) -> None:
        """Keep a secret that the venue has handed out, in a field that the adapter declares.

        It comes as it stands between its quotes, and may be of any text. Raises nothing.
        """
        ...


class Names(Protocol):
    """The client order ids of one scope and boot, as a venue takes them.

    No two are alike in any boot of the scope, in whichever run folder: the boot's seed tells those
    of one number apart. What was given is recognised by every later boot of the scope; an id of
    somebody else is taken for ours with a chance below one in 2^24.
    """

    def next(self, n: int) -> str:
        """Return this boot's id ``n``, from 1. Raises ``Misuse`` where there are no more."""
        ...

    def is_ours(self, client_order_id: str) -> bool:
        """Whether a boot of this scope gave it."""
        ...

    def is_of_this_boot(self, client_order_id: str) -> bool:
        """Whether this boot gave it."""
        ...


class Subscription(Struct, frozen=True, kw_only=True):
    """What a run subscribes to at a venue, and where."""

    symbols: tuple[str, ...]
    streams: tuple[Stream, ...]
    rest_url: str
    """Where what goes over HTTP goes."""
    urls: Mapping[str, str]
    """All addresses of the run, by the names of the venue's endpoints."""
    session_logon: bool
    """Whether the connection is logged on once (a key type that allows it) instead of signing
    every request."""
    request_expiry_ms: int


class Adapter(Protocol):
    """What a venue's adapter provides for one run: declarations, encoders and decoders."""

    @property
    def connections(self) -> Sequence[Connection]: ...
    @property
    def limits(self) -> Sequence[Limit]:
        """The venue's published limits; a ``LimitsReport`` renews them.

        Pings beyond one on the frames of a connection are answered with the newest one's pong.
        """
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What the venue can do."""
        ...

    def names(self, scope: str, boot: int, seed: int) -> Names:
        """Return the client order ids of a boot."""
        ...

    @property
    def tells_ns(self) -> int:
        """How long after it has acknowledged an order or a change of one a venue may take to tell
        what became of it, on another channel; 0 where the acknowledgement itself tells.
        """
        ...

    def learn(self, instruments: Sequence[Instrument]) -> None:
        """Take the instruments of this run; decoding and encoding use them from here on."""
        ...

    def book_feed(self, instrument: Instrument) -> BookFeed:
        """Return how the venue sends the book of an instrument."""
        ...

    def script(self, connection: int) -> Sequence[Riskless]:
        """Return what to send on a new connection; each command is sent once the one before is
        ``DONE``.
        """
        ...

    def farewell(self, connection: int) -> Sequence[Riskless]:
        """What to send on a connection before we close it in order, each once the last is answered.

        That is when the run is left and nothing of ours stands, and when another connection takes
        the place of this one by plan; () where closing says all.
        """
        ...

    def decode(self, connection: int, payload: bytes, events: list[Event]) -> None:
        """Append the events of one message. Raises ``Malformed`` or ``Drifted``, nothing else."""
        ...

    def encode(self, command: Command, request_id: int, venue_ns: int) -> WireRequest | HttpRequest:
        """Return the request for a command; ``venue_ns`` is the venue's time it is sent at."""
        ...

    def symbol_of(self, base: str, quote: str) -> str:
        """Return what the venue calls the pair of two assets, if it has it."""
        ...

    def placed(self, request: bytes) -> tuple[Place, ...]:
        """Return the new orders in a recorded request, none for any other request.

        After a crash it alone names the orders that were sent since the last note. Where the grid
        was finer then, its size is rounded up, and its price down.
        """
        ...

    def encode_rest(self, command: Command, venue_ns: int) -> HttpRequest:
        """Return the REST request for a query, a ``Cancel`` or a ``CancelAll``, where no connection
        is up.
        """
        ...

    def answer(
        self,
        command: Command,
        request_id: int,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Reply:
        """Return what a REST answer to ``command`` means. Raises ``Malformed`` or ``Drifted``.

        ``headers`` are lower case. ``status`` 0 stands for no answer at all.
        """
        ...

    def remedy(self, code: str, text: str) -> Remedy:
        """Return what a refusal of an order or a change of one asks of us."""
        ...

    def cost(self, command: Command, resting_ns: int = 0) -> Costs:
        """What a command takes from the venue's limits, as ``(kind of limit, tokens)``.

        ``resting_ns`` is how long the order that it changes or cancels has stood as it is: the
        longer, the less it may cost.
        """
        ...


def orders_end_with_connection(adapter: Adapter) -> bool:
    """Return whether no order outlives its connection, and is told of on that very one."""
    whole = frozenset({Role.ORDERS, Role.ACCOUNT})
    orders = [connection for connection in adapter.connections if Role.ORDERS in connection.carries]
    dies = adapter.capabilities.dead_man.kind is DeadManKind.DISCONNECT
    return dies and all(connection.carries >= whole for connection in orders)


def cancel_kinds(adapter: Adapter) -> frozenset[str]:
    """Return the kinds of limits that cancelling costs: a cancel, and the list that a guardian has
    to have before it knows what to cancel.
    """
    costs = (*adapter.cost(Cancel(0, "", "")), *adapter.cost(FetchOpenOrders(NO_INSTRUMENT)))
    return frozenset(kind for kind, _ in costs)


class KeyField(Struct, frozen=True, kw_only=True):
    """One field of a venue's keys, as a key file has it."""

    name: str
    what: str
    """For people: what it is, and where the venue gives it."""
    secret: bool
    """Whether it proves who asks. All the others say who: they tell one account from another."""
    pem: bool = False
    """Whether it is a private key in PEM: it has many lines, so the key file names its file."""


KeyFields = tuple[tuple[KeyField, ...], ...]
"""What a venue's keys consist of: of each group exactly one."""


class Credentials(Struct, frozen=True):
    """A venue's keys, by the names of its ``KeyField``; of a PEM file its text."""

    fields: Mapping[str, str]

    def __repr__(self) -> str:
        return "Credentials(...)"


HTTPS: Final = "https"

PLAIN: Final = {HTTPS: "http", "wss": "ws", "tls": "tcp"}
"""The schemes of endpoints, and what each is without TLS, as the sim may be spoken to."""


class Endpoint(Struct, frozen=True, kw_only=True):
    """A place of a venue, by the name that a configuration has for it under ``[endpoints]``."""

    name: str
    """The venue's own word for it; ``hotloop sim`` prints it by that name, too."""
    what: str
    """For people: what goes there."""
    scheme: str
    """One of ``PLAIN``; at most one endpoint of a venue is ``HTTPS``."""
    urls: Mapping[Environment, str]
    """Its address in each environment; ``SIM`` has no fixed place and is not among them."""
    optional: bool = False
    """Whether a run can do without it."""


class Verified(Struct, frozen=True):
    """What of a venue's code was held against another's word, and whose; for people."""

    what: str
    against: str


class Venue(Struct, frozen=True, kw_only=True):
    """A venue, as its package's ``VENUE`` gives it."""

    name: str
    endpoints: tuple[Endpoint, ...]
    adapter: Callable[[Subscription], Adapter]
    key_fields: KeyFields
    """What it wants in a key file."""
    signer: Callable[[Credentials], Signer]
    """Raises ``BadConfig`` for keys that cannot be used, and never repeats one."""
    logs_on: Callable[[Credentials], bool]
    """Whether keys of this kind log a session on instead of signing every request."""
    verified: tuple[Verified, ...] = ()

    @property
    def http(self) -> str:
        """The name of the endpoint over HTTP, "" where there is none."""
        return next((one.name for one in self.endpoints if one.scheme == HTTPS), "")

    def places(self, environment: Environment) -> dict[str, str]:
        """Return the venue's own addresses in an environment, by the names of its endpoints."""
        return {
            one.name: one.urls[environment] for one in self.endpoints if environment in one.urls
        }

    @property
    def environments(self) -> list[Environment]:
        """Those in which the venue has an address for all that a run needs."""
        needed = [one for one in self.endpoints if not one.optional]
        return [each for each in Environment if all(each in one.urls for one in needed)]

    def key_kind(self, keys: Credentials | None) -> KeyKind:
        """Return what keys allow; ``None`` are those of a run that only watches."""
        if keys is None:
            return KeyKind.NONE
        return KeyKind.LOGS_ON if self.logs_on(keys) else KeyKind.SIGNS

    def account(self, keys: Credentials | None) -> str | None:
        """Return what tells the account of these keys from others: the fields that are no secret.

        Nothing but a digest of it may be written anywhere.
        """
        if keys is None:
            return None
        known = (field for group in self.key_fields for field in group if not field.secret)
        return "|".join(keys.fields[field.name] for field in known if field.name in keys.fields)
