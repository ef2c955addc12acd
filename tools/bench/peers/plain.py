"""What all drivers share: settings, and the best bid of an update's changes.

Runs in a peer's own environment, where hotloop is not installed; it needs the standard library
alone.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from typing import Any


def settings() -> dict[str, Any]:
    """Return what the race asks for, pinned to its CPU."""
    asked: dict[str, Any] = json.loads(sys.argv[1])
    if asked["cpu"] is not None:
        os.sched_setaffinity(0, {asked["cpu"]})
    gc.freeze()
    return asked


def best(bids: Any) -> tuple[str, str]:
    """Return the best bid of a depth update: of its first two changes, the higher one not gone.

    So it is in this race; a real strategy would keep a book.
    """
    price, size = bids[1]
    if float(size):
        return price, size
    price, size = bids[0]
    return price, size
