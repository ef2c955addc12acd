"""The hot loop: one epoll set, polled without waiting, inside one trio task.

Here lives the order of things: which ready socket gets its turn, when a timer fires, when idle
work runs and when trio's other tasks get theirs. What a turn does is not known here.

A pass of the loop is one turn at most: calls left by other tasks, one ready socket, due timers.
When nothing is ready it is one idle slice. The engine is entered from these passes alone, never
from another task and never while it is already running: whoever has something for it from
elsewhere leaves a call with ``post``.

Spinning, it never waits and yields to trio with one checkpoint now and then; that wants a CPU of
its own, and begins with the first socket, so that what starts on that CPU before, the guardian,
has it. Otherwise it sleeps on the epoll's own descriptor until a socket or a timer wakes it:
near-zero idle CPU for some 40 us more latency.
"""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Callable
from math import inf
from types import TracebackType
from typing import Final, NoReturn, Self

import trio

from core.io.clock import NowNs
from core.io.kernel import Epoll, Poller
from core.model.units import NS_PER_S

READABLE: Final = select.EPOLLIN
WRITABLE: Final = select.EPOLLOUT

IDLE_YIELD_NS = 100_000
"""Idle, trio gets its turn this often: a turn costs some 10 us, so a tenth of the spinning."""

BUSY_YIELD_NS = 1_000_000
"""Under load, trio gets its turn this often: with one bounded turn of a socket on top, no task
waits longer than 2 ms. Trio shuffles the tasks that are ready, and one checkpoint would let ours
go first twice in a row; so under load it takes two, a fiftieth of the CPU."""

IDLE_TURN_NS = 100_000_000
"""Waiting without any traffic, idle work still runs this often: ten wakes a second cost nothing
that can be measured, and no report is older than that."""

ONE_AT_A_TIME = 1
"""Events taken from one poll. The kernel hands ready descriptors out in turn, so requesting one
is fair, never stale after another's turn, and costs one poll (0.6 us) for each."""

Turn = Callable[[int], None]
"""One ready descriptor's turn; gets epoll's event mask. Bounded, and raises nothing but bugs."""

Record = Callable[[str, int], None]
"""Takes a hop's name and its nanoseconds."""


class HotLoop:
    """Owns the epoll set of all hot sockets, and gives each its turn.

    ``next_due_ns`` returns when the earliest timer is due, on the clock of ``now_ns``, and 0 where
    there is none; ``on_due`` gets the time and lets all that is due fire. ``record`` gets
    ``loop_lag`` (how much later than planned a checkpoint was over) and ``timer_lag`` (how late a
    timer fired). ``idle`` are slices of idle work: each returns after some 50 us at most.
    ``poller`` says which sockets are ready; the loop closes it, and by default it is an epoll.
    """

    def __init__(
        self,
        *,
        spin: bool,
        now_ns: NowNs,
        next_due_ns: Callable[[], int],
        on_due: Callable[[int], None],
        record: Record,
        idle: tuple[Callable[[], None], ...] = (),
        poller: Poller | None = None,
    ) -> None:
        self.now_ns: Final = now_ns
        self._spins = spin
        self._next_due_ns = next_due_ns
        self._on_due = on_due
        self._record = record
        self._idle: deque[Callable[[], None]] = deque(idle)
        self._warm: Callable[[], None] | None = None
        # Bounded by who posts: two calls of each connection being set up or lost, and one of each
        # REST request under way.
        self._posted: deque[Callable[[], None]] = deque()
        self._turns: dict[int, Turn] = {}
        self._poller = Epoll() if poller is None else poller
        self._sleep: trio.CancelScope | None = None
        self._idle_left = 0
        self._yielded_ns = 0

    @property
    def turned_ns(self) -> int:
        """When trio last had its turn: at least every ``IDLE_TURN_NS`` where there is idle work."""
        return self._yielded_ns

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._poller.close()

    def add(self, fd: int, turn: Turn) -> None:
        """Give ``turn`` to a descriptor whenever it is readable, until ``remove``."""
        self._poller.register(fd, READABLE)
        self._turns[fd] = turn

    def modify(self, fd: int, events: int) -> None:
        """Choose what a descriptor's turns wait for: ``READABLE``, ``WRITABLE`` or both."""
        self._poller.modify(fd, events)

    def remove(self, fd: int) -> None:
        """Forget a descriptor; to be called before it is closed."""
        del self._turns[fd]
        self._poller.unregister(fd)

    def post(self, call: Callable[[], None]) -> None:
        """Leave a call for the next pass; calls are made in the order they were left."""
        self._posted.append(call)
        if self._sleep is not None:
            self._sleep.cancel()

    def forked(self, end: Callable[[], NoReturn]) -> None:
        """Have the next pass in a child of the process end that child."""
        self._posted.appendleft(end)

    def add_idle(self, work: Callable[[], None]) -> None:
        """Let one more slice of idle work take part."""
        self._idle.append(work)

    def keep_warm(self, step: Callable[[], None]) -> None:
        """Make a step of some microseconds in each idle pass while the loop spins."""
        self._warm = step

    async def run(self) -> NoReturn:
        """Run until cancelled. What a turn raises is a bug, and ends the loop with it."""
        self._yielded_ns = self.now_ns()
        while not (self._spins and self._turns):
            if self._work():
                await self._wait()
            else:
                await self._yield(BUSY_YIELD_NS)
        while True:
            await self._yield(self._spin())

    def _spin(self) -> int:
        """Make passes until trio is to have its turn; return which of the two intervals is over."""
        now_ns, run_pass, run_idle, warm = self.now_ns, self._pass, self._run_idle, self._warm
        idle_until_ns = self._yielded_ns + IDLE_YIELD_NS
        busy_until_ns = self._yielded_ns + BUSY_YIELD_NS
        while True:
            if run_pass():
                if now_ns() >= busy_until_ns:
                    return BUSY_YIELD_NS
            else:
                run_idle()
                if warm is not None:
                    warm()
                if now_ns() >= idle_until_ns:
                    return IDLE_YIELD_NS

    def _work(self) -> bool:
        """Make passes until nothing is left to do (True), or trio is to have its turn (False)."""
        until_ns = self._yielded_ns + BUSY_YIELD_NS
        while True:
            if self._pass():
                self._idle_left = len(self._idle)
            elif self._idle_left:
                self._idle_left -= 1
                self._run_idle()
            else:
                return True
            if self.now_ns() >= until_ns:
                return False

    def _pass(self) -> bool:
        """Do what is due, one turn of a socket at most; return whether anything was."""
        posted = self._posted
        busy = bool(posted)
        for _ in range(len(posted)):  # what these leave in turn waits for the next pass
            posted.popleft()()
        for fd, events in self._poller.poll(0, ONE_AT_A_TIME):
            self._turns[fd](events)
            busy = True
        due_ns = self._next_due_ns()
        if due_ns:
            now_ns = self.now_ns()
            if now_ns >= due_ns:
                self._record("timer_lag", now_ns - due_ns)
                self._on_due(now_ns)
                busy = True
        return busy

    def _run_idle(self) -> None:
        idle = self._idle
        if idle:
            idle[0]()
            idle.rotate(-1)

    async def _yield(self, interval_ns: int) -> None:
        """Let trio's other tasks have their turn, which was due an interval after the last."""
        await trio.lowlevel.checkpoint()
        if interval_ns == BUSY_YIELD_NS:
            await trio.lowlevel.checkpoint()
        due_ns = self._yielded_ns + interval_ns
        self._yielded_ns = self.now_ns()
        self._record("loop_lag", self._yielded_ns - due_ns)

    async def _wait(self) -> None:
        """Sleep until a socket is ready, a timer due, a call posted, or idle work due again."""
        sleep_ns: float = IDLE_TURN_NS if self._idle else inf
        due_ns = self._next_due_ns()
        if due_ns:
            sleep_ns = min(sleep_ns, due_ns - self.now_ns())
        with trio.CancelScope(deadline=trio.current_time() + sleep_ns / NS_PER_S) as self._sleep:
            await self._poller.wait_readable()
        if self._sleep.cancelled_caught:
            self._idle_left = len(self._idle)
        self._sleep = None
        self._yielded_ns = self.now_ns()
