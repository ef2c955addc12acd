"""The lines by themselves: what is asked on a connection, and what its replies do to it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from core.engine.lines import Lines
from core.engine.turn import Recorder, Turn
from core.model.commands import Command, Ping, SubscribeMarket
from core.model.events import Numbered, Reply, Verdict
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import Keepalive, Line, Role
from core.protocols.websocket import websocket
from core.state.counts import Counts
from core.state.inflight import Asked
from core.state.journal import MemoryJournal
from core.state.session import Session
from core.state.venue_clock import VenueClock

STEP_NS = 100 * NS_PER_MS

LINE = Line(
    name="market",
    url="ws://127.0.0.1/",
    carries=frozenset({Role.MARKET}),
    silence_ns=600 * NS_PER_S,
    lifetime_ns=3_600 * NS_PER_S,
    protocol=websocket(1 << 20),
    keepalive=Keepalive(every_ns=30 * NS_PER_S, command=Ping()),
)


class House:
    """One line whose script has one step; whatever is asked on it is noted, with the time."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, Command, int]] = []
        self.dropped: list[str] = []
        self.turn = Turn(NS_PER_S)
        nothing: Any = SimpleNamespace(
            begin=lambda line: None,
            attach=lambda link, codec: None,
            charge=lambda costs, now_ns: None,
            step=lambda now_ns: None,
        )
        outbound: Any = SimpleNamespace(
            request=self._request, attach=nothing.attach, step=nothing.step, inflight=()
        )
        adapter: Any = SimpleNamespace(decode=None, script=lambda line: (SubscribeMarket(),))
        door: Any = SimpleNamespace(
            log=lambda text: None,
            drop=lambda link, reason, redial_now: self.dropped.append(reason),
        )
        self.lines = Lines(
            adapter=adapter,
            sessions=[Session(LINE)],
            seed=0,
            throttle=nothing,
            clock=VenueClock(),
            outbound=outbound,
            turn=self.turn,
            desk=nothing,
            market_data=nothing,
            recovery=nothing,
            counts=Counts(),
            door=door,
            recorder=Recorder(MemoryJournal(), self.turn),
        )
        self.lines.up(0)

    def _request(self, command: Command, now_ns: int, *, link: int) -> int:
        self.asked.append((now_ns, command, link))
        return len(self.asked)

    def reply(self, request_id: int, verdict: Verdict = Verdict.DONE) -> None:
        now_ns, command, link = self.asked[request_id - 1]
        asked = Asked(request_id, command, link, now_ns, now_ns + NS_PER_S)
        self.lines.on_reply(asked, Reply(request_id=request_id, verdict=verdict))

    def lives(self, seconds: int) -> None:
        end_ns = self.turn.now_ns + seconds * NS_PER_S
        while self.turn.now_ns < end_ns:
            self.turn.now_ns += STEP_NS
            self.lines.step()


def test_a_connection_is_kept_alive_from_when_it_is_ready() -> None:
    house = House()
    house.lives(2)
    assert [command for _, command, _ in house.asked] == [SubscribeMarket()]
    house.reply(1)
    ready_ns = house.turn.now_ns
    house.lives(59)
    pings = [(now_ns, link) for now_ns, command, link in house.asked if command == Ping()]
    assert pings == [(ready_ns + STEP_NS, 0), (ready_ns + STEP_NS + 30 * NS_PER_S, 0)]


def test_a_connection_that_answers_no_sign_of_life_is_given_up() -> None:
    house = House()
    house.reply(1)
    house.lives(89)
    for number, (now_ns, command, link) in enumerate(house.asked[1:], 2):
        house.lines.on_no_reply(Asked(number, command, link, now_ns, now_ns + NS_PER_S))
    assert not house.dropped
    house.turn.now_ns += STEP_NS
    house.lines.step()
    assert house.dropped == ["3 requests in a row were not answered"]


def test_a_connection_that_has_not_told_all_is_dialled_again() -> None:
    house = House()
    house.reply(1)
    house.lines.on_numbered(Numbered("orders", 8, first=True))
    house.lines.on_numbered(Numbered("orders", 9, first=False))
    assert not house.dropped
    house.lines.on_numbered(Numbered("orders", 11, first=False))
    assert house.dropped == ["message 11 of orders came after 9: something was not told"]
