"""What REST answers mean: success and errors have the same status."""

from __future__ import annotations

import json
from zlib import crc32

import pytest

from core.model.commands import (
    Command,
    FetchBbos,
    FetchBook,
    FetchInstruments,
    FetchPrice,
    FetchTime,
)
from core.model.errors import Drifted, Malformed
from core.model.events import (
    NOT_NUMBERED,
    Bbo,
    BbosReport,
    BookSnapshot,
    InstrumentsReport,
    PriceTold,
    Reply,
    VenueTime,
    Verdict,
)
from tests.venues.kraken import world
from venues.kraken import VENUE

FIXTURES = world.SHARED / "fixtures" / "nautilus" / "kraken"
here = pytest.mark.skipif(not FIXTURES.exists(), reason="the recorded answers are not here")

TICKER = {
    "a": ["45285.20000", "1", "1.000"],
    "b": ["45283.50000", "97", "97.000"],
    "c": ["45284.00000", "0.00067643"],
}


def answer(command: Command, body: object, status: int = 200) -> Reply:
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return world.adapter().answer(command, 9, status, {}, payload)


def result(told: object) -> dict[str, object]:
    return {"error": [], "result": told}


def test_the_time_is_known_to_half_a_second() -> None:
    reply = answer(FetchTime(), result({"unixtime": 1_616_336_594, "rfc1123": "Sun, 21 Mar 21"}))
    assert reply.events == (VenueTime(1_616_336_594_500_000_000, 500_000_000),)
    assert (reply.request_id, reply.verdict) == (9, Verdict.DONE)


def test_the_instruments_of_the_run_in_its_order() -> None:
    reply = answer(FetchInstruments(), result(dict(reversed(world.PAIRS.items()))))
    [report] = reply.events
    assert isinstance(report, InstrumentsReport)
    assert [one.symbol for one in report.instruments] == ["BTC/USD", "MATIC/USD"]


def test_the_precision_of_prices_is_kept_for_the_checksum() -> None:
    adapter = VENUE.adapter(world.subscription(("BTC/USD",)))
    body = json.dumps(result({"XXBTZUSD": world.pair(tick_size="0.5", pair_decimals=2)})).encode()
    [report] = adapter.answer(FetchInstruments(), 1, 200, {}, body).events
    assert isinstance(report, InstrumentsReport)
    adapter.learn(report.instruments)
    feed = adapter.book_feed(report.instruments[0])
    assert feed.checksum([(90_571, 3)], []) == crc32(b"45285503")


def test_the_best_prices_of_the_instruments_of_the_run() -> None:
    reply = answer(FetchBbos((0,)), result({"XXBTZUSD": TICKER, "XETHZUSD": TICKER}))
    bbo = Bbo(0, NOT_NUMBERED, 452_835, 9_700_000_000, 452_852, 100_000_000)
    assert reply.events == (BbosReport((bbo,), sized=False),)


def test_a_best_price_whose_size_is_cut_to_nothing_is_there() -> None:
    little = TICKER | {"a": ["45285.20000", "0", "0.000"]}
    told = answer(FetchBbos((0,)), result({"XXBTZUSD": little}))
    assert told.events == (
        BbosReport((Bbo(0, NOT_NUMBERED, 452_835, 9_700_000_000, 452_852, 1),), sized=False),
    )


def test_best_prices_between_two_ticks_prove_nothing() -> None:
    odd = TICKER | {"a": ["45285.25000", "1", "1.000"]}
    assert answer(FetchBbos((0,)), result({"XXBTZUSD": odd})).events == (
        BbosReport((), sized=False),
    )


def test_a_price_of_any_pair() -> None:
    reply = answer(FetchPrice("ETH/USD"), result({"XETHZUSD": TICKER}))
    assert reply.events == (PriceTold("ETH/USD", 4_528_400_000, 5),)
    with pytest.raises(Drifted):
        answer(FetchPrice("ETH/USD"), result({}))


def test_a_book() -> None:
    told = {"asks": [["45285.2", "1.000", 1_616_663_113]], "bids": [["45283.5", "2.5", 1]]}
    [snapshot] = answer(FetchBook(0), result({"XXBTZUSD": told})).events
    assert snapshot == BookSnapshot(0, 0, [(452_835, 250_000_000)], [(452_852, 100_000_000)])


@here
def test_the_recorded_best_prices_and_book() -> None:
    bbos = answer(FetchBbos((0,)), (FIXTURES / "http_ticker.json").read_bytes())
    [report] = bbos.events
    assert isinstance(report, BbosReport)
    book = answer(FetchBook(0), (FIXTURES / "http_order_book.json").read_bytes())
    [snapshot] = book.events
    assert isinstance(snapshot, BookSnapshot)
    assert snapshot.bids
    assert max(snapshot.bids) < min(snapshot.asks)


def test_an_error_has_the_status_of_a_success() -> None:
    reply = answer(FetchInstruments(), {"error": ["EQuery:Unknown asset pair"]})
    assert reply.verdict is Verdict.FATAL
    assert reply.words == "EQuery:Unknown asset pair (asked for BTC/USD, MATIC/USD)"


def test_a_warning_refuses_nothing() -> None:
    told = {"error": ["WGeneral:Danger"], "result": {"unixtime": 5}}
    assert answer(FetchTime(), told).verdict is Verdict.DONE


def test_a_page_of_the_firewall_is_a_cool_down_and_any_other_proves_nothing() -> None:
    page = b"<html>error 1015</html>"
    assert answer(FetchTime(), page, 429).verdict is Verdict.THROTTLED
    assert answer(FetchTime(), page, 403).verdict is Verdict.THROTTLED
    assert answer(FetchTime(), page, 520).verdict is Verdict.UNKNOWN
    assert answer(FetchTime(), b"{}", 520).verdict is Verdict.UNKNOWN
    with pytest.raises(Malformed):
        answer(FetchTime(), page)


def test_a_success_without_a_result_is_drift() -> None:
    with pytest.raises(Drifted):
        answer(FetchTime(), {"error": []})
    with pytest.raises(Drifted):
        answer(FetchTime(), {"result": {"unixtime": 5}})


def test_a_body_without_end_is_malformed() -> None:
    with pytest.raises(Malformed):
        answer(FetchTime(), b" " * (16 * 1024 * 1024 + 1))
