"""Binance Spot's answers for one run: the connections, their scripts, costs, and the codecs
together.

Source: web-socket-streams.md, web-socket-api.md and rest-api.md at a5e0bc3 (2026-07-21).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from core.model.commands import (
    Amend,
    Cancel,
    CancelAll,
    CancelMany,
    Command,
    FetchAccount,
    FetchBbos,
    FetchBook,
    FetchInstruments,
    FetchOpenOrders,
    FetchOrders,
    FetchOrderTrades,
    FetchPositions,
    FetchPrice,
    FetchTime,
    FetchTrades,
    Logon,
    Logout,
    OrderKind,
    Ping,
    Place,
    PlaceMany,
    QueryOrder,
    Replace,
    Riskless,
    SetDeadMan,
    SubscribeBook,
    SubscribeMarket,
    SubscribePrivate,
    SubscribeStatus,
    TestPlace,
    TimeInForce,
    UnsubscribeBook,
)
from core.model.errors import BadConfig
from core.model.events import NO_INSTRUMENT, Costs, Reply, Scope
from core.model.instrument import Instrument
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import (
    AmendKind,
    BookFeed,
    Capabilities,
    Connection,
    DeadMan,
    HttpRequest,
    Limit,
    Names,
    Remedy,
    Role,
    Stream,
    Subscription,
    SyncKind,
    Truth,
)
from core.protocols.websocket import websocket
from venues.binance import answer, decode, encode, rules, verdicts
from venues.kit.names import Prefixed

MARKET_CONNECTION: Final = "market"
TRADE_CONNECTION: Final = "trade"

STREAM: Final = "stream"
WS_API: Final = "ws_api"
"""The endpoints of the two."""

SILENCE_NS: Final = 45 * NS_PER_S
"""The venue pings every 20 s: two pings missed, and 5 s for the way."""

EXECUTION_NS: Final = 10 * NS_PER_S
"""The venue's own timeout while it processes a request (rest-api.md "General Information on
Endpoints", a5e0bc3, 2026-07-21); what became of the request is open for as long (-1007)."""

LAG_NS: Final = 60 * NS_PER_S
"""How far questions may lie behind the matching engine. Orders and trades are answered from memory,
then from a database that follows it (rest-api.md "Data Sources"); how closely, the venue does not
say. In its incidents it was tens of seconds."""

LIFETIME_NS: Final = 84_600 * NS_PER_S
"""23 h 30 min: the venue drops a connection after 24 h, at a time that is its own choice."""

BOOK_FEED: Final = BookFeed(sync=SyncKind.REST_BRIDGED)
"""Changes ``U..u`` into which a snapshot is bridged (web-socket-streams.md "How to manage a local
order book correctly"); best prices count the same updates."""

_ORDER: Final = (("weight", 1), ("orders", 1), ("raw", 1))
_WEIGHTS: Final[dict[type[Command], int]] = {
    Cancel: 1,
    Amend: 4,
    CancelAll: 1,
    QueryOrder: 4,
    FetchOpenOrders: 6,
    FetchTrades: 20,
    FetchOrderTrades: 5,
    FetchOrders: 20,
    FetchAccount: 20,
    FetchInstruments: 20,
    FetchPrice: 2,
    FetchTime: 1,
    FetchBbos: 4,
    Logon: 2,
    SubscribePrivate: 2,
    TestPlace: 1,
}
"""Documented request weights. Since 2026-04-02 orders and cancels that succeed are charged
nothing; which ones will, nobody knows before, and the venue's own counts correct ours."""

DIAL_WEIGHT: Final = 2
"""Weight of connecting to the WebSocket API (web-socket-api.md "General API information")."""

ALL_OPEN_ORDERS_WEIGHT: Final = 80
"""Weight of the open orders of every symbol at once."""

_COSTS: Final[dict[type[Command], Costs]] = {
    Place: _ORDER,
    Replace: _ORDER,
    **dict.fromkeys(
        (
            SubscribeMarket,
            SubscribeBook,
            SubscribeStatus,
            UnsubscribeBook,
            Ping,
            SetDeadMan,
            Logout,
        ),
        (),
    ),
    # It has neither batches nor positions: never requested.
    **dict.fromkeys((PlaceMany, CancelMany, FetchPositions), ()),
    **{kind: (("weight", weight), ("raw", 1)) for kind, weight in _WEIGHTS.items()},
}


class SpotAdapter:
    """Implements ``core.model.venue.Adapter`` for Binance Spot."""

    __slots__ = (
        "_capabilities",
        "_connections",
        "_decoder",
        "_encoder",
        "_subscription",
        "decode",
        "encode",
    )

    def __init__(self, subscription: Subscription) -> None:
        """Raises ``BadConfig`` for what the venue does not allow; the message names the key."""
        self._subscription = subscription
        self._decoder = decode.Decoder()
        self._encoder = encode.Encoder(subscription)
        self.decode = self._decoder.decode
        """See ``core.model.venue.Adapter.decode``; bound once, as it runs for every frame."""
        self.encode = self._encoder.encode
        """See ``core.model.venue.Adapter.encode``; bound once, like ``decode``."""
        self._capabilities = _capabilities(subscription)
        self._connections = (
            _connection(MARKET_CONNECTION, f"{_url(subscription, STREAM)}/stream", Role.MARKET),
            _connection(TRADE_CONNECTION, _url(subscription, WS_API), Role.ORDERS, Role.ACCOUNT),
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

    def names(self, scope: str, boot: int, seed: int) -> Names:
        """Return a boot's client order ids: any text, so that they are readable."""
        return Prefixed(scope, boot, seed)

    @property
    def tells_ns(self) -> int:
        return 0

    def learn(self, instruments: Sequence[Instrument]) -> None:
        """Take the instruments of this run; see ``core.model.venue.Adapter.learn``."""
        self._decoder.learn(instruments)
        self._encoder.learn(instruments)

    def book_feed(self, instrument: Instrument) -> BookFeed:
        """Return how a book is told; see ``core.model.venue.Adapter.book_feed``."""
        return BOOK_FEED

    def script(self, connection: int) -> Sequence[Riskless]:
        """Return what opens a connection; see ``core.model.venue.Adapter.script``."""
        if connection == decode.MARKET:
            return (SubscribeMarket(),)
        if self._subscription.session_logon:
            return (Logon(), SubscribePrivate())
        return (SubscribePrivate(),)

    def farewell(self, connection: int) -> Sequence[Riskless]:
        """Return what is said before a connection is closed: nothing."""
        return ()

    def symbol_of(self, base: str, quote: str) -> str:
        """Return the name of a pair: both assets, one after the other."""
        return base + quote

    def placed(self, request: bytes) -> tuple[Place, ...]:
        """Return the orders that a request contains; see ``core.model.venue.Adapter.placed``."""
        return self._encoder.placed(request)

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
        return answer.answer(self._decoder, symbols, command, request_id, status, headers, body)

    def remedy(self, code: str, text: str) -> Remedy:
        """Return what a refusal asks of us; see ``core.model.venue.Adapter.remedy``."""
        return verdicts.remedy(code, text)

    def cost(self, command: Command, resting_ns: int = 0) -> Costs:
        """Return what a command takes from the limits; see ``core.model.venue.Adapter.cost``."""
        if type(command) is FetchBook:
            _, weight = rules.snapshot(len(self._subscription.symbols))
            return (("weight", weight), ("raw", 1))
        if isinstance(command, FetchOpenOrders) and command.instrument == NO_INSTRUMENT:
            return (("weight", ALL_OPEN_ORDERS_WEIGHT), ("raw", 1))
        return _COSTS[type(command)]


def _capabilities(subscription: Subscription) -> Capabilities:
    """Orders at market and such as post only state no time in force (rest-api.md "New order")."""
    return Capabilities(
        streams=frozenset((Stream.BBO, Stream.DEPTH, Stream.TRADES)),
        orders=frozenset(
            {
                *((OrderKind.LIMIT, tif) for tif in TimeInForce if tif is not TimeInForce.DAY),
                (OrderKind.POST_ONLY, TimeInForce.GTC),
                (OrderKind.MARKET, TimeInForce.IOC),
            }
        ),
        amend=AmendKind.SHRINK,
        cancel_all=Scope.INSTRUMENT,
        replace=True,
        test_place=True,
        request_expiry_ns=subscription.request_expiry_ms * NS_PER_MS,
        execution_ns=EXECUTION_NS,
        lag_ns=LAG_NS,
        lists=Scope.INSTRUMENT,
        history=Scope.INSTRUMENT,
        dead_man=DeadMan(),
        truth=Truth.BALANCES,
        rising_ids=True,
    )


def _url(subscription: Subscription, name: str) -> str:
    url = subscription.urls.get(name)
    if url is None:
        raise BadConfig(f"urls: {name!r} is missing; expected {STREAM} and {WS_API}")
    return url.rstrip("/")


def _connection(name: str, url: str, *carries: Role) -> Connection:
    private = Role.ORDERS in carries
    return Connection(
        name=name,
        url=url,
        carries=frozenset(carries),
        silence_ns=SILENCE_NS,
        lifetime_ns=LIFETIME_NS,
        protocol=websocket(decode.MAX_FRAME),
        dial_costs=(("weight", DIAL_WEIGHT),) if private else (),
    )
