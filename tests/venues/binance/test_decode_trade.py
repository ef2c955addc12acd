"""The trade line: the account's own events, and the answers to our requests."""

import json
from typing import Any

import pytest

from core.model.errors import Drifted, Malformed
from core.model.events import (
    NO_INSTRUMENT,
    NO_REQUEST,
    AccountReport,
    Balance,
    BalanceLocked,
    BalanceMoved,
    BudgetUse,
    Event,
    ExecType,
    Fill,
    Ignored,
    Notice,
    OrderReport,
    OrdStatus,
    ReplaceOutcome,
    Reply,
    SessionNotice,
    Side,
    Source,
    TradeElsewhere,
    UnknownExecution,
    Verdict,
)
from tests.venues.binance.world import adapter, frame, trade
from venues.binance import verdicts
from venues.binance.decode import TRADE
from venues.binance.translate import ALLOCATION

MS = 1_000_000
ATOM = 10**18

REPORT: dict[str, Any] = {
    "e": "executionReport",
    "E": 1499405658658,
    "s": "BTCUSDT",
    "c": "hl-1",
    "S": "BUY",
    "o": "LIMIT",
    "f": "GTC",
    "q": "1.00000000",
    "p": "23416.10000000",
    "P": "0.00000000",
    "F": "0.00000000",
    "g": -1,
    "C": "",
    "x": "NEW",
    "X": "NEW",
    "r": "NONE",
    "i": 4293153,
    "l": "0.00000000",
    "z": "0.00000000",
    "L": "0.00000000",
    "n": "0",
    "N": None,
    "T": 1499405658657,
    "t": -1,
    "I": 8641984,
    "w": True,
    "m": False,
    "M": False,
    "O": 1499405658657,
    "Z": "0.00000000",
    "Y": "0.00000000",
    "Q": "0.00000000",
    "W": 1499405658657,
    "V": "NONE",
}


def event(**data: Any) -> list[Event]:
    return trade(frame({"subscriptionId": 0, "event": data}))


def execution(**changes: Any) -> OrderReport:
    [report] = event(**(REPORT | changes))
    assert isinstance(report, OrderReport)
    return report


# -- executionReport -------------------------------------------------------------------------


def test_a_new_order() -> None:
    assert execution() == OrderReport(
        instrument=0,
        client_order_id="hl-1",
        venue_order_id="4293153",
        source=Source.STREAM,
        exec_type=ExecType.NEW,
        status=OrdStatus.NEW,
        side=Side.BUY,
        price_ticks=2_341_610,
        size_lots=100_000,
        filled_lots=0,
        venue_ns=1499405658657 * MS,
    )


def test_a_trade_carries_its_fill() -> None:
    report = execution(
        x="TRADE",
        X="PARTIALLY_FILLED",
        l="0.25000000",
        z="0.75000000",
        L="23416.00000000",
        n="0.00025000",
        N="BTC",
        t=77,
        m=True,
    )
    fill = Fill(
        "77", 77, 2_341_600, 25_000, ATOM // 4000, "BTC", maker=True, venue_ns=report.venue_ns
    )
    assert (report.exec_type, report.status) == (ExecType.TRADE, OrdStatus.PARTIALLY_FILLED)
    assert (report.filled_lots, report.fills) == (75_000, (fill,))


@pytest.mark.parametrize("x", ["CANCELED", "REPLACED"])
def test_the_orders_own_id_is_the_original_one_on_cancel_and_replace(x: str) -> None:
    status = "CANCELED" if x == "CANCELED" else "NEW"
    assert execution(x=x, X=status, c="request", C="hl-1").client_order_id == "hl-1"


def test_an_order_that_the_venue_took_out_keeps_its_own_id() -> None:
    assert execution(x="CANCELED", X="CANCELED", c="hl-1", C="").client_order_id == "hl-1"


@pytest.mark.parametrize("x", ["NEW", "TRADE", "EXPIRED", "REJECTED", "TRADE_PREVENTION"])
def test_other_executions_never_take_the_original_id(x: str) -> None:
    trade = {"t": 1, "l": "1.0", "L": "1.0"}
    assert execution(x=x, c="hl-1", C="other", **trade).client_order_id == "hl-1"


@pytest.mark.parametrize(
    ("x", "change"),
    [
        ("NEW", ExecType.NEW),
        ("CANCELED", ExecType.CANCELED),
        ("REPLACED", ExecType.REPLACED),
        ("REJECTED", ExecType.REJECTED),
        ("TRADE", ExecType.TRADE),
        ("EXPIRED", ExecType.EXPIRED),
        ("TRADE_PREVENTION", ExecType.PREVENTED),
    ],
)
def test_every_execution_type(x: str, change: ExecType) -> None:
    assert execution(x=x, t=1, l="1.0", L="1.0").exec_type is change


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("NEW", OrdStatus.NEW),
        ("PENDING_NEW", OrdStatus.PENDING),
        ("PARTIALLY_FILLED", OrdStatus.PARTIALLY_FILLED),
        ("FILLED", OrdStatus.FILLED),
        ("CANCELED", OrdStatus.CANCELED),
        ("REJECTED", OrdStatus.REJECTED),
        ("EXPIRED", OrdStatus.EXPIRED),
        ("EXPIRED_IN_MATCH", OrdStatus.EXPIRED),
    ],
)
def test_every_order_status(status: str, expected: OrdStatus) -> None:
    assert execution(X=status).status is expected


@pytest.mark.parametrize(
    "change", [{"x": "CALCULATED"}, {"X": "PENDING_CANCEL"}, {"S": "SELL_SHORT"}, {"x": ""}]
)
def test_a_word_outside_the_closed_sets_is_never_booked(change: dict[str, str]) -> None:
    [unknown] = event(**(REPORT | {"t": 5, "l": "1.0", "L": "1.0", "z": "1.0"} | change))
    assert isinstance(unknown, UnknownExecution)
    assert (unknown.instrument, unknown.client_order_id) == (0, "hl-1")
    [(field, word)] = change.items()
    assert f"{field}={word}" in unknown.what


@pytest.mark.parametrize("name", ["q", "z", "A", "p"])
def test_an_own_number_off_the_grid_is_quarantined_and_never_rounded(name: str) -> None:
    [unknown] = event(**(REPORT | {name: "0.000001"}))
    assert isinstance(unknown, UnknownExecution)
    assert "not a multiple" in unknown.what


def test_an_own_fill_off_the_grid_is_quarantined() -> None:
    [unknown] = event(**(REPORT | {"x": "TRADE", "t": 5, "l": "0.000001", "L": "1.0"}))
    assert isinstance(unknown, UnknownExecution)


def test_the_reason_of_an_expiry_and_of_a_rejection() -> None:
    assert execution().reason == ""
    reason = "UNFILLED_IOC_QUANTITY_EXPIRED"
    assert execution(x="EXPIRED", X="EXPIRED", eR=reason).reason == reason
    assert execution(x="REJECTED", X="REJECTED", r="INSUFFICIENT_BALANCES").reason == (
        "INSUFFICIENT_BALANCES"
    )


def test_what_self_trade_prevention_took_is_no_longer_the_orders_size() -> None:
    report = execution(x="TRADE_PREVENTION", X="NEW", A="0.40000000", B="0.40000000")
    assert (report.size_lots, report.filled_lots) == (60_000, 0)


def test_more_prevented_than_there_was_is_refused() -> None:
    with pytest.raises(Malformed, match="more was prevented"):
        execution(x="TRADE_PREVENTION", A="1.00001000")


def test_an_order_of_an_unwatched_symbol_is_seen_without_numbers() -> None:
    report = execution(s="DOGEUSDT", z="123.4567891", l="x")
    assert report.instrument == NO_INSTRUMENT
    assert (report.price_ticks, report.size_lots, report.filled_lots) == (0, 0, 0)
    assert report.fills == ()


def test_a_trade_of_an_unwatched_symbol_is_told_as_the_venue_writes_it() -> None:
    told = {"s": "DOGEUSDT", "x": "TRADE", "l": "123.4567891", "L": "0.1", "t": 9, "T": 7}
    assert event(**(REPORT | told | {"S": "SELL"})) == [
        TradeElsewhere("DOGEUSDT", Side.SELL, "123.4567891", "0.1", 7 * MS)
    ]


def test_an_allocation_has_an_id_of_its_own_and_is_in_no_history() -> None:
    told = {"x": "TRADE", "t": -1, "l": "1.0", "L": "1.0", "n": "0", "N": None}
    fills = [execution(**(told | {"a": each})).fills[0] for each in (0, 1)]
    assert [fill.trade_id for fill in fills] == [f"{ALLOCATION}0", f"{ALLOCATION}1"]
    assert not any(fill.listed for fill in fills)


def test_a_lock_from_outside_says_how_much() -> None:
    lock = {"e": "externalLockUpdate", "E": 1, "a": "BTC", "d": "10.00000000", "T": 5}
    assert event(**lock) == [BalanceLocked("BTC", 10 * ATOM, 5 * MS)]


def test_an_event_for_others_and_without_a_subscription_reads_the_same() -> None:
    report = execution()
    assert trade(frame({"event": REPORT, "subscriptionId": 3})) == [report]
    assert trade(json.dumps({"event": REPORT}, indent=1).encode()) == [report]
    turned = dict(reversed(REPORT.items()))
    assert trade(frame({"subscriptionId": 65535, "event": turned})) == [report]


def test_what_begins_like_the_report_before_is_read_whole_all_the_same() -> None:
    """The first bytes choose a decoder and no more: each report's news are its own."""
    fresh = adapter()
    told: list[Event] = []
    for changes in ({}, {"X": "CANCELED", "x": "CANCELED"}, {}):
        for around in ({"subscriptionId": 7}, {"subscriptionId": 0}, {}):
            data = frame(around | {"event": REPORT | changes})
            fresh.decode(TRADE, data, told)
    assert told == [
        execution(**changes)
        for changes in ({}, {"X": "CANCELED", "x": "CANCELED"}, {})
        for _ in range(3)
    ]
    with pytest.raises(Malformed):
        fresh.decode(TRADE, frame({"subscriptionId": 0, "event": REPORT})[:-2], told)


@pytest.mark.parametrize("field", sorted(set("scSqpCxXrilzLnNTtm")))
def test_a_report_without_a_needed_field_is_drift_and_names_it(field: str) -> None:
    report = {name: value for name, value in REPORT.items() if name != field}
    with pytest.raises(Drifted, match=f"`{field}`"):
        event(**report)


def test_a_trade_without_id_price_or_size_is_refused() -> None:
    for change in ({"t": -1}, {"L": "0.00000000"}, {"l": "0.00000000"}):
        with pytest.raises(Malformed):
            event(**(REPORT | {"x": "TRADE", "t": 5, "l": "1.0", "L": "1.0"} | change))


@pytest.mark.parametrize(("text", "atoms"), [("0.5", ATOM // 2), ("-0.5", -ATOM // 2), (None, 0)])
def test_a_commission_may_be_a_rebate_or_none(text: str | None, atoms: int) -> None:
    report = execution(x="TRADE", t=5, l="1.0", z="1.0", L="1.0", n=text)
    assert report.fills[0].fee_atoms == atoms


@pytest.mark.parametrize("text", ["", "-0", "-", "1e3", "free"])
def test_a_commission_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        execution(x="TRADE", t=5, l="1.0", z="1.0", L="1.0", n=text)


# -- other events ----------------------------------------------------------------------------


def test_an_account_position_is_a_part_of_the_account() -> None:
    balances = [{"a": "ETH", "f": "10000.000000", "l": "0.500000"}]
    assert event(e="outboundAccountPosition", E=1, u=1564034571073, B=balances) == [
        AccountReport(
            (Balance("ETH", 10_000 * ATOM, ATOM // 2),),
            whole=False,
            can_trade=None,
            venue_ns=1564034571073 * MS,
        )
    ]


def test_a_balance_below_zero_is_refused() -> None:
    with pytest.raises(Malformed, match="below zero"):
        event(e="outboundAccountPosition", E=1, u=1, B=[{"a": "ETH", "f": "-1", "l": "0"}])


@pytest.mark.parametrize(("text", "atoms"), [("100.00000000", 100 * ATOM), ("-0.5", -ATOM // 2)])
def test_a_balance_that_moved_without_a_trade(text: str, atoms: int) -> None:
    update = {"e": "balanceUpdate", "E": 1, "a": "BTC", "d": text, "T": 1573200697068}
    assert event(**update) == [BalanceMoved("BTC", atoms, 1573200697068 * MS)]


@pytest.mark.parametrize("kind", ["listStatus", "somethingNew"])
def test_events_we_have_no_use_for_are_ignored_by_name(kind: str) -> None:
    assert event(e=kind, E=1) == [Ignored(kind)]


def test_the_end_of_the_private_stream() -> None:
    notice = SessionNotice(Notice.PRIVATE_ENDED, "eventStreamTerminated")
    assert event(e="eventStreamTerminated", E=1728973001334) == [notice]


@pytest.mark.parametrize(
    "message",
    [
        {"event": {"e": "serverShutdown", "E": 1770123456789}},
        {"subscriptionId": 0, "event": {"e": "serverShutdown", "E": 1770123456789}},
        {"e": "serverShutdown", "E": 1770123456789},
    ],
)
def test_the_shutdown_of_the_server_in_each_wrapper(message: dict[str, Any]) -> None:
    assert trade(frame(message)) == [SessionNotice(Notice.SHUTDOWN, "serverShutdown")]


# -- answers ---------------------------------------------------------------------------------

ORDER: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "orderId": 12569099453,
    "orderListId": -1,
    "clientOrderId": "hl-1",
    "transactTime": 1660801715639,
    "price": "23416.10000000",
    "origQty": "0.00847000",
    "executedQty": "0.00000000",
    "origQuoteOrderQty": "0.000000",
    "cummulativeQuoteQty": "0.00000000",
    "status": "NEW",
    "timeInForce": "GTC",
    "type": "LIMIT",
    "side": "SELL",
    "workingTime": 1660801715639,
    "fills": [],
    "selfTradePreventionMode": "NONE",
}
CANCELED = ORDER | {
    "origClientOrderId": "hl-1",
    "clientOrderId": "91fe37ce9e69c90d6358c0",
    "executedQty": "0.00001000",
    "status": "CANCELED",
}
RATES = [
    {
        "rateLimitType": "ORDERS",
        "interval": "SECOND",
        "intervalNum": 10,
        "limit": 50,
        "count": 12,
    },
    {
        "rateLimitType": "ORDERS",
        "interval": "DAY",
        "intervalNum": 1,
        "limit": 160000,
        "count": 4043,
    },
    {
        "rateLimitType": "REQUEST_WEIGHT",
        "interval": "MINUTE",
        "intervalNum": 1,
        "limit": 6000,
        "count": 321,
    },
    {"rateLimitType": "NEW", "interval": "HOUR", "intervalNum": 2, "limit": 6, "count": 1},
]
USED = (
    BudgetUse("orders_10s", 12),
    BudgetUse("orders_1d", 4043),
    BudgetUse("weight_1m", 321),
    BudgetUse("new_2h", 1),
)


def answer(wire_id: object, **fields: Any) -> Reply:
    [reply] = trade(frame({"id": wire_id} | fields | {"rateLimits": RATES}))
    assert isinstance(reply, Reply)
    assert reply.budgets == USED
    return reply


def done(wire_id: str, result: object) -> Reply:
    reply = answer(wire_id, status=200, result=result)
    assert reply.verdict is Verdict.DONE
    return reply


def failed(wire_id: object, status: int, code: int, msg: str = "", data: object = None) -> Reply:
    error = {"code": code, "msg": msg} | ({} if data is None else {"data": data})
    return answer(wire_id, status=status, error=error)


def report_of(reply: Reply) -> OrderReport:
    [report] = reply.events
    assert isinstance(report, OrderReport)
    return report


PLACED = OrderReport(
    instrument=0,
    client_order_id="hl-1",
    venue_order_id="12569099453",
    source=Source.REPLY,
    exec_type=ExecType.NEW,
    status=OrdStatus.NEW,
    side=Side.SELL,
    price_ticks=2_341_610,
    size_lots=847,
    filled_lots=0,
    venue_ns=1660801715639 * MS,
)


def test_an_order_that_was_placed() -> None:
    reply = done("p17", ORDER)
    assert (reply.request_id, reply.events) == (17, (PLACED,))


def test_an_order_that_traded_as_it_arrived_names_its_fills() -> None:
    fills = [
        {
            "price": "23416.10000000",
            "qty": "0.00635000",
            "commission": "0.000001",
            "commissionAsset": "BNB",
            "tradeId": 1650422481,
        },
        {
            "price": "23416.50000000",
            "qty": "0.00212000",
            "commission": "0.000000",
            "commissionAsset": "BNB",
            "tradeId": 1650422482,
        },
    ]
    filled = ORDER | {"executedQty": "0.00847000", "status": "FILLED", "fills": fills}
    report = report_of(done("p17", filled))
    assert (report.exec_type, report.status) == (ExecType.TRADE, OrdStatus.FILLED)
    assert report.filled_lots == sum(fill.lots for fill in report.fills) == 847
    assert report.fills[0] == Fill(
        "1650422481",
        1650422481,
        2_341_610,
        635,
        ATOM // 1_000_000,
        "BNB",
        maker=False,
        venue_ns=report.venue_ns,
    )


def test_an_order_that_expired_at_once_says_why() -> None:
    expired = ORDER | {"status": "EXPIRED", "expiryReason": "UNFILLED_FOK_ORDER_EXPIRED"}
    report = report_of(done("p17", expired))
    assert (report.exec_type, report.status) == (ExecType.EXPIRED, OrdStatus.EXPIRED)
    assert report.reason == "UNFILLED_FOK_ORDER_EXPIRED"


def test_an_order_prevented_from_trading_with_itself_lost_that_size() -> None:
    prevented = ORDER | {"status": "EXPIRED_IN_MATCH", "preventedQuantity": "0.00847000"}
    report = report_of(done("p17", prevented))
    assert (report.status, report.size_lots) == (OrdStatus.EXPIRED, 0)


def test_a_cancelled_order_is_named_by_its_own_id() -> None:
    report = report_of(done("c18", CANCELED))
    assert (report.client_order_id, report.status) == ("hl-1", OrdStatus.CANCELED)
    assert (report.exec_type, report.filled_lots) == (ExecType.CANCELED, 1)


LIST = {
    "orderListId": 19431,
    "contingencyType": "OCO",
    "symbol": "BTCUSDT",
    "orders": [{"symbol": "BTCUSDT", "orderId": 20, "clientOrderId": "bX5w"}],
    "orderReports": [
        CANCELED | {"orderId": 20, "origClientOrderId": "leg-1"},
        CANCELED | {"orderId": 21, "origClientOrderId": "leg-2"},
    ],
}


def test_a_cancelled_order_list_reports_each_of_its_orders() -> None:
    for reply in (done("c18", LIST), done("x18", [CANCELED, LIST])):
        names = [one.client_order_id for one in reply.events if isinstance(one, OrderReport)]
        assert names[-2:] == ["leg-1", "leg-2"]
        assert len(names) == len(reply.events)


def test_cancel_all_reports_each_order() -> None:
    assert len(done("x19", [CANCELED, CANCELED]).events) == 2


def test_cancel_all_with_nothing_open_is_a_refusal() -> None:
    reply = failed("x19", 400, -2011, "Unknown order sent.")
    assert (reply.verdict, reply.events) == (Verdict.REFUSED, ())


def test_a_query_is_a_snapshot() -> None:
    queried = ORDER | {"updateTime": 1660801717945, "status": "FILLED"}
    del queried["transactTime"], queried["fills"]
    report = report_of(done("q20", queried))
    assert (report.source, report.exec_type) == (Source.QUERY, ExecType.SNAPSHOT)
    assert (report.status, report.venue_ns) == (OrdStatus.FILLED, 1660801717945 * MS)


def test_a_query_for_an_order_the_venue_does_not_know_says_that_it_is_absent() -> None:
    reply = failed("q20", 400, -2013, "Order does not exist.")
    assert (reply.request_id, reply.verdict) == (20, Verdict.ABSENT)
    assert (reply.code, reply.text) == ("-2013", "Order does not exist.")


AMENDED = {
    "transactTime": 1741923284382,
    "executionId": 16,
    "amendedOrder": {
        "symbol": "BTCUSDT",
        "orderId": 12,
        "orderListId": -1,
        "origClientOrderId": "hl-1",
        "clientOrderId": "hl-1",
        "price": "5.00000000",
        "qty": "5.00000000",
        "executedQty": "1.00000000",
        "preventedQty": "0.50000000",
        "quoteOrderQty": "0.00000000",
        "cumulativeQuoteQty": "0.00000000",
        "status": "PARTIALLY_FILLED",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
        "workingTime": 1741923284364,
        "selfTradePreventionMode": "NONE",
    },
}


def test_an_amended_order_has_its_new_size() -> None:
    report = report_of(done("a21", AMENDED))
    assert (report.exec_type, report.status) == (ExecType.REPLACED, OrdStatus.PARTIALLY_FILLED)
    assert (report.size_lots, report.filled_lots) == (450_000, 100_000)
    assert report.venue_ns == 1741923284382 * MS


@pytest.mark.parametrize(("wire_id", "result"), [("p1", ORDER), ("q1", ORDER), ("c1", CANCELED)])
def test_an_answer_with_an_unknown_status_is_never_booked(
    wire_id: str, result: dict[str, Any]
) -> None:
    [unknown] = done(wire_id, result | {"status": "PENDING_CANCEL"}).events
    assert isinstance(unknown, UnknownExecution)


def test_an_amend_with_an_unknown_status_is_never_booked() -> None:
    order = AMENDED["amendedOrder"]
    assert isinstance(order, dict)
    [unknown] = done("a1", AMENDED | {"amendedOrder": order | {"status": "ODD"}}).events
    assert isinstance(unknown, UnknownExecution)


@pytest.mark.parametrize("field", ["price", "qty", "executedQty", "preventedQty"])
def test_an_amended_order_off_the_grid_is_quarantined(field: str) -> None:
    order = AMENDED["amendedOrder"]
    assert isinstance(order, dict)
    [unknown] = done("a1", AMENDED | {"amendedOrder": order | {field: "0.000001"}}).events
    assert isinstance(unknown, UnknownExecution)


@pytest.mark.parametrize("field", ["price", "origQty", "executedQty"])
def test_an_answer_off_the_grid_is_quarantined(field: str) -> None:
    [unknown] = done("p1", ORDER | {field: "0.000001"}).events
    assert isinstance(unknown, UnknownExecution)


def test_logging_on_and_subscribing() -> None:
    logon = {"apiKey": "k", "authorizedSince": 1, "connectedSince": 1, "userDataStream": False}
    assert done("l1", logon).events == ()
    assert done("u2", {"subscriptionId": 0}).events == ()


def test_a_subscription_that_stands_already_is_done() -> None:
    reply = failed("u2", 400, -2035, "User Data Stream subscription already active.")
    assert reply.verdict is Verdict.DONE


# -- cancel-replace --------------------------------------------------------------------------

NEW_ORDER = ORDER | {"clientOrderId": "hl-2", "orderId": 12569099454}


def halves(
    cancel: str, place: str, cancel_response: object, place_response: object
) -> dict[str, Any]:
    return {
        "cancelResult": cancel,
        "newOrderResult": place,
        "cancelResponse": cancel_response,
        "newOrderResponse": place_response,
    }


def outcome_of(reply: Reply) -> tuple[ReplaceOutcome, list[str]]:
    [outcome] = [one for one in reply.events if isinstance(one, ReplaceOutcome)]
    reports = [one for one in reply.events if isinstance(one, OrderReport)]
    assert len(reports) + 1 == len(reply.events)
    return outcome, [f"{one.client_order_id} {one.status}" for one in reports]


UNKNOWN_ORDER = {"code": -2011, "msg": "Unknown order sent."}
WOULD_TAKE = {"code": -2010, "msg": "Order would immediately match and take."}


def test_a_replace_whose_halves_were_both_done() -> None:
    reply = done("r22", halves("SUCCESS", "SUCCESS", CANCELED, NEW_ORDER))
    outcome, reports = outcome_of(reply)
    assert outcome == ReplaceOutcome(cancel=Verdict.DONE, place=Verdict.DONE)
    assert reports == ["hl-1 canceled", "hl-2 new"]


def test_a_replace_that_cancelled_and_could_not_place() -> None:
    data = halves("SUCCESS", "FAILURE", CANCELED, WOULD_TAKE)
    reply = failed("r22", 409, -2021, "Order cancel-replace partially failed.", data)
    outcome, reports = outcome_of(reply)
    assert (reply.request_id, reply.verdict) == (22, Verdict.REFUSED)
    assert (outcome.cancel, outcome.place) == (Verdict.DONE, Verdict.REFUSED)
    assert (outcome.place_code, outcome.place_text) == ("-2010", WOULD_TAKE["msg"])
    assert reports == ["hl-1 canceled"]


def test_a_replace_that_placed_and_could_not_cancel() -> None:
    data = halves("FAILURE", "SUCCESS", UNKNOWN_ORDER, NEW_ORDER)
    reply = failed("r22", 409, -2021, "Order cancel-replace partially failed.", data)
    outcome, reports = outcome_of(reply)
    assert reply.verdict is Verdict.DONE
    assert (outcome.cancel, outcome.place) == (Verdict.REFUSED, Verdict.DONE)
    assert (outcome.cancel_code, outcome.cancel_text) == ("-2011", "Unknown order sent.")
    assert reports == ["hl-2 new"]


def test_a_replace_that_could_not_cancel_and_did_not_try_to_place() -> None:
    data = halves("FAILURE", "NOT_ATTEMPTED", UNKNOWN_ORDER, None)
    reply = failed("r22", 400, -2022, "Order cancel-replace failed.", data)
    outcome, reports = outcome_of(reply)
    assert reply.verdict is Verdict.REFUSED
    assert (outcome.cancel, outcome.place) == (Verdict.REFUSED, Verdict.REFUSED)
    assert (outcome.cancel_code, outcome.place_code, reports) == ("-2011", "", [])


def test_a_replace_whose_halves_both_failed() -> None:
    data = halves("FAILURE", "FAILURE", UNKNOWN_ORDER, WOULD_TAKE)
    outcome, reports = outcome_of(failed("r22", 400, -2022, "failed", data))
    assert (outcome.cancel, outcome.place) == (Verdict.REFUSED, Verdict.REFUSED)
    assert (outcome.cancel_code, outcome.place_code, reports) == ("-2011", "-2010", [])


def test_a_half_whose_outcome_is_unknown_stays_unknown() -> None:
    timeout = {"code": -1007, "msg": "Timeout waiting for response from backend server."}
    data = halves("SUCCESS", "FAILURE", CANCELED, timeout)
    reply = failed("r22", 409, -2021, "partly", data)
    assert reply.verdict is Verdict.UNKNOWN
    assert outcome_of(reply)[0].cancel is Verdict.DONE


def test_a_half_with_a_word_we_do_not_know_stays_unknown() -> None:
    data = halves("SUCCESS", "DEFERRED", CANCELED, None)
    assert failed("r22", 409, -2021, "partly", data).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("status", [409, 429])
def test_a_replace_over_the_order_limit_takes_the_old_one_out(status: int) -> None:
    many = {"code": -1015, "msg": "Too many new orders; current limit is 50 orders per 10 SECOND."}
    data = halves("SUCCESS", "FAILURE", CANCELED, many)
    reply = failed("r22", status, -2021, "partly", data)
    outcome, reports = outcome_of(reply)
    assert (outcome.cancel, outcome.place) == (Verdict.DONE, Verdict.OUT_OF_BUDGET)
    assert len(reports) == 1, "the old one, gone"
    assert (reply.verdict, reply.code) == (Verdict.OUT_OF_BUDGET, "-1015")


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        (400, -1013, Verdict.REFUSED),
        (429, -1015, Verdict.OUT_OF_BUDGET),
        (500, -1007, Verdict.UNKNOWN),
        (409, -2021, Verdict.UNKNOWN),
    ],
)
def test_a_refusal_of_the_whole_replace_holds_for_both_halves(
    status: int, code: int, verdict: Verdict
) -> None:
    reply = failed("r22", status, code, "why")
    outcome, reports = outcome_of(reply)
    assert (reply.verdict, outcome.cancel, outcome.place) == (verdict, verdict, verdict)
    assert (outcome.cancel_code, outcome.place_code, reports) == (str(code), str(code), [])


def test_a_replace_whose_halves_lack_a_field_is_drift() -> None:
    with pytest.raises(Drifted):
        failed("r22", 409, -2021, "partly", {"cancelResult": "SUCCESS"})


# -- failures --------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [418, 429])
def test_a_limited_answer_says_until_when(status: int) -> None:
    data = {"serverTime": 1659142907531, "retryAfter": 1659146400000}
    reply = failed("p17", status, -1003, "Too much request weight used", data)
    assert reply.verdict is (Verdict.BANNED if status == 418 else Verdict.THROTTLED)
    assert reply.retry_ns == 1659146400000 * MS


@pytest.mark.parametrize("data", [None, {}, [], "soon", 5])
def test_a_limited_answer_without_a_time_leaves_it_open(data: object) -> None:
    assert failed("p17", 429, -1003, "Too many requests", data).retry_ns == 0


@pytest.mark.parametrize("code", sorted(verdicts.OF_NO_NEW_ORDER))
def test_the_answer_to_something_else_proves_nothing_of_a_new_order(code: str) -> None:
    assert failed("p17", 400, int(code), "why").verdict is Verdict.UNKNOWN
    outcome, _ = outcome_of(failed("r22", 400, int(code), "why"))
    assert outcome.place is Verdict.UNKNOWN
    halves = {
        "cancelResult": "FAILURE",
        "newOrderResult": "FAILURE",
        "cancelResponse": {"code": -2011, "msg": "Unknown order sent."},
        "newOrderResponse": {"code": int(code), "msg": "why"},
    }
    outcome, _ = outcome_of(failed("r22", 400, -2022, "failed", halves))
    assert (outcome.cancel, outcome.place) == (Verdict.REFUSED, Verdict.UNKNOWN)


def test_a_refused_time_asks_for_the_clock_to_be_set() -> None:
    text = "Timestamp for this request is outside of the recvWindow."
    reply = failed("p17", 400, -1021, text)
    assert reply.verdict is Verdict.REFUSED
    assert reply.events == (SessionNotice(Notice.CLOCK_OFF, text),)


def test_a_failure_without_a_code_goes_by_its_status() -> None:
    assert answer("p17", status=503).verdict is Verdict.UNKNOWN
    assert answer("p17", status=403).verdict is Verdict.THROTTLED


def test_a_revoked_session_is_logged_out() -> None:
    message = "Invalid API-key, IP, or permissions for action."
    revoked = {"id": None, "status": 401, "error": {"code": -2015, "msg": message}}
    assert trade(frame(revoked)) == [SessionNotice(Notice.LOGGED_OUT, message)]


def test_an_error_that_names_no_request_holds_for_the_connection() -> None:
    reply = failed(None, 400, -1135, "Invalid JSON Request")
    assert (reply.request_id, reply.verdict) == (NO_REQUEST, Verdict.FATAL)
    banned = failed(None, 418, -1003, "banned", {"retryAfter": 5})
    assert (banned.verdict, banned.retry_ns) == (Verdict.BANNED, 5 * MS)


@pytest.mark.parametrize("wire_id", [7, "z7", "", "7"])
def test_answers_to_others_requests_are_ignored(wire_id: object) -> None:
    message = {"id": wire_id, "status": 200, "result": {}}
    assert trade(frame(message)) == [Ignored("answer to a request that is not ours")]


@pytest.mark.parametrize("wire_id", ["p", "p1_0", "p-1", "p1.0", "p" + "1" * 19])
def test_an_answer_with_our_letter_and_no_number_is_drift(wire_id: str) -> None:
    with pytest.raises(Drifted, match="no request id of ours"):
        trade(frame({"id": wire_id, "status": 200, "result": ORDER}))


@pytest.mark.parametrize("letter", "pcraxq")
def test_a_success_without_a_result_is_drift(letter: str) -> None:
    with pytest.raises(Drifted, match="neither result nor error"):
        trade(frame({"id": f"{letter}1", "status": 200}))


@pytest.mark.parametrize(
    ("letter", "result"),
    [("p", ORDER), ("c", CANCELED), ("q", ORDER), ("x", [CANCELED]), ("a", AMENDED)],
)
def test_other_key_order_and_blanks_mean_the_same(letter: str, result: object) -> None:
    message = {"id": f"{letter}17", "status": 200, "result": result, "rateLimits": RATES}
    turned = json.dumps(dict(reversed(message.items())), indent=1).encode()
    assert trade(turned) == trade(frame(message))


@pytest.mark.parametrize("field", ["symbol", "orderId", "clientOrderId", "price", "status", "side"])
def test_an_answer_without_a_needed_field_is_drift_and_names_it(field: str) -> None:
    order = {name: value for name, value in ORDER.items() if name != field}
    with pytest.raises(Drifted, match=f"`{field}`"):
        done("p17", order)


@pytest.mark.parametrize("message", [{}, {"status": 200}, {"subscriptionId": 0}])
def test_a_frame_of_no_kind_is_drift(message: dict[str, Any]) -> None:
    with pytest.raises(Drifted, match="no event and no id"):
        trade(frame(message))
