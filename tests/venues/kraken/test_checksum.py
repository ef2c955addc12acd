"""The checksum of a book is the venue's own: the published values, and whatever the precision."""

from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from core.model.events import BookDelta, BookSnapshot, Levels
from core.model.units import Grid
from core.state.book import Book
from core.state.sequence import sync_of
from tests.venues.kraken import world
from venues.kraken.checksum import NO_CHECKSUM, checksum

GUIDE = """45285.2 0.00100000|45286.4 1.54571953|45286.6 1.54571109|45289.6 1.54560911
45290.2 0.15890660|45291.8 1.54553491|45294.7 0.04454749|45296.1 0.35380000|45297.5 0.09945542
45299.5 0.18772827"""
GUIDE_BIDS = """45283.5 0.10000000|45283.4 1.54582015|45282.1 0.10000000|45281.0 0.10000000
45280.3 1.54592586|45279.0 0.07990000|45277.6 0.03310103|45277.5 0.30000000|45277.3 1.54602737
45276.6 0.15445238"""
PUBLISHED = 3_310_070_434


def counted(text: str, tick: Grid, lot: Grid) -> Levels:
    pairs = [pair.split() for pair in text.replace("\n", "|").split("|")]
    return [(tick.count(price), lot.count(size)) for price, size in pairs]


def test_the_checksum_of_the_guide() -> None:
    tick, lot = Grid("0.1"), Grid("0.00000001")
    bids, asks = counted(GUIDE_BIDS, tick, lot), counted(GUIDE, tick, lot)
    assert checksum(tick, lot, 1)(bids, asks) == PUBLISHED
    assert checksum(tick, lot, 1)(bids[:-1], asks) != PUBLISHED
    assert checksum(tick, lot, 1)(asks, bids) != PUBLISHED


def test_a_tick_that_is_coarser_than_the_precision_is_written_with_all_decimals() -> None:
    lot = Grid("0.00000001")
    fine, coarse = Grid("0.01"), Grid("0.5")
    prices = [(100, 3), (99, 2)]
    as_fine = [(ticks * 50, lots) for ticks, lots in prices]
    assert checksum(coarse, lot, 2)(prices, prices) == checksum(fine, lot, 2)(as_fine, as_fine)


@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 10**12)), max_size=10))
def test_a_level_is_its_text_without_point_and_leading_zeros(levels: Levels) -> None:
    tick, lot = Grid("0.00001"), Grid("0.00000001")
    text = "".join(
        tick.text(ticks).replace(".", "").lstrip("0") + lot.text(lots).replace(".", "").lstrip("0")
        for ticks, lots in levels
    )

    assert checksum(tick, lot, 5)([], levels) == crc32(text.encode())


def test_the_documented_snapshot_and_update_fold_to_their_checksums() -> None:
    adapter = world.adapter()
    book = Book(1, sync_of(adapter.book_feed(world.MATIC)))
    book.begin()
    [snapshot] = world.market(world.SNAPSHOT, adapter)
    [update] = world.market(world.UPDATE, adapter)
    assert isinstance(snapshot, BookSnapshot)
    assert isinstance(update, BookDelta)
    assert book.apply_snapshot(snapshot), book.why
    book.apply_delta(update)
    assert book.live, book.why
    assert (book.bid_ticks, book.ask_ticks) == (5_666, 5_668)


def test_a_level_of_no_grid_proves_its_book_wrong_and_no_other() -> None:
    adapter = world.adapter()
    book = Book(1, sync_of(adapter.book_feed(world.MATIC)))
    book.begin()
    [snapshot] = world.market(world.SNAPSHOT, adapter)
    assert isinstance(snapshot, BookSnapshot)
    assert book.apply_snapshot(snapshot)
    odd = world.book(b"update", world.levels(b"0.56565 1.0"), b"", 1)
    [delta] = world.market(odd, adapter)
    assert isinstance(delta, BookDelta)
    assert delta.checksum == NO_CHECKSUM
    book.apply_delta(delta)
    assert not book.live
    assert "checksum" in book.why
