"""A turn: its time, and what the components leave in it for whoever lies above them.

A component calls what it is made of. What follows for its neighbours, and for those above it, it
leaves here, and ``core.engine.engine`` takes it up. Nothing here decides anything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from core.model.commands import Since
from core.model.errors import JournalFailed
from core.model.events import Event
from core.model.halts import WHOLE_RUN, HaltKind
from core.state.book import Book
from core.state.journal import Journal, Kind
from core.state.orders import Applied


class Wanted(NamedTuple):
    """A halt that a component requests; the gate carries it out."""

    why: str
    kind: HaltKind
    instrument: int = WHOLE_RUN
    remote: bool = False
    """Of a halt for good: whether that is the venue's doing."""


class Baseline(NamedTuple):
    """Behind which trade those of an instrument are counted."""

    instrument: int
    newest: Since | None
    """``None`` where the account has none."""
    as_of_ns: int
    """The venue's time of that, 0 where it is not known."""


class Turn:
    """The turn that is under way; one of them serves a whole run."""

    __slots__ = (
        "baselines",
        "busy",
        "callbacks",
        "changed",
        "events",
        "halts",
        "looks_again",
        "now_ns",
        "renumbered",
        "says",
        "told",
        "updates",
        "writes",
    )

    def __init__(self, now_ns: int = 0) -> None:
        self.now_ns = now_ns
        """When it began, by our clock: the time of everything in it."""
        self.events: list[Event] = []
        """What was read and is not folded yet."""
        self.callbacks: list[tuple[Callable[..., None], Any, Any]] = []
        """What the strategy is to be told, with one argument or, where the last is not ``None``,
        two."""
        self.changed: dict[int, Book] = {}
        """Books that changed, by instrument: the strategy is told of each once."""
        self.renumbered: deque[int] = deque()
        """Instruments whose trades the venue knows no more: it numbers from the beginning."""
        self.baselines: deque[Baseline] = deque()
        self.told: deque[Event] = deque()
        """Events that were found in others, for the component that handles their kind."""
        self.updates: deque[Applied] = deque()
        """What has become known of our orders and is in their table: positions, notes and the
        strategy are to follow."""
        self.halts: deque[Wanted] = deque()
        self.looks_again = False
        """Whether the gate is to look again what may be placed."""
        self.says = False
        """Whether it is to be noted at once what stands over boots."""
        self.writes = False
        """Whether what the next boot starts from is to be written at once."""
        self.busy = False
        """Whether there are consequences to be taken up, before anything else is applied."""

    def renumber(self, instrument: int) -> None:
        """Have an instrument's trades and orders known by no number of before."""
        self.renumbered.append(instrument)
        self.busy = True

    def begin_behind(self, baseline: Baseline) -> None:
        """Have the position of an instrument begin there."""
        self.baselines.append(baseline)
        self.busy = True

    def tell(self, event: Event) -> None:
        """Leave an event for the component that handles its kind."""
        self.told.append(event)
        self.busy = True

    def update(self, applied: Applied) -> None:
        """Have the rest follow what the table of orders has taken in."""
        self.updates.append(applied)
        self.busy = True

    def halt(self, why: str, kind: HaltKind) -> None:
        """Have placing stopped, and our orders cancelled."""
        self.halts.append(Wanted(why, kind))
        self.busy = True

    def halt_instrument(self, instrument: int, why: str, kind: HaltKind) -> None:
        """Have placing stopped on one instrument, and our orders on it cancelled."""
        self.halts.append(Wanted(why, kind, instrument))
        self.busy = True

    def fail(self, why: str, *, remote: bool = False) -> None:
        """Have the run left: it cannot go on. ``remote`` says that the venue has refused us."""
        self.halts.append(Wanted(why, HaltKind.FATAL, remote=remote))
        self.busy = True

    def look_again(self) -> None:
        """Have it derived anew whether anything may be placed."""
        self.looks_again = self.busy = True

    def say(self) -> None:
        """Have noted what halts the next boot, too."""
        self.says = self.busy = True

    def write(self) -> None:
        """Have written what the next boot starts from: it has to know, however soon we end."""
        self.writes = self.busy = True


class Recorder:
    """How a component enters what it does in the journal."""

    def __init__(self, journal: Journal, turn: Turn) -> None:
        self._journal = journal
        self._turn = turn

    def record(self, kind: Kind, link: int, payload: bytes) -> None:
        """Enter something; where not all can be entered any more the run is left."""
        try:
            self._journal.append(kind, link, self._turn.now_ns, payload)
        except JournalFailed as failure:
            self._turn.fail(str(failure))
