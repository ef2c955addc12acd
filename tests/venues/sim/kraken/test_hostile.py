"""Whatever a client sends, it is answered, and the exchange goes on."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.venues.sim.kraken.driver import AUTH, Socket, World
from venues.sim.http import HttpRequest
from venues.sim.kraken.rest import PRIVATE, PUBLIC

METHODS = (
    "ping", "subscribe", "unsubscribe", "add_order", "amend_order", "edit_order", "cancel_order",
    "cancel_all", "cancel_all_orders_after", "batch_add", "batch_cancel",
)  # fmt: skip
NAMES = (
    "channel", "symbol", "depth", "interval", "event_trigger", "snapshot", "order_type", "side",
    "order_qty", "limit_price", "triggers", "time_in_force", "expire_time", "deadline", "cl_ord_id",
    "order_userref", "order_id", "display_qty", "cash_order_qty", "stp_type", "post_only", "orders",
    "timeout", "trigger_price", "validate", "snap_orders", "snap_trades",
)  # fmt: skip
TELLING = (
    "book", "level3", "executions", "balances", "instrument", "BTC/USD", ["BTC/USD"], "limit",
    "market", "iceberg", "stop-loss", "buy", "sell", "gtd", "2026-01-01T00:00:30Z", 10, 0.5, 90.0,
    {"price": 95.0}, "OAAAAA-BBBBB-CCCCCC", [{"side": "buy"}], True,
)  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20) | st.sampled_from(TELLING),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)  # fmt: skip
PARAMS = st.dictionaries(st.sampled_from(NAMES), ANYTHING, max_size=8)
SLOW = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def world() -> World:
    world = World()
    world.quote("buy", "100.0", "5")
    world.quote("sell", "110.0", "5")
    return world


@pytest.mark.parametrize("path", ["/v2", AUTH])
@SLOW
@given(method=st.sampled_from(METHODS), params=PARAMS)
def test_any_request_is_answered(
    world: World, path: str, method: str, params: dict[str, Any]
) -> None:
    socket = Socket(world, path)
    asked = params if path == "/v2" else params | {"token": world.token()}
    world.now_ns += 10 * 10**9
    heard = socket.ask(method, **asked)
    assert heard
    assert method == "cancel_order" or {"time_in", "time_out"} <= set(heard[0])
    world.venue.close_session(socket.session)


@SLOW
@given(text=st.text(max_size=50) | st.binary(max_size=50))
def test_any_text_is_answered(world: World, text: str | bytes) -> None:
    socket = Socket(world)
    socket.session.receive(text, world.now_ns)
    assert len(socket.heard) == 2
    world.venue.close_session(socket.session)


@SLOW
@given(
    name=st.sampled_from([*PUBLIC, *PRIVATE]),
    values=st.dictionaries(
        st.sampled_from(
            ["pair", "count", "since", "interval", "txid", "ofs", "start", "end", "userref",
             "asset", "type", "ordertype", "price", "price2", "volume", "oflags", "timeinforce",
             "expiretm", "deadline", "cl_ord_id", "timeout", "orders", "cl_ord_ids", "order_qty",
             "limit_price", "validate", "trades", "stptype", "displayvol", "leverage"]
        ),
        st.sampled_from(["XBTUSD", "buy", "limit", "90", "0.5", "1", "[1]"]) | ANYTHING,
        max_size=8,
    ),
    as_json=st.booleans(),
)  # fmt: skip
def test_any_call_is_answered(
    world: World, name: str, values: dict[str, Any], as_json: bool
) -> None:
    world.now_ns += 60 * 10**9
    if name in PUBLIC:
        assert "error" in world.public(name, **values)
    elif as_json:
        world._nonce += 1
        body = json.dumps({"nonce": world._nonce} | values)
        reply = world.http(world.signed(name, body, world._nonce))
        assert "error" in json.loads(reply.body)
    else:
        assert "error" in world.private(name, **values)


@pytest.mark.parametrize(
    "text", ["1E+999999999", "1e99999", "-1e-99999999", "NaN", "sNaN", "-Infinity", "9" * 5_000]
)
def test_numbers_that_no_memory_holds_are_refused(text: str) -> None:
    world = World()
    order = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "volume": "1", "price": "90"}
    for name in ("price", "volume", "displayvol"):
        assert world.error("AddOrder", **order | {name: text}).startswith("EGeneral:Invalid")
    for name in ("start", "end"):
        assert world.error("ClosedOrders", **{name: text}) == f"EGeneral:Invalid arguments:{name}"
    socket = Socket(world, AUTH)
    for kept in (text, f'"{text}"'):
        asked = (
            '{"method":"add_order","params":{"symbol":"BTC/USD","side":"buy","order_type":"limit",'
            f'"order_qty":1,"limit_price":{kept},"token":"{world.token()}"}}}}'
        )
        assert socket.say(asked)[0]["success"] is False


def test_a_body_that_is_no_form_is_answered() -> None:
    world = World()
    for body in ("", "{", "[]", "{}", "\x00", "nonce", "nonce=&nonce=", "%ff" * 100):
        reply = world.http(HttpRequest("POST", "/0/private/AddOrder", body=body))
        assert "error" in json.loads(reply.body)
