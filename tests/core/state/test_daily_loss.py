from __future__ import annotations

from decimal import ROUND_CEILING, Decimal, localcontext
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from core.state.daily_loss import DAY_NS, Begun, DayResult, Price

TODAY = 20_000


def of(made: int, fees: dict[str, int] | None = None) -> DayResult:
    """Return an instrument that has made this much by now, on its first day."""
    result = DayResult()
    result.turn(TODAY)
    result.mark(made, fees or {}, dated=True)
    return result


def test_a_day_is_one_of_utc() -> None:
    assert DAY_NS == 24 * 60 * 60 * 10**9


def test_the_first_day_of_all_begins_at_no_pnl() -> None:
    assert of(-900).result({}) == -900


def test_gains_of_the_same_day_count_against_its_losses() -> None:
    result = of(5_000)
    result.mark(-1_000, {}, dated=True)
    assert result.result({}) == -1_000


def test_a_day_begins_from_the_last_pnl_of_the_day_before() -> None:
    """A move over midnight counts for the new day."""
    result = of(-900)
    assert result.turn(TODAY + 1)
    assert result.result({}) == 0
    result.mark(-1_900, {}, dated=True)
    assert result.result({}) == -1_000


def test_a_clock_that_was_days_ahead_and_is_set_back_forgets_no_loss() -> None:
    result = of(-900, {"BNB": 7})
    result.elsewhere_atoms = -50
    for day in (TODAY + 1, TODAY + 3):
        assert result.turn(day)
        assert result.result({}) == 0
    result.mark(-1_000, {"BNB": 8}, dated=True)
    again = DayResult()
    again.restore(result.begun(), result.paid_until)
    assert not again.turn(TODAY)
    assert (again.day, again.own({}), again.fees_today()) == (TODAY, -1_000, {"BNB": 8})
    assert again.turn(TODAY + 1)
    assert again.result({}) == 0
    result.turn(TODAY)
    assert result.result({}) == -1_050


def test_a_day_that_began_while_nothing_ran_begins_from_the_last_pnl_known() -> None:
    left = of(1_000).begun()
    result = DayResult()
    result.restore(left, {})
    result.turn(TODAY + 3)
    result.mark(500, {}, dated=True)
    assert (result.base_atoms, result.result({})) == (1_000, -500)


def test_a_day_begins_from_the_last_pnl_that_was_known_while_the_time_was() -> None:
    result = of(-900, {"BNB": 7})
    result.mark(-1_900, {"BNB": 8}, dated=False)
    assert result.result({}) == -1_900
    result.turn(TODAY + 1)
    assert (result.base_atoms, result.fees_today()) == (-900, {"BNB": 1})


def test_what_is_told_while_the_time_is_not_known_is_of_the_day_the_venue_dates_it() -> None:
    result = of(1_000, {"BNB": 7})
    result.count_undated(TODAY, -300, {"BNB": 1})
    result.count_undated(TODAY + 1, -20, {"BNB": 2})
    result.count_undated(TODAY + 2, -1, {"BNB": 4})
    again = DayResult()
    again.restore(result.begun(), result.paid_until)
    for told in (result, again):
        told.turn(TODAY + 2)
        told.mark(679, {"BNB": 14}, dated=True)
        assert (told.base_atoms, told.fees_today()) == (680, {"BNB": 4})
        told.turn(TODAY + 3)
        assert (told.base_atoms, told.fees_today()) == (679, {})


def test_what_is_told_late_of_the_day_before_moves_what_the_day_begins_from() -> None:
    result = of(1_000, {"BNB": 7})
    result.turn(TODAY + 1)
    result.count_before(-300, {"BNB": 2, "XYZ": 1})
    result.mark(700, {"BNB": 9, "XYZ": 1}, dated=True)
    assert (result.base_atoms, result.fees_today(), result.result({})) == (700, {}, 0)


def test_what_has_no_base_yet_is_marked_with_what_was_told_late() -> None:
    result = DayResult()
    result.forget_base({})
    result.turn(TODAY)
    result.count_before(-300, {})
    result.mark(700, {}, dated=True)
    assert (result.base_atoms, result.result({})) == (700, 0)


def test_a_restart_on_the_same_day_counts_on() -> None:
    result = of(1_000)
    result.turn(TODAY + 1)
    result.mark(400, {"BNB": 7}, dated=True)
    again = DayResult()
    again.restore(result.begun(), {"BNB": 7})
    again.turn(TODAY + 1)
    assert again.result({"BNB": Price(2, 1)}) == -614
    again.mark(300, {"BNB": 8}, dated=True)
    assert again.result({"BNB": Price(2, 1)}) == -716


def test_a_position_of_which_nothing_is_known_begins_its_day_at_the_first_price() -> None:
    result = DayResult()
    result.forget_base({"BNB": 50})
    result.turn(TODAY)
    assert (result.base_atoms, result.result({})) == (None, 0)
    result.mark(9_000, {"BNB": 50}, dated=True)
    result.mark(8_000, {"BNB": 51}, dated=True)
    assert result.result({"BNB": Price(10, 1)}) == -1_010


def test_a_clock_that_is_set_back_begins_no_day() -> None:
    result = of(-900)
    assert not result.turn(TODAY - 400)
    assert result.result({}) == -900
    assert result.turn(TODAY - 399), "and the next midnight does"
    assert result.result({}) == 0


def test_fees_in_other_assets_count_on_the_day_they_are_paid() -> None:
    price = {"BNB": Price(600, 1)}
    result = of(0, {"BNB": 2})
    assert result.result(price) == -1_200
    result.turn(TODAY + 1)
    assert result.result({"BNB": Price(900, 1)}) == 0, "what they are worth later is no loss"
    result.mark(0, {"BNB": 3}, dated=True)
    assert result.fees_today() == {"BNB": 1}
    assert result.result(price) == -600


def test_a_fee_without_a_price_is_left_out_and_told() -> None:
    result = of(-5, {"BNB": 2, "XYZ": 9})
    assert result.result({"BNB": Price(10, 1)}) == -25
    assert result.fees_today() == {"BNB": 2, "XYZ": 9}


def test_results_of_other_folders_count_until_midnight() -> None:
    result = of(-5)
    result.elsewhere_atoms = -100
    assert (result.result({}), result.own({})) == (-105, -5)
    result.turn(TODAY + 1)
    assert result.result({}) == 0


def test_a_value_is_rounded_up() -> None:
    assert Price(1, 3).value(10) == 4
    assert Price(1, 3).value(-10) == -3, "what is paid back to us counts less"


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("mark"), st.integers(-(10**24), 10**24), st.integers(0, 10**21)),
        st.tuples(st.just("midnight"), st.integers(1, 4), st.just(0)),
        st.tuples(st.just("restart"), st.just(0), st.just(0)),
    ),
    max_size=40,
)


@given(STEPS, st.fractions(min_value="0.0001", max_value=10**6))
def test_whatever_happens_it_is_the_sum_that_decimals_make(
    steps: list[tuple[str, int, int]], price: Fraction
) -> None:
    """Profits, fees, midnights and restarts in any order: as one plain fold in decimals."""
    with localcontext(prec=120):
        _hold_against_decimals(steps, Price(price.numerator, price.denominator))


def _hold_against_decimals(steps: list[tuple[str, int, int]], factor: Price) -> None:
    result, day = DayResult(), TODAY
    result.turn(day)
    made = fees = base = base_fees = Decimal(0)
    for kind, number, more in steps:
        if kind == "mark":
            made, fees = Decimal(number), fees + Decimal(more)
            result.mark(number, {"BNB": int(fees)} if fees else {}, dated=True)
        elif kind == "midnight":
            day += number
            base, base_fees = made, fees
            result.turn(day)
        else:
            left: Begun = result.begun()
            result = DayResult()
            result.restore(left, {"BNB": int(fees)} if fees else {})
            result.turn(day)
        paid = (fees - base_fees) * factor.numerator / factor.denominator
        value = paid.to_integral_value(ROUND_CEILING)
        assert result.result({"BNB": factor}) == int(made - base - value)
