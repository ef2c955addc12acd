"""The race: who takes part in what, and a real one of a fraction of a second."""

from __future__ import annotations

import json

import pytest

from core.model.errors import BadParameter
from core.state.hops import Histogram
from tools import cli
from tools.bench import race, variants


def names_of(mode: str, stream: str, plan: list[tuple[race.Series, list[str]]]) -> list[str]:
    return [
        name
        for series, names in plan
        for name in names
        if series.stream == stream and (series.tls, series.action) == (False, "place")
        for cell in race.cells_of(name, series)
        if cell.mode == mode
    ]


def test_what_sends_no_orders_takes_part_in_bursts_alone() -> None:
    plan = race.plan([*variants.OURS, "cryptofeed"], race.MODES)

    assert names_of("burst", "depth", plan) == ["hotloop", "cryptofeed"]
    assert names_of("closed", "depth", plan) == ["floor", "hotloop"]


def test_what_signs_every_order_is_compared_where_orders_are_sent_on_book_tickers() -> None:
    plan = race.plan(["hotloop", "hotloop+hmac", "picows+hmac"], race.MODES)

    assert names_of("open", "bookTicker", plan)[::3] == ["hotloop", "hotloop+hmac", "picows+hmac"]
    assert names_of("burst", "bookTicker", plan) == ["hotloop"]
    assert names_of("closed", "depth", plan) == ["hotloop"]


def test_what_has_many_ticks_a_second_is_measured_half_as_long() -> None:
    lengths = {
        (cell.mode, cell.rate): cell.lasts(1.0)
        for series, _ in race.plan(["hotloop"], race.MODES)
        for cell in series.cells
    }

    assert lengths == {
        ("closed", 0): 1.0,
        ("back_to_back", 0): 0.5,
        ("quiet", 5): 12.0,
        ("quiet", 20): 3.0,
        ("quiet", 50): 1.2,
        ("quiet", 200): 1.0,
        ("open", 1_000): 1.0,
        ("open", 5_000): 0.5,
        ("open", 20_000): 0.5,
        ("burst", 0): 0.5,
    }


def test_parts_of_hotloop_take_part_in_the_closed_loop_alone() -> None:
    plan = race.plan(variants.STRIPPED, race.MODES)

    ((series, names),) = plan
    assert names == list(variants.STRIPPED)
    assert [cell.mode for cell in race.cells_of(names[0], series)] == ["closed"]
    assert (series.stream, series.tls, series.action) == ("bookTicker", False, "place")


def test_a_burst_comes_last_because_of_what_it_leaves_behind() -> None:
    for series, _ in race.plan(["hotloop"], race.MODES):
        modes = [cell.mode for cell in series.cells]
        assert "burst" not in modes[:-1]


def sample(ns: int, lost: int = 0) -> race.Sample:
    histogram = Histogram()
    histogram.record(ns, 10)
    return race.Sample(histogram, 0, 10, lost, 1.0, 50.0)


@pytest.mark.parametrize(
    ("name", "found", "left"),
    [
        ("ccxt", sample(100_000), [5_000, 20_000, 0]),
        ("ccxt", sample(100_000, lost=1), [0]),
        ("ccxt", sample(race.BEHIND_NS * 2), [0]),
        ("hotloop", sample(race.BEHIND_NS * 2), [5_000, 20_000, 0]),
    ],
)
def test_a_peer_that_falls_behind_is_spared_higher_rates(
    name: str, found: race.Sample, left: list[int]
) -> None:
    contest = race.Race(seconds=1, rounds=1, levels=10)
    first, *waiting = (
        *(race.Cell(mode="open", stream="depth", tls=False, rate=rate) for rate in race.OPEN_RATES),
        race.Cell(mode="burst", stream="depth", tls=False),
    )

    assert [cell.rate for cell in contest.after(name, first, found, waiting)] == left
    assert sum(contest.spared.values()) == 3 - len(left)


def test_open_loops_run_at_every_rate_mildest_first() -> None:
    ((series, _), *_) = race.plan(["floor"], ("open",))

    assert [cell.rate for cell in series.cells] == list(race.OPEN_RATES)


def test_a_row_is_the_median_over_rounds_and_the_largest_of_all() -> None:
    samples = []
    for ns in (100, 300, 200):
        histogram = Histogram()
        histogram.record(ns, 10)
        samples.append(race.Sample(histogram, ns, 10, ns == 300, 1.0, 50.0))

    row = race.row("floor", race.Cell(mode="closed", stream="depth", tls=False), samples)

    assert (row.p50_ns, row.max_ns, row.messages_per_s) == (200, 300, 200)
    assert (row.orders, row.lost, row.rounds) == (30, 1, 3)


def test_a_row_has_all_that_is_promised_of_it() -> None:
    promised = (
        "variant mode rate stream tls p50_ns p99_ns p999_ns max_ns messages_per_s orders lost "
        "rss_mb cpu_percent"
    )
    assert set(promised.split()) <= set(race.Row.__struct_fields__)


@pytest.mark.parametrize("name", ["nobody", "nobody+hmac"])
def test_a_peer_that_is_not_there_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(BadParameter, match="picows"):
        variants.check([name])


@pytest.mark.parametrize("peer", variants.known_peers())
def test_every_peers_requirements_are_pinned(peer: str) -> None:
    lines = (variants.PEERS / peer / "requirements.txt").read_text(encoding="utf-8").split()

    assert lines
    assert all("==" in line for line in lines)


def test_a_real_race_measures_every_variant_and_loses_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(variants, "OURS", ("floor", "hotloop"))
    code = cli.main(
        [
            "bench",
            "--seconds",
            "0.1",
            "--rounds",
            "1",
            "--levels",
            "100",
            "--only",
            "back_to_back",
            "--json",
        ]
    )

    result = json.loads(capsys.readouterr().out)
    assert code == 0
    assert [row["variant"] for row in result["rows"]] == list(variants.OURS)
    for row in result["rows"]:
        assert row["orders"] > 0
        assert row["lost"] == 0
        assert row["p50_ns"] > 0
