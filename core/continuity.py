"""From one boot to the next: writing checkpoints, and starting from the last one.

Here an engine's positions and unsettled orders become a note in the journal, and a note becomes
positions and doubted orders again. What the venue says of the time between is folded like any
other fact; until then nothing is placed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from core import checkpoint
from core.checkpoint import Checkpoint, NumberNote, OrderNote, PositionNote, Restored
from core.commands import OrderKind, Place, TimeInForce
from core.halts import HaltKind
from core.instrument import Instrument, InstrumentTable
from core.orders import Order, Orders
from core.position import Position
from core.proof import Proof
from core.recovery import Recovery
from core.units import NS_PER_S

PERIOD_NS = 10 * NS_PER_S
"""Between two notes. Recovery asks for what happened since, so this bounds a question, not a
loss."""


class Continuity:
    """Notes of this boot, and what the boot before has left."""

    def __init__(
        self,
        *,
        boot: int,
        table: InstrumentTable,
        positions: Sequence[Position],
        orders: Orders,
        proof: Proof,
        recovery: Recovery,
        placed: Callable[[bytes], Place | None],
        halt_instrument: Callable[[int, str, HaltKind], None],
        note: Callable[[bytes], None],
        log: Callable[[str], None],
    ) -> None:
        self._boot = boot
        self._table = table
        self._positions = positions
        self._orders = orders
        self._proof = proof
        self._recovery = recovery
        self._placed = placed
        self._halt_instrument = halt_instrument
        self._note = note
        self._log = log
        self._restored: Restored | None = None
        self.noted = False
        """Whether the next boot has anything to start from; nothing is placed before."""
        self._next_ns = 0

    # -- writing -------------------------------------------------------------------------------

    def step(self, now_ns: int) -> None:
        """Write a note when one is due."""
        if now_ns >= self._next_ns:
            self.write(now_ns)

    def write(self, now_ns: int) -> None:
        """Write a note now, if this boot has proved anything yet.

        Until then what the boots before have left is all there is, and the next boot needs it.
        """
        if not self._recovery.reconciled_once:
            return
        self.noted = True
        self._next_ns = now_ns + PERIOD_NS
        left = Checkpoint(
            boot=self._boot,
            time_ns=now_ns,
            positions=[self._position(row) for row in self._table],
            orders=[self._order(order) for order in self._orders.unsettled()],
        )
        self._note(checkpoint.PREFIX + checkpoint.encode(left))

    def numbered(self, order: Order) -> None:
        """Note the number that the venue has given an order."""
        note = NumberNote(
            symbol=self._table[order.instrument].symbol,
            client_order_id=order.client_order_id,
            venue_order_id=order.venue_order_id,
            side=order.side,
            price_ticks=order.price_ticks,
            size_lots=order.size_lots,
        )
        self._note(checkpoint.NUMBER + checkpoint.encode(note))

    def _position(self, row: Instrument) -> PositionNote:
        position = self._positions[row.index]
        return PositionNote(
            symbol=row.symbol,
            tick=row.tick.step,
            lot=row.lot.step,
            bought_lots=position.bought_lots,
            sold_lots=position.sold_lots,
            bought_quote_units=position.bought_quote_units,
            sold_quote_units=position.sold_quote_units,
            fees_atoms=position.fees_atoms,
            last_trade_id=self._recovery.last_trade(row.index),
            recent_buy_ids=position.recent_ids(True, checkpoint.RECENT_IDS),
            recent_sell_ids=position.recent_ids(False, checkpoint.RECENT_IDS),
        )

    def _order(self, order: Order) -> OrderNote:
        return OrderNote(
            symbol=self._table[order.instrument].symbol,
            client_order_id=order.client_order_id,
            venue_order_id=order.venue_order_id,
            side=order.side,
            price_ticks=order.price_ticks,
            size_lots=order.size_lots,
            filled_lots=order.filled_lots,
            traded_lots=order.traded_lots,
            trade_ids=sorted(order.trade_ids),
            sent_ns=order.sent_ns,
        )

    # -- restoring -----------------------------------------------------------------------------

    def keep(self, restored: Restored) -> None:
        """Remember what to start from, until the instruments are known."""
        self._restored = restored
        if not restored.clean:
            self._recovery.not_before(restored.ended_ns)

    def restore(self) -> None:
        """Start from what was kept: the instruments are known now."""
        restored, self._restored = self._restored, None
        if restored is None:
            return
        for note in restored.checkpoint.positions:
            row = self._table.find(note.symbol)
            if row is None:
                self._log(f"{note.symbol} is not traded any more; its position is left alone")
            elif (row.tick.step, row.lot.step) != (note.tick, note.lot):
                why = f"tick or lot was {note.tick} and {note.lot} when its position was noted"
                self._halt_instrument(row.index, why, HaltKind.GRID)
            else:
                self._restore_position(row.index, note)
        for order in restored.checkpoint.orders:
            self._restore_order(order)
        for number in restored.numbers:
            self._expect(number)
        self._doubt_sent(restored)
        self._tell(restored)

    def _restore_position(self, index: int, note: PositionNote) -> None:
        self._positions[index].restore(
            bought_lots=note.bought_lots,
            sold_lots=note.sold_lots,
            bought_quote_units=note.bought_quote_units,
            sold_quote_units=note.sold_quote_units,
            fees_atoms=note.fees_atoms,
            buy_ids=note.recent_buy_ids,
            sell_ids=note.recent_sell_ids,
        )
        ids = [*note.recent_buy_ids, *note.recent_sell_ids, note.last_trade_id + 1]
        self._recovery.resume_trades(index, min(ids) - 1)

    def _place(self, note: OrderNote | NumberNote) -> Place | None:
        """Return the order of a note, as far as that matters now."""
        row = self._table.find(note.symbol)
        if row is None:
            self._log(f"order {note.client_order_id} is on {note.symbol}, which is not traded")
            return None
        return Place(
            row.index,
            note.client_order_id,
            note.side,
            OrderKind.LIMIT,
            TimeInForce.GTC,
            note.price_ticks,
            note.size_lots,
        )

    def _expect(self, note: NumberNote) -> None:
        place = self._place(note)
        if place is not None:
            self._orders.expect(place, note.venue_order_id)

    def _doubt_sent(self, restored: Restored) -> None:
        """Doubt the orders sent after the checkpoint that nobody has told us the number of.

        One may have traded and be over since, under the name of somebody's cancel: it is in no
        list then, and only its own name finds it.
        """
        known = {note.client_order_id for note in restored.checkpoint.orders}
        known.update(note.client_order_id for note in restored.numbers)
        for request in restored.sent:
            place = self._placed(request)
            if place is not None and place.client_order_id not in known:
                order = self._orders.resume(place, restored.ended_ns, 0, 0, 0, ())
                self._orders.on_doubt(order)
                self._proof.doubt(place.client_order_id, 0)

    def _restore_order(self, note: OrderNote) -> None:
        place = self._place(note)
        if place is None:
            return
        order = self._orders.resume(
            place,
            note.sent_ns,
            note.venue_order_id,
            note.filled_lots,
            note.traded_lots,
            note.trade_ids,
        )
        self._orders.on_doubt(order)
        self._proof.doubt(note.client_order_id, 0)

    def _tell(self, restored: Restored) -> None:
        held = ", ".join(
            f"{row.symbol} {self._positions[row.index].lots} lots"
            for row in self._table
            if self._positions[row.index].lots
        )
        self._log(
            f"boot {restored.checkpoint.boot} {'left cleanly' if restored.clean else 'died'}: "
            f"position {held or 'flat'}, {len(restored.checkpoint.orders)} orders in doubt"
        )
