"""What is doubted is asked again, ever more rarely, until it is proved."""

from core.state.retries import FIRST_NS, LONGEST_NS, Retries


def test_a_doubt_is_asked_about_at_once_and_then_after_growing_gaps():
    retries: Retries[str] = Retries()
    retries.begin("a", 0)
    assert retries.due(0) == ["a"]
    assert retries.due(FIRST_NS - 1) == []
    assert retries.due(FIRST_NS) == ["a"]
    assert retries.due(FIRST_NS * 3 - 1) == []
    assert retries.due(FIRST_NS * 3) == ["a"]


def test_the_gap_has_a_limit():
    retries: Retries[str] = Retries()
    retries.begin("a", 0)
    now_ns = 0
    for _ in range(20):
        retries.due(now_ns)
        now_ns += LONGEST_NS
    assert retries.due(now_ns) == ["a"]


def test_doubting_again_does_not_hurry():
    retries: Retries[str] = Retries()
    retries.begin("a", 0)
    retries.due(0)
    retries.begin("a", 1)
    assert retries.due(1) == []


def test_a_doubt_raised_for_later_waits():
    retries: Retries[str] = Retries()
    retries.begin("a", 50)
    assert retries.due(49) == []
    assert retries.due(50) == ["a"]


def test_only_proof_ends_a_doubt():
    retries: Retries[str] = Retries()
    retries.begin("a", 0)
    retries.resolve("a")
    assert "a" not in retries
    assert retries.due(10**12) == []


def test_all_doubts_are_asked_at_once_when_the_way_is_open_again():
    retries: Retries[str] = Retries()
    retries.begin("a", 0)
    retries.begin("b", 0)
    retries.due(0)
    retries.query_now(1)
    assert retries.due(1) == ["a", "b"]


def test_a_doubt_is_asked_about_when_its_answer_proves_more_and_not_later():
    retries: Retries[str] = Retries()
    retries.begin("a", 0)
    for now_ns in range(0, 10 * LONGEST_NS, LONGEST_NS):
        retries.due(now_ns)
    retries.query_by("a", now_ns + 5)
    retries.query_by("a", now_ns + 7)
    assert retries.due(now_ns + 4) == []
    assert retries.due(now_ns + 5) == ["a"]


def test_nothing_is_doubted_by_saying_when_to_ask():
    retries: Retries[str] = Retries()
    retries.query_by("a", 5)
    assert retries.due(5) == []
