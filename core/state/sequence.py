"""The ways a feed proves that it is whole.

Here lives the arithmetic on a feed's sequence numbers and checksums and nothing else: no levels,
no buffer, no request for a snapshot. A book asks its rule, a ``BookSync``, what to do with each
change; which rule a feed keeps is the venue's declaration (``core.model.venue.BookFeed``).

- ``RestBridged``: changes carry ``first_seq..last_seq``; a snapshot requested over REST is bridged
  into them once, and from there each change must continue the last one.
- ``Chained``: the subscription begins with a snapshot, and each change names the one before it.
- ``Checksummed``: the subscription begins with a snapshot, nothing is numbered, and each message
  carries a checksum of the best levels that it leaves behind.
- ``ImageOnly``: every message is a whole image; only going backwards is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Final, Protocol

from core.model.events import Levels
from core.model.venue import BookFeed, SyncKind


class Admission(Enum):
    """What to do with a numbered change."""

    APPLY = "apply"
    IGNORE = "ignore"
    """It is older than what the book holds: a duplicate, or before the snapshot."""
    GAP = "gap"
    """Something between the book and this change is missing."""


_APPLY, _IGNORE, _GAP = Admission.APPLY, Admission.IGNORE, Admission.GAP


class BookSync(Protocol):
    """How one book is proved by its feed."""

    @property
    def in_band(self) -> bool:
        """Whether the feed itself brings the snapshots, a new one for each subscription.

        Else one is requested, and bridged into the changes.
        """
        ...

    @property
    def depth(self) -> int:
        """Levels a side that the feed tells of: worse ones are forgotten; 0: all of them."""
        ...

    @property
    def seq(self) -> int:
        """The number of the last change taken; where none is numbered, how many were."""
        ...

    @property
    def ahead(self) -> bool:
        """Whether the feed goes on below ``seq``: the snapshot has counted further than it has."""
        ...

    def bridge(self, snapshot_seq: int, first_seq: int) -> bool:
        """Start from a snapshot; ``False`` when it does not continue what came first."""
        ...

    def admit(self, first_seq: int, last_seq: int) -> Admission:
        """Judge the next change, and count it when it is to be applied."""
        ...

    def restart(self) -> None:
        """What comes next is of another connection."""
        ...

    def agrees(self, bids: Levels, asks: Levels, checksum: int) -> bool:
        """Whether the best ``CHECKED`` levels of both sides, best first, have this checksum."""
        ...


CHECKED: Final = 10
"""Levels a side that go into a checksum at most."""


class RestBridged:
    """Numbered changes on top of one snapshot.

    >>> rule = RestBridged()
    >>> rule.bridge(snapshot_seq=160, first_seq=157)
    True
    >>> rule.admit(157, 160), rule.admit(161, 163), rule.admit(165, 166)
    (<Admission.IGNORE: 'ignore'>, <Admission.APPLY: 'apply'>, <Admission.GAP: 'gap'>)
    """

    __slots__ = ("_first_seq", "_last_seq", "_repeated_seq", "seq")

    in_band: Final = False
    depth: Final = 0

    def __init__(self) -> None:
        self.seq = 0
        self._first_seq = self._last_seq = -1
        """The newest change seen since the snapshot, also one that the snapshot held already."""
        self._repeated_seq = -1
        """Where an older change than that ended, if the one before this was such."""

    @property
    def ahead(self) -> bool:
        return -1 < self._last_seq < self.seq

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

    def agrees(self, bids: Levels, asks: Levels, checksum: int) -> bool:
        return True


class Chained:
    """Changes that each continue the one before, after a snapshot on the same connection.

    >>> rule = Chained(0)
    >>> rule.bridge(snapshot_seq=160, first_seq=160)
    True
    >>> rule.admit(161, 163), rule.admit(161, 163), rule.admit(165, 166)
    (<Admission.APPLY: 'apply'>, <Admission.IGNORE: 'ignore'>, <Admission.GAP: 'gap'>)
    """

    __slots__ = ("_repeated_seq", "depth", "seq")

    in_band: Final = True
    ahead: Final = False

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.seq = 0
        self._repeated_seq = -1
        """Where an older change than ``seq`` ended, if the one before this was such."""

    def bridge(self, snapshot_seq: int, first_seq: int) -> bool:
        self.seq = snapshot_seq
        self._repeated_seq = -1
        return True

    def admit(self, first_seq: int, last_seq: int) -> Admission:
        """Judge the next change, and count it when it is to be applied.

        A single old change is a repetition; one that another one continues shows that the feed
        counts from somewhere else now.
        """
        repeated_seq, self._repeated_seq = self._repeated_seq, -1
        if -1 < repeated_seq == first_seq - 1:
            return _GAP
        if last_seq <= self.seq:
            self._repeated_seq = last_seq
            return _IGNORE
        if first_seq != self.seq + 1:
            return _GAP
        self.seq = last_seq
        return _APPLY

    def restart(self) -> None:
        """The next message is a snapshot, which begins a chain of its own."""

    def agrees(self, bids: Levels, asks: Levels, checksum: int) -> bool:
        return True


class Checksummed:
    """Changes without numbers: the checksum that each brings is the only proof.

    >>> rule = Checksummed(lambda bids, asks: len(bids) + len(asks), depth=10)
    >>> rule.bridge(snapshot_seq=0, first_seq=0), rule.admit(0, 0).value, rule.seq
    (True, 'apply', 1)
    >>> rule.agrees([(99, 1)], [(101, 1)], 2), rule.agrees([(99, 1)], [], 2)
    (True, False)
    """

    __slots__ = ("_checksum", "depth", "seq")

    in_band: Final = True
    ahead: Final = False

    def __init__(self, checksum: Callable[[Levels, Levels], int], depth: int) -> None:
        self._checksum = checksum
        self.depth = depth
        self.seq = 0

    def bridge(self, snapshot_seq: int, first_seq: int) -> bool:
        self.seq = 0
        return True

    def admit(self, first_seq: int, last_seq: int) -> Admission:
        self.seq += 1
        return _APPLY

    def restart(self) -> None:
        """The next message is a snapshot, whose checksum is as good as any."""

    def agrees(self, bids: Levels, asks: Levels, checksum: int) -> bool:
        return self._checksum(bids, asks) == checksum


def sync_of(feed: BookFeed) -> Callable[[], BookSync]:
    """Return what makes the rule of a book's feed, as often as the book is proved anew."""
    match feed.sync:
        case SyncKind.REST_BRIDGED:
            return RestBridged
        case SyncKind.CHAINED:
            return partial(Chained, feed.depth)
        case SyncKind.CHECKSUMMED:
            return partial(Checksummed, feed.checksum, feed.depth)


class ImageOnly:
    """Whole images, each newer than the last.

    Whoever is in a hurry may put a newer ``seq`` in place without asking: it is always admitted.

    >>> rule = ImageOnly()
    >>> [rule.admit(seq).value for seq in (7, 7, 5, 6)]
    ['apply', 'ignore', 'ignore', 'gap']
    """

    __slots__ = ("_older_seq", "_older_than", "seq")

    def __init__(self) -> None:
        self.seq = -1
        self._older_seq = self._older_than = -1
        """Number of the last image that was older than the newest, and of the newest of then."""

    def restart(self) -> None:
        """The next image is of another feed."""
        self._older_than = -1

    def admit(self, seq: int) -> Admission:
        """Judge the next image; the same number twice is a duplicate.

        A single old image is a repetition; one that a newer one follows, still older than the
        newest, shows that the feed counts from somewhere else now.
        """
        if seq > self.seq:
            self.seq = seq
            return _APPLY
        if seq == self.seq:
            return _IGNORE
        goes_on = self._older_than == self.seq and self._older_seq < seq
        self._older_seq, self._older_than = seq, self.seq
        return _GAP if goes_on else _IGNORE
