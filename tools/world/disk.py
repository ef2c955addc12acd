"""The simulated disk: what is written, what is durable, and what a full or failing disk refuses.

Files are real ones, in a folder in memory; here is decided what the operating system says to those
who write them, how long it takes, and what is left of a journal when the power is cut.
"""

from __future__ import annotations

import errno
import mmap
import os
import shutil
from pathlib import Path
from typing import Final

from core.io.disk import Appended, Disk
from core.io.journal_file import read_from, segments
from core.model.errors import Misuse
from core.state.journal import HEAD_BYTES, Kind, following
from tools.world.agenda import Agenda

SLOW_NS: Final = 300_000_000
"""What a write to a slow disk takes: the process waits for it."""


class SimulatedDisk(Disk):
    """A disk with moods."""

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda
        self.full = False
        self.failing = False
        self.slow = False
        self.refused = 0
        """How often something was refused."""
        self.refused_segments = 0
        """How often it was room for the journal's next segment."""

    def recover(self) -> None:
        """All is well again."""
        self.full = self.failing = self.slow = False

    def append(self, path: Path) -> Appended:
        return _File(self, super().append(path))

    def reserve(self, descriptor: int, size: int) -> None:
        try:
            self._take(writes=True)
        except OSError:
            self.refused_segments += 1
            raise
        os.truncate(descriptor, size)  # memory enough is there, and zeros are what is needed

    def sync(self, path: Path) -> None:
        self._take(writes=False)

    def _take(self, *, writes: bool) -> None:
        if self.slow:
            self._agenda.pass_time(SLOW_NS)
        if self.failing or (self.full and writes):
            self.refused += 1
        if self.failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if self.full and writes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class _File:
    """A file that is written at its end, on a disk with moods."""

    def __init__(self, disk: SimulatedDisk, file: Appended) -> None:
        self._disk = disk
        self._file = file

    def write(self, data: bytes, /) -> int:
        self._disk._take(writes=True)
        return self._file.write(data)

    def close(self) -> None:
        self._file.close()


def after_kill(folder: Path, copy: Path) -> None:
    """Copy what a process that was killed has left: every store it made into mapped memory."""
    shutil.copytree(folder, copy)


def after_power_cut(folder: Path, copy: Path, lost_records: int) -> None:
    """Copy what a machine that lost its power has left: the journal's tail is gone.

    What a boot notes first reaches the disk long before a machine is as good as set up; after that
    up to ``lost_records`` of its newest segment are missing, the last of them torn.
    """
    shutil.copytree(folder, copy)
    path, ends, first = _newest(copy)
    kept = max(first or len(ends), len(ends) - lost_records)
    if not ends or kept == len(ends):
        return
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        begin = ends[kept - 1]
        torn = min(begin + 12, len(data))  # a length without the bytes that it promises
        data[torn:] = bytes(len(data) - torn)


def after_hole(folder: Path, copy: Path, records: int, behind: int) -> bool:
    """Copy what is left where so many records in the midst have become zeros; whether any have.

    Whole ones ``behind`` them show that it is a hole and no end that was cut off. What a boot notes
    first is not among them.
    """
    shutil.copytree(folder, copy)
    path, ends, first = _newest(copy)
    last = len(ends) - behind - 1
    begun = max(first, last - records)
    if not first or begun >= last:
        return False
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        at, until = ends[begun - 1], ends[last - 1]
        data[at:until] = bytes(until - at)
    return True


def _newest(folder: Path) -> tuple[Path, list[int], int]:
    """Return the newest segment, where each of its records ends, and which is its first note."""
    number = segments(folder)[-1]
    follower = read_from(folder, number)
    ends, first, at = [], 0, 0
    while records := follower.poll():
        for record in records:
            at = following(at, HEAD_BYTES + len(record.payload))
            ends.append(at)
            if record.kind == Kind.NOTE and not first:
                first = len(ends)
    follower.close()
    path = folder / "journal" / f"{number:06}.journal"
    if not path.exists():
        raise Misuse(f"{path} was there a moment ago")
    return path, ends, first
