"""What has to be asked again until the venue answers it: unproved orders, missing fills, books.

Here lives when to ask next, nothing of what is asked. The gap between two questions about one
subject doubles up to a limit, and nothing is ever given up: only proof ends a doubt.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from core.model.units import NS_PER_MS, NS_PER_S

FIRST_NS = 250 * NS_PER_MS
"""Before the first repetition: several times an ordinary reply, so that most doubts end at one."""

LONGEST_NS = 5 * NS_PER_S
"""Between repetitions: bounded load on the venue, and still a prompt end when it is back."""

SubjectT = TypeVar("SubjectT", bound=Hashable)


class Doubts(Generic[SubjectT]):
    """Subjects to ask about, each with its own growing gap."""

    __slots__ = ("_gaps",)

    def __init__(self) -> None:
        self._gaps: dict[SubjectT, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._gaps)

    def __contains__(self, subject: SubjectT) -> bool:
        return subject in self._gaps

    def raise_(self, subject: SubjectT, now_ns: int) -> None:
        """Doubt a subject, to be asked about at once; a doubt that stands is left as it is."""
        self._gaps.setdefault(subject, (now_ns, FIRST_NS))

    def ask_by(self, subject: SubjectT, at_ns: int) -> None:
        """Ask about a doubted subject by then: the answer will prove more."""
        due_ns, gap_ns = self._gaps.get(subject, (at_ns, FIRST_NS))
        if at_ns < due_ns:
            self._gaps[subject] = (at_ns, gap_ns)

    def settle(self, subject: SubjectT) -> None:
        """The venue proved it."""
        self._gaps.pop(subject, None)

    def due(self, now_ns: int) -> list[SubjectT]:
        """Return what to ask about now, in the order it was doubted, and plan the next time."""
        ready = [subject for subject, (due_ns, _) in self._gaps.items() if due_ns <= now_ns]
        for subject in ready:
            _, gap_ns = self._gaps[subject]
            self._gaps[subject] = (now_ns + gap_ns, min(2 * gap_ns, LONGEST_NS))
        return ready

    def ask_now(self, now_ns: int) -> None:
        """Bring every doubt forward: the way to the venue is open again."""
        for subject in self._gaps:
            self._gaps[subject] = (now_ns, FIRST_NS)
