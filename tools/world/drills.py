"""Drills: what nothing strikes, and yet has to be done right, at a time that the world chooses.

Held in the calm, each on its own: the operator's words, a lost or silent feed, a day's loss,
rejects without end, balances that differ. There a reaction has its bound, and is held against the
exchange's ledger: what has to be gone is gone, what has to stop stops, what may trade trades again.

A drill is a generator of seconds to let pass, so that a world without tasks and a whole process may
be drilled alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol

from core.model.units import NS_PER_S
from core.model.views import SessionState
from core.protocols.websocket import TEXT
from tools.world.anywhere import Answer, Anywhere
from tools.world.audit.ledger import Booked
from tools.world.audit.watch import ATOMS
from tools.world.dialect import MARKET, TRADE
from tools.world.message_faults import REPORTS, contradict
from tools.world.seeds import Generators
from tools.world.strikes import Struck
from tools.world.tank import Message
from venues.sim.actions import Deposit, perform

STEP_S: Final = 0.1

LIVELY_S: Final = 20.0
"""Within which every symbol that may trade does: questions for a book that was lost back off,
and the laziest workload acts every second."""

STANDING_S: Final = 4.0
"""How long a drill waits for something to be there that it is about."""

TRIES: Final = 5
"""How often it is tried to have an order stand that was not on its way out."""

GONE_S: Final = 3.0
"""Within which what has to be gone is gone, where nothing is in its way: some travel times, and a
cancel sent again."""

FLOW_RATE: Final = 20.0

AWAY_S: Final = 1.5
"""How long the market connection cannot be had."""

SILENT_S: Final = 8.0
"""How long the feed says nothing: the smaller of the largest book ages and what it takes to have
orders gone; not long enough for the connection to be given up."""

TRIED_S: Final = 1.0
"""How long the strategy then tries to place on what it has."""

NOTICED_S: Final = 8.0
"""Within which a loss is noticed: a price that jumps is not believed before depth confirms it."""

LARGE_LOSS: Final = 1_000 * 10**8
"""A daily loss that no move of a market in here reaches."""

QUOTED_S: Final = 1.5
"""How long quotes are moved with every change of a book: more often than most limits allow."""

MOVE_BPS: Final = 1_500
"""How far a market moves at most in one blow."""

RECONCILED_S: Final = 60.0

BUSY_TO_THE_END: Final = 0.6
"""Share of the worlds that trade when they are left."""

BUSY_S: Final = 1.0
MOMENT_S: Final = 0.002
"""How often it is looked for an order that is on its way, and for how long."""

DIFFERS_S: Final = 150.0
"""Within which balances that differ are asked for thrice, and believed: where they differed
otherwise before, the questions are some periods of reconciliation apart."""


PAID_S: Final = 30.0
"""Within which balances are held against our fills thrice once a connection is proved anew."""

FLAT_S: Final = 30.0
"""Within which a flattening in a calm market is over: two dozen slices, and the pauses after some
that took nothing."""

CONTRADICTED: Final = 0.2
"""Share of the worlds in which a report contradicts its order."""

HALTED_BEFORE: Final = 0.3
"""Share of the flattenings before which the operator has halted the run himself."""


ANSWERED_LATE_S: Final = 3.0
"""How late the account is told when it is asked for: less than it is waited for."""

PAID: Final = 10**6
"""What is paid in meanwhile, in units of 1e-8: less than any order."""


REPLACED_S: Final = 30.0
"""Within which another connection has taken over from one whose session is lost."""

LATE_S: Final = 4.0
"""How long orders are on their way that are in doubt: less than they are valid for."""

DOUBTED_S: Final = 3.0
"""How long such orders are placed."""

WINDOW_S: Final = 10.0
"""The longest in which a venue counts new orders."""

PROVED_S: Final = 120.0
"""Within which it is proved of each how it stands, though it be by an absence."""


class Drilled(Anywhere, Protocol):
    """What a drill needs beyond what a fault does."""

    flow_rate: float

    @property
    def cancels_when_stale(self) -> bool: ...
    @property
    def traded(self) -> tuple[str, ...]:
        """The symbols of this boot's configuration."""
        ...

    def word(self, text: str) -> None:
        """Say a word to the run, as its operator does."""
        ...

    def leave_soon(self, why: str) -> None:
        """Have the run left, as ``stop`` does."""
        ...

    def open_flow(self, rate: float) -> None: ...
    def over(self) -> bool:
        """Whether the run is on its way out, or gone."""
        ...

    def close_connection(self, connection: int) -> None:
        """Break a connection, and have it refuse to be dialled."""
        ...

    def open_connection(self, connection: int) -> None: ...


Drill = Callable[[Drilled], Iterator[float]]


# -- what all are made of --------------------------------------------------------------------


def until(w: Drilled, so: Callable[[], bool], seconds: float) -> Iterator[float]:
    """Let time pass until something is so, at most so long."""
    left_s = seconds
    while left_s > 0 and not so() and not w.over():
        yield STEP_S
        left_s -= STEP_S


def trade(w: Drilled) -> Iterator[float]:
    """The market is calm: every symbol that nothing is known to halt trades within its bound."""
    ledger = w.auditor.ledger
    before = {symbol: ledger.accepted[symbol] for symbol in w.traded}
    w.open_flow(FLOW_RATE)
    w.word("set active true")

    def idle() -> list[str]:
        return [
            symbol
            for symbol, count in before.items()
            if ledger.accepted[symbol] == count and w.auditor.may_trade(symbol, w.now_ns)
        ]

    yield from until(w, lambda: not idle(), LIVELY_S)
    if idle() and not w.over():
        w.auditor.note("I27", f"nothing was placed on {', '.join(idle())} for {LIVELY_S:g} s")


def standing(w: Drilled) -> Iterator[float]:
    """Wait until some order of ours stands."""
    yield from until(w, lambda: bool(w.auditor.ledger.alive()), STANDING_S)


def quiet(w: Drilled) -> Iterator[float]:
    """Wait until some order of ours stands that neither strategy nor street does anything about."""
    for _ in range(TRIES):
        w.open_flow(FLOW_RATE)
        w.word("set active true")
        yield from standing(w)
        w.word("set active false")
        w.flow_rate = 0.0
        yield STEP_S
        if w.auditor.ledger.alive() or w.over():
            return


def gone(w: Drilled, orders: Callable[[], Sequence[Booked]], why: str) -> Iterator[float]:
    """What has to be gone is gone within its bound, from when a cancel may leave. I25."""
    held_s = max(0, w.auditor.wanted.cancels_from_ns - w.now_ns) / NS_PER_S
    yield from until(w, lambda: not orders(), held_s + GONE_S)
    if orders() and not w.over():
        names = ", ".join(order.client_id for order in orders())
        w.auditor.note("I25", f"{names} still stand {held_s + GONE_S:g} s after {why}")


def told(w: Drilled, session: SessionState, why: str) -> None:
    """The strategy knows how the session is."""
    callbacks = w.auditor.callbacks
    if callbacks.session is not session and not callbacks.raised and not w.over():
        w.auditor.note("callbacks", f"{why}, and on_session said {callbacks.session}")


# -- the drills ------------------------------------------------------------------------------


def operator_halts(w: Drilled) -> Iterator[float]:
    """Halt, and resume."""
    yield from quiet(w)
    w.word("halt drill")
    yield from gone(w, w.auditor.ledger.alive, "the operator's halt")
    w.open_flow(FLOW_RATE)
    w.word("set active true")
    yield 0.5  # in which it tries what it can
    told(w, SessionState.HALTED, "the operator has halted the run")
    w.word("resume")
    yield from trade(w)
    callbacks = w.auditor.callbacks
    yield from until(w, lambda: callbacks.session is SessionState.TRADING, RECONCILED_S)
    if all(w.auditor.may_trade(symbol, w.now_ns) for symbol in w.traded):
        told(w, SessionState.TRADING, "the operator has resumed the run")


def operator_cancels(w: Drilled) -> Iterator[float]:
    """Cancel all; the strategy goes on."""
    yield from quiet(w)
    there = w.auditor.ledger.alive()
    w.word("cancel-all")
    yield from gone(w, lambda: [o for o in there if o.is_open], "the operator's cancel-all")


def operator_sets(w: Drilled) -> Iterator[float]:
    """Set a parameter: it holds from then on. I34."""
    strategy = w.engine.strategy
    before = strategy.parameters
    eager = 0.2 if before.eager != 0.2 else 0.4
    w.word(f"set eager {eager}")
    yield STEP_S
    if strategy.parameters.eager != eager and not w.over():
        w.auditor.note("I34", f"eager is {strategy.parameters.eager}, set was {eager}")
    w.word(f"set eager {before.eager}")


def operator_stops(w: Drilled) -> Iterator[float]:
    """Stop the run while it trades: what stands goes at once. I25."""
    yield from standing(w)
    if w.over():
        return
    slow = w.auditor.connection.is_slow(w.now_ns)
    w.leave_soon("the operator stops it")
    yield GONE_S
    left = [] if slow or w.auditor.connection.is_slow(w.now_ns) else w.auditor.ledger.alive()
    if left:
        names = ", ".join(order.client_id for order in left)
        w.auditor.note("I25", f"{names} still stand {GONE_S:g} s after the operator's stop")


def quotes_held_up(w: Drilled) -> Iterator[float]:
    """The strategy moves its quotes more often than it may: what cannot be moved goes. I27."""
    w.word("set quotes_alone true")
    w.word("set eager 1")
    w.word("set active true")
    w.open_flow(FLOW_RATE)
    yield QUOTED_S
    w.word("set active false")
    yield GONE_S
    if not w.over() and not w.auditor.connection.is_slow(w.now_ns):
        w.auditor.quotes.look()
    w.word("set quotes_alone false")
    w.word("set eager 0.3")


def feed_lost(w: Drilled) -> Iterator[float]:
    """The market connection is lost, and cannot be had for a while."""
    yield from quiet(w)
    w.close_connection(MARKET)
    if w.cancels_when_stale:
        yield from gone(w, w.auditor.ledger.alive, "the loss of every book")
    yield AWAY_S
    w.open_connection(MARKET)


def feed_silent(w: Drilled) -> Iterator[float]:
    """The market connection stands, and says nothing; nor do the best prices, when they are asked
    for.

    What stood on a book that has grown older than it may is gone. I25.
    """
    yield from quiet(w)
    w.strikes.hold(("rest.bookTicker",), lambda *_: Struck(None, lambda: True))
    w.tampering.mute_until_ns[MARKET] = w.now_ns + int((SILENT_S + TRIED_S) * NS_PER_S)
    yield SILENT_S
    ages_ns = {symbol: w.auditor.allowed[symbol].max_book_age_ns for symbol in w.traded}
    aged = [s for s, age_ns in ages_ns.items() if age_ns <= (SILENT_S - GONE_S) * NS_PER_S]
    if w.cancels_when_stale:
        for order in w.auditor.ledger.alive():
            if order.symbol in aged and not w.over():
                age_s = ages_ns[order.symbol] // NS_PER_S
                text = f"{order.client_id} stands after {SILENT_S:g} s of silence, allowed {age_s}"
                w.auditor.note("I25", text)
    w.word("set active true")
    yield TRIED_S
    w.tampering.mute_until_ns[MARKET] = 0
    w.strikes.let_go()


def account_late(w: Drilled) -> Iterator[float]:
    """The account's answer comes late, and something is paid in before it does. I16."""
    late_ns = int(ANSWERED_LATE_S * NS_PER_S)

    def late(_: Any, __: Any, answer: Answer) -> Struck:
        return Struck((answer[0] + late_ns, *answer[1:]), lambda: True)

    asset = w.auditor.markets[w.traded[0]].symbol.base
    w.word("set active false")
    w.word("cancel-all")
    yield GONE_S
    w.strikes.hold(("rest.account",), late)
    w.cut(TRADE)
    yield ANSWERED_LATE_S / 2
    w.venue.engine.deposit(w.account, asset, PAID, w.venue_ns)
    w.venue.advance(w.venue_ns)
    told = w.engine.balances.get(asset)
    yield ANSWERED_LATE_S / 6
    heard = w.engine.balances.get(asset) != told
    yield ANSWERED_LATE_S
    w.strikes.let_go()
    free = w.account.balances[asset].free * ATOMS
    if heard and w.engine.balances.get(asset) != free and not w.over():
        w.auditor.note(
            "I16", f"{w.engine.balances.get(asset)} atoms of {asset} are told, free are {free}"
        )


def loss(w: Drilled) -> Iterator[float]:
    """The market moves against us by more than a day may cost. I28."""
    auditor = w.auditor

    def worst_move(symbol: str) -> int:
        """Return by how much of its price the market has to move, in bps; more than any where we
        hold nothing.
        """
        size = abs(auditor.ledger.positions[symbol])
        best = auditor.markets[symbol].book.best()
        notional = size * best.bid // 10**8
        needed = 2 * auditor.allowed[symbol].max_daily_loss + max(0, auditor.ledger.pnl(symbol))
        return needed * 10_000 // notional + 1 if notional else MOVE_BPS + 1

    small = [s for s in w.traded if auditor.allowed[s].max_daily_loss < LARGE_LOSS]
    if not small:
        return
    yield from until(w, lambda: min(map(worst_move, small)) <= MOVE_BPS, STANDING_S)
    symbol = min(small, key=worst_move)
    if worst_move(symbol) > MOVE_BPS or not auditor.may_trade(symbol, w.now_ns) or w.over():
        return
    bps = -worst_move(symbol) if auditor.ledger.positions[symbol] > 0 else worst_move(symbol)
    w.order_flow.move(symbol, bps, w.venue_ns)
    w.venue.advance(w.venue_ns)
    yield NOTICED_S
    limit = auditor.allowed[symbol].max_daily_loss
    lost = -auditor.ledger.pnl(symbol)
    if lost < limit * 3 // 2 or w.over():
        return  # what was traded on the way has made up for it
    auditor.halts.halt("", f"{lost} lost on {symbol} today, allowed are {limit}", stays=True)
    yield from gone(w, auditor.ledger.alive, "the day's loss")
    told(w, SessionState.HALTED, f"{lost} lost on {symbol} today, allowed are {limit}")


def rejects(w: Drilled) -> Iterator[float]:
    """The exchange refuses every order for the same reason."""

    def refuse(_: Any, message: Message) -> Struck:
        said = w.dialect.refuses(message.payload, w.dialect.filter, w.venue_ns, 0)
        w.hold(Message(TRADE, TEXT, said), w.latency())
        return Struck([], lambda: True)

    halted = w.auditor.halts.halted
    w.strikes.hold(("ask.p",), refuse)
    yield from until(w, lambda: bool(halted), STANDING_S)
    yield 1.0
    w.strikes.let_go()
    symbols = set(halted)
    alive = w.auditor.ledger.alive
    yield from gone(w, lambda: [o for o in alive() if o.symbol in symbols], "too many rejects")


def contradicted(w: Drilled) -> Iterator[float]:
    """A report of an order tells another side or price than it has: nothing more is placed there.
    I7.
    """
    draw = w.draw.of_fault("contradicted")
    struck: list[Struck] = []

    def once(_: Any, message: Message) -> Struck | None:
        if struck:
            return None
        w.draw.faults = draw
        found = contradict(w, message)
        if found is not None:
            struck.append(found)
        return found

    halted, alive = w.auditor.halts.halted, w.auditor.ledger.alive
    w.strikes.hold(REPORTS, once)
    yield from until(w, lambda: bool(halted), STANDING_S)
    w.strikes.let_go()
    symbols = set(halted)
    yield from gone(w, lambda: [o for o in alive() if o.symbol in symbols], "a contradiction")
    yield TRIED_S


def balances_differ(w: Drilled) -> Iterator[float]:
    """The account does not hold what our fills make of it, and goes on not to."""
    engine, path = w.engine, w.dialect.paths["account"]
    if path in w.tampering.lies or w.auditor.shared:
        return
    asset = w.auditor.markets[w.traded[0]].symbol.base

    def lie(body: bytes) -> bytes:
        return w.dialect.with_more(body, asset, 10**8)

    # Fills that cross an answer make it differ otherwise each time; what is right is seen first.
    w.word("set active false")
    w.word("cancel-all")
    yield GONE_S
    w.cut(TRADE)
    yield GONE_S
    # What a boot is told first is what it goes by: it is to be right. Who trades has been told.
    yield from until(w, lambda: w.engine.ledger.opened, RECONCILED_S)
    callbacks = w.auditor.callbacks
    trades = callbacks.session is SessionState.TRADING
    if w.over() or not (w.engine.ledger.opened or trades):
        return
    w.tampering.lies[path] = (engine.setup.boot, lie)
    w.auditor.rest.lied_about_balances = True
    w.cut(TRADE)
    yield AWAY_S
    # Nothing trades until the private connection stands and is reconciled, whatever that takes.
    yield from until(w, lambda: callbacks.session is not SessionState.INTERRUPTED, RECONCILED_S)
    yield from until(w, lambda: callbacks.session is SessionState.HALTED, DIFFERS_S)
    if callbacks.session is SessionState.INTERRUPTED or w.over():
        return
    w.auditor.halts.halt("", f"the account holds 1 {asset} more than our fills make of it")
    told(w, SessionState.HALTED, "balances differ")
    w.word("set active true")
    yield AWAY_S


def paid_in(w: Drilled) -> Iterator[float]:
    """Somebody pays in, and the venue tells of it: both ledgers agree on what there is."""
    engine, callbacks = w.engine, w.auditor.callbacks
    w.word("set active false")
    w.word("cancel-all")
    yield GONE_S
    yield from until(w, lambda: engine.ledger.opened and not engine.ledger.in_doubt, RECONCILED_S)
    connection = w.links.get(TRADE)
    if w.over() or engine.ledger.in_doubt or callbacks.session is not SessionState.TRADING:
        return
    asset = w.auditor.markets[w.traded[0]].symbol.base
    w.auditor.seen.note_seen("others")
    perform(Deposit(w.dialect.api_key, asset, "1"), w.venue.host, w.venue_ns)
    w.venue.advance(w.venue_ns)
    yield AWAY_S
    if w.links.get(TRADE) is not connection or w.over():
        return  # nobody may have been told
    w.cut(TRADE)
    halted = SessionState.HALTED
    yield from until(w, lambda: callbacks.session is halted, PAID_S)
    if callbacks.session is halted and w.auditor.may_trade(w.traded[0], w.now_ns):
        w.auditor.note("I7", f"halted {engine.risk.halted!r}, and 1 {asset} was paid in and told")


def flattens(w: Drilled) -> Iterator[float]:
    """The operator says flatten, whatever has halted the run: all that the venue takes is traded
    away within its bound, or it is said why not. I32, I33.
    """
    flattening, ledger, connection = w.engine.flattening, w.auditor.ledger, w.auditor.connection
    if w.draw.drills.random() < HALTED_BEFORE:
        w.word("halt drill")
    w.open_flow(FLOW_RATE)
    w.word("flatten")
    held_up = connection.is_slow(w.now_ns)
    yield from until(w, lambda: bool(flattening.verdict), FLAT_S)
    if w.over() or w.engine.flattening is not flattening:
        return
    held_up |= connection.is_slow(w.now_ns) or bool(ledger.doubled) or ledger.others_traded
    may_know = [symbol for symbol in w.symbols if symbol not in ledger.doubled]
    said = flattening.verdict or flattening.progress()
    left = [symbol for symbol in may_know if ledger.tradable(symbol)]
    untold = [symbol for symbol in left if symbol not in said]
    held_up |= w.auditor.poor
    if left and flattening.flat:
        w.auditor.note("I32", f"{', '.join(left)} not flat, and {said!r} was told")
    elif untold or ({*left} & {*w.traded} and not held_up):
        w.auditor.note("I33", f"{', '.join(left)} not flat {FLAT_S:g} s after the word: {said!r}")


def session_lost(w: Drilled) -> Iterator[float]:
    """The venue says that our session counts no more: what it tells is heard on until another
    connection stands. I33.
    """
    before = w.links.get(TRADE)
    if before is None:
        return
    w.auditor.wanted.ends_within((TRADE,), w.now_ns + int(REPLACED_S * NS_PER_S))
    w.say_past(Message(TRADE, TEXT, w.dialect.logged_out))
    yield from until(w, lambda: w.links.get(TRADE) not in (None, before), REPLACED_S)
    w.auditor.wanted.ends_within((), w.now_ns)


def in_doubt(w: Drilled) -> Iterator[float]:
    """The venue says of orders that it does not know, and they reach its market seconds later:
    until it is proved how they stand they count, whatever answers say that there are none. I1.
    """
    if w.auditor.poor:
        return
    eager = w.engine.strategy.parameters.eager
    late_ns = int(LATE_S * NS_PER_S)

    def late(_: Any, message: Message) -> Struck | None:
        orders = w.dialect.request(message.payload).orders
        if len(orders) != 1 or (orders[0].kind, orders[0].tif) != ("LIMIT", "GTC"):
            return None
        said = w.dialect.refuses(message.payload, w.dialect.errors[0], w.venue_ns, 0)
        w.hold(Message(TRADE, TEXT, said), w.latency())
        w.tampering.deaf[w.dialect.reply_mark(message.payload)] = w.now_ns + 2 * late_ns
        return Struck([(late_ns, message)], lambda: True)

    def counted() -> None:
        w.auditor.connection.counted_late = False

    w.auditor.connection.counted_late = True
    w.strikes.hold(("ask.p",), late)
    w.open_flow(FLOW_RATE)
    w.word("set eager 1")
    w.word("set active true")
    yield DOUBTED_S
    w.word("set active false")
    w.word(f"set eager {eager}")
    w.strikes.let_go()
    yield LATE_S
    yield from until(w, lambda: not len(w.engine.resolution.retries), PROVED_S)
    w.at(w.now_ns + int(WINDOW_S * NS_PER_S), counted)


def leave(w: Drilled) -> Iterator[float]:
    """Trade up to the moment in which the run is left, with an order on its way that may rest."""
    if w.draw.drills.random() > BUSY_TO_THE_END:
        return
    w.open_flow(FLOW_RATE)
    w.word("set active true")
    yield STEP_S
    travelling = w.auditor.exposure.travelling
    left = int(BUSY_S / MOMENT_S)
    while left > 0 and not w.over():
        if any(
            order.tif in ("", "GTC") and order.price for s in w.symbols for order in travelling(s)
        ):
            return
        yield MOMENT_S
        left -= 1


LOSING: Final = 0.2
"""Share of the worlds in which the session is lost."""

DOUBTING: Final = 0.3
"""Share of the worlds in which orders are in doubt while others are placed."""

PAYING: Final = 0.2
"""Share of the worlds in which somebody pays in."""

HELD_UP: Final = 0.1
"""Share of the worlds in which quotes are to be moved more often than they may."""

OWN: Final = 0.25
"""Share of the worlds in which a drill is held that their venue alone has."""

FLATTENED: Final = 0.5
"""Share of the worlds that end flat."""


class Plan(NamedTuple):
    """The drills of one world."""

    passing: Sequence[Drill]
    """After which the run trades on."""
    last: Drill | None
    """After which it may be halted for good."""
    flattens: bool
    """Whether the operator has it flattened then, whatever has halted it."""


PASSING: Final[tuple[Drill, ...]] = (
    operator_halts,
    operator_cancels,
    operator_sets,
    feed_lost,
    feed_silent,
    account_late,
)
LASTING: Final[tuple[Drill, ...]] = (loss, rejects, balances_differ, operator_stops)


def drawn(generators: Generators, own: Sequence[Drill] = ()) -> Plan:
    """Draw the drills of one world; what came later has a generator of its own.

    ``own`` are those that its venue alone has.
    """
    draw = generators.drills
    passing = draw.sample(PASSING, draw.choice((0, 1, 1, 2)))
    plan = Plan(passing, draw.choice((None, *LASTING)), draw.random() < FLATTENED)
    if draw.random() < PAYING:
        plan = plan._replace(passing=[*passing, paid_in])
    if generators.of_setting("quotes_held_up").random() < HELD_UP:
        plan = plan._replace(passing=[*plan.passing, quotes_held_up])
    if generators.of_setting("contradicted").random() < CONTRADICTED:
        plan = plan._replace(passing=[*plan.passing, contradicted])
    if generators.of_setting("session_lost").random() < LOSING:
        plan = plan._replace(passing=[*plan.passing, session_lost])
    if generators.of_setting("in_doubt").random() < DOUBTING:
        plan = plan._replace(passing=[*plan.passing, in_doubt])
    for drill in own:
        if generators.of_setting(drill.__name__).random() < OWN:
            plan = plan._replace(passing=[drill, *plan.passing])
    return plan


def hold(w: Drilled, plan: Plan) -> Iterator[float]:
    """Trade, and hold the drills of a plan, for as long as the run goes on."""
    for drill in plan.passing:
        yield from trade(w)
        if w.over():
            return
        yield from drill(w)
    yield from trade(w)
    if plan.last is not None and not w.over():
        yield from plan.last(w)
    if plan.flattens and not w.over():
        yield from flattens(w)
