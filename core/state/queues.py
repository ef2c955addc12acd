"""The orders of one book, one by one, each at its place: what its levels are made of.

Here lives which order stands where and who comes before whom; how a feed proves that it is whole is
``core.state.sequence``'s, and levels without the orders behind them are ``core.state.book``'s.

Orders of one price stand in the order of their times: one that the venue puts elsewhere, as it has
become larger, say, has a new time. What falls out of the depth that the feed tells of is forgotten.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from typing import Final

from core.model.events import Levels, Queued, Queues, Side

MAX_ORDERS: Final = 200_000
"""Orders of one book: some hundred times those of the deepest one that a venue tells of. A feed
that has more of them is not the one that it is taken for."""

CHECKED: Final = 10
"""Levels a side that a checksum is made of."""

_BID, _ASK = 1, -1

Level = dict[str, tuple[int, int]]
"""Size and time of each order, first come first."""


class _Queue:
    """One side: its levels by price, and their ranks, of which the best is the last."""

    __slots__ = ("levels", "ranks", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.levels: dict[int, Level] = {}
        self.ranks: list[int] = []

    def put(self, ticks: int, order_id: str, lots: int, placed_ns: int) -> None:
        level = self.levels.get(ticks)
        if level is None:
            level = self.levels[ticks] = {}
            insort(self.ranks, self.sign * ticks)
        last_ns = next(reversed(level.values()))[1] if level else 0
        level[order_id] = (lots, placed_ns)
        if placed_ns < last_ns:
            self.levels[ticks] = dict(sorted(level.items(), key=_when))

    def take(self, ticks: int, order_id: str) -> None:
        level = self.levels[ticks]
        del level[order_id]
        if not level:
            self.drop(ticks)

    def drop(self, ticks: int) -> None:
        del self.levels[ticks]
        del self.ranks[bisect_left(self.ranks, self.sign * ticks)]

    def best(self, count: int) -> Queues:
        """Return the best levels, best first, with the sizes of their orders, first come first."""
        sign, levels = self.sign, self.levels
        return [
            (sign * rank, [lots for lots, _ in levels[sign * rank].values()])
            for rank in self.ranks[: -count - 1 : -1]
        ]

    def size(self, ticks: int) -> int:
        return sum(lots for lots, _ in self.levels.get(ticks, {}).values())


def _when(order: tuple[str, tuple[int, int]]) -> int:
    return order[1][1]


class OrderQueues:
    """Every order of one book, as far down as its feed tells of them.

    >>> queues = OrderQueues(10, lambda bids, asks: len(bids[0][1]))
    >>> queues.begin([("A", 99, 5, 1), ("B", 99, 2, 2)], [("C", 101, 1, 3)])
    ([(99, 7)], [(101, 1)])
    >>> queues.apply([("A", 99, 0, 1), ("D", 98, 4, 4)], [])
    ([(99, 2), (98, 4)], [])
    >>> queues.agrees(1), queues.at(Side.BUY, 99)
    (True, [('B', 2)])
    """

    __slots__ = ("_asks", "_bids", "_checksum", "_depth", "_where", "_whole")

    def __init__(self, depth: int, checksum: Callable[[Queues, Queues], int]) -> None:
        """``depth`` is how many levels a side the feed tells of."""
        self._depth = depth
        self._checksum = checksum
        self._forget()

    def _forget(self) -> None:
        self._bids, self._asks = _Queue(_BID), _Queue(_ASK)
        self._where: dict[str, tuple[_Queue, int]] = {}
        self._whole = True
        """Whether all that was told is kept."""

    def __len__(self) -> int:
        return len(self._where)

    def begin(self, bids: Iterable[Queued], asks: Iterable[Queued]) -> tuple[Levels, Levels]:
        """Take all orders anew; return the levels that they make."""
        self._forget()
        return self.apply(bids, asks)

    def apply(self, bids: Iterable[Queued], asks: Iterable[Queued]) -> tuple[Levels, Levels]:
        """Take orders that are new, changed, or gone (of no size); return the changed levels."""
        return self._take(self._bids, bids), self._take(self._asks, asks)

    def _take(self, queue: _Queue, told: Iterable[Queued]) -> Levels:
        touched: dict[int, None] = {}
        for order_id, ticks, lots, placed_ns in told:
            known = self._where.pop(order_id, None)
            if known is not None:
                old, old_ticks = known
                touched[old_ticks] = None
                kept = lots and old is queue and old_ticks == ticks
                if kept and old.levels[ticks][order_id][1] == placed_ns:
                    old.levels[ticks][order_id] = (lots, placed_ns)  # in its place
                    self._where[order_id] = known
                    continue
                old.take(old_ticks, order_id)
            if lots:
                queue.put(ticks, order_id, lots, placed_ns)
                self._where[order_id] = (queue, ticks)
                touched[ticks] = None
        for rank in queue.ranks[: -self._depth]:
            ticks = queue.sign * rank
            for order_id in queue.levels[ticks]:
                del self._where[order_id]
            del queue.levels[ticks]
        del queue.ranks[: -self._depth]
        if len(self._where) > MAX_ORDERS:
            self._forget()
            self._whole = False
        return [(ticks, queue.size(ticks)) for ticks in touched]

    def agrees(self, checksum: int) -> bool:
        """Whether the orders of the best levels have this checksum."""
        best = self._bids.best(CHECKED), self._asks.best(CHECKED)
        return self._whole and self._checksum(*best) == checksum

    def at(self, side: Side, ticks: int) -> list[tuple[str, int]]:
        """Return the orders of one price, the venue's id and size of each, first come first."""
        queue = self._bids if side is Side.BUY else self._asks
        return [(order_id, lots) for order_id, (lots, _) in queue.levels.get(ticks, {}).items()]
