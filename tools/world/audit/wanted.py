"""What is wanted gone goes by the fastest way that is open, and a connection ends after another
begins.

I25 and I33. Which ways are shut is known to whoever has shut them, and so is when the operator has
said what; how long an order stood is the exchange's to say.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from core.model.units import NS_PER_MS, NS_PER_S
from tools.world.audit.links import Links
from tools.world.audit.watch import Context, Watch
from tools.world.dialect import MARKET

OPEN_WAY_NS: Final = 3 * NS_PER_S
"""What the fastest open way may need, other ways shut: a tick, a cancel that finds out that its
way is shut (0.5 s), the next repetition (0.5 s), and three journeys of a slow network."""

THROTTLED_NS: Final = 5 * NS_PER_S
"""How long no cancel need leave once the exchange has throttled one: it is not taken for now, by
whichever way, and who goes on asking is banned."""

AT_ONCE_NS: Final = 100 * NS_PER_MS
"""Within which a process that goes on after it did not run has seen that it did not."""


class Wanted(Watch):
    """Orders that somebody wants gone, and connections that are about to end."""

    def __init__(self, context: Context, links: Links) -> None:
        super().__init__(context)
        self.links = links
        self.said_ns = self.until_ns = 0
        self._names: set[str] = set()
        self.cancels_from_ns = 0
        """Before then our side may send no cancel: the exchange has throttled one."""
        self._runs_from_ns = 0
        """When the process last went on after it had not run for seconds."""
        self._ending: frozenset[int] = frozenset()
        self._ending_until_ns = 0

    def on_boot(self) -> None:
        self._names.clear()
        self.cancels_from_ns = 0
        self._ending = frozenset()

    # -- orders --------------------------------------------------------------------------------

    def out(self, now_ns: int) -> None:
        """Somebody wants every order gone that stands now, and a way is open."""
        self.said_ns = now_ns
        self._names = {order.client_id for order in self.ledger.alive()}
        self.until_ns = max(now_ns, self.cancels_from_ns, self._runs_from_ns) + OPEN_WAY_NS

    def on_stopped(self, now_ns: int) -> None:
        """Our side goes on after it did not run for seconds: until now it could send nothing, and
        what was said meanwhile it hears only now.
        """
        self._runs_from_ns = now_ns
        self.until_ns = max(self.until_ns, now_ns + OPEN_WAY_NS)

    def on_answer(self, payload: bytes, now_ns: int) -> None:
        """Our side is told, maybe, to cancel nothing for now.

        Of what it has asked on a connection that another replaces it may have forgotten what it
        was: that it was no cancel it need not know.
        """
        of_a_cancel = self.dialect.cancel_throttled(payload)
        if of_a_cancel or (self.links.replaced and self.dialect.throttled(payload)):
            self.cancels_from_ns = now_ns + THROTTLED_NS
            self.until_ns = max(self.until_ns, self.cancels_from_ns + OPEN_WAY_NS)

    def look(self) -> None:
        """By now they are gone."""
        for order in self.ledger.alive():
            if order.client_id in self._names and order.symbol not in self.ledger.doubled:
                self.note("I25", f"{order.client_id} still stands, and was to go")

    # -- connections ---------------------------------------------------------------------------

    def ends_within(self, connections: Collection[int], until_ns: int) -> None:
        """The exchange has told these connections that they will end at a time."""
        self._ending, self._ending_until_ns = frozenset(connections), until_ns

    def on_closing(self, connection: int, now_ns: int, *, others: bool) -> None:
        """Our side closes a connection that stands; ``others`` says whether another link of it
        stands.

        One that the exchange has closed, and of which our side lets go, is none of them. Nor is one
        whose books have grown old while the process did not run, whatever was announced meanwhile.
        """
        if connection == MARKET and now_ns <= self._runs_from_ns + AT_ONCE_NS:
            return
        if connection in self._ending and now_ns < self._ending_until_ns and not others:
            self.note("I33", f"line {connection} is closed before another connection stands")
