"""What the auditor makes of request weight: what is kept for cancels is spent on cancels alone."""

from __future__ import annotations

import pytest

from core.model.venue import HttpRequest
from tools.world.audit.ledger import Ledger
from tools.world.audit.watch import Context, Findings
from tools.world.audit.weight import MINUTE_NS, Weight
from tools.world.dialect import Request
from tools.world.of_binance import BINANCE

MIDDLE_NS = 100 * MINUTE_NS + MINUTE_NS // 2
LIST = HttpRequest("GET", "/api/v3/openOrders", "symbol=BTCUSDT&recvWindow=5000", signed=True)


def room(*told: int) -> tuple[Weight, Findings]:
    """A limit of 100, and what our side was told of it in this minute."""
    findings = Findings()
    weight = Weight(Context({}, {}, Ledger({}, 0, findings, BINANCE), findings, BINANCE))
    weight.limit, weight.counted = 100, lambda venue_ns: 95
    for used in told:
        weight.on_answer({"x-mbx-used-weight-1m": str(used)}, MIDDLE_NS)
    return weight, findings


@pytest.mark.parametrize(("used", "broken"), [(84, False), (85, True)])
def test_what_is_kept_for_cancels_begins_at_the_last_tenth(used, broken):
    weight, findings = room(used, used, used)
    weight.on_rest(LIST, MIDDLE_NS)
    assert (findings.breach is not None) is broken


def test_cancels_may_spend_it():
    weight, findings = room(95, 95, 95)
    weight.on_request(Request("c", "c1", "order.cancel", {}), MIDDLE_NS)
    weight.on_rest(HttpRequest("DELETE", "/api/v3/order", "", signed=True), MIDDLE_NS)
    assert findings.breach is None


@pytest.mark.parametrize(
    ("told", "later_ns"),
    [
        ((95, 95), 0),  # messages may have been refused for something else in them
        ((99, 99, 99), 0),  # more than the exchange has counted: of the minute before
        ((95, 95, 95), MINUTE_NS),
    ],
)
def test_what_our_side_cannot_know_is_not_held_against_it(told, later_ns):
    weight, findings = room(*told)
    weight.on_rest(LIST, MIDDLE_NS + later_ns)
    assert findings.breach is None
