"""Interval logs of histograms as text: HdrHistogram's own ``.hlog`` files, one tag per hop.

Writes the log format 1.3 and histograms in the V2 encoding; see
https://github.com/HdrHistogram/HdrHistogram, ``HistogramLogWriter`` and ``AbstractHistogram``
(2.1.11). ``tools.hop_log`` reads such files with the Python package of that name. That is not what
writes them: it knows no tags, and encodes a histogram in one piece of 0.7 ms, which a tick would
have to wait for (``docs/speed.md``).
"""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from collections import deque
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from core.io.disk import DISK, Disk
from core.model.errors import BadParameter
from core.model.units import NS_PER_MS, NS_PER_S
from core.state.hops import DIGITS, HOPS, MAX_NS, Histogram, Interval

SLICE_COUNTS: Final = 100
"""Buckets encoded in a slice of idle work, 0.2 us each: a tick does not wait long for them."""

MAX_BYTES: Final = 64 * 1024 * 1024
"""Of one file: some six hours of a busy run at 3 kB a second. With the one before it that is as
much again, and a run of any length leaves no more."""

_ENVELOPE = struct.Struct(">II")
_PAYLOAD = struct.Struct(">IIIIQQd")
_V2_PAYLOAD, _V2_PACKED = 0x1C849303, 0x1C849304
_V2_WORD = 0x10


# -- one histogram -> text ---------------------------------------------------------------------


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
