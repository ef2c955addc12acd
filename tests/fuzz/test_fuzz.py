"""A fixed number of cases for every reader, what ever failed, and work that is counted."""

from __future__ import annotations

import base64
import pathlib
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from core.model.units import NS_PER_S
from tools.bench import wire
from tools.fuzz import __main__ as command
from tools.fuzz.__main__ import attempt, of
from tools.fuzz.mutation import LONGEST, case
from tools.fuzz.targets import MAX_MESSAGE, TARGETS, Target, said

SEEDS = 40
"""Cases of each reader in each run of the tests."""

TEARS = 150
"""Places at which each legal input is cut off: every byte of a short one."""

FOUND = pathlib.Path(__file__).with_name("found.txt")
BY_NAME = {target.name: target for target in TARGETS}

readers = pytest.mark.parametrize("target", TARGETS, ids=BY_NAME)


def found() -> list[tuple[str, bytes]]:
    lines = [line.split() for line in FOUND.read_text().splitlines() if line[:1] not in "#"]
    return [(name, base64.b64decode(coded)) for name, coded, *_ in lines]


@readers
def test_a_legal_input_is_read(target: Target) -> None:
    corpus = target.corpus()
    assert corpus
    for data in corpus:
        target.read(data)


@readers
def test_mutated_bytes_give_what_is_promised(target: Target) -> None:
    corpus = target.corpus()
    for seed in range(SEEDS):
        failure = attempt(target, str(seed), of(target, str(seed), corpus))
        assert failure is None, failure.text()


@readers
def test_bytes_torn_anywhere_give_what_is_promised(target: Target) -> None:
    for data in target.corpus():
        for end in range(0, len(data), len(data) // TEARS + 1):
            failure = attempt(target, "", data[:end])
            assert failure is None, failure.text()


@pytest.mark.parametrize(("name", "data"), found())
def test_what_once_failed_never_does_again(name: str, data: bytes) -> None:
    failure = attempt(BY_NAME[name], "", data)
    assert failure is None, failure.text()


# -- work ------------------------------------------------------------------------------------


def lines_run(read: Callable[[bytes], object], data: bytes, allowed: tuple[Any, ...]) -> int:
    """Return how many lines of Python reading takes."""
    count = 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        read(data)
    except allowed:
        pass
    finally:
        sys.settrace(before)
    return count


def levels(count: int) -> bytes:
    changes = b",".join(b'["%d.00","1.00000"]' % (60_000 + one) for one in range(count))
    head = b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1,"s":"BTCUSDT",'
    return head + b'"U":1,"u":2,"b":[' + changes + b'],"a":[]}}'


GROWING: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "small frames": ("frames", lambda n: b"p" + wire.frame(b"{}") * n),
    "fragments": ("frames", lambda n: b"p\x01\x01a" + b"\x00\x01b" * n + b"\x80\x00"),
    "pings in a message": ("frames", lambda n: b"p\x01\x01a" + b"\x89\x01b" * n + b"\x80\x00"),
    "levels": ("market", levels),
    "header lines": ("headers", lambda n: b"x-mbx-used-weight-1m:7\n" * n),
    "keys of a configuration": (
        "config",
        lambda n: b"".join(b"key%d = 1\n" % one for one in range(n)),
    ),
    "arguments": ("control", lambda n: b'{"verb":"halt","arguments":[' + b'"a",' * n + b'"a"]}'),
    "zeros of a segment": ("journal", lambda n: said_segment() + bytes(64 * n)),
    "broken records": ("journal", lambda n: said_segment() + b"\x20\0\0\0\1\2\3\4" * 8 * n),
    "empty buckets": ("histogram", lambda n: BY_NAME["histogram"].corpus()[0] + b"\x01" * n),
    "streams": (
        "sim-streams",
        lambda n: b'{"id":1,"method":"SUBSCRIBE","params":[' + b'"a@b",' * n + b'"a@b"]}',
    ),
    "parameters": ("sim-rest", lambda n: b"GET /api/v3/depth?" + b"a=b&" * n),
}


def said_segment() -> bytes:
    return BY_NAME["journal"].corpus()[0]


@pytest.mark.parametrize("what", GROWING)
def test_work_grows_no_faster_than_the_input(what: str) -> None:
    name, make = GROWING[what]
    target = BY_NAME[name]
    lines_run(target.read, make(10), target.allowed)  # what is imported and learned once
    small, large = (lines_run(target.read, make(n), target.allowed) for n in (200, 800))
    assert large <= 4 * small + 200, f"four times the {what}: {small} -> {large} lines"


# -- the tool itself -------------------------------------------------------------------------


def test_a_seed_is_always_the_same_case() -> None:
    corpus = said().market
    assert case("market:7", corpus) == case("market:7", corpus)
    assert len({case(f"market:{seed}", corpus) for seed in range(50)}) > 40
    assert all(len(case(str(seed), corpus)) <= LONGEST for seed in range(50))


def test_cases_reach_the_limit_of_a_message() -> None:
    sizes = [len(case(str(seed), said().market)) for seed in range(200)]
    assert max(sizes) > MAX_MESSAGE
    assert min(sizes) < 30


def reading(read: Callable[[bytes], object]) -> Target:
    return Target("made", read, (ValueError,), lambda: [b"abc"])


def test_what_is_promised_is_no_failure() -> None:
    def refuse(data: bytes) -> object:
        raise ValueError(data)

    assert attempt(reading(refuse), "1", b"x") is None


def test_another_error_is_one_and_says_how_to_repeat_it() -> None:
    failure = attempt(reading(lambda data: data[7]), "1", b"x")
    assert failure is not None
    assert "IndexError" in failure.why
    assert "python -m tools.fuzz --target made --seed 1" in failure.text()


def test_memory_beyond_what_an_input_is_worth_is_one() -> None:
    failure = attempt(reading(lambda data: bytes(len(data) << 24)), "1", b"x")
    assert failure is not None
    assert "memory" in failure.why


def test_cpu_time_beyond_what_an_input_is_worth_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def spin(data: bytes) -> object:
        while data:
            pass
        return None

    monkeypatch.setattr(command, "CPU_S", 20_000_000 / NS_PER_S)
    failure = attempt(reading(spin), "1", b"x")
    assert failure is not None
    assert "Endless" in failure.why


def test_the_command_says_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--seeds", "2", "--target", "control"]) == 0
    assert "2 cases of 1 targets, seeds 0 to 1: 0 kinds of failure" in capsys.readouterr().out
    assert command.main(["--target", "control", "--input", "AAAA"]) == 0
    assert command.main(["--target", "control", "--seed", "3"]) == 0


def test_the_command_ends_with_one_where_something_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "TARGETS", (reading(lambda data: data[99]),))
    assert command.main(["--seeds", "3"]) == 1
    shown = capsys.readouterr().out
    assert "repeat: python -m tools.fuzz --target made --seed 0" in shown
    assert "seen 3 times" in shown
