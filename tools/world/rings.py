"""The rings of simulated worlds: what lives a seed in each, and which faults strike there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from tools.world import faults, life, process_faults, process_life
from tools.world.dialect import Dialect
from tools.world.strikes import Fault


class Ring(NamedTuple):
    """One ring."""

    live: Callable[[int, Dialect], life.Life]
    faults: tuple[Fault, ...]
    """Of all venues."""


TANK: Final = "tank"
WORLD: Final = "world"

RINGS: Final = {
    TANK: Ring(life.live, faults.FAULTS),
    WORLD: Ring(process_life.live, process_faults.FAULTS),
}
