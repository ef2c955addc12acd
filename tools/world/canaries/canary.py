"""What a canary is: a rule broken on purpose by replacing functions of the code under test."""

from __future__ import annotations

from typing import Any, NamedTuple


class Change(NamedTuple):
    """One function of the code under test, and what stands in for it."""

    owner: Any
    name: str
    instead: Any


class Canary(NamedTuple):
    """A rule that is broken, and how."""

    breaks: str
    changes: tuple[Change, ...]
