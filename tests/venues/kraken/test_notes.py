"""The notes on the venue's quirks name tests that exist."""

import re
from pathlib import Path

import venues.kraken

NOTES = Path(venues.kraken.__file__).with_name("NOTES.md").read_text(encoding="utf-8")


def test_every_quirk_names_a_test_that_exists() -> None:
    sources = Path(__file__).parent.glob("test_*.py")
    tests = {
        name
        for source in sources
        for name in re.findall(r"^def (test_\w+)", source.read_text(encoding="utf-8"), re.M)
    }
    rows = [row for row in NOTES.splitlines() if row.startswith("| ")][1:]
    assert len(rows) > 20
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row.rpartition(" | ")[2])
        assert named, row
        assert set(named) <= tests, row
