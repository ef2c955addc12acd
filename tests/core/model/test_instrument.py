from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from core.model.contract import Linear
from core.model.errors import BadConfig
from core.model.instrument import Instrument, InstrumentTable, Trading
from core.model.units import Grid, format_decimal

steps = st.builds(format_decimal, st.integers(1, 1000), st.integers(0, 8))


def instrument(index: int, symbol: str, tick: str = "0.01", lot: str = "0.00001") -> Instrument:
    return Instrument(
        index=index,
        symbol=symbol,
        base=symbol[:3],
        quote=symbol[3:],
        tick=Grid(tick),
        lot=Grid(lot),
        contract=Linear.spot(symbol[:3], symbol[3:], Grid(tick), Grid(lot)),
        min_ticks=1,
        max_ticks=0,
        min_lots=1,
        max_lots=0,
        max_market_lots=0,
        min_notional=0,
        max_notional=0,
        max_open_orders=0,
    )


def test_instruments_are_found_by_index_and_by_symbol() -> None:
    table = InstrumentTable([instrument(0, "BTCUSDT"), instrument(1, "ETHUSDT")])
    assert table[1].symbol == "ETHUSDT"
    assert table.find("BTCUSDT") is table[0]
    assert [row.index for row in table] == [0, 1]
    assert len(table) == 2


def test_an_unknown_symbol_is_none() -> None:
    assert InstrumentTable().find("BTCUSDT") is None


def test_a_row_is_renewed_in_its_place() -> None:
    table = InstrumentTable([instrument(0, "BTCUSDT")])
    halted = replace(table[0], trading=Trading.HALTED)
    table.put(halted)
    assert len(table) == 1
    assert table[0] is table.find("BTCUSDT") is halted


def test_another_symbol_cannot_take_a_row() -> None:
    table = InstrumentTable([instrument(0, "BTCUSDT")])
    with pytest.raises(BadConfig, match="ETHUSDT"):
        table.put(instrument(0, "ETHUSDT"))
    assert table[0].symbol == "BTCUSDT"


@pytest.mark.parametrize("index", [-1, 1, 7])
def test_rows_are_put_one_after_the_other(index: int) -> None:
    with pytest.raises(BadConfig, match="ETHUSDT"):
        InstrumentTable().put(instrument(index, "ETHUSDT"))


def test_a_symbol_has_one_row() -> None:
    table = InstrumentTable([instrument(0, "BTCUSDT")])
    with pytest.raises(BadConfig, match="BTCUSDT"):
        table.put(instrument(1, "BTCUSDT"))


def test_money_is_text_in_the_quote_asset() -> None:
    btc = instrument(0, "BTCUSDT")
    assert btc.contract.money(6_500_000 * 100_000) == "65000.0000000"
    assert btc.contract.money(-1) == "-0.0000001"


@settings(max_examples=150)
@given(steps, steps, st.integers(0, 10**9), st.integers(0, 10**9))
def test_money_equals_price_times_size(tick: str, lot: str, ticks: int, lots: int) -> None:
    row = instrument(0, "BTCUSDT", tick, lot)
    with localcontext(prec=80):
        price, size = Decimal(row.tick.text(ticks)), Decimal(row.lot.text(lots))
        assert Decimal(row.contract.money(ticks * lots)) == price * size
        assert Decimal(row.contract.money(-ticks * lots)) == -price * size
