"""What others do to the exchange while a client is connected, and what the client sees of it."""

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.venues.sim.binance.driver import MS, START_NS, limit
from tests.venues.sim.binance.test_faults import Client, panel
from tests.venues.sim.binance.test_order_lists import OTO
from venues.sim import actions, control
from venues.sim.actions import ActionError
from venues.sim.binance.actions import ACTIONS, AnyAction
from venues.sim.binance.auth import sorted_payload
from venues.sim.binance.exchange import Origin
from venues.sim.binance.methods import METHODS
from venues.sim.binance.venue import Venue
from venues.sim.fixed import show


class Watched(Client):
    """A client whose exchange others act upon."""

    def act(self, action: str, **values: Any) -> dict[str, Any]:
        described = msgspec.convert({"action": action} | values, AnyAction)
        return self.venue.perform(described, self.now_ns)

    def events(self) -> list[dict[str, Any]]:
        return [one["event"] for one in self.out.sent if "event" in one]

    def answer(self, method: str, **values: Any) -> Any:
        """Ask, signed where the method is, and return the result or the error's code and words."""
        self.out.sent.clear()
        self.ask(method, **values | {"timestamp": self.now_ns // MS})
        reply = next(one for one in self.out.sent if one.get("id") == method)
        error = reply.get("error")
        return reply["result"] if error is None else (error["code"], error["msg"])

    def limit(self, side: str = "BUY", price: str = "60000", quantity: str = "0.01") -> Any:
        return self.answer("order.place", **limit(side, price, quantity))


def test_a_reset_begins_every_id_anew_and_forgets_everything_but_keys() -> None:
    client = Watched()
    client.place(name="a")
    client.place(name="b")
    client.act("deposit", api_key="key", asset="USDT", amount="-1000")
    client.answer("orderList.place.oto", **OTO)
    client.act("reset")
    assert client.out.is_cut
    assert client.venue.exchange.engine.markets["BTCUSDT"].next_order_id() == 1
    assert client.open_orders() == []
    account = client.venue.exchange.keys["key"].account
    assert show(account.balance("USDT").free) == "1000000.00000000"
    assert account.balance("USDT").locked == 0
    assert client.venue.exchange.engine.lists(account) == []
    [*_, one] = client.venue.exchange.call(
        METHODS["orderList.place.oto"],
        OTO | {"timestamp": str(client.now_ns // MS)},
        Origin("ip", session=client.venue.exchange.keys["key"]),
        client.now_ns,
    ).result["orders"]
    assert one["orderId"] == 3
    assert [each.list_id for each in client.venue.exchange.engine.lists(account)] == [0]


def test_a_reset_opens_a_lively_market_again() -> None:
    venue = Venue(START_NS, seed=3, rate=500)
    for number in range(1, 200):
        venue.step(START_NS + number * 10 * MS)
    before = venue.exchange.engine.markets["BTCUSDT"].tape.trades[-1].trade_id
    venue.perform(actions.Reset(), START_NS + 2_000 * MS)
    for number in range(200, 400):
        venue.step(START_NS + number * 10 * MS)
    market = venue.exchange.engine.markets["BTCUSDT"]
    assert market.book.best().bid < market.book.best().ask
    assert market.tape.trades[0].trade_id == 1
    assert before > 1


@pytest.mark.parametrize("status", ["CANCEL_ONLY", "BREAK", "HALT"])
def test_a_symbol_that_does_not_trade_takes_no_orders(status: str) -> None:
    client = Watched()
    order = client.limit()
    client.act("status", symbol="BTCUSDT", status=status)
    assert client.limit() == (-2010, "Market is closed.")
    amend = client.answer(
        "order.amend.keepPriority", symbol="BTCUSDT", orderId=order["orderId"], newQty="0.005"
    )
    assert amend == (-2038, "Market is closed.")
    canceled = client.answer("order.cancel", symbol="BTCUSDT", orderId=order["orderId"])
    if status == "CANCEL_ONLY":
        assert canceled["status"] == "CANCELED"
    else:
        assert canceled == (-2011, "Market is closed.")
    [shown] = client.answer("exchangeInfo", symbol="BTCUSDT")["symbols"]
    assert shown["status"] == status
    listed = client.answer("exchangeInfo", symbolStatus=status)["symbols"]
    assert [one["symbol"] for one in listed] == ["BTCUSDT"]


def test_the_background_rests_while_a_symbol_does_not_trade() -> None:
    venue = Venue(START_NS, seed=3, rate=500)
    for name in venue.exchange.engine.markets:
        venue.perform(actions.SetStatus(symbol=name, status="BREAK"), START_NS)
    before = {name: one.book.update_id for name, one in venue.exchange.engine.markets.items()}
    for number in range(1, 100):
        venue.step(START_NS + number * 10 * MS)
    after = {name: one.book.update_id for name, one in venue.exchange.engine.markets.items()}
    assert after == before


def test_a_lock_from_outside_moves_free_to_locked_and_is_told() -> None:
    client = Watched()
    client.act("lock", api_key="key", asset="BTC", amount="2.5")
    [told] = client.events()
    stamp = client.now_ns // MS
    assert told == {
        "e": "externalLockUpdate",
        "E": stamp,
        "a": "BTC",
        "d": "2.50000000",
        "T": stamp,
    }
    shown = {one["asset"]: one for one in client.answer("account.status")["balances"]}
    assert (shown["BTC"]["free"], shown["BTC"]["locked"]) == ("7.50000000", "2.50000000")
    client.act("lock", api_key="key", asset="BTC", amount="-2.5")
    with pytest.raises(ActionError, match="too little"):
        client.act("lock", api_key="key", asset="BTC", amount="11")


def test_an_allocation_fills_an_order_without_a_trade_id() -> None:
    client = Watched()
    done = client.act(
        "allocate", api_key="key", symbol="BTCUSDT", side="BUY", quantity="0.1", price="65000"
    )
    new, trade, position = client.events()
    assert (new["x"], new["uS"], new["k"]) == ("NEW", True, "SOR")
    assert (trade["x"], trade["X"], trade["t"], trade["a"]) == ("TRADE", "FILLED", -1, 0)
    assert (trade["b"], trade["l"], trade["L"]) == (
        "ONE_PARTY_TRADE_REPORT", "0.10000000", "65000.00000000",
    )  # fmt: skip
    assert {"a": "BTC", "f": "10.09990000", "l": "0.00000000"} in position["B"]
    [one] = client.answer("myAllocations", symbol="BTCUSDT")
    assert (one["allocationId"], one["orderId"], one["qty"]) == (0, done["orderId"], "0.10000000")
    assert (one["commission"], one["commissionAsset"]) == ("0.00010000", "BTC")
    assert client.answer("myTrades", symbol="BTCUSDT") == []
    order = client.answer("order.status", symbol="BTCUSDT", orderId=done["orderId"])
    assert (order["usedSor"], order["workingFloor"], order["status"]) == (True, "SOR", "FILLED")


def test_what_the_account_asks_for_elsewhere_is_told_like_anything_else() -> None:
    client = Watched()
    asked = {"api_key": "key", "method": "order.place", "parameters": limit("BUY", "60000", "0.01")}
    done = client.act("request", **asked)
    assert client.events()[0]["i"] == done["result"]["orderId"]
    names = {"symbol": "BTCUSDT", "orderId": str(done["result"]["orderId"])}
    client.act("request", api_key="key", method="order.cancel", parameters=names)
    assert client.open_orders() == []
    with pytest.raises(ActionError, match="Unknown order"):
        client.act("request", api_key="key", method="order.cancel", parameters=names)
    with pytest.raises(ActionError, match="no signed method"):
        client.act("request", api_key="key", method="time", parameters={})


def test_an_order_list_of_others_is_told_with_its_orders() -> None:
    client = Watched()
    client.act("request", api_key="key", method="orderList.place.oto", parameters=OTO)
    new, pending, one, _ = client.events()
    assert [new["g"], pending["g"], one["g"]] == [0, 0, 0]
    assert (one["e"], one["c"], one["l"]) == ("listStatus", "OTO", "EXEC_STARTED")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"may_trade": False}, "This account may not place or cancel orders."),
        ({"disabled": True}, "This action is disabled on this account."),
        ({"not_permitted": ["BTCUSDT"]}, "This symbol is not permitted for this account."),
        ({"restricted": ["BTCUSDT"]}, "This symbol is restricted for this account."),
    ],
)
def test_an_account_may_be_kept_from_trading(change: dict[str, Any], words: str) -> None:
    client = Watched()
    client.act("account", api_key="key", **change)
    assert client.limit() == (-2010, words)
    assert client.answer("account.status")["canTrade"] == ("may_trade" not in change)


def test_an_account_that_may_not_trade_may_not_cancel() -> None:
    client = Watched()
    order = client.limit()
    client.act("account", api_key="key", may_trade=False)
    refused = client.answer("order.cancel", symbol="BTCUSDT", orderId=order["orderId"])
    assert refused == (-2011, "This account may not place or cancel orders.")


REFUSED = (-2015, "Invalid API-key, IP, or permissions for action.")


def test_a_key_does_what_its_permissions_say() -> None:
    client = Watched()
    client.act("key", api_key="key", permissions=["USER_DATA"])
    assert client.limit() == REFUSED
    assert client.answer("account.status")["canTrade"]
    client.act("key", api_key="key", permissions=["TRADE"])
    assert client.limit()["status"] == "NEW"
    assert client.answer("account.status") == REFUSED
    with pytest.raises(ActionError, match="USER_STREAM"):
        client.act("key", api_key="key", permissions=["WITHDRAW"])


def test_a_key_that_may_only_trade_logs_on() -> None:
    client = Watched()
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public = private.public_key().public_bytes_raw()
    exchange = client.venue.exchange
    exchange.add_ed25519_key("trader", public, client.account)
    client.act("key", api_key="trader", permissions=["TRADE"], ips=["ip"])
    values = {"apiKey": "trader", "timestamp": str(client.now_ns // MS)}
    signed = base64.b64encode(private.sign(sorted_payload(values))).decode()
    assert client.answer("session.logon", **values, signature=signed)["apiKey"] == "trader"
    assert client.limit()["status"] == "NEW"
    assert client.answer("account.status") == REFUSED


def test_a_key_comes_from_the_ips_it_names() -> None:
    client = Watched()
    client.act("key", api_key="key", ips=["192.0.2.1"])
    assert client.answer("account.status") == REFUSED
    client.act("key", api_key="key", ips=["ip"])
    assert client.answer("account.status")["canTrade"]


def test_commission_is_paid_in_bnb_where_the_account_has_enough() -> None:
    client = Watched()
    client.act("deposit", api_key="key", asset="BNB", amount="1")
    client.act("account", api_key="key", pays_in_bnb=True)
    client.limit("SELL", "65000", "0.1")
    client.out.sent.clear()
    client.limit("BUY", "65000", "0.1")
    fees = [(one["n"], one["N"]) for one in client.events() if one.get("x") == "TRADE"]
    # 0.1 BTC and 6,500 USDT, 0.1 % of each, three quarters of it, 600 USDT for a BNB.
    assert sorted(fees) == [("0.00812500", "BNB"), ("0.00812500", "BNB")]
    assert show(client.account.balance("BNB").free) == "0.98375000"
    client.act("deposit", api_key="key", asset="BNB", amount="-0.98")
    client.limit("SELL", "65000", "0.1")
    client.out.sent.clear()
    client.limit("BUY", "65000", "0.1")
    fees = [(one["n"], one["N"]) for one in client.events() if one.get("x") == "TRADE"]
    assert sorted(fees) == [("0.00010000", "BTC"), ("6.50000000", "USDT")]


def test_filters_change_while_the_exchange_runs() -> None:
    client = Watched()
    client.act("filters", symbol="BTCUSDT", tick_size="0.5", step_size="0.01", max_amends=0)
    assert client.limit(price="60000.01") == (-1013, "Filter failure: PRICE_FILTER")
    assert client.limit(quantity="0.001") == (-1013, "Filter failure: LOT_SIZE")
    order = client.limit(quantity="0.02")
    amend = client.answer(
        "order.amend.keepPriority", symbol="BTCUSDT", orderId=order["orderId"], newQty="0.01"
    )
    assert amend == (-2038, "Filter failure: MAX_NUM_ORDER_AMENDS")
    with pytest.raises(ActionError, match="above 0"):
        client.act("filters", symbol="BTCUSDT", tick_size="0")


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[" * 100_000,
        '{"action": "nothing"}',
        '{"action": "reset", "more": 1}',
        '{"action": "status", "symbol": "XRPUSDT", "status": "HALT"}',
        '{"action": "status", "symbol": "BTCUSDT", "status": "OPEN"}',
        '{"action": "deposit", "api_key": "key", "asset": "BTC", "amount": "1e3"}',
        '{"action": "deposit", "api_key": "nobody", "asset": "BTC", "amount": "1"}',
        '{"action": "request", "api_key": "nobody", "method": "order.place", "parameters": {}}',
    ],
)
def test_the_panel_says_what_is_wrong_with_an_action(body: str) -> None:
    venue = Venue(START_NS, rate=0)
    status, said = panel(venue, method="POST", path=control.ACTIONS, body=body)
    assert status == 400
    assert said["error"]


def test_the_panel_performs_an_action() -> None:
    venue = Venue(START_NS, rate=0)
    body = json.dumps({"action": "status", "symbol": "BTCUSDT", "status": "HALT"})
    assert panel(venue, method="POST", path=control.ACTIONS, body=body) == (200, {})
    assert venue.exchange.engine.markets["BTCUSDT"].status == "HALT"
    assert panel(venue, path=control.ACTIONS)[0] == 405


def test_the_panel_shows_what_an_account_has_in_the_books() -> None:
    client = Watched()
    first = client.limit(price="60000")
    client.limit(side="SELL", price="60000")  # with itself, which is told of both sides
    client.limit(price="59000")
    asked = "key=key&symbol=BTCUSDT"
    status, told = panel(client.venue, path=control.LEDGER, query=asked)
    assert status == 200
    assert told["step"] == 1_000
    assert [order["id"] for order in told["orders"]] == [1, 2, 3]
    assert told["orders"][0]["name"] == first["clientOrderId"]
    assert told["open"] == [told["orders"][2]["name"]]
    sides = [(trade["id"], trade["size"], trade["buys"]) for trade in told["trades"]]
    assert sorted(sides) == [(1, 1_000_000, False), (1, 1_000_000, True)]
    _, told = panel(client.venue, path=control.LEDGER, query=f"{asked}&order=3&trade=9")
    assert [order["id"] for order in told["orders"]] == [3]
    for wrong in ("", "key=nobody&symbol=BTCUSDT", f"{asked}&order=-1", f"{asked}&trade=x"):
        assert panel(client.venue, path=control.LEDGER, query=wrong)[0] == 400
    assert panel(client.venue, method="POST", path=control.LEDGER, query=asked)[0] == 405


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_and_field_is_documented(action: type[actions.Action]) -> None:
    page = (Path(__file__).parents[4] / "docs" / "sim.md").read_text()
    assert f"\n| `{action.__struct_config__.tag}` |" in page
    assert all(f"`{name}`" in page for name in action.__struct_fields__)
