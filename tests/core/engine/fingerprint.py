"""A fingerprint of everything that an object leads to: two are alike where nothing has changed.

What is walked is data: containers, and the attributes of instances of our own classes, wherever
they lie. What cannot hold a state of a run (functions, classes, modules) is left out.
"""

from __future__ import annotations

import hashlib
import types
from collections import deque
from enum import Enum
from random import Random
from typing import Any

from msgspec import Struct

_ATOMS = (type(None), bool, int, float, str, bytes, Enum)
_LEFT_OUT = (
    *(type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType),
    *(types.MethodWrapperType, types.MethodDescriptorType),
)


def count(root: object) -> int:
    """Return how many things that are no atoms an object leads to."""
    return _walked(root)[1]


def fingerprint(root: object) -> str:
    """Return the fingerprint of an object and all that it leads to."""
    return _walked(root)[0]


def _walked(root: object) -> tuple[str, int]:
    seen: dict[int, int] = {}
    digest = hashlib.sha256()
    waiting: list[Any] = [root]
    kept: list[Any] = []  # whatever is made here must outlive the ids that were noted
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, _LEFT_OUT):
            continue
        if isinstance(thing, _ATOMS):
            digest.update(f"{thing!r};".encode())
            continue
        if id(thing) in seen:
            digest.update(f"@{seen[id(thing)]};".encode())
            continue
        seen[id(thing)] = len(seen)
        kept.append(thing)
        digest.update(f"{type(thing).__qualname__}(".encode())
        waiting.extend(reversed(_parts(thing)))
    return digest.hexdigest(), len(seen)


def _parts(thing: Any) -> list[Any]:
    if isinstance(thing, Random):
        return [thing.getstate()]
    if isinstance(thing, dict):
        return [part for pair in thing.items() for part in pair]
    if isinstance(thing, list | tuple | deque):
        return list(thing)
    if isinstance(thing, set | frozenset):
        return sorted(map(repr, thing))
    if isinstance(thing, bytearray | memoryview):
        return [bytes(thing)]
    if isinstance(thing, types.MethodType):
        return [thing.__self__]
    if isinstance(thing, Struct):
        return [getattr(thing, name) for name in thing.__struct_fields__]
    names = [
        name
        for kind in type(thing).__mro__
        for fields in ("__slots__", "__mypyc_attrs__")  # a compiled class has the latter alone
        for name in getattr(kind, fields, ())
    ]
    found = [getattr(thing, name, None) for name in names if name != "__weakref__"]
    return [*found, *(vars(thing).items() if hasattr(thing, "__dict__") else ())]
