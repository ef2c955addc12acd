"""The venue's balances and our fills are held against each other."""

from msgspec.structs import replace

from core.engine.ledger import PASSES, RESTLESS_PASSES, Ledger, Mismatch
from core.model.contract import Linear
from core.model.events import Fill, OffGridTrade, Side
from core.model.instrument import InstrumentTable
from core.model.units import Grid
from core.state.position import Position
from tests.core.contracts import SPOT
from tests.strategies.desk import instrument

COIN = 10**18
LOT = 10**15  # of an instrument with lots of 0.001


def opened(tolerance_lots: int = 0) -> tuple[Ledger, Position]:
    position = Position(SPOT)
    ledger = Ledger(InstrumentTable([instrument()]), [position], tolerance_lots)
    for _ in range(2):
        assert ledger.compare({"BTC": 5 * COIN}) == []
    return ledger, position


def bought(lots: int, fee_atoms: int = 0, asset: str = "BTC") -> Fill:
    return Fill(str(lots), lots, 100, lots, fee_atoms, asset, True, 0)


def looks(ledger: Ledger, atoms: int, times: int) -> list[Mismatch]:
    found: list[Mismatch] = []
    for _ in range(times):
        found = ledger.compare({"BTC": atoms})
    return found


def test_the_ledgers_open_once_the_venue_has_said_the_same_twice():
    ledger = Ledger(InstrumentTable([instrument()]), [Position(SPOT)], 0)
    ledger.compare({"BTC": COIN})
    assert ledger.in_doubt
    ledger.compare({"BTC": 2 * COIN})
    assert ledger.in_doubt
    ledger.compare({"BTC": 2 * COIN})
    assert not ledger.in_doubt


def test_our_fills_and_fees_explain_what_changed():
    ledger, position = opened()
    position.on_fill(Side.BUY, bought(3, fee_atoms=7))
    assert looks(ledger, 5 * COIN + 3 * LOT - 7, 10) == []
    assert not ledger.in_doubt


def test_a_fill_that_only_the_venue_has_is_a_mismatch_with_both_ledgers_shown():
    ledger, _ = opened()
    assert looks(ledger, 5 * COIN + LOT, PASSES - 1) == []
    assert ledger.in_doubt
    [found] = looks(ledger, 5 * COIN + LOT, 1)
    assert (
        str(found) == "BTC: 5 by our fills, 5.001 by the venue, 0.001 more since before this start"
    )


def test_a_difference_that_changes_is_counted_anew():
    ledger, _ = opened()
    looks(ledger, 5 * COIN + LOT, PASSES - 1)
    assert looks(ledger, 5 * COIN + 2 * LOT, PASSES - 1) == []


def test_a_difference_that_goes_away_was_none():
    ledger, _ = opened()
    looks(ledger, 5 * COIN + LOT, PASSES - 1)
    looks(ledger, 5 * COIN, 1)
    assert not ledger.in_doubt
    assert looks(ledger, 5 * COIN + LOT, PASSES - 1) == []


def test_a_difference_within_the_tolerance_is_borne():
    ledger, _ = opened(tolerance_lots=2)
    assert looks(ledger, 5 * COIN + 2 * LOT, 10) == []
    assert looks(ledger, 5 * COIN + 2 * LOT + 1, PASSES) != []


def test_what_is_paid_in_and_what_others_trade_is_no_mismatch():
    ledger, _ = opened()
    ledger.moved("BTC", COIN, 1)
    ledger.traded_by_others(instrument(), Side.SELL, bought(4, fee_atoms=3))
    assert looks(ledger, 6 * COIN - 4 * LOT - 3, 10) == []


def test_a_trade_of_others_counts_once_however_often_it_is_found():
    ledger, _ = opened()
    assert ledger.traded_by_others(instrument(), Side.SELL, bought(4))
    assert not ledger.traded_by_others(instrument(), Side.SELL, bought(4))
    assert looks(ledger, 5 * COIN - 4 * LOT, 10) == []


def test_a_trade_off_todays_grid_moves_balances_all_the_same():
    ledger, _ = opened()
    trade = OffGridTrade(0, "9", "7", 7, Side.BUY, LOT // 3, COIN, 5, "BTC", 1)
    assert ledger.traded_off_grid(instrument(), trade)
    assert not ledger.traded_off_grid(instrument(), trade)
    assert looks(ledger, 5 * COIN + LOT // 3 - 5, 10) == []


def test_what_happened_before_the_ledgers_were_opened_is_in_the_opening():
    ledger = Ledger(InstrumentTable([instrument()]), [Position(SPOT)], 0)
    for _ in range(2):
        ledger.compare({"BTC": 5 * COIN}, 100)
    ledger.moved("BTC", COIN, 99)
    assert ledger.compare({"BTC": 5 * COIN}, 200) == []
    assert not ledger.in_doubt


def test_a_fill_of_before_the_ledgers_were_opened_that_is_told_late_is_in_the_opening():
    """A history lags: what the venue says there is has the trade in it, ours have not yet."""
    position = Position(SPOT)
    table = InstrumentTable([instrument()])
    ledger = Ledger(table, [position], 0)
    for requested_ns in (100, 200):
        assert ledger.compare({"BTC": 5 * COIN}, requested_ns) == []
    late = replace(bought(3, fee_atoms=7), venue_ns=99)
    position.on_fill(Side.BUY, late)
    ledger.traded(table[0], Side.BUY, late)
    assert looks(ledger, 5 * COIN, PASSES) == []
    again = Ledger(table, [position], 0)
    again.restore(ledger.openings(), ledger.opened_ns())
    another = replace(bought(4), venue_ns=98)
    position.on_fill(Side.BUY, another)
    again.traded(table[0], Side.BUY, another)
    assert looks(again, 5 * COIN, PASSES) == []


def test_differences_that_never_rest_are_a_mismatch_after_a_while():
    ledger, _ = opened()
    found = [ledger.compare({"BTC": 5 * COIN + n * LOT}) for n in range(1, RESTLESS_PASSES + 1)]
    assert not any(found[:-1])
    assert found[-1]


def test_a_lock_from_outside_is_borne_whether_the_balance_shows_it_or_not():
    ledger, _ = opened()
    ledger.locked("BTC", COIN)
    assert looks(ledger, 5 * COIN, 10) == []
    assert looks(ledger, 4 * COIN, 10) == []
    assert looks(ledger, 3 * COIN, 10) != []


def test_what_is_accepted_differs_no_more():
    ledger, _ = opened()
    ledger.accept(looks(ledger, 6 * COIN, PASSES))
    assert looks(ledger, 6 * COIN, 10) == []
    assert not ledger.in_doubt


def test_the_opening_outlives_a_boot_and_a_person_may_take_it_anew():
    ledger, position = opened()
    position.on_fill(Side.BUY, bought(3))
    ledger.moved("BTC", COIN, 1)
    again = Ledger(InstrumentTable([instrument()]), [position], 0)
    again.restore(ledger.openings(), ledger.opened_ns())
    assert looks(again, 6 * COIN + 3 * LOT, 10) == []
    assert looks(again, 7 * COIN, PASSES) != [], "it is not taken anew with the next boot"
    again.reopen()
    assert looks(again, 7 * COIN, 10) == []


def test_two_symbols_that_share_an_asset_are_one_sum():
    table = InstrumentTable([instrument(), instrument(1, "BTCEUR", base="BTC", quote="EUR")])
    positions = [Position(SPOT), Position(SPOT)]
    ledger = Ledger(table, positions, 0)
    looks(ledger, 5 * COIN, 2)
    positions[0].on_fill(Side.BUY, bought(3))
    positions[1].on_fill(Side.SELL, bought(2))
    assert looks(ledger, 5 * COIN + LOT, 10) == []


def test_a_mismatch_says_since_when():
    ledger = Ledger(InstrumentTable([instrument()]), [Position(SPOT)], 0)
    for _ in range(3):
        ledger.compare({"BTC": COIN}, 3_600 * 10**9)
    for _ in range(PASSES):
        found = ledger.compare({"BTC": 2 * COIN}, 3_700 * 10**9)
    assert str(found[0]).endswith("1 more since 01:00:00 UTC")


def test_what_pays_for_another_asset_leaves_the_account():
    """Where the quote asset of one symbol is the base of another."""
    table = InstrumentTable([instrument(), instrument(1, "ETHBTC", base="ETH", quote="BTC")])
    position = Position(SPOT)
    ledger = Ledger(table, [Position(SPOT), position], 0)
    for _ in range(2):
        ledger.compare({"BTC": 5 * COIN, "ETH": 0})
    position.on_fill(Side.BUY, Fill("1", 1, 4, 1_000, 0, "BNB", True, 0))  # 1 ETH at 0.04 BTC
    for _ in range(2 * PASSES):
        assert ledger.compare({"BTC": 496 * COIN // 100, "ETH": COIN}) == []
    assert not ledger.in_doubt


def test_payments_that_the_venue_rounds_are_borne_up_to_a_lot():
    """A tick of a lot of ETHBTC is worth 1e-9 BTC, and the venue pays in 1e-8."""
    fine = instrument(
        1, "ETHBTC", base="ETH", quote="BTC", tick=Grid("0.00001"), lot=Grid("0.0001")
    )
    ledger = Ledger(InstrumentTable([instrument(), fine]), [Position(SPOT), Position(SPOT)], 0)
    for _ in range(2):
        ledger.compare({"BTC": 5 * COIN, "ETH": 0})
    for _ in range(PASSES):
        assert ledger.compare({"BTC": 5 * COIN + LOT - 1, "ETH": 0}) == []
    for _ in range(PASSES):
        found = ledger.compare({"BTC": 5 * COIN + LOT, "ETH": 0})
    assert [one.asset for one in found] == ["BTC"]


PERPETUAL = replace(
    instrument(), contract=Linear.future("USDT", "BTC", instrument().tick, instrument().lot)
)
HELD = "position of BTCUSDT"


def perpetual() -> tuple[Ledger, Position]:
    position = Position(PERPETUAL.contract)
    ledger = Ledger(InstrumentTable([PERPETUAL]), [position], 0)
    for _ in range(2):
        assert ledger.compare(ledger.held([(0, 4)])) == []
    assert ledger.opened
    return ledger, position


def test_what_is_not_delivered_is_held_against_positions_and_against_no_balance():
    ledger, position = perpetual()
    position.on_fill(Side.SELL, bought(6))
    for _ in range(PASSES):
        assert ledger.compare({"BTC": COIN, "USDT": 9} | ledger.held([(0, -2)])) == []
    assert not ledger.in_doubt
    for _ in range(PASSES):
        found = ledger.compare(ledger.held([(0, 4)]))
    assert [(one.asset, one.ours_atoms, one.venue_atoms) for one in found] == [
        (HELD, -2 * LOT, 4 * LOT)
    ]


def test_a_position_that_the_venue_does_not_name_is_none():
    ledger, _ = perpetual()
    for _ in range(PASSES):
        found = ledger.compare(ledger.held([]))
    assert [(one.asset, one.venue_atoms) for one in found] == [(HELD, 0)]


def test_what_others_trade_of_a_contract_moves_its_position_and_their_fee_alone():
    ledger, _ = perpetual()
    assert ledger.traded_by_others(PERPETUAL, Side.BUY, bought(3, 7, "USDT"))
    off_grid = OffGridTrade(0, "o", "t", 9, Side.BUY, LOT // 2, 50, 0, "USDT", 0)
    assert ledger.traded_off_grid(PERPETUAL, off_grid)
    for _ in range(PASSES):
        assert ledger.compare({HELD: 7 * LOT + LOT // 2}) == []
    assert not ledger.in_doubt
    assert ledger.flow(PERPETUAL) == {HELD: 0}
