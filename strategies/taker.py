"""A taker of imbalance: buys when bids outweigh offers near the touch, sells when offers do.

The weight is that of the ``levels`` best levels of each side. When one side holds at least
``threshold_percent`` of it, one order at once or not at all is sent at the other side's best price,
or up to ``reach_ticks`` through it; then it waits ``cool_down_ms``. It never has two orders out,
never goes beyond ``max_position`` either way, and leaves a position only by the opposite signal.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from core.model.commands import TimeInForce
from core.model.events import Side
from core.model.instrument import Instrument
from core.model.strategy import Desk, Strategy
from core.model.units import NS_PER_MS
from core.model.views import BookView, OrderState, OrderView, Refusal, SessionState
from strategies.refusals import Refusals
from strategies.sizes import Sizes, check_sizes, lots_of, order_lots_of


class TakerParameters(Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of ``taker``; they hold for each of its instruments, sizes also one by one."""

    size: Sizes
    """Size of an order, in the base asset; less where the position or the book leaves less."""
    max_position: Sizes
    """Largest position either way, in the base asset."""
    levels: Annotated[int, Meta(ge=1, le=20, description="levels of each side weighed")] = 5
    threshold_percent: Annotated[
        int, Meta(ge=51, le=100, description="one side's share of the weight")
    ] = 80
    reach_ticks: Annotated[
        int, Meta(ge=0, le=10_000, description="ticks through the best price")
    ] = 0
    cool_down_ms: Annotated[
        int, Meta(ge=1, le=3_600_000, description="milliseconds between two orders")
    ] = 1_000

    def __post_init__(self) -> None:
        """Refuse what is no size."""
        check_sizes(self.size, "size")
        check_sizes(self.max_position, "max_position")


class _Market:
    """One instrument that is being watched."""

    __slots__ = ("instrument", "max_lots", "ready_ns", "refusals", "size_lots")

    def __init__(self, instrument: Instrument, parameters: TakerParameters) -> None:
        self.instrument = instrument
        self.size_lots = order_lots_of(parameters.size, "size", instrument)
        self.max_lots = lots_of(parameters.max_position, "max_position", instrument)
        self.refusals = Refusals(instrument.symbol, f"retry {instrument.index}")
        self.ready_ns = 0
        """When the cool-down of the last order is over."""


class Taker(Strategy[TakerParameters]):
    """Takes the side that the book leans to, one order at a time."""

    Parameters = TakerParameters

    def __init__(self, parameters: TakerParameters) -> None:
        super().__init__(parameters)
        self._markets: list[_Market] = []

    def on_start(self, desk: Desk) -> None:
        self._markets = [_Market(each, self.parameters) for each in desk.instruments]

    def on_parameters(self, desk: Desk) -> None:
        ready_ns = [market.ready_ns for market in self._markets]
        self.on_start(desk)
        for market, time_ns in zip(self._markets, ready_ns, strict=True):
            market.ready_ns = time_ns

    def on_book(self, desk: Desk, book: BookView) -> None:
        market = self._markets[book.instrument]
        if (
            not book.live
            or desk.now_ns < market.ready_ns
            or market.refusals.paused
            or desk.session is not SessionState.TRADING
        ):
            return
        side = self._leaning(book)
        if side is not None and not desk.open_orders(book.instrument):
            self._take(desk, market, book, side)

    def on_order(self, desk: Desk, order: OrderView) -> None:
        refusals = self._markets[order.instrument].refusals
        if order.state is OrderState.REJECTED:
            refusals.note(desk, "rejected", "the venue refused an order")
        elif order.state is not OrderState.PENDING and order.state is not OrderState.UNKNOWN:
            refusals.succeeded()

    def on_timer(self, desk: Desk, tag: str) -> None:
        for market in self._markets:
            if market.refusals.tag == tag:
                market.refusals.resume()

    def _leaning(self, book: BookView) -> Side | None:
        """Return the heavier side where it reaches the threshold."""
        depth = self.parameters.levels
        bids = sum(lots for _, lots in book.levels(Side.BUY, depth))
        asks = sum(lots for _, lots in book.levels(Side.SELL, depth))
        enough = self.parameters.threshold_percent * (bids + asks)
        if not bids or not asks:
            return None  # a side that is empty is no signal: there is nothing to take or to sell to
        if 100 * bids >= enough:
            return Side.BUY
        return Side.SELL if 100 * asks >= enough else None

    def _take(self, desk: Desk, market: _Market, book: BookView, side: Side) -> None:
        best_ticks, best_lots = (
            (book.ask_ticks, book.ask_lots) if side is Side.BUY else (book.bid_ticks, book.bid_lots)
        )
        room_lots = market.max_lots - side * desk.position(book.instrument).lots
        lots = min(market.size_lots, room_lots)
        if self.parameters.reach_ticks == 0:
            lots = min(lots, best_lots)  # more than that could only expire
        instrument, price_ticks = market.instrument, best_ticks + side * self.parameters.reach_ticks
        grid = instrument.grid
        price_ticks = grid.down(price_ticks) if side is Side.BUY else grid.up(price_ticks)
        if lots < max(instrument.min_lots, 1) or price_ticks < max(instrument.min_ticks, 1):
            return
        if (
            lots < market.size_lots
            and instrument.contract.value(price_ticks, lots) < instrument.min_notional
        ):
            return  # what is left is less than the venue takes; a full size is for risk to say
        market.ready_ns = desk.now_ns + self.parameters.cool_down_ms * NS_PER_MS
        answer = desk.place(book.instrument, side, price_ticks, lots, tif=TimeInForce.IOC)
        if isinstance(answer, Refusal):
            market.refusals.note(desk, answer.reason, answer.text)
