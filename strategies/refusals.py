"""What a strategy does about a no: wait longer each time, and say so once a minute.

An order can be refused by our own risk check, by the venue's budget or by the venue; a strategy
that tries again at every tick would burn its budget and flood its log. One ``Refusals`` stands
between one instrument, or one side of it, and that. What is free again soon, and costs nothing to
try, is tried soon.
"""

from __future__ import annotations

from core.model.strategy import Desk
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.views import RefusalReason

FIRST_PAUSE_NS = 100 * NS_PER_MS
"""Short: most refusals are a post-only order that the market has overtaken."""

LONGEST_PAUSE_NS = 10 * NS_PER_S
"""Long enough to cost nothing, short enough that a limit which is free again is used again."""

_SOON = frozenset({RefusalReason.ORDER_RATE, RefusalReason.VENUE_LIMIT, RefusalReason.BACK_OFF})
"""Refusals of our own that end by themselves within seconds: there is room again, or a pause
ends.
"""

LOG_INTERVAL_NS = 60 * NS_PER_S
"""One line a minute for each reason; there are some twenty reasons."""


class Refusals:
    """The pause after refusals: doubled by each, ended by a success."""

    __slots__ = ("_counts", "_logged_ns", "_name", "_pause_ns", "paused", "tag")

    def __init__(self, name: str, tag: str) -> None:
        """Count for ``name``; ``tag`` is that of the timer which ends a pause."""
        self._name = name
        self.tag = tag
        self.paused = False
        self._pause_ns = FIRST_PAUSE_NS
        self._counts: dict[str, int] = {}
        self._logged_ns: dict[str, int] = {}

    def note(self, desk: Desk, reason: str, text: str) -> None:
        """Take a refusal: pause, and log its reason unless it was logged a short while ago."""
        self._counts[reason] = self._counts.get(reason, 0) + 1
        logged_ns = self._logged_ns.get(reason)
        if logged_ns is None or desk.now_ns - logged_ns >= LOG_INTERVAL_NS:
            self._logged_ns[reason] = desk.now_ns
            desk.log(f"{self._name}: {reason}: {text} ({self._counts[reason]} so far)")
        if not self.paused:
            self.paused = True
            if reason in _SOON:
                desk.timer(FIRST_PAUSE_NS, self.tag)
            else:
                desk.timer(self._pause_ns, self.tag)
                self._pause_ns = min(2 * self._pause_ns, LONGEST_PAUSE_NS)

    def resume(self) -> None:
        """End the pause: its timer is due."""
        self.paused = False

    def succeeded(self) -> None:
        """Take an accepted order: the next pause is a short one again."""
        self._pause_ns = FIRST_PAUSE_NS
