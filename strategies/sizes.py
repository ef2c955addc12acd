"""Sizes and distances as strategies' parameters state them: exact decimal text into integers.

Parameters are written for people (base asset, basis points) and hold for every instrument of a
run; here they become lots and ticks of one instrument. No float is on the way.
"""

from __future__ import annotations

import re
from typing import Annotated

from msgspec import Meta

from core.model.errors import BadParameter, Malformed
from core.model.instrument import Instrument
from core.model.units import parse_decimal

_AMOUNT = 'an amount of the base asset above zero, in quotes: "0.25"'
_SIZE = re.compile(r"^(?=.*[1-9])[0-9]{1,20}(\.[0-9]{1,18})?\Z", re.ASCII)

Sizes = Annotated[str, Meta(description=_AMOUNT)] | dict[str, str]
"""One size for every symbol, or a table with one for each; ``check_sizes`` says whether they are.

The pattern is not part of the type: msgspec 0.22 crashes on one beside a table.
"""

BasisPoints = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{1,4}(\.[0-9]{1,4})?\Z",
        description='hundredths of a percent of the price, in quotes: "1.5"',
    ),
]


def check_sizes(sizes: Sizes, key: str) -> None:
    """Raise ``BadParameter`` for what is no size; for the ``__post_init__`` of parameters."""
    each = {key: sizes} if isinstance(sizes, str) else {f"{key}.{s}": t for s, t in sizes.items()}
    for name, size in each.items():
        if not _SIZE.match(size):
            raise BadParameter(f'{name} = "{size}": must be {_AMOUNT}')


def _size_on(sizes: Sizes, key: str, instrument: Instrument) -> str:
    if isinstance(sizes, str):
        return sizes
    size = sizes.get(instrument.symbol)
    if size is None:
        raise BadParameter(
            f"{key}: there is none for {instrument.symbol}; state it in [strategy.parameters.{key}]"
        )
    return size


def lots_of(sizes: Sizes, key: str, instrument: Instrument) -> int:
    """Return a size in lots; ``BadParameter`` where the instrument's lot does not divide it."""
    size = _size_on(sizes, key, instrument)
    try:
        return instrument.lot.count(size)
    except Malformed as error:
        raise BadParameter(
            f'{key} = "{size}": must be a multiple of {instrument.size_text(1)} on '
            f"{instrument.symbol}"
        ) from error


def order_lots_of(sizes: Sizes, key: str, instrument: Instrument) -> int:
    """Return the size of an order in lots; ``BadParameter`` also below the smallest order."""
    lots = lots_of(sizes, key, instrument)
    if lots < instrument.min_lots:
        raise BadParameter(
            f'{key} = "{_size_on(sizes, key, instrument)}": {instrument.symbol} takes no order '
            f"below {instrument.size_text(instrument.min_lots)}"
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

    def at_least_of(self, amount: int) -> int:
        """Return this fraction of ``amount``, rounded up."""
        return -(-amount * self.numerator // self.denominator)
