"""The engine's components are drawn from the source, and the page shows them as they are."""

from __future__ import annotations

import pathlib

from tools import picture

ROOT = pathlib.Path(__file__).parents[2]

RING = """
from core.engine.gate import Gate
from core.engine.connections import Connections
from core.engine.resolution import Resolution

class Engine:
    def __init__(self):
        self.gate = Gate(risk=self.risk)
        self.resolution = Resolution(apply=lambda one: self.gate.apply(one))
        self.connections = Connections(record=self._record)
"""


def test_a_function_that_leads_back_is_seen() -> None:
    assert picture.ways_back(RING) == {"resolution": {"gate"}, "connections": {"engine"}}


def test_no_component_is_handed_a_way_back() -> None:
    engine = (ROOT / "core/engine/engine.py").read_text(encoding="utf-8")
    assert picture.ways_back(engine) == {}


def test_an_import_that_others_imply_is_left_out() -> None:
    edges = {"gate": {"desk", "turn"}, "desk": {"turn"}, "turn": set[str]()}
    assert picture.reduced(edges) == {"gate": {"desk"}, "desk": {"turn"}, "turn": set()}


def test_the_page_shows_the_components_as_they_are() -> None:
    page = (ROOT / "docs/carrying-on.md").read_text(encoding="utf-8")
    assert f"```mermaid\n{picture.picture(ROOT)}\n```" in page, "python -m tools.picture"
