"""Drills that are Kraken's alone: one book's checksum is wrong, and cancels have one way left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from core.model.views import SessionState
from core.protocols.websocket import TEXT
from tools.world.audit.kraken import Proofs
from tools.world.dialect import MARKET, TRADE
from tools.world.drills import (
    FLOW_RATE,
    LIVELY_S,
    RECONCILED_S,
    STANDING_S,
    Drill,
    Drilled,
    gone,
    quiet,
    until,
)
from tools.world.kraken_faults import spoil_checksum
from tools.world.strikes import Struck
from tools.world.tank import Message


def one_book_wrong(w: Drilled) -> Iterator[float]:
    """A book's checksum is wrong: that book alone is told anew, and soon. I40."""
    proofs, link = w.auditor.watch_of(Proofs), w.links.get(MARKET)
    struck: list[str] = []

    def once(_: Any, message: Message) -> Struck | None:
        if struck:
            return None
        struck.append(w.dialect.symbol(w.dialect.decode(message.payload)))
        return spoil_checksum(w, message)

    before = len(w.sent)
    w.open_flow(FLOW_RATE)
    w.strikes.hold(("delta",), once)
    yield from until(w, lambda: bool(proofs.lost), STANDING_S)
    w.strikes.let_go()
    yield from until(w, lambda: not proofs.lost, LIVELY_S)
    if not struck or w.over() or w.links.get(MARKET) is not link:
        return
    if proofs.lost:
        w.auditor.note("I40", f"{struck[0]} is not told anew within {LIVELY_S:g} s")
    asked = {symbol for one in w.sent[before:] for symbol in _books_requested(w, one)}
    if asked != {struck[0]}:
        w.auditor.note("I40", f"{struck[0]} was wrong, and told anew are {sorted(asked)}")


def _books_requested(w: Drilled, sent: Message) -> list[str]:
    """Return the symbols whose books a message subscribes to, or leaves."""
    if sent.connection != MARKET or sent.opcode != TEXT or not w.dialect.is_request(sent.payload):
        return []
    request = w.dialect.request(sent.payload)
    return list(request.values.get("symbol", ()))


def cancels_go_by_rest(w: Drilled) -> Iterator[float]:
    """The operator cancels all while the private connection cannot be had: REST works. I25."""
    yield from quiet(w)
    there = w.auditor.ledger.alive()
    w.close_connection(TRADE)
    w.word("cancel-all")
    yield from gone(w, lambda: [o for o in there if o.is_open], "cancel-all, by REST alone")
    w.open_connection(TRADE)
    callbacks = w.auditor.callbacks
    yield from until(w, lambda: callbacks.session is SessionState.TRADING, RECONCILED_S)


DRILLS: Final[tuple[Drill, ...]] = (one_book_wrong, cancels_go_by_rest)
