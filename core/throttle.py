"""The venue's budgets, spent on our side before the venue has to refuse.

Here lives the count against each of the venue's rate limits, with a share of every one kept back
for cancels: whatever the orders did, there is a token left to take them out. What a command costs
is the venue's knowledge (``Adapter.cost``); our own order rate is risk's; waiting is nobody's: a
command that finds no token is refused at once.

Times are venue time (our clock plus the measured offset), because the windows are aligned to the
venue's wall clock. Offset and latency are never known exactly, so what is sent within ``GUARD_NS``
of a window's edge counts in both windows.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import Misuse
from core.events import BudgetUse
from core.units import NS_PER_MS, NS_PER_S
from core.venue import Limit

RESERVE_DIVISOR = 10
"""One tenth of every limit (at least one token) is kept back for cancels: of Binance's 6,000
weight a minute that is 600 cancels, more than the orders a symbol may have open."""

GUARD_NS = 500 * NS_PER_MS
"""Clock error plus time on the wire, at its worst; a quarter of the interval where that is less.
A 10 s window loses a tenth of its throughput to it, a minute less than a fiftieth."""

ANSWER_NS = 10 * NS_PER_S
"""A request sent longer ago is in the venue's count or will never be: twice Binance's default
receive window of 5 s, after which the venue no longer accepts it."""

COOL_DOWN_NS = 60 * NS_PER_S
"""Back-off where the venue states no time: Binance's weight window, so that it is fresh after."""

BAN_NS = 600 * NS_PER_S
"""Silence where the venue states no end of a ban: bans begin at 2 minutes and every request
during one makes it longer."""


class _Window:
    """One limit and what was spent of it in the window that ``now`` lies in."""

    __slots__ = (
        "_guard_ns",
        "_interval_ns",
        "_settled",
        "_settled_ns",
        "_start_ns",
        "amount",
        "carried",
        "early_ns",
        "edge_ns",
        "open_amount",
        "used",
    )

    def __init__(self, limit: Limit) -> None:
        self.used = 0
        self.carried = 0
        """Spent so near to the end that it counts in the next window too."""
        self._start_ns = 0
        self._settled = 0
        self._settled_ns = 0
        self.resize(limit)

    def resize(self, limit: Limit) -> None:
        """Take the venue's amount and interval, keeping what was spent."""
        if limit.amount <= 0 or limit.interval_ns <= 0:
            raise Misuse(f"limit {limit.name}: amount and interval must be above 0")
        reserve = max(1, limit.amount // RESERVE_DIVISOR) if limit.amount > 1 else 0
        self.amount = limit.amount
        self.open_amount = limit.amount - reserve
        self._interval_ns = limit.interval_ns
        self._guard_ns = min(GUARD_NS, limit.interval_ns // 4)
        self._open(self._start_ns)

    def _open(self, now_ns: int) -> None:
        self._start_ns = now_ns - now_ns % self._interval_ns
        self.early_ns = self._start_ns - self._guard_ns
        self.edge_ns = self._start_ns + self._interval_ns - self._guard_ns

    def used_at(self, now_ns: int) -> int:
        """Return what counts against the limit at ``now_ns``, changing nothing."""
        end_ns = self.edge_ns + 2 * self._guard_ns
        if now_ns < end_ns:
            return self.used
        return self.carried if now_ns < end_ns + self._interval_ns else 0

    def turn(self, now_ns: int) -> None:
        """Enter the window of ``now_ns``; called outside ``early_ns <= now_ns < edge_ns``.

        A clock that was set back may pass the same window again, so what was spent counts in the
        window it is set back to and in the next.
        """
        if now_ns < self.early_ns:
            self.carried = self.used
        elif now_ns < self.edge_ns + 2 * self._guard_ns:
            return
        else:
            self.used = self.used_at(now_ns)
            self.carried = 0
        self._open(now_ns)
        self._settle(now_ns)

    def learn(self, counted: int, now_ns: int) -> None:
        """Take the venue's own count, which may be of the moment of any request not yet settled.

        More than ours is always believed. Less is believed for what was spent before the last
        mark, once that is ``ANSWER_NS`` old; what was spent since then stays on top. Near an edge
        the count may be of either window, and lowers nothing.
        """
        if counted > self.used:
            self.used = counted
        if now_ns < self.edge_ns and now_ns - self._settled_ns >= ANSWER_NS:
            self.used = min(self.used, counted + self.used - self._settled)
            self._settle(now_ns)

    def _settle(self, now_ns: int) -> None:
        self._settled = self.used
        self._settled_ns = now_ns


class Throttle:
    """All of a venue's limits; one command takes from each that it costs, or from none.

    ``now_ns`` is venue time everywhere. Requests that only ask go with the orders, unless their
    answer is what proves that nothing is left open: those may be taken as a cancel.
    """

    __slots__ = ("_windows", "banned_until_ns", "cooling_until_ns")

    def __init__(self, limits: Sequence[Limit]) -> None:
        self.cooling_until_ns = 0
        """Until then nothing but cancels is sent."""
        self.banned_until_ns = 0
        """Until then nothing at all is sent."""
        self._windows: dict[str, _Window] = {}
        self.renew(limits)

    def renew(self, limits: Sequence[Limit]) -> None:
        """Take the limits the venue states now; a limit that keeps its name keeps its count."""
        before = self._windows
        self._windows = {}
        for limit in limits:
            window = before.get(limit.name)
            if window is None:
                window = _Window(limit)
            else:
                window.resize(limit)
            self._windows[limit.name] = window

    def take(self, costs: Sequence[tuple[str, int]], now_ns: int, cancel: bool) -> bool:
        """Take the tokens of one command, all or none; ``cancel`` may use the reserve.

        ``costs`` name each limit at most once. Raises ``Misuse`` for a limit that does not exist.
        """
        if now_ns < self.cooling_until_ns and (not cancel or now_ns < self.banned_until_ns):
            return False
        windows = self._windows
        try:
            for name, tokens in costs:
                window = windows[name]
                if not window.early_ns <= now_ns < window.edge_ns:
                    window.turn(now_ns)
                if window.used + tokens > (window.amount if cancel else window.open_amount):
                    return False
        except KeyError as unknown:
            raise Misuse(f"a command costs limit {unknown}, which the venue lacks") from None
        self._spend(costs, now_ns)
        return True

    def charge(self, costs: Sequence[tuple[str, int]], now_ns: int) -> None:
        """Count what was spent already, whatever is left of it."""
        for name, _ in costs:
            window = self._windows[name]
            if not window.early_ns <= now_ns < window.edge_ns:
                window.turn(now_ns)
        self._spend(costs, now_ns)

    def _spend(self, costs: Sequence[tuple[str, int]], now_ns: int) -> None:
        for name, tokens in costs:
            window = self._windows[name]
            window.used += tokens
            if now_ns >= window.edge_ns:
                window.carried += tokens

    def free(self, name: str, now_ns: int) -> int:
        """Return the tokens left for orders, the reserve aside; changes nothing."""
        window = self._windows[name]
        return max(0, window.open_amount - window.used_at(now_ns))

    def learn(self, uses: Sequence[BudgetUse], now_ns: int) -> None:
        """Take the venue's own counts from a reply; a limit we do not know is passed over."""
        for use in uses:
            window = self._windows.get(use.name)
            if window is not None:
                if not window.early_ns <= now_ns < window.edge_ns:
                    window.turn(now_ns)
                window.learn(use.used, now_ns)

    def cool_down(self, until_ns: int, now_ns: int) -> None:
        """Send nothing but cancels until ``until_ns``; 0 where the venue states no time."""
        self.cooling_until_ns = max(self.cooling_until_ns, until_ns or now_ns + COOL_DOWN_NS)

    def ban(self, until_ns: int, now_ns: int) -> None:
        """Send nothing at all until ``until_ns``; 0 where the venue states no time."""
        self.banned_until_ns = max(self.banned_until_ns, until_ns or now_ns + BAN_NS)
        self.cooling_until_ns = max(self.cooling_until_ns, self.banned_until_ns)
