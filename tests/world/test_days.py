"""The day's loss: over boots and folders, with fees in other assets, and over all symbols."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from core.engine.checkpoint import Elsewhere, Losses, Restored
from core.engine.replay import replay
from core.engine.status import status
from core.model.commands import TimeInForce
from core.model.events import Side
from core.model.halts import HaltKind
from core.model.units import NS_PER_S
from core.model.venue import HttpRequest
from core.model.views import Refusal, RefusalReason
from core.state.daily_loss import DAY_NS
from core.state.orders import Order
from tests.world.test_continuity import crashed, in_a_new_folder, next_boot, trading
from tests.world.test_recovery import TRADE, World, world
from tools.position import set_note
from tools.world.tank import LATENCY_NS, START_NS

IOC = TimeInForce.IOC
ATOM = 10**18
LIMIT = '[risk.BTCUSDT]\nmax_daily_loss = "{}"'
TWO = ("BTCUSDT", "ETHUSDT")


def limited(amount: str, more: str = "") -> str:
    return f"{LIMIT.format(amount)}\n{more}"


def result(w: World, index: int = 0) -> Any:
    """Return the day's result of a symbol as ``status`` tells it, in its quote asset."""
    told = status(w.engine, {}, w.now_ns)["day"]["symbols"][index]["result"]
    return None if told is None else float(told)


def total(w: World) -> float:
    """The day's result of all symbols as ``status`` tells it."""
    return float(status(w.engine, {}, w.now_ns)["day"]["totals"][0]["result"])


def fall(w: World, to: int = 64_000) -> None:
    """Let the market fall to around a price."""
    w.request("openOrders.cancelAll", {"symbol": "BTCUSDT"})
    w.other("BUY", f"{to}.00", "5")
    w.other("SELL", f"{to + 20}.00", "5")
    w.run(3)


def dead(w: World, seconds: float) -> World:
    """Let time pass without a boot."""
    w.engine.write()
    w.alive = False
    for link in list(w.links.values()):
        w._close_session(link)
    w.links.clear()
    w.now_ns += int(seconds * NS_PER_S)
    return w


def elsewhere(
    atoms: int, *, symbol: str = "BTCUSDT", day: int | None = None, **more: Any
) -> Losses:
    day = START_NS // DAY_NS if day is None else day
    return Losses(
        books=[Elsewhere(book_id="another", day=day, results={symbol: ("USDT", atoms)}, **more)]
    )


def told_of(losses: Losses, **options: Any) -> World:
    """Return a world whose engine is told what was lost in other folders before it starts."""
    w = World(**options)
    w.engine.lost(losses, w.now_ns)
    return w


# -- over boots ----------------------------------------------------------------------------------


def test_pnl_of_the_days_before_is_the_base_and_not_todays_result() -> None:
    w = world()
    w.buy(6_501_000, 10_000, tif=IOC)
    w.run(0.5)
    fall(w, 66_000)  # up, in truth: + 99 USDT
    assert result(w) > 90
    later = dead(w, 3 * 86_400)
    again = trading(next_boot(later, crashed(w), risk=limited("20")))
    again.run(1)
    assert result(again) == 0
    assert again.engine.risk.halted == ""
    fall(again, 65_000)
    assert "lost" in again.engine.risk.halted
    assert "lost 99.9 USDT on BTCUSDT" in again.engine.risk.halted


def test_a_loss_of_the_days_before_is_not_todays() -> None:
    w = world()
    w.buy(6_501_000, 10_000, tif=IOC)
    w.run(0.5)
    fall(w)
    again = trading(next_boot(dead(w, 2 * 86_400), crashed(w), risk=limited("20")))
    again.run(1)
    assert (result(again), again.engine.risk.halted) == (0, "")


def test_a_loss_of_the_same_day_counts_on_after_a_restart() -> None:
    w = world()
    w.buy(6_501_000, 1_000, tif=IOC)
    w.run(0.5)
    fall(w)
    before = result(w)
    assert before < -9
    again = trading(next_boot(dead(w, 60), crashed(w)))
    again.run(1)
    assert result(again) == pytest.approx(before)


def test_the_daily_halt_outlives_its_boot_until_midnight() -> None:
    w = world(risk=limited("5"))
    w.buy(6_501_000, 1_000, tif=IOC)
    w.run(0.5)
    fall(w)
    words = w.engine.risk.halted
    assert "lost" in words
    note = crashed(w)  # at once: nobody waits for the next note
    again = next_boot(dead(w, 1), note, risk=limited("1000"))
    again.run(5)
    assert again.engine.risk.halted == words
    assert again.engine.risk.halt_kind is HaltKind.DAILY_LOSS
    assert again.engine.risk.resume()
    next_day = trading(next_boot(dead(again, 86_400), crashed(again), risk=limited("5")))
    assert next_day.engine.risk.halted == ""


def test_a_halt_stays_although_the_market_comes_back_while_nothing_runs() -> None:
    w = world(risk=limited("5"))
    w.buy(6_501_000, 1_000, tif=IOC)
    w.run(0.5)
    fall(w)
    note = crashed(w)
    fall(dead(w, 0), 66_000)
    again = next_boot(w, note, risk=limited("5"))
    again.run(5)
    assert result(again) > 0
    assert "lost" in again.engine.risk.halted


def test_a_midnight_within_a_run_begins_a_day_at_its_last_price() -> None:
    w = World(now_ns=START_NS - START_NS % DAY_NS + DAY_NS - 20 * NS_PER_S)
    w.trading()
    w.buy(6_501_000, 1_000, tif=IOC)
    w.run(0.5)
    fall(w)
    assert result(w) < -9
    w.run(30)
    assert result(w) == 0
    fall(w, 63_000)
    assert result(w) == pytest.approx(-9.99)


MIDNIGHT_NS = START_NS - START_NS % DAY_NS + DAY_NS


def before_midnight(seconds: float) -> World:
    """Return a world that trades, so long before a midnight."""
    w = World(now_ns=MIDNIGHT_NS - 57 * NS_PER_S).trading()
    w.run((MIDNIGHT_NS - w.now_ns) / NS_PER_S - seconds)
    return w


def spent(w: World) -> World:
    """Buy and sell again within a moment: 2 USDT and the fees are lost for good."""
    w.buy(6_501_000, 10_000, tif=IOC)
    w.run(0.05)
    w._place(Side.SELL, 6_499_000, 10_000, tif=IOC)
    w.run(0.05)
    return w


def noted(w: World) -> Restored:
    """Return what the next boot begins from, if this one dies before it notes anything more."""
    w.engine.write()
    return crashed(w)


def resumed(w: World, note: Restored | None = None) -> World:
    """Return the next boot, once it trades."""
    again = trading(next_boot(w, note))
    again.run(1)
    return again


def test_fills_of_before_midnight_are_of_the_day_before_whenever_a_boot_learns_of_them() -> None:
    w = before_midnight(2)
    note = noted(w)
    assert result(spent(w)) < -14
    w.run(3)
    again = resumed(w, note)
    assert again.engine.positions[0].sold_lots == 10_000
    assert result(again) == 0


def test_fills_of_after_midnight_are_of_the_new_day_whenever_a_boot_learns_of_them() -> None:
    w = before_midnight(1)
    note = noted(w)
    w.run(2)
    lost = result(spent(w))
    assert lost < -14
    assert result(resumed(w, note)) == pytest.approx(lost)


def test_a_fill_that_is_told_after_midnight_is_of_the_day_of_its_trade() -> None:
    w = before_midnight(0.5)
    usual, w.to_engine = w.to_engine, lambda message: []
    w.buy(6_501_000, 10_000, tif=IOC)
    w.run(0.05)
    w.to_engine = usual
    w.run(2)
    w.cut(TRADE)
    w.run(5)
    assert w.engine.positions[0].lots == 10_000
    assert result(w) == 0


def without_time(w: World) -> Callable[[], None]:
    """Have the venue's time not told any more; return what has it told again."""
    answer = w.rest_answer
    w.rest_answer = lambda request, *told: (
        None if request.path.endswith("/time") else answer(request, *told)
    )
    return lambda: setattr(w, "rest_answer", answer)


def test_a_move_while_the_venues_time_is_not_known_is_of_the_day_that_has_begun() -> None:
    w = before_midnight(2)
    w.buy(6_501_000, 1_000, tif=IOC)
    w.run(0.5)
    told_again = without_time(w)
    w.engine.reference_data.forget_clock()
    w.run(3)
    fall(w)
    told_again()
    w.run(15)
    assert w.engine.clock.known
    assert result(w) == pytest.approx(-9.9, abs=0.1)


def test_fills_told_before_the_venues_time_is_known_are_of_the_day_of_their_trade() -> None:
    w = before_midnight(2)
    note = noted(w)
    spent(w)
    w.run(3)
    again = next_boot(w, note)
    told_again = without_time(again)
    again.run_until(lambda: any(held.sold_lots == 10_000 for held in again.engine.positions))
    assert not again.engine.clock.known
    told_again()
    trading(again).run(1)
    assert result(again) == 0


def test_what_is_noted_while_the_venues_time_is_not_known_is_of_its_day_in_the_next_boot() -> None:
    w = before_midnight(2)
    without_time(w)
    w.engine.reference_data.forget_clock()
    w.buy(6_501_000, 10_000, tif=IOC)
    w.other("BUY", "64990.00", "5")
    w.run(3)
    assert not w.engine.clock.known
    again = resumed(w, noted(w))
    assert again.engine.positions[0].lots == w.engine.positions[0].lots
    assert result(again) == 0


def test_a_position_of_before_midnight_counts_from_the_last_price_that_was_noted() -> None:
    w = before_midnight(2)
    note = noted(w)
    w.buy(6_501_000, 1_000, tif=IOC)  # and dies
    w.run(1)
    fall(w)
    assert result(resumed(w, note)) == pytest.approx(-9.9, abs=0.1)


def test_a_day_that_has_begun_is_noted_at_once() -> None:
    w = spent(before_midnight(2))
    w.run(2.2)
    assert result(w) == 0
    assert result(resumed(w)) == 0  # it died long before its next note


def test_what_was_set_by_hand_leaves_the_days_result_as_it_was() -> None:
    w = world()
    w.buy(6_501_000, 1_000, tif=IOC)
    w.run(0.5)
    fall(w)
    before = result(w)
    note = crashed(dead(w, 1))
    left = note.checkpoint
    assert left.day is not None
    stated = set_note(left.positions[0], "BTCUSDT", "0.5", "60000")
    days = [each.rebased() for each in left.day.symbols]
    left = replace(left, positions=[stated], day=replace(left.day, symbols=days))
    again = trading(next_boot(w, replace(note, checkpoint=left)))
    again.run(1)
    assert result(again) == pytest.approx(before, abs=1e-9)


# -- in another folder ---------------------------------------------------------------------------


def test_a_loss_in_another_folder_counts_here() -> None:
    w = told_of(elsewhere(-15 * ATOM), risk=limited("20"))
    w.trading().run(1)
    assert (result(w), w.engine.risk.halted) == (-15, "")
    w.buy(6_501_000, 1_000, tif=IOC)
    w.run(0.5)
    fall(w)
    assert "lost 25" in w.engine.risk.halted


def test_a_halt_in_another_folder_stands_here() -> None:
    w = told_of(elsewhere(-1 * ATOM, halted="lost 9 USDT on BTCUSDT"))
    w.make_market()
    w.run(5)
    assert w.engine.risk.halted == "lost 9 USDT on BTCUSDT (in another run folder)"
    second = replace(w.engine.pnl.own(), book_id="second")
    third = told_of(Losses(books=[second]))
    third.make_market()
    third.run(5)
    assert third.engine.risk.halted == w.engine.risk.halted, "said once, in whatever folder"
    assert w.engine.risk.halt_kind is HaltKind.DAILY_LOSS


def test_another_folders_loss_of_the_day_before_does_not_count() -> None:
    yesterday = START_NS // DAY_NS - 1
    w = told_of(elsewhere(-15 * ATOM, day=yesterday, halted="lost"), risk=limited("5"))
    w.trading().run(1)
    assert (result(w), w.engine.risk.halted) == (0, "")


def test_a_loss_elsewhere_on_another_symbol_counts_where_the_last_run_was_of_another_day() -> None:
    in_all = '[risk.total.USDT]\nmax_daily_loss = "20"'
    w = world(risk=in_all)
    note = crashed(dead(w, 86_400))
    again = World(boot=2, venue=w.venue, now_ns=w.now_ns, restored=note, risk=in_all)
    again.engine.lost(
        elsewhere(-900 * ATOM, symbol="ETHUSDT", day=w.now_ns // DAY_NS), again.now_ns
    )
    again.make_market()
    again.run(10)
    assert "lost 900 USDT in all" in again.engine.risk.halted


BY_BTC = '[risk.total.USDT]\nmax_daily_loss = "20"\n[risk.prices.USDT]\nBTC = "BTCUSDT"'


def test_a_loss_elsewhere_in_another_asset_counts_in_all_at_the_price_that_is_asked_for() -> None:
    w = told_of(Losses(books=[in_bitcoin(-ATOM)]), symbols=("ETHUSDT",), risk=BY_BTC)
    w.make_market()
    w.run(10)
    assert " USDT in all since midnight UTC" in w.engine.risk.halted


def test_nothing_is_placed_while_a_loss_in_another_asset_has_no_price_in_all() -> None:
    w = told_of(Losses(books=[in_bitcoin(-ATOM // 10**6)]), symbols=("ETHUSDT",), risk=BY_BTC)
    without(w, "BTCUSDT")
    w.make_market()
    w.run(30)
    assert "no price of BTC in USDT" in w.engine.risk.halted
    assert w.engine.risk.halt_kind is HaltKind.NOT_VALUED
    without(w)
    w.run(301)
    assert w.engine.risk.halted == ""


def in_bitcoin(atoms: int) -> Elsewhere:
    return Elsewhere(book_id="another", day=START_NS // DAY_NS, results={"ETHBTC": ("BTC", atoms)})


def test_a_loss_elsewhere_on_another_symbol_ends_with_its_day() -> None:
    w = World(
        now_ns=MIDNIGHT_NS - 57 * NS_PER_S,
        risk='[risk.total.USDT]\nmax_daily_loss = "20"',
    )
    w.engine.lost(elsewhere(-15 * ATOM, symbol="ETHUSDT", day=MIDNIGHT_NS // DAY_NS - 1), w.now_ns)
    w.trading()
    assert total(w) == -15
    w.run((MIDNIGHT_NS - w.now_ns) / NS_PER_S + 2)
    assert total(w) == 0


def test_what_a_symbol_that_is_left_out_made_is_told_other_folders_on_its_day_alone() -> None:
    w = two()
    place(w, 1, Side.BUY, 350_100, 5_000, tif=IOC)
    w.run(0.5)
    place(w, 1, Side.SELL, 349_900, 5_000, tif=IOC)
    w.run(0.5)
    w.leave()
    note, own = crashed(w, left=True), w.engine.pnl.own().results["ETHUSDT"]
    assert own[1] < 0
    again = resumed(w, note)
    assert again.engine.pnl.own().results["ETHUSDT"] == own
    again = resumed(dead(again, 86_400), crashed(again, left=True))
    assert "ETHUSDT" not in again.engine.pnl.own().results


def test_what_another_folder_has_traded_meanwhile_counts_once_towards_the_day() -> None:
    w = world()
    w.buy(6_501_000, 1_000, tif=IOC)
    w.run(12)
    note = crashed(w.leave(), left=True)
    first = w.engine.pnl.own()
    second = in_a_new_folder(w)
    second.engine.lost(Losses(books=[first]), second.now_ns)
    trading(second).other("BUY", "64000.00", "1")  # a first change, for the snapshot to bridge
    second.run(3)
    for _ in range(5):
        spent(second)
    second.leave()
    told, made = second.engine.pnl.own(), result(second)
    assert made < -10
    third = World(boot=2, venue=w.venue, now_ns=second.now_ns, restored=note)
    third.engine.lost(Losses(books=[first, told]), third.now_ns)
    trading(third).run(5)
    assert third.engine.positions[0].bought_lots == 51_000
    assert result(third) == pytest.approx(made, abs=0.2)


def test_a_folder_does_not_count_its_own_result_twice() -> None:
    w = world()
    w.buy(6_501_000, 1_000, tif=IOC)
    w.run(0.5)
    fall(w)
    before, own = result(w), w.engine.pnl.own()
    note = crashed(dead(w, 1))
    again = World(boot=2, venue=w.venue, now_ns=w.now_ns, restored=note)
    again.engine.lost(Losses(books=[own]), again.now_ns)
    trading(again).run(1)
    assert result(again) == pytest.approx(before)


def test_where_the_losses_of_other_folders_are_not_known_nothing_is_placed() -> None:
    w = told_of(Losses(unknown="day.json is not JSON"))
    w.make_market()
    w.run(5)
    assert w.engine.risk.halted == "day.json is not JSON"
    assert w.engine.on_control(b"resume", w.now_ns)
    assert w.engine.risk.halted == ""


def test_nothing_is_proved_of_a_run_that_died_elsewhere_before_the_lists_must_show_it() -> None:
    w = told_of(Losses(died=("/runs/another",)))
    w.trading().run(4)
    w.engine.leave("test", w.now_ns)
    w.run(60)
    assert not w.engine.left, "its orders may be accepted for 17 s, and lists may lag by 60"
    w.run_until(lambda: w.engine.left, 30)
    alone = world().run(4)
    alone.engine.leave("test", alone.now_ns)
    alone.run(5)
    assert alone.engine.left


def test_a_run_that_was_told_of_other_folders_replays_the_same() -> None:
    w = told_of(elsewhere(-15 * ATOM), risk=limited("20"))
    w.trading()
    w.run(1)
    assert replay(w.journal.records, w.application_again().engine).difference is None


# -- fees in other assets ------------------------------------------------------------------------


def pay_in(w: World, asset: str, fee: str) -> None:
    """Have fills pay their fees in an asset."""

    def to_engine(message: Any) -> Any:
        if b'"x":"TRADE"' in message.payload or b'"fills":[{' in message.payload:
            body = message.json
            event = body.get("event", {})
            if event.get("x") == "TRADE":
                event["N"], event["n"] = asset, fee
            found = body.get("result")
            for fill in found.get("fills", []) if isinstance(found, dict) else []:
                fill["commissionAsset"], fill["commission"] = asset, fee
            message = type(message)(message.connection, message.opcode, _encoded(body))
        return w.deliver(message)

    w.to_engine = to_engine


def _encoded(body: Any) -> bytes:
    return msgspec.json.encode(body)


def without(w: World, *symbols: str) -> None:
    """The venue does not know these symbols."""

    def answer(request: HttpRequest, code: int, headers: dict[str, str], body: bytes) -> Any:
        if "ticker/price" in request.path and any(s in request.query for s in symbols):
            code, body = 400, b'{"code":-1121,"msg":"Invalid symbol."}'
        return LATENCY_NS, code, headers, body

    w.rest_answer = answer


def test_fees_in_another_asset_count_at_the_venues_price() -> None:
    w = world(risk=limited("50"))
    pay_in(w, "BNB", "0.20000000")
    w.buy(6_501_000, 1_000, tif=IOC)
    w.run(1)
    assert "on BTCUSDT" in w.engine.risk.halted
    assert result(w) == pytest.approx(-120.1)
    assert w.engine.risk.halt_kind is HaltKind.DAILY_LOSS


def test_fees_in_another_asset_count_at_a_stated_price() -> None:
    w = world(risk=limited("500", '[risk.prices.USDT]\nBNB = "1000"'))
    pay_in(w, "BNB", "0.20000000")
    w.buy(6_501_000, 1_000, tif=IOC)
    w.run(1)
    assert result(w) == pytest.approx(-200.1)
    assert not [r for r in w.asked if "ticker/price" in r.path], "it needs no other"


def test_fees_in_another_asset_count_at_the_price_of_a_named_symbol() -> None:
    w = world(risk=limited("500", '[risk.prices.USDT]\nBNB = "BNBUSDT"'))
    pay_in(w, "BNB", "0.20000000")
    w.buy(6_501_000, 1_000, tif=IOC)
    w.run(1)
    assert result(w) == pytest.approx(-120.1)


def test_a_fee_that_nobody_can_value_halts_until_somebody_can() -> None:
    w = world()
    without(w, "XYZ")
    pay_in(w, "XYZ", "0.20000000")
    w.buy(6_501_000, 1_000, tif=IOC)
    order = w.buy(6_490_000, 1_000)
    w.run(1)
    assert "no price of XYZ in USDT" in w.engine.risk.halted
    assert w.engine.risk.halt_kind is HaltKind.NOT_VALUED
    assert order.state.terminal
    assert w.engine.on_control(b"resume", w.now_ns)
    assert w.engine.risk.halted, "a word does not value it"
    told = status(w.engine, {}, w.now_ns)["day"]
    assert "XYZ" in told["not_valued"]
    assert told["symbols"][0]["fees"]["XYZ"]["worth"] is None


def test_nothing_is_placed_while_a_fee_waits_for_its_price() -> None:
    w = world()
    w.rest_answer = lambda request, code, headers, body: (
        None if "ticker/price" in request.path else (LATENCY_NS, code, headers, body)
    )
    pay_in(w, "BNB", "0.00010000")
    w.buy(6_501_000, 1_000, tif=IOC)
    w.run(1)
    assert w.engine.risk.halted == ""
    refused = w._place(Side.BUY, 6_490_000, 1_000)
    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.NOT_VALUED
    w.run(15)
    assert w.engine.risk.halt_kind is HaltKind.NOT_VALUED
    w.rest_answer = lambda request, code, headers, body: (LATENCY_NS, code, headers, body)
    w.run(25)
    assert w.engine.risk.halted == ""
    assert isinstance(w._place(Side.BUY, 6_490_000, 1_000), Order)


def test_a_start_does_not_hang_on_a_pair_that_the_venue_does_not_have() -> None:
    w = world(run="ledger_tolerance_lots = 1000")
    without(w, "XYZ")
    pay_in(w, "XYZ", "0.20000000")
    w.buy(6_501_000, 1_000, tif=IOC)
    w.run(1)
    note = crashed(dead(w, 1))
    again = World(boot=2, venue=w.venue, now_ns=w.now_ns, restored=note)
    without(again, "XYZ")
    again.run(10)
    assert again.stopped == ""
    assert again.engine.risk.halt_kind is HaltKind.NOT_VALUED


def test_a_rebate_in_an_asset_without_a_price_stops_nobody() -> None:
    w = world()
    without(w, "XYZ")
    pay_in(w, "XYZ", "-0.20000000")
    w.buy(6_501_000, 1_000, tif=IOC)
    w.run(1)
    assert w.engine.risk.halted == ""


# -- without a price -----------------------------------------------------------------------------


def test_a_position_without_a_book_is_valued_by_asking_the_venue() -> None:
    w = world(risk=limited("5"))
    w.buy(6_501_000, 1_000, tif=IOC)
    w.run(0.5)
    w.closed_connections.add(0)
    w.cut(0)
    w.request("openOrders.cancelAll", {"symbol": "BTCUSDT"})
    w.other("BUY", "64000.00", "5")
    w.other("SELL", "64000.00", "0.001")  # it trades there: nobody tells us
    w.run(30)
    assert not w.engine.books[0].live
    assert "lost" in w.engine.risk.halted


def test_a_position_without_any_price_halts_until_there_is_one() -> None:
    w = world()
    w.buy(6_501_000, 1_000, tif=IOC)
    w.run(0.5)
    w.closed_connections.add(0)
    w.cut(0)
    without(w, "BTCUSDT")
    w.run(55)
    assert w.engine.risk.halted == ""
    w.run(20)
    assert "no price of BTCUSDT" in w.engine.risk.halted
    w.closed_connections.clear()
    w.run(20)
    assert w.engine.risk.halted == ""


# -- over all symbols ----------------------------------------------------------------------------


def two(more: str = "", **options: Any) -> World:
    w = World(symbols=TWO, risk=more, **options).trading()
    eth = {"symbol": "ETHUSDT"}
    w.other("BUY", "3499.00", "10", **eth)
    w.other("SELL", "3501.00", "10", **eth)
    w.run_until(lambda: w.engine.books[1].live)
    w.run(0.5)
    return w


def place(w: World, index: int, side: Side, ticks: int, lots: int, **how: Any) -> Order | Refusal:
    w.desk.now_ns = w.now_ns
    answer = w.desk.place(index, side, ticks, lots, **how)
    w.flush()
    return answer


def test_the_loss_over_all_symbols_has_a_limit_of_its_own() -> None:
    w = two(
        '[risk.BTCUSDT]\nmax_daily_loss = "100"\n[risk.ETHUSDT]\nmax_daily_loss = "100"\n'
        '[risk.total.USDT]\nmax_daily_loss = "5"'
    )
    place(w, 0, Side.BUY, 6_501_000, 5_000, tif=IOC)
    w.run(0.5)
    assert (result(w), w.engine.risk.halted) == (-3.75, "")
    place(w, 1, Side.BUY, 350_100, 7_000, tif=IOC)
    w.run(0.5)
    assert w.engine.risk.halted.startswith("lost ")
    assert "USDT in all since midnight UTC, allowed are 5 USDT a day" in w.engine.risk.halted
    assert w.engine.risk.halt_kind is HaltKind.DAILY_LOSS


def test_what_is_held_and_open_over_all_symbols_has_a_limit() -> None:
    w = two('[risk.total.USDT]\nmax_notional = "1000"')
    assert isinstance(place(w, 0, Side.BUY, 6_501_000, 1_000, tif=IOC), Order)  # 650
    w.run(0.5)
    refused = place(w, 1, Side.BUY, 349_000, 1_100)  # 384
    assert isinstance(refused, Refusal)
    assert (refused.reason, "allowed are 1000 USDT" in refused.text) == (RefusalReason.TOTAL, True)
    assert isinstance(place(w, 1, Side.BUY, 349_000, 900), Order)  # 314
    again = place(w, 1, Side.BUY, 349_000, 900)
    assert isinstance(again, Refusal), "open orders count, within the same turn as well"
    assert isinstance(place(w, 0, Side.SELL, 6_520_000, 1_000), Order), "the way back is free"
    told = status(w.engine, {}, w.now_ns)["day"]["totals"][0]
    assert told["max_notional"] == "1000"


def test_what_is_gone_counts_no_more() -> None:
    w = two('[risk.total.USDT]\nmax_notional = "1000"')
    order = place(w, 1, Side.BUY, 349_000, 2_800)  # 977
    assert isinstance(order, Order)
    assert isinstance(place(w, 0, Side.BUY, 6_490_000, 1_000), Refusal)
    w.cancel(order)
    w.run(0.3)
    assert isinstance(place(w, 0, Side.BUY, 6_490_000, 1_000), Order)


def test_symbols_of_another_quote_asset_count_only_where_a_price_is_stated() -> None:
    w = two('[risk.total.EUR]\nmax_notional = "1000"')
    assert isinstance(place(w, 0, Side.BUY, 6_490_000, 5_000), Order)
    w = two('[risk.total.EUR]\nmax_notional = "1000"\n[risk.prices.EUR]\nUSDT = "0.9"')
    refused = place(w, 0, Side.BUY, 6_490_000, 5_000)
    assert isinstance(refused, Refusal)
    assert "EUR" in refused.text
    assert isinstance(place(w, 0, Side.BUY, 6_490_000, 1_600), Order)  # 934.6


def test_a_symbol_that_cannot_be_counted_in_a_total_is_not_traded() -> None:
    w = two('[risk.total.EUR]\nmax_notional = "1000"\n[risk.prices.EUR]\nUSDT = "EURUSDT"')
    refused = place(w, 0, Side.BUY, 6_490_000, 100)
    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.NOT_VALUED
