"""What is traded: one ``Instrument`` per symbol, and the table that finds it.

Here live the static facts of an instrument in exact integers. Its book, orders and position live
in the machines of those names; how a venue spells its filters lives in that venue's folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from core.model.contract import Contract
from core.model.errors import BadConfig
from core.model.grid import UNIFORM, PriceGrid
from core.model.units import ASSET_DECIMALS, Grid

_ATOMS = 10**ASSET_DECIMALS


class Trading(StrEnum):
    """What the venue allows on an instrument now: each allows less than the one before."""

    OPEN = "open"
    LIMIT_ONLY = "limit_only"
    """No orders at market."""
    POST_ONLY = "post_only"
    """New orders only where they rest: nothing is matched."""
    CANCEL_ONLY = "cancel_only"
    HALTED = "halted"


_STRICTNESS = tuple(Trading)


class Instrument(Struct, frozen=True, kw_only=True, eq=False):
    """One symbol: its grids and the venue's limits on a single order.

    ``index`` is its place in the table and what events and commands carry. Limits are inclusive;
    0 means the venue states none. ``min_notional`` and ``max_notional`` count units of the
    contract, so that no conversion is needed to check them.
    """

    index: int
    symbol: str
    base: str
    quote: str
    tick: Grid
    lot: Grid
    contract: Contract
    min_ticks: int
    max_ticks: int
    min_lots: int
    max_lots: int
    max_market_lots: int
    min_notional: int
    max_notional: int
    max_open_orders: int
    min_market_lots: int = 0
    market_step_lots: int = 0
    """Orders at market have sizes of whole multiples of this."""
    grid: PriceGrid = UNIFORM
    """Which ticks are prices that the venue takes."""
    collar_up_bps: int = 0
    collar_down_bps: int = 0
    expiry_ns: int = 0
    """When it expires, by the venue's clock; 0: never. Nothing is placed that could outlive it."""
    trading: Trading = Trading.OPEN
    code: str = ""
    """What else the venue calls it on the wire, where it has another name for it."""
    venue_status: str = ""
    """The venue's own word for ``trading``, as it spells it."""
    unread_filters: tuple[str, ...] = ()
    """Rules of the venue that are not known here, by its names of them: it alone holds to them."""
    gone: bool = False
    """Whether the venue has it no more: nothing about it can be asked, and nothing placed."""
    carried: bool = False
    """Whether it is left out of the configuration, and known for what an earlier boot left on it:
    to list, cancel and count, never to trade."""

    def under(self, trading: Trading, text: str) -> Instrument:
        """Return it as it is while the venue as a whole allows no more than ``trading``."""
        if _STRICTNESS.index(trading) <= _STRICTNESS.index(self.trading):
            return self
        return replace(self, trading=trading, venue_status=text)

    def size_text(self, lots: int) -> str:
        """Return a size for people: "0.01000 BTC"."""
        return f"{self.lot.text(lots)} {self.contract.size_unit}"

    def price_text(self, ticks: int) -> str:
        """Return a price for people: "65000.10 USDT"."""
        return f"{self.tick.text(ticks)} {self.quote}"

    @property
    def lot_atoms(self) -> int:
        """What one lot is in atoms of what is held."""
        return self.lot.step_mantissa * int(10 ** (ASSET_DECIMALS - self.lot.decimals))

    @property
    def settle(self) -> str:
        """The settlement asset: values, profits and losses are counted in it."""
        return self.contract.settle

    @property
    def held_as(self) -> str:
        """What a trade moves at the venue, by its name there: the base asset, or a position."""
        return self.base if self.contract.delivers else f"position of {self.symbol}"

    @property
    def own_assets(self) -> tuple[str, ...]:
        """The assets that a trade moves by itself; a fee in any other has to be priced."""
        contract = self.contract
        return (self.base, contract.settle) if contract.delivers else (contract.settle,)

    def paid(self, fees_atoms: Mapping[str, int], mark_ticks: int) -> int:
        """Return fees in its own assets in units of its contract, the base at ``mark_ticks``.

        Rounding is against us.
        """
        units = self.contract.units(fees_atoms.get(self.contract.settle, 0))
        base_atoms = fees_atoms.get(self.base, 0) if self.contract.delivers else 0
        lots_scale = _ATOMS * self.lot.step_mantissa
        return int(units - (-base_atoms * mark_ticks * 10**self.lot.decimals // lots_scale))


class InstrumentTable:
    """The instruments of one run, by index and by symbol."""

    __slots__ = ("_by_symbol", "_rows")

    def __init__(self, instruments: Iterable[Instrument] = ()) -> None:
        self._rows: list[Instrument] = []
        self._by_symbol: dict[str, Instrument] = {}
        for instrument in instruments:
            self.put(instrument)

    def put(self, instrument: Instrument) -> None:
        """Add an instrument at the next index, or renew the row it already has."""
        rows, index, symbol = self._rows, instrument.index, instrument.symbol
        if index == len(rows) and symbol not in self._by_symbol:
            rows.append(instrument)
        elif 0 <= index < len(rows) and rows[index].symbol == symbol:
            rows[index] = instrument
        else:
            raise BadConfig(f"instrument {symbol} cannot have index {index}: list each symbol once")
        self._by_symbol[symbol] = instrument

    def __getitem__(self, index: int) -> Instrument:
        """Return an instrument. Raises ``IndexError``; nothing counts from the end."""
        if index < 0:
            raise IndexError(f"there is no instrument {index}")
        return self._rows[index]

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def find(self, symbol: str) -> Instrument | None:
        """Return the instrument of a venue's symbol, or ``None`` when we do not trade it."""
        return self._by_symbol.get(symbol)
