"""The background: seeded, two-sided, inside the filters, at the rate asked for."""

from itertools import pairwise

import pytest

from tests.venues.sim.driver import MS, START_NS
from venues.sim.engine import Printed
from venues.sim.limits import SECOND_NS
from venues.sim.matching import BUY
from venues.sim.venue import Venue
from venues.sim.views import depth_snapshot


def play(seed: int, rate: float, seconds: int, step_ms: int = 5) -> Venue:
    venue = Venue(START_NS, seed=seed, rate=rate)
    for step in range(seconds * 1_000 // step_ms):
        venue.step(START_NS + (step + 1) * step_ms * MS)
    return venue


def state(venue: Venue) -> list[object]:
    markets = venue.exchange.engine.markets.values()
    return [(depth_snapshot(market, 5_000), list(market.tape.trades)) for market in markets]


def test_the_same_seed_makes_the_same_market_whatever_the_steps() -> None:
    assert state(play(5, 500, 2, step_ms=1)) == state(play(5, 500, 2, step_ms=20))


def test_another_seed_makes_another_market() -> None:
    assert state(play(5, 500, 1)) != state(play(6, 500, 1))


@pytest.mark.parametrize("rate", [200, 1_000, 3_000])
def test_book_events_come_at_about_the_rate(rate: float) -> None:
    before = sum(
        m.book.update_id for m in Venue(START_NS, rate=rate).exchange.engine.markets.values()
    )
    after = sum(m.book.update_id for m in play(0, rate, 3).exchange.engine.markets.values())
    assert 0.9 * 3 * rate < after - before < 1.5 * 3 * rate


def test_the_market_is_lively_two_sided_and_on_the_grid() -> None:
    venue = Venue(START_NS, seed=1, rate=2_000)
    engine = venue.exchange.engine
    trades = dict.fromkeys(engine.markets, 0)
    sides = set()
    for step in range(400):
        venue.traders.step(START_NS + step * 5 * MS)
        for event in engine.take_events():
            if isinstance(event, Printed):
                trades[event.symbol] += 1
                sides.add(event.trade.buyer_is_maker)
        for market in engine.markets.values():
            best = market.book.best()
            assert 0 < best.bid < best.ask
    assert min(trades.values()) > 10
    assert sides == {True, False}
    for market in engine.markets.values():
        symbol = market.symbol
        for order in market.book.orders.values():
            assert order.price % symbol.tick_size == 0
            assert order.open_quantity % symbol.step_size == 0
            assert symbol.opening_price // 2 < order.price < symbol.opening_price * 2


def test_a_swept_side_is_filled_again() -> None:
    venue = play(2, 1_000, 1)
    engine = venue.exchange.engine
    market = engine.markets["BTCUSDT"]
    everything = sum(order.open_quantity for order in market.book.orders.values())
    engine.house_order(market, BUY, 10**15, everything, START_NS, rest=False)
    assert not market.book.asks.levels
    venue.step(START_NS + SECOND_NS + 100 * MS)
    assert len(market.book.asks.levels) >= 100


def test_a_long_pause_is_not_caught_up() -> None:
    venue = play(2, 1_000, 1)
    before = sum(m.book.update_id for m in venue.exchange.engine.markets.values())
    venue.step(START_NS + 3_600 * SECOND_NS)
    after = sum(m.book.update_id for m in venue.exchange.engine.markets.values())
    assert after - before < 200


def test_rate_zero_leaves_the_books_empty() -> None:
    venue = Venue(START_NS, rate=0)
    due = [venue.step(START_NS + step * 50 * MS) for step in range(5)]
    assert all(later - earlier in {0, 100 * MS} for earlier, later in pairwise(due))
    assert all(not market.book.orders for market in venue.exchange.engine.markets.values())
