"""Client order ids: one scheme for venues that take any text, one for those that give little room.

Both begin with what is the scope's, then with what is the boot's; the number comes last. Nothing
here is random: a boot's seed is handed in, so that a replay gives the same ids.
"""

from __future__ import annotations

import hashlib
import string
from typing import Final

from msgspec import Struct

from core.model.errors import Misuse

SEED_MASK: Final = 0xFFFFFF
"""Of a boot's seed so much is told: boots are counted by run folder, and a scope may have several
folders."""


class Prefixed:
    """Ids that begin with the scope as it is: ``scope-boot-seed-number`` in readable text."""

    __slots__ = ("marker", "scope")

    def __init__(self, scope: str, boot: int, seed: int = 0) -> None:
        self.scope = scope
        self.marker = f"{scope}{boot:x}-{seed & SEED_MASK:x}-"

    def next(self, n: int) -> str:
        return f"{self.marker}{n}"

    def is_ours(self, client_order_id: str) -> bool:
        return client_order_id.startswith(self.scope)

    def is_of_this_boot(self, client_order_id: str) -> bool:
        return client_order_id.startswith(self.marker)


class Layout(Struct, frozen=True, kw_only=True):
    """How the places of an id of fixed length are shared out."""

    alphabet: str
    scope: int
    """A digest of the scope: others' ids begin like it with a chance below one in 2^24."""
    boot: int
    seed: int
    number: int


TEXT_18: Final = Layout(
    alphabet=string.digits + string.ascii_letters, scope=5, boot=3, seed=4, number=6
)
"""18 letters and digits: 238,327 boots of a folder, and 5 * 10^10 orders in each."""

HEX_128: Final = Layout(alphabet="0123456789abcdef", scope=8, boot=6, seed=6, number=12)
"""128 bits, as a UUID without its hyphens has them."""


class Fixed:
    """Ids of a fixed length, filled up to it."""

    __slots__ = ("_layout", "_length", "_marker", "_scope")

    def __init__(self, layout: Layout, scope: str, boot: int, seed: int) -> None:
        """Raises ``Misuse`` where boots have been counted beyond what their places hold."""
        self._layout = layout
        digest = int.from_bytes(hashlib.sha256(scope.encode()).digest())
        alphabet = layout.alphabet
        self._scope = _digits(digest % len(alphabet) ** layout.scope, layout.scope, alphabet)
        told = (seed & SEED_MASK) % len(alphabet) ** layout.seed
        boots = _digits(boot, layout.boot, alphabet)
        self._marker = self._scope + boots + _digits(told, layout.seed, alphabet)
        self._length = len(self._marker) + layout.number

    def next(self, n: int) -> str:
        return self._marker + _digits(n, self._layout.number, self._layout.alphabet)

    def is_ours(self, client_order_id: str) -> bool:
        return len(client_order_id) == self._length and client_order_id.startswith(self._scope)

    def is_of_this_boot(self, client_order_id: str) -> bool:
        return len(client_order_id) == self._length and client_order_id.startswith(self._marker)


def _digits(value: int, places: int, alphabet: str) -> str:
    digits = []
    for _ in range(places):
        value, digit = divmod(value, len(alphabet))
        digits.append(alphabet[digit])
    if value:
        raise Misuse(f"client order ids have {places} places for a number that has grown beyond")
    return "".join(reversed(digits))
