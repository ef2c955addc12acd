"""Answers on the private connection: which request, what it proves, and the ids it gives.

A refusal is an answer with ``success`` false and an error. Of a batch each order may be refused by
itself, although the batch was taken: then its entry has an error of its own. A cancel of several
orders is answered once for each of them, under one number.

Source: docs.kraken.com, WebSocket v2: ``add_order``, ``amend_order``, ``cancel_order``,
``cancel_all``, ``batch_add``, ``batch_cancel``, ``cancel_all_orders_after``, ``executions`` (pages
of 2026-05-27). That entries of a batch may stand under ``orders``, and have errors of their own, is
seen at another client.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from core.model.events import NO_REQUEST, Verdict
from venues.kit import messages
from venues.kit.times import rfc3339_ns
from venues.kraken import verdicts

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Answer(Struct, frozen=True, gc=False, kw_only=True):
    method: str
    success: bool
    req_id: Count = NO_REQUEST
    error: str = ""
    result: Raw | UnsetType = UNSET


class Entry(Struct, frozen=True, gc=False, kw_only=True):
    """An order in an answer; of an amend the order's ids as the request had them."""

    order_id: str = ""
    cl_ord_id: str = ""
    success: bool = True
    error: str = ""


class Entries(Struct, frozen=True, gc=False):
    orders: list[Entry]


class Counted(Struct, frozen=True, gc=False):
    count: Count


class Switch(Struct, frozen=True, gc=False):
    trigger_time: str = msgspec.field(name="triggerTime")


class Subscribed(Struct, frozen=True, gc=False):
    channel: str
    maxratecount: Count = 0


_answer = messages.decoder(Answer)
_entry = messages.decoder(Entry)
_entries = messages.decoder(Entries)
_counted = messages.decoder(Counted)
_switch = messages.decoder(Switch)
_subscribed = messages.decoder(Subscribed)
_list: Final = msgspec.json.Decoder(list[Entry]).decode


class Named(Struct, frozen=True):
    """One order of an answer, and what the answer proves of it."""

    order_id: str
    client_order_id: str
    verdict: Verdict
    error: str


class Proved(Struct, frozen=True, kw_only=True):
    """What one answer proves of the request that it answers."""

    method: str
    request_id: int
    verdict: Verdict
    error: str = ""
    orders: tuple[Named, ...] = ()
    """As the request had them, where the answer names any."""
    count: int = 0
    """Orders that a cancel of many took out."""
    fires_ns: int = 0
    """When the dead-man switch cancels all, by the venue's clock; 0 for never."""
    threshold: int = 0
    """What the rate counter of a pair holds, where the answer tells it."""


ONE: Final = frozenset({"add_order", "amend_order", "cancel_order"})
MANY: Final = frozenset({"cancel_all", "batch_cancel"})


def read(payload: bytes) -> Proved:
    """Return what an answer proves. Raises ``Malformed`` or ``Drifted``, nothing else."""
    try:
        answer = _answer(payload)
        if not answer.success:
            verdict = verdicts.of_error(answer.error)
            return Proved(
                method=answer.method,
                request_id=answer.req_id,
                verdict=verdict,
                error=answer.error,
            )
        return _done(answer)
    except messages.FAILURES as error:
        messages.refuse(error)


def _done(answer: Answer) -> Proved:
    method, result = answer.method, answer.result
    if result is UNSET:
        raise msgspec.ValidationError(f"a success of {method[:40]} without a result")
    orders: tuple[Named, ...] = ()
    count = fires_ns = threshold = 0
    if method in ONE:
        orders = (_named(_entry(result)),)
    elif method == "batch_add":
        told = _list(result) if bytes(result).startswith(b"[") else _entries(result).orders
        orders = tuple(_named(entry) for entry in told)
    elif method in MANY:
        count = _counted(result).count
    elif method == "cancel_all_orders_after":
        # Taken away it still tells a time, of the epoch's beginning or none: then it never fires.
        fires_ns = _fires_ns(_switch(result).trigger_time)
    elif method == "subscribe":
        threshold = _subscribed(result).maxratecount
    return Proved(
        method=method,
        request_id=answer.req_id,
        verdict=Verdict.DONE,
        orders=orders,
        count=count,
        fires_ns=fires_ns,
        threshold=threshold,
    )


def _fires_ns(text: str) -> int:
    return 0 if text in ("", "0") else rfc3339_ns(text)


def _named(entry: Entry) -> Named:
    """Return an order of an answer; one whose entry has an error was refused by itself."""
    refused = not entry.success or bool(entry.error)
    verdict = verdicts.of_error(entry.error) if refused else Verdict.DONE
    return Named(entry.order_id, entry.cl_ord_id, verdict, entry.error)
