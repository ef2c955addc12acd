"""The run's log on a disk that refuses it: the run goes on, and the lines come later."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

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


def said(path: Path) -> list[str]:
    return [line.split()[1] for line in path.read_text().splitlines()]


def test_a_log_that_has_grown_too_long_is_put_aside_and_only_the_newest_are_kept(
    tmp_path: Path,
) -> None:
    log = RunLog(tmp_path / "run.log", max_bytes=50)
    for number in range(20):
        log.write(0, str(number))
        log.flush()
    log.close()
    names = ["run.3.log", "run.2.log", "run.1.log", "run.log"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    kept = [number for name in names for number in said(tmp_path / name)]
    assert kept == [str(number) for number in range(20 - len(kept), 20)], "the newest, in order"
    assert all((tmp_path / name).stat().st_size < 50 + 40 for name in names)


def test_a_log_of_an_earlier_boot_counts_towards_the_bound(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    path.write_bytes(b"x" * 60)
    log = RunLog(path, max_bytes=50)
    log.write(0, "new")
    log.close()
    assert (tmp_path / "run.1.log").read_bytes() == b"x" * 60
    assert said(path) == ["new"]


def test_a_disk_that_takes_no_new_file_stops_no_log(tmp_path: Path) -> None:
    class NoNewFile(Disk):
        full = False

        def append(self, path: Path) -> Appended:
            if self.full:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().append(path)

    disk = NoNewFile()
    log = RunLog(tmp_path / "run.log", disk=disk, max_bytes=50)
    disk.full = True
    for number in range(4):
        log.write(0, str(number))
        log.flush()
    assert said(tmp_path / "run.1.log") == ["0", "1", "2", "3"], "it goes on where it was"
    disk.full = False
    log.write(0, "4")
    log.close()
    assert said(tmp_path / "run.log") == ["4"]


@pytest.mark.parametrize("away", [Path.unlink, lambda path: path.rename(path.with_name("old"))])
def test_a_log_that_somebody_has_moved_away_is_begun_anew(
    tmp_path: Path, away: Callable[[Path], object]
) -> None:
    path = tmp_path / "run.log"
    log = RunLog(path)
    log.write(0, "before")
    log.flush()
    away(path)
    log.write(0, "after")
    log.flush()
    assert said(path) == ["after"]
    log.close()
