"""Others on the account: they are told once, halt nothing on a shared one, and move no position."""

from __future__ import annotations

import heapq
from collections.abc import Callable

import pytest

from core.model.commands import TimeInForce
from core.model.events import UnknownExecution
from core.model.halts import HaltKind
from core.model.units import NS_PER_S
from core.model.views import SessionState
from tests.world.test_continuity import crashed, next_boot, trading
from tests.world.test_recovery import World, world
from tools.world.tank import MAKER, Tank
from venues.sim.actions import Deposit, Lock, SetAccount, perform
from venues.sim.binance.actions import Allocate, AnyAction
from venues.sim.matching import BUY
from venues.sim.server import DEFAULT_KEY

SHARED = 'account = "shared"'
TAKER = 'size = "0.01"\nmax_position = "0.3"\nthreshold_percent = 60'


def told(w: Tank) -> list[str]:
    return [line for line in w.log_lines if line.startswith("others on the account")]


def act(w: World, action: AnyAction) -> None:
    perform(action, w.venue.exchange, w.venue_ns)
    w.venue.advance(w.venue_ns)


def trade(w: World) -> None:
    w.other("BUY", "65010.00", "0.01", key=DEFAULT_KEY)


def allocate(w: World) -> None:
    act(w, Allocate(DEFAULT_KEY, "BTCUSDT", "BUY", "0.005", "65000.00"))


def deposit(w: World) -> None:
    act(w, Deposit(DEFAULT_KEY, "BTC", "1.5"))


def lock(w: World) -> None:
    act(w, Lock(DEFAULT_KEY, "BTC", "2"))


def elsewhere(w: World) -> None:
    """A trade on a symbol of another quote: nothing but the balance tells of it."""
    w.ledger.account().balance("BTC").free += 10_000_000


def questions(w: World) -> int:
    """How often the account was asked for."""
    return sum("/account" in request.path for request in w.asked)


WHAT: dict[Callable[[World], None], str] = {
    trade: "bought 0.01000 BTCUSDT at 65010.00",
    allocate: "bought 0.00500 BTCUSDT at 65000.00",
    deposit: "1.5 BTC paid in",
    lock: "2 BTC locked from outside",
}


@pytest.mark.parametrize("what", [*WHAT, elsewhere])
def test_on_a_shared_account_what_others_do_is_told_once_and_halts_nothing(what):
    w = world(top=SHARED)
    w.run(3)
    what(w)
    w.run(0.2)
    w.other("SELL", "65010.00", "1")
    w.buy(6_501_000, 100, tif=TimeInForce.IOC)
    w.run(400)
    assert not w.engine.risk.halts()
    assert w.engine.positions[0].lots == 100, "our own fill alone"
    assert len([line for line in told(w) if WHAT.get(what, "more since") in line]) == 1
    assert w.desk.session is SessionState.TRADING


@pytest.mark.parametrize("what", WHAT)
def test_on_our_own_account_what_the_venue_tells_of_others_is_named_and_explains_the_balance(what):
    w = world()
    w.run(3)
    what(w)
    w.run(400)
    assert not w.engine.risk.halts()
    assert len([line for line in told(w) if WHAT[what] in line]) == 1


def test_on_our_own_account_what_nothing_explains_halts_until_the_operator_resumes():
    w = world()
    w.run(3)
    elsewhere(w)
    w.run_until(lambda: w.desk.session is SessionState.HALTED, 90)
    assert w.engine.risk.halt_kind is HaltKind.LEDGER
    for said in ("BTC: 100 by our fills, 100.1 by the venue", "0.1 more since", "resume"):
        assert said in w.engine.risk.halted
    w.engine.on_control(b"resume", w.now_ns)
    w.run(200)
    assert w.desk.session is SessionState.TRADING
    assert not w.engine.risk.halts()


def test_ledgers_that_differ_are_asked_about_as_seldom_as_ever_and_told_once():
    w = world()
    w.run(3)
    elsewhere(w)
    w.run_until(lambda: w.desk.session is SessionState.HALTED, 90)
    asked = questions(w)
    w.run(600)
    assert questions(w) - asked <= 11
    assert sum("the ledgers differ" in line for line in w.log_lines) == 1


def test_balances_that_never_rest_are_asked_about_less_and_less_often():
    w = world()
    w.run(3)
    asked = questions(w)
    for _ in range(120):
        elsewhere(w)
        w.run(0.5)
    assert questions(w) - asked < 10
    w.run_until(lambda: w.desk.session is SessionState.HALTED, 400)


def test_a_dispute_of_the_ledgers_outlives_a_restart_and_trades_on_nothing():
    w = world()
    w.buy(6_501_000, 500, tif=TimeInForce.IOC)
    w.run(15)
    elsewhere(w)
    w.run_until(lambda: w.desk.session is SessionState.HALTED, 90)
    w.run(15)
    again = next_boot(w)
    again.run(100)
    assert again.desk.session is SessionState.HALTED
    assert "the ledgers differ" in again.engine.risk.halted
    again.engine.on_control(b"resume", again.now_ns)
    again.run(200)
    assert again.desk.session is SessionState.TRADING


def test_what_changed_between_two_boots_is_held_against_the_opening_of_the_first():
    w = world()
    w.buy(6_501_000, 500, tif=TimeInForce.IOC)
    w.run(75)
    note = crashed(w)
    assert note.checkpoint.ledger
    elsewhere(w)
    again = next_boot(w, note)
    again.run(100)
    assert "the ledgers differ" in again.engine.risk.halted


def test_a_deposit_made_while_no_run_was_there_is_named_and_can_be_resumed():
    """The venue tells of it to nobody later: the balance alone says so."""
    w = world()
    w.buy(6_501_000, 500, tif=TimeInForce.IOC)
    w.run(75)
    note = crashed(w)
    w.die()
    deposit(w)
    again = next_boot(w, note)
    again.run_until(lambda: again.desk.session is SessionState.HALTED, 100)
    [halt] = again.engine.risk.halts()
    assert (halt.kind, halt.kind.resumable) == (HaltKind.LEDGER, True)
    for said in ("BTC: 100.00", "101.50", "1.5 more since before this start", "resume"):
        assert said in halt.why
    again.engine.on_control(b"resume", again.now_ns)
    again.run(200)
    assert again.desk.session is SessionState.TRADING
    assert again.engine.positions[0].lots == 500
    assert not again.engine.risk.halts()


def test_trades_of_others_before_a_restart_are_counted_once():
    w = world()
    w.run(3)
    trade(w)
    w.run(75)
    again = trading(next_boot(w))
    again.run(200)
    assert not again.engine.risk.halts(), again.engine.risk.halted


@pytest.mark.parametrize("what", WHAT)
def test_what_others_did_in_the_last_seconds_of_a_boot_is_known_to_the_next(what):
    """No history tells of a payment or an allocation again: the next boot has it from this one."""
    w = world()
    w.run(75)
    what(w)
    w.run(2)
    again = trading(next_boot(w))
    again.run(300)
    assert not again.engine.risk.halts(), again.engine.risk.halted


def test_trades_off_todays_grid_block_no_start():
    w = World()
    w.make_market()
    trade(w)

    def off_grid(request, status, headers, body):
        if "myTrades" in request.path:
            body = body.replace(b'"price":"65010.00000000"', b'"price":"65010.00500000"')
        return (10**6, status, headers, body)

    w.rest_answer = off_grid
    trading(w)
    w.other("SELL", "65010.00", "1")
    trade(w)
    w.run(200)
    assert not w.engine.risk.halts(), w.engine.risk.halted
    assert any("off today's grid" in line for line in told(w))


def test_a_trade_of_ours_that_an_earlier_boot_has_counted_is_no_others_off_todays_grid():
    w = World().trading()
    w.buy(6_501_000, 500, tif=TimeInForce.IOC)
    w.run(11)
    again = next_boot(w)

    def off_grid(request, status, headers, body):
        if "myTrades" in request.path:
            body = body.replace(b'"price":"65010.00000000"', b'"price":"65010.00500000"')
        return (10**6, status, headers, body)

    again.rest_answer = off_grid
    trading(again)
    again.run(200)
    assert again.engine.positions[0].lots == 500
    assert not again.engine.risk.halts(), again.engine.risk.halted
    assert not any("others on the account" in line for line in again.log_lines)


def test_many_trades_of_others_while_we_were_away_delay_no_start():
    """Pages of trades and of orders: neither one question for each, nor any lost."""
    w = world(top=SHARED)
    w.buy(6_501_000, 500, tif=TimeInForce.IOC)
    w.run(11)
    note = crashed(w)
    w.die()
    for _ in range(1_200):
        w.other("SELL", "65009.00", "0.0002")
        w.other("BUY", "65009.00", "0.0002", key=DEFAULT_KEY, timeInForce="IOC")
        w.now_ns += NS_PER_S // 2
    again = World(boot=2, venue=w.venue, now_ns=w.now_ns, restored=note, top=SHARED)
    trading(again)
    assert again.now_ns - w.now_ns < 15 * NS_PER_S
    assert sum("allOrders" in request.path for request in again.asked) <= 6
    assert "order.status" not in again.methods()
    again.run(70)
    assert again.engine.orders.unclaimed() == []
    assert again.engine.positions[0].lots == 500
    assert len(told(again)) < 5


def test_an_execution_of_others_that_cannot_be_read_halts_nothing():
    w = world(top=SHARED)
    w.other("BUY", "64000.00", "0.01", key=DEFAULT_KEY, newClientOrderId="web_1")
    w.run(0.1)
    w.to_engine = lambda m: w.deliver(m)
    grid = w.engine.table[0]
    assert grid.lot.step == "0.00001"
    w.say(
        1,
        1,
        b'{"subscriptionId":0,"event":{"e":"executionReport","E":1,"s":"BTCUSDT","c":"web_2",'
        b'"S":"BUY","o":"LIMIT","f":"GTC","q":"0.00000100","p":"65010.00000000","C":"","x":"NEW",'
        b'"X":"NEW","r":"NONE","i":4711,"l":"0","z":"0","L":"0","n":"0","N":null,"T":1,"t":-1,'
        b'"I":77,"m":false}}',
    )
    w.run(1)
    assert not w.engine.risk.halts()


def test_an_account_that_may_not_trade_is_halted_with_the_venues_word():
    w = world()
    perform(SetAccount(api_key=DEFAULT_KEY, may_trade=False), w.venue.exchange, w.venue_ns)
    w.run(70)
    assert w.engine.risk.halt_kind is HaltKind.REFUSED
    assert "may not trade" in w.engine.risk.halted
    assert sum("halted: " in line for line in w.log_lines) == 1, "once, not with every pass"


def test_an_execution_of_ours_that_cannot_be_read_halts_and_is_asked_about():
    w = world()
    order = w.buy()
    w.run(0.2)
    asked = w.methods().count("order.status")
    w.engine.executions.on_unknown_execution(
        UnknownExecution(0, order.client_order_id, "x=RESTATED", order.venue_order_id)
    )
    w.run(0.5)
    assert w.engine.risk.instrument_halt_kind(0) is HaltKind.CONTRADICTION
    assert w.methods().count("order.status") > asked


# -- two processes -------------------------------------------------------------------------------


def both() -> tuple[Tank, Tank]:
    """Two processes of different strategies on one account, in one time."""
    maker = Tank(strategy="maker", parameters=MAKER, rate=2.0, top=SHARED, seed=1)
    taker = Tank(strategy="taker", parameters=TAKER, top=SHARED, venue=maker.venue)
    # Whatever was to happen in either world happens in the first one's order of time.
    for event in taker._heap:
        heapq.heappush(maker._heap, (event[0], next(maker._order), event[2]))
    taker._heap, taker._order = maker._heap, maker._order
    return maker, taker


def run_both(tanks: tuple[Tank, Tank], seconds: float) -> None:
    heap = tanks[0]._heap
    until_ns = tanks[0].now_ns + int(seconds * NS_PER_S)
    while True:
        due_ns = min([heap[0][0], *(t.engine.timers.next_due_ns for t in tanks if t.alive)])
        if due_ns > until_ns:
            break
        for tank in tanks:
            tank.now_ns = max(tank.now_ns, due_ns)
            tank._fire_timers(due_ns)
        if heap[0][0] <= due_ns:
            heapq.heappop(heap)[2]()
    for tank in tanks:
        tank.now_ns = until_ns


def sum_of_fills(tank: Tank) -> int:
    """What a process has traded, by the exchange's own record of the orders it named."""
    orders = [o for o in tank.ledger.orders("BTCUSDT") if tank.engine.orders.is_ours(o.names[0])]
    return sum(o.executed if o.side is BUY else -o.executed for o in orders) // 1_000


def test_two_processes_share_an_account_and_a_symbol_for_an_hour_with_restarts():
    tanks = both()
    for minute in range(60):
        run_both(tanks, 60)
        if minute % 13 == 7:
            dies = tanks[minute % 2]
            note = crashed(dies)
            dies.die()
            run_both(tanks, 3)
            dies.reboot(note)
    for tank in tanks:
        tank.engine.on_control(b"halt", tank.now_ns)
    run_both(tanks, 90)
    for tank in tanks:
        halts = tank.engine.risk.halts()
        assert [halt.kind for halt in halts] == [HaltKind.OPERATOR], halts
        position = tank.engine.positions[0]
        assert position.bought_lots + position.sold_lots > 20_000, "each has traded"
        assert position.lots == sum_of_fills(tank)
        assert 0 < len(told(tank)) < 8 * 60
        assert not list(tank.engine.orders.unsettled())
    assert tanks[0].engine.setup.boot + tanks[1].engine.setup.boot > 4
