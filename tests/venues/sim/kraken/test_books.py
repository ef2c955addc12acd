"""Books over the wire: kept by the guide's recipe, every message proves itself."""

import pytest

from tests.venues.sim.kraken.driver import Book, Level3Book, Socket, Trader, World


@pytest.mark.parametrize("depth", [10, 25, 100, 500, 1000])
def test_a_book_kept_by_the_guide_matches_every_checksum(depth: int) -> None:
    world = World(rate=2_000, seed=depth)
    socket = Socket(world)
    socket.ok("subscribe", channel="book", symbol=["BTC/USD", "ETH/USD"], depth=depth)
    world.run(3)
    for name in ("BTC/USD", "ETH/USD"):
        book = Book(depth)
        messages = [one for one in socket.on("book") if one["data"][0]["symbol"] == name]
        assert messages[0]["type"] == "snapshot"
        assert len(messages) > 100
        assert all(book.take(one) for one in messages)
        side = world.venue.exchange.engine.markets[name].book.bids
        assert [int(p * 10**8) for p in book.best("bids")] == [p for p, _ in side.top(depth)]


@pytest.mark.parametrize("depth", [10, 100, 1000])
def test_a_level3_book_kept_by_the_guide_matches_every_checksum(depth: int) -> None:
    world = World(rate=2_000, seed=depth)
    socket = Socket(world, "/l3/v2")
    token = world.token()
    socket.ok("subscribe", channel="level3", symbol=["BTC/USD"], depth=depth, token=token)
    world.run(3)
    book = Level3Book(depth)
    messages = socket.on("level3")
    assert len(messages) > 100
    assert {e["event"] for m in messages[1:] for e in m["data"][0]["bids"]} == {
        "add", "modify", "delete",
    }  # fmt: skip
    assert all(book.take(one) for one in messages)


def test_a_book_that_begins_in_the_middle_of_a_step_matches_too() -> None:
    world = World(rate=2_000, seed=3)
    world.run(1)
    token = world.token()
    early = Socket(world, "/l3/v2")
    early.ok("subscribe", channel="level3", symbol=["BTC/USD"], token=token)
    others = Socket(world)
    others.ok("subscribe", channel="book", symbol=["BTC/USD"])
    world.fault("late", delay_ms=5, methods=["subscribe"])
    for _ in range(10):
        orders, levels = Socket(world, "/l3/v2"), Socket(world)
        orders.ask("subscribe", channel="level3", symbol=["BTC/USD"], depth=100, token=token)
        levels.ask("subscribe", channel="book", symbol=["BTC/USD"], depth=25)
        world.run(0.5, step_ms=40)
        kept: list[tuple[Socket, str, Book | Level3Book]] = [
            (orders, "level3", Level3Book(100)),
            (levels, "book", Book(25)),
        ]
        for socket, channel, book in kept:
            assert len(socket.on(channel)) > 5
            assert all(book.take(one) for one in socket.on(channel))
            world.venue.close_session(socket.session)
    for socket, channel, book in (
        (early, "level3", Level3Book(10)),
        (others, "book", Book(10)),
    ):
        assert all(book.take(one) for one in socket.on(channel))


def test_a_book_that_is_cut_after_every_level_matches_too() -> None:
    world = World(rate=2_000, seed=1)
    socket = Socket(world)
    socket.ok("subscribe", channel="book", symbol=["BTC/USD"])
    world.run(3, step_ms=50)
    book = Book(10, cut_at_once=True)
    assert all(book.take(one) for one in socket.on("book"))


def test_levels_beyond_the_depth_are_neither_sent_nor_deleted() -> None:
    world = World()
    for step in range(11):
        world.quote("buy", f"{100 + step}.0", "1")
    socket = Socket(world)
    [_, snapshot] = socket.ask("subscribe", channel="book", symbol=["BTC/USD"])
    prices = [int(one["price"]) for one in snapshot["data"][0]["bids"]]
    assert prices == [110, 109, 108, 107, 106, 105, 104, 103, 102, 101]
    before = len(socket.heard)
    world.quote("buy", "99.0", "1")
    assert socket.heard[before:] == []
    world.quote("buy", "111.0", "1")
    [update] = socket.heard[before:]
    assert [(int(one["price"]), int(one["qty"])) for one in update["data"][0]["bids"]] == [(111, 1)]


def test_a_level_that_comes_into_sight_is_sent() -> None:
    world = World()
    for step in range(11):
        world.quote("buy", f"{100 + step}.0", "1")
    socket = Socket(world)
    socket.ok("subscribe", channel="book", symbol=["BTC/USD"])
    before = len(socket.heard)
    world.private("AddOrder", pair="XBTUSD", type="sell", ordertype="market", volume="1")
    [update] = [one for one in socket.heard[before:] if one["channel"] == "book"]
    bids = [(int(one["price"]), int(one["qty"])) for one in update["data"][0]["bids"]]
    assert bids == [(110, 0), (100, 1)]


def test_prices_and_sizes_are_numbers_with_the_pair_s_decimals() -> None:
    world = World()
    world.quote("buy", "100", "0.5")
    socket = Socket(world)
    [_, snapshot] = socket.ask("subscribe", channel="book", symbol=["BTC/USD"])
    [level] = snapshot["data"][0]["bids"]
    assert (str(level["price"]), str(level["qty"])) == ("100.0", "0.50000000")


def test_a_wrong_checksum_is_seen_and_a_new_subscription_mends_it() -> None:
    world = World(rate=500)
    socket = Socket(world)
    socket.ok("subscribe", channel="book", symbol=["BTC/USD"])
    world.fault("checksum", methods=["book.BTC/USD"], times=1)
    world.run(1)
    book = Book(10)
    right = [book.take(one) for one in socket.on("book")]
    assert right.count(False) == 1
    socket.ok("unsubscribe", channel="book", symbol=["BTC/USD"])
    socket.heard.clear()
    socket.ok("subscribe", channel="book", symbol=["BTC/USD"])
    world.run(1)
    book = Book(10)
    assert all(book.take(one) for one in socket.on("book"))


def test_a_lost_message_makes_the_next_checksum_wrong() -> None:
    world = World()
    socket = Socket(world)
    socket.ok("subscribe", channel="book", symbol=["BTC/USD"])
    world.fault("drop", on="data", methods=["book.BTC/USD"], times=1)
    for price in ("100.0", "101.0", "102.0"):
        world.quote("buy", price, "1")
    book = Book(10)
    assert [book.take(one) for one in socket.on("book")] == [True, False, False]


def test_one_symbol_is_left_alone_by_another_one_s_subscriptions() -> None:
    world = World(rate=500)
    socket = Socket(world)
    socket.ok("subscribe", channel="book", symbol=["BTC/USD", "ETH/USD"])
    socket.ok("unsubscribe", channel="book", symbol=["ETH/USD"])
    before = len(socket.heard)
    world.run(1)
    names = {one["data"][0]["symbol"] for one in socket.heard[before:] if one["channel"] == "book"}
    assert names == {"BTC/USD"}


def test_an_own_order_stands_in_level3_by_its_id() -> None:
    world = World()
    trader = Trader(world)
    trader.ok("subscribe", channel="level3", symbol=["BTC/USD"], token=trader.token)
    before = len(trader.heard)
    order_id = trader.limit("buy", 100.0, 0.5)["order_id"]
    [update] = [one for one in trader.heard[before:] if one.get("channel") == "level3"]
    [event] = update["data"][0]["bids"]
    assert (event["event"], event["order_id"]) == ("add", order_id)
