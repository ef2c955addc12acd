"""Charges: what a command costs now, and what is kept back so that cancels are never refused.

Here an order's age becomes a price, where the venue has one for it, and the price of taking out all
that is open is summed. What a command of some age costs is the venue's (``Adapter.cost``), and who
may spend is the throttle's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from core.model.commands import Amend, Cancel, CancelMany, Command, Replace
from core.model.events import NO_INSTRUMENT, Costs, Scope
from core.model.venue import Adapter
from core.state.orders import Order, Orders
from core.state.throttle import Throttle

OLD_NS: Final = 2**62
"""An age that nothing reaches: what costs the same then and at once has one price."""


class Charges:
    """What commands cost that change orders, or that leave where others have to be cancelled."""

    __slots__ = ("_cost", "_first_ns", "_orders", "_throttle", "uniform")

    def __init__(self, adapter: Adapter, orders: Orders, throttle: Throttle) -> None:
        self._cost = adapter.cost
        self._orders = orders
        self._throttle = throttle
        self._first_ns = 0
        """When this boot first asked: orders of earlier ones are older, however old they are."""
        self.uniform = not (
            throttle.keeps or throttle.by_instrument or self._costs_less_with_age(adapter)
        )
        """Whether a command costs the same whatever its order, its instrument and all others."""

    def _costs_less_with_age(self, adapter: Adapter) -> bool:
        changes = (Cancel(0, "", ""), Amend(0, "", "", 0))
        return any(adapter.cost(change, 0) != adapter.cost(change, OLD_NS) for change in changes)

    def of(self, command: Command, now_ns: int) -> Costs:
        """Return what a command costs that leaves at ``now_ns``, by our own clock."""
        self._first_ns = self._first_ns or now_ns
        if isinstance(command, CancelMany):
            return _sum(self.of(cancel, now_ns) for cancel in command.cancels)
        changed = changed_by(command)
        order = self._orders.find(changed) if changed else None
        return self._cost(command, 0 if order is None else self._resting_ns(order, now_ns))

    def kept(self, command: Command, now_ns: int) -> Costs:
        """Return what it would cost to cancel all that is open, once a command is carried out.

        By each kind of limit that keeps this back: on its instrument, or on the account.
        """
        keeps = self._throttle.keeps
        if not keeps or isinstance(command, Cancel | CancelMany):
            return ()
        instrument = instrument_of(command)
        amended = command.client_order_id if isinstance(command, Amend) else ""
        kept = dict.fromkeys(keeps, 0)
        for order in self._orders.open():
            resting_ns = 0 if order.client_order_id == amended else self._resting_ns(order, now_ns)
            cancel = Cancel(order.instrument, order.client_order_id, order.venue_order_id)
            for kind, tokens in self._cost(cancel, resting_ns):
                if kind in kept and (
                    order.instrument == instrument or keeps[kind] is Scope.ACCOUNT
                ):
                    kept[kind] += tokens
        return tuple(kept.items())

    def _resting_ns(self, order: Order, now_ns: int) -> int:
        since_ns = order.amended_ns or order.sent_ns or self._first_ns
        return max(0, now_ns - since_ns)


def _sum(each: Iterable[Costs]) -> Costs:
    total: dict[str, int] = {}
    for costs in each:
        for kind, tokens in costs:
            total[kind] = total.get(kind, 0) + tokens
    return tuple(total.items())


def changed_by(command: Command) -> str:
    """Return the client id of the order that a command cancels or amends, "" for none."""
    change = command.old if isinstance(command, Replace) else command
    return change.client_order_id if isinstance(change, Cancel | Amend) else ""


def instrument_of(command: Command) -> int:
    """Return the instrument that a command is about."""
    about = command.new if isinstance(command, Replace) else command
    instrument: int = getattr(about, "instrument", NO_INSTRUMENT)
    return instrument
