"""API keys of this venue, and how their requests are signed (guide Spot REST Authentication)."""

import base64
import binascii
import hashlib
import hmac
from typing import ClassVar, Final

from venues.sim.accounts import Account
from venues.sim.keys import Key
from venues.sim.kraken import words
from venues.sim.kraken.words import ApiError

FUNDS: Final = "query-funds"
OPEN: Final = "query-open-orders"
CLOSED: Final = "query-closed-orders"
MODIFY: Final = "modify-orders"
CANCEL: Final = "cancel-orders"
SOCKETS: Final = "websockets"

# A nonce is an unsigned number of 64 bits.
_LARGEST_NONCE: Final = 2**64 - 1


class ApiKey(Key):
    """A key with a secret in base64, and the largest nonce it has been used with."""

    __slots__ = ("nonce", "secret")

    ALL: ClassVar = frozenset({FUNDS, OPEN, CLOSED, MODIFY, CANCEL, SOCKETS})

    def __init__(self, api_key: str, account: Account, secret: str) -> None:
        super().__init__(api_key, account)
        self.secret = base64.b64decode(secret, validate=True)
        self.nonce = 0

    def check(self, path: str, nonce: str, body: str, signature: str) -> None:
        """Raise what is wrong with a request's signature or nonce; remember the nonce."""
        expected = sign(self.secret, path, nonce, body)
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise ApiError(words.INVALID_SIGNATURE)
        value = int(nonce) if nonce.isdecimal() and len(nonce) <= 20 else -1
        if not self.nonce < value <= _LARGEST_NONCE:
            raise ApiError(words.INVALID_NONCE)
        self.nonce = value


def sign(secret: bytes, path: str, nonce: str, body: str) -> str:
    """Return ``API-Sign``: HMAC-SHA512 over the path and SHA256 of nonce and body, in base64."""
    digest = hashlib.sha256((nonce + body).encode()).digest()
    signed = hmac.new(secret, path.encode() + digest, hashlib.sha512).digest()
    return base64.b64encode(signed).decode()


def is_secret(text: str) -> bool:
    """Whether a text may be a secret of this venue."""
    try:
        return bool(base64.b64decode(text, validate=True))
    except binascii.Error:
        return False
