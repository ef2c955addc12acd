"""Faults of what messages hold, the same in both rings: lost, repeated, swapped, altered, absurd.

Each fault is a function that strikes once: it gets the world, and the message it may spoil, and
returns what passes instead and a predicate that becomes true once the code under test has reacted;
or ``None`` where there is nothing to spoil. Numbers are those of ``docs/faults.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from core.model.units import NS_PER_S
from core.model.venue import Stream
from core.protocols.websocket import PING, PONG, TEXT
from tools.world.anywhere import (
    Anywhere,
    ignored,
    later_ns,
    logged,
    redialled,
    refused,
    resynced,
    understood,
)
from tools.world.strikes import Fault, Struck
from tools.world.tank import Delivery, Message, server_frame
from venues.binance.decode import MARKET, TRADE
from venues.sim.fixed import parse, show

encode: Final = msgspec.json.encode
decode: Final = msgspec.json.decode

LIES: Final = ("NaN", "Infinity", "-0", "1e999", "1_000", "", "-1.00000000", "9" * 30, "0x10", "१")
"""Numbers that are none."""

FEES: Final = frozenset({"n", "commission"})
"""Where a number below zero is one: a rebate."""


def altered(w: Anywhere, message: Message, body: Any) -> list[Delivery]:
    return [(w.latency(), Message(message.line, message.opcode, encode(body)))]


def unchanged(w: Anywhere, message: Message) -> list[Delivery]:
    return [(w.latency(), message)]


def symbol_of(message: Message) -> str:
    return str(decode(message.payload)["data"]["s"])


def number_at(w: Anywhere, body: Any) -> tuple[dict[str, Any], str] | None:
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


def lose_delta(w: Anywhere, message: Message) -> Struck:
    return Struck([], resynced(w))


def repeat_delta(w: Anywhere, message: Message) -> Struck | None:
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


def swap_deltas(w: Anywhere, message: Message) -> Struck:
    w.hold(message, later_ns(w.draw.faults, 110, 350))
    return Struck([], resynced(w))


def renumber_delta(w: Anywhere, message: Message) -> Struck:
    body = decode(message.payload)
    data, draw = body["data"], w.draw.faults
    jump = draw.choice((10**9, 2**63, 2**64, -data["u"], 10**30))
    data["U"], data["u"] = data["U"] + jump, data["u"] + jump
    resync, refusal = resynced(w), refused(w)
    return Struck(altered(w, message, body), lambda: resync() or refusal())


TIMES_MS: Final = (0, 946_684_800_000, 7_258_118_400_000, 2**53, 2**63 - 1, -1, -(2**63))
"""Event times that no clock shows: the epoch, the years 2000 and 2200, the ends of integers."""


def misdate_delta(w: Anywhere, message: Message) -> Struck:
    """A change carries a time from long ago, from far ahead, or from nowhere."""
    body = decode(message.payload)
    draw = w.draw.faults
    if draw.random() < 0.5:
        body["data"]["E"] -= draw.randrange(3_000, 60_000)
    else:
        body["data"]["E"] = draw.choice(TIMES_MS)
    resync, refusal = resynced(w), refused(w)
    return Struck(altered(w, message, body), lambda: resync() or refusal())


def misdate_feed(w: Anywhere) -> Struck | None:
    """All that the market line says carries times from seconds ago, or ahead, for a while."""
    draw = w.draw.faults
    if MARKET not in w.links or w.now_ns < w.tampering.dated_until_ns:
        return None
    seconds = draw.uniform(1.0, 4.0)
    w.tampering.dated_ms = draw.choice((-1, -1, -1, 1)) * draw.randint(3_000, 15_000)
    w.tampering.dated_until_ns = w.now_ns + int(seconds * NS_PER_S)
    w.strikes.last(seconds)
    before = w.engine.counts.resyncs
    return Struck(None, lambda: w.engine.counts.resyncs > before)


def contradict(w: Anywhere, message: Message) -> Struck | None:
    """A report names an order of ours, and tells another side, price or symbol."""
    body, draw = decode(message.payload), w.draw.faults
    event = body["event"]
    order = w.engine.orders.find(event["C"]) or w.engine.orders.find(event["c"])
    if order is None or not w.auditor.halts.trades(event["s"]):
        return None
    row = w.engine.table[order.instrument]
    w.auditor.halts.may_halt(row.symbol)
    key = draw.choice(("S", "p") if order.price_ticks else ("S",))
    if key == "S":
        event["S"] = "SELL" if event["S"] == "BUY" else "BUY"
    else:
        event["p"] = show(parse(row.tick.text(order.price_ticks + draw.choice((-1, 1)))))
    risk, index = w.engine.risk, row.index
    return Struck(altered(w, message, body), lambda: bool(risk.instrument_halted(index)))


def misprice_top(w: Anywhere, message: Message) -> Struck | None:
    """Best prices far off the market, at the next update of a live book."""
    if Stream.DEPTH not in w.engine.setup.streams:
        return None  # best prices alone have nothing to be held against
    body = decode(message.payload)
    data = body["data"]
    row = w.engine.table.find(data["s"])
    if (
        row is None
        or not w.engine.books[row.index].live
        or data["u"] <= w.engine.books[row.index].seq
    ):
        return None
    part = w.draw.faults.choice((50, 90, 110, 150))
    for key in ("b", "a"):
        ticks = row.tick.count(data[key]) * part // 100
        data[key] = row.tick.text(ticks + (key == "a"))
    return Struck(altered(w, message, body), resynced(w))


def cross_top(w: Anywhere, message: Message) -> Struck:
    body = decode(message.payload)
    data = body["data"]
    data["b"], data["a"] = data["a"], data["b"]
    return Struck(altered(w, message, body), resynced(w))


def negate_top(w: Anywhere, message: Message) -> Struck:
    body = decode(message.payload)
    body["data"]["B"] = "-" + body["data"]["B"]
    return Struck(altered(w, message, body), refused(w))


def silence_market(w: Anywhere) -> Struck | None:
    return _silence(w, MARKET)


def silence_trade(w: Anywhere) -> Struck | None:
    return _silence(w, TRADE)


SILENT_S: Final = 50.0
"""Virtual seconds after which a silent line has been noticed for sure."""

NOTICED_NS: Final = 25 * NS_PER_S
"""No line is dropped for its silence before: the exchange's own pings are 20 s apart."""


def _silence(w: Anywhere, line: int) -> Struck | None:
    """The socket is alive, and nothing comes any more."""
    link = w.links.get(line)
    if link is None:
        return None
    w.tampering.mute_until_ns[line] = w.now_ns + int(SILENT_S * NS_PER_S)
    w.strikes.lull(SILENT_S)
    since_ns = w.now_ns

    def reaction() -> bool:
        if w.links.get(line) is link:
            return False
        w.tampering.mute_until_ns[line] = 0
        return w.now_ns - since_ns > NOTICED_NS

    return Struck(None, reaction, 60.0)


# -- frames ----------------------------------------------------------------------------------


def fragment(w: Anywhere, message: Message) -> Struck:
    """Send a message in fragments, with a ping between them."""
    draw, payload = w.draw.faults, message.payload
    cut = draw.randrange(len(payload) + 1)
    name = b"between-%d" % draw.getrandbits(30)
    first, last = server_frame(message.opcode, payload[:cut]), server_frame(0, payload[cut:])
    frames = [bytes([first[0] & 0x7F]) + first[1:], server_frame(PING, name), last]
    data = b"".join(frames)
    ponged = Message(message.line, PONG, name)
    return Struck([(0, data)], lambda: ponged in w.sent[-50:])


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


def break_framing(w: Anywhere) -> Struck | None:
    line = w.draw.faults.choice((MARKET, TRADE))
    if line not in w.links:
        return None
    frame = w.draw.faults.choice(BAD_FRAMES)
    w.say_raw(line, frame)
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


def bomb(w: Anywhere) -> Struck | None:
    line = w.draw.faults.choice((MARKET, TRADE))
    payload = w.draw.faults.choice(BOMBS)
    if line not in w.links:
        return None
    w.say_past(Message(line, TEXT, payload))
    return Struck(None, refused(w))


# -- what messages say -----------------------------------------------------------------------


def lie(w: Anywhere, message: Message) -> Struck | None:
    body = decode(message.payload)
    place = number_at(w, body)
    if place is None:
        return None
    within, key = place
    lies = [lie for lie in LIES if key not in FEES or not lie.startswith("-1")]
    within[key] = w.draw.faults.choice(lies)
    refusal, halt = refused(w), logged(w, "halted:")
    return Struck(altered(w, message, body), lambda: refusal() or halt())


def unknown_execution(w: Anywhere, message: Message) -> Struck:
    body = decode(message.payload)
    body["event"]["x"] = "FUNDING"
    symbol = body["event"]["s"]
    w.auditor.halts.may_halt(symbol)

    def reaction() -> bool:
        row = w.engine.table.find(symbol)
        return row is not None and bool(w.engine.risk.instrument_halted(row.index))

    return Struck(altered(w, message, body), reaction)


def unknown_public(w: Anywhere) -> Struck | None:
    if MARKET not in w.links:
        return None
    payload = b'{"stream":"btcusdt@newFeed","data":{"e":"newFeed","E":1}}'
    w.say_past(Message(MARKET, TEXT, payload))
    return Struck(None, ignored(w))


def extra_field(w: Anywhere, message: Message) -> Struck:
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


def missing_field(w: Anywhere, message: Message) -> Struck | None:
    body = decode(message.payload)
    return _drift(w, message, body, lambda inner, key: inner.pop(key))


def changed_type(w: Anywhere, message: Message) -> Struck | None:
    body = decode(message.payload)
    return _drift(w, message, body, lambda inner, key: inner.update({key: {"now": "an object"}}))


def _drift(
    w: Anywhere, message: Message, body: Any, change: Callable[[dict[str, Any], str], Any]
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


def unknown_message(w: Anywhere) -> Struck | None:
    if TRADE not in w.links:
        return None
    payload = b'{"subscriptionId":0,"event":{"e":"liabilityUpdate","E":1,"a":"BTC"}}'
    w.say_past(Message(TRADE, TEXT, payload))
    return Struck(None, ignored(w))


def end_stream(w: Anywhere) -> Struck | None:
    if TRADE not in w.links:
        return None
    ended = {"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": 1}}
    w.say_past(Message(TRADE, TEXT, encode(ended)))
    return Struck(None, redialled(w, TRADE), 30.0)


def log_out(w: Anywhere) -> Struck | None:
    if TRADE not in w.links:
        return None
    error = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}
    said = {"id": None, "status": 401, "error": error}
    w.say_past(Message(TRADE, TEXT, encode(said)))
    return Struck(None, redialled(w, TRADE), 30.0)


REPORTS: Final = ("report.NEW", "report.TRADE", "report.CANCELED", "report.EXPIRED")
CHANGES: Final = ("reply.p", "reply.c", "reply.r", "reply.a")
MARKET_DATA: Final = ("top", "delta", "trade")

FAULTS: Final = (
    Fault(1, "delta_lost", 0.02, lose_delta, ("delta",)),
    Fault(2, "delta_twice", 0.05, repeat_delta, ("delta",)),
    Fault(3, "deltas_swapped", 0.02, swap_deltas, ("delta",)),
    Fault(6, "top_crossed", 0.005, cross_top, ("top",)),
    Fault(6, "top_far", 0.005, misprice_top, ("top",)),
    Fault(6, "top_negative", 0.002, negate_top, ("top",)),
    Fault(7, "delta_renumbered", 0.01, renumber_delta, ("delta",)),
    Fault(24, "delta_misdated", 0.01, misdate_delta, ("delta",)),
    Fault(8, "market_silent", 0.015, silence_market),
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
    Fault(67, "feed_misdated", 0.2, misdate_feed),
    Fault(70, "report_contradicts", 0.01, contradict, REPORTS),
    Fault(42, "stream_ended", 0.1, end_stream),
    Fault(42, "logged_out", 0.1, log_out),
)
