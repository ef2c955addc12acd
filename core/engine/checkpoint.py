"""What a boot leaves to the next one: positions, and orders that may still be alive.

Here live the notes that the engine writes into its journal now and then, as structures. A boot
that follows starts from the last note and asks the venue for everything since; nothing of the
strategy or of the code that ran then is needed. Sizes are in the grid the note names.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from typing import TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType, field
from msgspec.structs import replace

from core.model.commands import OrderKind, Since, TimeInForce
from core.model.contract import Contract
from core.model.errors import JournalCorrupt, JournalUnknown, Malformed, OffGrid
from core.model.events import Side
from core.model.halts import HaltKind
from core.model.instrument import Instrument
from core.model.units import Grid
from core.state.daily_loss import Begun
from core.state.journal import Header, Kind, Record, unpack

RECENT_IDS = 200
"""Newest trades noted a side, at least: a report overtakes others by a handful."""

MAX_IDS = 20_000
"""And at most, some 400 kB of them: all that are not final, so that one below them that nobody
has told yet is not taken for known. 150 fills a second, for as long as a history may lag and is
read once more."""


MAX_SENT = 2_000
"""Newest requests kept since a checkpoint: 200 a second, twice what venues take."""


class PositionNote(Struct, frozen=True, kw_only=True):
    """One instrument's position, and the newest fills it counts."""

    symbol: str
    tick: str
    lot: str
    bought_lots: int
    sold_lots: int
    bought_value: int = field(name="bought_quote_units")
    """Value of all buys, in value units of the contract."""
    sold_value: int = field(name="sold_quote_units")
    fees_atoms: dict[str, int]
    settled: Since | None
    """Newest trade of the account that is accounted for. ``None`` where an operator has stated the
    position: it is as of the newest trade that the next boot finds."""
    recent_buys: dict[str, int]
    """Our newest trades, ids and ranks."""
    recent_sells: dict[str, int]
    newest: Since | None = None
    """Our newest trade: a history without it lags, or is another one."""
    newest_order: str = ""
    """The highest id that an order of ours was given, where a venue's ids rise."""
    recent_others: dict[str, int] = {}
    """The newest trades of others that the ledger counts."""
    buy_floor: int | None = None
    """Up to which rank all count as known beside the newest: below the first of all none does.
    ``None``: just under the oldest of those that are noted."""
    sell_floor: int | None = None
    others_floor: int | None = None
    flow_atoms: dict[str, int] = {}
    """What its trades have made of each asset, fees taken off: what the account holds has that in
    it also where a boot leaves the symbol out. Of a position that was set: what those of before
    have made."""
    since_ns: int = 0
    """As of when it was begun or set, by the venue's clock, 0 where that is not known: what was
    traded before by orders that no note tells of is not in it, or counted already."""
    funding_atoms: int = 0
    """What holding it was paid for, in atoms of the settlement asset; below zero it has cost."""
    recent_fundings: dict[str, int] = {}
    """The newest of those payments, ids and times."""
    fundings_floor: int | None = None
    """Up to which time all of them count as known beside those."""
    terms: str | UnsetType = UNSET
    """What its values are counted by (``Contract.terms``), where that is not price times size."""

    @property
    def lots(self) -> int:
        """Bought minus sold."""
        return self.bought_lots - self.sold_lots


class DayNote(Struct, frozen=True, kw_only=True):
    """The day's result on one symbol, as of the note."""

    symbol: str
    quote: str
    begun: Begun
    fees: dict[str, int]
    """Fees paid in assets that are not the symbol's own, in atoms, of all boots."""
    result_atoms: int
    """What was made today, those fees valued, a loss below zero."""
    price: str = ""
    """The last price that is known, "" for none."""
    began_price: str = ""
    """The last that was known before the day began: what a fill of before counts at that is told
    after."""

    def rebased(self) -> DayNote:
        """Return the note for another position: what was made remains, the next price marks the
        rest.
        """
        begun = Begun(self.begun.day, self.result_atoms, None, {}, 0, {}, [])
        return replace(self, begun=begun, fees={})


class Day(Struct, frozen=True, kw_only=True):
    """The day's results in one run folder."""

    book_id: str
    """What tells one folder's from others'."""
    symbols: list[DayNote]
    halted_day: int = 0
    """The day whose loss has halted the run, 0 for none, and the words."""
    halted: str = ""


class Elsewhere(Struct, frozen=True, kw_only=True):
    """What the runs in one folder have made on a day, for those in other folders."""

    book_id: str
    """What tells one folder from others."""
    day: int
    """Days since 1970-01-01 UTC."""
    results: dict[str, tuple[str, int]]
    """By symbol: its quote asset, and how many atoms of it."""
    halted: str = ""
    """The words, where the day's loss has halted them."""


class HaltNote(Struct, frozen=True, kw_only=True):
    """A halt that outlives its boot; ``symbol`` is "" where it is the whole run's."""

    kind: HaltKind
    symbol: str
    why: str


LASTING = (HaltKind.LEDGER, HaltKind.RECORD)
"""Kinds of halts that stand until a person decides, however often the run is started."""

UNLESS_STOPPED = (HaltKind.OPERATOR, HaltKind.CONTRADICTION)
"""Kinds that stand in the boot after one that died or failed, too: what has started it was no
person, maybe.
"""


class OrderNote(Struct, frozen=True, kw_only=True):
    """One order that was not resolved."""

    symbol: str
    tick: str
    lot: str
    """The grid it is noted in, which may be another than its position's: one that cannot be counted
    is handed on as it was."""
    client_order_id: str
    venue_order_id: str
    side: Side
    price_ticks: int
    size_lots: int
    placed_lots: int
    """Its size before any amend."""
    filled_lots: int
    traded_lots: int
    trade_ids: list[str]
    sent_ns: int
    kind: OrderKind = OrderKind.LIMIT
    tif: TimeInForce = TimeInForce.GTC


class Checkpoint(Struct, frozen=True, kw_only=True):
    """All that a boot leaves, as of ``time_ns``."""

    boot: int
    time_ns: int
    positions: list[PositionNote]
    orders: list[OrderNote]
    halts: list[HaltNote] = []
    clock_offset_ns: int = 0
    """The venue's clock minus ours, as the boot knew it: its times mean nothing without."""
    ledger: dict[str, int] = {}
    """What each asset would be without any trade of ours, in atoms; empty on a shared account."""
    ledger_opened_ns: dict[str, int] = {}
    """As of when that was taken, by the venue's time: trades of before are in it, if told late."""
    day: Day | None = None


class AcknowledgementNote(Struct, frozen=True, gc=False, kw_only=True):
    """The venue has given one of our orders a number.

    A checkpoint does not have the orders placed after it. Those that are open list themselves, but
    one that was cancelled since may be listed under the cancel's name: only the number tells that
    its fills are ours.
    """

    symbol: str
    tick: str
    lot: str
    """The grid it is noted in. Its position's may be another: a boot that proves nothing hands that
    on as it was."""
    client_order_id: str
    venue_order_id: str
    side: Side
    price_ticks: int
    size_lots: int
    kind: OrderKind = OrderKind.LIMIT
    tif: TimeInForce = TimeInForce.GTC
    adopted: bool = False
    """Whether the venue alone has told of it: its trades of before the position was begun are none
    of this run's, for the boots that follow, too."""


class Regrid:
    """The way from the tick and lot of a note to those of today, in exact fractions."""

    def __init__(
        self, note: PositionNote | OrderNote | AcknowledgementNote, row: Instrument
    ) -> None:
        tick, lot, self._contract = row.tick, row.lot, row.contract
        self._lots = _step(Grid(note.lot)) / _step(lot)
        self._ticks = _step(Grid(note.tick)) / _step(tick)
        self.needed = self._lots != 1 or self._ticks != 1

    def lots(self, lots: int) -> int:
        """Return a size in today's lots. Raises ``OffGrid`` where it is none."""
        found = lots * self._lots
        if found.denominator != 1:
            raise OffGrid(f"{lots} lots of before are no whole lots of today")
        return int(found)

    def ticks(self, ticks: int) -> int:
        """Return a price in today's ticks, rounded down: an order that stands off the grid is
        cancelled.
        """
        return int(ticks * self._ticks)

    def position(self, note: PositionNote) -> tuple[PositionNote, bool]:
        """Return a position in today's grid, and whether what it has cost is still exact.

        Where it is not, the rounding is against us. Raises ``OffGrid`` where a size is none.
        """
        # Price times size counts in ticks and lots, and size over price on every grid alike.
        by_price = note.terms is UNSET or not self._contract.inverse
        units = self._lots * self._ticks if by_price else Fraction(1)
        bought, sold = note.bought_value * units, note.sold_value * units
        moved = replace(
            note,
            bought_lots=self.lots(note.bought_lots),
            sold_lots=self.lots(note.sold_lots),
            bought_value=-int(-bought // 1),
            sold_value=int(sold // 1),
        )
        return moved, bought.denominator == sold.denominator == 1

    def order(self, note: OrderNote) -> OrderNote:
        """Return an order in today's grid: what may still trade is never less than it was."""
        return replace(
            note,
            price_ticks=self.ticks(note.price_ticks),
            size_lots=self._at_least(note.size_lots),
            placed_lots=self._at_least(note.placed_lots),
            filled_lots=int(note.filled_lots * self._lots),
            traded_lots=int(note.traded_lots * self._lots),
        )

    def number(self, note: AcknowledgementNote) -> AcknowledgementNote:
        """Return a numbered order in today's grid, likewise."""
        return replace(
            note,
            price_ticks=self.ticks(note.price_ticks),
            size_lots=self._at_least(note.size_lots),
        )

    def _at_least(self, lots: int) -> int:
        return -int(-lots * self._lots // 1)


def is_of_other_terms(note: PositionNote, contract: Contract) -> bool:
    """Return whether nobody can say what a position has cost by its contract of today.

    What an operator has stated is price times size, whatever the contract.
    """
    stated = note.terms is UNSET and note.settled is None
    return not stated and (note.terms or "") != contract.terms


def under(note: PositionNote, contract: Contract) -> PositionNote:
    """Return a position in today's grid as its contract counts it: one that was stated at its
    average price, rounded against us.
    """
    if (note.terms or "") == contract.terms:
        return note
    bought, sold = note.bought_lots, note.sold_lots
    return replace(
        note,
        bought_value=contract.bought(-(-note.bought_value // bought), bought) if bought else 0,
        sold_value=contract.sold(note.sold_value // sold, sold) if sold else 0,
        terms=contract.terms,
    )


def _step(grid: Grid) -> Fraction:
    return Fraction(grid.step_mantissa, int(10**grid.decimals))


class Restored(Struct, frozen=True, kw_only=True):
    """What a boot starts from."""

    checkpoint: Checkpoint
    numbers: list[AcknowledgementNote] = []
    """Told since the checkpoint, oldest first."""
    sent: list[bytes] = []
    """Requests sent since the checkpoint, oldest first."""
    ended_ns: int
    """When the boot of the checkpoint was last heard of: the time of its last record."""
    clean: bool
    """Whether that boot left with the venue's proof that nothing of ours was alive."""
    damage: str = ""
    """What of the journal cannot be read since the checkpoint, "" where all can."""
    said: list[HaltNote] | None = None
    """What stood when the operator last spoke to a boot that has proved nothing since the
    checkpoint: in the place of its halts. ``None`` where he has not."""
    stopped: bool = False
    """Whether the boot of the checkpoint was left as it was told to: none that died, or failed."""

    @property
    def halts(self) -> list[HaltNote]:
        """What halts the next boot from its start on."""
        if self.said is not None:
            return self.said
        noted = self.checkpoint.halts
        return [halt for halt in noted if not self.stopped or halt.kind not in UNLESS_STOPPED]

    @property
    def may_stand(self) -> bool:
        """Whether orders may stand that the boot has left: nothing here proves that none does."""
        if self.clean:
            return False
        told = self.checkpoint.orders or self.numbers or self.sent
        return bool(told or self.damage or not self.ended_ns)

    def carried(self, symbols: Sequence[str]) -> tuple[str, ...]:
        """Return what is left on other symbols than these, oldest first.

        Where the boot did not leave cleanly that is every symbol that it could place on.
        """
        held = self.checkpoint.positions
        left = [note.symbol for note in held if note.lots or not self.clean]
        left += [note.symbol for note in self.checkpoint.orders]
        left += [note.symbol for note in self.numbers]
        return tuple(symbol for symbol in dict.fromkeys(left) if symbol not in symbols)


PREFIX = b"checkpoint "
"""How the note of a checkpoint begins."""

NUMBER = b"number "
"""How the note of an order's number begins."""

RESTORED = b"restored "
"""How the note begins of what a boot was told, and has not proved more of yet."""

LOSSES = b"losses "
"""How the word of control begins that tells a boot what was made today in other folders."""

RESTORE = b"restore "
"""How the word of control begins that tells a boot what the one before has left."""

LEFT = b"left"
"""How the last record of a clean end begins: the venue had proved that nothing was alive."""

FAILED = b"left after it failed"
"""How it begins where the run has ended itself, or its process has."""

encode = msgspec.json.Encoder().encode


def decode(payload: bytes) -> Checkpoint | AcknowledgementNote | Restored | None:
    """Return what a note says, ``None`` for notes of other kinds. Raises ``JournalCorrupt``."""
    for prefix, kind in _KINDS:
        if payload.startswith(prefix):
            return _decoded(payload[len(prefix) :], kind)
    return None


_Note = TypeVar("_Note", bound=Struct)


def _decoded(text: bytes, kind: type[_Note]) -> _Note:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as error:
        raise JournalUnknown(
            f"a note of the journal is not of the form that this hotloop writes ({error}): use the "
            "one that wrote it. A new run needs another [run] dir; what is held is set there once "
            "it was begun (hotloop position)"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise JournalCorrupt(f"a note of the journal cannot be read: {error}") from error


_KINDS: tuple[tuple[bytes, type[Checkpoint | AcknowledgementNote | Restored]], ...] = (
    (PREFIX, Checkpoint),
    (NUMBER, AcknowledgementNote),
    (RESTORED, Restored),
)


class Notes:
    """Reads a journal's records in the order they were written: what the next boot starts from.

    A boot that is told what the one before has left has that in its own journal, so that each
    journal stands for itself. Nothing is placed before a boot has noted its first checkpoint: one
    without changes nothing about how the boot of the last checkpoint ended.
    """

    def __init__(self) -> None:
        self._boot = 0
        self._checkpoint: Checkpoint | None = None
        self._numbers: list[AcknowledgementNote] = []
        self._sent: deque[bytes] = deque(maxlen=MAX_SENT)
        self._ended_ns = 0
        self._clean = self._stopped = False
        self._said: list[HaltNote] | None = None
        self._damage = ""

    def begin(self, boot: int) -> None:
        """The records that follow are this boot's."""
        self._boot = boot

    def damaged(self, where: str) -> None:
        """Something here cannot be read; only a checkpoint that is written later makes it good."""
        self._damage = self._damage or where

    def unrecorded(self) -> None:
        """A boot has begun since, of which there is no record: how it ended is not known."""
        self._clean = self._stopped = False
        self._ended_ns = 0

    def read(self, record: Record) -> None:
        """Take in the next record."""
        kind, payload = record.kind, record.payload
        if kind == Kind.HEADER:
            self.begin(unpack(payload, Header).boot)
        elif kind == Kind.NOTE:
            self._note(payload)
        elif kind == Kind.SEND:
            self._sent.append(payload)
        elif kind == Kind.CONTROL and payload.startswith(RESTORE):
            self._go_on(_decoded(payload[len(RESTORE) :], Restored))
        left = kind == Kind.END and payload.startswith(LEFT)
        stopped = left and not payload.startswith(FAILED)
        if self._checkpoint is not None and self._checkpoint.boot == self._boot:
            self._ended_ns = record.time_ns
            self._clean, self._stopped = left, stopped
        if stopped and self._said is not None:
            self._said = [halt for halt in self._said if halt.kind not in UNLESS_STOPPED]

    def _note(self, payload: bytes) -> None:
        note = decode(payload)
        if isinstance(note, Checkpoint):
            self._checkpoint = note
            self._boot = note.boot  # its header may be what cannot be read
            self._numbers.clear()
            self._sent.clear()
            self._said = None
            self._damage = ""
        elif isinstance(note, AcknowledgementNote):
            self._numbers.append(note)
        elif isinstance(note, Restored):
            self._go_on(note)

    def _go_on(self, restored: Restored) -> None:
        """The boot was told what there is, and has not proved more since."""
        self._checkpoint = restored.checkpoint
        self._numbers = list(restored.numbers)
        self._sent = deque(restored.sent, MAX_SENT)
        self._ended_ns, self._clean = restored.ended_ns, restored.clean
        self._said, self._stopped = restored.said, restored.stopped
        self._damage = self._damage or restored.damage

    @property
    def noted(self) -> bool:
        """Whether there is anything to start from."""
        return self._checkpoint is not None

    def restored(self) -> Restored | None:
        """Return what to start from, ``None`` where nothing was noted and nothing is damaged."""
        found = self._checkpoint
        if found is None:
            if not self._damage:
                return None
            found = Checkpoint(boot=0, time_ns=0, positions=[], orders=[])
        return Restored(
            checkpoint=found,
            numbers=self._numbers,
            sent=[] if self._clean else list(self._sent),
            ended_ns=self._ended_ns,
            clean=self._clean,
            damage=self._damage,
            said=self._said,
            stopped=self._stopped,
        )


def decode_restored(text: str) -> Restored:
    """Return what the control word ``restore`` carries."""
    try:
        return msgspec.json.decode(text, type=Restored)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed(f"what is to be restored cannot be read: {error}") from error


class Losses(Struct, frozen=True, kw_only=True):
    """What the word ``losses`` carries."""

    books: list[Elsewhere] = []
    unknown: str = ""
    """Why it is not known what was lost today in other folders, "" where it is."""
    died: tuple[str, ...] = ()
    """Folders whose last run of this scope has not left with the proof that nothing is alive, where
    the run's own journal does not tell of it."""


def decode_losses(text: str) -> Losses:
    """Return what the control word ``losses`` carries."""
    try:
        return msgspec.json.decode(text, type=Losses)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed(f"what was lost today cannot be read: {error}") from error
