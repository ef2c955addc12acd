"""What a contract pays: its price and size become a value in the asset it settles in.

Here lives all that differs between spot, linear and inverse contracts, in exact integers: a value
counts whole units of the settlement asset, and each contract says what one unit is. What never
lives here: a position, a mark, the venue's limits, the prices it takes (``core.model.grid``).

What cannot be a whole number of units is rounded against us: values that are limited and what is
lost up, what is earned down.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor, gcd

from msgspec import Struct

from core.model.units import ASSET_DECIMALS, Grid, format_decimal, parse_decimal, plain

_ATOMS = 10**ASSET_DECIMALS


class _Settled(Struct, frozen=True, kw_only=True, gc=False):
    """What every contract has: an asset that it settles in, and units to count that by."""

    settle: str
    """The settlement asset: values, profits and losses are counted in it."""
    size_unit: str
    """What sizes count, for people: the base asset, the quote asset, or "contracts"."""
    mantissa: int
    decimals: int
    """One unit is ``mantissa * 10**-decimals`` of the settlement asset."""
    terms: str = ""
    """What it pays, in words that are kept with what was counted; "" for what is delivered."""

    def money(self, units: int) -> str:
        """Return units as decimal text in the settlement asset, exactly."""
        return format_decimal(units * self.mantissa, self.decimals)

    def money_text(self, units: int) -> str:
        """Return units for people, exactly: "650.1 USDT"."""
        return f"{plain(self.money(units))} {self.settle}"

    def atoms(self, units: int) -> int:
        """Return units in atoms of the settlement asset, rounded down."""
        return int(units * self.mantissa * _ATOMS // 10**self.decimals)

    @property
    def unit_atoms(self) -> int:
        """What one unit is in atoms of the settlement asset, rounded up: nobody pays less."""
        return int(-(-self.mantissa * _ATOMS // 10**self.decimals))

    def units(self, atoms: int) -> int:
        """Return atoms of the settlement asset in units, rounded up: this is for what is paid."""
        return int(-(-atoms * 10**self.decimals // (_ATOMS * self.mantissa)))

    def whole_units(self, text: str) -> int:
        """Return the whole units in an amount of the settlement asset: a limit is rounded down.

        Raises ``Malformed`` like ``parse_decimal``.
        """
        mantissa, exponent = parse_decimal(text)
        return int(mantissa * 10**self.decimals // (10**exponent * self.mantissa))


class Linear(_Settled, frozen=True, kw_only=True, gc=False):
    """A value that is price times size: spot, shares, linear futures and perpetuals, premiums.

    One unit is what one lot is worth at one tick, so that no conversion is in any sum.
    """

    delivers: bool = False
    """Whether a trade moves the base asset itself, as on spot; else it moves a position alone."""

    @classmethod
    def spot(cls, base: str, quote: str, tick: Grid, lot: Grid) -> Linear:
        """Return what is paid in the quote asset, and delivered, at once."""
        return cls(
            settle=quote,
            size_unit=base,
            mantissa=tick.step_mantissa * lot.step_mantissa,
            decimals=tick.decimals + lot.decimals,
            delivers=True,
        )

    @classmethod
    def future(
        cls, settle: str, size_unit: str, tick: Grid, lot: Grid, multiplier: str = "1"
    ) -> Linear:
        """Return what settles in the asset it is priced in; a size of one is ``multiplier`` of what
        has the price.
        """
        times, exponent = parse_decimal(multiplier)
        return cls(
            settle=settle,
            size_unit=size_unit,
            mantissa=tick.step_mantissa * lot.step_mantissa * times,
            decimals=tick.decimals + lot.decimals + exponent,
            terms=f"linear, {multiplier} a size of one, in {settle}",
        )

    @property
    def inverse(self) -> bool:
        """Whether the same size has less value at a higher price."""
        return False

    def value(self, ticks: int, lots: int) -> int:
        """Return the value of a size at a price, in value units."""
        return ticks * lots

    def bought(self, ticks: int, lots: int) -> int:
        """Return what a buy adds to the value bought, in units."""
        return ticks * lots

    def sold(self, ticks: int, lots: int) -> int:
        """Return what a sell adds to the value sold, in units."""
        return ticks * lots

    def pnl(self, bought: int, sold: int, lots: int, mark_ticks: int) -> int:
        """Return what was made by values bought and sold, fees aside, ``lots`` held at a mark."""
        return sold - bought + lots * mark_ticks

    def closed(self, ticks: Fraction, lots: int) -> tuple[int, int]:
        """Return what closing ``lots`` at a price adds to the values bought and sold, in units.

        The price may lie between two ticks.
        """
        return (ceil(-lots * ticks), 0) if lots < 0 else (0, floor(lots * ticks))

    def lots_for(self, units: int, ticks: int) -> int:
        """Return the largest size whose value at a price is no more than so much, in lots."""
        return units // ticks

    def least_lots(self, units: int, ticks: int) -> int:
        """Return the smallest size whose value at a price is no less than so much, in lots."""
        return -(-units // ticks)


class Inverse(_Settled, frozen=True, kw_only=True, gc=False):
    """A value that is size over price: futures and perpetuals that settle in what they price.

    A size of one stands for a fixed amount of the quote asset, so many of the settlement asset as
    that buys. One unit is an atom of the settlement asset.
    """

    numerator: int
    denominator: int
    """One lot is worth ``numerator / denominator`` units at a price of one tick."""

    @classmethod
    def future(cls, settle: str, size_unit: str, tick: Grid, lot: Grid, face: str) -> Inverse:
        """Return a contract of which a size of one is ``face`` of the quote asset."""
        amount, exponent = parse_decimal(face)
        above = lot.step_mantissa * amount * _ATOMS * int(10**tick.decimals)
        below = tick.step_mantissa * int(10 ** (lot.decimals + exponent))
        common = gcd(above, below)
        return cls(
            settle=settle,
            size_unit=size_unit,
            mantissa=1,
            decimals=ASSET_DECIMALS,
            terms=f"inverse, {face} a size of one, in {settle}",
            numerator=above // common,
            denominator=below // common,
        )

    @property
    def delivers(self) -> bool:
        """Whether a trade moves the base asset itself: it moves a position alone."""
        return False

    @property
    def inverse(self) -> bool:
        """Whether the same size has less value at a higher price."""
        return True

    def value(self, ticks: int, lots: int) -> int:
        """Return the value of a size at a price, in value units, rounded up.

        What is below the first tick is no price, and counts as that one: no limit lets it by.
        """
        return -(-lots * self.numerator // (self.denominator * max(ticks, 1)))

    def bought(self, ticks: int, lots: int) -> int:
        """Return what a buy adds to the value bought, in units: it earns that, so rounded down, and
        nothing without a price.
        """
        return lots * self.numerator // (self.denominator * ticks) if ticks > 0 else 0

    def sold(self, ticks: int, lots: int) -> int:
        """Return what a sell adds to the value sold, in units, rounded up."""
        return self.value(ticks, lots)

    def pnl(self, bought: int, sold: int, lots: int, mark_ticks: int) -> int:
        """Return what was made by values bought and sold, fees aside, ``lots`` held at a mark.

        The signs are turned round: what was bought dear is worth less of the settlement asset.
        """
        return bought - sold - self.value(mark_ticks, lots)

    def closed(self, ticks: Fraction, lots: int) -> tuple[int, int]:
        """Return what closing ``lots`` at a price adds to the values bought and sold, in units.

        The price may lie between two ticks; below the first it counts as that one.
        """
        amount = Fraction(abs(lots) * self.numerator, self.denominator) / max(ticks, Fraction(1))
        return (floor(amount), 0) if lots < 0 else (0, ceil(amount))

    def lots_for(self, units: int, ticks: int) -> int:
        """Return the largest size whose value at a price is no more than so much, in lots."""
        return units * self.denominator * max(ticks, 1) // self.numerator

    def least_lots(self, units: int, ticks: int) -> int:
        """Return the smallest size whose value at a price is no less than so much, in lots."""
        return -(-units * self.denominator * max(ticks, 1) // self.numerator)


Contract = Linear | Inverse
