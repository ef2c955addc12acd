"""What others do on the account: people, other programs, the venue itself. Told once, in words.

Here what was seen of others becomes lines for people, few of them however busy the others are.
Nothing is decided here: what it means for balances is in ``core.engine.ledger``, and our position
stands on our own fills alone.
"""

from __future__ import annotations

from collections.abc import Callable

from core.model.units import ASSET_DECIMALS, NS_PER_S, format_decimal

QUIET_NS = 60 * NS_PER_S
"""Between two lines about one subject: what is seen meanwhile is counted, and told together."""

MAX_SUBJECTS = 1_000
"""Subjects told apart: several for each of 100 symbols; those beyond share one."""


class _Told:
    """One subject: when it may be told again, and what waits until then."""

    __slots__ = ("count", "last", "next_ns")

    def __init__(self) -> None:
        self.next_ns = 0
        self.count = 0
        self.last = ""


class Others:
    """The others on one account, as far as they were seen."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._subjects: dict[str, _Told] = {}
        self._waiting: dict[str, _Told] = {}

    def saw(self, subject: str, what: str, now_ns: int) -> None:
        """Tell ``what`` was seen of a subject: at once, or with what else is seen within 60 s."""
        if subject not in self._subjects and len(self._subjects) >= MAX_SUBJECTS:
            subject = "anything else"
        told = self._subjects.setdefault(subject, _Told())
        if now_ns >= told.next_ns:
            told.next_ns = now_ns + QUIET_NS
            self._log(f"others on the account: {what}")
            return
        told.count += 1
        told.last = what
        self._waiting[subject] = told

    def step(self, now_ns: int) -> None:
        """Tell together what has waited."""
        if not self._waiting:
            return
        for subject, told in list(self._waiting.items()):
            if now_ns >= told.next_ns:
                del self._waiting[subject]
                told.next_ns = now_ns + QUIET_NS
                self._log(
                    f"others on the account: {told.count} more of {subject}, the last: {told.last}"
                )
                told.count = 0


def amount(atoms: int) -> str:
    """Return atoms as decimal text, without the zeros at its end."""
    text = format_decimal(atoms, ASSET_DECIMALS)
    return text.rstrip("0").rstrip(".")


def clock(venue_ns: int) -> str:
    """Return the time of day of a time, in UTC."""
    minutes, seconds = divmod(venue_ns // NS_PER_S % 86_400, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d} UTC"
