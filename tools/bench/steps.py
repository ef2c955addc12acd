"""``hotloop bench --steps``: what each step from a tick to its order costs, and its replies.

Warm is a call that follows its like at once. Cold is one before which ``FLUSH_BYTES`` were written,
so that neither its code nor its data are in a cache near the CPU: so a quiet feed meets its path.
The calls are those of ``tools.bench.micro``; beside them stand whole turns of the engine, one after
the other as a venue brings them. Beside another checkout both are measured in turns, as in
``tools.bench.beside``.

As a file it is the process that measures one checkout, with that before all else on its path: of
its ``tools.bench`` it asks for ``micro.CALLS`` and ``rig.Rig`` alone.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, cast

from core.engine.engine import Engine
from core.model.errors import BadParameter
from tools.bench import micro, race
from tools.bench.rig import Rig

FLUSH_BYTES: Final = 4 * 1024 * 1024
"""More than the caches of a CPU core that no other core has a part of."""

WARMING: Final = 300
"""Rounds before the first that counts: Python has specialised its code by then."""

SAMPLES: Final = 300
"""Calls that are timed, of each step and kind; their median counts."""

PROCESSES: Final = 4
"""Processes of each checkout, in turns; the least of their medians counts."""

TURNS: Final = (
    "turn: a tick that is not answered",
    "turn: a tick to its order",
    "turn: the reply to the order",
    "turn: a report that says nothing new",
)

HERE: Final = Path(__file__).resolve().parents[2]
BEGIN: Final = "<!-- written by hotloop bench --write-docs from here -->"
END: Final = "<!-- to here -->"

READS: Final = 5
"""Of each round: two ticks, and of the second one a reply and two reports."""

_now_ns = time.perf_counter_ns

Cost = tuple[float, float]
"""Nanoseconds, warm and cold."""


def run(against: Path | None, *, as_json: bool) -> int:
    """Measure each step, here and in another checkout, and print it."""
    found = measured(against)
    if as_json:
        print(json.dumps({"machine": race.machine(), "steps": found}))
    else:
        print(table(found))
    return 0


def measured(against: Path | None) -> list[dict[str, Any]]:
    """Return what each step costs: ``here`` and, for a step that it has, ``there``.

    Raises ``BadParameter`` for a folder that has nothing to measure.
    """
    folders = {"here": HERE} | ({} if against is None else {"there": against.resolve()})
    least: dict[str, dict[str, Cost]] = {}
    for _ in range(PROCESSES):
        for place, folder in folders.items():
            for name, (warm_ns, cold_ns) in costs_of(folder).items():
                known = least.setdefault(name, {}).get(place, (float("inf"), float("inf")))
                least[name][place] = (min(known[0], warm_ns), min(known[1], cold_ns))
    return [{"name": name, **costs} for name, costs in least.items() if "here" in costs]


def costs_of(folder: Path) -> dict[str, Cost]:
    """Return what each step costs in a checkout, by a process of its own."""
    found = subprocess.run(
        [sys.executable, "-P", __file__],
        env={**os.environ, "PYTHONPATH": str(folder)},
        cwd=folder,
        stdout=subprocess.PIPE,
        check=False,
    )
    if found.returncode:
        raise BadParameter(f"--against {folder}: its process has failed, and says why above")
    told = json.loads(found.stdout)
    if not Path(told["file"]).is_relative_to(folder):
        raise BadParameter(f"--against {folder}: expected a checkout of hotloop")
    costs: dict[str, Cost] = told["steps"]
    return costs


def table(steps: list[dict[str, Any]]) -> str:
    """Return the steps as a table, in microseconds."""
    beside = any("there" in step for step in steps)
    columns = ["step", "warm", "cold"]
    if beside:
        columns = ["step", "warm, before", "now", "ratio", "cold, before", "now", "ratio"]
    lines = [columns, ["---", *("---:" for _ in columns[1:])]]
    for step in steps:
        here, there = step["here"], step.get("there")
        line = [step["name"]]
        for at in range(2):
            us = f"{here[at] / 1e3:.2f}"
            if beside:
                line += [
                    f"{there[at] / 1e3:.2f}" if there else "",
                    us,
                    f"{here[at] / there[at]:.2f}" if there else "",
                ]
            else:
                line.append(us)
        lines.append(line)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write(steps: list[dict[str, Any]], target: Path) -> None:
    """Write the table between the two lines of a page that say where it belongs.

    Raises ``BadParameter`` for a page that has none.
    """
    page = target.read_text(encoding="utf-8")
    before, begins, rest = page.partition(BEGIN)
    _, ends, after = rest.partition(END)
    if not begins or not ends:
        raise BadParameter(f"--write-docs: {target} has no place for the steps ({BEGIN} .. {END})")
    text = f"{before}{BEGIN}\n\n{table(steps)}\n\n{END}{after}"
    target.write_text(text, encoding="utf-8")


# -- the process that measures one checkout --------------------------------------------------


class _Cache:
    """What is written to push all else out of the caches."""

    def __init__(self) -> None:
        self._bytes = (ctypes.c_char * FLUSH_BYTES)()
        self._times = 0

    def flush(self) -> None:
        self._times += 1
        ctypes.memset(self._bytes, self._times & 0xFF, FLUSH_BYTES)


def measure() -> dict[str, Cost]:
    """Return what each step costs in the checkout that was imported."""
    cache = _Cache()
    found = {}
    gc.freeze()  # as a run does
    gc.disable()
    with tempfile.TemporaryDirectory(prefix="hotloop-steps-") as folder:
        for one in micro.CALLS:
            if one.hop != "all":
                call = one.make(Rig(), Path(tempfile.mkdtemp(dir=folder)))
                found[one.name] = (_median_ns(call, None), _median_ns(call, cache))
    warm, cold = _turns_ns(None), _turns_ns(cache)
    return found | {name: (warm[name], cold[name]) for name in TURNS}


def _median_ns(call: Callable[[], object], cache: _Cache | None) -> float:
    for _ in range(WARMING):
        call()
    return statistics.median(_timed_ns(call, cache) for _ in range(SAMPLES)) - _idle_ns(cache)


def _idle_ns(cache: _Cache | None) -> float:
    """Return what it takes to time nothing."""
    return statistics.median(_timed_ns(int, cache) for _ in range(SAMPLES))


def _timed_ns(call: Callable[[], object], cache: _Cache | None) -> int:
    if cache is not None:
        cache.flush()
    began_ns = _now_ns()
    call()
    return _now_ns() - began_ns


def _turns_ns(cache: _Cache | None) -> dict[str, float]:
    on_bytes = Rig().engine.on_bytes
    samples: dict[str, list[int]] = {name: [] for name in TURNS}
    for at, (name, link, data, now_ns) in enumerate(list(_reads())):
        warming = at < WARMING * READS
        if cache is not None and not warming:
            cache.flush()
        began_ns = _now_ns()
        on_bytes(link, data, 0, now_ns, now_ns)
        took_ns = _now_ns() - began_ns
        if not warming:
            samples[name].append(took_ns)
    idle_ns = _idle_ns(cache)
    return {name: statistics.median(taken) - idle_ns for name, taken in samples.items()}


class _Heard:
    """An engine whose reads are kept, as they came from the rig's venue."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.reads: list[tuple[int, bytes, int]] = []

    def on_bytes(self, link: int, data: bytes, kernel_ns: int, began_ns: int, read_ns: int) -> None:
        self.reads.append((link, data, read_ns))
        self._engine.on_bytes(link, data, kernel_ns, began_ns, read_ns)


def _reads() -> Iterator[tuple[str, int, bytes, int]]:
    """Yield what a run reads, made by another one that does the same: each turn's name, link, bytes
    and time.
    """
    rig = Rig()
    heard = _Heard(rig.engine)
    rig.engine = cast(Engine, heard)
    answer = rig.trader()
    for _ in range(WARMING + SAMPLES):
        rig.record(1, int)
        answer()
        quiet, tick, (link, replies, now_ns) = heard.reads
        heard.reads.clear()
        yield TURNS[0], *quiet
        yield TURNS[1], *tick
        reply, *reports = _frames(replies)
        yield TURNS[2], link, reply, now_ns
        for report in reports:
            yield TURNS[3], link, report, now_ns


def _frames(data: bytes) -> Iterator[bytes]:
    """Yield each of the frames of a read, none of which is longer than 64 KiB."""
    while data:
        size = 2 + data[1] if data[1] < 126 else 4 + int.from_bytes(data[2:4])
        yield data[:size]
        data = data[size:]


if __name__ == "__main__":
    print(json.dumps({"file": micro.__file__, "steps": measure()}))
