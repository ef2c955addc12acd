from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import core.state.position
from core.model.commands import Since
from core.model.events import Fill, Side
from core.model.views import PositionView
from core.state.position import BACKWARDS_NS, Position
from tests.core.contracts import SPOT


def fill(trade_id: int, price_ticks: int = 100, lots: int = 1, fee: int = 0) -> Fill:
    name, asset = "" if trade_id < 0 else str(trade_id), "BNB" if fee else ""
    return Fill(name, trade_id, price_ticks, lots, fee, asset, True, 0)


def state(position: Position) -> tuple[object, ...]:
    return (
        position.lots,
        position.bought_lots,
        position.sold_lots,
        position.bought_value,
        position.sold_value,
        position.fees_atoms,
        position.pnl(12_345),
    )


def numbered(*ranks: int) -> dict[str, int]:
    return {str(rank): rank for rank in ranks}


def restored(buys: list[int], sells: list[int]) -> Position:
    position = Position(SPOT)
    position.restore(
        bought_lots=7,
        sold_lots=3,
        bought_value=700,
        sold_value=330,
        fees_atoms={"BNB": 5},
        buys=numbered(*buys),
        sells=numbered(*sells),
        newest=None,
    )
    return position


def test_a_position_is_a_position_view() -> None:
    view: PositionView = Position(SPOT)
    assert (view.lots, view.bought_lots, view.sold_lots, view.pnl(7)) == (0, 0, 0, 0)


def test_buys_and_sells_sum_up() -> None:
    position = Position(SPOT)
    assert position.on_fill(Side.BUY, fill(1, 100, 5))
    assert position.on_fill(Side.SELL, fill(2, 110, 3))
    assert (position.lots, position.bought_lots, position.sold_lots) == (2, 5, 3)
    assert position.cost == 500 - 330
    position.on_fill(Side.SELL, fill(3, 120, 4))
    assert position.cost == 500 - 330 - 480


def test_pnl_is_what_was_received_less_paid_plus_the_rest_at_the_mark() -> None:
    position = Position(SPOT)
    position.on_fill(Side.BUY, fill(1, 100, 5))
    position.on_fill(Side.SELL, fill(2, 110, 3))
    assert position.pnl(105) == 330 - 500 + 2 * 105
    short = Position(SPOT)
    short.on_fill(Side.SELL, fill(1, 100, 4))
    assert short.pnl(90) == 40


def test_fees_and_rebates_sum_up_by_asset() -> None:
    position = Position(SPOT)
    position.on_fill(Side.BUY, Fill("1", 1, 100, 1, 7, "BNB", False, 0))
    position.on_fill(Side.SELL, Fill("2", 2, 100, 1, 5, "USDT", False, 0))
    position.on_fill(Side.SELL, Fill("3", 3, 100, 1, -9, "BNB", True, 0))
    position.on_fill(Side.SELL, Fill("4", 4, 100, 1, 0, "", True, 0))
    assert position.fees_atoms == {"BNB": -2, "USDT": 5}


def test_fees_of_one_trade_in_several_assets_are_each_counted_in_its_own() -> None:
    position = Position(SPOT)
    several = Fill("1", 1, 100, 1, 7, "USD", False, 0, also=(("KFEE", 5), ("BTC", -2)))
    for _ in range(2):
        position.on_fill(Side.BUY, several)
    assert position.fees_atoms == {"USD": 7, "KFEE": 5, "BTC": -2}


def test_a_trade_counts_once() -> None:
    position = Position(SPOT)
    assert position.on_fill(Side.BUY, fill(7, fee=3))
    before = state(position)
    assert not position.on_fill(Side.BUY, fill(7, fee=3))
    assert state(position) == before


def test_both_sides_of_a_trade_with_ourselves_count() -> None:
    position = Position(SPOT)
    assert position.on_fill(Side.BUY, fill(7))
    assert position.on_fill(Side.SELL, fill(7))
    assert (position.lots, position.bought_lots, position.sold_lots) == (0, 1, 1)


@pytest.mark.parametrize("begin", [lambda: Position(SPOT), lambda: restored([], [])])
def test_ids_count_from_0_and_what_has_none_is_no_trade(begin: Callable[[], Position]) -> None:
    position = begin()
    assert not position.on_fill(Side.BUY, fill(-1))
    assert position.on_fill(Side.BUY, fill(0))


def test_a_late_fill_counts() -> None:
    position = Position(SPOT)
    position.on_fill(Side.BUY, fill(10))
    position.on_fill(Side.BUY, fill(30))
    assert position.on_fill(Side.BUY, fill(20))
    assert not position.on_fill(Side.BUY, fill(20))
    assert position.on_fill(Side.BUY, fill(0))
    assert position.lots == 4


def test_remembered_ids_are_bounded_and_the_newest_stay_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(core.state.position, "KEPT_IDS", 8)
    position = Position(SPOT)
    for trade_id in range(0, 200, 2):
        assert position.on_fill(Side.BUY, fill(trade_id))
        assert 4 <= len(position._buys._ranks) <= 8 or trade_id < 8
    assert position.lots == 100
    assert not any(position.on_fill(Side.BUY, fill(trade_id)) for trade_id in range(0, 200, 2))
    assert position.on_fill(Side.BUY, fill(197)), "a late fill among the newest"
    assert not position.on_fill(Side.BUY, fill(3)), "older than the window: a repetition"


def test_the_older_half_of_the_ids_is_forgotten_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.state.position, "KEPT_IDS", 8)
    position = Position(SPOT)
    for trade_id in range(10, 19):
        position.on_fill(Side.BUY, fill(trade_id))
    assert list(position._buys._ranks) == [15, 16, 17, 18]
    assert not position.on_fill(Side.BUY, fill(14)), "forgotten, and known for being older"
    assert not position.on_fill(Side.BUY, fill(9))


def test_a_restored_position_goes_on_from_what_was_counted() -> None:
    position = restored([8, 6], [])
    assert state(position) == (4, 7, 3, 700, 330, {"BNB": 5}, 330 - 700 + 4 * 12_345)
    assert position.recent(True, 5) == numbered(6, 8)
    assert position.recent(True, 1) == numbered(8)
    assert position.recent(False, 5) == numbered()
    assert [position.on_fill(Side.BUY, fill(number)) for number in (5, 6, 7, 8, 9)] == [
        *(False, False, True, False, True)
    ], "what is older than all that was noted was counted; what lies between was not"
    assert position.recent(True, 3) == numbered(7, 8, 9)


def test_a_side_restored_without_fills_knows_none() -> None:
    position = restored([], [])
    assert position.on_fill(Side.SELL, fill(0))
    assert position.on_fill(Side.BUY, fill(1))
    assert position.lots == 4
    assert position.recent(False, 2) == numbered(0)


def test_restoring_takes_a_copy_of_the_fees() -> None:
    fees = {"BNB": 5}
    position = Position(SPOT)
    position.restore(
        bought_lots=0,
        sold_lots=0,
        bought_value=0,
        sold_value=0,
        fees_atoms=fees,
        buys={},
        sells={},
        newest=None,
    )
    position.on_fill(Side.BUY, fill(1, fee=2))
    assert (position.fees_atoms, fees) == ({"BNB": 7}, {"BNB": 5})


facts = st.lists(
    st.tuples(
        st.sampled_from(Side),
        st.builds(
            Fill,
            trade_id=st.text("abc123", min_size=1),
            rank=st.integers(0, 10**9),
            price_ticks=st.integers(1, 10**12),
            lots=st.integers(1, 10**9),
            fee_atoms=st.integers(-(10**15), 10**15),
            fee_asset=st.sampled_from(["BNB", "USDT"]),
            maker=st.booleans(),
            venue_ns=st.just(0),
        ),
    ),
    max_size=30,
    unique_by=lambda event: (event[0], event[1].trade_id),
)


@settings(max_examples=100)
@given(facts, st.randoms(use_true_random=False))
def test_any_permutation_and_duplication_of_fills_ends_the_same(
    fills: list[tuple[Side, Fill]], shuffle: random.Random
) -> None:
    told_once = Position(SPOT)
    assert all(told_once.on_fill(side, one) for side, one in fills)
    repeated = fills * 2 + fills[::3]
    shuffle.shuffle(repeated)
    told_often = Position(SPOT)
    assert sum(told_often.on_fill(side, one) for side, one in repeated) == len(fills)
    assert state(told_often) == state(told_once)


@settings(max_examples=60)
@given(facts, st.integers(1, 10**12))
def test_pnl_equals_decimal_arithmetic_over_the_trades(
    fills: list[tuple[Side, Fill]], mark_ticks: int
) -> None:
    position = Position(SPOT)
    expected = Decimal(0)
    for side, one in fills:
        position.on_fill(side, one)
        expected += int(side) * one.lots * (Decimal(mark_ticks) - Decimal(one.price_ticks))
    assert position.pnl(mark_ticks) == expected


# -- numbers that begin anew ---------------------------------------------------------------------


def at(trade_id: int, venue_ns: int, lots: int = 1) -> Fill:
    return Fill(str(trade_id), trade_id, 100, lots, 0, "", True, venue_ns)


def test_a_lower_number_at_a_later_time_is_no_repetition_and_is_counted() -> None:
    """The venue was set up anew: its ids begin again, those we know among them."""
    position = Position(SPOT)
    for number in (7, 8, 9):
        position.on_fill(Side.BUY, at(number, number * BACKWARDS_NS))
    assert position.on_fill(Side.BUY, at(7, 20 * BACKWARDS_NS))
    assert (position.lots, position.renumbered) == (4, 1)
    assert position.on_fill(Side.BUY, at(8, 21 * BACKWARDS_NS))
    assert not position.on_fill(Side.BUY, at(8, 21 * BACKWARDS_NS)), "now that is a repetition"
    assert not position.on_fill(Side.BUY, at(9, 9 * BACKWARDS_NS)), "told of before the reset"
    assert (position.lots, position.renumbered) == (5, 1)


def test_a_late_fill_is_of_the_same_numbers() -> None:
    position = Position(SPOT)
    position.on_fill(Side.BUY, at(9, 9 * BACKWARDS_NS))
    assert position.on_fill(Side.BUY, at(8, 9 * BACKWARDS_NS + BACKWARDS_NS))
    assert not position.on_fill(Side.BUY, at(9, 9 * BACKWARDS_NS + 1))
    assert position.renumbered == 0


def test_numbers_that_begin_anew_are_noticed_after_a_restart_too() -> None:
    position = Position(SPOT)
    position.restore(
        bought_lots=5,
        sold_lots=0,
        bought_value=500,
        sold_value=0,
        fees_atoms={},
        buys=numbered(1_000, 1_001),
        sells={},
        newest=Since("1001", 1_001, 50 * BACKWARDS_NS),
    )
    assert position.on_fill(Side.SELL, at(3, 90 * BACKWARDS_NS))
    assert (position.lots, position.renumbered) == (4, 1)


def test_a_trade_that_is_counted_is_known_by_its_number_on_its_own_side():
    position = Position(SPOT)
    position.on_fill(Side.BUY, fill(trade_id=7))
    assert position.knows(Side.BUY, "7", 7)
    assert not position.knows(Side.SELL, "7", 7)
    assert not position.knows(Side.BUY, "8", 8)


def test_below_the_first_of_all_fills_nothing_counts_as_known_to_the_next_boot():
    position = Position(SPOT)
    position.on_fill(Side.BUY, fill(trade_id=105))
    again = Position(SPOT)
    again.restore(
        bought_lots=1,
        sold_lots=0,
        bought_value=1,
        sold_value=0,
        fees_atoms={},
        buys=position.recent(True, 2),
        sells={},
        newest=None,
        buy_floor=position.floor_under(True, 2),
    )
    assert again.on_fill(Side.BUY, fill(trade_id=100))
    assert not again.on_fill(Side.BUY, fill(trade_id=105))


def test_below_the_newest_that_are_noted_all_count_as_known_to_the_next_boot():
    position = Position(SPOT)
    for trade_id in (5, 7, 9):
        position.on_fill(Side.BUY, fill(trade_id=trade_id))
    assert position.floor_under(True, 2) == 6


# -- ids that are mere names, in the order of their time -----------------------------------------


def named(trade_id: str, rank: int, *, listed: bool = True) -> Fill:
    return Fill(trade_id, rank, 100, 1, 0, "", True, rank, listed)


def again(position: Position, count: int) -> Position:
    """Return what the next boot makes of a position."""
    after = Position(SPOT)
    after.restore(
        bought_lots=position.bought_lots,
        sold_lots=0,
        bought_value=0,
        sold_value=0,
        fees_atoms={},
        buys=position.recent(True, count),
        sells={},
        newest=position.newest,
        buy_floor=position.floor_under(True, count),
    )
    return after


def test_trades_of_one_moment_are_told_apart_by_their_ids() -> None:
    position = Position(SPOT)
    assert all(position.on_fill(Side.BUY, named(name, 7)) for name in ("x", "a", "k"))
    assert not any(position.on_fill(Side.BUY, named(name, 7)) for name in ("a", "k", "x"))
    assert (position.lots, position.renumbered) == (3, 0)


def test_a_trade_that_is_told_with_two_times_is_one() -> None:
    position = Position(SPOT)
    position.on_fill(Side.BUY, named("x", 7))
    assert not position.on_fill(Side.BUY, named("x", 8))


def test_numbers_that_are_times_never_begin_anew() -> None:
    position = Position(SPOT)
    for rank in (9, 3, 9, 5):
        position.on_fill(Side.BUY, named(f"at {rank}", rank * BACKWARDS_NS))
    assert (position.lots, position.renumbered) == (3, 0)


def test_behind_a_baseline_another_trade_of_its_moment_counts_and_it_does_not() -> None:
    position = Position(SPOT)
    position.restore(
        bought_lots=5,
        sold_lots=0,
        bought_value=500,
        sold_value=0,
        fees_atoms={},
        buys={"newest": 7},
        sells={"newest": 7},
        newest=None,
    )
    assert not position.on_fill(Side.BUY, named("newest", 7))
    assert not position.on_fill(Side.BUY, named("older", 6))
    assert position.on_fill(Side.BUY, named("of the same moment", 7))
    assert position.on_fill(Side.BUY, named("newer", 8))


def test_trades_of_the_moment_that_a_note_ends_with_are_noted_all() -> None:
    position = Position(SPOT)
    told = [named("old", 1), *(named(f"of one moment {n}", 5) for n in range(4)), named("new", 9)]
    for one in told:
        position.on_fill(Side.BUY, one)
    after = again(position, 2)
    assert position.recent(True, 2) == {f"of one moment {n}": 5 for n in range(4)} | {"new": 9}
    assert not any(after.on_fill(Side.BUY, one) for one in told)
    assert after.on_fill(Side.BUY, named("late, of that moment", 5))


def test_where_all_of_one_moment_is_forgotten_none_of_it_counts_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(core.state.position, "KEPT_IDS", 8)
    position = Position(SPOT)
    for n in range(9):
        position.on_fill(Side.BUY, named(f"of one moment {n}", 5))
    assert not any(position.on_fill(Side.BUY, named(f"of one moment {n}", 5)) for n in range(9))
    assert position.lots == 9


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_what_is_in_no_history_counts_however_many_trades_were_counted(side: Side) -> None:
    position = restored([10, 11], [10, 11])
    told = named("allocation", 1, listed=False)
    assert not position.knows(side, "allocation", 20)
    assert position.on_fill(side, told)
    assert not position.on_fill(side, told)
    assert position.on_fill(side, named("another", 1, listed=False))
    assert position.newest is None, "no history is looked through for it"
    assert not position.on_fill(side, fill(9)), "which is a trade, and older than those"


@settings(max_examples=60)
@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=4), st.integers(0, 6), max_size=40),
    st.integers(1, 8),
    st.randoms(use_true_random=False),
)
def test_whatever_a_boot_counted_the_next_one_counts_no_more(
    trades: dict[str, int], count: int, shuffle: random.Random
) -> None:
    told = [named(name, rank) for name, rank in trades.items()]
    shuffle.shuffle(told)
    position = Position(SPOT)
    assert all(position.on_fill(Side.BUY, one) for one in told)
    after = again(position, count)
    shuffle.shuffle(told)
    assert not any(after.on_fill(Side.BUY, one) for one in told)
    assert after.lots == position.lots


# -- what is no trade ------------------------------------------------------------------------


def test_a_payment_counts_once_by_its_id_and_is_no_part_of_what_was_traded() -> None:
    position = Position(SPOT)
    position.on_fill(Side.BUY, fill(1))
    traded = state(position)
    assert position.on_funding("a", 7, 5)
    assert position.on_funding("b", -9, 5), "another of the same moment"
    assert not position.on_funding("a", 7, 6)
    assert position.funding_atoms == -2
    assert state(position) == traded


def test_payments_that_an_earlier_boot_has_counted_count_no_more() -> None:
    position = Position(SPOT)
    for number in range(300):
        position.on_funding(f"f{number}", 1, number)
    next_one = Position(SPOT)
    noted, floor = position.fundings(200), position.fundings_floor(200)
    next_one.restore_fundings(position.funding_atoms, noted, floor)
    assert [next_one.on_funding(f"f{number}", 1, number) for number in range(300)] == [False] * 300
    assert next_one.on_funding("f300", 1, 300)
    assert next_one.funding_atoms == 301


@pytest.mark.parametrize("side", list(Side))
def test_what_settles_is_closed_at_its_price_and_a_late_fill_with_it(side: Side) -> None:
    position, late = Position(SPOT), Position(SPOT)
    for each in (position, late):
        each.on_fill(side, fill(1, 100, 10))
    position.on_fill(side, fill(2, 100, 4))
    position.settle(Fraction(211, 2))
    late.settle(Fraction(211, 2))
    late.on_fill(side, fill(2, 100, 4))
    late.close_settled()
    assert position.lots == late.lots == 0
    assert position.settled_lots == late.settled_lots == 14 * side
    assert state(position) == state(late)
    assert position.pnl(0) == 14 * side * 11 // 2


def test_what_was_settled_is_closed_once() -> None:
    position = Position(SPOT)
    position.on_fill(Side.BUY, fill(1))
    position.settle(Fraction(3))
    before = state(position)
    position.close_settled()
    assert state(position) == before
