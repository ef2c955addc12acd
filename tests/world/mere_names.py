"""A venue whose ids are mere names: Binance's exchange behind an adapter that disguises numbers.

Ids of orders and trades look random and do not rise; trades rank by their time; a history is asked
for by time and told in pages of three, the newest first, each in an order of its own and beginning
with what ended the one before; client order ids have 18 characters and nothing readable in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from core.model.commands import (
    BEGINNING,
    Amend,
    Cancel,
    Command,
    FetchOrders,
    FetchOrderTrades,
    FetchTrades,
    QueryOrder,
    Replace,
)
from core.model.events import (
    Event,
    Fill,
    FillReport,
    OffGridTrade,
    OpenOrders,
    OrderReport,
    OrdersListed,
    Reply,
    UnknownExecution,
)
from core.model.units import NS_PER_MS
from core.model.venue import Adapter, HttpRequest, Names, WireRequest
from venues.kit.names import TEXT_18, Fixed

PAGE: Final = 3

_FACTOR: Final = 0x9E3779B97F4A7C15
_MODULUS: Final = 2**64
_INVERSE: Final = pow(_FACTOR, -1, _MODULUS)


def hidden(number: str) -> str:
    """Return the name that stands for a number of the exchange; that of an allocation is one."""
    return f"X{int(number) * _FACTOR % _MODULUS:016X}" if number.isdecimal() else number


def revealed(name: str) -> str:
    """Return the number that a name stands for."""
    return str(int(name[1:], 16) * _INVERSE % _MODULUS) if name else ""


class MereNames:
    """An ``Adapter`` that lets core see no number of its exchange."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter: Any = adapter
        self.capabilities = replace(adapter.capabilities, rising_ids=False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)

    def names(self, scope: str, boot: int, seed: int) -> Names:
        return Fixed(TEXT_18, scope, boot, seed)

    def decode(self, connection: int, payload: bytes, events: list[Event]) -> None:
        told: list[Event] = []
        try:
            self._adapter.decode(connection, payload, told)
        finally:
            events += map(disguised, told)

    def encode(self, command: Command, request_id: int, venue_ns: int) -> WireRequest | HttpRequest:
        if isinstance(command, FetchTrades | FetchOrderTrades):
            return self.encode_rest(command, venue_ns)
        encoded: WireRequest | HttpRequest = self._adapter.encode(
            undisguised(command), request_id, venue_ns
        )
        return encoded

    def encode_rest(self, command: Command, venue_ns: int) -> HttpRequest:
        assert not isinstance(command, FetchOrders), "its ids do not rise"
        request: HttpRequest = self._adapter.encode_rest(undisguised(command), venue_ns)
        if isinstance(command, FetchTrades) and command.since is not None:
            start_ms = command.since.venue_ns // NS_PER_MS
            query = request.query.replace("fromId=0", f"startTime={start_ms}")
            assert query != request.query
            return replace(request, query=query)
        return request

    def answer(
        self,
        command: Command,
        request_id: int,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Reply:
        reply: Reply = self._adapter.answer(undisguised(command), request_id, status, headers, body)
        told = disguised(reply)
        assert isinstance(told, Reply)
        if not isinstance(command, FetchTrades | FetchOrderTrades):
            return told
        found = told.events[::-1]
        begin = max(int(command.page or 0) - 1, 0)
        facts = found[begin : begin + PAGE]
        end = begin + len(facts)
        return replace(
            told, events=tuple(sorted(facts, key=_name)), more=str(end) if end < len(found) else ""
        )


def _name(event: Event) -> str:
    return event.fill.trade_id if isinstance(event, FillReport) else ""


def undisguised(command: Command) -> Command:
    """Return a command with the numbers that its names stand for."""
    match command:
        case FetchTrades(since=None):
            return replace(command, page="")
        case FetchTrades():
            return replace(command, since=BEGINNING, page="")
        case FetchOrderTrades():
            return replace(command, venue_order_id=revealed(command.venue_order_id), page="")
        case Cancel() | Amend() | QueryOrder():
            return replace(command, venue_order_id=revealed(command.venue_order_id))
        case Replace(old):
            return replace(command, old=undisguised(old))
    return command


def disguised(event: Event) -> Event:
    """Return what is told with names in the place of numbers."""
    match event:
        case OrderReport():
            number, fills = hidden(event.venue_order_id), tuple(map(_fill, event.fills))
            return replace(event, venue_order_id=number, fills=fills)
        case FillReport():
            return replace(
                event, venue_order_id=hidden(event.venue_order_id), fill=_fill(event.fill)
            )
        case OffGridTrade():
            return replace(
                event,
                venue_order_id=hidden(event.venue_order_id),
                trade_id=hidden(event.trade_id),
                rank=event.venue_ns,
            )
        case UnknownExecution():
            return replace(event, venue_order_id=hidden(event.venue_order_id))
        case OpenOrders() | OrdersListed():
            return replace(event, reports=_all(event.reports))
        case Reply():
            return replace(event, events=_all(event.events))
    return event


def _all(events: Sequence[Event]) -> tuple[Any, ...]:
    return tuple(map(disguised, events))


def _fill(fill: Fill) -> Fill:
    return replace(fill, trade_id=hidden(fill.trade_id), rank=fill.venue_ns)
