"""The paper exchange: the built-in exchange, whose market is a recorded one.

Accounts, filters, fees, replies and reports are the built-in exchange's own. Here is decided only
when, and for how much, the recorded market trades with an order that never was in it. Two rules,
both against the order where the recording does not tell:

- An order that arrives trades with the recorded book as it stands then. What was taken from a
  price is gone until that price shows another size.
- A resting order trades when a recorded trade goes through its price, for at most that trade's
  size; at its price, once trades there have used up the size that stood there when it arrived
  (cancels ahead of it never help); and when the recorded book crosses it.

The recorded market does not react: it neither shows these orders nor answers them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from core.model.events import MarketTrade, Side
from core.model.instrument import Instrument, InstrumentTable
from core.model.units import Grid
from core.model.venue import Credentials
from core.state.book import Book
from venues.sim.binance.venue import Venue
from venues.sim.binance.ws_api import ApiSession
from venues.sim.fixed import DECIMALS, ONE
from venues.sim.matching import Resting
from venues.sim.orders import Order
from venues.sim.symbols import Symbol

API_KEY: Final = "paper-key-this-is-not-a-secret"
SECRET: Final = "paper-secret-this-is-not-a-secret"  # noqa: S105 - visibly fake
KEYS: Final = Credentials({"api_key": API_KEY, "api_secret": SECRET})

AMPLE: Final = 1_000_000_000 * ONE
"""The balance of every asset: what a strategy may hold is for its risk limits to say."""

DEPTH: Final = 200
"""Levels a side that are looked at. An order that rests deeper is filled by trades through its
price alone, and one that arrives takes no more levels than these."""

_PLACES: Final = frozenset({"order.place", "order.cancelReplace"})


class _Request(Struct):
    """What is looked at in a request before the exchange has it."""

    method: str
    params: dict[str, str | int | float] = {}


_read = msgspec.json.Decoder(_Request).decode


class PaperExchange:
    """One account at an exchange that a recording is the market of."""

    def __init__(self, table: InstrumentTable, books: Sequence[Book], now_ns: int) -> None:
        """``books`` are those of the recorded market, by instrument; they are only read."""
        self._table = table
        self._books = books
        self.venue = Venue(now_ns, rate=0, symbols=tuple(map(_symbol, table)))
        self.engine = self.venue.exchange.engine
        assets = self.venue.exchange.assets()
        self.account = self.engine.open_account(dict.fromkeys(assets, AMPLE))
        self.venue.exchange.add_hmac_key(API_KEY, SECRET, self.account)
        self.arrived = [0] * len(table)
        """Orders that were asked for, accepted or not, by instrument."""
        self._markets = [self.engine.markets[row.symbol] for row in table]
        self._units = [(_unit(row.tick), _unit(row.lot)) for row in table]
        self._ahead: dict[tuple[int, int], int] = {}
        """Lots ahead of a resting order, by instrument and order id."""
        self._taken: dict[tuple[int, Side, int], tuple[int, int]] = {}
        """What a level showed and how much of it was taken, by instrument, side and price."""

    def receive(self, session: ApiSession, payload: bytes, now_ns: int) -> None:
        """Take a request of the account's own connection."""
        request = _read(payload)
        row = self._table.find(str(request.params.get("symbol", "")))
        if row is None or request.method not in _PLACES:
            session.receive(payload, now_ns)
        else:
            self.arrived[row.index] += 1
            self._place(session, payload, request, row, now_ns)
            self._queue(row.index)
        self.venue.advance(now_ns)

    def _place(
        self, session: ApiSession, payload: bytes, request: _Request, row: Instrument, now_ns: int
    ) -> None:
        """Have an order meet the other side of the recorded book, and nothing of it stay there."""
        side = Side.BUY if request.params["side"] == "BUY" else Side.SELL
        limit = request.params.get("price")
        ticks = None if limit is None else row.tick.count(str(limit))
        market, shown = self._markets[row.index], []
        for level_ticks, lots in self._levels(row.index, Side(-side)):
            if ticks is not None and (level_ticks - ticks) * side > 0:
                break
            available = self._available(row.index, Side(-side), level_ticks, lots)
            if available:
                order = self._house(row.index, Side(-side), level_ticks, available, now_ns)
                shown.append((level_ticks, lots, available, order))
        session.receive(payload, now_ns)
        lot_unit = self._units[row.index][1]
        for level_ticks, lots, available, order in shown:
            if order.open_quantity:
                self.engine.house_cancel(market, order)
            taken = available - order.open_quantity // lot_unit
            self._take(row.index, Side(-side), level_ticks, lots, taken)

    def _house(self, index: int, side: Side, ticks: int, lots: int, now_ns: int) -> Resting:
        tick_unit, lot_unit = self._units[index]
        order = self.engine.house_order(
            self._markets[index],
            side is Side.BUY,
            ticks * tick_unit,
            lots * lot_unit,
            now_ns,
            rest=True,
        )
        if order is None:
            raise AssertionError("what would cross a resting order has crossed it before")
        return order

    def _queue(self, index: int) -> None:
        """Give orders that came to rest their place behind what the recorded book shows."""
        tick_unit = self._units[index][0]
        for order_id, order in self._markets[index].book.orders.items():
            if (index, order_id) not in self._ahead:
                side = Side.BUY if order.side else Side.SELL
                self._ahead[index, order_id] = self._shown(index, side, order.price // tick_unit)

    def _shown(self, index: int, side: Side, ticks: int) -> int:
        """Return the lots that the recorded book shows at a price; endless where it cannot say."""
        levels = self._levels(index, side)
        if not levels or (levels[-1][0] - ticks) * side > 0:
            return AMPLE
        return dict(levels).get(ticks, 0)

    def _levels(self, index: int, side: Side) -> list[tuple[int, int]]:
        book = self._books[index]
        return book.levels(side, DEPTH) if book.live else []

    def _available(self, index: int, side: Side, ticks: int, lots: int) -> int:
        shown, taken = self._taken.get((index, side, ticks), (0, 0))
        return lots - taken if shown == lots else lots

    def _take(self, index: int, side: Side, ticks: int, lots: int, taken: int) -> None:
        if taken:
            before = lots - self._available(index, side, ticks, lots)
            self._taken[index, side, ticks] = (lots, before + taken)

    # -- the recorded market moves -------------------------------------------------------------

    def on_trade(self, trade: MarketTrade, now_ns: int) -> None:
        """Somebody traded in the recording: fill what that trade would have met first."""
        index, aggressor = trade.instrument, trade.aggressor
        book = self._markets[index].book
        if not book.orders:
            return
        tick_unit, lot_unit = self._units[index]
        price = trade.price_ticks * tick_unit
        left, met = trade.lots, 0
        for order in book.opposite(aggressor is Side.BUY, price):
            if order.price == price:
                passed = min(self._ahead[index, order.order_id], left)
                self._ahead[index, order.order_id] -= passed
                left -= passed
            filled = min(order.open_quantity // lot_unit, left)
            met += filled
            left -= filled
            if not left:
                break
        if met:
            self._trade(index, aggressor, trade.price_ticks, met, now_ns)

    def on_book(self, index: int, now_ns: int) -> None:
        """The recorded book moved: fill what it crosses, for what it shows there."""
        ours, recorded = self._markets[index].book, self._books[index]
        if not ours.orders or not recorded.live:
            return
        tick_unit = self._units[index][0]
        if recorded.ask_lots and ours.would_match(False, recorded.ask_ticks * tick_unit):
            self._cross(index, Side.SELL, now_ns)
        if recorded.bid_lots and ours.would_match(True, recorded.bid_ticks * tick_unit):
            self._cross(index, Side.BUY, now_ns)

    def _cross(self, index: int, side: Side, now_ns: int) -> None:
        tick_unit, lot_unit = self._units[index]
        for ticks, lots in self._levels(index, side):
            crossed = self._markets[index].book.opposite(side is Side.BUY, ticks * tick_unit)
            ours = sum(order.open_quantity for order in crossed) // lot_unit
            if not ours:
                return
            met = min(ours, self._available(index, side, ticks, lots))
            if met:
                self._take(index, side, ticks, lots, met)
                self._trade(index, side, ticks, met, now_ns)

    def _trade(self, index: int, aggressor: Side, ticks: int, lots: int, now_ns: int) -> None:
        tick_unit, lot_unit = self._units[index]
        self.engine.house_order(
            self._markets[index],
            aggressor is Side.BUY,
            ticks * tick_unit,
            lots * lot_unit,
            now_ns,
            rest=False,
        )
        self.venue.advance(now_ns)

    # -- afterwards ----------------------------------------------------------------------------

    def orders(self, symbol: str) -> list[Order]:
        """Return every order that was accepted, oldest first."""
        return list(self.engine.file(self.account, symbol).orders.values())

    def fills(self, symbol: str) -> tuple[int, int]:
        """Return how many fills there were as maker and as taker."""
        executions = self.engine.file(self.account, symbol).executions
        makers = sum(execution.is_maker for execution in executions)
        return makers, len(executions) - makers


def _unit(grid: Grid) -> int:
    """Return a step in the exchange's units of 1e-8."""
    return int(grid.step_mantissa * 10 ** (DECIMALS - grid.decimals))


def _symbol(row: Instrument) -> Symbol:
    """Return an instrument as the exchange lists it; its price band is left open."""
    tick, lot = _unit(row.tick), _unit(row.lot)
    quote = row.contract.mantissa * 10**DECIMALS // 10**row.contract.decimals
    max_price = row.max_ticks * tick or AMPLE
    max_quantity = row.max_lots * lot or AMPLE
    return Symbol(
        row.symbol,
        row.base,
        row.quote,
        tick_size=tick,
        step_size=lot,
        opening_price=max_price,
        max_price=max_price,
        max_quantity=max_quantity,
        max_market_quantity=row.max_market_lots * lot or max_quantity,
        min_notional=row.min_notional * quote,
        max_notional=row.max_notional * quote or AMPLE * ONE,
        max_orders=row.max_open_orders or AMPLE,
        bid_down=0,
        bid_up=AMPLE * ONE,
        ask_down=0,
        ask_up=AMPLE * ONE,
    )
