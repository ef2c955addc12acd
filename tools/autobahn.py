"""Run our WebSocket codec through the Autobahn suite's fuzzing server, and write down the result.

Here lives the client under test, an echo over ``core.protocols``, and the summary of the suite's
report. The suite itself is not ours and stays outside: ``docs/autobahn.md`` says how to get it.

    python -m tools.autobahn --report reports/clients/index.json --write docs/autobahn.md
"""

from __future__ import annotations

import argparse
import contextlib
import secrets
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

import msgspec
import trio

from core.protocols.websocket import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    ClientCodec,
    DeflateParams,
    State,
    parse_close,
)
from core.protocols.websocket_handshake import ClientHandshake

AGENT = "hotloop"
HOST = "127.0.0.1"
PASSED = ("OK", "NON-STRICT", "INFORMATIONAL")

_READ_BYTES = 64 * 1024
# The largest messages of the suite have 16 MiB (9.1.6, 9.2.6).
_MAX_MESSAGE_BYTES = 16 * 1024 * 1024
# The slowest case (13.3.15: a thousand messages, deflated on both sides) took 18 s on two busy
# cores; a case that takes many times as long hangs.
_CASE_DEADLINE_S = 300.0

FAMILIES = {
    1: "framing",
    2: "pings and pongs",
    3: "reserved bits",
    4: "opcodes",
    5: "fragmentation",
    6: "UTF-8",
    7: "closing",
    9: "limits and performance",
    10: "fragmentation on send",
    12: "compression, payloads",
    13: "compression, parameters",
}


class Result(msgspec.Struct, rename="camel"):
    """One case in the suite's index.json."""

    behavior: str
    behavior_close: str


async def converse(port: int, target: str, *, echo: bool) -> bytes:
    """Open ``target`` and talk until the server closes; the first text it said."""
    first = b""
    with trio.fail_after(_CASE_DEADLINE_S):
        async with await trio.open_tcp_stream(HOST, port) as stream:
            codec, data = await _upgraded(stream, f"{HOST}:{port}", target)
            # A server that hangs up without waiting for us has ended the case too.
            with contextlib.suppress(trio.BrokenResourceError):
                while codec.fault is None:
                    messages = codec.receive(data)
                    first = first or next((said for op, said in messages if op == TEXT), b"")
                    await stream.send_all(b"".join(_answers(codec, messages, echo=echo)))
                    if not (data := await stream.receive_some(_READ_BYTES)):
                        break
    return first


async def _upgraded(stream: trio.SocketStream, host: str, target: str) -> tuple[ClientCodec, bytes]:
    """A codec for an open session, and the first bytes for it."""
    handshake = ClientHandshake(
        host=host, target=target, nonce=secrets.token_bytes(16), deflate=DeflateParams()
    )
    await stream.send_all(handshake.request)
    while (upgraded := handshake.receive(await stream.receive_some(_READ_BYTES))) is None:
        pass
    codec = ClientCodec(
        mask_source=partial(secrets.randbits, 32),
        max_message_bytes=_MAX_MESSAGE_BYTES,
        deflate=upgraded.deflate,
    )
    return codec, upgraded.leftover


def _answers(codec: ClientCodec, messages: list[tuple[int, bytes]], *, echo: bool) -> list[bytes]:
    answers = []
    for opcode, payload in messages:
        if opcode == PING:
            answers.append(codec.frame(PONG, payload))
        elif echo and opcode in {TEXT, BINARY}:
            answers.append(codec.frame(opcode, payload))
        elif opcode == CLOSE and codec.state is State.CLOSE_RECEIVED:
            code, _ = parse_close(payload)
            answers.append(codec.close(code if payload else None))
    if codec.fault is not None and codec.state is State.FAILED:
        answers.append(codec.close(codec.fault.close_code))
    return answers


async def run_cases(port: int, only: range | None) -> int:
    """Have the suite try each case; return how many those were."""
    count = int(await converse(port, "/getCaseCount", echo=False))
    cases = only or range(1, count + 1)
    for case in cases:
        print(f"\rcase {case} of {cases[-1]}", end="", file=sys.stderr, flush=True)
        await converse(port, f"/runCase?case={case}&agent={AGENT}", echo=True)
    print(file=sys.stderr)
    await converse(port, f"/updateReports?agent={AGENT}", echo=False)
    return len(cases)


def report_of(path: Path, cases: int, began_ns: int) -> dict[str, Result]:
    """Return what the suite says of the cases that were run.

    A report of another time, or of fewer cases, would pass for this one. Raises ``SystemExit``.
    """
    if not path.exists() or path.stat().st_mtime_ns < began_ns:
        raise SystemExit(f"{path}: the suite has not written it in this run")
    reports = msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, Result]])
    results = reports.get(AGENT, {})
    if not cases or len(results) < cases:
        raise SystemExit(f"{path}: tells of {len(results)} cases, and {cases} were run")
    return results


def summary(results: dict[str, Result]) -> tuple[str, list[str]]:
    """A Markdown table of the families, and the cases that did not pass."""
    families: dict[int, Counter[str]] = {}
    failed = []
    for case, result in results.items():
        verdicts = (result.behavior, result.behavior_close)
        passed = all(verdict in PASSED for verdict in verdicts)
        counts = families.setdefault(int(case.split(".")[0]), Counter())
        counts[result.behavior if passed else "failed"] += 1
        if not passed:
            failed.append(f"{case}: {verdicts[0]}, close {verdicts[1]}")
    columns = (*PASSED, "failed")
    lines = ["| family | cases | " + " | ".join(columns) + " |", "|---" * 6 + "|"]
    for family, counts in sorted(families.items()):
        cells = [f"{family} {FAMILIES.get(family, '')}", str(counts.total())]
        lines.append("| " + " | ".join([*cells, *(str(counts[name]) for name in columns)]) + " |")
    total = sum(families.values(), Counter())
    cells = ["all", str(total.total()), *(str(total[name]) for name in columns)]
    lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines), failed


def write_into(path: Path, table: str) -> None:
    """Replace the last result in the page: all that follows its last heading."""
    page, heading, _ = path.read_text().rpartition("## Last result\n")
    if not heading:
        raise SystemExit(f"{path}: no heading '## Last result' to write the table under")
    path.write_text(f"{page}{heading}\n{table}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--port", type=int, default=9001, help="the fuzzing server's, on loopback")
    parser.add_argument("--report", type=Path, required=True, help="the index.json it writes")
    parser.add_argument("--write", type=Path, help="a page whose last result to replace")
    parser.add_argument("--cases", type=int, nargs=2, metavar=("FIRST", "LAST"), help="only these")
    args = parser.parse_args()
    only = range(args.cases[0], args.cases[1] + 1) if args.cases else None
    began_ns = time.time_ns()
    cases = trio.run(run_cases, args.port, only)
    table, failed = summary(report_of(args.report, cases, began_ns))
    print(table)
    print(*failed, sep="\n")
    if args.write:
        write_into(args.write, table)
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
