"""What the next boot starts from, read from the journals of the boots before."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest

from core.engine import checkpoint
from core.engine.checkpoint import LEFT, RESTORE, AcknowledgementNote, Checkpoint
from core.io.journal_file import JournalFile, next_boot
from core.io.last_boot import last_boot
from core.model.errors import JournalCorrupt
from core.model.events import Side
from core.model.venue import KeyKind
from core.state.journal import Header, Kind, Record, pack
from core.state.journal import encode as encode_record


class Boot:
    """A boot that writes notes into a run folder."""

    def __init__(self, run_dir: Path, number: int, segment_bytes: int = mmap.PAGESIZE) -> None:
        header = Header(
            run_id="test",
            boot=number,
            config_digest="00",
            seeds={},
            venue="sim",
            strategy="maker",
            start_ns=number * 1_000,
            key=KeyKind.SIGNS,
        )
        self.number = number
        self.time_ns = number * 1_000
        self.file = JournalFile(run_dir, header, segment_bytes=segment_bytes)

    def write(self, kind: Kind, payload: bytes) -> Boot:
        self.time_ns += 1
        self.file.append(kind, 0, self.time_ns, payload)
        return self

    def checkpoint(self) -> Boot:
        left = Checkpoint(boot=self.number, time_ns=self.time_ns, positions=[], orders=[])
        return self.write(Kind.NOTE, checkpoint.PREFIX + checkpoint.encode(left))

    def number_of(self, name: str) -> Boot:
        note = AcknowledgementNote(
            symbol="BTCUSDT",
            tick="0.01",
            lot="0.00001",
            client_order_id=name,
            venue_order_id="7",
            side=Side.BUY,
            price_ticks=1,
            size_lots=1,
        )
        return self.write(Kind.NOTE, checkpoint.NUMBER + checkpoint.encode(note))

    def leave(self) -> None:
        self.write(Kind.END, LEFT + b": test")
        self.file.close()

    def die(self) -> None:
        self.write(Kind.DUE, b"")
        self.file.flush()  # a process that dies cuts nothing off


def test_a_folder_without_a_note_has_nothing_to_start_from(tmp_path: Path) -> None:
    assert last_boot(tmp_path) is None
    Boot(tmp_path, 1).die()
    assert last_boot(tmp_path) is None


def test_a_boot_that_left_ended_cleanly_and_one_that_died_did_not(tmp_path: Path) -> None:
    Boot(tmp_path, 1).checkpoint().leave()
    found = last_boot(tmp_path)
    assert found is not None
    assert (found.checkpoint.boot, found.ended_ns, found.clean) == (1, 1_002, True)
    Boot(tmp_path, 2).checkpoint().die()
    found = last_boot(tmp_path)
    assert found is not None
    assert (found.checkpoint.boot, found.ended_ns, found.clean) == (2, 2_002, False)


def test_a_boot_that_proved_nothing_says_nothing_of_the_one_before(tmp_path: Path) -> None:
    Boot(tmp_path, 1).checkpoint().die()
    Boot(tmp_path, 2).leave()
    found = last_boot(tmp_path)
    assert found is not None
    assert (found.checkpoint.boot, found.ended_ns, found.clean) == (1, 1_002, False)


def test_numbers_since_the_last_checkpoint_are_found_over_boots_and_segments(
    tmp_path: Path,
) -> None:
    Boot(tmp_path, 1).number_of("old").checkpoint().number_of("a").die()
    second = Boot(tmp_path, 2).number_of("b")
    for _ in range(100):
        second.write(Kind.NOTE, b"a line of the log, long enough to fill a segment or two")
        second.file.prepare()
    second.number_of("c").die()
    found = last_boot(tmp_path)
    assert found is not None
    assert [note.client_order_id for note in found.numbers] == ["a", "b", "c"]


def test_requests_sent_since_the_last_checkpoint_are_found(tmp_path: Path) -> None:
    Boot(tmp_path, 1).write(Kind.SEND, b"old").checkpoint().write(Kind.SEND, b"a").die()
    Boot(tmp_path, 2).write(Kind.SEND, b"b").die()
    found = last_boot(tmp_path)
    assert found is not None
    assert found.sent == [b"a", b"b"]


def test_a_boot_that_left_cleanly_leaves_no_request_in_doubt(tmp_path: Path) -> None:
    Boot(tmp_path, 1).checkpoint().write(Kind.SEND, b"a").leave()
    found = last_boot(tmp_path)
    assert found is not None
    assert found.sent == []


@pytest.mark.parametrize("note", [checkpoint.PREFIX, checkpoint.NUMBER])
@pytest.mark.parametrize("text", [b"{}", b"{", b'{"a":' * 100_000, b"\xff"])
def test_a_note_that_says_nothing_is_a_corrupt_journal_and_no_fault_of_the_venue(
    tmp_path: Path, note: bytes, text: bytes
) -> None:
    Boot(tmp_path, 1, segment_bytes=1 << 22).write(Kind.NOTE, note + text)
    with pytest.raises(JournalCorrupt, match="note of the journal"):
        last_boot(tmp_path)


# -- damage ----------------------------------------------------------------------------------


def zeroed(run_dir: Path, segment: int, page: int) -> Path:
    path = run_dir / "journal" / f"{segment:06}.journal"
    with path.open("r+b") as file:
        file.seek(page * mmap.PAGESIZE)
        file.write(bytes(mmap.PAGESIZE))
    return path


def long_boot(run_dir: Path, number: int) -> Boot:
    """A boot that noted a checkpoint in its first page and in its third, and went on."""
    boot = Boot(run_dir, number, segment_bytes=8 * mmap.PAGESIZE)
    for _ in range(2):
        boot.checkpoint()
        for _ in range(13):
            boot.write(Kind.BYTES, bytes(800))
    boot.file.flush()
    return boot


def test_a_hole_before_the_last_checkpoint_says_nothing_of_what_is_held(tmp_path: Path) -> None:
    long_boot(tmp_path, 1)
    zeroed(tmp_path, 1, 1)
    found = last_boot(tmp_path)
    assert found is not None
    assert found.damage == ""


def test_a_hole_after_the_last_checkpoint_is_told_and_nothing_is_deleted(tmp_path: Path) -> None:
    long_boot(tmp_path, 1)
    path = zeroed(tmp_path, 1, 3)
    found = last_boot(tmp_path)
    assert found is not None
    assert found.checkpoint.boot == 1
    assert "000001.journal is damaged" in found.damage
    assert not found.clean
    long_boot(tmp_path, 2)
    assert path.exists()


def test_a_newest_segment_that_was_cut_is_damage_and_one_of_a_death_is_none(tmp_path: Path) -> None:
    Boot(tmp_path, 1).checkpoint().write(Kind.SEND, b"an order").die()
    found = last_boot(tmp_path)
    assert found is not None
    assert (found.damage, found.clean) == ("", False)
    path = tmp_path / "journal" / "000001.journal"
    whole = path.read_bytes()
    end = len(whole.rstrip(b"\0")) // 8 * 8
    for size in (end - 40, end, end + 800):  # in a record, behind the last one, in the blank
        path.write_bytes(whole[:size])
        found = last_boot(tmp_path)
        assert found is not None
        assert f"was cut at {size} bytes, as no death does" in found.damage


def test_a_clean_end_that_was_cut_off_is_damage(tmp_path: Path) -> None:
    Boot(tmp_path, 1).checkpoint().leave()
    found = last_boot(tmp_path)
    assert found is not None
    assert (found.damage, found.clean) == ("", True)
    path = tmp_path / "journal" / "000001.journal"
    path.write_bytes(path.read_bytes()[:-16])
    found = last_boot(tmp_path)
    assert found is not None
    assert found.damage
    assert not found.clean


def test_a_first_page_that_is_gone_is_told_where_nothing_was_noted_since(tmp_path: Path) -> None:
    long_boot(tmp_path, 1)
    Boot(tmp_path, 2, segment_bytes=8 * mmap.PAGESIZE).write(Kind.SEND, bytes(5000)).write(
        Kind.SEND, b"behind"
    )
    zeroed(tmp_path, 2, 0)
    found = last_boot(tmp_path)
    assert found is not None
    assert "has lost its beginning" in found.damage


def test_damage_without_any_checkpoint_is_told(tmp_path: Path) -> None:
    Boot(tmp_path, 1, segment_bytes=8 * mmap.PAGESIZE).write(Kind.SEND, bytes(5000)).write(
        Kind.SEND, b"behind"
    )
    zeroed(tmp_path, 1, 0)
    found = last_boot(tmp_path)
    assert found is not None
    assert found.damage
    assert found.checkpoint.positions == []


def test_damage_is_not_washed_away_by_boots_that_prove_nothing(tmp_path: Path) -> None:
    long_boot(tmp_path, 1)
    zeroed(tmp_path, 1, 3)
    found = last_boot(tmp_path)
    assert found is not None
    second = Boot(tmp_path, 2).write(Kind.CONTROL, RESTORE + checkpoint.encode(found))
    second.die()
    again = last_boot(tmp_path)
    assert again is not None
    assert again.damage == found.damage
    assert again.checkpoint == found.checkpoint


def test_a_boot_that_was_told_what_there_is_stands_for_itself(tmp_path: Path) -> None:
    first = Boot(tmp_path, 1).checkpoint()
    first.write(Kind.SEND, b"a").number_of("n").die()
    found = last_boot(tmp_path)
    assert found is not None
    Boot(tmp_path, 2).write(Kind.CONTROL, RESTORE + checkpoint.encode(found)).die()
    for path in (tmp_path / "journal").glob("000001*"):
        path.unlink()
    assert last_boot(tmp_path) == found


def test_a_journal_of_a_later_version_is_refused_and_not_read_around(tmp_path: Path) -> None:
    boot = Boot(tmp_path, 1, segment_bytes=1 << 16)
    path = tmp_path / "journal" / "000001.journal"
    data = bytearray(path.read_bytes())
    later = Header(
        format_version=99,
        run_id="x",
        boot=1,
        segment=1,
        config_digest="",
        seeds={},
        venue="",
        strategy="",
        start_ns=0,
        key=KeyKind.SIGNS,
    )
    record = encode_record(Kind.HEADER, -1, 0, pack(later))
    data[: len(record)] = record
    path.write_bytes(data)
    assert boot.number == 1
    with pytest.raises(JournalCorrupt, match="format 99"):
        last_boot(tmp_path)


# -- a boot whose beginning is lost ------------------------------------------------------------


def test_a_boot_that_lost_its_header_did_not_leave_because_the_one_before_had() -> None:
    notes = checkpoint.Notes()
    notes.begin(2)
    notes.read(Record(Kind.NOTE, 0, 10, checkpoint.PREFIX + checkpoint.encode(_left_by(2))))
    notes.read(Record(Kind.END, 0, 11, LEFT))
    notes.damaged("the first page of the third boot")
    notes.read(Record(Kind.NOTE, 0, 100, checkpoint.PREFIX + checkpoint.encode(_left_by(3))))
    notes.read(Record(Kind.SEND, 0, 110, b"an order"))
    found = notes.restored()
    assert found is not None
    assert (found.clean, found.ended_ns, found.sent) == (False, 110, [b"an order"])


def _left_by(boot: int) -> Checkpoint:
    return Checkpoint(boot=boot, time_ns=0, positions=[], orders=[])


def test_after_a_boot_of_which_nothing_reached_the_disk_the_one_before_proves_nothing(
    tmp_path: Path,
) -> None:
    Boot(tmp_path, next_boot(tmp_path)).checkpoint().leave()
    before = last_boot(tmp_path)
    assert before is not None
    assert before.clean
    second = Boot(tmp_path, next_boot(tmp_path))
    second.checkpoint()
    segment = second.file.position[0]
    second.die()
    (tmp_path / "journal" / f"{segment:06}.journal").write_bytes(b"")
    found = last_boot(tmp_path)
    assert found is not None
    assert (found.clean, found.ended_ns, found.damage) == (False, 0, "")


def test_a_first_boot_of_which_nothing_reached_the_disk_is_told(tmp_path: Path) -> None:
    Boot(tmp_path, next_boot(tmp_path)).checkpoint().die()
    (tmp_path / "journal" / "000001.journal").write_bytes(bytes(mmap.PAGESIZE))
    found = last_boot(tmp_path)
    assert found is not None
    assert "blank" in found.damage


def test_a_start_that_never_got_to_its_journal_is_no_damage(tmp_path: Path) -> None:
    next_boot(tmp_path)
    assert last_boot(tmp_path) is None
