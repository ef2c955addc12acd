"""One connection's life as a table: opening script, readiness, silence, expiry, drain.

Here lives where a line stands and what has to happen next; what its messages mean lives in the
venue, sending them in ``core.lines``. Time is an argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from core.commands import Riskless
from core.errors import Misuse
from core.venue import Line


class Phase(StrEnum):
    """Where a line stands."""

    DOWN = "down"
    OPENING = "opening"
    """Connected; the script is being worked off."""
    READY = "ready"
    DRAINING = "draining"
    """About to be replaced: replies are awaited, nothing new is sent but cancels."""


class Step(StrEnum):
    """What may happen to a line."""

    UP = "up"
    SCRIPT_DONE = "script_done"
    EXPIRING = "expiring"
    LOST = "lost"


TABLE: dict[tuple[Phase, Step], Phase] = {
    (Phase.DOWN, Step.UP): Phase.OPENING,
    (Phase.DOWN, Step.LOST): Phase.DOWN,
    (Phase.OPENING, Step.SCRIPT_DONE): Phase.READY,
    (Phase.OPENING, Step.LOST): Phase.DOWN,
    (Phase.OPENING, Step.EXPIRING): Phase.DRAINING,
    (Phase.READY, Step.EXPIRING): Phase.DRAINING,
    (Phase.READY, Step.LOST): Phase.DOWN,
    (Phase.DRAINING, Step.EXPIRING): Phase.DRAINING,
    (Phase.DRAINING, Step.SCRIPT_DONE): Phase.DRAINING,
    (Phase.DRAINING, Step.LOST): Phase.DOWN,
}
"""Every cell that is not here is an error."""

DRAIN_NS = 2_000_000_000
"""How long a draining line waits for replies: the slowest ordinary reply is far below it."""

MOST_UNANSWERED = 3
"""Requests in a row without a reply: one or two are lost by accident, each after 10 s. What is in
doubt is asked about on this very line, so that on one that carries nothing out no doubt ends."""


class Session:
    """The life of one line."""

    __slots__ = (
        "_script",
        "_waits_for",
        "drain_until_ns",
        "heard_ns",
        "hears",
        "line",
        "phase",
        "unanswered",
        "up_ns",
    )

    def __init__(self, line: Line) -> None:
        self.line = line
        self.phase = Phase.DOWN
        self.up_ns = 0
        self.heard_ns = 0
        self.drain_until_ns = 0
        self.unanswered = 0
        """Requests in a row that got no reply in time."""
        self.hears = False
        """Whether the venue takes what we send here: ready, and no cancel waits in vain for its
        answer."""
        self._script: list[Riskless] = []
        self._waits_for = 0

    @property
    def ready(self) -> bool:
        return self.phase is Phase.READY

    @property
    def sendable(self) -> bool:
        """Whether bytes can go out at all."""
        return self.phase is not Phase.DOWN

    def up(self, script: Sequence[Riskless], now_ns: int) -> None:
        """The line is connected; work off ``script`` with ``next_step``."""
        self._move(Step.UP)
        self._script = list(script)
        self._waits_for = 0
        self.unanswered = 0
        self.up_ns = self.heard_ns = now_ns

    def next_step(self) -> Riskless | None:
        """Return the next command of the script, ``None`` once all of it is done."""
        return self._script[0] if self._script else None

    def asked(self, request_id: int) -> None:
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
        """Count the step as done; return whether it was the last and the line is ready now."""
        self._script.pop(0)
        self._waits_for = 0
        if self._script:
            return False
        self._move(Step.SCRIPT_DONE)
        self.hears = self.ready
        return True

    def answered(self) -> None:
        """A reply came: the venue hears us."""
        self.unanswered = 0
        self.hears = self.ready

    def ignored(self) -> None:
        """A cancel was not answered in time: others had better go another way."""
        self.hears = False

    def expire(self, now_ns: int) -> None:
        """The venue will drop the line soon: let replies come in, then replace it."""
        if self.phase is not Phase.DRAINING:
            self.drain_until_ns = now_ns + DRAIN_NS
        self._move(Step.EXPIRING)
        self.hears = False

    def lost(self) -> None:
        """The connection is gone."""
        self._move(Step.LOST)
        self.hears = False
        self._script = []
        self._waits_for = 0

    def silent(self, now_ns: int) -> bool:
        """Whether nothing at all was heard for longer than the venue ever leaves a line quiet."""
        return self.sendable and now_ns - self.heard_ns > self.line.silence_ns

    @property
    def unheard(self) -> bool:
        """Whether the venue talks but does not seem to hear us: what we ask is never answered."""
        return self.sendable and self.unanswered >= MOST_UNANSWERED

    def too_old(self, now_ns: int) -> bool:
        """Whether the venue will soon drop the line for its age."""
        return self.sendable and now_ns - self.up_ns > self.line.lifetime_ns

    def drained(self, now_ns: int, waiting: bool) -> bool:
        """Whether a draining line can go: no reply is awaited, or they took too long."""
        return self.phase is Phase.DRAINING and (not waiting or now_ns >= self.drain_until_ns)

    def _move(self, step: Step) -> None:
        phase = TABLE.get((self.phase, step))
        if phase is None:
            raise Misuse(f"line {self.line.name} is {self.phase}: {step} cannot happen")
        self.phase = phase
