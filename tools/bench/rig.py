"""A test rig: the whole application without I/O, and a venue that answers at once.

For measuring calls and counting what they cost, in one process and without a socket. The venue's
words are the load generator's own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from core.engine.replay import EngineOf
from core.model import config
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import Credentials, HttpRequest, KeyKind, WireRequest
from core.state.hops import Hops
from core.state.journal import Journal, Payload
from tools import app
from tools.bench import variants, wire
from venues.binance.signer import KeySigner

MARKET, TRADE = 0, 1

START_NS = 1_780_315_355 * NS_PER_S
"""A noon in 2026, two minutes and 35 s past: in the middle of every window of the venue's limits.
Near their edges a request is counted twice, and what it costs must not depend on the hour."""


class Forgetful:
    """A journal that costs nothing, where something else is measured."""

    segment = 0

    def append(self, kind: int, connection: int, time_ns: int, payload: Payload) -> None: ...
    def hold(self) -> None: ...


def _application(stream: str, *, hmac: bool = False) -> app.Application:
    text = variants.configuration(
        port=1, ca=None, stream=stream, action="place", cpu=None, stamps=False
    )
    return app.wire(
        config.load(text, "bench"),
        "bench",
        scope="hbenchs-",
        boot=1,
        seed=1,
        key=KeyKind.SIGNS if hmac else KeyKind.LOGS_ON,
    )


def engine_of(stream: str) -> EngineOf:
    """Return what makes the engine of an application again, for a replay of what it recorded."""
    return _application(stream).engine


class Rig:
    """One application, logged on and trading; also its own ``core.engine.outbound.Port``."""

    def __init__(
        self,
        *,
        stream: str = "bookTicker",
        hmac: bool = False,
        journal: Journal | None = None,
        engine_of: Callable[[app.Application], EngineOf] = lambda application: application.engine,
    ) -> None:
        application = _application(stream, hmac=hmac)
        self.adapter = application.adapter
        self.now_ns = START_NS
        self.sent: list[tuple[int, bytes]] = []
        self._asked: list[tuple[int, HttpRequest]] = []
        self._signer = KeySigner(
            Credentials({"api_key": variants.API_KEY, "api_secret": variants.SECRET})
        )
        self._hmac = hmac
        self._stream = stream
        self._ticks = wire.Ticks(stream, combined=True)
        self.hops = Hops()
        self.engine = engine_of(application)(
            self, time.perf_counter_ns, journal or Forgetful(), self.hops
        )
        self._open = False
        self._begin()

    # -- the port ------------------------------------------------------------------------------

    def open_connections(self) -> None:
        self._open = True

    def sign(self, request: WireRequest) -> bytes:
        return self._signer.wire(request) if self._hmac else request.body

    def send(self, connection: int, data: bytes) -> None:
        self.sent.append((connection, data))

    def send_rest(self, request_id: int, request: HttpRequest) -> None:
        self._asked.append((request_id, request))

    def dial(self, link: int) -> None: ...
    def retire(self, link: int, reason: str) -> None: ...
    def drop(self, connection: int, reason: str, *, redial_now: bool) -> None:
        raise AssertionError(f"line {connection} was dropped: {reason}")

    def hold_dials(self, until_ns: int) -> None: ...
    def stop(self, why: str) -> None:
        raise AssertionError(f"the run ended: {why}")

    def left(self) -> None: ...
    def log(self, text: str) -> None: ...

    # -- the venue -----------------------------------------------------------------------------

    def _begin(self) -> None:
        """Go through the opening until the gate is open."""
        engine = self.engine
        engine.start(self._later())
        self._answer_all()
        engine.on_up(MARKET, self._later())
        engine.on_up(TRADE, self._later())
        self._answer_all()
        self._tick(wire.LEAST_LOTS // 2)
        for _ in range(100):
            self._later(100)
            engine.on_due(self.now_ns)
            self._answer_all()
            if engine.desk.gate_open and engine.books[0].live:
                return
        raise AssertionError(f"the gate did not open: {engine.desk.session}")

    def _later(self, ms: int = 1) -> int:
        self.now_ns += ms * NS_PER_MS
        return self.now_ns

    def _answer_all(self) -> None:
        while self._asked or self.sent:
            asked, self._asked = self._asked, []
            for request_id, request in asked:
                body = json.dumps(self._rest(request.path)).encode()
                self.engine.on_answer(request_id, 200, {}, body, self._later())
            sent, self.sent = self.sent, []
            for connection, data in sent:
                self._read(connection, self._reply(connection, data))

    def _rest(self, path: str) -> Any:
        name = path.rpartition("/")[2]
        if name == "exchangeInfo":
            return wire.exchange_info()
        if name == "time":
            return {"serverTime": self.now_ns // NS_PER_MS}
        if name == "account":
            return wire.account(self.now_ns // NS_PER_MS)
        if name == "depth":
            return wire.depth(self._ticks.update_id, 5_000)
        return []

    def _reply(self, connection: int, data: bytes) -> bytes:
        found = wire.take_frame(data)
        if found is None:
            raise AssertionError("a torn frame was sent")
        text = found[1]
        number = wire.ID.search(text)
        request_id = number[1] if number else b"null"
        if connection == MARKET:
            return wire.frame(b'{"result":null,"id":%b}' % request_id)
        if b'"order.place"' not in text:
            return wire.frame(wire.reply(request_id, b'{"subscriptionId":0}'))
        order = wire.Order(text, int(request_id.strip(b'"')[1:]))
        now_ms = self.now_ns // NS_PER_MS
        answer = wire.frame(wire.reply(request_id, order.placed(now_ms)))
        return answer + b"".join(map(wire.private, order.reports(now_ms)))

    def _read(self, connection: int, data: bytes) -> None:
        now_ns = self._later()
        self.engine.on_bytes(connection, data, 0, now_ns, now_ns)

    def _tick(self, lots: int) -> None:
        self._read(MARKET, self._ticks.frame(lots, self.now_ns // NS_PER_MS))

    # -- what is measured ----------------------------------------------------------------------

    def tick_payload(self, stream: str) -> bytes:
        """Return one message of a stream."""
        return self.tick_payloads(stream, 1)[0]

    def tick_payloads(self, stream: str, count: int) -> list[bytes]:
        """Return messages of a stream, one after the other."""
        ticks = wire.Ticks(stream, combined=True)
        frames = [ticks.frame(wire.LEAST_LOTS, 1_780_000_000_000) for _ in range(count)]
        return [frame[4 if frame[1] == 126 else 2 :] for frame in frames]

    def order_for(self, lots: int) -> bytes:
        """Return the order that a tick with this best bid is answered with."""
        self._tick(lots)
        (connection, data), *_ = self.sent
        self._answer_all()
        found = wire.take_frame(data)
        if connection != TRADE or found is None:
            raise AssertionError("no order was sent")
        return found[1]

    def ticker(self, lots: int) -> Callable[[], None]:
        """Return a call that gives the engine one tick of a row made beforehand."""
        frames = [self._ticks.frame(lots, self.now_ns // NS_PER_MS) for _ in range(1 << 16)]
        frames.reverse()
        on_bytes, now_ns = self.engine.on_bytes, self.now_ns

        def call() -> None:
            nonlocal now_ns
            now_ns += 50_000
            on_bytes(MARKET, frames.pop(), 0, now_ns, now_ns)

        return call

    def record(self, ticks: int, prepare: Callable[[], object]) -> None:
        """Take ticks that ask for no order; ``prepare`` is the journal's idle work."""
        for _ in range(ticks):
            self._tick(wire.LEAST_LOTS // 2)
            prepare()

    def trader(self) -> Callable[[], None]:
        """Return a call that gives the engine a tick to answer, and the venue's reply to that."""

        def call() -> None:
            self._tick(wire.LEAST_LOTS)
            self._answer_all()

        return call
