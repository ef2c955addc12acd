"""The REST API: endpoints onto methods, and headers.

``receive`` is all of it but the socket, which is ``venues.sim.http_server``'s. Parameters come from
the query string and a form body, the query string's where both have them (rest-api.md, General
Information on Endpoints).
"""

import math
from functools import partial
from typing import Final, Protocol
from urllib.parse import parse_qsl

import msgspec

from venues.sim.binance import errors
from venues.sim.binance.auth import rest_payload
from venues.sim.binance.errors import ApiError
from venues.sim.binance.exchange import UNITS_NS, Exchange, Method, Origin, Reply
from venues.sim.binance.methods import (
    COINS,
    METHODS,
    NO_DERIVATIVES,
    NO_MARGIN_PAIRS,
    SYSTEM_STATUS,
    TRADE_FEES,
)
from venues.sim.durations import MILLISECOND_NS
from venues.sim.faults import Connection, ConnectionName, Moment, Outlet, Part, Switchboard
from venues.sim.http import HttpReply, HttpRequest

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
    ("GET", "/api/v3/ticker"): METHODS["ticker"],
    ("GET", "/api/v3/ticker/tradingDay"): METHODS["ticker.tradingDay"],
    ("GET", "/api/v3/historicalBlockTrades"): METHODS["blockTrades.historical"],
    ("GET", "/api/v3/referencePrice"): METHODS["referencePrice"],
    ("GET", "/api/v3/referencePrice/calculation"): METHODS["referencePrice.calculation"],
    ("GET", "/api/v3/executionRules"): METHODS["executionRules"],
    ("POST", "/api/v3/order"): METHODS["order.place"],
    ("GET", "/api/v3/order"): METHODS["order.status"],
    ("DELETE", "/api/v3/order"): METHODS["order.cancel"],
    ("POST", "/api/v3/order/test"): METHODS["order.test"],
    ("POST", "/api/v3/order/cancelReplace"): METHODS["order.cancelReplace"],
    ("PUT", "/api/v3/order/amend/keepPriority"): METHODS["order.amend.keepPriority"],
    ("GET", "/api/v3/order/amendments"): METHODS["order.amendments"],
    ("POST", "/api/v3/order/oco"): METHODS["orderList.place"],
    ("POST", "/api/v3/orderList/oco"): METHODS["orderList.place.oco"],
    ("POST", "/api/v3/orderList/oto"): METHODS["orderList.place.oto"],
    ("POST", "/api/v3/orderList/otoco"): METHODS["orderList.place.otoco"],
    ("DELETE", "/api/v3/orderList"): METHODS["orderList.cancel"],
    ("GET", "/api/v3/orderList"): METHODS["orderList.status"],
    ("GET", "/api/v3/openOrderList"): METHODS["openOrderLists.status"],
    ("GET", "/api/v3/allOrderList"): METHODS["allOrderLists"],
    ("GET", "/api/v3/openOrders"): METHODS["openOrders.status"],
    ("DELETE", "/api/v3/openOrders"): METHODS["openOrders.cancelAll"],
    ("GET", "/api/v3/allOrders"): METHODS["allOrders"],
    ("GET", "/api/v3/myTrades"): METHODS["myTrades"],
    ("GET", "/api/v3/myAllocations"): METHODS["myAllocations"],
    ("GET", "/api/v3/myPreventedMatches"): METHODS["myPreventedMatches"],
    ("GET", "/api/v3/myFilters"): METHODS["myFilters"],
    ("GET", "/api/v3/account"): METHODS["account.status"],
    ("GET", "/api/v3/account/commission"): METHODS["account.commission"],
    ("GET", "/api/v3/rateLimit/order"): METHODS["account.rateLimits.orders"],
    # Other services of the venue that general clients ask when they load the markets.
    ("GET", "/sapi/v1/system/status"): SYSTEM_STATUS,
    ("GET", "/sapi/v1/asset/tradeFee"): TRADE_FEES,
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

# What the venue's front answers in HTML, without a code.
_PAGES: Final = {
    errors.NOT_FOUND_STATUS: b"<html><body><h2>404 Not found</h2></body></html>",
    errors.FORBIDDEN_STATUS: b"<html><body><h2>403 Forbidden</h2></body></html>",
}


class Served(Protocol):
    """What serves these requests: an exchange, and what goes wrong on the way to it."""

    exchange: Exchange
    faults: Switchboard


def receive(venue: Served, request: HttpRequest, outlet: Outlet[HttpReply], now_ns: int) -> None:
    """Take one request; its reply leaves through ``outlet``, or not where a fault is on."""
    connection = Connection(venue.faults, ConnectionName.REST, outlet)
    name = _NAMES.get((request.method, request.path), request.path)
    connection.request(
        name,
        partial(_execute, venue.exchange, request),
        lambda reply, then_ns: connection.send(_http(reply, then_ns), Part.REPLIES, name),
        now_ns,
    )


def respond(exchange: Exchange, request: HttpRequest, now_ns: int) -> HttpReply:
    """Answer one request without faults; unknown endpoints get the venue's bare 404."""
    return _http(_execute(exchange, request, Moment.at(now_ns)), now_ns)


def _execute(exchange: Exchange, request: HttpRequest, moment: Moment) -> Reply:
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
    return exchange.call(method, values, origin, moment.now_ns, moment)


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
    if error.status in _PAGES:
        return HttpReply(error.status, _PAGES[error.status], {}, "text/html")
    if error.retry_at_ms is not None:
        seconds = (error.retry_at_ms * MILLISECOND_NS - now_ns) / 1e9
        headers["Retry-After"] = str(max(0, math.ceil(seconds)))
    return HttpReply(error.status, errors.encoded(error), headers)
