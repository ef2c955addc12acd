"""Deadlines as a heap: what is due, in which order, and nothing about what it means.

Here lives only the order of things to come. The clock stays outside: a time is an argument, and
the owner asks ``next_due_ns`` (one attribute read a turn) before it requests anything else. What
a token stands for, and what is done when it is due, is the owner's business.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

from core.model.errors import Misuse

NEVER = 2**63 - 1
"""``next_due_ns`` of an empty heap: later than any time that fits an int64."""

MAX_TIMERS = 65_536
"""Most timers at once. Some hundred open orders with a few deadlines each, and a strategy's own
timers, need a thousandth of it; a strategy that arms one on every tick and never lets it expire
is stopped here, at some 15 MB, instead of by the kernel."""

_SLACK = 64
"""Cancelled entries tolerated in the heap beyond the live ones, so that a small heap is not
rebuilt again and again."""

TokenT = TypeVar("TokenT")


class TooManyTimers(Misuse):
    """``MAX_TIMERS`` timers are waiting: something arms them and never lets them expire."""


class Timers(Generic[TokenT]):
    """Timers by due time; equal times keep the order in which they were set.

    A handle is never used twice. Cancelling is O(1) until as many entries are cancelled as are
    live; then the heap is rebuilt once, so that cancelled deadlines far ahead hold no memory.
    """

    __slots__ = ("_heap", "_tokens", "_uses", "next_due_ns")

    def __init__(self) -> None:
        self.next_due_ns = NEVER
        """When the earliest timer is due; ``NEVER`` when there is none."""
        self._heap: list[tuple[int, int]] = []
        self._tokens: dict[int, TokenT] = {}
        self._uses = 0

    def __len__(self) -> int:
        return len(self._tokens)

    def push(self, due_ns: int, token: TokenT) -> int:
        """Set a timer and return its handle; a token is anything but ``None``. O(log n).

        Raises ``TooManyTimers``.
        """
        tokens = self._tokens
        if len(tokens) >= MAX_TIMERS:
            raise TooManyTimers(f"{MAX_TIMERS} timers are set; cancel or await some of them")
        self._uses = handle = self._uses + 1
        tokens[handle] = token
        heappush(self._heap, (due_ns, handle))
        if due_ns < self.next_due_ns:
            self.next_due_ns = due_ns
        return handle

    def cancel(self, handle: int) -> None:
        """Cancel a timer; one that is due already, or was cancelled, is left as it is."""
        if self._tokens.pop(handle, None) is None:
            return
        heap = self._heap
        if len(heap) > 2 * len(self._tokens) + _SLACK:
            heap[:] = [entry for entry in heap if entry[1] in self._tokens]
            heapify(heap)
        self._look_ahead()

    def pop_due(self, now_ns: int) -> TokenT | None:
        """Return the token due first, at or before ``now_ns``, or ``None``; call until ``None``."""
        if now_ns < self.next_due_ns or not self._heap:
            return None
        token = self._tokens.pop(heappop(self._heap)[1])
        self._look_ahead()
        return token

    def _look_ahead(self) -> None:
        """Drop cancelled entries off the top: the first entry is always a live one."""
        heap, tokens = self._heap, self._tokens
        while heap and heap[0][1] not in tokens:
            heappop(heap)
        self.next_due_ns = heap[0][0] if heap else NEVER
