"""Venues: one package each, a set of answers called ``VENUE``; ``sim`` is an exchange itself.

``kit`` is what they share. Here is the one place that finds a venue by its name: its folder's.

A venue knows the words of core and its wire codecs, never another venue, a machine or the engine.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Final

from core.model.venue import Venue

NO_VENUES: Final = frozenset({"kit", "sim"})
"""Packages that lie beside the venues."""


def names() -> list[str]:
    """Return the names of the venues there are."""
    found = {module.name for module in pkgutil.iter_modules(__path__) if module.ispkg}
    return sorted(found - NO_VENUES)


def find(name: str) -> Venue | None:
    """Return a venue, ``None`` where there is none of that name; no other one is loaded."""
    if name not in names():
        return None
    found: Venue = importlib.import_module(f"venues.{name}").VENUE
    return found
