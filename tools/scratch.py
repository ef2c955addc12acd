"""Folders for a moment: in memory where there is such a place, gone with whoever made them."""

from __future__ import annotations

import os
import tempfile
from typing import Final

WHERE: Final = "HOTLOOP_SCRATCH"
"""Names the folder that a process makes its own in: whoever has started it removes that, so that
nothing is left of a process that was killed."""

_MEMORY: Final = "/dev/shm"  # noqa: S108  # each folder there is of its own, and nobody else's


def scratch(what: str) -> tempfile.TemporaryDirectory[str]:
    """Make a folder; the name says what for."""
    place = os.environ.get(WHERE) or (_MEMORY if os.access(_MEMORY, os.W_OK) else None)
    return tempfile.TemporaryDirectory(prefix=f"hotloop-{what}-", dir=place)
