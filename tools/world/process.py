"""One boot of the process under test, whole: its files, its runtime and its tasks.

All is wired as ``hotloop run`` wires it, but for what the outside provides: the kernel below the
sockets, the disk below the files, the clock. ``Watched`` lets the auditor see what crosses the
engine's port; it changes nothing. Killing a process means what it means: its sockets are closed
by their kernel, its memory-mapped journal stays, and nothing of its own runs any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

import trio

from core.engine.understudy import Understudy
from core.io.hlog import HlogFile
from core.io.journal_file import JournalFile, next_boot
from core.io.last_boot import last_boot
from core.io.run_folder import RunFolder
from core.io.run_log import RunLog
from core.io.runtime import Ending, Plan, Runtime
from core.io.transport import Transport
from core.model.config import Config, digest
from core.model.errors import HotloopError
from core.model.units import NS_PER_MS
from core.model.venue import Credentials, HttpRequest
from core.state.journal import Header, Journal, Payload
from tools import app
from tools.world.agenda import Agenda
from tools.world.disk import SimulatedDisk
from tools.world.net import Killed, Network
from venues.sim.ledger import DEFAULT_KEY

WARM_NS = 5 * NS_PER_MS
"""Between two rehearsals where the loop spins: each poll in vain takes a simulated millisecond."""


class Watcher(Protocol):
    """Who is told what crosses the engine's port."""

    def watched(self, application: app.Application) -> app.Application:
        """Return the application with a witness beside its strategy."""
        ...

    def on_journaled(self, kind: int, payload: Payload) -> None: ...
    def on_journal_failed(self) -> None: ...
    def on_no_room(self) -> None:
        """The journal takes no more than fits where it is: the run will be left."""
        ...

    def on_sent(self, link: int, data: bytes) -> None: ...
    def on_requested(self, request_id: int, request: HttpRequest) -> None: ...
    def on_read(self, link: int, data: bytes) -> None: ...
    def on_turn(self, link: int) -> None:
        """The bytes of one read have been carried to the end."""
        ...

    def on_answer(
        self, request_id: int, status: int, headers: Mapping[str, str], body: bytes
    ) -> None: ...
    def on_shut(self, headers: Mapping[str, str]) -> None:
        """Our side is told at a handshake that there were too many requests."""
        ...

    def on_up(self, link: int) -> None: ...
    def on_drop(self, link: int) -> None:
        """Our side closes a connection itself."""
        ...

    def on_down(self, link: int) -> None: ...
    def on_stop(self, why: str) -> None: ...
    def on_left(self) -> None:
        """Our side says that the venue lists none of its orders."""
        ...

    def on_log(self, text: str) -> None: ...
    def on_rehearsed(self) -> None:
        """The loop has made one rehearsal."""
        ...


class Ticking:
    """The simulated clock as the process sees it, or one that is so far ahead of it."""

    def __init__(self, agenda: Agenda, ahead_ns: int) -> None:
        self._agenda = agenda
        self._ahead_ns = ahead_ns

    def now_ns(self) -> int:
        return self._agenda.process_ns() + self._ahead_ns


class WatchedJournal:
    """A journal that tells what it holds; for a ``JournalFile``, which nobody derives from."""

    def __init__(self, watcher: Watcher, file: JournalFile) -> None:
        self._watcher = watcher
        self._file = file
        self.close = file.close

    @property
    def position(self) -> tuple[int, int]:
        return self._file.position

    def append(self, kind: int, connection: int, time_ns: int, payload: Payload) -> None:
        try:
            self._file.append(kind, connection, time_ns, payload)
        except HotloopError:
            self._watcher.on_journal_failed()
            raise
        self._watcher.on_journaled(kind, payload)

    def prepare(self) -> bool:
        try:
            return self._file.prepare()
        except HotloopError:
            self._watcher.on_no_room()
            raise

    @property
    def segment(self) -> int:
        return self._file.segment

    def hold(self) -> None:
        self._file.hold()


class Watched(Runtime):
    """A runtime whose port is watched."""

    def __init__(self, watcher: Watcher, *args: Any, **options: Any) -> None:
        self.watcher = watcher
        self.dead = False
        super().__init__(*args, **options)
        self.on_bytes = self._watched_bytes

    def _watched_bytes(
        self, link: int, data: bytes, kernel_ns: int, began_ns: int, read_ns: int
    ) -> None:
        if not self.dead:
            self.watcher.on_read(link, data)
            self.engine.on_bytes(link, data, kernel_ns, began_ns, read_ns)
            self.watcher.on_turn(link)

    def send(self, link: int, data: bytes) -> None:
        transport = self._transports[link]
        if not self.dead and transport is not None and transport.lost is None:
            self.watcher.on_sent(link, data)
        super().send(link, data)

    def send_rest(self, request_id: int, request: HttpRequest) -> None:
        self.watcher.on_requested(request_id, request)
        super().send_rest(request_id, request)

    def drop(self, link: int, reason: str, *, redial_now: bool) -> None:
        if not self.dead:
            self.watcher.on_drop(link)
        super().drop(link, reason, redial_now=redial_now)

    def retire(self, link: int, reason: str) -> None:
        if not self.dead:
            self.watcher.on_drop(link)
        super().retire(link, reason)

    def on_up(self, link: int, transport: Transport) -> None:
        self.watcher.on_up(link)
        super().on_up(link, transport)

    def on_down(self, link: int, reason: str) -> None:
        if not self.dead:
            self.watcher.on_down(link)
        super().on_down(link, reason)

    def _on_answer(
        self, request_id: int, status: int, headers: Mapping[str, str], body: bytes
    ) -> None:
        if not self.dead:
            self.watcher.on_answer(request_id, status, headers, body)
        super()._on_answer(request_id, status, headers, body)

    def on_dial_refused(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        if not self.dead:
            self.watcher.on_shut(headers)
        super().on_dial_refused(status, headers, body)

    def _record_hop(self, name: str, ns: int) -> None:
        if name == "rehearsal":
            self.watcher.on_rehearsed()
        super()._record_hop(name, ns)

    def stop(self, why: str) -> None:
        self.watcher.on_stop(why)
        super().stop(why)

    def left(self) -> None:
        if not self.dead:
            self.watcher.on_left()
        super().left()

    def log(self, text: str) -> None:
        if not self.dead:
            self.watcher.on_log(text)
        super().log(text)


class Process:
    """One boot. What ``run`` raises is a bug, and so is a socket that it leaves open."""

    def __init__(
        self,
        folder: Path,
        config_of: Callable[[int], Config],
        *,
        seed: int,
        agenda: Agenda,
        ahead_ns: int,
        network: Network,
        disk: SimulatedDisk,
        ca_file: str | None,
        segment_bytes: int,
        keys: Credentials,
        watcher: Watcher,
        rehearses: bool,
    ) -> None:
        self.folder = folder
        self._network = network
        self.ending: Ending | None = None
        self.over = False
        self._gone = trio.Event()
        self._lock = RunFolder(folder)
        self._lock.__enter__()
        try:
            self._open(
                config_of,
                seed,
                agenda,
                ahead_ns,
                network,
                disk,
                ca_file,
                segment_bytes,
                keys,
                watcher,
                rehearses=rehearses,
            )
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise

    def _open(
        self,
        config_of: Callable[[int], Config],
        seed: int,
        agenda: Agenda,
        ahead_ns: int,
        network: Network,
        disk: SimulatedDisk,
        ca_file: str | None,
        segment_bytes: int,
        keys: Credentials,
        watcher: Watcher,
        *,
        rehearses: bool,
    ) -> None:
        folder = self.folder
        restored = last_boot(folder)
        self.boot = next_boot(folder)
        config = config_of(self.boot)
        scope = app.scope_of(config, DEFAULT_KEY)
        self.application = watcher.watched(application_of(config, self.boot, seed, keys))
        clock = Ticking(agenda, ahead_ns)
        header = Header(
            run_id=scope,
            boot=self.boot,
            config_digest=digest(config),
            seeds={"run": seed},
            venue=config.venue,
            strategy=config.strategy.name,
            start_ns=clock.now_ns(),
            key=self.application.venue.key_kind(keys),
        )
        file = JournalFile(folder, header, segment_bytes=segment_bytes, disk=disk)
        self.runtime = Watched(
            watcher,
            Plan(
                connections=self.application.adapter.connections,
                rest_url=self.application.subscription.rest_url,
                ca_file=ca_file,
                spin=network.spins,
                warm_ns=WARM_NS if network.spins else 0,
                rehearses=rehearses,
                kernel_stamps=False,
                seed=seed,
                leave_timeout_s=config.run.leave_timeout_s,
                hang_timeout_s=config.run.hang_timeout_s,
                start_timeout_s=config.run.start_timeout_s,
            ),
            self.application.engine,
            clock=clock,
            signer=self.application.venue.signer(keys),
            restored=restored,
            journal=cast(JournalFile, WatchedJournal(watcher, file)),
            hop_log=HlogFile(folder / "hops.hlog", clock.now_ns(), disk=disk),
            log=RunLog(folder / "run.log", disk=disk),
            kernel=network.kernel(),
            understudy_of=lambda journal: understudy_of(config, self.boot, seed, keys, journal),
        )
        self.engine = self.runtime.engine
        self.poller = network.poller

    async def run(self) -> None:
        """Live until the run is left, or the process killed."""
        try:
            self.ending = await self.runtime.run(None, signals=False)
        except* Killed:
            pass
        finally:
            self.over = True
            self._gone.set()
            self._lock.__exit__(None, None, None)

    def kill(self) -> None:
        """Die between two steps of the loop."""
        self.runtime.dead = True
        self._network.sever()
        if self.poller is not None:
            self.poller.killed = True
            self.poller.wake()

    def tell_to_leave(self, why: str) -> None:
        """Do what SIGTERM does."""
        Runtime.stop(self.runtime, why)

    async def gone(self) -> None:
        """Wait until nothing of it runs any more."""
        await self._gone.wait()

    def hold_up(self, ns: int) -> None:
        """Stop the process for so long, wherever it is."""
        if self.poller is not None:
            self.poller.hold_up_ns += ns
            self.poller.wake()


def understudy_of(
    config: Config, boot: int, seed: int, keys: Credentials, journal: Journal
) -> Understudy:
    """Return what rehearses for one boot's run."""
    application = application_of(config, boot, seed, keys)
    return Understudy(
        application.engine,
        streams=application.setup.streams,
        feed_of=application.adapter.book_feed,
        journal=journal,
        sign=application.venue.signer(keys).wire,
        stamp=_no_stamp,
    )


def _no_stamp() -> int:
    return 0


def application_of(config: Config, boot: int, seed: int, keys: Credentials) -> app.Application:
    """Wire one boot's run up, as a replay does too."""
    return app.wire(
        config,
        "world.toml",
        scope=app.scope_of(config, DEFAULT_KEY),
        boot=boot,
        seed=seed,
        key=app.venue_of(config, "world.toml").key_kind(keys),
    )
