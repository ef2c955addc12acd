"""What the boot before this one has left in the run folder's journal.

Here the end of a journal is read, newest segment first, until its last checkpoint is found. What
a checkpoint holds and what is made of it is known in ``core.checkpoint`` and ``core.continuity``.
"""

from __future__ import annotations

from pathlib import Path

from core.checkpoint import Notes, Restored
from core.io.journal_file import Follower, read_from, segments
from core.journal import Kind

LEFT = b"left"
"""How the last record of a clean end begins: the venue had proved that nothing was alive."""


def last_boot(run_dir: Path) -> Restored | None:
    """Return what to start from, or ``None`` in a folder that no boot has traded in.

    Raises ``JournalCorrupt`` where the journal's end cannot be believed.
    """
    for number in reversed(segments(run_dir)):
        restored = _look(read_from(run_dir, number))
        if restored is not None:
            return restored
    return None


def _look(follower: Follower) -> Restored | None:
    """Return what follows from all that is in the journal from a place on."""
    notes, last_ns, left = Notes(), 0, False
    try:
        while records := follower.poll():
            for record in records:
                if record.kind == Kind.NOTE:
                    notes.read(record.payload)
                elif record.kind == Kind.SEND:
                    notes.sent(record.payload)
            last = records[-1]
            last_ns = last.time_ns
            left = last.kind == Kind.END and last.payload.startswith(LEFT)
    finally:
        follower.close()
    boot = follower.header.boot if follower.header else 0
    return notes.restored(boot, last_ns, left=left)
