"""Bytes made hostile: a legal input, changed in ways that have broken decoders before.

A seed and a corpus give a case, always the same one. What the bytes mean is not known here; that
JSON, decimal numbers and header lines are among them is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

MOST_CHANGES: Final = 4
"""Changes of one case: more leave nothing of the input that they began with."""

LONG: Final = 100_000
"""How often something is repeated that is to be long, or how deep it is nested."""

LONGEST: Final = 1 << 20
"""Bytes of a case: its changes multiply, and every reader's own limit is below it or told so."""

TOKENS: Final = (
    *(
        b"null",
        b"true",
        b"{}",
        b"[]",
        b'""',
        b"[[",
        b"{",
        b"}",
        b"]",
        b'"',
        b"\\",
        b",",
        b":",
        b"=",
    ),
    *(b"NaN", b"Infinity", b"-0", b"1e999", b"1e-999", b"1_000", b"-1", b"0.0", b"00", b"+1"),
    *(b"\x00", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf"),
    *(b'"\\ud800"', b"\\u0000", b"\\", b"\r\n\r\n", b"\n", b" ", b"\t", "٣".encode(), "𝟙".encode()),
    *(b"__class__", b"%s%n", b"../..", b"' or 1=1"),
)

NUMBERS: Final = (
    *(b"0", b"-1", b"1.0", b"127", b"128", b"255", b"256", b"65535", b"65536", b"2147483648"),
    *(b"9007199254740993", b"9223372036854775807", b"9223372036854775808", b"-9223372036854775809"),
    *(b"18446744073709551615", b"18446744073709551616", b"1e400", b"0.000000000000000000001"),
    *(b"9" * 30, b"9" * 400, b"9" * 5_000, b"0." + b"0" * 400 + b"1", b"99999999999999999999.9"),
)

_number = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?")
_member = re.compile(rb'"[^"\\]{1,40}"\s*:\s*(?:"[^"\\]*"|[-+.0-9eE]+|true|false|null)')
_value = re.compile(rb'"[^"\\]{0,80}"|-?[0-9.]+|true|false|null')

Change = Callable[[bytearray, Random, Sequence[bytes]], None]


def case(seed: str, corpus: Sequence[bytes]) -> bytes:
    """Return the case of a seed: an input of ``corpus`` with one to four changes."""
    random = Random(seed)
    data = bytearray(random.choice(corpus))
    for _ in range(random.randint(1, MOST_CHANGES)):
        random.choice(CHANGES)(data, random, corpus)
        del data[LONGEST:]
    return bytes(data)


def _flip(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _set(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    if data:
        data[random.randrange(len(data))] = random.choice(
            (0, 0x7F, 0x80, 0xFF, random.getrandbits(8))
        )


def _cut_off(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    del data[random.randint(0, len(data)) :]


def _cut_out(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    start, stop = _span(data, random)
    del data[start:stop]


def _repeat(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    start, stop = _span(data, random)
    data[start:start] = data[start:stop] * random.choice((1, 1, 2, 100))


def _splice(data: bytearray, random: Random, corpus: Sequence[bytes]) -> None:
    other = random.choice(corpus)
    start, stop = _span(data, random)
    begin, end = _span(other, random)
    data[start:stop] = other[begin:end]


def _insert(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    at = random.randint(0, len(data))
    data[at:at] = random.choice(TOKENS)


def _renumber(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    _replace(_number, data, random, random.choice(NUMBERS))


def _revalue(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    _replace(_value, data, random, random.choice((*TOKENS, *NUMBERS)))


def _duplicate_key(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    found = [*_member.finditer(data)]
    if found:
        member, place = random.choice(found), random.choice(found)
        copy = _value.sub(random.choice((b"0", b"null", b'"x"', b"[]")), member[0])
        data[place.start() : place.start()] = random.choice((member[0], copy)) + b","


def _nest(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    depth = random.choice((2, 100, 600, LONG))
    opening, closing = random.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"[", b"")))
    _replace(_value, data, random, opening * depth + b"1" + closing * depth)


def _lengthen(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    at = random.randint(0, len(data))
    data[at:at] = random.choice(
        (b"0", b"9", b"a", b'"', b" ", b"\xff", b"[]", b"\r\n")
    ) * random.choice((50, 5_000, LONG))


def _replace(what: re.Pattern[bytes], data: bytearray, random: Random, by: bytes) -> None:
    found = [*what.finditer(data)]
    if found:
        place = random.choice(found)
        data[place.start() : place.end()] = by


def _span(data: bytes | bytearray, random: Random) -> tuple[int, int]:
    start = random.randint(0, len(data))
    return start, min(len(data), start + random.choice((1, 2, 4, 8, 16, 64, len(data))))


CHANGES: Final[tuple[Change, ...]] = (
    *(_flip, _set, _cut_off, _cut_out, _repeat, _splice, _insert),
    *(_renumber, _revalue, _duplicate_key, _nest, _lengthen),
)
