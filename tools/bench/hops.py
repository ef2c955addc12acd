"""What each hop costs: hotloop's own hop log, cut to the seconds in which it was loaded.

Nothing is measured here. The log has an interval a second, and only those that lie wholly within
the load count, so that neither start nor warm-up is among them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from core.state.hops import HOPS, P50, P90, P99, P999, Histogram
from tools.hop_log import decode_histogram

_BASE: Final = re.compile(r"#\[BaseTime: *([0-9.]+)")
_LINE: Final = re.compile(r"Tag=([a-z_]+),([0-9.]+),([0-9.]+),[0-9.]+,(\S+)")


class Costs(Struct, frozen=True):
    """The hops of one run, in the order a tick passes them."""

    hops: dict[str, dict[str, int]]
    """By the hop's name: ``count``, ``p50_ns``, ``p90_ns``, ``p99_ns``, ``p999_ns``, ``max_ns``."""


class Tail:
    """Reads a hop log while it is being written; each line once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._base_s = 0.0

    def lines(self) -> Iterator[tuple[str, float, float, Histogram]]:
        """Yield what was written since: hop, begin and end (seconds since the epoch), counts."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.decode("ascii").splitlines():
            if base := _BASE.match(line):
                self._base_s = float(base[1])
            elif found := _LINE.fullmatch(line):
                start_s = self._base_s + float(found[2])
                yield found[1], start_s, start_s + float(found[3]), decode_histogram(found[4])


def read(path: Path, began_s: float, ended_s: float) -> Costs:
    """Return the hops of a log between two moments, in seconds since the epoch."""
    found: dict[str, Histogram] = {}
    for hop, start_s, end_s, histogram in Tail(path).lines():
        if start_s >= began_s and end_s <= ended_s:
            found.setdefault(hop, Histogram()).add(histogram)
    return Costs({hop: figures(histogram) for hop, histogram in in_order(found).items()})


def in_order(found: dict[str, Histogram]) -> dict[str, Histogram]:
    """Return hops in the order a tick passes them."""
    return {hop: found[hop] for hop in HOPS if hop in found}


def figures(histogram: Histogram) -> dict[str, int]:
    """Return a histogram at a glance."""
    names = ("p50_ns", "p90_ns", "p99_ns", "p999_ns")
    values = histogram.values_at((P50, P90, P99, P999))
    found = dict(zip(names, values, strict=True))
    return {"count": histogram.count, **found, "max_ns": histogram.max}
