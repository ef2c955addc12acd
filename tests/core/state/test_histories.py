"""Whatever is told of our orders, in any order and any number of times: it ends the same.

A history begins with the truth: a small venue trades, amends, cancels, replaces, rejects and
expires some orders. Then parts of it are told: snapshots of any moment over any channel, fills with
and without their reports, lost answers, refusals. What is told is always true, and never complete
unless a test asks for it. Causality is kept and nothing else: nothing is heard of an order before
it is sent, and a name that only a cancel gave is heard after the venue's number of the order.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from hypothesis import event, given
from hypothesis import strategies as st

from core.model.commands import OrderKind, Place, TimeInForce
from core.model.events import ExecType, Fill, FillReport, OrderReport, OrdStatus, Side, Source
from core.model.views import OrderState
from core.state.orders import Applied, Exposure, Order, Orders
from core.state.position import Position
from tests.core.contracts import SPOT
from venues.kit.names import Prefixed

MAX_EVENTS = 40
PERMUTATIONS = 5
SCOPE, BOOT = "hx-", 2
INSTRUMENTS = 2

SEEDS = st.integers(0, 2**32)
"""Of permutations: drawn one by one they would leave no room for long histories."""

STEPS = st.sampled_from([1, 2, 3, 5, 8, 12, 16, 20, 24])

WAYS = st.sampled_from(["stream", "stream", "count", "trade", "both", "renamed", "silence"])

STATES = {
    OrdStatus.NEW: OrderState.LIVE,
    OrdStatus.PARTIALLY_FILLED: OrderState.LIVE,
    OrdStatus.FILLED: OrderState.FILLED,
    OrdStatus.CANCELED: OrderState.CANCELED,
    OrdStatus.EXPIRED: OrderState.EXPIRED,
    OrdStatus.REJECTED: OrderState.REJECTED,
}


# -- the truth -------------------------------------------------------------------------------


@dataclass
class Truth:
    """One order as the venue has it, with all it ever was."""

    instrument: int
    name: str
    number: int
    side: Side
    ticks: int
    size: int
    how: str
    """Whether it is ``sent`` in this boot, ``left`` by an earlier one, ``noted`` by it, or
    somebody else's (``foreign``)."""
    replaces: Truth | None = None
    filled: int = 0
    status: OrdStatus = OrdStatus.NEW
    fills: list[Fill] = field(default_factory=list)
    moments: list[OrderReport] = field(default_factory=list)
    first_size: int = 0
    noted_fills: int = 0
    """How many fills an earlier boot has booked and noted."""

    def __post_init__(self) -> None:
        self.first_size = self.size

    @property
    def alive(self) -> bool:
        return self.status in (OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED)

    @property
    def ours(self) -> bool:
        return self.how != "foreign"

    def tell(self, change: ExecType, fills: tuple[Fill, ...] = (), reason: str = "") -> None:
        self.moments.append(
            OrderReport(
                instrument=self.instrument,
                client_order_id=self.name,
                venue_order_id="" if self.status is OrdStatus.REJECTED else str(self.number),
                source=Source.STREAM,
                exec_type=change,
                status=self.status,
                side=self.side,
                price_ticks=self.ticks,
                size_lots=self.size,
                filled_lots=self.filled,
                fills=fills,
                reason=reason,
                venue_ns=1_000 + len(self.moments),
            )
        )

    def trade(self, trade_id: int, lots: int) -> None:
        asset = "BNB" if trade_id % 3 else "USDT"
        fill = Fill(
            str(trade_id),
            trade_id,
            self.ticks - trade_id % 2,
            lots,
            trade_id % 5 - 1,
            asset,
            True,
            0,
        )
        self.fills.append(fill)
        self.filled += lots
        whole = self.filled == self.size
        self.status = OrdStatus.FILLED if whole else OrdStatus.PARTIALLY_FILLED
        self.tell(ExecType.TRADE, (fill,))

    def end(self, status: OrdStatus, change: ExecType, reason: str) -> None:
        self.status = status
        self.tell(change, reason=reason)


@dataclass
class Story:
    """A venue in which things happen, as drawn."""

    orders: list[Truth] = field(default_factory=list)
    trades: int = 0

    def place(self, draw: st.DrawFn, replaces: Truth | None = None) -> Truth:
        count = len(self.orders)
        if replaces:
            how, instrument, side = "sent", replaces.instrument, replaces.side
        else:
            how = draw(st.sampled_from(["sent", "sent", "sent", "left", "noted", "foreign"]))
            instrument = draw(st.integers(0, INSTRUMENTS - 1))
            side = draw(st.sampled_from(Side))
        name = {
            "sent": f"{SCOPE}{BOOT:x}-{count + 1}",
            "foreign": f"web_{count}",
        }.get(how, f"{SCOPE}1-{count + 1}")
        # A venue numbers orders and trades for each symbol apart.
        number = 1 + sum(other.instrument == instrument for other in self.orders)
        order = Truth(
            instrument,
            name,
            number,
            side,
            draw(st.integers(100, 103)),
            draw(st.integers(1, 40)),
            how,
            replaces,
        )
        self.orders.append(order)
        if how == "sent" and not draw(st.integers(0, 4)):
            order.end(OrdStatus.REJECTED, ExecType.REJECTED, "no")
        else:
            order.tell(ExecType.NEW)
        return order

    def go_on(self, draw: st.DrawFn) -> None:
        """Let one thing happen to an order that is alive; where there is none, to a new one."""
        alive = [order for order in self.orders if order.alive]
        if not alive:
            self.place(draw)
            return
        order = draw(st.sampled_from(alive))
        left = order.size - order.filled
        match draw(st.sampled_from(["trade"] * 4 + ["amend", "end", "replace", "replace", "note"])):
            case "trade":
                self.trades += 1
                order.trade(self.trades, draw(st.integers(1, min(left, 9))))
            case "amend" if left > 1:
                order.size -= draw(st.integers(1, left - 1))
                order.tell(ExecType.REPLACED)
            case "end":
                canceled = draw(st.booleans())
                status = OrdStatus.CANCELED if canceled else OrdStatus.EXPIRED
                change = ExecType.CANCELED if canceled else ExecType.EXPIRED
                order.end(status, change, draw(st.sampled_from(["", "why", "because"])))
            case "replace" if order.how == "sent":
                order.end(OrdStatus.CANCELED, ExecType.CANCELED, "")
                self.place(draw, order)
            case "note" if order.how == "noted":
                order.noted_fills = len(order.fills)


# -- what is told of it ----------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """One fact, and the order it is about; ``what`` is a report or what we conclude ourselves."""

    about: Truth
    what: OrderReport | FillReport | str


def tellings(draw: st.DrawFn, order: Truth) -> Iterable[Told]:
    """Draw how each moment of an order is told, if it is; it may be in more than one way."""
    for moment in order.moments:
        for way in sorted({draw(WAYS), draw(WAYS)}):
            yield from told_by(way, order, moment)
    if order.how == "sent":
        if draw(st.booleans()):
            yield Told(order, "doubt")
        if not draw(st.integers(0, 3)):
            yield Told(order, "refused")


def told_by(way: str, order: Truth, moment: OrderReport) -> Iterable[Told]:
    if way == "stream":
        yield Told(order, moment)
    if way in ("count", "both"):
        yield Told(order, bare(moment))
    if way in ("trade", "both"):
        yield from (Told(order, as_trade(order, fill)) for fill in moment.fills)
    if way == "renamed" and moment.status is OrdStatus.CANCELED and order.ours:
        yield Told(order, renamed(moment))


def bare(moment: OrderReport) -> OrderReport:
    """A report as a question is answered: without fills."""
    return _copy(moment, fills=(), exec_type=ExecType.SNAPSHOT, source=Source.QUERY)


def renamed(moment: OrderReport) -> OrderReport:
    """A cancelled order, listed under the name of its cancel."""
    return _copy(bare(moment), client_order_id="cancel-of-it")


def as_trade(order: Truth, fill: Fill) -> FillReport:
    return FillReport(order.instrument, str(order.number), order.side, fill)


def _copy(moment: OrderReport, **changes: object) -> OrderReport:
    fields = {name: getattr(moment, name) for name in moment.__struct_fields__}
    return OrderReport(**{**fields, **changes})


@dataclass
class History:
    orders: list[Truth]
    events: list[Told]


@st.composite
def histories(draw: st.DrawFn, *, whole: bool = False) -> History:
    """Some orders, and what is told of them: all there is to know at the end where ``whole``."""
    story = Story()
    for _ in range(draw(st.integers(1, 3))):
        story.place(draw)
    for _ in range(draw(STEPS)):
        story.go_on(draw)
    events = [told for order in story.orders for told in tellings(draw, order)]
    if whole:
        events = [told for told in events if told.what != "refused"]
        for order in story.orders:
            events.append(Told(order, bare(order.moments[-1])))
            events += [Told(order, as_trade(order, fill)) for fill in order.fills]
    elif len(events) > MAX_EVENTS:
        events = draw(st.permutations(events))[:MAX_EVENTS]
    return History(story.orders, events)


# -- who listens -----------------------------------------------------------------------------


class Rig:
    """Table and positions, joined as the engine joins them."""

    def __init__(self, orders: list[Truth]) -> None:
        self.truths = orders
        self.orders = Orders(Prefixed(SCOPE, BOOT))
        self.positions = [Position(SPOT) for _ in range(INSTRUMENTS)]
        self.waiting: list[Told] = []
        for truth in orders:
            if truth.how == "noted":
                self._resume(truth)

    def _resume(self, truth: Truth) -> None:
        booked = truth.fills[: truth.noted_fills]
        traded = sum(fill.lots for fill in booked)
        number = str(truth.number) if booked else ""
        ids = [fill.trade_id for fill in booked]
        order = self.orders.resume(place(truth), 0, number, traded, traded, ids)
        self.orders.on_doubt(order)

    def send(self, truth: Truth) -> Order:
        """Send an order of this boot, once, and what it replaces before it."""
        order = self.orders.find(truth.name)
        if order is None:
            old = self.send(truth.replaces) if truth.replaces else None
            order = self.orders.add(place(truth), 500, old)
        return order

    def hear(self, told: Told) -> None:
        """Take a fact in; one that cannot be heard yet is heard as soon as it can."""
        if told.about.how == "sent":
            self.send(told.about)
        if self._too_early(told):
            self.waiting.append(told)
            return
        self._fold(told)
        self.check()
        waiting, self.waiting = self.waiting, []
        for late in waiting:
            self.hear(late)

    def _too_early(self, told: Told) -> bool:
        return (
            isinstance(told.what, OrderReport)
            and told.about.ours
            and not self.orders.is_ours(told.what.client_order_id)
            and self.orders.by_venue_id(told.about.instrument, str(told.about.number)) is None
        )

    def _fold(self, told: Told) -> None:
        applied: Applied | None
        match told.what:
            case "doubt":
                applied = self.orders.on_doubt(self.send(told.about))
            case "refused":
                applied = self.orders.on_refused(self.send(told.about), "refused")
            case OrderReport() as report:
                applied = self.orders.on_report(report)
                renamed = told.about.ours and not self.orders.is_ours(report.client_order_id)
                assert applied is not None or not renamed, "the number tells whose it is"
                if applied is None and self.orders.is_ours(report.client_order_id):
                    applied = self.orders.adopt(report)
                elif applied is None:
                    self.orders.disown(report.instrument, report.venue_order_id)
            case FillReport() as report:
                applied = self.orders.on_fill(report)
        if applied is not None:
            assert applied.contradiction == "", "the venue has told nothing but the truth"
            for fill in applied.fills:
                assert self.positions[applied.order.instrument].on_fill(applied.order.side, fill)

    def known(self) -> list[Order]:
        found = [self.orders.find(truth.name) for truth in self.truths if truth.ours]
        return [order for order in found if order is not None]

    def check(self) -> None:
        """Every sum is what its parts are, after every single fact."""
        known = self.known()
        for index in range(INSTRUMENTS):
            here = [order for order in known if order.instrument == index]
            exposure = self.orders.exposure(index)
            kept = [order for order in here if not order.state.terminal or order.unbooked_lots]
            assert set(exposure.orders) == {order.client_order_id for order in kept}
            for side, lots in sides(exposure):
                assert lots == sum(o.open_lots + o.unbooked_lots for o in kept if o.side is side)
            buys = [order.price_ticks for order in kept if order.side is Side.BUY]
            sells = [order.price_ticks for order in kept if order.side is Side.SELL]
            assert exposure.highest_buy_ticks() == max(buys, default=0)
            assert exposure.lowest_sell_ticks() == min(sells, default=0)
        for order in known:
            chain = [order]
            if order.chain is not None:
                chain = [other for other in known if other.chain is order.chain]
            assert order.chain_filled_lots == sum(other.filled_lots for other in chain)
            assert order.chain_open_lots == sum(other.open_lots for other in chain)
            assert 0 <= order.traded_lots <= order.filled_lots <= order.size_lots

    def looks(self) -> tuple[object, ...]:
        """Everything that facts decide."""
        return (
            [
                (
                    order.client_order_id,
                    order.venue_order_id,
                    order.instrument,
                    order.side,
                    order.state,
                    order.evidence,
                    order.size_lots,
                    order.filled_lots,
                    order.traded_lots,
                    frozenset(order.trade_ids),
                    order.reason,
                    order.sent_ns,
                    order.chain_filled_lots,
                    order.chain_open_lots,
                )
                for order in self.known()
            ],
            [
                (
                    exposure.open_buy_lots,
                    exposure.open_sell_lots,
                    exposure.open_orders,
                    exposure.highest_buy_ticks(),
                    exposure.lowest_sell_ticks(),
                )
                for exposure in map(self.orders.exposure, range(INSTRUMENTS))
            ],
            [
                (
                    position.lots,
                    position.bought_lots,
                    position.sold_lots,
                    position.pnl(101),
                    {asset: atoms for asset, atoms in position.fees_atoms.items() if atoms},
                )
                for position in self.positions
            ],
            len(self.orders),
        )


def sides(exposure: Exposure) -> tuple[tuple[Side, int], tuple[Side, int]]:
    return (Side.BUY, exposure.open_buy_lots), (Side.SELL, exposure.open_sell_lots)


def place(truth: Truth) -> Place:
    return Place(
        truth.instrument,
        truth.name,
        truth.side,
        OrderKind.LIMIT,
        TimeInForce.GTC,
        truth.ticks,
        truth.first_size,
    )


def fold(history: History, events: Iterable[Told]) -> Rig:
    rig = Rig(history.orders)
    for told in events:
        rig.hear(told)
    for truth in history.orders:
        if truth.how == "sent":
            rig.send(truth)
    return rig


# -- the properties --------------------------------------------------------------------------


@given(histories(), SEEDS)
def test_any_order_and_any_number_of_the_same_events_ends_the_same(
    history: History, seed: int
) -> None:
    events, chance = list(history.events), random.Random(seed)
    census(history)
    expected = fold(history, events).looks()
    assert fold(history, events + events).looks() == expected, "told twice"
    assert fold(history, [one for one in events for _ in range(2)]).looks() == expected
    assert fold(history, reversed(events)).looks() == expected
    for _ in range(PERMUTATIONS):
        again = events + chance.choices(events, k=chance.randrange(8)) if events else []
        chance.shuffle(again)
        assert fold(history, again).looks() == expected


def census(history: History) -> None:
    """Say what the examples held, for ``--hypothesis-show-statistics``."""
    for how in {order.how for order in history.orders}:
        event(how)
    if any(order.replaces for order in history.orders):
        event("chain")
    event(f"{len(history.events) // 10 * 10} facts or more")


@given(histories(whole=True), SEEDS)
def test_once_everything_is_told_the_table_is_the_truth(history: History, seed: int) -> None:
    events = list(history.events)
    random.Random(seed).shuffle(events)
    rig = fold(history, events)
    for truth in history.orders:
        order = rig.orders.find(truth.name)
        if not truth.ours:
            assert order is None
            continue
        assert order is not None
        assert order.state is STATES[truth.status]
        assert (order.size_lots, order.filled_lots, order.traded_lots) == (
            truth.size,
            truth.filled,
            truth.filled,
        )
    for index, position in enumerate(rig.positions):
        here = [order for order in history.orders if order.instrument == index and order.ours]
        told = [(o.side, f) for o in here for f in o.fills[o.noted_fills :]]
        assert position.lots == sum(side * fill.lots for side, fill in told)
        assert sum(position.fees_atoms.values()) == sum(fill.fee_atoms for _, fill in told)
        exposure = rig.orders.exposure(index)
        for side, lots in sides(exposure):
            alive = [order for order in here if order.alive and order.side is side]
            assert lots == sum(order.size - order.filled for order in alive)
