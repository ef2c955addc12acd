"""The private connection and the questions of recovery, from a command to core's facts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.commands import (
    BEGINNING,
    Amend,
    Cancel,
    FetchAccount,
    FetchInstruments,
    FetchOpenOrders,
    FetchOrderTrades,
    FetchTrades,
    Logon,
    OrderKind,
    Place,
    QueryOrder,
    SetDeadMan,
    Since,
    SubscribePrivate,
    TestPlace,
    TimeInForce,
)
from core.model.errors import Drifted
from core.model.events import (
    NO_INSTRUMENT,
    AccountReport,
    Balance,
    BalanceMoved,
    BudgetUse,
    Counted,
    Event,
    ExecType,
    Fill,
    FillReport,
    Ignored,
    InstrumentsReport,
    LimitsReport,
    Notice,
    Numbered,
    OpenOrders,
    OrderReport,
    OrdStatus,
    Reply,
    SessionNotice,
    Side,
    Source,
    TradeElsewhere,
    UnknownExecution,
    Verdict,
)
from core.model.units import NS_PER_S, atoms
from core.model.venue import HttpRequest, WireRequest
from tests.venues.kraken import world
from tests.venues.kraken.test_executions import LIVE, ORDER, PENDING, TRADED, update
from tests.venues.kraken.test_history import body, info
from venues.kraken import decode, rates, rules
from venues.kraken.adapter import SpotAdapter

ADAPTER = world.adapter()
NAME = "0123456789abcdef0123456789abcdef"
TRADE_NS = 1_695_378_785_709_993_000


def private(payload: bytes, by: SpotAdapter | None = None) -> list[Event]:
    events: list[Event] = []
    (by or world.adapter()).decode(decode.TRADE, payload, events)
    return events


def place(**changes: Any) -> Place:
    fields: dict[str, Any] = {
        "instrument": 0,
        "client_order_id": NAME,
        "side": Side.BUY,
        "kind": OrderKind.LIMIT,
        "tif": TimeInForce.GTC,
        "price_ticks": 375_000,
        "lots": 125_000_000,
    }
    return Place(**(fields | changes))


def sent(command: Any) -> dict[str, Any]:
    request = ADAPTER.encode(command, 17, world.NOW_NS)
    assert isinstance(request, WireRequest)
    assert (request.connection, request.replies) == (decode.TRADE, 1)
    message: dict[str, Any] = json.loads(request.body)
    assert message["req_id"] == 17
    assert message["params"].pop("token") == "", "the signer's hole"
    return message


def requested(command: Any) -> HttpRequest:
    request = ADAPTER.encode(command, 17, world.NOW_NS)
    assert isinstance(request, HttpRequest)
    return request


def answered(command: Any, result: object) -> Reply:
    told = json.dumps({"error": [], "result": result}).encode()
    return ADAPTER.answer(command, 5, 200, {}, told)


def test_the_dead_man_switch_is_set_in_whole_seconds_and_never_for_less_than_was_asked() -> None:
    for timeout_ns, seconds in ((60 * NS_PER_S, 60), (1, 1), (NS_PER_S + 1, 2), (0, 0)):
        message = sent(SetDeadMan(timeout_ns))
        assert message["method"] == "cancel_all_orders_after"
        assert message["params"] == {"timeout": seconds}


# -- the connection ----------------------------------------------------------------------------


def test_the_documented_life_of_an_order() -> None:
    by = world.adapter()
    number, pending = private(PENDING, by)
    assert number == Numbered("executions", 8, first=False)
    assert pending == OrderReport(
        instrument=0,
        client_order_id="",
        venue_order_id=ORDER,
        source=Source.STREAM,
        exec_type=ExecType.NEW,
        status=OrdStatus.PENDING,
        side=Side.SELL,
        price_ticks=265_000,
        size_lots=500_000,
        filled_lots=0,
        venue_ns=1_695_378_785_709_950_000,
    )
    _, live = private(LIVE, by)
    assert isinstance(live, OrderReport)
    assert (live.status, live.price_ticks, live.size_lots) == (OrdStatus.NEW, 265_000, 500_000)
    _, traded = private(TRADED, by)
    assert isinstance(traded, OrderReport)
    assert (traded.exec_type, traded.filled_lots) == (ExecType.TRADE, 500_000)
    [fill] = traded.fills
    assert fill == Fill(
        "TGBB7L-HT5LX-J3BZ4A",
        TRADE_NS // NS_PER_S,
        265_999,
        500_000,
        atoms("0.3458"),
        "USD",
        maker=False,
        venue_ns=TRADE_NS,
    )


def test_a_trade_on_another_pair_is_told_as_it_is_written() -> None:
    [_, elsewhere] = private(TRADED.replace(b"BTC/USD", b"ADA/EUR"))
    assert elsewhere == TradeElsewhere("ADA/EUR", Side.SELL, "0.005", "26599.9", TRADE_NS)


def test_an_order_that_was_never_told_whole_is_not_guessed() -> None:
    [_, found] = private(LIVE)
    assert isinstance(found, UnknownExecution)
    assert found.instrument == NO_INSTRUMENT
    [_, found] = private(update(symbol="BTC/USD"))
    assert isinstance(found, UnknownExecution)
    assert found.venue_order_id == ORDER


def test_fees_in_several_assets_are_each_told_in_its_own() -> None:
    fees = b'"fees":[{"asset":"USD","qty":0.1},{"asset":"KFEE","qty":1},{"asset":"USD","qty":0.2}]'
    told = TRADED.replace(b'"fees":[{"asset":"USD","qty":0.3458}]', fees)
    by = world.adapter()
    private(PENDING, by)
    [_, found] = private(told, by)
    assert isinstance(found, OrderReport)
    [fill] = found.fills
    assert (fill.fee_asset, fill.fee_atoms) == ("USD", atoms("0.3"))
    assert fill.also == (("KFEE", atoms("1")),)


def test_a_balance_tells_only_what_moved_it() -> None:
    told = {
        "channel": "balances",
        "type": "update",
        "sequence": 3,
        "data": [
            {
                "asset": "BTC",
                "balance": 1.5,
                "amount": 0.5,
                "fee": 0.0,
                "type": "deposit",
                "timestamp": "2023-09-22T10:33:05.709993Z",
            }
        ],
    }
    number, moved = private(world.frame(told))
    assert number == Numbered("balances", 3, first=False)
    assert moved == BalanceMoved("BTC", atoms("0.5"), TRADE_NS)


@pytest.mark.parametrize(
    ("told", "verdict", "text"),
    [
        ({"success": True, "result": {"order_id": ORDER, "cl_ord_id": NAME}}, Verdict.DONE, ""),
        (
            {"success": False, "error": "EOrder:Insufficient funds"},
            Verdict.REFUSED,
            "EOrder:Insufficient funds",
        ),
    ],
)
def test_an_answer_about_an_order(told: dict[str, Any], verdict: Verdict, text: str) -> None:
    [reply] = private(world.frame({"method": "add_order", "req_id": 9} | told))
    assert isinstance(reply, Reply)
    assert (reply.request_id, reply.verdict, reply.code) == (9, verdict, text)
    assert reply.events == (), "how it stands is told by the stream"


def test_a_session_that_is_no_more_is_told_as_such() -> None:
    error = "ESession:Invalid session"
    told = {"method": "add_order", "req_id": 9, "success": False, "error": error}
    reply, notice = private(world.frame(told))
    assert isinstance(reply, Reply)
    assert reply.verdict is Verdict.LOGGED_OUT
    assert notice == SessionNotice(Notice.LOGGED_OUT, error)


def test_what_every_connection_tells() -> None:
    assert private(b'{"channel":"heartbeat"}') == [Ignored("heartbeat")]
    assert len(private(world.STATUS)) == 1
    [pong] = private(world.PONG)
    assert isinstance(pong, Reply)
    [subscribed] = private(world.SUBSCRIBED)
    assert isinstance(subscribed, Reply)
    assert private(b'{"channel":"surprise"}') == [Ignored("channel surprise")]


# -- orders ------------------------------------------------------------------------------------


def test_orders_have_a_deadline_and_cancels_have_none() -> None:
    message = sent(place())
    assert message["method"] == "add_order"
    assert message["params"]["deadline"].startswith("2023-10-06T17:36:00.440Z")
    amend = sent(Amend(0, NAME, ORDER, 5))["params"]
    assert (amend["order_id"], amend["order_qty"]) == (ORDER, 5e-8)
    assert "limit_price" not in amend
    assert sent(Cancel(0, NAME, ""))["params"] == {"cl_ord_id": [NAME]}
    assert sent(SubscribePrivate("balances"))["params"]["channel"] == "balances"


@given(
    st.sampled_from(Side),
    st.sampled_from(sorted(ADAPTER.capabilities.orders)),
    st.integers(1, 10**9),
    st.integers(1, 10**12),
)
def test_an_order_is_read_from_its_own_request(
    side: Side, kind: tuple[OrderKind, TimeInForce], ticks: int, lots: int
) -> None:
    market = kind[0] is OrderKind.MARKET
    order = place(
        side=side, kind=kind[0], tif=kind[1], price_ticks=0 if market else ticks, lots=lots
    )
    request = ADAPTER.encode(order, 1, world.NOW_NS)
    assert isinstance(request, WireRequest)
    [found] = ADAPTER.placed(request.body)
    assert market or found == order
    assert (found.client_order_id, found.side, found.lots) == (NAME, side, lots)


@pytest.mark.parametrize("request_", [b"", b"{}", b'{"method":"add_order",', b'{"method":"ping"}'])
def test_another_request_places_nothing(request_: bytes) -> None:
    assert ADAPTER.placed(request_) == ()


# -- questions ---------------------------------------------------------------------------------


def test_the_questions_are_asked_by_rest() -> None:
    assert body(requested(Logon()), "GetWebSocketsToken") == {}
    assert body(requested(QueryOrder(0, NAME, ORDER)), "QueryOrders") == {"txid": [ORDER]}
    assert body(requested(QueryOrder(0, NAME)), "ClosedOrders")["cl_ord_id"] == [NAME]
    assert body(requested(FetchOpenOrders(0)), "OpenOrders") == {}
    assert body(requested(FetchAccount()), "BalanceEx") == {}
    test = body(requested(TestPlace(place(kind=OrderKind.POST_ONLY))), "AddOrder")
    assert (test["validate"], test["oflags"], test["price"]) == (["true"], ["post"], ["37500.0"])
    cancel = ADAPTER.encode_rest(Cancel(0, NAME, ORDER), world.NOW_NS)
    assert cancel.cancels


@pytest.mark.parametrize("words", ["EOrder:Unknown order", "EOrder:Invalid order"])
def test_an_order_that_is_not_found_is_absent(words: str) -> None:
    assert answered(QueryOrder(0, NAME), {"closed": {}, "count": 0}).verdict is Verdict.ABSENT
    unknown = b'{"error":["%b"]}' % words.encode()
    assert ADAPTER.answer(QueryOrder(0, NAME, ORDER), 1, 200, {}, unknown).verdict is Verdict.ABSENT
    refused = ADAPTER.answer(Cancel(0, NAME, ORDER), 1, 200, {}, unknown)
    assert refused.verdict is Verdict.REFUSED


def test_open_orders_of_one_instrument_and_of_all() -> None:
    other = {"pair": "ADAEUR", "type": "sell", "ordertype": "limit", "price": "1"}
    result = {"open": {ORDER: info(), "OA-B-C": info(descr=other)}}
    [listed] = answered(FetchOpenOrders(0), result).events
    assert isinstance(listed, OpenOrders)
    assert [report.venue_order_id for report in listed.reports] == [ORDER]
    everywhere, unknown = answered(FetchOpenOrders(NO_INSTRUMENT), result).events
    assert isinstance(everywhere, OpenOrders)
    assert len(everywhere.reports) == 1
    assert isinstance(unknown, UnknownExecution)
    assert "ADAEUR" in unknown.what


def test_balances_are_whole_and_do_not_say_who_may_trade() -> None:
    reply = answered(FetchAccount(), {"XXBT": {"balance": "2", "hold_trade": "0.5"}})
    [report] = reply.events
    half = atoms("0.5")
    assert report == AccountReport((Balance("BTC", 3 * half, half),), True, None, 0)


def trade(at: float, **changes: Any) -> dict[str, Any]:
    fields = {
        "ordertxid": ORDER,
        "pair": "XXBTZUSD",
        "time": at,
        "type": "buy",
        "price": "30010.0",
        "cost": "300.1",
        "fee": "0.5",
        "vol": "0.01",
        "maker": True,
    }
    return fields | changes


def test_a_history_goes_on_behind_what_is_accounted_for() -> None:
    since = Since("TA", 1_688_667_700, 1_688_667_700 * NS_PER_S)
    first = body(requested(FetchTrades(0, since)), "TradesHistory")
    assert (first["start"], first["ofs"]) == (["1688667699"], ["0"])
    trades = {f"T{n}": trade(1_688_667_800 + n) for n in range(50)}
    trades["T7"] = trade(1_688_667_807, pair="ADAEUR")
    reply = answered(FetchTrades(0, since), {"trades": trades, "count": 60})
    assert len(reply.events) == 49, "of this instrument"
    assert reply.more == "1688667699|1688667850|50"
    page = FetchTrades(0, since, reply.more)
    second = body(requested(page), "TradesHistory")
    assert (second["start"], second["end"], second["ofs"]) == (
        ["1688667699"],
        ["1688667850"],
        ["50"],
    )
    rest = {f"S{n}": trade(1_688_667_750 + n) for n in range(10)}
    assert answered(page, {"trades": rest, "count": 60}).more == ""


def test_the_newest_trades_alone_are_one_page() -> None:
    reply = answered(FetchTrades(0, None), {"trades": {"TA": trade(1.5)}, "count": 60})
    assert reply.more == ""
    assert body(requested(FetchTrades(0, BEGINNING)), "TradesHistory")["start"] == ["0"]


def test_the_trades_of_an_order_are_asked_for_by_their_ids() -> None:
    ids = [f"T{n}" for n in range(25)]
    question = FetchOrderTrades(0, ORDER)
    assert body(requested(question), "QueryOrders") == {"txid": [ORDER], "trades": ["true"]}
    first = answered(question, {ORDER: info(trades=ids)})
    assert (first.events, first.more) == ((), ",".join(ids))
    page = FetchOrderTrades(0, ORDER, first.more)
    assert body(requested(page), "QueryTrades")["txid"] == [",".join(ids[:20])]
    reply = answered(page, {"T0": trade(1.5)})
    assert reply.more == ",".join(ids[20:])
    [event] = reply.events
    assert isinstance(event, FillReport)
    assert (event.fill.trade_id, event.fill.rank, event.venue_order_id) == ("T0", 1, ORDER)
    assert answered(question, {ORDER: info()}).more == ""


def test_a_trade_of_our_order_on_a_pair_of_no_name_is_never_passed_over() -> None:
    page = FetchOrderTrades(0, ORDER, "T0")
    with pytest.raises(Drifted, match="a pair of no name"):
        answered(page, {"T0": trade(1.5, pair="NEWNAME")})


def test_the_acknowledgement_of_executions_tells_the_tier_and_so_its_limits() -> None:
    by = world.adapter()
    result = {"channel": "executions", "maxratecount": 180, "snap_orders": True}
    told = {"method": "subscribe", "req_id": 5, "result": result, "success": True}
    [reply] = private(world.frame(told), by)
    assert isinstance(reply, Reply)
    assert reply.events == (LimitsReport(rules.limits(rates.PRO)),)
    pairs = json.dumps({"error": [], "result": world.PAIRS}).encode()
    [report] = by.answer(FetchInstruments(), 6, 200, {}, pairs).events
    assert isinstance(report, InstrumentsReport)
    assert {row.max_open_orders for row in report.instruments} == {rates.PRO.open_orders}


@pytest.mark.parametrize(("literal", "counted"), [(b"0", 0), (b"12.01", 13), (b"12", 12)])
def test_the_count_of_a_pair_is_told_with_each_report_and_counts_up(
    literal: bytes, counted: int
) -> None:
    by = world.adapter()
    private(PENDING, by)
    events = private(LIVE.replace(b'"exec_type"', b'"ratecount":%b,"exec_type"' % literal), by)
    assert events[-1] == Counted((BudgetUse(rules.PAIR_COUNTER, counted, 0),))
    assert not [e for e in private(LIVE, by) if isinstance(e, Counted)]


@pytest.mark.parametrize(
    ("command", "verdict"),
    [
        (QueryOrder(0, NAME, ORDER), Verdict.OUT_OF_BUDGET),
        (FetchOpenOrders(0), Verdict.OUT_OF_BUDGET),
        (Cancel(0, NAME, ORDER), Verdict.THROTTLED),
    ],
)
def test_a_full_counter_of_calls_holds_up_what_it_counts_alone(
    command: Any, verdict: Verdict
) -> None:
    body = b'{"error":["EAPI:Rate limit exceeded"]}'
    assert ADAPTER.answer(command, 5, 200, {}, body).verdict is verdict


def test_an_order_that_is_looked_for_by_its_name_costs_what_a_history_does() -> None:
    assert ADAPTER.cost(QueryOrder(0, NAME, ORDER)) == (("calls", 1),)
    assert ADAPTER.cost(QueryOrder(0, NAME)) == ADAPTER.cost(FetchTrades(0, None))
