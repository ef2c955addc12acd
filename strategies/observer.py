"""An observer: counts what the market does and logs it at intervals, and never trades.

Run it to record a market, or to see whether a connection is whole, before a strategy trades on it.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from core.model.events import MarketTrade, Side
from core.model.instrument import Instrument
from core.model.strategy import Desk, Strategy
from core.model.units import NS_PER_S
from core.model.views import BookView, SessionState

TICK = "observe"


class ObserverParameters(Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of ``observer``."""

    interval_s: Annotated[int, Meta(ge=1, le=86_400, description="seconds between lines")] = 10


class _Tally:
    """What one instrument did since the last line."""

    __slots__ = ("books", "bought_lots", "instrument", "lost", "sold_lots", "trades", "was_live")

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.was_live = False
        self.clear()

    def clear(self) -> None:
        self.books = self.trades = self.lost = self.bought_lots = self.sold_lots = 0

    def line(self, book: BookView) -> str:
        instrument = self.instrument
        return (
            f"{instrument.symbol}: {self._prices(book)}, {self.books} book changes, "
            f"{self.lost} times lost, {self.trades} trades, "
            f"{instrument.lot.text(self.bought_lots)} {instrument.base} bought, "
            f"{instrument.lot.text(self.sold_lots)} sold"
        )

    def _prices(self, book: BookView) -> str:
        if not book.live:
            return f"book {book.state}"
        tick = self.instrument.tick
        return f"{tick.text(book.bid_ticks)} / {tick.text(book.ask_ticks)}"


class Observer(Strategy[ObserverParameters]):
    """Logs prices, book changes and trades of every instrument at intervals."""

    Parameters = ObserverParameters

    def __init__(self, parameters: ObserverParameters) -> None:
        super().__init__(parameters)
        self._tallies: list[_Tally] = []

    def on_start(self, desk: Desk) -> None:
        self._tallies = [_Tally(each) for each in desk.instruments]
        desk.timer(self.parameters.interval_s * NS_PER_S, TICK)

    def on_book(self, desk: Desk, book: BookView) -> None:
        tally = self._tallies[book.instrument]
        tally.books += 1
        tally.lost += tally.was_live and not book.live
        tally.was_live = book.live

    def on_trade(self, desk: Desk, trade: MarketTrade) -> None:
        tally = self._tallies[trade.instrument]
        tally.trades += 1
        if trade.aggressor is Side.BUY:
            tally.bought_lots += trade.lots
        else:
            tally.sold_lots += trade.lots

    def on_timer(self, desk: Desk, tag: str) -> None:
        self._report(desk)
        desk.timer(self.parameters.interval_s * NS_PER_S, TICK)

    def on_session(self, desk: Desk, session: SessionState) -> None:
        desk.log(f"session {session}")

    def on_stop(self, desk: Desk) -> None:
        self._report(desk)

    def _report(self, desk: Desk) -> None:
        for tally in self._tallies:
            desk.log(tally.line(desk.book(tally.instrument.index)))
            tally.clear()
