"""The exchange's fault switchboard: what it does wrong, to whom, how often and until when.

Here lives what becomes of a request that arrives and of a message that leaves; each connection
passes both through one ``Connection``. What never lives here: the exchange's rules, a socket, a
clock. Time is an argument, randomness a generator passed in, and a fault that is not switched on
costs a look at an empty list.
"""

import heapq
import itertools
import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from typing import Annotated, Any, ClassVar, Final, Generic, NamedTuple, Protocol, TypeVar

from msgspec import Meta, Struct

from venues.sim.durations import MILLISECOND_NS, SECOND_NS

# Faults standing at once; a storm has one of each kind on each connection.
MAX_STANDING: Final = 100
# Messages held back at once; beyond it one leaves when it comes, instead of filling the memory.
MAX_HELD: Final = 100_000
# The longest a message waits to be overtaken: long beyond the quietest connection's next message.
OVERTAKEN_NS: Final = SECOND_NS

# After which the venue answers on its own that it does not know (Binance, web-socket-api.md,
# General API Information).
BACKEND_PATIENCE_NS: Final = 10 * SECOND_NS
# The longest a request is accepted late, and a replica is behind.
LONGEST_LATE_MS: Final = 60_000

NEVER_NS: Final = 2**63 - 1

PayloadT = TypeVar("PayloadT")
ReplyT = TypeVar("ReplyT")
PayloadIn = TypeVar("PayloadIn", contravariant=True)


class Kind(StrEnum):
    """What may go wrong."""

    DELAY = "delay"
    DROP = "drop"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    """A message is overtaken by the next one of its connection."""
    LATE = "late"
    """A request is accepted in time and executed late, whatever its window says by then."""
    LAG = "lag"
    """A query is answered by a replica that is behind."""
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    THROTTLED = "throttled"
    BANNED = "banned"
    OVERLOADED = "overloaded"
    FORBIDDEN = "forbidden"
    """The firewall in front of the venue blocks the request: HTML over REST."""
    CLOCK = "clock"
    MAINTENANCE = "maintenance"
    REFUSE_CANCEL = "refuse_cancel"
    """A cancel is refused although the order stands, as a venue does whose parts disagree."""
    DISCONNECT = "disconnect"
    CHECKSUM = "checksum"
    """A message about a book has a wrong checksum, at a venue that sends any."""
    SILENCE = "silence"
    """The socket lives, requests are executed, and nothing at all is said."""


class Part(StrEnum):
    """What passes through a connection."""

    REQUESTS = "requests"
    REPLIES = "replies"
    REPORTS = "reports"
    DATA = "data"


class ConnectionName(StrEnum):
    """Kinds of connections."""

    REST = "rest"
    STREAM = "stream"
    WS_API = "ws_api"


_PATH: Final = frozenset({Kind.DELAY, Kind.DROP, Kind.DUPLICATE, Kind.REORDER})
_LEAVING_ONLY: Final = frozenset({Kind.DUPLICATE, Kind.REORDER})
_ACCEPTANCE: Final = frozenset({Kind.LATE})
_REPLICA: Final = frozenset({Kind.LAG})
_DELAYED: Final = frozenset({Kind.DELAY, Kind.LATE, Kind.LAG})
_EXECUTION: Final = frozenset(Kind) - _PATH - _ACCEPTANCE - _REPLICA - {Kind.SILENCE, Kind.CHECKSUM}
_EXECUTED: Final = frozenset({Kind.SERVER_ERROR, Kind.TIMEOUT, Kind.DISCONNECT})
# The method that stands for opening a WebSocket, and how it may be refused.
CONNECT: Final = "connect"
_REFUSALS: Final = {Kind.THROTTLED: 429, Kind.BANNED: 418, Kind.FORBIDDEN: 403}
_TIMED: Final = frozenset({Kind.THROTTLED, Kind.BANNED})


class FaultError(Exception):
    """A fault makes no sense as it was described, or there are too many."""


class Fault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fault and its scope; see docs/sim.md for each field."""

    fault: Kind
    on: Part | None = None
    methods: tuple[str, ...] = ()
    """Requests by method, reports by event and execution type (``executionReport.TRADE``); a name
    stands for all that continue it after a dot. None: the kind's own, else all."""
    line: ConnectionName | None = None
    times: Annotated[int, Meta(ge=1)] | None = None
    seconds: Annotated[float, Meta(gt=0)] | None = None
    chance: Annotated[float, Meta(gt=0, le=1)] = 1.0
    delay_ms: Annotated[int, Meta(ge=0, le=3_600_000)] = 0
    executed: bool = False
    in_text: bool = False
    retry_ms: Annotated[int, Meta(ge=0, le=3 * 24 * 3_600_000)] | None = None

    def __post_init__(self) -> None:
        kind = self.fault
        wrong = {
            f"{kind} must say what it is on": kind in _PATH and self.on is None,
            f"{kind} is on no part of its own": kind not in _PATH and self.on is not None,
            f"{kind} is not for requests": kind in _LEAVING_ONLY and self.on is Part.REQUESTS,
            f"{kind} must say delay_ms": kind in _DELAYED and not self.delay_ms,
            "delay_ms is for delay, duplicate, late and lag": bool(self.delay_ms)
            and kind not in _DELAYED | {Kind.DUPLICATE},
            f"{kind} has a delay_ms of at most {LONGEST_LATE_MS}": kind in _ACCEPTANCE | _REPLICA
            and self.delay_ms > LONGEST_LATE_MS,
            f"{kind} cannot be executed": self.executed and kind not in _EXECUTED,
            f"{kind} has no retry_ms": self.retry_ms is not None and kind not in _TIMED,
            "in_text is for banned": self.in_text and kind is not Kind.BANNED,
            "banned must say retry_ms": kind is Kind.BANNED and self.retry_ms is None,
            "silence is on everything: no methods, times or chance": kind is Kind.SILENCE
            and bool(self.methods or self.times or self.chance < 1),
        }
        for why, is_so in wrong.items():
            if is_so:
                raise FaultError(why)

    def covers(self, connection: ConnectionName, name: str, usual: tuple[str, ...] = ()) -> bool:
        """Whether ``name`` on ``connection`` lies within the scope; ``usual`` are the kind's
        own.
        """
        if self.line is not None and self.line is not connection:
            return False
        methods = self.methods or usual
        return not methods or any(
            name == method or name.startswith(method + ".") for method in methods
        )


class Standing:
    """A fault that is switched on; ``left`` is how often it may still hit."""

    __slots__ = ("fault", "left", "number", "until_ns")

    def __init__(self, number: int, fault: Fault, now_ns: int) -> None:
        self.number = number
        self.fault = fault
        self.left = fault.times
        seconds = fault.seconds
        self.until_ns = NEVER_NS if seconds is None else now_ns + int(seconds * SECOND_NS)


class Moment(NamedTuple):
    """The times of one request, the same unless a fault sets them apart.

    ``received_ns`` is held against the request's window, ``now_ns`` is when it is executed, and
    ``seen_ns`` is the moment whose state a query shows.
    """

    now_ns: int
    received_ns: int
    seen_ns: int

    @classmethod
    def at(cls, now_ns: int) -> "Moment":
        return cls(now_ns, now_ns, now_ns)


class Answers(ABC):
    """A dialect's part in faults."""

    usual: ClassVar[Mapping[Kind, tuple[str, ...]]]
    """The methods that a kind hits where it names none; all of them for kinds not named here."""

    @abstractmethod
    def refusal(self, fault: Fault, name: str, now_ns: int) -> Any:
        """Return the reply by which a fault refuses a request of the method ``name``."""


class Switchboard:
    """The faults of one exchange, and the messages they hold back."""

    def __init__(self, rng: random.Random, answers: Answers) -> None:
        self._random = rng
        self._answers = answers
        self._standing: list[Standing] = []
        self._numbers = itertools.count(1)
        self._held: list[tuple[int, int, Callable[[int], None]]] = []
        self._order = itertools.count()
        self.now_ns = 0
        """The time of the last turn of the exchange."""
        self.hits: Counter[Kind] = Counter()
        """How often each kind has hit."""
        self.wake: Callable[[int], None] = _nobody
        """Told when something was held back, and until when; then ``release`` is to be called."""
        self.arriving: Callable[[int], None] = _nobody
        """Told when a request arrives, before anything is done about it."""

    def __bool__(self) -> bool:
        return bool(self._standing)

    # -- switches ------------------------------------------------------------------------------

    def switch_on(self, fault: Fault, now_ns: int) -> int:
        """Switch a fault on, and return its number. Raises ``FaultError`` for too many."""
        self.turn(now_ns)
        if len(self._standing) >= MAX_STANDING:
            raise FaultError(f"{MAX_STANDING} faults are on already: switch some off")
        standing = Standing(next(self._numbers), fault, now_ns)
        self._standing.append(standing)
        return standing.number

    def switch_off(self, number: int) -> bool:
        """Switch a fault off; return whether it was on. What it holds back still leaves."""
        before = len(self._standing)
        self._standing = [one for one in self._standing if one.number != number]
        return len(self._standing) < before

    def clear(self) -> None:
        """Switch every fault off."""
        self._standing.clear()

    def standing(self) -> list[Standing]:
        """Return the faults that are on, oldest first."""
        return list(self._standing)

    # -- what the connections ask --------------------------------------------------------------

    def hit(
        self, kinds: frozenset[Kind], part: Part | None, connection: ConnectionName, name: str
    ) -> list[Fault]:
        """Return the faults of ``kinds`` that hit, oldest first, each counted."""
        found = []
        for one in list(self._standing):
            fault = one.fault
            if (
                fault.fault in kinds
                and fault.on is part
                and fault.covers(connection, name, self._answers.usual.get(fault.fault, ()))
                and (fault.chance == 1 or self._random.random() < fault.chance)
            ):
                self._count(one)
                found.append(fault)
        return found

    def refuses(self, connection: ConnectionName) -> int | None:
        """Return the status with which a fault refuses a connection, None where none does.

        Only faults that name the method ``connect`` do.
        """
        for one in list(self._standing):
            status = _REFUSALS.get(one.fault.fault)
            asks = CONNECT in one.fault.methods and one.fault.covers(connection, CONNECT)
            if status is not None and asks:
                self._count(one)
                return status
        return None

    def refusal(self, fault: Fault, name: str, now_ns: int) -> Any:
        """Return the reply by which a request is refused."""
        return self._answers.refusal(fault, name, now_ns)

    def silent(self, connection: ConnectionName) -> bool:
        """Whether nothing at all may be said on a connection, pings and pongs included."""
        return any(
            one.fault.fault is Kind.SILENCE and one.fault.line in (None, connection)
            for one in self._standing
        )

    def _count(self, one: Standing) -> None:
        self.hits[one.fault.fault] += 1
        if one.left is not None:
            one.left -= 1
            if not one.left:
                self._standing.remove(one)

    # -- time ----------------------------------------------------------------------------------

    def turn(self, now_ns: int) -> None:
        """Take the time, and switch off what is over."""
        self.now_ns = max(self.now_ns, now_ns)
        if any(one.until_ns <= now_ns for one in self._standing):
            self._standing = [one for one in self._standing if one.until_ns > now_ns]

    def hold(self, delay_ns: int, what: Callable[[int], None]) -> None:
        """Have something happen later."""
        if len(self._held) >= MAX_HELD:
            what(self.now_ns)
            return
        due_ns = self.now_ns + delay_ns
        heapq.heappush(self._held, (due_ns, next(self._order), what))
        self.wake(due_ns)

    def release(self, now_ns: int) -> None:
        """Let happen what is due."""
        self.turn(now_ns)
        while self._held and self._held[0][0] <= now_ns:
            _, _, what = heapq.heappop(self._held)
            what(now_ns)

    @property
    def next_due_ns(self) -> int:
        """When ``release`` is to be called next."""
        return self._held[0][0] if self._held else NEVER_NS


# What a caller hears of a request that is executed too late.
_TOO_LATE: Final = Fault(fault=Kind.TIMEOUT)

ALL_NS: Final = 1 << 63
"""What an answer that is not behind shows: all, also what was before a clock set back."""


def _nobody(_: int) -> None:
    """Nobody wants to be told."""


def _unheard(_: Any, __: int) -> None:
    """The answer comes too late for anybody to hear it."""


class Outlet(Protocol[PayloadIn]):
    """Where everything leaves for one connection, in order."""

    def send(self, payload: PayloadIn) -> None:
        """Queue one message; must not block."""

    def cut(self) -> None:
        """Break the connection off without a goodbye; what is queued may be lost."""


class Connection(Generic[PayloadT]):
    """Both ways through one connection."""

    def __init__(self, board: Switchboard, name: ConnectionName, outlet: Outlet[PayloadT]) -> None:
        self.name = name
        self.board = board
        self._outlet = outlet
        self._overtaken: list[PayloadT] = []
        self.is_open = True

    def request(
        self,
        name: str,
        execute: Callable[[Moment], ReplyT],
        answer: Callable[[ReplyT, int], None],
        now_ns: int,
    ) -> None:
        """Take a request: have it executed and answered, as far as the faults let it be."""
        board = self.board
        board.arriving(now_ns)
        board.turn(now_ns)
        delay_ns = 0
        for fault in board.hit(_PATH, Part.REQUESTS, self.name, name) if board else ():
            if fault.fault is Kind.DROP:
                return
            delay_ns += fault.delay_ms * MILLISECOND_NS
        accept = partial(self._accept, name, execute, answer)
        if delay_ns:
            board.hold(delay_ns, accept)
        else:
            accept(now_ns)

    def _accept(
        self,
        name: str,
        execute: Callable[[Moment], ReplyT],
        answer: Callable[[ReplyT, int], None],
        now_ns: int,
    ) -> None:
        """Receive a request, and execute it now or late; the caller waits only so long."""
        board = self.board
        hits = board.hit(_ACCEPTANCE, None, self.name, name) if board else []
        late_ns = sum(fault.delay_ms for fault in hits) * MILLISECOND_NS
        if not late_ns:
            self._carry_out(name, execute, answer, now_ns, now_ns)
            return
        if late_ns > BACKEND_PATIENCE_NS:
            late = board.refusal(_TOO_LATE, name, now_ns)
            board.hold(BACKEND_PATIENCE_NS, partial(answer, late))
            answer = _unheard
        board.hold(late_ns, partial(self._carry_out, name, execute, answer, now_ns))

    def _carry_out(
        self,
        name: str,
        execute: Callable[[Moment], ReplyT],
        answer: Callable[[ReplyT, int], None],
        received_ns: int,
        now_ns: int,
    ) -> None:
        board = self.board
        behind = board.hit(_REPLICA, None, self.name, name) if board else []
        seen_ns = ALL_NS
        if behind:
            seen_ns = now_ns - max(fault.delay_ms for fault in behind) * MILLISECOND_NS
        moment = Moment(now_ns, received_ns, seen_ns)
        hits = board.hit(_EXECUTION, None, self.name, name) if board else []
        if not hits:
            answer(execute(moment), now_ns)
            return
        fault = hits[0]
        if fault.executed:
            execute(moment)
        if fault.fault is Kind.DISCONNECT:
            self.cut()
        else:
            answer(board.refusal(fault, name, now_ns), now_ns)

    def send(self, payload: PayloadT, part: Part, name: str = "") -> None:
        """Let a message leave, as far as the faults let it."""
        board = self.board
        if not board:
            self._leave(payload)
            return
        delays_ns = [0]
        overtaken = False
        for fault in board.hit(_PATH, part, self.name, name):
            delay_ns = fault.delay_ms * MILLISECOND_NS
            match fault.fault:
                case Kind.DROP:
                    return
                case Kind.DUPLICATE:
                    delays_ns += [one + delay_ns for one in delays_ns]
                case Kind.DELAY:
                    delays_ns = [one + delay_ns for one in delays_ns]
                case _:
                    overtaken = True
        if overtaken:
            self._overtaken += [payload] * len(delays_ns)
            board.hold(OVERTAKEN_NS, self._catch_up)
            return
        for delay_ns in delays_ns:
            if delay_ns:
                board.hold(delay_ns, partial(self._leave_late, payload))
            else:
                self._leave(payload)

    def _leave_late(self, payload: PayloadT, _: int) -> None:
        self._leave(payload)

    def _leave(self, payload: PayloadT) -> None:
        if not self.is_open or (self.board and self.board.silent(self.name)):
            return
        self._outlet.send(payload)
        if self._overtaken:
            self._catch_up(self.board.now_ns)

    def _catch_up(self, _: int) -> None:
        """Let what was overtaken leave, newest last."""
        overtaken, self._overtaken = self._overtaken, []
        for payload in overtaken:
            self._leave(payload)

    def cut(self) -> None:
        """Break the connection off."""
        self.close()
        self._outlet.cut()

    def close(self) -> None:
        """The connection is gone: what is held back for it never leaves."""
        self.is_open = False
