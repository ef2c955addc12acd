"""The order table: what each fact does to it. That their order does not matter: test_histories."""

import ast
import gc
from pathlib import Path

import pytest
from msgspec.structs import replace

import core.state.orders
from core.model.commands import OrderKind, Place, TimeInForce
from core.model.errors import Misuse
from core.model.events import (
    ExecType,
    Fill,
    FillReport,
    OrderReport,
    OrderUpdate,
    OrdStatus,
    Side,
    Source,
)
from core.model.views import OrderState
from core.state.orders import MAX_TERMINAL, MAX_UNCLAIMED, UNTRADED, Order, Orders
from core.state.position import Position
from tests.core.contracts import SPOT
from venues.kit.names import Prefixed

SIZE = 10


def table() -> tuple[Orders, Order]:
    orders = Orders(Prefixed("hx-", 1))
    return orders, orders.add(place(orders.next_id()), 0)


def place(client_order_id: str, side: Side = Side.BUY, ticks: int = 100) -> Place:
    return Place(0, client_order_id, side, OrderKind.LIMIT, TimeInForce.GTC, ticks, SIZE)


def fill(trade_id: int, lots: int) -> Fill:
    return Fill(str(trade_id), trade_id, 100, lots, 0, "", True, 0)


def report(order: Order, status: OrdStatus, filled=0, fills=(), **more) -> OrderReport:
    fields = {
        "instrument": 0,
        "client_order_id": order.client_order_id,
        "venue_order_id": "77",
        "source": Source.STREAM,
        "exec_type": ExecType.TRADE if fills else ExecType.SNAPSHOT,
        "status": status,
        "side": order.side,
        "price_ticks": order.price_ticks,
        "size_lots": SIZE,
        "filled_lots": filled,
        "fills": tuple(fills),
    }
    return OrderReport(**(fields | more))


def update(order_id: str, **changes) -> OrderUpdate:
    fields = {"exec_type": ExecType.TRADE, "status": OrdStatus.PARTIALLY_FILLED}
    return OrderUpdate(venue_order_id=order_id, **(fields | changes))


def whole(orders: Orders, changed: OrderUpdate) -> OrderReport:
    told = orders.whole(changed)
    assert told is not None
    return told


def test_what_an_update_leaves_out_is_as_it_was():
    orders, order = table()
    orders.on_report(report(order, OrdStatus.NEW))
    told = whole(orders, update("77", filled_lots=3, fills=(fill(1, 3),)))
    assert told == report(
        order, OrdStatus.PARTIALLY_FILLED, 3, (fill(1, 3),), exec_type=ExecType.TRADE, size_lots=0
    )
    orders.on_report(told)
    assert list(order.trade_ids) == ["1"]
    assert (order.filled_lots, order.size_lots, order.state) == (3, SIZE, OrderState.LIVE)
    gone = whole(orders, update("77", exec_type=ExecType.CANCELED, status=OrdStatus.CANCELED))
    orders.on_report(gone)
    assert (order.filled_lots, order.state) == (3, OrderState.CANCELED)


def test_an_update_is_of_the_order_that_either_id_names_on_whichever_instrument():
    orders, order = table()
    other = orders.add(replace(place(orders.next_id()), instrument=3), 0)
    assert orders.whole(update("78")) is None
    named = whole(orders, update("78", client_order_id=other.client_order_id))
    assert (named.instrument, named.venue_order_id) == (3, "78")
    orders.on_report(named)
    assert whole(orders, update("78")).client_order_id == other.client_order_id
    assert orders.whole(update("77")) is None, "its number was never told"
    assert order.state is OrderState.PENDING


def test_ids_are_unique_across_boots_and_begin_with_the_scope():
    first, second = Orders(Prefixed("hx-", 1)), Orders(Prefixed("hx-", 2))
    ids = {orders.next_id() for orders in (first, second) for _ in range(50)}
    assert len(ids) == 100
    assert all(first.is_ours(one) and second.is_ours(one) for one in ids)
    assert not first.is_ours("web_1")


def test_an_id_is_never_used_twice():
    orders, order = table()
    with pytest.raises(Misuse, match="used before"):
        orders.add(place(order.client_order_id), 0)


def test_a_sent_order_is_pending_and_its_whole_size_is_exposure():
    orders, order = table()
    assert order.state is OrderState.PENDING
    assert orders.exposure(0).open_buy_lots == SIZE
    assert orders.exposure(0).open_sell_lots == 0
    assert orders.exposure(0).open_orders == 1


def test_an_order_that_was_never_sent_leaves_nothing():
    orders, order = table()
    orders.withdraw(order)
    assert orders.exposure(0).open_buy_lots == 0
    assert orders.exposure(0).open_orders == 0
    assert orders.find(order.client_order_id) is None


def test_a_lost_answer_makes_an_order_unknown_and_keeps_its_exposure():
    orders, order = table()
    assert orders.on_doubt(order).changed
    assert order.state is OrderState.UNKNOWN
    assert orders.exposure(0).open_buy_lots == SIZE


def test_doubt_about_a_proved_order_changes_nothing():
    orders, order = table()
    orders.on_report(report(order, OrdStatus.NEW))
    assert not orders.on_doubt(order).changed
    assert order.state is OrderState.LIVE


def test_a_refusal_ends_an_order_and_frees_its_exposure():
    orders, order = table()
    orders.on_refused(order, "-2010 no")
    assert order.state is OrderState.REJECTED
    assert order.reason == "-2010 no"
    assert orders.exposure(0).open_buy_lots == 0
    assert len(orders) == 0
    assert orders.find(order.client_order_id) is order


def test_acceptance_is_stronger_than_a_refusal():
    orders, order = table()
    orders.on_refused(order, "lost race")
    orders.on_report(report(order, OrdStatus.NEW))
    assert order.state is OrderState.LIVE
    assert orders.exposure(0).open_buy_lots == SIZE
    assert orders.exposure(0).open_orders == 1


def test_a_fill_before_the_reply_proves_acceptance():
    orders, order = table()
    applied = orders.on_report(report(order, OrdStatus.PARTIALLY_FILLED, 4, [fill(1, 4)]))
    assert applied is not None
    assert [each.trade_id for each in applied.fills] == ["1"]
    assert order.state is OrderState.LIVE
    assert (order.open_lots, order.filled_lots) == (6, 4)
    assert orders.exposure(0).open_buy_lots == 6


def test_the_same_fill_counts_once():
    orders, order = table()
    partial = report(order, OrdStatus.PARTIALLY_FILLED, 4, [fill(1, 4)])
    orders.on_report(partial)
    again = orders.on_report(partial)
    assert again is not None
    assert again.fills == ()
    assert not again.changed
    assert order.traded_lots == 4


def test_a_fill_after_the_cancel_is_counted():
    orders, order = table()
    orders.on_report(report(order, OrdStatus.CANCELED, 0))
    assert order.state is OrderState.CANCELED
    applied = orders.on_report(report(order, OrdStatus.PARTIALLY_FILLED, 3, [fill(1, 3)]))
    assert applied is not None
    assert len(applied.fills) == 1
    assert order.state is OrderState.CANCELED
    assert (order.filled_lots, order.open_lots) == (3, 0)


def test_filled_by_count_without_the_fills_keeps_exposure_until_they_are_known():
    orders, order = table()
    orders.on_report(report(order, OrdStatus.CANCELED, 4))
    assert order.state is OrderState.CANCELED
    assert order.unbooked_lots == 4
    assert orders.exposure(0).open_buy_lots == 4
    applied = orders.on_fill(FillReport(0, "77", Side.BUY, fill(5, 4)))
    assert applied is not None
    assert orders.exposure(0).open_buy_lots == 0
    assert len(orders) == 0


def test_a_fill_found_before_the_venue_id_is_known_is_not_lost():
    orders, order = table()
    assert orders.on_fill(FillReport(0, "77", Side.BUY, fill(5, 4))) is None
    applied = orders.on_report(report(order, OrdStatus.PARTIALLY_FILLED, 4))
    assert applied is not None
    assert [each.trade_id for each in applied.fills] == ["5"]


def test_the_whole_size_filled_is_filled_whatever_the_status_says():
    orders, order = table()
    orders.on_report(report(order, OrdStatus.PARTIALLY_FILLED, SIZE, [fill(1, SIZE)]))
    assert order.state is OrderState.FILLED


def test_an_amend_makes_an_order_smaller_and_never_larger():
    orders, order = table()
    orders.on_report(report(order, OrdStatus.NEW, size_lots=6))
    assert orders.exposure(0).open_buy_lots == 6
    orders.on_report(report(order, OrdStatus.NEW, size_lots=SIZE))
    assert order.size_lots == 6


def test_orders_of_others_are_counted_and_left_alone():
    orders, order = table()
    assert orders.on_report(report(order, OrdStatus.NEW, client_order_id="web_1")) is None
    assert orders.foreign == 1
    assert len(orders) == 1


def test_an_order_of_an_earlier_boot_is_adopted_as_it_stands():
    orders, _ = table()
    left = Order.of(place("hx-0-9", Side.SELL), 0)
    applied = orders.adopt(report(left, OrdStatus.PARTIALLY_FILLED, 3, venue_order_id="5"))
    assert applied.order.state is OrderState.LIVE
    assert applied.order.unbooked_lots == 3
    assert orders.exposure(0).open_sell_lots == SIZE


def test_finished_orders_are_remembered_within_a_bound():
    orders, first = table()
    orders.on_refused(first, "")
    for _ in range(MAX_TERMINAL):
        orders.on_refused(orders.add(place(orders.next_id()), 0), "")
    assert orders.find(first.client_order_id) is None
    assert len(orders) == 0


def test_finished_orders_are_nothing_to_the_garbage_collector():
    """However many are remembered, no collection takes longer for them."""
    orders, before = table()
    gc.collect()
    known = len(gc.get_objects())
    for number in range(1, 1_001):
        order = orders.add(place(orders.next_id()), 0, before)
        half = report(order, OrdStatus.PARTIALLY_FILLED, 4, [fill(2 * number, 4)])
        orders.on_report(replace(half, venue_order_id=str(100 + number)))
        orders.on_fill(FillReport(0, str(100 + number), Side.BUY, fill(2 * number + 1, 3)))
        orders.on_report(report(order, OrdStatus.CANCELED, 7, venue_order_id=str(100 + number)))
        before = order
    assert orders.find(before.client_order_id) is before
    assert orders.by_venue_id(0, "1100") is before
    assert before.state is OrderState.CANCELED
    gc.collect()
    assert len(gc.get_objects()) - known < 20, "the table's own containers"


def test_no_cycle_can_come_of_an_order():
    """Of ``replaces`` a law of the house is that it leads to an older order.

    Read from the source, as compiled classes forget what they were annotated with.
    """
    atoms = {"int", "str", "bool", "Side", "OrderKind", "TimeInForce", "OrderState"}
    source = Path(core.state.orders.__file__).with_name("orders.py").read_text(encoding="utf-8")
    leads = {
        f"{kind.name}.{ast.unparse(field.target)}": ast.unparse(field.annotation)
        for kind in ast.parse(source).body
        if isinstance(kind, ast.ClassDef) and kind.name in ("Order", "Chain")
        for field in kind.body
        if isinstance(field, ast.AnnAssign) and ast.unparse(field.annotation) not in atoms
    }
    assert leads == {
        "Order.replaces": "Order | None",
        "Order.chain": "Chain | None",
        "Order.trade_ids": "dict[str, None]",
    }


def test_a_forgotten_order_is_adopted_again_and_its_fills_count_once():
    orders, first = table()
    told = report(first, OrdStatus.FILLED, SIZE, [fill(1, SIZE)])
    position = Position(SPOT)
    for applied in (orders.on_report(told), orders.on_report(told)):
        assert applied is not None
        assert [position.on_fill(Side.BUY, each) for each in applied.fills] in ([True], [])
    for _ in range(MAX_TERMINAL):
        orders.on_refused(orders.add(place(orders.next_id()), 0), "")
    assert orders.on_report(told) is None, "forgotten"
    assert orders.is_ours(first.client_order_id)
    again = orders.adopt(told)
    assert again.order.state is OrderState.FILLED
    assert [position.on_fill(Side.BUY, each) for each in again.fills] == [False]
    assert position.lots == SIZE
    assert orders.exposure(0).open_buy_lots == 0


def test_best_prices_of_our_own_orders():
    orders, _ = table()
    orders.add(place(orders.next_id(), Side.BUY, 101), 0)
    orders.add(place(orders.next_id(), Side.SELL, 105), 0)
    orders.add(place(orders.next_id(), Side.SELL, 107), 0)
    exposure = orders.exposure(0)
    assert exposure.highest_buy_ticks() == 101
    assert exposure.lowest_sell_ticks() == 105


def test_best_prices_follow_orders_that_end_return_and_have_no_price():
    orders, first = table()
    exposure = orders.exposure(0)
    assert (exposure.highest_buy_ticks(), exposure.lowest_sell_ticks()) == (100, 0)
    orders.add(place(orders.next_id(), Side.SELL, 0), 0)  # at market
    second = orders.add(place(orders.next_id(), Side.BUY, 100), 0)
    orders.on_refused(second, "")
    assert exposure.highest_buy_ticks() == 100, "the other one at this price stands"
    orders.on_refused(first, "")
    assert (exposure.highest_buy_ticks(), exposure.lowest_sell_ticks()) == (0, 0)
    orders.on_report(report(first, OrdStatus.NEW))
    assert exposure.highest_buy_ticks() == 100


def chained(*numbers: int) -> tuple[Orders, list[Order]]:
    """A chain of accepted orders, each sent to replace the one before."""
    orders, first = table()
    chain = [first]
    orders.on_report(report(first, OrdStatus.NEW, venue_order_id=str(numbers[0])))
    for number in numbers[1:]:
        chain.append(orders.add(place(orders.next_id()), 0, chain[-1]))
        orders.on_report(report(chain[-1], OrdStatus.NEW, venue_order_id=str(number)))
    return orders, chain


def test_a_chain_sums_up_what_its_orders_filled_and_may_still_fill():
    orders, (one, two, three) = chained(1, 2, 3)
    assert (three.chain_filled_lots, three.chain_open_lots) == (0, 3 * SIZE)
    orders.on_report(report(one, OrdStatus.CANCELED, 3, [fill(1, 3)], venue_order_id="1"))
    orders.on_report(report(two, OrdStatus.CANCELED, 2, venue_order_id="2"))
    orders.on_report(report(three, OrdStatus.PARTIALLY_FILLED, 1, venue_order_id="3"))
    assert {o.chain_filled_lots for o in (one, two, three)} == {6}
    assert three.chain_open_lots == SIZE - 1
    orders.on_refused(orders.add(place(orders.next_id()), 0), "of another chain")
    assert (three.chain_filled_lots, three.chain_open_lots) == (6, SIZE - 1)


def test_an_order_that_was_never_sent_leaves_no_chain():
    orders, order = table()
    orders.withdraw(orders.add(place(orders.next_id()), 2, order))
    assert (order.chain_filled_lots, order.chain_open_lots) == (0, SIZE)


def test_an_order_that_is_alone_has_neither_a_chain_nor_trade_ids_of_its_own():
    """Ten thousand that ended are remembered, most of which were neither moved nor filled."""
    orders, order = table()
    orders.on_report(report(order, OrdStatus.CANCELED, 0))
    assert order.chain is None
    assert (order.chain_filled_lots, order.chain_open_lots) == (0, 0)
    assert order.trade_ids is UNTRADED
    other = orders.add(place(orders.next_id()), 1)
    orders.on_report(report(other, OrdStatus.FILLED, SIZE, [fill(1, SIZE)]))
    assert (other.chain_filled_lots, other.chain_open_lots) == (SIZE, 0)
    assert not UNTRADED


def test_an_order_filled_beyond_its_size_is_a_contradiction():
    orders, order = table()
    fine = orders.on_report(report(order, OrdStatus.FILLED, SIZE, [fill(1, SIZE)]))
    assert fine is not None
    assert fine.contradiction == ""
    applied = orders.on_report(report(order, OrdStatus.FILLED, SIZE + 1))
    assert applied is not None
    assert "beyond its size" in applied.contradiction
    by_trade = orders.on_fill(FillReport(0, "77", Side.BUY, fill(2, 1)))
    assert by_trade is not None
    assert "beyond its size" in by_trade.contradiction


def test_a_contradiction_that_is_told_again_stays_one():
    orders, order = table()
    too_much = report(order, OrdStatus.FILLED, SIZE + 1)
    for _ in range(2):
        applied = orders.on_report(too_much)
        assert applied is not None
        assert "beyond its size" in applied.contradiction


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("price", {"price_ticks": 1}),
        ("side", {"side": Side.SELL}),
        ("symbol", {"instrument": 1}),
    ],
)
def test_a_report_that_repeats_all_but_what_cannot_change_is_not_applied(what, changes):
    orders, order = table()
    known = report(order, OrdStatus.NEW, venue_order_id="77")
    orders.on_report(known)
    applied = orders.on_report(replace(known, **changes))
    assert applied is not None
    assert f"another {what}" in applied.contradiction


def test_one_id_with_two_numbers_at_the_venue_is_a_contradiction():
    orders, order = table()
    orders.on_report(report(order, OrdStatus.NEW, venue_order_id="77"))
    without = orders.on_report(report(order, OrdStatus.REJECTED, venue_order_id=""))
    assert without is not None
    assert without.contradiction == ""
    applied = orders.on_report(report(order, OrdStatus.NEW, venue_order_id="78"))
    assert applied is not None
    assert "stands twice, as 77 and as 78" in applied.contradiction


def test_ids_count_from_one():
    assert Orders(Prefixed("hx-", 18)).next_id() == "hx-12-0-1"
    orders = Orders(Prefixed("hx-", 18, 0xABCDEF0))
    assert [orders.next_id() for _ in range(3)] == [f"hx-12-bcdef0-{n}" for n in (1, 2, 3)]
    assert orders.used == 3


def test_an_order_is_what_was_placed():
    orders = Orders(Prefixed("hx-", 1))
    wanted = Place(0, orders.next_id(), Side.SELL, OrderKind.POST_ONLY, TimeInForce.IOC, 7, SIZE)
    order = orders.add(wanted, 5)
    assert (order.kind, order.tif, order.side) == (OrderKind.POST_ONLY, TimeInForce.IOC, Side.SELL)
    assert (order.price_ticks, order.size_lots, order.sent_ns) == (7, SIZE, 5)
    assert order.venue_order_id == ""
    assert order.cancelling is False
    assert order.replaces is None
    assert not order.proved
    assert list(orders.exposure(0).orders.values()) == [order]


def test_open_orders_are_those_that_may_still_trade_and_unsettled_ones_keep_exposure():
    orders, filled = table()
    alive = orders.add(place(orders.next_id()), 0)
    orders.on_report(report(filled, OrdStatus.CANCELED, 3))
    assert list(orders.open()) == [alive]
    assert list(orders.unsettled()) == [filled, alive]
    assert (filled.unbooked_lots, filled.open_lots) == (3, 0)
    assert orders.exposure(0).open_buy_lots == 3 + SIZE


@pytest.mark.parametrize(
    "fact",
    [
        {"status": OrdStatus.NEW},
        {"status": OrdStatus.NEW, "size_lots": SIZE - 1},
        {"status": OrdStatus.PARTIALLY_FILLED, "filled": 1},
        {"status": OrdStatus.PARTIALLY_FILLED, "fills": [fill(1, 1)]},
        {"status": OrdStatus.REJECTED, "venue_order_id": ""},
    ],
)
def test_a_report_changes_an_order_once(fact):
    orders, order = table()
    first, again = (orders.on_report(report(order, **fact)) for _ in range(2))
    assert first is not None
    assert again is not None
    assert (first.order, first.changed) == (order, True)
    assert again.changed is False


def test_a_fill_that_was_counted_before_it_is_named_is_news():
    orders, order = table()
    orders.on_report(report(order, OrdStatus.PARTIALLY_FILLED, 4))
    named = orders.on_report(report(order, OrdStatus.PARTIALLY_FILLED, 4, [fill(1, 4)]))
    assert named is not None
    assert named.changed is True


def test_a_trade_changes_an_order_once():
    orders, order = table()
    orders.on_report(report(order, OrdStatus.PARTIALLY_FILLED, 4))
    first, again = (orders.on_fill(FillReport(0, "77", Side.BUY, fill(1, 4))) for _ in range(2))
    assert first is not None
    assert again is not None
    assert (first.order, first.changed, len(first.fills)) == (order, True, 1)
    assert (again.changed, again.fills) == (False, ())


def test_a_trade_proves_that_an_order_was_taken():
    orders, order = table()
    orders.resume(place("hx-0-1"), 3, "", 0, 0, ())
    resumed = orders.resume(place("hx-0-2"), 3, "78", 2, 2, ["1"])
    assert (resumed.state, resumed.sent_ns) == (OrderState.LIVE, 3)
    assert resumed.venue_order_id == "78"
    applied = orders.on_fill(FillReport(0, "78", Side.BUY, fill(2, 1)))
    assert applied is not None
    assert (applied.order, applied.changed) == (resumed, True)
    assert resumed.filled_lots == 3
    unproved = orders.find("hx-0-1")
    assert unproved is not None
    assert (unproved.state, unproved.sent_ns) == (OrderState.PENDING, 3)
    assert order.state is OrderState.PENDING


def test_the_first_report_with_a_number_says_so():
    orders, order = table()
    without = orders.on_report(report(order, OrdStatus.NEW, venue_order_id=""))
    first, again = (orders.on_report(report(order, OrdStatus.NEW)) for _ in range(2))
    assert without is not None
    assert first is not None
    assert again is not None
    assert (without.numbered, first.numbered, again.numbered) == (False, True, False)
    assert orders.by_venue_id(0, "77") is order


def test_what_we_conclude_names_its_order_and_keeps_the_reason():
    orders, order = table()
    refused = orders.on_refused(order, "-2010 no")
    assert (refused.order, refused.changed) == (order, True)
    doubted = orders.on_doubt(order)
    assert (doubted.order, doubted.changed) == (order, False)
    assert order.reason == "-2010 no"


def test_a_doubt_gives_no_reason_proves_nothing_and_tells_no_number():
    orders, order = table()
    assert not order.proved
    doubted = orders.on_doubt(order)
    assert order.reason == ""
    assert not order.proved
    assert not doubted.numbered


@pytest.mark.parametrize("status", OrdStatus)
def test_whatever_the_venue_says_of_an_order_proves_it(status: OrdStatus):
    orders, order = table()
    orders.on_report(report(order, status))
    assert order.proved


def test_a_refusal_proves_an_order_gone():
    orders, order = table()
    orders.on_refused(order, "no")
    assert order.proved


def test_an_end_ends_what_was_asked_of_an_order():
    orders, order = table()
    order.cancelling = True
    orders.on_report(report(order, OrdStatus.NEW))
    assert order.cancelling is True
    orders.on_report(report(order, OrdStatus.CANCELED))
    assert order.cancelling is False


def test_a_report_without_a_size_leaves_the_size():
    orders, order = table()
    orders.on_report(report(order, OrdStatus.REJECTED, size_lots=0))
    assert order.size_lots == SIZE


def test_an_adopted_order_stands_until_it_is_cancelled():
    orders = Orders(Prefixed("hx-", 2))
    left = Order.of(place("hx-1-9"), 0)
    order = orders.adopt(report(left, OrdStatus.NEW)).order
    assert (order.kind, order.tif, order.sent_ns) == (OrderKind.LIMIT, TimeInForce.GTC, 0)


def test_a_replacement_remembers_what_it_replaced_and_no_more():
    _, (one, two, three) = chained(1, 2, 3)
    assert three.replaces is two
    assert two.replaces is None
    assert one.replaces is None


def test_reports_about_others_are_counted():
    orders, order = table()
    for _ in range(2):
        orders.on_report(report(order, OrdStatus.NEW, client_order_id="web_1"))
    assert orders.foreign == 2
    orders.on_fill(FillReport(0, "5", Side.BUY, fill(1, 1)))
    orders.on_fill(FillReport(0, "5", Side.BUY, fill(2, 1)))
    orders.on_fill(FillReport(0, "6", Side.BUY, fill(3, 1)))
    assert orders.foreign == 4, "orders, not fills"
    assert orders.unclaimed() == [(0, "5"), (0, "6")]
    orders.disown(0, "5")
    assert orders.unclaimed() == [(0, "6")]


def test_fills_of_unknown_orders_are_kept_within_a_bound_the_newest_first():
    orders, order = table()
    for number in range(1, MAX_UNCLAIMED + 2):
        orders.on_fill(FillReport(0, str(number), Side.BUY, fill(number, 1)))
    assert len(orders.unclaimed()) == MAX_UNCLAIMED
    assert orders.unclaimed()[0] == (0, "2")
    applied = orders.on_report(report(order, OrdStatus.NEW, venue_order_id=str(MAX_UNCLAIMED + 1)))
    assert applied is not None
    assert [each.trade_id for each in applied.fills] == [str(MAX_UNCLAIMED + 1)]


def test_the_oldest_finished_order_is_forgotten_with_its_number():
    orders, first = table()
    orders.on_report(report(first, OrdStatus.CANCELED))
    second = orders.add(place(orders.next_id()), 0)
    orders.on_report(report(second, OrdStatus.CANCELED, venue_order_id="78"))
    for _ in range(MAX_TERMINAL - 2):
        orders.on_refused(orders.add(place(orders.next_id()), 0), "")
    assert orders.by_venue_id(0, "77") is first, "as many as may be"
    orders.on_refused(orders.add(place(orders.next_id()), 0), "")
    assert orders.by_venue_id(0, "77") is None
    assert orders.find(first.client_order_id) is None
    assert orders.by_venue_id(0, "78") is second


def test_an_order_known_by_its_number_alone_is_found_by_it():
    orders = Orders(Prefixed("hx-", 2))
    orders.resume(place("hx-1-9"), 0, "77", 0, 0, ())
    applied = orders.on_fill(FillReport(0, "77", Side.BUY, fill(5, 4)))
    assert applied is not None
    assert [each.trade_id for each in applied.fills] == ["5"]
    order = applied.order
    assert (order.client_order_id, order.state) == ("hx-1-9", OrderState.LIVE)
    assert orders.exposure(0).open_buy_lots == SIZE - 4
    left = report(order, OrdStatus.CANCELED, 4, client_order_id="cancel-by-hand")
    assert orders.on_report(left) is not None
    assert order.state is OrderState.CANCELED
    assert orders.by_venue_id(0, "77") is order


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"side": Side.SELL}, "side"),
        ({"price_ticks": 101}, "price"),
        ({"instrument": 1}, "symbol"),
    ],
)
def test_a_report_that_contradicts_its_order_is_not_applied(change, what):
    orders, order = table()
    before = (order.state, order.evidence, order.filled_lots)
    told = replace(report(order, OrdStatus.FILLED, SIZE, [fill(1, SIZE)]), **change)
    applied = orders.on_report(told)
    assert applied is not None
    assert f"another {what}" in applied.contradiction
    assert applied.fills == ()
    assert (order.state, order.evidence, order.filled_lots) == before


def test_a_trade_on_the_other_side_is_not_booked():
    orders, order = table()
    orders.on_report(report(order, OrdStatus.NEW))
    applied = orders.on_fill(FillReport(0, "77", Side.SELL, fill(5, 4)))
    assert applied is not None
    assert (applied.fills, order.traded_lots) == ((), 0)
    assert "other side" in applied.contradiction


def test_an_order_at_market_has_no_price_to_contradict():
    orders = Orders(Prefixed("hx-", 1))
    sent = Place(0, orders.next_id(), Side.BUY, OrderKind.MARKET, TimeInForce.GTC, 0, SIZE)
    order = orders.add(sent, 0)
    told = replace(report(order, OrdStatus.FILLED, SIZE, [fill(1, SIZE)]), price_ticks=7)
    applied = orders.on_report(told)
    assert applied is not None
    assert applied.contradiction == ""


def test_an_order_that_the_venue_forgot_is_over_and_one_it_tells_of_again_counts_again():
    orders, order = table()
    orders.on_report(report(order, OrdStatus.NEW))
    orders.on_forgotten(order, "no such order")
    assert (order.state, orders.exposure(0).open_buy_lots) == (OrderState.EXPIRED, 0)
    applied = orders.on_report(report(order, OrdStatus.NEW))
    assert applied is not None
    assert applied.reappeared
    assert (order.state, orders.exposure(0).open_buy_lots) == (OrderState.LIVE, SIZE)


def test_an_order_proved_absent_that_appears_after_all_counts_again_and_says_so():
    orders, order = table()
    orders.on_refused(order, "no such order")
    assert orders.exposure(0).open_buy_lots == 0
    applied = orders.on_report(report(order, OrdStatus.NEW))
    assert applied is not None
    assert applied.reappeared
    assert orders.exposure(0).open_buy_lots == SIZE
    again = orders.on_report(report(order, OrdStatus.NEW))
    assert again is not None
    assert not again.reappeared


def test_where_numbers_begin_anew_no_order_is_known_by_its_old_one():
    orders, order = table()
    orders.on_report(report(order, OrdStatus.NEW))
    orders.renumber(0)
    assert orders.by_venue_id(0, "77") is None
    assert order.venue_order_id == ""
    assert orders.on_report(report(order, OrdStatus.NEW, venue_order_id="3")) is not None
    assert orders.by_venue_id(0, "3") is order


def numbered(orders: Orders, number: str, sent_ns: int, told_ns: int) -> bool:
    order = orders.add(place(orders.next_id()), sent_ns)
    orders.on_number(order, number)
    return orders.rises(order, told_ns)


def test_an_id_below_the_highest_told_says_that_numbers_begin_anew_if_it_was_sent_later():
    orders = Orders(Prefixed("hx-", 1), rising_ids=True)
    assert numbered(orders, "77", 0, told_ns=10)
    assert numbered(orders, "76", 5, told_ns=11)  # on its way at the same time
    assert not numbered(orders, "9", 20, told_ns=30)
    assert orders.newest(0) == "77"


def test_the_first_id_of_those_that_begin_anew_is_the_highest():
    orders = Orders(Prefixed("hx-", 1), rising_ids=True)
    assert numbered(orders, "77", 0, told_ns=10)
    order = orders.add(place(orders.next_id()), 20)
    orders.renumber(0)
    assert orders.newest(0) == ""
    orders.begin_with(order, "9", 30)
    assert orders.newest(0) == "9"
    assert orders.by_venue_id(0, "9") is order


def test_an_earlier_boots_ids_are_expected_to_be_lower():
    orders = Orders(Prefixed("hx-", 1), rising_ids=True)
    orders.expect_above(0, "77", 10)
    orders.expect_above(0, "70", 10)
    assert not numbered(orders, "9", 20, told_ns=30)


def test_where_ids_are_names_none_is_higher_than_another():
    orders = Orders(Prefixed("hx-", 1))
    orders.expect_above(0, "T-77", 10)
    assert numbered(orders, "A", 20, told_ns=30)
    assert orders.newest(0) == ""


def test_an_amended_order_that_stands_is_filled_to_its_new_size_at_most():
    orders, order = table()
    orders.on_report(report(order, OrdStatus.NEW, size_lots=4))
    applied = orders.on_report(report(order, OrdStatus.PARTIALLY_FILLED, 5))
    assert applied is not None
    assert "beyond its size" in applied.contradiction


def test_an_amend_that_a_fill_has_passed_expires_the_order_without_contradiction():
    orders, order = table()
    expired = report(order, OrdStatus.EXPIRED, 6, [fill(1, 6)], size_lots=4)
    applied = orders.on_report(expired)
    assert applied is not None
    assert applied.contradiction == ""
    beyond = orders.on_report(report(order, OrdStatus.EXPIRED, SIZE + 1, size_lots=4))
    assert beyond is not None
    assert "beyond its size" in beyond.contradiction


def test_an_order_of_before_that_a_fill_has_passed_was_no_smaller_than_what_it_has_filled():
    """With which size it was placed no report tells."""
    orders, _ = table()
    left = Order.of(place("hx-0-9"), 0)
    applied = orders.adopt(report(left, OrdStatus.EXPIRED, 6, [fill(1, 6)], size_lots=4))
    assert applied.contradiction == ""
    beyond = orders.on_report(report(left, OrdStatus.EXPIRED, 7, size_lots=4))
    assert beyond is not None
    assert "beyond its size" in beyond.contradiction


def test_an_order_that_was_noted_smaller_is_still_known_to_have_been_placed_larger():
    orders, _ = table()
    left = replace(place("hx-0-9"), lots=4)
    orders.resume(left, 0, "77", 3, 3, ["1"], SIZE)
    told = report(Order.of(left, 0), OrdStatus.EXPIRED, 6, [fill(2, 3)], size_lots=2)
    applied = orders.on_report(told)
    assert applied is not None
    assert applied.contradiction == ""
