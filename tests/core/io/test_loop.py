"""The order of things in the hot loop, on a clock that the test moves."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import trio
import trio.testing

from core.io.loop import BUSY_YIELD_NS, IDLE_TURN_NS, IDLE_YIELD_NS, READABLE, WRITABLE
from tests.core.io.steps import START_NS, Lags, StepClock, Timer, TrioClock, make_loop

Pair = tuple[socket.socket, socket.socket]

both_modes = pytest.mark.parametrize("spin", [True, False], ids=["spin", "wait"])


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


@both_modes
async def test_a_ready_descriptor_gets_its_turn(pair: Pair, spin: bool) -> None:
    ours, theirs = pair
    received: list[bytes] = []
    with make_loop(spin=spin) as loop, trio.CancelScope(deadline=trio.current_time() + 5) as scope:

        def turn(events: int) -> None:
            assert events & READABLE
            received.append(ours.recv(100))
            scope.cancel()

        loop.add(ours.fileno(), turn)
        theirs.send(b"tick")
        await loop.run()
    assert received == [b"tick"]


@both_modes
async def test_a_removed_descriptor_gets_no_turn(pair: Pair, spin: bool) -> None:
    ours, theirs = pair
    turns: list[int] = []
    with make_loop(spin=spin) as loop, trio.CancelScope() as scope:
        loop.add(ours.fileno(), turns.append)
        loop.remove(ours.fileno())
        theirs.send(b"tick")
        loop.post(lambda: loop.post(scope.cancel))
        await loop.run()
    assert turns == []


@both_modes
async def test_room_to_write_is_told_only_where_it_was_asked_for(pair: Pair, spin: bool) -> None:
    ours, _ = pair
    turns: list[int] = []
    with make_loop(spin=spin) as loop, trio.CancelScope() as scope:

        def turn(events: int) -> None:
            turns.append(events)
            loop.modify(ours.fileno(), READABLE)
            loop.post(lambda: loop.post(scope.cancel))

        loop.add(ours.fileno(), turn)
        loop.post(lambda: loop.post(lambda: loop.modify(ours.fileno(), READABLE | WRITABLE)))
        await loop.run()
    assert turns == [WRITABLE]


async def test_a_flooding_descriptor_leaves_the_others_their_turns(pair: Pair) -> None:
    flooded, flooding = pair
    quiet, other = socket.socketpair()
    order: list[str] = []
    with quiet, other, make_loop() as loop, trio.CancelScope() as scope:

        def flood(events: int) -> None:
            order.append("flood")
            if len(order) > 100:
                scope.cancel()

        def once(events: int) -> None:
            order.append("quiet")
            quiet.recv(100)

        loop.add(flooded.fileno(), flood)
        loop.add(quiet.fileno(), once)
        flooding.send(b"never read, so always ready")
        other.send(b"tick")
        await loop.run()
    assert "quiet" in order[:2]


async def test_under_load_no_task_waits_longer_than_a_millisecond_and_a_turn(pair: Pair) -> None:
    ours, theirs = pair
    clock = StepClock()
    turn_ns = 300_000
    waited_ns: list[int] = []

    def turn(events: int) -> None:  # never reads: ready again at once
        clock.time_ns += turn_ns

    theirs.send(b"flood")
    with make_loop(clock=clock) as loop:
        loop.add(ours.fileno(), turn)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(loop.run)
            while len(waited_ns) < 50:  # trio shuffles: both orders are among them
                began_ns = clock.time_ns
                await trio.lowlevel.checkpoint()
                waited_ns.append(clock.time_ns - began_ns)
            nursery.cancel_scope.cancel()
    assert BUSY_YIELD_NS <= max(waited_ns) < BUSY_YIELD_NS + turn_ns + 10_000


async def test_idle_trio_has_its_turn_every_hundred_microseconds(pair: Pair) -> None:
    clock = StepClock(step_ns=1_000)
    waited_ns: list[int] = []
    with make_loop(clock=clock) as loop:
        loop.add(pair[0].fileno(), lambda events: None)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(loop.run)
            while len(waited_ns) < 50:
                began_ns = clock.time_ns
                await trio.lowlevel.checkpoint()
                waited_ns.append(clock.time_ns - began_ns)
            nursery.cancel_scope.cancel()
    # Twice: one checkpoint may let the loop go first two times in a row.
    assert IDLE_YIELD_NS <= max(waited_ns) < 2 * (IDLE_YIELD_NS + 10_000)


async def test_before_the_first_socket_nothing_is_spun_for(pair: Pair) -> None:
    idle: list[int] = []
    with make_loop(clock=StepClock(step_ns=1_000), idle=(lambda: idle.append(1),)) as loop:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(loop.run)
            await trio.testing.wait_all_tasks_blocked()
            assert len(idle) <= 1
            loop.post(lambda: loop.add(pair[0].fileno(), lambda events: None))
            while len(idle) < 100:
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()


async def test_a_late_checkpoint_is_recorded_as_loop_lag(pair: Pair) -> None:
    ours, theirs = pair
    clock, lags = StepClock(step_ns=1), Lags()

    def turn(events: int) -> None:
        clock.time_ns += BUSY_YIELD_NS + 7_000

    theirs.send(b"slow")
    with make_loop(clock=clock, lags=lags) as loop:
        loop.add(ours.fileno(), turn)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(loop.run)
            while not lags.all:
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    hop, lag_ns = lags.all[0]
    assert hop == "loop_lag"
    assert 7_000 <= lag_ns < 7_100


@both_modes
async def test_a_due_timer_fires_and_its_lag_is_recorded(spin: bool) -> None:
    clock, timer, lags = StepClock(step_ns=10), Timer(), Lags()
    timer.due_ns = START_NS - 5_000
    with (
        make_loop(spin=spin, clock=clock, timer=timer, lags=lags) as loop,
        trio.CancelScope() as scope,
    ):
        timer.then = scope.cancel
        await loop.run()
    [fired_ns] = timer.fired_ns
    assert lags.of("timer_lag") == [fired_ns - (START_NS - 5_000)]


@both_modes
async def test_a_timer_that_is_not_due_does_not_fire(spin: bool) -> None:
    clock, timer = StepClock(step_ns=1), Timer()
    timer.due_ns = START_NS + 10**15
    with make_loop(spin=spin, clock=clock, timer=timer) as loop, trio.CancelScope() as scope:
        loop.post(lambda: loop.post(lambda: loop.post(scope.cancel)))
        await loop.run()
    assert timer.fired_ns == []


async def test_timers_are_looked_at_after_every_turn_of_a_flood(pair: Pair) -> None:
    ours, theirs = pair
    clock, timer = StepClock(), Timer()
    turns: list[int] = []
    theirs.send(b"flood")
    with make_loop(clock=clock, timer=timer) as loop, trio.CancelScope() as scope:

        def turn(events: int) -> None:
            turns.append(len(timer.fired_ns))
            timer.due_ns = clock.time_ns
            if len(turns) == 5:
                scope.cancel()

        loop.add(ours.fileno(), turn)
        await loop.run()
    assert turns[:5] == [0, 1, 2, 3, 4]


async def test_waiting_ends_when_a_timer_is_due(autojump_clock: trio.testing.MockClock) -> None:
    clock, timer, lags = TrioClock(), Timer(), Lags()
    timer.due_ns = clock.now_ns() + 40_000_000
    with (
        make_loop(spin=False, clock=clock, timer=timer, lags=lags) as loop,
        trio.CancelScope() as scope,
    ):
        timer.then = scope.cancel
        await loop.run()
    assert lags.of("timer_lag")[0] < 1_000_000


async def test_waiting_idle_work_runs_once_each_then_only_with_the_tick(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ran: list[str] = []
    idle = (lambda: ran.append("fold"), lambda: ran.append("collect"))
    with make_loop(spin=False, idle=idle) as loop, trio.move_on_after(3.5 * IDLE_TURN_NS / 1e9):
        await loop.run()
    assert ran == ["fold", "collect"] * 3


async def test_idle_work_goes_round() -> None:
    ran: list[str] = []
    idle = (lambda: ran.append("fold"), lambda: ran.append("collect"))
    with make_loop(idle=idle) as loop, trio.CancelScope() as scope:

        def last() -> None:
            ran.append("prefault")
            if len(ran) >= 6:
                scope.cancel()

        loop.add_idle(last)
        await loop.run()
    assert ran[:6] == ["fold", "collect", "prefault"] * 2


async def test_no_idle_work_while_anything_is_ready(pair: Pair) -> None:
    ours, theirs = pair
    idle: list[int] = []
    turns: list[int] = []
    theirs.send(b"flood")
    with make_loop(idle=(lambda: idle.append(1),)) as loop, trio.CancelScope() as scope:

        def turn(events: int) -> None:
            turns.append(events)
            if len(turns) == 50:
                loop.remove(ours.fileno())
                assert idle == []
                scope.cancel()

        loop.add(ours.fileno(), turn)
        await loop.run()
    assert len(turns) == 50


@both_modes
async def test_a_posted_call_is_made_by_the_loop_in_order(spin: bool) -> None:
    made: list[str] = []
    with make_loop(spin=spin) as loop:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(loop.run)
            if not spin:  # asleep, so that the call has to wake it
                await trio.testing.wait_all_tasks_blocked()
            loop.post(lambda: made.append("first"))
            loop.post(lambda: made.append("second"))
            assert made == []
            loop.post(nursery.cancel_scope.cancel)
    assert made == ["first", "second"]


@both_modes
async def test_what_a_turn_raises_ends_the_loop(spin: bool) -> None:
    def bug() -> None:
        raise RuntimeError("a bug of ours")

    with make_loop(spin=spin) as loop:
        loop.post(bug)
        with pytest.raises(RuntimeError, match="a bug of ours"):
            await loop.run()
