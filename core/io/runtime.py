"""The running application: one nursery that owns everything alive, and the way out of it.

Here the engine's port opens onto sockets, REST and files, and here is decided that a run ends: by
time, by a signal, by cancellation from outside, or because the engine cannot go on. Every one of
these ways closes the gate, has our own orders cancelled and proved gone under a shielded deadline,
and flushes the journal. What trading means is not known here.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from random import Random
from typing import Any

import trio
from msgspec import Struct

from core.engine.checkpoint import FAILED, LEFT, Losses, Restored
from core.engine.engine import Engine
from core.engine.outbound import Port
from core.engine.status import status
from core.engine.understudy import Understudy
from core.io.clock import Clock
from core.io.dialling import keep
from core.io.hang import Signals
from core.io.hlog import HlogFile
from core.io.journal_file import JournalFile
from core.io.kernel import LINUX, Kernel
from core.io.loop import HotLoop
from core.io.one_process import NOT_PROVED, end_child
from core.io.process import Garbage, memory
from core.io.rehearsal import Rehearsal
from core.io.rest import RestDesk
from core.io.run_log import RunLog
from core.io.tls import trust
from core.io.transport import Transport
from core.model.conceal import Concealer
from core.model.errors import HotloopError, JournalFailed, Untrusted
from core.model.events import NO_REQUEST
from core.model.halts import WHOLE_RUN, Halt, HaltKind
from core.model.units import NS_PER_S
from core.model.venue import Connection, HttpRequest, Signer, WireRequest
from core.model.views import SessionState
from core.model.wording import order_text, web_page
from core.state.hops import FOLD_LIMIT, HOPS, Hops
from core.state.journal import Journal, Kind

MEMORY_EVERY_S = 60

INTERVAL_S = 1.0
"""Between two intervals of the hop log, and two looks of whoever watches."""

REFUSED_S = 1.0
"""How long a run that the venue has refused, and that has sent nothing, tries to prove that."""


class Plan(Struct, frozen=True, kw_only=True):
    """What a run needs of the outside."""

    connections: Sequence[Connection]
    rest_url: str
    ca_file: str | None
    spin: bool
    warm_ns: int = 0
    """Between two rehearsals for as long as the run lives; 0 where it has those of its start."""
    rehearses: bool = False
    kernel_stamps: bool
    seed: int
    leave_timeout_s: float
    hang_timeout_s: float
    """How long the loop may make no turn before that counts as a hang."""
    start_timeout_s: float
    """How long a start may be kept from trading by a venue that cannot be reached."""


class Ending(Struct, frozen=True, kw_only=True):
    """How a run ended."""

    why: str
    left: bool
    """Whether none of our orders is alive, proved by the venue."""
    survivors: tuple[str, ...]
    """Our orders that could not be proved gone."""
    proved: bool
    """Whether the venue has listed none of ours, on any symbol of the account, twice."""
    unsent: bool
    """Whether this run has sent nothing, and none before it died with orders in doubt."""
    heard: bool
    """Whether the venue has ever answered, be it with a refusal."""
    reached: bool
    """Whether it has told what is traded there, so that orders were possible at all."""
    fatal: str
    """Why the engine could not go on, "" when it could."""
    remote: bool
    """Whether that was the venue's doing: it refused us, or could not be reached."""
    halted: str
    """What has halted the run, "" where nothing has: an operator's word is none."""
    traceback: str
    """Where the strategy raised, "" when it did not."""


_NOT_THE_VENUE = 500
"""From this HTTP status on it is something before the venue that answers."""

REST = "REST"
"""What the trouble with it is filed under, beside the connections' names."""


def _no_word(halt: Halt) -> bool:
    """Whether a halt is the whole run's, and nobody's who is there to request the end of it."""
    return halt.instrument == WHOLE_RUN and halt.kind is not HaltKind.OPERATOR


Beside = Callable[..., Awaitable[None]]
"""A task beside the loop, for ``trio.Nursery.start``."""

UnderstudyOf = Callable[[Journal], Understudy]
"""Makes an engine of its own for rehearsals, which journals there."""

_TLS_SCHEMES = ("wss:", "tls:")

EngineOf = Callable[[Port, Callable[[], int], JournalFile, Hops], Engine]


class Runtime:
    """The outside of one run; an ``outbound.Port`` and a ``dialling.Listener``."""

    def __init__(
        self,
        plan: Plan,
        engine_of: EngineOf,
        *,
        clock: Clock,
        signer: Signer | None,
        restored: Restored | None,
        losses: Losses | None = None,
        journal: JournalFile,
        hop_log: HlogFile,
        log: RunLog,
        kernel: Kernel = LINUX,
        understudy_of: UnderstudyOf | None = None,
    ) -> None:
        """``understudy_of`` makes what rehearses, where the plan wants that."""
        self._plan = plan
        self._signer = signer
        self._restored = restored
        self._losses = losses
        self._journal = journal
        self._hop_log = hop_log
        self._log = log
        self._kernel = kernel
        self.now_ns = clock.now_ns
        count = len(plan.connections)
        self.hops = Hops(
            markets=[link for link in range(2 * count) if plan.connections[link % count].public]
        )
        self._interval_ns = clock.now_ns()
        self.engine = engine_of(self, clock.now_ns, journal, self.hops)
        self._concealers: list[Concealer | None] = [None for _ in range(2 * len(plan.connections))]
        """What masks the secrets that a connection brings, where it may bring one."""
        conceals = (
            any(connection.conceals for connection in plan.connections) and signer is not None
        )
        self.on_bytes = self._on_bytes if conceals else self.engine.on_bytes
        self._trusted = trust(plan.ca_file)
        self._links = range(2 * len(plan.connections))
        self._transports: list[Transport | None] = [None for _ in self._links]
        self._wanted = [trio.Event() for _ in self._links]
        """Set while a connection is to be kept."""
        self._keeping = [trio.CancelScope() for _ in self._links]
        """What ends the keeping of each."""
        self._held_until_ns = 0
        self._told = trio.Event()
        self._left = trio.Event()
        self._why = ""
        self.troubles: dict[str, str] = {}
        """What keeps us from the venue now, by connection or as REST's: "is not reached: WHY"."""
        self.heard = False
        """Whether the venue has ever answered, whatever it said."""
        self._unreached = ""
        self._garbage = Garbage(clock.now_ns, self._record_hop)
        self._loop = HotLoop(
            spin=plan.spin,
            now_ns=clock.now_ns,
            next_due_ns=self._next_due_ns,
            on_due=self.engine.on_due,
            record=self._record_hop,
            idle=(self._fold_hops, self._prepare_journal, self._garbage.collect),
            poller=kernel.poller(),
        )
        self._rehearsal = self._rehearsed(understudy_of) if plan.rehearses else None
        self._rest = RestDesk(
            plan.rest_url,
            signer=signer,
            now_ns=clock.now_ns,
            loop=self._loop,
            trusted=self._trusted,
            on_answer=self._on_answer,
            on_untrusted=self._on_untrusted,
        )

    def _rehearsed(self, understudy_of: UnderstudyOf | None) -> Rehearsal | None:
        """Return what rehearses, where that can be: without it a run is slower and nothing else."""
        if understudy_of is None:
            return None
        plan = self._plan
        try:
            rehearsal = Rehearsal(
                self.engine,
                understudy_of,
                samples=self._last_read,
                loop=self._loop,
                pair=self._kernel.pair,
                every_ns=plan.warm_ns,
                tls=any(connection.url.startswith(_TLS_SCHEMES) for connection in plan.connections),
                kernel_stamps=plan.kernel_stamps,
                record=self._record_hop,
                log=self.log,
            )
        except (HotloopError, OSError) as error:
            self.log(f"no rehearsals: {type(error).__name__}: {error}")
            return None
        if plan.warm_ns:
            self._loop.keep_warm(rehearsal.step)
        else:
            self._loop.add_idle(rehearsal.step)
        return rehearsal

    @property
    def carried(self) -> tuple[str, ...]:
        """Symbols that an earlier boot has left something on, and that are not traded."""
        restored = self._restored
        return () if restored is None else restored.carried(self.engine.setup.symbols)

    # -- the port ------------------------------------------------------------------------------

    def forked(self) -> None:
        """Send, read and write nothing of ours in this child of the trading process."""
        for transport in self._transports:
            if transport is not None:
                transport.forked()
        self._journal.forked(end_child)
        self._loop.forked(end_child)

    def open_connections(self) -> None:
        for link, _ in enumerate(self._plan.connections):
            self.dial(link)

    def dial(self, link: int) -> None:
        self._wanted[link].set()

    def retire(self, link: int, reason: str) -> None:
        transport = self._transports[link]
        if transport is not None:
            transport.close(reason)
        if self._wanted[link].is_set():  # else the next dial sets the one that is waited for
            self._wanted[link] = trio.Event()
        self._keeping[link].cancel()

    def sign(self, request: WireRequest) -> bytes:
        return request.body if self._signer is None else self._signer.wire(request)

    def send(self, link: int, data: bytes) -> None:
        transport = self._transports[link]
        if transport is not None:
            transport.send(data)

    def send_rest(self, request_id: int, request: HttpRequest) -> None:
        self._rest.submit(request_id, request)

    def drop(self, link: int, reason: str, *, redial_now: bool) -> None:
        transport = self._transports[link]
        if transport is not None:
            transport.close(reason, redial_now=redial_now)

    def hold_dials(self, until_ns: int) -> None:
        self._held_until_ns = until_ns

    def stop(self, why: str) -> None:
        """Have the run left, for this reason if there is none yet."""
        if not self._told.is_set():
            self._why = why
            self._told.set()

    def left(self) -> None:
        self._left.set()

    def log(self, text: str) -> None:
        self._log.write(self.now_ns(), text)

    def last_words(self, text: str) -> None:
        """Log a line as the last one: this process ends."""
        self.log(text)
        self._log.close()

    # -- the operator --------------------------------------------------------------------------

    def post(self, call: Callable[[], None]) -> None:
        """Leave a call for the next pass of the loop: the engine is entered from there alone."""
        self._loop.post(call)

    def control(self, text: str) -> str:
        """Hand a word to the engine; return what became of it."""
        return self.engine.on_control(text.encode(), self.now_ns())

    def status(self) -> dict[str, Any]:
        """Return the state of the run as plain data."""
        segment, offset = self._journal.position
        return {
            **status(self.engine, self.hops.snapshot(), self.now_ns()),
            "journal": {"segment": segment, "offset": offset},
        }

    # -- the connections -----------------------------------------------------------------------

    def _on_bytes(
        self, link: int, data: bytes, kernel_ns: int, began_ns: int, read_ns: int
    ) -> None:
        """Mask what is secret of what was read, before it is recorded."""
        concealer = self._concealers[link]
        if concealer is not None:
            data = concealer.conceal(data)
        self.engine.on_bytes(link, data, kernel_ns, began_ns, read_ns)

    def on_up(self, link: int, transport: Transport) -> None:
        self._transports[link] = transport
        fields, signer = self._connection(link).conceals, self._signer
        if fields and signer is not None:
            self._concealers[link] = Concealer(fields, signer.keep)
        self.troubles.pop(self._name(link), None)
        self.engine.on_up(link, self.now_ns())

    def on_down(self, link: int, reason: str) -> None:
        self._transports[link] = None
        self.engine.on_down(link, reason, self.now_ns())

    def on_dial_failed(self, link: int, reason: str, retry_ns: int) -> None:
        self.troubles[self._name(link)] = f"is not reached: {reason}"
        self.log(f"{self._name(link)}: {reason}; again in {retry_ns / NS_PER_S:.1f} s")

    def on_dial_refused(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.engine.on_answer(NO_REQUEST, status, headers, body, self.now_ns())

    def _name(self, link: int) -> str:
        return f"line {self._connection(link).name}"

    def _connection(self, link: int) -> Connection:
        return self._plan.connections[link % len(self._plan.connections)]

    def _on_answer(
        self, request_id: int, status: int, headers: Mapping[str, str], body: bytes
    ) -> None:
        self.heard = self.heard or bool(status)
        if not status:
            self._rest_fails(f"is not reached: {body.decode(errors='replace')}")
        elif page := web_page(status, body):
            self._rest_fails(f"is not reached: {page}")
        elif status >= _NOT_THE_VENUE and not len(self.engine.table):
            self._rest_fails(f"answers HTTP {status}")
        else:
            self.troubles.pop(REST, None)
        self.engine.on_answer(request_id, status, headers, body, self.now_ns())

    def _rest_fails(self, how: str) -> None:
        if self.troubles.get(REST) != how:
            self.troubles[REST] = how
            self.log(f"{REST} {how}")

    def _last_read(self) -> list[bytes]:
        """Return what was read last on each connection in use."""
        found = []
        for session in self.engine.sessions:
            transport = self._transports[session.link]
            found.append(b"" if transport is None else transport.last)
        return found

    def _on_untrusted(self, why: str) -> None:
        self.engine.fail(f"REST: {why}", self.now_ns())

    # -- running -------------------------------------------------------------------------------

    async def run(
        self,
        seconds: float | None,
        *,
        watch: Callable[[], None] | None = None,
        beside: Sequence[Beside] = (),
        signals: bool = True,
        hung: Callable[[str], object] | None = None,
    ) -> Ending:
        """Trade until told to leave, leave, and say how it ended.

        Each of ``beside`` is alive from before the first thing is sent until the run is left.
        ``watch`` is called about once a second, between turns. ``signals`` makes SIGINT and
        SIGTERM ways to leave; that wants the main thread. Where the loop does not turn, they end
        the process: ``hung`` is told their name and writes what there is to say. Cancelling this
        call is a way to leave as well: it returns only when the run has been left.
        """
        async with trio.open_nursery() as outside:
            outside.start_soon(self._hear_cancellation)
            with trio.CancelScope(shield=True):
                await self._live(seconds, watch, beside, self._signals(hung) if signals else None)
            outside.cancel_scope.cancel()
        return self.ending()

    async def _hear_cancellation(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            self.stop("cancelled")

    async def _live(
        self,
        seconds: float | None,
        watch: Callable[[], None] | None,
        beside: Sequence[Beside],
        signals: Signals | None,
    ) -> None:
        try:
            with self._loop, self._rehearsal or nullcontext(), signals or nullcontext():
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._loop.run)
                    await nursery.start(self._rest.serve)
                    nursery.start_soon(self._keep_intervals, watch, signals)
                    nursery.start_soon(self._keep_patience)
                    for task in beside:
                        await nursery.start(task)
                    for link in self._links:
                        nursery.start_soon(self._keep_link, link)
                    self._loop.post(self._begin)
                    with trio.move_on_after(float("inf") if seconds is None else seconds):
                        await self._told.wait()
                    self.stop("time is over")
                    await self._leave()
                    nursery.cancel_scope.cancel()
        finally:
            self._garbage.thaw()
            while self.hops.fold():
                pass
            self._write_interval()
            self._log_memory()
            self._hop_log.close()
            self._end_journal()
            self._log.close()

    def _end_journal(self) -> None:
        try:
            how = b"not proved"
            if self.engine.left:
                how = FAILED if self.engine.gate.fatal else LEFT
            self._journal.append(Kind.END, 0, self.now_ns(), how + b": " + self._why.encode())
            self._journal.close()
        except JournalFailed as failure:
            self.log(f"the journal has no end: {failure}")

    def _begin(self) -> None:
        self._garbage.freeze()
        if self._restored is not None:
            self.engine.restore(self._restored, self.now_ns())
        if self._losses is not None and self._losses != Losses():
            self.engine.lost(self._losses, self.now_ns())
        self.engine.start(self.now_ns())

    async def _leave(self) -> None:
        self._loop.post(lambda: self.engine.leave(self._why, self.now_ns()))
        # Whoever was refused before anything was sent will be told nothing that proves anything.
        refused = self.engine.gate.remote and self.engine.unsent
        timeout_s = REFUSED_S if refused else self._plan.leave_timeout_s
        with trio.move_on_after(timeout_s):
            await self._left.wait()
        if self.engine.left:
            proved = self.engine.recovery.left
            self.log("left: the venue lists none of our orders" if proved else "left")
        else:
            left = "; ".join(self.ending().survivors) or "none known to us"
            self.log(f"not proved gone within {self._plan.leave_timeout_s:g} s: {left}")

    def _signals(self, hung: Callable[[str], object] | None) -> Signals:
        def end(name: str) -> None:
            if hung is not None:
                hung(name)
            self._log.close()
            os._exit(NOT_PROVED)

        return Signals(
            patience_s=self._plan.hang_timeout_s,
            turned=lambda: self._loop.turned_ns,
            stop=self.stop,
            hung=end,
        )

    async def _keep_patience(self) -> None:
        """Give a start up that cannot reach the venue; what has once traded tries for ever."""
        await trio.sleep(self._plan.start_timeout_s)
        while not self.troubles and len(self.engine.table):
            if self.engine.desk.session is not SessionState.STARTING:
                return
            await trio.sleep(INTERVAL_S)
        if self.engine.desk.session is SessionState.STARTING and not self._told.is_set():
            known = self.troubles or {"the venue": "gives no answer to start with"}
            troubles = "; ".join(f"{name} {how}" for name, how in known.items())
            self._unreached = f"not started within {self._plan.start_timeout_s:g} s: {troubles}"
            self._loop.post(lambda: self.engine.fail(self._unreached, self.now_ns()))

    async def _keep_link(self, link: int) -> None:
        connection = self._connection(link)
        if self._signer is None and not connection.public:
            return
        while True:
            wanted = self._wanted[link]
            await wanted.wait()
            if wanted is self._wanted[link]:  # else it was retired meanwhile
                with trio.CancelScope() as self._keeping[link]:
                    await self._keep(link, connection)
                    return

    async def _keep(self, link: int, connection: Connection) -> None:
        """Keep a connection until it is retired; return where that can never be."""
        try:
            await keep(
                link,
                connection,
                self,
                loop=self._loop,
                trusted=self._trusted,
                random=Random(
                    f"{self._plan.seed}:{connection.name}:{link // len(self._plan.connections)}"
                ),
                held_s=self._held_s,
                kernel_stamps=self._plan.kernel_stamps,
                kernel=self._kernel,
            )
        except Untrusted as error:
            why = f"line {connection.name}: {error}"
            self._loop.post(lambda: self.engine.fail(why, self.now_ns()))

    def _held_s(self) -> float:
        return max(0, self._held_until_ns - self.now_ns()) / NS_PER_S

    async def _keep_intervals(
        self, watch: Callable[[], None] | None, signals: Signals | None
    ) -> None:
        for second in itertools.count(1):
            await trio.sleep(INTERVAL_S)
            for name in signals.restore() if signals is not None else ():
                self.log(f"the strategy has taken {name}, which is ours: it is taken back")
            self._write_interval()
            if second % MEMORY_EVERY_S == 0:
                self._log_memory()
            self._log.flush()
            if watch is not None:
                watch()

    def _log_memory(self) -> None:
        own, mapped = memory()
        self.log(f"resident memory {own / 1e6:.1f} MB, and {mapped / 1e6:.1f} MB of mapped files")

    def _write_interval(self) -> None:
        now_ns = self.now_ns()
        self._hop_log.put(self.hops.interval(self._interval_ns, now_ns))
        self._interval_ns = now_ns

    # -- small things --------------------------------------------------------------------------

    def _next_due_ns(self) -> int:
        return self.engine.timers.next_due_ns

    def _record_hop(self, name: str, ns: int) -> None:
        self.hops.record(HOPS.index(name), ns)

    def _fold_hops(self) -> None:
        if self.hops.fold() < FOLD_LIMIT:
            self._hop_log.step()

    def _prepare_journal(self) -> None:
        try:
            self._journal.prepare()
        except JournalFailed as failure:
            why = str(failure)
            self._loop.post(lambda: self.engine.fail(why, self.now_ns()))

    def ending(self) -> Ending:
        """Say how the run ended; after ``run``, also where that was cancelled."""
        engine = self.engine
        halts = engine.risk.halts()
        return Ending(
            why=self._why,
            left=engine.left,
            survivors=tuple(
                order_text(engine.table[order.instrument], order)
                for order in engine.orders.unsettled()
            ),
            proved=engine.recovery.left,
            unsent=engine.unsent,
            heard=self.heard,
            reached=len(engine.table) > 0,
            fatal=engine.gate.fatal,
            remote=engine.gate.remote or bool(self._unreached),
            halted=next((halt.why for halt in halts if _no_word(halt)), ""),
            traceback=engine.callbacks.traceback,
        )
