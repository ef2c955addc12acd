"""Signatures over bytes: HMAC with a prepared key, Ed25519 with a private key in PEM.

Here live the algorithms; what is signed, and where the signature goes, is the venue's. A key is in
the function that is returned and nowhere else: no error quotes one.

Source: RFC 2104 (HMAC), RFC 8032 (Ed25519), RFC 8410 (its PEM).
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from core.model.errors import BadConfig

Sign = Callable[[bytes], bytes]
"""Returns the signature of a payload."""

_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


def hmac_digest(key: bytes, hashed: Callable[..., Any] = sha256) -> Sign:
    """Return HMAC as raw bytes over states prepared with the key: a third of the usual time."""
    inner, outer = _states(key, hashed)

    def sign(payload: bytes) -> bytes:
        within, around = inner.copy(), outer.copy()
        within.update(payload)
        around.update(within.digest())
        digest: bytes = around.digest()
        return digest

    return sign


def hmac_hex(key: bytes, hashed: Callable[..., Any] = sha256) -> Sign:
    """Return HMAC as lower-case hexadecimal digits, in as little time."""
    inner, outer = _states(key, hashed)

    def sign(payload: bytes) -> bytes:
        within, around = inner.copy(), outer.copy()
        within.update(payload)
        around.update(within.digest())
        digits: bytes = around.hexdigest().encode()
        return digits

    return sign


def _states(key: bytes, hashed: Callable[..., Any]) -> tuple[Any, Any]:
    """Return the hash after its first block, for the message and for what comes of it."""
    size: int = hashed().block_size
    block = (key if len(key) <= size else hashed(key).digest()).ljust(size, b"\0")
    return hashed(block.translate(_INNER)), hashed(block.translate(_OUTER))


def ed25519(pem: str) -> Sign:
    """Return Ed25519 as the 64 bytes of a signature.

    Raises ``BadConfig`` for anything but such a private key in PEM without a password.
    """
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadConfig(
            "private key: not one in PEM without a password "
            f"({type(error).__name__}); make one with: openssl genpkey -algorithm ed25519"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadConfig(
            f"private key: it is of type {type(key).__name__}; allowed are Ed25519 private keys "
            "in PEM: openssl genpkey -algorithm ed25519"
        )
    return key.sign
