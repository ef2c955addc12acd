"""The venue's clock is our time plus an offset, measured by the shortest round trip."""

from hypothesis import given
from hypothesis import strategies as st

from core.model.units import NS_PER_MS, NS_PER_S
from core.state.venue_clock import SAMPLES, VenueClock


def test_the_offset_is_taken_at_the_middle_of_the_round_trip():
    clock = VenueClock()
    assert not clock.known
    clock.measure(1_000, 1_100, 51_050)
    assert clock.known
    assert (clock.offset_ns, clock.round_trip_ns) == (50_000, 100)


def test_the_shortest_round_trip_is_trusted():
    clock = VenueClock()
    clock.measure(0, 100, 1_050)
    clock.measure(0, 1_000, 9_999)
    assert clock.offset_ns == 1_000


def test_old_samples_leave_so_that_drift_is_followed():
    clock = VenueClock()
    clock.measure(0, 1, 0)
    for _ in range(SAMPLES):
        clock.measure(0, 100, 5_050)
    assert clock.offset_ns == 5_000


def test_a_clock_that_was_set_since_is_not_judged_by_older_samples():
    clock = VenueClock()
    for start_ns in range(0, 3 * NS_PER_S, NS_PER_S):
        clock.measure(start_ns, start_ns + 1_000, start_ns + 500)
    clock.measure(4 * NS_PER_S, 4 * NS_PER_S + 40 * NS_PER_MS, 8 * NS_PER_S)
    assert abs(clock.offset_ns - 4 * NS_PER_S) <= 20 * NS_PER_MS


def test_forgetting_makes_the_offset_unknown():
    clock = VenueClock()
    clock.measure(0, 1, 0)
    clock.forget()
    assert not clock.known


@given(
    st.integers(-(10**12), 10**12),
    st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 10**9)), min_size=1, max_size=8),
)
def test_the_error_is_at_most_half_the_shortest_round_trip(offset_ns, ways):
    clock = VenueClock()
    for there_ns, back_ns in ways:
        clock.measure(0, there_ns + back_ns, there_ns + offset_ns)
    assert abs(clock.offset_ns - offset_ns) <= min(sum(way) for way in ways) // 2 + 1


def test_samples_of_before_a_clock_was_set_are_dropped():
    clock = VenueClock()
    for n in range(SAMPLES):
        clock.measure(n * NS_PER_S, n * NS_PER_S + 2 * NS_PER_MS, n * NS_PER_S + NS_PER_MS)
    assert clock.offset_ns == 0
    at_ns = 20 * NS_PER_S
    clock.measure(at_ns, at_ns + 80 * NS_PER_MS, at_ns + 12 * NS_PER_S + 40 * NS_PER_MS)
    assert clock.offset_ns == 12 * NS_PER_S


def test_a_slow_answer_that_fits_what_is_known_moves_nothing():
    clock = VenueClock()
    clock.measure(0, 2 * NS_PER_MS, NS_PER_MS)
    clock.measure(NS_PER_S, NS_PER_S + 900 * NS_PER_MS, NS_PER_S + 800 * NS_PER_MS)
    assert clock.offset_ns == 0


def test_a_clock_told_in_whole_seconds_is_trusted_less_than_a_slow_answer():
    clock = VenueClock()
    clock.measure(0, 1_000, 7 * NS_PER_S, within_ns=NS_PER_S // 2)
    assert clock.known
    clock.measure(0, 200 * NS_PER_MS, 7 * NS_PER_S)
    clock.measure(0, 1_000, 7 * NS_PER_S + 300 * NS_PER_MS, within_ns=NS_PER_S // 2)
    assert clock.offset_ns == 7 * NS_PER_S - 100 * NS_PER_MS
