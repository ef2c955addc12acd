"""The maker's rules: where it quotes, when it moves, when it keeps still."""

from __future__ import annotations

import dataclasses
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from core.model.commands import OrderKind
from core.model.contract import Linear
from core.model.errors import BadParameter
from core.model.events import Side
from core.model.grid import Banded
from core.model.strategy import Desk
from core.model.units import NS_PER_S, Grid
from core.model.views import OrderState, Refusal, RefusalReason, SessionState
from strategies.maker import ECHO_NS, Maker, MakerParameters
from strategies.refusals import FIRST_PAUSE_NS
from tests.strategies.desk import FakeDesk, FakeOrder, instrument

BIDS = [(999_900, 500), (999_800, 500), (999_700, 500)]
ASKS = [(1_000_100, 500), (1_000_200, 500), (1_000_300, 500)]
"""A market around 10,000.00; one basis point of it is 100 ticks."""

PARAMETERS = MakerParameters(
    size="0.1", max_position="0.4", half_spread_bps="2", skew_bps="1", requote_bps="0.5"
)


def trading(parameters: MakerParameters = PARAMETERS) -> FakeDesk:
    return FakeDesk(Maker(parameters))


def quoted() -> tuple[FakeDesk, FakeOrder, FakeOrder]:
    """Return a desk on which both quotes stand, and the quotes."""
    desk = trading()
    desk.show(BIDS, ASKS)
    desk.accept()
    bid, ask = desk.standing(Side.BUY), desk.standing(Side.SELL)
    assert bid is not None
    assert ask is not None
    return desk, bid, ask


def test_the_fake_desk_is_a_desk() -> None:
    desk: Desk = trading()
    assert desk.session is SessionState.TRADING


# -- prices ------------------------------------------------------------------------------------


def test_quotes_lie_half_a_spread_either_side_of_the_middle() -> None:
    _, bid, ask = quoted()
    assert (bid.price_ticks, bid.size_lots) == (999_800, 100)
    assert (ask.price_ticks, ask.size_lots) == (1_000_200, 100)


def test_quotes_between_two_prices_that_the_venue_takes_go_away_from_the_middle() -> None:
    desk = FakeDesk(Maker(PARAMETERS), instrument(grid=Banded(((0, 1), (999_000, 450)))))
    desk.show(BIDS, ASKS)
    bid, ask = desk.standing(Side.BUY), desk.standing(Side.SELL)
    assert bid is not None
    assert ask is not None
    assert (bid.price_ticks, ask.price_ticks) == (999_450, 1_000_350)


def test_where_nothing_is_delivered_no_balance_bounds_a_quote() -> None:
    row = instrument()
    perpetual = Linear.future("USDT", "BTC", row.tick, row.lot)
    desk = FakeDesk(Maker(PARAMETERS), replace(row, contract=perpetual))
    desk.balances = {"BTC": 0, "USDT": 0}
    desk.show(BIDS, ASKS)
    for side in Side:
        order = desk.standing(side)
        assert order is not None
        assert order.size_lots == 100


def test_quotes_are_post_only() -> None:
    _, bid, ask = quoted()
    assert (bid.kind, ask.kind) == (OrderKind.POST_ONLY, OrderKind.POST_ONLY)


@pytest.mark.parametrize(("side", "best_ticks"), [(Side.BUY, 999_900), (Side.SELL, 999_901)])
def test_a_quote_never_reaches_the_other_side(side: Side, best_ticks: int) -> None:
    desk = trading(
        MakerParameters("0.1", "0.4", half_spread_bps="0", skew_bps="50", requote_bps="0")
    )
    desk.positions[0].bought_lots, desk.positions[0].sold_lots = (
        (0, 400) if side is Side.BUY else (400, 0)
    )
    desk.show([(999_900, 5)], [(999_901, 5)])
    order = desk.standing(side)
    assert order is not None
    assert order.price_ticks == best_ticks


def test_both_quotes_lean_against_the_position() -> None:
    desk = trading()
    desk.positions[0].bought_lots = 200  # half of max_position: half of one basis point
    desk.show(BIDS, ASKS)
    bid, ask = desk.standing(Side.BUY), desk.standing(Side.SELL)
    assert bid is not None
    assert ask is not None
    assert (bid.price_ticks, ask.price_ticks) == (999_750, 1_000_150)


def test_a_position_beyond_the_limit_leans_no_further() -> None:
    desk = trading()
    desk.positions[0].bought_lots = 4_000
    desk.show(BIDS, ASKS)
    ask = desk.standing(Side.SELL)
    assert ask is not None
    assert ask.price_ticks == 1_000_100


def test_leaning_is_the_same_either_way() -> None:
    distances = []
    for side in Side:
        desk = trading()
        desk.positions[0].bought_lots, desk.positions[0].sold_lots = (
            (200, 0) if side is Side.BUY else (0, 200)
        )
        desk.show(BIDS, ASKS)
        order = desk.standing(side)
        assert order is not None
        distances.append(side * (1_000_000 - order.price_ticks))
    assert distances[0] == distances[1]


def test_the_middle_is_that_of_the_market_without_our_own_quotes() -> None:
    desk = trading(MakerParameters("0.1", "0.4", half_spread_bps="0.5", requote_bps="0"))
    desk.show(BIDS, ASKS)
    desk.accept()
    bid = desk.standing(Side.BUY)
    assert bid is not None
    assert bid.price_ticks == 999_950
    calls = desk.calls
    desk.show([(999_950, 100), *BIDS], ASKS)  # our bid has become the best
    assert desk.calls == calls


def test_alone_on_a_side_it_takes_its_quotes_out() -> None:
    desk, bid, ask = quoted()
    desk.show([(999_800, 100)], ASKS)
    assert bid.cancelling
    assert ask.cancelling


# -- inventory ---------------------------------------------------------------------------------


def test_the_growing_side_shrinks_to_what_is_left_of_the_limit() -> None:
    desk = trading()
    desk.positions[0].bought_lots = 370
    desk.show(BIDS, ASKS)
    bid = desk.standing(Side.BUY)
    assert bid is not None
    assert bid.size_lots == 30


def test_at_the_limit_only_the_reducing_side_is_quoted() -> None:
    desk = trading()
    desk.positions[0].sold_lots = 400
    desk.show(BIDS, ASKS)
    assert desk.standing(Side.SELL) is None
    assert desk.standing(Side.BUY) is not None


def test_a_rest_below_the_venues_smallest_notional_is_not_quoted() -> None:
    desk = FakeDesk(Maker(PARAMETERS), instrument(min_notional=50 * 1_000_000))
    desk.positions[0].bought_lots = 370
    desk.show(BIDS, ASKS)
    assert desk.standing(Side.BUY) is None


def test_a_standing_quote_is_made_smaller_where_it_stands() -> None:
    desk = trading(MakerParameters("0.1", "0.4", skew_bps="0"))
    desk.show(BIDS, ASKS)
    desk.accept()
    desk.positions[0].bought_lots = 370
    desk.show([(999_940, 500)], [(1_000_140, 500)])
    smaller = desk.standing(Side.BUY)
    assert smaller is not None
    assert (smaller.price_ticks, smaller.size_lots) == (999_800, 30)


def test_a_fill_that_comes_late_is_leaned_against_at_once() -> None:
    desk, bid, _ = quoted()
    bid.state = OrderState.CANCELED
    desk.book_fill(bid, 100)
    again = desk.standing(Side.BUY)
    assert again is not None
    assert again.price_ticks == bid.price_ticks - 25


# -- balances ----------------------------------------------------------------------------------


def test_a_side_that_the_balance_does_not_pay_for_is_not_quoted() -> None:
    desk = trading()
    desk.balances["BTC"] = 0
    desk.show(BIDS, ASKS)
    assert desk.standing(Side.SELL) is None
    assert desk.standing(Side.BUY) is not None


def test_a_quote_is_no_larger_than_the_balance_pays_for() -> None:
    desk = trading()
    row = desk.instruments[0]
    desk.balances["BTC"] = 40 * row.lot_atoms + row.lot_atoms - 1
    desk.balances["USDT"] = 30 * 999_800 * row.contract.unit_atoms
    desk.show(BIDS, ASKS)
    bid, ask = desk.standing(Side.BUY), desk.standing(Side.SELL)
    assert bid is not None
    assert ask is not None
    assert (bid.size_lots, ask.size_lots) == (30, 40)


def test_what_our_own_quote_has_locked_is_not_missing() -> None:
    desk, bid, ask = quoted()
    desk.balances["BTC"] = desk.balances["USDT"] = 0  # all that is free lies in the quotes
    calls = desk.calls
    desk.show([(999_940, 500)], [(1_000_140, 500)])
    assert desk.calls == calls
    assert not bid.cancelling
    assert not ask.cancelling


# -- coarse ticks ------------------------------------------------------------------------------


@pytest.mark.parametrize("spread", ["0", "2", "50"])
@pytest.mark.parametrize("best", [(9, 10), (9, 11), (1, 2), (99, 101), (100, 101)])
def test_on_coarse_ticks_quotes_lie_at_least_half_a_spread_from_the_middle(
    spread: str, best: tuple[int, int]
) -> None:
    bid_ticks, ask_ticks = best
    desk = FakeDesk(
        Maker(MakerParameters("0.1", "0.4", half_spread_bps=spread, requote_bps="0")),
        instrument(tick=Grid("1")),
    )
    desk.show([(bid_ticks, 500)], [(ask_ticks, 500)])
    middle = bid_ticks + ask_ticks
    bid, ask = desk.standing(Side.BUY), desk.standing(Side.SELL)
    assert ask is not None
    least = max(1.0, float(spread) * middle / 10_000)
    assert 2 * ask.price_ticks - middle >= least
    assert ask.price_ticks > bid_ticks
    if bid is not None:
        assert middle - 2 * bid.price_ticks >= least
        assert bid.price_ticks < ask.price_ticks


def test_the_books_echo_of_a_quote_that_is_gone_is_not_the_market() -> None:
    desk = trading(MakerParameters("0.1", "0.4", half_spread_bps="0.5", requote_bps="0"))
    desk.show(BIDS, ASKS)
    desk.accept()
    bid = desk.standing(Side.BUY)
    assert bid is not None
    desk.show([(999_950, 100), *BIDS], ASKS)
    desk.expire(bid)  # told before the book shows it
    again = desk.standing(Side.BUY)
    assert again is not None
    assert again.price_ticks == bid.price_ticks


def test_a_quote_that_is_moved_where_it_stands_is_the_market_at_neither_price() -> None:
    desk = trading(MakerParameters("0.1", "0.4", half_spread_bps="0.5", requote_bps="0"))
    desk.show(BIDS, ASKS)
    desk.accept()
    bid = desk.standing(Side.BUY)
    assert bid is not None
    desk.show([(999_950, 100), *BIDS], ASKS)
    offer = desk.standing(Side.SELL)
    bid.cancelling = True  # the change is on its way
    bid.amend_ticks = 999_960
    desk.show([(999_960, 100), *BIDS], ASKS)
    assert desk.standing(Side.SELL) is offer, "it may be there already"
    bid.price_ticks, bid.amend_ticks = 999_960, 0
    desk.strategy.on_order(desk, bid)
    desk.show([(999_950, 100), *BIDS], ASKS)
    assert desk.standing(Side.SELL) is offer, "the book may still show it where it was"


def test_an_echo_is_the_market_once_the_book_had_time_to_fade_it() -> None:
    desk = trading(MakerParameters("0.1", "0.4", half_spread_bps="0.5", requote_bps="0"))
    desk.show(BIDS, ASKS)
    desk.accept()
    bid = desk.standing(Side.BUY)
    assert bid is not None
    desk.expire(bid)
    desk.pass_ns(ECHO_NS)
    desk.show([(999_950, 150), *BIDS], ASKS)  # ours again, and somebody else's
    ask = desk.standing(Side.SELL)
    assert ask is not None
    assert ask.price_ticks > 1_000_050


# -- keeping still -----------------------------------------------------------------------------


def test_a_small_move_leaves_the_quotes_and_their_place_in_the_queue() -> None:
    desk, _, _ = quoted()
    calls = desk.calls
    desk.show([(999_940, 500)], [(1_000_140, 500)])
    assert desk.calls == calls


def test_a_large_move_takes_both_quotes_along() -> None:
    desk, _, _ = quoted()
    desk.show([(1_000_900, 500)], [(1_001_100, 500)])
    bid, ask = desk.standing(Side.BUY), desk.standing(Side.SELL)
    assert bid is not None
    assert ask is not None
    assert (bid.price_ticks, ask.price_ticks) == (1_000_799, 1_001_201), (
        "half a tick goes away from the middle"
    )


def test_unchanged_best_prices_are_not_looked_at_again() -> None:
    desk, _, _ = quoted()
    desk.books[0].levels = None  # type: ignore[assignment, method-assign]  # reading it would fail
    desk.show(BIDS, ASKS)


def test_a_partly_filled_quote_is_left_until_half_of_it_is_gone() -> None:
    desk = trading(MakerParameters("0.1", "0.4", skew_bps="0"))
    desk.show(BIDS, ASKS)
    desk.accept()
    bid = desk.standing(Side.BUY)
    assert bid is not None
    desk.fill(bid, 40)
    assert desk.standing(Side.BUY) is bid
    desk.fill(bid, 20)
    refilled = desk.standing(Side.BUY)
    assert refilled is not None
    assert refilled is not bid
    assert refilled.size_lots == 100


def test_a_quote_that_the_venue_took_out_is_placed_again() -> None:
    desk, bid, _ = quoted()
    desk.expire(bid)
    assert desk.standing(Side.BUY) is not None


def test_a_filled_quote_is_followed_by_another() -> None:
    desk, bid, _ = quoted()
    desk.fill(bid, 100)
    again = desk.standing(Side.BUY)
    assert again is not None
    assert again.price_ticks < bid.price_ticks


# -- books and sessions ------------------------------------------------------------------------


def test_nothing_is_done_on_a_book_that_is_not_live() -> None:
    desk, bid, _ = quoted()
    calls = desk.calls
    desk.lose_book()
    desk.fill(bid, 100)
    assert desk.calls == calls


def test_quotes_return_with_the_book_though_its_prices_are_the_same() -> None:
    desk, bid, ask = quoted()
    desk.lose_book()
    for order in (bid, ask):  # as ``on_stale = "cancel"`` does
        order.state = OrderState.CANCELED
    desk.show(BIDS, ASKS)
    assert desk.standing(Side.BUY) is not None


@pytest.mark.parametrize("session", set(SessionState) - {SessionState.TRADING})
def test_nothing_is_sent_in_any_session_but_trading(session: SessionState) -> None:
    desk = trading()
    desk.session = session
    desk.show(BIDS, ASKS)
    assert desk.calls == 0


def test_trading_that_begins_on_a_still_book_is_quoted_at_once() -> None:
    desk = trading()
    desk.session = SessionState.STARTING
    desk.show(BIDS, ASKS)
    desk.turn(SessionState.TRADING)
    assert desk.standing(Side.BUY) is not None


# -- refusals ----------------------------------------------------------------------------------


def test_a_refusal_is_followed_by_a_pause_and_then_another_try() -> None:
    desk = trading()
    desk.refuse_with = Refusal(RefusalReason.ORDER_RATE, "too many")
    desk.show(BIDS, ASKS)
    desk.show(BIDS, [(1_000_300, 500)])
    calls = desk.calls
    desk.show(BIDS, [(1_000_500, 500)])
    assert desk.calls == calls, "either side has been refused"
    desk.refuse_with = None
    desk.pass_ns(NS_PER_S)
    assert desk.standing(Side.BUY) is not None


def test_lasting_refusal_floods_neither_the_venue_nor_the_log() -> None:
    desk = trading()
    desk.refuse_with = Refusal(RefusalReason.POSITION, "the limit")
    for step in range(2_000):
        desk.show([(999_900 + step, 500)], [(1_000_100 + step, 500)])
        desk.pass_ns(NS_PER_S // 20)  # 100 seconds in all
    assert desk.calls < 100
    assert len(desk.lines) == 4
    assert "BTCUSDT bid: position: the limit" in desk.lines[0]


@pytest.mark.parametrize("reason", [RefusalReason.ORDER_RATE, RefusalReason.VENUE_LIMIT])
def test_a_budget_that_is_used_up_is_tried_again_soon_however_long_it_lasts(
    reason: RefusalReason,
) -> None:
    desk = trading()
    desk.refuse_with = Refusal(reason, "used up")
    desk.show(BIDS, ASKS)
    desk.pass_ns(20 * NS_PER_S)
    desk.refuse_with = None
    desk.pass_ns(2 * FIRST_PAUSE_NS)
    assert desk.standing(Side.BUY) is not None
    assert desk.standing(Side.SELL) is not None


def test_the_venues_rejection_is_paused_on_too() -> None:
    desk = trading()
    desk.show(BIDS, ASKS)
    desk.reject()
    calls = desk.calls
    desk.show(BIDS, [(1_000_500, 500)])
    assert desk.calls == calls
    desk.pass_ns(NS_PER_S)
    assert desk.calls > calls


def test_a_side_that_pauses_holds_up_the_other_in_nothing() -> None:
    desk, bid, _ = quoted()
    desk.refuse_with = Refusal(RefusalReason.POSITION, "the limit", Side.SELL)
    desk.strategy.on_order(desk, replace_state(bid, OrderState.REJECTED))
    desk.refuse_with = None
    desk.show([(1_000_900, 500)], [(1_001_100, 500)])
    ask = desk.standing(Side.SELL)
    assert ask is not None
    assert ask.price_ticks == 1_001_201


def test_a_quote_of_a_side_that_pauses_is_cancelled_once_it_is_too_far_off() -> None:
    desk, bid, ask = quoted()
    desk.refuse_with = Refusal(RefusalReason.VENUE_LIMIT, "used up")
    desk.show([(1_000_900, 500)], [(1_001_100, 500)])
    desk.show([(1_000_905, 500)], [(1_001_105, 500)])
    assert bid.cancelling
    assert ask.cancelling


def test_a_quote_of_a_side_that_pauses_is_left_where_it_should_be() -> None:
    desk, bid, _ = quoted()
    calls = desk.calls
    desk.strategy.on_order(desk, replace_state(bid, OrderState.REJECTED))
    desk.show([(999_940, 500)], [(1_000_140, 500)])
    assert not bid.cancelling
    assert desk.calls == calls


def replace_state(order: FakeOrder, state: OrderState) -> FakeOrder:
    """Return another order of the same side, as it is told."""
    return dataclasses.replace(order, client_order_id="another", state=state)


def test_an_accepted_order_makes_the_next_pause_a_short_one() -> None:
    desk = trading()
    for _ in range(4):
        desk.show(BIDS, ASKS)
        desk.reject()
        desk.pass_ns(10 * NS_PER_S)
    desk.accept()
    desk.refuse_with = Refusal(RefusalReason.ORDER_RATE, "too many")
    desk.show([(1_000_900, 500)], [(1_001_100, 500)])
    assert desk.timers[0][0] - desk.now_ns == FIRST_PAUSE_NS


# -- parameters --------------------------------------------------------------------------------


def test_sizes_may_be_stated_symbol_by_symbol() -> None:
    rows = (instrument(), instrument(1, "ETHUSDT"))
    sizes = {"BTCUSDT": "0.1", "ETHUSDT": "2"}
    desk = FakeDesk(Maker(MakerParameters(sizes, {"BTCUSDT": "0.4", "ETHUSDT": "8"})), *rows)
    for row in rows:
        desk.show(BIDS, ASKS, row.index)
    assert [order.size_lots for order in desk.orders if order.side is Side.BUY] == [100, 2_000]


def test_a_symbol_without_a_size_is_named() -> None:
    with pytest.raises(BadParameter, match=r"size: there is none for BTCUSDT; state it in \["):
        trading(MakerParameters({"ETHUSDT": "1"}, "1"))


def test_a_size_off_the_lot_grid_is_refused_by_name() -> None:
    with pytest.raises(BadParameter, match=r'size = "0.1005".*0.001 BTC on BTCUSDT'):
        trading(MakerParameters("0.1005", "1"))


def test_a_size_below_the_smallest_order_is_refused_by_name() -> None:
    with pytest.raises(BadParameter, match=r'size = "0.1".*no order below 0.500 BTC'):
        FakeDesk(Maker(PARAMETERS), instrument(min_lots=500))


def test_a_threshold_wider_than_the_spread_is_refused() -> None:
    with pytest.raises(BadParameter, match=r"requote_bps.*at most half_spread_bps"):
        MakerParameters("0.1", "1", half_spread_bps="1", requote_bps="1.01")


# -- over a whole random market ----------------------------------------------------------------


@given(seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_in_any_market_the_position_stays_in_its_limit_and_quotes_are_few(seed: int) -> None:
    desk = trading()
    market = random.Random(seed)
    middle = 1_000_000
    for _ in range(300):
        middle += market.randint(-60, 60)
        gap = market.randint(1, 150)
        desk.show([(middle - gap, 500)], [(middle + gap, 500)])
        desk.pass_ns(NS_PER_S // 10)
        market.choice([desk.accept, desk.accept, desk.accept, desk.reject, desk.lose_book])()
        for order in desk.open_orders(0):
            if order.state is OrderState.LIVE and market.random() < 0.2:
                desk.fill(order, market.randint(1, order.open_lots))
        assert abs(desk.positions[0].lots) <= 400
        desk.standing(Side.BUY)
        desk.standing(Side.SELL)
    assert desk.calls <= 600


EXTREMES = {
    "a price of ten of the finest ticks": (
        "0.00000001",
        "1",
        10,
        ("1000000000", "4000000000"),
        10**9,
    ),
    "a price of one tick": ("0.00000001", "1", 1, ("1000000000", "4000000000"), 10**9),
    "ticks of a thousand": ("1000", "0.00000001", 65, ("0.5", "2"), 10**7),
    "lots of a hundred million": (
        "0.00000001",
        "100000000",
        1_000,
        ("300000000", "1200000000"),
        1_000,
    ),
    "lots as fine as atoms": ("0.01", "0.000000000000000001", 10**7, ("0.1", "0.4"), 10**22),
    "the highest price there is": ("0.01", "0.001", 99_990, ("0.1", "0.4"), 10**6),
}
"""Tick, lot, price in ticks, size and largest position, least worth of an order in quote units."""


@pytest.mark.parametrize("extreme", EXTREMES)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=15, deadline=None)
def test_on_any_grid_no_quote_crosses_or_leaves_the_venues_bounds(extreme: str, seed: int) -> None:
    tick, lot, price, sizes, least = EXTREMES[extreme]
    row = instrument(
        tick=Grid(tick),
        lot=Grid(lot),
        max_ticks=max(price + 10, 100_000) if price < 10**6 else 10**9,
        max_lots=10**24,
        min_notional=least,
    )
    market = random.Random(seed)
    parameters = MakerParameters(
        *sizes,
        half_spread_bps=market.choice(["0", "0.5", "2", "9999"]),
        requote_bps="0",
        skew_bps=market.choice(["0", "1", "9999"]),
    )
    desk, seen = FakeDesk(Maker(parameters), row), 0
    full_lots, middle = row.lot.count(sizes[0]), price
    for _ in range(60):
        middle = min(max(1, middle + market.randint(-2, 2)), row.max_ticks - 1)
        bid, ask = middle, min(middle + market.randint(1, 3), row.max_ticks)
        desk.show([(bid, 10**24)], [(ask, 10**24)])
        desk.accept()
        wanted = [order for order in desk.open_orders(0) if not order.cancelling]
        bids = [order.price_ticks for order in wanted if order.side is Side.BUY]
        offers = [order.price_ticks for order in wanted if order.side is Side.SELL]
        assert not bids or not offers or bids < offers
        for order in desk.open_orders(0):
            if order.state is OrderState.LIVE and market.random() < 0.2:
                desk.fill(order, market.randint(1, order.open_lots))
        desk.pass_ns(NS_PER_S // 10)
        for order in desk.orders[seen:]:  # all were placed on this very book
            assert row.min_ticks <= order.price_ticks <= row.max_ticks
            assert order.side * order.price_ticks < (ask if order.side is Side.BUY else -bid)
            whole = order.size_lots == full_lots  # of which risk says whether it is too little
            assert whole or order.price_ticks * order.size_lots >= row.min_notional
        seen = len(desk.orders)
    assert seen


def test_a_changed_parameter_moves_the_quotes_at_once() -> None:
    desk, _, _ = quoted()
    desk.strategy.parameters = replace(PARAMETERS, half_spread_bps="5", size="0.2")
    desk.strategy.on_parameters(desk)
    desk.accept()
    bid = desk.standing(Side.BUY)
    assert bid is not None
    assert (bid.price_ticks, bid.size_lots) == (999_500, 200)
