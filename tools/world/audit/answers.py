"""Answers: what the exchange refuses for a while is let be, and what it asks for is done. I8, I35.

A cancel that was throttled is followed by none for some seconds: who goes on is banned, and then
nothing can be cancelled at all. Where the exchange takes no time of ours it is queried for its own.
"""

from __future__ import annotations

from typing import Final

from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import HttpRequest
from tools.world.audit.connection import Connection
from tools.world.audit.watch import Context, Watch
from tools.world.dialect import CANCEL, Request

CANCELS_NS: Final = 5 * NS_PER_S - 200 * NS_PER_MS
"""How long no cancel leaves, less what our measure of the exchange's clock may be off."""

MEASURED_NS: Final = 3 * NS_PER_S
"""Within which the exchange is queried for its time: it is asked once a second at most."""

UNDER_WAY_NS: Final = NS_PER_S
"""How long a question for the time is under way at most, as a rule."""


class Answers(Watch):
    """What our side was told last, and has to go by."""

    def __init__(self, context: Context, connection: Connection) -> None:
        super().__init__(context)
        self._connection = connection
        self._throttled_ns = self._cancels_from_ns = 0
        self._refused_ns = 0
        """Since when our time is not taken, 0 where nothing is known of that."""
        self._requested_ns = 0
        self._stops = 0

    def on_boot(self) -> None:
        self._throttled_ns = self._cancels_from_ns = self._refused_ns = self._requested_ns = 0

    def on_told(self, payload: bytes, now_ns: int) -> None:
        if self.dialect.cancel_throttled(payload):
            self._throttled_ns = now_ns
        refused = self.dialect.time_refused(payload)
        # One that is asked already may be answered only now.
        if refused and not self._refused_ns and now_ns - self._requested_ns > UNDER_WAY_NS:
            self._refused_ns, self._stops = now_ns, self._connection.stops
        self._check_time(now_ns)

    def on_turn_over(self) -> None:
        """What was told last is known from here on."""
        if self._throttled_ns:
            self._cancels_from_ns = self._throttled_ns + CANCELS_NS
            self._throttled_ns = 0

    def on_market(self, now_ns: int) -> None:
        self._check_time(now_ns)

    def on_request(self, request: Request, now_ns: int) -> None:
        if request.kind == CANCEL and now_ns < self._cancels_from_ns:
            left_ms = (self._cancels_from_ns - now_ns) // NS_PER_MS
            self.note("I8", f"a cancel leaves {left_ms} ms too early after a throttled one")

    def on_rest(self, request: HttpRequest, now_ns: int) -> None:
        """Our side asks something over REST."""
        if self.dialect.rest_kind(request.path) == "time":
            self._refused_ns, self._requested_ns = 0, now_ns

    def _check_time(self, now_ns: int) -> None:
        if not self._refused_ns:
            return
        if (
            self._connection.is_slow(now_ns)
            or self._connection.closed
            or self._stops != self._connection.stops
        ):
            self._refused_ns = 0
        elif now_ns - self._refused_ns > MEASURED_NS:
            seconds = MEASURED_NS / NS_PER_S
            self.note("I35", f"our time was refused {seconds:g} s ago, and nobody asked for theirs")
