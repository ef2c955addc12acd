"""What recovery asks and is told: open orders, one order, fills page by page, balances."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import pytest

from core.model.errors import BadParameter
from core.model.events import NO_INSTRUMENT, Balance, ExecType, OrdStatus, Side
from core.model.instrument import Instrument
from core.model.units import NS_PER_S
from core.model.venue import HttpRequest
from tests.venues.kraken import world
from venues.kraken import history, rules
from venues.kraken.answer import Names
from venues.kraken.executions import Execution, Unreadable
from venues.kraken.history import Cursor, OffGridFill, OwnFill

FIXTURES = world.SHARED / "fixtures" / "nautilus" / "kraken"
here = pytest.mark.skipif(not FIXTURES.exists(), reason="the recorded answers are not here")

USDT = world.instrument("BTC/USDT", 0, "0.01", code="XBTUSDT")
NOW_NS = 1_700_000_000 * NS_PER_S


def find(name: str) -> Instrument | None:
    names = Names()
    names.learn(world.BTC)
    return names.find(name)


def body(request: HttpRequest, path: str) -> dict[str, list[str]]:
    assert (request.method, request.signed) == ("POST", True)
    assert request.path == f"/0/private/{path}"
    return parse_qs(request.body.decode())


def test_the_questions_of_recovery() -> None:
    assert body(history.open_orders(), "OpenOrders") == {}
    assert body(history.open_orders("hl-1"), "OpenOrders") == {"cl_ord_id": ["hl-1"]}
    assert body(history.closed_orders("hl-1"), "ClosedOrders")["cl_ord_id"] == ["hl-1"]
    assert body(history.query_order("OA-B-C"), "QueryOrders") == {"txid": ["OA-B-C"]}
    assert body(history.balances(), "BalanceEx") == {}
    assert body(history.fetch_token(), "GetWebSocketsToken") == {}
    assert history.system_status().target == "/0/public/SystemStatus"


def test_what_cancels_waits_behind_no_question() -> None:
    for request in (
        history.cancel_order("OA-B-C", "hl-1"),
        history.cancel_order("", "hl-1"),
        history.cancel_all(),
    ):
        assert request.cancels
        assert request.signed
    assert body(history.cancel_order("OA-B-C", "hl-1"), "CancelOrder") == {"txid": ["OA-B-C"]}
    assert body(history.cancel_order("", "hl-1"), "CancelOrder") == {"cl_ord_id": ["hl-1"]}
    assert not history.open_orders().cancels


# -- orders ------------------------------------------------------------------------------------


def info(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "refid": None,
        "userref": 0,
        "cl_ord_id": "hl-1",
        "status": "open",
        "opentm": 1688583840.8648,
        "descr": {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "price": "29500.0"},
        "vol": "0.50000000",
        "vol_exec": "0.00000000",
    }
    return fields | changes


def state(**changes: Any) -> Execution | Unreadable:
    told = json.dumps({"open": {"O26VBY-ISGAE-JP5TLU": info(**changes)}}).encode()
    [found] = history.read_open_orders(told, find)
    return found


def test_an_open_order() -> None:
    assert state() == Execution(
        instrument=0,
        symbol="BTC/USD",
        order_id="O26VBY-ISGAE-JP5TLU",
        client_order_id="hl-1",
        exec_type=ExecType.SNAPSHOT,
        status=OrdStatus.NEW,
        side=Side.BUY,
        price_ticks=295_000,
        size_lots=50_000_000,
        filled_lots=0,
        venue_ns=1_688_583_840_864_800_000,
    )


@pytest.mark.parametrize(
    ("status", "filled", "is_now"),
    [
        ("pending", "0", OrdStatus.PENDING),
        ("open", "0.1", OrdStatus.PARTIALLY_FILLED),
        ("closed", "0.5", OrdStatus.FILLED),
        ("closed", "0.1", OrdStatus.CANCELED),
        ("canceled", "0.1", OrdStatus.CANCELED),
        ("expired", "0", OrdStatus.EXPIRED),
    ],
)
def test_a_status_is_told_by_the_sizes_too(status: str, filled: str, is_now: OrdStatus) -> None:
    found = state(status=status, vol_exec=filled)
    assert isinstance(found, Execution)
    assert found.status is is_now


def test_an_order_that_cannot_be_read_is_listed_all_the_same() -> None:
    found = state(status="surprise")
    assert found == Unreadable(0, "O26VBY-ISGAE-JP5TLU", "hl-1", "status=surprise")
    assert isinstance(state(vol="0.000000001"), Unreadable)


def test_an_order_on_another_pair_is_of_no_instrument() -> None:
    descr = {"pair": "ADAEUR", "type": "sell", "ordertype": "market", "price": "0"}
    found = state(descr=descr, cl_ord_id=None)
    assert isinstance(found, Execution)
    assert (found.instrument, found.symbol, found.client_order_id) == (NO_INSTRUMENT, "ADAEUR", "")
    assert found.price_ticks is found.size_lots is None


@here
def test_the_recorded_orders() -> None:
    names = Names()
    names.learn(USDT)
    told = json.loads((FIXTURES / "http_open_orders.json").read_text())["result"]
    found = history.read_open_orders(json.dumps(told).encode(), names.find)
    assert [(one.instrument, one.order_id) for one in found] == [
        (0, "O26VBY-ISGAE-JP5TLU"),
        (NO_INSTRUMENT, "OYEQF4-FDE4C-NMUYUI"),
    ]
    told = json.loads((FIXTURES / "http_closed_orders.json").read_text())["result"]
    first, *_ = history.read_closed_orders(json.dumps(told).encode(), names.find)
    assert isinstance(first, Execution)
    assert (first.status, first.filled_lots) == (OrdStatus.FILLED, 50_000_000)
    assert first.venue_ns == 1_688_590_000_543_200_000, "a finished order was last changed then"
    again = history.read_orders(json.dumps(told["closed"]).encode(), names.find)
    assert again[0] == first


# -- fills -------------------------------------------------------------------------------------


def trade(time: float = 1688667796.8802, **changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "ordertxid": "OQCLML-BW3P3-BUCMWZ",
        "postxid": "TKH2SE-M7IF5-CFI7LT",
        "pair": "XXBTZUSD",
        "time": time,
        "type": "buy",
        "ordertype": "limit",
        "price": "30010.00000",
        "cost": "600.20000",
        "fee": "0.00000",
        "vol": "0.02000000",
        "margin": "0.00000",
        "trade_id": 40274859,
        "maker": True,
    }
    return fields | changes


FIRST = Cursor(100, 200, 0)


def page(trades: Mapping[str, object], count: int, cursor: Cursor = FIRST) -> history.Page:
    return history.read_fills(json.dumps({"trades": trades, "count": count}).encode(), cursor, find)


def test_a_page_of_fills_is_asked_for_trade_by_trade() -> None:
    fields = body(history.fills(Cursor(100, 200, 50)), "TradesHistory")
    assert fields == {
        "start": ["100"],
        "end": ["200"],
        "ofs": ["50"],
        "consolidate_taker": ["false"],
    }


def test_a_fill_has_the_id_that_the_stream_has() -> None:
    [found] = page({"TCWJEG-FL4SZ-3FKGH6": trade(fee="0.1")}, 1).fills
    assert isinstance(found, OwnFill)
    assert (found.instrument, found.order_id) == (0, "OQCLML-BW3P3-BUCMWZ")
    assert found.fill.execution_id == "TCWJEG-FL4SZ-3FKGH6"
    assert found.fill.fees == (("USD", 10**17),)
    assert found.fill.venue_ns == 1_688_667_796_880_200_000


def test_fills_come_in_any_order_and_are_told_by_time() -> None:
    told = {"TC": trade(3.0), "TA": trade(1.0), "TB": trade(2.0)}
    names = [f.fill.execution_id for f in page(told, 3).fills if isinstance(f, OwnFill)]
    assert names == ["TA", "TB", "TC"]


def test_there_is_more_as_long_as_the_venue_says_so() -> None:
    full = {f"T{number}": trade(float(number)) for number in range(50)}
    assert page(full, 51).next == "100|200|50"
    assert page(full, 50).next == ""
    assert page(full, 100, Cursor(100, 200, 50)).next == ""
    assert page({"TA": trade()}, 52, Cursor(100, 200, 50)).next == "100|200|51", "short, not last"
    assert page({}, 70, Cursor(100, 200, 50)).next == "", "nothing is told for ever"


def test_every_fill_of_many_pages_is_told_once_whatever_comes_meanwhile() -> None:
    trades = [(1_000 + number, f"T{number:03d}") for number in range(123)]
    cursor = history.cursor_of(history.kept(900 * NS_PER_S), 2_000 * NS_PER_S)
    told: list[str] = []
    late = 0
    while True:
        trades.append((3_000 + late, f"L{late}"))  # newer than the span
        late += 1
        within = [t for t in reversed(trades) if cursor.start_s < t[0] <= cursor.end_s]
        window = within[cursor.offset : cursor.offset + history.PAGE]
        answer = page({name: trade(float(at)) for at, name in window}, len(within), cursor)
        told += [f.fill.execution_id for f in answer.fills if isinstance(f, OwnFill)]
        if not answer.next:
            break
        cursor = history.cursor_of(answer.next, 9_000 * NS_PER_S)
    assert sorted(told) == [f"T{number:03d}" for number in range(123)]


def test_a_kept_cursor_begins_before_the_last_fill() -> None:
    assert history.kept(1_700_000_000 * NS_PER_S + 5) == "1699999940"
    assert history.cursor_of("1699999940", NOW_NS) == Cursor(1_699_999_940, 1_700_000_001, 0)
    assert history.kept(0) == "0"
    for text in ("", "x", "1|2", "1|2|3|4", "-1", "٣"):
        with pytest.raises(BadParameter):
            history.cursor_of(text, NOW_NS)


def test_a_trade_off_the_grid_keeps_its_amounts() -> None:
    [found] = page({"TA": trade(price="30010.05", fee="0.5")}, 1).fills
    assert isinstance(found, OffGridFill)
    assert (found.instrument, found.base_atoms, found.quote_atoms, found.fee_atoms) == (
        0,
        2 * 10**16,
        6002 * 10**17,
        5 * 10**17,
    )
    [found] = page({"TA": trade(pair="ADAEUR")}, 1).fills
    assert isinstance(found, OffGridFill)
    assert (found.instrument, found.pair) == (NO_INSTRUMENT, "ADAEUR")


@here
def test_the_recorded_fills() -> None:
    names = Names()
    names.learn(USDT)
    told = json.loads((FIXTURES / "http_trades_history.json").read_text())["result"]
    found = history.read_fills(json.dumps(told).encode(), Cursor(0, 1, 0), names.find)
    first, second = found.fills
    assert isinstance(first, OwnFill)
    assert (first.fill.price_ticks, first.fill.lots, first.fill.maker) == (
        2_950_050,
        50_000_000,
        True,
    )
    assert isinstance(second, OffGridFill)
    assert found.next == ""


# -- balances and status -----------------------------------------------------------------------


def test_balances_have_what_orders_hold_apart() -> None:
    told = {
        "ZUSD": {"balance": "25435.21", "hold_trade": "8249.76"},
        "XXBT": {"balance": "1.2435", "hold_trade": "0.8423"},
        "ZETA": {"balance": "1", "hold_trade": "0"},
        "BTC.F": {"balance": "2"},
    }
    found = history.read_balances(json.dumps(told).encode())
    assert found == (
        Balance("USD", 1718545 * 10**16, 824976 * 10**16),
        Balance("BTC", 4012 * 10**14, 8423 * 10**14),
        Balance("ZETA", 10**18, 0),
        Balance("BTC.F", 2 * 10**18, 0),
    )


def test_an_asset_is_renamed_by_a_table_and_not_by_its_letters() -> None:
    assert [rules.asset_of(name) for name in ("XXDG", "ZEUR", "XETH", "XION", "ZEUS", "SOL")] == [
        *("DOGE", "EUR", "ETH"),
        *("XION", "ZEUS", "SOL"),
    ]


@here
def test_the_recorded_system_status() -> None:
    told = json.loads((FIXTURES / "http_system_status.json").read_text())["result"]
    assert history.read_system_status(json.dumps(told).encode()) == "online"
