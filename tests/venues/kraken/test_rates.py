"""What transactions cost of a pair's counter, as the venue's own examples count."""

import pytest

from core.model.units import NS_PER_S
from venues.kraken import rates


def test_the_documented_example_of_a_short_life() -> None:
    """Added, amended after 7 s, cancelled 36 s later: 8 in all."""
    total = rates.ADD + rates.amend(7 * NS_PER_S) + rates.cancel(36 * NS_PER_S)
    assert total == 8


@pytest.mark.parametrize(
    ("age_s", "amend", "cancel"),
    [(0, 4, 8), (5, 3, 6), (10, 2, 5), (15, 1, 4), (45, 1, 2), (90, 1, 1), (300, 1, 0)],
)
def test_the_costs_by_age(age_s: int, amend: int, cancel: int) -> None:
    assert (rates.amend(age_s * NS_PER_S), rates.cancel(age_s * NS_PER_S)) == (amend, cancel)


def test_the_documented_example_of_a_burst() -> None:
    """50 orders and 10 s of the intermediate tier leave 26.6: never less is counted here."""
    forgotten = 10 * NS_PER_S // rates.INTERMEDIATE.token_ns
    assert 50 * rates.ADD - forgotten == 27


def test_batches() -> None:
    assert [rates.batch_add(n) for n in (2, 3, 15)] == [1, 2, 8]
    assert rates.batch_cancel([0, 20 * NS_PER_S, 400 * NS_PER_S]) == 12


def test_seven_young_orders_take_nearly_all_of_the_lowest_tier_to_cancel() -> None:
    assert 7 * rates.DEAREST_CANCEL == 56 < rates.STARTER.threshold


def test_a_tier_is_told_by_its_threshold() -> None:
    assert [rates.tier_of(n) for n in (60, 125, 180)] == list(rates.TIERS)
    assert rates.tier_of(100) is rates.STARTER
    assert rates.tier_of(1) is rates.STARTER
