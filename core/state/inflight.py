"""Requests that wait for their reply, and the two ways they end without one.

Here live the numbers we gave our requests and what each was for. Neither a lost connection nor an
overdue reply changes an order here: whoever removes the request decides what that means.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from core.model.commands import Amend, Cancel, Command, Place, Replace
from core.model.errors import Misuse
from core.model.events import Costs
from core.model.frozen import Frozen

MAX_INFLIGHT = 10_000
"""Requests unanswered at once; far above any venue's order limit, so that reaching it is a bug."""

REST = -1
"""Stands for the connection of a request that was sent over REST."""


class InFlightRequest(Frozen, frozen=True):
    """A request in flight. ``connection`` is ``REST`` for one that was sent over REST."""

    request_id: int
    command: Command
    connection: int
    sent_ns: int
    due_ns: int
    costs: Costs = ()
    """What it took from the venue's limits."""


class InFlightRequests:
    """Requests in flight, oldest first."""

    __slots__ = ("_in_flight", "_last_id", "_more")

    def __init__(self) -> None:
        self._in_flight: dict[int, InFlightRequest] = {}
        self._last_id = 0
        self._more: dict[int, int] = {}
        """How many replies come after the next one, by request; only of those that get several."""

    def __len__(self) -> int:
        return len(self._in_flight)

    def __iter__(self) -> Iterator[InFlightRequest]:
        return iter(self._in_flight.values())

    def costs(self) -> Sequence[Costs]:
        """Return what each of them took from the venue's limits."""
        return [request.costs for request in self._in_flight.values()] if self._in_flight else ()

    def next_id(self) -> int:
        """Return a number that no request of this run has."""
        self._last_id += 1
        return self._last_id

    def add(self, request: InFlightRequest, replies: int = 1) -> None:
        """Enter a request that is about to be sent, and how many replies it gets."""
        if len(self._in_flight) >= MAX_INFLIGHT:
            raise Misuse(f"{MAX_INFLIGHT} requests are unanswered: something never takes replies")
        self._in_flight[request.request_id] = request
        if replies > 1:
            self._more[request.request_id] = replies - 1

    def find(self, request_id: int) -> InFlightRequest | None:
        """Return a request on its way; ``None`` when it is answered or given up already."""
        return self._in_flight.get(request_id)

    def oldest_of(self, client_order_id: str, connection: int) -> int:
        """Return the oldest request in flight on a connection that places or changes an order, 0
        for none: what a venue answers that names the order alone, and answers one after the other.
        """
        for request_id, request in self._in_flight.items():
            command = (
                request.command.new if isinstance(request.command, Replace) else request.command
            )
            named = isinstance(command, Place | Amend | Cancel) and command.client_order_id
            if request.connection == connection and named == client_order_id:
                return request_id
        return 0

    def take(self, request_id: int) -> InFlightRequest | None:
        """Remove the request that a reply names; ``None`` when it is answered or given up
        already.
        """
        if self._more:
            self._more.pop(request_id, None)
        return self._in_flight.pop(request_id, None)

    def goes_on(self, request_id: int) -> bool:
        """Count a reply that says done; return whether its request gets another."""
        more = self._more.get(request_id, 0) if self._more else 0
        if more > 1:
            self._more[request_id] = more - 1
        elif more:
            del self._more[request_id]
        return more > 0

    def lost(self, connection: int) -> list[InFlightRequest]:
        """Remove every request whose reply can no longer come, because its connection is lost."""
        return self._take_all(
            request for request in self._in_flight.values() if request.connection == connection
        )

    def overdue(self, now_ns: int) -> list[InFlightRequest]:
        """Remove every request that should have been answered by now."""
        return self._take_all(
            request for request in self._in_flight.values() if request.due_ns <= now_ns
        )

    def _take_all(self, some: Iterator[InFlightRequest]) -> list[InFlightRequest]:
        gone = list(some)
        for request in gone:
            self.take(request.request_id)
        return gone
