"""Requests that wait for their reply, and the two ways they end without one.

Here live the numbers we gave our requests and what each was for. Neither a lost line nor an
overdue reply changes an order here: whoever takes the request out decides what it means.
"""

from __future__ import annotations

from collections.abc import Iterator

from core.model.commands import Amend, Cancel, Command, Place, Replace
from core.model.errors import Misuse
from core.model.events import Costs
from core.model.frozen import Frozen

MAX_INFLIGHT = 10_000
"""Requests unanswered at once; far above any venue's order limit, so that reaching it is a bug."""

REST = -1
"""Stands for the line of a request that went over REST."""


class Asked(Frozen, frozen=True):
    """A request on its way. ``line`` is ``REST`` for one that did not go over a line."""

    request_id: int
    command: Command
    line: int
    sent_ns: int
    due_ns: int
    costs: Costs = ()
    """What it took from the venue's limits."""


class Inflight:
    """Requests on their way, oldest first."""

    __slots__ = ("_asked", "_last_id", "_more")

    def __init__(self) -> None:
        self._asked: dict[int, Asked] = {}
        self._last_id = 0
        self._more: dict[int, int] = {}
        """How many replies come after the next one, by request; only of those that get several."""

    def __len__(self) -> int:
        return len(self._asked)

    def __iter__(self) -> Iterator[Asked]:
        return iter(self._asked.values())

    def next_id(self) -> int:
        """Return a number that no request of this run has."""
        self._last_id += 1
        return self._last_id

    def add(self, asked: Asked, replies: int = 1) -> None:
        """Enter a request that is about to be sent, and how many replies it gets."""
        if len(self._asked) >= MAX_INFLIGHT:
            raise Misuse(f"{MAX_INFLIGHT} requests are unanswered: something never takes replies")
        self._asked[asked.request_id] = asked
        if replies > 1:
            self._more[asked.request_id] = replies - 1

    def find(self, request_id: int) -> Asked | None:
        """Return a request on its way; ``None`` when it is answered or given up already."""
        return self._asked.get(request_id)

    def oldest_of(self, client_order_id: str, line: int) -> int:
        """Return the oldest request on its way over a line that places or changes an order, 0 for
        none: what a venue answers that names the order alone, and answers one after the other.
        """
        for request_id, asked in self._asked.items():
            command = asked.command.new if isinstance(asked.command, Replace) else asked.command
            named = isinstance(command, Place | Amend | Cancel) and command.client_order_id
            if asked.line == line and named == client_order_id:
                return request_id
        return 0

    def take(self, request_id: int) -> Asked | None:
        """Take out the request a reply names; ``None`` when it is answered or given up already."""
        if self._more:
            self._more.pop(request_id, None)
        return self._asked.pop(request_id, None)

    def goes_on(self, request_id: int) -> bool:
        """Count a reply that says done; return whether its request gets another."""
        more = self._more.get(request_id, 0) if self._more else 0
        if more > 1:
            self._more[request_id] = more - 1
        elif more:
            del self._more[request_id]
        return more > 0

    def lost(self, line: int) -> list[Asked]:
        """Take out every request whose reply can no longer come, because its line is gone."""
        return self._take_all(asked for asked in self._asked.values() if asked.line == line)

    def overdue(self, now_ns: int) -> list[Asked]:
        """Take out every request that should have been answered by now."""
        return self._take_all(asked for asked in self._asked.values() if asked.due_ns <= now_ns)

    def _take_all(self, some: Iterator[Asked]) -> list[Asked]:
        gone = list(some)
        for asked in gone:
            self.take(asked.request_id)
        return gone
