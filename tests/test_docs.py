"""The documents say what the code does: every key, default and bound of the configuration."""

from __future__ import annotations

import pathlib
import re
import tomllib
from typing import Any

import msgspec
import pytest

import strategies
import venues
from core.model import config
from core.model.strategy import Strategy
from core.model.venue import PLAIN
from venues.binance import VENUE

DOCS = pathlib.Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "configuration.md").read_text()
STRATEGIES = (DOCS / "strategies.md").read_text()

SECTIONS: dict[str, type[msgspec.Struct]] = {
    "": config._Top,
    "keys": config.KeysSection,
    "risk": config.RiskSection,
    "endpoints": config.EndpointsSection,
    "loop": config.LoopSection,
    "run": config.RunSection,
    "session": config.SessionSection,
    "journal": config.JournalSection,
}


def row(page: str, key: str) -> str:
    found = re.search(rf"^\| `{re.escape(key)}` \|.*$", page, re.MULTILINE)
    assert found, f"{key} has no row"
    return found[0]


def keys() -> list[tuple[str, str]]:
    return [
        (section, field.name)
        for section, struct in SECTIONS.items()
        for field in msgspec.structs.fields(struct)
        if not (section == "" and (field.name in SECTIONS or field.name == "strategy"))
    ]


@pytest.mark.parametrize(("section", "key"), keys())
def test_every_key_is_documented_with_its_bounds_and_default(section: str, key: str) -> None:
    field = next(f for f in msgspec.structs.fields(SECTIONS[section]) if f.name == key)
    shown = f"{section}.{key}" if section in ("run", "session", "journal") else key
    text = row(PAGE, shown)
    bounds = re.search(
        r"from (\d+) to (\d+)", config._allowed(msgspec.inspect.type_info(field.type))
    )
    if bounds:
        assert f" {bounds[1]} to {bounds[2]} |" in text
    if isinstance(field.default, bool):
        assert f"| `{str(field.default).lower()}` |" in text
    elif isinstance(field.default, int):
        assert text.endswith(f"| {field.default} |")
    elif isinstance(field.default, str) and field.default != "0":
        assert text.endswith(f'| `"{field.default}"` |')


@pytest.mark.parametrize("name", venues.names())
def test_every_endpoint_of_every_venue_is_documented(name: str) -> None:
    venue = venues.find(name)
    assert venue is not None
    for one in venue.endpoints:
        start = (
            f"| `{one.name}` | `{name}` | {one.what}{'; may be left out' if one.optional else ''} |"
        )
        (line,) = (line for line in PAGE.splitlines() if line.startswith(start))
        assert f"`{one.scheme}://HOST" in line
        assert f"in the sim also `{PLAIN[one.scheme]}://`" in line


def test_the_example_of_a_configuration_is_one() -> None:
    example = re.search(r"```toml\n(venue.*?)```", PAGE, re.DOTALL)
    assert example
    assert config.load(example[1], "example").trades


def test_the_example_of_a_key_file_is_one() -> None:
    example = re.search(r"```toml\n(# keys.*?)```", PAGE, re.DOTALL)
    assert example
    assert tomllib.loads(example[1])
    assert config.load_keys(example[1], "example", VENUE.key_fields).fields["private_key"]


@pytest.mark.parametrize("name", strategies.BUILT_IN)
def test_every_parameter_is_documented_with_its_default(name: str) -> None:
    _, _, section = STRATEGIES.partition(f"\n## {name}\n")
    section, _, _ = section.partition("\n## ")
    for field in msgspec.structs.fields(strategies.find(name, "").Parameters):
        text = row(section, field.name)
        if field.required:
            assert text.endswith("| |")
        else:
            shown = f'"{field.default}"' if isinstance(field.default, str) else field.default
            assert text.endswith(f"| `{shown}` |")


def test_the_example_of_a_strategy_is_one() -> None:
    example = re.search(r"```python\n(.*?)```", STRATEGIES, re.DOTALL)
    assert example
    names: dict[str, Any] = {"__name__": "dip"}
    exec(compile(example[1], "dip.py", "exec", dont_inherit=True), names)  # noqa: S102 - our page
    assert issubclass(names["Dip"], Strategy)
    assert config.checked({"lots": 2}, names["Dip"].Parameters, "", "example").lots == 2
