"""The whole process in simulated worlds: its seeds, its faults, and what makes it repeatable."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from httpcore._async import http11
from trio._core import _run
from trio.testing import MockClock

from core.model.errors import Misuse
from tools import cli
from tools.world import batch, idleness, scheduler
from tools.world.canaries import BREAKABLE, released
from tools.world.dialect import Dialect
from tools.world.dialects import DIALECTS
from tools.world.of_binance import BINANCE
from tools.world.process_faults import FAULTS
from tools.world.process_life import live
from tools.world.rings import WORLD
from tools.world.setting import Setting
from tools.world.strikes import of_venue

ROOT = Path(__file__).parents[2]


def failed_before() -> list[int]:
    """Return the seeds of this ring that once broke an invariant."""
    lines = (Path(__file__).parent / "seeds.txt").read_text().splitlines()
    return sorted({int(line.split()[1]) for line in lines if line.startswith(WORLD)})


WITHIN = 40
"""Worlds within which one fault, made certain, is seen with its reaction."""


def venue_of(name: str) -> Dialect:
    """Return a venue that has a fault: the first that does not lack it."""
    return next(dialect for dialect in DIALECTS.values() if name not in dialect.lacks)


def worlds_with(name: str, dialect: Dialect) -> list[int]:
    """Return the first seeds whose world may have a fault: mischief is the strategy's own."""
    seeds: Iterator[int] = itertools.count()
    if name == "mischief":
        seeds = (
            seed
            for seed in seeds
            if 'mischief = ""' not in Setting(seed, dialect).configured(1).run.parameters
        )
    return list(itertools.islice(seeds, WITHIN))


def order_of(seed: str) -> list[int]:
    """Return the order in which trio runs tasks that are all ready."""
    order: list[int] = []

    async def step(number: int) -> None:
        for _ in range(5):
            order.append(number)
            await trio.lowlevel.checkpoint()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(6):
                nursery.start_soon(step, number)

    with scheduler.seeded(seed):
        trio.run(main)
    return order


def test_a_connection_is_idle_by_the_simulated_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy is no other world."""

    async def main() -> float:
        await trio.sleep(1_000)
        return float(vars(http11)["time"].monotonic() - trio.current_time())

    with idleness.simulated():
        assert trio.run(main, clock=MockClock(autojump_threshold=0)) == 0
    monkeypatch.delattr(http11, "time")
    with pytest.raises(Misuse, match="idleness"), idleness.simulated():
        pass


def test_trio_still_lets_its_order_be_seeded() -> None:
    assert order_of("one") == order_of("one")
    assert order_of("one") != order_of("two")


def test_a_trio_that_has_moved_its_names_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(_run, "_r")
    with pytest.raises(Misuse, match="find what makes trio's order repeatable"):
        order_of("one")


@pytest.mark.parametrize("seed", [0, *failed_before()])
def test_nothing_is_broken_in_the_world_of(seed: int) -> None:
    life = live(seed)
    assert not life.failed, "\n".join((f"{life.invariant}: {life.text}", *life.events))


@pytest.mark.parametrize("name", [one.name for one in FAULTS])
def test_the_promised_reaction_follows(name: str) -> None:
    fault = next(fault for fault in FAULTS if fault.name == name)
    often = min(fault.often * 5, 0.5) if fault.on else 0.4
    dialect = venue_of(name)
    for seed in worlds_with(name, dialect):
        life = live(seed, dialect, faults=(fault._replace(often=often),), certain=True)
        assert not life.failed, f"seed {seed}: {life.invariant}: {life.text}"
        if life.reacted.get(name):
            return
    pytest.fail(f"{name} was not seen with its reaction in {WITHIN} worlds")


@pytest.mark.skipif(not BREAKABLE, reason="no compiled function can be replaced")
@pytest.mark.parametrize(("name", "first"), [("fills_not_deduplicated", 0), ("stale_book_read", 4)])
def test_the_auditor_catches(name: str, first: int) -> None:
    with released(name):
        assert any(live(seed).failed for seed in range(first, first + 12))


def test_a_world_is_the_same_in_another_process_with_another_hash_seed() -> None:
    summary = trio.run(lambda: batch.run(iter([0, batch.TWICE_EVERY]), jobs=1, ring=WORLD))
    assert (summary.seeds, summary.violations) == (2, [])


def test_the_command_ends_with_what_was_shown(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["dst", "--ring", "world", "--seed", "2", "--json"]
    assert cli.main(arguments) == cli.Exit.OK
    shown = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (shown["seeds"], shown["violations"]) == (1, [])
    assert set(shown["faults"]) == {fault.name for fault in of_venue(FAULTS, BINANCE)}


def test_a_violation_says_how_to_repeat_it() -> None:
    summary = batch.Summary(WORLD)
    summary.violate(7, "I1", "too much")
    assert summary.violations[0].repeat == "hotloop dst --ring world --seed 7"


def test_every_fault_is_on_its_page() -> None:
    page = (ROOT / "docs" / "faults.md").read_text()
    for fault in FAULTS:
        row = re.search(rf"^\| {fault.number} \|.*$", page, re.MULTILINE)
        assert row is not None
        assert f"`{fault.name}`" in row[0], f"{fault.name} is missing in row {fault.number}"
