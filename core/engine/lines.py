"""The lines: every connection from its opening to its end, and its bytes until they are events.

Here a line works off its opening script, its frames are taken apart and its control frames
answered, and it is given up when it is silent, unheard or faulty. One that is old, or told to go,
is replaced before it is closed: a second connection is made beside it, takes over once nothing is
lost by that, and only then the first one ends. So a line has two places for connections, and each
place its number, the link: that of the line, and that of the line plus the count of the lines.

The phases live in ``core.state.session``, what two connections tell together in
``core.engine.overlap``, framing in ``core.protocols``, decoding in the venue, dialling in
``core.io``.
"""

from __future__ import annotations

import random
from typing import Final

from core.engine.desk import TradingDesk
from core.engine.farewells import Farewells
from core.engine.market_data import MarketData
from core.engine.outbound import Door, Outbound
from core.engine.overlap import Overlap
from core.engine.recovery import Recovery
from core.engine.turn import Recorder, Turn
from core.model.errors import RemoteFault
from core.model.events import Notice, Numbered, Reply, Verdict
from core.model.units import NS_PER_S
from core.model.venue import Adapter, Respond
from core.model.wire import CLOSE, MESSAGES, PING, WireProtocol
from core.state.counts import Counts
from core.state.inflight import Asked
from core.state.journal import Kind
from core.state.session import Session
from core.state.throttle import Throttle
from core.state.venue_clock import VenueClock

APART_NS: Final = 10 * NS_PER_S
"""Between two lines changing hands: what goes wrong with one is over, or seen, before the next.
Also how long after that a new feed is still held against what the old one told."""

MEET_NS: Final = 30 * NS_PER_S
"""How long a new connection may take to continue the old one: the wait for the other lines, and
ten times what a slow feed is behind. Another one is dialled then."""


class Lines:
    """The lines of one run."""

    __slots__ = (
        "_adapter",
        "_changed_ns",
        "_clock",
        "_count",
        "_counts",
        "_decode",
        "_desk",
        "_door",
        "_farewells",
        "_handed_ns",
        "_leaving",
        "_links",
        "_making",
        "_market_data",
        "_masks",
        "_outbound",
        "_recorder",
        "_recovery",
        "_sessions",
        "_throttle",
        "_turn",
        "gapped",
        "overlaps",
        "protocols",
        "reading",
    )

    def __init__(
        self,
        *,
        adapter: Adapter,
        sessions: list[Session],
        seed: int,
        throttle: Throttle,
        clock: VenueClock,
        outbound: Outbound,
        turn: Turn,
        desk: TradingDesk,
        market_data: MarketData,
        recovery: Recovery,
        counts: Counts,
        door: Door,
        recorder: Recorder,
    ) -> None:
        """``sessions`` are those in use, one of each line: replaced when one takes over."""
        self._adapter = adapter
        self._farewells = Farewells(outbound)
        self._leaving = False
        """Whether the run ends, and every connection with it."""
        self._decode = adapter.decode
        self._sessions = sessions
        self._count = len(sessions)
        self._links = [
            *sessions,
            *(Session(s.line, self._count + s.link) for s in sessions),
        ]
        self._making = [False for _ in sessions]
        """Whether a second connection of a line is wanted, and has not taken over yet."""
        self.overlaps: dict[int, Overlap] = {}
        """What two connections tell together, by line; empty nearly always."""
        self._handed_ns = 0
        """When a line last changed hands."""
        self._changed_ns = [0 for _ in sessions]
        """When each line last did."""
        self._masks = random.Random(f"masks:{seed}")
        self._throttle = throttle
        self._clock = clock
        self._outbound = outbound
        self._turn = turn
        self._desk = desk
        self._market_data = market_data
        self._recovery = recovery
        self._counts = counts
        self._door = door
        self._recorder = recorder
        self.protocols: list[WireProtocol | None] = [None for _ in self._links]
        """What takes each link's bytes apart, ``None`` while it is down."""
        self.reading = 0
        """The link whose bytes are being taken apart."""
        self.gapped = False
        """Whether what this turn is told stands behind a gap: it may leave out what was in that."""

    # -- up, read, down ------------------------------------------------------------------------

    def up(self, link: int) -> None:
        """A connection stands, its HTTP upgrade behind it: begin its script."""
        session, line, now_ns = self._links[link], link % self._count, self._turn.now_ns
        spec = session.line
        self._throttle.charge(spec.dial_costs, now_ns + self._clock.offset_ns)
        protocol = spec.protocol(self._entropy)
        self.protocols[link] = protocol
        self._outbound.attach(link, protocol)
        session.up(self._adapter.script(line), now_ns)
        if session is not self._sessions[line]:
            self.overlaps[line] = Overlap(self._market_data.books_of(spec))
        elif spec.public:
            self._market_data.begin(spec)
        if session.ready:
            self._ready(session)
        else:
            self._next_step(session)

    def read(self, link: int, protocol: WireProtocol, data: bytes) -> None:
        """Turn bytes into events; control frames are answered on the way."""
        counts, decode, turn = self._counts, self._decode, self._turn
        events = turn.events
        self.reading, self.gapped = link, False
        session = self._links[link]
        session.heard_ns = turn.now_ns
        line = link if link < self._count else link - self._count
        for kind, payload in protocol.receive(data):
            if kind in MESSAGES:
                counts.messages += 1
                try:
                    decode(line, payload, events)
                except RemoteFault as fault:
                    self._count_fault(session, fault)
                    self.drop(link, f"message refused: {fault}")
                    return
            elif kind == PING:
                self._outbound.pong(link, payload, self._turn.now_ns)
            elif kind == CLOSE:
                self._outbound.close(link, self._turn.now_ns)
                self.drop(link, protocol.reason(payload))
                return
        if protocol.fault is not None:
            self._count_fault(session, protocol.fault)
            self._outbound.close(link, self._turn.now_ns)
            self.drop(link, f"protocol fault: {protocol.fault}")

    def merge(self, link: int) -> None:
        """Keep of what a read has brought what is to be folded, while two connections tell it."""
        line = link % self._count
        overlap = self.overlaps.get(line)
        if overlap is not None:
            in_use = self._links[link] is self._sessions[line]
            events = self._turn.events
            events[:] = overlap.merge(events, new=in_use != self._making[line])

    def down(self, link: int, reason: str) -> None:
        """A connection is gone; what the one that takes its place has told is for this turn."""
        session, line = self._links[link], link % self._count
        spec = session.line
        self._door.log(f"line {spec.name} is down: {reason}")
        self.protocols[link] = None
        self._farewells.lost(link)
        self._outbound.detach(link)
        session.lost()
        if session is not self._sessions[line]:
            if self._making[line]:
                self.overlaps.pop(line, None)  # another is dialled
            else:
                self._door.retire(link, reason)  # it was about to go
            return
        if spec.private:
            self._recovery.suspend()
        if self._making[line] or self._spare(line).ready:
            self._door.retire(link, reason)
            self._take_over_from_lost(line, reason)
        elif spec.public:
            self._market_data.lose(f"line lost: {reason}", spec)

    def _take_over_from_lost(self, line: int, reason: str) -> None:
        """The connection in use is gone while another is being made: that one is the line now."""
        spare, overlap = self._spare(line), self.overlaps.get(line)
        continuing = overlap.continuing(self._turn.now_ns) if overlap and spare.ready else ()
        self._use(spare, line)
        if overlap is not None and spare.ready:
            self._turn.events += overlap.take_over()
        else:
            self.overlaps.pop(line, None)
        if spare.line.public:
            self._market_data.lose_but(continuing, f"line lost: {reason}", spare.line)
        if spare.line.private and spare.ready:
            self._private_stands()

    def drop(self, link: int, reason: str, *, redial_now: bool = False) -> None:
        """Give a connection up; it is dialled again."""
        self._recorder.record(Kind.DROP, link, reason.encode())
        self._door.drop(link, reason, redial_now=redial_now)

    def drop_public(self, why: str) -> None:
        """Give every connection with market data up."""
        for session in self._links:
            if session.sendable and session.line.public:
                self.drop(session.link, why, redial_now=True)

    def _count_fault(self, session: Session, fault: RemoteFault) -> None:
        self._counts.errors += 1
        self._door.log(f"{session.line.name}: {fault}")

    def _entropy(self) -> int:
        return self._masks.getrandbits(32)

    # -- replies, and the opening script -------------------------------------------------------

    def heard(self) -> None:
        """The connection that is being read brought a reply: the venue hears us on it."""
        self._links[self.reading].answered()

    def on_reply(self, asked: Asked, reply: Reply) -> None:
        """Take a reply that may be to a step of a connection's opening script, or to a farewell."""
        self._on_farewell(asked)
        session = self._at_step(asked)
        if session is None:
            return
        if reply.verdict is not Verdict.DONE:
            what = f"{type(asked.command).__name__} refused: {reply.words}"
            if reply.verdict is Verdict.FATAL:
                self._turn.fail(what, remote=True)
            self.drop(session.link, what)
        elif session.step_done():
            self._ready(session)
        else:
            self._next_step(session)

    def on_no_reply(self, asked: Asked) -> None:
        """A reply will not come: without a step of its script a connection is of no use."""
        if asked.line >= 0:
            self._links[asked.line].unanswered += 1
        self._on_farewell(asked)
        session = self._at_step(asked)
        if session is not None:
            self.drop(session.link, f"{type(asked.command).__name__} was not answered")

    def _at_step(self, asked: Asked) -> Session | None:
        """Return the connection whose script waits for this request, by whatever way it went."""
        waiting = (each for each in self._links if each.answers_step(asked.request_id))
        return next(waiting, None)

    def _next_step(self, session: Session) -> None:
        command = session.next_step()
        if command is not None:
            now_ns, link = self._turn.now_ns, session.link
            session.asked(self._outbound.request(command, now_ns, link=link))

    def _ready(self, session: Session) -> None:
        self._door.log(f"line {session.line.name} is ready")
        in_use = session is self._sessions[session.link % self._count]
        if session.line.private and in_use and session.ready:  # else it has ended meanwhile
            self._private_stands()

    def _private_stands(self) -> None:
        """Orders and the account's events have a way again: prove the table first."""
        now_ns = self._turn.now_ns
        self._recovery.begin(now_ns)
        self._recovery.step(now_ns)
        self._desk.hurry()

    # -- silence, age and notices --------------------------------------------------------------

    def on_notice(self, notice: Notice) -> None:
        """The venue says on the connection that is being read that it will be of no use."""
        session = self._links[self.reading]
        line = session.link % self._count
        if notice is Notice.SHUTDOWN:
            session.expire()
        elif session is self._sessions[line]:
            self._relieve(session)
            self._make(line, f"venue notice: {notice}")
        elif self._making[line]:
            self.drop(session.link, f"venue notice: {notice}", redial_now=True)

    def on_respond(self, wanted: Respond) -> None:
        """The venue wants to hear something on the connection that is being read."""
        self._outbound.request(wanted.command, self._turn.now_ns, link=self.reading)

    def on_numbered(self, numbered: Numbered) -> None:
        """A message of the account's own came on the connection that is being read.

        One that is missing may have told of a fill: another connection begins with all there is.
        """
        session = self._links[self.reading]
        seq, last = numbered.seq, session.numbers.get(numbered.channel)
        if session.continues(numbered.channel, seq, first=numbered.first):
            return
        why = f"message {seq} of {numbered.channel} came after {'none' if last is None else last}"
        self.gapped = True
        self.drop(session.link, f"{why}: something was not told", redial_now=True)

    def step(self) -> None:
        """Look at every connection: what it waits for, its silence, its age, its replacement.

        What one that takes over has told until now is for this turn.
        """
        self._outbound.step(self._turn.now_ns)
        for link in self._farewells.step(self._turn.now_ns):
            self._door.log(f"line {self._links[link].line.name}: a farewell was not answered")
            self._part(self._links[link])
        for session in self._links:
            self._watch(session)
        for line, session in enumerate(self._sessions):
            self._replace(line, session)

    def _watch(self, session: Session) -> None:
        now_ns = self._turn.now_ns
        if session.step_unsent:
            self._next_step(session)
        keepalive = session.keepalive(now_ns)
        if keepalive is not None:
            self._outbound.request(keepalive, now_ns, link=session.link)
        if session.silent(now_ns):
            self.drop(session.link, f"silent for {session.line.silence_ns // NS_PER_S} s")
        elif session.unheard:
            self._unheard(session)

    def _unheard(self, session: Session) -> None:
        """Give a connection up that carries nothing out, at once where another is not on its way:
        its end would bring that no sooner, and what it tells is lost then.
        """
        line = session.link % self._count
        if not (self._making[line] and session is self._sessions[line]):
            self.drop(session.link, f"{session.unanswered} requests in a row were not answered")
        elif session.ready:
            self._relieve(session)

    def _relieve(self, session: Session) -> None:
        """Send nothing new on the private connection in use: what it tells is heard on until
        another stands.
        """
        session.relieve(self._turn.now_ns)
        self._recovery.suspend()
        self._turn.look_again()

    # -- one connection after another ----------------------------------------------------------

    def _spare(self, line: int) -> Session:
        """Return the session in the other place of a line."""
        link = self._sessions[line].link
        return self._links[(link + self._count) % len(self._links)]

    def _replace(self, line: int, session: Session) -> None:
        """Go a step on the way from one connection to the next, as far as there is one to go."""
        now_ns, spare = self._turn.now_ns, self._spare(line)
        if self._making[line]:
            self._meet(line, session, spare)
        elif session.expires(now_ns):
            self._make(line, "will end, by its age limit or the venue's word")
        elif spare.link not in self._farewells and spare.drained(
            now_ns, any(a.line == spare.link for a in self._outbound.inflight)
        ):
            self._take_leave(spare)
        elif line in self.overlaps and now_ns - self._changed_ns[line] >= APART_NS:
            del self.overlaps[line]

    def _make(self, line: int, why: str) -> None:
        """Have another connection made beside the one in use, or in its place where none may be."""
        session = self._sessions[line]
        spare = self._spare(line)
        if session.link in self._farewells or spare.link in self._farewells:
            session.expire()  # once all is said there
            return
        if not session.line.overlap:
            self._door.log(f"line {session.line.name}: {why}: none may stand beside it")
            if session.line.private and session.ready:
                self._relieve(session)
            self._take_leave(session)
            return
        self._door.log(f"line {spare.line.name}: {why}: replacing it")
        if spare.sendable:  # the one before is still listened to
            self._take_leave(spare)
            if spare.link in self._farewells:
                session.expire()
                return
        self._making[line] = True
        self._door.dial(spare.link)

    def _meet(self, line: int, old: Session, new: Session) -> None:
        """Have the new connection take over once nothing is lost by that."""
        now_ns, overlap = self._turn.now_ns, self.overlaps.get(line)
        met = overlap is not None and overlap.met(now_ns)
        if overlap is None or not new.ready:
            return
        if old.ready and now_ns - self._handed_ns < APART_NS:
            return
        if met:
            self._hand_over(line, old, new)
            self._turn.events += overlap.take_over()
        elif now_ns - new.up_ns >= MEET_NS:
            self.drop(new.link, "its feed does not continue that of the old connection")

    def _hand_over(self, line: int, old: Session, new: Session) -> None:
        proved = old.ready
        self._use(new, line)
        self._door.log(f"line {new.line.name}: a new connection has taken over")
        old.relieve(self._turn.now_ns)
        if not new.line.private:
            self._take_leave(old)  # whatever it could tell, the new one has told
        elif not proved:
            self._private_stands()

    def _use(self, session: Session, line: int) -> None:
        self._sessions[line] = session
        self._making[line] = False
        self._handed_ns = self._changed_ns[line] = self._turn.now_ns

    # -- closing in order ----------------------------------------------------------------------

    def leave(self) -> bool:
        """Take leave on every connection: the run ends. Returns whether no more is awaited."""
        if not self._leaving:
            self._leaving = True
            for session in self._links:
                if session.sendable:
                    self._take_leave(session)
        return not len(self._farewells)

    def _take_leave(self, session: Session) -> None:
        """Close a connection in order, once all is said that the venue wants to hear before."""
        words = self._adapter.farewell(session.link % self._count)
        if not self._farewells.begin(session.link, words, self._turn.now_ns):
            self._part(session)

    def _on_farewell(self, asked: Asked) -> None:
        link = self._farewells.on_answer(asked, self._turn.now_ns)
        if link is not None:
            self._part(self._links[link])

    def _part(self, session: Session) -> None:
        """Close a connection on which all is said: whoever ends the run closes them all at once."""
        if self._leaving:
            return
        if session is self._sessions[session.link % self._count]:
            why = "it ends by plan, and none may stand beside it"
            self.drop(session.link, why, redial_now=True)
        else:
            self._retire(session)

    def _retire(self, session: Session) -> None:
        """Close a connection that another has replaced."""
        why = "replaced by a new connection"
        self._recorder.record(Kind.DROP, session.link, why.encode())
        self._door.retire(session.link, why)
        if session.line.private:
            self._recovery.look_again(self._turn.now_ns)
