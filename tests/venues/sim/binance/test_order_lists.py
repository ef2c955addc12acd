"""Order lists: pairs that end one another, orders that wait for others, what is told of them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.venues.sim.binance.driver import Desk, Party, limit
from tests.venues.sim.binance.test_stops import Pit, status, stop
from venues.sim.fixed import notional, show
from venues.sim.order_lists import OCO
from venues.sim.orders import PENDING, Order

SELL_OCO: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "quantity": "0.01",
    "listClientOrderId": "pair",
    "aboveType": "LIMIT_MAKER",
    "abovePrice": "61000",
    "aboveClientOrderId": "gain",
    "belowType": "STOP_LOSS_LIMIT",
    "belowStopPrice": "59000",
    "belowPrice": "58900",
    "belowTimeInForce": "GTC",
    "belowClientOrderId": "loss",
}
BUY_OCO: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "quantity": "0.01",
    "aboveType": "STOP_LOSS",
    "aboveStopPrice": "61000",
    "belowType": "LIMIT_MAKER",
    "belowPrice": "59000",
}
OTO: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "workingType": "LIMIT",
    "workingSide": "BUY",
    "workingPrice": "59000",
    "workingQuantity": "0.01",
    "workingTimeInForce": "GTC",
    "workingClientOrderId": "entry",
    "pendingType": "LIMIT",
    "pendingSide": "SELL",
    "pendingPrice": "62000",
    "pendingQuantity": "0.009",
    "pendingTimeInForce": "GTC",
    "pendingClientOrderId": "exit",
}
OTOCO: dict[str, Any] = {
    **{name: value for name, value in OTO.items() if not name.startswith("pending")},
    "pendingSide": "SELL",
    "pendingQuantity": "0.009",
    "pendingAboveType": "LIMIT_MAKER",
    "pendingAbovePrice": "62000",
    "pendingBelowType": "STOP_LOSS",
    "pendingBelowStopPrice": "58000",
}


def told(party: Party) -> list[tuple[str, ...]]:
    """Return what was told: reports by client id, type and state, lists by type and state."""
    return [
        (one["c"], one["x"], one["X"]) if one["e"] == "executionReport" else (one["l"], one["L"])
        for one in party.events()
        if one["e"] in {"executionReport", "listStatus"}
    ]


def named(party: Party, name: str) -> dict[str, Any]:
    found = party.ok("order.status", symbol="BTCUSDT", origClientOrderId=name)
    assert isinstance(found, dict)
    return found


# -- one cancels the other -----------------------------------------------------------------------


def test_an_oco_is_answered_and_told_as_documented() -> None:
    pit = Pit()
    party = pit.party()
    answer = party.ok("orderList.place.oco", **SELL_OCO)
    assert {name: answer[name] for name in list(answer)[:7]} == {
        "orderListId": 0,
        "contingencyType": "OCO",
        "listStatusType": "EXEC_STARTED",
        "listOrderStatus": "EXECUTING",
        "listClientOrderId": "pair",
        "transactionTime": pit.now_ns // 10**6,
        "symbol": "BTCUSDT",
    }
    assert [one["clientOrderId"] for one in answer["orders"]] == ["loss", "gain"]
    stop, gain = answer["orderReports"]
    assert (stop["type"], stop["stopPrice"], stop["workingTime"]) == (
        "STOP_LOSS_LIMIT", "59000.00000000", -1,
    )  # fmt: skip
    assert (gain["type"], gain["orderListId"], gain["status"]) == ("LIMIT_MAKER", 0, "NEW")
    assert told(party) == [
        ("loss", "NEW", "NEW"), ("gain", "NEW", "NEW"), ("EXEC_STARTED", "EXECUTING"),
    ]  # fmt: skip
    assert show(party.locked("BTC")) == "0.01000000"


def test_the_limit_of_an_oco_that_trades_ends_the_stop() -> None:
    pit = Pit()
    party = pit.party()
    party.ok("orderList.place.oco", **SELL_OCO)
    party.events()
    pit.bid("61000", "0.004")
    assert told(party) == [
        ("loss", "EXPIRED", "EXPIRED"), ("gain", "TRADE", "PARTIALLY_FILLED"),
    ]  # fmt: skip
    assert named(party, "loss")["expiryReason"] == "OCO_TRIGGER"
    assert show(party.locked("BTC")) == "0.00600000"
    pit.bid("61000", "0.006")
    assert told(party) == [("gain", "TRADE", "FILLED"), ("ALL_DONE", "ALL_DONE")]
    assert party.locked("BTC") == 0
    assert party.ok("openOrderLists.status") == []


def test_the_stop_of_an_oco_that_is_reached_ends_the_limit() -> None:
    pit = Pit()
    party = pit.party()
    party.ok("orderList.place.oco", **SELL_OCO)
    party.events()
    pit.trade("59000")
    assert told(party) == [("gain", "EXPIRED", "EXPIRED"), ("loss", "NEW", "NEW")]
    assert named(party, "loss")["isWorking"]
    assert show(party.locked("BTC")) == "0.01000000"


def test_an_oco_that_buys_locks_what_its_dearer_order_needs() -> None:
    pit = Pit()
    party = pit.party()
    party.ok("orderList.place.oco", **BUY_OCO)
    assert show(party.locked("USDT")) == "610.00000000"
    pit.ask("59000", "0.004")
    assert show(party.locked("USDT")) == "354.00000000"


def test_cancelling_one_order_of_a_list_cancels_the_list() -> None:
    party = Pit().party()
    party.ok("orderList.place.oco", **SELL_OCO)
    party.events()
    party.ok("order.cancel", symbol="BTCUSDT", origClientOrderId="gain", newClientOrderId="bye")
    assert told(party) == [
        ("bye", "CANCELED", "CANCELED"), ("bye", "CANCELED", "CANCELED"), ("ALL_DONE", "ALL_DONE"),
    ]  # fmt: skip
    assert party.ok("openOrders.status") == []
    assert party.locked("BTC") == 0


@pytest.mark.parametrize("by", [{"orderListId": 0}, {"listClientOrderId": "pair"}])
def test_a_list_is_cancelled_by_its_id_or_its_name(by: dict[str, Any]) -> None:
    party = Pit().party()
    party.ok("orderList.place.oco", **SELL_OCO)
    answer = party.ok("orderList.cancel", symbol="BTCUSDT", newClientOrderId="bye", **by)
    assert (answer["listStatusType"], answer["listOrderStatus"]) == ("ALL_DONE", "ALL_DONE")
    assert [one["clientOrderId"] for one in answer["orders"]] == ["loss", "gain"]
    reports = answer["orderReports"]
    assert [one["origClientOrderId"] for one in reports] == ["loss", "gain"]
    assert [(one["clientOrderId"], one["status"]) for one in reports] == 2 * [("bye", "CANCELED")]
    again = party.refused("orderList.cancel", symbol="BTCUSDT", **by)
    assert again == (-2011, "Unknown order sent.")


def test_cancelling_everything_names_lists_and_orders() -> None:
    party = Pit().party()
    party.ok("orderList.place.oco", **SELL_OCO)
    party.limit("BUY", "50000", "0.01")
    one, other = party.ok("openOrders.cancelAll", symbol="BTCUSDT")
    assert (one["contingencyType"], len(one["orderReports"])) == ("OCO", 2)
    assert other["status"] == "CANCELED"


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"abovePrice": "59900"}, "The relationship of the prices for the orders is not correct."),
        (
            {"belowStopPrice": "60100"},
            "The relationship of the prices for the orders is not correct.",
        ),
    ],
)
def test_the_orders_of_a_pair_stand_on_either_side_of_the_price(
    change: dict[str, Any], refusal: str
) -> None:
    party = Pit().party()
    assert party.refused("orderList.place.oco", **SELL_OCO | change) == (-2010, refusal)
    assert [(one["x"], one["r"]) for one in party.reports()] == 2 * [("REJECTED", "OCO_BAD_PRICES")]
    assert party.locked("BTC") == 0


@pytest.mark.parametrize(
    ("base", "change", "code"),
    [
        (SELL_OCO, {"belowType": "LIMIT_MAKER"}, -1106),
        (BUY_OCO, {"aboveType": "LIMIT_MAKER", "abovePrice": "61000"}, -1106),
        (SELL_OCO, {"belowType": "TAKE_PROFIT_LIMIT"}, -1199),
        (BUY_OCO, {"aboveType": "TAKE_PROFIT"}, -1198),
        (SELL_OCO, {"aboveType": "STOP_LOSS_LIMIT", "aboveStopPrice": "61000",
                    "aboveTimeInForce": "GTC"}, -1197),
        (BUY_OCO, {"belowType": "STOP_LOSS_LIMIT", "belowStopPrice": "59000",
                   "belowTimeInForce": "GTC"}, -1196),
        (SELL_OCO, {"aboveType": "MARKET"}, -1158),
        (SELL_OCO, {"abovePegPriceType": "PRIMARY_PEG"}, -1013),
        (SELL_OCO, {"belowTimeInForce": None}, -1102),
        (SELL_OCO, {"surprise": "1"}, -1104),
    ],
)  # fmt: skip
def test_a_malformed_pair_gets_the_venues_code(
    base: dict[str, Any], change: dict[str, Any], code: int
) -> None:
    values = {name: value for name, value in (base | change).items() if value is not None}
    assert Pit().party().refused("orderList.place.oco", **values)[0] == code


def test_two_limits_make_no_pair() -> None:
    values = {
        "symbol": "BTCUSDT", "side": "SELL", "quantity": "0.01", "aboveType": "LIMIT_MAKER",
        "abovePrice": "61000", "belowType": "LIMIT_MAKER", "belowPrice": "59000",
    }  # fmt: skip
    assert Pit().party().refused("orderList.place.oco", **values)[0] == -1168


def test_the_deprecated_form_places_the_same_pair() -> None:
    party = Pit().party()
    values = {
        "symbol": "BTCUSDT", "side": "SELL", "quantity": "0.01", "price": "61000",
        "limitClientOrderId": "gain", "stopPrice": "59000", "stopLimitPrice": "58900",
        "stopLimitTimeInForce": "GTC", "stopClientOrderId": "loss",
    }  # fmt: skip
    answer = party.ok("orderList.place", **values)
    assert [one["type"] for one in answer["orderReports"]] == ["STOP_LOSS_LIMIT", "LIMIT_MAKER"]
    del values["stopLimitPrice"], values["stopLimitTimeInForce"]
    values |= {"limitClientOrderId": "gain2", "stopClientOrderId": "loss2"}
    answer = party.ok("orderList.place", **values)
    assert [one["type"] for one in answer["orderReports"]] == ["STOP_LOSS", "LIMIT_MAKER"]


def test_amending_one_order_of_a_pair_amends_both() -> None:
    party = Pit().party()
    party.ok("orderList.place.oco", **SELL_OCO)
    party.events()
    answer = party.ok(
        "order.amend.keepPriority",
        symbol="BTCUSDT", origClientOrderId="gain", newClientOrderId="less", newQty="0.005",
    )  # fmt: skip
    assert answer["listStatus"]["orderListId"] == 0
    assert told(party) == [
        ("less", "REPLACED", "NEW"), ("loss", "REPLACED", "NEW"), ("UPDATED", "EXECUTING"),
    ]  # fmt: skip
    assert named(party, "loss")["origQty"] == "0.00500000"
    assert show(party.locked("BTC")) == "0.00500000"


# -- one triggers the other ----------------------------------------------------------------------


def test_the_second_order_of_an_oto_waits_until_the_first_is_filled() -> None:
    pit = Pit()
    party = pit.party()
    answer = party.ok("orderList.place.oto", **OTO)
    assert [(one["status"], one["workingTime"] == -1) for one in answer["orderReports"]] == [
        ("NEW", False), ("PENDING_NEW", True),
    ]  # fmt: skip
    assert party.locked("BTC") == 0
    pit.ask("59000", "0.004")
    assert named(party, "exit")["status"] == "PENDING_NEW"
    party.events()
    pit.ask("59000", "0.006")
    assert told(party) == [
        ("entry", "TRADE", "FILLED"), ("exit", "NEW", "NEW"), ("EXEC_STARTED", "EXECUTING"),
    ]  # fmt: skip
    assert show(party.locked("BTC")) == "0.00900000"
    pit.bid("62000")
    assert told(party)[-1] == ("ALL_DONE", "ALL_DONE")


def test_a_first_order_that_fills_at_once_is_answered_before_the_second_begins() -> None:
    pit = Pit()
    party = pit.party()
    pit.ask("58000", "0.02")
    answer = party.ok("orderList.place.oto", **OTO)
    assert [one["status"] for one in answer["orderReports"]] == ["FILLED", "PENDING_NEW"]
    assert named(party, "exit")["status"] == "NEW"


def test_a_first_order_that_expires_takes_the_second_along() -> None:
    party = Pit().party()
    answer = party.ok("orderList.place.oto", **OTO | {"workingTimeInForce": "IOC"})
    assert answer["orderReports"][0]["status"] == "EXPIRED"
    assert named(party, "exit")["expiryReason"] == "OTO_PHASE_ONE_EXPIRED"
    assert told(party)[-1] == ("ALL_DONE", "ALL_DONE")


def test_a_second_order_that_cannot_be_paid_expires() -> None:
    pit = Pit()
    party = pit.party(USDT="600")
    party.ok("orderList.place.oto", **OTO | {"pendingQuantity": "0.02"})
    pit.ask("59000", "0.01")
    ended = named(party, "exit")
    assert (ended["status"], ended["expiryReason"]) == ("EXPIRED", "REJECTED")
    assert told(party)[-1] == ("ALL_DONE", "ALL_DONE")


def test_cancelling_the_second_order_cancels_the_first() -> None:
    party = Pit().party()
    party.ok("orderList.place.oto", **OTO)
    party.ok("order.cancel", symbol="BTCUSDT", origClientOrderId="exit")
    assert named(party, "entry")["status"] == "CANCELED"
    assert party.locked("USDT") == 0


def test_an_otoco_unleashes_a_pair() -> None:
    pit = Pit()
    party = pit.party()
    answer = party.ok("orderList.place.otoco", **OTOCO)
    assert [one["status"] for one in answer["orderReports"]] == ["NEW", *2 * ["PENDING_NEW"]]
    pit.ask("59000", "0.01")
    stop, gain = (status(party, one) for one in answer["orderReports"][1:])
    assert (stop["type"], stop["isWorking"], gain["isWorking"]) == ("STOP_LOSS", False, True)
    pit.bid("57000")
    pit.trade("58000")
    stop, gain = (status(party, one) for one in answer["orderReports"][1:])
    assert (stop["status"], gain["expiryReason"]) == ("FILLED", "OCO_TRIGGER")
    assert told(party)[-1] == ("ALL_DONE", "ALL_DONE")
    assert party.ok("account.rateLimits.orders")[0]["count"] == 0


def test_a_list_counts_as_many_orders_as_it_has() -> None:
    party = Pit().party()
    party.ok("orderList.place.otoco", **OTOCO)
    assert party.ok("account.rateLimits.orders")[0]["count"] == 3


# -- queries -------------------------------------------------------------------------------------


def test_lists_are_found_by_id_name_and_time() -> None:
    party = Pit().party()
    assert party.ok("openOrderLists.status") == []
    assert party.ok("allOrderLists") == []
    first = party.ok("orderList.place.oco", **SELL_OCO)
    second = party.ok("orderList.place.oto", **OTO)
    assert [one["orderListId"] for one in party.ok("allOrderLists")] == [0, 1]
    assert [one["orderListId"] for one in party.ok("allOrderLists", fromId=1)] == [1]
    by_id = party.ok("orderList.status", orderListId=first["orderListId"])
    assert by_id == party.ok("orderList.status", origClientOrderId="pair")
    assert by_id["orders"] == first["orders"]
    party.ok("orderList.cancel", symbol="BTCUSDT", orderListId=0)
    open_ones = [one["orderListId"] for one in party.ok("openOrderLists.status")]
    assert open_ones == [second["orderListId"]]
    assert party.ok("orderList.status", orderListId=0)["listOrderStatus"] == "ALL_DONE"
    assert party.refused("orderList.status", orderListId=7)[0] == -2013
    assert party.refused("orderList.status")[0] == -1102
    assert party.refused("allOrderLists", fromId=0, startTime=1)[0] == -1128


def test_names_are_unique_among_open_lists_and_orders() -> None:
    party = Pit().party()
    party.ok("orderList.place.oco", **SELL_OCO)
    duplicate = (-2010, "Duplicate order sent.")
    assert party.refused("orderList.place.oco", **SELL_OCO) == duplicate
    other = SELL_OCO | {"listClientOrderId": "other"}
    assert party.refused("orderList.place.oco", **other) == duplicate
    single = limit("SELL", "62000", "0.01", newClientOrderId="gain")
    assert party.refused("order.place", **single) == duplicate


# -- conservation --------------------------------------------------------------------------------

MODES = ("NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "DECREMENT")
steps = st.lists(
    st.tuples(
        st.integers(0, 2),  # party
        st.sampled_from(
            ["LIMIT", "MARKET", "ICEBERG", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT",
             "TAKE_PROFIT_LIMIT", "TRAIL", "OCO", "OTO", "OTOCO", "cancel", "amend"]
        ),
        st.booleans(),  # whether it buys
        st.integers(-10, 10),  # price off 65,000
        st.integers(10, 400),  # quantity in 1e-5
        st.sampled_from(MODES),
    ),
    max_size=40,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(steps)
def test_whatever_is_placed_assets_are_conserved_and_locks_are_exact(
    taken: list[tuple[int, str, bool, int, int, str]],
) -> None:
    desk = Desk()
    parties = [desk.party(BTC="0.05", USDT="3000") for _ in range(3)]
    totals = {asset: desk.total(asset) for asset in ("BTC", "USDT")}
    for number, what, buys, off, size, mode in taken:
        act(parties[number], what, buys, off, show(size * 1000), mode)
        desk.now_ns += 11 * 10**9
        assert {asset: desk.total(asset) for asset in totals} == totals
        for party in parties:
            check_locks(party)


def act(party: Party, what: str, buys: bool, off: int, quantity: str, mode: str) -> None:
    """Do one thing; being refused is fine."""
    side, other = ("BUY", "SELL") if buys else ("SELL", "BUY")
    price, above, below = (str(65_000 + off + more) for more in (0, 5, -5))
    base = {"symbol": "BTCUSDT", "selfTradePreventionMode": mode}
    entry = {
        "workingType": "LIMIT", "workingSide": side, "workingPrice": price,
        "workingQuantity": quantity, "workingTimeInForce": "GTC",
        "pendingSide": other, "pendingQuantity": quantity,
    }  # fmt: skip
    if what in {"cancel", "amend"}:
        for order in party.ok("openOrders.status")[:1]:
            names = {"symbol": "BTCUSDT", "orderId": order["orderId"]}
            if what == "cancel":
                party.ok("order.cancel", **names)
            else:
                party.call("order.amend.keepPriority", newQty=quantity, **names)
    elif what == "OCO":
        high, low = ("STOP_LOSS", "LIMIT_MAKER") if buys else ("LIMIT_MAKER", "STOP_LOSS")
        legs = {
            "aboveType": high, "aboveStopPrice" if buys else "abovePrice": above,
            "belowType": low, "belowPrice" if buys else "belowStopPrice": below,
        }  # fmt: skip
        party.call("orderList.place.oco", side=side, quantity=quantity, **base, **legs)
    elif what == "OTO":
        more = {"pendingType": "LIMIT", "pendingPrice": above, "pendingTimeInForce": "GTC"}
        party.call("orderList.place.oto", **base, **entry, **more)
    elif what == "OTOCO":
        high, low = ("LIMIT_MAKER", "STOP_LOSS") if buys else ("STOP_LOSS", "LIMIT_MAKER")
        above_name, below_name = ("Price", "StopPrice") if buys else ("StopPrice", "Price")
        legs = {
            "pendingAboveType": high, f"pendingAbove{above_name}": above,
            "pendingBelowType": low, f"pendingBelow{below_name}": below,
        }  # fmt: skip
        party.call("orderList.place.otoco", **base, **entry, **legs)
    elif what == "MARKET":
        party.call("order.place", side=side, type=what, quantity=quantity, **base)
    elif what in {"LIMIT", "ICEBERG"}:
        tip = {"icebergQty": "0.00020"} if what == "ICEBERG" else {}
        party.call("order.place", **limit(side, price, quantity, **tip) | base)
    else:
        kind = "STOP_LOSS" if what == "TRAIL" else what
        when = {"trailingDelta": 10} if what == "TRAIL" else {"stopPrice": price}
        limited = {"price": above} if kind.endswith("LIMIT") else {}
        party.call("order.place", **stop(kind, side, quantity=quantity, **when, **limited) | base)


def check_locks(party: Party) -> None:
    """What is locked is exactly what open orders need, a pair once; nothing is below zero."""
    engine = party.desk.exchange.engine
    needs = {"BTC": 0, "USDT": 0}
    seen: set[int] = set()
    for order in engine.file(party.account, "BTCUSDT").open.values():
        assert order.executed + order.prevented + order.left == order.quantity
        if order.status == PENDING or order.order_id in seen:
            continue
        group = [order]
        one = engine.list_of(order)
        if one is not None:
            pair = one.orders if one.contingency == OCO else one.orders[1:]
            group = [each for each in pair if each.is_open] if order in pair else [order]
        seen |= {each.order_id for each in group}
        needs["USDT" if order.side else "BTC"] += max(need(each) for each in group)
    for asset, amount in needs.items():
        assert party.locked(asset) == amount
        assert party.free(asset) >= 0


def need(order: Order) -> int:
    if not order.side:
        return order.left
    assert order.lock_price is not None  # nothing at the market is open between requests
    return notional(order.lock_price, order.left)
