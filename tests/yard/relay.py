"""A bad stretch of network between a run and its exchange: small buffers, and a deaf end."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

import trio

SMALL = 4_096
"""Bytes of a buffer: the kernel doubles it, and takes half of that for itself."""


class Relay:
    """Carries the connections of one address to another."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self.url = ""
        self.deaf = False
        """Whether nothing is read from the run any more, on connections that stand."""
        self.carried: list[bytearray] = []
        """What each connection carried to the run, from the upgrade's answer on."""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Relay]:
        listener = trio.socket.socket()
        # An accepted socket inherits both; the window that the run sees is as small.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
        await listener.bind(("127.0.0.1", 0))
        listener.listen()
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        self.url = urlunsplit(self._target._replace(netloc=host))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, self._carry, [trio.SocketListener(listener)])
            yield self
            nursery.cancel_scope.cancel()

    async def _carry(self, run: trio.SocketStream) -> None:
        carried = bytearray()
        self.carried.append(carried)
        assert self._target.hostname
        assert self._target.port
        venue = await trio.open_tcp_stream(self._target.hostname, self._target.port)
        async with run, venue, trio.open_nursery() as nursery:
            nursery.start_soon(self._up, run, venue, nursery.cancel_scope)
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                async for data in venue:
                    carried += data
                    await run.send_all(data)
            nursery.cancel_scope.cancel()

    async def _up(
        self, run: trio.SocketStream, venue: trio.SocketStream, scope: trio.CancelScope
    ) -> None:
        deaf_to_this = trio.Event()
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while True:
                if self.deaf:
                    self.deaf = False  # for this connection, which stays so; the next is well
                    await deaf_to_this.wait()
                data = await run.receive_some(SMALL)
                if not data:
                    break
                await venue.send_all(data)
        scope.cancel()
