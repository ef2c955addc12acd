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
from core.model.venue import Connection, HttpRequest, Role, WireRequest
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
CONNECTION = Connection(
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

    def append(self, kind: int, connection: int, time_ns: int, payload: Any) -> None:
        if self.full:
            raise JournalFailed("disk full")
        super().append(kind, connection, time_ns, payload)


class Rig:
    """A venue of plain words on one line; what leaves is noted."""

    def __init__(self, tokens: int = 100) -> None:
        self.sent: list[tuple[int, bytes]] = []
        self.asked: list[str] = []
        self.journal = Journal()
        self.session = Session(CONNECTION)
        adapter: Any = SimpleNamespace(
            connections=[CONNECTION],
            cost=self._cost,
            encode=self._encode,
            encode_rest=self._by_rest,
        )
        port: Any = SimpleNamespace(
            sign=lambda request: request.body,
            send=lambda link, data: self.sent.append((link, data)),
            send_rest=lambda request_id, request: self.asked.append(request.path),
        )
        self.out = Outbound(
            adapter,
            [self.session],
            Orders(Prefixed("ours-", 1)),
            Throttle([Limit("weight", "weight", tokens, 60 * NS_PER_S)]),
            self.journal,
            VenueClock(),
            port,
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

    def up(self) -> Rig:
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
    rig = Rig().up()
    assert rig.request(approved())
    assert rig.request(CANCEL)
    assert rig.sent == []
    rig.out.flush()
    assert rig.sent == [(0, b"Place Cancel ")]


def test_links_send_in_the_order_of_their_numbers_whoever_spoke_first() -> None:
    rig = Rig().up()
    protocol: Any = SimpleNamespace(message=lambda body: body, pong=lambda payload: payload)
    rig.out.attach(1, protocol)
    for _ in range(2):  # what has left is not sent again
        rig.out.pong(1, b"pong", NOW_NS)
        rig.request(CANCEL)
        rig.out.pong(1, b" and pong", NOW_NS)
        rig.out.flush()
    assert rig.sent == [(0, b"Cancel "), (1, b"pong and pong")] * 2


def test_what_was_framed_for_a_link_that_is_gone_is_not_sent_on_the_next() -> None:
    rig = Rig().up()
    rig.request(approved())
    rig.out.detach(0)
    rig.session.lost()
    rig.up()
    rig.request(CANCEL)
    rig.out.flush()
    assert rig.sent == [(0, b"Cancel ")]


def test_every_request_is_in_the_journal_before_it_leaves() -> None:
    rig = Rig().up()
    rig.request(approved())
    assert [(r.kind, r.payload) for r in rig.journal.records] == [(Kind.SEND, b"Place ")]


def test_where_the_journal_takes_no_more_cancels_alone_leave() -> None:
    rig = Rig().up()
    rig.journal.full = True
    assert not rig.request(approved())
    assert rig.out.refusal.reason is RefusalReason.NOT_TRADING
    assert rig.request(CANCEL)
    rig.out.flush()
    assert rig.sent == [(0, b"Cancel ")]


def test_nothing_leaves_beyond_the_venues_budget() -> None:
    rig = Rig(tokens=10).up()
    sent = 0
    while rig.request(approved()):
        sent += 1
    assert 0 < sent <= 10
    assert rig.out.refusal.reason is RefusalReason.VENUE_LIMIT
    assert len(rig.journal.records) == sent


def test_an_order_needs_its_connection_and_a_cancel_finds_another_way() -> None:
    rig = Rig()
    assert not rig.request(approved())
    assert rig.out.refusal.reason is RefusalReason.NO_CONNECTION
    request_id = rig.request(CANCEL)
    rig.out.flush()
    assert rig.asked == ["/order"]
    asked = rig.out.inflight.find(request_id)
    assert asked is not None
    assert asked.connection == REST


def test_nothing_that_creates_risk_leaves_unapproved() -> None:
    unapproved: Any = PLACE
    with pytest.raises(Misuse, match="is not approved"):
        Rig().up().request(unapproved)


def test_what_is_halted_before_it_leaves_does_not() -> None:
    rig = Rig().up()
    rig.request(approved())
    rig.request(CANCEL)
    assert rig.out.drop_unsent({1}) == []
    [taken] = rig.out.drop_unsent({0})
    assert taken.command == PLACE
    rig.out.flush()
    assert rig.sent == [(0, b"Cancel ")]


def test_a_ban_holds_all_back_that_the_turn_has_asked_for() -> None:
    rig = Rig().up()
    rig.request(CANCEL)
    rig.request(FetchTime())
    rig.out.discard()
    rig.out.flush()
    assert (rig.sent, rig.asked) == ([], [])
