"""At rest: sessions, orders, positions, reserves and money are the exchange's.

I13, I15 to I18, and I5 where a book stands still.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from core.engine.engine import Engine
from core.model.views import OrderState
from core.state.orders import MAX_UNCLAIMED
from tools.world.audit.books import Books
from tools.world.audit.watch import ATOMS, Context, Watch
from venues.sim.fixed import ONE

MAX_AT_REST: Final = 100
"""Requests or timers that may wait while all is at rest: replies that the storm has lost are given
up only after 10 s."""


class Rest(Watch):
    """What has to be so once nothing strikes and nothing moves."""

    def __init__(self, context: Context, books: Books) -> None:
        super().__init__(context)
        self._books = books
        self.balances: Callable[[], Mapping[str, int]] = dict
        """What is free at the exchange, by asset, in units of 1e-8."""
        self._answered: Mapping[str, int] = {}
        """What was free when our side was answered last how much it has."""
        self.lied_about_balances = False
        """Whether a fault has had the exchange say something else."""

    def account_told(self, free: Mapping[str, int]) -> None:
        """Our side is answered how much it has; so much was free by then."""
        self._answered = free

    def unrest(self, engine: Engine) -> str:
        """Return what is not at rest yet, "" when all is: I15, I17, I18 and the sessions."""
        for session in engine.sessions:
            if not session.ready:
                return f"I24: line {session.connection.name} is {session.phase}"
        if not engine.recovery.reconciled:
            return "I17: not reconciled"
        if len(engine.resolution.retries) and not self.ledger.doubled:
            return f"I17: {len(engine.resolution.retries)} orders are in doubt"
        for order in engine.orders.unsettled():
            if order.state in (OrderState.UNKNOWN, OrderState.PENDING) or order.cancelling:
                return f"I17: {order!r}"
        for order in engine.orders.open():
            if order.client_order_id in engine.desk._unwanted:
                return f"I17: {order!r} is to be cancelled"
        forgotten = self._forgotten(engine)
        if forgotten:
            return forgotten
        for row in engine.table:
            book, update_id = engine.books[row.index], self.markets[row.symbol].book.update_id
            heard = not row.carried
            if heard and (not book.live or row.symbol in self._books.unaware):
                return f"I5: {book!r} {book.why}, the exchange is at {update_id}"
            found = self._differs(engine, row.index, row.symbol)
            if found and row.symbol not in self.ledger.doubled:
                return found
        return ""

    def _forgotten(self, engine: Engine) -> str:
        """I29: what is held or open on any symbol is known, also where it is left out."""
        for symbol in self.markets:
            bought, sold = self.ledger.traded(symbol)
            held = bought != sold or bool(self.ledger.open_orders(symbol))
            if held and engine.table.find(symbol) is None:
                return f"I29: {symbol}: bought {bought}, sold {sold}, and nobody knows of it"
        return ""

    def booked(self, engine: Engine, index: int, symbol: str) -> tuple[int, int]:
        """Return what our side says to have bought and sold of a symbol, in units of 1e-8."""
        step, position = self.markets[symbol].symbol.step_size, engine.positions[index]
        return position.bought_lots * step, position.sold_lots * step

    def _differs(self, engine: Engine, index: int, symbol: str) -> str:
        step = self.markets[symbol].symbol.step_size
        ours = self.booked(engine, index, symbol)
        if ours != self.ledger.traded(symbol):
            return f"I15: {symbol}: booked {ours}, traded {self.ledger.traded(symbol)}"
        held = {
            order.client_order_id: (order.size_lots * step, order.filled_lots * step)
            for order in engine.orders.open()
            if order.instrument == index
        }
        true = {o.client_id: (o.size, o.filled) for o in self.ledger.open_orders(symbol).values()}
        if held != true:
            return f"I18: {symbol}: open orders {held}, at the exchange {true}"
        exposure = engine.orders.exposure(index)
        reserve = (exposure.open_buy_lots * step, exposure.open_sell_lots * step)
        left = [
            sum(o.open_size for o in self.ledger.open_orders(symbol).values() if o.buy is buy)
            for buy in (True, False)
        ]
        if reserve != tuple(left):
            return f"I18: {symbol}: {reserve} reserved, {left} open"
        return ""

    def at_rest(self, engine: Engine, now_ns: int) -> None:
        self._books.check(engine, now_ns, whole=True)
        self._check_money(engine)
        self._check_waiting(engine)
        self._check_pnl(engine)
        self._check_balances(engine)

    def _check_money(self, engine: Engine) -> None:
        """I16: money and fees are those of the exchange's trades."""
        for row in engine.table:
            if row.symbol in self.ledger.doubled:
                continue
            symbol = self.markets[row.symbol].symbol
            paid = received = 0
            fees: Counter[str] = Counter()
            for order in self.ledger.orders.values():
                if order.symbol != row.symbol:
                    continue
                for deal in order.deals.values():
                    notional = deal.price // symbol.tick_size * (deal.size // symbol.step_size)
                    paid, received = (
                        paid + notional * order.buy,
                        received + notional * (not order.buy),
                    )
                    if deal.fee:
                        fees[deal.fee_asset] += deal.fee * ATOMS
            position = engine.positions[row.index]
            ours = (position.bought_value, position.sold_value, position.fees_atoms)
            if ours != (paid, received, dict(fees)):
                self.note("I16", f"{row.symbol}: {ours}, truly {(paid, received, dict(fees))}")

    def _check_waiting(self, engine: Engine) -> None:
        """I13: no more requests, timers and unclaimed fills wait than may at rest."""
        waiting = {
            "requests": (len(engine.outbound.inflight), MAX_AT_REST),
            "timers": (len(engine.timers), MAX_AT_REST),
            "unclaimed fills": (len(engine.orders.unclaimed()), MAX_UNCLAIMED),
        }
        for what, (count, most) in waiting.items():
            if count > most:
                self.note("I13", f"{count} {what} at rest, at most {most}")

    def _check_pnl(self, engine: Engine) -> None:
        """I16: what a run says it has made is what its trades have made, with their sign."""
        for row in engine.table:
            if row.symbol in self.ledger.doubled:
                continue
            market = self.markets[row.symbol]
            units = engine.executions.pnl(row.index)
            best, made = market.book.best(), self.ledger.pnl(row.symbol)
            if units is None or not (best.bid and best.ask):
                continue
            ours = units * market.symbol.tick_size * market.symbol.step_size // ONE
            # Ours is valued at a whole tick, and each fee is rounded.
            tick = abs(self.ledger.positions[row.symbol]) * market.symbol.tick_size // ONE
            fills = sum(len(o.deals) for o in self.ledger.orders.values())
            if abs(ours - made) > tick + fills + market.symbol.tick_size:
                self.note("I16", f"{row.symbol}: a profit of {ours} is told, truly {made}")

    def _check_balances(self, engine: Engine) -> None:
        """What a strategy sees of its account is what is there, or was when it was asked for last
        at a venue that tells of no change of it.
        """
        if self.lied_about_balances or not engine.balances:
            return
        symbols = [market.symbol for market in self.markets.values()]
        traded = {asset for symbol in symbols for asset in (symbol.base, symbol.quote)}
        there = self.balances() if self.dialect.tells_balances else self._answered
        for asset, held in there.items():
            if asset not in traded:
                continue
            told = engine.desk.balance_atoms(asset)
            if abs(told - held * ATOMS) > self.dialect.cut_off.get(asset, 0) * ATOMS:
                self.note("I16", f"{told} atoms of {asset} are told, free are {held} of 1e-8")
