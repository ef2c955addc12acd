"""What is told of our orders, fills and balances, by stream or by answer -> core's events.

A trade of ours is known by the venue's text id of it. Its rank is the second it was made in: the
stream tells a time to the microsecond and a history cuts it, so that a finer one would not be the
same by both.

Source: docs.kraken.com, WebSocket v2 ``executions``, REST ``TradesHistory`` (pages of 2026-05-27).
"""

from __future__ import annotations

from core.model import events
from core.model.events import (
    NO_INSTRUMENT,
    FillReport,
    OffGridTrade,
    OrderReport,
    Source,
    TradeElsewhere,
    UnknownExecution,
)
from core.model.units import NS_PER_S
from venues.kraken.executions import Execution, Fill, Unreadable
from venues.kraken.history import OffGridFill, OwnFill

Told = OrderReport | UnknownExecution | TradeElsewhere


def told(found: Execution | Unreadable, source: Source) -> Told:
    """Return what a report says of its order; what was never told of it makes it unreadable."""
    if isinstance(found, Unreadable):
        return UnknownExecution(
            found.instrument, found.client_order_id, found.what, found.order_id, found.status
        )
    side, price, size, filled = found.side, found.price_ticks, found.size_lots, found.filled_lots
    elsewhere = found.instrument == NO_INSTRUMENT
    if elsewhere and found.last is not None and side is not None:
        return TradeElsewhere(found.symbol, side, *found.last, found.venue_ns)
    if elsewhere:
        price, size, filled = 0, 0, 0
    if side is None or price is None or size is None or filled is None:
        return _unknown(found, "an order of which side, price or size was never told")
    fills: tuple[events.Fill, ...] = ()
    if found.fill is not None:
        fills = (_fill(found.fill),)
    return OrderReport(
        instrument=found.instrument,
        client_order_id=found.client_order_id,
        venue_order_id=found.order_id,
        source=source,
        exec_type=found.exec_type,
        status=found.status,
        side=side,
        price_ticks=price,
        size_lots=size,
        filled_lots=filled,
        fills=fills,
        reason=found.reason,
        venue_ns=found.venue_ns,
    )


def _unknown(found: Execution, what: str) -> UnknownExecution:
    return UnknownExecution(found.instrument, found.client_order_id, what, found.order_id)


def _fill(fill: Fill) -> events.Fill:
    fees: dict[str, int] = {}
    for asset, fee_atoms in fill.fees:
        fees[asset] = fees.get(asset, 0) + fee_atoms
    (asset, fee_atoms), *also = fees.items() or (("", 0),)
    return events.Fill(
        fill.execution_id,
        rank(fill.venue_ns),
        fill.price_ticks,
        fill.lots,
        fee_atoms,
        asset,
        fill.maker,
        fill.venue_ns,
        also=tuple(also),
    )


def rank(venue_ns: int) -> int:
    """Return where a trade of this time stands among the others of its instrument."""
    return venue_ns // NS_PER_S


def own(found: OwnFill | OffGridFill) -> FillReport | OffGridTrade:
    """Return a trade that was found by asking."""
    if isinstance(found, OwnFill):
        return FillReport(found.instrument, found.order_id, found.side, _fill(found.fill))
    return OffGridTrade(
        found.instrument,
        found.order_id,
        found.execution_id,
        rank(found.venue_ns),
        found.side,
        found.base_atoms,
        found.quote_atoms,
        found.fee_atoms,
        found.fee_asset,
        found.venue_ns,
    )
