from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import core.state.risk
from core.model.commands import Amend, Cancel, OrderKind, Place, Replace, TimeInForce
from core.model.contract import Inverse, Linear
from core.model.errors import BadConfig, Misuse
from core.model.events import Scope, Side
from core.model.grid import Significant
from core.model.halts import WHOLE_RUN, Halt, HaltKind
from core.model.instrument import Instrument, Trading
from core.model.units import NS_PER_MS, NS_PER_S, Grid
from core.model.venue import AmendKind, Capabilities, DeadMan, Stream, Truth
from core.model.views import BookState, BookView, ExposureView, Refusal, RefusalReason, StaleBook
from core.state.orders import Order
from core.state.risk import (
    FIRST_PAUSE_NS,
    LONGEST_PAUSE_NS,
    MARKET_LEVELS,
    Approved,
    Risk,
    RiskLimits,
    TotalLimits,
)

BID, ASK = 9_990, 10_000
NOW_NS = 1_700_000_000 * NS_PER_S

INSTRUMENT = Instrument(
    index=0,
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick=Grid("0.01"),
    lot=Grid("0.001"),
    contract=Linear.spot("BTC", "USDT", Grid("0.01"), Grid("0.001")),
    min_ticks=100,
    max_ticks=1_000_000,
    min_lots=2,
    max_lots=500,
    max_market_lots=50,
    min_notional=30_000,
    max_notional=4_500_000,
    max_open_orders=8,
)
LIMITS = RiskLimits(
    max_order_lots=300,
    max_order_notional=2_500_000,
    max_position_lots=400,
    max_open_orders=5,
    collar_bps=100,
    max_book_age_ns=NS_PER_S,
    max_orders_per_s=3,
    max_rejects=2,
    reject_window_ns=10 * NS_PER_S,
    max_daily_loss=1_000,
)
WIDE = replace(
    LIMITS,
    max_order_lots=10**9,
    max_order_notional=10**18,
    max_position_lots=10**9,
    max_open_orders=10**9,
    collar_bps=5_000,
    max_orders_per_s=1_000,
)


class FixedBook:
    """A book with the levels it is given."""

    def __init__(
        self, bids: tuple[tuple[int, int], ...], asks: tuple[tuple[int, int], ...], live: bool
    ) -> None:
        self.instrument = 0
        self.seq = 1
        self.live = live
        self.state = BookState.LIVE if live else BookState.STALE
        self._sides = {Side.BUY: bids, Side.SELL: asks}

    def _best(self, side: Side) -> tuple[int, int]:
        if not self.live:
            raise StaleBook("read while stale")
        levels = self._sides[side]
        return levels[0] if levels else (0, 0)

    @property
    def bid_ticks(self) -> int:
        return self._best(Side.BUY)[0]

    @property
    def bid_lots(self) -> int:
        return self._best(Side.BUY)[1]

    @property
    def ask_ticks(self) -> int:
        return self._best(Side.SELL)[0]

    @property
    def ask_lots(self) -> int:
        return self._best(Side.SELL)[1]

    def levels(self, side: Side, depth: int) -> list[tuple[int, int]]:
        return list(self._sides[side][:depth])


class Open:
    """Our open orders as ``(side, ticks, lots)``."""

    def __init__(self, *orders: tuple[Side, int, int]) -> None:
        self.orders = list(orders)

    @property
    def open_buy_lots(self) -> int:
        return sum(lots for side, _, lots in self.orders if side is Side.BUY)

    @property
    def open_sell_lots(self) -> int:
        return sum(lots for side, _, lots in self.orders if side is Side.SELL)

    @property
    def open_orders(self) -> int:
        return len(self.orders)

    def highest_buy_ticks(self) -> int:
        return max((ticks for side, ticks, _ in self.orders if side is Side.BUY), default=0)

    def lowest_sell_ticks(self) -> int:
        return min((ticks for side, ticks, _ in self.orders if side is Side.SELL), default=0)


LIVE = FixedBook(((BID, 100), (9_980, 100)), ((ASK, 100), (10_010, 100)), live=True)
STALE = FixedBook((), (), live=False)
THIN = FixedBook(((BID, 5),), ((ASK, 5), (ASK + 1, 5)), live=True)
NOTHING_OPEN = Open()


def order(
    side: Side = Side.BUY,
    ticks: int = BID,
    lots: int = 10,
    kind: OrderKind = OrderKind.LIMIT,
) -> Place:
    return Place(0, "a1", side, kind, TimeInForce.GTC, ticks, lots)


def market(side: Side = Side.BUY, lots: int = 10) -> Place:
    return order(side, 0, lots, OrderKind.MARKET)


def risk_of(limits: RiskLimits = LIMITS) -> Risk:
    risk = Risk()
    risk.add(0, limits)
    return risk


def judge(
    place: Place,
    *,
    risk: Risk | None = None,
    limits: RiskLimits = LIMITS,
    instrument: Instrument = INSTRUMENT,
    book: BookView = LIVE,
    age_ns: int = 0,
    open_orders: ExposureView = NOTHING_OPEN,
    position_lots: int = 0,
    now_ns: int = NOW_NS,
) -> RefusalReason | None:
    answer = (risk or risk_of(limits)).approve_place(
        place, instrument, book, age_ns, open_orders, position_lots, now_ns
    )
    if isinstance(answer, Approved):
        assert answer.command is place
        return None
    assert answer.text
    return answer.reason


# -- the gate ------------------------------------------------------------------------------------


def test_an_order_within_all_limits_is_approved() -> None:
    assert judge(order()) is None
    assert judge(order(Side.SELL, ASK)) is None
    assert judge(market()) is None


@pytest.mark.parametrize("trading", [Trading.HALTED, Trading.CANCEL_ONLY])
def test_nothing_is_placed_where_the_venue_does_not_trade(trading: Trading) -> None:
    closed = replace(INSTRUMENT, trading=trading)
    assert judge(order(), instrument=closed) is RefusalReason.NOT_TRADING


@pytest.mark.parametrize(
    ("trading", "taken"),
    [
        (Trading.OPEN, {OrderKind.LIMIT, OrderKind.POST_ONLY, OrderKind.MARKET}),
        (Trading.LIMIT_ONLY, {OrderKind.LIMIT, OrderKind.POST_ONLY}),
        (Trading.POST_ONLY, {OrderKind.POST_ONLY}),
        (Trading.CANCEL_ONLY, set()),
        (Trading.HALTED, set()),
    ],
)
def test_the_state_of_a_symbol_says_which_kinds_of_orders_are_placed(
    trading: Trading, taken: set[OrderKind]
) -> None:
    row = replace(INSTRUMENT, trading=trading)
    for kind, one in (
        (OrderKind.LIMIT, order()),
        (OrderKind.POST_ONLY, order(kind=OrderKind.POST_ONLY)),
        (OrderKind.MARKET, market()),
    ):
        expected = None if kind in taken else RefusalReason.NOT_TRADING
        assert judge(one, instrument=row) is expected, kind


def test_nothing_is_placed_on_a_book_that_is_not_live() -> None:
    assert judge(order(), book=STALE) is RefusalReason.BOOK_NOT_LIVE


def test_nothing_is_placed_on_a_silent_book() -> None:
    assert judge(order(), age_ns=NS_PER_S) is None
    assert judge(order(), age_ns=NS_PER_S + 1) is RefusalReason.BOOK_TOO_OLD


def test_the_checks_keep_their_order() -> None:
    """Each fault is named although all that come after it are there, too."""
    risk = risk_of()
    risk.halt_instrument(0, "tick or lot changed", HaltKind.GRID)
    risk.halt("stop", HaltKind.OPERATOR)
    closed = replace(INSTRUMENT, trading=Trading.HALTED)

    def reason(instrument: Instrument, book: BookView, age_ns: int) -> tuple[object, str]:
        answer = risk.approve_place(
            order(lots=0), instrument, book, age_ns, NOTHING_OPEN, 0, NOW_NS
        )
        assert isinstance(answer, Refusal)
        return answer.reason, answer.text

    assert reason(closed, STALE, 10**12) == (RefusalReason.HALTED, "stop")
    risk.resume()
    assert reason(closed, STALE, 10**12) == (
        RefusalReason.HALTED,
        "tick or lot changed",
    )
    risk = risk_of()
    assert reason(closed, STALE, 10**12)[0] is RefusalReason.NOT_TRADING
    assert reason(INSTRUMENT, STALE, 10**12)[0] is RefusalReason.BOOK_NOT_LIVE
    assert reason(INSTRUMENT, LIVE, 10**12)[0] is RefusalReason.BOOK_TOO_OLD
    assert reason(INSTRUMENT, LIVE, 0)[0] is RefusalReason.VENUE_FILTER


# -- the venue's filters -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place",
    [
        order(lots=1),
        order(lots=0),
        order(lots=-10),
        order(lots=501),
        order(ticks=99, lots=400),
        order(ticks=0),
        order(ticks=-5),
        order(ticks=1_000_001),
        order(lots=3),
        order(lots=451),
        market(lots=51),
        order(kind=OrderKind.MARKET),
    ],
    ids=lambda place: f"{place.kind}-{place.lots}@{place.price_ticks}",
)
def test_the_venues_filters_refuse(place: Place) -> None:
    assert judge(place, limits=WIDE) is RefusalReason.VENUE_FILTER


@pytest.mark.parametrize(
    "place",
    [order(lots=4), order(lots=450), market(lots=50), order(ticks=100, lots=300)],
    ids=lambda place: f"{place.kind}-{place.lots}@{place.price_ticks}",
)
def test_the_venues_filters_are_inclusive(place: Place) -> None:
    assert judge(place, limits=WIDE) is None


def test_a_filter_the_venue_does_not_state_refuses_nothing() -> None:
    free = replace(
        INSTRUMENT,
        min_ticks=0,
        max_ticks=0,
        min_lots=0,
        max_lots=0,
        max_market_lots=0,
        min_notional=0,
        max_notional=0,
        max_open_orders=0,
    )
    assert judge(order(lots=100_000), limits=WIDE, instrument=free) is None
    assert judge(order(ticks=1, lots=1), limits=WIDE, instrument=free) is None
    assert judge(order(lots=0), limits=WIDE, instrument=free) is RefusalReason.VENUE_FILTER
    assert judge(order(ticks=0), limits=WIDE, instrument=free) is RefusalReason.VENUE_FILTER


def test_the_venues_number_of_open_orders_counts_this_one() -> None:
    assert judge(order(), limits=WIDE, open_orders=Open(*[(Side.BUY, BID, 1)] * 7)) is None
    full = Open(*[(Side.BUY, BID, 1)] * 8)
    assert judge(order(), limits=WIDE, open_orders=full) is RefusalReason.VENUE_FILTER


def test_the_venues_collar_holds_on_both_sides() -> None:
    collared = replace(INSTRUMENT, collar_up_bps=1_000, collar_down_bps=2_000)
    allowed = [order(ticks=8_000), order(ticks=11_000), order(Side.SELL, 10_989)]
    refused = [order(ticks=7_999), order(ticks=11_001), order(Side.SELL, 10_990)]
    for place in allowed:
        assert judge(place, limits=WIDE, instrument=collared) is None
    for place in refused:
        assert judge(place, limits=WIDE, instrument=collared) is RefusalReason.VENUE_FILTER
    assert judge(market(), limits=WIDE, instrument=collared) is None
    only_up = replace(INSTRUMENT, collar_up_bps=1_000)
    assert judge(order(ticks=11_001), limits=WIDE, instrument=only_up) is not None
    assert judge(order(ticks=7_999), limits=WIDE, instrument=only_up) is None


def test_numbers_that_are_not_whole_are_refused() -> None:
    for place in (order(lots=10.5), order(ticks=9_990.0)):  # type: ignore[arg-type]  # the point
        if core.state.risk.__file__.endswith(".py"):
            assert judge(place) is RefusalReason.VENUE_FILTER
        else:  # compiled, it is refused before it is judged
            with pytest.raises(TypeError):
                judge(place)


@pytest.mark.parametrize("changes", [{"side": 1}, {"kind": "limit"}, {"tif": "gtc"}])
def test_what_only_equals_a_side_a_kind_or_a_tif_is_refused(changes: dict[str, Any]) -> None:
    answer = risk_of().approve_place(
        replace(order(), **changes), INSTRUMENT, LIVE, 0, NOTHING_OPEN, 0, NOW_NS
    )
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.VENUE_FILTER
    assert f"{next(iter(changes))} {next(iter(changes.values()))}".replace(
        "tif", "time in force"
    ) in (answer.text)


@pytest.mark.parametrize(
    ("place", "limit"),
    [
        (order(lots=5), {"min_lots": 5, "min_notional": 0}),
        (order(lots=5), {"max_lots": 5}),
        (market(lots=5), {"max_market_lots": 5}),
        (market(lots=5), {"min_market_lots": 5}),
        (order(lots=5), {"min_notional": 5 * BID}),
        (order(lots=5), {"max_notional": 5 * BID}),
        (order(lots=5), {"min_ticks": BID}),
        (order(lots=5), {"max_ticks": BID}),
    ],
)
def test_each_filter_allows_its_own_bound(place: Place, limit: dict[str, int]) -> None:
    assert judge(place, limits=WIDE, instrument=replace(INSTRUMENT, **limit)) is None
    name, bound = next(iter(limit.items()))
    tighter = bound + (1 if name.startswith("min") else -1)
    off = replace(INSTRUMENT, **{**limit, name: tighter})
    assert judge(place, limits=WIDE, instrument=off) is RefusalReason.VENUE_FILTER


def test_an_order_at_market_is_a_multiple_of_its_own_step() -> None:
    stepped = replace(INSTRUMENT, market_step_lots=5)
    assert judge(market(lots=10), limits=WIDE, instrument=stepped) is None
    assert judge(market(lots=12), limits=WIDE, instrument=stepped) is RefusalReason.VENUE_FILTER
    assert judge(order(lots=12), limits=WIDE, instrument=stepped) is None


@pytest.mark.parametrize("name", ["max_lots", "max_ticks", "max_notional", "max_market_lots"])
def test_the_smallest_bound_that_can_be_stated_is_a_bound(name: str) -> None:
    only_one = replace(INSTRUMENT, **{name: 1})
    place = market() if name == "max_market_lots" else order()
    assert judge(place, limits=WIDE, instrument=only_one) is RefusalReason.VENUE_FILTER


def test_a_venue_that_allows_one_open_order_allows_one() -> None:
    one = replace(INSTRUMENT, max_open_orders=1)
    assert judge(order(), limits=WIDE, instrument=one) is None
    standing = Open((Side.BUY, BID, 1))
    refused = judge(order(), limits=WIDE, instrument=one, open_orders=standing)
    assert refused is RefusalReason.VENUE_FILTER


# -- our own limits ------------------------------------------------------------------------------


# -- contracts and price grids ---------------------------------------------------------------------

FREE = replace(
    INSTRUMENT,
    min_ticks=1,
    max_ticks=0,
    max_lots=0,
    min_notional=0,
    max_notional=0,
    max_market_lots=0,
)
INVERSE = replace(
    FREE, contract=Inverse.future("BTC", "contracts", INSTRUMENT.tick, INSTRUMENT.lot, "100")
)
"""A lot is a tenth of a dollar, so that 10 lots are worth 0.01 BTC at 100 dollars."""


def test_the_limits_of_an_inverse_contract_count_in_what_it_settles_in() -> None:
    limits = replace(WIDE, max_order_notional=10**16)
    sell = order(Side.SELL, ASK, 10)
    assert judge(sell, instrument=INVERSE, limits=limits) is None
    assert judge(order(Side.SELL, ASK, 11), instrument=INVERSE, limits=limits) is (
        RefusalReason.ORDER_NOTIONAL
    )
    below = order(Side.BUY, BID, 10)
    assert judge(below, instrument=INVERSE, limits=limits) is RefusalReason.ORDER_NOTIONAL


def test_the_venues_bounds_of_notional_count_in_units_of_the_contract() -> None:
    bounded = replace(INVERSE, min_notional=10**16, max_notional=2 * 10**16)
    limits = replace(WIDE, collar_bps=9_000)
    for lots, reason in ((9, True), (10, False), (20, False), (21, True)):
        found = judge(order(Side.SELL, ASK, lots), instrument=bounded, limits=limits)
        assert found is (RefusalReason.VENUE_FILTER if reason else None)


def test_an_inverse_order_at_market_is_valued_at_the_far_touch_moved_down_by_the_collar() -> None:
    notional = INVERSE.contract.value(9_900, 10)
    for most, reason in ((notional, None), (notional - 1, RefusalReason.ORDER_NOTIONAL)):
        limits = replace(LIMITS, max_order_notional=most)
        assert judge(market(), instrument=INVERSE, limits=limits) is reason


def test_a_collar_of_the_whole_price_leaves_an_inverse_order_at_market_without_a_bound() -> None:
    limits = replace(WIDE, collar_bps=10_000)
    assert judge(market(), instrument=INVERSE, limits=limits) is RefusalReason.ORDER_NOTIONAL


def test_a_total_counts_an_inverse_contract_at_the_lower_of_price_and_mark() -> None:
    most = INVERSE.contract.value(8_000, 20)
    for mark_ticks, allowed in ((8_000, True), (7_999, False), (0, True)):
        risk = Risk({"BTC": TotalLimits(0, most)})
        risk.add(0, WIDE)
        risk.weigh(INVERSE, NOTHING_OPEN, 0, mark_ticks, {"BTC": (1, 1)})
        found = judge(order(Side.SELL, ASK, 20), risk=risk, instrument=INVERSE)
        assert found is (None if allowed else RefusalReason.TOTAL)


def test_a_refusal_of_an_inverse_order_speaks_of_what_it_settles_in() -> None:
    limits = replace(WIDE, max_order_notional=10**16)
    answer = risk_of(limits).approve_place(
        order(Side.SELL, ASK, 20), INVERSE, LIVE, 0, NOTHING_OPEN, 0, NOW_NS
    )
    assert isinstance(answer, Refusal)
    assert answer.text == "BTCUSDT: an order worth 0.02 BTC is above our most, 0.01 BTC"


def test_a_price_off_the_venues_price_grid_is_refused_in_the_users_units() -> None:
    coarse = replace(FREE, grid=Significant.on(INSTRUMENT.tick, 3))
    assert judge(order(ticks=BID), instrument=coarse, limits=WIDE) is None
    answer = risk_of(WIDE).approve_place(
        order(ticks=9_985), coarse, LIVE, 0, NOTHING_OPEN, 0, NOW_NS
    )
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.VENUE_FILTER
    assert answer.text == (
        "BTCUSDT: 99.85 USDT is between two prices that the venue takes, 99.80 USDT and 99.90 USDT"
    )
    assert judge(market(), instrument=coarse, limits=WIDE) is None


def test_order_size_is_limited() -> None:
    limits = replace(WIDE, max_order_lots=20)
    assert judge(order(lots=20), limits=limits) is None
    assert judge(order(lots=21), limits=limits) is RefusalReason.ORDER_SIZE


def test_order_notional_is_limited() -> None:
    limits = replace(WIDE, max_order_notional=BID * 20)
    assert judge(order(lots=20), limits=limits) is None
    assert judge(order(lots=21), limits=limits) is RefusalReason.ORDER_NOTIONAL


def test_a_market_order_is_valued_at_the_far_touch_moved_by_the_collar() -> None:
    notional = 10 * 10_100
    assert judge(market(), limits=replace(LIMITS, max_order_notional=notional)) is None
    less = replace(LIMITS, max_order_notional=notional - 1)
    assert judge(market(), limits=less) is RefusalReason.ORDER_NOTIONAL
    sold = 10 * 10_090  # 9,990 ticks and 1 %, rounded up
    assert judge(market(Side.SELL), limits=replace(LIMITS, max_order_notional=sold)) is None
    less = replace(LIMITS, max_order_notional=sold - 1)
    assert judge(market(Side.SELL), limits=less) is RefusalReason.ORDER_NOTIONAL


@pytest.mark.parametrize("side", Side)
def test_the_position_counts_all_that_is_open_on_the_orders_side(side: Side) -> None:
    ticks = BID if side is Side.BUY else ASK
    standing = Open((side, ticks, 100), (side, ticks, 50), (Side(-side), 0, 10_000))
    for lots, verdict in ((50, None), (51, RefusalReason.POSITION)):
        reason = judge(order(side, ticks, lots), open_orders=standing, position_lots=200 * side)
        assert reason is verdict


@pytest.mark.parametrize("side", Side)
def test_an_order_towards_zero_may_leave_a_position_beyond_the_limit(side: Side) -> None:
    ticks = BID if side is Side.BUY else ASK
    assert judge(order(side, ticks), position_lots=-700 * side) is None
    assert judge(order(side, ticks), position_lots=700 * side) is RefusalReason.POSITION


def test_the_number_of_open_orders_counts_this_one() -> None:
    assert judge(order(), open_orders=Open(*[(Side.BUY, BID, 1)] * 4)) is None
    full = Open(*[(Side.BUY, BID, 1)] * 5)
    assert judge(order(), open_orders=full) is RefusalReason.OPEN_ORDERS


def test_a_price_may_reach_through_the_opposite_best_price_up_to_the_collar() -> None:
    assert judge(order(ticks=10_100)) is None
    assert judge(order(ticks=10_101)) is RefusalReason.PRICE_COLLAR
    assert judge(order(Side.SELL, 9_891)) is None
    assert judge(order(Side.SELL, 9_890)) is RefusalReason.PRICE_COLLAR


def test_a_price_away_from_the_market_meets_no_collar() -> None:
    assert judge(order(ticks=5_000)) is None
    assert judge(order(Side.SELL, 20_000)) is None


def test_our_own_side_stands_in_for_an_empty_opposite_side() -> None:
    no_asks = FixedBook(((BID, 100),), (), live=True)
    assert judge(order(ticks=10_089), book=no_asks) is None
    assert judge(order(ticks=10_090), book=no_asks) is RefusalReason.PRICE_COLLAR
    no_bids = FixedBook((), ((ASK, 100),), live=True)
    assert judge(order(Side.SELL, 9_900), book=no_bids) is None
    assert judge(order(Side.SELL, 9_899), book=no_bids) is RefusalReason.PRICE_COLLAR


@pytest.mark.parametrize("place", [order(), order(Side.SELL, ASK), market()])
def test_an_empty_book_gives_no_price_to_measure_by(place: Place) -> None:
    empty = FixedBook((), (), live=True)
    assert judge(place, book=empty) is RefusalReason.PRICE_COLLAR


def test_a_market_order_must_be_covered_by_the_book_within_the_collar() -> None:
    thin = FixedBook(((BID, 5), (9_891, 5), (9_890, 90)), ((ASK, 5), (10_100, 5)), live=True)
    for side in Side:
        assert judge(market(side, 10), book=thin) is None
        assert judge(market(side, 11), book=thin) is RefusalReason.PRICE_COLLAR
    no_asks = FixedBook(((BID, 100),), (), live=True)
    assert judge(market(), book=no_asks) is RefusalReason.PRICE_COLLAR


def test_a_side_without_size_has_no_price_whatever_it_says() -> None:
    """A best price of size 0 is how a ticker writes an empty side."""
    said = FixedBook(((BID, 0),), ((ASK, 0),), live=True)
    for place in (order(), order(Side.SELL, ASK)):
        assert judge(place, book=said) is RefusalReason.PRICE_COLLAR


def test_a_market_order_is_covered_by_so_many_levels_and_no_more() -> None:
    asks = tuple((ASK + step, 1) for step in range(MARKET_LEVELS + 1))
    deep = FixedBook(((BID, 1),), asks, live=True)
    free = replace(INSTRUMENT, max_market_lots=0, min_notional=0, max_notional=0)
    limits = replace(WIDE, collar_bps=5_000)
    assert judge(market(lots=MARKET_LEVELS), book=deep, instrument=free, limits=limits) is None
    refused = judge(market(lots=MARKET_LEVELS + 1), book=deep, instrument=free, limits=limits)
    assert refused is RefusalReason.PRICE_COLLAR


def test_the_collar_of_a_market_order_is_exact() -> None:
    """9999 ticks and 1 bps end between 9999 and 10000: by one ten-thousandth of a tick."""
    book = FixedBook(((9_990, 1),), ((9_999, 5), (10_000, 5)), live=True)
    limits = replace(WIDE, collar_bps=1)
    assert judge(market(lots=5), book=book, limits=limits) is None
    assert judge(market(lots=6), book=book, limits=limits) is RefusalReason.PRICE_COLLAR


def test_an_order_must_not_meet_our_own() -> None:
    own_sell = Open((Side.SELL, 10_005, 5), (Side.SELL, 10_008, 5))
    assert judge(order(ticks=10_004), open_orders=own_sell) is None
    assert judge(order(ticks=10_005), open_orders=own_sell) is RefusalReason.SELF_MATCH
    assert judge(market(), open_orders=own_sell) is RefusalReason.SELF_MATCH
    own_buy = Open((Side.BUY, 9_985, 5), (Side.BUY, 9_950, 5))
    assert judge(order(Side.SELL, 9_986), open_orders=own_buy) is None
    assert judge(order(Side.SELL, 9_985), open_orders=own_buy) is RefusalReason.SELF_MATCH
    assert judge(market(Side.SELL), open_orders=own_buy) is RefusalReason.SELF_MATCH
    assert judge(order(ticks=10_005), open_orders=own_buy) is None


def test_our_order_rate_is_limited_within_any_one_second() -> None:
    risk = risk_of()
    for offset_ns in (0, 400, 900):
        assert judge(order(), risk=risk, now_ns=NOW_NS + offset_ns) is None
    late = NOW_NS + NS_PER_S
    assert judge(order(), risk=risk, now_ns=late - 1) is RefusalReason.ORDER_RATE
    assert judge(order(), risk=risk, now_ns=late) is None
    assert judge(order(), risk=risk, now_ns=late + 399) is RefusalReason.ORDER_RATE
    assert judge(order(), risk=risk, now_ns=late + 400) is None


def test_the_first_second_of_all_is_a_second_like_any_other() -> None:
    risk = risk_of()
    assert [judge(order(), risk=risk, now_ns=0) for _ in range(4)] == [
        *(None, None, None, RefusalReason.ORDER_RATE)
    ]


def test_a_refused_order_takes_nothing_of_the_rate() -> None:
    risk = risk_of()
    for _ in range(10):
        assert judge(order(lots=0), risk=risk) is RefusalReason.VENUE_FILTER
    assert judge(order(), risk=risk) is None


@settings(max_examples=50)
@given(st.integers(0, 5), st.lists(st.integers(0, NS_PER_S), max_size=60))
def test_no_second_ever_holds_more_orders_than_the_rate(rate: int, waits_ns: list[int]) -> None:
    risk = risk_of(replace(LIMITS, max_orders_per_s=rate))
    now_ns, sent = NOW_NS, [0]
    for wait_ns in waits_ns:
        now_ns += wait_ns
        within = sum(now_ns - NS_PER_S < at_ns for at_ns in sent)
        refused = judge(order(), risk=risk, now_ns=now_ns) is RefusalReason.ORDER_RATE
        assert refused == (within >= rate)
        if not refused:
            sent.append(now_ns)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("max_order_lots", RefusalReason.ORDER_SIZE),
        ("max_order_notional", RefusalReason.ORDER_NOTIONAL),
        ("max_position_lots", RefusalReason.POSITION),
        ("max_open_orders", RefusalReason.OPEN_ORDERS),
        ("max_orders_per_s", RefusalReason.ORDER_RATE),
    ],
)
def test_a_limit_of_0_allows_nothing(name: str, reason: RefusalReason) -> None:
    assert judge(order(), limits=replace(LIMITS, **{name: 0})) is reason


def test_a_collar_and_an_age_of_0_leave_the_touch_and_the_moment() -> None:
    limits = replace(LIMITS, collar_bps=0, max_book_age_ns=0)
    assert judge(order(ticks=ASK), limits=limits) is None
    assert judge(order(ticks=ASK + 1), limits=limits) is RefusalReason.PRICE_COLLAR
    assert judge(order(), limits=limits, age_ns=1) is RefusalReason.BOOK_TOO_OLD


@pytest.mark.parametrize("name", RiskLimits.__struct_fields__)
def test_a_limit_below_0_is_refused_by_name(name: str) -> None:
    with pytest.raises(BadConfig, match=name):
        replace(LIMITS, **{name: -1})


@pytest.mark.parametrize("name", ["max_orders_per_s", "max_rejects"])
def test_a_rate_too_high_to_be_remembered_is_refused(name: str) -> None:
    replace(LIMITS, **{name: 10_000})
    with pytest.raises(BadConfig, match=name):
        replace(LIMITS, **{name: 10_001})


def test_limits_are_stated_once_and_in_the_order_of_the_instruments() -> None:
    risk = risk_of()
    with pytest.raises(Misuse, match="instrument 0 are stated already"):
        risk.add(0, WIDE)
    with pytest.raises(Misuse):
        risk.add(2, WIDE)
    assert judge(order(lots=301), risk=risk) is RefusalReason.ORDER_SIZE


# -- replace and amend ---------------------------------------------------------------------------


def replaced(new: Place, standing: Open, position_lots: int = 0) -> RefusalReason | None:
    command = Replace(Cancel(0, "a0", "7"), new)
    answer = risk_of().approve_replace(
        command, INSTRUMENT, LIVE, 0, standing, position_lots, NOW_NS
    )
    if isinstance(answer, Approved):
        assert answer.command is command
        return None
    return answer.reason


def test_a_replace_counts_old_and_new_size_together() -> None:
    old = Open((Side.BUY, BID, 150))
    assert replaced(order(lots=200), old, position_lots=50) is None
    assert replaced(order(lots=201), old, position_lots=50) is RefusalReason.POSITION


def test_a_replace_does_not_raise_the_number_of_open_orders() -> None:
    assert replaced(order(), Open(*[(Side.BUY, BID, 1)] * 5)) is None
    assert replaced(order(), Open(*[(Side.BUY, BID, 1)] * 6)) is RefusalReason.OPEN_ORDERS


def test_a_replace_meets_the_limits_of_a_new_order() -> None:
    assert replaced(order(ticks=10_101), NOTHING_OPEN) is RefusalReason.PRICE_COLLAR


def test_replaces_count_against_the_order_rate() -> None:
    risk = risk_of(replace(LIMITS, max_orders_per_s=1))
    command = Replace(Cancel(0, "a0", "7"), order())
    old = Open((Side.BUY, BID, 10))
    answers = [risk.approve_replace(command, INSTRUMENT, LIVE, 0, old, 0, NOW_NS) for _ in range(2)]
    assert isinstance(answers[0], Approved)
    assert isinstance(answers[1], Refusal)
    assert answers[1].reason is RefusalReason.ORDER_RATE


def standing(size_lots: int, filled_lots: int = 0, side: Side = Side.BUY) -> Order:
    known = Order.of(order(side, BID, size_lots), NOW_NS)
    known.filled_lots = filled_lots
    return known


def amended(
    size_lots: int, of: Order, *, risk: Risk | None = None, now_ns: int = NOW_NS
) -> Approved | Refusal:
    amend = Amend(0, "a1", "7", size_lots)
    return (risk or risk_of()).approve_amend(amend, INSTRUMENT, of, now_ns)


@pytest.mark.parametrize("trading", Trading)
def test_where_the_venue_takes_nothing_but_cancels_nothing_is_amended(trading: Trading) -> None:
    instrument = replace(INSTRUMENT, trading=trading, venue_status=trading.value)
    amend = Amend(0, "a1", "7", 5)
    answer = risk_of().approve_amend(amend, instrument, standing(10), NOW_NS)
    refused = trading in (Trading.CANCEL_ONLY, Trading.HALTED)
    assert isinstance(answer, Refusal) is refused
    if isinstance(answer, Refusal):
        assert answer.reason is RefusalReason.NOT_TRADING


def moved(
    size_lots: int,
    ticks: int = BID,
    *,
    of: Order | None = None,
    others: tuple[tuple[Side, int, int], ...] = (),
    position_lots: int = 0,
    risk: Risk | None = None,
    instrument: Instrument = INSTRUMENT,
) -> RefusalReason | None:
    """Judge a move to a price and a whole size; the order itself is open, and so are others."""
    of = of or standing(100)
    amend = Amend(0, of.client_order_id, "7", size_lots, ticks)
    open_ = Open((of.side, of.price_ticks, of.open_lots), *others)
    answer = (risk or risk_of()).approve_reprice(
        amend, instrument, of, LIVE, 0, open_, position_lots, NOW_NS
    )
    if isinstance(answer, Approved):
        assert answer.command is amend
        return None
    return answer.reason


def test_a_move_counts_what_it_adds_to_what_is_open() -> None:
    assert moved(200, position_lots=200) is None
    assert moved(201, position_lots=200) is RefusalReason.POSITION
    assert moved(100, BID + 1, position_lots=300) is None, "it opens no more than it had"


def test_a_move_is_as_large_as_what_it_leaves_open() -> None:
    half = standing(100, 60)
    assert moved(60 + 250, of=half) is None
    assert moved(60 + 251, of=half) is RefusalReason.ORDER_NOTIONAL
    assert moved(60 + 301, of=half) is RefusalReason.ORDER_SIZE
    assert moved(60, of=half) is RefusalReason.VENUE_FILTER, "nothing is left"


def test_the_venues_largest_order_holds_for_the_whole_size_of_a_move() -> None:
    row = replace(INSTRUMENT, max_lots=150)
    assert moved(150, of=standing(100, 60), instrument=row) is None
    assert moved(151, of=standing(100, 60), instrument=row) is RefusalReason.VENUE_FILTER


def test_a_move_meets_the_limits_of_a_new_order() -> None:
    assert moved(100, 10_101) is RefusalReason.PRICE_COLLAR
    own = ((Side.SELL, BID + 1, 10),)
    assert moved(100, BID + 1, others=own) is RefusalReason.SELF_MATCH
    assert moved(100, others=((Side.BUY, BID, 1),) * 5) is RefusalReason.OPEN_ORDERS
    risk = risk_of()
    risk.halt_instrument(0, "unknown execution", HaltKind.CONTRADICTION)
    assert moved(100, BID + 1, risk=risk) is RefusalReason.HALTED
    risk = risk_of(replace(LIMITS, max_orders_per_s=1))
    assert moved(100, BID + 1, risk=risk) is None
    assert moved(100, BID + 1, risk=risk) is RefusalReason.ORDER_RATE


@pytest.mark.parametrize(
    ("size_lots", "approved"), [(100, False), (101, False), (99, True), (41, True), (40, False)]
)
def test_an_amend_only_makes_smaller_and_leaves_something(size_lots: int, approved: bool) -> None:
    answer = amended(size_lots, standing(100, 40))
    if approved:
        assert answer == Approved(Amend(0, "a1", "7", size_lots))
    else:
        assert isinstance(answer, Refusal)
        assert answer.reason is RefusalReason.ORDER_SIZE


def test_a_halt_refuses_amends() -> None:
    risk = risk_of()
    risk.halt_instrument(0, "unknown execution", HaltKind.CONTRADICTION)
    assert amended(50, standing(100), risk=risk) == Refusal(
        RefusalReason.HALTED, "unknown execution"
    )


@pytest.mark.parametrize("size_lots", [1, 3])
def test_an_amend_below_the_venues_least_is_refused_before_it_leaves(size_lots: int) -> None:
    """Two lots are the smallest order, and 30,000 quote units are worth four of them."""
    answer = amended(size_lots, standing(100))
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.VENUE_FILTER
    assert isinstance(amended(4, standing(100)), Approved)


def test_amends_count_in_our_own_rate() -> None:
    risk = risk_of()
    assert judge(order(), risk=risk) is None
    assert isinstance(amended(50, standing(100), risk=risk), Approved)
    assert isinstance(amended(50, standing(100), risk=risk), Approved)
    answer = amended(50, standing(100), risk=risk)
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.ORDER_RATE
    assert isinstance(amended(50, standing(100), risk=risk, now_ns=NOW_NS + NS_PER_S), Approved)


# -- ordinary weather ----------------------------------------------------------------------------


def test_an_ordinary_refusal_lets_its_side_wait_longer_each_time_and_halts_nothing() -> None:
    risk, now_ns, gaps = risk_of(), NOW_NS, []
    for _ in range(50):
        risk.on_weather(0, Side.SELL, "-2010 would match", now_ns)
        assert judge(order(), risk=risk, now_ns=now_ns) is None, "the other side goes on"
        began_ns = now_ns
        while judge(order(Side.SELL, ASK), risk=risk, now_ns=now_ns) is RefusalReason.BACK_OFF:
            now_ns += 50 * NS_PER_MS
        gaps.append(now_ns - began_ns)
        now_ns += NS_PER_S
    assert gaps[:4] == [FIRST_PAUSE_NS << n for n in range(4)]
    assert gaps[-1] == LONGEST_PAUSE_NS
    assert risk.instrument_halted(0) == ""


def test_an_order_that_is_taken_makes_the_next_pause_short_again() -> None:
    risk = risk_of()
    for number in range(9):
        risk.on_weather(0, Side.BUY, "-2010 would match", NOW_NS + number * LONGEST_PAUSE_NS)
    risk.on_accepted(0, Side.BUY)
    later_ns = NOW_NS + 10 * LONGEST_PAUSE_NS
    risk.on_weather(0, Side.BUY, "-2010 would match", later_ns)
    assert judge(order(), risk=risk, now_ns=later_ns) is RefusalReason.BACK_OFF
    assert judge(order(), risk=risk, now_ns=later_ns + FIRST_PAUSE_NS) is None


def test_what_was_on_its_way_when_a_pause_began_makes_it_no_longer() -> None:
    risk = risk_of()
    for _ in range(50):
        risk.on_weather(0, Side.BUY, "-2010 would match", NOW_NS)
    assert judge(order(), risk=risk, now_ns=NOW_NS + FIRST_PAUSE_NS) is None


def test_a_paused_side_amends_nothing_either() -> None:
    risk = risk_of()
    risk.on_weather(0, Side.BUY, "-2011 Unknown order sent.", NOW_NS)
    answer = amended(50, standing(100), risk=risk)
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.BACK_OFF
    assert isinstance(amended(50, standing(100, side=Side.SELL), risk=risk), Approved)


# -- what no venue can take ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "tif", "ticks"),
    [
        (OrderKind.POST_ONLY, TimeInForce.IOC, BID),
        (OrderKind.POST_ONLY, TimeInForce.FOK, BID),
        (OrderKind.MARKET, TimeInForce.FOK, 0),
        (OrderKind.MARKET, TimeInForce.GTC, BID),
        (OrderKind.LIMIT, TimeInForce.GTC, 0),
        (OrderKind.LIMIT, TimeInForce.IOC, -5),
    ],
)
def test_kinds_that_exclude_each_other_are_refused(
    kind: OrderKind, tif: TimeInForce, ticks: int
) -> None:
    place = Place(0, "a1", Side.BUY, kind, tif, ticks, 10)
    assert judge(place) is RefusalReason.VENUE_FILTER


def test_the_way_out_waits_for_no_weather() -> None:
    risk = risk_of()
    risk.on_weather(0, Side.SELL, "-2010 insufficient", NOW_NS)
    answer = risk.approve_way_out(
        order(Side.SELL, BID), INSTRUMENT, LIVE, 0, NOTHING_OPEN, 10, NOW_NS
    )
    assert isinstance(answer, Approved)


# -- what a refusal says -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "how", "text"),
    [
        (order(), {"age_ns": NS_PER_S + 5}, "BTCUSDT was silent for 1 s, allowed are"),
        (order(), {"book": STALE}, "the book of BTCUSDT is stale"),
        (
            order(lots=0),
            {"free": True},
            "0.000 BTC is below the venue's smallest order, 0.001 BTC",
        ),
        (order(ticks=0), {"free": True}, "0.00 USDT is below the venue's lowest price, 0.01 USDT"),
        (
            order(lots=3),
            {},
            "BTCUSDT: 0.2997 USDT is below the venue's least worth of an order, 0.3 USDT",
        ),
        (
            order(lots=451),
            {"wide": True},
            "45.0549 USDT is above the venue's most worth of an order, 45 USDT",
        ),
        (order(lots=251), {}, "BTCUSDT: an order worth 25.0749 USDT is above our most, 25 USDT"),
        (
            order(Side.SELL, ASK, 10),
            {"position_lots": -391},
            "BTCUSDT: a position of -0.391 BTC could become -0.401 BTC",
        ),
        (order(ticks=10_101), {}, "101.01 USDT would reach over 100 bps through the best price"),
        (market(lots=20), {"book": THIN}, "BTCUSDT: 0.020 BTC at market would reach over 100 bps"),
    ],
)
def test_a_refusal_says_what_was_asked_and_what_is_allowed(
    place: Place, how: dict[str, Any], text: str
) -> None:
    free = replace(INSTRUMENT, min_lots=0, min_ticks=0, min_notional=0)
    answer = risk_of(WIDE if "wide" in how else LIMITS).approve_place(
        place,
        free if "free" in how else INSTRUMENT,
        how.get("book", LIVE),
        how.get("age_ns", 0),
        NOTHING_OPEN,
        how.get("position_lots", 0),
        NOW_NS,
    )
    assert isinstance(answer, Refusal)
    assert text in answer.text


def test_a_refused_amend_says_between_what_it_must_lie() -> None:
    answer = amended(40, standing(100, 40))
    assert isinstance(answer, Refusal)
    assert "above the 0.040 BTC that are filled and below the present 0.100 BTC" in answer.text


# -- halts ---------------------------------------------------------------------------------------


def test_an_operators_halt_can_be_taken_back() -> None:
    risk = risk_of()
    risk.halt("by hand", HaltKind.OPERATOR)
    risk.halt("by hand, again", HaltKind.OPERATOR)
    assert risk.halted == "by hand"
    assert judge(order(), risk=risk) is RefusalReason.HALTED
    assert risk.halt_kind is HaltKind.OPERATOR
    assert risk.resume() == []
    assert (risk.halted, risk.halt_kind) == ("", None)
    assert judge(order(), risk=risk) is None
    assert risk.resume() == [], "there is nothing to take back"
    risk.halt("for good", HaltKind.FATAL)
    assert risk.resume() == [Halt(WHOLE_RUN, HaltKind.FATAL, "for good")]


def test_neither_a_limit_nor_what_was_approved_can_be_changed() -> None:
    with pytest.raises(AttributeError):
        LIMITS.max_order_lots = 10**9  # type: ignore[misc]  # the point
    answer = risk_of().approve_place(order(), INSTRUMENT, LIVE, 0, NOTHING_OPEN, 0, NOW_NS)
    assert isinstance(answer, Approved)
    with pytest.raises(AttributeError):
        answer.command = order(lots=10**9)  # type: ignore[misc]  # the point


def test_nothing_is_halted_at_the_start() -> None:
    assert Risk().halted == ""


def test_a_halt_for_the_run_stays_and_is_the_one_told() -> None:
    risk = risk_of()
    risk.halt("by hand", HaltKind.OPERATOR)
    risk.halt("no journal", HaltKind.FATAL)
    risk.halt("again by hand", HaltKind.OPERATOR)
    risk.halt("a later reason", HaltKind.FATAL)
    assert (risk.halted, risk.halt_kind) == ("no journal", HaltKind.FATAL)
    assert risk.resume() == [Halt(WHOLE_RUN, HaltKind.FATAL, "no journal")]
    assert judge(order(), risk=risk) is RefusalReason.HALTED


@pytest.mark.parametrize("kind", HaltKind)
def test_every_kind_of_halt_says_whether_an_operator_may_clear_it(kind: HaltKind) -> None:
    """Of an account and of an instrument alike; what may not be cleared is returned with why."""
    risk = risk_of()
    risk.halt("everything", kind)
    risk.halt_instrument(0, "one", kind)
    stays = risk.resume()
    if kind.resumable:
        assert stays == risk.halts() == []
        assert judge(order(), risk=risk) is None
    else:
        assert stays == [Halt(WHOLE_RUN, kind, "everything"), Halt(0, kind, "one")]
        assert (risk.halted, risk.instrument_halted(0)) == ("everything", "one")
        assert risk.instrument_halt_kind(0) is kind
        assert judge(order(), risk=risk) is not None


def test_each_kind_of_halt_is_kept_beside_the_others() -> None:
    """What is to outlive the run must not be lost because something else halted, too."""
    risk = risk_of()
    risk.halt("the ledgers differ", HaltKind.LEDGER)
    risk.halt("lost too much", HaltKind.DAILY_LOSS)
    assert {halt.kind for halt in risk.halts()} == {HaltKind.LEDGER, HaltKind.DAILY_LOSS}


def test_a_halted_instrument_leaves_the_others_alone() -> None:
    risk = risk_of()
    risk.add(1, LIMITS)
    risk.halt_instrument(0, "unknown execution", HaltKind.CONTRADICTION)
    risk.halt_instrument(0, "another", HaltKind.CONTRADICTION)
    assert risk.instrument_halted(0) == "unknown execution"
    assert risk.instrument_halted(1) == ""
    assert judge(order(), risk=risk) is RefusalReason.HALTED
    elsewhere = replace(order(), instrument=1)
    assert judge(elsewhere, risk=risk, instrument=replace(INSTRUMENT, index=1)) is None


REJECT = "-2010 Price * QTY is zero or less."


def test_too_many_rejects_halt_the_instrument_once() -> None:
    risk = risk_of()
    assert risk.on_rejected(0, REJECT, NOW_NS) == ""
    assert risk.on_rejected(0, REJECT, NOW_NS) == ""
    why = risk.on_rejected(0, REJECT, NOW_NS + 10 * NS_PER_S - 1)
    assert REJECT in why
    risk.halt_instrument(0, why, HaltKind.BREAKER)
    assert risk.on_rejected(0, REJECT, NOW_NS + 10 * NS_PER_S) == ""
    assert judge(order(), risk=risk) is RefusalReason.REJECT_RATE


def test_a_breaker_that_is_cleared_counts_anew() -> None:
    risk = risk_of()
    why = [risk.on_rejected(0, REJECT, NOW_NS) for _ in range(3)][-1]
    assert risk.halt_instrument(0, why, HaltKind.BREAKER)
    assert risk.resume() == []
    assert [risk.on_rejected(0, REJECT, NOW_NS) for _ in range(2)] == ["", ""]
    assert risk.on_rejected(0, REJECT, NOW_NS) != ""


def test_rejects_count_together_whatever_their_codes_and_texts() -> None:
    risk = risk_of()
    words = ("-1013 Filter failure: NOTIONAL", "-2038 a", "-2010 b")
    assert [bool(risk.on_rejected(0, each, NOW_NS)) for each in words] == [False, False, True]


def test_rejects_in_a_row_halt_however_slowly_they_come() -> None:
    risk = risk_of()
    answers = [risk.on_rejected(0, REJECT, NOW_NS + n * 86_400 * NS_PER_S) for n in range(3)]
    assert [bool(answer) for answer in answers] == [False, False, True]
    assert "in a row" in answers[-1]


def test_rejects_far_apart_with_an_order_taken_between_do_not_halt() -> None:
    risk = risk_of()
    for hour in range(50):
        assert risk.on_rejected(0, REJECT, NOW_NS + hour * 3600 * NS_PER_S) == ""
        risk.on_accepted(0, Side.BUY)


def test_an_order_that_is_taken_hides_no_loop_of_rejects() -> None:
    """As many as are tolerated within the window, however many orders are taken between them."""
    risk = risk_of()
    answers = []
    for _ in range(3):
        answers.append(risk.on_rejected(0, REJECT, NOW_NS))
        risk.on_accepted(0, Side.BUY)
    assert [bool(answer) for answer in answers] == [False, False, True]


def test_no_reject_is_tolerated_where_none_is_allowed() -> None:
    assert risk_of(replace(LIMITS, max_rejects=0)).on_rejected(0, REJECT, NOW_NS) != ""


def test_rejects_are_remembered_no_longer_than_they_count() -> None:
    risk = risk_of()
    for _ in range(100):
        risk.on_rejected(0, REJECT, NOW_NS)
    assert len(risk._rows[0].breaker._times_ns) == LIMITS.max_rejects + 1


# -- whatever happens ----------------------------------------------------------------------------

SIDES = st.sampled_from(Side)
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("place"), SIDES, st.integers(1, 300), st.booleans()),
        st.tuples(st.just("replace"), st.integers(0, 9), st.integers(1, 300)),
        st.tuples(st.just("amend"), st.integers(0, 9), st.integers(1, 300)),
        st.tuples(st.just("fill"), st.integers(0, 9), st.integers(1, 300)),
        st.tuples(st.just("cancel"), st.integers(0, 9)),
    ),
    max_size=60,
)


class Standing:
    """An order as its worst case: never proved gone before a fill or a cancel says so."""

    def __init__(self, side: Side, lots: int) -> None:
        self.side = side
        self.size = lots
        self.filled = 0


@settings(max_examples=150)
@given(MOVES)
def test_no_outcome_of_our_open_orders_breaks_the_position_limit(
    moves: list[tuple[object, ...]],
) -> None:
    limits = replace(WIDE, max_position_lots=400, max_orders_per_s=10_000)
    risk = risk_of(limits)
    free = replace(INSTRUMENT, min_lots=0, max_market_lots=0, min_notional=0, max_open_orders=0)
    book = FixedBook(((BID, 10**6),), ((ASK, 10**6),), live=True)
    standing: list[Standing] = []
    position_lots = approvals = 0

    def exposure() -> Open:
        return Open(
            *(
                (one.side, BID if one.side is Side.BUY else ASK, one.size - one.filled)
                for one in standing
            )
        )

    for move in moves:
        match move:
            case ("place", Side() as side, int(lots), bool(at_market)):
                ticks = BID if side is Side.BUY else ASK
                place = market(side, lots) if at_market else order(side, ticks, lots)
                answer = risk.approve_place(place, free, book, 0, exposure(), position_lots, NOW_NS)
                if isinstance(answer, Approved):
                    standing.append(Standing(side, lots))
                    approvals += 1
            case ("replace", int(which), int(lots)) if which < len(standing):
                side = standing[which].side
                ticks = BID if side is Side.BUY else ASK
                command = Replace(Cancel(0, "a0", "7"), order(side, ticks, lots))
                answer = risk.approve_replace(
                    command, free, book, 0, exposure(), position_lots, NOW_NS
                )
                if isinstance(answer, Approved):
                    standing.append(Standing(side, lots))
            case ("amend", int(which), int(lots)) if which < len(standing):
                one = standing[which]
                known = Order.of(order(one.side, BID, one.size), NOW_NS)
                known.filled_lots = one.filled
                answer = risk.approve_amend(Amend(0, "a1", "7", lots), free, known, NOW_NS)
                if isinstance(answer, Approved):
                    one.size = lots
            case ("fill", int(which), int(lots)) if which < len(standing):
                one = standing[which]
                lots = min(lots, one.size - one.filled)
                one.filled += lots
                position_lots += one.side * lots
                if one.filled == one.size:
                    standing.remove(one)
            case ("cancel", int(which)) if which < len(standing):
                del standing[which]
        now_open = exposure()
        assert position_lots + now_open.open_buy_lots <= 400
        assert position_lots - now_open.open_sell_lots >= -400
    if moves and moves[0][0] == "place":
        assert approvals, "the first order always fits"


def test_nothing_but_risk_makes_an_approved() -> None:
    root = Path(core.state.risk.__file__).parents[2]
    makers = []
    for folder in ("core", "venues", "strategies", "tools"):
        for path in sorted((root / folder).rglob("*.py")):
            calls = (
                node.func
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                if isinstance(node, ast.Call)
            )
            names = {getattr(call, "id", getattr(call, "attr", "")) for call in calls}
            if "Approved" in names:
                makers.append(path.relative_to(root).as_posix())
    assert makers == ["core/state/risk.py"]


# -- what the venue can do -----------------------------------------------------------------------


FEW = Capabilities(
    streams=frozenset(Stream),
    orders=frozenset({(OrderKind.LIMIT, TimeInForce.GTC), (OrderKind.MARKET, TimeInForce.IOC)}),
    amend=AmendKind.NONE,
    replace=False,
    test_place=False,
    request_expiry_ns=None,
    execution_ns=0,
    lag_ns=0,
    lists=Scope.ACCOUNT,
    history=Scope.ACCOUNT,
    dead_man=DeadMan(),
    truth=Truth.POSITIONS,
    rising_ids=False,
)


def risk_where(can: Capabilities) -> Risk:
    risk = Risk(None, can)
    risk.add(0, LIMITS)
    return risk


@pytest.mark.parametrize(
    ("kind", "tif", "taken"),
    [
        (OrderKind.LIMIT, TimeInForce.GTC, True),
        (OrderKind.LIMIT, TimeInForce.IOC, False),
        (OrderKind.LIMIT, TimeInForce.FOK, False),
        (OrderKind.POST_ONLY, TimeInForce.GTC, False),
        (OrderKind.MARKET, TimeInForce.GTC, True),
        (OrderKind.MARKET, TimeInForce.IOC, True),
    ],
)
def test_an_order_that_the_venue_does_not_have_is_refused(
    kind: OrderKind, tif: TimeInForce, taken: bool
) -> None:
    ticks = 0 if kind is OrderKind.MARKET else BID
    place = Place(0, "a1", Side.BUY, kind, tif, ticks, 10)
    refused = None if taken else RefusalReason.VENUE_FILTER
    assert judge(place, risk=risk_where(FEW)) is refused
    assert judge(place) is None, "elsewhere it is taken"


def test_the_refusal_of_an_order_that_does_not_exist_says_which_do() -> None:
    place = Place(0, "a1", Side.BUY, OrderKind.LIMIT, TimeInForce.FOK, BID, 10)
    for can, words in (
        (FEW, "the venue has no orders that are limit and fok; it takes limit gtc, market ioc"),
        (replace(FEW, orders=frozenset()), "it takes none at all"),
    ):
        answer = risk_where(can).approve_place(place, INSTRUMENT, LIVE, 0, NOTHING_OPEN, 0, NOW_NS)
        assert isinstance(answer, Refusal)
        assert words in answer.text


def test_an_order_that_the_venue_does_not_have_uses_none_of_our_rate() -> None:
    risk = risk_where(FEW)
    for _ in range(LIMITS.max_orders_per_s + 1):
        assert judge(order(kind=OrderKind.POST_ONLY), risk=risk) is RefusalReason.VENUE_FILTER
    assert judge(order(), risk=risk) is None


def test_a_replace_is_refused_where_the_venue_has_none() -> None:
    new = order()
    move = Replace(Cancel(0, "a0", "1"), new)
    for can, refused in ((FEW, True), (replace(FEW, replace=True), False)):
        answer = risk_where(can).approve_replace(move, INSTRUMENT, LIVE, 0, NOTHING_OPEN, 0, NOW_NS)
        assert isinstance(answer, Refusal) is refused
        if isinstance(answer, Refusal):
            assert "replaces no order" in answer.text


def test_an_amend_is_refused_where_the_venue_has_none() -> None:
    standing = Order.of(order(lots=10), NOW_NS)
    for can, refused in ((FEW, True), (replace(FEW, amend=AmendKind.SHRINK), False)):
        amend = Amend(0, "a1", "1", 5)
        answer = risk_where(can).approve_amend(amend, INSTRUMENT, standing, NOW_NS)
        assert isinstance(answer, Refusal) is refused
        if isinstance(answer, Refusal):
            assert "changes no order where it stands" in answer.text
