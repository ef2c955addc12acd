"""Commands -> requests: what goes over the trade connection, over the market connection and by
REST.

Here live method names, parameters and their spelling. Neither key nor signature is ever part of
it: a WebSocket request carries what has to be signed and the place where the signer puts both, a
REST request says that it has to be signed.

A request is a text prepared once with holes in it. Parameters stand in alphabetical order in the
body too, although the venue does not request it: then the text to be signed has the same holes in
the same order.

Source: web-socket-api.md and rest-api.md at a5e0bc3 (2026-07-21).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from core.model.commands import (
    Amend,
    Cancel,
    CancelAll,
    Command,
    FetchAccount,
    FetchBbos,
    FetchBook,
    FetchInstruments,
    FetchOpenOrders,
    FetchOrders,
    FetchOrderTrades,
    FetchPrice,
    FetchTime,
    FetchTrades,
    Logon,
    OrderKind,
    Place,
    QueryOrder,
    Replace,
    SubscribeMarket,
    SubscribePrivate,
    TestPlace,
    TimeInForce,
)
from core.model.errors import BadConfig, BadParameter, Malformed, Misuse
from core.model.events import NO_INSTRUMENT, Side
from core.model.instrument import Instrument
from core.model.units import NS_PER_MS
from core.model.venue import HttpRequest, Stream, Subscription, WireRequest
from venues.binance import decode, rules, schema, translate
from venues.kit.forms import form

MAX_STREAMS: Final = 1_024
"""Most streams the venue takes on one connection."""

MAX_RECV_WINDOW_MS: Final = 60_000

SYMBOL: Final = re.compile(r"(?:[^\Wa-z]|[-.]){1,50}")
"""The venue allows word characters without small letters, "-" and "."; nothing of that has to be
escaped in JSON."""

CLIENT_ORDER_ID: Final = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")

_STREAMS: Final[dict[Stream, str]] = {
    Stream.BBO: "bookTicker",
    Stream.DEPTH: "depth@100ms",
    Stream.TRADES: "trade",
}

_SIDES: Final = ((Side.BUY, "BUY"), (Side.SELL, "SELL"))
_TIFS: Final = ((TimeInForce.GTC, "GTC"), (TimeInForce.IOC, "IOC"), (TimeInForce.FOK, "FOK"))
_BUY: Final = Side.BUY
_LIMIT: Final = OrderKind.LIMIT
_POST_ONLY: Final = OrderKind.POST_ONLY
_MARKET_ORDER: Final = OrderKind.MARKET
_GTC: Final = TimeInForce.GTC
_IOC: Final = TimeInForce.IOC

TEXT: Final = '"%s"'
"""A hole for a text."""
NUMBER: Final = "%d"
"""A hole for a whole number."""
ID: Final = "%s"
"""A hole for an id of the venue's, which is a whole number of its own spelling."""


class Form:
    """A WebSocket API request with holes for its number and for values in alphabetical order."""

    __slots__ = ("_body", "_signing")

    def __init__(
        self, letter: str, method: str, parameters: Mapping[str, str], *, signed: bool
    ) -> None:
        """Take each parameter as JSON: ``TEXT`` or ``NUMBER`` for a hole, or what is fixed."""
        ordered = sorted(parameters.items())
        fields = ",".join(f'"{name}":{value}' for name, value in ordered)
        self._body = f'{{"id":"{letter}%d","method":"{method}","params":{{{fields}}}}}'
        self._signing = ""
        if signed:
            self._signing = "&".join(f"{name}={value.strip(chr(34))}" for name, value in ordered)

    def fill(self, request_id: int, *values: str | int) -> WireRequest:
        """Return the request with the values in its holes."""
        body = (self._body % (request_id, *values)).encode()
        if not self._signing:
            return WireRequest(decode.TRADE, body)
        return WireRequest(
            decode.TRADE, body, (self._signing % values).encode(), len(body) - len("}}")
        )


def _text(value: str) -> str:
    return f'"{value}"'


class Forms:
    """The prepared requests of one instrument."""

    __slots__ = (
        "amend",
        "amend_by_id",
        "cancel",
        "cancel_all",
        "cancel_by_id",
        "instrument",
        "place",
        "query",
        "query_by_id",
        "replace",
        "replace_by_id",
    )

    def __init__(self, instrument: Instrument, request_expiry_ms: int, *, signed: bool) -> None:
        self.instrument = instrument
        common = {
            "symbol": _text(instrument.symbol),
            "recvWindow": str(request_expiry_ms),
            "timestamp": NUMBER,
        }

        def form(letter: str, method: str, **parameters: str) -> Form:
            return Form(letter, method, common | parameters, signed=signed)

        orders = [parameters for side, _ in _SIDES for parameters in _orders(side)]
        old = {
            "cancelReplaceMode": _text("STOP_ON_FAILURE"),
            # Whoever moves an order wants it gone where it stands, whatever the order count says.
            "orderRateLimitExceededMode": _text("CANCEL_ONLY"),
            "cancelNewClientOrderId": TEXT,
        }
        by_name = old | {"cancelOrigClientOrderId": TEXT}
        by_id = old | {"cancelOrderId": ID}
        place, replace = "order.place", "order.cancelReplace"
        self.place = [form(decode.PLACE, place, **order) for order in orders]
        self.replace = [form(decode.REPLACE, replace, **order, **by_name) for order in orders]
        self.replace_by_id = [form(decode.REPLACE, replace, **order, **by_id) for order in orders]
        cancel, query, amend = "order.cancel", "order.status", "order.amend.keepPriority"
        named = {"newClientOrderId": TEXT}
        self.cancel = form(decode.CANCEL, cancel, origClientOrderId=TEXT, **named)
        self.cancel_by_id = form(decode.CANCEL, cancel, orderId=ID, **named)
        self.query = form(decode.QUERY, query, origClientOrderId=TEXT)
        self.query_by_id = form(decode.QUERY, query, orderId=ID)
        kept = {"newClientOrderId": TEXT, "newQty": TEXT}
        self.amend = form(decode.AMEND, amend, origClientOrderId=TEXT, **kept)
        self.amend_by_id = form(decode.AMEND, amend, orderId=ID, **kept)
        self.cancel_all = form(decode.CANCEL_ALL, "openOrders.cancelAll")


def _orders(side: Side) -> list[dict[str, str]]:
    """Return the parameters of each kind of order, in the order of ``_shape``.

    The answer is requested in FULL: it names the trades that filled the order as it arrived, by
    the same ids as the private stream.
    """
    base = {
        "side": _text("BUY" if side is _BUY else "SELL"),
        "quantity": TEXT,
        "newClientOrderId": TEXT,
        "newOrderRespType": _text("FULL"),
    }
    limits = [
        base | {"type": _text("LIMIT"), "timeInForce": _text(name), "price": TEXT}
        for _, name in _TIFS
    ]
    return [
        *limits,
        base | {"type": _text("LIMIT_MAKER"), "price": TEXT},
        base | {"type": _text("MARKET")},
    ]


_MAKER: Final = 3
_MARKET: Final = 4
_SHAPES: Final = 5


def _shape(place: Place) -> int:
    """Return which of the prepared orders a command is."""
    first = 0 if place.side is _BUY else _SHAPES
    if place.kind is _LIMIT:
        if place.tif is _GTC:
            return first
        return first + (1 if place.tif is _IOC else 2)
    if place.kind is _POST_ONLY:
        if place.tif is not _GTC:
            raise BadParameter("a post-only order stands until it is cancelled: its tif is gtc")
        return first + _MAKER
    return first + _MARKET


_read_sent: Final = msgspec.json.Decoder(schema.Sent).decode
_NEW: Final = re.compile(rb'\{"id":"\w+","method":"order\.(?:place|cancelReplace)"')


_KIND_OF: Final = {"LIMIT_MAKER": _POST_ONLY, "MARKET": _MARKET_ORDER}
_TIF_OF: Final = {name: tif for tif, name in _TIFS}


def _place_of(order: schema.SentOrder, row: Instrument) -> Place | None:
    side = _BUY if order.side == "BUY" else Side.SELL
    try:
        # The grid may have moved since: what it is by today's is no less than it was.
        ticks = translate.bids(row.tick, 0)[order.price]
        lots = translate.sizes(row.lot, 0)[order.quantity]
    except Malformed:
        return None
    kind = _KIND_OF.get(order.type, _LIMIT)
    return Place(row.index, order.client_order_id, side, kind, _TIF_OF[order.tif], ticks, lots)


class Encoder:
    """Encodes the commands of one run; holds nothing but what it learned of the instruments."""

    __slots__ = (
        "_forms",
        "_levels",
        "_logon",
        "_private",
        "_request_expiry_ms",
        "_streams",
        "_subscription",
    )

    def __init__(self, subscription: Subscription) -> None:
        """Raises ``BadConfig`` for symbols, streams or a window that the venue does not have."""
        for symbol in subscription.symbols:
            if not SYMBOL.fullmatch(symbol) or len(symbol) > 50:
                raise BadConfig(
                    f"symbols: {symbol!r} is no symbol of Binance; allowed are capital letters, "
                    'digits, "-", "." and "_", as in BTCUSDT'
                )
        if not 0 < subscription.request_expiry_ms <= MAX_RECV_WINDOW_MS:
            raise BadConfig(
                f"request_expiry_ms: {subscription.request_expiry_ms} is not in "
                f"1..{MAX_RECV_WINDOW_MS}"
            )
        if untold := [stream for stream in subscription.streams if stream not in _STREAMS]:
            raise BadConfig(f'streams: Binance tells no "{untold[0]}"')
        self._subscription = subscription
        self._levels, _ = rules.snapshot(len(subscription.symbols))
        self._request_expiry_ms = subscription.request_expiry_ms
        self._streams = [
            f"{symbol.lower()}@{_STREAMS[stream]}"
            for symbol in subscription.symbols
            for stream in subscription.streams
        ]
        if len(self._streams) > MAX_STREAMS:
            raise BadConfig(
                f"symbols: {len(self._streams)} streams are more than the {MAX_STREAMS} that "
                "Binance takes on one connection; run several processes"
            )
        window = {"recvWindow": str(subscription.request_expiry_ms), "timestamp": NUMBER}
        self._logon = Form(decode.LOGON, "session.logon", window, signed=True)
        self._private = Form(
            decode.PRIVATE, "userDataStream.subscribe.signature", window, signed=True
        )
        self._forms: dict[int, Forms] = {}

    def learn(self, instruments: Iterable[Instrument]) -> None:
        """Take instruments, new or renewed, and prepare their requests."""
        signed = not self._subscription.session_logon
        for instrument in instruments:
            self._forms[instrument.index] = Forms(
                instrument, self._request_expiry_ms, signed=signed
            )

    def placed(self, request: bytes) -> tuple[Place, ...]:
        """Return the orders that a request contains; see ``core.model.venue.Adapter.placed``."""
        if not _NEW.match(request):
            return ()
        try:
            order = _read_sent(request).params
        except msgspec.DecodeError:
            return ()
        for forms in self._forms.values():
            if forms.instrument.symbol == order.symbol:
                place = _place_of(order, forms.instrument)
                return () if place is None else (place,)
        return ()

    def encode(self, command: Command, request_id: int, venue_ns: int) -> WireRequest | HttpRequest:
        """Return the request for a command; see ``core.model.venue.Adapter.encode``."""
        match command:
            case Place():
                return self._place(command, request_id, venue_ns // NS_PER_MS)
            case Cancel():
                return self._cancel(command, request_id, venue_ns // NS_PER_MS)
            case Replace():
                return self._replace(command, request_id, venue_ns // NS_PER_MS)
            case Amend():
                return self._amend(command, request_id, venue_ns // NS_PER_MS)
            case CancelAll(index):
                form = self._of(index).cancel_all
                return form.fill(request_id, venue_ns // NS_PER_MS)
            case QueryOrder():
                return self._query(command, request_id, venue_ns // NS_PER_MS)
            case Logon():
                return self._logon.fill(request_id, venue_ns // NS_PER_MS)
            case SubscribePrivate():
                return self._subscribe_private(request_id, venue_ns // NS_PER_MS)
            case SubscribeMarket():
                return self._subscribe_market(request_id)
        return self.encode_rest(command, venue_ns)

    def _of(self, index: int) -> Forms:
        forms = self._forms.get(index)
        if forms is None:
            raise Misuse(f"instrument {index} was never learned")
        return forms

    # -- trade connection ----------------------------------------------------------------------

    def _place(self, place: Place, request_id: int, now_ms: int) -> WireRequest:
        forms = self._of(place.instrument)
        shape = _shape(place)
        return forms.place[shape].fill(request_id, *_values(place, forms), now_ms)

    def _replace(self, replace: Replace, request_id: int, now_ms: int) -> WireRequest:
        """Encode a cancel-replace; values again in alphabetical order of their names."""
        old, new = replace.old, replace.new
        if old.instrument != new.instrument:
            raise Misuse("a replacement is on the instrument of the order it replaces")
        forms = self._of(new.instrument)
        shape = _shape(new)
        values = _values(new, forms)
        cancel_id = _cancel_id(old)
        if old.venue_order_id:
            form = forms.replace_by_id[shape]
            return form.fill(request_id, cancel_id, old.venue_order_id, *values, now_ms)
        form = forms.replace[shape]
        return form.fill(request_id, cancel_id, _name(old.client_order_id), *values, now_ms)

    def _cancel(self, cancel: Cancel, request_id: int, now_ms: int) -> WireRequest:
        """Encode a cancel by the venue's id alone where it is known: that is the fastest."""
        forms = self._of(cancel.instrument)
        cancel_id, order_id = _cancel_id(cancel), cancel.venue_order_id
        if order_id:
            return forms.cancel_by_id.fill(request_id, cancel_id, order_id, now_ms)
        return forms.cancel.fill(request_id, cancel_id, _name(cancel.client_order_id), now_ms)

    def _amend(self, amend: Amend, request_id: int, now_ms: int) -> WireRequest:
        """Encode an amend that keeps the order's client id: without one it would get a new one."""
        if amend.price_ticks is not None:
            raise Misuse("Binance Spot amends no price")
        forms = self._of(amend.instrument)
        name = _name(amend.client_order_id)
        size = forms.instrument.lot.text(amend.size_lots)
        if amend.venue_order_id:
            return forms.amend_by_id.fill(request_id, name, size, amend.venue_order_id, now_ms)
        return forms.amend.fill(request_id, name, size, name, now_ms)

    def _query(self, query: QueryOrder, request_id: int, now_ms: int) -> WireRequest:
        forms = self._of(query.instrument)
        if query.venue_order_id:
            return forms.query_by_id.fill(request_id, query.venue_order_id, now_ms)
        return forms.query.fill(request_id, _name(query.client_order_id), now_ms)

    def _subscribe_private(self, request_id: int, now_ms: int) -> WireRequest:
        if self._subscription.session_logon:
            body = f'{{"id":"{decode.PRIVATE}{request_id}","method":"userDataStream.subscribe"}}'
            return WireRequest(decode.TRADE, body.encode())
        return self._private.fill(request_id, now_ms)

    # -- market connection ---------------------------------------------------------------------

    def _subscribe_market(self, request_id: int) -> WireRequest:
        names = ",".join(f'"{stream}"' for stream in self._streams)
        body = f'{{"method":"SUBSCRIBE","params":[{names}],"id":"{decode.SUBSCRIBE}{request_id}"}}'
        return WireRequest(decode.MARKET, body.encode())

    # -- REST ----------------------------------------------------------------------------------

    def encode_rest(self, command: Command, venue_ns: int) -> HttpRequest:
        """Return the REST request for a command.

        All questions go this way but ``QueryOrder``. That one, ``Cancel`` and ``CancelAll`` go over
        the trade connection in a run, and this way where no connection is up: recovery at the start
        and the guardian.
        """
        match command:
            case FetchTime():
                return HttpRequest("GET", "/api/v3/time")
            case FetchBbos(indexes):
                return _public("ticker/bookTicker", symbols=_list(map(self._symbol, indexes)))
            case FetchPrice(symbol):
                return _public("ticker/price", symbol=symbol)
            case FetchInstruments():
                asked = command.of(self._subscription.symbols)
                return _public("exchangeInfo", symbols=_list(asked))
            case FetchBook(index):
                return _public("depth", symbol=self._symbol(index), limit=self._levels)
            case FetchAccount():
                return self._signed("GET", "account", {"omitZeroBalances": "true"}, venue_ns)
            case FetchOpenOrders(index):
                which = {} if index == NO_INSTRUMENT else self._on(index)
                return self._signed("GET", "openOrders", which, venue_ns)
            case FetchTrades(index, since, page):
                which = self._on(index)
                if since is None:
                    return self._signed("GET", "myTrades", which | {"limit": 1}, venue_ns)
                fields = which | {"fromId": page or since.rank + 1, "limit": rules.TRADES_PAGE}
                return self._signed("GET", "myTrades", fields, venue_ns)
            case FetchOrderTrades(index, order_id, page):
                which = self._on(index) | {"orderId": order_id}
                fields = which | {"fromId": page or 0, "limit": rules.TRADES_PAGE}
                return self._signed("GET", "myTrades", fields, venue_ns)
            case FetchOrders(index, first_id, page):
                fields = self._on(index) | {"orderId": page or first_id, "limit": rules.ORDERS_PAGE}
                return self._signed("GET", "allOrders", fields, venue_ns)
            case QueryOrder(index, name, order_id):
                return self._signed("GET", "order", self._which(index, name, order_id), venue_ns)
            case Cancel(index, name, order_id):
                which = self._which(index, name, order_id)
                fields = which | {"newClientOrderId": _cancel_id(command)}
                return self._signed("DELETE", "order", fields, venue_ns, cancels=True)
            case CancelAll(index):
                fields = self._on(index)
                return self._signed("DELETE", "openOrders", fields, venue_ns, cancels=True)
            case TestPlace(place):
                return self._signed("POST", "order/test", self._order(place), venue_ns)
        raise Misuse(f"{type(command).__name__} is not sent by REST")

    def _symbol(self, index: int) -> str:
        return self._of(index).instrument.symbol

    def _on(self, index: int) -> Fields:
        return {"symbol": self._symbol(index)}

    def _order(self, place: Place) -> Fields:
        """Return an order's parameters, the very same as over the trade connection."""
        forms = self._of(place.instrument)
        _, *values = _values(place, forms)
        parameters = _orders(place.side)[_shape(place) % _SHAPES]
        fixed = {name: text.strip('"') for name, text in parameters.items()}
        holes = {"price": values[0], "quantity": values[-1]}
        filled = {name: value for name, value in holes.items() if name in fixed}
        filled["newClientOrderId"] = _name(place.client_order_id)
        return self._on(place.instrument) | fixed | filled

    def _which(self, index: int, client_order_id: str, venue_order_id: str) -> Fields:
        if venue_order_id:
            return self._on(index) | {"orderId": venue_order_id}
        return self._on(index) | {"origClientOrderId": _name(client_order_id)}

    def _signed(
        self, method: str, path: str, fields: Fields, venue_ns: int, *, cancels: bool = False
    ) -> HttpRequest:
        stamp = {"recvWindow": self._request_expiry_ms, "timestamp": venue_ns // NS_PER_MS}
        query = form(fields | stamp)
        return HttpRequest(method, f"/api/v3/{path}", query, signed=True, cancels=cancels)


Fields = dict[str, str | int]
"""Parameters of a request over REST, in their order."""


def _public(path: str, **fields: str | int) -> HttpRequest:
    return HttpRequest("GET", f"/api/v3/{path}", form(fields))


def _list(symbols: Iterable[str]) -> str:
    quoted = ",".join(f'"{symbol}"' for symbol in symbols)
    return f"[{quoted}]"


def _values(place: Place, forms: Forms) -> tuple[str, ...]:
    """Return client order id, price and quantity, as the forms want them."""
    instrument = forms.instrument
    name = _name(place.client_order_id)
    size = instrument.lot.text(place.lots)
    if place.kind is _MARKET_ORDER:
        return name, size
    return name, instrument.tick.text(place.price_ticks), size


def _cancel_id(cancel: Cancel) -> str:
    """Return the client order id of a cancel, from which that of its order can be told."""
    return _name(cancel.client_order_id + translate.CANCEL_END)


def _name(client_order_id: str) -> str:
    """Return a client order id that the venue allows, and that needs no escaping anywhere."""
    if not CLIENT_ORDER_ID.fullmatch(client_order_id):
        raise BadParameter(
            f"client order id {client_order_id!r}: Binance allows 1 to 36 letters, digits and .:/_-"
        )
    return client_order_id
