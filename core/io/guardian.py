"""The guardian: when the trading process dies without goodbye, no order of that run stays.

Here lives what a small process of its own does: wait for a word or for the end of the trading
process, and after an end without a word cancel the run's own orders by REST until the venue has
proved that none is left. It places nothing, has no strategy and no connection, and never touches an
order whose client id is not of its scope. How it is started and watched is in ``core.io.guarded``.

Requests that were on their way when the process died may be accepted later. So the proof counts
only from when the last of them has expired, and what the venue takes to execute one that it has let
in is over: until then it looks, and cancels what appears. A new
run of the same scope reconciles by itself; once it holds the scope's lock the guardian stops.
"""

from __future__ import annotations

import os
import queue
import stat
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import trio
from msgspec import Struct

from core.engine.charges import instrument_of
from core.io.clock import NowNs
from core.io.hang import LEAVE
from core.model.commands import Cancel, Command, FetchInstruments, FetchOpenOrders, FetchTime
from core.model.errors import RemoteFault
from core.model.events import (
    NO_INSTRUMENT,
    InstrumentsReport,
    LimitsReport,
    Notice,
    OpenOrders,
    Reply,
    SessionNotice,
    UnknownExecution,
    VenueTime,
    Verdict,
)
from core.model.units import NS_PER_MS, NS_PER_S, NS_PER_US
from core.model.venue import (
    Adapter,
    Clock,
    Credentials,
    HttpAnswer,
    HttpRequest,
    Subscription,
    cancel_kinds,
    orders_end_with_connection,
)
from core.state.throttle import Share, Throttle
from core.state.venue_clock import VenueClock

LOG: Final = "guardian.log"
"""Name of the log in the run folder: one JSON object a line."""

LEFT: Final = b"left\n"
"""What the trading process says once the venue has proved that none of its orders is left."""

BEAT: Final = b"~"
"""What the trading process says as long as its loop turns; no signal has this number (126)."""

BEAT_S: Final = 0.25
"""Between two beats: eight in the shortest time after which they are missed."""

OVERSLEPT_S: Final = 0.5
"""A sleep of ours that lasts so much longer says that we were stopped or starved ourselves: then
the silence before it proves nothing."""

GRACE_S: Final = 1.0
"""After a process that hangs should have ended by itself: its own look comes every patience."""

REQUEST_S: Final = 1.5
"""How long one answer may take: one that is lost leaves time for another within 2 s of a death."""

MAX_AT_ONCE: Final = 8
"""Requests under way at one time: ten orders take two round trips, and no venue minds eight."""

SKEW_NS: Final = 2 * NS_PER_S
"""Added to a request's expiry, as in ``core.engine.resolution``: venues accept times up to 1 s
ahead, and our measure of their clock is good to well below the other. """

WATCH_S: Final = 1.0
"""Between two looks while requests may still be accepted: one list each, which no venue minds."""

CLEAN_LISTS: Final = 2
"""How often in a row the venue must list none of our orders before we believe it."""

FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 5.0
"""After a look that proved nothing; doubled each time in a row."""

THROTTLED_NS: Final = 10 * NS_PER_S
"""Silence after a refusal for too many requests that names no time: going on would become a ban."""

GIVE_UP_NS: Final = 900 * NS_PER_S
"""After the death, or after the last ban that the venue named: by then a person has to look."""

FOREVER_NS: Final = 2**62
"""So long after the death an order may be accepted where requests never expire: no list proves that
none is left."""

READY_EVERY_S: Final = 600.0
"""Between two measurements of the venue's clock while all is well: clocks drift 20 ms meanwhile."""

READY_WAIT_S: Final = 30.0
"""Longest wait between two tries to become ready."""

RUN_LOG: Final = "run.log"
"""Name of the trading process's own log in the run folder."""

MAX_LOG_BYTES: Final = 4 << 20
"""A log that is longer is kept as ``guardian.log.1``, in place of the one before: some 20,000
notes each, and an ordinary run has five."""

MAX_WAITING: Final = 1_000
"""Lines that wait for a disk that does not answer."""

LAST_LINES_S: Final = 1.0
"""How long the disk has for what was noted last."""

EVERY_OPEN_ORDER: Final = FetchOpenOrders(NO_INSTRUMENT)
"""One question, on whatever symbols they stand."""

MAX_TEXT: Final = 300
"""Characters kept of what a venue or the network says."""


class Charge(Struct, frozen=True, kw_only=True):
    """What a guardian is told, over its standard input: all that it takes to cancel."""

    pid: int
    """The trading process."""
    folder: str
    scope: str
    """What the run's client order ids begin with."""
    lock: str
    """What the scope's lock is called."""
    venue: str
    subscription: Subscription
    ca_file: str | None
    stacks: str
    """The file into which the trading process writes its stack when it is asked to."""
    hang_timeout_s: float
    """How long the trading process may make no turn before its orders are cancelled."""
    keys: Credentials
    carried: tuple[str, ...] = ()
    """Symbols on which an earlier boot left something, and which this one does not trade."""

    def __repr__(self) -> str:
        return f"Charge(scope={self.scope!r}, ...)"


Note = Callable[..., None]
"""Takes an action and its details by name."""

Ask = Callable[[HttpRequest], Awaitable[HttpAnswer]]
"""Signs and sends; raises ``Untrusted``."""


class Own(NamedTuple):
    """One of our orders, as a list shows it; ``venue_order_id`` is "" where that cannot be told."""

    instrument: int
    client_order_id: str
    venue_order_id: str = ""


class Guardian:
    """Cancels a dead run's own orders, and has the venue prove that none is left."""

    def __init__(
        self,
        charge: Charge,
        adapter: Adapter,
        *,
        ask: Ask,
        now_ns: NowNs,
        note: Note,
        taken_over: Callable[[], bool],
    ) -> None:
        self._is_ours = adapter.names(charge.scope, 0, 0).is_ours
        can = adapter.capabilities
        window_ns = can.request_expiry_ns
        if orders_end_with_connection(adapter):
            window_ns = 0  # the connection that it came on is gone
        self._resolved_ns = (
            FOREVER_NS if window_ns is None else window_ns + can.execution_ns + SKEW_NS
        )
        """So long after a death nothing that was on its way can be accepted any more."""
        self._adapter = adapter
        self._ask = ask
        self._now_ns = now_ns
        self._note = note
        self._taken_over = taken_over
        self._throttle = Throttle(adapter.limits, cancel_kinds(adapter))
        self._clock = VenueClock(queries_venue=can.clock is Clock.QUERIED)
        self._symbols: dict[int, str] = {}
        self._carried = charge.carried
        self._requests = 0
        self._troubles: dict[tuple[type[Command], int], str] = {}
        """What stood in the way last, by kind of request and instrument."""
        self._slots = trio.CapacityLimiter(MAX_AT_ONCE)

    # -- before a death ------------------------------------------------------------------------

    async def keep_ready(self) -> None:
        """Learn what cancelling takes, try whether the key may list orders, keep the clock.

        To be cancelled. What fails is noted and tried again.
        """
        wait_s = FIRST_WAIT_S
        while True:
            self._clock.forget()
            if await self._prepared() and await self._reply(EVERY_OPEN_ORDER):
                if wait_s < READY_EVERY_S:
                    self._note("ready", clock_offset_ms=self._clock.offset_ns / NS_PER_MS)
                wait_s = READY_EVERY_S
            else:
                wait_s = min(2 * min(wait_s, READY_WAIT_S), READY_WAIT_S)
            await trio.sleep(wait_s)

    # -- after it ------------------------------------------------------------------------------

    async def clear(self, died_ns: int) -> bool:
        """Cancel our own orders until none is left; return whether that is proved.

        Also returns, with ``False``, when a new run has taken over, and after ``GIVE_UP_NS``.
        """
        resolved_ns = died_ns + self._resolved_ns
        clean, wait_s = 0, FIRST_WAIT_S
        while self._now_ns() < self._until_ns(died_ns):
            ours = await self._look()
            if self._taken_over():
                self._note("taken_over", why="a new run of this scope reconciles by itself")
                return False
            cancelled = await self._cancel(ours or [])
            if ours is None or not cancelled:
                clean = 0
                await trio.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
                continue
            wait_s = FIRST_WAIT_S
            clean = clean + 1 if not ours and self._now_ns() >= resolved_ns else 0
            if clean == CLEAN_LISTS:
                self._note("proved", empty_lists=clean, after_ms=self._since_ms(died_ns))
                return True
            if not clean:
                await trio.sleep(FIRST_WAIT_S if ours else WATCH_S)
        self._note("gave_up", why="LOOK AT THE VENUE: orders of this scope may be alive")
        return False

    def _until_ns(self, died_ns: int) -> int:
        banned_until_ns = self._throttle.banned_until_ns - self._clock.offset_ns
        return max(died_ns, banned_until_ns) + GIVE_UP_NS

    def _since_ms(self, from_ns: int) -> int:
        return (self._now_ns() - from_ns) // NS_PER_MS

    async def _look(self) -> list[Own] | None:
        """Return those of our orders that the venue lists, ``None`` where there is no list."""
        if not await self._prepared():
            return None
        reply = await self._reply(EVERY_OPEN_ORDER)
        if reply is None:
            return None
        ours = list(self._own(reply))
        if ours:
            lists = (event for event in reply.events if isinstance(event, OpenOrders))
            self._note("listed", ours=len(ours), open=sum(len(each.reports) for each in lists))
        return ours

    def _own(self, reply: Reply) -> Iterator[Own]:
        for event in reply.events:
            if isinstance(event, OpenOrders):
                for report in event.reports:
                    if self._is_ours(report.client_order_id):
                        yield Own(report.instrument, report.client_order_id, report.venue_order_id)
            elif isinstance(event, UnknownExecution) and self._is_ours(event.client_order_id):
                yield Own(event.instrument, event.client_order_id)

    async def _cancel(self, ours: Sequence[Own]) -> bool:
        """Cancel orders; return whether a request for each was answered."""
        stuck = [own for own in ours if own.instrument == NO_INSTRUMENT]
        for own in stuck:
            self._note("cannot_cancel", order=own.client_order_id, why="no symbol of this run")
        ours = [own for own in ours if own.instrument != NO_INSTRUMENT]
        replies = await self._replies([Cancel(*own) for own in ours])
        for own, reply in zip(ours, replies, strict=True):
            self._note(
                "cancel",
                symbol=self._symbols[own.instrument],
                order=own.client_order_id,
                venue_order=own.venue_order_id,
                result=str(reply.verdict) if reply else "no answer",
                code=reply.code if reply else "",
                text=reply.text[:MAX_TEXT] if reply else "",
            )
        return None not in replies and not stuck

    # -- asking --------------------------------------------------------------------------------

    async def _prepared(self) -> bool:
        """Have the venue's clock and instruments known."""
        if not self._clock.known and await self._reply(FetchTime()) is None:
            return False
        if self._symbols or await self._reply(FetchInstruments(self._carried)):
            return True
        # A symbol that is gone from the venue must not keep us from all others.
        return bool(self._carried and await self._reply(FetchInstruments()))

    async def _replies(self, commands: Sequence[Command]) -> list[Reply | None]:
        """Request all at once; the replies are in the order of the commands."""
        replies: list[Reply | None] = [None] * len(commands)

        async def ask(place: int, command: Command) -> None:
            async with self._slots:
                replies[place] = await self._reply(command)

        async with trio.open_nursery() as nursery:
            for place, command in enumerate(commands):
                nursery.start_soon(ask, place, command)
        return replies

    async def _reply(self, command: Command) -> Reply | None:
        """Ask; return the venue's answer, ``None`` where there is none that proves anything."""
        sent_ns = self._now_ns()
        venue_ns = sent_ns + self._clock.offset_ns
        costs, instrument = self._adapter.cost(command), instrument_of(command)
        if not self._throttle.take(costs, venue_ns, _share(command), instrument):
            self._stumble(command, "the venue's rate limit leaves no token for it")
            return None
        self._requests += 1
        try:
            answer = await self._ask(self._adapter.encode_rest(command, venue_ns))
            if not answer.status:
                self._stumble(command, answer.body.decode(errors="replace"))
                return None
            reply = self._adapter.answer(command, self._requests, *answer)
        except RemoteFault as fault:
            self._stumble(command, str(fault))
            return None
        self._learn(reply, sent_ns)
        if reply.verdict is Verdict.OUT_OF_BUDGET:
            self._throttle.run_out(costs, self._now_ns() + self._clock.offset_ns, instrument)
        # A refused cancel is an answer: the order may be gone, and the next list will tell.
        settled = (Verdict.DONE, Verdict.REFUSED, Verdict.ABSENT)
        taken = settled if type(command) is Cancel else (Verdict.DONE,)
        if reply.verdict not in taken:
            self._stumble(command, f"{reply.verdict}: {reply.words}")
            return None
        self._troubles.pop(_kind(command), None)
        return reply

    def _stumble(self, command: Command, why: str) -> None:
        """Note what stands in the way, once as long as it is the same."""
        trouble = f"{type(command).__name__}: {why}"[:MAX_TEXT]
        if trouble != self._troubles.get(_kind(command)):
            self._troubles[_kind(command)] = trouble
            self._note("trouble", why=trouble)

    def _learn(self, reply: Reply, sent_ns: int) -> None:
        """Take from a reply what the next requests need."""
        now_ns = self._now_ns()
        venue_ns = now_ns + self._clock.offset_ns
        self._throttle.learn(reply.budgets, venue_ns, None)  # others are on their way
        said_ns = 0 if self._clock.known or not reply.retry_ns else reply.said_ns
        if reply.verdict is Verdict.THROTTLED:
            self._throttle.ban(reply.retry_ns or venue_ns + THROTTLED_NS, venue_ns, said_ns)
        elif reply.verdict is Verdict.BANNED:
            self._throttle.ban(reply.retry_ns, venue_ns, said_ns)
        for event in reply.events:
            match event:
                case VenueTime(venue_now_ns):
                    before_ns = self._clock.offset_ns
                    self._clock.measure(sent_ns, now_ns, venue_now_ns)
                    offset_ns = self._clock.offset_ns
                    self._throttle.moved(offset_ns - before_ns, now_ns + offset_ns)
                case InstrumentsReport(instruments):
                    self._adapter.learn(instruments)
                    self._symbols = {row.index: row.symbol for row in instruments}
                case LimitsReport(limits):
                    self._throttle.renew(limits)
                case SessionNotice(Notice.CLOCK_OFF):
                    self._clock.forget()


def _share(command: Command) -> Share:
    return Share.CANCEL if isinstance(command, Cancel) else Share.RESOLUTION


def _kind(command: Command) -> tuple[type[Command], int]:
    return type(command), getattr(command, "instrument", NO_INSTRUMENT)


# -- the trading process, as seen from here --------------------------------------------------


class Lifeline:
    """The end of a pipe whose other end only the trading process holds, and that process itself.

    The pipe alone would not tell a death as long as a child of the dead process holds its other
    end; the process alone would not tell a word. ``pidfd`` is -1 where the system gives none.
    """

    def __init__(self, pipe: int, pidfd: int) -> None:
        self._pipe = trio.lowlevel.FdStream(pipe)
        self._pidfd = pidfd
        self._heard_s = 0.0
        self._beaten = trio.Event()
        self.told = trio.Event()
        """Whether the trading process has got a signal that asks it to end."""

    async def end(self) -> bool:
        """Wait for the end of the trading process; return whether it has said that it has left."""
        said = b""

        async def listen() -> None:
            nonlocal said
            async for piece in self._pipe:
                self._hear(bytes(piece))
                said = (said + bytes(piece).replace(BEAT, b""))[-len(LEFT) :]
                if said == LEFT:
                    break
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            if self._pidfd >= 0:
                await trio.lowlevel.wait_readable(self._pidfd)
                # What it said last may be in the pipe still.
                nursery.cancel_scope.deadline = trio.current_time() + LAST_WORD_S
        return said == LEFT

    def _hear(self, piece: bytes) -> None:
        if BEAT in piece:
            self._heard_s = trio.current_time()
            self._beaten.set()
            self._beaten = trio.Event()
        if any(number in piece for number in LEAVE):
            self.told.set()

    async def silence(self, patience_s: float) -> None:
        """Wait until no beat has been heard for so long, while we ourselves were running."""
        self._heard_s = trio.current_time()
        while (left_s := self._heard_s + patience_s - trio.current_time()) > 0:
            before_s, nap_s = trio.current_time(), min(left_s, BEAT_S)
            await trio.sleep(nap_s)
            if trio.current_time() - before_s > nap_s + OVERSLEPT_S:
                self._heard_s = trio.current_time()

    async def beat(self) -> None:
        """Wait for the next beat."""
        await self._beaten.wait()


LAST_WORD_S: Final = 0.1
"""What a dead process has said is in the pipe already; this is for reading it."""


def parent_pidfd(pid: int) -> int:
    """Return a descriptor that is readable once our parent ``pid`` has ended, -1 for none."""
    with suppress(OSError):  # a system without it, or it has ended
        pidfd = os.pidfd_open(pid)
        if os.getppid() == pid:
            return pidfd
        os.close(pidfd)  # it had ended, and the number may be another's
    return -1


# -- the log ---------------------------------------------------------------------------------


class GuardianLog:
    """Notes as lines of JSON: into the run folder, and to the trading process while it lives.

    A full disk or a broken pipe stops no cancel, and neither does a disk that does not answer: the
    file is written by a thread of its own, and what cannot be written is lost.
    """

    def __init__(self, folder: Path, now_ns: NowNs, tell: int) -> None:
        """``tell`` is a descriptor that the trading process reads."""
        self._now_ns = now_ns
        self._folder = folder
        self._tell = tell
        os.set_blocking(tell, False)
        self._lines: queue.Queue[tuple[str, bytes] | None] = queue.Queue(MAX_WAITING)
        self._writer = threading.Thread(target=self._write, daemon=True)
        self._writer.start()

    def note(self, action: str, **details: Any) -> None:
        """Write one line, with the time."""
        line = msgspec.json.encode({"time": self._time(), "action": action, **details}) + b"\n"
        self._put(LOG, line)
        with suppress(OSError):
            os.write(self._tell, line)

    def live(self) -> None:
        """Tell the trading process that we live."""
        with suppress(OSError):
            os.write(self._tell, b"\n")

    def speak_for_the_run(self, text: str) -> None:
        """Write a line into the run's own log, which the run cannot do itself."""
        self._put(RUN_LOG, f"{self._time()} guardian: {text}\n".encode())

    def close(self) -> None:
        """Have all written that the disk takes now."""
        self._put("", None)
        self._writer.join(LAST_LINES_S)

    @property
    def writing(self) -> bool:
        """Whether there is anything that the disk has not taken."""
        return self._writer.is_alive()

    def _time(self) -> str:
        now_ns = self._now_ns()
        at = datetime.fromtimestamp(now_ns // NS_PER_S, tz=UTC)
        return f"{at:%Y-%m-%dT%H:%M:%S}.{now_ns % NS_PER_S // NS_PER_US:06d}Z"

    def _put(self, name: str, line: bytes | None) -> None:
        with suppress(queue.Full):
            self._lines.put_nowait(None if line is None else (name, line))

    def _write(self) -> None:
        while (waiting := self._lines.get()) is not None:
            name, line = waiting
            with suppress(OSError):
                append(self._folder / name, line)


def append(path: Path, line: bytes) -> None:
    """Append a line to a log; one that has grown too long becomes the log before this one.

    Raises ``OSError``.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
    file = os.open(path, flags, 0o600)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            return  # a pipe would have us wait for its reader
        os.write(file, line)
    finally:
        os.close(file)
    if path.name == LOG and status.st_size + len(line) > MAX_LOG_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
