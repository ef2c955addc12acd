"""Filters and rate limits of exchangeInfo become instruments and limits, on the safe side."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.model.commands import FetchInstruments
from core.model.errors import Drifted, Malformed
from core.model.events import InstrumentsReport, Limit, LimitsReport, Reply, Scope
from core.model.instrument import Instrument, Trading
from core.model.units import NS_PER_S
from tests.venues.binance import world
from venues.binance import VENUE, rules
from venues.binance.adapter import SpotAdapter

FILTERS: list[dict[str, Any]] = [
    {
        "filterType": "PRICE_FILTER",
        "minPrice": "0.01000000",
        "maxPrice": "1000000.00000000",
        "tickSize": "0.01000000",
    },
    {
        "filterType": "LOT_SIZE",
        "minQty": "0.00001000",
        "maxQty": "9000.00000000",
        "stepSize": "0.00001000",
    },
    {"filterType": "ICEBERG_PARTS", "limit": 100},
    {
        "filterType": "MARKET_LOT_SIZE",
        "minQty": "0.00000000",
        "maxQty": "141.83873966",
        "stepSize": "0.00000000",
    },
    {"filterType": "TRAILING_DELTA", "minTrailingAboveDelta": 10, "maxTrailingAboveDelta": 2000},
    {
        "filterType": "PERCENT_PRICE_BY_SIDE",
        "bidMultiplierUp": "5",
        "bidMultiplierDown": "0.2",
        "askMultiplierUp": "4.99995",
        "askMultiplierDown": "0.20001",
        "avgPriceMins": 5,
    },
    {
        "filterType": "NOTIONAL",
        "minNotional": "5.00000000",
        "applyMinToMarket": True,
        "maxNotional": "9000000.00000000",
        "applyMaxToMarket": False,
        "avgPriceMins": 5,
    },
    {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
    {"filterType": "SOMETHING_NEW", "value": {"deep": []}},
]


def symbol(name: str = "BTCUSDT", **changes: Any) -> dict[str, Any]:
    return {
        "symbol": name,
        "status": "TRADING",
        "baseAsset": "BTC",
        "baseAssetPrecision": 8,
        "quoteAsset": "USDT",
        "quoteAssetPrecision": 8,
        "isSpotTradingAllowed": True,
        "filters": FILTERS,
    } | changes


def replaced(kind: str, **fields: Any) -> list[dict[str, Any]]:
    return [one for one in FILTERS if one["filterType"] != kind] + (
        [{"filterType": kind} | fields] if fields else []
    )


RATES = [
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
    {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200000},
    {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 300000},
]


def requested(*symbols: dict[str, Any], rates: list[dict[str, Any]] = RATES) -> Reply:
    adapter = VENUE.adapter(world.subscription(("BTCUSDT",)))
    assert isinstance(adapter, SpotAdapter)
    info = {"timezone": "UTC", "serverTime": 1, "rateLimits": rates, "symbols": list(symbols)}
    return adapter.answer(FetchInstruments(), 5, 200, {}, world.frame(info))


def read(**changes: Any) -> Instrument:
    report = requested(symbol(**changes)).events[0]
    assert isinstance(report, InstrumentsReport)
    [instrument] = report.instruments
    return instrument


def test_the_filters_of_a_symbol() -> None:
    found = read()
    assert (found.index, found.symbol, found.base, found.quote) == (0, "BTCUSDT", "BTC", "USDT")
    assert (found.tick.step, found.lot.step) == ("0.01", "0.00001")
    assert (found.min_ticks, found.max_ticks) == (1, 100_000_000)
    assert (found.min_lots, found.max_lots) == (1, 900_000_000)
    assert found.min_notional == 5 * 10**7
    assert found.max_notional == 9_000_000 * 10**7
    assert found.max_open_orders == 200
    assert found.trading is Trading.OPEN


def test_a_maximum_off_the_grid_is_rounded_down() -> None:
    assert read().max_market_lots == 14_183_873


def test_orders_at_market_have_a_least_size_and_a_step_of_their_own() -> None:
    own = {"minQty": "0.00001500", "maxQty": "1", "stepSize": "0.00003000"}
    found = read(filters=replaced("MARKET_LOT_SIZE", **own))
    assert (found.min_market_lots, found.market_step_lots) == (2, 3)
    between = {"minQty": "0", "maxQty": "0", "stepSize": "0.00001500"}
    found = read(filters=replaced("MARKET_LOT_SIZE", **between))
    assert found.market_step_lots == 3, "whole lots that are whole steps, too"
    assert (read().min_market_lots, read().market_step_lots) == (0, 0), "0 switches it off"


def test_of_two_filters_of_one_thing_the_tighter_holds() -> None:
    older = [
        {"filterType": "MIN_NOTIONAL", "minNotional": "10.0"},
        {"filterType": "PERCENT_PRICE", "multiplierUp": "1.3000", "multiplierDown": "0.7000"},
    ]
    found = read(filters=[*FILTERS, *older])
    assert (found.min_notional, found.max_notional) == (10**8, 9_000_000 * 10**7)
    assert (found.collar_up_bps, found.collar_down_bps) == (3000, 3000)


def test_each_filter_that_the_venue_documents_is_obeyed_or_said_to_be_left_to_it() -> None:
    documented = [
        "PRICE_FILTER",
        "PERCENT_PRICE",
        "PERCENT_PRICE_BY_SIDE",
        "LOT_SIZE",
        "MIN_NOTIONAL",
        "NOTIONAL",
        "ICEBERG_PARTS",
        "MARKET_LOT_SIZE",
        "MAX_NUM_ORDERS",
        "MAX_NUM_ALGO_ORDERS",
        "MAX_NUM_ICEBERG_ORDERS",
        "MAX_POSITION",
        "TRAILING_DELTA",
        "MAX_NUM_ORDER_AMENDS",
        "MAX_NUM_ORDER_LISTS",
        "EXCHANGE_MAX_NUM_ORDERS",
        "EXCHANGE_MAX_NUM_ALGO_ORDERS",
        "EXCHANGE_MAX_NUM_ICEBERG_ORDERS",
        "EXCHANGE_MAX_NUM_ORDER_LISTS",
        "MAX_ASSET",
    ]
    page = Path("docs/strategies.md").read_text(encoding="utf-8")
    for name in documented:
        assert f"`{name}`" in page
        assert (name in rules.LEFT_TO_THE_VENUE) != (name in rules.OBEYED)


def test_a_filter_that_nobody_knows_is_named() -> None:
    assert read().unread_filters == ("SOMETHING_NEW",)
    info = {
        "rateLimits": RATES,
        "exchangeFilters": [
            {"filterType": "EXCHANGE_WIDE"},
            {"filterType": "EXCHANGE_MAX_NUM_ORDERS"},
        ],
        "symbols": [symbol()],
    }
    adapter = VENUE.adapter(world.subscription(("BTCUSDT",)))
    report = adapter.answer(FetchInstruments(), 5, 200, {}, world.frame(info)).events[0]
    assert isinstance(report, InstrumentsReport)
    assert report.instruments[0].unread_filters == ("EXCHANGE_WIDE", "SOMETHING_NEW")


def test_a_minimum_off_the_grid_is_rounded_up() -> None:
    lots = replaced("LOT_SIZE", minQty="0.00001500", maxQty="1", stepSize="0.00001000")
    assert read(filters=lots).min_lots == 2
    notional = replaced("NOTIONAL", minNotional="0.00000001")
    assert read(filters=notional).min_notional == 1


def test_the_tighter_side_of_a_collar_holds_for_both() -> None:
    found = read()
    assert (found.collar_up_bps, found.collar_down_bps) == (39_999, 7_999)


def test_an_older_collar_has_no_sides() -> None:
    filters = replaced("PERCENT_PRICE_BY_SIDE")
    older = {"filterType": "PERCENT_PRICE", "multiplierUp": "1.3000", "multiplierDown": "0.7000"}
    found = read(filters=[*filters, older])
    assert (found.collar_up_bps, found.collar_down_bps) == (3000, 3000)
    without = read(filters=filters)
    assert (without.collar_up_bps, without.collar_down_bps) == (0, 0)


def test_a_collar_that_leaves_no_price_is_drift() -> None:
    older = {"filterType": "PERCENT_PRICE", "multiplierUp": "1.0", "multiplierDown": "0.7"}
    with pytest.raises(Drifted, match="leave no price"):
        read(filters=[*replaced("PERCENT_PRICE_BY_SIDE"), older])
    with pytest.raises(Malformed):
        read(filters=replaced("PERCENT_PRICE_BY_SIDE", bidMultiplierUp="5"))


def test_an_older_notional_filter_is_read_too() -> None:
    filters = [*replaced("NOTIONAL"), {"filterType": "MIN_NOTIONAL", "minNotional": "10.0"}]
    found = read(filters=filters)
    assert (found.min_notional, found.max_notional) == (10**8, 0)


def test_an_older_count_of_orders_is_read_too() -> None:
    assert read(filters=replaced("MAX_NUM_ORDERS", limit=25)).max_open_orders == 25


def test_a_disabled_step_leaves_the_precision_of_the_asset() -> None:
    off = {"minPrice": "0", "maxPrice": "0", "tickSize": "0.00000000"}
    found = read(filters=replaced("PRICE_FILTER", **off), quoteAssetPrecision=4)
    assert (found.tick.step, found.min_ticks, found.max_ticks) == ("0.0001", 0, 0)


@pytest.mark.parametrize(
    ("status", "trading"),
    [
        ("TRADING", Trading.OPEN),
        ("CANCEL_ONLY", Trading.CANCEL_ONLY),
        ("HALT", Trading.HALTED),
        ("BREAK", Trading.HALTED),
        ("END_OF_DAY", Trading.HALTED),
        ("SOMETHING_NEW", Trading.HALTED),
    ],
)
def test_the_status_of_a_symbol(status: str, trading: Trading) -> None:
    assert read(status=status).trading is trading


def test_a_symbol_without_spot_trading_is_halted() -> None:
    assert read(isSpotTradingAllowed=False).trading is Trading.HALTED


def test_a_symbol_that_is_missing_is_named_with_those_that_are_there() -> None:
    with pytest.raises(Drifted, match="lacks BTCUSDT; it lists ETHUSDT"):
        requested(symbol("ETHUSDT"))


def test_instruments_are_numbered_as_in_the_configuration() -> None:
    adapter = VENUE.adapter(world.subscription(("LTCBNB", "BTCUSDT")))
    info = {"rateLimits": RATES, "symbols": [symbol("BTCUSDT"), symbol("LTCBNB"), symbol("X")]}
    report = adapter.answer(FetchInstruments(), 5, 200, {}, world.frame(info)).events[0]
    assert isinstance(report, InstrumentsReport)
    assert [(one.index, one.symbol) for one in report.instruments] == [
        (0, "LTCBNB"),
        (1, "BTCUSDT"),
    ]


def test_the_limits_of_the_account_are_learnt() -> None:
    assert requested(symbol()).events[1] == LimitsReport(
        (
            Limit("weight_1m", "weight", 6_000, 60 * NS_PER_S),
            Limit("orders_10s", "orders", 100, 10 * NS_PER_S, unfilled=True),
            Limit("orders_1d", "orders", 200_000, 86_400 * NS_PER_S, unfilled=True),
            Limit("raw_5m", "raw", 300_000, 300 * NS_PER_S),
        )
    )


def test_published_and_learnt_limits_have_the_same_names() -> None:
    report = requested(symbol()).events[1]
    assert isinstance(report, LimitsReport)
    told = [limit for limit in rules.PUBLISHED if limit.scope is not Scope.CONNECTION]
    assert [one.name for one in report.limits] == [one.name for one in told]


@pytest.mark.parametrize(
    "change", [{"interval": "FORTNIGHT"}, {"intervalNum": 0}, {"limit": 0}, {"intervalNum": -1}]
)
def test_a_limit_we_cannot_keep_is_drift(change: dict[str, Any]) -> None:
    with pytest.raises(Drifted, match="rateLimits"):
        requested(symbol(), rates=[RATES[0] | change])


@pytest.mark.parametrize(
    "other",
    [
        {"filterType": "MAX_ASSET", "asset": "USDC", "limit": "42.00000000"},
        {"filterType": "OF_NEXT_YEAR", "limit": 0.5, "minPrice": 7, "maxNumOrders": [1]},
    ],
)
def test_a_filter_that_we_do_not_use_may_write_its_fields_as_it_likes(other: dict[str, Any]):
    found = msgspec.structs.replace(read(filters=[*FILTERS, other]), unread_filters=())
    assert repr(found) == repr(msgspec.structs.replace(read(), unread_filters=()))
