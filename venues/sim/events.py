"""What happens in the engine and is told to somebody: trades, best prices, private events.

Times are nanoseconds, amounts 1e-8. Records alone: how a venue says each is its dialect's.
"""

from typing import NamedTuple

from venues.sim.matching import Best
from venues.sim.order_lists import OrderList
from venues.sim.orders import Allocation, Execution, Order, PreventedMatch
from venues.sim.refusals import Reason
from venues.sim.tape import Aggregate, Trade


class Printed(NamedTuple):
    """A trade happened."""

    symbol: str
    trade: Trade


class Aggregated(NamedTuple):
    """A taker order's trades at one price, after its last fill."""

    symbol: str
    aggregate: Aggregate


class BestMoved(NamedTuple):
    """A best price or its total changed."""

    symbol: str
    best: Best


class Prevention(NamedTuple):
    """What one order lost to the prevention of a self-trade with ``counter_id``."""

    match: PreventedMatch
    lost: int
    counter_id: int


class OrderChanged(NamedTuple):
    """Something happened to an order of an account; ``order`` is what it was right after.

    ``kind`` is NEW, TRADE, REPLACED, CANCELED, EXPIRED, TRADE_PREVENTION or REJECTED; a REJECTED
    order was never accepted and says why.
    """

    account: int
    kind: str
    order: Order
    execution_id: int
    time_ns: int
    former_client_id: str = ""
    execution: Execution | None = None
    allocation: Allocation | None = None
    prevention: Prevention | None = None
    refused: Reason | None = None


class ListChanged(NamedTuple):
    """An order list began (EXEC_STARTED), changed (UPDATED) or ended (ALL_DONE).

    ``names`` are the client ids that its orders have, or had before a cancel.
    """

    account: int
    kind: str
    one: OrderList
    is_done: bool
    names: tuple[str, ...]
    time_ns: int


class BalancesChanged(NamedTuple):
    """What an account has of some assets after a request: (asset, free, locked)."""

    account: int
    balances: tuple[tuple[str, int, int], ...]
    time_ns: int


class Moved(NamedTuple):
    """One entry of an account's ledger: ``amount`` came, or left when negative, less ``fee``.

    ``total`` is what the account then has of the asset, locked or not; ``execution`` is the fill
    that moved it in ``symbol``, None for a deposit.
    """

    account: int
    asset: str
    amount: int
    fee: int
    total: int
    symbol: str
    execution: Execution | None
    time_ns: int


class LockedOutside(NamedTuple):
    """Another system locked ``amount`` of an asset, or unlocked it when negative."""

    account: int
    asset: str
    amount: int
    time_ns: int


Told = OrderChanged | ListChanged | BalancesChanged | Moved | LockedOutside
PRIVATE = (OrderChanged, ListChanged, BalancesChanged, Moved, LockedOutside)
Event = Printed | Aggregated | BestMoved | Told
