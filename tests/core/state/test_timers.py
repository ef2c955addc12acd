from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import core.state.timers
from core.model.errors import Misuse
from core.state.timers import NEVER, Timers, TooManyTimers


def drain(timers: Timers[str], now_ns: int) -> list[str]:
    due = []
    while (token := timers.pop_due(now_ns)) is not None:
        due.append(token)
    return due


def test_an_empty_heap_is_never_due() -> None:
    timers: Timers[str] = Timers()
    assert timers.next_due_ns == NEVER == 2**63 - 1
    assert timers.pop_due(NEVER) is None
    assert len(timers) == 0


def test_tokens_come_in_due_order() -> None:
    timers: Timers[str] = Timers()
    for due_ns in (30, 10, 20):
        timers.push(due_ns, f"at {due_ns}")
    assert timers.next_due_ns == 10
    assert drain(timers, 25) == ["at 10", "at 20"]
    assert timers.next_due_ns == 30


def test_equal_times_keep_the_order_of_insertion() -> None:
    timers: Timers[str] = Timers()
    for name in "cab":
        timers.push(5, name)
    assert drain(timers, 5) == ["c", "a", "b"]


def test_a_timer_is_due_at_its_time_and_not_before() -> None:
    timers: Timers[str] = Timers()
    timers.push(5, "a")
    assert timers.pop_due(4) is None
    assert timers.pop_due(5) == "a"


def test_a_cancelled_timer_is_never_due() -> None:
    timers: Timers[str] = Timers()
    first = timers.push(5, "a")
    timers.push(7, "b")
    timers.cancel(first)
    assert timers.next_due_ns == 7
    assert drain(timers, NEVER) == ["b"]
    assert timers.next_due_ns == NEVER


def test_cancelling_what_is_over_does_nothing() -> None:
    timers: Timers[str] = Timers()
    handle = timers.push(1, "a")
    timers.pop_due(1)
    later = timers.push(1, "b")
    timers.cancel(handle)
    timers.cancel(12345)
    assert handle != later
    assert drain(timers, 1) == ["b"]


def test_cancelled_deadlines_far_ahead_hold_no_memory() -> None:
    timers: Timers[str] = Timers()
    timers.push(1, "stays")
    for _ in range(10_000):
        timers.cancel(timers.push(10**18, "answered"))
    assert len(timers) == 1
    assert len(timers._heap) <= 2 + core.state.timers._SLACK
    assert drain(timers, 1) == ["stays"]


def test_the_number_of_timers_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.state.timers, "MAX_TIMERS", 3)
    timers: Timers[str] = Timers()
    handles = [timers.push(1, "a") for _ in range(3)]
    with pytest.raises(TooManyTimers, match="3 timers"):
        timers.push(1, "b")
    timers.cancel(handles[0])
    timers.push(1, "c")
    assert issubclass(TooManyTimers, Misuse)


@settings(max_examples=60)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("push"), st.integers(0, 20)),
            st.tuples(st.just("cancel"), st.integers(0, 60)),
            st.tuples(st.just("pop"), st.integers(0, 20)),
        ),
        max_size=120,
    )
)
def test_the_heap_equals_a_sorted_list(steps: list[tuple[str, int]]) -> None:
    timers: Timers[str] = Timers()
    model: list[tuple[int, int, str]] = []
    for step, number in steps:
        if step == "push":
            handle = timers.push(number, f"{number}")
            model.append((number, handle, f"{number}"))
        elif step == "cancel":
            timers.cancel(number)
            model = [entry for entry in model if entry[1] != number]
        else:
            due = sorted(entry for entry in model if entry[0] <= number)
            assert timers.pop_due(number) == (due[0][2] if due else None)
            if due:
                model.remove(due[0])
        assert len(timers) == len(model)
        assert timers.next_due_ns == (min(model)[0] if model else NEVER)
