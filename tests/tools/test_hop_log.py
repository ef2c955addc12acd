"""Interval logs are read: ours, HdrHistogram's own, and what is none."""

from __future__ import annotations

import base64
import re
import struct
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.errors import BadParameter, Malformed
from core.state.hops import MAX_NS
from tests.core.io.test_hlog import written
from tools.hop_log import decode_histogram, read_hlog

SAMPLES = Path(__file__).parents[3] / "shared" / "data" / "hdrhistogram"
needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="the HdrHistogram sample logs are not beside the repository"
)


# -- one histogram ---------------------------------------------------------------------------


@given(st.dictionaries(st.integers(1, 10**9), st.integers(1, 2**40)), st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_we_read_what_the_public_encoder_writes(values: dict[int, int], digits: int) -> None:
    theirs = HdrHistogram(1000, 10**9, digits)
    for value, count in values.items():
        theirs.record_value(value, count)
    ours = decode_histogram(theirs.encode().decode())
    assert ours.counts == {index: n for index, n in enumerate(theirs.counts) if n}
    assert ours.max == theirs.get_max_value()


@given(st.binary(max_size=60))
def test_any_payload_gives_a_histogram_or_one_typed_error(counts_: bytes) -> None:
    head = struct.pack(">IIIIQQd", 0x1C849313, len(counts_), 0, 3, 1, MAX_NS, 1.0)
    try:
        histogram = decode_histogram(wrapped(0x1C849314, head + counts_))
    except Malformed:
        return
    assert histogram.count >= 0
    assert histogram.max >= 0


@given(st.text(max_size=40))
def test_any_text_gives_a_histogram_or_one_typed_error(text: str) -> None:
    with pytest.raises(Malformed):
        decode_histogram(text)


def wrapped(cookie: int, payload: bytes) -> str:
    packed = zlib.compress(payload)
    return base64.b64encode(struct.pack(">II", cookie, len(packed)) + packed).decode()


def payload_head(
    cookie: int = 0x1C849313,
    used: int = 1,
    shifted: int = 0,
    digits: int = 3,
    lowest: int = 1,
) -> bytes:
    return struct.pack(">IIIIQQd", cookie, used, shifted, digits, lowest, MAX_NS, 1.0)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (payload_head(used=2) + b"\2", "settings that none has"),
        (payload_head(shifted=1) + b"\2", "settings that none has"),
        (payload_head(digits=6) + b"\2", "settings that none has"),
        (payload_head(lowest=0) + b"\2", "settings that none has"),
        (payload_head(cookie=0x1C849308) + b"\2", "other than V1 and V2"),
        (payload_head(used=2) + b"\2\x80", "counts that are none"),
        (payload_head(used=7) + b"\xff\xff\xff\xff\xff\x7f\2", "counts that are none"),
        (b"short", "no compressed histogram"),
    ],
)
def test_a_histogram_that_is_none_is_named(payload: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        decode_histogram(wrapped(0x1C849314, payload))


def test_a_histogram_that_inflates_without_end_is_refused() -> None:
    with pytest.raises(Malformed, match="larger than any"):
        decode_histogram(wrapped(0x1C849314, bytes(17 * 1024 * 1024)))


def test_a_histogram_with_more_counts_than_buckets_is_refused_at_once() -> None:
    counts = b"\2" * (1 << 20)
    tracemalloc.start()
    with pytest.raises(Malformed, match="counts that are none"):
        decode_histogram(wrapped(0x1C849314, payload_head(used=len(counts)) + counts))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 << 20


def test_v1_counts_are_plain_words() -> None:
    payload = payload_head(cookie=0x1C849301 | 0x20, used=6) + struct.pack(">3H", 0, 7, 9)
    assert decode_histogram(wrapped(0x1C849302, payload)).counts == {1: 7, 2: 9}


@pytest.mark.parametrize("word", [0x30, 0x40])
def test_v1_counts_in_odd_words_are_refused(word: int) -> None:
    payload = payload_head(cookie=0x1C849301 | word, used=6) + bytes(6)
    with pytest.raises(Malformed, match="words of"):
        decode_histogram(wrapped(0x1C849302, payload))


# -- reading ---------------------------------------------------------------------------------


def test_a_log_cut_at_every_byte_of_its_last_line_is_torn_and_keeps_the_rest(
    tmp_path: Path,
) -> None:
    path = written(tmp_path / "hops.hlog", {"gc": [5]}, {"gc": [7]})
    data = path.read_bytes()
    last = data.rstrip(b"\n").rfind(b"\n") + 1
    for cut in range(last + 1, len(data) - 1):
        path.write_bytes(data[:cut])
        log = read_hlog(path)
        assert log.torn
        assert log.tags["gc"].counts == {5: 1}
    path.write_bytes(data[:-1])
    assert not read_hlog(path).torn


@pytest.mark.parametrize(
    "line",
    ["nonsense", "Tag=a,1.0,1.0,1.0,notahistogram", "1..0,1.0,1.0,HIST", "#[StartTime: 1.2.3 x]"],
)
def test_a_line_that_is_none_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "bad.hlog"
    path.write_text(f"#[comment]\n{line}\n")
    with pytest.raises(BadParameter, match=r"bad\.hlog, line 2: "):
        read_hlog(path)


@pytest.mark.parametrize("content", [b"", b"#[only comments]\n", b"\n\n"])
def test_a_log_without_an_interval_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "empty.hlog"
    path.write_bytes(content)
    with pytest.raises(BadParameter, match="holds no interval"):
        read_hlog(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="cannot be read: No such file"):
        read_hlog(tmp_path / "none.hlog")


@needs_samples
@pytest.mark.parametrize(
    ("name", "tags"),
    [
        ("jHiccup-2.0.6.logV1", [""]),
        ("jHiccup-2.0.7S.logV2", [""]),
        ("tagged-Log.logV2", ["", "A"]),
    ],
)
def test_public_logs_give_what_the_java_reference_gives(name: str, tags: list[str]) -> None:
    log = read_hlog(SAMPLES / f"{name}.hlog")
    assert list(log.tags) == tags
    expected = SAMPLES / "expected_java_2.1.11" / name
    *_, last = Path(f"{expected}.interval_log.txt").read_text().splitlines()
    total = re.findall(r"[0-9.]+", last.partition("T:")[2])
    lines = re.findall(
        r"^([0-9.]+),([0-9.]+),([0-9]+),[0-9.]+$",
        Path(f"{expected}.csv").read_text(),
        re.MULTILINE,
    )
    assert len(lines) > 20
    quantiles = [float(quantile) * 1e6 for _, quantile, _ in lines]
    for tag in tags:
        histogram = log.tags[tag]
        figures = histogram.values_at((500_000, 900_000, 990_000, 999_000, 999_900))
        assert [histogram.count, *figures, histogram.max] == pytest.approx(
            [int(total[0]), *(float(ms) * 1e6 for ms in total[1:])], rel=0, abs=501
        )
        for (value, _, reached, *_), quantile in zip(lines, quantiles, strict=True):
            if quantile.is_integer() and quantile > 0:
                (found,) = histogram.values_at((int(quantile),))
                assert f"{found / 1e6:.2f}" == value
                below = (n for i, n in histogram.counts.items() if histogram.highest(i) <= found)
                assert sum(below) == int(reached)


@pytest.mark.parametrize("first", range(4))
def test_what_has_one_tag_is_added_up_however_its_histograms_were_made(
    tmp_path: Path, first: int
) -> None:
    """Resized while they were recorded, less precise, or in the older encoding."""
    v1 = payload_head(cookie=0x1C849301 | 0x20, used=4) + struct.pack(">2H", 0, 7)
    texts = [wrapped(0x1C849302, v1)]  # seven times 1 ns
    for highest, digits in ((10**6, 3), (10**12, 3), (10**6, 2)):
        theirs = HdrHistogram(1, highest, digits)
        theirs.record_value(100, 5)
        texts.append(theirs.encode().decode())
    whole = [texts[first], *texts[:first], *texts[first + 1 :], texts[first]]
    path = tmp_path / "mixed.hlog"
    path.write_text("".join(f"{at}.0,1.0,1.0,{text}\n" for at, text in enumerate(whole)))
    found = read_hlog(path).tags[""]
    counted = {found.lowest(index): n for index, n in found.counts.items()}
    assert counted == ({1: 14, 100: 15} if first == 0 else {1: 7, 100: 20})
