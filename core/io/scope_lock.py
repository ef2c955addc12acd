"""The scope's lock: one process on one account and strategy, whatever folder it runs in.

Here lives the name that a scope has on this machine: an abstract unix socket (unix(7)), which two
processes cannot bind at once and which the kernel lets go with its owner, however that ends. It
leaves no file behind, is the same for every user and for every temporary folder, and tells who
holds it. It reaches as far as one network namespace does: not to other machines or containers.
"""

from __future__ import annotations

import errno
import socket
import struct
from types import TracebackType
from typing import Final, Self

from core.model.errors import BadConfig

_CREDENTIALS: Final = struct.Struct("3i")
"""Linux ``struct ucred``: pid, uid, gid."""

BACKLOG: Final = 64
"""Whoever connects learns who we are. None is ever accepted: beyond so many, the others learn only
that there is somebody."""


class ScopeLock:
    """Held from ``__enter__`` to ``__exit__``, or to the end of the process."""

    def __init__(self, name: str) -> None:
        """``name`` is the same for all that must not run at once."""
        self._name = name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def __enter__(self) -> Self:
        """Take the lock. Raises ``BadConfig`` where another process holds it."""
        try:
            self._socket.bind(_address(self._name))
            self._socket.listen(BACKLOG)
        except OSError as error:
            self._socket.close()
            if error.errno != errno.EADDRINUSE:
                raise
            raise BadConfig(
                f"another process (pid {holder(self._name)}) trades this account and strategy, "
                f"scope {self._name}; stop that one first, or give this run another key or "
                "strategy"
            ) from None
        return self

    def forked(self) -> None:
        """Let go of it in a child of the process: it must not hold it longer than we do."""
        self._socket.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()


def holder(name: str) -> int:
    """Return the id of the process that holds a lock, 0 where none does.

    -1 stands for one that cannot be told: it is in another namespace, or too many have asked.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        try:
            asking.connect(_address(name))
        except BlockingIOError:
            return -1
        except ConnectionRefusedError:
            return 0
        raw = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid: int = _CREDENTIALS.unpack(raw)[0]
        return pid or -1


def _address(name: str) -> bytes:
    return b"\0hotloop/" + name.encode()
