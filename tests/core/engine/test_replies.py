"""Replies by themselves: which request each is to, and what it says about when to speak again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from core.engine.replies import Replies, named
from core.engine.turn import Turn
from core.model.commands import FetchAccount, FetchTime
from core.model.errors import Malformed
from core.model.events import AccountReport, BudgetUse, Reply, Verdict
from core.model.units import NS_PER_S
from core.state.counts import Counts
from core.state.inflight import InFlightRequest, InFlightRequests
from core.state.throttle import NEVER_NS
from core.state.venue_clock import VenueClock

NOW_NS = 1_000 * NS_PER_S


class Rig:
    """One request under way on link 2; what the venue's limits are told is noted."""

    def __init__(self) -> None:
        self.turn, self.counts, self.inflight = Turn(NOW_NS), Counts(), InFlightRequests()
        self.bans: list[int] = []
        self.held_ns: list[int] = []
        self.log: list[str] = []
        self.asked = InFlightRequest(1, FetchTime(), 2, NOW_NS, NOW_NS + 10 * NS_PER_S)
        self.inflight.add(self.asked)
        parts: dict[str, Any] = {
            "adapter": SimpleNamespace(answer=self._answer),
            "throttle": SimpleNamespace(ban=self._ban, learn=self._learn, dials_from_ns=0),
            "outbound": SimpleNamespace(inflight=self.inflight, discard=lambda: None),
            "hops": None,
            "port": SimpleNamespace(log=self.log.append, hold_dials=self.held_ns.append),
        }
        self.clock = VenueClock()
        self.told_ns: list[int] = []
        self.replies = Replies(turn=self.turn, counts=self.counts, clock=self.clock, **parts)

    def _ban(self, retry_ns: int, now_ns: int, said_ns: int) -> None:
        self.bans.append(retry_ns)

    def _learn(self, uses: object, now_ns: int, under_way: object, told_ns: int) -> None:
        self.told_ns.append(told_ns)

    def _answer(self, command: object, request_id: int, status: int, *_: object) -> Reply:
        if status == 500:
            raise Malformed("no sense in it")
        return Reply(request_id=request_id, verdict=Verdict.DONE)


def reply(request_id: int = 1, verdict: Verdict = Verdict.DONE, **more: Any) -> Reply:
    return Reply(request_id=request_id, verdict=verdict, **more)


def test_a_reply_is_to_what_was_asked_on_its_connection() -> None:
    rig = Rig()
    assert rig.replies.request_of(reply(), link=1) is None
    assert rig.replies.request_of(reply(2), link=2) is None
    assert rig.replies.request_of(reply(), link=2) is rig.asked
    assert rig.replies.request_of(reply(), link=2) is None, "it is answered"


def test_what_is_overdue_is_waited_for_no_longer() -> None:
    rig = Rig()
    assert rig.replies.overdue() == []
    rig.turn.now_ns += 10 * NS_PER_S
    assert rig.replies.overdue() == [rig.asked]
    assert rig.replies.overdue() == []


def test_what_was_asked_on_a_lost_connection_is_not_answered() -> None:
    rig = Rig()
    assert rig.replies.lost(1) == []
    assert rig.replies.lost(2) == [rig.asked]


def test_an_answer_that_cannot_be_read_is_counted_and_is_no_reply() -> None:
    rig = Rig()
    assert rig.replies.read(rig.asked, 500, {}, b"") is None
    assert (rig.counts.errors, rig.log) == (1, ["answer to FetchTime: no sense in it"])
    assert rig.replies.read(rig.asked, 200, {}, b"") == reply()


def test_a_ban_is_obeyed_by_requests_and_dials() -> None:
    rig = Rig()
    rig.replies.refused(rig.asked, reply(verdict=Verdict.BANNED, code="-3", retry_ns=NOW_NS + 5))
    assert rig.bans == [NOW_NS + 5]
    assert len(rig.held_ns) == 1
    assert rig.log == ["banned by the venue: -3"]


def test_a_count_has_a_date_only_where_the_venues_time_is_known() -> None:
    """Ours was an hour ahead: each count was of a window long over, and none was taken."""
    rig = Rig()
    counted = reply(budgets=(BudgetUse("weight", 5_609),), said_ns=NOW_NS - 3_600 * NS_PER_S)
    rig.replies.count(rig.asked, counted)
    rig.clock.measure(NOW_NS, NOW_NS, NOW_NS - 3_600 * NS_PER_S)
    rig.replies.count(rig.asked, counted)
    assert rig.told_ns == [NEVER_NS, NOW_NS - 3_599 * NS_PER_S - 1]


def test_an_account_is_dated_by_when_it_was_asked_for() -> None:
    asked = InFlightRequest(1, FetchAccount(), 2, NOW_NS, NOW_NS + 1)
    event = AccountReport(whole=True, balances=(), can_trade=None, venue_ns=0)
    told = named(asked, event)
    assert isinstance(told, AccountReport)
    assert told.requested_ns == NOW_NS
    assert named(None, event) is event
