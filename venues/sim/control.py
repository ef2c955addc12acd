"""The panel of ``hotloop sim``: faults, actions and its own books, for the loopback alone.

Its paths are none of the venue's, so that no client of the venue meets them by accident.
"""

import ipaddress
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl

import msgspec

from venues.sim.actions import ActionError
from venues.sim.faults import Fault, FaultError, Switchboard
from venues.sim.http import HttpReply, HttpRequest
from venues.sim.ledger import Ledger
from venues.sim.venue import AnyVenue

FAULTS: Final = "/sim/faults"
ACTIONS: Final = "/sim/actions"
LEDGER: Final = "/sim/ledger"
PATHS: Final = frozenset({FAULTS, ACTIONS, LEDGER})

_decode = msgspec.json.Decoder(Fault).decode


def answer(venue: AnyVenue, request: HttpRequest, now_ns: int) -> HttpReply:
    """Answer a request for one of the panel's paths."""
    if not _is_near(request.ip):
        return _reply(403, {"error": f"{request.path} answers on the loopback only"})
    if request.path == ACTIONS:
        return _act(venue, request, now_ns)
    if request.path == LEDGER:
        return _read(Ledger(venue, lambda: now_ns), request)
    return _switch(venue.faults, request, now_ns)


def _act(venue: AnyVenue, request: HttpRequest, now_ns: int) -> HttpReply:
    """Have others do something to the exchange."""
    if request.method != "POST":
        return _reply(405, {"error": "POST does something"})
    try:
        return _reply(200, venue.perform(venue.read_action(request.body), now_ns))
    except (msgspec.DecodeError, RecursionError, ActionError) as error:
        return _reply(400, {"error": str(error)})


def _read(ledger: Ledger, request: HttpRequest) -> HttpReply:
    """Show what an account has in a symbol: orders and trades from an id on, and what is open.

    Sizes are in units of 1e-8; an order is named as it was placed, whatever it was renamed to.
    """
    if request.method != "GET":
        return _reply(405, {"error": "GET shows"})
    asked = dict(parse_qsl(request.query))
    key, symbol = asked.get("key", ""), asked.get("symbol", "")
    first_order, first_trade = asked.get("order", "0"), asked.get("trade", "0")
    if key not in ledger.host.keys or symbol not in ledger.engine.markets:
        return _reply(400, {"error": f"no key {key!r}, or no symbol {symbol!r}"})
    if not (first_order.isdecimal() and first_trade.isdecimal()):
        return _reply(400, {"error": "order and trade are numbers"})
    orders = [one for one in ledger.orders(symbol, key) if one.order_id >= int(first_order)]
    trades = [
        one for one in ledger.executions(symbol, key) if one.trade.trade_id >= int(first_trade)
    ]
    shown = {
        "step": ledger.engine.markets[symbol].symbol.step_size,
        "orders": [{"id": o.order_id, "name": o.names[0], "status": o.status} for o in orders],
        "trades": [
            {"id": t.trade.trade_id, "size": t.trade.quantity, "buys": t.is_buyer} for t in trades
        ],
        "open": [order.names[0] for order in ledger.open_orders(symbol, key)],
    }
    return _reply(200, shown)


def _switch(board: Switchboard, request: HttpRequest, now_ns: int) -> HttpReply:
    """Show the switches, switch a fault on, or switch one or all off."""
    board.turn(now_ns)
    match request.method:
        case "GET":
            return _reply(200, _shown(board))
        case "POST":
            return _switch_on(board, request.body, now_ns)
        case "DELETE":
            return _switch_off(board, request.query)
        case _:
            return _reply(405, {"error": "GET shows, POST switches on, DELETE switches off"})


def _is_near(ip: str) -> bool:
    try:
        return ipaddress.ip_address(ip).is_loopback
    except ValueError:
        return False


def _shown(board: Switchboard) -> dict[str, Any]:
    on = [
        {"number": one.number, "left": one.left} | msgspec.to_builtins(one.fault)
        for one in board.standing()
    ]
    return {"on": on, "hits": dict(board.hits)}


def _switch_on(board: Switchboard, body: str, now_ns: int) -> HttpReply:
    try:
        return _reply(200, {"number": board.switch_on(_decode(body), now_ns)})
    except (msgspec.DecodeError, RecursionError, FaultError) as error:
        return _reply(400, {"error": str(error)})


def _switch_off(board: Switchboard, query: str) -> HttpReply:
    """Switch off the fault that ``number`` names, or all where none is named."""
    if not query:
        board.clear()
        return _reply(200, {})
    [number, *_] = parse_qs(query).get("number", [""])
    if not (number.isdecimal() and len(number) < 10 and board.switch_off(int(number))):
        return _reply(400, {"error": f"no fault {number or query!r} is on"})
    return _reply(200, {})


def _reply(status: int, body: dict[str, Any]) -> HttpReply:
    return HttpReply(status, msgspec.json.encode(body), {})
