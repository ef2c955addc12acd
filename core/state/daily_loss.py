"""The result of a day: what one instrument has made or lost since midnight UTC.

Here the PnL of all boots becomes the result of a day: a day begins from the last PnL that was
known while the venue's time was, and from all fills of before, however late they are told; fees in
other assets count as they are paid. All is in atoms of the quote asset. What never lives here:
where a price comes from, what is allowed, and what happens when that is exceeded.
"""

from __future__ import annotations

from collections.abc import Mapping

from core.model.frozen import Frozen
from core.model.units import NS_PER_S

DAY_NS = 86_400 * NS_PER_S

LATER = 7
"""Days after the last known one of which something is kept apart that was told while the venue's
time was not known: a week, longer than any start waits for it. What is of more counts as today's.
Of as many days before it is known what they had begun from."""


class Price(Frozen, frozen=True):
    """The price of one unit of an asset in another, as an exact fraction above zero."""

    numerator: int
    denominator: int

    def value(self, atoms: int) -> int:
        """Return an amount of the one in atoms of the other, rounded up: nobody pays less."""
        return -(-atoms * self.numerator // self.denominator)


class Told(Frozen, frozen=True):
    """Which symbol's price values one asset in another."""

    symbol: str
    inverse: bool
    """Whether its price is that of the other."""


class Past(Frozen, frozen=True):
    """What a day before had begun from: a clock that was ahead and is set back makes it today."""

    day: int
    before_atoms: int
    base_atoms: int | None
    base_fees: dict[str, int]
    elsewhere_atoms: int


class Begun(Frozen, frozen=True):
    """What a day has begun from, and how far it has come: what the next boot goes on from."""

    day: int
    """Days since 1970-01-01 UTC."""
    before_atoms: int
    """The result of the day up to where ``base_atoms`` was marked."""
    base_atoms: int | None
    """The PnL that the day's is counted from; ``None`` until there is a price for it."""
    base_fees: dict[str, int]
    """The fees in other assets that were paid by then, in their atoms."""
    made_atoms: int
    """The last PnL that was known while the venue's time was, those fees aside."""
    undated: dict[int, tuple[int, dict[str, int]]]
    """What was told since, PnL and fees, by the day that the venue dates it."""
    past: list[Past]
    """What the days before had begun from, oldest first."""


class DayResult:
    """The result of the day on one instrument.

    A PnL is that of all boots, less fees in the instrument's own two assets; ``fees`` are those
    in all other assets, of all boots as well. A new instrument has made nothing: its first day
    begins from 0.
    """

    __slots__ = (
        "_base",
        "_base_fees",
        "_before",
        "_fees",
        "_made",
        "_past",
        "_undated",
        "_until",
        "_until_fees",
        "day",
        "elsewhere_atoms",
    )

    def __init__(self) -> None:
        self.day = 0
        self.elsewhere_atoms = 0
        """The day's result of other run folders."""
        self._before = 0
        self._base: int | None = 0
        self._base_fees: dict[str, int] = {}
        self._made = 0
        self._fees: dict[str, int] = {}
        self._until = 0
        """What was made until the venue's time was last known: another day begins from that."""
        self._until_fees: dict[str, int] = {}
        self._undated: dict[int, tuple[int, dict[str, int]]] = {}
        """What was told since, by the day that the venue dates it."""
        self._past: list[Past] = []

    # -- from one boot to the next -------------------------------------------------------------

    def restore(self, begun: Begun, fees: Mapping[str, int]) -> None:
        """Go on from what an earlier boot has noted; ``fees`` are those paid by then."""
        self.day = begun.day
        self._before, self._base = begun.before_atoms, begun.base_atoms
        self._base_fees, self._fees = begun.base_fees, dict(fees)
        self._made = self._until = begun.made_atoms
        self._until_fees, self._undated = self._fees, dict(begun.undated)
        self._past = list(begun.past)

    def forget_base(self, fees: Mapping[str, int]) -> None:
        """A position was taken over of which nothing is known of this day: the first price marks
        it.
        """
        self._base, self._base_fees, self._fees = None, dict(fees), dict(fees)
        self._until_fees = self._fees

    def begun(self) -> Begun:
        """Return what the next boot goes on from."""
        return Begun(
            day=self.day,
            before_atoms=self._before,
            base_atoms=self._base,
            base_fees=self._base_fees,
            made_atoms=self._until,
            undated=self._undated,
            past=self._past,
        )

    @property
    def paid_until(self) -> dict[str, int]:
        """The fees in other assets, of all boots, of what ``begun`` has made."""
        return self._until_fees

    # -- the day -------------------------------------------------------------------------------

    def turn(self, day: int) -> bool:
        """It is this day; return whether another one has begun.

        A clock that was ahead and is set back begins none: the day that it is again goes on from
        what it had begun from, and what was lost meanwhile counts on.
        """
        began = day > self.day > 0
        while self._past and day <= self._past[-1].day:
            self._go_back(self._past.pop())
        if day > self.day:
            if began:
                self._past = [*self._past, self._begun_from()][-LATER:]
            if self._base is not None:
                self._base = self._until
            self._base_fees = self._until_fees
            self._count_undated(day)
            self._before = self.elsewhere_atoms = 0
        self.day = day
        return began

    def _begun_from(self) -> Past:
        return Past(self.day, self._before, self._base, self._base_fees, self.elsewhere_atoms)

    def _go_back(self, to: Past) -> None:
        self._before, self._base, self._base_fees = to.before_atoms, to.base_atoms, to.base_fees
        self.day, self.elsewhere_atoms = to.day, to.elsewhere_atoms

    def mark(self, made_atoms: int, fees: Mapping[str, int], *, dated: bool) -> None:
        """Take the PnL at the newest price, and the fees in other assets.

        It is ``dated`` while the venue's time is known. One that is not may be of another day
        already: it counts, and none begins from it.
        """
        if self._base is None:
            self._base = self._until = made_atoms
        self._made = made_atoms
        if fees != self._fees:
            self._fees = dict(fees)
        if dated:
            self._until, self._until_fees = made_atoms, self._fees
            self._undated = {}

    def count_undated(self, day: int, made_atoms: int, fees: Mapping[str, int]) -> None:
        """Something was told while the venue's time was not known, which it dates on a day: what
        begins after that day begins from it, too.
        """
        day = max(day, self.day)
        if day in self._undated or len(self._undated) <= LATER:
            made, paid = self._undated.get(day, (0, {}))
            self._undated[day] = made + made_atoms, _sum(paid, fees)

    def _count_undated(self, day: int) -> None:
        for of, (made_atoms, fees) in self._undated.items():
            if of < day:
                self.count_before(made_atoms, fees)

    def count_before(self, made_atoms: int, fees: Mapping[str, int]) -> None:
        """Something of a day before was told late: the day begins from that, too.

        What has no base yet is marked with all that was told until then.
        """
        if self._base is None:
            return
        self._base += made_atoms
        self._base_fees = _sum(self._base_fees, fees)

    # -- what it comes to ----------------------------------------------------------------------

    @property
    def base_atoms(self) -> int | None:
        """The PnL that today's is counted from, ``None`` while it is not known."""
        return self._base

    def fees_today(self) -> dict[str, int]:
        """Return what was paid today in other assets, in their atoms; a rebate is below zero."""
        before = self._base_fees
        if self._fees == before:
            return {}
        since = {asset: atoms - before.get(asset, 0) for asset, atoms in self._fees.items()}
        return {asset: atoms for asset, atoms in since.items() if atoms}

    def own(self, prices: Mapping[str, Price]) -> int:
        """Return what was made today in this folder, a loss below zero.

        Fees in assets without a price are left out: ``fees_today`` has them.
        """
        made = 0 if self._base is None else self._made - self._base
        paid = sum(
            prices[asset].value(atoms)
            for asset, atoms in self.fees_today().items()
            if asset in prices
        )
        return self._before + made - paid

    def result(self, prices: Mapping[str, Price]) -> int:
        """Return what was made today, other folders included."""
        return self.elsewhere_atoms + self.own(prices)


def _sum(paid: dict[str, int], more: Mapping[str, int]) -> dict[str, int]:
    return paid | {asset: paid.get(asset, 0) + atoms for asset, atoms in more.items()}
