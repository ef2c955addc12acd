"""What becomes of accepted orders: they work, wait for a price or for one another, trade and end.

Balances move and owners are told as it happens. Nothing here takes requests: whoever does calls
``_follow_up`` when it is done, so that what the trades have set off happens too.
"""

from collections.abc import Sequence
from typing import NamedTuple

from venues.sim import contingent, orders
from venues.sim.accounts import Account
from venues.sim.contingent import AT_MARKET, STOPS
from venues.sim.events import Aggregated, OrderChanged, Prevention, Printed
from venues.sim.fixed import notional
from venues.sim.market import Market
from venues.sim.matching import BUY, Fill, Prevented, Resting, SelfTrade
from venues.sim.order_lists import OCO_TRIGGER, OrderList
from venues.sim.orders import Execution, NewOrder, Order, PreventedMatch
from venues.sim.records import Records
from venues.sim.refusals import Reason, Refused
from venues.sim.tape import Trade


class Placed(NamedTuple):
    """What became of a new order at once."""

    order: Order
    executions: list[Execution]
    prevented: list[PreventedMatch]


class Floor(Records):
    """The trading of accepted orders."""

    # -- one order ---------------------------------------------------------------------------------

    @staticmethod
    def _check_acceptable(market: Market, request: NewOrder | Order) -> None:
        """Raise ``Refused`` for what the prices there are make of an order."""
        if request.kind == "LIMIT_MAKER" and market.book.would_match(request.side, request.price):
            raise Refused(Reason.WOULD_TAKE)
        if request.stop_price and contingent.is_met(request, market.last_price()):
            raise Refused(Reason.WOULD_TRIGGER)

    @staticmethod
    def _check_pair(market: Market, pair: Sequence[NewOrder | Order]) -> None:
        """Raise ``Refused`` unless the orders of a pair stand on either side of the last price."""
        last = market.last_price()
        for one in pair:
            if one.kind.startswith("STOP_LOSS"):
                if one.stop_price and contingent.is_met(one, last):
                    raise Refused(Reason.PAIR_MISPLACED)
                continue
            price = one.price or one.stop_price
            if price and (price >= last if one.side is BUY else price <= last):
                raise Refused(Reason.PAIR_MISPLACED)

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
            cost = notional(price, request.quantity)
        else:
            cost = book.cost(request.side, request.quantity, account.number, request.self_trade)
        return symbol.quote, self._with_reserve(account, cost)

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

    # -- fills -------------------------------------------------------------------------------------

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
            self._tell_balances(account, self.terms.assets_moved(account, market.symbol), now_ns)
        return executions, prevented

    def _trade(self, market: Market, taker: Resting, fill: Fill, now_ns: int) -> Trade:
        step = market.symbol.cost_step
        buyer, seller = (taker, fill.maker) if taker.side is BUY else (fill.maker, taker)
        trade = Trade(
            market.next_trade_id(),
            fill.price,
            fill.quantity,
            notional(fill.price, fill.quantity) // step * step,
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
        is_buyer = party.side is BUY
        commission, paid_in = self._charge(
            account,
            market,
            trade.quantity,
            trade.quote,
            is_buyer=is_buyer,
            is_maker=is_maker,
        )
        if not party.executed:
            self.terms.filled_first(account, trade.time_ns, is_maker=is_maker)
        party.executed += trade.quantity
        party.quote_executed += trade.quote
        party.paid += commission
        party.updated_ns = trade.time_ns
        execution = Execution(trade, party.order_id, is_buyer, is_maker, commission, paid_in)
        self.file(account, symbol.name).executions.append(execution)
        if not party.left:
            self._close(account, market, party, "FILLED", trade.time_ns)
        else:
            if not party.open_quantity:
                self._show(market, party)
            party.status = "PARTIALLY_FILLED"
            self._unlock_excess(account, market, party)
        self._report(market, party, "TRADE", trade.time_ns, execution=execution)
        for asset, amount in ((gives, -given), (gets, got)):
            fee = commission if asset == paid_in else 0
            self._tell_moved(account, asset, amount, fee, symbol.name, execution, trade.time_ns)
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
        self.events.append(
            OrderChanged(
                order.owner,
                "TRADE_PREVENTION",
                order.past[-1],
                market.next_execution_id(),
                now_ns,
                prevention=Prevention(match, quantity, counter.order_id),
            )
        )
        if not order.is_open:
            self._progress(market, order, now_ns)

    # -- order lists -------------------------------------------------------------------------------

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
        except Refused:
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
        self._tell_balances(account, self.terms.assets_moved(account, market.symbol), now_ns)

    # -- stop orders -------------------------------------------------------------------------------

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
            cost = self._with_reserve(account, cost)
            try:
                account.lock(market.symbol.quote, cost - order.locked)
            except Refused:
                self._expire(account, market, order, "REJECTED", now_ns)
                return
            order.locked, order.lock_price = cost, None
        self._report(market, order, "NEW", now_ns)
        self._work(account, market, order, now_ns)
        account.updated_ns = now_ns
        self._tell_balances(account, self.terms.assets_moved(account, market.symbol), now_ns)
