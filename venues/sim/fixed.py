"""Decimal text <-> integers of 1e-8, exactly; the only number format of this exchange.

Nothing here rounds: text that does not fit eight decimals is refused.
"""

import re
from typing import Final

ONE: Final = 100_000_000
DECIMALS: Final = 8

# What the venue calls the legal range of a decimal parameter.
DECIMAL_PATTERN: Final = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_DECIMAL: Final = re.compile(r"([0-9]{1,20})(?:\.([0-9]{1,20}))?", re.ASCII)


class NotDecimalError(ValueError):
    """The text is not a plain decimal number."""


class TooPreciseError(ValueError):
    """The text has more decimals than an integer of 1e-8 can hold."""


def parse(text: str) -> int:
    """Return ``text`` in units of 1e-8.

    Raises NotDecimalError for anything but digits with an optional fraction, TooPreciseError
    when digits beyond the eighth decimal are not zero.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise NotDecimalError(text)
    whole, fraction = match[1], match[2] or ""
    if fraction[DECIMALS:].strip("0"):
        raise TooPreciseError(text)
    return int(whole) * ONE + int(fraction[:DECIMALS].ljust(DECIMALS, "0"))


def show(units: int) -> str:
    """Return ``units`` of 1e-8 as the venue writes them: ``0.01000000``."""
    if units < 0:
        return "-" + show(-units)
    return f"{units // ONE}.{units % ONE:08d}"


def notional(price: int, quantity: int) -> int:
    """Return price times quantity in units of 1e-8, rounded down.

    Exact whenever tick size times step size is a multiple of 1e-8, as it is for every symbol here.
    """
    return price * quantity // ONE
