"""Rehearsal: the whole path run with muted ticks before anything is live.

Python runs code faster once it has run; a first order after minutes of watching would otherwise
meet cold code. Here the house trades for a moment against the built-in exchange in memory: same
modules, other objects, nothing leaves the process.
"""

from __future__ import annotations

from tools.world.tank import Tank

VIRTUAL_S = 2.0
"""Simulated seconds: a thousand ticks and some dozen orders, in some 50 ms."""

RATE = 500.0


def rehearse() -> None:
    """Run the path warm."""
    tank = Tank(rate=RATE).run(VIRTUAL_S)
    while tank.engine.hops.fold():
        pass
