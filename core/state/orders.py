"""The order table: our orders as a fold of events.

Here live our orders, what the venue has proved about each, and the exposure they keep. What never
lives here: a decision to send, retry or query something, a book, a position.

Each event only ever adds evidence: the largest filled size, the smallest size, the set of trade
ids, the set of things proved. How an order stands is derived from its evidence alone, so any order
and any number of the same events end the same. A transport error is no event: it puts an order in
doubt, which takes nothing away.

Price and size are other than that where a venue changes them as we ask: they are what was told
last. A change that is under way counts with what it changes, the worse of both, until the venue
has told how the order stands, refused the change, or been asked when nothing can be on its way.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable, Iterator
from enum import IntEnum, IntFlag
from typing import TypeVar

from core.model.commands import OrderKind, Place, TimeInForce
from core.model.errors import Misuse
from core.model.events import (
    Fill,
    FillReport,
    OrderReport,
    OrderUpdate,
    OrdStatus,
    Side,
    Source,
)
from core.model.frozen import Frozen, Untracked
from core.model.venue import Names
from core.model.views import OrderState

MAX_TERMINAL = 10_000
"""Finished orders remembered for late events, which add to what is known of them: 10 s at a
thousand orders a second, hours at a maker's rate; some 5 MB. One that is forgotten is adopted anew
should the venue speak of it, and its fills are counted once by their trade ids all the same."""

SHELVES = 127
"""Small dicts in the place of a large one. A dict whose entries come and go is copied whole now and
then: for 10,000 orders that took a reply's turn up to 1 ms, every 12,000th, and left holes of half
a megabyte in the heap. A prime, so that numbers far apart are spread as well."""

MAX_UNCLAIMED = 5_000
"""Orders whose fills are kept before it is known whose they are: five of the largest pages of
trades, each trade of another order, while it takes one page of orders to tell of a thousand."""


class Evidence(IntFlag):
    """What has been seen of an order; bits are only ever set, never cleared by an event."""

    IN_DOUBT = 1
    """An answer was lost. Local knowledge, the only bit that proof makes meaningless."""
    REFUSED = 2
    """The venue said that it did not take the order, or can no longer take it."""
    ACCEPTED = 4
    REJECTED = 8
    EXPIRED = 16
    CANCELED = 32
    FILLED = 64
    FORGOTTEN = 128
    """The venue knew it once, and by all that can be asked knows it no more. Local knowledge, too:
    a word of the venue about the order takes it back."""


EVIDENCE: dict[OrdStatus, Evidence] = {
    OrdStatus.PENDING: Evidence.ACCEPTED,
    OrdStatus.NEW: Evidence.ACCEPTED,
    OrdStatus.PARTIALLY_FILLED: Evidence.ACCEPTED,
    OrdStatus.FILLED: Evidence.ACCEPTED | Evidence.FILLED,
    OrdStatus.CANCELED: Evidence.ACCEPTED | Evidence.CANCELED,
    OrdStatus.EXPIRED: Evidence.ACCEPTED | Evidence.EXPIRED,
    OrdStatus.REJECTED: Evidence.REJECTED,
}
"""What each word of the venue proves; the set is closed."""

PRECEDENCE: tuple[tuple[Evidence, OrderState], ...] = (
    (Evidence.FILLED, OrderState.FILLED),
    (Evidence.CANCELED, OrderState.CANCELED),
    (Evidence.EXPIRED, OrderState.EXPIRED),
    (Evidence.REJECTED, OrderState.REJECTED),
    (Evidence.FORGOTTEN, OrderState.EXPIRED),
    (Evidence.ACCEPTED, OrderState.LIVE),
    (Evidence.REFUSED, OrderState.REJECTED),
    (Evidence.IN_DOUBT, OrderState.UNKNOWN),
)
"""How evidence reads, strongest first; none at all is ``PENDING``. The reason kept of several is
the greatest text, so that it too depends on nothing but the set of events.

Acceptance is stronger than a refusal: where a venue contradicts itself, the exposure is kept.
"""

STATES: tuple[OrderState, ...] = tuple(
    next((state for bit, state in PRECEDENCE if bits & bit), OrderState.PENDING)
    for bits in range(256)
)
"""The state of every set of evidence; ``docs/order-states.md`` is drawn from it."""


class Terms(IntEnum):
    """What a report proves about an order's price and size."""

    FIXED = 0
    """The price is that of its placing, and the smallest size that was told counts: nobody has
    requested another price, or for more."""
    INHERITED = 1
    """A former boot may have moved it, so that whatever the venue says counts."""
    MOVED = 2
    """It was told of in order, or we have moved it: what may lie behind proves nothing of it."""


_MAY_LAG = (Source.QUERY, Source.RECONCILE)
_ANY_TICKS = 2**62
"""Above every price."""

_BUY = Side.BUY
_PENDING = OrderState.PENDING
_INHERITED = Terms.INHERITED
_MOVED = Terms.MOVED

_EVIDENCE: dict[OrdStatus, int] = {status: int(evidence) for status, evidence in EVIDENCE.items()}
_IN_DOUBT = int(Evidence.IN_DOUBT)
_FILLED = int(Evidence.FILLED)
_EXPIRED = int(Evidence.EXPIRED)
_ENDED = int(Evidence.EXPIRED | Evidence.CANCELED)
_GONE = int(Evidence.REFUSED | Evidence.FORGOTTEN)
_FORGOTTEN = int(Evidence.FORGOTTEN)
_IS_OPEN = (OrdStatus.PENDING, OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED)


UNTRADED: dict[str, None] = {}
"""The trade ids of every order without a trade, which most are: nobody adds to it."""


class Chain(Untracked):
    """An order and all that replaced it, one after the other: one intent at changing prices.

    Its orders share this object and know nothing else of each other, so that a chain of any length
    keeps none of them alive. Both sums are over what each order's own evidence says, so they too
    depend on nothing but the set of events. A chain ends with its boot: an order that is adopted or
    resumed begins one of its own.
    """

    filled_lots: int = 0
    open_lots: int = 0
    """What may still trade; orders whose cancel is not proved yet are among it."""


class Order(Untracked):
    """One of our orders, and all that is known of it. Read it through
    ``core.model.views.OrderView``.

    Of its fields only ``replaces`` leads to another order, to one that was there before: no cycle.
    """

    instrument: int
    client_order_id: str
    side: Side
    kind: OrderKind
    tif: TimeInForce
    price_ticks: int
    placed_lots: int
    size_lots: int
    open_lots: int
    """What may still trade: all that is not filled while unproved, 0 once terminal."""
    sent_ns: int
    replaces: Order | None
    chain: Chain | None
    """``None`` for an order that neither replaces another nor was replaced."""
    trade_ids: dict[str, None]
    """A set, as a dict: the collector does not look at a dict without containers in it. It is
    ``UNTRADED`` until there is a trade."""
    venue_order_id: str = ""
    filled_lots: int = 0
    traded_lots: int = 0
    evidence: int = 0
    state: OrderState = _PENDING
    cancelling: bool = False
    reason: str = ""
    terms: int = 0  # never compared by identity: compiled, it is read as another object
    """One of ``Terms``."""
    lowest_ticks: int = 0
    highest_ticks: int = 0
    """Between these it has stood, where its terms are not fixed."""
    amend_ticks: int = 0
    amend_lots: int = 0
    """Price and size that are requested; the size is 0 while no amend is under way."""
    amended_ns: int = 0
    """When the newest amend was sent, 0 for none."""

    @classmethod
    def of(cls, place: Place, sent_ns: int, replaces: Order | None = None) -> Order:
        """Return the order of a command that nobody has heard of yet."""
        lots = place.lots
        return cls(
            place.instrument,
            place.client_order_id,
            place.side,
            place.kind,
            place.tif,
            place.price_ticks,
            lots,
            lots,
            lots,
            sent_ns,
            replaces,
            None if replaces is None else replaces.joined(),
            UNTRADED,
        )

    def __repr__(self) -> str:
        return (
            f"<Order {self.client_order_id} {self.state} {self.side.name} "
            f"{self.filled_lots}/{self.size_lots} at {self.price_ticks}>"
        )

    @property
    def unbooked_lots(self) -> int:
        """Filled by the venue's count, without the fills themselves: request the trades."""
        return self.filled_lots - self.traded_lots

    def joined(self) -> Chain:
        """Return its chain; an order that is alone begins one."""
        if self.chain is None:
            self.chain = Chain(self.filled_lots, self.open_lots)
        return self.chain

    @property
    def chain_filled_lots(self) -> int:
        return self.filled_lots if self.chain is None else self.chain.filled_lots

    @property
    def chain_open_lots(self) -> int:
        return self.open_lots if self.chain is None else self.chain.open_lots

    @property
    def adopted(self) -> bool:
        """Whether the venue alone has told of it: no note of ours says when it was sent."""
        return not self.sent_ns

    @property
    def proved(self) -> bool:
        """Whether the venue has said anything that decides if the order was accepted."""
        return self.evidence > _IN_DOUBT


class Exposure:
    """What our orders on one instrument may still do, worst case."""

    __slots__ = (
        "_buy_ticks",
        "_sell_ticks",
        "open_buy_lots",
        "open_orders",
        "open_sell_lots",
        "orders",
    )

    def __init__(self) -> None:
        self.open_buy_lots = 0
        self.open_sell_lots = 0
        self.orders: dict[str, Order] = {}
        """Orders that are not terminal or have unbooked fills, oldest first."""
        self.open_orders = 0
        """How many they are."""
        self._buy_ticks: list[int] = []
        self._sell_ticks: list[int] = []

    def highest_buy_ticks(self) -> int:
        """Return the best price of our open buys, 0 when there is none."""
        return self._buy_ticks[-1] if self._buy_ticks else 0

    def lowest_sell_ticks(self) -> int:
        """Return the best price of our open sells, 0 when there is none."""
        return self._sell_ticks[0] if self._sell_ticks else 0

    def enter(self, order: Order) -> None:
        """Count an order among the open ones."""
        self.orders[order.client_order_id] = order
        self.open_orders += 1
        price_ticks = order.price_ticks
        if price_ticks:
            insort(self._ticks(order), price_ticks)

    def leave(self, order: Order) -> None:
        """Count an order no more."""
        del self.orders[order.client_order_id]
        self.open_orders -= 1
        if order.price_ticks:
            ticks = self._ticks(order)
            del ticks[bisect_left(ticks, order.price_ticks)]

    def move(self, order: Order, price_ticks: int, amend_ticks: int) -> None:
        """Have an order stand at a price, and perhaps at the other one; 0 for none."""
        before = (order.price_ticks, order.amend_ticks)
        order.price_ticks, order.amend_ticks = price_ticks, amend_ticks
        if order.client_order_id not in self.orders:
            return
        ticks = self._ticks(order)
        for price in before:
            if price:
                del ticks[bisect_left(ticks, price)]
        for price in (price_ticks, amend_ticks):
            if price:
                insort(ticks, price)

    def _ticks(self, order: Order) -> list[int]:
        """The prices of one side, ascending; an order at market has none.

        A plain list: inserting into a hundred integers costs less than looking at ten orders.
        """
        return self._buy_ticks if order.side is _BUY else self._sell_ticks


class Applied(Frozen, frozen=True):
    """What applying an event has changed: the order, whether it looks different now, and the new
    fills.
    """

    order: Order
    changed: bool
    fills: tuple[Fill, ...] = ()
    numbered: bool = False
    """Whether this was the first to tell the venue's number of it."""
    contradiction: str = ""
    """What the venue cannot have done: it is not to be traded with until a person has looked."""
    reappeared: bool = False
    """Whether the venue had said that it did not take this order, or knew it no more, and now
    tells of it after all."""


class Orders:
    """The table of our orders.

    ``names`` are this boot's client order ids, and tell our orders from others'. ``rising_ids`` is
    as in ``core.model.venue.Capabilities``; ``reprices`` says that the venue changes price and size
    of an order where it stands.
    """

    def __init__(self, names: Names, *, rising_ids: bool = False, reprices: bool = False) -> None:
        self.names = names
        self._reprices = reprices
        self._rising_ids = rising_ids
        self._newest: dict[int, tuple[int, int]] = {}
        """The highest id an order of ours was given, by instrument, and when we were told."""
        self._name = names.next
        self._sequence = 0
        self._live: dict[str, Order] = {}
        self._terminal: list[dict[str, Order]] = _shelves()
        self._ended: deque[Order] = deque()
        """Those of ``_terminal``, in the order in which they ended."""
        self._numbered: defaultdict[int, list[dict[str, Order]]] = defaultdict(_shelves)
        """By instrument and the venue's id. No key is a tuple: each would be one more object
        for the collector to look at, for as long as the order is remembered."""
        self._unclaimed: OrderedDict[tuple[int, str], dict[str, FillReport]] = OrderedDict()
        self._exposures: defaultdict[int, Exposure] = defaultdict(Exposure)
        self.foreign = 0
        """Reports about orders that are not ours."""

    # -- what may be seen ----------------------------------------------------------------------

    def exposure(self, instrument: int) -> Exposure:
        """Return the exposure of an instrument; the same object for the life of the table."""
        return self._exposures[instrument]

    def find(self, client_order_id: str) -> Order | None:
        """Return an order by its client id, finished ones too as long as remembered."""
        order = self._live.get(client_order_id)
        if order is None:
            order = self._terminal[hash(client_order_id) % SHELVES].get(client_order_id)
        return order

    def by_venue_id(self, instrument: int, venue_order_id: str) -> Order | None:
        """Return an order by the venue's id of it."""
        return self._numbered[instrument][hash(venue_order_id) % SHELVES].get(venue_order_id)

    def is_ours(self, client_order_id: str) -> bool:
        """Whether an id was given by this scope, in this boot or an earlier one."""
        return self.names.is_ours(client_order_id)

    def is_of_this_boot(self, client_order_id: str) -> bool:
        """Whether an id was given by this boot."""
        return self.names.is_of_this_boot(client_order_id)

    def open(self) -> Iterator[Order]:
        """Iterate over orders that are not terminal, oldest first; the table may change meanwhile.

        Orders that are terminal with unbooked fills are not among them.
        """
        return (order for order in list(self._live.values()) if not order.state.terminal)

    def renumber(self, instrument: int) -> None:
        """The venue numbers its orders from the beginning again: none is known by its number."""
        self._newest.pop(instrument, None)
        self._numbered.pop(instrument, None)
        for order in self._live.values():
            if order.instrument == instrument:
                order.venue_order_id = ""

    def newest(self, instrument: int) -> str:
        """Return the highest id an order of ours was given, "" where ids do not rise."""
        number, _ = self._newest.get(instrument, (0, 0))
        return str(number) if number else ""

    def unsettled(self) -> Iterator[Order]:
        """Iterate over orders that still keep exposure, unbooked fills included."""
        return iter(list(self._live.values()))

    def __len__(self) -> int:
        return len(self._live)

    @property
    def used(self) -> int:
        """How many client order ids this boot has given."""
        return self._sequence

    # -- what we do ----------------------------------------------------------------------------

    def next_id(self) -> str:
        """Return a client order id that no boot of this scope has used."""
        self._sequence += 1
        return self._name(self._sequence)

    def add(self, place: Place, now_ns: int, replaces: Order | None = None) -> Order:
        """Enter an order that is about to be sent; its whole size counts as exposure.

        It joins the chain of the order that it ``replaces``, and remembers that one, which stands
        on should the replace fail. That one forgets what it replaced itself: no order keeps more
        than one other alive.
        """
        name, lots = place.client_order_id, place.lots
        if name in self._live or name in self._terminal[hash(name) % SHELVES]:
            raise Misuse(f"client order id {name} was used before")
        order = Order.of(place, now_ns, replaces)
        if replaces is not None:
            replaces.replaces = None
        self._live[name] = order
        # What ``_count`` does for an order of which nothing is filled, in the hurry of a send.
        if order.chain is not None:
            order.chain.open_lots += lots
        exposure = self._exposures[place.instrument]
        exposure.enter(order)
        if place.side is _BUY:
            exposure.open_buy_lots += lots
        else:
            exposure.open_sell_lots += lots
        return order

    def withdraw(self, order: Order) -> None:
        """Take back an order that was added and never sent."""
        self._count(order, quantities(order), _NOTHING)
        del self._live[order.client_order_id]
        self._exposures[order.instrument].leave(order)

    def adopt(self, report: OrderReport) -> Applied:
        """Enter an order of an earlier boot of this scope that the venue says exists."""
        place = Place(
            report.instrument,
            report.client_order_id,
            report.side,
            OrderKind.LIMIT,
            TimeInForce.GTC,
            report.price_ticks,
            report.size_lots,
        )
        order = self._known_by_number(report)
        if order is None:
            order = self.add(place, 0)  # when it was sent, no report of it says
            # Nor with which size, where an amend has made it smaller than what it has filled.
            order.placed_lots = max(report.size_lots, report.filled_lots)
            self._inherit(order)
        return self._apply(order, report)

    def resume(
        self,
        place: Place,
        sent_ns: int,
        venue_order_id: str,
        filled_lots: int,
        traded_lots: int,
        trade_ids: Iterable[str],
        placed_lots: int = 0,
    ) -> Order:
        """Enter an order that an earlier boot left, with the fills it has booked.

        What was booked is not told again; the venue's next word on it may add to that. It was
        placed with ``placed_lots``, where an amend has made it smaller since.
        """
        order = self.add(place, sent_ns)
        order.placed_lots = max(placed_lots, place.lots)
        self._inherit(order)
        before = quantities(order)
        order.filled_lots, order.traded_lots = filled_lots, traded_lots
        order.trade_ids = dict.fromkeys(trade_ids)
        if venue_order_id:
            order.venue_order_id = venue_order_id
            order.evidence = int(Evidence.ACCEPTED)
            self._number(order)
        self._conclude(order, before)
        return order

    def _inherit(self, order: Order) -> None:
        """Where the venue moves orders, a former boot may have moved this one to any price."""
        if self._reprices:
            order.terms, order.highest_ticks = _INHERITED, _ANY_TICKS

    def amend(self, order: Order, price_ticks: int, size_lots: int, now_ns: int) -> None:
        """Count what an amend requests that has just left beside what stands."""
        order.amended_ns = now_ns
        if not self._reprices:
            return  # it only ever becomes smaller: what stands is the worse of both
        if not order.terms:
            order.lowest_ticks = order.highest_ticks = order.price_ticks
        order.terms = _MOVED
        order.lowest_ticks = min(order.lowest_ticks, price_ticks)
        order.highest_ticks = max(order.highest_ticks, price_ticks)
        order.placed_lots = max(order.placed_lots, size_lots)
        before = quantities(order)
        order.amend_lots = size_lots
        self._exposures[order.instrument].move(order, order.price_ticks, price_ticks)
        self._conclude(order, before)

    # -- what we are told ----------------------------------------------------------------------

    def on_report(self, report: OrderReport) -> Applied | None:
        """Apply what the venue says of one order; ``None`` when the order is not in the table."""
        order = self.find(report.client_order_id) or self._known_by_number(report)
        if order is None:
            self.foreign += 1
            return None
        return self._apply(order, report)

    def whole(self, update: OrderUpdate) -> OrderReport | None:
        """Return what an update tells with all that it leaves out; ``None`` where the order is not
        in the table.
        """
        order = self.find(update.client_order_id) or self._by_number_alone(update.venue_order_id)
        if order is None:
            return None
        price_ticks, size_lots = update.price_ticks, update.size_lots
        if size_lots is None:
            size_lots = 0 if price_ticks is None else order.size_lots  # 0: it tells no terms
        return OrderReport(
            instrument=order.instrument,
            client_order_id=order.client_order_id,
            venue_order_id=update.venue_order_id,
            source=Source.STREAM,
            exec_type=update.exec_type,
            status=update.status,
            side=order.side,
            price_ticks=order.price_ticks if price_ticks is None else price_ticks,
            size_lots=size_lots,
            filled_lots=order.filled_lots if update.filled_lots is None else update.filled_lots,
            fills=update.fills,
            reason=update.reason,
            venue_ns=update.venue_ns,
        )

    def _by_number_alone(self, number: str) -> Order | None:
        """Return an order by the venue's id of it, on whichever instrument it stands."""
        found = (self.by_venue_id(instrument, number) for instrument in list(self._numbered))
        return next((order for order in found if order is not None), None)

    def _apply(self, order: Order, report: OrderReport) -> Applied:
        gone = bool(order.evidence & _GONE) and order.state.terminal
        is_back = gone and report.status in _IS_OPEN
        if not is_back and _adds_nothing(order, report):
            if order.filled_lots <= order.size_lots:
                return Applied(order, False)
            return Applied(order, False, contradiction=_overfilled(order))
        contradiction = _contradicts(order, report)
        if contradiction:
            return Applied(order, False, contradiction=contradiction)
        looked = (order.state, order.size_lots, order.filled_lots)
        if is_back:
            order.evidence &= ~_FORGOTTEN
        before = quantities(order)
        claimed: tuple[Fill, ...] = ()
        numbered = bool(report.venue_order_id) and not order.venue_order_id
        if numbered:
            order.venue_order_id = report.venue_order_id
            self._number(order)
            if self._unclaimed:
                claimed = self._claim(order)
        order.evidence |= _EVIDENCE[report.status]
        if report.reason > order.reason:
            order.reason = report.reason
        moved = False
        if order.terms:
            moved = self._take_terms(order, report)
        elif 0 < report.size_lots < order.size_lots:
            order.size_lots = report.size_lots
        if report.filled_lots > order.filled_lots:
            order.filled_lots = report.filled_lots
        fills = claimed + report.fills
        if fills:
            fills = self._new_fills(order, fills)
        self._conclude(order, before)
        changed = (
            looked != (order.state, order.size_lots, order.filled_lots) or bool(fills) or moved
        )
        contradiction = ""
        if order.filled_lots > order.size_lots or report.venue_order_id != order.venue_order_id:
            contradiction = _overfilled(order) or _doubled(order, report.venue_order_id)
        reappeared = gone and (bool(fills) or not order.state.terminal)
        return Applied(order, changed, fills, numbered, contradiction, reappeared)

    def _take_terms(self, order: Order, report: OrderReport) -> bool:
        """Take price and size from a report, unless it may be of before they were changed.

        Returns whether it stands elsewhere now, or an amend is over.
        """
        if not report.size_lots:
            return False
        if order.terms == _INHERITED:  # a former boot may have had it made larger
            order.placed_lots = max(order.placed_lots, report.size_lots)
        if report.source not in _MAY_LAG:
            order.terms = _MOVED
        elif order.terms != _INHERITED:
            return False
        return self._stand(order, report.price_ticks, report.size_lots)

    def _stand(self, order: Order, price_ticks: int, size_lots: int) -> bool:
        """Have an order stand so; an amend is over where it has led there."""
        moved = price_ticks != order.price_ticks
        over = price_ticks == order.amend_ticks and (moved or size_lots == order.amend_lots)
        order.size_lots = size_lots
        if over:
            order.amend_lots = 0
        if moved or over:
            exposure = self._exposures[order.instrument]
            exposure.move(order, price_ticks, 0 if over else order.amend_ticks)
        return moved or over

    def on_stands(self, order: Order, report: OrderReport) -> Applied:
        """Take price and size from an answer that was requested when no amend could be on its way
        any more: one that had not led there by then never will.
        """
        looked, before = _looks(order), quantities(order)
        self._stand(order, report.price_ticks, report.size_lots)
        self._drop_amend(order)
        self._conclude(order, before)
        return Applied(order, looked != _looks(order), contradiction=_overfilled(order))

    def on_amend_refused(self, order: Order, price_ticks: int | None, size_lots: int) -> Applied:
        """Apply the venue's proof that it has not made, and will not make, what was requested.

        An earlier amend, whose answer was overtaken, says nothing of the one under way.
        """
        looked, before = _looks(order), quantities(order)
        if size_lots == order.amend_lots and price_ticks in (None, order.amend_ticks):
            self._drop_amend(order)
            self._conclude(order, before)
        return Applied(order, looked != _looks(order))

    def _drop_amend(self, order: Order) -> None:
        if order.amend_lots:
            order.amend_lots = 0
            self._exposures[order.instrument].move(order, order.price_ticks, 0)

    def on_unread(self, order: Order, status: OrdStatus, number: str) -> Applied:
        """Apply a report of which only this can be read: how the order stands, and its number."""
        looked, before = order.state, quantities(order)
        claimed: tuple[Fill, ...] = ()
        numbered = bool(number) and not order.venue_order_id
        if numbered:
            self.on_number(order, number)
            claimed = self._claim(order)
        if status in _IS_OPEN:
            order.evidence &= ~_FORGOTTEN
        order.evidence |= _EVIDENCE[status]
        fills = self._new_fills(order, claimed)
        self._conclude(order, before)
        return Applied(order, order.state is not looked or bool(fills), fills, numbered)

    def may_be_of_unnumbered(self, instrument: int, side: Side) -> bool:
        """Whether an order is in the table whose number nobody has told yet, on this side."""
        orders = self.exposure(instrument).orders.values()
        return any(not order.venue_order_id and order.side is side for order in orders)

    def on_number(self, order: Order, number: str) -> None:
        """Know an order by this number: the venue has given it anew."""
        order.venue_order_id = number
        self._number(order)

    def rises(self, order: Order, now_ns: int) -> bool:
        """Hold an order's new id against the highest; whether it fits what the venue has told.

        One of an order that was sent when a higher id was told already says that the numbers begin
        anew.
        """
        if not self._rising_ids:
            return True
        number = int(order.venue_order_id)
        newest, told_ns = self._newest.get(order.instrument, (0, 0))
        if number > newest:
            self._newest[order.instrument] = (number, now_ns)
        return number > newest or order.sent_ns <= told_ns

    def begin_with(self, order: Order, number: str, now_ns: int) -> None:
        """Numbers begin anew, and this order's is the first of them."""
        self._newest[order.instrument] = (int(number), now_ns)
        self.on_number(order, number)

    def expect_above(self, instrument: int, venue_order_id: str, told_ns: int) -> None:
        """An earlier boot was told this id of an order, by ``told_ns`` at the latest."""
        if not self._rising_ids:
            return
        number = int(venue_order_id or 0)
        if number > self._newest.get(instrument, (0, 0))[0]:
            self._newest[instrument] = (number, told_ns)

    def _number(self, order: Order) -> None:
        number = order.venue_order_id
        self._numbered[order.instrument][hash(number) % SHELVES][number] = order

    def _known_by_number(self, report: OrderReport) -> Order | None:
        """A cancelled order may be listed under its cancel's id: the venue's number tells."""
        return self.by_venue_id(report.instrument, report.venue_order_id)

    def on_fill(self, report: FillReport) -> Applied | None:
        """Apply a fill that was found by requesting trades."""
        order = self.by_venue_id(report.instrument, report.venue_order_id)
        if order is None:
            self._keep_unclaimed(report)
            return None
        if report.side is not order.side:
            what = f"trade {report.fill.trade_id} on the other side is told of it"
            return Applied(order, False, contradiction=what)
        gone = bool(order.evidence & _GONE) and order.state.terminal
        looked, before = (order.state, order.filled_lots), quantities(order)
        order.evidence |= int(Evidence.ACCEPTED)
        fills = self._new_fills(order, (report.fill,))
        self._conclude(order, before)
        changed = looked != (order.state, order.filled_lots) or bool(fills)
        return Applied(
            order,
            changed,
            fills,
            contradiction=_overfilled(order),
            reappeared=gone and bool(fills),
        )

    def on_refused(self, order: Order, reason: str) -> Applied:
        """Apply the venue's proof that it did not take the order, or can no longer take it."""
        return self._add_evidence(order, Evidence.REFUSED, reason)

    def on_forgotten(self, order: Order, reason: str) -> Applied:
        """Note that the venue, which once knew the order, knows it no more by all we can ask."""
        return self._add_evidence(order, Evidence.FORGOTTEN, reason)

    def on_doubt(self, order: Order) -> Applied:
        """Note that an answer was lost: nothing is proved, nothing is given up."""
        return self._add_evidence(order, Evidence.IN_DOUBT, "")

    # -- inside --------------------------------------------------------------------------------

    def _add_evidence(self, order: Order, evidence: Evidence, reason: str) -> Applied:
        looked, before = order.state, quantities(order)
        order.evidence |= int(evidence)
        if reason > order.reason:
            order.reason = reason
        self._conclude(order, before)
        return Applied(order, order.state is not looked)

    def _new_fills(self, order: Order, fills: tuple[Fill, ...]) -> tuple[Fill, ...]:
        if not fills:
            return ()
        new = []
        if order.trade_ids is UNTRADED:
            order.trade_ids = {}
        for fill in fills:
            if fill.trade_id not in order.trade_ids:
                order.trade_ids[fill.trade_id] = None
                order.traded_lots += fill.lots
                new.append(fill)
        if order.traded_lots > order.filled_lots:
            order.filled_lots = order.traded_lots
        return tuple(new)

    def _keep_unclaimed(self, report: FillReport) -> None:
        """Keep a fill of an order whose venue id we have not been told yet, or never will be."""
        key = (report.instrument, report.venue_order_id)
        if key not in self._unclaimed:
            self.foreign += 1
            if len(self._unclaimed) >= MAX_UNCLAIMED:
                self._unclaimed.popitem(last=False)
        self._unclaimed.setdefault(key, {})[report.fill.trade_id] = report

    def unclaimed(self) -> list[tuple[int, str]]:
        """Return instrument and venue id of orders we know only by their fills."""
        return list(self._unclaimed)

    def disown(self, instrument: int, venue_order_id: str) -> tuple[FillReport, ...]:
        """An order known only by its fills is not ours; returns the fills."""
        return tuple(self._unclaimed.pop((instrument, venue_order_id), {}).values())

    def _claim(self, order: Order) -> tuple[Fill, ...]:
        claimed = self._unclaimed.pop((order.instrument, order.venue_order_id), {})
        return tuple(report.fill for report in claimed.values() if report.side is order.side)

    def _conclude(self, order: Order, before: tuple[int, int, int]) -> None:
        """Derive the state from the evidence, and move sums and places accordingly."""
        most_lots = order.size_lots
        if order.amend_lots > most_lots:
            most_lots = order.amend_lots
        if order.filled_lots >= most_lots and order.terms != _INHERITED:
            order.evidence |= _FILLED
        order.state = state = STATES[order.evidence]
        if state.terminal:
            order.cancelling = False
            order.open_lots = 0
            if order.amend_lots:
                self._drop_amend(order)
        else:
            open_lots = most_lots - order.filled_lots
            order.open_lots = open_lots if open_lots > 0 else 0
        after = quantities(order)
        if after != before:
            self._count(order, before, after)
        settled = state.terminal and order.filled_lots == order.traded_lots
        if settled and order.client_order_id in self._live:
            self._retire(order)
        elif not settled and order.client_order_id not in self._live:
            self._revive(order)

    def _count(
        self, order: Order, before: tuple[int, int, int], after: tuple[int, int, int]
    ) -> None:
        """Move the sums over a chain and over an instrument by what became of one order."""
        chain = order.chain
        if chain is not None:
            chain.filled_lots += after[0] - before[0]
            chain.open_lots += after[1] - before[1]
        exposure = self._exposures[order.instrument]
        if order.side is _BUY:
            exposure.open_buy_lots += after[2] - before[2]
        else:
            exposure.open_sell_lots += after[2] - before[2]

    def _retire(self, order: Order) -> None:
        name = order.client_order_id
        del self._live[name]
        self._exposures[order.instrument].leave(order)
        self._terminal[hash(name) % SHELVES][name] = order
        self._ended.append(order)
        if len(self._ended) > MAX_TERMINAL:
            self._forget(self._ended.popleft())

    def _forget(self, order: Order) -> None:
        name, number = order.client_order_id, order.venue_order_id
        del self._terminal[hash(name) % SHELVES][name]
        shelf = self._numbered[order.instrument][hash(number) % SHELVES]
        if shelf.get(number) is order:
            del shelf[number]

    def _revive(self, order: Order) -> None:
        """A finished order turned out not to be: a contradiction, a fill without its trade."""
        name = order.client_order_id
        del self._terminal[hash(name) % SHELVES][name]
        self._ended.remove(order)
        self._live[name] = order
        self._exposures[order.instrument].enter(order)


_Key = TypeVar("_Key")


def _shelves() -> list[dict[_Key, Order]]:
    return [{} for _ in range(SHELVES)]


_NOTHING = (0, 0, 0)


def quantities(order: Order) -> tuple[int, int, int]:
    """Return filled, open and reserved lots: what sums over orders are kept of.

    Exposure reserves the open rest, and fills that are told but not yet booked.
    """
    filled_lots, open_lots = order.filled_lots, order.open_lots
    return filled_lots, open_lots, open_lots + filled_lots - order.traded_lots


def _looks(order: Order) -> tuple[OrderState, int, int, int, int]:
    """Return what of an order a strategy is told of when it changes."""
    return order.state, order.size_lots, order.filled_lots, order.price_ticks, order.open_lots


def _adds_nothing(order: Order, report: OrderReport) -> bool:
    """Whether all that a report says is known: most are the second or third to tell of a change."""
    trade_ids = order.trade_ids
    for fill in report.fills:
        if fill.trade_id not in trade_ids:
            return False
    return (
        report.venue_order_id == order.venue_order_id
        and report.price_ticks == order.price_ticks
        and report.side is order.side
        and report.instrument == order.instrument
        and not _EVIDENCE[report.status] & ~order.evidence
        and report.filled_lots <= order.filled_lots
        and (
            report.size_lots == order.size_lots
            or not (order.terms or 0 < report.size_lots < order.size_lots)
        )
        and report.reason <= order.reason
    )


def tells_of(order: Order, report: OrderReport) -> bool:
    """Return whether an answer to a question about an order tells of this one.

    A cancelled order may be listed under its cancel's id; any other name at its number is another
    order's: the venue's numbers have begun anew.
    """
    named = report.client_order_id == order.client_order_id
    renamed = report.status is OrdStatus.CANCELED and report.venue_order_id != ""
    return (named or renamed) and not _contradicts(order, report)


def _contradicts(order: Order, report: OrderReport) -> str:
    """Return in what a report cannot be of the order that it names, "" where it can.

    An order keeps symbol and side for its life, and its price where nobody has moved it; one at
    market has no price to compare.
    """
    if report.instrument != order.instrument:
        what = "symbol"
    elif report.side is not order.side:
        what = "side"
    elif (
        order.price_ticks
        and report.price_ticks != order.price_ticks
        and not (order.terms and order.lowest_ticks <= report.price_ticks <= order.highest_ticks)
    ):
        what = "price"
    else:
        return ""
    return f"a report that names it tells another {what}: it is not ours, and not folded"


def _overfilled(order: Order) -> str:
    """Return what no venue that keeps its word can say of an order's fills, "" where it does not.

    An amend to less than a fill has left that crossed it ends the order, with more filled than
    its new size: that is no contradiction as long as it is no more than was ever requested.
    """
    if order.filled_lots <= order.size_lots or order.terms == _INHERITED:
        return ""  # to what size a former boot had it made, only the venue knows
    ended = order.evidence & (_ENDED if order.terms else _EXPIRED)
    may_lots = order.placed_lots if ended else max(order.size_lots, order.amend_lots)
    return (
        f"order {order.client_order_id} is filled beyond its size"
        if order.filled_lots > may_lots
        else ""
    )


def _doubled(order: Order, venue_order_id: str) -> str:
    """Return that the venue holds an order twice, "" where it does not."""
    if venue_order_id in ("", order.venue_order_id):
        return ""
    return (
        f"order {order.client_order_id} stands twice, as {order.venue_order_id} and as "
        f"{venue_order_id}"
    )
