"""What is doubted is asked again, ever more rarely, until it is proved."""

from core.state.doubts import FIRST_NS, LONGEST_NS, Doubts


def test_a_doubt_is_asked_about_at_once_and_then_after_growing_gaps():
    doubts: Doubts[str] = Doubts()
    doubts.raise_("a", 0)
    assert doubts.due(0) == ["a"]
    assert doubts.due(FIRST_NS - 1) == []
    assert doubts.due(FIRST_NS) == ["a"]
    assert doubts.due(FIRST_NS * 3 - 1) == []
    assert doubts.due(FIRST_NS * 3) == ["a"]


def test_the_gap_has_a_limit():
    doubts: Doubts[str] = Doubts()
    doubts.raise_("a", 0)
    now_ns = 0
    for _ in range(20):
        doubts.due(now_ns)
        now_ns += LONGEST_NS
    assert doubts.due(now_ns) == ["a"]


def test_doubting_again_does_not_hurry():
    doubts: Doubts[str] = Doubts()
    doubts.raise_("a", 0)
    doubts.due(0)
    doubts.raise_("a", 1)
    assert doubts.due(1) == []


def test_a_doubt_raised_for_later_waits():
    doubts: Doubts[str] = Doubts()
    doubts.raise_("a", 50)
    assert doubts.due(49) == []
    assert doubts.due(50) == ["a"]


def test_only_proof_ends_a_doubt():
    doubts: Doubts[str] = Doubts()
    doubts.raise_("a", 0)
    doubts.settle("a")
    assert "a" not in doubts
    assert doubts.due(10**12) == []


def test_all_doubts_are_asked_at_once_when_the_way_is_open_again():
    doubts: Doubts[str] = Doubts()
    doubts.raise_("a", 0)
    doubts.raise_("b", 0)
    doubts.due(0)
    doubts.ask_now(1)
    assert doubts.due(1) == ["a", "b"]


def test_a_doubt_is_asked_about_when_its_answer_proves_more_and_not_later():
    doubts: Doubts[str] = Doubts()
    doubts.raise_("a", 0)
    for now_ns in range(0, 10 * LONGEST_NS, LONGEST_NS):
        doubts.due(now_ns)
    doubts.ask_by("a", now_ns + 5)
    doubts.ask_by("a", now_ns + 7)
    assert doubts.due(now_ns + 4) == []
    assert doubts.due(now_ns + 5) == ["a"]


def test_nothing_is_doubted_by_saying_when_to_ask():
    doubts: Doubts[str] = Doubts()
    doubts.ask_by("a", 5)
    assert doubts.due(5) == []
