"""One symbol while it is traded: its rules and state, book, tape, ids, and each account's orders.

Records and look-ups; what changes them is the engine.
"""

from collections import deque
from typing import Final

from venues.sim.matching import BUY, SELL, Book
from venues.sim.order_lists import OrderList
from venues.sim.orders import Allocation, Execution, Order, PreventedMatch
from venues.sim.refusals import Reason, Refused
from venues.sim.symbols import AVERAGE_PRICE_MINUTES, Symbol
from venues.sim.tape import Tape

TRADING: Final = "TRADING"
CANCEL_ONLY: Final = "CANCEL_ONLY"
POST_ONLY: Final = "POST_ONLY"

# Closed orders and executions kept per account and symbol: hours of a busy maker, tens of MB.
CLOSED_ORDERS_KEPT: Final = 50_000
EXECUTIONS_KEPT: Final = 50_000


class Market:
    """One symbol: its rules, book, tape and counters."""

    def __init__(self, symbol: Symbol) -> None:
        self.symbol = symbol
        self.status = TRADING
        # The sides on which the background quotes.
        self.quoted_sides = frozenset({BUY, SELL})
        self.begin()

    def begin(self) -> None:
        """Begin anew: an empty book, nothing traded, all ids from the first on."""
        self.book = Book()
        self.tape = Tape()
        # Stop orders that wait for a price, and the prices traded that they have not seen yet.
        self.waiting: dict[int, Order] = {}
        self.unseen_prices: list[int] = []
        # Order lists whose working order has been filled, with what is to follow.
        self.unleashed: list[OrderList] = []
        self._order_id = 0
        self._trade_id = 0
        self._execution_id = 0
        self._prevented_id = -1
        self._allocation_id = -1

    def count_on_from(self, number: int) -> None:
        """Give the next order a number above this one: numbers may have gaps."""
        self._order_id = max(self._order_id, number)

    def next_order_id(self) -> int:
        self._order_id += 1
        return self._order_id

    def next_trade_id(self) -> int:
        self._trade_id += 1
        return self._trade_id

    def next_execution_id(self) -> int:
        self._execution_id += 1
        return self._execution_id

    def next_prevented_id(self) -> int:
        self._prevented_id += 1
        return self._prevented_id

    def next_allocation_id(self) -> int:
        self._allocation_id += 1
        return self._allocation_id

    def last_price(self) -> int:
        """Return the price of the last trade, the opening price before any."""
        last = self.tape.last_price
        return self.symbol.opening_price if last is None else last

    def average_price(self, now_ns: int) -> int:
        """Return the price that percent and notional filters use."""
        average = self.tape.average_price(now_ns, AVERAGE_PRICE_MINUTES)
        return self.symbol.opening_price if average is None else average


class OrderFile:
    """The orders and executions of one account in one symbol."""

    def __init__(self) -> None:
        self.orders: dict[int, Order] = {}
        self.open: dict[int, Order] = {}
        self.executions: deque[Execution] = deque(maxlen=EXECUTIONS_KEPT)
        self.prevented: deque[PreventedMatch] = deque(maxlen=EXECUTIONS_KEPT)
        self.allocations: deque[Allocation] = deque(maxlen=EXECUTIONS_KEPT)
        self._by_name: dict[str, Order] = {}
        self._closed: deque[Order] = deque()

    def add(self, order: Order) -> None:
        self.orders[order.order_id] = self.open[order.order_id] = order
        if order.client_id:
            self._by_name[order.client_id] = order

    def named(self, client_id: str) -> Order | None:
        """Return the latest order that ever had this client order id."""
        return self._by_name.get(client_id)

    def open_named(self, client_id: str) -> Order | None:
        order = self._by_name.get(client_id)
        return (
            order if order is not None and order.client_id == client_id and order.is_open else None
        )

    def find(self, order_id: int | None, client_id: str | None) -> Order | None:
        """Return an open order by id, else by client id; none when both are sent and differ."""
        if order_id is None:
            return None if client_id is None else self.open_named(client_id)
        order = self.open.get(order_id)
        return order if order is None or client_id in {None, *order.names} else None

    def look_up(self, order_id: int | None, client_id: str | None) -> Order | None:
        """Return any order by id, else by client id; raise ``Refused`` when the two differ."""
        if order_id is None:
            return None if client_id is None else self.named(client_id)
        order = self.orders.get(order_id)
        if order is not None and client_id not in {None, *order.names}:
            raise Refused(Reason.IDS_DIFFER)
        return order

    def renamed(self, order: Order) -> None:
        self._by_name[order.client_id] = order

    def close(self, order: Order) -> None:
        """File ``order`` as closed; the oldest closed orders are forgotten beyond the limit."""
        del self.open[order.order_id]
        self._closed.append(order)
        if len(self._closed) > CLOSED_ORDERS_KEPT:
            oldest = self._closed.popleft()
            del self.orders[oldest.order_id]
            for name in oldest.names:
                if self._by_name.get(name) is oldest:
                    del self._by_name[name]
