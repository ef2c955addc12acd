"""Canaries: order rules broken on purpose, so that it is known that breaking them is noticed.

Each replaces one function of the code under test by one that makes a plausible mistake. A canary
that worlds do not catch within a bounded number of seeds is a hole in the auditor.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from msgspec import structs

import core.orders
from core.book import Book
from core.errors import Misuse
from core.events import Fill, FillReport, Verdict
from core.orders import Evidence, Order, Orders
from core.position import Position
from core.proof import Proof
from core.recovery import Recovery
from core.risk import Risk
from core.sequence import Admission, Bridged
from core.throttle import Throttle
from core.views import OrderState


class Change(NamedTuple):
    """One function of the code under test, and what stands in for it."""

    owner: type[Any]
    name: str
    instead: Any


class Canary(NamedTuple):
    """A rule that is broken, and how."""

    breaks: str
    changes: tuple[Change, ...]


def _refused(self: Any, order: Order, now_ns: int) -> None:
    self._settle(self._orders.on_refused(order, "timed out"))


def _every_fill_is_new(self: Any, order: Order, fills: tuple[Fill, ...]) -> tuple[Fill, ...]:
    for fill in fills:
        order.trade_ids[fill.trade_id] = None
        order.traded_lots += fill.lots
    order.filled_lots = max(order.filled_lots, order.traded_lots)
    return fills


def _count_every_fill(self: Any, side: int, fill: Fill) -> bool:
    self.lots += side * fill.lots
    if side > 0:
        self.bought_lots += fill.lots
    else:
        self.sold_lots += fill.lots
    return True


_cancelled: Final = Proof._cancelled


def _reject_is_done(self: Any, cancel: Any, verdict: Verdict, now_ns: int) -> None:
    order = self._orders.find(cancel.client_order_id)
    if verdict is Verdict.REFUSED and order is not None:
        self._settle(self._orders._add_evidence(order, Evidence.CANCELED, ""))
    else:
        _cancelled(self, cancel, verdict, now_ns)


def _leave_the_live(self: Any, now_ns: int) -> None:
    live = [order for order in self._orders.open() if order.state is OrderState.LIVE]
    for order in live:
        if not order.cancelling:
            self._desk.send_cancel(order)
    self.left = not live


def _apply_all(self: Any, first_seq: int, last_seq: int) -> Admission:
    if last_seq <= self.seq:
        return Admission.IGNORE
    self.seq = last_seq
    return Admission.APPLY


def _stay_live(self: Any, why: str) -> None:
    self.gaps += 1


def _always(self: Any, *_: Any) -> bool:
    return True


_begin: Final = Recovery.begin


def _ask_for_all(self: Any, now_ns: int) -> None:
    for index in self._last_trade:
        self._last_trade[index] = -1
    _begin(self, now_ns)


def _book_what_is_found(self: Any, report: FillReport) -> None:
    """Take each trade that an answer tells for a new one."""
    order = self._orders.by_venue_id(report.instrument, report.venue_order_id)
    if order is not None and report.instrument not in self._baselines:
        fill = structs.replace(report.fill, trade_id=report.fill.trade_id + 10**9)
        _on_fill_report(self, structs.replace(report, fill=fill))


_on_fill_report: Final = Recovery.on_fill_report


_orders: Final = Orders.__init__


def _one_boot(self: Any, scope: str, boot: int, seed: int) -> None:
    _orders(self, scope, 1, 0)


def _nothing(self: Any, *_: Any, **__: Any) -> None: ...


def _mine(self: Any, client_order_id: str) -> bool:
    return True


def _counted_if_known(order: Order) -> tuple[int, int, int]:
    filled_lots = order.filled_lots
    open_lots = 0 if order.state is OrderState.UNKNOWN else order.open_lots
    return filled_lots, open_lots, open_lots + filled_lots - order.traded_lots


CANARIES: Final[dict[str, Canary]] = {
    "timeout_is_rejection": Canary(
        "a reply that is overdue or lost means that the order was rejected",
        (Change(Proof, "_in_doubt", _refused),),
    ),
    "fills_not_deduplicated": Canary(
        "every message about a fill is a fill",
        (
            Change(Orders, "_new_fills", _every_fill_is_new),
            Change(Position, "on_fill", _count_every_fill),
        ),
    ),
    "cancel_reject_is_done": Canary(
        "an order whose cancel is refused is gone",
        (Change(Proof, "_cancelled", _reject_is_done),),
    ),
    "leave_only_the_live": Canary(
        "on exit only what we believe live is cancelled",
        (Change(Recovery, "_leave_step", _leave_the_live),),
    ),
    "gap_ignored": Canary(
        "a change is applied whatever is missing before it",
        (Change(Bridged, "admit", _apply_all),),
    ),
    "stale_book_read": Canary(
        "a book stays readable when its proof is gone",
        (Change(Book, "invalidate", _stay_live),),
    ),
    "throttle_off": Canary(
        "requests leave whatever the venue's budgets and bans say",
        (Change(Throttle, "take", _always),),
    ),
    "fill_booked_on_reconnect": Canary(
        "after a reconnect all trades are asked for, and booked again",
        (
            Change(Recovery, "begin", _ask_for_all),
            Change(Recovery, "on_fill_report", _book_what_is_found),
        ),
    ),
    "id_reused": Canary(
        "client order ids do not tell one boot from the next",
        (Change(Orders, "__init__", _one_boot),),
    ),
    "order_after_halt": Canary(
        "a halt stops nothing",
        (Change(Risk, "halt", _nothing), Change(Risk, "halt_instrument", _nothing)),
    ),
    "strangers_cancelled": Canary(
        "every order on the account is ours",
        (Change(Orders, "is_ours", _mine),),
    ),
    "unknown_frees_exposure": Canary(
        "an order in doubt keeps no exposure",
        (Change(Order, "quantities", property(_counted_if_known)),),
    ),
}


BREAKABLE: Final = core.orders.__file__.endswith(".py")
"""Whether rules can be broken at all: in a compiled hotloop no function can be replaced."""


def chosen(name: str) -> Sequence[str]:
    """Return the canaries that a name stands for: its own, or ``all``."""
    if name != "all" and name not in CANARIES:
        raise Misuse(f"no such canary: {name}; there are {', '.join(CANARIES)}, and all")
    if not BREAKABLE:
        raise Misuse("a compiled hotloop breaks no rule on purpose; release canaries in the source")
    return list(CANARIES) if name == "all" else [name]


@contextlib.contextmanager
def released(name: str) -> Iterator[None]:
    """Break a rule for the body of a ``with``; no name breaks none."""
    changes = CANARIES[name].changes if name else ()
    kept = [vars(change.owner)[change.name] for change in changes]
    try:
        for change in changes:
            setattr(change.owner, change.name, change.instead)
        yield
    finally:
        for change, original in zip(changes, kept, strict=True):
            setattr(change.owner, change.name, original)
