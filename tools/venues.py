"""``hotloop venues``: what each venue can do, as the code declares it.

Nothing is said here that the code does not go by: the answers are those of an adapter, made as for
a run with a key on the venue's first own environment. Nothing is connected.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Struct

import venues
from core.model.errors import BadConfig
from core.model.events import Limit, Rule, Scope
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import (
    Adapter,
    AmendKind,
    Capabilities,
    Connection,
    DeadManKind,
    Environment,
    KeyField,
    Stream,
    Subscription,
    Venue,
)
from tools.cli import Exit

BESIDE: Final = 2
"""Venues beside each other: more do not fit on a terminal of a hundred columns."""

NAME_WIDTH: Final = 16
CELL_WIDTH: Final = 40

REQUEST_MS: Final = 5_000
"""How long requests stay valid where a configuration says nothing else."""


class Field(Struct, frozen=True):
    """One field of a key file."""

    name: str
    what: str
    secret: bool
    pem: bool


class Told(Struct, frozen=True, kw_only=True):
    """What one venue's code declares."""

    environments: dict[str, dict[str, str]]
    """Addresses by environment; ``sim`` has no fixed ones."""
    keys: list[list[Field]]
    """Of each group exactly one is in a key file."""
    connections: dict[str, list[str]]
    streams: list[str]
    orders: list[list[str]]
    amend: str
    replace: bool
    batch: int
    batch_cancel: int
    test_place: bool
    dead_man: str
    dead_man_scope: str
    dead_man_window_ms: int
    request_expiry_ms: int | None
    lists: str
    history: str
    truth: str
    limits: list[dict[str, str | int]]
    verified: dict[str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``hotloop venues``."""
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """Print what there is; return the exit code."""
    told = {
        name: declared(venue) for name in venues.names() if (venue := venues.find(name)) is not None
    }
    if args.json:
        print(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
    else:
        print("\n".join(table(told)))
    return Exit.OK


def declared(venue: Venue) -> Told:
    """Return what a venue's code declares."""
    adapter = _adapter(venue)
    can = adapter.capabilities
    return Told(
        environments={
            str(Environment.SIM): {},
            **{str(each): venue.places(each) for each in venue.environments},
        },
        keys=[[_field(field) for field in group] for group in venue.key_fields],
        connections={connection.name: _carries(connection) for connection in adapter.connections},
        streams=[str(stream) for stream in Stream if stream in can.streams],
        orders=sorted([str(kind), str(tif)] for kind, tif in can.orders),
        amend=str(can.amend),
        replace=can.replace,
        batch=can.batch,
        batch_cancel=can.batch_cancel,
        test_place=can.test_place,
        dead_man=str(can.dead_man.kind),
        dead_man_scope=str(can.dead_man.scope),
        dead_man_window_ms=can.dead_man.window_ns // NS_PER_MS,
        request_expiry_ms=_expiry_ms(can),
        lists=str(can.lists),
        history=str(can.history),
        truth=str(can.truth),
        limits=[_limit(limit) for limit in adapter.limits],
        verified={each.what: each.against for each in venue.verified},
    )


def _adapter(venue: Venue) -> Adapter:
    """Return the adapter of a run with a key; where there is none, of a run that watches."""
    urls = {one.name: next(iter(one.urls.values()), "") for one in venue.endpoints}
    for with_key in (True, False):
        subscription = Subscription(
            symbols=(),
            streams=(Stream.BBO, Stream.DEPTH, Stream.TRADES),
            rest_url=urls.get(venue.http, ""),
            urls=urls,
            session_logon=with_key,
            request_expiry_ms=REQUEST_MS,
        )
        try:
            return venue.adapter(subscription)
        except BadConfig:
            if not with_key:
                raise
    raise AssertionError("one of the two has returned or raised")


def _field(field: KeyField) -> Field:
    return Field(field.name, field.what, field.secret, field.pem)


def _carries(connection: Connection) -> list[str]:
    return sorted(str(role) for role in connection.carries)


def _expiry_ms(can: Capabilities) -> int | None:
    return None if can.request_expiry_ns is None else can.request_expiry_ns // NS_PER_MS


def _limit(limit: Limit) -> dict[str, str | int]:
    return {
        "name": limit.name,
        "kind": limit.kind,
        "amount": limit.amount,
        "interval_ns": limit.interval_ns,
        "rule": str(limit.rule),
        "scope": str(limit.scope),
        "where": limit.where,
    }


# -- for people --------------------------------------------------------------------------------


def table(told: dict[str, Told]) -> Iterator[str]:
    """Yield the lines of a table: a row for each question, a column for each venue."""
    names = list(told)
    for first in range(0, len(names), BESIDE):
        some = names[first : first + BESIDE]
        rows = [("", some), *_rows([told[name] for name in some])]
        if first:
            yield ""
        for question, answers in rows:
            yield from _row(question, answers)


def _rows(told: Sequence[Told]) -> Iterator[tuple[str, list[str]]]:
    """Yield each question, and what each venue answers."""
    yield "environments", [", ".join(each.environments) for each in told]
    yield "key file", ["; ".join(_either(group) for group in each.keys) for each in told]
    yield "connections", [_lines(_connections(each)) for each in told]
    yield "streams", [", ".join(each.streams) for each in told]
    yield "orders", [_orders(each.orders) for each in told]
    yield "amend", [_AMENDS[each.amend] for each in told]
    yield "replace", [_yes(each.replace) for each in told]
    yield "in one request", [_batches(each) for each in told]
    yield "judges unplaced", [_yes(each.test_place) for each in told]
    yield "dead-man switch", [_dead_man(each) for each in told]
    yield "requests expire", [_expires(each) for each in told]
    yield "orders listed", [f"by {each.lists}" for each in told]
    yield "history", [f"by {each.history}" for each in told]
    yield "account's truth", [each.truth for each in told]
    yield "limits", [_lines(_limit_text(limit) for limit in each.limits) for each in told]
    yield (
        "verified",
        [_lines(f"{what}: {by}" for what, by in each.verified.items()) for each in told],
    )


def _batches(told: Told) -> str:
    if told.batch == told.batch_cancel == 1:
        return "one order"
    return f"{told.batch} new orders, {told.batch_cancel} cancels"


_AMENDS: Final[dict[str, str]] = {
    AmendKind.NONE: "no",
    AmendKind.SHRINK: "smaller only",
    AmendKind.PRICE_AND_SIZE: "price and size",
}


def _row(question: str, answers: Sequence[str]) -> Iterator[str]:
    cells = [_wrapped(answer) for answer in answers]
    for number in range(max(len(cell) for cell in cells)):
        parts = [cell[number] if number < len(cell) else "" for cell in cells]
        name = question if not number else ""
        body = "  ".join(part.ljust(CELL_WIDTH) for part in parts)
        yield f"{name.ljust(NAME_WIDTH)}  {body}".rstrip()


def _wrapped(answer: str) -> list[str]:
    lines: list[str] = []
    for line in answer.split("\n"):
        lines += textwrap.wrap(line, CELL_WIDTH, subsequent_indent="  ") or [""]
    return lines


def _lines(parts: Iterable[str]) -> str:
    return "\n".join(parts)


def _either(group: Sequence[Field]) -> str:
    return " or ".join(f"{field.name} (PEM file)" if field.pem else field.name for field in group)


def _connections(told: Told) -> Iterator[str]:
    for name, roles in told.connections.items():
        yield f"{name}: {', '.join(roles)}"


def _orders(orders: Sequence[Sequence[str]]) -> str:
    if not orders:
        return "none: it can be watched"
    kinds: dict[str, list[str]] = {}
    for kind, tif in orders:
        kinds.setdefault(kind, []).append(tif)
    return "\n".join(f"{kind}: {', '.join(tifs)}" for kind, tifs in kinds.items())


def _yes(whether: bool) -> str:
    return "yes" if whether else "no"


def _dead_man(told: Told) -> str:
    if told.dead_man == DeadManKind.NONE:
        return "none: the guardian cancels"
    window_s = told.dead_man_window_ms / 1_000
    after = f" after {window_s:g} s" if told.dead_man_window_ms else ""
    return f"{told.dead_man}{after}, of the {told.dead_man_scope}"


def _expires(told: Told) -> str:
    return (
        "never" if told.request_expiry_ms is None else f"after {told.request_expiry_ms / 1_000:g} s"
    )


def _limit_text(limit: dict[str, str | int]) -> str:
    amount, seconds = f"{limit['amount']:,}", int(limit["interval_ns"]) / NS_PER_S
    if limit["rule"] == Rule.BUCKET:
        text = f"{limit['kind']}: {amount}, one back in {seconds:.3g} s"
    else:
        text = f"{limit['kind']}: {amount} in {seconds:g} s"
        text += ", whenever it begins" if limit["rule"] == Rule.SLIDING else ""
    if limit["scope"] != Scope.ACCOUNT:
        text += f", each {limit['scope']}"
        text += f" {limit['where']}" if limit["where"] else ""
    return text
