"""Books recorded from the venue: every message decodes, and every checksum is the book's.

They were recorded on version 1 of the interface, in 2021. Its messages hold the same levels, and
its checksum is made by the same rule; only where they stand differs. Here each message is written
as version 2 writes it, digit by digit, before it is decoded.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from core.model.events import BookDelta, BookSnapshot, Event, MarketTrade
from core.state.book import Book
from core.state.sequence import sync_of
from tests.venues.kraken import world
from venues.kraken import VENUE, rules
from venues.kraken.adapter import SpotAdapter

CAPTURES = world.SHARED / "captures" / "cryptofeed" / "KRAKEN"
NORMALISED = world.SHARED / "normalisation" / "crypto_msg_parser" / "kraken.jsonl"
TRADES_V2 = world.SHARED / "fixtures" / "nautilus" / "kraken" / "ws_trade_update.json"

here = pytest.mark.skipif(not CAPTURES.exists(), reason="the recorded messages are not here")

CHECKED = {"ADA/BTC": 347, "ETH/CHF": 317, "OCEAN/BTC": 148, "WAVES/EUR": 576, "XMR/USD": 846}
"""Updates of each pair, as the recording has them."""

TIME = "2021-04-17T16:48:53.000001Z"


def messages(name: str) -> Iterator[list[Any]]:
    """Yield the data messages of a recording; in version 1 these alone are lists."""
    with gzip.open(CAPTURES / name, "rt") as lines:
        for line in lines:
            body = line.partition(": ")[2]
            if body.startswith("["):
                yield json.loads(body)


def sides(message: list[Any]) -> dict[str, Any]:
    """Return the levels of both sides and the checksum, from one or two objects."""
    found: dict[str, Any] = {}
    for part in message[1:-2]:
        found |= part
    return found


def side(levels: list[list[str]]) -> str:
    return ",".join(f'{{"price":{price},"qty":{size}}}' for price, size, *_ in levels)


def as_v2(message: list[Any]) -> bytes:
    told, symbol = sides(message), rules.symbol_of(message[-1])
    kind = "snapshot" if "as" in told else "update"
    bids, asks = told.get("bs", told.get("b", [])), told.get("as", told.get("a", []))
    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{symbol}","bids":[{side(bids)}],'
        f'"asks":[{side(asks)}],"checksum":{told.get("c", 0)},"timestamp":"{TIME}"}}]}}'
    ).encode()


def step(text: str) -> str:
    """Return the step of a text's last decimal: version 1 writes one precision for each pair."""
    return "0." + "0" * (len(text.partition(".")[2]) - 1) + "1"


@pytest.fixture(scope="module")
def recorded() -> tuple[SpotAdapter, dict[str, int], list[list[Any]]]:
    found = list(messages("KRAKEN.ws.50.0.gz"))
    grids = {}
    for message in found:
        told = sides(message)
        if "as" in told:
            price, size, *_ = told["as"][0]
            grids[rules.symbol_of(message[-1])] = step(price), step(size)
    adapter = VENUE.adapter(world.subscription(tuple(grids)))
    assert isinstance(adapter, SpotAdapter)
    adapter.learn(
        [
            world.instrument(symbol, index, tick, lot)
            for index, (symbol, (tick, lot)) in enumerate(grids.items())
        ]
    )
    return adapter, {symbol: index for index, symbol in enumerate(grids)}, found


def book_of(adapter: SpotAdapter, index: int, message: list[Any]) -> Book:
    told = sides(message)
    instrument = world.instrument(
        rules.symbol_of(message[-1]), index, step(told["as"][0][0]), step(told["as"][0][1])
    )
    feed = msgspec.structs.replace(adapter.book_feed(instrument), depth=1_000)
    book = Book(index, sync_of(feed))
    book.begin()
    return book


@here
def test_every_recorded_checksum_is_that_of_the_book(
    recorded: tuple[SpotAdapter, dict[str, int], list[list[Any]]],
) -> None:
    adapter, indexes, found = recorded
    books: dict[int, Book] = {}
    checked: Counter[str] = Counter()
    for message in found:
        symbol = rules.symbol_of(message[-1])
        events: list[Event] = []
        adapter.decode(0, as_v2(message), events)
        [event] = events
        if isinstance(event, BookSnapshot):
            book = books[event.instrument] = book_of(adapter, indexes[symbol], message)
            assert book.apply_snapshot(msgspec.structs.replace(event, checksum=None))
            continue
        assert isinstance(event, BookDelta)
        book = books[event.instrument]
        book.apply_delta(event)
        assert book.live, f"{symbol}: {book.why}"
        checked[symbol] += 1
    assert checked == CHECKED
    assert all(book.bid_ticks < book.ask_ticks for book in books.values())


@here
def test_one_wrong_digit_of_a_recorded_book_is_found(
    recorded: tuple[SpotAdapter, dict[str, int], list[list[Any]]],
) -> None:
    adapter, indexes, found = recorded
    books: dict[int, Book] = {}
    lost = 0
    for message in found:
        events: list[Event] = []
        adapter.decode(0, as_v2(message), events)
        [event] = events
        if isinstance(event, BookSnapshot):
            (ticks, lots), *rest = sorted(event.asks)
            wrong = msgspec.structs.replace(event, checksum=None, asks=[(ticks, lots + 1), *rest])
            book = books[event.instrument] = book_of(
                adapter, indexes[rules.symbol_of(message[-1])], message
            )
            assert book.apply_snapshot(wrong)
        elif isinstance(event, BookDelta) and books[event.instrument].live:
            books[event.instrument].apply_delta(event)
            lost += not books[event.instrument].live
    assert lost == len(books)


@pytest.mark.skipif(not TRADES_V2.exists(), reason="the recorded message is not here")
def test_the_recorded_trades_of_version_2() -> None:
    adapter = VENUE.adapter(world.subscription(("BTC/USD",)))
    adapter.learn([world.instrument(tick="0.01")])
    events: list[Event] = []
    adapter.decode(0, TRADES_V2.read_bytes(), events)
    assert [
        (one.trade_id, one.price_ticks, one.lots) for one in events if isinstance(one, MarketTrade)
    ] == [
        ("10218208", 10_594_420, 27_625),
        ("10218209", 10_591_050, 12_460),
    ]
