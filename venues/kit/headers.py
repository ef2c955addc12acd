"""Headers of HTTP answers that mean the same everywhere: counts, and when to come back.

Here live their grammar and what is not believed. Names are lower case, as ``HttpAnswer`` has them.

Source: RFC 9110, 10.2.3 (Retry-After) and 6.6.1 (Date).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from core.model.units import NS_PER_S

MAX_DIGITS: Final = 18
"""Digits of a count that surely fit an int64."""

MAX_RETRY_S: Final = 7 * 24 * 3600
"""Longest wait that is believed; the longest ban that a venue documents is three days."""


def count(text: str) -> int | None:
    """Return a whole number, ``None`` where a text is none or too long to be one."""
    legal = text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS
    return int(text) if legal else None


def retry_ns(headers: Mapping[str, str]) -> int:
    """Return the venue's time that ``retry-after`` names, 0 where it cannot be known.

    The header counts seconds from the answer, and the answer's own time is in ``date``, cut to
    whole seconds: one more second is waited for that. Or it names a date itself.
    """
    text, sent_ns = headers.get("retry-after", ""), said_ns(headers)
    wait_s = count(text)
    if wait_s is None:
        wait_s = (_dated_ns(text) - sent_ns) // NS_PER_S
    if not sent_ns or not 0 <= wait_s <= MAX_RETRY_S:
        return 0
    return sent_ns + (wait_s + 1) * NS_PER_S


def said_ns(headers: Mapping[str, str]) -> int:
    """Return the venue's time of an answer, cut to whole seconds, 0 where it cannot be known."""
    return _dated_ns(headers.get("date", ""))


def _dated_ns(text: str) -> int:
    try:
        sent = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0
    return int(sent.replace(tzinfo=sent.tzinfo or UTC).timestamp()) * NS_PER_S
