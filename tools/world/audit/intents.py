"""Intents: an order leaves as the strategy asked for it, and none that nobody asked for. I2.

Asked is what passed the desk; what leaves is read from the wire. An order that the strategy did not
place is a side of a quote that it wants or, once the operator has said so, one that flattens.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from core.model.commands import OrderKind, TimeInForce
from core.model.events import Side
from core.model.strategy import Quote
from tools.world.audit.watch import Context, Sent, Watch
from tools.world.witness import Requested

TYPES: Final = {
    OrderKind.LIMIT: "LIMIT",
    OrderKind.POST_ONLY: "LIMIT_MAKER",
    OrderKind.MARKET: "MARKET",
}
"""What kinds of orders are called on the wire, by the dialect."""

TIFS: Final = {TimeInForce.GTC: "GTC", TimeInForce.IOC: "IOC", TimeInForce.FOK: "FOK"}
"""What times in force are called there; only a limit order has one."""


IN_A_TURN: Final = 8
"""Quotes of a side that are wanted one after another before the first of them leaves."""


class Intents(Watch):
    """What was asked for, and what left."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._asked: dict[str, Requested] = {}
        self._quoted: dict[tuple[str, Side], deque[Quote]] = {}
        self.flattens = False
        """Whether the operator has said that all is to be flattened."""

    def on_boot(self) -> None:
        self._asked.clear()
        self._quoted.clear()
        self.flattens = False

    def on_requested(self, asked: Requested) -> None:
        self._asked[asked.client_id] = asked

    def on_quoted(self, symbol: str, side: Side, wanted: Quote | None) -> None:
        if wanted is not None:
            quotes = self._quoted.setdefault((symbol, side), deque(maxlen=IN_A_TURN))
            quotes.append(wanted)

    def on_order(self, order: Sent, now_ns: int) -> None:
        asked = self._asked.get(order.client_id)
        if self.flattens and asked is None:
            self._check_flattening(order)
            return
        wanted = self._of_quotes(order) if asked is None else [self._as_sent(asked, order)]
        if not wanted:
            self._check_flattening(order)
        elif order not in wanted:
            self.note("I2", f"{order} leaves, asked for was {wanted[-1]}")

    def _as_sent(self, asked: Requested, order: Sent) -> Sent:
        """Return what asks for exactly that, under the name and in the place of ``order``."""
        symbol = self.markets[order.symbol].symbol
        return Sent(
            client_id=order.client_id,
            symbol=asked.symbol,
            buy=asked.side is Side.BUY,
            kind=TYPES[asked.kind],
            tif=TIFS[asked.tif] if asked.kind is OrderKind.LIMIT else "",
            price=asked.ticks * symbol.tick_size,
            size=asked.lots * symbol.step_size,
            replaces=order.replaces,
        )

    def _of_quotes(self, order: Sent) -> list[Sent]:
        """Return what a side of a quote, as it was wanted lately, asks for."""
        side = Side.BUY if order.buy else Side.SELL
        post_only, gtc = OrderKind.POST_ONLY, TimeInForce.GTC
        return [
            self._as_sent(
                Requested(
                    order.symbol,
                    order.client_id,
                    side,
                    post_only,
                    gtc,
                    wanted.price_ticks,
                    wanted.lots,
                ),
                order,
            )
            for wanted in self._quoted.get((order.symbol, side), ())
        ]

    def _check_flattening(self, order: Sent) -> None:
        if not self.flattens:
            self.note("I2", f"{order} leaves, and nobody asked for it")
        elif order.symbol in self.ledger.doubled:
            return  # what is held there is beyond anybody's knowledge
        elif order.buy is (self.ledger.positions[order.symbol] > 0):
            self.note("I2", f"{order} makes a position larger that is to be flat")
