"""Numbers as a venue writes them -> counts of a step, and bounds -> whole steps on the safe side.

Here live the fast way from repeated decimal texts to integers, and what becomes of a public number
that lies between two steps. What is our own is never rounded: ``Grid.count`` does that or refuses.
"""

from __future__ import annotations

from core.model.errors import Malformed, OffGrid
from core.model.units import CACHE_TEXTS, MAX_COUNT, Grid, parse_decimal


class Counts(dict[str, int]):
    """Texts of one grid and their counts, learnt when first seen; ``counts[text]`` is the way in.

    A plain subscript is the cheapest look-up there is, and a feed repeats its prices. A number
    between two steps is refused here; what else to do with one is said by the subclasses.
    """

    __slots__ = ("_decimals", "_grid", "_least", "_point", "_unit", "between")

    def __init__(self, grid: Grid, least: int, decimals: int) -> None:
        """``least`` is the smallest legal count: 1 for prices, 0 for sizes that may be gone.

        ``decimals`` is how many the venue writes, 0 where that varies; others are read too, at
        twice the cost.
        """
        super().__init__()
        self._grid = grid
        self._least = least
        self._decimals = decimals
        self._point = -decimals - 1
        self.between: set[str] = set()
        """Texts that lie between two steps; empty nearly always."""
        shift = decimals - grid.decimals
        self._unit = grid.step_mantissa * int(10**shift) if decimals and shift >= 0 else 0

    def __missing__(self, text: str) -> int:
        unit = self._unit
        digits = text.replace(".", "", 1)
        usual = unit and len(digits) > self._decimals and text[self._point] == "."
        if usual and digits.isdigit() and digits.isascii():
            number = int(digits)
            count = number // unit
            if count * unit == number and self._least <= count <= MAX_COUNT:
                if len(self) >= CACHE_TEXTS:
                    self.clear()
                self[text] = count
                return count
        return self._learn(text)

    def _learn(self, text: str) -> int:
        """Return the count of a text that is not written as usual, or not on the grid."""
        mantissa, exponent = parse_decimal(text)
        try:
            count = self._grid.count_of(mantissa, exponent, text)
        except OffGrid as error:
            count = self._between(mantissa, exponent, error)
            if len(self.between) >= CACHE_TEXTS:
                self.between.clear()
            self.between.add(text)
        else:
            if count < self._least:
                raise Malformed(f"{text!r} is no price or size here: it must be above zero")
        if len(self) >= CACHE_TEXTS:
            self.clear()
        self[text] = count
        return count

    def _between(self, mantissa: int, exponent: int, error: OffGrid) -> int:
        """Return what a number between two steps counts as."""
        raise error


class RoundedUp(Counts):
    """Public sizes, where part of a lot is one lot more; the best ask, at its step above."""

    __slots__ = ()

    def _between(self, mantissa: int, exponent: int, error: OffGrid) -> int:
        return _steps_below(self._grid, mantissa, exponent) + 1


class RoundedDown(Counts):
    """The best bid, at its step below."""

    __slots__ = ()

    def _between(self, mantissa: int, exponent: int, error: OffGrid) -> int:
        count = _steps_below(self._grid, mantissa, exponent)
        if count < self._least:
            raise error
        return count


class Dropped(Counts):
    """Prices of levels and trades; one between two ticks counts 0, which is no price."""

    __slots__ = ()

    def _between(self, mantissa: int, exponent: int, error: OffGrid) -> int:
        _steps_below(self._grid, mantissa, exponent)  # refuses what is beyond any price
        return 0


def _steps_below(grid: Grid, mantissa: int, exponent: int) -> int:
    """Return how many whole steps a number has, fewer than ``MAX_COUNT``."""
    count = mantissa * int(10**grid.decimals) // (grid.step_mantissa * int(10**exponent))
    if count >= MAX_COUNT:
        raise Malformed(f"{count} steps are too many")
    return count


def positive(grid: Grid, text: str) -> int:
    """Return the count of a price or size that must be above zero."""
    count = grid.count(text)
    if count == 0:
        raise Malformed(f"{text!r} is no price or size of a trade: it must be above zero")
    return count


# -- bounds ----------------------------------------------------------------------------------


def ratio(text: str, step_mantissa: int, step_decimals: int) -> tuple[int, int]:
    """Return numerator and denominator of ``text`` over a step."""
    mantissa, exponent = parse_decimal(text)
    return mantissa * int(10**step_decimals), step_mantissa * int(10**exponent)


def least_steps(text: str, step_mantissa: int, step_decimals: int) -> int:
    """Return how many steps a minimum is, rounded up: no order that a venue would refuse."""
    above, below = ratio(text, step_mantissa, step_decimals)
    return min(-(-above // below), MAX_COUNT)


def most_steps(text: str, step_mantissa: int, step_decimals: int) -> int:
    """Return how many steps a maximum is, rounded down."""
    above, below = ratio(text, step_mantissa, step_decimals)
    return min(above // below, MAX_COUNT)
