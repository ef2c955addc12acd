"""What the next boot starts from, read from the journals of the boots before."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest

from core import checkpoint
from core.checkpoint import LEFT, Checkpoint, NumberNote
from core.errors import JournalCorrupt
from core.events import Side
from core.io.journal_file import JournalFile
from core.io.last_boot import last_boot
from core.journal import Header, Kind


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
        note = NumberNote(
            symbol="BTCUSDT",
            client_order_id=name,
            venue_order_id=7,
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
        self.file.close()


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
