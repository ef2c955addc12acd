"""Who may ask: signatures and the timing rule (rest-api.md, web-socket-api.md).

Pure checks; the caller brings the payload that was signed and the time of receipt.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from venues.sim.binance import errors
from venues.sim.binance.keys import ApiKey, Ed25519Key
from venues.sim.binance.parameters import FIRST_MICROSECOND_STAMP, recv_window_us

_API_KEY: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_TIMESTAMP: Final = re.compile(r"[0-9]{1,20}", re.ASCII)
_SIGNATURE_PAIR: Final = re.compile(r"(?:^|&)signature=[^&]*")

_AHEAD_US: Final = 1_000_000


def find_key(keys: Mapping[str, ApiKey], api_key: str | None) -> ApiKey:
    """Return the key of that name; raise -2014 when it has no legal form, -2015 when unknown."""
    if not api_key or _API_KEY.fullmatch(api_key) is None:
        raise errors.bad_key_format()
    key = keys.get(api_key)
    if key is None:
        raise errors.rejected_key()
    return key


def check_time(values: Mapping[str, str], now_ns: int) -> None:
    """Apply the timing rule to ``timestamp`` and ``recvWindow``; raise -1021 outside it."""
    text = values.get("timestamp")
    if not text:
        raise errors.missing("timestamp")
    if _TIMESTAMP.fullmatch(text) is None:
        raise errors.illegal_characters("timestamp", errors.INTEGER_TEXT)
    stamp = int(text)
    stamp_us = stamp if stamp >= FIRST_MICROSECOND_STAMP else stamp * 1000
    window_us = recv_window_us(values.get("recvWindow"))
    # A millisecond stamp names its whole millisecond, so the server rounds likewise.
    now_us = now_ns // 1000 if stamp >= FIRST_MICROSECOND_STAMP else now_ns // 1_000_000 * 1000
    if stamp_us >= now_us + _AHEAD_US:
        raise errors.ahead_of_server()
    if now_us - stamp_us > window_us:
        raise errors.outside_recv_window()


def check_signature(key: ApiKey, payload: bytes, signature: str | None) -> None:
    """Raise -1102 when there is no signature, -1022 when it is not ``key``'s over ``payload``."""
    if not signature:
        raise errors.missing("signature")
    if isinstance(key, Ed25519Key):
        _check_ed25519(key, payload, signature)
        return
    expected = hmac.new(key.secret, payload, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), signature.lower().encode()):
        raise errors.bad_signature()


def rest_payload(query: str, body: str) -> bytes:
    """Return what a REST request signs: query string and body as sent, without ``signature``."""
    return (_SIGNATURE_PAIR.sub("", query) + _SIGNATURE_PAIR.sub("", body)).encode()


def sorted_payload(values: Mapping[str, str]) -> bytes:
    """Return what a WebSocket API request signs: all parameters but ``signature``, by name."""
    pairs = sorted((name, value) for name, value in values.items() if name != "signature")
    return "&".join(f"{name}={value}" for name, value in pairs).encode()


def _check_ed25519(key: Ed25519Key, payload: bytes, signature: str) -> None:
    try:
        raw = base64.b64decode(signature, validate=True)
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(raw, payload)
    except (binascii.Error, ValueError, InvalidSignature):
        raise errors.bad_signature() from None
