"""One connection's life as a table: opening script, readiness, silence, expiry, drain.

Here lives the phase of a connection and what has to happen next; what its messages mean lives in
the venue, sending them in ``core.engine.connections``. Time is an argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from core.model.commands import Riskless
from core.model.errors import Misuse
from core.model.venue import Connection


class Phase(StrEnum):
    """The phase of a connection."""

    DOWN = "down"
    OPENING = "opening"
    """Connected; the script is being worked off."""
    READY = "ready"
    DRAINING = "draining"
    """Another is or will be in its place: replies are awaited, and nothing new is sent."""


class Step(StrEnum):
    """What may happen to a connection."""

    UP = "up"
    SCRIPT_DONE = "script_done"
    RELIEVED = "relieved"
    """Another connection has taken over, or has to, since this one is of no use any more."""
    LOST = "lost"


TABLE: dict[tuple[Phase, Step], Phase] = {
    (Phase.DOWN, Step.UP): Phase.OPENING,
    (Phase.DOWN, Step.LOST): Phase.DOWN,
    (Phase.OPENING, Step.SCRIPT_DONE): Phase.READY,
    (Phase.OPENING, Step.LOST): Phase.DOWN,
    (Phase.OPENING, Step.RELIEVED): Phase.DRAINING,
    (Phase.READY, Step.RELIEVED): Phase.DRAINING,
    (Phase.READY, Step.LOST): Phase.DOWN,
    (Phase.DRAINING, Step.RELIEVED): Phase.DRAINING,
    (Phase.DRAINING, Step.SCRIPT_DONE): Phase.DRAINING,
    (Phase.DRAINING, Step.LOST): Phase.DOWN,
}
"""Every cell that is not here is an error."""

DRAIN_NS = 2_000_000_000
"""How long a relieved connection still listens: what the venue has told on it alone is there by
then. Replies that are awaited prolong it up to their own deadline."""

PROVEN_NS = 5_000_000_000
"""How old a connection has to be before it is replaced: a venue that tells each new one to go is
dialled 60 times in five minutes, where the strictest known limit is 300."""

MOST_UNANSWERED = 3
"""Requests in a row without a reply: one or two are lost by accident, each after 10 s. Status
queries use this same connection; if it is one-way, no order can be resolved."""


_READY = Phase.READY  # bound once: to look a member up in its Enum costs 50 ns


class Session:
    """The state of one link of a connection; ``link`` is its number among all links."""

    __slots__ = (
        "_expiring",
        "_kept_ns",
        "_script",
        "_waits_for",
        "connection",
        "drain_until_ns",
        "heard_ns",
        "hears",
        "link",
        "numbers",
        "phase",
        "unanswered",
        "up_ns",
    )

    def __init__(self, connection: Connection, link: int = 0) -> None:
        self.connection = connection
        self.link = link
        self.phase = Phase.DOWN
        self.up_ns = 0
        self.heard_ns = 0
        self.drain_until_ns = 0
        self.unanswered = 0
        """Requests in a row that got no reply in time."""
        self.hears = False
        """Whether the venue takes what we send here: ready, and no cancel waits in vain for its
        answer."""
        self.numbers: dict[str, int] = {}
        """The number of each channel's last message."""
        self._script: list[Riskless] = []
        self._waits_for = 0
        self._expiring = False
        self._kept_ns = 0
        """When the last sign of life was requested of the venue."""

    @property
    def ready(self) -> bool:
        return self.phase is _READY

    @property
    def sendable(self) -> bool:
        """Whether bytes can go out at all."""
        return self.phase is not Phase.DOWN

    def up(self, script: Sequence[Riskless], now_ns: int) -> None:
        """The connection is up; ``next_step`` works ``script`` off. Without one it is ready."""
        self._move(Step.UP)
        self._script = list(script)
        self._waits_for = 0
        self.unanswered = self._kept_ns = 0
        self.numbers.clear()
        self._expiring = False
        self.up_ns = self.heard_ns = now_ns
        if not self._script:
            self._opened()

    def next_step(self) -> Riskless | None:
        """Return the next command of the script, ``None`` once all of it is done."""
        return self._script[0] if self._script else None

    def requested(self, request_id: int) -> None:
        """The next step was sent as this request."""
        self._waits_for = request_id

    @property
    def step_unsent(self) -> bool:
        """Whether the next step could not be sent: a ban, or no token left."""
        return bool(self._script) and not self._waits_for

    def answers_step(self, request_id: int) -> bool:
        """Whether a reply answers the step that is waited for."""
        return request_id != 0 and request_id == self._waits_for

    def step_done(self) -> bool:
        """Count the step as done; return whether it was the last and the connection is ready
        now.
        """
        self._script.pop(0)
        self._waits_for = 0
        if self._script:
            return False
        self._opened()
        return True

    def _opened(self) -> None:
        self._move(Step.SCRIPT_DONE)
        self.hears = self.phase is _READY

    def continues(self, channel: str, seq: int, *, first: bool) -> bool:
        """Count a channel's message; return whether none is missing before it.

        What comes before a channel has begun, or again, is of no beginning that counts.
        """
        last = self.numbers.get(channel)
        if not first and (last is None or seq != last + 1):
            return False
        self.numbers[channel] = seq
        return True

    def keepalive(self, now_ns: int) -> Riskless | None:
        """Return what the venue has to hear by now to keep the connection; it counts as sent."""
        keepalive = self.connection.keepalive
        if keepalive is None or self.phase is not _READY:
            return None
        if self._kept_ns and now_ns - self._kept_ns < keepalive.every_ns:
            return None
        self._kept_ns = now_ns
        return keepalive.command

    def answered(self) -> None:
        """A reply came: the venue hears us."""
        self.unanswered = 0
        self.hears = self.phase is _READY

    def ignored(self) -> None:
        """A cancel was not answered in time: others had better go another way."""
        self.hears = False

    def only_way(self) -> None:
        """The other way is not there: whatever was not answered here, cancels had better come."""
        self.hears = self.phase is _READY

    def expire(self) -> None:
        """The venue will drop the connection soon: another has to be made."""
        self._expiring = True

    def expires(self, now_ns: int) -> bool:
        """Whether another connection has to be made, and this one is old enough for that."""
        old_enough = now_ns - self.up_ns >= PROVEN_NS
        return self.sendable and old_enough and (self._expiring or self.too_old(now_ns))

    def relieve(self, now_ns: int) -> None:
        """Another connection takes over: let replies come in, then this one may go."""
        if self.phase is not Phase.DRAINING:
            self.drain_until_ns = now_ns + DRAIN_NS
        self._move(Step.RELIEVED)
        self.hears = False

    def lost(self) -> None:
        """The connection is gone."""
        self._move(Step.LOST)
        self.hears = False
        self._script = []
        self._waits_for = 0

    def silent(self, now_ns: int) -> bool:
        """Whether nothing at all was heard for longer than the venue ever leaves a connection
        quiet.
        """
        return self.sendable and now_ns - self.heard_ns > self.connection.silence_ns

    @property
    def unheard(self) -> bool:
        """Whether the venue talks but does not seem to hear us: what we ask is never answered.

        Where a cancel was not answered either, and all else goes another way, one request is
        enough: there will be no third.
        """
        most = MOST_UNANSWERED if self.hears else 1
        return (self.phase is _READY and self.unanswered >= most) or (
            self.sendable and self.unanswered >= MOST_UNANSWERED
        )

    def too_old(self, now_ns: int) -> bool:
        """Whether the venue will soon drop the connection for its age."""
        lifetime_ns = self.connection.lifetime_ns
        return self.sendable and 0 < lifetime_ns < now_ns - self.up_ns

    def drained(self, now_ns: int, waiting: bool) -> bool:
        """Whether a relieved connection can go: it has listened on, and no reply is awaited."""
        return self.phase is Phase.DRAINING and not waiting and now_ns >= self.drain_until_ns

    def _move(self, step: Step) -> None:
        phase = TABLE.get((self.phase, step))
        if phase is None:
            raise Misuse(f"line {self.connection.name} is {self.phase}: {step} cannot happen")
        self.phase = phase
