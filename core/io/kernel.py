"""What the application asks of the operating system about hot sockets: readiness, and the bare
socket.

Here lives the one narrow seam below the hot loop. What stands behind it is Linux; a simulated
network stands in for it where the whole process runs in a simulated world. Nothing else in the
application asks the kernel about a hot socket, and no rule of any protocol lives here.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

import trio


class Poller(Protocol):
    """Which descriptors are ready, level-triggered, as ``select.epoll`` tells it."""

    def register(self, fd: int, events: int, /) -> None: ...
    def modify(self, fd: int, events: int, /) -> None: ...
    def unregister(self, fd: int, /) -> None: ...
    def poll(self, timeout: float, maxevents: int, /) -> list[tuple[int, int]]:
        """Return ready descriptors with their events, the longest waiting first."""
        ...

    async def wait_readable(self) -> None:
        """Wait until ``poll`` has something to return."""
        ...

    def close(self) -> None: ...


class Epoll:
    """Linux's epoll. Its methods are bound once, so that a poll costs no frame of ours."""

    __slots__ = ("_epoll", "close", "modify", "poll", "register", "unregister")

    def __init__(self) -> None:
        self._epoll = epoll = select.epoll()
        self.register = epoll.register
        self.modify = epoll.modify
        self.unregister = epoll.unregister
        self.poll = epoll.poll
        self.close = epoll.close

    async def wait_readable(self) -> None:
        await trio.lowlevel.wait_readable(self._epoll)


def bare(sock: trio.socket.SocketType) -> socket.socket:
    """Take the descriptor out of a socket of trio's, which is closed without it from then on."""
    return socket.socket(fileno=sock.detach())


def pair() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a TCP connection from this process to itself, on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    return near, far


class Kernel(NamedTuple):
    """The three questions, answered together."""

    poller: Callable[[], Poller] = Epoll
    bare: Callable[[trio.socket.SocketType], socket.socket] = bare
    pair: Callable[[], tuple[socket.socket, socket.socket]] = pair


LINUX: Final = Kernel()
