"""``hotloop bench --replay``: how many market-data events a second a replay takes.

A journal of an application that trades on nothing but the load generator's ticks is written, read
and replayed with every output compared, as ``hotloop replay`` does it; in source, and compiled
where ``python -m tools.compiled`` has made a copy of this very source. Here live the making of that
journal and the timing; the replay is ``core.engine.replay``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from core.engine.replay import boots, replay
from core.io.journal_file import JournalFile, read
from core.model.errors import HotloopError
from core.model.venue import KeyKind
from core.state.journal import Header, Kind
from tools import compiled
from tools.bench import race
from tools.bench.rig import Rig, engine_of

EVENTS: Final = {"bookTicker": 60_000, "depth": 20_000}
"""Messages of a journal: some tenths of a second of replay."""

TURNS: Final = 5
"""Replays of each journal; the fastest counts, because noise only ever adds."""

SEGMENT_BYTES: Final = 64 * 1024 * 1024


class ReplayDiffers(HotloopError):
    """The replay of a journal was not what it recorded."""


def run() -> dict[str, Any]:
    """Return events a second by build and stream."""
    builds = {"source": compiled.ROOT}
    if compiled.is_current():
        builds["compiled"] = compiled.FOLDER
    rates = {}
    for name, folder in builds.items():
        command = [sys.executable, "-m", "tools.bench.replaying"]
        made = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if made.returncode:
            raise ReplayDiffers(f"{name}: {made.stderr[-500:]}")
        rates[name] = json.loads(made.stdout)
    return {"machine": race.machine(), "replay": rates}


def events_per_s(stream: str, events: int, turns: int) -> int:
    """Record ticks of a stream, and return how fast they are replayed. Raises ``ReplayDiffers``."""
    with tempfile.TemporaryDirectory(prefix="hotloop-replay-") as text:
        folder = Path(text)
        _record(folder, stream, events)
        return round(max(_replay(folder, stream, events) for _ in range(turns)))


def _record(folder: Path, stream: str, events: int) -> None:
    header = Header(
        run_id="bench",
        boot=1,
        config_digest="",
        seeds={},
        venue="binance",
        strategy="bench",
        start_ns=0,
        key=KeyKind.SIGNS,
    )
    journal = JournalFile(folder, header, segment_bytes=SEGMENT_BYTES, keep_segments=4)
    Rig(stream=stream, journal=journal).record(events, journal.prepare)
    journal.append(Kind.END, 0, 0, b"")
    journal.close()


def _replay(folder: Path, stream: str, events: int) -> float:
    _, records = next(boots(read(folder)))
    began_s = time.perf_counter()
    tally = replay(records, engine_of(stream))
    seconds = time.perf_counter() - began_s
    if tally.difference is not None or tally.events < events:
        raise ReplayDiffers(f"{stream}: {tally.difference or 'the journal is too short'}")
    return tally.events / seconds


def main() -> int:
    """Print the rates of this build as JSON."""
    rates = {stream: events_per_s(stream, count, TURNS) for stream, count in EVENTS.items()}
    print(json.dumps(rates))
    return 0


if __name__ == "__main__":
    sys.exit(main())
