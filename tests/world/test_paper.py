"""The paper exchange: when the recorded market trades with an order that never was in it."""

from __future__ import annotations

import pytest

from core.model.commands import Cancel, Command, OrderKind, Place, TimeInForce
from core.model.contract import Linear
from core.model.events import BookDelta, BookSnapshot, MarketTrade, Side
from core.model.instrument import Instrument, InstrumentTable
from core.model.units import Grid
from core.model.venue import WireRequest
from core.state.book import Book
from core.state.sequence import RestBridged
from tools.world.paper import KEYS, PaperExchange
from tools.world.tank import START_NS, Tank

BTC = Instrument(
    index=0,
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick=Grid("0.01"),
    lot=Grid("0.001"),
    contract=Linear.spot("BTC", "USDT", Grid("0.01"), Grid("0.001")),
    min_ticks=1,
    max_ticks=0,
    min_lots=1,
    max_lots=0,
    max_market_lots=0,
    min_notional=0,
    max_notional=0,
    max_open_orders=0,
)
BUY, SELL = Side.BUY, Side.SELL
BIDS = [(1000, 5), (999, 7), (990, 1)]
ASKS = [(1010, 4), (1011, 6), (1020, 1)]


class Silent:
    """Hears what the exchange says; the tests ask its ledger instead."""

    def send(self, payload: bytes) -> None: ...
    def cut(self) -> None: ...


class Desk:
    """One account at a paper exchange, and the recorded market it stands in."""

    def __init__(self) -> None:
        self.book = Book(0, RestBridged)
        self.book.begin()
        self.seq = 10
        self.book.apply_delta(BookDelta(0, 10, 10, [], [], 0))
        self.book.apply_snapshot(BookSnapshot(0, 10, BIDS, ASKS))
        self.paper = PaperExchange(InstrumentTable([BTC]), [self.book], START_NS)
        application = Tank().application_again()
        self.adapter = application.adapter
        self.adapter.learn([BTC])
        self.signer = application.venue.signer(KEYS)
        self.session = self.paper.venue.open_api_session(
            Silent(), "/ws-api/v3", "127.0.0.1", START_NS
        )
        self.requests = 0

    def send(self, command: Command) -> None:
        self.requests += 1
        request = self.adapter.encode(command, self.requests, START_NS)
        assert isinstance(request, WireRequest)
        self.paper.receive(self.session, self.signer.wire(request), START_NS)

    def place(
        self,
        side: Side,
        ticks: int,
        lots: int,
        *,
        kind: OrderKind = OrderKind.LIMIT,
        tif: TimeInForce = TimeInForce.GTC,
    ) -> str:
        name = f"t{self.requests}"
        self.send(Place(0, name, side, kind, tif, ticks, lots))
        return name

    def show(
        self, bids: list[tuple[int, int]] | None = None, asks: list[tuple[int, int]] | None = None
    ) -> None:
        """The recorded book moves."""
        self.seq += 1
        self.book.apply_delta(BookDelta(0, self.seq, self.seq, bids or [], asks or [], 0))
        assert self.book.live
        self.paper.on_book(0, START_NS)

    def trade(self, aggressor: Side, ticks: int, lots: int) -> None:
        """Somebody trades in the recording."""
        self.paper.on_trade(MarketTrade(0, "1", ticks, lots, aggressor, START_NS), START_NS)

    @property
    def filled(self) -> list[tuple[int, int]]:
        """Ticks and lots of every fill, oldest first."""
        executions = self.paper.engine.file(self.paper.account, "BTCUSDT").executions
        return [(e.trade.price // 1_000_000, e.trade.quantity // 100_000) for e in executions]

    @property
    def statuses(self) -> list[str]:
        return [order.status for order in self.paper.orders("BTCUSDT")]


@pytest.fixture
def desk() -> Desk:
    return Desk()


# -- arriving --------------------------------------------------------------------------------


def test_an_order_that_arrives_takes_what_the_recorded_book_shows(desk: Desk) -> None:
    desk.place(BUY, 1011, 7, tif=TimeInForce.IOC)
    assert desk.filled == [(1010, 4), (1011, 3)]


def test_it_takes_no_more_than_is_shown_within_its_price(desk: Desk) -> None:
    desk.place(BUY, 1010, 9, tif=TimeInForce.IOC)
    assert desk.filled == [(1010, 4)]
    assert desk.statuses == ["EXPIRED"]


def test_a_seller_takes_the_bids(desk: Desk) -> None:
    desk.place(SELL, 999, 6, tif=TimeInForce.IOC)
    assert desk.filled == [(1000, 5), (999, 1)]


def test_what_was_taken_is_gone_until_its_price_shows_another_size(desk: Desk) -> None:
    desk.place(BUY, 1010, 3, tif=TimeInForce.IOC)
    desk.place(BUY, 1010, 3, tif=TimeInForce.IOC)
    assert desk.filled == [(1010, 3), (1010, 1)]
    desk.place(BUY, 1010, 3, tif=TimeInForce.IOC)
    assert len(desk.filled) == 2
    desk.show(asks=[(1010, 2)])
    desk.place(BUY, 1010, 3, tif=TimeInForce.IOC)
    assert desk.filled[2:] == [(1010, 2)]


def test_a_post_only_order_that_would_take_is_refused(desk: Desk) -> None:
    desk.place(BUY, 1010, 1, kind=OrderKind.POST_ONLY)
    assert desk.statuses == []
    assert desk.paper.arrived == [1]


def test_nothing_of_the_recorded_book_stays_at_the_exchange(desk: Desk) -> None:
    desk.place(BUY, 1011, 1, tif=TimeInForce.IOC)
    assert desk.paper.engine.markets["BTCUSDT"].book.orders == {}


def test_without_a_live_book_nothing_is_met(desk: Desk) -> None:
    desk.book.invalidate("lost")
    desk.place(BUY, 1011, 1)
    assert desk.statuses == ["NEW"]


# -- resting ---------------------------------------------------------------------------------


def test_a_resting_order_waits_for_what_stood_before_it(desk: Desk) -> None:
    desk.place(BUY, 1000, 3)
    desk.trade(SELL, 1000, 4)
    assert desk.filled == []
    desk.trade(SELL, 1000, 3)
    assert desk.filled == [(1000, 2)], "one lot stood before it, two are left"
    desk.trade(SELL, 1000, 9)
    assert desk.filled == [(1000, 2), (1000, 1)]
    assert desk.statuses == ["FILLED"]


def test_cancels_before_it_do_not_help_it(desk: Desk) -> None:
    desk.place(BUY, 1000, 3)
    desk.show(bids=[(1000, 1)])
    desk.trade(SELL, 1000, 4)
    assert desk.filled == []


def test_a_price_that_nobody_stands_at_is_met_first(desk: Desk) -> None:
    desk.place(BUY, 1005, 3)
    desk.trade(SELL, 1005, 2)
    assert desk.filled == [(1005, 2)]


def test_a_trade_through_its_price_fills_it_for_at_most_that_trades_size(desk: Desk) -> None:
    desk.place(BUY, 1000, 3)
    desk.trade(SELL, 999, 2)
    assert desk.filled == [(1000, 2)]


def test_one_trade_is_not_spent_twice(desk: Desk) -> None:
    desk.place(BUY, 1005, 3)
    desk.place(BUY, 1004, 3)
    desk.trade(SELL, 1003, 4)
    assert desk.filled == [(1005, 3), (1004, 1)]


def test_a_trade_of_the_same_side_is_none_with_it(desk: Desk) -> None:
    desk.place(BUY, 1005, 3)
    desk.trade(BUY, 1005, 9)
    desk.trade(BUY, 1000, 9)
    assert desk.filled == []


def test_a_trade_short_of_its_price_is_none_with_it(desk: Desk) -> None:
    desk.place(SELL, 1012, 3)
    desk.trade(BUY, 1011, 9)
    assert desk.filled == []


def test_deeper_than_the_book_is_known_only_a_trade_through_its_price_fills_it(desk: Desk) -> None:
    desk.place(BUY, 980, 1)
    desk.trade(SELL, 980, 1_000_000)
    assert desk.filled == []
    desk.trade(SELL, 979, 1)
    assert desk.filled == [(980, 1)]


def test_a_book_that_crosses_it_fills_it_for_what_is_shown_there(desk: Desk) -> None:
    desk.place(BUY, 1005, 9)
    desk.show(bids=[(1000, 0)], asks=[(1003, 2), (1004, 3)])
    assert desk.filled == [(1005, 2), (1005, 3)]
    desk.show(asks=[(1020, 9)])
    assert len(desk.filled) == 2, "what was shown is taken"
    desk.show(asks=[(1003, 1)])
    assert desk.filled[2:] == [(1005, 1)]


def test_a_cancelled_order_meets_nothing_any_more(desk: Desk) -> None:
    name = desk.place(SELL, 1005, 3)
    desk.send(Cancel(0, name, ""))
    desk.trade(BUY, 1020, 9)
    assert desk.filled == []
    assert desk.statuses == ["CANCELED"]


def test_makers_and_takers_are_told_apart(desk: Desk) -> None:
    desk.place(BUY, 1005, 1)
    desk.trade(SELL, 1005, 1)
    desk.place(BUY, 1010, 1, tif=TimeInForce.IOC)
    assert desk.paper.fills("BTCUSDT") == (1, 1)


def test_bids_that_cross_a_resting_seller_fill_it(desk: Desk) -> None:
    desk.place(SELL, 1005, 9)
    desk.show(asks=[(1010, 0)], bids=[(1006, 2), (1005, 3)])
    assert desk.filled == [(1005, 2), (1005, 3)]
