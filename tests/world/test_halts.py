"""What the auditor makes of reports that tell another side or price: of those that can be read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from tools.world.audit.halts import Halts
from tools.world.audit.ledger import Ledger
from tools.world.audit.links import Links
from tools.world.audit.watch import Context, Findings
from tools.world.of_binance import BINANCE

OTHER = {"e": "executionReport", "c": "ours", "S": "SELL", "p": "65000.00000000", "x": "NEW"}


def halted_by(event: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    ledger = Ledger({}, 0, Findings(), BINANCE)
    booked = SimpleNamespace(symbol="BTCUSDT", buy=True, price=65_000 * 10**8)
    monkeypatch.setattr(ledger, "order_of", lambda name: booked)
    context = Context({}, {}, ledger, Findings(), BINANCE)
    halts = Halts(context, Links(context))
    halts._left.add("ours")
    halts.on_told(msgspec.json.encode({"event": event}), 0)
    return halts.halted


def test_a_report_of_the_other_side_halts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(halted_by(OTHER, monkeypatch)) == ["BTCUSDT"]


@pytest.mark.parametrize("spoiled", [None, 7, [], {}, "?"], ids=str)
@pytest.mark.parametrize("field", ["c", "x"])
def test_one_that_cannot_be_read_does_not(
    field: str, spoiled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not halted_by(OTHER | {field: spoiled}, monkeypatch)


@pytest.mark.parametrize("event", [[OTHER], [], 7, None])
def test_nor_does_what_is_no_report_at_all(event: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not halted_by(event, monkeypatch)
