"""Worlds by seed: those that ever failed, some that never did, and rules broken on purpose."""

from __future__ import annotations

import argparse
import json
import pathlib
import re
from types import SimpleNamespace

import pytest
import trio

from core.model.units import NS_PER_S
from tools import cli
from tools.arguments import part
from tools.world import batch
from tools.world.audit.connection import SLOW_NS
from tools.world.canaries import BREAKABLE, CANARIES, released
from tools.world.dialect import TRADE
from tools.world.dialects import DIALECTS
from tools.world.faults import FAULTS
from tools.world.life import left_by_ns, live
from tools.world.of_binance import BINANCE
from tools.world.of_kraken import KRAKEN
from tools.world.rings import RINGS
from tools.world.strikes import of_venue
from tools.world.tank import Link
from tools.world.variety import NAMES
from tools.world.world import World

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]

SEEN_TO_LIVE = range(70_000, 70_024)
"""Seeds of worlds that were seen to live. `make dst` lives fresh ones, others for each commit."""

NUMBERS = range(1, 71)
"""The faults that were promised to be survived."""

BOUND = 80
"""Seeds within which each canary has to be caught."""


breaks_rules = pytest.mark.skipif(not BREAKABLE, reason="no compiled function can be replaced")


def failed_before(where: str = "") -> list[int]:
    """Return the seeds that once broke an invariant: Binance's, or those behind another word."""
    lines = (HERE / "seeds.txt").read_text().splitlines()
    seeds = [line.removeprefix(where) for line in lines if line.startswith(where)]
    return [int(line.split()[0]) for line in seeds if line.lstrip()[:1].isdigit()]


@pytest.mark.parametrize("seed", [*failed_before(), *SEEN_TO_LIVE])
def test_nothing_is_broken_in_the_world_of(seed: int) -> None:
    life = live(seed)
    assert not life.failed, "\n".join((f"{life.invariant}: {life.text}", *life.events))


@pytest.mark.parametrize("seed", [*failed_before("kraken"), *SEEN_TO_LIVE[:6]])
def test_nothing_is_broken_in_the_world_of_kraken_of(seed: int) -> None:
    life = live(seed, KRAKEN)
    assert not life.failed, "\n".join((f"{life.invariant}: {life.text}", *life.events))


def test_what_a_venue_has_none_of_is_there_for_others_and_has_its_reason_on_the_page() -> None:
    page = (ROOT / "docs" / "faults.md").read_text()
    faults = {fault.name for ring in RINGS.values() for fault in ring.faults}
    for dialect in DIALECTS.values():
        assert faults >= dialect.lacks.keys()
        assert CANARIES.keys() >= dialect.unbreakable.keys()
        assert {*NAMES} >= dialect.settings_lacking.keys()
        for name, why in {
            **dialect.lacks,
            **dialect.unbreakable,
            **dialect.settings_lacking,
        }.items():
            assert f"| `{name}` | {dialect.name} | {why} |" in page


@breaks_rules
@pytest.mark.parametrize(
    "name",
    [
        "price_off",
        "gap_ignored",
        "fill_told_twice",
        "break_before_make",
        "absent_at_once",
        "one_way_for_cancels",
    ],
)
def test_the_auditor_catches_at_kraken(name: str) -> None:
    with released(name):
        assert any(live(seed, KRAKEN).failed for seed in range(BOUND))


def test_a_violation_at_another_venue_says_so() -> None:
    summary = batch.Summary(dialect=KRAKEN)
    summary.violate(7, "I1", "too much")
    assert summary.violations[0].repeat == "hotloop dst --venue kraken --seed 7"


@breaks_rules
@pytest.mark.parametrize("name", CANARIES)
def test_the_auditor_catches(name: str) -> None:
    dialect = KRAKEN if name in BINANCE.unbreakable else BINANCE
    with released(name):
        assert any(live(seed, dialect).failed for seed in range(BOUND))


def test_whom_the_venue_has_told_to_ask_for_nothing_may_leave_later() -> None:
    world = World(0, of_venue(FAULTS, BINANCE), BINANCE)
    can = world.application.adapter.capabilities
    at_once_ns = left_by_ns(world, can)
    world.run(1.0)
    assert left_by_ns(world, can) == at_once_ns + NS_PER_S
    world.auditor.connection.on_throttled(world.now_ns)
    assert left_by_ns(world, can) == at_once_ns + NS_PER_S + SLOW_NS


def test_an_end_is_announced_on_every_connection_that_stands() -> None:
    """One may have taken the place of another, which is heard on for a while."""
    world = World(0, (), BINANCE)
    world.run(1.0)
    told: list[int] = []
    for number in (TRADE, TRADE + 2):
        session = SimpleNamespace(announce_shutdown=told.append)
        world._standing[number] = Link(TRADE, session, number)
    world.announce_end(TRADE)
    assert len(told) == 2


def test_a_world_is_the_same_in_another_process_with_another_hash_seed() -> None:
    twice = [0, batch.TWICE_EVERY]
    summary = trio.run(lambda: batch.run(iter(twice), jobs=1))
    assert summary.seeds == 2
    assert summary.violations == []
    assert summary.injected.total() > 0


@breaks_rules
def test_a_violation_says_how_to_repeat_it() -> None:
    with released("fills_not_deduplicated"):
        life = next(life for life in map(live, range(20)) if life.failed)
    summary = batch.Summary()
    summary.take(life)
    assert summary.violations[0].repeat == f"hotloop dst --seed {life.seed}"
    assert summary.violations[0].events
    assert "1 violations" in summary.line()


def test_the_command_ends_with_what_was_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["dst", "--seed", "3", "--json"]) == cli.Exit.OK
    shown = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (shown["seeds"], shown["violations"]) == (1, [])
    assert shown["simulated_seconds"] > 1
    assert set(shown["faults"]) == {fault.name for fault in of_venue(FAULTS, BINANCE)}


@breaks_rules
def test_the_command_releases_a_canary(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["dst", "--canary", "fills_not_deduplicated"]) == cli.Exit.OK
    assert ": caught by" in capsys.readouterr().out


@pytest.mark.parametrize("name", CANARIES)
def test_a_canary_breaks_what_is_there(name: str) -> None:
    for change in CANARIES[name].changes:
        assert change.name in vars(change.owner)


def test_all_parts_of_the_canaries_are_all_of_them() -> None:
    parts = [list(CANARIES)[part(f"{which}/3")] for which in (1, 2, 3)]
    assert sorted(name for names in parts for name in names) == sorted(CANARIES)


@pytest.mark.parametrize("text", ["4/3", "0/3", "2", "2/", "a/b", "-1/3"])
def test_a_part_of_the_canaries_that_there_is_not_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        part(text)


def test_the_command_says_which_canary_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["dst", "--canary", "nightingale"]) == cli.Exit.MISUSE
    assert "no such canary" in capsys.readouterr().err


def test_every_fault_is_on_its_page() -> None:
    page = (ROOT / "docs" / "faults.md").read_text()
    rows = re.findall(r"^\| (\d+) \|", page, re.MULTILINE)
    assert len(set(rows)) == len(rows)
    assert {*map(str, NUMBERS)} <= {*rows}
    for fault in FAULTS:
        row = re.search(rf"^\| {fault.number} \|.*$", page, re.MULTILINE)
        assert row is not None
        assert f"`{fault.name}`" in row[0], f"{fault.name} is missing in row {fault.number}"
    for name in CANARIES:
        assert f"`{name}`" in page
