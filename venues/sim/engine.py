"""The matching engine: books, balances and orders of all symbols, and the events they cause.

Orders come in checked for form and filters; here they meet the book and the balances. Every event
is appended to ``events`` in the order it happened, with its time; whoever distributes them takes
them away with ``take_events``. The background trades through ``house_order`` and
``house_cancel``, without client orders or reports.
"""

import copy
from typing import Final

from venues.sim import contingent, orders
from venues.sim.accounts import Account
from venues.sim.contingent import STOPS
from venues.sim.events import Aggregated, BestMoved, Event, OrderChanged, Printed, Told
from venues.sim.fixed import notional
from venues.sim.floor import Floor, Placed
from venues.sim.market import CANCEL_ONLY, TRADING, Market, OrderFile
from venues.sim.matching import BUY, Resting, SelfTrade
from venues.sim.order_lists import OCO, OrderList
from venues.sim.orders import Allocation, Amendment, NewOrder, Order
from venues.sim.records import HOUSE
from venues.sim.refusals import Reason, Refused

__all__ = (
    "CANCEL_ONLY", "TRADING", "Aggregated", "BestMoved", "Engine", "Event", "Market",
    "OrderFile", "Placed", "Printed", "Told",
)  # fmt: skip


# The id of an order that was not accepted.
NEVER_ACCEPTED: Final = -1


class Engine(Floor):
    """All markets and accounts of the exchange, and what may be asked of them."""

    # -- orders of accounts ------------------------------------------------------------------------

    def place(self, account: Account, market: Market, request: NewOrder, now_ns: int) -> Placed:
        """Accept or reject ``request``, match it, and rest or expire what is left.

        Raises ``Refused`` with nothing changed, and tells of the rejection where the book or the
        balances are in the way.
        """
        self._check_client_id(account, market, request)
        try:
            self._check_acceptable(market, request)
            asset, amount = self._needs(account, market, request)
            account.lock(asset, amount)
        except Refused as refused:
            self._reject(account, market, request, refused.reason, now_ns)
            raise
        order = self._accept(account, market, request, now_ns)
        order.locked = amount
        self._report(market, order, "NEW", now_ns)
        placed = self._begin(account, market, order, now_ns)
        account.updated_ns = now_ns
        self._tell_balances(account, self.terms.assets_moved(account, market.symbol), now_ns)
        self._follow_up(market, now_ns)
        return placed

    def place_list(
        self,
        account: Account,
        market: Market,
        contingency: str,
        requests: list[NewOrder],
        client_id: str,
        now_ns: int,
    ) -> tuple[OrderList, list[Placed]]:
        """Place an order list; return it and its orders as they were before anything followed.

        Of an OTO the first request is the working order. Raises ``Refused`` as ``place`` does.
        """
        if self.open_list_named(account, client_id) is not None:
            raise Refused(Reason.DUPLICATE_ID)
        for request in requests:
            self._check_client_id(account, market, request)
        names = [request.client_id for request in requests]
        if len(set(names)) < len(names):
            raise Refused(Reason.DUPLICATE_ID)
        working = requests if contingency == OCO else requests[:1]
        try:
            if contingency == OCO:
                self._check_pair(market, requests)
            for request in working:
                self._check_acceptable(market, request)
            needs = [self._needs(account, market, request) for request in working]
            asset, amount = needs[0][0], max(amount for _, amount in needs)
            account.lock(asset, amount)
        except Refused as refused:
            for request in requests:
                self._reject(account, market, request, refused.reason, now_ns)
            raise
        one = self._new_list(account, market, contingency, client_id, now_ns)
        for request in requests:
            order = self._accept(account, market, request, now_ns)
            order.list_id = one.list_id
            one.orders.append(order)
        for order in one.orders[len(working) :]:
            order.status, order.working_ns = orders.PENDING, None
        # The first one keeps what both need; whichever begins takes it over.
        one.orders[0].locked = amount
        for order in one.orders:
            self._say(market, order, "NEW", now_ns)
        self._tell_list(one, "EXEC_STARTED", now_ns)
        placed = [self._begin(account, market, order, now_ns) for order in one.orders]
        seen = [each._replace(order=copy.copy(each.order)) for each in placed]
        account.updated_ns = now_ns
        self._tell_balances(account, self.terms.assets_moved(account, market.symbol), now_ns)
        self._follow_up(market, now_ns)
        return one, seen

    def allocate(
        self, account: Account, market: Market, request: NewOrder, price: int, now_ns: int
    ) -> Order:
        """Fill a new order from other books: one allocation instead of trades."""
        symbol = market.symbol
        self._check_client_id(account, market, request)
        quote = notional(price, request.quantity)
        is_buyer = request.side is BUY
        pays, amount = (symbol.quote, quote) if is_buyer else (symbol.base, request.quantity)
        account.lock(pays, amount)
        order = self._accept(account, market, request, now_ns)
        order.locked, order.used_sor = amount, True
        self._report(market, order, "NEW", now_ns)
        gets, got = (symbol.base, request.quantity) if is_buyer else (symbol.quote, quote)
        for asset, moved in ((gets, -got), (pays, amount)):
            self.house.balance(asset).free += moved
        account.balance(gets).free += got
        account.balance(pays).locked -= amount
        commission, paid_in = self._charge(
            account, market, request.quantity, quote, is_buyer=is_buyer, is_maker=False
        )
        order.locked, order.open_quantity = 0, 0
        order.executed, order.quote_executed = request.quantity, quote
        one = Allocation(
            market.next_allocation_id(), order.order_id, is_buyer, price, request.quantity, quote,
            commission, paid_in, now_ns,
        )  # fmt: skip
        self.file(account, symbol.name).allocations.append(one)
        self._close(account, market, order, "FILLED", now_ns)
        self.terms.filled_first(account, now_ns, is_maker=False)
        order.remember()
        self.events.append(
            OrderChanged(
                account.number,
                "TRADE",
                order.past[-1],
                market.next_execution_id(),
                now_ns,
                allocation=one,
            )
        )
        account.updated_ns = now_ns
        self._tell_balances(account, self.terms.assets_moved(account, symbol), now_ns)
        return order

    def cancel(
        self, account: Account, market: Market, order: Order, client_id: str | None, now_ns: int
    ) -> str:
        """Take an open order off the book; return the client order id it had.

        ``client_id`` takes its place where there is one. An order that belongs to a list takes the
        whole list with it.
        """
        one = self.list_of(order)
        self._cancel(account, market, [order] if one is None else one.orders, client_id, now_ns)
        return order.name

    def cancel_list(
        self, account: Account, market: Market, one: OrderList, client_id: str | None, now_ns: int
    ) -> list[tuple[Order, str]]:
        """Cancel what is open of a list; return each such order with the client id it had."""
        canceled = self._cancel(account, market, one.orders, client_id, now_ns)
        return [(order, order.name) for order in canceled]

    def _cancel(
        self,
        account: Account,
        market: Market,
        orders_: list[Order],
        client_id: str | None,
        now_ns: int,
    ) -> list[Order]:
        file = self.file(account, market.symbol.name)
        canceled = [order for order in orders_ if order.is_open]
        for order in canceled:
            if client_id is not None:
                order.rename(client_id)
                file.renamed(order)
            self._take_out(market, order)
            self._close(account, market, order, "CANCELED", now_ns)
        self._publish_best(market)
        for order in canceled:
            self._say(market, order, "CANCELED", now_ns, former_client_id=order.name)
        for order in canceled[:1]:
            self._progress(market, order, now_ns)
            self._tell_balances(account, (self._locked_asset(market, order),), now_ns)
        return canceled

    def amend(
        self,
        account: Account,
        market: Market,
        order: Order,
        quantity: int,
        client_id: str,
        now_ns: int,
    ) -> Amendment:
        """Lower an open order to ``quantity``, keeping its place in the queue.

        An order whose executed quantity already reaches ``quantity`` expires. The other order of
        an OCO pair goes along, since both have one quantity.
        """
        named = self.file(account, order.symbol).open_named(client_id)
        if named is not None and named is not order:
            raise Refused(Reason.DUPLICATE_NEW_ID)
        one = self.list_of(order)
        rival = None if one is None else one.rival(order)
        amendment = self._amend(account, market, order, quantity, client_id, now_ns)
        if rival is not None and rival.is_open:
            self._amend(account, market, rival, quantity, rival.client_id, now_ns)
        if one is not None and not one.is_done and amendment.former_client_id != client_id:
            self._tell_list(one, "UPDATED", now_ns)
        self._tell_balances(account, (self._locked_asset(market, order),), now_ns)
        return amendment

    def _amend(
        self,
        account: Account,
        market: Market,
        order: Order,
        quantity: int,
        client_id: str,
        now_ns: int,
    ) -> Amendment:
        former_quantity = order.quantity
        former = order.rename(client_id)
        self.file(account, order.symbol).renamed(order)
        order.quantity = quantity
        order.updated_ns = now_ns
        left = quantity - order.executed - order.prevented
        if left > 0:
            self._lower(market, order, left)
            self._unlock_excess(account, market, order)
            kind = "REPLACED"
        else:
            self._take_out(market, order)
            order.open_quantity = order.hidden = 0
            self._close(account, market, order, "EXPIRED", now_ns)
            kind = "EXPIRED"
        self._publish_best(market)
        execution_id = self._report(market, order, kind, now_ns, former_client_id=former)
        amendment = Amendment(execution_id, former, client_id, former_quantity, quantity, now_ns)
        order.amends.append(amendment)
        return amendment

    def alter(
        self,
        account: Account,
        market: Market,
        order: Order,
        quantity: int,
        price: int,
        now_ns: int,
    ) -> None:
        """Give an open order another quantity and price; its ids stay.

        It keeps its place in the queue where it only becomes smaller. What has been filled is not
        undone: a quantity that leaves nothing cancels the rest. Raises ``Refused`` with nothing
        changed.
        """
        left = quantity - order.executed - order.prevented
        if left <= 0:
            self.end(account, market, order, "CANCELED", "amended below what was filled", now_ns)
            return
        asset = self._locked_asset(market, order)
        needs = left
        if order.side is BUY:
            needs = self._with_reserve(account, notional(price or order.stop_price, left))
        account.lock(asset, max(0, needs - order.locked))
        account.unlock(asset, max(0, order.locked - needs))
        order.locked, order.lock_price = needs, price or order.stop_price
        keeps_place = price == order.price and left <= order.left
        rests = order.order_id in market.book.orders
        order.quantity, order.updated_ns = quantity, now_ns
        if keeps_place:
            self._lower(market, order, left)
        else:
            if rests:
                market.book.remove(order)
            order.price, order.open_quantity, order.hidden = price, left, 0
            order.placed_ns = now_ns
        self._publish_best(market)
        self._report(market, order, "REPLACED", now_ns)
        if rests and not keeps_place:
            self._work(account, market, order, now_ns)
        self._tell_balances(account, self.terms.assets_moved(account, market.symbol), now_ns)
        self._follow_up(market, now_ns)

    def end(
        self,
        account: Account,
        market: Market,
        order: Order,
        status: str,
        reason: str,
        now_ns: int,
    ) -> None:
        """Take an open order off the book by the venue's own doing, CANCELED or EXPIRED."""
        order.expiry_reason = reason
        self._take_out(market, order)
        self._publish_best(market)
        self._close(account, market, order, status, now_ns)
        self._report(market, order, status, now_ns)
        self._tell_balances(account, (self._locked_asset(market, order),), now_ns)

    def place_in_vain(
        self, account: Account, market: Market, request: NewOrder, reason: str, now_ns: int
    ) -> Order:
        """Accept an order and cancel it at once, as a venue does that refuses after it accepts."""
        self._check_client_id(account, market, request)
        order = self._accept(account, market, request, now_ns)
        self._report(market, order, "NEW", now_ns)
        self.end(account, market, order, "CANCELED", reason, now_ns)
        return order

    @staticmethod
    def _lower(market: Market, order: Order, left: int) -> None:
        """Lower what may still trade; what shows of an iceberg changes only where it has to."""
        order.hidden = max(0, left - order.open_quantity)
        if left >= order.open_quantity:
            return
        if order.order_id in market.book.orders:
            market.book.reduce(order, left)
        else:
            order.open_quantity = left

    def _check_client_id(self, account: Account, market: Market, request: NewOrder) -> None:
        """Raise ``Refused`` when an open order has the client id of a new one."""
        name = request.client_id
        if name and self.file(account, market.symbol.name).open_named(name) is not None:
            raise Refused(Reason.DUPLICATE_ID)

    def _reject(
        self, account: Account, market: Market, request: NewOrder, reason: Reason, now_ns: int
    ) -> None:
        """Tell of an order that was not accepted."""
        order = Order(request, market.symbol.name, NEVER_ACCEPTED, account.number, now_ns)
        order.status, order.working_ns = "REJECTED", None
        execution_id = market.next_execution_id()
        self.events.append(
            OrderChanged(account.number, "REJECTED", order, execution_id, now_ns, refused=reason)
        )

    def _accept(self, account: Account, market: Market, request: NewOrder, now_ns: int) -> Order:
        """Give a new order its id and file it."""
        name = market.symbol.name
        order = Order(request, name, market.next_order_id(), account.number, now_ns)
        if request.kind in STOPS:
            order.working_ns = None
            order.lock_price = request.price or request.stop_price or market.last_price()
            if request.trailing_delta is not None and not request.stop_price:
                contingent.follow(order, market.last_price(), now_ns)
        self.file(account, name).add(order)
        return order

    # -- the background ----------------------------------------------------------------------------

    def house_order(
        self, market: Market, side: bool, price: int, quantity: int, now_ns: int, *, rest: bool
    ) -> Resting | None:
        """Trade for the background; return the resting order when ``rest`` and not filled."""
        order = Resting(market.next_order_id(), HOUSE, side, price, quantity, now_ns)
        if market.book.would_match(side, price):
            self._match(market, order, price, SelfTrade.NONE, now_ns)
        resting = rest and order.open_quantity > 0
        if resting:
            market.book.add(order)
        self._publish_best(market)
        self._follow_up(market, now_ns)
        return order if resting else None

    def house_cancel(self, market: Market, order: Resting) -> None:
        """Take a background order off the book."""
        market.book.remove(order)
        self._publish_best(market)

    def house_quotes(self, market: Market, sides: frozenset[bool]) -> None:
        """Have the background quote on these sides alone; what it has on others leaves."""
        market.quoted_sides = sides
        for order in list(market.book.orders.values()):
            if order.owner == HOUSE and order.side not in sides:
                market.book.remove(order)
        self._publish_best(market)
