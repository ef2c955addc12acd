"""``python -m tools.guardian``: the process that cancels a run's orders when the run has died.

Started by ``hotloop run`` and ``hotloop demo``, never by hand: what it has to do comes over its
standard input. Here the process is set up; what it does lives in ``core.io.guardian``.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec
import trio

import venues
from core.io.clock import EngineClock, NowNs
from core.io.guardian import (
    GRACE_S,
    REQUEST_S,
    Charge,
    Guardian,
    GuardianLog,
    Lifeline,
    parent_pidfd,
)
from core.io.hang import ASK, bound_stacks, hung_in, read_stack
from core.io.rest import Carrier, RestClient
from core.io.scope_lock import holder
from core.io.tls import trust
from core.model.errors import Misuse
from tools.cli import Exit

STDIN, STDOUT, STDERR = 0, 1, 2

MAX_CHARGE_BYTES = 65_536
"""Longest charge; one of 100 symbols and a private key has 6 kB."""

LIVE_S = 0.5
"""Between two signs of life."""

STACK_S = 0.2
"""Until a process that hangs has written its stack: it takes under a millisecond."""

STOPPED = "T"

IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Meant for the trading process, or for the whole of its service or terminal: while that process
lives the guardian has to stay, and after it the guardian ends by itself."""


def main() -> int:
    """Guard one run; return the exit code."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    _leave_the_hot_cpu()
    line = _line(STDIN)
    if not line:
        return Exit.MISUSE  # whoever started us has gone already, or is a person
    charge = msgspec.json.decode(line, type=Charge)
    now_ns = EngineClock().now_ns
    log = GuardianLog(Path(charge.folder), now_ns, STDOUT)
    try:
        return trio.run(_guard, charge, log, now_ns)
    except BaseException as error:
        log.note("crashed", error=repr(error)[:1_000])
        raise
    finally:
        log.close()


async def _guard(charge: Charge, log: GuardianLog, now_ns: NowNs) -> int:
    venue = venues.find(charge.venue)
    if venue is None:
        raise Misuse(f"{charge.venue}: no such venue")
    adapter = venue.adapter(charge.subscription)
    signer = venue.signer(charge.keys)
    lifeline = Lifeline(STDIN, parent_pidfd(charge.pid))

    def taken_over() -> bool:
        """Whether the scope's lock is held by another than our own trading process's remains."""
        pid = holder(charge.lock)
        return pid != 0 and not pid == charge.pid == os.getppid()

    async with RestClient(charge.subscription.rest_url, trust(charge.ca_file)) as client:
        carrier = Carrier(client, signer, now_ns)
        guardian = Guardian(
            charge,
            adapter,
            ask=partial(carrier.carry, timeout_s=REQUEST_S),
            now_ns=now_ns,
            note=log.note,
            taken_over=taken_over,
        )
        log.note("watching", pid=os.getpid(), of=charge.pid, scope=charge.scope)
        _let_go_of_stderr()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(guardian.keep_ready)
            nursery.start_soon(_live, log)
            nursery.start_soon(_watch, charge, guardian, lifeline, log, now_ns)
            left = await lifeline.end()
            nursery.cancel_scope.cancel()
        died_ns = now_ns()
        if left:
            log.note("left", why="the trading process has ended well")
            return Exit.OK
        log.note("died", why=f"process {charge.pid} ended without goodbye")
        return Exit.OK if await guardian.clear(died_ns) else Exit.ORDERS_SURVIVED


async def _live(log: GuardianLog) -> None:
    """Tell the trading process now and then that we live."""
    while True:
        log.live()
        await trio.sleep(LIVE_S)


async def _watch(
    charge: Charge, guardian: Guardian, lifeline: Lifeline, log: GuardianLog, now_ns: NowNs
) -> None:
    """Cancel while the trading process makes no turn; it may go on afterwards."""
    while True:
        await lifeline.silence(charge.hang_timeout_s)
        hung_ns = now_ns()
        async with trio.open_nursery() as hung:
            hung.start_soon(_show, charge, log)
            hung.start_soon(guardian.clear, hung_ns)
            hung.start_soon(_end_if_told, charge, lifeline, log)
            await lifeline.beat()
            hung.cancel_scope.cancel()
        log.note("turns", why="the trading process makes turns again")


async def _show(charge: Charge, log: GuardianLog) -> None:
    """Say that the trading process hangs, and where."""
    state = _state(charge.pid)
    if state != STOPPED:
        bound_stacks(Path(charge.stacks))
        with suppress(OSError):
            os.kill(charge.pid, ASK)
        await trio.sleep(STACK_S)
    stack = "it is stopped" if state == STOPPED else hung_in(read_stack(Path(charge.stacks)))
    where = f"in {stack}" if stack and state != STOPPED else stack or "nothing shows where"
    why = f"process {charge.pid} has made no turn for {charge.hang_timeout_s:g} s: {where}"
    log.note("hung", why=why)
    log.speak_for_the_run(f"{why}; its orders are being cancelled")


async def _end_if_told(charge: Charge, lifeline: Lifeline, log: GuardianLog) -> None:
    """End a process that was asked to end, and hangs where it hears no signal."""
    await lifeline.told.wait()
    await trio.sleep(charge.hang_timeout_s + GRACE_S)
    log.note("ended", why="it was asked to end, and hangs where it hears no signal")
    log.speak_for_the_run("ended it: it was asked to, and hung where it heard no signal")
    if os.getppid() == charge.pid:
        os.kill(charge.pid, signal.SIGKILL)


def _state(pid: int) -> str:
    """Return the state of a process as proc(5) has it: R, S, D, T ..., "" for none."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return ""


def _line(descriptor: int) -> bytes:
    """Read one line and nothing beyond it; empty where it ends before."""
    data = bytearray()
    while not data.endswith(b"\n"):
        piece = os.read(descriptor, 1)
        if not piece or len(data) == MAX_CHARGE_BYTES:
            return b""
        data += piece
    return bytes(data)


def _leave_the_hot_cpu() -> None:
    """Leave the CPU that the trading process has pinned itself to, and us with it.

    Its priority is kept: on the day that it is needed, the guardian is in a hurry.
    """
    inherited = os.sched_getaffinity(0)
    others = set(range(os.cpu_count() or 1)) - inherited
    with suppress(OSError):  # there may be none that we are allowed on
        os.sched_setaffinity(0, others or inherited)


def _let_go_of_stderr() -> None:
    """From here on the log is where to look; whoever reads stderr must not wait for us."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, STDERR)
    os.close(null)


if __name__ == "__main__":
    sys.exit(main())
