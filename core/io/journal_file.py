"""The journal on disk: preallocated, memory-mapped segments; a writer and a live reader.

Appending is a copy into mapped memory and makes no system call, so what was appended survives the
process however it dies. All that costs a system call (allocating the next segment, touching its
pages, giving back old ones) is ``prepare``, idle work in slices. What the records mean lives in
``core.state.journal``; nothing here reads a clock. ``docs/journal.md`` states what survives what.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn
from zlib import crc32

from msgspec.structs import replace

from core.engine.checkpoint import PREFIX, RESTORE, RESTORED
from core.io.disk import DISK, Disk
from core.model.errors import BadParameter, JournalCorrupt, JournalFailed, JournalUnknown
from core.state.journal import (
    FORMAT_VERSION,
    HEAD,
    HEAD_BYTES,
    NO_CONNECTION,
    SEARCH_BYTES,
    WORD,
    Format,
    Header,
    Kind,
    Payload,
    Record,
    Stop,
    decode,
    following,
    pack,
    tail,
    unpack,
)

SEGMENT_BYTES: Final = 64 * 1024 * 1024
"""At 5 MB/s, a busy venue, a segment lasts 13 s: time enough to prepare the next in idle slices."""

LARGEST_PART: Final = 4
"""A payload that fills no more than a quarter of a segment (16 MiB) goes into an ordinary one: at
most a quarter is lost at a rotation. A larger one gets a segment of its own size."""

SCRATCH_BYTES: Final = 1024 * 1024
"""The journal of rehearsals, written over and over."""

KEEP_SEGMENTS: Final = 256
"""16 GiB, about a day at 200 kB/s. The oldest are deleted beyond it, so a disk never fills."""

AHEAD_BYTES: Final = 1024 * 1024
"""Pages touched ahead of the writer: 200 ms at 5 MB/s without an idle moment. Not more, because
the kernel writes touched pages out, and write-protects them again, after some 30 s."""

SLICE_BYTES: Final = 4 * mmap.PAGESIZE
"""Pages touched by one idle slice; a first touch costs 2 to 6 us a page."""

FREE_BYTES: Final = 4 * 1024 * 1024
"""How much of an old segment one idle slice unmaps or deletes: some 0.1 and 0.4 ms. A whole one
at once took 2 and 5 ms."""

CHUNK_BYTES: Final = 256 * 1024
"""What a reader takes from a file at a time."""

BLANK_BYTES: Final = 1024 * 1024
"""What is looked through at a time in search of anything but zeros."""

POLL_RECORDS: Final = 4096
"""Records handed out by one poll unless told otherwise: some milliseconds of work."""

SEARCH_SLICE: Final = 1024 * 1024
"""What is searched at a time for a checkpoint: some 0.3 ms."""

_MARKS: Final = (PREFIX, RESTORED, RESTORE)
LONGEST_MARK: Final = max(map(len, _MARKS))

_WORD_BYTES: Final = WORD.size
_pack_head = HEAD.pack


def next_boot(run_dir: Path) -> int:
    """Count this start of the run folder, durably, and return its number, from 1.

    Client order ids carry it, so it must never repeat: the new number is on the disk before it is
    returned, and it does not live in the journal, which retention deletes. Raises
    ``JournalFailed`` where the counter cannot be read or written.
    """
    path = run_dir / "boot"
    fresh = run_dir / "boot.new"
    try:
        text = path.read_text("ascii") if path.exists() else "0"
        boot = int(text) + 1
        with fresh.open("w", encoding="ascii") as file:
            file.write(f"{boot}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        DISK.sync(run_dir)
    except ValueError as error:
        raise JournalFailed(
            f"{path} should hold the number of the last start but does not ({error}); put there a"
            " number larger than any start of this run folder, or use a new folder"
        ) from error
    except OSError as error:
        raise JournalFailed(f"{path} cannot be renewed: {error.strerror}") from error
    return boot


def boots_begun(run_dir: Path) -> int:
    """Return how often a run was begun in a folder, 0 where that is not known."""
    try:
        return int((run_dir / "boot").read_text("ascii"))
    except (OSError, ValueError):
        return 0  # ``next_boot`` says what is wrong with it


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:06}.journal"


def _numbers(folder: Path) -> list[int]:
    """Return the numbers of the segments in a folder, oldest first."""
    stems = (path.stem for path in folder.glob("*.journal"))
    return sorted(int(stem) for stem in stems if stem.isascii() and stem.isdigit())


def _begun(folder: Path, number: int) -> bool:
    """Whether a segment has a first record; a prepared one has not."""
    try:
        with _path(folder, number).open("rb") as file:
            return any(file.read(WORD.size))
    except FileNotFoundError:
        return False


def _blank(folder: Path, number: int) -> bool:
    """Whether there is nothing at all in a segment's file, as in one that was only prepared."""
    try:
        with _path(folder, number).open("rb") as file:
            while chunk := file.read(BLANK_BYTES):
                if chunk.count(0) != len(chunk):
                    return False
    except FileNotFoundError:
        pass
    return True


def _unlock(mapped: mmap.mmap) -> None:
    """Leave a mapping out where the process keeps its memory locked.

    Its pages are on their way to the disk anyway, and locked ones cannot be given back in parts.
    """
    view = ctypes.c_char.from_buffer(mapped)
    ctypes.CDLL(None).munlock(ctypes.c_void_p(ctypes.addressof(view)), len(mapped))
    del view


class _Segment:
    """A segment that is mapped for writing; ``used`` is set when it is full."""

    __slots__ = ("_descriptor", "_mapped", "map", "path", "size", "touched", "used", "words")

    def __init__(self, folder: Path, number: int, size: int, disk: Disk) -> None:
        self.path = _path(folder, number)
        self.size = self._mapped = size
        self.touched = 0
        self.used = 0
        try:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise JournalFailed(f"{self.path} cannot be created: {error.strerror}") from error
        try:
            # A full disk must show here: in a sparse file it would be a SIGBUS at some store.
            disk.reserve(self._descriptor, size)
            self.map = mmap.mmap(self._descriptor, size)
            # Without read-ahead: a first touch would fill 8 MiB with zeros at once, 20 ms of it.
            self.map.madvise(mmap.MADV_RANDOM)
            _unlock(self.map)
        except OSError as error:
            os.close(self._descriptor)
            self.path.unlink()
            raise JournalFailed(
                f"{self.path}: no room for {size} bytes ({error.strerror}); free some space"
            ) from error
        self.words = memoryview(self.map).cast("Q")

    def touch(self, end: int) -> bool:
        """Make the next few pages below ``end`` writable; return whether there were any."""
        start = self.touched
        if start >= min(end, self.size):
            return False
        self.touched = min(start + SLICE_BYTES, self.size)
        mapped = self.map
        for offset in range(start, self.touched, mmap.PAGESIZE):
            mapped[offset] = mapped[offset]
        return True

    def give_back(self) -> bool:
        """Unmap a part; at last return what was not used to the disk, and say that it is done."""
        if self._mapped:
            end, self._mapped = self._mapped, max(self._mapped - FREE_BYTES, 0)
            self.map.madvise(mmap.MADV_DONTNEED, self._mapped, end - self._mapped)
            return False
        self.words.release()
        self.map.close()
        os.ftruncate(self._descriptor, self.used)
        os.close(self._descriptor)
        return True


class _Appended:
    """What records are appended to: a stretch of memory, and another where that is full."""

    __slots__ = ("_at", "_limit", "_map", "_words", "segment")

    _map: mmap.mmap
    _words: memoryview
    _limit: int
    """Where the stretch ends, 0 where nothing may be appended."""

    def __init__(self) -> None:
        self._at = 0
        self.segment = 0

    def append(self, kind: int, connection: int, time_ns: int, payload: Payload) -> None:
        """Write one record: no system call, 0.5 us and a copy.

        ``connection`` is ``NO_CONNECTION`` where the record concerns none. Raises ``JournalFailed``
        when the segment is full and none is ready: the journal then holds all before, and takes
        nothing more, for with a hole in it nothing after could be replayed. A payload of more than
        a quarter of a segment may have to wait until the disk has made room for it.
        """
        body = _pack_head(time_ns, kind, connection) + payload
        at = self._at
        end = at + _WORD_BYTES + len(body)
        if end > self._limit:
            self._rotate(time_ns, len(payload))
            at = self._at
            end = at + _WORD_BYTES + len(body)
        self._map[at + _WORD_BYTES : end] = body
        # Stored last and at once: from here on the record exists, for readers and after a crash.
        self._words[at >> 3] = crc32(body) << 32 | (end - at)
        self._at = (end + 7) & -8

    def _rotate(self, time_ns: int, payload_bytes: int) -> None:
        """Go on in another stretch; ``time_ns`` is the record's, and so many bytes its payload."""
        raise NotImplementedError


class JournalFile(_Appended):
    """Writes the journal of one boot of a run folder.

    ``append`` is for the hot path; ``prepare`` belongs into every idle moment. Segments are
    ``RUNDIR/journal/000001.journal`` and on; a boot always begins a new one.
    """

    __slots__ = (
        "_child",
        "_disk",
        "_doomed",
        "_ended",
        "_failed",
        "_first",
        "_folder",
        "_header",
        "_held",
        "_keep",
        "_largest",
        "_numbers",
        "_retired",
        "_searched",
        "_segment",
        "_size",
        "_spare",
    )

    def __init__(
        self,
        run_dir: Path,
        header: Header,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        keep_segments: int = KEEP_SEGMENTS,
        disk: Disk = DISK,
    ) -> None:
        """Begin a segment with ``header`` and keep another one ready.

        ``segment_bytes`` is a multiple of the page size; ``keep_segments``, at least 2, counts the
        one in use. Raises ``JournalFailed`` when the disk does not allow it.
        """
        if segment_bytes <= 0 or segment_bytes % mmap.PAGESIZE:
            raise BadParameter(f"segment_bytes is {segment_bytes}: no multiple of {mmap.PAGESIZE}")
        if keep_segments < 2:
            raise BadParameter(f"keep_segments is {keep_segments}: at least 2 are needed")
        self._folder = run_dir / "journal"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._numbers = deque(self._discard_unbegun())
        except OSError as error:
            raise JournalFailed(f"{self._folder} cannot be used: {error.strerror}") from error
        super().__init__()
        self._header = header
        self._disk = disk
        self._keep = keep_segments
        self._largest = segment_bytes // LARGEST_PART
        self._size = self._limit = segment_bytes
        self._ended = ""
        self._child: Callable[[], NoReturn] | None = None
        """What ends this process where it is a child of the one that writes."""
        self._failed = False
        self._doomed = -1
        self._held = 0
        """From this segment on is what the next boot starts from, 0 while that is not known."""
        self._searched = 0
        """How much of the oldest segment was looked through for what a boot starts from."""
        self._retired: deque[_Segment] = deque()
        self._first = number = self._numbers[-1] + 1 if self._numbers else 1
        self._segment = _Segment(self._folder, number, segment_bytes, disk)
        self._spare: _Segment | None = None
        self._begin(self._segment, number, header.start_ns, previous_end=0)
        self._spare = _Segment(self._folder, number + 1, segment_bytes, disk)

    def _discard_unbegun(self) -> list[int]:
        """Delete the segments a dead boot had prepared; return the numbers of the others.

        One that has lost its beginning holds records all the same, and stays.
        """
        numbers = _numbers(self._folder)
        while numbers and _blank(self._folder, numbers[-1]):
            _path(self._folder, numbers.pop()).unlink()
        return numbers

    @property
    def position(self) -> tuple[int, int]:
        """Number of the segment in use, and the offset of the next record in it."""
        return self._numbers[-1], self._at

    def forked(self, end: Callable[[], NoReturn]) -> None:
        """Have a child of the process end where it would write: it shares the parent's memory."""
        self._child = end
        self._limit = 0

    def hold(self) -> None:
        """Keep this segment and all after it, until called again."""
        self._held = self.segment

    def _rotate(self, time_ns: int, payload_bytes: int) -> None:
        if self._child is not None:
            self._child()
        if payload_bytes > self._largest and not self._ended:
            self._allocate_for(payload_bytes)
        full, spare = self._segment, self._spare
        if spare is None:
            self._end(f"{full.path} is full and no further segment is ready")
        if self._ended or spare is None:
            raise JournalFailed(self._ended)
        full.used = self._at
        self._retired.append(full)
        self._segment, self._spare = spare, None
        self._begin(spare, self._numbers[-1] + 1, time_ns, previous_end=full.used)

    def _allocate_for(self, payload_bytes: int) -> None:
        """Have a segment ready that is larger than the others, by as much as a payload needs.

        On the hot path: few answers are that long, and to lose one would end the run.
        """
        if self._spare is not None:
            with suppress(OSError):  # making another in its place says what is wrong
                self._spare.path.unlink()
            self._retired.append(self._spare)
            self._spare = None
        size = (payload_bytes // self._size + 2) * self._size
        try:
            self._spare = _Segment(self._folder, self._numbers[-1] + 1, size, self._disk)
        except JournalFailed as failure:
            self._end(str(failure))

    def _end(self, why: str) -> None:
        """Take no record any more; said as it was the first time."""
        self._ended = self._ended or why
        self._limit = 0

    def _begin(self, segment: _Segment, number: int, time_ns: int, *, previous_end: int) -> None:
        self._map = segment.map
        self._words = segment.words
        self._limit = segment.size
        self._at = 0
        self.segment = number
        self._numbers.append(number)
        header = replace(
            self._header, segment=number, previous_end=previous_end, segment_bytes=segment.size
        )
        self.append(Kind.HEADER, NO_CONNECTION, time_ns, pack(header))

    # -- idle work ---------------------------------------------------------------------------

    def prepare(self) -> bool:
        """Do one slice of what ``append`` must not; return whether there was anything to do.

        Belongs to the thread that appends. Raises ``JournalFailed`` once when no further segment
        can be allocated: the one in use still takes records until it is full.
        """
        if self._segment.touch(self._at + AHEAD_BYTES):
            return True
        if self._spare is None and not self._failed:
            self._allocate()
            return True
        if self._spare is not None and self._spare.touch(AHEAD_BYTES):
            return True
        try:
            return self._give_back() or self._forget()
        except OSError as error:
            raise JournalFailed(f"{self._folder} cannot be kept: {error.strerror}") from error

    def _give_back(self) -> bool:
        if not self._retired:
            return False
        if self._retired[0].give_back():
            self._retired.popleft()
        return True

    def _forget(self) -> bool:
        """Delete the oldest segment when there are too many, a part at a time."""
        if self._doomed >= 0:
            self._shorten()
        elif len(self._numbers) <= self._keep or self._numbers[0] == self._held:
            return False
        elif self._numbers[0] < self._held or self._holds_nothing():
            path = _path(self._folder, self._numbers.popleft())
            self._doomed = os.open(path, os.O_WRONLY)
            path.unlink()
            self._searched = 0
        return True

    def _holds_nothing(self) -> bool:
        """Look through a part of the oldest segment; whether it may go as far as that says.

        As long as this boot has not said from where on the next one starts, that may be anywhere:
        a segment with a checkpoint in it stays, and all after it.
        """
        number = self._numbers[0]
        with _path(self._folder, number).open("rb") as file:
            file.seek(max(self._searched - LONGEST_MARK, 0))
            part = file.read(SEARCH_SLICE)
        if any(mark in part for mark in _MARKS):
            self._held = number
            return False
        self._searched += SEARCH_SLICE - LONGEST_MARK
        return len(part) < SEARCH_SLICE

    def _shorten(self) -> None:
        size = os.fstat(self._doomed).st_size
        if size:
            os.ftruncate(self._doomed, max(size - FREE_BYTES, 0))
        else:
            os.close(self._doomed)
            self._doomed = -1

    def _allocate(self) -> None:
        self._failed = True
        self._spare = _Segment(self._folder, self._numbers[-1] + 1, self._size, self._disk)
        self._failed = False

    # -- the end -----------------------------------------------------------------------------

    def flush(self) -> None:
        """Put all records of this boot on the disk and wait for it; never on the hot path.

        Raises ``JournalFailed`` when the disk reports an error: what it holds is then unknown.
        """
        try:
            for number in self._numbers:
                if number >= self._first:
                    self._disk.sync(_path(self._folder, number))
            self._disk.sync(self._folder)
        except OSError as error:
            raise JournalFailed(f"{self._folder} cannot be flushed: {error.strerror}") from error

    def close(self) -> None:
        """Unmap, return to the disk what was not used, and flush. Append ``END`` before."""
        self._segment.used = self._at
        self._retired.append(self._segment)
        try:
            if self._spare is not None:
                self._spare.path.unlink()
                self._retired.append(self._spare)
            while self._give_back():
                pass
            if self._doomed >= 0:
                os.close(self._doomed)
        except OSError as error:
            raise JournalFailed(f"{self._folder} cannot be closed: {error.strerror}") from error
        self.flush()


class Scratch(_Appended):
    """A journal in memory that nobody reads; it is appended to by the same code as any other."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__()
        self._map = mmap.mmap(-1, SCRATCH_BYTES)
        self._words = memoryview(self._map).cast("Q")
        self._limit = SCRATCH_BYTES

    def hold(self) -> None:
        """Nothing of it is kept."""

    def _rotate(self, time_ns: int, payload_bytes: int) -> None:
        """Begin anew."""
        self._at = 0


# -- reading ---------------------------------------------------------------------------------


def _folder_of(path: Path) -> Path:
    """Return the folder with a run folder's segments; it may be given itself."""
    return path if any(path.glob("*.journal")) else path / "journal"


class Follower:
    """Reads along while another process writes; whoever holds it decides when to ``poll``.

    ``segment`` and ``offset`` say where the next record will be, ``header`` whose segment it is.
    """

    __slots__ = (
        "_base",
        "_data",
        "_ended",
        "_file",
        "_folder",
        "header",
        "offset",
        "segment",
        "torn",
    )

    def __init__(self, path: Path) -> None:
        """Take a run folder or its journal folder; it may still be empty."""
        self._folder = _folder_of(path)
        self._file = -1
        self._data = b""
        self._base = 0
        self._ended = False
        """Whether the last record was the end of its run."""
        self.header: Header | None = None
        self.segment = 0
        self.offset = 0
        self.torn = 0
        """Bytes that were no record at the ends of earlier boots."""

    def poll(self, limit: int = POLL_RECORDS) -> list[Record]:
        """Return the next records, oldest first; none when nothing was written since.

        Raises ``JournalCorrupt`` where the journal cannot be believed any further: it was damaged,
        or retention deleted what was not read yet.
        """
        records: list[Record] = []
        while len(records) < limit:
            found = self._look()
            if isinstance(found, Record):
                self.offset = following(self.offset, HEAD_BYTES + len(found.payload))
                self._ended = found.kind == Kind.END
                records.append(found)
                continue
            if records:
                break  # if something is wrong here, the next poll says so
            if found is Stop.BROKEN:
                self.left()
            if not self._advance():
                break
        return records

    def end(self) -> int:
        """Return how many bytes are left at the end that are no record.

        Ask where nobody writes any more: a segment that was prepared is blank then. Raises
        ``JournalCorrupt`` where whole records follow that cannot be reached.
        """
        left = self.left()
        for number in _numbers(self._folder):
            if number > self.segment:
                left += self._unreached(number)
        if self._file >= 0 and self._cut_off():
            raise JournalCorrupt(self._how_cut())
        return left

    def _unreached(self, number: int) -> int:
        """Return the bytes in a segment that has no beginning, none where it was only prepared."""
        if _blank(self._folder, number):
            return 0
        path = _path(self._folder, number)
        found = tail(path.read_bytes(), 0)
        if found.resumes >= 0:
            raise JournalCorrupt(
                f"{path} has lost its beginning: its first whole record is at offset"
                f" {found.resumes}"
            )
        return found.left

    def skip(self) -> bool:
        """Go on behind damage that was told of; ``False`` where nothing more can be read.

        What is read then may belong to another boot than what was read before.
        """
        if self._file >= 0 and self._resume():
            return True
        for number in _numbers(self._folder):
            if number > self.segment and not _blank(self._folder, number):
                self.close()
                self._open(number)
                if self._resume():
                    return True
        return False

    def _resume(self) -> bool:
        """Go to the next whole record of the present segment, if there is one."""
        if isinstance(self._look(), Record):
            return True
        size = os.fstat(self._file).st_size
        found = tail(os.pread(self._file, max(size - self.offset, 0), self.offset), 0)
        if found.resumes < 0:
            return False
        self.offset += found.resumes
        self._data, self._base = b"", self.offset
        return True

    def left(self) -> int:
        """Return how many bytes of the present segment are left that are no record.

        It is what a write left that was cut off, so ask only where nobody writes any more. Raises
        ``JournalCorrupt`` when whole records follow those bytes.
        """
        if self._file < 0:
            return 0
        size = os.fstat(self._file).st_size
        rest = os.pread(self._file, max(size - self.offset, 0), self.offset)
        if isinstance(decode(rest, 0), Record):
            return 0
        found = tail(rest, 0)
        if found.resumes >= 0:
            raise JournalCorrupt(
                f"{self._name()} is damaged: no record at offset {self.offset}, but whole ones from"
                f" offset {self.offset + found.resumes} on"
            )
        if self._cut_off():
            return found.left  # who knows that it was a boot's last segment says so
        closed = self.header is not None and size < self.header.segment_bytes
        if closed and not found.left and size - self.offset >= HEAD_BYTES:
            raise JournalCorrupt(
                f"{self._name()} was closed at {size} bytes, but can be read up to offset"
                f" {self.offset}: records are lost"
            )
        return found.left

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _name(self) -> str:
        return str(_path(self._folder, self.segment))

    def _look(self) -> Record | Stop:
        """Return the record at the present place, or why it is not there (yet)."""
        if self._file < 0:
            return Stop.EMPTY
        found = decode(self._data, self.offset - self._base, self.segment, self._base)
        if not isinstance(found, Record):
            found = self._read(CHUNK_BYTES)
        if found is Stop.SHORT and len(self._data) == CHUNK_BYTES:
            found = self._read(WORD.unpack_from(self._data)[0])
        return found

    def _read(self, count: int) -> Record | Stop:
        """Take ``count`` bytes from the present place on, as they are now."""
        self._data = os.pread(self._file, min(count, SEARCH_BYTES), self.offset)
        self._base = self.offset
        return decode(self._data, 0, self.segment, self._base)

    def _advance(self) -> bool:
        """Go on to the next segment once the present one is finished; return whether to look."""
        number = self._upcoming()
        if number == 0:
            return False
        if self._file >= 0:
            if isinstance(self._look(), Record):
                return True  # written after our last look, before the next segment was begun
            self.torn += self.left()
            cut = self._how_cut() if self._cut_off() else ""
            self.close()
        else:
            cut = ""
        before, finished_at = self.header, self.offset
        self._open(number)
        self.header = self._read_header()
        same_boot = before is not None and before.boot == self.header.boot
        if cut and not same_boot:
            raise JournalCorrupt(cut)
        if same_boot and self.header.previous_end != finished_at:
            raise JournalCorrupt(
                f"{_path(self._folder, number - 1)} can be read up to offset {finished_at}, but was"
                f" written up to {self.header.previous_end}: records are lost"
            )
        return True

    def _cut_off(self) -> bool:
        """Whether the present segment, a boot's last one, was made shorter by no boot.

        A boot that dies leaves its segment as long as it was made; only one that has written its
        end gives back what is behind that.
        """
        header = self.header
        if header is None or header.segment != self.segment or self._ended:
            return False
        if isinstance(self._look(), Record):
            return False  # written since: it ends right now
        return os.fstat(self._file).st_size < header.segment_bytes

    def _how_cut(self) -> str:
        return (
            f"{self._name()} is shorter than it was made and has no end of its run: it was cut at "
            f"{os.fstat(self._file).st_size} bytes, as no death does, and records may be lost"
        )

    def _open(self, number: int) -> None:
        self.segment, self.offset, self._data, self._base = number, 0, b"", 0
        self._ended = False
        self._file = os.open(_path(self._folder, number), os.O_RDONLY)

    def _upcoming(self) -> int:
        """Return the number of the segment to read next, or 0 as long as none has begun."""
        if self.segment and _begun(self._folder, self.segment + 1):
            return self.segment + 1
        later = [number for number in _numbers(self._folder) if number > self.segment]
        number = next((number for number in later if _begun(self._folder, number)), 0)
        if number == 0:
            return 0
        for lost in later[: later.index(number)]:
            # Prepared, and never begun: a later one cannot be, unless its records are gone.
            self.torn += self._unreached(lost)
            raise JournalCorrupt(
                f"{_path(self._folder, lost)} is empty, but later segments are not"
            )
        if self.segment and number > self.segment + 1:
            raise JournalCorrupt(
                f"{_path(self._folder, self.segment + 1)} is gone, but later segments are there:"
                " retention overtook this reader, or the file was deleted"
            )
        return number

    def _read_header(self) -> Header:
        record = self._look()
        if not isinstance(record, Record) or record.kind != Kind.HEADER:
            raise JournalCorrupt(f"{self._name()} does not begin with a header")
        version = unpack(record.payload, Format).format_version
        if version != FORMAT_VERSION:
            raise JournalUnknown(
                f"{self._name()} has format {version}, and this hotloop reads {FORMAT_VERSION}"
                " alone: use the one that wrote it; a new run needs another [run] dir"
            )
        header = unpack(record.payload, Header)
        if header.segment != self.segment:
            raise JournalCorrupt(f"{self._name()} says it is segment {header.segment}")
        return header


class Reader:
    """Iterates over all records of a journal that nobody writes to; see ``read``."""

    __slots__ = ("_follower", "left")

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self.left = 0
        """Once the records are exhausted: how many bytes were no record, at the ends of boots
        that were cut off. 0 after clean ends."""

    def __iter__(self) -> Iterator[Record]:
        follower = self._follower
        try:
            while records := follower.poll():
                yield from records
            self.left = follower.torn + follower.end()
        finally:
            follower.close()


def read(path: Path) -> Reader:
    """Return the records of a run folder's journal, oldest first, once.

    A torn tail ends the iteration; ``Reader.left`` then says how much it left. Raises
    ``BadParameter`` where there is no journal, and ``JournalCorrupt``, after all records before it,
    at damage that is no torn tail.
    """
    folder = _folder_of(path)
    if not _numbers(folder):
        raise BadParameter(f"{path} holds no journal; expected {path / 'journal/000001.journal'}")
    return Reader(Follower(path))


def follow(path: Path) -> Follower:
    """Return a reader of a live journal; the run folder may not have one yet."""
    return Follower(path)


def segments(path: Path) -> list[int]:
    """Return the numbers of the segments that a run folder holds, but for those only prepared."""
    folder = _folder_of(path)
    found = _numbers(folder)
    while found and _blank(folder, found[-1]):
        found.pop()
    return found


def lost_whole(path: Path) -> bool:
    """Whether segments are there and all of them are blank.

    Ask where a boot is known to have begun: what it wrote has never reached the disk.
    """
    return bool(_numbers(_folder_of(path))) and not segments(path)


def read_from(path: Path, number: int) -> Follower:
    """Return a reader of a run folder's journal that begins with segment ``number``."""
    follower = Follower(path)
    follower.segment = number - 1
    return follower
