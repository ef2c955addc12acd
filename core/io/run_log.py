"""The run's log: lines for people, in RUNDIR/run.log.

Here lives the file and nothing that decides what is worth a line. Lines are collected in memory
and written once in a while, so that a turn of the hot loop pays for an append to a list only. The
log is a witness: what the disk refuses waits for the next time, and the run goes on.
"""

from __future__ import annotations

import contextlib
from collections import deque
from datetime import UTC, datetime
from pathlib import Path

from core.io.disk import DISK, Disk
from core.model.units import NS_PER_S, NS_PER_US
from core.model.wording import plain

MAX_LINES = 10_000
"""Lines that wait to be written; beyond it the oldest are lost, and the log says how many."""

MAX_TEXT = 2_000
"""Characters of one line: what a venue or a strategy says must not fill the disk."""


class RunLog:
    """Appends lines to a log file."""

    def __init__(self, path: Path, *, disk: Disk = DISK) -> None:
        self._file = disk.append(path)
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
        lines = self._lines
        if self._lost:
            lines[0] = f"{self._lost} lines were lost here\n".encode() + lines[0]
            self._lost = 0
        data = b"".join(lines)
        try:
            written = self._file.write(data) if data else 0
        except OSError:
            return
        lines.clear()
        if written < len(data):
            lines.append(data[written:])

    def close(self) -> None:
        self.flush()
        with contextlib.suppress(OSError):
            self._file.close()
