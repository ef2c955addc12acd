"""Rate limits as the venue counts them: windows aligned to the wall clock (rest-api.md, LIMITS).

Counting only: who asks and what a request weighs is decided elsewhere, and time is an argument.
"""

from typing import Any, Final, NamedTuple

from venues.sim.binance import errors
from venues.sim.durations import DAY_NS, MINUTE_NS, SECOND_NS

_UNIT_NS: Final = {"SECOND": SECOND_NS, "MINUTE": MINUTE_NS, "DAY": DAY_NS}


class Limit(NamedTuple):
    """One published limit: at most ``limit`` per aligned window of ``number`` ``interval``."""

    kind: str
    interval: str
    number: int
    limit: int

    @property
    def window_ns(self) -> int:
        return _UNIT_NS[self.interval] * self.number

    @property
    def label(self) -> str:
        return f"{self.number} {self.interval}"

    @property
    def header_suffix(self) -> str:
        return f"{self.number}{self.interval[0]}"

    def published(self) -> dict[str, Any]:
        """Return the entry of ``exchangeInfo.rateLimits``."""
        return {
            "rateLimitType": self.kind,
            "interval": self.interval,
            "intervalNum": self.number,
            "limit": self.limit,
        }


class Window:
    """The count of one Limit in its current window."""

    __slots__ = ("_count", "_index", "limit")

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._index = -1
        self._count = 0

    def count(self, now_ns: int) -> int:
        index = now_ns // self.limit.window_ns
        if index != self._index:
            self._index, self._count = index, 0
        return self._count

    def add(self, amount: int, now_ns: int) -> None:
        """Add ``amount``; a negative one never takes the count below zero."""
        self._count = max(0, self.count(now_ns) + amount)

    def has_room(self, amount: int, now_ns: int) -> bool:
        return self.count(now_ns) + amount <= self.limit.limit

    def ends_ms(self, now_ns: int) -> int:
        """Return the epoch millisecond at which the current window ends."""
        window_ns = self.limit.window_ns
        return (now_ns // window_ns + 1) * window_ns // 1_000_000

    def state(self, now_ns: int) -> dict[str, Any]:
        """Return the entry of a response's ``rateLimits``."""
        return self.limit.published() | {"count": self.count(now_ns)}


class RequestCounter:
    """What one IP has used: request weight, raw requests, and its bans.

    The venue bans who goes on sending after 429; its threshold is not published. Here it is
    ``REFUSALS_BEFORE_BAN`` refusals in one minute; bans scale from 2 minutes to 3 days.
    """

    REFUSALS_BEFORE_BAN: Final = 50
    FIRST_BAN_NS: Final = 2 * MINUTE_NS
    LONGEST_BAN_NS: Final = 3 * DAY_NS

    def __init__(self, weight: Limit, raw: Limit) -> None:
        self.weight = Window(weight)
        self.raw = Window(raw)
        self._refusals = Window(Limit("REFUSALS", "MINUTE", 1, self.REFUSALS_BEFORE_BAN))
        self._banned_until_ns = 0
        self._next_ban_ns = self.FIRST_BAN_NS

    def admit(self, weight: int, now_ns: int) -> None:
        """Count one request and make sure ``weight`` fits; raise 429 or 418 otherwise."""
        if now_ns < self._banned_until_ns:
            raise errors.banned(self._banned_until_ns // 1_000_000)
        self.raw.add(1, now_ns)
        if not self.raw.has_room(0, now_ns):
            limit = self.raw.limit
            self._refuse(now_ns)
            raise errors.too_many_requests(limit.limit, limit.label, self.raw.ends_ms(now_ns))
        if not self.weight.has_room(weight, now_ns):
            limit = self.weight.limit
            self._refuse(now_ns)
            raise errors.too_much_weight(limit.limit, limit.label, self.weight.ends_ms(now_ns))

    def charge(self, weight: int, now_ns: int) -> None:
        self.weight.add(weight, now_ns)

    def _refuse(self, now_ns: int) -> None:
        self._refusals.add(1, now_ns)
        if not self._refusals.has_room(0, now_ns):
            self._banned_until_ns = now_ns + self._next_ban_ns
            self._next_ban_ns = min(2 * self._next_ban_ns, self.LONGEST_BAN_NS)


class OrderCounter:
    """The unfilled order count of one account (faqs/order_count_decrement.md)."""

    # What the first fill of an order takes off the count, by the examples of that page.
    FIRST_FILL_AS_TAKER: Final = -1
    FIRST_FILL_AS_MAKER: Final = -5

    def __init__(self, limits: tuple[Limit, ...]) -> None:
        self.windows = tuple(Window(limit) for limit in limits)

    def full(self, now_ns: int, orders: int = 1) -> errors.ApiError | None:
        """Return the refusal of so many more orders, or None when there is room."""
        for window in self.windows:
            if not window.has_room(orders, now_ns):
                limit = window.limit
                return errors.too_many_orders(limit.limit, limit.label, window.ends_ms(now_ns))
        return None

    def add(self, amount: int, now_ns: int) -> None:
        for window in self.windows:
            window.add(amount, now_ns)

    def states(self, now_ns: int) -> list[dict[str, Any]]:
        return [window.state(now_ns) for window in self.windows]
