"""Orders over WebSockets: placed, amended, cancelled, filled, and what is said of them."""

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.venues.sim.kraken.driver import MS, SECOND, Trader, World
from venues.sim.actions import Deposit, SetStatus
from venues.sim.fixed import ONE, parse
from venues.sim.kraken.actions import SetSystem, SetTier
from venues.sim.kraken.limits import Tier
from venues.sim.kraken.numbers import stamp
from venues.sim.ledger import DEFAULT_KEY
from venues.sim.matching import SELL


def market() -> tuple[World, Trader]:
    """Return a world with a bid at 100 and an ask at 110, and a trader."""
    world = World()
    world.quote("buy", "100.0", "5")
    world.quote("sell", "110.0", "5")
    return world, Trader(world)


def kinds(trader: Trader) -> list[tuple[str, str]]:
    return [(one["exec_type"], one["order_status"]) for one in trader.reports()]


# -- placing -----------------------------------------------------------------------------------


def test_an_order_is_pending_then_new() -> None:
    _, trader = market()
    placed = trader.limit("sell", 26500.0, 0.005, order_userref=3)
    assert set(placed) == {"order_id", "order_userref"}
    pending, new = trader.reports()
    # The fields of the documented examples (executions, Pending and Live Order).
    assert {
        "order_id", "order_userref", "symbol", "order_qty", "cum_cost", "time_in_force",
        "exec_type", "side", "order_type", "limit_price_type", "limit_price", "order_status",
        "fee_usd_equiv", "fee_ccy_pref", "timestamp",
    } <= set(pending)  # fmt: skip
    assert set(new) == {"timestamp", "order_status", "exec_type", "order_userref", "order_id"}
    assert kinds(trader) == [("pending_new", "pending_new"), ("new", "new")]
    assert (str(pending["limit_price"]), str(pending["order_qty"])) == ("26500.0", "0.00500000")


# Reports as public clients recorded them of the venue: in what order its fields stand it leaves
# open, which it sends and with how many decimals it does not.
RECORDED = {
    "pending_new": """{"order_id":"OVN7VD-7VYHS-APBKHA","symbol":"BTC/USDT","order_qty":0.00010000,
        "cum_cost":0.00000,"time_in_force":"GTC","exec_type":"pending_new","side":"buy",
        "order_type":"limit","cl_ord_id":"b17c7bb34d000200","limit_price_type":"static",
        "limit_price":80000.0,"stop_price":0.0,"order_status":"pending_new","fee_usd_equiv":0.0000,
        "fee_ccy_pref":"fciq","timestamp":"2026-01-22T06:06:19.833306Z"}""",
    "new": """{"timestamp":"2026-01-22T06:06:19.833306Z","order_status":"new","exec_type":"new",
        "cl_ord_id":"b17c7bb34d000200","order_id":"OVN7VD-7VYHS-APBKHA"}""",
    "amended": """{"timestamp":"2026-01-22T06:06:27.552281Z","exec_type":"amended",
        "order_status":"new","cum_qty":0.00000000,"reason":"User requested","amended":true,
        "order_qty":0.00010000,"limit_price":81818.0,"limit_price_type":"static",
        "cl_ord_id":"b17c7bb34d000200","order_id":"OVN7VD-7VYHS-APBKHA"}""",
    "canceled": """{"timestamp":"2026-01-22T06:06:36.039852Z","order_status":"canceled",
        "exec_type":"canceled","cum_qty":0.00000000,"cum_cost":0.00000,"fee_usd_equiv":0.0000,
        "avg_price":0.0,"cl_ord_id":"b17c7bb34d000200","cancel_reason":"User requested",
        "reason":"User requested","order_id":"OVN7VD-7VYHS-APBKHA"}""",
}


def decimals(report: dict[str, Any]) -> dict[str, int]:
    numbers = {name: value for name, value in report.items() if isinstance(value, Decimal)}
    return {name: -int(value.as_tuple().exponent) for name, value in numbers.items()}


def test_reports_have_the_recorded_fields_and_decimals() -> None:
    _, trader = market()
    trader.limit("buy", 90.0, 0.5, cl_ord_id="mine")
    trader.ok("amend_order", cl_ord_id="mine", limit_price=91.0, token=trader.token)
    trader.ok("cancel_order", cl_ord_id=["mine"], token=trader.token)
    for report in trader.reports():
        recorded = json.loads(RECORDED[report["exec_type"]], parse_float=Decimal)
        assert set(report) == set(recorded)
        assert decimals(report) == decimals(recorded)


def test_a_whole_fill_is_a_trade_and_then_filled() -> None:
    _, trader = market()
    trader.limit("sell", 100.0, 0.5, cl_ord_id="mine")
    *_, trade, filled = trader.reports()
    assert {
        "order_id", "exec_id", "exec_type", "trade_id", "symbol", "side", "last_qty", "last_price",
        "liquidity_ind", "cost", "order_type", "timestamp", "order_status", "cum_qty", "cum_cost",
        "avg_price", "fee_usd_equiv", "fees",
    } <= set(trade)  # fmt: skip
    assert (trade["order_status"], trade["liquidity_ind"]) == ("partially_filled", "t")
    assert [(fee["asset"], str(fee["qty"])) for fee in trade["fees"]] == [("USD", "0.05000")]
    assert (filled["exec_type"], filled["order_status"]) == ("filled", "filled")
    assert (filled["cl_ord_id"], str(filled["cum_qty"])) == ("mine", "0.50000000")


def test_who_waited_is_told_that_it_made_the_price() -> None:
    world, trader = market()
    trader.limit("sell", 105.0, 0.5)
    world.quote("buy", "105.0", "0.5")
    assert [one.get("liquidity_ind") for one in trader.reports()] == [None, None, "m", None]


def test_executions_and_balances_count_their_messages_from_one() -> None:
    _, trader = market()
    trader.ok("subscribe", channel="balances", token=trader.token)
    trader.limit("sell", 100.0, 0.5)
    trader.limit("buy", 90.0, 0.5)
    for channel in ("executions", "balances"):
        numbers = [one["sequence"] for one in trader.on(channel)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert trader.on(channel)[0]["type"] == "snapshot"


def test_a_sale_moves_two_balances_with_one_reference() -> None:
    _, trader = market()
    trader.ok("subscribe", channel="balances", token=trader.token)
    trader.limit("sell", 100.0, 0.5)
    [base], [quote] = [one["data"] for one in trader.on("balances")[1:]]
    assert base["ref_id"] == quote["ref_id"] == trader.reports()[2]["exec_id"]
    assert (base["asset"], str(base["amount"]), str(base["balance"])) == ("BTC", "-0.5", "99.5")
    assert (quote["asset"], str(quote["amount"]), str(quote["fee"])) == ("USD", "50.0", "0.05")
    assert str(quote["balance"]) == "10000049.95"
    assert set(base) == {
        "ledger_id", "ref_id", "timestamp", "type", "asset", "asset_class", "category",
        "wallet_type", "wallet_id", "amount", "fee", "balance",
    }  # fmt: skip


def test_a_deposit_is_told() -> None:
    world, trader = market()
    trader.ok("subscribe", channel="balances", token=trader.token)
    deposit = Deposit(api_key=DEFAULT_KEY, asset="BTC", amount="0.01")
    world.venue.perform(deposit, world.now_ns)
    [entry] = trader.on("balances")[-1]["data"]
    assert (entry["type"], str(entry["amount"]), str(entry["balance"])) == (
        "deposit",
        "0.01",
        "100.01",
    )


def test_a_buyer_pays_its_fee_in_the_quote_currency_and_holds_it_before() -> None:
    world, trader = market()
    trader.limit("buy", 90.0, 1.0)
    held = world.result("BalanceEx")["ZUSD"]["hold_trade"]
    assert held == "90.0900"
    trader.ok("cancel_all", token=trader.token)
    trader.limit("buy", 110.0, 1.0)
    balances = world.account.balances
    assert (balances["USD"].free, balances["USD"].locked) == (parse("9999889.89"), 0)
    assert balances["BTC"].free == 101 * ONE


def test_nothing_is_made_or_lost_by_fills_and_fees() -> None:
    world = World(rate=2_000, seed=3)
    trader = Trader(world)
    engine = world.venue.exchange.engine

    def total(asset: str) -> int:
        return sum(
            a.balance(asset).free + a.balance(asset).locked for a in engine.accounts.values()
        )

    before = {asset: total(asset) for asset in ("BTC", "USD")}
    for step in range(40):
        world.run(0.05)
        best = engine.markets["BTC/USD"].book.best()
        price = (best.ask if step % 2 else best.bid) / ONE
        trader.limit("buy" if step % 2 else "sell", price, round(0.0123 + step / 1e4, 4))
    assert len([one for one in trader.reports() if one["exec_type"] == "trade"]) > 40
    assert {asset: total(asset) for asset in before} == before
    assert all(b.free >= 0 and b.locked >= 0 for b in world.account.balances.values())


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"symbol": "XBT/USD"}, "EQuery:Unknown asset pair"),
        ({"order_qty": 1000.0, "limit_price": 120.0, "side": "sell"}, "EOrder:Insufficient funds"),
        ({"order_qty": 0.00001}, "EOrder:Order minimum not met"),
        ({"order_qty": 0.001, "limit_price": 90.0}, "EOrder:Cost minimum not met"),
        ({"limit_price": 90.05}, "EOrder:Tick size check failed"),
        ({"limit_price": 10_000_000.0}, "EOrder:Invalid price"),
        ({"limit_price": None}, "EGeneral:Invalid arguments:limit_price"),
        ({"limit_price": "90"}, "Limit_price field must be a number_float"),
        ({"limit_price": -1}, "EGeneral:Invalid arguments:limit_price"),
        ({"limit_price": True}, "EGeneral:Invalid arguments:limit_price"),
        ({"order_qty": 0.123456789}, "EGeneral:Invalid arguments:order_qty"),
        ({"side": "both"}, "EGeneral:Invalid arguments:side"),
        ({"order_type": "trailing-stop"}, "EGeneral:Invalid arguments:order_type"),
        ({"order_type": "stop-loss"}, "EGeneral:Invalid arguments:triggers"),
        ({"time_in_force": "day"}, "EGeneral:Invalid arguments:time_in_force"),
        ({"time_in_force": "ioc", "post_only": True}, "EGeneral:Invalid arguments:post_only"),
        ({"time_in_force": "gtd"}, "EGeneral:Invalid arguments:expire_time"),
        ({"margin": True}, "EGeneral:Invalid arguments:margin"),
        ({"cl_ord_id": "nineteen characters"}, "EGeneral:Invalid arguments:cl_ord_id"),
        ({"order_userref": 2**31}, "EGeneral:Invalid arguments:order_userref"),
        ({"display_qty": 0.1}, "EGeneral:Invalid arguments:display_qty"),
        ({"price": 90.0}, "Unsupported field: 'price' for the given msg type: add order"),
    ],
)  # fmt: skip
def test_an_order_is_refused_in_the_venue_s_words(changed: dict[str, Any], error: str) -> None:
    _, trader = market()
    order = trader.order("buy", 90.0, 0.5) | changed
    asked = {name: value for name, value in order.items() if value is not None}
    assert trader.refused("add_order", **asked) == error
    assert trader.reports() == []


@pytest.mark.parametrize(
    "name",
    ["short", "x" * 18, "0123456789abcdef0123456789ABCDEF", "6d1b345e-2821-40e2-ad83-4ecb18a06876"],
)
def test_a_client_id_is_a_uuid_or_eighteen_characters(name: str) -> None:
    world, trader = market()
    order_id = trader.limit("buy", 90.0, 0.5, cl_ord_id=name)["order_id"]
    assert list(world.result("OpenOrders", cl_ord_id=name)["open"]) == [order_id]


def test_a_client_id_is_taken_while_its_order_is_open() -> None:
    _, trader = market()
    trader.limit("buy", 90.0, 0.5, cl_ord_id="mine")
    again = trader.order("buy", 89.0, 0.5) | {"cl_ord_id": "mine"}
    assert trader.refused("add_order", **again).startswith("EGeneral:Invalid arguments:cl_ord_id")
    trader.ok("cancel_order", cl_ord_id=["mine"], token=trader.token)
    assert trader.ok("add_order", **again)["cl_ord_id"] == "mine"


def test_a_post_only_order_that_would_take_is_accepted_and_cancelled() -> None:
    _, trader = market()
    trader.limit("buy", 110.0, 0.5, post_only=True)
    *_, canceled = trader.reports()
    assert canceled["exec_type"] == "canceled"
    assert "Post only" in canceled["reason"]


def test_ioc_takes_what_is_there_and_cancels_the_rest() -> None:
    _, trader = market()
    trader.limit("buy", 110.0, 6.0, time_in_force="ioc")
    assert [kind for kind, _ in kinds(trader)] == ["pending_new", "new", "trade", "canceled"]


def test_gtd_expires_by_itself() -> None:
    world, trader = market()
    expire_time = stamp(world.now_ns + 5 * SECOND)
    trader.limit("buy", 90.0, 0.5, time_in_force="gtd", expire_time=expire_time)
    world.run(4, step_ms=100)
    assert kinds(trader)[-1] == ("new", "new")
    world.run(2, step_ms=100)
    assert kinds(trader)[-1] == ("expired", "expired")


def test_gtd_ends_within_a_month() -> None:
    world, trader = market()
    order = trader.order("buy", 90.0, 0.5) | {"time_in_force": "gtd"}
    for days, error in ((32, "EGeneral:Invalid arguments:expire_time"), (30, None)):
        expire_time = stamp(world.now_ns + days * 86_400 * SECOND)
        answer = trader.ask("add_order", **order, expire_time=expire_time)[0]
        assert answer.get("error") == error


def test_a_stop_waits_is_told_of_when_it_triggers_and_trades() -> None:
    _, trader = market()
    trader.ok(
        "add_order", order_type="stop-loss", side="sell", order_qty=0.5, symbol="BTC/USD",
        triggers={"reference": "last", "price": 101.0, "price_type": "static"}, token=trader.token,
    )  # fmt: skip
    assert trader.reports()[0]["triggers"]["status"] == "untriggered"
    trader.limit("sell", 100.0, 0.1)
    told = [(one["exec_type"], one.get("triggers", {}).get("status")) for one in trader.reports()]
    assert ("status", "triggered") in told
    assert told[-1] == ("filled", None)


def test_a_market_order_may_name_what_it_spends() -> None:
    _, trader = market()
    trader.ok(
        "add_order", order_type="market", side="buy", cash_order_qty=55.0, symbol="BTC/USD",
        token=trader.token,
    )  # fmt: skip
    assert str(trader.reports()[-1]["cum_cost"]) == "55.00000"


def test_an_iceberg_shows_a_part_of_itself() -> None:
    world, trader = market()
    trader.ok(
        "add_order", order_type="iceberg", side="buy", order_qty=1.0, display_qty=0.1,
        limit_price=105.0, symbol="BTC/USD", token=trader.token,
    )  # fmt: skip
    assert world.public("Depth", pair="XBTUSD")["result"]["XXBTZUSD"]["bids"][0][1] == "0.100"


def test_an_iceberg_shows_at_least_a_fifteenth() -> None:
    _, trader = market()
    order = trader.order("buy", 90.0, 1.5) | {"order_type": "iceberg"}
    error = trader.refused("add_order", **order, display_qty=0.0999)
    assert error == "EGeneral:Invalid arguments:display_qty"
    assert trader.ok("add_order", **order, display_qty=0.1)


def test_orders_of_one_account_never_trade_with_each_other() -> None:
    _, trader = market()
    trader.limit("buy", 105.0, 0.5)
    trader.limit("sell", 105.0, 0.5)
    last = trader.reports()[-1]
    assert (last["exec_type"], last["reason"]) == ("canceled", "Self trade prevention")


def test_validate_places_nothing() -> None:
    world, trader = market()
    assert trader.ok("add_order", **trader.order("buy", 90.0, 0.5), validate=True) == {}
    assert world.result("OpenOrders") == {"open": {}}


# -- deadlines ---------------------------------------------------------------------------------


def test_an_order_that_is_executed_after_its_deadline_is_refused() -> None:
    world, trader = market()
    world.fault("late", delay_ms=1_500, times=1)
    order = trader.order("buy", 90.0, 0.5)
    deadline = stamp(world.now_ns + SECOND)
    assert trader.ask("add_order", **order, deadline=deadline) == []
    world.run(2)
    assert trader.heard[-1]["error"] == "EService:Deadline elapsed"


def test_without_a_deadline_an_order_may_be_five_seconds_late() -> None:
    for seconds, accepted in ((4, True), (6, False)):
        world, trader = market()
        world.fault("late", delay_ms=seconds * 1_000, times=1)
        trader.ask("add_order", **trader.order("buy", 90.0, 0.5))
        world.run(7, step_ms=100)
        [answer] = [one for one in trader.heard if one.get("method") == "add_order"]
        assert answer["success"] is accepted


def test_a_deadline_more_than_a_minute_away_is_refused() -> None:
    world, trader = market()
    order = trader.order("buy", 90.0, 0.5)
    error = trader.refused("add_order", **order, deadline=stamp(world.now_ns + 61 * SECOND))
    assert error == "EGeneral:Invalid arguments:deadline"


# -- amending ----------------------------------------------------------------------------------


def test_an_amend_changes_price_and_size_and_keeps_the_ids() -> None:
    world, trader = market()
    order_id = trader.limit("buy", 90.0, 0.5, cl_ord_id="mine")["order_id"]
    amended = trader.ok(
        "amend_order", cl_ord_id="mine", limit_price=91.0, order_qty=0.7, token=trader.token
    )
    assert set(amended) == {"amend_id", "cl_ord_id"}
    report = trader.reports()[-1]
    assert (report["exec_type"], report["amended"], report["order_id"]) == (
        "amended",
        True,
        order_id,
    )
    shown = world.result("OpenOrders")["open"][order_id]
    assert (shown["descr"]["price"], shown["vol"], shown["misc"]) == (
        "91.0",
        "0.70000000",
        "amended",
    )
    held = world.result("BalanceEx")["ZUSD"]["hold_trade"]
    assert held == "63.7637"


def test_an_amend_to_less_keeps_the_place_in_the_queue_and_one_to_more_loses_it() -> None:
    for quantity, first in ((0.4, True), (0.6, False)):
        world, trader = market()
        trader.limit("buy", 105.0, 0.5, cl_ord_id="mine")
        world.quote("buy", "105.0", "1")
        trader.ok("amend_order", cl_ord_id="mine", order_qty=quantity, token=trader.token)
        engine = world.venue.engine
        book = engine.markets["BTC/USD"]
        engine.house_order(book, SELL, 105 * ONE, ONE // 10, world.now_ns, rest=False)
        world.venue.advance(world.now_ns)
        assert (trader.reports()[-1]["exec_type"] == "trade") is first


def test_an_amend_into_the_market_trades() -> None:
    _, trader = market()
    trader.limit("buy", 90.0, 0.5, cl_ord_id="mine")
    trader.ok("amend_order", cl_ord_id="mine", limit_price=110.0, token=trader.token)
    assert [kind for kind, _ in kinds(trader)][-3:] == ["amended", "trade", "filled"]


def test_an_amend_that_must_not_take_is_refused_and_changes_nothing() -> None:
    world, trader = market()
    trader.limit("buy", 90.0, 0.5, cl_ord_id="mine")
    error = trader.refused(
        "amend_order", cl_ord_id="mine", limit_price=110.0, post_only=True, token=trader.token
    )
    assert error == "EOrder:Post only order"
    [shown] = world.result("OpenOrders")["open"].values()
    assert shown["descr"]["price"] == "90.0"


def test_an_amend_below_what_is_filled_cancels_the_rest() -> None:
    _, trader = market()
    trader.limit("buy", 110.0, 6.0, cl_ord_id="mine")
    trader.ok("amend_order", cl_ord_id="mine", order_qty=4.0, token=trader.token)
    last = trader.reports()[-1]
    assert (last["exec_type"], str(last["cum_qty"])) == ("canceled", "5.00000000")


def test_an_amend_without_the_money_is_refused_and_changes_nothing() -> None:
    world, trader = market()
    trader.limit("buy", 90.0, 0.5, cl_ord_id="mine")
    error = trader.refused("amend_order", cl_ord_id="mine", order_qty=200_000.0, token=trader.token)
    assert error == "EOrder:Insufficient funds"
    assert world.result("BalanceEx")["ZUSD"]["hold_trade"] == "45.0450"


def test_what_is_not_open_cannot_be_amended() -> None:
    _, trader = market()
    for named in ({"order_id": "OAAAAA-BBBBB-CCCCCC"}, {"cl_ord_id": "nobody"}):
        error = trader.refused("amend_order", order_qty=1.0, token=trader.token, **named)
        assert error == "EOrder:Unknown order"


def test_an_edit_ends_the_order_and_places_another() -> None:
    world, trader = market()
    order_id = trader.limit("buy", 90.0, 0.5)["order_id"]
    edited = trader.ok(
        "edit_order", order_id=order_id, limit_price=91.0, symbol="BTC/USD", token=trader.token
    )
    assert edited["original_order_id"] == order_id != edited["order_id"]
    assert list(world.result("OpenOrders")["open"]) == [edited["order_id"]]


def test_an_edit_places_what_is_left() -> None:
    world, trader = market()
    order_id = trader.limit("sell", 105.0, 0.5)["order_id"]
    world.quote("buy", "105.0", "0.2")
    edit = {"order_id": order_id, "symbol": "BTC/USD", "token": trader.token}
    error = trader.refused("edit_order", **edit, order_qty=0.1)
    assert error == "EGeneral:Invalid arguments:order_qty"
    new_id = trader.ok("edit_order", **edit, order_qty=0.6)["order_id"]
    assert world.result("OpenOrders")["open"][new_id]["vol"] == "0.40000000"


# -- cancelling --------------------------------------------------------------------------------


def test_a_cancel_of_several_is_answered_one_by_one() -> None:
    _, trader = market()
    ids = [trader.limit("buy", 90.0, 0.5)["order_id"] for _ in range(2)]
    named = [*ids, "OAAAAA-BBBBB-CCCCCC"]
    heard = trader.ask("cancel_order", order_id=named, token=trader.token)
    answers = [one for one in heard if one.get("method") == "cancel_order"]
    assert [one["result"]["order_id"] for one in answers[:2]] == ids
    assert answers[2]["error"] == "EOrder:Unknown order"
    assert all(one["req_id"] == 7 for one in answers)
    assert kinds(trader)[-1] == ("canceled", "canceled")


def test_a_cancel_names_orders_by_one_kind_of_id() -> None:
    _, trader = market()
    for _ in range(3):
        trader.limit("buy", 90.0, 0.5, order_userref=5)
    answers = trader.ask("cancel_order", order_userref=[5], token=trader.token)
    assert len([one for one in answers if one.get("success")]) == 3
    error = trader.refused("cancel_order", order_userref=[5], cl_ord_id=["x"], token=trader.token)
    assert error.startswith("EGeneral:Invalid arguments")
    assert trader.refused("cancel_order", order_userref=[5], token=trader.token) == (
        "EOrder:Unknown order"
    )


def test_a_batch_is_placed_one_by_one_and_read_as_a_whole() -> None:
    _, trader = market()
    order = {"order_type": "limit", "side": "buy", "order_qty": 0.5, "limit_price": 90.0}
    dear = order | {"order_qty": 500_000.0}
    placed = trader.ok("batch_add", symbol="BTC/USD", orders=[order, dear], token=trader.token)
    assert placed[0]["success"]
    assert placed[1] == {"success": False, "error": "EOrder:Insufficient funds"}
    bad = order | {"limit_price": 90.05}
    for orders in ([order, bad], [order], [order] * 16, None, ["x", "y"]):
        assert trader.refused("batch_add", symbol="BTC/USD", orders=orders, token=trader.token)
    assert len([one for one in trader.reports() if one["exec_type"] == "new"]) == 1


def test_a_batch_cancel_and_a_cancel_of_all_count_what_they_ended() -> None:
    _, trader = market()
    ids = [trader.limit("buy", 90.0, 0.5, cl_ord_id=f"n{n}")["order_id"] for n in range(4)]
    result = trader.ok("batch_cancel", orders=ids[:1], cl_ord_id=["n1"], token=trader.token)
    assert result == {"count": 2}
    assert trader.refused("batch_cancel", orders=ids[:1], token=trader.token)
    assert trader.ok("cancel_all", token=trader.token) == {"count": 2}
    error = trader.refused("batch_cancel", orders=ids[:2], token=trader.token)
    assert error == "EOrder:Unknown order"


def test_the_dead_man_s_switch_ends_all_once_unless_it_is_pushed_back() -> None:
    world, trader = market()
    trader.limit("buy", 90.0, 0.5)
    armed = trader.ok("cancel_all_orders_after", timeout=60, token=trader.token)
    assert armed == {"currentTime": "2026-01-01T00:00:00Z", "triggerTime": "2026-01-01T00:01:00Z"}
    world.run(50, step_ms=1_000)
    trader.ok("cancel_all_orders_after", timeout=60, token=trader.token)
    world.run(59, step_ms=1_000)
    assert len(world.result("OpenOrders")["open"]) == 1
    world.run(2, step_ms=1_000)
    assert world.result("OpenOrders")["open"] == {}
    trader.limit("buy", 90.0, 0.5)
    world.run(90, step_ms=1_000)
    assert len(world.result("OpenOrders")["open"]) == 1


def test_the_dead_man_s_switch_outlives_the_connection_and_zero_disarms_it() -> None:
    world, trader = market()
    trader.limit("buy", 90.0, 0.5)
    trader.ok("cancel_all_orders_after", timeout=5, token=trader.token)
    world.venue.close_session(trader.session)
    world.run(6, step_ms=500)
    assert world.result("OpenOrders")["open"] == {}
    again = Trader(world)
    again.limit("buy", 90.0, 0.5)
    again.ok("cancel_all_orders_after", timeout=5, token=again.token)
    again.ok("cancel_all_orders_after", timeout=0, token=again.token)
    world.run(6, step_ms=500)
    assert len(world.result("OpenOrders")["open"]) == 1


@pytest.mark.parametrize("timeout", [-1, 86_400, 1.5, "60", None, True])
def test_a_timeout_out_of_range_is_refused(timeout: Any) -> None:
    _, trader = market()
    error = trader.refused("cancel_all_orders_after", timeout=timeout, token=trader.token)
    assert error.startswith("EGeneral:Invalid arguments") or "must be a number" in error


# -- the trading engine ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("system", "places", "posts", "cancels"),
    [
        ("online", "", "", ""),
        ("post_only", "EService:Market in post_only mode", "", ""),
        (
            "cancel_only",
            "EService:Market in cancel_only mode",
            "EService:Market in cancel_only mode",
            "",
        ),
        ("maintenance", "EService:Unavailable", "EService:Unavailable", "EService:Unavailable"),
    ],
)
def test_what_passes_in_each_state_of_the_engine(
    system: Any, places: str, posts: str, cancels: str
) -> None:
    world, trader = market()
    trader.limit("buy", 90.0, 0.5, cl_ord_id="mine")
    world.venue.perform(SetSystem(system=system), world.now_ns)
    order = trader.order("buy", 90.0, 0.5)
    asked = (
        ("add_order", order, places),
        ("add_order", order | {"post_only": True}, posts),
        ("cancel_order", {"cl_ord_id": ["mine"], "token": trader.token}, cancels),
    )
    for method, params, error in asked:
        assert trader.ask(method, **params)[0].get("error", "") == error


def test_what_was_armed_before_maintenance_ends_all_after_it() -> None:
    world, trader = market()
    trader.limit("buy", 90.0, 0.5)
    trader.ok("cancel_all_orders_after", timeout=60, token=trader.token)
    world.venue.perform(SetSystem(system="maintenance"), world.now_ns)
    world.run(100, step_ms=1_000)
    assert len(trader.reports()) == 2
    world.venue.perform(SetSystem(system="online"), world.now_ns)
    assert kinds(trader)[-1] == ("canceled", "canceled")


def test_one_pair_may_be_closed_alone() -> None:
    world, trader = market()
    world.venue.perform(SetStatus(symbol="BTC/USD", status="CANCEL_ONLY"), world.now_ns)
    error = trader.refused("add_order", **trader.order("buy", 90.0, 0.5))
    assert error == "EService:Market in cancel_only mode"
    other = trader.order("buy", 90.0, 0.5) | {"symbol": "ETH/USD"}
    assert trader.ok("add_order", **other)


# -- counters ----------------------------------------------------------------------------------


def test_the_counter_of_a_pair_refuses_orders_and_decays() -> None:
    world, trader = market()
    for n in range(14):
        trader.limit("buy", 90.0, 0.5, cl_ord_id=f"n{n}")
        trader.ok("cancel_order", cl_ord_id=[f"n{n}"], token=trader.token)
    error = trader.refused("add_order", **trader.order("buy", 90.0, 0.5))
    assert error == "EOrder:Rate limit exceeded"
    other = trader.order("buy", 90.0, 0.5) | {"symbol": "ETH/USD"}
    assert trader.ok("add_order", **other)
    world.now_ns += 5 * SECOND
    assert trader.limit("buy", 90.0, 0.5)


def test_a_counter_at_its_threshold_still_passes() -> None:
    _, trader = market()
    # 13 orders that end at once count 9 each, 8 more that stay one each: 125.
    for _ in range(13):
        order_id = trader.limit("buy", 90.0, 0.5)["order_id"]
        trader.ok("cancel_order", order_id=[order_id], token=trader.token)
    for _ in range(8):
        trader.limit("buy", 90.0, 0.5)
    error = trader.refused("add_order", **trader.order("buy", 90.0, 0.5))
    assert error == "EOrder:Rate limit exceeded"


def test_a_batch_cancel_passes_whatever_was_counted() -> None:
    _, trader = market()
    ids = [trader.limit("buy", 90.0, 0.5)["order_id"] for _ in range(40)]
    trader.ok("batch_cancel", orders=ids[:20], token=trader.token)
    error = trader.refused("cancel_order", order_id=ids[-1:], token=trader.token)
    assert error == "EOrder:Rate limit exceeded"
    assert trader.ok("batch_cancel", orders=ids[20:], token=trader.token) == {"count": 20}


def test_a_tier_has_limits_of_its_own() -> None:
    world, trader = market()
    world.venue.perform(SetTier(api_key=DEFAULT_KEY, tier=Tier.STARTER), world.now_ns)
    for _ in range(60):
        trader.limit("buy", 90.0, 0.5)
        world.now_ns += 1_500 * MS
    error = trader.refused("add_order", **trader.order("buy", 90.0, 0.5))
    assert error == "EOrder:Orders limit exceeded"
    starter = Trader(world)
    [ack] = [one for one in starter.heard if one.get("method") == "subscribe"]
    assert ack["result"]["maxratecount"] == 60


# -- snapshots ---------------------------------------------------------------------------------


def test_a_new_subscription_shows_what_stands_and_what_was_filled() -> None:
    world, trader = market()
    trader.limit("sell", 100.0, 0.5)
    order_id = trader.limit("buy", 90.0, 0.5)["order_id"]
    late = Trader(world, snap_trades=True)
    [snapshot] = late.on("executions")
    assert (snapshot["type"], snapshot["sequence"]) == ("snapshot", 1)
    order, trade = snapshot["data"]
    assert (order["order_id"], order["order_status"], order["amended"]) == (order_id, "new", False)
    assert (trade["exec_type"], str(trade["last_qty"])) == ("trade", "0.50000000")
    assert trade["order_status"] == "filled"


def test_without_order_status_only_openings_fills_and_ends_are_told() -> None:
    world, _ = market()
    trader = Trader(world, order_status=False)
    trader.limit("buy", 90.0, 0.5, cl_ord_id="mine")
    trader.ok("amend_order", cl_ord_id="mine", order_qty=0.4, token=trader.token)
    trader.ok("cancel_all", token=trader.token)
    assert [kind for kind, _ in kinds(trader)] == ["new", "canceled"]


def test_nobody_hears_of_another_account() -> None:
    world, trader = market()
    world.quote("buy", "95.0", "1")
    assert trader.reports() == []
