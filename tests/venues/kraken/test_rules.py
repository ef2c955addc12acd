"""Asset pairs become instruments, under the names that the other interfaces have for them."""

import gzip
import json
from typing import Any

import msgspec
import pytest

from core.model.errors import Drifted
from core.model.instrument import Instrument, Trading
from tests.venues.kraken import world
from venues.kraken import rules, schema

KRAKEN_2021 = world.SHARED / "captures" / "cryptofeed" / "KRAKEN" / "KRAKEN.0.gz"


def made(symbol: str = "BTC/USD", **changes: Any) -> Instrument:
    pairs = {"XXBTZUSD": world.pair(**changes)}
    read = msgspec.convert(pairs, dict[str, schema.AssetPair])
    [instrument] = rules.instruments(read, [symbol])
    return instrument


def test_a_pair_is_an_instrument_under_its_name_of_v2() -> None:
    instrument = made()
    assert (instrument.symbol, instrument.code) == ("BTC/USD", "XXBTZUSD")
    assert (instrument.base, instrument.quote) == ("BTC", "USD")
    assert (instrument.tick.step, instrument.lot.step) == ("0.1", "0.00000001")
    assert (instrument.min_lots, instrument.min_ticks) == (5_000, 1)
    assert instrument.contract.money(instrument.min_notional) == "0.500000000"
    assert instrument.trading is Trading.OPEN


@pytest.mark.parametrize(
    ("wsname", "symbol", "altname"),
    [
        ("XBT/USD", "BTC/USD", "XBTUSD"),
        ("ADA/XBT", "ADA/BTC", "ADAXBT"),
        ("XDG/XBT", "DOGE/BTC", "XDGXBT"),
        ("WAVES/EUR", "WAVES/EUR", "WAVESEUR"),
        ("1INCH/EUR", "1INCH/EUR", "1INCHEUR"),
    ],
)
def test_the_names_of_a_pair(wsname: str, symbol: str, altname: str) -> None:
    assert rules.symbol_of(wsname) == symbol
    assert rules.altname_of(symbol) == altname
    assert rules.SYMBOL.fullmatch(symbol)


@pytest.mark.parametrize(
    ("status", "trading"),
    [
        ("online", Trading.OPEN),
        ("limit_only", Trading.LIMIT_ONLY),
        ("cancel_only", Trading.CANCEL_ONLY),
        ("post_only", Trading.POST_ONLY),
        ("reduce_only", Trading.CANCEL_ONLY),
        ("maintenance", Trading.HALTED),
        ("delisted", Trading.HALTED),
        ("work_in_progress", Trading.HALTED),
        ("whatever is to come", Trading.HALTED),
    ],
)
def test_an_unknown_status_halts(status: str, trading: Trading) -> None:
    instrument = made(status=status)
    assert (instrument.trading, instrument.venue_status) == (trading, status)


@pytest.mark.parametrize(
    ("listed", "base", "quote", "code"),
    [
        ("XXBTZUSD", "XXBT", "ZUSD", "XXBTZUSD"),
        ("XBT/USD", "XXBT", "ZUSD", "XXBTZUSD"),
        ("BTC/USD", "XXBT", "ZUSD", "XXBTZUSD"),
    ],
)
def test_a_pair_is_known_by_the_name_of_histories_whatever_it_is_listed_under(
    listed: str, base: str, quote: str, code: str
) -> None:
    pair = msgspec.convert(world.pair(base=base, quote=quote), schema.AssetPair)
    [instrument] = rules.instruments({listed: pair}, ["BTC/USD"])
    assert instrument.code == code


def test_without_a_tick_the_precision_is_the_tick() -> None:
    assert made(tick_size="", pair_decimals=5).tick.step == "0.00001"


def test_a_tick_coarser_than_the_precision_keeps_both() -> None:
    instrument = made(tick_size="0.5", pair_decimals=2)
    assert instrument.tick.step == "0.5"
    assert rules.price_decimals(instrument, {"BTC/USD": 2}) == 2
    assert rules.price_decimals(instrument, {}) == 1


def test_a_tick_that_no_price_can_be_written_with_is_drift() -> None:
    with pytest.raises(Drifted, match="finer"):
        made(tick_size="0.01", pair_decimals=1)


def test_a_lot_multiplier_is_drift() -> None:
    with pytest.raises(Drifted, match="lot_multiplier"):
        made(lot_multiplier=10)


def test_a_pair_that_is_not_told_of_is_drift() -> None:
    with pytest.raises(Drifted, match=r"lacks ETH/USD; it lists BTC/USD"):
        made("ETH/USD")


@pytest.mark.skipif(not KRAKEN_2021.exists(), reason="the recorded answer is not here")
def test_every_pair_of_2021_is_an_instrument_or_has_no_name() -> None:
    with gzip.open(KRAKEN_2021, "rt") as lines:
        body = next(lines).partition(": ")[2]
    read = msgspec.convert(json.loads(body)["result"], dict[str, schema.AssetPair])
    named = {rules.symbol_of(one.wsname): one for one in read.values() if one.wsname}
    assert len(named) > 250
    for symbol, pair in named.items():
        assert rules.SYMBOL.fullmatch(symbol)
        assert rules.altname_of(symbol) == pair.altname
    instruments = rules.instruments(read, sorted(named))
    assert [one.symbol for one in instruments] == sorted(named)
