from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.errors import BadConfig
from core.model.grid import UNIFORM, Banded, PriceGrid, Significant
from core.model.units import Grid

TICK = Grid("0.0001")
FIVE = Significant.on(TICK, 5, whole=True)
"""As Hyperliquid: five significant digits, and any whole price."""
THREE = Significant.on(Grid("0.01"), 3)
OPTION = Banded(((0, 1), (50, 5)))
"""As Deribit's options: steps of 0.0001 below 0.005 and of 0.0005 from there on."""
STEEP = Banded(((0, 1), (100, 10), (130, 65)))
GRIDS = [UNIFORM, FIVE, THREE, OPTION, STEEP]

prices = st.one_of(st.integers(1, 2_000), st.integers(1, 10**9))


@pytest.mark.parametrize("grid", GRIDS)
@settings(max_examples=200)
@given(prices)
def test_down_and_up_are_the_nearest_prices_that_are_taken(grid: PriceGrid, ticks: int) -> None:
    down, up = grid.down(ticks), grid.up(ticks)
    assert down <= ticks <= up
    assert grid.valid(down)
    assert grid.valid(up)
    between = range(max(down + 1, ticks - 500), min(up, ticks + 500))
    assert not any(grid.valid(each) for each in between)
    assert grid.valid(ticks) is (down == ticks) is (up == ticks)


@settings(max_examples=200)
@given(prices)
def test_a_price_has_at_most_so_many_significant_digits_or_is_whole(ticks: int) -> None:
    price = Decimal(TICK.text(ticks)).normalize()
    whole = price == price.to_integral_value()
    assert FIVE.valid(ticks) is (len(price.as_tuple().digits) <= 5 or whole)


@settings(max_examples=200)
@given(prices)
def test_where_whole_prices_are_held_to_the_digits_they_count_as_well(ticks: int) -> None:
    digits = Decimal(ticks).normalize().as_tuple().digits
    assert THREE.valid(ticks) is (len(digits) <= 3)


def test_a_band_has_its_own_step_and_up_never_skips_where_the_next_begins() -> None:
    assert [ticks for ticks in range(40, 70) if OPTION.valid(ticks)] == [
        *range(40, 51),
        55,
        60,
        65,
    ]
    assert [ticks for ticks in range(95, 300) if STEEP.valid(ticks)] == [
        *range(95, 101),
        110,
        120,
        130,
        195,
        260,
    ]
    ragged = Banded(((0, 7), (10, 5)))
    assert (ragged.up(8), ragged.down(9)) == (10, 7)


@pytest.mark.parametrize(
    "bands", [(), ((1, 1),), ((0, 1), (10, 2), (5, 5)), ((0, 0),), ((0, 1), (10, 3))]
)
def test_bands_that_are_none_are_refused(bands: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(BadConfig, match="band"):
        Banded(bands)


@pytest.mark.parametrize(("tick", "digits"), [("0.5", 5), ("20", 5), ("0.1", 0)])
def test_digits_are_of_a_tick_that_is_a_power_of_ten(tick: str, digits: int) -> None:
    with pytest.raises(BadConfig, match="digits"):
        Significant.on(Grid(tick), digits)
