"""The drawn state tables are those of the code that runs, and the code has no other."""

from __future__ import annotations

import itertools

import pytest

from core.model.errors import Misuse
from core.model.events import OrdStatus
from core.model.venue import Connection, Role
from core.protocols.websocket import websocket
from core.state.orders import EVIDENCE, PRECEDENCE, STATES, Evidence
from core.state.session import TABLE, Phase, Session, Step
from tools import draw


@pytest.mark.parametrize("name", draw.PAGES)
def test_a_page_is_what_the_code_says(name: str) -> None:
    written = (draw.DOCS / name).read_text(encoding="utf-8")
    assert written == draw.PAGES[name](), "run: python -m tools.draw"


def test_every_word_of_a_venue_has_its_evidence() -> None:
    assert set(EVIDENCE) == set(OrdStatus)


def test_every_set_of_evidence_has_its_state() -> None:
    """No cell is empty, and what is weaker than the strongest evidence never changes the state."""
    ranks = [bit for bit, _ in PRECEDENCE]
    assert sorted(ranks) == sorted(Evidence)
    assert len(STATES) == 2 ** len(Evidence)
    for bits in itertools.product([False, True], repeat=len(ranks)):
        seen = [bit for bit, there in zip(ranks, bits, strict=True) if there]
        strongest = seen[0] if seen else Evidence(0)
        assert STATES[sum(seen)] is STATES[strongest]


def connection() -> Connection:
    return Connection(
        name="trade",
        url="wss://127.0.0.1/",
        carries=frozenset({Role.ORDERS}),
        silence_ns=1,
        lifetime_ns=1,
        protocol=websocket(1),
    )


@pytest.mark.parametrize(
    ("phase", "step"), [cell for cell in itertools.product(Phase, Step) if cell not in TABLE]
)
def test_an_empty_cell_is_an_error(phase: Phase, step: Step) -> None:
    session = Session(connection())
    session.phase = phase
    with pytest.raises(Misuse, match="cannot happen"):
        session._move(step)
    assert session.phase is phase
