"""The goals of ``docs/performance.md``, each held against what was measured.

Nothing is measured here. A goal of which a figure is missing is there all the same, and is not
reached: one that was left out would be missed by nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

Row = dict[str, Any]

TLS_NS: Final = 8_000
SLOW_NS: Final = 1_000_000
FASTEST_RATE: Final = 20_000

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
        *_floor(rows),
        *_peers(rows),
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


def _floor(rows: dict[tuple[Any, ...], Row]) -> Iterator[Goal]:
    floor = _find(rows, "floor")
    for variant, limit in (("hotloop", 1.5), ("hotloop+hmac", 1.8), ("hotloop+compiled", 1.5)):
        ours = _find(rows, variant)
        yield Goal(f"{variant}: p50, times the floor's", limit, _ratio(ours, floor, "p50_ns"))
        yield Goal(f"{variant}: p99, times the floor's", 2.0, _ratio(ours, floor, "p99_ns"))


def _peers(rows: dict[tuple[Any, ...], Row]) -> Iterator[Goal]:
    signed = (("hotloop+hmac", "picows+hmac", 2.5),)
    others = (("picows+hmac", 2.5), ("nautilus_trader", 15.0), ("ccxt", 20.0))
    for build, peer, limit in (*signed, *((one, *other) for one in BUILDS for other in others)):
        times = _ratio(_find(rows, peer), _find(rows, build), "p50_ns")
        yield Goal(f"{build}: times faster than {peer}", limit, times, at_least=True)


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
    yield Goal("idle in wait mode: % of a CPU", 1, soak["idle_cpu_percent"] if soak else None)
    yield Goal(
        "memory: slope, MB an hour (limit: two standard errors)",
        2 * memory["error_mb_per_h"] if memory else 0.0,
        memory["mb_per_h"] if memory else None,
    )


def _replay(builds: dict[str, dict[str, int]]) -> Iterator[Goal]:
    for build in ("source", "compiled"):
        rate = builds.get(build, {}).get("bookTicker")
        yield Goal(f"replay, {build}: events a second", 200_000, rate, at_least=True)


def _ratio(one: Row | None, other: Row | None, name: str) -> float | None:
    return float(one[name]) / float(other[name]) if one and other else None
