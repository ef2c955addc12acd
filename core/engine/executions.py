"""Executions: what the venue reports of our orders, and what follows from it.

Here an order update moves the position, is told to the strategy, noted for the next boot, queried
where fills are missing, and checked against the day's loss. How events are applied lives in
``core.state.orders``, what replies and silence prove in ``core.engine.resolution``. What is
reported of others' orders moves no position of ours: it is counted in the ledger, and told once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from core.engine.continuity import Continuity
from core.engine.desk import TradingDesk
from core.engine.ledger import Ledger
from core.engine.outbound import Outbound
from core.engine.pnl import PnL
from core.engine.recovery import Recovery
from core.engine.resolution import Resolution
from core.engine.turn import Turn
from core.model.events import (
    NO_INSTRUMENT,
    ExecType,
    Fill,
    Ignored,
    OffGridTrade,
    OrderReport,
    OrderUpdate,
    OrdStatus,
    Side,
    UnknownExecution,
)
from core.model.halts import HaltKind
from core.model.instrument import Instrument, InstrumentTable
from core.model.strategy import Strategy
from core.model.units import NS_PER_MS
from core.model.wording import order_text
from core.state.counts import Counts
from core.state.orders import Applied, Order, Orders
from core.state.others import Others, amount, clock
from core.state.position import Position

UNBOOKED_NS = 500 * NS_PER_MS
"""How long the fills behind a cumulative count may take, before we request them."""


class Executions:
    """The executions of one run."""

    __slots__ = (
        "_continuity",
        "_counts",
        "_desk",
        "_ledger",
        "_log",
        "_orders",
        "_others",
        "_outbound",
        "_pnl",
        "_positions",
        "_recovery",
        "_resolution",
        "_strategy",
        "_table",
        "_turn",
        "_whose",
    )

    def __init__(
        self,
        *,
        table: InstrumentTable,
        positions: Sequence[Position],
        orders: Orders,
        ledger: Ledger,
        others: Others,
        pnl: PnL,
        outbound: Outbound,
        turn: Turn,
        desk: TradingDesk,
        strategy: Strategy[Any],
        resolution: Resolution,
        recovery: Recovery,
        continuity: Continuity,
        counts: Counts,
        log: Callable[[str], None],
    ) -> None:
        self._table = table
        self._positions = positions
        self._orders = orders
        self._ledger = ledger
        self._others = others
        self._log = log
        self._whose: dict[tuple[int, str], OffGridTrade] = {}
        """Trades off the grid, by instrument and id, that may be of an order of ours whose number
        nobody has told yet: such orders are few, and each is queried."""
        self._pnl = pnl
        self._outbound = outbound
        self._turn = turn
        self._desk = desk
        self._strategy = strategy
        self._resolution = resolution
        self._recovery = recovery
        self._continuity = continuity
        self._counts = counts

    # -- events --------------------------------------------------------------------------------

    def on_report(self, report: OrderReport) -> None:
        applied = self._orders.on_report(report)
        if applied is None and report.instrument >= 0:
            applied = self._on_stranger(report)
        if applied is not None:
            self.apply(applied)

    def on_update(self, update: OrderUpdate) -> None:
        """What is left out is as it was. Of an order that is not known, or not by its number yet,
        nothing can be applied: those without one are queried.
        """
        report = self._orders.whole(update)
        if report is not None:
            self.on_report(report)
            return
        self._counts.on_ignored(Ignored("update of an order that is not known"))
        for order in self._orders.open():
            if not order.venue_order_id:
                self._resolution.resolve(order.client_order_id, self._turn.now_ns)

    def _on_stranger(self, report: OrderReport) -> Applied | None:
        """An order that the table does not hold: an earlier boot's is ours, all others are not."""
        if self._orders.is_ours(report.client_order_id):
            return self._adopt(report)
        row = self._table[report.instrument]
        for trade in self._orders.disown(report.instrument, report.venue_order_id):
            self._traded_by_others(row, trade.side, trade.fill)
        for fill in report.fills:
            if not fill.listed:
                self._traded_by_others(row, report.side, fill)
        if report.exec_type is ExecType.NEW:
            what = (
                f"order {report.client_order_id} to {'buy' if report.side > 0 else 'sell'} "
                f"{row.lot.text(report.size_lots)} {row.symbol} at "
                f"{row.tick.text(report.price_ticks)}"
            )
            self._others.saw(f"orders on {row.symbol}", what, self._turn.now_ns)
        return None

    def _adopt(self, report: OrderReport) -> Applied:
        applied = self._orders.adopt(report)
        of_this_boot = self._orders.is_of_this_boot(report.client_order_id)
        return replace(applied, reappeared=of_this_boot and not applied.order.state.terminal)

    def _traded_by_others(self, row: Instrument, side: Side, fill: Fill) -> None:
        if self._ledger.traded_by_others(row, side, fill):
            size, price = row.lot.text(fill.lots), row.tick.text(fill.price_ticks)
            self._tell_trade(row, side, f"{size} {row.symbol} at {price}", fill.venue_ns)

    def on_off_grid(self, trade: OffGridTrade) -> None:
        """A trade was found by asking that today's grid cannot express."""
        row, position = self._table[trade.instrument], self._positions[trade.instrument]
        if position.knows(trade.side, trade.trade_id, trade.rank):
            return  # an earlier boot has counted it, on the grid of then
        index, number = trade.instrument, trade.venue_order_id
        if self._orders.by_venue_id(index, number) is not None:
            why = (
                f"trade {trade.trade_id} of ours is off today's grid: no position counts it. Set "
                "what is held (hotloop position), then resume"
            )
            self._turn.halt_instrument(index, why, HaltKind.RECORD)
        elif self._orders.may_be_of_unnumbered(index, trade.side):
            self._whose[index, trade.trade_id] = trade
        elif self._ledger.traded_off_grid(row, trade):
            what = (
                f"{amount(trade.base_atoms)} {row.base} for {amount(trade.quote_atoms)} "
                f"{row.quote}, off today's grid of {row.symbol},"
            )
            self._tell_trade(row, trade.side, what, trade.venue_ns)

    def _tell_trade(self, row: Instrument, side: Side, what: str, venue_ns: int) -> None:
        text = f"{'bought' if side > 0 else 'sold'} {what} at {clock(venue_ns)}"
        self._others.saw(f"trades of {row.symbol}", text, self._turn.now_ns)

    def _look_whose_again(self) -> None:
        """The number of an order is told, or that there is none of it: its trades can be told."""
        trades, self._whose = self._whose, {}
        for trade in trades.values():
            self.on_off_grid(trade)

    def on_unknown_execution(self, event: UnknownExecution) -> None:
        name, index, orders = event.client_order_id, event.instrument, self._orders
        found = orders.find(name) or orders.by_venue_id(index, event.venue_order_id)
        ours = orders.is_ours(name)
        why = f"unknown execution type {event.what!r} for {name}"
        if found is None and not ours:
            self._counts.on_ignored(Ignored("execution of others that cannot be read"))
            if index != NO_INSTRUMENT:
                row = self._table[index]
                self._others.saw(f"orders on {row.symbol}", why, self._turn.now_ns)
                for trade in orders.disown(index, event.venue_order_id):
                    self._traded_by_others(row, trade.side, trade.fill)
            return
        if ours:
            self._recovery.on_stray(event)
        if found is not None and event.status is not None:
            self._on_unread(found, event.status, event)
            return
        if index != NO_INSTRUMENT:
            self._turn.halt_instrument(index, why, HaltKind.CONTRADICTION)
        self._resolution.resolve(
            name if found is None else found.client_order_id, self._turn.now_ns
        )

    def _on_unread(self, order: Order, status: OrdStatus, event: UnknownExecution) -> None:
        """An order of ours stands off today's grid, from before that was made coarser: it is to go.

        How it stands can be told, and so can its trades, each for itself.
        """
        self.apply(self._orders.on_unread(order, status, event.venue_order_id))
        if not order.state.terminal:
            what = f"order {order.client_order_id} of ours is off today's grid: {event.what}"
            self._turn.halt_instrument(order.instrument, what, HaltKind.CONTRADICTION)
            self._desk.force_cancel_order(order)
            self._resolution.resolve(order.client_order_id, self._turn.now_ns)

    # -- what follows --------------------------------------------------------------------------

    def apply(self, applied: Applied) -> None:
        """Move positions by new fills, and tell the strategy what changed."""
        order = applied.order
        if applied.numbered:
            self._numbered(order)
            self._desk.stands(order)
        if applied.contradiction:
            why = f"{order_text(self._table[order.instrument], order)}: {applied.contradiction}"
            self._turn.halt_instrument(order.instrument, why, HaltKind.CONTRADICTION)
        if applied.reappeared:
            self._reappeared(order)
        if self._whose:
            self._look_whose_again()
        if not applied.changed:
            return
        # A strategy knows nothing of a symbol that its configuration leaves out.
        tells = not self._table[order.instrument].carried
        counted = self._book(order, applied.fills, tells=tells) if applied.fills else []
        if tells:
            self._turn.callbacks.append((self._strategy.on_order, order, None))
        if order.unbooked_lots:
            self._resolution.resolve(order.client_order_id, self._turn.now_ns + UNBOOKED_NS)
        if applied.fills:
            self._refund(order, applied.fills)
            self._pnl.on_fills(order.instrument, order.side, counted, adopted=order.adopted)

    def _book(self, order: Order, fills: Sequence[Fill], *, tells: bool) -> list[Fill]:
        """Move the position by new fills; return those that were not counted before.

        Of an order that no note of ours tells of, those of before the position was begun or set
        are not for it, however late a history shows them.
        """
        position = self._positions[order.instrument]
        renumbered = position.renumbered
        since_ns = position.since_ns if order.adopted else 0
        counted = []
        for fill in fills:
            if 0 < fill.venue_ns <= since_ns:
                continue
            if position.on_fill(order.side, fill):
                counted.append(fill)
                self._counts.fills += 1
                self._ledger.traded(self._table[order.instrument], order.side, fill)
                self._recovery.on_fill(order.instrument, fill)
                if tells:
                    self._turn.callbacks.append((self._strategy.on_fill, order, fill))
        position.close_settled()
        if position.renumbered != renumbered:
            self._begun_anew(order.instrument, "trades")
        return counted

    def _refund(self, order: Order, fills: Sequence[Fill]) -> None:
        """An order that trades for the first time, while it rests, costs no order any more.

        Of one that traded on arrival the venue's count tells, in the same reply.
        """
        if fills[0].maker and order.traded_lots == sum(fill.lots for fill in fills):
            self._outbound.traded(self._turn.now_ns)

    def _numbered(self, order: Order) -> None:
        """The venue has told its id of an order; it may say that ids begin anew."""
        number, now_ns = order.venue_order_id, self._turn.now_ns
        if not self._orders.rises(order, now_ns):
            self._positions[order.instrument].begin_anew()
            self._begun_anew(order.instrument, "orders")
            self._orders.begin_with(order, number, now_ns)
        self._continuity.numbered(order)

    def _reappeared(self, order: Order) -> None:
        """An order that was proved absent is there after all: it counts again, and is to go."""
        text = order_text(self._table[order.instrument], order)
        self._log(f"ALARM: an order that the venue did not know appears after all: {text}")
        self._desk.force_cancel_order(order)

    def _begun_anew(self, instrument: int, what: str) -> None:
        """The venue was set up anew: what is counted from now on has new numbers."""
        symbol = self._table[instrument].symbol
        self._orders.renumber(instrument)
        self._ledger.renumber(instrument)
        self._recovery.begin_anew(instrument)
        self._turn.halt(
            f"the venue numbers its {what} on {symbol} from the beginning again, as after a reset: "
            "what we hold there is to be looked at; `resume` takes the venue's balances for right",
            HaltKind.LEDGER,
        )

    def numbers_begin_anew(self, instrument: int) -> None:
        """The venue's history does not have what it has told us of our trades."""
        self._positions[instrument].begin_anew()
        self._begun_anew(instrument, "trades")

    def pnl(self, index: int) -> int | None:
        """Return an instrument's PnL: see ``PnL.of``."""
        return self._pnl.of(index)
