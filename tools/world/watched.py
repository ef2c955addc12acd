"""An exchange that is watched: it tells the auditor what it did before it tells anybody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from venues.sim.venue import AnyVenue

if TYPE_CHECKING:
    from tools.world.auditor import Auditor


class Watched(AnyVenue):
    """Goes before a dialect's venue."""

    auditor: Auditor | None = None

    def step(self, now_ns: int) -> int:
        next_ns = super().step(now_ns)
        if self.auditor is not None:
            self.auditor.published()
        return next_ns

    def advance(self, now_ns: int) -> None:
        if self.auditor is not None:
            self.auditor.saw(self.engine.events, now_ns)
        super().advance(now_ns)
