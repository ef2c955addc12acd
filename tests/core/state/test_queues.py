"""Orders one by one: who stands where, who comes first, and what levels they make."""

from __future__ import annotations

import random

import pytest

from core.model.events import Queued, Queues, Side
from core.state import queues as machine
from core.state.queues import OrderQueues


def shape(bids: Queues, asks: Queues) -> int:
    """Stands for a checksum: it tells every size and its place."""
    return hash((tuple((t, tuple(q)) for t, q in bids), tuple((t, tuple(q)) for t, q in asks)))


def queues(depth: int = 10) -> OrderQueues:
    return OrderQueues(depth, shape)


def test_orders_of_one_price_stand_in_the_order_of_their_times() -> None:
    one = queues()
    one.begin([("late", 99, 1, 30), ("early", 99, 2, 10)], [])
    one.apply([("middle", 99, 3, 20)], [])
    assert one.at(Side.BUY, 99) == [("early", 2), ("middle", 3), ("late", 1)]


def test_an_order_that_is_changed_keeps_its_place_unless_its_time_is_another() -> None:
    one = queues()
    one.begin([], [("a", 101, 5, 10), ("b", 101, 5, 20)])
    assert one.apply([], [("a", 101, 3, 10)]) == ([], [(101, 8)])
    assert one.at(Side.SELL, 101) == [("a", 3), ("b", 5)]
    one.apply([], [("a", 101, 9, 30)])
    assert one.at(Side.SELL, 101) == [("b", 5), ("a", 9)]


def test_an_order_that_moves_to_another_price_changes_both_levels() -> None:
    one = queues()
    one.begin([("a", 99, 5, 1), ("b", 99, 1, 2)], [])
    assert one.apply([("a", 98, 5, 3)], []) == ([(99, 1), (98, 5)], [])


def test_what_is_gone_leaves_its_level_and_the_last_one_ends_it() -> None:
    one = queues()
    one.begin([("a", 99, 5, 1), ("b", 99, 1, 2)], [])
    assert one.apply([("a", 99, 0, 1)], []) == ([(99, 1)], [])
    assert one.apply([("b", 99, 0, 2)], []) == ([(99, 0)], [])
    assert one.apply([("b", 99, 0, 2), ("never told of", 90, 0, 3)], []) == ([], [])
    assert len(one) == 0


def test_what_falls_out_of_the_depth_is_forgotten() -> None:
    one = queues(depth=2)
    one.begin([("a", 99, 1, 1), ("b", 98, 1, 2)], [])
    one.apply([("c", 100, 1, 3)], [])
    assert len(one) == 2
    assert one.at(Side.BUY, 98) == []
    one.apply([("c", 100, 0, 3), ("b", 98, 1, 2)], [])
    assert one.at(Side.BUY, 98) == [("b", 1)]


def test_the_checksum_is_of_the_ten_best_levels_and_of_each_order_in_them() -> None:
    one = queues(depth=100)
    bids = [(f"b{n}", 99 - n, 1 + n, n) for n in range(12)]
    one.begin([*bids, ("second", 99, 7, 50)], [("a", 101, 4, 1)])
    best = [(99, [1, 7]), *[(99 - n, [1 + n]) for n in range(1, 10)]]
    assert one.agrees(shape(best, [(101, [4])]))
    assert not one.agrees(shape(best[:-1], [(101, [4])]))


def test_more_orders_than_any_book_has_prove_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MAX_ORDERS", 3)
    one = queues()
    one.begin([(str(n), 99 - n, 1, n) for n in range(4)], [])
    assert len(one) == 0
    assert not one.agrees(shape([], []))
    one.begin([("a", 99, 1, 1)], [])
    assert one.agrees(shape([(99, [1])], []))


@pytest.mark.parametrize("seed", range(20))
def test_levels_are_the_sums_of_what_stands(seed: int) -> None:
    """Whatever comes in whatever order: change by change the levels are those of the whole."""
    chance = random.Random(seed)
    one, stands, levels = queues(1_000), dict[str, tuple[int, int, int]](), dict[int, int]()
    for now in range(400):
        told: list[Queued] = []
        for _ in range(chance.randint(1, 3)):
            name = f"o{chance.randrange(40)}"
            lots = chance.choice([0, 1, 2, 5])
            ticks, placed = chance.randint(90, 99), now
            if name in stands and chance.random() < 0.5:
                ticks, _, placed = stands[name]
            told.append((name, ticks, lots, placed))
            stands.pop(name, None)
            if lots:
                stands[name] = (ticks, lots, placed)
        changed, _ = one.apply(told, [])
        levels.update(changed)
    expected: dict[int, int] = {}
    for ticks, lots, _ in stands.values():
        expected[ticks] = expected.get(ticks, 0) + lots
    assert {ticks: lots for ticks, lots in levels.items() if lots} == expected
    for ticks in range(90, 100):
        in_order = sorted((p, n) for n, (t, _, p) in stands.items() if t == ticks)
        times = [stands[name][2] for name, _ in one.at(Side.BUY, ticks)]
        assert times == [placed for placed, _ in in_order]
