"""JSON numbers -> exact counts: from the literal text, never through a float.

A venue that writes prices as bare numbers means the digits that it writes. A decoder keeps them
as ``msgspec.Raw``; here they become counts of a grid, or are refused.
"""

from __future__ import annotations

import re
from typing import Final

from core.model.errors import Malformed
from core.model.units import ASSET_DECIMALS, CACHE_TEXTS, MAX_TEXT, MAX_UNITS, Grid

_NUMBER: Final = re.compile(rb"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,3}))?")

MAX_EXPONENT: Final = 40
"""Largest power of ten that is looked at: as many digits as the longest plain number may have."""


def parse_number(literal: bytes) -> tuple[int, int]:
    """Return ``(mantissa, exponent)`` with ``literal == mantissa * 10**-exponent``, exactly.

    >>> parse_number(b"45285.20"), parse_number(b"-5e-8"), parse_number(b"1.5E3")
    ((4528520, 2), (-5, 8), (1500, 0))

    Raises ``Malformed`` for whatever is no JSON number, or longer than any price.
    """
    if len(literal) > MAX_TEXT:
        raise Malformed(f"a number of {len(literal)} characters is longer than {MAX_TEXT}")
    found = _NUMBER.fullmatch(literal)
    if found is None:
        raise Malformed(f"{literal!r} is not a number")
    sign, whole, fraction, power = found.groups()
    mantissa, exponent = int(whole + (fraction or b"")), len(fraction or b"")
    if power is not None:
        shift = int(power)
        if abs(shift) > MAX_EXPONENT:
            raise Malformed(f"{literal!r} is beyond any price or size")
        exponent -= shift
        if exponent < 0:
            mantissa, exponent = mantissa * int(10**-exponent), 0
    return (-mantissa if sign else mantissa), exponent


def atoms(literal: bytes) -> int:
    """Return an asset amount in atoms; below zero for what was taken away.

    Raises ``Malformed`` like ``parse_number``, and for more than there is of anything.
    """
    mantissa, exponent = parse_number(literal)
    if exponent > ASSET_DECIMALS:
        raise Malformed(f"{literal!r} has more than {ASSET_DECIMALS} decimals")
    if abs(mantissa) >= MAX_UNITS * int(10**exponent):
        raise Malformed(f"{literal!r} is more than there is of anything")
    return mantissa * int(10 ** (ASSET_DECIMALS - exponent))


class Counts(dict[bytes, int]):
    """Number literals of one grid and their counts, learnt when first seen.

    ``counts[literal]`` is the way in: a feed repeats its prices, and a subscript is the cheapest
    look-up there is. Raises ``OffGrid`` where the number is no multiple of the step, ``Malformed``
    where it is none, or less than ``least`` steps: 1 for prices, 0 for sizes that may be gone.
    """

    __slots__ = ("_grid", "_least")

    def __init__(self, grid: Grid, least: int) -> None:
        super().__init__()
        self._grid = grid
        self._least = least

    def __missing__(self, literal: bytes) -> int:
        mantissa, exponent = parse_number(literal)
        count = self._grid.count_of(mantissa, exponent, literal.decode())
        if count < self._least:
            raise Malformed(f"{literal!r} is no price or size here: it must be above zero")
        if len(self) >= CACHE_TEXTS:
            self.clear()
        self[literal] = count
        return count
