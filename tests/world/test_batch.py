"""Many seeds over several workers, and what happens when one of these fails."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tools.world import batch
from tools.world.dialect import Dialect
from tools.world.life import Life
from tools.world.rings import TANK, WORLD

HANGS = 3


class Worker(batch.Worker):
    """Lives any seed but one in no time."""

    def __init__(self, started: list[Worker]) -> None:
        self.failed = False
        started.append(self)

    async def live(self, seed: int, canary: str = "") -> Life:
        assert not self.failed, "nobody knows what state it is in"
        await trio.lowlevel.checkpoint()
        if seed == HANGS:
            self.failed = True
            raise batch.WorkerFailed("nothing came of it")
        return Life(seed=seed, simulated_s=1.0, digest="", injected={}, reacted={}, settings={})

    async def stop(self) -> None:
        await trio.lowlevel.checkpoint()


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Worker]:
    started: list[Worker] = []

    async def start(hash_seed: str, ring: str, dialect: Dialect) -> Worker:
        await trio.lowlevel.checkpoint()
        return Worker(started)

    monkeypatch.setattr(batch, "start", start)
    return started


async def test_others_take_over_from_a_worker_that_failed(started: list[Worker]) -> None:
    summary = await batch.run(iter(range(1, 7)), jobs=1)
    assert [(v.seed, v.invariant) for v in summary.violations] == [(HANGS, "I14")]
    assert summary.seeds == 5, "and all others are lived"
    assert len(started) == 4


async def test_a_violation_is_told_when_it_happens(started: list[Worker]) -> None:
    told: list[tuple[int, int]] = []
    await batch.run(
        iter(range(1, 7)), jobs=1, told=lambda s: told.append((s.seeds, len(s.violations)))
    )
    assert told == [(1, 0), (2, 0), (2, 1), (3, 1), (4, 1), (5, 1)]


TLS_SEED = 50
"""A short life in the world ring, with certificates."""


def left(worker: batch.Worker) -> bool:
    """Whether there is a folder that a worker has left something in."""
    return Path(worker._folder.name).exists()


@pytest.mark.parametrize("end", ["stopped", "told to end", "starter killed"])
async def test_nothing_is_left_on_the_disk_of_a_worker(end: str) -> None:
    worker = await batch.start("1", WORLD)
    await worker.live(TLS_SEED)
    assert left(worker)
    if end == "starter killed":
        assert worker._process.stdin
        await worker._process.stdin.aclose()
    if end == "told to end":
        worker._process.terminate()
    if end != "stopped":
        await worker._process.wait()
        assert not left(worker)
    await worker.stop()
    assert not left(worker)


def test_a_fault_that_never_has_its_reaction_is_a_violation() -> None:
    summary = batch.Summary(TANK)
    for seed in range(batch.OFTEN):
        life = Life(
            seed=seed, simulated_s=1.0, digest="", injected={"reset": 1}, reacted={}, settings={}
        )
        summary.take(life)
    summary.take_census()
    assert [(v.invariant, v.text.split()[0]) for v in summary.violations] == [("I23", "reset")]
