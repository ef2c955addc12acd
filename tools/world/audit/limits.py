"""Limits: collar, self-match, open orders, own rate and book age, from the exchange's side. I2.

Each is checked where an order leaves, against the exchange's ledger and what had reached our side,
never against what our side counted. What is still open at the exchange our side has to count, too,
so that whatever is found here was not known there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from core.model.units import NS_PER_MS, NS_PER_S
from tools.world.audit.exposure import Exposure
from tools.world.audit.watch import Context, Sent, Watch
from venues.sim.engine import BestMoved
from venues.sim.matching import Best

BPS: Final = 10_000

OLD_NS: Final = 10 * NS_PER_S
"""How much older than the largest age of a book the prices may be that an order was made from: held
up on their way, or waiting for a process that was stopped."""

LATE_NS: Final = 50 * NS_PER_MS
"""From the turn that made an order to the moment it leaves: longer only where a turn is slow."""


class Limits(Watch):
    """Our own limits, counted from outside."""

    def __init__(self, context: Context, exposure: Exposure) -> None:
        super().__init__(context)
        self._exposure = exposure
        self._bests: dict[str, deque[tuple[int, Best]]] = {name: deque() for name in self.markets}
        self._heard_ns = 0
        self._sent_ns: dict[str, deque[int]] = {name: deque() for name in self.markets}
        self.slow_ns = 0
        """How much longer the slowest turn takes that a fault has caused."""
        self._checks: tuple[Callable[[Sent, int], str], ...] = (
            self._collar,
            self._self_match,
            self._open_orders,
            self._rate,
            self._book_age,
        )

    def on_boot(self) -> None:
        for times_ns in self._sent_ns.values():
            times_ns.clear()

    def moved(self, event: BestMoved, now_ns: int) -> None:
        """The exchange's best prices are others."""
        bests = self._bests[event.symbol]
        bests.append((now_ns, event.best))
        since_ns = now_ns - self.limits[event.symbol].max_book_age_ns - OLD_NS
        while len(bests) > 1 and bests[1][0] < since_ns:
            bests.popleft()

    def on_market(self, now_ns: int) -> None:
        self._heard_ns = now_ns

    def on_order(self, order: Sent, now_ns: int) -> None:
        for check in self._checks:
            objection = check(order, now_ns)
            if objection and order.symbol not in self.ledger.doubled:
                self.note("I2", f"{order.client_id} on {order.symbol}: {objection}")

    def _collar(self, order: Sent, now_ns: int) -> str:
        """The farthest price that any best price of the last time allows."""
        bps, bests = self.limits[order.symbol].collar_bps, self._bests[order.symbol]
        if not order.price or not bests:
            return ""
        # An empty side is stood in for by the other one.
        prices = [b.ask or b.bid if order.buy else b.bid or b.ask for _, b in bests]
        if order.buy:
            beyond = order.price * BPS > max(prices) * (BPS + bps)
        else:
            beyond = order.price * BPS < min(p for p in prices if p) * (BPS - bps)
        return f"a price of {order.price} is beyond {bps} bps through any best price" * beyond

    def _self_match(self, order: Sent, now_ns: int) -> str:
        others = [
            *(
                o.price
                for o in self.ledger.open_orders(order.symbol).values()
                if o.buy is not order.buy
            ),
            *(o.price for o in self._exposure.travelling(order.symbol) if o.buy is not order.buy),
        ]
        for price in others:
            if not price:
                continue  # at market: it rests nowhere
            if not order.price:
                meets = True
            else:
                meets = order.price >= price if order.buy else order.price <= price
            if meets:
                return f"at {order.price} it meets our own order at {price}"
        return ""

    def _open_orders(self, order: Sent, now_ns: int) -> str:
        most = self.limits[order.symbol].max_open_orders
        travelling = [o for o in self._exposure.travelling(order.symbol) if not o.replaces]
        there = len(self.ledger.open_orders(order.symbol)) + len(travelling)
        there += not order.replaces
        return f"it is open order {there}, allowed are {most}" * (there > most)

    def _rate(self, order: Sent, now_ns: int) -> str:
        most, times_ns = self.limits[order.symbol].max_orders_per_s, self._sent_ns[order.symbol]
        times_ns.append(now_ns)
        while now_ns - times_ns[0] >= NS_PER_S - self.slow_ns:
            times_ns.popleft()
        return f"it is order {len(times_ns)} within a second, allowed are {most}" * (
            len(times_ns) > most
        )

    def _book_age(self, order: Sent, now_ns: int) -> str:
        silent_ns = now_ns - self._heard_ns
        most_ns = self.limits[order.symbol].max_book_age_ns + LATE_NS + self.slow_ns
        return f"no market data for {silent_ns} ns, allowed are {most_ns}" * (silent_ns > most_ns)
