"""``hotloop replay``: feed a recorded run through the same code and compare every outgoing byte.

Here a run folder becomes boots, each with the house that it ran in, and what a replay finds is
told to people and programs. The comparison itself is ``core.replay``; what another strategy would
have done is ``tools.whatif``. ``docs/replay.md`` states the promise.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from core import app
from core.app import House
from core.config import Config, digest
from core.errors import BadConfig, BadParameter
from core.io.journal_file import Reader, read
from core.io.run_folder import RunFolder
from core.journal import OUTPUTS, Answer, Ask, Header, Kind, Record, unpack
from core.replay import Difference, Tally, boots, name, replay
from core.units import NS_PER_MS, NS_PER_S
from tools.cli import Exit
from tools.files import find_strategies_beside, read_config

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


def run(args: argparse.Namespace) -> int:
    """Replay, and return the exit code: ``FAILED`` where something differs."""
    recording = Recording(args.journal, args.boot)
    return _compare(recording, as_json=args.json)


# -- what was recorded -----------------------------------------------------------------------


class Recording:
    """A run folder's journal, and the configuration that lies beside it."""

    def __init__(self, path: Path, boot: int | None) -> None:
        """Take any path that names the journal. Raises ``BadParameter`` or ``BadConfig``."""
        if not path.exists():
            raise BadParameter(f"{path} does not exist; JOURNAL is a run folder")
        journal = path.parent if path.is_file() else path
        self.folder = journal.parent if any(journal.glob("*.journal")) else journal
        self.reader: Reader = read(self.folder)
        self.config_path = RunFolder(self.folder).config
        self.config: Config = read_config(self.config_path)
        self._boot = boot
        self._sizes = [file.stat().st_size for file in sorted(self.folder.glob("journal/*"))]
        self._first = 0
        # The run found them beside its configuration, of which the folder holds only a copy.
        find_strategies_beside(Path.cwd() / self.config_path.name)
        find_strategies_beside(self.config_path)

    def boots(self) -> Iterator[tuple[Header, Iterator[Record]]]:
        """Yield what is to be replayed, boot by boot. Raises ``BadParameter``."""
        found = []
        for header, records in boots(self.reader):
            self._first = self._first or header.segment
            found.append(header.boot)
            if self._boot in (None, header.boot):
                self._check_whole(header)
                yield header, records
        if self._boot is not None and self._boot not in found:
            raise BadParameter(
                f"--boot {self._boot}: {self.folder} holds {', '.join(map(str, found))}"
            )

    def _check_whole(self, header: Header) -> None:
        if header.previous_end:
            raise BadParameter(
                f"{self.folder}: the beginning of boot {header.boot} is gone: retention deleted "
                f"the segments before {header.segment:06}, and a replay starts where a boot "
                "starts. Put them back from a copy, or replay a later boot alone (--boot N); a "
                "larger [journal] keep_segments keeps more of the next run"
            )
        if header.key is None:
            raise BadParameter(
                f"{self.folder}: boot {header.boot} was recorded by an older hotloop, which did "
                "not note what a replay needs; replay it with that one"
            )

    def check_config(self, header: Header) -> None:
        """Make sure that a boot ran with the configuration at hand. Raises ``BadConfig``."""
        if digest(self.config) != header.config_digest:
            raise BadConfig(
                f"{self.config_path} is not what boot {header.boot} ran with (its digest is not "
                "the one in the journal): it was changed, a later boot ran with another one, or "
                "another version of hotloop reads it differently. Put it back as it was, or "
                "replay a boot that ran with this one (--boot N)"
            )

    def house(self, header: Header, config: Config) -> House:
        """Wire the house of a boot again. Raises ``BadConfig``."""
        if header.key is None:
            raise AssertionError("checked before")
        return app.house(
            config,
            str(self.config_path),
            scope=header.run_id,
            boot=header.boot,
            seed=header.seeds["run"],
            key=header.key,
        )

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        return sum(self._sizes)

    def position(self, record: Record) -> int:
        """Bytes of the journal before a record."""
        return sum(self._sizes[: record.segment - self._first]) + record.offset

    def warn_of_torn(self) -> None:
        """Say what a dying process left half written."""
        if self.reader.left:
            print(
                f"hotloop: {self.folder}: {self.reader.left} bytes were torn: half written when "
                "the process died, and no part of the replay",
                file=sys.stderr,
            )


@contextmanager
def progress_bar(recording: Recording) -> Iterator[Callable[[Tally], None]]:
    """Show on a terminal how far a recording was replayed; yields what tells it so."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("replaying", total=recording.size)

        def show(tally: Tally) -> None:
            if tally.at is not None:
                progress.update(task, completed=recording.position(tally.at))

        yield show


# -- comparing -------------------------------------------------------------------------------


def _compare(recording: Recording, *, as_json: bool) -> int:
    total = Tally()
    began_s = time.perf_counter()
    found: dict[str, Any] | None = None
    with progress_bar(recording) as show:
        for header, records in recording.boots():
            recording.check_config(header)
            engine_of = recording.house(header, recording.config).engine
            boot_began_s = time.perf_counter()
            tally = replay(records, engine_of, show)
            seconds = time.perf_counter() - boot_began_s
            total.inputs += tally.inputs
            total.outputs += tally.outputs
            total.events += tally.events
            if not as_json:
                _tell(header, tally, seconds)
            if tally.difference is not None:
                found = {"boot": header.boot} | _as_json(tally.difference)
                break
    recording.warn_of_torn()
    if as_json:
        result = {
            "identical": found is None,
            "inputs": total.inputs,
            "outputs": total.outputs,
            "events": total.events,
            "seconds": round(time.perf_counter() - began_s, 3),
            "first_difference": found,
        }
        print(json.dumps(result))
    return Exit.OK if found is None else Exit.FAILED


def _tell(header: Header, tally: Tally, seconds: float) -> None:
    """Print what became of one boot."""
    recorded_s = (tally.at.time_ns - header.start_ns) / NS_PER_S if tally.at else 0.0
    amounts = f"{tally.inputs:,} inputs, {tally.outputs:,} outputs, {tally.events:,} events"
    if tally.difference is None:
        print(
            f"boot {header.boot}: identical: {amounts}; {recorded_s:.1f} s replayed in "
            f"{seconds:.2f} s ({recorded_s / seconds:,.0f} times faster, "
            f"{tally.events / seconds:,.0f} events/s)"
        )
    else:
        print(f"boot {header.boot}: DIFFERENT after {amounts}")
        print("\n".join(_lines(tally.difference)))
    if tally.unrecorded:
        print(
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
    return f"{name(record)} line {record.line}: {text[:SHOWN]}{dots}"


def _text(record: Record) -> str:
    """Return a payload as printable text."""
    if record.kind == Kind.ASK:
        ask = unpack(record.payload, Ask)
        return f"request {ask.request_id}: {ask.method} {ask.path}?{ask.query}"
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
        "line": record.line,
        "time_ns": record.time_ns,
        "segment": record.segment,
        "offset": record.offset,
        "payload": _text(record),
    }
