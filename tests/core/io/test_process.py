"""A missing privilege is one line and no error; garbage is collected when we say."""

from __future__ import annotations

import ast
import ctypes
import gc
import os
import resource
import subprocess
import sys
import weakref
from collections.abc import Iterator

import pytest

from core.io import process
from core.io.process import FULL_EVERY_NS, Garbage, configure, memory
from core.model.errors import BadConfig
from tests.core.io.steps import Lags, StepClock


class Machine:
    """What the operating system was asked for, none of it done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[object] = []
        self.refused: set[str] = set()
        self.memlock = resource.RLIM_INFINITY
        monkeypatch.setattr(os, "sched_setaffinity", self._set_affinity)
        monkeypatch.setattr(os, "setpriority", self._set_priority)
        monkeypatch.setattr(resource, "getrlimit", lambda which: (self.memlock, self.memlock))
        monkeypatch.setattr(process, "_has_capability", lambda number: False)
        monkeypatch.setattr(process, "allow_busy_poll", lambda sock: "poll" not in self.refused)
        monkeypatch.setattr(ctypes, "CDLL", lambda name, use_errno: self)

    def _set_affinity(self, pid: int, cpus: set[int]) -> None:
        self.asked.append(("pin", pid, cpus))
        if "pin" in self.refused:
            raise OSError("invalid argument")

    def _set_priority(self, which: int, who: int, priority: int) -> None:
        self.asked.append(("nice", who, priority))
        if "nice" in self.refused:
            raise PermissionError("denied")

    def mlockall(self, flags: int) -> int:
        self.asked.append(("mlockall", flags))
        return -1 if "lock" in self.refused else 0


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_everything_granted_leaves_nothing_to_say(machine: Machine) -> None:
    assert configure(cpu=1) == []
    assert machine.asked == [("mlockall", 7), ("pin", 0, {1}), ("nice", 0, -20)]


def test_without_a_cpu_of_our_own_nobody_is_starved(machine: Machine) -> None:
    assert configure(cpu=None) == []
    assert machine.asked == [("mlockall", 7)]


@pytest.mark.parametrize(
    ("privilege", "line"),
    [
        ("pin", "not pinned to CPU 1"),
        ("nice", "no higher priority"),
        ("lock", "memory not locked"),
        ("poll", "no busy polling"),
    ],
)
def test_a_missing_privilege_is_one_line_that_says_what_to_grant(
    machine: Machine, privilege: str, line: str
) -> None:
    machine.refused = {privilege}
    [said] = configure(cpu=1)
    assert said.startswith(line)
    assert "cost" in said
    assert "; " in said
    assert "\n" not in said


def test_memory_is_not_locked_under_a_bound(machine: Machine) -> None:
    machine.memlock = 8 << 20
    [said] = configure(cpu=1)
    assert said.startswith("memory not locked")
    assert ("mlockall", 7) not in machine.asked


def test_a_real_process_is_pinned() -> None:
    cpu = min(os.sched_getaffinity(0))
    code = f"import os; from core.io.process import configure; configure({cpu}); "
    code += "print(sorted(os.sched_getaffinity(0)))"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert ast.literal_eval(run.stdout) == [cpu]


def test_a_cpu_that_does_not_exist_is_said_so() -> None:
    said = process._pin(100_000)
    assert said.startswith("not pinned to CPU 100000")


def test_resident_memory_is_told_in_bytes() -> None:
    own, mapped = memory()
    assert 1 << 20 < own < 1 << 40
    assert 1 << 20 < mapped < 1 << 40


# -- garbage ---------------------------------------------------------------------------------


class Cycle:
    """An object that only the cyclic collector can free."""

    freed = 0

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        Cycle.freed += 1


@pytest.fixture
def garbage() -> Iterator[tuple[Garbage, StepClock, Lags]]:
    clock, lags = StepClock(), Lags()
    made = Garbage(clock.now_ns, lags.record)
    made.freeze()
    yield made, clock, lags
    gc.enable()
    gc.unfreeze()
    gc.collect()


Made = tuple[Garbage, StepClock, Lags]


def _litter(cycles: int) -> None:
    Cycle.freed = 0
    for _ in range(cycles):
        Cycle()


def test_nothing_is_collected_by_itself(garbage: Made) -> None:
    _litter(20_000)
    assert Cycle.freed == 0


def test_idle_work_collects_what_is_young(garbage: Made) -> None:
    made, _, lags = garbage
    _litter(1_000)
    made.collect()
    assert Cycle.freed == 1_000
    assert lags.all == [("gc", 100)]


def test_a_little_garbage_is_left_for_later(garbage: Made) -> None:
    made, _, lags = garbage
    made.collect()
    _litter(10)
    made.collect()
    assert Cycle.freed == 0
    assert lags.all == []


def test_what_outlived_the_young_is_collected_in_time(garbage: Made) -> None:
    made, clock, _ = garbage
    old = Cycle()
    for _ in range(2 * process.YOUNG_ROUNDS):  # until it is in the oldest generation
        _litter(1_000)
        made.collect()
    gone = weakref.ref(old)
    del old
    for _ in range(2 * process.YOUNG_ROUNDS):
        _litter(1_000)
        made.collect()
    assert gone() is not None
    clock.time_ns += FULL_EVERY_NS
    _litter(1_000)
    made.collect()
    assert gone() is None


def test_survivors_of_a_full_collection_are_left_alone(garbage: Made) -> None:
    made, clock, _ = garbage
    before = gc.get_freeze_count()
    kept = [Cycle() for _ in range(1_000)]
    clock.time_ns += FULL_EVERY_NS
    made.collect()
    assert gc.get_freeze_count() >= before + len(kept)


def test_few_descriptors_are_raised_and_too_few_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: taken.append(limits))
    monkeypatch.setattr(resource, "getrlimit", lambda _: (16, 4096))
    process.check_descriptors()
    assert taken == [(process.FEWEST_FILES, 4096)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: (16, 16))
    with pytest.raises(BadConfig, match="only 16 files"):
        process.check_descriptors()
