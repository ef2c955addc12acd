"""Reading a request's parameters, with the venue's refusal for everything malformed.

REST sends text, the WebSocket API sends JSON values; both become text here. Each handler takes
what it knows and then calls ``finish``, which refuses whatever nobody read.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from venues.sim import fixed
from venues.sim.binance import errors
from venues.sim.durations import HOUR_NS, MICROSECOND_NS, MILLISECOND_NS, MINUTE_NS

_INTEGER: Final = re.compile(r"[0-9]{1,20}", re.ASCII)
_CLIENT_ID: Final = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}", re.ASCII)
_RECV_WINDOW: Final = re.compile(r"[0-9]{1,5}(\.[0-9]{1,3})?", re.ASCII)

_ZONE: Final = re.compile(r"([+-]?)([0-9]{1,2})(?::([0-5][0-9]))?", re.ASCII)

# Timestamps from here on are microseconds: as milliseconds this is the year 5138.
FIRST_MICROSECOND_STAMP: Final = 10**14

DEFAULT_RECV_WINDOW_MS: Final = 5000
MAX_RECV_WINDOW_MS: Final = 60_000

# An integer parameter is a LONG.
LONG_MAX: Final = 2**63 - 1

# Read before a handler sees the request, by who signs, times and answers it.
COMMON: Final = frozenset({"apiKey", "signature", "timestamp", "recvWindow", "returnRateLimits"})


def as_text(value: Any) -> str:
    """Return a JSON value as the text that a signature covers."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case None:
            return ""
        case _:
            return msgspec.json.encode(value).decode()


class Parameters:
    """The parameters of one request, read by name exactly once each."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._read: set[str] = {name for name in values if name in COMMON}

    def has(self, name: str) -> bool:
        return name in self._values

    def forbid(self, name: str) -> None:
        """Refuse a parameter that this kind of request does not take."""
        if name in self._values:
            raise errors.not_required(name)

    def text(self, name: str) -> str | None:
        value = self._values.get(name)
        if value is None:
            return None
        self._read.add(name)
        if value == "":
            raise errors.empty(name)
        return value

    def need_text(self, name: str) -> str:
        value = self._values.get(name)
        self._read.add(name)
        if not value:
            raise errors.missing(name)
        return value

    def integer(self, name: str) -> int | None:
        value = self.text(name)
        if value is None:
            return None
        if _INTEGER.fullmatch(value) is None:
            raise errors.illegal_characters(name, errors.INTEGER_TEXT)
        number = int(value)
        if number > LONG_MAX:
            raise errors.overflowed(name)
        return number

    def need_integer(self, name: str) -> int:
        self.need_text(name)
        number = self.integer(name)
        assert number is not None  # noqa: S101 - need_text has just found it
        return number

    def count(self, name: str, default: int, maximum: int) -> int:
        """Return a page size: ``default`` when absent, never above ``maximum``."""
        number = self.integer(name)
        if number is None:
            return default
        if number == 0:
            raise errors.invalid_data(name)
        return min(number, maximum)

    def decimal(self, name: str) -> int | None:
        """Return a decimal in units of 1e-8."""
        value = self.text(name)
        if value is None:
            return None
        try:
            return fixed.parse(value)
        except fixed.NotDecimalError:
            raise errors.illegal_characters(name, fixed.DECIMAL_PATTERN) from None
        except fixed.TooPreciseError:
            raise errors.too_precise(name) from None

    def need_decimal(self, name: str) -> int:
        self.need_text(name)
        number = self.decimal(name)
        assert number is not None  # noqa: S101 - need_text has just found it
        return number

    def boolean(self, name: str, default: bool) -> bool:
        value = self.text(name)
        if value is None:
            return default
        if value.lower() not in {"true", "false"}:
            raise errors.invalid_data(name)
        return value.lower() == "true"

    def choice(self, name: str, allowed: frozenset[str], refusal: errors.ApiError) -> str | None:
        value = self.text(name)
        if value is not None and value not in allowed:
            raise refusal
        return value

    def client_id(self, name: str) -> str | None:
        value = self.text(name)
        if value is not None and _CLIENT_ID.fullmatch(value) is None:
            raise errors.illegal_characters(name, errors.CLIENT_ID_TEXT)
        return value

    def names(self, name: str) -> list[str] | None:
        """Return a JSON array of distinct texts, as ``symbols`` is sent."""
        value = self.text(name)
        if value is None:
            return None
        try:
            found = msgspec.json.decode(value, type=list[str])
        except msgspec.DecodeError:
            raise errors.illegal_characters(name, errors.SYMBOL_LIST_TEXT) from None
        if len(set(found)) != len(found):
            raise errors.duplicate_symbols()
        return found

    def span(self, longest_hours: int | None = None) -> tuple[int | None, int | None]:
        """Return startTime and endTime in nanoseconds, at most ``longest_hours`` apart."""
        start_ns, end_ns = _time_ns(self.integer("startTime")), _time_ns(self.integer("endTime"))
        if longest_hours is None or start_ns is None or end_ns is None:
            return start_ns, end_ns
        if end_ns - start_ns > longest_hours * HOUR_NS:
            raise errors.interval_too_long(longest_hours)
        return start_ns, end_ns

    def zone_ns(self) -> int:
        """Return ``timeZone`` (hours, or hours:minutes, from -12:00 to +14:00) in nanoseconds."""
        match = _ZONE.fullmatch(self.text("timeZone") or "0")
        if match is None:
            raise errors.invalid_data("timeZone")
        minutes = int(match[2]) * 60 + int(match[3] or 0)
        if match[1] == "-":
            minutes = -minutes
        if not -12 * 60 <= minutes <= 14 * 60:
            raise errors.invalid_data("timeZone")
        return minutes * MINUTE_NS

    def order_names(
        self, by_id: str = "orderId", by_client_id: str = "origClientOrderId"
    ) -> tuple[int | None, str | None]:
        """Return the order id and client order id that name an order; one of them is there."""
        order_id, client_id = self.integer(by_id), self.client_id(by_client_id)
        if order_id is None and client_id is None:
            raise errors.missing_both(by_client_id, by_id)
        return order_id, client_id

    def finish(self) -> None:
        """Refuse the request when something sent was read by nobody."""
        if len(self._read & self._values.keys()) < len(self._values):
            raise errors.unread(len(self._read & self._values.keys()), len(self._values))


def _time_ns(stamp: int | None) -> int | None:
    if stamp is None:
        return None
    return stamp * (MICROSECOND_NS if stamp >= FIRST_MICROSECOND_STAMP else MILLISECOND_NS)


def recv_window_us(text: str | None) -> int:
    """Return ``recvWindow`` (milliseconds, up to three decimals) in microseconds."""
    if text is None:
        return DEFAULT_RECV_WINDOW_MS * 1000
    if _RECV_WINDOW.fullmatch(text) is None:
        raise errors.illegal_characters("recvWindow", r"^[0-9]{1,5}(\.[0-9]{1,3})?$")
    microseconds = fixed.parse(text) * 1000 // fixed.ONE
    if microseconds > MAX_RECV_WINDOW_MS * 1000:
        raise errors.too_large("recvWindow", MAX_RECV_WINDOW_MS)
    return microseconds
