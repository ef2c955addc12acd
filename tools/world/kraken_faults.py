"""Faults that Kraken alone has: checksums, states of its trading engine, tokens, nonces, its timer.

The functions are as in ``message_faults``. What the venue does is done to its exchange, or taken
from its documentation; what must hold then is in ``tools.world.audit.kraken``.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, cast

from msgspec import Raw

from core.model.instrument import Trading
from core.model.units import NS_PER_S
from tools.world.anywhere import Answer, Anywhere, later_ns, redialled, requested_again, resynced
from tools.world.audit.kraken import Proofs, Sessions
from tools.world.dialect import TRADE
from tools.world.strikes import Fault, Struck
from tools.world.tank import Message
from venues.sim.actions import Action, SetStatus
from venues.sim.faults import ConnectionName
from venues.sim.faults import Fault as SimFault
from venues.sim.faults import Kind as SimKind
from venues.sim.kraken.actions import EndSessions, SetSystem, UseNonce
from venues.sim.kraken.exchange import Exchange
from venues.sim.kraken.market_data import wrong
from venues.sim.kraken.venue import Venue
from venues.sim.ledger import DEFAULT_KEY

SUMMED_LEVELS: Final = 10
"""Levels of each side that a checksum is made of."""


def exchange_of(w: Anywhere) -> Exchange:
    return cast(Venue, w.venue).exchange


# -- books -----------------------------------------------------------------------------------


def spoil_checksum(w: Anywhere, message: Message) -> Struck:
    """The venue's checksum is wrong, what it tells of the book is right."""
    return _spoiled(w, message, wrong(message.payload))


def spoil_level(w: Anywhere, message: Message) -> Struck | None:
    """A size among the best levels is wrong, so that the book differs from its checksum."""
    dialect = w.dialect
    body = dialect.decode(message.payload)
    book = w.venue.engine.markets[dialect.symbol(body)].book
    told = body["data"][0]
    for name, side in (("bids", book.bids), ("asks", book.asks)):
        best = {Decimal(price) / 10**8 for price, _ in side.top(SUMMED_LEVELS // 2)}
        for one in told[name]:
            price, size = (dialect.text(value) for value in _level(one))
            if Decimal(price) in best and Decimal(size) and one.get("event") != "delete":
                digits = -int(Decimal(size).as_tuple().exponent)
                one["qty" if "qty" in one else "order_qty"] = Raw(
                    f"{Decimal(size) * 2:.{digits}f}".encode()
                )
                return _spoiled(w, message, dialect.encode(body))
    return None


def _level(one: dict[str, Raw]) -> tuple[Raw, Raw]:
    return (one["price"], one["qty"]) if "price" in one else (one["limit_price"], one["order_qty"])


def _spoiled(w: Anywhere, message: Message, payload: bytes) -> Struck:
    symbol = w.dialect.symbol(w.dialect.decode(payload))
    w.auditor.watch_of(Proofs).spoiled[payload] = symbol
    return Struck(
        [(w.latency(), Message(message.connection, message.opcode, payload))], resynced(w)
    )


# -- what is taken ---------------------------------------------------------------------------

STATES: Final = ("cancel_only", "post_only", "maintenance")
PAIR_STATES: Final = ("CANCEL_ONLY", "POST_ONLY", "LIMIT_ONLY", "MAINTENANCE")


def change_system(w: Anywhere) -> Struck | None:
    """The trading engine, or one pair, takes less for a while."""
    draw, venue = w.draw.faults, w.venue
    symbol = draw.choice(w.symbols)
    row = w.engine.table.find(symbol)
    if row is None or exchange_of(w).system != "online":
        return None
    engine, index = w.engine, row.index
    if draw.random() < 0.5:
        begins: Action = SetSystem(system=draw.choice(STATES))
        ends: Action = SetSystem(system="online")
    else:
        begins = SetStatus(symbol=symbol, status=draw.choice(PAIR_STATES))
        ends = SetStatus(symbol=symbol, status="TRADING")
    venue.perform(begins, w.venue_ns)
    for_ns = later_ns(draw, 100, 4_000)

    def over() -> None:
        venue.perform(ends, w.venue_ns)

    w.at(w.now_ns + for_ns, over)
    w.strikes.last(for_ns / NS_PER_S + 1.0)
    seen: list[Trading] = []

    def reaction() -> bool:
        if engine.table[index].trading is not Trading.OPEN:
            seen.append(engine.table[index].trading)
        return bool(seen) and engine.table[index].trading is Trading.OPEN

    return Struck(None, reaction, for_ns / NS_PER_S + 10.0)


# -- sessions and nonces ---------------------------------------------------------------------


def end_sessions(w: Anywhere) -> Struck | None:
    """No token that was given counts any more: whoever trades has to fetch another."""
    if TRADE not in w.links:
        return None
    refused, back = w.auditor.watch_of(Sessions).refused, redialled(w, TRADE)
    before = len(refused)
    w.venue.perform(EndSessions(api_key=DEFAULT_KEY), w.venue_ns)
    return Struck(None, lambda: len(refused) > before and back(), 30.0)


def refuse_token(w: Anywhere, request: object, answer: Answer) -> Struck:
    """The token that an answer brings counts no more by the time it is used."""
    w.venue.perform(EndSessions(api_key=DEFAULT_KEY), w.venue_ns)
    return Struck(answer, requested_again(w, TOKEN), 30.0)


TOKEN: Final = "/0/private/GetWebSocketsToken"  # noqa: S105 (a path)
SIGNED: Final = ("OpenOrders", "BalanceEx", "TradesHistory", "QueryOrders", "GetWebSocketsToken")


def refuse_nonce(w: Anywhere) -> Struck:
    """A nonce is refused: the key was used elsewhere with a higher one, or for no good reason."""
    draw, key = w.draw.faults, exchange_of(w).keys[DEFAULT_KEY]
    hits = w.venue.faults.hits
    before = hits[SimKind.CLOCK]
    if draw.random() < 0.5:
        ahead_s = draw.choice((2, 60, 3_600))
        w.venue.perform(UseNonce(api_key=DEFAULT_KEY, ahead_s=ahead_s), w.venue_ns)
        used = key.nonce
        return Struck(None, lambda: key.nonce > used, 60.0)
    times = draw.randint(1, 3)
    fault = SimFault(fault=SimKind.CLOCK, methods=SIGNED, line=ConnectionName.REST, times=times)
    w.venue.faults.switch_on(fault, w.venue_ns)
    used = key.nonce
    return Struck(None, lambda: hits[SimKind.CLOCK] > before and key.nonce > used, 60.0)


# -- the dead man's switch -------------------------------------------------------------------

OUT_S: Final = (62.0, 70.0)
"""Longer than the timer runs."""


def fire(w: Anywhere) -> Struck | None:
    """The private connection is out for so long that the venue's timer runs out."""
    exchange = exchange_of(w)
    if TRADE not in w.links or not exchange.armed_ns(w.account) or exchange.system != "online":
        return None
    out_s = w.draw.faults.uniform(*OUT_S)
    before = exchange.fired
    back = redialled(w, TRADE)
    w.shut(TRADE, int(out_s * NS_PER_S))
    w.strikes.lull(out_s)
    w.strikes.last(out_s + 5.0)
    return Struck(None, lambda: exchange.fired > before and back(), out_s + 20.0)


NEAR_NS: Final = 35 * NS_PER_S
"""What the timer has left at the least when what sets it anew is lost: it is set in time after."""


def lose_setting(w: Anywhere, message: Message) -> Struck | None:
    """What sets or stops the timer is lost, or the answer to it."""
    left_ns = exchange_of(w).armed_ns(w.account) - w.venue_ns
    if 0 < left_ns < NEAR_NS:
        return None
    before = _settings(w)
    return Struck([], lambda: _settings(w) > before, 30.0)


def _settings(w: Anywhere) -> int:
    return w.auditor.sent["cancel_all_orders_after"]


FAULTS: Final = (
    Fault(5, "checksum_wrong", 0.01, spoil_checksum, ("delta", "snapshot")),
    Fault(5, "level_wrong", 0.02, spoil_level, ("delta",)),
    Fault(42, "token_expired", 0.25, end_sessions),
    Fault(42, "token_refused", 0.1, refuse_token, ("rest.token",)),
    Fault(44, "nonce_refused", 0.2, refuse_nonce),
    Fault(45, "system_status", 0.5, change_system),
    Fault(74, "dead_man_fires", 1.0, fire, share=0.15),
    Fault(74, "dead_man_unheard", 0.3, lose_setting, ("ask.d", "reply.d")),
)
