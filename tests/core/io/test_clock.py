"""The engine's clock is UTC, and never steps."""

from __future__ import annotations

import time

import pytest

from core.io import clock
from core.io.clock import EngineClock, since_realtime_ns


def test_the_clock_tells_utc() -> None:
    before_ns = time.time_ns()
    now_ns = EngineClock().now_ns()
    assert before_ns - 1_000_000_000 < now_ns < time.time_ns() + 1_000_000_000


def test_the_clock_follows_the_monotonic_clock_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([*range(1_000, 1_032), 2_000, 5_000])
    system = iter([50_000] * clock.ANCHOR_TRIES + [1, 1])
    monkeypatch.setattr(time, "perf_counter_ns", lambda: next(readings))
    monkeypatch.setattr(time, "time_ns", lambda: next(system))
    ticking = EngineClock()
    assert ticking.now_ns() == 50_000 - 1_000 + 2_000
    assert ticking.now_ns() == 50_000 - 1_000 + 5_000


def test_the_anchor_is_the_reading_that_nothing_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Each try reads the monotonic clock twice; only the third is quick.
    readings = [n for start in range(clock.ANCHOR_TRIES) for n in (start * 100, start * 100 + 50)]
    readings[5] = readings[4] + 4
    stream = iter([*readings, 10_000])
    system = iter([7_000_000 + start * 100 for start in range(clock.ANCHOR_TRIES)])
    monkeypatch.setattr(time, "perf_counter_ns", lambda: next(stream))
    monkeypatch.setattr(time, "time_ns", lambda: next(system))
    assert EngineClock().now_ns() == 7_000_000 - 2 + 10_000


def test_a_stamp_has_an_age(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 10_500)
    assert since_realtime_ns(10_000) == 500


def test_a_stamp_from_the_future_counts_as_taken_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 10_500)
    assert since_realtime_ns(10_501) == 0
