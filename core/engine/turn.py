"""A turn: its time, and what the components leave in it for whoever lies above them.

A component calls what it is made of. What follows for its neighbours, and for those above it, it
leaves here, and ``core.engine.engine`` takes it up. Nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.model.events import Event
from core.state.book import Book


class Turn:
    """The turn that is under way; one of them serves a whole run."""

    __slots__ = ("callbacks", "changed", "events", "now_ns")

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
