"""How a strategy is found by its name."""

from __future__ import annotations

import pathlib

import pytest

import strategies
from core.model.errors import BadConfig
from core.model.strategy import Strategy


@pytest.mark.parametrize("name", strategies.BUILT_IN)
def test_every_built_in_strategy_is_found(name: str) -> None:
    found = strategies.find(name, "hotloop.toml")
    assert issubclass(found, Strategy)
    assert found.__name__.lower() == name


def test_a_strategy_outside_the_repository_is_found_by_module_and_class(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outside_strategy.py").write_text(
        "from core.model.strategy import Strategy\nclass Mine(Strategy):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert strategies.find("outside_strategy:Mine", "hotloop.toml").__name__ == "Mine"


@pytest.mark.parametrize(
    ("name", "needle"),
    [
        ("makr", "did you mean maker?"),
        ("nothing", 'your own: "module:Class"'),
        ("no_such_module:Mine", "no module no_such_module; it has to lie beside"),
        ("strategies.maker:Makr", "has no class Makr derived from core.model.strategy.Strategy"),
        ("core.model.units:Grid", "has no class Grid derived from"),
    ],
)
def test_a_name_that_finds_nothing_is_refused_with_what_to_do(name: str, needle: str) -> None:
    with pytest.raises(BadConfig) as caught:
        strategies.find(name, "hotloop.toml")
    assert f'hotloop.toml: strategy.name = "{name}": ' in str(caught.value)
    assert needle in str(caught.value)


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("def x(:\n", "SyntaxError: invalid syntax (broken_strategy.py, line 1)"),
        ("raise SystemExit(0)\n", "SystemExit: 0 (broken_strategy.py, line 1)"),
        ("import json\n\njson.loads('')\n", "(broken_strategy.py, line 3)"),
        ("raise GeneratorExit\n", "GeneratorExit (broken_strategy.py, line 1)"),
    ],
)
def test_a_module_that_cannot_be_imported_is_refused_with_its_line(
    source: str, what: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_strategy.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BadConfig) as caught:
        strategies.find("broken_strategy:Mine", "hotloop.toml")
    assert what in str(caught.value)


def test_a_strategy_that_exits_while_it_is_made_is_no_run_that_ended_well() -> None:
    with pytest.raises(BadConfig, match="it raised SystemExit"):  # noqa: SIM117
        with strategies.foreign("mine:Mine", "hotloop.toml"):
            raise SystemExit


def test_ctrl_c_while_a_strategy_is_imported_is_still_ctrl_c() -> None:
    with pytest.raises(KeyboardInterrupt):  # noqa: SIM117
        with strategies.foreign("mine:Mine", "hotloop.toml"):
            raise KeyboardInterrupt
