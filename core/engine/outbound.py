"""The way out: a command becomes a request, is journaled, and leaves at the end of the turn.

This is the only place that encodes, and the only one that hands bytes to the port. Order:
budget, encode, journal, sign, frame; nothing is signed or framed that the journal did not take.
Whether a command may leave at all is decided before it comes here.

Cancels and order-status queries have two ways: the connection for orders, and REST where that
connection is down, not ready, or has left a cancel unanswered.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final, Protocol

from core.engine.charges import Charges, instrument_of
from core.model.commands import (
    Amend,
    Cancel,
    CancelAll,
    CancelMany,
    Command,
    Logon,
    OrderKind,
    Ping,
    Place,
    PlaceMany,
    QueryOrder,
    Replace,
    Riskless,
    SubscribeMarket,
    SubscribePrivate,
    SubscribeStatus,
    TimeInForce,
)
from core.model.errors import JournalFailed, Misuse
from core.model.events import Costs, Side
from core.model.units import NS_PER_S
from core.model.venue import Adapter, HttpRequest, Role, WireRequest
from core.model.views import Refusal, RefusalReason
from core.model.wire import WireProtocol
from core.state.inflight import REST, InFlightRequest, InFlightRequests
from core.state.journal import Ask, Journal, Kind, pack
from core.state.orders import Orders
from core.state.risk import Approved
from core.state.session import Session
from core.state.throttle import Share, Throttle
from core.state.venue_clock import VenueClock

_SEND = int(Kind.SEND)
_ASK = int(Kind.ASK)
_ORDER = Share.ORDER

_SHARES: dict[type[Command], Share] = {
    Cancel: Share.CANCEL,
    CancelAll: Share.CANCEL,
    CancelMany: Share.CANCEL,
    Logon: Share.RESOLUTION,
    Ping: Share.RESOLUTION,
    SubscribeMarket: Share.RESOLUTION,
    SubscribePrivate: Share.RESOLUTION,
    SubscribeStatus: Share.RESOLUTION,
}
"""On whose account a command leaves that needs no approval; all others are questions."""

_ANY_PLACE = Place(0, "", Side.BUY, OrderKind.LIMIT, TimeInForce.GTC, 0, 0)

REPLY_NS = 10 * NS_PER_S
"""How long a reply is awaited: venues give up after 10 s themselves and say that they do not
know."""

_TWO_WAYS: Final = frozenset({Cancel, CancelAll, QueryOrder})
"""Commands that REST carries as well as a connection: ``Adapter.encode_rest``."""

_NO_TOKEN: Final = Refusal(
    RefusalReason.VENUE_LIMIT, "the venue's rate limit leaves no token for it"
)
_NO_CONNECTION: Final = Refusal(RefusalReason.NO_CONNECTION, "the connection for orders is down")
_NO_JOURNAL: Final = Refusal(
    RefusalReason.NOT_TRADING, "the journal takes nothing more: the run is being left"
)


class Port(Protocol):
    """What the engine needs of the layer with I/O. Every call returns at once.

    A connection has two links: its own number, and that number plus the count of connections. One
    link is in use; the other one replaces it before the venue ends it.
    """

    def open_connections(self) -> None:
        """Start to dial every connection, and keep each connected from now on."""
        ...

    def dial(self, link: int) -> None:
        """Keep this link connected too, beside the one in use, from now on."""
        ...

    def retire(self, link: int, reason: str) -> None:
        """Close a link, or stop dialling it, and do not dial it again.

        ``Engine.on_down`` follows in a later turn where it stood.
        """
        ...

    def sign(self, request: WireRequest) -> bytes: ...
    def send(self, link: int, data: bytes) -> None: ...
    def send_rest(self, request_id: int, request: HttpRequest) -> None:
        """Send a REST request; the answer comes back as ``Engine.on_answer``."""
        ...

    def drop(self, link: int, reason: str, *, redial_now: bool) -> None:
        """Close a connection, to be dialled again; ``Engine.on_down`` follows in a later turn."""
        ...

    def hold_dials(self, until_ns: int) -> None:
        """Dial no line before that time: the venue has banned us, or takes no connection."""
        ...

    def stop(self, why: str) -> None:
        """Request the end of the run; ``Engine.leave`` follows in a later turn."""
        ...

    def left(self) -> None:
        """The run has been left: nothing of ours is alive. May be said more than once."""
        ...

    def log(self, text: str) -> None:
        """Write a line for people."""
        ...


class Outbound:
    """Requests on their way out of the engine."""

    __slots__ = (
        "_asks",
        "_charges",
        "_clock",
        "_cost",
        "_encode",
        "_encode_rest",
        "_framed",
        "_frames",
        "_journal",
        "_limited",
        "_order_costs",
        "_placing",
        "_pongs",
        "_port",
        "_protocols",
        "_sessions",
        "_stamp",
        "_take",
        "_throttle",
        "_uniform",
        "encode_ns",
        "inflight",
        "refusal",
        "waiting",
    )

    def __init__(
        self,
        adapter: Adapter,
        sessions: Sequence[Session],
        orders: Orders,
        throttle: Throttle,
        journal: Journal,
        clock: VenueClock,
        port: Port,
        stamp: Callable[[], int],
    ) -> None:
        self._cost = adapter.cost
        self._charges = Charges(adapter, orders, throttle)
        self._uniform = self._charges.uniform
        self._encode = adapter.encode
        self._encode_rest = adapter.encode_rest
        self._sessions = sessions
        self._throttle = throttle
        self._take = throttle.take
        self._order_costs = adapter.cost(_ANY_PLACE)
        self._journal = journal
        self._clock = clock
        self._port = port
        self._stamp = stamp
        self.inflight = InFlightRequests()
        self._frames: list[list[bytes]] = [[] for _ in range(2 * len(adapter.connections))]
        self._framed: list[int] = []
        """Links that something was framed for since the last flush."""
        self._protocols: list[WireProtocol | None] = [None for _ in self._frames]
        self._limited = [False for _ in self._frames]
        """Whether the venue takes only so much on a connection, pongs included."""
        self._pongs: list[bytes | None] = [None for _ in self._frames]
        """The newest ping's payload, where it could not be answered at once (RFC 6455, 5.5.3)."""
        self._placing: list[tuple[int, bytes]] = []
        """Orders framed since the last flush: request and frame."""
        self._asks: list[tuple[int, HttpRequest]] = []
        """What was asked over REST since the last flush."""
        self.waiting = False
        """Whether anything is to leave with the next flush."""
        self.refusal = _NO_TOKEN
        """Why ``request`` last returned 0."""
        self.encode_ns = 0
        """Time spent here since the engine last set it to 0."""

    def attach(self, link: int, protocol: WireProtocol) -> None:
        """A connection is up; its bytes are made by ``protocol``."""
        self._protocols[link] = protocol
        self._frames[link].clear()
        connection = self._sessions[link % len(self._sessions)].connection
        self._limited[link] = self._throttle.connected(
            link, connection.name, cancels=Role.ORDERS in connection.carries
        )
        self._pongs[link] = None

    def detach(self, link: int) -> None:
        """A connection is gone, and what waited for it with it."""
        self._protocols[link] = None
        self._pongs[link] = None
        self._frames[link].clear()

    def request(
        self,
        what: Approved | Riskless,
        now_ns: int,
        *,
        share: Share | None = None,
        began_ns: int = 0,
        instead: InFlightRequest | None = None,
        link: int | None = None,
    ) -> int:
        """Send a command; returns its request id, or 0 when nothing was sent: see ``refusal``.

        Nothing is sent when the venue's budget has no token for it, or when no way is open. The
        kind of command decides whose tokens it may use; a query that the exit waits for uses
        another ``share``. ``began_ns`` is the stamp of this moment where the caller has just taken
        one. ``instead`` is a request that failed on one way: the other way is used, if it is open.
        ``link`` is the link to send on, where that is not the one in use. Raises ``Misuse`` for a
        command that would create risk and is not approved.
        """
        began_ns = began_ns or self._stamp()
        venue_ns = now_ns + self._clock.offset_ns
        command: Command
        if isinstance(what, Approved):
            command, share = what.command, _ORDER
        else:
            command = _riskless(what)
            share = _SHARES.get(type(command), Share.QUESTION) if share is None else share
        placing = share is _ORDER
        if not self._uniform:
            costs = self._charges.of(command, now_ns)
        elif type(command) is Place:
            costs = self._order_costs
        else:
            costs = self._cost(command)
        if link is not None and not self._has_room(link, costs, now_ns, share):
            self.refusal = _NO_TOKEN
            return 0
        if self._uniform:
            taken = self._take(costs, venue_ns, share)
        else:
            kept = self._charges.kept(command, now_ns)
            taken = self._take(costs, venue_ns, share, instrument_of(command), kept)
        if not taken:
            self.refusal = _NO_TOKEN
            return 0
        request_id = self.inflight.next_id()
        request = self._encode(command, request_id, venue_ns)
        replies = 1
        if (
            not placing
            and type(command) in _TWO_WAYS
            and type(request) is WireRequest
            and self._by_rest(request.connection, instead)
        ):
            request = self._encode_rest(command, venue_ns)
        if type(request) is WireRequest:
            connection = self._sessions[request.connection].link if link is None else link
            protocol = self._protocols[connection]
            if protocol is None:
                self.refusal = _NO_CONNECTION
                return 0
            if self._limited[connection]:
                if link is None and not self._has_room(connection, costs, now_ns, share):
                    self.refusal = _NO_TOKEN
                    return 0
                self._throttle.count_frame(connection, costs, now_ns, share)
            if not self._journaled(_SEND, connection, now_ns, request.body) and placing:
                self.refusal = _NO_JOURNAL
                return 0
            frame = protocol.message(self._port.sign(request))
            self._frames[connection].append(frame)
            self._framed.append(connection)
            if placing:
                self._placing.append((request_id, frame))
            replies = request.replies
            self.waiting = True
        elif type(request) is HttpRequest:
            connection = REST
            self._journaled(_ASK, 0, now_ns, pack(_ask(request_id, request)))
            self._asks.append((request_id, request))
            self.waiting = True
        in_flight = InFlightRequest(
            request_id, command, connection, now_ns, now_ns + REPLY_NS, costs
        )
        self.inflight.add(in_flight, replies)
        self.encode_ns += self._stamp() - began_ns
        return request_id

    def ignored(self, in_flight: InFlightRequest) -> None:
        """A cancel was not answered in time."""
        for session in self._sessions:
            if session.link == in_flight.connection:
                session.ignored()

    def hears(self) -> bool:
        """Whether the connection that orders go over is in use and answers."""
        return any(s.hears for s in self._sessions if Role.ORDERS in s.connection.carries)

    def unreached(self, in_flight: InFlightRequest) -> None:
        """REST was not reached: the next command that may go either way uses the connection, if
        that is up.

        Else only a reply brings cancels back to a connection that has left one unanswered, and
        while the venue throttles us nothing is asked there that it could reply to.
        """
        if type(in_flight.command) in _TWO_WAYS:
            for session in self._sessions:
                session.only_way()

    def _by_rest(self, connection: int, instead: InFlightRequest | None) -> bool:
        """Whether REST is the better of two ways."""
        session = self._sessions[connection]
        if instead is None:
            return not session.hears
        return instead.connection != REST or not session.ready

    def traded(self, now_ns: int) -> None:
        """An order that rested has traded for the first time: it costs no order any more."""
        self._throttle.give_back(self._order_costs, now_ns + self._clock.offset_ns)

    def measured(self, by_ns: int, now_ns: int) -> None:
        """The venue's clock was measured anew, and is so much later than we had thought: what is to
        be waited for is dated by it.
        """
        self._throttle.moved(by_ns, now_ns + self._clock.offset_ns)
        if self._throttle.dials_from_ns:
            self._port.hold_dials(self._throttle.dials_from_ns - self._clock.offset_ns)

    def pong(self, link: int, payload: bytes, now_ns: int) -> None:
        """Answer a ping; where the venue takes no more frames now, the newest one, once it does."""
        protocol = self._protocols[link]
        if protocol is None:
            return
        if not self._has_room(link, (), now_ns, Share.RESOLUTION):
            self._pongs[link] = payload
            return
        if self._limited[link]:
            self._pongs[link] = None
            self._throttle.count_frame(link, (), now_ns, Share.RESOLUTION)
        self._keep(link, protocol.pong(payload), now_ns)

    def _has_room(self, link: int, costs: Costs, now_ns: int, share: Share) -> bool:
        """Whether the venue takes one more frame on a connection now."""
        return not self._limited[link] or self._throttle.has_room(link, costs, now_ns, share)

    def step(self, now_ns: int) -> None:
        """Answer the pings that had to wait."""
        for link, payload in enumerate(self._pongs):
            if payload is not None:
                self.pong(link, payload, now_ns)

    def close(self, link: int, now_ns: int) -> None:
        """Say our last on a connection; nothing follows it there."""
        protocol = self._protocols[link]
        if protocol is not None:
            self._keep(link, protocol.farewell(), now_ns)
            self._protocols[link] = None

    def _keep(self, link: int, frame: bytes, now_ns: int) -> None:
        self._journaled(_SEND, link, now_ns, frame)
        self._frames[link].append(frame)
        self._framed.append(link)
        self.waiting = True

    def _journaled(self, kind: int, connection: int, now_ns: int, payload: bytes) -> bool:
        """Record what is about to leave; once the journal has failed only cancels leave."""
        try:
            self._journal.append(kind, connection, now_ns, payload)
        except JournalFailed:
            # The engine meets the same failure with its next input, and leaves.
            return False
        return True

    def discard(self) -> None:
        """Discard all that this turn was to send: its read has told of a ban. These requests stay
        unanswered, like those that are lost with a connection.
        """
        self.waiting = False
        self._placing.clear()
        self._asks.clear()
        for frames in self._frames:
            frames.clear()

    def drop_unsent(self, halted: Collection[int]) -> list[InFlightRequest]:
        """Let no order leave that was framed since the last flush on these instruments.

        Cancels and questions leave. Returns the requests that will not.
        """
        taken = []
        for request_id, frame in self._placing:
            in_flight = self.inflight.find(request_id)
            if in_flight is None:
                continue
            command = in_flight.command
            place = command.new if isinstance(command, Replace) else command
            adds = isinstance(place, Place | PlaceMany) or (
                isinstance(place, Amend) and place.price_ticks is not None
            )
            if adds and instrument_of(command) in halted:
                self.inflight.take(request_id)
                self._frames[in_flight.connection].remove(frame)
                taken.append(in_flight)
        return taken

    def flush(self) -> None:
        """Hand every connection what was framed for it, in one piece, and REST what was asked."""
        self.waiting = False
        self._placing.clear()
        if self._asks:
            asks, self._asks = self._asks, []
            for request_id, request in asks:
                self._port.send_rest(request_id, request)
        framed = self._framed
        if len(framed) > 1:
            framed.sort()
        for link in framed:
            frames = self._frames[link]
            if frames:  # else it has left with one before, or is discarded
                data = frames[0] if len(frames) == 1 else b"".join(frames)
                frames.clear()
                self._port.send(link, data)
        framed.clear()


def _ask(request_id: int, request: HttpRequest) -> Ask:
    return Ask(
        request_id,
        request.method,
        request.path,
        request.query,
        dict(request.headers),
        request.body,
        request.signed,
        request.cancels,
    )


def _riskless(command: object) -> Riskless:
    """Return a command that needs no approval; anything else is refused, whatever types say."""
    if not isinstance(command, Riskless):
        raise Misuse(f"{command!r} is not approved: nothing that creates risk leaves without it")
    return command
