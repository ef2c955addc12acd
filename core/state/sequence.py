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


_APPLY, _IGNORE, _GAP = Admission.APPLY, Admission.IGNORE, Admission.GAP


class Bridged:
    """Numbered changes on top of one snapshot.

    >>> rule = Bridged()
    >>> rule.bridge(snapshot_seq=160, first_seq=157)
    True
    >>> rule.admit(157, 160), rule.admit(161, 163), rule.admit(165, 166)
    (<Admission.IGNORE: 'ignore'>, <Admission.APPLY: 'apply'>, <Admission.GAP: 'gap'>)
    """

    __slots__ = ("_first_seq", "_last_seq", "_repeated_seq", "seq")

    def __init__(self) -> None:
        self.seq = 0
        self._first_seq = self._last_seq = -1
        """The newest change seen since the snapshot, also one that the snapshot held already."""
        self._repeated_seq = -1
        """Where an older change than that ended, if the one before this was such."""

    def bridge(self, snapshot_seq: int, first_seq: int) -> bool:
        """Start from a snapshot; ``False`` when it is older than the first change kept.

        ``first_seq`` is the ``first_seq`` of the first change received since the subscription.
        """
        if snapshot_seq < first_seq:
            return False
        self.seq = snapshot_seq
        self._first_seq = self._last_seq = self._repeated_seq = -1
        return True

    def restart(self) -> None:
        """The next change is of another feed: like the first beyond a snapshot it may overlap."""
        self._first_seq = self._last_seq = self._repeated_seq = -1

    def admit(self, first_seq: int, last_seq: int) -> Admission:
        """Judge the next change, and count it when it is to be applied.

        What the snapshot holds already may miss a change, the first beyond may overlap it, and
        each later one begins where the last one ended. A single old change is a repetition; one
        that another one continues shows that the feed counts from somewhere else now.
        """
        repeated_seq, self._repeated_seq = self._repeated_seq, -1
        if first_seq == self._first_seq and last_seq == self._last_seq:
            return _IGNORE
        if -1 < repeated_seq == first_seq - 1:
            return _GAP
        if last_seq <= self._last_seq:
            self._repeated_seq = last_seq
            return _IGNORE
        if not self._last_seq < first_seq <= self.seq + 1 or last_seq < first_seq:
            return _GAP
        self._first_seq, self._last_seq = first_seq, last_seq
        if last_seq <= self.seq:
            return _IGNORE
        self.seq = last_seq
        return _APPLY


class Imaged:
    """Whole images, each newer than the last.

    >>> rule = Imaged()
    >>> [rule.admit(seq).value for seq in (7, 7, 5, 6)]
    ['apply', 'ignore', 'ignore', 'gap']
    """

    __slots__ = ("_older_seq", "seq")

    def __init__(self) -> None:
        self.seq = -1
        self._older_seq = -1
        """Number of the image before this one, if that was an older one than ``seq``."""

    def restart(self) -> None:
        """The next image is of another feed."""
        self._older_seq = -1

    def admit(self, seq: int) -> Admission:
        """Judge the next image; the same number twice is a duplicate.

        A single old image is a repetition; one that a newer one follows, still older than the
        newest, shows that the feed counts from somewhere else now.
        """
        if seq > self.seq:
            self.seq = seq
            self._older_seq = -1
            return _APPLY
        if seq == self.seq:
            return _IGNORE
        older_seq, self._older_seq = self._older_seq, seq
        return _GAP if -1 < older_seq < seq else _IGNORE
