"""Snapshots are asked for one at a time, few at once, and ever more slowly."""

from core.state.snapshots import CALM_NS, FIRST_NS, LONGEST_NS, MOST_AT_ONCE, Snapshots


def nothing(instrument: int) -> bool:
    return False


def test_a_wanted_snapshot_is_due_at_once_and_not_again_while_it_is_under_way():
    snapshots = Snapshots()
    snapshots.want(0, 5)
    assert snapshots.due(5, nothing) == [0]
    snapshots.requested(0)
    snapshots.want(0, 6)
    assert snapshots.due(6 + LONGEST_NS, nothing) == []


def test_an_answer_that_did_not_help_is_asked_for_again_ever_more_slowly():
    snapshots, now_ns = Snapshots(), 0
    snapshots.want(0, now_ns)
    gap_ns = FIRST_NS
    for _ in range(8):
        assert snapshots.due(now_ns, nothing) == [0]
        snapshots.requested(0)
        snapshots.answered(0, now_ns)
        assert snapshots.due(now_ns + gap_ns - 1, nothing) == []
        now_ns += gap_ns
        gap_ns = min(2 * gap_ns, LONGEST_NS)


def test_few_are_under_way_at_once_and_the_important_ones_go_first():
    snapshots = Snapshots()
    for instrument in range(20):
        snapshots.want(instrument, 0)
    first = snapshots.due(0, lambda instrument: instrument in (13, 17))
    assert first == [13, 17, *range(MOST_AT_ONCE - 2)]
    for instrument in first:
        snapshots.requested(instrument)
    assert snapshots.due(0, nothing) == []
    snapshots.taken(13, 1)
    snapshots.answered(13, 1)
    assert snapshots.due(1, nothing) == [MOST_AT_ONCE - 2]


def test_a_book_that_is_lost_soon_after_its_snapshot_waits_before_it_asks_again():
    snapshots = Snapshots()
    snapshots.taken(0, 100)
    snapshots.want(0, 200)
    assert snapshots.due(200, nothing) == []
    assert snapshots.due(200 + FIRST_NS, nothing) == [0]


def test_the_wait_grows_where_each_fresh_book_is_lost_at_once():
    snapshots, now_ns, waits = Snapshots(), 0, []
    snapshots.taken(0, 1)
    for _ in range(4):
        snapshots.want(0, now_ns)
        requested_ns = now_ns
        while not snapshots.due(now_ns, nothing):
            now_ns += FIRST_NS
        waits.append((now_ns - requested_ns) // FIRST_NS)
        snapshots.requested(0)
        snapshots.taken(0, now_ns)
        snapshots.answered(0, now_ns)
    assert waits == sorted(waits)
    assert waits[-1] > waits[0]


def test_a_book_that_stood_for_a_while_is_asked_for_at_once():
    snapshots = Snapshots()
    snapshots.taken(0, 1)
    snapshots.want(0, 1 + CALM_NS)
    assert snapshots.due(1 + CALM_NS, nothing) == [0]


def test_a_book_that_begins_anew_does_not_wait_for_an_answer_of_before():
    snapshots = Snapshots()
    snapshots.want(0, 0)
    snapshots.requested(0)
    snapshots.drop(0)
    assert snapshots.due(1, nothing) == []
    snapshots.want(0, 1)
    assert snapshots.due(1, nothing) == [0]


def test_answers_nobody_waits_for_change_nothing():
    snapshots = Snapshots()
    snapshots.answered(3, 0)
    snapshots.drop(3)
    assert snapshots.due(0, nothing) == []
