"""Request weight: what is kept for cancels is spent on cancels alone. I30.

What each request costs is the documentation's word (rest-api.md and web-socket-api.md, 2026-10);
what is used of the limit is the exchange's, as it has told our side. A message may be refused for
something else in it, and the next one too, so that it takes three of a window to know.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import HttpRequest
from tools.world.audit.watch import Context, Watch
from tools.world.dialect import Request

KEPT: Final = 10
"""One part in so many of the limit is the cancels' own."""

MINUTE_NS: Final = 60 * NS_PER_S

EDGE_NS: Final = 2 * NS_PER_S
"""So near to the edge of a window it is not known which one a clock is in."""

SET_NS: Final = 100 * NS_PER_MS
"""By how much a clock moves at once where it was set; less is drift."""

MEASURED_NS: Final = 60 * NS_PER_S
"""Within which our side has measured a clock that was set."""

USED: Final = re.compile(rb'"rateLimitType":"REQUEST_WEIGHT"[^{}]{1,100}"count":(\d{1,9})\}')
"""What is used, at the end of a reply."""

NOTHING: Final[tuple[int, ...]] = (0, 0, 0)

USED_HEADER: Final = "x-mbx-used-weight-1m"

CANCELS: Final = frozenset(
    {
        "order.cancel",
        "openOrders.cancelAll",
        "DELETE /api/v3/order",
        "DELETE /api/v3/openOrders",
        "GET /api/v3/time",
    }
)
"""A cancel of a wrong time is refused: what tells the right one is a part of it."""

WEIGHTS: Final[Mapping[str, int]] = {
    "session.logon": 2,
    "userDataStream.subscribe": 2,
    "userDataStream.subscribe.signature": 2,
    "order.place": 1,
    "order.cancelReplace": 1,
    "order.amend.keepPriority": 4,
    "GET /api/v3/time": 1,
    "GET /api/v3/exchangeInfo": 20,
    "GET /api/v3/order": 4,
    "GET /api/v3/allOrders": 20,
    "GET /api/v3/account": 20,
    "POST /api/v3/order/test": 1,
}


def weigh(what: str, values: Mapping[str, str]) -> int:
    """Return what a request costs, at the least: what weight is unknown has one."""
    if what == "GET /api/v3/openOrders":
        return 6 if "symbol" in values else 80
    if what == "GET /api/v3/myTrades":
        return 5 if "orderId" in values else 20
    if what in ("GET /api/v3/ticker/bookTicker", "GET /api/v3/ticker/price"):
        return 2 if "symbol" in values else 4
    if what == "GET /api/v3/depth":
        levels = int(values.get("limit", "100"))
        return next((w for most, w in ((100, 5), (500, 25), (1_000, 50)) if levels <= most), 250)
    return WEIGHTS.get(what, 1)


class Weight(Watch):
    """What our side was told of its weight, and what it asks for all the same."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.limit = 0
        """0 where requests have no weight."""
        self.counted: Callable[[int], int] = lambda venue_ns: 0
        """What the exchange has counted in its current window."""
        self._told = NOTHING
        """The three largest counts that our side was told of this window, the largest last."""
        self._window = 0
        self._skew_ns = self._set_ns = 0

    def on_boot(self) -> None:
        self._told = NOTHING

    def on_told(self, payload: bytes, now_ns: int) -> None:
        used = USED.search(payload) if payload.startswith(b'{"id"') else None
        if used is not None:
            self._learn(int(used[1]), now_ns)

    def on_answer(self, headers: Mapping[str, str], now_ns: int) -> None:
        """A REST answer reaches our side."""
        used = headers.get(USED_HEADER, "")
        if used.isdecimal():
            self._learn(int(used), now_ns)

    def _learn(self, used: int, now_ns: int) -> None:
        """Take what is used; a count beyond the exchange's is of the window before."""
        venue_ns = now_ns + self._skew_ns
        self._enter(venue_ns)
        if used <= self.counted(venue_ns):
            self._told = tuple(sorted((*self._told, used)))[1:]

    def on_clock(self, now_ns: int, skew_ns: int) -> None:
        """The exchange's clock is so far ahead of ours."""
        if abs(skew_ns - self._skew_ns) > SET_NS:
            self._set_ns = now_ns
        self._skew_ns = skew_ns

    def on_request(self, request: Request, now_ns: int) -> None:
        self._ask(request.method, request.values, now_ns)

    def on_rest(self, request: HttpRequest, now_ns: int) -> None:
        """A request leaves by REST."""
        pairs = (pair.partition("=") for pair in request.query.split("&"))
        values = {name: value for name, _, value in pairs}
        self._ask(f"{request.method} {request.path}", values, now_ns)

    def _ask(self, what: str, values: Mapping[str, Any], now_ns: int) -> None:
        venue_ns = now_ns + self._skew_ns
        self._enter(venue_ns)
        if (
            not self.limit
            or what in CANCELS
            or (self._set_ns and now_ns < self._set_ns + MEASURED_NS)
        ):
            return
        if not EDGE_NS <= venue_ns % MINUTE_NS < MINUTE_NS - EDGE_NS:
            return
        used, weight = self._told[0], weigh(what, values)
        most = self.limit - self.limit // KEPT
        if used + weight > most:
            self.note("I30", f"{what} of {weight} leaves after {used}, {most} are not the cancels'")

    def _enter(self, venue_ns: int) -> None:
        if venue_ns // MINUTE_NS != self._window:
            self._window = venue_ns // MINUTE_NS
            self._told = NOTHING
