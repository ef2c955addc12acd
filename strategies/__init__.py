"""Strategies: what to trade, and nothing about how.

Here live the built-in strategies and the one way to find a strategy by its name. A strategy sees
``core.model.strategy`` and the words of core (units, instruments, events, commands, views), and
does all it does through its desk: no await, no clock, no file, no socket, no random source of its
own.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import traceback
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any, Final

from core.model import strategy
from core.model.config import discreet
from core.model.errors import BadConfig, HotloopError
from core.model.strategy import Strategy

BUILT_IN = MappingProxyType(
    {
        "maker": "strategies.maker:Maker",
        "observer": "strategies.observer:Observer",
        "taker": "strategies.taker:Taker",
    }
)
"""Where each built-in strategy lives, by its name."""

_PACKAGE: Final = strategy.__file__.removesuffix("strategy.py")
"""Where core lies: a strategy's own line is in none of its files."""


def find(name: str, file: str) -> type[Strategy[Any]]:
    """Return the strategy class of a built-in name or of ``module:Class``.

    ``file`` is the configuration that names it, for messages. Raises ``BadConfig`` when there is
    none, or when its module cannot be imported.
    """
    reference = BUILT_IN.get(name, name)
    module_name, colon, class_name = reference.partition(":")
    if not colon:
        near = difflib.get_close_matches(name, BUILT_IN, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise BadConfig(
            f'{file}: strategy.name = "{discreet(name)}": no such strategy; {hint}'
            f'(built in: {", ".join(BUILT_IN)}; your own: "module:Class")'
        )
    try:
        with foreign(name, file):
            module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise BadConfig(
            f'{file}: strategy.name = "{discreet(name)}": no module {error.name}; it has to lie '
            "beside the configuration file or to be installed"
        ) from error
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, Strategy)):
        raise BadConfig(
            f'{file}: strategy.name = "{name}": {module_name} has no class {class_name} '
            "derived from core.model.strategy.Strategy"
        )
    return found


@contextlib.contextmanager
def foreign(name: str, file: str) -> Iterator[None]:
    """Turn what a strategy's own code raises outside of its callbacks into a ``BadConfig``.

    That is where it is imported and made, and where its parameters are checked. An exit is none
    there: a command that ended with 0 because a module requested it would have said that all is
    well, and a run would have ended because a parameter was set.
    """
    try:
        yield
    except (HotloopError, KeyboardInterrupt, ModuleNotFoundError):
        raise
    except BaseException as error:
        what = traceback.format_exception_only(error)[-1].strip()
        raise BadConfig(
            f'{file}: strategy.name = "{name}": it raised {what} ({_place(error)})'
        ) from error


def _place(error: BaseException) -> str:
    """Return the strategy's own line: what stands there counts, not what it has called."""
    if isinstance(error, SyntaxError):
        return f"{_short(error.filename or 'no file')}, line {error.lineno}"
    ours = (__file__, importlib.__file__)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename not in ours and not frame.filename.startswith("<frozen importlib")
    ]
    own = [frame for frame in frames if not frame.filename.startswith(_PACKAGE)]
    frame = next(iter(own or frames), None)
    return f"{_short(frame.filename)}, line {frame.lineno}" if frame else "no source"


def _short(path: str) -> str:
    return path.rpartition("/")[2]
