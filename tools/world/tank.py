"""The tank: engine, machines and adapter against the built-in exchange, on virtual nanoseconds.

No socket, no task, no clock: bytes that the engine sends arrive at the exchange a latency later,
what the exchange says arrives at the engine a latency later, and everything happens in the order
of one heap. ``to_engine`` and ``to_venue`` may be replaced to lose, delay, repeat or change what
passes, ``to_wire`` to tear it, ``rest_answer`` to spoil an answer; ``clog`` holds a connection up,
``cut`` breaks it, ``skew_ns`` sets the exchange's clock apart, ``die`` and ``reboot`` are what a
``kill -9`` and the next start are.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec

from core.engine.checkpoint import Restored
from core.engine.engine import Engine
from core.model import config
from core.model.errors import Misuse
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import Credentials, HttpAnswer, HttpRequest, KeyKind, WireRequest
from core.protocols.websocket import CLOSE, PING, PONG, TEXT
from core.state.hops import Hops
from core.state.journal import MemoryJournal
from tools import app
from tools.world.dialect import Dialect
from tools.world.of_binance import BINANCE, KEYS
from venues.sim.faults import ConnectionName, Fault
from venues.sim.http import HttpReply
from venues.sim.http import HttpRequest as SimRequest
from venues.sim.ledger import Ledger
from venues.sim.venue import AnyVenue

START_NS = 1_790_000_000 * NS_PER_S
LATENCY_NS = NS_PER_MS
REDIAL_NS = 100 * NS_PER_MS
PING_NS = 20 * NS_PER_S

CONFIG = """
venue = "{venue}"
environment = "sim"
symbols = {symbols}
{top}
[endpoints]
rest = "{endpoints.rest}"
{places[0]} = "{endpoints.market}"
{places[1]} = "{endpoints.trade}"
[keys]
file = "keys.toml"
[strategy]
name = "{strategy}"
[strategy.parameters]
{parameters}
[risk]
max_order_size = "1"
max_order_notional = "100000"
max_position = "2"
max_daily_loss = "100000"
max_open_orders = 100
max_orders_per_second = 1000
{risk}
[run]
{run}
"""


__all__ = ["KEYS", "Tank"]

IP: Final = "127.0.0.1"
"""Where our side comes from, in the eyes of the exchange, whatever way a request takes."""


class Endpoints(NamedTuple):
    """Where a run finds its exchange."""

    rest: str
    market: str
    trade: str


def nobody(dialect: Dialect) -> Endpoints:
    """Return addresses for a run that has no sockets."""
    market, trade = (f"ws://127.0.0.1:2{path}" for path in dialect.connections)
    return Endpoints("http://127.0.0.1:1", market, trade)


def configuration(
    *,
    strategy: str,
    parameters: str,
    symbols: tuple[str, ...],
    top: str = "",
    risk: str = "",
    run: str = "",
    endpoints: Endpoints | None = None,
    dialect: Dialect = BINANCE,
) -> str:
    """Return the text of a run's configuration."""
    names = ", ".join(f'"{symbol}"' for symbol in symbols)
    return CONFIG.format(
        strategy=strategy,
        parameters=parameters,
        symbols=f"[{names}]",
        top=top,
        risk=risk,
        run=run,
        venue=dialect.name,
        places=dialect.places,
        endpoints=endpoints or nobody(dialect),
    )


MAKER = 'size = "0.01"\nmax_position = "0.05"\nhalf_spread_bps = "0.2"\nrequote_bps = "0.05"'


@dataclass(frozen=True)
class Message:
    """One WebSocket message on its way, either way."""

    connection: int
    opcode: int
    payload: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.payload)


Delivery = tuple[int, Message]
"""A latency in nanoseconds, and what arrives after it."""


def server_frame(opcode: int, payload: bytes) -> bytes:
    """Return an unmasked frame, as a server sends it."""
    size = len(payload)
    head = bytes([0x80 | opcode])
    if size < 126:
        return head + bytes([size]) + payload
    if size < 65_536:
        return head + b"\x7e" + size.to_bytes(2, "big") + payload
    return head + b"\x7f" + size.to_bytes(8, "big") + payload


def client_frames(data: bytes) -> Iterable[tuple[int, bytes]]:
    """Take masked frames apart, as a server reads them."""
    at = 0
    while at < len(data):
        opcode, size = data[at] & 0x0F, data[at + 1] & 0x7F
        if not (data[at] & 0x80 and data[at + 1] & 0x80):
            raise Misuse("the client fragments, or does not mask")
        at += 2
        if size >= 126:
            width = 2 if size == 126 else 8
            size = int.from_bytes(data[at : at + width], "big")
            at += width
        mask = data[at : at + 4] * (size // 4 + 1)
        masked = data[at + 4 : at + 4 + size]
        yield opcode, bytes(a ^ b for a, b in zip(masked, mask, strict=False))
        at += 4 + size


@dataclass
class Link:
    """One connection between engine and exchange."""

    connection: int
    session: Any
    number: int = 0
    """Its number towards the engine."""
    open: bool = True
    arrives_ns: int = 0
    """When the newest message towards the engine arrives: TCP never reorders."""
    dropped: bool = False
    """Whether our side has closed it: nothing is read any more."""
    clogged: bool = False
    held: bytearray = field(default_factory=bytearray)
    """What has arrived while the connection is clogged; read in one piece once it is not."""


class Tank:
    """A world with one engine and one exchange in it."""

    def __init__(
        self,
        *,
        strategy: str = "maker",
        parameters: str = MAKER,
        symbols: tuple[str, ...] = (),
        seed: int = 0,
        rate: float = 200.0,
        top: str = "",
        risk: str = "",
        run: str = "",
        restored: Restored | None = None,
        boot: int = 1,
        venue: AnyVenue | None = None,
        now_ns: int = START_NS,
        skew_ns: int = 0,
        keys: Credentials | None = None,
        dialect: Dialect = BINANCE,
    ) -> None:
        self.dialect = dialect
        self._keys = keys or dialect.keys(logs_on=False)
        self.now_ns = now_ns
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.random = random.Random(seed)
        if venue is None:
            venue = dialect.open(now_ns, seed, None, rate)
            account = venue.engine.open_account(dict(dialect.default_balances))
            dialect.add_key(venue, account, logs_on=False)
        self.venue: Any = venue
        """The exchange, as its dialect has it."""
        venue.faults.wake = lambda due_ns: self.at(due_ns - self.skew_ns, self._release)
        self.ledger = Ledger(venue, lambda: self.venue_ns)
        self.log_lines: list[str] = []
        self.stopped = ""
        self.has_left = False
        self.links: dict[int, Link] = {}
        """The older connection that stands, by connection."""
        self._standing: dict[int, Link] = {}
        """All of them, by their number."""
        self._kept: set[int] = set()
        """Numbers of the connections that are dialled until they stand."""
        self.dials_allowed = True
        self.held_until_ns = 0
        """Until then nothing is dialled, by the engine's wish."""
        self.closed_connections: set[int] = set()
        """Connections that cannot be dialled for now."""
        self.skew_ns = skew_ns
        """The exchange's clock minus ours."""
        self.alive = True
        self.sent: list[Message] = []
        self.sending: Link
        """The connection that the message on its way to the venue left on."""
        self.saying: Link
        """The connection that the message on its way to the engine is for."""
        self.asked: list[HttpRequest] = []
        self.to_engine: Callable[[Message], list[Delivery]] = self.deliver
        self.to_venue: Callable[[Message], list[Delivery]] = self.deliver
        self.to_wire: Callable[[Message], list[tuple[int, bytes]]] = lambda message: [
            (0, server_frame(message.opcode, message.payload))
        ]
        """The bytes a message is read as: each after a pause in nanoseconds."""
        self.rest_answer: Callable[[HttpRequest, int, dict[str, str], bytes], Any] = (
            lambda request, status, headers, body: (LATENCY_NS, status, headers, body)
        )
        self.config_text = configuration(
            strategy=strategy,
            parameters=parameters,
            symbols=symbols or (dialect.default_symbol,),
            top=top,
            risk=risk,
            run=run,
            dialect=dialect,
        )
        self._loaded = config.load(self.config_text, "tank.toml")
        self._seed = seed
        self._start(boot, restored)
        self.at(now_ns, self._step_venue)

    def _start(self, boot: int, restored: Restored | None) -> None:
        self._boot = boot
        self.application = self._watched(self.application_again())
        self.signer = self.application.venue.signer(self._keys)
        self.journal = self._new_journal()
        self.engine: Engine = self.application.engine(self, self._stamp, self.journal, Hops())
        if restored is not None:
            self.engine.restore(restored, self.now_ns)
        self.at_boot(0, lambda: self.engine.start(self.now_ns))

    def _watched(self, application: app.Application) -> app.Application:
        """Return the application with whoever watches in it."""
        return application

    def _new_journal(self) -> MemoryJournal:
        return MemoryJournal()

    def application_again(self) -> app.Application:
        """Wire the same run up once more, as a replay does."""
        return self.application_of(self._boot)

    def application_of(self, boot: int) -> app.Application:
        """Wire one boot of the run up."""
        return app.wire(
            self._loaded,
            "tank.toml",
            scope=app.scope_of(self._loaded, self.dialect.api_key),
            boot=boot,
            seed=self._seed,
            key=self.key_kind,
        )

    @property
    def key_kind(self) -> KeyKind:
        """What the key of the run allows it."""
        return app.venue_of(self._loaded, "tank.toml").key_kind(self._keys)

    # -- time ----------------------------------------------------------------------------------

    def at(self, when_ns: int, what: Callable[[], None]) -> None:
        """Have something happen at a time."""
        heapq.heappush(self._heap, (when_ns, next(self._order), what))

    def at_boot(self, delay_ns: int, what: Callable[[], None]) -> None:
        """Have something happen to this boot after a while, unless it has died meanwhile."""
        engine = self.engine

        def unless_dead() -> None:
            if self.alive and self.engine is engine:
                what()

        self.at(self.now_ns + delay_ns, unless_dead)

    def run(self, seconds: float) -> Tank:
        """Let that much time pass."""
        until_ns = self.now_ns + int(seconds * NS_PER_S)
        while self._heap and self._heap[0][0] <= until_ns:
            self._fire_timers(self._heap[0][0])
            when_ns, _, what = heapq.heappop(self._heap)
            self.now_ns = max(self.now_ns, when_ns)
            what()
        self._fire_timers(until_ns)
        self.now_ns = until_ns
        return self

    def run_until(self, condition: Callable[[], bool], seconds: float = 30.0) -> Tank:
        """Let time pass until something is so. Raises ``TimeoutError`` when that takes too long."""
        limit_ns = self.now_ns + int(seconds * NS_PER_S)
        while not condition():
            if self.now_ns >= limit_ns:
                raise TimeoutError(f"not so within {seconds} s: {self.log_lines[-10:]}")
            self.run(0.01)
        return self

    def leave(self, seconds: float = 30.0) -> Tank:
        """Have the run left, and wait for the proof."""
        self.engine.leave("test", self.now_ns)
        return self.run_until(lambda: self.has_left, seconds)

    def _fire_timers(self, until_ns: int) -> None:
        while self.alive and self.engine.timers.next_due_ns <= until_ns:
            self.now_ns = max(self.now_ns, self.engine.timers.next_due_ns)
            self.engine.on_due(self.now_ns)

    def _stamp(self) -> int:
        return self.now_ns

    # -- dying and starting anew ---------------------------------------------------------------

    def die(self) -> None:
        """The process is gone between two steps; what it has sent is still under way."""
        self.alive = False
        for link in self._standing.values():
            self._close_session(link)
        self._standing.clear()
        self.links.clear()
        self._kept.clear()

    def reboot(self, restored: Restored | None) -> None:
        """Start the next boot on the same exchange."""
        self.alive = True
        self.stopped, self.has_left, self.held_until_ns = "", False, 0
        self._start(self._boot + 1, restored)

    # -- the exchange --------------------------------------------------------------------------

    @property
    def venue_ns(self) -> int:
        """What the exchange's clock says."""
        return self.now_ns + self.skew_ns

    def _step_venue(self) -> None:
        next_ns: int = self.venue.step(self.venue_ns) - self.skew_ns
        self.at(max(next_ns, self.now_ns + 1), self._step_venue)

    def _release(self) -> None:
        self.venue.release(self.venue_ns)

    def fault(self, kind: str, **scope: Any) -> int:
        """Switch a fault of the exchange on; see ``venues.sim.faults.Fault``."""
        described = msgspec.convert({"fault": kind} | scope, Fault)
        number: int = self.venue.faults.switch_on(described, self.venue_ns)
        return number

    def receive(self, link: Link, message: Message) -> None:
        """The exchange receives a message; also on a connection that has broken since it left."""
        if message.opcode == TEXT:
            link.session.receive(message.payload, self.venue_ns)
            self.venue.advance(self.venue_ns)
        elif message.opcode == PING:
            self._say(link, PONG, message.payload)

    def say(self, connection: int, opcode: int, payload: bytes) -> None:
        """The exchange sends a message on a connection."""
        link = self.links.get(connection)
        if link is not None:
            self._say(link, opcode, payload)

    def _say(self, link: Link, opcode: int, payload: bytes) -> None:
        private = self.application.adapter.connections[link.connection].private
        name = ConnectionName.WS_API if private else ConnectionName.STREAM
        if not link.open or self.venue.faults.silent(name):
            return
        self.saying = link
        for latency_ns, message in self.to_engine(Message(link.connection, opcode, payload)):
            link.arrives_ns = max(link.arrives_ns, self.now_ns + latency_ns)
            for pause_ns, data in self.to_wire(message):
                link.arrives_ns += pause_ns
                self.at(link.arrives_ns, partial(self._arrive, link, data))

    def _arrive(self, link: Link, data: bytes) -> None:
        if link.clogged:
            link.held += data
        elif link.open and not link.dropped:
            now_ns = self.now_ns
            self.engine.on_bytes(link.number, data, now_ns - 1, now_ns, now_ns)

    def clog(self, connection: int, for_ns: int) -> None:
        """Hold up what arrives on a connection; then let it arrive in one read."""
        link = self.links.get(connection)
        if link is None or link.clogged:
            return
        link.clogged = True

        def flood() -> None:
            link.clogged = False
            held, link.held = bytes(link.held), bytearray()
            if held:
                self._arrive(link, held)

        self.at(self.now_ns + for_ns, flood)

    def cut(
        self, connection: int, reason: str = "connection reset", *, redial: bool = True
    ) -> None:
        """A connection breaks; what was under way towards the engine is lost."""
        link = self.links.get(connection)
        if link is not None:
            self._break(link, reason, redial=redial)

    def _break(self, link: Link, reason: str, *, redial: bool = True) -> None:
        if self._standing.get(link.number) is not link:
            return
        del self._standing[link.number]
        if self.links[link.connection] is link:
            del self.links[link.connection]
            for other in self._standing.values():
                if other.connection == link.connection:
                    self.links[link.connection] = other
        self._close_session(link)
        engine = self.engine

        def down() -> None:
            if self.alive and engine is self.engine:
                engine.on_down(link.number, reason, self.now_ns)
                if redial:
                    self.at_boot(REDIAL_NS, lambda: self._dial(link.number))

        self.enter(down)

    def _close_session(self, link: Link) -> None:
        link.open = False
        self.venue.close_session(link.session)

    def _dial(self, number: int) -> None:
        engine = self.engine

        def dial() -> None:
            if self.alive and engine is self.engine:
                self._dial_now(number)

        self.enter(dial)

    def _dial_now(self, number: int) -> None:
        connection = number % len(self.application.adapter.connections)
        if number in self._standing or number not in self._kept:
            return
        wait_ns = self.held_until_ns - self.now_ns
        if wait_ns > 0 or not self.dials_allowed or connection in self.closed_connections:
            self.at_boot(max(wait_ns, REDIAL_NS), lambda: self._dial(number))
            return
        target = self._target(connection)
        link = Link(connection, None, number)
        outlet = _Outlet(self, link)
        link.session = self.venue.open_session(outlet, target, IP, self.venue_ns)
        self._standing[number] = link
        self.links.setdefault(connection, link)
        self.engine.on_up(number, self.now_ns)
        self._ping(link)

    def _target(self, connection: int) -> str:
        """Return the path that a connection is dialled at."""
        return "/" + self.application.adapter.connections[connection].url.split("/", 3)[3]

    def _ping(self, link: Link) -> None:
        if link.open and self.venue.manners.ping_seconds is not None:
            self._say(link, PING, b"1")
            self.at(self.now_ns + PING_NS, lambda: self._ping(link))

    def deliver(self, message: Message) -> list[Delivery]:
        """Pass a message on as it is, a latency later."""
        return [(LATENCY_NS, message)]

    # -- the port ------------------------------------------------------------------------------

    def open_connections(self) -> None:
        for connection in range(len(self.application.adapter.connections)):
            self.dial(connection)

    def dial(self, link: int) -> None:
        self._kept.add(link)
        self.at_boot(LATENCY_NS, partial(self._dial, link))

    def retire(self, link: int, reason: str) -> None:
        self._kept.discard(link)
        self._give_up(link, reason)

    def _give_up(self, number: int, reason: str) -> None:
        link = self._standing.get(number)
        if link is not None:
            link.dropped = True
            self.at_boot(0, lambda: self._break(link, reason))

    def sign(self, request: WireRequest) -> bytes:
        return self.signer.wire(request)

    def send(self, link: int, data: bytes) -> None:
        standing = self._standing.get(link)
        if standing is not None:  # else lost, and nobody has been told yet
            self._send(standing, data)

    def _send(self, link: Link, data: bytes) -> None:
        for opcode, payload in client_frames(data):
            message = Message(link.connection, opcode, payload)
            self.sent.append(message)
            if opcode == CLOSE:
                continue
            self.sending = link
            for latency_ns, changed in self.to_venue(message):
                self.at(self.now_ns + latency_ns, partial(self.receive, link, changed))

    def send_rest(self, request_id: int, request: HttpRequest) -> None:
        self.asked.append(request)
        engine = self.engine
        self.at(self.now_ns + LATENCY_NS, lambda: self._answer(engine, request_id, request))

    def _answer(self, engine: Engine, request_id: int, request: HttpRequest) -> None:
        signed = request.leaving(self.signer, self.now_ns)
        path, _, query = signed.target.partition("?")
        headers = {name.lower(): value for name, value in signed.headers.items()}
        outlet = _RestOutlet(self, engine, request_id, request)
        asked = SimRequest(request.method, path, query, signed.body.decode(), headers)
        self.venue.receive(asked, outlet, self.venue_ns)
        self.venue.advance(self.venue_ns)

    def replied(
        self, engine: Engine, request_id: int, request: HttpRequest, reply: HttpReply
    ) -> None:
        """The exchange answers a REST request."""
        lower = {name.lower(): value for name, value in reply.headers.items()}
        lower["date"] = formatdate(self.venue_ns / NS_PER_S, usegmt=True)
        passed = self.rest_answer(request, reply.status, lower, reply.body)
        if passed is not None:
            latency_ns, *came = passed
            answer = HttpAnswer(*came)
            answer = request.arriving(self.signer, answer)
            self._bring(engine, request_id, latency_ns, *answer)

    def not_replied(self, engine: Engine, request_id: int) -> None:
        """The connection of a REST request breaks."""
        self._bring(engine, request_id, LATENCY_NS, 0, {}, b"connection reset")

    def _bring(
        self,
        engine: Engine,
        request_id: int,
        latency_ns: int,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
    ) -> None:
        """Bring an answer to the boot that has asked, as long as it lives."""

        def arrive() -> None:
            if self.alive and engine is self.engine:
                engine.on_answer(request_id, status, headers, body, self.now_ns)

        self.at(self.now_ns + latency_ns, lambda: self.enter(arrive))

    def enter(self, what: Callable[[], None]) -> None:
        """Enter the engine, which runs."""
        what()

    def drop(self, link: int, reason: str, *, redial_now: bool) -> None:
        self._give_up(link, reason)

    def hold_dials(self, until_ns: int) -> None:
        self.held_until_ns = until_ns

    def stop(self, why: str) -> None:
        self.stopped = self.stopped or why

    def left(self) -> None:
        self.has_left = True

    def log(self, text: str) -> None:
        self.log_lines.append(text)


class _Outlet:
    """Where the exchange's side of a connection sends."""

    def __init__(self, tank: Tank, link: Link) -> None:
        self._tank = tank
        self._link = link

    def send(self, payload: bytes) -> None:
        self._tank._say(self._link, TEXT, payload)

    def cut(self) -> None:
        tank, link = self._tank, self._link

        def cut() -> None:
            tank._break(link, "connection reset")

        tank.at(tank.now_ns, cut)


class _RestOutlet:
    """Where the exchange's answer to one REST request leaves."""

    def __init__(self, tank: Tank, engine: Engine, request_id: int, request: HttpRequest) -> None:
        self._tank = tank
        self._engine = engine
        self._request_id = request_id
        self._request = request

    def send(self, payload: HttpReply) -> None:
        self._tank.replied(self._engine, self._request_id, self._request, payload)

    def cut(self) -> None:
        self._tank.not_replied(self._engine, self._request_id)
