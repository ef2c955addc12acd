"""Order lists: orders that end, or begin, one another.

An OCO is a pair of which one order's beginning ends the other; an OTO holds one order, or such a
pair, back until its working order is filled. Here is the record; the engine carries it out.
"""

from typing import Final

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
