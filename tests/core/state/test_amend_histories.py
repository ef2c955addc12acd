"""Orders that are moved at random, at a venue that is slow, loses and refuses.

What we count is never less than what may stand there, and in the end it is what does.
"""

from __future__ import annotations

from collections import deque
from random import Random

import pytest

from core.model.commands import OrderKind, Place, TimeInForce
from core.model.events import ExecType, Fill, OrderReport, OrdStatus, Side, Source
from core.state.orders import Orders
from venues.kit.names import Prefixed

WINDOW = 20
"""For how long an amend may still be carried out; after it nothing of it is on its way."""
LAG = 10
"""How far an answer to a question may lie behind, and the longest way of a message."""


class Venue:
    """One order as it truly stands, and what is on its way to and from it."""

    def __init__(self, draw: Random) -> None:
        self.draw = draw
        self.now = 0
        self.orders = Orders(Prefixed("hx-", 1), reprices=True)
        place = Place(0, self.orders.next_id(), Side.BUY, OrderKind.LIMIT, TimeInForce.GTC, 100, 10)
        self.order = self.orders.add(place, 1)
        self.ticks, self.size, self.filled, self.trades = 100, 10, 0, 0
        self.status = OrdStatus.NEW
        self.past: deque[OrderReport] = deque(maxlen=LAG)
        self.asked: list[tuple[int, int, int]] = []
        """Amends on their way: when they arrive, price and whole size."""
        self.stream: deque[tuple[int, OrderReport]] = deque()
        self.refusals: list[tuple[int, int, int]] = []
        """When it will be told that an amend was refused: price and whole size."""
        self.tell(ExecType.NEW)

    def report(self, change: ExecType, fills: tuple[Fill, ...] = ()) -> OrderReport:
        return OrderReport(
            instrument=0,
            client_order_id=self.order.client_order_id,
            venue_order_id="7",
            source=Source.STREAM,
            exec_type=change,
            status=self.status,
            side=Side.BUY,
            price_ticks=self.ticks,
            size_lots=self.size,
            filled_lots=self.filled,
            fills=fills,
        )

    def tell(self, change: ExecType, fills: tuple[Fill, ...] = ()) -> None:
        at = self.now + self.draw.randint(0, LAG)
        if self.stream:
            at = max(at, self.stream[-1][0])
        self.stream.append((at, self.report(change, fills)))

    @property
    def open(self) -> bool:
        return self.status in (OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED)

    # -- what happens ------------------------------------------------------------------------

    def trades_some(self) -> None:
        lots = self.draw.randint(1, 3)
        if not self.open or self.filled + lots > self.size:
            return
        self.filled += lots
        self.trades += 1
        full = self.filled == self.size
        self.status = OrdStatus.FILLED if full else OrdStatus.PARTIALLY_FILLED
        fill = Fill(str(self.trades), self.trades, self.ticks, lots, 0, "", True, 0)
        self.tell(ExecType.TRADE, (fill,))

    def takes(self, ticks: int, size: int) -> None:
        """An amend arrives."""
        if self.draw.random() < 0.3 or not self.open:
            if self.draw.random() < 0.5:  # else the refusal is lost
                self.refusals.append((self.now + self.draw.randint(0, LAG), ticks, size))
        elif size <= self.filled:
            self.status = OrdStatus.CANCELED
            self.tell(ExecType.CANCELED)
        else:
            self.ticks, self.size = ticks, size
            self.tell(ExecType.REPLACED)

    def amends(self) -> None:
        """We ask for another price and size, as far as an earlier change is over."""
        order = self.order
        if order.state.terminal or order.amend_lots or not order.proved:
            return
        if self.asked or self.refusals:
            return  # an answer is on its way
        ticks, size = self.draw.randint(98, 102), order.filled_lots + self.draw.randint(1, 12)
        if (ticks, size) == (order.price_ticks, order.size_lots):
            return
        self.orders.amend(order, ticks, size, self.now)
        if self.draw.random() < 0.8:  # else it is lost
            self.asked.append((self.now + self.draw.randint(0, WINDOW - 1), ticks, size))

    def asks(self) -> None:
        """We ask how it stands, and are answered with what may lie behind."""
        told = self.draw.choice([*self.past]) if self.past else self.report(ExecType.SNAPSHOT)
        late = self.now > self.order.amended_ns + WINDOW + 2 * LAG
        self.hears(told, late=late)

    def hears(self, told: OrderReport, *, late: bool) -> None:
        fields = {name: getattr(told, name) for name in told.__struct_fields__}
        found = OrderReport(**(fields | {"source": Source.QUERY, "fills": ()}))
        applied = self.orders.on_report(found)
        assert applied is not None
        assert not applied.contradiction
        if late and self.order.amend_lots:
            assert not self.orders.on_stands(self.order, found).contradiction

    # -- time --------------------------------------------------------------------------------

    def step(self, *, quiet: bool = False) -> None:
        self.now += 1
        arrived = [one for one in self.asked if one[0] <= self.now]
        self.asked = [one for one in self.asked if one[0] > self.now]
        for _, ticks, size in arrived:
            self.takes(ticks, size)
        roll = self.draw.random()
        if not quiet and roll < 0.06:
            self.trades_some()
        elif not quiet and roll < 0.4:
            self.amends()
        self.past.append(self.report(ExecType.SNAPSHOT))
        while self.stream and self.stream[0][0] <= self.now:
            applied = self.orders.on_report(self.stream.popleft()[1])
            assert applied is not None
            assert not applied.contradiction, applied.contradiction
        for at, ticks, size in list(self.refusals):
            if at <= self.now:
                self.refusals.clear()
                self.orders.on_amend_refused(self.order, ticks, size)
        if roll > 0.9:
            self.asks()
        self.check()

    def check(self) -> None:
        """What may stand at the venue is among what we count."""
        order, exposure = self.order, self.orders.exposure(0)
        if self.open and order.proved:
            assert order.filled_lots + order.open_lots >= self.size
            assert self.ticks in (order.price_ticks, order.amend_ticks)
            assert exposure.highest_buy_ticks() >= self.ticks
        for _, ticks, size in self.asked:
            if not order.state.terminal:
                assert order.filled_lots + order.open_lots >= size
                assert ticks in (order.price_ticks, order.amend_ticks)
        assert exposure.open_buy_lots >= order.open_lots


@pytest.mark.parametrize("seed", range(150))
def test_what_may_stand_is_counted_and_in_the_end_what_stands(seed: int) -> None:
    venue = Venue(Random(seed))
    for _ in range(150):
        venue.step()
    for _ in range(WINDOW + 4 * LAG):
        venue.step(quiet=True)
    venue.past.clear()
    venue.asks()
    order, exposure = venue.order, venue.orders.exposure(0)
    assert order.state.terminal is not venue.open
    assert order.amend_lots == 0
    if venue.open:
        assert (order.price_ticks, order.size_lots) == (venue.ticks, venue.size)
        assert exposure.open_buy_lots == venue.size - venue.filled
        assert exposure._buy_ticks == [venue.ticks]
    else:
        assert (exposure.open_buy_lots, exposure._buy_ticks) == (0, [])
