"""A loop that hangs, a process that is stopped, and output that nobody reads.

In each of them the process is alive and deaf, so that no pipe closes and no pidfd tells. What is
asserted is the exchange's ledger: no order of ours is left, by whoever took it out.
"""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.yard.application import Pair, a_pair, end, run_at, until, write_own
from tools.crash_test.application import Run

pytestmark = pytest.mark.yard

RESTS = '''
import re, sys, time
from pathlib import Path
from core.model.events import Side
from core.model.strategy import Strategy

class Rests(Strategy):
    """Rests a bid, and as soon as the file is there that says so, does what it is made for."""

    def on_start(self, desk):
        desk.timer(100_000_000, "look")

    def on_book(self, desk, book):
        if book.live and not desk.open_orders(0):
            desk.place(0, Side.BUY, book.bid_ticks - 1_000, 1_000)

    def on_timer(self, desk, tag):
        desk.timer(100_000_000, "look")
        if (Path(__file__).parent / "now").exists():
            self.now()

    def now(self):
        {now}
'''

FOREVER = "while True: pass"
SLEEPS = "time.sleep(1_000)"
HOLDS_THE_INTERPRETER = "sum(range(10**13))"


def does(pair: Pair, now: str) -> None:
    """Have the run in this folder trade a strategy that does so when it is told."""
    pair.folder.mkdir(mode=0o700, exist_ok=True)
    (pair.folder / "rests.py").write_text(RESTS.replace("{now}", now))


def tell(pair: Pair) -> None:
    (pair.folder / "now").touch()


OWN = "rests:Rests"


def noted(pair: Pair, action: str) -> list[dict[str, Any]]:
    return [note for note in pair.guardian_notes() if note["action"] == action]


async def hangs(pair: Pair, run: Run) -> str:
    """Have it hang; return where the guardian says that it does, once nothing is left."""
    await pair.trading(run)
    tell(pair)
    await until(lambda: noted(pair, "hung"))
    await until(lambda: not pair.exchange.open_orders())
    await until(lambda: "guardian: process" in (pair.folder / "run.log").read_text())
    return str(noted(pair, "hung")[0]["why"])


@pytest.mark.parametrize("now", [FOREVER, SLEEPS, HOLDS_THE_INTERPRETER])
async def test_of_a_run_that_hangs_no_order_is_left_and_where_it_hangs_is_said(
    tmp_path: Path, now: str
) -> None:
    with a_pair(tmp_path) as pair:
        does(pair, now)
        async with run_at(pair.folder, pair.endpoints, strategy=OWN) as run:
            why = await hangs(pair, run)
            assert "has made no turn for 2 s" in why
            assert "in on_timer (rests.py" in why
            run.process.send_signal(signal.SIGTERM)
            code = await end(run)
        if now is HOLDS_THE_INTERPRETER:  # no handler of ours runs there: the guardian ends it
            assert code == -signal.SIGKILL
        else:
            assert code == 4
            assert "SIGTERM: the loop hangs in on_timer (rests.py" in pair.errors()
        await until(lambda: noted(pair, "proved"))
        assert pair.exchange.open_orders() == []


@pytest.mark.parametrize(
    "now", ["sys.exit(7)", "raise KeyboardInterrupt", "raise GeneratorExit", "1 / 0"]
)
async def test_whatever_a_callback_raises_the_run_is_left_as_by_any_other_way(
    tmp_path: Path, now: str
) -> None:
    with a_pair(tmp_path) as pair:
        does(pair, now)
        async with run_at(pair.folder, pair.endpoints, strategy=OWN) as run:
            await pair.trading(run)
            tell(pair)
            assert await end(run) == 1
        assert pair.exchange.open_orders() == []
        log = (pair.folder / "run.log").read_text()
        for said in (pair.errors(), log):
            assert 'rests.py", line' in said
            assert "in on_timer" in said
        assert "left: the venue lists none of our orders" in log


async def test_a_run_that_is_ended_by_its_strategy_is_no_clean_end(tmp_path: Path) -> None:
    with a_pair(tmp_path) as pair:
        does(pair, "import os; os._exit(0)")
        async with run_at(pair.folder, pair.endpoints, strategy=OWN) as run:
            await pair.trading(run)
            tell(pair)
            assert await end(run) == 4
        await until(lambda: noted(pair, "proved"))
        assert pair.exchange.open_orders() == []
        for said in (pair.errors(), (pair.folder / "run.log").read_text()):
            assert "os._exit(0) was called while the run lived" in said


FORKS = """import os
        (Path(__file__).parent / "now").unlink()
        os.fork()  # the child goes back into the run
"""


async def test_a_forked_child_does_not_trade_beside_its_parent(tmp_path: Path) -> None:
    with a_pair(tmp_path) as pair:
        does(pair, FORKS)
        async with run_at(pair.folder, pair.endpoints, strategy=OWN) as run:
            await pair.trading(run)
            tell(pair)
            await until(lambda: "a child that a strategy has forked" in pair.errors())
            await pair.trading(run)
            run.process.send_signal(signal.SIGTERM)
            assert await end(run) == 0
        assert pair.exchange.open_orders() == []


async def test_of_a_run_that_is_stopped_no_order_is_left_and_it_goes_on(tmp_path: Path) -> None:
    with a_pair(tmp_path) as pair:
        async with run_at(pair.folder, pair.endpoints) as run:
            await pair.trading(run)
            os.kill(run.process.pid, signal.SIGSTOP)
            await until(lambda: noted(pair, "hung"))
            await until(lambda: not pair.exchange.open_orders())
            assert "it is stopped" in noted(pair, "hung")[0]["why"]
            os.kill(run.process.pid, signal.SIGCONT)
            await until(lambda: noted(pair, "turns"))
            await pair.trading(run)
            assert await pair.stop(run) == 0, pair.errors()
        assert pair.exchange.open_orders() == []


async def test_a_guardian_that_is_stopped_is_missed_and_another_does_its_work(
    tmp_path: Path,
) -> None:
    with a_pair(tmp_path) as pair:
        async with run_at(pair.folder, pair.endpoints) as run:
            await pair.trading(run)
            os.kill(noted(pair, "watching")[0]["pid"], signal.SIGSTOP)
            await until(lambda: len(noted(pair, "watching")) == 2)
            said = "has been silent for 3 s"
            await until(lambda: said in (pair.folder / "run.log").read_text())
            run.kill()
            await until(lambda: noted(pair, "proved"))
        assert pair.exchange.open_orders() == []


# -- output that nobody reads ----------------------------------------------------------------

PRINTS = "print('x' * 4_000)\n        (Path(__file__).parent / 'printed').touch()"
"""A page a tenth of a second: a pipe is full within two seconds."""


class Unread:
    """Where a run writes to, and how nobody comes to read it."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        if kind == "terminal":
            self._ours, self.theirs = pty.openpty()
        else:
            self._ours, self.theirs = os.pipe()
            fcntl.fcntl(self.theirs, fcntl.F_SETPIPE_SZ, 4_096)

    def begin(self) -> None:
        if self._kind == "gone":
            os.close(self._ours)

    def close(self) -> None:
        with suppress(OSError):
            os.close(self._ours)


@contextmanager
def writing_to(folder: Path, unread: Unread) -> Iterator[Run]:
    run = Run.__new__(Run)
    run.folder = folder
    (folder / "stderr").touch()
    run.process = subprocess.Popen(
        [sys.executable, "-m", "tools", "run", str(folder / "run.toml")],
        stdin=subprocess.DEVNULL,
        stdout=unread.theirs,
        stderr=unread.theirs,
        start_new_session=True,
    )
    os.close(unread.theirs)
    try:
        yield run
    finally:
        run.kill()
        unread.close()


@pytest.mark.parametrize("kind", ["terminal", "pipe", "gone"])
async def test_output_that_nobody_reads_holds_nothing_up(tmp_path: Path, kind: str) -> None:
    """A terminal's buffer and a pipe's are full within a second; the third reader goes away."""
    with a_pair(tmp_path) as pair:
        does(pair, PRINTS)
        write_own(pair.folder, pair.endpoints, OWN)
        unread = Unread(kind)
        with writing_to(pair.folder, unread) as run:
            await pair.trading(run)
            unread.begin()
            tell(pair)
            await until((pair.folder / "printed").exists)
            said = "nobody reads the output" if kind == "gone" else "the output is not being read"
            await until(lambda: said in (pair.folder / "run.log").read_text())
            assert run.trading()
            assert not noted(pair, "hung")
            run.process.send_signal(signal.SIGTERM)
            assert await end(run) == 0
        assert pair.exchange.open_orders() == []
        assert "left: the venue lists none of our orders" in (pair.folder / "run.log").read_text()
