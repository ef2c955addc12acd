"""Meters: what was spent of one limit, by each rule that venues count by.

Here lives the count, and how much of a limit each share of the commands may use. Which limits a
command is charged to is the throttle's; what it costs is the venue's.

What is sent later may arrive sooner after what was sent before than it left, and two clocks never
agree. So everything counts for ``GUARD_NS`` longer than the venue states, whatever the rule.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from typing import Final

from core.model.errors import Misuse
from core.model.events import Limit, Rule
from core.model.units import NS_PER_MS

RESERVE_DIVISOR = 10
"""One tenth of a limit that cancels cost (at least one token) is theirs alone: of 6,000 a minute
that is 600 cancels, more than the orders a symbol may have open."""

STEP_DIVISOR = 20
"""A twentieth more is out of the orders' reach, so that questions can be asked whatever the orders
do, and another out of the questions': of 6,000 it lists the open orders of 25 symbols twice, which
proves an exit."""

GUARD_NS = 500 * NS_PER_MS
"""Clock error plus time on the wire, at its worst; a quarter of the interval where that is less.
A 10 s window loses a tenth of its throughput to it, a minute less than a fiftieth."""

SLOTS: Final = 1_000
"""A sliding interval remembers so many moments at most: where it takes more than that, what leaves
within a thousandth of it counts as having left at the end of that thousandth."""


class Share(IntEnum):
    """On whose account a command leaves; each may go further into a shared limit than those before.

    All of them spend from the same count: what nobody else needs is anybody's.
    """

    ORDER = 0
    """What creates or changes orders."""
    QUESTION = 1
    """What only asks: at most three quarters of a limit, however little the orders use."""
    RESOLUTION = 2
    """What a session and the exit cannot do without: logging on, and whether anything is left."""
    CANCEL = 3


_QUESTION = Share.QUESTION
_CANCEL = Share.CANCEL


def _checked(limit: Limit) -> int:
    """Return the amount of a limit that can be kept."""
    if limit.amount <= 0 or limit.interval_ns <= 0:
        raise Misuse(f"limit {limit.name}: amount and interval must be above 0")
    if limit.unfilled and limit.rule is not Rule.FIXED:
        raise Misuse(f"limit {limit.name}: {limit.rule} intervals take nothing off their count")
    return limit.amount


def _levels(amount: int, *, shared: bool) -> tuple[tuple[int, int, int, int], int]:
    """Return how far each share may go, and how much may be spent on questions.

    Where a limit is ``shared`` with cancels, each share has a level of its own.
    """
    if not shared or amount == 1:
        return (amount, amount, amount, amount), amount
    kept, step = _reserve(amount), amount // STEP_DIVISOR
    rest = amount - kept
    return (rest - 2 * step, rest - step, rest, amount), max(1, amount * 3 // 4)


def _reserve(amount: int) -> int:
    return max(1, amount // RESERVE_DIVISOR)


class Window:
    """A limit of fixed intervals, and what was spent of it in the one that ``now`` lies in.

    Times are the venue's: its windows are aligned to its clock. What is sent within the guard of an
    edge counts in both windows.
    """

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
        "most_requested",
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
        """Take the venue's amount and interval, keeping what was spent."""
        self.amount = _checked(limit)
        self.levels, self.most_requested = _levels(self.amount, shared=shared)
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
        window it is set back to, and in the next where that is the one it was set back from. A
        window farther ahead was never the venue's: that of ``now_ns`` was.
        """
        if now_ns < self.early_ns:
            left_ns = self._start_ns
            self._open(now_ns)
            again = left_ns <= self._start_ns + self._interval_ns or now_ns >= self.edge_ns
            self.carried = self.used if again else 0
        elif now_ns >= self.edge_ns + 2 * self._guard_ns:
            self.used = self.used_at(now_ns)
            self.carried = self.asked = 0
            self._open(now_ns)

    def admits(self, tokens: int, now_ns: int, share: Share, kept: int) -> bool:
        """Whether so many tokens are left for a share; nothing more than its level is kept."""
        if not self.early_ns <= now_ns < self.edge_ns:
            self.turn(now_ns)
        if self.used + tokens > self.levels[share]:
            return False
        return share is not _QUESTION or self.asked + tokens <= self.most_requested

    def spend(self, tokens: int, now_ns: int, *, asked: bool) -> None:
        """Count tokens, whatever is left."""
        if not self.early_ns <= now_ns < self.edge_ns:
            self.turn(now_ns)
        self.used += tokens
        if asked:
            self.asked += tokens
        if now_ns >= self.edge_ns:
            self.carried += tokens

    def give_back(self, tokens: int, now_ns: int) -> None:
        """Count tokens no more."""
        if not self.early_ns <= now_ns < self.edge_ns:
            self.turn(now_ns)
        self.used = max(0, self.used - tokens)

    def full(self, now_ns: int) -> bool:
        """Whether our own count says that nothing is left."""
        if not self.early_ns <= now_ns < self.edge_ns:
            self.turn(now_ns)
        return self.used >= self.amount

    def fill(self, now_ns: int) -> None:
        """The venue says that nothing is left."""
        self.used = max(self.used, self.amount)

    def moved(self, by_ns: int, now_ns: int) -> None:
        """What was counted on a clock that was off by far goes along to this window."""
        self.carried = 0
        self._open(now_ns)

    def begun_ns(self, now_ns: int) -> int:
        """Return since when what was spent counts at ``now_ns``."""
        return now_ns - now_ns % self._interval_ns

    def lasts_ns(self) -> int:
        """Return how long it takes at most until all of it is there again."""
        return self._interval_ns

    def learn(self, counted: int, unanswered: int, now_ns: int, lowers: bool) -> None:
        """Take the venue's count: at once where it is higher; where it is lower, only as far as it
        is surely of this window, and with what it may lack.
        """
        if not self.early_ns <= now_ns < self.edge_ns:
            self.turn(now_ns)
        if counted > self.used:
            self.used = counted
        elif lowers and counted + unanswered < self.used and self.own_ns <= now_ns < self.edge_ns:
            self.used = counted + unanswered

    def free(self, now_ns: int) -> int:
        """Return the tokens that are left for orders, changing nothing."""
        return max(0, self.levels[Share.ORDER] - self.used_at(now_ns))


class Sliding:
    """A limit of any interval, whenever it begins: each token counts for one, and the guard."""

    __slots__ = (
        "_interval_ns",
        "_last_ns",
        "_levels",
        "_most_requested",
        "_slot_ns",
        "_spent",
        "amount",
        "asked",
        "kind",
        "used",
    )

    def __init__(self, limit: Limit, *, shared: bool) -> None:
        self.kind = limit.kind
        self.used = 0
        self.asked = 0
        self._spent: deque[tuple[int, int, int]] = deque()
        """When, how many tokens, and how many of them on questions; oldest first."""
        self.resize(limit, shared=shared)

    def resize(self, limit: Limit, *, shared: bool) -> None:
        """Take the venue's amount and interval, keeping what was spent."""
        self.amount = _checked(limit)
        self._levels, self._most_requested = _levels(self.amount, shared=shared)
        self._interval_ns = limit.interval_ns + min(GUARD_NS, limit.interval_ns // 4)
        self._slot_ns = 1 if self.amount <= SLOTS else max(1, limit.interval_ns // SLOTS)

    def _slot(self, now_ns: int) -> int:
        """Return the time that what is spent now counts from."""
        return now_ns + (-now_ns) % self._slot_ns

    def _enter(self, now_ns: int) -> None:
        """Forget what counts no more.

        What was spent on a clock that was set back since counts from now: it is not later.
        """
        spent, slot_ns = self._spent, self._slot(now_ns)
        if spent and spent[-1][0] > slot_ns:
            self._spent = spent = deque((min(at_ns, slot_ns), n, q) for at_ns, n, q in spent)
        since_ns = now_ns - self._interval_ns
        while spent and spent[0][0] <= since_ns:
            _, tokens, asked = spent.popleft()
            self.used -= tokens
            self.asked -= asked

    def admits(self, tokens: int, now_ns: int, share: Share, kept: int) -> bool:
        """Whether so many tokens are left for a share; nothing more than its level is kept."""
        self._enter(now_ns)
        if self.used + tokens > self._levels[share]:
            return False
        return share is not _QUESTION or self.asked + tokens <= self._most_requested

    def spend(self, tokens: int, now_ns: int, *, asked: bool) -> None:
        """Count tokens, whatever is left."""
        self._enter(now_ns)
        spent, slot_ns, questions = self._spent, self._slot(now_ns), tokens if asked else 0
        self.used += tokens
        self.asked += questions
        if spent and spent[-1][0] == slot_ns:
            _, before, requested_before = spent.pop()
            spent.append((slot_ns, before + tokens, requested_before + questions))
        else:
            spent.append((slot_ns, tokens, questions))

    def full(self, now_ns: int) -> bool:
        """Whether our own count says that nothing is left."""
        self._enter(now_ns)
        return self.used >= self.amount

    def fill(self, now_ns: int) -> None:
        """The venue says that nothing is left."""
        self._enter(now_ns)
        if self.used < self.amount:
            self.spend(self.amount - self.used, now_ns, asked=False)

    def moved(self, by_ns: int, now_ns: int) -> None:
        """What was counted on a clock that was off by far was counted so much later."""
        self._spent = deque((at_ns + by_ns, n, q) for at_ns, n, q in self._spent)
        self._enter(now_ns)

    def begun_ns(self, now_ns: int) -> int:
        """No moment: what was spent comes back by and by."""
        return 0

    def lasts_ns(self) -> int:
        """Return how long it takes at most until all of it is there again."""
        return self._interval_ns

    def learn(self, counted: int, unanswered: int, now_ns: int, lowers: bool) -> None:
        """Take the venue's count; where it is lower, the oldest of ours are the first to go."""
        self._enter(now_ns)
        if counted > self.used:
            self.spend(counted - self.used, now_ns, asked=False)
            return
        beyond = self.used - counted - unanswered if lowers else 0
        while beyond > 0:
            at_ns, tokens, asked = self._spent.popleft()
            left = max(0, tokens - beyond)
            self.used -= tokens - left
            self.asked -= asked - min(asked, left)
            beyond -= tokens - left
            if left:
                self._spent.appendleft((at_ns, left, min(asked, left)))

    def free(self, now_ns: int) -> int:
        """Return the tokens that are left for orders, changing nothing."""
        since_ns = now_ns - self._interval_ns
        used = sum(tokens for at_ns, tokens, _ in self._spent if at_ns > since_ns)
        return max(0, self._levels[Share.ORDER] - used)


class Bucket:
    """A limit whose counter comes down by one in each interval: two integers are all of it.

    Instead of the counter it keeps the moment at which that will be down to 0 (GCRA). Where cancels
    are charged to it, what it would cost to cancel all that is open is kept back for them; that is
    told with each command, because it changes with every order and its age. It is never less than
    a tenth, for the cancel that has to be sent twice.
    """

    __slots__ = (
        "_clear_ns",
        "_last_ns",
        "_least_kept_ns",
        "_most_asked_ns",
        "_most_ns",
        "_requested_ns",
        "_token_ns",
        "amount",
        "kind",
    )

    def __init__(self, limit: Limit, *, shared: bool) -> None:
        self.kind = limit.kind
        self._clear_ns = 0
        """When nothing of what was spent will count any more."""
        self._requested_ns = 0
        """The same, had nothing but questions been sent."""
        self._last_ns = 0
        self._token_ns = limit.interval_ns
        self.resize(limit, shared=shared)

    def resize(self, limit: Limit, *, shared: bool) -> None:
        """Take the venue's amount and interval, keeping how much was spent."""
        amount = self.amount = _checked(limit)
        token_ns, before_ns = limit.interval_ns, self._token_ns
        now_ns = self._last_ns
        self._clear_ns = now_ns + max(0, self._clear_ns - now_ns) * token_ns // before_ns
        self._requested_ns = now_ns + max(0, self._requested_ns - now_ns) * token_ns // before_ns
        self._token_ns = token_ns
        whole_ns = amount * token_ns
        self._most_ns = whole_ns - min(GUARD_NS, whole_ns // 4)
        shared = shared and amount > 1
        self._least_kept_ns = _reserve(amount) * token_ns if shared else 0
        self._most_asked_ns = self._most_ns * 3 // 4 if shared else self._most_ns

    def _spent_ns(self, now_ns: int) -> int:
        """Return how long it takes until nothing counts any more.

        A clock that is set back makes that no longer, and no shorter either.
        """
        back_ns = self._last_ns - now_ns
        if back_ns > 0:
            self._clear_ns -= back_ns
            self._requested_ns -= back_ns
        self._last_ns = now_ns
        return max(0, self._clear_ns - now_ns)

    def admits(self, tokens: int, now_ns: int, share: Share, kept: int) -> bool:
        """Whether so many tokens are left for a share, with ``kept`` more for cancels."""
        spent_ns, token_ns = self._spent_ns(now_ns), self._token_ns
        wanted_ns = tokens * token_ns
        most_ns = self._most_ns
        if share is not _CANCEL and self._least_kept_ns:
            most_ns -= max(kept * token_ns, self._least_kept_ns)
        if wanted_ns and spent_ns + wanted_ns > most_ns:
            return False
        if share is not _QUESTION:
            return True
        return max(0, self._requested_ns - now_ns) + wanted_ns <= self._most_asked_ns

    def spend(self, tokens: int, now_ns: int, *, asked: bool) -> None:
        """Count tokens, whatever is left."""
        self._clear_ns = now_ns + self._spent_ns(now_ns) + tokens * self._token_ns
        if asked:
            self._requested_ns = max(now_ns, self._requested_ns) + tokens * self._token_ns

    def full(self, now_ns: int) -> bool:
        """Whether our own count says that nothing is left."""
        return self._spent_ns(now_ns) >= self.amount * self._token_ns

    def fill(self, now_ns: int) -> None:
        """The venue says that nothing is left."""
        self._clear_ns = now_ns + max(self._spent_ns(now_ns), self.amount * self._token_ns)

    def moved(self, by_ns: int, now_ns: int) -> None:
        """What was counted on a clock that was off by far was counted so much later."""
        self._clear_ns += by_ns
        self._requested_ns += by_ns
        self._last_ns += by_ns

    def begun_ns(self, now_ns: int) -> int:
        """No moment: what was spent comes back by and by."""
        return 0

    def lasts_ns(self) -> int:
        """Return how long it takes at most until all of it is there again."""
        return self.amount * self._token_ns

    def learn(self, counted: int, unanswered: int, now_ns: int, lowers: bool) -> None:
        """Take the venue's count; where it is lower, with what it may lack."""
        spent_ns = self._spent_ns(now_ns)
        counted_ns = counted * self._token_ns
        if counted_ns > spent_ns:
            self._clear_ns = now_ns + counted_ns
        elif lowers:
            self._clear_ns = now_ns + min(spent_ns, counted_ns + unanswered * self._token_ns)

    def free(self, now_ns: int) -> int:
        """Return the tokens that are left for orders while nothing is open, changing nothing."""
        spent_ns = max(0, self._clear_ns - max(now_ns, self._last_ns))
        return max(0, (self._most_ns - self._least_kept_ns - spent_ns) // self._token_ns)


Meter = Window | Sliding | Bucket

METERS: Final[dict[Rule, type[Window] | type[Sliding] | type[Bucket]]] = {
    Rule.FIXED: Window,
    Rule.SLIDING: Sliding,
    Rule.BUCKET: Bucket,
}
