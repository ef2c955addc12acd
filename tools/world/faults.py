"""The faults of the tank: what goes wrong, and how the promised reaction is recognised.

Each fault is a function that strikes once: it gets the world, and the message or answer it may
spoil, and returns what passes instead and a predicate that becomes true once the code under test
has reacted; or ``None`` where there is nothing to spoil. Numbers are those of ``docs/faults.md``.
What has to hold throughout, whatever strikes, is the auditor's business.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec

from core.units import NS_PER_MS, NS_PER_S
from core.venue import RestRequest
from core.views import OrderState
from core.wire.websocket import PING, TEXT
from tools.world.exchange_faults import (
    Reaction,
    doubted,
    drift_clock,
    later_ns,
    logged,
    proved,
    resynced,
    step_clock,
    stop_order,
    stranger,
)
from tools.world.strikes import Fault, Struck
from tools.world.tank import Delivery, Message, server_frame
from tools.world.workload import SAID
from tools.world.world import Answer, World
from venues.binance.decode import MARKET, TRADE
from venues.sim.fixed import parse, show

encode: Final = msgspec.json.encode
decode: Final = msgspec.json.decode

LIES: Final = ("NaN", "Infinity", "-0", "1e999", "1_000", "", "-1.00000000", "9" * 30, "0x10", "१")
"""Numbers that are none."""

FEES: Final = frozenset({"n", "commission"})
"""Where a number below zero is one: a rebate."""


# -- reactions -------------------------------------------------------------------------------


def refused(w: World) -> Reaction:
    """The message was refused: counted, and its line dropped."""
    before = w.engine.counts.errors
    return lambda: w.engine.counts.errors > before


def ignored(w: World) -> Reaction:
    before = sum(w.engine.counts.ignored.values())
    return lambda: sum(w.engine.counts.ignored.values()) > before


def understood(w: World) -> Reaction:
    """Messages go on being taken, and nothing was found wrong with any."""
    engine, errors, messages = w.engine, w.engine.counts.errors, w.engine.counts.messages
    return lambda: engine.counts.messages > messages + 1 and engine.counts.errors == errors


def redialled(w: World, line: int) -> Reaction:
    old = w.links.get(line)
    return lambda: w.links.get(line) not in (None, old) and w.line_up(line)


def asked_again(w: World, path: str, times: int = 1) -> Reaction:
    before = sum(request.path == path for request in w.asked)
    return lambda: sum(request.path == path for request in w.asked) >= before + times


# -- looking into messages -------------------------------------------------------------------


def altered(w: World, message: Message, body: Any) -> list[Delivery]:
    return [(w.latency(), Message(message.line, message.opcode, encode(body)))]


def unchanged(w: World, message: Message) -> list[Delivery]:
    return [(w.latency(), message)]


def symbol_of(message: Message) -> str:
    return str(decode(message.payload)["data"]["s"])


def client_id_of(message: Message) -> str:
    """Return the client order id that a request or a report is about."""
    body = decode(message.payload)
    if "event" in body:
        return str(body["event"]["C"] or body["event"]["c"])
    values = body["params"]
    return str(values.get("newClientOrderId") or values.get("origClientOrderId") or "")


def number_at(w: World, body: Any) -> tuple[dict[str, Any], str] | None:
    """Return where one of a message's decimal texts stands."""
    found: list[tuple[dict[str, Any], str]] = []
    pending = [body]
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            for key, value in one.items():
                if isinstance(value, str) and "." in value and value[0].isdigit():
                    found.append((one, key))
                else:
                    pending.append(value)
        elif isinstance(one, list):
            pending.extend(one)
    return w.draw.faults.choice(found) if found else None


# -- market data -----------------------------------------------------------------------------


def lose_delta(w: World, message: Message) -> Struck:
    return Struck([], resynced(w))


def repeat_delta(w: World, message: Message) -> Struck | None:
    symbol = symbol_of(message)
    row = w.engine.table.find(symbol)
    if row is None or not w.engine.books[row.index].live:
        return None
    book = w.engine.books[row.index]
    gaps, update_id = book.gaps, decode(message.payload)["data"]["u"]
    latency_ns = w.latency()
    return Struck(
        [(latency_ns, message), (latency_ns, message)],
        lambda: book.live and book.seq >= update_id and book.gaps == gaps,
    )


def swap_deltas(w: World, message: Message) -> Struck:
    w.hold(message, later_ns(w.draw.faults, 110, 350))
    return Struck([], resynced(w))


def renumber_delta(w: World, message: Message) -> Struck:
    body = decode(message.payload)
    data, draw = body["data"], w.draw.faults
    jump = draw.choice((10**9, 2**63, 2**64, -data["U"], 10**30))
    data["U"], data["u"] = data["U"] + jump, data["u"] + jump
    resync, refusal = resynced(w), refused(w)
    return Struck(altered(w, message, body), lambda: resync() or refusal())


def restart_numbers(w: World) -> Struck:
    """The exchange counts the updates of one book from 1 again."""
    symbol = w.draw.faults.choice(w.symbols)
    market = w.venue.exchange.engine.markets[symbol]
    w.venue.settle(w.venue_ns)
    market.book.update_id = 0
    for depth in w.venue.market_data._depths:
        if depth.market is market:
            depth._fast_id = depth._slow_id = 0
    w.auditor.renumbered(symbol, w.now_ns)

    def reaction() -> bool:
        row = w.engine.table.find(symbol)
        if row is None:
            return False
        book = w.engine.books[row.index]
        return book.live and book.seq <= market.book.update_id

    return Struck(None, reaction, 10.0)


def cross_top(w: World, message: Message) -> Struck:
    body = decode(message.payload)
    data = body["data"]
    data["b"], data["a"] = data["a"], data["b"]
    return Struck(altered(w, message, body), resynced(w))


def negate_top(w: World, message: Message) -> Struck:
    body = decode(message.payload)
    body["data"]["B"] = "-" + body["data"]["B"]
    return Struck(altered(w, message, body), refused(w))


def age_snapshot(w: World, request: RestRequest, answer: Answer) -> Struck | None:
    latency_ns, status, headers, body = answer
    if status != 200:
        return None
    depth = decode(body)
    depth["lastUpdateId"] = 0
    return Struck((latency_ns, status, headers, encode(depth)), asked_again(w, request.path))


def silence_market(w: World) -> Struck | None:
    return _silence(w, MARKET)


def silence_trade(w: World) -> Struck | None:
    return _silence(w, TRADE)


SILENT_S: Final = 50.0
"""Virtual seconds after which a silent line has been noticed for sure."""

NOTICED_NS: Final = 25 * NS_PER_S
"""No line is dropped for its silence before: the exchange's own pings are 20 s apart."""


def _silence(w: World, line: int) -> Struck | None:
    """The socket is alive, and nothing comes any more."""
    link = w.links.get(line)
    if link is None:
        return None
    w.mute_until_ns[line] = w.now_ns + int(SILENT_S * NS_PER_S)
    w.strikes.lull(SILENT_S)
    since_ns = w.now_ns

    def reaction() -> bool:
        if w.links.get(line) is link:
            return False
        w.mute_until_ns[line] = 0
        return w.now_ns - since_ns > NOTICED_NS

    return Struck(None, reaction, 60.0)


# -- frames ----------------------------------------------------------------------------------


def tear(w: World, message: Message) -> Struck:
    data = server_frame(message.opcode, message.payload)
    draw = w.draw.faults
    if draw.random() < 0.1 and len(data) < 400:
        cuts = list(range(1, len(data)))
    else:
        cuts = sorted(draw.sample(range(1, len(data)), min(draw.randint(1, 4), len(data) - 1)))
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    pause_ns = draw.choice((0, 1_000, NS_PER_MS))
    return Struck([(pause_ns, piece) for piece in pieces], understood(w))


def fragment(w: World, message: Message) -> Struck:
    """Send a message in fragments, with a ping between them."""
    draw, payload = w.draw.faults, message.payload
    cut = draw.randrange(len(payload) + 1)
    name = b"between-%d" % draw.getrandbits(30)
    first, last = server_frame(message.opcode, payload[:cut]), server_frame(0, payload[cut:])
    frames = [bytes([first[0] & 0x7F]) + first[1:], server_frame(PING, name), last]
    data = b"".join(frames)
    ponged = Message(message.line, 10, name)
    return Struck([(0, data)], lambda: ponged in w.sent[-50:])


def cut_within_frame(w: World, message: Message) -> Struck:
    data = server_frame(message.opcode, message.payload)
    line, link = message.line, w.links.get(message.line)
    kept = data[: w.draw.faults.randrange(1, len(data))]

    def cut() -> None:
        if w.alive and link is not None and w.links.get(line) is link:
            w.cut(line, "connection reset within a frame")

    w.at(w.now_ns + 3 * w.latency_ns + 5 * NS_PER_MS, cut)
    return Struck([(0, kept)], redialled(w, line))


BAD_FRAMES: Final = (
    b"\x81\x85abcd12345",  # masked
    b"\xc1\x02{}",  # reserved bit
    b"\x83\x02{}",  # unknown opcode
    b"\x81\x7f" + (50_000_000).to_bytes(8, "big"),  # oversize
    b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff",  # 64 bits
    b"\x81\x02\xc3\x28",  # no UTF-8
    b"\x88\x02\x03\xed",  # close code 1005 on the wire
    b"\x88\x01\x03",  # close code of one byte
    b"\x09\x01a",  # fragmented ping
    b"\x89\x7e\x00\x7e" + b"a" * 126,  # ping too long
    b"\x80\x02{}",  # a continuation of nothing
)


def break_framing(w: World) -> Struck | None:
    line = w.draw.faults.choice((MARKET, TRADE))
    link = w.links.get(line)
    if link is None:
        return None
    frame = w.draw.faults.choice(BAD_FRAMES)
    w.at(max(w.now_ns, link.arrives_ns), lambda: w._arrive(link, frame))
    return Struck(None, redialled(w, line))


BOMBS: Final = (
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b'{"id":"p1","status":' + b"1" * 1_000_000 + b"}",
    b'{"stream":"btcusdt@trade","data":{"e":"trade","e":"trade","t":' + b"9" * 5_000 + b"}}",
    b'"' + b"x" * 1_000_000 + b'"',
    b'{"subscriptionId":0,"event":{"e":"executionReport","s":"' + b"\\u0000" * 10_000 + b'"}}',
    b"\x00\x00\x00",
    b"",
    b"<html><body>502 Bad Gateway</body></html>",
)


def bomb(w: World) -> Struck | None:
    line = w.draw.faults.choice((MARKET, TRADE))
    payload = w.draw.faults.choice(BOMBS)
    w.say_past(w.links.get(line), Message(line, TEXT, payload))
    return Struck(None, refused(w))


def burst(w: World) -> Struck | None:
    """Hold up one line, then let everything through in one read."""
    line = w.draw.faults.choice((MARKET, TRADE))
    link = w.links.get(line)
    if link is None or link.clogged:
        return None
    w.clog(line, later_ns(w.draw.faults, 20, 1500))
    before = w.engine.counts.messages
    return Struck(None, lambda: not link.clogged and w.engine.counts.messages > before)


# -- what messages say -----------------------------------------------------------------------


def lie(w: World, message: Message) -> Struck | None:
    body = decode(message.payload)
    place = number_at(w, body)
    if place is None:
        return None
    within, key = place
    lies = [lie for lie in LIES if key not in FEES or not lie.startswith("-1")]
    within[key] = w.draw.faults.choice(lies)
    refusal, halt = refused(w), logged(w, "halted:")
    return Struck(altered(w, message, body), lambda: refusal() or halt())


def unknown_execution(w: World, message: Message) -> Struck:
    body = decode(message.payload)
    body["event"]["x"] = "FUNDING"
    symbol = body["event"]["s"]

    def reaction() -> bool:
        row = w.engine.table.find(symbol)
        return row is not None and bool(w.engine.risk.instrument_halted(row.index))

    return Struck(altered(w, message, body), reaction)


def unknown_public(w: World) -> Struck:
    payload = b'{"stream":"btcusdt@newFeed","data":{"e":"newFeed","E":1}}'
    w.say_past(w.links.get(MARKET), Message(MARKET, TEXT, payload))
    return Struck(None, ignored(w))


def extra_field(w: World, message: Message) -> Struck:
    body = decode(message.payload)
    inner = body.get("data") or body.get("event") or body
    inner["zz"] = {"new": [1, "2", None]}
    return Struck(altered(w, message, body), understood(w))


NEEDED: Final = {
    "top": ("u", "b", "B", "a", "A"),
    "delta": ("U", "u", "b", "a"),
    "trade": ("t", "p", "q"),
    "event": ("s", "c", "x", "X", "i", "q", "z"),
}


def missing_field(w: World, message: Message) -> Struck | None:
    body = decode(message.payload)
    return _drift(w, message, body, lambda inner, key: inner.pop(key))


def changed_type(w: World, message: Message) -> Struck | None:
    body = decode(message.payload)
    return _drift(w, message, body, lambda inner, key: inner.update({key: {"now": "an object"}}))


def _drift(
    w: World, message: Message, body: Any, change: Callable[[dict[str, Any], str], Any]
) -> Struck | None:
    inner = body.get("data") or body.get("event")
    if not isinstance(inner, dict):
        return None
    if "stream" in body:
        suffix = body["stream"].partition("@")[2]
        kind = {"bookTicker": "top", "trade": "trade"}.get(suffix, "delta")
    else:
        kind = "event"
    key = w.draw.faults.choice(NEEDED[kind])
    if key not in inner:
        return None
    change(inner, key)
    return Struck(altered(w, message, body), refused(w))


def unknown_message(w: World) -> Struck:
    payload = b'{"subscriptionId":0,"event":{"e":"liabilityUpdate","E":1,"a":"BTC"}}'
    w.say_past(w.links.get(TRADE), Message(TRADE, TEXT, payload))
    return Struck(None, ignored(w))


# -- connections -----------------------------------------------------------------------------


def reset(w: World) -> Struck | None:
    line = w.draw.faults.choice((MARKET, TRADE))
    if line not in w.links:
        return None
    reaction = redialled(w, line)
    w.cut(line)
    return Struck(None, reaction)


def private_down(w: World) -> Struck | None:
    if TRADE not in w.links:
        return None
    interrupted, back = logged(w, "session: interrupted"), redialled(w, TRADE)
    w.closed_lines.add(TRADE)
    w.cut(TRADE)
    w.at(w.now_ns + later_ns(w.draw.faults, 200, 3000), lambda: w.closed_lines.discard(TRADE))
    return Struck(None, lambda: back() and interrupted(), 15.0)


def shutdown(w: World) -> Struck | None:
    """The exchange says that it will go, and goes ten seconds later."""
    line = w.draw.faults.choice((MARKET, TRADE))
    link = w.links.get(line)
    if link is None:
        return None
    reaction = redialled(w, line)
    link.session.announce_shutdown(w.venue_ns)

    def forced() -> None:
        if w.alive and w.links.get(line) is link:
            w.cut(line, "the exchange has shut down")

    w.at(w.now_ns + 10 * NS_PER_S, forced)
    return Struck(None, reaction)


def close_politely(w: World) -> Struck | None:
    line = w.draw.faults.choice((MARKET, TRADE))
    link = w.links.get(line)
    if link is None:
        return None
    w.say_past(link, Message(line, 8, b"\x03\xe9"))
    return Struck(None, redialled(w, line))


def end_stream(w: World) -> Struck | None:
    ended = {"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": 1}}
    w.say_past(w.links.get(TRADE), Message(TRADE, TEXT, encode(ended)))
    return Struck(None, redialled(w, TRADE))


def log_out(w: World) -> Struck | None:
    error = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}
    said = {"id": None, "status": 401, "error": error}
    w.say_past(w.links.get(TRADE), Message(TRADE, TEXT, encode(said)))
    return Struck(None, redialled(w, TRADE))


# -- orders ----------------------------------------------------------------------------------


def lose_reply(w: World, message: Message) -> Struck | None:
    client_id = _asked_about(w, message)
    return None if client_id is None else Struck([], proved(w, client_id), 30.0)


def _asked_about(w: World, message: Message) -> str | None:
    """Return the client order id of the request that a reply answers."""
    wire_id = decode(message.payload)["id"]
    start = b'{"id":"%s"' % wire_id.encode()
    for sent in reversed(w.sent):
        if sent.line == TRADE and sent.payload.startswith(start):
            return client_id_of(sent) or None
    return None


def lose_all_news(w: World, message: Message) -> Struck | None:
    """Neither reply nor report of an order arrive, for as long as replies are awaited."""
    client_id = client_id_of(message)
    if not client_id:
        return None
    w.deaf[b'"%s"' % client_id.encode()] = w.now_ns + later_ns(w.draw.faults, 1000, 11000)
    return Struck(unchanged(w, message), doubted(w, client_id), 30.0)


def repeat_reply(w: World, message: Message) -> Struck:
    w.hold(message, later_ns(w.draw.faults, 0, 300))
    before = w.engine.counts.replies
    return Struck(unchanged(w, message), lambda: w.engine.counts.replies >= before + 2)


def reply_late(w: World, message: Message) -> Struck | None:
    """The stream's report overtakes the reply."""
    client_id = _asked_about(w, message)
    if client_id is None:
        return None
    w.hold(message, later_ns(w.draw.faults, 20, 800))
    inflight, wire_id = w.engine.outbound.inflight, int(decode(message.payload)["id"][1:])

    def reaction() -> bool:
        order = w.engine.orders.find(client_id)
        waits = any(asked.request_id == wire_id for asked in inflight)
        return order is not None and order.proved and waits

    return Struck([], reaction)


def _booked(w: World, message: Message) -> Reaction:
    """A fill moved the position, once."""
    event = decode(message.payload)["event"]
    client_id, trade_id = event["c"], event["t"]

    def reaction() -> bool:
        order = w.engine.orders.find(client_id)
        return (
            order is not None
            and trade_id in order.trade_ids
            and order.traded_lots <= order.size_lots
        )

    return reaction


def fill_late(w: World, message: Message) -> Struck:
    """A fill is told after what happened later: other fills, or the end of its order."""
    w.hold(message, later_ns(w.draw.faults, 1, 1200))
    return Struck([], _booked(w, message))


def repeat_fill(w: World, message: Message) -> Struck:
    w.hold(message, later_ns(w.draw.faults, 0, 2000))
    return Struck(unchanged(w, message), _booked(w, message))


def lose_report(w: World, message: Message) -> Struck:
    """A private event is lost although its connection stands: the next pass has to find it."""
    client_id = client_id_of(message)

    def reaction() -> bool:
        order, true = w.engine.orders.find(client_id), w.auditor.order_of(client_id)
        if order is None or true is None:
            return True
        return order.state.terminal != true.is_open

    return Struck([], reaction, 70.0)


def cancel_refused(w: World, message: Message) -> Struck | None:
    """The cancel of an order that is gone: nothing is spoiled, the order is asked about."""
    if b'"status":400' not in message.payload[:40]:
        return None
    client_id = _asked_about(w, message)
    return None if client_id is None else Struck(unchanged(w, message), proved(w, client_id))


def lose_request(w: World, message: Message) -> Struck | None:
    """A cancel or an amend is lost within the exchange."""
    values = decode(message.payload)["params"]
    name, number = values.get("origClientOrderId"), values.get("orderId")

    def reaction() -> bool:
        for order in w.engine.orders.unsettled():
            if order.client_order_id == name or order.venue_order_id == number:
                return not order.cancelling
        return True

    return Struck([], reaction, 15.0)


def delay_place(w: World, message: Message) -> Struck:
    """An order is accepted late, at times after its reply was given up or its line was lost."""
    draw = w.draw.faults
    client_id = client_id_of(message)
    if draw.random() < 0.5:
        line, link = TRADE, w.links[TRADE]

        def cut() -> None:
            if w.alive and w.links.get(line) is link:
                w.cut(line)

        w.at(w.now_ns + later_ns(draw, 1, 200), cut)
        return Struck([(later_ns(draw, 100, 4900), message)], doubted(w, client_id), 20.0)
    return Struck([(later_ns(draw, 100, 4900), message)], proved(w, client_id), 20.0)


def accept_twice(w: World, message: Message) -> Struck | None:
    """The exchange takes one client order id for two orders."""
    values = decode(message.payload)["params"]
    if values.get("type") != "MARKET" and values.get("timeInForce") != "IOC":
        return None
    client_id = client_id_of(message)
    w.auditor.excused.add(client_id)
    latency_ns = w.latency()
    again = [(latency_ns, message), (latency_ns + 1, message)]
    halted = logged(w, "halted:")

    def reaction() -> bool:
        order = w.auditor.order_of(client_id)
        return halted() or order is None

    return Struck(again, reaction)


# -- refusals --------------------------------------------------------------------------------


def _refuse(
    w: World, message: Message, status: int, code: int, text: str, data: dict[str, int] | None
) -> None:
    """Answer a request instead of the exchange."""
    error: dict[str, Any] = {"code": code, "msg": text}
    if data is not None:
        error["data"] = data
    said = {"id": decode(message.payload)["id"], "status": status, "error": error}
    link = w.links.get(TRADE)
    reply = Message(TRADE, TEXT, encode(said))
    w.at(w.now_ns + w.latency(), lambda: w.say_past(link, reply))


def throttle(w: World, message: Message) -> Struck:
    """429, with and without the time at which to come back."""
    data = None
    if w.draw.faults.random() < 0.7:
        until_ms = (w.venue_ns + later_ns(w.draw.faults, 100, 3000)) // NS_PER_MS
        data = {"serverTime": w.venue_ns // NS_PER_MS, "retryAfter": until_ms}
    _refuse(w, message, 429, -1003, "Too much request weight used; please slow down.", data)
    return Struck([], lambda: w.engine.throttle.cooling_until_ns > w.venue_ns)


def ban(w: World, message: Message) -> Struck:
    """Nothing may be sent for a while, and nothing dialled where a line is lost meanwhile."""
    line = w.draw.faults.choice((MARKET, TRADE, None))
    if line is not None:
        w.at(w.now_ns + 2 * w.latency_ns + 10 * NS_PER_MS, partial(w.cut, line))
    until_ms = (w.venue_ns + later_ns(w.draw.faults, 500, 4000)) // NS_PER_MS
    data = {"serverTime": w.venue_ns // NS_PER_MS, "retryAfter": until_ms}
    _refuse(w, message, 418, -1003, "Way too many requests; IP banned.", data)
    return Struck([], lambda: w.engine.throttle.banned_until_ns > w.venue_ns)


def differ_balance(w: World) -> Struck | None:
    """The account does not hold what our fills make of it: for one answer, or from now on."""
    engine, path = w.engine, "/api/v3/account"
    if TRADE not in w.links or engine.ledger.in_doubt or not engine.recovery.reconciled:
        return None
    asset = engine.table[0].base
    more, once = w.draw.faults.randint(1, 1000), w.draw.faults.random() < 0.5

    def lie(body: bytes) -> bytes:
        if once:
            del w.lies[path]
        account = decode(body)
        for balance in account["balances"]:
            if balance["asset"] == asset:
                balance["free"] = show(parse(balance["free"]) + more * 10**6)
        return encode(account)

    w.lies[path] = (engine.setup.boot, lie)
    w.cut(TRADE)
    w.strikes.lull(LEDGER_S)
    halted, again = logged(w, "halted: the ledgers differ"), asked_again(w, path, 2)
    return Struck(None, lambda: again() if once else halted(), 2 * LEDGER_S)


LEDGER_S: Final = 6.0
"""Virtual seconds after which balances that differ have been asked for thrice."""


ERRORS: Final = (
    (500, -1000, "An unknown error occurred while processing the request."),
    (500, -1001, "Internal error; unable to process your request. Please try again."),
    (503, -1006, "An unexpected response was received. Execution status unknown."),
    (504, -1007, "Timeout waiting for response from backend server."),
    (400, -1008, "Server is currently overloaded with other requests."),
    (503, -1016, "This service is no longer available."),
    (400, -9999, "A code that nobody has documented."),
)


def server_error(w: World, message: Message) -> Struck | None:
    """5xx and the like, whether the request was executed or not."""
    client_id = client_id_of(message)
    if not client_id:
        return None
    status, code, text = w.draw.faults.choice(ERRORS)
    _refuse(w, message, status, code, text, None)
    if w.draw.faults.random() < 0.5:
        return Struck([], doubted(w, client_id), 20.0)
    w.deaf[message.payload[1 : message.payload.find(b",")]] = w.now_ns + NS_PER_S
    return Struck(unchanged(w, message), doubted(w, client_id), 20.0)


def closed_market(w: World, message: Message) -> Struck:
    client_id = client_id_of(message)
    _refuse(w, message, 400, -1013, "Market is closed.", None)

    def reaction() -> bool:
        order = w.engine.orders.find(client_id)
        return order is not None and order.state is OrderState.REJECTED

    return Struck([], reaction)


def move_grid(w: World) -> Struck | None:
    """The exchange lists another tick or lot from now on; a wrong clock has it looked at early."""
    engine, path, draw = w.engine, "/api/v3/exchangeInfo", w.draw.faults
    if path in w.lies or not len(engine.table) or TRADE not in w.links:
        return None
    row = draw.choice(list(engine.table))
    key, filter_type = draw.choice((("tickSize", "PRICE_FILTER"), ("stepSize", "LOT_SIZE")))
    factor = draw.choice((10, 5, 2))

    def lie(body: bytes) -> bytes:
        info = decode(body)
        for symbol in info["symbols"]:
            for each in symbol["filters"] if symbol["symbol"] == row.symbol else ():
                if each["filterType"] == filter_type:
                    each[key] = show(parse(each[key]) * factor)
        return encode(info)

    w.lies[path] = (engine.setup.boot, lie)
    error = {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}
    said = encode({"id": "q0", "status": 400, "error": error})
    w.say_past(w.links[TRADE], Message(TRADE, TEXT, said))
    return Struck(None, lambda: "tick or lot" in engine.risk.instrument_halted(row.index), 40.0)


def spoil_answer(w: World, request: RestRequest, answer: Answer) -> Struck | None:
    """A REST answer that is none: HTML, cut off, an error with status 200, or nothing at all."""
    draw = w.draw.faults
    latency_ns, status, headers, body = answer
    reaction = asked_again(w, request.path)
    html = b"<html><head><title>Attention Required!</title></head></html>"
    spoiled: Answer | None = draw.choice(
        (
            (latency_ns, 200, headers, html),
            (latency_ns, 403, {}, html),
            (latency_ns, 502, {}, html),
            (latency_ns, 200, headers, body[: draw.randrange(len(body) + 1)]),
            (latency_ns, 200, headers, b'{"code":-1000,"msg":"An unknown error occurred"}'),
            (latency_ns, 500, headers, b'{"code":-1001,"msg":"Internal error"}'),
            (latency_ns, 0, {}, b"timed out"),
            (latency_ns + 9 * NS_PER_S, status, headers, body),
            None,
        )
    )
    return Struck(spoiled, reaction, 30.0)


def throttle_rest(w: World, request: RestRequest, answer: Answer) -> Struck:
    headers = {"retry-after": "1"} if w.draw.faults.random() < 0.5 else {}
    body = b'{"code":-1003,"msg":"Too many requests."}'
    return Struck(
        (answer[0], 429, headers, body), lambda: w.engine.throttle.cooling_until_ns > w.venue_ns
    )


# -- time, disk, process, strategy -----------------------------------------------------------


def stop_process(w: World) -> Struck | None:
    """The process is stopped for seconds, and goes on as if nothing had been."""
    if not w.runs or MARKET not in w.links:
        return None
    for_ns = later_ns(w.draw.faults, 1300, 8000)
    seconds = for_ns / NS_PER_S
    w.auditor.on_stopped()
    w.stop_process(for_ns)
    w.old_until_ns = w.stopped_until_ns
    w.strikes.lull(seconds)
    w.strikes.last(seconds + 1.0)
    said, back = logged(w, "not running for"), redialled(w, MARKET)
    return Struck(None, lambda: said() and back(), seconds + 10.0)


def slow_strategy(w: World) -> Struck | None:
    """The strategy takes its time over one change of a book."""
    strategy: Any = w.engine.strategy
    if "on_book" in vars(strategy):
        return None
    slow_ns = later_ns(w.draw.faults, 30, 300)

    def on_book(*arguments: Any) -> None:
        if vars(strategy).pop("on_book", None) is not None:  # two books may change in one turn
            w.late_ns += slow_ns
        strategy.on_book(*arguments)

    strategy.on_book = on_book
    before = w.engine.counts.slow_turns
    return Struck(None, lambda: w.engine.counts.slow_turns > before)


def fill_disk(w: World) -> Struck | None:
    journal: Any = w.journal
    if journal.failing:
        return None
    journal.failing = True
    return Struck(None, lambda: bool(w.stopped))


TRADES_AGAIN_S: Final = 9.0
"""Virtual seconds after which the next boot has proved what this one left, and trades."""


def crash(w: World) -> Struck | None:
    """``kill -9`` between two steps; at times a power cut, which takes the journal's tail along."""
    draw = w.draw.disk
    boot = w.engine.setup.boot
    if boot > 3:
        return None
    if draw.random() < 0.7:
        down_ns = later_ns(draw, 1, 3000)
        w.crash(0, down_ns)
    else:
        down_ns = later_ns(draw, 8000, 9000)
        w.crash(draw.randint(1, 200), down_ns)
    if draw.random() < 0.5:
        w.strikes.last(down_ns / NS_PER_S + TRADES_AGAIN_S)
    return Struck(
        None,
        lambda: w.engine.setup.boot > boot and w.engine.recovery.reconciled_once,
        40.0,
    )


def strategy_fails(w: World) -> Struck | None:
    """Said by the strategy itself: see ``tools.world.workload``."""
    told = [line for line in w.log_lines if line.startswith(SAID)]
    if not told or "mischief" in w.strikes.injected:
        return None
    if "raising" in told[0]:
        return Struck(None, lambda: bool(w.engine.gate.fatal and w.stopped))
    return Struck(None, lambda: True)


REPORTS: Final = ("report.NEW", "report.TRADE", "report.CANCELED", "report.EXPIRED")
CHANGES: Final = ("reply.p", "reply.c", "reply.r", "reply.a")
ORDERS: Final = ("ask.p", "ask.r")
REST: Final = (
    "rest.depth", "rest.openOrders", "rest.myTrades", "rest.account", "rest.exchangeInfo",
    "rest.time", "rest.order",
)  # fmt: skip
MARKET_DATA: Final = ("top", "delta", "trade")

FAULTS: Final = (
    Fault(1, "delta_lost", 0.02, lose_delta, ("delta",)),
    Fault(2, "delta_twice", 0.05, repeat_delta, ("delta",)),
    Fault(3, "deltas_swapped", 0.02, swap_deltas, ("delta",)),
    Fault(4, "snapshot_old", 0.3, age_snapshot, ("rest.depth",)),
    Fault(6, "top_crossed", 0.005, cross_top, ("top",)),
    Fault(6, "top_negative", 0.002, negate_top, ("top",)),
    Fault(7, "delta_renumbered", 0.01, renumber_delta, ("delta",)),
    Fault(7, "book_renumbered", 0.05, restart_numbers),
    Fault(8, "market_silent", 0.015, silence_market),
    Fault(9, "frame_torn", 0.1, tear, ("frame",)),
    Fault(10, "burst", 0.5, burst),
    Fault(11, "frame_fragmented", 0.03, fragment, ("frame",)),
    Fault(12, "framing_broken", 0.1, break_framing),
    Fault(13, "bomb", 0.05, bomb),
    Fault(14, "number_absurd", 0.003, lie, (*MARKET_DATA, *REPORTS)),
    Fault(15, "execution_unknown", 0.003, unknown_execution, REPORTS),
    Fault(15, "stream_unknown", 0.2, unknown_public),
    Fault(16, "field_extra", 0.03, extra_field, (*MARKET_DATA, *REPORTS, *CHANGES)),
    Fault(16, "field_missing", 0.002, missing_field, (*MARKET_DATA, *REPORTS)),
    Fault(16, "field_retyped", 0.002, changed_type, (*MARKET_DATA, *REPORTS)),
    Fault(17, "message_unknown", 0.2, unknown_message),
    Fault(18, "private_silent", 0.015, silence_trade),
    Fault(19, "reset", 0.3, reset),
    Fault(19, "reset_in_frame", 0.002, cut_within_frame, ("frame",)),
    Fault(20, "closed", 0.1, close_politely),
    Fault(23, "shutdown", 0.1, shutdown),
    Fault(25, "reply_lost", 0.05, lose_reply, CHANGES),
    Fault(25, "news_lost", 0.03, lose_all_news, ("ask.p",)),
    Fault(26, "reply_twice", 0.1, repeat_reply, CHANGES),
    Fault(27, "reply_late", 0.1, reply_late, CHANGES),
    Fault(28, "fill_late", 0.2, fill_late, ("report.TRADE",)),
    Fault(29, "cancel_refused", 0.5, cancel_refused, ("reply.c",)),
    Fault(30, "fill_twice", 0.2, repeat_fill, ("report.TRADE",)),
    Fault(30, "report_lost", 0.02, lose_report, REPORTS),
    Fault(31, "reports_swapped", 0.1, fill_late, ("report.TRADE",)),
    Fault(32, "change_lost", 0.1, lose_request, ("ask.a", "ask.c")),
    Fault(33, "order_stopped", 0.5, stop_order),
    Fault(34, "place_late", 0.1, delay_place, ("ask.p",)),
    Fault(35, "accepted_twice", 0.05, accept_twice, ("ask.p",)),
    Fault(36, "stranger", 0.5, stranger),
    Fault(37, "balance_differs", 0.05, differ_balance),
    Fault(38, "throttled", 0.02, throttle, ("ask.p", "ask.c", "ask.r", "ask.a", "ask.q")),
    Fault(38, "rest_throttled", 0.03, throttle_rest, REST),
    Fault(39, "banned", 0.01, ban, ("ask.p", "ask.c", "ask.r", "ask.q")),
    Fault(40, "server_error", 0.05, server_error, ("ask.p", "ask.r", "ask.c", "ask.a")),
    Fault(41, "answer_spoiled", 0.1, spoil_answer, REST),
    Fault(42, "stream_ended", 0.1, end_stream),
    Fault(42, "logged_out", 0.1, log_out),
    Fault(43, "private_down", 0.1, private_down),
    Fault(44, "clock_stepped", 0.1, step_clock),
    Fault(44, "clock_drifts", 0.3, drift_clock),
    Fault(45, "market_closed", 0.03, closed_market, ORDERS),
    Fault(45, "grid_moved", 0.05, move_grid),
    Fault(47, "disk_full", 0.03, fill_disk),
    Fault(48, "crash", 0.4, crash),
    Fault(49, "slow_turn", 0.2, slow_strategy),
    Fault(51, "stopped", 0.05, stop_process),
    Fault(50, "mischief", 5.0, strategy_fails),
)
"""All faults of the tank, with their chance at weight 1."""
