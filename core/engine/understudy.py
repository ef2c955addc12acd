"""The understudy: a second engine of the same classes, to rehearse the way of a tick to an order.

A path through code that has not run for some milliseconds is several times slower: its caches are
cold. Between turns the understudy keeps it warm. It has the run's own venue, instruments and
strategy class, its own objects for everything that has a state, and a venue that answers it in
core's words: what it sends nobody reads, and of what it holds nothing is the run's. So no venue
needs code for it.

A rehearsal is a few steps, each some microseconds, between which whoever drives it looks for
something better to do: ``hear`` reads bytes of the market, which decide nothing; ``tick`` moves the
book, has the strategy called and what it wants sent; ``reply`` answers one order of it.

No I/O, no clock; and nothing here reads the run's engine, but ``prepare``, once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from copy import deepcopy
from typing import Final

from core.engine.engine import Engine
from core.engine.replay import ClosedPort
from core.model.commands import (
    Amend,
    Cancel,
    CancelMany,
    Command,
    FetchAccount,
    FetchBook,
    FetchInstruments,
    FetchOpenOrders,
    FetchOrders,
    FetchPositions,
    FetchTime,
    Ping,
    Place,
    PlaceMany,
    Replace,
    TimeInForce,
)
from core.model.events import (
    AccountReport,
    Balance,
    BatchOutcome,
    Bbo,
    BookDelta,
    BookSnapshot,
    Event,
    ExecType,
    InstrumentsReport,
    Levels,
    OpenOrders,
    OrderReport,
    OrdersListed,
    OrdStatus,
    Outcome,
    PositionReport,
    QueueDelta,
    QueueSnapshot,
    ReplaceOutcome,
    Reply,
    Side,
    Source,
    VenueTime,
    Verdict,
)
from core.model.instrument import Instrument
from core.model.units import ASSET_DECIMALS, NS_PER_MS, NS_PER_S
from core.model.venue import BookFeed, Stream, SyncKind, WireRequest
from core.model.views import Refusal
from core.model.wire import MESSAGES
from core.state.book import Book
from core.state.hops import Hops
from core.state.inflight import InFlightRequest
from core.state.journal import Journal
from core.state.orders import Order
from core.state.sequence import CHECKED

EngineOf = Callable[[ClosedPort, Callable[[], int], Journal, Hops], Engine]

PREPARE_STEP_NS: Final = 100 * NS_PER_MS
"""Between two turns of its start, on a clock of its own: a housekeeping of the engine each."""

PREPARE_STEPS: Final = 100
"""Turns that its start may take, 10 s on that clock; venues with private streams take some ten."""

RELIEF_NS: Final = 10 * NS_PER_S
"""How far its clock goes on with each rehearsal: budgets, the venue's and our own, count by time,
and those of the slowest venue let one order in some seconds pass."""

LONGEST_NS: Final = 100 * 365 * 86_400 * NS_PER_S
"""How far its clock may run ahead before another takes its place: 43 hours at 2,000 rehearsals a
second, and a nanosecond of it fits into 64 bits."""

MOST_MARKETS: Final = 4
"""Markets of the run that it rehearses on, however many there are: more would be as many more
objects between which the caches are shared."""

MOST_ANSWERS: Final = 100
"""Answers between two of those turns: as many as a run has symbols."""

MOST_RESTING: Final = 4
"""Orders of its strategy that stand beside each other before the oldest expires: a strategy that
only ever adds would reach a limit, and order nothing more."""

LEVELS: Final = 20
"""Levels a side of its book, as the run's own has them."""

FAR_BPS: Final = 5
"""How far its best prices jump from tick to tick, where the levels reach: strategies that requote
do."""

HELD_ATOMS: Final = 10 ** (9 + ASSET_DECIMALS)
"""What it has of each asset: no order of it is one that it cannot pay."""

_HOPS_ROWS: Final = 64


class Port(ClosedPort):
    """What the understudy asks of the outside, of which there is one thing: its bytes go to
    ``sent``.
    """

    def __init__(self, sign: Callable[[WireRequest], bytes]) -> None:
        self._sign = sign
        self.sent: list[bytes] = []
        self.opens = False

    def sign(self, request: WireRequest) -> bytes:
        return self._sign(request)

    def open_connections(self) -> None:
        self.opens = True

    def send(self, link: int, data: bytes) -> None:
        self.sent.append(data)


class _Market:
    """One instrument's book in two pictures, between which it goes to and fro."""

    def __init__(
        self, instrument: Instrument, feed: BookFeed, bids: Levels, asks: Levels, *, bbos: bool
    ) -> None:
        """``bids`` and ``asks`` are levels that such a book had, best first."""
        self.instrument = instrument
        self.lots = _least_lots(instrument, bids[-1][0])
        self._feed = feed
        self._bbos = bbos
        self._seq = 1
        self._up = True
        gap = _levels_apart(bids, asks)
        self._near = (bids[:gap], asks[:gap])
        self._far = (bids[gap:], asks[gap:])

    def _sides(self) -> tuple[Levels, Levels]:
        """Return the levels of the present picture: up, the best offers are gone, else the bids."""
        (near_bids, near_asks), (bids, asks) = self._near, self._far
        return (near_bids + bids, asks) if self._up else (bids, near_asks + asks)

    def _checksum(self) -> int | None:
        if self._feed.sync is not SyncKind.CHECKSUMMED:
            return None
        bids, asks = self._sides()
        return self._feed.checksum(bids[:CHECKED], asks[:CHECKED])

    def _queues_checksum(self) -> int:
        queues = self._feed.queues
        bids, asks = self._sides()
        tell = [[(ticks, [lots]) for ticks, lots in side[:CHECKED]] for side in (bids, asks)]
        return 0 if queues is None else queues(tell[0], tell[1])

    def image(self) -> Event:
        """Return the whole book as it is."""
        bids, asks = self._sides()
        index = self.instrument.index
        if self._feed.queues is not None:
            told = [[_queued(level) for level in side] for side in (bids, asks)]
            return QueueSnapshot(index, told[0], told[1], self._queues_checksum())
        return BookSnapshot(index, self._seq, bids, asks, checksum=self._checksum())

    def move(self, venue_ns: int, *, deep: bool) -> list[Event]:
        """Go to the other picture; return what a feed tells of that. ``deep``: by its levels."""
        self._seq += 1
        self._up = not self._up
        index, seq = self.instrument.index, self._seq
        near_bids, near_asks = self._near
        gone = [(ticks, 0) for ticks, _ in (near_asks if self._up else near_bids)]
        bids, asks = (near_bids, gone) if self._up else (gone, near_asks)
        events: list[Event] = []
        if self._bbos or not deep:
            best_bid, best_ask = (side[0] for side in self._sides())
            events.append(Bbo(index, seq, *best_bid, *best_ask))
        if deep and self._feed.queues is not None:
            told = [[_queued(level) for level in side] for side in (bids, asks)]
            events.append(QueueDelta(index, told[0], told[1], venue_ns, self._queues_checksum()))
        elif deep:
            numbers = (0, 0) if self._feed.sync is SyncKind.CHECKSUMMED else (seq, seq)
            events.append(BookDelta(index, *numbers, bids, asks, venue_ns, self._checksum()))
        return events

    def worst_bid_ticks(self) -> int:
        return self._far[0][-1][0]


def _queued(level: tuple[int, int]) -> tuple[str, int, int, int]:
    ticks, lots = level
    return (f"{ticks}", ticks, lots, 0)


def _levels_apart(bids: Levels, asks: Levels) -> int:
    """Return how many of the best levels come and go, so that prices jump ``FAR_BPS``, or some."""
    most = max(min(len(bids), len(asks)) // 2, 1)
    far_ticks = bids[0][0] * FAR_BPS // 10_000
    for gap in range(1, most):
        if asks[gap][0] - asks[0][0] + bids[0][0] - bids[gap][0] >= 2 * far_ticks:
            return gap
    return most


def _least_lots(instrument: Instrument, price_ticks: int) -> int:
    """Return the smallest size that the venue takes at a price."""
    contract, least = instrument.contract, max(instrument.min_lots, 1)
    if instrument.min_notional:
        least = max(least, contract.lots_for(instrument.min_notional, price_ticks) + 1)
    return least


class Understudy:
    """A second engine of a run, and the venue that answers it."""

    def __init__(
        self,
        engine_of: EngineOf,
        *,
        streams: tuple[Stream, ...],
        feed_of: Callable[[Instrument], BookFeed],
        journal: Journal,
        sign: Callable[[WireRequest], bytes],
        stamp: Callable[[], int],
    ) -> None:
        """``engine_of`` makes it of an adapter and a strategy of its own; ``feed_of`` is that
        adapter's. ``journal`` is read by nobody, and ``sign`` what the run signs with.
        """
        self.port = Port(sign)
        self.engine = engine_of(self.port, stamp, journal, Hops(_HOPS_ROWS))
        self._bbos = Stream.BBO in streams
        self._deep = bool({Stream.DEPTH, Stream.ORDERS} & set(streams))
        self._feed_of = feed_of
        self._instruments: tuple[Instrument, ...] = ()
        self._markets: list[_Market] = []
        self._begun_ns = self._now_ns = 0
        self._resting: deque[str] = deque()
        """Orders of its own that stand, by our id, the oldest first."""
        self._told: deque[Event] = deque()
        """What the private stream has still to tell."""
        self._handlers = self.engine.handlers
        self._deaf: dict[type[Event], Callable[[Event], None]] = dict.fromkeys(
            self._handlers, _pass_over
        )
        self._turn_of = 0

    # -- the start -----------------------------------------------------------------------------

    def prepare(self, run: Engine, now_ns: int) -> Generator[None, None, str]:
        """Trade as the run does, on the markets that it has; return why that cannot be, or "".

        Of the run its instruments and the levels of its books are read, and nothing is changed.
        It is cut into steps, too.
        """
        # Copies: a grid remembers the texts of prices, and the run's are its own.
        self._instruments = tuple(map(deepcopy, run.table))
        for book in run.books:
            row = self._instruments[book.instrument]
            if book.live and not row.carried and book.bid_lots and book.ask_lots:
                self._markets.append(self._market(row, book))
            if len(self._markets) == MOST_MARKETS:
                break
        self._begun_ns = self._now_ns = now_ns
        engine = self.engine
        engine.start(now_ns)
        for _ in range(PREPARE_STEPS):
            yield
            for _ in range(MOST_ANSWERS):
                if not self._answer():
                    break
                yield
            if self._trades():
                self.port.sent.clear()
                return ""
            yield
            self._now_ns += PREPARE_STEP_NS
            engine.on_due(self._now_ns)
        return f"it is {engine.desk.session} after {PREPARE_STEPS} steps"

    def _market(self, row: Instrument, book: Book) -> _Market:
        """Return a market as the run has it."""
        feed = self._feed_of(row)
        depth = min(LEVELS, feed.depth or LEVELS) if self._deep else 1
        bids, asks = (book.levels(side, depth) for side in (Side.BUY, Side.SELL))
        if min(len(bids), len(asks)) < 2:
            bids, asks = _pretend(row, bids[:1], asks[:1])
        return _Market(row, feed, bids, asks, bbos=self._bbos)

    def _trades(self) -> bool:
        books = self.engine.books
        return (
            bool(self._markets)
            and self.engine.desk.gate_open
            and all(books[market.instrument.index].live for market in self._markets)
        )

    def _answer(self) -> bool:
        """Answer one request, open the connections that are wanted, or tell of one book; False:
        there is nothing of that to do.
        """
        engine = self.engine
        request = next(iter(engine.outbound.inflight), None)
        if self.port.opens:
            self.port.opens = False
            for link, _ in enumerate(engine.sessions):
                engine.on_up(link, self._now_ns)
            return True
        if request is not None:
            self._say([self._reply(request), *self._told_now()], request.connection)
            return True
        unproved = next(filter(self._is_unproved, self._markets), None)
        if unproved is not None:
            self._say(self._first_words(unproved), 0)
        return unproved is not None

    def _is_unproved(self, market: _Market) -> bool:
        books = self.engine.books
        index = market.instrument.index
        return index < len(books) and not books[index].live

    def _first_words(self, market: _Market) -> list[Event]:
        """Return what a feed tells first: the whole book, or a change that a snapshot goes with."""
        in_band = self.engine.books[market.instrument.index].in_band
        if self._deep and in_band:
            return [market.image()]
        return market.move(self._venue_ns(), deep=self._deep)

    def _say(self, events: list[Event], connection: int) -> None:
        """Have the engine take events in a turn of their own, as if ``connection`` had brought
        them.
        """
        self.engine.connections.reading = connection
        self.engine.take(events, self._now_ns)

    def _venue_ns(self) -> int:
        return self._now_ns + self.engine.clock.offset_ns

    # -- a rehearsal ---------------------------------------------------------------------------

    @property
    def spent(self) -> bool:
        """Whether its clock has run so far ahead that another is to take its place."""
        return self._now_ns - self._begun_ns > LONGEST_NS

    @property
    def halted(self) -> bool:
        """Whether it orders nothing any more: its strategy has raised, say."""
        return not self.engine.desk.gate_open

    def understands(self, link: int, data: bytes) -> bool:
        """Whether bytes of a connection are whole messages, which can be heard again and again."""
        protocol = self.engine.sessions[link].connection.protocol(_no_entropy)
        for _ in range(2):
            told = protocol.receive(data)
            whole = any(kind in MESSAGES for kind, _ in told)
            if protocol.fault is not None or not whole or not all(k in MESSAGES for k, _ in told):
                return False
        return True

    def hear(self, link: int, data: bytes, kernel_ns: int, began_ns: int, read_ns: int) -> None:
        """Read bytes of a connection: they are taken apart, and what they say decides nothing."""
        engine = self.engine
        turn_ns = engine.turn.now_ns
        engine.turn.now_ns = read_ns  # its own clock runs ahead, which is no stop of the process
        engine.handlers = self._deaf
        engine.on_bytes(link, data, kernel_ns, began_ns, read_ns)
        engine.handlers = self._handlers
        engine.turn.now_ns = turn_ns

    def tick(self) -> None:
        """Move a book, and have the strategy called, which may want something sent."""
        self._now_ns += RELIEF_NS
        self._turn_of = (self._turn_of + 1) % len(self._markets)
        market = self._markets[self._turn_of]
        engine = self.engine
        index = market.instrument.index
        engine.turn.now_ns = engine.desk.now_ns = self._now_ns
        self._ring()
        engine.desk.step()  # cancels and amends that were answered are awaited no longer
        engine.fold(market.move(self._venue_ns(), deep=self._deep))
        engine.tell(0)
        if not engine.outbound.waiting:
            ticks = market.worst_bid_ticks()
            placed = engine.desk.place(index, Side.BUY, ticks, market.lots)
            if isinstance(placed, Refusal):
                self._expire(keep=0)

    def _ring(self) -> None:
        """Have the strategy told of the timers that it has set; housekeeping has nothing to do."""
        engine, timers = self.engine, self.engine.timers
        while 0 < timers.next_due_ns <= self._now_ns:
            tag = timers.pop_due(self._now_ns)
            if tag is not None:
                engine.callbacks.call(engine.strategy.on_timer, tag)

    def leave(self) -> bytes:
        """Have what is to be sent leave; return it."""
        engine = self.engine
        if engine.outbound.waiting:
            engine.outbound.flush()
        sent = b"".join(self.port.sent)
        self.port.sent.clear()
        return sent

    def reply(self) -> bool:
        """Answer one thing that was asked, or tell one that its stream has to; False: nothing is
        left.
        """
        engine = self.engine
        request = next(iter(engine.outbound.inflight), None)
        if request is not None:
            engine.connections.reading = request.connection
            engine.fold([self._reply(request)])
        elif self._told:
            engine.fold([self._told.popleft()])
        else:
            self._expire(keep=MOST_RESTING)
            if not self._told:
                return False
        engine.tell(0)
        return True

    def _told_now(self) -> list[Event]:
        told = list(self._told)
        self._told.clear()
        return told

    def _expire(self, *, keep: int) -> None:
        """Have the venue end all orders but the newest."""
        while len(self._resting) > keep:
            order = self.engine.orders.find(self._resting.popleft())
            if order is not None and not order.state.terminal:
                report = _stands(order, order.price_ticks, order.size_lots, ExecType.EXPIRED)
                self._told.append(report)

    # -- what the venue answers ----------------------------------------------------------------

    def _reply(self, request: InFlightRequest) -> Reply:
        events = self._events(request.command)
        return Reply(request_id=request.request_id, verdict=Verdict.DONE, events=tuple(events))

    def _events(self, command: Command) -> list[Event]:
        match command:
            case Place() | Cancel() | Amend():
                return self._report(command)
            case PlaceMany(places=many) | CancelMany(cancels=many):
                outcomes = BatchOutcome(tuple(Outcome(Verdict.DONE) for _ in many))
                return [outcomes, *(event for each in many for event in self._report(each))]
            case Replace(old=old, new=new):
                outcome = ReplaceOutcome(cancel=Verdict.DONE, place=Verdict.DONE)
                return [outcome, *self._report(old), *self._report(new)]
            case FetchInstruments():
                return [InstrumentsReport(self._instruments)]
            case FetchTime() | Ping():
                return [VenueTime(self._now_ns)]
            case FetchAccount():
                return [self._account()]
            case FetchPositions():
                return [PositionReport(())]
            case FetchOpenOrders(instrument=index):
                return [OpenOrders(index, ())]
            case FetchOrders(instrument=index):
                return [OrdersListed(index, ())]
            case FetchBook(instrument=index):
                return [m.image() for m in self._markets if m.instrument.index == index]
            case _:
                return []

    def _account(self) -> AccountReport:
        assets = dict.fromkeys(
            asset for row in self._instruments for asset in (row.base, row.quote, row.settle)
        )
        balances = tuple(Balance(asset, HELD_ATOMS, 0) for asset in assets)
        return AccountReport(balances, whole=True, can_trade=True, venue_ns=self._venue_ns())

    def _report(self, command: Place | Cancel | Amend) -> list[Event]:
        """Return what the reply tells of an order; its stream tells the same."""
        order = self.engine.orders.find(command.client_order_id)
        if order is None:
            return []
        ticks, lots, change = order.price_ticks, order.size_lots, ExecType.NEW
        if isinstance(command, Place):
            if order.tif in (TimeInForce.IOC, TimeInForce.FOK):
                change = ExecType.EXPIRED
            else:
                self._resting.append(order.client_order_id)
        elif isinstance(command, Cancel):
            change = ExecType.CANCELED
        else:
            lots, change = command.size_lots, ExecType.REPLACED
            ticks = ticks if command.price_ticks is None else command.price_ticks
        report = _stands(order, ticks, lots, change)
        self._told.append(report)
        return [report]


_STATUS: Final = {
    ExecType.EXPIRED: OrdStatus.EXPIRED,
    ExecType.CANCELED: OrdStatus.CANCELED,
}


def _stands(order: Order, price_ticks: int, size_lots: int, change: ExecType) -> OrderReport:
    """Return a report of the venue; it has no number of its own, whose form is each venue's."""
    return OrderReport(
        instrument=order.instrument,
        client_order_id=order.client_order_id,
        venue_order_id="",
        source=Source.STREAM,
        exec_type=change,
        status=_STATUS.get(change, OrdStatus.NEW),
        side=order.side,
        price_ticks=price_ticks,
        size_lots=size_lots,
        filled_lots=0,
    )


def _pretend(instrument: Instrument, bids: Levels, asks: Levels) -> tuple[Levels, Levels]:
    """Return levels behind the only ones that are known, where best prices alone are told."""
    step = max(bids[0][0] * FAR_BPS // 10_000, 1)
    ticks = [(bids[0][0] - n * step, asks[0][0] + n * step) for n in range(3)]
    valid = instrument.grid.valid
    return (
        [(bid, bids[0][1]) for bid, _ in ticks if bid > 0 and valid(bid)],
        [(ask, asks[0][1]) for _, ask in ticks if valid(ask)],
    )


def _pass_over(event: Event) -> None:
    """Take note of nothing."""


def _no_entropy() -> int:
    return 0
