"""The exchange's end of a connection: TLS, HTTP/1.1 and WebSocket, byte in, byte out.

Here lives what a server does to be understood; what it answers is the built-in exchange's, and
what it gets wrong is asked of ``Manners`` at each step. No task, no socket, no clock: bytes come
from ``net`` and time is the agenda's.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import ssl
from collections.abc import Callable, Sequence
from email.utils import formatdate
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

import h11

from core.model.units import NS_PER_S
from core.protocols.websocket import CLOSE, PING, PONG, TEXT
from tools.world.agenda import Agenda
from tools.world.dialect import Dialect
from tools.world.net import Peer, Wire
from tools.world.tank import client_frames, server_frame
from venues.sim.http import HttpReply, HttpRequest
from venues.sim.venue import AnyVenue, TooManyMessagesError

PING_NS: Final = 20 * NS_PER_S
PONG_NS: Final = 60 * NS_PER_S
KEPT_NS: Final = 75 * NS_PER_S
"""How long an idle REST connection is kept open."""

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

Headers = Sequence[tuple[str, str]]


class Speech(NamedTuple):
    """What an HTTP server says to one request, byte for byte, and whether it hangs up then."""

    data: bytes
    hang_up: bool = False
    reset: bool = False
    after_ns: int = 0


class Manners(Protocol):
    """How the exchange behaves: each method may have it do something else than it should."""

    def upgrade(self, wire: Wire, reply: Speech) -> Speech: ...
    def answer(self, request: HttpRequest, reply: HttpReply) -> Speech: ...
    def arrived(self, peer: WebSocket, payload: bytes) -> None:
        """Take note of what any frame of the process holds."""
        ...

    def received(self, peer: WebSocket, payload: bytes) -> bool:
        """Take note of a request; return whether the exchange gets it now."""
        ...

    def saying(self, peer: WebSocket, payload: bytes) -> None:
        """Have a message leave, or what is said instead."""
        ...

    def mutes(self, peer: WebSocket) -> bool:
        """Return whether nothing leaves at the moment."""
        ...

    def opened(self, peer: WebSocket) -> None: ...
    def gone(self, peer: WebSocket) -> None: ...


class Exchange(NamedTuple):
    """What all connections of one exchange share."""

    agenda: Agenda
    venue: AnyVenue
    venue_ns: Callable[[], int]
    manners: Manners
    dialect: Dialect


# -- TLS -------------------------------------------------------------------------------------


class Plain:
    """A connection in the clear."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def say(self, data: bytes) -> None:
        self.wire.say(data)

    def hang_up(self, *, politely: bool = True) -> None:
        self.wire.hang_up()


class Tls(Plain):
    """A connection under TLS, for the peer above it."""

    def __init__(self, wire: Wire, context: ssl.SSLContext) -> None:
        super().__init__(wire)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._open = False
        self.above: Peer | None = None

    def on_bytes(self, data: bytes) -> None:
        self._incoming.write(data)
        plain = b""
        try:
            if not self._open:
                self._object.do_handshake()
                self._open = True
            while piece := self._object.read(65_536):
                plain += piece
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._flush()
            self._pass_on(plain)
            self.wire.hang_up()
            return
        except ssl.SSLError:
            self._flush()  # the alert
            self.wire.hang_up()
            return
        self._flush()
        self._pass_on(plain)

    def _pass_on(self, plain: bytes) -> None:
        if plain and self.above is not None:
            self.above.on_bytes(plain)

    def on_end(self) -> None:
        if self.above is not None:
            self.above.on_end()

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            self.wire.say(data)

    def say(self, data: bytes) -> None:
        if self._open and data:
            self._object.write(data)
            self._flush()

    def hang_up(self, *, politely: bool = True) -> None:
        if self._open and politely:
            # It wants the peer's own, for which nobody waits.
            with contextlib.suppress(ssl.SSLError):
                self._object.unwrap()
            self._flush()
        self.wire.hang_up()


def under_tls(wire: Wire, context: ssl.SSLContext, above: Callable[[Plain], Peer]) -> Peer:
    """Put a peer on a connection, under TLS."""
    tls = Tls(wire, context)
    tls.above = above(tls)
    return tls


class Deaf:
    """Somebody who accepts a connection, and nothing more."""

    def on_bytes(self, data: bytes) -> None: ...
    def on_end(self) -> None: ...


class Impostor:
    """Somebody whose certificate proves nothing: nothing may ever be said to him."""

    def __init__(self, told: Callable[[], None]) -> None:
        self._told = told

    def on_bytes(self, data: bytes) -> None:
        self._told()

    def on_end(self) -> None: ...


# -- HTTP ------------------------------------------------------------------------------------


def http_reply(status: int, reason: str, headers: Headers, body: bytes) -> bytes:
    """Return a response as it goes over the wire."""
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def spoken(reply: HttpReply, venue_ns: int) -> Speech:
    """Return what an exchange says that answers so, by its clock."""
    headers = {
        "Content-Type": reply.content_type,
        "Content-Length": str(len(reply.body)),
        "Date": formatdate(venue_ns / NS_PER_S, usegmt=True),
        **reply.headers,
    }
    return Speech(http_reply(reply.status, "Status", list(headers.items()), reply.body))


class Http:
    """One REST connection."""

    def __init__(self, below: Plain, exchange: Exchange) -> None:
        self._below = below
        self._exchange = exchange
        self._parser = h11.Connection(h11.SERVER)
        self._target = ""
        self._request: h11.Request | None = None
        self._body = b""
        self._busy_ns = exchange.agenda.now_ns
        self._open = True
        exchange.agenda.later(KEPT_NS, self._tire)

    def on_bytes(self, data: bytes) -> None:
        self._parser.receive_data(data)
        self._read()

    def _read(self) -> None:
        while self._open:
            event = self._parser.next_event()
            if isinstance(event, h11.Request):
                self._request, self._body = event, b""
            elif isinstance(event, h11.Data):
                self._body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                self._take()
            else:
                return

    def _take(self) -> None:
        request = self._request
        if request is None:
            return
        self._busy_ns = self._exchange.agenda.now_ns
        path, _, query = request.target.decode("ascii").partition("?")
        headers = {name.decode(): value.decode("latin-1") for name, value in request.headers}
        asked = HttpRequest(request.method.decode(), path, query, self._body.decode(), headers)
        exchange = self._exchange
        exchange.venue.receive(asked, _RestOutlet(self, asked), exchange.venue_ns())
        exchange.venue.advance(exchange.venue_ns())

    def reply(self, request: HttpRequest, reply: HttpReply) -> None:
        """Answer, well or badly."""
        speech = self._exchange.manners.answer(request, reply)
        if speech.after_ns:
            self._exchange.agenda.later(speech.after_ns, partial(self._say, speech))
        else:
            self._say(speech)

    def _say(self, speech: Speech) -> None:
        if not self._open:
            return
        self._below.say(speech.data)
        self._parser.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
        self._parser.send(h11.EndOfMessage())
        if speech.reset:
            wire = self._below.wire
            wire.inward.then(partial(wire.reset, lost=False))
        elif speech.hang_up or self._parser.our_state is h11.MUST_CLOSE:
            self.cut()
        else:
            self._parser.start_next_cycle()
            self._read()

    def _tire(self) -> None:
        if not self._open:
            return
        left_ns = self._busy_ns + KEPT_NS - self._exchange.agenda.now_ns
        if left_ns > 0:
            self._exchange.agenda.later(left_ns, self._tire)
        else:
            self.cut()

    def cut(self) -> None:
        self._open = False
        self._below.hang_up()

    def on_end(self) -> None:
        self._open = False


class _RestOutlet:
    """Where the exchange's answer to one request leaves."""

    def __init__(self, http: Http, request: HttpRequest) -> None:
        self._http = http
        self._request = request

    def send(self, payload: HttpReply) -> None:
        self._http.reply(self._request, payload)

    def cut(self) -> None:
        self._http.cut()


# -- WebSocket -------------------------------------------------------------------------------


class WebSocket:
    """One WebSocket connection, market or private."""

    def __init__(self, below: Plain, exchange: Exchange, ip: str) -> None:
        self._below = below
        self._exchange = exchange
        self._ip = ip
        self._data = b""
        self._open = True
        self.private = False
        self.session: Any = None
        self.ponged_ns = 0
        self.mute = False
        """Whether nothing is said any more, and nothing heard, although the socket lives."""

    @property
    def wire(self) -> Wire:
        return self._below.wire

    # -- in ------------------------------------------------------------------------------------

    def on_bytes(self, data: bytes) -> None:
        if not self._open:
            return
        self._data += data
        if self.session is None:
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return
            self._data = rest
            self._upgrade(head.decode("latin-1"))
        else:
            self._frames()

    def _upgrade(self, head: str) -> None:
        line, _, rest = head.partition("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (field.partition(":") for field in rest.split("\r\n"))
        }
        digest = hashlib.sha1(headers["sec-websocket-key"].encode() + _GUID).digest()  # noqa: S324  # RFC 6455
        said = http_reply(
            101,
            "Switching Protocols",
            [
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Accept", base64.b64encode(digest).decode()),
            ],
            b"",
        )
        speech = self._exchange.manners.upgrade(self.wire, Speech(said))
        self._exchange.agenda.later(
            speech.after_ns, partial(self._begin, line.split(" ")[1], speech, speech.data == said)
        )

    def _begin(self, target: str, speech: Speech, upgraded: bool) -> None:
        if not self._open:
            return
        self._below.say(speech.data)
        if speech.hang_up:
            self.hang_up()
        if not upgraded:
            return
        exchange = self._exchange
        outlet = _SocketOutlet(self)
        self.private = exchange.dialect.is_private(target)
        self.session = exchange.venue.open_session(outlet, target, self._ip, exchange.venue_ns())
        self.ponged_ns = exchange.agenda.now_ns
        exchange.manners.opened(self)
        self._ping()
        self._frames()

    def _frames(self) -> None:
        whole = _whole_frames(self._data)
        data, self._data = self._data[:whole], self._data[whole:]
        for opcode, payload in client_frames(data):
            if not self._open:
                return
            self._exchange.manners.arrived(self, payload)
            if not self.mute:
                self._frame(opcode, payload)

    def _frame(self, opcode: int, payload: bytes) -> None:
        exchange = self._exchange
        self.ponged_ns = exchange.agenda.now_ns
        now_ns = exchange.venue_ns()
        if opcode == TEXT:
            if exchange.manners.received(self, payload):
                self.take(payload)
        elif opcode == CLOSE:
            self.frame(CLOSE, payload)
            self.hang_up()
        else:
            try:
                exchange.dialect.control(self.session, now_ns)
            except TooManyMessagesError:
                self.hang_up()
            if opcode == PING:
                self.frame(PONG, payload)

    def take(self, payload: bytes) -> None:
        """Have the exchange do what is asked, also where the connection has broken since."""
        now_ns = self._exchange.venue_ns()
        try:
            self.session.receive(payload, now_ns)
        except TooManyMessagesError:
            self.hang_up()
        self._exchange.venue.advance(now_ns)

    # -- out -----------------------------------------------------------------------------------

    def _ping(self) -> None:
        if not self._open or self._exchange.venue.manners.ping_seconds is None:
            return
        if self._exchange.agenda.now_ns - self.ponged_ns > PONG_NS:
            self.hang_up()
            return
        self.frame(PING, b"1")
        self._exchange.agenda.later(PING_NS, self._ping)

    def say(self, payload: bytes) -> None:
        """Send one message, unless something goes wrong."""
        if self._open:
            self._exchange.manners.saying(self, payload)

    def frame(self, opcode: int, payload: bytes) -> None:
        """Send one frame."""
        self.raw(server_frame(opcode, payload))

    def raw(self, data: bytes) -> None:
        """Send bytes, legal or not."""
        if self._open and not self.mute and not self._exchange.manners.mutes(self):
            self._below.say(data)

    def hang_up(self, *, politely: bool = True) -> None:
        """Close the connection."""
        if self._open:
            self._below.hang_up(politely=politely)
            self.on_end()

    def on_end(self) -> None:
        if not self._open:
            return
        self._open = False
        if self.session is not None:
            self._exchange.venue.close_session(self.session)
        self._exchange.manners.gone(self)


class _SocketOutlet:
    """Where a session's messages leave."""

    def __init__(self, peer: WebSocket) -> None:
        self._peer = peer

    def send(self, payload: bytes) -> None:
        self._peer.say(payload)

    def cut(self) -> None:
        self._peer.hang_up()


def _whole_frames(data: bytes) -> int:
    """Return how many bytes of whole frames, masked as a client's, ``data`` begins with."""
    at = 0
    while len(data) >= at + 2:
        size, head = data[at + 1] & 0x7F, 2
        if size >= 126:
            width = 2 if size == 126 else 8
            head += width
            if len(data) < at + head:
                break
            size = int.from_bytes(data[at + 2 : at + head], "big")
        end = at + head + 4 + size
        if len(data) < end:
            break
        at = end
    return at
