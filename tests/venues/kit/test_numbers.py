"""Numbers of venues equal ``decimal``'s, or are refused; bounds fall on the safe side."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.model.errors import Malformed
from core.model.units import MAX_COUNT, Grid
from venues.kit import numbers
from venues.kit.numbers import (
    Counts,
    Dropped,
    RoundedDown,
    RoundedUp,
    least_steps,
    most_steps,
    positive,
)

STEPS = st.sampled_from(["0.01", "0.00001", "0.5", "1", "10", "0.00000001", "0.00250000"])
TEXTS = st.one_of(
    st.decimals(0, 10**12, places=8, allow_nan=False).map(lambda number: f"{number:f}"),
    st.from_regex(r"[0-9]{1,12}(\.[0-9]{1,9})?", fullmatch=True),
    st.text("0123456789.-+eE_ nNaA", max_size=14),
)


def exact(text: str, step: str) -> Decimal | None:
    """Return how many steps a plain decimal text is, by ``decimal`` alone; ``None`` for others."""
    whole, point, fraction = text.partition(".")
    digits = whole + fraction
    plain = whole and (fraction or not point) and digits.isascii() and digits.isdigit()
    with localcontext(prec=60):
        return Decimal(text) / Decimal(step) if plain and len(text) <= 40 else None


@example("100000000000.000000001", "0.00000001")
@given(TEXTS, STEPS)
def test_prices_and_sizes_equal_decimal_or_are_refused(text: str, step: str) -> None:
    steps = exact(text, step)
    prices = Counts(Grid(step), 1, 8)
    sizes = RoundedUp(Grid(step), 0, 8)
    bids = RoundedDown(Grid(step), 1, 8)
    levels = Dropped(Grid(step), 1, 8)
    if steps is None:
        for counts in (prices, sizes, bids, levels):
            with pytest.raises(Malformed):
                counts[text]
        return
    if steps > MAX_COUNT:
        for counts in (sizes, levels, bids):
            with pytest.raises(Malformed):
                counts[text]
    elif steps:
        below, above = (
            steps.to_integral_value("ROUND_FLOOR"),
            steps.to_integral_value("ROUND_CEILING"),
        )
        assert sizes[text] == above
        assert not below or bids[text] == below
        assert levels[text] == (below if below == above else 0)
    if 1 <= steps <= MAX_COUNT and steps == steps.to_integral_value():
        assert prices[text] == steps
    else:
        with pytest.raises(Malformed):
            prices[text]


@pytest.mark.parametrize("counts", [Counts(Grid("1"), 1, 8), RoundedUp(Grid("1"), 0, 8)])
def test_what_is_remembered_of_numbers_is_bounded(
    counts: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numbers, "CACHE_TEXTS", 10)
    for number in range(1, 100):
        assert counts[f"{number}"] == number
        if isinstance(counts, RoundedUp):
            assert counts[f"{number}.5"] == number + 1
        assert len(counts) <= 10


@pytest.mark.parametrize("decimals", [0, 2, 8, 12])
def test_however_many_decimals_a_venue_writes_all_are_read(decimals: int) -> None:
    prices = Counts(Grid("0.05"), 1, decimals)
    assert [prices[text] for text in ("1.05", "1.0500", "1.050000000000", "2")] == [21, 21, 21, 40]
    for text in ("1.051", "20.", ".05", "1.05.", ""):
        with pytest.raises(Malformed):
            prices[text]


def test_a_minimum_is_rounded_up_and_a_maximum_down() -> None:
    assert (least_steps("1.01", 5, 2), most_steps("1.01", 5, 2)) == (21, 20)
    assert (least_steps("1.00", 5, 2), most_steps("1.00", 5, 2)) == (20, 20)
    assert least_steps("9" * 30, 1, 0) == most_steps("9" * 30, 1, 0) == MAX_COUNT


def test_the_price_of_a_trade_is_above_zero() -> None:
    assert positive(Grid("0.01"), "0.01") == 1
    with pytest.raises(Malformed):
        positive(Grid("0.01"), "0.00")
