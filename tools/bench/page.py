"""What was measured looks like this: tables for the terminal, a page with a picture.

Everything here is made from the JSON that ``hotloop bench --json`` prints and from nothing else,
so that what is published is what was measured. Nothing is measured here.
"""

from __future__ import annotations

import html as markup
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Struct

from core.model.errors import BadParameter
from tools.bench.race import CURVE, OPEN_RATES
from tools.bench.variants import parts_without

Row = dict[str, Any]

COLUMNS: Final = (
    "variant",
    "p50 us",
    "p90",
    "p99",
    "p99.9",
    "max",
    "x floor",
    "x hotloop",
    "orders",
    "lost",
    "RSS MB",
    "CPU %",
)
HOP_COLUMNS: Final = ("hop", "count", "p50 us", "p90", "p99", "p99.9")
BURST_COLUMNS: Final = ("variant", "messages/s", "hotloop is x", "RSS MB", "CPU %")

MODES: Final = {
    "closed": "Closed loop, one tick a millisecond",
    "back_to_back": "Closed loop, back to back",
    "quiet": "Quiet loop, uneven gaps",
    "open": "Open loop",
    "burst": "Burst, no orders",
}

COLOURS: Final = (
    *("#111111", "#d62728", "#ff7f0e", "#1f77b4", "#2ca02c", "#9467bd", "#8c564b"),
    *("#e377c2", "#7f7f7f", "#bcbd22", "#17becf", "#5254a3", "#637939", "#ad494a"),
)

LEAST_OPEN: Final = OPEN_RATES[0]
"""Ticks a second of the open loop that continues the quiet ones."""

WIDTH, HEIGHT = 1_060, 600
"""Of a panel."""
LEFT, RIGHT, TOP, BOTTOM = 80, 240, 50, 60


class Table:
    """A heading, and cells as text."""

    def __init__(self, title: str, columns: Sequence[str], lines: list[list[str]]) -> None:
        self.title = title
        self.columns = columns
        self.lines = lines


def tables(result: dict[str, Any]) -> list[Table]:
    """Return all that there is: a table for each way of loading, then all else."""
    return [
        *_races(result.get("rows", ())),
        *_hops(result.get("hops", {})),
        *(_soak(result["soak"]) if "soak" in result else ()),
        *(_micro(result["micro"]) if "micro" in result else ()),
        *(_replay(result["replay"]) if "replay" in result else ()),
        *(_saturation(result["saturation"]) if "saturation" in result else ()),
    ]


def _races(rows: Iterable[Row]) -> list[Table]:
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        key = (row["mode"], row["rate"], row["stream"], row["tls"], row["action"])
        groups.setdefault(key, []).append(row)
    return [_table(rows) for rows in groups.values()]


def _table(rows: list[Row]) -> Table:
    first = rows[0]
    by_name = {row["variant"]: row for row in rows}
    if first["mode"] == "burst":
        ours = by_name.get("hotloop", first)["messages_per_s"]
        lines = [_burst_line(row, ours) for row in rows]
        return Table(_title(first), BURST_COLUMNS, lines)
    floor = by_name.get("floor")
    hotloop = by_name.get("hotloop")
    return Table(_title(first), COLUMNS, [_line(row, floor, hotloop) for row in rows])


def _title(row: Row) -> str:
    rate = f" at {row['rate']:,} ticks a second" if row["rate"] else ""
    tls = ", TLS" if row["tls"] else ""
    action = ", cancel-replace" if row["action"] == "cancel_replace" else ""
    return f"{MODES[row['mode']]}{rate}: {row['stream']}{tls}{action}"


def _line(row: Row, floor: Row | None, hotloop: Row | None) -> list[str]:
    return [
        row["variant"],
        *(_us(row[name]) for name in ("p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns")),
        _ratio(row, floor),
        _ratio(row, hotloop),
        f"{row['orders']:,}",
        f"{row['lost']:,}",
        f"{row['rss_mb']:.0f}",
        f"{row['cpu_percent']:.0f}",
    ]


def _burst_line(row: Row, ours: int) -> list[str]:
    rate = row["messages_per_s"]
    return [
        row["variant"],
        f"{rate:,}" if rate else "never through",
        f"{ours / rate:.1f}" if rate else "",
        f"{row['rss_mb']:.0f}",
        f"{row['cpu_percent']:.0f}",
    ]


def _ratio(row: Row, other: Row | None) -> str:
    return f"{row['p50_ns'] / other['p50_ns']:.2f}" if other and other["p50_ns"] else ""


def _us(ns: int) -> str:
    return f"{ns / 1e3:.1f}" if ns < 10_000_000 else f"{ns / 1e3:,.0f}"


def _hops(hops: dict[str, dict[str, Any]]) -> list[Table]:
    return [
        Table(
            f"What each hop costs: {name}, closed loop, bookTicker, tick answered with an order",
            HOP_COLUMNS,
            [_hop_line(hop, figures) for hop, figures in costs.items()],
        )
        for name, costs in hops.items()
    ]


def _hop_line(hop: str, figures: dict[str, int]) -> list[str]:
    times = [_us(figures[name]) for name in ("p50_ns", "p90_ns", "p99_ns", "p999_ns")]
    return [hop, f"{figures['count']:,}", *times]


def _soak(soak: dict[str, Any]) -> list[Table]:
    memory, samples = soak["memory"], soak["samples"]
    own = [sample["own_mb"] for sample in samples]
    slope, error = memory["mb_per_h"], memory["error_mb_per_h"]
    lines = [
        ["length", f"{soak['minutes']:g} minutes at {soak['rate']:,} orders a second"],
        ["orders", f"{sum(sample['orders'] for sample in samples):,}"],
        ["lost", f"{sum(sample['lost'] for sample in samples):,}"],
        ["own memory, begin and end", f"{own[0]:.1f} and {own[-1]:.1f} MB" if own else ""],
        ["its slope", f"{slope:+.2f} MB an hour, standard error {error:.2f}"],
        ["idle in wait mode", f"{soak['idle_cpu_percent']:.2f} % of a CPU"],
    ]
    tenths = [[f"{i + 1}", _us(ns)] for i, ns in enumerate(soak["p999_ns"])]
    made = [
        Table("Soak", ("what", "seen"), lines),
        Table("Soak: tick to trade in each tenth of it", ("tenth", "p99.9 us"), tenths),
    ]
    if soak["hops"]:
        hops = [_hop_line(hop, figures) for hop, figures in soak["hops"].items()]
        made.append(Table("Soak: what each hop costs", HOP_COLUMNS, hops))
    return made


def _micro(calls: list[dict[str, Any]]) -> list[Table]:
    lines = [
        [
            call["name"],
            call["hop"],
            f"{call['ns'] / 1e3:.2f}",
            f"{call['ratio']:.1f}",
            f"{call['budget']:.1f}" if call["budget"] else "",
        ]
        for call in calls
    ]
    return [Table("What each call costs", ("call", "hop", "us", "ratio", "budget"), lines)]


def _replay(builds: dict[str, dict[str, int]]) -> list[Table]:
    streams = list(next(iter(builds.values())))
    columns = ("build", *(f"{stream} events/s" for stream in streams))
    lines = [[name, *(f"{rates[s]:,}" for s in streams)] for name, rates in builds.items()]
    return [Table("Replay", columns, lines)]


def _saturation(found: list[dict[str, Any]]) -> list[Table]:
    builds = list(dict.fromkeys(one["build"] for one in found))
    cells = {(one["stream"], one["orders"], one["build"]): _rate(one) for one in found}
    lines = [
        [stream, orders, *(cells.get((stream, orders, build), "") for build in builds)]
        for stream, orders in dict.fromkeys((one["stream"], one["orders"]) for one in found)
    ]
    title = "The highest rate that holds, ticks a second"
    return [Table(title, ("stream", "orders", *builds), lines)]


def _rate(one: dict[str, Any]) -> str:
    return f"{'at least ' if one['at_least'] else ''}{one['rate']:,}"


# -- the terminal ----------------------------------------------------------------------------


def preface(machine: dict[str, Any], settings: dict[str, Any]) -> str:
    """Return machine, versions and settings, a line each."""
    said = {**machine, **settings}
    versions = said.pop("versions", {})
    lines = [f"{name.replace('_', ' ')}: {value}" for name, value in said.items()]
    if versions:
        lines.append("versions: " + "; ".join(f"{name} {text}" for name, text in versions.items()))
    return "\n".join(lines)


def text(result: dict[str, Any]) -> str:
    """Return everything as plain text."""
    parts = [preface(result["machine"], result.get("settings", {}))]
    for table in tables(result):
        lines = [list(table.columns), *table.lines]
        widths = [max(len(line[i]) for line in lines) for i in range(len(table.columns))]
        shown = ["  ".join(_pad(line, widths)) for line in lines]
        parts.append("\n".join([table.title, *shown]))
    return "\n\n".join([*parts, *notes(result)])


def notes(result: dict[str, Any]) -> list[str]:
    """Return what did not take place, and why."""
    absent = [
        f"{name} did not take part: {why}" for name, why in result.get("failures", {}).items()
    ]
    spared = [
        f"{what}: not measured in {rounds} rounds, in which it fell behind at a lower rate"
        for what, rounds in result.get("spared", {}).items()
    ]
    return absent + spared


def _pad(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *rest = zip(line, widths, strict=True)
    return [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]


# -- the picture -----------------------------------------------------------------------------


MARKS_NS: Final = tuple(10**decade * part for decade in range(3, 11) for part in (1, 2, 5))
"""Where an axis may begin, have a line and end: 1 us to 50 s."""


class Panel(Struct, frozen=True):
    """One of the picture's two, whose axes are both logarithmic."""

    top: int
    title: str
    axis: str
    marks_ns: tuple[int, ...]

    @classmethod
    def around(cls, top: int, title: str, axis: str, values_ns: Iterable[int]) -> Panel:
        """Return one with the marks from below the least of some values to above the largest."""
        values = list(values_ns)
        first = max(bisect_right(MARKS_NS, min(values)) - 1, 0)
        last = min(bisect_left(MARKS_NS, max(values)), len(MARKS_NS) - 1)
        return cls(top, title, axis, MARKS_NS[first : max(last, first + 1) + 1])

    def y(self, ns: float) -> float:
        """Return where a latency is."""
        lowest, highest = self.marks_ns[0], self.marks_ns[-1]
        share = math.log10(max(ns, lowest) / lowest) / math.log10(highest / lowest)
        return self.top + HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share


def picture(result: dict[str, Any]) -> str:
    """Return the percentiles of the closed loop, and below them the medians by ticks a second
    where there are quiet loops, as SVG.

    Raises ``BadParameter`` where there is no closed loop among the rows.
    """
    rows, quiet = _pictured(result), _by_rate(result)
    if not rows:
        raise BadParameter("there is no closed loop on bookTicker among these rows")
    names = dict.fromkeys([*(row["variant"] for row in rows), *quiet])
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
    height = 2 * HEIGHT if quiet else HEIGHT
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            'font-family="sans-serif" font-size="13">'
        ),
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        *_percentiles(rows, colours),
        *(_medians(quiet, colours) if quiet else ()),
    ]
    return "\n".join([*parts, "</svg>"])


def has_picture(result: dict[str, Any]) -> bool:
    """Whether the closed loop of the picture was measured."""
    return bool(_pictured(result))


def _pictured(result: dict[str, Any]) -> list[Row]:
    return [
        row
        for row in result.get("rows", ())
        if (row["mode"], row["stream"], row["tls"], row["action"])
        == ("closed", "bookTicker", False, "place")
        and row["curve"]
        and not parts_without(row["variant"])
    ]


def _by_rate(result: dict[str, Any]) -> dict[str, dict[int, int]]:
    """Return each variant's p50 by ticks a second; empty without quiet loops."""
    found: dict[str, dict[int, int]] = {}
    for row in result.get("rows", ()):
        sparse = row["mode"] == "quiet" or (row["mode"], row["rate"]) == ("open", LEAST_OPEN)
        if sparse and row["p50_ns"] and (row["stream"], row["tls"]) == ("bookTicker", False):
            found.setdefault(row["variant"], {})[row["rate"]] = row["p50_ns"]
    return {name: rates for name, rates in found.items() if min(rates) < LEAST_OPEN}


def _percentiles(rows: list[Row], colours: dict[str, str]) -> Iterable[str]:
    title = "Tick to order, wire to wire: closed loop, one tick a millisecond"
    values = (row["curve"][place] for row in rows for place in (0, -1))
    panel = Panel.around(0, title, "percentile", values)
    names = ("best", "90 %", "99 %", "99.9 %", "99.99 %")
    yield from _grid(panel, {_x(8 * decade): name for decade, name in enumerate(names)})
    for i, row in enumerate(rows):
        points = [(_x(place), panel.y(ns)) for place, ns in enumerate(row["curve"])]
        name = row["variant"]
        yield from _line_of(points, name, colours[name])
        yield from _named(panel, i, name, f"{row['p50_ns'] / 1e3:.0f} us", colours[name])


def _medians(quiet: dict[str, dict[int, int]], colours: dict[str, str]) -> Iterable[str]:
    title = "Medians by ticks a second, uneven gaps: what a path costs when it has gone cold"
    every = [(rate, ns) for rates in quiet.values() for rate, ns in rates.items()]
    panel = Panel.around(HEIGHT, title, "ticks a second", (ns for _, ns in every))
    rates = sorted({rate for rate, _ in every})
    first, last = math.log10(rates[0]), math.log10(rates[-1])
    width = WIDTH - LEFT - RIGHT
    x = {rate: LEFT + width * (math.log10(rate) - first) / ((last - first) or 1) for rate in rates}
    yield from _grid(panel, {x[rate]: f"{rate:,}" for rate in rates})
    ranked = sorted(quiet, key=lambda name: min(quiet[name].items()), reverse=True)
    for i, name in enumerate(ranked):
        points = [(x[rate], panel.y(ns)) for rate, ns in sorted(quiet[name].items())]
        yield from _line_of(points, name, colours[name])
        for at, height in points:
            yield f'<circle cx="{at:.1f}" cy="{height:.1f}" r="3" fill="{colours[name]}"/>'
        least, ns = min(quiet[name].items())
        yield from _named(panel, i, name, f"{ns / 1e3:.0f} us at {least}", colours[name])


def _x(place: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * place / (len(CURVE) - 1)


def _grid(panel: Panel, marks: dict[float, str]) -> Iterable[str]:
    top, bottom = panel.top + TOP, panel.top + HEIGHT - BOTTOM
    yield f'<text x="{LEFT}" y="{panel.top + 26}" font-size="17">{panel.title}</text>'
    for x, name in marks.items():
        yield f'<line x1="{x:.0f}" y1="{top}" x2="{x:.0f}" y2="{bottom}" stroke="#ddd"/>'
        yield f'<text x="{x:.0f}" y="{bottom + 20}" text-anchor="middle">{name}</text>'
    for ns in panel.marks_ns:
        y = panel.y(ns)
        yield f'<line x1="{LEFT}" y1="{y:.0f}" x2="{WIDTH - RIGHT}" y2="{y:.0f}" stroke="#ddd"/>'
        name = f"{ns // 1_000_000:,} ms" if ns >= 1_000_000 else f"{ns // 1_000} us"
        yield f'<text x="{LEFT - 8}" y="{y + 4:.0f}" text-anchor="end">{name}</text>'
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield f'<text x="{middle:.0f}" y="{bottom + 46}" text-anchor="middle">{panel.axis}</text>'


def _stroke(name: str, colour: str) -> str:
    width = 3 if name.startswith("hotloop") else 1.6
    dashes = ' stroke-dasharray="6 4"' if parts_without(name) else ""
    return f'stroke="{colour}" stroke-width="{width}"{dashes}'


def _line_of(points: list[tuple[float, float]], name: str, colour: str) -> Iterable[str]:
    shown = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    yield f'<polyline points="{shown}" fill="none" {_stroke(name, colour)}/>'


def _named(panel: Panel, i: int, name: str, figure: str, colour: str) -> Iterable[str]:
    x, y = WIDTH - RIGHT + 12, panel.top + TOP + 14 + 20 * i
    yield f'<line x1="{x}" y1="{y - 4}" x2="{x + 22}" y2="{y - 4}" {_stroke(name, colour)}/>'
    yield f'<text x="{x + 28}" y="{y}">{markup.escape(name)} {figure}</text>'


# -- the page --------------------------------------------------------------------------------


_STYLE: Final = """
body { font: 15px sans-serif; max-width: 70em; margin: 2em auto }
td, th { padding: .2em .7em; text-align: right }
td:first-child, th:first-child { text-align: left }
tr:nth-child(even) { background: #f4f4f4 }
"""


def html(result: dict[str, Any]) -> str:
    """Return one page that needs nothing else."""
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>hotloop bench</title>',
        f"<style>{_STYLE}</style><h1>hotloop bench</h1>",
        f"<pre>{markup.escape(preface(result['machine'], result.get('settings', {})))}</pre>",
    ]
    if has_picture(result):
        parts.append(picture(result))
    for table in tables(result):
        parts.append(f"<h2>{markup.escape(table.title)}</h2><table>")
        parts.append(_html_line("th", table.columns))
        parts += [_html_line("td", line) for line in table.lines]
        parts.append("</table>")
    parts += [f"<p>{markup.escape(note)}</p>" for note in notes(result)]
    return "\n".join([*parts, "</html>"])


def _html_line(tag: str, cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{markup.escape(cell)}</{tag}>" for cell in cells) + "</tr>"
