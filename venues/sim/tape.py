"""What has traded in one symbol: trades, aggregates, candles, averages.

Fed by the matching of one symbol, asked by market-data requests. Candles exist from the first
trade on; nothing before it is invented.
"""

import datetime
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from venues.sim.durations import DAY_NS, MINUTE_NS, SECOND_NS
from venues.sim.fixed import ONE

# Ten times what one request can return, and small enough to hold three symbols in memory.
TRADES_KEPT: Final = 10_000
# An hour of one-second candles and a week of one-minute candles; longer bars are built of minutes.
SECONDS_KEPT: Final = 3_600
MINUTES_KEPT: Final = 7 * 1_440

INTERVALS_NS: Final = {
    "1s": SECOND_NS,
    "1m": MINUTE_NS,
    "3m": 3 * MINUTE_NS,
    "5m": 5 * MINUTE_NS,
    "15m": 15 * MINUTE_NS,
    "30m": 30 * MINUTE_NS,
    "1h": 60 * MINUTE_NS,
    "2h": 120 * MINUTE_NS,
    "4h": 240 * MINUTE_NS,
    "6h": 360 * MINUTE_NS,
    "8h": 480 * MINUTE_NS,
    "12h": 720 * MINUTE_NS,
    "1d": DAY_NS,
    "3d": 3 * DAY_NS,
    "1w": 7 * DAY_NS,
    "1M": 0,  # a calendar month has no fixed length
}
# Weeks begin on Monday; the epoch was a Thursday.
_FIRST_MONDAY_NS: Final = 4 * DAY_NS


class Trade(NamedTuple):
    """One match of two orders. Numbers are integers of 1e-8, time is nanoseconds."""

    trade_id: int
    price: int
    quantity: int
    quote: int
    time_ns: int
    buyer_order_id: int
    seller_order_id: int
    buyer_is_maker: bool


class Aggregate(NamedTuple):
    """The trades of one taker order at one price."""

    aggregate_id: int
    price: int
    quantity: int
    first_id: int
    last_id: int
    time_ns: int
    buyer_is_maker: bool


class Candle:
    """Prices and volumes of one interval."""

    __slots__ = (
        "close", "count", "first_id", "high", "last_id", "low", "open", "open_ns",
        "quote", "taker_base", "taker_quote", "volume",
    )  # fmt: skip

    def __init__(self, open_ns: int, price: int) -> None:
        self.open_ns = open_ns
        self.open = self.high = self.low = self.close = price
        self.volume = self.quote = self.taker_base = self.taker_quote = 0
        self.count = 0
        self.first_id = self.last_id = -1

    def add(self, trade: Trade) -> None:
        self.high = max(self.high, trade.price)
        self.low = min(self.low, trade.price)
        self.close = trade.price
        self.volume += trade.quantity
        self.quote += trade.quote
        if not trade.buyer_is_maker:
            self.taker_base += trade.quantity
            self.taker_quote += trade.quote
        if self.first_id < 0:
            self.first_id = trade.trade_id
        self.last_id = trade.trade_id
        self.count += 1

    def merge(self, later: "Candle") -> None:
        """Take ``later``'s trades in."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.quote += later.quote
        self.taker_base += later.taker_base
        self.taker_quote += later.taker_quote
        if self.first_id < 0:
            self.first_id = later.first_id
        if later.last_id >= 0:
            self.last_id = later.last_id
        self.count += later.count


class Tape:
    """The printed trades of one symbol."""

    def __init__(self) -> None:
        self.trades: deque[Trade] = deque(maxlen=TRADES_KEPT)
        self.aggregates: deque[Aggregate] = deque(maxlen=TRADES_KEPT)
        self._seconds: deque[Candle] = deque(maxlen=SECONDS_KEPT)
        self._minutes: deque[Candle] = deque(maxlen=MINUTES_KEPT)
        self._next_aggregate_id = 0
        self._closed: dict[int, Candle | None] = {}
        self._closed_until_ns = 0

    @property
    def last_price(self) -> int | None:
        return self.trades[-1].price if self.trades else None

    def add(self, trade: Trade) -> None:
        self.trades.append(trade)
        _add_to(self._seconds, trade, SECOND_NS)
        _add_to(self._minutes, trade, MINUTE_NS)

    def aggregate(self, trades: list[Trade]) -> list[Aggregate]:
        """Fold the trades of one taker order, price by price, and keep the result."""
        found: list[Aggregate] = []
        for trade in trades:
            if found and found[-1].price == trade.price:
                last = found[-1]
                found[-1] = last._replace(
                    quantity=last.quantity + trade.quantity, last_id=trade.trade_id
                )
                continue
            found.append(
                Aggregate(
                    self._next_aggregate_id,
                    trade.price,
                    trade.quantity,
                    trade.trade_id,
                    trade.trade_id,
                    trade.time_ns,
                    trade.buyer_is_maker,
                )
            )
            self._next_aggregate_id += 1
        self.aggregates.extend(found)
        return found

    def average_price(self, now_ns: int, minutes: int) -> int | None:
        """Return the volume-weighted price of the last ``minutes``, by whole minutes.

        The last price when nothing traded in them; None when nothing ever traded.
        """
        oldest_ns = now_ns // MINUTE_NS * MINUTE_NS - (minutes - 1) * MINUTE_NS
        volume = quote = 0
        for candle in reversed(self._minutes):
            if candle.open_ns < oldest_ns:
                break
            volume += candle.volume
            quote += candle.quote
        return quote * ONE // volume if volume else self.last_price

    def since(self, oldest_ns: int) -> Candle | None:
        """Return one candle over all minutes that begin at ``oldest_ns`` or later."""
        current = self._minutes[-1] if self._minutes else None
        if current is None or current.open_ns < oldest_ns:
            return None
        if self._closed_until_ns != current.open_ns:
            self._closed.clear()
            self._closed_until_ns = current.open_ns
        # Minutes that are over are put together once a minute: tickers ask many times a second.
        first_ns = max(0, -(-oldest_ns // MINUTE_NS) * MINUTE_NS)
        if first_ns not in self._closed:
            self._closed[first_ns] = self._put_together(first_ns, current.open_ns)
        closed = self._closed[first_ns]
        first = current if closed is None else closed
        total = Candle(first.open_ns, first.open)
        if closed is not None:
            total.merge(closed)
        total.merge(current)
        return total

    def _put_together(self, oldest_ns: int, until_ns: int) -> Candle | None:
        """Return one candle over the minutes from ``oldest_ns`` to before ``until_ns``."""
        total: Candle | None = None
        for candle in self._minutes:
            if oldest_ns <= candle.open_ns < until_ns:
                if total is None:
                    total = Candle(candle.open_ns, candle.open)
                total.merge(candle)
        return total

    def current(self, interval: str, now_ns: int, zone_ns: int = 0) -> Candle | None:
        """Return the candle of ``interval`` that ``now_ns`` falls in; None before any trade."""
        start_ns = open_of(interval, now_ns, zone_ns)
        bars = list(self.candles(interval, start_ns, now_ns, zone_ns))
        return bars[-1] if bars else None

    def candles(
        self, interval: str, start_ns: int, end_ns: int, zone_ns: int = 0
    ) -> Iterator[Candle]:
        """Yield the candles that open within [start, end], without gaps from the first trade on.

        An interval without trades repeats the close before it, as the venue shows it. ``zone_ns``
        is the offset from UTC by which intervals are cut.
        """
        base = self._seconds if interval == "1s" else self._minutes
        if not base:
            return
        position = 0
        bar: Candle | None = None
        open_ns = open_of(interval, base[0].open_ns, zone_ns)
        while open_ns <= end_ns:
            next_ns = next_open(interval, open_ns, zone_ns)
            previous = bar
            bar = None
            for candle in islice(base, position, None):
                if candle.open_ns >= next_ns:
                    break
                position += 1
                if bar is None:
                    bar = Candle(open_ns, candle.open)
                bar.merge(candle)
            if bar is None:
                assert previous is not None  # noqa: S101 - the first bar holds the first candle
                bar = Candle(open_ns, previous.close)
            if open_ns >= start_ns:
                yield bar
            open_ns = next_ns


def _add_to(candles: deque[Candle], trade: Trade, interval_ns: int) -> None:
    open_ns = trade.time_ns // interval_ns * interval_ns
    if not candles or candles[-1].open_ns != open_ns:
        candles.append(Candle(open_ns, trade.price))
    candles[-1].add(trade)


def open_of(interval: str, time_ns: int, zone_ns: int = 0) -> int:
    """Return when the bar of ``interval`` that holds ``time_ns`` opened."""
    local_ns = time_ns + zone_ns
    if interval == "1M":
        moment = datetime.datetime.fromtimestamp(local_ns // SECOND_NS, datetime.UTC)
        return _month_ns(moment.year, moment.month) - zone_ns
    length_ns = INTERVALS_NS[interval]
    origin_ns = _FIRST_MONDAY_NS if interval == "1w" else 0
    return (local_ns - origin_ns) // length_ns * length_ns + origin_ns - zone_ns


def next_open(interval: str, open_ns: int, zone_ns: int = 0) -> int:
    """Return when the bar after the one that opened at ``open_ns`` opens."""
    if interval != "1M":
        return open_ns + INTERVALS_NS[interval]
    moment = datetime.datetime.fromtimestamp((open_ns + zone_ns) // SECOND_NS, datetime.UTC)
    year, month = (moment.year, moment.month + 1) if moment.month < 12 else (moment.year + 1, 1)
    return _month_ns(year, month) - zone_ns


def _month_ns(year: int, month: int) -> int:
    start = datetime.datetime(year, month, 1, tzinfo=datetime.UTC)
    return int(start.timestamp()) * SECOND_NS
