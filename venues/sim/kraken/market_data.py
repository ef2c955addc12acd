"""From the engine's events to messages of the public channels, and of level3.

A book message carries the changes since the last one and a checksum of the first ten levels
(guides spot-ws-book-v2, spot-ws-l3-v2). Whoever keeps a book cuts it to its depth after each
message: levels that fall out are not deleted, levels that come into sight are sent.
"""

import re
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final, Protocol

import msgspec
from msgspec import Raw
from sortedcontainers import SortedDict

from venues.sim.durations import DAY_NS, MINUTE_NS, SECOND_NS
from venues.sim.events import BestMoved, Event, Printed
from venues.sim.fixed import ONE
from venues.sim.kraken.exchange import Exchange
from venues.sim.kraken.numbers import (
    ORDER,
    fine_stamp,
    fixed,
    name_of,
    number,
    stamp,
)
from venues.sim.kraken.pairs import Pair
from venues.sim.matching import BUY, SELL, Queued, Side
from venues.sim.tape import Candle, Trade

BOOK_DEPTHS: Final = (10, 25, 100, 500, 1000)
LEVEL3_DEPTHS: Final = (10, 100, 1000)
INTERVALS: Final = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)
CHECKED_LEVELS: Final = 10
# What a snapshot of trades and of candles shows.
TRADES_SHOWN: Final = 50
CANDLES_SHOWN: Final = 720

_encode = msgspec.json.Encoder().encode
_CHECKSUM: Final = re.compile(rb'"checksum":(\d+)')

# A subscription: channel, pair's name (empty for all pairs), and depth, trigger or interval.
Topic = tuple[str, str, Any]


class Subscriber(Protocol):
    """One connection."""

    def deliver(self, name: str, payload: bytes) -> None:
        """Take one encoded message of the channel and pair ``name`` says."""


def wrong(payload: bytes) -> bytes:
    """Return a message with a wrong checksum, the same one where it has none."""
    return _CHECKSUM.sub(lambda m: b'"checksum":%d' % (int(m[1]) ^ 1), payload)


def checksum(levels: Iterator[tuple[int, int]], pair: Pair) -> int:
    """Return the CRC32 over prices and sizes: asks from the lowest, then bids from the highest.

    Each is written in full, without its point and the zeros before it.
    """
    text = "".join(
        _digits(price, pair.price_decimals) + _digits(size, pair.lot_decimals)
        for price, size in levels
    )
    return zlib.crc32(text.encode())


def _digits(units: int, decimals: int) -> str:
    return fixed(units, decimals).replace(".", "").lstrip("0")


# -- level 2 -----------------------------------------------------------------------------------


class Half:
    """The levels of one side that subscribers of one depth know."""

    def __init__(self, side: Side, depth: int) -> None:
        self._depth = depth
        self._sign = side.sign
        self.levels: SortedDict[int, int] = SortedDict(
            (key, side.levels[key].total) for key in side.levels.islice(0, depth)
        )

    def shown(self, limit: int | None = None) -> list[tuple[int, int]]:
        """Return (price, size) of the first levels, best first."""
        return [(key * self._sign, size) for key, size in islice(self.levels.items(), limit)]

    def update(self, side: Side, changed: list[int]) -> list[tuple[int, int]]:
        """Take what has changed at these keys; return (price, size) of each, 0 where it is gone.

        What is gone comes first, so that who cuts a book to its depth after every level, rather
        than after the message, has the same in the end.
        """
        levels, gone, told = self.levels, [], []
        is_full = len(levels) >= self._depth
        last = levels.peekitem(-1)[0] if levels else 0
        for key in changed:
            if is_full and key > last:
                continue
            level = side.levels.get(key)
            size = 0 if level is None else level.total
            if size == levels.get(key, 0):
                continue
            if size:
                levels[key] = size
                told.append((key * self._sign, size))
            else:
                del levels[key]
                gone.append((key * self._sign, size))
        while len(levels) > self._depth:
            levels.popitem(-1)
        if is_full and len(levels) < self._depth:
            told += self._refill(side, last)
        return gone + told

    def _refill(self, side: Side, last: int) -> list[tuple[int, int]]:
        """Take in the levels beyond the last one known, which have come into sight."""
        found = side.levels.irange(minimum=last, inclusive=(False, True))
        told = []
        for key in islice(found, self._depth - len(self.levels)):
            self.levels[key] = side.levels[key].total
            told.append((key * self._sign, self.levels[key]))
        return told


class Ladder:
    """One pair's book at one depth, as its subscribers know it."""

    def __init__(self, pair: Pair, depth: int) -> None:
        self._pair = pair
        book = pair.market.book
        self.bids = Half(book.bids, depth)
        self.asks = Half(book.asks, depth)

    def snapshot(self, now_ns: int) -> bytes:
        return self._message("snapshot", self.bids.shown(), self.asks.shown(), now_ns)

    def update(self, bids: list[int], asks: list[int], now_ns: int) -> bytes | None:
        """Return the message that changes at these keys make, None where nobody sees any."""
        book = self._pair.market.book
        told_bids = self.bids.update(book.bids, bids)
        told_asks = self.asks.update(book.asks, asks)
        if not told_bids and not told_asks:
            return None
        return self._message("update", told_bids, told_asks, now_ns)

    def _message(
        self, kind: str, bids: list[tuple[int, int]], asks: list[tuple[int, int]], now_ns: int
    ) -> bytes:
        pair = self._pair
        top = [*self.asks.shown(CHECKED_LEVELS), *self.bids.shown(CHECKED_LEVELS)]
        book = {
            "symbol": pair.name,
            "bids": [self._level(*one) for one in bids],
            "asks": [self._level(*one) for one in asks],
            "checksum": checksum(iter(top), pair),
            "timestamp": stamp(now_ns),
        }
        return _encode({"channel": "book", "type": kind, "data": [book]})

    def _level(self, price: int, size: int) -> dict[str, Any]:
        pair = self._pair
        return {
            "price": number(price, pair.price_decimals),
            "qty": number(size, pair.lot_decimals),
        }


# -- level 3 -----------------------------------------------------------------------------------


class Queue:
    """The orders of one side, level by level, that subscribers of one depth know."""

    def __init__(self, side: Side, depth: int) -> None:
        self._depth = depth
        self._sign = side.sign
        self.levels: SortedDict[int, OrderedDict[int, Queued]] = SortedDict()
        for key in side.levels.islice(0, depth):
            self._take_in(side, key)

    def _take_in(self, side: Side, key: int) -> list[Queued]:
        orders = side.levels[key].orders.values()
        found = [
            Queued("add", one.order_id, one.side, one.price, one.open_quantity, one.placed_ns)
            for one in orders
        ]
        self.levels[key] = OrderedDict((one.order_id, one) for one in found)
        return found

    def shown(self, limit: int | None = None) -> list[Queued]:
        """Return the orders of the first levels, best price and oldest first."""
        levels = islice(self.levels.values(), limit)
        return [one for level in levels for one in level.values()]

    def update(self, side: Side, steps: list[Queued]) -> list[Queued]:
        """Take the steps of this side; return those that are seen, and what came into sight."""
        levels, told = self.levels, []
        is_full = len(levels) >= self._depth
        last = levels.peekitem(-1)[0] if levels else 0
        for step in steps:
            key = step.price * self._sign
            if is_full and key > last:
                continue
            self._apply(key, step)
            told.append(step)
        while len(levels) > self._depth:
            levels.popitem(-1)
        if is_full and len(levels) < self._depth:
            found = side.levels.irange(minimum=last, inclusive=(False, True))
            for key in list(islice(found, self._depth - len(levels))):
                told += self._take_in(side, key)
        return told

    def _apply(self, key: int, step: Queued) -> None:
        if step.change == "delete":
            level = self.levels[key]
            del level[step.order_id]
            if not level:
                del self.levels[key]
            return
        level = self.levels.setdefault(key, OrderedDict())
        level[step.order_id] = step


class Queues:
    """One pair's orders at one depth, as its subscribers know them."""

    def __init__(self, pair: Pair, depth: int) -> None:
        self._pair = pair
        book = pair.market.book
        self.bids = Queue(book.bids, depth)
        self.asks = Queue(book.asks, depth)

    def snapshot(self, now_ns: int) -> bytes:
        return self._message("snapshot", self.bids.shown(), self.asks.shown(), now_ns)

    def update(self, steps: list[Queued], now_ns: int) -> bytes | None:
        """Return the message that steps make, None where nobody sees any."""
        book = self._pair.market.book
        bids = self.bids.update(book.bids, [one for one in steps if one.side is BUY])
        asks = self.asks.update(book.asks, [one for one in steps if one.side is SELL])
        if not bids and not asks:
            return None
        return self._message("update", bids, asks, now_ns)

    def _message(self, kind: str, bids: list[Queued], asks: list[Queued], now_ns: int) -> bytes:
        top = [*self.asks.shown(CHECKED_LEVELS), *self.bids.shown(CHECKED_LEVELS)]
        levels = ((one.price, one.quantity) for one in top)
        is_update = kind == "update"
        book: dict[str, Any] = {
            "symbol": self._pair.name,
            "checksum": checksum(levels, self._pair),
            "timestamp": fine_stamp(now_ns),
            "bids": [self._order(one, is_update) for one in bids],
            "asks": [self._order(one, is_update) for one in asks],
        }
        return _encode({"channel": "level3", "type": kind, "data": [book]})

    def _order(self, one: Queued, is_update: bool) -> dict[str, Any]:
        pair = self._pair
        shown: dict[str, Any] = {"event": one.change} if is_update else {}
        return shown | {
            "order_id": name_of(ORDER, pair.number, one.order_id),
            "limit_price": number(one.price, pair.price_decimals),
            "order_qty": number(one.quantity, pair.lot_decimals),
            "timestamp": fine_stamp(one.placed_ns),
        }


# -- everybody ---------------------------------------------------------------------------------


class MarketData:
    """All public channels of an exchange and who subscribed to them."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        # Dictionaries as ordered sets: delivery follows the order of subscription.
        self._subscribers: dict[Topic, dict[Subscriber, None]] = {}
        self._ladders: dict[tuple[str, int], Ladder] = {}
        self._queues: dict[tuple[str, int], Queues] = {}
        self._statuses: dict[str, dict[str, Any]] = {}
        self.begin()

    def begin(self) -> None:
        """Take the books as they are: nobody knows them."""
        self._subscribers.clear()
        self._ladders.clear()
        self._queues.clear()
        for pair in self._exchange.pairs.all:
            pair.market.book.changed.clear()
            pair.market.book.queued = None
        self._statuses = self._instruments()

    # -- subscriptions -------------------------------------------------------------------------

    def subscribe(self, topic: Topic, subscriber: Subscriber, now_ns: int) -> None:
        """Deliver a topic from now on."""
        channel, name, depth = topic
        pair = self._exchange.pairs.by_name.get(name)
        if pair is not None:
            # What has happened before belongs to others, and is in the book already.
            self._publish_book(pair, now_ns)
        self._subscribers.setdefault(topic, {})[subscriber] = None
        if pair is None:
            return
        if channel == "book":
            self._ladders.setdefault((name, depth), Ladder(pair, depth))
        elif channel == "level3":
            if pair.market.book.queued is None:
                pair.market.book.queued = []
            self._queues.setdefault((name, depth), Queues(pair, depth))

    def unsubscribe(self, topic: Topic, subscriber: Subscriber) -> None:
        subscribers = self._subscribers.get(topic)
        if subscribers is None:
            return
        subscribers.pop(subscriber, None)
        if subscribers:
            return
        del self._subscribers[topic]
        channel, name, depth = topic
        if channel == "book":
            self._ladders.pop((name, depth), None)
        elif channel == "level3":
            self._queues.pop((name, depth), None)
            if not any(one == name for one, _ in self._queues):
                self._exchange.pairs.by_name[name].market.book.queued = None

    def snapshot(self, topic: Topic, now_ns: int) -> bytes:
        """Return what a subscription begins with."""
        channel, name, detail = topic
        if channel == "instrument":
            return self._instrument_message("snapshot", self._exchange.pairs.all)
        pair = self._exchange.pairs.by_name[name]
        if channel == "book":
            return self._ladders[name, detail].snapshot(now_ns)
        if channel == "level3":
            return self._queues[name, detail].snapshot(now_ns)
        if channel == "ticker":
            return _message("ticker", "snapshot", [_ticker(pair, now_ns)])
        if channel == "trade":
            trades = list(pair.market.tape.trades)[-TRADES_SHOWN:]
            return _message("trade", "snapshot", [_trade(pair, one) for one in trades])
        candles = _candles(pair, detail, now_ns)[-CANDLES_SHOWN:]
        return _candle_message("snapshot", [_candle(pair, detail, one) for one in candles], now_ns)

    # -- output --------------------------------------------------------------------------------

    def publish(self, events: list[Event], now_ns: int) -> None:
        """Say what has happened since the last time."""
        printed: dict[str, list[Trade]] = {}
        moved: dict[str, None] = {}
        for event in events:
            if isinstance(event, Printed):
                printed.setdefault(event.symbol, []).append(event.trade)
            elif isinstance(event, BestMoved):
                moved[event.symbol] = None
        for name, trades in printed.items():
            self._publish_trades(self._exchange.pairs.by_name[name], trades, now_ns)
        for name in moved:
            topic = ("ticker", name, "bbo")
            if topic in self._subscribers:
                pair = self._exchange.pairs.by_name[name]
                self._send(topic, _message("ticker", "update", [_ticker(pair, now_ns)]))
        for pair in self._exchange.pairs.all:
            self._publish_book(pair, now_ns)

    def publish_instruments(self) -> None:
        """Say which pairs have other rules or another state than before."""
        now = self._instruments()
        changed = [p for p in self._exchange.pairs.all if now[p.name] != self._statuses[p.name]]
        self._statuses = now
        topic = ("instrument", "", None)
        if changed and topic in self._subscribers:
            self._send(topic, self._instrument_message("update", changed))

    def _publish_trades(self, pair: Pair, trades: list[Trade], now_ns: int) -> None:
        topic: Topic = ("trade", pair.name, None)
        if topic in self._subscribers:
            self._send(topic, _message("trade", "update", [_trade(pair, one) for one in trades]))
        topic = ("ticker", pair.name, "trades")
        if topic in self._subscribers:
            self._send(topic, _message("ticker", "update", [_ticker(pair, now_ns)]))
        for interval in INTERVALS:
            topic = ("ohlc", pair.name, interval)
            if topic in self._subscribers:
                current = _current(pair, interval, trades[-1].time_ns)
                shown = _candle(pair, interval, current)
                self._send(topic, _candle_message("update", [shown], now_ns))

    def _publish_book(self, pair: Pair, now_ns: int) -> None:
        book = pair.market.book
        if book.changed:
            changed = book.changed
            book.changed = set()
            ladders = [(d, one) for (name, d), one in self._ladders.items() if name == pair.name]
            if ladders:
                bids = sorted(-price for side, price in changed if side is BUY)
                asks = sorted(price for side, price in changed if side is SELL)
                for depth, ladder in ladders:
                    payload = ladder.update(bids, asks, now_ns)
                    if payload is not None:
                        self._send(("book", pair.name, depth), payload)
        if book.queued:
            steps, book.queued = book.queued, []
            for (name, depth), queues in self._queues.items():
                payload = queues.update(steps, now_ns) if name == pair.name else None
                if payload is not None:
                    self._send(("level3", pair.name, depth), payload)

    def _send(self, topic: Topic, payload: bytes) -> None:
        name = f"{topic[0]}.{topic[1]}" if topic[1] else topic[0]
        for subscriber in self._subscribers.get(topic, ()):
            subscriber.deliver(name, payload)

    def _instruments(self) -> dict[str, dict[str, Any]]:
        return {pair.name: pair.instrument() for pair in self._exchange.pairs.all}

    def _instrument_message(self, kind: str, pairs: list[Pair]) -> bytes:
        assets = {one.name: one for pair in pairs for one in (pair.base, pair.quote)}
        shown = [
            {
                "id": one.name,
                "status": "enabled",
                "precision": one.decimals,
                "precision_display": one.display,
                "multiplier": 1.0,
                "borrowable": False,
                "collateral_value": 0.0,
                "margin_rate": 0.0,
            }
            for one in assets.values()
        ]
        data = {"assets": shown, "pairs": [pair.instrument() for pair in pairs]}
        return _encode({"channel": "instrument", "type": kind, "data": data})


def _message(channel: str, kind: str, data: list[Any]) -> bytes:
    return _encode({"channel": channel, "type": kind, "data": data})


def _candle_message(kind: str, data: list[Any], now_ns: int) -> bytes:
    stamped = {"channel": "ohlc", "type": kind, "timestamp": fine_stamp(now_ns), "data": data}
    return _encode(stamped)


def _ticker(pair: Pair, now_ns: int) -> dict[str, Any]:
    market = pair.market

    def price(units: int) -> Raw:
        return number(units, pair.price_decimals)

    def size(units: int) -> Raw:
        return number(units, pair.lot_decimals)

    best, day = market.book.best(), market.tape.since(now_ns - DAY_NS)
    last = market.last_price()
    candle = Candle(now_ns, last) if day is None else day
    change = candle.close - candle.open
    percent = change * 100 * ONE // candle.open // 10_000 / 10_000
    return {
        "symbol": pair.name,
        "bid": price(best.bid),
        "bid_qty": size(best.bid_quantity),
        "ask": price(best.ask),
        "ask_qty": size(best.ask_quantity),
        "last": price(last),
        "volume": size(candle.volume),
        "vwap": price(average(candle, pair)),
        "low": price(candle.low),
        "high": price(candle.high),
        "change": price(change),
        "change_pct": round(percent, 2),
        "trades": candle.count,
        "timestamp": stamp(now_ns),
    }


def average(candle: Candle, pair: Pair) -> int:
    """Return the volume-weighted price of a candle, cut to the pair's decimals."""
    if not candle.volume:
        return candle.close
    tick: int = 10 ** (8 - pair.price_decimals)
    return candle.quote * ONE // candle.volume // tick * tick


def _trade(pair: Pair, trade: Trade) -> dict[str, Any]:
    return {
        "symbol": pair.name,
        "side": "sell" if trade.buyer_is_maker else "buy",
        "price": number(trade.price, pair.price_decimals),
        "qty": number(trade.quantity, pair.lot_decimals),
        "ord_type": "limit",
        "trade_id": trade.trade_id,
        "timestamp": stamp(trade.time_ns),
    }


def _candles(pair: Pair, minutes: int, now_ns: int) -> list[Candle]:
    """Return the candles of an interval that is a number of minutes, oldest first.

    Intervals without trades are left out.
    """
    bars: list[Candle] = []
    length_ns = minutes * MINUTE_NS
    for candle in pair.market.tape.candles("1m", 0, now_ns):
        if not candle.count:
            continue
        open_ns = candle.open_ns // length_ns * length_ns
        if not bars or bars[-1].open_ns != open_ns:
            bars.append(Candle(open_ns, candle.open))
        bars[-1].merge(candle)
    return bars


def _current(pair: Pair, minutes: int, traded_ns: int) -> Candle:
    """Return the candle of an interval that a trade has just fallen in."""
    open_ns = traded_ns // (minutes * MINUTE_NS) * (minutes * MINUTE_NS)
    candle = pair.market.tape.since(open_ns)
    assert candle is not None  # noqa: S101 - the trade is in it
    candle.open_ns = open_ns
    return candle


def _candle(pair: Pair, minutes: int, candle: Candle) -> dict[str, Any]:
    begin, decimals = fine_stamp(candle.open_ns), pair.price_decimals
    return {
        "symbol": pair.name,
        "open": number(candle.open, decimals),
        "high": number(candle.high, decimals),
        "low": number(candle.low, decimals),
        "close": number(candle.close, decimals),
        "trades": candle.count,
        "volume": number(candle.volume, pair.lot_decimals),
        "vwap": number(average(candle, pair), decimals),
        "interval_begin": begin,
        "interval": minutes,
        "timestamp": stamp(candle.open_ns + minutes * MINUTE_NS),
    }


def candle_rows(pair: Pair, minutes: int, now_ns: int) -> list[list[Any]]:
    """Return candles as OHLC shows them over REST."""
    decimals = pair.price_decimals
    return [
        [
            one.open_ns // SECOND_NS,
            fixed(one.open, decimals),
            fixed(one.high, decimals),
            fixed(one.low, decimals),
            fixed(one.close, decimals),
            fixed(average(one, pair), decimals),
            fixed(one.volume, pair.lot_decimals),
            one.count,
        ]
        for one in _candles(pair, minutes, now_ns)
    ]
