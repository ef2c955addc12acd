"""The desk: the one object through which a strategy sees and acts.

Here an intent of the strategy meets risk, the order table and the way out, in that order; a
refusal at any of them leaves nothing behind. Nothing here decides on its own to trade.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from core.engine.charges import changed_by
from core.engine.outbound import Outbound
from core.model.commands import (
    Amend,
    Cancel,
    CancelAll,
    CancelMany,
    OrderKind,
    Place,
    Replace,
    TimeInForce,
)
from core.model.errors import BadParameter
from core.model.events import NO_INSTRUMENT, Scope, Side
from core.model.instrument import Instrument, InstrumentTable
from core.model.strategy import NewOrder, Quote
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.views import OrderState, OrderView, Refusal, RefusalReason, SessionState
from core.state.book import Book
from core.state.chatter import Flow
from core.state.inflight import InFlightRequest
from core.state.orders import Order, Orders
from core.state.position import Position
from core.state.queues import OrderQueues
from core.state.retries import FIRST_NS, Retries
from core.state.risk import Approved, Risk
from core.state.timers import Timers

if TYPE_CHECKING:
    from core.model.strategy import Desk

# Bound once: to look a member up in its Enum costs 50 ns.
_BUY, _SELL = Side.BUY, Side.SELL
_LIVE = OrderState.LIVE
_PENDING = OrderState.PENDING
_POST_ONLY = OrderKind.POST_ONLY

_NOT_TRADING = Refusal(RefusalReason.NOT_TRADING, "the gate is closed; wait for on_session")
_NOT_OPEN = Refusal(RefusalReason.ORDER_NOT_OPEN, "the order is not open")
_NO_ORDER = Refusal(RefusalReason.ORDER_NOT_OPEN, "it is no order of this desk")
_NO_INSTRUMENT = Refusal(RefusalReason.VENUE_FILTER, "it is no instrument of this run")
_NO_QUOTE = Refusal(
    RefusalReason.VENUE_FILTER,
    "a quote is for an instrument of this run, and each side None or whole numbers of ticks and"
    " lots",
)
_WOULD_TRADE = Refusal(
    RefusalReason.VENUE_FILTER,
    "the venue has no post-only orders, and by the book this one would trade at once",
)
_NO_CANCEL_ALL = Refusal(
    RefusalReason.VENUE_FILTER, "the venue has no request that takes everybody's orders out"
)
_BUSY = Refusal(RefusalReason.ORDER_BUSY, "a change of the order is on its way")

CANCEL_NS: Final = 500 * NS_PER_MS
"""How long a cancel's answer is awaited before it is sent again by the other way: an ordinary one
takes a tenth of that across the world. Doubled each time, so that a venue that answers nothing at
all gets five of them in the 10 s after which an answer is given up."""


TOLD_NS: Final = 3 * NS_PER_S
"""How long a quote may be on its way from one price to another before it is cancelled: venues that
tell elsewhere what they have acknowledged do so within 2 s, and until then both prices count."""


CANCEL_AGAIN_NS: Final = 250 * NS_PER_MS
"""Between two cancels by a strategy of an order that the venue says is open: a refusal and
the venue's word on how the order stands are heard by then."""


class _Awaited(NamedTuple):
    """A cancel on its way, and when it is to be sent by the other way as well."""

    due_ns: int
    wait_ns: int
    request_id: int


class Refused(NamedTuple):
    """How often something did not leave for one reason, and the newest text of it."""

    times: int
    text: str


class TradingDesk:
    """``core.model.strategy.Desk``, as the engine gives it to the strategy."""

    __slots__ = (
        "_awaited",
        "_balances",
        "_books",
        "_cancels_all",
        "_flow",
        "_log",
        "_most_cancels",
        "_most_places",
        "_orders",
        "_outbound",
        "_positions",
        "_queues",
        "_quote_kind",
        "_quotes",
        "_requested_ns",
        "_risk",
        "_stamp",
        "_table",
        "_timers",
        "_unwanted",
        "gate_open",
        "now_ns",
        "random",
        "refusals",
        "risk_ns",
        "sent",
        "session",
        "way_open",
    )

    def __init__(
        self,
        *,
        table: InstrumentTable,
        books: list[Book],
        positions: list[Position],
        balances: dict[str, int],
        queues: Mapping[int, OrderQueues],
        orders: Orders,
        risk: Risk,
        outbound: Outbound,
        batch: int = 1,
        batch_cancel: int = 1,
        cancel_all: Scope | None = None,
        seed: int,
        stamp: Callable[[], int],
        timers: Timers[str | None],
        log: Callable[[str], None],
    ) -> None:
        """``batch``, ``batch_cancel`` and ``cancel_all`` are as in
        ``core.model.venue.Capabilities``.
        """
        self._cancels_all = cancel_all
        self._most_places = batch
        self._most_cancels = batch_cancel
        self._table = table
        self._books = books
        self._positions = positions
        self._balances = balances
        self._queues = queues
        self._orders = orders
        self._risk = risk
        self._quote_kind = _POST_ONLY if risk.can_post else OrderKind.LIMIT
        self._outbound = outbound
        self._stamp = stamp
        self._timers = timers
        self._log = log
        self._flow = Flow()
        self._quotes: dict[tuple[int, Side], Order] = {}
        self._unwanted: Retries[str] = Retries()
        self._requested_ns: dict[str, int] = {}
        """When the strategy last had an order's cancel sent, by client id; as long as it stands."""
        self._awaited: list[_Awaited] = []
        self.random = random.Random(seed)
        self.now_ns = 0
        """The time of this turn, stored here as well: strategies read it often."""
        self.session = SessionState.STARTING
        self.gate_open = False
        """Whether anything may be placed; ``core.engine.gate`` opens and closes it."""
        self.way_open = False
        """Whether our table is proved and the venue takes orders from us, halted or not."""
        self.refusals: dict[tuple[int, RefusalReason], Refused] = {}
        """What did not leave, by instrument and reason, since the run started."""
        self.sent = 0
        """New and replacing orders that have left."""
        self.risk_ns = 0
        """Time spent on risk and order table since the engine last set it to 0."""

    # -- what may be seen ----------------------------------------------------------------------

    @property
    def instruments(self) -> Sequence[Instrument]:
        return tuple(row for row in self._table if not row.carried)

    def book(self, instrument: int) -> Book:
        return self._books[instrument]

    def queue(self, instrument: int, side: Side, ticks: int) -> Sequence[tuple[str, int]]:
        queues = self._queues.get(instrument)
        if queues is None or not self._books[instrument].live:
            return ()
        return queues.at(side, ticks)

    def position(self, instrument: int) -> Position:
        return self._positions[instrument]

    def balance_atoms(self, asset: str) -> int:
        return self._balances.get(asset, 0)

    def open_orders(self, instrument: int) -> Sequence[Order]:
        orders = self._orders.exposure(instrument).orders.values()
        return [order for order in orders if not order.state.terminal]

    # -- what may be done ----------------------------------------------------------------------

    def place(
        self,
        instrument: int,
        side: Side,
        price_ticks: int,
        lots: int,
        *,
        kind: OrderKind = OrderKind.LIMIT,
        tif: TimeInForce | None = None,
    ) -> Order | Refusal:
        if not self._has(instrument):
            return _NO_INSTRUMENT
        if not self.gate_open:
            return self._refused(instrument, _NOT_TRADING)
        if tif is None:
            tif = self._risk.resting
        return self._place(self._risk.approve_place, instrument, side, price_ticks, lots, kind, tif)

    def place_all(self, instrument: int, orders: Sequence[NewOrder]) -> list[Order | Refusal]:
        if not self._has(instrument):
            return [_NO_INSTRUMENT for _ in orders]
        if self._most_places == 1:
            return [
                self.place(instrument, o.side, o.price_ticks, o.lots, kind=o.kind, tif=o.tif)
                for o in orders
            ]
        if not self.gate_open:
            return [self._refused(instrument, _NOT_TRADING) for _ in orders]
        answers: list[Order | Refusal] = []
        for begin in range(0, len(orders), self._most_places):
            answers += self._place_together(instrument, orders[begin : begin + self._most_places])
        return answers

    def _place_together(self, instrument: int, orders: Sequence[NewOrder]) -> list[Order | Refusal]:
        """Judge orders one after the other, and send what is approved in one request."""
        began_ns, now_ns = self._stamp(), self.now_ns
        book, exposure = self._books[instrument], self._orders.exposure(instrument)
        answers: list[Order | Refusal] = []
        approved: list[Approved] = []
        for o in orders:
            name, tif = self._orders.next_id(), o.tif or self._risk.resting
            place = Place(instrument, name, o.side, o.kind, tif, o.price_ticks, o.lots)
            answer = self._risk.approve_place(
                place,
                self._table[instrument],
                book,
                now_ns - book.fresh_ns,
                exposure,
                self._positions[instrument].lots,
                now_ns,
            )
            if isinstance(answer, Refusal):
                answers.append(self._refused(instrument, answer))
            else:
                approved.append(answer)
                answers.append(self._orders.add(place, now_ns))
        added_ns = self._stamp()
        self.risk_ns += added_ns - began_ns
        if len(approved) > 1:
            together = self._risk.together(instrument, approved)
            if self._outbound.request(together, now_ns, began_ns=added_ns):
                self.sent += len(approved)
                return answers
        each = iter(approved)  # the budget may have room for some
        return [
            one if isinstance(one, Refusal) else self._leave(next(each), one) for one in answers
        ]

    def _leave(self, approved: Approved, order: Order) -> Order | Refusal:
        """Have a new order leave that is in the table; forget it where it cannot."""
        if not self._outbound.request(approved, self.now_ns):
            return self._drop_unsent(order)
        self.sent += 1
        return order

    def _drop_unsent(self, order: Order) -> Refusal:
        """Forget an order that has not left."""
        self._orders.withdraw(order)
        return self._not_sent(order)

    def way_out(
        self, instrument: int, side: Side, price_ticks: int, lots: int, tif: TimeInForce
    ) -> Order | Refusal:
        """Place an order by which the operator gets flat: no halt is in its way, all else is."""
        return self._place(
            self._risk.approve_way_out, instrument, side, price_ticks, lots, OrderKind.LIMIT, tif
        )

    def _place(
        self,
        approve: Callable[..., Approved | Refusal],
        instrument: int,
        side: Side,
        price_ticks: int,
        lots: int,
        kind: OrderKind,
        tif: TimeInForce,
    ) -> Order | Refusal:
        began_ns = self._stamp()
        orders, now_ns = self._orders, self.now_ns
        place = Place(instrument, orders.next_id(), side, kind, tif, price_ticks, lots)
        answer = approve(
            place,
            self._table[instrument],
            self._books[instrument],
            now_ns - self._books[instrument].fresh_ns,
            orders.exposure(instrument),
            self._positions[instrument].lots,
            now_ns,
        )
        if isinstance(answer, Refusal):
            self.risk_ns += self._stamp() - began_ns
            return self._refused(instrument, answer)
        order = orders.add(place, now_ns)
        added_ns = self._stamp()
        self.risk_ns += added_ns - began_ns
        if not self._outbound.request(answer, now_ns, began_ns=added_ns):
            return self._drop_unsent(order)
        self.sent += 1
        return order

    def _not_sent(self, order: Order) -> Refusal:
        return self._refused(order.instrument, self._outbound.refusal)

    def _refused(self, instrument: int, refusal: Refusal) -> Refusal:
        """Count what did not leave, and keep the newest of its kind."""
        known = self.refusals.get((instrument, refusal.reason))
        times = 1 if known is None else known.times + 1
        self.refusals[instrument, refusal.reason] = Refused(times, refusal.text)
        return refusal

    def cancel(self, order: OrderView) -> Refusal | None:
        own = self._own(order)
        if own is None:
            return _NO_ORDER
        if own.state.terminal:
            return _NOT_OPEN
        if not self._is_to_go(own):
            return None
        return None if self.send_cancel(own) else self._not_sent(own)

    def _is_to_go(self, own: Order) -> bool:
        """Note that the strategy wants an order out; return whether a cancel is to leave now."""
        name, now_ns = own.client_order_id, self.now_ns
        if name in self._unwanted and (
            own.state is not _LIVE or now_ns - self._requested_ns.get(name, 0) < CANCEL_AGAIN_NS
        ):
            # ``step`` goes on with it, less often each time: whoever asks again whenever an order
            # changes would, where the venue refuses that, cancel as fast as the network is.
            return False
        self._unwanted.begin(name, now_ns)
        if own.cancelling:
            return False
        self._requested_ns[name] = now_ns
        return True

    def send_cancel(self, order: Order) -> bool:
        """Send a cancel, even while the gate is closed."""
        request_id = self._outbound.request(_cancel_of(order), self.now_ns)
        self._await(request_id, CANCEL_NS)
        order.cancelling = bool(request_id)
        return order.cancelling

    def _await(self, request_id: int, wait_ns: int) -> None:
        """Have the other way tried where this is not answered in time."""
        if request_id:
            self._awaited.append(_Awaited(self.now_ns + wait_ns, wait_ns, request_id))

    def cancel_all(self, instrument: int) -> None:
        if not self._has(instrument):
            return
        self.send_cancels([o for o in self.open_orders(instrument) if self._is_to_go(o)])

    def send_cancels(self, orders: Sequence[Order]) -> None:
        """Send cancels, even while the gate is closed; as many in one request as the venue
        takes.
        """
        if self._most_cancels == 1 or len(orders) == 1 or not self._outbound.hears():
            for order in orders:
                self.send_cancel(order)
            return
        for instrument in dict.fromkeys(order.instrument for order in orders):
            there = [order for order in orders if order.instrument == instrument]
            for begin in range(0, len(there), self._most_cancels):
                self._cancel_together(instrument, there[begin : begin + self._most_cancels])

    def _cancel_together(self, instrument: int, orders: Sequence[Order]) -> None:
        request_id = 0
        if len(orders) > 1:
            cancels = tuple(_cancel_of(order) for order in orders)
            request_id = self._outbound.request(CancelMany(instrument, cancels), self.now_ns)
            self._await(request_id, CANCEL_NS)
        for order in orders:
            if request_id:
                order.cancelling = True
            else:
                self.send_cancel(order)  # the budget may have room for one

    def force_cancel(self, instrument: int, *, but: str = "") -> None:
        """Cancel every order on an instrument, ``but`` one id, and go on until each is gone.

        A cancel may be refused or lost, or find no connection up: ``step`` sends it again.
        """
        for order in self.open_orders(instrument):
            if order.client_order_id != but:
                self._unwanted.begin(order.client_order_id, self.now_ns)
        self.step()

    def cancel_account(self) -> Refusal | None:
        """Have the venue cancel every order of the account, or of our symbols where it knows
        none for the account: others' too. What is left of ours a moment later is cancelled by name.

        Returns why it was not sent, ``None`` where it was.
        """
        if self._cancels_all is None:
            return _NO_CANCEL_ALL
        for order in self._orders.open():
            self._unwanted.begin(order.client_order_id, self.now_ns + CANCEL_NS)
        whole = self._cancels_all is Scope.ACCOUNT
        for instrument in (NO_INSTRUMENT,) if whole else range(len(self._table)):
            if not self._outbound.request(CancelAll(instrument), self.now_ns):
                return self._outbound.refusal
        return None

    def force_cancel_order(self, order: Order) -> None:
        """Cancel one order, and go on until it is gone."""
        self._unwanted.begin(order.client_order_id, self.now_ns)
        self.step()

    def step(self) -> None:
        """Cancel again what was to be cancelled and still stands, as far as it is due."""
        self._try_the_other_way()
        due: list[Order] = []
        for client_order_id in self._unwanted.due(self.now_ns):
            order = self._orders.find(client_order_id)
            if order is None or order.state.terminal:
                self._unwanted.resolve(client_order_id)
                self._requested_ns.pop(client_order_id, None)
            elif not order.cancelling:
                due.append(order)
        if due:
            self.send_cancels(due)
        for order in due:
            if (
                not order.cancelling
            ):  # the venue has heard nothing: that is no reason to wait longer
                self._unwanted.query_by(order.client_order_id, self.now_ns + FIRST_NS)

    def _try_the_other_way(self) -> None:
        """Send again what should have taken an order out, where its answer takes too long.

        Nor does an amend without an answer keep an order from going.
        """
        now_ns = self.now_ns
        late = [awaited for awaited in self._awaited if awaited.due_ns <= now_ns]
        if not late:
            return
        self._awaited = [awaited for awaited in self._awaited if awaited.due_ns > now_ns]
        for awaited in late:
            in_flight = self._outbound.inflight.find(awaited.request_id)
            if in_flight is None:
                continue
            self._outbound.ignored(in_flight)
            if isinstance(in_flight.command, CancelMany):
                for cancel in in_flight.command.cancels:
                    self._cancel_instead(cancel.client_order_id, in_flight, awaited)
                continue
            order = self._orders.find(changed_by(in_flight.command))
            if order is None or order.state.terminal:
                continue
            if isinstance(in_flight.command, Amend) and order.client_order_id not in self._unwanted:
                self._await(awaited.request_id, awaited.wait_ns)
            else:
                self._cancel_instead(order.client_order_id, in_flight, awaited)

    def _cancel_instead(
        self, client_order_id: str, in_flight: InFlightRequest, awaited: _Awaited
    ) -> None:
        """Send a cancel by another way than that of a request that is not answered."""
        order = self._orders.find(client_order_id)
        if order is not None and not order.state.terminal:
            again = self._outbound.request(_cancel_of(order), self.now_ns, instead=in_flight)
            self._await(again or awaited.request_id, 2 * awaited.wait_ns)

    def stands(self, order: Order) -> None:
        """The venue has told its id of an order: one that it did not know when it was to be
        cancelled is cancelled with the next step, however long that had been tried in vain.
        """
        if self._unwanted and order.state is _LIVE and not order.cancelling:
            self._unwanted.query_by(order.client_order_id, self.now_ns)

    def hurry(self) -> None:
        """The way to the venue is open again: what is to be cancelled is due now."""
        self._unwanted.query_now(self.now_ns)

    def replace(self, order: OrderView, price_ticks: int, lots: int) -> Order | Refusal:
        own = self._own(order)
        return _NO_ORDER if own is None else self._move(own, price_ticks, lots, own.kind)

    def _move(self, old: Order, price_ticks: int, lots: int, kind: OrderKind) -> Order | Refusal:
        if not self.gate_open:
            return self._refused(old.instrument, _NOT_TRADING)
        if old.state.terminal:
            return _NOT_OPEN
        if old.cancelling or old.amend_lots or old.state is not _LIVE:
            return _BUSY
        if self._risk.can_amend and _shrinks(old, price_ticks, lots):
            return self._shrink(old, lots)
        if not _alone(old):
            return _BUSY
        if self._risk.can_reprice and type(price_ticks) is type(lots) is int:
            return self._reprice(old, price_ticks, lots, kind)
        return self._cancel_replace(old, price_ticks, lots, kind)

    def _shrink(self, order: Order, lots: int) -> Order | Refusal:
        amend = Amend(
            order.instrument,
            order.client_order_id,
            order.venue_order_id,
            order.filled_lots + lots,
        )
        answer = self._risk.approve_amend(amend, self._table[order.instrument], order, self.now_ns)
        return self._amend(order, answer, order.price_ticks, amend.size_lots)

    def _reprice(
        self, order: Order, price_ticks: int, lots: int, kind: OrderKind
    ) -> Order | Refusal:
        """Have an order stand at another price, or with more, under the same id."""
        began_ns = self._stamp()
        now_ns, instrument = self.now_ns, order.instrument
        if price_ticks == order.price_ticks and lots == order.open_lots:
            return order
        amend = Amend(
            instrument,
            order.client_order_id,
            order.venue_order_id,
            order.filled_lots + lots,
            price_ticks,
            kind is _POST_ONLY,
        )
        answer = self._risk.approve_reprice(
            amend,
            self._table[instrument],
            order,
            self._books[instrument],
            now_ns - self._books[instrument].fresh_ns,
            self._orders.exposure(instrument),
            self._positions[instrument].lots,
            now_ns,
        )
        self.risk_ns += self._stamp() - began_ns
        return self._amend(order, answer, price_ticks, amend.size_lots)

    def _amend(
        self, order: Order, answer: Approved | Refusal, price_ticks: int, size_lots: int
    ) -> Order | Refusal:
        if isinstance(answer, Refusal):
            return self._refused(order.instrument, answer)
        request_id = self._outbound.request(answer, self.now_ns)
        self._await(request_id, CANCEL_NS)
        order.cancelling = bool(request_id)
        if not request_id:
            return self._not_sent(order)
        self._orders.amend(order, price_ticks, size_lots, self.now_ns)
        return order

    def _cancel_replace(
        self, old: Order, price_ticks: int, lots: int, kind: OrderKind
    ) -> Order | Refusal:
        began_ns = self._stamp()
        orders, now_ns, instrument = self._orders, self.now_ns, old.instrument
        place = Place(instrument, orders.next_id(), old.side, kind, old.tif, price_ticks, lots)
        replace = Replace(Cancel(instrument, old.client_order_id, old.venue_order_id), place)
        answer = self._risk.approve_replace(
            replace,
            self._table[instrument],
            self._books[instrument],
            now_ns - self._books[instrument].fresh_ns,
            orders.exposure(instrument),
            self._positions[instrument].lots,
            now_ns,
        )
        if isinstance(answer, Refusal):
            self.risk_ns += self._stamp() - began_ns
            return self._refused(instrument, answer)
        new = orders.add(place, now_ns, old)
        added_ns = self._stamp()
        self.risk_ns += added_ns - began_ns
        request_id = self._outbound.request(answer, now_ns, began_ns=added_ns)
        if not request_id:
            orders.withdraw(new)
            return self._refused(instrument, self._outbound.refusal)
        self._await(request_id, CANCEL_NS)
        self.sent += 1
        old.cancelling = True
        return new

    def quote(self, instrument: int, bid: Quote | None, ask: Quote | None) -> Refusal | None:
        if not (self._has(instrument) and _is_quote(bid) and _is_quote(ask)):
            return _NO_QUOTE
        together = self._most_places > 1 and self._quote_kind is _POST_ONLY
        if together and bid is not None and ask is not None:
            sides = (self._quote_of(instrument, side) for side in (_BUY, _SELL))
            if not any(sides):
                return self._quote_both(instrument, bid, ask)
        standing = self._quotes.get((instrument, _BUY))
        if bid is not None and standing is not None and bid.price_ticks > standing.price_ticks:
            # The market rises: the offer makes way first, so that the bid does not meet it.
            second = self._quote_side(instrument, _SELL, ask)
            return self._quote_side(instrument, _BUY, bid) or second
        first = self._quote_side(instrument, _BUY, bid)
        return self._quote_side(instrument, _SELL, ask) or first

    def _quote_both(self, instrument: int, bid: Quote, ask: Quote) -> Refusal | None:
        """Place both sides, of which neither stands, in one request."""
        wanted = ((_BUY, bid), (_SELL, ask))
        orders = [NewOrder(side, q.price_ticks, q.lots, _POST_ONLY) for side, q in wanted]
        first = None
        for (side, _), answer in zip(wanted, self.place_all(instrument, orders), strict=True):
            if isinstance(answer, Refusal):
                first = first or Refusal(answer.reason, answer.text, side)
            else:
                self._quotes[instrument, side] = answer
        return first

    def _quote_side(self, instrument: int, side: Side, wanted: Quote | None) -> Refusal | None:
        """Have one side stand as wanted; what cannot be moved there does not stay where it is."""
        order = self._quote_of(instrument, side)
        if order is None:
            if wanted is None:
                return None
            answer = self._taking(instrument, side, wanted) or self.place(
                instrument, side, wanted.price_ticks, wanted.lots, kind=self._quote_kind
            )
        elif order.cancelling:
            return None
        elif wanted is None:
            return self.cancel(order)
        elif order.state is _PENDING or _stands_as(order, wanted):
            return None
        elif order.amend_lots:
            # Told of in a moment, or nobody knows: then it has to make way.
            if self.now_ns - order.amended_ns < TOLD_NS:
                return None
            return self.cancel(order)
        elif not self._moves(order, wanted):
            return self.cancel(order)  # the next quote places it anew
        else:
            answer = self._taking(instrument, side, wanted) or self._move(
                order, wanted.price_ticks, wanted.lots, self._quote_kind
            )
            if isinstance(answer, Refusal) and not self._is_in_the_way(answer, instrument, side):
                self.cancel(order)
        if isinstance(answer, Refusal):
            return Refusal(answer.reason, answer.text, side)
        self._quotes[instrument, side] = answer
        return None

    def _taking(self, instrument: int, side: Side, wanted: Quote) -> Refusal | None:
        """Refuse a quote that would trade at once by the book, where the venue does not."""
        if self._quote_kind is _POST_ONLY:
            return None
        book, ticks = self._books[instrument], wanted.price_ticks
        if side is _BUY:
            meets = book.ask_lots and ticks >= book.ask_ticks
        else:
            meets = book.bid_lots and ticks <= book.bid_ticks
        return self._refused(instrument, _WOULD_TRADE) if meets else None

    def _moves(self, order: Order, wanted: Quote) -> bool:
        """Whether the venue can move an order there in one request."""
        risk = self._risk
        return (
            risk.can_replace
            or risk.can_reprice
            or (risk.can_amend and _shrinks(order, wanted.price_ticks, wanted.lots))
        )

    def _is_in_the_way(self, refusal: Refusal, instrument: int, side: Side) -> bool:
        """Whether a quote only waits for the one opposite, which is on its way out."""
        if refusal.reason is not RefusalReason.SELF_MATCH:
            return False
        opposite = self._quotes.get((instrument, Side(-side)))
        old = None if opposite is None else opposite.replaces or opposite
        return old is not None and old.cancelling

    def _quote_of(self, instrument: int, side: Side) -> Order | None:
        """Return the order that quotes a side: ours, or one that an earlier boot has left there."""
        order = self._quotes.get((instrument, side))
        if order is not None and order.state.terminal:
            # A cancel-replace that failed may have left the old one standing.
            old = order.replaces
            order = None if old is None or old.state.terminal else old
        if order is None:
            order = self._take_over(instrument, side)
        return order

    def _take_over(self, instrument: int, side: Side) -> Order | None:
        """Make an earlier boot's order the quote of its side; others of them there are too many."""
        is_ours_now = self._orders.is_of_this_boot
        left = [
            order
            for order in self.open_orders(instrument)
            if order.side is side and not is_ours_now(order.client_order_id)
        ]
        if not left:
            return None
        order = self._quotes[instrument, side] = left[0]
        for other in left[1:]:
            self.cancel(other)
        return order

    def timer(self, delay_ns: int, tag: str) -> None:
        if delay_ns < 0:
            raise BadParameter(f"timer {tag!r}: a delay of {delay_ns} ns lies in the past")
        self._timers.push(self.now_ns + delay_ns, tag)

    def log(self, text: str) -> None:
        for line in self._flow.lines(text, self.now_ns):
            self._log(line)

    def _has(self, instrument: int) -> bool:
        return type(instrument) is int and 0 <= instrument < len(self._books)

    def _own(self, order: OrderView) -> Order | None:
        return order if isinstance(order, Order) else None


def _cancel_of(order: Order) -> Cancel:
    return Cancel(order.instrument, order.client_order_id, order.venue_order_id)


def _is_quote(wanted: Quote | None) -> bool:
    if wanted is None:
        return True
    return type(wanted) is Quote and type(wanted.price_ticks) is type(wanted.lots) is int


def _alone(order: Order) -> bool:
    """Whether nothing else of an order's chain may still trade.

    So a chain has two orders at most that may be alive: one being cancelled, and its successor.
    """
    return order.chain_open_lots == order.open_lots


def _shrinks(order: Order, price_ticks: int, lots: int) -> bool:
    """Whether an order is only to become smaller."""
    return price_ticks == order.price_ticks and type(lots) is int and 0 < lots < order.open_lots


def _stands_as(order: Order, wanted: Quote) -> bool:
    return (
        order.price_ticks == wanted.price_ticks
        and order.open_lots == wanted.lots
        and not order.amend_lots
    )


if TYPE_CHECKING:

    def _is_a_desk(desk: TradingDesk) -> Desk:
        return desk
