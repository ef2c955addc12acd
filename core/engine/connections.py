"""The connections: each link from its opening to its end, and its bytes until they are events.

Here a connection runs its opening script, its frames are decoded and its control frames answered,
and it is dropped when it is silent, unheard or faulty. One that is old, or that the venue tells to
go, is replaced before it is closed: a second one is dialled, takes over once nothing is lost by
that, and only then the first one is closed. So each connection has two links: number ``n`` and
number ``n`` plus the count of connections.

The phases live in ``core.state.session``, what two connections tell together in
``core.engine.overlap``, framing in ``core.protocols``, decoding in the venue, dialling in
``core.io``.
"""

from __future__ import annotations

import random
from functools import partial
from typing import Final

from core.engine.desk import TradingDesk
from core.engine.farewells import Farewells
from core.engine.market_data import MarketData
from core.engine.outbound import Outbound, Port
from core.engine.overlap import Overlap
from core.engine.recovery import Recovery
from core.engine.turn import Recorder, Turn
from core.model.errors import RemoteFault
from core.model.events import Notice, Numbered, Reply, Verdict
from core.model.units import NS_PER_S
from core.model.venue import Adapter, Respond
from core.model.wire import CLOSE, MESSAGES, PING, WireProtocol
from core.state.counts import Counts
from core.state.inflight import InFlightRequest
from core.state.journal import Kind
from core.state.session import Session
from core.state.throttle import Throttle
from core.state.venue_clock import VenueClock

APART_NS: Final = 10 * NS_PER_S
"""Between two replacements: what goes wrong with one is over, or seen, before the next.
Also how long after that a new feed is still held against what the old one told."""

MEET_NS: Final = 30 * NS_PER_S
"""How long a new link may take to continue the old one: the wait for the other connections, and ten
times what a slow feed is behind. Then another one is dialled."""


class Connections:
    """The connections of one run."""

    __slots__ = (
        "_adapter",
        "_changed_ns",
        "_clock",
        "_count",
        "_counts",
        "_decode",
        "_desk",
        "_farewells",
        "_handed_ns",
        "_leaving",
        "_links",
        "_making",
        "_market_data",
        "_masks",
        "_outbound",
        "_port",
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
        port: Port,
        recorder: Recorder,
    ) -> None:
        """``sessions`` are those in use, one for each connection: replaced when another takes
        over.
        """
        self._adapter = adapter
        self._farewells = Farewells(outbound)
        self._leaving = False
        """Whether the run ends, and every connection with it."""
        self._decode = adapter.decode
        self._sessions = sessions
        self._count = len(sessions)
        self._links = [
            *sessions,
            *(Session(s.connection, self._count + s.link) for s in sessions),
        ]
        self._making = [False for _ in sessions]
        """Whether a second link of a connection is wanted, and has not taken over yet."""
        self.overlaps: dict[int, Overlap] = {}
        """What two links of a connection tell together, by connection; empty nearly always."""
        self._handed_ns = 0
        """When a connection was last replaced."""
        self._changed_ns = [0 for _ in sessions]
        """When each connection was last replaced."""
        self._masks = random.Random(f"masks:{seed}")
        self._throttle = throttle
        self._clock = clock
        self._outbound = outbound
        self._turn = turn
        self._desk = desk
        self._market_data = market_data
        self._recovery = recovery
        self._counts = counts
        self._port = port
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
        session, connection, now_ns = self._links[link], link % self._count, self._turn.now_ns
        spec = session.connection
        self._throttle.charge(spec.dial_costs, now_ns + self._clock.offset_ns)
        protocol = spec.protocol(partial(self._masks.getrandbits, 32))
        self.protocols[link] = protocol
        self._outbound.attach(link, protocol)
        session.up(self._adapter.script(connection), now_ns)
        if session is not self._sessions[connection]:
            self.overlaps[connection] = Overlap(self._market_data.books_of(spec))
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
        connection = link if link < self._count else link - self._count
        for kind, payload in protocol.receive(data):
            if kind in MESSAGES:
                counts.messages += 1
                try:
                    decode(connection, payload, events)
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
        """Keep of what a read has brought what is to be applied, while two connections tell it."""
        connection = link % self._count
        overlap = self.overlaps.get(connection)
        if overlap is not None:
            in_use = self._links[link] is self._sessions[connection]
            events = self._turn.events
            events[:] = overlap.merge(events, new=in_use != self._making[connection])

    def down(self, link: int, reason: str) -> None:
        """A connection is gone; what the one that takes its place has told is for this turn."""
        session, connection = self._links[link], link % self._count
        spec = session.connection
        self._port.log(f"line {spec.name} is down: {reason}")
        self.protocols[link] = None
        self._farewells.lost(link)
        self._outbound.detach(link)
        session.lost()
        if session is not self._sessions[connection]:
            if self._making[connection]:
                self.overlaps.pop(connection, None)  # another is dialled
            else:
                self._port.retire(link, reason)  # it was about to go
            return
        if spec.private:
            self._recovery.suspend()
        if self._making[connection] or self._spare(connection).ready:
            self._port.retire(link, reason)
            self._take_over_from_lost(connection, reason)
        elif spec.public:
            self._market_data.lose(f"line lost: {reason}", spec)

    def _take_over_from_lost(self, connection: int, reason: str) -> None:
        """The link in use is lost while another is being made: that one is in use now."""
        spare, overlap = self._spare(connection), self.overlaps.get(connection)
        continuing = overlap.continuing(self._turn.now_ns) if overlap and spare.ready else ()
        self._use(spare, connection)
        if overlap is not None and spare.ready:
            self._turn.events += overlap.take_over()
        else:
            self.overlaps.pop(connection, None)
        if spare.connection.public:
            self._market_data.lose_but(continuing, f"line lost: {reason}", spare.connection)
        if spare.connection.private and spare.ready:
            self._private_stands()

    def drop(self, link: int, reason: str, *, redial_now: bool = False) -> None:
        """Give a connection up; it is dialled again."""
        self._recorder.record(Kind.DROP, link, reason.encode())
        self._port.drop(link, reason, redial_now=redial_now)

    def drop_public(self, why: str) -> None:
        """Give every connection with market data up."""
        for session in self._links:
            if session.sendable and session.connection.public:
                self.drop(session.link, why, redial_now=True)

    def _count_fault(self, session: Session, fault: RemoteFault) -> None:
        self._counts.errors += 1
        self._port.log(f"{session.connection.name}: {fault}")

    # -- replies, and the opening script -------------------------------------------------------

    def heard(self) -> None:
        """The connection that is being read brought a reply: the venue hears us on it."""
        self._links[self.reading].answered()

    def on_reply(self, request: InFlightRequest, reply: Reply) -> None:
        """Take a reply that may be to a step of a connection's opening script, or to a farewell."""
        self._on_farewell(request)
        session = self._at_step(request)
        if session is None:
            return
        if reply.verdict is not Verdict.DONE:
            what = f"{type(request.command).__name__} refused: {reply.words}"
            if reply.verdict is Verdict.FATAL:
                self._turn.fail(what, remote=True)
            self.drop(session.link, what)
        elif session.step_done():
            self._ready(session)
        else:
            self._next_step(session)

    def on_no_reply(self, request: InFlightRequest) -> None:
        """A reply will not come: without a step of its script a connection is of no use."""
        if request.connection >= 0:
            self._links[request.connection].unanswered += 1
        self._on_farewell(request)
        session = self._at_step(request)
        if session is not None:
            self.drop(session.link, f"{type(request.command).__name__} was not answered")

    def _at_step(self, request: InFlightRequest) -> Session | None:
        """Return the connection whose script waits for this request, by whatever way it went."""
        waiting = (each for each in self._links if each.answers_step(request.request_id))
        return next(waiting, None)

    def _next_step(self, session: Session) -> None:
        command = session.next_step()
        if command is not None:
            now_ns, link = self._turn.now_ns, session.link
            session.requested(self._outbound.request(command, now_ns, link=link))

    def _ready(self, session: Session) -> None:
        self._port.log(f"line {session.connection.name} is ready")
        in_use = session is self._sessions[session.link % self._count]
        if session.connection.private and in_use and session.ready:  # else it has ended meanwhile
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
        connection = session.link % self._count
        if notice is Notice.SHUTDOWN:
            session.expire()
        elif session is self._sessions[connection]:
            self._relieve(session)
            self._make(connection, f"venue notice: {notice}")
        elif self._making[connection]:
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
            self._port.log(f"line {self._links[link].connection.name}: a farewell was not answered")
            self._part(self._links[link])
        for session in self._links:
            self._watch(session)
        for connection, session in enumerate(self._sessions):
            self._replace(connection, session)

    def _watch(self, session: Session) -> None:
        now_ns = self._turn.now_ns
        if session.step_unsent:
            self._next_step(session)
        keepalive = session.keepalive(now_ns)
        if keepalive is not None:
            self._outbound.request(keepalive, now_ns, link=session.link)
        if session.silent(now_ns):
            self.drop(session.link, f"silent for {session.connection.silence_ns // NS_PER_S} s")
        elif session.unheard:
            self._unheard(session)

    def _unheard(self, session: Session) -> None:
        """Give a connection up that carries nothing out, at once where another is not on its way:
        its end would bring that no sooner, and what it tells is lost then.
        """
        connection = session.link % self._count
        if not (self._making[connection] and session is self._sessions[connection]):
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

    def _spare(self, connection: int) -> Session:
        """Return the session of a connection's other link."""
        link = self._sessions[connection].link
        return self._links[(link + self._count) % len(self._links)]

    def _replace(self, connection: int, session: Session) -> None:
        """Go a step on the way from one connection to the next, as far as there is one to go."""
        now_ns, spare = self._turn.now_ns, self._spare(connection)
        if self._making[connection]:
            self._meet(connection, session, spare)
        elif session.expires(now_ns):
            self._make(connection, "will end, by its age limit or the venue's word")
        elif spare.link not in self._farewells and spare.drained(
            now_ns, any(a.connection == spare.link for a in self._outbound.inflight)
        ):
            self._take_leave(spare)
        elif connection in self.overlaps and now_ns - self._changed_ns[connection] >= APART_NS:
            del self.overlaps[connection]

    def _make(self, connection: int, why: str) -> None:
        """Have another connection made beside the one in use, or in its place where none may be."""
        session = self._sessions[connection]
        spare = self._spare(connection)
        if session.link in self._farewells or spare.link in self._farewells:
            session.expire()  # once all is said there
            return
        if not session.connection.overlap:
            self._port.log(f"line {session.connection.name}: {why}: none may stand beside it")
            if session.connection.private and session.ready:
                self._relieve(session)
            self._take_leave(session)
            return
        self._port.log(f"line {spare.connection.name}: {why}: replacing it")
        if spare.sendable:  # the one before is still listened to
            self._take_leave(spare)
            if spare.link in self._farewells:
                session.expire()
                return
        self._making[connection] = True
        self._port.dial(spare.link)

    def _meet(self, connection: int, old: Session, new: Session) -> None:
        """Have the new connection take over once nothing is lost by that."""
        now_ns, overlap = self._turn.now_ns, self.overlaps.get(connection)
        met = overlap is not None and overlap.met(now_ns)
        if overlap is None or not new.ready:
            return
        if old.ready and now_ns - self._handed_ns < APART_NS:
            return
        if met:
            self._hand_over(connection, old, new)
            self._turn.events += overlap.take_over()
        elif now_ns - new.up_ns >= MEET_NS:
            self.drop(new.link, "its feed does not continue that of the old connection")

    def _hand_over(self, connection: int, old: Session, new: Session) -> None:
        proved = old.ready
        self._use(new, connection)
        self._port.log(f"line {new.connection.name}: a new connection has taken over")
        old.relieve(self._turn.now_ns)
        if not new.connection.private:
            self._take_leave(old)  # whatever it could tell, the new one has told
        elif not proved:
            self._private_stands()

    def _use(self, session: Session, connection: int) -> None:
        self._sessions[connection] = session
        self._making[connection] = False
        self._handed_ns = self._changed_ns[connection] = self._turn.now_ns

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

    def _on_farewell(self, request: InFlightRequest) -> None:
        link = self._farewells.on_answer(request, self._turn.now_ns)
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
        self._port.retire(session.link, why)
        if session.connection.private:
            self._recovery.look_again(self._turn.now_ns)
