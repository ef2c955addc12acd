"""Accounts, orders and lists of the engine, and what their owners are told.

Records, balances and events alone: nothing here matches orders or decides what becomes of them.
"""

import random
from collections.abc import Iterable
from typing import Any, Final

from venues.sim import order_lists, orders
from venues.sim.accounts import Account
from venues.sim.binance import errors
from venues.sim.binance.commissions import commission_on
from venues.sim.binance.limits import Limit, OrderCounter
from venues.sim.events import BestMoved, Event, Told
from venues.sim.fixed import notional, show
from venues.sim.market import Market, OrderFile
from venues.sim.matching import BUY
from venues.sim.order_lists import OrderList
from venues.sim.orders import Execution, Order
from venues.sim.symbols import Symbol

HOUSE: Final = 0
FEES: Final = -1

# Closed order lists kept per account: as many as a day of a busy client.
LISTS_KEPT: Final = 10_000

_CLIENT_ID_LETTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CLIENT_ID_LENGTH: Final = 22


class Records:
    """All markets and accounts of the exchange, with what each owns and has placed."""

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

    def new_client_id(self) -> str:
        """Return a client order id as the venue makes them up."""
        return "".join(self._rng.choices(_CLIENT_ID_LETTERS, k=_CLIENT_ID_LENGTH))

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

    def _tell_list(self, one: OrderList, kind: str, now_ns: int) -> None:
        one.updated_ns = now_ns
        self._tell(one.owner, order_lists.event(one, kind, now_ns))

    # -- inside ------------------------------------------------------------------------------------

    def _add_account(self, number: int, *, may_owe: bool = False) -> Account:
        account = Account(number, OrderCounter(self._order_limits), may_owe=may_owe)
        self.accounts[number] = account
        return account

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
