"""The exchange begins everything anew, as a test network does each month; the same in both rings.

Orders, trades and balances are forgotten, all numbers are given again from the first on, and every
connection breaks. What nobody can know any more, a fill that was not told in time, does not happen
here: it is begun anew once our side has booked all there is.
"""

from __future__ import annotations

from typing import Final

from core.model.halts import HaltKind
from core.model.units import NS_PER_MS, NS_PER_S
from tools.world.anywhere import Anywhere
from tools.world.strikes import Fault, Struck
from venues.sim.actions import Reset

HIGH: Final = 1_000_000
"""Numbers that an exchange has come to before it begins anew."""

NOTICED: Final = "from the beginning again"

LOOK_NS: Final = 10 * NS_PER_MS
TRADED_S: Final = 3.0
"""How long our side trades undisturbed before, so that there are numbers to be given again."""

TOLD_S: Final = 8.0
"""How long it is waited for a moment in which our side was told of a number that was given before,
and of every fill."""

ALONE_S: Final = (5.0, 30.0, 90.0)
"""Virtual seconds in which nothing else strikes: up to what it takes to have orders proved gone."""

PROVED_S: Final = 100.0
"""Within which the orders that were forgotten are proved to be gone: a history may lag by 60 s."""

LOOKED_NS: Final = 5 * NS_PER_S
"""Between two looks of somebody who sees what has happened, and lets the run go on: it is noticed
on one symbol after the other."""


def ids_begin_anew(w: Anywhere) -> Struck | None:
    """The exchange is set up anew."""
    if w.auditor.ledger.epoch or not w.engine.recovery.reconciled or w.engine.recovery.leaving:
        return None
    boot, alone_s = w.engine.setup.boot, w.draw.faults.choice(ALONE_S)
    until_ns = w.now_ns + int(TOLD_S * NS_PER_S)
    w.strikes.lull(TOLD_S)
    _count_on(w)

    def look() -> None:
        if not w.alive or w.engine.setup.boot != boot or w.now_ns > until_ns:
            return
        if w.auditor.numbers.told_above(HIGH) and _knows_all(w):
            _begin_anew(w)
            w.strikes.lull(alone_s)
            w.strikes.last(PROVED_S)
        else:
            w.at(w.now_ns + LOOK_NS, look)

    w.at(w.now_ns + int(TRADED_S * NS_PER_S), look)
    return Struck(None, lambda: any(NOTICED in line for line in w.log_lines), PROVED_S)


def _count_on(w: Anywhere) -> None:
    """Have the exchange be an old one: numbers begun anew are below those that were given."""
    for market in w.venue.engine.markets.values():
        market.count_on_from(HIGH)


def _knows_all(w: Anywhere) -> bool:
    """Whether our side has booked all that was traded, and nothing of ours is on its way."""
    engine, auditor = w.engine, w.auditor
    if not engine.recovery.reconciled or engine.recovery.leaving or engine.orders.unclaimed():
        return False
    if any(auditor.exposure.travelling(symbol) for symbol in w.symbols):
        return False
    return all(
        auditor.rest.booked(engine, row.index, row.symbol) == auditor.ledger.traded(row.symbol)
        for row in engine.table
    )


def _begin_anew(w: Anywhere) -> None:
    w.venue.advance(w.venue_ns)
    w.auditor.begins_anew()
    w.venue.perform(Reset(), w.venue_ns)
    w.order_flow.begin(w.venue_ns)
    w.venue.advance(w.venue_ns)
    for symbol in w.symbols:
        w.auditor.books.renumbered(symbol, w.now_ns)
    _look_after(w, w.now_ns + int(PROVED_S * NS_PER_S))


def _look_after(w: Anywhere, until_ns: int) -> None:
    """Have somebody take the venue's word for what there is, as the halt asks him to.

    At first also where it is halted because the balances differ, which they do.
    """
    w.at(w.now_ns + LOOKED_NS, lambda: _look_after(w, until_ns))
    if not w.alive or w.engine.recovery.leaving or w.engine.risk.has(HaltKind.OPERATOR):
        return
    differs = w.engine.risk.halt_kind is HaltKind.LEDGER
    if NOTICED in w.engine.risk.halted or (differs and w.now_ns < until_ns):
        w.auditor.on_word("resume")
        w.operate("resume")


FAULTS: Final = (Fault(59, "ids_begin_anew", 5.0, ids_begin_anew, share=0.1),)
