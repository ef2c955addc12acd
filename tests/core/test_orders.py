"""The order table: what each fact does to it. That their order does not matter: test_histories."""

import pytest

from core.commands import OrderKind, Place, TimeInForce
from core.errors import Misuse
from core.events import Change, Fill, FillReport, OrderReport, Side, Source, VenueStatus
from core.orders import MAX_TERMINAL, Order, Orders
from core.views import OrderState

SIZE = 10


def table() -> tuple[Orders, Order]:
    orders = Orders("hx-", 1)
    return orders, orders.add(place(orders.next_id()), 0)


def place(client_order_id: str, side: Side = Side.BUY, ticks: int = 100) -> Place:
    return Place(0, client_order_id, side, OrderKind.LIMIT, TimeInForce.GTC, ticks, SIZE)


def fill(trade_id: int, lots: int) -> Fill:
    return Fill(trade_id, 100, lots, 0, "", True, 0)


def report(order: Order, status: VenueStatus, filled=0, fills=(), **more) -> OrderReport:
    fields = {
        "instrument": 0,
        "client_order_id": order.client_order_id,
        "venue_order_id": 77,
        "source": Source.STREAM,
        "change": Change.TRADE if fills else Change.SNAPSHOT,
        "status": status,
        "side": order.side,
        "price_ticks": order.price_ticks,
        "size_lots": SIZE,
        "filled_lots": filled,
        "fills": tuple(fills),
    }
    return OrderReport(**(fields | more))


def test_ids_are_unique_across_boots_and_begin_with_the_scope():
    first, second = Orders("hx-", 1), Orders("hx-", 2)
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
    orders.on_report(report(order, VenueStatus.NEW))
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
    orders.on_report(report(order, VenueStatus.NEW))
    assert order.state is OrderState.LIVE
    assert orders.exposure(0).open_buy_lots == SIZE
    assert orders.exposure(0).open_orders == 1


def test_a_fill_before_the_reply_proves_acceptance():
    orders, order = table()
    folded = orders.on_report(report(order, VenueStatus.PARTIALLY_FILLED, 4, [fill(1, 4)]))
    assert folded is not None
    assert [each.trade_id for each in folded.fills] == [1]
    assert order.state is OrderState.LIVE
    assert (order.open_lots, order.filled_lots) == (6, 4)
    assert orders.exposure(0).open_buy_lots == 6


def test_the_same_fill_counts_once():
    orders, order = table()
    partial = report(order, VenueStatus.PARTIALLY_FILLED, 4, [fill(1, 4)])
    orders.on_report(partial)
    again = orders.on_report(partial)
    assert again is not None
    assert again.fills == ()
    assert not again.changed
    assert order.traded_lots == 4


def test_a_fill_after_the_cancel_is_counted():
    orders, order = table()
    orders.on_report(report(order, VenueStatus.CANCELED, 0))
    assert order.state is OrderState.CANCELED
    folded = orders.on_report(report(order, VenueStatus.PARTIALLY_FILLED, 3, [fill(1, 3)]))
    assert folded is not None
    assert len(folded.fills) == 1
    assert order.state is OrderState.CANCELED
    assert (order.filled_lots, order.open_lots) == (3, 0)


def test_filled_by_count_without_the_fills_keeps_exposure_until_they_are_known():
    orders, order = table()
    orders.on_report(report(order, VenueStatus.CANCELED, 4))
    assert order.state is OrderState.CANCELED
    assert order.unbooked_lots == 4
    assert orders.exposure(0).open_buy_lots == 4
    folded = orders.on_fill(FillReport(0, 77, Side.BUY, fill(5, 4)))
    assert folded is not None
    assert orders.exposure(0).open_buy_lots == 0
    assert len(orders) == 0


def test_a_fill_found_before_the_venue_id_is_known_is_not_lost():
    orders, order = table()
    assert orders.on_fill(FillReport(0, 77, Side.BUY, fill(5, 4))) is None
    folded = orders.on_report(report(order, VenueStatus.PARTIALLY_FILLED, 4))
    assert folded is not None
    assert [each.trade_id for each in folded.fills] == [5]


def test_the_whole_size_filled_is_filled_whatever_the_status_says():
    orders, order = table()
    orders.on_report(report(order, VenueStatus.PARTIALLY_FILLED, SIZE, [fill(1, SIZE)]))
    assert order.state is OrderState.FILLED


def test_an_amend_makes_an_order_smaller_and_never_larger():
    orders, order = table()
    orders.on_report(report(order, VenueStatus.NEW, size_lots=6))
    assert orders.exposure(0).open_buy_lots == 6
    orders.on_report(report(order, VenueStatus.NEW, size_lots=SIZE))
    assert order.size_lots == 6


def test_orders_of_others_are_counted_and_left_alone():
    orders, order = table()
    assert orders.on_report(report(order, VenueStatus.NEW, client_order_id="web_1")) is None
    assert orders.foreign == 1
    assert len(orders) == 1


def test_an_order_of_an_earlier_boot_is_adopted_as_it_stands():
    orders, _ = table()
    left = Order(place("hx-0-9", Side.SELL), 0)
    folded = orders.adopt(report(left, VenueStatus.PARTIALLY_FILLED, 3, venue_order_id=5))
    assert folded.order.state is OrderState.LIVE
    assert folded.order.unbooked_lots == 3
    assert orders.exposure(0).open_sell_lots == SIZE


def test_finished_orders_are_remembered_within_a_bound():
    orders, first = table()
    orders.on_refused(first, "")
    for _ in range(MAX_TERMINAL):
        orders.on_refused(orders.add(place(orders.next_id()), 0), "")
    assert orders.find(first.client_order_id) is None
    assert len(orders) == 0


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
    orders.on_report(report(first, VenueStatus.NEW))
    assert exposure.highest_buy_ticks() == 100


def chained(*numbers: int) -> tuple[Orders, list[Order]]:
    """A chain of accepted orders, each sent to replace the one before."""
    orders, first = table()
    chain = [first]
    orders.on_report(report(first, VenueStatus.NEW, venue_order_id=numbers[0]))
    for number in numbers[1:]:
        chain.append(orders.add(place(orders.next_id()), 0))
        orders.link(chain[-2], chain[-1])
        orders.on_report(report(chain[-1], VenueStatus.NEW, venue_order_id=number))
    return orders, chain


def test_a_chain_sums_up_what_its_orders_filled_and_may_still_fill():
    orders, (one, two, three) = chained(1, 2, 3)
    assert (three.chain_filled_lots, three.chain_open_lots) == (0, 3 * SIZE)
    orders.on_report(report(one, VenueStatus.CANCELED, 3, [fill(1, 3)], venue_order_id=1))
    orders.on_report(report(two, VenueStatus.CANCELED, 2, venue_order_id=2))
    orders.on_report(report(three, VenueStatus.PARTIALLY_FILLED, 1, venue_order_id=3))
    assert {o.chain_filled_lots for o in (one, two, three)} == {6}
    assert three.chain_open_lots == SIZE - 1
    orders.on_refused(orders.add(place(orders.next_id()), 0), "of another chain")
    assert (three.chain_filled_lots, three.chain_open_lots) == (6, SIZE - 1)


def test_an_order_that_was_never_sent_leaves_no_chain():
    orders, order = table()
    chain = order.chain
    orders.withdraw(order)
    assert (chain.filled_lots, chain.open_lots) == (0, 0)


def test_an_order_filled_beyond_its_size_is_a_contradiction():
    orders, order = table()
    fine = orders.on_report(report(order, VenueStatus.FILLED, SIZE, [fill(1, SIZE)]))
    assert fine is not None
    assert fine.contradiction == ""
    folded = orders.on_report(report(order, VenueStatus.FILLED, SIZE + 1))
    assert folded is not None
    assert "beyond its size" in folded.contradiction
    by_trade = orders.on_fill(FillReport(0, 77, Side.BUY, fill(2, 1)))
    assert by_trade is not None
    assert "beyond its size" in by_trade.contradiction


def test_one_id_with_two_numbers_at_the_venue_is_a_contradiction():
    orders, order = table()
    orders.on_report(report(order, VenueStatus.NEW, venue_order_id=77))
    without = orders.on_report(report(order, VenueStatus.REJECTED, venue_order_id=0))
    assert without is not None
    assert without.contradiction == ""
    folded = orders.on_report(report(order, VenueStatus.NEW, venue_order_id=78))
    assert folded is not None
    assert "stands twice, as 77 and as 78" in folded.contradiction
