"""A venue that answers the opposite of another to all that core asks trades like any."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from msgspec.structs import replace

from core.engine.status import status
from core.io.hlog import HlogFile
from core.model.commands import TimeInForce
from core.model.contract import Inverse
from core.model.events import InstrumentsReport, Side
from core.model.halts import HaltKind
from core.model.strategy import Quote
from core.model.units import NS_PER_S
from core.model.views import OrderState, Refusal
from core.state.journal import OUTPUTS, Kind
from tests.venues.opposite.adapter import BUCKET, SECRET, TOKEN, venue
from tests.venues.opposite.answers import BINANCE, Answers
from tests.venues.opposite.exchange import ATOMS
from tests.venues.opposite.run import IDLE, START_NS, Run
from tests.venues.opposite.wire import MAX_LINE
from tools import report
from tools.hop_log import read_hlog

OPPOSITE = Answers()


def has_traded(run: Run) -> None:
    """It traded as the exchange says, halts nowhere, has nothing standing, and is replayed."""
    engine, exchange = run.engine, run.exchange
    assert exchange.fills
    assert not engine.risk.halts(), run.log_lines
    assert not run.stopped
    for row, position in zip(engine.table, engine.positions, strict=True):
        told = [one for one in exchange.fills if one["sym"] == row.symbol]
        assert position.lots == sum(one["side"] * one["size"] for one in told)
    assert not [one for one in exchange.orders.values() if one["state"] in ("new", "part")]
    assert set(exchange.refusals) <= {"WOULD_TAKE", "NO_SUCH"}
    tally = run.replayed()
    assert tally.difference is None
    assert tally.outputs == sum(one.kind in OUTPUTS for one in run.journal.records)


def lost_connections(run: Run) -> list[str]:
    return [line for line in run.log_lines if "is down" in line]


def test_a_venue_of_opposite_answers_trades_to_a_report_and_is_replayed_identically(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = Run(OPPOSITE, monkeypatch).run(30).leave()
    has_traded(run)
    assert not lost_connections(run)
    while run.hops.fold():
        pass
    log = HlogFile(tmp_path / report.LOG_NAME, START_NS)
    log.put(run.hops.interval(START_NS, run.now_ns))
    log.close()
    hops = report.figures(read_hlog(tmp_path / report.LOG_NAME))["hops"]
    assert isinstance(hops, dict)
    assert hops["order_ack"]["count"] == len(run.exchange.orders) > 20
    assert hops["tick_to_trade"]["count"] > 20


@pytest.mark.parametrize("answer", Answers.__struct_fields__)
@pytest.mark.parametrize("others", [OPPOSITE, BINANCE], ids=["opposite", "alike"])
def test_each_answer_turned_round_by_itself_trades(
    answer: str, others: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    turned = replace(others, **{answer: not getattr(others, answer)})
    run = Run(turned, monkeypatch).run(10).leave()
    has_traded(run)
    assert not lost_connections(run)


@pytest.mark.parametrize("answers", [OPPOSITE, BINANCE], ids=["opposite", "alike"])
def test_a_lost_connection_is_recovered_from_and_trades_on(
    answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(answers, monkeypatch).run(10)
    for _ in range(5):
        run.cut(len(run.application.adapter.connections) - 1)
        before = len(run.exchange.fills)
        run.run_until(lambda before=before: len(run.exchange.fills) > before + 2)  # type: ignore[misc]
    has_traded(run.leave())


@pytest.mark.parametrize("one_connection", [False, True])
@pytest.mark.parametrize("plain_text", [False, True])
@pytest.mark.parametrize("token_in_band", [False, True])
def test_the_secret_and_the_tokens_are_in_no_record_log_or_status(
    token_in_band: bool, plain_text: bool, one_connection: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = replace(
        OPPOSITE,
        token_in_band=token_in_band,
        plain_text=plain_text,
        one_connection=one_connection,
    )
    run = Run(answers, monkeypatch).run(15)
    run.cut(0)
    has_traded(run.run(5).leave())
    assert len(run.exchange.tokens) >= (3 if token_in_band else 1)
    told = b"".join(record.payload for record in run.journal.records)
    assert b'"token": "****' in told
    shown = str(status(run.engine, {}, run.now_ns)) + "".join(run.log_lines) + repr(run.signer)
    for secret in (TOKEN, SECRET):
        assert secret.encode() not in told
        assert secret not in shown


def test_a_status_that_is_pushed_stops_orders_and_lets_them_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Run(OPPOSITE, monkeypatch).run(5)
    run.exchange.says_status("cancels")
    run.run(0.1)
    orders = len(run.exchange.orders)
    run.run(5)
    assert len(run.exchange.orders) == orders
    run.exchange.says_status("up")
    run.run_until(lambda: len(run.exchange.orders) > orders)
    has_traded(run.leave())


def test_a_bucket_that_fills_up_is_never_overrun_and_leaves_room_for_cancels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = replace(BUCKET, amount=10)
    monkeypatch.setattr("tests.venues.opposite.adapter.BUCKET", small)
    run = Run(OPPOSITE, monkeypatch)
    run.exchange.bucket = small.amount
    has_traded(run.run(20).leave())
    assert "venue_limit" in {str(reason) for _, reason in run.engine.desk.refusals}


def test_a_quote_that_the_book_says_would_trade_does_not_leave_where_nothing_is_post_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Run(OPPOSITE, monkeypatch, IDLE).run(2)
    desk, book = run.engine.desk, run.engine.books[0]
    meets = Quote(book.ask_ticks, 10), Quote(book.bid_ticks, 10)
    for bid, ask in ((meets[0], None), (None, meets[1])):
        refusal = desk.quote(0, bid, ask)
        assert refusal is not None
        assert "no post-only orders" in refusal.text
    run.run(0.01)
    assert not run.exchange.orders


def test_an_order_rests_as_the_venue_lets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(OPPOSITE, monkeypatch, IDLE).run(2)
    order = run.engine.desk.place(0, Side.BUY, run.engine.books[0].bid_ticks - 50, 10)
    assert not isinstance(order, Refusal)
    assert order.tif is TimeInForce.DAY
    refusal = run.engine.desk.place(0, Side.BUY, 9_000, 10, tif=TimeInForce.GTC)
    assert isinstance(refusal, Refusal)
    assert "limit and gtc; it takes limit day, limit ioc" in refusal.text


@pytest.mark.parametrize("answers", [OPPOSITE, replace(OPPOSITE, overlaps=True)])
def test_a_connection_is_replaced_beside_or_after_the_old_one(
    answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(answers, monkeypatch).run(15)
    [old] = run.exchange.sessions
    old.say("farewell")
    run.run_until(lambda: old not in run.exchange.sessions)
    assert len(run.exchange.sessions) == answers.overlaps, "another stands already, or comes now"
    run.run(10)
    before = len(run.exchange.fills)
    run.run_until(lambda: len(run.exchange.fills) > before)
    has_traded(run.leave())


def test_what_was_lost_with_its_connection_is_proved_absent_where_requests_never_expire(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Run(OPPOSITE, monkeypatch).run(10)
    run.lost = b'"place"'
    run.cut(0)  # what stands ends, and what is placed then is lost
    sent = run.engine.desk.sent
    run.run_until(lambda: run.engine.desk.sent > sent)
    run.cut(0)
    run.lost = b""
    run.run(1)
    lost = [one for one in run.engine.orders.open() if one.state is OrderState.UNKNOWN]
    assert lost
    run.run(20)
    assert {one.state for one in lost} == {OrderState.REJECTED}
    has_traded(run.leave())


def test_what_was_lost_stays_in_doubt_for_good_where_orders_outlive_their_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And where requests never expire, whatever lists say, in the next boot too; until a person has
    looked at the venue, and gives it up."""
    run = Run(replace(OPPOSITE, dies_with_connection=False), monkeypatch, IDLE).run(10)
    run.lost = b'"place"'
    bid = run.engine.books[0].bid_ticks
    answer = run.engine.desk.place(0, Side.BUY, bid - 100, 100)
    assert not isinstance(answer, Refusal), answer
    name = answer.client_order_id
    run.run(1)
    run.lost = b""
    for _ in range(2):
        run.run(600)
        (lost,) = run.engine.orders.open()
        assert (lost.client_order_id, lost.state) == (name, OrderState.UNKNOWN)
        run.killed(300)
    run.run(600)
    (lost,) = run.engine.orders.open()
    run.engine.leave("told to", run.now_ns)
    run.run(600)
    assert not run.has_left
    said = run.engine.on_control(f"absent {name}".encode(), run.now_ns)
    assert said.startswith("counts as never accepted"), said
    assert lost.state is OrderState.REJECTED
    run.run_until(lambda: run.has_left)
    assert run.replayed().difference is None


def test_a_protocol_that_is_no_websocket_pings_and_ends_a_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Run(OPPOSITE, monkeypatch).run(5)
    run.engine.on_bytes(0, b"?7\n", run.now_ns, run.now_ns, run.now_ns)
    assert [one.payload for one in run.journal.records if one.kind == Kind.SEND][-1] == b"=7\n"
    run.engine.on_bytes(0, b"!see you\n", run.now_ns, run.now_ns, run.now_ns)
    dropped = [one.payload for one in run.journal.records if one.kind == Kind.DROP]
    assert dropped[-1] == b"closed by the venue: see you"
    run.run(10)
    run.engine.on_bytes(0, b"x" * (MAX_LINE + 1), run.now_ns, run.now_ns, run.now_ns)
    dropped = [one.payload for one in run.journal.records if one.kind == Kind.DROP]
    assert dropped[-1].startswith(b"protocol fault: a line of more than")
    has_traded(run.run(10).leave())


def test_what_an_inverse_contract_has_made_is_told_in_what_it_settles_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Run(OPPOSITE, monkeypatch).run(30.05)  # the last news have come
    row, position = run.engine.table[1], run.engine.positions[1]
    fills = [one for one in run.exchange.fills if one["sym"] == row.symbol]
    assert {one["side"] for one in fills} == {-1, 1}
    market = run.exchange.markets[row.symbol]
    mark = (market.bids[0][0] + market.asks[0][0]) // 2
    # A lot is one QQQ, and a tick a tenth of one: what was bought at a price earns at a higher one.
    made = sum(
        one["side"] * one["size"] * (Fraction(10, one["px"]) - Fraction(10, mark)) for one in fills
    )
    fees = sum(Fraction(int(one["fee"]), ATOMS) for one in fills)
    pnl = run.engine.pnl.of(1)
    assert pnl is not None
    assert abs(Fraction(row.contract.money(pnl)) - made + fees) < Fraction(2 * len(fills), ATOMS)
    day = run.engine.pnl.told()
    assert [one["quote"] for one in day["symbols"]] == ["QQQ", "BBB"]
    assert position.fees_atoms.keys() == {"BBB"}
    has_traded(run.leave())


def test_prices_between_those_that_a_venue_takes_do_not_leave(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Run(OPPOSITE, monkeypatch, IDLE).run(5)
    bid = run.engine.books[1].bid_ticks
    answer = run.engine.desk.place(1, Side.BUY, 10_001, 100)
    assert isinstance(answer, Refusal)
    assert "between two prices that the venue takes, 1000.0 QQQ and 1001.0 QQQ" in answer.text
    assert not isinstance(run.engine.desk.place(1, Side.BUY, bid, 100), Refusal)
    run.run(1).leave()
    assert "NO_SUCH_PRICE" not in run.exchange.refusals


@pytest.mark.parametrize("side", list(Side))
def test_an_inverse_position_is_closed_in_full_on_the_way_out(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At prices that the venue takes, and by no more of a balance than its fees."""
    run = Run(OPPOSITE, monkeypatch, IDLE)
    run.exchange.has["BBB"] = ATOMS // 1_000 - 1  # less than a lot
    run.run(5)
    book, grid = run.engine.books[1], run.engine.table[1].grid
    ticks = book.ask_ticks if side is Side.BUY else book.bid_ticks
    answer = run.engine.desk.place(1, side, ticks, 300, tif=TimeInForce.IOC)
    assert not isinstance(answer, Refusal), answer
    run.run(1)
    assert run.engine.positions[1].lots * side > 0
    run.exchange.markets["BBB-QQQ"].middle = 9_993
    run.run(0.15)
    assert not grid.valid(book.ask_ticks * 101 // 100), "the worst price has to be rounded"
    run.engine.on_control(b"flatten", run.now_ns)
    run.run_until(lambda: not run.engine.flattening.wanted)
    assert run.engine.flattening.verdict == "flat"
    assert run.engine.positions[1].lots == 0
    assert not run.engine.desk.refusals
    assert "NO_SUCH_PRICE" not in run.exchange.refusals


def test_a_contract_that_pays_otherwise_halts_and_goes_on_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Run(OPPOSITE, monkeypatch, IDLE).run(5)
    spot, inverse = run.engine.table
    other = Inverse.future("BBB", "contracts", inverse.tick, inverse.lot, "10")
    renewed = replace(inverse, contract=other)
    run.engine.reference_data.on_instruments(InstrumentsReport((spot, renewed)))
    run.run(1)
    (halt,) = run.engine.risk.halts()
    assert halt.kind is HaltKind.GRID
    assert halt.why == "the venue changed what a size of BBB-QQQ is worth"
    assert run.engine.table[1].contract == inverse.contract


@pytest.mark.parametrize("answers", [OPPOSITE, BINANCE], ids=["opposite", "alike"])
def test_a_run_that_was_killed_goes_on_from_what_it_has_left(
    answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(answers, monkeypatch)
    for down_s in (0.2, 3, 20):
        run.run(8)
        run.killed(down_s)
        before = len(run.exchange.fills)
        run.run_until(lambda before=before: len(run.exchange.fills) > before + 3)  # type: ignore[misc]
    has_traded(run.leave())


def test_fills_that_nobody_heard_are_found_on_pages_in_no_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Orders outlive the connection here, so that they trade while nobody is there."""
    run = Run(replace(OPPOSITE, dies_with_connection=False), monkeypatch).run(10)
    before = len(run.exchange.fills)
    run.killed(20)
    assert len(run.exchange.fills) > before + 3, "more than a page has"
    run.run_until(lambda: run.engine.recovery.reconciled)
    has_traded(run.leave())


def bought(run: Run) -> Run:
    """Buy of the inverse contract, and let it be noted."""
    run.run(5)
    ask = run.engine.books[1].ask_ticks
    run.engine.desk.place(1, Side.BUY, ask, 300, tif=TimeInForce.IOC)
    run.run(12)
    assert run.engine.positions[1].lots > 0
    return run


def test_an_inverse_position_goes_on_in_the_next_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    run = bought(Run(OPPOSITE, monkeypatch, IDLE))
    before = run.engine.positions[1]
    run.killed(1)
    now = run.run(5).engine.positions[1]
    assert now is not before
    assert (now.lots, now.bought_value) == (before.lots, before.bought_value)
    assert not run.engine.risk.halts(), run.log_lines


def test_a_position_noted_by_other_terms_halts_until_somebody_has_set_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = bought(Run(OPPOSITE, monkeypatch, IDLE))
    before = run.engine.positions[1]
    run.venue = venue(replace(OPPOSITE, inverse=False))
    run.killed(1)
    (halt,) = run.run(5).engine.risk.halts()
    assert halt.kind is HaltKind.GRID
    assert "was inverse, 1000 a size of one, in BBB when its position of 0.3" in halt.why
    assert "is delivered: what it has cost is not known. Set it (hotloop position)" in halt.why
    run.run(12)  # it is noted on as it was
    run.venue = venue(OPPOSITE)
    run.killed(1)
    now = run.run(5).engine.positions[1]
    assert (now.lots, now.bought_value) == (before.lots, before.bought_value)


def test_a_position_that_the_venue_has_otherwise_halts_with_what_both_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = bought(Run(OPPOSITE, monkeypatch, IDLE))
    assert not run.engine.risk.halts()
    run.exchange.liquidated = 100
    run.run_until(lambda: bool(run.engine.risk.halts()), 600)
    (halt,) = run.engine.risk.halts()
    assert halt.kind is HaltKind.LEDGER
    assert "position of BBB-QQQ: 0.3 by our fills, 0.2 by the venue, 0.1 less" in halt.why


@pytest.mark.parametrize("answers", [OPPOSITE, BINANCE], ids=["opposite", "alike"])
def test_a_symbol_that_is_delisted_while_a_run_trades_halts_alone(
    answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(answers, monkeypatch).run(10)
    run.exchange.delisted.add("BBB-QQQ")
    run.run_until(lambda: bool(run.engine.risk.halts()), 120)
    (halt,) = run.engine.risk.halts()
    assert (halt.instrument, halt.kind) == (1, HaltKind.ENDED)
    assert halt.why == "the venue has BBB-QQQ no more: it lists it no more"
    run.run(5)
    before = sum(one["sym"] == "AAA-QQQ" for one in run.exchange.fills)
    run.run_until(lambda: sum(one["sym"] == "AAA-QQQ" for one in run.exchange.fills) > before)
    assert not [
        one
        for one in run.exchange.orders.values()
        if one["sym"] == "BBB-QQQ" and one["state"] in ("new", "part")
    ]
    run.leave()
    assert run.replayed().difference is None


def position(run: Run) -> dict[str, str]:
    """Return what ``status`` tells of the inverse contract."""
    told: dict[str, str] = status(run.engine, {}, run.now_ns)["positions"][1]
    return told


def test_what_a_position_is_paid_is_no_fill_and_counts_once_over_boots(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = bought(Run(OPPOSITE, monkeypatch, IDLE))
    fills, fees = run.engine.counts.fills, dict(run.engine.positions[1].fees_atoms)
    lots, before = run.engine.positions[1].lots, Fraction(position(run)["profit"])
    for number, atoms in ((1, 5 * ATOMS), (2, -2 * ATOMS)):
        run.exchange.pays_funding(number, atoms, run.venue_ns)
    run.exchange.has["BBB"] -= 5 * ATOMS
    run.exchange.pays_funding(1, 5 * ATOMS, run.venue_ns)  # told twice, paid once
    run.run(11)
    assert position(run)["funding"] == "3"
    assert run.engine.positions[1].lots == lots
    assert run.engine.positions[1].fees_atoms == fees
    assert run.engine.counts.fills == fills
    made = Fraction(position(run)["profit"]) - before
    assert abs(made - 3) < Fraction(1, 100), "and the rest is the market"
    run.killed(1)
    run.run(5)
    run.exchange.has["BBB"] += 2 * ATOMS
    run.exchange.pays_funding(2, -2 * ATOMS, run.venue_ns)
    run.run(1)
    assert position(run)["funding"] == "3"
    assert not run.engine.risk.halts(), run.log_lines


@pytest.mark.parametrize("side", list(Side))
def test_what_expires_is_closed_at_the_venue_s_price_and_halts_alone(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(OPPOSITE, monkeypatch, IDLE).run(5)
    book = run.engine.books[1]
    ticks = book.ask_ticks if side is Side.BUY else book.bid_ticks
    run.engine.desk.place(1, side, ticks, 300, tif=TimeInForce.IOC)
    run.run(1)
    held = run.engine.positions[1]
    assert held.lots == 300 * side
    [fill] = run.exchange.fills
    fills = run.engine.counts.fills
    run.engine.desk.place(1, Side.BUY, book.bid_ticks - 100, 10)
    run.run(0.5)
    price = Fraction(99_998_765, 10**5)  # between two ticks
    run.exchange.settles(99_998_765, 5, run.venue_ns)
    run.run(130)  # positions agree in two passes
    assert held.lots == 0
    assert run.engine.counts.fills == fills, "no trade of ours"
    assert position(run)["settled"] == ("0.300" if side > 0 else "-0.300")
    made = side * 300 * (Fraction(10, fill["px"]) - 1 / price)
    fees = Fraction(int(fill["fee"]), ATOMS)
    assert 0 <= made - fees - Fraction(position(run)["profit"]) < Fraction(3, ATOMS)
    [halt] = run.engine.risk.halts()
    assert (halt.instrument, halt.kind) == (1, HaltKind.ENDED)
    words = "has settled at 999.98765 QQQ: the venue has closed "
    assert words + ("0.300" if side > 0 else "-0.300") in halt.why
    answer = run.engine.desk.place(1, Side.BUY, book.bid_ticks, 10)
    assert isinstance(answer, Refusal)
    assert "has settled" in answer.text
    assert not isinstance(run.engine.desk.place(0, Side.BUY, 9_000, 10), Refusal)
    run.run(1).leave()


def test_payments_and_an_expiry_are_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(OPPOSITE, monkeypatch).run(10)
    run.exchange.pays_funding(1, ATOMS // 1_000, run.venue_ns)
    run.run(5)
    run.exchange.settles(10_003, 1, run.venue_ns)
    run.run(5).leave()
    assert position(run)["funding"] == "0.001"
    assert run.engine.positions[1].lots == 0
    assert run.engine.positions[1].bought_lots > 0
    tally = run.replayed()
    assert tally.difference is None
    assert tally.outputs == sum(one.kind in OUTPUTS for one in run.journal.records)


def test_orders_are_gone_before_an_expiry_and_none_is_quoted_past_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lead_ns = 60 * NS_PER_S
    expires_ns = START_NS + lead_ns + 10 * NS_PER_S
    monkeypatch.setattr("tests.venues.opposite.adapter.EXPIRES_NS", expires_ns)
    run = Run(OPPOSITE, monkeypatch).run(9.9)
    orders = [one for one in run.exchange.orders.values() if one["sym"] == "BBB-QQQ"]
    assert any(one["state"] in ("new", "part") for one in orders)
    run.run(1)
    stands = [one["sym"] for one in run.exchange.orders.values() if one["state"] in ("new", "part")]
    assert "BBB-QQQ" not in stands
    run.run(lead_ns / NS_PER_S)
    assert len(orders) == sum(one["sym"] == "BBB-QQQ" for one in run.exchange.orders.values())
    before = sum(one["sym"] == "AAA-QQQ" for one in run.exchange.orders.values())
    run.run(10)
    assert sum(one["sym"] == "AAA-QQQ" for one in run.exchange.orders.values()) > before
    assert run.replayed().difference is None
    refusal = run.engine.desk.place(1, Side.BUY, run.engine.books[1].bid_ticks, 10)
    assert isinstance(refusal, Refusal)
    assert "BBB-QQQ expires at 2026-09-21 " in refusal.text
    assert "from 60 s before (risk.expiry_lead_s)" in refusal.text


@pytest.mark.parametrize("overlaps", [False, True])
def test_a_connection_that_is_replaced_by_plan_is_taken_leave_of_and_its_orders_stay(
    overlaps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = replace(OPPOSITE, overlaps=overlaps, one_connection=False)
    run = Run(answers, monkeypatch, IDLE).run(10)
    order = run.engine.desk.place(0, Side.BUY, run.engine.books[0].bid_ticks - 100, 10)
    assert not isinstance(order, Refusal)
    run.run(1)
    old = next(session for session in run.exchange.sessions if session.account)
    old.say("farewell")
    run.run_until(lambda: old not in run.exchange.sessions)
    assert old.bid
    run.run(10)
    assert order.state is OrderState.LIVE
    assert [one["state"] for one in run.exchange.orders.values()] == ["new"]
    run.leave()


@pytest.mark.parametrize("answers_bye", [False, True])
def test_a_run_takes_leave_on_each_connection_and_waits_no_longer_than_that_may_take(
    answers_bye: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(replace(OPPOSITE, one_connection=False), monkeypatch).run(10)
    run.exchange.answers_bye = answers_bye
    run.engine.leave("told to", run.now_ns)
    run.run_until(lambda: run.engine.recovery.left)
    began_ns = run.now_ns
    run.run_until(lambda: run.has_left)
    assert all(session.bid for session in run.exchange.sessions)
    assert len(run.exchange.sessions) == 2
    took_ns = run.now_ns - began_ns
    assert (took_ns <= NS_PER_S // 5) if answers_bye else (took_ns <= 3 * NS_PER_S)
    assert run.replayed().difference is None
