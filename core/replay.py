"""Replay: a recorded run fed through the same code, every outgoing record compared.

The engine appends what it takes in and what it sends out to its journal; here it is given a
journal that already knows what must come. Needs no network, no key and no clock: requests are
compared as they are before key and signature go in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from core.engine import Engine
from core.errors import HotloopError
from core.hops import Hops
from core.journal import OUTPUTS, Answer, Journal, Kind, Payload, Record, unpack
from core.outbound import Door
from core.venue import RestRequest, WireRequest

SILENT_KINDS = frozenset({Kind.HEADER, Kind.NOTE, Kind.END})
"""Records that are about the run, and neither come in nor go out."""


class Difference(HotloopError):
    """The replay left the recorded way; ``expected`` or ``actual`` is ``None`` where it ended."""

    def __init__(self, last_input: Record, expected: Record | None, actual: Record | None) -> None:
        super().__init__(
            f"after {describe(last_input)}: recorded {describe(expected)}, "
            f"replayed {describe(actual)}"
        )
        self.last_input = last_input
        self.expected = expected
        self.actual = actual


class Tally(Struct):
    """How far a replay has come."""

    inputs: int = 0
    outputs: int = 0
    events: int = 0
    time_ns: int = 0


class _Script:
    """The recorded records, as a journal that takes nothing else."""

    def __init__(self, records: Iterable[Record], tally: Tally) -> None:
        self._records = (r for r in records if r.kind not in SILENT_KINDS)
        self._tally = tally
        self.next: Record | None = next(self._records, None)
        self.last_input = Record(Kind.NOTE, 0, 0, b"the start")

    def inputs(self) -> Iterator[Record]:
        """Iterate over the inputs; each must have caused what is recorded after it."""
        while self.next is not None:
            if self.next.kind in OUTPUTS:
                raise Difference(self.last_input, self.next, None)
            self.last_input = self.next
            self._tally.inputs += 1
            self._tally.time_ns = self.next.time_ns
            yield self.next

    def append(self, kind: int, line: int, time_ns: int, payload: Payload) -> None:
        """Compare what the engine records with what it recorded then."""
        if kind in SILENT_KINDS:
            return
        expected = self.next
        actual = Record(kind, line, time_ns, bytes(payload))
        if expected is None or not _same(expected, actual):
            raise Difference(self.last_input, expected, actual)
        if kind in OUTPUTS:
            self._tally.outputs += 1
        self.next = next(self._records, None)


class _ClosedDoor:
    """A door behind which there is nothing."""

    def open_lines(self) -> None: ...
    def sign(self, request: WireRequest) -> bytes:
        return request.body

    def send(self, line: int, data: bytes) -> None: ...
    def ask(self, request_id: int, request: RestRequest) -> None: ...
    def drop(self, line: int, reason: str, *, redial_now: bool) -> None: ...
    def stop(self, why: str) -> None: ...
    def left(self) -> None: ...
    def log(self, text: str) -> None: ...


EngineOf = Callable[[Door, Callable[[], int], Journal, Hops], Engine]

WATCH_EVERY = 5_000
"""Inputs between two calls of ``watch``: some 20 a second."""


def replay(
    records: Iterable[Record], engine_of: EngineOf, watch: Callable[[Tally], None] | None = None
) -> Tally:
    """Feed one boot's records through a new engine. Raises ``Difference`` at the first."""
    tally = Tally()
    script = _Script(records, tally)
    hops = Hops()
    engine = engine_of(_ClosedDoor(), lambda: 0, script, hops)
    for record in script.inputs():
        feed(engine, record)
        if tally.inputs % WATCH_EVERY == 0:
            tally.events = engine.counts.messages
            while hops.fold():
                pass
            if watch is not None:
                watch(tally)
    tally.events = engine.counts.messages
    return tally


def feed(engine: Engine, record: Record) -> None:
    """Hand one recorded input to an engine."""
    kind, line, now_ns, payload = record.kind, record.line, record.time_ns, record.payload
    if kind == Kind.BYTES:
        engine.on_bytes(line, payload, 0, now_ns, now_ns)
    elif kind == Kind.DUE:
        engine.on_due(now_ns)
    elif kind == Kind.ANSWER:
        answer = unpack(payload, Answer)
        engine.on_answer(answer.request_id, answer.status, answer.headers, answer.body, now_ns)
    elif kind == Kind.UP:
        engine.on_up(line, now_ns)
    elif kind == Kind.DOWN:
        engine.on_down(line, payload.decode(), now_ns)
    elif kind == Kind.CONTROL:
        engine.on_control(payload, now_ns)
    else:
        raise HotloopError(f"record kind {kind} is no input of this version")


def _same(expected: Record, actual: Record) -> bool:
    return (
        expected.kind == actual.kind
        and expected.line == actual.line
        and expected.time_ns == actual.time_ns
        and expected.payload == actual.payload
    )


def describe(record: Record | None) -> str:
    """Return a record in one line for people."""
    if record is None:
        return "nothing"
    name = Kind(record.kind).name if record.kind in Kind._value2member_map_ else str(record.kind)
    return f"{name} line {record.line} at {record.time_ns} {record.payload[:200]!r}"
