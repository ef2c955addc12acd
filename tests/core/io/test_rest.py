"""Every request has an answer, whatever the network does to it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import httpx
import pytest
import trio
import trustme
from trio.testing import MockClock

from core.io import rest
from core.io.loop import HotLoop
from core.io.rest import RestClient, RestDesk
from core.model.errors import Untrusted
from core.model.venue import HttpAnswer, HttpRequest, Signed, WireRequest
from tests.core.io.peers import AUTHORITY, served, trusted
from tests.core.io.steps import TrioClock, make_loop

Handler = Callable[[trio.abc.Stream], Awaitable[None]]


class Server:
    """An HTTP server that says what a test wants it to say."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self.requests: list[bytes] = []

    async def start(self, handler: Handler, context: ssl.SSLContext | None = None) -> str:
        """Serve on loopback, and return where."""
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listener.socket.getsockname()[1]

        async def connection(stream: trio.SocketStream) -> None:
            try:
                await handler(
                    trio.SSLStream(stream, context, server_side=True) if context else stream
                )
            except trio.BrokenResourceError:
                return  # the client hung up, as some tests want

        self._nursery.start_soon(trio.serve_listeners, connection, [listener])
        return f"{'https' if context else 'http'}://127.0.0.1:{port}"

    def says(self, *pieces: bytes) -> Handler:
        """Answer every request on a connection with these bytes."""

        async def handler(stream: trio.abc.Stream) -> None:
            while request := await stream.receive_some(65_536):
                self.requests.append(bytes(request))
                for piece in pieces:
                    await stream.send_all(piece)

        return handler

    def cuts_after(self, data: bytes) -> Handler:
        async def handler(stream: trio.abc.Stream) -> None:
            self.requests.append(bytes(await stream.receive_some(65_536)))
            await stream.send_all(data)

        return handler


class Slow:
    """Takes requests with a body, answers each after a while, and knows how many it had at once."""

    def __init__(self, answer_s: float) -> None:
        self.answer_s = answer_s
        self.under_way = self.most = 0
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []

    async def __call__(self, stream: trio.abc.Stream) -> None:
        while request := await stream.receive_some(65_536):
            head, _, body = bytes(request).partition(b"\r\n\r\n")
            if not body:  # it comes by itself
                body = bytes(await stream.receive_some(65_536))
            self.heads.append(head)
            self.bodies.append(body)
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            try:
                await trio.sleep(self.answer_s)
            finally:
                self.under_way -= 1
            await stream.send_all(reply(b"done"))


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with trio.open_nursery() as nursery:
        yield Server(nursery)
        nursery.cancel_scope.cancel()


def reply(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def ask(url: str, request: Signed | str = "/time", method: str = "GET") -> HttpAnswer:
    async with RestClient(url, trusted()) as client:
        return await client.ask(request, method)


# -- asking ----------------------------------------------------------------------------------


async def test_an_answer_has_status_headers_in_lower_case_and_body(server: Server) -> None:
    url = await server.start(server.says(reply(b'{"t":1}', b"X-MBX-Used-Weight-1M: 7")))
    answer = await ask(url)
    assert (answer.status, answer.body) == (200, b'{"t":1}')
    assert answer.headers["x-mbx-used-weight-1m"] == "7"


async def test_an_error_status_is_an_answer(server: Server) -> None:
    url = await server.start(server.says(reply(b"<html>", status=b"403 Forbidden")))
    assert (await ask(url))[0::2] == (403, b"<html>")


@pytest.mark.parametrize("status", [b"200 OK", b"302 Found"])
async def test_a_page_in_the_venues_place_is_no_answer(server: Server, status: bytes) -> None:
    page = b"<html><title>Log in to the network</title></html>"
    url = await server.start(server.says(reply(page, status=status)))
    found = await ask(url)
    assert (found.status, found.headers) == (0, {})
    assert b'a web page "Log in to the network" comes in the venue\'s place' in found.body


async def test_a_signed_target_is_sent_byte_for_byte(server: Server) -> None:
    target = '/api/v3/order?symbols=["BTCUSDT"]&price=1.50&x=%22a%22+b~&signature=0f'
    url = await server.start(server.says(reply(b"")))
    await ask(url, Signed(target, {"X-MBX-APIKEY": "fake-key"}), method="DELETE")
    head = server.requests[0]
    assert head.startswith(b"DELETE " + target.encode() + b" HTTP/1.1\r\n")
    assert b"\r\nX-MBX-APIKEY: fake-key\r\n" in head


async def test_a_body_is_sent_with_its_length_and_its_type(server: Server) -> None:
    takes = Slow(0)
    url = await server.start(takes)
    headers = {"content-type": "application/x-www-form-urlencoded"}
    await ask(url, Signed("/0/private/AddOrder", headers, b"nonce=1&pair=a%2Fb"), method="POST")
    [head], [body] = takes.heads, takes.bodies
    assert body == b"nonce=1&pair=a%2Fb"
    assert b"\r\ncontent-length: 18" in head.lower()
    assert head.lower().count(b"\r\ncontent-type: application/x-www-form-urlencoded") == 1
    assert b"transfer-encoding" not in head.lower()


async def test_without_a_body_nothing_is_said_of_one(server: Server) -> None:
    url = await server.start(server.says(reply(b"")))
    await ask(url)
    assert b"content-" not in server.requests[0].lower()


def test_what_leaves_is_not_shown() -> None:
    assert repr(Signed("/x?key=fake-key", {"key": "fake-key"}, b"fake-key")) == "Signed(...)"


async def test_the_environment_takes_no_part(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    url = await server.start(server.says(reply(b"here")))
    assert (await ask(url)).body == b"here"


async def test_a_redirect_is_not_followed(server: Server) -> None:
    moved = reply(b"", b"Location: http://127.0.0.1:1/", status=b"302 Found")
    url = await server.start(server.says(moved))
    assert (await ask(url)).status == 302


# -- no answer -------------------------------------------------------------------------------


async def test_nobody_there_is_status_zero() -> None:
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    answer = await ask(f"http://127.0.0.1:{port}")
    assert answer.status == 0
    assert answer.body


@pytest.mark.parametrize(
    "data",
    [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"],
    ids=["nothing", "no HTTP", "half a body"],
)
async def test_a_broken_answer_is_status_zero(server: Server, data: bytes) -> None:
    answer = await ask(await server.start(server.cuts_after(data)))
    assert answer.status == 0
    assert answer.body


async def test_silence_is_status_zero_after_the_deadline(
    autojump_clock: MockClock, server: Server
) -> None:
    began_s = trio.current_time()
    answer = await ask(await server.start(server.says()))
    assert answer == (0, {}, b"no answer within 10 s")
    assert trio.current_time() - began_s == pytest.approx(rest.ANSWER_S)


async def test_a_trickle_does_not_outlast_the_deadline(
    autojump_clock: MockClock, server: Server
) -> None:
    async def trickle(stream: trio.abc.Stream) -> None:
        await stream.receive_some(65_536)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            await stream.send_all(b".")
            await trio.sleep(1)

    assert (await ask(await server.start(trickle))).body == b"no answer within 10 s"


async def test_a_body_beyond_its_bound_is_status_zero(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest, "MAX_BODY_BYTES", 1_000)
    assert (await ask(await server.start(server.says(reply(bytes(1_000)))))).status == 200
    answer = await ask(await server.start(server.says(reply(bytes(1_001)))))
    assert answer == (0, {}, b"the answer has more than 1000 bytes")


async def test_a_compressed_body_is_refused(server: Server) -> None:
    url = await server.start(server.says(reply(b"\x1f\x8b", b"Content-Encoding: gzip")))
    answer = await ask(url)
    assert answer == (0, {}, b"the answer is compressed, which was not asked for")


# -- trust -----------------------------------------------------------------------------------


async def test_a_trusted_host_answers_over_tls(server: Server) -> None:
    context = served(AUTHORITY.issue_cert("127.0.0.1"))
    url = await server.start(server.says(reply(b"proved")), context)
    assert (await ask(url)).body == b"proved"


@pytest.mark.parametrize(
    "cert",
    [AUTHORITY.issue_cert("other.test"), trustme.CA().issue_cert("127.0.0.1")],
    ids=["another host", "unknown authority"],
)
async def test_a_host_that_does_not_prove_itself_is_untrusted(
    server: Server, cert: trustme.LeafCert
) -> None:
    url = await server.start(server.says(reply(b"forged")), served(cert))
    with pytest.raises(Untrusted, match="does not prove who answers"):
        await ask(url)
    assert server.requests == []


async def test_a_connection_that_is_given_up_within_its_tls_handshake_is_closed(
    autojump_clock: MockClock, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialled: list[trio.SocketStream] = []
    dial = trio.open_tcp_stream

    async def noted(host: str, port: int, **how: Any) -> trio.SocketStream:
        dialled.append(await dial(host, port, **how))
        return dialled[-1]

    async def shakes_no_hand(stream: trio.abc.Stream) -> None:
        while await stream.receive_some(65_536):
            pass

    monkeypatch.setattr(trio, "open_tcp_stream", noted)
    url = (await server.start(shakes_no_hand)).replace("http:", "https:")
    async with RestClient(url, trusted()) as client:
        answer = await client.ask("/time", timeout_s=rest.CONNECT_S / 2)
        assert answer == (0, {}, b"no answer within 2 s")
        assert [stream.socket.fileno() for stream in dialled] == [-1]


# -- the desk --------------------------------------------------------------------------------


class FakeSigner:
    """Signs with a number that rises, and keeps the token of an answer that has one."""

    def __init__(self, *, in_order: bool = False) -> None:
        self.in_order = in_order
        self.signed_ns: list[int] = []
        self.tokens: list[bytes] = []

    def wire(self, request: WireRequest) -> bytes:
        return request.body

    def rest(self, request: HttpRequest, now_ns: int) -> Signed:
        self.signed_ns.append(now_ns)
        body = b"nonce=%d&%b" % (len(self.signed_ns), request.body)
        return Signed(f"{request.target}&signature=fake", {"X-Key": "fake-key"}, body)

    def take(self, request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        if b"token=" not in answer.body:
            return answer
        self.tokens.append(answer.body.partition(b"token=")[2])
        return answer._replace(body=b"token=")

    def keep(self, field: str, value: bytes) -> None:
        self.tokens.append(value)


class Requested:
    """A desk, and the answers it brought."""

    def __init__(self, loop: HotLoop, url: str, signer: FakeSigner | None = None) -> None:
        self.answers: list[tuple[int, int, bytes]] = []
        self.changed = trio.Event()
        self.untrusted: list[str] = []
        self.desk = RestDesk(
            url,
            trusted=trusted(),
            signer=signer or FakeSigner(),
            now_ns=TrioClock().now_ns,
            on_answer=self._on_answer,
            on_untrusted=self.untrusted.append,
            loop=loop,
        )

    def _on_answer(
        self, request_id: int, status: int, headers: Mapping[str, str], body: bytes
    ) -> None:
        self.answers.append((request_id, status, body))
        self.changed.set()
        self.changed = trio.Event()

    async def hear(self, count: int) -> None:
        with trio.fail_after(60):
            while len(self.answers) < count:
                await self.changed.wait()


def request_of(query: str = "symbol=BTCUSDT", *, signed: bool = False) -> HttpRequest:
    return HttpRequest(method="GET", path="/api/v3/depth", query=query, signed=signed)


@pytest.fixture
async def loop() -> AsyncIterator[HotLoop]:
    with make_loop(spin=False, clock=TrioClock()) as made:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(made.run)
            yield made
            nursery.cancel_scope.cancel()


async def test_a_submitted_request_is_answered_in_a_later_pass(
    server: Server, loop: HotLoop, nursery: trio.Nursery
) -> None:
    asked = Requested(loop, await server.start(server.says(reply(b"book"))))
    await nursery.start(asked.desk.serve)
    asked.desk.submit(7, request_of())
    assert asked.answers == []
    await asked.hear(1)
    assert asked.answers == [(7, 200, b"book")]
    assert server.requests[0].startswith(b"GET /api/v3/depth?symbol=BTCUSDT HTTP/1.1\r\n")
    assert b"fake-key" not in server.requests[0]


async def test_a_request_is_signed_when_it_leaves(
    server: Server, loop: HotLoop, nursery: trio.Nursery
) -> None:
    asked = Requested(loop, await server.start(server.says(reply(b"{}"))))
    await nursery.start(asked.desk.serve)
    asked.desk.submit(8, request_of("timestamp=1", signed=True))
    await asked.hear(1)
    assert b"?timestamp=1&signature=fake HTTP/1.1\r\n" in server.requests[0]
    assert b"X-Key: fake-key\r\n" in server.requests[0]


async def test_what_an_answer_holds_in_secret_stays_with_the_signer(
    server: Server, loop: HotLoop, nursery: trio.Nursery
) -> None:
    signer = FakeSigner()
    asked = Requested(loop, await server.start(server.says(reply(b"token=fake-token"))), signer)
    await nursery.start(asked.desk.serve)
    asked.desk.submit(1, request_of("token", signed=True))
    await asked.hear(1)
    assert asked.answers == [(1, 200, b"token=")]
    assert signer.tokens == [b"fake-token"]


def signed(body: bytes, *, cancels: bool = False) -> HttpRequest:
    return HttpRequest("POST", "/private", body=body, signed=True, cancels=cancels)


async def test_where_signed_requests_want_an_order_they_go_one_by_one_cancels_first(
    autojump_clock: MockClock, server: Server, loop: HotLoop, nursery: trio.Nursery
) -> None:
    slow = Slow(0.5)
    asked = Requested(loop, await server.start(slow), FakeSigner(in_order=True))
    await nursery.start(asked.desk.serve)
    for number, cancels in enumerate((False, False, True, True)):
        asked.desk.submit(number, signed(b"n=%d" % number, cancels=cancels))
        await trio.testing.wait_all_tasks_blocked()
    await asked.hear(4)
    assert slow.most == 1
    assert slow.bodies == [b"nonce=1&n=0", b"nonce=2&n=2", b"nonce=3&n=3", b"nonce=4&n=1"]
    assert {answer[1:] for answer in asked.answers} == {(200, b"done")}


async def test_what_is_not_signed_waits_for_no_turn(
    autojump_clock: MockClock, server: Server, loop: HotLoop, nursery: trio.Nursery
) -> None:
    asked = Requested(loop, await server.start(server.says()), FakeSigner(in_order=True))
    await nursery.start(asked.desk.serve)
    asked.desk.submit(1, signed(b""))
    asked.desk.submit(2, request_of())
    await asked.hear(2)
    assert sum(b" HTTP/1.1" in piece for piece in server.requests) == 2


async def test_elsewhere_signed_requests_wait_for_none(
    autojump_clock: MockClock, server: Server, loop: HotLoop, nursery: trio.Nursery
) -> None:
    slow = Slow(0.5)
    asked = Requested(loop, await server.start(slow))
    await nursery.start(asked.desk.serve)
    asked.desk.submit(1, signed(b"a"))
    asked.desk.submit(2, signed(b"b"))
    await asked.hear(2)
    assert slow.most == 2


async def test_a_cancel_waits_no_longer_than_a_patience_for_who_is_before_it(
    autojump_clock: MockClock, server: Server, loop: HotLoop, nursery: trio.Nursery
) -> None:
    slow = Slow(60.0)
    asked = Requested(loop, await server.start(slow), FakeSigner(in_order=True))
    await nursery.start(asked.desk.serve)
    asked.desk.submit(1, signed(b"question"))
    await trio.sleep(5)
    began_s = trio.current_time()
    asked.desk.submit(2, signed(b"cancel", cancels=True))
    await asked.hear(1)
    assert asked.answers == [(1, 0, b"no answer within 2 s, and a cancel waits")]
    assert trio.current_time() - began_s == pytest.approx(rest.PATIENCE_S, abs=0.1)
    slow.answer_s = 0.1
    await asked.hear(2)
    assert slow.bodies[-1] == b"nonce=2&cancel"


async def test_whose_turn_does_not_come_in_time_is_told_that_nothing_was_sent(
    autojump_clock: MockClock, server: Server, loop: HotLoop, nursery: trio.Nursery
) -> None:
    slow = Slow(60.0)
    signer = FakeSigner(in_order=True)
    asked = Requested(loop, await server.start(slow), signer)
    await nursery.start(asked.desk.serve)
    asked.desk.submit(1, signed(b"first"))
    await trio.testing.wait_all_tasks_blocked()
    asked.desk.submit(2, signed(b"second"))
    await asked.hear(2)
    assert sorted(asked.answers) == [
        (1, 0, b"no answer within 10 s"),
        (2, 0, b"nothing was sent: others were before it for 10 s"),
    ]
    slow.answer_s = 0.1
    asked.desk.submit(3, signed(b"third"))  # and its turn is passed on
    await asked.hear(3)
    assert asked.answers[-1] == (3, 200, b"done")
    assert len(signer.signed_ns) == 2


async def test_requests_beyond_the_bound_are_answered_unsent(
    autojump_clock: MockClock, server: Server, loop: HotLoop, nursery: trio.Nursery
) -> None:
    asked = Requested(loop, await server.start(server.says()))
    await nursery.start(asked.desk.serve)
    for request_id in range(rest.MAX_UNDER_WAY + 1):
        asked.desk.submit(request_id, request_of())
    await asked.hear(1)
    assert asked.answers == [(32, 0, b"nothing was sent: 32 such are under way")]
    await asked.hear(rest.MAX_UNDER_WAY + 1)  # the others are given up at their deadline
    assert len(server.requests) == rest.MAX_UNDER_WAY
    asked.desk.submit(99, request_of())  # and there is room again
    await asked.hear(rest.MAX_UNDER_WAY + 2)
    assert asked.answers[-1] == (99, 0, b"no answer within 10 s")


async def test_a_cancel_waits_behind_no_question(
    autojump_clock: MockClock, server: Server, loop: HotLoop, nursery: trio.Nursery
) -> None:
    asked = Requested(loop, await server.start(server.says()))
    await nursery.start(asked.desk.serve)
    for request_id in range(rest.MAX_UNDER_WAY):
        asked.desk.submit(request_id, request_of())
    for request_id in range(rest.MAX_CANCELS + 1):
        asked.desk.submit(100 + request_id, HttpRequest("POST", "/cancel", cancels=True))
    await asked.hear(1)
    assert asked.answers == [(164, 0, b"nothing was sent: 64 such are under way")]
    await asked.hear(rest.MAX_UNDER_WAY + rest.MAX_CANCELS + 1)
    assert len(server.requests) == rest.MAX_UNDER_WAY + rest.MAX_CANCELS


async def test_a_closed_desk_answers_that_nothing_was_sent(loop: HotLoop) -> None:
    asked = Requested(loop, "http://127.0.0.1:1")
    asked.desk.submit(1, request_of())
    await asked.hear(1)
    assert asked.answers == [(1, 0, b"nothing was sent: the desk is closed")]


async def test_an_untrusted_host_is_told_and_its_request_is_answered_unproved(
    server: Server, loop: HotLoop, nursery: trio.Nursery
) -> None:
    context = served(AUTHORITY.issue_cert("other.test"))
    asked = Requested(loop, await server.start(server.says(reply(b"forged")), context))
    await nursery.start(asked.desk.serve)
    asked.desk.submit(1, request_of())
    await asked.hear(1)
    assert asked.answers[0][:2] == (1, 0)
    assert "does not prove who answers" in asked.untrusted[0]


def test_the_client_asks_for_no_compression() -> None:
    client = RestClient("http://127.0.0.1:1", trusted())._client
    assert isinstance(client, httpx.AsyncClient)
    assert client.headers["accept-encoding"] == "identity"
