"""The WebSocket edge: one task group per connection, on trio-websocket.

Handshake, control frames, reading and closing are trio-websocket's. Data frames leave through
``SocketOutlet``, which frames each payload once, gathers all of one loop turn into one send, and
drops a client that does not keep up instead of letting it slow the exchange.
"""

import contextlib
import math
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from venues.sim.venue import AnyVenue, Manners, Session, TooManyMessagesError

Clock = Callable[[], int]

# A second or two of the liveliest market for one client; beyond that it is not reading.
MAX_QUEUED_BYTES: Final = 4 * 1024 * 1024
# The largest request is a few hundred bytes; 1024 stream names are some 30 kB.
MAX_MESSAGE_BYTES: Final = 128 * 1024

HANDSHAKE_SECONDS: Final = 10
# What a client has to answer the close frame at shutdown.
GOODBYE_SECONDS: Final = 1
# IPs whose attempts are remembered; a loopback exchange sees one, and a flood must not grow it.
IPS_KEPT: Final = 1_000

_POLICY_VIOLATION: Final = 1008
_GOING_AWAY: Final = 1001
_TEXT: Final = 0x81


class ControlFrames:
    """Counts the ping and pong frames in what a client sends, torn anywhere (RFC 6455, 5.2)."""

    _PING_AND_PONG: Final = (0x9, 0xA)

    def __init__(self) -> None:
        self._header = bytearray()
        self._payload_left = 0

    def feed(self, data: bytes | bytearray) -> int:
        """Return how many ping and pong frames begin or go on in ``data``."""
        found = position = 0
        while position < len(data):
            skipped = min(self._payload_left, len(data) - position)
            self._payload_left -= skipped
            position += skipped
            if position == len(data):
                break
            self._header.append(data[position])
            position += 1
            length = self._payload_length()
            if length is not None:
                found += (self._header[0] & 0x0F) in self._PING_AND_PONG
                self._payload_left = length
                self._header.clear()
        return found

    def _payload_length(self) -> int | None:
        """Return the payload's length once the header is whole, with its mask."""
        header = self._header
        if len(header) < 2:
            return None
        short = header[1] & 0x7F
        extended = {126: 2, 127: 8}.get(short, 0)
        mask = 4 if header[1] & 0x80 else 0
        if len(header) < 2 + extended + mask:
            return None
        return int.from_bytes(header[2 : 2 + extended], "big") if extended else short


class SharedStream(trio.abc.Stream):
    """A stream that trio-websocket and a SocketOutlet both send on, one at a time.

    ``on_control`` is called for each ping and pong that arrives; trio-websocket does not show them.
    While ``silent`` says so nothing leaves.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._lock = trio.Lock()
        self._control_frames = ControlFrames()
        self.on_control: Callable[[], None] | None = None
        self.silent: Callable[[], bool] | None = None

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self.silent is not None and self.silent():
            # Whole frames come here, so that the next one is still legal.
            await trio.lowlevel.checkpoint()
            return
        async with self._lock:
            await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._stream.receive_some(max_bytes)
        if self.on_control is not None:
            for _ in range(self._control_frames.feed(data)):
                self.on_control()
        return data

    async def aclose(self) -> None:
        await self._stream.aclose()


class SocketOutlet:
    """Where everything leaves for one connection, in order: replies, reports and payloads."""

    def __init__(self, stream: trio.abc.SendStream) -> None:
        self._stream = stream
        self._frames: list[bytes] = []
        self._queued_bytes = 0
        self._ready = trio.lowlevel.ParkingLot()
        self._finished = False
        # Cancelled to drop the client: it does not keep up, or floods.
        self.drop = trio.CancelScope()

    def send(self, payload: bytes) -> None:
        """Queue one text message; nothing is taken any more after ``finish``."""
        if self._finished:
            return
        self._queued_bytes += len(payload)
        if self._queued_bytes > MAX_QUEUED_BYTES:
            self.drop.cancel()
            return
        self._frames.append(_header(len(payload)))
        self._frames.append(payload)
        self._ready.unpark()

    def cut(self) -> None:
        """Break the connection off; what is queued is lost."""
        self.drop.cancel()

    async def run(self) -> None:
        """Send what is queued, as long as the connection lasts."""
        while True:
            if not self._frames:
                await self._ready.park()
            await self.flush()

    async def finish(self) -> None:
        """Send what is queued, and no more: a close frame must be the last."""
        self._finished = True
        await self.flush()

    async def flush(self) -> None:
        """Send what is queued now."""
        data = b"".join(self._frames)
        self._frames.clear()
        try:
            await self._stream.send_all(data)
        finally:
            self._queued_bytes = sum(map(len, self._frames))


class Connection:
    """One accepted WebSocket and its session."""

    def __init__(self, websocket: WebSocketConnection, outlet: SocketOutlet, session: Session):
        self.websocket = websocket
        self.outlet = outlet
        self.session = session
        # Set once the close handshake that ``close`` began is over; None while none was begun.
        self._closed: trio.Event | None = None

    async def say_goodbye(self, now_ns: int) -> None:
        """Announce the shutdown and close; give up after ``GOODBYE_SECONDS``."""
        self.session.announce_shutdown(now_ns)
        with trio.move_on_after(GOODBYE_SECONDS):
            await self.close(_GOING_AWAY, "serverShutdown")

    async def close(self, code: int, reason: str) -> None:
        """Close after what is already queued."""
        self._closed = trio.Event()
        try:
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self.outlet.finish()
            await self.websocket.aclose(code, reason)
        finally:
            self._closed.set()

    async def wait_closed(self) -> None:
        """Wait for a close handshake under way, which needs the connection's tasks."""
        if self._closed is not None:
            await self._closed.wait()


class SocketServer:
    """Serves all WebSockets on one listener and knows who is connected."""

    def __init__(self, venue: AnyVenue, clock: Clock) -> None:
        self._venue = venue
        self._clock = clock
        self._connections: dict[Connection, None] = {}
        self._attempts: dict[str, deque[int]] = {}

    async def handle(self, stream: trio.abc.Stream) -> None:
        """Serve one TCP or TLS connection to its end."""
        shared = SharedStream(stream)
        ip = _peer(stream)
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async with trio.open_nursery() as nursery:
                with trio.move_on_after(HANDSHAKE_SECONDS) as handshake:
                    request = await wrap_server_stream(
                        nursery, shared, max_message_size=MAX_MESSAGE_BYTES
                    )
                if handshake.cancelled_caught:
                    nursery.cancel_scope.cancel()
                    return
                path = request.path.partition("?")[0]
                connection = self._venue.connection_of(path)
                refusal = None if connection is None else self._venue.faults.refuses(connection)
                if refusal is not None or not self._may_connect(ip):
                    await request.reject(refusal or 429)
                elif connection is not None:
                    websocket = await request.accept()
                    shared.silent = partial(self._venue.faults.silent, connection)
                    await self._serve(websocket, shared, request.path, ip)
                else:
                    await request.reject(404)
                nursery.cancel_scope.cancel()

    async def say_goodbye(self) -> None:
        """Close every connection the way the venue announces a shutdown."""
        now_ns = self._clock()
        async with trio.open_nursery() as nursery:
            for connection in list(self._connections):
                nursery.start_soon(connection.say_goodbye, now_ns)

    async def _serve(
        self, websocket: WebSocketConnection, stream: SharedStream, target: str, ip: str
    ) -> None:
        outlet = SocketOutlet(stream)
        session = self._venue.open_session(outlet, target, ip, self._clock())

        def count() -> None:
            try:
                session.control(self._clock())
            except TooManyMessagesError:
                outlet.drop.cancel()

        stream.on_control = count
        try:
            await self._converse(Connection(websocket, outlet, session))
        finally:
            self._venue.close_session(session)

    async def _converse(self, connection: Connection) -> None:
        websocket, outlet = connection.websocket, connection.outlet
        manners = self._venue.manners
        self._connections[connection] = None
        try:
            with outlet.drop, trio.move_on_after(_or_ever(manners.lifetime_seconds)):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(outlet.run)
                    if manners.ping_seconds is not None:
                        scope = nursery.cancel_scope
                        nursery.start_soon(_heartbeat, websocket, manners, scope)
                    await self._read(connection)
                    await connection.wait_closed()
                    nursery.cancel_scope.cancel()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client has gone, in the middle of what we said
        finally:
            del self._connections[connection]

    async def _read(self, connection: Connection) -> None:
        """Feed the session until the client leaves or breaks the rules."""
        websocket, session = connection.websocket, connection.session
        while True:
            try:
                message = await websocket.get_message()
            except ConnectionClosed:
                return
            now_ns = self._clock()
            try:
                session.receive(message, now_ns)
            except TooManyMessagesError:
                await connection.close(_POLICY_VIOLATION, "Too many requests")
                return
            self._venue.advance(now_ns)

    def _may_connect(self, ip: str) -> bool:
        """Count a connection attempt."""
        now_ns, manners = self._clock(), self._venue.manners
        if ip not in self._attempts and len(self._attempts) >= IPS_KEPT:
            del self._attempts[next(iter(self._attempts))]
        times_ns = self._attempts.setdefault(ip, deque(maxlen=manners.connections))
        full = len(times_ns) == manners.connections
        times_ns.append(now_ns)
        return not full or now_ns - times_ns[0] > manners.window_ns


def _or_ever(seconds: float | None) -> float:
    return math.inf if seconds is None else seconds


async def _heartbeat(
    websocket: WebSocketConnection, manners: Manners, connection: trio.CancelScope
) -> None:
    """Ping now and then; drop a client whose answer is not there in time."""
    async with trio.open_nursery() as nursery:
        number = 0
        while True:
            await trio.sleep(_or_ever(manners.ping_seconds))
            number += 1
            payload = str(number).encode()
            nursery.start_soon(_ping, websocket, payload, manners.pong_seconds, connection)


async def _ping(
    websocket: WebSocketConnection,
    payload: bytes,
    pong_seconds: float,
    connection: trio.CancelScope,
) -> None:
    with trio.move_on_after(pong_seconds) as patience:
        with contextlib.suppress(ConnectionClosed):
            await websocket.ping(payload)
    if patience.cancelled_caught:
        connection.cancel()


def _header(length: int) -> bytes:
    """Return the header of an unmasked, unfragmented text frame (RFC 6455, 5.2)."""
    if length < 126:
        return bytes((_TEXT, length))
    if length < 65_536:
        return bytes((_TEXT, 126)) + length.to_bytes(2, "big")
    return bytes((_TEXT, 127)) + length.to_bytes(8, "big")


def _peer(stream: trio.abc.Stream) -> str:
    """Return the IP of the other end, empty where there is none."""
    transport = stream.transport_stream if isinstance(stream, trio.SSLStream) else stream
    if not isinstance(transport, trio.SocketStream):
        return ""
    with contextlib.suppress(OSError):
        return str(transport.socket.getpeername()[0])
    return ""
