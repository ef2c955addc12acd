"""Any number in any field of any message gives events or one typed error: the process goes on."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from core.model.units import NS_PER_S
from core.model.views import SessionState
from tests.world.test_recovery import MARKET, TRADE, World, world
from tools.world.tank import LATENCY_NS, Delivery, Message

EXTREMES = (0, -1, 1, 2**31, 2**53, 2**63 - 1, 2**63, -(2**63), 2**64, 10**30)


def integers(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every integer in a decoded message."""
    if isinstance(body, dict):
        for key, value in body.items():
            yield from integers(value, (*path, key))
    elif isinstance(body, list):
        for place, value in enumerate(body[:1]):
            yield from integers(value, (*path, place))
    elif isinstance(body, int) and not isinstance(body, bool):
        yield path


def with_value(body: Any, path: tuple[Any, ...], value: int) -> Any:
    changed = copy.deepcopy(body)
    at = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return changed


def seen() -> list[tuple[int, Any]]:
    """Return one message of each kind that a busy run is told on its connections."""
    w = World(rate=200.0)
    kinds: dict[tuple[int, str], Any] = {}

    def keep(m: Message) -> list[Delivery]:
        if m.opcode == 1:
            body = m.json
            event = body.get("event") or body.get("data") or {}
            kind = body.get("stream") or event.get("e") or str(body.get("id"))[:1]
            kinds.setdefault((m.connection, str(kind)), body)
        return w.deliver(m)

    w.to_engine = keep
    w.run_until(lambda: w.desk.session is SessionState.TRADING)
    w.run_until(lambda: w.engine.books[0].live)
    order = w.buy(6_300_000, 1_000)
    w.run(0.2)
    w.desk.now_ns = w.now_ns
    w.desk.replace(order, 6_300_000, 500)
    w.flush()
    w.run(0.2)
    w.desk.now_ns = w.now_ns
    w.desk.replace(order, 6_290_000, 500)
    w.flush()
    w.run(0.2)
    w.buy(w.engine.books[0].ask_ticks + 100, 1_000)
    w.run(0.5)
    for one in list(w.engine.orders.open()):
        w.cancel(one)
    w.run(0.5)
    return [(connection, body) for (connection, _), body in kinds.items()]


SEEN = seen()


def test_the_messages_that_are_tried_are_of_every_kind():
    assert len([connection for connection, _ in SEEN if connection == MARKET]) >= 4
    assert len([connection for connection, _ in SEEN if connection == TRADE]) >= 7


@pytest.mark.parametrize("value", EXTREMES)
def test_an_extreme_integer_in_any_field_of_a_message_ends_nothing(value: int):
    w = world(rate=100.0)
    for connection, body in SEEN:
        for path in integers(body):
            if connection not in w.links:
                w.run_until(lambda: connection in w.links, 60)  # noqa: B023 - called before it moves on
            w.say(connection, 1, msgspec.json.encode(with_value(body, path, value)))
            w.run(LATENCY_NS / NS_PER_S)
    w.run(5)
    assert not w.stopped
    assert w.now_ns


REST = ("time", "exchangeInfo", "depth", "account", "openOrders", "myTrades", "bookTicker")


@pytest.mark.parametrize("value", EXTREMES)
def test_an_extreme_integer_in_any_field_of_an_answer_ends_nothing(value: int):
    w = world(rate=100.0)
    tried: set[tuple[str, tuple[Any, ...]]] = set()

    def answer(request: Any, status: int, headers: Any, body: bytes) -> Any:
        told = msgspec.json.decode(body)
        for path in integers(told):
            if (request.path, path) not in tried:
                tried.add((request.path, path))
                return (
                    LATENCY_NS,
                    status,
                    headers,
                    msgspec.json.encode(with_value(told, path, value)),
                )
        return LATENCY_NS, status, headers, body

    w.rest_answer = answer
    for _ in range(12):
        w.cut(MARKET)
        w.cut(TRADE)
        w.run(8)
    assert {path.rsplit("/", 1)[-1] for path, _ in tried} >= {"time", "exchangeInfo", "depth"}
    assert not w.stopped
