"""Orders and subscriptions -> messages of the private connection.

Here live the methods' names, parameters and their spelling; the token is no part of it, each
message has a hole for it, which the signer fills. Prices and sizes are numbers with all decimals of
their grids. Each message that creates risk states by when the engine has to have it.

Source: docs.kraken.com, WebSocket v2: ``add_order``, ``amend_order``, ``cancel_order``,
``cancel_all``, ``batch_add``, ``batch_cancel``, ``cancel_all_orders_after``, ``executions``,
``balances``; guides "Spot Client Order Identifiers" (pages of 2026-05-27).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, Literal

from msgspec import UNSET, Raw, Struct, UnsetType

from core.model.commands import Amend, Cancel, OrderKind, Place, TimeInForce
from core.model.errors import BadParameter, Malformed
from core.model.events import Side
from core.model.instrument import Instrument
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import WireRequest
from venues.kit import messages
from venues.kit.numbers import RoundedDown, RoundedUp
from venues.kit.times import rfc3339_text
from venues.kraken import decode

CLIENT_ORDER_ID: Final = re.compile(
    r"[0-9A-Za-z_.-]{1,18}|[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII
)
"""Free text of at most 18 characters (here those that JSON takes as they are), or a UUID."""

ORDER_ID: Final = re.compile(r"[A-Z0-9]{1,10}(?:-[A-Z0-9]{1,10}){2}", re.ASCII)
"""The venue's own: three groups of capital letters and digits."""

LEAST_DEADLINE_NS: Final = 500 * NS_PER_MS
LONGEST_DEADLINE_NS: Final = 60 * NS_PER_S

BATCH_ADD: Final = (2, 15)
BATCH_CANCEL: Final = (2, 50)
"""Least and most orders of one message."""

LONGEST_TIMEOUT_S: Final = 86_399
"""The dead-man switch takes less than a day."""

_BUY: Final = Side.BUY
_KINDS: Final[dict[tuple[OrderKind, TimeInForce], str]] = {
    (OrderKind.LIMIT, TimeInForce.GTC): '"order_type":"limit","time_in_force":"gtc"',
    (OrderKind.LIMIT, TimeInForce.IOC): '"order_type":"limit","time_in_force":"ioc"',
    (OrderKind.POST_ONLY, TimeInForce.GTC): (
        '"order_type":"limit","time_in_force":"gtc","post_only":true'
    ),
    (OrderKind.MARKET, TimeInForce.IOC): '"order_type":"market"',
    (OrderKind.MARKET, TimeInForce.GTC): '"order_type":"market"',
}
"""What the venue takes; fill-or-kill is documented for REST alone."""


TAKES: Final = frozenset(_KINDS) - {(OrderKind.MARKET, TimeInForce.GTC)}
"""As a venue tells it: an order at market takes what there is at once, whatever it says."""


def add_order(
    instrument: Instrument,
    place: Place,
    deadline_ns: int,
    request_id: int,
    *,
    validate: bool = False,
) -> WireRequest:
    """Return a new order; with ``validate`` the venue judges it and places nothing.

    Raises ``BadParameter`` for a kind, name or size that the venue does not take.
    """
    params = f'{_order(instrument, place)},"symbol":"{instrument.symbol}"'
    params += f',"deadline":"{rfc3339_text(deadline_ns)}"'
    return _request("add_order", f'{params},"validate":true' if validate else params, request_id)


def batch_add(
    instrument: Instrument, places: Sequence[Place], deadline_ns: int, request_id: int
) -> WireRequest:
    """Return several new orders on one pair: one that fails validation refuses all of them."""
    _check_batch(len(places), BATCH_ADD)
    orders = ",".join(f"{{{_order(instrument, place)}}}" for place in places)
    params = f'"symbol":"{instrument.symbol}","deadline":"{rfc3339_text(deadline_ns)}"'
    return _request("batch_add", f'{params},"orders":[{orders}]', request_id)


def amend_order(
    instrument: Instrument, amend: Amend, deadline_ns: int, request_id: int
) -> WireRequest:
    """Return a change of an order where it stands; the size is the whole new one, fills included.

    The order is named by the venue's id where it is known. Without a price it keeps its own.
    """
    which = _which(amend.venue_order_id, amend.client_order_id)
    change = f'"order_qty":{instrument.lot.text(amend.size_lots)}'
    if amend.price_ticks is not None:
        change += f',"limit_price":{instrument.tick.text(amend.price_ticks)}'
    if amend.post_only:
        change += ',"post_only":true'
    params = f'{which},{change},"deadline":"{rfc3339_text(deadline_ns)}"'
    return _request("amend_order", params, request_id)


def cancel_order(order_id: str, client_order_id: str, request_id: int) -> WireRequest:
    """Return the cancel of one order, by the venue's id where it is known."""
    if order_id:
        return _request("cancel_order", f'"order_id":["{_venue(order_id)}"]', request_id)
    return _request("cancel_order", f'"cl_ord_id":["{_name(client_order_id)}"]', request_id)


def cancel_all(request_id: int) -> WireRequest:
    """Return the cancel of every open order of the account, on whatever pair, and whoever's."""
    return _request("cancel_all", "", request_id)


def batch_cancel(cancels: Sequence[Cancel], request_id: int) -> WireRequest:
    """Return the cancel of several orders, each by the venue's id where that is known."""
    _check_batch(len(cancels), BATCH_CANCEL)
    numbers = [_venue(one.venue_order_id) for one in cancels if one.venue_order_id]
    names = [_name(one.client_order_id) for one in cancels if not one.venue_order_id]
    params = f'"orders":[{_texts(numbers)}]'  # required, though it may be empty beside names
    if names:
        params += f',"cl_ord_id":[{_texts(names)}]'
    return _request("batch_cancel", params, request_id)


def cancel_all_orders_after(timeout_s: int, request_id: int) -> WireRequest:
    """Return what sets the dead-man switch of the whole account anew; 0 takes it away.

    Once it fires it has to be set again. Raises ``BadParameter`` for a time of a day or more.
    """
    if not 0 <= timeout_s <= LONGEST_TIMEOUT_S:
        raise BadParameter(f"timeout: {timeout_s} s is not in 0..{LONGEST_TIMEOUT_S}")
    return _request("cancel_all_orders_after", f'"timeout":{timeout_s}', request_id)


def subscribe_executions(request_id: int) -> WireRequest:
    """Return the subscription to what becomes of our orders, with those that are open now."""
    params = '"channel":"executions","snap_orders":true,"snap_trades":false,"ratecounter":true'
    return _request("subscribe", params, request_id)


def subscribe_balances(request_id: int) -> WireRequest:
    """Return the subscription to the account's balances, with how they are now."""
    return _request("subscribe", '"channel":"balances","snapshot":true', request_id)


# -- what was sent -----------------------------------------------------------------------------


class _Order(Struct, frozen=True, gc=False, kw_only=True):
    symbol: str = ""
    side: Literal["buy", "sell"]
    order_type: Literal["limit", "market"]
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    order_qty: Raw
    limit_price: Raw | UnsetType = UNSET
    cl_ord_id: str
    validate: bool = False


class _Orders(Struct, frozen=True, gc=False, kw_only=True):
    symbol: str
    orders: list[_Order]
    validate: bool = False


class _One(Struct, frozen=True, gc=False):
    params: _Order


class _Many(Struct, frozen=True, gc=False):
    params: _Orders


_ONE_HEAD: Final = b'{"method":"add_order",'
_MANY_HEAD: Final = b'{"method":"batch_add",'
_read_one = messages.decoder(_One)
_read_many = messages.decoder(_Many)


def placed(request: bytes, find: Callable[[str], Instrument | None]) -> tuple[Place, ...]:
    """Return the new orders that a recorded request contains, none for any other.

    On a grid that was finer then, their sizes are rounded up, and their prices down.
    """
    params: _Order | _Orders
    try:
        if request.startswith(_ONE_HEAD):
            params = _read_one(request).params
        elif request.startswith(_MANY_HEAD):
            params = _read_many(request).params
        else:
            return ()
    except messages.FAILURES:
        return ()
    instrument = find(params.symbol)
    if instrument is None or params.validate:
        return ()
    orders = params.orders if isinstance(params, _Orders) else (params,)
    read = (_placed(instrument, sent) for sent in orders)
    return tuple(place for place in read if place is not None)


def _placed(instrument: Instrument, sent: _Order) -> Place | None:
    kind = OrderKind.MARKET if sent.order_type == "market" else OrderKind.LIMIT
    if sent.post_only:
        kind = OrderKind.POST_ONLY
    price = "0" if sent.limit_price is UNSET else bytes(sent.limit_price).decode()
    try:
        ticks = RoundedDown(instrument.tick, 0, 0)[price]
        lots = RoundedUp(instrument.lot, 1, 0)[bytes(sent.order_qty).decode()]
    except Malformed:
        return None
    side = Side.BUY if sent.side == "buy" else Side.SELL
    return Place(instrument.index, sent.cl_ord_id, side, kind, sent.time_in_force, ticks, lots)


# -- inside ------------------------------------------------------------------------------------

_TOKEN: Final = '"token":"'  # noqa: S105 (the hole for it)


def _request(method: str, params: str, request_id: int) -> WireRequest:
    """Return a message with the hole for the token at the end of its parameters."""
    head = f'{{"method":"{method}","params":{{{params}{"," if params else ""}{_TOKEN}'
    body = f'{head}"}},"req_id":{request_id}}}'
    return WireRequest(decode.TRADE, body.encode(), b"token", len(head.encode()))


def _order(instrument: Instrument, place: Place) -> str:
    """Return an order's own fields; its fee is taken in the quote asset, as histories tell fees in
    no other: of a sell the venue would prefer the base asset.
    """
    kind = _KINDS.get((place.kind, place.tif))
    if kind is None:
        raise BadParameter(
            f"Kraken takes no {place.kind} order with tif {place.tif}; allowed are limit with gtc "
            "or ioc, post_only with gtc, and market with either"
        )
    side = "buy" if place.side is _BUY else "sell"
    order = f'{kind},"side":"{side}","order_qty":{instrument.lot.text(place.lots)}'
    if place.kind is not OrderKind.MARKET:
        order += f',"limit_price":{instrument.tick.text(place.price_ticks)}'
    return f'{order},"cl_ord_id":"{_name(place.client_order_id)}","fee_preference":"quote"'


def _texts(each: Sequence[str]) -> str:
    return ",".join(f'"{one}"' for one in each)


def _which(order_id: str, client_order_id: str) -> str:
    if order_id:
        return f'"order_id":"{_venue(order_id)}"'
    return f'"cl_ord_id":"{_name(client_order_id)}"'


def _name(client_order_id: str) -> str:
    """Return a client order id that the venue takes, and that needs no escaping."""
    if not CLIENT_ORDER_ID.fullmatch(client_order_id):
        raise BadParameter(
            f"client order id {client_order_id!r}: Kraken takes 1 to 18 characters, or a UUID"
        )
    return client_order_id


def _venue(order_id: str) -> str:
    if not ORDER_ID.fullmatch(order_id):
        raise BadParameter(f"order id {order_id!r} is none of Kraken's")
    return order_id


def _check_batch(count: int, allowed: tuple[int, int]) -> None:
    least, most = allowed
    if not least <= count <= most:
        raise BadParameter(f"a batch of {count} orders; Kraken takes {least} to {most}")


def deadline_ns(venue_ns: int, valid_ns: int) -> int:
    """Return by when the engine has to have a request that is sent now, by the venue's clock.

    Raises ``BadParameter`` for what the venue does not take: 500 ms to 60 s ("deadline").
    """
    if not LEAST_DEADLINE_NS <= valid_ns <= LONGEST_DEADLINE_NS:
        raise BadParameter(
            f"a request valid for {valid_ns // NS_PER_MS} ms; Kraken takes 500 ms to 60 s"
        )
    return venue_ns + valid_ns
