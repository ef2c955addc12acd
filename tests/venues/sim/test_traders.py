"""The background: seeded, two-sided, inside the filters, at the rate asked for."""

from itertools import pairwise

import pytest

from tests.venues.sim.binance.driver import MS, START_NS
from venues.sim.actions import SetBackground
from venues.sim.binance.symbols import SYMBOLS
from venues.sim.binance.venue import Venue
from venues.sim.binance.views import depth_snapshot
from venues.sim.durations import SECOND_NS
from venues.sim.engine import Printed
from venues.sim.fixed import parse
from venues.sim.matching import BUY
from venues.sim.symbols import Symbol, symbol_of
from venues.sim.traders import Temper


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


# -- what the background makes of a market -------------------------------------------------------


def tempered(temper: Temper, symbols: tuple[Symbol, ...] = SYMBOLS) -> Venue:
    venue = Venue(START_NS, seed=4, rate=2_000, temper=temper, symbols=symbols)
    for step in range(300):
        venue.step(START_NS + (step + 1) * 10 * MS)
    return venue


def spread_of_prices(venue: Venue) -> int:
    trades = venue.exchange.engine.markets["BTCUSDT"].tape.trades
    return max(one.price for one in trades) - min(one.price for one in trades)


def test_prices_move_further_in_a_volatile_market() -> None:
    calm, wild = (spread_of_prices(tempered(Temper(volatility=factor))) for factor in (1, 20))
    assert wild > 3 * calm


def test_market_makers_keep_as_many_orders_as_the_depth_says() -> None:
    def quotes(depth: int) -> int:
        market = tempered(Temper(depth=depth)).exchange.engine.markets["BTCUSDT"]
        return len(market.book.orders)

    thin, deep = quotes(5), quotes(600)
    assert deep - thin > 200


def test_a_symbol_of_any_price_and_quote_asset_is_lively() -> None:
    symbols = (
        symbol_of("ETHBTC", "ETH", "BTC", parse("0.05"), parse("0.00001"), parse("0.001"),
                  parse("0.0001")),
        symbol_of("PEPEUSDT", "PEPE", "USDT", parse("0.00001"), parse("0.00000001"), parse("1")),
        symbol_of("币安人生USDT", "币安人生", "USDT", parse("0.5"), parse("0.1"), parse("0.1")),
    )  # fmt: skip
    venue = tempered(Temper(), symbols)
    for market in venue.exchange.engine.markets.values():
        best, symbol = market.book.best(), market.symbol
        assert 0 < best.bid < best.ask
        assert market.tape.trades
        assert symbol.min_notional * 1_000_000 < symbol.max_notional
        assert all(order.price % symbol.tick_size == 0 for order in market.book.orders.values())
    assert venue.market_data.knows("币安人生usdt@trade")


def test_the_background_leaves_a_side_and_comes_back() -> None:
    venue = play(3, 1_000, 1)
    market = venue.exchange.engine.markets["BTCUSDT"]
    venue.perform(SetBackground(symbol="BTCUSDT", sides=frozenset({"BUY"})), START_NS + SECOND_NS)
    for step in range(100):
        venue.step(START_NS + SECOND_NS + step * 10 * MS)
        assert not market.book.asks.levels
    assert market.book.bids.levels
    both = SetBackground(symbol="BTCUSDT", sides=frozenset({"BUY", "SELL"}))
    venue.perform(both, START_NS + 2 * SECOND_NS)
    venue.step(START_NS + 2 * SECOND_NS + 50 * MS)
    assert market.book.asks.levels
