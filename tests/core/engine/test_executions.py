"""Executions by themselves: a report of an order in, position, notes, halts and words out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from core.engine.executions import UNBOOKED_NS, Executions
from core.engine.ledger import Ledger
from core.engine.turn import Turn
from core.model.commands import OrderKind, Place, TimeInForce
from core.model.events import ExecType, Fill, OrderReport, OrdStatus, Side, Source
from core.model.halts import HaltKind
from core.model.instrument import InstrumentTable
from core.model.units import NS_PER_S
from core.state.counts import Counts
from core.state.orders import Order, Orders
from core.state.others import Others
from core.state.position import Position
from tests.strategies.desk import instrument
from venues.kit.names import Prefixed

NOW_NS = 1_000 * NS_PER_S
SIZE = 10


class Rig:
    """One order of ours under way; whatever else the executions speak to is noted."""

    def __init__(self) -> None:
        self.turn, self.counts, self.position = (
            Turn(NOW_NS),
            Counts(),
            Position(instrument().contract),
        )
        table = InstrumentTable([instrument()])
        self.orders = Orders(Prefixed("ours-", 1), rising_ids=True)
        self.noted: list[str] = []
        self.doubted: list[tuple[str, int]] = []
        self.valued: list[int] = []
        self.force_cancelled: list[Order] = []
        self.standing: list[Order] = []
        self.log: list[str] = []
        parts: dict[str, Any] = {
            "pnl": SimpleNamespace(on_fills=self._on_fills),
            "outbound": SimpleNamespace(traded=lambda now_ns: None),
            "desk": SimpleNamespace(
                force_cancel_order=self.force_cancelled.append, stands=self.standing.append
            ),
            "strategy": SimpleNamespace(on_order="on_order", on_fill="on_fill"),
            "resolution": SimpleNamespace(
                resolve=lambda name, at_ns: self.doubted.append((name, at_ns))
            ),
            "recovery": SimpleNamespace(
                on_fill=lambda index, fill: None, begin_anew=lambda index: None
            ),
            "continuity": SimpleNamespace(
                numbered=lambda order: self.noted.append(order.venue_order_id)
            ),
        }
        self.executions = Executions(
            table=table,
            positions=[self.position],
            orders=self.orders,
            ledger=Ledger(table, [self.position], 0),
            others=Others(self.log.append),
            turn=self.turn,
            counts=self.counts,
            log=self.log.append,
            **parts,
        )
        self.order = self.place()

    def _on_fills(self, index: int, side: Side, fills: list[Fill], *, adopted: bool) -> None:
        self.valued.append(len(fills))

    def place(self, sent_ns: int = NOW_NS) -> Order:
        name, gtc = self.orders.next_id(), TimeInForce.GTC
        return self.orders.add(Place(0, name, Side.BUY, OrderKind.LIMIT, gtc, 100, SIZE), sent_ns)

    def told(self, order: Order, number: str, *fills: Fill, filled: int = 0) -> None:
        self.executions.on_report(
            OrderReport(
                instrument=0,
                client_order_id=order.client_order_id,
                venue_order_id=number,
                source=Source.STREAM,
                exec_type=ExecType.TRADE if fills else ExecType.NEW,
                status=OrdStatus.PARTIALLY_FILLED if filled else OrdStatus.NEW,
                side=Side.BUY,
                price_ticks=100,
                size_lots=SIZE,
                filled_lots=filled,
                fills=fills,
            )
        )

    @property
    def heard(self) -> list[Any]:
        return [callback for callback, _, _ in self.turn.callbacks]


def fill(trade_id: int, lots: int) -> Fill:
    return Fill(str(trade_id), trade_id, 100, lots, 0, "USDT", True, NOW_NS)


def test_a_fill_moves_the_position_and_is_told_before_the_order() -> None:
    rig = Rig()
    rig.told(rig.order, "7", fill(1, 4), filled=4)
    assert rig.position.lots == 4
    assert rig.heard == ["on_fill", "on_order"]
    assert rig.valued == [1]
    assert rig.counts.fills == 1


def test_a_fill_that_is_told_twice_counts_once() -> None:
    rig = Rig()
    for _ in range(2):
        rig.told(rig.order, "7", fill(1, 4), filled=4)
    assert rig.position.lots == 4


def test_a_number_is_noted_once() -> None:
    rig = Rig()
    rig.told(rig.order, "7")
    rig.told(rig.order, "7", fill(1, 4), filled=4)
    assert rig.noted == ["7"]


def test_fills_that_are_missing_are_asked_for_after_a_while() -> None:
    rig = Rig()
    rig.told(rig.order, "7", filled=4)
    assert rig.doubted == [(rig.order.client_order_id, NOW_NS + UNBOOKED_NS)]


def test_what_cannot_be_halts_its_instrument() -> None:
    rig = Rig()
    rig.told(rig.order, "7")
    rig.told(rig.order, "8")
    [halt] = rig.turn.halts
    assert (halt.instrument, halt.kind) == (0, HaltKind.CONTRADICTION)
    assert "stands twice" in halt.why


def test_numbers_that_begin_anew_halt_the_run() -> None:
    rig = Rig()
    rig.told(rig.order, "700")
    later = rig.place(sent_ns=NOW_NS + 1)
    rig.told(later, "3")
    [halt] = rig.turn.halts
    assert halt.kind is HaltKind.LEDGER
    assert "from the beginning again" in halt.why
    assert rig.orders.newest(0) == "3"
    assert rig.noted == ["700", "3"]


def test_an_order_that_was_absent_and_appears_is_cancelled() -> None:
    rig = Rig()
    rig.executions.apply(rig.orders.on_refused(rig.order, "it knows no such order"))
    rig.told(rig.order, "7")
    assert rig.force_cancelled == [rig.order]
    assert any(line.startswith("ALARM") for line in rig.log)


def test_the_desk_is_told_how_an_order_stands_that_may_have_to_go() -> None:
    rig = Rig()
    rig.told(rig.order, "5")
    assert rig.standing == [rig.order]
