"""What the boot before this one has left in the run folder's journal.

Here the end of a journal is read, newest segment first, until its last checkpoint is found. What
a checkpoint holds and what is made of it is known in ``core.checkpoint`` and ``core.continuity``.
"""

from __future__ import annotations

from pathlib import Path

from core.checkpoint import Checkpoint, Restored, decode
from core.io.journal_file import Follower, read_from, segments
from core.journal import Kind

LEFT = b"left"
"""How the last record of a clean end begins: the venue had proved that nothing was alive."""


def last_boot(run_dir: Path) -> Restored | None:
    """Return what to start from, or ``None`` in a folder that no boot has traded in.

    Raises ``JournalCorrupt`` where the journal's end cannot be believed.
    """
    ended_ns, clean = 0, False
    for number in reversed(segments(run_dir)):
        found, last_ns, ends = _look(read_from(run_dir, number))
        if not ended_ns:
            ended_ns, clean = last_ns, ends
        if found is not None:
            return Restored(checkpoint=found, ended_ns=ended_ns, clean=clean)
    return None


def _look(follower: Follower) -> tuple[Checkpoint | None, int, bool]:
    """Return the last checkpoint from a place on, the time of the last record, and how it ends."""
    found, last_ns, clean = None, 0, False
    try:
        while records := follower.poll():
            for record in records:
                if record.kind == Kind.NOTE:
                    found = decode(record.payload) or found
            last = records[-1]
            last_ns = last.time_ns
            clean = last.kind == Kind.END and last.payload.startswith(LEFT)
    finally:
        follower.close()
    return found, last_ns, clean
