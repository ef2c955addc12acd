"""Order lists: orders that end, or begin, one another, and the forms in which the venue shows them.

An OCO is a pair of which one order's beginning ends the other; an OTO holds one order, or such a
pair, back until its working order is filled. Here is the record; the engine carries it out.
Sources: rest-api.md (Order lists), user-data-stream.md (listStatus) at a5e0bc3 (2026-07-21).
"""

from typing import Any, Final

from venues.sim.orders import PENDING, Order

OCO: Final = "OCO"
OTO: Final = "OTO"
# Why an order expires whose other one has begun to work or has ended.
OCO_TRIGGER: Final = "OCO_TRIGGER"


class OrderList:
    """One order list of an account; an OTO's working order comes first in ``orders``."""

    __slots__ = (
        "client_id", "contingency", "is_done", "list_id", "orders", "owner", "placed_ns", "symbol",
        "updated_ns",
    )  # fmt: skip

    def __init__(
        self, list_id: int, owner: int, symbol: str, contingency: str, client_id: str, now_ns: int
    ) -> None:
        self.list_id = list_id
        self.owner = owner
        self.symbol = symbol
        self.contingency = contingency
        self.client_id = client_id
        self.orders: list[Order] = []
        self.placed_ns = self.updated_ns = now_ns
        self.is_done = False

    def finish(self) -> bool:
        """Mark the list as done once nothing of it is open; return whether that is new."""
        if self.is_done or any(one.is_open for one in self.orders):
            return False
        self.is_done = True
        return True

    @property
    def pending(self) -> list[Order]:
        """Those that still wait for the working order of an OTO to be filled."""
        return [one for one in self.orders if one.status == PENDING]

    def rival(self, order: Order) -> Order | None:
        """Return the other order of an OCO pair while it is open."""
        pair = self.orders if self.contingency == OCO else self.orders[1:]
        if order not in pair:
            return None
        return next((one for one in pair if one is not order and one.is_open), None)


def shown(one: OrderList, unit_ns: int) -> dict[str, Any]:
    """Return an order list as orderList.status shows it, and as every answer about it begins."""
    return {
        "orderListId": one.list_id,
        "contingencyType": one.contingency,
        "listStatusType": "ALL_DONE" if one.is_done else "EXEC_STARTED",
        "listOrderStatus": "ALL_DONE" if one.is_done else "EXECUTING",
        "listClientOrderId": one.client_id,
        "transactionTime": one.updated_ns // unit_ns,
        "symbol": one.symbol,
        "orders": [
            {
                "symbol": one.symbol,
                "orderId": order.order_id,
                "clientOrderId": _name(order),
            }
            for order in one.orders
        ],
    }


def amended_shown(one: OrderList) -> dict[str, Any]:
    """Return what an amendment of one of its orders says of the list."""
    full = shown(one, 1)
    return {name: full[name] for name in _AMENDED}


_AMENDED: Final = (
    "orderListId", "contingencyType", "listOrderStatus", "listClientOrderId", "symbol", "orders",
)  # fmt: skip


def event(one: OrderList, kind: str, now_ns: int) -> dict[str, Any]:
    """Return a listStatus event (``kind``: EXEC_STARTED, UPDATED or ALL_DONE)."""
    return {
        "e": "listStatus",
        "E": now_ns,
        "s": one.symbol,
        "g": one.list_id,
        "c": one.contingency,
        "l": kind,
        "L": "ALL_DONE" if one.is_done else "EXECUTING",
        "r": "NONE",
        "C": one.client_id,
        "T": now_ns,
        "O": [{"s": one.symbol, "i": order.order_id, "c": _name(order)} for order in one.orders],
    }


def _name(order: Order) -> str:
    """Return the client order id that an order had before its cancel took its place."""
    return order.names[-2] if order.status == "CANCELED" else order.client_id
