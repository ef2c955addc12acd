"""What happens in the engine and is told to somebody: trades, best prices, private events."""

from typing import Any, NamedTuple

from venues.sim.matching import Best
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


class Told(NamedTuple):
    """A private event of one account, times in nanoseconds."""

    account: int
    event: dict[str, Any]


Event = Printed | Aggregated | BestMoved | Told
