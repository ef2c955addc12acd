"""Accounts, orders and lists of the engine, and what their owners are told.

Records, balances and events alone: nothing here matches orders or decides what becomes of them.
"""

from collections.abc import Iterable
from typing import Final

from venues.sim.accounts import Account
from venues.sim.events import (
    BalancesChanged,
    BestMoved,
    Event,
    ListChanged,
    LockedOutside,
    Moved,
    OrderChanged,
)
from venues.sim.fixed import notional
from venues.sim.market import Market, OrderFile
from venues.sim.matching import BUY
from venues.sim.order_lists import OrderList
from venues.sim.orders import Execution, Order
from venues.sim.refusals import Reason, Refused
from venues.sim.symbols import Symbol
from venues.sim.terms import Terms

HOUSE: Final = 0
FEES: Final = -1

# Closed order lists kept per account: as many as a day of a busy client.
LISTS_KEPT: Final = 10_000


class Records:
    """All markets and accounts of the exchange, with what each owns and has placed."""

    def __init__(self, symbols: Iterable[Symbol], terms: Terms) -> None:
        self.markets = {symbol.name: Market(symbol) for symbol in symbols}
        self.events: list[Event] = []
        self.terms = terms
        self._files: dict[tuple[int, str], OrderFile] = {}
        self._lists: dict[int, dict[int, OrderList]] = {}
        self._list_id = -1
        self.accounts: dict[int, Account] = {}
        self.house = self._add_account(HOUSE, may_owe=True)
        self.fees = self._add_account(FEES)

    def open_account(self, deposits: dict[str, int]) -> Account:
        """Open a trading account with ``deposits`` (asset -> 1e-8)."""
        account = self._add_account(max(self.accounts) + 1)
        for asset, amount in deposits.items():
            account.opening[asset] = amount
        account.begin()
        return account

    def deposit(self, account: Account, asset: str, amount: int, now_ns: int) -> None:
        """Move ``amount`` in (or out, when negative) and tell the account."""
        balance = account.balance(asset)
        if balance.free + amount < 0:
            raise Refused(Reason.INSUFFICIENT_FUNDS)
        balance.free += amount
        account.updated_ns = now_ns
        self._tell_moved(account, asset, amount, 0, "", None, now_ns)
        self._tell_balances(account, (asset,), now_ns)

    def lock_outside(self, account: Account, asset: str, amount: int, now_ns: int) -> None:
        """Another system locks ``amount``, or unlocks it when negative."""
        balance = account.balance(asset)
        outside = account.locked_outside.get(asset, 0) + amount
        if balance.free < amount or outside < 0:
            raise Refused(Reason.INSUFFICIENT_FUNDS)
        account.lock(asset, amount)
        account.locked_outside[asset] = outside
        account.remember((asset,), now_ns)
        account.updated_ns = now_ns
        self.events.append(LockedOutside(account.number, asset, amount, now_ns))

    def begin(self) -> None:
        """Begin anew, as the venue's test network does: nothing ever placed, ids from the first."""
        for market in self.markets.values():
            market.begin()
        self._files.clear()
        self._lists.clear()
        self._list_id = -1
        self.events.clear()
        self.terms.begin()
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

    # -- order lists -------------------------------------------------------------------------------

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
        client_id: str,
        now_ns: int,
    ) -> OrderList:
        self._list_id += 1
        one = OrderList(
            self._list_id, account.number, market.symbol.name, contingency, client_id, now_ns
        )
        mine = self._lists.setdefault(account.number, {})
        mine[one.list_id] = one
        if len(mine) > LISTS_KEPT:
            oldest = next((each for each in mine.values() if each.is_done), None)
            if oldest is not None:
                del mine[oldest.list_id]
        return one

    def _tell_list(self, one: OrderList, kind: str, now_ns: int) -> None:
        one.updated_ns = now_ns
        names = tuple(order.name for order in one.orders)
        self.events.append(ListChanged(one.owner, kind, one, one.is_done, names, now_ns))

    # -- inside ------------------------------------------------------------------------------------

    def _add_account(self, number: int, *, may_owe: bool = False) -> Account:
        account = Account(number, may_owe=may_owe)
        self.accounts[number] = account
        return account

    def _charge(
        self,
        account: Account,
        market: Market,
        quantity: int,
        quote: int,
        *,
        is_buyer: bool,
        is_maker: bool,
    ) -> tuple[int, str]:
        """Take the commission on a fill; return what it is and in which asset."""
        commission, paid_in = self.terms.commission(
            account,
            market.symbol,
            quantity,
            quote,
            self.markets.values(),
            is_buyer=is_buyer,
            is_maker=is_maker,
        )
        account.balance(paid_in).free -= commission
        self.fees.balance(paid_in).free += commission
        return commission, paid_in

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
        still = max(self._still_needs(account, each) for each in (order, rival) if each is not None)
        if keeper.locked > still >= 0:
            account.unlock(self._locked_asset(market, order), keeper.locked - still)
            keeper.locked = still

    def _still_needs(self, account: Account, order: Order) -> int:
        """Return what an order needs; all it has where its exact cost was locked."""
        if order.side is not BUY:
            return order.left
        if order.lock_price is None:
            return order.locked
        return self._with_reserve(account, notional(order.lock_price, order.left))

    def _with_reserve(self, account: Account, cost: int) -> int:
        """Return what a buyer locks to pay ``cost`` of the quote asset."""
        return cost + self.terms.reserve(account, cost)

    @staticmethod
    def _locked_asset(market: Market, order: Order) -> str:
        return market.symbol.quote if order.side is BUY else market.symbol.base

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
        self.events.append(
            OrderChanged(
                order.owner,
                kind,
                order.past[-1],
                execution_id,
                now_ns,
                former_client_id=former_client_id,
                execution=execution,
            )
        )
        return execution_id

    def _tell_balances(self, account: Account, assets: Iterable[str], now_ns: int) -> None:
        account.remember(assets, now_ns)
        found = [(asset, account.balance(asset)) for asset in assets]
        balances = tuple((asset, one.free, one.locked) for asset, one in found)
        self.events.append(BalancesChanged(account.number, balances, now_ns))

    def _tell_moved(
        self,
        account: Account,
        asset: str,
        amount: int,
        fee: int,
        symbol: str,
        execution: Execution | None,
        now_ns: int,
    ) -> None:
        balance = account.balance(asset)
        total = balance.free + balance.locked
        self.events.append(
            Moved(account.number, asset, amount, fee, total, symbol, execution, now_ns)
        )

    def _publish_best(self, market: Market) -> None:
        changes = market.book.best_changes
        if changes:
            name = market.symbol.name
            self.events.extend(BestMoved(name, best) for best in changes)
            changes.clear()
