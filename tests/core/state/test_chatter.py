from __future__ import annotations

from core.model.units import NS_PER_S
from core.state.chatter import AGAIN_NS, LINES_PER_S, MAX_KINDS, Flow, Kinds

NOW_NS = 1_700_000_000 * NS_PER_S


def test_a_kind_is_said_at_once_and_then_once_a_minute_with_its_count() -> None:
    kinds = Kinds()
    assert kinds.line("-2015", "refused", NOW_NS) == "refused"
    assert [kinds.line("-2015", "refused", NOW_NS + n) for n in range(500)] == [""] * 500
    later = kinds.line("-2015", "refused", NOW_NS + AGAIN_NS)
    assert later == "refused (500 more since it was last said)"
    assert kinds.line("-1013", "another", NOW_NS) == "another"


def test_kinds_that_are_made_up_are_one_kind() -> None:
    kinds = Kinds()
    said = [kinds.line(str(n), "x", NOW_NS) for n in range(10 * MAX_KINDS)]
    assert sum(map(bool, said)) == MAX_KINDS + 1


def test_a_strategy_that_logs_without_end_writes_so_many_lines_a_second() -> None:
    flow = Flow()
    written = [line for _ in range(100_000) for line in flow.lines("tick", NOW_NS)]
    assert len(written) == LINES_PER_S
    left_out = f"{100_000 - LINES_PER_S} lines of the strategy were left out"
    assert flow.lines("tock", NOW_NS + NS_PER_S) == (left_out, "tock")
    assert flow.lines("tock", NOW_NS + NS_PER_S) == ("tock",)
