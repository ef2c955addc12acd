"""Interval logs of histograms as text: HdrHistogram's own ``.hlog`` files, one tag per hop.

Reads and writes the log format up to 1.3 and histograms in the V2 encoding, and reads V1; see
https://github.com/HdrHistogram/HdrHistogram, ``HistogramLogWriter`` and ``AbstractHistogram``
(2.1.11). It is written out here because the Python package of the same name writes no tags, reads
no V1, and does not add up logs whose histograms were resized while they were recorded.
"""

from __future__ import annotations

import binascii
import re
import struct
import zlib
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from core.io.disk import DISK, Disk
from core.model.errors import BadParameter, Malformed
from core.model.units import NS_PER_MS, NS_PER_S
from core.state.hops import DIGITS, HOPS, MAX_NS, Histogram, Interval

MAX_INFLATED: Final = 16 * 1024 * 1024
"""Largest histogram that is unpacked: with 3 digits the full range of 64 bits takes 0.5 MB."""

SLICE_COUNTS: Final = 100
"""Buckets encoded in a slice of idle work, 0.2 us each: a tick does not wait long for them."""

MAX_BYTES: Final = 64 * 1024 * 1024
"""Of one file: some six hours of a busy run at 3 kB a second. With the one before it that is as
much again, and a run of any length leaves no more."""

_ENVELOPE = struct.Struct(">II")
_PAYLOAD = struct.Struct(">IIIIQQd")
_V1_PAYLOAD, _V1_PACKED, _V2_PAYLOAD, _V2_PACKED = 0x1C849301, 0x1C849302, 0x1C849303, 0x1C849304
_WORD_MASK = 0xF0
_V2_WORD = 0x10
_V1_WORDS = {2: ">%dH", 4: ">%dI", 8: ">%dQ"}


# -- one histogram <-> text ------------------------------------------------------------------


def encode_histogram(histogram: Histogram) -> str:
    """Return a hop's histogram in the compressed V2 encoding, as base64."""
    slices = encode_in_slices(histogram)
    while True:
        try:
            next(slices)
        except StopIteration as end:
            return str(end.value)


def encode_in_slices(histogram: Histogram) -> Generator[None, None, str]:
    """Encode as ``encode_histogram`` does, pausing after some 20 us of work each time."""
    counts = bytearray()
    expected = 0
    indexes = sorted(histogram.counts)
    yield
    for start in range(0, len(indexes), SLICE_COUNTS):
        for index in indexes[start : start + SLICE_COUNTS]:
            if index > expected:
                _put_varint(counts, expected - index)
            _put_varint(counts, histogram.counts[index])
            expected = index + 1
        yield
    head = _PAYLOAD.pack(_V2_PAYLOAD | _V2_WORD, len(counts), 0, DIGITS, 1, MAX_NS, 1.0)
    packed = zlib.compress(head + counts, 1)
    yield
    return b64encode(_ENVELOPE.pack(_V2_PACKED | _V2_WORD, len(packed)) + packed).decode("ascii")


def _put_varint(into: bytearray, value: int) -> None:
    """Append a count, or minus a number of empty buckets: ZigZag, then 7 bits a byte."""
    rest = value << 1 if value >= 0 else (-value << 1) - 1
    while rest > 0x7F:
        into.append(rest & 0x7F | 0x80)
        rest >>= 7
    into.append(rest)


def decode_histogram(text: str) -> Histogram:
    """Return the histogram of a compressed V1 or V2 encoding. Raises ``Malformed``."""
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
    histogram = Histogram(digits, lowest)
    buckets = histogram.index(2**63 - 1) + 1
    versions = cookie & ~_WORD_MASK, inner & ~_WORD_MASK
    if versions == (_V2_PACKED, _V2_PAYLOAD):
        histogram.counts.update(_v2_counts(counts, buckets))
    elif versions == (_V1_PACKED, _V1_PAYLOAD):
        histogram.counts.update(_v1_counts(counts, (inner & _WORD_MASK) >> 4))
    else:
        raise Malformed("a histogram in an encoding other than V1 and V2")
    if max(histogram.counts, default=0) >= buckets:
        raise Malformed(_TOO_LARGE)
    return histogram


_TOO_LARGE: Final = "a histogram with values beyond 64 bits"


def _v1_counts(data: bytes, word_bytes: int) -> Iterator[tuple[int, int]]:
    if word_bytes not in _V1_WORDS or len(data) % word_bytes:
        raise Malformed(f"counts in words of {word_bytes} bytes")
    words = struct.Struct(_V1_WORDS[word_bytes] % (len(data) // word_bytes)).unpack(data)
    return ((index, count) for index, count in enumerate(words) if count)


def _v2_counts(data: bytes, buckets: int) -> Iterator[tuple[int, int]]:
    """Return the counts by bucket; no more of them than buckets, however many bytes there are."""
    index = value = shift = 0
    for byte in data:
        # The ninth byte holds 8 bits, which ends every value: 64 bits in 9 bytes.
        value |= (byte if shift == 56 else byte & 0x7F) << shift
        shift += 7
        if byte & 0x80 and shift < 63:
            continue
        count = value >> 1 ^ -(value & 1)
        if count > 0:
            if index >= buckets:
                raise Malformed(_TOO_LARGE)
            yield index, count
        index += max(-count, 1)
        value = shift = 0
    if shift:
        raise Malformed("counts that end within a number")


# -- the file --------------------------------------------------------------------------------


def _header(start_ns: int) -> str:
    start = f"{start_ns / NS_PER_S:.3f} (seconds since epoch)"
    date = datetime.fromtimestamp(start_ns // NS_PER_S, UTC).strftime("%a %b %d %H:%M:%S UTC %Y")
    return (
        "#[hotloop hops in nanoseconds; Interval_Max in milliseconds]\n"
        "#[Histogram log format version 1.3]\n"
        f"#[StartTime: {start}, {date}]\n"
        f"#[BaseTime: {start}]\n"
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\n'
    )


def _cut_torn_line(path: Path) -> None:
    """Remove what a process that died left of a line, so that the next one stands alone."""
    if path.exists():
        with path.open("r+b") as file:
            data = file.read()
            file.truncate(data.rfind(b"\n") + 1)


def older(path: Path) -> Path:
    """Return where a full log is put aside: ``hops.hlog`` as ``hops.1.hlog``."""
    return path.with_suffix(f".1{path.suffix}")


class HlogFile:
    """Writes the hops of one boot, an interval at a time; an earlier boot's stay before them.

    A file of ``max_bytes`` is put aside as ``older(path)``, in the place of the one before it.
    ``put`` once an interval, ``step`` whenever idle. The log is a witness: when the disk refuses
    it, it ends, ``failure`` says why, and the run goes on.
    """

    __slots__ = (
        "_bytes",
        "_disk",
        "_file",
        "_line",
        "_max_bytes",
        "_path",
        "_pending",
        "_start_ns",
        "failure",
    )

    def __init__(
        self, path: Path, start_ns: int, *, max_bytes: int = MAX_BYTES, disk: Disk = DISK
    ) -> None:
        """``start_ns``: wall clock at the start. Raises ``BadParameter`` for an unusable path."""
        self._path = path
        self._start_ns = start_ns
        self._max_bytes = max_bytes
        self._disk = disk
        self._pending: deque[tuple[str, Interval, Histogram]] = deque()
        self._line: Iterator[None] | None = None
        """The line that is being written."""
        self.failure = ""
        """Why nothing is written any more; empty as long as all is well."""
        try:
            _cut_torn_line(path)
            self._open()
        except OSError as error:
            raise BadParameter(f"{path} cannot be written: {error.strerror}") from error

    def _open(self) -> None:
        self._file = self._disk.append(self._path)
        self._file.write(_header(self._start_ns).encode("ascii"))
        self._bytes = self._path.stat().st_size

    def _put_aside(self) -> None:
        """Begin a new file where the present one is full: between two intervals, never in one."""
        if self.failure or self._bytes < self._max_bytes:
            return
        try:
            self._file.close()
            self._path.replace(older(self._path))
            self._open()
        except OSError as error:
            self._fail(error)

    def put(self, interval: Interval) -> None:
        """Take an interval; ``step`` writes it.

        What the last interval has left is written first, so that nothing piles up in a loop that
        is never idle.
        """
        while self.step():
            pass
        self._put_aside()
        if interval.lost:
            self._append(f"#[Lost: {interval.lost} rows]\n")
        self._pending.extend(
            (hop, interval, histogram)
            for hop, histogram in zip(HOPS, interval.histograms, strict=True)
            if histogram.counts
        )

    def step(self) -> bool:
        """Do one slice of writing a hop's line, some 20 to 60 us; return whether there was one."""
        if self._line is None:
            if not self._pending:
                return False
            self._line = self._lines(*self._pending.popleft())
        for _ in self._line:
            return True
        self._line = None
        return True

    def _lines(self, hop: str, interval: Interval, histogram: Histogram) -> Iterator[None]:
        """Write a hop's line, pausing between slices."""
        start = (interval.start_ns - self._start_ns) / NS_PER_S
        length = (interval.end_ns - interval.start_ns) / NS_PER_S
        longest = histogram.max / NS_PER_MS
        text = yield from encode_in_slices(histogram)
        self._append(f"Tag={hop},{start:.3f},{length:.3f},{longest:.3f},{text}\n")

    def _append(self, line: str) -> None:
        if self.failure:
            return
        try:
            self._bytes += self._file.write(line.encode("ascii"))
        except OSError as error:
            self._fail(error)

    def close(self) -> None:
        """Write all that is left and close the file."""
        while self.step():
            pass
        try:
            self._file.close()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.failure = f"{self._path} cannot be written any more: {error.strerror}"


# -- reading ---------------------------------------------------------------------------------

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
    for path in paths:
        _read(path, log)
    if not log.tags:
        raise BadParameter(f"{paths[-1]} holds no interval")
    return log


def _read(path: Path, log: Hlog) -> None:
    base = _Times()
    if path.exists() and not path.is_file():
        raise BadParameter(f"{path} cannot be read: it has to be a regular file")
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, 1):
                try:
                    _take(line.rstrip("\r\n"), log, base)
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


def _take(line: str, log: Hlog, times: _Times) -> None:
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
    histogram = decode_histogram(text)
    start = times.absolute(_number(stamp))
    if log.start_s is None:
        log.start_s = times.start
    end = start + _number(length)
    log.end_s = max(log.end_s, end)
    log.counted_s += max(end - max(start, times.counted_until), 0.0)
    times.counted_until = max(times.counted_until, end)
    known = log.tags.get(tag or "")
    if known is None:
        log.tags[tag or ""] = histogram
    else:
        known.add(histogram)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise Malformed(f"{text!r} is no time in seconds") from error
