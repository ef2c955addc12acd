"""How much of what repeats itself is worth a line of the log.

Here one line of each kind is let through at once, and then one in a while that says how many there
were; and of lines without a kind, a strategy's own, so many a second. Nothing is written here, and
nothing is decided by what was left out. Time is an argument.
"""

from __future__ import annotations

from core.model.units import NS_PER_S

AGAIN_NS = 60 * NS_PER_S
"""Between two lines of one kind: a venue that refuses all day fills a page, not a disk."""

MAX_KINDS = 200
"""Kinds told apart; beyond it all new ones are one kind, for what a venue makes up has no end."""

LINES_PER_S = 20
"""A strategy's lines within a second: far more than anybody reads, 200 KB a minute at most."""


class Kinds:
    """One line of each kind, then one a minute with the count of those between."""

    __slots__ = ("_kinds",)

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[int, int]] = {}
        """When each kind was last said, and how often it was not since."""

    def line(self, kind: str, text: str, now_ns: int) -> str:
        """Return what to write, "" where this one is only counted."""
        if kind not in self._kinds and len(self._kinds) >= MAX_KINDS:
            kind = ""
        said_ns, unsaid = self._kinds.get(kind, (now_ns - AGAIN_NS, 0))
        if now_ns - said_ns < AGAIN_NS:
            self._kinds[kind] = (said_ns, unsaid + 1)
            return ""
        self._kinds[kind] = (now_ns, 0)
        return f"{text} ({unsaid} more since it was last said)" if unsaid else text


class Flow:
    """So many lines a second, and how many there were beyond them."""

    __slots__ = ("_left", "_second", "_unsaid")

    def __init__(self) -> None:
        self._second = 0
        self._left = LINES_PER_S
        self._unsaid = 0

    def lines(self, text: str, now_ns: int) -> tuple[str, ...]:
        """Return what to write, before it how much was left out; nothing where it is too much."""
        second = now_ns // NS_PER_S
        if second != self._second:
            self._second, self._left = second, LINES_PER_S
        if not self._left:
            self._unsaid += 1
            return ()
        self._left -= 1
        unsaid, self._unsaid = self._unsaid, 0
        if unsaid:
            return f"{unsaid} lines of the strategy were left out", text
        return (text,)
