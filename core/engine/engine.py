"""The engine connects state machines and components, and carries every turn to its end.

It is a deterministic fold: bytes of a read, a connection up or down, a REST answer, a due timer, a
word from the control socket, each with its time, become commands. Every input is journaled before
it is acted on. Here is which components exist, which of them handles which event, and in which
order they are called; what follows from an event is decided by the components. No arithmetic on
prices, no clock, no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from core.engine.account import Account
from core.engine.callbacks import Callbacks
from core.engine.checkpoint import LOSSES, RESTORE, Losses, Restored, decode_losses, decode_restored
from core.engine.checkpoint import encode as encode_note
from core.engine.connections import Connections
from core.engine.continuity import Continuity
from core.engine.dead_man import DeadMansSwitch
from core.engine.desk import TradingDesk
from core.engine.executions import Executions
from core.engine.flatten import Flattening
from core.engine.gate import Gate
from core.engine.ledger import Ledger
from core.engine.market_data import MarketData
from core.engine.operator import Operator
from core.engine.outbound import Outbound, Port
from core.engine.pnl import PnL
from core.engine.prices import Prices
from core.engine.recovery import Recovery
from core.engine.reference_data import ReferenceData
from core.engine.remedies import Remedies
from core.engine.replies import OF_ORDERS, Replies, named
from core.engine.resolution import Resolution
from core.engine.settlements import Settlements
from core.engine.turn import Recorder, Turn
from core.model.errors import JournalFailed, Misuse
from core.model.events import (
    AccountReport,
    BalanceLocked,
    BalanceMoved,
    BatchOutcome,
    Bbo,
    BbosReport,
    BookDelta,
    BookSnapshot,
    Counted,
    Event,
    FillReport,
    Funding,
    Ignored,
    InstrumentsReport,
    LimitsReport,
    MarketTrade,
    Notice,
    Numbered,
    OffGridTrade,
    OpenOrders,
    OrderReport,
    OrdersListed,
    OrderUpdate,
    PositionReport,
    PriceTold,
    QueueDelta,
    QueueSnapshot,
    ReplaceOutcome,
    Reply,
    SessionNotice,
    Settled,
    TradeElsewhere,
    TradingStatus,
    UnknownExecution,
    VenueTime,
    Verdict,
)
from core.model.frozen import Frozen
from core.model.halts import WHOLE_RUN, Halt, HaltKind
from core.model.instrument import Instrument, InstrumentTable
from core.model.strategy import Strategy
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import (
    Adapter,
    AmendKind,
    Clock,
    Respond,
    Stream,
    Truth,
    cancel_kinds,
    orders_end_with_connection,
)
from core.model.views import BookState, SessionState
from core.state.book import Book
from core.state.counts import Counts
from core.state.daily_loss import Price, Told
from core.state.hops import Hops
from core.state.inflight import InFlightRequest
from core.state.journal import Answer, Journal, Kind, pack
from core.state.orders import Orders
from core.state.others import Others
from core.state.position import Position
from core.state.queues import OrderQueues
from core.state.risk import Risk, RiskLimits, TotalLimits
from core.state.session import Session
from core.state.throttle import Throttle
from core.state.timers import Timers
from core.state.venue_clock import VenueClock

HOUSEKEEPING_NS = 100 * NS_PER_MS
"""Between two looks at deadlines that need no better: replies, silence, doubts, expiry."""

STOPPED_NS = NS_PER_S
"""A gap between two turns, ten ticks long, that says that the process did not run: stopped,
suspended, or without a CPU. What lies in the sockets then is as old."""

MAX_CONSEQUENCES = 100_000
"""Things that may follow from one event: ten for each order of the longest list, and far more than
a turn has time for."""

TURN_BUDGET_NS = 20 * NS_PER_MS
"""What a turn may take: a fifth of a tick, and more than a venue's feed leaves between messages."""


class Setup(Frozen, frozen=True, kw_only=True):
    """What a run is made of; all of it is in the journal's header or its configuration."""

    venue: str
    strategy: str
    scope: str
    boot: int
    seed: int
    symbols: tuple[str, ...]
    streams: tuple[Stream, ...]
    cancel_when_stale: bool
    confirms_quiet: bool
    """Whether REST is queried about books whose feed is silent."""
    cancel_leftovers: bool
    """Whether orders of an earlier boot are cancelled, else they are adopted as they stand."""
    ledger_tolerance_lots: int
    """Largest difference between balances and fills that is borne, in lots of the base asset."""
    totals: Mapping[str, TotalLimits]
    """What is allowed over all symbols, by quote asset."""
    prices: Mapping[str, Mapping[str, Price | Told]]
    """How assets count in others: a price, or the symbol that tells one, by quote asset and
    asset.
    """
    shared: bool
    """Whether others act on the account, too: what they do is told, and halts nothing."""
    private: bool
    """Whether there are keys: without them nothing is ever placed, and only public connections
    open.
    """


class Engine:
    """One strategy on one venue: events in, commands out."""

    __slots__ = (
        "_append",
        "_began_ns",
        "_controls",
        "_port",
        "_said_left",
        "_stamp",
        "account",
        "balances",
        "books",
        "callbacks",
        "clock",
        "connections",
        "continuity",
        "counts",
        "dead_man",
        "desk",
        "executions",
        "flattening",
        "gate",
        "handlers",
        "hops",
        "ledger",
        "market_data",
        "operator",
        "orders",
        "others",
        "outbound",
        "pnl",
        "positions",
        "prices",
        "queues",
        "recorder",
        "recovery",
        "reference_data",
        "remedies",
        "replies",
        "resolution",
        "risk",
        "sessions",
        "settlements",
        "setup",
        "strategy",
        "table",
        "throttle",
        "timers",
        "turn",
    )

    def __init__(
        self,
        *,
        setup: Setup,
        adapter: Adapter,
        strategy: Strategy[Any],
        limits_of: Callable[[Instrument], RiskLimits],
        parameters_with: Callable[[Struct, str, str], Struct],
        journal: Journal,
        hops: Hops,
        port: Port,
        stamp: Callable[[], int],
    ) -> None:
        self.setup = setup
        self.strategy = strategy
        self._append = journal.append
        self.hops = hops
        self._port = port
        self._stamp = stamp

        # The machines.
        self.turn = Turn()
        self.recorder = Recorder(journal, self.turn)
        self.counts = Counts()
        self.table = InstrumentTable()
        self.books: list[Book] = []
        self.positions: list[Position] = []
        self.balances: dict[str, int] = {}
        self.queues: dict[int, OrderQueues] = {}
        """The single orders of the books whose feed tells them, by instrument."""
        can = adapter.capabilities
        self.clock = VenueClock(queries_venue=can.clock is Clock.QUERIED)
        self.throttle = Throttle(adapter.limits, cancel_kinds(adapter))
        names = adapter.names(setup.scope, setup.boot, setup.seed)
        self.orders = Orders(
            names,
            rising_ids=can.rising_ids,
            reprices=can.amend is AmendKind.PRICE_AND_SIZE,
        )
        self.risk = Risk(setup.totals, can)
        self.timers: Timers[str | None] = Timers()
        self.sessions = [
            Session(connection, link) for link, connection in enumerate(adapter.connections)
        ]
        self.outbound = Outbound(
            adapter, self.sessions, self.orders, self.throttle, journal, self.clock, port, stamp
        )
        self.others = Others(port.log)
        self.ledger = Ledger(self.table, self.positions, setup.ledger_tolerance_lots)

        # The components, each on those before it. What follows for one that lies higher, or for a
        # neighbour, is left in the turn (``_follow``) or returned.
        self.desk = TradingDesk(
            table=self.table,
            books=self.books,
            positions=self.positions,
            balances=self.balances,
            queues=self.queues,
            orders=self.orders,
            risk=self.risk,
            outbound=self.outbound,
            batch=can.batch,
            batch_cancel=can.batch_cancel,
            cancel_all=can.cancel_all,
            seed=setup.seed,
            stamp=stamp,
            timers=self.timers,
            log=port.log,
        )
        self.callbacks = Callbacks(
            strategy,
            turn=self.turn,
            desk=self.desk,
            stamp=stamp,
            log=port.log,
        )
        self.market_data = MarketData(
            table=self.table,
            books=self.books,
            queues=self.queues,
            with_depth=bool({Stream.DEPTH, Stream.ORDERS} & set(setup.streams)),
            feed_of=adapter.book_feed,
            sessions=self.sessions,
            turn=self.turn,
            desk=self.desk,
            strategy=strategy,
            outbound=self.outbound,
            clock=self.clock,
            hops=hops,
            counts=self.counts,
            cancel_when_stale=setup.cancel_when_stale,
            confirms=setup.confirms_quiet,
            log=port.log,
        )
        self.resolution = Resolution(
            orders=self.orders,
            outbound=self.outbound,
            turn=self.turn,
            expiry_ns=can.request_expiry_ns,
            execution_ns=can.execution_ns,
            lag_ns=can.lag_ns,
            tells_ns=adapter.tells_ns,
            lists=can.lists,
            end_with_connection=orders_end_with_connection(adapter),
            log=port.log,
        )
        self.recovery = Recovery(
            table=self.table,
            orders=self.orders,
            outbound=self.outbound,
            turn=self.turn,
            desk=self.desk,
            resolution=self.resolution,
            clock=self.clock,
            expiry_ns=0 if orders_end_with_connection(adapter) else can.request_expiry_ns,
            execution_ns=can.execution_ns,
            lag_ns=can.lag_ns,
            cancel_leftovers=setup.cancel_leftovers,
            rising_ids=can.rising_ids,
            lists=can.lists,
            history=can.history,
            asks_positions=can.truth is Truth.POSITIONS,
            log=port.log,
        )
        self.continuity = Continuity(
            boot=setup.boot,
            table=self.table,
            positions=self.positions,
            orders=self.orders,
            resolution=self.resolution,
            recovery=self.recovery,
            clock=self.clock,
            placed=adapter.placed,
            shared=setup.shared,
            ledger=self.ledger,
            turn=self.turn,
            recorder=self.recorder,
            journal=journal,
            log=port.log,
        )
        self.flattening = Flattening(
            table=self.table,
            books=self.books,
            positions=self.positions,
            balances=self.balances,
            orders=self.orders,
            turn=self.turn,
            desk=self.desk,
            outbound=self.outbound,
            risk=self.risk,
            limits_of=limits_of,
            log=port.log,
        )
        self.gate = Gate(
            private=setup.private,
            table=self.table,
            sessions=self.sessions,
            clock=self.clock,
            risk=self.risk,
            outbound=self.outbound,
            turn=self.turn,
            desk=self.desk,
            callbacks=self.callbacks,
            resolution=self.resolution,
            recovery=self.recovery,
            continuity=self.continuity,
            flattening=self.flattening,
            stop=port.stop,
            log=port.log,
        )
        self.prices = Prices(
            table=self.table,
            books=self.books,
            outbound=self.outbound,
            stated=setup.prices,
            symbol_of=adapter.symbol_of,
            turn=self.turn,
        )
        self.pnl = PnL(
            book_id=f"{setup.seed:016x}",
            table=self.table,
            books=self.books,
            positions=self.positions,
            orders=self.orders,
            risk=self.risk,
            turn=self.turn,
            clock=self.clock,
            prices=self.prices,
            totals=setup.totals,
            log=port.log,
        )
        self.reference_data = ReferenceData(
            adapter=adapter,
            symbols=setup.symbols,
            table=self.table,
            positions=self.positions,
            market_data=self.market_data,
            limits_of=limits_of,
            risk=self.risk,
            throttle=self.throttle,
            orders=self.orders,
            clock=self.clock,
            outbound=self.outbound,
            turn=self.turn,
            desk=self.desk,
            log=port.log,
        )
        self.account = Account(
            shared=setup.shared,
            balances=self.balances,
            ledger=self.ledger,
            others=self.others,
            risk=self.risk,
            turn=self.turn,
        )
        self.executions = Executions(
            table=self.table,
            positions=self.positions,
            orders=self.orders,
            ledger=self.ledger,
            others=self.others,
            pnl=self.pnl,
            outbound=self.outbound,
            turn=self.turn,
            desk=self.desk,
            strategy=strategy,
            resolution=self.resolution,
            recovery=self.recovery,
            continuity=self.continuity,
            counts=self.counts,
            log=port.log,
        )
        self.settlements = Settlements(
            table=self.table,
            positions=self.positions,
            ledger=self.ledger,
            pnl=self.pnl,
            turn=self.turn,
            log=port.log,
        )
        self.dead_man = DeadMansSwitch(
            switch=can.dead_man, shared=setup.shared, outbound=self.outbound, log=port.log
        )
        self.connections = Connections(
            adapter=adapter,
            sessions=self.sessions,
            seed=setup.seed,
            throttle=self.throttle,
            clock=self.clock,
            outbound=self.outbound,
            turn=self.turn,
            desk=self.desk,
            market_data=self.market_data,
            recovery=self.recovery,
            counts=self.counts,
            port=port,
            recorder=self.recorder,
        )
        self.operator = Operator(
            table=self.table,
            orders=self.orders,
            desk=self.desk,
            risk=self.risk,
            gate=self.gate,
            flattening=self.flattening,
            account=self.account,
            resolution=self.resolution,
            callbacks=self.callbacks,
            parameters_with=parameters_with,
            log=port.log,
        )

        self.replies = Replies(
            adapter=adapter,
            throttle=self.throttle,
            clock=self.clock,
            outbound=self.outbound,
            turn=self.turn,
            hops=hops,
            counts=self.counts,
            port=port,
        )

        # Who takes each event, and each word.
        self.handlers: dict[type[Event], Callable[[Any], None]] = {
            Bbo: self.market_data.on_bbo,
            BookDelta: self.market_data.on_delta,
            BookSnapshot: self.market_data.on_snapshot,
            QueueDelta: self.market_data.on_queue_delta,
            QueueSnapshot: self.market_data.on_queue_snapshot,
            BbosReport: _on_nothing,
            MarketTrade: self.market_data.on_trade,
            OrderReport: self.executions.on_report,
            OrderUpdate: self.executions.on_update,
            FillReport: self.recovery.on_fill_report,
            OffGridTrade: self._on_off_grid,
            OrdersListed: self.recovery.on_orders,
            TradeElsewhere: self.account.on_trade_elsewhere,
            UnknownExecution: self._on_unknown_execution,
            AccountReport: self.account.on_report,
            PositionReport: self.account.on_positions,
            Funding: self.settlements.on_funding,
            Settled: self.settlements.on_settled,
            BalanceMoved: self.account.on_moved,
            BalanceLocked: self.account.on_locked,
            OpenOrders: self._on_open_orders,
            InstrumentsReport: self.on_instruments,
            LimitsReport: self.reference_data.on_limits,
            TradingStatus: self.reference_data.on_trading_status,
            PriceTold: self.prices.on_told,
            Reply: self.on_reply,
            VenueTime: _on_nothing,
            SessionNotice: self._on_notice,
            Numbered: self.connections.on_numbered,
            Respond: self.connections.on_respond,
            Counted: self.replies.on_counted,
            Ignored: self.counts.on_ignored,
            BatchOutcome: _on_nothing,
            ReplaceOutcome: _on_nothing,
        }
        self.remedies = Remedies(
            remedy=adapter.remedy, orders=self.orders, risk=self.risk, turn=self.turn
        )
        self._controls: dict[str, Callable[[str], str | None]] = {
            "restore": self._restore,
            "losses": self._losses,
            "start": self._start,
            "leave": self._leave,
            "fail": self.gate.fail,
            **self.operator.words,
        }

        self._said_left = False
        self._began_ns = 0

    # -- inputs --------------------------------------------------------------------------------

    def start(self, now_ns: int) -> None:
        """Request what must be known before the connections are opened."""
        self.on_control(b"start", now_ns)

    def on_up(self, link: int, now_ns: int) -> None:
        """A link is up, and its HTTP upgrade is done; ``link`` as in ``Port``."""
        self._record(Kind.UP, link, now_ns, b"")
        self._begin_turn(now_ns)
        self.connections.up(link)
        self._end_turn()

    def on_bytes(self, link: int, data: bytes, kernel_ns: int, began_ns: int, read_ns: int) -> None:
        """A connection was read: carry its bytes to the end.

        ``kernel_ns`` is the kernel's receive stamp (0: none), the others are the times before and
        after the read.
        """
        try:
            self._append(_BYTES, link, read_ns, data)
        except JournalFailed as failure:
            self._journal_failed(failure)
        connections = self.connections
        protocol = connections.protocols[link]
        if protocol is None:
            return
        stamp, turn, desk, outbound = self._stamp, self.turn, self.desk, self.outbound
        if read_ns - turn.now_ns > STOPPED_NS:
            self._woke(read_ns)
        turn.now_ns = desk.now_ns = read_ns
        connections.read(link, protocol, data)
        if connections.overlaps:
            connections.merge(link)
        decoded_ns = stamp()
        events, handlers = turn.events, self.handlers
        for event in events:  # as ``fold`` does, without a call of it
            handlers[type(event)](event)
            if turn.busy:
                self._follow()
        events.clear()
        booked_ns = stamp()
        told_ns = self.tell(booked_ns)
        send_began_ns = sent_ns = 0
        if outbound.waiting:
            outbound.flush()
            send_began_ns, sent_ns = told_ns, stamp()
        risk_ns, encode_ns = desk.risk_ns, outbound.encode_ns
        self.hops.turn(
            kernel_ns,
            began_ns,
            read_ns,
            decoded_ns,
            booked_ns,
            told_ns - booked_ns - risk_ns - encode_ns,
            risk_ns,
            encode_ns,
            send_began_ns,
            sent_ns,
            link,
        )
        desk.risk_ns = outbound.encode_ns = 0
        if told_ns - booked_ns > TURN_BUDGET_NS:
            self._overran(told_ns - booked_ns)

    def on_down(self, link: int, reason: str, now_ns: int) -> None:
        """A connection is gone; what was asked on it will not be answered."""
        self._record(Kind.DOWN, link, now_ns, reason.encode())
        self._begin_turn(now_ns)
        self.connections.down(link, reason)
        for request in self.replies.lost(link):
            self._no_reply(request)
        self._apply()
        # At once, not with the next tick: a redial may be faster, and nothing is proved on it yet.
        self.gate.refresh()
        self._end_turn()

    def on_answer(
        self,
        request_id: int,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        now_ns: int,
    ) -> None:
        """A REST request was answered; ``status`` 0 says that it was not, and ``body`` why.

        ``request_id`` 0 stands for a dial: its upgrade was refused for too many requests.
        """
        answer = Answer(request_id, status, dict(headers), body)
        self._record(Kind.ANSWER, 0, now_ns, pack(answer))
        self._begin_turn(now_ns)
        if not request_id:
            self.replies.dial_refused(status, headers, body)
        request = self.replies.answered(request_id, status)
        if request is not None:
            reply = self.replies.read(request, status, headers, body)
            if reply is None:
                self._no_reply(request)
            else:
                self._take(request, reply)
        self._end_turn()

    def on_due(self, now_ns: int) -> None:
        """The time of at least one timer has come."""
        self._record(Kind.DUE, 0, now_ns, b"")
        self._begin_turn(now_ns)
        while True:
            due_ns = self.timers.next_due_ns
            if due_ns > now_ns:
                break
            tag = self.timers.pop_due(now_ns)
            if tag is None:
                self._housekeep()
            else:
                self.callbacks.call(self.strategy.on_timer, tag)
                self._follow()
        self._end_turn()

    def restore(self, restored: Restored, now_ns: int) -> None:
        """Go on from what the boot before has left; to be called before ``start``."""
        self.on_control(RESTORE + encode_note(restored), now_ns)

    def lost(self, losses: Losses, now_ns: int) -> None:
        """Count what was made today in other run folders; to be called before ``start``."""
        self.on_control(LOSSES + encode_note(losses), now_ns)

    def leave(self, why: str, now_ns: int) -> None:
        """Close the gate for good, cancel our own orders, and have it proved."""
        self.on_control(b"leave " + why.encode(), now_ns)

    def fail(self, why: str, now_ns: int) -> None:
        """Something outside the fold makes it unsafe to go on."""
        self.on_control(b"fail " + why.encode(), now_ns)

    def on_control(self, text: bytes, now_ns: int) -> str:
        """A word from whoever runs us; return what became of it, for people.

        ``restore JSON`` and ``losses JSON`` (before any other), ``start``, ``leave WHY``,
        ``fail WHY``, ``halt WHY``, ``resume``, ``cancel-all``, ``cancel-account``, ``flatten``,
        ``absent ID`` or ``set KEY VALUE``; what it may be is checked by who takes it in.
        """
        self._record(Kind.CONTROL, 0, now_ns, text)
        self._begin_turn(now_ns)
        verb, _, why = text.decode().partition(" ")
        said = self._controls[verb](why)
        self._follow()
        if verb in self.operator.words:
            self._note_halts()
        self._end_turn()
        return said or ""

    def write(self) -> None:
        """Write what the next boot starts from, as far as this one has proved anything."""
        if self.recovery.reconciled_once:
            day = self.pnl.note()
            self.continuity.write(self.turn.now_ns, halts=self._halts(), day=day)
        else:
            self.continuity.hand_on()

    def _note_halts(self) -> None:
        """What halts by now outlives whatever kills us: a person has to decide."""
        if self.recovery.reconciled_once:
            self.write()
        else:
            self.continuity.said(self._halts())

    def _halts(self) -> list[Halt]:
        """Return what halts the run; while it is being flattened that is the operator's doing."""
        halts = self.risk.halts()
        if self.flattening.wanted:
            why = "halted by the operator: the run ended while it was being flattened"
            halts.append(Halt(WHOLE_RUN, HaltKind.OPERATOR, why))
        return halts

    def _start(self, _: str) -> None:
        self.timers.push(self.turn.now_ns + HOUSEKEEPING_NS, None)
        self.reference_data.step()

    def _restore(self, text: str) -> None:
        restored = decode_restored(text)
        self.continuity.keep(restored)
        self.reference_data.carry(restored.carried(self.setup.symbols))

    def _losses(self, text: str) -> None:
        losses = decode_losses(text)
        self.pnl.keep(losses.books)
        if losses.died:
            now_ns = self.turn.now_ns
            proved_ns = self.recovery.not_before_elsewhere(now_ns)
            when = "never prove"
            if proved_ns is not None:
                when = f"prove in {(proved_ns - now_ns) / NS_PER_S:.0f} s"
            self._port.log(
                "a run of this account and strategy has not left in order in "
                f"{', '.join(losses.died)}: what it has left only the venue's lists tell, which "
                f"{when} that none of it is left"
            )
        if losses.unknown:
            self.gate.halt(losses.unknown, HaltKind.RECORD)

    def _leave(self, why: str) -> None:
        if not self.recovery.leaving:
            self._port.log(f"leaving: {why}")
            self.gate.refresh(leaving=True)
            self.callbacks.call(self.strategy.on_stop)
            self._follow()
            self.recovery.leave(self.turn.now_ns, proves=self.setup.private)

    @property
    def left(self) -> bool:
        """Whether the run may end: nothing of ours is alive.

        That is the venue's word, except where it was never heard, where it refuses it for good, or
        where there is no key, and nothing can be alive on our account.
        """
        recovery = self.recovery
        heard = self.setup.private and len(self.table) > 0 and not recovery.unlisted
        return recovery.left or (self.unsent and not heard)

    @property
    def unsent(self) -> bool:
        """Whether this boot has placed and taken over nothing, and none died with orders in doubt.

        That is no word of the venue: an earlier run of the scope may have left orders elsewhere.
        """
        recovery = self.recovery
        return not (self.orders.used or recovery.reconciled_once or recovery.inherits)

    # -- a turn --------------------------------------------------------------------------------

    def _begin_turn(self, now_ns: int) -> None:
        if now_ns - self.turn.now_ns > STOPPED_NS:
            self._woke(now_ns)
        self.turn.now_ns = self.desk.now_ns = now_ns
        self.connections.gapped = False
        self._began_ns = self._stamp()

    def _end_turn(self) -> None:
        self._follow()
        self.tell(self._stamp())
        if self.outbound.waiting:
            self.outbound.flush()
        self.desk.risk_ns = self.outbound.encode_ns = 0
        if self.recovery.leaving and self.left and not self._said_left:
            said = self.dead_man.stop(self.turn.now_ns) and self.connections.leave()
            self.outbound.flush()
            if said:
                self._said_left = True
                self.write()
                self._port.left()
        took_ns = self._stamp() - self._began_ns
        if took_ns > TURN_BUDGET_NS:
            self._overran(took_ns)

    def tell(self, began_ns: int) -> int:
        """Tell the strategy what the turn has found: each changed book once, behind all else.

        Once it knows that a book is lost, that is proved anew. ``began_ns`` is a stamp of now;
        returns the stamp of the end.
        """
        turn, callbacks = self.turn, self.callbacks
        if turn.callbacks:
            began_ns = callbacks.tell(began_ns)
        if turn.busy:
            self._follow()
        if turn.changed:
            changed, turn.changed = turn.changed, {}
            for book in changed.values():
                self.counts.changes += 1
                began_ns = callbacks.run(began_ns, self.strategy.on_book, (self.desk, book))
                if turn.busy:
                    self._follow()
                if book.state is _STALE:
                    self.market_data.resync(book)
        return began_ns

    def _woke(self, now_ns: int) -> None:
        """The process did not run for a while: what waits in the sockets shows markets of then.

        A book is read from its connection again, and until then nothing is placed on it. Our own
        orders' news is not older for having waited, and is taken as it comes.
        """
        if not self.turn.now_ns:
            return  # the first turn of all
        why = f"not running for {(now_ns - self.turn.now_ns) / NS_PER_S:.1f} s"
        self.turn.now_ns = self.desk.now_ns = now_ns
        self._port.log(why)
        self.connections.drop_public(why)
        self.market_data.lose(why)

    def _overran(self, took_ns: int) -> None:
        """A turn was longer than its budget, which delays everything else: count it, say a worst.

        That is measured, not recorded: nothing may follow from it but words.
        """
        counts = self.counts
        counts.slow_turns += 1
        if took_ns > counts.slowest_turn_ns:
            counts.slowest_turn_ns = took_ns
            self._port.log(f"a turn took {took_ns / NS_PER_MS:.0f} ms, the longest so far")

    def _apply(self) -> None:
        """Apply everything the read brought, before the strategy sees any of it."""
        self.fold(self.turn.events)
        self.turn.events.clear()

    def take(self, events: Sequence[Event], now_ns: int) -> None:
        """Carry events to the end that no bytes have brought: nothing of them is journaled.

        For whoever rehearses; a run has no other events than those of its inputs.
        """
        self._begin_turn(now_ns)
        self.fold(events)
        self._end_turn()

    def fold(self, events: Sequence[Event]) -> None:
        """Apply events one by one, each with what follows from it."""
        turn, handlers = self.turn, self.handlers
        for event in events:
            handlers[type(event)](event)
            if turn.busy:
                self._follow()

    def _follow(self) -> None:
        """Take up what components have left for whoever lies above them.

        What of it comes first is taken up first: where numbers and positions begin before the
        events that are counted by them, orders and positions before the halts that judge them,
        those before the word on whether anything may be placed, and all before it is noted.
        """
        turn = self.turn
        for _ in range(MAX_CONSEQUENCES):
            if turn.renumbered:
                self.executions.numbers_begin_anew(turn.renumbered.popleft())
            elif turn.baselines:
                self.continuity.on_baseline(turn.baselines.popleft())
            elif turn.told:
                event = turn.told.popleft()
                self.handlers[type(event)](event)
            elif turn.updates:
                self.executions.apply(turn.updates.popleft())
            elif turn.halts:
                self.gate.obey(turn.halts.popleft())
            elif turn.looks_again:
                turn.looks_again = False
                self.gate.refresh()
            elif turn.says:
                turn.says = False
                self._note_halts()
            elif turn.writes:
                turn.writes = False
                self.write()
            else:
                turn.busy = False
                return
        raise Misuse(f"more than {MAX_CONSEQUENCES} things follow from one: some from each other")

    def _housekeep(self) -> None:
        """Look at every deadline that needs no better than a tick."""
        now_ns = self.turn.now_ns
        self.timers.push(now_ns + HOUSEKEEPING_NS, None)
        for request in self.replies.overdue():
            self._no_reply(request)
        self.connections.step()
        self._follow()
        self._apply()
        self.market_data.step()
        if self.market_data.clock_suspect:
            self.market_data.clock_suspect = False
            self.reference_data.look_again()
        self.reference_data.step()
        self.recovery.step(now_ns)
        self._follow()
        self.gate.step()
        self.flattening.step()
        self.continuity.step(now_ns)
        self._follow()
        self.pnl.step()
        self._follow()
        self.others.step(now_ns)
        self.gate.refresh()
        if not (self.recovery.leaving and self.left):
            nothing_open = self.desk.session is SessionState.HALTED and not len(self.orders)
            needless = nothing_open or self.reference_data.maintained
            self.dead_man.step(now_ns, way_open=self.desk.way_open, needless=needless)

    # -- a reply -------------------------------------------------------------------------------

    def on_reply(self, reply: Reply) -> None:
        """A reply came on the connection that is being read."""
        request = self.replies.request_of(reply, self.connections.reading)
        self.connections.heard()
        self._take(request, reply)

    def _take(self, request: InFlightRequest | None, reply: Reply) -> None:
        """Carry a reply to its end: limits, events, and then all who may have asked, in this order.

        Whoever asked is told last of what it changed, so that it goes on from what is known now.
        """
        now_ns = self.turn.now_ns
        self.counts.replies += 1
        if reply.budgets:
            self.replies.count(request, reply)
        if reply.verdict is not _DONE:
            self.replies.refused(request, reply)
        if request is not None and type(request.command) in OF_ORDERS:
            self.fold(reply.events)
            self.replies.time(request)
            self.resolution.on_reply(request, reply, now_ns)
            if self.turn.busy:
                self._follow()
            self.remedies.on_reply(request, reply, now_ns)
            return
        if request is not None and self.market_data.outlived(request):
            self.market_data.on_no_reply(request)
            return
        self.fold([named(request, event) for event in reply.events])
        if request is None:
            return
        self.market_data.on_reply(request, reply)
        self.reference_data.on_reply(request, reply)
        self.market_data.judge()
        self._follow()
        self.prices.on_reply(request, reply)
        self.connections.on_reply(request, reply)
        self._follow()
        self.dead_man.on_reply(request, reply, now_ns)
        self.resolution.on_reply(request, reply, now_ns)
        self._follow()
        self.remedies.on_reply(request, reply, now_ns)
        self._follow()
        as_of_ns = self.recovery.on_reply(request, reply, now_ns)
        self._follow()
        if as_of_ns is not None:
            self.recovery.agreed(now_ns, agree=self.account.agrees(as_of_ns))
            self._follow()

    def _no_reply(self, request: InFlightRequest) -> None:
        """The answer to a question will not come: tell all who may have asked it."""
        self.connections.on_no_reply(request)
        self.dead_man.on_no_reply(request)
        self.market_data.on_no_reply(request)
        self.resolution.on_no_reply(request, self.turn.now_ns)
        self._follow()
        self.recovery.on_no_reply(request)

    # -- what concerns several components ------------------------------------------------------

    def on_instruments(self, report: InstrumentsReport) -> None:
        """The venue tells its instruments; once they are known the run begins.

        It goes on from the last boot, starts the strategy, and opens the connections.
        """
        if not self.reference_data.on_instruments(report):
            return
        now_ns = self.turn.now_ns
        left = self.continuity.restore(now_ns)
        if left is not None:
            self.pnl.restore(left.day)
            self._follow()
            self.continuity.restore_orders(now_ns)
            self._follow()
        self.callbacks.call(self.strategy.on_start)
        self._follow()
        self._port.open_connections()

    def _on_off_grid(self, trade: OffGridTrade) -> None:
        """A trade was found by asking that today's grid cannot express: it blocks nothing."""
        if self.recovery.counts(trade.instrument):
            self.executions.on_off_grid(trade)

    def _on_unknown_execution(self, event: UnknownExecution) -> None:
        """A report cannot be read: behind a gap it is what the gap has kept back, no contradiction.

        All of ours is queried once another connection stands.
        """
        if not self.connections.gapped:
            self.executions.on_unknown_execution(event)

    def _on_open_orders(self, event: OpenOrders) -> None:
        """A list of open orders: what it shows is noted before any of it is cancelled."""
        self.recovery.on_open_orders(event)
        self._follow()
        self.recovery.cancel_left()

    def _on_notice(self, event: SessionNotice) -> None:
        self._port.log(f"the venue says: {event.notice} {event.text}".rstrip())
        if event.notice is Notice.CLOCK_OFF:
            self.reference_data.forget_clock()
        else:
            self.connections.on_notice(event.notice)

    # -- the journal ---------------------------------------------------------------------------

    def _record(self, kind: Kind, connection: int, now_ns: int, payload: bytes) -> None:
        try:
            self._append(kind, connection, now_ns, payload)
        except JournalFailed as failure:
            self._journal_failed(failure)

    def _journal_failed(self, failure: JournalFailed) -> None:
        """Not everything can be recorded any more: place nothing, and leave; cancels go out."""
        self.gate.fail(str(failure))


def _on_nothing(event: Event) -> None:
    """An event that is read with the reply that carries it."""


_BYTES = int(Kind.BYTES)
_STALE = BookState.STALE
_DONE = Verdict.DONE
