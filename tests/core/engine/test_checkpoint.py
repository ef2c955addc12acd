"""Notes of a checkpoint: read as they were written, or refused in words that help."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from core.engine import checkpoint
from core.engine.checkpoint import (
    AcknowledgementNote,
    Checkpoint,
    OrderNote,
    PositionNote,
    Regrid,
    Restored,
    is_of_other_terms,
    under,
)
from core.model.commands import BEGINNING, Since
from core.model.contract import Inverse, Linear
from core.model.errors import JournalCorrupt, JournalUnknown
from core.model.events import Side
from core.model.units import Grid
from tests.strategies.desk import instrument

POSITION = PositionNote(
    symbol="BTC/USD",
    tick="0.1",
    lot="0.00000001",
    bought_lots=3,
    sold_lots=1,
    bought_value=300,
    sold_value=101,
    fees_atoms={"USD": 5},
    settled=Since("TDLH43-DVQXD-2KHVYY", 1_616_667_796_880_000_000, 1_616_667_796_880_200_000),
    recent_buys={"TDLH43-DVQXD-2KHVYY": 7, "TJUW2K-FLX2N-AR2FLU": 7},
    recent_sells={},
    newest=Since("TJUW2K-FLX2N-AR2FLU", 7, 8),
    recent_others={"TABCDE-00000-000001": 6},
    buy_floor=5,
)
ORDER = OrderNote(
    symbol="BTC/USD",
    tick="0.1",
    lot="0.00000001",
    client_order_id="0123456789abcdef",
    venue_order_id="OQCLML-BW3P3-BUCMWZ",
    side=Side.BUY,
    price_ticks=100,
    size_lots=3,
    placed_lots=3,
    filled_lots=2,
    traded_lots=2,
    trade_ids=["TDLH43-DVQXD-2KHVYY", "TJUW2K-FLX2N-AR2FLU"],
    sent_ns=1,
)
NUMBER = AcknowledgementNote(
    symbol="BTC/USD",
    tick="0.1",
    lot="0.00000001",
    client_order_id="0123456789abcdef",
    venue_order_id="OQCLML-BW3P3-BUCMWZ",
    side=Side.BUY,
    price_ticks=100,
    size_lots=3,
)
WHOLE = Checkpoint(boot=1, time_ns=1, positions=[POSITION], orders=[ORDER])
RESTORED = Restored(checkpoint=WHOLE, numbers=[NUMBER], ended_ns=2, clean=False)

KINDS = [
    (checkpoint.PREFIX, WHOLE),
    (checkpoint.NUMBER, NUMBER),
    (checkpoint.RESTORED, RESTORED),
]


@pytest.mark.parametrize(("prefix", "note"), KINDS)
def test_a_note_is_read_as_it_was_written(prefix: bytes, note: msgspec.Struct) -> None:
    assert checkpoint.decode(prefix + checkpoint.encode(note)) == note


def test_that_nothing_was_traded_and_that_a_position_was_stated_are_told_apart() -> None:
    for settled in (None, BEGINNING):
        note = replace(POSITION, settled=settled)
        left = Checkpoint(boot=1, time_ns=1, positions=[note], orders=[])
        assert checkpoint.decode(checkpoint.PREFIX + checkpoint.encode(left)) == left


def older(**changes: object) -> bytes:
    """Return a checkpoint in the form in which ids were numbers."""
    position = msgspec.to_builtins(POSITION)
    for name in ("settled", "recent_buys", "recent_sells", "newest", "recent_others"):
        del position[name]
    position |= {"last_trade_id": 7, "recent_buy_ids": [7], "recent_sell_ids": []}
    order = msgspec.to_builtins(ORDER) | {"venue_order_id": 12, "trade_ids": [7]}
    left = {"boot": 1, "time_ns": 1, "positions": [position], "orders": [order]}
    return checkpoint.PREFIX + checkpoint.encode(left | changes)


@pytest.mark.parametrize(
    "note",
    [
        older(),
        older(orders=[]),
        older(positions=[]),
        checkpoint.NUMBER + checkpoint.encode(msgspec.to_builtins(NUMBER) | {"venue_order_id": 12}),
    ],
)
def test_a_note_of_the_form_before_is_refused_with_what_to_do(note: bytes) -> None:
    with pytest.raises(JournalUnknown, match="hotloop position") as refused:
        checkpoint.decode(note)
    assert "[run] dir" in str(refused.value)


STATED = replace(
    POSITION, bought_lots=0, bought_value=0, sold_lots=40, sold_value=40 * 500, settled=None
)
INVERSE = Inverse.future("BTC", "contracts", Grid("0.1"), Grid("1"), "100")


def test_what_spot_has_cost_is_noted_without_a_word_of_terms() -> None:
    assert b"terms" not in checkpoint.encode(POSITION)
    assert under(POSITION, Linear.spot("BTC", "USD", Grid("0.1"), Grid("0.00000001"))) is POSITION


def test_a_position_that_was_stated_counts_as_its_contract_does() -> None:
    assert not is_of_other_terms(STATED, INVERSE)
    found = under(STATED, INVERSE)
    assert (found.bought_value, found.sold_value) == (0, INVERSE.sold(500, 40))
    assert found.terms == INVERSE.terms
    assert under(found, INVERSE) is found


def test_a_position_that_was_counted_by_other_terms_has_a_cost_that_nobody_knows() -> None:
    doubled = Inverse.future("BTC", "contracts", Grid("0.1"), Grid("1"), "200")
    noted = replace(POSITION, terms=INVERSE.terms)
    assert not is_of_other_terms(noted, INVERSE)
    assert is_of_other_terms(noted, doubled)
    assert is_of_other_terms(replace(noted, settled=None), doubled)
    assert is_of_other_terms(POSITION, INVERSE)


@pytest.mark.parametrize("bought", [True, False])
def test_a_stated_price_between_two_ticks_is_rounded_against_us(bought: bool) -> None:
    lots, value = (40, 40 * 500 + 1) if bought else (0, 0)
    sold, got = (0, 0) if bought else (40, 40 * 500 - 1)
    note = replace(STATED, bought_lots=lots, bought_value=value, sold_lots=sold, sold_value=got)
    found = under(note, INVERSE)
    assert found.bought_value == (INVERSE.bought(501, 40) if bought else 0)
    assert found.sold_value == (0 if bought else INVERSE.sold(499, 40))


def test_what_an_inverse_position_has_cost_is_the_same_on_another_grid() -> None:
    row = replace(instrument(), tick=Grid("0.05"), lot=Grid("0.00000001"), contract=INVERSE)
    noted = replace(POSITION, terms=INVERSE.terms)
    moved, exact = Regrid(noted, row).position(noted)
    assert (moved.bought_value, moved.sold_value, exact) == (300, 101, True)
    moved, _ = Regrid(POSITION, row).position(POSITION)
    assert (moved.bought_value, moved.sold_value) == (600, 202)


def test_a_damaged_note_is_no_note_of_another_form() -> None:
    with pytest.raises(JournalCorrupt) as refused:
        checkpoint.decode(checkpoint.PREFIX + b'{"boot":1,"time')
    assert not isinstance(refused.value, JournalUnknown)
