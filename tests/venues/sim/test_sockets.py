"""The WebSocket edge on streams in memory: handshakes, pings, floods, slow clients, the end."""

import base64
import json
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, cast

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from tests.venues.sim.binance.driver import START_NS
from venues.sim import sockets
from venues.sim.binance.venue import Venue
from venues.sim.fixed import ONE
from venues.sim.matching import BUY
from venues.sim.server import ServerConfig, running_exchange
from venues.sim.sockets import ControlFrames, SocketServer

PING, PONG, TEXT = 0x9, 0xA, 0x1


def masked(opcode: int, payload: bytes) -> bytes:
    """Return a client's frame, masked with zeros."""
    length = len(payload)
    if length < 126:
        header = bytes((0x80 | opcode, 0x80 | length))
    elif length < 65_536:
        header = bytes((0x80 | opcode, 0x80 | 126)) + length.to_bytes(2, "big")
    else:
        header = bytes((0x80 | opcode, 0x80 | 127)) + length.to_bytes(8, "big")
    return header + bytes(4) + payload


@given(
    st.lists(
        st.tuples(
            st.sampled_from([PING, PONG, TEXT]), st.sampled_from([0, 1, 125, 126, 300, 70_000])
        ),
        max_size=6,
    ),
    st.integers(1, 5_000),
)
def test_control_frames_are_counted_however_torn(frames: list[tuple[int, int]], size: int) -> None:
    data = b"".join(
        masked(opcode, bytes(min(length, 125) if opcode != TEXT else length))
        for opcode, length in frames
    )
    counter = ControlFrames()
    found = sum(counter.feed(data[at : at + size]) for at in range(0, len(data), size))
    assert found == sum(opcode != TEXT for opcode, _ in frames)


class Server:
    """A SocketServer on a virtual wall clock that follows trio's."""

    def __init__(self) -> None:
        self.venue = Venue(START_NS, rate=0)
        self.sockets = SocketServer(self.venue, self.now_ns)

    def now_ns(self) -> int:
        return START_NS + int(trio.current_time() * 1e9)

    async def handle(self, stream: trio.abc.Stream) -> None:
        """Serve as trio's listeners do, which close what was handled."""
        try:
            await self.sockets.handle(stream)
        finally:
            await trio.aclose_forcefully(stream)

    def stir(self, times: int = 1) -> None:
        """Change the best bid ``times`` times."""
        engine = self.venue.exchange.engine
        market = engine.markets["BTCUSDT"]
        for _ in range(times):
            price = (market.book.best().bid or ONE) + ONE // 100
            engine.house_order(market, BUY, price, ONE, self.now_ns(), rest=True)
        self.venue.advance(self.now_ns())


@pytest.fixture
def server() -> Server:
    return Server()


# Each test that lets time pass names the clock itself; that is how pytest-trio finds it.
Clock = trio.testing.MockClock


@asynccontextmanager
async def connected(server: Server, target: str) -> AsyncIterator[WebSocketConnection]:
    """A trio-websocket client on a stream in memory."""
    near, far = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.handle, far)
        # Any stream will do; the annotation of trio-websocket names two kinds only.
        client = await wrap_client_stream(nursery, cast(Any, near), "sim", target)
        yield client
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def raw(
    server: Server, target: str, pair: Callable[[], tuple[trio.abc.Stream, trio.abc.Stream]]
) -> AsyncIterator[trio.abc.Stream]:
    """A client that has shaken hands and does nothing of itself."""
    near, far = pair()
    key = base64.b64encode(os.urandom(16)).decode()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.handle, far)
        await near.send_all(
            f"GET {target} HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += await near.receive_some(4096)
        assert answer.startswith(b"HTTP/1.1 101")
        yield near
        nursery.cancel_scope.cancel()


async def until_closed(stream: trio.abc.Stream) -> float:
    """Read to the end; return when it came."""
    try:
        while await stream.receive_some(65_536):
            pass
    except trio.BrokenResourceError:
        pass
    return trio.current_time()


async def closing_code(client: WebSocketConnection) -> int:
    """Read to the end; return the code of the close frame."""
    with suppress(ConnectionClosed):
        while True:
            await client.get_message()
    assert client.closed is not None
    return client.closed.code


@pytest.mark.parametrize("target", ["/ws", "/ws/btcusdt@trade", "/stream?streams=", "/ws-api/v3"])
async def test_known_paths_are_served(server: Server, target: str) -> None:
    async with connected(server, target) as client:
        await client.send_message('{"method":"LIST_SUBSCRIPTIONS","id":1}')
        answer = json.loads(await client.get_message())
        assert answer["id"] == 1


async def test_payloads_of_one_turn_arrive_whole_and_in_order(server: Server) -> None:
    async with connected(server, "/ws/btcusdt@bookTicker") as client:
        server.stir(300)
        ids = [json.loads(await client.get_message())["u"] for _ in range(300)]
        assert ids == list(range(1, 301))


async def test_a_client_that_answers_pings_stays(server: Server, autojump_clock: Clock) -> None:
    async with connected(server, "/ws/btcusdt@bookTicker") as client:
        await trio.sleep(500)
        server.stir()
        await client.get_message()


async def test_a_client_that_never_answers_is_dropped_after_a_minute(
    server: Server, autojump_clock: Clock
) -> None:
    async with raw(server, "/ws", trio.testing.memory_stream_pair) as stream:
        assert await until_closed(stream) == pytest.approx(80, abs=1)


async def test_pings_come_every_twenty_seconds(server: Server, autojump_clock: Clock) -> None:
    async with raw(server, "/ws", trio.testing.memory_stream_pair) as stream:
        times = []
        for _ in range(3):
            frame = await stream.receive_some(4096)
            times.append(trio.current_time())
            assert frame[0] == 0x80 | PING
            await stream.send_all(masked(PONG, bytes(frame[2:])))
        assert times == pytest.approx([20, 40, 60])


async def test_a_connection_ends_with_its_lifetime(
    server: Server, autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Venue, "manners", replace(Venue.manners, lifetime_seconds=130))
    async with connected(server, "/ws") as client:
        with pytest.raises(ConnectionClosed):
            await client.get_message()
        assert trio.current_time() == pytest.approx(130)


async def test_too_many_messages_close_with_1008(server: Server) -> None:
    async with connected(server, "/ws") as client:
        for _ in range(6):
            await client.send_message('{"method":"LIST_SUBSCRIPTIONS","id":1}')
        assert await closing_code(client) == 1008


async def test_pings_and_pongs_count_as_messages(server: Server, autojump_clock: Clock) -> None:
    async with raw(server, "/ws", trio.testing.memory_stream_pair) as stream:
        await stream.send_all((masked(PING, b"") + masked(PONG, b"")) * 3)
        assert await until_closed(stream) < 1


async def test_the_websocket_api_has_no_such_limit(server: Server) -> None:
    async with connected(server, "/ws-api/v3") as client:
        for number in range(50):
            await client.send_message(f'{{"method":"ping","id":{number}}}')
        for number in range(50):
            assert json.loads(await client.get_message())["id"] == number


async def test_a_slow_client_is_dropped_and_others_are_not_held_up(
    server: Server, autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "MAX_QUEUED_BYTES", 20_000)
    target = "/ws/btcusdt@bookTicker"
    async with (
        raw(server, target, trio.testing.lockstep_stream_pair) as slow,
        connected(server, target) as quick,
    ):
        for _ in range(40):
            server.stir(10)
            for _ in range(10):
                await quick.get_message()
        assert await until_closed(slow) < 1
        server.stir()
        await quick.get_message()


async def test_a_client_that_leaves_is_forgotten(server: Server) -> None:
    async with connected(server, "/ws/btcusdt@bookTicker") as client:
        await client.aclose()
        await trio.testing.wait_all_tasks_blocked()
        server.stir()
    assert not server.sockets._connections
    assert not server.venue.market_data._subscribers


async def test_goodbye_announces_and_closes_with_1001(server: Server) -> None:
    async with connected(server, "/ws") as client, connected(server, "/ws-api/v3") as api:
        await server.sockets.say_goodbye()
        assert json.loads(await client.get_message())["e"] == "serverShutdown"
        assert json.loads(await api.get_message())["event"]["e"] == "serverShutdown"
        assert await closing_code(client) == await closing_code(api) == 1001


async def test_connection_attempts_are_limited(server: Server, autojump_clock: Clock) -> None:
    for _ in range(300):
        assert server.sockets._may_connect("ip")
    assert not server.sockets._may_connect("ip")
    assert server.sockets._may_connect("other")
    await trio.sleep(301)
    assert server.sockets._may_connect("ip")


async def test_a_client_that_never_shakes_hands_is_let_go(
    server: Server, autojump_clock: Clock
) -> None:
    near, far = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.handle, far)
        await trio.sleep(11)
    assert trio.current_time() == pytest.approx(11)
    del near


async def test_a_client_that_resets_its_connection_leaves_the_exchange_standing() -> None:
    async with running_exchange(ServerConfig(rate=2_000)) as exchange:
        host, port = exchange.stream.removeprefix("ws://").split(":")
        for _ in range(5):
            stream = await trio.open_tcp_stream(host, int(port))
            await stream.send_all(
                b"GET /stream?streams=btcusdt@bookTicker/btcusdt@trade HTTP/1.1\r\n"
                b"Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            with trio.fail_after(10):
                await stream.receive_some(1)
            linger = struct.pack("ii", 1, 0)  # close() resets
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            stream.socket.close()
        with trio.fail_after(10):
            again = await trio.open_tcp_stream(host, int(port))
        await again.aclose()
