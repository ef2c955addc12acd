"""Replay: a recorded run fed through the same code, every outgoing record compared.

The engine appends what it takes in and what it sends out to its journal; here it is given a
journal that already knows what must come. Needs no network, no key and no clock: requests are
compared as they are before key and signature go in. ``docs/replay.md`` says what that proves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

from msgspec import Struct

from core.engine.engine import Engine
from core.engine.outbound import Port
from core.model.errors import HotloopError, JournalCorrupt
from core.model.venue import HttpRequest, WireRequest
from core.state.hops import Hops
from core.state.journal import (
    INPUTS,
    OUTPUTS,
    Answer,
    Header,
    Journal,
    Kind,
    Payload,
    Record,
    unpack,
)

SILENT_KINDS = frozenset({Kind.HEADER, Kind.NOTE, Kind.END})
"""Records that are about the run, and neither come in nor go out."""

CONTEXT = 12
"""Records before a difference that are kept to show how it came about: the turn and one before."""

WATCH_EVERY = 5_000
"""Inputs between two calls of ``watch``: some 20 a second."""


class Difference(Struct, frozen=True):
    """Where a replay left the recorded way; ``expected`` or ``actual`` is ``None`` where it ended.

    ``before`` are the last records that were the same, oldest first, ``last_input`` among them.
    """

    last_input: Record
    expected: Record | None
    actual: Record | None
    before: tuple[Record, ...]


class Tally(Struct):
    """How far a replay has come, and what it found."""

    inputs: int = 0
    outputs: int = 0
    events: int = 0
    """Messages of the venue."""
    at: Record | None = None
    """The last input."""
    unrecorded: int = 0
    """Outputs of the last turn that the recording was cut off before."""
    difference: Difference | None = None
    """The first one; the replay ended there."""


class _Script:
    """The recorded records, as a journal that takes nothing else."""

    segment = 0

    def __init__(self, records: Iterable[Record], tally: Tally) -> None:
        self._records = iter(records)
        self._tally = tally
        self._before: deque[Record] = deque(maxlen=CONTEXT)
        self._ended = False
        self._last_input = Record(Kind.NOTE, 0, 0, b"the start")
        self.next: Record | None = None
        self._advance()

    def _advance(self) -> None:
        for record in self._records:
            if record.kind not in SILENT_KINDS:
                self.next = record
                return
            self._ended = record.kind == Kind.END
        self.next = None

    def begin_turn(self, record: Record) -> bool:
        """Whether this is an input; else the turn before should have caused it."""
        if record.kind in OUTPUTS:
            self._differs(record, None)
            return False
        self._last_input = self._tally.at = record
        self._tally.inputs += 1
        return True

    def append(self, kind: int, connection: int, time_ns: int, payload: Payload) -> None:
        """Compare what the engine records with what it recorded then."""
        expected = self.next
        if (
            expected is not None
            and expected.payload == payload
            and expected.kind == kind
            and expected.time_ns == time_ns
            and expected.connection == connection
        ):
            if kind in OUTPUTS:
                self._tally.outputs += 1
            self._before.append(expected)
            self._advance()
        elif kind not in SILENT_KINDS:
            if expected is None and not self._ended:
                self._tally.unrecorded += 1
            else:
                self._differs(expected, Record(kind, connection, time_ns, bytes(payload)))

    def hold(self) -> None: ...

    def _differs(self, expected: Record | None, actual: Record | None) -> None:
        # Kept, not raised: the engine would take what is raised here for a fault of the strategy.
        if self._tally.difference is None:
            self._tally.difference = Difference(
                self._last_input, expected, actual, tuple(self._before)
            )


class ClosedPort:
    """A port behind which there is nothing."""

    def open_connections(self) -> None: ...
    def sign(self, request: WireRequest) -> bytes:
        return request.body

    def send(self, link: int, data: bytes) -> None: ...
    def send_rest(self, request_id: int, request: HttpRequest) -> None: ...
    def dial(self, link: int) -> None: ...
    def retire(self, link: int, reason: str) -> None: ...
    def drop(self, link: int, reason: str, *, redial_now: bool) -> None: ...
    def hold_dials(self, until_ns: int) -> None: ...
    def stop(self, why: str) -> None: ...
    def left(self) -> None: ...
    def log(self, text: str) -> None: ...


class Untimed(Hops):
    """Hops that nobody reads: where time is only what was recorded, nothing takes any."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(rows=1)

    def turn(self, *_: int, **__: int) -> None: ...
    def record(self, hop: int, ns: int) -> None: ...


def _no_stamp() -> int:
    return 0


EngineOf = Callable[[Port, Callable[[], int], Journal, Hops], Engine]


def replay(
    records: Iterable[Record],
    engine_of: EngineOf,
    watch: Callable[[Record], None] | None = None,
    *,
    every: int = WATCH_EVERY,
) -> Tally:
    """Feed one boot's records through a new engine, up to the first difference.

    ``watch`` is called with every so many-th input, between two turns. What the last turn of a
    recording without ``END`` sent may not have been recorded: that is counted, and no difference.
    """
    tally = Tally()
    script = _Script(records, tally)
    engine = engine_of(ClosedPort(), _no_stamp, script, Untimed())
    while tally.difference is None:
        record = script.next
        if record is None or not script.begin_turn(record):
            break
        feed(engine, record)
        if watch is not None and tally.inputs % every == 0:
            watch(record)
    tally.events = engine.counts.messages
    return tally


def boots(records: Iterable[Record]) -> Iterator[tuple[Header, Iterator[Record]]]:
    """Take a journal apart: each boot's first header and its records, to be taken in turn.

    Where ``previous_end`` of that header is not 0, the boot's beginning is missing.
    """
    first: Header | None = None

    def header_of(record: Record) -> Header:
        nonlocal first
        if record.kind == _HEADER:
            header = unpack(record.payload, Header)
            if first is None or header.boot != first.boot:
                first = header
        if first is None:
            raise JournalCorrupt("these records do not begin with a header")
        return first

    return groupby(records, header_of)


_HEADER = int(Kind.HEADER)
_BYTES = int(Kind.BYTES)


def feed(engine: Engine, record: Record) -> None:
    """Hand one recorded input to an engine."""
    kind, connection, now_ns, payload = (
        record.kind,
        record.connection,
        record.time_ns,
        record.payload,
    )
    if kind == _BYTES:
        engine.on_bytes(connection, payload, 0, now_ns, now_ns)
    elif kind == Kind.DUE:
        engine.on_due(now_ns)
    elif kind == Kind.ANSWER:
        answer = unpack(payload, Answer)
        engine.on_answer(answer.request_id, answer.status, answer.headers, answer.body, now_ns)
    elif kind == Kind.UP:
        engine.on_up(connection, now_ns)
    elif kind == Kind.DOWN:
        engine.on_down(connection, payload.decode(), now_ns)
    elif kind == Kind.CONTROL:
        engine.on_control(payload, now_ns)
    else:
        raise HotloopError(f"record kind {kind} is no input of this version")


def name(record: Record) -> str:
    """Return the name of a record's kind, or its number where this version knows none."""
    known = record.kind in INPUTS or record.kind in OUTPUTS or record.kind in SILENT_KINDS
    return Kind(record.kind).name if known else str(record.kind)
