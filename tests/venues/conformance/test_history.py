"""Our own trades, page by page as the venue tells them: none is missed, whatever comes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core.model.commands import BEGINNING, FetchOrderTrades, FetchTrades, Since
from core.model.events import FillReport, Reply, Verdict
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import Adapter, HttpRequest
from tests.venues.conformance import samples
from tests.venues.conformance.samples import Samples, Traded

START_NS = 1_790_000_000 * NS_PER_S
APART_MS = (300, 2_000)
"""Several in each second, which is as finely as some tell, or fewer."""
MANY = 2_100
"""Beyond two of the largest pages."""
OFTEN = 4
"""Every so many-th is of one order, the others of one each."""
ORDER = 1

HISTORIES = [
    pytest.param(shown, apart_ms, id=f"{name}-{apart_ms}")
    for name, shown in samples.EVERY.items()
    if shown.history
    for apart_ms in APART_MS
]


class Account:
    """An account that goes on trading, one trade before each question."""

    def __init__(self, shown: Samples, apart_ms: int, orders: Callable[[int], int]) -> None:
        self.adapter: Adapter = shown.adapter()
        self._orders = orders
        self._apart_ns = apart_ms * NS_PER_MS
        self.trades = [self._trade(number) for number in range(MANY)]
        assert shown.history is not None
        self._answers = shown.history(self.trades)

    def _trade(self, number: int) -> Traded:
        at_ns = START_NS + number * self._apart_ns
        return Traded(number + 1, self._orders(number), at_ns, 1_000 + number % 7, 1_000 + number)

    def ask(self, command: FetchTrades | FetchOrderTrades) -> Reply:
        self.trades.append(self._trade(len(self.trades)))
        now_ns = self.trades[-1].at_ns + NS_PER_S
        request = self.adapter.encode_rest(command, now_ns)
        assert isinstance(request, HttpRequest)
        assert not request.cancels
        reply = self.adapter.answer(command, 1, 200, {}, self._answers(request))
        assert reply.verdict is Verdict.DONE
        return reply

    def all_pages(self, command: Callable[[str], FetchTrades | FetchOrderTrades]) -> list[int]:
        """Return the sizes of all that is told, as often as it is: no two trades have the same."""
        told: list[int] = []
        page = ""
        for _ in range(MANY):
            reply = self.ask(command(page))
            told += [one.fill.lots for one in reply.events if isinstance(one, FillReport)]
            page = reply.more
            if not page:
                return told
        pytest.fail("the pages never end")


def alone(number: int) -> int:
    return number + 10


@pytest.mark.parametrize(("shown", "apart_ms"), HISTORIES)
@pytest.mark.parametrize("behind", [0, 1, 700, MANY - 1, MANY])
def test_every_trade_behind_a_place_is_told(shown: Samples, apart_ms: int, behind: int) -> None:
    account = Account(shown, apart_ms, alone)
    there = {trade.lots for trade in account.trades[behind:]}
    since = BEGINNING
    if behind:
        last = account.trades[behind - 1]
        found = account.ask(FetchTrades(0, BEGINNING)).events[0]
        assert isinstance(found, FillReport)
        by_number = found.fill.rank < START_NS // NS_PER_S  # else by its time
        rank = last.number if by_number else last.at_ns // NS_PER_S
        since = Since(found.fill.trade_id, rank, last.at_ns)
    told = account.all_pages(lambda page: FetchTrades(0, since, page))
    assert there <= set(told)
    assert len(told) < 2 * len(account.trades), "it is told over and over"


@pytest.mark.parametrize(("shown", "apart_ms"), HISTORIES)
def test_the_newest_trade_is_told_first_where_nothing_is_known(
    shown: Samples, apart_ms: int
) -> None:
    account = Account(shown, apart_ms, alone)
    reply = account.ask(FetchTrades(0, None))
    told = [one.fill for one in reply.events if isinstance(one, FillReport)]
    assert max(told, key=lambda fill: fill.rank).lots == account.trades[-1].lots


@pytest.mark.parametrize(("shown", "apart_ms"), HISTORIES)
def test_every_trade_of_an_order_is_told_and_none_of_another(shown: Samples, apart_ms: int) -> None:
    account = Account(shown, apart_ms, lambda number: number if number % OFTEN else ORDER)
    there = {trade.lots for trade in account.trades if trade.order == ORDER}
    [name] = {
        one.venue_order_id
        for one in account.ask(FetchTrades(0, None)).events
        if isinstance(one, FillReport) and one.fill.lots in there
    } or {str(ORDER)}
    told = account.all_pages(lambda page: FetchOrderTrades(0, name, page))
    more = {trade.lots for trade in account.trades if trade.order == ORDER}
    assert there <= set(told) <= more
