"""Where a loop hangs: what of the file that shows it is kept."""

from __future__ import annotations

from pathlib import Path

from core.io.hang import MOST_BYTES, Stacks, bound_stacks, read_stack


def test_a_file_of_stacks_that_has_grown_too_long_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "stacks.log"
    with Stacks(path) as stacks:
        path.write_bytes(b"x" * MOST_BYTES)
        bound_stacks(path)
        assert path.stat().st_size == MOST_BYTES
        path.write_bytes(b"x" * (MOST_BYTES + 1))
        bound_stacks(path)
        stacks.write()
    assert path.stat().st_size < MOST_BYTES
    assert "most recent call first" in read_stack(path)


def test_no_file_of_stacks_is_nothing_to_bound(tmp_path: Path) -> None:
    bound_stacks(tmp_path / "stacks.log")
    assert list(tmp_path.iterdir()) == []
