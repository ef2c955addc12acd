"""Secrets that a venue hands out in its messages: masked before anybody else sees the bytes.

Here the values of declared fields are overwritten in JSON as it arrives, at equal length, and given
to whoever keeps them; what is recorded, decoded or told of comes after. Which fields those are is
the venue's to say (``core.model.venue.Connection``, ``HttpRequest``). What we put into a message is
never here: a request is recorded before its secrets go in.

A stream is masked as it is read, wherever it is torn. Bytes between the messages pass through; of a
value that a frame divides, the head of the next frame is masked as well, and the connection is lost
as one whose frames cannot be read. So a value is never seen, whatever the venue does with it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final

import msgspec

Keep = Callable[[str, bytes], None]
"""Takes a field's name and its value, as it stands between the quotes."""

MOST: Final = 1 << 16
"""Longest value that is kept: tokens have some hundred bytes. A longer one is masked as well."""

UNREADABLE: Final = b"(an answer that should hold a secret, and could not be read)"

_MASK: Final = b"*"
_SPACES: Final = b" \t\r\n"


class Concealer:
    """Masks one stream of bytes. What is a value and no name is never taken for one."""

    __slots__ = ("_escaped", "_field", "_keep", "_names", "_rest", "_tail", "_value")

    def __init__(self, fields: Collection[str], keep: Keep) -> None:
        self._names = {b'"%b"' % field.encode(): field for field in fields}
        self._keep = keep
        self._tail = b""
        """The end of what was read, in which a name may have begun."""
        self._field = ""
        """The field whose value is awaited or being read."""
        self._rest = b""
        """What has to come before that value begins: a colon and a quote."""
        self._value: bytearray | None = None
        """What was read of the value."""
        self._escaped = False

    def conceal(self, data: bytes) -> bytes:
        """Return what was read with the declared values masked."""
        at, masked = 0, None
        while at < len(data):
            if self._field:
                masked = bytearray(data) if masked is None else masked
                at = self._within(masked, at)
                continue
            at = self._find(data, at)
        return data if masked is None else bytes(masked)

    def _find(self, data: bytes, at: int) -> int:
        """Look for the next name; return where to go on."""
        tail = self._tail
        joined = tail + data[at:]
        found = -1
        for name, field in self._names.items():
            place = joined.find(name)
            if place >= 0 and (found < 0 or place + len(name) < found):
                found, self._field = place + len(name), field
        if found < 0:
            longest = max(map(len, self._names)) - 1
            self._tail = joined[-longest:]
            return len(data)
        self._tail, self._rest = b"", b':"'
        return at + found - len(tail)

    def _within(self, data: bytearray, at: int) -> int:
        """Go on behind a name: to its value, and through that; return where to go on."""
        while at < len(data) and self._rest:
            byte = data[at : at + 1]
            if byte == self._rest[:1]:
                self._rest = self._rest[1:]
            elif byte not in _SPACES:
                self._field, self._rest = "", b""  # no name, or no text: nothing to mask
                return at
            at += 1
        if self._rest:
            return at
        if self._value is None:
            self._value = bytearray()
        while at < len(data):
            byte = data[at : at + 1]
            if byte == b'"' and not self._escaped:
                self._ended()
                return at + 1
            self._escaped = byte == b"\\" and not self._escaped
            if len(self._value) < MOST:
                self._value += byte
            data[at : at + 1] = _MASK
            at += 1
        return at

    def _ended(self) -> None:
        field, value = self._field, bytes(self._value or b"")
        self._field, self._value, self._escaped = "", None, False
        if value:
            self._keep(field, value)


def conceal(body: bytes, fields: Collection[str], keep: Keep) -> bytes:
    """Return a whole message with the declared values masked.

    Of one that cannot be read, or hides a value, ``UNREADABLE`` is left.
    """
    masked = Concealer(fields, keep).conceal(body)
    try:
        told = msgspec.json.decode(masked)
    except msgspec.DecodeError:
        return UNREADABLE
    return masked if _is_masked(told, fields) else UNREADABLE


def _is_masked(told: Any, fields: Collection[str]) -> bool:
    """Whether no declared field has a value that was not found as it stands."""
    if isinstance(told, dict):
        return all(
            _is_masked(value, fields) and (name not in fields or _is_nothing(value))
            for name, value in told.items()
        )
    return not isinstance(told, list) or all(_is_masked(each, fields) for each in told)


def _is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip(_MASK.decode()))
