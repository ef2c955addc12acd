"""The house in one process: nothing in it grows with what it has traded."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

import core.state.orders
from tools.bench.rig import Rig

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


def sizes(root: Any) -> dict[tuple[str, type], list[int]]:
    """Return the sizes of all containers, by the way they are found and by their kind."""
    found: dict[tuple[str, type], list[int]] = {}
    seen = {id(root)}
    left = [("", root)]
    while left:
        way, one = left.pop()
        if isinstance(one, dict | list | deque | set | array | bytearray):
            found.setdefault((way, type(one)), []).append(len(one))
        for name, next_one in leads_to(one):
            if id(next_one) not in seen:
                seen.add(id(next_one))
                left.append((f"{way}.{name}", next_one))
    return found


def totals(root: Any) -> dict[tuple[str, type], int]:
    """Return how much is in the containers found by the same way, the containers included."""
    return {way: sum(found) + len(found) for way, found in sizes(root).items()}


def test_the_walk_sees_what_grows() -> None:
    rig = Rig()
    before = totals(rig.engine)
    rig.engine.counts.ignored["something"] = 1
    after = totals(rig.engine)
    assert {way for way in after if after[way] != before.get(way)} == {(".counts.ignored", dict)}
    assert len(after) > 50


def test_no_container_of_the_engine_grows_with_the_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.state.orders, "MAX_TERMINAL", 50)
    rig = Rig()
    trade = rig.trader()
    for _ in range(100):
        trade()
    before = totals(rig.engine)
    for _ in range(500):
        trade()
    after = totals(rig.engine)
    # How many callbacks were ever slow is the machine's doing; there are few callbacks.
    after.pop((".callbacks._worst_ns", dict), None)
    assert sizes(rig.engine)[".orders._ended", deque] == [50]
    assert {way: size for way, size in after.items() if size > before.get(way, 0)} == {}


def test_no_dict_of_the_engine_is_so_large_that_copying_it_stops_a_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A dict whose entries come and go is copied whole now and then, at 40 ns and more for each."""
    monkeypatch.setattr(core.state.orders, "MAX_TERMINAL", 2_500)
    rig = Rig()
    trade = rig.trader()
    for _ in range(2_600):
        trade()
    found = sizes(rig.engine)
    assert found[".orders._ended", deque] == [2_500]
    large = {way: max(size) for (way, kind), size in found.items() if kind is dict}
    assert {way: size for way, size in large.items() if size > 100} == {}
