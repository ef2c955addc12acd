"""A recorded run, fed through the same code, yields the same outgoing records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from core.engine.replay import CONTEXT, Difference, Tally, boots, replay
from core.model.errors import JournalCorrupt
from core.model.events import Side
from core.model.strategy import Desk, Strategy
from core.model.venue import KeyKind
from core.model.views import BookView
from core.state.journal import OUTPUTS, Header, Kind, Record, pack
from tools.world.tank import Tank

TAKER = 'size = "0.01"\nmax_position = "1"\nthreshold_percent = 100\ncool_down_ms = 100'
END = Record(Kind.END, 0, 0, b"left: test")


@pytest.fixture(scope="module")
def tank() -> Tank:
    return Tank(seed=3).run(5).leave()


def difference(tank: Tank, records: Sequence[Record]) -> Difference:
    found = replay(records, tank.application_again().engine).difference
    assert found is not None
    return found


def place_of(records: Sequence[Record], text: bytes) -> int:
    return next(i for i, r in enumerate(records) if text in r.payload)


def test_a_run_replays_identically(tank: Tank) -> None:
    tally = replay(tank.journal.records, tank.application_again().engine)
    assert tally.difference is None
    assert tally.unrecorded == 0
    assert tally.outputs == sum(r.kind in OUTPUTS for r in tank.journal.records) > 20
    assert tally.events == tank.engine.counts.messages > 500


def test_what_an_operator_set_is_part_of_the_run() -> None:
    tank = Tank(strategy="taker", parameters=TAKER).run(2)
    tank.engine.on_control(b"set threshold_percent 51", tank.now_ns)
    tank.run(2).leave()
    assert tank.engine.orders.used
    assert replay(tank.journal.records, tank.application_again().engine).difference is None
    without = [r for r in tank.journal.records if not r.payload.startswith(b"set ")]
    difference(tank, without)


def test_a_changed_output_is_found_with_what_came_before(tank: Tank) -> None:
    records = list(tank.journal.records)
    place = place_of(records, b"order.place")
    records[place] = replace(records[place], payload=records[place].payload.replace(b"BUY", b"SEL"))
    found = difference(tank, records)
    assert found.expected == records[place]
    assert found.actual is not None
    assert b"BUY" in found.actual.payload
    compared = [r for r in records[:place] if r.kind >= Kind.BYTES]
    assert found.before == tuple(compared[-CONTEXT:])
    assert found.last_input in compared


@pytest.mark.parametrize(
    "change",
    [{"time_ns": 1}, {"connection": 0}, {"kind": int(Kind.DROP)}],
    ids=["time", "line", "kind"],
)
def test_it_is_not_the_bytes_alone_that_are_compared(tank: Tank, change: dict[str, int]) -> None:
    records = list(tank.journal.records)
    place = place_of(records, b"order.place")
    records[place] = replace(records[place], **change)
    assert difference(tank, records).expected == records[place]


def test_a_missing_output_is_found(tank: Tank) -> None:
    records = list(tank.journal.records)
    place = place_of(records, b"order.place")
    found = difference(tank, records[:place] + records[place + 1 :])
    assert found.actual is not None
    assert b"order.place" in found.actual.payload


def test_an_output_too_many_is_found(tank: Tank) -> None:
    records = [r for r in tank.journal.records if r.kind != Kind.END]
    last = next(i for i in reversed(range(len(records))) if records[i].kind in OUTPUTS)
    found = difference(tank, [*records, records[last]])
    assert (found.expected, found.actual) == (records[last], None)


def test_a_changed_input_changes_what_follows(tank: Tank) -> None:
    records = list(tank.journal.records)
    gone = next(i for i, r in enumerate(records) if b"bookTicker" in r.payload and i > 100)
    difference(tank, [r for i, r in enumerate(records) if not (gone <= i < gone + 200)])


class Once(Strategy[Any]):
    """Places one order at the first book, and catches nothing."""

    def on_book(self, desk: Desk, book: BookView) -> None:
        if book.live and not desk.position(0).lots and not desk.open_orders(0):
            desk.place(0, Side.BUY, book.bid_ticks - 1_000, 1_000)


def test_a_difference_inside_a_strategys_call_is_not_taken_for_its_fault() -> None:
    tank = Tank(strategy=f"{__name__}:Once", parameters="").run(3)
    records = list(tank.journal.records)
    place = place_of(records, b"order.place")
    found = difference(tank, records[:place] + records[place + 1 :])
    assert found.actual is not None
    assert b"order.place" in found.actual.payload
    assert found.expected == records[place + 1]


@pytest.mark.parametrize("ended", [True, False])
def test_what_a_cut_off_recording_lacks_is_counted_unless_it_has_an_end(
    tank: Tank, ended: bool
) -> None:
    records = list(tank.journal.records)
    place = place_of(records, b"order.place")
    tally = replay([*records[:place], *[END] * ended], tank.application_again().engine)
    if ended:
        assert tally.difference is not None
        assert tally.difference.expected is None
        assert tally.difference.actual == replace(records[place], segment=0, offset=0)
    else:
        assert tally.difference is None
        assert tally.unrecorded >= 1


def test_a_watcher_hears_how_far_it_has_come(tank: Tank) -> None:
    heard: list[Record] = []
    records = tank.journal.records
    replay(records, tank.application_again().engine, heard.append, every=100)
    inputs = [r for r in records if Kind.BYTES <= r.kind < Kind.SEND]
    assert heard == inputs[99::100]


def header(boot: int, segment: int, previous_end: int = 0) -> Record:
    words = Header(
        run_id="t",
        boot=boot,
        segment=segment,
        previous_end=previous_end,
        config_digest="",
        seeds={},
        venue="",
        strategy="",
        start_ns=0,
        key=KeyKind.SIGNS,
    )
    return Record(Kind.HEADER, -1, 0, pack(words), segment)


def test_a_journal_falls_into_boots_each_with_its_first_header() -> None:
    due = Record(Kind.DUE, 0, 1, b"")
    records = [header(1, 1), due, header(1, 2, 64), due, header(2, 3), due, due]
    found = [(head.boot, head.segment, len(list(of))) for head, of in boots(records)]
    assert found == [(1, 1, 4), (2, 3, 3)]


def test_records_without_a_header_are_no_journal() -> None:
    with pytest.raises(JournalCorrupt, match="header"):
        list(boots([Record(Kind.DUE, 0, 1, b"")]))


def test_a_tally_counts_nothing_at_the_start() -> None:
    assert replay([], Tank().application_again().engine) == Tally()
