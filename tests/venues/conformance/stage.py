"""A run of any venue's adapter in which the test says what becomes of each request.

The adapter's own connections, scripts, requests, costs and signatures are used; what comes in is
written in core's words, so that no venue's bytes are needed for it. Virtual time, no exchange.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from core.engine.replay import Untimed
from core.model import config
from core.model.commands import FetchInstruments, FetchTime
from core.model.events import Event, InstrumentsReport, Reply, VenueTime, Verdict
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import Credentials, HttpRequest, Stream, WireRequest
from core.protocols.websocket import TEXT
from core.state.inflight import InFlightRequest
from core.state.journal import MemoryJournal
from core.state.session import Session
from tests.venues.conformance.samples import Samples
from tools import app
from tools.world.tank import server_frame

START_NS = 1_790_000_000 * NS_PER_S
STEP_NS = 10 * NS_PER_MS

CONFIG = """
venue = "{venue}"
environment = "live"
symbols = {symbols}
streams = {streams}
[strategy]
name = "observer"
"""

Answer = Callable[[InFlightRequest], Reply | None]


class _Told:
    """The venue's adapter, but for what comes in: that is what the test has kept."""

    def __init__(self, adapter: Any) -> None:
        self._adapter = adapter
        self._kept: list[Event] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)

    def keep(self, event: Event) -> bytes:
        self._kept.append(event)
        return b"%d" % (len(self._kept) - 1)

    def decode(self, connection: int, payload: bytes, events: list[Event]) -> None:
        events.append(self._kept[int(payload)])

    def answer(
        self, command: object, request_id: int, status: int, headers: object, body: bytes
    ) -> Reply:
        reply = self._kept[int(body)]
        assert isinstance(reply, Reply)
        return reply


class Stage:
    """One run with a key, and the ``Door`` to it; requests are answered as ``answers`` says."""

    def __init__(self, shown: Samples, keys: Credentials) -> None:
        self.shown = shown
        self.now_ns = START_NS
        self.answers: Answer = self.grants
        self.log_lines: list[str] = []
        self.dropped: list[tuple[int, str]] = []
        self.asked: list[InFlightRequest] = []
        """All that was asked, in order."""
        self.words: list[str] = []
        """All that left, as it would be seen in an error."""
        self.stopped = ""
        self.redials = True
        self.signer = shown.venue.signer(keys)
        self.journal = MemoryJournal()
        self._seen: set[int] = set()
        self._kept: set[int] = set()
        self._standing: set[int] = set()
        self._soon: list[Callable[[], None]] = []
        streams = sorted({Stream.DEPTH, Stream.TRADES} & shown.adapter().capabilities.streams)
        text = CONFIG.format(
            venue=shown.venue.name,
            symbols=[one.symbol for one in shown.instruments],
            streams=[str(one) for one in streams],
        )
        kind = shown.venue.key_kind(keys)
        application = app.wire(
            config.load(text, "run.toml"), "run.toml", scope="h123-", boot=1, seed=7, key=kind
        )
        self.adapter = _Told(application.adapter)
        made: Any = replace(application, adapter=self.adapter)
        self.engine = made.engine(self, lambda: self.now_ns, self.journal, Untimed())

    def starts(self) -> Stage:
        self.engine.start(self.now_ns)
        return self.lives(1)

    def lives(self, seconds: float) -> Stage:
        """Let time pass, and have what is asked answered in its next step."""
        end_ns = self.now_ns + int(seconds * NS_PER_S)
        while self.now_ns < end_ns:
            self.now_ns += STEP_NS
            soon, self._soon = self._soon, []
            for what in soon:
                what()
            self.engine.on_due(self.now_ns)
            for asked in list(self.engine.outbound.inflight):
                if asked.request_id not in self._seen:
                    self._seen.add(asked.request_id)
                    self.asked.append(asked)
                    self.brings(asked, self.answers(asked))
        return self

    def session(self, connection: int) -> Session:
        session: Session = self.engine.sessions[connection]
        return session

    def is_step(self, asked: InFlightRequest, connection: int) -> bool:
        """Whether a request is the step that a connection's script waits for."""
        return self.session(connection).answers_step(asked.request_id)

    def brings(self, asked: InFlightRequest, reply: Reply | None, link: int | None = None) -> None:
        """Bring an answer, on the connection that was asked on or on another."""
        if reply is None:
            return
        kept = self.adapter.keep(reply)
        link = asked.connection if link is None else link

        def arrive() -> None:
            if link < 0:
                self.engine.on_answer(asked.request_id, 200, {}, kept, self.now_ns)
            elif link in self._standing:
                data = server_frame(TEXT, kept)
                self.engine.on_bytes(link, data, 0, self.now_ns, self.now_ns)

        times = 1 + self.engine.outbound.inflight._more.get(asked.request_id, 0)
        self._soon += [arrive] * (times if reply.verdict is Verdict.DONE else 1)

    def grants(self, asked: InFlightRequest) -> Reply:
        events: tuple[Event, ...] = ()
        if isinstance(asked.command, FetchTime):
            events = (VenueTime(self.now_ns),)
        elif isinstance(asked.command, FetchInstruments):
            events = (InstrumentsReport(self.shown.instruments),)
        return Reply(request_id=asked.request_id, verdict=Verdict.DONE, events=events)

    # -- the door ------------------------------------------------------------------------------

    def open_connections(self) -> None:
        for link in range(len(self.engine.sessions)):
            self.dial(link)

    def dial(self, link: int) -> None:
        self._kept.add(link)
        self._soon.append(lambda: self._up(link))

    def _up(self, link: int) -> None:
        if link in self._standing or link not in self._kept:
            return
        if self.redials or not self.dropped:
            self._standing.add(link)
            self.engine.on_up(link, self.now_ns)

    def retire(self, link: int, reason: str) -> None:
        self._kept.discard(link)
        self._soon.append(lambda: self._down(link, reason))

    def drop(self, link: int, reason: str, *, redial_now: bool) -> None:
        if link in self._standing and not any(one is link for one, _ in self.dropped[-1:]):
            self.dropped.append((link, reason))
        self._soon.append(lambda: self._down(link, reason))

    def _down(self, link: int, reason: str) -> None:
        if link in self._standing:
            self._standing.remove(link)
            self.engine.on_down(link, reason, self.now_ns)
            self._soon.append(lambda: self._up(link))

    def sign(self, request: WireRequest) -> bytes:
        self.words.append(repr(request))
        self.signer.wire(request)
        return request.body

    def send(self, link: int, data: bytes) -> None: ...

    def send_rest(self, request_id: int, request: HttpRequest) -> None:
        left = request.leaving(self.signer, self.now_ns)
        self.words += [repr(request), repr(left), left.target]

    def hold_dials(self, until_ns: int) -> None: ...

    def stop(self, why: str) -> None:
        self.stopped = self.stopped or why

    def left(self) -> None: ...

    def log(self, text: str) -> None:
        self.log_lines.append(text)
