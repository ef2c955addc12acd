"""``hotloop ctl``: a word to a running application, by the control socket in its run folder.

Here a verb is sent and the reply shown, as tables or as the raw line. What a verb does is decided
where it arrives, in ``core.io.control`` and the engine.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich import box
from rich.table import Table

from core.engine.engine import TURN_BUDGET_NS
from core.io.control import SOCKET, VERBS, Reply, path_to
from core.io.run_folder import runner
from core.model.errors import BadParameter, ConnectionLost
from core.model.units import NS_PER_MS
from core.model.wording import plain
from core.state.hops import HOPS
from tools.cli import Exit
from tools.report import duration
from tools.screen import Screen

SOCKET_S = 3.0
"""How long a run that is there is given to have a socket: it looks for a lost one each second."""

FOLLOW_S = 60.0
"""How long a flattening is watched; it goes on after that."""

LOOK_S = 0.5

_NEEDED = (
    "positions",
    "open_orders",
    "books",
    "day",
    "flatten",
    "refusals",
    "own_refusals",
    "journal",
    "lines",
    "hops",
)
"""Parts of a status that are shown: a run of another hotloop may have others."""

PATIENCE_S = 5.0
"""How long a reply may take: the socket drops a client after 2 s, and may have others first."""

MAX_REPLY_BYTES = 16 * 1024 * 1024
"""Longest reply that is taken: 100 symbols with 1,000 open orders each stay below it."""

_ABOUT = """\
verbs:
  status          the state of the run: books, orders, positions, hops
  halt [WHY]      place nothing more, and cancel our own orders; the run goes on
  resume          let the strategy place again after a halt that a person may judge
  cancel-all      cancel our own orders; the strategy may place new ones
  cancel-account  have the venue take out every order of the account, whoever's, in one request
  flatten         halt, cancel our own orders, then trade every position to zero, whatever has
                  halted the run; shown until it is flat, or why not (Ctrl-C ends the showing)
  absent ID       give up an unknown order: you have seen that the venue does not have it
  set KEY VALUE   change a parameter of the strategy; no risk limit can be set
  stop            leave: cancel our own orders, have it proved, end the process
"""


_ARGUMENTS = {"halt": ("[WHY]",), "set": ("KEY", "VALUE")}

MAX_REASON = 500
"""Characters of a reason for a halt that are sent: a request has room for them in any script."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``hotloop ctl``."""
    parser.description = f"{parser.description}\n\n{_ABOUT}"
    parser.add_argument("run_dir", type=Path, metavar="RUNDIR", help="the run folder")
    parser.add_argument("verb", choices=VERBS, metavar="VERB", help="see above")
    parser.add_argument("arguments", nargs="*", metavar="ARGUMENT", help="of halt, absent and set")
    parser.add_argument("--json", action="store_true", help="print the reply as it came")


def run(args: argparse.Namespace) -> int:
    """Send the verb and show the reply. Raises ``BadParameter`` or ``ConnectionLost``."""
    arguments: list[str] = args.arguments
    if args.verb == "halt":
        arguments = reason(arguments)
    check_count(args.verb, arguments)
    line = ask(args.run_dir, args.verb, arguments)
    reply = replied(args.run_dir, line)
    if args.json:
        print(line.decode().rstrip("\n"), flush=True)
    elif not reply.ok:
        print(f"hotloop: {args.verb}: {reply.error}", file=sys.stderr)
    elif args.verb == "status":
        show(_status(args.run_dir, line))
    else:
        print(f"{args.verb}: {reply.said or 'done'}")
        why = f" ({reply.halted})" if reply.halted else ""
        print(f"the run is {reply.state}{why}", flush=True)
    if args.verb == "flatten" and reply.ok:
        return follow(args.run_dir, silent=args.json)
    return Exit.OK if reply.ok else Exit.MISUSE


def check_count(verb: str, arguments: Sequence[str]) -> None:
    """Refuse words too many or too few before anything is said: ``flatten BTCUSDT`` would flatten
    all. Raises ``BadParameter``.
    """
    fewest, most = VERBS[verb]
    if not fewest <= len(arguments) <= most:
        usage = " ".join(("hotloop ctl RUNDIR", verb, *_ARGUMENTS.get(verb, ())))
        extra = "" if most else f": it is for the whole run, not for {' '.join(arguments)}"
        raise BadParameter(f"nothing is done: {verb} takes {most or 'no'} words{extra}; {usage}")


def replied(folder: Path, line: bytes) -> Reply:
    """Return what a run has answered; raise ``ConnectionLost`` for what no run answers."""
    try:
        reply = msgspec.json.decode(line, type=Reply)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _foreign(folder, str(error)) from None
    if reply.ok and not reply.state:
        raise _foreign(folder, "no state")
    return reply


def _status(folder: Path, line: bytes) -> dict[str, Any]:
    """Return a status; raise ``ConnectionLost`` for one of another hotloop."""
    status: dict[str, Any] = msgspec.json.decode(line)
    missing = [name for name in _NEEDED if name not in status]
    if missing:
        raise _foreign(folder, f"no {', no '.join(missing)}")
    return status


def _foreign(folder: Path, what: str) -> ConnectionLost:
    return ConnectionLost(
        f"{folder / SOCKET}: what answers there is no run of this hotloop ({what}); status --json "
        "shows its answer as it came, and a signal (kill PID) has a run leave in order"
    )


def reason(words: Sequence[str]) -> list[str]:
    """Return why a run is halted, in letters that it takes: no reason keeps one from halting."""
    why = plain(" ".join(words)).strip()[:MAX_REASON]
    return [why] if why else []


def follow(folder: Path, *, silent: bool = False) -> Exit:
    """Show how a flattening goes on until it has ended: ``OK`` where all is flat then.

    ``silent`` shows nothing: whoever reads the reply as JSON has the exit code.

    Anything else is none: nothing was begun, as the answer has said, or the run has ended first.
    """
    said = ""
    until_s = time.monotonic() + FOLLOW_S
    while time.monotonic() < until_s:
        try:
            line = ask(folder, "status")
        except BadParameter:
            text = "the run has ended first; hotloop flatten CONFIG.toml takes over"
            print(f"flatten: {text}", file=sys.stderr if silent else sys.stdout)
            return Exit.FAILED
        if not replied(folder, line).ok:  # others watch it, too, and more than it answers
            time.sleep(LOOK_S)
            continue
        found = _status(folder, line)["flatten"]
        if found is None:
            return Exit.FAILED
        text = found["verdict"] or "; ".join(found["symbols"])
        if text != said and not silent:
            said = text
            print(f"flatten: {text}", flush=True)
        if not found["under_way"]:
            return Exit.OK if found["flat"] else Exit.FAILED
        time.sleep(LOOK_S)
    text = "flatten: it goes on; status shows how far it is"
    print(text, file=sys.stderr if silent else sys.stdout, flush=True)
    return Exit.FAILED


def ask(folder: Path, verb: str, arguments: Sequence[str] = ()) -> bytes:
    """Return the line that a run answers with.

    Raises ``BadParameter`` where no process runs in the folder, and ``ConnectionLost`` where one
    does and does not answer.
    """
    place = folder / SOCKET
    request = json.dumps({"verb": verb, "arguments": list(arguments)}).encode() + b"\n"
    with _connected(folder) as client:
        try:
            client.sendall(request)
            reply = _line(client)
        except OSError as error:
            raise ConnectionLost(
                f"{place}: the process there did not answer: {error.strerror or error}"
            ) from None
    if not reply.endswith(b"\n"):
        raise ConnectionLost(
            f"{place}: the process there closed the connection without a whole answer; its run.log "
            "may say why"
        )
    return reply


def _connected(folder: Path) -> socket.socket:
    """Return a connection to the run in a folder.

    One that runs and has lost its socket makes it again: that is waited for.
    """
    until_s = time.monotonic() + SOCKET_S
    while True:
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(PATIENCE_S)
        try:
            with path_to(folder) as short:
                client.connect(short)
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
            client.close()
            pid = runner(folder)
            if pid and time.monotonic() < until_s:
                time.sleep(SOCKET_S / 30)
            elif pid:
                raise ConnectionLost(_deaf(folder, pid, error)) from None
            else:
                raise BadParameter(
                    f"{folder}: no process runs there ({SOCKET}: {error.strerror}); RUNDIR is the "
                    "run folder that hotloop run or demo names, and the run may have ended"
                ) from None
        except OSError as error:
            client.close()
            raise BadParameter(f"{folder / SOCKET}: {error.strerror or error}") from None
        else:
            return client


def _deaf(folder: Path, pid: int, error: OSError) -> str:
    who = f"process {pid}" if pid > 0 else "a process"
    how = f"kill {pid}" if pid > 0 else "SIGTERM"
    return (
        f"{folder}: {who} runs there, and its {SOCKET} cannot be reached ({error.strerror}); it is "
        f"starting, ending or stopped; {how} has it leave in order, its orders cancelled"
    )


def _line(client: socket.socket) -> bytes:
    reply = bytearray()
    while not reply.endswith(b"\n") and len(reply) <= MAX_REPLY_BYTES:
        piece = client.recv(65_536)
        if not piece:
            break
        reply += piece
    return bytes(reply)


# -- for people ------------------------------------------------------------------------------


def show(status: dict[str, Any]) -> None:
    """Print a state as tables."""
    console = Screen()
    for part in (_run, _books, _day, _obstacles, _orders, _refusals, _hops):
        table = part(status)
        if table.row_count:
            console.print(table)


def _table(*columns: str, title: str = "") -> Table:
    """Return an empty table; columns whose names begin with ``>`` are to the right."""
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        right = column.startswith(">")
        table.add_column(column.removeprefix(">"), justify="right" if right else "left")
    return table


def _run(status: dict[str, Any]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    why = status["fatal"] or status["halted"]
    journal = status["journal"]
    lines = ", ".join(f"{name} {phase}" for name, phase in status["lines"].items())
    own = sum(refusal["count"] for refusal in status["own_refusals"])
    refusals = f"{sum(status['refusals'].values())} by the venue, {own} by our own limits"
    rows = {
        "state": f"{status['state']}{f': {why}' if why else ''}",
        "trades": f"{status['strategy']} on {status['venue']}",
        "process": f"{status['pid']}, boot {status['boot']}, in {status['run_folder']}",
        "guardian": status["guardian"],
        "lines": lines,
        "journal": f"segment {journal['segment']}, byte {journal['offset']}",
        "orders": (
            f"{len(status['open_orders'])} open ({status['unknown_orders']} unknown), "
            f"{status['orders_sent']} sent, {status['fills']} fills, "
            f"{status['orders_of_others']} of others"
        ),
        "refused": refusals,
        "messages": f"{status['messages']}, {status['errors']} of them not legal",
        "turns": (
            f"{status['slow_turns']} over {TURN_BUDGET_NS // NS_PER_MS} ms, "
            f"the longest {status['slowest_turn_ns'] / NS_PER_MS:.0f} ms"
        ),
        "clock": f"venue {status['clock_offset_ns'] / NS_PER_MS:+.3f} ms",
    }
    flatten = status["flatten"]
    if flatten is not None:
        rows["flatten"] = flatten["verdict"] or "; ".join(flatten["symbols"])
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _books(status: dict[str, Any]) -> Table:
    table = _table(
        "symbol",
        "may be",
        "book",
        ">age",
        ">bid",
        ">ask",
        ">position",
        ">profit",
        title="symbols",
    )
    positions = {row["symbol"]: row for row in status["positions"]}
    for book in status["books"]:
        held = positions[book["symbol"]]
        table.add_row(
            book["symbol"],
            book["trading"],
            book["state"],
            f"{book['age_ms']} ms",
            book.get("bid") or "-",
            book.get("ask") or "-",
            held["position"],
            "?" if held["profit"] is None else f"{held['profit']} {held['quote']}",
        )
    return table


def _day(status: dict[str, Any]) -> Table:
    """What was made since midnight UTC, by symbol and in all, and how much of it is allowed."""
    table = _table(
        "symbol",
        ">today",
        ">allowed",
        ">used",
        ">from",
        ">elsewhere",
        "other fees",
        title="since midnight UTC",
    )
    day = status["day"]
    for row in day["symbols"]:
        quote = row["quote"]
        result = "not known" if row["result"] is None else f"{row['result']} {quote}"
        table.add_row(
            row["symbol"],
            result,
            f"{row['max_loss']} {quote}",
            row["used"],
            "not known" if row["base"] is None else f"{row['base']} {quote}",
            "" if row["elsewhere"] == "0" else f"{row['elsewhere']} {quote}",
            ", ".join(
                f"{fee['paid']} {asset} ({fee['worth'] or 'price not known: ? '} {quote})"
                for asset, fee in row["fees"].items()
            ),
        )
    for row in day["totals"]:
        most = f"{row['max_loss']} {row['quote']}" if row["max_loss"] else "as by symbol"
        held = row["max_notional"]
        table.add_row(
            f"all in {row['quote']}",
            f"{row['result']} {row['quote']}",
            most,
            row["used"] or "",
        )
        if held:
            held_most = f"{held} {row['quote']}"
            table.add_row("held and open", f"{row['notional']} {row['quote']}", held_most)
    if day["not_valued"]:
        table.add_row("nothing placed", day["not_valued"])
    return table


def _orders(status: dict[str, Any]) -> Table:
    table = _table("order", "symbol", "side", ">price", ">size", ">filled", "state", title="orders")
    for order in status["open_orders"]:
        table.add_row(
            order["client_order_id"],
            order["symbol"],
            order["side"].lower(),
            order["price"],
            order["size"],
            order["filled"],
            order["state"],
        )
    return table


def _obstacles(status: dict[str, Any]) -> Table:
    """Why each symbol that may not be traded may not."""
    table = _table("symbol", "why it is not traded", title="not traded")
    for book in status["books"]:
        if book["why_not"]:
            table.add_row(book["symbol"], book["why_not"])
    return table


def _refusals(status: dict[str, Any]) -> Table:
    """Every refusal by reason: the venue's, and our own before anything was sent."""
    table = _table(">times", "by", "symbol", "why", title="refused")
    for name, count in status["refusals"].items():
        table.add_row(str(count), "the venue", "", name)
    for each in status["own_refusals"]:
        table.add_row(str(each["count"]), "us", each["symbol"], f"{each['reason']}: {each['text']}")
    return table


def _hops(status: dict[str, Any]) -> Table:
    table = _table("hop", ">count", ">p50", ">p99", title="hops, latest")
    found = status["hops"]
    for name, figures in ((name, found[name]) for name in HOPS if name in found):
        p50, p99 = duration(figures["p50_ns"]), duration(figures["p99_ns"])
        table.add_row(name, str(figures["count"]), p50, p99)
    return table
