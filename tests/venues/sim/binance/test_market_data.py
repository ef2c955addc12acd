"""Streams: what they say, when, and that a client's copy of the book equals the exchange's."""

import json
from itertools import pairwise
from typing import Any

import pytest

from tests.venues.sim.binance.driver import MS, START_NS
from venues.sim.binance.venue import Venue
from venues.sim.binance.views import Statistics, candle_row, depth_snapshot
from venues.sim.durations import MICROSECOND_NS, MILLISECOND_NS
from venues.sim.fixed import ONE, parse, show
from venues.sim.matching import BUY, SELL

SECOND = 1_000 * MS


class Listener:
    """A subscriber that keeps what it hears."""

    def __init__(self, venue: Venue, *streams: str, unit_ns: int = MILLISECOND_NS) -> None:
        self.combined = False
        self.unit_ns = unit_ns
        self.heard: list[Any] = []
        for stream in streams:
            venue.market_data.subscribe(stream, self)

    def deliver(self, payload: bytes) -> None:
        self.heard.append(json.loads(payload))


def quiet() -> Venue:
    return Venue(START_NS, rate=0)


def house(venue: Venue, side: bool, price: str, quantity: str, now_ns: int = START_NS) -> None:
    engine = venue.exchange.engine
    market = engine.markets["BTCUSDT"]
    engine.house_order(market, side, parse(price), parse(quantity), now_ns, rest=True)
    venue.advance(now_ns)


def test_best_prices_are_said_at_each_change_and_only_then() -> None:
    venue = quiet()
    listener = Listener(venue, "btcusdt@bookTicker")
    house(venue, BUY, "100", "1")
    house(venue, BUY, "99", "1")
    house(venue, SELL, "101", "2")
    house(venue, BUY, "100", "1")
    assert [(one["u"], one["b"], one["B"], one["a"], one["A"]) for one in listener.heard] == [
        (1, "100.00000000", "1.00000000", "0.00000000", "0.00000000"),
        (3, "100.00000000", "1.00000000", "101.00000000", "2.00000000"),
        (4, "100.00000000", "2.00000000", "101.00000000", "2.00000000"),
    ]
    assert set(listener.heard[0]) == {"u", "s", "b", "B", "a", "A"}


def test_trades_are_single_and_aggregates_fold_one_taker_at_one_price() -> None:
    venue = quiet()
    trades, aggregates = Listener(venue, "btcusdt@trade"), Listener(venue, "btcusdt@aggTrade")
    house(venue, SELL, "101", "1")
    house(venue, SELL, "101", "1")
    house(venue, SELL, "102", "1")
    house(venue, BUY, "102", "3")
    assert [(one["t"], one["p"], one["m"]) for one in trades.heard] == [
        (1, "101.00000000", False),
        (2, "101.00000000", False),
        (3, "102.00000000", False),
    ]
    assert [(one["a"], one["q"], one["f"], one["l"]) for one in aggregates.heard] == [
        (0, "2.00000000", 1, 2),
        (1, "1.00000000", 3, 3),
    ]


def test_a_selling_taker_makes_the_buyer_the_maker() -> None:
    venue = quiet()
    listener = Listener(venue, "btcusdt@trade")
    house(venue, BUY, "100", "1")
    house(venue, SELL, "100", "1")
    assert listener.heard[0]["m"] is True


def test_depth_speaks_at_its_cadence_and_chains() -> None:
    venue = quiet()
    fast, slow = Listener(venue, "btcusdt@depth@100ms"), Listener(venue, "btcusdt@depth")
    now = START_NS
    for step in range(25):
        house(venue, BUY, str(50 + step), "1", now)
        now += 40 * MS
        venue.step(now)
    assert len(fast.heard) == 10
    assert len(slow.heard) == 1
    assert (slow.heard[0]["U"], slow.heard[0]["u"]) == (1, 13)
    assert all(one["E"] % 100 < 40 for one in fast.heard)
    ids = [(one["U"], one["u"]) for one in fast.heard]
    assert ids[0][0] == 1
    assert all(later[0] == earlier[1] + 1 for earlier, later in pairwise(ids))


def test_depth_is_silent_when_nothing_changed() -> None:
    venue = quiet()
    listener = Listener(venue, "btcusdt@depth@100ms")
    house(venue, BUY, "100", "1")
    for step in range(1, 30):
        venue.step(START_NS + step * 100 * MS)
    assert len(listener.heard) == 1


def test_a_level_that_came_and_went_is_said_with_zero() -> None:
    venue = quiet()
    listener = Listener(venue, "btcusdt@depth@100ms")
    house(venue, SELL, "101", "1")
    house(venue, BUY, "101", "1")
    venue.step(START_NS + 100 * MS)
    (diff,) = listener.heard
    assert diff["a"] == [["101.00000000", "0.00000000"]]
    assert diff["b"] == []


def test_partial_depth_is_a_snapshot_of_the_top() -> None:
    venue = quiet()
    listener = Listener(venue, "btcusdt@depth5@100ms")
    for step in range(8):
        house(venue, BUY, str(100 - step), "1")
    venue.step(START_NS + 100 * MS)
    (partial,) = listener.heard
    assert partial == {
        "lastUpdateId": 8,
        "bids": [[f"{100 - step}.00000000", "1.00000000"] for step in range(5)],
        "asks": [],
    }


def test_microseconds_on_request() -> None:
    venue = quiet()
    house(venue, SELL, "101", "1")
    listener = Listener(venue, "btcusdt@trade", unit_ns=MICROSECOND_NS)
    house(venue, BUY, "101", "1", START_NS + 1_234)
    assert listener.heard[0]["E"] == (START_NS + 1_234) // 1_000


def test_statistics_speak_once_a_second() -> None:
    venue = quiet()
    listener = Listener(
        venue,
        "btcusdt@ticker",
        "btcusdt@miniTicker",
        "btcusdt@avgPrice",
        "btcusdt@kline_1m",
        "!miniTicker@arr",
    )
    house(venue, SELL, "101", "2")
    house(venue, BUY, "101", "2")
    venue.step(START_NS + SECOND)
    ticker, mini, average, kline, everyone = listener.heard
    assert (ticker["e"], ticker["c"], ticker["v"], ticker["n"]) == (
        "24hrTicker",
        "101.00000000",
        "2.00000000",
        1,
    )
    assert (mini["e"], mini["q"]) == ("24hrMiniTicker", "202.00000000")
    assert (average["e"], average["w"]) == ("avgPrice", "101.00000000")
    assert (kline["k"]["o"], kline["k"]["n"], kline["k"]["x"]) == ("101.00000000", 1, False)
    assert mini in everyone


def test_a_candle_is_closed_once() -> None:
    venue = quiet()
    listener = Listener(venue, "btcusdt@kline_1s")
    house(venue, SELL, "101", "2")
    house(venue, BUY, "101", "1")
    for step in range(1, 4):
        venue.step(START_NS + step * SECOND)
    closed = [one["k"]["t"] for one in listener.heard if one["k"]["x"]]
    assert closed == [START_NS // SECOND * 1000 + 1000 * step for step in range(3)]


@pytest.mark.parametrize("stream", ["btcusdt@depth@100ms", "btcusdt@depth"])
def test_a_local_book_built_as_documented_equals_the_exchanges(stream: str) -> None:
    """web-socket-streams.md, How to manage a local order book correctly."""
    venue = Venue(START_NS, seed=3, rate=2_000)
    listener = Listener(venue, stream)
    market = venue.exchange.engine.markets["BTCUSDT"]
    now = START_NS
    snapshot: dict[str, Any] | None = None
    for step in range(250):
        now += 10 * MS
        venue.step(now)
        if step == 117:
            snapshot = depth_snapshot(market, 5_000)
    assert snapshot is not None
    while now % SECOND:
        now += 10 * MS
        venue.step(now)
    book_id = snapshot["lastUpdateId"]
    local = {"b": dict(snapshot["bids"]), "a": dict(snapshot["asks"])}
    for event in (one for one in listener.heard if one["u"] > book_id):
        assert event["U"] <= book_id + 1 <= event["u"]
        for side, levels in local.items():
            for price, quantity in event[side]:
                levels[price] = quantity
                if parse(quantity) == 0:
                    del levels[price]
        book_id = event["u"]
    truth = depth_snapshot(market, 5_000)
    assert book_id == truth["lastUpdateId"]
    assert local["b"] == dict(truth["bids"])
    assert local["a"] == dict(truth["asks"])


def test_klines_repeat_the_close_where_nothing_traded() -> None:
    venue = quiet()
    house(venue, SELL, "101", "2")
    house(venue, BUY, "101", "1")
    later = START_NS + 3 * 60 * SECOND
    house(venue, BUY, "101", "1", later)
    tape = venue.exchange.engine.markets["BTCUSDT"].tape
    bars = list(tape.candles("1m", 0, later))
    assert [(show(bar.close), bar.count) for bar in bars] == [
        ("101.00000000", 1),
        ("101.00000000", 0),
        ("101.00000000", 0),
        ("101.00000000", 1),
    ]
    assert sum(bar.volume for bar in bars) == 2 * ONE
    (week,) = tape.candles("1w", 0, later)
    assert week.open_ns // SECOND % 604_800 == 345_600  # a Monday
    (month,) = tape.candles("1M", 0, later)
    assert month.open_ns == 1_767_225_600 * SECOND
    assert (month.volume, month.count) == (2 * ONE, 2)


def test_candles_and_day_statistics_add_up() -> None:
    venue = quiet()
    for side, price, quantity in (
        (SELL, "101", "2"),
        (BUY, "101", "2"),  # the taker buys 2 for 202
        (BUY, "99", "1"),
        (SELL, "99", "1"),  # the taker sells 1 for 99
        (SELL, "103", "4"),
        (BUY, "103", "3"),  # the taker buys 3 for 309
    ):
        house(venue, side, price, quantity)
    market = venue.exchange.engine.markets["BTCUSDT"]
    minute_ms = START_NS // MS // 60_000 * 60_000
    (bar,) = market.tape.candles("5m", 0, START_NS)
    assert candle_row(bar, "5m", MS) == [
        minute_ms // 300_000 * 300_000,
        "101.00000000",
        "103.00000000",
        "99.00000000",
        "103.00000000",
        "6.00000000",
        minute_ms // 300_000 * 300_000 + 299_999,
        "610.00000000",
        3,
        "5.00000000",
        "511.00000000",
        "0",
    ]
    assert Statistics.day(market, START_NS).full_day(MS) == {
        "symbol": "BTCUSDT",
        "priceChange": "2.00000000",
        "priceChangePercent": "1.980",
        "weightedAvgPrice": "101.66666666",
        "prevClosePrice": "101.00000000",
        "lastPrice": "103.00000000",
        "lastQty": "3.00000000",
        "bidPrice": "0.00000000",
        "bidQty": "0.00000000",
        "askPrice": "103.00000000",
        "askQty": "1.00000000",
        "openPrice": "101.00000000",
        "highPrice": "103.00000000",
        "lowPrice": "99.00000000",
        "volume": "6.00000000",
        "quoteVolume": "610.00000000",
        "openTime": START_NS // MS - 86_400_000,
        "closeTime": START_NS // MS,
        "firstId": 1,
        "lastId": 3,
        "count": 3,
    }


@pytest.mark.parametrize(
    "stream",
    ["btcusdt@ticker_1h", "btcusdt@ticker_4h", "btcusdt@ticker_1d", "!ticker_1h@arr"],
)
def test_rolling_statistics_open_on_a_minute(stream: str) -> None:
    venue = quiet()
    assert venue.market_data.knows(stream)
    listener = Listener(venue, stream)
    house(venue, SELL, "101", "2")
    house(venue, BUY, "101", "2")
    venue.step(START_NS + SECOND)
    [said] = listener.heard
    one = said[0] if isinstance(said, list) else said
    window = stream.removeprefix("btcusdt@").removeprefix("!").removeprefix("ticker_")[:2]
    hours = {"1h": 1, "4h": 4, "1d": 24}[window]
    assert (one["e"], one["s"], one["c"], one["n"]) == (
        f"{window}Ticker",
        "BTCUSDT",
        "101.00000000",
        1,
    )
    assert one["O"] % 60_000 == 0
    assert 0 <= one["C"] - one["O"] - hours * 3_600_000 < 60_000


def test_candles_of_another_time_zone_are_cut_by_its_days() -> None:
    venue = quiet()
    listener = Listener(venue, "btcusdt@kline_1d@+08:00", "btcusdt@kline_1m@+08:00")
    house(venue, SELL, "101", "2")
    house(venue, BUY, "101", "2")
    venue.step(START_NS + SECOND)
    opened = {said["k"]["i"]: said["k"]["t"] for said in listener.heard}
    assert opened["1d"] % 86_400_000 == 16 * 3_600_000
    assert opened["1m"] % 60_000 == 0


def test_what_an_order_causes_is_never_older_than_what_was_said_before() -> None:
    """The market is stepped up to a request's time before the request is executed."""
    venue = Venue(START_NS, seed=1, rate=2_000)
    listener = Listener(venue, "btcusdt@trade", unit_ns=MICROSECOND_NS)
    account = venue.exchange.engine.open_account({"USDT": 10**9 * ONE, "BTC": 10**6 * ONE})
    venue.exchange.add_hmac_key("key", "fake", account)
    session = venue.open_api_session(Silent(), "/ws-api/v3", "ip", START_NS)
    session._key = venue.exchange.keys["key"]
    for number in range(1, 200):
        now_ns = START_NS + number * 7 * MS
        params = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
        stamped = params | {"timestamp": now_ns // MS}
        session.receive(json.dumps({"id": 1, "method": "order.place", "params": stamped}), now_ns)
        venue.advance(now_ns)
        if number % 3 == 0:
            venue.step(now_ns)
    times = [said["T"] for said in listener.heard]
    assert len(times) > 200
    assert times == sorted(times)


class Silent:
    """An outlet that nobody reads."""

    def send(self, payload: bytes) -> None:
        pass

    def cut(self) -> None:
        pass
