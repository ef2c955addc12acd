"""Faults of the exchange itself, the same in both rings: its clock, its numbers, who acts on it.

Here lives what needs no message to spoil and no connection to break.
"""

from __future__ import annotations

from typing import Final, cast

from core.model.units import NS_PER_MS
from core.model.views import OrderState
from tools.world.anywhere import Anywhere, later_ns, requested_again
from tools.world.strikes import Fault, Struck
from tools.world.tank import IP
from tools.world.workload import SAID
from venues.binance.rules import WEIGHT
from venues.sim.binance.venue import Venue
from venues.sim.faults import Fault as SimFault
from venues.sim.faults import Kind as SimKind

SPENT: Final = (0.91, 0.96)
"""How much of a minute's weight others use up: what is left is of what is kept for cancels."""


def stop_order(w: Anywhere) -> Struck | None:
    """The exchange takes one of our orders out by itself."""
    orders = [(s, o) for s in w.symbols for o in w.auditor.ledger.open_orders(s).values()]
    found = [(s, o) for s, o in orders if w.auditor.ledger.may_be_stopped(o)]
    if not found:
        return None
    symbol, chosen = w.draw.faults.choice(found)
    engine = w.venue.engine
    order = engine.file(w.account, symbol).open[chosen.order_id]
    engine.cancel(w.account, engine.markets[symbol], order, None, w.venue_ns)
    w.venue.advance(w.venue_ns)

    def reaction() -> bool:
        ours = w.engine.orders.find(chosen.client_id)
        return ours is None or ours.state.terminal

    return Struck(None, reaction)


def stranger(w: Anywhere) -> Struck | None:
    """Somebody else trades on our account."""
    draw = w.draw.faults
    symbol = draw.choice(w.symbols)
    market = w.venue.engine.markets[symbol]
    best = market.book.best()
    away = draw.randint(-40, 40) * market.symbol.tick_size
    buys, size = draw.choice((True, False)), draw.randint(50, 300) * market.symbol.step_size
    before = w.engine.orders.foreign
    w.auditor.seen.note_seen("others")
    price, now_ns = best.bid + away, w.venue_ns
    taken = w.dialect.place_elsewhere(w.venue, symbol, buys, price, size, now_ns)
    w.venue.advance(w.venue_ns)
    if not taken:
        return None
    return Struck(None, lambda: w.engine.orders.foreign > before)


def spend_weight(w: Anywhere) -> Struck | None:
    """Others on our address use up the weight of a minute, but for the cancels' share of it."""
    used = cast(Venue, w.venue).exchange.requests_of(IP).weight
    most = int(used.limit.limit * w.draw.faults.uniform(*SPENT))
    if used.count(w.venue_ns) >= most:
        return None
    used.add(most - used.count(w.venue_ns), w.venue_ns)
    w.auditor.connection.others_spend(w.now_ns)
    return Struck(None, lambda: not w.engine.throttle.free(WEIGHT, w.venue_ns), 10.0)


def accept_late(w: Anywhere) -> Struck:
    """The next order is taken in time and executed long after its window has closed."""
    late_ms = w.draw.faults.randint(11_000, 60_000)
    late = SimFault(
        fault=SimKind.LATE, methods=(w.dialect.methods["place"],), delay_ms=late_ms, times=1
    )
    w.venue.faults.switch_on(late, w.venue_ns)
    before = w.venue.faults.hits[SimKind.LATE]
    w.auditor.ledger.accepts_late = True

    def reaction() -> bool:
        doubted = any(o.state is OrderState.UNKNOWN for o in w.engine.orders.open())
        return w.venue.faults.hits[SimKind.LATE] > before and doubted

    return Struck(None, reaction, 60.0)


def refuse_clock(w: Anywhere) -> Struck:
    """Some requests come at a time that the exchange does not take."""
    refusing = SimFault(
        fault=SimKind.CLOCK,
        methods=tuple(w.dialect.methods[name] for name in ("place", "cancel", "status")),
        times=w.draw.faults.randint(1, 3),
    )
    w.venue.faults.switch_on(refusing, w.venue_ns)
    return Struck(None, requested_again(w, w.dialect.paths["time"]), 10.0)


def step_clock(w: Anywhere) -> Struck:
    """The exchange's clock steps; backwards by less than what it accepts ahead of its time."""
    draw = w.draw.faults
    if draw.random() < 0.3 and not w.auditor.connection.stepped_back_ns:
        back_ns = later_ns(draw, 0, 900)
        w.auditor.connection.stepped_back_ns = back_ns
        w.skew_ns -= back_ns
    else:
        w.skew_ns += later_ns(draw, 0, 8_000)
    target_ns = w.skew_ns - w.ahead_ns
    return Struck(None, lambda: abs(w.engine.clock.offset_ns - target_ns) < 200 * NS_PER_MS, 40.0)


def drift_clock(w: Anywhere) -> Struck:
    rate = w.draw.faults.uniform(-0.002, 0.002)

    def move(left: int = 100) -> None:
        w.skew_ns += int(rate * 10 * NS_PER_MS)
        if left and w.strikes.storming:
            w.at(w.now_ns + 10 * NS_PER_MS, lambda: move(left - 1))

    move()

    def reaction() -> bool:
        return abs(w.engine.clock.offset_ns + w.ahead_ns - w.skew_ns) < 100 * NS_PER_MS

    return Struck(None, reaction)


def restart_numbers(w: Anywhere) -> Struck:
    """The exchange counts the updates of one book from 1 again."""
    symbol = w.draw.faults.choice(w.symbols)
    market = w.venue.engine.markets[symbol]
    w.venue.advance(w.venue_ns)
    market.book.update_id = 0
    for depth in cast(Venue, w.venue).market_data._depths:
        if depth.market is market:
            depth._fast_id = depth._slow_id = 0
    w.auditor.books.renumbered(symbol, w.now_ns)

    def reaction() -> bool:
        row = w.engine.table.find(symbol)
        if row is None:
            return False
        book = w.engine.books[row.index]
        return book.live and book.seq <= market.book.update_id

    return Struck(None, reaction, 10.0)


def empty_side(w: Anywhere) -> Struck | None:
    """Nobody quotes on one side of a market for a while, or on neither."""
    draw = w.draw.faults
    symbol = draw.choice(w.symbols)
    row = w.engine.table.find(symbol)
    if row is None or not w.engine.books[row.index].live:
        return None
    engine, index = w.engine, row.index
    sides = draw.choice((frozenset({True}), frozenset({False}), frozenset({True, False})))
    w.order_flow.empty(symbol, sides, w.venue_ns)
    w.venue.advance(w.venue_ns)

    def refill() -> None:
        w.order_flow.empty(symbol, frozenset(), w.venue_ns)
        w.venue.advance(w.venue_ns)

    w.at(w.now_ns + later_ns(draw, 100, 3_000), refill)

    def reaction() -> bool:
        """Return whether the book has shown it: only our own orders stand there, or nobody's."""
        book = engine.books[index]
        best = w.venue.engine.markets[symbol].book.best()
        return book.live and (bool(book.bid_lots), bool(book.ask_lots)) == (
            bool(best.bid),
            bool(best.ask),
        )

    return Struck(None, reaction)


def jump(w: Anywhere) -> Struck | None:
    """A market jumps by up to more than what a snapshot of a deep book holds."""
    draw = w.draw.faults
    symbol = draw.choice(w.symbols)
    row = w.engine.table.find(symbol)
    if row is None or not w.engine.books[row.index].live:
        return None
    engine, index, before = w.engine, row.index, w.engine.books[row.index].bid_ticks
    ticks = draw.choice((-1, 1)) * draw.randint(300, 1_500)
    w.order_flow.jump(symbol, ticks, w.venue_ns)
    w.venue.advance(w.venue_ns)

    def reaction() -> bool:
        book = engine.books[index]
        return book.live and abs(book.bid_ticks - before) > abs(ticks) // 4

    return Struck(None, reaction)


def strategy_fails(w: Anywhere) -> Struck | None:
    """Said by the strategy itself: see ``tools.world.workload``."""
    told = [line for line in w.log_lines if line.startswith(SAID)]
    if not told or "mischief" in w.strikes.injected:
        return None
    if "raising" in told[0]:
        return Struck(None, lambda: bool(w.engine.gate.fatal and w.stopped))
    return Struck(None, lambda: True)


FAULTS: Final = (
    Fault(7, "book_renumbered", 0.05, restart_numbers),
    Fault(33, "order_stopped", 0.5, stop_order),
    Fault(36, "stranger", 0.5, stranger),
    Fault(38, "weight_spent", 0.25, spend_weight),
    Fault(44, "clock_refused", 0.4, refuse_clock, share=0.15),
    Fault(44, "clock_stepped", 0.1, step_clock),
    Fault(44, "clock_drifts", 0.3, drift_clock),
    Fault(58, "accepted_late", 0.1, accept_late),
    Fault(72, "side_emptied", 0.15, empty_side),
    Fault(73, "market_jumps", 0.15, jump),
)

MISCHIEF: Final = Fault(50, "mischief", 5.0, strategy_fails)
