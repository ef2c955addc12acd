"""One WebSocket: status, pings, heartbeats, subscriptions, tokens."""

from typing import Any

import pytest

from tests.venues.sim.kraken.driver import AUTH, SECOND, Socket, Trader, World
from venues.sim.actions import SetFilters
from venues.sim.kraken.actions import SetSystem


def test_a_connection_begins_with_the_engine_s_status() -> None:
    [status] = Socket(World()).heard
    [data] = status["data"]
    assert (status["channel"], status["type"]) == ("status", "update")
    assert {"system", "api_version", "connection_id", "version"} <= set(data)
    assert (data["system"], data["api_version"]) == ("online", "v2")


def test_a_ping_is_answered_by_a_pong_in_the_documented_form() -> None:
    [pong] = Socket(World()).say('{"method": "ping", "req_id": 101}')
    assert set(pong) == {"method", "req_id", "time_in", "time_out"}
    assert (pong["method"], pong["req_id"]) == ("pong", 101)


def test_a_heartbeat_comes_each_second_in_which_nothing_else_does() -> None:
    world = World()
    socket = Socket(world)
    world.run(3)
    assert socket.on("heartbeat") == []
    socket.ok("subscribe", channel="trade", symbol=["BTC/USD"])
    world.run(5, step_ms=100)
    assert len(socket.on("heartbeat")) in {4, 5}


def test_who_says_nothing_and_listens_to_nothing_is_cut_off_after_a_minute() -> None:
    world = World()
    idle, pinging, listening = Socket(world), Socket(world), Socket(world)
    listening.ok("subscribe", channel="trade", symbol=["BTC/USD"])
    for _ in range(3):
        world.run(25, step_ms=500)
        pinging.say('{"method": "ping"}')
    assert (idle.is_cut, pinging.is_cut, listening.is_cut) == (True, False, False)


def test_each_symbol_has_an_acknowledgement_of_its_own() -> None:
    socket = Socket(World())
    acks = socket.ask("subscribe", channel="ticker", symbol=["BTC/USD", "XBT/USD"])
    acks = [one for one in acks if one.get("method") == "subscribe"]
    assert acks[0]["result"] == {
        "channel": "ticker", "symbol": "BTC/USD", "snapshot": True, "event_trigger": "trades",
    }  # fmt: skip
    assert acks[1]["success"] is False
    assert acks[1]["error"] == "Currency pair not supported XBT/USD"
    assert {"time_in", "time_out", "req_id"} <= set(acks[1])


@pytest.mark.parametrize(
    "params",
    [
        {"channel": "book", "symbol": ["BTC/USD"], "depth": 11},
        {"channel": "book", "symbol": ["BTC/USD"], "depth": True},
        {"channel": "book", "symbol": []},
        {"channel": "book"},
        {"channel": "nope", "symbol": ["BTC/USD"]},
        {"channel": "ticker", "symbol": ["BTC/USD"], "event_trigger": "x"},
        {"channel": "ohlc", "symbol": ["BTC/USD"], "interval": 2},
        {"channel": "book", "symbol": [None]},
    ],
)
def test_a_subscription_that_does_not_exist_is_refused(params: dict[str, Any]) -> None:
    assert Socket(World()).refused("subscribe", **params)


def test_a_second_subscription_is_refused_and_an_unknown_one_cannot_be_left() -> None:
    socket = Socket(World())
    socket.ok("subscribe", channel="trade", symbol=["BTC/USD"])
    again = socket.refused("subscribe", channel="trade", symbol=["BTC/USD"])
    assert again == "Already subscribed"
    assert socket.refused("unsubscribe", channel="ohlc", symbol=["BTC/USD"])


@pytest.mark.parametrize(
    "text", ["", "nonsense", "[]", "1", '"x"', "{}", '{"method": 5}', "[" * 9_999]
)
def test_what_is_no_request_is_answered_with_an_error(text: str) -> None:
    [answer] = Socket(World()).say(text)
    assert answer["success"] is False


def test_an_unknown_method_is_refused() -> None:
    assert Socket(World()).refused("nope") == "Unsupported event"


def test_each_host_serves_its_own_alone() -> None:
    world = World()
    public, private = Socket(world), Trader(world)
    for method, params in (
        ("subscribe", {"channel": "executions"}),
        ("subscribe", {"channel": "level3", "symbol": ["BTC/USD"]}),
        ("add_order", private.order("buy", 90.0, 0.5)),
        ("cancel_all", {"token": private.token}),
    ):
        assert public.refused(method, **params).endswith("Try ws-auth.kraken.com")
    error = private.refused("subscribe", channel="book", symbol=["BTC/USD"])
    assert error.endswith("Try ws.kraken.com")
    assert public.ask("ping")[0]["method"] == private.ask("ping")[0]["method"] == "pong"


def test_a_symbol_has_one_book_on_a_connection_whatever_its_depth() -> None:
    socket = Socket(World())
    socket.ok("subscribe", channel="book", symbol=["BTC/USD"], depth=10)
    again = socket.refused("subscribe", channel="book", symbol=["BTC/USD"], depth=100)
    assert again == "Already subscribed"


@pytest.mark.parametrize("token", [None, "", "nonsense", 5, ["x"]])
def test_a_private_channel_wants_a_good_token(token: Any) -> None:
    socket = Socket(World(), AUTH)
    assert socket.refused("cancel_all") == "Token(s) not found"
    for channel in ("executions", "balances"):
        error = socket.refused("subscribe", channel=channel, token=token)
        assert error == "ESession:Invalid session"
    assert socket.refused("cancel_all", token=token) == "ESession:Invalid session"


def test_a_token_has_to_be_used_within_fifteen_minutes() -> None:
    world = World()
    early, late = Socket(world, AUTH), Socket(world, AUTH)
    token = world.token()
    world.now_ns += 899 * SECOND
    assert early.ok("cancel_all", token=token) == {"count": 0}
    world.now_ns += SECOND
    error = late.refused("subscribe", channel="executions", token=token)
    assert error == "ESession:Invalid session"


def test_a_token_lives_as_long_as_a_subscription_made_with_it() -> None:
    world = World()
    trader, other = Trader(world), Socket(world, AUTH)
    world.now_ns += 7_200 * SECOND
    assert trader.ok("cancel_all", token=trader.token) == {"count": 0}
    assert other.ok("cancel_all", token=trader.token) == {"count": 0}
    world.venue.close_session(trader.session)
    assert other.refused("cancel_all", token=trader.token) == "ESession:Invalid session"


def test_a_token_is_let_go_by_leaving_what_was_subscribed_with_it() -> None:
    world = World()
    trader = Trader(world)
    world.now_ns += 7_200 * SECOND
    trader.ok("unsubscribe", channel="executions", token=trader.token)
    assert trader.refused("cancel_all", token=trader.token) == "ESession:Invalid session"


def test_instruments_come_with_all_that_orders_and_checksums_need() -> None:
    world = World()
    [_, snapshot] = Socket(world).ask("subscribe", channel="instrument")
    pairs = {one["symbol"]: one for one in snapshot["data"]["pairs"]}
    btc = pairs["BTC/USD"]
    assert (btc["base"], btc["quote"], btc["status"]) == ("BTC", "USD", "online")
    assert (btc["price_precision"], btc["qty_precision"]) == (1, 8)
    assert (str(btc["price_increment"]), str(btc["qty_min"])) == ("0.1", "0.00005")
    assert {"BTC", "USD"} <= {one["id"] for one in snapshot["data"]["assets"]}


def test_an_instrument_that_changes_is_told() -> None:
    world = World()
    socket = Socket(world)
    socket.ok("subscribe", channel="instrument")
    world.venue.perform(SetFilters(symbol="BTC/USD", tick_size="0.5"), world.now_ns)
    [pair] = socket.on("instrument")[-1]["data"]["pairs"]
    assert str(pair["price_increment"]) == "0.5"


def test_the_engine_s_status_is_told_when_it_changes() -> None:
    world = World()
    socket = Socket(world)
    world.venue.perform(SetSystem(system="maintenance"), world.now_ns)
    assert socket.on("status")[-1]["data"][0]["system"] == "maintenance"
    assert world.public("SystemStatus")["result"]["status"] == "maintenance"


def test_level3_symbols_are_rationed() -> None:
    world = World()
    socket = Socket(world, "/l3/v2")
    token = world.token()
    symbols = ["BTC/USD", "ETH/USD", "SOL/USD"]
    error = socket.refused("subscribe", channel="level3", symbol=symbols, depth=1000, token=token)
    assert error == "EAPI:Rate limit exceeded"
    socket.ok("subscribe", channel="level3", symbol=symbols[:1], depth=1000, token=token)


def test_a_connection_has_so_many_level3_symbols() -> None:
    world = World()
    socket = Socket(world, "/l3/v2")
    token = world.token()
    symbols = ["BTC/USD"] * 201
    # A depth that is refused costs nothing: it is the number that is too high.
    error = socket.refused("subscribe", channel="level3", symbol=symbols, depth=7, token=token)
    assert error == "EGeneral:Invalid arguments:too many symbols"


def test_tickers_come_by_trade_or_by_best_price() -> None:
    world = World(rate=500)
    by_trade, by_price = Socket(world), Socket(world)
    by_trade.ok("subscribe", channel="ticker", symbol=["BTC/USD"])
    by_price.ok("subscribe", channel="ticker", symbol=["BTC/USD"], event_trigger="bbo")
    by_trade.ok("subscribe", channel="trade", symbol=["BTC/USD"])
    world.run(3)
    trades, tickers = by_trade.on("trade"), by_trade.on("ticker")
    assert len(tickers) - 1 == len(trades)
    assert len(by_price.on("ticker")) > len(tickers)
    keys = {
        "symbol", "bid", "bid_qty", "ask", "ask_qty", "last", "volume", "vwap", "low", "high",
        "change", "change_pct", "trades", "timestamp",
    }  # fmt: skip
    assert set(tickers[-1]["data"][0]) == keys
    ids = [one["trade_id"] for message in trades for one in message["data"]]
    assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_candles_follow_the_trades() -> None:
    world = World(rate=500)
    socket = Socket(world)
    socket.ok("subscribe", channel="ohlc", symbol=["BTC/USD"], interval=5)
    world.run(3)
    last = socket.on("ohlc")[-1]["data"][0]
    trades = world.venue.exchange.engine.markets["BTC/USD"].tape.trades
    assert last["interval"] == 5
    assert int(last["close"] * 10**8) == trades[-1].price
    assert last["trades"] == len(trades)
