"""Segments on disk: what is written, what survives, what a reader makes of it."""

from __future__ import annotations

import errno
import mmap
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from core.engine.checkpoint import PREFIX
from core.io import journal_file
from core.io.disk import Disk
from core.io.journal_file import CHUNK_BYTES, JournalFile, follow, next_boot, read
from core.model.errors import BadParameter, JournalCorrupt, JournalFailed
from core.model.venue import KeyKind
from core.state.journal import HEAD_BYTES, Header, Kind, Record, encode, pack, unpack

PAGE = mmap.PAGESIZE
HEADER = Header(
    run_id="test",
    boot=1,
    config_digest="00ff",
    seeds={"strategy": 7},
    venue="sim",
    strategy="maker",
    start_ns=1_000,
    key=KeyKind.SIGNS,
)


def journal(run_dir: Path, *, boot: int = 1, pages: int = 4, keep: int = 256) -> JournalFile:
    header = replace(HEADER, boot=boot)
    return JournalFile(run_dir, header, segment_bytes=pages * PAGE, keep_segments=keep)


def finish(writer: JournalFile) -> None:
    """End as a run does that ends by itself; one that dies cuts nothing off its segments."""
    writer.append(Kind.END, -1, 0, b"")
    writer.close()


def idle(writer: JournalFile) -> None:
    while writer.prepare():
        pass


def segments(run_dir: Path) -> list[Path]:
    return sorted((run_dir / "journal").glob("*.journal"))


def notes(records: list[Record]) -> list[int]:
    return [record.time_ns for record in records if record.kind == Kind.NOTE]


def write_notes(writer: JournalFile, count: int, size: int = 1000, start: int = 0) -> None:
    for number in range(start, start + count):
        writer.append(Kind.NOTE, -1, number, bytes(size))
        idle(writer)


def write_until_it_fails(writer: JournalFile, size: int) -> None:
    for number in range(100):
        writer.append(Kind.NOTE, -1, number, bytes(size))


# -- writing ---------------------------------------------------------------------------------


def test_a_segment_is_its_header_and_the_records_as_encoded(tmp_path: Path) -> None:
    writer = journal(tmp_path)
    writer.append(Kind.BYTES, 2, 5, bytearray(b"tick"))
    writer.append(Kind.SEND, -1, 6, memoryview(b""))
    place = writer.position
    writer.close()
    own = replace(HEADER, segment=1, segment_bytes=4 * PAGE)
    header = encode(Kind.HEADER, -1, HEADER.start_ns, pack(own))
    expected = header + encode(Kind.BYTES, 2, 5, b"tick") + encode(Kind.SEND, -1, 6, b"")
    (path,) = segments(tmp_path)
    assert path.read_bytes() == expected[: path.stat().st_size]
    assert place == (1, len(expected))


def test_records_are_on_file_before_any_flush(tmp_path: Path) -> None:
    writer = journal(tmp_path)
    writer.append(Kind.NOTE, -1, 5, b"seen")
    assert [record.payload for record in read(tmp_path)][1:] == [b"seen"]
    finish(writer)


def test_the_word_that_makes_a_record_is_stored_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = journal(tmp_path)

    def dies(_: bytes) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("core.io.journal_file.crc32", dies)
    with pytest.raises(KeyboardInterrupt):
        writer.append(Kind.NOTE, -1, 5, b"half")
    torn = read(tmp_path)
    assert [record.kind for record in torn] == [Kind.HEADER]
    assert torn.left == HEAD_BYTES + len(b"half")
    monkeypatch.undo()
    writer.append(Kind.NOTE, -1, 6, b"whole")
    assert [record.payload for record in read(tmp_path)][1:] == [b"whole"]
    finish(writer)


def test_a_full_segment_is_followed_by_the_prepared_one(tmp_path: Path) -> None:
    writer = journal(tmp_path)
    write_notes(writer, 40)
    finish(writer)
    records = list(read(tmp_path))
    assert notes(records) == list(range(40))
    headers = [unpack(record.payload, Header) for record in records if record.kind == Kind.HEADER]
    assert [header.segment for header in headers] == [1, 2, 3]
    assert [header.previous_end for header in headers[1:]] == [
        path.stat().st_size for path in segments(tmp_path)[:-1]
    ]


def test_no_segment_ready_ends_the_journal_without_a_hole(tmp_path: Path) -> None:
    writer = journal(tmp_path)
    with pytest.raises(JournalFailed, match="no further segment is ready"):
        write_until_it_fails(writer, 1000)
    idle(writer)
    for payload in (b"cancel", bytes(1000)):
        with pytest.raises(JournalFailed, match="no further segment is ready"):
            writer.append(Kind.SEND, 1, 100, payload)
    writer.flush()
    times = notes(list(read(tmp_path)))
    assert times == list(range(len(times)))


def test_a_payload_larger_than_a_segment_gets_one_of_its_own_size(tmp_path: Path) -> None:
    writer = journal(tmp_path)
    sizes = [100, 4 * PAGE, 100, 2 * PAGE, 50 * PAGE, 50 * PAGE, 100, PAGE]
    for number, size in enumerate(sizes):
        writer.append(Kind.NOTE, -1, number, b"x" * size)
        if number % 2:  # as at a moment without an idle slice, too
            idle(writer)
    for number in range(len(sizes), 40):
        writer.append(Kind.NOTE, -1, number, bytes(PAGE))
        idle(writer)
    finish(writer)
    found = list(read(tmp_path))
    assert notes(found) == list(range(40)), "none is lost, in their order"
    lengths = [len(record.payload) for record in found if record.kind == Kind.NOTE]
    assert lengths == [*sizes, *[PAGE] * 32]
    assert segments(tmp_path)[-1].stat().st_size <= 4 * PAGE, "the next ones are as before"


def test_a_large_payload_on_a_full_disk_ends_the_journal_and_leaves_no_hole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = journal(tmp_path)
    writer.append(Kind.NOTE, -1, 0, b"")
    monkeypatch.setattr(os, "posix_fallocate", full_disk)
    for payload in (bytes(9 * PAGE), b"small"):
        with pytest.raises(JournalFailed, match="no room for"):
            writer.append(Kind.NOTE, -1, 1, payload)
    writer.flush()
    assert notes(list(read(tmp_path))) == [0]


def test_payloads_larger_than_a_readers_chunk_come_back(tmp_path: Path) -> None:
    payload = os.urandom(CHUNK_BYTES + 5)
    writer = journal(tmp_path, pages=1024)
    for number in range(5):
        writer.append(Kind.BYTES, 1, number, payload)
    writer.flush()
    assert [record.payload == payload for record in read(tmp_path)][1:] == [True] * 5


def full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_shows_at_preallocation_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = journal(tmp_path)
    monkeypatch.setattr(os, "posix_fallocate", full_disk)
    write_notes(writer, 15)
    writer.append(Kind.NOTE, -1, 15, bytes(1000))
    assert len(segments(tmp_path)) == 2
    with pytest.raises(JournalFailed, match=r"000003\.journal: no room for .*No space left"):
        idle(writer)
    idle(writer)
    writer.append(Kind.SEND, 1, 16, b"cancel")
    writer.flush()
    assert [record.time_ns for record in read(tmp_path)][-1] == 16
    assert [path.name for path in segments(tmp_path)] == ["000001.journal", "000002.journal"]


def test_a_full_disk_refuses_to_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "posix_fallocate", full_disk)
    with pytest.raises(JournalFailed, match="free some space"):
        journal(tmp_path)
    assert segments(tmp_path) == []


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("in the way")
    with pytest.raises(JournalFailed, match="journal cannot be used"):
        journal(tmp_path)


@pytest.mark.parametrize(("bytes_", "keep"), [(100, 2), (0, 2), (4 * PAGE, 1)])
def test_limits_that_cannot_work_are_refused(tmp_path: Path, bytes_: int, keep: int) -> None:
    with pytest.raises(BadParameter):
        JournalFile(tmp_path, HEADER, segment_bytes=bytes_, keep_segments=keep)


def test_retention_deletes_the_oldest_segments(tmp_path: Path) -> None:
    writer = journal(tmp_path, keep=3)
    write_notes(writer, 100)
    finish(writer)
    assert len(segments(tmp_path)) == 3
    kept = notes(list(read(tmp_path)))
    assert kept == list(range(kept[0], 100))


def test_closing_leaves_no_unused_byte_and_no_unused_segment(tmp_path: Path) -> None:
    writer = journal(tmp_path)
    writer.append(Kind.END, -1, 9, b"")
    finish(writer)
    (path,) = segments(tmp_path)
    assert path.stat().st_size == writer.position[1]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_disk_that_reports_an_error_at_the_flush_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = journal(tmp_path)

    def broken(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(JournalFailed, match="cannot be flushed"):
        finish(writer)


# -- boots -----------------------------------------------------------------------------------


def test_boots_count_from_one_and_outlive_the_journal(tmp_path: Path) -> None:
    assert [next_boot(tmp_path) for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("text", ["", "seven", "1\n2"])
def test_a_boot_counter_that_is_no_number_refuses_to_start(tmp_path: Path, text: str) -> None:
    (tmp_path / "boot").write_text(text)
    with pytest.raises(JournalFailed, match="number of the last start"):
        next_boot(tmp_path)


def test_a_boot_counter_that_cannot_be_written_refuses_to_start(tmp_path: Path) -> None:
    with pytest.raises(JournalFailed, match="cannot be renewed"):
        next_boot(tmp_path / "missing")


def test_a_new_boot_begins_a_segment_and_reading_goes_through_all(tmp_path: Path) -> None:
    first = journal(tmp_path, boot=1)
    first.append(Kind.NOTE, -1, 1, b"")
    # The first boot dies here: its prepared segment stays, and a half written record.
    first._map[first._at + 8 : first._at + 16] = b"halfdone"
    second = journal(tmp_path, boot=2)
    second.append(Kind.NOTE, -1, 2, b"")
    finish(second)
    reader = read(tmp_path)
    assert notes(list(reader)) == [1, 2]
    assert reader.left == 16
    assert [path.name for path in segments(tmp_path)] == ["000001.journal", "000002.journal"]


# -- reading ---------------------------------------------------------------------------------


def test_a_follower_sees_each_record_once_and_across_segments(tmp_path: Path) -> None:
    follower = follow(tmp_path)
    assert follower.poll() == []
    writer = journal(tmp_path)
    seen: list[Record] = []
    for number in range(50):
        writer.append(Kind.NOTE, -1, number, bytes(700))
        idle(writer)
        if number % 3 == 0:
            seen += follower.poll(limit=2)
            seen += follower.poll()
            assert notes(seen) == list(range(number + 1))
            assert (follower.segment, follower.offset) == writer.position
    seen += follower.poll()
    assert follower.poll() == []
    writer.flush()
    assert seen == list(read(tmp_path))
    follower.close()


def test_a_follower_goes_on_with_the_next_boot(tmp_path: Path) -> None:
    follower = follow(tmp_path)
    journal(tmp_path, boot=1).append(Kind.NOTE, -1, 1, b"")
    assert notes(follower.poll()) == [1]
    second = journal(tmp_path, boot=2)
    second.append(Kind.NOTE, -1, 2, b"")
    assert notes(follower.poll()) == [2]
    assert follower.header is not None
    assert follower.header.boot == 2
    second.close()
    follower.close()


@pytest.mark.parametrize("seed", range(4))
def test_a_follower_never_sees_half_a_record_whatever_order_its_bytes_arrive_in(
    tmp_path: Path, seed: int
) -> None:
    (tmp_path / "journal").mkdir()
    path = tmp_path / "journal" / "000001.journal"
    begin = encode(Kind.HEADER, -1, 0, pack(replace(HEADER, segment=1)))
    path.write_bytes(begin + bytes(PAGE))
    follower = follow(tmp_path)
    assert [found.kind for found in follower.poll()] == [Kind.HEADER]
    record = encode(Kind.SEND, 1, 7, b"an order")
    order = list(range(len(record)))
    random.Random(seed).shuffle(order)
    seen = 0
    for at in order:
        with path.open("r+b") as file:
            file.seek(len(begin) + at)
            file.write(record[at : at + 1])
        for found in follower.poll():
            seen += 1
            assert found.payload == b"an order"
            assert path.read_bytes()[len(begin) :].startswith(record)
    assert seen == 1
    follower.close()


def damage(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x40
    path.write_bytes(data)


def written(run_dir: Path, count: int = 3) -> tuple[Path, list[int]]:
    """Write notes into one segment; return its path and where each record begins."""
    writer = journal(run_dir)
    offsets = []
    for number in range(count):
        offsets.append(writer.position[1])
        writer.append(Kind.NOTE, -1, number, b"a note")
    writer.flush()
    return segments(run_dir)[0], offsets


def test_damage_before_whole_records_is_corruption_and_says_where(tmp_path: Path) -> None:
    path, offsets = written(tmp_path)
    damage(path, offsets[1] + HEAD_BYTES)
    reader = iter(read(tmp_path))
    assert [next(reader).kind, next(reader).time_ns] == [Kind.HEADER, 0]
    place = f"no record at offset {offsets[1]}, but whole ones from offset {offsets[2]} on"
    with pytest.raises(JournalCorrupt, match=place):
        next(reader)
    follower = follow(tmp_path)
    assert [record.kind for record in follower.poll()] == [Kind.HEADER, Kind.NOTE]
    with pytest.raises(JournalCorrupt, match=place):
        follower.poll()
    follower.close()


def test_damage_to_the_last_record_is_a_torn_tail(tmp_path: Path) -> None:
    path, offsets = written(tmp_path)
    damage(path, offsets[2] + HEAD_BYTES)
    reader = read(tmp_path)
    assert notes(list(reader)) == [0, 1]
    assert reader.left == HEAD_BYTES + len(b"a note")


def test_a_file_cut_at_every_byte_yields_the_whole_records_before_and_is_damage(
    tmp_path: Path,
) -> None:
    path, offsets = written(tmp_path)
    data = path.read_bytes()
    for cut in range(offsets[0], offsets[-1] + 100):
        path.write_bytes(data[:cut])
        whole = sum(offset + HEAD_BYTES + len(b"a note") <= cut for offset in offsets)
        records, damage = told(tmp_path)
        assert notes(records) == list(range(whole))
        assert len(damage) == 1


def two_segments(run_dir: Path) -> list[Path]:
    writer = journal(run_dir)
    write_notes(writer, 20)
    finish(writer)
    return segments(run_dir)


def test_records_missing_at_the_end_of_a_segment_are_corruption(tmp_path: Path) -> None:
    first, _ = two_segments(tmp_path)
    first.write_bytes(first.read_bytes()[:-1016])
    with pytest.raises(JournalCorrupt, match="records are lost"):
        list(read(tmp_path))


def test_a_missing_segment_is_corruption(tmp_path: Path) -> None:
    writer = journal(tmp_path)
    write_notes(writer, 40)
    finish(writer)
    segments(tmp_path)[1].unlink()
    with pytest.raises(JournalCorrupt, match=r"000002\.journal is gone"):
        list(read(tmp_path))


@pytest.mark.parametrize(
    ("first_record", "message"),
    [
        (encode(Kind.NOTE, -1, 0, b""), "does not begin with a header"),
        (b"\xff" * 64, "does not begin with a header"),
        (encode(Kind.HEADER, -1, 0, b"\x93"), "Format does not decode"),
        (encode(Kind.HEADER, -1, 0, pack(replace(HEADER, segment=2))), "says it is segment 2"),
        (
            encode(Kind.HEADER, -1, 0, pack(replace(HEADER, format_version=99))),
            "has format 99, and this hotloop reads 6 alone",
        ),
    ],
)
def test_a_segment_that_is_none_is_refused(
    tmp_path: Path, first_record: bytes, message: str
) -> None:
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "000001.journal").write_bytes(first_record + bytes(64))
    with pytest.raises(JournalCorrupt, match=message):
        list(read(tmp_path))


def test_a_path_without_a_journal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="holds no journal"):
        read(tmp_path)


def test_the_journal_folder_itself_can_be_read(tmp_path: Path) -> None:
    written(tmp_path)
    assert list(read(tmp_path / "journal")) == list(read(tmp_path))


# -- a dead process --------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from core.io.journal_file import JournalFile
from core.state.journal import Header, Kind

header = Header(
    run_id="child", boot=1, config_digest="", seeds={}, venue="", strategy="", start_ns=0,
    key="none",
)
writer = JournalFile(Path(sys.argv[1]), header, segment_bytes=1 << 16)
number = 0
while True:
    writer.append(Kind.NOTE, -1, number, number.to_bytes(4, "little") * (number % 97))
    if number % 1000 == 0:
        print(number, flush=True)
    number += 1
    while writer.prepare():
        pass
"""


@pytest.mark.parametrize("wait_for", [0, 1000, 3000])
def test_what_was_appended_survives_kill_minus_nine(tmp_path: Path, wait_for: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        promised = 0
        for connection in child.stdout:
            promised = int(connection)
            if promised >= wait_for:
                break
        child.send_signal(signal.SIGKILL)
        assert child.wait(timeout=10) == -signal.SIGKILL
    records = [record for record in read(tmp_path) if record.kind == Kind.NOTE]
    assert [record.time_ns for record in records] == list(range(len(records)))
    assert len(records) > promised
    assert all(
        record.payload == record.time_ns.to_bytes(4, "little") * (record.time_ns % 97)
        for record in records
    )


# -- what is on the disk, and when -----------------------------------------------------------


class Watchful(Disk):
    """A disk that notes what it was told to put down."""

    def __init__(self) -> None:
        super().__init__()
        self.synced: list[str] = []

    def sync(self, path: Path) -> None:
        self.synced.append(path.name)
        super().sync(path)


def test_a_boots_number_is_on_the_disk_before_it_takes_the_old_ones_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, put = os.fsync, Path.replace

    def noted_fsync(descriptor: int) -> None:
        steps.append(f"fsync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        fsync(descriptor)

    def noted_replace(path: Path, target: Path) -> Path:
        steps.append(f"replace {target.name}")
        return put(path, target)

    disk = Watchful()
    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    monkeypatch.setattr(journal_file, "DISK", disk)
    next_boot(tmp_path)
    assert steps[:2] == ["fsync boot.new", "replace boot"]
    assert disk.synced == [tmp_path.name], "and its name with it"


def test_a_close_puts_every_segment_of_the_boot_and_their_folder_on_the_disk(
    tmp_path: Path,
) -> None:
    first = journal(tmp_path)
    first.close()
    disk = Watchful()
    writer = JournalFile(tmp_path, replace(HEADER, boot=2), segment_bytes=4 * PAGE, disk=disk)
    write_notes(writer, 20)
    finish(writer)
    own = [path.name for path in segments(tmp_path)[1:]]
    assert len(own) > 1
    assert disk.synced == [*own, "journal"]


# -- damage is judged alike, and nothing is deleted ------------------------------------------


def zeroed(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek(page * PAGE)
        file.write(bytes(min(PAGE, path.stat().st_size - page * PAGE)))


def told(run_dir: Path) -> tuple[list[Record], list[str]]:
    """Read around all damage; return what could be read, and what was told of it."""
    follower = follow(run_dir)
    records: list[Record] = []
    damage: list[str] = []
    while True:
        try:
            found = follower.poll()
            records += found
            if not found:
                follower.end()
                return records, damage
        except JournalCorrupt as error:
            damage.append(str(error))
            if not follower.skip():
                return records, damage


def two_boots(run_dir: Path) -> None:
    """Leave a boot that ended, and one that died, each of several segments and pages."""
    for boot in (1, 2):
        writer = journal(run_dir, boot=boot)
        write_notes(writer, 40, size=700, start=100 * boot)
        writer.flush()
        if boot == 1:
            finish(writer)


PAGES = 16


@pytest.mark.parametrize("number", range(PAGES))
def test_any_page_that_is_gone_is_damage_to_every_reader_and_read_around(
    tmp_path: Path, number: int
) -> None:
    two_boots(tmp_path)
    used = [path for path in segments(tmp_path) if any(path.read_bytes()[:8])]
    places = [
        (path, page)
        for path in used
        for page in range(4)
        if any(path.read_bytes()[page * PAGE : (page + 1) * PAGE])
    ]
    path, page = places[number * (len(places) - 1) // (PAGES - 1)]
    whole = told(tmp_path)[0]
    zeroed(path, page)
    records, damage = told(tmp_path)
    if damage:
        with pytest.raises(JournalCorrupt):
            list(read(tmp_path))
    else:
        list(read(tmp_path))
        assert path == used[-1], "only at the end may it look as if a write was cut off"
    missing = [record for record in whole if record not in records]
    assert {record.segment for record in missing} == {int(path.stem)}
    assert len(missing) <= 8, "a page, and the records across its ends"


def test_the_first_page_of_the_newest_segment_is_missed_and_the_segment_stays(
    tmp_path: Path,
) -> None:
    two_boots(tmp_path)
    newest = [path for path in segments(tmp_path) if any(path.read_bytes()[:8])][-1]
    zeroed(newest, 0)
    kept = newest.read_bytes()
    assert any(kept)
    assert "has lost its beginning" in told(tmp_path)[1][-1]
    third = journal(tmp_path, boot=3)
    third.close()
    assert newest.read_bytes() == kept
    with pytest.raises(JournalCorrupt):
        list(read(tmp_path))


def test_a_hole_at_a_records_boundary_is_damage(tmp_path: Path) -> None:
    writer = journal(tmp_path)
    write_notes(writer, 10, size=100)
    places = [record.offset for record in told(tmp_path)[0]]
    writer.flush()
    data = bytearray(segments(tmp_path)[0].read_bytes())
    data[places[4] : places[6]] = bytes(places[6] - places[4])
    segments(tmp_path)[0].write_bytes(data)
    records, damage = told(tmp_path)
    assert len(damage) == 1
    assert [record.time_ns for record in records][1:] == [0, 1, 2, 5, 6, 7, 8, 9]
    with pytest.raises(JournalCorrupt, match="whole ones from"):
        list(read(tmp_path))


def test_a_prepared_segment_that_a_dead_boot_left_is_no_damage(tmp_path: Path) -> None:
    two_boots(tmp_path)
    assert not any(segments(tmp_path)[-1].read_bytes())
    assert told(tmp_path)[1] == []


# -- what the next boot starts from is not deleted -------------------------------------------


def test_retention_keeps_what_the_next_boot_starts_from(tmp_path: Path) -> None:
    first = journal(tmp_path, keep=3)
    first.append(Kind.NOTE, 0, 7, PREFIX + b"{}")
    first.close()
    for boot in range(2, 8):
        later = journal(tmp_path, boot=boot, keep=3)
        idle(later)
        later.close()
    assert segments(tmp_path)[0].stem == "000001"


def test_retention_goes_on_once_a_later_segment_is_held(tmp_path: Path) -> None:
    first = journal(tmp_path, keep=3)
    first.append(Kind.NOTE, 0, 7, PREFIX + b"{}")
    first.close()
    later = journal(tmp_path, boot=2, keep=3)
    write_notes(later, 40)
    later.hold()
    write_notes(later, 40)
    held = later.segment
    later.hold()
    idle(later)
    kept = [int(path.stem) for path in segments(tmp_path)]
    assert 1 not in kept
    assert held in kept


def test_a_segment_that_is_held_stays_however_many_follow(tmp_path: Path) -> None:
    writer = journal(tmp_path, keep=3)
    writer.hold()
    write_notes(writer, 80)
    assert segments(tmp_path)[0].stem == "000001"
