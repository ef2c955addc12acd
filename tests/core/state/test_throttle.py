from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.errors import Misuse
from core.model.events import BudgetUse, Rule
from core.model.units import NS_PER_S
from core.model.venue import Limit
from core.state.throttle import (
    BAN_NS,
    COOL_DOWN_NS,
    GUARD_NS,
    LEAST_NS,
    LONGEST_NS,
    MOST_TIMES,
    Share,
    Throttle,
)

WEIGHT = Limit("weight", "weight", 100, 60 * NS_PER_S)
ORDERS = Limit("orders", "orders", 20, 10 * NS_PER_S, unfilled=True)
SLIDING = Limit("sliding", "sliding", 100, 60 * NS_PER_S, rule=Rule.SLIDING)
BUCKET = Limit("bucket", "bucket", 100, NS_PER_S, rule=Rule.BUCKET)
START_NS = 1_700_000_040 * NS_PER_S
"""A full minute, so the start of a window of either limit."""
ORDER = (("weight", 1), ("orders", 1))
CANCEL = (("weight", 1),)
SHARED = ("weight",)
"""The kinds that a cancel costs."""

assert START_NS % WEIGHT.interval_ns == 0


def at(seconds: float) -> int:
    return START_NS + round(seconds * NS_PER_S)


def taken(throttle: Throttle, costs: tuple[tuple[str, int], ...], now_ns: int, share: Share) -> int:
    count = 0
    while throttle.take(costs, now_ns, share):
        count += 1
    return count


def test_each_share_goes_further_and_the_last_tenth_is_for_cancels() -> None:
    throttle = Throttle([WEIGHT, ORDERS], SHARED)
    assert taken(throttle, CANCEL, at(1), Share.ORDER) == 80
    assert taken(throttle, CANCEL, at(1), Share.QUESTION) == 5
    assert taken(throttle, CANCEL, at(1), Share.RESOLUTION) == 5
    assert taken(throttle, CANCEL, at(1), Share.CANCEL) == 10


def test_questions_leave_a_quarter_to_the_orders_however_many_there_are() -> None:
    throttle = Throttle([WEIGHT, ORDERS], SHARED)
    assert taken(throttle, CANCEL, at(1), Share.QUESTION) == 75
    assert taken(throttle, CANCEL, at(1), Share.ORDER) == 5
    assert taken(throttle, CANCEL, at(61), Share.QUESTION) == 75, "a new window asks anew"


def test_no_reserve_is_kept_on_a_limit_that_cancels_do_not_use() -> None:
    throttle = Throttle([WEIGHT, ORDERS], SHARED)
    assert taken(throttle, (("orders", 1),), at(1), Share.ORDER) == 20


def test_a_small_limit_keeps_one_token_back_and_a_limit_of_one_none() -> None:
    small = Throttle([Limit("weight", "weight", 5, NS_PER_S)], SHARED)
    assert taken(small, CANCEL, at(0.5), Share.ORDER) == 4
    one = Throttle([Limit("weight", "weight", 1, NS_PER_S)], SHARED)
    assert taken(one, CANCEL, at(0.5), Share.ORDER) == 1
    asked = Throttle([Limit("weight", "weight", 1, NS_PER_S)], SHARED)
    assert taken(asked, CANCEL, at(0.5), Share.QUESTION) == 1


def test_every_limit_of_a_kind_is_kept_whatever_its_interval() -> None:
    limits = [
        Limit("orders_1s", "orders", 3, NS_PER_S),
        Limit("orders_10s", "orders", 5, 10 * NS_PER_S),
    ]
    throttle = Throttle(limits)
    order = (("orders", 1),)
    assert taken(throttle, order, at(1.5), Share.ORDER) == 3
    assert taken(throttle, order, at(2.5), Share.ORDER) == 2
    assert taken(throttle, order, at(3.5), Share.ORDER) == 0


def test_a_command_takes_all_its_tokens_or_none() -> None:
    throttle = Throttle([WEIGHT, ORDERS], SHARED)
    taken(throttle, (("orders", 1),), at(1), Share.ORDER)
    assert not throttle.take(ORDER, at(1), Share.ORDER)
    assert throttle.free("weight", at(1)) == 80


def test_a_new_window_begins_on_the_wall_clock_with_a_full_budget() -> None:
    throttle = Throttle([ORDERS])
    assert taken(throttle, (("orders", 1),), at(9), Share.ORDER) == 20
    assert taken(throttle, (("orders", 1),), at(10.6), Share.ORDER) == 20
    assert taken(throttle, (("orders", 1),), at(45), Share.ORDER) == 20


@pytest.mark.parametrize("moment", [9.6, 10.0, 10.4])
def test_what_is_sent_near_an_edge_counts_in_both_windows(moment: float) -> None:
    throttle = Throttle([ORDERS])
    assert taken(throttle, (("orders", 6),), at(5), Share.ORDER) == 3
    assert throttle.take((("orders", 2),), at(moment), Share.ORDER)
    assert not throttle.take((("orders", 1),), at(moment), Share.ORDER)
    assert throttle.free("orders", at(10.5) - 1) == 0
    assert throttle.free("orders", at(10.5)) == 18
    assert throttle.free("orders", at(20.5) - 1) == 18
    assert throttle.free("orders", at(20.5)) == 20
    assert taken(throttle, (("orders", 1),), at(10.5), Share.ORDER) == 18


@pytest.mark.parametrize("moment", [9.8, 9.0, 0.0])
def test_a_clock_set_back_gives_no_second_budget(moment: float) -> None:
    throttle = Throttle([ORDERS])
    assert taken(throttle, (("orders", 1),), at(10.6), Share.ORDER) == 20
    assert taken(throttle, (("orders", 1),), at(moment), Share.ORDER) == 0
    assert taken(throttle, (("orders", 1),), at(10.6), Share.ORDER) == 0
    assert taken(throttle, (("orders", 1),), at(20.5), Share.ORDER) == 20


@pytest.mark.parametrize(("moment", "left"), [(1.0, 20), (9.8, 0)])
def test_what_was_counted_on_a_clock_set_back_by_far_ends_with_its_window(
    moment: float, left: int
) -> None:
    """Near the edge it counts in both windows, as everything does."""
    throttle = Throttle([ORDERS])
    throttle.learn([BudgetUse("orders", 20)], at(3_601.0))
    assert taken(throttle, (("orders", 1),), at(moment), Share.ORDER) == 0
    assert taken(throttle, (("orders", 1),), at(10.4), Share.ORDER) == 0
    assert taken(throttle, (("orders", 1),), at(10.5), Share.ORDER) == left


def test_a_short_window_has_a_guard_of_a_quarter_of_it() -> None:
    throttle = Throttle([Limit("frames", "frames", 5, NS_PER_S)])
    assert taken(throttle, (("frames", 1),), at(0.74), Share.ORDER) == 5
    assert taken(throttle, (("frames", 1),), at(1.24), Share.ORDER) == 0
    assert taken(throttle, (("frames", 1),), at(1.25), Share.ORDER) == 5
    assert taken(throttle, (("frames", 1),), at(2.25), Share.ORDER) == 5


def test_the_venues_higher_count_is_believed_at_once() -> None:
    throttle = Throttle([WEIGHT, ORDERS], SHARED)
    throttle.take(ORDER, at(1), Share.ORDER)
    throttle.learn([BudgetUse("weight", 79), BudgetUse("unheard of", 7)], at(1))
    assert throttle.free("weight", at(1)) == 1
    assert throttle.free("orders", at(1)) == 19


def test_the_venues_count_is_taken_for_the_window_it_comes_in() -> None:
    throttle = Throttle([ORDERS])
    taken(throttle, (("orders", 1),), at(5), Share.ORDER)
    throttle.learn([BudgetUse("orders", 3)], at(25))
    assert throttle.free("orders", at(25)) == 17


@pytest.mark.parametrize("by_s", [-3_600, 3_600, 3_635])
def test_what_the_venue_counted_before_its_clock_was_known_counts_once_it_is(by_s: int) -> None:
    """By ours, hours off, it was another window, which no command of ours would be sent in."""
    throttle = Throttle([WEIGHT, SLIDING, BUCKET], SHARED)
    throttle.learn(
        [BudgetUse("weight", 70), BudgetUse("sliding", 70), BudgetUse("bucket", 70)], at(10)
    )
    throttle.moved(by_s * NS_PER_S, at(10 + by_s))
    assert taken(throttle, CANCEL, at(10 + by_s), Share.ORDER) == 10
    for kind in ("sliding", "bucket"):
        assert 9 <= taken(throttle, ((kind, 1),), at(10 + by_s), Share.ORDER) <= 30


@pytest.mark.parametrize(("told_s", "left"), [(59.9, 90), (60.0, 0)])
def test_a_count_of_before_the_window_by_the_venues_own_clock_is_none_of_it(
    told_s: float, left: int
) -> None:
    """Ours is ahead: taken for this window, a full one kept cancels waiting for all of it."""
    throttle = Throttle([WEIGHT], SHARED)
    throttle.learn([BudgetUse("weight", 100)], at(60.6), told_ns=at(told_s))
    assert taken(throttle, CANCEL, at(61), Share.RESOLUTION) == left


def test_the_venues_lower_count_wins_but_for_what_is_still_on_its_way() -> None:
    throttle = Throttle([WEIGHT], SHARED)
    throttle.take((("weight", 50),), at(1), Share.ORDER)
    throttle.learn([BudgetUse("weight", 7)], at(2), [CANCEL, (("weight", 4), ("raw", 1))])
    assert throttle.free("weight", at(2)) == 80 - 12
    throttle.learn([BudgetUse("weight", 0)], at(3))
    assert throttle.free("weight", at(3)) == 80


def test_a_reply_that_was_overtaken_lowers_nothing_and_still_raises() -> None:
    throttle = Throttle([WEIGHT], SHARED)
    throttle.take((("weight", 50),), at(1), Share.ORDER)
    throttle.learn([BudgetUse("weight", 7)], at(2), None)
    assert throttle.free("weight", at(2)) == 30
    throttle.learn([BudgetUse("weight", 60)], at(2), None)
    assert throttle.free("weight", at(2)) == 20


def test_orders_that_trade_at_once_never_run_out() -> None:
    throttle = Throttle([Limit("orders_10s", "orders", 50, 10 * NS_PER_S)])
    left = 0
    for number in range(200):
        now_ns = at(0.6 + 0.04 * number)
        left += throttle.take((("orders", 1),), now_ns, Share.ORDER)
        throttle.learn([BudgetUse("orders_10s", 0)], now_ns + 5_000_000)
    assert left == 200


def test_an_order_that_trades_while_it_rests_gives_its_token_back() -> None:
    throttle = Throttle([WEIGHT, ORDERS], SHARED)
    assert taken(throttle, ORDER, at(1), Share.ORDER) == 20
    throttle.give_back(ORDER, at(2))
    assert throttle.free("orders", at(2)) == 1
    assert throttle.free("weight", at(2)) == 60, "requests are not given back"
    for _ in range(30):
        throttle.give_back(ORDER, at(2))
    assert throttle.free("orders", at(2)) == 20, "there is no credit"


def test_a_venue_that_takes_no_more_orders_is_believed_without_a_count() -> None:
    limits = [
        Limit("orders_10s", "orders", 5, 10 * NS_PER_S),
        Limit("orders_1d", "orders", 50, 86_400 * NS_PER_S),
    ]
    throttle = Throttle([WEIGHT, *limits], SHARED)
    throttle.run_out(ORDER, at(1))
    assert not throttle.take(ORDER, at(2), Share.ORDER)
    assert throttle.take(CANCEL, at(2), Share.QUESTION), "only orders are used up"
    assert throttle.take(ORDER, at(11), Share.ORDER)
    assert throttle.free("orders_1d", at(11)) == 49


def test_a_limit_whose_count_explains_the_refusal_leaves_the_others_alone() -> None:
    limits = [
        Limit("orders_10s", "orders", 5, 10 * NS_PER_S),
        Limit("orders_1d", "orders", 50, 86_400 * NS_PER_S),
    ]
    throttle = Throttle(limits)
    throttle.learn([BudgetUse("orders_1d", 50), BudgetUse("orders_10s", 1)], at(1))
    throttle.run_out((("orders", 1),), at(1))
    assert throttle.free("orders_10s", at(1)) == 4


def test_near_an_edge_the_venues_count_lowers_nothing_but_still_raises() -> None:
    throttle = Throttle([WEIGHT], SHARED)
    throttle.take((("weight", 50),), at(1), Share.ORDER)
    throttle.learn([BudgetUse("weight", 1)], at(60))
    assert throttle.free("weight", at(60)) == 30
    throttle.learn([BudgetUse("weight", 60)], at(60))
    assert throttle.free("weight", at(60)) == 20
    assert throttle.free("weight", at(60) + GUARD_NS) == 80


def test_a_cool_down_lets_only_cancels_through() -> None:
    throttle = Throttle([WEIGHT], SHARED)
    throttle.cool_down(at(20), at(1))
    assert not throttle.take(CANCEL, at(19), Share.ORDER)
    assert throttle.take(CANCEL, at(19), Share.CANCEL)
    assert throttle.take(CANCEL, at(20), Share.ORDER)


def test_a_silence_lasts_as_long_as_the_venue_says_while_its_clock_is_unknown() -> None:
    throttle = Throttle([WEIGHT], SHARED)
    throttle.ban(at(3_600 + 20), at(1), at(3_600))
    throttle.cool_down(at(3_600 + 40), at(1), at(3_600))
    assert throttle.banned_until_ns == at(1 + 20)
    assert throttle.cooling_until_ns == at(1 + 40)
    throttle.moved(3_600 * NS_PER_S, at(3_601))
    assert throttle.banned_until_ns == at(3_601 + 20)
    throttle.ban(at(3_600) + LONGEST_NS + 1, at(3_601 + 20), at(3_600))
    assert throttle.banned_until_ns == at(3_601 + 20) + BAN_NS, "a number gone wrong"


def test_an_end_of_a_silence_that_cannot_be_meant_states_no_time() -> None:
    throttle = Throttle([WEIGHT], SHARED)
    throttle.cool_down(at(1) + LONGEST_NS + 1, at(1))
    assert throttle.cooling_until_ns == at(1) + COOL_DOWN_NS
    throttle.ban(at(1) + LONGEST_NS + 1, at(1))
    assert throttle.banned_until_ns == at(1) + BAN_NS
    throttle.ban(at(1) + LONGEST_NS, at(1))
    assert throttle.banned_until_ns == at(1) + LONGEST_NS


def test_a_count_beyond_all_that_could_have_been_spent_is_none() -> None:
    throttle = Throttle([WEIGHT], SHARED)
    throttle.learn([BudgetUse("weight", 2**63 - 1)], at(1))
    assert throttle.take(CANCEL, at(1), Share.CANCEL)
    throttle.learn([BudgetUse("weight", MOST_TIMES * WEIGHT.amount)], at(1))
    assert not throttle.take(CANCEL, at(1), Share.CANCEL)


def test_cancels_that_are_throttled_too_wait_until_they_are_tried_again() -> None:
    throttle = Throttle([WEIGHT], SHARED)
    throttle.cool_down(at(20), at(1))
    throttle.hold_cancels(at(1))
    assert not throttle.take(CANCEL, at(5.9), Share.CANCEL)
    assert throttle.take(CANCEL, at(6), Share.CANCEL)
    throttle.hold_cancels(at(19))
    assert throttle.take(CANCEL, at(20), Share.CANCEL), "no longer than the cool-down"


def test_a_cool_down_without_a_time_lasts_a_minute() -> None:
    throttle = Throttle([WEIGHT], SHARED)
    throttle.cool_down(0, at(1))
    assert throttle.cooling_until_ns == at(1) + COOL_DOWN_NS


def test_a_silence_that_would_be_over_already_is_kept_for_a_moment() -> None:
    throttle = Throttle([WEIGHT], SHARED)
    throttle.cool_down(at(1), at(20))
    assert not throttle.take(CANCEL, at(20), Share.ORDER)
    assert throttle.take(CANCEL, at(20) + LEAST_NS, Share.ORDER)
    throttle.ban(at(1), at(30))
    assert throttle.banned_until_ns == at(30) + LEAST_NS


def test_a_cool_down_is_never_made_shorter() -> None:
    throttle = Throttle([WEIGHT], SHARED)
    throttle.cool_down(at(20), at(1))
    throttle.cool_down(at(10), at(2))
    assert throttle.cooling_until_ns == at(20)


def test_a_silence_that_we_reckon_is_from_now_on_whatever_the_venues_clock_turns_out_to_say() -> (
    None
):
    throttle = Throttle([WEIGHT], SHARED)
    throttle.cool_down(0, at(3_601))
    throttle.hold_cancels(at(3_601))
    throttle.moved(at(0) - at(3_600), at(1))
    assert throttle.cooling_until_ns == at(1) + COOL_DOWN_NS
    assert not throttle.take(CANCEL, at(5.9), Share.CANCEL)
    assert throttle.take(CANCEL, at(6), Share.CANCEL)


def test_the_end_of_a_silence_that_the_venue_dates_is_by_its_own_clock() -> None:
    throttle = Throttle([WEIGHT], SHARED)
    throttle.ban(at(20), at(3_601))
    assert throttle.banned_until_ns == at(3_601) + LEAST_NS, "as far as we know, over already"
    throttle.moved(at(0) - at(3_600), at(1))
    assert throttle.banned_until_ns == at(20)


def test_a_ban_lets_nothing_through_cancels_included() -> None:
    throttle = Throttle([WEIGHT], SHARED)
    throttle.ban(at(20), at(1))
    assert not throttle.take(CANCEL, at(19), Share.CANCEL)
    assert not throttle.take(CANCEL, at(19), Share.ORDER)
    throttle.cool_down(at(30), at(1))
    assert throttle.take(CANCEL, at(20), Share.CANCEL)
    assert not throttle.take(CANCEL, at(20), Share.ORDER)


def test_a_ban_without_an_end_lasts_ten_minutes() -> None:
    throttle = Throttle([WEIGHT], SHARED)
    throttle.ban(0, at(1))
    assert throttle.banned_until_ns == at(1) + BAN_NS


def test_a_ban_is_never_made_shorter_by_a_later_one() -> None:
    throttle = Throttle([WEIGHT], SHARED)
    throttle.ban(at(40), at(1))
    throttle.ban(at(20), at(2))
    assert throttle.banned_until_ns == at(40)
    assert not throttle.take(CANCEL, at(39), Share.CANCEL)


def test_renewed_limits_keep_what_was_spent() -> None:
    throttle = Throttle([WEIGHT, ORDERS], SHARED)
    throttle.take((("weight", 50),), at(1), Share.ORDER)
    throttle.renew(
        [Limit("weight", "weight", 200, WEIGHT.interval_ns), Limit("raw", "raw", 10, NS_PER_S)]
    )
    assert throttle.free("weight", at(2)) == 160 - 50
    assert throttle.free("raw", at(2)) == 10
    assert throttle.free("orders", at(2)) == 20, "no such kind is stated: the published one stands"


def test_a_cost_without_a_limit_is_our_mistake() -> None:
    throttle = Throttle([WEIGHT], SHARED)
    with pytest.raises(Misuse, match="'orders'"):
        throttle.take(ORDER, at(1), Share.ORDER)
    assert throttle.free("weight", at(1)) == 80


@pytest.mark.parametrize(
    "limit", [Limit("w", "w", 0, 1), Limit("w", "w", -1, 1), Limit("w", "w", 1, 0)]
)
def test_a_limit_of_nothing_is_refused(limit: Limit) -> None:
    with pytest.raises(Misuse, match="above 0"):
        Throttle([limit])


def test_asking_what_is_free_changes_nothing() -> None:
    throttle = Throttle([ORDERS])
    taken(throttle, (("orders", 1),), at(5), Share.ORDER)
    assert throttle.free("orders", at(25)) == 20
    assert throttle.free("orders", at(5)) == 0
    assert not throttle.take((("orders", 1),), at(5), Share.ORDER)


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
    """Whatever the clock error and latency within the guard, in every window of the venue, and
    whether its count comes with each request or not at all.
    """
    throttle = Throttle([ORDERS])
    now_ns = START_NS
    counted: dict[int, int] = {}
    for wait_ns, tokens, told, skew_ns in steps:
        now_ns += wait_ns
        if throttle.take((("orders", tokens),), now_ns, Share.ORDER):
            window = (now_ns + skew_ns) // ORDERS.interval_ns
            counted[window] = counted.get(window, 0) + tokens
            if told:
                throttle.learn([BudgetUse("orders", counted[window])], now_ns)
    assert max(counted.values(), default=0) <= ORDERS.amount


def test_what_is_charged_counts_even_where_nothing_is_left() -> None:
    throttle = Throttle([WEIGHT, ORDERS], SHARED)
    throttle.charge((("weight", 2),), at(1))
    assert throttle.free("weight", at(1)) == 78
    taken(throttle, CANCEL, at(1), Share.CANCEL)
    throttle.charge((("weight", 2),), at(1))
    assert throttle.free("weight", at(1)) == 0
    assert throttle.free("weight", at(61)) == 80
