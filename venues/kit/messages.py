"""The one boundary of decoding: whatever is wrong with a message is ``Malformed`` or ``Drifted``.

Here lives what becomes of a failed decoding. A venue states its messages as wire Structs of the
fields that it needs: an unknown field is skipped, one that misses or changes its type is drift.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn, TypeVar

import msgspec
from msgspec import Raw, Struct

from core.model.errors import Drifted, Malformed

S = TypeVar("S", bound=Struct)


def decoder(kind: type[S]) -> Callable[[bytes | Raw], S]:
    """Return the decoding function of a wire Struct."""
    return msgspec.json.Decoder(kind).decode


FAILURES = (ValueError, RecursionError)
"""What a decoding raises where it fails: msgspec's own errors and ``UnicodeDecodeError`` are of the
first kind, and what is nested too deep is of the second."""


def refuse(error: Exception) -> NoReturn:
    """Raise what a failed decoding means: ``Drifted`` for legal JSON, ``Malformed`` for none."""
    if isinstance(error, msgspec.ValidationError):
        raise Drifted(f"message is not as documented: {error}") from error
    raise Malformed(f"not a JSON message: {error}") from error
