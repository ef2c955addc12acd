"""The base of values that never change and whose module may be compiled (``docs/compiled.md``).

mypyc hands no class keywords on to a metaclass: of ``class Limits(Struct, frozen=True)`` a compiled
module keeps the ``Struct`` and loses ``frozen``. What is inherited stays. No class lives here that
means anything.
"""

from __future__ import annotations

from msgspec import Struct


class Frozen(Struct, frozen=True, gc=False):
    """A Struct whose fields cannot be set, and which cannot be part of a cycle."""
