"""Sizes and distances as strategies' parameters state them: exact decimal text into integers.

Parameters are written for people (base asset, basis points) and hold for every instrument of a
run; here they become lots and ticks of one instrument. No float is on the way.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from core.errors import BadParameter, Malformed
from core.instrument import Instrument
from core.units import parse_decimal

Size = Annotated[
    str,
    Meta(
        pattern=r"^(?=.*[1-9])[0-9]{1,20}(\.[0-9]{1,18})?\Z",
        description='an amount of the base asset above zero, in quotes: "0.25"',
    ),
]

BasisPoints = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{1,4}(\.[0-9]{1,4})?\Z",
        description='hundredths of a percent of the price, in quotes: "1.5"',
    ),
]


def lots_of(size: str, key: str, instrument: Instrument) -> int:
    """Return a size in lots; ``BadParameter`` where the instrument's lot does not divide it."""
    try:
        return instrument.lot.count(size)
    except Malformed as error:
        raise BadParameter(
            f'{key} = "{size}": must be a multiple of {instrument.lot.step} {instrument.base} '
            f"on {instrument.symbol}"
        ) from error


def order_lots_of(size: str, key: str, instrument: Instrument) -> int:
    """Return the size of an order in lots; ``BadParameter`` also below the smallest order."""
    lots = lots_of(size, key, instrument)
    if lots < instrument.min_lots:
        raise BadParameter(
            f'{key} = "{size}": {instrument.symbol} takes no order below '
            f"{instrument.lot.text(instrument.min_lots)} {instrument.base}"
        )
    return lots


class Fraction:
    """Basis points as an exact fraction of a price."""

    __slots__ = ("denominator", "numerator")

    def __init__(self, text: BasisPoints) -> None:
        self.numerator, exponent = parse_decimal(text)
        self.denominator = int(10 ** (4 + exponent))

    def of(self, amount: int) -> int:
        """Return this fraction of ``amount``, rounded down."""
        return amount * self.numerator // self.denominator
