"""Messages of the private connection as they are documented, each with a hole for the token."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.model.commands import Amend, Cancel, OrderKind, Place, TimeInForce
from core.model.errors import BadParameter
from core.model.events import Side
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import Credentials, HttpAnswer, WireRequest
from tests.venues.kraken import world
from tests.venues.kraken.test_signer import DOC_SECRET
from venues.kraken import decode, trading
from venues.kraken.history import fetch_token
from venues.kraken.signer import KeySigner

DEADLINE_NS = world.NOW_NS + 5 * NS_PER_S
DEADLINE = "2023-10-06T17:36:00.440Z"
ORDER, OTHER = "OK4GJX-KSTLS-7DZZO5", "OUMDR6-4GO37-7PQNYO"
TOKEN = "visibly+fake/token"


def place(**changes: Any) -> Place:
    fields: dict[str, Any] = {
        "instrument": 0,
        "client_order_id": "hl-1",
        "side": Side.BUY,
        "kind": OrderKind.LIMIT,
        "tif": TimeInForce.GTC,
        "price_ticks": 375_000,
        "lots": 125_000_000,
    }
    return Place(**(fields | changes))


def signer() -> KeySigner:
    one = KeySigner(Credentials({"api_key": "FAKE", "api_secret": DOC_SECRET}))
    body = json.dumps({"error": [], "result": {"token": TOKEN, "expires": 900}}).encode()
    fetch_token().arriving(one, HttpAnswer(200, {}, body))
    return one


def sent(request: WireRequest, method: str) -> dict[str, Any]:
    """Return the parameters of a message as it leaves; what is journaled has no token."""
    assert request.connection == decode.TRADE
    assert TOKEN.encode() not in request.body
    left = json.loads(signer().wire(request))
    assert left["params"].pop("token") == TOKEN
    assert json.loads(request.body)["params"].pop("token") == ""
    assert (left["method"], left["req_id"]) == (method, 17)
    params: dict[str, Any] = left["params"]
    return params


def added(**changes: Any) -> dict[str, Any]:
    return sent(trading.add_order(world.BTC, place(**changes), DEADLINE_NS, 17), "add_order")


def test_the_fee_of_every_order_is_asked_for_in_the_quote_asset() -> None:
    for side in Side:
        for kind in OrderKind:
            tif = TimeInForce.IOC if kind is OrderKind.MARKET else TimeInForce.GTC
            assert added(side=side, kind=kind, tif=tif)["fee_preference"] == "quote"


def test_a_limit_order() -> None:
    assert added() == {
        "order_type": "limit",
        "side": "buy",
        "symbol": "BTC/USD",
        "order_qty": 1.25,
        "limit_price": 37500.0,
        "time_in_force": "gtc",
        "cl_ord_id": "hl-1",
        "fee_preference": "quote",
        "deadline": DEADLINE,
    }


def test_the_other_kinds_of_orders() -> None:
    assert added(kind=OrderKind.POST_ONLY)["post_only"] is True
    assert added(tif=TimeInForce.IOC)["time_in_force"] == "ioc"
    market = added(kind=OrderKind.MARKET, tif=TimeInForce.IOC, price_ticks=0, side=Side.SELL)
    assert (market["order_type"], market["side"]) == ("market", "sell")
    assert not {"limit_price", "time_in_force"} & set(market)


@pytest.mark.parametrize(
    ("kind", "tif"),
    [
        (OrderKind.LIMIT, TimeInForce.FOK),
        (OrderKind.POST_ONLY, TimeInForce.IOC),
        (OrderKind.MARKET, TimeInForce.FOK),
    ],
)
def test_what_the_venue_does_not_take_is_refused(kind: OrderKind, tif: TimeInForce) -> None:
    with pytest.raises(BadParameter, match="Kraken takes no"):
        added(kind=kind, tif=tif)


def test_numbers_have_all_the_decimals_of_their_grids() -> None:
    body = trading.add_order(world.BTC, place(lots=1), DEADLINE_NS, 17).body
    assert b'"order_qty":0.00000001,"limit_price":37500.0,' in body


def test_an_order_can_be_judged_without_being_placed() -> None:
    request = trading.add_order(world.BTC, place(), DEADLINE_NS, 17, validate=True)
    assert sent(request, "add_order")["validate"] is True


def test_an_amend_changes_price_and_size_at_once() -> None:
    amend = Amend(0, "hl-1", ORDER, 2, 375_001, post_only=True)
    request = trading.amend_order(world.BTC, amend, DEADLINE_NS, 17)
    assert sent(request, "amend_order") == {
        "order_id": ORDER,
        "order_qty": 0.00000002,
        "limit_price": 37500.1,
        "post_only": True,
        "deadline": DEADLINE,
    }
    amend = Amend(0, "hl-1", "", 2, 375_001)
    by_name = trading.amend_order(world.BTC, amend, DEADLINE_NS, 17)
    assert sent(by_name, "amend_order")["cl_ord_id"] == "hl-1"


def test_an_amend_without_a_price_makes_smaller_where_it_stands() -> None:
    amend = Amend(0, "hl-1", ORDER, 2)
    request = trading.amend_order(world.BTC, amend, DEADLINE_NS, 17)
    assert sent(request, "amend_order") == {
        "order_id": ORDER,
        "order_qty": 0.00000002,
        "deadline": DEADLINE,
    }


def test_a_cancel_names_the_venues_id_where_it_is_known() -> None:
    assert sent(trading.cancel_order(ORDER, "hl-1", 17), "cancel_order") == {"order_id": [ORDER]}
    assert sent(trading.cancel_order("", "hl-1", 17), "cancel_order") == {"cl_ord_id": ["hl-1"]}


def test_the_cancel_of_all_names_nothing() -> None:
    assert sent(trading.cancel_all(17), "cancel_all") == {}


def test_a_batch_of_orders_is_on_one_pair() -> None:
    two = [place(), place(client_order_id="hl-2", side=Side.SELL)]
    params = sent(trading.batch_add(world.BTC, two, DEADLINE_NS, 17), "batch_add")
    assert (params["symbol"], params["deadline"]) == ("BTC/USD", DEADLINE)
    assert [order["cl_ord_id"] for order in params["orders"]] == ["hl-1", "hl-2"]
    assert all("symbol" not in order for order in params["orders"])


def test_a_batch_of_cancels_takes_either_id() -> None:
    cancels = [Cancel(0, "hl-1", ORDER), Cancel(0, "hl-3", ""), Cancel(0, "hl-2", OTHER)]
    request = trading.batch_cancel(cancels, 17)
    assert sent(request, "batch_cancel") == {"orders": [ORDER, OTHER], "cl_ord_id": ["hl-3"]}


@pytest.mark.parametrize("count", [0, 1, 16])
def test_a_batch_has_two_to_fifteen_orders(count: int) -> None:
    with pytest.raises(BadParameter, match="2 to 15"):
        trading.batch_add(world.BTC, [place()] * count, DEADLINE_NS, 17)
    if count < 2:
        with pytest.raises(BadParameter, match="2 to 50"):
            trading.batch_cancel([Cancel(0, "hl-1", ORDER)] * count, 17)


def test_the_dead_man_switch() -> None:
    for timeout_s in (0, 60, 86_399):
        request = trading.cancel_all_orders_after(timeout_s, 17)
        assert sent(request, "cancel_all_orders_after") == {"timeout": timeout_s}
    for timeout_s in (-1, 86_400):
        with pytest.raises(BadParameter):
            trading.cancel_all_orders_after(timeout_s, 17)


def test_the_private_subscriptions() -> None:
    executions = sent(trading.subscribe_executions(17), "subscribe")
    assert executions["channel"] == "executions"
    assert (executions["snap_orders"], executions["snap_trades"]) == (True, False)
    assert sent(trading.subscribe_balances(17), "subscribe")["channel"] == "balances"


@pytest.mark.parametrize(
    "name",
    [
        *("a", "arb-20240509-00010", "6d1b345e-2821-40e2-ad83-4ecb18a06876"),
        "da8e4ad59b78481c93e589746b0cf91f",
    ],
)
def test_a_name_is_within_what_the_venue_takes(name: str) -> None:
    assert added(client_order_id=name)["cl_ord_id"] == name


@pytest.mark.parametrize(
    "name", ["", "a" * 19, 'a"b', "ü", "a b", "6d1b345e282140e2ad834ecb18a0687"]
)
def test_a_name_that_the_venue_does_not_take_is_refused(name: str) -> None:
    for make in (
        lambda: added(client_order_id=name),
        lambda: trading.cancel_order("", name, 17),
    ):
        with pytest.raises(BadParameter, match="18"):
            make()


def test_a_venues_id_that_is_none_is_refused() -> None:
    for order_id in ('O"', "ok4gjx-kstls-7dzzo5", "1"):
        with pytest.raises(BadParameter):
            trading.cancel_order(order_id, "", 17)


def test_a_deadline_is_within_what_the_venue_takes() -> None:
    assert trading.deadline_ns(world.NOW_NS, 5 * NS_PER_S) == DEADLINE_NS
    for valid_ns in (499 * NS_PER_MS, 60_001 * NS_PER_MS):
        with pytest.raises(BadParameter):
            trading.deadline_ns(world.NOW_NS, valid_ns)
