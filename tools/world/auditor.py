"""The auditor: what must always hold, checked against the exchange's truth alone.

It keeps a ledger of its own, of what the exchange's engine did and of the bytes that crossed the
tank, and holds the code under test against it; it never asks that code for the truth. The numbers
I1 to I32 are those of ``docs/faults.md``. Here is who hears what; what each question is lives in
its watch in ``tools.world.audit``. A breach is noted, and raised by the world between two steps:
the engine catches whatever happens inside a strategy's callback.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from core.engine.checkpoint import PREFIX
from core.engine.engine import Engine
from core.model.events import Side
from core.model.strategy import Quote
from core.model.venue import HttpRequest
from core.state.journal import Kind, MemoryJournal, Payload, Record
from tools.world.audit.answers import Answers
from tools.world.audit.books import Books
from tools.world.audit.callbacks import Callbacks
from tools.world.audit.connection import Connection
from tools.world.audit.days import Days
from tools.world.audit.exposure import Exposure
from tools.world.audit.feed import Feed
from tools.world.audit.fills import Fills
from tools.world.audit.halts import Halts
from tools.world.audit.intents import Intents
from tools.world.audit.leaving import Leaving
from tools.world.audit.ledger import Booked, Ledger
from tools.world.audit.limits import Limits as LimitsKept
from tools.world.audit.links import Links
from tools.world.audit.numbers import Numbers
from tools.world.audit.quotes import Quotes
from tools.world.audit.rest import Rest
from tools.world.audit.seen import Seen
from tools.world.audit.unnumbered import UnnumberedBooks
from tools.world.audit.wanted import Wanted
from tools.world.audit.watch import Breach, Context, Findings, Limits, Watch
from tools.world.audit.weight import Weight
from tools.world.dialect import Dialect
from tools.world.witness import Requested
from venues.sim.engine import BestMoved, Event, Market
from venues.sim.events import OrderChanged

PING_HEAD: Final = b"\x89"

WatchT = TypeVar("WatchT", bound=Watch)

WATCHES: Final[tuple[type[Watch], ...]] = (Days,)
"""The watches that need nothing but what every watch hears: to watch one thing more, add one
here.
"""


class Auditor:
    """The ledger of one world, and the invariants."""

    def __init__(
        self,
        markets: Mapping[str, Market],
        account: int,
        limits: Mapping[str, Limits],
        dialect: Dialect,
        *,
        with_depth: bool = True,
    ) -> None:
        self.findings = Findings()
        self.dialect = dialect
        self.ledger = Ledger(markets, account, self.findings, dialect)
        self.markets = markets
        self.allowed = dict(limits)
        self.context = context = Context(markets, self.allowed, self.ledger, self.findings, dialect)
        self.seen = Seen(context)
        kind = Books if dialect.numbered else UnnumberedBooks
        self.books = kind(context, self.seen, with_depth=with_depth)
        self.connection = Connection(context, with_depth=with_depth)
        self.exposure = Exposure(context)
        self.fills = Fills(context)
        self.rest = Rest(context, self.books)
        self.leaving = Leaving(context)
        self.intents = Intents(context)
        self.limits = LimitsKept(context, self.exposure)
        self.feed = Feed(context)
        self.links = Links(context)
        self.halts = Halts(context, self.links)
        self.callbacks = Callbacks(context)
        self.wanted = Wanted(context, self.links)
        self.weight = Weight(context)
        self.quotes = Quotes(context, self.connection)
        self.numbers = Numbers(context, self.halts)
        self.answers = Answers(context, self.connection)
        own: list[Watch] = [
            self.books,
            self.connection,
            self.exposure,
            self.fills,
            self.rest,
            self.intents,
            self.limits,
            self.feed,
            self.links,
            self.halts,
            self.callbacks,
            self.leaving,
            self.wanted,
            self.weight,
            self.quotes,
            self.numbers,
            self.answers,
            self.seen,
        ]
        self._watches: list[Watch] = []
        self.take_in(*own, *(watch(context) for watch in WATCHES))
        self.ledger.told = self._told
        self.foreign_cancels = 0
        self.shared = False
        """Whether our side knows that others act on the account."""
        self.poor = False
        """Whether the account has too little for most orders."""
        self.called: Callable[[], None] = lambda: None
        """What happens when the strategy is called."""
        self.sent = Counter[str]()
        self.secrets: Callable[[], Sequence[bytes]] = tuple
        """What must be in no journal and no log."""

    def take_in(self, *watches: Watch) -> None:
        """Have more watches hear what there is to hear."""
        self._watches += watches
        self._on_order = self._who_hear("on_order")
        self._on_report = self._who_hear("on_report")
        self._on_request = self._who_hear("on_request")
        self._on_market = self._who_hear("on_market")
        self._on_told = self._who_hear("on_told")
        self._on_requested = self._who_hear("on_requested")
        self._on_callback = self._who_hear("on_callback")
        self.feed.hearers = self._who_hear("on_fed")

    def watch_of(self, kind: type[WatchT]) -> WatchT:
        """Return the watch of a kind."""
        return next(watch for watch in self._watches if isinstance(watch, kind))

    def _who_hear(self, what: str) -> list[Callable[..., None]]:
        """Return the watches' own takes on what they may hear."""
        return [
            getattr(watch, what)
            for watch in self._watches
            if getattr(type(watch), what) is not getattr(Watch, what)
        ]

    @property
    def breach(self) -> Breach | None:
        return self.findings.breach

    def note(self, invariant: str, text: str) -> None:
        """Take a breach that was seen elsewhere."""
        self.findings.note(invariant, text)

    # -- what the exchange does ----------------------------------------------------------------

    def saw(self, events: Iterable[Event], now_ns: int) -> None:
        """Take what the exchange's engine did, before anybody is told."""
        events = list(events)
        for event in events:
            if isinstance(event, BestMoved) and event.symbol in self.markets:
                self.books.moved(event)
                self.limits.moved(event, now_ns)
        self.ledger.saw(events)

    def begins_anew(self) -> None:
        """The exchange forgets everything, and gives all numbers from the first on again."""
        self.ledger.begin_anew()
        self.halts.may_halt("")

    def published(self) -> None:
        """The exchange has said its depth: remember the whole books as they are now."""
        self.books.published()

    def _told(self, order: Booked, event: OrderChanged) -> None:
        for hear in self._on_report:
            hear(order, event)

    # -- what crosses the wire -----------------------------------------------------------------

    def on_sent(self, link: int, payload: bytes, now_ns: int) -> None:
        """Our side sends a request over the private connection."""
        request = self.dialect.request(payload)
        self.sent[request.method] += 1
        self.connection.on_sent(request, payload, now_ns)
        for hear in self._on_request:
            hear(request, now_ns)
        for order in request.orders:
            self.halts.on_request_id(request.id, order.symbol)
            for hear in self._on_order:
                hear(order, now_ns)
        if request.orders:
            self.exposure.left(link, request.id, request.orders)

    def on_received(self, link: int, payload: bytes) -> None:
        """The exchange has handled a request, or nobody ever will."""
        self.exposure.arrived(link, self.dialect.request_id(payload))

    def on_rest(self, request: HttpRequest, now_ns: int, skew_ns: int) -> None:
        """Our side sends a request over REST."""
        self.weight.on_clock(now_ns, skew_ns)
        self.connection.check_ban(request.path, now_ns)
        # Without the venue's time it takes no cancel either: that is asked for all the same.
        if not request.cancels and self.dialect.rest_kind(request.path) != "time":
            self.connection.check_shut(request.path, now_ns)
        self.weight.on_rest(request, now_ns)
        self.answers.on_rest(request, now_ns)

    def on_dialled(self, now_ns: int) -> None:
        """Our side dials a connection."""
        self.connection.check_ban("a dial", now_ns)
        self.connection.check_shut("a dial", now_ns)

    def on_read(self, private: bool, data: bytes, now_ns: int, skew_ns: int, link: int) -> None:
        """Bytes reach our side; what they allow may be done within the same turn."""
        if not private:
            for symbol in self.feed.on_feed(link, data, now_ns, skew_ns):
                self.connection.on_snapshot(symbol)
            if not is_ping(data):
                for hear in self._on_market:
                    hear(now_ns)
            return
        self.weight.on_clock(now_ns, skew_ns)
        for payload in self.connection.hear(link, data):
            self.links.hear(link)
            banned_ns = self.dialect.banned_ns(payload)
            if banned_ns is not None:
                self.connection.on_refused_all(banned_ns, now_ns, skew_ns)
            self.wanted.on_answer(payload, now_ns)
            for hear in self._on_told:
                hear(payload, now_ns)

    def on_turn_over(self) -> None:
        """What the private connection has told last is carried to the end."""
        self.connection.on_turn_over()
        self.answers.on_turn_over()

    def on_word(self, text: str) -> None:
        """The operator says something to the run."""
        verb = text.partition(" ")[0]
        if verb == "halt":
            self.halts.flattens = self.intents.flattens = False
            self.halts.say("the operator has said so")
        elif verb == "resume":
            self.halts.flattens = self.intents.flattens = False
            self.halts.resume()
            self.numbers.resume()
        elif verb == "flatten":
            self.halts.flattens = self.intents.flattens = True
            self.halts.halt("", "the operator flattens")

    def may_trade(self, symbol: str, now_ns: int) -> bool:
        """Whether nothing is known that may keep our side from trading a symbol."""
        allowed, pnl = self.allowed, self.ledger.pnl
        return not (
            self.poor
            or (self.ledger.others_traded and not self.shared)
            or symbol in self.ledger.doubled
            or not self.halts.trades(symbol)
            or self.connection.is_slow(now_ns)
            or any(-pnl(name) * 2 > allowed[name].max_daily_loss for name in self.markets)
        )

    def on_down(self) -> None:
        """The private connection in use is lost, or its process is."""
        for watch in self._watches:
            watch.on_down()

    def on_left(self, now_ns: int) -> None:
        """Our side says that the venue lists none of its orders."""
        for watch in self._watches:
            watch.on_left(now_ns)

    def on_stopped(self, now_ns: int) -> None:
        """The process goes on after it did not run for seconds."""
        self.connection.on_stopped()
        self.wanted.on_stopped(now_ns)

    def on_boot(self) -> None:
        """A new boot begins, which knows nothing of what the one before was told."""
        for watch in self._watches:
            watch.on_boot()

    def on_noted(self, now_ns: int) -> None:
        """Our side has noted what its next boot begins from."""
        for watch in self._watches:
            watch.on_noted(now_ns)

    def on_new_folder(self) -> None:
        """The next boot begins in a folder of its own: what was held before is not its to count."""
        self.ledger.new_folder()
        for watch in self._watches:
            watch.on_new_folder()

    def journal_failed(self) -> None:
        """The journal has refused a record: nothing is placed, the strategy is called no more."""
        self.connection.journal_failed()
        self.callbacks.on_raised()

    # -- what passes between strategy and desk: Hearer ------------------------------------------

    def on_requested(self, asked: Requested) -> None:
        """The desk has taken an order of the strategy's."""
        for hear in self._on_requested:
            hear(asked)

    def on_quoted(self, symbol: str, side: Side, wanted: Quote | None) -> None:
        """The strategy wants a side quoted like that, or not at all."""
        self.intents.on_quoted(symbol, side, wanted)

    def on_quote(self, symbol: str, side: Side, client_id: str) -> None:
        """A side is quoted by this order now; by none, where it cannot be quoted as wanted."""
        if client_id:
            self.quotes.on_stands(symbol, side, client_id)
        else:
            self.quotes.on_refused(symbol, side)

    def on_callback(self, name: str, arguments: tuple[Any, ...]) -> None:
        """The strategy is called."""
        self.called()
        for hear in self._on_callback:
            hear(name, arguments)

    def on_raised(self) -> None:
        """The strategy has raised something out of a callback."""
        for watch in self._watches:
            watch.on_raised()

    # -- at rest -------------------------------------------------------------------------------

    def at_rest(self, engine: Engine, now_ns: int) -> None:
        """Hold all against the exchange while nothing strikes, moves or is under way."""
        for watch in self._watches:
            watch.at_rest(engine, now_ns)

    def check_secrets(self, records: Iterable[Record], log: Iterable[str]) -> None:
        """I12: nothing secret is in the journal or the log."""
        secrets = self.secrets()
        for record in records:
            if any(secret in record.payload for secret in secrets):
                self.note("I12", f"a secret is journaled: {record.payload[:200]!r}")
        for line in log:
            if any(secret.decode() in line for secret in secrets):
                self.note("I12", f"a secret is logged: {line}")

    def at_end(self, *, failed: bool) -> None:
        """I19: the run has been left, and nothing of ours is alive at the exchange.

        The strategy of a run that ``failed`` is called no more, not even for its end.
        """
        if not failed:
            self.callbacks.at_end()
        for order in self.ledger.alive():
            if order.client_id in self.ledger.beyond:
                continue
            self.note("I19", f"{order.client_id} is alive on {order.symbol} after the exit")


def is_ping(data: bytes) -> bool:
    """Whether our side reads a ping and nothing behind it; the second byte is its length."""
    return data[:1] == PING_HEAD and len(data) <= 2 + sum(data[1:2])


class AuditedJournal(MemoryJournal):
    """A journal that tells the auditor which requests it holds, and fails when it is told to."""

    __slots__ = ("_auditor", "fail", "failing")

    def __init__(self, auditor: Auditor, fail: type[Exception]) -> None:
        super().__init__()
        self._auditor = auditor
        self.fail = fail
        self.failing = False

    def append(self, kind: int, connection: int, time_ns: int, payload: Payload) -> None:
        if self.failing:
            self._auditor.journal_failed()
            raise self.fail("no space left on the simulated disk")
        super().append(kind, connection, time_ns, payload)
        if kind == Kind.SEND:
            self._auditor.connection.journaled(bytes(payload))
        elif kind == Kind.NOTE and bytes(payload[: len(PREFIX)]) == PREFIX:
            self._auditor.on_noted(time_ns)
