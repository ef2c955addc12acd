"""``hotloop bench``: the race from tick to order, wire to wire, against whoever is asked for.

Here live the command's arguments and what is printed. The race itself is ``tools.bench.race``, the
load generator ``tools.bench.generator``, the soak ``tools.bench.soak``, the cost of each machine
``tools.bench.micro``, beside another checkout's ``tools.bench.beside``, and cold as well as warm
``tools.bench.steps``, the speed of a replay ``tools.bench.replaying``, the highest rate that holds
``tools.bench.saturation``, tables and pictures ``tools.bench.page``, the project's page
``tools.bench.docs``, the peers' environments ``tools.bench.install``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from core.model.errors import BadParameter
from tools.arguments import count, minutes, seconds
from tools.bench import (
    beside,
    docs,
    install,
    micro,
    page,
    race,
    replaying,
    saturation,
    soak,
    steps,
    variants,
)

ROUNDS = 5
"""Rounds: the least that a median over rounds means something with."""

LEVELS = 5_000
"""Levels a side of the book: the deepest snapshot Binance gives."""

MOST_LEVELS = 100_000
"""Levels a side: the deepest book of a venue has some tens of thousands."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``hotloop bench``."""
    parser.add_argument(
        "--against",
        metavar="NAME,..",
        default="",
        help="whom to race besides the floor and hotloop: peers, or all of them (installed with "
        "--install-peers), NAME+hmac to have every order signed, hotloop+compiled, or parts: "
        "hotloop without kernel stamps, hops, journal, and all three; with --micro another "
        "checkout, or a compiled copy, whose calls are measured in turns with these",
    )
    parser.add_argument(
        "--seconds", type=seconds, default=2.0, metavar="N", help="length of each cell (default: 2)"
    )
    parser.add_argument(
        "--rounds", type=count, default=ROUNDS, metavar="N", help=f"default: {ROUNDS}"
    )
    parser.add_argument(
        "--levels",
        type=count,
        default=LEVELS,
        metavar="N",
        help=f"levels a side of the book (default: {LEVELS})",
    )
    parser.add_argument(
        "--only",
        choices=race.MODES,
        action="append",
        help="measure this mode alone; may be given more than once",
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with the picture")
    parser.add_argument(
        "--micro", action="store_true", help="measure each machine and codec instead, per call"
    )
    parser.add_argument(
        "--steps",
        action="store_true",
        help="measure each step from a tick to its order and its replies, warm and cold; with "
        "--against another checkout's beside them",
    )
    parser.add_argument(
        "--check",
        type=Path,
        metavar="FILE",
        help="with --micro: fail where a call takes longer than these budgets allow",
    )
    parser.add_argument(
        "--soak",
        type=minutes,
        metavar="MINUTES",
        help="watch memory, CPU and tails under a steady load instead",
    )
    parser.add_argument(
        "--replay", action="store_true", help="measure how fast a journal is replayed instead"
    )
    parser.add_argument(
        "--saturation",
        action="store_true",
        help="look for the highest rate that holds instead, by stream, orders and build; five "
        "minutes at most",
    )
    parser.add_argument(
        "--install-peers", metavar="NAME,..", help="make the environments of peers, or of all"
    )
    parser.add_argument(
        "--write-docs",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="write the last FILE (docs/performance.md) and its picture from what --json printed "
        "into the others: the race, and any of --soak, --micro, --replay, --saturation and "
        "tools.compiled; or the table of docs/speed.md from what --steps --json printed",
    )


def run(args: argparse.Namespace) -> int:
    """Do what was asked for; return the exit code."""
    if args.install_peers:
        return install.run(_names(args.install_peers))
    if args.write_docs:
        *sources, target = args.write_docs
        result = merged(map(_read, sources))
        if "steps" in result:
            steps.write(result["steps"], target)
        else:
            docs.write(result, target)
        return 0
    if args.steps:
        return steps.run(Path(args.against) if args.against else None, as_json=args.json)
    if args.micro and args.against:
        if args.check:
            raise BadParameter("--check judges this checkout alone: leave --against out")
        return beside.run(Path(args.against), as_json=args.json)
    if args.micro or args.check:
        return micro.run(args.check, as_json=args.json)
    if args.soak is not None:
        if args.soak <= 0:
            raise BadParameter("--soak must be above 0")
        result = soak.run(args.soak)
    elif args.replay:
        result = replaying.run()
    elif args.saturation:
        result = saturation.run()
    else:
        result = _race(args)
    if args.html:
        args.html.write_text(page.html(result), encoding="utf-8")
    print(json.dumps(result, separators=(",", ":")) if args.json else page.text(result))
    return 0


def merged(results: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return what several commands have printed as one; machine and settings are the race's."""
    whole: dict[str, Any] = {}
    for result in sorted(results, key=lambda result: "rows" in result):
        whole |= result
    return whole


def _race(args: argparse.Namespace) -> dict[str, Any]:
    if args.levels > MOST_LEVELS:
        raise BadParameter(f"--levels {args.levels}: at most {MOST_LEVELS}")
    peers = _names(args.against) if args.against else []
    variants.check(peers)
    machine = race.machine()
    contest = race.Race(seconds=args.seconds, rounds=args.rounds, levels=args.levels)
    settings = {
        "rounds": args.rounds,
        "seconds": args.seconds,
        "book_levels": args.levels,
        "generator_cpu": contest.generator_cpu,
        "variant_cpu": contest.variant_cpu,
        "versions": variants.versions(peers),
        "against": args.against,
    }
    print(page.preface(machine, settings), file=sys.stderr)
    rows = contest.run(race.plan([*variants.OURS, *peers], args.only or race.MODES))
    return {
        "machine": machine,
        "settings": {**settings, "rounds": contest.rounds_done},
        "failures": contest.failures,
        "spared": contest.spared,
        "hops": {name: costs.hops for name, costs in contest.hops.items()},
        "rows": msgspec.to_builtins(rows),
    }


def _names(text: str) -> list[str]:
    several = {"all": variants.known_peers(), "parts": list(variants.STRIPPED)}
    names = [name for word in text.split(",") for name in several.get(word, [word])]
    return list(dict.fromkeys(names))


def _read(path: Path) -> dict[str, Any]:
    try:
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadParameter(f"{path}: expected what hotloop bench --json printed: {error}") from None
    return result
