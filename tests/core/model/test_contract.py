from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.contract import Contract, Inverse, Linear
from core.model.errors import Malformed
from core.model.units import ASSET_DECIMALS, Grid, format_decimal

steps = st.builds(format_decimal, st.integers(1, 1_000), st.integers(0, 8))
counts = st.integers(1, 10**9)
signed = st.integers(-(10**9), 10**9)
ATOM = Decimal(1).scaleb(-ASSET_DECIMALS)

TICK, LOT = Grid("0.5"), Grid("10")
DERIBIT = Inverse.future("BTC", "USD", TICK, LOT, "1")
"""As Deribit's BTC-PERPETUAL: sizes are dollars, in tens, prices in steps of half a dollar."""
COIN_M = Inverse.future("BTC", "contracts", Grid("0.1"), Grid("1"), "100")
PERPETUAL = Linear.future("USDT", "BTC", Grid("0.1"), Grid("0.001"))
BUNDLE = Linear.future("USD", "contracts", Grid("0.25"), Grid("1"), "50")
"""As an index future: a contract is fifty times what has the price."""


def money(contract: Contract, units: int) -> Decimal:
    return Decimal(contract.money(units))


@settings(max_examples=100)
@given(steps, steps, counts, counts)
def test_a_linear_value_is_price_times_size_times_multiplier_exactly(
    tick: str, lot: str, ticks: int, lots: int
) -> None:
    price, size = Grid(tick), Grid(lot)
    for multiplier in ("1", "0.001", "250"):
        contract = Linear.future("USD", "contracts", price, size, multiplier)
        with localcontext(prec=90):
            value = Decimal(price.text(ticks)) * Decimal(size.text(lots)) * Decimal(multiplier)
            assert money(contract, contract.value(ticks, lots)) == value


@settings(max_examples=100)
@given(steps, steps, counts, counts)
def test_spot_is_linear_and_counts_ticks_times_lots(
    tick: str, lot: str, ticks: int, lots: int
) -> None:
    spot = Linear.spot("BTC", "USD", Grid(tick), Grid(lot))
    assert spot.value(ticks, lots) == spot.bought(ticks, lots) == spot.sold(ticks, lots)
    assert spot.value(ticks, lots) == ticks * lots
    assert (spot.settle, spot.size_unit, spot.delivers) == ("USD", "BTC", True)


@settings(max_examples=100)
@given(steps, steps, counts, counts)
def test_an_inverse_value_is_size_over_price_to_the_atom_and_rounded_against_us(
    tick: str, lot: str, ticks: int, lots: int
) -> None:
    price, size = Grid(tick), Grid(lot)
    for face in ("1", "10", "0.5"):
        contract = Inverse.future("BTC", "contracts", price, size, face)
        with localcontext(prec=90):
            value = Decimal(size.text(lots)) * Decimal(face) / Decimal(price.text(ticks))
            up, down = (value.quantize(ATOM, way) for way in (ROUND_CEILING, ROUND_FLOOR))
            assert money(contract, contract.value(ticks, lots)) == up
            assert money(contract, contract.sold(ticks, lots)) == up
            assert money(contract, contract.bought(ticks, lots)) == down


@pytest.mark.parametrize("contract", [DERIBIT, COIN_M])
@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(1, 10**7), signed), max_size=8), st.integers(1, 10**7))
def test_an_inverse_pnl_is_never_more_than_what_was_made_and_less_by_atoms_alone(
    contract: Inverse, trades: list[tuple[int, int]], mark: int
) -> None:
    bought = sum(contract.bought(ticks, lots) for ticks, lots in trades if lots > 0)
    sold = sum(contract.sold(ticks, -lots) for ticks, lots in trades if lots < 0)
    held = sum(lots for _, lots in trades)
    lot_value = Fraction(contract.numerator, contract.denominator)
    exact = sum((lots * lot_value / ticks for ticks, lots in trades), -held * lot_value / mark)
    made = contract.pnl(bought, sold, held, mark)
    assert exact - len(trades) - 1 < made <= exact


@settings(max_examples=100)
@given(st.lists(st.tuples(counts, signed), max_size=8), counts)
def test_a_linear_pnl_is_exact(trades: list[tuple[int, int]], mark: int) -> None:
    bought = sum(PERPETUAL.bought(ticks, lots) for ticks, lots in trades if lots > 0)
    sold = sum(PERPETUAL.sold(ticks, -lots) for ticks, lots in trades if lots < 0)
    made = PERPETUAL.pnl(bought, sold, sum(lots for _, lots in trades), mark)
    assert made == sum(lots * (mark - ticks) for ticks, lots in trades)


def test_a_long_inverse_earns_when_the_price_rises_and_a_short_one_loses() -> None:
    # 100,000 USD bought at 50,000 and worth 2 BTC then are worth 1.6 BTC at 62,500.
    entry, mark, lots = 100_000, 125_000, 10_000
    assert DERIBIT.money_text(DERIBIT.value(entry, lots)) == "2 BTC"
    long = DERIBIT.pnl(DERIBIT.bought(entry, lots), 0, lots, mark)
    short = DERIBIT.pnl(0, DERIBIT.sold(entry, lots), -lots, mark)
    assert DERIBIT.money_text(long) == "0.4 BTC"
    assert DERIBIT.money_text(short) == "-0.4 BTC"


@pytest.mark.parametrize("contract", [DERIBIT, COIN_M, PERPETUAL, BUNDLE])
@settings(max_examples=100)
@given(st.integers(0, 10**24), st.integers(1, 10**7))
def test_the_largest_size_for_an_amount_is_worth_no_more_and_one_lot_more_is(
    contract: Contract, units: int, ticks: int
) -> None:
    lots = contract.lots_for(units, ticks)
    assert contract.value(ticks, lots) <= units < contract.value(ticks, lots + 1)


@pytest.mark.parametrize("contract", [DERIBIT, COIN_M, PERPETUAL, BUNDLE])
@settings(max_examples=100)
@given(st.integers(1, 10**24), st.integers(1, 10**7))
def test_the_least_size_for_an_amount_is_worth_no_less_and_one_lot_less_is_not(
    contract: Contract, units: int, ticks: int
) -> None:
    lots = contract.least_lots(units, ticks)
    assert contract.bought(ticks, lots) >= units > contract.bought(ticks, lots - 1)


@pytest.mark.parametrize("contract", [DERIBIT, COIN_M, PERPETUAL, BUNDLE])
@settings(max_examples=100)
@given(st.integers(-(10**30), 10**30))
def test_atoms_are_rounded_down_and_what_is_paid_in_units_up(
    contract: Contract, count: int
) -> None:
    unit = Fraction(contract.mantissa * 10**ASSET_DECIMALS, 10**contract.decimals)
    assert contract.atoms(count) <= count * unit < contract.atoms(count) + 1
    assert (contract.units(count) - 1) * unit < count <= contract.units(count) * unit
    assert contract.unit_atoms - 1 < unit <= contract.unit_atoms


def test_a_limit_in_the_settlement_asset_is_rounded_down_to_units() -> None:
    assert PERPETUAL.whole_units("1.00019") == 10_001
    assert DERIBIT.whole_units("0.25") == 25 * 10**16
    with pytest.raises(Malformed):
        PERPETUAL.whole_units("-1")


def test_no_price_makes_an_inverse_worth_as_much_as_at_the_first_tick() -> None:
    assert DERIBIT.value(0, 5) == DERIBIT.value(-7, 5) == DERIBIT.value(1, 5)
    assert DERIBIT.sold(0, 5) == DERIBIT.sold(1, 5)


def test_what_was_bought_at_no_price_earns_nothing() -> None:
    assert DERIBIT.bought(0, 5) == DERIBIT.bought(-7, 5) == 0


@pytest.mark.parametrize("contract", [DERIBIT, COIN_M, PERPETUAL, BUNDLE])
@settings(max_examples=100)
@given(signed, st.fractions(1, 10**7))
def test_what_is_closed_between_two_ticks_is_rounded_against_us_by_less_than_a_unit(
    contract: Contract, lots: int, ticks: Fraction
) -> None:
    bought, sold = contract.closed(ticks, lots)
    assert (bought if lots > 0 else sold) == 0
    if isinstance(contract, Inverse):
        exact = Fraction(contract.numerator, contract.denominator) / ticks * -lots
        made = Fraction(bought - sold)
    else:
        exact, made = ticks * lots, Fraction(sold - bought)
    assert 0 <= exact - made < 1


@pytest.mark.parametrize("contract", [DERIBIT, COIN_M, PERPETUAL, BUNDLE])
@settings(max_examples=100)
@given(counts, st.integers(1, 10**7))
def test_what_is_closed_on_a_tick_is_closed_as_by_a_trade(
    contract: Contract, lots: int, ticks: int
) -> None:
    assert contract.closed(Fraction(ticks), lots) == (0, contract.sold(ticks, lots))
    assert contract.closed(Fraction(ticks), -lots) == (contract.bought(ticks, lots), 0)
