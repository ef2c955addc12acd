from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import core.model.units
from core.model.errors import Malformed, OffGrid
from core.model.units import (
    ASSET_DECIMALS,
    MAX_COUNT,
    MAX_TEXT,
    MAX_UNITS,
    Grid,
    atoms,
    format_decimal,
    parse_decimal,
)

digits = st.text("0123456789", min_size=1, max_size=19)
plain = st.one_of(digits, st.builds("{}.{}".format, digits, digits))
"""Every text of the grammar, up to 39 characters."""

steps = st.builds(format_decimal, st.integers(1, 10**6), st.integers(0, 12))

NOT_NUMBERS = [
    "", " ", ".", "-", "+1", "-1", "1.", ".5", "1..2", "1.2.3", "1e5", "1E-5", "0x10", "1_000",
    "1,5", " 1", "1 ", "1\n", "NaN", "nan", "Infinity", "-Infinity", "inf", "None", "true",
    "\u0661", "\u00b2", "1\u2028", "1\x00", "\ud800", "9" * (MAX_TEXT + 1), "0" * 1_000_000,
]  # fmt: skip


@pytest.mark.parametrize("text", NOT_NUMBERS, ids=lambda text: repr(text[:12]))
def test_anything_but_plain_decimal_digits_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        parse_decimal(text)
    with pytest.raises(Malformed):
        Grid("1").count(text)


@settings(max_examples=200)
@given(plain)
def test_parsing_is_exact(text: str) -> None:
    mantissa, exponent = parse_decimal(text)
    with localcontext(prec=60):
        assert Decimal(mantissa).scaleb(-exponent) == Decimal(text)


@settings(max_examples=200)
@given(st.integers(-(10**30), 10**30), st.integers(0, 20))
def test_formatting_is_exact(mantissa: int, exponent: int) -> None:
    with localcontext(prec=60):
        assert Decimal(format_decimal(mantissa, exponent)) == Decimal(mantissa).scaleb(-exponent)


@settings(max_examples=300)
@given(steps, plain)
def test_a_count_is_exact_or_refused(step: str, text: str) -> None:
    with localcontext(prec=80):
        quotient, off_grid = divmod(Decimal(text), Decimal(step))
    if off_grid or quotient > MAX_COUNT:
        with pytest.raises(Malformed):
            Grid(step).count(text)
    else:
        assert Grid(step).count(text) == quotient


@settings(max_examples=200)
@given(steps, st.integers(0, 10**12), st.text("0", max_size=6))
def test_counts_survive_text_and_back(step: str, count: int, zeros: str) -> None:
    grid = Grid(step)
    text = grid.text(count)
    assert Decimal(text) == Decimal(step) * count
    assert grid.count(text) == count
    assert Grid(step).count(text + zeros if "." in text else text) == count


@settings(max_examples=100)
@given(steps, st.text("0", max_size=6))
def test_a_step_is_kept_without_its_trailing_zeros(step: str, zeros: str) -> None:
    grid = Grid(step + zeros if "." in step else step)
    assert grid.step == format(Decimal(step).normalize(), "f")
    assert Decimal(grid.step_mantissa).scaleb(-grid.decimals) == Decimal(step)
    assert repr(grid) == f"Grid('{grid.step}')"


@pytest.mark.parametrize("step", ["0", "0.000", "-0.01", "1e-2", ""])
def test_a_step_must_be_a_number_above_zero(step: str) -> None:
    with pytest.raises(Malformed):
        Grid(step)


def test_the_largest_count_fits_an_int64_and_one_more_is_refused() -> None:
    assert Grid("1").count("9223372036854775807") == 2**63 - 1
    with pytest.raises(Malformed, match="too large"):
        Grid("1").count("9223372036854775808")


def test_a_refusal_shows_the_number_and_the_step() -> None:
    with pytest.raises(Malformed, match=r"65000\.101 is not a multiple of 0\.05"):
        Grid("0.05").count("65000.101")
    with pytest.raises(Malformed, match=r"65000101e-3 is not a multiple of 0\.05"):
        Grid("0.05").count_of(65_000_101, 3)


def test_a_binary_decimal_below_zero_is_refused() -> None:
    assert Grid("0.5").count_of(5, -2) == 1000
    with pytest.raises(Malformed, match="below zero"):
        Grid("0.5").count_of(-5, 1)


def test_a_subscript_counts_and_refuses_as_the_call_does() -> None:
    grid = Grid("0.05")
    assert [grid.counts["65000.10"], grid.counts["65000.10"]] == [grid.count("65000.10")] * 2
    for text, fault in (("0.01", OffGrid), ("-1", Malformed), ("", Malformed)):
        with pytest.raises(fault):
            grid.counts[text]


def test_remembered_texts_are_bounded_and_stay_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.model.units, "CACHE_TEXTS", 4)
    grid = Grid("0.1")
    for _ in range(2):
        for count in range(10):
            assert grid.count(f"{count}.0") == 10 * count
            assert grid.text(count) == f"0.{count}"
            assert len(grid.counts) <= 4
            assert len(grid._texts) <= 4


@settings(max_examples=200)
@given(plain, st.sampled_from(["", "-"]))
def test_atoms_are_exact_or_refused(text: str, sign: str) -> None:
    decimals = len(text.partition(".")[2])
    signed_zero = sign == "-" and not Decimal(text)
    if decimals > ASSET_DECIMALS or Decimal(text) >= MAX_UNITS or signed_zero:
        with pytest.raises(Malformed):
            atoms(sign + text)
    else:
        with localcontext(prec=60):
            assert atoms(sign + text) == Decimal(sign + text).scaleb(ASSET_DECIMALS)


@pytest.mark.parametrize("text", ["1000000000000000000", "-1000000000000000000.0", "9" * 39])
def test_an_amount_beyond_any_supply_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="more than there is"):
        atoms(text)


@pytest.mark.parametrize("text", ["-0", "-0.00000000"])
def test_a_zero_with_a_sign_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="has a sign"):
        atoms(text)


@pytest.mark.parametrize("text", ["--5", "-", "+5", "-+5", "- 5", "-" * 100_000, "-1e5"])
def test_an_amount_has_at_most_one_sign(text: str) -> None:
    with pytest.raises(Malformed):
        atoms(text)


@settings(max_examples=200)
@given(st.text(max_size=12))
def test_any_text_gives_a_number_or_malformed(text: str) -> None:
    assume(text)
    for read in (parse_decimal, Grid("0.01").count, atoms):
        try:
            read(text)
        except Malformed:
            continue
        assert text.isascii()
        assert Decimal(text).is_finite()
