"""The lines by themselves: what is asked on a connection, and what its replies do to it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from core.engine.connections import Connections
from core.engine.turn import Recorder, Turn
from core.model.commands import Command, Ping, SubscribeMarket
from core.model.events import Numbered, Reply, Verdict
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import Connection, Keepalive, Role
from core.protocols.websocket import websocket
from core.state.counts import Counts
from core.state.inflight import InFlightRequest
from core.state.journal import MemoryJournal
from core.state.session import Session
from core.state.venue_clock import VenueClock

STEP_NS = 100 * NS_PER_MS

CONNECTION = Connection(
    name="market",
    url="ws://127.0.0.1/",
    carries=frozenset({Role.MARKET}),
    silence_ns=600 * NS_PER_S,
    lifetime_ns=3_600 * NS_PER_S,
    protocol=websocket(1 << 20),
    keepalive=Keepalive(every_ns=30 * NS_PER_S, command=Ping()),
)


class Rig:
    """One line whose script has one step; whatever is asked on it is noted, with the time."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, Command, int]] = []
        self.dropped: list[str] = []
        self.turn = Turn(NS_PER_S)
        nothing: Any = SimpleNamespace(
            begin=lambda connection: None,
            attach=lambda link, codec: None,
            charge=lambda costs, now_ns: None,
            step=lambda now_ns: None,
        )
        outbound: Any = SimpleNamespace(
            request=self._request, attach=nothing.attach, step=nothing.step, inflight=()
        )
        adapter: Any = SimpleNamespace(decode=None, script=lambda connection: (SubscribeMarket(),))
        port: Any = SimpleNamespace(
            log=lambda text: None,
            drop=lambda link, reason, redial_now: self.dropped.append(reason),
        )
        self.connections = Connections(
            adapter=adapter,
            sessions=[Session(CONNECTION)],
            seed=0,
            throttle=nothing,
            clock=VenueClock(),
            outbound=outbound,
            turn=self.turn,
            desk=nothing,
            market_data=nothing,
            recovery=nothing,
            counts=Counts(),
            port=port,
            recorder=Recorder(MemoryJournal(), self.turn),
        )
        self.connections.up(0)

    def _request(self, command: Command, now_ns: int, *, link: int) -> int:
        self.asked.append((now_ns, command, link))
        return len(self.asked)

    def reply(self, request_id: int, verdict: Verdict = Verdict.DONE) -> None:
        now_ns, command, link = self.asked[request_id - 1]
        asked = InFlightRequest(request_id, command, link, now_ns, now_ns + NS_PER_S)
        self.connections.on_reply(asked, Reply(request_id=request_id, verdict=verdict))

    def lives(self, seconds: int) -> None:
        end_ns = self.turn.now_ns + seconds * NS_PER_S
        while self.turn.now_ns < end_ns:
            self.turn.now_ns += STEP_NS
            self.connections.step()


def test_a_connection_is_kept_alive_from_when_it_is_ready() -> None:
    rig = Rig()
    rig.lives(2)
    assert [command for _, command, _ in rig.asked] == [SubscribeMarket()]
    rig.reply(1)
    ready_ns = rig.turn.now_ns
    rig.lives(59)
    pings = [(now_ns, link) for now_ns, command, link in rig.asked if command == Ping()]
    assert pings == [(ready_ns + STEP_NS, 0), (ready_ns + STEP_NS + 30 * NS_PER_S, 0)]


def test_a_connection_that_answers_no_sign_of_life_is_given_up() -> None:
    rig = Rig()
    rig.reply(1)
    rig.lives(89)
    for number, (now_ns, command, link) in enumerate(rig.asked[1:], 2):
        rig.connections.on_no_reply(
            InFlightRequest(number, command, link, now_ns, now_ns + NS_PER_S)
        )
    assert not rig.dropped
    rig.turn.now_ns += STEP_NS
    rig.connections.step()
    assert rig.dropped == ["3 requests in a row were not answered"]


def test_a_connection_that_has_not_told_all_is_dialled_again() -> None:
    rig = Rig()
    rig.reply(1)
    rig.connections.on_numbered(Numbered("orders", 8, first=True))
    rig.connections.on_numbered(Numbered("orders", 9, first=False))
    assert not rig.dropped
    rig.connections.on_numbered(Numbered("orders", 11, first=False))
    assert rig.dropped == ["message 11 of orders came after 9: something was not told"]
