"""The source of a strategy as a digest: whether what is replayed is what had run.

Here is said which files are a strategy's own: the module of its class, and what that uses of the
modules that lie beside it. What the application itself is made of is its version's to say.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from core.model.strategy import Strategy


def source_digest(kind: type[Strategy[Any]]) -> str:
    """Return a SHA-256 of a strategy's own modules, "" where their source cannot be read."""
    digest = hashlib.sha256()
    try:
        for module in _own_modules(kind):
            digest.update(f"{module.__name__}\0".encode())
            digest.update(Path(str(module.__file__)).read_bytes())
    except OSError:
        return ""
    return digest.hexdigest()


def _own_modules(kind: type[Strategy[Any]]) -> list[ModuleType]:
    """Return the modules of a strategy, by name."""
    first = sys.modules[kind.__module__]
    if first.__file__ is None:
        return []
    home = Path(first.__file__).parent
    found = {first.__name__: first}
    waiting = [first]
    while waiting:
        for module in _used(waiting.pop()):
            lies_in = Path(getattr(module, "__file__", None) or "/").parent
            if module.__name__ not in found and lies_in.is_relative_to(home):
                found[module.__name__] = module
                waiting.append(module)
    return [found[name] for name in sorted(found)]


def _used(module: ModuleType) -> Iterator[ModuleType]:
    """Yield the modules whose names, classes or functions a module has among its own names."""
    for value in list(vars(module).values()):
        name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", "")
        used = sys.modules.get(name) if isinstance(name, str) else None
        if used is not None:
            yield used
