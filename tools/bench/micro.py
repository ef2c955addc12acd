"""``hotloop bench --micro``: what one call of each machine and codec costs, hop by hop.

A machine's speed is told as a ratio to a loop of plain Python that runs right beside it, so that a
budget means nearly the same on a slow machine and on a fast one. The least of several runs counts:
noise only ever adds. On a busy machine that leaves some tens of percent; what a call costs is told
to the percent, and everywhere, by how many bytecodes the interpreter executes for it. Those have a
budget of their own, and what C does for them is left to the time. Here live the calls and the check
against budgets; the application they run in is ``tools.bench.rig``.
"""

from __future__ import annotations

import json
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final, cast

import msgspec
from msgspec import Struct

from core.io.journal_file import JournalFile
from core.io.loop import READABLE, HotLoop
from core.io.transport import Transport
from core.model.commands import OrderKind, Place, TimeInForce
from core.model.errors import BadParameter, ConnectionLost
from core.model.events import Bbo, BookDelta, Event, Side
from core.model.units import NS_PER_MS
from core.model.venue import KeyKind, WireRequest
from core.protocols.websocket import TEXT, ClientCodec
from core.state.book import Book
from core.state.hops import Hops
from core.state.journal import Header, Kind
from core.state.orders import Orders
from core.state.throttle import Share, Throttle
from tools.bench import race, wire
from tools.bench.rig import Rig
from venues.kit.names import Prefixed

RUNS: Final = 40
"""Runs of each call and of the calibration loop, in turns; the least counts."""

RUN_NS: Final = 4_000_000
"""Length of a run: shorter than the time slice that another process may take."""

CALIBRATION_ROUNDS: Final = 10_000
TRIES: Final = 10
"""How often a call that exceeds its budget is measured before that is believed."""

WARM_CALLS: Final = 256
COUNTED_CALLS: Final = 256
"""Calls whose bytecodes are counted, after so many that fill whatever remembers: a whole number of
the 64 changes of a book that come one after the other."""

SEGMENT_BYTES: Final = 64 * 1024 * 1024

PYTHON: Final = "{}.{}".format(*sys.version_info)

_now_ns = time.perf_counter_ns
Call = Callable[[], object]


class Micro(Struct, frozen=True):
    """One call and the hop it belongs to."""

    name: str
    hop: str
    make: Callable[[Rig, Path], Call]


class Cost(Struct, frozen=True):
    """What a call costs."""

    name: str
    hop: str
    ns: float
    ratio: float
    """To one round of the calibration loop."""
    bytecodes: int


class Budgets(Struct, frozen=True):
    """The committed budgets: ratios to the calibration loop, by the name of the call."""

    budgets: dict[str, float]
    tolerance: float
    """A call fails above its budget times this: more than noise adds, less than a doubling."""
    python: str
    """The version of Python whose bytecodes are counted here; another compiles others."""
    bytecodes: dict[str, int]
    bytecodes_tolerance: float
    """Likewise for bytecodes, to which noise adds nothing: a few instructions more are nothing to
    speak of, 15 % are."""


def run(budgets: Path | None, *, as_json: bool) -> int:
    """Measure every call, and print it; return 1 where a budget is exceeded."""
    allowed = _read(budgets) if budgets else None
    with tempfile.TemporaryDirectory(prefix="hotloop-micro-") as folder:
        costs = [_measure(micro, allowed, Path(folder)) for micro in CALLS]
    if as_json:
        print(json.dumps({"machine": race.machine(), "micro": _figures(costs, allowed)}))
    else:
        _print(costs, allowed)
    return 0 if allowed is None else _judge(costs, allowed)


def _read(path: Path) -> Budgets:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Budgets)
    except (OSError, msgspec.DecodeError) as error:
        raise BadParameter(f"--check {path}: expected a file like budgets.json: {error}") from None


def _print(costs: list[Cost], allowed: Budgets | None) -> None:
    print(f"{'call':34} {'hop':10} {'us':>8} {'ratio':>8} {'budget':>8} {'codes':>7} {'budget':>7}")
    for cost in costs:
        budget = allowed.budgets.get(cost.name) if allowed else None
        codes = allowed.bytecodes.get(cost.name) if allowed else None
        print(
            f"{cost.name:34} {cost.hop:10} {cost.ns / 1e3:8.2f} {cost.ratio:8.1f} "
            f"{'' if budget is None else f'{budget:.1f}':>8} "
            f"{cost.bytecodes:7} {'' if codes is None else codes:>7}"
        )


def _figures(costs: list[Cost], allowed: Budgets | None) -> list[dict[str, Any]]:
    """Return what ``--json`` prints of each call."""
    budgets = allowed.budgets if allowed else {}
    return [
        {
            "name": cost.name,
            "hop": cost.hop,
            "ns": round(cost.ns),
            "ratio": round(cost.ratio, 2),
            "budget": budgets.get(cost.name),
            "bytecodes": cost.bytecodes,
        }
        for cost in costs
    ]


def _judge(costs: list[Cost], allowed: Budgets) -> int:
    """Say which budgets are exceeded, missing, or for a call that is no more; return 1 if any."""
    faults = []
    for cost in costs:
        budget = allowed.budgets.get(cost.name)
        if budget is None:
            faults.append(f"{cost.name}: no budget is committed; it takes {cost.ratio:.1f}")
        elif cost.ratio > budget * allowed.tolerance:
            faults.append(
                f"{cost.name}: takes {cost.ratio:.1f} rounds of the calibration loop, "
                f"{cost.ratio / budget:.1f} times its budget of {budget:.1f}"
            )
    faults += _judge_bytecodes(costs, allowed)
    known = {cost.name for cost in costs}
    faults += [f"{name}: a budget for nothing" for name in allowed.budgets if name not in known]
    for fault in faults:
        print(f"hotloop bench: {fault}", file=sys.stderr)
    return 1 if faults else 0


def _judge_bytecodes(costs: list[Cost], allowed: Budgets) -> list[str]:
    """Return which calls execute too much; nothing where this is not the Python of the budgets."""
    if allowed.python != PYTHON:
        told = f"bytecodes are not judged: their budgets are of Python {allowed.python}"
        print(f"hotloop bench: {told}", file=sys.stderr)
        return []
    return [
        f"{cost.name}: executes {cost.bytecodes} bytecodes, "
        f"{cost.bytecodes / most:.2f} times its budget of {most}"
        for cost in costs
        if (most := allowed.bytecodes.get(cost.name, 0))
        and cost.bytecodes > most * allowed.bytecodes_tolerance
    ]


# -- measuring -------------------------------------------------------------------------------


def _measure(micro: Micro, allowed: Budgets | None, folder: Path) -> Cost:
    budget = allowed.budgets.get(micro.name) if allowed else None
    limit = budget * allowed.tolerance if allowed and budget else 0.0
    bytecodes = _bytecodes(micro, folder)
    best: Cost | None = None
    for _ in range(TRIES):
        found = _once(micro, folder, bytecodes)
        best = found if best is None or found.ratio < best.ratio else best
        if not limit or best.ratio <= limit:
            break
    if best is None:
        raise AssertionError("a call is measured at least once")
    return best


def _once(micro: Micro, folder: Path, bytecodes: int) -> Cost:
    with tempfile.TemporaryDirectory(dir=folder) as own:
        call = micro.make(Rig(), Path(own))
        count = 1
        while _timed(call, count) < RUN_NS // 8:
            count *= 2
        ns = calibration_ns = float("inf")
        for _ in range(RUNS):
            calibration_ns = min(calibration_ns, calibration())
            ns = min(ns, _timed(call, count) / count)
    return Cost(micro.name, micro.hop, ns, ns / calibration_ns, bytecodes)


def _timed(call: Call, count: int) -> int:
    rounds = range(count)
    began_ns = _now_ns()
    for _ in rounds:
        call()
    return _now_ns() - began_ns


def _bytecodes(micro: Micro, folder: Path) -> int:
    """Return how many bytecodes a call makes the interpreter execute, on average."""
    executed = 0

    def trace(frame: FrameType, event: str, _: object) -> Callable[..., Any]:
        nonlocal executed
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        executed += event == "opcode"
        return trace

    with tempfile.TemporaryDirectory(dir=folder) as own:
        call = micro.make(Rig(), Path(own))
        for _ in range(WARM_CALLS):
            call()
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            for _ in range(COUNTED_CALLS):
                call()
        finally:
            sys.settrace(before)
    return round(executed / COUNTED_CALLS)


def calibration() -> float:
    """Return the nanoseconds of one round of plain Python: calls, integers, a dict, a list."""
    known: dict[int, int] = {}
    kept: list[int] = []
    began_ns = _now_ns()
    for i in range(CALIBRATION_ROUNDS):
        known[i & 63] = _step(i)
        kept.append(known[i & 31])
    return (_now_ns() - began_ns) / CALIBRATION_ROUNDS


def _step(value: int) -> int:
    return value * 31 + 7 & 0xFFFF


# -- the calls -------------------------------------------------------------------------------


def _bbo(rig: Rig, _: Path) -> Call:
    payload = rig.tick_payload("bookTicker")
    return _decoding(rig, 0, payload)


def _depth(rig: Rig, _: Path) -> Call:
    return _decoding(rig, 0, rig.tick_payload("depth"))


def _execution(rig: Rig, _: Path) -> Call:
    event = _order().reports(1_780_000_000_000)[0]
    return _decoding(rig, 1, b'{"subscriptionId":0,"event":%b}' % event)


class _Socket:
    """A socket of which each read brings the same bytes, and no read or send costs anything."""

    family = socket.AF_UNIX

    def __init__(self, data: bytes) -> None:
        self._data = data

    def setblocking(self, _: bool) -> None: ...
    def fileno(self) -> int:
        return 0

    def recv(self, _: int) -> bytes:
        return self._data


class _Loop:
    """A loop that has a turn made when it is told to."""

    def __init__(self) -> None:
        self.now_ns = _now_ns

    def add(self, _: int, turn: Callable[[int], None]) -> None:
        self.turn = turn


class _Nobody:
    """Takes what a connection brings, and does nothing about it."""

    def on_bytes(
        self, link: int, data: bytes, kernel_ns: int, began_ns: int, read_ns: int
    ) -> None: ...
    def on_lost(self, lost: ConnectionLost) -> None: ...


def _read_turn(_: Rig, __: Path) -> Call:
    loop = _Loop()
    sock = cast(socket.socket, _Socket(bytes(200)))
    Transport(sock, cast(HotLoop, loop), kernel_stamps=False).start(0, _Nobody())
    return lambda: loop.turn(READABLE)


def _order_reply(rig: Rig, _: Path) -> Call:
    return _decoding(rig, 1, wire.reply(b'"p7"', _order().placed(1_780_000_000_000)))


def _order() -> wire.Order:
    text = (
        b'{"newClientOrderId":"hbenchs-1-1","price":"60000.00000000",'
        b'"quantity":"0.00100000","timeInForce":"IOC"}'
    )
    return wire.Order(text, 77)


def _decoding(rig: Rig, connection: int, payload: bytes) -> Call:
    events: list[Event] = []
    decode = rig.adapter.decode

    def call() -> None:
        decode(connection, payload, events)
        events.clear()

    return call


def _receive(rig: Rig, _: Path) -> Call:
    codec = _codec()
    data = wire.frame(rig.tick_payload("bookTicker"))
    return lambda: codec.receive(data)


def _frame(_: Rig, __: Path) -> Call:
    codec = _codec()
    payload = bytes(280)
    return lambda: codec.frame(TEXT, payload)


def _codec() -> ClientCodec:
    return ClientCodec(mask_source=lambda: 0x1234_5678, max_message_bytes=1 << 22)


def _apply_bbo(_: Rig, __: Path) -> Call:
    book = Book(0, None)
    book.begin()
    seq = 0

    def call() -> None:
        nonlocal seq
        seq += 1
        book.apply_bbo(Bbo(0, seq, 6_000_000 + (seq & 1), 100, 6_000_005, 200))

    return call


def _apply_delta(_: Rig, __: Path) -> Call:
    rig = Rig(stream="depth")
    events: list[Event] = []
    for payload in rig.tick_payloads("depth", 64):
        rig.adapter.decode(0, payload, events)
    deltas = [event for event in events if isinstance(event, BookDelta)]
    book = rig.engine.books[0]
    at = 0
    seq = book.seq

    def call() -> None:
        nonlocal at, seq
        delta = deltas[at & 63]
        at += 1
        book.apply_delta(BookDelta(0, seq + 1, seq + 20, delta.bids, delta.asks, delta.venue_ns))
        seq += 20

    return call


def _approve(rig: Rig, _: Path) -> Call:
    engine = rig.engine
    risk, instrument, book = engine.risk, engine.table[0], engine.books[0]
    exposure, place = engine.orders.exposure(0), _place()
    now_ns = rig.now_ns

    def call() -> None:
        nonlocal now_ns
        now_ns += NS_PER_MS
        risk.approve_place(place, instrument, book, 0, exposure, 0, now_ns)

    return call


def _place(client_order_id: str = "hbenchs-1-1") -> Place:
    return Place(0, client_order_id, Side.BUY, OrderKind.LIMIT, TimeInForce.IOC, 6_000_000, 100)


def _add(_: Rig, __: Path) -> Call:
    orders = Orders(Prefixed("hbenchs-", 1))

    def call() -> None:
        orders.withdraw(orders.add(_place(orders.next_id()), 1))

    return call


def _take(rig: Rig, _: Path) -> Call:
    throttle: Throttle = rig.engine.throttle
    cost = rig.adapter.cost(_place())
    now_ns = rig.now_ns
    return lambda: throttle.take(cost, now_ns, Share.ORDER)


def _encode(rig: Rig, _: Path) -> Call:
    place, now_ns, adapter = _place(), rig.now_ns, rig.adapter
    return lambda: adapter.encode(place, 7, now_ns)


def _sign(_: Rig, __: Path) -> Call:
    rig = Rig(hmac=True)
    request = cast(WireRequest, rig.adapter.encode(_place(), 7, rig.now_ns))
    return lambda: rig.sign(request)


def _append(_: Rig, folder: Path) -> Call:
    header = Header(
        run_id="bench",
        boot=1,
        config_digest="",
        seeds={},
        venue="binance",
        strategy="bench",
        start_ns=0,
        key=KeyKind.SIGNS,
    )
    journal = JournalFile(folder, header, segment_bytes=SEGMENT_BYTES, keep_segments=2)
    payload = bytes(210)

    def call() -> None:
        journal.append(Kind.BYTES, 0, 1, payload)
        if journal.position[1] & 0xFFFF < 256:
            journal.prepare()

    return call


def _turn(_: Rig, __: Path) -> Call:
    hops = Hops()

    def call() -> None:
        hops.turn(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0)
        hops.record(12, 5_000)

    return call


def _engine_quiet(rig: Rig, _: Path) -> Call:
    return rig.ticker(wire.LEAST_LOTS // 2)


def _engine_order(rig: Rig, _: Path) -> Call:
    """Return a tick that is answered, and the venue's word that the order expired."""
    return rig.trader()


CALLS: Final = (
    Micro("turn of a read, without the kernel", "read", _read_turn),
    Micro("websocket receive, book ticker", "decode", _receive),
    Micro("decode book ticker", "decode", _bbo),
    Micro("decode depth, 20 changes", "decode", _depth),
    Micro("decode execution report", "decode", _execution),
    Micro("decode order reply", "decode", _order_reply),
    Micro("book apply top", "book", _apply_bbo),
    Micro("book apply depth, 20 changes", "book", _apply_delta),
    Micro("risk approve", "risk", _approve),
    Micro("orders add and withdraw", "risk", _add),
    Micro("throttle take", "encode", _take),
    Micro("encode place", "encode", _encode),
    Micro("sign, HMAC", "encode", _sign),
    Micro("websocket frame, order", "encode", _frame),
    Micro("journal append, 210 bytes", "encode", _append),
    Micro("hops turn and record", "all", _turn),
    Micro("engine: book ticker, no order", "all", _engine_quiet),
    Micro("engine: tick, order, its reply", "all", _engine_order),
)
