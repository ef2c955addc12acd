"""Canaries: rules broken on purpose, so that it is known that breaking them is noticed.

Each replaces functions of the code under test by such as make a plausible mistake. A canary that
worlds do not catch within a bounded number of seeds is a hole in the auditor. Their modules are
named after what they break; here is only which there are, and how one is released.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from typing import Final

import core.state.orders
from core.model.errors import Misuse
from tools.world.canaries import (
    boots,
    budgets,
    connections,
    kraken,
    market,
    orders,
    rehearsals,
    risk,
    strategy,
)
from tools.world.canaries.canary import Canary

BY_THEME: Final = (
    orders.CANARIES,
    risk.CANARIES,
    strategy.CANARIES,
    market.CANARIES,
    budgets.CANARIES,
    boots.CANARIES,
    connections.CANARIES,
    rehearsals.CANARIES,
    kraken.CANARIES,
)

CANARIES: Final[dict[str, Canary]] = dict(
    itertools.chain.from_iterable(theme.items() for theme in BY_THEME)
)

BREAKABLE: Final = core.state.orders.__file__.endswith(".py")
"""Whether rules can be broken at all: in a compiled hotloop no function can be replaced."""


def chosen(name: str) -> Sequence[str]:
    """Return the canaries that a name stands for: its own, or ``all``."""
    if name != "all" and name not in CANARIES:
        raise Misuse(f"no such canary: {name}; there are {', '.join(CANARIES)}, and all")
    if not BREAKABLE:
        raise Misuse("a compiled hotloop breaks no rule on purpose; release canaries in the source")
    return list(CANARIES) if name == "all" else [name]


@contextlib.contextmanager
def released(name: str) -> Iterator[None]:
    """Break a rule for the body of a ``with``; no name breaks none."""
    changes = CANARIES[name].changes if name else ()
    kept = [vars(change.owner)[change.name] for change in changes]
    try:
        for change in changes:
            setattr(change.owner, change.name, change.instead)
        yield
    finally:
        for change, original in zip(changes, kept, strict=True):
            setattr(change.owner, change.name, original)
