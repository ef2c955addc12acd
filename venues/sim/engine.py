"""The matching engine: books, balances and orders of all symbols, and the events they cause.

Orders come in checked for form and filters; here they meet the book and the balances. Every event
is appended to ``events`` in the order it happened, with its time; whoever distributes them takes
them away with ``take_events``. The background trades through ``house_order`` and
``house_cancel``, without client orders or reports.
"""

import copy
import random
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from venues.sim import contingent, errors, order_lists, orders
from venues.sim.accounts import Account
from venues.sim.commissions import assets_moved, commission_on
from venues.sim.contingent import AT_MARKET, STOPS
from venues.sim.events import Aggregated, BestMoved, Event, Printed, Told
from venues.sim.fixed import notional, show
from venues.sim.limits import Limit, OrderCounter
from venues.sim.market import CANCEL_ONLY, STATUSES, TRADING, Market, OrderFile
from venues.sim.matching import BUY, Fill, Prevented, Resting, SelfTrade
from venues.sim.order_lists import OCO, OCO_TRIGGER, OrderList
from venues.sim.orders import (
    Allocation,
    Amendment,
    Execution,
    NewOrder,
    Order,
    PreventedMatch,
)
from venues.sim.symbols import Symbol
from venues.sim.tape import Trade

__all__ = (
    "CANCEL_ONLY", "STATUSES", "TRADING", "Aggregated", "BestMoved", "Engine", "Event", "Market",
    "OrderFile", "Placed", "Printed", "Told",
)  # fmt: skip

HOUSE: Final = 0
FEES: Final = -1

# Closed order lists kept per account: as many as a day of a busy client.
LISTS_KEPT: Final = 10_000

_CLIENT_ID_LETTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CLIENT_ID_LENGTH: Final = 22


class Placed(NamedTuple):
    """What became of a new order at once."""

    order: Order
    executions: list[Execution]
    prevented: list[PreventedMatch]


class Engine:
    """All markets and accounts of the exchange."""

    def __init__(
        self, symbols: Iterable[Symbol], order_limits: tuple[Limit, ...], rng: random.Random
    ) -> None:
        self.markets = {symbol.name: Market(symbol) for symbol in symbols}
        self.events: list[Event] = []
        self._order_limits = order_limits
        self._rng = rng
        self._files: dict[tuple[int, str], OrderFile] = {}
        self._lists: dict[int, dict[int, OrderList]] = {}
        self._list_id = -1
        self.accounts: dict[int, Account] = {}
        self.house = self._add_account(HOUSE, may_owe=True)
        self.fees = self._add_account(FEES)

    # -- accounts ------------------------------------------------------------------------------

    def open_account(self, deposits: dict[str, int]) -> Account:
        """Open a trading account with ``deposits`` (asset -> 1e-8)."""
        account = self._add_account(max(self.accounts) + 1)
        for asset, amount in deposits.items():
            account.opening[asset] = amount
        account.begin()
        return account

    def deposit(self, account: Account, asset: str, amount: int, now_ns: int) -> None:
        """Move ``amount`` in (or out, when negative) and tell the account (balanceUpdate)."""
        balance = account.balance(asset)
        if balance.free + amount < 0:
            raise errors.insufficient_balance()
        balance.free += amount
        account.updated_ns = now_ns
        self._tell(
            account.number,
            {"e": "balanceUpdate", "E": now_ns, "a": asset, "d": show(amount), "T": now_ns},
        )
        self._tell_balances(account, (asset,), now_ns)

    def lock_outside(self, account: Account, asset: str, amount: int, now_ns: int) -> None:
        """Another system locks ``amount``, or unlocks it when negative (externalLockUpdate)."""
        balance = account.balance(asset)
        outside = account.locked_outside.get(asset, 0) + amount
        if balance.free < amount or outside < 0:
            raise errors.insufficient_balance()
        account.lock(asset, amount)
        account.locked_outside[asset] = outside
        account.remember((asset,), now_ns)
        account.updated_ns = now_ns
        self._tell(
            account.number,
            {"e": "externalLockUpdate", "E": now_ns, "a": asset, "d": show(amount), "T": now_ns},
        )

    def begin(self) -> None:
        """Begin anew, as the venue's test network does: nothing ever placed, ids from the first."""
        for market in self.markets.values():
            market.begin()
        self._files.clear()
        self._lists.clear()
        self._list_id = -1
        self.events.clear()
        for account in self.accounts.values():
            account.begin()

    def file(self, account: Account, symbol: str) -> OrderFile:
        """Return the orders of ``account`` in ``symbol``."""
        key = (account.number, symbol)
        found = self._files.get(key)
        if found is None:
            found = self._files[key] = OrderFile()
        return found

    def take_events(self) -> list[Event]:
        """Return the events since the last call, oldest first."""
        taken, self.events = self.events, []
        return taken

    # -- orders of accounts --------------------------------------------------------------------

    def place(self, account: Account, market: Market, request: NewOrder, now_ns: int) -> Placed:
        """Accept or reject ``request``, match it, and rest or expire what is left.

        Raises ApiError -2010 with nothing changed but the REJECTED report where there is one.
        """
        client_id = self._free_client_id(account, market, request)
        try:
            self._check_acceptable(market, request)
            asset, amount = self._needs(account, market, request)
            account.lock(asset, amount)
        except errors.RejectedError as error:
            self._reject(account, market, request, client_id, error, now_ns)
            raise
        order = self._accept(account, market, request, client_id, now_ns)
        order.locked = amount
        self._report(market, order, "NEW", now_ns)
        placed = self._begin(account, market, order, now_ns)
        account.updated_ns = now_ns
        self._tell_balances(account, assets_moved(account, market.symbol), now_ns)
        self._follow_up(market, now_ns)
        return placed

    def place_list(
        self,
        account: Account,
        market: Market,
        contingency: str,
        requests: list[NewOrder],
        client_id: str | None,
        now_ns: int,
    ) -> tuple[OrderList, list[Placed]]:
        """Place an order list; return it and its orders as they were before anything followed.

        Of an OTO the first request is the working order. Raises ApiError -2010 with nothing
        changed but the REJECTED reports where there are any.
        """
        if client_id is not None and self.open_list_named(account, client_id) is not None:
            raise errors.rejected("Duplicate order sent.")
        names = [self._free_client_id(account, market, request) for request in requests]
        if len(set(names)) < len(names):
            raise errors.rejected("Duplicate order sent.")
        working = requests if contingency == OCO else requests[:1]
        try:
            if contingency == OCO:
                self._check_pair(market, requests)
            for request in working:
                self._check_acceptable(market, request)
            needs = [self._needs(account, market, request) for request in working]
            asset, amount = needs[0][0], max(amount for _, amount in needs)
            account.lock(asset, amount)
        except errors.RejectedError as error:
            for request, name in zip(requests, names, strict=True):
                self._reject(account, market, request, name, error, now_ns)
            raise
        one = self._new_list(account, market, contingency, client_id, now_ns)
        for request, name in zip(requests, names, strict=True):
            order = self._accept(account, market, request, name, now_ns)
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
        self._tell_balances(account, assets_moved(account, market.symbol), now_ns)
        self._follow_up(market, now_ns)
        return one, seen

    def allocate(
        self, account: Account, market: Market, request: NewOrder, price: int, now_ns: int
    ) -> Order:
        """Fill a new order from other books: one allocation instead of trades."""
        symbol = market.symbol
        client_id = self._free_client_id(account, market, request)
        quote = notional(price, request.quantity)
        is_buyer = request.side is BUY
        pays, amount = (symbol.quote, quote) if is_buyer else (symbol.base, request.quantity)
        account.lock(pays, amount)
        order = self._accept(account, market, request, client_id, now_ns)
        order.locked, order.used_sor = amount, True
        self._report(market, order, "NEW", now_ns)
        gets, got = (symbol.base, request.quantity) if is_buyer else (symbol.quote, quote)
        for asset, moved in ((gets, -got), (pays, amount)):
            self.house.balance(asset).free += moved
        account.balance(gets).free += got
        account.balance(pays).locked -= amount
        commission, paid_in = self._charge(account, gets, got, is_maker=False)
        order.locked, order.open_quantity = 0, 0
        order.executed, order.quote_executed = request.quantity, quote
        one = Allocation(
            market.next_allocation_id(), order.order_id, is_buyer, price, request.quantity, quote,
            commission, paid_in, now_ns,
        )  # fmt: skip
        self.file(account, symbol.name).allocations.append(one)
        self._close(account, market, order, "FILLED", now_ns)
        account.orders.add(account.orders.FIRST_FILL_AS_TAKER, now_ns)
        order.remember()
        event = orders.report(order, "TRADE", market.next_execution_id(), now_ns)
        self._tell(account.number, orders.allocated_report(one, event))
        account.updated_ns = now_ns
        self._tell_balances(account, assets_moved(account, symbol), now_ns)
        return order

    def cancel(
        self, account: Account, market: Market, order: Order, client_id: str | None, now_ns: int
    ) -> str:
        """Take an open order off the book; return the client order id it had.

        One that belongs to a list takes the whole list with it.
        """
        one = self.list_of(order)
        self._cancel(account, market, [order] if one is None else one.orders, client_id, now_ns)
        return order.names[-2]

    def cancel_list(
        self, account: Account, market: Market, one: OrderList, client_id: str | None, now_ns: int
    ) -> list[tuple[Order, str]]:
        """Cancel what is open of a list; return each such order with the client id it had."""
        canceled = self._cancel(account, market, one.orders, client_id, now_ns)
        return [(order, order.names[-2]) for order in canceled]

    def _cancel(
        self,
        account: Account,
        market: Market,
        orders_: list[Order],
        client_id: str | None,
        now_ns: int,
    ) -> list[Order]:
        file = self.file(account, market.symbol.name)
        name = client_id or self.new_client_id()
        canceled = [order for order in orders_ if order.is_open]
        for order in canceled:
            order.rename(name)
            file.renamed(order)
            self._take_out(market, order)
            self._close(account, market, order, "CANCELED", now_ns)
        self._publish_best(market)
        for order in canceled:
            self._say(market, order, "CANCELED", now_ns, former_client_id=order.names[-2])
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
        client_id: str | None,
        now_ns: int,
    ) -> Amendment:
        """Lower an open order to ``quantity``, keeping its place in the queue.

        An order whose executed quantity already reaches ``quantity`` expires. The other order of
        an OCO pair goes along, since both have one quantity.
        """
        client_id = client_id or self.new_client_id()
        named = self.file(account, order.symbol).open_named(client_id)
        if named is not None and named is not order:
            raise errors.amend_rejected("Duplicate order sent.")
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

    def new_client_id(self) -> str:
        """Return a client order id as the venue makes them up."""
        return "".join(self._rng.choices(_CLIENT_ID_LETTERS, k=_CLIENT_ID_LENGTH))

    # -- order lists ---------------------------------------------------------------------------

    def lists(self, account: Account) -> list[OrderList]:
        """Return the order lists of an account, oldest first."""
        return list(self._lists.get(account.number, {}).values())

    def list_of(self, order: Order) -> OrderList | None:
        """Return the list that an order belongs to."""
        return self._lists.get(order.owner, {}).get(order.list_id)

    def open_list_named(self, account: Account, client_id: str) -> OrderList | None:
        found = (one for one in self.lists(account) if one.client_id == client_id)
        return next((one for one in found if not one.is_done), None)

    def _new_list(
        self,
        account: Account,
        market: Market,
        contingency: str,
        client_id: str | None,
        now_ns: int,
    ) -> OrderList:
        self._list_id += 1
        name = client_id or self.new_client_id()
        one = OrderList(
            self._list_id, account.number, market.symbol.name, contingency, name, now_ns
        )
        mine = self._lists.setdefault(account.number, {})
        mine[one.list_id] = one
        if len(mine) > LISTS_KEPT:
            oldest = next((each for each in mine.values() if each.is_done), None)
            if oldest is not None:
                del mine[oldest.list_id]
        return one

    def _progress(self, market: Market, order: Order, now_ns: int) -> None:
        """Carry on with the list of an order that has just ended."""
        one = self.list_of(order)
        if one is None or one.is_done:
            return
        account = self.accounts[order.owner]
        if order is one.orders[0] and one.pending:
            if order.status == "FILLED":
                market.unleashed.append(one)
                return
            for waiting in one.pending:
                self._expire(account, market, waiting, "OTO_PHASE_ONE_EXPIRED", now_ns)
        rival = one.rival(order)
        was_ended_by_it = order.expiry_reason == OCO_TRIGGER
        if rival is not None and rival.status != orders.PENDING and not was_ended_by_it:
            self._expire(account, market, rival, OCO_TRIGGER, now_ns)
        if one.finish():
            self._tell_list(one, "ALL_DONE", now_ns)

    def _end_rival(self, market: Market, order: Order, now_ns: int) -> None:
        """An order of a pair begins to work or trade: the other one ends, what it locks passes."""
        one = self.list_of(order)
        rival = None if one is None else one.rival(order)
        if rival is None:
            return
        order.locked += rival.locked
        rival.locked = 0
        self._expire(self.accounts[order.owner], market, rival, OCO_TRIGGER, now_ns)

    def _unleash(self, market: Market, one: OrderList, now_ns: int) -> None:
        """Place the orders that waited for the working order of their list."""
        account = self.accounts[one.owner]
        pending = one.pending
        if not pending:
            return
        try:
            if len(pending) > 1:
                self._check_pair(market, pending)
            for order in pending:
                self._check_acceptable(market, order)
            needs = [self._needs(account, market, order) for order in pending]
            amount = max(amount for _, amount in needs)
            account.lock(needs[0][0], amount)
        except errors.RejectedError:
            for order in pending:
                if order.is_open:
                    self._expire(account, market, order, "REJECTED", now_ns)
            return
        pending[0].locked = amount
        for order in pending:
            order.status, order.updated_ns = "NEW", now_ns
            order.working_ns = None if order.kind in STOPS else now_ns
            self._say(market, order, "NEW", now_ns)
        one.updated_ns = now_ns
        self._tell_list(one, "EXEC_STARTED", now_ns)
        for order in pending:
            if order.is_open:
                self._begin(account, market, order, now_ns)
        self._tell_balances(account, assets_moved(account, market.symbol), now_ns)

    def _tell_list(self, one: OrderList, kind: str, now_ns: int) -> None:
        one.updated_ns = now_ns
        self._tell(one.owner, order_lists.event(one, kind, now_ns))

    # -- stop orders ---------------------------------------------------------------------------

    def _follow_up(self, market: Market, now_ns: int) -> None:
        """Do what the last trades have set off, and what that sets off in turn."""
        while market.unseen_prices or market.unleashed:
            if not market.unseen_prices:
                self._unleash(market, market.unleashed.pop(0), now_ns)
                continue
            price = market.unseen_prices.pop(0)
            for order in list(market.waiting.values()):
                still = order.order_id in market.waiting
                if still and contingent.is_triggered(order, price, now_ns):
                    self._trigger(market, order, now_ns)

    def _trigger(self, market: Market, order: Order, now_ns: int) -> None:
        """A stop order begins to work, at its limit or at the market."""
        account = self.accounts[order.owner]
        self._end_rival(market, order, now_ns)
        del market.waiting[order.order_id]
        order.working_ns = order.updated_ns = now_ns
        if order.kind in AT_MARKET and order.side is BUY:
            cost = market.book.cost(BUY, order.left, account.number, order.self_trade)
            try:
                account.lock(market.symbol.quote, cost - order.locked)
            except errors.RejectedError:
                self._expire(account, market, order, "REJECTED", now_ns)
                return
            order.locked, order.lock_price = cost, None
        self._report(market, order, "NEW", now_ns)
        self._work(account, market, order, now_ns)
        account.updated_ns = now_ns
        self._tell_balances(account, assets_moved(account, market.symbol), now_ns)

    # -- the background ------------------------------------------------------------------------

    def house_order(
        self, market: Market, side: bool, price: int, quantity: int, now_ns: int, *, rest: bool
    ) -> Resting | None:
        """Trade for the background; return the resting order when ``rest`` and not filled."""
        order = Resting(market.next_order_id(), HOUSE, side, price, quantity)
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

    # -- inside --------------------------------------------------------------------------------

    def _add_account(self, number: int, *, may_owe: bool = False) -> Account:
        account = Account(number, OrderCounter(self._order_limits), may_owe=may_owe)
        self.accounts[number] = account
        return account

    def _free_client_id(self, account: Account, market: Market, request: NewOrder) -> str:
        """Return the client id of a new order; raise -2010 when an open one has it."""
        client_id = request.client_id or self.new_client_id()
        if self.file(account, market.symbol.name).open_named(client_id) is not None:
            raise errors.rejected("Duplicate order sent.")
        return client_id

    def _reject(
        self,
        account: Account,
        market: Market,
        request: NewOrder,
        client_id: str,
        error: errors.RejectedError,
        now_ns: int,
    ) -> None:
        """Tell of an order that was not accepted."""
        name, execution_id = market.symbol.name, market.next_execution_id()
        event = orders.rejection(request, name, client_id, error.reason, execution_id, now_ns)
        self._tell(account.number, event)

    def _accept(
        self, account: Account, market: Market, request: NewOrder, client_id: str, now_ns: int
    ) -> Order:
        """Give a new order its id and file it."""
        name = market.symbol.name
        order = Order(request, name, market.next_order_id(), account.number, client_id, now_ns)
        if request.kind in STOPS:
            order.working_ns = None
            order.lock_price = request.price or request.stop_price or market.last_price()
            if request.trailing_delta is not None and not request.stop_price:
                contingent.follow(order, market.last_price(), now_ns)
        self.file(account, name).add(order)
        return order

    @staticmethod
    def _check_acceptable(market: Market, request: NewOrder | Order) -> None:
        """Raise the engine's own rejections of an order by the prices there are."""
        if request.kind == "LIMIT_MAKER" and market.book.would_match(request.side, request.price):
            raise errors.would_take()
        if request.stop_price and contingent.is_met(request, market.last_price()):
            raise errors.would_trigger()

    @staticmethod
    def _check_pair(market: Market, pair: Sequence[NewOrder | Order]) -> None:
        """Raise -2010 unless the orders of a pair stand on either side of the last price."""
        last = market.last_price()
        for one in pair:
            if one.kind.startswith("STOP_LOSS"):
                if one.stop_price and contingent.is_met(one, last):
                    raise errors.bad_oco_prices()
                continue
            price = one.price or one.stop_price
            if price and (price >= last if one.side is BUY else price <= last):
                raise errors.bad_oco_prices()

    def _needs(
        self, account: Account, market: Market, request: NewOrder | Order
    ) -> tuple[str, int]:
        """Return what a new order locks."""
        book, symbol = market.book, market.symbol
        if request.side is not BUY:
            return symbol.base, request.quantity
        price = request.price
        if request.kind in STOPS:
            price = request.price or request.stop_price or market.last_price()
        if price:
            return symbol.quote, notional(price, request.quantity)
        cost = book.cost(request.side, request.quantity, account.number, request.self_trade)
        return symbol.quote, cost

    def _begin(self, account: Account, market: Market, order: Order, now_ns: int) -> Placed:
        """Have an accepted order wait for its price, or work at once; neither while pending."""
        if order.status == orders.PENDING or not order.is_open:
            return Placed(order, [], [])
        if order.kind in STOPS:
            market.waiting[order.order_id] = order
            return Placed(order, [], [])
        return self._work(account, market, order, now_ns)

    def _work(self, account: Account, market: Market, order: Order, now_ns: int) -> Placed:
        """Match an order, then rest, expire or file away what is left."""
        limit = None if order.kind in AT_MARKET else order.price
        executions: list[Execution] = []
        prevented: list[PreventedMatch] = []
        if order.time_in_force != "FOK" or self._fills(market, order, limit):
            executions, prevented = self._match(market, order, limit, order.self_trade, now_ns)
        if order.is_open:
            self._settle_rest(account, market, order, now_ns)
        return Placed(order, executions, prevented)

    @staticmethod
    def _fills(market: Market, order: Order, limit: int | None) -> bool:
        """Whether an order would be filled whole at once."""
        quantity = order.open_quantity
        reach = market.book.fillable(order.side, quantity, limit, order.owner, order.self_trade)
        return reach >= quantity

    def _settle_rest(self, account: Account, market: Market, order: Order, now_ns: int) -> None:
        """Rest or expire what matching left of an order."""
        if order.kind in AT_MARKET:
            reason = "INSUFFICIENT_LIQUIDITY"
        elif order.time_in_force == "IOC":
            reason = "UNFILLED_IOC_QUANTITY_EXPIRED"
        elif order.time_in_force == "FOK":
            reason = "UNFILLED_FOK_ORDER_EXPIRED"
        else:
            self._show(market, order)
            self._publish_best(market)
            return
        self._expire(account, market, order, reason, now_ns)

    @staticmethod
    def _show(market: Market, order: Order) -> None:
        """Rest an order on the book, an iceberg with no more than its tip."""
        left = order.left
        order.open_quantity = min(left, order.iceberg or left)
        order.hidden = left - order.open_quantity
        market.book.add(order)

    @staticmethod
    def _take_out(market: Market, order: Order) -> None:
        """Take an order off the book, or from those that wait for a price."""
        if order.order_id in market.book.orders:
            market.book.remove(order)
        market.waiting.pop(order.order_id, None)

    def _expire(
        self, account: Account, market: Market, order: Order, reason: str, now_ns: int
    ) -> None:
        order.expiry_reason = reason
        self._take_out(market, order)
        self._publish_best(market)
        self._close(account, market, order, "EXPIRED", now_ns)
        self._report(market, order, "EXPIRED", now_ns)

    def _charge(
        self, account: Account, asset: str, amount: int, *, is_maker: bool
    ) -> tuple[int, str]:
        """Take the commission on ``amount`` received; return what it is and in which asset."""
        commission, paid_in = commission_on(
            account, asset, amount, self.markets.values(), is_maker=is_maker
        )
        account.balance(paid_in).free -= commission
        self.fees.balance(paid_in).free += commission
        return commission, paid_in

    def _match(
        self, market: Market, taker: Resting, limit: int | None, mode: SelfTrade, now_ns: int
    ) -> tuple[list[Execution], list[PreventedMatch]]:
        """Match ``taker`` against the book, settling and reporting each step."""
        executions: list[Execution] = []
        prevented: list[PreventedMatch] = []
        trades: list[Trade] = []
        touched: dict[int, Account] = {}
        for step in market.book.match(taker, limit, mode):
            maker = step.maker
            if isinstance(maker, Order) and maker.owner != taker.owner:
                touched[maker.owner] = self.accounts[maker.owner]
            if isinstance(step, Fill):
                trade = self._trade(market, taker, step, now_ns)
                trades.append(trade)
                mine = self._settle(market, taker, trade, is_maker=False)
                self._settle(market, maker, trade, is_maker=True)
                if mine is not None:
                    executions.append(mine)
            else:
                prevented.append(self._prevent(market, taker, step, now_ns))
        self._publish_best(market)
        for aggregate in market.tape.aggregate(trades):
            self.events.append(Aggregated(market.symbol.name, aggregate))
        for account in touched.values():
            account.updated_ns = now_ns
            self._tell_balances(account, assets_moved(account, market.symbol), now_ns)
        return executions, prevented

    def _trade(self, market: Market, taker: Resting, fill: Fill, now_ns: int) -> Trade:
        buyer, seller = (taker, fill.maker) if taker.side is BUY else (fill.maker, taker)
        trade = Trade(
            market.next_trade_id(),
            fill.price,
            fill.quantity,
            notional(fill.price, fill.quantity),
            now_ns,
            buyer.order_id,
            seller.order_id,
            buyer is fill.maker,
        )
        market.tape.add(trade)
        if market.waiting:
            market.unseen_prices.append(trade.price)
        self.events.append(Printed(market.symbol.name, trade))
        return trade

    def _settle(
        self, market: Market, party: Resting, trade: Trade, *, is_maker: bool
    ) -> Execution | None:
        """Move one party's assets; report and return its execution unless it is the house."""
        symbol = market.symbol
        account = self.accounts[party.owner]
        if party.side is BUY:
            gets, got, gives, given = symbol.base, trade.quantity, symbol.quote, trade.quote
        else:
            gets, got, gives, given = symbol.quote, trade.quote, symbol.base, trade.quantity
        if not isinstance(party, Order):
            account.balance(gets).free += got
            account.balance(gives).free -= given
            return None
        if is_maker:
            self._end_rival(market, party, trade.time_ns)
        account.balance(gets).free += got
        account.balance(gives).locked -= given
        party.locked -= given
        commission, paid_in = self._charge(account, gets, got, is_maker=is_maker)
        if not party.executed:
            counter = account.orders
            counter.add(
                counter.FIRST_FILL_AS_MAKER if is_maker else counter.FIRST_FILL_AS_TAKER,
                trade.time_ns,
            )
        party.executed += trade.quantity
        party.quote_executed += trade.quote
        party.updated_ns = trade.time_ns
        execution = Execution(
            trade, party.order_id, party.side is BUY, is_maker, commission, paid_in
        )
        self.file(account, symbol.name).executions.append(execution)
        if not party.left:
            self._close(account, market, party, "FILLED", trade.time_ns)
        else:
            if not party.open_quantity:
                self._show(market, party)
            party.status = "PARTIALLY_FILLED"
            self._unlock_excess(account, market, party)
        self._report(market, party, "TRADE", trade.time_ns, execution=execution)
        return execution

    def _prevent(
        self, market: Market, taker: Resting, step: Prevented, now_ns: int
    ) -> PreventedMatch:
        """Expire what self-trade prevention took; both parties are orders of one account."""
        maker = step.maker
        assert isinstance(taker, Order)  # noqa: S101 - the house trades without prevention
        assert isinstance(maker, Order)  # noqa: S101 - of the same account
        quantity = min(
            taker.open_quantity + step.taker_quantity, maker.open_quantity + step.maker_quantity
        )
        match = PreventedMatch(
            market.next_prevented_id(),
            taker.order_id,
            maker.order_id,
            taker.self_trade,
            now_ns,
            step.price,
            step.taker_quantity,
            step.maker_quantity,
            quantity,
        )
        self.file(self.accounts[taker.owner], taker.symbol).prevented.append(match)
        if step.maker_quantity:
            self._lose(market, maker, taker, step.maker_quantity, match, now_ns)
        if step.taker_quantity:
            self._lose(market, taker, maker, step.taker_quantity, match, now_ns)
        return match

    def _lose(
        self,
        market: Market,
        order: Order,
        counter: Order,
        quantity: int,
        match: PreventedMatch,
        now_ns: int,
    ) -> None:
        account = self.accounts[order.owner]
        order.prevented += quantity
        order.prevented_id = match.prevented_id
        order.updated_ns = now_ns
        if order.left:
            if not order.open_quantity:
                self._show(market, order)
            self._unlock_excess(account, market, order)
        else:
            self._close(account, market, order, "EXPIRED_IN_MATCH", now_ns)
        order.remember()
        execution_id = market.next_execution_id()
        event = orders.report(order, "TRADE_PREVENTION", execution_id, now_ns)
        self._tell(
            order.owner,
            orders.prevented_report(order, counter.order_id, quantity, match, event),
        )
        if not order.is_open:
            self._progress(market, order, now_ns)

    def _close(
        self, account: Account, market: Market, order: Order, status: str, now_ns: int
    ) -> None:
        order.status = status
        order.updated_ns = now_ns
        self.file(account, order.symbol).close(order)
        account.unlock(self._locked_asset(market, order), order.locked)
        order.locked = 0

    def _unlock_excess(self, account: Account, market: Market, order: Order) -> None:
        """Unlock what an order no longer needs: price improvement, reduction, prevention.

        The orders of a pair lock together what the one of them that needs more does.
        """
        one = self.list_of(order)
        rival = None if one is None else one.rival(order)
        keeper = rival if rival is not None and rival.locked else order
        still = max(self._still_needs(each) for each in (order, rival) if each is not None)
        if keeper.locked > still >= 0:
            account.unlock(self._locked_asset(market, order), keeper.locked - still)
            keeper.locked = still

    @staticmethod
    def _still_needs(order: Order) -> int:
        """Return what an order needs; all it has where its exact cost was locked."""
        if order.side is not BUY:
            return order.left
        return order.locked if order.lock_price is None else notional(order.lock_price, order.left)

    @staticmethod
    def _locked_asset(market: Market, order: Order) -> str:
        return market.symbol.quote if order.side is BUY else market.symbol.base

    def _report(
        self,
        market: Market,
        order: Order,
        kind: str,
        now_ns: int,
        *,
        former_client_id: str = "",
        execution: Execution | None = None,
    ) -> int:
        """Tell the owner about its order and carry on with its list; return the execution id."""
        execution_id = self._say(
            market, order, kind, now_ns, former_client_id=former_client_id, execution=execution
        )
        if not order.is_open:
            self._progress(market, order, now_ns)
        return execution_id

    def _say(
        self,
        market: Market,
        order: Order,
        kind: str,
        now_ns: int,
        *,
        former_client_id: str = "",
        execution: Execution | None = None,
    ) -> int:
        """Tell the owner about its order; return the execution id."""
        order.remember()
        execution_id = market.next_execution_id()
        event = orders.report(
            order,
            kind,
            execution_id,
            now_ns,
            former_client_id=former_client_id,
            execution=execution,
        )
        self._tell(order.owner, event)
        return execution_id

    def _tell_balances(self, account: Account, assets: Iterable[str], now_ns: int) -> None:
        account.remember(assets, now_ns)
        self._tell(
            account.number,
            {
                "e": "outboundAccountPosition",
                "E": now_ns,
                "u": now_ns,
                "B": [
                    {
                        "a": asset,
                        "f": show(account.balance(asset).free),
                        "l": show(account.balance(asset).locked),
                    }
                    for asset in assets
                ],
            },
        )

    def _tell(self, account: int, event: dict[str, Any]) -> None:
        self.events.append(Told(account, event))

    def _publish_best(self, market: Market) -> None:
        changes = market.book.best_changes
        if changes:
            name = market.symbol.name
            self.events.extend(BestMoved(name, best) for best in changes)
            changes.clear()
