"""``hotloop report``: where the time of a run went, hop by hop.

Reads a run's hop log, or any HdrHistogram interval log, adds its intervals up and prints a table
or JSON. Nothing here measures; ``core.state.hops`` says what each hop is.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich import box
from rich.table import Table

from core.io.hlog import older
from core.model.errors import BadParameter
from core.model.units import NS_PER_MS, NS_PER_S, NS_PER_US
from core.state.hops import HOPS, P50, P90, P99, P999, PATH, Histogram
from tools.hop_log import Hlog, read_hlog
from tools.screen import Screen

LOG_NAME = "hops.hlog"

UNTAGGED = "untagged"
"""What the lines without a tag are called: other programs' logs have such."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``hotloop report``."""
    parser.add_argument("path", type=Path, metavar="PATH", help="a run folder or an .hlog file")
    parser.add_argument("--json", action="store_true", help="print JSON, times in nanoseconds")


def run(args: argparse.Namespace) -> int:
    """Print the report; return the exit code. Raises ``BadParameter`` for an unusable log."""
    if args.json:
        print(json.dumps(figures(_load(args.path)), indent=2))
    else:
        show(args.path)
    return 0


def show(path: Path) -> None:
    """Print the table of a run folder or log. Raises ``BadParameter``."""
    log = _load(path)
    console = Screen()
    console.print(_table(log))
    console.print("share: of the time that the hops from kernel to send took together", style="dim")
    for line in sentences(log):
        console.print(line)


def figures(log: Hlog) -> dict[str, object]:
    """Return what ``--json`` prints; ``start`` and ``end`` are seconds since the epoch."""
    return {
        "hops": {
            name: {
                "count": histogram.count,
                **dict(zip(_QUANTILES, histogram.values_at(_RANKS), strict=True)),
                "max_ns": histogram.max,
            }
            for name, histogram in _in_order(log)
        },
        "rehearsals": rehearsing(log),
        "start": log.start_s,
        "end": log.end_s,
    }


def sentences(log: Hlog) -> list[str]:
    """Return what the hops say of how cold the path was, and of what it cost to keep it warm."""
    found = []
    gaps, trades = (log.tags.get(name, Histogram()) for name in ("tick_gap", "tick_to_trade"))
    if gaps.count:
        answered = f", tick_to_trade {duration(_median(trades))}" if trades.count else ""
        found.append(f"median gap between ticks {duration(_median(gaps))}{answered}")
    if rehearsals := rehearsing(log):
        found.append(
            f"rehearsals took {rehearsals['time_share']:.1%} of the time; "
            f"{rehearsals['met_share']:.1%} of the reads met a step of one"
        )
    return found


def rehearsing(log: Hlog) -> dict[str, float]:
    """Return what rehearsals cost: their share of the time, and of the reads the share that had to
    wait for a step of one; empty where there were none.
    """
    whole, met, reads = (
        log.tags.get(name, Histogram()) for name in ("rehearsal", "rehearsal_met", "read")
    )
    if not whole.count or not log.counted_s:
        return {}
    return {
        "time_share": round(whole.total / NS_PER_S / log.counted_s, 4),
        "met_share": round(met.count / reads.count, 4) if reads.count else 0.0,
    }


def _median(histogram: Histogram) -> int:
    return histogram.values_at((P50,))[0]


_QUANTILES = ("p50_ns", "p90_ns", "p99_ns", "p999_ns")
_RANKS = (P50, P90, P99, P999)


def _load(path: Path) -> Hlog:
    file = path / LOG_NAME if path.is_dir() else path
    if not file.exists():
        wanted = (
            f"a run folder has {LOG_NAME}" if path.is_dir() else "a run folder or an .hlog file"
        )
        raise BadParameter(f"{file} does not exist; PATH is wrong or the run left none ({wanted})")
    before = older(file)
    log = read_hlog(before, file) if path.is_dir() and before.exists() else read_hlog(file)
    if log.torn:
        _warn(f"{file}: the last line is cut off and was left out")
    if log.lost:
        _warn(f"{file}: {log.lost} turns or values were lost before they were counted")
    return log


def _warn(text: str) -> None:
    print(f"hotloop: {text}", file=sys.stderr)


def _in_order(log: Hlog) -> Iterator[tuple[str, Histogram]]:
    """Yield the hops in the order a tick passes them, then tags that are none of ours."""
    for name in HOPS:
        if name in log.tags:
            yield name, log.tags[name]
    for name, histogram in log.tags.items():
        if name not in HOPS:
            yield name or UNTAGGED, histogram


def _table(log: Hlog) -> Table:
    start = log.start_s or 0.0
    began = datetime.fromtimestamp(start, UTC)
    title = f"{began:%Y-%m-%d %H:%M:%S} UTC, {log.end_s - start:.1f} s"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("hop")
    for column in ("count", "p50", "p90", "p99", "p99.9", "max", "share"):
        table.add_column(column, justify="right", no_wrap=True)
    path_total = sum(log.tags[name].total for name in PATH if name in log.tags)
    for name, histogram in _in_order(log):
        times = (*histogram.values_at(_RANKS), histogram.max)
        share = f"{histogram.total / path_total:.1%}" if name in PATH and path_total else ""
        table.add_row(name, str(histogram.count), *map(duration, times), share)
    return table


def duration(ns: int) -> str:
    """Return a duration with three digits and its unit: ``"850 ns"``, ``"12.3 us"``."""
    for unit_ns, unit in ((NS_PER_S, "s"), (NS_PER_MS, "ms"), (NS_PER_US, "us")):
        value = ns / unit_ns
        if value >= 0.9995:
            decimals = 2 if value < 9.995 else 1 if value < 99.95 else 0
            return f"{value:.{decimals}f} {unit}"
    return f"{ns} ns"
