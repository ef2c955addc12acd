"""Query retry: what is asked again until the venue answers: orders in doubt, missing fills, books.

Here lives when to ask next, nothing of what is asked. The gap between two queries for one subject
doubles up to a limit, and no retry is given up: only an answer ends it.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from core.model.units import NS_PER_MS, NS_PER_S

FIRST_NS = 250 * NS_PER_MS
"""Before the first retry: several times an ordinary reply, so that most subjects need one query."""

LONGEST_NS = 5 * NS_PER_S
"""Between retries: bounded load on the venue, and still a prompt answer when it is back."""

SubjectT = TypeVar("SubjectT", bound=Hashable)


class Retries(Generic[SubjectT]):
    """Subjects to query, each with its own growing gap."""

    __slots__ = ("_gaps",)

    def __init__(self) -> None:
        self._gaps: dict[SubjectT, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._gaps)

    def __contains__(self, subject: SubjectT) -> bool:
        return subject in self._gaps

    def begin(self, subject: SubjectT, now_ns: int) -> None:
        """Begin to query a subject, at ``now_ns``; one that is queried already keeps its gap."""
        self._gaps.setdefault(subject, (now_ns, FIRST_NS))

    def query_by(self, subject: SubjectT, at_ns: int) -> None:
        """Query a subject by then at the latest: the answer will prove more."""
        due_ns, gap_ns = self._gaps.get(subject, (at_ns, FIRST_NS))
        if at_ns < due_ns:
            self._gaps[subject] = (at_ns, gap_ns)

    def resolve(self, subject: SubjectT) -> None:
        """The venue has answered: query it no more."""
        self._gaps.pop(subject, None)

    def due(self, now_ns: int) -> list[SubjectT]:
        """Return what to query now, in the order it was begun, and plan the next time."""
        ready = [subject for subject, (due_ns, _) in self._gaps.items() if due_ns <= now_ns]
        for subject in ready:
            _, gap_ns = self._gaps[subject]
            self._gaps[subject] = (now_ns + gap_ns, min(2 * gap_ns, LONGEST_NS))
        return ready

    def query_now(self, now_ns: int) -> None:
        """Query every subject at once: the venue can be reached again."""
        for subject in self._gaps:
            self._gaps[subject] = (now_ns, FIRST_NS)
