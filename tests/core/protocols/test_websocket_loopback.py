"""Against trio-websocket, over a real socket."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket

from core.protocols.websocket import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    ClientCodec,
    State,
    parse_close,
)
from core.protocols.websocket_handshake import ClientHandshake, Upgraded, UpgradeRefused

DEADLINE_S = 10


async def echo(request: WebSocketRequest) -> None:
    if request.path != "/echo":
        await request.reject(404, body=b"no such stream")
        return
    connection = await request.accept()
    await connection.ping(b"are you there")  # returns when our pong is back
    try:
        while True:
            await connection.send_message(await connection.get_message())
    except ConnectionClosed:
        pass


@asynccontextmanager
async def dialled(target: str) -> AsyncIterator[tuple[trio.SocketStream, Upgraded]]:
    handshake = ClientHandshake(host="127.0.0.1", target=target, nonce=bytes(16))
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            serve = partial(serve_websocket, echo, "127.0.0.1", 0, None)
            server = await nursery.start(serve)
            async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
                await stream.send_all(handshake.request)
                upgraded = None
                while upgraded is None:
                    upgraded = handshake.receive(await stream.receive_some(4096))
                yield stream, upgraded
            nursery.cancel_scope.cancel()


async def test_trio_websocket_echoes_what_we_say() -> None:
    seeded = random.Random(7)
    said = [(TEXT, b"x" * size) for size in (0, 1, 125, 126, 300, 0xFFFF, 0x10000, 1_000_000)]
    said += [(TEXT, "κόσμε 𝄞".encode()), (BINARY, seeded.randbytes(5000))]
    async with dialled("/echo") as (stream, upgraded):
        codec = ClientCodec(
            mask_source=partial(seeded.getrandbits, 32), max_message_bytes=1_000_000
        )
        inbox = codec.receive(upgraded.leftover)

        async def hear() -> tuple[int, bytes]:
            while not inbox:
                inbox.extend(codec.receive(await stream.receive_some(4096)))
            return inbox.pop(0)

        assert await hear() == (PING, b"are you there")
        await stream.send_all(codec.frame(PONG, b"are you there"))
        for message in said:
            await stream.send_all(codec.frame(*message))
            assert await hear() == message

        await stream.send_all(codec.close(1000, "enough"))
        opcode, body = await hear()
        assert opcode == CLOSE
        assert parse_close(body) == (1000, "enough")
        assert codec.state is State.CLOSED
        assert await stream.receive_some(4096) == b""


async def test_trio_websocket_refuses_and_we_say_why() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with dialled("/elsewhere"):
            pass
    (refused,) = caught.value.exceptions
    assert isinstance(refused, UpgradeRefused)
    assert refused.status == 404
    assert refused.body == b"no such stream"
