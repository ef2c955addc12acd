"""Kraken Spot's answers for one run: the connections, their scripts, costs, and the codecs.

Source: docs.kraken.com, WebSocket v2 and REST reference (pages of 2026-05-27).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from core.model.commands import (
    Amend,
    Cancel,
    Command,
    FetchAccount,
    FetchBbos,
    FetchBook,
    FetchInstruments,
    FetchOpenOrders,
    FetchOrderTrades,
    FetchPrice,
    FetchTime,
    FetchTrades,
    Logon,
    Ping,
    Place,
    PlaceMany,
    QueryOrder,
    Riskless,
    SubscribeMarket,
    SubscribePrivate,
    SubscribeStatus,
    TestPlace,
)
from core.model.errors import BadConfig
from core.model.events import Costs, Reply, Scope
from core.model.instrument import Instrument
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import (
    AmendKind,
    BookFeed,
    Capabilities,
    Connection,
    DeadMan,
    DeadManKind,
    HttpRequest,
    Keepalive,
    Limit,
    Remedy,
    Role,
    Stream,
    Subscription,
    SyncKind,
    Truth,
)
from core.model.venue import Names as ClientOrderIds
from core.protocols.websocket import websocket
from venues.kit.names import HEX_128, Fixed
from venues.kraken import answer, decode, encode, rates, rules, trading, verdicts
from venues.kraken.checksum import checksum, queue_checksum

MARKET_CONNECTION: Final = "market"
TRADE_CONNECTION: Final = "trade"

PUBLIC: Final = "public"
PRIVATE: Final = "private"
"""The endpoints of the two."""
LEVEL3: Final = "level3"
"""Where the market connection stands instead, for a run whose books are told order by order."""

PING_NS: Final = 20 * NS_PER_S
"""Twice in the minute after which the venue closes what is inactive ("Connection times out"), and
once more: a ping may be lost."""

SILENCE_NS: Final = 10 * NS_PER_S
"""The venue tells something each second ("Heartbeat"): nine are missed."""

LIFETIME_NS: Final = 365 * 86_400 * NS_PER_S
"""The venue states no age at which it drops a connection."""

EXECUTION_NS: Final = 10 * NS_PER_S
LAG_NS: Final = 60 * NS_PER_S
"""Nothing is documented; as far as any venue's own timeout, and as any that is known to lag."""

TELLS_NS: Final = 2 * NS_PER_S
"""An answer about an order tells its ids; how it stands comes on ``executions`` ("Add Order"). Many
times what lies between the two, and still a prompt question where nothing comes."""


class SpotAdapter:
    """Implements ``core.model.venue.Adapter`` for Kraken Spot."""

    __slots__ = (
        "_capabilities",
        "_connections",
        "_decoder",
        "_encoder",
        "_names",
        "_subscription",
        "decode",
        "encode",
    )

    def __init__(self, subscription: Subscription) -> None:
        """Raises ``BadConfig`` for what the venue does not allow; the message names the key."""
        window_ms = subscription.request_expiry_ms
        if not trading.LEAST_DEADLINE_NS <= window_ms * NS_PER_MS <= trading.LONGEST_DEADLINE_NS:
            raise BadConfig(
                f"session.request_expiry_ms: {window_ms} ms; Kraken takes 500 ms to 60 s"
            )
        self._subscription = subscription
        self._capabilities = _capabilities(subscription)
        self._decoder = decode.Decoder()
        self._encoder = encode.Encoder(subscription)
        self._names = answer.Names()
        self.decode = self._decoder.decode
        """See ``core.model.venue.Adapter.decode``; bound once, as it runs for every message."""
        self.encode = self._encoder.encode
        """See ``core.model.venue.Adapter.encode``; bound once, like ``decode``."""
        self._connections = (
            _connection(MARKET_CONNECTION, _market_url(subscription), Role.MARKET),
            _connection(TRADE_CONNECTION, _url(subscription, PRIVATE), Role.ORDERS, Role.ACCOUNT),
        )

    @property
    def connections(self) -> Sequence[Connection]:
        return self._connections

    @property
    def limits(self) -> Sequence[Limit]:
        return rules.PUBLISHED

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def names(self, scope: str, boot: int, seed: int) -> ClientOrderIds:
        """Return a boot's client order ids: "Short UUID", 32 hexadecimal digits ("Add Order")."""
        return Fixed(HEX_128, scope, boot, seed)

    @property
    def tells_ns(self) -> int:
        return TELLS_NS

    def learn(self, instruments: Sequence[Instrument]) -> None:
        """Take the instruments of this run; see ``core.model.venue.Adapter.learn``."""
        self._decoder.learn(instruments)
        self._encoder.learn(instruments)
        for instrument in instruments:
            self._names.learn(instrument)

    def book_feed(self, instrument: Instrument) -> BookFeed:
        """Return how a book is told; see ``core.model.venue.Adapter.book_feed``."""
        decimals = rules.price_decimals(instrument, self._names.decimals)
        if Stream.ORDERS in self._subscription.streams:
            return BookFeed(
                sync=SyncKind.CHECKSUMMED,
                depth=encode.QUEUE_DEPTH,
                queues=queue_checksum(instrument.tick, instrument.lot, decimals),
            )
        return BookFeed(
            sync=SyncKind.CHECKSUMMED,
            depth=encode.DEPTH,
            checksum=checksum(instrument.tick, instrument.lot, decimals),
        )

    def script(self, connection: int) -> Sequence[Riskless]:
        """Return what opens a connection; see ``core.model.venue.Adapter.script``."""
        if connection == decode.TRADE:
            return _PRIVATE_SCRIPT
        streams = encode.feeds(self._subscription.streams)
        if Stream.ORDERS in streams:
            return (Logon(), SubscribeMarket((Stream.ORDERS,)))
        return (*(SubscribeMarket((stream,)) for stream in streams), SubscribeStatus())

    def farewell(self, connection: int) -> Sequence[Riskless]:
        """Return what is said before a connection is closed: nothing."""
        return ()

    def symbol_of(self, base: str, quote: str) -> str:
        """Return the name of a pair: both assets, with a slash between them."""
        return f"{base}/{quote}"

    def placed(self, request: bytes) -> tuple[Place, ...]:
        """Return the orders that a request contains, see ``trading.placed``."""
        return trading.placed(request, self._names.find)

    def encode_rest(self, command: Command, venue_ns: int) -> HttpRequest:
        """Return the REST request for a command, see ``Encoder.encode_rest``."""
        return self._encoder.encode_rest(command, venue_ns)

    def answer(
        self,
        command: Command,
        request_id: int,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Reply:
        """Return what a REST answer means; see ``core.model.venue.Adapter.answer``."""
        symbols = self._subscription.symbols
        self._names.tier = self._decoder.tier
        return answer.answer(self._names, symbols, command, request_id, status, headers, body)

    def remedy(self, code: str, text: str) -> Remedy:
        """Return what a refusal asks of us; see ``core.model.venue.Adapter.remedy``."""
        return verdicts.remedy(code)

    def cost(self, command: Command, resting_ns: int = 0) -> Costs:
        """Return what a command takes from the limits; see ``core.model.venue.Adapter.cost``."""
        kind = type(command)
        if kind is Place:
            return _PLACE
        if isinstance(command, PlaceMany):
            return ((rules.ORDERS, rates.batch_add(len(command.places))),)
        if kind is Cancel:
            return ((rules.ORDERS, rates.cancel(resting_ns)),)
        if isinstance(command, QueryOrder) and not command.venue_order_id:
            return _BY_NAME
        if kind is Amend:
            return ((rules.ORDERS, rates.amend(resting_ns)),)
        return _QUESTIONS.get(kind, ())


_PLACE: Final = ((rules.ORDERS, rates.ADD),)
_CALL: Final = (("calls", 1),)
_BY_NAME: Final = (("calls", 2),)
"""An order's name is looked for among the finished ones, which is a history."""
_QUESTIONS: Final[dict[type[Command], Costs]] = {
    **dict.fromkeys(
        (FetchTime, FetchInstruments, FetchBbos, FetchPrice, FetchBook), (("public", 1),)
    ),
    **dict.fromkeys((Logon, QueryOrder, FetchOpenOrders, FetchAccount, TestPlace), _CALL),
    **dict.fromkeys((FetchTrades, FetchOrderTrades), (("calls", 2),)),
}
"""What a question costs: those of the account go on a key's counter, and a history counts twice
("Spot REST Rate Limits")."""

_PRIVATE_SCRIPT: Final = (
    Logon(),
    SubscribePrivate(encode.EXECUTIONS),
    SubscribePrivate(encode.BALANCES),
)


_DEAD_MAN: Final = DeadMan(
    kind=DeadManKind.TIMER,
    scope=Scope.ACCOUNT,
    window_ns=60 * NS_PER_S,
    renew_ns=20 * NS_PER_S,
)
"""As the venue recommends: "every 15 to 30 seconds, providing a timeout of 60 seconds"
("Cancel on Disconnect")."""


def _capabilities(subscription: Subscription) -> Capabilities:
    return Capabilities(
        streams=frozenset(Stream),
        orders=trading.TAKES,
        amend=AmendKind.PRICE_AND_SIZE,
        batch=trading.BATCH_ADD[1],
        batch_cancel=trading.BATCH_CANCEL[1],
        cancel_all=Scope.ACCOUNT,
        replace=False,
        test_place=True,
        request_expiry_ns=subscription.request_expiry_ms * NS_PER_MS,
        execution_ns=EXECUTION_NS,
        lag_ns=LAG_NS,
        lists=Scope.ACCOUNT,
        history=Scope.ACCOUNT,
        dead_man=_DEAD_MAN,
        truth=Truth.BALANCES,
        rising_ids=False,
    )


def _market_url(subscription: Subscription) -> str:
    """Return where the market is told: single orders have a place of their own, if it is stated."""
    told = Stream.ORDERS in subscription.streams and LEVEL3 in subscription.urls
    return _url(subscription, LEVEL3 if told else PUBLIC)


def _url(subscription: Subscription, name: str) -> str:
    url = subscription.urls.get(name)
    if url is None:
        raise BadConfig(f"urls: {name!r} is missing; expected {PUBLIC} and {PRIVATE}")
    return url


def _connection(name: str, url: str, *carries: Role) -> Connection:
    return Connection(
        name=name,
        url=url,
        carries=frozenset(carries),
        silence_ns=SILENCE_NS,
        lifetime_ns=LIFETIME_NS,
        protocol=websocket(decode.MAX_MESSAGE),
        keepalive=Keepalive(every_ns=PING_NS, command=Ping()),
    )
