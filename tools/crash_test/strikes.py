"""The strikes: what is done to a run, and what has to follow at once.

Each is told the run and the exchange; it is dead afterwards, by our hand or its own.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from tools.cli import Exit
from tools.crash_test.application import LEAVE_S, Unread, Watched, is_guardian
from tools.crash_test.checks import (
    VANISH_S,
    compare,
    ended,
    force_cancelled,
    halt,
)
from tools.crash_test.exchange import Relayed
from tools.crash_test.patience import Wrong, until

HANG_S: Final = 2.0
"""A run's own default: so long may it make no turn before its guardian cancels."""

STAYS_S: Final = 0.5
"""Without a guardian, what a dead run left is still there after so long: nobody else takes it out.
A guardian that had been overlooked would need a tenth of it."""

DOUBT_S: Final = 150.0
"""Within which the absence of an order has to be proved, its side of the market be quoted again,
and a history that lacks our trades be believed: no venue may lag for so long."""

AWAY_S: Final = 3.0
"""How long something is away."""

RETURN_S: Final = 8.0
"""Within which a guardian asks again that had no answer: 5 s at most between two looks, and 1.5 s
for one that is not answered."""

STARTING_S: Final = 4.0
"""A run that is killed before it trades is killed within so many seconds."""

LEAVING_S: Final = 0.5
"""A run that leaves is killed within so many."""

TIMERS: Final = frozenset({"kraken"})
TIMER_S: Final = 65.0
"""Venues with a dead-man switch of 60 s, and within what it has taken all out: their exchange here
acts on it within a second, and this machine may be busy."""

SAID_S: Final = 15.0
"""Within which the terminal says that the venue is not reached: 2 s, and the start of Python."""

NOTED_S: Final = 2.0
"""A person's word on a dispute is kept for the next boot within one second."""

SLICE_S: Final = 0.03
STARVED_S: Final = 0.27
"""Of a CPU a starved run gets a tenth, in slices that are shorter than a turn's budget."""

FULL_BYTES: Final = 1 << 19
"""No file may grow beyond it: half a segment of the journal, so that the next has no room."""

FULL_S: Final = 180.0
"""Within which a quiet market fills the segment that is in use."""


class Struck(NamedTuple):
    """What a strike met and what was seen to follow."""

    open: int
    """Orders that were open when it struck."""
    text: str
    within_s: float = 0.0
    """How long it took until what had to vanish had vanished."""


Strike = Callable[[Watched, Relayed, random.Random], Struck]
"""Strikes a run; it is dead afterwards, and what has to follow has been seen. Raises ``Wrong``."""


def _force_cancelled(exchange: Relayed, by: str, within_s: float = VANISH_S) -> float:
    began_s = time.monotonic()
    force_cancelled(exchange, by, within_s)
    return time.monotonic() - began_s


def settled(run: Watched) -> None:
    """Wait until no order is in doubt, the proof of whose absence a leaving run would not await."""
    until("no order is in doubt", lambda: run.status().get("unknown_orders") == 0, DOUBT_S)


def stays(exchange: Relayed, left: list[str]) -> None:
    """See that what is left stays, or trades: nobody is there to take it out. Raises ``Wrong``."""
    time.sleep(STAYS_S)
    if canceled := exchange.canceled(left):
        raise Wrong(f"somebody took out what a run without a guardian left: {canceled}")


# -- killed ----------------------------------------------------------------------------------


def kill(run: Watched, exchange: Relayed, _: random.Random) -> Struck:
    left = exchange.open_orders()  # before: a guardian needs less than an answer takes
    run.kill()
    return Struck(len(left), "killed while it traded", _force_cancelled(exchange, "the guardian"))


def kill_starting(run: Watched, exchange: Relayed, chance: random.Random) -> Struck:
    time.sleep(chance.uniform(0, STARTING_S))
    left = exchange.open_orders()
    run.kill()
    within_s = _force_cancelled(exchange, "the guardian, or that of the boot before,")
    return Struck(len(left), "killed while it started", within_s)


def kill_recovering(run: Watched, exchange: Relayed, chance: random.Random) -> Struck:
    """Kill it between the first question and the first order, where a guardian watches already."""
    until("it recovers", lambda: run.status().get("state") in ("starting", "trading"))
    time.sleep(chance.uniform(0, LEAVING_S))
    left = exchange.open_orders()
    run.kill()
    within_s = _force_cancelled(exchange, "the guardian of a recovery")
    return Struck(len(left), "killed while it recovered", within_s)


def kill_leaving(run: Watched, exchange: Relayed, chance: random.Random) -> Struck:
    left = exchange.open_orders()
    run.send(signal.SIGTERM)
    time.sleep(chance.uniform(0, LEAVING_S))
    run.kill()
    within_s = _force_cancelled(exchange, "the run that left, or its guardian,")
    return Struck(len(left), "killed while it left", within_s)


def kill_both(run: Watched, exchange: Relayed, _: random.Random) -> Struck:
    """Kill the guardian first; the run is stopped, so that it starts no other."""
    run.send(signal.SIGSTOP)
    guardian = run.guardian()
    os.kill(guardian, signal.SIGKILL)
    until("the guardian is dead", lambda: not is_guardian(guardian))
    run.kill()
    left = exchange.open_orders()
    stays(exchange, left)
    return Struck(len(left), "killed, its guardian first")


def _kill_together(run: Watched) -> None:
    """Kill a run and its guardian; on a busy machine the run would start another in between."""
    guardian = run.guardian()
    run.send(signal.SIGSTOP)
    os.kill(guardian, signal.SIGKILL)
    run.kill()
    until("the guardian is dead", lambda: not is_guardian(guardian))


def kill_together(run: Watched, exchange: Relayed, _: random.Random) -> Struck:
    """Kill both in one instant: no other is started, and none has time to cancel."""
    _kill_together(run)
    left = exchange.open_orders()
    stays(exchange, left)
    return Struck(len(left), "killed together with its guardian")


def kill_for_good(run: Watched, exchange: Relayed, _: random.Random) -> Struck:
    """Kill both in one instant and start nobody: what is left is for the venue to cancel."""
    _kill_together(run)
    left = exchange.open_orders()
    stays(exchange, left)
    within_s = _force_cancelled(exchange, "the venue's own timer", TIMER_S)
    return Struck(len(left), "killed together with its guardian, for good", within_s)


# -- stopped and starved ---------------------------------------------------------------------


def goes_on(run: Watched, exchange: Relayed, chance: random.Random, after: str) -> None:
    """See that a run trades again and is right, then kill it."""
    until(f"it trades after {after}", run.trading)
    compare(run, exchange)
    kill(run, exchange, chance)


def stop(run: Watched, exchange: Relayed, chance: random.Random) -> Struck:
    left = exchange.open_orders()
    run.send(signal.SIGSTOP)
    within_s = _force_cancelled(exchange, "the guardian of a stopped run", HANG_S + VANISH_S)
    run.send(signal.SIGCONT)
    goes_on(run, exchange, chance, "it was stopped")
    return Struck(len(left), "stopped, continued, then killed", within_s)


def stop_both(run: Watched, exchange: Relayed, _: random.Random) -> Struck:
    """Stop run and guardian: nobody cancels until the guardian goes on, and takes it for a hang."""
    guardian = run.guardian()
    run.send(signal.SIGSTOP)
    os.kill(guardian, signal.SIGSTOP)
    left = exchange.open_orders()
    time.sleep(AWAY_S)
    stays(exchange, left)
    os.kill(guardian, signal.SIGCONT)
    within_s = _force_cancelled(exchange, "a guardian that goes on", HANG_S + VANISH_S)
    run.kill()
    return Struck(len(left), "stopped with its guardian, which went on", within_s)


def starve(run: Watched, exchange: Relayed, chance: random.Random) -> Struck:
    left = exchange.open_orders()
    until_s = time.monotonic() + AWAY_S
    while time.monotonic() < until_s:
        run.send(signal.SIGSTOP)
        time.sleep(STARVED_S)
        run.send(signal.SIGCONT)
        time.sleep(SLICE_S)
    goes_on(run, exchange, chance, "it was starved")
    return Struck(len(left), "starved, then killed")


# -- its guardian ----------------------------------------------------------------------------


def another_guardian(run: Watched, first: int) -> None:
    """Wait until another process guards the run. Raises ``Wrong``."""

    def watches() -> bool:
        others = [pid for pid in run.guardians() if pid != first]
        return bool(others) and run.status().get("guardian") == "watching"

    until("another guardian watches", watches)


def kill_guardian(run: Watched, exchange: Relayed, chance: random.Random) -> Struck:
    first = run.guardian()
    os.kill(first, signal.SIGKILL)
    another_guardian(run, first)
    return kill(run, exchange, chance)._replace(text="its guardian killed, then itself")


def stop_guardian(run: Watched, exchange: Relayed, chance: random.Random) -> Struck:
    first = run.guardian()
    os.kill(first, signal.SIGSTOP)
    another_guardian(run, first)
    return kill(run, exchange, chance)._replace(text="its guardian stopped, then itself killed")


# -- its output and its disk -----------------------------------------------------------------


def _blocked(run: Watched) -> None:
    """Have it print, and nobody read; see that it notices, and goes on. Raises ``Wrong``."""
    run.block_output()
    run.tell("set", "prints", "4000")
    until("it notices that nobody reads", lambda: "the output is not being read" in run.logged())
    if not run.trading():
        raise Wrong("it does not trade where nobody reads its output")


def block_terminal(run: Watched, exchange: Relayed, chance: random.Random) -> Struck:
    """Ctrl-S while it trades; later Ctrl-Q."""
    left = exchange.open_orders()
    _blocked(run)
    compare(run, exchange)
    run.unblock_output()
    until("its output is read again", lambda: "is being read again" in run.logged())
    run.tell("set", "prints", "0")
    goes_on(run, exchange, chance, "Ctrl-S and Ctrl-Q")
    return Struck(len(left), "its terminal stopped (Ctrl-S), then killed")


def block_pipe(run: Watched, exchange: Relayed, _: random.Random) -> Struck:
    """It writes into a pipe that nobody reads, and has to leave all the same."""
    _blocked(run)
    compare(run, exchange)
    settled(run)
    left = exchange.open_orders()
    run.send(signal.SIGTERM)
    ended(run, [Exit.OK])
    return Struck(len(left), "into a pipe that nobody reads, then left")


def fill_disk(run: Watched, exchange: Relayed, _: random.Random) -> Struck:
    """No file may grow any more: it has to leave in order, and say why."""
    settled(run)
    left = exchange.open_orders()
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.prlimit(run.process.pid, resource.RLIMIT_FSIZE, (FULL_BYTES, hard))
    until("the run ends on a full disk", lambda: run.process.poll() is not None, FULL_S)
    ended(run, [Exit.FAILED])
    if "no room for" not in run.said():
        raise Wrong(f"it does not say that the disk is full: {run.said()[-500:]}")
    return Struck(len(left), "its disk full, so that it left")


# -- the exchange ----------------------------------------------------------------------------


def stop_exchange(run: Watched, exchange: Relayed, chance: random.Random) -> Struck:
    left = exchange.open_orders()
    exchange.stop()
    time.sleep(AWAY_S)
    exchange.go_on()
    goes_on(run, exchange, chance, "the exchange was stopped")
    return Struck(len(left), "the exchange stopped and continued, then killed")


def refuse(run: Watched, exchange: Relayed, chance: random.Random) -> Struck:
    left = exchange.open_orders()
    exchange.refuse()
    time.sleep(AWAY_S)
    exchange.accept()
    goes_on(run, exchange, chance, "the exchange refused connections")
    return Struck(len(left), "connections cut and refused, then killed")


def set_up_anew(run: Watched, exchange: Relayed, chance: random.Random) -> Struck:
    """The exchange is killed, and another without memory takes its place: to be noticed.

    The run is halted before: what is traded in the instant of a death no ledger could tell. Each
    time that it halts for what it finds, a person resumes it.
    """
    left = exchange.open_orders()
    halt(run, exchange)
    exchange.position()
    exchange.orders()
    exchange.restart(AWAY_S)

    def goes_on_with_new_numbers() -> bool:
        if run.status().get("state") == "halted":
            run.tell("resume")
        return "from the beginning" in run.logged() and run.trading()

    until("it notices new numbers, and trades on", goes_on_with_new_numbers, DOUBT_S)
    time.sleep(NOTED_S)
    compare(run, exchange)
    kill(run, exchange, chance)
    return Struck(len(left), "the exchange killed and set up anew, then killed")


def start_refused(run: Watched, exchange: Relayed, chance: random.Random) -> Struck:
    """The exchange refuses connections while the run starts."""
    until("the terminal says why", lambda: "is not reached: " in run.said(), SAID_S)
    exchange.accept()
    goes_on(run, exchange, chance, "it found nobody at its start")
    return Struck(0, "started while connections were refused, then killed")


# -- leaving ---------------------------------------------------------------------------------


def leave(run: Watched, exchange: Relayed, _: random.Random) -> Struck:
    settled(run)
    left = exchange.open_orders()
    run.send(signal.SIGTERM)
    ended(run, [Exit.OK])
    return Struck(len(left), "asked to leave, and left")


def leave_away(run: Watched, exchange: Relayed, _: random.Random) -> Struck:
    """It is asked to leave while the exchange is stopped: it may claim nothing."""
    left = exchange.open_orders()
    exchange.stop()
    run.send(signal.SIGTERM)
    began_s = time.monotonic()
    ended(run, [Exit.ORDERS_SURVIVED])
    if time.monotonic() - began_s < LEAVE_S:
        raise Wrong("it gave up before its time")
    exchange.go_on()
    within_s = _force_cancelled(exchange, "the guardian, once there is an answer,", RETURN_S)
    return Struck(len(left), "asked to leave while the exchange was stopped", within_s)


# -- all of them -----------------------------------------------------------------------------


def at_terminal(folder: Path, _: Relayed) -> Watched:
    return Watched(folder)


def into_pipe(folder: Path, _: Relayed) -> Watched:
    return Unread(folder)


def while_refused(folder: Path, exchange: Relayed) -> Watched:
    exchange.refuse()
    return Watched(folder)


class Kind(NamedTuple):
    """One kind of strike."""

    strike: Strike
    begin: Callable[[Path, Relayed], Watched] = at_terminal
    trades: bool = True
    """Whether the run trades when it is struck; else it has only been started."""
    guarded: bool = True
    """Whether somebody is left to clear up; else the next boot has to."""
    timer: bool = False
    """Whether that is the venue, by its dead-man switch."""


KINDS: Final = (
    Kind(kill),
    Kind(kill_starting, trades=False),
    Kind(kill_recovering, trades=False),
    Kind(kill_leaving),
    Kind(kill_both, guarded=False),
    Kind(kill_together, guarded=False),
    Kind(kill_for_good, timer=True),
    Kind(stop),
    Kind(stop_both),
    Kind(starve),
    Kind(kill_guardian),
    Kind(stop_guardian),
    Kind(block_terminal),
    Kind(block_pipe, into_pipe),
    Kind(fill_disk),
    Kind(stop_exchange),
    Kind(refuse),
    Kind(set_up_anew),
    Kind(start_refused, while_refused, trades=False),
    Kind(leave),
    Kind(leave_away),
)
