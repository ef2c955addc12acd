"""What the venue does to a position by itself: it pays for holding it, and closes it at expiry.

Neither is a trade of ours, and none of it is counted as one. Payments count once by their id, into
the day that the venue dates them on. What has settled is over: nothing is placed on it any more,
and a fill of before that is told late is closed at the same price. Orders, trades and their fees
are for ``core.engine.executions``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from core.engine.ledger import Ledger
from core.engine.pnl import PnL
from core.engine.turn import Turn
from core.model.events import NO_INSTRUMENT, Funding, Settled
from core.model.halts import HaltKind
from core.model.instrument import InstrumentTable
from core.model.units import amount_text, format_decimal, plain
from core.state.position import Position


class Settlements:
    """The funding and the expiries of one run."""

    def __init__(
        self,
        *,
        table: InstrumentTable,
        positions: Sequence[Position],
        ledger: Ledger,
        pnl: PnL,
        turn: Turn,
        log: Callable[[str], None],
    ) -> None:
        self._table = table
        self._positions = positions
        self._ledger = ledger
        self._pnl = pnl
        self._turn = turn
        self._log = log

    def on_funding(self, funding: Funding) -> None:
        """Count a payment for a position, once however often it is told."""
        index, atoms, venue_ns = funding.instrument, funding.atoms, funding.venue_ns
        if index == NO_INSTRUMENT:
            return
        if not self._positions[index].on_funding(funding.funding_id, atoms, venue_ns):
            return
        row = self._table[index]
        self._ledger.funded(row, atoms, venue_ns)
        self._pnl.on_funding(index, atoms, venue_ns)
        how = "received" if atoms > 0 else "paid"
        self._log(f"funding {how} on {row.symbol}: {amount_text(abs(atoms), row.settle)}")

    def on_settled(self, settled: Settled) -> None:
        """Close what is held at the venue's price, and place nothing there any more."""
        index = settled.instrument
        if index == NO_INSTRUMENT or self._positions[index].settled_ticks is not None:
            return
        row, position = self._table[index], self._positions[index]
        step = Fraction(row.tick.step_mantissa, 10**row.tick.decimals)
        position.settle(Fraction(settled.mantissa, 10**settled.decimals) / step)
        self._pnl.on_settled(index)
        closed = f"{'-' if position.settled_lots < 0 else ''}"
        closed += row.size_text(abs(position.settled_lots))
        price = plain(format_decimal(settled.mantissa, settled.decimals))
        why = f"{row.symbol} has settled at {price} {row.quote}: the venue has closed {closed}"
        self._turn.halt_instrument(index, why, HaltKind.ENDED)
        self._turn.write()
