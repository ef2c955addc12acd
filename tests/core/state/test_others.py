"""What others do is told once, in few lines however busy they are."""

from core.state.others import MAX_SUBJECTS, QUIET_NS, Others, amount, clock


def others() -> tuple[Others, list[str]]:
    lines: list[str] = []
    return Others(lines.append), lines


def test_what_is_seen_first_is_told_at_once():
    seen, lines = others()
    seen.saw("trades of BTCUSDT", "bought 1 BTCUSDT", 0)
    assert lines == ["others on the account: bought 1 BTCUSDT"]


def test_what_is_seen_again_soon_is_told_together():
    seen, lines = others()
    for second in range(0, 60, 10):
        seen.saw("trades of BTCUSDT", f"trade {second}", second * 10**9)
        seen.step(second * 10**9)
    assert len(lines) == 1
    seen.step(QUIET_NS)
    assert lines[1:] == ["others on the account: 5 more of trades of BTCUSDT, the last: trade 50"]
    seen.step(3 * QUIET_NS)
    assert len(lines) == 2, "nothing is told twice"
    for second in (0, 1, 2):
        seen.saw("trades of BTCUSDT", f"trade {second}", 3 * QUIET_NS + second)
    seen.step(4 * QUIET_NS)
    assert lines[-1] == ("others on the account: 2 more of trades of BTCUSDT, the last: trade 2"), (
        "counted anew"
    )


def test_subjects_are_told_apart_and_bounded():
    seen, lines = others()
    for number in range(2 * MAX_SUBJECTS):
        seen.saw(f"orders on {number}", f"order {number}", 0)
    assert len(lines) == MAX_SUBJECTS + 1
    assert len(seen._subjects) == MAX_SUBJECTS + 1


def test_amounts_and_times_are_in_a_persons_units():
    assert amount(5 * 10**17) == "0.5"
    assert amount(-(10**18)) == "-1"
    assert clock((3 * 3600 + 4 * 60 + 5) * 10**9 + 86_400 * 10**9) == "03:04:05 UTC"
