"""The private channels -> what became of our orders and balances.

An update of an order tells what has changed and names the order by the venue's id alone: what it
leaves out was told before, in a snapshot, when the order was new, or with an earlier change. Here
is remembered so much of each order as later updates leave out, and for no more orders than a bound.

Both channels number their messages: one that is missing means that something was not told.

Source: docs.kraken.com, WebSocket v2, ``executions`` and ``balances`` (pages of 2026-05-27).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from core.model.errors import OffGrid
from core.model.events import (
    NO_INSTRUMENT,
    Balance,
    BalanceMoved,
    ExecType,
    Numbered,
    OrdStatus,
    Side,
)
from core.model.instrument import Instrument
from venues.kit import messages
from venues.kit.literals import atoms, parse_number
from venues.kit.times import rfc3339_ns

MAX_ORDERS: Final = 20_000
"""Orders remembered: a hundred times what any tier may have open on a pair. The one that was told
of longest ago goes first."""

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Fee(Struct, frozen=True, gc=False):
    asset: str
    qty: Raw


class Report(Struct, frozen=True, gc=False, kw_only=True):
    """One entry of ``executions``: every field but the first three may be left out."""

    order_id: str
    exec_type: str
    timestamp: str
    order_status: str = ""
    symbol: str = ""
    side: Literal["buy", "sell", ""] = ""
    cl_ord_id: str = ""
    order_type: str = ""
    order_qty: Raw | UnsetType = UNSET
    limit_price: Raw | UnsetType = UNSET
    cum_qty: Raw | UnsetType = UNSET
    exec_id: str = ""
    trade_id: Count = 0
    last_qty: Raw | UnsetType = UNSET
    last_price: Raw | UnsetType = UNSET
    liquidity_ind: Literal["m", "t", ""] = ""
    fees: list[Fee] = []
    reason: str = ""
    ratecount: Raw | UnsetType = UNSET


class ExecutionsMessage(Struct, frozen=True, gc=False):
    type: Literal["snapshot", "update"]
    data: list[Report]
    sequence: Count = 0


class Asset(Struct, frozen=True, gc=False, kw_only=True):
    """One entry of ``balances``: of a snapshot the balance, of an update a ledger entry too."""

    asset: str
    balance: Raw
    amount: Raw | UnsetType = UNSET
    fee: Raw | UnsetType = UNSET
    type: str = ""
    timestamp: str = ""


class BalancesMessage(Struct, frozen=True, gc=False):
    type: Literal["snapshot", "update"]
    data: list[Asset]
    sequence: Count = 0


_read_executions = messages.decoder(ExecutionsMessage)
_read_balances = messages.decoder(BalancesMessage)

CHANGES: Final[dict[str, ExecType]] = {
    "pending_new": ExecType.NEW,
    "new": ExecType.NEW,
    "trade": ExecType.TRADE,
    # It tells no fill: those have come as trades before it.
    "filled": ExecType.SNAPSHOT,
    "canceled": ExecType.CANCELED,
    "expired": ExecType.EXPIRED,
    "amended": ExecType.REPLACED,
    # The engine itself has changed the order: what it says of it is its state now.
    "restated": ExecType.REPLACED,
    "iceberg_refill": ExecType.SNAPSHOT,
    "status": ExecType.SNAPSHOT,
}
"""``exec_type``; the set is closed."""

STATUSES: Final[dict[str, OrdStatus]] = {
    "pending_new": OrdStatus.PENDING,
    "new": OrdStatus.NEW,
    "partially_filled": OrdStatus.PARTIALLY_FILLED,
    "filled": OrdStatus.FILLED,
    "canceled": OrdStatus.CANCELED,
    "expired": OrdStatus.EXPIRED,
}
"""``order_status``; the set is closed."""


class Fill(Struct, frozen=True, gc=False):
    """One execution, under the venue's text id of it; a rebate is a fee below zero."""

    execution_id: str
    price_ticks: int
    lots: int
    fees: tuple[tuple[str, int], ...]
    """Asset and atoms."""
    maker: bool
    venue_ns: int


class Execution(Struct, frozen=True, kw_only=True):
    """What one report says of its order, what was told of it before included.

    ``None`` is what the venue has not told since we listen: nothing is guessed.
    """

    instrument: int
    """``NO_INSTRUMENT`` for a pair that is not of this run, or was not told."""
    symbol: str
    order_id: str
    client_order_id: str
    exec_type: ExecType
    status: OrdStatus
    side: Side | None
    price_ticks: int | None
    """0 for an order without a limit."""
    size_lots: int | None
    filled_lots: int | None
    fill: Fill | None = None
    last: tuple[str, str] | None = None
    """Size and price of a trade on a pair that is not of this run, as they are written."""
    reason: str = ""
    rate_count: int | None = None
    """What the pair's counter of orders held by then, rounded up."""
    venue_ns: int


class Unreadable(Struct, frozen=True):
    """A report outside the closed sets, or off the grid of today: it is never booked."""

    instrument: int
    order_id: str
    client_order_id: str
    what: str
    status: OrdStatus | None = None
    """How it stands, where only its numbers cannot be read."""


class _Order(Struct, frozen=True, gc=False):
    """What later updates of an order leave out."""

    symbol: str = ""
    client_order_id: str = ""
    side: Side | None = None
    price: bytes | None = None
    size: bytes | None = None
    filled: bytes | None = None

    def after(self, told: Report) -> _Order:
        """Return it as a report tells it; what that leaves out stays as it was."""
        side, price, size, filled = self.side, self.price, self.size, self.filled
        if told.side:
            side = Side.BUY if told.side == "buy" else Side.SELL
        if told.limit_price is not UNSET:
            price = bytes(told.limit_price)
        elif told.order_type == "market":
            price = b"0"
        if told.order_qty is not UNSET:
            size = bytes(told.order_qty)
        if told.cum_qty is not UNSET:
            filled = bytes(told.cum_qty)
        elif filled is None and told.exec_type in ("pending_new", "new"):
            filled = b"0"  # of a new order the documented examples leave it out
        symbol, name = told.symbol or self.symbol, told.cl_ord_id or self.client_order_id
        return _Order(symbol, name, side, price, size, filled)


_NEVER_TOLD: Final = _Order()


class Executions:
    """Reads ``executions`` of one account, by the instruments of this run."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = instruments
        self._orders: dict[str, _Order] = {}

    def __len__(self) -> int:
        return len(self._orders)

    def read(self, payload: bytes) -> tuple[Numbered, list[Execution | Unreadable]]:
        """Return what one message says. Raises ``Malformed`` or ``Drifted``, nothing else.

        Of a message that is refused nothing is remembered, of none of its reports.
        """
        heard: dict[str, _Order] = {}
        try:
            message = _read_executions(payload)
            first = message.type == "snapshot"
            found = [self._report(told, heard, snapshot=first) for told in message.data]
        except messages.FAILURES as error:
            messages.refuse(error)
        self._remember(heard)
        return Numbered("executions", message.sequence, first), found

    def _remember(self, heard: Mapping[str, _Order]) -> None:
        orders = self._orders
        for order_id, order in heard.items():
            orders.pop(order_id, None)
            orders[order_id] = order  # the newest told of is the last to go
            if len(orders) > MAX_ORDERS:
                del orders[next(iter(orders))]

    def _report(
        self, told: Report, heard: dict[str, _Order], *, snapshot: bool
    ) -> Execution | Unreadable:
        """Return what a report says; ``heard`` is what its message has told of orders so far."""
        known = heard.get(told.order_id) or self._orders.get(told.order_id, _NEVER_TOLD)
        order = heard[told.order_id] = known.after(told)
        instrument = self._instruments.get(order.symbol)
        index = NO_INSTRUMENT if instrument is None else instrument.index
        exec_type, status = CHANGES.get(told.exec_type), STATUSES.get(told.order_status)
        if exec_type is None or status is None:
            what = f"exec_type={told.exec_type} order_status={told.order_status}"
            return Unreadable(index, told.order_id, order.client_order_id, what)
        is_trade = exec_type is ExecType.TRADE
        if snapshot and not is_trade:
            exec_type = ExecType.SNAPSHOT
        price = size = filled = None
        fill = last = None
        if instrument is None and is_trade:
            last = _last(told)
        if instrument is not None:
            try:
                price = _count(instrument, order.price, price=True)
                size = _count(instrument, order.size)
                filled = _count(instrument, order.filled)
                fill = _fill(told, instrument) if is_trade else None
            except OffGrid as error:
                return Unreadable(index, told.order_id, order.client_order_id, str(error), status)
        return Execution(
            instrument=index,
            symbol=order.symbol,
            order_id=told.order_id,
            client_order_id=order.client_order_id,
            exec_type=exec_type,
            status=status,
            side=order.side,
            price_ticks=price,
            size_lots=size,
            filled_lots=filled,
            fill=fill,
            last=last,
            reason=told.reason,
            rate_count=_rate_count(told.ratecount),
            venue_ns=rfc3339_ns(told.timestamp),
        )


def _rate_count(literal: Raw | UnsetType) -> int | None:
    if literal is UNSET:
        return None
    mantissa, decimals = parse_number(bytes(literal))
    whole, rest = divmod(mantissa, int(10**decimals))
    return max(0, whole + bool(rest))


def _count(instrument: Instrument, literal: bytes | None, *, price: bool = False) -> int | None:
    if literal is None:
        return None
    grid = instrument.tick if price else instrument.lot
    return grid.count_of(*parse_number(literal), literal.decode())


def _last(told: Report) -> tuple[str, str]:
    """Return size and price of a trade, as they are written."""
    if told.last_qty is UNSET or told.last_price is UNSET:
        raise msgspec.ValidationError("a trade without last_qty or last_price")
    return bytes(told.last_qty).decode(), bytes(told.last_price).decode()


def _fill(told: Report, instrument: Instrument) -> Fill:
    """Return the execution of a trade report. Raises ``Drifted`` where it does not say what was."""
    if told.last_qty is UNSET or told.last_price is UNSET or not (told.exec_id or told.trade_id):
        raise msgspec.ValidationError("a trade without last_qty, last_price or exec_id")
    price, size = bytes(told.last_price), bytes(told.last_qty)
    lots = instrument.lot.count_of(*parse_number(size), size.decode())
    ticks = instrument.tick.count_of(*parse_number(price), price.decode())
    if not lots or not ticks:
        raise msgspec.ValidationError("a trade of nothing")
    return Fill(
        told.exec_id or str(told.trade_id),
        ticks,
        lots,
        tuple((fee.asset, atoms(bytes(fee.qty))) for fee in told.fees),
        told.liquidity_ind == "m",
        rfc3339_ns(told.timestamp),
    )


# -- balances ----------------------------------------------------------------------------------

TRADING: Final = frozenset({"trade", "margin", "settled", "rollover"})
"""Types of ledger entries that trades make; every other one moves an asset for another reason."""


class Balances(Struct, frozen=True):
    """Balances as one message states them, over all wallets of an asset, and what moved them."""

    whole: bool
    balances: tuple[Balance, ...]
    """What is held by open orders is not told here: all of it counts as free."""
    moved: tuple[BalanceMoved, ...]


def read_balances(payload: bytes) -> tuple[Numbered, Balances]:
    """Return what one message says. Raises ``Malformed`` or ``Drifted``, nothing else."""
    try:
        message = _read_balances(payload)
        first = message.type == "snapshot"
        held = tuple(Balance(one.asset, atoms(bytes(one.balance)), 0) for one in message.data)
        moves = (_moved(one) for one in message.data if not first)
        moved = tuple(one for one in moves if one is not None)
    except messages.FAILURES as error:
        messages.refuse(error)
    return Numbered("balances", message.sequence, first), Balances(first, held, moved)


def _moved(entry: Asset) -> BalanceMoved | None:
    """Return a move that no trade made: the amount, less its fee."""
    if entry.amount is UNSET or not entry.type:
        raise msgspec.ValidationError("a ledger entry without amount or type")
    if entry.type in TRADING:
        return None
    fee_atoms = 0 if entry.fee is UNSET else atoms(bytes(entry.fee))
    delta_atoms = atoms(bytes(entry.amount)) - fee_atoms
    return BalanceMoved(entry.asset, delta_atoms, rfc3339_ns(entry.timestamp))
