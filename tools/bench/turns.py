"""The process that times the calls of one checkout, whenever ``tools.bench.beside`` asks it to.

It is run as a file, with a checkout before all else on its path, so that all it imports is that
checkout's. That may be older than this file: of its ``tools.bench`` it asks for ``micro.CALLS`` and
``rig.Rig`` alone.

It says first which calls there are. Then it takes words, a line each, and answers each with a
number: ``make NAME`` gets a call ready and returns how many of it make a run, ``run COUNT`` returns
the nanoseconds of one out of so many.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tools.bench import micro

try:
    from tools.bench.rig import Rig
except ModuleNotFoundError:  # an older checkout
    from tools.bench.house import House as Rig  # type: ignore[import-not-found,no-redef]

LEAST_NS = 500_000
"""Shortest run: a thousand times what reading the clock takes, and seldom interrupted."""


def timed(call: Callable[[], object], count: int) -> int:
    """Return the nanoseconds of so many calls."""
    rounds = range(count)
    began_ns = time.perf_counter_ns()
    for _ in rounds:
        call()
    return time.perf_counter_ns() - began_ns


def main() -> None:
    """Do as the lines of the standard input say, until it ends."""
    calls = {one.name: one for one in micro.CALLS}
    hops = {one.name: one.hop for one in micro.CALLS}
    print(json.dumps({"file": micro.__file__, "calls": hops}), flush=True)
    ready: list[Callable[[], object]] = []
    with tempfile.TemporaryDirectory(prefix="hotloop-micro-") as folder:
        for line in sys.stdin:
            word, _, what = line.rstrip("\n").partition(" ")
            if word == "make":
                ready[:] = [calls[what].make(Rig(), Path(tempfile.mkdtemp(dir=folder)))]
                count = 1
                while timed(ready[0], count) < LEAST_NS:
                    count *= 2
                print(count, flush=True)
            else:
                count = int(what)
                print(timed(ready[0], count) / count, flush=True)


if __name__ == "__main__":
    main()
