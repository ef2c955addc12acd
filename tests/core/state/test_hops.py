"""Stamps in, figures out: what counts as a hop, what is lost, and HdrHistogram's own buckets."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from core.state.hops import (
    FEED_AGE,
    GC,
    HOPS,
    MAX_NS,
    P50,
    P99,
    P999,
    PATH,
    Histogram,
    Hops,
    Interval,
)

T = 1_700_000_000_000_000_000


def fold_all(hops: Hops) -> None:
    while hops.fold(7):
        pass


def counted(hops: Hops) -> dict[str, list[tuple[int, int]]]:
    """Return each hop that happened, as (smallest value of the bucket, count)."""
    fold_all(hops)
    interval = hops.interval(0, 1)
    return {
        hop: sorted((histogram.lowest(index), n) for index, n in histogram.counts.items())
        for hop, histogram in zip(HOPS, interval.histograms, strict=True)
        if histogram.counts
    }


# -- turns -----------------------------------------------------------------------------------


def test_a_turn_that_sent_has_every_hop_of_the_path_and_both_sums() -> None:
    hops = Hops()
    hops.turn(T, T + 10, T + 30, T + 60, T + 100, 50, 60, 70, T + 400, T + 480, 0)
    assert counted(hops) == {
        "kernel": [(10, 1)],
        "read": [(20, 1)],
        "decode": [(30, 1)],
        "book": [(40, 1)],
        "strategy": [(50, 1)],
        "risk": [(60, 1)],
        "encode": [(70, 1)],
        "send": [(80, 1)],
        "tick_to_trade": [(450, 1)],
        "wire_to_wire": [(480, 1)],
    }


def test_a_turn_that_sent_nothing_has_no_send_and_no_sums() -> None:
    hops = Hops()
    hops.turn(T, T + 10, T + 30, T + 60, T + 100, 50, 0, 0, 0, 0, 0)
    assert list(counted(hops)) == ["kernel", "read", "decode", "book", "strategy"]


def test_an_unknown_kernel_stamp_leaves_out_what_begins_with_it() -> None:
    hops = Hops()
    hops.turn(0, T + 10, T + 30, T + 60, T + 100, 0, 0, 0, T + 400, T + 480, 0)
    assert list(counted(hops)) == ["read", "decode", "book", "send", "tick_to_trade"]


def test_a_hop_that_did_not_happen_is_not_counted_as_zero() -> None:
    hops = Hops()
    hops.turn(T, T + 10, T + 30, T + 30, T + 30, 0, 0, 0, 0, 0, 0)
    assert list(counted(hops)) == ["kernel", "read"]


def test_a_clock_stepped_back_counts_as_one_nanosecond() -> None:
    hops = Hops()
    hops.turn(T + 5, T, T + 30, T + 30, T + 30, 0, 0, 0, 0, 0, 0)
    assert counted(hops)["kernel"] == [(1, 1)]


def test_a_turn_is_the_path_in_order() -> None:
    assert PATH == ("kernel", "read", "decode", "book", "strategy", "risk", "encode", "send")
    assert HOPS[FEED_AGE] == "feed_age"
    assert HOPS[GC] == "gc"


MARKET, SECOND, PRIVATE = 0, 1, 2


def read_at(hops: Hops, read_ns: int, link: int) -> None:
    hops.turn(0, T, read_ns, read_ns, read_ns, 0, 0, 0, 0, 0, link)


def test_the_gap_between_ticks_is_from_one_read_of_a_market_to_the_next_on_whatever_link() -> None:
    hops = Hops(markets=(MARKET, SECOND))
    for at_ns, link in (
        (100, MARKET),
        (150, PRIVATE),
        (300, SECOND),
        (310, PRIVATE),
        (700, MARKET),
    ):
        read_at(hops, T + at_ns, link)
    assert counted(hops)["tick_gap"] == [(200, 1), (400, 1)]
    read_at(hops, T + 1_000, MARKET)
    assert counted(hops)["tick_gap"] == [(300, 1)], "an interval's first gap began in the last"


def test_a_gap_in_which_ticks_were_lost_is_none() -> None:
    hops = Hops(rows=4, markets=(MARKET,))
    read_at(hops, T, MARKET)
    fold_all(hops)
    for number in range(10):
        read_at(hops, T + 1_000 * (number + 1), MARKET)
    assert counted(hops)["tick_gap"] == [(1_000, 3)]


# -- the ring --------------------------------------------------------------------------------


def test_single_values_are_counted_by_their_hop() -> None:
    hops = Hops()
    for ns in (100, 100, 200):
        hops.record(GC, ns)
    hops.record(FEED_AGE, -5)
    assert counted(hops) == {"feed_age": [(1, 1)], "gc": [(100, 2), (200, 1)]}


def test_longer_than_a_minute_counts_as_a_minute() -> None:
    hops = Hops()
    hops.record(GC, 2 * MAX_NS)
    ((lowest, count),) = counted(hops)["gc"]
    assert (lowest <= MAX_NS, count) == (True, 1)


def test_a_full_ring_keeps_the_latest_and_counts_what_is_lost() -> None:
    hops = Hops(rows=8)
    for number in range(20):
        hops.turn(T, T + 1 + number, T + 30, T + 30, T + 30, 0, 0, 0, 0, 0, 0)
    for number in range(11):
        hops.record(GC, 1 + number)
    fold_all(hops)
    interval = hops.interval(0, 1)
    assert interval.lost == 12 + 3
    assert sorted(interval.histograms[0].counts) == list(range(13, 21))
    assert sorted(interval.histograms[GC].counts) == list(range(4, 12))
    assert hops.interval(1, 2).lost == 0


def test_one_fold_stays_within_its_limit() -> None:
    hops = Hops(rows=8)
    for _ in range(5):
        hops.turn(T, T + 1, T + 2, T + 2, T + 2, 0, 0, 0, 0, 0, 0)
        hops.record(GC, 1)
    assert [hops.fold(3) for _ in range(5)] == [3, 3, 3, 1, 0]


def test_the_ring_wraps_without_loss() -> None:
    hops = Hops(rows=8)
    for _ in range(10):
        for _ in range(5):
            hops.turn(T, T + 1, T + 2, T + 2, T + 2, 0, 0, 0, 0, 0, 0)
            hops.record(GC, 9)
        fold_all(hops)
    assert counted(hops) == {"kernel": [(1, 50)], "read": [(1, 50)], "gc": [(9, 50)]}


# -- intervals -------------------------------------------------------------------------------


def test_an_interval_takes_out_what_was_counted() -> None:
    hops = Hops()
    hops.record(GC, 100)
    fold_all(hops)
    hops.record(GC, 200)
    first = hops.interval(5, 6)
    assert (first.start_ns, first.end_ns) == (5, 6)
    assert first.histograms[GC].counts == {100: 1}
    assert counted(hops) == {"gc": [(200, 1)]}
    assert counted(hops) == {}


def test_the_snapshot_is_of_the_last_interval_in_which_a_hop_happened() -> None:
    hops = Hops()
    assert hops.snapshot() == {}
    for ns in range(1, 101):
        hops.record(GC, ns)
    hops.record(FEED_AGE, 7)
    fold_all(hops)
    hops.interval(0, 1)
    hops.record(FEED_AGE, 9)
    fold_all(hops)
    hops.interval(1, 2)
    fold_all(hops)
    figures = hops.snapshot()
    assert (figures["feed_age"].count, figures["feed_age"].p50_ns) == (1, 9)


def test_the_snapshot_has_every_hop_once_the_loop_was_idle() -> None:
    hops = Hops()
    for ns in range(1, 101):
        hops.record(GC, ns)
    hops.record(FEED_AGE, 7)
    fold_all(hops)
    hops.interval(0, 1)
    for _ in range(2):
        assert hops.fold() == 0
    figures = hops.snapshot()
    gc = figures["gc"]
    assert (gc.count, gc.p50_ns, gc.p99_ns) == (100, 50, 99)
    assert figures["feed_age"].p99_ns == 7


# -- buckets ---------------------------------------------------------------------------------

durations = st.one_of(st.integers(1, 5000), st.integers(1, MAX_NS))


def reference(values: Sequence[int]) -> HdrHistogram:
    histogram = HdrHistogram(1, MAX_NS, 3)
    for value in values:
        assert histogram.record_value(value)
    return histogram


@given(st.lists(durations, max_size=30))
@settings(deadline=None)
def test_counts_are_those_of_hdrhistogram(values: list[int]) -> None:
    hops = Hops()
    ours = Histogram()
    for value in values:
        hops.record(GC, value)
        ours.record(value)
    fold_all(hops)
    interval: Interval = hops.interval(0, 1)
    theirs = reference(values)
    expected = {index: count for index, count in enumerate(theirs.counts) if count}
    assert interval.histograms[GC].counts == ours.counts == expected
    assert ours.count == theirs.get_total_count()
    assert ours.max == theirs.get_max_value()


@given(durations)
def test_a_bucket_is_never_wider_than_a_thousandth(value: int) -> None:
    histogram = Histogram()
    index = histogram.index(value)
    lowest, highest = histogram.lowest(index), histogram.highest(index)
    assert lowest <= value <= highest
    assert highest - lowest <= value / 1000
    assert histogram.index(lowest) == histogram.index(highest) == index


@given(st.integers(0, 4), st.integers(1, 10**6), st.integers(0, 2**62))
@settings(deadline=None)
def test_buckets_of_any_precision_and_unit_are_those_of_hdrhistogram(
    digits: int, lowest: int, value: int
) -> None:
    histogram = Histogram(digits, lowest)
    index = histogram.index(value)
    assert histogram.lowest(index) <= value <= histogram.highest(index)
    if digits:
        theirs = HdrHistogram(lowest, 2**62, digits)
        assert index == theirs.get_counts_array_index(value)
        assert histogram.lowest(index) == theirs.get_lowest_equivalent_value(value)


@given(st.lists(durations, min_size=1, max_size=60), st.integers(1, 1_000_000))
def test_a_quantile_is_the_value_of_its_rank(values: list[int], quantile: int) -> None:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    rank = -(-len(values) * quantile // 1_000_000)
    exact = sorted(values)[rank - 1]
    (found,) = histogram.values_at((quantile,))
    assert histogram.index(found) == histogram.index(exact)
    assert found >= exact


def test_quantiles_of_nothing_are_zero() -> None:
    assert Histogram().values_at((P50, P99, P999)) == [0, 0, 0]
    assert (Histogram().max, Histogram().count, Histogram().total) == (0, 0, 0)


def test_the_total_is_within_a_thousandth_of_the_sum() -> None:
    histogram = Histogram()
    for value in (1_000_000, 2_000_000, 4_000_000):
        histogram.record(value, 10)
    assert histogram.total == pytest.approx(70_000_000, rel=0.001)


@given(st.lists(durations, max_size=20), st.lists(durations, max_size=20))
def test_adding_is_the_same_as_recording_all(left: list[int], right: list[int]) -> None:
    one, other, both = Histogram(), Histogram(), Histogram()
    for value in left:
        one.record(value)
        both.record(value)
    for value in right:
        other.record(value)
        both.record(value)
    one.add(other)
    assert one.counts == both.counts


def test_histograms_of_other_precision_are_added_by_value() -> None:
    coarse, fine = Histogram(1), Histogram(3)
    fine.record(1000, 3)
    coarse.add(fine)
    assert coarse.counts == {coarse.index(1000): 3}
