"""From engine events to stream payloads: what each stream says and when.

Trades, aggregates and best prices are said as they happen; depth at its cadence by the time passed
in; tickers and candles once a second. A payload is encoded once per form (raw or combined,
milliseconds or microseconds) and only when somebody subscribed to its stream.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

import msgspec

from venues.sim.binance.views import Statistics, candle_event, depth_snapshot
from venues.sim.durations import DAY_NS, HOUR_NS, SECOND_NS
from venues.sim.engine import Aggregated, BestMoved, Engine, Event, Market, Printed
from venues.sim.fixed import show
from venues.sim.symbols import AVERAGE_PRICE_MINUTES
from venues.sim.tape import INTERVALS_NS, Candle, open_of

FAST_NS: Final = 100_000_000
SLOW_NS: Final = SECOND_NS

_encode = msgspec.json.Encoder().encode

# Every stream name this exchange knows; symbols are lower-case in stream names.
_STREAM: Final = re.compile(
    r"(?P<symbol>[^@!\s]{1,50})@(?:trade|aggTrade|bookTicker|ticker|miniTicker|avgPrice"
    r"|blockTrade|ticker_(?:1h|4h|1d)"
    r"|depth(?:5|10|20)?(?:@100ms|@1000ms)?"
    r"|kline_(?P<interval>[0-9]{1,2}[smhdwM])(?:@\+08:00)?)"
)
_ALL_MINI: Final = "!miniTicker@arr"
_WINDOWS_NS: Final = {"1h": HOUR_NS, "4h": 4 * HOUR_NS, "1d": DAY_NS}
_ALL: Final = (_ALL_MINI, *(f"!ticker_{window}@arr" for window in _WINDOWS_NS))
# Candles are cut by UTC, or by the one other zone that has streams of its own.
_ZONES_NS: Final = {"": 0, "@+08:00": 8 * HOUR_NS}
# Streams of the venue that this exchange does not offer.
_LEFT_OUT: Final = re.compile(r"[^@!\s]+@referencePrice|!ticker@arr|!bookTicker")


class Subscriber(Protocol):
    """One connection of the market streams."""

    combined: bool
    unit_ns: int

    def deliver(self, payload: bytes) -> None:
        """Take one encoded payload; must not block."""


class Message:
    """One payload, encoded in each form at most once."""

    __slots__ = ("_encoded", "_payload", "stream")

    def __init__(self, stream: str, payload: Callable[[int], bytes]) -> None:
        self.stream = stream
        self._payload = payload
        self._encoded: dict[tuple[bool, int], bytes] = {}

    def form(self, combined: bool, unit_ns: int) -> bytes:
        key = (combined, unit_ns)
        found = self._encoded.get(key)
        if found is None:
            found = self._payload(unit_ns)
            if combined:
                found = b'{"stream":"%s","data":%s}' % (self.stream.encode(), found)
            self._encoded[key] = found
        return found


class Depth:
    """The diff-depth state of one market: what changed since the last diff of each cadence."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self._slow: set[tuple[bool, int]] = set()
        self._fast_id = market.book.update_id
        self._slow_id = market.book.update_id
        market.book.changed = set()

    def take_fast(self) -> "Diff | None":
        """Return the diff since the last call, None when nothing changed."""
        book = self.market.book
        if book.update_id == self._fast_id:
            return None
        diff = Diff(self.market, self._fast_id + 1, book.changed)
        self._fast_id = book.update_id
        self._slow |= book.changed
        book.changed = set()
        return diff

    def take_slow(self) -> "Diff | None":
        """Return the diff since the last slow one; to be called right after ``take_fast``."""
        if self.market.book.update_id == self._slow_id:
            return None
        diff = Diff(self.market, self._slow_id + 1, self._slow)
        self._slow_id = self.market.book.update_id
        self._slow = set()
        return diff


class Diff:
    """Levels changed over a span of update ids, with the totals they have now."""

    def __init__(self, market: Market, first_id: int, changed: set[tuple[bool, int]]) -> None:
        self.market = market
        self.first_id = first_id
        self._changed = changed

    def payload(self, now_ns: int) -> Callable[[int], bytes]:
        book, name = self.market.book, self.market.symbol.name
        bids = sorted((price for side, price in self._changed if side), reverse=True)
        asks = sorted(price for side, price in self._changed if not side)
        levels = _encode([[show(p), show(book.total_at(True, p))] for p in bids])
        others = _encode([[show(p), show(book.total_at(False, p))] for p in asks])
        first, last = self.first_id, book.update_id
        return lambda unit_ns: (
            b'{"e":"depthUpdate","E":%d,"s":"%s","U":%d,"u":%d,"b":%s,"a":%s}'
            % (now_ns // unit_ns, name.encode(), first, last, levels, others)
        )


class MarketData:
    """All market streams of an exchange and who subscribed to them."""

    def __init__(self, engine: Engine, now_ns: int) -> None:
        self._engine = engine
        self.begin()
        # Dictionaries as ordered sets: delivery follows the order of subscription.
        self._subscribers: dict[str, dict[Subscriber, None]] = {}
        self._next_fast_ns = _next(now_ns, FAST_NS)
        self._next_slow_ns = _next(now_ns, SLOW_NS)

    def begin(self) -> None:
        """Take the books as they are for the first diffs."""
        self._depths = [Depth(market) for market in self._engine.markets.values()]

    # -- subscriptions -------------------------------------------------------------------------

    def knows(self, stream: str) -> bool:
        """Whether such a stream exists here."""
        match = _STREAM.fullmatch(stream)
        if match is None:
            return stream in _ALL
        interval = match["interval"]
        known = interval is None or interval in INTERVALS_NS
        return known and match["symbol"] in {name.lower() for name in self._engine.markets}

    @staticmethod
    def leaves_out(stream: str) -> bool:
        """Whether the venue has, or had, such a stream and this exchange does not."""
        return _LEFT_OUT.fullmatch(stream) is not None

    def subscribe(self, stream: str, subscriber: Subscriber) -> None:
        """Subscribe; a stream that does not exist is accepted and stays silent, as at the venue."""
        self._subscribers.setdefault(stream, {})[subscriber] = None

    def unsubscribe(self, stream: str, subscriber: Subscriber) -> None:
        subscribers = self._subscribers.get(stream)
        if subscribers is None:
            return
        subscribers.pop(subscriber, None)
        if not subscribers:
            del self._subscribers[stream]

    # -- output --------------------------------------------------------------------------------

    def publish(self, event: Event, now_ns: int) -> None:
        """Say what has just happened."""
        if isinstance(event, BestMoved):
            stream = f"{event.symbol.lower()}@bookTicker"
            if stream in self._subscribers:
                payload = _best_payload(event)
                self._send(stream, lambda _: payload)
        elif isinstance(event, Printed):
            stream = f"{event.symbol.lower()}@trade"
            if stream in self._subscribers:
                self._send(stream, _trade_payload(event, now_ns))
        elif isinstance(event, Aggregated):
            stream = f"{event.symbol.lower()}@aggTrade"
            if stream in self._subscribers:
                self._send(stream, _aggregate_payload(event, now_ns))

    def tick(self, now_ns: int) -> int:
        """Say what is due by ``now_ns``; return when the next thing is due."""
        if now_ns >= self._next_fast_ns:
            slow = now_ns >= self._next_slow_ns
            for depth in self._depths:
                self._publish_depth(depth, now_ns, slow=slow)
            self._next_fast_ns = _next(now_ns, FAST_NS)
            if slow:
                self._publish_statistics(now_ns)
                self._next_slow_ns = _next(now_ns, SLOW_NS)
        return self._next_fast_ns

    def _publish_depth(self, depth: Depth, now_ns: int, *, slow: bool) -> None:
        name = depth.market.symbol.name.lower()
        fast_diff = depth.take_fast()
        if fast_diff is not None:
            self._send_wanted((f"{name}@depth@100ms",), lambda: fast_diff.payload(now_ns))
            self._publish_partial(depth.market, "@100ms")
        slow_diff = depth.take_slow() if slow else None
        if slow_diff is not None:
            streams = (f"{name}@depth", f"{name}@depth@1000ms")
            self._send_wanted(streams, lambda: slow_diff.payload(now_ns))
            self._publish_partial(depth.market, "")
            self._publish_partial(depth.market, "@1000ms")

    def _publish_partial(self, market: Market, suffix: str) -> None:
        for levels in (5, 10, 20):
            stream = f"{market.symbol.name.lower()}@depth{levels}{suffix}"
            if stream in self._subscribers:
                payload = _encode(depth_snapshot(market, levels))
                self._send(stream, _same(payload))

    def _publish_statistics(self, now_ns: int) -> None:
        for market in self._engine.markets.values():
            self._publish_market_statistics(market, now_ns)
        if _ALL_MINI in self._subscribers:
            days = [Statistics.day(market, now_ns) for market in self._engine.markets.values()]
            self._send(
                _ALL_MINI, lambda unit_ns: _encode([day.mini_event(unit_ns) for day in days])
            )

        for window, length_ns in _WINDOWS_NS.items():
            stream = f"!ticker_{window}@arr"
            if stream in self._subscribers:
                self._send(stream, self._all_windows(now_ns, window, length_ns))

    def _all_windows(self, now_ns: int, window: str, length_ns: int) -> Callable[[int], bytes]:
        """Return the rolling statistics of every symbol that has traded."""
        all_of_them = [
            Statistics.window(market, now_ns, length_ns)
            for market in self._engine.markets.values()
            if market.tape.trades
        ]
        return _json(lambda unit: [one.window_event(window, unit) for one in all_of_them])

    def _publish_market_statistics(self, market: Market, now_ns: int) -> None:
        name = market.symbol.name.lower()
        if not market.tape.trades:
            return
        self._send_wanted(
            (f"{name}@ticker",), lambda: _json(Statistics.day(market, now_ns).full_event)
        )
        self._send_wanted(
            (f"{name}@miniTicker",), lambda: _json(Statistics.day(market, now_ns).mini_event)
        )
        for window, length_ns in _WINDOWS_NS.items():
            stream = f"{name}@ticker_{window}"
            if stream in self._subscribers:
                self._send(stream, _window_payload(market, now_ns, window, length_ns))
        self._send_wanted(
            (f"{name}@avgPrice",),
            lambda: _json(lambda unit_ns: _average_event(market, now_ns, unit_ns)),
        )
        for interval in INTERVALS_NS:
            for suffix, zone_ns in _ZONES_NS.items():
                stream = f"{name}@kline_{interval}{suffix}"
                if stream in self._subscribers:
                    for payload in _candle_payloads(market, interval, now_ns, zone_ns):
                        self._send(stream, payload)

    def _send_wanted(
        self, streams: tuple[str, ...], payload: Callable[[], Callable[[int], bytes]]
    ) -> None:
        """Build a payload only when one of its streams has a subscriber."""
        wanted = [stream for stream in streams if stream in self._subscribers]
        if not wanted:
            return
        built = payload()
        for stream in wanted:
            self._send(stream, built)

    def _send(self, stream: str, payload: Callable[[int], bytes]) -> None:
        message = Message(stream, payload)
        for subscriber in self._subscribers[stream]:
            subscriber.deliver(message.form(subscriber.combined, subscriber.unit_ns))


def _candle_payloads(
    market: Market, interval: str, now_ns: int, zone_ns: int
) -> Iterator[Callable[[int], bytes]]:
    """Yield the candle that has closed since the last time, if one has, and the current one."""
    before_ns = now_ns - SLOW_NS
    moments = [now_ns]
    if open_of(interval, before_ns, zone_ns) != open_of(interval, now_ns, zone_ns):
        moments.insert(0, before_ns)
    for moment_ns in moments:
        candle = market.tape.current(interval, moment_ns, zone_ns)
        if candle is not None:
            yield _candle_payload(market, interval, candle, now_ns, zone_ns)


def _candle_payload(
    market: Market, interval: str, candle: Candle, now_ns: int, zone_ns: int
) -> Callable[[int], bytes]:
    return _json(lambda unit: candle_event(market, interval, candle, now_ns, unit, zone_ns))


def _window_payload(
    market: Market, now_ns: int, window: str, length_ns: int
) -> Callable[[int], bytes]:
    statistics = Statistics.window(market, now_ns, length_ns)
    return _json(lambda unit: statistics.window_event(window, unit))


def _next(now_ns: int, interval_ns: int) -> int:
    return (now_ns // interval_ns + 1) * interval_ns


def _same(payload: bytes) -> Callable[[int], bytes]:
    return lambda _: payload


def _json(build: Callable[[int], Any]) -> Callable[[int], bytes]:
    return lambda unit_ns: _encode(build(unit_ns))


def _best_payload(event: BestMoved) -> bytes:
    best = event.best
    return (
        f'{{"u":{best.update_id},"s":"{event.symbol}"'
        f',"b":"{show(best.bid)}","B":"{show(best.bid_quantity)}"'
        f',"a":"{show(best.ask)}","A":"{show(best.ask_quantity)}"}}'
    ).encode()


def _trade_payload(event: Printed, now_ns: int) -> Callable[[int], bytes]:
    trade = event.trade
    maker = "true" if trade.buyer_is_maker else "false"
    return lambda unit_ns: (
        f'{{"e":"trade","E":{now_ns // unit_ns},"s":"{event.symbol}","t":{trade.trade_id}'
        f',"p":"{show(trade.price)}","q":"{show(trade.quantity)}"'
        f',"T":{trade.time_ns // unit_ns},"m":{maker},"M":true}}'
    ).encode()


def _aggregate_payload(event: Aggregated, now_ns: int) -> Callable[[int], bytes]:
    one = event.aggregate
    maker = "true" if one.buyer_is_maker else "false"
    return lambda unit_ns: (
        f'{{"e":"aggTrade","E":{now_ns // unit_ns},"s":"{event.symbol}","a":{one.aggregate_id}'
        f',"p":"{show(one.price)}","q":"{show(one.quantity)}","f":{one.first_id}'
        f',"l":{one.last_id},"T":{one.time_ns // unit_ns},"m":{maker},"M":true}}'
    ).encode()


def _average_event(market: Market, now_ns: int, unit_ns: int) -> dict[str, Any]:
    return {
        "e": "avgPrice",
        "E": now_ns // unit_ns,
        "s": market.symbol.name,
        "i": f"{AVERAGE_PRICE_MINUTES}m",
        "w": show(market.average_price(now_ns)),
        "T": market.tape.trades[-1].time_ns // unit_ns,
    }
