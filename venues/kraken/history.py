"""Questions about orders, fills and balances by REST, and what their answers say.

Here live the private questions that recovery needs: what is open, how one order stands, what was
filled since a cursor, what the account holds; and the cancels that go this way where no connection
stands. Each is a form; the signer puts the nonce at its head.

Fills come newest first, 50 at a time, in an object whose order means nothing. A cursor is a span of
time and an offset into it: the span's end is fixed when its first page is requested, so that a fill
which comes meanwhile moves no page.

Source: docs.kraken.com, REST reference: ``OpenOrders``, ``ClosedOrders``, ``QueryOrders``,
``TradesHistory``, ``BalanceEx``, ``CancelOrder``, ``GetWebSocketsToken`` (pages of 2026-05-27).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from core.model.commands import OrderKind, Place, Since
from core.model.errors import BadParameter, OffGrid
from core.model.events import NO_INSTRUMENT, Balance, ExecType, OrdStatus, Side
from core.model.instrument import Instrument
from core.model.units import NS_PER_S, atoms
from core.model.venue import HttpRequest
from venues.kit import messages
from venues.kit.forms import form
from venues.kit.times import unix_ns
from venues.kraken import rules
from venues.kraken.executions import Execution, Fill, Unreadable
from venues.kraken.signer import TOKEN, TOKEN_PATH

PAGE: Final = 50
"""Most trades of one answer."""

LAG_S: Final = 60
"""How far a history may lie behind what was executed: nothing is documented. A cursor that is kept
begins so much before the last fill it tells of: what came late is told then, and others twice."""

Find = Callable[[str], Instrument | None]
"""Finds an instrument of the run by any name that REST has for its pair."""

Whole = Annotated[int, Meta(ge=0, le=2**63 - 1)]


# -- what is asked -----------------------------------------------------------------------------


def _post(what: str, fields: Mapping[str, str | int], *, cancels: bool = False) -> HttpRequest:
    path, body = f"/0/private/{what}", form(fields).encode()
    return HttpRequest("POST", path, body=body, signed=True, cancels=cancels)


def fetch_token() -> HttpRequest:
    """Return the question for the token of a connection; the signer keeps what is granted."""
    return HttpRequest("POST", TOKEN_PATH, signed=True, conceals=(TOKEN,))


def open_orders(client_order_id: str = "") -> HttpRequest:
    """Return the question for the account's open orders, of one name where it is given."""
    return _post("OpenOrders", {"cl_ord_id": client_order_id} if client_order_id else {})


def closed_orders(client_order_id: str) -> HttpRequest:
    """Return the question for the finished orders of one name."""
    return _post("ClosedOrders", {"cl_ord_id": client_order_id, "without_count": "true"})


def query_order(order_id: str) -> HttpRequest:
    """Return the question for one order by the venue's id."""
    return _post("QueryOrders", {"txid": order_id})


def balances() -> HttpRequest:
    """Return the question for all balances, with what open orders hold of them."""
    return _post("BalanceEx", {})


def cancel_order(order_id: str, client_order_id: str) -> HttpRequest:
    """Return the cancel of one order, by the venue's id where it is known."""
    which = {"txid": order_id} if order_id else {"cl_ord_id": client_order_id}
    return _post("CancelOrder", which, cancels=True)


def cancel_all() -> HttpRequest:
    """Return the cancel of every open order of the account, whoever's."""
    return _post("CancelAll", {}, cancels=True)


def system_status() -> HttpRequest:
    """Return the question for the state of the trading engine."""
    return HttpRequest("GET", "/0/public/SystemStatus")


class Cursor(NamedTuple):
    """Fills after ``start_s`` and up to ``end_s``, without the newest ``offset`` of them."""

    start_s: int
    end_s: int
    offset: int

    def __str__(self) -> str:
        return f"{self.start_s}|{self.end_s}|{self.offset}"


_CURSOR: Final = re.compile(r"([0-9]{1,10})(?:\|([0-9]{1,10})\|([0-9]{1,9}))?", re.ASCII)


def cursor_of(text: str, venue_ns: int) -> Cursor:
    """Return the cursor of a text: a page of one, or the seconds of the last fill told of.

    Raises ``BadParameter`` for any other text.
    """
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise BadParameter(f"{text!r} is no cursor of fills")
    start, end, offset = found.groups()
    now_s = venue_ns // NS_PER_S + 1
    return Cursor(int(start), int(end) if end else now_s, int(offset or 0))


def kept(last_fill_ns: int) -> str:
    """Return the cursor from which every fill after this one is told, and some before it."""
    return str(max(0, last_fill_ns // NS_PER_S - LAG_S))


def first_page(since: Since | None, venue_ns: int) -> Cursor:
    """Return the cursor of the newest fills up to now; those behind a place, or any.

    A second more is told at each end: a history cuts times, and neither end is told itself.
    """
    return Cursor(_start_s(since), venue_ns // NS_PER_S + 1, 0)


def next_page(since: Since | None, cursor: Cursor, page: Page) -> str:
    """Return what follows the first page, whose end was the time it was asked at; "" for nothing.

    From its newest fill on nothing moves any more, but for fills of that very second: those push
    others behind, so that some are told twice.
    """
    if since is None or not page.next:
        return ""
    told = page.fills[-1]
    newest_ns = told.fill.venue_ns if isinstance(told, OwnFill) else told.venue_ns
    offset = len(page.fills)
    return str(Cursor(cursor.start_s, newest_ns // NS_PER_S + 1, offset))


def _start_s(since: Since | None) -> int:
    return 0 if since is None else max(0, since.venue_ns // NS_PER_S - 1)


def order_trades(order_id: str) -> HttpRequest:
    """Return the question for one order with the ids of its trades."""
    return _post("QueryOrders", {"txid": order_id, "trades": "true"})


MOST_QUERIED: Final = 20
"""Trades of one question."""


def query_trades(ids: str) -> HttpRequest:
    """Return the question for the first of some trades, by their ids with commas between."""
    return _post("QueryTrades", {"txid": ",".join(ids.split(",")[:MOST_QUERIED])})


def behind(ids: str) -> str:
    """Return the ids that ``query_trades`` has left for another question."""
    return ",".join(ids.split(",")[MOST_QUERIED:])


def test_order(instrument: Instrument, place: Place, deadline: str) -> HttpRequest:
    """Return a new order that the venue judges and does not place.

    Raises ``BadParameter`` for a kind that the venue does not take.
    """
    kind = place.kind
    fields = {
        "pair": rules.altname_of(instrument.symbol),
        "type": "buy" if place.side is Side.BUY else "sell",
        "ordertype": "market" if kind is OrderKind.MARKET else "limit",
        "volume": instrument.lot.text(place.lots),
        "cl_ord_id": place.client_order_id,
        "deadline": deadline,
        "validate": "true",
    }
    if kind is not OrderKind.MARKET:
        fields["price"] = instrument.tick.text(place.price_ticks)
        fields["timeinforce"] = place.tif.upper()
    if kind is OrderKind.POST_ONLY:
        fields["oflags"] = "post"
    return _post("AddOrder", fields)


def fills(cursor: Cursor) -> HttpRequest:
    """Return the question for a page of fills; each trade by itself, as the stream tells them."""
    fields: dict[str, str | int] = {"start": cursor.start_s, "end": cursor.end_s}
    fields |= {"ofs": cursor.offset, "consolidate_taker": "false"}
    return _post("TradesHistory", fields)


# -- what is answered --------------------------------------------------------------------------


class Description(Struct, frozen=True, gc=False):
    pair: str
    type: Literal["buy", "sell"]
    ordertype: str
    price: str = "0"


class OrderInfo(Struct, frozen=True, gc=False, kw_only=True):
    """An order, open or not; ``closetm`` is told of a finished one."""

    status: str
    descr: Description
    vol: str
    vol_exec: str
    opentm: Raw
    closetm: Raw | UnsetType = UNSET
    cl_ord_id: str | None = None
    reason: str | None = None


class Traded(Struct, frozen=True, gc=False):
    trades: list[str] = []


class Open(Struct, frozen=True, gc=False):
    open: dict[str, OrderInfo]


class Closed(Struct, frozen=True, gc=False):
    closed: dict[str, OrderInfo]


class OwnTrade(Struct, frozen=True, gc=False, kw_only=True):
    ordertxid: str
    pair: str
    time: Raw
    type: Literal["buy", "sell"]
    price: str
    cost: str
    fee: str
    vol: str
    maker: bool = False


class History(Struct, frozen=True, gc=False):
    trades: dict[str, OwnTrade]
    count: Whole


class Held(Struct, frozen=True, gc=False):
    balance: str
    hold_trade: str = "0"


class System(Struct, frozen=True, gc=False):
    status: str


_open = messages.decoder(Open)
_closed = messages.decoder(Closed)
_history = messages.decoder(History)
_system = messages.decoder(System)
_orders: Final = msgspec.json.Decoder(dict[str, OrderInfo]).decode
_traded: Final = msgspec.json.Decoder(dict[str, Traded]).decode
_trades: Final = msgspec.json.Decoder(dict[str, OwnTrade]).decode
_held: Final = msgspec.json.Decoder(dict[str, Held]).decode

_SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}
_STATUSES: Final[dict[str, OrdStatus]] = {
    "pending": OrdStatus.PENDING,
    "open": OrdStatus.NEW,
    "closed": OrdStatus.FILLED,
    "canceled": OrdStatus.CANCELED,
    "expired": OrdStatus.EXPIRED,
}
"""``status``; the set is closed."""


class OwnFill(Struct, frozen=True):
    """A fill that was found by asking: the order is named by the venue's id alone."""

    instrument: int
    order_id: str
    side: Side
    fill: Fill


class OffGridFill(Struct, frozen=True):
    """A trade whose price or size today's grid cannot express, or on a pair that is not ours.

    Amounts are in atoms of the pair's assets.
    """

    instrument: int
    pair: str
    order_id: str
    execution_id: str
    side: Side
    base_atoms: int
    quote_atoms: int
    fee_atoms: int
    fee_asset: str
    venue_ns: int


class Page(NamedTuple):
    """Fills, oldest first, and the cursor of the page that follows: "" for the last."""

    fills: tuple[OwnFill | OffGridFill, ...]
    next: str


def read_open_orders(result: bytes | Raw, find: Find) -> tuple[Execution | Unreadable, ...]:
    """Return the open orders of an answer. Raises ``Malformed`` or ``Drifted``, nothing else."""
    try:
        return tuple(_state(name, info, find) for name, info in _open(result).open.items())
    except messages.FAILURES as error:
        messages.refuse(error)


def read_closed_orders(result: bytes | Raw, find: Find) -> tuple[Execution | Unreadable, ...]:
    """Return the finished orders of an answer; raises as ``read_open_orders`` does."""
    try:
        return tuple(_state(name, info, find) for name, info in _closed(result).closed.items())
    except messages.FAILURES as error:
        messages.refuse(error)


def read_orders(result: bytes | Raw, find: Find) -> tuple[Execution | Unreadable, ...]:
    """Return the orders that were requested by id; raises as ``read_open_orders`` does."""
    try:
        return tuple(_state(name, info, find) for name, info in _orders(result).items())
    except messages.FAILURES as error:
        messages.refuse(error)


def _state(order_id: str, info: OrderInfo, find: Find) -> Execution | Unreadable:
    instrument = find(info.descr.pair)
    index = NO_INSTRUMENT if instrument is None else instrument.index
    name = info.cl_ord_id or ""
    status = _STATUSES.get(info.status)
    if status is None:
        return Unreadable(index, order_id, name, f"status={info.status}")
    price = size = filled = None
    if instrument is not None:
        try:
            limit = info.descr.price if info.descr.ordertype == "limit" else "0"
            price = instrument.tick.count(limit)
            size = instrument.lot.count(info.vol)
            filled = instrument.lot.count(info.vol_exec)
        except OffGrid as error:
            return Unreadable(index, order_id, name, str(error), status)
        status = _told_by_sizes(status, size, filled)
    return Execution(
        instrument=index,
        symbol=info.descr.pair if instrument is None else instrument.symbol,
        order_id=order_id,
        client_order_id=name,
        exec_type=ExecType.SNAPSHOT,
        status=status,
        side=_SIDES[info.descr.type],
        price_ticks=price,
        size_lots=size,
        filled_lots=filled,
        reason=info.reason or "",
        venue_ns=unix_ns(bytes(info.opentm if info.closetm is UNSET else info.closetm)),
    )


def _told_by_sizes(status: OrdStatus, size_lots: int, filled_lots: int) -> OrdStatus:
    """Return a status as the stream has it: here an open order may have fills, and what is closed
    without all of them was cancelled.
    """
    if status is OrdStatus.NEW and filled_lots:
        return OrdStatus.PARTIALLY_FILLED
    if status is OrdStatus.FILLED and filled_lots < size_lots:
        return OrdStatus.CANCELED
    return status


def read_trade_ids(result: bytes | Raw) -> str:
    """Return the ids of the trades of one order, with commas between."""
    try:
        return ",".join(name for order in _traded(result).values() for name in order.trades)
    except messages.FAILURES as error:
        messages.refuse(error)


def read_trades(result: bytes | Raw, find: Find) -> tuple[OwnFill | OffGridFill, ...]:
    """Return the trades that were requested by id; raises as ``read_open_orders`` does."""
    try:
        return tuple(_own(name, trade, find) for name, trade in _trades(result).items())
    except messages.FAILURES as error:
        messages.refuse(error)


def read_fills(result: bytes | Raw, cursor: Cursor, find: Find) -> Page:
    """Return a page of fills and whether there is more, by the venue's own count.

    Raises ``Malformed`` or ``Drifted``, nothing else.
    """
    try:
        history = _history(result)
        found = [_own(name, trade, find) for name, trade in history.trades.items()]
    except messages.FAILURES as error:
        messages.refuse(error)
    found.sort(key=_when)
    told = cursor.offset + len(found)
    more = bool(found) and told < history.count
    return Page(tuple(found), str(cursor._replace(offset=told)) if more else "")


def _when(told: OwnFill | OffGridFill) -> tuple[int, str]:
    if isinstance(told, OwnFill):
        return told.fill.venue_ns, told.fill.execution_id
    return told.venue_ns, told.execution_id


def _own(execution_id: str, trade: OwnTrade, find: Find) -> OwnFill | OffGridFill:
    instrument = find(trade.pair)
    side, venue_ns, fee_atoms = _SIDES[trade.type], unix_ns(bytes(trade.time)), atoms(trade.fee)
    index = NO_INSTRUMENT if instrument is None else instrument.index
    if instrument is not None:
        try:
            ticks, lots = instrument.tick.count(trade.price), instrument.lot.count(trade.vol)
        except OffGrid:
            ticks = lots = 0
        if ticks and lots:
            fees = ((instrument.quote, fee_atoms),)
            fill = Fill(execution_id, ticks, lots, fees, trade.maker, venue_ns)
            return OwnFill(index, trade.ordertxid, side, fill)
    return OffGridFill(
        index,
        trade.pair,
        trade.ordertxid,
        execution_id,
        side,
        atoms(trade.vol),
        atoms(trade.cost),
        fee_atoms,
        "" if instrument is None else instrument.quote,
        venue_ns,
    )


def read_balances(result: bytes | Raw) -> tuple[Balance, ...]:
    """Return all balances, what open orders hold apart. Raises ``Malformed`` or ``Drifted``."""
    try:
        return tuple(_balance(name, held) for name, held in _held(result).items())
    except messages.FAILURES as error:
        messages.refuse(error)


def _balance(name: str, held: Held) -> Balance:
    total_atoms, locked_atoms = atoms(held.balance), atoms(held.hold_trade)
    return Balance(rules.asset_of(name), total_atoms - locked_atoms, locked_atoms)


def read_system_status(result: bytes | Raw) -> str:
    """Return the state of the trading engine, as the venue spells it."""
    try:
        return _system(result).status
    except messages.FAILURES as error:
        messages.refuse(error)
