"""Binance's signatures: HMAC-SHA256 with a secret, Ed25519 with a private key in PEM.

Here lives the secret, and only here; it is in no message, no ``repr`` and no error. WebSocket
requests are signed over their sorted parameters without percent-encoding, REST requests over the
query string as it is sent.

Source: web-socket-api.md "Request security" and rest-api.md "SIGNED Endpoint security" at a5e0bc3
(2026-07-21).
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Final

from core.model.errors import BadConfig
from core.model.venue import Credentials, HttpAnswer, HttpRequest, KeyField, Signed, WireRequest
from venues.kit import signing
from venues.kit.forms import escaped

_API_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


API_KEY: Final = KeyField(
    name="api_key", what='the API key, as "API Management" at the venue shows it', secret=False
)
API_SECRET: Final = KeyField(
    name="api_secret", what="the secret of an HMAC key, shown once when it is made", secret=True
)
PRIVATE_KEY: Final = KeyField(
    name="private_key",
    what="the PEM file of the Ed25519 private key whose public half the venue was given",
    secret=True,
    pem=True,
)
KEY_FIELDS: Final = ((API_KEY,), (API_SECRET, PRIVATE_KEY))


def logs_on(keys: Credentials) -> bool:
    """Whether a session can be logged on with these keys: with Ed25519 keys only."""
    return PRIVATE_KEY.name in keys.fields


class KeySigner:
    """Signs for one API key."""

    __slots__ = ("_headers", "_key", "_sign")

    in_order: Final = False
    """A request is judged by its timestamp, whatever came before it."""

    def __init__(self, keys: Credentials) -> None:
        """Raises ``BadConfig`` when key or secret cannot be used; it never quotes them."""
        api_key = keys.fields[API_KEY.name]
        if not _API_KEY.fullmatch(api_key):
            raise BadConfig("API key: letters and digits are allowed; see the venue's key page")
        self._key = api_key.encode()
        self._headers = {"X-MBX-APIKEY": api_key}
        self._sign: signing.Sign = (
            _ed25519(keys.fields[PRIVATE_KEY.name])
            if logs_on(keys)
            else _hmac_sha256(keys.fields[API_SECRET.name])
        )

    def __repr__(self) -> str:
        return "<KeySigner>"

    def wire(self, request: WireRequest) -> bytes:
        """Return the body with key and signature in it, or as it is where nothing is to be signed.

        ``apiKey`` is signed too; it is first in the alphabet among all parameters we send.
        """
        if not request.signing:
            return request.body
        signature = self._sign(b"apiKey=%b&%b" % (self._key, request.signing))
        body, cut = request.body, request.cut
        return b'%b,"apiKey":"%b","signature":"%b"%b' % (
            body[:cut],
            self._key,
            signature,
            body[cut:],
        )

    def rest(self, request: HttpRequest, now_ns: int) -> Signed:
        """Return it with the key in a header and the signature in the query, which has the time."""
        signature = escaped(self._sign(request.query.encode()).decode())
        return Signed(f"{request.target}&signature={signature}", self._headers)

    def take(self, request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        """Return the answer as it is: no answer of this venue holds a secret."""
        return answer

    def keep(self, field: str, value: bytes) -> None:
        """Keep nothing: this venue hands no secret out."""


def _hmac_sha256(secret: str) -> signing.Sign:
    if not secret or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise BadConfig("API secret: expected one line of ASCII text without blanks")
    return signing.hmac_hex(secret.encode())


def _ed25519(pem: str) -> signing.Sign:
    sign = signing.ed25519(pem)
    return lambda payload: b64encode(sign(payload))
