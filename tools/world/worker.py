"""One process that lives seeds: a line of JSON in for each, a line of JSON out.

A process of its own, so that worlds run on every CPU and a canary breaks nobody else's rules.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import signal
import sys
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from tools.scratch import WHERE
from tools.world.canaries import released
from tools.world.dialects import DIALECTS
from tools.world.of_binance import BINANCE
from tools.world.rings import RINGS, TANK


class Task(Struct, frozen=True):
    """A seed to live through, with a rule broken on purpose or none."""

    seed: int
    canary: str = ""
    ring: str = TANK
    venue: str = BINANCE.name


def serve() -> None:
    """Live every seed that is asked for, until there is no more."""
    gc.freeze()
    for line in sys.stdin.buffer:
        task = msgspec.json.decode(line, type=Task)
        with released(task.canary):
            life = RINGS[task.ring].live(task.seed, DIALECTS[task.venue])
        sys.stdout.buffer.write(msgspec.json.encode(life) + b"\n")
        sys.stdout.buffer.flush()


_TOLD_TO_END: Final = 128 + signal.SIGTERM
"""The exit code of a worker that was told to end: as shells say it."""


def _leave() -> None:
    """Take the folder along that was made for this process: nobody may be left to remove it."""
    with contextlib.suppress(OSError):
        Path(os.environ[WHERE]).rmdir()  # what is in it goes before, with whoever made it


if __name__ == "__main__":
    atexit.register(_leave)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TOLD_TO_END))
    serve()
