"""Names of modules, classes and functions use the standard words of the trade.

What is listed here was renamed once; the message of a failure says what it is called now.
"""

from __future__ import annotations

import ast
import pathlib
import re
from collections.abc import Iterator

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = ("core", "strategies", "tools", "venues", "tests")

OTHERS = ("tools/peers/", "tools/bench/peers/", "tests/peers/")
"""Programs that speak other libraries' words."""

WORDS = {
    "asked": "in-flight request, or requested",
    "door": "port",
    "doubts": "query retries",
    "fact": "event",
    "facts": "events",
    "folded": "applied, or order update",
    "house": "application, or rig in a test",
    "profit": "PnL",
    "profits": "PnL",
    "proof": "order-status resolution",
    "street": "order flow",
    "withheld": "discarded",
    "withhold": "discard",
}
"""Retired as any part of a name, but for ``KEPT``."""

NAMES = {
    "Asked": "InFlightRequest",
    "BookTop": "Bbo",
    "Bridged": "RestBridged",
    "Change": "ExecType",
    "FetchTops": "FetchBbos",
    "Imaged": "ImageOnly",
    "Line": "Connection",
    "LineName": "ConnectionName",
    "Lines": "Connections",
    "NumberNote": "AcknowledgementNote",
    "TopsReport": "BbosReport",
    "VenueStatus": "OrdStatus",
    "apply_top": "apply_bbo",
    "lines": "connections",
    "on_top": "on_bbo",
    "open_lines": "open_connections",
    "take_back": "drop_unsent",
    "take_everything_out": "force_cancel_all",
    "take_out": "force_cancel",
}
"""Retired as whole names."""

KEPT = {
    "house": (
        "venues/sim/",
        "tests/venues/sim/",
        "tools/world/paper.py",
    ),  # the exchange's own account
    "Change": ("tools/", "tests/"),  # of source, bytes or a configuration
    "lines": ("tools/", "tests/", "core/state/chatter.py"),  # of text
}
"""Where a word means something else."""


def names(path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and name of a module and of what it defines; tests are sentences, and none."""
    yield 1, pathlib.PurePath(path).stem
    for node in ast.walk(tree):
        if isinstance(
            node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) and not node.name.startswith("test_"):
            yield node.lineno, node.name


def retired(path: str, source: str) -> list[str]:
    found = []
    for line, name in names(path, ast.parse(source)):
        standard = {name: NAMES[name]} if name in NAMES else {}
        parts = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)
        standard |= {part.lower(): WORDS[part.lower()] for part in parts if part.lower() in WORDS}
        found += [
            f"{path}:{line}: {name}: {word} is called {instead}"
            for word, instead in standard.items()
            if not path.startswith(KEPT.get(word, "/"))
        ]
    return found


def sources() -> list[str]:
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    paths = sorted(path.relative_to(ROOT).as_posix() for path in found)
    return [path for path in paths if not path.startswith(OTHERS)]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("core/engine/lines.py", ""),
        ("core/engine/proof.py", ""),
        ("core/state/inflight.py", "class Asked: ..."),
        ("core/engine/gate.py", "class Gate:\n    def _take_facts(self): ..."),
        ("tools/app.py", "async def house(): ..."),
        ("venues/sim/faults.py", "class LineName: ..."),
    ],
)
def test_a_retired_name_is_seen(path: str, source: str) -> None:
    assert retired(path, source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("venues/sim/engine.py", "def house_order(): ..."),
        ("core/state/chatter.py", "def lines(): ..."),
        ("core/engine/gate.py", "def events(): ..."),
        ("tests/test_laws.py", "def test_only_proof_ends_a_doubt(): ..."),
    ],
)
def test_what_means_something_else_is_kept(path: str, source: str) -> None:
    assert not retired(path, source)


def test_names_are_the_standard_ones() -> None:
    found = [each for path in sources() for each in retired(path, (ROOT / path).read_text("utf-8"))]
    assert not found
