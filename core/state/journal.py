"""The journal's words: kinds of records, their bytes, and the torn-tail rule.

Every input is in the journal before it is acted on, every output before its bytes leave. Here
live the record codec and what a reader may believe; files, maps and clocks never do: see
``core.io.journal_file``. ``docs/journal.md`` describes the format for readers in any language.

A record is ``length, checksum, time, kind, connection, payload``, little endian, at a multiple of
8. Length and checksum share one aligned 8-byte word that is stored last, in one store, so that a
record is either whole or, to every reader, not there yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum
from struct import Struct as Layout
from typing import Protocol, TypeVar
from zlib import crc32

import msgspec
from msgspec import Struct

from core.model.errors import JournalCorrupt
from core.model.venue import KeyKind

FORMAT_VERSION = 6
"""Written in every header; a reader refuses any other instead of guessing."""

ALIGNMENT = 8
"""Records begin at multiples of this, which makes the store of the first word indivisible."""

WORD = Layout("<II")
"""Length of head and payload in bytes, and the CRC-32 of all that follows this word."""

HEAD = Layout("<qHh")
"""Time in nanoseconds, kind, connection."""

HEAD_BYTES = WORD.size + HEAD.size

NO_CONNECTION = -1
"""In a record that concerns no connection."""

SEARCH_BYTES = 64 * 1024 * 1024
"""How much is checksummed in search of a record after a broken one: a whole segment. It keeps
hostile bytes, where every word looks like a length, from costing hours."""


class Kind(IntEnum):
    """What a record says. 16 and above came in, 32 and above went out."""

    HEADER = 1
    """First in each segment: ``Header``."""
    NOTE = 2
    """A line of the log, UTF-8."""
    END = 3
    """The run ended by itself; nothing of this boot follows."""

    BYTES = 16
    """What one read of a connection returned, after TLS."""
    UP = 17
    """A connection is up."""
    DOWN = 18
    """A connection was lost; the payload says why."""
    DUE = 19
    """A timer fired."""
    ANSWER = 20
    """A REST request ended: ``Answer``."""
    CONTROL = 21
    """A command came over the control socket."""

    SEND = 32
    """A request or control frame for a connection, unsigned."""
    ASK = 33
    """A REST request, unsigned: ``Ask``."""
    DROP = 34
    """We closed a connection; the payload says why."""


KINDS = frozenset(Kind)
INPUTS = frozenset(kind for kind in Kind if 16 <= kind < 32)
OUTPUTS = frozenset(kind for kind in Kind if kind >= 32)

Payload = bytes | bytearray | memoryview


class Format(Struct, frozen=True):
    """The one word of a ``Header`` that is the same in every format."""

    format_version: int


class Header(Struct, frozen=True, kw_only=True):
    """The payload of ``HEADER``: whose run this is, and all that a replay needs besides inputs."""

    format_version: int = FORMAT_VERSION
    run_id: str
    boot: int
    """How often this run folder was started, from 1."""
    segment: int = 0
    """The segment's own number; the writer sets it."""
    previous_end: int = 0
    """Bytes used of the segment before, when it was written by the same boot; else 0."""
    config_digest: str
    seeds: Mapping[str, int]
    venue: str
    strategy: str
    start_ns: int
    """Wall clock at the start of the boot, since the epoch."""
    key: KeyKind
    """What the run's key allowed it."""
    segment_bytes: int = 0
    """What a segment has as long as it is written to; the writer sets it. One that is shorter was
    closed at its last record."""
    strategy_digest: str = ""
    """SHA-256 of the strategy's own source, "" where it is not known."""


class Answer(Struct, frozen=True, gc=False):
    """The payload of ``ANSWER``. ``status`` 0 stands for no answer at all."""

    request_id: int
    status: int
    headers: dict[str, str]
    body: bytes


class Ask(Struct, frozen=True, gc=False):
    """The payload of ``ASK``: a request without anything that is secret."""

    request_id: int
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    signed: bool
    cancels: bool


class Record(Struct, frozen=True, gc=False):
    """One record as it was read, and where."""

    kind: int
    connection: int
    time_ns: int
    payload: bytes
    segment: int = 0
    offset: int = 0


class Journal(Protocol):
    """The journal, as the engine sees it."""

    @property
    def segment(self) -> int:
        """Number of the segment in use: where it changes, older ones may soon be deleted."""
        ...

    def hold(self) -> None:
        """Keep what is in the journal from this segment on: the next boot starts from it."""
        ...

    def append(self, kind: int, connection: int, time_ns: int, payload: Payload) -> None:
        """Write one record. Raises ``JournalFailed`` when there is no room for it."""
        ...


class MemoryJournal:
    """A journal that keeps its records, for tests and simulated worlds."""

    __slots__ = ("_offset", "records", "segment")

    def __init__(self) -> None:
        self.segment = 0
        self.records: list[Record] = []
        self._offset = 0

    def append(self, kind: int, connection: int, time_ns: int, payload: Payload) -> None:
        self.records.append(Record(kind, connection, time_ns, bytes(payload), 0, self._offset))
        self._offset = following(self._offset, HEAD_BYTES + len(payload))

    def hold(self) -> None: ...


_Body = TypeVar("_Body", bound=Struct)

pack = msgspec.msgpack.Encoder().encode
"""Return the payload for a ``Header``, an ``Answer`` or an ``Ask`` (MessagePack)."""


def unpack(payload: bytes, body: type[_Body]) -> _Body:
    """Return what ``pack`` was given. Raises ``JournalCorrupt`` for anything else."""
    try:
        return msgspec.msgpack.decode(payload, type=body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise JournalCorrupt(f"a payload of {body.__name__} does not decode: {error}") from error


# -- the codec -------------------------------------------------------------------------------


def following(offset: int, length: int) -> int:
    """Return where the record after one of ``length`` bytes at ``offset`` begins."""
    return (offset + length + ALIGNMENT - 1) & -ALIGNMENT


def encode(kind: int, connection: int, time_ns: int, payload: Payload) -> bytes:
    """Return a record's bytes, padded with zeros to the alignment."""
    body = HEAD.pack(time_ns, kind, connection) + payload
    length = WORD.size + len(body)
    record = WORD.pack(length, crc32(body)) + body
    return record.ljust(following(0, length), b"\0")


class Stop(Enum):
    """Why there is no record at an offset."""

    EMPTY = "empty"
    """Nothing was written here yet."""
    SHORT = "short"
    """The record would reach past the bytes at hand."""
    BROKEN = "broken"
    """No record has this length, or the checksum is wrong."""


def decode(data: bytes, offset: int, segment: int = 0, base: int = 0) -> Record | Stop:
    """Return the record at ``offset`` of ``data``, or why there is none.

    ``data`` begins at offset ``base`` of its segment; both only find their way into the record.
    """
    if len(data) - offset < WORD.size:
        return Stop.EMPTY if len(data) <= offset else Stop.SHORT
    length, checksum = WORD.unpack_from(data, offset)
    if length == 0:
        return Stop.EMPTY
    if length < HEAD_BYTES:
        return Stop.BROKEN
    end = offset + length
    if end > len(data):
        return Stop.SHORT
    if crc32(data[offset + WORD.size : end]) != checksum:
        return Stop.BROKEN
    time_ns, kind, connection = HEAD.unpack_from(data, offset + WORD.size)
    return Record(
        kind, connection, time_ns, data[offset + HEAD_BYTES : end], segment, base + offset
    )


# -- the torn-tail rule ----------------------------------------------------------------------


class Tail(Struct, frozen=True):
    """What lies after the last record that a reader may believe."""

    left: int
    """Bytes up to the last one that is not zero: what a write left half done, or worse."""
    resumes: int
    """Where a whole record follows nevertheless, or -1: then the journal is corrupt, not torn."""


def tail(data: bytes, offset: int) -> Tail:
    """Return what lies after ``offset``, the end of the last whole record of a segment."""
    left = len(data[offset:].rstrip(b"\0"))
    return Tail(left, _resumes(data, offset, offset + left))


def _resumes(data: bytes, offset: int, end: int) -> int:
    """Return the first offset after ``offset`` with a whole record of a known kind, or -1."""
    budget = SEARCH_BYTES
    for at in range(offset + ALIGNMENT, end, ALIGNMENT):
        length = int.from_bytes(data[at : at + 4], "little")
        if not HEAD_BYTES <= length <= len(data) - at:
            continue
        if HEAD.unpack_from(data, at + WORD.size)[1] not in KINDS:
            continue
        budget -= length
        if budget < 0:
            break
        if isinstance(decode(data, at), Record):
            return at
    return -1
