"""What commands cost at a venue whose cancels cost more the younger an order is."""

from __future__ import annotations

from random import Random
from typing import cast

import pytest

from core.engine import charges
from core.engine.charges import Charges
from core.model.commands import (
    Amend,
    Cancel,
    CancelMany,
    Command,
    FetchTime,
    OrderKind,
    Place,
    TimeInForce,
)
from core.model.events import Costs, Limit, Rule, Scope, Side
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import Adapter, cancel_kinds
from core.state.orders import Order, Orders
from core.state.throttle import Share, Throttle
from venues.kit.names import Prefixed

START_NS = 1_700_000_000 * NS_PER_S
RATE = Limit("rate", "rate", 60, NS_PER_S, Rule.BUCKET, Scope.INSTRUMENT)
CANCEL_AGES = ((5, 8), (10, 6), (15, 5), (45, 4), (90, 2), (300, 1))
AMEND_AGES = ((5, 3), (10, 2), (15, 1))


def by_age(ages: tuple[tuple[int, int], ...], resting_ns: int) -> int:
    return next((cost for below_s, cost in ages if resting_ns < below_s * NS_PER_S), 0)


class Aged:
    """A venue that counts each transaction on an instrument, and more for young orders."""

    def __init__(self, *limits: Limit) -> None:
        self.limits = limits or (RATE,)

    def cost(self, command: Command, resting_ns: int = 0) -> Costs:
        if isinstance(command, Place):
            return (("rate", 1),)
        if isinstance(command, Amend):
            return (("rate", 1 + by_age(AMEND_AGES, resting_ns)),)
        if isinstance(command, Cancel):
            return (("rate", by_age(CANCEL_AGES, resting_ns)),)
        return ()


class Rig:
    """Orders, their charges, and the throttle, as the way out uses them."""

    def __init__(self, *limits: Limit) -> None:
        self.adapter = cast(Adapter, Aged(*limits))
        self.orders = Orders(Prefixed("t-", 1))
        self.throttle = Throttle(self.adapter.limits, cancel_kinds(self.adapter))
        self.charges = Charges(self.adapter, self.orders, self.throttle)

    def sends(self, command: Command, now_ns: int, share: Share) -> bool:
        costs, kept = self.charges.of(command, now_ns), self.charges.kept(command, now_ns)
        instrument = charges.instrument_of(command)
        return self.throttle.take(costs, now_ns, share, instrument, kept)

    def places(self, now_ns: int, instrument: int = 0) -> Order | None:
        name = self.orders.next_id()
        place = Place(instrument, name, Side.BUY, OrderKind.LIMIT, TimeInForce.GTC, 100, 5)
        order = self.orders.add(place, now_ns)
        if self.sends(place, now_ns, Share.ORDER):
            return order
        self.orders.withdraw(order)
        return None

    def amends(self, order: Order, now_ns: int) -> bool:
        amend = Amend(order.instrument, order.client_order_id, order.venue_order_id, 4)
        sent = self.sends(amend, now_ns, Share.ORDER)
        if sent:
            self.orders.amend(order, order.price_ticks, 4, now_ns)
        return sent

    def cancels(self, order: Order, now_ns: int) -> bool:
        cancel = Cancel(order.instrument, order.client_order_id, order.venue_order_id)
        return self.sends(cancel, now_ns, Share.CANCEL)

    def ends(self, order: Order) -> None:
        self.orders.withdraw(order)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_a_cancel_costs_what_the_orders_age_says(rig: Rig) -> None:
    order = rig.places(START_NS)
    assert order is not None
    cancel = Cancel(0, order.client_order_id, "")
    for age_s, tokens in ((0, 8), (4.9, 8), (5, 6), (14.9, 5), (299, 1), (300, 0)):
        now_ns = START_NS + round(age_s * NS_PER_S)
        assert rig.charges.of(cancel, now_ns) == (("rate", tokens),)


def test_an_amend_makes_an_order_young_again(rig: Rig) -> None:
    order = rig.places(START_NS)
    assert order is not None
    later_ns = START_NS + 20 * NS_PER_S
    assert rig.charges.of(Amend(0, order.client_order_id, "", 4), later_ns) == (("rate", 1),)
    assert rig.amends(order, later_ns)
    cancel = Cancel(0, order.client_order_id, "")
    assert rig.charges.of(cancel, later_ns + 2 * NS_PER_S) == (("rate", 8),)


def test_cancels_in_one_request_cost_what_each_of_them_does(rig: Rig) -> None:
    orders = [rig.places(START_NS + age_s * NS_PER_S) for age_s in (0, 6)]
    cancels = tuple(Cancel(0, order.client_order_id, "") for order in orders if order is not None)
    now_ns = START_NS + 6 * NS_PER_S
    assert rig.charges.of(CancelMany(0, cancels), now_ns) == (("rate", 14),)
    assert rig.charges.kept(CancelMany(0, cancels), now_ns) == ()


def test_an_order_of_an_earlier_boot_is_at_least_as_old_as_this_one(rig: Rig) -> None:
    rig.charges.of(FetchTime(), START_NS)
    place = Place(0, "t-0-1", Side.BUY, OrderKind.LIMIT, TimeInForce.GTC, 100, 5)
    rig.orders.add(place, 0)
    cancel = Cancel(0, "t-0-1", "")
    assert rig.charges.of(cancel, START_NS + NS_PER_S) == (("rate", 8),)
    assert rig.charges.of(cancel, START_NS + 6 * NS_PER_S) == (("rate", 6),)


def test_what_it_costs_to_cancel_all_on_the_instrument_is_kept(rig: Rig) -> None:
    for _ in range(3):
        assert rig.places(START_NS)
    assert rig.places(START_NS, instrument=1)
    now_ns = START_NS + 6 * NS_PER_S
    place = Place(0, "t-x", Side.BUY, OrderKind.LIMIT, TimeInForce.GTC, 100, 5)
    assert rig.charges.kept(place, now_ns) == (("rate", 18),)
    amend = Amend(0, next(rig.orders.open()).client_order_id, "", 4)
    assert rig.charges.kept(amend, now_ns) == (("rate", 20),), "it will be young again"


def test_where_the_limit_is_the_accounts_what_stands_elsewhere_counts_too() -> None:
    rig = Rig(Limit("rate", "rate", 60, NS_PER_S, Rule.BUCKET))
    assert rig.places(START_NS, instrument=0)
    assert rig.places(START_NS, instrument=1)
    place = Place(0, "t-x", Side.BUY, OrderKind.LIMIT, TimeInForce.GTC, 100, 5)
    assert rig.charges.kept(place, START_NS) == (("rate", 16),)


def test_no_more_young_orders_are_placed_than_can_be_cancelled_at_once(rig: Rig) -> None:
    placed = [rig.places(START_NS) for _ in range(10)]
    standing = [order for order in placed if order is not None]
    assert len(standing) == 6
    assert all(rig.cancels(order, START_NS + NS_PER_MS) for order in standing)


def test_a_venue_with_one_price_for_everything_is_uniform() -> None:
    class Plain(Aged):
        def cost(self, command: Command, resting_ns: int = 0) -> Costs:
            return (("rate", 1),)

    adapter = cast(Adapter, Plain(Limit("rate", "rate", 60, NS_PER_S)))
    orders, throttle = Orders(Prefixed("t-", 1)), Throttle(adapter.limits, cancel_kinds(adapter))
    assert Charges(adapter, orders, throttle).uniform
    assert not Rig().charges.uniform


class Counter:
    """The venue's own count of an instrument: slow, and exact but for floating point."""

    def __init__(self) -> None:
        self._count, self._counted_ns = 0.0, START_NS
        self._since_ns: dict[str, int] = {}

    def on(self, command: Command, order: Order, now_ns: int) -> None:
        cost, name = 1, order.client_order_id
        if isinstance(command, Cancel):
            cost = by_age(CANCEL_AGES, now_ns - self._since_ns.pop(name))
        elif isinstance(command, Amend):
            cost += by_age(AMEND_AGES, now_ns - self._since_ns[name])
        if not isinstance(command, Cancel):
            self._since_ns[name] = now_ns
        gone = (now_ns - self._counted_ns) / RATE.interval_ns
        self._count, self._counted_ns = max(0.0, self._count - gone) + cost, now_ns

    def with_all_cancelled(self) -> float:
        ages_ns = (self._counted_ns - since_ns for since_ns in self._since_ns.values())
        return self._count + sum(by_age(CANCEL_AGES, age_ns) for age_ns in ages_ns)


def starved(seed: int) -> str:
    """Trade at random, and return when something that stands could not have been cancelled."""
    random, rig, venue = Random(seed), Rig(), Counter()
    now_ns, standing = START_NS, list[Order]()
    for step in range(300):
        now_ns += random.choice((0, NS_PER_MS, 300 * NS_PER_MS, 2 * NS_PER_S, 7 * NS_PER_S))
        what = random.random()
        if what < 0.6 or not standing:
            order = rig.places(now_ns)
            if order is None:
                continue
            standing.append(order)
            command: Command = Place(0, "", Side.BUY, OrderKind.LIMIT, TimeInForce.GTC, 100, 5)
        elif what < 0.8:
            order = random.choice(standing)
            command = Amend(0, order.client_order_id, "", 4)
            if not rig.amends(order, now_ns):
                continue
        else:
            order = standing.pop(random.randrange(len(standing)))
            command = Cancel(0, order.client_order_id, "")
            if not rig.cancels(order, now_ns):
                return f"step {step}: a cancel is refused"
            rig.ends(order)
        venue.on(command, order, now_ns)
        if venue.with_all_cancelled() > RATE.amount:
            return f"step {step}: {len(standing)} orders cannot be cancelled"
    return ""


def test_whatever_was_sent_all_that_is_open_can_be_cancelled_at_once() -> None:
    for seed in range(40):
        assert starved(seed) == "", seed


@pytest.mark.parametrize("broken", ["kept", "amended", "of"])
def test_a_reserve_that_is_too_small_is_noticed(
    broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if broken == "amended":
        monkeypatch.setattr(Orders, "amend", lambda self, *amend: None)
    elif broken == "kept":
        monkeypatch.setattr(Charges, "kept", lambda self, command, now_ns: ())
    else:
        kept = Charges.kept
        monkeypatch.setattr(
            Charges, "kept", lambda self, c, now_ns: kept(self, c, now_ns + 60 * NS_PER_S)
        )
    assert any(starved(seed) for seed in range(40))
