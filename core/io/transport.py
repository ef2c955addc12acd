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
from collections.abc import Callable
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
    """Who is told what connections receive."""

    def on_bytes(self, link: int, data: bytes, kernel_ns: int, began_ns: int, read_ns: int) -> None:
        """Take what one read of a link brought.

        All times are on the loop's clock: when the kernel received the last of it (0: unknown),
        and before and after the read, TLS included.
        """
        ...

    def on_lost(self, lost: ConnectionLost) -> None:
        """Take note that the connection is gone; nothing follows."""
        ...


class Transport:
    """One connection in the loop: the read, the backlog, and the one end.

    In the clear between a ready socket and who takes its bytes there is one function, ``_turn``.
    """

    def __init__(
        self,
        sock: socket.socket,
        loop: HotLoop,
        tls: TlsClient | None = None,
        *,
        kernel_stamps: bool,
    ) -> None:
        """Take over a connected socket; ``start`` gives it to the loop.

        ``tls`` holds the keys of a connection whose handshake is over, ``None`` where there is no
        TLS. ``kernel_stamps`` asks the kernel when it received what is read: 0.9 us more a read.
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
        self._tls = tls
        self._kernel_stamps = kernel_stamps
        self._backlog = bytearray()
        self._receiver: Receiver | None = None
        # Set by ``start``; no turn comes before.
        self._link: int
        self._on_bytes: Callable[[int, bytes, int, int, int], None]

    def start(self, link: int, receiver: Receiver) -> None:
        """Give the connection its turns in the loop, and what they read to ``receiver``, as what
        this link has brought.
        """
        self._link, self._receiver, self._on_bytes = link, receiver, receiver.on_bytes
        self._loop.add(self._fd, self._turn)

    def send(self, data: bytes) -> None:
        """Put bytes on the wire, or behind those that still wait.

        Never raises for what the network does: on a lost connection the bytes go nowhere, and
        the receiver hears, or has heard, of the loss. More than ``BACKLOG_BYTES`` waiting is one.
        """
        if self.lost is None:
            if self._tls is not None:
                try:
                    data = self._tls.encrypt(data)
                except ssl.SSLError as error:
                    self._lose(f"TLS failed: {error.reason}")
                    return
            self._put(data)

    def close(self, reason: str, *, redial_now: bool = False) -> None:
        """End the connection; the receiver is told in a later pass. Harmless on a lost one."""
        if self.lost is None:
            # The record that says so cannot overtake those that wait.
            if self._tls is not None and not self._backlog:
                with contextlib.suppress(OSError):
                    self._sock.send(self._tls.farewell())
            self.redial_now = redial_now
            self._lose(reason)

    def forked(self) -> None:
        """Let go of the connection in a child of the process: it is the parent's.

        The poller is not told: child and parent share what it watches.
        """
        self.lost = ConnectionLost("this is a child of the process that has the connection")
        self._sock.close()

    def _turn(self, events: int) -> None:
        """Read once, and hand on what that brings."""
        if events != READABLE and not self._still_reads(events):
            return
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
        if self._tls is not None:
            self._take_records(self._tls, data, kernel_ns, began_ns)
        elif data:
            self.last = data
            self._on_bytes(self._link, data, kernel_ns, began_ns, now_ns())
        else:
            self._lose("the peer closed the connection")

    def _still_reads(self, events: int) -> bool:
        """Send what waits, where there is room; return whether a read is due as well."""
        if events & WRITABLE:
            self._drain()
        return bool(events & ~WRITABLE) and self.lost is None

    def _take_records(self, tls: TlsClient, data: bytes, kernel_ns: int, began_ns: int) -> None:
        """Hand on what TLS lets be read."""
        if not data:
            self._lose("the peer cut the connection without saying so in TLS: data may be missing")
            return
        try:
            plain = tls.decrypt(data)
        except ssl.SSLError as error:
            self._lose(f"TLS failed: {error.reason}")
            return
        records = tls.outgoing()
        if records:
            self._put(records)
        if plain:
            self.last = plain
            self._on_bytes(self._link, plain, kernel_ns, began_ns, self._now_ns())
        if tls.ended:
            self._lose("the peer closed the connection")

    def _put(self, data: bytes) -> None:
        """Send raw bytes now, or queue what the kernel does not take."""
        if self._backlog:
            self._queue(data)
            return
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._lose(f"sending failed: {error.strerror}")
            return
        if sent != len(data):
            self._queue(memoryview(data)[sent:])
            if self.lost is None:
                self._loop.modify(self._fd, READABLE | WRITABLE)

    def _queue(self, data: bytes | memoryview) -> None:
        waiting = len(self._backlog) + len(data)
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
