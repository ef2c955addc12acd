"""The way out by itself: budget, journal, and what leaves with the end of a turn."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from core.engine.outbound import Outbound
from core.model.commands import Cancel, Command, FetchTime, OrderKind, Place, Riskless, TimeInForce
from core.model.errors import JournalFailed, Misuse
from core.model.events import Costs, Limit, Side
from core.model.units import NS_PER_S
from core.model.venue import HttpRequest, Line, Role, WireRequest
from core.model.views import RefusalReason
from core.protocols.websocket import websocket
from core.state.inflight import REST
from core.state.journal import Kind, MemoryJournal
from core.state.orders import Orders
from core.state.risk import Approved
from core.state.session import Phase, Session
from core.state.throttle import Throttle
from core.state.venue_clock import VenueClock
from venues.kit.names import Prefixed

NOW_NS = 1_000 * NS_PER_S
LINE = Line(
    name="orders",
    url="tcp://127.0.0.1:1",
    carries=frozenset({Role.ORDERS}),
    silence_ns=NS_PER_S,
    lifetime_ns=0,
    protocol=websocket(1_000),
)
PLACE = Place(0, "ours-1", Side.BUY, OrderKind.LIMIT, TimeInForce.GTC, 100, 5)
CANCEL = Cancel(0, "ours-1", "7")


class Journal(MemoryJournal):
    full = False

    def append(self, kind: int, line: int, time_ns: int, payload: Any) -> None:
        if self.full:
            raise JournalFailed("disk full")
        super().append(kind, line, time_ns, payload)


class House:
    """A venue of plain words on one line; what leaves is noted."""

    def __init__(self, tokens: int = 100) -> None:
        self.sent: list[tuple[int, bytes]] = []
        self.asked: list[str] = []
        self.journal = Journal()
        self.session = Session(LINE)
        adapter: Any = SimpleNamespace(
            lines=[LINE], cost=self._cost, encode=self._encode, encode_rest=self._by_rest
        )
        door: Any = SimpleNamespace(
            sign=lambda request: request.body,
            send=lambda link, data: self.sent.append((link, data)),
            ask=lambda request_id, request: self.asked.append(request.path),
        )
        self.out = Outbound(
            adapter,
            [self.session],
            Orders(Prefixed("ours-", 1)),
            Throttle([Limit("weight", "weight", tokens, 60 * NS_PER_S)]),
            self.journal,
            VenueClock(),
            door,
            lambda: 0,
        )

    def _cost(self, command: Command, resting_ns: int = 0) -> Costs:
        return (("weight", 1),)

    def _encode(self, command: Command, request_id: int, _: int) -> WireRequest | HttpRequest:
        if isinstance(command, FetchTime):
            return HttpRequest("GET", "/time")
        return WireRequest(0, f"{type(command).__name__} ".encode())

    def _by_rest(self, command: Command, _: int) -> HttpRequest:
        return HttpRequest("DELETE", "/order", cancels=True)

    def up(self) -> House:
        protocol: Any = SimpleNamespace(message=lambda body: body)
        self.session.up([], NOW_NS)
        self.session.phase = Phase.READY
        self.out.attach(0, protocol)
        return self

    def request(self, what: Approved | Riskless) -> int:
        return self.out.request(what, NOW_NS)


def approved(place: Place = PLACE) -> Approved:
    return Approved(place)


def test_what_is_asked_in_a_turn_leaves_at_its_end_in_one_piece() -> None:
    house = House().up()
    assert house.request(approved())
    assert house.request(CANCEL)
    assert house.sent == []
    house.out.flush()
    assert house.sent == [(0, b"Place Cancel ")]


def test_every_request_is_in_the_journal_before_it_leaves() -> None:
    house = House().up()
    house.request(approved())
    assert [(r.kind, r.payload) for r in house.journal.records] == [(Kind.SEND, b"Place ")]


def test_where_the_journal_takes_no_more_cancels_alone_leave() -> None:
    house = House().up()
    house.journal.full = True
    assert not house.request(approved())
    assert house.out.refusal.reason is RefusalReason.NOT_TRADING
    assert house.request(CANCEL)
    house.out.flush()
    assert house.sent == [(0, b"Cancel ")]


def test_nothing_leaves_beyond_the_venues_budget() -> None:
    house = House(tokens=10).up()
    sent = 0
    while house.request(approved()):
        sent += 1
    assert 0 < sent <= 10
    assert house.out.refusal.reason is RefusalReason.VENUE_LIMIT
    assert len(house.journal.records) == sent


def test_an_order_needs_its_line_and_a_cancel_finds_another_way() -> None:
    house = House()
    assert not house.request(approved())
    assert house.out.refusal.reason is RefusalReason.NO_CONNECTION
    request_id = house.request(CANCEL)
    house.out.flush()
    assert house.asked == ["/order"]
    asked = house.out.inflight.find(request_id)
    assert asked is not None
    assert asked.line == REST


def test_nothing_that_creates_risk_leaves_unapproved() -> None:
    unapproved: Any = PLACE
    with pytest.raises(Misuse, match="is not approved"):
        House().up().request(unapproved)


def test_what_is_halted_before_it_leaves_does_not() -> None:
    house = House().up()
    house.request(approved())
    house.request(CANCEL)
    assert house.out.take_back({1}) == []
    [taken] = house.out.take_back({0})
    assert taken.command == PLACE
    house.out.flush()
    assert house.sent == [(0, b"Cancel ")]


def test_a_ban_holds_all_back_that_the_turn_has_asked_for() -> None:
    house = House().up()
    house.request(CANCEL)
    house.request(FetchTime())
    house.out.withhold()
    house.out.flush()
    assert (house.sent, house.asked) == ([], [])
