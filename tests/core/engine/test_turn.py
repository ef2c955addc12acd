"""A turn keeps what is left in it, and what is entered in the journal of a component."""

from __future__ import annotations

from typing import Any

from core.engine.turn import Baseline, Recorder, Turn, Wanted
from core.model.errors import JournalFailed
from core.model.halts import WHOLE_RUN, HaltKind
from core.state.journal import Kind, MemoryJournal


class Full(MemoryJournal):
    def append(self, kind: int, connection: int, time_ns: int, payload: Any) -> None:
        raise JournalFailed("disk full")


def test_whatever_is_left_makes_the_turn_busy() -> None:
    leave: list[Any] = [
        lambda turn: turn.halt("why", HaltKind.LEDGER),
        lambda turn: turn.halt_instrument(1, "why", HaltKind.GRID),
        lambda turn: turn.fail("why"),
        lambda turn: turn.look_again(),
        lambda turn: turn.write(),
        lambda turn: turn.renumber(1),
        lambda turn: turn.begin_behind(Baseline(1, None, 0)),
        lambda turn: turn.tell(None),
        lambda turn: turn.update(None),
    ]
    for each in leave:
        turn = Turn()
        assert not turn.busy
        each(turn)
        assert turn.busy


def test_a_halt_says_where_and_whose_doing_it_is() -> None:
    turn = Turn()
    turn.halt("all", HaltKind.LEDGER)
    turn.halt_instrument(1, "one", HaltKind.GRID)
    turn.fail("refused", remote=True)
    assert list(turn.halts) == [
        Wanted("all", HaltKind.LEDGER, WHOLE_RUN),
        Wanted("one", HaltKind.GRID, 1),
        Wanted("refused", HaltKind.FATAL, WHOLE_RUN, remote=True),
    ]


def test_what_a_component_records_has_the_time_of_the_turn() -> None:
    turn, journal = Turn(7), MemoryJournal()
    Recorder(journal, turn).record(Kind.DROP, 3, b"why")
    [record] = journal.records
    assert (record.kind, record.connection, record.time_ns, record.payload) == (
        Kind.DROP,
        3,
        7,
        b"why",
    )
    assert not turn.busy


def test_a_journal_that_takes_no_more_has_the_run_left() -> None:
    turn = Turn()
    Recorder(Full(), turn).record(Kind.DROP, 3, b"why")
    assert list(turn.halts) == [Wanted("disk full", HaltKind.FATAL)]
