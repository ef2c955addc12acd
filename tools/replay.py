"""``hotloop replay``: feed a recorded run through the same code and compare every outgoing byte.

Here what a replay finds is told to people and programs. The comparison itself is
``core.engine.replay``; what another strategy would have done is ``tools.whatif``.
``docs/replay.md`` states the promise.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.engine.replay import Difference, Tally, name, replay
from core.model.errors import BadParameter
from core.model.units import NS_PER_MS, NS_PER_S
from core.state.journal import OUTPUTS, Answer, Ask, Header, Kind, Record, unpack
from tools import whatif
from tools.cli import Exit
from tools.recording import Recording, progress_bar

AROUND = 40
"""Characters shown on either side of the first one that differs."""

SHOWN = 160
"""Characters of a record that is shown in one line."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``hotloop replay``."""
    parser.add_argument(
        "journal", type=Path, metavar="JOURNAL", help="a run folder, its journal, or a segment"
    )
    parser.add_argument("--boot", type=int, metavar="N", help="this start of the run alone")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--strategy", metavar="NAME", help="SIMULATE another strategy on the recorded market"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="SIMULATE with another strategy parameter; may be given several times",
    )


def run(args: argparse.Namespace) -> int:
    """Replay, and return the exit code: ``FAILED`` where something differs."""
    if args.strategy is not None or args.set:
        return whatif.run(args.journal, args.boot, args.strategy, args.set, as_json=args.json)
    return _compare(Recording(args.journal, args.boot), as_json=args.json)


# -- comparing -------------------------------------------------------------------------------


def _compare(recording: Recording, *, as_json: bool) -> int:
    total = Tally()
    began_s = time.perf_counter()
    found: dict[str, Any] | None = None
    lines: list[str] = []
    changed: list[int] = []
    with progress_bar(recording) as show:
        for header, records in recording.boots():
            application = recording.wire(header, recording.config_of(header))
            boot_began_s = time.perf_counter()
            tally = replay(records, application.engine, show)
            seconds = time.perf_counter() - boot_began_s
            total.inputs += tally.inputs
            total.outputs += tally.outputs
            total.events += tally.events
            lines += _told(header, tally, seconds)
            if recording.changed(header, application):
                changed.append(header.boot)
                lines.append(
                    f"boot {header.boot}: the source of {header.strategy} has changed since it was "
                    "recorded"
                )
            if tally.difference is not None:
                found = {"boot": header.boot} | _as_json(tally.difference)
                break
    recording.warn_of_torn()
    if not lines:
        raise BadParameter(f"{recording.folder}: the journal holds no run, so nothing was replayed")
    if as_json:
        result = {
            "identical": found is None,
            "inputs": total.inputs,
            "outputs": total.outputs,
            "events": total.events,
            "seconds": round(time.perf_counter() - began_s, 3),
            "first_difference": found,
            "strategy_changed_since": changed,
        }
        lines = [json.dumps(result)]
    print("\n".join(lines))
    return Exit.OK if found is None else Exit.FAILED


def _told(header: Header, tally: Tally, seconds: float) -> Iterator[str]:
    """Tell what became of one boot."""
    recorded_s = (tally.at.time_ns - header.start_ns) / NS_PER_S if tally.at else 0.0
    amounts = f"{tally.inputs:,} inputs, {tally.outputs:,} outputs, {tally.events:,} events"
    if tally.difference is None:
        yield (
            f"boot {header.boot}: identical: {amounts}; {recorded_s:.1f} s replayed in "
            f"{seconds:.2f} s ({recorded_s / seconds:,.0f} times faster, "
            f"{tally.events / seconds:,.0f} events/s)"
        )
    else:
        yield f"boot {header.boot}: DIFFERENT after {amounts}"
        yield from _lines(tally.difference)
    if tally.unrecorded:
        yield (
            f"boot {header.boot}: the recording was cut off within its last turn: "
            f"{tally.unrecorded} more outputs came, which it does not hold"
        )


def _lines(difference: Difference) -> Iterator[str]:
    """Tell a difference for people: when, what led to it, and what differs."""
    last, expected, actual = difference.last_input, difference.expected, difference.actual
    at = datetime.fromtimestamp(last.time_ns // NS_PER_S, UTC)
    yield f"  time      {at:%Y-%m-%d %H:%M:%S}.{last.time_ns % NS_PER_S:09} UTC ({last.time_ns})"
    yield f"  input     {_line(last)}"
    yield f"            segment {last.segment:06}, offset {last.offset}"
    yield "  before:"
    for record in difference.before:
        way = "<-" if record.kind in OUTPUTS else "->"
        yield f"    {(record.time_ns - last.time_ns) / NS_PER_MS:+12.6f} ms {way} {_line(record)}"
    yield f"  recorded  {_line(expected)}"
    yield f"  replayed  {_line(actual)}"
    if expected is not None and actual is not None:
        yield from _payloads(_text(expected), _text(actual))


def _payloads(expected: str, actual: str) -> Iterator[str]:
    """Show two texts around the first character that differs."""
    if expected == actual:
        return
    pairs = enumerate(zip(expected, actual, strict=False))
    same = next((i for i, (a, b) in pairs if a != b), min(len(expected), len(actual)))
    start = max(same - AROUND, 0)
    yield f"  they part at character {same}:"
    yield f"    recorded  {expected[start : same + AROUND]}"
    yield f"    replayed  {actual[start : same + AROUND]}"
    yield f"              {'':{same - start}}^"


def _line(record: Record | None) -> str:
    """Return a record in one line."""
    if record is None:
        return "nothing"
    text = _text(record)
    dots = "..." if len(text) > SHOWN else ""
    return f"{name(record)} line {record.connection}: {text[:SHOWN]}{dots}"


def _text(record: Record) -> str:
    """Return a payload as printable text."""
    if record.kind == Kind.ASK:
        ask = unpack(record.payload, Ask)
        body = f" {_printable(ask.body)}" if ask.body else ""
        return f"request {ask.request_id}: {ask.method} {ask.path}?{ask.query}{body}"
    if record.kind == Kind.ANSWER:
        answer = unpack(record.payload, Answer)
        return f"request {answer.request_id}: {answer.status} {_printable(answer.body)}"
    return _printable(record.payload)


def _printable(data: bytes) -> str:
    """Return bytes as text, with escapes for what is not printable ASCII."""
    return repr(data)[2:-1]


def _as_json(difference: Difference) -> dict[str, Any]:
    return {
        "time_ns": difference.last_input.time_ns,
        "input": _record(difference.last_input),
        "expected": _record(difference.expected),
        "actual": _record(difference.actual),
        "before": [_record(record) for record in difference.before],
    }


def _record(record: Record | None) -> dict[str, Any] | None:
    if record is None:
        return None
    return {
        "kind": name(record),
        "line": record.connection,
        "time_ns": record.time_ns,
        "segment": record.segment,
        "offset": record.offset,
        "payload": _text(record),
    }
