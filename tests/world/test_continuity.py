"""From one boot to the next: positions, orders in doubt, and what happened in between."""

from __future__ import annotations

from msgspec.structs import replace

from core.checkpoint import Notes, Restored
from core.commands import TimeInForce
from core.journal import Kind
from core.units import NS_PER_S
from core.views import OrderState, SessionState
from tests.world.test_recovery import TRADE, World, world
from tools.world.tank import Delivery, Message


def crashed(w: World, *, left: bool = False) -> Restored:
    notes = Notes()
    for record in w.journal.records:
        if record.kind == Kind.NOTE:
            notes.read(record.payload)
        elif record.kind == Kind.SEND:
            notes.sent(record.payload)
    restored = notes.restored(w.engine.setup.boot, w.now_ns, left=left)
    assert restored is not None
    return restored


def next_boot(w: World, restored: Restored | None = None, **options) -> World:
    """Start anew on the same exchange, ``w`` having died."""
    for line in list(w.links):
        w._close_session(w.links.pop(line))
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
    assert again.engine.positions[0].bought_quote_units == 500 * 6_501_000


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
        again.venue.settle(again.now_ns)

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
    note.positions[0] = replace(note.positions[0], lot="0.1")
    again = trading(next_boot(w, Restored(checkpoint=note, ended_ns=w.now_ns, clean=True)))
    assert "tick or lot" in again.engine.risk.instrument_halted(0)


def test_no_id_is_used_twice_across_boots():
    w = world()
    w.buy()
    w.run(11)
    again = trading(next_boot(w))
    again.buy()
    again.run(0.2)
    ids = [order.client_id for order in again.ledger.orders("BTCUSDT")]
    assert len(ids) == len(set(ids)) == 2
