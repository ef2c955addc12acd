"""A run on the opposite venue: engine and exchange, a millisecond apart, on virtual nanoseconds."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from functools import partial

import pytest

import venues
from core.engine.checkpoint import Notes, Restored
from core.engine.engine import Engine
from core.engine.replay import Tally, replay
from core.model import config
from core.model.conceal import Concealer
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import HttpAnswer, HttpRequest, WireRequest
from core.protocols.websocket import TEXT
from core.state.hops import Hops
from core.state.journal import MemoryJournal
from tests.venues.opposite.adapter import KEYS, NAME, venue
from tests.venues.opposite.answers import Answers
from tests.venues.opposite.exchange import STEP_NS, Exchange, Session
from tools import app
from tools.world.tank import client_frames, server_frame

START_NS = 1_790_000_000 * NS_PER_S
LATENCY_NS = NS_PER_MS
REDIAL_NS = 100 * NS_PER_MS
TURN_NS = 1_000
SKEW_NS = 250 * NS_PER_MS
"""How far its clock is ahead, where it tells its time."""

CONFIG = """
venue = "opposite"
environment = "live"
symbols = ["AAA-QQQ", "BBB-QQQ"]
streams = ["depth", "trades"]
[keys]
file = "keys.toml"
[risk]
max_order_size = "1"
max_position = "2"
max_order_notional = "100000"
max_open_orders = 10
max_daily_loss = "100000"
[strategy]
"""
MAKER = """
name = "maker"
[strategy.parameters]
size = "0.1"
max_position = "1"
"""
IDLE = 'name = "observer"'


class Run:
    """One boot, and the ``Door`` to it."""

    def __init__(self, answers: Answers, patch: pytest.MonkeyPatch, strategy: str = MAKER) -> None:
        self.venue = venue(answers)
        patch.setattr(venues, "find", lambda name: self.venue if name == NAME else None)
        self.now_ns = START_NS
        self.exchange = Exchange(answers)
        self._plain_text = answers.plain_text
        self.signer = self.venue.signer(KEYS)
        self.log_lines: list[str] = []
        self.has_left = False
        self.stopped = ""
        self.lost = b""
        """What has these words in it is lost on its way to the exchange."""
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._standing: dict[int, Session] = {}
        self._kept: set[int] = set()
        self._concealers: dict[int, Concealer | None] = {}
        self._config = config.load(CONFIG + strategy, "run.toml")
        self._notes = Notes()
        self._boot = 0
        self._begin(None)
        self.at(0, self._step_venue)

    def _begin(self, restored: Restored | None) -> None:
        self._boot += 1
        self.alive = True
        self.has_left = False
        self.journal = MemoryJournal()
        self.hops = Hops()
        self.application = self._application()
        self.engine: Engine = self.application.engine(self, self._stamp, self.journal, self.hops)
        if restored is not None:
            self.engine.restore(restored, self.now_ns)
        self._soon(0, lambda: self.engine.start(self.now_ns))

    def _application(self) -> app.Application:
        kind = self.venue.key_kind(KEYS)
        return app.wire(self._config, "run.toml", scope="h123-", boot=self._boot, seed=7, key=kind)

    def replayed(self) -> Tally:
        """Feed the records of this boot through the same code once more."""
        return replay(self.journal.records, self._application().engine)

    def killed(self, seconds: float) -> None:
        """The process is gone between two steps, and starts again after a while."""
        self.alive = False
        for session in self._standing.values():
            self.exchange.closed(session, self.venue_ns)
        self._standing.clear()
        self._kept.clear()
        self._notes.begin(self._boot)
        for record in self.journal.records:
            self._notes.read(record)
        self.run(seconds)
        self._begin(self._notes.restored())

    def _soon(self, delay_ns: int, what: Callable[[], None]) -> None:
        """Have something happen to this boot, as long as it lives."""
        engine = self.engine
        self.at(delay_ns, lambda: what() if self.alive and self.engine is engine else None)

    # -- time ----------------------------------------------------------------------------------

    def at(self, delay_ns: int, what: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (self.now_ns + delay_ns, next(self._order), what))

    def run(self, seconds: float) -> Run:
        until_ns = self.now_ns + int(seconds * NS_PER_S)
        while True:
            due_ns = self.engine.timers.next_due_ns if self.alive else until_ns + 1
            when_ns = self._heap[0][0]
            if min(due_ns, when_ns) > until_ns:
                break
            self.now_ns = max(self.now_ns, min(due_ns, when_ns))
            if due_ns <= when_ns:
                self.engine.on_due(self.now_ns)
            else:
                heapq.heappop(self._heap)[2]()
        self.now_ns = until_ns
        return self

    def run_until(self, condition: Callable[[], bool], seconds: float = 30.0) -> Run:
        limit_ns = self.now_ns + int(seconds * NS_PER_S)
        while not condition():
            assert self.now_ns < limit_ns, self.log_lines[-10:]
            self.run(0.05)
        return self

    def leave(self) -> Run:
        self.engine.leave("told to", self.now_ns)
        return self.run_until(lambda: self.has_left)

    @property
    def venue_ns(self) -> int:
        """What its clock says."""
        return self.now_ns + (SKEW_NS if self.exchange.answers.tells_time else 0)

    def _stamp(self) -> int:
        return self.now_ns + TURN_NS

    def _step_venue(self) -> None:
        self.exchange.step(self.venue_ns)
        self.at(STEP_NS, self._step_venue)

    # -- connections ---------------------------------------------------------------------------

    def cut(self, link: int, reason: str = "connection reset") -> None:
        """A connection breaks, and is dialled again."""
        session = self._standing.pop(link, None)
        if session is None:
            return
        self.exchange.closed(session, self.venue_ns)
        self._soon(0, lambda: self.engine.on_down(link, reason, self.now_ns))
        if link in self._kept:
            self._soon(REDIAL_NS, partial(self._dial, link))

    def _dial(self, link: int) -> None:
        if link in self._standing or link not in self._kept:
            return

        def say(payload: bytes) -> None:
            self._soon(LATENCY_NS, partial(self._arrive, link, session, payload))

        def cut(why: str) -> None:
            self._soon(0, lambda: self.cut(link, why))

        connection = link % len(self.application.adapter.connections)
        fields = self.application.adapter.connections[connection].conceals
        self._concealers[link] = Concealer(fields, self.signer.keep) if fields else None
        session = Session(connection, say, cut, self.venue_ns)
        self._standing[link] = session
        self.exchange.opened(session)
        self.engine.on_up(link, self.now_ns)

    def _arrive(self, link: int, session: Session, payload: bytes) -> None:
        if self._standing.get(link) is session:
            data = payload + b"\n" if self._plain_text else server_frame(TEXT, payload)
            concealer = self._concealers[link]
            if concealer is not None:
                data = concealer.conceal(data)
            self.engine.on_bytes(link, data, self.now_ns, self.now_ns, self.now_ns)

    # -- the door ------------------------------------------------------------------------------

    def open_connections(self) -> None:
        for link in range(len(self.application.adapter.connections)):
            self.dial(link)

    def dial(self, link: int) -> None:
        self._kept.add(link)
        self._soon(LATENCY_NS, partial(self._dial, link))

    def retire(self, link: int, reason: str) -> None:
        self._kept.discard(link)
        self._soon(0, lambda: self.cut(link, reason))

    def drop(self, link: int, reason: str, *, redial_now: bool) -> None:
        self._soon(0, lambda: self.cut(link, reason))

    def sign(self, request: WireRequest) -> bytes:
        return self.signer.wire(request)

    def send(self, link: int, data: bytes) -> None:
        session = self._standing.get(link)
        messages = (
            data.splitlines()
            if self._plain_text
            else [payload for opcode, payload in client_frames(data) if opcode == TEXT]
        )
        for payload in messages:
            if session is not None:
                self._soon(LATENCY_NS, partial(self._receive, session, payload))

    def _receive(self, session: Session, payload: bytes) -> None:
        if session in self.exchange.sessions and not (self.lost and self.lost in payload):
            self.exchange.receive(session, payload, self.venue_ns)

    def send_rest(self, request_id: int, request: HttpRequest) -> None:
        self._soon(LATENCY_NS, partial(self._post, request_id, request))

    def _post(self, request_id: int, request: HttpRequest) -> None:
        left = request.leaving(self.signer, self.now_ns)
        status, body = self.exchange.post(dict(left.headers), left.body, self.venue_ns)
        answer = request.arriving(self.signer, HttpAnswer(status, {}, body))
        self._soon(
            LATENCY_NS,
            lambda: self.engine.on_answer(request_id, status, {}, answer.body, self.now_ns),
        )

    def hold_dials(self, until_ns: int) -> None: ...

    def stop(self, why: str) -> None:
        self.stopped = self.stopped or why

    def left(self) -> None:
        self.has_left = True

    def log(self, text: str) -> None:
        self.log_lines.append(text)
