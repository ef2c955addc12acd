"""Order-status resolution: what a reply, or its absence, proves about orders, and queries until it
is known.

Here the verdict on a request is applied to the order table. Silence, a lost connection and an
unlisted error all mean the same: the order is in doubt, keeps its exposure, and is queried. A new
order is never sent again from here.

"No such order" proves something only when no request can still be on its way: when the request has
expired, the venue's own timeout is over and its answers no longer lag. Then
two sources have to say so, some seconds apart: the order itself, and the list of what is open. An
order that the venue has known before ends in the same way, should the venue forget it. Where a
request never expires, absence is never proved.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.engine.outbound import Outbound
from core.engine.turn import Turn
from core.model.commands import (
    Amend,
    Cancel,
    CancelAll,
    CancelMany,
    Command,
    FetchOpenOrders,
    FetchOrderTrades,
    Place,
    PlaceMany,
    QueryOrder,
    Replace,
    Riskless,
)
from core.model.events import (
    NO_INSTRUMENT,
    OpenOrders,
    OrderReport,
    ReplaceOutcome,
    Reply,
    Scope,
    UnknownExecution,
    Verdict,
    outcomes,
    refusal_text,
)
from core.model.units import NS_PER_S
from core.state.inflight import REST, InFlightRequest
from core.state.orders import Applied, Order, Orders, tells_of
from core.state.retries import Retries
from core.state.throttle import Share

SKEW_NS = 2 * NS_PER_S
"""Added to a request's expiry before "not found" proves anything: venues accept times up to 1 s
ahead, and our measure of their clock is good to well below the other."""

APART_NS = 3 * NS_PER_S
"""Between the two sources of an absence: what answers both from one moment is one source."""

REST_NS = 2 * NS_PER_S
"""How long REST is not queried about the same order again: at some venues its requests are carried
one after the other, and dozens of orders may be queried at once."""

_DONE = Verdict.DONE  # bound once: every reply is asked

_DISCARDED = Reply(request_id=0, verdict=Verdict.DISCARDED, text="halted before it left")
_UNPROVED = Reply(request_id=0, verdict=Verdict.UNKNOWN, text="no reply")


class Resolution:
    """Applies verdicts to the order table, and keeps the list of orders in doubt."""

    def __init__(
        self,
        *,
        orders: Orders,
        outbound: Outbound,
        turn: Turn,
        expiry_ns: int | None,
        execution_ns: int,
        lag_ns: int,
        tells_ns: int,
        lists: Scope,
        end_with_connection: bool,
        log: Callable[[str], None],
    ) -> None:
        """``expiry_ns`` is how long our requests are valid, ``None`` for ever; it and the others
        are as in ``core.model.venue.Capabilities``. ``end_with_connection`` says that no order
        outlives the connection that it was sent on.
        """
        self._orders = orders
        self._outbound = outbound
        self._turn = turn
        self._expiry_ns = expiry_ns
        self._execution_ns = execution_ns
        self._lag_ns = lag_ns
        self._tells_ns = tells_ns
        self._lists = lists
        self._end_with_connection = end_with_connection
        self._log = log
        self.stream_since_ns: int | None = None
        """Since when the stream of the account's own events stands, ``None`` while it does not."""
        self._absent_ns: dict[str, int] = {}
        """When an order was queried that the venue first said it does not know."""
        self._unlisted_ns: dict[str, int] = {}
        """When it was queried again, late enough to prove that; a list has to agree."""
        self.retries: Retries[str] = Retries()
        """Client ids of the orders that have to be queried."""
        self._acknowledged: dict[str, int] = {}
        """Sizes of the orders whose request the venue has taken, and tells of elsewhere."""
        self._share = Share.QUESTION
        """Whose tokens questions took last: the page that follows one is requested with the same,
        or a run that is left would begin with the first page for ever."""
        self._pages: dict[str, str] = {}
        """Pages of trades, by the order's name, that there was no token for when they came up: they
        are requested first, as first pages that take each new token are never followed by one."""
        self._readers: dict[type[Command], Callable[[Any, InFlightRequest, Reply, int], None]] = {
            Place: self._on_place,
            PlaceMany: self._on_place_many,
            Cancel: self._on_cancel,
            CancelMany: self._on_cancel_many,
            Replace: self._on_replace,
            Amend: self._on_amend,
            CancelAll: self._on_cancel_all,
            QueryOrder: self._on_query,
            FetchOrderTrades: self._on_order_trades,
            FetchOpenOrders: self._on_list,
        }

    def on_reply(self, request: InFlightRequest, reply: Reply, now_ns: int) -> None:
        """Apply what a reply proves; its events are applied already."""
        reader = self._readers.get(type(request.command))
        if reader is not None:
            reader(request.command, request, reply, now_ns)

    def on_no_reply(self, request: InFlightRequest, now_ns: int) -> None:
        """The reply can no longer come, or is long overdue: nothing is proved."""
        self.on_reply(request, _UNPROVED, now_ns)

    def on_discarded(self, request: InFlightRequest, now_ns: int) -> None:
        """The request never left."""
        self.on_reply(request, _DISCARDED, now_ns)

    def resolve(self, client_order_id: str, now_ns: int) -> None:
        """Query an order until the venue has said how it stands."""
        self._acknowledged.pop(client_order_id, None)
        self.retries.begin(client_order_id, now_ns)

    def give_up(self, order: Order) -> None:
        """A person has seen that the venue does not have an order of which it has never told."""
        self._turn.update(self._orders.on_refused(order, "given up by the operator"))
        self._resolved(order.client_order_id)

    def query_due(self, now_ns: int, share: Share) -> None:
        """Send the queries that are due, as far as that share of the budget allows."""
        self._share = share
        listed: set[int] = set()
        due = self.retries.due(now_ns)
        request = self._queried_by_rest(now_ns) if due else ()
        for client_order_id in due:
            if client_order_id in request:
                continue
            order = self._orders.find(client_order_id)
            if order is None or (order.state.terminal and not order.unbooked_lots):
                self._resolved(client_order_id)
                continue
            if self._was_told(order):
                self._resolved(client_order_id)
                continue
            question = self._question(order, now_ns)
            if isinstance(question, FetchOpenOrders):
                if question.instrument in listed:
                    continue
                listed.add(question.instrument)
            self._outbound.request(question, now_ns, share=share)

    def _queried_by_rest(self, now_ns: int) -> set[str]:
        """Return the orders that REST was just queried about, whose answers may be on their way."""
        return {
            request.command.client_order_id
            for request in self._outbound.inflight
            if type(request.command) is QueryOrder
            and request.connection == REST
            and now_ns - request.sent_ns < REST_NS
        }

    def _question(self, order: Order, now_ns: int) -> Riskless:
        """Return what to ask next: for trades, for the list that has to agree, else how it stands.

        What its number does not find is requested by name, too: numbers may have begun anew.
        """
        name = order.client_order_id
        if order.unbooked_lots and order.venue_order_id:
            page = self._pages.get(name, "")
            return FetchOrderTrades(order.instrument, order.venue_order_id, page)
        if name in self._unlisted_ns and now_ns >= self._unlisted_ns[name] + APART_NS:
            whole = self._lists is Scope.ACCOUNT
            return FetchOpenOrders(NO_INSTRUMENT if whole else order.instrument)
        number = "" if name in self._absent_ns else order.venue_order_id
        return QueryOrder(order.instrument, name, number)

    def _acknowledge(self, order: Order, size_lots: int, now_ns: int) -> None:
        """The venue has taken a request and tells elsewhere what became of it."""
        name = order.client_order_id
        if name not in self.retries:
            self._acknowledged[name] = size_lots
            self.retries.begin(name, now_ns + self._tells_ns)

    def _was_told(self, order: Order) -> bool:
        """Whether the venue has told of what it had acknowledged; it is queried if not."""
        size_lots = self._acknowledged.pop(order.client_order_id, None)
        if size_lots is not None and not order.proved:
            self._turn.update(self._orders.on_doubt(order))
        return (
            size_lots == order.size_lots
            and not order.amend_lots
            and order.proved
            and not order.unbooked_lots
        )

    def _resolved(self, client_order_id: str) -> None:
        self._acknowledged.pop(client_order_id, None)
        self.retries.resolve(client_order_id)
        self._pages.pop(client_order_id, None)
        self._absent_ns.pop(client_order_id, None)
        self._unlisted_ns.pop(client_order_id, None)

    # -- one reader per kind of request --------------------------------------------------------

    def _on_place(self, place: Place, _: InFlightRequest, reply: Reply, now_ns: int) -> None:
        order = self._orders.find(place.client_order_id)
        if order is not None:
            self._placed(order, reply.verdict, reply.code, reply.text, now_ns)

    def _on_place_many(
        self, many: PlaceMany, _: InFlightRequest, reply: Reply, now_ns: int
    ) -> None:
        told = outcomes(reply, len(many.places))
        for place, outcome in zip(many.places, told, strict=True):
            order = self._orders.find(place.client_order_id)
            if order is not None:
                self._placed(order, *outcome, now_ns)

    def _placed(self, order: Order, verdict: Verdict, code: str, text: str, now_ns: int) -> None:
        if verdict is _DONE:
            if order.proved:
                return
            if self._tells_ns:
                self._acknowledge(order, order.size_lots, now_ns)
            else:
                self._in_doubt(order, now_ns)
        elif verdict is Verdict.UNKNOWN:
            self._in_doubt(order, now_ns)
        else:
            self._turn.update(self._orders.on_refused(order, refusal_text(verdict, code, text)))

    def _in_doubt(self, order: Order, now_ns: int) -> None:
        self._turn.update(self._orders.on_doubt(order))
        self.resolve(order.client_order_id, now_ns)

    def _on_cancel(self, cancel: Cancel, _: InFlightRequest, reply: Reply, now_ns: int) -> None:
        self._cancelled(cancel, reply.verdict, now_ns)

    def _on_cancel_many(
        self, many: CancelMany, _: InFlightRequest, reply: Reply, now_ns: int
    ) -> None:
        for cancel in many.cancels:
            self._cancelled(cancel, reply.verdict, now_ns)

    def _cancelled(self, cancel: Cancel, verdict: Verdict, now_ns: int) -> None:
        order = self._orders.find(cancel.client_order_id)
        if order is None or order.state.terminal:
            return
        self._release(order)
        if verdict is _DONE:
            # Not even that says how it stands, without a report of it.
            self.resolve(order.client_order_id, now_ns + self._tells_ns)
        elif verdict in (Verdict.REFUSED, Verdict.ABSENT, Verdict.UNKNOWN):
            self.resolve(order.client_order_id, now_ns)

    def _release(self, order: Order) -> None:
        if order.cancelling:
            order.cancelling = False
            self._turn.update(Applied(order, True))

    def _on_replace(self, replace: Replace, _: InFlightRequest, reply: Reply, now_ns: int) -> None:
        outcome = next((event for event in reply.events if type(event) is ReplaceOutcome), None)
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

    def _on_amend(self, amend: Amend, _: InFlightRequest, reply: Reply, now_ns: int) -> None:
        order = self._orders.find(amend.client_order_id)
        if order is None or order.state.terminal:
            return
        verdict = reply.verdict
        if verdict not in (_DONE, Verdict.UNKNOWN):
            self._turn.update(
                self._orders.on_amend_refused(order, amend.price_ticks, amend.size_lots)
            )
        self._release(order)
        if verdict in (Verdict.REFUSED, Verdict.ABSENT, Verdict.UNKNOWN):
            self.resolve(order.client_order_id, now_ns)
        elif verdict is _DONE and (order.amend_lots or order.size_lots != amend.size_lots):
            if self._tells_ns:
                self._acknowledge(order, amend.size_lots, now_ns)
            elif order.amend_lots:
                self.resolve(order.client_order_id, now_ns)

    def _on_cancel_all(
        self, command: CancelAll, _: InFlightRequest, reply: Reply, now_ns: int
    ) -> None:
        told_ns = now_ns + (self._tells_ns if reply.verdict is _DONE else 0)
        for order in self._orders.open():
            if command.instrument in (order.instrument, NO_INSTRUMENT):
                self.resolve(order.client_order_id, told_ns)

    def _on_query(
        self, query: QueryOrder, request: InFlightRequest, reply: Reply, now_ns: int
    ) -> None:
        order = self._orders.find(query.client_order_id)
        if order is None:
            self._resolved(query.client_order_id)
        elif reply.verdict is Verdict.ABSENT or _tells_of_another(reply, order):
            self._not_found(order, request)
        elif reply.verdict is Verdict.DONE:
            self._absent_ns.pop(order.client_order_id, None)
            self._unlisted_ns.pop(order.client_order_id, None)
            report = _told(reply, order)
            if report is not None and order.amend_lots:
                self._stands(order, report, request)
            if report is not None and not order.unbooked_lots and not order.amend_lots:
                self.retries.resolve(query.client_order_id)
        self._release_if_lost(order)

    def _stands(self, order: Order, report: OrderReport, request: InFlightRequest) -> None:
        """An order with an amend under way is told to stand so: believed where it was asked when
        nothing could be on its way any more, else it is queried again as soon as that is.
        """
        over_ns = self._over_ns(order.amended_ns)
        if over_ns is None:
            return
        if request.sent_ns > over_ns:
            self._turn.update(self._orders.on_stands(order, report))
        else:
            self.retries.query_by(order.client_order_id, over_ns + 1)

    # -- proof of absence ----------------------------------------------------------------------

    def _not_found(self, order: Order, request: InFlightRequest) -> None:
        """The venue says that it knows no such order: note it where that can be proof.

        What proves more is asked as soon as it does, so that no proof takes longer than it has to.
        """
        name = order.client_order_id
        first_ns = self._absent_ns.setdefault(name, request.sent_ns)
        after_ns = self._believed_after_ns(order, first_ns)
        if after_ns is None:
            return
        if request.sent_ns <= after_ns:
            self.retries.query_by(name, after_ns + 1)
        else:
            unlisted_ns = self._unlisted_ns.setdefault(name, request.sent_ns)
            self.retries.query_by(name, unlisted_ns + APART_NS)

    def _believed_after_ns(self, order: Order, first_ns: int) -> int | None:
        """Return after when it is believed that there is no such order; ``None`` for never.

        One that was never proved may be accepted until its window has closed and the venue has
        timed out; one that was known may be shown late. Both may lie behind a lag, unless the
        stream of the account's own events stood all the while.
        """
        if order.proved:
            return first_ns + self._lag_ns
        return self._over_ns(order.sent_ns)

    def _over_ns(self, sent_ns: int) -> int | None:
        """Return after when an answer shows what became of a request; ``None`` for never."""
        since_ns = self.stream_since_ns
        if self._end_with_connection and since_ns is not None and sent_ns < since_ns:
            return since_ns + self._execution_ns + self._lag_ns  # its connection was gone by then
        if self._expiry_ns is None:
            return None
        # The private stream does not lag: what was accepted since it stands, it has told.
        told = since_ns is not None and sent_ns > since_ns
        lag_ns = 0 if told else self._lag_ns
        return sent_ns + self._expiry_ns + self._execution_ns + lag_ns + SKEW_NS

    def _on_list(
        self, fetch: FetchOpenOrders, request: InFlightRequest, reply: Reply, _: int
    ) -> None:
        """Hold a list of open orders against those that the venue says it does not know."""
        if not self._unlisted_ns or reply.verdict is not Verdict.DONE:
            return
        listed = [
            report
            for event in reply.events
            if isinstance(event, OpenOrders)
            for report in event.reports
        ]
        unread = {
            event.client_order_id for event in reply.events if isinstance(event, UnknownExecution)
        }
        for name, requested_ns in list(self._unlisted_ns.items()):
            order = self._orders.find(name)
            if order is None or fetch.instrument not in (order.instrument, NO_INSTRUMENT):
                continue
            if name in unread or any(tells_of(order, report) for report in listed):
                self._absent_ns.pop(name, None)
                self._unlisted_ns.pop(name, None)
            elif request.sent_ns >= requested_ns + APART_NS:
                self._absent(order)

    def _absent(self, order: Order) -> None:
        """Two sources agree, late enough: there is no such order."""
        known = order.proved
        if known:
            name = order.client_order_id
            self._log(f"the venue no longer knows an order of ours, it has ended: id {name}")
            self._turn.update(self._orders.on_forgotten(order, "the venue knows it no more"))
        else:
            self._turn.update(self._orders.on_refused(order, "the venue knows no such order"))
        self._resolved(order.client_order_id)

    def _release_if_lost(self, order: Order | None) -> None:
        """A question was answered, so no cancel asked before it is still on its way."""
        if order is not None and not order.state.terminal:
            self._release(order)

    def _on_order_trades(
        self, fetch: FetchOrderTrades, _: InFlightRequest, reply: Reply, now_ns: int
    ) -> None:
        order = self._orders.by_venue_id(fetch.instrument, fetch.venue_order_id)
        if order is None:
            return
        name = order.client_order_id
        self._pages.pop(name, None)
        if not order.unbooked_lots:
            if order.state.terminal:
                self._resolved(name)
        elif reply.more:
            more = FetchOrderTrades(fetch.instrument, fetch.venue_order_id, reply.more)
            if not self._outbound.request(more, now_ns, share=self._share):
                self._pages[name] = reply.more


def _told(reply: Reply, order: Order) -> OrderReport | None:
    """Return what an answer says of an order, ``None`` where it says nothing of it."""
    for event in reply.events:
        if isinstance(event, OrderReport) and tells_of(order, event):
            return event
    return None


def _tells_of_another(reply: Reply, order: Order) -> bool:
    """Whether a number was answered with somebody else's order."""
    return any(
        isinstance(event, OrderReport) and not tells_of(order, event) for event in reply.events
    )
