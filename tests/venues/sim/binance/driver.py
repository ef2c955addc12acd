"""Drives an exchange without a wire: requests by name, time by hand, events as they came."""

import itertools
import random
from typing import Any

from venues.sim.accounts import Account
from venues.sim.binance.exchange import LIMITS, Exchange, Limits, Origin, Reply
from venues.sim.binance.methods import METHODS
from venues.sim.binance.order_views import told
from venues.sim.binance.parameters import as_text
from venues.sim.binance.symbols import SYMBOLS
from venues.sim.events import PRIVATE, Told
from venues.sim.fixed import parse
from venues.sim.symbols import Symbol

# 2026-01-01 00:00:00.5 UTC, inside every aligned window.
START_NS = 1_767_225_600_500_000_000
MS = 1_000_000

_numbers = itertools.count(1)


class Party:
    """One account's way to call the exchange."""

    def __init__(self, desk: "Desk", account: Account) -> None:
        self.desk = desk
        self.account = account
        number = next(_numbers)
        self.api_key = f"fake-key-{number}"
        desk.exchange.add_hmac_key(self.api_key, f"fake-secret-{number}", account)

    def call(self, method: str, **values: Any) -> Reply:
        """Call a method as a logged-on session does: timestamped, without signature."""
        desk = self.desk
        texts = {name: as_text(value) for name, value in values.items()}
        if METHODS[method].signed:
            texts["timestamp"] = str(desk.now_ns // MS)
        origin = Origin(ip="test", session=desk.exchange.keys[self.api_key])
        return desk.exchange.call(METHODS[method], texts, origin, desk.now_ns)

    def ok(self, method: str, **values: Any) -> Any:
        reply = self.call(method, **values)
        assert reply.error is None, reply.error
        return reply.result

    def refused(self, method: str, **values: Any) -> tuple[int, str]:
        reply = self.call(method, **values)
        assert reply.error is not None, reply.result
        return reply.error.code, reply.error.msg

    def limit(self, side: str, price: str, quantity: str, **more: Any) -> Any:
        return self.ok("order.place", **limit(side, price, quantity, **more))

    def market(self, side: str, **more: Any) -> Any:
        return self.ok("order.place", symbol="BTCUSDT", side=side, type="MARKET", **more)

    def free(self, asset: str) -> int:
        return self.account.balance(asset).free

    def locked(self, asset: str) -> int:
        return self.account.balance(asset).locked

    def events(self) -> list[dict[str, Any]]:
        """Take the private events of this account since the last call."""
        return self.desk.events(self.account.number)

    def reports(self) -> list[dict[str, Any]]:
        return [event for event in self.events() if event["e"] == "executionReport"]


class Desk:
    """An exchange with empty books and parties rich enough for any test."""

    def __init__(self, limits: Limits = LIMITS, symbols: tuple[Symbol, ...] = SYMBOLS) -> None:
        self.exchange = Exchange(random.Random(7), symbols, limits)
        self.now_ns = START_NS
        self._told: list[Told] = []

    def party(self, **balances: str) -> Party:
        amounts = balances or {"BTC": "100", "ETH": "100", "USDT": "10000000"}
        deposits = {asset: parse(amount) for asset, amount in amounts.items()}
        return Party(self, self.exchange.engine.open_account(deposits))

    def events(self, account: int) -> list[dict[str, Any]]:
        self._told += [
            one for one in self.exchange.engine.take_events() if isinstance(one, PRIVATE)
        ]
        mine = [told(one) for one in self._told if one.account == account]
        self._told = [one for one in self._told if one.account != account]
        return [event for event in mine if event is not None]

    def total(self, asset: str) -> int:
        """Return the sum of an asset over all accounts, house and fees included."""
        accounts = self.exchange.engine.accounts.values()
        return sum(one.balance(asset).free + one.balance(asset).locked for one in accounts)


def limit(side: str, price: str, quantity: str, **more: Any) -> dict[str, Any]:
    """Return the parameters of a LIMIT GTC order in BTCUSDT."""
    return {
        "symbol": "BTCUSDT",
        "side": side,
        "type": "LIMIT",
        "timeInForce": "GTC",
        "price": price,
        "quantity": quantity,
    } | more
