"""Whatever is sent, no limit that the venue states is passed, and every cancel leaves at once."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

import pytest

from core.engine.charges import Charges, instrument_of
from core.model.commands import Cancel, Command, FetchOpenOrders, OrderKind, Place, TimeInForce
from core.model.events import (
    FRAMES,
    NO_INSTRUMENT,
    ExecType,
    Limit,
    OrderReport,
    OrdStatus,
    Rule,
    Scope,
    Side,
    Source,
)
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import Adapter, cancel_kinds
from core.state.orders import Order, Orders
from core.state.throttle import Share, Throttle
from tests.venues.conformance import samples
from tests.venues.conformance.samples import Samples

START_NS = 1_790_000_000 * NS_PER_S
MINUTES = 5
MOST_OPEN = 40

ASKING = [
    pytest.param(shown, id=name) for name, shown in samples.EVERY.items() if shown.adapter().limits
]
"""Venues that state limits."""

Spent = tuple[int, int]
"""When, and how much."""


class Counted:
    """What the venue would have counted, by its own words about each limit."""

    def __init__(self, limits: Sequence[Limit]) -> None:
        self._limits = [limit for limit in limits if limit.scope is not Scope.CONNECTION]
        self._spent: dict[tuple[Limit, int], list[Spent]] = defaultdict(list)

    def spends(self, costs: Sequence[tuple[str, int]], instrument: int, now_ns: int) -> None:
        for kind, tokens in costs:
            for limit in self._limits:
                if limit.kind == kind:
                    where = instrument if limit.scope is Scope.INSTRUMENT else NO_INSTRUMENT
                    self._spent[limit, where].append((now_ns, tokens))

    def passed(self) -> list[str]:
        """Return the limits that were passed."""
        return [
            f"{limit.name}: {most} of {limit.amount}"
            for (limit, _), spent in self._spent.items()
            if (most := _MOST[limit.rule](spent, limit)) > limit.amount
        ]


def _most_of_fixed(spent: list[Spent], limit: Limit) -> int:
    windows: dict[int, int] = defaultdict(int)
    for at, tokens in spent:
        windows[at // limit.interval_ns] += tokens
    return max(windows.values())


def _most_of_sliding(spent: list[Spent], limit: Limit) -> int:
    most = total = first = 0
    for at, tokens in spent:
        total += tokens
        while spent[first][0] <= at - limit.interval_ns:
            total -= spent[first][1]
            first += 1
        most = max(most, total)
    return most


def _most_of_bucket(spent: list[Spent], limit: Limit) -> int:
    level, most, last_ns = 0.0, 0.0, 0
    for at, tokens in spent:
        level = max(0.0, level - (at - last_ns) / limit.interval_ns) + tokens
        most, last_ns = max(most, level), at
    return int(most + 0.999)


_MOST = {
    Rule.FIXED: _most_of_fixed,
    Rule.SLIDING: _most_of_sliding,
    Rule.BUCKET: _most_of_bucket,
}


class Busy:
    """Somebody who sends whatever may be sent, as often as it may."""

    def __init__(self, adapter: Adapter, seed: int) -> None:
        self.adapter = adapter
        self.draw = random.Random(seed)
        self.now_ns = START_NS
        self.throttle = Throttle(adapter.limits, cancel_kinds(adapter))
        self.orders = Orders(adapter.names("h123-", 1, seed))
        self.charges = Charges(adapter, self.orders, self.throttle)
        self.counted = Counted(adapter.limits)
        self.starved: list[str] = []
        self.placed = 0

    def asks(self, command: Command, share: Share) -> bool:
        costs = self.charges.of(command, self.now_ns)
        kept = () if share is Share.CANCEL else self.charges.kept(command, self.now_ns)
        instrument = instrument_of(command)
        if not self.throttle.take(costs, self.now_ns, share, instrument, kept):
            return False
        self.counted.spends(costs, instrument, self.now_ns)
        return True

    def places(self, instrument: int) -> None:
        if self.orders.exposure(instrument).open_orders >= MOST_OPEN:
            return
        name = self.orders.next_id()
        kind, tif = OrderKind.LIMIT, TimeInForce.GTC
        place = Place(instrument, name, Side.BUY, kind, tif, 1_000, 100)
        order = self.orders.add(place, self.now_ns)
        if self.asks(place, Share.ORDER):
            self.placed += 1
        else:
            self.orders.withdraw(order)

    def cancels(self, order: Order) -> None:
        cancel = Cancel(order.instrument, order.client_order_id, order.venue_order_id)
        if not self.asks(cancel, Share.CANCEL):
            self.starved.append(f"{order} after {self.now_ns - START_NS} ns")
        self.orders.on_report(
            OrderReport(
                instrument=order.instrument,
                client_order_id=order.client_order_id,
                venue_order_id=order.client_order_id,
                source=Source.STREAM,
                exec_type=ExecType.CANCELED,
                status=OrdStatus.CANCELED,
                side=order.side,
                price_ticks=order.price_ticks,
                size_lots=order.size_lots,
                filled_lots=0,
            )
        )

    def lives(self, symbols: int) -> None:
        """Place and ask as fast as it goes; each half minute or so take all out at once."""
        end_ns = START_NS + MINUTES * 60 * NS_PER_S
        sweep_ns = self.now_ns
        while self.now_ns < end_ns:
            self.now_ns += self.draw.choice((1, 5, 20, 200)) * NS_PER_MS
            self.places(self.draw.randrange(symbols))
            self.asks(FetchOpenOrders(self.draw.randrange(symbols)), Share.QUESTION)
            if self.now_ns >= sweep_ns:
                sweep_ns = self.now_ns + self.draw.randrange(15, 45) * NS_PER_S
                for order in self.orders.open():
                    self.cancels(order)


@pytest.mark.parametrize("shown", ASKING)
@pytest.mark.parametrize("seed", range(3))
def test_no_limit_is_ever_passed_and_no_cancel_is_ever_refused(shown: Samples, seed: int) -> None:
    busy = Busy(shown.adapter(), seed)
    busy.lives(len(shown.instruments))
    assert busy.placed > MOST_OPEN
    assert not busy.counted.passed()
    assert not busy.starved


@pytest.mark.parametrize("shown", ASKING)
def test_the_frames_of_a_connection_stay_below_what_it_takes(shown: Samples) -> None:
    adapter = shown.adapter()
    for link, connection in enumerate(adapter.connections):
        limits = [
            one
            for one in adapter.limits
            if one.kind == FRAMES and one.where in ("", connection.name)
        ]
        throttle = Throttle(adapter.limits, cancel_kinds(adapter))
        assert throttle.connected(link, connection.name, cancels=False) >= bool(limits)
        sent: list[Spent] = []
        for at_ns in range(START_NS, START_NS + 20 * NS_PER_S, 10 * NS_PER_MS):
            if throttle.has_room(link, (), at_ns, Share.QUESTION):
                throttle.count_frame(link, (), at_ns, Share.QUESTION)
                sent.append((at_ns, 1))
        assert sent
        assert all(_MOST[limit.rule](sent, limit) <= limit.amount for limit in limits)
