"""Which private connection tells, where one is about to take the place of another.

What our side has asked on a connection that another replaces it may have forgotten: an answer that
comes there need not mean to it what it means to us.
"""

from __future__ import annotations

from tools.world.audit.watch import Context, Watch


class Links(Watch):
    """The private connections of one boot, by their numbers: a newer one has a higher one."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._now = self._newest = 0

    def on_boot(self) -> None:
        self._now = self._newest = 0

    def hear(self, link: int) -> None:
        """What is told next is told on this connection."""
        self._now, self._newest = link, max(link, self._newest)

    @property
    def replaced(self) -> bool:
        """Whether another connection takes the place of the one that tells."""
        return self._now < self._newest
