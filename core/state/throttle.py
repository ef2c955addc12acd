"""The venue's budgets, spent on our side before the venue has to refuse.

Here lives the count against each of the venue's rate limits, and who may spend how much of it. A
limit that cancels cost too is shared out: whatever orders and questions did, there is a token left
to take an order out, and a few before that to prove that nothing is left. What a command costs is
the venue's knowledge (``Adapter.cost``); our own order rate is risk's; waiting is nobody's: a
command that finds no token is refused at once.

We count what leaves, and the venue's own count wins in both directions, less what is still on its
way to it: a refused or filled order may cost nothing, and others may spend what is ours.

Times are venue time (our clock plus the measured offset), because the windows are aligned to the
venue's wall clock. Offset and latency are never known exactly, so what is sent within ``GUARD_NS``
of a window's edge counts in both windows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from enum import IntEnum

from core.model.errors import Misuse
from core.model.events import BudgetUse
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import Limit

Costs = tuple[tuple[str, int], ...]
"""What a command takes: kinds of limits, and tokens of each limit of that kind."""

RESERVE_DIVISOR = 10
"""One tenth of a limit that cancels cost (at least one token) is theirs alone: of Binance's 6,000
weight a minute that is 600 cancels, more than the orders a symbol may have open."""

STEP_DIVISOR = 20
"""A twentieth more is out of the orders' reach, so that questions can be asked whatever the orders
do, and another out of the questions': of 6,000 it lists the open orders of 25 symbols twice, which
proves an exit."""

GUARD_NS = 500 * NS_PER_MS
"""Clock error plus time on the wire, at its worst; a quarter of the interval where that is less.
A 10 s window loses a tenth of its throughput to it, a minute less than a fiftieth."""

COOL_DOWN_NS = 60 * NS_PER_S
"""Back-off where the venue states no time: Binance's weight window, so that it is fresh after."""

LONGEST_NS = 7 * 86_400 * NS_PER_S
"""Longest end of a ban or a back-off that is believed: bans last three days at most, and a number
gone wrong would keep us from cancelling for good."""

CANCELS_NS = 5 * NS_PER_S
"""How long cancels wait once the venue has throttled one: they are not taken for now, and who goes
on asking is banned, when nothing can be taken out at all. As long as an order's own back-off."""

LEAST_NS = 5 * NS_PER_S
"""Shortest back-off and ban: one that would be over already says that the clocks differ or that its
answer was slow, and who asks again at once is banned, or for longer. As long as cancels wait."""

BAN_NS = 600 * NS_PER_S
"""Silence where the venue states no end of a ban: bans begin at 2 minutes and every request
during one makes it longer."""


class Share(IntEnum):
    """On whose account a command leaves; each may go further into a shared limit than those before.

    All of them spend from the same count: what nobody else needs is anybody's.
    """

    ORDER = 0
    """What creates or changes orders."""
    QUESTION = 1
    """What only asks: at most three quarters of a limit, however little the orders use."""
    PROOF = 2
    """What a session and the exit cannot do without: logging on, and whether anything is left."""
    CANCEL = 3


_QUESTION = Share.QUESTION
_CANCEL = Share.CANCEL


class _Window:
    """One limit, and what was spent of it in the window that ``now`` lies in."""

    __slots__ = (
        "_guard_ns",
        "_interval_ns",
        "_start_ns",
        "amount",
        "asked",
        "carried",
        "early_ns",
        "edge_ns",
        "kind",
        "levels",
        "most_asked",
        "own_ns",
        "used",
    )

    def __init__(self, limit: Limit, *, shared: bool) -> None:
        self.kind = limit.kind
        self.used = 0
        self.asked = 0
        """Spent on questions."""
        self.carried = 0
        """Spent so near to the end that it counts in the next window too."""
        self._start_ns = 0
        self.resize(limit, shared=shared)

    def resize(self, limit: Limit, *, shared: bool) -> None:
        """Take the venue's amount and interval, keeping what was spent.

        Where the limit is ``shared`` with cancels, each share has a level of its own.
        """
        amount = limit.amount
        if amount <= 0 or limit.interval_ns <= 0:
            raise Misuse(f"limit {limit.name}: amount and interval must be above 0")
        self.amount = amount
        self.levels = (amount, amount, amount, amount)
        self.most_asked = amount
        if shared and amount > 1:
            kept, step = max(1, amount // RESERVE_DIVISOR), amount // STEP_DIVISOR
            open_amount = amount - kept
            self.levels = (open_amount - 2 * step, open_amount - step, open_amount, amount)
            self.most_asked = max(1, amount * 3 // 4)
        self._interval_ns = limit.interval_ns
        self._guard_ns = min(GUARD_NS, limit.interval_ns // 4)
        self._open(self._start_ns)

    def _open(self, now_ns: int) -> None:
        self._start_ns = now_ns - now_ns % self._interval_ns
        self.early_ns = self._start_ns - self._guard_ns
        self.edge_ns = self._start_ns + self._interval_ns - self._guard_ns
        self.own_ns = self._start_ns + self._guard_ns
        """From then until ``edge_ns`` the venue's count is surely of this window."""

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
            self.carried = self.asked = 0
        self._open(now_ns)


def _may_ask(charged: Sequence[tuple[_Window, int]]) -> bool:
    """Count a question where the questions' own part of every limit has room for it."""
    if any(window.asked + tokens > window.most_asked for window, tokens in charged):
        return False
    for window, tokens in charged:
        window.asked += tokens
    return True


def _spend(charged: Sequence[tuple[_Window, int]], now_ns: int) -> None:
    for window, tokens in charged:
        window.used += tokens
        if now_ns >= window.edge_ns:
            window.carried += tokens


class Throttle:
    """All of a venue's limits; one command takes from each that it costs, or from none.

    ``now_ns`` is venue time everywhere. ``cancel_kinds`` are the kinds of limits that a cancel
    costs: on those alone a reserve is kept for cancels.
    """

    __slots__ = (
        "_cancel_kinds",
        "_charged",
        "_kinds",
        "_published",
        "_windows",
        "banned_until_ns",
        "cancels_from_ns",
        "cooling_until_ns",
    )

    def __init__(self, limits: Sequence[Limit], cancel_kinds: Collection[str] = ()) -> None:
        self.cooling_until_ns = 0
        """Until then nothing but cancels is sent."""
        self.cancels_from_ns = 0
        """From then on cancels are sent while nothing else is: the venue has throttled them too."""
        self.banned_until_ns = 0
        """Until then nothing at all is sent."""
        self._cancel_kinds = frozenset(cancel_kinds)
        self._published = tuple(limits)
        self._windows: dict[str, _Window] = {}
        self._kinds: dict[str, tuple[_Window, ...]] = {}
        self._charged: dict[Costs, tuple[tuple[_Window, int], ...]] = {}
        """Which windows each command's costs are charged to: looked up for every order."""
        self.renew(limits)

    def renew(self, limits: Sequence[Limit]) -> None:
        """Take the limits the venue states now; a limit that keeps its name keeps its count.

        The published limits stand for every kind of which the venue states none.
        """
        stated = {limit.kind for limit in limits}
        limits = [*limits, *(limit for limit in self._published if limit.kind not in stated)]
        before = self._windows
        self._windows = {}
        kinds: dict[str, list[_Window]] = {}
        for limit in limits:
            shared = limit.kind in self._cancel_kinds
            window = before.get(limit.name)
            if window is None:
                window = _Window(limit, shared=shared)
            else:
                window.resize(limit, shared=shared)
            self._windows[limit.name] = window
            kinds.setdefault(limit.kind, []).append(window)
        self._kinds = {kind: tuple(windows) for kind, windows in kinds.items()}
        self._charged = {}

    def take(self, costs: Costs, now_ns: int, share: Share) -> bool:
        """Take the tokens of one command on the account of ``share``, all or none.

        ``costs`` name each kind at most once. Raises ``Misuse`` for a kind that does not exist.
        """
        if now_ns < self.cooling_until_ns and (
            share is not _CANCEL or now_ns < self.cancels_from_ns or now_ns < self.banned_until_ns
        ):
            return False
        charged = self._charged.get(costs) or self._charge(costs)
        level = share + 0  # no longer a member: the index of a tuple is looked up four times faster
        for window, tokens in charged:
            if not window.early_ns <= now_ns < window.edge_ns:
                window.turn(now_ns)
            if window.used + tokens > window.levels[level]:
                return False
        if share is _QUESTION and not _may_ask(charged):
            return False
        for window, tokens in charged:  # as ``_spend`` does, in the hurry of a send
            window.used += tokens
            if now_ns >= window.edge_ns:
                window.carried += tokens
        return True

    def charge(self, costs: Costs, now_ns: int) -> None:
        """Count what was spent already, whatever is left of it."""
        _spend(self._costing(costs, now_ns), now_ns)

    def _charge(self, costs: Costs) -> tuple[tuple[_Window, int], ...]:
        """Return each window that costs are charged to, and with how much; they are few."""
        try:
            charged = tuple((window, n) for kind, n in costs for window in self._kinds[kind])
        except KeyError as unknown:
            raise Misuse(f"a command costs limit {unknown}, which the venue lacks") from None
        self._charged[costs] = charged
        return charged

    def give_back(self, costs: Costs, now_ns: int) -> None:
        """An order of these costs has traded: limits on orders alone count it no more."""
        for window, tokens in self._on_orders(costs, now_ns):
            window.used = max(0, window.used - tokens)

    def run_out(self, costs: Costs, now_ns: int) -> None:
        """The venue took no order of these costs: the limit on orders with the shortest interval
        is used up, whatever we counted. Where it was another one, the next order tells again.
        """
        windows = [window for window, _ in self._on_orders(costs, now_ns)]
        if windows and all(window.used < window.amount for window in windows):
            shortest = min(windows, key=lambda window: window.edge_ns - window.early_ns)
            shortest.used = shortest.amount

    def _on_orders(self, costs: Costs, now_ns: int) -> list[tuple[_Window, int]]:
        orders = tuple(cost for cost in costs if cost[0] not in self._cancel_kinds)
        return self._costing(orders, now_ns)

    def _costing(self, costs: Costs, now_ns: int) -> list[tuple[_Window, int]]:
        """Return each window that is charged, at ``now_ns``, and with how much."""
        found = list(self._charged.get(costs) or self._charge(costs))
        for window, _ in found:
            if not window.early_ns <= now_ns < window.edge_ns:
                window.turn(now_ns)
        return found

    def free(self, name: str, now_ns: int) -> int:
        """Return the tokens of one limit that are left for orders; changes nothing."""
        window = self._windows[name]
        return max(0, window.levels[Share.ORDER] - window.used_at(now_ns))

    def learn(
        self, uses: Sequence[BudgetUse], now_ns: int, under_way: Iterable[Costs] | None = ()
    ) -> None:
        """Take the venue's own counts from a reply; a limit we do not know is passed over.

        ``under_way`` is what was asked and is not answered: none of it may be counted yet. It is
        ``None`` for a reply that others have overtaken, which may lack even what is answered: it
        lowers nothing.
        """
        unanswered: dict[str, int] = {}
        for costs in under_way or ():
            for kind, tokens in costs:
                unanswered[kind] = unanswered.get(kind, 0) + tokens
        windows = self._windows
        for use in uses:
            window = windows.get(use.name)
            if window is None:
                continue
            if not window.early_ns <= now_ns < window.edge_ns:
                window.turn(now_ns)
            counted, ours = use.used, window.used
            if counted > ours:
                window.used = counted
            elif (
                counted < ours
                and under_way is not None
                and window.own_ns <= now_ns < window.edge_ns
            ):
                if unanswered:
                    counted += unanswered.get(window.kind, 0)
                if counted < ours:
                    window.used = counted

    def cool_down(self, until_ns: int, now_ns: int) -> None:
        """Send nothing but cancels until ``until_ns``; 0 where the venue states no time."""
        until_ns = _believed_ns(until_ns or now_ns + COOL_DOWN_NS, now_ns)
        self.cooling_until_ns = max(self.cooling_until_ns, until_ns)

    def hold_cancels(self, now_ns: int) -> None:
        """The venue has throttled a cancel: send no other for a while."""
        self.cancels_from_ns = now_ns + CANCELS_NS

    def ban(self, until_ns: int, now_ns: int) -> None:
        """Send nothing at all until ``until_ns``; 0 where the venue states no time."""
        until_ns = _believed_ns(until_ns or now_ns + BAN_NS, now_ns)
        self.banned_until_ns = max(self.banned_until_ns, until_ns)
        self.cooling_until_ns = max(self.cooling_until_ns, self.banned_until_ns)


def _believed_ns(until_ns: int, now_ns: int) -> int:
    """Return the end of a silence that the venue has asked for, as far as it can be meant."""
    return min(max(until_ns, now_ns + LEAST_NS), now_ns + LONGEST_NS)
