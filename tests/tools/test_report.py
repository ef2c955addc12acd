"""``hotloop report``: figures, the table, and what a bad path is told."""

from __future__ import annotations

import argparse
import json
import os
import re
from pathlib import Path

import pytest

from core.io.hlog import HlogFile
from core.model.errors import BadParameter
from core.state.hops import INDEX, Hops
from tools import report

SAMPLES = Path(__file__).parents[3] / "shared" / "data" / "hdrhistogram"
needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="the HdrHistogram sample logs are not beside the repository"
)

START_NS = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


def report_of(*words: str) -> int:
    parser = argparse.ArgumentParser()
    report.add_arguments(parser)
    return report.run(parser.parse_args(words))


def run_folder(
    folder: Path, rows: int = 1 << 14, start_ns: int = START_NS, **hops: list[int]
) -> Path:
    ring = Hops(rows)
    for hop, values in hops.items():
        for ns in values:
            ring.record(INDEX[hop], ns)
    while ring.fold():
        pass
    log = HlogFile(folder / "hops.hlog", start_ns)
    log.put(ring.interval(start_ns, start_ns + 20 * SECOND))
    log.close()
    return folder


def test_json_is_exactly_the_documented_shape(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_folder(tmp_path, tick_to_trade=list(range(1, 1001)), decode=[5])
    assert report_of(str(tmp_path), "--json") == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out) == {
        "hops": {
            "decode": {
                "count": 1,
                "p50_ns": 5,
                "p90_ns": 5,
                "p99_ns": 5,
                "p999_ns": 5,
                "max_ns": 5,
            },
            "tick_to_trade": {
                "count": 1000,
                "p50_ns": 500,
                "p90_ns": 900,
                "p99_ns": 990,
                "p999_ns": 999,
                "max_ns": 1000,
            },
        },
        "rehearsals": {},
        "start": START_NS / SECOND,
        "end": START_NS / SECOND + 20,
    }


def test_the_table_has_a_row_for_each_hop_in_the_order_of_the_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_folder(tmp_path, gc=[2_000_000], send=[3_000], decode=[1_000], tick_to_trade=[4_000])
    assert report_of(str(tmp_path)) == 0
    out = capsys.readouterr().out
    assert "2023-11-14 22:13:20 UTC, 20.0 s" in out
    rows = [line.split() for line in out.splitlines() if re.match(r" *(gc|send|decode|tick)", line)]
    assert [row[0] for row in rows] == ["decode", "send", "tick_to_trade", "gc"]
    assert rows[1] == ["send", "1", *["3.00", "us"] * 5, "75.0%"]
    assert rows[3] == ["gc", "1", *["2.00", "ms"] * 5]


def test_shares_are_of_the_path_and_add_up_to_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_folder(tmp_path, kernel=[10_000], read=[20_000], book=[30_000], send=[40_000] * 3, gc=[9])
    report_of(str(tmp_path))
    shares = [float(share) for share in re.findall(r"([0-9.]+)%", capsys.readouterr().out)]
    assert shares == pytest.approx([5.6, 11.1, 16.7, 66.7], abs=0.1)


def test_the_gap_between_ticks_stands_beside_what_their_answers_took(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_folder(tmp_path, tick_gap=[2_000_000, 2_500_000, 9_000_000], tick_to_trade=[1_500])
    report_of(str(tmp_path))
    out = capsys.readouterr().out
    assert "median gap between ticks 2.50 ms, tick_to_trade 1.50 us" in out
    assert "rehearsals" not in out


def test_what_rehearsals_cost_and_how_many_reads_met_one_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of 20 s one second, and of eight reads two."""
    run_folder(tmp_path, rehearsal=[100_000] * 10_000, rehearsal_met=[5_000] * 2, read=[1_000] * 8)
    report_of(str(tmp_path))
    assert (
        "rehearsals took 5.0% of the time; 25.0% of the reads met a step of one"
        in capsys.readouterr().out
    )
    report_of(str(tmp_path), "--json")
    found = json.loads(capsys.readouterr().out)["rehearsals"]
    assert found == pytest.approx({"time_share": 0.05, "met_share": 0.25}, abs=0.001)


def test_what_lies_between_two_boots_is_no_time_that_rehearsals_could_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for start_ns in (START_NS, START_NS + 3_600 * SECOND):
        run_folder(tmp_path, start_ns=start_ns, rehearsal=[100_000] * 10_000, read=[1_000])
    report_of(str(tmp_path))
    assert "rehearsals took 5.0% of the time; 0.0% of the reads" in capsys.readouterr().out


def test_a_log_file_is_a_path_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_folder(tmp_path, gc=[7])
    assert report_of(str(tmp_path / "hops.hlog"), "--json") == 0
    assert json.loads(capsys.readouterr().out)["hops"]["gc"]["count"] == 1


def test_a_torn_last_line_is_left_out_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run_folder(tmp_path, gc=[7], decode=[7]) / "hops.hlog"
    path.write_bytes(path.read_bytes()[:-9])
    assert report_of(str(path), "--json") == 0
    out, err = capsys.readouterr()
    assert list(json.loads(out)["hops"]) == ["decode"]
    assert "the last line is cut off and was left out" in err


def test_lost_values_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_folder(tmp_path, rows=8, gc=[7] * 10)
    assert report_of(str(tmp_path)) == 0
    assert "2 turns or values were lost" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing", None, r"missing does not exist"),
        ("empty.hlog", b"", r"empty\.hlog holds no interval"),
        ("text.hlog", b"hello\nworld\n", r"text\.hlog, line 1: neither an interval"),
        ("binary.hlog", bytes(range(256)) * 8, r"binary\.hlog, line 1: neither an interval"),
    ],
)
def test_a_bad_path_is_told_what_is_wrong(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadParameter, match=message):
        report_of(str(tmp_path / name))


def test_a_pipe_or_a_device_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "hops.hlog")
    for path in (tmp_path, tmp_path / "hops.hlog", Path("/dev/zero")):
        with pytest.raises(BadParameter, match="regular file"):
            report_of(str(path))


def test_a_folder_without_a_hop_log_is_told_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match=r"hops\.hlog does not exist"):
        report_of(str(tmp_path))


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_000, "1.00 us"),
        (12_345, "12.3 us"),
        (999_499, "999 us"),
        (999_999, "1.00 ms"),
        (123_456_789, "123 ms"),
        (60_000_000_000, "60.0 s"),
    ],
)
def test_durations_have_three_digits_and_a_unit(ns: int, text: str) -> None:
    assert report.duration(ns) == text


@needs_samples
def test_logs_of_other_programs_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert report_of(str(SAMPLES / "tagged-Log.logV2.hlog"), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["hops"]) == ["untagged", "A"]
    assert found["hops"]["A"]["p99_ns"] == pytest.approx(1392.509 * 1e6, abs=501)
    assert found["start"] == 1441812279.474
    assert report_of(str(SAMPLES / "jHiccup-2.0.6.logV1.hlog")) == 0
    assert "untagged" in capsys.readouterr().out
