"""REST answers, good and bad, become replies."""

from typing import Any

import pytest

from core.model.commands import (
    BEGINNING,
    Cancel,
    CancelAll,
    Command,
    FetchAccount,
    FetchBook,
    FetchInstruments,
    FetchOpenOrders,
    FetchOrderTrades,
    FetchTime,
    FetchTrades,
    QueryOrder,
    TestPlace,
)
from core.model.errors import Drifted, Malformed, Misuse
from core.model.events import (
    AccountReport,
    Balance,
    BookSnapshot,
    BudgetUse,
    ExecType,
    Fill,
    FillReport,
    Notice,
    OpenOrders,
    OrderReport,
    Reply,
    SessionNotice,
    Side,
    Source,
    UnknownExecution,
    VenueTime,
    Verdict,
)
from tests.venues.binance import world
from tests.venues.binance.world import frame
from venues.binance import answer as answers

MS = 1_000_000
ATOM = 10**18

HEADERS = {
    "x-mbx-used-weight": "70",
    "x-mbx-used-weight-1m": "70",
    "x-mbx-order-count-10s": "3",
    "x-mbx-order-count-1d": "40",
    "content-type": "application/json",
}
USED = (BudgetUse("weight_1m", 70), BudgetUse("orders_10s", 3), BudgetUse("orders_1d", 40))

ORDER: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "orderId": 1,
    "orderListId": -1,
    "clientOrderId": "hl-1",
    "price": "0.10",
    "origQty": "1.0",
    "executedQty": "0.25",
    "cummulativeQuoteQty": "0.0",
    "status": "PARTIALLY_FILLED",
    "timeInForce": "GTC",
    "type": "LIMIT",
    "side": "BUY",
    "time": 1499827319559,
    "updateTime": 1499827319560,
    "isWorking": True,
}


def answered(
    command: Command, body: bytes, status: int = 200, headers: dict[str, str] | None = None
) -> Reply:
    return world.ADAPTER.answer(command, 9, status, headers or {}, body)


def events(command: Command, result: object) -> Any:
    reply = answered(command, frame(result), headers=HEADERS)
    assert (reply.request_id, reply.verdict, reply.budgets) == (9, Verdict.DONE, USED)
    return reply.events


def test_the_test_of_an_order_passes_only_where_the_venue_says_so() -> None:
    test = TestPlace(world.place())
    assert answered(test, b"{}").verdict is Verdict.DONE
    refused = answered(test, b'{"code":-2010,"msg":"Market is closed."}')
    assert (refused.verdict, refused.code) == (Verdict.REFUSED, "-2010")
    for body in (b"", b"<html></html>", b"[]"):
        with pytest.raises((Malformed, Drifted)):
            answered(test, body)


def test_a_snapshot_of_a_book() -> None:
    depth = {
        "lastUpdateId": 1027024,
        "bids": [["4.00000000", "431.00000000"]],
        "asks": [["4.02000000", "12.00000000"], ["4.025", "1.0"], ["4.03", "0.123456789"]],
    }
    assert events(FetchBook(0), depth) == (
        BookSnapshot(0, 1027024, [(400, 43_100_000)], [(402, 1_200_000), (403, 12_346)]),
    )


@pytest.mark.parametrize("level", [["4.0", "0.00000000"], ["0.0", "1.0"], ["4.0", "-1"]])
def test_a_level_that_cannot_be_in_a_snapshot_is_refused(level: list[str]) -> None:
    with pytest.raises(Malformed):
        events(FetchBook(0), {"lastUpdateId": 1, "bids": [level], "asks": []})


def test_the_open_orders_of_one_symbol() -> None:
    [found] = events(FetchOpenOrders(0), [ORDER])
    assert isinstance(found, OpenOrders)
    [report] = found.reports
    assert (found.instrument, report.client_order_id, report.filled_lots) == (0, "hl-1", 25_000)
    assert (report.source, report.exec_type) == (Source.QUERY, ExecType.SNAPSHOT)
    assert report.venue_ns == 1499827319560 * MS
    assert events(FetchOpenOrders(0), []) == (OpenOrders(0, ()),)


def test_an_open_order_of_an_unknown_status_stands_beside_the_others() -> None:
    found, unknown = events(FetchOpenOrders(0), [ORDER, ORDER | {"status": "ODD"}])
    assert len(found.reports) == 1
    assert isinstance(unknown, UnknownExecution)


@pytest.mark.parametrize("command", [FetchTrades(0, BEGINNING), FetchOrderTrades(0, "100234")])
def test_our_own_trades(command: Command) -> None:
    row = {
        "symbol": "BTCUSDT",
        "id": 28457,
        "orderId": 100234,
        "price": "4.01000000",
        "qty": "12.00000000",
        "commission": "10.10000000",
        "commissionAsset": "BNB",
        "time": 1499865549590,
        "isBuyer": False,
        "isMaker": True,
    }
    fill = Fill("28457", 28457, 401, 1_200_000, 101 * ATOM // 10, "BNB", True, 1499865549590 * MS)
    foreign = row | {"symbol": "DOGEUSDT", "qty": "0.1234567891"}
    assert events(command, [row, foreign]) == (FillReport(0, "100234", Side.SELL, fill),)


def test_the_account() -> None:
    account = {
        "canTrade": True,
        "updateTime": 123456789,
        "balances": [{"asset": "BTC", "free": "0.5", "locked": "0.00000000"}],
    }
    assert events(FetchAccount(), account) == (
        AccountReport(
            (Balance("BTC", ATOM // 2, 0),), whole=True, can_trade=True, venue_ns=123456789 * MS
        ),
    )


def test_the_time() -> None:
    assert events(FetchTime(), {"serverTime": 1499827319559}) == (VenueTime(1499827319559 * MS),)


def test_an_order_under_the_id_of_our_own_cancel_is_known_by_its_own() -> None:
    told = ORDER | {"status": "CANCELED", "clientOrderId": "hl-1-c"}
    [report] = events(QueryOrder(0, "", "7"), told)
    assert isinstance(report, OrderReport)
    assert report.client_order_id == "hl-1"


def test_one_order_and_cancels_by_rest() -> None:
    [report] = events(QueryOrder(0, "hl-1"), ORDER)
    assert isinstance(report, OrderReport)
    assert report.source is Source.QUERY
    cancelled = ORDER | {"status": "CANCELED", "origClientOrderId": "hl-1", "clientOrderId": "x"}
    for command, result in ((Cancel(0, "hl-1", "1"), cancelled), (CancelAll(0), [cancelled])):
        [report] = events(command, result)
        assert (report.client_order_id, report.exec_type) == ("hl-1", ExecType.CANCELED)


def test_a_snapshot_of_an_instrument_that_was_never_learned_is_our_misuse() -> None:
    with pytest.raises(Misuse, match="instrument 7"):
        answered(FetchBook(7), b"{}")


def test_an_order_is_not_answered_by_rest() -> None:
    with pytest.raises(Misuse):
        answered(world.place(), b"{}")


def test_no_answer_at_all_proves_nothing() -> None:
    assert answered(Cancel(0, "a", "1"), b"", status=0) == Reply(
        request_id=9, verdict=Verdict.UNKNOWN
    )


def test_an_error_with_a_code() -> None:
    body = b'{"code":-2013,"msg":"Order does not exist."}'
    reply = answered(QueryOrder(0, "a"), body, 400, HEADERS)
    assert (reply.verdict, reply.code) == (Verdict.ABSENT, "-2013")
    assert (reply.text, reply.budgets) == ("Order does not exist.", USED)


def test_an_unknown_symbol_is_fatal_and_says_what_was_asked_for() -> None:
    body = b'{"code":-1121,"msg":"Invalid symbol."}'
    reply = answered(FetchInstruments(), body, 400)
    assert reply.verdict is Verdict.FATAL
    assert reply.text == "Invalid symbol. (asked for BTCUSDT, LTCBNB)"


def test_a_refused_time_asks_for_the_clock_to_be_set() -> None:
    reply = answered(FetchAccount(), b'{"code":-1021,"msg":"ahead"}', 400)
    assert reply.events == (SessionNotice(Notice.CLOCK_OFF, "ahead"),)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"code":-2013,"msg":"no"}'])
def test_a_server_error_proves_nothing(status: int, body: bytes) -> None:
    assert answered(QueryOrder(0, "a"), body, status).verdict is Verdict.UNKNOWN


def test_a_page_of_the_firewall_is_a_cool_down() -> None:
    reply = answered(FetchAccount(), b"<html><body>403 Forbidden</body></html>", 403)
    assert (reply.verdict, reply.code) == (Verdict.THROTTLED, "")


@pytest.mark.parametrize("body", [b"<html>", b"", b'{"lastUpdateId":1,"bids":[', b"\xff"])
def test_a_success_that_is_no_json_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        answered(FetchBook(0), body)


def test_a_success_without_a_field_is_drift_and_names_it() -> None:
    with pytest.raises(Drifted, match="`lastUpdateId`"):
        answered(FetchBook(0), b'{"bids":[],"asks":[]}')
    with pytest.raises(Drifted, match=r"\$\[0\]\.orderId"):
        answered(FetchOpenOrders(0), frame([ORDER | {"orderId": "1"}]))


@pytest.mark.parametrize(
    "command", [FetchBook(0), FetchOpenOrders(0), CancelAll(0), QueryOrder(0, "a"), FetchTime()]
)
def test_an_error_in_a_success_is_an_error(command: Command) -> None:
    reply = answered(command, b'{"code":-1003,"msg":"Too many requests."}')
    assert (reply.verdict, reply.code) == (Verdict.THROTTLED, "-1003")


DATE = "Tue, 21 Jul 2026 15:29:45 GMT"
DATE_NS = 1_784_647_785 * 10**9


@pytest.mark.parametrize(("status", "verdict"), [(429, Verdict.THROTTLED), (418, Verdict.BANNED)])
def test_retry_after_counts_from_the_date_of_the_answer(status: int, verdict: Verdict) -> None:
    headers = {"retry-after": "30", "date": DATE}
    reply = answered(FetchTime(), b'{"code":-1003,"msg":""}', status, headers)
    assert (reply.verdict, reply.retry_ns) == (verdict, DATE_NS + 31 * 10**9)
    assert reply.said_ns == DATE_NS


def test_the_errors_own_time_is_better_than_the_header() -> None:
    body = b'{"code":-1003,"msg":"","data":{"retryAfter":1659146400000}}'
    headers = {"retry-after": "30", "date": DATE}
    assert answered(FetchTime(), body, 429, headers).retry_ns == 1659146400000 * MS


@pytest.mark.parametrize("status", [400, 418, 429])
def test_a_text_that_names_a_ban_is_one_whatever_the_status(status: int) -> None:
    body = b'{"code":-1003,"msg":"Way too much; IP banned until 1959146400000."}'
    for headers in ({}, {"retry-after": "30", "date": DATE}):
        reply = answered(FetchTime(), body, status, headers)
        assert (reply.verdict, reply.retry_ns) == (Verdict.BANNED, 1959146400000 * MS)


def test_the_end_of_a_ban_that_only_its_text_names_is_believed() -> None:
    text = "Way too much request weight used; IP banned until 1659146400000. Please use streams."
    body = b'{"code":-1003,"msg":"%s"}' % text.encode()
    reply = answered(FetchTime(), body, 418, {})
    assert (reply.verdict, reply.retry_ns) == (Verdict.BANNED, 1659146400000 * MS)
    known = {"retry-after": "30", "date": DATE}
    assert answered(FetchTime(), body, 418, known).retry_ns == DATE_NS + 31 * 10**9
    for odd in (b"banned until tomorrow", b"banned until 9", b"banned until " + b"9" * 20):
        body = b'{"code":-1003,"msg":"%s"}' % odd
        assert answered(FetchTime(), body, 418, {}).retry_ns == 0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"retry-after": "30"},
        {"date": DATE},
        {"retry-after": "soon", "date": DATE},
        {"retry-after": "-5", "date": DATE},
        {"retry-after": "9" * 30, "date": DATE},
        {"retry-after": "99999999", "date": DATE},
        {"retry-after": "30", "date": "yesterday"},
        {"retry-after": "30", "date": "Tue, 99 Jul 2026 15:29:45 GMT"},
    ],
)
def test_without_a_usable_time_it_is_left_open(headers: dict[str, str]) -> None:
    assert answered(FetchTime(), b"", 429, headers).retry_ns == 0


def test_a_date_without_a_zone_is_read_as_utc_wherever_we_run() -> None:
    headers = {"retry-after": "30", "date": "Tue, 21 Jul 2026 15:29:45 -0000"}
    assert answered(FetchTime(), b"", 429, headers).retry_ns == DATE_NS + 31 * 10**9


@pytest.mark.parametrize("text", ["", "x", "-1", "1_0", "1.5", "9" * 30])
def test_a_counter_that_is_no_number_is_left_out(text: str) -> None:
    headers = {"x-mbx-used-weight-1m": text}
    assert answered(FetchTime(), b'{"serverTime":1}', 200, headers).budgets == ()


def test_a_body_beyond_the_limit_is_not_looked_at() -> None:
    with pytest.raises(Malformed, match="longer than"):
        answered(FetchTime(), b" " * (answers.MAX_BODY + 1))
