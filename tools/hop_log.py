"""Interval logs are read and added up: ``hops.hlog`` of a run, or any HdrHistogram log.

Reads the log format up to 1.3, and histograms in the encodings V1 and V2; see
https://github.com/HdrHistogram/HdrHistogram, ``HistogramLogReader`` and ``AbstractHistogram``
(2.1.11). The Python package of that name decodes V2 and adds up what has the same buckets, in C.
What it leaves out is here: V1, histograms that were resized while they were recorded, a line that
is none, and a bound for what is unpacked.
"""

from __future__ import annotations

import binascii
import re
import struct
import zlib
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hdrh.codec import HdrCookieException, HdrLengthException
from hdrh.histogram import HdrHistogram
from msgspec import Struct, field

from core.model.errors import BadParameter, Malformed
from core.state.hops import Histogram

MAX_INFLATED: Final = 16 * 1024 * 1024
"""Largest histogram that is unpacked: with 3 digits the full range of 64 bits takes 0.5 MB."""

_ENVELOPE = struct.Struct(">II")
_PAYLOAD = struct.Struct(">IIIIQQd")
_V1_PAYLOAD, _V1_PACKED, _V2_PAYLOAD, _V2_PACKED = 0x1C849301, 0x1C849302, 0x1C849303, 0x1C849304
_WORD_MASK = 0xF0
_V1_WORDS = {2: ">%dH", 4: ">%dI", 8: ">%dQ"}

_REFUSALS = (HdrCookieException, HdrLengthException, IndexError, OverflowError, ValueError)
"""What the package raises for counts that are none."""


# -- one histogram ---------------------------------------------------------------------------


def decode_histogram(text: str) -> Histogram:
    """Return the histogram of a compressed V1 or V2 encoding. Raises ``Malformed``."""
    found = _decode(text)
    return found if isinstance(found, Histogram) else _sparse(found)


def _decode(text: str) -> Histogram | HdrHistogram:
    """Return a histogram, of V2 as the package holds it. Raises ``Malformed``."""
    try:
        data = b64decode(text, validate=True)
        cookie, length = _ENVELOPE.unpack_from(data)
        inflater = zlib.decompressobj()
        payload = inflater.decompress(data[_ENVELOPE.size :], MAX_INFLATED)
        inner, used, shifted, digits, lowest, _, _ = _PAYLOAD.unpack_from(payload)
    except (binascii.Error, zlib.error, ValueError, struct.error) as error:
        raise Malformed(f"no compressed histogram: {error}") from error
    if not inflater.eof or length != len(data) - _ENVELOPE.size:
        raise Malformed("a histogram that is cut off, or larger than any")
    counts = payload[_PAYLOAD.size :]
    if shifted or digits > 5 or not 0 < lowest < 1 << 62 or used != len(counts):
        raise Malformed("a histogram with settings that none has")
    versions = cookie & ~_WORD_MASK, inner & ~_WORD_MASK
    if versions == (_V2_PACKED, _V2_PAYLOAD):
        try:
            return HdrHistogram.decode(text)
        except _REFUSALS as error:
            raise Malformed(f"counts that are none: {error}") from error
    if versions != (_V1_PACKED, _V1_PAYLOAD):
        raise Malformed("a histogram in an encoding other than V1 and V2")
    histogram = Histogram(digits, lowest)
    histogram.counts.update(_v1_counts(counts, (inner & _WORD_MASK) >> 4))
    if max(histogram.counts, default=0) > histogram.index(2**63 - 1):
        raise Malformed("a histogram with values beyond 64 bits")
    return histogram


def _sparse(dense: HdrHistogram) -> Histogram:
    """Return the same counts, by bucket: both have the same ones."""
    histogram = Histogram(dense.significant_figures, dense.lowest_trackable_value)
    histogram.counts.update({index: n for index, n in enumerate(dense.counts) if n > 0})
    return histogram


def _v1_counts(data: bytes, word_bytes: int) -> Iterator[tuple[int, int]]:
    if word_bytes not in _V1_WORDS or len(data) % word_bytes:
        raise Malformed(f"counts in words of {word_bytes} bytes")
    words = struct.Struct(_V1_WORDS[word_bytes] % (len(data) // word_bytes)).unpack(data)
    return ((index, count) for index, count in enumerate(words) if count)


class _Sum:
    """What has one tag, added up: in the package's buckets as long as these are the same."""

    def __init__(self, like: Histogram | HdrHistogram) -> None:
        self._dense = None if isinstance(like, Histogram) else like
        self._rest = like if isinstance(like, Histogram) else _empty(like)

    def add(self, other: Histogram | HdrHistogram) -> None:
        if isinstance(other, Histogram):
            self._rest.add(other)
        elif self._dense is not None and _buckets(other) == _buckets(self._dense):
            self._dense.add(other)
        else:
            self._rest.add(_sparse(other))

    def histogram(self) -> Histogram:
        """Return all of it."""
        if self._dense is None:
            return self._rest
        whole = _sparse(self._dense)
        whole.add(self._rest)
        return whole


def _empty(like: HdrHistogram) -> Histogram:
    return Histogram(like.significant_figures, like.lowest_trackable_value)


def _buckets(dense: HdrHistogram) -> tuple[int, int, int]:
    return dense.bucket_count, dense.sub_bucket_count, dense.unit_magnitude


# -- the file --------------------------------------------------------------------------------

_START_TIME = re.compile(r"#\[StartTime: *([0-9.]+)")
_BASE_TIME = re.compile(r"#\[BaseTime: *([0-9.]+)")
_LOST = re.compile(r"#\[Lost: *([0-9]+)")
_LINE = re.compile(r"(?:Tag=([^,]*),)?([0-9.]+),([0-9.]+),[0-9.]+,([A-Za-z0-9+/=]+)")
_YEAR_S = 365 * 24 * 3600


class Hlog(Struct):
    """A log added up: one histogram for each tag; "" is the tag of lines without."""

    tags: dict[str, Histogram] = field(default_factory=dict)
    start_s: float | None = None
    """Seconds since the epoch, as all times in such a log."""
    end_s: float = 0.0
    counted_s: float = 0.0
    """How long the intervals are together: what lies between two boots is in none."""
    torn: bool = False
    """Whether the last line was cut off, and left out."""
    lost: int = 0
    """Rows that were overwritten before they were counted."""


def read_hlog(*paths: Path) -> Hlog:
    """Add up logs, oldest first. Raises ``BadParameter`` that names file and line."""
    log = Hlog()
    sums: dict[str, _Sum] = {}
    for path in paths:
        _read(path, log, sums)
    log.tags = {tag: whole.histogram() for tag, whole in sums.items()}
    if not log.tags:
        raise BadParameter(f"{paths[-1]} holds no interval")
    return log


def _read(path: Path, log: Hlog, sums: dict[str, _Sum]) -> None:
    base = _Times()
    if path.exists() and not path.is_file():
        raise BadParameter(f"{path} cannot be read: it has to be a regular file")
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, 1):
                try:
                    _take(line.rstrip("\r\n"), log, sums, base)
                except Malformed as error:
                    if line.endswith("\n"):
                        raise BadParameter(f"{path}, line {number}: {error}") from error
                    log.torn = True
    except OSError as error:
        raise BadParameter(f"{path} cannot be read: {error.strerror}") from error


class _Times(Struct):
    """What the header says of times, and what follows where it says nothing."""

    start: float | None = None
    base: float | None = None
    counted_until: float = 0.0
    """To where intervals have been counted; the lines of one have a tag each."""

    def absolute(self, stamp: float) -> float:
        """Return a line's time since the epoch, by the rules of ``HistogramLogReader``."""
        if self.start is None:
            self.start = stamp
        if self.base is None:
            # More than a year before the start: relative to it.
            self.base = self.start if stamp < self.start - _YEAR_S else 0.0
        return stamp + self.base


def _take(line: str, log: Hlog, sums: dict[str, _Sum], times: _Times) -> None:
    if line.startswith("#"):
        if found := _START_TIME.match(line):
            times.start, times.base = _number(found[1]), None
        elif found := _BASE_TIME.match(line):
            times.base = _number(found[1])
        elif found := _LOST.match(line):
            log.lost += int(found[1])
        return
    if not line or line.startswith('"'):
        return
    found = _LINE.fullmatch(line)
    if found is None:
        raise Malformed("neither an interval of a histogram log nor a comment")
    tag, stamp, length, text = found.groups()
    histogram = _decode(text)
    start = times.absolute(_number(stamp))
    if log.start_s is None:
        log.start_s = times.start
    end = start + _number(length)
    log.end_s = max(log.end_s, end)
    log.counted_s += max(end - max(start, times.counted_until), 0.0)
    times.counted_until = max(times.counted_until, end)
    known = sums.get(tag or "")
    if known is None:
        sums[tag or ""] = _Sum(histogram)
    else:
        known.add(histogram)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise Malformed(f"{text!r} is no time in seconds") from error
