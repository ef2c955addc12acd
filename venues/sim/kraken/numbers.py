"""How this venue writes numbers, times and ids.

Prices and sizes are JSON numbers over WebSockets and text over REST. Numbers inside are integers
of 1e-8, times nanoseconds.
"""

import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from msgspec import Raw

from venues.sim.durations import SECOND_NS
from venues.sim.fixed import DECIMALS, show

_SCALE: Final = Decimal(10) ** DECIMALS
# More digits than any amount has, written out or by an exponent: Decimal would take a terabyte.
LONGEST_NUMBER: Final = 40


class NotNumberError(ValueError):
    """What was sent is no number of at most eight decimals."""


def read(value: Any) -> int:
    """Return a number, or its text, in units of 1e-8. Raises ``NotNumberError``."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise NotNumberError(value)
    units = _decimal(str(value)) * _SCALE
    found = int(units)
    if found != units:
        raise NotNumberError(value)
    return found


def _decimal(text: str) -> Decimal:
    if len(text) > LONGEST_NUMBER:
        raise NotNumberError(text[:LONGEST_NUMBER])
    try:
        given = Decimal(text)
    except InvalidOperation:
        raise NotNumberError(text) from None
    if not given.is_finite() or abs(given.adjusted()) > LONGEST_NUMBER:
        raise NotNumberError(text)
    return given


def fixed(units: int, decimals: int) -> str:
    """Return units of 1e-8 with exactly so many decimals; further digits are cut off."""
    text = show(units)
    point = text.index(".")
    if decimals <= DECIMALS:
        return text[:point] if not decimals else text[: point + 1 + decimals]
    return text + "0" * (decimals - DECIMALS)


def number(units: int, decimals: int) -> Raw:
    """Return a JSON number with exactly so many decimals, as books write them."""
    return Raw(fixed(units, decimals).encode())


def plain(units: int) -> Raw:
    """Return a JSON number without needless zeros but one, as all else is written: ``26500.0``."""
    text = show(units).rstrip("0")
    return Raw((text + "0" if text.endswith(".") else text).encode())


def read_seconds(text: str) -> int:
    """Return seconds since the epoch in nanoseconds. Raises ``NotNumberError``."""
    return int(_decimal(text) * SECOND_NS)


# -- times -------------------------------------------------------------------------------------


def stamp(time_ns: int) -> str:
    """Return a time in RFC 3339 to the microsecond."""
    return f"{_second(time_ns)}.{time_ns % SECOND_NS // 1_000:06d}Z"


def fine_stamp(time_ns: int) -> str:
    """Return a time in RFC 3339 to the nanosecond, as level3 writes it."""
    return f"{_second(time_ns)}.{time_ns % SECOND_NS:09d}Z"


def coarse_stamp(time_ns: int) -> str:
    """Return a time in RFC 3339 to the second."""
    return f"{_second(time_ns)}Z"


def unix(time_ns: int) -> Raw:
    """Return seconds since the epoch with four decimals, as REST writes them."""
    return Raw(f"{time_ns // SECOND_NS}.{time_ns % SECOND_NS // 100_000:04d}".encode())


def read_stamp(text: Any) -> int:
    """Return a time in RFC 3339 in nanoseconds. Raises ``NotNumberError``."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise NotNumberError(text) from None
    if moment.tzinfo is None:
        raise NotNumberError(text)
    since = moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return (since.days * 86_400 + since.seconds) * SECOND_NS + since.microseconds * 1_000


def _second(time_ns: int) -> str:
    moment = datetime.datetime.fromtimestamp(time_ns // SECOND_NS, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


# -- ids ---------------------------------------------------------------------------------------

ORDER: Final = "O"
TRADE: Final = "T"
LEDGER: Final = "L"
AMEND: Final = "A"

# Sixteen letters of five bits hold a market's number and a count; the factor scatters them, so that
# the order of ids says nothing of the order of what they name, as at the venue.
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_BITS: Final = 80
_MASK: Final = (1 << _BITS) - 1
_FACTOR: Final = 0x9E3779B97F4A7C15F39D
_INVERSE: Final = pow(_FACTOR, -1, 1 << _BITS)
_COUNT_BITS: Final = 56


def name_of(kind: str, market: int, count: int) -> str:
    """Return an id like ``OK4GJX-KSTLS-7DZZO5``."""
    scattered = ((market << _COUNT_BITS | count) * _FACTOR) & _MASK
    letters = "".join(_LETTERS[scattered >> shift & 31] for shift in range(_BITS - 5, -1, -5))
    return f"{kind}{letters[:5]}-{letters[5:10]}-{letters[10:]}"


def read_name(kind: str, text: Any) -> tuple[int, int] | None:
    """Return market and count of an id, None where it has not the form of one."""
    if not isinstance(text, str) or len(text) != 19 or text[0] != kind:
        return None
    letters = text[1:].replace("-", "")
    if len(letters) != 16 or any(letter not in _LETTERS for letter in letters):
        return None
    scattered = 0
    for letter in letters:
        scattered = scattered << 5 | _LETTERS.index(letter)
    whole = scattered * _INVERSE & _MASK
    market, count = whole >> _COUNT_BITS, whole & ((1 << _COUNT_BITS) - 1)
    return (market, count) if name_of(kind, market, count) == text else None
