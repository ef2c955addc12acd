"""Parameters and filters: what is refused before the matching engine, in the venue's words."""

from typing import Any

import pytest

from tests.venues.sim.binance.driver import MS, Desk, limit

FILTERS = [
    ({"price": "0.001"}, "PRICE_FILTER"),
    ({"price": "60000.005"}, "PRICE_FILTER"),
    ({"price": "1000000.01"}, "PRICE_FILTER"),
    ({"price": "0"}, "PRICE_FILTER"),
    ({"price": "400000"}, "PERCENT_PRICE_BY_SIDE"),
    ({"price": "12999.99"}, "PERCENT_PRICE_BY_SIDE"),
    ({"quantity": "0.000001"}, "LOT_SIZE"),
    ({"quantity": "0.000015"}, "LOT_SIZE"),
    ({"quantity": "0"}, "LOT_SIZE"),
    ({"quantity": "9000.00001"}, "LOT_SIZE"),
    ({"quantity": "0.00008"}, "NOTIONAL"),
    ({"quantity": "150.00001"}, "NOTIONAL"),
]


@pytest.mark.parametrize(("change", "name"), FILTERS)
def test_filter_failures(change: dict[str, str], name: str) -> None:
    party = Desk().party()
    values = limit("BUY", "60000", "0.01") | change
    assert party.refused("order.place", **values) == (-1013, f"Filter failure: {name}")
    assert party.refused("order.test", **values) == (-1013, f"Filter failure: {name}")
    assert party.reports() == []


def test_the_edges_of_filters_pass() -> None:
    party = Desk().party()
    for price, quantity in (("13000", "0.01"), ("60000.01", "0.00009"), ("60000", "0.00001")):
        answer = party.call("order.place", **limit("BUY", price, quantity))
        expected = "Filter failure: NOTIONAL" if quantity == "0.00001" else None
        assert (answer.error and answer.error.msg) == expected


def test_percent_price_follows_the_average_of_trades() -> None:
    desk = Desk()
    party = desk.party()
    party.limit("SELL", "20000", "1")
    party.limit("BUY", "20000", "1")
    assert party.refused("order.place", **limit("SELL", "120000", "0.01")) == (
        -1013,
        "Filter failure: PERCENT_PRICE_BY_SIDE",
    )
    assert party.ok("avgPrice", symbol="BTCUSDT")["price"] == "20000.00000000"
    desk.now_ns += 6 * 60_000 * MS
    assert party.ok("avgPrice", symbol="BTCUSDT")["price"] == "20000.00000000"


def test_market_lot_size_and_notional_of_market_orders() -> None:
    party = Desk().party()
    values = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET"}
    assert party.refused("order.place", quantity="100.00001", **values) == (
        -1013,
        "Filter failure: MARKET_LOT_SIZE",
    )
    assert party.refused("order.place", quantity="0.00001", **values) == (
        -1013,
        "Filter failure: NOTIONAL",
    )


def test_open_orders_are_limited_per_symbol() -> None:
    desk = Desk()
    party = desk.party()
    for _ in range(200):
        party.limit("BUY", "60000", "0.001")
        desk.now_ns += 10_000 * MS
    assert party.refused("order.place", **limit("BUY", "60000", "0.001")) == (
        -1013,
        "Filter failure: MAX_NUM_ORDERS",
    )


def illegal(name: str, pattern: str) -> str:
    return f"Illegal characters found in parameter '{name}'; legal range is '{pattern}'."


REFUSALS: list[tuple[dict[str, Any], tuple[int, str]]] = [
    ({"symbol": "NOPE"}, (-1121, "Invalid symbol.")),
    (
        {"symbol": None},
        (-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."),
    ),
    ({"side": "HOLD"}, (-1117, "Invalid side.")),
    ({"type": "LMT"}, (-1116, "Invalid orderType.")),
    (
        {"pegPriceType": "PRIMARY_PEG"},
        (-1013, "Pegged orders are not supported for this symbol."),
    ),
    ({"timeInForce": "DAY"}, (-1115, "Invalid timeInForce.")),
    (
        {"timeInForce": None},
        (-1102, "Mandatory parameter 'timeInForce' was not sent, was empty/null, or malformed."),
    ),
    (
        {"price": None},
        (-1102, "Mandatory parameter 'price' was not sent, was empty/null, or malformed."),
    ),
    (
        {"price": "-1"},
        (
            -1100,
            illegal("price", r"^([0-9]{1,20})(\.[0-9]{1,20})?$"),
        ),
    ),
    (
        {"quantity": "0.123456789"},
        (-1111, "Parameter 'quantity' has too much precision."),
    ),
    (
        {"quoteOrderQty": "10"},
        (-1106, "Parameter 'quoteOrderQty' sent when not required."),
    ),
    (
        {"newClientOrderId": "white space"},
        (
            -1100,
            illegal("newClientOrderId", r"^[\.A-Z\:/a-z0-9_-]{1,36}$"),
        ),
    ),
    ({"newClientOrderId": ""}, (-1105, "Parameter 'newClientOrderId' was empty.")),
    ({"strategyType": 999_999}, (-1134, "`strategyType` was less than 1000000.")),
    (
        {"surprise": "1"},
        (-1104, "Not all sent parameters were read; read '7' parameter(s) but was sent '8'."),
    ),
]


@pytest.mark.parametrize(("change", "refusal"), REFUSALS)
def test_malformed_orders_get_the_venues_codes(
    change: dict[str, Any], refusal: tuple[int, str]
) -> None:
    values = limit("BUY", "60000", "0.01") | change
    values = {name: value for name, value in values.items() if value is not None}
    assert Desk().party().refused("order.place", **values) == refusal


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"price": "60000"}, (-1106, "Parameter 'price' sent when not required.")),
        ({"timeInForce": "GTC"}, (-1106, "Parameter 'timeInForce' sent when not required.")),
        (
            {"quantity": None},
            (
                -1102,
                "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!",
            ),
        ),
        ({"quoteOrderQty": "5"}, (-1128, "Combination of optional parameters invalid.")),
    ],
)
def test_malformed_market_orders(change: dict[str, Any], refusal: tuple[int, str]) -> None:
    values: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET"}
    values = {**values, "quantity": "0.01", **change}
    values = {name: value for name, value in values.items() if value is not None}
    assert Desk().party().refused("order.place", **values) == refusal


def test_cancel_needs_one_of_both_ids() -> None:
    assert Desk().party().refused("order.cancel", symbol="BTCUSDT") == (
        -1102,
        "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!",
    )
