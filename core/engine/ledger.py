"""Two ledgers side by side: the venue's balances, and ours from fills alone.

Here our trades are added up by asset, in atoms, and held against what the venue says the account
has. Between the two lie only what others trade on the account and what is paid in or out, as far
as the venue tells. What remains different, pass after pass, nobody has explained: a fill that one
of us has and the other has not, or somebody whom nothing tells of. What follows is not for here.

The opening, what there was before any trade of ours, outlives a boot: one that was contradicted is
not taken anew because the process was started again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from core.model.events import Fill, OffGridTrade, Side
from core.model.instrument import Instrument, InstrumentTable
from core.model.units import ASSET_DECIMALS
from core.state.others import amount, clock
from core.state.position import Position, TradeIds

PASSES = 3
"""How often in a row the same difference has to be seen: an answer may cross a fill once, or twice,
and then differs otherwise or not at all."""

RESTLESS_PASSES = 8
"""How often in a row there has to be some difference, another each time: nothing that crosses an
answer does that; somebody trades whom nothing tells of."""


PAID_ATOMS = 10 ** (ASSET_DECIMALS - 8)
"""Venues pay in whole units of 1e-8 of an asset, where they pay in no smaller ones."""


class Mismatch(Struct, frozen=True):
    """One asset, or position, on which the ledgers differ."""

    asset: str
    ours_atoms: int
    venue_atoms: int
    agreed_ns: int
    """The venue's time when they last agreed, 0 for in an earlier boot."""

    def __str__(self) -> str:
        more = self.venue_atoms - self.ours_atoms
        since = clock(self.agreed_ns) if self.agreed_ns else "before this start"
        return (
            f"{self.asset}: {amount(self.ours_atoms)} by our fills, "
            f"{amount(self.venue_atoms)} by the venue, {amount(abs(more))} "
            f"{'more' if more > 0 else 'less'} since {since}"
        )


class _Mismatched(Struct, frozen=True):
    """A difference that was seen in the last passes."""

    atoms: int
    same: int
    passes: int


class Ledger:
    """What the account should hold of each base asset, and in each contract that is not delivered,
    from when the ledgers were first opened.

    ``tolerance_lots`` is the largest difference that is borne, in lots of the instrument.
    """

    def __init__(
        self, table: InstrumentTable, positions: Sequence[Position], tolerance_lots: int
    ) -> None:
        self._table = table
        self._positions = positions
        self._tolerance_lots = tolerance_lots
        self._opening: dict[str, int] = {}
        self._candidates: dict[str, int] = {}
        self._opened_ns: dict[str, int] = {}
        self._agreed_ns: dict[str, int] = {}
        self._others: dict[str, int] = {}
        self._locked: dict[str, int] = {}
        self._mismatched: dict[str, _Mismatched] = {}
        self._counted: dict[int, TradeIds] = {}
        self.unnoted = False
        """Whether something was told, since the last note, that no question brings back."""

    # -- what others do ------------------------------------------------------------------------

    def moved(self, asset: str, atoms: int, venue_ns: int) -> None:
        """Somebody else changed what there is; before the ledger was opened it is in there."""
        if venue_ns >= self._opened_ns.get(asset, 0):
            self._others[asset] = self._others.get(asset, 0) + atoms

    def paid(self, asset: str, atoms: int, venue_ns: int) -> None:
        """Something was paid in or out: told once, and in no history that is requested."""
        self.moved(asset, atoms, venue_ns)
        self.unnoted = True

    def locked(self, asset: str, atoms: int) -> None:
        """Something was locked from outside, which may or may not be left in the balance told."""
        self._locked[asset] = self._locked.get(asset, 0) + atoms

    def traded_by_others(self, row: Instrument, side: Side, fill: Fill) -> bool:
        """Count a trade of somebody else; ``False`` where it was counted before."""
        counted = self._counted.setdefault(row.index, TradeIds())
        if not counted.add(fill.trade_id, fill.rank, fill.venue_ns, listed=fill.listed):
            return False
        for asset, atoms in _moved(row, side, fill):
            self.moved(asset, atoms, fill.venue_ns)
        self.unnoted |= not fill.listed
        return True

    def traded_off_grid(self, row: Instrument, trade: OffGridTrade) -> bool:
        """Count a trade of somebody else that the grid of today cannot express, likewise."""
        counted = self._counted.setdefault(row.index, TradeIds())
        if not counted.add(trade.trade_id, trade.rank, trade.venue_ns):
            return False
        self.moved(row.held_as, trade.side * trade.base_atoms, trade.venue_ns)
        if row.contract.delivers:
            self.moved(row.quote, -trade.side * trade.quote_atoms, trade.venue_ns)
        self.moved(trade.fee_asset, -trade.fee_atoms, trade.venue_ns)
        return True

    def traded(self, row: Instrument, side: Side, fill: Fill) -> None:
        """A trade of ours was told: what it has moved is in our trades from here on.

        One of before the ledger was opened, told late, is in what there was then as well.
        """
        for asset, atoms in _moved(row, side, fill):
            if 0 < fill.venue_ns < self._opened_ns.get(asset, 0):
                self._others[asset] = self._others.get(asset, 0) - atoms

    def funded(self, row: Instrument, atoms: int, venue_ns: int) -> None:
        """Something was paid for holding a position, likewise."""
        if 0 < venue_ns < self._opened_ns.get(row.settle, 0):
            self._others[row.settle] = self._others.get(row.settle, 0) - atoms

    def renumber(self, instrument: int) -> None:
        """The venue numbers its trades from the beginning again."""
        self._counted.pop(instrument, None)
        self.unnoted = True

    # -- comparing -----------------------------------------------------------------------------

    def held(self, positions: Sequence[tuple[int, int]]) -> dict[str, int]:
        """Return positions that the venue states as ``compare`` takes them."""
        rows = self._table
        return {rows[index].held_as: lots * rows[index].lot_atoms for index, lots in positions}

    def compare(self, venue: Mapping[str, int], requested_ns: int = 0) -> list[Mismatch]:
        """Hold the venue's whole balances (free and locked) and positions against ours.

        To be called where no fill was told between the two; ``requested_ns`` is the venue's time
        when they were requested. The first calls open the ledgers; a difference is returned once it
        was the same ``PASSES`` times, or whatever it was ``RESTLESS_PASSES`` times.
        """
        found = []
        flows = self._flows()
        for asset, tolerance_atoms in self._bases().items():
            has = venue.get(asset, 0)
            change = flows.get(asset, 0) + self._others.get(asset, 0)
            opening = self._open(asset, has - change, requested_ns)
            if opening is None:
                continue
            difference = has - change - opening
            explained = (0, -self._locked.get(asset, 0))
            if min(abs(difference - atoms) for atoms in explained) <= tolerance_atoms:
                self._mismatched.pop(asset, None)
                self._agreed_ns[asset] = requested_ns
                continue
            before = self._mismatched.get(asset, _Mismatched(difference, 0, 0))
            same = before.same + 1 if before.atoms == difference else 1
            mismatched = self._mismatched[asset] = _Mismatched(difference, same, before.passes + 1)
            if mismatched.same >= PASSES or mismatched.passes >= RESTLESS_PASSES:
                agreed_ns = self._agreed_ns.get(asset, self._opened_ns.get(asset, 0))
                found.append(Mismatch(asset, opening + change, has, agreed_ns))
        return found

    def accept(self, found: Sequence[Mismatch]) -> None:
        """Count what was not explained as somebody else's."""
        for one in found:
            self._others[one.asset] = (
                self._others.get(one.asset, 0) + one.venue_atoms - one.ours_atoms
            )
            self._mismatched.pop(one.asset, None)

    def reopen(self) -> None:
        """Take what the venue says from here on for right: a person has looked."""
        self._opening.clear()
        self._candidates.clear()
        self._others.clear()
        self._locked.clear()
        self._mismatched.clear()
        self.unnoted = True

    def _open(self, asset: str, rest_atoms: int, requested_ns: int) -> int | None:
        """Return what there was before any trade of ours, once it was the same twice."""
        if asset not in self._opening:
            if self._candidates.get(asset) == rest_atoms:
                self._opening[asset] = rest_atoms
            else:
                self._candidates[asset] = rest_atoms
                self._opened_ns[asset] = requested_ns
        return self._opening.get(asset)

    @property
    def in_doubt(self) -> bool:
        """Whether another comparison soon may resolve a mismatch."""
        return bool(self._mismatched) or not self.opened

    @property
    def opened(self) -> bool:
        """Whether what there was before any trade of ours is known of every asset."""
        return self._opening.keys() >= self._bases().keys()

    # -- from one boot to the next -------------------------------------------------------------

    def openings(self) -> dict[str, int]:
        """Return what each asset would be without any trade of ours, by all that is known."""
        return {
            asset: opening + self._others.get(asset, 0) for asset, opening in self._opening.items()
        }

    def opened_ns(self) -> dict[str, int]:
        """Return as of when each asset was opened, by the venue's time."""
        return {asset: self._opened_ns.get(asset, 0) for asset in self._opening}

    def restore(self, openings: Mapping[str, int], opened_ns: Mapping[str, int]) -> None:
        """Go on from what an earlier boot has opened."""
        self._opening, self._opened_ns = dict(openings), dict(opened_ns)
        self._agreed_ns = dict.fromkeys(openings, 0)  # last before this start: when is not noted

    def recent(self, instrument: int, count: int) -> dict[str, int]:
        """Return the newest trades of others that are counted, ids and ranks, ascending."""
        counted = self._counted.get(instrument)
        return {} if counted is None else counted.newest(count)

    def count_above(self, instrument: int, rank: int) -> int:
        """Return how many trades of others are counted with a higher rank."""
        counted = self._counted.get(instrument)
        return 0 if counted is None else counted.count_above(rank)

    def floor_under(self, instrument: int, count: int) -> int | None:
        """Return up to which rank others' trades are all counted beside the newest ``count``."""
        counted = self._counted.get(instrument)
        return None if counted is None else counted.floor_under(count)

    def resume(self, instrument: int, known: Mapping[str, int], floor: int | None) -> None:
        """Know these trades of others, and all up to ``floor``: an earlier boot counted them."""
        self._counted[instrument] = counted = TradeIds()
        counted.restore(known, floor)

    # -- sums ----------------------------------------------------------------------------------

    def _bases(self) -> dict[str, int]:
        """Return what is held of each kind, and what is borne of it: by the largest lot it is
        traded in. That is each base asset, and each position in what is not delivered.

        Where it is paid for a pair of so fine a grid that the venue rounds each payment, less than
        a lot is borne at least: no fill is as small.
        """
        borne: dict[str, int] = {}
        spot = (row for row in self._table if row.contract.delivers)
        rounded = {row.quote for row in spot if row.contract.atoms(1) % PAID_ATOMS}
        for row in self._table:
            least = row.lot_atoms - 1 if row.held_as in rounded else 0
            atoms = max(self._tolerance_lots * row.lot_atoms, least)
            borne[row.held_as] = max(borne.get(row.held_as, 0), atoms)
        return borne

    def flow(self, row: Instrument) -> dict[str, int]:
        """Return what our own trades on one instrument have made of each asset, fees taken off."""
        position = self._positions[row.index]
        flow = {row.held_as: position.lots * row.lot_atoms}
        if row.contract.delivers:
            cost_atoms = row.contract.atoms(position.cost)
            flow[row.quote] = flow.get(row.quote, 0) - cost_atoms
        for asset, atoms in position.fees_atoms.items():
            flow[asset] = flow.get(asset, 0) - atoms
        if position.funding_atoms:
            flow[row.settle] = flow.get(row.settle, 0) + position.funding_atoms
        return flow

    def _flows(self) -> dict[str, int]:
        """Return what all our trades have made of each asset."""
        flows: dict[str, int] = {}
        for row in self._table:
            for asset, atoms in self.flow(row).items():
                flows[asset] = flows.get(asset, 0) + atoms
        return flows


def _moved(row: Instrument, side: Side, fill: Fill) -> list[tuple[str, int]]:
    """Return what a trade has moved: of what is not delivered, the position and fees alone."""
    moved = [(row.held_as, side * fill.lots * row.lot_atoms)]
    if row.contract.delivers:
        paid_atoms = row.contract.atoms(row.contract.value(fill.price_ticks, fill.lots))
        moved.append((row.quote, -side * paid_atoms))
    fees = ((fill.fee_asset, fill.fee_atoms), *fill.also)
    return [*moved, *((asset, -atoms) for asset, atoms in fees)]
