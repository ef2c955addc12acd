"""The taker's rules: when it takes, how much, and when it waits."""

from __future__ import annotations

import pytest

from core.model.commands import OrderKind, TimeInForce
from core.model.errors import BadParameter
from core.model.events import Side
from core.model.grid import Banded
from core.model.units import NS_PER_S
from core.model.views import OrderState, Refusal, RefusalReason, SessionState
from strategies.refusals import FIRST_PAUSE_NS
from strategies.taker import Taker, TakerParameters
from tests.strategies.desk import FakeDesk, instrument

PARAMETERS = TakerParameters("0.1", "0.25", levels=2, threshold_percent=80)
LEANS_TO_BUY = ([(1_000, 500), (999, 300)], [(1_001, 150), (1_002, 50)])
LEANS_TO_SELL = ([(1_000, 150), (999, 50)], [(1_001, 500), (1_002, 300)])
LEVEL = ([(1_000, 500), (999, 299)], [(1_001, 150), (1_002, 50)])


def trading(parameters: TakerParameters = PARAMETERS) -> FakeDesk:
    return FakeDesk(Taker(parameters))


def test_heavy_bids_are_followed_by_buying_at_the_offer_at_once_or_not() -> None:
    desk = trading()
    desk.show(*LEANS_TO_BUY)
    order = desk.standing(Side.BUY)
    assert order is not None
    assert (order.kind, order.tif) == (OrderKind.LIMIT, TimeInForce.IOC)
    assert (order.price_ticks, order.size_lots) == (1_001, 100)


def test_heavy_offers_are_followed_by_selling_at_the_bid() -> None:
    desk = trading()
    desk.show(*LEANS_TO_SELL)
    order = desk.standing(Side.SELL)
    assert order is not None
    assert order.price_ticks == 1_000


def test_below_the_threshold_nothing_is_sent() -> None:
    desk = trading()
    desk.show(*LEVEL)
    assert desk.calls == 0


def test_levels_beyond_those_asked_for_have_no_weight() -> None:
    desk = trading()
    bids, asks = LEVEL
    desk.show([*bids, (998, 10_000)], asks)
    assert desk.calls == 0


@pytest.mark.parametrize("levels", [([(1_000, 5)], []), ([], [(1_001, 5)]), ([], [])])
def test_an_empty_side_is_no_signal(
    levels: tuple[list[tuple[int, int]], list[tuple[int, int]]],
) -> None:
    desk = trading()
    desk.show(*levels)
    assert desk.calls == 0


def test_reach_goes_through_the_best_price() -> None:
    desk = trading(TakerParameters("0.1", "1", levels=2, reach_ticks=3))
    desk.show(*LEANS_TO_SELL)
    order = desk.standing(Side.SELL)
    assert order is not None
    assert order.price_ticks == 997


def test_reach_ends_at_the_last_price_that_the_venue_takes() -> None:
    coarse = instrument(grid=Banded(((0, 5),)))
    for levels, side, price_ticks in (
        (([(1_000, 10)], [(1_005, 500)]), Side.SELL, 995),
        (([(1_000, 500)], [(1_005, 10)]), Side.BUY, 1_010),
    ):
        desk = FakeDesk(Taker(TakerParameters("0.1", "1", levels=2, reach_ticks=8)), coarse)
        desk.show(*levels)
        order = desk.standing(side)
        assert order is not None
        assert order.price_ticks == price_ticks


def test_without_reach_no_more_is_asked_for_than_stands_there() -> None:
    desk = trading()
    desk.show([(1_000, 500)], [(1_001, 40), (1_002, 10)])
    order = desk.standing(Side.BUY)
    assert order is not None
    assert order.size_lots == 40


def test_an_order_is_followed_by_a_cool_down() -> None:
    desk = trading()
    desk.show(*LEANS_TO_BUY)
    desk.expire(desk.orders[0])
    desk.show(*LEANS_TO_BUY)
    assert desk.calls == 1
    desk.pass_ns(NS_PER_S)
    desk.show(*LEANS_TO_BUY)
    assert desk.calls == 2


@pytest.mark.parametrize("state", [OrderState.PENDING, OrderState.UNKNOWN, OrderState.LIVE])
def test_a_second_order_never_goes_out_beside_an_unproved_one(state: OrderState) -> None:
    desk = trading()
    desk.show(*LEANS_TO_BUY)
    desk.orders[0].state = state
    desk.pass_ns(NS_PER_S)
    desk.show(*LEANS_TO_BUY)
    assert desk.calls == 1


def test_the_position_stops_at_its_limit_and_the_opposite_signal_leaves_it() -> None:
    desk = trading()
    for _ in range(5):
        desk.show(*LEANS_TO_BUY)
        for order in desk.open_orders(0):
            desk.fill(order, order.open_lots)
        desk.pass_ns(NS_PER_S)
    assert [order.size_lots for order in desk.orders] == [100, 100, 50]
    desk.show(*LEANS_TO_SELL)
    assert desk.standing(Side.SELL) is not None


def test_a_rest_below_the_venues_smallest_notional_is_not_sent() -> None:
    desk = FakeDesk(Taker(PARAMETERS), instrument(min_notional=60 * 1_001))
    desk.positions[0].bought_lots = 200
    desk.show(*LEANS_TO_BUY)
    assert desk.calls == 0


@pytest.mark.parametrize("session", set(SessionState) - {SessionState.TRADING})
def test_nothing_is_sent_in_any_session_but_trading(session: SessionState) -> None:
    desk = trading()
    desk.session = session
    desk.show(*LEANS_TO_BUY)
    assert desk.calls == 0


def test_nothing_is_sent_on_a_book_that_is_not_live() -> None:
    desk = trading()
    desk.lose_book()
    assert desk.calls == 0


def test_lasting_refusal_floods_neither_the_venue_nor_the_log() -> None:
    desk = trading(TakerParameters("0.1", "1", levels=2, cool_down_ms=1))
    desk.refuse_with = Refusal(RefusalReason.DAILY_LOSS, "the limit")
    for _ in range(2_000):
        desk.show(*LEANS_TO_BUY)
        desk.pass_ns(NS_PER_S // 20)
    assert desk.calls < 25
    assert len(desk.lines) == 2


def test_the_venues_rejection_is_paused_on_too() -> None:
    desk = trading(TakerParameters("0.1", "1", levels=2, cool_down_ms=1))
    desk.show(*LEANS_TO_BUY)
    desk.reject()
    desk.pass_ns(NS_PER_S // 20)
    desk.show(*LEANS_TO_BUY)
    assert desk.calls == 1
    desk.pass_ns(NS_PER_S)
    desk.show(*LEANS_TO_BUY)
    assert desk.calls == 2


def test_an_accepted_order_makes_the_next_pause_a_short_one() -> None:
    desk = trading(TakerParameters("0.1", "1", levels=2, cool_down_ms=1))
    for _ in range(4):
        desk.show(*LEANS_TO_BUY)
        desk.reject()
        desk.pass_ns(10 * NS_PER_S)
    desk.show(*LEANS_TO_BUY)
    desk.expire(desk.orders[-1])
    desk.pass_ns(NS_PER_S)
    desk.show(*LEANS_TO_BUY)
    desk.reject()
    assert desk.timers[0][0] - desk.now_ns == FIRST_PAUSE_NS


def test_a_size_below_the_smallest_order_is_refused_by_name() -> None:
    with pytest.raises(BadParameter, match=r'size = "0.1".*no order below 0.500 BTC'):
        FakeDesk(Taker(PARAMETERS), instrument(min_lots=500))
