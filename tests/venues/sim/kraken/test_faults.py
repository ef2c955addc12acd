"""The switchboard drives this dialect too, in its own words; so do the actions of others."""

import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.venues.sim.kraken.driver import AUTH, Socket, Trader, World
from venues.sim import actions, control
from venues.sim.actions import ActionError, Reset, SetBackground
from venues.sim.kraken.actions import ACTIONS, AskElsewhere, EndSessions, UseNonce
from venues.sim.ledger import DEFAULT_KEY
from venues.sim.server import ServerConfig, running_exchange


def market(**options: Any) -> tuple[World, Trader]:
    world = World()
    world.quote("buy", "100.0", "5")
    world.quote("sell", "110.0", "5")
    return world, Trader(world, **options)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("server_error", "EGeneral:Internal error"),
        ("timeout", "EGeneral:Internal error"),
        ("throttled", "EOrder:Rate limit exceeded"),
        ("overloaded", "EService:Busy"),
        ("maintenance", "EService:Market in cancel_only mode"),
        ("forbidden", "EGeneral:Permission denied"),
    ],
)
def test_an_order_fails_in_the_venue_s_words_executed_or_not(kind: str, error: str) -> None:
    executed = {"executed": True} if kind in {"server_error", "timeout"} else {}
    for more in ({}, executed):
        world, trader = market()
        world.fault(kind, methods=["add_order"], times=1, **more)
        assert trader.refused("add_order", **trader.order("buy", 90.0, 0.5)) == error
        assert len(world.result("OpenOrders")["open"]) == bool(more)


def test_over_rest_the_front_answers_with_pages() -> None:
    world, _ = market()
    for kind, status in (("timeout", 504), ("forbidden", 403)):
        world.fault(kind, line="rest", times=1)
        reply = world.http(world.signed("Balance", "nonce=900", 900))
        assert (reply.status, reply.content_type) == (status, "text/html")


def test_a_cancel_may_be_refused_of_an_order_that_stands() -> None:
    world, trader = market()
    trader.limit("buy", 90.0, 0.5, cl_ord_id="mine")
    world.fault("refuse_cancel", times=1)
    error = trader.refused("cancel_order", cl_ord_id=["mine"], token=trader.token)
    assert error == "EOrder:Unknown order"
    assert trader.ok("cancel_order", cl_ord_id=["mine"], token=trader.token)


def test_an_answer_may_be_lost_and_the_report_come() -> None:
    world, trader = market()
    world.fault("drop", on="replies", methods=["add_order"], times=1)
    heard = trader.ask("add_order", **trader.order("buy", 90.0, 0.5))
    assert [one["channel"] for one in heard] == ["executions", "executions"]


def test_a_report_may_be_lost_and_the_sequence_shows_it() -> None:
    world, trader = market()
    world.fault("drop", on="reports", methods=["executions.new"], times=1)
    trader.limit("buy", 90.0, 0.5)
    trader.limit("buy", 90.0, 0.5)
    assert [one["sequence"] for one in trader.on("executions")] == [1, 2, 4, 5]


def test_a_subscription_may_be_refused() -> None:
    world = World()
    socket = Socket(world)
    world.fault("overloaded", methods=["subscribe"], times=1)
    assert socket.refused("subscribe", channel="book", symbol=["BTC/USD"]) == "EService:Busy"
    assert socket.ok("subscribe", channel="book", symbol=["BTC/USD"])


def test_a_nonce_may_be_refused() -> None:
    world, _ = market()
    world.fault("clock", methods=["OpenOrders"], times=1)
    assert world.error("OpenOrders") == "EAPI:Invalid nonce"


def test_a_query_may_show_what_was() -> None:
    world, trader = market()
    before = trader.limit("buy", 90.0, 0.5)
    world.run(10)
    order_id = trader.limit("buy", 110.0, 0.5)["order_id"]
    world.fault("lag", delay_ms=5_000)
    assert list(world.result("OpenOrders")["open"]) == [before["order_id"]]
    assert world.error("QueryOrders", txid=order_id) == "EOrder:Invalid order"
    assert world.result("ClosedOrders")["count"] == 0
    assert world.result("TradesHistory")["count"] == 0
    assert world.result("Balance")["XXBT"] == "100.0000000000"
    assert world.result("BalanceEx")["ZUSD"]["hold_trade"] == "45.0450"
    world.run(6)
    shown = world.result("QueryOrders", txid=order_id, trades="true")[order_id]
    assert (shown["status"], len(shown["trades"])) == ("closed", 1)
    assert world.result("ClosedOrders")["count"] == world.result("TradesHistory")["count"] == 1
    assert world.result("Balance")["XXBT"] == "100.5000000000"


def test_silence_keeps_the_heart_from_beating() -> None:
    world, trader = market()
    world.fault("silence", line="ws_api")
    before = len(trader.heard)
    world.run(3, step_ms=100)
    assert len(trader.heard) == before


def test_public_and_private_connections_break_apart() -> None:
    world, trader = market()
    public = Socket(world)
    world.fault("disconnect", line="ws_api", times=1)
    public.say('{"method": "ping"}')
    trader.say('{"method": "ping"}')
    assert (public.is_cut, trader.is_cut) == (False, True)


def test_a_reset_begins_everything_anew() -> None:
    world, trader = market()
    trader.limit("buy", 110.0, 0.5)
    token = trader.token
    world.venue.perform(Reset(), world.now_ns)
    assert trader.is_cut
    assert world.result("Balance")["XXBT"] == "100.0000000000"
    assert world.result("TradesHistory")["count"] == 0
    fresh = Socket(world, AUTH)
    assert fresh.refused("cancel_all", token=token) == "ESession:Invalid session"


def test_the_owner_may_act_elsewhere() -> None:
    world, trader = market()
    order = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "price": "90", "volume": "0.5"}
    ask = AskElsewhere(api_key=DEFAULT_KEY, method="AddOrder", parameters=order)
    done = world.venue.perform(ask, world.now_ns)
    assert trader.reports()[-1]["order_id"] == done["result"]["txid"][0]
    with pytest.raises(ActionError, match="Order minimum"):
        world.venue.perform(
            msgspec.structs.replace(ask, parameters=order | {"volume": "0.00001"}), world.now_ns
        )


def test_the_background_may_leave_a_side() -> None:
    world = World(rate=500)
    quiet = SetBackground(symbol="BTC/USD", sides=frozenset({"BUY"}))
    world.venue.perform(quiet, world.now_ns)
    assert world.public("Depth", pair="XBTUSD")["result"]["XXBTZUSD"]["asks"] == []


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_and_field_is_documented(action: type[actions.Action]) -> None:
    page = (Path(__file__).parents[4] / "docs" / "sim.md").read_text()
    assert f"\n| `{action.__struct_config__.tag}` |" in page
    assert all(f"`{name}`" in page for name in action.__struct_fields__)


async def test_a_running_exchange_speaks_kraken_and_is_switched_from_outside() -> None:
    config = ServerConfig(dialect="kraken", rate=0)
    async with running_exchange(config) as sim, httpx.AsyncClient() as http:
        assert set(sim.addresses) == {"public", "private", "level3"}
        line = sim.announcement()
        assert line["venue"] == "kraken"
        status = await http.get(sim.rest + "/0/public/SystemStatus")
        assert status.json()["result"]["status"] == "online"
        action = {"action": "system", "system": "maintenance"}
        assert (await http.post(sim.rest + control.ACTIONS, json=action)).status_code == 200
        status = await http.get(sim.rest + "/0/public/SystemStatus")
        assert json.loads(status.content)["result"]["status"] == "maintenance"


def test_a_session_may_be_ended_and_what_was_subscribed_to_with_it_goes_on() -> None:
    world, trader = market()
    world.venue.perform(EndSessions(api_key=DEFAULT_KEY), world.now_ns)
    error = trader.refused("add_order", **trader.order("buy", 90.0, 0.5))
    assert error == "ESession:Invalid session"
    before = len(trader.reports())
    order = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "price": "90", "volume": "0.5"}
    ask = AskElsewhere(api_key=DEFAULT_KEY, method="AddOrder", parameters=order)
    world.venue.perform(ask, world.now_ns)
    assert len(trader.reports()) > before


def test_a_key_may_be_used_elsewhere_by_a_clock_that_is_ahead() -> None:
    world, _ = market()
    world.venue.perform(UseNonce(api_key=DEFAULT_KEY, ahead_s=60), world.now_ns)
    assert world.error("OpenOrders") == "EAPI:Invalid nonce"
    used = (world.now_ns + 60 * 10**9) // 1_000
    assert world.venue.exchange.keys[DEFAULT_KEY].nonce == used
