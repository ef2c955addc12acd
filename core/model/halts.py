"""Why nothing may be placed: the kinds of halts, and which of them an operator may take back.

Here are words alone. Which component halts is for the engine to say, what a halt refuses for
``core.state.risk``; what a kind has to outlive a run for is in the checkpoint.
"""

from __future__ import annotations

from enum import StrEnum

from core.model.frozen import Frozen

WHOLE_RUN = -1
"""In the place of an instrument's index: every instrument is halted."""


class HaltKind(StrEnum):
    """Who or what halted. The values are written into checkpoints and told by ``status``."""

    OPERATOR = "operator"
    """A word of the operator: ``halt``, or the end of ``flatten``."""
    LEDGER = "ledger"
    """The venue's balances and our fills differ; also over restarts, until a person decides."""
    CONTRADICTION = "contradiction"
    """The venue said what cannot be: two orders of one id, more filled than was placed, numbers
    that begin anew; also in the boot after one that died or failed, until it is resumed."""
    REFUSED = "refused"
    """The venue refuses for good: key, permission, account or symbol. Resumed, and refused again
    with the next order, it halts again."""
    BREAKER = "breaker"
    """The same refusal too often."""
    RECORD = "record"
    """What is held may be another thing than we count: the journal has a hole since its last
    checkpoint, or a trade of ours cannot be counted; also over restarts, until a person decides."""
    ENDED = "ended"
    """The venue trades the symbol no more, or only for moments: it is delisted, settled or about to
    expire."""
    CARRIED = "carried"
    """The configuration leaves the symbol out: what an earlier boot left on it is cancelled and
    counted, nothing more."""
    GRID = "grid"
    """Tick or lot changed: what is counted in the old ones ends with the run."""
    DAILY_LOSS = "daily_loss"
    """The largest loss of a day, of a symbol or in all; also over restarts, in whatever folder,
    until the day is over."""
    NOT_VALUED = "not_valued"
    """What the day has lost is not known: something held or paid has no price. It ends by itself
    as soon as there is one."""
    FATAL = "fatal"
    """The run cannot go on and is being left: its journal, its strategy, its process."""

    @property
    def resumable(self) -> bool:
        """Whether an operator's ``resume`` clears it: what a person can look into and judge."""
        return self not in _FOR_THE_RUN


_FOR_THE_RUN = (
    HaltKind.ENDED,
    HaltKind.CARRIED,
    HaltKind.GRID,
    HaltKind.DAILY_LOSS,
    HaltKind.NOT_VALUED,
    HaltKind.FATAL,
)


class Halt(Frozen, frozen=True):
    """One reason for which nothing may be placed."""

    instrument: int
    """Index of the instrument that is halted alone, or ``WHOLE_RUN``."""
    kind: HaltKind
    why: str


class Halts:
    """What is halted at present, by kind: of each kind the first reason stands.

    The reason told is one that stays whatever the operator says, where there is one.
    """

    __slots__ = ("_by_kind", "instrument", "why")

    def __init__(self, instrument: int = WHOLE_RUN) -> None:
        self.instrument = instrument
        self._by_kind: dict[HaltKind, str] = {}
        self.why = ""
        """The reason that is told; "" while nothing is halted."""

    def add(self, kind: HaltKind, why: str) -> bool:
        """Halt; return whether this is the first reason of its kind."""
        if kind in self._by_kind:
            return False
        self._by_kind[kind] = why
        self.why = self._told()
        return True

    def __contains__(self, kind: HaltKind) -> bool:
        return kind in self._by_kind

    def lift(self, kind: HaltKind) -> bool:
        """Clear one kind, whose reason is gone; return whether it stood."""
        if self._by_kind.pop(kind, None) is None:
            return False
        self.why = self._told()
        return True

    def resume(self) -> None:
        """Clear what an operator may clear."""
        self._by_kind = {k: why for k, why in self._by_kind.items() if not k.resumable}
        self.why = self._told()

    @property
    def kind(self) -> HaltKind | None:
        """The kind of the reason that is told; ``None`` while nothing is halted."""
        staying = [kind for kind in self._by_kind if not kind.resumable]
        return next(iter(staying or self._by_kind), None)

    def standing(self) -> list[Halt]:
        """Return every reason, the oldest first."""
        return [Halt(self.instrument, kind, why) for kind, why in self._by_kind.items()]

    def _told(self) -> str:
        kind = self.kind
        return "" if kind is None else self._by_kind[kind]
