"""What a reply, or its absence, proves about the orders it concerns; and asking until it is known.

Here the verdict on a request meets the order table. Silence, a lost line and an unlisted error all
mean the same: nothing is proved, so the order is doubted, keeps its exposure, and is asked about.
A new order is never sent again from here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.commands import (
    Amend,
    Cancel,
    CancelAll,
    Command,
    FetchOrderTrades,
    Place,
    QueryOrder,
    Replace,
    Riskless,
)
from core.doubts import Doubts
from core.events import ReplaceOutcome, Reply, Verdict
from core.inflight import Asked
from core.orders import Folded, Order, Orders
from core.outbound import Outbound
from core.throttle import Share
from core.units import NS_PER_S

SKEW_NS = 2 * NS_PER_S
"""Added to a request's expiry before "not found" proves anything: venues accept times up to 1 s
ahead, and our measure of their clock is good to well below the other."""

_WITHHELD = Reply(request_id=0, verdict=Verdict.WITHHELD, text="halted before it left")
_UNPROVED = Reply(request_id=0, verdict=Verdict.UNKNOWN, text="no reply")


class Proof:
    """Folds verdicts into the order table, and keeps the list of what is in doubt."""

    def __init__(
        self,
        *,
        orders: Orders,
        outbound: Outbound,
        settle: Callable[[Folded], None],
        expiry_ns: int,
    ) -> None:
        self._orders = orders
        self._outbound = outbound
        self._settle = settle
        self._expiry_ns = expiry_ns
        self.doubts: Doubts[str] = Doubts()
        """Client ids of the orders that have to be asked about."""
        self._readers: dict[type[Command], Callable[[Any, Asked, Reply, int], None]] = {
            Place: self._on_place,
            Cancel: self._on_cancel,
            Replace: self._on_replace,
            Amend: self._on_amend,
            CancelAll: self._on_cancel_all,
            QueryOrder: self._on_query,
            FetchOrderTrades: self._on_order_trades,
        }

    def on_reply(self, asked: Asked, reply: Reply, now_ns: int) -> None:
        """Fold what a reply proves; the facts it carries are folded already."""
        reader = self._readers.get(type(asked.command))
        if reader is not None:
            reader(asked.command, asked, reply, now_ns)

    def on_no_reply(self, asked: Asked, now_ns: int) -> None:
        """The reply can no longer come, or is long overdue: nothing is proved."""
        self.on_reply(asked, _UNPROVED, now_ns)

    def on_withheld(self, asked: Asked, now_ns: int) -> None:
        """The request never left."""
        self.on_reply(asked, _WITHHELD, now_ns)

    def doubt(self, client_order_id: str, now_ns: int) -> None:
        """Ask about an order until the venue proves how it stands."""
        self.doubts.raise_(client_order_id, now_ns)

    def ask(self, now_ns: int, share: Share) -> None:
        """Send the questions that are due, as far as that share of the budget allows."""
        for client_order_id in self.doubts.due(now_ns):
            order = self._orders.find(client_order_id)
            if order is None or (order.state.terminal and not order.unbooked_lots):
                self.doubts.settle(client_order_id)
            else:
                self._outbound.request(_question(order), now_ns, share=share)

    # -- one reader per kind of request --------------------------------------------------------

    def _on_place(self, place: Place, _: Asked, reply: Reply, now_ns: int) -> None:
        order = self._orders.find(place.client_order_id)
        if order is not None:
            self._placed(order, reply.verdict, reply.code, reply.text, now_ns)

    def _placed(self, order: Order, verdict: Verdict, code: int, text: str, now_ns: int) -> None:
        if verdict is Verdict.DONE:
            if not order.proved:
                self._in_doubt(order, now_ns)
        elif verdict is Verdict.UNKNOWN:
            self._in_doubt(order, now_ns)
        else:
            self._settle(self._orders.on_refused(order, f"{code} {text}"))

    def _in_doubt(self, order: Order, now_ns: int) -> None:
        self._settle(self._orders.on_doubt(order))
        self.doubts.raise_(order.client_order_id, now_ns)

    def _on_cancel(self, cancel: Cancel, _: Asked, reply: Reply, now_ns: int) -> None:
        self._cancelled(cancel, reply.verdict, now_ns)

    def _cancelled(self, cancel: Cancel, verdict: Verdict, now_ns: int) -> None:
        order = self._orders.find(cancel.client_order_id)
        if order is None or order.state.terminal:
            return
        self._release(order)
        if verdict in (Verdict.DONE, Verdict.REFUSED, Verdict.ABSENT, Verdict.UNKNOWN):
            # Not even "done" without a report that it is, nor a refusal, says how it stands.
            self.doubts.raise_(order.client_order_id, now_ns)

    def _release(self, order: Order) -> None:
        if order.cancelling:
            order.cancelling = False
            self._settle(Folded(order, True))

    def _on_replace(self, replace: Replace, _: Asked, reply: Reply, now_ns: int) -> None:
        outcome = next((fact for fact in reply.facts if type(fact) is ReplaceOutcome), None)
        new = self._orders.find(replace.new.client_order_id)
        if not isinstance(outcome, ReplaceOutcome):
            # The whole request failed before either half was tried, or nobody knows.
            self._cancelled(replace.old, reply.verdict, now_ns)
            if new is not None:
                self._placed(new, reply.verdict, reply.code, reply.text, now_ns)
            return
        self._cancelled(replace.old, outcome.cancel, now_ns)
        if new is not None:
            self._placed(new, outcome.place, outcome.place_code, outcome.place_text, now_ns)

    def _on_amend(self, amend: Amend, _: Asked, reply: Reply, now_ns: int) -> None:
        order = self._orders.find(amend.client_order_id)
        if order is None or order.state.terminal:
            return
        self._release(order)
        if reply.verdict in (Verdict.REFUSED, Verdict.ABSENT, Verdict.UNKNOWN):
            self.doubts.raise_(order.client_order_id, now_ns)

    def _on_cancel_all(self, command: CancelAll, _: Asked, __: Reply, now_ns: int) -> None:
        for order in self._orders.open():
            if order.instrument == command.instrument:
                self.doubts.raise_(order.client_order_id, now_ns)

    def _on_query(self, query: QueryOrder, asked: Asked, reply: Reply, now_ns: int) -> None:
        order = self._orders.find(query.client_order_id)
        if order is None:
            self.doubts.settle(query.client_order_id)
        elif reply.verdict is Verdict.DONE:
            if not order.unbooked_lots:
                self.doubts.settle(query.client_order_id)
        elif reply.verdict is Verdict.ABSENT and self._can_no_longer_be_taken(order, asked):
            self._settle(self._orders.on_refused(order, "the venue knows no such order"))
            self.doubts.settle(query.client_order_id)
        self._release_if_lost(order)

    def _can_no_longer_be_taken(self, order: Order, asked: Asked) -> bool:
        return not order.proved and asked.sent_ns > order.sent_ns + self._expiry_ns + SKEW_NS

    def _release_if_lost(self, order: Order | None) -> None:
        """A question was answered, so no cancel asked before it is still on its way."""
        if order is not None and not order.state.terminal:
            self._release(order)

    def _on_order_trades(self, fetch: FetchOrderTrades, _: Asked, __: Reply, now_ns: int) -> None:
        order = self._orders.by_venue_id(fetch.instrument, fetch.venue_order_id)
        if order is not None and not order.unbooked_lots and order.state.terminal:
            self.doubts.settle(order.client_order_id)


def _question(order: Order) -> Riskless:
    if order.unbooked_lots and order.venue_order_id:
        return FetchOrderTrades(order.instrument, order.venue_order_id)
    return QueryOrder(order.instrument, order.client_order_id, order.venue_order_id)
