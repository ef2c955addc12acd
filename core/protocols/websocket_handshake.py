"""The WebSocket opening handshake for a client, as pure functions of bytes (RFC 6455, 4.1).

Here lives what happens before the first frame: the upgrade request, the verdict on the server's
answer, and the negotiation of permessage-deflate (RFC 7692, 7.1). HTTP/1.1 itself is h11's. What
never does: sockets, clocks and randomness; the caller brings the nonce.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import h11

from core.model.errors import ConnectionLost, HandshakeRefused, Malformed, Misuse
from core.model.wording import web_page
from core.protocols.websocket import DeflateParams

__all__ = ["ClientHandshake", "UpgradeRefused", "Upgraded"]

Headers = Sequence[tuple[bytes, bytes]]

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_NONCE_BYTES: Final = 16  # RFC 6455, 4.1

# Everything before the first frame. Venues answer in under 1 KiB; a CDN's cookies and policies
# take a few more; h11's own limit is 16 KiB too.
_MAX_HEAD_BYTES: Final = 16 * 1024
# Of a refusal's body: a venue's JSON error or the first lines of a CDN's page.
_MAX_BODY_BYTES: Final = 1024

_blank_line = re.compile(rb"\n\r?\n")
_EXTENSION: Final = "permessage-deflate"
_window_bits = re.compile(r"8|9|1[0-5]")  # RFC 7692, 7.1.2: no leading zeros
_delay_seconds = re.compile(rb"[0-9]{1,9}")


class UpgradeRefused(HandshakeRefused):
    """The server answered the upgrade with a status of its own instead of 101.

    Besides ``status`` and ``retry_after_s``: its ``headers``, names in lower case, and ``body``,
    the first 1,024 bytes of what it said.
    """

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        said = web_page(status, body) or body.decode("utf-8", "replace").strip()
        super().__init__(
            f"the server refused the upgrade with status {status}" + (f": {said}" if said else ""),
            status=status,
            retry_after_s=_retry_after_s(headers),
        )
        self.headers = headers
        self.body = body

    @property
    def texts(self) -> dict[str, str]:
        """The headers as ``core.model.venue.HttpAnswer`` has them."""
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in self.headers}


@dataclass(frozen=True, slots=True)
class Upgraded:
    """An open session: what was agreed, and the bytes of its first frames read with the answer."""

    headers: Headers
    deflate: DeflateParams | None
    subprotocol: str | None
    leftover: bytes


class ClientHandshake:
    """One dial: send ``request``, then feed ``receive`` until it returns an ``Upgraded``.

    ``host`` is the Host header (with the port, where it is not the scheme's own), ``target`` path
    and query, ``nonce`` 16 fresh random bytes, ``deflate`` what to offer. An offered
    ``server_no_context_takeover`` or a server window below 15 is a demand: an answer without it
    is refused. Raises ``Misuse`` for what cannot be written as HTTP.
    """

    def __init__(
        self,
        *,
        host: str,
        target: str,
        nonce: bytes,
        deflate: DeflateParams | None = None,
        subprotocols: Sequence[str] = (),
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        if len(nonce) != _NONCE_BYTES:
            raise Misuse(f"the nonce takes {_NONCE_BYTES} bytes, not {len(nonce)}")
        key = base64.b64encode(nonce)
        digest = hashlib.sha1(key + _GUID, usedforsecurity=False).digest()
        self._accept = base64.b64encode(digest)
        self._offer = deflate
        self._subprotocols = subprotocols
        self._http = h11.Connection(h11.CLIENT)
        self._received = bytearray()  # at most _MAX_HEAD_BYTES of it are looked at
        self._head_bytes = 0
        self._refusal: h11.Response | None = None
        self._body = b""
        lines = [("Host", host), ("Upgrade", "websocket"), ("Connection", "Upgrade")]
        lines += [("Sec-WebSocket-Key", key.decode()), ("Sec-WebSocket-Version", "13")]
        if subprotocols:
            lines.append(("Sec-WebSocket-Protocol", ", ".join(subprotocols)))
        if deflate is not None:
            lines.append(("Sec-WebSocket-Extensions", _offered(deflate)))
        self.request = self._write(target, [*lines, *headers])

    def _write(self, target: str, headers: list[tuple[str, str]]) -> bytes:
        try:
            request = h11.Request(method="GET", target=target, headers=headers)
            written = self._http.send(request)
            self._http.send(h11.EndOfMessage())
        except (h11.LocalProtocolError, UnicodeEncodeError) as error:
            raise Misuse(f"the upgrade request cannot be written as HTTP: {error}") from error
        return written or b""

    def receive(self, data: bytes) -> Upgraded | None:
        """Take bytes of the answer; ``b""`` says that the server hung up.

        None: more is needed. Not to be called again after it returned or raised. Raises
        ``UpgradeRefused`` (legal HTTP, but no), ``Malformed`` (no legal answer to what was asked)
        or ``ConnectionLost`` (hung up before it answered).
        """
        self._received += data
        while self._refusal is None:
            answer = self._next_head()
            if answer is None:
                if not data:
                    raise ConnectionLost("the server hung up before it answered the upgrade")
                return None
            if isinstance(answer, h11.Response):
                self._refusal = answer
            elif answer.status_code == 101:
                return self._judge(list(answer.headers), bytes(self._received))
        self._read_body(self._refusal, hung_up=not data)
        return None

    def _next_head(self) -> h11.InformationalResponse | h11.Response | None:
        """The next status line with its headers, cut off the bytes received; None: not whole."""
        # The search starts again at every read: bounded, at most 16 KiB are ever looked at.
        room = _MAX_HEAD_BYTES - self._head_bytes
        blank = _blank_line.search(self._received, 0, room)
        if blank is None:
            if len(self._received) >= room:
                raise Malformed(f"answer to the upgrade of more than {_MAX_HEAD_BYTES} bytes")
            return None
        self._head_bytes += blank.end()
        head = bytes(self._received[: blank.end()])
        del self._received[: blank.end()]
        try:
            self._http.receive_data(head)
            event = self._http.next_event()
        except h11.RemoteProtocolError as error:
            raise Malformed(f"answer to the upgrade is not HTTP/1.1: {error}") from error
        if not isinstance(event, h11.InformationalResponse | h11.Response):
            raise Malformed("answer to the upgrade is not HTTP/1.1: no status line")
        return event

    def _read_body(self, refusal: h11.Response, *, hung_up: bool) -> None:
        """Raise the refusal once its body, or enough of it, is here."""
        whole = hung_up
        try:
            if self._received:
                self._http.receive_data(bytes(self._received))
                self._received.clear()
            while isinstance(event := self._http.next_event(), h11.Data):
                self._body = (self._body + event.data)[:_MAX_BODY_BYTES]
                if len(self._body) == _MAX_BODY_BYTES:
                    whole = True
                    break
            whole = whole or event is not h11.NEED_DATA
        except h11.RemoteProtocolError:
            whole = True  # broken framing of a body: what came before it is still worth reading
        if whole:
            raise UpgradeRefused(refusal.status_code, list(refusal.headers), self._body)

    def _judge(self, headers: Headers, leftover: bytes) -> Upgraded:
        """RFC 6455, 4.1: the six rules for a 101."""
        if [value.lower() for value in _values(headers, b"upgrade")] != [b"websocket"]:
            raise Malformed("the upgrade's answer lacks 'Upgrade: websocket'")
        connection = b",".join(_values(headers, b"connection")).lower().split(b",")
        if b"upgrade" not in {token.strip() for token in connection}:
            raise Malformed("the upgrade's answer lacks 'Connection: Upgrade'")
        if _values(headers, b"sec-websocket-accept") != [self._accept]:
            raise Malformed("the upgrade's Sec-WebSocket-Accept does not match the key sent")
        return Upgraded(
            headers=headers,
            deflate=_agreed(self._offer, _values(headers, b"sec-websocket-extensions")),
            subprotocol=self._chosen_subprotocol(_values(headers, b"sec-websocket-protocol")),
            leftover=leftover,
        )

    def _chosen_subprotocol(self, values: list[bytes]) -> str | None:
        if not values:
            return None
        chosen = b",".join(values).decode("latin-1")
        if chosen not in self._subprotocols:
            raise Malformed(f"the server chose subprotocol {chosen!r}, which was not offered")
        return chosen


def _values(headers: Headers, name: bytes) -> list[bytes]:
    return [value for key, value in headers if key == name]


def _retry_after_s(headers: Headers) -> int | None:
    """The seconds form of Retry-After (RFC 9110, 10.2.3); a date would need a clock."""
    values = _values(headers, b"retry-after")
    if len(values) == 1 and _delay_seconds.fullmatch(values[0]):
        return int(values[0])
    return None


# -- permessage-deflate (RFC 7692, 7.1) --------------------------------------------------------


def _offered(offer: DeflateParams) -> str:
    parts = [_EXTENSION]
    if offer.server_no_context_takeover:
        parts.append("server_no_context_takeover")
    if offer.client_no_context_takeover:
        parts.append("client_no_context_takeover")
    if offer.server_max_window_bits < 15:
        parts.append(f"server_max_window_bits={offer.server_max_window_bits}")
    # Always said: it tells the server that it may ask us for a smaller window.
    parts.append(f"client_max_window_bits={offer.client_max_window_bits}")
    return "; ".join(parts)


def _agreed(offer: DeflateParams | None, values: list[bytes]) -> DeflateParams | None:
    """What the server accepted of the offer; ``Malformed`` if it is not among what was offered."""
    if not values:
        return None
    text = b",".join(values).decode("latin-1")
    name, *pieces = (piece.strip() for piece in text.split(";"))
    if offer is None or name.lower() != _EXTENSION:
        raise Malformed(f"the server chose extension {text!r}, which was not offered")
    given: dict[str, str | None] = {}
    for piece in pieces:
        key, equals, value = piece.partition("=")
        key = key.rstrip().lower()
        if key in given:
            raise Malformed(f"the server's {_EXTENSION} says {key} twice")
        given[key] = value.strip().removeprefix('"').removesuffix('"') if equals else None
    params = DeflateParams(
        server_no_context_takeover=_flag(given, "server_no_context_takeover"),
        client_no_context_takeover=_flag(given, "client_no_context_takeover")
        or offer.client_no_context_takeover,
        server_max_window_bits=_bits(
            given, "server_max_window_bits", absent=15, at_most=offer.server_max_window_bits
        ),
        client_max_window_bits=_bits(
            given,
            "client_max_window_bits",
            absent=offer.client_max_window_bits,
            at_most=offer.client_max_window_bits,
        ),
    )
    if given:
        raise Malformed(f"the server's {_EXTENSION} has an unknown parameter {min(given)!r}")
    if offer.server_no_context_takeover and not params.server_no_context_takeover:
        raise Malformed(f"the server's {_EXTENSION} lacks server_no_context_takeover")
    return params


def _flag(given: dict[str, str | None], key: str) -> bool:
    if key not in given:
        return False
    if given.pop(key) is not None:
        raise Malformed(f"the server's {_EXTENSION} gives {key} a value")
    return True


def _bits(given: dict[str, str | None], key: str, *, absent: int, at_most: int) -> int:
    bits = absent
    if key in given:
        value = given.pop(key)
        if value is None or not _window_bits.fullmatch(value):
            raise Malformed(f"the server's {_EXTENSION} has {key}={value}; allowed are 8 to 15")
        bits = int(value)
    if bits > at_most:
        raise Malformed(
            f"the server's {_EXTENSION} has {key}={bits}; at most {at_most} was offered"
        )
    return bits
