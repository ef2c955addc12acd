"""Continuity by itself: a note of what a boot leaves, and what the next one makes of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from msgspec.structs import replace

from core.engine import checkpoint
from core.engine.checkpoint import AcknowledgementNote, Checkpoint, Day, Restored
from core.engine.continuity import PERIOD_NS, Continuity
from core.engine.ledger import Ledger
from core.engine.turn import Baseline, Recorder, Turn
from core.model.commands import BEGINNING, OrderKind, Place, Since, TimeInForce
from core.model.events import ExecType, Fill, OrderReport, OrdStatus, Side, Source
from core.model.halts import WHOLE_RUN, Halt, HaltKind
from core.model.instrument import Instrument, InstrumentTable
from core.model.units import NS_PER_S, Grid
from core.state.journal import MemoryJournal
from core.state.orders import Orders
from core.state.position import Position
from core.state.venue_clock import VenueClock
from tests.strategies.desk import instrument
from venues.kit.names import Prefixed

NOW_NS = 1_000 * NS_PER_S
DAY = Day(book_id="book", symbols=[])
LEDGER = Halt(WHOLE_RUN, HaltKind.LEDGER, "the ledgers differ")
WEATHER = Halt(WHOLE_RUN, HaltKind.NOT_VALUED, "there is no price")


class Rig:
    """One boot on one instrument; what it doubts and what it goes on from is noted."""

    def __init__(self, row: Instrument | None = None, boot: int = 1) -> None:
        self.turn, self.journal, self.position = (
            Turn(NOW_NS),
            MemoryJournal(),
            Position(instrument().contract),
        )
        self.orders = Orders(Prefixed("ours-", boot))
        self.doubted: list[str] = []
        self.settled: list[Since] = []
        self.log: list[str] = []
        table = InstrumentTable([row or instrument()])
        self.recovery = SimpleNamespace(
            reconciled_once=True,
            inherits=False,
            last_trade=lambda index: BEGINNING,
            resume_trades=lambda index, settled, newest: self.settled.append(settled),
            not_before=lambda ended_ns, all_named: 0,
        )
        parts: dict[str, Any] = {
            "resolution": SimpleNamespace(resolve=lambda name, now_ns: self.doubted.append(name)),
            "recovery": self.recovery,
        }
        self.continuity = Continuity(
            boot=boot,
            table=table,
            positions=[self.position],
            orders=self.orders,
            clock=VenueClock(),
            placed=lambda request: (),
            shared=False,
            ledger=Ledger(table, [self.position], 0),
            turn=self.turn,
            recorder=Recorder(self.journal, self.turn),
            journal=self.journal,
            log=self.log.append,
            **parts,
        )

    def left(self, *halts: Halt) -> Restored:
        """Return what a boot that trades leaves to the next one."""
        self.continuity.write(NOW_NS, halts=halts, day=DAY)
        note = checkpoint.decode(self.journal.records[-1].payload)
        assert isinstance(note, Checkpoint)
        return Restored(checkpoint=note, ended_ns=NOW_NS, clean=False)

    def goes_on(self, restored: Restored) -> Rig:
        self.continuity.keep(restored)
        self.continuity.restore(NOW_NS)
        self.continuity.restore_orders(NOW_NS)
        return self


def traded(rig: Rig) -> Rig:
    rig.position.on_fill(Side.BUY, Fill("1", 1, 100, 4, 0, "USDT", True, NOW_NS))
    name, gtc = rig.orders.next_id(), TimeInForce.GTC
    rig.orders.add(Place(0, name, Side.BUY, OrderKind.LIMIT, gtc, 100, 5), NOW_NS)
    return rig


def test_the_next_boot_has_the_position_and_doubts_the_orders() -> None:
    again = Rig(boot=2).goes_on(traded(Rig()).left())
    assert again.position.lots == 4
    assert [order.client_order_id for order in again.orders.open()] == again.doubted
    assert len(again.doubted) == 1
    assert again.settled == [BEGINNING]


def test_halts_that_a_person_has_to_judge_outlive_a_boot_and_others_do_not() -> None:
    left = Rig().left(LEDGER, WEATHER)
    assert [halt.kind for halt in left.checkpoint.halts] == [HaltKind.LEDGER]


def test_a_symbol_that_is_left_out_is_halted_and_carried() -> None:
    again = Rig(instrument(carried=True), boot=2).goes_on(traded(Rig()).left())
    assert [halt.kind for halt in again.turn.halts] == [HaltKind.CARRIED]
    assert again.position.lots == 4


def test_a_position_that_is_no_whole_number_of_lots_is_for_a_person() -> None:
    again = Rig(instrument(lot=Grid("0.003")), boot=2).goes_on(traded(Rig()).left())
    assert [halt.kind for halt in again.turn.halts] == [HaltKind.GRID]
    assert again.position.lots == 0
    noted = again.left().checkpoint.positions
    assert [note.lot for note in noted] == ["0.001"], "it is noted on as it is"


def test_an_order_that_another_run_has_left_is_none_of_this_run_in_the_boots_that_follow() -> None:
    """Its number was noted, and the next boot took it for one that this run had sent: what it had
    filled before the position was begun counted in it."""
    rig = Rig()
    report = OrderReport(
        instrument=0,
        client_order_id=Prefixed("ours-", 7).next(1),
        venue_order_id="5",
        source=Source.QUERY,
        exec_type=ExecType.SNAPSHOT,
        status=OrdStatus.FILLED,
        side=Side.BUY,
        price_ticks=100,
        size_lots=4,
        filled_lots=4,
    )
    left = rig.left()
    rig.continuity.numbered(rig.orders.adopt(report).order)
    number = checkpoint.decode(rig.journal.records[-1].payload)
    assert isinstance(number, AcknowledgementNote)
    again = Rig(boot=2).goes_on(replace(left, numbers=[number]))
    [order] = again.orders.unsettled()
    assert order.adopted


def test_a_note_is_due_now_and_then_and_is_asked_for_in_the_turn() -> None:
    rig = Rig()
    rig.left()
    rig.continuity.step(NOW_NS + PERIOD_NS - 1)
    assert not rig.turn.writes
    rig.continuity.step(NOW_NS + PERIOD_NS)
    assert rig.turn.writes


def test_a_boot_that_has_proved_nothing_hands_on_what_was_left() -> None:
    again = Rig(boot=2).goes_on(traded(Rig()).left())
    again.journal.segment = 1
    again.continuity.hand_on()
    assert again.journal.records[-1].payload.startswith(checkpoint.RESTORED)


def test_a_position_begins_behind_the_newest_trade_that_is_known() -> None:
    rig = Rig()
    rig.continuity.on_baseline(Baseline(0, None, NOW_NS))
    assert rig.position.since_ns == NOW_NS
