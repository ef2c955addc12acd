"""From one boot to the next: positions, orders in doubt, and what happened in between."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from core.engine.checkpoint import FAILED, LEFT, RECENT_IDS, Notes, Restored
from core.engine.recovery import CLEAN_LISTS
from core.engine.resolution import APART_NS, SKEW_NS
from core.model.commands import OrderKind, TimeInForce
from core.model.events import Side
from core.model.halts import HaltKind
from core.model.units import NS_PER_S
from core.model.views import OrderState, SessionState
from core.state.journal import Kind, Record
from tests.world.test_recovery import TRADE, World, world
from tools.position import set_note
from tools.world.tank import LATENCY_NS, Delivery, Message, Tank
from venues.binance.adapter import EXECUTION_NS, LAG_NS
from venues.sim.actions import SetAccount, SetFilters, perform
from venues.sim.binance.actions import Allocate
from venues.sim.server import DEFAULT_KEY


def crashed(w: Tank, *, left: bool = False, failed: bool = False) -> Restored:
    notes = Notes()
    notes.begin(w.engine.setup.boot)
    for record in w.journal.records:
        notes.read(record)
    end = FAILED if failed else LEFT if left else b"not proved"
    notes.read(Record(Kind.END, 0, w.now_ns, end))
    restored = notes.restored()
    assert restored is not None
    return restored


def next_boot(w: World, restored: Restored | None = None, **options) -> World:
    """Start anew on the same exchange, ``w`` having died."""
    for connection in list(w.links):
        w._close_session(w.links.pop(connection))
    return World(
        boot=w.engine.setup.boot + 1,
        venue=w.venue,
        now_ns=w.now_ns,
        restored=restored or crashed(w),
        **options,
    )


def trading(w: World) -> World:
    w.run_until(lambda: w.desk.session is SessionState.TRADING)
    return w


def test_a_position_goes_on_in_the_next_boot():
    w = world()
    w.buy(6_501_000, 500, tif=TimeInForce.IOC)
    w.run(11)
    again = trading(next_boot(w))
    assert again.engine.positions[0].lots == 500
    assert again.engine.positions[0].fees_atoms == w.engine.positions[0].fees_atoms
    assert again.engine.positions[0].bought_value == 500 * 6_501_000


def test_fills_between_the_last_note_and_the_start_are_found():
    w = world()
    w.buy(6_501_000, 500, tif=TimeInForce.IOC)
    order = w.buy(6_499_500, 1_000)
    w.run(11)
    w.to_engine = lambda m: []  # it dies, and hears nothing more
    w.other("SELL", "64995.00", "0.004")
    w.run(0.1)
    again = trading(next_boot(w))
    assert again.engine.positions[0].lots == 900
    resumed = again.engine.orders.find(order.client_order_id)
    assert resumed is not None
    again.run(0.2)
    assert resumed.state is OrderState.CANCELED, "left over, so it is taken out"
    assert again.ledger.open_orders("BTCUSDT") == []


def test_an_order_sent_after_the_last_note_is_found_with_its_fill():
    w = world()
    w.run(11)
    w.to_engine = lambda m: []
    w.buy(6_501_000, 300, tif=TimeInForce.IOC)  # fills; neither reply nor report are heard
    w.run(0.05)
    again = trading(next_boot(w))
    assert again.engine.positions[0].lots == 300
    assert again.engine.orders.exposure(0).open_buy_lots == 0


def test_an_order_accepted_after_the_crash_is_found_before_the_first_order_leaves():
    w = world()
    w.run(11)
    under_way: list[bytes] = []

    def hold(message: Message) -> list[Delivery]:
        under_way.append(message.payload)
        return []

    w.to_venue = hold
    w.buy(6_490_000, 300)
    again = next_boot(w)
    began_ns = again.now_ns

    def arrive() -> None:
        again.links[TRADE].session.receive(under_way[0], again.now_ns)
        again.venue.advance(again.now_ns)

    again.at(again.now_ns + 4 * NS_PER_S, arrive)
    trading(again)
    assert again.now_ns - began_ns > 7 * NS_PER_S
    again.run(0.2)
    assert len(again.ledger.orders("BTCUSDT")) == 1
    assert again.ledger.open_orders("BTCUSDT") == []


def test_a_clean_end_needs_no_waiting():
    w = world()
    w.buy(6_501_000, 500, tif=TimeInForce.IOC)
    w.run(0.1)
    w.leave()
    again = next_boot(w, crashed(w, left=True))
    began_ns = again.now_ns
    trading(again)
    assert again.now_ns - began_ns < NS_PER_S
    assert again.engine.positions[0].lots == 500


def test_a_leftover_order_is_adopted_where_that_is_configured():
    w = world()
    order = w.buy()
    w.run(11)
    again = trading(next_boot(w, run='on_restart = "adopt"'))
    again.run(0.2)
    found = again.engine.orders.find(order.client_order_id)
    assert found is not None
    assert found.state is OrderState.LIVE
    assert again.engine.orders.exposure(0).open_buy_lots == 1_000


def test_trades_of_others_on_the_account_are_not_ours():
    w = world()
    key = "hotloop-sim-key-this-is-not-a-secret"
    w.other("BUY", "65010.00", "0.1", key=key)
    w.run(11)
    w.to_engine = lambda m: []
    w.other("BUY", "65010.00", "0.1", key=key)
    again = trading(next_boot(w))
    assert again.engine.positions[0].lots == 0
    assert again.engine.orders.unclaimed() == []


def test_an_instrument_whose_grid_has_changed_is_halted():
    w = world()
    w.buy(6_501_000, 500, tif=TimeInForce.IOC)
    w.run(11)
    note = crashed(w).checkpoint
    note.positions[0] = replace(note.positions[0], lot="0.0000000007")
    again = trading(next_boot(w, Restored(checkpoint=note, ended_ns=w.now_ns, clean=True)))
    assert "no whole number" in again.engine.risk.instrument_halted(0)


def test_no_id_is_used_twice_across_boots():
    w = world()
    w.buy()
    w.run(11)
    again = trading(next_boot(w))
    again.buy()
    again.run(0.2)
    ids = [order.client_id for order in again.ledger.orders("BTCUSDT")]
    assert len(ids) == len(set(ids)) == 2


# -- what the boot before has left elsewhere -------------------------------------------------

TWO = {"symbols": ("BTCUSDT", "ETHUSDT")}
OWN = "hotloop-sim-key-this-is-not-a-secret"


def with_ether(w: World) -> World:
    """Hold 5 ETH, and an order for one more, on a symbol that the next boot leaves out."""
    w.other("SELL", "3201.00", "5", symbol="ETHUSDT")
    w.run_until(lambda: w.engine.books[1].live and bool(w.engine.books[1].ask_lots))
    for ticks, lots, tif in (
        (320_100, 5_000, TimeInForce.IOC),
        (318_000, 1_000, TimeInForce.GTC),
    ):
        w.desk.now_ns = w.now_ns
        w.desk.place(1, Side.BUY, ticks, lots, tif=tif)
        w.flush()
        w.run(0.2)
    w.run(11)
    assert (w.engine.positions[1].lots, len(w.ledger.open_orders("ETHUSDT"))) == (5_000, 1)
    return w


def test_an_order_on_a_symbol_that_was_left_out_is_cancelled_and_the_symbol_named():
    again = trading(next_boot(with_ether(World(**TWO).trading())))
    again.run(0.5)
    assert again.ledger.open_orders("ETHUSDT") == []
    assert "left out" in again.engine.risk.instrument_halted(1)
    assert any(
        "ETHUSDT halted: left out" in line and " 0.5000 ETH" in line for line in again.log_lines
    )
    assert [row.symbol for row in again.desk.instruments] == ["BTCUSDT"]
    assert again.hand.states == [], "and the strategy is not told of what it knows nothing of"


def test_a_position_on_a_symbol_that_was_left_out_is_there_when_it_comes_back():
    second = trading(next_boot(with_ether(World(**TWO).trading())))
    second.run(1)
    second.leave()
    third = next_boot(second, crashed(second, left=True))
    trading(third).run(1)
    third.leave()
    again = trading(next_boot(third, crashed(third, left=True), **TWO))
    assert again.engine.positions[1].lots == 5_000


def test_a_symbol_that_the_venue_knows_no_more_keeps_no_other_from_trading_and_is_noted_on():
    w = with_ether(World(**TWO).trading())
    again = next_boot(w)

    def gone(request, status, headers, body):
        if request.path.endswith("exchangeInfo") and "ETHUSDT" in request.query:
            return LATENCY_NS, 400, headers, b'{"code":-1121,"msg":"Invalid symbol."}'
        return LATENCY_NS, status, headers, body

    again.rest_answer = gone
    trading(again).run(11)
    assert any("not carried" in line and "ETHUSDT" in line for line in again.log_lines)
    noted = crashed(again).checkpoint.positions
    assert [(note.symbol, note.lots) for note in noted] == [("BTCUSDT", 0), ("ETHUSDT", 5_000)]


def test_a_run_is_not_left_while_an_order_of_ours_stands_on_a_symbol_it_knows_nothing_of():
    w = world()
    name = w.application.adapter.names(w.engine.setup.scope, 1, 0).next(99)
    w.other("BUY", "3000.00", "1", OWN, symbol="ETHUSDT", newClientOrderId=name)
    w.engine.leave("test", w.now_ns)
    w.run(10)
    assert not w.has_left
    assert any("LOOK AT THE VENUE" in line and "ETHUSDT" in line for line in w.log_lines)
    lists = [request for request in w.asked if request.path.endswith("openOrders")]
    assert len(lists) < 12, "and the venue is not asked at every tick"
    w.request("order.cancel", {"symbol": "ETHUSDT", "origClientOrderId": name}, OWN)
    w.run_until(lambda: w.has_left)


def test_a_run_is_left_once_the_whole_account_was_listed_empty_twice():
    w = world()
    w.buy()
    w.run(0.1)
    asked = len(w.asked)
    w.leave()
    lists = [r.query for r in w.asked[asked:] if r.path.endswith("openOrders")]
    assert len(lists) == CLEAN_LISTS
    assert not any("symbol=" in query for query in lists)


def test_nothing_is_claimed_of_a_venue_that_was_never_reached():
    w = World()
    w.rest_answer = lambda *_: None
    w.run(3)
    w.leave()
    assert w.engine.left
    assert w.engine.unsent
    assert not w.engine.recovery.left


def test_a_clean_end_stays_clean_over_boots_that_never_reach_the_venue():
    w = world()
    w.buy(6_501_000, 500, tif=TimeInForce.IOC)
    w.run(0.1)
    w.leave()
    restored = crashed(w, left=True)
    for _ in range(2):
        w = next_boot(w, restored)
        w.rest_answer = lambda *_: None
        w.run(3)
        w.leave()
        assert w.engine.unsent
        restored = crashed(w)
    assert restored.clean
    assert restored.checkpoint.positions[0].bought_lots == 500


def test_a_boot_that_died_with_the_venue_away_since_leaves_nothing_proved():
    w = world()
    w.buy()
    w.run(11)
    again = next_boot(w)
    again.rest_answer = lambda *_: None
    again.run(3)
    again.engine.leave("test", again.now_ns)
    again.run(10)
    assert not again.engine.left
    assert not again.engine.unsent


@pytest.mark.parametrize("ahead_s", [3600, -3600])
def test_a_clock_that_was_wrong_before_is_waited_for_no_longer_than_a_request_lives(ahead_s: int):
    w = world()
    w.buy()
    w.run(11)
    told = crashed(w)
    left = told.checkpoint
    again = next_boot(
        w,
        replace(
            told,
            ended_ns=told.ended_ns + ahead_s * NS_PER_S,
            checkpoint=replace(left, clock_offset_ns=left.clock_offset_ns - ahead_s * NS_PER_S),
        ),
    )
    began_ns = again.now_ns
    trading(again)
    assert 6 * NS_PER_S < again.now_ns - began_ns < 8 * NS_PER_S
    assert any("waiting 7" in line or "waiting 6" in line for line in again.log_lines)
    again.run(0.5)
    assert again.ledger.open_orders("BTCUSDT") == []


def lost_with_its_connection(w: World) -> str:
    """Have an order lost on its way, which nobody will ever tell of; it dies with its line."""
    w.to_venue = lambda m: []
    name = w.buy(6_490_000, 300).client_order_id
    w.run(0.2)
    return name


def proved_gone(w: World, name: str, within_s: float) -> None:
    def gone() -> bool:
        order = w.engine.orders.find(name)
        return order is not None and order.state is OrderState.REJECTED

    w.run_until(gone, within_s)


PROVED_NS = 5 * NS_PER_S + EXECUTION_NS + LAG_NS + SKEW_NS + APART_NS
"""How long it takes to prove that there is no order of which a connection took the news along."""


@pytest.mark.parametrize("noted", [True, False], ids=["noted", "sent since the note"])
@pytest.mark.parametrize("ahead_s", [0, 3600, -3600])
def test_the_proof_of_absence_goes_on_where_the_boot_before_had_come_to(noted: bool, ahead_s: int):
    w = world()
    w.run(11)
    sent_ns = w.now_ns
    name = lost_with_its_connection(w)
    if noted:
        w.engine.write()
    again = next_boot(w, moved(crashed(w), ahead_s))
    again.run(0.5)
    again.engine.leave("told to", again.now_ns)
    again.run(30)
    assert not again.engine.left
    for _ in range(2):  # each leaves at once, and has no more than 30 s
        again = next_boot(again)
        began_ns = again.now_ns
        again.run(1)
        again.engine.leave("told to", again.now_ns)
        while not again.engine.left and again.now_ns - began_ns < 31 * NS_PER_S:
            again.run(0.1)
    assert again.engine.left
    assert PROVED_NS < again.now_ns - sent_ns < PROVED_NS + NS_PER_S
    proved_gone(again, name, 0)


def moved(told: Restored, ahead_s: int) -> Restored:
    """Return what a boot has left whose clock was ahead of the next one's."""
    left, ahead_ns = told.checkpoint, ahead_s * NS_PER_S
    orders = [replace(order, sent_ns=order.sent_ns + ahead_ns) for order in left.orders]
    return replace(
        told,
        ended_ns=told.ended_ns + ahead_ns,
        checkpoint=replace(left, clock_offset_ns=left.clock_offset_ns - ahead_ns, orders=orders),
    )


def later_boot(w: World, **told: int) -> World:
    """Start anew long after ``w`` has died."""
    restored = replace(crashed(w), **told)
    w.die()
    w.run(PROVED_NS / NS_PER_S)
    return next_boot(w, restored)


def test_how_long_ago_an_order_was_sent_is_known_once_the_venues_clock_is():
    w = world()
    w.run(11)
    name = lost_with_its_connection(w)
    again = later_boot(w)
    answer = again.rest_answer
    again.rest_answer = lambda request, *told: (
        None if request.path.endswith("/time") else answer(request, *told)
    )
    again.run_until(lambda: again.engine.orders.find(name) is not None)
    again.rest_answer = answer
    order = again.engine.orders.find(name)
    assert order is not None
    assert not again.engine.clock.known
    assert order.sent_ns >= w.now_ns, "by all that is known, just now"
    proved_gone(again, name, 15)


def test_how_long_ago_an_order_was_sent_is_not_known_where_no_record_says_when_its_boot_ended():
    w = world()
    w.run(11)
    name = lost_with_its_connection(w)
    again = later_boot(w, ended_ns=0)
    began_ns = again.now_ns
    proved_gone(again, name, 90)
    assert again.now_ns - began_ns > PROVED_NS, "as if it was sent just now"


# -- how what was counted is counted now ------------------------------------------------------


def test_a_position_is_counted_exactly_in_a_finer_grid():
    w = world()
    w.buy(6_501_000, 500, tif=TimeInForce.IOC)
    w.run(11)
    told = crashed(w)
    note = told.checkpoint.positions[0]
    coarse = replace(note, tick="0.1", lot="0.0001", bought_lots=50, bought_value=50 * 650_100)
    told.checkpoint.positions[0] = coarse
    again = trading(next_boot(w, told))
    assert again.engine.positions[0].lots == 500
    assert again.engine.positions[0].bought_value == 500 * 6_501_000
    assert again.engine.risk.instrument_halted(0) == ""


def in_a_finer_grid(w: World) -> None:
    perform(SetFilters("BTCUSDT", tick_size="0.001"), w.venue.exchange, w.venue_ns)
    w.venue.advance(w.venue_ns)


def test_a_number_noted_by_a_boot_that_proves_nothing_is_counted_in_the_grid_it_was_noted_in():
    """The position stays in the grid of before, which says nothing of what was noted since."""
    w = world()
    w.run(11)
    w.to_engine = lambda m: []
    order = w.buy(6_480_000)
    w.run(0.1)
    in_a_finer_grid(w)
    between = next_boot(w)
    answer = between.rest_answer
    between.rest_answer = lambda request, *told: (
        None if request.path.endswith("/myTrades") else answer(request, *told)
    )
    between.run(2)
    assert not between.engine.recovery.reconciled_once
    again = trading(next_boot(between, run='on_restart = "adopt"'))
    found = again.engine.orders.find(order.client_order_id)
    assert found is not None
    assert found.price_ticks == 64_800_000
    assert again.engine.risk.instrument_halted(0) == ""


def test_an_order_beside_a_position_that_cannot_be_counted_is_counted_in_its_own_grid():
    w = world()
    order = w.buy(6_480_000)
    w.run(11)
    told = crashed(w)
    note = told.checkpoint.positions[0]
    told.checkpoint.positions[0] = replace(note, tick="0.1", lot="0.000001", bought_lots=1)
    again = next_boot(w, told, run='on_restart = "adopt"')
    again.run(2)
    found = again.engine.orders.find(order.client_order_id)
    assert found is not None
    assert (found.price_ticks, found.size_lots) == (order.price_ticks, order.size_lots)


def test_an_order_keeps_its_kind_over_boots_noted_numbered_and_only_sent():
    w = world()
    noted = w.buy(kind=OrderKind.POST_ONLY)
    w.run(11)
    numbered = w.buy(6_480_000, kind=OrderKind.POST_ONLY)
    w.run(0.1)
    w.to_engine = lambda m: []
    sent = w.buy(6_470_000, kind=OrderKind.POST_ONLY)
    w.run(0.1)
    again = trading(next_boot(w, run='on_restart = "adopt"'))
    again.run(0.5)
    for order in (noted, numbered, sent):
        found = again.engine.orders.find(order.client_order_id)
        assert found is not None
        assert (found.kind, found.state) == (OrderKind.POST_ONLY, OrderState.LIVE)


def test_a_ledger_halt_stands_in_the_next_boot_until_the_operator_resumes():
    w = world()
    w.engine.gate.halt("the ledgers differ", HaltKind.LEDGER)
    w.run(11)
    again = next_boot(w)
    again.run(12)
    assert again.engine.risk.halted == "the ledgers differ"
    again.engine.on_control(b"resume", again.now_ns)
    again.run(11)
    third = trading(next_boot(again))
    assert third.engine.risk.halted == ""


def test_what_is_damaged_since_the_last_checkpoint_halts_and_is_told_with_what_to_do():
    w = world()
    order = w.buy()
    w.run(11)
    again = next_boot(w, replace(crashed(w), damage="000001.journal, offset 4096"))
    again.run(12)
    assert "hotloop position" in again.engine.risk.halted
    assert "offset 4096" in again.engine.risk.halted
    assert again.ledger.open_orders("BTCUSDT") == [], "and what stands is taken out"
    assert order.client_order_id
    again.leave()
    assert again.engine.recovery.left


def test_the_log_counts_the_orders_that_the_venue_lists_and_not_those_long_dead():
    w = world()
    w.buy()
    w.buy(6_480_000)
    w.run(11)
    again = next_boot(w)
    for order in again.ledger.open_orders("BTCUSDT")[:1]:
        number = str(order.order_id)
        w.request("order.cancel", {"symbol": "BTCUSDT", "orderId": number}, OWN)
    trading(again)
    assert any("reconciled: 1 of our orders open" in line for line in again.log_lines)


def test_a_run_that_sent_nothing_does_not_wait_for_a_list_that_is_refused_for_good():
    w = World()

    def refuse(request, status, headers, body):
        if request.path.endswith("openOrders"):
            return LATENCY_NS, 401, headers, b'{"code":-2015,"msg":"Invalid API-key."}'
        return LATENCY_NS, status, headers, body

    w.rest_answer = refuse
    w.run(0.5)
    w.leave(2)
    assert w.engine.unsent
    assert not w.engine.recovery.left


def test_the_last_note_of_a_boot_is_of_its_end_and_not_ten_seconds_old():
    w = world()
    w.run(11)
    w.buy(6_501_000, 300, tif=TimeInForce.IOC)
    w.run(0.1)
    w.leave()
    left = crashed(w, left=True).checkpoint
    assert left.positions[0].bought_lots == 300
    assert left.orders == []


def test_a_loss_that_comes_without_a_fill_halts_too():
    w = world(risk='[risk.BTCUSDT]\nmax_daily_loss = "1"')
    w.buy(6_501_000, 500, tif=TimeInForce.IOC)
    w.run(0.5)
    assert w.engine.risk.halted == ""
    w.request("openOrders.cancelAll", {"symbol": "BTCUSDT"})  # the bids at 64990 go: it falls
    w.other("BUY", "64000.00", "1")
    w.other("SELL", "64100.00", "1")
    w.run(2)
    assert "lost" in w.engine.risk.halted


# -- what no later boot may forget ------------------------------------------------------------


@pytest.mark.parametrize("account", ["own", "shared"])
def test_a_fill_that_is_older_than_all_that_were_counted_is_found_by_the_next_boot(account: str):
    top = f'account = "{account}"'
    w = world(top=top)
    w.buy(6_499_500, 1_000)
    w.run(0.1)
    w.to_engine = lambda m: [] if b'"event"' in m.payload else w.deliver(m)
    w.other("SELL", "64995.00", "0.004")  # nobody tells us
    w.run(0.1)
    w.to_engine = w.deliver
    w.buy(6_501_000, 500, tif=TimeInForce.IOC)
    w.run(11)
    again = trading(next_boot(w, top=top))
    again.run(10)
    assert again.engine.positions[0].lots == 900
    assert again.engine.risk.halted == ""


def test_a_fill_that_was_not_told_is_found_by_the_next_boot_below_however_many_that_were():
    top = 'account = "shared"'  # no balance tells of it
    w = world(top=top)
    w.run(62)
    w.buy(6_499_500, 1_000)
    w.run(0.1)
    w.to_engine = lambda m: [] if b'"event"' in m.payload else w.deliver(m)
    w.other("SELL", "64995.00", "0.01")  # nobody tells us
    w.run(0.1)
    w.to_engine = w.deliver
    for _ in range(RECENT_IDS + 10):
        w.buy(6_501_000, 20, tif=TimeInForce.IOC)
        w.run(0.22)
    w.engine.write()
    assert w.engine.positions[0].lots == 20 * (RECENT_IDS + 10)
    again = trading(next_boot(w, top=top))
    again.run(10)
    assert again.engine.positions[0].lots == 20 * (RECENT_IDS + 10) + 1_000


def test_trades_of_others_that_an_earlier_boot_counted_move_no_balance_again_however_many():
    w = world()
    w.buy(6_501_000, 100, tif=TimeInForce.IOC)
    w.run(1)
    for _ in range(RECENT_IDS + 50):  # all of them newer than the newest of ours
        w.other("BUY", "65010.00", "0.0002", OWN)
        w.run(0.3)
    w.run(70)
    again = trading(next_boot(w))
    again.run(10)
    assert again.engine.risk.halted == ""


def test_trades_of_others_are_no_difference_although_their_history_could_not_be_read_for_minutes():
    w = world()
    w.run(62)
    w.rest_answer = lambda request, status, headers, body: (
        (LATENCY_NS, 500, headers, b"{}")
        if "myTrades" in request.path
        else (LATENCY_NS, status, headers, body)
    )
    w.other("BUY", "65010.00", "0.1", OWN)
    w.run(1)
    w.buy(6_501_000, 20, tif=TimeInForce.IOC)
    w.run(130)
    w.rest_answer = lambda request, status, headers, body: (LATENCY_NS, status, headers, body)
    w.run(150)
    assert w.engine.risk.halted == ""
    again = trading(next_boot(w))
    again.run(100)
    assert again.engine.risk.halted == ""


def test_an_allocation_to_others_is_no_difference_however_many_trades_a_boot_has_counted():
    w = world()
    for _ in range(RECENT_IDS + 10):
        w.other("BUY", "65010.00", "0.0002", OWN)
        w.run(0.3)
    w.run(70)
    again = trading(next_boot(w))
    again.run(10)
    allocation = Allocate(OWN, "BTCUSDT", "BUY", "0.005", "65000.00")
    perform(allocation, again.venue.exchange, again.venue_ns)
    again.venue.advance(again.venue_ns)
    again.run(200)
    assert again.engine.risk.halted == ""


@pytest.mark.parametrize("account", ["own", "shared"])
def test_a_position_of_no_whole_lots_is_noted_on_and_halts_every_boot_until_it_is_set(account: str):
    top = f'account = "{account}"'
    w = world(top=top)
    w.buy(6_501_000, 500, tif=TimeInForce.IOC)
    w.run(11)
    left = crashed(w)
    noted = left.checkpoint.positions[0] = replace(left.checkpoint.positions[0], lot="0.0000000007")
    for _ in range(3):
        w = trading(next_boot(w, left, top=top))
        w.run(12)
        assert "no whole number" in w.engine.risk.instrument_halted(0)
        assert w.engine.risk.halted == "", "and the balances are not blamed for it"
        left = crashed(w)
        assert left.checkpoint.positions == [noted]


def test_what_was_paid_on_a_symbol_that_was_left_out_is_no_difference_of_balances():
    both = ("BTCUSDT", "BNBUSDT")
    w = World(symbols=both).trading()
    perform(SetAccount(api_key=OWN, pays_in_bnb=True), w.venue.exchange, w.venue_ns)
    w.run(5)
    w.buy(6_501_000, 10_000, tif=TimeInForce.IOC)
    w.run(0.5)
    w._place(Side.SELL, 6_499_000, 10_000, tif=TimeInForce.IOC)
    w.run(10)
    for symbols in (("BNBUSDT",), both):
        w.leave()
        w = trading(next_boot(w, crashed(w, left=True), symbols=symbols))
        w.run(10)
        assert w.engine.risk.halted == ""
    assert w.engine.positions[0].fees_atoms["BNB"] > 0


def test_what_a_shared_account_was_traded_for_is_no_difference_once_it_is_our_own():
    both = ("BTCUSDT", "BNBUSDT")
    shared, own = 'account = "shared"', 'account = "own"'
    w = World(symbols=both).trading()
    perform(SetAccount(api_key=OWN, pays_in_bnb=True), w.venue.exchange, w.venue_ns)
    w.run(5)
    w.buy(6_501_000, 10_000, tif=TimeInForce.IOC)
    w.run(0.5)
    w._place(Side.SELL, 6_499_000, 10_000, tif=TimeInForce.IOC)
    w.run(10)
    for symbols, top in ((both, shared), (("BNBUSDT",), own), (both, own)):
        w.leave()
        w = trading(next_boot(w, crashed(w, left=True), symbols=symbols, top=top))
        w.run(20)
        assert w.engine.risk.halted == ""


def stated(w: World, size: str, price: str, symbol: str = "BTCUSDT") -> Restored:
    """Return what the next boot starts from once somebody has set what is held."""
    left = crashed(w, left=True)
    notes = {note.symbol: note for note in left.checkpoint.positions}
    notes[symbol] = set_note(notes[symbol], symbol, size, price)
    return replace(left, checkpoint=replace(left.checkpoint, positions=list(notes.values())))


def test_a_position_that_is_set_is_no_difference_of_balances_of_any_asset_that_it_had_a_part_in():
    both = ("BTCUSDT", "BNBUSDT")
    w = World(symbols=both).trading()
    perform(SetAccount(api_key=OWN, pays_in_bnb=True), w.venue.exchange, w.venue_ns)
    w.run(5)
    w.buy(6_501_000, 10_000, tif=TimeInForce.IOC)
    w.run(10)
    assert w.engine.positions[0].fees_atoms["BNB"] > 0
    w.leave()
    again = trading(next_boot(w, stated(w, "0.1", "65010"), symbols=both))
    again.run(30)
    assert again.engine.risk.halted == ""


@pytest.mark.parametrize("dies", [False, True])
def test_a_trade_of_before_a_position_was_set_is_in_it_however_late_it_is_shown(dies: bool):
    w = world()
    w.run(11)
    w.buy(6_501_000, 1_000, tif=TimeInForce.IOC)
    w.run(1)
    w.leave()
    again = next_boot(w, stated(w, "0.01", "65010"))
    again.fault("lag", methods=["myTrades"], delay_ms=50_000, seconds=40)
    trading(again).run(12)
    if dies:
        again = trading(next_boot(again))
    again.run(150)
    assert again.engine.positions[0].lots == 1_000
    assert again.engine.risk.halted == ""


def in_a_new_folder(w: World) -> World:
    """Start the same account and strategy in a folder in which nothing is."""
    for connection in list(w.links):
        w._close_session(w.links.pop(connection))
    return World(boot=1, seed=7, venue=w.venue, now_ns=w.now_ns)


def test_a_trade_of_before_a_folder_was_begun_is_not_in_its_position_however_late_it_is_shown():
    w = world()
    w.run(11)
    w.buy(6_501_000, 1_000, tif=TimeInForce.IOC)
    w.run(1)
    w.leave()
    again = in_a_new_folder(w)
    again.fault("lag", methods=["myTrades"], delay_ms=50_000, seconds=40)
    trading(again).run(150)
    assert again.engine.positions[0].lots == 0
    assert again.engine.risk.halted == ""


def test_what_an_order_of_another_folder_had_filled_before_this_one_was_begun_is_not_in_it():
    w = world()
    w.buy(6_499_500, 1_000)
    w.run(11)
    w.other("SELL", "64995.00", "0.004")
    w.run(0.1)
    again = in_a_new_folder(w)
    again.run(0.2)
    again.other("SELL", "64995.00", "0.001")
    trading(again).run(12)
    found = again.engine.positions[0].lots
    assert found in (0, 100), "what was traded while it began may be of either"
    last = trading(next_boot(again))
    last.run(100)
    assert last.engine.positions[0].lots == found


def test_what_an_order_of_another_folder_had_filled_is_not_in_it_for_the_next_boot_either():
    """Its number was noted, and read as that of an order which this folder had sent."""
    w = world()
    w.buy(6_499_500, 1_000)
    w.run(11)
    w.other("SELL", "64995.00", "0.004")
    w.run(0.1)
    again = in_a_new_folder(w)
    again.fault("lag", methods=["openOrders"], delay_ms=50_000, seconds=40)
    trading(again).run(1)
    again.other("SELL", "64995.00", "0.001")
    again.run(0.1)
    assert again.engine.positions[0].lots == 100
    last = trading(next_boot(again))
    last.run(100)
    assert last.engine.positions[0].lots == 100


def test_what_the_operator_has_said_stands_in_the_boot_after_one_that_died():
    w = world()
    w.run(11)
    w.engine.on_control(b"halt the news", w.now_ns)
    again = next_boot(w)
    again.run(10)
    assert again.engine.risk.halted == "halted by the operator: the news"
    again.engine.on_control(b"resume", again.now_ns)
    assert trading(next_boot(again)).engine.risk.halted == ""


def test_what_was_counted_before_numbers_began_anew_the_next_boot_counts_no_more():
    """No note tells its ids any more, and the history still has it."""
    w = world()
    w.buy(6_501_000, 500, tif=TimeInForce.IOC)
    w.run(11)
    held = w.engine.positions[0].lots
    assert held > 0
    w.engine.turn.renumber(0)
    w.run(11)
    again = next_boot(w)
    again.run(11)
    assert again.engine.positions[0].lots == held == w.engine.positions[0].lots


def contradicted(w: World) -> World:
    w.engine.turn.halt_instrument(0, "two orders of one id", HaltKind.CONTRADICTION)
    w.run(0.2)
    return w


def test_what_was_contradicted_stands_in_the_boot_after_one_that_died_however_soon():
    w = world()
    w.run(11)
    again = next_boot(contradicted(w))
    again.run(10)
    assert again.engine.risk.instrument_halted(0) == "two orders of one id"
    again.engine.on_control(b"resume", again.now_ns)
    assert not trading(next_boot(again)).engine.risk.instrument_halted(0)


def test_what_was_contradicted_is_over_for_who_starts_again_what_has_left_in_order():
    w = contradicted(world())
    w.leave()
    again = trading(next_boot(w, crashed(w, left=True)))
    assert not again.engine.risk.instrument_halted(0)


def test_a_run_that_died_while_it_was_flattened_trades_no_more_until_it_is_resumed():
    w = world()
    w.buy(6_501_000, 500, tif=TimeInForce.IOC)
    w.run(11)
    w.request("openOrders.cancelAll", {"symbol": "BTCUSDT"})  # nobody to sell to
    w.run(0.1)
    w.engine.on_control(b"flatten", w.now_ns)
    w.run(0.1)
    assert w.engine.flattening.wanted
    again = next_boot(w)
    again.run(10)
    assert again.desk.session is SessionState.HALTED
    assert "while it was being flattened" in again.engine.risk.halted
    again.other("BUY", "64990.00", "1")
    again.run(3)
    again.engine.on_control(b"flatten", again.now_ns)
    again.run(3)
    assert again.engine.flattening.verdict.startswith("flat")


def test_a_run_that_was_halted_and_left_in_order_trades_when_it_is_started_again():
    w = world()
    w.engine.on_control(b"halt the news", w.now_ns)
    w.leave()
    assert trading(next_boot(w, crashed(w, left=True))).engine.risk.halted == ""


def test_what_the_operator_has_said_stands_after_a_run_that_failed_and_left_in_order():
    w = world()
    w.engine.on_control(b"halt the news", w.now_ns)
    w.engine.fail("not started", w.now_ns)
    w.leave()
    again = next_boot(w, crashed(w, failed=True))
    again.run(10)
    assert again.engine.risk.halted == "halted by the operator: the news"


def in_vain(w: World, restored: Restored | None, *words: bytes, known: bool) -> World:
    """Start a boot that proves nothing, and say something to it; it dies."""
    again = next_boot(w, restored)
    again.closed_connections.add(TRADE)
    again.run(3 if known else 0)
    assert bool(len(again.engine.table)) is known
    for word in words:
        again.engine.on_control(word, again.now_ns)
    again.run(1)
    return again


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("left", [True, False])
def test_what_the_operator_has_said_to_a_boot_that_proved_nothing_stands(left: bool, known: bool):
    w = world()
    w.buy(6_501_000, 500, tif=TimeInForce.IOC)
    w.run(11)
    if left:
        w.leave()
    again = in_vain(w, crashed(w, left=left), b"halt the news", known=known)
    again = in_vain(again, None, known=True)
    assert again.engine.risk.halted == "halted by the operator: the news"
    last = next_boot(again)
    last.run(20)
    assert last.engine.risk.halted == "halted by the operator: the news"
    assert last.engine.positions[0].lots == 500
    last.engine.on_control(b"resume", last.now_ns)
    assert trading(next_boot(last)).engine.risk.halted == ""


def test_what_the_operator_takes_back_in_a_boot_that_proved_nothing_is_taken_back():
    w = world()
    w.run(11)
    w.engine.on_control(b"halt the news", w.now_ns)
    again = in_vain(w, None, b"resume", known=True)
    assert trading(next_boot(again)).engine.risk.halted == ""


def test_what_was_said_to_a_boot_that_proved_nothing_ends_with_it_where_it_was_stopped():
    w = world()
    w.run(11)
    w.leave()
    again = in_vain(w, crashed(w, left=True), b"halt the news", known=True)
    assert trading(next_boot(again, crashed(again, left=True))).engine.risk.halted == ""


def test_what_the_operator_has_said_stands_in_a_folder_in_which_nothing_is():
    w = World()
    w.closed_connections.add(TRADE)
    w.run(2)
    w.engine.on_control(b"halt the news", w.now_ns)
    again = next_boot(w)
    again.run(10)
    assert again.engine.risk.halted == "halted by the operator: the news"


@pytest.mark.parametrize("noted", [True, False])
def test_a_trade_of_ours_that_todays_lots_cannot_express_is_nobody_elses(noted: bool):
    top = 'account = "shared"'
    w = world(top=top)
    if not noted:
        w.run(11)
    w.buy(6_499_500, 1_050)
    w.run(11 if noted else 0.1)  # an order since the last note is known by its number alone
    left = crashed(w)
    w.other("SELL", "64995.00", "0.0105")
    coarser = SetFilters(symbol="BTCUSDT", step_size="0.001")
    perform(coarser, w.venue.exchange, w.venue_ns)
    for _ in range(2):
        w = next_boot(w, left, top=top)
        w.run(20)
        assert "of ours is off today's grid" in w.engine.risk.instrument_halted(0)
        left = crashed(w)


def sent_and_coarser(lots: int, filled: str = "", *, arrives: bool = True, **options) -> World:
    """Have a boot die whose last order is known by its bytes alone, and the lots become 0.001."""
    w = world(**options)
    w.run(11)
    w.to_engine = lambda m: []
    if not arrives:
        w.to_venue = lambda m: []
    w.buy(6_499_500, lots)
    w.run(0.01)
    left = crashed(w)
    assert left.sent
    assert not left.numbers
    if filled:
        w.other("SELL", "64995.00", filled)
    perform(SetFilters(symbol="BTCUSDT", step_size="0.001"), w.venue.exchange, w.venue_ns)
    again = next_boot(w, left, **options)
    again.run_until(lambda: len(again.engine.table) > 0)
    assert again.engine.table[0].lot.step == "0.001"
    return again


def test_an_order_known_by_its_bytes_alone_keeps_its_exposure_where_the_lots_became_coarser():
    w = sent_and_coarser(1_050, arrives=False)
    assert w.engine.orders.exposure(0).open_buy_lots == 11, "0.0105, and no less"
    w.run_until(lambda: not list(w.engine.orders.unsettled()), 90)
    assert w.engine.orders.exposure(0).open_buy_lots == 0
    assert w.engine.risk.instrument_halted(0) == ""


def test_an_order_known_by_its_bytes_alone_is_cancelled_where_the_lots_became_coarser():
    w = sent_and_coarser(1_050, filled="0.004")
    w.run(20)
    assert w.ledger.open_orders("BTCUSDT") == []
    assert w.engine.positions[0].lots == 4, "its trade is claimed"
    assert list(w.engine.orders.unsettled()) == []
    assert "of ours is off today's grid" in w.engine.risk.instrument_halted(0)
    w.leave()


def test_a_trade_of_an_order_known_by_its_bytes_alone_is_nobody_elses_either():
    w = sent_and_coarser(1_050, filled="0.0105", top='account = "shared"')
    w.run(20)
    assert "of ours is off today's grid" in w.engine.risk.instrument_halted(0)
    assert list(w.engine.orders.unsettled()) == []


def test_a_trade_that_might_have_been_ours_is_somebody_elses_once_our_order_is_proved_absent():
    w = sent_and_coarser(1_050, arrives=False, top='account = "shared"')
    theirs = {"side": "BUY", "price": "64995.00", "size": "0.0105"}
    perform(SetFilters(symbol="BTCUSDT", step_size="0.00001"), w.venue.exchange, w.venue_ns)
    w.other(**theirs, key=DEFAULT_KEY)
    w.other("SELL", "64995.00", "0.0105")
    perform(SetFilters(symbol="BTCUSDT", step_size="0.001"), w.venue.exchange, w.venue_ns)
    w.run_until(lambda: not list(w.engine.orders.unsettled()), 90)
    w.run(5)
    assert w.engine.risk.instrument_halted(0) == ""
    assert w.engine.ledger.recent(0, 10)
