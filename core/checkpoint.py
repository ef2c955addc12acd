"""What a boot leaves to the next one: positions, and orders that may still be alive.

Here live the notes that the engine writes into its journal now and then, as structures. A boot
that follows starts from the last note and asks the venue for everything since; nothing of the
strategy or of the code that ran then is needed. Sizes are in the grid the note names.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from core.errors import Malformed
from core.events import Side

RECENT_IDS = 200
"""Newest trade ids noted a side. Trades are asked for from the oldest of them on, so that one that
overtook another is not missed; a report overtakes others by a handful."""


class PositionNote(Struct, frozen=True, kw_only=True):
    """One instrument's position, and the newest fills it counts."""

    symbol: str
    tick: str
    lot: str
    bought_lots: int
    sold_lots: int
    bought_quote_units: int
    sold_quote_units: int
    fees_atoms: dict[str, int]
    last_trade_id: int
    """Newest trade of the account that is accounted for, -1 for none."""
    recent_buy_ids: list[int]
    recent_sell_ids: list[int]


class OrderNote(Struct, frozen=True, kw_only=True):
    """One order that was not settled."""

    symbol: str
    client_order_id: str
    venue_order_id: int
    side: Side
    price_ticks: int
    size_lots: int
    filled_lots: int
    traded_lots: int
    trade_ids: list[int]
    sent_ns: int


class Checkpoint(Struct, frozen=True, kw_only=True):
    """All that a boot leaves, as of ``time_ns``."""

    boot: int
    time_ns: int
    positions: list[PositionNote]
    orders: list[OrderNote]


class Restored(Struct, frozen=True, kw_only=True):
    """What a boot starts from: the last note of the one before it, and when that one ended."""

    checkpoint: Checkpoint
    ended_ns: int
    """Time of its last record."""
    clean: bool
    """Whether it left with the venue's proof that nothing of ours was alive."""


PREFIX = b"checkpoint "
"""How a note of this kind begins."""

encode = msgspec.json.Encoder().encode


def decode(payload: bytes) -> Checkpoint | None:
    """Return the checkpoint in a note, ``None`` for notes of other kinds."""
    if not payload.startswith(PREFIX):
        return None
    try:
        return msgspec.json.decode(payload[len(PREFIX) :], type=Checkpoint)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"a checkpoint of the journal cannot be read: {error}") from error


def decode_restored(text: str) -> Restored:
    """Return what the control word ``restore`` carries."""
    try:
        return msgspec.json.decode(text, type=Restored)
    except msgspec.DecodeError as error:
        raise Malformed(f"what is to be restored cannot be read: {error}") from error
