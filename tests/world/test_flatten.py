"""Flatten: the way out that no halt closes, and what is said where it cannot be gone."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import structs

from core.engine.flatten import FRUITLESS, State
from core.engine.replay import replay
from core.model.commands import TimeInForce
from core.model.events import Side
from core.model.halts import HaltKind
from core.model.instrument import Trading
from core.model.views import OrderState, Refusal, SessionState
from core.state.orders import Order
from tests.world.test_recovery import TRADE, World, world
from tools.world.tank import LATENCY_NS, Delivery, Message, Tank
from venues.sim.server import DEFAULT_KEY

IOC = TimeInForce.IOC
FEE_DIVISOR = 1_000
"""The exchange takes a thousandth of what is bought."""


def long(lots: int = 50_000, **options: Any) -> World:
    """Return a world in which we have bought, and somebody would buy that much from us."""
    w = world(**options)
    w.other("BUY", "64980.00", "5")
    w.buy(6_501_000, lots, tif=IOC)
    w.run(0.1)
    assert held(w) == lots
    return w


def held(w: World, instrument: int = 0) -> int:
    return w.engine.positions[instrument].lots


def flatten(w: World, seconds: float = 10.0) -> str:
    said = w.engine.on_control(b"flatten", w.now_ns)
    w.run_until(lambda: not w.engine.flattening.wanted, seconds)
    return said


def slices(w: World, since: int = 0) -> list[dict[str, Any]]:
    """Return what was sent since a count of messages, of orders alone."""
    asked = [m.json for m in w.sent[since:] if m.connection == TRADE and m.opcode == 1]
    return [request["params"] for request in asked if request["method"] == "order.place"]


def is_flat(w: World, lots: int = 50_000) -> bool:
    """Whether nothing is owned any more: what was bought and not sold went as fees."""
    return held(w) == lots // FEE_DIVISOR and w.ledger.open_orders("BTCUSDT") == []


def refuse(w: World, times: int) -> None:
    """Have the venue refuse the next orders."""
    left = [times]

    def pass_on(message: Message) -> list[Delivery]:
        if b"order.place" not in message.payload or not left[0]:
            return w.deliver(message)
        left[0] -= 1
        error = {"code": -2010, "msg": "Account has insufficient balance for requested action."}
        said = msgspec.json.encode({"id": message.json["id"], "status": 400, "error": error})
        w.at(w.now_ns + LATENCY_NS, lambda: w.say(TRADE, 1, said))
        return []

    w.to_venue = pass_on


# -- no halt is in the way -------------------------------------------------------------------------


def test_flatten_leaves_no_position_and_no_order_and_stays_halted():
    w = long()
    w.buy(6_480_000)
    w.run(0.1)
    w.engine.on_control(b"flatten", w.now_ns)
    assert isinstance(w._place(Side.BUY, 6_490_000, 100), Refusal), "the strategy is shut out"
    w.run(2)
    assert is_flat(w)
    assert w.desk.session is SessionState.HALTED
    assert w.engine.flattening.verdict.startswith("flat")
    assert "flat" in w.engine.risk.halted


@pytest.mark.parametrize("kind", [k for k in HaltKind if k is not HaltKind.FATAL])
def test_flatten_works_whatever_has_halted_the_run(kind: HaltKind):
    w = long()
    w.engine.gate.halt("something smells", kind)
    w.run(0.2)
    flatten(w)
    assert is_flat(w)
    # Where the position itself is in doubt, it is not said that nothing is left.
    unsure = kind in (HaltKind.LEDGER, HaltKind.RECORD, HaltKind.GRID)
    assert w.engine.flattening.flat is not unsure
    assert ("hold it against the venue: something smells" in w.engine.flattening.verdict) is unsure


def test_what_an_earlier_configuration_left_is_named_and_ends_it():
    w = long()
    w.engine.table.put(structs.replace(w.engine.table[0], carried=True))
    flatten(w)
    assert held(w) == 50_000
    assert "the configuration leaves the symbol out" in w.engine.flattening.verdict
    assert not w.engine.flattening.flat


def test_flatten_works_where_the_symbol_alone_is_halted():
    w = long()
    w.engine.gate.halt_instrument(0, "too many rejects", HaltKind.BREAKER)
    w.run(0.2)
    flatten(w)
    assert is_flat(w)


def test_flatten_works_after_a_daily_loss():
    w = long(risk='[risk.BTCUSDT]\nmax_daily_loss = "1"')
    w.run_until(lambda: w.engine.risk.halt_kind is HaltKind.DAILY_LOSS)
    flatten(w)
    assert is_flat(w)
    assert w.engine.risk.halt_kind is HaltKind.DAILY_LOSS


def test_a_halt_still_refuses_everyone_else_during_flatten():
    w = long()
    w.engine.on_control(b"halt", w.now_ns)
    w.engine.on_control(b"flatten", w.now_ns)
    assert isinstance(w._place(Side.SELL, 6_498_000, 100, tif=IOC), Refusal)


def test_the_way_out_never_leads_beyond_zero():
    w = long(1_000)
    w.engine.on_control(b"halt", w.now_ns)
    w.run(0.2)
    w.desk.now_ns = w.now_ns
    for side, lots in ((Side.BUY, 500), (Side.SELL, 1_001)):
        answer = w.desk.way_out(0, side, 6_499_000, lots, IOC)
        assert isinstance(answer, Refusal)


# -- how much, and in which slices -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("risk", "largest_lots"),
    [
        ('[risk.BTCUSDT]\nmax_order_size = "0.1"', 10_000),
        ('[risk.BTCUSDT]\nmax_order_notional = "10000"', 15_542),
    ],
)
def test_slices_keep_our_own_limits(risk: str, largest_lots: int):
    w = world(risk=risk)
    w.other("BUY", "64980.00", "5")
    for _ in range(4):
        w.buy(6_501_000, 10_000, tif=IOC)
        w.run(0.1)
    since = len(w.sent)
    flatten(w)
    assert is_flat(w, 40_000)
    sizes = [round(float(each["quantity"]) * 100_000) for each in slices(w, since)]
    assert len(sizes) > 1
    assert max(sizes) <= largest_lots


@pytest.mark.parametrize(
    "bound",
    [{"max_market_lots": 20_000}, {"max_lots": 20_000}, {"max_notional": 20_000 * 6_434_010}],
)
def test_slices_keep_the_venues_limits(bound: dict[str, int]):
    w = long()
    w.engine.table.put(structs.replace(w.engine.table[0], **bound))
    since = len(w.sent)
    flatten(w)
    assert is_flat(w)
    sizes = [float(each["quantity"]) for each in slices(w, since)]
    assert len(sizes) == 3
    assert max(sizes) <= 0.2


def test_seventy_slices_are_no_reason_to_give_up():
    w = long(risk='[risk.BTCUSDT]\nmax_order_size = "0.5"')
    w.engine.flattening._limits_of = lambda row: structs.replace(
        w.application.limits(row), max_order_lots=700
    )
    flatten(w, 60)
    assert w.engine.flattening.legs[0].orders > 70
    assert is_flat(w)


def test_the_last_slice_is_never_too_small_for_the_venue():
    w = long(risk='[risk.BTCUSDT]\nmax_order_size = "0.5"')
    least = -(-w.engine.table[0].min_notional // 6_434_010)
    w.engine.flattening._limits_of = lambda row: structs.replace(
        w.application.limits(row), max_order_lots=49_950 - least + 1
    )
    flatten(w)
    assert is_flat(w)


def test_what_is_owned_is_sold_and_no_more_where_fees_are_taken_from_the_asset():
    w = world()
    account = w.venue.exchange.keys[DEFAULT_KEY].account
    account.balance("BTC").free = 0
    w.engine.ledger._opening.clear()
    w.engine.ledger._candidates.clear()
    w.other("BUY", "64980.00", "5")
    w.buy(6_501_000, 50_000, tif=IOC)
    w.run(0.2)
    flatten(w)
    assert account.balance("BTC").free == 0
    assert is_flat(w)
    assert w.engine.counts.refusals == {}
    assert "0.0005 BTC of it went as fees" in w.engine.flattening.verdict


def test_no_more_is_sold_than_the_account_has_free():
    w = long()
    balance = w.venue.exchange.keys[DEFAULT_KEY].account.balance("BTC")
    balance.free = 10_000_000  # somebody has taken the rest out
    w.request("account.status", {}, DEFAULT_KEY)
    w.engine.balances["BTC"] = 10**17
    flatten(w, 60)
    assert held(w) == 40_000
    assert "0.39950 BTC are left, and the account has 0 BTC free" in w.engine.flattening.verdict
    assert w.engine.flattening.verdict.startswith("not flat")


def test_less_than_the_venue_trades_is_dust_and_named():
    w = long(1_000)
    w.engine.table.put(structs.replace(w.engine.table[0], min_notional=2_000 * 6_500_000))
    flatten(w)
    verdict = w.engine.flattening.verdict
    assert verdict.startswith("flat; BTCUSDT: 0.00999 BTC are left, too little to trade")


def test_what_is_worth_enough_at_the_best_price_alone_is_sold_there():
    w = long(1_000)
    best = w.engine.books[0].bid_ticks
    w.engine.table.put(structs.replace(w.engine.table[0], min_notional=999 * best))
    since = len(w.sent)
    flatten(w)
    assert is_flat(w, 1_000)
    assert [round(float(each["price"]) * 100) for each in slices(w, since)] == [best]


def test_dust_is_no_proof_where_the_position_is_in_doubt():
    w = long(1_000)
    w.engine.table.put(structs.replace(w.engine.table[0], min_notional=2_000 * 6_500_000))
    w.engine.gate.halt("the ledgers differ", HaltKind.LEDGER)
    flatten(w)
    assert not w.engine.flattening.flat
    assert "hold it against the venue: the ledgers differ" in w.engine.flattening.verdict


def test_a_short_position_is_bought_back():
    w = world()
    w.other("BUY", "64995.00", "5")
    w._place(Side.SELL, 6_499_000, 30_000, tif=IOC)
    w.run(0.1)
    assert held(w) == -30_000
    flatten(w)
    assert held(w) == 0
    assert w.engine.flattening.verdict == "flat"


def test_a_thin_book_is_taken_within_the_collar_and_waited_for():
    w = long(risk="[risk.BTCUSDT]\nprice_collar_bps = 10")
    # 1 BTC stands at 64990; take it away but for 0.1, and let the rest stand far below
    w.other("SELL", "64980.00", "5.9", timeInForce="IOC")
    w.other("BUY", "64500.00", "5")
    w.run(0.2)
    since = len(w.sent)
    w.engine.on_control(b"flatten", w.now_ns)
    w.run(0.5)
    sent = slices(w, since)
    assert all(each["type"] == "LIMIT" and each["timeInForce"] == "IOC" for each in sent)
    assert float(sent[0]["price"]) >= 64_980 * 0.999 - 0.01
    assert float(sent[0]["quantity"]) <= 0.1


# -- what is in the way ----------------------------------------------------------------------------


def test_what_may_pass_is_named_and_waited_for_however_long():
    w = long()
    w.engine.books[0].invalidate("no market")
    w.engine.on_control(b"flatten", w.now_ns)
    w.run(120)
    assert w.engine.flattening.wanted, "refusals are no tries"
    assert "its book is stale (no market)" in w.engine.flattening.progress()
    late = [line for line in w.log_lines if "not flat yet, going on" in line]
    assert late
    assert len(late) < 5
    w.engine.market_data.resync(w.engine.books[0])
    w.other("BUY", "64000.01", "1")
    w.run_until(lambda: not w.engine.flattening.wanted, 10)
    assert is_flat(w)


def test_a_symbol_that_the_venue_has_stopped_is_named_with_the_venues_word():
    w = long()
    row = w.engine.table[0]
    w.engine.table.put(structs.replace(row, trading=Trading.HALTED, venue_status="BREAK"))
    said = w.engine.on_control(b"flatten", w.now_ns)
    assert "BTCUSDT in BREAK" in said
    w.run(5)
    assert any("the venue has BTCUSDT in BREAK" in line for line in w.log_lines)
    w.engine.table.put(row)
    w.run(2)
    assert is_flat(w)


def test_an_empty_side_of_the_book_is_named():
    w = world()
    w.buy(6_501_000, 1_000, tif=IOC)
    w.run(0.1)
    for price, size in (("64990.00", "1"), ("64000.00", "1")):
        w.other("SELL", price, size, timeInForce="IOC")
    w.other("SELL", "65011.00", "1")  # for the depth to show it
    book = w.engine.books[0]
    w.run_until(lambda: book.live and not book.bid_lots)
    said = w.engine.on_control(b"flatten", w.now_ns)
    w.run(1)
    assert "nobody buys" in said + w.engine.flattening.progress()


def test_a_connection_that_is_down_is_named_and_waited_for():
    w = long()
    w.dials_allowed = False
    w.cut(TRADE)
    w.run(1)
    w.engine.on_control(b"flatten", w.now_ns)
    w.run(5)
    assert "no proved connection" in w.engine.flattening.progress()
    w.dials_allowed = True
    w.run_until(lambda: not w.engine.flattening.wanted, 30)
    assert is_flat(w)


def test_orders_that_take_nothing_are_given_up_after_some_with_the_venues_word():
    w = long()
    refuse(w, 1_000)
    w.engine.on_control(b"flatten", w.now_ns)
    for step in range(60):
        w.other("BUY", f"{60_000 + step}.00", "0.001")  # the market lives
        w.run(5)
    assert not w.engine.flattening.wanted
    assert w.engine.flattening.legs[0].orders == FRUITLESS
    assert w.engine.flattening.verdict.startswith("not flat")
    assert "look at the venue" in w.engine.flattening.verdict


def test_nothing_is_flat_before_it_is_known_what_there_is():
    w = World()
    w.engine.on_control(b"flatten", w.now_ns)
    assert w.engine.flattening.wanted
    assert w.engine.flattening.verdict == ""
    w.make_market()
    w.run(5)
    assert w.engine.flattening.verdict == "flat"


def test_a_run_without_keys_says_that_it_trades_nothing():
    w = world()
    w.engine.gate.private = False
    assert "no keys" in w.engine.on_control(b"flatten", w.now_ns)
    assert not w.engine.flattening.wanted


# -- per symbol ------------------------------------------------------------------------------------


def test_one_symbols_stuck_cancel_holds_no_other_symbol():
    w = world(symbols=("BTCUSDT", "ETHUSDT"))
    w.other("BUY", "64980.00", "5")
    w.buy(6_501_000, 10_000, tif=IOC)
    w.other("BUY", "3000.00", "5", symbol="ETHUSDT")
    w.other("SELL", "3010.00", "5", symbol="ETHUSDT")
    w.run(0.2)
    w.other("BUY", "2999.00", "5", symbol="ETHUSDT")
    w.run_until(lambda: w.engine.books[1].live)
    w.desk.now_ns = w.now_ns
    stuck = w.desk.place(1, Side.BUY, 290_000, 100)
    assert isinstance(stuck, Order)
    w.flush()
    w.run(0.2)
    w.fault("refuse_cancel")
    w.engine.on_control(b"flatten", w.now_ns)
    w.run(3)
    assert is_flat(w, 10_000)
    assert w.engine.flattening.legs[0].state is State.FLAT
    assert stuck.state is OrderState.LIVE
    assert w.engine.flattening.legs[1].state is State.CANCELLING
    assert "1 order of ours not proved gone yet" in w.engine.flattening.progress()


def test_a_slice_on_its_way_is_not_cancelled_by_the_sweep():
    w = long()
    w.to_engine = lambda m: [(250 * LATENCY_NS, m)]  # later than two ticks
    since = len(w.sent)
    w.engine.on_control(b"flatten", w.now_ns)
    w.run(2)
    assert [
        m.json["method"] for m in w.sent[since:] if m.connection == TRADE and m.opcode == 1
    ] == ["order.place"]


# -- words during it -------------------------------------------------------------------------------


def waiting(**options: Any) -> World:
    """Return a world whose flattening waits for a book."""
    w = long(**options)
    w.engine.books[0].invalidate("no market")
    w.engine.on_control(b"flatten", w.now_ns)
    w.run(1)
    return w


def test_resume_during_flatten_ends_it_and_lets_the_strategy_trade():
    w = waiting()
    said = w.engine.on_control(b"resume", w.now_ns)
    assert not w.engine.flattening.wanted
    assert "BTCUSDT may be traded" in said
    assert "resumed by the operator" in w.engine.flattening.verdict
    assert w.desk.session is SessionState.TRADING


def test_halt_during_flatten_ends_it():
    w = waiting()
    w.engine.on_control(b"halt no more", w.now_ns)
    assert not w.engine.flattening.wanted
    assert w.engine.risk.halted == "halted by the operator: no more"


def test_flatten_said_again_goes_on_from_here():
    w = long()
    refuse(w, FRUITLESS)
    w.engine.on_control(b"flatten", w.now_ns)
    w.run_until(lambda: w.engine.flattening.legs[0].fruitless == 5, 60)
    w.engine.on_control(b"flatten", w.now_ns)
    assert w.engine.flattening.legs[0].fruitless == 0
    w.run_until(lambda: not w.engine.flattening.wanted, 60)
    assert is_flat(w)


def test_a_run_that_is_left_trades_nothing_more():
    w = waiting()
    w.engine.leave("test", w.now_ns)
    w.run(1)
    assert "the run is being left" in w.engine.flattening.verdict
    assert "the run is being left" in w.engine.on_control(b"flatten", w.now_ns)


def test_flatten_is_replayed_as_it_was():
    tank = Tank(seed=3).run(20)
    tank.engine.on_control(b"flatten", tank.now_ns)
    tank.run(10)
    assert tank.engine.flattening.verdict.startswith("flat")
    assert tank.engine.flattening.legs[0].orders
    assert replay(tank.journal.records, tank.application_again().engine).difference is None


def test_what_was_flat_is_traded_again_where_an_order_is_found_that_has_traded_since():
    w = World(symbols=("BTCUSDT", "ETHUSDT")).trading()
    w.other("BUY", "3190.00", "5", symbol="ETHUSDT")
    w.other("SELL", "3201.00", "5", symbol="ETHUSDT")
    w.run_until(lambda: w.engine.books[1].live and bool(w.engine.books[1].ask_lots))
    w.desk.now_ns = w.now_ns
    w.desk.place(1, Side.BUY, 320_100, 1_000, tif=TimeInForce.IOC)
    w.flush()
    w.run(0.5)
    w.request("openOrders.cancelAll", {"symbol": "ETHUSDT"})  # nobody to sell to
    w.run(0.5)
    w.engine.on_control(b"flatten", w.now_ns)
    w.run(2)
    assert [leg.state for leg in w.engine.flattening.legs] == [State.FLAT, State.WAITING]
    late = w.engine.orders.names.next(99)  # proved absent, and accepted after all
    w.other("BUY", "65010.00", "0.1", DEFAULT_KEY, newClientOrderId=late)
    w.run(2)
    w.other("BUY", "3190.00", "5", symbol="ETHUSDT")
    w.run_until(lambda: not w.engine.flattening.wanted)
    assert w.engine.flattening.verdict.startswith("flat")
    assert [held(w), held(w, 1)] == [10, 1], "what went as fees"
