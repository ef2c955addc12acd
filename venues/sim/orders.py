"""An order's record, and what it went through."""

import copy
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from venues.sim.durations import SECOND_NS
from venues.sim.matching import BUY, Resting, SelfTrade
from venues.sim.tape import Trade

NO_LIST: Final = -1
# An order of a list that is not placed before another one is filled.
PENDING: Final = "PENDING_NEW"
# How far back what an order was is kept: as far as a replica may be behind.
REPLICA_NS: Final = 60 * SECOND_NS


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A request to place an order, checked for form but not yet against the book or balances.

    ``client_id`` is empty where the dialect gives it none. ``tag`` is what the dialect keeps with
    the order; nobody else looks at it.
    """

    side: bool
    kind: str
    time_in_force: str
    price: int
    quantity: int
    quote_quantity: int
    client_id: str
    self_trade: SelfTrade
    tag: Any = None
    stop_price: int = 0
    trailing_delta: int | None = None
    iceberg: int = 0


class Order(Resting):
    """An order of an account, from acceptance on."""

    __slots__ = (
        "amends", "client_id", "created_ns", "executed", "expiry_reason", "extreme", "iceberg",
        "kind", "list_id", "lock_price", "locked", "names", "paid", "past", "prevented",
        "prevented_id", "quantity", "quote_executed", "quote_quantity",
        "self_trade", "status", "stop_price", "symbol", "tag",
        "time_in_force", "trailing_delta", "trailing_ns", "updated_ns", "used_sor", "working_ns",
    )  # fmt: skip

    def __init__(
        self, request: NewOrder, symbol: str, order_id: int, owner: int, now_ns: int
    ) -> None:
        super().__init__(order_id, owner, request.side, request.price, request.quantity, now_ns)
        self.symbol = symbol
        self.client_id = request.client_id
        # Every client order id this order ever had; it can be requested by each of them.
        self.names = [request.client_id]
        self.kind = request.kind
        self.time_in_force = request.time_in_force
        self.quantity = request.quantity
        self.quote_quantity = request.quote_quantity
        self.self_trade = request.self_trade
        self.tag = request.tag
        self.status = "NEW"
        self.executed = 0
        self.quote_executed = 0
        # Commissions so far, where all are paid in one asset.
        self.paid = 0
        self.prevented = 0
        self.prevented_id: int | None = None
        self.expiry_reason: str | None = None
        self.used_sor = False
        self.locked = 0
        # What a unit of a buy order locks; None where its whole cost is known and locked.
        self.lock_price: int | None = request.price or None
        self.list_id = NO_LIST
        self.stop_price = request.stop_price
        self.trailing_delta = request.trailing_delta
        # Since when a trailing order follows the price, and the best price it has seen since.
        self.trailing_ns: int | None = None
        self.extreme = 0
        self.iceberg = request.iceberg
        self.amends: list[Amendment] = []
        self.created_ns = self.updated_ns = now_ns
        self.working_ns: int | None = now_ns
        # What the order was after each change that a replica may still show, oldest first.
        self.past: list[Order] = []

    @property
    def side_name(self) -> str:
        return "BUY" if self.side is BUY else "SELL"

    @property
    def name(self) -> str:
        """The client order id, or that which it had before its cancel gave it another."""
        renamed = self.status == "CANCELED" and len(self.names) > 1
        return self.names[-2] if renamed else self.client_id

    @property
    def is_open(self) -> bool:
        return self.status in {"NEW", "PARTIALLY_FILLED", PENDING}

    def remember(self) -> None:
        """Keep what the order is now for replicas that are behind, which reach so far back."""
        past = self.past
        past.append(copy.copy(self))
        while len(past) > 1 and past[1].updated_ns <= self.updated_ns - REPLICA_NS:
            del past[0]

    def at(self, seen_ns: int) -> "Order | None":
        """Return the order as it was at a time, None where it was not known by then."""
        if self.updated_ns <= seen_ns:
            return self
        return next((one for one in reversed(self.past) if one.updated_ns <= seen_ns), None)

    def rename(self, client_id: str) -> str:
        """Give the order a new client order id and return the former one."""
        former, self.client_id = self.client_id, client_id
        self.names.append(client_id)
        return former


class Amendment(NamedTuple):
    """One reduction of an order's quantity."""

    execution_id: int
    former_client_id: str
    client_id: str
    former_quantity: int
    quantity: int
    time_ns: int


class Execution(NamedTuple):
    """One account's side of a trade."""

    trade: Trade
    order_id: int
    is_buyer: bool
    is_maker: bool
    commission: int
    commission_asset: str


class Allocation(NamedTuple):
    """A fill that the exchange gave an order instead of a trade (faqs/sor_faq.md)."""

    allocation_id: int
    order_id: int
    is_buyer: bool
    price: int
    quantity: int
    quote: int
    commission: int
    commission_asset: str
    time_ns: int


class PreventedMatch(NamedTuple):
    """A self-trade that was prevented."""

    prevented_id: int
    taker_order_id: int
    maker_order_id: int
    mode: SelfTrade
    time_ns: int
    price: int
    taker_quantity: int
    maker_quantity: int
    match_quantity: int
