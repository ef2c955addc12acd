"""What Kraken alone has to be obeyed in: states of trading, sessions, nonces, its timer, checksums.

I36: what the trading engine, or a pair, does not take is not sent once our side was told so.
I37: nothing is placed with a token that was refused. I38: a nonce is above the one before it.
I39: the venue's timer runs while orders of ours stand, it is set long before it runs out, and it is
stopped by who leaves. I40: nothing is placed on a book that its checksum has contradicted. What our
side says of any of it is not heard.

Source: docs.kraken.com, "Status", "Instruments", "Get Websockets Token", "Spot REST
Authentication", "Cancel on Disconnect" (pages of 2026-05-27).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec

from core.engine.engine import Engine
from core.model.events import Side
from core.model.units import NS_PER_S
from core.state.queues import OrderQueues
from tools.world.audit.watch import Context, Request, Sent, Watch
from tools.world.dialect import AMEND
from venues.sim.accounts import Account
from venues.sim.kraken import words
from venues.sim.kraken.exchange import Exchange
from venues.sim.kraken.numbers import ORDER, name_of
from venues.sim.kraken.pairs import STATUSES
from venues.sim.matching import Side as BookSide

ENGINE: Final = ""
"""The trading engine as a whole, where pairs have their names."""

TAKEN: Final[dict[str, frozenset[str]]] = {
    "online": frozenset({"LIMIT", "LIMIT_MAKER", "MARKET"}),
    "limit_only": frozenset({"LIMIT", "LIMIT_MAKER"}),
    "post_only": frozenset({"LIMIT_MAKER"}),
}
"""Which orders each state takes; any other takes none."""

RENEWED_NS: Final = 25 * NS_PER_S
"""Within which the timer is set anew: twenty seconds, and what lies between two looks."""

HELD_LEVELS: Final = 10
"""Levels of a side whose orders are held against the exchange's."""

SETTLED_NS: Final = 15 * NS_PER_S
"""After which it has been set for whoever trades, one lost answer included."""

_read = msgspec.json.Decoder().decode
_NONCE: Final = re.compile(r"(?:^|&)nonce=(\d{1,20})(?:&|$)")


class States(Watch):
    """What our side was told of the trading engine and of each pair."""

    def __init__(self, context: Context, exchange: Exchange, account: Account) -> None:
        super().__init__(context)
        self._exchange = exchange
        self._account = account
        self._told: dict[str, str] = {}

    def on_boot(self) -> None:
        self._told.clear()

    def on_told(self, payload: bytes, now_ns: int) -> None:
        self._hear(payload)

    def on_fed(self, payload: bytes, now_ns: int) -> None:
        self._hear(payload)

    def _hear(self, payload: bytes) -> None:
        if not payload.startswith((b'{"channel":"status"', b'{"channel":"instrument"')):
            return
        try:
            data = _read(payload)["data"]
        except msgspec.DecodeError:
            return  # spoiled on its way, and refused as a whole
        if isinstance(data, list):
            self._told[ENGINE] = data[-1]["system"]
        else:
            self._told.update({pair["symbol"]: pair["status"] for pair in data["pairs"]})

    def on_order(self, order: Sent, now_ns: int) -> None:
        for state in self._known(order.symbol):
            if order.kind not in TAKEN.get(state, ()):
                self.note("I36", f"{order.client_id}, {order.kind}, leaves while {state} is told")

    def on_request(self, request: Request, now_ns: int) -> None:
        if request.kind != AMEND:
            return
        find = self._exchange.find if request.number else self._exchange.open_named
        order = find(self._account, request.number or request.client_id)
        for state in self._known("" if order is None else order.symbol):
            if state not in TAKEN:
                self.note("I36", f"an amend of {request.number} leaves while {state} is told")

    def _known(self, symbol: str) -> list[str]:
        """Return the states that were told, and still hold at the exchange."""
        true = {ENGINE: self._exchange.system}
        if symbol:
            true[symbol] = STATUSES[self.markets[symbol].status]
        return [state for name, state in true.items() if self._told.get(name) == state]


class Sessions(Watch):
    """Which tokens the venue has refused."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._sent: dict[str, str] = {}
        """The token of each request that is not answered yet."""
        self.refused: set[str] = set()

    def on_boot(self) -> None:
        self._sent.clear()

    def on_request(self, request: Request, now_ns: int) -> None:
        token = str(request.values.get("token", ""))
        if request.orders and token in self.refused:
            self.note("I37", f"{request.orders[0].client_id} leaves with a token that was refused")
        self._sent[request.id] = token

    def on_told(self, payload: bytes, now_ns: int) -> None:
        token = self._sent.pop(self.dialect.reply_id(payload), "")
        refusal = self.dialect.refusal(payload)
        if token and refusal is not None and refusal.reason == words.INVALID_SESSION:
            self.refused.add(token)


class Nonces(Watch):
    """The number that each signed request of REST has."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._last = 0

    def on_boot(self) -> None:
        self._last = 0

    def on_body(self, body: str) -> None:
        """A form reaches the exchange, signed with our key."""
        found = _NONCE.search(body)
        nonce = 0 if found is None else int(found[1])
        if nonce <= self._last:
            self.note("I38", f"the nonce {nonce} comes after {self._last}")
        self._last = nonce


class Timer(Watch):
    """The dead man's switch: whether it runs, by the exchange itself, and when it was set."""

    def __init__(
        self, context: Context, left_ns: Callable[[], int], is_needed: Callable[[int], bool]
    ) -> None:
        """``left_ns`` is how long the timer has to run, 0 or less where it does not; ``is_needed``
        whether our side has to keep it up at a time, as far as others know.
        """
        super().__init__(context)
        self._left_ns = left_ns
        self._is_needed = is_needed
        self._stands = False
        """Whether a private connection is told of our orders, and its token was not refused."""
        self._trades_ns: int | None = None
        """Since when orders leave on it, ``None`` where none has since the timer was stopped."""
        self._set_ns: int | None = None
        """When this boot has asked for the timer to be set, ``None`` where it does not run."""

    def on_boot(self) -> None:
        self._stands = False
        self._trades_ns = self._set_ns = None

    def on_down(self) -> None:
        self._stands, self._trades_ns = False, None

    def on_told(self, payload: bytes, now_ns: int) -> None:
        if self.dialect.subscribed(payload):
            self._stands, self._trades_ns = True, None
        refusal = self.dialect.refusal(payload)
        if refusal is not None and refusal.reason == words.INVALID_SESSION:
            self.on_down()

    def on_request(self, request: Request, now_ns: int) -> None:
        if request.method == "cancel_all_orders_after" and request.values["timeout"]:
            self._set_ns = now_ns
        elif request.method == "cancel_all_orders_after":
            self._trades_ns = None

    def on_order(self, order: Sent, now_ns: int) -> None:
        if self._trades_ns is None:
            self._trades_ns = now_ns
        self._check(now_ns)

    def at_rest(self, engine: Engine, now_ns: int) -> None:
        if self.ledger.alive():
            self._check(now_ns)

    def _check(self, now_ns: int) -> None:
        since_ns = self._trades_ns
        if since_ns is None or now_ns - since_ns < SETTLED_NS or not self._is_needed(now_ns):
            return
        if self._left_ns() <= 0:
            self.note("I39", "orders stand while the venue's timer does not run")
        elif self._set_ns is None or now_ns - self._set_ns > RENEWED_NS:
            self.note("I39", f"the venue's timer has {self._left_ns() / NS_PER_S:.1f} s to run")

    def on_left(self, now_ns: int) -> None:
        runs = self._set_ns is not None and self._left_ns() > 0
        if runs and self._stands and self._is_needed(now_ns):
            self.note("I39", "the venue's timer still runs when the run has been left")


class Proofs(Watch):
    """Messages of a book that contradict their own checksum."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.spoiled: dict[bytes, str] = {}
        """Symbols by messages that are wrong, and on their way to our side."""
        self.lost: set[str] = set()
        """Whose book was contradicted, and not told anew since."""

    def on_boot(self) -> None:
        self.lost.clear()

    def on_fed(self, payload: bytes, now_ns: int) -> None:
        wrong = self.spoiled.pop(payload, "")
        if wrong:
            self.lost.add(wrong)
        elif self.lost:
            self.lost.discard(self.dialect.snapshot_of(payload))

    def on_order(self, order: Sent, now_ns: int) -> None:
        if order.symbol in self.lost:
            self.note("I40", f"{order.client_id} leaves on a book of {order.symbol} that is wrong")


class Queues(Watch):
    """Books that are told order by order, where they stand still: I5."""

    def __init__(self, context: Context, exchange: Exchange) -> None:
        super().__init__(context)
        self._exchange = exchange

    def at_rest(self, engine: Engine, now_ns: int) -> None:
        for row in engine.table:
            queues, book = engine.queues.get(row.index), self.markets[row.symbol].book
            for side, true in ((Side.BUY, book.bids), (Side.SELL, book.asks)):
                if queues is not None and not row.carried:
                    self._check(row.symbol, side, true, queues)

    def _check(self, symbol: str, side: Side, true: BookSide, queues: OrderQueues) -> None:
        pair, terms = self._exchange.pairs.by_name[symbol], self.markets[symbol].symbol
        for price, _ in true.top(HELD_LEVELS):
            level = true.levels[price * true.sign]
            there = [
                (name_of(ORDER, pair.number, one.order_id), one.open_quantity // terms.step_size)
                for one in level.orders.values()
            ]
            ours = queues.at(side, price // terms.tick_size)
            if ours != there:
                self.note("I5", f"{symbol} {side.name} at {price}: orders {ours}, truly {there}")
