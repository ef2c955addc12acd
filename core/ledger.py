"""Two ledgers side by side: the venue's balances, and ours from fills alone.

Here our trades are added up by asset, in atoms, and held against what the venue says the account
has. Between the two lie only what others trade on the account and what is paid in or out, and both
are told. What remains different, pass after pass, is a fill that one of us has and the other has
not: that is for a person to look at, and nothing is placed until then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from core.events import Fill, Side
from core.instrument import Instrument, InstrumentTable
from core.position import Position
from core.units import ASSET_DECIMALS, format_decimal

PASSES = 3
"""How often in a row the same difference has to be seen: an answer may cross a fill once, or twice,
and then differs otherwise or not at all."""


class Mismatch(Struct, frozen=True):
    """One asset on which the ledgers differ."""

    asset: str
    ours_atoms: int
    venue_atoms: int

    def __str__(self) -> str:
        ours, theirs = (_text(n) for n in (self.ours_atoms, self.venue_atoms))
        return f"{self.asset}: {ours} by our fills, {theirs} by the venue"


class Ledger:
    """What the account should hold of each base asset, from when the ledgers were first opened.

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
        self._others: dict[str, int] = {}
        self._seen: dict[str, tuple[int, int]] = {}

    def moved(self, asset: str, atoms: int) -> None:
        """Something was paid in or out."""
        self._others[asset] = self._others.get(asset, 0) + atoms

    def traded_by_others(self, row: Instrument, side: Side, fills: Sequence[Fill]) -> None:
        """Somebody else traded on the account."""
        for fill in fills:
            self.moved(row.base, side * _lots(row, fill.lots))
            self.moved(row.quote, -side * _quote_units(row, fill.price_ticks * fill.lots))
            self.moved(fill.fee_asset, -fill.fee_atoms)

    def compare(self, venue: Mapping[str, int]) -> list[Mismatch]:
        """Hold the venue's whole balances (free and locked) against ours.

        To be called where no fill was told between the two. The first calls open the ledgers;
        differences are returned once they were the same ``PASSES`` times.
        """
        found = []
        for asset, tolerance_atoms in self._bases().items():
            has = venue.get(asset, 0)
            change = self._flow(asset) + self._others.get(asset, 0)
            opening = self._open(asset, has - change)
            if opening is None:
                continue
            difference = has - change - opening
            if abs(difference) <= tolerance_atoms:
                self._seen.pop(asset, None)
                continue
            before, times = self._seen.get(asset, (difference, 0))
            times = times + 1 if before == difference else 1
            self._seen[asset] = (difference, times)
            if times >= PASSES:
                found.append(Mismatch(asset, opening + change, has))
        return found

    def _open(self, asset: str, rest_atoms: int) -> int | None:
        """Return what there was before any trade of ours, once it was the same twice."""
        if asset not in self._opening and self._candidates.get(asset) == rest_atoms:
            self._opening[asset] = rest_atoms
        self._candidates[asset] = rest_atoms
        return self._opening.get(asset)

    @property
    def in_doubt(self) -> bool:
        """Whether another look soon would settle something."""
        return bool(self._seen) or len(self._opening) < len(self._candidates)

    def _bases(self) -> dict[str, int]:
        """Return each base asset, and what is borne of it."""
        return {row.base: _lots(row, self._tolerance_lots) for row in self._table}

    def _flow(self, asset: str) -> int:
        """Return what our own trades have made of an asset, fees taken off."""
        atoms = 0
        for row in self._table:
            position = self._positions[row.index]
            if row.base == asset:
                atoms += _lots(row, position.lots)
            if row.quote == asset:
                atoms -= _quote_units(row, position.cost_quote_units)
            atoms -= position.fees_atoms.get(asset, 0)
        return atoms


def _lots(row: Instrument, lots: int) -> int:
    return lots * row.lot.step_mantissa * int(10 ** (ASSET_DECIMALS - row.lot.decimals))


def _quote_units(row: Instrument, units: int) -> int:
    return units * row.quote_unit * int(10 ** (ASSET_DECIMALS - row.quote_decimals))


def _text(atoms: int) -> str:
    text = format_decimal(atoms, ASSET_DECIMALS)
    return text.rstrip("0").rstrip(".")
