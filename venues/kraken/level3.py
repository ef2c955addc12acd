"""Messages of ``level3`` -> core's events: every order of a book, one by one.

Source: docs.kraken.com, WebSocket v2 ``level3`` (page of 2026-05-27): a snapshot has all orders
down to the depth, an update those that are added, modified or deleted, each with its time. One that
is deleted is told with the size it had.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Raw, Struct

from core.model.errors import OffGrid
from core.model.events import Event, Queued, QueueDelta, QueueSnapshot
from venues.kit import messages
from venues.kit.literals import Counts
from venues.kit.times import rfc3339_ns
from venues.kraken.checksum import NO_CHECKSUM
from venues.kraken.schema import Crc


class Order(Struct, frozen=True, gc=False, kw_only=True):
    order_id: str
    limit_price: Raw
    order_qty: Raw
    timestamp: str
    event: Literal["add", "modify", "delete", ""] = ""


class Orders(Struct, frozen=True, gc=False, kw_only=True):
    symbol: str
    bids: list[Order]
    asks: list[Order]
    checksum: Crc
    timestamp: str = ""


class OrdersMessage(Struct, frozen=True, gc=False):
    type: Literal["snapshot", "update"]
    data: list[Orders]


read = messages.decoder(OrdersMessage)


def told(kind: str, orders: Orders, index: int, prices: Counts, sizes: Counts) -> Event:
    """Return what a message says of one book; an order on no grid of ours proves it wrong."""
    checksum = orders.checksum
    try:
        bids = [_queued(order, prices, sizes) for order in orders.bids]
        asks = [_queued(order, prices, sizes) for order in orders.asks]
    except OffGrid:
        bids, asks, checksum = [], [], NO_CHECKSUM
    if kind == "snapshot":
        return QueueSnapshot(index, bids, asks, checksum)
    newest_ns = rfc3339_ns(orders.timestamp) if orders.timestamp else _newest(bids, asks)
    return QueueDelta(index, bids, asks, newest_ns, checksum)


def _queued(order: Order, prices: Counts, sizes: Counts) -> Queued:
    lots = 0 if order.event == "delete" else sizes[bytes(order.order_qty)]
    return order.order_id, prices[bytes(order.limit_price)], lots, rfc3339_ns(order.timestamp)


def _newest(bids: list[Queued], asks: list[Queued]) -> int:
    return max((placed_ns for _, _, _, placed_ns in (*bids, *asks)), default=0)
