"""The other end of a transport, in the clear and under TLS, on loopback sockets."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import Callable

import trio
import trustme

from core.io.loop import HotLoop
from core.io.tls import TlsClient, trust
from core.io.transport import Transport
from core.model.errors import ConnectionLost

HOST = "venue.test"
AUTHORITY = trustme.CA()

Read = tuple[bytes, int, int, int]


def trusted() -> ssl.SSLContext:
    """What a client believes that believes the tests' own authority."""
    context = trust(None)
    AUTHORITY.configure_trust(context)
    return context


def served(cert: trustme.LeafCert | None = None) -> ssl.SSLContext:
    """What a server with this certificate speaks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (cert or AUTHORITY.issue_cert(HOST)).configure_cert(context)
    return context


async def until(condition: Callable[[], object]) -> None:
    """Let the other tasks run until something holds; 5 s are the end of any test."""
    with trio.fail_after(5):
        while not condition():
            await trio.lowlevel.checkpoint()


class Ears:
    """Notes what a transport tells its receiver."""

    def __init__(self) -> None:
        self.links: set[int] = set()
        self.reads: list[Read] = []
        self.losses: list[ConnectionLost] = []
        self.then: Callable[[], None] = lambda: None

    def on_bytes(self, link: int, data: bytes, kernel_ns: int, began_ns: int, read_ns: int) -> None:
        self.links.add(link)
        self.reads.append((data, kernel_ns, began_ns, read_ns))
        self.then()

    def on_lost(self, lost: ConnectionLost) -> None:
        self.losses.append(lost)

    @property
    def heard(self) -> bytes:
        return b"".join(read[0] for read in self.reads)


class TcpPeer:
    """A peer in the clear, under the test's control."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.setblocking(False)

    def send(self, data: bytes) -> None:
        assert self.sock.send(data) == len(data)

    def receive(self) -> bytes:
        """Return what is there, which may be nothing."""
        try:
            return self.sock.recv(1 << 20)
        except BlockingIOError:
            return b""

    def end(self) -> None:
        """End the connection as the protocol wants it."""
        self.sock.close()

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class TlsPeer(TcpPeer):
    """A peer under TLS, its records made in memory."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = served().wrap_bio(self._incoming, self._outgoing, server_side=True)

    def shake_hands(self, client: TlsClient) -> None:
        proven = shaken = False
        while not (proven and shaken):
            proven = proven or client.handshake(self._outgoing.read())
            self._incoming.write(client.outgoing())
            if not shaken:
                with contextlib.suppress(ssl.SSLWantReadError):
                    self.tls.do_handshake()
                    shaken = True
        client.decrypt(self._outgoing.read())  # session tickets

    def records(self, data: bytes) -> bytes:
        self.tls.write(data)
        return self._outgoing.read()

    def send(self, data: bytes) -> None:
        super().send(self.records(data))

    def receive(self) -> bytes:
        self._incoming.write(super().receive())
        plain = b""
        with contextlib.suppress(ssl.SSLWantReadError):
            while piece := self.tls.read(1 << 16):
                plain += piece
        return plain

    def end(self) -> None:
        with contextlib.suppress(ssl.SSLError):
            self.tls.unwrap()
        super().send(self._outgoing.read())
        super().end()


def connected() -> tuple[socket.socket, socket.socket]:
    """Two ends of a TCP connection on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname(), timeout=5)
        theirs, _ = listener.accept()
    return ours, theirs


def tcp_pair(loop: HotLoop, *, kernel_stamps: bool = False) -> tuple[Transport, TcpPeer]:
    ours, theirs = connected()
    return Transport(ours, loop, kernel_stamps=kernel_stamps), TcpPeer(theirs)


def tls_pair(loop: HotLoop, *, kernel_stamps: bool = False) -> tuple[Transport, TcpPeer]:
    ours, theirs = connected()
    client, peer = TlsClient(trusted(), HOST), TlsPeer(theirs)
    peer.shake_hands(client)
    return Transport(ours, loop, client, kernel_stamps=kernel_stamps), peer
