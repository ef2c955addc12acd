"""Kraken's signature, its nonce, and the token that its WebSocket requests carry.

Here live the secret and the token, and only here; they are in no message, no ``repr`` and no error.
A REST request is signed over its path and body, which has the nonce; a WebSocket request is not
signed, and carries the token of the session, which REST gave.

Sources: docs.kraken.com, "Spot REST Authentication", "Get Websockets Token" (pages of 2026-05-27).
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from hashlib import sha256, sha512
from typing import Final

from msgspec import Struct

from core.model.errors import BadConfig
from core.model.units import NS_PER_US
from core.model.venue import Credentials, HttpAnswer, HttpRequest, KeyField, Signed, WireRequest
from venues.kit import forms, messages, signing

_API_KEY: Final = re.compile(r"[!-~]{1,128}", re.ASCII)
"""One word, as a header can have it; the venue's are base64."""
_TOKEN: Final = re.compile(rb"[A-Za-z0-9+/=_-]{1,512}")
"""What may stand in a JSON text as it is; the documented examples are base64."""

API_KEY: Final = KeyField(
    name="api_key", what='the API key, as "Settings, API" at the venue shows it', secret=False
)
API_SECRET: Final = KeyField(
    name="api_secret", what="the private key in base64, shown once when it is made", secret=True
)
KEY_FIELDS: Final = ((API_KEY,), (API_SECRET,))

TOKEN_PATH: Final = "/0/private/GetWebSocketsToken"  # noqa: S105 (a path)

REFUSED_NONCE: Final = b'{"error":["EAPI:Invalid nonce'
"""How an answer begins that refuses a nonce. It does not say which one would be taken: whoever used
the key before may have had a clock that was ahead of ours, we ourselves before it was set back.
"""

LEAST_LEAP_US: Final = 1_000_000
LONGEST_LEAP_US: Final = 86_400 * 1_000_000
LEAP_FACTOR: Final = 8
"""By how much a nonce leaps once one was refused, and how much further each time: an hour is made
good with the fifth, a day with the seventh, and a clock that is a second off is not run away from.
What leaps further at once would shut out whoever else uses the key."""

TOKEN: Final = "token"  # noqa: S105 (the name of a field)
"""The field of an answer that has it."""

UNREADABLE: Final = b'{"error":["(an answer that may hold a token, and could not be read)"]}'


class _Granted(Struct, frozen=True, gc=False):
    token: str = ""
    expires: int = 0


class _TokenAnswer(Struct, frozen=True, gc=False):
    error: list[str]
    result: _Granted = _Granted()


_read_token = messages.decoder(_TokenAnswer)


class KeySigner:
    """Signs for one API key, and keeps its session's token."""

    __slots__ = ("_key", "_leap_us", "_nonce", "_sign", "_token")

    in_order: Final = True
    """A nonce is refused once a higher one has arrived."""

    def __init__(self, keys: Credentials) -> None:
        """Raises ``BadConfig`` when key or secret cannot be used; it never quotes them."""
        self._key = keys.fields[API_KEY.name]
        if not _API_KEY.fullmatch(self._key):
            raise BadConfig("API key: expected one word, as the venue shows it")
        try:
            secret = b64decode(keys.fields[API_SECRET.name], validate=True)
        except ValueError:
            secret = b""
        if not secret:
            raise BadConfig("API secret: it is base64, as the venue shows it")
        self._sign: signing.Sign = signing.hmac_digest(secret, sha512)
        self._nonce = 0
        self._leap_us = LEAST_LEAP_US
        self._token = b""

    def __repr__(self) -> str:
        return "<KeySigner>"

    def wire(self, request: WireRequest) -> bytes:
        """Return the body with the token where it goes, or as it is where none is wanted.

        Without a token yet the venue refuses it, as it would refuse one that has expired.
        """
        if not request.signing:
            return request.body
        body, cut = request.body, request.cut
        return b"%b%b%b" % (body[:cut], self._token, body[cut:])

    def rest(self, request: HttpRequest, now_ns: int) -> Signed:
        """Return it with a nonce at the head of its form, and the signature beside the key.

        The nonce counts microseconds, and one further where that is not above the last.
        """
        self._nonce = max(self._nonce + 1, now_ns // NS_PER_US)
        nonce = b"%d" % self._nonce
        body = b"nonce=%b&%b" % (nonce, request.body) if request.body else b"nonce=%b" % nonce
        digest = sha256(nonce + body).digest()
        signature = b64encode(self._sign(request.path.encode() + digest)).decode()
        headers = {"Content-Type": forms.FORM, "API-Key": self._key, "API-Sign": signature}
        return Signed(request.target, {**request.headers, **headers}, body)

    def take(self, request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        """Return an answer; of one that should hold a token and is not as documented, nothing.

        After one that refuses the nonce the next is further ahead, by more each time.
        """
        if answer.body.startswith(REFUSED_NONCE):
            self._nonce += self._leap_us
            self._leap_us = min(LEAP_FACTOR * self._leap_us, LONGEST_LEAP_US)
        elif answer.status == 200:
            self._leap_us = LEAST_LEAP_US
        if request.path != TOKEN_PATH or answer.status == 0:
            return answer
        try:
            _read_token(answer.body)
        except messages.FAILURES:
            return answer._replace(body=UNREADABLE)
        return answer

    def keep(self, field: str, value: bytes) -> None:
        """Keep the token of the session; one that cannot stand in a request is none."""
        if field == TOKEN and _TOKEN.fullmatch(value):
            self._token = value
