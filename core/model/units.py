"""Exact numbers: decimal text <-> integer counts of a step, and nothing that rounds.

Prices are integer ticks, sizes integer lots, times integer nanoseconds, everywhere inside. Text
becomes such an integer exactly or is refused with ``Malformed``; no float and no ``Decimal`` is
on the way. What never lives here: an instrument, a venue's field names, a clock.

The grammar is ``digits [ "." digits ]`` in ASCII. Signs, exponents, underscores, blanks, "NaN"
and "Infinity" are refused because no venue means a price by them.
"""

from __future__ import annotations

from collections.abc import Mapping

from core.model.errors import Malformed, OffGrid

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000

MAX_TEXT = 40
"""Longest decimal text that is looked at: 20 digits each side of the point is beyond any venue."""

MAX_COUNT = 2**63 - 1
"""Largest count of steps: what an int64 field of a journal, a stamp array or an SBE group holds."""

CACHE_TEXTS = 65_536
"""Texts remembered per grid: prices and sizes repeat heavily; some 8 MB at the very most."""


def parse_decimal(text: str) -> tuple[int, int]:
    """Return ``(mantissa, exponent)`` with ``text == mantissa * 10**-exponent``, exactly.

    Raises ``Malformed`` for anything but plain ASCII decimal digits with at most one point.
    """
    if len(text) > MAX_TEXT:
        raise Malformed(f"a number of {len(text)} characters is longer than {MAX_TEXT}")
    whole, point, fraction = text.partition(".")
    digits = whole + fraction
    if not (digits.isascii() and digits.isdigit() and whole) or (point and not fraction):
        raise Malformed(f"{text!r} is not a plain decimal number")
    return int(digits), len(fraction)


def format_decimal(mantissa: int, exponent: int) -> str:
    """Return the decimal text of ``mantissa * 10**-exponent`` with ``exponent`` decimals."""
    if exponent == 0:
        return str(mantissa)
    sign = "-" if mantissa < 0 else ""
    whole, fraction = divmod(abs(mantissa), 10**exponent)
    return f"{sign}{whole}.{fraction:0{exponent}d}"


def plain(text: str) -> str:
    """Return a decimal text without the zeros that say nothing: "20000", "0.5"."""
    return text.rstrip("0").rstrip(".") if "." in text else text


class _Counts(dict[str, int]):
    """The counts of a grid's texts, learnt when first seen: a subscript is the cheapest look-up."""

    __slots__ = ("_grid",)

    def __init__(self, grid: Grid) -> None:
        super().__init__()
        self._grid = grid

    def __missing__(self, text: str) -> int:
        count = self._grid.count_of(*parse_decimal(text), text)
        if len(self) >= CACHE_TEXTS:
            self.clear()
        self[text] = count
        return count


class Grid:
    """A step (tick or lot size), and the exact way between decimal text and counts of it.

    >>> tick = Grid("0.05")
    >>> tick.count("65000.10000000"), tick.text(1300002)
    (1300002, '65000.10')
    """

    __slots__ = ("_texts", "counts", "decimals", "step", "step_mantissa")

    def __init__(self, step: str) -> None:
        """Take the step as the venue writes it, "0.01000000"; it must be above zero."""
        mantissa, exponent = parse_decimal(step)
        if mantissa == 0:
            raise Malformed(f"step {step!r} is zero")
        while exponent > 0 and mantissa % 10 == 0:
            mantissa //= 10
            exponent -= 1
        self.step = format_decimal(mantissa, exponent)
        self.step_mantissa = mantissa
        self.decimals = exponent
        self.counts: Mapping[str, int] = _Counts(self)
        """``counts[text]`` is ``count(text)``, for whoever is in a hurry."""
        self._texts: dict[int, str] = {}

    def __repr__(self) -> str:
        return f"Grid({self.step!r})"

    def __deepcopy__(self, memo: dict[int, object]) -> Grid:
        """Return the same step, which knows no text yet."""
        return Grid(self.step)

    def count(self, text: str) -> int:
        """Return how many steps ``text`` is; ``OffGrid`` or ``Malformed`` like ``count_of``."""
        return self.counts[text]

    def count_of(self, mantissa: int, exponent: int, text: str = "") -> int:
        """Return how many steps ``mantissa * 10**-exponent`` is (``text`` is for the message).

        Raises ``OffGrid`` when it is no multiple of the step, ``Malformed`` when it is below zero
        or too large.
        """
        shift = exponent - self.decimals
        scale = int(10 ** abs(shift))
        scaled, remainder = divmod(mantissa, scale) if shift > 0 else (mantissa * scale, 0)
        count, off_grid = divmod(scaled, self.step_mantissa)
        if remainder or off_grid or not 0 <= count <= MAX_COUNT:
            shown = text or f"{mantissa}e{-exponent}"
            if remainder or off_grid:
                raise OffGrid(f"{shown} is not a multiple of {self.step}")
            raise Malformed(f"{shown} is {'below zero' if count < 0 else 'too large'}")
        return count

    def text(self, count: int) -> str:
        """Return the decimal text of ``count`` steps, with as many decimals as the step has."""
        known = self._texts.get(count)
        if known is not None:
            return known
        text = format_decimal(count * self.step_mantissa, self.decimals)
        if len(self._texts) >= CACHE_TEXTS:
            self._texts.clear()
        self._texts[count] = text
        return text


ASSET_DECIMALS = 18
"""Decimals of an atom, the unit of balances and fees: the finest that any venue or chain uses."""

MAX_UNITS = 10**18
"""Whole units that an amount stays below: a thousand times the supply of the commonest coins."""


def atoms(text: str) -> int:
    """Return an asset amount in atoms; below zero, "-1", for balance changes and rebates.

    Unlike prices and sizes an amount is not bounded by an int64: 18 decimals leave only 9.2 whole
    units there. Raises ``Malformed`` like ``parse_decimal``, for ``MAX_UNITS`` or more, and for
    a zero with a sign.
    """
    mantissa, exponent = parse_decimal(text.removeprefix("-"))
    if exponent > ASSET_DECIMALS:
        raise Malformed(f"{text!r} has more than {ASSET_DECIMALS} decimals")
    if mantissa >= MAX_UNITS * int(10**exponent):
        raise Malformed(f"{text!r} is more than there is of anything")
    count = mantissa * int(10 ** (ASSET_DECIMALS - exponent))
    if not text.startswith("-"):
        return count
    if not count:
        raise Malformed(f"{text!r} is zero, and has a sign")
    return -count


def amount_text(count: int, asset: str) -> str:
    """Return atoms for people, exactly: "-0.05 BTC"."""
    return f"{plain(format_decimal(count, ASSET_DECIMALS))} {asset}"
