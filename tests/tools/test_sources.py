"""The digest of a strategy's source changes with its own modules, and with nothing else."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from tools.sources import source_digest

STRATEGY = """
from core.model.strategy import Strategy
from {helper} import edge
class Mine(Strategy): ...
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(tmp_path))

    def digest(helper: str, *, more: str = "") -> str:
        (tmp_path / "my_helper.py").write_text(helper)
        (tmp_path / "my_strategy.py").write_text(STRATEGY.format(helper="my_helper") + more)
        (tmp_path / "my_neighbour.py").write_text(f"# {helper}")
        for name in ("my_helper", "my_strategy"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return source_digest(importlib.import_module("my_strategy").Mine)

    yield digest
    for name in ("my_helper", "my_strategy"):
        sys.modules.pop(name, None)


def test_the_same_source_has_the_same_digest(home) -> None:
    assert home("def edge(): return 1") == home("def edge(): return 1")


def test_a_changed_strategy_has_another(home) -> None:
    assert home("def edge(): return 1") != home("def edge(): return 1", more="# changed")


def test_a_changed_module_that_it_uses_has_another(home) -> None:
    assert home("def edge(): return 1") != home("def edge(): return 22")
