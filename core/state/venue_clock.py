"""The venue's clock, seen from ours.

Here lives the estimate of how far the venue's clock is ahead of ours, from pairs of request and
answer times. Whoever reads it adds the offset to the time of the turn; nothing here reads a clock.
"""

from __future__ import annotations

from core.model.units import NS_PER_MS

SAMPLES = 8
"""Samples kept: the one with the shortest round trip is trusted, and is soon replaced when clocks
drift, because the oldest leaves."""

DRIFT_NS = 20 * NS_PER_MS
"""How far two measurements may lie apart beyond what their round trips explain: a drift of 80 ppm
over as many samples, half a minute apart. What lies further apart was measured on clocks of which
one has been set since: only the newest tells how they stand now."""


class VenueClock:
    """Offset of the venue's clock: venue time = our time + ``offset_ns``."""

    __slots__ = ("_samples", "offset_ns", "queries_venue", "round_trip_ns")

    def __init__(self, *, queries_venue: bool = True) -> None:
        """Where the venue is never ``queries_venue`` for its time, its clock is ours."""
        self.queries_venue = queries_venue
        self._samples: list[tuple[int, int]] = []
        self.offset_ns = 0
        self.round_trip_ns = 0

    @property
    def known(self) -> bool:
        """Whether anything was measured yet, or nothing can be."""
        return bool(self._samples) or not self.queries_venue

    def measure(self, sent_ns: int, received_ns: int, venue_ns: int, within_ns: int = 0) -> None:
        """Take one answer: the venue said ``venue_ns`` between our two times.

        A clock that is told to ``within_ns`` is known no better than by a round trip that is
        longer by as much on both ways.
        """
        offset_ns = venue_ns - (sent_ns + received_ns) // 2
        round_trip_ns = received_ns - sent_ns + 2 * within_ns
        self._samples = [
            (trip_ns, old_ns)
            for trip_ns, old_ns in self._samples
            if abs(offset_ns - old_ns) <= (trip_ns + round_trip_ns) // 2 + DRIFT_NS
        ]
        self._samples.append((round_trip_ns, offset_ns))
        del self._samples[:-SAMPLES]
        self.round_trip_ns, self.offset_ns = min(self._samples)

    def forget(self) -> None:
        """Drop all samples: the venue says that our time is wrong, so the old ones mislead."""
        self._samples.clear()
