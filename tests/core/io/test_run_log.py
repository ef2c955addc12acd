"""The run's log on a disk that refuses it: the run goes on, and the lines come later."""

from __future__ import annotations

import errno
from pathlib import Path

from core.io.disk import Appended, Disk
from core.io.run_log import MAX_LINES, RunLog


class Moody(Disk):
    """A disk with room for so many bytes."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.data = b""

    def append(self, path: Path) -> Appended:
        return self

    def write(self, data: bytes, /) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = data[: self.room]
        self.data += taken
        self.room -= len(taken)
        return len(taken)

    def close(self) -> None: ...


def test_a_full_disk_ends_no_run_and_loses_no_line(tmp_path: Path) -> None:
    disk = Moody(room=10)
    log = RunLog(tmp_path / "run.log", disk=disk)
    log.write(0, "first")
    log.flush()
    log.write(0, "second")
    log.flush()
    assert disk.data == b"1970-01-01"
    disk.room = 1_000
    log.close()
    assert disk.data == (b"1970-01-01T00:00:00.000000Z first\n1970-01-01T00:00:00.000000Z second\n")


def test_lines_beyond_the_bound_are_counted_as_lost(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "run.log")
    for number in range(MAX_LINES + 3):
        log.write(0, str(number))
    log.close()
    lines = (tmp_path / "run.log").read_text().splitlines()
    assert lines[0] == "3 lines were lost here"
    assert len(lines) == MAX_LINES + 1


def test_whatever_text_is_logged_is_one_line_that_no_terminal_obeys(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "run.log")
    log.write(0, "half a letter \udcff, a\nbreak, \x1b[2Jcleared\r, ä stays")
    log.close()
    assert (tmp_path / "run.log").read_text() == (
        "1970-01-01T00:00:00.000000Z half a letter \\udcff, a break, \\x1b[2Jcleared\\r, ä stays\n"
    )
