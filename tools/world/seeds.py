"""One seed feeds separate, named generators.

What one part of a world draws never shifts what another part draws, so that a change to one of
them leaves the rest of a seed as it was, and a failing seed stays close to itself while it shrinks.
"""

from __future__ import annotations

import random

NAMES = ("net", "disk", "venue", "workload", "scheduler", "strategy", "faults", "drills", "days")


class Generators:
    """The generators of one world, by what draws from them."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        # random.Random of a text hashes it with SHA-512: the same in every process.
        generators = [random.Random(f"{seed}:{name}") for name in NAMES]
        self.net, self.disk, self.venue, self.workload = generators[:4]
        self.scheduler, self.strategy, self.faults, self.drills, self.days = generators[4:]

    def of_setting(self, name: str) -> random.Random:
        """Return the generator of one setting, likewise."""
        return random.Random(f"{self._seed}:settings:{name}")

    def of_fault(self, name: str) -> random.Random:
        """Return the generator of one fault: a new fault leaves the others as they were."""
        return random.Random(f"{self._seed}:faults:{name}")
