"""The ledger: our orders, fills and position, by the exchange's own engine.

Everything here is what the exchange did, taken before anybody was told; that is the truth which all
other watches hold the code under test against.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tools.world.audit.watch import Findings
from tools.world.dialect import Dialect
from venues.sim.engine import Event, Market
from venues.sim.events import OrderChanged
from venues.sim.fixed import ONE
from venues.sim.matching import BUY

FORGOTTEN: Final = "FORGOTTEN"
"""Not the venue's word: the state of an order that it has forgotten."""


class Deal(NamedTuple):
    """One of our fills, by the exchange: price, size and fee in its units of 1e-8."""

    trade_id: int
    price: int
    size: int
    fee: int
    fee_asset: str
    at_ns: int
    """The exchange's time of it."""
    name: str
    """What our side knows it by."""


@dataclass(slots=True)
class Booked:
    """One of our orders, by the exchange."""

    order_id: int
    client_id: str
    symbol: str
    buy: bool
    size: int
    price: int
    """0 where it is at market."""
    listed_as: str
    """The name that the venue's lists give it: that of its cancel, where there was one."""
    moved: bool = False
    """Whether its price was another once: what tells that one is late, and no contradiction."""
    status: str = "NEW"
    prevented: int = 0
    deals: dict[int, Deal] = field(default_factory=dict)

    @property
    def filled(self) -> int:
        return sum(deal.size for deal in self.deals.values())

    @property
    def is_open(self) -> bool:
        return self.status in ("NEW", "PARTIALLY_FILLED")

    @property
    def open_size(self) -> int:
        return self.size - self.filled - self.prevented if self.is_open else 0


class Ledger:
    """The exchange's word on all that is ours."""

    def __init__(
        self, markets: Mapping[str, Market], account: int, findings: Findings, dialect: Dialect
    ) -> None:
        self._markets = markets
        self._dialect = dialect
        self._places = {name: place for place, name in enumerate(markets, 1)}
        self._account = account
        self._note = findings.note
        self.scope = ""
        """What begins every client id of ours."""
        self.excused: set[str] = set()
        """Client ids that a fault made the exchange accept twice."""
        self.doubled: set[str] = set()
        """Symbols on which it did: exposure there is beyond anybody's control."""
        self.epoch = 0
        """How often the exchange has begun everything anew, its numbers among it."""
        self.orders: dict[tuple[int, str, int], Booked] = {}
        self._by_client: dict[str, Booked] = {}
        self.foreign: dict[tuple[str, str], str] = {}
        """Names of the orders of others, by what requests name them by."""
        self.others_traded = False
        """Whether somebody else has traded on the account."""
        self._open: dict[str, dict[int, Booked]] = {name: {} for name in markets}
        self.positions: Counter[str] = Counter()
        self.accepted: Counter[str] = Counter()
        """How many of our orders the exchange has ever taken, by symbol."""
        self.accepts_late = False
        """Whether a fault has the exchange take orders up to a minute late."""
        self.over = False
        """Whether our side has left for good."""
        self.beyond: set[str] = set()
        """Orders that it took so late that our side had left: nobody is there to cancel them."""
        self.forgotten: set[str] = set()
        """Orders whose record a power cut has taken."""
        self.told: Callable[[Booked, OrderChanged], None] = lambda order, event: None

    def saw(self, events: Iterable[Event]) -> None:
        """Take what the exchange's engine did, before anybody is told."""
        for event in events:
            if isinstance(event, OrderChanged) and event.account == self._account:
                self._report(event)

    def _report(self, event: OrderChanged) -> None:
        kind, told = event.kind, event.order
        symbol, order_id = told.symbol, told.order_id
        client_id = event.former_client_id or told.client_id
        if not client_id.startswith(self.scope):
            if kind == "NEW":
                place = self._places.get(symbol, 0)
                self.foreign[self._dialect.order_key(symbol, place, order_id)] = client_id
            self.others_traded |= kind == "TRADE"
            return
        if kind == "REJECTED":
            return
        order = self.orders.get((self.epoch, symbol, order_id))
        if order is None:
            order = Booked(
                order_id, client_id, symbol, told.side is BUY, told.quantity, told.price, ""
            )
            self.orders[self.epoch, symbol, order_id] = order
            self._open[symbol][order_id] = order
            self.accepted[symbol] += 1
            if self.over and self.accepts_late:
                self.beyond.add(client_id)
            if client_id in self._by_client:
                if client_id not in self.excused:
                    self._note("I3", f"{client_id} stands for two orders of {symbol}")
                self.doubled.add(symbol)
            self._by_client[client_id] = order
        order.size, order.listed_as = told.quantity, told.client_id
        if told.price != order.price:  # moved where it stands
            order.price = told.price
            order.moved = True
        order.prevented, order.status = told.prevented, told.status
        if event.execution is not None:
            trade, bought = event.execution.trade, event.execution.is_buyer
            place = self._places.get(symbol, 0)
            deal = Deal(
                trade.trade_id,
                trade.price,
                trade.quantity,
                event.execution.commission,
                event.execution.commission_asset,
                event.time_ns,
                self._dialect.fill_name(place, trade.trade_id, bought=bought),
            )
            if deal.trade_id not in order.deals:
                order.deals[deal.trade_id] = deal
                self.positions[symbol] += deal.size if order.buy else -deal.size
        if not order.is_open:
            self._open[symbol].pop(order_id, None)
        self.told(order, event)

    def begin_anew(self) -> None:
        """The exchange forgets all that was, and gives every number again.

        What we had traded we have traded; what was open is gone, and nobody tells of it.
        """
        self.epoch += 1
        self.foreign.clear()
        for order in self.alive():
            order.status = FORGOTTEN
        for orders in self._open.values():
            orders.clear()

    def new_folder(self) -> None:
        """What was traded so far is of another run folder. Nothing of ours is open then."""
        self.orders.clear()
        self.positions.clear()

    def open_orders(self, symbol: str) -> dict[int, Booked]:
        """Return our open orders by the exchange's word."""
        return self._open[symbol]

    def alive(self) -> list[Booked]:
        """Return all of them, of all symbols."""
        return [order for orders in self._open.values() for order in orders.values()]

    def names(self) -> set[str]:
        """Return the names of all our orders that the exchange has ever taken."""
        return set(self._by_client)

    def is_known_by_record_alone(self, client_id: str) -> bool:
        """Whether the venue's lists do not tell that an order was ours: it traded, and somebody
        else cancelled it, so that it is listed under the name of their cancel.
        """
        order = self._by_client.get(client_id)
        return order is not None and order.filled > 0 and not order.listed_as.startswith(self.scope)

    def may_be_stopped(self, order: Booked) -> bool:
        """Whether somebody else may cancel an order: not one that has traded, if the record of it
        is lost. Nothing would tell whose fills these are: not survived.
        """
        return not order.filled or order.client_id not in self.forgotten

    def order_of(self, client_id: str) -> Booked | None:
        """Return the order that a client id stands for at the exchange."""
        return self._by_client.get(client_id)

    def traded(self, symbol: str) -> tuple[int, int]:
        """Return what we bought and sold by the exchange's word."""
        bought = sold = 0
        for order in self.orders.values():
            if order.symbol == symbol:
                if order.buy:
                    bought += order.filled
                else:
                    sold += order.filled
        return bought, sold

    def tradable(self, symbol: str) -> bool:
        """Whether more is left of our trades on a symbol than the venue takes no order for.

        A long position is less by the fees that were taken from what was bought.
        """
        market = self._markets[symbol]
        terms, best = market.symbol, market.book.best()
        owned = self.positions[symbol]
        if owned > 0:
            deals = (
                d for o in self.orders.values() if o.symbol == symbol for d in o.deals.values()
            )
            owned = max(0, owned - sum(d.fee for d in deals if d.fee_asset == terms.base))
        size = abs(owned) // terms.step_size * terms.step_size
        enough = size > 0 and size >= terms.min_quantity
        return enough and size * best.bid // ONE > terms.min_notional * 21 // 20

    def deals(self, symbol: str) -> Iterator[Deal]:
        """Return our fills on a symbol."""
        for order in self.orders.values():
            if order.symbol == symbol:
                yield from order.deals.values()

    def value(self, asset: str, amount: int, quote: str) -> int:
        """Return what an amount of an asset is worth in another, by the market of both."""
        market = next(
            (
                one
                for one in self._markets.values()
                if (one.symbol.base, one.symbol.quote) == (asset, quote)
            ),
            None,
        )
        if market is None:
            return 0
        best = market.book.best()
        return amount * ((best.bid + best.ask) // 2) // ONE

    def pnl(
        self,
        symbol: str,
        *,
        own_fees: bool = False,
        at: int = 0,
        before_ns: int = sys.maxsize,
    ) -> int:
        """Return what our trades on a symbol have made, all fees taken off, or its own alone.

        In units of 1e-8 of the quote asset, the position valued at a price, or with 0 in the middle
        of the best prices; of the trades ``before_ns`` by the exchange's time.
        """
        market = self._markets[symbol]
        terms, best = market.symbol, market.book.best()
        price = at or (best.bid + best.ask) // 2
        made = 0
        for order in self.orders.values():
            for deal in order.deals.values() if order.symbol == symbol else ():
                if deal.at_ns >= before_ns:
                    continue
                sign = 1 if order.buy else -1
                made += sign * deal.size * (price - deal.price) // ONE
                if deal.fee_asset == terms.quote:
                    made -= deal.fee
                elif deal.fee_asset == terms.base:
                    made -= deal.fee * price // ONE
                elif not own_fees:
                    made -= self.value(deal.fee_asset, deal.fee, terms.quote)
        return made
