"""What the boot before this one has left in the run folder's journal.

Here the end of a journal is read, newest segment first, until its last checkpoint is found. What
a checkpoint holds and what is made of it is known in ``core.engine.checkpoint`` and
``core.engine.continuity``; what is damage and what is not, in ``core.io.journal_file``.
"""

from __future__ import annotations

from pathlib import Path

from core.engine.checkpoint import Notes, Restored
from core.io.journal_file import Follower, boots_begun, lost_whole, read_from, segments
from core.model.errors import JournalCorrupt, JournalUnknown
from core.state.journal import Header


def last_boot(run_dir: Path) -> Restored | None:
    """Return what to start from, or ``None`` in a folder that no boot has traded in.

    What cannot be read is left as it is, read around, and told in ``Restored.damage`` where no
    later checkpoint makes it good. To be asked before this start is counted. Raises
    ``JournalCorrupt`` where a note can be read and says nothing that is known.
    """
    numbers = segments(run_dir)
    start = next((number for number in reversed(numbers) if _noted(run_dir, number)), 1)
    notes = _look(read_from(run_dir, start))
    header = last_header(run_dir)
    if boots_begun(run_dir) > (header.boot if header is not None else 0):
        # Counted on the disk before it wrote anything: a power cut may have taken its segment.
        notes.unrecorded()
        if lost_whole(run_dir):
            notes.damaged(f"{run_dir}: a run was begun there, and its journal is blank")
    return notes.restored()


def last_header(run_dir: Path) -> Header | None:
    """Return the header of the newest segment that has one, ``None`` where there is none."""
    for number in reversed(segments(run_dir)):
        follower = read_from(run_dir, number)
        try:
            follower.poll(1)
        except JournalUnknown:
            raise
        except JournalCorrupt:
            continue
        finally:
            follower.close()
        if follower.header is not None:
            return follower.header
    return None


def _noted(run_dir: Path, number: int) -> bool:
    """Whether there is a checkpoint in one segment."""
    return _look(read_from(run_dir, number), last=number).noted


def _look(follower: Follower, *, last: int | None = None) -> Notes:
    """Read all that is in the journal from a place on, or up to the end of a segment."""
    notes = Notes()
    try:
        while True:
            try:
                records = follower.poll()
                if not records:
                    follower.end()
                if not records or (last is not None and records[-1].segment > last):
                    return notes
            except JournalUnknown:
                raise
            except JournalCorrupt as damage:
                notes.damaged(str(damage))
                if not follower.skip():
                    return notes
            else:
                for record in records:
                    notes.read(record)
    finally:
        follower.close()
