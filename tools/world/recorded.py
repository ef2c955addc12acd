"""A recorded market played to a new engine, and the paper exchange behind its private connection.

Here is decided which records of a recording are played, what becomes of the requests that a venue
would have had, and in which order everything happens: simulated time is the recording's. What an
order meets is for ``tools.world.paper``.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, cast
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from core.engine.replay import Untimed
from core.model.commands import Command, FetchTime, SubscribeMarket
from core.model.events import Event, MarketTrade, Reply
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import Adapter, HttpRequest, WireRequest
from core.protocols.websocket import PING, TEXT
from core.state.journal import Answer, Ask, Kind, Payload, Record, unpack
from tools.app import Application
from tools.world.paper import KEYS, PaperExchange
from tools.world.tank import client_frames, server_frame
from venues.sim.binance.exchange import Exchange
from venues.sim.binance.rest import respond
from venues.sim.binance.ws_api import ApiSession
from venues.sim.http import HttpRequest as SimRequest

PING_NS = 20 * NS_PER_S
"""Between two pings of the exchange, as Binance sends them."""

LEAVE_NS = 30 * NS_PER_S
"""How long leaving may take after the recording has ended."""


class Measured(Struct, frozen=True):
    """What a recorded run measured."""

    latency_ns: int
    acks: int
    """Answers to orders that the latency is the median of; 0 where it is assumed."""
    offset_ns: int
    """The venue's clock minus ours."""


class _Listening:
    """A venue's adapter, listened to: what was traded, and answers to our own subscriptions."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self.trades: list[MarketTrade] = []
        self._subscription = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)

    def encode(self, command: Command, request_id: int, venue_ns: int) -> WireRequest | HttpRequest:
        if isinstance(command, SubscribeMarket):
            self._subscription = request_id
        return self._adapter.encode(command, request_id, venue_ns)

    def decode(self, connection: int, payload: bytes, events: list[Event]) -> None:
        first = len(events)
        self._adapter.decode(connection, payload, events)
        if self._adapter.connections[connection].private:
            return
        for index in range(first, len(events)):
            event = events[index]
            if type(event) is MarketTrade:
                if event.instrument >= 0:
                    self.trades.append(event)
            elif type(event) is Reply:
                # It answers the recorded run's request; ours has another number.
                events[index] = replace(event, request_id=self._subscription)


_Question = tuple[str, str, str, bytes]
"""Method, path, query and body of a public question."""


class RecordedWorld:
    """An engine between a recorded market and the paper exchange; its
    ``core.engine.outbound.Port``.

    What is sent meets the market ``latency_ns`` later and is answered at that moment: the answer
    to a real order takes as long, and so does the news of the market that it met.
    """

    def __init__(self, application: Application, measured: Measured) -> None:
        self.measured = measured
        self.now_ns = 0
        self._listening = _Listening(application.adapter)
        self.application = replace(application, adapter=cast(Adapter, self._listening))
        self._signer = application.venue.signer(KEYS)
        self.engine = self.application.engine(self, self._stamp, _NoJournal(), Untimed())
        self.exchange: PaperExchange | None = None
        self.session: ApiSession | None = None
        self.has_left = False
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._time_request = application.adapter.encode(FetchTime(), 0, 0)
        self._recorded_asks: dict[int, Ask] = {}
        self._asked: dict[_Question, list[int]] = {}
        self._known: dict[_Question, Answer] = {}
        self._leaving = False

    # -- the recording -------------------------------------------------------------------------

    def feed(self, record: Record) -> None:
        """Take one record: the market's are played, our own are left out."""
        kind, connection = record.kind, record.connection
        self._advance(record.time_ns)
        now_ns = self.now_ns
        if kind == Kind.BYTES:
            if not self._private(connection):
                self.engine.on_bytes(connection, record.payload, 0, now_ns, now_ns)
                self._move()
        elif kind == Kind.ASK:
            ask = unpack(record.payload, Ask)
            self._recorded_asks[ask.request_id] = ask
        elif kind == Kind.ANSWER:
            self._recorded_answer(unpack(record.payload, Answer))
        elif kind == Kind.UP:
            if not self._private(connection):
                self.engine.on_up(connection, now_ns)
        elif kind == Kind.DOWN:
            if not self._private(connection):
                self.engine.on_down(connection, record.payload.decode(), now_ns)
        elif kind == Kind.CONTROL:
            self._control(record.payload)

    def _control(self, text: bytes) -> None:
        """Start and leave when the run did; what its operator said was about its own orders."""
        if text == b"start":
            self.engine.start(self.now_ns)
        elif text.startswith(b"leave"):
            self._leave("the recorded run was left")

    def end(self) -> None:
        """The recording has ended: leave, and let the exchange answer."""
        self._leave("the recording has ended")
        until_ns = self.now_ns + LEAVE_NS
        while not self.has_left and self.now_ns < until_ns:
            self._advance(self.now_ns + NS_PER_MS)

    def _leave(self, why: str) -> None:
        if not self._leaving:
            self._leaving = True
            self.engine.leave(why, self.now_ns)

    def _private(self, connection: int) -> bool:
        connections = self.application.adapter.connections
        return connections[connection % len(connections)].private

    def _recorded_answer(self, answer: Answer) -> None:
        ask = self._recorded_asks.pop(answer.request_id, None)
        if ask is None or ask.signed:
            return
        key = (ask.method, ask.path, ask.query, ask.body)
        self._known[key] = answer
        for request_id in self._asked.pop(key, ()):
            self._answer(request_id, answer)

    def _answer(self, request_id: int, answer: Answer) -> None:
        status, headers, body = answer.status, answer.headers, answer.body
        self.engine.on_answer(request_id, status, headers, body, self.now_ns)

    def _move(self) -> None:
        """Let our resting orders meet what the recorded market just did."""
        exchange, trades = self.exchange, self._listening.trades
        if exchange is not None:
            for trade in trades:
                exchange.on_trade(trade, self._venue_ns())
            for book in self.engine.books:
                exchange.on_book(book.instrument, self._venue_ns())
        trades.clear()

    # -- time ----------------------------------------------------------------------------------

    def _advance(self, until_ns: int) -> None:
        """Let everything happen that is due by then, in order."""
        timers, heap = self.engine.timers, self._heap
        while True:
            event_ns = heap[0][0] if heap else until_ns + 1
            next_ns = min(timers.next_due_ns, event_ns)
            if next_ns > until_ns:
                break
            self.now_ns = max(self.now_ns, next_ns)
            if next_ns == event_ns:
                heapq.heappop(heap)[2]()
            else:
                self.engine.on_due(self.now_ns)
        self.now_ns = max(self.now_ns, until_ns)

    def _after(self, delay_ns: int, what: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (self.now_ns + delay_ns, next(self._order), what))

    def _stamp(self) -> int:
        return self.now_ns

    def _venue_ns(self) -> int:
        return self.now_ns + self.measured.offset_ns

    # -- the private connection ----------------------------------------------------------------

    def _connect(self, connection: int) -> None:
        exchange = self.exchange
        if exchange is None or self.session is not None:
            return
        url = urlsplit(self.application.adapter.connections[connection].url)
        target = f"{url.path}?{url.query}"
        outlet = _Outlet(self, connection)
        self.session = exchange.venue.open_api_session(
            outlet, target, "127.0.0.1", self._venue_ns()
        )
        self.engine.on_up(connection, self.now_ns)
        self._ping(connection, self.session)

    def _disconnect(self, connection: int, reason: str) -> None:
        if self.session is not None and self.exchange is not None:
            self.exchange.venue.close_api_session(self.session)
            self.session = None
            self.engine.on_down(connection, reason, self.now_ns)
            self._after(self.measured.latency_ns, partial(self._connect, connection))

    def _ping(self, connection: int, session: ApiSession) -> None:
        if session is self.session:
            self.say(connection, PING, b"")
            self._after(PING_NS, partial(self._ping, connection, session))

    def say(self, connection: int, opcode: int, payload: bytes) -> None:
        """The exchange sends: it is read in a turn of its own."""
        session, frame = self.session, server_frame(opcode, payload)

        def read() -> None:
            if session is self.session:
                self.engine.on_bytes(connection, frame, 0, self.now_ns, self.now_ns)

        self._after(0, read)

    def _receive(self, session: ApiSession, payload: bytes) -> None:
        if self.exchange is not None and session is self.session:
            self.exchange.receive(session, payload, self._venue_ns())

    # -- the port ------------------------------------------------------------------------------

    def open_connections(self) -> None:
        """The instruments are known: there is an exchange, and a connection to it."""
        self.exchange = PaperExchange(self.engine.table, self.engine.books, self._venue_ns())
        for connection, spec in enumerate(self.application.adapter.connections):
            if spec.private:
                self._after(self.measured.latency_ns, partial(self._connect, connection))

    def sign(self, request: WireRequest) -> bytes:
        return self._signer.wire(request)

    def send(self, connection: int, data: bytes) -> None:
        session = self.session
        if session is None or not self._private(connection):
            return
        for opcode, payload in client_frames(data):
            if opcode == TEXT:
                self._after(self.measured.latency_ns, partial(self._receive, session, payload))

    def send_rest(self, request_id: int, request: HttpRequest) -> None:
        key = (request.method, request.path, request.query, request.body)
        if request.signed or request == self._time_request:
            self._after(self.measured.latency_ns, partial(self._respond, request_id, request))
        elif key in self._known:
            self._after(0, partial(self._answer, request_id, self._known[key]))
        else:
            self._asked.setdefault(key, []).append(request_id)

    def _respond(self, request_id: int, request: HttpRequest) -> None:
        signed = request.leaving(self._signer, self.now_ns)
        path, _, query = signed.target.partition("?")
        headers = {name.lower(): value for name, value in signed.headers.items()}
        http = SimRequest(request.method, path, query, signed.body.decode(), headers)
        # The clock is asked for before the instruments are known, and with them the exchange.
        exchange = self.exchange.venue.exchange if self.exchange else Exchange(Random(0), ())
        reply = respond(exchange, http, self._venue_ns())
        lower = {name.lower(): value for name, value in reply.headers.items()}
        self._answer(request_id, Answer(request_id, reply.status, lower, reply.body))

    def dial(self, link: int) -> None:
        """The recording knows when another connection stood; the private one never ends."""

    def retire(self, link: int, reason: str) -> None: ...
    def drop(self, connection: int, reason: str, *, redial_now: bool) -> None:
        """Close the private connection; the recording knows when the others went."""
        if self._private(connection):
            self._after(0, partial(self._disconnect, connection, reason))

    def hold_dials(self, until_ns: int) -> None: ...
    def stop(self, why: str) -> None:
        self._after(0, partial(self._leave, why))

    def left(self) -> None:
        self.has_left = True

    def log(self, text: str) -> None: ...


class _Outlet:
    """Where the exchange's side of the private connection sends."""

    def __init__(self, world: RecordedWorld, connection: int) -> None:
        self._world = world
        self._connection = connection

    def send(self, payload: bytes) -> None:
        self._world.say(self._connection, TEXT, payload)

    def cut(self) -> None:
        self._world.drop(self._connection, "cut by the exchange", redial_now=False)


class _NoJournal:
    """Takes everything and keeps nothing: what is simulated is no record of a run."""

    segment = 0

    def append(self, kind: int, connection: int, time_ns: int, payload: Payload) -> None: ...
    def hold(self) -> None: ...
