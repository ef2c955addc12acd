"""JSON numbers become counts by their digits, and nothing else is a number."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.errors import Malformed, OffGrid
from core.model.units import Grid
from venues.kit import literals
from venues.kit.literals import Counts, parse_number


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        (b"0", (0, 0)),
        (b"45285.20", (4_528_520, 2)),
        (b"0.00000001", (1, 8)),
        (b"1e-8", (1, 8)),
        (b"1.50E+3", (1_500, 0)),
        (b"-0.005", (-5, 3)),
        (b"-0", (0, 0)),
    ],
)
def test_a_number_is_its_digits(literal: bytes, value: tuple[int, int]) -> None:
    assert parse_number(literal) == value


@pytest.mark.parametrize(
    "literal",
    [
        *(b"", b"01", b".5", b"1.", b"+1", b"1e", b"1e999", b"1e41", b'"1"', b"null", b"true"),
        *(b"[1]", b"NaN", b"Infinity", b"1_0", b" 1", b"1\n", b"0x10", b"9" * 41, "٣".encode()),
    ],
)
def test_what_is_no_number_is_malformed(literal: bytes) -> None:
    with pytest.raises(Malformed):
        parse_number(literal)


@given(st.decimals(min_value="-1e9", max_value="1e9", allow_nan=False, places=12))
def test_no_digit_is_lost_or_made(value: Decimal) -> None:
    mantissa, exponent = parse_number(f"{value:f}".encode())
    assert Decimal(mantissa).scaleb(-exponent) == value


def test_counts_are_of_the_grid_and_remembered() -> None:
    counts = Counts(Grid("0.5"), 1)
    assert (counts[b"45285.5"], counts[b"45285.50"], counts[b"4.52855e4"]) == (90_571,) * 3
    assert len(counts) == 3
    with pytest.raises(OffGrid):
        counts[b"45285.2"]
    with pytest.raises(Malformed):
        counts[b"0"]
    with pytest.raises(Malformed):
        counts[b"-0.5"]


def test_a_size_that_is_gone_counts_zero() -> None:
    assert Counts(Grid("0.00000001"), 0)[b"0.00000000"] == 0


def test_memory_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(literals, "CACHE_TEXTS", 10)
    counts = Counts(Grid("1"), 1)
    for number in range(1, 100):
        assert counts[b"%d" % number] == number
        assert len(counts) <= 10


def test_amounts_go_below_zero_and_no_further_than_there_is() -> None:
    assert literals.atoms(b"-0.005") == -5 * 10**15
    assert literals.atoms(b"1.2") == 12 * 10**17
    with pytest.raises(Malformed):
        literals.atoms(b"1e18")
    with pytest.raises(Malformed):
        literals.atoms(b"1e-19")
