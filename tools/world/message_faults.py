"""Faults of what messages hold, the same in both rings: lost, repeated, swapped, altered, absurd.

Each fault is a function that strikes once: it gets the world, and the message it may spoil, and
returns what passes instead and a predicate that becomes true once the code under test has reacted;
or ``None`` where there is nothing to spoil. Numbers are those of ``docs/faults.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

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
from tools.world.dialect import MARKET, TRADE
from tools.world.strikes import Fault, Struck
from tools.world.tank import Delivery, Message, server_frame
from venues.sim.fixed import parse


def altered(w: Anywhere, message: Message, body: Any) -> list[Delivery]:
    return [(w.latency(), Message(message.connection, message.opcode, w.dialect.encode(body)))]


def unchanged(w: Anywhere, message: Message) -> list[Delivery]:
    return [(w.latency(), message)]


def number_at(w: Anywhere, body: Any) -> tuple[dict[str, Any], str] | None:
    """Return where one of a message's numbers stands."""
    found: list[tuple[dict[str, Any], str]] = []
    pending = [body]
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            for key, value in one.items():
                if w.dialect.is_number(value):
                    found.append((one, key))
                elif key not in w.dialect.may_be_negative or not isinstance(value, list):
                    pending.append(value)
        elif isinstance(one, list):
            pending.extend(one)
    return w.draw.faults.choice(found) if found else None


# -- market data -----------------------------------------------------------------------------


def lose_delta(w: Anywhere, message: Message) -> Struck:
    return Struck([], resynced(w))


def repeat_delta(w: Anywhere, message: Message) -> Struck | None:
    body = w.dialect.decode(message.payload)
    row = w.engine.table.find(w.dialect.symbol(body))
    if row is None or not w.engine.books[row.index].live:
        return None
    book = w.engine.books[row.index]
    gaps, latency_ns = book.gaps, w.latency()
    # Where nothing is numbered, the book has counted both: they say the same.
    update_id = body["data"]["u"] if w.dialect.numbered else book.seq + 2
    return Struck(
        [(latency_ns, message), (latency_ns, message)],
        lambda: book.live and book.seq >= update_id and book.gaps == gaps,
    )


def swap_deltas(w: Anywhere, message: Message) -> Struck:
    w.hold(message, later_ns(w.draw.faults, 110, 350))
    return Struck([], resynced(w))


def renumber_delta(w: Anywhere, message: Message) -> Struck:
    body = w.dialect.decode(message.payload)
    data, draw = body["data"], w.draw.faults
    jump = draw.choice((10**9, 2**63, 2**64, -data["u"], 10**30))
    data["U"], data["u"] = data["U"] + jump, data["u"] + jump
    resync, refusal = resynced(w), refused(w)
    return Struck(altered(w, message, body), lambda: resync() or refusal())


TIMES_MS: Final = (0, 946_684_800_000, 7_258_118_400_000, 2**53, 2**63 - 1, -1, -(2**63))
"""Event times that no clock shows: the epoch, the years 2000 and 2200, the ends of integers."""


def misdate_delta(w: Anywhere, message: Message) -> Struck:
    """A change carries a time from long ago, from far ahead, or from nowhere."""
    dialect, draw = w.dialect, w.draw.faults
    body = dialect.decode(message.payload)
    if draw.random() < 0.5:
        dialect.date(body, dialect.time_ms(body) - draw.randrange(3_000, 60_000))
    else:
        dialect.date(body, draw.choice(TIMES_MS))
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
    dialect, draw = w.dialect, w.draw.faults
    body = dialect.decode(message.payload)
    order = w.engine.orders.find(dialect.report_name(body))
    if order is None:
        return None
    row = w.engine.table[order.instrument]
    if not w.auditor.halts.trades(row.symbol):
        return None
    side = draw.choice((True, False) if order.price_ticks else (True,))
    price = 0 if side else parse(row.tick.text(order.price_ticks + draw.choice((-1, 1))))
    if not dialect.contradict(body, side=side, price=price):
        return None
    w.auditor.halts.may_halt(row.symbol)
    risk, index = w.engine.risk, row.index
    return Struck(altered(w, message, body), lambda: bool(risk.instrument_halted(index)))


def misprice_bbo(w: Anywhere, message: Message) -> Struck | None:
    """Best prices far off the market, at the next update of a live book."""
    if Stream.DEPTH not in w.engine.setup.streams:
        return None  # best prices alone have nothing to be held against
    dialect = w.dialect
    body = dialect.decode(message.payload)
    data = dialect.entry(body) or {}
    row = w.engine.table.find(dialect.symbol(body))
    if row is None or not w.engine.books[row.index].live:
        return None
    if dialect.numbered and data["u"] <= w.engine.books[row.index].seq:
        return None
    part = w.draw.faults.choice((50, 90, 110, 150))
    for key in (dialect.bbo.bid, dialect.bbo.ask):
        ticks = row.tick.count(dialect.text(data[key])) * part // 100
        data[key] = dialect.number(row.tick.text(ticks + (key == dialect.bbo.ask)))
    return Struck(altered(w, message, body), resynced(w))


def cross_bbo(w: Anywhere, message: Message) -> Struck:
    body, bbo = w.dialect.decode(message.payload), w.dialect.bbo
    data = w.dialect.entry(body) or {}
    data[bbo.bid], data[bbo.ask] = data[bbo.ask], data[bbo.bid]
    return Struck(altered(w, message, body), resynced(w))


def negate_bbo(w: Anywhere, message: Message) -> Struck:
    dialect, bbo = w.dialect, w.dialect.bbo
    body = dialect.decode(message.payload)
    data = dialect.entry(body) or {}
    data[bbo.bid_size] = dialect.number("-" + dialect.text(data[bbo.bid_size]))
    return Struck(altered(w, message, body), refused(w))


def silence_market(w: Anywhere) -> Struck | None:
    return _silence(w, MARKET)


def silence_trade(w: Anywhere) -> Struck | None:
    return _silence(w, TRADE)


def _silence(w: Anywhere, connection: int) -> Struck | None:
    """The socket is alive, and nothing comes any more."""
    link = w.links.get(connection)
    if link is None:
        return None
    silent_s = w.dialect.silent_s
    w.tampering.mute_until_ns[connection] = w.now_ns + int(silent_s * NS_PER_S)
    w.strikes.lull(silent_s)
    since_ns = w.now_ns

    def reaction() -> bool:
        if w.links.get(connection) is link:
            return False
        w.tampering.mute_until_ns[connection] = 0
        return w.now_ns - since_ns > w.dialect.noticed_s * NS_PER_S

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
    ponged = Message(message.connection, PONG, name)
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
    connection = w.draw.faults.choice((MARKET, TRADE))
    if connection not in w.links:
        return None
    frame = w.draw.faults.choice(BAD_FRAMES)
    w.say_raw(connection, frame)
    return Struck(None, redialled(w, connection))


def bomb(w: Anywhere) -> Struck | None:
    connection = w.draw.faults.choice((MARKET, TRADE))
    payload = w.draw.faults.choice(w.dialect.bombs)
    if connection not in w.links:
        return None
    w.say_past(Message(connection, TEXT, payload))
    return Struck(None, refused(w))


# -- what messages say -----------------------------------------------------------------------


def lie(w: Anywhere, message: Message) -> Struck | None:
    dialect = w.dialect
    body = dialect.decode(message.payload)
    place = number_at(w, body)
    if place is None:
        return None
    within, key = place
    signed = key in dialect.may_be_negative
    lies = [lie for lie in dialect.lies if not (signed and lie.startswith("-1"))]
    within[key] = dialect.number(w.draw.faults.choice(lies))
    refusal, halt = refused(w), logged(w, "halted:")
    return Struck(altered(w, message, body), lambda: refusal() or halt())


def unknown_execution(w: Anywhere, message: Message) -> Struck | None:
    body = w.dialect.decode(message.payload)
    symbol = _symbol_of_report(w, body)
    if not symbol:
        return None
    w.dialect.make_unknown(body)
    w.auditor.halts.may_halt(symbol)

    def reaction() -> bool:
        row = w.engine.table.find(symbol)
        return row is not None and bool(w.engine.risk.instrument_halted(row.index))

    return Struck(altered(w, message, body), reaction)


def _symbol_of_report(w: Anywhere, body: Any) -> str:
    """Return the symbol of the order of ours that a report is about, "" where it is of none."""
    order = w.auditor.ledger.order_of(w.dialect.report_name(body))
    return str((w.dialect.entry(body) or {}).get("s") or ("" if order is None else order.symbol))


def unknown_public(w: Anywhere) -> Struck | None:
    if MARKET not in w.links:
        return None
    w.say_past(Message(MARKET, TEXT, w.dialect.unknown_public))
    return Struck(None, ignored(w))


def extra_field(w: Anywhere, message: Message) -> Struck:
    body = w.dialect.decode(message.payload)
    inner = w.dialect.entry(body) or body
    inner["zz"] = {"new": [1, "2", None]}
    return Struck(altered(w, message, body), understood(w))


def missing_field(w: Anywhere, message: Message) -> Struck | None:
    body = w.dialect.decode(message.payload)
    return _drift(w, message, body, lambda inner, key: inner.pop(key))


def changed_type(w: Anywhere, message: Message) -> Struck | None:
    body = w.dialect.decode(message.payload)
    return _drift(w, message, body, lambda inner, key: inner.update({key: {"now": "an object"}}))


def _drift(
    w: Anywhere, message: Message, body: Any, change: Callable[[dict[str, Any], str], Any]
) -> Struck | None:
    inner = w.dialect.entry(body)
    if inner is None:
        return None
    kind = w.dialect.kind_of(message.connection, message.payload)
    needed = w.dialect.needed
    key = w.draw.faults.choice(needed[kind if kind in needed else "event"])
    if key not in inner:
        return None
    change(inner, key)
    return Struck(altered(w, message, body), refused(w))


def unknown_message(w: Anywhere) -> Struck | None:
    if TRADE not in w.links:
        return None
    w.say_past(Message(TRADE, TEXT, w.dialect.unknown_private))
    return Struck(None, ignored(w))


def end_stream(w: Anywhere) -> Struck | None:
    if TRADE not in w.links:
        return None
    w.say_past(Message(TRADE, TEXT, w.dialect.stream_ended))
    return Struck(None, redialled(w, TRADE), 30.0)


def log_out(w: Anywhere) -> Struck | None:
    if TRADE not in w.links:
        return None
    w.say_past(Message(TRADE, TEXT, w.dialect.logged_out))
    return Struck(None, redialled(w, TRADE), 30.0)


REPORTS: Final = ("report.NEW", "report.TRADE", "report.CANCELED", "report.EXPIRED")
CHANGES: Final = ("reply.p", "reply.c", "reply.r", "reply.a")
MARKET_DATA: Final = ("top", "delta", "trade")

FAULTS: Final = (
    Fault(1, "delta_lost", 0.02, lose_delta, ("delta",)),
    Fault(2, "delta_twice", 0.05, repeat_delta, ("delta",)),
    Fault(3, "deltas_swapped", 0.02, swap_deltas, ("delta",)),
    Fault(6, "top_crossed", 0.005, cross_bbo, ("top",)),
    Fault(6, "top_far", 0.005, misprice_bbo, ("top",)),
    Fault(6, "top_negative", 0.002, negate_bbo, ("top",)),
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
