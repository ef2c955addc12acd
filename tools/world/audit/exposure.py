"""Exposure: position, open and travelling orders never exceed what was configured. I1, I2."""

from __future__ import annotations

from tools.world.audit.watch import Context, Sent, Watch


class Exposure(Watch):
    """What is on its way to the exchange, and what could become of it."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._travelling: dict[tuple[int, str], tuple[Sent, ...]] = {}

    def left(self, link: int, request_id: str, orders: tuple[Sent, ...]) -> None:
        """Orders are on their way, as a request of a connection."""
        self._travelling[link, request_id] = orders
        for order in orders:
            self._check_bound(order)

    def arrived(self, link: int, request_id: str) -> None:
        """The exchange has handled a request, or nobody ever will."""
        self._travelling.pop((link, request_id), None)

    def travelling(self, symbol: str) -> list[Sent]:
        """Return the orders of a symbol that are on their way."""
        every = (order for orders in self._travelling.values() for order in orders)
        return [order for order in every if order.symbol == symbol]

    def on_order(self, order: Sent, now_ns: int) -> None:
        if order.size > self.limits[order.symbol].max_order:
            self.note("I2", f"{order.client_id}: a size of {order.size} was never approved")

    def _check_bound(self, order: Sent) -> None:
        """I1, where the exposure grows: when an order is sent."""
        symbol, buy, limit = order.symbol, order.buy, self.limits[order.symbol].max_position
        position = self.ledger.positions[symbol]
        worst = position if buy else -position
        worst += sum(o.open_size for o in self.ledger.open_orders(symbol).values() if o.buy is buy)
        worst += sum(other.size for other in self.travelling(symbol) if other.buy is buy)
        if worst > limit and symbol not in self.ledger.doubled:
            self.note(
                "I1",
                f"{order.client_id}: {symbol} could become {worst} on the side of "
                f"{'buys' if buy else 'sells'}, the limit is {limit}; position {position}",
            )
