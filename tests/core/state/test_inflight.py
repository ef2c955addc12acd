"""Requests that wait for their reply, and the ways they end without one."""

import pytest

from core.model.commands import (
    Cancel,
    Command,
    FetchTime,
    OrderKind,
    Place,
    Replace,
    TimeInForce,
)
from core.model.errors import Misuse
from core.model.events import Side
from core.state.inflight import MAX_INFLIGHT, REST, InFlightRequest, InFlightRequests


def requested(inflight: InFlightRequests, connection: int = 1, due_ns: int = 10) -> InFlightRequest:
    entry = InFlightRequest(inflight.next_id(), FetchTime(), connection, 0, due_ns)
    inflight.add(entry)
    return entry


def test_a_reply_takes_its_request_once():
    inflight = InFlightRequests()
    entry = requested(inflight)
    assert inflight.take(entry.request_id) is entry
    assert inflight.take(entry.request_id) is None


def test_numbers_are_never_given_twice():
    inflight = InFlightRequests()
    assert len({inflight.next_id() for _ in range(100)}) == 100


def test_a_lost_connection_ends_its_own_requests_only():
    inflight = InFlightRequests()
    first, second, rest = requested(inflight, 1), requested(inflight, 0), requested(inflight, REST)
    assert inflight.lost(1) == [first]
    assert list(inflight) == [second, rest]


def test_what_is_overdue_is_removed_at_its_time():
    inflight = InFlightRequests()
    early, late = requested(inflight, due_ns=10), requested(inflight, due_ns=20)
    assert inflight.overdue(9) == []
    assert inflight.overdue(10) == [early]
    assert inflight.overdue(100) == [late]
    assert len(inflight) == 0


def test_requests_unanswered_are_bounded():
    inflight = InFlightRequests()
    for _ in range(MAX_INFLIGHT):
        requested(inflight)
    with pytest.raises(Misuse, match="unanswered"):
        requested(inflight)


def test_a_request_with_several_replies_is_done_with_the_last_of_them():
    inflight = InFlightRequests()
    entry = InFlightRequest(inflight.next_id(), FetchTime(), 1, 0, 10)
    inflight.add(entry, replies=3)
    assert [inflight.goes_on(entry.request_id) for _ in range(3)] == [True, True, False]
    assert inflight.take(entry.request_id) is entry


def test_a_request_with_one_reply_does_not_go_on():
    inflight = InFlightRequests()
    entry = requested(inflight)
    assert not inflight.goes_on(entry.request_id)


def test_a_request_that_has_ended_gets_no_more_replies():
    inflight = InFlightRequests()
    entry = InFlightRequest(inflight.next_id(), FetchTime(), 1, 0, 10)
    inflight.add(entry, replies=3)
    assert inflight.lost(1) == [entry]
    assert not inflight.goes_on(entry.request_id)


def test_the_oldest_change_of_an_order_under_way_on_a_connection_is_found_by_its_name():
    inflight = InFlightRequests()

    def sent(command: Command, connection: int = 1) -> int:
        entry = InFlightRequest(inflight.next_id(), command, connection, 0, 10)
        inflight.add(entry)
        return entry.request_id

    def place(name: str) -> Place:
        return Place(0, name, Side.BUY, OrderKind.LIMIT, TimeInForce.GTC, 1, 1)

    sent(Cancel(0, "a", ""), connection=REST)
    first, second = sent(place("a")), sent(Cancel(0, "a", "7"))
    third = sent(Replace(Cancel(0, "a", "7"), place("b")))
    sent(FetchTime())
    assert inflight.oldest_of("a", 1) == first
    inflight.take(first)
    assert inflight.oldest_of("a", 1) == second
    assert inflight.oldest_of("b", 1) == third
    assert inflight.oldest_of("c", 1) == inflight.oldest_of("", 1) == 0
