"""``python -m tools.crash_test``: strike a trading run again and again, and hold it to the ledger.

The built-in exchange runs in a process of its own and sees only its clients come and go. Each round
starts ``hotloop run`` on the same folder and strikes: kills it while it starts, recovers or trades,
with its guardian or without, stops it, stops or kills the guardian, or stops the exchange. Before a
run that trades is struck, it is halted for an instant and its position compared with the
exchange's own ledger, asked over REST. At the end the last run is stopped, and every order ever
placed is looked at: no id twice, none left. What would be shown by nothing having happened is
refused: a round without a guardian has to have killed one, and some strikes have to have met open
orders.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

import httpx

from core.errors import HotloopError
from core.units import NS_PER_MS, Grid
from core.venue import RestRequest
from tools import ctl
from venues.binance import VENUE

SYMBOL = "BTCUSDT"
PAGE = 1_000
"""Orders or trades in one answer."""

PATIENCE_S = 40.0
"""For anything: a start waits for what a dead run sent to expire, and may share its CPU."""

VANISH_S = 2.0
"""Within which a guardian has to take out what a dead run left."""

HANG_S = 2.0
"""A run's own default: so long may it make no turn before its guardian cancels."""

STAYS_S = 0.5
"""Without a guardian, what a dead run left is still there after so long: nobody else takes it out.
A guardian that had been overlooked would need a tenth of it."""

DOUBT_S = 120.0
"""Within which the absence of an order has to be proved, and its side of the market be quoted
again: no venue may delay one for so long."""

AWAY_S = 3.0
"""How long the exchange is away."""

LOOK_S = 0.1
"""Between two looks: the run and we share the venue's limits."""

ROUND_S = 10.0
"""A round lasts at least this long: a start, its guardian's and our own looks take up to 800 of
the 6,000 that the exchange allows an address a minute."""

STARTING_S = 4.0
"""A run that is killed before it trades is killed within so many seconds."""

TRADING_S = 1.5

CONFIG = """\
venue = "binance"
environment = "sim"
symbols = ["{symbol}"]
[endpoints]
rest = "{rest}"
stream = "{stream}"
ws_api = "{ws_api}"
[keys]
file = "keys.toml"
[strategy]
name = "maker"
[strategy.parameters]
size = "0.01"
max_position = "0.5"
half_spread_bps = "0.1"
skew_bps = "0.1"
requote_bps = "0.05"
[risk]
max_order_size = "0.05"
max_order_notional = "10000"
max_position = "1"
max_daily_loss = "100000"
[loop]
mode = "wait"
[run]
dir = "."
[session]
recv_window_ms = 500
[journal]
segment_mb = 4
"""


class Wrong(Exception):
    """The run and the exchange do not agree, or something was not taken out in time."""


class Exchange:
    """The exchange's own ledger, asked over REST with the account's key."""

    def __init__(
        self,
        announcement: dict[str, Any],
        client: httpx.Client,
        process: subprocess.Popen[bytes],
    ) -> None:
        self.announcement = announcement
        self.process = process
        self._signer = VENUE.signer(announcement["api_key"], announcement["api_secret"])
        self._client = client
        self._lots = 0
        self._next_trade = 0
        rules = self._client.get("/api/v3/exchangeInfo", params={"symbol": SYMBOL}).json()
        steps = {one["filterType"]: one for one in rules["symbols"][0]["filters"]}
        self._lot = Grid(steps["LOT_SIZE"]["stepSize"])

    def _ask(self, what: str, **parameters: int) -> Any:
        now_ms = time.time_ns() // NS_PER_MS
        query = urlencode({"symbol": SYMBOL, **parameters, "timestamp": now_ms})
        signed = self._signer.rest(RestRequest("GET", f"/api/v3/{what}", query, signed=True))
        answer = self._client.get(signed.target, headers=signed.headers)
        answer.raise_for_status()
        return answer.json()

    def position(self) -> str:
        """Return the account's position by its trades, written as a run writes its own."""
        while True:
            trades = self._ask("myTrades", fromId=self._next_trade, limit=PAGE)
            for trade in trades:
                lots = self._lot.count(trade["qty"])
                self._lots += lots if trade["isBuyer"] else -lots
                self._next_trade = trade["id"] + 1
            if len(trades) < PAGE:
                size = self._lot.text(abs(self._lots))
                return f"-{size}" if self._lots < 0 else size

    def open_orders(self) -> list[str]:
        return [order["clientOrderId"] for order in self._ask("openOrders")]

    def orders(self) -> list[str]:
        """Return the client ids of all orders ever placed; a cancel adds an end to its order's."""
        names: list[str] = []
        number = 0
        while True:
            orders = self._ask("allOrders", orderId=number, limit=PAGE)
            names += [order["clientOrderId"].removesuffix("-c") for order in orders]
            if len(orders) < PAGE:
                return names
            number = orders[-1]["orderId"] + 1


class Run:
    """``hotloop run`` in a folder, and what its control socket says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with (folder / "stderr").open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tools", "run", str(folder / "run.toml")],
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=os.environ | {"XDG_STATE_HOME": str(folder / "state")},
                start_new_session=True,
            )

    def status(self) -> dict[str, Any]:
        """Return what it says of itself, nothing while it does not."""
        if self.process.poll() is not None:
            end = (self.folder / "stderr").read_text(encoding="utf-8")[-500:]
            raise Wrong(f"the run ended by itself with {self.process.returncode}: {end}")
        try:
            status: dict[str, Any] = json.loads(ctl.ask(self.folder, "status"))
        except HotloopError:
            return {}
        return status if status.get("pid") == self.process.pid else {}

    def trading(self) -> bool:
        return self.status().get("state") == "trading"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def guardians(self) -> list[int]:
        """Return the processes that guard it: one, or none yet. Whichever thread has made them."""
        found = []
        for thread in Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            with suppress(OSError):
                found += [int(word) for word in thread.read_text(encoding="ascii").split()]
        return [pid for pid in found if _is_guardian(pid)]

    def guardian(self) -> int:
        """Return the process that guards it. Raises ``Wrong`` where there is none."""
        found = self.guardians()
        if not found:
            raise Wrong("it trades, and nobody guards it")
        return found[0]

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


def _is_guardian(pid: int) -> bool:
    with suppress(OSError):
        return b"tools.guardian" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


T = TypeVar("T")


def until(what: str, look: Callable[[], T], within_s: float = PATIENCE_S) -> T:
    """Return what ``look`` finds, as soon as it finds anything."""
    deadline = time.monotonic() + within_s
    while not (found := look()):
        if time.monotonic() > deadline:
            raise Wrong(f"not within {within_s} s: {what}")
        time.sleep(LOOK_S)
    return found


def compare(run: Run, exchange: Exchange) -> None:
    """Halt the run for an instant, and hold its position against the ledger."""
    ctl.ask(run.folder, "halt", ["compared"])

    def quiet() -> dict[str, Any]:
        status = run.status()
        # One whose absence is not proved yet is told apart: that takes longer than any delay may.
        alive = [each for each in status.get("open_orders", []) if each["state"] != "unknown"]
        return {} if not status or alive or exchange.open_orders() else status

    status = until("no order is left after a halt", quiet)
    believed = status["positions"][0]["position"]
    owned = exchange.position()
    if believed != owned:
        raise Wrong(f"the run holds {believed}, the ledger {owned}")
    ctl.ask(run.folder, "resume")
    until("it trades again", run.trading)


# -- strikes ---------------------------------------------------------------------------------


class Struck(NamedTuple):
    """What a strike met and what was seen to follow."""

    open: int
    """Orders that were open when it struck."""
    text: str


Strike = Callable[[Run, Exchange, random.Random], Struck]
"""Strikes a run; it is dead afterwards, and what has to follow has been seen. Raises ``Wrong``."""


def taken_out(exchange: Exchange, by: str, within_s: float = VANISH_S) -> None:
    """Wait until no order is open. Raises ``Wrong`` where one stays."""
    until(f"{by} takes all out", lambda: not exchange.open_orders(), within_s)


def stays(exchange: Exchange, left: list[str]) -> None:
    """See that what is left stays: nobody is there to take it out. Raises ``Wrong``."""
    time.sleep(STAYS_S)
    if left and not exchange.open_orders():
        raise Wrong("somebody took out what a run without a guardian left")


def kill(run: Run, exchange: Exchange, _: random.Random) -> Struck:
    left = exchange.open_orders()  # before: a guardian needs less than an answer takes
    run.kill()
    taken_out(exchange, "the guardian")
    return Struck(len(left), "killed while it traded")


def kill_starting(run: Run, exchange: Exchange, chance: random.Random) -> Struck:
    time.sleep(chance.uniform(0, STARTING_S))
    left = exchange.open_orders()
    run.kill()
    taken_out(exchange, "the guardian, or that of the boot before,")
    return Struck(len(left), "killed while it started or recovered")


def kill_both(run: Run, exchange: Exchange, _: random.Random) -> Struck:
    """Kill the guardian first; the run is stopped, so that it starts no other."""
    run.send(signal.SIGSTOP)
    guardian = run.guardian()
    os.kill(guardian, signal.SIGKILL)
    until("the guardian is dead", lambda: not _is_guardian(guardian))
    run.kill()
    left = exchange.open_orders()
    stays(exchange, left)
    return Struck(len(left), "killed while it traded, its guardian first")


def stop(run: Run, exchange: Exchange, chance: random.Random) -> Struck:
    left = exchange.open_orders()
    run.send(signal.SIGSTOP)
    taken_out(exchange, "the guardian of a stopped run", HANG_S + VANISH_S)
    run.send(signal.SIGCONT)
    until("it trades after it was stopped", run.trading)
    compare(run, exchange)
    kill(run, exchange, chance)
    return Struck(len(left), "stopped, continued, then killed")


def another_guardian(run: Run, first: int) -> None:
    """Wait until another process guards the run. Raises ``Wrong``."""

    def watches() -> bool:
        others = [pid for pid in run.guardians() if pid != first]
        return bool(others) and run.status().get("guardian") == "watching"

    until("another guardian watches", watches)


def kill_guardian(run: Run, exchange: Exchange, chance: random.Random) -> Struck:
    first = run.guardian()
    os.kill(first, signal.SIGKILL)
    another_guardian(run, first)
    return Struck(kill(run, exchange, chance).open, "its guardian killed, then itself")


def stop_guardian(run: Run, exchange: Exchange, chance: random.Random) -> Struck:
    first = run.guardian()
    os.kill(first, signal.SIGSTOP)
    another_guardian(run, first)
    return Struck(kill(run, exchange, chance).open, "its guardian stopped, then itself killed")


def stop_exchange(run: Run, exchange: Exchange, chance: random.Random) -> Struck:
    left = exchange.open_orders()
    exchange.process.send_signal(signal.SIGSTOP)
    time.sleep(AWAY_S)
    exchange.process.send_signal(signal.SIGCONT)
    until("it trades after the exchange was away", run.trading)
    compare(run, exchange)
    kill(run, exchange, chance)
    return Struck(len(left), "the exchange stopped and continued, then killed")


TRADING: tuple[Strike, ...] = (kill, kill_both, stop, kill_guardian, stop_guardian, stop_exchange)

STARTING = (1, 2)
"""Of each ten rounds these strike a start; the round before them leaves a guardian to clear up."""


def rounds(
    folder: Path, exchange: Exchange, moments: int, chance: random.Random
) -> Iterator[Struck]:
    """Strike that often; yield what each strike met. Every one of ``TRADING`` has its turn."""
    for moment in range(moments):
        next_s = time.monotonic() + ROUND_S
        run = Run(folder)
        try:
            if moment % 10 in STARTING:
                struck = kill_starting(run, exchange, chance)
            else:
                until("it trades", run.trading)
                compare(run, exchange)
                until("it has orders again", exchange.open_orders, DOUBT_S)
                time.sleep(chance.uniform(0, TRADING_S))
                struck = TRADING[moment % len(TRADING)](run, exchange, chance)
        finally:
            exchange.process.send_signal(signal.SIGCONT)
            run.kill()
        yield struck
        time.sleep(max(0.0, next_s - time.monotonic()))


def finish(folder: Path, exchange: Exchange) -> int:
    """Have a last run recover, trade and leave; return how many orders there were in all."""
    run = Run(folder)
    try:
        until("the last run trades", run.trading)
        compare(run, exchange)
        until("no order is in doubt", lambda: not run.status()["unknown_orders"], DOUBT_S)
        run.send(signal.SIGTERM)
        code = run.process.wait(PATIENCE_S)
    finally:
        run.kill()
    check_end(code, exchange.open_orders(), exchange.orders())
    return len(exchange.orders())


def check_end(code: int, left: list[str], names: list[str]) -> None:
    """Hold the last run's exit code and all orders ever placed to the rules. Raises ``Wrong``."""
    if code:
        raise Wrong(f"the last run ended with {code}")
    if left:
        raise Wrong(f"left open: {left}")
    if not names:
        raise Wrong("no order was ever placed, so nothing was shown")
    if len(names) != len(set(names)):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise Wrong(f"placed twice: {twice}")


def check_met(struck: list[Struck]) -> int:
    """Return how many strikes met open orders. Raises ``Wrong`` where none did."""
    met = sum(each.open > 0 for each in struck)
    if not met:
        raise Wrong("no strike met an open order, so nothing was shown")
    return met


@contextmanager
def running_exchange() -> Iterator[Exchange]:
    """Run the built-in exchange in a process of its own."""
    command = [sys.executable, "-m", "tools", "sim", "--rate", "100"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else b""
            announcement = json.loads(line)
            with httpx.Client(base_url=announcement["rest"], timeout=PATIENCE_S) as client:
                yield Exchange(announcement, client, process)
        finally:
            process.kill()


def write_folder(folder: Path, announcement: dict[str, Any]) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = folder / "keys.toml"
    keys.touch(mode=0o600)
    keys.write_text(
        f'api_key = "{announcement["api_key"]}"\napi_secret = "{announcement["api_secret"]}"\n',
        encoding="utf-8",
    )
    config = CONFIG.format(symbol=SYMBOL, **announcement)
    (folder / "run.toml").write_text(config, encoding="utf-8")


def crash(moments: int, seed: int, tell: Callable[[str], None]) -> str:
    """Run the whole test; return what it has shown. Raises ``Wrong``."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as temporary, running_exchange() as exchange:
        folder = Path(temporary) / "run"
        write_folder(folder, exchange.announcement)
        began_s = time.monotonic()
        struck = []
        for number, each in enumerate(rounds(folder, exchange, moments, chance), 1):
            struck.append(each)
            tell(f"{number}: {each.text}, {each.open} orders open then")
        met = check_met(struck)
        orders = finish(folder, exchange)
        return (
            f"struck {moments} times in {time.monotonic() - began_s:.0f} s (seed {seed}), {met} "
            f"times with open orders: {orders} orders, no id twice, none left, position "
            f"{exchange.position()} by both ledgers"
        )


def main() -> int:
    """Return 0 where all was right."""
    parser = argparse.ArgumentParser(prog="python -m tools.crash_test", description=__doc__)
    parser.add_argument("--moments", type=int, default=100, metavar="N", help="default: 100")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    args = parser.parse_args()
    try:
        print(crash(args.moments, args.seed, lambda line: print(line, file=sys.stderr)))
    except Wrong as wrong:
        print(f"wrong: {wrong}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
