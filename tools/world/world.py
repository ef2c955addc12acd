"""One seed's world: a tank with a street, a workload, faults and an auditor in it.

Here lives what surrounds the engine in a simulated run, and the hooks by which faults reach every
message, answer and connection. What a fault is lives in ``faults`` and those that it names, what
must hold in ``auditor``, which phases a world lives through in ``life``.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from core.engine.checkpoint import Notes, Restored
from core.model import config
from core.model.errors import JournalFailed
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import HttpRequest
from core.protocols.websocket import TEXT
from core.state.journal import Kind, MemoryJournal, Record
from tools.app import Application
from tools.world.anywhere import Answer, Tampering, kind_of
from tools.world.auditor import AuditedJournal
from tools.world.dialect import MARKET, TRADE, Dialect
from tools.world.rehearsing import Rehearsals
from tools.world.setting import Setting, reduced
from tools.world.strikes import Fault, Strikes
from tools.world.tank import Delivery, Link, Message, Tank, configuration, server_frame
from tools.world.variety import MIDNIGHT_NS
from tools.world.witness import Witness

LOOK_NS: Final = 20 * NS_PER_MS
"""Between two looks whether a fault had its reaction."""

REST_NS: Final = 2 * NS_PER_MS

READ_BYTES: Final = 4096
"""Read at once of what has waited for a process that was stopped: less than all of it."""

GONE_NS: Final = 2 * NS_PER_MS
"""From the word that the run is left to the end of the process."""


HOLE_BEFORE: Final = 20
"""Records behind a hole, which show that it is one and no end that was cut off."""


STAYS_OUT: Final = 0.7
"""Share of the worlds in which a symbol that was left out is left out by all boots that follow."""


class Change(NamedTuple):
    """What is another when a process starts again."""

    symbols: tuple[str, ...] = ()
    """The symbols that its configuration names now, all without a word."""
    hole_records: int = 0
    """How many records of the journal cannot be read."""
    clock_ns: int = 0
    """How far the clock was ahead before."""
    new_folder: bool = False
    """Whether the next boot is the first of another run folder, in which nothing is."""


SAME: Final = Change()


def _is_throttled(dialect: Dialect, answer: Answer) -> bool:
    return dialect.rest_refused(answer[1], answer[3]) == "throttled"


def _by_another_clock(restored: Restored, ahead_ns: int) -> Restored:
    """Return what is left by a boot whose clock was so far ahead of what it is now."""
    left = restored.checkpoint
    orders = [replace(order, sent_ns=order.sent_ns + ahead_ns) for order in left.orders]
    offset_ns = left.clock_offset_ns - ahead_ns
    return replace(
        restored,
        ended_ns=restored.ended_ns + ahead_ns,
        checkpoint=replace(left, orders=orders, clock_offset_ns=offset_ns),
    )


class World(Tank):
    """A tank that lives through one seed."""

    def __init__(self, seed: int, faults: tuple[Fault, ...], dialect: Dialect) -> None:
        self.seed = seed
        self.setting = setting = Setting(seed, dialect, days=True)
        self.start_ns = setting.start_ns
        self.draw = setting.draw
        self.auditor = setting.auditor
        self.account = setting.account
        self.symbols = setting.symbols
        self.order_flow = setting.order_flow
        self.flow_rate = setting.flow_rate
        self.variety = setting.variety
        self.ahead_ns = 0
        self.boots: list[tuple[int, list[Record]]] = []
        self.ended = False
        """Whether the run has been left for good."""
        self.all_log: list[str] = []
        self._notes = Notes()
        self.folders: list[int] = []
        """The boots, of all, that were the first in a new run folder."""
        self._traded: dict[int, tuple[str, ...]] = {}
        """The symbols of each boot."""
        self._next: tuple[str, ...] = ()
        """Those of the next, where it leaves some out."""
        super().__init__(
            venue=setting.venue,
            now_ns=setting.start_ns,
            seed=self.draw.strategy.getrandbits(31),
            skew_ns=self.variety.skew_ns,
            keys=setting.keys,
            dialect=dialect,
            **setting.configured(1).run._asdict(),
        )
        self.auditor.ledger.scope = dialect.marker(self.application.setup.scope)
        self.latency_ns = int(self.draw.net.choice((0.2, 1, 10, 30)) * NS_PER_MS)
        self.jitter_ns = int(self.latency_ns * self.draw.net.choice((0, 0.3, 2)))
        self.to_engine = self._to_engine
        self.to_venue = self._to_venue
        self.to_wire = self._to_wire
        self.rest_answer = self._rest_answer
        self.tampering = Tampering()
        self.stopped_until_ns = 0
        """Until when the process does not run; the world around it does."""
        self.rest_shut_until_ns = 0
        """Until when nothing gets through by REST."""
        self.old_until_ns = 0
        """Snapshots answered before are of no use: the process did not run for too long since."""
        self.late_ns = 0
        """How much longer the current turn takes."""
        self.strikes = Strikes(self, faults, self.draw, self, lambda: self.alive, LOOK_NS)
        self.at(self.now_ns + int(NS_PER_S / self.flow_rate), self._act_flow)
        self._flow_is_open = True
        self.strikes.watch()
        self.auditor.called = self._on_called
        self.at(MIDNIGHT_NS, lambda: self.auditor.seen.note_seen("midnight"))
        if self.variety.rehearses:
            Rehearsals(self)

    def rehearsed(self) -> None:
        self.auditor.seen.note_seen("rehearsed")

    def _on_called(self) -> None:
        """The strategy takes its time over each callback, where this world has it so."""
        self.late_ns += self.variety.turn_ns

    # -- boots ---------------------------------------------------------------------------------

    def _new_journal(self) -> MemoryJournal:
        journal = AuditedJournal(self.auditor, JournalFailed)
        self.boots.append((len(self.boots) + 1, journal.records))
        return journal

    def _watched(self, application: Application) -> Application:
        return replace(application, strategy=Witness(application.strategy, self.auditor))

    def crash(self, lost_records: int, down_ns: int, change: Change = SAME) -> None:
        """Die between two steps, lose the journal's tail, and start the next boot after a while.

        ``change`` is what is another then than it was.
        """
        if self.ended:
            return
        self.die()
        self.stopped_until_ns = self.old_until_ns = self.late_ns = 0
        self.auditor.connection.on_died()
        self.auditor.on_down()
        records = self.journal.records
        # What a boot notes first reaches the disk long before a machine is as good as set up.
        first = next((i for i, r in enumerate(records, 1) if r.kind == Kind.NOTE), len(records))
        kept = records[: max(first, len(records) - lost_records)]
        hole = slice(max(first, len(kept) - change.hole_records - HOLE_BEFORE), -HOLE_BEFORE)
        gone = kept[hole] if change.hole_records else []
        forgotten = self._placed([*records[len(kept) :], *gone])
        ledger = self.auditor.ledger
        if ledger.epoch or any(map(ledger.is_known_by_record_alone, forgotten)):
            kept, gone = records, []  # not survived: nothing else tells of these fills, or whose
        else:
            ledger.forgotten |= forgotten
        self._notes.begin(self.engine.setup.boot)
        for place, record in enumerate(kept):
            if gone and place in range(*hole.indices(len(kept))):
                self._notes.damaged("a hole in the journal")
            else:
                self._notes.read(record)
        restored = self._notes.restored()
        if change.new_folder:
            self._notes, restored = Notes(), None
            self.folders.append(self._boot + 1)
            self.auditor.on_new_folder()
            self.tampering.lies.clear()  # told to a boot by its number, which begins again
        if restored is not None and change.clock_ns:
            restored = _by_another_clock(restored, change.clock_ns)
        self._next = change.symbols or self._left_in()
        self.all_log += self.log_lines
        self.log_lines = [f"-- the process died at {self.now_ns}"]

        lost = [*records[len(kept) :], *gone]

        def start() -> None:
            self.auditor.halts.on_lost(lost)
            self.auditor.on_boot()
            self.setting.begins(self._boot + 1)
            self.reboot(restored)
            self.auditor.callbacks.untold.update({*self.symbols}.difference(self.traded))

        self.at(self.now_ns + down_ns, start)

    def _left_in(self) -> tuple[str, ...]:
        """Return the symbols of a boot of which nothing else is said: what was left out stays so,
        as a rule.
        """
        stays = self.draw.of_setting("left out stays").random() < STAYS_OUT
        return self._next if stays else ()

    def application_of(self, boot: int) -> Application:
        """Wire one boot of the run up, with the symbols that it trades and as its folder counts."""
        folders = [first for first in self.folders if first <= boot]
        seed = self._seed
        first = self._loaded
        symbols = self._traded.setdefault(boot, self._next or self.setting.configured(boot).symbols)
        self._loaded = reduced(self._whole(boot), symbols)
        try:
            self._seed = seed + len(folders)
            return super().application_of(boot - folders[-1] + 1 if folders else boot)
        finally:
            self._loaded, self._seed = first, seed

    def _whole(self, boot: int) -> config.Config:
        """Return the configuration of a boot, with all of its symbols."""
        run = self.setting.configured(boot).run
        return config.load(configuration(dialect=self.dialect, **run._asdict()), "tank.toml")

    @property
    def cancels_when_stale(self) -> bool:
        """Whether this boot cancels what stands on a book that is stale."""
        return self.setting.configured(self._boot).cancels_when_stale

    def _placed(self, records: Sequence[Record]) -> set[str]:
        """Return the names of the orders that records of requests tell of."""
        placed = self.application.adapter.placed
        sent = (record.payload for record in records if record.kind == Kind.SEND)
        return {place.client_order_id for request in sent for place in placed(request)}

    def stop_process(self, for_ns: int) -> None:
        """Have the process not run for a while; what comes meanwhile waits for it."""
        self.stopped_until_ns = self.now_ns + for_ns
        for connection, link in self.links.items():
            if not link.clogged:
                self.clog(connection, for_ns)

    @property
    def runs(self) -> bool:
        """Whether the process gets anything done at the moment."""
        return self.alive and self.now_ns >= self.stopped_until_ns

    def enter(self, what: Callable[[], None]) -> None:
        if self.runs or not self.alive:
            what()
            self._be_late()
        else:
            self.at(self.stopped_until_ns, what)

    def _fire_timers(self, until_ns: int) -> None:
        if until_ns >= self.stopped_until_ns:
            self.now_ns = max(self.now_ns, min(self.stopped_until_ns, until_ns))
            super()._fire_timers(until_ns)
            self._be_late()

    def _be_late(self) -> None:
        """Have what comes next wait for a turn that took its time."""
        if self.late_ns:
            late_ns, self.late_ns = self.late_ns, 0
            self.auditor.seen.note_seen("late")
            self.stop_process(late_ns)

    def _stamp(self) -> int:
        return self.now_ns + self.late_ns

    def connection_up(self, connection: int) -> bool:
        """Whether a connection's opening script is worked off."""
        return self.alive and self.engine.sessions[connection].ready

    # -- time ----------------------------------------------------------------------------------

    def run(self, seconds: float) -> World:
        until_ns = self.now_ns + int(seconds * NS_PER_S)
        heap, auditor = self._heap, self.auditor
        while heap and heap[0][0] <= until_ns:
            when_ns, _, what = heapq.heappop(heap)
            if self.engine.timers.next_due_ns <= when_ns:
                self._fire_timers(when_ns)
            self.now_ns = max(self.now_ns, when_ns)
            what()
            if auditor.breach is not None:
                raise auditor.breach
        self._fire_timers(until_ns)
        self.now_ns = until_ns
        if auditor.breach is not None:
            raise auditor.breach
        return self

    def open_flow(self, rate: float) -> None:
        """Let the order flow act that often a second from now on."""
        self.flow_rate = rate
        if not self._flow_is_open:
            self._flow_is_open = True
            self._act_flow()

    def _act_flow(self) -> None:
        self._flow_is_open = bool(self.flow_rate)
        if self.flow_rate:
            self.order_flow.act(self.venue_ns)
            self.venue.advance(self.venue_ns)
            pause_ns = int(self.draw.venue.expovariate(self.flow_rate) * NS_PER_S)
            self.at(self.now_ns + pause_ns + 1, self._act_flow)

    # -- faults --------------------------------------------------------------------------------

    def calm_down(self) -> None:
        """No more faults, and those that last are over."""
        self.strikes.end()
        self.auditor.quotes.calm = True
        self.venue.faults.clear()
        self.tampering.end()
        self.closed_connections.clear()
        self.rest_shut_until_ns = 0

    # -- messages ------------------------------------------------------------------------------

    def latency(self) -> int:
        """Return how long the next message takes."""
        jitter = self.jitter_ns
        return self.latency_ns + (int(self.draw.net.random() * jitter) if jitter else 0)

    def _to_engine(self, message: Message) -> list[Delivery]:
        if message.opcode == TEXT and message.connection == TRADE:
            if self.dialect.reply_id(message.payload):
                self.auditor.connection.answered(message.payload)
            if self.tampering.keeps_back(message.payload, self.now_ns):
                return []
        if self.now_ns < self.tampering.mute_until_ns[message.connection]:
            return []
        if message.connection == MARKET and self.now_ns < self.tampering.dated_until_ns:
            message = self.tampering.dated(message, self.dialect)
        struck = self.strikes.on(kind_of(self.dialect, message), message)
        if struck is not None:
            passes: list[Delivery] = struck.passes
            return passes
        return [(self.latency(), message)]

    def _to_venue(self, message: Message) -> list[Delivery]:
        if message.opcode != TEXT:
            return [(self.latency(), message)]
        if message.connection == TRADE:
            number = id(self.sending)
            self.auditor.on_sent(number, message.payload, self.now_ns)
            struck = self.strikes.on("ask." + self.dialect.asks(message.payload), message)
            if struck is not None:
                if not struck.passes:
                    self.auditor.on_received(number, message.payload)
                passes: list[Delivery] = struck.passes
                return passes
        return [(self.latency(), message)]

    def receive(self, link: Link, message: Message) -> None:
        super().receive(link, message)
        if link.connection == TRADE and message.opcode == TEXT:
            self.auditor.on_received(id(link), message.payload)

    def say_past(self, message: Message) -> None:
        self._say_past(self.links.get(message.connection), message)

    def _say_past(self, link: Link | None, message: Message) -> None:
        if link is None or not link.open:
            return
        link.arrives_ns = max(link.arrives_ns, self.now_ns + self.latency())
        frame = server_frame(message.opcode, message.payload)
        self.at(link.arrives_ns, lambda: self._arrive(link, frame))

    def hold(self, message: Message, for_ns: int) -> None:
        link = self.links.get(message.connection)
        self.at(self.now_ns + for_ns, lambda: self._say_past(link, message))

    def say_raw(self, connection: int, data: bytes) -> None:
        link = self.links[connection]
        self.at(max(self.now_ns, link.arrives_ns), lambda: self._arrive(link, data))

    def _to_wire(self, message: Message) -> list[tuple[int, bytes]]:
        if message.opcode == TEXT:
            struck = self.strikes.on("frame", message)
            if struck is not None:
                pieces: list[tuple[int, bytes]] = struck.passes
                return pieces
        return [(0, server_frame(message.opcode, message.payload))]

    def _arrive(self, link: Link, data: bytes) -> None:
        if link.clogged or link.dropped or not link.open:
            super()._arrive(link, data)
            return
        if not self.alive:
            return  # to a process that is dead
        if not self.runs:
            self.at(self.stopped_until_ns, lambda: self._arrive(link, data))
            return
        if len(data) > READ_BYTES and self.now_ns == self.stopped_until_ns:
            for at in range(0, len(data), READ_BYTES):
                self._arrive(link, data[at : at + READ_BYTES])
            return
        private = link.connection == TRADE
        self.auditor.on_read(private, data, self.now_ns, self.skew_ns, link.number)
        super()._arrive(link, data)
        if private:
            self.auditor.on_turn_over()
            self.auditor.fills.check(self.engine)
        elif data[2:3] != b"\x89" and self.engine.books:
            self.auditor.books.check(self.engine, self.now_ns)
        self._be_late()

    def shut(self, connection: int, for_ns: int) -> None:
        self.refuse_dials(connection, for_ns)
        while connection in self.links:
            self.cut(connection)

    def refuse_dials(self, connection: int, for_ns: int) -> None:
        self.closed_connections.add(connection)
        self.at(self.now_ns + for_ns, lambda: self.closed_connections.discard(connection))

    def shut_rest(self, for_ns: int) -> None:
        self.rest_shut_until_ns = self.now_ns + for_ns

    def announce_end(self, connection: int) -> None:
        for number, link in self._standing.items():
            if self._connection_of(number) == connection:
                link.session.announce_shutdown(self.venue_ns)

    def operate(self, word: str) -> None:
        def say() -> None:
            self.engine.on_control(word.encode(), self.now_ns)

        self.enter(say)

    def _give_up(self, number: int, reason: str) -> None:
        connection = self._connection_of(number)
        others = any(n != number and self._connection_of(n) == connection for n in self._standing)
        if number in self._standing:
            self.auditor.wanted.on_closing(connection, self.now_ns, others=others)
        if connection == TRADE:
            self.auditor.connection.on_closed()
        super()._give_up(number, reason)

    def _connection_of(self, number: int) -> int:
        return number % len(self.application.adapter.connections)

    def _break(self, link: Link, reason: str, *, redial: bool = True) -> None:
        engine, number = self.engine, link.number

        def told() -> None:
            if self.alive and engine is self.engine:
                in_use = engine.sessions[link.connection].link == number
                if link.connection == MARKET and link.connection in self.links:
                    in_use = False  # the other one continues the books
                self.auditor.feed.on_cut(number)
                self.auditor.connection.on_cut(
                    number, private=link.connection == TRADE, in_use=in_use
                )
                if link.connection == TRADE and in_use:
                    self.auditor.on_down()

        if self._standing.get(number) is link:
            self.enter(told)
        super()._break(link, reason, redial=redial)

    def _target(self, connection: int) -> str:
        by_order = self.variety.by_order and connection == MARKET
        return self.dialect.orders_path if by_order else super()._target(connection)

    def _dial_now(self, number: int) -> None:
        stood = number in self._standing
        super()._dial_now(number)
        if number in self._standing and not stood:
            self.auditor.on_dialled(self.now_ns)

    # -- REST ----------------------------------------------------------------------------------

    def send_rest(self, request_id: int, request: HttpRequest) -> None:
        if self.now_ns < self.rest_shut_until_ns:
            self.auditor.answers.on_rest(request, self.now_ns)
            self.not_replied(self.engine, request_id)
            return
        self.auditor.on_rest(request, self.now_ns, self.skew_ns)
        super().send_rest(request_id, request)

    def _rest_answer(
        self, request: HttpRequest, status: int, headers: dict[str, str], body: bytes
    ) -> Answer | None:
        dialect = self.dialect
        what = dialect.rest_kind(request.path)
        refused = dialect.rest_refused(status, body)
        if refused:
            self.auditor.connection.refused(f"{request.path}: {refused}")
        if status == 200:
            body = self.tampering.told(request.path, self.engine.setup.boot, body)
        answer: Answer | None = (REST_NS, status, headers, body)
        struck = self.strikes.on("rest." + what, request, answer)
        if struck is not None:
            answer = struck.passes
        if answer is not None:
            told = answer[2]
            self.at_boot(answer[0], lambda: self.auditor.weight.on_answer(told, self.now_ns))
        if answer is not None and (answer[1] == 403 or _is_throttled(dialect, answer)):
            self.at_boot(answer[0], lambda: self.auditor.connection.on_throttled(self.now_ns))
        well = answer is not None and dialect.listed(answer[1], answer[3])
        if answer is not None and well and request.path.endswith(dialect.rest_prices):
            self.at_boot(answer[0], lambda: self.auditor.limits.on_market(self.now_ns))
        if answer is not None and well and what == "account":
            held = self.account.balances.items()
            free = {asset: balance.free for asset, balance in held}
            self.at_boot(answer[0], lambda: self.auditor.rest.account_told(free))
        symbol = dialect.listed_symbol(request.query)
        if answer is not None and well and what == "openOrders":
            self.at_boot(answer[0], lambda: self._on_listed(symbol))
        elif answer is not None and well and what == "depth" and self.now_ns >= self.old_until_ns:
            self.at_boot(answer[0], lambda: self.auditor.connection.on_snapshot(symbol))
        return answer

    def _on_listed(self, symbol: str) -> None:
        self.auditor.connection.on_listed(symbol)
        self.auditor.leaving.on_listed(symbol)

    # -- the port ------------------------------------------------------------------------------

    def stop(self, why: str) -> None:
        super().stop(why)
        self.auditor.connection.closed = self.auditor.connection.closed or f"stopped: {why}"

    @property
    def traded(self) -> tuple[str, ...]:
        """The symbols of this boot's configuration."""
        return self.application.config.symbols

    def word(self, text: str) -> None:
        if self.alive and not self.over():
            self.auditor.on_word(text)
            self.engine.on_control(text.encode(), self.now_ns)

    def over(self) -> bool:
        return self.ended or not self.alive or self.engine.recovery.leaving or bool(self.stopped)

    def close_connection(self, connection: int) -> None:
        self.closed_connections.add(connection)
        self.cut(connection)

    def open_connection(self, connection: int) -> None:
        self.closed_connections.discard(connection)

    def left(self) -> None:
        """The run is over: the process ends, and can take nothing back any more."""
        super().left()
        if not self.ended:
            if self.engine.recovery.left:
                self.auditor.on_left(self.now_ns)
            self.ended = True
            self.at_boot(GONE_NS, self.die)

    def leave_soon(self, why: str) -> None:
        """Have the run left, as the outside does when it is told to stop."""
        self.auditor.connection.closed = self.auditor.connection.closed or f"leaving: {why}"
        self.engine.leave(why, self.now_ns)

    def log(self, text: str) -> None:
        super().log(text)

    def said(self, text: str, since: int = 0) -> bool:
        """Whether the log has such a line since an index."""
        return any(text in line for line in self.log_lines[since:])
