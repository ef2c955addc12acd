"""The soak's arithmetic, and what it reads of a hop log."""

from __future__ import annotations

import pathlib

import pytest

from core.io.hlog import HlogFile
from core.model.units import NS_PER_S
from core.state.hops import DECODE, TICK_TO_TRADE, Hops
from tools.bench import hops, soak

START_NS = 1_780_000_000 * NS_PER_S


def test_a_slope_is_that_of_the_line_and_an_exact_line_has_no_error() -> None:
    assert soak.slope([(0.0, 50.0), (0.5, 51.0), (1.0, 52.0)]) == soak.Slope(2.0, 0.0)


def test_a_slope_has_the_standard_error_of_least_squares() -> None:
    # Residuals -1/6, 1/3, -1/6 about a rise of 0.5: sqrt((1/6) / 1 / 2).
    found = soak.slope([(0.0, 0.0), (1.0, 1.0), (2.0, 1.0)])

    assert found.mb_per_h == 0.5
    assert found.error_mb_per_h == pytest.approx(0.289, abs=0.001)


def test_too_few_samples_have_no_slope() -> None:
    assert soak.slope([(0.0, 1.0), (1.0, 9.0)]) == soak.Slope(0.0, 0.0)


def log_of(path: pathlib.Path, seconds: int) -> HlogFile:
    """Write a log with a tick a second, the n-th taking n microseconds."""
    log = HlogFile(path, START_NS)
    counted = Hops()
    for second in range(seconds):
        begin_ns = START_NS + second * NS_PER_S
        counted.record(DECODE, 1_000 * (second + 1))
        counted.record(TICK_TO_TRADE, 1_000 * (second + 1))
        counted.fold()
        log.put(counted.interval(begin_ns, begin_ns + NS_PER_S))
    while log.step():
        pass
    return log


def test_only_intervals_wholly_within_the_load_count(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "hops.hlog"
    log_of(path, 5).close()
    start_s = START_NS / NS_PER_S

    found = hops.read(path, start_s + 0.5, start_s + 3.5).hops

    assert list(found) == ["decode", "tick_to_trade"]
    assert found["decode"]["count"] == 2
    assert 2_000 <= found["decode"]["p50_ns"] < 2_010


def test_a_log_is_followed_line_by_line(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "hops.hlog"
    log = log_of(path, 2)
    tail = hops.Tail(path)
    assert len(list(tail.lines())) == 4

    with path.open("ab") as file:
        file.write(b"Tag=decode,2.000,1.0")
    assert list(tail.lines()) == []
    log.close()


def test_a_soak_cut_short_before_its_first_sample_has_a_result() -> None:
    found = soak.Seen().result()

    assert found.samples == []
    assert found.p999_ns == [0] * soak.TENTHS
    assert found.memory == soak.Slope(0.0, 0.0)
