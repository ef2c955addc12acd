"""The venue's report minus our table: what has to be asked, adopted or left alone.

Here lives the comparison, and the bookkeeping of one pass at a time. A pass requests the open
orders and recent trades of every instrument and for the account; its answers are applied like any
other event. What the comparison finds is never written into the table by force: an order that the
venue does not list is queried, an order of ours that the table does not hold is adopted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from msgspec import Struct

from core.model.commands import BEGINNING, Riskless, Since
from core.model.events import OrderReport
from core.model.units import NS_PER_S
from core.model.views import OrderView


class Difference(Struct, frozen=True):
    """What one list of open orders shows."""

    missing: tuple[str, ...]
    """Client ids of ours, open by our table, sent before we asked, not listed: query each."""
    leftover: tuple[OrderReport, ...]
    """Of our scope, open at the venue, unknown to the table: an earlier boot left them."""
    foreign: int
    """Open orders of others on this account; counted, and left alone."""


def compare(
    table: Iterable[OrderView],
    listed: Iterable[OrderReport],
    requested_ns: int,
    is_known: Callable[[str], bool],
    is_ours: Callable[[str], bool],
) -> Difference:
    """Hold the venue's list of open orders on one instrument against the table's.

    ``is_known`` tells whether the table holds a client order id at all, finished ones included;
    ``is_ours`` whether an id was given by our scope, in this boot or an earlier one.
    """
    ids: set[str] = set()
    leftover = []
    foreign = 0
    for report in listed:
        ids.add(report.client_order_id)
        if is_known(report.client_order_id):
            continue
        if is_ours(report.client_order_id):
            leftover.append(report)
        else:
            foreign += 1
    missing = tuple(
        order.client_order_id
        for order in table
        if order.sent_ns < requested_ns and order.client_order_id not in ids
    )
    return Difference(missing, tuple(leftover), foreign)


MOST_AT_ONCE = 8
"""Questions of a pass under way at one time: 100 symbols take some thirty round trips, and REST
keeps room for cancels and snapshots."""


class Pass:
    """One reconciliation: what is still to be asked, which answers are awaited, and since when."""

    __slots__ = ("_awaited", "_waiting", "failed", "running", "started_ns")

    def __init__(self) -> None:
        self.running = False
        self.failed = False
        self.started_ns = 0
        self._awaited: set[int] = set()
        self._waiting: deque[Riskless] = deque()

    def start(self, now_ns: int) -> None:
        """Begin a pass; the one before it, if any, is void."""
        self.running = True
        self.failed = False
        self.started_ns = now_ns
        self._awaited.clear()
        self._waiting.clear()

    def want(self, commands: Iterable[Riskless]) -> None:
        """Add questions to a pass that runs; one that was given up wants none."""
        if self.running:
            self._waiting.extend(commands)

    def next(self) -> Riskless | None:
        """Return what to ask now, ``None`` while enough is under way or nothing waits."""
        return self._waiting[0] if self._waiting and len(self._awaited) < MOST_AT_ONCE else None

    def requested(self, request_id: int) -> None:
        """The next question has left as this request."""
        self._waiting.popleft()
        self._awaited.add(request_id)

    def answered(self, request_id: int, *, proved: bool) -> bool:
        """Count an answer; return whether this was the last of a pass that proved everything."""
        if request_id not in self._awaited:
            return False
        self._awaited.discard(request_id)
        self.failed = self.failed or not proved
        if self._awaited or self._waiting or not self.running:
            return False
        self.running = False
        return not self.failed

    def stop(self) -> None:
        """Give the pass up: the connection it ran for is lost."""
        self.running = False
        self._awaited.clear()
        self._waiting.clear()


class Watermark:
    """Up to which trade of an instrument a history is complete, although it may lag.

    A history may show a newer trade before an older one, for as long as it lags behind, and tell
    its pages in any order. What is older than its lag is complete and is not requested again, as
    long as no reading of it was broken off: until one was whole nothing moves.
    """

    __slots__ = ("_newest_rank", "_recent", "_settled", "_whole")

    def __init__(self, settled: Since = BEGINNING) -> None:
        self._settled = settled
        self._newest_rank = settled.rank
        self._whole = True
        self._recent: deque[tuple[int, Since]] = deque()
        """Time and highest trade of what is not final yet, one entry a second at most."""

    def saw(self, trade_id: str, rank: int, venue_ns: int) -> None:
        """A trade of the account was told, by whichever channel."""
        if rank <= self._newest_rank:
            return
        self._newest_rank = rank
        trade = Since(trade_id, rank, venue_ns)
        recent = self._recent
        if recent and venue_ns - recent[-1][0] < NS_PER_S:
            recent[-1] = (recent[-1][0], trade)
        else:
            recent.append((venue_ns, trade))

    def reads(self) -> None:
        """The history is being requested from the newest final trade on."""
        self._whole = False

    def read(self, before_ns: int = 0) -> None:
        """The last of its pages was read; all that was traded before ``before_ns`` was in it."""
        if not self._whole and before_ns:
            self._whole = True
            place = self.settled(before_ns)
            # What is newer by less than this counts into one with what is older.
            before_ns -= 2 * NS_PER_S
            self._settled = Since(place.trade_id, place.rank, max(place.venue_ns, before_ns))
        self._whole = True

    def settled(self, before_ns: int) -> Since:
        """Return the newest trade that nothing older can still appear behind.

        ``before_ns`` is the venue's time from before which a history shows everything by now.
        """
        recent = self._recent
        while self._whole and recent and recent[0][0] + NS_PER_S < before_ns:
            self._settled = recent.popleft()[1]
        return self._settled
