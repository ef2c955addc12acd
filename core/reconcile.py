"""The venue's report minus our table: what has to be asked, adopted or left alone.

Here lives the comparison, and the bookkeeping of one pass at a time. A pass asks for the open
orders and recent trades of every instrument and for the account; its answers are folded like any
other fact. What the comparison finds is never written into the table by force: an order that the
venue does not list is asked about, an order of ours that the table does not hold is adopted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct

from core.events import OrderReport
from core.views import OrderView


class Difference(Struct, frozen=True):
    """What one list of open orders shows."""

    missing: tuple[str, ...]
    """Client ids of ours, open by our table, sent before we asked, not listed: ask about each."""
    leftover: tuple[OrderReport, ...]
    """Of our scope, open at the venue, unknown to the table: an earlier boot left them."""
    foreign: int
    """Open orders of others on this account; counted, and left alone."""


def compare(
    table: Iterable[OrderView],
    listed: Iterable[OrderReport],
    asked_ns: int,
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
        if order.sent_ns < asked_ns and order.client_order_id not in ids
    )
    return Difference(missing, tuple(leftover), foreign)


class Pass:
    """One reconciliation: which answers are still awaited, and since when."""

    __slots__ = ("_awaited", "failed", "running", "started_ns")

    def __init__(self) -> None:
        self.running = False
        self.failed = False
        self.started_ns = 0
        self._awaited: set[int] = set()

    def start(self, now_ns: int) -> None:
        """Begin a pass; the one before it, if any, is void."""
        self.running = True
        self.failed = False
        self.started_ns = now_ns
        self._awaited.clear()

    def await_answer(self, request_id: int) -> None:
        self._awaited.add(request_id)

    def answered(self, request_id: int, *, proved: bool) -> bool:
        """Count an answer; return whether this was the last of a pass that proved everything."""
        if request_id not in self._awaited:
            return False
        self._awaited.discard(request_id)
        self.failed = self.failed or not proved
        if self._awaited or not self.running:
            return False
        self.running = False
        return not self.failed

    def stop(self) -> None:
        """Give the pass up: the line it ran for is gone."""
        self.running = False
        self._awaited.clear()
