"""A run folder is one run's, and one venue's, environment's, account's and strategy's."""

from __future__ import annotations

import mmap
import os
import shutil
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from core.engine.checkpoint import PREFIX, Checkpoint, encode
from core.io.journal_file import JournalFile
from core.io.run_folder import FILES, Owner, RunFolder, account_of
from core.model.errors import BadConfig
from core.model.venue import KeyKind
from core.state.journal import Header, Kind

OWNER = Owner(
    venue="binance",
    environment="testnet",
    account=account_of("a-key"),
    strategy="maker",
    scope="h123456-",
)


def header(run_id: str) -> Header:
    return Header(
        run_id=run_id,
        boot=1,
        config_digest="",
        seeds={},
        venue="binance",
        strategy="maker",
        start_ns=1,
        key=KeyKind.SIGNS,
    )


def noted(path: Path) -> None:
    """A run in the folder has come so far that it could place orders."""
    journal = JournalFile(path, header(OWNER.scope), segment_bytes=mmap.PAGESIZE)
    left = Checkpoint(boot=1, time_ns=1, positions=[], orders=[])
    journal.append(Kind.NOTE, 0, 1, PREFIX + encode(left))
    journal.close()


def test_a_folder_is_bound_to_its_first_run_and_takes_it_again(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as folder:
        folder.bind(OWNER, None)
    with RunFolder(tmp_path) as folder:
        folder.bind(OWNER, header(OWNER.scope))


@pytest.mark.parametrize(
    ("what", "other"),
    [
        ("venue", "another"),
        ("environment", "live"),
        ("account", account_of("another-key")),
        ("strategy", "taker"),
    ],
)
def test_another_is_refused_with_what_to_do(tmp_path: Path, what: str, other: str) -> None:
    with RunFolder(tmp_path) as folder:
        folder.bind(OWNER, None)
        noted(tmp_path)
        with pytest.raises(BadConfig, match=rf"{what}.*choose another \[run\] dir"):
            folder.bind(replace(OWNER, **{what: other}), None)


def test_a_folder_in_which_nothing_could_be_placed_yet_is_bound_to_the_next(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as folder:
        folder.bind(replace(OWNER, account=account_of("a-kye")), None)
        journal = JournalFile(tmp_path, header("h654321-"), segment_bytes=mmap.PAGESIZE)
        journal.append(Kind.SEND, 0, 1, b"a logon that was refused")
        journal.append(Kind.END, 0, 2, b"")
        journal.close()
        folder.bind(OWNER, header("h654321-"))
    with RunFolder(tmp_path) as folder:
        assert folder.belongs(OWNER, header("h654321-"))


def test_a_journal_that_cannot_be_read_leaves_the_folder_bound(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as folder:
        folder.bind(OWNER, None)
        noted(tmp_path)
        (tmp_path / "journal" / "000001.journal").write_bytes(b"x" * mmap.PAGESIZE)
        with pytest.raises(BadConfig, match="belongs to the account"):
            folder.bind(replace(OWNER, account=account_of("another-key")), None)


def test_a_folder_that_names_no_owner_is_told_by_its_journal(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as folder:
        with pytest.raises(BadConfig, match="another venue, environment, account or strategy"):
            folder.bind(OWNER, header("h654321-"))
        folder.bind(OWNER, header(OWNER.scope))


def test_an_owner_that_cannot_be_read_is_no_reason_to_take_the_folder(tmp_path: Path) -> None:
    (tmp_path / "owner.json").write_text("{}")
    with RunFolder(tmp_path) as folder, pytest.raises(BadConfig, match="whose this run folder is"):
        folder.bind(OWNER, None)


def test_nothing_of_the_key_is_written(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as folder:
        folder.bind(OWNER, None)
    assert "a-key" not in (tmp_path / "owner.json").read_text()


def bound(path: Path) -> Path:
    with RunFolder(path) as folder:
        folder.bind(OWNER, None)
    return path


def test_a_copy_of_a_folder_is_refused_and_the_original_goes_on(tmp_path: Path) -> None:
    original, copy = bound(tmp_path / "original"), tmp_path / "copy"
    shutil.copytree(original, copy)
    with RunFolder(copy) as folder:
        with pytest.raises(BadConfig, match=f"it is a copy of {original}.*position .* moved"):
            folder.bind(OWNER, None)
        with pytest.raises(BadConfig, match=f"{original} is still there"):
            folder.moved()
    bound(original)


def test_a_folder_that_was_renamed_is_itself(tmp_path: Path) -> None:
    original, renamed = bound(tmp_path / "original"), tmp_path / "renamed"
    original.rename(renamed)
    bound(renamed)
    shutil.copytree(renamed, original)
    with RunFolder(original) as folder, pytest.raises(BadConfig, match=f"a copy of {renamed}"):
        folder.bind(OWNER, None)


def test_a_folder_that_was_moved_to_another_disk_goes_on_once_that_is_said(tmp_path: Path) -> None:
    original, copy = bound(tmp_path / "original"), tmp_path / "copy"
    shutil.copytree(original, copy)
    shutil.rmtree(original)
    with RunFolder(copy) as folder:
        with pytest.raises(BadConfig, match="it is a copy of"):
            folder.bind(OWNER, None)
        assert folder.moved() == str(original)
        folder.bind(OWNER, None)
        with pytest.raises(BadConfig, match="it is no copy"):
            folder.moved()


def test_a_folder_of_an_older_hotloop_notes_where_it_is(tmp_path: Path) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.mkdir()
    (original / "owner.json").write_bytes(msgspec.json.encode(OWNER))
    bound(original)
    shutil.copytree(original, copy)
    with RunFolder(copy) as folder, pytest.raises(BadConfig, match="it is a copy of"):
        folder.bind(OWNER, None)


def loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize("name", [*FILES, "config-3.toml", "journal/000001.journal"])
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, loop])
def test_what_is_no_file_where_one_belongs_is_said_at_once(tmp_path: Path, name: str, make) -> None:
    (tmp_path / "journal").mkdir()
    make(tmp_path / name)
    with pytest.raises(BadConfig, match="no ordinary file"), RunFolder(tmp_path):
        pass


def test_a_journal_that_is_no_folder_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("")
    with pytest.raises(BadConfig, match="no folder"), RunFolder(tmp_path):
        pass


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, loop])
def test_what_is_no_socket_where_the_control_socket_belongs_is_said_at_once(
    tmp_path: Path, make
) -> None:
    make(tmp_path / "control.sock")
    with pytest.raises(BadConfig, match="no socket"), RunFolder(tmp_path):
        pass


@pytest.mark.parametrize("make", [loop, Path.touch])
def test_a_run_folder_that_is_no_folder_is_said_to_be_none(tmp_path: Path, make) -> None:
    make(tmp_path / "run")
    with pytest.raises(BadConfig, match="is no folder"), RunFolder(tmp_path / "run"):
        pass


def test_looking_whose_a_folder_is_binds_nothing(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as folder:
        assert not folder.belongs(OWNER, None)
        assert not (tmp_path / "owner.json").exists()
        folder.bind(OWNER, None)
        assert folder.belongs(OWNER, None)
