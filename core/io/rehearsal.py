"""Rehearsals: while nothing happens, the loop goes the way of a tick to an order, to keep it warm.

Here lives when a step of a rehearsal is made, and the connection that it goes over: both ends of it
are ours, on loopback, through the same poller, reads and sends as the run's own. What is rehearsed
is ``core.engine.understudy``'s. Nothing of it reaches the run's connections, journal or state.

A rehearsal is cut into steps, one in each idle pass of the loop, so that what arrives meanwhile
waits for one step at most: ``rehearsal_met`` says how long. How long each whole one took is the hop
``rehearsal``.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from core.engine.engine import Engine
from core.engine.understudy import Understudy
from core.io.clock import NowNs
from core.io.journal_file import Scratch
from core.io.loop import HotLoop, Record
from core.io.tls import OURSELVES, TlsClient, to_ourselves
from core.io.transport import READ_BYTES, Transport
from core.model.errors import ConnectionLost, HotloopError
from core.model.units import NS_PER_S
from core.state.book import Book
from core.state.journal import Journal

SAMPLE_BYTES: Final = 2 * 1024
"""Most that is read in a rehearsal: what is longer would be a long step."""

SAMPLE_NS: Final = NS_PER_S
"""How long the same bytes are read again and again."""

PATIENCE_PASSES: Final = 50
"""Passes of the loop in which our own bytes have to arrive; on loopback it is the next."""

FIRST: Final = 100
"""Rehearsals of a run that does not spin, as soon as it trades: Python runs code faster once it has
run some dozen times, and its first order is not to be the one that finds out."""

REST: Final = 2
"""A pause is so many times as long as the rehearsal before it, at least: what arrives meets one at
a third of all times at most, however much the strategy has to do."""

OURS: Final = -1
"""Stands for the link of the connection to ourselves, which is none of the run's."""

NEVER_NS: Final = 1 << 62
"""Later than any time."""

TRY_AGAIN_NS: Final = NS_PER_S
"""Between two looks whether the run trades yet."""

Samples = Callable[[], Sequence[bytes]]
"""Returns what was read last on each connection of the run."""


class _Far:
    """The other end of the connection: it sends what a venue would, and reads what it is sent."""

    def __init__(self, sock: socket.socket, loop: HotLoop, tls: ssl.SSLContext | None) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._loop = loop
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = (
            None if tls is None else tls.wrap_bio(self._incoming, self._outgoing, server_side=True)
        )
        self.read = False
        """Whether anything has arrived since this was last set to False."""
        self.started = False

    def handshake(self, data: bytes) -> bytes:
        self._incoming.write(data)
        if self._tls is not None:
            with suppress(ssl.SSLWantReadError):
                self._tls.do_handshake()
        return self._outgoing.read()

    def start(self) -> None:
        """Have the loop read what arrives."""
        self.started = True
        self._loop.add(self._sock.fileno(), self._turn)

    def send(self, data: bytes) -> None:
        if self._tls is not None:
            self._tls.write(data)
            data = self._outgoing.read()
        self._sock.send(data)

    def _turn(self, events: int) -> None:
        try:
            data = self._sock.recv(READ_BYTES)
            if self._tls is not None and data:
                self._incoming.write(data)
                with suppress(ssl.SSLWantReadError):  # all that is whole was read
                    while self._tls.read(READ_BYTES):
                        pass
        except OSError:
            data = b""
        self.read = True
        if not data:
            self.close()  # else the loop would find it readable for ever; the other end says so

    def close(self) -> None:
        """Let go of the connection; harmless where that is done."""
        if self.started:
            self.started = False
            self._loop.remove(self._sock.fileno())
        self._sock.close()


class Rehearsal:
    """The rehearsals of one run; its ``step`` is the loop's to call when nothing is ready."""

    def __init__(
        self,
        run: Engine,
        understudy_of: Callable[[Journal], Understudy],
        *,
        samples: Samples,
        loop: HotLoop,
        pair: Callable[[], tuple[socket.socket, socket.socket]],
        every_ns: int,
        tls: bool,
        kernel_stamps: bool,
        record: Record,
        log: Callable[[str], None],
    ) -> None:
        """``every_ns`` is the pause between two; 0: they end after the first ``FIRST``.

        Raises ``OSError`` where this machine allows no connection to ourselves.
        """
        self._run = run
        self._understudy_of = understudy_of
        self._samples = samples
        self._now_ns: NowNs = loop.now_ns
        self._every_ns = every_ns
        self._left = -1 if every_ns else FIRST
        """How many are still to be made where they end, below 0 where they do not."""
        self._record = record
        self._log = log
        self._scratch = Scratch()
        self._understudy = understudy_of(self._scratch)
        self._near, self._far = _connection(pair, loop, tls=tls, kernel_stamps=kernel_stamps)
        self._prepared = False
        self._script: Generator[None, None, None] | None = None
        self._next_ns = 0
        self._hearing = 0
        self._heard = False
        self._took_ns = 0
        """What the present rehearsal has taken until now."""
        self._stepped_ns = 0
        """What the step took that was made in the last idle pass, 0 where none was."""
        self._messages = 0
        self._taken: dict[int, bytes] = {}
        self._taken_ns = 0

    def step(self) -> None:
        """Make one step, where one is due."""
        messages = self._run.counts.messages
        if messages != self._messages:
            self._messages = messages
            if self._stepped_ns:
                self._record("rehearsal_met", self._stepped_ns)
        self._stepped_ns = 0
        began_ns = self._now_ns()
        if began_ns < self._next_ns:
            return
        if self._script is None:
            if not self._prepared and not self._may_begin():
                self._next_ns = began_ns + TRY_AGAIN_NS
                return
            self._script = self._rehearse() if self._prepared else self._prepare()
            self._took_ns = 0
        try:
            over = next(self._script, self) is self
        except (HotloopError, OSError) as error:
            self._end(f"{type(error).__name__}: {error}")
            return
        ended_ns = self._now_ns()
        self._stepped_ns = ended_ns - began_ns
        self._took_ns += self._stepped_ns
        if over:
            self._script = None
            self._record("rehearsal", self._took_ns)
            pause_ns = max(self._every_ns, REST * self._took_ns) if self._every_ns else 0
            self._next_ns = max(self._next_ns, ended_ns + pause_ns)
            self._left -= 1
            if not self._left:
                self._stop()

    # -- one rehearsal -------------------------------------------------------------------------

    def _rehearse(self) -> Generator[None, None, None]:
        """The way of a tick: read, decoded, booked, answered with an order; and of its replies."""
        understudy, near, far = self._understudy, self._near, self._far
        self._take_samples()
        yield
        yield from self._hear(far, public=True)
        understudy.tick()
        yield
        yield from self._leave(understudy, near, far)
        yield from self._hear(far, public=False)
        while understudy.reply():
            yield
            yield from self._leave(understudy, near, far)
        if understudy.halted:
            self._end("what rehearses has halted: has its strategy raised?")
        elif understudy.spent:
            self._understudy = self._understudy_of(self._scratch)
            self._prepared = False

    def _hear(self, far: _Far, *, public: bool) -> Generator[None, None, None]:
        """Have what a connection of the run read last read again, on our own."""
        for link, data in self._taken.items():
            if self._run.sessions[link].connection.public is public:
                self._hearing, self._heard = link, False
                far.send(data)
                yield
                for _ in range(PATIENCE_PASSES):
                    if self._heard:
                        break
                    yield
                return

    def _leave(
        self, understudy: Understudy, near: Transport, far: _Far
    ) -> Generator[None, None, None]:
        """Have what the understudy wants sent leave, and arrive."""
        data = understudy.leave()
        if data:
            far.read = False
            near.send(data)
            yield
            for _ in range(PATIENCE_PASSES):
                if far.read:
                    break
                yield

    def _take_samples(self) -> None:
        now_ns = self._now_ns()
        if now_ns - self._taken_ns < SAMPLE_NS:
            return
        self._taken_ns = now_ns
        for link, data in enumerate(self._samples()):
            if 0 < len(data) <= SAMPLE_BYTES and self._understudy.understands(link, data):
                self._taken[link] = data

    # -- what hears our own end ------------------------------------------------------------------

    def on_bytes(self, link: int, data: bytes, kernel_ns: int, began_ns: int, read_ns: int) -> None:
        """Take what our own end has read."""
        self._heard = True
        try:
            self._understudy.hear(self._hearing, data, kernel_ns, began_ns, read_ns)
        except HotloopError as error:
            self._end(f"{type(error).__name__}: {error}")
        self._took_ns += self._now_ns() - began_ns

    def on_lost(self, lost: ConnectionLost) -> None:
        """Our own connection is gone: rehearse no more."""
        self._end(f"its connection is lost: {lost}")

    # -- begin and end -------------------------------------------------------------------------

    def _may_begin(self) -> bool:
        """Whether the run trades, on a market that has prices."""
        run = self._run
        return run.desk.gate_open and any(map(_has_prices, run.books))

    def _prepare(self) -> Generator[None, None, None]:
        """Have the understudy trade, and our connection heard."""
        why = yield from self._understudy.prepare(self._run, self._now_ns())
        if why:
            self._end(why)
            return
        self._prepared = True
        if not self._far.started:
            self._near.start(OURS, self)
            self._far.start()

    def _end(self, why: str) -> None:
        """Rehearse no more, and say why: the run goes on without."""
        if self._next_ns < NEVER_NS:
            self._log(f"no rehearsals: {why}")
            self._stop()

    def _stop(self) -> None:
        """Rehearse no more, and let go of the connection."""
        self._script = None
        self._next_ns = NEVER_NS
        self._near.close("the rehearsals are over")
        self._far.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()


def _connection(
    pair: Callable[[], tuple[socket.socket, socket.socket]],
    loop: HotLoop,
    *,
    tls: bool,
    kernel_stamps: bool,
) -> tuple[Transport, _Far]:
    """Return both ends of a connection of ours to ourselves, whose handshake is over."""
    if not tls:
        near, far = pair()
        return Transport(near, loop, kernel_stamps=kernel_stamps), _Far(far, loop, None)
    here, there = to_ourselves()
    near, far = pair()
    client, server = TlsClient(here, OURSELVES), _Far(far, loop, there)
    data = b""
    while not client.handshake(data):
        data = server.handshake(client.outgoing())
    server.handshake(client.outgoing())
    return Transport(near, loop, client, kernel_stamps=kernel_stamps), server


def _has_prices(book: Book) -> bool:
    return book.live and bool(book.bid_lots and book.ask_lots)
