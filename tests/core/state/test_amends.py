"""Orders that are moved where they stand: until it is known what became of it, both count."""

from __future__ import annotations

from typing import Any

import pytest

from core.model.commands import OrderKind, Place, TimeInForce
from core.model.events import ExecType, Fill, FillReport, OrderReport, OrdStatus, Side, Source
from core.model.views import OrderState
from core.state.orders import Order, Orders
from venues.kit.names import Prefixed

STREAM, QUERY = Source.STREAM, Source.QUERY


def live(side: Side = Side.BUY, *, reprices: bool = True) -> tuple[Orders, Order]:
    orders = Orders(Prefixed("hx-", 1), reprices=reprices)
    place = Place(0, orders.next_id(), side, OrderKind.LIMIT, TimeInForce.GTC, 100, 10)
    order = orders.add(place, 1)
    orders.on_report(told(order, 100, 10))
    return orders, order


def told(order: Order, ticks: int, lots: int, source: Source = STREAM, **more: Any) -> OrderReport:
    fields: dict[str, Any] = {
        "instrument": 0,
        "client_order_id": order.client_order_id,
        "venue_order_id": "77",
        "source": source,
        "exec_type": ExecType.REPLACED,
        "status": OrdStatus.NEW,
        "side": order.side,
        "price_ticks": ticks,
        "size_lots": lots,
        "filled_lots": 0,
    }
    return OrderReport(**(fields | more))


def fill(trade_id: int, lots: int) -> Fill:
    return Fill(str(trade_id), trade_id, 100, lots, 0, "", True, 0)


def test_while_an_amend_is_under_way_the_larger_size_and_both_prices_count() -> None:
    orders, order = live()
    orders.amend(order, 90, 15, 2)
    assert (order.price_ticks, order.size_lots) == (100, 10), "nothing is told yet"
    assert order.open_lots == orders.exposure(0).open_buy_lots == 15
    assert orders.exposure(0).highest_buy_ticks() == 100
    orders.amend(order, 110, 4, 3)
    assert order.open_lots == orders.exposure(0).open_buy_lots == 10
    assert orders.exposure(0).highest_buy_ticks() == 110


def test_two_amends_that_each_make_an_order_smaller_may_lead_it_to_the_larger_of_both() -> None:
    orders, order = live()
    orders.amend(order, 100, 4, 2)
    orders.amend(order, 100, 9, 3)
    orders.on_report(told(order, 100, 4))
    assert order.open_lots == orders.exposure(0).open_buy_lots == 9
    orders.on_report(told(order, 100, 9))
    assert (order.size_lots, order.amend_lots) == (9, 0)


def test_both_prices_of_an_offer_count_too() -> None:
    orders, order = live(Side.SELL)
    orders.amend(order, 90, 10, 2)
    assert orders.exposure(0).lowest_sell_ticks() == 90
    orders.on_amend_refused(order, 90, 10)
    assert orders.exposure(0).lowest_sell_ticks() == 100


def test_an_amend_that_is_told_is_what_stands_and_its_id_stays() -> None:
    orders, order = live()
    name = order.client_order_id
    orders.amend(order, 90, 15, 2)
    applied = orders.on_report(told(order, 90, 15))
    assert applied is not None
    assert applied.changed
    assert (order.price_ticks, order.size_lots, order.open_lots) == (90, 15, 15)
    assert (order.amend_ticks, order.amend_lots) == (0, 0)
    assert orders.exposure(0).highest_buy_ticks() == 90
    assert orders.find(name) is order
    assert order.state is OrderState.LIVE


def test_a_refused_amend_leaves_the_order_as_it_was() -> None:
    orders, order = live()
    orders.amend(order, 110, 15, 2)
    assert orders.on_amend_refused(order, 110, 15).changed
    assert (order.price_ticks, order.size_lots, order.open_lots) == (100, 10, 10)
    assert orders.exposure(0).open_buy_lots == 10
    assert orders.exposure(0).highest_buy_ticks() == 100


def test_the_refusal_of_an_earlier_amend_says_nothing_of_the_one_under_way() -> None:
    orders, order = live()
    orders.amend(order, 100, 4, 2)
    orders.amend(order, 110, 15, 3)
    assert not orders.on_amend_refused(order, None, 4).changed
    assert order.open_lots == 15


def test_a_fill_at_the_old_price_while_an_amend_is_under_way_leaves_the_rest_of_both() -> None:
    orders, order = live()
    orders.amend(order, 90, 15, 2)
    orders.on_report(
        told(order, 100, 10, exec_type=ExecType.TRADE, filled_lots=10, fills=(fill(1, 10),))
    )
    assert not order.state.terminal, "it may have 15 by now, and 5 are open"
    assert order.open_lots == orders.exposure(0).open_buy_lots == 5
    orders.on_amend_refused(order, 90, 15)
    assert order.state is OrderState.FILLED
    assert orders.exposure(0).open_buy_lots == 0


def test_more_than_the_old_size_is_filled_before_the_amend_is_told_and_is_no_contradiction() -> (
    None
):
    orders, order = live()
    orders.amend(order, 110, 15, 2)
    applied = orders.on_report(
        told(order, 110, 15, exec_type=ExecType.TRADE, filled_lots=12, fills=(fill(1, 12),))
    )
    assert applied is not None
    assert not applied.contradiction
    assert order.open_lots == 3


def test_a_late_answer_that_tells_what_was_before_takes_nothing_back() -> None:
    orders, order = live()
    orders.amend(order, 90, 15, 2)
    orders.on_report(told(order, 90, 15))
    applied = orders.on_report(told(order, 100, 10, QUERY))
    assert applied is not None
    assert not applied.contradiction
    assert (order.price_ticks, order.size_lots) == (90, 15)


def test_a_late_answer_proves_no_amend_that_leads_back_to_what_was_before() -> None:
    orders, order = live()
    orders.amend(order, 100, 15, 2)
    orders.on_report(told(order, 100, 15))
    orders.amend(order, 100, 10, 3)
    orders.on_report(told(order, 100, 10, QUERY))
    assert order.open_lots == 15, "the answer may be of before"
    orders.on_report(told(order, 100, 10))
    assert order.open_lots == 10


def test_what_stood_when_nothing_could_be_on_its_way_is_believed() -> None:
    orders, order = live()
    orders.amend(order, 90, 15, 2)
    orders.on_stands(order, told(order, 100, 10, QUERY))
    assert (order.price_ticks, order.open_lots, order.amend_lots) == (100, 10, 0)
    orders.amend(order, 90, 15, 3)
    orders.on_stands(order, told(order, 90, 15, QUERY))
    assert (order.price_ticks, order.open_lots, order.amend_lots) == (90, 15, 0)


def test_a_price_that_was_never_asked_for_is_a_contradiction() -> None:
    orders, order = live()
    orders.amend(order, 90, 10, 2)
    for ticks in (89, 101):
        applied = orders.on_report(told(order, ticks, 10))
        assert applied is not None
        assert "price" in applied.contradiction
    assert orders.on_report(told(order, 90, 10)) is not None


def test_an_order_that_nobody_has_moved_keeps_its_price_for_life() -> None:
    orders, order = live()
    applied = orders.on_report(told(order, 99, 10))
    assert applied is not None
    assert "price" in applied.contradiction


def test_an_order_of_an_earlier_boot_stands_as_the_venue_says() -> None:
    orders = Orders(Prefixed("hx-", 2), reprices=True)
    place = Place(0, "hx-1-1", Side.BUY, OrderKind.LIMIT, TimeInForce.GTC, 100, 10)
    order = orders.resume(place, 1, "77", 0, 0, ())
    applied = orders.on_report(told(order, 250, 30, QUERY))
    assert applied is not None
    assert not applied.contradiction
    assert (order.price_ticks, order.open_lots) == (250, 30)
    assert orders.exposure(0).highest_buy_ticks() == 250
    orders.on_report(told(order, 260, 20))
    orders.on_report(told(order, 250, 30, QUERY))
    assert (order.price_ticks, order.open_lots) == (260, 20), "told in order since"


@pytest.mark.parametrize("status", [OrdStatus.CANCELED, OrdStatus.FILLED])
def test_an_order_that_ends_while_it_is_moved_leaves_nothing_behind(status: OrdStatus) -> None:
    orders, order = live()
    orders.amend(order, 90, 15, 2)
    fills = (fill(1, 10),) if status is OrdStatus.FILLED else ()
    filled = sum(each.lots for each in fills)
    orders.on_report(told(order, 100, 10, status=status, fills=fills, filled_lots=filled))
    exposure = orders.exposure(0)
    assert order.state.terminal
    assert (exposure.open_buy_lots, exposure.open_orders, len(orders)) == (0, 0, 0)
    assert exposure.highest_buy_ticks() == 0
    assert exposure._buy_ticks == []


def test_where_orders_only_become_smaller_a_smaller_size_counts_whoever_tells_it() -> None:
    orders, order = live(reprices=False)
    orders.amend(order, 100, 4, 2)
    assert (order.open_lots, order.amend_lots) == (10, 0)
    orders.on_report(told(order, 100, 4, QUERY))
    assert order.open_lots == 4


def inherited() -> tuple[Orders, Order]:
    """An order of 10 that a former boot has placed, and may have had made larger."""
    orders = Orders(Prefixed("hx-", 2), reprices=True)
    place = Place(0, "hx-1-0-1", Side.BUY, OrderKind.LIMIT, TimeInForce.GTC, 100, 10)
    return orders, orders.resume(place, 1, "77", 0, 0, ())


@pytest.mark.parametrize("source", [STREAM, QUERY])
def test_an_order_that_a_former_boot_had_made_larger_ends_with_more_filled_than_was_placed(
    source: Source,
) -> None:
    orders, order = inherited()
    ended = told(order, 95, 26, source, status=OrdStatus.CANCELED, filled_lots=16)
    applied = orders.on_report(ended)
    assert applied is not None
    assert not applied.contradiction
    assert (order.state, order.filled_lots) == (OrderState.CANCELED, 16)


def test_fills_of_an_inherited_order_are_no_word_on_its_size() -> None:
    orders, order = inherited()
    for trade_id, lots in ((1, 10), (2, 6)):
        applied = orders.on_fill(FillReport(0, "77", Side.BUY, fill(trade_id, lots)))
        assert applied is not None
        assert not applied.contradiction
    assert (order.state, order.open_lots) == (OrderState.LIVE, 0)
    orders.on_report(told(order, 95, 26, QUERY, filled_lots=16))
    assert (order.state, order.open_lots) == (OrderState.LIVE, 10)
    assert orders.exposure(0).open_buy_lots == 10


def test_where_they_may_become_larger_a_smaller_size_is_awaited_too() -> None:
    orders, order = live()
    orders.amend(order, 100, 4, 2)
    assert (order.open_lots, order.amend_lots) == (10, 4)
    orders.on_report(told(order, 100, 4, QUERY))
    assert order.open_lots == 10, "it may be of before another amend"
    orders.on_report(told(order, 100, 4))
    assert (order.open_lots, order.amend_lots) == (4, 0)
