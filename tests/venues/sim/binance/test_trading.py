"""Placing, filling, expiring and cancelling, with the balances and reports that follow."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.venues.sim.binance.driver import MS, Desk, limit
from venues.sim import market
from venues.sim.fixed import parse, show


def kinds(reports: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(report["x"], report["X"]) for report in reports]


# -- responses and reports -----------------------------------------------------------------------


def test_a_limit_order_rests_and_locks_its_notional() -> None:
    party = Desk().party()
    answer = party.limit("BUY", "60000", "0.01", newClientOrderId="mine")
    assert answer["status"] == "NEW"
    assert answer["clientOrderId"] == "mine"
    assert answer["price"] == "60000.00000000"
    assert answer["origQty"] == "0.01000000"
    assert answer["fills"] == []
    assert show(party.locked("USDT")) == "600.00000000"


def test_new_report_holds_every_documented_field() -> None:
    desk = Desk()
    party = desk.party()
    answer = party.limit("BUY", "60000", "0.01", newClientOrderId="mine")
    report, position = party.events()
    at = desk.now_ns
    assert report == {
        "e": "executionReport",
        "E": at,
        "s": "BTCUSDT",
        "c": "mine",
        "S": "BUY",
        "o": "LIMIT",
        "f": "GTC",
        "q": "0.01000000",
        "p": "60000.00000000",
        "P": "0.00000000",
        "F": "0.00000000",
        "g": -1,
        "C": "",
        "x": "NEW",
        "X": "NEW",
        "r": "NONE",
        "i": answer["orderId"],
        "l": "0.00000000",
        "z": "0.00000000",
        "L": "0.00000000",
        "n": "0",
        "N": None,
        "T": at,
        "t": -1,
        "I": 1,
        "w": True,
        "m": False,
        "M": False,
        "O": at,
        "Z": "0.00000000",
        "Y": "0.00000000",
        "Q": "0.00000000",
        "W": at,
        "V": "NONE",
    }
    assert position["e"] == "outboundAccountPosition"
    assert {"a": "USDT", "f": "9999400.00000000", "l": "600.00000000"} in position["B"]


@pytest.mark.parametrize(
    ("kind", "default"), [("LIMIT", "FULL"), ("MARKET", "FULL"), ("LIMIT_MAKER", "ACK")]
)
def test_response_detail_defaults_by_order_type(kind: str, default: str) -> None:
    desk = Desk()
    desk.party().limit("SELL", "65000", "1")
    party = desk.party()
    values: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": kind, "quantity": "0.1"}
    if kind != "MARKET":
        values["price"] = "60000"
    if kind == "LIMIT":
        values["timeInForce"] = "GTC"
    answer = party.ok("order.place", **values)
    assert ("fills" in answer) == (default == "FULL")
    assert ("status" in answer) == (default == "FULL")
    result = party.ok("order.place", newOrderRespType="RESULT", **values)
    assert "status" in result
    assert "fills" not in result


def test_a_fill_moves_assets_and_takes_the_commission_from_what_is_received() -> None:
    desk = Desk()
    maker, taker = desk.party(), desk.party()
    maker.limit("SELL", "65000", "0.5")
    taker.events()
    answer = taker.limit("BUY", "65100", "0.2")
    assert answer["status"] == "FILLED"
    assert answer["cummulativeQuoteQty"] == "13000.00000000"
    assert answer["fills"] == [
        {
            "price": "65000.00000000",
            "qty": "0.20000000",
            "commission": "0.00020000",
            "commissionAsset": "BTC",
            "tradeId": 1,
        }
    ]
    assert show(taker.free("BTC")) == "100.19980000"
    assert show(taker.free("USDT")) == "9987000.00000000"
    assert taker.locked("USDT") == 0
    assert show(maker.free("USDT")) == "10012987.00000000"
    assert show(maker.locked("BTC")) == "0.30000000"


def test_trade_reports_tell_maker_from_taker() -> None:
    desk = Desk()
    maker, taker = desk.party(), desk.party()
    maker.limit("SELL", "65000", "0.5")
    taker.limit("BUY", "65000", "0.2")
    new, mine = taker.reports()
    assert kinds([new, mine]) == [("NEW", "NEW"), ("TRADE", "FILLED")]
    assert (mine["m"], mine["w"], mine["N"], mine["n"]) == (False, False, "BTC", "0.00020000")
    theirs = maker.reports()[-1]
    assert (theirs["x"], theirs["X"], theirs["m"]) == ("TRADE", "PARTIALLY_FILLED", True)
    assert (theirs["l"], theirs["z"], theirs["L"]) == (
        "0.20000000",
        "0.20000000",
        "65000.00000000",
    )
    assert (theirs["Y"], theirs["Z"], theirs["N"]) == (
        "13000.00000000",
        "13000.00000000",
        "USDT",
    )
    assert mine["t"] == theirs["t"] == 1


def test_order_ids_are_per_symbol() -> None:
    party = Desk().party()
    first = party.limit("BUY", "60000", "0.01")
    other = party.ok("order.place", **limit("BUY", "3000", "0.01", symbol="ETHUSDT"))
    assert first["orderId"] == other["orderId"] == 1


# -- time in force and order types -----------------------------------------------------------------


def test_ioc_expires_what_it_cannot_fill() -> None:
    desk = Desk()
    desk.party().limit("SELL", "65000", "0.1")
    party = desk.party()
    answer = party.limit("BUY", "65000", "0.3", timeInForce="IOC")
    assert (answer["status"], answer["executedQty"]) == ("EXPIRED", "0.10000000")
    assert answer["expiryReason"] == "UNFILLED_IOC_QUANTITY_EXPIRED"
    assert party.locked("USDT") == 0
    expired = party.reports()[-1]
    assert (expired["x"], expired["eR"]) == ("EXPIRED", "UNFILLED_IOC_QUANTITY_EXPIRED")


def test_fok_fills_whole_or_not_at_all() -> None:
    desk = Desk()
    desk.party().limit("SELL", "65000", "0.1")
    party = desk.party()
    answer = party.limit("BUY", "65000", "0.3", timeInForce="FOK")
    assert (answer["status"], answer["executedQty"]) == ("EXPIRED", "0.00000000")
    assert answer["expiryReason"] == "UNFILLED_FOK_ORDER_EXPIRED"
    assert party.limit("BUY", "65000", "0.1", timeInForce="FOK")["status"] == "FILLED"


def test_limit_maker_that_would_take_is_rejected_with_a_report() -> None:
    desk = Desk()
    desk.party().limit("SELL", "65000", "0.1")
    party = desk.party()
    values = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT_MAKER", "quantity": "0.1"}
    assert party.refused("order.place", price="65000", **values) == (
        -2010,
        "Order would immediately match and take.",
    )
    (report,) = party.reports()
    assert (report["x"], report["X"], report["r"]) == (
        "REJECTED",
        "REJECTED",
        "WOULD_MATCH_IMMEDIATELY",
    )
    assert party.ok("order.place", price="64999.99", **values)["orderId"] == 2


def test_market_order_takes_any_price_and_expires_the_rest() -> None:
    desk = Desk()
    maker = desk.party()
    maker.limit("SELL", "65000", "0.1")
    maker.limit("SELL", "66000", "0.1")
    party = desk.party()
    answer = party.market("BUY", quantity="0.3")
    assert answer["status"] == "EXPIRED"
    assert [fill["price"] for fill in answer["fills"]] == ["65000.00000000", "66000.00000000"]
    assert answer["expiryReason"] == "INSUFFICIENT_LIQUIDITY"
    assert party.locked("USDT") == 0


def test_market_buy_by_quote_spends_at_most_that() -> None:
    desk = Desk()
    maker = desk.party()
    maker.limit("SELL", "65000", "0.001")
    maker.limit("SELL", "66000", "1")
    party = desk.party()
    answer = party.market("BUY", quoteOrderQty="100")
    assert answer["status"] == "FILLED"
    assert answer["origQuoteOrderQty"] == "100.00000000"
    assert answer["executedQty"] == "0.00153000"
    assert parse("99") < parse(answer["cummulativeQuoteQty"]) <= parse("100")


def test_market_order_by_quote_on_an_empty_book_is_rejected() -> None:
    party = Desk().party()
    values = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quoteOrderQty": "100"}
    code, msg = party.refused("order.place", **values)
    assert code == -2010
    assert msg == "Order book liquidity is less than symbol minimum quantity."


def test_price_improvement_is_unlocked_at_once() -> None:
    desk = Desk()
    desk.party().limit("SELL", "60000", "0.1")
    party = desk.party()
    party.limit("BUY", "65000", "0.2")
    assert show(party.locked("USDT")) == "6500.00000000"
    assert show(party.free("USDT")) == "9987500.00000000"


# -- rejections ----------------------------------------------------------------------------------


def test_insufficient_balance_is_rejected_with_a_report_and_nothing_changed() -> None:
    party = Desk().party(USDT="100")
    assert party.refused("order.place", **limit("BUY", "60000", "0.01")) == (
        -2010,
        "Account has insufficient balance for requested action.",
    )
    (report,) = party.reports()
    assert (report["x"], report["r"]) == ("REJECTED", "INSUFFICIENT_BALANCES")
    assert show(party.free("USDT")) == "100.00000000"
    assert party.ok("openOrders.status") == []


def test_client_order_id_is_unique_among_open_orders() -> None:
    party = Desk().party()
    order = party.limit("BUY", "60000", "0.01", newClientOrderId="same")
    again = limit("BUY", "60000", "0.01", newClientOrderId="same")
    assert party.refused("order.place", **again) == (-2010, "Duplicate order sent.")
    party.ok("order.cancel", symbol="BTCUSDT", orderId=order["orderId"])
    assert party.ok("order.place", **again)["orderId"] == 2


# -- cancel --------------------------------------------------------------------------------------


def test_cancel_answers_with_both_client_ids_and_unlocks() -> None:
    party = Desk().party()
    party.limit("BUY", "60000", "0.01", newClientOrderId="mine")
    party.events()
    answer = party.ok(
        "order.cancel", symbol="BTCUSDT", origClientOrderId="mine", newClientOrderId="away"
    )
    assert (answer["status"], answer["origClientOrderId"], answer["clientOrderId"]) == (
        "CANCELED",
        "mine",
        "away",
    )
    assert party.locked("USDT") == 0
    report, position = party.events()
    assert (report["x"], report["X"], report["c"], report["C"]) == (
        "CANCELED",
        "CANCELED",
        "away",
        "mine",
    )
    assert position["B"] == [{"a": "USDT", "f": "10000000.00000000", "l": "0.00000000"}]


def test_a_canceled_order_is_found_by_each_name_it_had() -> None:
    party = Desk().party()
    party.limit("BUY", "60000", "0.01", newClientOrderId="mine")
    party.ok("order.cancel", symbol="BTCUSDT", origClientOrderId="mine", newClientOrderId="away")
    for name in ("mine", "away"):
        found = party.ok("order.status", symbol="BTCUSDT", origClientOrderId=name)
        assert (found["status"], found["clientOrderId"]) == ("CANCELED", "away")


@pytest.mark.parametrize("names", [{"orderId": 9}, {"origClientOrderId": "none"}])
def test_unknown_orders_get_the_venues_codes(names: dict[str, Any]) -> None:
    party = Desk().party()
    assert party.refused("order.cancel", symbol="BTCUSDT", **names) == (
        -2011,
        "Unknown order sent.",
    )
    assert party.refused("order.status", symbol="BTCUSDT", **names) == (
        -2013,
        "Order does not exist.",
    )
    assert party.refused("order.amend.keepPriority", symbol="BTCUSDT", newQty="0.1", **names) == (
        -2038,
        "Unknown order sent.",
    )


def test_orders_of_others_are_unknown() -> None:
    desk = Desk()
    order = desk.party().limit("BUY", "60000", "0.01")
    other = desk.party()
    code, _ = other.refused("order.cancel", symbol="BTCUSDT", orderId=order["orderId"])
    assert code == -2011


def test_order_id_and_client_id_must_agree() -> None:
    party = Desk().party()
    order = party.limit("BUY", "60000", "0.01", newClientOrderId="mine")
    names = {"symbol": "BTCUSDT", "orderId": order["orderId"], "origClientOrderId": "other"}
    assert party.refused("order.cancel", **names) == (-2011, "Unknown order sent.")
    amended = party.refused("order.amend.keepPriority", newQty="0.005", **names)
    assert amended == (-2038, "Unknown order sent.")
    assert party.refused("order.status", **names)[0] == -2039


def test_cancel_restrictions() -> None:
    desk = Desk()
    party = desk.party()
    order = party.limit("BUY", "60000", "0.02")
    names = {"symbol": "BTCUSDT", "orderId": order["orderId"]}
    refusal = (-2011, "Order was not canceled due to cancel restrictions.")
    only_partly = {"cancelRestrictions": "ONLY_PARTIALLY_FILLED"}
    assert party.refused("order.cancel", **names, **only_partly) == refusal
    desk.party().limit("SELL", "60000", "0.01")
    assert party.refused("order.cancel", **names, cancelRestrictions="ONLY_NEW") == refusal
    assert party.refused("order.cancel", **names, cancelRestrictions="NONE")[0] == -1145
    assert party.ok("order.cancel", **names, **only_partly)["status"] == "CANCELED"


def test_cancel_all_takes_one_symbol() -> None:
    party = Desk().party()
    party.limit("BUY", "60000", "0.01")
    party.limit("SELL", "70000", "0.01")
    party.ok("order.place", **limit("BUY", "3000", "0.01", symbol="ETHUSDT"))
    answers = party.ok("openOrders.cancelAll", symbol="BTCUSDT")
    assert [answer["status"] for answer in answers] == ["CANCELED", "CANCELED"]
    assert [order["symbol"] for order in party.ok("openOrders.status")] == ["ETHUSDT"]
    assert party.refused("openOrders.cancelAll", symbol="BTCUSDT")[0] == -2011


# -- amend ---------------------------------------------------------------------------------------


def test_amend_lowers_the_quantity_and_keeps_the_place() -> None:
    desk = Desk()
    first, second, taker = desk.party(), desk.party(), desk.party()
    order = first.limit("BUY", "60000", "0.05", newClientOrderId="mine")
    second.limit("BUY", "60000", "0.05")
    first.events()
    answer = first.ok(
        "order.amend.keepPriority",
        symbol="BTCUSDT",
        orderId=order["orderId"],
        newQty="0.02",
        newClientOrderId="mine2",
    )
    assert answer["amendedOrder"]["qty"] == "0.02000000"
    assert answer["amendedOrder"]["origClientOrderId"] == "mine"
    assert answer["amendedOrder"]["clientOrderId"] == "mine2"
    report = first.reports()[0]
    assert (report["x"], report["X"], report["c"], report["C"], report["q"]) == (
        "REPLACED",
        "NEW",
        "mine2",
        "mine",
        "0.02000000",
    )
    assert answer["executionId"] == report["I"]
    assert show(first.locked("USDT")) == "1200.00000000"
    taker.limit("SELL", "60000", "0.02")
    assert first.reports()[-1]["X"] == "FILLED"
    listed = first.ok("order.amendments", symbol="BTCUSDT", orderId=order["orderId"])
    assert (listed[0]["origQty"], listed[0]["newQty"]) == ("0.05000000", "0.02000000")


def test_amend_may_keep_the_client_order_id() -> None:
    party = Desk().party()
    party.limit("BUY", "60000", "0.05", newClientOrderId="mine")
    answer = party.ok(
        "order.amend.keepPriority",
        symbol="BTCUSDT",
        origClientOrderId="mine",
        newClientOrderId="mine",
        newQty="0.02",
    )
    assert answer["amendedOrder"]["clientOrderId"] == "mine"


@pytest.mark.parametrize(
    ("quantity", "refusal"),
    [
        ("0.05", (-2038, "The requested action would change no state; rejecting")),
        ("0.06", (-2038, "Order amend (quantity increase) is not supported.")),
        ("0.000001", (-1013, "Filter failure: LOT_SIZE")),
    ],
)
def test_amend_only_decreases(quantity: str, refusal: tuple[int, str]) -> None:
    party = Desk().party()
    order = party.limit("BUY", "60000", "0.05")
    names = {"symbol": "BTCUSDT", "orderId": order["orderId"]}
    assert party.refused("order.amend.keepPriority", newQty=quantity, **names) == refusal


def test_an_order_is_amended_ten_times_at_most() -> None:
    party = Desk().party()
    order = party.limit("BUY", "60000", "0.05")
    names = {"symbol": "BTCUSDT", "orderId": order["orderId"]}
    for step in range(10):
        party.ok("order.amend.keepPriority", newQty=f"0.{4900 - step:05d}", **names)
    assert party.refused("order.amend.keepPriority", newQty="0.01", **names) == (
        -2038,
        "Filter failure: MAX_NUM_ORDER_AMENDS",
    )


def test_amending_down_to_what_is_filled_expires_the_order() -> None:
    desk = Desk()
    party = desk.party()
    order = party.limit("BUY", "60000", "0.05")
    desk.party().limit("SELL", "60000", "0.02")
    names = {"symbol": "BTCUSDT", "orderId": order["orderId"]}
    answer = party.ok("order.amend.keepPriority", newQty="0.02", **names)
    assert answer["amendedOrder"]["status"] == "EXPIRED"
    assert party.locked("USDT") == 0


# -- self-trade prevention -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "taker_status", "maker_status"),
    [
        ("NONE", "FILLED", "PARTIALLY_FILLED"),
        ("EXPIRE_TAKER", "EXPIRED_IN_MATCH", "NEW"),
        ("EXPIRE_MAKER", "NEW", "EXPIRED_IN_MATCH"),
        ("EXPIRE_BOTH", "EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH"),
        ("DECREMENT", "EXPIRED_IN_MATCH", "NEW"),
        ("TRANSFER", "EXPIRED_IN_MATCH", "NEW"),
    ],
)
def test_self_trade_prevention_modes(mode: str, taker_status: str, maker_status: str) -> None:
    desk = Desk()
    party = desk.party()
    maker = party.limit("SELL", "65000", "0.3")
    taker = party.limit("BUY", "65000", "0.1", selfTradePreventionMode=mode)
    assert taker["status"] == taker_status
    found = party.ok("order.status", symbol="BTCUSDT", orderId=maker["orderId"])
    assert found["status"] == maker_status
    resting = sum(
        parse(order["origQty"]) - parse(order["executedQty"]) - parse(prevented(order))
        for order in party.ok("openOrders.status")
    )
    book = desk.exchange.engine.markets["BTCUSDT"].book
    assert resting == sum(order.open_quantity for order in book.orders.values())
    before = parse("100")
    assert party.free("BTC") + party.locked("BTC") == before - (10**4 if mode == "NONE" else 0)


def prevented(order: dict[str, Any]) -> str:
    return str(order.get("preventedQuantity", "0"))


def test_trade_prevention_report_names_the_counter_order() -> None:
    desk = Desk()
    party = desk.party()
    maker = party.limit("SELL", "65000", "0.3")
    party.events()
    party.limit("BUY", "65000", "0.1", selfTradePreventionMode="EXPIRE_TAKER")
    new, stopped = party.reports()
    assert new["x"] == "NEW"
    assert (stopped["x"], stopped["X"]) == ("TRADE_PREVENTION", "EXPIRED_IN_MATCH")
    assert (stopped["A"], stopped["B"], stopped["U"], stopped["pL"]) == (
        "0.10000000",
        "0.10000000",
        maker["orderId"],
        "65000.00000000",
    )


# -- cancelReplace -------------------------------------------------------------------------------


def replace(order_id: int, mode: str, price: str = "59000", **more: Any) -> dict[str, Any]:
    return limit("BUY", price, "0.01", cancelReplaceMode=mode, cancelOrderId=order_id, **more)


def test_cancel_replace_both_succeed() -> None:
    party = Desk().party()
    order = party.limit("BUY", "60000", "0.01")
    party.events()
    answer = party.ok("order.cancelReplace", **replace(order["orderId"], "STOP_ON_FAILURE"))
    assert (answer["cancelResult"], answer["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    assert answer["cancelResponse"]["status"] == "CANCELED"
    assert answer["newOrderResponse"]["price"] == "59000.00000000"
    assert kinds(party.reports()) == [("CANCELED", "CANCELED"), ("NEW", "NEW")]


@pytest.mark.parametrize(
    ("known", "takes", "mode", "status", "code", "cancel", "new"),
    [
        (False, False, "STOP_ON_FAILURE", 400, -2022, "FAILURE", "NOT_ATTEMPTED"),
        (True, True, "STOP_ON_FAILURE", 409, -2021, "SUCCESS", "FAILURE"),
        (False, False, "ALLOW_FAILURE", 409, -2021, "FAILURE", "SUCCESS"),
        (True, True, "ALLOW_FAILURE", 409, -2021, "SUCCESS", "FAILURE"),
        (False, True, "ALLOW_FAILURE", 400, -2022, "FAILURE", "FAILURE"),
    ],
)
def test_cancel_replace_outcomes(
    known: bool, takes: bool, mode: str, status: int, code: int, cancel: str, new: str
) -> None:
    desk = Desk()
    desk.party().limit("SELL", "65000", "1")
    party = desk.party()
    order = party.limit("BUY", "60000", "0.01")
    values = replace(order["orderId"] if known else 999, mode)
    del values["timeInForce"]
    values |= {"type": "LIMIT_MAKER", "price": "65000" if takes else "59000"}
    reply = party.call("order.cancelReplace", **values)
    assert reply.error is not None
    assert (reply.status, reply.error.code) == (status, code)
    data = reply.error.data
    assert data is not None
    assert (data["cancelResult"], data["newOrderResult"]) == (cancel, new)
    if cancel == "FAILURE":
        assert data["cancelResponse"] == {"code": -2011, "msg": "Unknown order sent."}
    if new == "FAILURE":
        assert data["newOrderResponse"]["code"] == -2010
    if new == "NOT_ATTEMPTED":
        assert data["newOrderResponse"] is None


def test_cancel_replace_checks_filters_before_it_cancels() -> None:
    party = Desk().party()
    order = party.limit("BUY", "60000", "0.01")
    values = replace(order["orderId"], "STOP_ON_FAILURE", price="59000.001")
    assert party.refused("order.cancelReplace", **values)[0] == -1013
    assert len(party.ok("openOrders.status")) == 1


def test_cancel_replace_frees_what_the_old_order_locked() -> None:
    party = Desk().party(USDT="600")
    order = party.limit("BUY", "60000", "0.01")
    answer = party.ok("order.cancelReplace", **replace(order["orderId"], "STOP_ON_FAILURE"))
    assert answer["newOrderResult"] == "SUCCESS"


# -- queries -------------------------------------------------------------------------------------


def test_all_orders_and_my_trades_page_by_id_and_time() -> None:
    desk = Desk()
    desk.party().limit("SELL", "65000", "1")
    party = desk.party()
    for _ in range(5):
        desk.now_ns += 1_000 * MS
        party.limit("BUY", "65000", "0.01")
    orders = party.ok("allOrders", symbol="BTCUSDT")
    assert len(orders) == 5
    third = orders[2]
    later = party.ok("allOrders", symbol="BTCUSDT", orderId=third["orderId"])
    assert later == orders[2:]
    assert party.ok("allOrders", symbol="BTCUSDT", limit=2) == orders[-2:]
    since = party.ok("allOrders", symbol="BTCUSDT", startTime=third["time"], limit=1)
    assert since == [third]
    trades = party.ok("myTrades", symbol="BTCUSDT")
    assert [trade["isMaker"] for trade in trades] == [False] * 5
    assert party.ok("myTrades", symbol="BTCUSDT", orderId=third["orderId"]) == [trades[2]]
    assert party.ok("myTrades", symbol="BTCUSDT", fromId=trades[3]["id"]) == trades[3:]
    far = {"startTime": 1, "endTime": 25 * 3_600_000}
    assert party.refused("myTrades", symbol="BTCUSDT", **far)[0] == -1127


def test_the_oldest_closed_orders_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market, "CLOSED_ORDERS_KEPT", 3)
    party = Desk().party()
    party.limit("BUY", "50000", "0.01", newClientOrderId="stays-open")
    for number in range(5):
        order = party.limit("BUY", "60000", "0.01", newClientOrderId=f"c{number}")
        party.ok("order.cancel", symbol="BTCUSDT", orderId=order["orderId"])
    found = [order["orderId"] for order in party.ok("allOrders", symbol="BTCUSDT")]
    assert found == [1, 4, 5, 6]
    status = {"symbol": "BTCUSDT", "origClientOrderId": "c1"}
    assert party.refused("order.status", **status)[0] == -2013
    assert party.ok("order.status", symbol="BTCUSDT", origClientOrderId="c2")["orderId"] == 4


def test_account_shows_free_and_locked() -> None:
    party = Desk().party(USDT="1000")
    party.limit("BUY", "60000", "0.01")
    account = party.ok("account.status", omitZeroBalances="true")
    assert account["balances"] == [
        {"asset": "USDT", "free": "400.00000000", "locked": "600.00000000"}
    ]
    assert len(party.ok("account.status")["balances"]) == 4


def test_deposits_are_told_as_balance_updates() -> None:
    desk = Desk()
    party = desk.party()
    desk.exchange.engine.deposit(party.account, "BTC", parse("1.5"), desk.now_ns)
    update, position = party.events()
    assert (update["e"], update["a"], update["d"]) == ("balanceUpdate", "BTC", "1.50000000")
    assert position["B"] == [{"a": "BTC", "f": "101.50000000", "l": "0.00000000"}]


# -- conservation --------------------------------------------------------------------------------

commands = st.lists(
    st.tuples(
        st.integers(0, 2),  # party
        st.sampled_from(["LIMIT", "IOC", "FOK", "LIMIT_MAKER", "MARKET", "QUOTE"]),
        st.sampled_from(["BUY", "SELL"]),
        st.integers(64_990, 65_010),  # price
        st.integers(10, 400),  # quantity in 1e-5
        st.sampled_from(
            ["NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER"]
        ),
        st.sampled_from(["", "cancel", "amend", "replace"]),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(commands)
def test_assets_are_conserved_and_locks_are_exact(
    steps: list[tuple[int, str, str, int, int, str, str]],
) -> None:
    desk = Desk()
    parties = [desk.party(BTC="0.02", USDT="1500") for _ in range(3)]
    totals = {asset: desk.total(asset) for asset in ("BTC", "USDT")}
    for number, kind, side, price, size, mode, before in steps:
        party = parties[number]
        opened = party.ok("openOrders.status")
        if opened and before:
            change(party, opened[0], before)
        values: dict[str, Any] = {
            "symbol": "BTCUSDT",
            "side": side,
            "type": kind if kind in {"LIMIT", "LIMIT_MAKER"} else "LIMIT",
            "selfTradePreventionMode": mode,
        }
        if kind in {"MARKET", "QUOTE"}:
            values["type"] = "MARKET"
            if kind == "MARKET":
                values["quantity"] = show(size * 1000)
            else:
                values["quoteOrderQty"] = str(size)
        else:
            values |= {"price": str(price), "quantity": show(size * 1000)}
            if kind != "LIMIT_MAKER":
                values["timeInForce"] = kind if kind in {"IOC", "FOK"} else "GTC"
        party.call("order.place", **values)
        desk.now_ns += 11_000 * MS
        assert {asset: desk.total(asset) for asset in totals} == totals
        for one in parties:
            check_locks(one)


def change(party: Any, order: dict[str, Any], how: str) -> None:
    names = {"symbol": "BTCUSDT", "orderId": order["orderId"]}
    if how == "cancel":
        party.call("order.cancel", **names)
    elif how == "amend":
        party.call("order.amend.keepPriority", newQty=show(parse(order["origQty"]) // 2), **names)
    else:
        party.call("order.cancelReplace", **replace(order["orderId"], "ALLOW_FAILURE"))


def check_locks(party: Any) -> None:
    """What is locked is exactly what open orders need; nothing is below zero."""
    needs = {"BTC": 0, "USDT": 0}
    for order in party.desk.exchange.engine.file(party.account, "BTCUSDT").open.values():
        assert order.executed + order.prevented + order.open_quantity == order.quantity
        if order.side:
            needs["USDT"] += order.price * order.open_quantity // 10**8
        else:
            needs["BTC"] += order.open_quantity
    for asset, need in needs.items():
        assert party.locked(asset) == need
        assert party.free(asset) >= 0


def test_prevented_matches_are_listed_by_their_id_and_by_their_orders() -> None:
    party = Desk().party()
    maker = party.limit("SELL", "60000", "0.02")
    taker = party.limit("BUY", "60000", "0.01", selfTradePreventionMode="DECREMENT")
    [one] = party.ok("myPreventedMatches", symbol="BTCUSDT", preventedMatchId=0)
    assert one | {"transactTime": 0} == {
        "symbol": "BTCUSDT",
        "preventedMatchId": 0,
        "takerOrderId": taker["orderId"],
        "makerSymbol": "BTCUSDT",
        "makerOrderId": maker["orderId"],
        "tradeGroupId": -1,
        "selfTradePreventionMode": "DECREMENT",
        "price": "60000.00000000",
        "takerPreventedQuantity": "0.01000000",
        "makerPreventedQuantity": "0.01000000",
        "transactTime": 0,
    }
    for order in (maker, taker):
        found = party.ok("myPreventedMatches", symbol="BTCUSDT", orderId=order["orderId"])
        assert found == [one]
    assert party.refused("myPreventedMatches", symbol="BTCUSDT")[0] == -1102
    later = {"symbol": "BTCUSDT", "orderId": maker["orderId"], "fromPreventedMatchId": 1}
    assert party.ok("myPreventedMatches", **later) == []
