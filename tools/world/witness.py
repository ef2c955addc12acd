"""The witness: stands between a strategy and its desk, lets everything pass, and says what passed.

What the strategy asked for and what it was told is taken here, at the boundary itself, and not from
what the code behind the desk made of it. A replay runs without a witness and has to be the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from core.model.commands import OrderKind, TimeInForce
from core.model.events import Fill, MarketTrade, Side
from core.model.strategy import Desk, NewOrder, Quote, Strategy
from core.model.views import BookView, OrderView, Refusal, RefusalReason, SessionState


class Requested(NamedTuple):
    """An order that the strategy asked for and the desk has taken; price in ticks, size in lots."""

    symbol: str
    client_id: str
    side: Side
    kind: OrderKind
    tif: TimeInForce
    ticks: int
    lots: int


class Hearer(Protocol):
    """Who is told what passes."""

    def on_requested(self, asked: Requested) -> None:
        """The desk has taken an order."""
        ...

    def on_quoted(self, symbol: str, side: Side, wanted: Quote | None) -> None:
        """The strategy wants a side quoted like that, or not at all."""
        ...

    def on_quote(self, symbol: str, side: Side, client_id: str) -> None:
        """A side is quoted by this order now; by none, where it cannot be quoted as wanted."""
        ...

    def on_callback(self, name: str, arguments: tuple[Any, ...]) -> None:
        """The strategy is called."""
        ...

    def on_raised(self) -> None:
        """The strategy has raised something out of a callback."""
        ...


class WitnessDesk:
    """A desk whose every taken order is told; all else is the desk itself."""

    def __init__(self, desk: Desk, hearer: Hearer) -> None:
        self._desk = desk
        self._hearer = hearer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._desk, name)

    def _symbol(self, instrument: int) -> str:
        return self._desk.instruments[instrument].symbol

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
        answer = self._desk.place(instrument, side, price_ticks, lots, kind=kind, tif=tif)
        if not isinstance(answer, Refusal):
            symbol, name = self._symbol(instrument), answer.client_order_id
            tif = tif or TimeInForce.GTC
            self._hearer.on_requested(Requested(symbol, name, side, kind, tif, price_ticks, lots))
        return answer

    def place_all(
        self, instrument: int, orders: Sequence[NewOrder]
    ) -> Sequence[OrderView | Refusal]:
        answers = self._desk.place_all(instrument, orders)
        for o, answer in zip(orders, answers, strict=True):
            if not isinstance(answer, Refusal):
                symbol, name = self._symbol(instrument), answer.client_order_id
                tif = o.tif or TimeInForce.GTC
                asked = Requested(symbol, name, o.side, o.kind, tif, o.price_ticks, o.lots)
                self._hearer.on_requested(asked)
        return answers

    def replace(self, order: OrderView, price_ticks: int, lots: int) -> OrderView | Refusal:
        side, kind, tif = order.side, order.kind, order.tif
        answer = self._desk.replace(order, price_ticks, lots)
        if isinstance(answer, Refusal):
            return answer
        symbol, name = self._symbol(order.instrument), answer.client_order_id
        if name != order.client_order_id:
            self._hearer.on_requested(Requested(symbol, name, side, kind, tif, price_ticks, lots))
        return answer

    def quote(self, instrument: int, bid: Quote | None, ask: Quote | None) -> Refusal | None:
        symbol = self._symbol(instrument)
        self._hearer.on_quoted(symbol, Side.BUY, bid)
        self._hearer.on_quoted(symbol, Side.SELL, ask)
        refusal = self._desk.quote(instrument, bid, ask)
        if refusal is None or refusal.side is not None:
            for side, wanted in ((Side.BUY, bid), (Side.SELL, ask)):
                self._tell_quote(instrument, side, wanted, refusal)
        return refusal

    def _tell_quote(
        self, instrument: int, side: Side, wanted: Quote | None, refusal: Refusal | None
    ) -> None:
        symbol = self._symbol(instrument)
        if refusal is not None and refusal.side is side:
            # One that only waits for the one opposite to make way may stand meanwhile.
            if refusal.reason is not RefusalReason.SELF_MATCH:
                self._hearer.on_quote(symbol, side, "")
            return
        for order in self._desk.open_orders(instrument) if wanted is not None else ():
            new = order.side is side and order.sent_ns == self._desk.now_ns
            if new and Quote(order.price_ticks, order.size_lots) == wanted:
                self._hearer.on_quote(symbol, side, order.client_order_id)


class Witness(Strategy[Any]):
    """A strategy, as it is, with somebody who hears what it is told and what it asks for."""

    def __init__(self, strategy: Strategy[Any], hearer: Hearer) -> None:
        self._strategy = strategy
        self._hearer = hearer
        self._desks: dict[int, WitnessDesk] = {}

    @property
    def parameters(self) -> Any:
        return self._strategy.parameters

    @parameters.setter
    def parameters(self, parameters: Any) -> None:
        self._strategy.parameters = parameters

    def _pass(self, name: str, callback: Callable[..., None], desk: Desk, *arguments: Any) -> None:
        self._hearer.on_callback(name, arguments)
        seen: Any = self._desks.get(id(desk))
        if seen is None:
            seen = self._desks[id(desk)] = WitnessDesk(desk, self._hearer)
        try:
            callback(seen, *arguments)
        except Exception:
            self._hearer.on_raised()
            raise

    def on_start(self, desk: Desk) -> None:
        self._pass("on_start", self._strategy.on_start, desk)

    def on_book(self, desk: Desk, book: BookView) -> None:
        self._pass("on_book", self._strategy.on_book, desk, book)

    def on_trade(self, desk: Desk, trade: MarketTrade) -> None:
        self._pass("on_trade", self._strategy.on_trade, desk, trade)

    def on_order(self, desk: Desk, order: OrderView) -> None:
        self._pass("on_order", self._strategy.on_order, desk, order)

    def on_fill(self, desk: Desk, order: OrderView, fill: Fill) -> None:
        self._pass("on_fill", self._strategy.on_fill, desk, order, fill)

    def on_timer(self, desk: Desk, tag: str) -> None:
        self._pass("on_timer", self._strategy.on_timer, desk, tag)

    def on_session(self, desk: Desk, session: SessionState) -> None:
        self._pass("on_session", self._strategy.on_session, desk, session)

    def on_parameters(self, desk: Desk) -> None:
        self._pass("on_parameters", self._strategy.on_parameters, desk)

    def on_stop(self, desk: Desk) -> None:
        self._pass("on_stop", self._strategy.on_stop, desk)
