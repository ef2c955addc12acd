"""What an argument of a command may be, where argparse's own types allow too much."""

from __future__ import annotations

import argparse
import math

LONGEST_S = 366 * 24 * 3_600.0
"""A year of seconds: whoever means longer means no end, and leaves it out."""


def seconds(text: str) -> float:
    """Return a time to run for, above zero and at most a year."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number <= LONGEST_S:
        raise argparse.ArgumentTypeError(
            f"{text!r} must be a number above 0 and at most {LONGEST_S:.0f}"
        )
    return number


MOST = 10**9
"""Of whatever is counted: what is started with more never ends."""


def count(text: str) -> int:
    """Return a whole number of one or more."""
    number = int(text) if text.isdecimal() and len(text) <= len(str(MOST)) else 0
    if not 1 <= number <= MOST:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 1 to {MOST}")
    return number


def part(text: str) -> slice:
    """Return which of a list are meant by ``2/3``: the second, and every third from there on."""
    which, _, of = text.partition("/")
    first, parts = count(which), count(of)
    if first > parts:
        raise argparse.ArgumentTypeError(f"{text!r}: there is no part {first} of {parts}")
    return slice(first - 1, None, parts)


def minutes(text: str) -> float:
    """Return a time to run for, in minutes, within the same bounds."""
    try:
        return seconds(str(float(text) * 60)) / 60
    except (ValueError, argparse.ArgumentTypeError):
        raise argparse.ArgumentTypeError(
            f"{text!r} must be a number above 0 and at most {LONGEST_S / 60:.0f}"
        ) from None
