"""What the auditor makes of orders that are to go: how long the fastest open way may take."""

from __future__ import annotations

import pytest

from core.model.units import NS_PER_S
from tools.world.audit.ledger import Ledger
from tools.world.audit.links import Links
from tools.world.audit.wanted import OPEN_WAY_NS, THROTTLED_NS, Wanted
from tools.world.audit.watch import Context, Findings
from tools.world.dialect import MARKET, TRADE
from tools.world.of_binance import BINANCE

NOW_NS = 1_000 * NS_PER_S


def room(findings: Findings | None = None) -> Wanted:
    findings = findings or Findings()
    context = Context({}, {}, Ledger({}, 0, findings, BINANCE), findings, BINANCE)
    return Wanted(context, Links(context))


def test_the_fastest_open_way_has_its_time():
    wanted = room()
    wanted.out(NOW_NS)
    assert wanted.until_ns == NOW_NS + OPEN_WAY_NS


@pytest.mark.parametrize("after_ns", [-NS_PER_S, NS_PER_S])
def test_a_cancel_that_was_throttled_has_the_others_wait(after_ns: int):
    """Before the word, or after it."""
    wanted = room()
    throttled = b'{"id":"c7","status":429,"error":{"code":-1003,"msg":"Too many requests."}}'
    if after_ns < 0:
        wanted.on_answer(throttled, NOW_NS + after_ns)
    wanted.out(NOW_NS)
    if after_ns > 0:
        wanted.on_answer(throttled, NOW_NS + after_ns)
    assert wanted.until_ns == NOW_NS + after_ns + THROTTLED_NS + OPEN_WAY_NS


def test_an_order_that_was_throttled_has_no_cancel_wait():
    wanted = room()
    wanted.on_answer(b'{"id":"p7","status":429,"error":{"code":-1003,"msg":"Too many."}}', NOW_NS)
    wanted.out(NOW_NS)
    assert wanted.until_ns == NOW_NS + OPEN_WAY_NS


def test_an_answer_on_a_replaced_connection_may_be_a_cancels() -> None:
    wanted = room()
    for link in (3, 1):
        wanted.links.hear(link)
    wanted.on_answer(b'{"id":"a7","status":429,"error":{"code":-1003}}', NOW_NS)
    wanted.out(NOW_NS)
    assert wanted.until_ns == NOW_NS + THROTTLED_NS + OPEN_WAY_NS


@pytest.mark.parametrize("said_ns", [-NS_PER_S, -7 * NS_PER_S])
def test_a_process_that_did_not_run_has_its_time_from_when_it_goes_on(said_ns: int):
    """Whether the word was said while it did not run, which is told afterwards, or before."""
    wanted = room()
    if said_ns < -6 * NS_PER_S:
        wanted.out(NOW_NS + said_ns)
    wanted.on_stopped(NOW_NS)
    if said_ns >= -6 * NS_PER_S:
        wanted.out(NOW_NS + said_ns)
    assert wanted.until_ns == NOW_NS + OPEN_WAY_NS


def test_a_process_that_did_not_run_long_before_has_no_more_time_than_others():
    wanted = room()
    wanted.on_stopped(NOW_NS - 10 * NS_PER_S)
    wanted.out(NOW_NS)
    assert wanted.until_ns == NOW_NS + OPEN_WAY_NS


@pytest.mark.parametrize(
    ("connection", "after_ns", "found"),
    [(MARKET, 0, False), (MARKET, NS_PER_S, True), (TRADE, 0, True)],
)
def test_books_that_grew_old_while_the_process_did_not_run_need_no_other_connection_first(
    connection: int, after_ns: int, found: bool
):
    findings = Findings()
    wanted = room(findings)
    wanted.ends_within((MARKET, TRADE), NOW_NS + 10 * NS_PER_S)
    wanted.on_stopped(NOW_NS)
    wanted.on_closing(connection, NOW_NS + after_ns, others=False)
    assert (findings.breach is not None) is found
