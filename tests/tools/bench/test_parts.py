"""What measures parts of hotloop: engines without them, and replays of a journal."""

from __future__ import annotations

import pytest

from core.engine.replay import Untimed
from core.state.hops import Hops
from tools.bench import replaying, variants, wire
from tools.bench.rig import Rig
from tools.bench.stripped import engine_without


@pytest.mark.parametrize("name", variants.STRIPPED)
def test_each_variant_without_parts_says_which(name: str) -> None:
    parts = variants.parts_without(name)

    assert parts
    assert set(parts) <= {*variants.PARTS, "warm"}
    assert f"hotloop-{'-'.join(parts)}" == name


def test_a_whole_variant_lacks_nothing() -> None:
    assert variants.parts_without("hotloop+hmac") == []
    assert variants.parts_without("trio-websocket") == []


class Noted:
    """A journal that counts."""

    segment = 0

    def __init__(self) -> None:
        self.records = 0

    def append(self, *_: object) -> None:
        self.records += 1

    def hold(self) -> None: ...


@pytest.mark.parametrize("parts", [set(), {"hops"}, {"journal"}, {"hops", "journal"}])
def test_an_engine_without_parts_trades_all_the_same(parts: set[str]) -> None:
    journal = Noted()
    rig = Rig(journal=journal, engine_of=engine_without(parts))

    order = rig.order_for(wire.LEAST_LOTS)

    assert wire.number_of(order) == 0
    assert (journal.records == 0) == ("journal" in parts)
    assert isinstance(rig.engine.hops, Untimed) == ("hops" in parts)
    assert isinstance(rig.engine.hops, Hops)


@pytest.mark.parametrize("stream", replaying.EVENTS)
def test_a_recorded_market_is_replayed_and_compared(stream: str) -> None:
    assert replaying.events_per_s(stream, 100, 1) > 0
