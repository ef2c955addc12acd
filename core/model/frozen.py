"""Bases of values, for modules that may be compiled (``docs/compiled.md``).

mypyc hands no class keywords on to a metaclass: of ``class Limits(Struct, frozen=True)`` a compiled
module keeps the ``Struct`` and loses ``frozen``. What is inherited stays. No class lives here that
means anything.
"""

from __future__ import annotations

from msgspec import Struct


class Frozen(Struct, frozen=True, gc=False):
    """A Struct whose fields cannot be set, and which cannot be part of a cycle."""


class Untracked(Struct, gc=False, eq=False):
    """A Struct that is itself alone, whose fields can be set, and which is never part of a cycle.

    The garbage collector does not know of it, so that keeping thousands costs no collection
    anything. That no cycle can come of its fields is for the class to promise and a test to prove.
    """
