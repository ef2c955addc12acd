"""What a person watches: how much of everything there was.

Here things are counted and nothing else: no decision is taken by a count.
"""

from __future__ import annotations

from core.model.events import Ignored

MAX_NAMES = 100
"""Kinds of refusals told apart."""


class Counts:
    """The counts of one boot."""

    __slots__ = (
        "changes",
        "errors",
        "fills",
        "ignored",
        "messages",
        "refusals",
        "replies",
        "resyncs",
        "slow_turns",
        "slowest_turn_ns",
        "trades",
    )

    def __init__(self) -> None:
        self.messages = 0
        self.changes = 0
        """Changes of a book told to the strategy."""
        self.trades = 0
        self.fills = 0
        self.replies = 0
        self.refusals: dict[str, int] = {}
        """Requests the venue did not take, by its code and text."""
        self.resyncs = 0
        self.errors = 0
        """Messages that were not legal, or lacked what we need."""
        self.ignored: dict[str, int] = {}
        self.slow_turns = 0
        """Turns over their budget, the strategy's part included."""
        self.slowest_turn_ns = 0

    def on_ignored(self, event: Ignored) -> None:
        self.ignored[event.what] = self.ignored.get(event.what, 0) + 1

    def refused(self, name: str) -> None:
        """Count a request that the venue did not take."""
        if name in self.refusals or len(self.refusals) < MAX_NAMES:
            self.refusals[name] = self.refusals.get(name, 0) + 1
