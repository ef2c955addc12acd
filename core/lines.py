"""The lines: every connection from its opening to its end, and its bytes until they are events.

Here a line works off its opening script, its frames are taken apart and its control frames
answered, and it is given up when it is silent, unheard, old or faulty. The phases live in
``core.session``, framing in ``core.wire``, decoding in the venue, dialling in ``core.io``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from core.commands import Logon, SubscribeMarket, SubscribePrivate
from core.counts import Counts
from core.desk import TradingDesk
from core.errors import RemoteFault
from core.events import Event, Notice, Reply, Verdict
from core.gate import Gate
from core.inflight import Asked
from core.journal import Kind
from core.outbound import Door, Outbound
from core.recovery import Recovery
from core.session import Phase, Session
from core.throttle import Throttle
from core.units import NS_PER_S
from core.venue import Adapter
from core.venue_clock import VenueClock
from core.wire.websocket import BINARY, CLOSE, PING, TEXT, ClientCodec

CLOSE_NORMAL = 1000

_DATA = (TEXT, BINARY)
_STEPS = (Logon, SubscribeMarket, SubscribePrivate)


class Lines:
    """The lines of one run."""

    __slots__ = (
        "_adapter",
        "_clock",
        "_counts",
        "_decode",
        "_desk",
        "_door",
        "_gate",
        "_masks",
        "_outbound",
        "_reading",
        "_record",
        "_recovery",
        "_sessions",
        "_throttle",
        "codecs",
    )

    def __init__(
        self,
        *,
        adapter: Adapter,
        sessions: Sequence[Session],
        seed: int,
        throttle: Throttle,
        clock: VenueClock,
        outbound: Outbound,
        desk: TradingDesk,
        recovery: Recovery,
        gate: Gate,
        counts: Counts,
        door: Door,
        record: Callable[[Kind, int, int, bytes], None],
    ) -> None:
        """``record`` enters something in the journal: kind, line, time and payload."""
        self._adapter = adapter
        self._decode = adapter.decode
        self._sessions = sessions
        self._masks = random.Random(f"masks:{seed}")
        self._throttle = throttle
        self._clock = clock
        self._outbound = outbound
        self._desk = desk
        self._recovery = recovery
        self._gate = gate
        self._counts = counts
        self._door = door
        self._record = record
        self.codecs: list[ClientCodec | None] = [None for _ in adapter.lines]
        """What takes each line's bytes apart, ``None`` while it is down."""
        self._reading = 0

    # -- up, read, down ------------------------------------------------------------------------

    def up(self, line: int) -> None:
        """A line is connected, its HTTP upgrade behind it: begin its script."""
        spec, now_ns = self._adapter.lines[line], self._desk.now_ns
        self._throttle.charge(spec.dial_costs, now_ns + self._clock.offset_ns)
        codec = ClientCodec(mask_source=self._next_mask, max_message_bytes=spec.max_message_bytes)
        self.codecs[line] = codec
        self._outbound.attach(line, codec)
        self._sessions[line].up(self._adapter.script(line), now_ns)
        self._next_step(line)

    def read(self, line: int, codec: ClientCodec, data: bytes, events: list[Event]) -> None:
        """Turn bytes into events; control frames are answered on the way."""
        counts, decode = self._counts, self._decode
        self._reading = line
        self._sessions[line].heard_ns = self._desk.now_ns
        for opcode, payload in codec.receive(data):
            if opcode in _DATA:
                counts.messages += 1
                try:
                    decode(line, payload, events)
                except RemoteFault as fault:
                    self._count_fault(line, fault)
                    self.drop(line, f"message refused: {fault}")
                    return
            elif opcode == PING:
                self._outbound.pong(line, payload, self._desk.now_ns)
            elif opcode == CLOSE:
                self._outbound.close(line, CLOSE_NORMAL, self._desk.now_ns)
                self.drop(line, "closed by the venue")
                return
        if codec.fault is not None:
            self._count_fault(line, codec.fault)
            self._outbound.close(line, codec.fault.close_code, self._desk.now_ns)
            self.drop(line, f"protocol fault: {codec.fault}")

    def down(self, line: int) -> None:
        """A line is gone."""
        self.codecs[line] = None
        self._outbound.detach(line)
        self._sessions[line].lost()

    def drop(self, line: int, reason: str, *, redial_now: bool = False) -> None:
        """Give a line up."""
        self._record(Kind.DROP, line, self._desk.now_ns, reason.encode())
        self._door.drop(line, reason, redial_now=redial_now)

    def _count_fault(self, line: int, fault: RemoteFault) -> None:
        self._counts.errors += 1
        self._door.log(f"{self._adapter.lines[line].name}: {fault}")

    def _next_mask(self) -> int:
        return self._masks.getrandbits(32)

    # -- replies, and the opening script -------------------------------------------------------

    def heard(self) -> None:
        """The line that is being read brought a reply: the venue hears us on it."""
        self._sessions[self._reading].answered()

    def on_reply(self, asked: Asked, reply: Reply) -> None:
        """Take a reply that may be to a step of a line's opening script."""
        if type(asked.command) not in _STEPS or asked.line < 0:
            return
        line, session = asked.line, self._sessions[asked.line]
        if not session.answers_step(asked.request_id):
            return
        if reply.verdict is not Verdict.DONE:
            what = f"{type(asked.command).__name__} refused: {reply.code} {reply.text}"
            if reply.verdict is Verdict.FATAL:
                self._gate.fail(what)
            self.drop(line, what)
        elif session.step_done():
            self._ready(line)
        else:
            self._next_step(line)

    def on_no_reply(self, asked: Asked) -> None:
        """A reply will not come: without a step of its script a line is of no use."""
        line = asked.line
        if line < 0:
            return
        session = self._sessions[line]
        session.unanswered += 1
        if session.answers_step(asked.request_id):
            self.drop(line, f"{type(asked.command).__name__} was not answered")

    def _next_step(self, line: int) -> None:
        session = self._sessions[line]
        command = session.next_step()
        if command is not None:
            session.asked(self._outbound.request(command, self._desk.now_ns))

    def _ready(self, line: int) -> None:
        spec, now_ns = self._adapter.lines[line], self._desk.now_ns
        self._door.log(f"line {spec.name} is ready")
        if spec.private:
            self._recovery.begin(now_ns)
            self._recovery.step(now_ns)
            self._desk.hurry()

    # -- silence, age and notices --------------------------------------------------------------

    def on_notice(self, notice: Notice) -> None:
        """The venue says on the line that is being read that it will soon be of no use."""
        if notice is Notice.SHUTDOWN:
            self._sessions[self._reading].expire(self._desk.now_ns)
        else:
            self.drop(self._reading, f"venue notice: {notice}", redial_now=True)

    def step(self) -> None:
        """Look at every line: what it waits for, its silence, and its age."""
        for line, session in enumerate(self._sessions):
            self._watch(line, session)

    def _watch(self, line: int, session: Session) -> None:
        now_ns = self._desk.now_ns
        if session.step_unsent:
            self._next_step(line)
        if session.silent(now_ns):
            self.drop(line, f"silent for {session.line.silence_ns // NS_PER_S} s")
            return
        if session.unheard:
            self.drop(line, f"{session.unanswered} requests in a row were not answered")
            return
        if session.too_old(now_ns) and session.phase is not Phase.DRAINING:
            self._door.log(f"line {session.line.name} is near its age limit: replacing it")
            session.expire(now_ns)
        waiting = any(asked.line == line for asked in self._outbound.inflight)
        if session.drained(now_ns, waiting):
            self.drop(line, "planned reconnect", redial_now=True)
