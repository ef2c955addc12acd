"""What becomes of a run whose orders the venue refuses: it waits, counts, or stops."""

from __future__ import annotations

from typing import Any

import pytest

from core.model.commands import OrderKind, TimeInForce
from core.model.events import Side
from core.model.halts import HaltKind
from core.model.strategy import Quote
from core.model.units import NS_PER_S
from core.model.views import OrderState, Refusal
from core.state.orders import Order
from tests.world.test_recovery import refusing, world
from tools.world.tank import LATENCY_NS, Message

PROGRAMME = (-1100, -1101, -1102, -1103, -1104, -1105, -1106, -1108, -1130, -1135)
ACCOUNT = [
    (-2015, 401, "Invalid API-key, IP, or permissions for action."),
    (-2014, 401, "API-key format invalid."),
    (-1022, 400, "Signature for this request is not valid."),
    (-1002, 401, "You are not authorized to execute this request."),
    (-2010, 400, "This action is disabled on this account."),
    (-2010, 400, "This action disabled is on this account."),
    (-2010, 400, "This account may not place or cancel orders"),
    (-1013, 400, "This account may not place or cancel orders."),
    (-2010, 400, "WebSocket API trading is not enabled."),
    *((code, 400, "whatever it says") for code in PROGRAMME),
]
SYMBOL = [
    (-2010, 400, "This symbol is not permitted for this account."),
    (-2010, 400, "This symbol is restricted for this account."),
    (-1121, 400, "Invalid symbol."),
]
WEATHER = [
    (-2010, "Account has insufficient balance for requested action."),
    (-2010, "Order would immediately match and take."),
    (-2010, "Market is closed."),
    (-1008, "Server is currently overloaded with other requests."),
]
LOOPS = [
    (-1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    (-2010, "Market orders are not supported for this symbol."),
    (-1018, "A parameter caused overflow."),
]


@pytest.mark.parametrize(("code", "status", "text"), ACCOUNT)
def test_a_refusal_for_good_halts_at_once_with_the_venues_words(
    code: int, status: int, text: str
) -> None:
    w = world()
    w.to_venue = refusing(w, code, text, status=status)
    w.buy()
    w.run(0.1)
    assert w.engine.risk.halt_kind is HaltKind.REFUSED
    assert text in w.engine.risk.halted
    assert sum(text in line for line in w.log_lines) <= 2
    assert isinstance(w._place(Side.SELL, 6_510_000, 100), Refusal)


@pytest.mark.parametrize(("code", "status", "text"), SYMBOL)
def test_a_refusal_of_one_symbol_halts_that_symbol_alone(code: int, status: int, text: str) -> None:
    w = world()
    w.to_venue = refusing(w, code, text, status=status)
    w.buy()
    w.run(0.1)
    assert w.engine.risk.halted == ""
    assert w.engine.risk.instrument_halt_kind(0) is HaltKind.REFUSED
    assert text in w.engine.risk.instrument_halted(0)


def test_an_amend_that_is_refused_for_good_halts_too() -> None:
    w = world()
    order = w.buy(lots=1_000)
    w.run(0.1)
    w.to_venue = refusing(
        w, -2015, "Invalid API-key", status=401, methods=("order.amend.keepPriority",)
    )
    w.desk.now_ns = w.now_ns
    w.desk.replace(order, order.price_ticks, 500)
    w.flush()
    w.run(0.1)
    assert w.engine.risk.halt_kind is HaltKind.REFUSED


def test_a_cancel_or_a_question_that_is_refused_for_good_halts_too() -> None:
    w = world()
    order = w.buy(lots=1_000)
    w.run(0.1)
    w.to_venue = refusing(
        w, -2015, "Invalid API-key, IP", status=401, methods=("order.cancel", "order.status")
    )
    w.cancel(order)
    w.run(0.1)
    assert w.engine.risk.halt_kind is HaltKind.REFUSED


@pytest.mark.parametrize(("code", "text"), WEATHER)
def test_ordinary_weather_pauses_its_side_and_ends_nothing(code: int, text: str) -> None:
    w = world(risk="max_rejects = 3")
    w.to_venue = refusing(w, code, text)
    tried = 0
    for _ in range(600):
        tried += isinstance(w._place(Side.BUY, 6_490_000, 100), Order)
        w.run(0.1)
    assert 6 < tried < 20, "after 0.1 s, 0.2 s, 0.4 s ..."
    assert w.engine.risk.instrument_halted(0) == ""
    assert w.engine.risk.halted == ""
    assert not w.stopped
    w.to_venue = w.deliver
    w.other("BUY", "64000.00", "1")  # the book is heard of again
    w.run(0.2)
    assert isinstance(w._place(Side.SELL, 6_510_000, 100), Order), "the other side goes on"


@pytest.mark.parametrize(("code", "text"), LOOPS)
def test_any_other_loop_of_refusals_trips_the_breaker(code: int, text: str) -> None:
    w = world(risk="max_rejects = 20")
    w.to_venue = refusing(w, code, text)
    tried = 0
    for _ in range(100):
        answer = w._place(Side.BUY, 6_490_000, 100)
        tried += isinstance(answer, Order)
        w.run(0.1)
    assert w.engine.risk.instrument_halt_kind(0) is HaltKind.BREAKER
    assert tried == 21


def test_refusals_that_change_their_words_trip_the_breaker_too() -> None:
    w = world(risk="max_rejects = 20")
    for number in range(100):
        code, text = LOOPS[number % len(LOOPS)]
        w.to_venue = refusing(w, code, f"{text} {number}")
        w._place(Side.BUY, 6_490_000, 100)
        w.run(0.1)
    assert w.engine.risk.instrument_halt_kind(0) is HaltKind.BREAKER


def test_amends_that_are_refused_wait_longer_each_time_and_trip_the_breaker() -> None:
    """As the eleventh amend of an order is: the strategy asks again whenever it is told."""
    w = world(risk="max_rejects = 5")
    order = w.buy(lots=1_000)
    w.run(0.1)
    w.to_venue = refusing(
        w, -2038, "Filter failure: MAX_NUM_ORDER_AMENDS", methods=("order.amend.keepPriority",)
    )
    asked = []
    for _ in range(3_000):
        w.desk.now_ns = w.now_ns
        if not isinstance(w.desk.replace(order, order.price_ticks, 500), Refusal):
            asked.append(w.now_ns)
            w.flush()
        w.run(0.01)
    assert len(asked) == 6
    assert asked[5] - asked[4] > NS_PER_S
    assert w.engine.risk.instrument_halt_kind(0) is HaltKind.BREAKER


def test_a_lost_race_between_a_replace_and_a_fill_pauses_and_halts_nothing() -> None:
    w = world(risk="max_rejects = 3")
    lost = 0
    for _ in range(10):
        old = w._place(Side.BUY, 6_499_500, 100)
        assert isinstance(old, Order), old
        w.run(0.1)
        w.desk.now_ns = w.now_ns
        w.other("SELL", "64995.00", "0.001")
        new = w.desk.replace(old, 6_499_400, 100)
        w.flush()
        w.run(11)
        lost += isinstance(new, Order) and new.state is OrderState.REJECTED
    assert lost == 10
    assert w.engine.risk.instrument_halted(0) == ""


def test_a_limit_is_no_reject() -> None:
    """Neither too many requests nor too many orders count towards the breaker."""
    w = world(risk="max_rejects = 1")
    for code in (-1015, -1003):
        w.to_venue = refusing(w, code, "Too many", status=429)
        for _ in range(3):
            w._place(Side.BUY, 6_490_000, 100)
        w.flush()
        w.run(11)
    assert w.engine.risk.instrument_halted(0) == ""


@pytest.mark.parametrize(
    "how",
    [
        {"kind": OrderKind.POST_ONLY, "tif": TimeInForce.IOC},
        {"kind": OrderKind.POST_ONLY, "tif": TimeInForce.FOK},
        {"kind": OrderKind.MARKET},
        {"kind": "limit"},
        {"tif": "for ever"},
    ],
)
def test_what_no_venue_can_take_is_refused_before_the_order_table_hears_of_it(
    how: dict[str, Any],
) -> None:
    w = world()
    assert isinstance(w._place(Side.BUY, 6_490_000, 100, **how), Refusal)
    assert not list(w.engine.orders.open())
    assert not w.stopped


@pytest.mark.parametrize("nonsense", [None, "x", 0.5, float("nan"), True, (), -1, 10**30])
def test_nonsense_is_refused_and_the_run_goes_on(nonsense: Any) -> None:
    w = world()
    order = w.buy(lots=1_000)
    w.run(0.1)
    desk = w.desk
    desk.now_ns = w.now_ns
    tif: Any = "x" if nonsense is None else nonsense  # none is as orders rest at the venue
    refused = [
        desk.place(nonsense, Side.BUY, 6_490_000, 100),
        desk.place(0, nonsense, 6_490_000, 100),
        desk.place(0, Side.BUY, nonsense, 100),
        desk.place(0, Side.BUY, 6_490_000, nonsense),
        desk.place(0, Side.BUY, 6_490_000, 100, kind=nonsense),
        desk.place(0, Side.BUY, 6_490_000, 100, tif=tif),
        desk.replace(order, nonsense, 100),
        desk.replace(order, order.price_ticks, nonsense),
        desk.replace(nonsense, 6_490_000, 100),
        desk.cancel(nonsense),
        desk.quote(nonsense, None, None),
        desk.quote(0, Quote(nonsense, 100), Quote(6_510_000, nonsense)),
    ]
    assert [each for each in refused if not isinstance(each, Refusal)] == []
    desk.cancel_all(nonsense)
    assert list(w.engine.orders.open()) == [order]
    assert not order.cancelling
    assert not w.stopped


def test_a_strategy_that_cancels_what_the_venue_does_not_know_does_so_with_back_off():
    """Whenever the order changes: each refused cancel is such a change, so that cancel would follow
    upon cancel as fast as the network is.
    """
    w = world()
    w.fault("timeout", methods=["order.place"], times=1)
    order = w.buy()
    w.run_until(lambda: order.state is OrderState.UNKNOWN)
    w.hand.on_order = lambda desk, order: desk.cancel(order)  # type: ignore[assignment, method-assign]
    before = w.methods().count("order.cancel")
    w.cancel(order)
    w.run(10)
    assert order.state is OrderState.UNKNOWN
    assert 3 <= w.methods().count("order.cancel") - before <= 8


def test_a_strategy_that_cancels_what_the_venue_does_not_cancel_does_so_four_times_a_second():
    w = world()
    order = w.buy()
    w.run(0.1)
    w.to_venue = lambda m: (
        [
            (
                LATENCY_NS,
                Message(m.connection, m.opcode, m.payload.replace(b'"orderId":', b'"orderId":9')),
            )
        ]
        if b"order.cancel" in m.payload
        else w.deliver(m)
    )
    w.hand.on_order = lambda desk, order: desk.cancel(order)  # type: ignore[assignment, method-assign]
    before = w.methods().count("order.cancel")
    w.cancel(order)
    w.run(5)
    assert order.state is OrderState.LIVE
    assert 5 <= w.methods().count("order.cancel") - before <= 5 * 4 + 8
