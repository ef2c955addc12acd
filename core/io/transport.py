"""A hot connection: bytes in by the loop's turns, bytes out by a direct call.

Here lives the non-blocking socket of one connection that is already open, plain or under TLS. A
turn is one bounded read, handed on as one piece. ``send`` puts bytes on the wire before it
returns; what the kernel does not take waits in a bounded backlog, and only then does the loop
watch for room. No exception leaves for the loop: whatever ends the connection is told to the
receiver as one ``ConnectionLost``, exactly once, in a pass of its own, so that neither ``send``
nor ``close`` ever calls back into whoever called them.

Dialling, handshakes and retries never live here, nor do frames.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from abc import ABC, abstractmethod
from typing import Final, Protocol

from core.io.clock import since_realtime_ns
from core.io.loop import READABLE, WRITABLE, HotLoop
from core.io.tls import TlsClient
from core.model.errors import ConnectionLost

READ_BYTES: Final = 16 * 1024
"""Most that one turn reads: 80 messages of 200 bytes, 0.8 ms even at 10 us each, so that with the
loop's millisecond no trio task waits longer than 2 ms. A larger read would save nothing: the
system call takes a hundredth of what its bytes take afterwards. It is also TLS's largest record."""

BACKLOG_BYTES: Final = 256 * 1024
"""Most that waits behind a full socket buffer: 800 orders of 300 bytes. A venue that leaves so
much lying, on top of what the kernel holds, is not taking orders any more."""

SILENT_PEER_MS: Final = 10_000
"""Sent data that nobody acknowledges for so long, or a probe, ends the connection. A round trip
around the world takes 0.3 s, and five retransmissions fit."""

PROBE_IDLE_S: Final = 5
PROBE_EVERY_S: Final = 2
PROBES: Final = 3
"""With nothing under way the kernel asks after 5 s whether the peer is still there: half-open
connections show within the same 10 s or so."""

BUSY_POLL_US: Final = 50
"""How long the kernel polls the network card for us where it has a driver for that: the value its
own documentation starts from. Without effect on loopback."""

_SO_TIMESTAMPING: Final = 37  # include/uapi/asm-generic/socket.h; not in Python 3.11's socket
_SO_BUSY_POLL: Final = 46
_RX_SOFTWARE: Final = 1 << 3 | 1 << 4  # SOF_TIMESTAMPING_RX_SOFTWARE, SOF_TIMESTAMPING_SOFTWARE
_timespec: Final = struct.Struct("qq")  # the first of three: the software stamp
_STAMP_SPACE: Final = socket.CMSG_SPACE(3 * _timespec.size)


class Receiver(Protocol):
    """Who is told what a connection receives."""

    def on_bytes(self, data: bytes, kernel_ns: int, began_ns: int, read_ns: int) -> None:
        """Take what one read brought.

        All times are on the loop's clock: when the kernel received the last of it (0: unknown),
        and before and after the read, TLS included.
        """
        ...

    def on_lost(self, lost: ConnectionLost) -> None:
        """Take note that the connection is gone; nothing follows."""
        ...


class Transport(ABC):
    """What TCP and TLS have in common: the backlog, the read, and the one end."""

    def __init__(self, sock: socket.socket, loop: HotLoop, *, kernel_stamps: bool) -> None:
        """Take over a connected socket; ``start`` gives it to the loop.

        ``kernel_stamps`` asks the kernel when it received what is read: 0.9 us more a read.
        """
        sock.setblocking(False)
        _tune(sock)
        if kernel_stamps:
            sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _RX_SOFTWARE)
        self.redial_now = False
        """Whether whoever closed it wants the next connection at once."""
        self.lost: ConnectionLost | None = None
        """Why the connection ended, once it has."""
        self.last = b""
        """What was read last: rehearsals read it again."""
        self._sock = sock
        self._fd = sock.fileno()
        self._loop = loop
        self._now_ns = loop.now_ns
        self._kernel_stamps = kernel_stamps
        self._backlog = bytearray()
        self._receiver: Receiver | None = None

    def start(self, receiver: Receiver) -> None:
        """Give the connection its turns in the loop, and what they read to ``receiver``."""
        self._receiver = receiver
        self._loop.add(self._fd, self._turn)

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Put bytes on the wire, or behind those that still wait.

        Never raises for what the network does: on a lost connection the bytes go nowhere, and
        the receiver hears, or has heard, of the loss. More than ``BACKLOG_BYTES`` waiting is one.
        """

    @abstractmethod
    def _take(self, data: bytes, kernel_ns: int, began_ns: int) -> None:
        """Hand what was read to the receiver."""

    def close(self, reason: str, *, redial_now: bool = False) -> None:
        """End the connection; the receiver is told in a later pass. Harmless on a lost one."""
        if self.lost is None:
            self.redial_now = redial_now
            self._lose(reason)

    def forked(self) -> None:
        """Let go of the connection in a child of the process: it is the parent's.

        The poller is not told: child and parent share what it watches.
        """
        self.lost = ConnectionLost("this is a child of the process that has the connection")
        self._sock.close()

    def _turn(self, events: int) -> None:
        if events & WRITABLE:
            self._drain()
        if events & ~WRITABLE and self.lost is None:
            self._read()

    def _read(self) -> None:
        now_ns = self._now_ns
        kernel_ns = 0
        began_ns = now_ns()
        try:
            if self._kernel_stamps:
                data, extra, _, _ = self._sock.recvmsg(READ_BYTES, _STAMP_SPACE)
                if extra:
                    seconds, rest_ns = _timespec.unpack_from(extra[0][2])
                    age_ns = since_realtime_ns(seconds * 1_000_000_000 + rest_ns)
                    kernel_ns = now_ns() - age_ns
            else:
                data = self._sock.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(f"reading failed: {error.strerror}")
            return
        if data:
            self._take(data, kernel_ns, began_ns)
        else:
            self._end_of_file()

    def _end_of_file(self) -> None:
        self._lose("the peer closed the connection")

    def _put(self, data: bytes | memoryview, size: int) -> None:
        """Send raw bytes now, or queue what the kernel does not take."""
        if self._backlog:
            self._queue(data, size)
            return
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._lose(f"sending failed: {error.strerror}")
            return
        if sent != size:
            self._queue(memoryview(data)[sent:], size - sent)
            if self.lost is None:
                self._loop.modify(self._fd, READABLE | WRITABLE)

    def _queue(self, data: bytes | memoryview, size: int) -> None:
        waiting = len(self._backlog) + size
        if waiting > BACKLOG_BYTES:
            self._lose(f"{waiting} bytes wait to be sent, more than {BACKLOG_BYTES}")
        else:
            self._backlog += data

    def _drain(self) -> None:
        try:
            sent = self._sock.send(self._backlog)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(f"sending failed: {error.strerror}")
            return
        del self._backlog[:sent]
        if not self._backlog:
            self._loop.modify(self._fd, READABLE)

    def _lose(self, reason: str) -> None:
        """Let go of the socket at once, and have the receiver told in the next pass."""
        if self.lost is None:
            self.lost = ConnectionLost(reason)
            self._backlog.clear()
            if self._receiver is not None:
                self._loop.remove(self._fd)
                self._loop.post(self._tell)
            self._sock.close()

    def _tell(self) -> None:
        if self._receiver is not None and self.lost is not None:
            self._receiver.on_lost(self.lost)


class TcpTransport(Transport):
    """A connection in the clear: the built-in exchange on this machine, and leased lines."""

    def send(self, data: bytes) -> None:
        if self.lost is None:
            self._put(data, len(data))

    def _take(self, data: bytes, kernel_ns: int, began_ns: int) -> None:
        self.last = data
        if self._receiver is not None:
            self._receiver.on_bytes(data, kernel_ns, began_ns, self._now_ns())


class TlsTransport(Transport):
    """A connection under TLS whose handshake is over; ``tls`` holds its keys."""

    def __init__(
        self, sock: socket.socket, loop: HotLoop, tls: TlsClient, *, kernel_stamps: bool
    ) -> None:
        super().__init__(sock, loop, kernel_stamps=kernel_stamps)
        self._tls = tls

    def send(self, data: bytes) -> None:
        if self.lost is None:
            try:
                records = self._tls.encrypt(data)
            except ssl.SSLError as error:
                self._lose(f"TLS failed: {error.reason}")
            else:
                self._put(records, len(records))

    def _take(self, data: bytes, kernel_ns: int, began_ns: int) -> None:
        tls = self._tls
        try:
            plain = tls.decrypt(data)
        except ssl.SSLError as error:
            self._lose(f"TLS failed: {error.reason}")
            return
        records = tls.outgoing()
        if records:
            self._put(records, len(records))
        if plain and self._receiver is not None:
            self.last = plain
            self._receiver.on_bytes(plain, kernel_ns, began_ns, self._now_ns())
        if tls.ended:
            self._lose("the peer closed the connection")

    def _end_of_file(self) -> None:
        self._lose("the peer cut the connection without saying so in TLS: data may be missing")

    def close(self, reason: str, *, redial_now: bool = False) -> None:
        # The record that says so cannot overtake those that wait.
        if self.lost is None and not self._backlog:
            with contextlib.suppress(OSError):
                self._sock.send(self._tls.farewell())
        super().close(reason, redial_now=redial_now)


def _tune(sock: socket.socket) -> None:
    """Set what a hot TCP connection wants; a socket of another family has none of it."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, PROBE_IDLE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBE_EVERY_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENT_PEER_MS)
    allow_busy_poll(sock)


def allow_busy_poll(sock: socket.socket) -> bool:
    """Have the kernel poll the network card for this socket; False where that is not granted."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_BUSY_POLL, BUSY_POLL_US)
    except PermissionError:
        return False
    return True
