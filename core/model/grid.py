"""Which prices a venue takes: every tick, or fewer of them the higher the price.

Ticks everywhere count in the finest step that an instrument has anywhere; a price grid says which
of them a price may be. What never lives here: decimal texts and the step itself
(``core.model.units.Grid``), lowest and highest prices, an order.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from msgspec import Struct

from core.model.errors import BadConfig
from core.model.units import Grid


class Uniform(Struct, frozen=True, gc=False):
    """Every tick is a price. ``UNIFORM`` is the only one, and is known by identity."""

    def valid(self, ticks: int) -> bool:
        """Return whether the venue takes a price."""
        return True

    def down(self, ticks: int) -> int:
        """Return the highest price that is taken and no higher."""
        return ticks

    def up(self, ticks: int) -> int:
        """Return the lowest price that is taken and no lower."""
        return ticks


UNIFORM: Final = Uniform()


class Banded(Struct, frozen=True, gc=False):
    """Prices are multiples of a step that grows from one band to the next.

    ``bands`` are pairs of where one begins, in ticks, and its step in ticks. Raises ``BadConfig``
    where the first does not begin at 0, where they do not ascend, or where one begins at no price
    of its own.
    """

    bands: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        starts = [start for start, _ in self.bands]
        ascend = all(low < high for low, high in pairwise(starts))
        if not starts or starts[0] or not ascend:
            raise BadConfig(f"bands of prices {self.bands} have to begin at 0 and to ascend")
        for start, step in self.bands:
            if step < 1 or start % step:
                raise BadConfig(f"a band of prices from {start} on has no steps of {step}")

    def _band(self, ticks: int) -> tuple[int, int]:
        """Return the step that holds at a price, and where the next band begins, 0 for none."""
        after = 0
        for start, step in reversed(self.bands):
            if ticks >= start:
                return step, after
            after = start
        return self.bands[0][1], after

    def valid(self, ticks: int) -> bool:
        """Return whether the venue takes a price."""
        return ticks % self._band(ticks)[0] == 0

    def down(self, ticks: int) -> int:
        """Return the highest price that is taken and no higher."""
        return ticks - ticks % self._band(ticks)[0]

    def up(self, ticks: int) -> int:
        """Return the lowest price that is taken and no lower."""
        step, after = self._band(ticks)
        found = ticks + -ticks % step
        return min(found, after) if after else found


class Significant(Struct, frozen=True, gc=False):
    """Prices have at most so many significant digits; whole ones may be always right."""

    digits: int
    whole_ticks: int = 0
    """How many ticks a whole one of the quote asset is, where every whole price is taken; 0 where
    whole ones are held to the digits, too."""

    @classmethod
    def on(cls, tick: Grid, digits: int, *, whole: bool = False) -> Significant:
        """Return the prices of so many digits on a tick that is a power of ten.

        Raises ``BadConfig`` for another tick: its counts say nothing of a price's digits.
        """
        if digits < 1 or tick.step.strip("0.") != "1":
            raise BadConfig(f"prices in steps of {tick.step} cannot have {digits} digits at most")
        return cls(digits, int(10**tick.decimals) if whole else 0)

    def _step(self, ticks: int) -> int:
        step = int(10 ** max(0, len(str(ticks)) - self.digits))
        return min(step, self.whole_ticks) if self.whole_ticks else step

    def valid(self, ticks: int) -> bool:
        """Return whether the venue takes a price."""
        return ticks % self._step(ticks) == 0

    def down(self, ticks: int) -> int:
        """Return the highest price that is taken and no higher."""
        return ticks - ticks % self._step(ticks)

    def up(self, ticks: int) -> int:
        """Return the lowest price that is taken and no lower."""
        return ticks + -ticks % self._step(ticks)


PriceGrid = Uniform | Banded | Significant
