"""What the auditor makes of answers: what our side may do before a ban is over, and right after."""

from __future__ import annotations

import pytest

from core.model.units import NS_PER_S
from tools.world.audit.answers import MEASURED_NS, Answers
from tools.world.audit.connection import LEAST_BAN_NS, Connection
from tools.world.audit.ledger import Ledger
from tools.world.audit.watch import Context, Findings
from tools.world.auditor import is_ping
from tools.world.of_binance import BINANCE

NOW_NS = 1_000 * NS_PER_S
CLOCK_OFF = b'{"id":"p7","status":400,"error":{"code":-1021,"msg":"outside of the recvWindow."}}'


def room() -> tuple[Answers, Connection, Findings]:
    findings = Findings()
    context = Context({}, {}, Ledger({}, 0, findings, BINANCE), findings, BINANCE)
    connection = Connection(context, with_depth=True)
    return Answers(context, connection), connection, findings


@pytest.mark.parametrize(("after_ns", "broken"), [(MEASURED_NS, False), (MEASURED_NS + 1, True)])
def test_the_venue_is_asked_for_its_time_within_seconds_of_refusing_ours(
    after_ns: int, broken: bool
):
    answers, _, findings = room()
    answers.on_told(CLOCK_OFF, NOW_NS)
    answers.on_market(NOW_NS + after_ns)
    assert (findings.breach is not None) is broken


def test_nobody_is_asked_for_the_time_in_the_silence_of_a_ban_that_was_over_soon():
    answers, connection, findings = room()
    connection.on_refused_all(NOW_NS + NS_PER_S, NOW_NS, skew_ns=0)
    answers.on_told(CLOCK_OFF, NOW_NS + 2 * NS_PER_S)
    answers.on_market(NOW_NS + LEAST_BAN_NS + 1)
    assert findings.breach is None


def test_silence_after_a_short_ban_is_good_reason_to_ask_for_nothing():
    _, connection, _ = room()
    connection.on_banned(NOW_NS + NS_PER_S, NOW_NS)
    assert connection.is_slow(NOW_NS + 5 * NS_PER_S)
    assert not connection.is_slow(NOW_NS + LEAST_BAN_NS)


def test_a_message_right_behind_a_ping_is_heard() -> None:
    assert is_ping(b"\x89\x011")
    assert is_ping(b"\x89")
    assert not is_ping(b"\x89\x011\x81\x02{}")
    assert not is_ping(b"\x81\x02{}")
