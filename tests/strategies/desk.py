"""A small honest desk: it keeps books, orders and positions by hand, and does what it is told.

Orders that are placed stand at once as ``PENDING``; a test moves them on with ``accept``,
``reject``, ``fill`` and ``drop``, which call the strategy back as the engine does. Nothing is
matched here, and nothing is decided but what ``refuse_with`` says.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from core.model.commands import OrderKind, TimeInForce
from core.model.contract import Linear
from core.model.events import Fill, MarketTrade, Side
from core.model.instrument import Instrument
from core.model.strategy import NewOrder, Quote, Strategy
from core.model.units import Grid
from core.model.views import (
    BookState,
    OrderState,
    OrderView,
    Refusal,
    SessionState,
    StaleBook,
)


def instrument(index: int = 0, symbol: str = "BTCUSDT", **changes: Any) -> Instrument:
    facts: dict[str, Any] = {
        "index": index,
        "symbol": symbol,
        "base": symbol.removesuffix("USDT"),
        "quote": "USDT",
        "tick": Grid("0.01"),
        "lot": Grid("0.001"),
        "min_ticks": 1,
        "max_ticks": 10**9,
        "min_lots": 1,
        "max_lots": 10**6,
        "max_market_lots": 10**5,
        "min_notional": 0,
        "max_notional": 0,
        "max_open_orders": 200,
    }
    facts |= changes
    spot = Linear.spot(facts["base"], facts["quote"], facts["tick"], facts["lot"])
    return Instrument(**{"contract": spot, **facts})


@dataclass
class FakeBook:
    instrument: int
    state: BookState = BookState.EMPTY
    seq: int = 0
    bids: list[tuple[int, int]] = field(default_factory=list)
    asks: list[tuple[int, int]] = field(default_factory=list)

    @property
    def live(self) -> bool:
        return self.state is BookState.LIVE

    @property
    def bid_ticks(self) -> int:
        return self._best(self.bids)[0]

    @property
    def bid_lots(self) -> int:
        return self._best(self.bids)[1]

    @property
    def ask_ticks(self) -> int:
        return self._best(self.asks)[0]

    @property
    def ask_lots(self) -> int:
        return self._best(self.asks)[1]

    def levels(self, side: Side, depth: int) -> list[tuple[int, int]]:
        self._prove()
        return (self.bids if side is Side.BUY else self.asks)[:depth]

    def _best(self, levels: list[tuple[int, int]]) -> tuple[int, int]:
        self._prove()
        return levels[0] if levels else (0, 0)

    def _prove(self) -> None:
        if not self.live:
            raise StaleBook(f"the book is {self.state}")


@dataclass
class FakePosition:
    bought_lots: int = 0
    sold_lots: int = 0

    @property
    def lots(self) -> int:
        return self.bought_lots - self.sold_lots

    def pnl(self, mark_ticks: int) -> int:
        raise NotImplementedError("no strategy asks for it")


@dataclass(eq=False)
class FakeOrder:
    instrument: int
    client_order_id: str
    side: Side
    kind: OrderKind
    tif: TimeInForce
    price_ticks: int
    size_lots: int
    filled_lots: int = 0
    venue_order_id: str = ""
    state: OrderState = OrderState.PENDING
    cancelling: bool = False
    sent_ns: int = 0
    amend_ticks: int = 0

    @property
    def open_lots(self) -> int:
        return 0 if self.state.terminal else self.size_lots - self.filled_lots

    @property
    def chain_filled_lots(self) -> int:
        return self.filled_lots

    @property
    def chain_open_lots(self) -> int:
        return self.open_lots


class FakeDesk:
    """A strategy's ``Desk`` under a test's hands; ``calls`` counts what changed anything."""

    def __init__(self, strategy: Strategy[Any], *instruments: Instrument) -> None:
        self.strategy = strategy
        self.now_ns = 1_700_000_000_000_000_000
        self.session = SessionState.TRADING
        self.instruments: Sequence[Instrument] = instruments or (instrument(),)
        self.random = random.Random(1)
        self.books = [FakeBook(each.index) for each in self.instruments]
        self.positions = [FakePosition() for _ in self.instruments]
        self.orders: list[FakeOrder] = []
        self.timers: list[tuple[int, str]] = []
        self.lines: list[str] = []
        self.calls = 0
        self.refuse_with: Refusal | None = None
        self.balances: dict[str, int] = {}
        """Free amounts in atoms; an asset that is not among them is there in plenty."""
        strategy.on_start(self)

    # -- what a strategy sees and does

    def book(self, instrument: int) -> FakeBook:
        return self.books[instrument]

    def queue(self, instrument: int, side: Side, ticks: int) -> Sequence[tuple[str, int]]:
        return ()

    def position(self, instrument: int) -> FakePosition:
        return self.positions[instrument]

    def balance_atoms(self, asset: str) -> int:
        return self.balances.get(asset, 10**40)

    def open_orders(self, instrument: int) -> list[FakeOrder]:
        return [
            each
            for each in self.orders
            if each.instrument == instrument and not each.state.terminal
        ]

    def place(
        self,
        instrument: int,
        side: Side,
        price_ticks: int,
        lots: int,
        *,
        kind: OrderKind = OrderKind.LIMIT,
        tif: TimeInForce | None = None,
    ) -> OrderView | Refusal:
        self.calls += 1
        if self.refuse_with is not None:
            return self.refuse_with
        assert price_ticks > 0
        assert lots > 0
        order = FakeOrder(
            instrument,
            f"fake-{len(self.orders)}",
            side,
            kind,
            tif or TimeInForce.GTC,
            price_ticks,
            lots,
        )
        self.orders.append(order)
        return order

    def place_all(
        self, instrument: int, orders: Sequence[NewOrder]
    ) -> Sequence[OrderView | Refusal]:
        return [
            self.place(instrument, o.side, o.price_ticks, o.lots, kind=o.kind, tif=o.tif)
            for o in orders
        ]

    def cancel(self, order: OrderView) -> Refusal | None:
        self.calls += 1
        self._own(order).cancelling = True
        return None

    def cancel_all(self, instrument: int) -> None:
        for order in self.open_orders(instrument):
            self.cancel(order)

    def replace(self, order: OrderView, price_ticks: int, lots: int) -> OrderView | Refusal:
        """Take the old order out at once: the honest halves of it belong to the engine's tests."""
        self._own(order).state = OrderState.CANCELED
        return self.place(order.instrument, order.side, price_ticks, lots, kind=order.kind)

    def quote(self, instrument: int, bid: Quote | None, ask: Quote | None) -> Refusal | None:
        if bid and ask:
            assert bid.price_ticks < ask.price_ticks, "a quote must not cross itself"
        refusals = [
            self._quote_side(instrument, side, want)
            for side, want in ((Side.BUY, bid), (Side.SELL, ask))
        ]
        return next((each for each in refusals if each is not None), None)

    def _quote_side(self, instrument: int, side: Side, want: Quote | None) -> Refusal | None:
        standing = [each for each in self.open_orders(instrument) if each.side is side]
        if any(each.cancelling or each.state is not OrderState.LIVE for each in standing):
            return None
        if want is None:
            for order in standing:
                self.cancel(order)
            return None
        if not standing:
            placed = self.place(
                instrument, side, want.price_ticks, want.lots, kind=OrderKind.POST_ONLY
            )
        elif (standing[0].price_ticks, standing[0].open_lots) != (want.price_ticks, want.lots):
            placed = self._move(standing[0], want)
        else:
            return None
        if not isinstance(placed, Refusal):
            return None
        for order in standing:  # what cannot be moved does not stay where it is
            self.cancel(order)
        return Refusal(placed.reason, placed.text, side)

    def _move(self, order: FakeOrder, want: Quote) -> OrderView | Refusal:
        if self.refuse_with is not None:
            return self.refuse_with
        return self.replace(order, want.price_ticks, want.lots)

    def timer(self, delay_ns: int, tag: str) -> None:
        assert delay_ns > 0
        self.timers.append((self.now_ns + delay_ns, tag))

    def log(self, text: str) -> None:
        self.lines.append(text)

    # -- what a test does

    def _own(self, order: OrderView) -> FakeOrder:
        return next(each for each in self.orders if each.client_order_id == order.client_order_id)

    def show(
        self, bids: list[tuple[int, int]], asks: list[tuple[int, int]], instrument: int = 0
    ) -> None:
        """Have the market show these levels."""
        book = self.books[instrument]
        book.state, book.bids, book.asks = BookState.LIVE, bids, asks
        book.seq += 1
        self.strategy.on_book(self, book)

    def lose_book(self, instrument: int = 0) -> None:
        self.books[instrument].state = BookState.STALE
        self.strategy.on_book(self, self.books[instrument])

    def trade(self, price_ticks: int, lots: int, aggressor: Side) -> None:
        self.strategy.on_trade(
            self, MarketTrade(0, "1", price_ticks, lots, aggressor, venue_ns=self.now_ns)
        )

    def accept(self) -> None:
        """Have the venue take every pending order, and finish every cancel."""
        for order in list(self.orders):
            if order.state is OrderState.PENDING:
                order.state = OrderState.LIVE
                self.strategy.on_order(self, order)
            elif order.cancelling and not order.state.terminal:
                order.state = OrderState.CANCELED
                self.strategy.on_order(self, order)

    def reject(self) -> None:
        for order in list(self.orders):
            if order.state is OrderState.PENDING:
                order.state = OrderState.REJECTED
                self.strategy.on_order(self, order)

    def fill(self, order: FakeOrder, lots: int) -> None:
        order.filled_lots += lots
        if order.filled_lots == order.size_lots:
            order.state = OrderState.FILLED
        self.book_fill(order, lots)
        self.strategy.on_order(self, order)

    def book_fill(self, order: FakeOrder, lots: int) -> None:
        """Have a fill come late: the order itself was known to be so far."""
        position = self.positions[order.instrument]
        if order.side is Side.BUY:
            position.bought_lots += lots
        else:
            position.sold_lots += lots
        fill = Fill("1", 1, order.price_ticks, lots, 0, "USDT", maker=True, venue_ns=self.now_ns)
        self.strategy.on_fill(self, order, fill)

    def expire(self, order: FakeOrder) -> None:
        order.state = OrderState.EXPIRED
        self.strategy.on_order(self, order)

    def pass_ns(self, delay_ns: int) -> None:
        """Let time pass, and every timer that comes due with it."""
        end_ns = self.now_ns + delay_ns
        while due := sorted(timer for timer in self.timers if timer[0] <= end_ns):
            self.timers.remove(due[0])
            self.now_ns = due[0][0]
            self.strategy.on_timer(self, due[0][1])
        self.now_ns = end_ns

    def turn(self, session: SessionState) -> None:
        self.session = session
        self.strategy.on_session(self, session)

    def standing(self, side: Side) -> FakeOrder | None:
        """Return the one order of a side; more than one is an error of the strategy."""
        found = [each for each in self.orders if each.side is side and not each.state.terminal]
        assert len(found) <= 1
        return found[0] if found else None
