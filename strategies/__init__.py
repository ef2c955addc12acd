"""Strategies: what to trade, and nothing about how.

Here live the built-in strategies and the one way to find a strategy by its name. A strategy sees
``core.strategy`` and the words of core (units, instruments, events, commands, views), and does all
it does through its desk: no await, no clock, no file, no socket, no random source of its own.
"""

from __future__ import annotations

import difflib
import importlib
from types import MappingProxyType
from typing import Any

from core.errors import BadConfig
from core.strategy import Strategy

BUILT_IN = MappingProxyType(
    {
        "maker": "strategies.maker:Maker",
        "observer": "strategies.observer:Observer",
        "taker": "strategies.taker:Taker",
    }
)
"""Where each built-in strategy lives, by its name."""


def find(name: str, file: str) -> type[Strategy[Any]]:
    """Return the strategy class of a built-in name or of ``module:Class``.

    ``file`` is the configuration that names it, for messages. Raises ``BadConfig`` when there is
    none. What else goes wrong while a foreign module is being imported is its author's to see, and
    comes out as it is.
    """
    reference = BUILT_IN.get(name, name)
    module_name, colon, class_name = reference.partition(":")
    if not colon:
        near = difflib.get_close_matches(name, BUILT_IN, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise BadConfig(
            f'{file}: strategy.name = "{name}": no such strategy; {hint}'
            f'(built in: {", ".join(BUILT_IN)}; your own: "module:Class")'
        )
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise BadConfig(
            f'{file}: strategy.name = "{name}": no module {error.name}; it has to lie beside the '
            "configuration file or to be installed"
        ) from error
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, Strategy)):
        raise BadConfig(
            f'{file}: strategy.name = "{name}": {module_name} has no class {class_name} '
            "derived from core.strategy.Strategy"
        )
    return found
