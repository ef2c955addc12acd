"""A connection is replaced before it is closed, and nothing is lost or told twice by that."""

from __future__ import annotations

import msgspec
import pytest

from core.engine.connections import APART_NS
from core.engine.replay import replay
from core.model.events import BalanceMoved
from core.model.units import ASSET_DECIMALS, NS_PER_MS, NS_PER_S
from core.model.views import BookState, OrderState, SessionState
from core.state.journal import Kind
from core.state.session import MOST_UNANSWERED, PROVEN_NS
from tests.world.test_recovery import MARKET, TRADE, World, world
from tools.world.tank import LATENCY_NS, Delivery, Message, Tank

AGE_NS = 84_600 * NS_PER_S
CONNECTIONS = 2
SETTLED_S = PROVEN_NS / NS_PER_S
APART_S = APART_NS / NS_PER_S


def grow_old(w: Tank) -> None:
    """Let both lines reach their age within a tick."""
    for session in w.engine.sessions:
        session.up_ns -= AGE_NS


def settled(w: World) -> World:
    """Let the connections be old enough to be replaced."""
    w.run(SETTLED_S)
    return w


def in_use(w: Tank, connection: int) -> int:
    return w.engine.sessions[connection].link


def replaced(w: Tank, connection: int) -> bool:
    return in_use(w, connection) >= CONNECTIONS


def times(w: Tank, kind: Kind, link: int) -> list[int]:
    return [r.time_ns for r in w.journal.records if r.kind == kind and r.connection == link]


def spare(connection: int) -> int:
    return connection + CONNECTIONS


def told_twice(w: World) -> None:
    """Have both lines replaced, and each old connection closed."""
    grow_old(w)
    w.run_until(lambda: replaced(w, TRADE) and replaced(w, MARKET))
    w.run(3)


# -- planned ends ----------------------------------------------------------------------------


def test_connections_that_reach_their_age_together_are_replaced_without_an_interruption():
    w = world()
    order = w.buy()
    w.run(0.1)
    sessions, books = len(w.hand.sessions), len(w.hand.books)
    told_twice(w)
    assert w.hand.sessions[sessions:] == []
    assert BookState.STALE not in w.hand.books[books:]
    assert w.engine.books[0].live
    assert order.state is OrderState.LIVE
    assert w.methods().count("order.cancel") == 0
    assert len(w.engine._port._standing) == CONNECTIONS  # type: ignore[attr-defined]


def test_the_new_connection_is_ready_before_the_old_one_is_closed():
    w = world()
    told_twice(w)
    for connection in (MARKET, TRADE):
        (up_ns,) = times(w, Kind.UP, spare(connection))
        subscribed = [
            r.time_ns
            for r in w.journal.records
            if r.kind == Kind.BYTES
            and r.connection == spare(connection)
            and b'"result"' in r.payload
        ]
        (dropped_ns,) = times(w, Kind.DROP, connection)
        assert up_ns < min(subscribed) < dropped_ns


def test_two_connections_never_change_hands_in_the_same_moment():
    w = world()
    grow_old(w)
    changed: dict[int, int] = {}
    while len(changed) < CONNECTIONS:
        w.run(0.05)
        for connection in (MARKET, TRADE):
            if replaced(w, connection):
                changed.setdefault(connection, w.now_ns)
    assert abs(changed[MARKET] - changed[TRADE]) >= APART_NS - NS_PER_S / 10


def test_while_the_new_connection_cannot_be_made_the_old_one_goes_on():
    w = world()
    order = w.buy()
    w.run(0.1)
    w.closed_connections = {MARKET, TRADE}
    grow_old(w)
    w.run(300)
    assert w.desk.session is SessionState.TRADING
    assert order.state is OrderState.LIVE
    assert not replaced(w, TRADE)
    w.closed_connections.clear()
    w.run_until(lambda: replaced(w, TRADE) and replaced(w, MARKET))
    assert SessionState.INTERRUPTED not in w.hand.sessions


def test_a_forced_end_before_the_new_connection_stands_is_an_ordinary_loss():
    w = world()
    w.closed_connections = {TRADE}
    grow_old(w)
    w.run(1)
    w.cut(TRADE, "24 hours")
    w.run(1)
    assert w.desk.session is SessionState.INTERRUPTED
    w.closed_connections.clear()
    w.run_until(lambda: w.desk.session is SessionState.TRADING)
    assert in_use(w, TRADE) == spare(TRADE)


def test_a_shutdown_notice_is_followed_by_a_new_connection_without_an_interruption():
    w = settled(world())
    sessions = len(w.hand.sessions)
    link = w.links[TRADE]
    link.session.announce_shutdown(w.now_ns)
    w.run_until(lambda: replaced(w, TRADE))
    w.run_until(lambda: w.links.get(TRADE) not in (None, link))
    assert w.hand.sessions[sessions:] == []


def test_a_venue_that_tells_every_connection_to_go_is_not_dialled_without_end():
    w = world()

    def go(message: Message) -> list[Delivery]:
        if message.connection == TRADE and b'"id":"u' in message.payload:
            link = w.saying
            w.at(w.now_ns + NS_PER_MS, lambda: link.session.announce_shutdown(w.venue_ns))
        return w.deliver(message)

    w.to_engine = go
    w.links[TRADE].session.announce_shutdown(w.now_ns)
    w.run(60)
    dials = len(times(w, Kind.UP, TRADE)) + len(times(w, Kind.UP, spare(TRADE)))
    assert 3 <= dials <= 1 + 60 / SETTLED_S


def test_places_are_taken_in_turn():
    w = world()
    told_twice(w)
    w.run(APART_S + 1)
    grow_old(w)
    w.run_until(lambda: not replaced(w, TRADE) and not replaced(w, MARKET))
    assert w.desk.session is SessionState.TRADING


# -- orders ----------------------------------------------------------------------------------


def test_a_reply_that_is_awaited_on_the_old_connection_is_still_taken():
    w = settled(world())
    w.to_engine = lambda m: [(1_500 * NS_PER_MS, m)] if b'"id":"p' in m.payload else w.deliver(m)
    w.links[TRADE].session.announce_shutdown(w.now_ns)
    w.run_until(lambda: TRADE + CONNECTIONS in w._standing)
    order = w.buy()
    w.to_engine = w.deliver
    w.run_until(lambda: replaced(w, TRADE))
    w.run(5)
    assert [state for _, state in w.hand.states] == [OrderState.LIVE]
    assert order.state is OrderState.LIVE


def test_a_fill_that_both_connections_tell_is_booked_once():
    w = settled(world())
    order = w.buy(6_499_500)
    w.run(0.1)
    w.links[TRADE].session.announce_shutdown(w.now_ns)
    w.run_until(lambda: replaced(w, TRADE))
    assert TRADE in w._standing
    w.other("SELL", "64995.00", "0.004")
    w.run(0.1)
    assert len(w.hand.fills) == 1
    assert w.engine.positions[0].lots == 400
    w.run(5)
    assert TRADE not in w._standing
    assert order.filled_lots == 400
    assert len(w.hand.fills) == 1


def test_what_only_the_old_connection_has_told_is_not_lost():
    w = settled(world())
    w.buy(6_499_500)
    w.run(0.1)
    w.links[TRADE].session.announce_shutdown(w.now_ns)
    w.run_until(lambda: replaced(w, TRADE))
    new = w._standing[spare(TRADE)]
    w.to_engine = lambda m: (
        [] if w.saying is new and b"executionReport" in m.payload else w.deliver(m)
    )
    w.other("SELL", "64995.00", "0.004")
    w.run(0.1)
    assert w.engine.positions[0].lots == 400


def test_after_a_private_stream_was_replaced_the_table_is_held_against_the_venue():
    w = settled(world())
    w.links[TRADE].session.announce_shutdown(w.now_ns)
    w.run_until(lambda: replaced(w, TRADE))
    lists = sum("openOrders" in request.path for request in w.asked)
    w.run_until(lambda: TRADE not in w._standing)
    w.run(0.3)
    assert sum("openOrders" in request.path for request in w.asked) == lists + 1


def test_a_deposit_that_both_connections_tell_moves_the_ledger_once():
    w = settled(world())
    w.links[TRADE].session.announce_shutdown(w.now_ns)
    w.run_until(lambda: replaced(w, TRADE))
    moved = {
        "subscriptionId": 0,
        "event": {"e": "balanceUpdate", "E": 1, "a": "BTC", "d": "1.00000000", "T": 1},
    }
    told: list[BalanceMoved] = []
    w.engine.handlers[BalanceMoved] = told.append
    for link in list(w._standing.values()):
        if link.connection == TRADE:
            w._say(link, 1, msgspec.json.encode(moved))
    w.run(0.1)
    assert len(told) == 1


def test_a_lock_that_both_connections_tell_counts_once():
    w = settled(world())
    w.run_until(lambda: w.engine.ledger.opened, 30)
    w.links[TRADE].session.announce_shutdown(w.now_ns)
    w.run_until(lambda: replaced(w, TRADE))
    free = w.engine.balances["BTC"]
    lock = {
        "subscriptionId": 0,
        "event": {"e": "externalLockUpdate", "E": 1, "a": "BTC", "d": "1.00000000", "T": 1},
    }
    for link in list(w._standing.values()):
        if link.connection == TRADE:
            w._say(link, 1, msgspec.json.encode(lock))
    w.run(0.1)
    assert w.engine.balances["BTC"] == free - 10**ASSET_DECIMALS


def test_an_ended_private_stream_stops_trading_until_the_new_one_is_proved():
    w = settled(world())
    order = w.buy()
    w.run(0.1)
    ended = {"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": 1}}
    w.closed_connections = {TRADE}
    w.say(TRADE, 1, msgspec.json.encode(ended))
    w.run(0.1)
    assert w.desk.session is SessionState.INTERRUPTED
    assert TRADE in w.links, "what may still be told is not cut off"
    w.cancel(order)
    w.run(0.1)
    assert order.state is OrderState.CANCELED
    w.closed_connections.clear()
    w.run_until(lambda: w.desk.session is SessionState.TRADING)
    assert replaced(w, TRADE)


def test_a_deaf_connection_whose_successor_is_on_its_way_is_listened_to_until_then():
    w = settled(world())
    order = w.buy()
    w.run(0.1)
    w.closed_connections = {TRADE}
    grow_old(w)
    w.run(1)
    w.to_venue = lambda m: [] if m.connection == TRADE else w.deliver(m)
    w.engine.sessions[TRADE].unanswered = MOST_UNANSWERED
    w.run(1)
    assert w.desk.session is SessionState.INTERRUPTED
    w.other("SELL", "64900.00", "1.01")
    w.run(0.1)
    assert order.traded_lots == 1_000, "what it tells is not cut off"
    w.to_venue = w.deliver
    w.closed_connections.clear()
    w.run_until(lambda: w.desk.session is SessionState.TRADING)
    assert replaced(w, TRADE)


# -- books -----------------------------------------------------------------------------------


@pytest.mark.parametrize("late", ["old", "new"])
def test_a_book_goes_on_whichever_feed_is_behind(late: str):
    w = Tank(seed=7).run(8)
    old = w.links[MARKET]
    behind_ns = 700 * NS_PER_MS

    def pass_on(message: Message) -> list[Delivery]:
        is_late = message.connection == MARKET and (w.saying is old) == (late == "old")
        return [(LATENCY_NS + behind_ns * is_late, message)]

    w.to_engine = pass_on
    resyncs = w.engine.counts.resyncs
    w.run(2)
    old.session.announce_shutdown(w.now_ns)
    w.run_until(lambda: replaced(w, MARKET))
    for _ in range(300):
        w.run(0.05)
        assert w.engine.books[0].live
    assert w.engine.counts.resyncs == resyncs
    w.leave()


def test_a_trade_that_both_feeds_tell_is_told_once():
    w = settled(world())
    w.links[MARKET].session.announce_shutdown(w.now_ns)
    trades = w.engine.counts.trades
    for _ in range(40):
        w.other("SELL", "64990.00", "0.001")
        w.run(0.1)
    assert replaced(w, MARKET)
    w.run(1)
    assert w.engine.counts.trades == trades + 40


def test_a_book_is_lost_where_the_old_feed_ends_before_the_new_one_continues_it():
    w = settled(world())
    w.links[MARKET].session.announce_shutdown(w.now_ns)
    w.run_until(lambda: spare(MARKET) in w._standing)
    w.run(0.05)
    books = len(w.hand.books)
    w.cut(MARKET)
    w.other("BUY", "64991.00", "0.01")
    w.run(1)
    assert BookState.STALE in w.hand.books[books:]
    assert w.engine.books[0].live
    assert replaced(w, MARKET)


def test_a_book_goes_on_where_the_old_feed_ends_after_the_new_one_continues_it():
    w = settled(world())
    w.engine.connections._handed_ns = w.now_ns  # another line has just changed hands
    w.links[MARKET].session.announce_shutdown(w.now_ns)
    w.run_until(lambda: spare(MARKET) in w._standing)
    w.run(0.5)
    w.other("BUY", "64991.00", "0.01")
    w.run(0.5)
    books = len(w.hand.books)
    w.cut(MARKET)
    w.other("BUY", "64992.00", "0.01")
    w.run(1)
    assert BookState.STALE not in w.hand.books[books:]
    assert w.engine.books[0].bid_ticks == 6_499_200


def test_a_new_feed_that_counts_anew_does_not_take_over():
    w = Tank(seed=7).run(8)
    old = w.links[MARKET]
    old.session.announce_shutdown(w.now_ns)

    def lower(message: Message) -> list[Delivery]:
        if (
            message.connection == MARKET
            and w.saying is not old
            and b"depthUpdate" in message.payload
        ):
            told = msgspec.json.decode(message.payload)
            told["data"]["U"], told["data"]["u"] = 1, 2
            return [(LATENCY_NS, Message(MARKET, 1, msgspec.json.encode(told)))]
        return w.deliver(message)

    w.to_engine = lower
    w.run(28)
    assert not replaced(w, MARKET)
    assert w.engine.books[0].live
    w.run(10)
    assert any("does not continue" in line for line in w.log_lines)


# -- replay ----------------------------------------------------------------------------------


def test_a_run_whose_connections_were_replaced_replays_identically():
    w = Tank(seed=9).run(8)
    for connection in (MARKET, TRADE):
        w.links[connection].session.announce_shutdown(w.now_ns)
    w.run(30)
    assert replaced(w, TRADE)
    assert replaced(w, MARKET)
    w.leave()
    assert replay(w.journal.records, w.application_again().engine).difference is None


def test_a_private_stream_that_ends_before_it_stands_is_no_ground_to_trade_on():
    w = world()
    w.cut(TRADE)
    w.to_venue = lambda m: [(50 * NS_PER_MS, m)] if b"subscribe" in m.payload else w.deliver(m)
    w.run_until(lambda: TRADE in w.links)
    ended = {"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": 1}}
    w.say(TRADE, 1, msgspec.json.encode(ended))
    w.closed_connections = {TRADE}
    w.run(5)
    assert not w.engine.recovery.reconciled
    w.closed_connections.clear()
    w.run_until(lambda: w.desk.session is SessionState.TRADING)
    assert replaced(w, TRADE)
