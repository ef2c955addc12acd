"""Executions: what the venue reports of our orders, and what follows from it.

Here a fact that the order table has folded moves the position, is told to the strategy, noted for
the next boot, doubted where fills are missing, and held against the daily loss. How facts fold
lives in ``core.orders``, what replies and silence prove in ``core.proof``.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.book import Book
from core.callbacks import Callbacks
from core.continuity import Continuity
from core.counts import Counts
from core.desk import TradingDesk
from core.events import NO_INSTRUMENT, Fill, OrderReport, UnknownExecution
from core.gate import Gate
from core.halts import HaltKind
from core.instrument import InstrumentTable
from core.ledger import Ledger
from core.orders import Folded, Order, Orders
from core.outbound import Outbound
from core.position import Position
from core.proof import Proof
from core.recovery import Recovery
from core.risk import Risk
from core.units import NS_PER_MS

UNBOOKED_NS = 500 * NS_PER_MS
"""How long the fills behind a cumulative count may take, before we ask for them."""


class Executions:
    """The executions of one run."""

    __slots__ = (
        "_books",
        "_callbacks",
        "_continuity",
        "_counts",
        "_desk",
        "_gate",
        "_ledger",
        "_orders",
        "_outbound",
        "_positions",
        "_proof",
        "_recovery",
        "_risk",
        "_table",
    )

    def __init__(
        self,
        *,
        table: InstrumentTable,
        books: Sequence[Book],
        positions: Sequence[Position],
        orders: Orders,
        ledger: Ledger,
        risk: Risk,
        outbound: Outbound,
        desk: TradingDesk,
        callbacks: Callbacks,
        proof: Proof,
        recovery: Recovery,
        continuity: Continuity,
        gate: Gate,
        counts: Counts,
    ) -> None:
        self._table = table
        self._books = books
        self._positions = positions
        self._orders = orders
        self._ledger = ledger
        self._risk = risk
        self._outbound = outbound
        self._desk = desk
        self._callbacks = callbacks
        self._proof = proof
        self._recovery = recovery
        self._continuity = continuity
        self._gate = gate
        self._counts = counts

    # -- facts ---------------------------------------------------------------------------------

    def on_report(self, report: OrderReport) -> None:
        folded = self._orders.on_report(report)
        if folded is None and report.instrument >= 0:
            folded = self._on_stranger(report)
        if folded is not None:
            self.settle(folded)

    def _on_stranger(self, report: OrderReport) -> Folded | None:
        """An order that the table does not hold: an earlier boot's is ours, all others are not."""
        if self._orders.is_ours(report.client_order_id):
            return self._orders.adopt(report)
        fills = self._orders.disown(report.instrument, report.venue_order_id)
        self._ledger.traded_by_others(self._table[report.instrument], report.side, fills)
        return None

    def on_unknown_execution(self, event: UnknownExecution) -> None:
        if self._orders.is_ours(event.client_order_id):
            self._recovery.on_stray(event)
        elif event.instrument == NO_INSTRUMENT:
            return  # others', on symbols that we know nothing of
        why = f"unknown execution type {event.what!r} for {event.client_order_id}"
        if event.instrument != NO_INSTRUMENT:
            self._gate.halt_instrument(event.instrument, why, HaltKind.CONTRADICTION)
        self._proof.doubt(event.client_order_id, self._desk.now_ns)

    # -- what follows --------------------------------------------------------------------------

    def settle(self, folded: Folded) -> None:
        """Move positions by new fills, and tell the strategy what changed."""
        order, callbacks = folded.order, self._callbacks
        if folded.numbered:
            self._continuity.numbered(order)
        if folded.contradiction:
            self._gate.halt_instrument(
                order.instrument, folded.contradiction, HaltKind.CONTRADICTION
            )
        for fill in folded.fills:
            if self._positions[order.instrument].on_fill(order.side, fill):
                self._counts.fills += 1
                self._recovery.on_fill(order.instrument, fill.trade_id)
                callbacks.due.append((callbacks.strategy.on_fill, order, fill))
        if folded.changed:
            callbacks.due.append((callbacks.strategy.on_order, order, None))
            if order.unbooked_lots:
                self._proof.doubt(order.client_order_id, self._desk.now_ns + UNBOOKED_NS)
        if folded.fills:
            self._refund(order, folded.fills)
            self.watch_profit()

    def _refund(self, order: Order, fills: Sequence[Fill]) -> None:
        """An order that trades for the first time, while it rests, costs no order any more.

        Of one that traded on arrival the venue's count tells, in the same reply.
        """
        if fills[0].maker and order.traded_lots == sum(fill.lots for fill in fills):
            self._outbound.traded(self._desk.now_ns)

    def watch_profit(self) -> None:
        """Hold each instrument's profit against its daily loss."""
        for index in range(len(self._books)):
            profit = self.profit(index)
            if profit is not None and self._risk.on_profit(index, profit, self._desk.now_ns):
                self._gate.halt(self._risk.halted, HaltKind.DAILY_LOSS)

    def profit(self, index: int) -> int | None:
        """Return an instrument's profit in quote units, less fees in its own two assets.

        ``None`` while there is no price to value the position at.
        """
        book, instrument, position = self._books[index], self._table[index], self._positions[index]
        if not (book.live and book.bid_lots and book.ask_lots):
            return None
        mark_ticks = (book.bid_ticks + book.ask_ticks) // 2
        fees = position.fees_atoms
        paid = instrument.worth(
            fees.get(instrument.quote, 0), fees.get(instrument.base, 0), mark_ticks
        )
        return position.profit(mark_ticks) - paid
