"""The outside of one process: exchange, network, disk and time, under faults, by seed.

Here lives what surrounds the process in the world ring, and the hooks by which faults reach every
message, answer and connection. What a fault is lives in ``process_faults``, what must hold in
``auditor``, which phases a world lives through in ``process_life``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio
from msgspec.structs import replace

from core.engine.engine import Engine
from core.io.journal_file import segments
from core.model import config
from core.model.errors import BadParameter, JournalFailed, Misuse
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import Capabilities, HttpRequest
from core.protocols.websocket import TEXT
from core.state.journal import Kind, Payload
from tools import app
from tools.scratch import scratch
from tools.world.agenda import Agenda
from tools.world.anywhere import Answer, Tampering, kind_of
from tools.world.certificates import certificates
from tools.world.dialect import MARKET, PLACE, TRADE, Dialect
from tools.world.disk import SimulatedDisk, after_hole, after_kill, after_power_cut
from tools.world.net import Network, Peer, Weather, Wire
from tools.world.of_binance import BINANCE
from tools.world.peers import (
    Deaf,
    Exchange,
    Http,
    Impostor,
    Plain,
    Speech,
    WebSocket,
    spoken,
    under_tls,
)
from tools.world.process import Process
from tools.world.setting import Run, Setting, reduced
from tools.world.strikes import Fault, Strikes, Struck
from tools.world.tank import (
    IP,
    Delivery,
    Endpoints,
    Message,
    client_frames,
    configuration,
)
from tools.world.variety import MIDNIGHT_NS
from tools.world.witness import Witness
from tools.world.world import HOLE_BEFORE, SAME, Change
from venues.sim.http import HttpReply
from venues.sim.http import HttpRequest as SimRequest

HOSTS: Final = ("stream.exchange.test", "api.exchange.test")
"""The hosts of the connections, by connection."""

REST_HOST: Final = "rest.exchange.test"

UNDER_TLS: Final = 0.3
"""Share of the worlds whose connections are encrypted: a handshake costs milliseconds of CPU."""

SPINNING: Final = 0.1
"""Share of the worlds whose hot loop spins."""

LOOK_NS: Final = 50 * NS_PER_MS
"""Between two looks whether a fault had its reaction: each wakes the world's clock."""

SEGMENT_BYTES: Final = (256 * 1024, 1024 * 1024)

SLOW_NS: Final = 500 * NS_PER_MS
"""How much later than it was made an order may leave: the clock runs within a turn here."""

AGAIN_NS: Final = 2 * NS_PER_S
"""Before somebody starts a process again that could not prove how it left."""


class Outside:
    """The world of one seed."""

    def __init__(
        self,
        seed: int,
        faults: tuple[Fault, ...],
        dialect: Dialect = BINANCE,
        *,
        certain: bool = False,
    ) -> None:
        self.seed = seed
        self.dialect = dialect
        self.setting = setting = Setting(seed, dialect)
        self.draw = draw = setting.draw
        self.auditor = setting.auditor
        self.account = setting.account
        self.symbols = setting.symbols
        self.venue = setting.venue
        self.order_flow = setting.order_flow
        self.flow_rate = setting.flow_rate
        self.variety = setting.variety
        self.agenda = Agenda(self.variety.start_ns)
        self.network = Network(self.agenda, Weather(draw.net))
        self.disk = SimulatedDisk(self.agenda)
        self.tls = draw.net.random() < UNDER_TLS
        self.network.spins = draw.scheduler.random() < SPINNING
        self.skew_ns = self.variety.skew_ns
        """The exchange's clock minus ours."""
        self.network.looking_up = self._looking_up
        self.auditor.limits.slow_ns = SLOW_NS
        self.network.held_up = lambda: self.auditor.on_stopped(self.now_ns)
        self._open_exchange()
        self._configs: dict[int, config.Config] = {}
        """What each boot's configuration says."""
        self._next: tuple[str, ...] = ()
        """The symbols that the next boot's names, where a fault has left some out."""
        self.ahead_ns = 0
        """How far the clock of the process is ahead of the world's."""
        self.torn: list[tuple[Path, int]] = []
        """Run folders as they were before a hole was torn into a copy, and the first segment of the
        boot after that."""
        self.strikes = Strikes(
            self, faults, draw, self.agenda, lambda: self.alive, LOOK_NS, certain=certain
        )
        self.log_lines: list[str] = []
        self.peers: dict[int, WebSocket] = {}
        self._open_peers: list[WebSocket] = []
        """The exchange's end of each connection that stands, by connection."""
        self.links: dict[int, Wire] = {}
        self._wires: dict[int, Wire] = {}
        """What stands on our side, by its number there: a connection may have two."""
        """Our end of each connection, as far as our side knows."""
        self._sent: dict[int, deque[bytes]] = {}
        """What has left on a connection and has not arrived yet."""
        self._asked: dict[int, HttpRequest] = {}
        self.asked: list[HttpRequest] = []
        self.sent: list[Message] = []
        self.stopped = ""
        self.tampering = Tampering()
        self._dialled_ns: deque[int] = deque(maxlen=self.venue.manners.connections)
        self.proofs: dict[str, str] = {}
        """Hosts that show a certificate that proves nothing."""
        self.unanswering: set[str] = set()
        """Hosts that accept connections and then do not answer a TLS handshake."""
        self.process: Process | None = None
        self.ended = False
        """Whether the run has been left, with proof that nothing is alive."""
        self.leaving = False
        """Whether the process was told to leave."""
        self.slow_turn_ns = 0
        """How long the strategy takes over the next order it places."""
        self._down_ns = 0
        self._folder = scratch("world")
        self._segment_bytes = draw.disk.choice(SEGMENT_BYTES)

    def _open_exchange(self) -> None:
        self.venue.faults.wake = lambda due_ns: self.agenda.at(
            due_ns - self.skew_ns, lambda: self.venue.release(self.venue_ns)
        )
        self._exchange = Exchange(
            self.agenda, self.venue, lambda: self.venue_ns, self, self.dialect
        )
        for host in HOSTS:
            self.network.listen(
                host, partial(self._accept, lambda below: WebSocket(below, self._exchange, IP))
            )
        self.network.listen(
            REST_HOST, partial(self._accept, lambda below: Http(below, self._exchange))
        )

    def config_of(self, boot: int) -> config.Config:
        """Return the configuration of a boot."""
        found = self._configs.get(boot)
        if found is None:
            now = self.setting.configured(boot)
            found = reduced(self._loaded(now.run), self._next or now.symbols)
            self._configs[boot] = found
        return found

    def _loaded(self, run: Run) -> config.Config:
        s = "s" if self.tls else ""
        endpoints = Endpoints(
            rest=f"http{s}://{REST_HOST}",
            market=f"ws{s}://{HOSTS[MARKET]}{self.dialect.connections[MARKET]}",
            trade=f"ws{s}://{HOSTS[TRADE]}{self.dialect.connections[TRADE]}",
        )
        text = configuration(endpoints=endpoints, dialect=self.dialect, **run._asdict())
        return config.load(text, "world.toml")

    # -- time ----------------------------------------------------------------------------------

    @property
    def now_ns(self) -> int:
        return self.agenda.now_ns

    @property
    def venue_ns(self) -> int:
        """What the exchange's clock says."""
        return self.agenda.now_ns + self.skew_ns

    def at(self, when_ns: int, what: Callable[[], None]) -> None:
        """Have something happen at a time."""
        self.agenda.at(when_ns, what)

    def begin(self) -> None:
        """Let the exchange and its street live."""
        self.network.install()
        self.auditor.called = self._on_called
        self.at(MIDNIGHT_NS, lambda: self.auditor.seen.note_seen("midnight"))
        self._step_venue()
        self._act_flow()

    def _on_called(self) -> None:
        """The strategy takes its time over each callback, where this world has it so."""
        if self.variety.turn_ns:
            self.auditor.seen.note_seen("late")
            self.agenda.pass_time(self.variety.turn_ns)

    def _step_venue(self) -> None:
        next_ns = self.venue.step(self.venue_ns) - self.skew_ns
        self.agenda.at(max(next_ns, self.now_ns + 1), self._step_venue)

    def _act_flow(self) -> None:
        if self.flow_rate:
            self.order_flow.act(self.venue_ns)
            self.venue.advance(self.venue_ns)
        rate = self.flow_rate or 1.0
        self.agenda.later(int(self.draw.venue.expovariate(rate) * NS_PER_S) + 1, self._act_flow)

    # -- the process ---------------------------------------------------------------------------

    @property
    def engine(self) -> Engine:
        if self.process is None:
            raise Misuse("no process was started yet")
        return self.process.engine

    @property
    def can(self) -> Capabilities:
        """What the venue can do."""
        if self.process is None:
            raise Misuse("no process was started yet")
        return self.process.application.adapter.capabilities

    @property
    def alive(self) -> bool:
        """Whether a process is there."""
        return self.process is not None and not self.process.over and not self._down_ns

    @property
    def folder(self) -> Path:
        """The run folder as it is now."""
        if self.process is None:
            raise Misuse("no process was started yet")
        return self.process.folder

    async def keep_running(self) -> None:
        """Start the process, and start it again whenever it has died, until it has left."""
        boots = 0
        folder = Path(self._folder.name) / "0"
        while not self.ended:
            process = self._start(folder)
            if process is None:
                await trio.sleep(AGAIN_NS / NS_PER_S)
                continue
            self.process = process
            self.stopped = ""
            self.auditor.ledger.scope = self.dialect.marker(process.application.setup.scope)
            if boots:
                self.auditor.on_boot()
                self.setting.begins(process.boot)
            named = self.config_of(process.boot).symbols
            self.auditor.callbacks.untold.update({*self.symbols}.difference(named))
            boots += 1
            self._killed_as = Path(self._folder.name) / str(boots)
            await process.run()
            if process.ending is not None:
                self._left(process)
            if not self.ended:
                folder = self._killed_as if self._killed_as.exists() else folder
                await trio.sleep(max(self._down_ns - self.now_ns, 1) / NS_PER_S)
                self._down_ns = 0

    def _start(self, folder: Path) -> Process | None:
        """Start a process; ``None`` where the disk does not let it begin."""
        try:
            return Process(
                folder,
                self.config_of,
                seed=self.draw.strategy.getrandbits(31),
                agenda=self.agenda,
                ahead_ns=self.ahead_ns,
                network=self.network,
                disk=self.disk,
                ca_file=certificates().ca_file if self.tls else None,
                segment_bytes=self._segment_bytes,
                keys=self.setting.keys,
                watcher=self,
                rehearses=self.variety.rehearses,
            )
        except (JournalFailed, BadParameter) as error:
            self.log_lines.append(f"-- no start: {type(error).__name__}")
            return None

    def _left(self, process: Process) -> None:
        """A process has ended by itself."""
        for wire in self.network.unclosed():
            self.auditor.note("I24", f"{wire.host} is still connected by descriptor {wire.fd}")
        for own in self.network.unclosed_own():
            self.auditor.note("I24", f"the process is still connected to itself by {own.fd}")
        if self.network.collected:
            self.auditor.note("I24", f"{self.network.collected} sockets were closed by nobody")
        self.links.clear()
        self._wires.clear()
        ending = process.ending
        self.ended = ending is not None and ending.left
        if not self.ended:
            self._down_ns = self.now_ns + AGAIN_NS
            self.log_lines.append("-- the process could not prove that it left; started again")
            # Whoever starts it again has seen to what stopped it.
            self.proofs.clear()
            self.disk.recover()

    def crash(self, lost_records: int | None, down_ns: int, change: Change = SAME) -> None:
        """``kill -9``, or with ``lost_records`` a power cut; somebody starts it again later.

        ``change`` is what is another then than it was.
        """
        process = self.process
        if process is None or not self.alive:
            return
        self.auditor.connection.on_died()
        self.auditor.on_down()
        process.kill()
        if change.hole_records:
            copy = self._killed_as
            if after_hole(process.folder, copy, change.hole_records, HOLE_BEFORE):
                self.torn.append((process.folder, segments(copy)[-1] + 1))
        elif lost_records is None:
            after_kill(process.folder, self._killed_as)
        else:
            after_power_cut(process.folder, self._killed_as, lost_records)
        self._next = change.symbols
        self.ahead_ns += change.clock_ns
        self.links.clear()
        self._wires.clear()
        self._asked.clear()
        self._down_ns = self.now_ns + down_ns
        self.log_lines.append(f"-- the process died at {self.now_ns}")

    def tell_to_leave(self, why: str) -> None:
        """Have the run left."""
        self.leaving = True
        if self.process is not None and self.alive:
            self.process.tell_to_leave(why)

    def over(self) -> bool:
        """Whether the process is on its way out, or has left."""
        return self.ended or (self.alive and self.engine.recovery.leaving)

    def unrest(self) -> str:
        """Return what is not at rest yet, "" when all is."""
        return self.auditor.rest.unrest(self.engine) if self.alive else "I22: the process is down"

    def quieten(self) -> None:
        """Have the strategy do nothing any more."""
        process = self.process
        if process is None or not self.alive or self.over():
            return
        if process.application.strategy.parameters.active:
            runtime = process.runtime

            def quieten() -> None:
                runtime.control("set active false")

            runtime.post(quieten)

    def calm_down(self) -> None:
        """No more faults, and those that last are over."""
        self.strikes.end()
        self.auditor.quotes.calm = True
        self.venue.faults.clear()
        self.tampering.end()
        self.network.unknown.clear()
        self.network.refusing.clear()
        self.network.silent.clear()
        self.proofs.clear()
        self.unanswering.clear()
        self.disk.recover()

    def check_files(self) -> None:
        """I12: no secret is in any file of the run."""
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and self.dialect.secret.encode() in path.read_bytes():
                self.auditor.note("I12", f"a secret is in {path.name}")

    def connection_up(self, connection: int) -> bool:
        """Whether a connection stands on both sides, and its opening script is worked off."""
        return self.alive and connection in self.peers and self.engine.sessions[connection].ready

    @property
    def place(self) -> str:
        """The folder that all run folders of this world are in."""
        return self._folder.name

    def clean_up(self) -> None:
        """Remove what the world has left on the disk."""
        self._folder.cleanup()

    # -- what crosses the port: Watcher --------------------------------------------------------

    def watched(self, application: app.Application) -> app.Application:
        return replace(application, strategy=Witness(application.strategy, self.auditor))

    def on_journaled(self, kind: int, payload: Payload) -> None:
        if kind == Kind.SEND:
            self.auditor.connection.journaled(bytes(payload))
            sent, dialect = bytes(payload), self.dialect
            places = dialect.is_request(sent) and dialect.asks(sent) == PLACE
            if places:  # within the strategy's callback
                slow_ns, self.slow_turn_ns = self.slow_turn_ns, 0
                self.agenda.pass_time(slow_ns)

    def on_journal_failed(self) -> None:
        self.auditor.journal_failed()

    def on_no_room(self) -> None:
        self.auditor.callbacks.on_raised()  # the strategy is called no more, not for its end either

    def on_sent(self, link: int, data: bytes) -> None:
        if self.engine.recovery.leaving:
            self.auditor.connection.closed = self.auditor.connection.closed or "leaving"
        wire, connection = self._wires[link], link % len(HOSTS)
        number = wire.number
        for opcode, payload in client_frames(data):
            self._sent.setdefault(number, deque()).append(payload)
            self.sent.append(Message(connection, opcode, payload))
            if connection == TRADE and opcode == TEXT:
                self.auditor.on_sent(number, payload, self.now_ns)
        if wire.futile:
            self._forget(number)

    def _forget(self, number: int) -> None:
        """What has left on a connection and has not arrived never will."""
        for payload in self._sent.pop(number, ()):
            if self.dialect.is_request(payload):
                self.auditor.on_received(number, payload)

    def on_requested(self, request_id: int, request: HttpRequest) -> None:
        self._asked[request_id] = request
        self.asked.append(request)
        self.auditor.on_rest(request, self.now_ns, self.skew_ns)

    def on_read(self, link: int, data: bytes) -> None:
        private = link % len(HOSTS) == TRADE
        self.auditor.on_read(private, data, self.now_ns, self.skew_ns, link)

    def on_turn(self, link: int) -> None:
        if link % len(HOSTS) == TRADE:
            self.auditor.on_turn_over()
            self.auditor.fills.check(self.engine)
        elif self.engine.books:
            self.auditor.books.check(self.engine, self.now_ns)

    def on_answer(
        self, request_id: int, status: int, headers: Mapping[str, str], body: bytes
    ) -> None:
        request = self._asked.pop(request_id, None)
        dialect = self.dialect
        refused = dialect.rest_refused(status, body)
        if refused == "banned":
            until_ns = self.now_ns + int(headers["retry-after"]) * NS_PER_S
            self.auditor.connection.on_banned(until_ns, self.now_ns)
        if status == 403 or refused == "throttled":
            self.auditor.connection.on_throttled(self.now_ns)
        self.auditor.weight.on_answer(headers, self.now_ns)
        if request is None or not dialect.listed(status, body):
            return
        if request.path.endswith(dialect.rest_prices):
            self.auditor.limits.on_market(self.now_ns)
        symbol, what = dialect.listed_symbol(request.query), dialect.rest_kind(request.path)
        if what == "openOrders":
            self.auditor.connection.on_listed(symbol)
            self.auditor.leaving.on_listed(symbol)
        elif what == "depth":
            self.auditor.connection.on_snapshot(symbol)

    def on_shut(self, headers: Mapping[str, str]) -> None:
        self.auditor.connection.on_shut(self.now_ns + int(headers["retry-after"]) * NS_PER_S)

    def on_up(self, link: int) -> None:
        connection = link % len(HOSTS)
        wire = self._wires[link] = self.network.newest[HOSTS[connection]]
        self.links.setdefault(connection, wire)
        wire.forget = partial(self._forget, wire.number)

    def on_drop(self, link: int) -> None:
        connection = link % len(HOSTS)
        others = any(n != link and n % len(HOSTS) == connection for n in self._wires)
        if link in self._wires:
            self.auditor.wanted.on_closing(connection, self.now_ns, others=others)
        if link % len(HOSTS) == TRADE:
            self.auditor.connection.on_closed()

    def on_down(self, link: int) -> None:
        connection = link % len(HOSTS)
        wire = self._wires.pop(link, None)
        if self.links.get(connection) is wire:
            self.links.pop(connection, None)
            for other, standing in self._wires.items():
                if other % len(HOSTS) == connection:
                    self.links[connection] = standing
        in_use = self.engine.sessions[connection].link == link
        if connection == MARKET and connection in self.links:
            in_use = False  # the other one continues the books
        self.auditor.feed.on_cut(link)
        self.auditor.connection.on_cut(link, private=connection == TRADE, in_use=in_use)
        if connection == TRADE and in_use:
            self.auditor.on_down()

    def on_rehearsed(self) -> None:
        self.auditor.seen.note_seen("rehearsed")

    def on_stop(self, why: str) -> None:
        self.log_lines.append(f"-- stop: {why}")
        self.stopped = self.stopped or why
        if why.startswith("not started"):
            self.auditor.callbacks.on_raised()  # whoever could not start is not called any more
        self.auditor.connection.closed = self.auditor.connection.closed or f"stopped: {why}"

    def on_left(self) -> None:
        if self.engine.recovery.left and not self.auditor.ledger.over:
            self.auditor.on_left(self.now_ns)

    def on_log(self, text: str) -> None:
        if text.startswith("resident memory"):
            return  # says something of this machine, not of this world
        self.log_lines.append(text)

    def said(self, text: str, since: int = 0) -> bool:
        """Whether the log has such a line since an index."""
        return any(text in line for line in self.log_lines[since:])

    # -- the exchange's end: Manners -----------------------------------------------------------

    def _accept(self, above: Callable[[Plain], Peer], wire: Wire) -> Peer:
        if not self.tls:
            return above(Plain(wire))
        if wire.host in self.unanswering:
            return Deaf()
        proof = self.proofs.get(wire.host, "good")
        context = certificates().contexts[proof]
        return under_tls(wire, context, above if proof == "good" else self._impostor)

    def _impostor(self, below: Plain) -> Peer:
        return Impostor(lambda: self.auditor.note("I8", "something was sent to an impostor"))

    def _strike(self, kind: str, *what: Any) -> Struck | None:
        return self.strikes.on(kind, *what) if self.alive else None

    def _looking_up(self, host: str) -> None:
        if host in HOSTS:  # a dial begins; REST's are for what it is asked
            self.auditor.on_dialled(self.now_ns)

    def upgrade(self, wire: Wire, reply: Speech) -> Speech:
        times_ns = self._dialled_ns
        manners = self.venue.manners
        full = len(times_ns) == manners.connections
        if full and self.now_ns - times_ns[0] < manners.window_ns:
            self.auditor.note("I8", "the exchange had to refuse a connection")
        times_ns.append(self.now_ns)
        struck = self._strike("upgrade", wire, reply)
        return reply if struck is None else struck.passes

    def answer(self, request: SimRequest, reply: HttpReply) -> Speech:
        what, body = self.dialect.rest_kind(request.path), reply.body
        refused = self.dialect.rest_refused(reply.status, body)
        if refused:
            self.auditor.connection.refused(f"{request.path}: {refused}")
        if reply.status == 200 and self.alive:
            body = self.tampering.told(request.path, self.engine.setup.boot, body)
        answer: Answer | None = (0, reply.status, reply.headers, body)
        struck = self._strike(f"rest.{what}", request, answer)
        if struck is not None:
            answer = struck.passes
        if answer is None:
            return Speech(b"")
        after_ns, status, headers, body = answer
        if not status:
            return Speech(b"", reset=True)
        reply = HttpReply(status, body, headers)
        said = spoken(reply, self.venue_ns)._replace(after_ns=after_ns)
        struck = self._strike(f"http.{what}", request, reply, said)
        return said if struck is None else struck.passes

    def arrived(self, peer: WebSocket, payload: bytes) -> None:
        """Hold what arrives against what has left."""
        sent = self._sent.get(peer.wire.number)
        if not sent or sent.popleft() != payload:
            self.auditor.note("I14", f"what arrives is not what was sent: {payload[:100]!r}")
        if peer.mute and self.dialect.is_request(payload):
            self.auditor.on_received(peer.wire.number, payload)  # by nobody

    def opened(self, peer: WebSocket) -> None:
        self.peers[TRADE if peer.private else MARKET] = peer
        self._open_peers.append(peer)

    def gone(self, peer: WebSocket) -> None:
        connection = TRADE if peer.private else MARKET
        if peer in self._open_peers:
            self._open_peers.remove(peer)
        if self.peers.get(connection) is peer:
            del self.peers[connection]
            for other in self._open_peers:
                if other.private == peer.private and other.wire in self._wires.values():
                    self.peers[connection] = other
        self._forget(peer.wire.number)

    def received(self, peer: WebSocket, payload: bytes) -> bool:
        if not peer.private:
            return True
        struck = self._strike_on(
            peer, "ask." + self.dialect.asks(payload), Message(TRADE, TEXT, payload)
        )
        if struck is None:
            self.auditor.on_received(peer.wire.number, payload)
            return True
        passes: list[Delivery] = struck.passes
        if not passes:
            self.auditor.on_received(peer.wire.number, payload)  # by nobody
        for after_ns, message in passes:
            take = partial(self._take, peer, message.payload)
            if after_ns:
                self.agenda.later(after_ns, take)
            else:
                take()
        return False

    def _take(self, peer: WebSocket, payload: bytes) -> None:
        self.auditor.on_received(peer.wire.number, payload)
        peer.take(payload)

    def saying(self, peer: WebSocket, payload: bytes) -> None:
        message = Message(TRADE if peer.private else MARKET, TEXT, payload)
        if peer.private:
            if self.dialect.reply_id(payload):
                self.auditor.connection.answered(payload)
            if self.tampering.keeps_back(payload, self.now_ns):
                return
        elif self.now_ns < self.tampering.dated_until_ns:
            message = self.tampering.dated(message, self.dialect)
        struck = self._strike_on(peer, kind_of(self.dialect, message), message)
        passes: list[Delivery] = [(0, message)] if struck is None else struck.passes
        for after_ns, each in passes:
            if after_ns:
                self.hold(each, after_ns)
            else:
                self._leave(peer, each)

    def _leave(self, peer: WebSocket, message: Message) -> None:
        """Send a message, in frames as they should be or not."""
        struck = self._strike_on(peer, "frame", message)
        if struck is None:
            peer.frame(message.opcode, message.payload)
        else:
            peer.raw(b"".join(data for _, data in struck.passes))

    def _strike_on(self, peer: WebSocket, kind: str, message: Message) -> Struck | None:
        """Let faults strike what the newest link of a connection says or hears."""
        newest = self.peers.get(message.connection) is peer
        return self._strike(kind, message) if newest else None

    def mutes(self, peer: WebSocket) -> bool:
        connection = TRADE if peer.private else MARKET
        return self.now_ns < self.tampering.mute_until_ns[connection]

    # -- what faults have the exchange do: Anywhere --------------------------------------------

    @property
    def latency_ns(self) -> int:
        return self.network.weather.latency_ns

    def latency(self) -> int:
        return 0  # connections have their own

    def say_past(self, message: Message) -> None:
        self._say_past(self.peers.get(message.connection), message)

    def _say_past(self, peer: WebSocket | None, message: Message) -> None:
        if peer is not None:
            peer.frame(message.opcode, message.payload)

    def hold(self, message: Message, for_ns: int) -> None:
        self.agenda.later(
            for_ns, partial(self._say_past, self.peers.get(message.connection), message)
        )

    def say_raw(self, connection: int, data: bytes) -> None:
        if connection in self.peers:
            self.peers[connection].raw(data)

    def cut(self, connection: int) -> None:
        if connection in self.links:
            self.links[connection].reset(lost=False)

    def shut(self, connection: int, for_ns: int) -> None:
        self.refuse_dials(connection, for_ns)
        for link, wire in list(self._wires.items()):
            if link % len(HOSTS) == connection:
                wire.reset(lost=False)

    def refuse_dials(self, connection: int, for_ns: int) -> None:
        self._refuse(HOSTS[connection], for_ns)

    def shut_rest(self, for_ns: int) -> None:
        self._refuse(REST_HOST, for_ns)
        for wire in self.network.unclosed():
            if wire.host == REST_HOST:
                wire.reset(lost=False)

    def _refuse(self, host: str, for_ns: int) -> None:
        self.network.refusing.add(host)
        self.agenda.later(for_ns, lambda: self.network.refusing.discard(host))

    def announce_end(self, connection: int) -> None:
        self.peers[connection].session.announce_shutdown(self.venue_ns)

    def operate(self, word: str) -> None:
        process = self.process
        if process is None:
            return

        def say() -> None:
            process.runtime.control(word)

        process.runtime.post(say)
