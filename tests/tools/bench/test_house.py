"""The house in one process: nothing in it grows with what it has traded."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

import core.orders
from tools.bench.house import House

KEPT = 50
"""Finished orders remembered here."""

OURS = ("core", "venues", "strategies", "tools")


def leads_to(one: Any) -> Iterator[tuple[str, Any]]:
    """Yield by name what an object of ours, or a container, holds."""
    if isinstance(one, dict):
        yield from (("value", value) for value in one.values())
    elif isinstance(one, list | tuple | deque | set | frozenset):
        yield from (("item", item) for item in one)
    elif callable(one) and hasattr(one, "__self__"):
        yield "self", one.__self__
    elif type(one).__module__.partition(".")[0] in OURS:
        names = {
            name
            for kind in type(one).__mro__
            for names_of in ("__slots__", "__mypyc_attrs__")
            for name in getattr(kind, names_of, ())
        }
        if isinstance(one, msgspec.Struct):
            names.update(one.__struct_fields__)
        names.update(getattr(one, "__dict__", {}))
        yield from ((name, getattr(one, name, None)) for name in sorted(names))


def sizes(root: Any) -> dict[str, int]:
    """Return the largest size of all containers that are found by the same way."""
    found: dict[str, int] = {}
    seen = {id(root)}
    left = [("", root)]
    while left:
        way, one = left.pop()
        if isinstance(one, dict | list | deque | set | array | bytearray):
            found[way] = max(len(one), found.get(way, 0))
        for name, next_one in leads_to(one):
            if id(next_one) not in seen:
                seen.add(id(next_one))
                left.append((f"{way}.{name}", next_one))
    return found


def test_the_walk_sees_what_grows() -> None:
    house = House()
    before = sizes(house.engine)
    house.engine.counts.ignored["something"] = 1
    after = sizes(house.engine)
    assert {way for way in after if after[way] != before.get(way)} == {".counts.ignored"}
    assert len(after) > 50


def test_no_container_of_the_engine_grows_with_the_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.orders, "MAX_TERMINAL", KEPT)
    house = House()
    trade = house.trader()
    for _ in range(2 * KEPT):
        trade()
    before = sizes(house.engine)
    assert KEPT in before.values(), "finished orders are among what is looked at"
    for _ in range(10 * KEPT):
        trade()
    after = sizes(house.engine)
    assert {way: size for way, size in after.items() if size > before.get(way, 0)} == {}
