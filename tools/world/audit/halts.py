"""Halts: what has to stop placing stops it, by the auditor's own reckoning. I7, I28.

It knows by itself when a halt is due: the operator's word, a strategy that raised, rejects of one
code told to us, the day's loss in the exchange's ledger. What our side says of halts is not heard.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import Final

from core.model.units import NS_PER_S
from core.state.journal import Kind, Record
from tools.world.audit.links import Links
from tools.world.audit.watch import Context, Sent, Watch
from tools.world.dialect import Reported

RESUME: Final = b"resume"


class Halts(Watch):
    """What may not be traded, and why."""

    def __init__(self, context: Context, links: Links) -> None:
        super().__init__(context)
        self.links = links
        self.halted: dict[str, str] = {}
        """Why nothing may be placed, by symbol; by "" where that is so of all."""
        self.allowed: set[str] = set()
        """Symbols that faults give reason to halt, "" for all: these need not trade again."""
        self._staying: set[str] = set()
        self._said = ""
        """The operator's word, which outlives the boot that it was said to."""
        self._contradicted: dict[str, str] = {}
        """What was contradicted, by symbol: that outlives the boot, too."""
        self._unsure: set[str] = set()
        """Symbols, "" for all, of which the next boot may not know whether they are halted."""
        self.flattens = False
        """Whether the operator wants all flattened: no halt is in the way of that."""
        self._placed: dict[str, str] = {}
        self._rejects_ns: dict[tuple[str, str, bool], deque[int]] = {}
        self._left: set[str] = set()
        """Names of the orders that this boot has sent."""

    def on_boot(self) -> None:
        self.halted.clear()
        self.allowed.clear()
        self._staying.clear()
        self.flattens = False
        self._placed.clear()
        self._left.clear()
        self._rejects_ns.clear()
        if self._said:
            self.halt("", self._said)
        for symbol, why in self._contradicted.items():
            self.halt(symbol, why)
        self.allowed |= self._unsure
        self._unsure.discard("")

    def on_new_folder(self) -> None:
        self._contradicted.clear()
        self._unsure.clear()

    def on_lost(self, records: Collection[Record]) -> None:
        """The next boot finds none of these: what they have told may halt it or not."""
        if any(one.kind == Kind.NOTE for one in records):
            self._unsure |= set(self._contradicted)
            self._contradicted.clear()
        if any(one.kind == Kind.CONTROL and one.payload == RESUME for one in records):
            self._unsure.add("")

    def say(self, why: str) -> None:
        """The operator halts: nothing may be placed until he takes that back, in whatever boot."""
        self._said = why
        self.halt("", why)

    def halt(self, symbol: str, why: str, *, stays: bool = False) -> None:
        """Nothing may be placed on a symbol, or on any with "", from now on; what ``stays`` is
        nothing that an operator may take back.
        """
        self.halted.setdefault(symbol, why)
        if stays:
            self._staying.add(symbol)
        self.allowed.add(symbol)

    def may_halt(self, symbol: str) -> None:
        """A fault gives reason to halt a symbol, maybe over boots, or all with ""."""
        self.allowed.add(symbol)
        if symbol:
            self._unsure.add(symbol)

    def resume(self) -> None:
        """The operator has looked, and takes back what he may."""
        self._said = ""
        self._contradicted.clear()
        self._unsure.clear()
        self.halted = {s: why for s, why in self.halted.items() if s in self._staying}
        if "" not in self._staying:
            self.allowed.discard("")

    def on_raised(self) -> None:
        self.halt("", "the strategy raised", stays=True)

    def trades(self, symbol: str) -> bool:
        """Whether nothing is known that may keep a symbol from being traded."""
        return not self.allowed & {symbol, ""}

    def on_order(self, order: Sent, now_ns: int) -> None:
        self._left.add(order.client_id)
        if self.flattens and self._leads_out(order):
            return
        for symbol in ("", order.symbol):
            if symbol in self.halted:
                why = self.halted[symbol]
                self.note("I7", f"{order.client_id} leaves on {order.symbol}, halted for: {why}")

    def _leads_out(self, order: Sent) -> bool:
        """Whether an order takes what stands, makes the position smaller, and leaves nothing."""
        position = self.ledger.positions[order.symbol]
        reduces = order.size <= abs(position) and order.buy is (position < 0)
        reduces |= order.symbol in self.ledger.doubled  # nobody can know what is held there
        return reduces and order.tif == "IOC" and not order.replaces

    def on_request_id(self, request_id: str, symbol: str) -> None:
        """An order is asked for by this request."""
        self._placed[request_id] = symbol

    def on_told(self, payload: bytes, now_ns: int) -> None:
        for told in self.dialect.reported(payload):
            self._check_report(told)
        refusal = self.dialect.refusal(payload)
        if refusal is None:
            return
        symbol = self._placed.pop(refusal.request_id, "")
        if symbol and refusal.reason:
            self._rejected(symbol, refusal.reason, refusal.must, now_ns)

    def _check_report(self, told: Reported) -> None:
        """A report of another side or price than its order has is not of it: nothing goes on.

        One that cannot be read, or names nothing, is of no order.
        """
        name = told.client_id
        booked = self.ledger.order_of(name) if name in self._left else None
        if booked is None:
            return
        other_side = told.buy is not None and told.buy is not booked.buy
        if other_side or (told.price and not booked.moved and booked.price not in (0, told.price)):
            side, price = told.buy, told.price
            why = f"a report of {name} tells buy {side} and price {price}"
            self._contradicted.setdefault(booked.symbol, why)
            self.halt(booked.symbol, why)

    def _rejected(self, symbol: str, code: str, must: bool, now_ns: int) -> None:
        limits = self.limits[symbol]
        if self.links.replaced:
            self.may_halt(symbol)  # what it was asked for is forgotten, where another goes on
            return
        times_ns = self._rejects_ns.setdefault((symbol, code, must), deque())
        times_ns.append(now_ns)
        while now_ns - times_ns[0] >= limits.reject_window_ns:
            times_ns.popleft()
        if len(times_ns) <= limits.max_rejects:
            return
        if must:
            seconds = limits.reject_window_ns // NS_PER_S
            self.halt(symbol, f"{len(times_ns)} rejects of one code within {seconds} s")
        else:
            self.may_halt(symbol)
