"""From Binance's words to ours: orders, fills, balances and numbers become exact events.

Here lives what the wire's values mean. Which frame they came in is the decoder's business, and
nothing here decides what to do about them. Anything that is not a legal number of the field is
``Malformed``; an order report with a word outside a closed set, or with a size that the grid of
today cannot express, becomes ``UnknownExecution`` and is never booked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from core.model.errors import Malformed, OffGrid
from core.model.events import (
    NO_INSTRUMENT,
    Balance,
    ExecType,
    Fill,
    FillReport,
    OffGridTrade,
    OrderReport,
    OrdStatus,
    Side,
    Source,
    TradeElsewhere,
    UnknownExecution,
)
from core.model.instrument import Instrument
from core.model.units import (
    ASSET_DECIMALS,
    NS_PER_MS,
    Grid,
    atoms,
)
from venues.binance import schema
from venues.kit.numbers import Dropped, RoundedDown, RoundedUp, positive

Instruments = Mapping[str, Instrument]
"""The instruments of this run by the venue's symbol."""

SIDES: Final[dict[str, Side]] = {"BUY": Side.BUY, "SELL": Side.SELL}

CHANGES: Final[dict[str, ExecType]] = {
    "NEW": ExecType.NEW,
    "TRADE": ExecType.TRADE,
    "CANCELED": ExecType.CANCELED,
    "REPLACED": ExecType.REPLACED,
    "REJECTED": ExecType.REJECTED,
    "EXPIRED": ExecType.EXPIRED,
    "TRADE_PREVENTION": ExecType.PREVENTED,
}
"""``x`` of an executionReport; the set is closed."""

STATUSES: Final[dict[str, OrdStatus]] = {
    "PENDING_NEW": OrdStatus.PENDING,
    "NEW": OrdStatus.NEW,
    "PARTIALLY_FILLED": OrdStatus.PARTIALLY_FILLED,
    "FILLED": OrdStatus.FILLED,
    "CANCELED": OrdStatus.CANCELED,
    "REJECTED": OrdStatus.REJECTED,
    "EXPIRED": OrdStatus.EXPIRED,
    "EXPIRED_IN_MATCH": OrdStatus.EXPIRED,
}
"""``X`` and ``status``; PENDING_CANCEL is documented as unused and therefore not among them."""

_CHANGE_TO: Final[dict[OrdStatus, ExecType]] = {
    OrdStatus.PENDING: ExecType.NEW,
    OrdStatus.NEW: ExecType.NEW,
    OrdStatus.PARTIALLY_FILLED: ExecType.TRADE,
    OrdStatus.FILLED: ExecType.TRADE,
    OrdStatus.CANCELED: ExecType.CANCELED,
    OrdStatus.REJECTED: ExecType.REJECTED,
    OrdStatus.EXPIRED: ExecType.EXPIRED,
}
"""What a request did, by how its answer says the order stands."""

CANCEL_END: Final = "-c"
"""What our cancels add to the client order id of their order. The venue gives a cancelled order its
cancel's id, and so it is named in every later answer; our own order ids end with a digit."""

ALLOCATION: Final = "a"
"""How the id of an allocation begins: they are counted beside the trades."""

# Bound once: to look a member up in its Enum costs 40 ns, and every report needs several.
_TRADE, _SNAPSHOT = ExecType.TRADE, ExecType.SNAPSHOT
STREAM, REPLY = Source.STREAM, Source.REPLY

_REASONS: Final = {"NONE": ""}
"""``r`` of an executionReport that tells none; any other word is a reason."""

_RENAMING: Final = frozenset({"CANCELED", "REPLACED"})
"""Executions whose ``c`` is the id of the request; the order's own id is ``C``."""


# -- numbers ---------------------------------------------------------------------------------

WIRE_DECIMALS: Final = 8
"""Decimals the venue writes all its numbers with; others are read too, at twice the cost.

An order that was placed before the venue made its ticks or lots larger rests in the book as it was
(NOTES.md), so that public prices and sizes need not be on the grid of today. Everything of our own
is exact or refused.
"""


def prices(grid: Grid) -> Dropped:
    """Return the counts of the prices of levels and trades."""
    return Dropped(grid, 1, WIRE_DECIMALS)


def bids(grid: Grid, least: int = 1) -> RoundedDown:
    """Return the counts of best bids."""
    return RoundedDown(grid, least, WIRE_DECIMALS)


def asks(grid: Grid) -> RoundedUp:
    """Return the counts of best asks."""
    return RoundedUp(grid, 1, WIRE_DECIMALS)


def sizes(grid: Grid, least: int) -> RoundedUp:
    """Return the counts of public sizes; ``least`` is 0 where one may be gone."""
    return RoundedUp(grid, least, WIRE_DECIMALS)


# -- orders ----------------------------------------------------------------------------------


def execution(
    report: schema.ExecutionReport, instruments: Instruments
) -> OrderReport | UnknownExecution | TradeElsewhere:
    """Return what an executionReport says.

    ``c`` is the id of the cancel or amend request on CANCELED and REPLACED, and the order's own
    id is in ``C`` there (empty when the venue itself took the order out).
    """
    instrument = instruments.get(report.symbol)
    index = NO_INSTRUMENT if instrument is None else instrument.index
    renamed = report.execution_type in _RENAMING and report.orig_client_order_id
    client_order_id = report.orig_client_order_id if renamed else report.client_order_id
    exec_type = CHANGES.get(report.execution_type)
    status = STATUSES.get(report.order_status)
    side = SIDES.get(report.side)
    if exec_type is None or status is None or side is None:
        what = f"x={report.execution_type} X={report.order_status} S={report.side}"
        return UnknownExecution(index, client_order_id, what, _order_id(report.order_id))
    if instrument is None and exec_type is _TRADE:
        when_ns = report.transact_time * NS_PER_MS
        return TradeElsewhere(report.symbol, side, report.last_qty, report.last_price, when_ns)
    fills: tuple[Fill, ...] = ()
    price = size = filled = 0
    if instrument is not None:
        try:
            lots = instrument.lot.counts
            price, size = instrument.tick.counts[report.price], lots[report.qty]
            if report.prevented_qty != "0":
                size = _left(instrument.lot, size, report.prevented_qty)
            filled = lots[report.cumulative_qty]
            if exec_type is _TRADE:
                fills = (_fill(report, instrument),)
        except OffGrid as error:
            number = _order_id(report.order_id)
            return UnknownExecution(index, client_order_id, str(error), number, status)
    return OrderReport(
        instrument=index,
        client_order_id=client_order_id,
        venue_order_id=str(report.order_id) if report.order_id > 0 else "",
        source=STREAM,
        exec_type=exec_type,
        status=status,
        side=side,
        price_ticks=price,
        size_lots=size,
        filled_lots=filled,
        fills=fills,
        reason=report.expiry_reason or _REASONS.get(report.reject_reason, report.reject_reason),
        venue_ns=report.transact_time * NS_PER_MS,
    )


def _left(grid: Grid, size: int, prevented: str) -> int:
    """Return an order's size without what self-trade prevention took off it."""
    left = size - grid.count(prevented)
    if left < 0:
        raise Malformed(f"of a size of {size} lots more was prevented: {prevented}")
    return left


def _fill(report: schema.ExecutionReport, instrument: Instrument) -> Fill:
    """Return the trade of a report.

    Smart order routing fills by allocation: ``t`` is -1, and ``a`` counts (sor_faq.md).
    """
    rank, listed = report.trade_id, report.trade_id >= 0
    if not listed:
        rank = report.allocation_id
        if rank < 0:
            raise Malformed("an executionReport of a trade has neither trade id nor allocation id")
    return Fill(
        str(rank) if listed else f"{ALLOCATION}{rank}",
        rank,
        positive(instrument.tick, report.last_price),
        positive(instrument.lot, report.last_qty),
        0 if report.commission is None else atoms(report.commission),
        report.commission_asset or "",
        report.maker,
        report.transact_time * NS_PER_MS,
        listed,
    )


def _order_id(number: int) -> str:
    """Return the id of an order; -1 stands for none."""
    return str(number) if number > 0 else ""


def order(
    order: schema.Order, instruments: Instruments, source: Source
) -> OrderReport | UnknownExecution:
    """Return how an order stands by an answer: ``REPLY`` to a change of it, ``QUERY`` otherwise.

    ``origClientOrderId`` is there where ``clientOrderId`` is the id of a cancel.
    """
    instrument = instruments.get(order.symbol)
    index = NO_INSTRUMENT if instrument is None else instrument.index
    client_order_id = order.orig_client_order_id or order.client_order_id
    client_order_id = client_order_id.removesuffix(CANCEL_END)
    status = STATUSES.get(order.status)
    side = SIDES.get(order.side)
    if status is None or side is None:
        what = f"status={order.status} side={order.side}"
        return UnknownExecution(index, client_order_id, what, _order_id(order.order_id))
    venue_ns = (order.transact_time or order.update_time) * NS_PER_MS
    price = size = filled = 0
    fills: tuple[Fill, ...] = ()
    if instrument is not None:
        try:
            lots = instrument.lot.counts
            price, size = instrument.tick.counts[order.price], lots[order.orig_qty]
            if order.prevented_quantity != "0":
                size = _left(instrument.lot, size, order.prevented_quantity)
            filled = lots[order.executed_qty]
            if order.fills:
                fills = tuple(_immediate_fill(fill, instrument, venue_ns) for fill in order.fills)
        except OffGrid as error:
            number = _order_id(order.order_id)
            return UnknownExecution(index, client_order_id, str(error), number, status)
    return OrderReport(
        instrument=index,
        client_order_id=client_order_id,
        venue_order_id=str(order.order_id) if order.order_id > 0 else "",
        source=source,
        exec_type=_CHANGE_TO[status] if source is REPLY else _SNAPSHOT,
        status=status,
        side=side,
        price_ticks=price,
        size_lots=size,
        filled_lots=filled,
        fills=fills,
        reason=order.expiry_reason,
        venue_ns=venue_ns,
    )


def _immediate_fill(fill: schema.WireFill, instrument: Instrument, venue_ns: int) -> Fill:
    """Return a trade of a FULL answer: what fills an order as it arrives, it takes."""
    return Fill(
        str(fill.trade_id),
        fill.trade_id,
        positive(instrument.tick, fill.price),
        positive(instrument.lot, fill.qty),
        atoms(fill.commission),
        fill.commission_asset,
        maker=False,
        venue_ns=venue_ns,
    )


def amended(answer: schema.Amended, instruments: Instruments) -> OrderReport | UnknownExecution:
    """Return how an order stands after an amend, which spells some fields in its own way."""
    told = answer.amended_order
    as_order = schema.Order(
        symbol=told.symbol,
        order_id=told.order_id,
        client_order_id=told.orig_client_order_id,
        transact_time=answer.transact_time,
        price=told.price,
        orig_qty=told.qty,
        executed_qty=told.executed_qty,
        status=told.status,
        side=told.side,
        prevented_quantity=told.prevented_qty,
    )
    report = order(as_order, instruments, REPLY)
    if isinstance(report, UnknownExecution):
        return report
    return msgspec.structs.replace(report, exec_type=ExecType.REPLACED)


def own_trade(trade: schema.OwnTrade, instruments: Instruments) -> FillReport | OffGridTrade | None:
    """Return one of the account's trades, ``None`` on a symbol that is not ours."""
    instrument = instruments.get(trade.symbol)
    if instrument is None:
        return None
    side = Side.BUY if trade.is_buyer else Side.SELL
    fee_atoms, venue_ns = atoms(trade.commission), trade.time * NS_PER_MS
    try:
        price_ticks = positive(instrument.tick, trade.price)
        lots = positive(instrument.lot, trade.qty)
    except OffGrid:
        base_atoms, price_atoms = atoms(trade.qty), atoms(trade.price)
        if base_atoms <= 0 or price_atoms <= 0:
            raise Malformed(f"{trade.qty!r} at {trade.price!r} is no trade") from None
        return OffGridTrade(
            instrument.index,
            str(trade.order_id),
            str(trade.id),
            trade.id,
            side,
            base_atoms,
            base_atoms * price_atoms // 10**ASSET_DECIMALS,
            fee_atoms,
            trade.commission_asset,
            venue_ns,
        )
    return FillReport(
        instrument.index,
        str(trade.order_id),
        side,
        Fill(
            str(trade.id),
            trade.id,
            price_ticks,
            lots,
            fee_atoms,
            trade.commission_asset,
            trade.is_maker,
            venue_ns,
        ),
    )


# -- the account -----------------------------------------------------------------------------


def balance(asset: str, free: str, locked: str) -> Balance:
    """Return an asset's balance; neither part can be below zero."""
    if free.startswith("-") or locked.startswith("-"):
        raise Malformed(f"balance of {asset} is below zero: {free} free, {locked} locked")
    return Balance(asset, atoms(free), atoms(locked))
