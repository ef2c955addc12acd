"""Real frames of the venue: every one decodes, the chains have no gap, the snapshots bridge."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import pytest
from msgspec.structs import replace

from core.model.commands import FetchBook, FetchInstruments
from core.model.errors import OffGrid
from core.model.events import (
    Bbo,
    BookDelta,
    BookSnapshot,
    Event,
    Ignored,
    InstrumentsReport,
    MarketTrade,
)
from core.model.units import NS_PER_S
from core.model.views import BookState
from core.state.book import Book
from core.state.sequence import RestBridged
from tests.venues.binance import world
from venues.binance import VENUE, decode
from venues.binance.adapter import SpotAdapter

CAPTURES = world.SHARED / "captures"
RAW_2024 = CAPTURES / "binance_raw_2024" / "spot" / "btcusdt_20240808.gz"
FEED_2021 = CAPTURES / "cryptofeed" / "BINANCE"

here = pytest.mark.skipif(not CAPTURES.exists(), reason="the recorded frames are not here")


def lines_of(name: object, separator: bytes) -> Iterator[tuple[bytes, bytes]]:
    with gzip.open(str(name)) as lines:
        for line in lines:
            head, _, body = line.rstrip(b"\n").partition(separator)
            yield head, body


KINDS_2021 = {
    "BookDelta": 177,
    "Bbo": 84,
    "stream of kind kline_1m": 2,
    "stream of kind aggTrade": 2,
}
"""As the recorder counted, and the one depth event that its snapshot covers."""


FINAL_2021 = [
    ("NKNUSDT", 3_527, 3_531),
    ("BLZETH", 6_547, 6_560),
    ("LRCBTC", 637, 638),
    ("RUNEEUR", 6_251, 6_269),
]
"""Best bid and ask in ticks after the last frame."""


class Best:
    """A book of the plainest kind: two dictionaries, best prices by ``min`` and ``max``."""

    def __init__(self, snapshot: BookSnapshot) -> None:
        self.seq = snapshot.seq
        self.bids = dict(snapshot.bids)
        self.asks = dict(snapshot.asks)
        self.bridged = False

    def apply(self, delta: BookDelta) -> None:
        if delta.last_seq <= self.seq:
            return
        if not self.bridged:
            assert delta.first_seq <= self.seq + 1 <= delta.last_seq, "the snapshot does not bridge"
            self.bridged = True
        else:
            assert delta.first_seq == self.seq + 1, "gap"
        self.seq = delta.last_seq
        for levels, changes in ((self.bids, delta.bids), (self.asks, delta.asks)):
            for ticks, lots in changes:
                if lots:
                    levels[ticks] = lots
                else:
                    levels.pop(ticks, None)

    @property
    def best(self) -> tuple[int, int, int, int]:
        bid, ask = max(self.bids), min(self.asks)
        return bid, self.bids[bid], ask, self.asks[ask]


def best_of(bbo: Bbo) -> tuple[int, int, int, int]:
    return bbo.bid_ticks, bbo.bid_lots, bbo.ask_ticks, bbo.ask_lots


def feed(book: Book, event: Event) -> None:
    if isinstance(event, Bbo):
        book.apply_bbo(event)
    elif isinstance(event, BookDelta):
        book.apply_delta(event)
    elif isinstance(event, BookSnapshot):
        assert book.apply_snapshot(event), book.why


@pytest.fixture(scope="module")
def recorded_2024() -> tuple[list[Event], BookSnapshot]:
    adapter = world.adapter()
    events: list[Event] = []
    snapshots: list[BookSnapshot] = []
    for _, body in lines_of(RAW_2024, b" "):
        if body.startswith(b'{"lastUpdateId"'):
            [event] = adapter.answer(FetchBook(0), 1, 200, {}, body).events
            assert isinstance(event, BookSnapshot)
            snapshots.append(event)
        else:
            adapter.decode(decode.MARKET, body, events)
    [snapshot] = snapshots
    return events, snapshot


@here
def test_every_frame_of_2024_decodes(recorded_2024: tuple[list[Event], BookSnapshot]) -> None:
    events, _ = recorded_2024
    kinds = Counter(type(event).__name__ for event in events)
    assert kinds == {"Bbo": 28_040, "MarketTrade": 9_757, "BookDelta": 3_451}
    trades = [event.trade_id for event in events if isinstance(event, MarketTrade)]
    assert all(later > earlier for earlier, later in pairwise(trades))


@here
def test_tickers_and_depth_of_2024_count_the_same_updates(
    recorded_2024: tuple[list[Event], BookSnapshot],
) -> None:
    """The last ticker up to a depth event's ``u`` shows the best prices of the book as of ``u``.

    And no ticker comes after the depth event that covers it: tickers are always ahead.
    """
    events, snapshot = recorded_2024
    book = Best(snapshot)
    bbos: list[Bbo] = []
    newest = exact = compared = 0
    for event in events:
        if isinstance(event, Bbo):
            assert event.seq > newest
            bbos.append(event)
        elif isinstance(event, BookDelta):
            newest = event.last_seq
            book.apply(event)
            covered = [bbo for bbo in bbos if bbo.seq <= newest]
            bbos = bbos[len(covered) :]
            if not book.bridged:
                continue
            bid, _, ask, _ = book.best
            assert bid < ask
            if covered and covered[-1].seq >= event.first_seq:
                compared += 1
                exact += covered[-1].seq == newest
                assert best_of(covered[-1]) == book.best
    assert (compared, exact) == (2_894, 564)
    assert book.best == (6_168_599, 100_870, 6_168_600, 229_327)


@here
def test_the_book_machine_stays_whole_through_2024() -> None:
    """Its one snapshot is taken for all there was, as the venue's recipe does."""
    adapter = world.adapter()
    book = Book(0, RestBridged)
    book.begin()
    events: list[Event] = []
    for _, body in lines_of(RAW_2024, b" "):
        events.clear()
        if body.startswith(b'{"lastUpdateId"'):
            events.extend(map(uncut, adapter.answer(FetchBook(0), 1, 200, {}, body).events))
        else:
            adapter.decode(decode.MARKET, body, events)
        for event in events:
            feed(book, event)
        assert book.state is not BookState.STALE, book.why
    assert (book.live, book.gaps) == (True, 0)
    assert (book.bid_ticks, book.ask_ticks) == (6_168_599, 6_168_600)


def uncut(event: Event) -> Event:
    assert isinstance(event, BookSnapshot)
    return replace(event, bids_cut=False, asks_cut=False)


@here
def test_the_book_of_2024_asks_to_be_renewed_long_before_it_leaves_its_snapshot() -> None:
    adapter = world.adapter()
    book = Book(0, RestBridged)
    book.begin()
    wanted_ns = lost_ns = 0
    for time_ns, body in lines_of(RAW_2024, b" "):
        events: list[Event] = []
        if body.startswith(b'{"lastUpdateId"'):
            events.extend(adapter.answer(FetchBook(0), 1, 200, {}, body).events)
        else:
            adapter.decode(decode.MARKET, body, events)
        was_live = book.live
        for event in events:
            feed(book, event)
        if book.live and book.wants_snapshot:
            wanted_ns = wanted_ns or int(time_ns)
        if was_live and not book.live:
            lost_ns = lost_ns or int(time_ns)
    assert "beyond the levels" in book.why
    assert lost_ns - wanted_ns > 10 * NS_PER_S, "a snapshot takes less than a second"


@here
def test_the_book_of_2024_has_sizes_from_before_larger_lots() -> None:
    """Three of 124,090 sizes; without counting them up, no book of BTCUSDT would stay whole."""
    lot = world.BTC.lot
    off_grid = set()
    for _, body in lines_of(RAW_2024, b" "):
        if b"depthUpdate" not in body:
            continue
        for text in re.findall(rb'","([0-9.]+)"\]', body):
            try:
                lot.count(text.decode())
            except OffGrid:
                off_grid.add(text)
    assert off_grid == {b"25.42618900", b"244.56630400", b"93.75658700"}


@here
def test_the_feed_of_2021_with_its_own_rules_and_snapshots() -> None:
    symbols = ("NKNUSDT", "BLZETH", "LRCBTC", "RUNEEUR")
    adapter = VENUE.adapter(world.subscription(symbols))
    assert isinstance(adapter, SpotAdapter)
    _, body = next(lines_of(FEED_2021 / "BINANCE.0.gz", b": "))
    report = adapter.answer(FetchInstruments(), 1, 200, {}, body).events[0]
    assert isinstance(report, InstrumentsReport)
    adapter.learn(report.instruments)
    index = {one.symbol: one.index for one in report.instruments}

    books: dict[int, Best] = {}
    snapshots: dict[int, BookSnapshot] = {}
    for head, body in lines_of(FEED_2021 / "BINANCE.http.0.0.gz", b": "):
        found = re.search(rb"symbol=(\w+)", head)
        if found is None:
            continue
        command = FetchBook(index[found[1].decode()])
        [event] = adapter.answer(command, 1, 200, {}, body).events
        assert isinstance(event, BookSnapshot)
        snapshots[event.instrument] = event
        books[event.instrument] = Best(event)
    assert set(books) == set(range(4))

    events: list[Event] = []
    for _, body in lines_of(FEED_2021 / "BINANCE.ws.1.0.gz", b": "):
        if body.startswith(b'{"stream"'):
            adapter.decode(decode.MARKET, body, events)
    kinds = Counter(
        event.what if isinstance(event, Ignored) else type(event).__name__ for event in events
    )
    assert kinds == KINDS_2021
    machines = {number: Book(number, RestBridged) for number in books}
    for machine in machines.values():
        machine.begin()
    for event in events:
        if isinstance(event, Bbo):
            feed(machines[event.instrument], event)
        elif isinstance(event, BookDelta):
            books[event.instrument].apply(event)
            machine = machines[event.instrument]
            feed(machine, event)
            if not machine.live:
                machine.apply_snapshot(snapshots[event.instrument])
    for number, machine in machines.items():
        assert machine.live, machine.why
        assert machine.gaps == 0
        bid, _, ask, _ = books[number].best
        assert bid < ask
        assert (symbols[number], machine.bid_ticks, machine.ask_ticks) == FINAL_2021[number]
