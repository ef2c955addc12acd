"""What a world of either ring has: as much of it as the faults of both may touch, and see.

Here live the reactions that are recognised alike in both rings, too. What a fault does to messages
lives in ``message_faults`` and ``order_faults``, to the exchange in ``exchange_faults``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from core.engine.engine import Engine
from core.model.units import NS_PER_MS
from core.model.venue import HttpRequest
from core.model.views import OrderState
from core.protocols.websocket import TEXT
from tools.world.auditor import Auditor
from tools.world.dialect import MARKET, TRADE, Dialect
from tools.world.order_flow import OrderFlow
from tools.world.seeds import Generators
from tools.world.strikes import Strikes
from tools.world.tank import Message
from venues.sim.accounts import Account
from venues.sim.venue import AnyVenue

Reaction = Callable[[], bool]

Answer = tuple[int, int, dict[str, str], bytes]
"""Latency in nanoseconds, status, headers and body of a REST answer; no status is no answer, but a
broken connection."""

Lie = Callable[[bytes], bytes]


class Tampering:
    """What some faults have the exchange do for a while."""

    def __init__(self) -> None:
        self.deaf: dict[bytes, int] = {}
        """Texts of messages that never reach us, until when."""
        self.mute_until_ns = {MARKET: 0, TRADE: 0}
        self.dated_until_ns = 0
        """Until when all of the market connection carries times that are off."""
        self.dated_ms = 0
        self.lies: dict[str, tuple[int, Lie]] = {}
        """What answers of a path say instead, while a boot lasts."""

    def keeps_back(self, payload: bytes, now_ns: int) -> bool:
        """Whether a private message never reaches us."""
        for text, until_ns in list(self.deaf.items()):
            if now_ns >= until_ns:
                del self.deaf[text]
            elif text in payload:
                return True
        return False

    def dated(self, message: Message, dialect: Dialect) -> Message:
        """Return a message of the market connection with a time that is off."""
        payload = dialect.misdate(message.payload, self.dated_ms)
        return Message(message.connection, message.opcode, payload)

    def told(self, path: str, boot: int, body: bytes) -> bytes:
        """Return what an answer says."""
        lying_boot, lie = self.lies.get(path, (0, bytes))
        return lie(body) if lying_boot == boot else body

    def end(self) -> None:
        """Say everything again; what was a lie stays one."""
        self.deaf.clear()
        self.dated_until_ns = 0
        self.mute_until_ns = {MARKET: 0, TRADE: 0}


class Anywhere(Protocol):
    """What a world of either ring has."""

    dialect: Dialect
    draw: Generators
    account: Account
    auditor: Auditor
    strikes: Strikes
    tampering: Tampering
    order_flow: OrderFlow
    symbols: tuple[str, ...]
    log_lines: list[str]
    sent: list[Message]
    """What our side has said."""
    asked: list[HttpRequest]
    stopped: str
    """Why our side was told to leave, by itself or from outside."""
    skew_ns: int
    ahead_ns: int
    """How far the clock of our process is ahead of the world's."""

    @property
    def venue(self) -> AnyVenue: ...
    @property
    def engine(self) -> Engine: ...
    @property
    def alive(self) -> bool: ...
    @property
    def links(self) -> Mapping[int, Any]:
        """What stands, by connection: another object for each connection."""
        ...

    @property
    def now_ns(self) -> int: ...
    @property
    def venue_ns(self) -> int: ...
    @property
    def latency_ns(self) -> int:
        """How long anything travels at least."""
        ...

    def latency(self) -> int:
        """Return how long the next message is to be held up for its latency."""
        ...

    def at(self, when_ns: int, what: Callable[[], None]) -> None: ...
    def said(self, text: str, since: int = 0) -> bool: ...
    def connection_up(self, connection: int) -> bool: ...
    def say_past(self, message: Message) -> None:
        """Let the exchange say something that no fault strikes (again)."""
        ...

    def hold(self, message: Message, for_ns: int) -> None:
        """Have a message said later than those that come after it."""
        ...

    def say_raw(self, connection: int, data: bytes) -> None:
        """Let the exchange say bytes, legal or not."""
        ...

    def cut(self, connection: int) -> None:
        """Break a connection."""
        ...

    def shut(self, connection: int, for_ns: int) -> None:
        """Break all links of a connection, and refuse every dial for a while."""
        ...

    def refuse_dials(self, connection: int, for_ns: int) -> None: ...
    def shut_rest(self, for_ns: int) -> None:
        """Let nothing through by REST for a while."""
        ...

    def announce_end(self, connection: int) -> None:
        """Have the exchange say that the links of a connection will end."""
        ...

    def operate(self, word: str) -> None:
        """Say a word as the operator."""
        ...


def kind_of(dialect: Dialect, message: Message) -> str:
    """Return what kind of message the exchange sends, for faults to choose by."""
    if message.opcode != TEXT:
        return "control"
    return dialect.kind_of(message.connection, message.payload)


def later_ns(draw: random.Random, least_ms: float, most_ms: float) -> int:
    return int(draw.uniform(least_ms, most_ms) * NS_PER_MS)


# -- reactions -------------------------------------------------------------------------------


def logged(w: Anywhere, text: str) -> Reaction:
    since = len(w.log_lines)
    return lambda: w.said(text, since)


def resynced(w: Anywhere) -> Reaction:
    before = w.engine.counts.resyncs
    return lambda: w.engine.counts.resyncs > before


def proved(w: Anywhere, client_id: str) -> Reaction:
    """The venue's word on an order is known."""

    def reaction() -> bool:
        order = w.engine.orders.find(client_id)
        return order is None or order.state not in (OrderState.UNKNOWN, OrderState.PENDING)

    return reaction


def doubted(w: Anywhere, client_id: str) -> Reaction:
    """An order was in doubt, and is proved since."""
    seen = []

    def reaction() -> bool:
        order = w.engine.orders.find(client_id)
        if order is not None and (
            order.state is OrderState.UNKNOWN or client_id in w.engine.resolution.retries
        ):
            seen.append(client_id)
        return bool(seen) and proved(w, client_id)()

    return reaction


def refused(w: Anywhere) -> Reaction:
    """The message was refused: counted, and its connection dropped."""
    before = w.engine.counts.errors
    return lambda: w.engine.counts.errors > before


def ignored(w: Anywhere) -> Reaction:
    before = sum(w.engine.counts.ignored.values())
    return lambda: sum(w.engine.counts.ignored.values()) > before


def understood(w: Anywhere) -> Reaction:
    """Messages go on being taken, and nothing was found wrong with any."""
    engine, errors, messages = w.engine, w.engine.counts.errors, w.engine.counts.messages
    return lambda: engine.counts.messages > messages + 1 and engine.counts.errors == errors


def redialled(w: Anywhere, connection: int) -> Reaction:
    old = w.links.get(connection)
    return lambda: w.links.get(connection) not in (None, old) and w.connection_up(connection)


def requested_again(w: Anywhere, path: str, times: int = 1) -> Reaction:
    before = sum(request.path == path for request in w.asked)
    return lambda: sum(request.path == path for request in w.asked) >= before + times
