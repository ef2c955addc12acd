"""A venue that was just laid out stands, and passes the structural part of the suite."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core.model.errors import Misuse
from tools import cli
from tools.new_venue import FILL, LAYOUT, ROOT, lay_out

SHARED = ("core", "strategies", "tools", "pyproject.toml", "tests/conftest.py", "tests/__init__.py")


def copy(root: Path) -> Path:
    """Return a checkout of its own, of which all but the venues is ours."""
    (root / "tests").mkdir()
    for name in SHARED:
        (root / name).symlink_to(ROOT / name)
    for name in ("venues", "tests/venues"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def test_a_venue_just_laid_out_passes_the_suite_and_the_types(tmp_path: Path) -> None:
    root = copy(tmp_path)
    lay_out("lakeside", root)
    environment = os.environ | {"PYTHONPATH": str(root)}
    for command in (
        ("pytest", "-q", "-p", "no:cacheprovider", "tests/venues/conformance", "-k", "lakeside"),
        ("mypy", "--cache-dir", str(tmp_path / "cache"), "-p", "venues.lakeside"),
        ("ruff", "check", "--no-cache", "venues/lakeside", "tests/venues/lakeside"),
        ("ruff", "format", "--no-cache", "--check", "venues/lakeside", "tests/venues/lakeside"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_file_but_the_packages_names_what_is_to_be_filled(tmp_path: Path) -> None:
    for path in lay_out("lakeside", tmp_path):
        text = path.read_text(encoding="utf-8")
        assert (FILL in text) is (text.count("\n") > 1), path


@pytest.mark.parametrize("name", ["", "x", "Lake", "lake-side", "9lake", "class", "kit", "sim"])
def test_a_name_that_no_venue_can_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="cannot be a venue's name"):
        lay_out(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_venue_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    written = lay_out("lakeside", tmp_path)
    before = [path.read_text() for path in written]
    with pytest.raises(Misuse, match="is there already: nothing was written"):
        lay_out("lakeside", tmp_path)
    assert [path.read_text() for path in written] == before


def test_the_command_names_each_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tools.new_venue.ROOT", tmp_path)
    assert cli.main(["new-venue", "lakeside"]) == cli.Exit.OK
    told = capsys.readouterr().out
    for place in LAYOUT.values():
        path = place.format(name="lakeside")
        for number, line in enumerate((tmp_path / path).read_text().splitlines(), 1):
            if FILL in line:
                assert f"{path}:{number}: {line.partition(FILL)[2]}" in told
