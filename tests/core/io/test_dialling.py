"""A line is kept: dialled, proved, upgraded, handed over, and dialled again after a wait."""

from __future__ import annotations

import base64
import hashlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest
import trio
import trustme
from trio.testing import MockClock

from core.io import dialling
from core.io.dialling import Backoff, Dial, keep
from core.io.loop import HotLoop
from core.io.tls import trust
from core.io.transport import Transport
from core.model.errors import Misuse, Untrusted
from core.model.venue import Connection, Role
from core.protocols.websocket import websocket
from tests.core.io.peers import AUTHORITY, HOST, served, trusted
from tests.core.io.steps import TrioClock, make_loop

Answer = Callable[[trio.abc.Stream], Awaitable[None]]


class Told:
    """Notes what the lines are told, and when."""

    def __init__(self) -> None:
        self.all: list[tuple[float, str, object]] = []
        self.transports: list[Transport] = []
        self.changed = trio.Event()

    def _note(self, what: str, detail: object) -> None:
        self.all.append((trio.current_time(), what, detail))
        self.changed.set()
        self.changed = trio.Event()

    def on_up(self, connection: int, transport: Transport) -> None:
        self.transports.append(transport)
        self._note("up", connection)

    def on_bytes(
        self, connection: int, data: bytes, kernel_ns: int, began_ns: int, read_ns: int
    ) -> None:
        assert began_ns <= read_ns
        self._note("bytes", data)

    def on_down(self, connection: int, reason: str) -> None:
        self._note("down", reason)

    def on_dial_failed(self, connection: int, reason: str, retry_ns: int) -> None:
        self._note("failed", (reason, retry_ns))

    def on_dial_refused(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self._note("refused", (status, headers.get("retry-after"), body))

    def what(self) -> list[tuple[str, object]]:
        return [(what, detail) for _, what, detail in self.all]

    def times(self, what: str) -> list[float]:
        return [time for time, name, _ in self.all if name == what]

    async def hear(self, what: str, count: int = 1) -> None:
        with trio.fail_after(7 * 86_400):  # on trio's mock clock
            while len(self.times(what)) < count:
                await self.changed.wait()


class Scene:
    """A kept line, and a venue that answers its dials one after the other."""

    def __init__(self, nursery: trio.Nursery, loop: HotLoop, dial: Dial | None = None) -> None:
        self._dial = dial or self.dial
        self.nursery = nursery
        self.loop = loop
        self.told = Told()
        self.dialled: list[tuple[float, str, int]] = []
        self.requests: list[bytes] = []
        self._answers: list[Answer] = []

    async def dial(self, host: str, port: int) -> trio.SocketStream:
        self.dialled.append((trio.current_time(), host, port))
        if not self._answers:
            raise OSError("connection refused")
        ours, theirs = socket.socketpair()
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(theirs))
        self.nursery.start_soon(self._serve, self._answers.pop(0), stream)
        return trio.SocketStream(trio.socket.from_stdlib_socket(ours))

    async def _serve(self, answer: Answer, stream: trio.SocketStream) -> None:
        async with stream:
            await answer(stream)

    held_until_s = 0.0

    async def keep(self, *answers: Answer, url: str = "ws://venue.test:9443/ws?s=1") -> None:
        self._answers += answers
        connection = Connection(
            name="stream",
            url=url,
            carries=frozenset({Role.MARKET}),
            silence_ns=0,
            lifetime_ns=0,
            protocol=websocket(1),
        )
        await keep(
            3,
            connection,
            self.told,
            loop=self.loop,
            trusted=trusted(),
            random=Random(7),
            kernel_stamps=False,
            held_s=lambda: self.held_until_s - trio.current_time(),
            dial=self._dial,
        )

    def start(self, *answers: Answer, url: str = "ws://venue.test:9443/ws?s=1") -> None:
        async def run() -> None:
            await self.keep(*answers, url=url)

        self.nursery.start_soon(run)

    async def upgrade(self, stream: trio.abc.Stream, then: bytes = b"") -> None:
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += await stream.receive_some(1000)
        self.requests.append(request)
        key = request.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0]
        guid = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key + guid, usedforsecurity=False).digest())
        await stream.send_all(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + then
        )

    def open_for(self, seconds: float, then: bytes = b"") -> Answer:
        """Accept the session, and cut it after some time."""

        async def answer(stream: trio.abc.Stream) -> None:
            await self.upgrade(stream, then)
            await trio.sleep(seconds)

        return answer

    @staticmethod
    def says(response: bytes) -> Answer:
        """Give this answer to the upgrade, and hang up."""

        async def answer(stream: trio.abc.Stream) -> None:
            await stream.receive_some(10_000)
            await stream.send_all(response)

        return answer

    @staticmethod
    def under_tls(context: ssl.SSLContext, inner: Answer) -> Answer:
        async def answer(stream: trio.abc.Stream) -> None:
            tls = trio.SSLStream(stream, context, server_side=True)
            try:
                await inner(tls)
            except trio.BrokenResourceError:
                return  # the client hung up, as some tests want

        return answer


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    with make_loop(spin=False, clock=TrioClock()) as loop:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(loop.run)
            yield Scene(nursery, loop)
            nursery.cancel_scope.cancel()


# -- the way up ------------------------------------------------------------------------------


async def test_an_open_session_is_handed_over(autojump_clock: MockClock, scene: Scene) -> None:
    scene.start(scene.open_for(60))
    await scene.told.hear("up")
    assert scene.dialled[0][1:] == ("venue.test", 9443)
    assert scene.requests[0].startswith(b"GET /ws?s=1 HTTP/1.1\r\nHost: venue.test:9443\r\n")
    assert scene.told.what() == [("up", 3)]


async def test_nothing_is_dialled_while_it_is_held(autojump_clock: MockClock, scene: Scene) -> None:
    scene.held_until_s = trio.current_time() + 120
    scene.start(scene.open_for(60))
    await scene.told.hear("up")
    assert scene.dialled[0][0] >= scene.held_until_s


async def test_bytes_that_came_with_the_answer_follow_at_once(
    autojump_clock: MockClock, scene: Scene
) -> None:
    scene.start(scene.open_for(60, then=b"\x81\x02hi"))
    await scene.told.hear("bytes")
    assert scene.told.what() == [("up", 3), ("bytes", b"\x81\x02hi")]


async def test_bytes_go_both_ways(autojump_clock: MockClock, scene: Scene) -> None:
    async def echo(stream: trio.abc.Stream) -> None:
        await scene.upgrade(stream)
        await stream.send_all(await stream.receive_some(100))

    scene.start(echo)
    await scene.told.hear("up")
    scene.told.transports[0].send(b"order")
    await scene.told.hear("bytes")
    assert ("bytes", b"order") in scene.told.what()


async def test_a_wss_connection_is_proved_and_runs_under_tls(
    autojump_clock: MockClock, scene: Scene
) -> None:
    async def echo(stream: trio.abc.Stream) -> None:
        await scene.upgrade(stream, b"hello")
        await stream.send_all(await stream.receive_some(100))

    scene.start(scene.under_tls(served(), echo), url=f"wss://{HOST}/ws")
    await scene.told.hear("up")
    assert scene.told.transports[0]._tls is not None
    assert scene.dialled[0][2] == 443
    scene.told.transports[0].send(b"order")
    await scene.told.hear("bytes", 2)
    assert [detail for what, detail in scene.told.what() if what == "bytes"] == [b"hello", b"order"]


async def test_a_real_socket_is_dialled_by_default() -> None:
    with make_loop(spin=False) as loop:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(loop.run)
            scene = Scene(nursery, loop, dial=trio.open_tcp_stream)
            [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, scene.upgrade, [listener])
            port = listener.socket.getsockname()[1]
            scene.start(url=f"ws://127.0.0.1:{port}")
            with trio.fail_after(5):
                await scene.told.hear("up")
            nursery.cancel_scope.cancel()
    assert scene.requests[0].startswith(b"GET / HTTP/1.1\r\n")


async def test_a_url_that_is_none_is_our_own_misuse(
    autojump_clock: MockClock, scene: Scene
) -> None:
    for url in ("https://venue.test", "ws://", "venue.test:80"):
        with pytest.raises(Misuse, match="is none of ws://HOST, wss://HOST"):
            await scene.keep(url=url)
    with pytest.raises(Misuse, match="names no port"):
        await scene.keep(url="tcp://venue.test")


@pytest.mark.parametrize("scheme", ["tcp", "tls"])
async def test_a_connection_without_websocket_is_handed_over_without_an_upgrade(
    autojump_clock: MockClock, scene: Scene, scheme: str
) -> None:
    async def echo(stream: trio.abc.Stream) -> None:
        await stream.send_all(await stream.receive_some(100))

    answer = scene.under_tls(served(), echo) if scheme == "tls" else echo
    scene.start(answer, url=f"{scheme}://{HOST}:9876")
    await scene.told.hear("up")
    assert scene.dialled[0][1:] == (HOST, 9876)
    assert (scene.told.transports[0]._tls is not None) is (scheme == "tls")
    scene.told.transports[0].send(b"8=FIX.4.4")
    await scene.told.hear("bytes")
    assert ("bytes", b"8=FIX.4.4") in scene.told.what()


# -- the way down ----------------------------------------------------------------------------


async def test_a_lost_session_is_told_and_dialled_again(
    autojump_clock: MockClock, scene: Scene
) -> None:
    scene.start(scene.open_for(60), scene.open_for(60))
    await scene.told.hear("up", 2)
    assert scene.told.what()[:3] == [
        ("up", 3),
        ("down", "the peer closed the connection"),
        ("up", 3),
    ]


async def test_a_planned_reconnect_dials_at_once(autojump_clock: MockClock, scene: Scene) -> None:
    scene.start(scene.open_for(1e6), scene.open_for(1e6))
    await scene.told.hear("up")
    await trio.sleep(60)
    scene.told.transports[0].close("planned", redial_now=True)
    await scene.told.hear("up", 2)
    assert scene.told.times("up")[1] == scene.told.times("down")[0]


async def test_a_venue_that_tells_each_new_connection_to_go_is_not_dialled_without_end(
    autojump_clock: MockClock,
    scene: Scene,
) -> None:
    scene.start(*[scene.open_for(1e6) for _ in range(8)])
    for count in range(1, 9):
        await scene.told.hear("up", count)
        scene.told.transports[-1].close("go", redial_now=True)
    ups = scene.told.times("up")
    assert ups[7] - ups[0] > 1


async def test_cancelling_closes_the_connection(autojump_clock: MockClock, scene: Scene) -> None:
    hung_up = trio.Event()

    async def watch(stream: trio.abc.Stream) -> None:
        await scene.upgrade(stream)
        while await stream.receive_some(100):
            pass
        hung_up.set()

    async def run() -> None:
        with scope:
            await scene.keep(watch)

    scope = trio.CancelScope()
    scene.nursery.start_soon(run)
    await scene.told.hear("up")
    scope.cancel()
    await hung_up.wait()
    await scene.told.hear("down")
    assert scene.told.what()[-1] == ("down", "the line was given up")


# -- failed dials ----------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "told"), [(418, True), (429, True), (403, False)])
async def test_a_dial_refused_for_too_many_requests_is_told_with_all_that_came(
    autojump_clock: MockClock, scene: Scene, status: int, told: bool
) -> None:
    async def refuse(stream: trio.abc.Stream) -> None:
        await stream.receive_some(1000)
        await stream.send_all(
            b"HTTP/1.1 %d No\r\nRetry-After: 30\r\nContent-Length: 2\r\n\r\n{}" % status
        )

    scene.start(refuse)
    await scene.told.hear("failed")
    found = [detail for what, detail in scene.told.what() if what == "refused"]
    assert found == ([(status, "30", b"{}")] if told else [])


async def test_a_page_at_the_handshake_is_named_as_one(
    autojump_clock: MockClock, scene: Scene
) -> None:
    page = b"<html><head><title>Scheduled\n maintenance</title></head>" + b"x" * 500
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(page)

    async def show(stream: trio.abc.Stream) -> None:
        await stream.receive_some(1000)
        await stream.send_all(head + page)

    scene.start(show)
    await scene.told.hear("failed")
    [(_, detail)] = scene.told.what()
    assert isinstance(detail, tuple)
    assert 'a web page "Scheduled maintenance" comes in the venue\'s place (HTTP 200)' in detail[0]
    assert "<" not in detail[0]


async def test_failed_dials_are_told_and_tried_after_the_wait_that_was_told(
    autojump_clock: MockClock, scene: Scene
) -> None:
    scene.start()
    await scene.told.hear("failed", 12)
    gaps_s = [b - a for (a, *_), (b, *_) in pairwise(scene.dialled)]
    told_s = []
    for what, detail in scene.told.what():
        assert what == "failed"
        assert isinstance(detail, tuple)
        assert detail[0] == "connection refused"
        told_s.append(detail[1] / 1e9)
    assert gaps_s[:11] == pytest.approx(told_s[:11], abs=1e-6)
    assert max(gaps_s) > 5


async def test_a_silent_venue_is_given_up_within_the_deadline(
    autojump_clock: MockClock, scene: Scene
) -> None:
    async def silent(stream: trio.abc.Stream) -> None:
        await trio.sleep_forever()

    scene.start(silent)
    await scene.told.hear("failed")
    time, _, detail = scene.told.all[0]
    assert time == dialling.DIAL_S
    assert isinstance(detail, tuple)
    assert detail[0] == "no open session within 10 s"


@pytest.mark.parametrize(
    ("head", "least_s"),
    [
        (b"429 Too Many\r\nRetry-After: 700", 700.0),
        (b"418 Teapot\r\nRetry-After: 1800", 1800.0),
        (b"503 Busy\r\nRetry-After: 45", 45.0),
        (b"429 Too Many", 60.0),
        (b"418 Teapot", 120.0),
        (b"429 Too Many\r\nRetry-After: 999999999", 259_200.0),
    ],
    ids=["429", "418", "503", "429 silent", "418 silent", "absurd"],
)
async def test_the_venues_wish_to_wait_is_obeyed(
    autojump_clock: MockClock, scene: Scene, head: bytes, least_s: float
) -> None:
    scene.start(scene.says(b"HTTP/1.1 " + head + b"\r\nContent-Length: 0\r\n\r\n"))
    await scene.told.hear("failed", 2)
    first, second = scene.dialled[0][0], scene.dialled[1][0]
    assert least_s <= second - first <= least_s + dialling.FIRST_WAIT_S


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "not HTTP/1.1"),
        (b"", "hung up before it answered"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "status 404"),
    ],
    ids=["no HTTP", "nothing", "404"],
)
async def test_any_other_answer_is_told_and_tried_again(
    autojump_clock: MockClock, scene: Scene, answer: bytes, reason: str
) -> None:
    scene.start(scene.says(answer), scene.open_for(60))
    await scene.told.hear("up")
    what, detail = scene.told.what()[0]
    assert what == "failed"
    assert reason in str(detail)


@pytest.mark.parametrize("ends", [b"", b"no TLS here\r\n"], ids=["hang-up", "plain text"])
async def test_a_tls_handshake_that_breaks_is_tried_again(
    autojump_clock: MockClock, scene: Scene, ends: bytes
) -> None:
    async def broken(stream: trio.abc.Stream) -> None:
        await stream.receive_some(10_000)
        await stream.send_all(ends)

    scene.start(broken, scene.under_tls(served(), scene.open_for(60)), url=f"wss://{HOST}/ws")
    await scene.told.hear("up")
    assert scene.told.what()[0][0] == "failed"


# -- trust -----------------------------------------------------------------------------------


async def _refused(scene: Scene, answer: Answer) -> str:
    """Dial a server that must not be trusted; return what was said."""
    with pytest.raises(Untrusted) as caught, trio.fail_after(60):
        await scene.keep(answer, answer, url=f"wss://{HOST}/ws")
    assert len(scene.dialled) == 1  # never retried
    assert scene.requests == []  # and nothing was said to it
    return str(caught.value)


def _serving(scene: Scene, cert: trustme.LeafCert) -> Answer:
    return scene.under_tls(served(cert), scene.open_for(60))


async def test_another_hosts_certificate_is_refused(
    autojump_clock: MockClock, scene: Scene
) -> None:
    cert = AUTHORITY.issue_cert("other.test")
    assert "Hostname mismatch" in await _refused(scene, _serving(scene, cert))


async def test_an_expired_certificate_is_refused(autojump_clock: MockClock, scene: Scene) -> None:
    past = datetime.now(UTC) - timedelta(days=2)
    cert = AUTHORITY.issue_cert(HOST, not_before=past, not_after=past + timedelta(days=1))
    assert "certificate has expired" in await _refused(scene, _serving(scene, cert))


async def test_a_certificate_of_an_unknown_authority_is_refused(
    autojump_clock: MockClock, scene: Scene
) -> None:
    cert = trustme.CA().issue_cert(HOST)
    said = await _refused(scene, _serving(scene, cert))
    assert "unable to get local issuer certificate" in said or "self-signed" in said


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
async def test_an_older_tls_is_refused(autojump_clock: MockClock, scene: Scene) -> None:
    context = served()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1

    async def answer(stream: trio.abc.Stream) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        incoming.write(await stream.receive_some(10_000))
        with pytest.raises(ssl.SSLError):
            context.wrap_bio(incoming, outgoing, server_side=True).do_handshake()
        await stream.send_all(outgoing.read())  # the alert

    assert "older than 1.2" in await _refused(scene, answer)


def test_verification_is_always_on() -> None:
    context = trust(None)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


# -- how long to wait ------------------------------------------------------------------------


def test_waits_are_jittered_in_full_and_capped() -> None:
    backoff = Backoff(Random(1))
    waits_s = [backoff.after_failure_s() for _ in range(2_000)]
    bounds_s = [0.5, 1, 2, 4, 8, 16]
    assert all(wait_s <= bound_s for wait_s, bound_s in zip(waits_s, bounds_s, strict=False))
    assert 29 < max(waits_s) <= dialling.LONGEST_WAIT_S
    assert min(waits_s[6:]) < 1


def test_a_connection_that_lived_long_enough_forgets_the_failures_before() -> None:
    backoff = Backoff(Random(1))
    for _ in range(20):
        backoff.after_failure_s()
    assert backoff.after_life_s(dialling.PROVEN_S, redial_now=False) <= dialling.FIRST_WAIT_S


def test_a_short_lived_connection_counts_as_a_failure() -> None:
    backoff = Backoff(Random(1))
    waits_s = [backoff.after_life_s(1.0, redial_now=True) for _ in range(100)]
    assert max(waits_s) > dialling.LONGEST_WAIT_S / 2


@pytest.mark.parametrize("lives_s", [0.0, dialling.PROVEN_S], ids=["refused", "flapping"])
def test_five_minutes_of_attempts_stay_far_below_the_strictest_known_limit(lives_s: float) -> None:
    for seed in range(300):
        backoff = Backoff(Random(seed))
        attempts, time_s = 0, 0.0
        while time_s < 300:
            attempts += 1
            wait_s = backoff.after_life_s(lives_s, redial_now=True)
            time_s += lives_s + wait_s
        assert attempts < 100
