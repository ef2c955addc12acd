"""The REST API: endpoints onto methods, headers, and the ASGI application around them.

``receive`` is all of it but the socket. Parameters come from the query string and a form body,
the query string's where both have them (rest-api.md, General Information on Endpoints).
"""

import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from urllib.parse import parse_qsl

import msgspec
import trio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from venues.sim import errors
from venues.sim.auth import rest_payload
from venues.sim.errors import ApiError
from venues.sim.exchange import UNITS_NS, Exchange, Method, Origin, Reply
from venues.sim.faults import Line, LineName, Outlet, Part
from venues.sim.limits import MILLISECOND_NS
from venues.sim.methods import COINS, METHODS, NO_DERIVATIVES, NO_MARGIN_PAIRS
from venues.sim.venue import Venue

ENDPOINTS: Final[dict[tuple[str, str], Method]] = {
    ("GET", "/api/v3/ping"): METHODS["ping"],
    ("GET", "/api/v3/time"): METHODS["time"],
    ("GET", "/api/v3/exchangeInfo"): METHODS["exchangeInfo"],
    ("GET", "/api/v3/depth"): METHODS["depth"],
    ("GET", "/api/v3/trades"): METHODS["trades.recent"],
    ("GET", "/api/v3/historicalTrades"): METHODS["trades.historical"],
    ("GET", "/api/v3/aggTrades"): METHODS["trades.aggregate"],
    ("GET", "/api/v3/klines"): METHODS["klines"],
    ("GET", "/api/v3/uiKlines"): METHODS["uiKlines"],
    ("GET", "/api/v3/avgPrice"): METHODS["avgPrice"],
    ("GET", "/api/v3/ticker/price"): METHODS["ticker.price"],
    ("GET", "/api/v3/ticker/bookTicker"): METHODS["ticker.book"],
    ("GET", "/api/v3/ticker/24hr"): METHODS["ticker.24hr"],
    ("POST", "/api/v3/order"): METHODS["order.place"],
    ("GET", "/api/v3/order"): METHODS["order.status"],
    ("DELETE", "/api/v3/order"): METHODS["order.cancel"],
    ("POST", "/api/v3/order/test"): METHODS["order.test"],
    ("POST", "/api/v3/order/cancelReplace"): METHODS["order.cancelReplace"],
    ("PUT", "/api/v3/order/amend/keepPriority"): METHODS["order.amend.keepPriority"],
    ("GET", "/api/v3/order/amendments"): METHODS["order.amendments"],
    ("GET", "/api/v3/openOrders"): METHODS["openOrders.status"],
    ("DELETE", "/api/v3/openOrders"): METHODS["openOrders.cancelAll"],
    ("GET", "/api/v3/allOrders"): METHODS["allOrders"],
    ("GET", "/api/v3/myTrades"): METHODS["myTrades"],
    ("GET", "/api/v3/myFilters"): METHODS["myFilters"],
    ("GET", "/api/v3/account"): METHODS["account.status"],
    ("GET", "/api/v3/account/commission"): METHODS["account.commission"],
    ("GET", "/api/v3/rateLimit/order"): METHODS["account.rateLimits.orders"],
    # Other services of the venue that general clients ask when they load the markets.
    ("GET", "/sapi/v1/capital/config/getall"): COINS,
    ("GET", "/sapi/v1/margin/allPairs"): NO_MARGIN_PAIRS,
    ("GET", "/sapi/v1/margin/isolated/allPairs"): NO_MARGIN_PAIRS,
    ("GET", "/fapi/v1/exchangeInfo"): NO_DERIVATIVES,
    ("GET", "/dapi/v1/exchangeInfo"): NO_DERIVATIVES,
}

# Endpoints by the name of what they call, for whoever scopes a fault.
_NAMES: Final = {
    endpoint: name
    for endpoint, method in ENDPOINTS.items()
    for name, known in METHODS.items()
    if method is known
}

_NOT_FOUND: Final = b"<html><body><h2>404 Not found</h2></body></html>"

# After which a request that a fault leaves unanswered is broken off: no client waits longer.
UNANSWERED_SECONDS: Final = 60.0

# The largest request of this API is a few hundred bytes of parameters.
MAX_BODY_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What a client sent: ``query`` and ``body`` exactly as they came."""

    method: str
    path: str
    query: str = ""
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    ip: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What goes back."""

    status: int
    body: bytes
    headers: dict[str, str]
    content_type: str = "application/json"


def receive(venue: Venue, request: HttpRequest, outlet: Outlet[HttpReply], now_ns: int) -> None:
    """Take one request; its reply leaves through ``outlet``, or not where a fault is on."""
    line = Line(venue.faults, LineName.REST, outlet)
    name = _NAMES.get((request.method, request.path), request.path)
    line.request(
        name,
        partial(_execute, venue.exchange, request),
        lambda reply, then_ns: line.send(_http(reply, then_ns), Part.REPLIES, name),
        now_ns,
    )


def respond(exchange: Exchange, request: HttpRequest, now_ns: int) -> HttpReply:
    """Answer one request without faults; unknown endpoints get the venue's bare 404."""
    return _http(_execute(exchange, request, now_ns), now_ns)


def _execute(exchange: Exchange, request: HttpRequest, now_ns: int) -> Reply:
    method = ENDPOINTS.get((request.method, request.path))
    if method is None:
        return Reply(error=errors.no_such_endpoint())
    try:
        values = _parameters(request)
    except ApiError as error:
        return Reply(error=error)
    unit = request.headers.get("x-mbx-time-unit", "").upper()
    origin = Origin(
        ip=request.ip,
        api_key=request.headers.get("x-mbx-apikey", ""),
        payload=rest_payload(request.query, request.body),
        unit_ns=UNITS_NS.get(unit, MILLISECOND_NS),
    )
    return exchange.call(method, values, origin, now_ns)


def _parameters(request: HttpRequest) -> dict[str, str]:
    sources = [parse_qsl(request.query, keep_blank_values=True)]
    if request.method != "GET":
        sources.append(parse_qsl(request.body, keep_blank_values=True))
    values: dict[str, str] = {}
    for pairs in reversed(sources):
        names = [name for name, _ in pairs]
        if len(set(names)) != len(names):
            raise errors.duplicate_values()
        values |= dict(pairs)
    return values


def _http(reply: Reply, now_ns: int) -> HttpReply:
    headers = {}
    if reply.weight:
        headers["X-MBX-USED-WEIGHT"] = str(reply.weight["count"])
        headers["X-MBX-USED-WEIGHT-1M"] = str(reply.weight["count"])
    for state in reply.order_counts:
        suffix = f"{state['intervalNum']}{state['interval'][0]}"
        headers[f"X-MBX-ORDER-COUNT-{suffix}"] = str(state["count"])
    error = reply.error
    if error is None:
        return HttpReply(200, msgspec.json.encode(reply.result), headers)
    if error.status == errors.NOT_FOUND_STATUS:
        return HttpReply(error.status, _NOT_FOUND, {}, "text/html")
    if error.retry_at_ms is not None:
        seconds = (error.retry_at_ms * MILLISECOND_NS - now_ns) / 1e9
        headers["Retry-After"] = str(max(0, math.ceil(seconds)))
    return HttpReply(error.status, errors.encoded(error), headers)


class Pending:
    """Where the reply to one request leaves: whoever serves it waits for ``done``."""

    def __init__(self) -> None:
        self.done = trio.Event()
        self.reply: HttpReply | None = None
        """None once ``done`` says that the connection breaks instead."""

    def send(self, payload: HttpReply) -> None:
        """Take the reply; HTTP has no place for a second one."""
        if not self.done.is_set():
            self.reply = payload
            self.done.set()

    def cut(self) -> None:
        self.done.set()


class _BrokenOff(Response):
    """An answer that ends before its body does, with which the connection breaks."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


def application(take: Callable[[HttpRequest, Pending], None]) -> Starlette:
    """Return the ASGI application whose every request is given to ``take``."""

    async def endpoint(request: Request) -> Response:
        body = b""
        async with contextlib.aclosing(request.stream()) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    return Response(status_code=413)
        client = request.client
        pending = Pending()
        take(
            HttpRequest(
                method=request.method,
                path=request.url.path,
                query=request.scope["query_string"].decode("latin-1"),
                body=body.decode("utf-8", "replace"),
                headers=request.headers,
                ip="" if client is None else client.host,
            ),
            pending,
        )
        with trio.move_on_after(UNANSWERED_SECONDS):
            await pending.done.wait()
        reply = pending.reply
        if reply is None:
            return _BrokenOff()
        return Response(
            reply.body,
            status_code=reply.status,
            headers=reply.headers,
            media_type=reply.content_type,
        )

    methods = ["GET", "POST", "PUT", "DELETE"]
    return Starlette(routes=[Route("/{path:path}", endpoint, methods=methods)])
