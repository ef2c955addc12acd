"""From one boot to the next: writing checkpoints, and starting from the last one.

Here an engine's positions and unsettled orders become a note in the journal, and a note becomes
positions and orders in doubt again. What the venue says of the time between is applied like any
other event; until then nothing is placed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import UNSET
from msgspec.structs import replace

from core.engine import checkpoint
from core.engine.checkpoint import (
    LASTING,
    UNLESS_STOPPED,
    AcknowledgementNote,
    Checkpoint,
    Day,
    HaltNote,
    OrderNote,
    PositionNote,
    Regrid,
    Restored,
    is_of_other_terms,
    under,
)
from core.engine.ledger import Ledger
from core.engine.recovery import Recovery
from core.engine.resolution import Resolution
from core.engine.turn import Baseline, Recorder, Turn
from core.model.commands import Place
from core.model.errors import OffGrid
from core.model.halts import WHOLE_RUN, Halt, HaltKind
from core.model.instrument import Instrument, InstrumentTable
from core.model.units import NS_PER_S, Grid
from core.state.journal import Journal, Kind
from core.state.orders import Order, Orders
from core.state.position import Position
from core.state.venue_clock import VenueClock

PERIOD_NS = 10 * NS_PER_S
"""Between two notes. Recovery queries what happened since, so this bounds a query, not a
loss."""

SOON_NS = NS_PER_S
"""From one note to the next where something was told that nobody tells again."""

_NOTE = Kind.NOTE  # bound once: every order's number is noted

NOTED = LASTING + UNLESS_STOPPED


class Continuity:
    """Notes of this boot, and what the boot before has left."""

    def __init__(
        self,
        *,
        boot: int,
        table: InstrumentTable,
        positions: Sequence[Position],
        orders: Orders,
        resolution: Resolution,
        recovery: Recovery,
        clock: VenueClock,
        placed: Callable[[bytes], tuple[Place, ...]],
        shared: bool,
        ledger: Ledger,
        turn: Turn,
        recorder: Recorder,
        journal: Journal,
        log: Callable[[str], None],
    ) -> None:
        self._boot = boot
        self._table = table
        self._positions = positions
        self._orders = orders
        self._resolution = resolution
        self._recovery = recovery
        self._clock = clock
        self._placed = placed
        self._shared = shared
        self._ledger = ledger
        self._turn = turn
        self._recorder = recorder
        self._journal = journal
        self._segment = 0
        """Of the journal, in which the last note is."""
        self._log = log
        self._restored: Restored | None = None
        self._is_restored = False
        """Whether what was kept is in force: the instruments are known."""
        self._unknown: list[PositionNote] = []
        """Positions on symbols that are not in the table: handed on as they are."""
        self._uncounted: dict[int, PositionNote] = {}
        """Positions of which today's grid cannot tell the size: handed on as they are, too."""
        self._undated: list[tuple[Order, int]] = []
        """Orders of the boot before, and the venue's time when each was sent, until its clock is
        known."""
        self._set: dict[int, PositionNote] = {}
        """What the operator has set, until it is known as of which trade."""
        self.noted = False
        """Whether the next boot has anything to start from; nothing is placed before."""
        self._next_ns = self._noted_ns = 0

    # -- writing -------------------------------------------------------------------------------

    def step(self, now_ns: int) -> None:
        """Have a note written when one is due: in each segment of the journal is one.

        Older segments may be deleted at any time, and what the next boot needs with them. What
        nobody tells again, a payment, does not wait for its turn.
        """
        self._date()
        if self._ledger.unnoted:
            self._next_ns = min(self._next_ns, self._noted_ns + SOON_NS)
        if now_ns >= self._next_ns or self._journal.segment != self._segment:
            self._turn.write()

    def hand_on(self) -> None:
        """Write on what the boots before have left: this one has proved nothing yet.

        It is all there is, and the next boot needs it in whatever segment of the journal it looks.
        """
        if self._restored is not None and self._journal.segment != self._segment:
            self._keep(checkpoint.RESTORED + checkpoint.encode(self._restored))

    def write(self, now_ns: int, *, halts: Sequence[Halt], day: Day) -> None:
        """Write what the next boot starts from, with what halts and the result of the day.

        Not before this boot has proved anything: until then it is ``hand_on`` that is due.
        """
        self._restored = None
        self.noted = True
        self._noted_ns, self._next_ns = now_ns, now_ns + PERIOD_NS
        left = Checkpoint(
            boot=self._boot,
            time_ns=now_ns,
            positions=[*(self._position(row) for row in self._table), *self._unknown],
            halts=self._lasting(halts),
            clock_offset_ns=self._clock.offset_ns,
            orders=[self._order(order) for order in self._orders.unsettled()],
            ledger={} if self._shared else self._openings(),
            ledger_opened_ns={} if self._shared else self._ledger.opened_ns(),
            day=day,
        )
        self._ledger.unnoted = False
        self._keep(checkpoint.PREFIX + checkpoint.encode(left))

    def said(self, halts: Sequence[Halt]) -> None:
        """The operator has spoken, or something has halted for longer than this boot, before it has
        proved anything: that outlives what kills us.

        What halts by now is noted beside what the boots before have left.
        """
        found = self._restored or _NOTHING
        to_come = [] if self._is_restored else found.halts
        self._restored = replace(found, said=[*to_come, *self._lasting(halts)])
        self._keep(checkpoint.RESTORED + checkpoint.encode(self._restored))

    def _lasting(self, halts: Sequence[Halt]) -> list[HaltNote]:
        return [self._halt_note(halt) for halt in halts if halt.kind in NOTED]

    def _openings(self) -> dict[str, int]:
        """Return the ledger's openings, without what was traded on symbols that are handed on."""
        handed_on = self._handed_on_flow()
        openings = self._ledger.openings()
        return {asset: atoms - handed_on.get(asset, 0) for asset, atoms in openings.items()}

    def _handed_on_flow(self) -> dict[str, int]:
        """Return what positions that are handed on as they are have made of each asset."""
        flows: dict[str, int] = {}
        for note in [*self._unknown, *self._uncounted.values()]:
            for asset, atoms in note.flow_atoms.items():
                flows[asset] = flows.get(asset, 0) + atoms
        return flows

    def _keep(self, note: bytes) -> None:
        """Write what the next boot starts from, and have it kept."""
        self._recorder.record(_NOTE, 0, note)
        self._journal.hold()
        self._segment = self._journal.segment

    def numbered(self, order: Order) -> None:
        """Note the number that the venue has given an order."""
        row = self._table[order.instrument]
        note = AcknowledgementNote(
            symbol=row.symbol,
            tick=row.tick.step,
            lot=row.lot.step,
            client_order_id=order.client_order_id,
            venue_order_id=order.venue_order_id,
            side=order.side,
            price_ticks=order.price_ticks,
            size_lots=order.size_lots,
            kind=order.kind,
            tif=order.tif,
            adopted=order.adopted,
        )
        self._recorder.record(_NOTE, 0, checkpoint.NUMBER + checkpoint.encode(note))

    def _position(self, row: Instrument) -> PositionNote:
        if row.index in self._uncounted:
            return self._uncounted[row.index]
        position, settled = self._positions[row.index], self._recovery.last_trade(row.index)
        buys = _noted_ids(position.count_above(True, settled.rank))
        sells = _noted_ids(position.count_above(False, settled.rank))
        others = _noted_ids(self._ledger.count_above(row.index, settled.rank))
        return PositionNote(
            symbol=row.symbol,
            tick=row.tick.step,
            lot=row.lot.step,
            bought_lots=position.bought_lots,
            sold_lots=position.sold_lots,
            bought_value=position.bought_value,
            sold_value=position.sold_value,
            fees_atoms=position.fees_atoms,
            settled=None if row.index in self._set else settled,
            recent_buys=position.recent(True, buys),
            recent_sells=position.recent(False, sells),
            newest=position.newest,
            newest_order=self._orders.newest(row.index),
            recent_others=self._ledger.recent(row.index, others),
            buy_floor=position.floor_under(True, buys),
            sell_floor=position.floor_under(False, sells),
            others_floor=self._ledger.floor_under(row.index, others),
            flow_atoms=self._ledger.flow(row),
            since_ns=max(position.since_ns, position.anew_ns),
            funding_atoms=position.funding_atoms,
            recent_fundings=position.fundings(checkpoint.RECENT_IDS),
            fundings_floor=position.fundings_floor(checkpoint.RECENT_IDS),
            terms=row.contract.terms or UNSET,
        )

    def _order(self, order: Order) -> OrderNote:
        row = self._table[order.instrument]
        return OrderNote(
            symbol=row.symbol,
            tick=row.tick.step,
            lot=row.lot.step,
            client_order_id=order.client_order_id,
            venue_order_id=order.venue_order_id,
            side=order.side,
            price_ticks=order.price_ticks,
            size_lots=order.size_lots,
            placed_lots=order.placed_lots,
            filled_lots=order.filled_lots,
            traded_lots=order.traded_lots,
            trade_ids=sorted(order.trade_ids),
            sent_ns=order.sent_ns,
            kind=order.kind,
            tif=order.tif,
        )

    def _halt_note(self, halt: Halt) -> HaltNote:
        whole = halt.instrument == WHOLE_RUN
        symbol = "" if whole else self._table[halt.instrument].symbol
        return HaltNote(kind=halt.kind, symbol=symbol, why=halt.why)

    # -- restoring -----------------------------------------------------------------------------

    def keep(self, restored: Restored) -> None:
        """Remember what to start from, until the instruments are known."""
        self._restored = restored
        self._recovery.inherits = not restored.clean
        # The word that brought it is in our own journal.
        self._journal.hold()
        self._segment = self._journal.segment

    def restore(self, now_ns: int) -> Checkpoint | None:
        """Start from what was kept: the instruments are known now. Returns it, as it was noted.

        It is kept on, for the notes of a boot that proves nothing. What cannot be restored is said
        here, before anything is placed. The orders follow with ``restore_orders``.
        """
        restored, self._is_restored = self._restored, True
        if restored is None:
            return None
        left = restored.checkpoint
        if not restored.clean:
            self._wait(restored, now_ns)
        for note in left.positions:
            row = self._table.find(note.symbol)
            if row is None:
                self._hand_on(note)
            else:
                self._restore_position(row, note)
                self._orders.expect_above(row.index, note.newest_order, now_ns)
        for row in self._table:
            if row.carried:
                self._carry(row)
        return left

    def restore_orders(self, now_ns: int) -> None:
        """Go on with the orders that were left, and with all that halts; positions are there."""
        restored = self._restored
        if restored is None:
            return
        left = restored.checkpoint
        for order in left.orders:
            self._restore_order(order, restored, now_ns)
        for number in restored.numbers:
            self._restore_number(number, restored, now_ns)
        # What the operator has set is another position: what there was without it is taken anew.
        anew = {asset for index, note in self._set.items() for asset in self._moved_by(index, note)}
        there = self._handed_on_flow()  # for this boot it was always there
        self._ledger.restore(
            {k: atoms + there.get(k, 0) for k, atoms in left.ledger.items() if k not in anew},
            left.ledger_opened_ns,
        )
        self._resolve_sent(restored, now_ns)
        self._date()
        self._tell(restored)
        for halt in restored.halts:
            self._halt_again(halt)
        if restored.damage:
            why = (
                f"the journal is damaged since its last checkpoint ({restored.damage}): trades "
                "that it told of may be missing. Hold the position against the venue's, set it "
                "(hotloop position), then resume (hotloop ctl resume)"
            )
            self._turn.halt(why, HaltKind.RECORD)

    def _wait(self, restored: Restored, now_ns: int) -> None:
        """Have the requests that a dead boot sent last expire before anything is proved.

        Its clock may have been another than ours: what both share is the venue's. Where that is not
        known, and where its times cannot be, all of the time is waited from now on.
        """
        ended_ns = now_ns
        if self._clock.known and restored.ended_ns:
            moved_ns = restored.checkpoint.clock_offset_ns - self._clock.offset_ns
            ended_ns = min(restored.ended_ns + moved_ns, now_ns)
        boot = f"boot {restored.checkpoint.boot} did not leave in order"
        expired_ns = self._recovery.not_before(ended_ns, all_named=not restored.damage)
        if expired_ns is None:
            self._log(
                f"{boot}, and what it sent last the venue may accept at any time: an order of it "
                "that the venue does not tell of stays in doubt"
            )
        elif expired_ns > now_ns:
            self._log(
                f"{boot}: waiting {(expired_ns - now_ns) / NS_PER_S:.1f} s, until what it sent "
                "last can no longer be accepted"
            )

    def _note_sent(self, order: Order, sent_ns: int, restored: Restored) -> None:
        """Note when an order was sent, by the clock of the boot before; 0 where nothing says that.

        It was not after the last that was heard of that boot. The proof of its absence goes on from
        there, and does not begin anew in each boot that is left before it comes.
        """
        if restored.ended_ns:
            told_ns = min(sent_ns or restored.ended_ns, restored.ended_ns)
            self._undated.append((order, told_ns + restored.checkpoint.clock_offset_ns))

    def _date(self) -> None:
        """Say by our clock when the orders of the boot before were sent, once that is known.

        Until then they count as sent when they were taken over, which is later.
        """
        if not self._undated or not self._clock.known:
            return
        for order, venue_ns in self._undated:
            order.sent_ns = min(order.sent_ns, venue_ns - self._clock.offset_ns)
        self._undated.clear()

    def _moved_by(self, instrument: int, note: PositionNote) -> list[str]:
        """Return the assets of which a position that was set has had a part, fees included."""
        row = self._table[instrument]
        return [row.base, row.quote, *note.flow_atoms]

    def _hand_on(self, note: PositionNote) -> None:
        self._unknown.append(note)
        if note.lots:
            self._log(
                f"{note.symbol} is not in the configuration, and the venue tells no rules of it: "
                f"its position of {_size(note)} is noted on, and nothing is done about it"
            )

    def _carry(self, row: Instrument) -> None:
        """Name what is left on a symbol that we do not trade, and have it cancelled."""
        lots = self._positions[row.index].lots
        size = f"{'-' if lots < 0 else ''}{row.lot.text(abs(lots))}"
        why = (
            f"left out of the configuration: its position of {size} {row.base} is "
            "counted on, orders on it are taken out, and none are placed"
        )
        self._turn.halt_instrument(row.index, why, HaltKind.CARRIED)

    def _halt_again(self, note: HaltNote) -> None:
        row = self._table.find(note.symbol)
        if not note.symbol:
            self._turn.halt(note.why, note.kind)
        elif row is not None:
            self._turn.halt_instrument(row.index, note.why, note.kind)

    def _restore_position(self, row: Instrument, note: PositionNote) -> None:
        if is_of_other_terms(note, row.contract):
            self._unknown_cost(row, note)
            return
        regrid = Regrid(note, row)
        if regrid.needed:
            grid = (
                f"{row.symbol} had tick {note.tick} and lot {note.lot} when its position was noted"
            )
            try:
                note, exact = regrid.position(note)
            except OffGrid:
                self._unknown_size(row, note, grid)
                return
            self._log(f"{grid}: counted in today's {row.tick.step} and {row.lot.step}")
            if not exact:
                why = f"{grid}, and what it has cost is no whole number in today's"
                self._turn.halt_instrument(row.index, why, HaltKind.GRID)
        note = under(note, row.contract)
        self._take_over(row.index, note)
        if note.settled is None:
            self._set[row.index] = note
            return
        self._ledger.resume(row.index, note.recent_others, note.others_floor)
        self._recovery.resume_trades(row.index, note.settled, note.newest)

    def _take_over(self, instrument: int, note: PositionNote) -> None:
        self._positions[instrument].restore(
            bought_lots=note.bought_lots,
            sold_lots=note.sold_lots,
            bought_value=note.bought_value,
            sold_value=note.sold_value,
            fees_atoms=note.fees_atoms,
            buys=note.recent_buys,
            sells=note.recent_sells,
            newest=note.newest,
            buy_floor=note.buy_floor,
            sell_floor=note.sell_floor,
            since_ns=note.since_ns,
        )
        self._positions[instrument].restore_fundings(
            note.funding_atoms, note.recent_fundings, note.fundings_floor
        )

    def on_baseline(self, baseline: Baseline) -> None:
        """The newest trade is known behind which trades are counted, ``None`` where there is none.

        What the operator has set is as of then: every trade up to it is in it. So is what was
        traded before and is shown late: a history may lag.
        """
        instrument, newest, as_of_ns = baseline
        self._positions[instrument].since_ns = as_of_ns
        note = self._set.pop(instrument, None)
        if note is not None:
            known = {} if newest is None else {newest.trade_id: newest.rank}
            as_of = replace(
                note,
                recent_buys=known,
                recent_sells=known,
                newest=None,
                buy_floor=None,
                sell_floor=None,
                since_ns=as_of_ns,
            )
            self._take_over(instrument, as_of)

    def _unknown_size(self, row: Instrument, note: PositionNote, grid: str) -> None:
        """A position is no whole number of today's lots: only a person can say what is held.

        Until then it is noted on as it is, so that every start says so, or counts it again.
        """
        self._uncounted[row.index] = note
        why = (
            f"{grid}: its position of {_size(note)} is no whole number of today's "
            f"{row.lot.step}. Set it (hotloop position), and start again"
        )
        self._turn.halt_instrument(row.index, why, HaltKind.GRID)

    def _unknown_cost(self, row: Instrument, note: PositionNote) -> None:
        """A position was counted by other terms than today's: only a person can say what it cost.

        It is noted on as it is, likewise.
        """
        self._uncounted[row.index] = note
        before, today = note.terms or "delivered", row.contract.terms or "delivered"
        why = (
            f"{row.symbol} was {before} when its position of {_size(note)} was noted, and is "
            f"{today}: what it has cost is not known. Set it (hotloop position), and start again"
        )
        self._turn.halt_instrument(row.index, why, HaltKind.GRID)

    def _row(self, symbol: str, client_order_id: str) -> Instrument | None:
        row = self._table.find(symbol)
        if row is None:
            self._log(f"order {client_order_id} is on {symbol}, of which the venue tells no rules")
        return row

    def _restore_number(self, note: AcknowledgementNote, restored: Restored, now_ns: int) -> None:
        """Resolve an order that was placed after the checkpoint, of which the number is noted.

        It may have traded, and a history of trades may lag: it is queried by its number until
        what it has filled is what it has traded.
        """
        row = self._row(note.symbol, note.client_order_id)
        if row is None:
            return
        self._orders.expect_above(row.index, note.venue_order_id, now_ns)
        found = Regrid(note, row).number(note)
        if self._orders.find(note.client_order_id) is None:
            sent_ns = 0 if note.adopted else now_ns
            place = _place(row, found)
            order = self._orders.resume(place, sent_ns, note.venue_order_id, 0, 0, ())
            if not order.adopted:
                self._note_sent(order, 0, restored)
        self._resolution.resolve(note.client_order_id, 0)

    def _resolve_sent(self, restored: Restored, now_ns: int) -> None:
        """Resolve the orders sent after the checkpoint that nobody has told us the number of.

        One may have traded and be over since, under the name of somebody's cancel: it is in no
        list then, and only its own name finds it.
        """
        known = {note.client_order_id for note in restored.checkpoint.orders}
        known.update(note.client_order_id for note in restored.numbers)
        for place in (place for request in restored.sent for place in self._placed(request)):
            if place.client_order_id not in known:
                order = self._orders.resume(place, now_ns, "", 0, 0, ())
                self._note_sent(order, 0, restored)
                self._orders.on_doubt(order)
                self._resolution.resolve(place.client_order_id, 0)

    def _restore_order(self, note: OrderNote, restored: Restored, now_ns: int) -> None:
        row = self._row(note.symbol, note.client_order_id)
        if row is None:
            return
        found = Regrid(note, row).order(note)
        order = self._orders.resume(
            _place(row, found),
            now_ns if note.sent_ns else 0,
            note.venue_order_id,
            found.filled_lots,
            found.traded_lots,
            note.trade_ids,
            found.placed_lots,
        )
        if not order.adopted:
            self._note_sent(order, note.sent_ns, restored)
        self._orders.on_doubt(order)
        self._resolution.resolve(note.client_order_id, 0)

    def _tell(self, restored: Restored) -> None:
        held = ", ".join(
            f"{row.symbol} {row.size_text(self._positions[row.index].lots)}"
            for row in self._table
            if self._positions[row.index].lots
        )
        self._log(
            f"boot {restored.checkpoint.boot} {'left cleanly' if restored.clean else 'died'}: "
            f"position {held or 'flat'}, {len(self._orders)} orders in doubt"
        )


_NOTHING = Restored(
    checkpoint=Checkpoint(boot=0, time_ns=0, positions=[], orders=[]), ended_ns=0, clean=True
)
"""What a boot starts from in a folder in which nothing is."""


def _noted_ids(unsettled: int) -> int:
    """Return how many of the newest ids are noted, where so many are not final."""
    return min(max(unsettled, checkpoint.RECENT_IDS), checkpoint.MAX_IDS)


def _place(row: Instrument, note: OrderNote | AcknowledgementNote) -> Place:
    return Place(
        row.index,
        note.client_order_id,
        note.side,
        note.kind,
        note.tif,
        note.price_ticks,
        note.size_lots,
    )


def _size(note: PositionNote) -> str:
    """Return the size of a position as people write it."""
    return f"{'-' if note.lots < 0 else ''}{Grid(note.lot).text(abs(note.lots))}"
