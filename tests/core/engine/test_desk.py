"""The desk by itself: an intent of the strategy in, a request or a refusal out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from core.engine.desk import CANCEL_NS, TradingDesk
from core.model.commands import Cancel, Command, Place
from core.model.errors import BadParameter
from core.model.events import Bbo, Side
from core.model.instrument import InstrumentTable
from core.model.units import NS_PER_S
from core.model.views import OrderState, Refusal, RefusalReason
from core.state.book import Book
from core.state.inflight import InFlightRequest
from core.state.orders import Order, Orders
from core.state.position import Position
from core.state.risk import Approved, Risk
from core.state.timers import Timers
from tests.core.engine.test_remedies import LIMITS
from tests.strategies.desk import instrument
from venues.kit.names import Prefixed

NOW_NS = 1_000 * NS_PER_S


class Rig:
    """A desk on one live book; what is to leave is noted."""

    def __init__(self) -> None:
        self.sent: list[Command] = []
        self.instead: list[InFlightRequest | None] = []
        self.room = True
        self.risk, self.orders = Risk(), Orders(Prefixed("ours-", 1))
        self.risk.add(0, LIMITS)
        self.timers: Timers[str | None] = Timers()
        self.log: list[str] = []
        book = Book(0, None, far_bps=1_000)
        book.begin()
        book.apply_bbo(Bbo(0, 1, 999, 50, 1_001, 50))
        book.fresh_ns = NOW_NS
        self.under_way: dict[int, InFlightRequest] = {}
        outbound: Any = SimpleNamespace(
            request=self._request,
            refusal=Refusal(RefusalReason.VENUE_LIMIT, "no token"),
            inflight=SimpleNamespace(find=self.under_way.get),
            ignored=lambda asked: None,
        )
        self.desk = TradingDesk(
            table=InstrumentTable([instrument()]),
            books=[book],
            queues={},
            positions=[Position(instrument().contract)],
            balances={"USDT": 7},
            orders=self.orders,
            risk=self.risk,
            outbound=outbound,
            batch=1,
            batch_cancel=1,
            cancel_all=None,
            seed=0,
            stamp=lambda: 0,
            timers=self.timers,
            log=self.log.append,
        )
        self.desk.now_ns = NOW_NS
        self.desk.gate_open = True

    def _request(
        self, what: Any, now_ns: int, *, began_ns: int = 0, instead: InFlightRequest | None = None
    ) -> int:
        if not self.room:
            return 0
        command = what.command if isinstance(what, Approved) else what
        self.sent.append(command)
        self.instead.append(instead)
        number = len(self.sent)
        self.under_way[number] = InFlightRequest(number, command, 0, now_ns, now_ns + NS_PER_S)
        return number

    def buy(self, ticks: int = 999, lots: int = 5) -> Order | Refusal:
        return self.desk.place(0, Side.BUY, ticks, lots)


def test_an_intent_that_risk_approves_leaves_and_stands_in_the_table() -> None:
    rig = Rig()
    order = rig.buy()
    assert isinstance(order, Order)
    assert isinstance(rig.sent[0], Place)
    assert rig.desk.open_orders(0) == [order]
    assert rig.desk.sent == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda rig: setattr(rig.desk, "gate_open", False), RefusalReason.NOT_TRADING),
        (lambda rig: setattr(rig, "room", False), RefusalReason.VENUE_LIMIT),
    ],
)
def test_what_does_not_leave_leaves_nothing_behind(change: Any, reason: RefusalReason) -> None:
    rig = Rig()
    change(rig)
    refusal = rig.buy()
    assert isinstance(refusal, Refusal)
    assert refusal.reason is reason
    assert list(rig.orders.open()) == []
    assert rig.desk.refusals[0, reason].times == 1


def test_an_order_beyond_a_limit_is_refused_by_risk() -> None:
    refusal = Rig().buy(lots=LIMITS.max_order_lots + 1)
    assert isinstance(refusal, Refusal)


def test_a_cancel_leaves_whatever_the_gate_says_and_once() -> None:
    rig = Rig()
    order = rig.buy()
    assert isinstance(order, Order)
    rig.desk.gate_open = False
    assert rig.desk.cancel(order) is None
    assert rig.desk.cancel(order) is None
    assert [type(command) for command in rig.sent] == [Place, Cancel]


def test_a_cancel_that_is_not_answered_tries_the_other_way() -> None:
    rig = Rig()
    order = rig.buy()
    assert isinstance(order, Order)
    rig.desk.cancel(order)
    rig.desk.now_ns += CANCEL_NS
    rig.desk.step()
    assert [type(command) for command in rig.sent] == [Place, Cancel, Cancel]
    assert rig.instead[-1] is not None


def test_a_cancel_that_found_no_token_is_tried_again_as_soon_as_there_may_be_one() -> None:
    """The venue has heard nothing: that is no reason to wait longer each time."""
    rig = Rig()
    order = rig.buy()
    assert isinstance(order, Order)
    rig.room = False
    rig.desk.force_cancel(0)
    for _ in range(40):
        rig.desk.now_ns += NS_PER_S // 4
        rig.desk.step()
    rig.room = True
    rig.desk.now_ns += NS_PER_S // 4
    rig.desk.step()
    assert isinstance(rig.sent[-1], Cancel)


def test_an_order_that_appears_after_its_cancels_is_cancelled_at_once() -> None:
    """The venue did not know it when it was to go; it has taken it since."""
    rig = Rig()
    order = rig.buy()
    assert isinstance(order, Order)
    rig.desk.cancel(order)
    for _ in range(100):  # each cancel is refused: the venue knows no such order
        order.cancelling = False
        rig.desk.now_ns += NS_PER_S // 10
        rig.desk.step()
    sent = len(rig.sent)
    order.cancelling, order.state = False, OrderState.LIVE
    rig.desk.stands(order)
    rig.desk.step()
    assert [type(command) for command in rig.sent[sent:]] == [Cancel]


def test_an_order_that_nobody_wants_to_go_stands_when_it_is_told_of() -> None:
    rig = Rig()
    order = rig.buy()
    assert isinstance(order, Order)
    order.state = OrderState.LIVE
    rig.desk.stands(order)
    rig.desk.step()
    assert [type(command) for command in rig.sent] == [Place]


def test_a_timer_lies_in_the_future() -> None:
    rig = Rig()
    rig.desk.timer(5, "soon")
    assert rig.timers.next_due_ns == NOW_NS + 5
    with pytest.raises(BadParameter, match="lies in the past"):
        rig.desk.timer(-1, "never")
