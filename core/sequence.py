"""The ways a feed proves that it is whole.

Here lives the arithmetic on a feed's sequence numbers and nothing else: no levels, no buffer, no
request for a snapshot. A book asks its rule what to do with each numbered change.

- ``Bridged``: changes carry ``first_seq..last_seq``; a snapshot is bridged into them once, and
  from there each change must continue the last one.
- ``Imaged``: every message is a whole image; only going backwards is refused.
"""

from __future__ import annotations

from enum import Enum


class Admission(Enum):
    """What to do with a numbered change."""

    APPLY = "apply"
    IGNORE = "ignore"
    """It is older than what the book holds: a duplicate, or before the snapshot."""
    GAP = "gap"
    """Something between the book and this change is missing."""


class Bridged:
    """Numbered changes on top of one snapshot.

    >>> rule = Bridged()
    >>> rule.bridge(snapshot_seq=160, first_seq=157)
    True
    >>> rule.admit(157, 160), rule.admit(158, 163), rule.admit(165, 166)
    (<Admission.IGNORE: 'ignore'>, <Admission.APPLY: 'apply'>, <Admission.GAP: 'gap'>)
    """

    __slots__ = ("seq",)

    def __init__(self) -> None:
        self.seq = 0

    def bridge(self, snapshot_seq: int, first_seq: int) -> bool:
        """Start from a snapshot; ``False`` when it is older than the first change kept.

        ``first_seq`` is the ``first_seq`` of the first change received since the subscription.
        """
        if snapshot_seq < first_seq:
            return False
        self.seq = snapshot_seq
        return True

    def admit(self, first_seq: int, last_seq: int) -> Admission:
        """Judge the next change, and count it when it is to be applied."""
        if last_seq <= self.seq:
            return Admission.IGNORE
        if first_seq > self.seq + 1 or last_seq < first_seq:
            return Admission.GAP
        self.seq = last_seq
        return Admission.APPLY


class Imaged:
    """Whole images, each newer than the last."""

    __slots__ = ("seq",)

    def __init__(self) -> None:
        self.seq = -1

    def admit(self, seq: int) -> Admission:
        """Judge the next image; the same number twice is a duplicate."""
        if seq <= self.seq:
            return Admission.IGNORE
        self.seq = seq
        return Admission.APPLY
