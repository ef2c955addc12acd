"""REST: shapes of the documented samples, signing, nonces, paging, counters."""

import json
from typing import Any

import pytest

from tests.venues.sim.kraken.driver import SECOND, START_NS, Trader, World
from venues.sim.actions import SetFilters, SetKey
from venues.sim.http import HttpRequest
from venues.sim.kraken.actions import AskElsewhere
from venues.sim.ledger import DEFAULT_KEY


def market() -> World:
    world = World()
    world.quote("buy", "100.0", "5")
    world.quote("sell", "110.0", "5")
    return world


def add(world: World, **changed: Any) -> Any:
    order = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "price": "90", "volume": "0.5"}
    return world.result("AddOrder", **order | changed)


# -- public ------------------------------------------------------------------------------------


def test_a_pair_answers_to_all_its_names() -> None:
    world = market()
    for name, key in (
        ("XXBTZUSD", "XXBTZUSD"), ("XBTUSD", "XXBTZUSD"), ("XBT/USD", "XBT/USD"),
        ("BTC/USD", "BTC/USD"),
    ):  # fmt: skip
        assert list(world.public("AssetPairs", pair=name)["result"]) == [key]
    assert world.public("Depth", pair="NOPE")["error"] == ["EQuery:Unknown asset pair"]


def test_pairs_and_assets_are_published_in_the_documented_form() -> None:
    world = market()
    pair = world.public("AssetPairs")["result"]["XXBTZUSD"]
    assert {
        "altname", "wsname", "aclass_base", "base", "aclass_quote", "quote", "cost_decimals",
        "pair_decimals", "lot_decimals", "lot_multiplier", "leverage_buy", "leverage_sell", "fees",
        "fees_maker", "fee_volume_currency", "margin_call", "margin_stop", "ordermin", "costmin",
        "tick_size", "status",
    } <= set(pair)  # fmt: skip
    shown = (pair["altname"], pair["wsname"], pair["base"], pair["quote"])
    assert shown == ("XBTUSD", "XBT/USD", "XXBT", "ZUSD")
    rules = (pair["pair_decimals"], pair["lot_decimals"], pair["tick_size"], pair["ordermin"])
    assert rules == (1, 8, "0.1", "0.00005")
    assets = world.public("Assets", asset="XBT,USD")["result"]
    assert (assets["XXBT"]["altname"], assets["ZUSD"]["decimals"]) == ("XBT", 4)
    assert list(world.public("AssetPairs", pair="SOLUSD")["result"]) == ["SOLUSD"]


def test_a_ticker_has_the_documented_fields() -> None:
    world = market()
    world.private("AddOrder", pair="XBTUSD", type="buy", ordertype="market", volume="0.5")
    ticker = world.public("Ticker", pair="XBTUSD")["result"]["XXBTZUSD"]
    assert set(ticker) == set("abcvptlho")
    assert ticker["a"] == ["110.00000", "4", "4.500"]
    assert ticker["c"] == ["110.00000", "0.50000000"]
    assert ticker["t"] == [1, 1]


def test_depth_shows_levels_with_their_times() -> None:
    depth = market().public("Depth", pair="XBTUSD", count=1)["result"]["XXBTZUSD"]
    assert depth["asks"] == [["110.00000", "5.000", 1_767_225_600]]


def test_trades_can_be_followed_by_the_last_id() -> None:
    world = market()
    for _ in range(3):
        world.private("AddOrder", pair="XBTUSD", type="buy", ordertype="market", volume="0.5")
        world.now_ns += SECOND
    first = world.public("Trades", pair="XBTUSD", count=2, since=1)["result"]
    assert [row[6] for row in first["XXBTZUSD"]] == [1, 2]
    rest = world.public("Trades", pair="XBTUSD", since=first["last"])["result"]
    assert [row[6] for row in rest["XXBTZUSD"]] == [3]
    assert rest["XXBTZUSD"][0][:2] == ["110.00000", "0.50000000"]
    assert rest["XXBTZUSD"][0][3:6] == ["b", "l", ""]


def test_candles_end_with_the_current_one() -> None:
    world = market()
    world.private("AddOrder", pair="XBTUSD", type="buy", ordertype="market", volume="0.5")
    result = world.public("OHLC", pair="XBTUSD", interval=1)["result"]
    [row] = result["XXBTZUSD"]
    assert row == [
        1_767_225_600, "110.0", "110.0", "110.0", "110.0", "110.0", "0.50000000", 1,
    ]  # fmt: skip


def test_candles_begin_after_the_time_that_was_given() -> None:
    world = market()
    for _ in range(3):
        world.private("AddOrder", pair="XBTUSD", type="buy", ordertype="market", volume="0.5")
        world.now_ns += 60 * SECOND
    rows = world.public("OHLC", pair="XBTUSD", since=1_767_225_600)["result"]["XXBTZUSD"]
    assert [row[0] for row in rows] == [1_767_225_660, 1_767_225_720]


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/0/public/Nope", 200, ["EGeneral:Unknown method"]),
        ("/0/private/Nope", 200, ["EGeneral:Unknown method"]),
        ("/1/public/Time", 404, None),
        ("/", 404, None),
    ],
)
def test_an_endpoint_that_does_not_exist_is_refused(path: str, status: int, error: Any) -> None:
    reply = World().http(HttpRequest("GET", path))
    assert reply.status == status
    if error is not None:
        assert json.loads(reply.body)["error"] == error


# -- keys and nonces ---------------------------------------------------------------------------


def test_a_request_is_signed_over_path_nonce_and_body() -> None:
    world = World()
    good = world.signed("Balance", "nonce=5", 5)

    def error(request: HttpRequest) -> Any:
        return json.loads(world.http(request).body)["error"]

    stranger = HttpRequest("POST", good.path, body=good.body, headers={"api-key": "nobody"})
    assert error(stranger) == ["EAPI:Invalid key"]
    assert error(HttpRequest("POST", good.path, body=good.body)) == ["EAPI:Invalid key"]
    other = HttpRequest("POST", good.path, body="nonce=5&x=1", headers=good.headers)
    assert error(other) == ["EAPI:Invalid signature"]
    path = HttpRequest("POST", "/0/private/BalanceEx", body=good.body, headers=good.headers)
    assert error(path) == ["EAPI:Invalid signature"]
    assert error(good) == []


def test_a_nonce_only_rises() -> None:
    world = World()

    def error(nonce: int) -> Any:
        request = world.signed("Balance", f"nonce={nonce}", nonce)
        return json.loads(world.http(request).body)["error"]

    assert error(10) == []
    assert error(10) == error(9) == error(2**64) == ["EAPI:Invalid nonce"]
    assert error(11) == []
    world.now_ns += SECOND
    assert error(1_767_225_600_000) == []


def test_a_body_may_be_json() -> None:
    world = market()
    order = {"nonce": 900, "pair": "XBTUSD", "type": "buy", "ordertype": "limit", "price": "90"}
    body = json.dumps(order | {"volume": "0.5"})
    reply = json.loads(world.http(world.signed("AddOrder", body, 900)).body)
    assert reply["error"] == []


def test_a_key_needs_the_permission() -> None:
    world = market()
    key = SetKey(api_key=DEFAULT_KEY, permissions=frozenset({"query-funds"}))
    world.venue.perform(key, world.now_ns)
    assert world.result("Balance")
    assert world.error("AddOrder", pair="XBTUSD") == "EGeneral:Permission denied"
    world.venue.perform(SetKey(api_key=DEFAULT_KEY, revoked=True), world.now_ns)
    assert world.error("Balance") == "EAPI:Invalid key"


def test_calls_are_counted_and_decay_but_for_orders() -> None:
    world = market()
    for _ in range(20):
        world.result("Balance")
    assert world.error("Balance") == "EAPI:Rate limit exceeded"
    assert world.error("TradesHistory") == "EAPI:Rate limit exceeded"
    assert add(world)
    world.now_ns += 2 * SECOND
    assert world.result("Balance")
    assert world.error("TradesHistory") == "EAPI:Rate limit exceeded"


# -- accounts ----------------------------------------------------------------------------------


def test_balances_are_by_the_old_names_and_the_held_part_apart() -> None:
    world = market()
    add(world)
    assert world.result("Balance")["XXBT"] == "100.0000000000"
    extended = world.result("BalanceEx")["ZUSD"]
    assert extended == {"balance": "10000000.0000", "hold_trade": "45.0450"}
    assert set(world.result("TradeBalance")) >= {"eb", "tb", "m", "n", "c", "v", "e", "mf"}


def test_an_order_is_shown_in_the_documented_form() -> None:
    world = market()
    added = add(world, cl_ord_id="mine", oflags="post")
    assert added["descr"] == {"order": "buy 0.50000000 XBTUSD @ limit 90.0"}
    [order_id] = added["txid"]
    [(shown_id, shown)] = world.result("OpenOrders")["open"].items()
    assert shown_id == order_id
    assert {
        "refid", "userref", "cl_ord_id", "status", "opentm", "starttm", "expiretm", "descr", "vol",
        "vol_exec", "cost", "fee", "price", "stopprice", "limitprice", "misc", "oflags",
    } == set(shown)  # fmt: skip
    assert shown["descr"] == {
        "pair": "XBTUSD", "type": "buy", "ordertype": "limit", "price": "90.0", "price2": "0",
        "leverage": "none", "order": "buy 0.50000000 XBTUSD @ limit 90.0", "close": "",
    }  # fmt: skip
    assert (shown["status"], shown["vol"], shown["oflags"]) == ("open", "0.50000000", "fciq,post")


def test_a_fill_is_shown_in_the_documented_form() -> None:
    world = market()
    [order_id] = add(world, price="110", timeinforce="IOC")["txid"]
    history = world.result("TradesHistory")
    [(trade_id, trade)] = history["trades"].items()
    assert history["count"] == 1
    assert {
        "ordertxid", "postxid", "pair", "time", "type", "ordertype", "price", "cost", "fee", "vol",
        "margin", "misc", "trade_id", "maker",
    } <= set(trade)  # fmt: skip
    assert (trade["ordertxid"], trade["pair"], trade["maker"]) == (order_id, "XXBTZUSD", False)
    assert (trade["price"], trade["cost"], trade["fee"]) == ("110.00000", "55.00000", "0.05500")
    assert world.result("QueryTrades", txid=trade_id) == {trade_id: trade}
    [closed] = world.result("QueryOrders", txid=order_id, trades=True).values()
    assert (closed["status"], closed["trades"]) == ("closed", [trade_id])
    [own] = world.result("TradesHistory", start=trade_id)["trades"] or [None]
    assert own is None


def test_a_fill_keeps_the_digits_that_it_was_made_with() -> None:
    """A pair whose lot has become coarser does not change what was traded before."""
    world = market()
    add(world, price="110", volume="0.12345", timeinforce="IOC")
    world.venue.perform(SetFilters(symbol="BTC/USD", step_size="0.001"), world.now_ns)
    [trade] = world.result("TradesHistory")["trades"].values()
    assert trade["vol"] == "0.12345"


def test_fills_come_fifty_at_a_time_in_an_order_that_ids_do_not_tell() -> None:
    world = market()
    for _ in range(120):
        world.venue.perform(
            AskElsewhere(
                api_key=DEFAULT_KEY,
                method="AddOrder",
                parameters={
                    "pair": "XBTUSD", "type": "sell", "ordertype": "market", "volume": "0.01",
                },
            ),
            world.now_ns,
        )  # fmt: skip
        world.now_ns += SECOND
    seen: dict[str, Any] = {}
    for offset in (0, 50, 100, 150):
        page = world.result("TradesHistory", ofs=offset)
        assert page["count"] == 120
        assert len(page["trades"]) == {0: 50, 50: 50, 100: 20, 150: 0}[offset]
        seen |= page["trades"]
        world.now_ns += 10 * SECOND
    assert len(seen) == 120
    times = [trade["time"] for trade in seen.values()]
    assert times == sorted(times, reverse=True)
    assert list(seen) != sorted(seen) != list(reversed(seen))
    middle = times[60]
    later = world.result("TradesHistory", start=middle)
    assert later["count"] == 60


def test_closed_orders_say_why_and_can_be_filtered() -> None:
    world = market()
    [order_id] = add(world, userref="5")["txid"]
    add(world, cl_ord_id="other")
    assert world.result("CancelAll") == {"count": 2}
    closed = world.result("ClosedOrders", userref="5")
    assert closed["count"] == 1
    assert closed["closed"][order_id]["status"] == "canceled"
    assert closed["closed"][order_id]["reason"] == "User requested"
    assert len(world.result("ClosedOrders", cl_ord_id="other")["closed"]) == 1
    assert world.error("QueryOrders", txid="OAAAAA-BBBBB-CCCCCC") == "EOrder:Invalid order"


def test_closed_orders_come_fifty_at_a_time() -> None:
    world = market()
    ids = []
    for _ in range(52):
        ids += add(world)["txid"]
        world.result("CancelOrder", txid=ids[-1])
        world.now_ns += 10 * SECOND
    first, rest = world.result("ClosedOrders"), world.result("ClosedOrders", ofs=50)
    assert [*first["closed"], *rest["closed"]] == ids[::-1]
    assert (len(first["closed"]), len(rest["closed"]), first["count"]) == (50, 2, 52)


def test_a_span_begins_after_its_start_and_ends_with_its_end() -> None:
    world = market()
    fills = []
    for _ in range(3):
        fills += add(world, ordertype="market")["txid"]
        world.now_ns += 10 * SECOND
    start, end = START_NS // SECOND, START_NS // SECOND + 20
    closed = world.result("ClosedOrders", start=start, end=end)["closed"]
    assert list(closed) == fills[:0:-1]
    trades = world.result("TradesHistory", start=start, end=end)["trades"]
    assert [one["ordertxid"] for one in trades.values()] == fills[:0:-1]


def test_fees_are_published_for_the_pairs_asked_for() -> None:
    volume = market().result("TradeVolume", pair="XBTUSD")
    assert volume["fees"]["XXBTZUSD"]["fee"] == "0.1000"
    assert volume["fees_maker"]["XXBTZUSD"]["fee"] == "0.1000"


def test_a_token_is_given_with_its_life() -> None:
    token = World().result("GetWebSocketsToken")
    assert (token["expires"], len(token["token"])) == (900, 43)


# -- trading -----------------------------------------------------------------------------------


def test_orders_are_cancelled_by_id_client_id_or_reference() -> None:
    world = market()
    [order_id] = add(world)["txid"]
    add(world, cl_ord_id="mine")
    add(world, userref="7")
    add(world, userref="7")
    assert world.result("CancelOrder", txid=order_id) == {"count": 1}
    assert world.result("CancelOrder", cl_ord_id="mine") == {"count": 1}
    assert world.result("CancelOrder", txid="7") == {"count": 2}
    assert world.error("CancelOrder", txid=order_id) == "EOrder:Unknown order"


def test_an_order_is_amended_in_place() -> None:
    world = market()
    [order_id] = add(world)["txid"]
    amended = world.result("AmendOrder", txid=order_id, limit_price="91", order_qty="0.7")
    assert set(amended) == {"amend_id"}
    shown = world.result("OpenOrders")["open"][order_id]
    assert (shown["vol"], shown["descr"]["price"]) == ("0.70000000", "91.0")


def test_batches_go_as_json() -> None:
    world = market()
    order = {"type": "buy", "ordertype": "limit", "price": "90", "volume": "0.5"}
    body = json.dumps({"nonce": 900, "pair": "XBTUSD", "orders": [order, order]})
    placed = json.loads(world.http(world.signed("AddOrderBatch", body, 900)).body)["result"]
    ids = [one["txid"] for one in placed["orders"]]
    exchange = world.venue.exchange
    assert ids == [exchange.order_id(one) for one in exchange.open_orders(world.account)]
    body = json.dumps({"nonce": 901, "orders": ids})
    reply = json.loads(world.http(world.signed("CancelOrderBatch", body, 901)).body)
    assert reply["result"] == {"count": 2}


def test_the_dead_man_s_switch_is_armed_over_rest_too() -> None:
    world = market()
    add(world)
    assert set(world.result("CancelAllOrdersAfter", timeout=5)) == {"currentTime", "triggerTime"}
    world.run(6, step_ms=500)
    assert world.result("OpenOrders") == {"open": {}}


def test_a_stop_loss_names_its_trigger_as_price() -> None:
    world = market()
    [order_id] = add(world, type="sell", ordertype="stop-loss-limit", price="95", price2="94")[
        "txid"
    ]
    shown = world.result("OpenOrders")["open"][order_id]
    assert shown["descr"]["order"] == "sell 0.50000000 XBTUSD @ stop loss limit 95.0 -> limit 94.0"
    assert (shown["descr"]["price"], shown["descr"]["price2"]) == ("95.0", "94.0")


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"leverage": "2"}, "EGeneral:Invalid arguments:leverage"),
        ({"oflags": "nope"}, "EGeneral:Invalid arguments:oflags"),
        ({"price": ""}, "EGeneral:Invalid arguments:limit_price"),
        ({"price": "90.05"}, "EOrder:Tick size check failed"),
        ({"volume": "0.00001"}, "EOrder:Order minimum not met"),
        ({"userref": "x"}, "EGeneral:Invalid arguments:userref"),
        ({"pair": "NOPE"}, "EQuery:Unknown asset pair"),
        ({"type": "sell", "volume": "1000"}, "EOrder:Insufficient funds"),
    ],
)
def test_an_order_is_refused_in_the_venue_s_words(changed: dict[str, str], error: str) -> None:
    order = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "price": "90", "volume": "0.5"}
    assert market().error("AddOrder", **order | changed) == error


def test_both_ways_in_see_one_book_of_orders() -> None:
    world = market()
    trader = Trader(world)
    [order_id] = add(world)["txid"]
    assert trader.reports()[-1]["order_id"] == order_id
    assert trader.ok("cancel_order", order_id=[order_id], token=trader.token)
    assert world.result("OpenOrders") == {"open": {}}
