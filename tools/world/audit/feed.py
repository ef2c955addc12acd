"""The feed: no order leaves on a book whose last word from the venue is of long ago. I7.

How old a word is is read from the bytes that reached our side: the time that the venue has stamped
them with, against the venue's clock as it truly is. Nothing that our side has measured is heard.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from core.model.units import NS_PER_MS, NS_PER_S
from tools.world.audit.connection import Ear
from tools.world.audit.watch import Context, Sent, Watch

MEASURED_NS: Final = 60 * NS_PER_S
"""Within which our side has measured a clock that was set."""

SET_NS: Final = 100 * NS_PER_MS
"""By how much a clock moves at once where it was set; less is drift."""

TOLERANCE_NS: Final = 500 * NS_PER_MS
"""How far our measure of the venue's clock may be off."""


class Feed(Watch):
    """How late each symbol's last change of depth was, by the connection that brought it."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._ears: dict[int, Ear] = {}
        self._late_ns: dict[str, dict[int, int]] = {name: {} for name in self.markets}
        self._skew_ns = self._set_ns = 0
        self.hearers: list[Callable[[bytes, int], None]] = []
        """Who hears each message."""

    def on_boot(self) -> None:
        self._ears.clear()
        for late_ns in self._late_ns.values():
            late_ns.clear()

    def on_feed(self, link: int, data: bytes, now_ns: int, skew_ns: int) -> list[str]:
        """The market line says something; return the symbols whose whole books it tells."""
        if abs(skew_ns - self._skew_ns) > SET_NS:
            self._set_ns = now_ns
        self._skew_ns = skew_ns
        whole = []
        for payload in self._ears.setdefault(link, Ear()).hear(data):
            symbol, told_ns = self.dialect.dated(payload) or ("", 0)
            for hear in self.hearers:
                hear(payload, now_ns)
            if symbol in self._late_ns:
                self._late_ns[symbol][link] = now_ns + skew_ns - told_ns
            image = self.dialect.snapshot_of(payload)
            if image:
                whole.append(image)
        return whole

    def on_cut(self, link: int) -> None:
        """A connection is lost, or closed."""
        self._ears.pop(link, None)
        for late_ns in self._late_ns.values():
            late_ns.pop(link, None)

    def on_order(self, order: Sent, now_ns: int) -> None:
        late_ns = self._late_ns[order.symbol].values()
        if not late_ns or now_ns < self._set_ns + MEASURED_NS:
            return
        least_ns = min(map(abs, late_ns))
        if least_ns > self.limits[order.symbol].max_feed_age_ns + TOLERANCE_NS:
            ms = least_ns // NS_PER_MS
            self.note("I7", f"{order.client_id} leaves on {order.symbol}, {ms} ms off the venue")
