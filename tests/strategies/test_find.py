"""How a strategy is found by its name."""

from __future__ import annotations

import pathlib

import pytest

import strategies
from core.errors import BadConfig
from core.strategy import Strategy


@pytest.mark.parametrize("name", strategies.BUILT_IN)
def test_every_built_in_strategy_is_found(name: str) -> None:
    found = strategies.find(name, "hotloop.toml")
    assert issubclass(found, Strategy)
    assert found.__name__.lower() == name


def test_a_strategy_outside_the_repository_is_found_by_module_and_class(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outside_strategy.py").write_text(
        "from core.strategy import Strategy\nclass Mine(Strategy):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert strategies.find("outside_strategy:Mine", "hotloop.toml").__name__ == "Mine"


@pytest.mark.parametrize(
    ("name", "needle"),
    [
        ("makr", "did you mean maker?"),
        ("nothing", 'your own: "module:Class"'),
        ("no_such_module:Mine", "no module no_such_module; it has to lie beside"),
        ("strategies.maker:Makr", "has no class Makr derived from core.strategy.Strategy"),
        ("core.units:Grid", "has no class Grid derived from"),
    ],
)
def test_a_name_that_finds_nothing_is_refused_with_what_to_do(name: str, needle: str) -> None:
    with pytest.raises(BadConfig) as caught:
        strategies.find(name, "hotloop.toml")
    assert f'hotloop.toml: strategy.name = "{name}": ' in str(caught.value)
    assert needle in str(caught.value)
