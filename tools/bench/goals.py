"""The goals of ``docs/performance.md``, each held against what was measured.

Nothing is measured here. A goal of which a figure is missing is there all the same, and is not
reached: one that was left out would be missed by nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from core.model.units import NS_PER_MS

Row = dict[str, Any]

TLS_NS: Final = 8_000
SLOW_NS: Final = 1_000_000
FASTEST_RATE: Final = 20_000
QUIET_RATES: Final = (20, 50, 200)
QUIET: Final = "at 20, 50 and 200 a second"

GC_NS: Final = 1_000_000
"""The longest garbage collection of the soak."""

BUILDS: Final = ("hotloop", "hotloop+compiled")


class Goal(Struct, frozen=True):
    """One goal, and what came of it."""

    what: str
    limit: float
    seen: float | None
    """``None`` where it was not measured."""
    at_least: bool = False
    """Whether more is better."""

    @property
    def reached(self) -> bool:
        if self.seen is None:
            return False
        return self.seen >= self.limit if self.at_least else self.seen <= self.limit


def goals(result: dict[str, Any]) -> list[Goal]:
    """Return each goal, with what was seen of it."""
    rows = {_key(row): row for row in result.get("rows", ())}
    return [
        *_quiet(rows),
        *_thousand(rows),
        *_back_to_back(rows),
        *_open(rows),
        *_bursts(rows),
        *_costs(rows, result.get("hops", {})),
        *_soak(result.get("soak")),
        *_replay(result.get("replay", {})),
    ]


def _key(row: Row) -> tuple[Any, ...]:
    return (
        *(row["variant"], row["mode"], row["stream"], row["tls"], row["rate"]),
        row["action"],
    )


def _find(
    rows: dict[tuple[Any, ...], Row],
    variant: str,
    mode: str = "closed",
    stream: str = "bookTicker",
    *,
    tls: bool = False,
    rate: int = 0,
) -> Row | None:
    row = rows.get((variant, mode, stream, tls, rate, "place"))
    return row if row and (row["p50_ns"] or row["messages_per_s"]) else None


def _quiet(rows: dict[tuple[Any, ...], Row]) -> Iterator[Goal]:
    """A goal for all quiet rates is held against the one that is farthest from it."""
    peers = (("picows+hmac", 2.5), ("nautilus_trader", 10.0), ("ccxt", 8.0))
    for build in BUILDS:
        for name in ("p50_ns", "p99_ns"):
            times = _all(_quiet_ratios(rows, build, "floor", name))
            what = f"{build}: {QUIET}: {name.removesuffix('_ns')}, times the floor's"
            yield Goal(what, 2.0, max(times, default=None))
    signed = (("hotloop+hmac", *peers[0]),)
    for build, peer, limit in (*signed, *((build, *peer) for build in BUILDS for peer in peers)):
        times = _all(_quiet_ratios(rows, peer, build, "p50_ns"))
        what = f"{build}: {QUIET}: times faster than {peer}"
        yield Goal(what, limit, min(times, default=None), at_least=True)


def _quiet_ratios(
    rows: dict[tuple[Any, ...], Row], one: str, other: str, name: str
) -> list[float | None]:
    found = [
        [_find(rows, each, "quiet", rate=rate) for rate in QUIET_RATES] for each in (one, other)
    ]
    return [_ratio(row, beside, name) for row, beside in zip(*found, strict=True)]


def _all(figures: list[float | None]) -> list[float]:
    """Return them where none is missing."""
    found = [figure for figure in figures if figure is not None]
    return found if len(found) == len(figures) else []


def _thousand(rows: dict[tuple[Any, ...], Row]) -> Iterator[Goal]:
    for mode, rate, loop in (("closed", 0, "closed"), ("open", 1_000, "open")):
        floor = _find(rows, "floor", mode, rate=rate)
        for build, limit in zip(BUILDS, (2.0, 1.7), strict=True):
            times = _ratio(_find(rows, build, mode, rate=rate), floor, "p50_ns")
            what = f"{build}: {loop} loop at 1,000 a second: p50, times the floor's"
            yield Goal(what, limit, times)


def _back_to_back(rows: dict[tuple[Any, ...], Row]) -> Iterator[Goal]:
    picows = _find(rows, "picows", "back_to_back")
    for build in BUILDS:
        times = _ratio(_find(rows, build, "back_to_back"), picows, "p50_ns")
        what = f"{build}: back to back: p50, times that of picows"
        yield Goal(what, 1.0, times)


def _open(rows: dict[tuple[Any, ...], Row]) -> Iterator[Goal]:
    floor = _find(rows, "floor", "open", rate=FASTEST_RATE)
    for build in BUILDS:
        closed = _find(rows, build)
        fast = _find(rows, build, "open", rate=FASTEST_RATE)
        where = f"{build}: open loop at {FASTEST_RATE:,}"
        times = _ratio(fast, closed, "p50_ns")
        yield Goal(f"{where}: p50, times the closed loop's", 1.5, times)
        yield Goal(f"{where}: ticks lost", 0, fast["lost"] if fast else None)
        if floor and floor["p99_ns"] >= SLOW_NS:
            continue  # the machine itself is slower than the goal
        p99_us = fast["p99_ns"] / 1e3 if fast else None
        yield Goal(f"{where}: p99, us (the floor's is below)", 1_000, p99_us)


def _bursts(rows: dict[tuple[Any, ...], Row]) -> Iterator[Goal]:
    for build in BUILDS:
        for stream, limit in (("bookTicker", 300_000), ("depth", 50_000)):
            burst = _find(rows, build, "burst", stream)
            rate = burst["messages_per_s"] if burst else None
            what = f"{build}: burst, {stream} messages a second"
            yield Goal(what, limit, rate, at_least=True)


def _costs(rows: dict[tuple[Any, ...], Row], hops: dict[str, Any]) -> Iterator[Goal]:
    plain, secret = _find(rows, "hotloop"), _find(rows, "hotloop", tls=True)
    more_us = (secret["p50_ns"] - plain["p50_ns"]) / 1e3 if plain and secret else None
    yield Goal("TLS: p50, us more", TLS_NS / 1e3, more_us)
    bare = _find(rows, "hotloop-stamps-hops-journal")
    whole = hops.get("hotloop", {}).get("tick_to_trade")
    share = None
    if plain and bare and whole:
        share = 100 * (plain["p50_ns"] - bare["p50_ns"]) / whole["p50_ns"]
    yield Goal("kernel stamps, hops and journal: % of tick to trade", 10, share)


def _soak(soak: dict[str, Any] | None) -> Iterator[Goal]:
    memory = soak["memory"] if soak and soak["samples"] else None
    longest_ns = soak["hops"].get("gc", {}).get("max_ns") if soak else None
    yield Goal("idle in wait mode: % of a CPU", 1, soak["idle_cpu_percent"] if soak else None)
    yield Goal(
        "memory: slope, MB an hour (limit: two standard errors)",
        2 * memory["error_mb_per_h"] if memory else 0.0,
        memory["mb_per_h"] if memory else None,
    )
    longest_ms = None if longest_ns is None else longest_ns / NS_PER_MS
    yield Goal("soak: longest garbage collection, ms", GC_NS / NS_PER_MS, longest_ms)


def _replay(builds: dict[str, dict[str, int]]) -> Iterator[Goal]:
    for build in ("source", "compiled"):
        rate = builds.get(build, {}).get("bookTicker")
        yield Goal(f"replay, {build}: events a second", 200_000, rate, at_least=True)


def _ratio(one: Row | None, other: Row | None, name: str) -> float | None:
    return float(one[name]) / float(other[name]) if one and other else None
