"""The simulated network: names, addresses, connections, and the kernel's side of a socket.

Here lives what a network does to bytes (they come late, in pieces, at once, or never, but never
out of order) and what a kernel tells about them: readiness, full buffers, ends and resets. Trio's
public hooks put ``Socket`` in the place of its own sockets and ``Network`` in the place of the
resolver; ``Kernel`` stands below the hot loop. What the other end makes of the bytes lives in
``peers``, and what goes wrong, and when, is decided elsewhere.
"""

from __future__ import annotations

import errno
import itertools
import os
import random
import select
import socket
from collections.abc import Callable
from socket import socket as StdSocket  # noqa: N812  # a method of Network has that name
from typing import Any, Final, NoReturn, Protocol, cast

import trio

from core.engine.engine import STOPPED_NS
from core.io.kernel import Kernel, Poller
from core.model.errors import Misuse
from core.model.units import NS_PER_MS, NS_PER_S
from tools.world.agenda import Agenda

NAME_NS: Final = NS_PER_MS
"""What the resolver takes."""

RECEIVED_BYTES: Final = 4 * 1024 * 1024
"""Most that waits unread at our end; more is a simulated process that has stopped reading."""

SPIN_NS: Final = NS_PER_MS
"""What a poll in vain takes where the loop spins: coarse, so that a second costs a thousand."""

TURN_NS: Final = 20_000
"""CPU time that one ready socket costs: time passes within a burst, too."""


class Killed(BaseException):
    """The simulated process dies at once; no handler of the application's is to see it."""


class Peer(Protocol):
    """The other end of a connection, told what reaches it."""

    def on_bytes(self, data: bytes) -> None: ...
    def on_end(self) -> None:
        """Take note that nothing more comes: closed, reset or gone."""
        ...


Listener = Callable[["Wire"], Peer]
"""Takes a new connection."""


def _fail(number: int) -> NoReturn:
    raise OSError(number, os.strerror(number))


class Weather:
    """How the network of one world is: drawn once, and asked for each piece that travels."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self.latency_ns = int(draw.choice((0.2, 1, 10, 30)) * NS_PER_MS)
        self._jitter_ns = int(self.latency_ns * draw.choice((0, 0.3, 2)))
        self._torn = draw.choice((0.0, 0.05, 0.3))
        self.send_bytes = draw.choice((4_096, 65_536, 262_144))
        """The kernel's send buffer: what it takes while the other end has not."""

    def delay_ns(self) -> int:
        """Return how long the next piece travels."""
        return self.latency_ns + int(self._draw.random() * self._jitter_ns)

    def pieces(self, data: bytes) -> list[tuple[int, bytes]]:
        """Return the pieces that bytes arrive in, each with the pause before it.

        The number of draws does not depend on the size: under TLS that differs between processes.
        """
        draw = self._draw
        if draw.random() >= self._torn:
            return [(0, data)]
        cuts = sorted(int(draw.random() * len(data)) for _ in range(draw.randint(1, 4)))
        pause_ns = draw.choice((0, 1_000, NS_PER_MS))
        pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        return [(pause_ns, piece) for piece in pieces if piece]


class Way:
    """One direction of a connection."""

    def __init__(self, agenda: Agenda, weather: Weather, deliver: Callable[[bytes], None]) -> None:
        self._agenda = agenda
        self._weather = weather
        self._deliver = deliver
        self._arrives_ns = 0
        self._held: list[tuple[bytes, Callable[[], None] | None]] | None = None
        self.lost = False
        """Whether what travels, and all that follows, never arrives."""

    def carry(self, data: bytes) -> None:
        """Send bytes on their way."""
        for pause_ns, piece in self._weather.pieces(data):
            self._put(piece, pause_ns)

    def then(self, what: Callable[[], None]) -> None:
        """Have something happen at the other end once all that was sent before has arrived."""
        self._put(b"", 0, what)

    def _put(self, piece: bytes, pause_ns: int, what: Callable[[], None] | None = None) -> None:
        earliest_ns = self._agenda.now_ns + self._weather.delay_ns()
        self._arrives_ns = max(self._arrives_ns, earliest_ns) + pause_ns
        self._agenda.at(self._arrives_ns, lambda: self._arrive(piece, what))

    def _arrive(self, piece: bytes, what: Callable[[], None] | None) -> None:
        if self._held is not None:
            self._held.append((piece, what))
        elif not self.lost:
            if piece:
                self._deliver(piece)
            if what is not None:
                what()

    def clog(self, for_ns: int) -> None:
        """Hold up what arrives, then let it through at once."""
        if self._held is None:
            self._held = []
            self._agenda.later(for_ns, self._flood)

    def _flood(self) -> None:
        held, self._held = self._held or [], None
        together = bytearray()
        for piece, what in held:
            together += piece
            if what is not None:
                self._arrive(bytes(together), what)
                together.clear()
        if together:
            self._arrive(bytes(together), None)


class Wire:
    """One TCP connection, from the process to a peer."""

    def __init__(self, number: int, host: str, agenda: Agenda, weather: Weather) -> None:
        self.number = number
        self.host = host
        self._agenda = agenda
        self._weather = weather
        self.peer: Peer | None = None
        self.fd = -1
        self.options: dict[tuple[int, int], int] = {}
        self.inbox = bytearray()
        self.ended = False
        """Whether the peer has closed its side."""
        self.error = 0
        """What reading and writing fail with."""
        self.closed = False
        """Whether our side has let go of the socket."""
        self.severed = False
        """Whether the process that held the socket is dead."""
        self.gone = False
        """Whether the peer knows that the connection is over."""
        self._under_way = 0
        self._was_full = False
        self.inward = Way(agenda, weather, self._receive)
        self.outward = Way(agenda, weather, self._reach)
        self.changed = trio.lowlevel.ParkingLot()
        self.forget: Callable[[], None] = lambda: None
        """Called when nothing that is under way to the peer arrives any more."""
        self.ready: Callable[[], None] = lambda: None

    # -- the process's end ---------------------------------------------------------------------

    @property
    def readable(self) -> bool:
        return bool(self.inbox or self.ended or self.error)

    @property
    def futile(self) -> bool:
        """Whether nothing that is sent now ever reaches anybody."""
        return bool(self.outward.lost or self.error or self.gone)

    @property
    def writable(self) -> bool:
        return bool(self._under_way < self._weather.send_bytes or self.error)

    def send(self, data: bytes) -> int:
        """Take what fits into the send buffer. Raises ``OSError`` as the kernel does."""
        self._check()
        room = self._weather.send_bytes - self._under_way
        if room <= 0:
            raise BlockingIOError(errno.EAGAIN, "the simulated send buffer is full")
        taken = bytes(data[:room])
        self._under_way += len(taken)
        if self.ended and self.gone:
            self.break_off(errno.ECONNRESET)  # nobody listens: the peer's kernel says so
        else:
            self.outward.carry(taken)
        return len(taken)

    def recv(self, size: int) -> bytes:
        """Return what has arrived. Raises ``OSError`` as the kernel does."""
        if self.inbox:
            self._check()
            data = bytes(self.inbox[:size])
            del self.inbox[:size]
            return data
        self._check()
        if self.ended:
            return b""
        raise BlockingIOError(errno.EAGAIN, "nothing has arrived")

    def _check(self) -> None:
        if self.closed:
            _fail(errno.EBADF)
        if self.error:
            _fail(self.error)

    def close(self) -> None:
        """Let go of the socket: the peer hears of it after what was sent before."""
        if not self.closed:
            self.closed = True
            self.inbox.clear()
            if not self.error:
                self.outward.then(self._say_end)
            self._notify()

    def _receive(self, data: bytes) -> None:
        if self.closed or self.error:
            return
        self.inbox += data
        if len(self.inbox) > RECEIVED_BYTES:
            raise Misuse("the process has stopped reading: megabytes wait")
        self._notify()

    def _notify(self) -> None:
        self.changed.unpark_all()
        self.ready()

    def break_off(self, number: int = errno.ECONNRESET) -> None:
        """Our kernel learns that the connection is dead; what was not read yet is lost."""
        if not (self.closed or self.error):
            self.error = number
            self.inbox.clear()
            self._notify()

    # -- the peer's end ------------------------------------------------------------------------

    def _reach(self, data: bytes) -> None:
        self._under_way -= len(data)
        if self.gone:  # nobody listens any more, and the peer's kernel says so
            self._agenda.later(self._weather.latency_ns, self.break_off)
        elif self.peer is not None:
            self.peer.on_bytes(data)
        self._notify()

    def _say_end(self) -> None:
        if self.peer is not None and not self.gone:
            self.gone = True
            self.peer.on_end()

    def say(self, data: bytes) -> None:
        """The peer sends bytes."""
        if not self.gone:
            self.inward.carry(data)

    def hang_up(self) -> None:
        """The peer closes the connection, after what it has sent."""
        if not self.gone:
            self._say_end()
            self.inward.then(self._end)

    def _end(self) -> None:
        if not self.error:
            self.ended = True
            self._notify()

    # -- what happens to both ------------------------------------------------------------------

    def reset(self, *, lost: bool) -> None:
        """The connection breaks: our end knows at once, the peer a latency later.

        ``lost`` says that what was on its way to the peer does not arrive any more.
        """
        self.inward.lost = True
        if lost:
            self._lose()
        self.break_off()
        self._agenda.later(self._weather.latency_ns, self._say_end)

    def vanish(self, for_ns: int) -> None:
        """The way is gone: neither end hears of it, until our kernel's own probes give up."""
        self.inward.lost = True
        self._lose()
        self._agenda.later(self._probed_ns(), lambda: self.break_off(errno.ETIMEDOUT))
        self._agenda.later(for_ns, self._say_end)

    def _lose(self) -> None:
        self.outward.lost = True
        self.forget()

    def _probed_ns(self) -> int:
        """Return after which time a kernel with these options gives a silent peer up."""
        options = self.options
        if not options.get((socket.SOL_SOCKET, socket.SO_KEEPALIVE)):
            return 7200 * NS_PER_S
        tcp = socket.IPPROTO_TCP
        idle_s = options.get((tcp, socket.TCP_KEEPIDLE), 7200)
        every_s = options.get((tcp, socket.TCP_KEEPINTVL), 75)
        probes_s = every_s * options.get((tcp, socket.TCP_KEEPCNT), 9)
        patience_ms = options.get((tcp, socket.TCP_USER_TIMEOUT), 0)
        waits_ns = patience_ms * NS_PER_MS if patience_ms else probes_s * NS_PER_S
        return idle_s * NS_PER_S + waits_ns


class Own:
    """One end of a connection of the process to itself: what is sent has arrived at once."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.options: dict[tuple[int, int], int] = {}
        self.inbox = bytearray()
        self.other = self
        self.closed = self.ended = False
        self.error = 0
        self.writable = True
        self.ready: Callable[[], None] = lambda: None

    @property
    def readable(self) -> bool:
        return bool(self.inbox or self.ended)

    def send(self, data: bytes) -> int:
        self.other.inbox += data
        self.other.ready()
        return len(data)

    def recv(self, size: int) -> bytes:
        if not self.readable:
            raise BlockingIOError(errno.EAGAIN, "nothing has arrived")
        data = bytes(self.inbox[:size])
        del self.inbox[:size]
        return data

    def close(self) -> None:
        self.closed = self.other.ended = True
        self.other.ready()


class Bare:
    """What the hot loop takes a connection's socket for: ``socket.socket`` without waiting."""

    family = socket.AF_INET

    def __init__(self, wire: Wire | Own) -> None:
        self._wire = wire

    def setblocking(self, flag: bool) -> None:
        if flag:
            raise Misuse("a hot socket never blocks")

    def fileno(self) -> int:
        return -1 if self._wire.closed else self._wire.fd

    def setsockopt(self, level: int, option: int, value: int) -> None:
        self._wire.options[level, option] = value

    def send(self, data: bytes | bytearray | memoryview) -> int:
        return self._wire.send(bytes(data))

    def recv(self, size: int) -> bytes:
        return self._wire.recv(size)

    def recvmsg(self, size: int, _: int) -> tuple[bytes, list[Any], int, None]:
        return self._wire.recv(size), [], 0, None

    def close(self) -> None:
        self._wire.close()


class Socket(trio.socket.SocketType):
    """A TCP socket of trio's, in the simulated network."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self._network = network
        self.wire: Wire | None = None
        self._options: dict[tuple[int, int], int] = {}
        self._closed = False

    type = socket.SOCK_STREAM
    family = socket.AF_INET
    proto = socket.IPPROTO_TCP
    did_shutdown_SHUT_WR = False  # noqa: N815  # trio's name

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def fileno(self) -> int:
        return -1 if self._closed or self.wire is None else self.wire.fd

    def setsockopt(self, level: int, option: int, value: Any, optlen: int | None = None) -> None:
        self._options[level, option] = value

    def is_readable(self) -> bool:
        return self._closed or self._connected().readable

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            if self.wire is not None:
                self.wire.close()

    def __del__(self) -> None:
        # As Python's own sockets do.
        if not self._closed and self.wire is not None and not self.wire.severed:
            self._network.collected += 1
        self.close()

    def detach_wire(self) -> Wire:
        """Give the connection away; closing this socket does not close it any more."""
        self._closed = True
        return self._connected()

    def _connected(self) -> Wire:
        if self.wire is None:
            _fail(errno.ENOTCONN)
        return self.wire

    async def connect(self, address: Any) -> None:
        await trio.lowlevel.checkpoint()
        dial = self._network.dial(*address[:2])
        try:
            while dial.wire is None and not dial.error:
                await dial.decided.park()
        finally:
            dial.given_up = dial.wire is None
        if dial.wire is None:
            _fail(dial.error)
        self.wire = dial.wire
        self.wire.options.update(self._options)

    async def send(self, data: Any, flags: int = 0) -> int:
        await trio.lowlevel.checkpoint()
        wire = self._connected()
        while True:
            if self._closed:
                _fail(errno.EBADF)
            try:
                return wire.send(bytes(data))
            except BlockingIOError:
                await wire.changed.park()

    async def recv(self, size: int, flags: int = 0, /) -> bytes:
        await trio.lowlevel.checkpoint()
        wire = self._connected()
        while True:
            if self._closed:
                _fail(errno.EBADF)
            try:
                return wire.recv(size)
            except BlockingIOError:
                await wire.changed.park()

    async def wait_writable(self) -> None:
        await trio.lowlevel.checkpoint()
        wire = self._connected()
        while not (wire.writable or wire.closed):
            await wire.changed.park()


class SimulatedPoller:
    """Which of the hot loop's sockets are ready, level-triggered and in turn."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._watched: dict[int, tuple[Wire | Own, int]] = {}
        self._changed = trio.lowlevel.ParkingLot()
        self.killed = False
        self.spins = network.spins
        self.hold_up_ns = 0
        """How long the process is held up before it gets on."""
        self._polled_ns = network.agenda.now_ns

    def register(self, fd: int, events: int, /) -> None:
        wire = self._network.wire_of(fd)
        self._watched[fd] = (wire, events)
        wire.ready = self.wake

    def modify(self, fd: int, events: int, /) -> None:
        self._watched[fd] = (self._watched[fd][0], events)
        self.wake()

    def unregister(self, fd: int, /) -> None:
        del self._watched[fd]

    def wake(self) -> None:
        self._changed.unpark_all()

    def _ready(self) -> list[tuple[int, int]]:
        found = []
        for fd, (wire, events) in self._watched.items():
            mask = wire.readable * select.EPOLLIN | wire.writable * select.EPOLLOUT
            if wire.error:
                events |= select.EPOLLERR
                mask |= select.EPOLLERR
            if mask & events:
                found.append((fd, mask & events))
        return found

    def poll(self, timeout: float, maxevents: int, /) -> list[tuple[int, int]]:
        if self.killed:
            raise Killed
        agenda = self._network.agenda
        if self.hold_up_ns:
            held_ns, self.hold_up_ns = self.hold_up_ns, 0
            agenda.pass_time(held_ns)
        if agenda.now_ns - self._polled_ns > STOPPED_NS:
            self._network.held_up()
        agenda.run_due()
        ready = self._ready()[:maxevents]
        for fd, _ in ready:
            self._watched[fd] = self._watched.pop(fd)  # to the end of the queue
            agenda.pass_time(TURN_NS)
        if self.spins and not ready:
            agenda.pass_time(min(SPIN_NS, agenda.idle_ns()))
        self._polled_ns = agenda.now_ns
        return ready

    async def wait_readable(self) -> None:
        await trio.lowlevel.checkpoint()
        while not (self._ready() or self.killed or self.hold_up_ns):
            await self._changed.park()

    def close(self) -> None:
        if self._watched and not self.killed:
            raise Misuse(f"sockets were left in the loop: {list(self._watched)}")


class Dial:
    """An attempt to connect: decided once there is a connection or an error."""

    def __init__(self) -> None:
        self.wire: Wire | None = None
        self.error = 0
        self.given_up = False
        self.decided = trio.lowlevel.ParkingLot()

    def decide(self, wire: Wire | None, error: int = 0) -> None:
        self.wire, self.error = wire, error
        self.decided.unpark_all()


class Network(trio.abc.HostnameResolver, trio.abc.SocketFactory):
    """All names, addresses and connections of one world."""

    def __init__(self, agenda: Agenda, weather: Weather) -> None:
        self.agenda = agenda
        self.weather = weather
        self._numbers = itertools.count(1)
        self._listeners: dict[str, Listener] = {}
        self._hosts: dict[str, str] = {}
        """Host by address; the newest address of a host is the one that answers."""
        self._addresses: dict[str, list[str]] = {}
        self.wires: dict[int, Wire] = {}
        """Connections that the process holds, by descriptor."""
        self.own: dict[int, Own] = {}
        """Ends of connections of the process to itself, by descriptor."""
        self.unknown: set[str] = set()
        """Hosts whose name is not found for now."""
        self.refusing: set[str] = set()
        self.silent: set[str] = set()
        """Hosts that answer no dial at all."""
        self.dials: dict[str, int] = {}
        """Attempts to connect, by host."""
        self.looking_up: Callable[[str], None] = lambda host: None
        """Told of each name that is asked for."""
        self.held_up: Callable[[], None] = lambda: None
        """Told when the process goes on after it was stopped."""
        self.newest: dict[str, Wire] = {}
        """The connection that a host was last dialled on successfully."""
        self.poller: SimulatedPoller | None = None
        self.spins = False
        """Whether the loop never waits: then each poll in vain takes its time."""
        self.collected = 0
        """Sockets that nobody has closed, but Python's garbage collection."""

    def listen(self, host: str, listener: Listener) -> None:
        """Have somebody behind a name."""
        self._listeners[host] = listener
        self.move(host)

    def move(self, host: str) -> None:
        """Give a host a new address; nobody is at the old one any more."""
        for old in self._addresses.get(host, ()):
            del self._hosts[old]
        address = f"10.0.{len(self._hosts)}.{next(self._numbers) % 250 + 1}"
        while address in self._hosts:
            address = f"10.1.{len(self._hosts)}.{next(self._numbers) % 250 + 1}"
        self._addresses[host] = [address]
        self._hosts[address] = host

    # -- trio's side ---------------------------------------------------------------------------

    def install(self) -> None:
        """Take the place of trio's sockets and resolver for the run we are in."""
        trio.socket.set_custom_socket_factory(self)
        trio.socket.set_custom_hostname_resolver(self)

    def socket(self, family: Any = None, type: Any = None, proto: Any = None) -> Socket:  # noqa: A002
        return Socket(self)

    async def getaddrinfo(
        self,
        host: bytes | None,
        port: bytes | str | int | None,
        family: int = 0,
        type: int = 0,  # noqa: A002  # trio's name
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        name = (host or b"").decode()
        self.looking_up(name)
        await trio.sleep(NAME_NS / NS_PER_S)
        if name in self.unknown or name not in self._addresses:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [
            (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))
            for address in self._addresses[name]
        ]

    async def getnameinfo(self, sockaddr: Any, flags: int) -> NoReturn:
        raise Misuse("nobody asks for the name of an address")

    # -- the kernel's side ---------------------------------------------------------------------

    def kernel(self) -> Kernel:
        """Return a kernel for one more process."""

        def poller() -> Poller:
            self.poller = SimulatedPoller(self)
            return self.poller

        return Kernel(poller, self._bare, self._pair)

    def _pair(self) -> tuple[StdSocket, StdSocket]:
        near, far = (Own(1_000 + next(self._numbers)) for _ in range(2))
        near.other, far.other = far, near
        self.own |= {near.fd: near, far.fd: far}
        return cast(StdSocket, Bare(near)), cast(StdSocket, Bare(far))

    def _bare(self, sock: trio.socket.SocketType) -> StdSocket:
        if not isinstance(sock, Socket):
            raise Misuse(f"{sock!r} is no socket of this network")
        wire = sock.detach_wire()
        self.newest[wire.host] = wire
        return cast(StdSocket, Bare(wire))

    def wire_of(self, fd: int) -> Wire | Own:
        return self.own[fd] if fd in self.own else self.wires[fd]

    def dial(self, address: str, port: int) -> Dial:
        """Begin to connect: one round trip, unless something is in the way."""
        dial = Dial()
        host = self._hosts.get(address, "")
        self.dials[host] = self.dials.get(host, 0) + 1
        if host in self.silent:
            return dial

        def answer() -> None:
            if dial.given_up:
                return
            if not host or host in self.refusing:
                dial.decide(None, errno.ECONNREFUSED)
            else:
                dial.decide(self._connect(host))

        self.agenda.later(2 * self.weather.delay_ns(), answer)
        return dial

    def _connect(self, host: str) -> Wire:
        number = next(self._numbers)
        wire = Wire(number, host, self.agenda, self.weather)
        wire.fd = 1_000 + number
        self.wires[wire.fd] = wire
        wire.peer = self._listeners[host](wire)
        return wire

    def unclosed(self) -> list[Wire]:
        """Return the connections whose socket the process has not closed."""
        self.wires = {fd: wire for fd, wire in self.wires.items() if not wire.closed}
        return [wire for wire in self.wires.values() if not wire.severed]

    def unclosed_own(self) -> list[Own]:
        """Return the ends of connections to itself that the process has not closed."""
        self.own = {fd: own for fd, own in self.own.items() if not own.closed}
        return list(self.own.values())

    def sever(self) -> None:
        """The process is dead: its kernel closes everything it had open."""
        self.own.clear()
        for wire in self.unclosed():
            wire.break_off()
            wire.severed = True
            wire.outward.then(wire._say_end)
