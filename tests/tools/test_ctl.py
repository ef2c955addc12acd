"""hotloop ctl: what it sends, what it shows, and what it says where nobody listens."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import trio

from core.io.control import SOCKET, Control
from core.io.run_folder import RunFolder
from core.model.errors import BadConfig, BadParameter, ConnectionLost
from tools import cli, ctl

STATUS: dict[str, Any] = {
    "state": "trading",
    "halted": "",
    "halts": [],
    "flatten": None,
    "fatal": "",
    "time_ns": 1,
    "venue": "binance",
    "strategy": "maker",
    "lines": {"market": "ready", "trade": "ready"},
    "clock_offset_ns": -1_500_000,
    "books": [
        {
            "symbol": "BTCUSDT",
            "state": "live",
            "why": "",
            "age_ms": 3,
            "halted": "",
            "venue_status": "TRADING",
            "trading": "trading",
            "why_not": "",
            "bid": "65000.01",
            "ask": None,
        },
        {
            "symbol": "ETHUSDT",
            "state": "stale",
            "why": "a gap",
            "age_ms": 9000,
            "halted": "",
            "venue_status": "BREAK",
            "trading": "break",
            "why_not": "the venue has it in BREAK",
        },
    ],
    "open_orders": [
        {
            "symbol": "BTCUSDT",
            "client_order_id": "habcdef-1-7",
            "state": "unknown",
            "side": "BUY",
            "price": "64999.00",
            "size": "0.01",
            "filled": "0.00",
        }
    ],
    "unknown_orders": 1,
    "orders_of_others": 4,
    "orders_sent": 7,
    "fills": 2,
    "positions": [
        {"symbol": "BTCUSDT", "position": "-0.02", "profit": "1.5", "quote": "USDT"},
        {"symbol": "ETHUSDT", "position": "0", "profit": None, "quote": "USDT"},
    ],
    "day": {
        "not_valued": "",
        "symbols": [
            {
                "symbol": "BTCUSDT",
                "quote": "USDT",
                "result": "-12.5",
                "elsewhere": "-2",
                "base": "1000",
                "max_loss": "20",
                "used": "63 %",
                "fees": {"BNB": {"paid": "0.01", "worth": "6", "price_from": "BNBUSDT"}},
            },
        ],
        "totals": [
            {
                "quote": "USDT",
                "result": "-12.5",
                "max_loss": "40",
                "used": "32 %",
                "notional": "900",
                "max_notional": "5000",
            }
        ],
    },
    "messages": 1000,
    "errors": 0,
    "slow_turns": 3,
    "slowest_turn_ns": 51_000_000,
    "refusals": {"-2010 no": 3},
    "own_refusals": [
        {"symbol": "BTCUSDT", "reason": "position", "count": 1778, "text": "0.1 BTC could become"}
    ],
    "hops": {"decode": {"count": 9, "p50_ns": 1500, "p99_ns": 2_500_000}},
    "journal": {"segment": 2, "offset": 4096},
}


class Application:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.state = dict(STATUS)
        self.answer = "two orders are on their way"
        self.flattening: list[Any] = [None]

    def post(self, call: Callable[[], None]) -> None:
        call()

    def control(self, text: str) -> str:
        self.said.append(text)
        if text.startswith("halt"):
            self.state |= {"state": "halted", "halted": "halted by the operator"}
        if text == "flatten":
            self.state["flatten"] = self.flattening.pop(0)
        return self.answer

    def status(self) -> dict[str, Any]:
        if self.state["flatten"] and self.flattening:
            self.state["flatten"] = self.flattening.pop(0)
        return self.state

    def stop(self, why: str) -> None:
        self.said.append(why)

    def log(self, text: str) -> None: ...


def check(key: str, value: str) -> None:
    raise BadConfig(f"strategy.parameters.{key} = {value}: too much")


def about() -> dict[str, Any]:
    return {"pid": 4711, "boot": 3, "run_folder": "runs/first", "guardian": "watching"}


@asynccontextmanager
async def an_application_in(folder: Path) -> AsyncIterator[Application]:
    application = Application()
    async with trio.open_nursery() as nursery:
        await nursery.start(Control(folder, application, check=check, about=about).serve)
        yield application
        nursery.cancel_scope.cancel()


async def hotloop(*arguments: str | Path) -> int:
    """Run ``hotloop ctl`` as a person does, beside the house."""
    return await trio.to_thread.run_sync(partial(cli.main, ["ctl", *map(str, arguments)]))


async def test_json_is_the_reply_as_it_came(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with an_application_in(tmp_path):
        assert await hotloop(tmp_path, "status", "--json") == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {"ok": True, **STATUS, **about()}


async def test_a_person_sees_all_of_the_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with an_application_in(tmp_path):
        assert await hotloop(tmp_path, "status") == 0
    out = capsys.readouterr().out
    for text in (
        *("trading", "maker on binance", "4711, boot 3, in runs/first", "watching"),
        *("market ready, trade ready", "segment 2, byte 4096", "venue -1.500 ms"),
        "1 open (1 unknown), 7 sent, 2 fills, 4 of others",
        "3 by the venue, 1778 by our own limits",
        "-12.5 USDT",
        "63 %",
        "0.01 BNB (6 USDT)",
        "all in USDT",
        "5000 USDT",
        *("position: 0.1 BTC could become", "-2010 no", "the venue has it in BREAK"),
        "3 over 20 ms, the longest 51 ms",
        *("65000.01", "-0.02", "1.5 USDT", "stale", "9000 ms", "break"),
        *("habcdef-1-7", "64999.00", "unknown", "1.50 us", "2.50 ms"),
    ):
        assert text in out


async def test_of_a_halted_run_the_reason_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with an_application_in(tmp_path) as application:
        assert await hotloop(tmp_path, "halt", "news", "at", "nine") == 0
        assert await hotloop(tmp_path, "status") == 0
    assert application.said == ["halt news at nine"]
    out = capsys.readouterr().out
    assert out.startswith("halt: two orders are on their way\nthe run is halted (halted by")
    assert "halted: halted by the operator" in out


@pytest.mark.parametrize("verb", ["resume", "cancel-all"])
async def test_a_verb_is_handed_over(
    tmp_path: Path, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with an_application_in(tmp_path) as application:
        assert await hotloop(tmp_path, verb) == 0
    assert application.said == [verb]
    assert capsys.readouterr().out == f"{verb}: two orders are on their way\nthe run is trading\n"


@pytest.mark.parametrize(
    ("words", "heard"),
    [
        ((), "halt"),
        (("",), "halt"),
        ((" ", "\n"), "halt"),
        (("two\nlines \x1b[2J", "\udcff"), "halt two lines \\x1b[2J \\udcff"),
        (("x" * 5_000,), f"halt {'x' * 500}"),
    ],
)
async def test_no_reason_keeps_a_run_from_being_halted(
    tmp_path: Path, words: tuple[str, ...], heard: str
) -> None:
    async with an_application_in(tmp_path) as application:
        assert await hotloop(tmp_path, "halt", *words) == 0
    assert application.said == [heard]


def _far(verdict: str, *symbols: str) -> dict[str, Any]:
    flat = verdict.startswith("flat")
    return {"under_way": not verdict, "verdict": verdict, "flat": flat, "symbols": list(symbols)}


@pytest.mark.parametrize(("verdict", "code"), [("flat; dust", 0), ("not flat: no bids", 1)])
async def test_flatten_is_shown_until_it_has_ended(
    tmp_path: Path,
    verdict: str,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(ctl, "LOOK_S", 0.01)
    async with an_application_in(tmp_path) as application:
        far = [_far("", "BTCUSDT trading: 0.5 BTC left"), _far("", "BTCUSDT trading: 0.1 BTC left")]
        application.flattening = [far[0], far[0], far[0], far[1], _far(verdict)]
        assert await hotloop(tmp_path, "flatten") == code
    out = capsys.readouterr().out
    assert out.count("0.5 BTC left") == out.count("0.1 BTC left") == 1
    assert out.endswith(f"flatten: {verdict}\n")


async def test_a_flattening_that_takes_long_goes_on_unwatched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ctl, "LOOK_S", 0.01)
    monkeypatch.setattr(ctl, "FOLLOW_S", 0.05)
    async with an_application_in(tmp_path) as application:
        application.flattening = [_far("", "BTCUSDT waiting: its book is stale")]
        assert await hotloop(tmp_path, "flatten") == 1
    assert "it goes on" in capsys.readouterr().out


async def test_a_flattening_that_was_not_begun_is_none_that_is_done(tmp_path: Path) -> None:
    async with an_application_in(tmp_path) as application:
        application.answer = "nothing can be traded: this run has no keys"
        assert await hotloop(tmp_path, "flatten") == 1


def test_a_run_that_ends_before_it_is_flat_is_not_flat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ctl, "ask", Mock(side_effect=BadParameter("no process runs there")))
    assert ctl.follow(tmp_path) == 1
    assert "the run has ended first" in capsys.readouterr().out


def test_a_status_that_is_refused_for_now_does_not_end_the_showing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctl, "LOOK_S", 0.0)
    busy = b'{"ok": false, "error": "too many requests"}'
    flat = json.dumps({"ok": True, **STATUS, "flatten": _far("flat")}).encode()
    monkeypatch.setattr(ctl, "ask", Mock(side_effect=[busy, busy, flat]))
    assert ctl.follow(tmp_path) == 0


async def test_stop_says_that_the_run_is_being_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with an_application_in(tmp_path):
        assert await hotloop(tmp_path, "stop") == 0
    out = capsys.readouterr().out
    assert out.startswith("stop: the run is being left: 1 order of ours being cancelled")
    assert out.endswith("the run is leaving\n")


async def test_a_deleted_socket_of_a_run_is_made_again_and_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with RunFolder(tmp_path):
        async with an_application_in(tmp_path):
            (tmp_path / SOCKET).unlink()
            assert await hotloop(tmp_path, "halt") == 0
    assert capsys.readouterr().err == ""


def test_a_run_without_a_socket_is_told_from_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ctl, "SOCKET_S", 0.03)
    with RunFolder(tmp_path):
        assert cli.main(["ctl", str(tmp_path), "status"]) == 3
    said = capsys.readouterr().err
    assert f"process {os.getpid()} runs there" in said
    assert "no process" not in said
    assert cli.main(["ctl", str(tmp_path), "status"]) == 2
    assert "no process runs there" in capsys.readouterr().err


async def test_a_refusal_is_a_line_on_stderr_and_its_own_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with an_application_in(tmp_path) as application:
        assert await hotloop(tmp_path, "set", "size", "-5") == 2
        assert await hotloop(tmp_path, "set", "size", "-5", "--json") == 2
    assert application.said == []
    shown = capsys.readouterr()
    assert shown.err == "hotloop: set: strategy.parameters.size = -5: too much\n"
    assert not json.loads(shown.out)["ok"]


def test_where_nothing_runs_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ctl", str(tmp_path / "none"), "status"]) == 2
    assert cli.main(["ctl", str(tmp_path), "halt"]) == 2
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / SOCKET))
    assert cli.main(["ctl", str(tmp_path), "halt"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all("no process runs there" in line for line in lines)


@pytest.mark.parametrize("reply", [b"", b'{"ok": tr', b"what?\n"])
async def test_half_an_answer_is_none(tmp_path: Path, reply: bytes) -> None:
    with trio.socket.socket(socket.AF_UNIX) as listener:
        await listener.bind(str(tmp_path / SOCKET))
        listener.listen(1)

        async def answer() -> None:
            client, _ = await listener.accept()
            with client:
                await client.recv(4096)
                await client.send(reply)

        args = cli._parser("ctl", ctl)[0].parse_args(["ctl", str(tmp_path), "status"])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            with pytest.raises(ConnectionLost):
                await trio.to_thread.run_sync(ctl.run, args)


async def test_a_process_that_hangs_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ctl, "PATIENCE_S", 0.05)
    with trio.socket.socket(socket.AF_UNIX) as listener:
        await listener.bind(str(tmp_path / SOCKET))
        listener.listen(1)
        assert await hotloop(tmp_path, "status") == 3
    assert "did not answer" in capsys.readouterr().err


def test_an_unknown_verb_never_leaves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["ctl", str(tmp_path), "raise-limit"])
    assert end.value.code == 2
    assert "raise-limit" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("halt", "-x"),
        ("halt", "--now", "why"),
        ("flatten", "--jsn"),
        ("stop", "-f"),
        ("flatten", "BTCUSDT"),
        ("resume", "ETHUSDT"),
        ("cancel-all", "1", "2"),
        ("status", "-1"),
        ("set", "size"),
        ("set", "size", "1", "2"),
    ],
)
async def test_unknown_flags_and_words_too_many_are_refused_with_the_usage_and_nothing_is_done(
    tmp_path: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    async with an_application_in(tmp_path) as application:
        try:
            code = await hotloop(tmp_path, *words)
        except SystemExit as end:
            code = int(end.code or 0)
    said = capsys.readouterr().err
    assert code == 2
    assert "hotloop ctl" in said
    assert "RUNDIR" in said
    assert application.said == []


@pytest.mark.parametrize(
    "answer", [b"1", b"[]", b"{}", b"null", b'{"ok": true}', b'{"ok": 1}', b"[" * 9000, b"\xff"]
)
@pytest.mark.parametrize("verb", ["status", "halt", "flatten"])
def test_what_no_run_answers_is_told_in_a_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verb: str,
    answer: bytes,
) -> None:
    monkeypatch.setattr(ctl, "ask", Mock(return_value=answer + b"\n"))
    assert cli.main(["ctl", str(tmp_path), verb]) == 3
    shown = capsys.readouterr()
    assert "no run of this hotloop" in shown.err
    assert shown.out == ""


@pytest.mark.parametrize("part", ctl._NEEDED)
def test_a_status_of_another_hotloop_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], part: str
) -> None:
    other = {name: value for name, value in STATUS.items() if name != part}
    answer = json.dumps({"ok": True, **other}).encode()
    monkeypatch.setattr(ctl, "ask", Mock(return_value=answer))
    assert cli.main(["ctl", str(tmp_path), "status"]) == 3
    assert f"no {part}" in capsys.readouterr().err
    assert cli.main(["ctl", str(tmp_path), "status", "--json"]) == 0


@pytest.mark.parametrize(("verdict", "code"), [("flat", 0), ("not flat: the book is empty", 1)])
async def test_a_flattening_that_is_read_as_json_is_done_when_it_is_flat(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verdict: str,
    code: int,
) -> None:
    monkeypatch.setattr(ctl, "LOOK_S", 0.01)
    async with an_application_in(tmp_path) as application:
        application.flattening = [_far("", "BTCUSDT trading: 0.5 BTC left"), _far(verdict)]
        assert await hotloop(tmp_path, "flatten", "--json") == code
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["verb"] == "flatten"
