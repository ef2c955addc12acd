"""What a connection speaks: its bytes become messages, and what is to be said becomes bytes.

Here live the questions that core asks of a wire protocol, and the kinds of what it brings. What
answers them lives in ``core.protocols``, one protocol a module; what a message means is known to
the venue, and sockets belong to ``core.io``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from core.model.errors import RemoteFault

MESSAGES: Final = (1, 2)
"""Kinds of a whole message, of text or of bytes. All kinds are WebSocket's opcodes (RFC 6455,
section 5.2), so that the commonest protocol maps nothing."""

CLOSE: Final = 8
"""The venue ends the connection; the payload says why."""

PING: Final = 9
"""The venue asks whether we live; the payload is for the answer."""

Entropy = Callable[[], int]
"""Returns a fresh 32-bit number that nobody outside can foresee, and a replay can repeat."""


class WireProtocol(Protocol):
    """One connection's protocol, from the moment its transport stands to its end.

    No I/O, no clock, no randomness but ``Entropy``; bounded memory, whatever arrives.
    """

    @property
    def fault(self) -> RemoteFault | None:
        """What was wrong with what arrived, and has ended it: to be looked at after ``receive``."""
        ...

    def receive(self, data: bytes) -> Sequence[tuple[int, bytes]]:
        """Return what these bytes complete, in the order of the wire: kinds and payloads.

        It may end anywhere, and never raises: see ``fault``. Kinds that core does not know are its
        own affair.
        """
        ...

    def message(self, body: bytes) -> bytes:
        """Return the bytes that say one message of ours."""
        ...

    def pong(self, payload: bytes) -> bytes:
        """Return the answer to a ``PING``."""
        ...

    def farewell(self) -> bytes:
        """Return our last bytes on this connection, which tell of a fault where there was one."""
        ...

    def reason(self, payload: bytes) -> str:
        """Return for people what a ``CLOSE`` says."""
        ...
