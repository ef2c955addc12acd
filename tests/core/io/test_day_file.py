from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
import trio
import trio.testing

from core.engine.checkpoint import Elsewhere
from core.io.day_file import DIED_S, EVERY_S, MAX_BYTES, OLD_S, DayFile, state_folder

DAY = 20_000


def book(book_id: str, atoms: int, day: int = DAY, halted: str = "") -> Elsewhere:
    results = {"BTCUSDT": ("USDT", atoms)}
    return Elsewhere(book_id=book_id, day=day, results=results, halted=halted)


def opened(folder: Path) -> DayFile:
    found = DayFile(folder, "h1-")
    assert not found.open().unknown
    return found


def test_the_state_folder_is_the_users_own() -> None:
    assert state_folder({"XDG_STATE_HOME": "/s"}) == Path("/s/hotloop")
    assert state_folder({"HOME": "/home/me"}) == Path("/home/me/.local/state/hotloop")
    relative = {"XDG_STATE_HOME": "s", "HOME": "/home/me"}
    assert state_folder(relative) == Path("/home/me/.local/state/hotloop"), "as XDG wants it"


def test_what_one_folder_has_lost_is_read_in_another(tmp_path: Path) -> None:
    opened(tmp_path).write(book("one", -(10**21), halted="lost"))
    assert DayFile(tmp_path, "h1-").open().books == [book("one", -(10**21), halted="lost")]
    assert DayFile(tmp_path, "h2-").open().books == [], "another scope has its own"


def test_a_folder_replaces_its_own_result_and_keeps_those_of_others(tmp_path: Path) -> None:
    opened(tmp_path).write(book("one", -1))
    two = opened(tmp_path)
    two.write(book("two", -2))
    two.write(book("two", -3))
    assert DayFile(tmp_path, "h1-").open().books == [book("one", -1), book("two", -3)]


def died(folder: Path, own: str, *, journaled: bool = True) -> tuple[str, ...]:
    """Start a run in one folder; return in which others one has died."""
    file = DayFile(folder, "h1-")
    found = file.open(own, journaled=journaled).died
    file.begin(own)
    return found


def test_a_run_that_died_in_another_folder_is_told_until_one_has_proved_that_nothing_is_left(
    tmp_path: Path,
) -> None:
    assert died(tmp_path, "/one") == ()
    assert died(tmp_path, "/one") == (), "of its own the folder's journal tells"
    assert died(tmp_path, "/one", journaled=False) == ("/one",), "unless that is gone"
    assert died(tmp_path, "/two") == ("/one",)
    unsent = opened(tmp_path)
    unsent.begin("/three")
    unsent.left(proved=False)
    assert died(tmp_path, "/four") == ("/one", "/two"), "one that sent nothing leaves no doubt"
    proved = opened(tmp_path)
    proved.write(book("four", -1))
    proved.left(proved=True)
    assert died(tmp_path, "/five") == ()
    assert DayFile(tmp_path, "h1-").open().books == [book("four", -1)]


def test_a_run_that_died_long_ago_is_in_no_doubt_and_one_that_lives_on_has_not(
    tmp_path: Path,
) -> None:
    file = opened(tmp_path)
    file.begin("/one")
    file.write(book("one", -1))
    os.utime(file.path, (1_000, 1_000))
    assert DayFile(tmp_path, "h1-").open("/two", now_s=1_000 + DIED_S).died == ("/one",)
    os.utime(file.path, (1_000, 1_000))
    assert DayFile(tmp_path, "h1-").open("/two", now_s=1_001 + DIED_S).died == ()
    os.utime(file.path, (1_000, 1_000))
    file.write(book("one", -1))
    assert file.path.stat().st_mtime > 1_000, "nothing new, but it lives"


def test_a_day_that_is_over_is_forgotten(tmp_path: Path) -> None:
    opened(tmp_path).write(book("one", -1))
    opened(tmp_path).write(book("two", -2, DAY + 1))
    assert DayFile(tmp_path, "h1-").open().books == [book("two", -2, DAY + 1)]


@pytest.mark.parametrize(
    "text", [b"", b"{", b'{"version":2,"books":[]}', b"\xff", b" " * MAX_BYTES + b"1"]
)
def test_a_file_that_cannot_be_read_is_told_and_left(tmp_path: Path, text: bytes) -> None:
    found = DayFile(tmp_path, "h1-")
    found.path.write_bytes(text)
    losses = found.open()
    assert losses.books == []
    assert str(found.path) in losses.unknown
    assert "resume" in losses.unknown
    assert found.path.read_bytes() == text


def test_a_file_that_cannot_be_written_is_told_with_what_was_read(tmp_path: Path) -> None:
    opened(tmp_path).write(book("one", -1))
    (tmp_path / "day-h1-.new").mkdir()
    losses = DayFile(tmp_path, "h1-").open()
    assert losses.books == [book("one", -1)]
    assert "cannot be written" in losses.unknown
    assert "XDG_STATE_HOME" in losses.unknown


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_file_is_told_and_not_waited_for(tmp_path: Path, kind: str) -> None:
    file = DayFile(tmp_path, "h1-")
    if kind == "pipe":
        os.mkfifo(file.path)
    else:
        file.path.symlink_to("/dev/zero")
    assert "regular file" in file.open().unknown


def test_a_file_that_is_removed_while_a_run_lives_is_written_anew(tmp_path: Path) -> None:
    file = DayFile(tmp_path, "h1-")
    file.open()
    file.write(book("one", -1))
    file.path.unlink()
    file.write(book("one", -1))
    assert DayFile(tmp_path, "h1-").open().books == [book("one", -1)]


def test_the_file_is_written_through_no_pipe_and_no_link(tmp_path: Path) -> None:
    file = DayFile(tmp_path, "h1-")
    fresh = file.path.with_suffix(".new")
    os.mkfifo(fresh)
    assert not file.open().unknown
    (tmp_path / "other").write_text("theirs")
    fresh.symlink_to(tmp_path / "other")
    assert not file.open().unknown
    assert (tmp_path / "other").read_text() == "theirs"


def test_the_file_is_the_users_alone(tmp_path: Path) -> None:
    found = opened(tmp_path / "new")
    assert found.path.stat().st_mode & 0o777 == 0o600
    assert found.path.parent.stat().st_mode & 0o777 == 0o700


def test_files_of_long_ago_are_removed(tmp_path: Path) -> None:
    old, new = DayFile(tmp_path, "h0-"), opened(tmp_path)
    old.open()
    now_s = new.path.stat().st_mtime
    os.utime(old.path, (now_s - OLD_S - 10, now_s - OLD_S - 10))
    new.sweep(now_s)
    assert (old.path.exists(), new.path.exists()) == (False, True)


def test_a_halt_is_written_at_once_and_the_rest_every_few_seconds(tmp_path: Path) -> None:
    found = opened(tmp_path)
    nothing = book("one", 0, day=0)
    assert not found.is_due(nothing, 100.0), "which day it is is not known yet"
    assert found.is_due(book("one", -1), 100.0)
    found.write(book("one", -1))
    assert not found.is_due(book("one", -2), 100.0 + EVERY_S - 0.1)
    assert found.is_due(book("one", -2, halted="lost"), 101.0)
    found.write(book("one", -2, halted="lost"))
    assert not found.is_due(book("one", -3, halted="lost"), 102.0)
    assert found.is_due(book("one", -3, halted="lost"), 101.0 + EVERY_S)


async def test_beside_a_run_it_is_written_and_a_failure_is_said_once(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    found = opened(tmp_path)
    log: list[str] = []
    said = trio.Event()

    def say(text: str) -> None:
        log.append(text)
        said.set()

    made = itertools.count(-1, -1)
    async with trio.open_nursery() as nursery:
        (tmp_path / "day-h1-.new").mkdir()
        await nursery.start(found.keeper(lambda: book("one", next(made)), say))
        await said.wait()
        await trio.sleep(60)
        (tmp_path / "day-h1-.new").rmdir()
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    assert len(log) == 1
    assert DayFile(tmp_path, "h1-").open().books
