"""The workload: a strategy that does everything a strategy may do, at the worst moments.

It is legal throughout and wants nothing but to be everywhere: it places, cancels, replaces, quotes
and amends on stale books and closed gates, on fills and in the middle of other changes. With
``mischief`` it breaks one rule on purpose: what a strategy must not do, the application has to
survive.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from core.model.commands import OrderKind, TimeInForce
from core.model.events import Fill, MarketTrade, Side
from core.model.strategy import Desk, Quote, Strategy
from core.model.units import NS_PER_MS
from core.model.views import BookView, OrderState, OrderView, Refusal, SessionState

REACH_TICKS: Final = 50
LOTS: Final = (20, 300)

WILD: Final = 0.05
"""Share of the prices that are far off, where any are."""

FLOOD: Final = 10_000
"""Orders of a strategy that has lost its mind."""

MISCHIEF: Final = ("raise", "flood", "nonsense")
SAID: Final = "mischief: "


class WorkloadParameters(Struct, frozen=True, forbid_unknown_fields=True):
    """How busy it is, and what it breaks."""

    active: bool = True
    eager: Annotated[float, Meta(ge=0, le=1, description="share of callbacks it acts in")] = 0.3
    wild_bps: Annotated[int, Meta(ge=0, le=1_000, description="how far off it is at times")] = 0
    quotes_alone: bool = False
    mischief: Annotated[str, Meta(pattern="^(|raise|flood|nonsense)$")] = ""
    after: Annotated[int, Meta(ge=1, description="acts before the mischief")] = 40


class Workload(Strategy[WorkloadParameters]):
    """Acts at random in every callback."""

    Parameters = WorkloadParameters

    def __init__(self, parameters: WorkloadParameters) -> None:
        super().__init__(parameters)
        self._acts = 0
        self._middles: dict[int, int] = {}
        """The last middle seen of each book: what is wanted when it can no longer be read."""

    def on_start(self, desk: Desk) -> None:
        desk.timer(NS_PER_MS, "act")

    def on_book(self, desk: Desk, book: BookView) -> None:
        if book.live and book.bid_lots and book.ask_lots:
            self._middles[book.instrument] = (book.bid_ticks + book.ask_ticks) // 2
        self._maybe(desk, book.instrument)

    def on_trade(self, desk: Desk, trade: MarketTrade) -> None:
        self._maybe(desk, trade.instrument)

    def on_order(self, desk: Desk, order: OrderView) -> None:
        if self.parameters.active and desk.random.random() < self.parameters.eager / 2:
            self._change(desk, order)

    def on_fill(self, desk: Desk, order: OrderView, fill: Fill) -> None:
        self._maybe(desk, order.instrument)

    def on_timer(self, desk: Desk, tag: str) -> None:
        desk.timer(desk.random.randint(5, 60) * NS_PER_MS, tag)
        self._maybe(desk, desk.random.randrange(len(desk.instruments)))

    def on_session(self, desk: Desk, session: SessionState) -> None:
        self._maybe(desk, 0)

    # -- acts ----------------------------------------------------------------------------------

    def _maybe(self, desk: Desk, instrument: int) -> None:
        if not self.parameters.active or desk.random.random() > self.parameters.eager:
            return
        self._acts += 1
        if self.parameters.mischief and self._acts >= self.parameters.after:
            self._misbehave(desk, instrument)
        if self.parameters.quotes_alone:
            self._quote(desk, instrument)
            return
        roll = desk.random.random()
        orders = desk.open_orders(instrument)
        if roll < 0.35 or not orders:
            self._place(desk, instrument)
        elif roll < 0.85:
            self._change(desk, desk.random.choice(orders))
        elif roll < 0.97:
            self._quote(desk, instrument)
        else:
            desk.cancel_all(instrument)

    def _price(self, desk: Desk, instrument: int) -> int:
        middle = self._middles.get(instrument, 1)
        reach = REACH_TICKS
        if self.parameters.wild_bps and desk.random.random() < WILD:
            reach += middle * self.parameters.wild_bps // 10_000
        return max(1, middle + desk.random.randint(-reach, reach))

    def _place(self, desk: Desk, instrument: int) -> OrderView | Refusal:
        draw = desk.random
        side = Side.BUY if draw.random() < 0.5 else Side.SELL
        lots = draw.randint(*LOTS)
        roll = draw.random()
        if roll < 0.1:
            return desk.place(instrument, side, 0, lots, kind=OrderKind.MARKET)
        price = self._price(desk, instrument)
        if roll < 0.5:
            return desk.place(instrument, side, price, lots, kind=OrderKind.POST_ONLY)
        tif = draw.choice((TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK))
        return desk.place(instrument, side, price, lots, tif=tif)

    def _change(self, desk: Desk, order: OrderView) -> None:
        draw = desk.random
        roll = draw.random()
        if roll < 0.4:
            desk.cancel(order)
        elif roll < 0.7 and order.state is OrderState.LIVE and order.open_lots > 1:
            desk.replace(order, order.price_ticks, draw.randint(1, order.open_lots - 1))
        else:
            price = self._price(desk, order.instrument)
            desk.replace(order, price, draw.randint(*LOTS))

    def _quote(self, desk: Desk, instrument: int) -> None:
        draw = desk.random
        middle = self._middles.get(instrument, 1)
        half = draw.randint(1, REACH_TICKS)
        bid = Quote(max(1, middle - half), draw.randint(*LOTS))
        ask = Quote(middle + half, draw.randint(*LOTS))
        always = self.parameters.quotes_alone
        bid_wanted = bid if always or draw.random() < 0.8 else None
        ask_wanted = ask if always or draw.random() < 0.8 else None
        desk.quote(instrument, bid_wanted, ask_wanted)

    # -- mischief ------------------------------------------------------------------------------

    def _misbehave(self, desk: Desk, instrument: int) -> None:
        mischief = self.parameters.mischief
        if mischief == "raise":
            desk.log(f"{SAID}raising")
            desk.place(-1, Side.BUY, self._price(desk, instrument), 50)
            raise ZeroDivisionError("a strategy may raise anything")
        self.parameters = WorkloadParameters(active=True, eager=self.parameters.eager)
        if mischief == "flood":
            refused = sum(isinstance(self._place(desk, instrument), Refusal) for _ in range(FLOOD))
            desk.log(f"{SAID}{refused} of {FLOOD} orders refused")
        else:
            refused = sum(
                isinstance(answer, Refusal) for answer in self._nonsense(desk, instrument)
            )
            desk.log(f"{SAID}{refused} nonsensical orders refused")

    def _nonsense(self, desk: Desk, instrument: int) -> list[Any]:
        """Ask for what no type checker would let pass."""
        price: Any = self._price(desk, instrument)
        any_side: Any = 1
        any_kind: Any = "limit"
        any_tif: Any = "gtc"
        return [
            desk.place(instrument, Side.BUY, price + 0.5, 100),
            desk.place(instrument, Side.SELL, -price, 100),
            desk.place(instrument, Side.BUY, price, -100),
            desk.place(instrument, Side.BUY, price, 10**30),
            desk.place(instrument, any_side, price, 50),
            desk.place(instrument, Side.BUY, True, 50),
            desk.place(instrument, Side.BUY, price, 50, kind=any_kind),
            desk.place(instrument, Side.BUY, price, 50, tif=any_tif),
        ]
