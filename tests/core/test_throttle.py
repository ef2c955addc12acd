from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Misuse
from core.events import BudgetUse
from core.throttle import ANSWER_NS, BAN_NS, COOL_DOWN_NS, GUARD_NS, Throttle
from core.units import NS_PER_S
from core.venue import Limit

WEIGHT = Limit("weight", 100, 60 * NS_PER_S)
ORDERS = Limit("orders", 20, 10 * NS_PER_S)
START_NS = 1_700_000_040 * NS_PER_S
"""A full minute, so the start of a window of either limit."""
ORDER = (("weight", 1), ("orders", 1))
CANCEL = (("weight", 1),)

assert START_NS % WEIGHT.interval_ns == 0


def at(seconds: float) -> int:
    return START_NS + round(seconds * NS_PER_S)


def taken(throttle: Throttle, costs: tuple[tuple[str, int], ...], now_ns: int, cancel: bool) -> int:
    count = 0
    while throttle.take(costs, now_ns, cancel):
        count += 1
    return count


def test_orders_stop_at_the_reserve_and_cancels_go_on_to_the_limit() -> None:
    throttle = Throttle([WEIGHT, ORDERS])
    assert taken(throttle, ORDER, at(1), cancel=False) == 18
    assert taken(throttle, CANCEL, at(1), cancel=False) == 90 - 18
    assert taken(throttle, CANCEL, at(1), cancel=True) == 10


def test_a_small_limit_keeps_one_token_back_and_a_limit_of_one_none() -> None:
    small = Throttle([Limit("weight", 5, NS_PER_S)])
    assert taken(small, CANCEL, at(0.5), cancel=False) == 4
    one = Throttle([Limit("weight", 1, NS_PER_S)])
    assert taken(one, CANCEL, at(0.5), cancel=False) == 1


def test_a_command_takes_all_its_tokens_or_none() -> None:
    throttle = Throttle([WEIGHT, ORDERS])
    taken(throttle, (("orders", 1),), at(1), cancel=False)
    assert not throttle.take(ORDER, at(1), False)
    assert throttle.free("weight", at(1)) == 90


def test_a_new_window_begins_on_the_wall_clock_with_a_full_budget() -> None:
    throttle = Throttle([ORDERS])
    assert taken(throttle, (("orders", 1),), at(9), cancel=False) == 18
    assert taken(throttle, (("orders", 1),), at(10.6), cancel=False) == 18
    assert taken(throttle, (("orders", 1),), at(45), cancel=False) == 18


@pytest.mark.parametrize("moment", [9.6, 10.0, 10.4])
def test_what_is_sent_near_an_edge_counts_in_both_windows(moment: float) -> None:
    throttle = Throttle([ORDERS])
    assert taken(throttle, (("orders", 4),), at(5), cancel=False) == 4
    assert throttle.take((("orders", 2),), at(moment), False)
    assert not throttle.take((("orders", 1),), at(moment), False)
    assert throttle.free("orders", at(10.5) - 1) == 0
    assert throttle.free("orders", at(10.5)) == 16
    assert throttle.free("orders", at(20.5) - 1) == 16
    assert throttle.free("orders", at(20.5)) == 18
    assert taken(throttle, (("orders", 1),), at(10.5), cancel=False) == 16


@pytest.mark.parametrize("moment", [9.8, 9.0, 0.0])
def test_a_clock_set_back_gives_no_second_budget(moment: float) -> None:
    throttle = Throttle([ORDERS])
    assert taken(throttle, (("orders", 1),), at(10.6), cancel=False) == 18
    assert taken(throttle, (("orders", 1),), at(moment), cancel=False) == 0
    assert taken(throttle, (("orders", 1),), at(10.6), cancel=False) == 0
    assert taken(throttle, (("orders", 1),), at(20.5), cancel=False) == 18


def test_a_short_window_has_a_guard_of_a_quarter_of_it() -> None:
    throttle = Throttle([Limit("frames", 5, NS_PER_S)])
    assert taken(throttle, (("frames", 1),), at(0.74), cancel=False) == 4
    assert taken(throttle, (("frames", 1),), at(1.24), cancel=False) == 0
    assert taken(throttle, (("frames", 1),), at(1.25), cancel=False) == 4
    assert taken(throttle, (("frames", 1),), at(2.25), cancel=False) == 4


def test_the_venues_higher_count_is_believed_at_once() -> None:
    throttle = Throttle([WEIGHT, ORDERS])
    throttle.take(ORDER, at(1), False)
    throttle.learn([BudgetUse("weight", 89), BudgetUse("unheard of", 7)], at(1))
    assert throttle.free("weight", at(1)) == 1
    assert throttle.free("orders", at(1)) == 17


def test_the_venues_count_is_taken_for_the_window_it_comes_in() -> None:
    throttle = Throttle([ORDERS])
    taken(throttle, (("orders", 1),), at(5), cancel=False)
    throttle.learn([BudgetUse("orders", 3)], at(25))
    assert throttle.free("orders", at(25)) == 15


def test_the_venues_lower_count_is_believed_only_for_what_is_long_answered() -> None:
    throttle = Throttle([WEIGHT])
    throttle.take((("weight", 50),), at(1), False)
    throttle.learn([BudgetUse("weight", 0)], at(2))
    assert throttle.free("weight", at(2)) == 40
    throttle.learn([BudgetUse("weight", 30)], at(20))
    assert throttle.free("weight", at(20)) == 40, "nothing is settled before the first mark"
    throttle.take((("weight", 10),), at(25), False)
    throttle.learn([BudgetUse("weight", 30)], at(20) + ANSWER_NS)
    assert throttle.free("weight", at(30)) == 50, "30 counted, and 10 that may not be counted yet"


def test_near_an_edge_the_venues_count_lowers_nothing_but_still_raises() -> None:
    throttle = Throttle([WEIGHT])
    throttle.take((("weight", 50),), at(1), False)
    throttle.learn([BudgetUse("weight", 50)], at(30))
    throttle.learn([BudgetUse("weight", 1)], at(60))
    assert throttle.free("weight", at(60)) == 40
    throttle.learn([BudgetUse("weight", 60)], at(60))
    assert throttle.free("weight", at(60)) == 30
    assert throttle.free("weight", at(60) + GUARD_NS) == 90


def test_a_cool_down_lets_only_cancels_through() -> None:
    throttle = Throttle([WEIGHT])
    throttle.cool_down(at(20), at(1))
    assert not throttle.take(CANCEL, at(19), False)
    assert throttle.take(CANCEL, at(19), True)
    assert throttle.take(CANCEL, at(20), False)


def test_a_cool_down_without_a_time_lasts_a_minute() -> None:
    throttle = Throttle([WEIGHT])
    throttle.cool_down(0, at(1))
    assert throttle.cooling_until_ns == at(1) + COOL_DOWN_NS


def test_a_cool_down_is_never_made_shorter() -> None:
    throttle = Throttle([WEIGHT])
    throttle.cool_down(at(20), at(1))
    throttle.cool_down(at(10), at(2))
    assert throttle.cooling_until_ns == at(20)


def test_a_ban_lets_nothing_through_cancels_included() -> None:
    throttle = Throttle([WEIGHT])
    throttle.ban(at(20), at(1))
    assert not throttle.take(CANCEL, at(19), True)
    assert not throttle.take(CANCEL, at(19), False)
    throttle.cool_down(at(30), at(1))
    assert throttle.take(CANCEL, at(20), True)
    assert not throttle.take(CANCEL, at(20), False)


def test_a_ban_without_an_end_lasts_ten_minutes() -> None:
    throttle = Throttle([WEIGHT])
    throttle.ban(0, at(1))
    assert throttle.banned_until_ns == at(1) + BAN_NS


def test_renewed_limits_keep_what_was_spent() -> None:
    throttle = Throttle([WEIGHT, ORDERS])
    throttle.take((("weight", 50),), at(1), False)
    throttle.renew([Limit("weight", 200, WEIGHT.interval_ns), Limit("raw", 10, NS_PER_S)])
    assert throttle.free("weight", at(2)) == 180 - 50
    assert throttle.free("raw", at(2)) == 9


def test_a_cost_without_a_limit_is_our_mistake() -> None:
    throttle = Throttle([WEIGHT])
    with pytest.raises(Misuse, match="'orders'"):
        throttle.take(ORDER, at(1), False)
    assert throttle.free("weight", at(1)) == 90


@pytest.mark.parametrize("limit", [Limit("w", 0, 1), Limit("w", -1, 1), Limit("w", 1, 0)])
def test_a_limit_of_nothing_is_refused(limit: Limit) -> None:
    with pytest.raises(Misuse, match="above 0"):
        Throttle([limit])


def test_asking_what_is_free_changes_nothing() -> None:
    throttle = Throttle([ORDERS])
    taken(throttle, (("orders", 1),), at(5), cancel=False)
    assert throttle.free("orders", at(25)) == 18
    assert throttle.free("orders", at(5)) == 0
    assert not throttle.take((("orders", 1),), at(5), False)


steps = st.lists(
    st.tuples(
        st.integers(0, 3 * NS_PER_S),  # since the step before
        st.integers(1, 12),  # tokens
        st.booleans(),  # a cancel
        st.integers(-GUARD_NS + 1, GUARD_NS - 1),  # arrives off our idea of the venue's time by
    ),
    max_size=80,
)


@settings(max_examples=100)
@given(steps)
def test_the_venue_never_counts_more_than_its_limit(
    steps: list[tuple[int, int, bool, int]],
) -> None:
    """Whatever the clock error and latency within the guard, in every window of the venue."""
    throttle = Throttle([ORDERS])
    now_ns = START_NS
    counted: dict[int, int] = {}
    for wait_ns, tokens, cancel, skew_ns in steps:
        now_ns += wait_ns
        if throttle.take((("orders", tokens),), now_ns, cancel):
            window = (now_ns + skew_ns) // ORDERS.interval_ns
            counted[window] = counted.get(window, 0) + tokens
            if now_ns % ORDERS.interval_ns < 8 * NS_PER_S:
                throttle.learn([BudgetUse("orders", counted[window] // 2)], now_ns)
    assert max(counted.values(), default=0) <= ORDERS.amount


def test_what_is_charged_counts_even_where_nothing_is_left() -> None:
    throttle = Throttle([WEIGHT, ORDERS])
    throttle.charge((("weight", 2),), at(1))
    assert throttle.free("weight", at(1)) == 88
    taken(throttle, CANCEL, at(1), cancel=True)
    throttle.charge((("weight", 2),), at(1))
    assert throttle.free("weight", at(1)) == 0
    assert throttle.free("weight", at(61)) == 90
