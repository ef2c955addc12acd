"""A recorded run, fed through the same code, yields the same outgoing records."""

import pytest
from msgspec.structs import replace

from core.journal import OUTPUTS, Kind
from core.replay import Difference, replay
from tools.world.tank import Tank


@pytest.fixture(scope="module")
def tank() -> Tank:
    return Tank(seed=3).run(5).leave()


def test_a_run_replays_identically(tank: Tank):
    tally = replay(tank.journal.records, tank.house_again().engine)
    assert tally.outputs == sum(r.kind in OUTPUTS for r in tank.journal.records) > 20
    assert tally.events == tank.engine.counts.messages > 500


def test_a_changed_output_is_found(tank: Tank):
    records = list(tank.journal.records)
    place = next(i for i, r in enumerate(records) if b"order.place" in r.payload)
    records[place] = replace(records[place], payload=records[place].payload.replace(b"BUY", b"SEL"))
    with pytest.raises(Difference, match=r"order\.place") as found:
        replay(records, tank.house_again().engine)
    assert found.value.expected == records[place]


def test_a_missing_output_is_found(tank: Tank):
    records = list(tank.journal.records)
    place = next(i for i, r in enumerate(records) if b"order.place" in r.payload)
    with pytest.raises(Difference):
        replay(records[:place] + records[place + 1 :], tank.house_again().engine)


def test_an_output_too_many_is_found(tank: Tank):
    records = [r for r in tank.journal.records if r.kind != Kind.END]
    last = next(i for i in reversed(range(len(records))) if records[i].kind in OUTPUTS)
    with pytest.raises(Difference, match="nothing"):
        replay([*records, records[last]], tank.house_again().engine)


def test_a_changed_input_changes_what_follows(tank: Tank):
    records = list(tank.journal.records)
    gone = next(i for i, r in enumerate(records) if b"bookTicker" in r.payload and i > 100)
    removed = [r for i, r in enumerate(records) if not (gone <= i < gone + 200)]
    with pytest.raises(Difference):
        replay(removed, tank.house_again().engine)
