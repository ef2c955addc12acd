"""Prices by themselves: which price counts an asset in another, and when the venue is asked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from core.engine.prices import GIVE_UP_NS, PERIOD_NS, RETRY_NS, Prices
from core.engine.turn import Turn
from core.model.commands import FetchPrice
from core.model.events import PriceTold, Reply, Verdict
from core.model.instrument import InstrumentTable
from core.model.units import NS_PER_S
from core.state.daily_loss import Price, Told
from core.state.inflight import InFlightRequest

NOW_NS = 1_000 * NS_PER_S


class Rig:
    """A venue that joins two assets to a pair; what it is asked is noted."""

    def __init__(self, stated: dict[str, dict[str, Price | Told]] | None = None) -> None:
        self.turn = Turn(NOW_NS)
        self.asked: list[str] = []
        outbound: Any = SimpleNamespace(request=self._request)
        self.prices = Prices(
            table=InstrumentTable(),
            books=[],
            outbound=outbound,
            stated=stated or {},
            symbol_of=lambda base, quote: base + quote,
            turn=self.turn,
        )

    def _request(self, command: FetchPrice, now_ns: int) -> int:
        self.asked.append(command.symbol)
        return len(self.asked)

    def after(self, ns: int) -> list[str]:
        """Return what is asked then for what fees need all along."""
        self.turn.now_ns += ns
        self.asked.clear()
        self.prices.want("BNB", "USDT")
        self.prices.step()
        return list(self.asked)


def test_the_pair_is_asked_for_either_way_round_until_one_is_told() -> None:
    rig = Rig()
    assert rig.after(0) == ["BNBUSDT", "USDTBNB"]
    assert rig.after(RETRY_NS - 1) == []
    assert rig.after(1) == ["BNBUSDT", "USDTBNB"]
    rig.prices.on_told(PriceTold("BNBUSDT", 6_000, 1))
    assert rig.prices.of("BNB", "USDT") == Price(6_000, 10)


def test_a_price_that_is_known_is_asked_for_seldom() -> None:
    rig = Rig()
    rig.after(0)
    rig.prices.on_told(PriceTold("BNBUSDT", 6_000, 1))
    rig.after(RETRY_NS)
    assert "BNBUSDT" not in rig.after(PERIOD_NS - 1)
    assert "BNBUSDT" in rig.after(1)


def test_what_the_venue_does_not_know_is_asked_for_no_more_for_a_while() -> None:
    rig = Rig()
    rig.after(0)
    for symbol in ("BNBUSDT", "USDTBNB"):
        asked = InFlightRequest(1, FetchPrice(symbol), -1, NOW_NS, NOW_NS + 1)
        rig.prices.on_reply(asked, Reply(request_id=1, verdict=Verdict.REFUSED))
    assert rig.prices.hopeless("BNB", "USDT")
    assert rig.after(GIVE_UP_NS - 1) == []
    assert rig.after(1) == ["BNBUSDT", "USDTBNB"]


def test_a_stated_price_is_believed_and_nobody_asked() -> None:
    rig = Rig({"USDT": {"BNB": Price(600, 1)}})
    assert rig.after(0) == []
    assert rig.prices.of("BNB", "USDT") == Price(600, 1)
    assert rig.prices.is_stated("BNB", "USDT")


def test_an_asset_counts_as_itself() -> None:
    assert Rig().prices.of("USDT", "USDT") == Price(1, 1)
