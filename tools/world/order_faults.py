"""Faults of requests, replies, reports and answers, the same in both rings.

The functions are as in ``message_faults``. Those of a request decide what the exchange gets, those
of an answer of REST get it whole; what a connection makes of it is not theirs.
"""

from __future__ import annotations

from functools import partial
from string import ascii_lowercase
from typing import Any, Final

import msgspec

from core.model.events import NO_INSTRUMENT
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import HttpRequest
from core.model.views import OrderState
from core.protocols.websocket import TEXT
from tools.world.anywhere import (
    Answer,
    Anywhere,
    Reaction,
    doubted,
    later_ns,
    logged,
    proved,
    requested_again,
    resynced,
)
from tools.world.dialect import MARKET, TRADE
from tools.world.message_faults import CHANGES, REPORTS, unchanged
from tools.world.strikes import Fault, Struck
from tools.world.tank import Message
from venues.sim.faults import Fault as SimFault
from venues.sim.faults import Kind as SimKind
from venues.sim.http import HttpRequest as SimRequest

encode: Final = msgspec.json.encode
decode: Final = msgspec.json.decode


def requested_of(w: Anywhere, message: Message) -> str:
    """Return the client order id that a request is about, "" where it names none."""
    return w.dialect.request(message.payload).client_id


def told_of(w: Anywhere, message: Message) -> str:
    """Return the client order id that a report is about."""
    return w.dialect.report_name(w.dialect.decode(message.payload))


def lose_reply(w: Anywhere, message: Message) -> Struck | None:
    client_id = _queried(w, message)
    return None if client_id is None else Struck([], proved(w, client_id), 30.0)


def _queried(w: Anywhere, message: Message) -> str | None:
    """Return the client order id of the request that a reply answers."""
    dialect = w.dialect
    wire_id = dialect.reply_id(message.payload)
    for sent in reversed(w.sent):
        is_request = sent.connection == TRADE and sent.opcode == TEXT
        is_request = is_request and dialect.is_request(sent.payload)
        if is_request and dialect.request_id(sent.payload) == wire_id:
            return requested_of(w, sent) or None
    return None


def lose_all_news(w: Anywhere, message: Message) -> Struck | None:
    """Neither reply nor report of an order arrive, for as long as replies are awaited."""
    client_id = requested_of(w, message)
    if not client_id:
        return None
    w.tampering.deaf[b'"%s"' % client_id.encode()] = w.now_ns + later_ns(w.draw.faults, 1000, 11000)
    return Struck(unchanged(w, message), doubted(w, client_id), 30.0)


def repeat_reply(w: Anywhere, message: Message) -> Struck:
    w.hold(message, later_ns(w.draw.faults, 0, 300))
    before = w.engine.counts.replies
    return Struck(unchanged(w, message), lambda: w.engine.counts.replies >= before + 2)


def reply_late(w: Anywhere, message: Message) -> Struck | None:
    """The stream's report overtakes the reply."""
    client_id = _queried(w, message)
    if client_id is None:
        return None
    w.hold(message, later_ns(w.draw.faults, 20, 800))
    inflight = w.engine.outbound.inflight
    wire_id = int(w.dialect.reply_id(message.payload).lstrip(ascii_lowercase))

    def reaction() -> bool:
        order = w.engine.orders.find(client_id)
        waits = any(asked.request_id == wire_id for asked in inflight)
        return order is not None and order.proved and waits

    return Struck([], reaction)


def _booked(w: Anywhere, message: Message) -> Reaction:
    """A fill moved the position, once."""
    body = w.dialect.decode(message.payload)
    client_id, trade_id = w.dialect.report_name(body), w.dialect.trade_id(body)

    def reaction() -> bool:
        order = w.engine.orders.find(client_id)
        return (
            order is not None
            and trade_id in order.trade_ids
            and order.traded_lots <= order.size_lots
        )

    return reaction


def fill_late(w: Anywhere, message: Message) -> Struck:
    """A fill is told after what happened later: other fills, or the end of its order."""
    w.hold(message, later_ns(w.draw.faults, 1, 1200))
    return Struck([], _booked(w, message))


def repeat_fill(w: Anywhere, message: Message) -> Struck:
    w.hold(message, later_ns(w.draw.faults, 0, 2000))
    return Struck(unchanged(w, message), _booked(w, message))


def lose_report(w: Anywhere, message: Message) -> Struck:
    """A private event is lost although its connection stands: the next pass has to find it."""
    client_id = told_of(w, message)

    def reaction() -> bool:
        order, true = w.engine.orders.find(client_id), w.auditor.ledger.order_of(client_id)
        if order is None or true is None:
            return True
        return order.state.terminal != true.is_open

    return Struck([], reaction, 70.0)


def cancel_refused(w: Anywhere, message: Message) -> Struck | None:
    """The cancel of an order that is gone: nothing is spoiled, the order is asked about."""
    refusal = w.dialect.refusal(message.payload)
    if refusal is None or w.dialect.refused_for_limits(message.payload):
        return None
    client_id = _queried(w, message)
    return None if client_id is None else Struck(unchanged(w, message), proved(w, client_id))


def lose_request(w: Anywhere, message: Message) -> Struck | None:
    """A cancel or an amend is lost within the exchange."""
    asked = w.dialect.request(message.payload)

    def reaction() -> bool:
        for order in w.engine.orders.unsettled():
            if asked.client_id == order.client_order_id or asked.number == order.venue_order_id:
                return not order.cancelling
        return True

    return Struck([], reaction, 15.0)


def delay_place(w: Anywhere, message: Message) -> Struck:
    """An order is accepted late, at times after its reply was given up or its connection was
    lost.
    """
    draw = w.draw.faults
    client_id = requested_of(w, message)
    if draw.random() < 0.5:
        link = w.links.get(TRADE)

        def cut() -> None:
            if w.alive and link is not None and w.links.get(TRADE) is link:
                w.cut(TRADE)

        w.at(w.now_ns + later_ns(draw, 1, 200), cut)
        return Struck([(later_ns(draw, 100, 4900), message)], doubted(w, client_id), 20.0)
    return Struck([(later_ns(draw, 100, 4900), message)], proved(w, client_id), 20.0)


def accept_twice(w: Anywhere, message: Message) -> Struck | None:
    """The exchange takes one client order id for two orders."""
    orders = w.dialect.request(message.payload).orders
    if len(orders) != 1 or (orders[0].kind != "MARKET" and orders[0].tif != "IOC"):
        return None
    client_id = orders[0].client_id
    w.auditor.ledger.excused.add(client_id)
    latency_ns = w.latency()
    again = [(latency_ns, message), (latency_ns + 1, message)]
    halted = logged(w, "halted:")

    def reaction() -> bool:
        order = w.auditor.ledger.order_of(client_id)
        return halted() or order is None

    return Struck(again, reaction)


# -- refusals --------------------------------------------------------------------------------


def _refuse(w: Anywhere, message: Message, refusal: Any, until_ns: int = 0) -> None:
    """Answer a request instead of the exchange, which may say when to come back."""
    said = w.dialect.refuses(message.payload, refusal, w.venue_ns, until_ns)
    w.hold(Message(TRADE, TEXT, said), w.latency())


def throttle(w: Anywhere, message: Message) -> Struck:
    """429, with and without the time at which to come back."""
    until_ns = 0
    if w.draw.faults.random() < 0.7:
        until_ns = w.venue_ns + later_ns(w.draw.faults, 100, 3000)
    _refuse(w, message, w.dialect.too_many, until_ns)
    return Struck([], lambda: w.engine.throttle.cooling_until_ns > w.venue_ns)


def spend_orders(w: Anywhere, message: Message) -> Struck:
    """Somebody else on the account has used the order budget up: nothing but orders has to wait."""
    _refuse(w, message, w.dialect.orders_spent)
    orders = w.dialect.request(message.payload).orders  # of one symbol, where they are many
    row = w.engine.table.find(orders[0].symbol)

    def reaction() -> bool:
        index = NO_INSTRUMENT if row is None else row.index
        return w.engine.throttle.free(w.dialect.orders_limit, w.venue_ns, index) == 0

    return Struck([], reaction)


def forbid(w: Anywhere, message: Message) -> Struck:
    """The venue refuses for good: it halts the symbol or everything, in the venue's words."""
    refusal = w.draw.faults.choice(w.dialect.forbidden)
    text = w.dialect.words(refusal)
    _refuse(w, message, refusal)
    w.auditor.halts.may_halt("")
    return Struck([], lambda: any(text in halt.why for halt in w.engine.risk.halts()))


def ban(w: Anywhere, message: Message) -> Struck:
    """Nothing may be sent for a while, and nothing dialled where a connection is lost meanwhile."""
    connection = w.draw.faults.choice((MARKET, TRADE, None))
    if connection is not None:
        w.at(w.now_ns + 2 * w.latency_ns + 10 * NS_PER_MS, partial(w.cut, connection))
    until_ns = w.venue_ns + later_ns(w.draw.faults, 500, 4000)
    _refuse(w, message, w.dialect.banned, until_ns)
    return Struck([], lambda: w.engine.throttle.banned_until_ns > w.venue_ns)


def server_error(w: Anywhere, message: Message) -> Struck | None:
    """5xx and the like, whether the request was executed or not."""
    client_id = requested_of(w, message)
    if not client_id:
        return None
    _refuse(w, message, w.draw.faults.choice(w.dialect.errors))
    if w.draw.faults.random() < 0.5:
        return Struck([], doubted(w, client_id), 20.0)
    w.tampering.deaf[w.dialect.reply_mark(message.payload)] = w.now_ns + NS_PER_S
    return Struck(unchanged(w, message), doubted(w, client_id), 20.0)


def closed_market(w: Anywhere, message: Message) -> Struck:
    client_id = requested_of(w, message)
    _refuse(w, message, w.dialect.closed)

    def reaction() -> bool:
        order = w.engine.orders.find(client_id)
        return order is not None and order.state is OrderState.REJECTED

    return Struck([], reaction)


# -- answers ---------------------------------------------------------------------------------


def age_snapshot(w: Anywhere, request: HttpRequest | SimRequest, answer: Answer) -> Struck | None:
    latency_ns, status, headers, body = answer
    row = w.engine.table.find(request.query.partition("symbol=")[2].partition("&")[0])
    if status != 200 or row is None or not w.engine.books[row.index].wants_snapshot:
        return None  # without a change kept nothing tells how old it is
    depth = decode(body)
    depth["lastUpdateId"] = 0
    return Struck((latency_ns, status, headers, encode(depth)), requested_again(w, request.path))


AHEAD_S: Final = 4.0
"""Within which a feed that goes on has shown that it does not reach a snapshot."""


def advance_snapshot(
    w: Anywhere, request: HttpRequest | SimRequest, answer: Answer
) -> Struck | None:
    """A snapshot is numbered as no change of the feed will be for as long as anybody lives."""
    latency_ns, status, headers, body = answer
    row = w.engine.table.find(request.query.partition("symbol=")[2].partition("&")[0])
    if status != 200 or row is None or not w.engine.books[row.index].wants_snapshot:
        return None
    w.strikes.last(AHEAD_S)  # a feed that says no more cannot contradict it
    depth = decode(body)
    depth["lastUpdateId"] += w.draw.faults.choice((10**9, 2**62))
    w.auditor.books.misnumbered(row.symbol, w.now_ns + int(AHEAD_S * NS_PER_S))
    return Struck((latency_ns, status, headers, encode(depth)), resynced(w), AHEAD_S)


def differ_balance(w: Anywhere) -> Struck | None:
    """The account does not hold what our fills make of it: for one answer, or from now on."""
    engine, path = w.engine, w.dialect.paths["account"]
    if TRADE not in w.links or engine.ledger.in_doubt or not engine.recovery.reconciled:
        return None
    asset = engine.table[0].base
    more, once = w.draw.faults.randint(1, 1000), w.draw.faults.random() < 0.5

    def lie(body: bytes) -> bytes:
        if once:
            del w.tampering.lies[path]
        return w.dialect.with_more(body, asset, more * 10**6)

    w.tampering.lies[path] = (engine.setup.boot, lie)
    w.auditor.halts.may_halt("")
    w.auditor.rest.lied_about_balances = True
    w.cut(TRADE)
    w.strikes.lull(LEDGER_S)
    noticed = "others on the account" if w.auditor.shared else "halted: the ledgers differ"
    halted, again = logged(w, noticed), requested_again(w, path, 2)
    return Struck(None, lambda: again() if once else halted(), 2 * LEDGER_S)


LEDGER_S: Final = 6.0
"""Virtual seconds after which balances that differ have been asked for thrice."""


def move_grid(w: Anywhere) -> Struck | None:
    """The exchange lists another tick or lot from now on; a wrong clock has it looked at early."""
    engine, path, draw = w.engine, w.dialect.paths["exchangeInfo"], w.draw.faults
    if path in w.tampering.lies or not len(engine.table) or TRADE not in w.links:
        return None
    row = draw.choice(list(engine.table))
    tick = draw.choice((True, False))
    factor = draw.choice((10, 5, 2))

    def lie(body: bytes) -> bytes:
        return w.dialect.with_grid(body, row.symbol, tick=tick, factor=factor)

    w.tampering.lies[path] = (engine.setup.boot, lie)
    w.auditor.halts.may_halt(row.symbol)
    if w.dialect.look_again:
        w.say_past(Message(TRADE, TEXT, w.dialect.look_again))
    return Struck(None, lambda: "tick or lot" in engine.risk.instrument_halted(row.index), 40.0)


def spoil_answer(w: Anywhere, request: HttpRequest | SimRequest, answer: Answer) -> Struck | None:
    """A REST answer that is none: HTML, cut off, an error with status 200, or nothing at all."""
    draw = w.draw.faults
    latency_ns, status, headers, body = answer
    reaction = requested_again(w, request.path)
    html = b"<html><head><title>Attention Required!</title></head></html>"
    spoiled: Answer | None = draw.choice(
        (
            (latency_ns, 200, headers, html),
            (latency_ns, 403, {}, html),
            (latency_ns, 502, {}, html),
            (latency_ns, 200, headers, body[: draw.randrange(len(body) + 1)]),
            (latency_ns, 200, headers, w.dialect.no_html[0]),
            (latency_ns, 500, headers, w.dialect.no_html[1]),
            (latency_ns, 0, {}, b"timed out"),
            (latency_ns + 9 * NS_PER_S, status, headers, body),
            None,
        )
    )
    return Struck(spoiled, reaction, 30.0)


def throttle_rest(w: Anywhere, request: HttpRequest | SimRequest, answer: Answer) -> Struck:
    headers = {"retry-after": "1"} if w.draw.faults.random() < 0.5 else {}
    status, body = w.dialect.throttled_rest()

    def reaction() -> bool:
        throttle, limit = w.engine.throttle, w.dialect.calls_limit
        spent = bool(limit) and not throttle.free(limit, w.venue_ns)
        return spent or throttle.cooling_until_ns > w.venue_ns

    return Struck((answer[0], status, headers, body), reaction)


LINE_LOST: Final = 0.5
"""Share of the replicas that are behind when the private connection is lost: something is asked
then.
"""

ASKED_S: Final = 2.0
"""Within which that connection stands again, as a rule, and all is asked; less than what passes
between two of these faults at their most frequent, so that no storm goes on for ever."""


def lag_answers(w: Anywhere) -> Struck:
    """Questions about orders and trades are answered from a replica that is behind.

    As a rule little is asked. Where the private connection is lost, all is.
    """
    draw = w.draw.faults
    lag = SimFault(
        fault=SimKind.LAG,
        methods=(draw.choice(w.dialect.questions),),
        delay_ms=draw.randint(200, 60_000),
        seconds=draw.uniform(0.5, 10.0),
    )
    w.venue.faults.switch_on(lag, w.venue_ns)
    before = w.venue.faults.hits[SimKind.LAG]
    if draw.random() < LINE_LOST:
        w.cut(TRADE)
        w.strikes.last(ASKED_S)
    return Struck(None, lambda: w.venue.faults.hits[SimKind.LAG] > before, 60.0)


ORDERS: Final = ("ask.p", "ask.r")
REST: Final = (
    "rest.depth", "rest.openOrders", "rest.myTrades", "rest.account", "rest.exchangeInfo",
    "rest.time", "rest.order", "rest.token",
)  # fmt: skip

FAULTS: Final = (
    Fault(4, "snapshot_old", 0.3, age_snapshot, ("rest.depth",)),
    Fault(4, "snapshot_ahead", 0.5, advance_snapshot, ("rest.depth",)),
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
    Fault(34, "place_late", 0.1, delay_place, ("ask.p",)),
    Fault(35, "accepted_twice", 0.05, accept_twice, ("ask.p",)),
    Fault(37, "balance_differs", 0.05, differ_balance),
    Fault(38, "throttled", 0.02, throttle, ("ask.p", "ask.c", "ask.r", "ask.a", "ask.q")),
    Fault(38, "rest_throttled", 0.03, throttle_rest, REST),
    Fault(39, "banned", 0.01, ban, ("ask.p", "ask.c", "ask.r", "ask.q")),
    Fault(40, "server_error", 0.05, server_error, ("ask.p", "ask.r", "ask.c", "ask.a")),
    Fault(41, "answer_spoiled", 0.1, spoil_answer, REST),
    Fault(45, "market_closed", 0.03, closed_market, ORDERS),
    Fault(45, "grid_moved", 0.05, move_grid),
    Fault(57, "answers_lag", 0.2, lag_answers),
    Fault(61, "forbidden", 0.004, forbid, ORDERS),
    Fault(62, "orders_spent", 0.02, spend_orders, ("ask.p",)),
)
