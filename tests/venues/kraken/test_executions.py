"""What becomes of orders, from updates that leave out what was told before."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.errors import Drifted, Malformed
from core.model.events import (
    NO_INSTRUMENT,
    Balance,
    BalanceMoved,
    ExecType,
    Numbered,
    OrdStatus,
    Side,
)
from tests.venues.conformance.mutation import mutated
from tests.venues.kraken import world
from venues.kraken import executions
from venues.kraken.executions import (
    Execution,
    Executions,
    Fill,
    Unreadable,
    read_balances,
)

ORDER = "OK4GJX-KSTLS-7DZZO5"
PENDING = b"""{"channel":"executions","type":"update","data":[{"order_id":"OK4GJX-KSTLS-7DZZO5",
"order_userref":3,"symbol":"BTC/USD","order_qty":0.005,"cum_cost":0.0,"time_in_force":"GTC",
"exec_type":"pending_new","side":"sell","order_type":"limit","limit_price_type":"static",
"limit_price":26500.0,"stop_price":0.0,"order_status":"pending_new","fee_usd_equiv":0.0,
"fee_ccy_pref":"fciq","timestamp":"2023-09-22T10:33:05.709950Z"}],"sequence":8}"""
LIVE = b"""{"channel":"executions","type":"update","data":[{"timestamp":
"2023-09-22T10:33:05.709982Z","order_status":"new","exec_type":"new","order_userref":3,
"order_id":"OK4GJX-KSTLS-7DZZO5"}],"sequence":9}"""
TRADED = b"""{"channel":"executions","type":"update","data":[{"order_id":"OK4GJX-KSTLS-7DZZO5",
"order_userref":3,"exec_id":"TGBB7L-HT5LX-J3BZ4A","exec_type":"trade","trade_id":62887576,
"symbol":"BTC/USD","side":"sell","last_qty":0.005,"last_price":26599.9,"liquidity_ind":"t",
"cost":132.9995,"order_type":"limit","timestamp":"2023-09-22T10:33:05.709993Z",
"order_status":"partially_filled","cum_qty":0.005,"cum_cost":132.9995,"avg_price":26599.9,
"fee_usd_equiv":0.3458,"fees":[{"asset":"USD","qty":0.3458}]}],"sequence":10}"""
"""The three documented examples, in the order in which they come."""

AT_NS = 1_695_378_785_709_950_000


def reader() -> Executions:
    return Executions({"BTC/USD": world.BTC})


def told(by: Executions, payload: bytes) -> Execution:
    _, [report] = by.read(payload)
    assert isinstance(report, Execution)
    return report


def update(**fields: Any) -> bytes:
    entry = {
        "order_id": ORDER,
        "exec_type": "status",
        "order_status": "new",
        "timestamp": "2023-09-22T10:33:06.000000Z",
    }
    message = {"channel": "executions", "type": "update", "data": [entry | fields], "sequence": 1}
    return json.dumps(message).encode()


def test_an_order_that_is_acknowledged() -> None:
    number, [report] = reader().read(PENDING)
    assert number == Numbered("executions", 8, first=False)
    assert report == Execution(
        instrument=0,
        symbol="BTC/USD",
        order_id=ORDER,
        client_order_id="",
        exec_type=ExecType.NEW,
        status=OrdStatus.PENDING,
        side=Side.SELL,
        price_ticks=265_000,
        size_lots=500_000,
        filled_lots=0,
        venue_ns=AT_NS,
    )


def test_what_an_update_leaves_out_was_told_before() -> None:
    by = reader()
    by.read(PENDING)
    report = told(by, LIVE)
    assert (report.status, report.symbol, report.side) == (OrdStatus.NEW, "BTC/USD", Side.SELL)
    assert (report.price_ticks, report.size_lots, report.filled_lots) == (265_000, 500_000, 0)


@pytest.mark.parametrize(
    "spoiled",
    [
        b'"limit_price":NaN',
        b'"limit_price":-1.0',
        b'"limit_price":9' + b"9" * 40,
        b'"limit_price":26500.0,"cum_qty":1e999',
    ],
)
def test_of_a_refused_message_nothing_is_remembered(spoiled: bytes) -> None:
    wrong = PENDING.replace(b'"limit_price":26500.0', spoiled)
    by = reader()
    with pytest.raises((Drifted, Malformed)):
        by.read(wrong)
    assert not len(by)
    by.read(PENDING)
    good = told(by, LIVE)
    with pytest.raises((Drifted, Malformed)):
        by.read(wrong)
    assert told(by, LIVE) == good


def test_one_report_of_a_message_that_cannot_be_read_takes_the_others_with_it() -> None:
    by = reader()
    by.read(PENDING)
    entries = json.loads(PENDING)["data"]
    first = entries[0] | {"order_id": "OAAAAA-AAAAA-AAAAAA"}
    both = json.dumps({"channel": "executions", "type": "update", "data": [first, {}]})
    with pytest.raises(Drifted):
        by.read(both.encode())
    late = json.dumps(
        {"channel": "executions", "type": "update", "data": [first, entries[0] | {"cum_qty": "x"}]}
    )
    with pytest.raises((Drifted, Malformed)):
        by.read(late.encode())
    assert len(by) == 1


def test_what_was_never_told_is_not_guessed() -> None:
    report = told(reader(), LIVE)
    assert (report.instrument, report.symbol) == (NO_INSTRUMENT, "")
    assert report.side is report.price_ticks is report.size_lots is None


def test_a_fill_has_its_own_price_size_and_fee() -> None:
    by = reader()
    by.read(PENDING)
    report = told(by, TRADED)
    assert (report.exec_type, report.status) == (ExecType.TRADE, OrdStatus.PARTIALLY_FILLED)
    assert (report.filled_lots, report.size_lots) == (500_000, 500_000)
    fee = 3458 * 10**14
    assert report.fill == Fill(
        "TGBB7L-HT5LX-J3BZ4A", 265_999, 500_000, (("USD", fee),), False, AT_NS + 43_000
    )


def test_completion_is_told_apart_and_is_no_fill() -> None:
    by = reader()
    for payload in (PENDING, LIVE, TRADED):
        by.read(payload)
    report = told(by, update(exec_type="filled", order_status="filled", cum_qty=0.005))
    assert (report.exec_type, report.status, report.fill) == (
        ExecType.SNAPSHOT,
        OrdStatus.FILLED,
        None,
    )
    assert report.filled_lots == 500_000


def test_an_amend_moves_price_and_size_and_later_updates_know() -> None:
    by = reader()
    by.read(PENDING)
    report = told(by, update(exec_type="amended", order_qty=0.006, limit_price=26501.0))
    assert (report.exec_type, report.price_ticks, report.size_lots) == (
        ExecType.REPLACED,
        265_010,
        600_000,
    )
    report = told(
        by, update(exec_type="canceled", order_status="canceled", reason="User requested")
    )
    assert (report.price_ticks, report.size_lots, report.filled_lots) == (265_010, 600_000, 0)
    assert report.reason == "User requested"


def test_a_snapshot_says_how_orders_stand_and_not_what_happened() -> None:
    snapshot = PENDING.replace(b'"update"', b'"snapshot"').replace(b"pending_new", b"new")
    number, [report] = reader().read(snapshot)
    assert number.first
    assert isinstance(report, Execution)
    assert (report.exec_type, report.status) == (ExecType.SNAPSHOT, OrdStatus.NEW)


def test_a_market_order_has_no_price() -> None:
    report = told(
        reader(),
        update(exec_type="new", order_type="market", symbol="BTC/USD", side="buy", order_qty=0.1),
    )
    assert (report.price_ticks, report.size_lots) == (0, 10_000_000)


@pytest.mark.parametrize(
    "changes", [{"exec_type": "surprise"}, {"order_status": "triggered"}, {"order_status": ""}]
)
def test_a_word_outside_the_closed_sets_is_never_booked(changes: dict[str, str]) -> None:
    by = reader()
    by.read(PENDING)
    _, [report] = by.read(update(**changes))
    assert isinstance(report, Unreadable)
    assert (report.instrument, report.order_id) == (0, ORDER)


def test_a_fill_between_two_ticks_is_never_rounded() -> None:
    by = reader()
    by.read(PENDING)
    _, [report] = by.read(TRADED.replace(b'26599.9,"liq', b'26599.95,"liq'))
    assert isinstance(report, Unreadable)
    assert "26599.95" in report.what


def test_a_trade_that_does_not_say_what_was_traded_is_drift() -> None:
    for field in (b'"last_qty":0.005,', b'"last_price":26599.9,'):
        with pytest.raises(Drifted):
            reader().read(TRADED.replace(field, b""))
    with pytest.raises(Drifted):
        reader().read(TRADED.replace(b'"last_qty":0.005', b'"last_qty":0'))


def test_no_more_orders_are_remembered_than_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executions, "MAX_ORDERS", 3)
    by = reader()
    by.read(PENDING)
    for number in range(10):
        by.read(update(order_id=f"O{number}", exec_type="new"))
        by.read(LIVE)
        assert len(by) <= 3
    assert told(by, LIVE).symbol == "BTC/USD", "what is told of again is kept"


def test_an_order_on_another_pair_is_of_no_instrument() -> None:
    report = told(reader(), PENDING.replace(b"BTC/USD", b"ADA/EUR"))
    assert (report.instrument, report.symbol, report.price_ticks) == (
        NO_INSTRUMENT,
        "ADA/EUR",
        None,
    )


@given(st.sampled_from([PENDING, LIVE, TRADED]), st.data())
def test_a_report_that_drifted_is_read_or_a_typed_error(
    payload: bytes, data: st.DataObject
) -> None:
    drifted = data.draw(st.composite(mutated)(json.loads(payload)))
    try:
        _, reports = reader().read(json.dumps(drifted).encode())
    except (Malformed, Drifted):
        return
    for report in reports:
        if isinstance(report, Execution) and report.fill is not None:
            assert report.fill.lots > 0
            assert report.fill.price_ticks > 0


# -- balances ----------------------------------------------------------------------------------

SNAPSHOT = b"""{"channel":"balances","data":[{"asset":"BTC","asset_class":"currency","balance":1.2,
"wallets":[{"type":"spot","id":"main","balance":1.2}]},{"asset":"MATIC","asset_class":"currency",
"balance":500,"wallets":[{"type":"spot","id":"main","balance":300},{"type":"earn","id":"flex",
"balance":200}]}],"type":"snapshot","sequence":1}"""
DEPOSIT = b"""{"channel":"balances","type":"update","data":[{"ledger_id":"ADKKFF-WEA5A-CNUBHG",
"ref_id":"AGBWUJRU-LAREZ-W3UFAN","timestamp":"2023-09-22T10:23:42.925034Z","type":"deposit",
"asset":"BTC","asset_class":"currency","category":"deposit","wallet_type":"spot",
"wallet_id":"main","amount":0.01,"fee":0.0,"balance":0.02}],"sequence":2}"""
SOLD = b"""{"channel":"balances","type":"update","data":[{"ledger_id":"A5KS77-LQRMP-SMMN4B",
"ref_id":"AGBB7L-HT5LX-J3BB4A","timestamp":"2023-09-22T10:33:05.710082Z","type":"trade",
"asset":"USD","asset_class":"currency","category":"trade","wallet_type":"spot","wallet_id":"main",
"amount":132.9995,"fee":0.3458,"balance":500}],"sequence":10}"""


def test_a_snapshot_of_balances_is_whole() -> None:
    number, told = read_balances(SNAPSHOT)
    assert number == Numbered("balances", 1, first=True)
    assert told.whole
    assert told.balances == (
        Balance("BTC", 12 * 10**17, 0),
        Balance("MATIC", 500 * 10**18, 0),
    )
    assert told.moved == ()


def test_a_deposit_moves_an_asset_and_a_trade_does_not() -> None:
    _, told = read_balances(DEPOSIT)
    assert not told.whole
    assert told.balances == (Balance("BTC", 2 * 10**16, 0),)
    assert told.moved == (BalanceMoved("BTC", 10**16, 1_695_378_222_925_034_000),)
    _, told = read_balances(SOLD)
    assert (told.balances, told.moved) == ((Balance("USD", 500 * 10**18, 0),), ())


def test_a_move_is_what_is_left_of_it_after_its_fee() -> None:
    payload = DEPOSIT.replace(b'"amount":0.01,"fee":0.0', b'"amount":-0.01,"fee":0.001')
    _, told = read_balances(payload.replace(b'"deposit"', b'"withdrawal"'))
    assert told.moved[0].delta_atoms == -11 * 10**15


def test_a_ledger_entry_that_does_not_say_what_moved_is_drift() -> None:
    for field in (b'"amount":0.01,', b'"type":"deposit",'):
        with pytest.raises(Drifted):
            read_balances(DEPOSIT.replace(field, b""))
