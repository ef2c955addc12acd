"""Waiting for what has to come, and the error where it does not."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

PATIENCE_S: Final = 60.0
"""For anything: a start waits for what a dead run sent to expire, and may share its CPU."""

LOOK_S: Final = 0.1
LONG_LOOK_S: Final = 1.0
"""Between two looks, growing from the one to the other: the run and we share the venue's limits."""

T = TypeVar("T")


class Wrong(Exception):
    """The run and the exchange do not agree, or something was not cancelled in time."""


def until(what: str, look: Callable[[], T], within_s: float = PATIENCE_S) -> T:
    """Return what ``look`` finds, as soon as it finds anything. Raises ``Wrong``."""
    deadline = time.monotonic() + within_s
    wait_s = LOOK_S
    while not (found := look()):
        if time.monotonic() > deadline:
            raise Wrong(f"not within {within_s} s: {what}")
        time.sleep(wait_s)
        wait_s = min(1.1 * wait_s, LONG_LOOK_S)
    return found
