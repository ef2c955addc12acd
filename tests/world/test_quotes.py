"""Two-sided quotes: what cannot be moved does not stand, and what an earlier boot left is ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from core.model.commands import OrderKind, TimeInForce
from core.model.events import Side
from core.model.strategy import Quote
from core.model.units import NS_PER_S
from core.model.venue import AmendKind
from core.model.views import OrderState, Refusal, RefusalReason
from core.state.orders import Order
from core.state.throttle import Share
from tests.world.test_budgets import fresh
from tests.world.test_recovery import World, world
from venues.binance.adapter import SpotAdapter
from venues.sim.ledger import DEFAULT_KEY

BID, ASK = Quote(6_495_000, 100), Quote(6_505_000, 100)
HIGHER = Quote(6_495_500, 100)


def quote(w: World, bid: Quote | None, ask: Quote | None) -> Refusal | None:
    w.desk.now_ns = w.now_ns
    answer = w.desk.quote(0, bid, ask)
    w.flush()
    return answer


def standing(w: World) -> list[tuple[Side, int]]:
    return sorted((order.side, order.price_ticks) for order in w.engine.orders.open())


def quoting(**options: str) -> World:
    w = fresh(**options)
    assert quote(w, BID, ASK) is None
    w.run(0.1)
    assert len(standing(w)) == 2
    return w


def use_up_ours(w: World) -> None:
    venue_ns = w.now_ns + w.engine.clock.offset_ns
    while w.engine.throttle.take((("orders", 1),), venue_ns, Share.ORDER):
        pass


def use_up_theirs(w: World) -> None:
    for _ in range(48):
        w.other("BUY", "30000.00", "0.001", key=DEFAULT_KEY)


@pytest.mark.parametrize("use_up", [use_up_ours, use_up_theirs])
def test_a_quote_that_the_order_budget_cannot_move_is_cancelled_and_placed_when_there_is_room(
    use_up: Callable[[World], None],
) -> None:
    w = quoting()
    use_up(w)
    quote(w, HIGHER, ASK)
    w.run(0.1)
    assert standing(w) == [(Side.SELL, ASK.price_ticks)], "the old bid is gone at once"
    assert isinstance(quote(w, HIGHER, ASK), Refusal)
    w.run(10)
    assert quote(w, HIGHER, ASK) is None
    w.run(0.1)
    assert (Side.BUY, HIGHER.price_ticks) in standing(w)


def test_a_quote_that_our_own_rate_cannot_move_is_cancelled() -> None:
    w = quoting(risk="[risk.BTCUSDT]\nmax_orders_per_second = 2")
    w.run(1)
    assert quote(w, Quote(6_494_000, 100), Quote(6_506_000, 100)) is None
    w.run(0.1)
    answer = quote(w, HIGHER, ASK)
    assert answer is not None
    assert answer.reason is RefusalReason.ORDER_RATE
    w.run(0.1)
    assert standing(w) == []


def test_a_quote_whose_move_risk_refuses_is_cancelled() -> None:
    w = quoting()
    answer = quote(w, Quote(6_495_500, 10**9), ASK)
    assert answer is not None
    assert answer.side is Side.BUY
    w.run(0.1)
    assert standing(w) == [(Side.SELL, ASK.price_ticks)]


def test_a_quote_that_stands_as_wanted_is_left_alone_whatever_is_used_up() -> None:
    w = quoting()
    use_up_ours(w)
    sent = len(w.sent)
    assert quote(w, BID, ASK) is None
    w.run(0.1)
    assert len(w.sent) == sent


def test_a_market_that_jumps_over_the_spread_moves_both_quotes() -> None:
    """The bid wants to where the offer still stands: it waits for that one to make way."""
    w = quoting()
    w.other("BUY", "65010.00", "1")
    w.other("SELL", "65200.00", "1")
    w.run(0.2)
    up = Quote(6_506_000, 100), Quote(6_515_000, 100)
    quote(w, *up)
    w.run(0.1)
    assert standing(w) == [(Side.SELL, 6_515_000), (Side.BUY, BID.price_ticks)]
    quote(w, *up)
    w.run(0.1)
    assert standing(w) == [(Side.SELL, 6_515_000), (Side.BUY, 6_506_000)]


def test_a_quote_in_doubt_that_is_not_wanted_there_is_cancelled() -> None:
    w = quoting()
    bid = next(order for order in w.engine.orders.open() if order.side is Side.BUY)
    bid.state = OrderState.UNKNOWN
    quote(w, HIGHER, ASK)
    w.run(0.5)
    assert (Side.BUY, BID.price_ticks) not in standing(w)


def test_an_earlier_boots_orders_become_the_quotes_of_their_sides() -> None:
    w = world()
    first, second = w.buy(6_490_000, 100), w.buy(6_491_000, 100)
    w.run(0.1)
    w.engine.orders.names = w.application.adapter.names(w.engine.setup.scope, 7, 1)
    quote(w, BID, ASK)
    w.run(0.2)
    bids = [order for order in w.engine.orders.open() if order.side is Side.BUY]
    assert [order.price_ticks for order in bids] == [BID.price_ticks], "moved, not doubled"
    assert first.state is OrderState.CANCELED
    assert second.state is OrderState.CANCELED
    assert bids[0].kind is OrderKind.POST_ONLY


def test_an_amend_counts_what_is_filled() -> None:
    """The venue's amend states the whole size: what has traded, and what is to stand."""
    w = world()
    order = w.buy(6_499_500, 1_000)
    w.run(0.1)
    w.other("SELL", "64995.00", "0.004")
    w.run(0.1)
    assert order.filled_lots == 400
    w.desk.now_ns = w.now_ns
    assert isinstance(w.desk.replace(order, order.price_ticks, 300), Order)
    w.flush()
    w.run(0.1)
    assert (order.size_lots, order.open_lots) == (700, 300)


@pytest.mark.parametrize("how", ["replace", "quote"])
def test_a_move_heeds_the_age_of_the_book(how: str) -> None:
    w = quoting()
    bid = next(order for order in w.engine.orders.open() if order.side is Side.BUY)
    w.engine.books[0].fresh_ns = w.now_ns - 61 * NS_PER_S
    w.desk.now_ns = w.now_ns
    if how == "replace":
        answer = w.desk.replace(bid, HIGHER.price_ticks, 100)
    else:
        answer = w.desk.quote(0, HIGHER, ASK)  # type: ignore[assignment]
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.BOOK_TOO_OLD


def cannot(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Have the venue's adapter say that it cannot do something."""
    real = SpotAdapter.capabilities.fget  # type: ignore[attr-defined] # a property's own function
    monkeypatch.setattr(
        SpotAdapter, "capabilities", property(lambda self: replace(real(self), **changes))
    )


@pytest.mark.parametrize("amend", [AmendKind.NONE, AmendKind.SHRINK])
def test_where_nothing_is_replaced_a_quote_is_cancelled_and_the_next_one_placed(
    amend: AmendKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    cannot(monkeypatch, replace=False, amend=amend)
    w = quoting()
    assert quote(w, HIGHER, ASK) is None
    assert quote(w, HIGHER, ASK) is None, "it is on its way out"
    w.run(0.1)
    assert standing(w) == [(Side.SELL, ASK.price_ticks)]
    assert quote(w, HIGHER, ASK) is None
    w.run(0.1)
    assert (Side.BUY, HIGHER.price_ticks) in standing(w)
    assert "order.cancelReplace" not in w.methods()


def test_where_nothing_is_amended_a_smaller_quote_replaces_the_old_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cannot(monkeypatch, amend=AmendKind.NONE)
    w = quoting()
    assert quote(w, Quote(BID.price_ticks, 50), ASK) is None
    w.run(0.1)
    assert "order.amend.keepPriority" not in w.methods()
    assert "order.cancelReplace" in w.methods()


def test_where_an_order_can_only_become_smaller_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    cannot(monkeypatch, replace=False)
    w = quoting()
    assert quote(w, Quote(BID.price_ticks, 50), ASK) is None
    w.run(0.1)
    assert "order.amend.keepPriority" in w.methods()
    assert len(standing(w)) == 2


def test_an_order_that_the_venue_does_not_have_is_never_heard_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cannot(monkeypatch, orders=frozenset({(OrderKind.LIMIT, TimeInForce.GTC)}))
    w = fresh()
    used = w.engine.orders.used
    answer = w.desk.place(0, Side.BUY, BID.price_ticks, BID.lots, kind=OrderKind.POST_ONLY)
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.VENUE_FILTER
    assert len(w.engine.orders) == 0
    assert w.engine.orders.used == used + 1, "its id is used up, and nothing else"
    w.run(0.1)
    assert standing(w) == []
