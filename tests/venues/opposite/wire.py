"""How the opposite venue frames: one message a line of text, on plain TCP.

A line that begins with ``?`` asks whether we live, one with ``!`` ends the connection.
"""

from __future__ import annotations

from core.model.errors import Malformed, RemoteFault
from core.model.wire import CLOSE, MESSAGES, PING, Entropy

MAX_LINE = 1 << 16
TEXT = MESSAGES[0]


class TextLines:
    """Implements ``core.model.wire.WireProtocol``."""

    def __init__(self, entropy: Entropy) -> None:
        """``entropy`` is of no use here: nothing is masked."""
        self.fault: RemoteFault | None = None
        self._rest = b""

    def receive(self, data: bytes) -> list[tuple[int, bytes]]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE:
            self.fault = Malformed(f"a line of more than {MAX_LINE} bytes")
        kinds = {b"?": PING, b"!": CLOSE}
        return [
            (kinds[line[:1]], line[1:]) if line[:1] in kinds else (TEXT, line)
            for line in lines
            if line
        ]

    def message(self, body: bytes) -> bytes:
        return body + b"\n"

    def pong(self, payload: bytes) -> bytes:
        return b"=" + payload + b"\n"

    def farewell(self) -> bytes:
        return b"!\n"

    def reason(self, payload: bytes) -> str:
        return f"closed by the venue: {payload.decode(errors='replace')}"
