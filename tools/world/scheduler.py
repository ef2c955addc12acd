"""Trio's scheduling, made repeatable by a seed.

Trio shuffles the tasks that are ready on purpose. Two private names of its run loop let that be
repeated: the switch that pytest's Hypothesis plugin uses, and the generator behind the shuffle.
They are touched here and nowhere else; should trio move them, ``seeded`` refuses to begin, and a
test says so. Nothing of the application needs this: only repeating a simulated world does.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from trio._core import _run

from core.model.errors import Misuse

_SWITCH: Final = "_ALLOW_DETERMINISTIC_SCHEDULING"
_GENERATOR: Final = "_r"


@contextmanager
def seeded(seed: str) -> Iterator[None]:
    """Let every ``trio.run`` within the body schedule as the seed says."""
    names: dict[str, Any] = vars(_run)
    switch, generator = names.get(_SWITCH), names.get(_GENERATOR)
    if not isinstance(switch, bool) or not isinstance(generator, random.Random):
        raise Misuse(
            f"trio._core._run has no {_SWITCH} and {_GENERATOR} any more: find what makes trio's "
            "order repeatable now, and adapt tools/world/scheduler.py"
        )
    state = generator.getstate()
    generator.seed(seed)
    names[_SWITCH] = True
    try:
        yield
    finally:
        names[_SWITCH] = switch
        generator.setstate(state)
