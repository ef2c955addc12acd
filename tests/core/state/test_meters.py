"""Each rule of a limit against a slow and exact model of the venue that counts by it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from random import Random
from typing import Any

import pytest

from core.model.errors import Misuse
from core.model.events import FRAMES, NO_INSTRUMENT, BudgetUse, Limit, Rule, Scope
from core.model.units import NS_PER_MS, NS_PER_S
from core.state import meters
from core.state.meters import GUARD_NS, Bucket, Sliding, Window
from core.state.throttle import Share, Throttle

START_NS = 1_700_000_040 * NS_PER_S
FIXED = Limit("fixed", "n", 20, 10 * NS_PER_S)
SLIDING = Limit("sliding", "n", 20, 5 * NS_PER_S, Rule.SLIDING)
LARGE = Limit("large", "n", 4_000, 2 * NS_PER_S, Rule.SLIDING)
BUCKET = Limit("bucket", "n", 20, NS_PER_S, Rule.BUCKET)
FAST = Limit("fast", "n", 125, 427_350_428, Rule.BUCKET)
"""One of 2.34 comes back a second."""
LIMITS = (FIXED, SLIDING, LARGE, BUCKET, FAST)
SEEDS = range(30)

Arrived = list[tuple[int, int]]
"""When what has left arrived at the venue, and its tokens; oldest first."""


def most_fixed(limit: Limit, arrived: Arrived) -> Fraction:
    counts: dict[int, int] = {}
    for at_ns, tokens in arrived:
        window = at_ns // limit.interval_ns
        counts[window] = counts.get(window, 0) + tokens
    return Fraction(max(counts.values(), default=0))


def most_sliding(limit: Limit, arrived: Arrived) -> Fraction:
    most = 0
    for i, (at_ns, _) in enumerate(arrived):
        recent = (n for t, n in arrived[: i + 1] if t > at_ns - limit.interval_ns)
        most = max(most, sum(recent))
    return Fraction(most)


def most_in_bucket(limit: Limit, arrived: Arrived) -> Fraction:
    counter, most, last_ns = Fraction(0), Fraction(0), 0
    for at_ns, tokens in arrived:
        gone = Fraction(at_ns - last_ns, limit.interval_ns)
        counter, last_ns = max(Fraction(0), counter - gone) + tokens, at_ns
        most = max(most, counter)
    return most


MODELS: dict[Rule, Callable[[Limit, Arrived], Fraction]] = {
    Rule.FIXED: most_fixed,
    Rule.SLIDING: most_sliding,
    Rule.BUCKET: most_in_bucket,
}


def delay_ns(random: Random) -> int:
    """How late something arrives, by the venue's clock: mostly one of both ends."""
    latest_ns = GUARD_NS - 1
    return random.choice((0, 0, latest_ns, latest_ns, random.randrange(latest_ns)))


def most_at_the_venue(limit: Limit, seed: int, *, cancels: bool = False) -> Fraction:
    """Send as much as is let through, at random, and return the most the venue ever counts."""
    random = Random(seed)
    throttle = Throttle([limit], ("n",) if cancels else ())
    now_ns = START_NS + random.randrange(10 * NS_PER_S)
    arrived: Arrived = []
    for _ in range(400):
        now_ns += random.choice((0, 0, 1, NS_PER_MS, 50 * NS_PER_MS, limit.interval_ns // 2))
        tokens = random.randint(1, max(1, limit.amount // 4))
        share = random.choice(list(Share)) if cancels else Share.ORDER
        if throttle.take((("n", tokens),), now_ns, share):
            arrived.append((now_ns + delay_ns(random), tokens))
    return MODELS[limit.rule](limit, sorted(arrived))


@pytest.mark.parametrize("cancels", [False, True])
@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
def test_the_venue_never_counts_more_than_it_states(limit: Limit, cancels: bool) -> None:
    for seed in SEEDS:
        assert most_at_the_venue(limit, seed, cancels=cancels) <= limit.amount, seed


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
def test_nearly_all_of_it_can_be_used(limit: Limit) -> None:
    most = max(most_at_the_venue(limit, seed) for seed in SEEDS)
    assert most >= limit.amount * 3 // 4


def halved(meter: type[Any]) -> Callable[..., None]:
    """Return a ``spend`` that counts half of what is spent."""
    spend = meter.spend

    def forgetful(self: Any, tokens: int, now_ns: int, *, asked: bool) -> None:
        spend(self, tokens // 2, now_ns, asked=asked)

    return forgetful


def early(self: Any, now_ns: int) -> None:
    """Forget what was spent after nine tenths of its time."""
    while self._spent and self._spent[0][0] <= now_ns - self._interval_ns * 7 // 10:
        _, tokens, asked = self._spent.popleft()
        self.used -= tokens
        self.asked -= asked


CANARIES = {
    "no guard, fixed": (FIXED, meters, "GUARD_NS", 0),
    "no guard, sliding": (SLIDING, meters, "GUARD_NS", 0),
    "no guard, bucket": (BUCKET, meters, "GUARD_NS", 0),
    "half of it, sliding": (SLIDING, Sliding, "spend", halved(Sliding)),
    "half of it, bucket": (BUCKET, Bucket, "spend", halved(Bucket)),
    "forgotten too early, sliding": (SLIDING, Sliding, "_enter", early),
    "never more than free, bucket": (BUCKET, Bucket, "_spent_ns", lambda self, now_ns: 0),
}


@pytest.mark.parametrize("name", CANARIES)
def test_a_rule_that_is_broken_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    limit, owner, attribute, instead = CANARIES[name]
    monkeypatch.setattr(owner, attribute, instead)
    assert any(most_at_the_venue(limit, seed) > limit.amount for seed in SEEDS)


# -- sliding -----------------------------------------------------------------------------------


def taken(throttle: Throttle, now_ns: int, share: Share = Share.ORDER) -> int:
    count = 0
    while throttle.take((("n", 1),), now_ns, share):
        count += 1
    return count


def test_a_sliding_interval_begins_with_each_token() -> None:
    throttle = Throttle([Limit("n", "n", 3, 4 * NS_PER_S, Rule.SLIDING)])
    assert throttle.take((("n", 2),), START_NS, Share.ORDER)
    assert taken(throttle, START_NS + NS_PER_S) == 1
    end_ns = START_NS + 4 * NS_PER_S + GUARD_NS
    assert taken(throttle, end_ns - 1) == 0
    assert taken(throttle, end_ns) == 2
    assert throttle.free("n", end_ns + NS_PER_S) == 1


def test_a_sliding_limit_of_many_remembers_no_more_than_its_slots() -> None:
    meter = Sliding(Limit("n", "n", 100_000, NS_PER_S, Rule.SLIDING), shared=False)
    for at_ns in range(START_NS, START_NS + 2 * NS_PER_S, NS_PER_S // 20_000):
        if meter.admits(1, at_ns, Share.ORDER, 0):
            meter.spend(1, at_ns, asked=False)
    assert len(meter._spent) <= meters.SLOTS * 5 // 4 + 1


def test_a_clock_set_back_gives_no_second_sliding_budget_and_takes_no_longer() -> None:
    throttle = Throttle([Limit("n", "n", 3, 4 * NS_PER_S, Rule.SLIDING)])
    assert taken(throttle, START_NS) == 3
    back_ns = START_NS - 3_600 * NS_PER_S
    assert taken(throttle, back_ns) == 0
    assert taken(throttle, back_ns + 4 * NS_PER_S + GUARD_NS) == 3


def test_a_sliding_limit_takes_the_venues_count_both_ways() -> None:
    throttle = Throttle([Limit("n", "n", 10, 4 * NS_PER_S, Rule.SLIDING)])
    throttle.take((("n", 4),), START_NS, Share.ORDER)
    throttle.learn([BudgetUse("n", 9)], START_NS)
    assert throttle.free("n", START_NS) == 1
    throttle.learn([BudgetUse("n", 2)], START_NS, [(("n", 1),)])
    assert throttle.free("n", START_NS) == 7
    throttle.learn([BudgetUse("n", 0)], START_NS, None)
    assert throttle.free("n", START_NS) == 7


def test_a_sliding_limit_that_cancels_use_is_shared_out() -> None:
    throttle = Throttle([Limit("n", "n", 100, 4 * NS_PER_S, Rule.SLIDING)], ("n",))
    assert taken(throttle, START_NS, Share.QUESTION) == 75
    assert taken(throttle, START_NS, Share.ORDER) == 5
    assert taken(throttle, START_NS, Share.RESOLUTION) == 10
    assert taken(throttle, START_NS, Share.CANCEL) == 10


# -- buckets -----------------------------------------------------------------------------------


def test_a_bucket_gets_one_back_in_each_interval() -> None:
    throttle = Throttle([Limit("n", "n", 10, 2 * NS_PER_S, Rule.BUCKET)])
    assert taken(throttle, START_NS) == 9, "the guard is a part of one"
    next_ns = START_NS + GUARD_NS
    assert taken(throttle, next_ns - 1) == 0
    assert taken(throttle, next_ns) == 1
    assert taken(throttle, next_ns + 2 * NS_PER_S - 1) == 0
    assert taken(throttle, next_ns + 2 * NS_PER_S) == 1
    assert taken(throttle, START_NS + 3_600 * NS_PER_S) == 9


def test_a_bucket_keeps_for_cancels_what_it_is_told_and_a_tenth_at_the_least() -> None:
    throttle = Throttle([Limit("n", "n", 60, NS_PER_S, Rule.BUCKET)], ("n",))
    assert throttle.keeps == {"n": Scope.ACCOUNT}
    one = (("n", 1),)
    assert not throttle.take(one, START_NS, Share.ORDER, kept=(("n", 59),))
    assert throttle.take(one, START_NS, Share.ORDER, kept=(("n", 58),))
    assert not throttle.take((("n", 53),), START_NS, Share.RESOLUTION)
    assert throttle.take((("n", 52),), START_NS, Share.RESOLUTION)
    assert not throttle.take(one, START_NS, Share.ORDER)
    assert taken(throttle, START_NS, Share.CANCEL) == 6


def test_questions_leave_a_quarter_of_a_bucket_to_the_orders() -> None:
    throttle = Throttle([Limit("n", "n", 40, NS_PER_S, Rule.BUCKET)], ("n",))
    assert taken(throttle, START_NS, Share.QUESTION) == 29
    assert taken(throttle, START_NS, Share.ORDER) == 6


def test_a_cancel_that_costs_nothing_needs_no_room() -> None:
    throttle = Throttle([Limit("n", "n", 10, NS_PER_S, Rule.BUCKET)], ("n",))
    throttle.run_out((("n", 1),), START_NS)
    assert throttle.take((("n", 0),), START_NS, Share.CANCEL)


def test_a_refusal_for_the_rate_fills_the_bucket_of_that_instrument() -> None:
    limit = Limit("n", "n", 10, NS_PER_S, Rule.BUCKET, Scope.INSTRUMENT)
    throttle = Throttle([limit], ("n",))
    assert throttle.take((("n", 1),), START_NS, Share.ORDER, 1)
    throttle.run_out((("n", 1),), START_NS, 1)
    assert not throttle.take((("n", 1),), START_NS, Share.CANCEL, 1)
    assert throttle.take((("n", 1),), START_NS, Share.CANCEL, 2)
    assert throttle.take((("n", 1),), START_NS + 2 * NS_PER_S, Share.CANCEL, 1)


def test_a_clock_set_back_neither_empties_nor_fills_a_bucket() -> None:
    throttle = Throttle([Limit("n", "n", 10, NS_PER_S, Rule.BUCKET)])
    assert taken(throttle, START_NS) == 9
    back_ns = START_NS - 3_600 * NS_PER_S
    assert taken(throttle, back_ns) == 0
    assert taken(throttle, back_ns + NS_PER_S) == 1


def test_a_bucket_takes_the_venues_count_both_ways() -> None:
    limit = Limit("n", "n", 21, NS_PER_S, Rule.BUCKET, Scope.INSTRUMENT)
    throttle = Throttle([limit])
    throttle.take((("n", 4),), START_NS, Share.ORDER, 7)
    throttle.learn([BudgetUse("n", 9, 7)], START_NS)
    assert throttle.free("n", START_NS, 7) == 11
    throttle.learn([BudgetUse("n", 2, 7)], START_NS, [(("n", 1),)])
    assert throttle.free("n", START_NS, 7) == 17
    throttle.learn([BudgetUse("n", 0, 7)], START_NS, None)
    assert throttle.free("n", START_NS, 7) == 17
    assert throttle.free("n", START_NS, 8) == 20, "another instrument"


def test_a_renewed_bucket_keeps_what_was_spent() -> None:
    throttle = Throttle([Limit("n", "n", 10, NS_PER_S, Rule.BUCKET)])
    assert taken(throttle, START_NS) == 9
    throttle.renew([Limit("n", "n", 20, 2 * NS_PER_S, Rule.BUCKET)])
    assert throttle.free("n", START_NS) == 10


# -- instruments and connections ---------------------------------------------------------------


def test_what_is_counted_of_an_instrument_is_of_no_other() -> None:
    throttle = Throttle([Limit("n", "n", 3, NS_PER_S, Rule.FIXED, Scope.INSTRUMENT)])
    for instrument in (0, 1, NO_INSTRUMENT):
        for _ in range(3):
            assert throttle.take((("n", 1),), START_NS + NS_PER_S // 2, Share.ORDER, instrument)
        assert not throttle.take((("n", 1),), START_NS + NS_PER_S // 2, Share.ORDER, instrument)


def test_a_command_takes_from_every_scope_or_from_none() -> None:
    throttle = Throttle(
        [
            Limit("a", "a", 10, NS_PER_S, Rule.BUCKET),
            Limit("n", "n", 2, 10 * NS_PER_S, Rule.SLIDING, Scope.INSTRUMENT),
        ]
    )
    costs = (("a", 1), ("n", 2))
    assert throttle.take(costs, START_NS, Share.ORDER, 0)
    assert not throttle.take(costs, START_NS, Share.ORDER, 0)
    assert throttle.free("a", START_NS) == 8


def test_frames_are_counted_on_the_connections_that_the_limit_names() -> None:
    frames = Limit("f", FRAMES, 2, NS_PER_S, Rule.SLIDING, Scope.CONNECTION, "market")
    throttle = Throttle([frames])
    assert throttle.connected(0, "market", cancels=False)
    assert not throttle.connected(1, "trade", cancels=True)
    for link in (0, 1):
        for _ in range(2):
            assert throttle.has_room(link, (), START_NS, Share.RESOLUTION)
            throttle.count_frame(link, (), START_NS, Share.RESOLUTION)
    assert not throttle.has_room(0, (), START_NS, Share.RESOLUTION)
    assert throttle.has_room(1, (), START_NS, Share.RESOLUTION)
    throttle.connected(0, "market", cancels=False)
    assert throttle.has_room(0, (), START_NS, Share.RESOLUTION), "of a new one nothing is counted"


def test_what_a_command_costs_of_its_connection_is_counted_there_alone() -> None:
    limit = Limit("deep", "deep", 200, NS_PER_S, Rule.SLIDING, Scope.CONNECTION)
    throttle = Throttle([limit])
    throttle.connected(0, "any", cancels=False)
    costs = (("deep", 100),)
    assert throttle.take(costs, START_NS, Share.QUESTION), "of the account it takes nothing"
    for _ in range(2):
        assert throttle.has_room(0, costs, START_NS, Share.QUESTION)
        throttle.count_frame(0, costs, START_NS, Share.QUESTION)
    assert not throttle.has_room(0, costs, START_NS, Share.QUESTION)
    assert throttle.has_room(0, (), START_NS, Share.QUESTION)


def test_on_a_connection_for_orders_frames_are_left_for_cancels() -> None:
    throttle = Throttle([Limit("f", FRAMES, 10, NS_PER_S, Rule.SLIDING, Scope.CONNECTION)])
    throttle.connected(0, "trade", cancels=True)
    for _ in range(9):
        throttle.count_frame(0, (), START_NS, Share.ORDER)
    assert not throttle.has_room(0, (), START_NS, Share.ORDER)
    assert throttle.has_room(0, (), START_NS, Share.CANCEL)


@pytest.mark.parametrize("rule", [Rule.SLIDING, Rule.BUCKET])
def test_only_fixed_intervals_take_an_order_off_their_count(rule: Rule) -> None:
    with pytest.raises(Misuse, match="take nothing off"):
        Throttle([Limit("n", "n", 10, NS_PER_S, rule, unfilled=True)])


@pytest.mark.parametrize("scope", list(Scope))
def test_a_limit_of_nothing_is_refused_whatever_its_scope(scope: Scope) -> None:
    with pytest.raises(Misuse, match="above 0"):
        Throttle([Limit("n", "n", 0, NS_PER_S, Rule.BUCKET, scope)])


def test_what_is_spent_by_another_rule_before_it_changed_is_forgotten() -> None:
    throttle = Throttle([Limit("n", "n", 10, NS_PER_S)])
    throttle.renew([Limit("n", "n", 10, NS_PER_S, Rule.BUCKET)])
    assert not isinstance(throttle._whole["n"], Window)
