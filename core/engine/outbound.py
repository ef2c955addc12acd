"""The way out: a command becomes a request, is journaled, and leaves at the end of the turn.

This is the only place that encodes, and the only one that hands bytes to the door. Order:
budget, encode, journal, sign, frame; nothing is signed or framed that the journal did not take.
Whether a command may leave at all is decided before it comes here.

What takes an order out, and what asks how one stands, has two ways: the line that orders go over,
and REST where that one is down, not ready, or has left a cancel without an answer.
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
from core.state.inflight import REST, Asked, Inflight
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
    Logon: Share.PROOF,
    Ping: Share.PROOF,
    SubscribeMarket: Share.PROOF,
    SubscribePrivate: Share.PROOF,
    SubscribeStatus: Share.PROOF,
}
"""On whose account a command leaves that needs no approval; all others are questions."""

_ANY_PLACE = Place(0, "", Side.BUY, OrderKind.LIMIT, TimeInForce.GTC, 0, 0)

REPLY_NS = 10 * NS_PER_S
"""How long a reply is awaited: venues give up after 10 s themselves and say that they do not
know."""

_TWO_WAYS: Final = frozenset({Cancel, CancelAll, QueryOrder})
"""Commands that REST carries as well as a line: ``Adapter.encode_rest``."""

_NO_TOKEN: Final = Refusal(
    RefusalReason.VENUE_LIMIT, "the venue's rate limit leaves no token for it"
)
_NO_LINE: Final = Refusal(RefusalReason.NO_CONNECTION, "the connection for orders is down")
_NO_JOURNAL: Final = Refusal(
    RefusalReason.NOT_TRADING, "the journal takes nothing more: the run is being left"
)


class Door(Protocol):
    """What the engine asks of the rooms with I/O in them. Every call returns at once.

    A connection is named by its link: the number of its line, or that plus the count of the lines.
    So a line has two, of which one is in use, and the other replaces it when its time has come.
    """

    def open_lines(self) -> None:
        """Start to dial every line, and keep each connected from now on."""
        ...

    def dial(self, link: int) -> None:
        """Keep this connection too, beside the one in use, from now on."""
        ...

    def retire(self, link: int, reason: str) -> None:
        """Close a connection, or give its dialling up, and let it be.

        ``Engine.on_down`` follows in a later turn where it stood.
        """
        ...

    def sign(self, request: WireRequest) -> bytes: ...
    def send(self, link: int, data: bytes) -> None: ...
    def ask(self, request_id: int, request: HttpRequest) -> None:
        """Send a REST request; the answer comes back as ``Engine.on_answer``."""
        ...

    def drop(self, link: int, reason: str, *, redial_now: bool) -> None:
        """Close a connection, to be dialled again; ``Engine.on_down`` follows in a later turn."""
        ...

    def hold_dials(self, until_ns: int) -> None:
        """Dial no line before that time: the venue has banned us, or takes no connection."""
        ...

    def stop(self, why: str) -> None:
        """Ask for the run to be left; ``Engine.leave`` follows in a later turn."""
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
        "_door",
        "_encode",
        "_encode_rest",
        "_frames",
        "_journal",
        "_limited",
        "_order_costs",
        "_placing",
        "_pongs",
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
        door: Door,
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
        self._door = door
        self._stamp = stamp
        self.inflight = Inflight()
        self._frames: list[list[bytes]] = [[] for _ in range(2 * len(adapter.lines))]
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
        line = self._sessions[link % len(self._sessions)].line
        self._limited[link] = self._throttle.connected(
            link, line.name, cancels=Role.ORDERS in line.carries
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
        instead: Asked | None = None,
        link: int | None = None,
    ) -> int:
        """Send a command; returns its request id, or 0 when nothing was sent: see ``refusal``.

        Nothing is sent when the venue's budget has no token for it, or when no way is open.
        Whose tokens it may use follows from what it is; a question that the exit waits for takes
        another ``share``. ``began_ns`` is the stamp of this moment where the caller has just
        taken one. ``instead`` is a request whose way was tried in vain: the other one is taken, if
        it is open. ``link`` is the connection that the command is for, where that is not the one
        in use. Raises ``Misuse`` for a command that would create risk and is not approved.
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
        costs = self._cost(command) if self._uniform else self._charges.of(command, now_ns)
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
            and self._by_rest(request.line, instead)
        ):
            request = self._encode_rest(command, venue_ns)
        if type(request) is WireRequest:
            line = self._sessions[request.line].link if link is None else link
            protocol = self._protocols[line]
            if protocol is None:
                self.refusal = _NO_LINE
                return 0
            if self._limited[line]:
                if link is None and not self._has_room(line, costs, now_ns, share):
                    self.refusal = _NO_TOKEN
                    return 0
                self._throttle.count_frame(line, costs, now_ns, share)
            if not self._journaled(_SEND, line, now_ns, request.body) and placing:
                self.refusal = _NO_JOURNAL
                return 0
            frame = protocol.message(self._door.sign(request))
            self._frames[line].append(frame)
            if placing:
                self._placing.append((request_id, frame))
            replies = request.replies
            self.waiting = True
        elif type(request) is HttpRequest:
            line = REST
            self._journaled(_ASK, 0, now_ns, pack(_ask(request_id, request)))
            self._asks.append((request_id, request))
            self.waiting = True
        asked = Asked(request_id, command, line, now_ns, now_ns + REPLY_NS, costs)
        self.inflight.add(asked, replies)
        self.encode_ns += self._stamp() - began_ns
        return request_id

    def ignored(self, asked: Asked) -> None:
        """A cancel was not answered in time."""
        for session in self._sessions:
            if session.link == asked.line:
                session.ignored()

    def hears(self) -> bool:
        """Whether the connection that orders go over is in use and answers."""
        return any(s.hears for s in self._sessions if Role.ORDERS in s.line.carries)

    def unreached(self, asked: Asked) -> None:
        """REST was not reached: what may go either way goes over the line next, where that stands.

        Else only a reply brings cancels back to a line that has left one unanswered, and while the
        venue throttles us nothing is asked there that it could reply to.
        """
        if type(asked.command) in _TWO_WAYS:
            for session in self._sessions:
                session.only_way()

    def _by_rest(self, line: int, instead: Asked | None) -> bool:
        """Whether REST is the better of two ways."""
        session = self._sessions[line]
        if instead is None:
            return not session.hears
        return instead.line != REST or not session.ready

    def traded(self, now_ns: int) -> None:
        """An order that rested has traded for the first time: it costs no order any more."""
        self._throttle.give_back(self._order_costs, now_ns + self._clock.offset_ns)

    def measured(self, by_ns: int, now_ns: int) -> None:
        """The venue's clock was measured anew, and is so much later than we had thought: what is to
        be waited for is dated by it.
        """
        self._throttle.moved(by_ns, now_ns + self._clock.offset_ns)
        if self._throttle.dials_from_ns:
            self._door.hold_dials(self._throttle.dials_from_ns - self._clock.offset_ns)

    def pong(self, link: int, payload: bytes, now_ns: int) -> None:
        """Answer a ping; where the venue takes no more frames now, the newest one, once it does."""
        protocol = self._protocols[link]
        if protocol is None:
            return
        if not self._has_room(link, (), now_ns, Share.PROOF):
            self._pongs[link] = payload
            return
        if self._limited[link]:
            self._pongs[link] = None
            self._throttle.count_frame(link, (), now_ns, Share.PROOF)
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
        self.waiting = True

    def _journaled(self, kind: int, line: int, now_ns: int, payload: bytes) -> bool:
        """Record what is about to leave; once the journal has failed only cancels leave."""
        try:
            self._journal.append(kind, line, now_ns, payload)
        except JournalFailed:
            # The engine meets the same failure with its next input, and leaves.
            return False
        return True

    def withhold(self) -> None:
        """Let nothing leave that this turn has asked for: its read has told of a ban.

        Its requests stay unanswered, like those that a line loses on the way.
        """
        self.waiting = False
        self._placing.clear()
        self._asks.clear()
        for frames in self._frames:
            frames.clear()

    def take_back(self, halted: Collection[int]) -> list[Asked]:
        """Let no order leave that was framed since the last flush on these instruments.

        Cancels and questions leave. Returns the requests that will not.
        """
        taken = []
        for request_id, frame in self._placing:
            asked = self.inflight.find(request_id)
            if asked is None:
                continue
            command = asked.command
            place = command.new if isinstance(command, Replace) else command
            adds = isinstance(place, Place | PlaceMany) or (
                isinstance(place, Amend) and place.price_ticks is not None
            )
            if adds and instrument_of(command) in halted:
                self.inflight.take(request_id)
                self._frames[asked.line].remove(frame)
                taken.append(asked)
        return taken

    def flush(self) -> None:
        """Hand every connection what was framed for it, in one piece, and REST what was asked."""
        self.waiting = False
        self._placing.clear()
        if self._asks:
            asks, self._asks = self._asks, []
            for request_id, request in asks:
                self._door.ask(request_id, request)
        for link, frames in enumerate(self._frames):
            if frames:
                data = frames[0] if len(frames) == 1 else b"".join(frames)
                frames.clear()
                self._door.send(link, data)


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
