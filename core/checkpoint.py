"""What a boot leaves to the next one: positions, and orders that may still be alive.

Here live the notes that the engine writes into its journal now and then, as structures. A boot
that follows starts from the last note and asks the venue for everything since; nothing of the
strategy or of the code that ran then is needed. Sizes are in the grid the note names.
"""

from __future__ import annotations

from collections import deque

import msgspec
from msgspec import Struct

from core.errors import JournalCorrupt, Malformed
from core.events import Side

RECENT_IDS = 200
"""Newest trade ids noted a side. Trades are asked for from the oldest of them on, so that one that
overtook another is not missed; a report overtakes others by a handful."""


MAX_SENT = 2_000
"""Newest requests kept since a checkpoint: 200 a second, twice what venues take."""


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


class NumberNote(Struct, frozen=True, kw_only=True):
    """The venue has given one of our orders a number.

    A checkpoint does not have the orders placed after it. Those that are open list themselves, but
    one that was cancelled since may be listed under the cancel's name: only the number tells that
    its fills are ours.
    """

    symbol: str
    client_order_id: str
    venue_order_id: int
    side: Side
    price_ticks: int
    size_lots: int


class Restored(Struct, frozen=True, kw_only=True):
    """What a boot starts from: the last note of the one before it, and when that one ended."""

    checkpoint: Checkpoint
    numbers: list[NumberNote] = []
    """Orders that were given numbers after the checkpoint."""
    sent: list[bytes] = []
    """Requests recorded after the checkpoint: the orders among them may have been taken without a
    word of it reaching us."""
    ended_ns: int
    """Time of its last record."""
    clean: bool
    """Whether it left with the venue's proof that nothing of ours was alive."""


PREFIX = b"checkpoint "
"""How the note of a checkpoint begins."""

NUMBER = b"number "
"""How the note of an order's number begins."""

encode = msgspec.json.Encoder().encode


def decode(payload: bytes) -> Checkpoint | NumberNote | None:
    """Return what a note says, ``None`` for notes of other kinds. Raises ``JournalCorrupt``."""
    for prefix, kind in _KINDS:
        if payload.startswith(prefix):
            try:
                return msgspec.json.decode(payload[len(prefix) :], type=kind)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise JournalCorrupt(f"a note of the journal cannot be read: {error}") from error
    return None


_KINDS: tuple[tuple[bytes, type[Checkpoint | NumberNote]], ...] = (
    (PREFIX, Checkpoint),
    (NUMBER, NumberNote),
)


class Notes:
    """Reads notes in the order they were written; ``restored`` is what follows from them."""

    def __init__(self) -> None:
        self._checkpoint: Checkpoint | None = None
        self._numbers: list[NumberNote] = []
        self._sent: deque[bytes] = deque(maxlen=MAX_SENT)

    def sent(self, payload: bytes) -> None:
        """Take in a request that was sent over a line."""
        self._sent.append(payload)

    def read(self, payload: bytes) -> None:
        """Take in the payload of a note."""
        note = decode(payload)
        if isinstance(note, Checkpoint):
            self._checkpoint = note
            self._numbers.clear()
            self._sent.clear()
        elif note is not None:
            self._numbers.append(note)

    def restored(self, boot: int, ended_ns: int, *, left: bool) -> Restored | None:
        """Return what to start from, ``None`` without a checkpoint.

        ``boot`` is the newest, which ended at ``ended_ns``, ``left`` or not. One that was left
        before it had proved anything says nothing of how the boot of the checkpoint ended.
        """
        found = self._checkpoint
        if found is None:
            return None
        clean = left and found.boot == boot
        sent = [] if clean else list(self._sent)
        return Restored(
            checkpoint=found, numbers=self._numbers, sent=sent, ended_ns=ended_ns, clean=clean
        )


def decode_restored(text: str) -> Restored:
    """Return what the control word ``restore`` carries."""
    try:
        return msgspec.json.decode(text, type=Restored)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed(f"what is to be restored cannot be read: {error}") from error
