"""How long a connection of the HTTP client has been idle, by the simulated clock.

httpcore reads the machine's clock for that, through a name of its own, whatever clock the loop has
that it runs in: a world that took long would lose connections that the same world elsewhere keeps.
The name is touched here and nowhere else; should httpcore move it, ``simulated`` refuses to begin,
and a test says so.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Final

import trio
from httpcore._async import http11

from core.model.errors import Misuse

_NAME: Final = "time"


@contextmanager
def simulated() -> Iterator[None]:
    """Let whatever runs within the body be idle by trio's clock."""
    names: dict[str, Any] = vars(http11)
    if names.get(_NAME) is not time:
        raise Misuse(
            f"httpcore._async.http11 has no {_NAME} any more: find what tells it now how long a "
            "connection is idle, and adapt tools/world/idleness.py"
        )
    names[_NAME] = SimpleNamespace(monotonic=trio.current_time)
    try:
        yield
    finally:
        names[_NAME] = time
