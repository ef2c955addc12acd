"""The venue's balances and our fills are held against each other."""

from core.events import Fill, Side
from core.instrument import InstrumentTable
from core.ledger import PASSES, Ledger, Mismatch
from core.position import Position
from tests.strategies.desk import instrument

COIN = 10**18
LOT = 10**15  # of an instrument with lots of 0.001


def opened(tolerance_lots: int = 0) -> tuple[Ledger, Position]:
    position = Position()
    ledger = Ledger(InstrumentTable([instrument()]), [position], tolerance_lots)
    for _ in range(2):
        assert ledger.compare({"BTC": 5 * COIN}) == []
    return ledger, position


def bought(lots: int, fee_atoms: int = 0, asset: str = "BTC") -> Fill:
    return Fill(lots, 100, lots, fee_atoms, asset, True, 0)


def looks(ledger: Ledger, atoms: int, times: int) -> list[Mismatch]:
    found: list[Mismatch] = []
    for _ in range(times):
        found = ledger.compare({"BTC": atoms})
    return found


def test_the_ledgers_open_once_the_venue_has_said_the_same_twice():
    ledger = Ledger(InstrumentTable([instrument()]), [Position()], 0)
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
    assert str(found) == "BTC: 5 by our fills, 5.001 by the venue"


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
    ledger.moved("BTC", COIN)
    ledger.traded_by_others(instrument(), Side.SELL, [bought(4, fee_atoms=3)])
    assert looks(ledger, 6 * COIN - 4 * LOT - 3, 10) == []
