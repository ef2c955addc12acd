"""Kraken Spot's answers for one run: the connections, their scripts, costs, and the codecs.

It tells of markets, and takes no orders yet: a run with a key is refused.

Source: docs.kraken.com, WebSocket v2 and REST reference (pages of 2026-05-27).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from core.model.commands import (
    Command,
    FetchBook,
    FetchInstruments,
    FetchPrice,
    FetchTime,
    FetchTops,
    Ping,
    Place,
    Riskless,
    SubscribeMarket,
)
from core.model.errors import BadConfig
from core.model.events import Costs, Reply
from core.model.instrument import Instrument
from core.model.units import NS_PER_S
from core.model.venue import (
    AmendKind,
    BookFeed,
    Capabilities,
    DeadMan,
    HttpRequest,
    Keepalive,
    Limit,
    Line,
    Remedy,
    Role,
    Stream,
    Subscription,
    SyncKind,
    Truth,
)
from core.model.venue import Names as ClientOrderIds
from venues.kit.names import HEX_128, Fixed
from venues.kraken import answer, decode, encode, rules, verdicts
from venues.kraken.checksum import checksum

MARKET_LINE: Final = "market"
TRADE_LINE: Final = "trade"

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

CAPABILITIES: Final = Capabilities(
    streams=frozenset(Stream),
    orders=frozenset(),
    amend=AmendKind.NONE,
    replace=False,
    test_place=False,
    request_expiry_ns=None,
    execution_ns=EXECUTION_NS,
    lag_ns=LAG_NS,
    dead_man=DeadMan(),
    truth=Truth.BALANCES,
    rising_ids=False,
)
"""A run can watch, and has no orders yet."""

_PUBLIC: Final = frozenset({FetchTime, FetchInstruments, FetchTops, FetchPrice, FetchBook})


class SpotAdapter:
    """Implements ``core.model.venue.Adapter`` for Kraken Spot."""

    __slots__ = ("_decoder", "_encoder", "_lines", "_names", "_subscription", "decode", "encode")

    def __init__(self, subscription: Subscription) -> None:
        """Raises ``BadConfig`` for what the venue does not allow; the message names the key."""
        if subscription.session_logon:
            raise BadConfig(
                "keys: on Kraken a run can only watch as yet; leave [keys] out of its configuration"
            )
        self._subscription = subscription
        self._decoder = decode.Decoder()
        self._encoder = encode.Encoder(subscription)
        self._names = answer.Names()
        self.decode = self._decoder.decode
        """See ``core.model.venue.Adapter.decode``; bound once, as it runs for every message."""
        self.encode = self._encoder.encode
        """See ``core.model.venue.Adapter.encode``; bound once, like ``decode``."""
        self._lines = (_line(MARKET_LINE, _url(subscription, MARKET_LINE), Role.MARKET),)

    @property
    def lines(self) -> Sequence[Line]:
        return self._lines

    @property
    def limits(self) -> Sequence[Limit]:
        return rules.PUBLISHED

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

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
        return BookFeed(
            sync=SyncKind.CHECKSUMMED,
            depth=encode.DEPTH,
            checksum=checksum(instrument.tick, instrument.lot, decimals),
        )

    def script(self, line: int) -> Sequence[Riskless]:
        """Return what opens a connection; see ``core.model.venue.Adapter.script``."""
        streams = encode.feeds(self._subscription.streams)
        return tuple(SubscribeMarket((stream,)) for stream in streams)

    def symbol_of(self, base: str, quote: str) -> str:
        """Return the name of a pair: both assets, with a slash between them."""
        return f"{base}/{quote}"

    def placed(self, request: bytes) -> Place | None:
        """Return the order that a request asks for: none does."""
        return None

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
        return answer.answer(self._names, symbols, command, request_id, status, headers, body)

    def remedy(self, code: int, text: str) -> Remedy:
        """Return what a refusal asks of us; see ``core.model.venue.Adapter.remedy``."""
        return verdicts.remedy(text)

    def cost(self, command: Command, resting_ns: int = 0) -> Costs:
        """Return what a command takes from the limits; see ``core.model.venue.Adapter.cost``."""
        return ((_PUBLIC_KIND, 1),) if type(command) in _PUBLIC else ()


_PUBLIC_KIND: Final = "public"


def _url(subscription: Subscription, name: str) -> str:
    url = subscription.line_urls.get(name)
    if url is None:
        raise BadConfig(f"line_urls: {name!r} is missing; expected {MARKET_LINE} and {TRADE_LINE}")
    return url


def _line(name: str, url: str, *carries: Role) -> Line:
    return Line(
        name=name,
        url=url,
        carries=frozenset(carries),
        silence_ns=SILENCE_NS,
        lifetime_ns=LIFETIME_NS,
        max_message_bytes=decode.MAX_MESSAGE,
        keepalive=Keepalive(every_ns=PING_NS, command=Ping()),
    )
