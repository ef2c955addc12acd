"""The run's log: lines for people, in RUNDIR/run.log, and the files before it.

Here lives the file and nothing that decides what is worth a line. Lines are collected in memory
and written once in a while, so that a turn of the hot loop pays for an append to a list only. The
log is a witness: what the disk refuses waits for the next time, and the run goes on.
"""

from __future__ import annotations

import contextlib
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from core.io.disk import DISK, Disk
from core.model.units import NS_PER_S, NS_PER_US
from core.model.wording import plain

MAX_LINES = 10_000
"""Lines that wait to be written; beyond it the oldest are lost, and the log says how many."""

MAX_TEXT = 2_000
"""Characters of one line: what a venue or a strategy says must not fill the disk."""


MAX_BYTES: Final = 16 * 1024 * 1024
"""Of one file: some 150,000 lines, and an ordinary day has a few hundred."""

KEPT: Final = 3
"""Files that are kept beside the present one, ``run.1.log`` being the newest of them: with it they
take 64 MB, whatever a run, a venue or a strategy says."""


def older(path: Path, number: int) -> Path:
    """Return what a log is called once so many have followed it."""
    return path.with_name(f"{path.stem}.{number}{path.suffix}")


class RunLog:
    """Appends lines to a log file, and puts it aside where it has grown too long."""

    def __init__(self, path: Path, *, disk: Disk = DISK, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._disk = disk
        self._max_bytes = max_bytes
        self._file = disk.append(path)
        self._bytes, self._identity = _look(path)
        self._lines: deque[bytes] = deque(maxlen=MAX_LINES)
        self._lost = 0

    def write(self, now_ns: int, text: str) -> None:
        """Keep a line for the next ``flush``."""
        if len(self._lines) == MAX_LINES:
            self._lost += 1
        at = datetime.fromtimestamp(now_ns // NS_PER_S, tz=UTC)
        micros = now_ns % NS_PER_S // NS_PER_US
        line = plain(text[:MAX_TEXT])
        self._lines.append(f"{at:%Y-%m-%dT%H:%M:%S}.{micros:06d}Z {line}\n".encode())

    def flush(self) -> None:
        """Write the lines kept; those that a full or failing disk does not take stay kept."""
        if self._bytes >= self._max_bytes or (
            self._lines and _look(self._path)[1] != self._identity
        ):
            self._begin_anew()
        lines = self._lines
        if self._lost:
            lines[0] = f"{self._lost} lines were lost here\n".encode() + lines[0]
            self._lost = 0
        data = b"".join(lines)
        try:
            written = self._file.write(data) if data else 0
        except OSError:
            return
        self._bytes += written
        lines.clear()
        if written < len(data):
            lines.append(data[written:])

    def _begin_anew(self) -> None:
        """Begin a new file, the present one being too long, or not there any more: somebody has
        moved it away. Where the disk does not allow it the present one goes on, until then.

        The guardian may have begun it: it appends by name what the run cannot say itself.
        """
        path = self._path
        try:
            if _look(path)[0] >= self._max_bytes:
                for number in range(KEPT, 0, -1):
                    before = older(path, number - 1) if number > 1 else path
                    with contextlib.suppress(FileNotFoundError):
                        before.replace(older(path, number))
            fresh = self._disk.append(path)
        except OSError:
            return
        with contextlib.suppress(OSError):
            self._file.close()
        self._file = fresh
        self._bytes, self._identity = _look(path)

    def close(self) -> None:
        self.flush()
        with contextlib.suppress(OSError):
            self._file.close()


def _look(path: Path) -> tuple[int, tuple[int, int] | None]:
    """Return the size of a file, and what it is known by, whatever it is called."""
    try:
        found = path.stat()
    except OSError:
        return 0, None
    return found.st_size, (found.st_dev, found.st_ino)
