"""Dial a connection and keep it: TLS, HTTP upgrade, hand over to the loop, and dial again.

The scheme of its URL decides: TLS for ``wss`` and ``tls``, an HTTP upgrade for ``ws`` and ``wss``.

Here lives the only asynchronous part of a connection, one trio task for each. Once the
venue has accepted the session the socket belongs to the hot loop, and this task only waits for its
end. Everything is told to ``Listener`` from a pass of the loop, never from this task.

A dial that fails is tried again after a capped, fully jittered, exponential back-off, except where
the peer's certificate does not prove who it is: ``Untrusted`` ends the task, and whatever runs it.
What is said over the connection once it is up is the session's business, not known here.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from random import Random
from typing import Final, NamedTuple, NoReturn, Protocol
from urllib.parse import urlsplit

import trio

from core.io.kernel import LINUX, Kernel
from core.io.loop import HotLoop
from core.io.tls import TlsClient, distrust
from core.io.transport import READ_BYTES, Transport
from core.model.errors import ConnectionLost, HandshakeRefused, Misuse, RemoteFault, Untrusted
from core.model.venue import Connection
from core.protocols.websocket_handshake import ClientHandshake, Upgraded, UpgradeRefused

DIAL_S: Final = 10.0
"""Name, TCP, TLS and upgrade together: five round trips around the world, and a slow resolver."""

FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 30.0
"""Waits are drawn evenly from 0 to a bound that doubles from the first to the longest. A venue that
refuses for five minutes sees some 30 attempts of a connection; the strictest known limit is 300 for
one address."""

PROVEN_S: Final = 30.0
"""A connection that lived so long was a good one: the next failure counts as the first."""

REFUSED_WAIT_S: Final = {418: 120.0, 429: 60.0}
"""Least wait where the venue says that there were too many requests, but not for how long: limits
are counted by the minute, and known bans start at two."""

LONGEST_BAN_S: Final = 259_200.0
"""Most that a Retry-After is believed: three days, the longest published ban."""

Dial = Callable[[str, int], Awaitable[trio.SocketStream]]
"""Opens a TCP connection to a host and port; raises ``OSError``."""


class Listener(Protocol):
    """What is told of connections. All calls come from passes of the hot loop."""

    def on_up(self, connection: int, transport: Transport) -> None:
        """Take a connection whose session is open; its bytes follow in later calls."""
        ...

    def on_bytes(
        self, connection: int, data: bytes, kernel_ns: int, began_ns: int, read_ns: int
    ) -> None: ...
    def on_down(self, connection: int, reason: str) -> None:
        """Take note that the connection is gone; it is being dialled again."""
        ...

    def on_dial_failed(self, connection: int, reason: str, retry_ns: int) -> None:
        """Take note that a dial failed, and after which time it is tried again."""
        ...

    def on_dial_refused(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Take note that the venue takes no connection: there were too many requests."""
        ...


class Backoff:
    """How long to wait before the next dial."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._failures = 0

    def after_failure_s(self, least_s: float = 0.0) -> float:
        """Return the wait after one more failure; ``least_s`` is the venue's own wish."""
        bound_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0**self._failures)
        if bound_s < LONGEST_WAIT_S:
            self._failures += 1
        return min(least_s, LONGEST_BAN_S) + self._random.uniform(0.0, bound_s)

    def after_life_s(self, lived_s: float, *, redial_now: bool) -> float:
        """Return the wait after a connection that lived so long.

        ``redial_now`` requests no wait. A connection that was short-lived waits all the same: a
        venue that tells every new connection to go would be dialled without end.
        """
        if lived_s < PROVEN_S:
            return self.after_failure_s()
        self._failures = 0
        return 0.0 if redial_now else self.after_failure_s()


async def keep(
    index: int,
    connection: Connection,
    listener: Listener,
    *,
    loop: HotLoop,
    trusted: ssl.SSLContext,
    random: Random,
    kernel_stamps: bool,
    held_s: Callable[[], float] = lambda: 0.0,
    dial: Dial = trio.open_tcp_stream,
    kernel: Kernel = LINUX,
) -> NoReturn:
    """Keep ``connection`` connected until cancelled; ``index`` is its name towards ``listener``.

    ``held_s`` says for how long nothing may be dialled: a venue that has banned us counts dials
    too. ``random`` spreads the back-off, so that many runs do not dial at the same moment. Raises
    ``Untrusted``, which is never retried, and ``Misuse`` for a URL that is none.
    """
    address = _Address(connection.url)
    backoff = Backoff(random)
    while True:
        wait_s = held_s()
        if wait_s > 0:
            await trio.sleep(wait_s)
            continue
        try:
            with trio.fail_after(DIAL_S):
                opened = await _open(address, trusted, random.randbytes(16), dial, kernel)
        except trio.TooSlowError:
            reason, least_s = f"no open session within {DIAL_S:.0f} s", 0.0
        except HandshakeRefused as error:
            reason, least_s = str(error), _least_wait_s(error)
            if isinstance(error, UpgradeRefused) and error.status in REFUSED_WAIT_S:
                loop.post(partial(listener.on_dial_refused, error.status, error.texts, error.body))
        except Untrusted:
            raise
        except (RemoteFault, OSError, trio.BrokenResourceError) as error:
            reason, least_s = _reason(error), 0.0
        else:
            began_s = trio.current_time()
            transport = Transport(opened.sock, loop, opened.tls, kernel_stamps=kernel_stamps)
            await _live(index, listener, loop, transport, opened.leftover)
            lived_s = trio.current_time() - began_s
            await trio.sleep(backoff.after_life_s(lived_s, redial_now=transport.redial_now))
            continue
        wait_s = backoff.after_failure_s(least_s)
        loop.post(partial(listener.on_dial_failed, index, reason, int(wait_s * 1e9)))
        await trio.sleep(wait_s)


def _least_wait_s(refused: HandshakeRefused) -> float:
    if refused.retry_after_s is not None:
        return float(refused.retry_after_s)
    return REFUSED_WAIT_S.get(refused.status, 0.0)


def _reason(error: Exception) -> str:
    """Return what went wrong, with the causes of a dial that tried several addresses."""
    causes = error.__cause__
    if isinstance(causes, BaseExceptionGroup):
        return f"{error}: " + "; ".join(str(cause) for cause in causes.exceptions)
    return str(error)


class _Address:
    """A connection's URL, taken apart."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.upgrades = parts.scheme in ("ws", "wss")
        if parts.scheme not in ("ws", "wss", "tcp", "tls") or not parts.hostname:
            raise Misuse(
                f"the line's url {url!r} is none of ws://HOST, wss://HOST, tcp://HOST:PORT and "
                "tls://HOST:PORT"
            )
        if not self.upgrades and parts.port is None:
            raise Misuse(f"the line's url {url!r} names no port")
        self.tls = parts.scheme in ("wss", "tls")
        self.host = parts.hostname
        self.port = parts.port or (443 if self.tls else 80)
        self.authority = parts.netloc
        self.target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


class _Opened(NamedTuple):
    """An open session that nobody lives in yet."""

    sock: socket.socket
    tls: TlsClient | None
    leftover: bytes


async def _open(
    address: _Address, trusted: ssl.SSLContext, nonce: bytes, dial: Dial, kernel: Kernel
) -> _Opened:
    stream = await dial(address.host, address.port)
    with stream.socket:  # closes it, unless it was detached
        tls = None
        if address.tls:
            tls = TlsClient(trusted, address.host)
            await _prove(stream, tls)
        leftover = await _upgrade(stream, tls, address, nonce) if address.upgrades else b""
        return _Opened(kernel.bare(stream.socket), tls, leftover)


async def _prove(stream: trio.SocketStream, tls: TlsClient) -> None:
    """Have the peer prove who it is."""
    data = b""
    while True:
        try:
            proven = tls.handshake(data)
        except ssl.SSLError as error:
            raise distrust(error) or error from error
        records = tls.outgoing()
        if records:
            await stream.send_all(records)
        if proven:
            return
        data = await stream.receive_some(READ_BYTES)
        if not data:
            raise ConnectionLost("the peer hung up during the TLS handshake")


async def _upgrade(
    stream: trio.SocketStream, tls: TlsClient | None, address: _Address, nonce: bytes
) -> bytes:
    """Open the WebSocket session; return the bytes that came with the answer."""
    handshake = ClientHandshake(host=address.authority, target=address.target, nonce=nonce)
    await stream.send_all(tls.encrypt(handshake.request) if tls else handshake.request)
    upgraded: Upgraded | None = None
    while upgraded is None:
        data = await stream.receive_some(READ_BYTES)
        if tls and data:
            data = tls.decrypt(data)
            if not data and not tls.ended:
                continue  # less than a record, or a session ticket
        upgraded = handshake.receive(data)
    return upgraded.leftover


class _Ears:
    """Hears the transport of a connection."""

    def __init__(self, index: int, listener: Listener) -> None:
        self.on_bytes = listener.on_bytes
        self.gone = trio.Event()
        self._down = partial(listener.on_down, index)

    def on_lost(self, lost: ConnectionLost) -> None:
        self._down(str(lost))
        self.gone.set()


async def _live(
    index: int, listener: Listener, loop: HotLoop, transport: Transport, leftover: bytes
) -> None:
    """Hand an open session to the loop, and wait for its end."""
    ears = _Ears(index, listener)

    def begin() -> None:
        if transport.lost is None:  # else this task was cancelled meanwhile
            transport.start(index, ears)
            listener.on_up(index, transport)
            if leftover:
                now_ns = loop.now_ns()
                ears.on_bytes(index, leftover, 0, now_ns, now_ns)

    loop.post(begin)
    try:
        await ears.gone.wait()
    finally:
        transport.close("the line was given up")
