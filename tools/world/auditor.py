"""The auditor: what must always hold, checked against the exchange's truth alone.

It keeps a ledger of its own, of what the exchange's engine did and of the bytes that crossed the
tank, and holds the code under test against it; it never asks that code for the truth. The numbers
I1 to I24 are those of ``docs/faults.md``. A breach is noted, and raised by the world between two
steps: the engine catches whatever happens inside a strategy's callback.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec

from core.engine import Engine
from core.events import Side
from core.journal import Kind, MemoryJournal, Payload, Record
from core.orders import MAX_UNCLAIMED, Order
from core.units import ASSET_DECIMALS, NS_PER_MS, NS_PER_S
from core.views import OrderState
from core.wire.websocket import BINARY
from venues.sim.engine import BestMoved, Event, Market, Told
from venues.sim.fixed import DECIMALS, parse
from venues.sim.ledger import DEFAULT_SECRET
from venues.sim.matching import Best

ATOMS: Final = 10 ** (ASSET_DECIMALS - DECIMALS)
"""Our atoms in one unit of the exchange."""

BOOKS_KEPT: Final = 200
"""Published books remembered per market: 20 s, more than any message is held up."""

SECRET: Final = DEFAULT_SECRET.encode()

MAX_AT_REST: Final = 100
"""Requests or timers that may wait while all is at rest: replies that the storm has lost are given
up only after 10 s."""

RENUMBERED_NS: Final = 2 * NS_PER_S
"""How long numbers of before and after may meet in one book, where an exchange starts over: until
two more changes have come."""

BAN_TOLERANCE_NS: Final = 100 * NS_PER_MS
"""How far our measure of the venue's clock may be off when a ban ends."""

PLACING: Final = frozenset({"order.place", "order.cancelReplace"})


class Breach(Exception):
    """An invariant does not hold."""

    def __init__(self, invariant: str, text: str) -> None:
        super().__init__(f"{invariant}: {text}")
        self.invariant = invariant
        self.text = text


class Deal(NamedTuple):
    """One of our fills, by the exchange: price, size and fee in its units of 1e-8."""

    trade_id: int
    price: int
    size: int
    fee: int
    fee_asset: str


@dataclass(slots=True)
class Booked:
    """One of our orders, by the exchange."""

    order_id: int
    client_id: str
    symbol: str
    buy: bool
    size: int
    listed_as: str
    """The name that the venue's lists give it: that of its cancel, where there was one."""
    status: str = "NEW"
    prevented: int = 0
    deals: dict[int, Deal] = field(default_factory=dict)

    @property
    def filled(self) -> int:
        return sum(deal.size for deal in self.deals.values())

    @property
    def is_open(self) -> bool:
        return self.status in ("NEW", "PARTIALLY_FILLED")

    @property
    def open_size(self) -> int:
        return self.size - self.filled - self.prevented if self.is_open else 0


class Intent(NamedTuple):
    """An order on its way to the exchange."""

    client_id: str
    symbol: str
    buy: bool
    size: int


class Limits(NamedTuple):
    """What one instrument allows, in units of 1e-8."""

    max_position: int
    max_order: int


class Ear:
    """Hears the messages in what a server sends; deaf once it is no legal WebSocket any more."""

    def __init__(self) -> None:
        self._left = b""
        self._message = b""

    def hear(self, data: bytes) -> list[bytes]:
        """Return the data messages that these bytes complete."""
        heard = []
        left = self._left + data
        while len(left) >= 2:
            opcode, size, at = left[0] & 0x0F, left[1], 2
            if size >= 126:
                at = 4 if size == 126 else 10
                size = int.from_bytes(left[2:at], "big") if size < 128 else 1 << 60
            if len(left) < at + size:
                break
            final = left[0] & 0x80
            payload, left = left[at : at + size], left[at + size :]
            if opcode <= BINARY:
                self._message += payload
                if final:
                    heard.append(self._message)
                    self._message = b""
        self._left = left
        return heard


class Auditor:
    """The ledger of one world, and the invariants."""

    def __init__(
        self, markets: Mapping[str, Market], account: int, limits: Mapping[str, Limits]
    ) -> None:
        self._markets = markets
        self._account = account
        self._limits = limits
        self.scope = ""
        self.breach: Breach | None = None
        self.excused: set[str] = set()
        """Client ids that a fault made the exchange accept twice."""
        self.doubled: set[str] = set()
        """Symbols on which it did: exposure there is beyond anybody's control."""
        self.stepped_back_ns = 0
        """How far a fault has set the exchange's clock back: unnoticed until it is measured."""
        self.closed = ""
        """Why nothing may be placed any more, "" while it may."""
        self.halted: set[str] = set()
        """Symbols on which nothing may be placed any more in this boot."""
        self.orders: dict[tuple[str, int], Booked] = {}
        self._by_client: dict[str, Booked] = {}
        self._foreign: dict[tuple[str, int], str] = {}
        self.foreign_cancels = 0
        self._open: dict[str, dict[int, Booked]] = {name: {} for name in markets}
        self.positions: Counter[str] = Counter()
        self._intents: dict[tuple[int, str], Intent] = {}
        self._used: set[str] = set()
        self._bests: dict[str, tuple[list[int], list[Best]]] = {}
        self._books: dict[str, dict[int, Any]] = {name: {} for name in markets}
        for name, market in markets.items():
            best = market.book.best()
            self._bests[name] = ([best.update_id], [best])
        self._untold = False
        """Whether this boot has not been told yet what those before it have spent."""
        self.forgotten: set[str] = set()
        """Orders whose record a power cut has taken."""
        self._journaled: set[bytes] = set()
        self._journal_failed = False
        self._subscribed = False
        self._proved: set[str] = set()
        self._imaged: set[str] = set()
        self._banned_until_ns = self._ban_before_ns = 0
        self._ear = Ear()
        self._seqs: dict[int, int] = {}
        self._unaware: set[str] = set()
        """Symbols whose book has not been lost since a fault renumbered it at the exchange."""
        self._comparable_ns = dict.fromkeys(markets, 0)
        self._filled: dict[str, int] = {}
        self._bought: dict[int, tuple[int, int]] = {}
        self.sent = Counter[str]()

    # -- what the exchange does ----------------------------------------------------------------

    def saw(self, events: Iterable[Event]) -> None:
        """Take what the exchange's engine did, before anybody is told."""
        for event in events:
            if isinstance(event, BestMoved):
                ids, bests = self._bests[event.symbol]
                ids.append(event.best.update_id)
                bests.append(event.best)
            elif (
                isinstance(event, Told)
                and event.account == self._account
                and event.event["e"] == "executionReport"
            ):
                self._report(event.event)

    def published(self) -> None:
        """The exchange has said its depth: remember the whole books as they are now."""
        for name, market in self._markets.items():
            books = self._books[name]
            update_id = market.book.update_id
            if update_id not in books:
                books[update_id] = (market.book.bids.top(5_000), market.book.asks.top(5_000))
                if len(books) > BOOKS_KEPT:
                    del books[next(iter(books))]

    def renumbered(self, symbol: str, now_ns: int) -> None:
        """The exchange counts the updates of a book from the beginning again."""
        best = self._markets[symbol].book.best()
        self._bests[symbol] = ([best.update_id], [best])
        self._books[symbol].clear()
        self._unaware.add(symbol)
        self._comparable_ns[symbol] = now_ns + RENUMBERED_NS

    def _report(self, event: dict[str, Any]) -> None:
        kind, symbol, order_id = event["x"], event["s"], event["i"]
        client_id = event["C"] or event["c"]
        if not client_id.startswith(self.scope):
            if kind == "NEW":
                self._foreign[symbol, order_id] = client_id
            return
        if kind == "REJECTED":
            return
        order = self.orders.get((symbol, order_id))
        if order is None:
            order = Booked(order_id, client_id, symbol, event["S"] == "BUY", parse(event["q"]), "")
            self.orders[symbol, order_id] = order
            self._open[symbol][order_id] = order
            if client_id in self._by_client:
                if client_id not in self.excused:
                    self._note("I3", f"{client_id} stands for two orders of {symbol}")
                self.doubled.add(symbol)
            self._by_client[client_id] = order
        order.size, order.listed_as = parse(event["q"]), event["c"]
        order.prevented = parse(event["A"]) if "A" in event else order.prevented
        order.status = event["X"]
        if kind == "TRADE":
            deal = Deal(
                event["t"], parse(event["L"]), parse(event["l"]), parse(event["n"]), event["N"]
            )
            if deal.trade_id not in order.deals:
                order.deals[deal.trade_id] = deal
                self.positions[symbol] += deal.size if order.buy else -deal.size
        if not order.is_open:
            self._open[symbol].pop(order_id, None)

    def open_orders(self, symbol: str) -> dict[int, Booked]:
        """Return our open orders by the exchange's word."""
        return self._open[symbol]

    def names(self) -> set[str]:
        """Return the names of all our orders that the exchange has ever taken."""
        return set(self._by_client)

    def is_known_by_record_alone(self, client_id: str) -> bool:
        """Whether the venue's lists do not tell that an order was ours: it traded, and somebody
        else cancelled it, so that it is listed under the name of their cancel.
        """
        order = self._by_client.get(client_id)
        return order is not None and order.filled > 0 and not order.listed_as.startswith(self.scope)

    def may_be_stopped(self, order: Booked) -> bool:
        """Whether somebody else may cancel an order: not one that has traded, if the record of it
        is lost. Nothing would tell whose fills these are: not survived.
        """
        return not order.filled or order.client_id not in self.forgotten

    def order_of(self, client_id: str) -> Booked | None:
        """Return the order that a client id stands for at the exchange."""
        return self._by_client.get(client_id)

    # -- what crosses the tank -----------------------------------------------------------------

    def on_sent(self, link: int, payload: bytes, now_ns: int) -> None:
        """Our side sends a request over the private line."""
        request = msgspec.json.decode(payload)
        method, values = request["method"], request.get("params", {})
        self.sent[method] += 1
        self._check_ban(method, now_ns)
        name = payload[: payload.find(b",")]
        if name not in self._journaled and not (self._journal_failed and method not in PLACING):
            self._note("I11", f"{method} {request['id']} leaves before it is journaled")
        if method == "order.cancel":
            self._check_whose(values)
        if method in PLACING:
            buy, size = values["side"] == "BUY", parse(values["quantity"])
            intent = Intent(values["newClientOrderId"], values["symbol"], buy, size)
            self._check_order(intent, now_ns)
            self._intents[link, request["id"]] = intent
            self._check_bound(intent)

    def on_received(self, link: int, payload: bytes) -> None:
        """The exchange has handled a request, or nobody ever will."""
        at = payload.find(b'"', 7)
        self._intents.pop((link, payload[7:at].decode()), None)

    def on_asked(self, path: str, now_ns: int) -> None:
        """Our side sends a request over REST."""
        self._check_ban(path, now_ns)

    def on_dialled(self, now_ns: int) -> None:
        """Our side dials a line."""
        self._check_ban("a dial", now_ns)

    def on_banned(self, until_ns: int) -> None:
        """Our side is told over REST that it is banned."""
        self._banned_until_ns = max(self._banned_until_ns, until_ns)
        self._ban_before_ns = self._banned_until_ns

    def on_stopped(self) -> None:
        """The process does not run for so long that the books it holds are of no use any more."""
        self._imaged.clear()

    def on_read(self, private: bool, data: bytes, now_ns: int, skew_ns: int) -> None:
        """Bytes reach our side; what they allow may be done within the same turn."""
        if not private:
            return
        self._ban_before_ns = self._banned_until_ns
        for payload in self._ear.hear(data):
            if payload.startswith(b'{"id":"u') and b'"status":200' in payload[:40]:
                self._subscribed = True
            elif b'"status":418' in payload[:40]:
                told = msgspec.json.decode(payload)["error"].get("data", {})
                until_ns = told.get("retryAfter", 0) * NS_PER_MS - skew_ns
                self._banned_until_ns = max(self._banned_until_ns, until_ns)

    def on_turn_over(self) -> None:
        """What was read last has been carried to the end."""
        self._ban_before_ns = self._banned_until_ns

    def on_closed(self) -> None:
        """Our side closes the private line: a ban behind what it has refused was not read."""
        self._banned_until_ns = self._ban_before_ns

    def on_snapshot(self, symbol: str) -> None:
        """A snapshot of a symbol's book has reached our side."""
        self._imaged.add(symbol)

    def on_listed(self, symbol: str) -> None:
        """The list of open orders of a symbol has reached our side."""
        self._untold = False
        self._proved.add(symbol)

    def on_cut(self, *, private: bool) -> None:
        """A line is lost."""
        if private:
            self._subscribed = False
            self._proved.clear()
            self._ear = Ear()
        else:
            self._imaged.clear()

    def on_boot(self) -> None:
        """A new boot begins, which knows nothing of what the one before was told."""
        self._subscribed = False
        self._proved.clear()
        self._imaged.clear()
        self.closed = ""
        self.halted.clear()
        self._seqs.clear()
        self._filled.clear()
        self._bought.clear()
        self._journal_failed = False
        self._banned_until_ns = self._ban_before_ns = 0
        self._untold = True

    def answered(self, payload: bytes) -> None:
        """The exchange itself, and no fault, answers a request."""
        refused = b'"status":429' in payload[:40] or b'"status":418' in payload[:40]
        if refused and not self._untold:
            self._note("I8", f"the exchange had to refuse: {payload[:200].decode()}")

    def on_log(self, text: str) -> None:
        """Our side says what it has stopped."""
        what, _, rest = text.partition(" ")
        if rest.startswith("halted:"):
            self.halted.add(what)
        elif what == "halted:":
            self.closed = self.closed or text

    def journaled(self, payload: bytes) -> None:
        """The journal holds a request."""
        self._journaled.add(payload[: payload.find(b",")])

    def journal_failed(self) -> None:
        """The journal has refused a record: from here on cancels may leave without one."""
        self._journal_failed = True

    def note(self, invariant: str, text: str) -> None:
        """Take a breach that was seen elsewhere."""
        self._note(invariant, text)

    # -- every step ----------------------------------------------------------------------------

    def _note(self, invariant: str, text: str) -> None:
        if self.breach is None:
            self.breach = Breach(invariant, text)

    def _check_ban(self, what: str, now_ns: int) -> None:
        if now_ns < self._banned_until_ns - BAN_TOLERANCE_NS - self.stepped_back_ns:
            left_ms = (self._banned_until_ns - now_ns) // NS_PER_MS
            self._note("I8", f"{what} leaves while a ban has {left_ms} ms to go")

    def _check_whose(self, values: dict[str, Any]) -> None:
        name = values.get("origClientOrderId")
        order = (values["symbol"], values.get("orderId"))
        if (name is not None and not name.startswith(self.scope)) or order in self._foreign:
            self._note("rule 10", f"an order of others is cancelled: {values}")

    def _check_order(self, intent: Intent, now_ns: int) -> None:
        client_id, symbol = intent.client_id, intent.symbol
        if client_id in self._used:
            self._note("I3", f"client id {client_id} is sent twice")
        self._used.add(client_id)
        if not client_id.startswith(self.scope):
            self._note("I3", f"client id {client_id} is outside our scope")
        if intent.size > self._limits[symbol].max_order:
            self._note("I2", f"{client_id}: a size of {intent.size} was never approved")
        if self.closed:
            self._note("I7", f"{client_id} is sent although nothing may be: {self.closed}")
        if symbol in self.halted:
            self._note("I7", f"{client_id} is sent although {symbol} is halted")
        if not self._subscribed:
            self._note("I7", f"{client_id} is sent while the private stream is down")
        if symbol not in self._imaged:
            self._note("I7", f"{client_id} is sent without a book of {symbol} on this connection")
        if symbol not in self._proved:
            self._note("I7", f"{client_id} is sent before {symbol} is reconciled")

    def _check_bound(self, intent: Intent) -> None:
        """I1, where the exposure grows: when an order is sent."""
        symbol, limit = intent.symbol, self._limits[intent.symbol].max_position
        position = self.positions[symbol]
        for buy in (True, False):
            worst = position if buy else -position
            worst += sum(o.open_size for o in self._open[symbol].values() if o.buy is buy)
            worst += sum(
                i.size for i in self._intents.values() if i.symbol == symbol and i.buy is buy
            )
            if buy is intent.buy and worst > limit and symbol not in self.doubled:
                self._note(
                    "I1",
                    f"{intent.client_id}: {symbol} could become {worst} on the side of "
                    f"{'buys' if buy else 'sells'}, the limit is {limit}; position {position}",
                )

    def check_orders(self, engine: Engine) -> None:
        """I4: our filled sizes never exceed the exchange's, and never shrink."""
        for order in engine.orders.unsettled():
            self._check_fills(engine, order)
        for row in engine.table:
            position = engine.positions[row.index]
            before = self._bought.get(row.index, (0, 0))
            after = (position.bought_lots, position.sold_lots)
            if after == before:
                continue
            self._bought[row.index] = after
            if after[0] < before[0] or after[1] < before[1]:
                self._note("I4", f"{row.symbol}: bought and sold went from {before} to {after}")
            step = self._markets[row.symbol].symbol.step_size
            true = self.traded(row.symbol)
            if after[0] * step > true[0] or after[1] * step > true[1]:
                self._note("I4", f"{row.symbol}: {after} lots booked, traded were {true} of 1e-8")

    def _check_fills(self, engine: Engine, order: Order) -> None:
        known = self._filled.get(order.client_order_id, 0)
        if order.filled_lots == known:
            return
        self._filled[order.client_order_id] = order.filled_lots
        if order.filled_lots < known:
            self._note("I4", f"{order!r}: filled was {known}")
        symbol = engine.table[order.instrument].symbol
        booked = self._by_client.get(order.client_order_id)
        true = 0 if booked is None else booked.filled
        ours = order.filled_lots * self._markets[symbol].symbol.step_size
        if ours > true and order.client_order_id not in self.excused:
            self._note("I4", f"{order!r}: the exchange filled {true} of 1e-8")

    def traded(self, symbol: str) -> tuple[int, int]:
        """Return what we bought and sold by the exchange's word."""
        bought = sold = 0
        for order in self.orders.values():
            if order.symbol == symbol:
                if order.buy:
                    bought += order.filled
                else:
                    sold += order.filled
        return bought, sold

    def check_books(self, engine: Engine, now_ns: int, *, whole: bool = False) -> None:
        """I5, I6 and I9: a live book is the exchange's at its update, and counts upwards."""
        for row in engine.table:
            book = engine.books[row.index]
            if not book.live:
                self._seqs.pop(row.index, None)
                self._unaware.discard(row.symbol)
                continue
            if row.symbol in self._unaware or now_ns < self._comparable_ns[row.symbol]:
                continue
            if book.seq < self._seqs.get(row.index, -1):
                self._note("I9", f"{row.symbol} went back to update {book.seq}")
            self._seqs[row.index] = book.seq
            if book.bid_lots and book.ask_lots and book.bid_ticks >= book.ask_ticks:
                self._note("I6", f"{row.symbol}: bid {book.bid_ticks} ask {book.ask_ticks}")
            symbol = self._markets[row.symbol].symbol
            tick, step = symbol.tick_size, symbol.step_size
            ids, bests = self._bests[row.symbol]
            at = bisect_right(ids, book.seq) - 1
            if at >= 0:
                ours = Best(
                    bests[at].update_id,
                    book.bid_ticks * tick,
                    book.bid_lots * step,
                    book.ask_ticks * tick,
                    book.ask_lots * step,
                )
                if ours != bests[at]:
                    self._note("I5", f"{row.symbol} at {book.seq}: {ours}, truly {bests[at]}")
            published = self._books[row.symbol].get(book.seq)
            if whole and published is not None:
                for side, true in zip((Side.BUY, Side.SELL), published, strict=True):
                    levels = [(t * tick, n * step) for t, n in book.levels(side, 10_000)]
                    if levels != true:
                        self._note("I5", f"{row.symbol} at {book.seq}: {side.name} levels differ")

    # -- at rest -------------------------------------------------------------------------------

    def unrest(self, engine: Engine) -> str:
        """Return what is not at rest yet, "" when all is: I15, I17, I18 and the sessions."""
        for session in engine.sessions:
            if not session.ready:
                return f"I24: line {session.line.name} is {session.phase}"
        if not engine.recovery.reconciled:
            return "I17: not reconciled"
        if len(engine.proof.doubts) and not self.doubled:
            return f"I17: {len(engine.proof.doubts)} orders are in doubt"
        for order in engine.orders.unsettled():
            if order.state in (OrderState.UNKNOWN, OrderState.PENDING) or order.cancelling:
                return f"I17: {order!r}"
        for row in engine.table:
            book, update_id = engine.books[row.index], self._markets[row.symbol].book.update_id
            if not book.live or row.symbol in self._unaware:
                return f"I5: {book!r} {book.why}, the exchange is at {update_id}"
            found = self._differs(engine, row.index, row.symbol)
            if found and row.symbol not in self.doubled:
                return found
        return ""

    def behind(self, engine: Engine) -> str:
        """Return which book is behind the exchange's although nothing moves, "" when none is."""
        for row in engine.table:
            book, update_id = engine.books[row.index], self._markets[row.symbol].book.update_id
            # Best prices may be ahead of the levels: a lost last change shows with the next one.
            if book._chain.seq != update_id:
                return f"I5: {book!r}, the exchange is at {update_id}"
        return ""

    def _differs(self, engine: Engine, index: int, symbol: str) -> str:
        step = self._markets[symbol].symbol.step_size
        position = engine.positions[index]
        ours = (position.bought_lots * step, position.sold_lots * step)
        if ours != self.traded(symbol):
            return f"I15: {symbol}: booked {ours}, traded {self.traded(symbol)}"
        held = {
            order.client_order_id: (order.size_lots * step, order.filled_lots * step)
            for order in engine.orders.open()
            if order.instrument == index
        }
        true = {o.client_id: (o.size, o.filled) for o in self._open[symbol].values()}
        if held != true:
            return f"I18: {symbol}: open orders {held}, at the exchange {true}"
        exposure = engine.orders.exposure(index)
        reserve = (exposure.open_buy_lots * step, exposure.open_sell_lots * step)
        left = [
            sum(o.open_size for o in self._open[symbol].values() if o.buy is buy)
            for buy in (True, False)
        ]
        if reserve != tuple(left):
            return f"I18: {symbol}: {reserve} reserved, {left} open"
        return ""

    def check_money(self, engine: Engine) -> None:
        """I16: money and fees are those of the exchange's trades."""
        for row in engine.table:
            if row.symbol in self.doubled:
                continue
            symbol = self._markets[row.symbol].symbol
            paid = received = 0
            fees: Counter[str] = Counter()
            for order in self.orders.values():
                if order.symbol != row.symbol:
                    continue
                for deal in order.deals.values():
                    worth = deal.price // symbol.tick_size * (deal.size // symbol.step_size)
                    paid, received = paid + worth * order.buy, received + worth * (not order.buy)
                    if deal.fee:
                        fees[deal.fee_asset] += deal.fee * ATOMS
            position = engine.positions[row.index]
            ours = (position.bought_quote_units, position.sold_quote_units, position.fees_atoms)
            if ours != (paid, received, dict(fees)):
                self._note("I16", f"{row.symbol}: {ours}, truly {(paid, received, dict(fees))}")

    def check_secrets(self, records: Iterable[Record], log: Iterable[str]) -> None:
        """I12: neither secret nor signature is in the journal or the log."""
        for record in records:
            if SECRET in record.payload or b'"signature"' in record.payload:
                self._note("I12", f"a secret is journaled: {record.payload[:200]!r}")
        for line in log:
            if SECRET.decode() in line:
                self._note("I12", f"a secret is logged: {line}")

    def check_limits(self, engine: Engine) -> None:
        """I13: nothing waits any more where all is at rest."""
        waiting = {
            "requests": (len(engine.outbound.inflight), MAX_AT_REST),
            "timers": (len(engine.timers), MAX_AT_REST),
            "unclaimed fills": (len(engine.orders.unclaimed()), MAX_UNCLAIMED),
        }
        for what, (count, most) in waiting.items():
            if count > most:
                self._note("I13", f"{count} {what} at rest, at most {most}")

    def check_left(self) -> None:
        """I19: nothing of ours is alive at the exchange."""
        for symbol, orders in self._open.items():
            for order in orders.values():
                self._note("I19", f"{order.client_id} is alive on {symbol} after the exit")


class AuditedJournal(MemoryJournal):
    """A journal that tells the auditor which requests it holds, and fails when it is told to."""

    __slots__ = ("_auditor", "fail", "failing")

    def __init__(self, auditor: Auditor, fail: type[Exception]) -> None:
        super().__init__()
        self._auditor = auditor
        self.fail = fail
        self.failing = False

    def append(self, kind: int, line: int, time_ns: int, payload: Payload) -> None:
        if self.failing:
            self._auditor.journal_failed()
            raise self.fail("no space left on the simulated disk")
        super().append(kind, line, time_ns, payload)
        if kind == Kind.SEND:
            self._auditor.journaled(bytes(payload))
