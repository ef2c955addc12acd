"""Faults of the exchange itself, the same in both rings: its clock, and who else acts on it.

Here lives what needs no message to spoil and no connection to break, and the reactions that are
recognised alike. What strikes what crosses the tank lives in ``faults``, what strikes a whole
process in ``process_faults``.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol

from core.engine import Engine
from core.units import NS_PER_MS
from core.views import OrderState
from tools.world.auditor import Auditor
from tools.world.seeds import Generators
from tools.world.strikes import Strikes, Struck
from venues.sim.accounts import Account
from venues.sim.exchange import Origin
from venues.sim.fixed import show
from venues.sim.methods import METHODS
from venues.sim.server import DEFAULT_KEY
from venues.sim.venue import Venue

Reaction = Callable[[], bool]


class Anywhere(Protocol):
    """What a world of either ring has."""

    draw: Generators
    account: Account
    auditor: Auditor
    strikes: Strikes
    symbols: tuple[str, ...]
    log_lines: list[str]
    skew_ns: int

    @property
    def venue(self) -> Venue: ...
    @property
    def engine(self) -> Engine: ...
    @property
    def now_ns(self) -> int: ...
    @property
    def venue_ns(self) -> int: ...
    def at(self, when_ns: int, what: Callable[[], None]) -> None: ...
    def said(self, text: str, since: int = 0) -> bool: ...


def later_ns(draw: random.Random, least_ms: float, most_ms: float) -> int:
    return int(draw.uniform(least_ms, most_ms) * NS_PER_MS)


# -- reactions -------------------------------------------------------------------------------


def logged(w: Anywhere, text: str) -> Reaction:
    since = len(w.log_lines)
    return lambda: w.said(text, since)


def resynced(w: Anywhere) -> Reaction:
    before = w.engine.counts.resyncs
    return lambda: w.engine.counts.resyncs > before


def proved(w: Anywhere, client_id: str) -> Reaction:
    """The venue's word on an order is known."""

    def reaction() -> bool:
        order = w.engine.orders.find(client_id)
        return order is None or order.state not in (OrderState.UNKNOWN, OrderState.PENDING)

    return reaction


def doubted(w: Anywhere, client_id: str) -> Reaction:
    """An order was in doubt, and is proved since."""
    seen = []

    def reaction() -> bool:
        order = w.engine.orders.find(client_id)
        if order is not None and (
            order.state is OrderState.UNKNOWN or client_id in w.engine.proof.doubts
        ):
            seen.append(client_id)
        return bool(seen) and proved(w, client_id)()

    return reaction


# -- faults ----------------------------------------------------------------------------------


def stop_order(w: Anywhere) -> Struck | None:
    """The exchange takes one of our orders out by itself."""
    found = [(s, o) for s in w.symbols for o in w.auditor.open_orders(s).values()]
    if not found:
        return None
    symbol, chosen = w.draw.faults.choice(found)
    engine = w.venue.exchange.engine
    order = engine.file(w.account, symbol).open[chosen.order_id]
    engine.cancel(w.account, engine.markets[symbol], order, None, w.venue_ns)
    w.venue.settle(w.venue_ns)

    def reaction() -> bool:
        ours = w.engine.orders.find(chosen.client_id)
        return ours is None or ours.state.terminal

    return Struck(None, reaction)


def stranger(w: Anywhere) -> Struck | None:
    """Somebody else trades on our account."""
    draw = w.draw.faults
    symbol = draw.choice(w.symbols)
    market = w.venue.exchange.engine.markets[symbol]
    best = market.book.best()
    away = draw.randint(-40, 40) * market.symbol.tick_size
    values = {
        "symbol": symbol,
        "side": draw.choice(("BUY", "SELL")),
        "type": "LIMIT",
        "timeInForce": "GTC",
        "price": show(best.bid + away),
        "quantity": show(draw.randint(50, 300) * market.symbol.step_size),
        "timestamp": str(w.venue_ns // NS_PER_MS),
    }
    origin = Origin("10.0.0.9", session=w.venue.exchange.keys[DEFAULT_KEY])
    before = w.engine.orders.foreign
    reply = w.venue.exchange.call(METHODS["order.place"], values, origin, w.venue_ns)
    w.venue.settle(w.venue_ns)
    if reply.error is not None:
        return None
    return Struck(None, lambda: w.engine.orders.foreign > before)


def step_clock(w: Anywhere) -> Struck:
    """The exchange's clock steps; backwards by less than what it accepts ahead of its time."""
    draw = w.draw.faults
    if draw.random() < 0.3 and not w.auditor.stepped_back_ns:
        back_ns = later_ns(draw, 0, 900)
        w.auditor.stepped_back_ns = back_ns
        w.skew_ns -= back_ns
    else:
        w.skew_ns += later_ns(draw, 0, 8_000)
    target_ns = w.skew_ns
    return Struck(None, lambda: abs(w.engine.clock.offset_ns - target_ns) < 200 * NS_PER_MS, 40.0)


def drift_clock(w: Anywhere) -> Struck:
    rate = w.draw.faults.uniform(-0.002, 0.002)

    def move(left: int = 100) -> None:
        w.skew_ns += int(rate * 10 * NS_PER_MS)
        if left and w.strikes.storming:
            w.at(w.now_ns + 10 * NS_PER_MS, lambda: move(left - 1))

    move()
    return Struck(None, lambda: abs(w.engine.clock.offset_ns - w.skew_ns) < 100 * NS_PER_MS)
