"""A start that the venue does not answer: it is asked again, less and less often."""

from __future__ import annotations

from itertools import pairwise

from core.engine.reference_data import LONGEST_RETRY_NS, RETRY_NS
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.views import SessionState
from tests.world.test_recovery import World

TICK_S = 0.1


def times_requested(w: World, seconds: float) -> list[int]:
    """Return when the instruments were asked for, as this time passed."""
    times, before = [], sum("exchangeInfo" in one.path for one in w.asked)
    for _ in range(round(seconds / TICK_S)):
        w.run(TICK_S)
        asked = sum("exchangeInfo" in one.path for one in w.asked)
        times += [w.now_ns] * (asked - before)
        before = asked
    return times


def test_questions_that_a_start_waits_for_are_asked_with_back_off():
    w = World()
    w.rest_answer = lambda *_: None
    times = times_requested(w, 60)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    expected = [RETRY_NS << n for n in range(3)] + [LONGEST_RETRY_NS] * 6
    assert len(gaps) >= len(expected)
    for gap, planned in zip(gaps, expected, strict=False):
        assert abs(gap - planned) <= 300 * NS_PER_MS
    assert len(times) < 12


def test_a_venue_that_comes_back_is_traded_within_the_longest_wait():
    w = World()
    w.make_market()
    answer = w.rest_answer
    w.rest_answer = lambda *_: None
    w.run(30)
    w.rest_answer = answer
    back_ns = w.now_ns
    w.run_until(lambda: w.desk.session is SessionState.TRADING, 30)
    assert w.now_ns - back_ns < LONGEST_RETRY_NS + 5 * NS_PER_S
