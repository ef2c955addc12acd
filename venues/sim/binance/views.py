"""What both REST and streams show of a market, in the venue's fields: depth, tickers, candles."""

from typing import Any

from venues.sim.durations import DAY_NS, MILLISECOND_NS, MINUTE_NS
from venues.sim.engine import Market
from venues.sim.fixed import ONE, show
from venues.sim.tape import Candle, next_open, open_of


def depth_snapshot(market: Market, limit: int) -> dict[str, Any]:
    """Return up to ``limit`` levels a side, as GET /api/v3/depth and <symbol>@depth20 show them."""
    book = market.book
    return {
        "lastUpdateId": book.update_id,
        "bids": [[show(price), show(total)] for price, total in book.bids.top(limit)],
        "asks": [[show(price), show(total)] for price, total in book.asks.top(limit)],
    }


def candle_row(candle: Candle, interval: str, unit_ns: int, zone_ns: int = 0) -> list[Any]:
    """Return a kline as GET /api/v3/klines shows it."""
    return [
        candle.open_ns // unit_ns,
        show(candle.open),
        show(candle.high),
        show(candle.low),
        show(candle.close),
        show(candle.volume),
        next_open(interval, candle.open_ns, zone_ns) // unit_ns - 1,
        show(candle.quote),
        candle.count,
        show(candle.taker_base),
        show(candle.taker_quote),
        "0",
    ]


class Statistics:
    """What traded in one market since a time, zeros where nothing has."""

    def __init__(self, market: Market, now_ns: int, open_ns: int, close_ns: int) -> None:
        self.market = market
        self.now_ns = now_ns
        self.open_ns = open_ns
        self.close_ns = close_ns
        candle = market.tape.since(open_ns)
        self.candle = Candle(open_ns, 0) if candle is None else candle
        trades = market.tape.trades
        self.last_quantity = trades[-1].quantity if trades else 0

    @classmethod
    def day(cls, market: Market, now_ns: int) -> "Statistics":
        """Return those of the last 24 hours."""
        return cls(market, now_ns, now_ns - DAY_NS, now_ns)

    @classmethod
    def window(cls, market: Market, now_ns: int, window_ns: int) -> "Statistics":
        """Return those of a window that opens on a minute, up to one wider than requested."""
        return cls(market, now_ns, (now_ns - window_ns) // MINUTE_NS * MINUTE_NS, now_ns)

    @classmethod
    def trading_day(cls, market: Market, now_ns: int, zone_ns: int) -> "Statistics":
        """Return those of today in a time zone."""
        open_ns = open_of("1d", now_ns, zone_ns)
        return cls(market, now_ns, open_ns, open_ns + DAY_NS - MILLISECOND_NS)

    @property
    def change(self) -> int:
        return self.candle.close - self.candle.open

    @property
    def change_percent(self) -> str:
        """Return the change in percent with three decimals, as the venue writes it."""
        opened = self.candle.open
        thousandths = 0 if not opened else round(self.change * 100_000 / opened)
        sign = "-" if thousandths < 0 else ""
        return f"{sign}{abs(thousandths) // 1000}.{abs(thousandths) % 1000:03d}"

    @property
    def average(self) -> int:
        return self.candle.quote * ONE // self.candle.volume if self.candle.volume else 0

    def mini(self, unit_ns: int) -> dict[str, Any]:
        """Return the MINI form of every ticker over a time."""
        candle = self.candle
        return {
            "symbol": self.market.symbol.name,
            "openPrice": show(candle.open),
            "highPrice": show(candle.high),
            "lowPrice": show(candle.low),
            "lastPrice": show(candle.close),
            "volume": show(candle.volume),
            "quoteVolume": show(candle.quote),
            "openTime": self.open_ns // unit_ns,
            "closeTime": self.close_ns // unit_ns,
            "firstId": candle.first_id,
            "lastId": candle.last_id,
            "count": candle.count,
        }

    def full(self, unit_ns: int) -> dict[str, Any]:
        """Return the FULL form of ticker and ticker/tradingDay."""
        return self.mini(unit_ns) | {
            "priceChange": show(self.change),
            "priceChangePercent": self.change_percent,
            "weightedAvgPrice": show(self.average),
        }

    def full_day(self, unit_ns: int) -> dict[str, Any]:
        """Return the FULL form of ticker/24hr."""
        best = self.market.book.best()
        return self.full(unit_ns) | {
            "prevClosePrice": show(self.candle.open),
            "lastQty": show(self.last_quantity),
            "bidPrice": show(best.bid),
            "bidQty": show(best.bid_quantity),
            "askPrice": show(best.ask),
            "askQty": show(best.ask_quantity),
        }

    def mini_event(self, unit_ns: int) -> dict[str, Any]:
        """Return the payload of <symbol>@miniTicker."""
        candle = self.candle
        return {
            "e": "24hrMiniTicker",
            "E": self.now_ns // unit_ns,
            "s": self.market.symbol.name,
            "c": show(candle.close),
            "o": show(candle.open),
            "h": show(candle.high),
            "l": show(candle.low),
            "v": show(candle.volume),
            "q": show(candle.quote),
        }

    def full_event(self, unit_ns: int) -> dict[str, Any]:
        """Return the payload of <symbol>@ticker."""
        best = self.market.book.best()
        return self.window_event("24hr", unit_ns) | {
            "x": show(self.candle.open),
            "Q": show(self.last_quantity),
            "b": show(best.bid),
            "B": show(best.bid_quantity),
            "a": show(best.ask),
            "A": show(best.ask_quantity),
        }

    def window_event(self, window: str, unit_ns: int) -> dict[str, Any]:
        """Return the payload of <symbol>@ticker_<window>."""
        candle = self.candle
        return {
            "e": f"{window}Ticker",
            "E": self.now_ns // unit_ns,
            "s": self.market.symbol.name,
            "p": show(self.change),
            "P": self.change_percent,
            "w": show(self.average),
            "c": show(candle.close),
            "o": show(candle.open),
            "h": show(candle.high),
            "l": show(candle.low),
            "v": show(candle.volume),
            "q": show(candle.quote),
            "O": self.open_ns // unit_ns,
            "C": self.close_ns // unit_ns,
            "F": candle.first_id,
            "L": candle.last_id,
            "n": candle.count,
        }


def candle_event(
    market: Market, interval: str, candle: Candle, now_ns: int, unit_ns: int, zone_ns: int = 0
) -> dict[str, Any]:
    """Return the payload of <symbol>@kline_<interval>, cut at an offset from UTC."""
    close_ns = next_open(interval, candle.open_ns, zone_ns)
    return {
        "e": "kline",
        "E": now_ns // unit_ns,
        "s": market.symbol.name,
        "k": {
            "t": candle.open_ns // unit_ns,
            "T": close_ns // unit_ns - 1,
            "s": market.symbol.name,
            "i": interval,
            "f": candle.first_id,
            "L": candle.last_id,
            "o": show(candle.open),
            "c": show(candle.close),
            "h": show(candle.high),
            "l": show(candle.low),
            "v": show(candle.volume),
            "n": candle.count,
            "x": now_ns >= close_ns,
            "q": show(candle.quote),
            "V": show(candle.taker_base),
            "Q": show(candle.taker_quote),
            "B": "0",
        },
    }
