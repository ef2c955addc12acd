"""The long crash test in short, and each of its checks broken once: else it would show nothing.

The runs and exchanges of the broken checks are fakes that do what must not happen.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

import venues
from core.io.journal_file import JournalFile
from core.model.errors import BadParameter
from core.model.venue import KeyKind
from core.state.journal import Header, Kind
from tools import ctl
from tools.crash_test import application, checks, rounds, strikes
from tools.crash_test.application import Journaled, Run, Watched
from tools.crash_test.checks import NONE_LEFT, NOT_PROVED
from tools.crash_test.patience import Wrong, until
from tools.crash_test.relay import Relay
from tools.crash_test.rounds import Round, check_end, check_met, plan, table
from tools.crash_test.strikes import KINDS, Struck, kill, kill_both, kill_starting
from tools.venues import declared

BY_NAME = {kind.strike.__name__: kind for kind in KINDS}


def test_struck_runs_agree_with_the_exchange_and_leave_nothing() -> None:
    told: list[str] = []
    kinds = [BY_NAME["kill"], BY_NAME["refuse"]]
    shown = rounds.crash(2, 4, told.append, kinds)
    assert len(told) == 2
    assert "no id twice, every one journaled, none left" in shown
    assert "3 boots replayed" in shown or "2 boots replayed" in shown


def test_a_struck_run_agrees_with_the_exchange_of_another_venue() -> None:
    told: list[str] = []
    shown = rounds.crash(2, 1, told.append, [BY_NAME["kill"], BY_NAME["kill_both"]], "kraken")
    assert len(told) == 2
    assert "no id twice, every one journaled, none left" in shown


def test_only_where_the_venue_has_a_timer_it_is_held_to_one() -> None:
    found = {name: venue for name in venues.names() if (venue := venues.find(name)) is not None}
    timed = {name for name, venue in found.items() if declared(venue).dead_man == "timer"}
    assert timed == strikes.TIMERS
    assert BY_NAME["kill_for_good"] in rounds.kinds_at("kraken")
    assert BY_NAME["kill_for_good"] not in rounds.kinds_at("binance")


def test_a_wait_for_what_does_not_come_ends() -> None:
    with pytest.raises(Wrong, match="the moon"):
        until("the moon", lambda: 0, 0.0)


# -- strikes ---------------------------------------------------------------------------------


class FakeExchange:
    """An exchange that lists these orders, one list a question, the last one for ever."""

    def __init__(
        self, *lists: list[str], position: str = "0.00000", canceled: Sequence[str] = ()
    ) -> None:
        self._lists = list(lists) or [[]]
        self._canceled = canceled
        self._position = position
        self.done: list[str] = []

    def open_orders(self) -> list[str]:
        return self._lists.pop(0) if len(self._lists) > 1 else self._lists[0]

    def position(self) -> str:
        return self._position

    def canceled(self, names: Sequence[str]) -> list[str]:
        return [name for name in self._canceled if name in names]

    def orders(self) -> list[str]:
        return []

    def stop(self) -> None:
        self.done.append("stop")

    def go_on(self) -> None:
        self.done.append("go on")

    def refuse(self) -> None:
        self.done.append("refuse")

    def accept(self) -> None:
        self.done.append("accept")

    def restart(self, _: float) -> None:
        self.done.append("restart")


class FakeProcess:
    def __init__(self, code: int | None) -> None:
        self.pid = os.getpid()
        self.returncode = code

    def poll(self) -> int | None:
        return self.returncode


SAID = f"the venue X is not reached: no. hotloop: no room for more; {NOT_PROVED}; {NONE_LEFT}"
LOGGED = (
    f"the output is not being read; halted: from the beginning; is being read again; {NONE_LEFT}"
)


class FakeRun:
    """A run that says this of itself, is guarded by these, and has ended with this code."""

    folder = Path("nowhere")

    def __init__(
        self,
        guardians: list[list[int]] | None = None,
        *,
        code: int | None = None,
        said: str = SAID,
        logged: str = LOGGED,
        **status: Any,
    ) -> None:
        self._guardians = [*(guardians or [[]])]
        self._status = {
            "state": "trading",
            "guardian": "watching",
            "open_orders": [],
            "unknown_orders": 0,
            "positions": [{"position": "0.00000"}],
            **status,
        }
        self._said, self._logged = said, logged
        self.process = FakeProcess(code)
        self.sent: list[int] = []
        self.told: list[str] = []

    def status(self) -> dict[str, Any]:
        return self._status

    def trading(self) -> bool:
        return bool(self._status["state"] == "trading")

    def tell(self, verb: str, *_: str) -> None:
        self.told.append(verb)
        if verb in ("halt", "resume"):
            self._status["state"] = self._after.get(verb, self._status["state"])

    _after: dict[str, str] = {}  # noqa: RUF012 - empty, and replaced whole

    def kill(self) -> None:
        self.sent.append(signal.SIGKILL)

    def send(self, number: int) -> None:
        self.sent.append(number)

    def guardians(self) -> list[int]:
        return self._guardians.pop(0) if len(self._guardians) > 1 else self._guardians[0]

    def guardian(self) -> int:
        return Run.guardian(self)  # type: ignore[arg-type]

    def block_output(self) -> None:
        self.told.append("block")

    def unblock_output(self) -> None:
        self.told.append("unblock")

    def said(self) -> str:
        return self._said

    def logged(self) -> str:
        return self._logged


class Halting(FakeRun):
    """One that is halted when it is told to be, and trades when it is told that."""

    _after = {"halt": "halted", "resume": "trading"}  # noqa: RUF012 - never changed


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give up at once on what does not come, and kill nobody; return who would have been killed."""
    found: list[int] = []
    at_once = lambda what, look, _=0.0: until(what, look, 0.0)  # noqa: E731
    for module in (checks, strikes):
        monkeypatch.setattr(module, "until", at_once)
    monkeypatch.setattr(os, "kill", lambda pid, _: found.append(pid))
    monkeypatch.setattr(strikes, "is_guardian", lambda _: False)
    monkeypatch.setattr("resource.prlimit", lambda *_: None)
    for name in ("STAYS_S", "AWAY_S", "STARTING_S", "LEAVING_S", "LEAVE_S", "NOTED_S"):
        monkeypatch.setattr(strikes, name, 0.0)
    return found


GUARDED = [[7]]
REPLACED = [[7], [8]]
ONE = ["h-1"]


def compare(run: Any, exchange: Any, _: random.Random) -> Struck:
    checks.compare(run, exchange)
    return Struck(0, "")


def cleared(_: Any, exchange: Any, __: random.Random) -> Struck:
    checks.cleared(exchange, ONE)
    return Struck(0, "")


BROKEN: list[tuple[Callable[..., Struck], FakeRun, FakeExchange, str]] = [
    # what is held against the ledger
    (compare, FakeRun(), FakeExchange(ONE), "no order is left after a halt"),
    (compare, FakeRun(), FakeExchange(position="0.01"), "the run holds 0.00000, the ledger"),
    (compare, FakeRun(state="halted"), FakeExchange(), "it trades again"),
    (cleared, FakeRun(), FakeExchange(ONE), "the next boot takes out h-1"),
    # what a strike has to be followed by: killed
    (kill, FakeRun(), FakeExchange(ONE), "the guardian takes all out"),
    (kill_starting, FakeRun(), FakeExchange(ONE), "takes all out"),
    (strikes.kill_recovering, FakeRun(state="halted"), FakeExchange(), "it recovers"),
    (strikes.kill_recovering, FakeRun(state="starting"), FakeExchange(ONE), "takes all out"),
    (strikes.kill_leaving, FakeRun(), FakeExchange(ONE), "takes all out"),
    (kill_both, FakeRun(), FakeExchange(ONE), "nobody guards it"),
    (kill_both, FakeRun(GUARDED), FakeExchange(ONE, canceled=ONE), "somebody took out"),
    (strikes.kill_together, FakeRun(), FakeExchange(ONE), "nobody guards it"),
    (strikes.kill_together, FakeRun(GUARDED), FakeExchange(ONE, canceled=ONE), "somebody took out"),
    (strikes.kill_for_good, FakeRun(), FakeExchange(ONE), "nobody guards it"),
    (strikes.kill_for_good, FakeRun(GUARDED), FakeExchange(ONE, canceled=ONE), "somebody took out"),
    (strikes.kill_for_good, FakeRun(GUARDED), FakeExchange(ONE), "the venue's own timer takes all"),
    # stopped and starved
    (strikes.stop, FakeRun(), FakeExchange(ONE), "the guardian of a stopped run takes"),
    (strikes.stop, FakeRun(state="interrupted"), FakeExchange(), "after it was stopped"),
    (strikes.stop, FakeRun(), FakeExchange([], [], position="1"), "the run holds"),
    (strikes.stop, FakeRun(), FakeExchange([], [], [], [], ONE), "guardian takes all"),
    (strikes.stop_both, FakeRun(), FakeExchange(ONE), "nobody guards it"),
    (strikes.stop_both, FakeRun(GUARDED), FakeExchange(ONE, canceled=ONE), "somebody took out"),
    (strikes.stop_both, FakeRun(GUARDED), FakeExchange(ONE), "a guardian that goes on takes"),
    (strikes.starve, FakeRun(state="interrupted"), FakeExchange(), "after it was starved"),
    (strikes.starve, FakeRun(), FakeExchange(position="1"), "the run holds"),
    (strikes.starve, FakeRun(), FakeExchange([], [], [], ONE), "takes all out"),
    # its guardian
    (strikes.kill_guardian, FakeRun(), FakeExchange(), "nobody guards it"),
    (strikes.kill_guardian, FakeRun(GUARDED), FakeExchange(), "another guardian watches"),
    (strikes.kill_guardian, FakeRun([[7], []], guardian="gone"), FakeExchange(), "another"),
    (strikes.kill_guardian, FakeRun(REPLACED), FakeExchange(ONE), "takes all out"),
    (strikes.stop_guardian, FakeRun(), FakeExchange(), "nobody guards it"),
    (strikes.stop_guardian, FakeRun(GUARDED), FakeExchange(), "another guardian watches"),
    (strikes.stop_guardian, FakeRun(REPLACED), FakeExchange(ONE), "takes all out"),
    # output and disk
    (strikes.block_terminal, FakeRun(logged=""), FakeExchange(), "notices that nobody reads"),
    (
        strikes.block_terminal,
        FakeRun(state="interrupted"),
        FakeExchange(),
        "it does not trade",
    ),
    (strikes.block_terminal, FakeRun(), FakeExchange(position="1"), "the run holds"),
    (
        strikes.block_terminal,
        FakeRun(logged="the output is not being read"),
        FakeExchange(),
        "its output is read again",
    ),
    (strikes.block_terminal, FakeRun(), FakeExchange([], [], [], ONE), "takes all out"),
    (strikes.block_pipe, FakeRun(logged=""), FakeExchange(), "notices that nobody reads"),
    (strikes.block_pipe, FakeRun(state="interrupted"), FakeExchange(), "it does not trade"),
    (strikes.block_pipe, FakeRun(), FakeExchange(position="1"), "the run holds"),
    (strikes.block_pipe, FakeRun(unknown_orders=1), FakeExchange(), "no order is in doubt"),
    (strikes.block_pipe, FakeRun(), FakeExchange(), "the run ends"),
    (strikes.block_pipe, FakeRun(code=4), FakeExchange(), "it ended with 4"),
    (strikes.fill_disk, FakeRun(unknown_orders=1), FakeExchange(), "no order is in doubt"),
    (strikes.fill_disk, FakeRun(), FakeExchange(), "the run ends on a full disk"),
    (strikes.fill_disk, FakeRun(code=0), FakeExchange(), "it ended with 0"),
    (strikes.fill_disk, FakeRun(code=1, said=""), FakeExchange(), "not say that the disk is"),
    # the exchange
    (strikes.stop_exchange, FakeRun(state="interrupted"), FakeExchange(), "was stopped"),
    (strikes.stop_exchange, FakeRun(), FakeExchange(position="1"), "the run holds"),
    (strikes.stop_exchange, FakeRun(), FakeExchange([], [], [], ONE), "takes all out"),
    (strikes.refuse, FakeRun(state="interrupted"), FakeExchange(), "refused connections"),
    (strikes.refuse, FakeRun(), FakeExchange(position="1"), "the run holds"),
    (strikes.refuse, FakeRun(), FakeExchange([], [], [], ONE), "takes all out"),
    (strikes.set_up_anew, FakeRun(), FakeExchange(ONE), "no order is left after a halt"),
    (strikes.set_up_anew, Halting(logged=""), FakeExchange(), "it notices new numbers"),
    (strikes.set_up_anew, FakeRun(state="halted"), FakeExchange(), "it notices new numbers"),
    (strikes.set_up_anew, Halting(), FakeExchange(position="1"), "the run holds"),
    (strikes.set_up_anew, Halting(), FakeExchange([], [], [], [], ONE), "takes all out"),
    (strikes.start_refused, FakeRun(said=""), FakeExchange(), "the terminal says why"),
    (
        strikes.start_refused,
        FakeRun(state="interrupted"),
        FakeExchange(),
        "found nobody",
    ),
    (strikes.start_refused, FakeRun(), FakeExchange(position="1"), "the run holds"),
    (strikes.start_refused, FakeRun(), FakeExchange([], [], ONE), "takes all out"),
    # leaving
    (strikes.leave, FakeRun(unknown_orders=1), FakeExchange(), "no order is in doubt"),
    (strikes.leave, FakeRun(), FakeExchange(), "the run ends"),
    (strikes.leave, FakeRun(code=4), FakeExchange(), "it ended with 4"),
    (strikes.leave_away, FakeRun(), FakeExchange(), "the run ends"),
    (strikes.leave_away, FakeRun(code=0), FakeExchange(), "it ended with 0"),
    (strikes.leave_away, FakeRun(code=4), FakeExchange(ONE), "once there is an answer"),
]


@pytest.mark.parametrize(("check", "run", "exchange", "says"), BROKEN)
def test_each_check_of_a_strike_was_seen_to_fail(
    check: Callable[..., Struck], run: Any, exchange: Any, says: str, killed: list[int]
) -> None:
    with pytest.raises(Wrong, match=says):
        check(run, exchange, random.Random(0))


def test_every_kind_of_strike_has_broken_checks() -> None:
    assert {kind.strike for kind in KINDS} <= {check for check, *_ in BROKEN}


def test_a_run_that_gives_up_before_its_time_is_found_out(
    killed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strikes, "LEAVE_S", 60.0)
    run: Any = FakeRun(code=4)
    exchange: Any = FakeExchange()
    with pytest.raises(Wrong, match="gave up before its time"):
        strikes.leave_away(run, exchange, random.Random(0))


CODES = {"block_pipe": 0, "fill_disk": 1, "leave": 0, "leave_away": 4}
"""Of the strikes after which a run ends by itself."""


@pytest.mark.parametrize("name", BY_NAME)
def test_a_strike_that_is_followed_by_what_has_to_follow_is_told(
    name: str, killed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = Halting if name == "set_up_anew" else FakeRun
    run: Any = kind([[7], [8]], code=CODES.get(name))
    exchange: Any = FakeExchange()
    struck = BY_NAME[name].strike(run, exchange, random.Random(0))
    assert struck.open == 0
    if name not in CODES:
        assert signal.SIGKILL in run.sent
    if "guardian" in name or name in ("kill_both", "kill_together", "kill_for_good"):
        assert killed[0] == 7
    does = {"stop_exchange": "stop", "refuse": "refuse", "set_up_anew": "restart"}
    assert exchange.done[:1] == [does[name]] if name in does else True


# -- what has to be so after every strike ----------------------------------------------------


@pytest.mark.parametrize(
    ("code", "said", "logged", "left", "says"),
    [
        (0, NONE_LEFT, NONE_LEFT, ONE, "these were open"),
        (-9, "", NONE_LEFT, ONE, "these were open"),
        (0, NONE_LEFT, "", [], "its log does not say"),
        (0, "something", NONE_LEFT, [], "does not say that nothing is left"),
        (4, "something", "", ONE, "does not say that nothing is proved"),
        (1, "something", "", [], "does not say why"),
    ],
)
def test_words_that_the_ledger_contradicts_are_found_out(
    code: int, said: str, logged: str, left: list[str], says: str
) -> None:
    with pytest.raises(Wrong, match=says):
        checks.check_words(code, said, logged, left)


@pytest.mark.parametrize(
    ("code", "said", "logged", "left"),
    [
        (0, NONE_LEFT, NONE_LEFT, []),
        (0, "", NONE_LEFT, []),
        (-9, "", "", ONE),
        (4, NOT_PROVED, "", ONE),
        (1, "hotloop: because", "", []),
    ],
)
def test_words_that_are_true_pass(code: int, said: str, logged: str, left: list[str]) -> None:
    checks.check_words(code, said, logged, left)


@pytest.mark.parametrize(
    ("names", "journaled", "says"),
    [(ONE * 2, {"h-1"}, "placed twice"), (["h-1", "h-2"], {"h-1"}, "not in the journal: .'h-2'")],
)
def test_orders_that_must_not_be_are_found_out(
    names: list[str], journaled: set[str], says: str
) -> None:
    checks.check_orders(ONE, {"h-1", "lost on its way"})
    with pytest.raises(Wrong, match=says):
        checks.check_orders(names, journaled)


@pytest.mark.parametrize(
    ("code", "told", "says"),
    [
        (1, {"identical": False, "inputs": 5, "first_difference": "this"}, "otherwise: this"),
        (0, {"identical": False, "inputs": 5, "first_difference": "this"}, "otherwise: this"),
    ],
)
def test_a_boot_that_replays_otherwise_is_found_out(
    code: int, told: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def replayed(_: object) -> int:
        print("what the strategy prints", json.dumps(told), sep="\n")
        return code

    monkeypatch.setattr("tools.replay.run", replayed)
    with pytest.raises(Wrong, match=says):
        checks.check_replay(tmp_path, [1])


def test_a_boot_that_has_traded_and_was_not_replayed_is_found_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_boot(tmp_path, 1, "h-1-1")
    exchange: Any = FakeExchange()
    monkeypatch.setattr(checks, "check_replay", lambda _, boots: 0)
    assert checks.check_all(tmp_path, exchange, Journaled(tmp_path), traded=False) == 0
    with pytest.raises(Wrong, match="it traded, and nothing was replayed"):
        checks.check_all(tmp_path, exchange, Journaled(tmp_path), traded=True)


def test_a_boot_that_cannot_be_replayed_is_found_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def damaged(_: object) -> int:
        raise BadParameter("it is damaged")

    monkeypatch.setattr("tools.replay.run", damaged)
    with pytest.raises(Wrong, match="boot 3 does not replay: it is damaged"):
        checks.check_replay(tmp_path, [3])


def write_boot(folder: Path, boot: int, *orders: str) -> None:
    """Write a boot that has sent these orders."""
    header = Header(
        run_id="h-",
        boot=boot,
        config_digest="",
        seeds={},
        venue="binance",
        strategy="loud",
        start_ns=boot,
        key=KeyKind.SIGNS,
    )
    journal = JournalFile(folder, header, segment_bytes=1 << 16)
    for name in orders:
        request = {"method": "order.place", "params": {"newClientOrderId": name}}
        journal.append(Kind.SEND, 1, boot, json.dumps(request, separators=(",", ":")).encode())
    journal.append(Kind.BYTES, 1, boot, b'{"newClientOrderId":"heard, not sent"}')
    journal.flush()


def test_an_order_is_known_by_its_request_and_not_by_its_cancel() -> None:
    for sent, names in (
        (b'"order_qty":0.01000000,"limit_price":1.5,"cl_ord_id":"k-1"', [(b"", b"k-1")]),
        (b'"order_qty":0.01,"cl_ord_id":"k-2","validate":true', [(b"", b"k-2")]),
        (b'{"method":"cancel_order","params":{"cl_ord_id":["k-3"]}}', []),
        (b'"cl_ord_id":"k-4","order_qty":0.01', []),
    ):
        assert application._NEW_ORDER.findall(sent) == names


def test_what_was_journaled_is_read_on_boot_by_boot(tmp_path: Path) -> None:
    journaled = Journaled(tmp_path)
    journaled.read_on()
    assert (journaled.names, journaled.new_boots()) == (set(), [])
    write_boot(tmp_path, 1, "h-1-1", "h-1-2")
    journaled.read_on()
    assert (journaled.names, journaled.new_boots()) == ({"h-1-1", "h-1-2"}, [1])
    write_boot(tmp_path, 2, "h-2-1")
    write_boot(tmp_path, 3)
    journaled.read_on()
    assert journaled.new_boots() == [2, 3]
    assert len(journaled.names) == 3
    journaled.read_on()
    assert journaled.new_boots() == []


# -- the end ---------------------------------------------------------------------------------


def test_each_check_of_the_end_was_seen_to_fail() -> None:
    assert check_end([], ONE) == 1
    with pytest.raises(Wrong, match="left open"):
        check_end(ONE, ONE)
    with pytest.raises(Wrong, match="no order was ever placed"):
        check_end([], [])


def met(name: str, orders: int, replayed: int = 1) -> Round:
    return Round(BY_NAME[name], Struck(orders, "", 0.5), replayed)


def test_strikes_that_meet_nothing_show_nothing() -> None:
    check_met([met("kill", 0), met("kill", 2), met("kill_starting", 0), met("leave", 0)])
    with pytest.raises(Wrong, match="nothing was struck"):
        check_met([])
    with pytest.raises(Wrong, match="no strike met an open order"):
        check_met([met("kill", 0), met("leave", 0), met("kill_starting", 1)])
    with pytest.raises(Wrong, match="none of these strikes met an open order: leave, stop"):
        check_met([met("kill", 1), *[met("stop", 0)] * 3, *[met("leave", 0)] * 3])
    with pytest.raises(Wrong, match="no journal was replayed"):
        check_met([met("kill", 1, replayed=0)])


def test_the_table_counts_each_kind() -> None:
    rows = table([met("kill", 0), met("kill", 2), met("leave", 1)]).splitlines()
    assert [row.split() for row in rows[1:]] == [
        ["kill", "2", "1", "0.50"],
        ["leave", "1", "1", "0.50"],
    ]


def test_a_plan_has_every_kind_and_strikes_no_start_where_nobody_clears_up() -> None:
    for seed in range(20):
        planned = plan(5 * len(KINDS), random.Random(seed))
        assert len(planned) == 5 * len(KINDS)
        assert all(planned.count(kind) == 5 for kind in KINDS)
        pairs = pairwise(planned)
        assert all(before.guarded or after.trades for before, after in pairs)


# -- what is struck --------------------------------------------------------------------------


def test_a_run_that_has_ended_by_itself_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("nonsense")
    run = Run(tmp_path)
    run.process.wait(30)
    with pytest.raises(Wrong, match="ended by itself with 2"):
        run.status()


def test_what_a_run_says_on_its_terminal_is_read_to_the_end(tmp_path: Path) -> None:
    (tmp_path / "stderr").write_text("what another run said\n")
    (tmp_path / "run.toml").write_text("nonsense")
    run = Watched(tmp_path)
    run.process.wait(30)
    assert run.said().startswith("hotloop: ")
    assert run.logged() == ""
    run.kill()


def test_a_word_that_is_not_taken_is_found_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ctl, "ask", lambda *_: b'{"ok": false, "error": "no such key"}')
    run: Any = Run.__new__(Run)
    run.folder = tmp_path
    with pytest.raises(Wrong, match="set prints 1: no such key"):
        run.tell("set", "prints", "1")


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """Somebody who answers with what he hears."""
    code = (
        "import socketserver as s\n"
        "class H(s.BaseRequestHandler):\n"
        "    def handle(self):\n"
        "        while d := self.request.recv(99): self.request.sendall(d)\n"
        "with s.ThreadingTCPServer(('127.0.0.1', 0), H) as t:\n"
        "    print(t.server_address[1], flush=True); t.daemon_threads = True; t.serve_forever()\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield "127.0.0.1", int(process.stdout.readline())
        process.kill()


def test_a_relay_that_is_cut_breaks_and_refuses_until_it_joins_again(
    echo: tuple[str, int],
) -> None:
    relay = Relay(echo)
    place = ("127.0.0.1", relay.port)
    with socket.create_connection(place, 10) as client:
        client.sendall(b"one")
        assert client.recv(99) == b"one"
        relay.cut()
        assert client.recv(99) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(place, 10)
    relay.join()
    with socket.create_connection(place, 10) as client:
        client.sendall(b"two")
        assert client.recv(99) == b"two"
    relay.cut()


async def test_a_guardian_is_found_whichever_thread_has_started_it() -> None:
    """The trading process starts it from a thread, whose children the main thread does not list."""
    script = "import sys; sys.stdin.read()"
    command = [sys.executable, "-c", script, "tools.guardian"]
    run: Any = Run.__new__(Run)
    run.process = SimpleNamespace(pid=os.getpid())
    process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE)
    try:
        with trio.fail_after(10):
            while process.pid not in run.guardians():  # noqa: ASYNC110 - it has to exec
                await trio.sleep(0.01)
    finally:
        process.kill()
        await process.wait()
    assert run.guardians() == []
