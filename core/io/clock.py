"""The engine's clock: UTC nanoseconds that never step.

Here lives the one clock that stamps hops and tells the engine the time, and the way from a kernel
stamp to it. The system's own clock is read once, at construction; from there on time advances by
``CLOCK_MONOTONIC``. A stepped system clock therefore moves nothing: what a venue's clock says
against ours is an offset that the engine keeps for itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

NowNs = Callable[[], int]
"""Tells the time in nanoseconds."""

ANCHOR_TRIES = 16
"""Readings to find one that nothing interrupted: one in thousands is, so 16 are plenty."""


class Clock(Protocol):
    """What a run takes its time from; never steps, never goes back."""

    now_ns: NowNs


class EngineClock:
    """UTC nanoseconds, anchored at construction, advancing with the monotonic clock.

    ``now_ns`` is a plain function kept in an attribute: a hop stamp costs one call (0.1 us), and
    whoever stamps often keeps it in a local name.
    """

    __slots__ = ("now_ns",)

    now_ns: NowNs

    def __init__(self) -> None:
        self.now_ns = _anchored(_utc_minus_monotonic_ns(), time.perf_counter_ns)


def since_realtime_ns(stamp_ns: int) -> int:
    """Return how long ago a ``CLOCK_REALTIME`` stamp was taken, such as the kernel's on a packet.

    An age carries over to any clock: subtract it from a time read at the same moment. A stamp
    from the future (the system clock was just set back) counts as taken now: 0.
    """
    age_ns = time.time_ns() - stamp_ns
    return age_ns if age_ns > 0 else 0


def _anchored(offset_ns: int, monotonic_ns: NowNs) -> NowNs:
    def now_ns() -> int:
        return monotonic_ns() + offset_ns

    return now_ns


def _utc_minus_monotonic_ns() -> int:
    """Return the offset from the reading that took the least time of several."""
    best_ns = offset_ns = 0
    for attempt in range(ANCHOR_TRIES):
        before_ns = time.perf_counter_ns()
        utc_ns = time.time_ns()
        took_ns = time.perf_counter_ns() - before_ns
        if attempt == 0 or took_ns < best_ns:
            best_ns, offset_ns = took_ns, utc_ns - before_ns - took_ns // 2
    return offset_ns
