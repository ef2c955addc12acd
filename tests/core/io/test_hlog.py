"""Interval logs: what we write comes back, and HdrHistogram's own readers take it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from core.io.hlog import (
    SLICE_COUNTS,
    HlogFile,
    encode_histogram,
    encode_in_slices,
    older,
)
from core.model.errors import BadParameter
from core.state.hops import INDEX, MAX_NS, ROWS, Histogram, Hops, Interval
from tools.hop_log import decode_histogram, read_hlog

START_NS = 1_700_000_000_000_000_000
SECOND = 1_000_000_000

counts = st.dictionaries(st.integers(1, MAX_NS), st.integers(1, 2**40), max_size=20)


def histogram_of(values: dict[int, int]) -> Histogram:
    histogram = Histogram()
    for value, count in values.items():
        histogram.record(value, count)
    return histogram


def second_of(number: int, counted: dict[str, list[int]], rows: int = ROWS) -> Interval:
    """Return the interval that ends ``number`` seconds after the start."""
    hops = Hops(rows)
    for hop, values in counted.items():
        for ns in values:
            hops.record(INDEX[hop], ns)
    while hops.fold():
        pass
    end_ns = START_NS + number * SECOND
    return hops.interval(end_ns - SECOND, end_ns)


def written(path: Path, *seconds: dict[str, list[int]], start_ns: int = START_NS) -> Path:
    """Write a log with an interval of one second for each of ``seconds``."""
    log = HlogFile(path, start_ns)
    for number, counted in enumerate(seconds, 1):
        interval = second_of(number, counted)
        shift = start_ns - START_NS
        log.put(
            replace(interval, start_ns=interval.start_ns + shift, end_ns=interval.end_ns + shift)
        )
    log.close()
    assert not log.failure
    return path


# -- one histogram ---------------------------------------------------------------------------


@given(counts)
def test_a_histogram_comes_back_as_encoded(values: dict[int, int]) -> None:
    histogram = histogram_of(values)
    assert decode_histogram(encode_histogram(histogram)).counts == histogram.counts


@given(counts)
@settings(deadline=None)
def test_the_public_decoder_reads_what_we_encode(values: dict[int, int]) -> None:
    ours = histogram_of(values)
    theirs = HdrHistogram.decode(encode_histogram(ours))
    assert {index: n for index, n in enumerate(theirs.counts) if n} == ours.counts
    assert theirs.significant_figures == 3


# -- the file --------------------------------------------------------------------------------


def test_the_public_reader_finds_times_tags_and_counts(tmp_path: Path) -> None:
    first = {"decode": [1500, 1500, 1500, 90_000], "gc": [2_000_000]}
    path = written(tmp_path / "hops.hlog", first, {"decode": [1700] * 5})
    reader = HistogramLogReader(str(path), HdrHistogram(1, MAX_NS, 3))
    found = []
    while (histogram := reader.get_next_interval_histogram()) is not None:
        found.append(
            (
                histogram.get_tag(),
                histogram.get_start_time_stamp() - START_NS / 1e6,
                histogram.get_end_time_stamp() - histogram.get_start_time_stamp(),
                histogram.get_total_count(),
            )
        )
    reader.close()
    assert reader.get_start_time_sec() == START_NS / SECOND
    assert found == [("decode", 0, 1000, 4), ("gc", 0, 1000, 1), ("decode", 1000, 1000, 5)]


def test_a_log_of_a_simulated_clock_keeps_its_times(tmp_path: Path) -> None:
    log = read_hlog(written(tmp_path / "hops.hlog", {"gc": [5]}, start_ns=2 * SECOND))
    assert (log.start_s, log.end_s) == (2, 3)


def test_what_is_written_is_read_and_added_up(tmp_path: Path) -> None:
    second = {"decode": list(range(1000, 1100)), "gc": list(range(5000, 5500))}
    log = read_hlog(written(tmp_path / "hops.hlog", second, {}, second))
    counts = {tag: histogram.count for tag, histogram in log.tags.items()}
    assert counts == {"decode": 200, "gc": 1000}
    assert (log.start_s, log.end_s) == (START_NS / SECOND, START_NS / SECOND + 3)
    assert (log.torn, log.lost) == (False, 0)


def test_each_line_is_on_file_whole_once_its_slices_are_done(tmp_path: Path) -> None:
    log = HlogFile(tmp_path / "hops.hlog", START_NS)
    log.put(second_of(1, {"decode": [5], "gc": [5]}))
    seen: list[list[str]] = []
    while log.step():
        text = (tmp_path / "hops.hlog").read_text()
        assert text.endswith("\n")
        tags = [line.partition(",")[0] for line in text.splitlines() if line.startswith("Tag=")]
        if not seen or seen[-1] != tags:
            seen.append(tags)
    assert seen == [[], ["Tag=decode"], ["Tag=decode", "Tag=gc"]]
    log.close()


def test_a_histogram_is_encoded_in_slices_of_bounded_size(tmp_path: Path) -> None:
    histogram = Histogram()
    for value in range(2 * SLICE_COUNTS + 1):
        histogram.record(value)
    pauses = sum(1 for _ in encode_in_slices(histogram))
    assert pauses == 2 + 3  # before the counts, after each hundred of them, and after packing


def test_a_loop_that_is_never_idle_loses_no_interval(tmp_path: Path) -> None:
    log = HlogFile(tmp_path / "hops.hlog", START_NS)
    for number in range(1, 4):
        log.put(second_of(number, {"gc": [number]}))
    assert read_hlog(tmp_path / "hops.hlog").tags["gc"].counts == {1: 1, 2: 1}
    log.close()
    assert read_hlog(tmp_path / "hops.hlog").tags["gc"].counts == {1: 1, 2: 1, 3: 1}


def test_lost_rows_are_in_the_log(tmp_path: Path) -> None:
    log = HlogFile(tmp_path / "hops.hlog", START_NS)
    for number in (1, 2):
        log.put(second_of(number, {"gc": [5] * 20}, rows=8))
    log.close()
    assert read_hlog(tmp_path / "hops.hlog").lost == 24


def test_a_second_boot_goes_on_behind_the_first_and_cuts_its_torn_line(tmp_path: Path) -> None:
    path = written(tmp_path / "hops.hlog", {"gc": [5]}, {"gc": [5]})
    path.write_bytes(path.read_bytes()[:-20])
    later = START_NS + 60 * SECOND
    log = read_hlog(written(path, {"gc": [7]}, start_ns=later))
    assert log.tags["gc"].counts == {5: 1, 7: 1}
    assert (log.start_s, log.end_s) == (START_NS / SECOND, later / SECOND + 1)
    assert not log.torn


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match=r"missing/hops\.hlog cannot be written: No such file"):
        HlogFile(tmp_path / "missing" / "hops.hlog", START_NS)


def test_a_disk_that_refuses_ends_the_log_and_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = HlogFile(tmp_path / "hops.hlog", 0)
    log.put(second_of(1, {"gc": [5], "decode": [5]}))
    log._file.close()
    full = os.open("/dev/full", os.O_WRONLY)
    monkeypatch.setattr(log, "_file", os.fdopen(full, "wb", buffering=0))
    while log.step():
        pass
    assert log.failure.endswith("hops.hlog cannot be written any more: No space left on device")
    log.close()


def test_a_log_of_any_length_is_two_files_of_a_bounded_size(tmp_path: Path) -> None:
    path = tmp_path / "hops.hlog"
    log = HlogFile(path, START_NS, max_bytes=2_000)
    for number in range(1, 200):
        log.put(second_of(number, {"gc": [number]}))
    log.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["hops.1.hlog", "hops.hlog"]
    assert all(file.stat().st_size < 3_000 for file in tmp_path.iterdir())
    newest = read_hlog(older(path), path)
    assert newest.tags["gc"].max == 199
    assert newest.tags["gc"].count < 199, "the oldest are gone"
    assert newest.end_s == START_NS / SECOND + 199
