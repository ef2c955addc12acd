"""A session's token comes over REST and leaves with every private request, and is seen nowhere.

The venue is the built-in one, which wants no token: here its private line is opened by asking for
one, and what the signer puts into a private request is looked at before the exchange's own
signature goes in.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from core.io.journal_file import read
from core.io.rest import RestClient
from core.io.runtime import Ending, Runtime
from core.model.commands import Command, Logon, Riskless, SubscribePrivate
from core.model.errors import Malformed
from core.model.events import Costs, Reply, Verdict
from core.model.venue import Connection, HttpAnswer, HttpRequest, Signed, Signer, WireRequest
from core.state.journal import Answer, Ask, Kind, unpack
from tests.core.io.test_runtime import KEYS, Rests, exchange, runtime_on, standing
from tools.app import Application
from venues.binance import VENUE
from venues.binance.adapter import SpotAdapter

TOKEN = "visibly-fake-token-1234567890"
PATH = "/private/token"

PATIENCE_S = 30
"""For anything: the machine may be busy with other tests."""


class TokenAdapter:
    """An adapter whose private line is opened with a token that REST gives."""

    def __init__(self, adapter: SpotAdapter) -> None:
        self._adapter = adapter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)

    def script(self, connection: int) -> Sequence[Riskless]:
        return (Logon(), SubscribePrivate()) if connection else self._adapter.script(connection)

    def cost(self, command: Command, resting_ns: int = 0) -> Costs:
        return self._adapter.cost(command, resting_ns)

    def encode(self, command: Command, request_id: int, venue_ns: int) -> WireRequest | HttpRequest:
        if isinstance(command, Logon):
            return HttpRequest("POST", PATH, body=b"what=token", signed=True, conceals=("token",))
        return self._adapter.encode(command, request_id, venue_ns)

    def answer(
        self,
        command: Command,
        request_id: int,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Reply:
        if not isinstance(command, Logon):
            return self._adapter.answer(command, request_id, status, headers, body)
        if b'"expires":900' not in body:
            raise Malformed(f"no token: {body!r}")
        return Reply(request_id=request_id, verdict=Verdict.DONE)


class TokenSigner:
    """Keeps the token of an answer, and puts it into every request that has a place for it."""

    in_order = True

    def __init__(self) -> None:
        self._signer: Signer = VENUE.signer(KEYS)
        self.token = ""
        self.left: list[bytes] = []
        """Private requests as they would leave where the venue wanted the token in them."""

    def wire(self, request: WireRequest) -> bytes:
        if request.signing:
            assert self.token, "no private request leaves before there is a token"
            cut = request.cut
            self.left.append(request.body[:cut] + self.token.encode() + request.body[cut:])
        return self._signer.wire(request)

    def rest(self, request: HttpRequest, now_ns: int) -> Signed:
        if request.path != PATH:
            return self._signer.rest(request, now_ns)
        return Signed(PATH, {"key": "fake-key"}, b"nonce=%d&%b" % (now_ns, request.body))

    def take(self, request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        return answer

    def keep(self, field: str, value: bytes) -> None:
        assert field == "token"
        self.token = value.decode()


def answers(monkeypatch: pytest.MonkeyPatch, body: bytes) -> list[Signed]:
    """Have the host answer the question for a token, too; return how it was asked."""
    asked: list[Signed] = []
    ask = RestClient.ask

    async def with_token(
        self: RestClient, request: Signed | str, method: str = "GET", timeout_s: float = 10
    ) -> HttpAnswer:
        if not isinstance(request, Signed) or request.target != PATH:
            return await ask(self, request, method, timeout_s)
        await trio.lowlevel.checkpoint()
        asked.append(request)
        return HttpAnswer(200, {}, body)

    monkeypatch.setattr(RestClient, "ask", with_token)
    return asked


def with_token(application: Application) -> Application:
    assert isinstance(application.adapter, SpotAdapter)
    return msgspec.structs.replace(application, adapter=TokenAdapter(application.adapter))


def seen_in(folder: Path) -> list[str]:
    """Return the files of a run folder that hold the token."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) >= 3  # journal, log, hop log
    return [path.name for path in files if TOKEN.encode() in path.read_bytes()]


async def test_a_token_is_in_what_leaves_and_nowhere_in_the_run_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = answers(monkeypatch, b'{"token":"%b","expires":900}' % TOKEN.encode())
    signer = TokenSigner()
    async with exchange() as running:
        runtime = runtime_on(
            running, tmp_path, "Rests", spin=False, wired=with_token, signer=signer
        )
        ending = await _until_it_stands(runtime)
    assert isinstance(runtime.engine.strategy, Rests)
    assert ending.left
    assert asked[0].body.startswith(b"nonce=1")
    assert signer.token == TOKEN
    assert len(signer.left) >= 3, "the subscription, an order and its cancel"
    assert all(TOKEN.encode() in body for body in signer.left)
    records = list(read(tmp_path))
    asks = [unpack(r.payload, Ask) for r in records if r.kind == Kind.ASK]
    assert [ask.body for ask in asks if ask.path == PATH] == [b"what=token"] * len(asked)
    told = [unpack(r.payload, Answer) for r in records if r.kind == Kind.ANSWER]
    assert [a.body for a in told if b"900" in a.body and b"token" in a.body] == [
        b'{"token":"%b","expires":900}' % (b"*" * len(TOKEN))
    ] * len(asked)
    assert seen_in(tmp_path) == []
    assert TOKEN not in "".join(capfd.readouterr()) + repr(ending) + repr(asked)


async def test_a_token_in_an_answer_that_cannot_be_read_is_nowhere_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, b"<html>token=%b</html>" % TOKEN.encode())
    async with exchange() as running:
        runtime = runtime_on(
            running, tmp_path, "Rests", spin=False, wired=with_token, signer=TokenSigner()
        )
        ending = await _until(runtime, partial(_says, tmp_path, "Logon was not answered"))
    assert "could not be read" in (tmp_path / "run.log").read_text()
    assert seen_in(tmp_path) == []
    assert TOKEN not in repr(ending)


class MaskedAdapter(TokenAdapter):
    """An adapter of a venue that tells a secret on its connections, in a field of this one's."""

    @property
    def connections(self) -> Sequence[Connection]:
        return [
            msgspec.structs.replace(connection, conceals=("V",))
            for connection in self._adapter.connections
        ]

    def script(self, connection: int) -> Sequence[Riskless]:
        return self._adapter.script(connection)


class Keeping(TokenSigner):
    def __init__(self) -> None:
        super().__init__()
        self.kept: list[bytes] = []

    def wire(self, request: WireRequest) -> bytes:
        return self._signer.wire(request)

    def keep(self, field: str, value: bytes) -> None:
        assert field == "V"
        self.kept.append(value)


async def test_what_a_connection_tells_in_a_declared_field_is_masked_before_it_is_recorded(
    tmp_path: Path,
) -> None:
    signer = Keeping()

    def masked(application: Application) -> Application:
        assert isinstance(application.adapter, SpotAdapter)
        return msgspec.structs.replace(application, adapter=MaskedAdapter(application.adapter))

    async with exchange() as running:
        runtime = runtime_on(running, tmp_path, "Rests", spin=False, wired=masked, signer=signer)
        ending = await _until_it_stands(runtime)
    assert ending.left
    told = b"".join(r.payload for r in read(tmp_path) if r.kind == Kind.BYTES)
    values = re.findall(rb'"V":"([^"]*)"', told)
    assert values
    assert {bytes(value.strip(b"*")) for value in values} == {b""}
    assert len(signer.kept) == len(values)


async def _says(folder: Path, words: str) -> None:
    log = folder / "run.log"
    while True:
        if log.exists() and words in log.read_text():
            return
        await trio.sleep(0.02)


async def _until_it_stands(runtime: Runtime) -> Ending:
    return await _until(runtime, partial(standing, runtime))


async def _until(runtime: Runtime, seen: Callable[[], Awaitable[None]]) -> Ending:
    async with trio.open_nursery() as nursery:

        async def stop() -> None:
            with trio.fail_after(PATIENCE_S):
                await seen()
            runtime.stop("it was seen")

        nursery.start_soon(stop)
        return await runtime.run(None, signals=False)
    raise AssertionError
