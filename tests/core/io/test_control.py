"""The control socket: who may speak, how much, how often, and what the verbs become."""

from __future__ import annotations

import json
import socket
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trio

from core.io import control
from core.io.control import (
    CLIENT_S,
    LOOK_S,
    MAX_CLIENTS,
    MAX_REQUEST_BYTES,
    REQUESTS_PER_S,
    SOCKET,
    Control,
    allowed,
)
from core.model.errors import BadConfig


class Application:
    """A house whose loop makes its passes at once, or never while ``hung``."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.stopped: list[str] = []
        self.lines: list[str] = []
        self.hung = False
        self.filler = ""
        self.in_pass = False

    def post(self, call: Callable[[], None]) -> None:
        if not self.hung:
            self.in_pass = True
            call()
            self.in_pass = False

    def control(self, text: str) -> str:
        assert self.in_pass
        self.said.append(text)
        return f"heard {text}"

    def status(self) -> dict[str, Any]:
        assert self.in_pass
        return {"state": "trading", "halted": "", "open_orders": [], "filler": self.filler}

    def stop(self, why: str) -> None:
        self.stopped.append(why)

    def log(self, text: str) -> None:
        self.lines.append(text)


def check(key: str, value: str) -> None:
    if key != "size":
        raise BadConfig(f"no such key: {key}")
    float(value)


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Application]:
    application = Application()
    async with trio.open_nursery() as nursery:
        await nursery.start(
            Control(folder, application, check=check, about=lambda: {"pid": 7}).serve
        )
        yield application
        nursery.cancel_scope.cancel()


async def connected(folder: Path) -> trio.SocketStream:
    client = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with control.path_to(folder) as path:
        await client.connect(path)
    return trio.SocketStream(client)


async def said(folder: Path, data: bytes) -> dict[str, Any]:
    """Return the reply to what is sent, ``{}`` where the connection is closed without one."""
    async with await connected(folder) as client:
        received = bytearray()
        # A server that closes before it has taken all resets the connection.
        with trio.fail_after(5), suppress(trio.BrokenResourceError):
            await client.send_all(data)
        with trio.fail_after(5), suppress(trio.BrokenResourceError):
            async for piece in client:
                received += piece
    reply: dict[str, Any] = json.loads(received) if received else {}
    return reply


async def ask(folder: Path, verb: str, *arguments: str) -> dict[str, Any]:
    request = json.dumps({"verb": verb, "arguments": arguments})
    return await said(folder, request.encode() + b"\n")


async def test_status_is_the_applications_own_words(tmp_path: Path) -> None:
    async with serving(tmp_path):
        reply = await ask(tmp_path, "status")
    words = {"state": "trading", "halted": "", "open_orders": [], "filler": ""}
    assert reply == {"ok": True, **words, "pid": 7}


@pytest.mark.parametrize(
    ("verb", "arguments", "text"),
    [
        ("halt", (), "halt"),
        ("halt", ("news at nine",), "halt news at nine"),
        ("resume", (), "resume"),
        ("cancel-all", (), "cancel-all"),
        ("flatten", (), "flatten"),
        ("set", ("size", "0.5"), "set size 0.5"),
    ],
)
async def test_a_verb_becomes_an_input_of_the_engine(
    tmp_path: Path, verb: str, arguments: tuple[str, ...], text: str
) -> None:
    async with serving(tmp_path) as application:
        reply = await ask(tmp_path, verb, *arguments)
    assert application.said == [text]
    assert reply == {"ok": True, "verb": verb, "said": f"heard {text}", "state": "trading"}


async def test_stop_has_the_run_left(tmp_path: Path) -> None:
    async with serving(tmp_path) as application:
        reply = await ask(tmp_path, "stop")
    assert reply["ok"]
    assert reply["state"] == "leaving"
    assert "no order is open" in reply["said"]
    assert application.stopped == ["stopped by the operator"]
    assert application.said == []


@pytest.mark.parametrize(("key", "value"), [("sise", "1"), ("size", "much")])
async def test_a_value_that_may_not_be_never_becomes_an_input(
    tmp_path: Path, key: str, value: str
) -> None:
    async with serving(tmp_path) as application:
        reply = await ask(tmp_path, "set", key, value)
    assert not reply["ok"]
    assert key in reply["error"] or value in reply["error"]
    assert application.said == []


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("fail", ()),
        ("leave", ("now",)),
        ("start", ()),
        ("", ()),
        ("status", ("x",)),
        ("halt", ("a", "b")),
        ("set", ("size",)),
        ("set", ("size", "1", "2")),
        ("set", ("size 1", "2")),
        ("set", ("size", "")),
        ("halt", ("one\ntwo",)),
    ],
)
async def test_what_is_no_request_never_reaches_the_engine(
    tmp_path: Path, verb: str, arguments: tuple[str, ...]
) -> None:
    async with serving(tmp_path) as application:
        reply = await ask(tmp_path, verb, *arguments)
    assert not reply["ok"]
    assert reply["error"]
    assert application.said == application.stopped == []


@pytest.mark.parametrize(
    "garbage",
    [
        b"\n",
        b"status\n",
        b'{"verb": 1}\n',
        b'{"verb": "halt", "limit": "more"}\n',
        b'{"verb": "halt", "arguments": [1]}\n',
        b"\xff\xfe\n",
        b"[" * 4000 + b"\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b'{"verb": "halt\\ud800"}\n',
    ],
)
async def test_garbage_is_answered_and_nothing_more(tmp_path: Path, garbage: bytes) -> None:
    async with serving(tmp_path) as application:
        reply = await said(tmp_path, garbage)
        assert not reply["ok"]
        assert (await ask(tmp_path, "status"))["ok"]
    assert application.said == []


async def test_a_request_that_is_too_long_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as application:
        reply = await said(tmp_path, b'{"verb": "' + b"x" * (2 * MAX_REQUEST_BYTES))
        assert str(MAX_REQUEST_BYTES) in reply["error"]
    assert application.said == []


async def test_a_request_without_an_end_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as application, await connected(tmp_path) as client:
        await client.send_all(b'{"verb": "halt"}')
        await client.send_eof()
        assert b"no end" in await client.receive_some()
    assert application.said == []


async def test_a_client_that_says_nothing_is_dropped(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with serving(tmp_path) as application, await connected(tmp_path) as client:
        started = trio.current_time()
        assert await client.receive_some() == b""
        assert trio.current_time() - started == pytest.approx(CLIENT_S)
    assert any("dropped" in line for line in application.lines)


async def test_a_client_that_does_not_read_is_dropped(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with serving(tmp_path) as application, await connected(tmp_path) as client:
        application.filler = "x" * 4_000_000
        await client.send_all(b'{"verb": "status"}\n')
        await trio.sleep(CLIENT_S + 1)
        assert any("dropped" in line for line in application.lines)
        assert (await ask(tmp_path, "halt"))["ok"]


async def test_a_loop_that_hangs_holds_no_client_for_ever(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with serving(tmp_path) as application:
        application.hung = True
        assert await ask(tmp_path, "status") == {}


async def test_silent_clients_keep_the_others_waiting_no_longer_than_their_deadline(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with serving(tmp_path):
        silent = [await connected(tmp_path) for _ in range(MAX_CLIENTS)]
        started = trio.current_time()
        assert (await ask(tmp_path, "halt"))["ok"]
        assert trio.current_time() - started <= CLIENT_S + 0.1
        for client in silent:
            await client.aclose()


async def test_a_flood_of_requests_is_refused_and_leaves_the_other_kind_alone(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with serving(tmp_path):
        replies = [await ask(tmp_path, "status") for _ in range(REQUESTS_PER_S + 1)]
        assert [reply["ok"] for reply in replies] == [True] * REQUESTS_PER_S + [False]
        assert (await ask(tmp_path, "halt"))["ok"]
        await trio.sleep(1.0)
        assert (await ask(tmp_path, "status"))["ok"]


def test_only_our_own_user_and_root_may_speak() -> None:
    assert allowed(1000, 1000)
    assert allowed(0, 1000)
    assert not allowed(1001, 1000)
    assert not allowed(1000, 0)


async def test_another_user_is_turned_away_unheard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "peer_uid", lambda _: 4242)
    async with serving(tmp_path) as application:
        assert await ask(tmp_path, "halt") == {}
    assert application.said == []
    assert any("4242" in line for line in application.lines)


async def test_the_socket_is_for_its_owner_only_and_goes_with_the_run(tmp_path: Path) -> None:
    place = tmp_path / SOCKET
    async with serving(tmp_path):
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert not place.exists()


async def test_a_socket_left_by_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / SOCKET))
    async with serving(tmp_path):
        assert (await ask(tmp_path, "status"))["ok"]


@pytest.mark.parametrize("instead", ["nothing", "another file", "another socket"])
async def test_a_socket_that_is_gone_is_made_again(
    tmp_path: Path, instead: str, autojump_clock: trio.testing.MockClock
) -> None:
    place = tmp_path / SOCKET
    async with serving(tmp_path) as application:
        place.rename(tmp_path / "aside")
        if instead == "another file":
            place.write_text("mine")
        elif instead == "another socket":
            with socket.socket(socket.AF_UNIX) as other:
                other.bind(str(place))
        await trio.sleep(LOOK_S + 0.1)
        assert (await ask(tmp_path, "halt"))["ok"]
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
        assert "control: the socket was gone, and is made again" in application.lines
        for _ in range(MAX_CLIENTS + 1):  # no place among the clients is lost with it
            assert (await ask(tmp_path, "status"))["ok"]
    assert not place.exists()


async def test_where_a_socket_cannot_be_made_again_that_is_said_once_and_tried_on(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    place = tmp_path / SOCKET
    async with serving(tmp_path) as application:
        place.unlink()
        place.mkdir()
        await trio.sleep(10 * LOOK_S)
        assert sum("cannot be made again" in line for line in application.lines) == 1
        place.rmdir()
        await trio.sleep(2 * LOOK_S)
        assert (await ask(tmp_path, "halt"))["ok"]


async def test_a_folder_in_the_place_of_the_socket_is_no_bad_end(tmp_path: Path) -> None:
    async with serving(tmp_path):
        (tmp_path / SOCKET).unlink()
        (tmp_path / SOCKET).mkdir()
    assert (tmp_path / SOCKET).is_dir()


async def test_a_run_folder_may_be_deeper_than_an_address_is_long(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 100) / ("b" * 100)
    folder.mkdir(parents=True)
    async with serving(folder):
        assert (await ask(folder, "status"))["ok"]


async def test_a_place_that_cannot_be_a_socket_is_named(tmp_path: Path) -> None:
    (tmp_path / SOCKET).mkdir()
    with pytest.RaisesGroup(pytest.RaisesExc(BadConfig, match=SOCKET)):
        async with serving(tmp_path):
            pass


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    return tmp_path


async def test_a_folder_that_others_can_enter_is_said(open_folder: Path) -> None:
    async with serving(open_folder) as application:
        pass
    assert any("chmod 700" in line for line in application.lines)
