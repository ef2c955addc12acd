"""A way to the exchange that can be cut: connections on it break then, and new ones are refused."""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Lock, Thread
from typing import Final

PIECE_BYTES: Final = 65_536


class Relay:
    """Carries connections on an address of its own to another, until it is cut."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.port = 0
        self._listener: socket.socket | None = None
        self._carried: set[socket.socket] = set()
        self._lock = Lock()
        self.join()

    def join(self) -> None:
        """Take connections, on the same port as before."""
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self.port = self._listener.getsockname()[1]
            Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """Break every connection, and refuse new ones."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)  # closing alone would not wake who accepts
            listener.close()
        with self._lock:
            for carried in self._carried:
                with suppress(OSError):
                    carried.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                ours, _ = listener.accept()
            except OSError:
                return
            Thread(target=self._carry, args=(ours,), daemon=True).start()

    def _carry(self, ours: socket.socket) -> None:
        with ours, suppress(OSError), socket.create_connection(self.target) as theirs:
            both = {ours, theirs}
            with self._lock:
                self._carried |= both
            back = Thread(target=_pump, args=(theirs, ours), daemon=True)
            back.start()
            _pump(ours, theirs)
            back.join()
            with self._lock:
                self._carried -= both


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Carry one way until either end is gone; the other way ends with it."""
    with suppress(OSError):
        while data := source.recv(PIECE_BYTES):
            sink.sendall(data)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
