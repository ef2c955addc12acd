"""The lines: how an end is answered and told, and which refusal is not dialled against."""

from __future__ import annotations

import pytest

from core.model.units import NS_PER_S
from core.model.views import BookState, SessionState
from core.protocols.websocket import CLOSE, TEXT
from core.state.journal import Kind
from tests.world.test_recovery import MARKET, TRADE, World, refusing, world

LOGON = ("userDataStream.subscribe.signature",)


def drops(w: World) -> list[bytes]:
    """Return why connections were given up, as the journal has it."""
    return [bytes(each.payload) for each in w.journal.records if each.kind == Kind.DROP]


def test_a_close_is_answered_in_the_same_turn():
    w = world()
    w.say(MARKET, CLOSE, (1001).to_bytes(2, "big"))
    w.run(0.002)
    assert [m.payload for m in w.sent if m.connection == MARKET][-1] == (1000).to_bytes(2, "big")
    assert [m.opcode for m in w.sent if m.connection == MARKET][-1] == CLOSE


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ((1008).to_bytes(2, "big") + b"disconnected", "closed by the venue: 1008 disconnected"),
        ((1001).to_bytes(2, "big"), "closed by the venue: 1001"),
        (b"", "closed by the venue, without a code"),
    ],
)
def test_a_lost_connection_says_the_code_and_the_reason_the_venue_gave(payload: bytes, said: str):
    w = world()
    w.say(TRADE, CLOSE, payload)
    w.run(0.1)
    assert said.encode() in drops(w)


def test_a_logon_that_is_refused_for_good_ends_the_run():
    w = world()
    w.to_venue = refusing(w, -2015, "Invalid API-key", status=401, methods=LOGON)
    w.cut(TRADE)
    w.run(1)
    assert "SubscribePrivate refused: -2015 Invalid API-key" in w.stopped
    assert w.engine.gate.remote


def test_a_message_that_cannot_be_read_is_counted_and_drops_its_connection():
    w = world()
    before = w.engine.counts.errors
    w.say(MARKET, TEXT, b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate"}}')
    w.run(0.01)
    assert w.engine.counts.errors == before + 1
    assert any(why.startswith(b"message refused: ") for why in drops(w))


def test_a_dial_is_charged_to_the_venues_budget():
    w = world()
    link = w.engine.sessions[TRADE].link
    w.cut(TRADE, redial=False)
    w.run(0.1)
    charged: list[object] = []
    w.engine.connections._throttle = Charged(charged)  # type: ignore[assignment] # notes, counts not
    w.desk.now_ns = w.now_ns
    w.engine.connections.up(link)
    assert charged == [w.application.adapter.connections[TRADE].dial_costs]
    assert charged != [()]


class Charged:
    """Notes what is charged."""

    def __init__(self, charged: list[object]) -> None:
        self._charged = charged

    def charge(self, costs: object, now_ns: int) -> None:
        self._charged.append(costs)


def test_a_protocol_fault_is_answered_with_its_code():
    w = world()
    w._arrive(w.links[MARKET], b"\x83\x00")  # an opcode that there is not
    w.run(0.01)
    assert [m.payload for m in w.sent if m.opcode == CLOSE] == [(1002).to_bytes(2, "big")]


def test_a_lost_private_connection_unproves_the_table_at_once():
    w = world()
    w.closed_connections = {TRADE}
    w.cut(TRADE)
    w.run(0.01)
    assert not w.engine.recovery.reconciled
    assert not w.engine.recovery.wanted
    assert w.engine.resolution.stream_since_ns is None


def test_a_lost_market_connection_loses_its_books_at_once():
    w = world()
    w.closed_connections = {MARKET}
    w.cut(MARKET)
    w.run(0.01)
    assert w.engine.books[0].state is BookState.STALE
    assert "line lost" in w.engine.books[0].why


def test_a_step_of_the_script_that_found_no_token_is_sent_when_there_is_one():
    w = world()
    w.engine.throttle.ban(w.venue_ns + 2 * NS_PER_S, w.venue_ns)
    w.cut(TRADE)
    w.run(1)
    session = w.engine.sessions[TRADE]
    assert session.step_unsent
    w.run_until(lambda: w.desk.session is SessionState.TRADING, 5)
    assert drops(w) == []


def test_each_frame_is_masked_with_a_key_of_its_own():
    w = world()
    protocol = w.engine.connections.protocols[w.engine.sessions[TRADE].link]
    assert protocol is not None
    assert protocol.message(b"the same") != protocol.message(b"the same")
