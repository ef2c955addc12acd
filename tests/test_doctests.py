"""What a docstring shows of a function is what it does."""

from __future__ import annotations

import doctest
import importlib
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]

SHOWING = sorted(
    str(path.relative_to(ROOT).with_suffix("")).replace("/", ".")
    for package in ("core", "venues", "strategies", "tools")
    for path in (ROOT / package).rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


def test_there_is_something_to_run() -> None:
    assert SHOWING


@pytest.mark.parametrize("name", SHOWING)
def test_a_docstring_shows_what_happens(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted
    assert result.failed == 0
