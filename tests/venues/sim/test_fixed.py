"""Decimal text and integers of 1e-8."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venues.sim.fixed import NotDecimalError, TooPreciseError, notional, parse, show


@given(st.integers(0, 10**20))
def test_text_and_units_round_trip(units: int) -> None:
    assert parse(show(units)) == units


@given(st.integers(-(10**15), 10**15))
def test_shown_with_eight_decimals_and_the_same_value(units: int) -> None:
    text = show(units)
    assert len(text.partition(".")[2]) == 8
    assert Decimal(text) == Decimal(units).scaleb(-8)


@pytest.mark.parametrize("text", ["", ".5", "1.", "-1", "+1", "1e3", "NaN", "1_0", " 1", "１"])
def test_anything_but_a_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(NotDecimalError):
        parse(text)


def test_a_ninth_decimal_is_refused_unless_zero() -> None:
    assert parse("0.123456780") == 12345678
    with pytest.raises(TooPreciseError):
        parse("0.123456789")


def test_notional_is_price_times_quantity() -> None:
    assert show(notional(parse("65000.01"), parse("0.00001"))) == "0.65000010"
