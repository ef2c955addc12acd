"""What is published is what was measured: tables, picture and docs from the JSON alone."""

from __future__ import annotations

import json
import pathlib
from typing import Any
from xml.etree import ElementTree

import pytest

from core.model.errors import BadParameter
from tools import cli
from tools.bench import docs, page
from tools.bench.goals import goals
from tools.bench.race import CURVE


def row(variant: str, p50_ns: int, **other: Any) -> dict[str, Any]:
    return {
        "variant": variant,
        "mode": "closed",
        "action": "place",
        "rate": 0,
        "stream": "bookTicker",
        "tls": False,
        "p50_ns": p50_ns,
        "p90_ns": p50_ns * 2,
        "p99_ns": p50_ns * 3,
        "p999_ns": p50_ns * 4,
        "max_ns": p50_ns * 5,
        "messages_per_s": 0,
        "orders": 1_000,
        "lost": 0,
        "rss_mb": 40.2,
        "cpu_percent": 99.6,
        "rounds": 5,
        "curve": [p50_ns + i for i in range(len(CURVE))],
        **other,
    }


RESULT: dict[str, Any] = {
    "machine": {"cpu": "Some <CPU>", "cpus": 2},
    "settings": {
        "rounds": 5,
        "seconds": 2.0,
        "versions": {"hotloop": "1"},
        "against": "picows",
    },
    "failures": {"absent": "it ended"},
    "rows": [
        row("floor", 30_000),
        row("hotloop", 45_000),
        row("picows", 135_000, lost=3),
        row("hotloop", 0, mode="burst", messages_per_s=300_000),
        row("picows", 0, mode="burst", messages_per_s=100_000),
    ],
}


HOP = {"count": 9, "p50_ns": 5_000, "p90_ns": 6_000, "p99_ns": 7_000, "p999_ns": 8_000}
OTHERS: dict[str, Any] = {
    "hops": {"hotloop": {"decode": HOP, "tick_to_trade": HOP}},
    "soak": {
        "minutes": 1.0,
        "rate": 1_000,
        "samples": [{"own_mb": 50.0, "orders": 1_000, "lost": 0}],
        "memory": {"mb_per_h": 0.1, "error_mb_per_h": 0.2},
        "p999_ns": [40_000] * 10,
        "idle_cpu_percent": 0.3,
        "hops": {"tick_to_trade": HOP},
    },
    "micro": [{"name": "decode", "hop": "decode", "ns": 900, "ratio": 9.0, "budget": None}],
    "replay": {"source": {"bookTicker": 150_000, "depth": 30_000}},
}


def test_a_row_says_how_many_times_the_floor_and_hotloop_it_takes() -> None:
    lines = {line[0]: line for line in page.tables(RESULT)[0].lines}

    assert lines["hotloop"][1:8] == ["45.0", "90.0", "135.0", "180.0", "225.0", "1.50", "1.00"]
    assert lines["picows"][6:10] == ["4.50", "3.00", "1,000", "3"]


def test_a_burst_says_how_many_times_faster_hotloop_is() -> None:
    lines = {line[0]: line for line in page.tables(RESULT)[1].lines}

    assert lines["picows"][1:3] == ["100,000", "3.0"]


def test_what_did_not_take_part_is_named() -> None:
    assert "absent did not take part: it ended" in page.text(RESULT)


def test_the_picture_is_one_curve_for_each_variant() -> None:
    drawn = ElementTree.fromstring(page.picture(RESULT))  # noqa: S314 - our own text

    assert len(drawn.findall("{http://www.w3.org/2000/svg}polyline")) == 3


def quiet_rows(variant: str, us: int) -> list[dict[str, Any]]:
    quiet = [row(variant, us * 1_000, mode="quiet", rate=rate) for rate in (5, 20, 50, 200)]
    return [*quiet, row(variant, us * 500, mode="open", rate=1_000)]


SPARSE = [
    row for us, variant in ((80, "floor"), (120, "hotloop")) for row in quiet_rows(variant, us)
]


def test_a_second_panel_has_the_medians_by_ticks_a_second() -> None:
    cold = quiet_rows("hotloop-warm", 400)
    picture = page.picture({"rows": [*RESULT["rows"], *SPARSE, *cold]})
    drawn = ElementTree.fromstring(picture)  # noqa: S314 - our own text

    lines = drawn.findall("{http://www.w3.org/2000/svg}polyline")
    assert [len((line.get("points") or "").split()) for line in lines[3:]] == [5, 5, 5]
    assert "hotloop-warm 400 us at 5" in picture
    rates = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert [text for text in rates if text in FIVE] == ["5", "20", "50", "200", "1,000"]
    heights = [float(line.get("points", "").split()[0].split(",")[1]) for line in lines[3:]]
    assert heights == sorted(heights), "the slowest is named first and is the highest"


FIVE = ("5", "20", "50", "200", "1,000")


def test_what_is_drawn_stays_within_its_panel() -> None:
    rows = [*RESULT["rows"], *SPARSE, *quiet_rows("picows", 90_000)]
    drawn = ElementTree.fromstring(page.picture({"rows": rows}))  # noqa: S314 - our own text

    for at, line in enumerate(drawn.findall("{http://www.w3.org/2000/svg}polyline")):
        top = 0 if at < 3 else page.HEIGHT
        for point in line.get("points", "").split():
            x, y = map(float, point.split(","))
            assert page.LEFT <= x <= page.WIDTH - page.RIGHT
            assert top + page.TOP <= y <= top + page.HEIGHT - page.BOTTOM


def test_hotloop_without_parts_is_in_the_tables_alone() -> None:
    rows = [row("floor", 30_000), row("hotloop-stamps", 44_000)]
    drawn = page.picture({**RESULT, "rows": rows})

    assert "hotloop-stamps" not in drawn
    assert "hotloop-stamps" in page.text({**RESULT, "rows": rows})


def test_without_a_closed_loop_there_is_no_picture() -> None:
    with pytest.raises(BadParameter, match="no closed loop"):
        page.picture({**RESULT, "rows": []})


def test_the_page_needs_nothing_from_elsewhere() -> None:
    made = page.html(RESULT)

    assert "Some &lt;CPU&gt;" in made
    assert "<script" not in made
    assert "http" not in made.replace("http://www.w3.org/2000/svg", "")


def test_what_was_spared_is_named() -> None:
    assert "picows: depth at 20,000 ticks a second: not measured in 4 rounds" in page.text(
        {**RESULT, "spared": {"picows: depth at 20,000 ticks a second": 4}}
    )


def test_each_measurement_has_its_table() -> None:
    titles = [table.title for table in page.tables({**RESULT, **OTHERS})]

    assert titles[2:] == [
        "What each hop costs: hotloop, closed loop, bookTicker, tick answered with an order",
        "Soak",
        "Soak: tick to trade in each tenth of it",
        "Soak: what each hop costs",
        "What each call costs",
        "Replay",
    ]


@pytest.mark.parametrize("name", OTHERS)
def test_a_measurement_is_shown_without_a_race(name: str) -> None:
    alone = {"machine": RESULT["machine"], name: OTHERS[name]}

    assert page.text(alone).count("\n\n") >= 1
    assert "<table>" in page.html(alone)


def test_the_docs_name_the_command_that_repeats_them(tmp_path: pathlib.Path) -> None:
    docs.write(RESULT, tmp_path / "performance.md")

    text = (tmp_path / "performance.md").read_text(encoding="utf-8")
    assert "hotloop bench --against picows --seconds 2 --rounds 5 --json" in text
    assert "| hotloop | 45.0 |" in text
    assert (tmp_path / docs.PICTURE).exists()


def test_the_docs_want_a_race(tmp_path: pathlib.Path) -> None:
    with pytest.raises(BadParameter, match="race"):
        docs.write({"soak": OTHERS["soak"]}, tmp_path / "performance.md")


def test_the_docs_take_all_measurements_and_hold_them_against_the_goals(
    tmp_path: pathlib.Path,
) -> None:
    files = []
    compiled = {"compiled": {"modules": 23, "tests": "9 passed"}}
    for i, result in enumerate(({"replay": OTHERS["replay"]}, RESULT, compiled)):
        files.append(tmp_path / f"{i}.json")
        files[i].write_text(json.dumps(result), encoding="utf-8")
    page_file = tmp_path / "performance.md"

    assert cli.main(["bench", "--write-docs", *map(str, files), str(page_file)]) == 0

    text = page_file.read_text(encoding="utf-8")
    where = "hotloop: closed loop at 1,000 a second: p50, times the floor's"
    assert f"| {where} | at most 2 | 1.50 | yes |" in text
    assert "| replay, source: events a second | at least 200,000 | 150,000 | **no** |" in text
    assert "all tests in it: 9 passed" in text


def held(rows: list[dict[str, Any]], **others: Any) -> dict[str, tuple[float | None, bool]]:
    return {goal.what: (goal.seen, goal.reached) for goal in goals({"rows": rows, **others})}


def test_a_goal_of_the_quiet_rows_is_held_against_the_rate_that_is_farthest_from_it() -> None:
    rows = [*SPARSE, *quiet_rows("ccxt", 1_200), *quiet_rows("picows+hmac", 240)]
    whole = held(rows)
    assert whole["hotloop: at 20, 50 and 200 a second: p50, times the floor's"] == (1.5, True)
    assert whole["hotloop: at 20, 50 and 200 a second: times faster than ccxt"] == (10.0, True)
    assert whole["hotloop: at 20, 50 and 200 a second: times faster than picows+hmac"] == (
        2.0,
        False,
    )

    slow = row("hotloop", 250_000, mode="quiet", rate=50)
    worse = [slow if (one["variant"], one["rate"]) == ("hotloop", 50) else one for one in rows]
    worst = held(worse)
    assert worst["hotloop: at 20, 50 and 200 a second: p50, times the floor's"] == (3.125, False)
    assert worst["hotloop: at 20, 50 and 200 a second: times faster than ccxt"] == (4.8, False)


@pytest.mark.parametrize("rate", [20, 50, 200])
def test_a_goal_of_the_quiet_rows_of_which_one_is_missing_was_not_measured(rate: int) -> None:
    rows = [one for one in SPARSE if (one["variant"], one["rate"]) != ("floor", rate)]
    assert held(rows)["hotloop: at 20, 50 and 200 a second: p50, times the floor's"] == (
        None,
        False,
    )


def test_back_to_back_hotloop_is_to_be_level_with_picows() -> None:
    rows = [row(name, us, mode="back_to_back") for name, us in (("picows", 30), ("hotloop", 33))]
    assert held(rows)["hotloop: back to back: p50, times that of picows"] == (1.1, False)


@pytest.mark.parametrize(("max_ns", "seen"), [(900_000, (0.9, True)), (1_200_000, (1.2, False))])
def test_no_garbage_collection_of_the_soak_takes_above_a_millisecond(
    max_ns: int, seen: tuple[float, bool]
) -> None:
    soak = {**OTHERS["soak"], "hops": {"gc": {**HOP, "max_ns": max_ns}}}
    assert held([], soak=soak)["soak: longest garbage collection, ms"] == seen
    assert held([])["soak: longest garbage collection, ms"] == (None, False)
