"""What each message of the market connection means, with its numbers to the last digit."""

from __future__ import annotations

import json

import pytest

from core.model.errors import Drifted, Malformed
from core.model.events import (
    NO_REQUEST,
    Bbo,
    BookDelta,
    BookSnapshot,
    Ignored,
    MarketTrade,
    Reply,
    Side,
    TradingStatus,
    VenueTime,
    Verdict,
)
from core.model.instrument import Trading
from core.model.venue import Stream
from tests.venues.kraken import world
from tests.venues.kraken.world import market

TICKER_NS = 1_695_632_671_742_648_000


def test_a_snapshot_is_the_whole_book_with_its_checksum() -> None:
    [snapshot] = market(world.SNAPSHOT)
    assert isinstance(snapshot, BookSnapshot)
    assert (snapshot.instrument, snapshot.seq, snapshot.checksum) == (1, 0, 2_439_117_997)
    assert (len(snapshot.bids), len(snapshot.asks)) == (10, 10)
    assert snapshot.bids[6] == (5_660, 1_809_715_470_000)


def test_an_update_is_the_sizes_that_have_changed() -> None:
    assert market(world.UPDATE) == [
        BookDelta(1, 0, 0, [(5_657, 109_839_475_580)], [], world.NOW_NS, 2_114_181_697)
    ]


def test_an_update_keeps_the_order_of_its_levels_and_their_ends() -> None:
    bids = world.levels(b"0.5657 1.0|0.5657 0|0.5658 0.00000000")
    [delta] = market(world.book(b"update", bids, b"", 5))
    assert isinstance(delta, BookDelta)
    assert delta.bids == [(5_657, 100_000_000), (5_657, 0), (5_658, 0)]


def test_a_number_is_read_from_its_digits_whatever_form_it_has() -> None:
    bids = world.levels(b"5.657e-1 1E-8|0.56580 0.000000010")
    [delta] = market(world.book(b"update", bids, b"", 5))
    assert isinstance(delta, BookDelta)
    assert delta.bids == [(5_657, 1), (5_658, 1)]


def test_a_size_that_no_float_can_hold_is_exact() -> None:
    bids = world.levels(b"0.5657 90071992.54740993")
    [delta] = market(world.book(b"update", bids, b"", 5))
    assert isinstance(delta, BookDelta)
    assert delta.bids == [(5_657, 9_007_199_254_740_993)]


def test_best_prices_are_numbered_by_their_time() -> None:
    adapter = world.adapter((Stream.BBO,))
    assert market(world.TICKER, adapter) == [
        Bbo(0, TICKER_NS, 452_835, 10_000_000, 452_852, 100_000)
    ]


def test_another_bbo_of_the_same_instant_counts_one_further() -> None:
    adapter = world.adapter((Stream.BBO,))
    other = world.TICKER.replace(b"45283.5", b"45283.6")
    bbos = [market(one, adapter)[0] for one in (world.TICKER, other, other, world.TICKER)]
    assert [bbo.seq - TICKER_NS for bbo in bbos if isinstance(bbo, Bbo)] == [0, 1, 1, 2]


def test_an_older_bbo_keeps_its_number() -> None:
    adapter = world.adapter((Stream.BBO,))
    market(world.TICKER, adapter)
    [bbo] = market(world.TICKER.replace(b"09:04:31", b"09:04:30"), adapter)
    assert isinstance(bbo, Bbo)
    assert bbo.seq == TICKER_NS - 10**9


def test_a_side_without_orders_has_no_price() -> None:
    empty = world.TICKER.replace(b'"ask":45285.2,"ask_qty":0.00100000', b'"ask":0,"ask_qty":0')
    [bbo] = market(empty)
    assert isinstance(bbo, Bbo)
    assert (bbo.ask_ticks, bbo.ask_lots) == (0, 0)


def test_best_prices_between_two_ticks_are_left_out() -> None:
    assert market(world.TICKER.replace(b"45283.5", b"45283.55")) == [
        Ignored("best prices between two steps")
    ]


def test_a_trade() -> None:
    assert market(world.TRADE) == [
        MarketTrade(0, "4665846", 452_835, 2_000_000, Side.SELL, 1_695_628_116_925_533_000)
    ]


def test_a_trade_between_two_ticks_is_left_out() -> None:
    """The price of a trade is documented as an average."""
    assert market(world.TRADE.replace(b"45283.5", b"45283.55")) == [
        Ignored("trade between two steps")
    ]


def test_trades_from_before_the_subscription_are_none_of_now() -> None:
    [event] = market(world.TRADE.replace(b'"update"', b'"snapshot"'))
    assert event == Ignored("trades from before the subscription")


@pytest.mark.parametrize(
    ("payload", "what"),
    [
        (b'{"channel":"heartbeat"}', "heartbeat"),
        (b'{"channel":"ohlc","type":"update","data":[]}', "channel ohlc"),
    ],
)
def test_what_asks_for_nothing_is_counted(payload: bytes, what: str) -> None:
    assert market(payload) == [Ignored(what)]


@pytest.mark.parametrize(
    ("system", "trading"),
    [
        ("online", Trading.OPEN),
        ("cancel_only", Trading.CANCEL_ONLY),
        ("post_only", Trading.POST_ONLY),
        ("maintenance", Trading.HALTED),
        ("whatever is to come", Trading.HALTED),
    ],
)
def test_the_state_of_the_trading_engine(system: str, trading: Trading) -> None:
    [status] = market(world.STATUS.replace(b"online", system.encode()))
    assert status == TradingStatus(trading, system)


@pytest.mark.parametrize(
    ("phase", "services", "near"),
    [
        ("announced", ["spot_trading"], False),
        ("approaching_30m", ["spot_trading"], False),
        ("imminent_5m", ["spot_rest", "spot_trading"], True),
        ("final_warning_30s", ["all"], True),
        ("imminent_5m", ["spot_rest", "futures_trading"], False),
        ("a phase to come", ["all"], False),
    ],
)
def test_planned_maintenance_of_trading_is_told_minutes_ahead(
    phase: str, services: list[str], near: bool
) -> None:
    work = {"event_id": 21, "phase": phase, "affected_services": services}
    told = json.dumps({"upcoming_maintenance": [work], "emergency": []})[1:-1].encode()
    [status] = market(world.STATUS.replace(b'"system"', told + b',"system"'))
    assert status == TradingStatus(Trading.OPEN, "online", near)


def test_a_pong_tells_the_clock_to_the_microsecond() -> None:
    clock = VenueTime(1_695_564_623_799_685_000)
    assert market(world.PONG) == [Reply(request_id=101, verdict=Verdict.DONE, events=(clock,))]


def test_the_answer_to_a_subscription() -> None:
    assert market(world.SUBSCRIBED) == [Reply(request_id=7, verdict=Verdict.DONE)]


def test_a_refused_subscription_is_fatal_for_its_pair() -> None:
    [reply] = market(world.REFUSED)
    assert isinstance(reply, Reply)
    assert (reply.request_id, reply.verdict) == (7, Verdict.FATAL)
    assert reply.code == "Currency pair not supported XBT/USD"


def test_an_error_that_names_no_request_holds_for_the_connection() -> None:
    [reply] = market(b'{"error":"EGeneral:Internal error","success":false}')
    assert isinstance(reply, Reply)
    assert (reply.request_id, reply.verdict) == (NO_REQUEST, Verdict.UNKNOWN)


def test_a_message_is_found_whatever_the_order_of_its_keys() -> None:
    data = world.UPDATE[len(b'{"channel":"book","type":"update",') : -1]
    assert market(b'{%b , "type":"update","channel" : "book"}' % data) == market(world.UPDATE)


def test_a_symbol_that_was_not_subscribed_to_is_drift() -> None:
    for payload in (world.UPDATE, world.TRADE, world.TICKER):
        for symbol in (b"MATIC/USD", b"BTC/USD"):
            if symbol in payload:
                with pytest.raises(Drifted, match="was not subscribed to"):
                    market(payload.replace(symbol, b"ADA/USD"))


def test_an_answer_to_what_was_not_asked_is_drift() -> None:
    with pytest.raises(Drifted):
        market(b'{"method":"add_order","success":true,"req_id":1}')


def test_a_price_of_nothing_is_malformed() -> None:
    for price in (b"0", b"-0.5657", b'"0.5657"', b"null"):
        with pytest.raises(Malformed):
            market(world.book(b"update", b'{"price":%b,"qty":1}' % price, b"", 5))
