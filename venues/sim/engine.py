"""The matching engine: books, balances and orders of all symbols, and the events they cause.

Orders come in checked for form and filters; here they meet the book and the balances. Every event
is appended to ``events`` in the order it happened, with its time; whoever distributes them takes
them away with ``take_events``. The background trades through ``house_order`` and
``house_cancel``, without client orders or reports.
"""

import random
from collections import deque
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from venues.sim import errors, orders
from venues.sim.accounts import DISCOUNT, DISCOUNT_ASSET, Account
from venues.sim.fixed import ONE, notional, show
from venues.sim.limits import Limit, OrderCounter
from venues.sim.matching import BUY, Best, Book, Fill, Prevented, Resting, SelfTrade
from venues.sim.orders import Allocation, Amendment, Execution, NewOrder, Order, PreventedMatch
from venues.sim.symbols import AVERAGE_PRICE_MINUTES, Symbol
from venues.sim.tape import Aggregate, Tape, Trade

HOUSE: Final = 0
FEES: Final = -1

TRADING: Final = "TRADING"
CANCEL_ONLY: Final = "CANCEL_ONLY"
# The states of a symbol that the venue documents (enums.md, Symbol status).
STATUSES: Final = frozenset({TRADING, CANCEL_ONLY, "BREAK", "HALT", "END_OF_DAY"})

# Closed orders and executions kept per account and symbol: hours of a busy maker, tens of MB.
CLOSED_ORDERS_KEPT: Final = 50_000
EXECUTIONS_KEPT: Final = 50_000

_CLIENT_ID_LETTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CLIENT_ID_LENGTH: Final = 22


class Printed(NamedTuple):
    """A trade happened."""

    symbol: str
    trade: Trade


class Aggregated(NamedTuple):
    """A taker order's trades at one price, after its last fill."""

    symbol: str
    aggregate: Aggregate


class BestMoved(NamedTuple):
    """A best price or its total changed."""

    symbol: str
    best: Best


class Told(NamedTuple):
    """A private event of one account, times in nanoseconds."""

    account: int
    event: dict[str, Any]


Event = Printed | Aggregated | BestMoved | Told


class Placed(NamedTuple):
    """What became of a new order at once."""

    order: Order
    executions: list[Execution]
    prevented: list[PreventedMatch]


class Market:
    """One symbol: its rules, book, tape and counters."""

    def __init__(self, symbol: Symbol) -> None:
        self.symbol = symbol
        self.status = TRADING
        self.begin()

    def begin(self) -> None:
        """Begin anew: an empty book, nothing traded, all ids from the first on."""
        self.book = Book()
        self.tape = Tape()
        self._order_id = 0
        self._trade_id = 0
        self._execution_id = 0
        self._prevented_id = -1
        self._allocation_id = -1

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

    def published(self) -> dict[str, Any]:
        """Return the entry of ``exchangeInfo.symbols``."""
        return self.symbol.published(self.status)

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
        """Return any order by id, else by client id; raise -2039 when both are sent and differ."""
        if order_id is None:
            return None if client_id is None else self.named(client_id)
        order = self.orders.get(order_id)
        if order is not None and client_id not in {None, *order.names}:
            raise errors.client_id_differs()
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
        if balance.free < amount or balance.locked + amount < 0:
            raise errors.insufficient_balance()
        account.lock(asset, amount)
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
        symbol = market.symbol
        file = self.file(account, symbol.name)
        client_id = request.client_id or self.new_client_id()
        if file.open_named(client_id) is not None:
            raise errors.rejected("Duplicate order sent.")
        try:
            asset, amount = self._needs(account, market, request)
            account.lock(asset, amount)
        except errors.RejectedError as error:
            self._tell(
                account.number,
                orders.rejection(
                    request,
                    symbol.name,
                    client_id,
                    error.reason,
                    market.next_execution_id(),
                    now_ns,
                ),
            )
            raise
        order = Order(
            request, symbol.name, market.next_order_id(), account.number, client_id, now_ns
        )
        order.locked = amount
        file.add(order)
        self._report(market, order, "NEW", now_ns)
        placed = self._match_order(account, market, order, now_ns)
        self._settle_rest(account, market, order, now_ns)
        account.updated_ns = now_ns
        self._tell_balances(account, self._moved(account, symbol), now_ns)
        return placed

    def allocate(
        self, account: Account, market: Market, request: NewOrder, price: int, now_ns: int
    ) -> Order:
        """Fill a new order from other books: one allocation instead of trades."""
        symbol = market.symbol
        client_id = request.client_id or self.new_client_id()
        quote = notional(price, request.quantity)
        is_buyer = request.side is BUY
        pays, amount = (symbol.quote, quote) if is_buyer else (symbol.base, request.quantity)
        account.lock(pays, amount)
        order = Order(
            request, symbol.name, market.next_order_id(), account.number, client_id, now_ns
        )
        order.locked, order.used_sor = amount, True
        file = self.file(account, symbol.name)
        file.add(order)
        self._report(market, order, "NEW", now_ns)
        gets, got = (symbol.base, request.quantity) if is_buyer else (symbol.quote, quote)
        for asset, moved in ((gets, -got), (pays, amount)):
            self.house.balance(asset).free += moved
        commission, commission_asset = self._commission(account, symbol, gets, got, is_maker=False)
        account.balance(gets).free += got
        account.balance(pays).locked -= amount
        account.balance(commission_asset).free -= commission
        order.locked, order.open_quantity = 0, 0
        order.executed, order.quote_executed = request.quantity, quote
        one = Allocation(
            market.next_allocation_id(), order.order_id, is_buyer, price, request.quantity, quote,
            commission, commission_asset, now_ns,
        )  # fmt: skip
        file.allocations.append(one)
        self._close(account, market, order, "FILLED", now_ns)
        account.orders.add(account.orders.FIRST_FILL_AS_TAKER, now_ns)
        order.remember()
        event = orders.report(order, "TRADE", market.next_execution_id(), now_ns)
        self._tell(account.number, orders.allocated_report(one, event))
        account.updated_ns = now_ns
        self._tell_balances(account, self._moved(account, symbol), now_ns)
        return order

    def cancel(
        self, account: Account, market: Market, order: Order, client_id: str | None, now_ns: int
    ) -> str:
        """Take an open order off the book; return the client order id it had."""
        former = order.rename(client_id or self.new_client_id())
        self.file(account, order.symbol).renamed(order)
        market.book.remove(order)
        self._publish_best(market)
        self._close(account, market, order, "CANCELED", now_ns)
        self._report(market, order, "CANCELED", now_ns, former_client_id=former)
        self._tell_balances(account, (self._locked_asset(market, order),), now_ns)
        return former

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

        An order whose executed quantity already reaches ``quantity`` expires.
        """
        file = self.file(account, order.symbol)
        client_id = client_id or self.new_client_id()
        named = file.open_named(client_id)
        if named is not None and named is not order:
            raise errors.amend_rejected("Duplicate order sent.")
        former_quantity = order.quantity
        former = order.rename(client_id)
        file.renamed(order)
        order.quantity = quantity
        order.updated_ns = now_ns
        left = quantity - order.executed - order.prevented
        if left > 0:
            market.book.reduce(order, left)
            self._unlock_excess(account, market, order)
            kind = "REPLACED"
        else:
            market.book.remove(order)
            order.open_quantity = 0
            self._close(account, market, order, "EXPIRED", now_ns)
            kind = "EXPIRED"
        self._publish_best(market)
        execution_id = self._report(market, order, kind, now_ns, former_client_id=former)
        self._tell_balances(account, (self._locked_asset(market, order),), now_ns)
        amendment = Amendment(execution_id, former, client_id, former_quantity, quantity, now_ns)
        order.amends.append(amendment)
        return amendment

    def new_client_id(self) -> str:
        """Return a client order id as the venue makes them up."""
        return "".join(self._rng.choices(_CLIENT_ID_LETTERS, k=_CLIENT_ID_LENGTH))

    # -- the background ------------------------------------------------------------------------

    def house_order(
        self, market: Market, side: bool, price: int, quantity: int, now_ns: int, *, rest: bool
    ) -> Resting | None:
        """Trade for the background; return the resting order when ``rest`` and not filled."""
        order = Resting(market.next_order_id(), HOUSE, side, price, quantity)
        if market.book.would_match(side, price):
            self._match(market, order, price, SelfTrade.NONE, now_ns)
        if not rest or not order.open_quantity:
            self._publish_best(market)
            return None
        market.book.add(order)
        self._publish_best(market)
        return order

    def house_cancel(self, market: Market, order: Resting) -> None:
        """Take a background order off the book."""
        market.book.remove(order)
        self._publish_best(market)

    # -- inside --------------------------------------------------------------------------------

    def _add_account(self, number: int, *, may_owe: bool = False) -> Account:
        account = Account(number, OrderCounter(self._order_limits), may_owe=may_owe)
        self.accounts[number] = account
        return account

    def _needs(self, account: Account, market: Market, request: NewOrder) -> tuple[str, int]:
        """Return what a new order locks; raise the engine's own rejections."""
        book, symbol = market.book, market.symbol
        if request.kind == "LIMIT_MAKER" and book.would_match(request.side, request.price):
            raise errors.would_take()
        if request.side is not BUY:
            return symbol.base, request.quantity
        if request.kind != "MARKET":
            return symbol.quote, notional(request.price, request.quantity)
        cost = book.cost(request.side, request.quantity, account.number, request.self_trade)
        return symbol.quote, cost

    def _match_order(self, account: Account, market: Market, order: Order, now_ns: int) -> Placed:
        limit = None if order.kind == "MARKET" else order.price
        if order.time_in_force == "FOK":
            reach = market.book.fillable(
                order.side, order.quantity, limit, account.number, order.self_trade
            )
            if reach < order.quantity:
                return Placed(order, [], [])
        executions, prevented = self._match(market, order, limit, order.self_trade, now_ns)
        return Placed(order, executions, prevented)

    def _settle_rest(self, account: Account, market: Market, order: Order, now_ns: int) -> None:
        """Rest, expire or file away what matching left of a new order."""
        if not order.is_open:
            return
        if order.kind == "MARKET":
            reason = "INSUFFICIENT_LIQUIDITY"
        elif order.time_in_force == "IOC":
            reason = "UNFILLED_IOC_QUANTITY_EXPIRED"
        elif order.time_in_force == "FOK":
            reason = "UNFILLED_FOK_ORDER_EXPIRED"
        else:
            market.book.add(order)
            self._publish_best(market)
            return
        order.expiry_reason = reason
        self._close(account, market, order, "EXPIRED", now_ns)
        self._report(market, order, "EXPIRED", now_ns)

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
            self._tell_balances(account, self._moved(account, market.symbol), now_ns)
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
        account.balance(gets).free += got
        account.balance(gives).locked -= given
        party.locked -= given
        commission, paid_in = self._commission(account, symbol, gets, got, is_maker=is_maker)
        account.balance(paid_in).free -= commission
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
        if not party.open_quantity:
            self._close(account, market, party, "FILLED", trade.time_ns)
        else:
            party.status = "PARTIALLY_FILLED"
            self._unlock_excess(account, market, party)
        self._report(market, party, "TRADE", trade.time_ns, execution=execution)
        return execution

    def _commission(
        self, account: Account, symbol: Symbol, asset: str, amount: int, *, is_maker: bool
    ) -> tuple[int, str]:
        """Charge the commission on ``amount`` received; return what it is and in which asset.

        In BNB where the account pays so, has enough and BNB has a price; else in what is received
        (faqs/commission_faq.md).
        """
        rate = account.maker_rate if is_maker else account.taker_rate
        commission = amount * rate // ONE
        if account.pays_in_bnb and asset != DISCOUNT_ASSET:
            price = self._price(DISCOUNT_ASSET, asset)
            discounted = 0 if price is None else commission * DISCOUNT // price
            if price is not None and discounted <= account.balance(DISCOUNT_ASSET).free:
                commission, asset = discounted, DISCOUNT_ASSET
        elif account.pays_in_bnb:
            commission = commission * DISCOUNT // ONE
        self.fees.balance(asset).free += commission
        return commission, asset

    @staticmethod
    def _moved(account: Account, symbol: Symbol) -> Iterable[str]:
        """Return the assets that a fill in ``symbol`` may have moved, each once."""
        pair = (symbol.base, symbol.quote)
        return (
            (*pair, DISCOUNT_ASSET) if account.pays_in_bnb and DISCOUNT_ASSET not in pair else pair
        )

    def _price(self, base: str, quote: str) -> int | None:
        """Return the price of ``base`` in ``quote`` by a symbol of both, or by a common quote."""
        prices = {
            (market.symbol.base, market.symbol.quote): market.last_price()
            for market in self.markets.values()
        }
        if (base, quote) in prices:
            return prices[base, quote]
        for (one, common), price in prices.items():
            if one == base and (quote, common) in prices:
                return price * ONE // prices[quote, common]
        return None

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
        if order.open_quantity:
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

    def _close(
        self, account: Account, market: Market, order: Order, status: str, now_ns: int
    ) -> None:
        order.status = status
        order.updated_ns = now_ns
        self.file(account, order.symbol).close(order)
        account.unlock(self._locked_asset(market, order), order.locked)
        order.locked = 0

    def _unlock_excess(self, account: Account, market: Market, order: Order) -> None:
        """Unlock what an order no longer needs: price improvement, reduction, prevention."""
        if order.kind == "MARKET":
            return  # its exact cost was locked; the rest is unlocked when it closes
        still = order.open_quantity
        if order.side is BUY:
            still = notional(order.price, order.open_quantity)
        account.unlock(self._locked_asset(market, order), order.locked - still)
        order.locked = still

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
