"""Times as venues write them -> nanoseconds since the epoch, exactly."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from core.model.errors import Malformed
from core.model.units import NS_PER_MS, NS_PER_S
from venues.kit.literals import parse_number

_CACHE_SECONDS: Final = 1_024
"""Seconds remembered: a feed tells of the last few."""

_NS_DIGITS: Final = 9
_SECOND: Final = len("2023-10-06T17:35:55")
_DATE_TIME: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

LATEST_S: Final = 1 << 33
"""Seconds since the epoch that no time of a venue reaches: the year 2242."""

_seconds: dict[str, int] = {}


def rfc3339_ns(text: str) -> int:
    """Return the time of a text in UTC: "2023-10-06T17:35:55.440295Z", to the nanosecond.

    >>> rfc3339_ns("1970-01-01T00:00:01.5Z"), rfc3339_ns("1970-01-02T00:00:00Z") // NS_PER_S
    (1500000000, 86400)

    Raises ``Malformed`` for any other form: no venue here writes another offset than Z.
    """
    second = text[:_SECOND]
    base_ns = _seconds.get(second)
    if base_ns is None:
        base_ns = _learn(second, text)
    if len(text) == _SECOND + 1 and text[-1] == "Z":
        return base_ns
    digits = text[_SECOND + 1 : -1]
    if (
        text[-1:] == "Z"
        and text[_SECOND] == "."
        and digits.isascii()
        and digits.isdigit()
        and len(digits) <= _NS_DIGITS
    ):
        return base_ns + int(digits) * int(10 ** (_NS_DIGITS - len(digits)))
    raise Malformed(f"{text[:40]!r} is no time in UTC")


def _learn(second: str, text: str) -> int:
    found = _DATE_TIME.fullmatch(second)
    if found is None:
        raise Malformed(f"{text[:40]!r} is no time in UTC")
    year, month, day, hour, minute, at = (int(part) for part in found.groups())
    try:
        elapsed = datetime(year, month, day, hour, minute, at, tzinfo=UTC) - _EPOCH
    except ValueError:
        raise Malformed(f"{text[:40]!r} is no time in UTC") from None
    base_ns = (elapsed.days * 86_400 + elapsed.seconds) * NS_PER_S
    if base_ns < 0:
        raise Malformed(f"{text[:40]!r} is before the epoch")
    if len(_seconds) >= _CACHE_SECONDS:
        _seconds.clear()
    _seconds[second] = base_ns
    return base_ns


def unix_ns(literal: bytes) -> int:
    """Return the time of a JSON number of seconds since the epoch: 1688667796.8802.

    Raises ``Malformed`` for what is no such number.
    """
    mantissa, exponent = parse_number(literal)
    if exponent > _NS_DIGITS:  # finer than a nanosecond: cut
        mantissa, exponent = mantissa // int(10 ** (exponent - _NS_DIGITS)), _NS_DIGITS
    if not 0 <= mantissa < LATEST_S * int(10**exponent):
        raise Malformed(f"{literal!r} is no time of a venue")
    return mantissa * int(10 ** (_NS_DIGITS - exponent))


def rfc3339_text(time_ns: int) -> str:
    """Return a time in UTC to the millisecond, cut: "2023-10-06T17:35:55.440Z".

    >>> rfc3339_text(rfc3339_ns("2023-10-06T17:35:55.440295Z"))
    '2023-10-06T17:35:55.440Z'
    """
    second_s, rest_ns = divmod(time_ns, NS_PER_S)
    second = _texts.get(second_s)
    if second is None:
        if len(_texts) >= _CACHE_SECONDS:
            _texts.clear()
        second = _texts[second_s] = f"{_EPOCH + timedelta(seconds=second_s):%Y-%m-%dT%H:%M:%S}"
    return f"{second}.{rest_ns // NS_PER_MS:03d}Z"


_texts: dict[int, str] = {}
