"""One connection's life: the script in order, silence, age and drain, by a table."""

import itertools

import msgspec
import pytest

from core.model.commands import Logon, Ping, SubscribePrivate
from core.model.errors import Misuse
from core.model.venue import Connection, Keepalive, Role
from core.protocols.websocket import websocket
from core.state.session import DRAIN_NS, PROVEN_NS, TABLE, Phase, Session, Step

CONNECTION = Connection(
    name="trade",
    url="ws://127.0.0.1/",
    carries=frozenset({Role.ORDERS}),
    silence_ns=45,
    lifetime_ns=10 * PROVEN_NS,
    protocol=websocket(1 << 20),
)


def opened() -> Session:
    session = Session(CONNECTION)
    session.up([Logon(), SubscribePrivate()], now_ns=100)
    return session


def ready() -> Session:
    session = opened()
    session.step_done()
    session.step_done()
    return session


def test_the_script_is_worked_off_one_step_after_the_other():
    session = opened()
    assert session.phase is Phase.OPENING
    assert isinstance(session.next_step(), Logon)
    session.requested(7)
    assert session.answers_step(7)
    assert not session.answers_step(8)
    assert not session.step_done()
    assert isinstance(session.next_step(), SubscribePrivate)
    assert session.step_done()
    assert session.ready
    assert session.next_step() is None


def test_a_connection_without_a_script_is_ready_when_it_stands():
    session = Session(CONNECTION)
    session.up([], now_ns=100)
    assert session.ready
    assert session.hears


def test_a_lost_connection_is_down_and_its_script_void():
    session = opened()
    session.lost()
    assert session.phase is Phase.DOWN
    assert session.next_step() is None
    assert not session.sendable


def test_a_connection_that_hears_nothing_for_too_long_is_silent():
    session = ready()
    assert not session.silent(145)
    assert session.silent(146)
    session.heard_ns = 146
    assert not session.silent(150)


def test_a_connection_that_is_down_is_never_silent_nor_too_old():
    session = Session(CONNECTION)
    assert not session.silent(10**18)
    assert not session.too_old(10**18)


def test_a_connection_near_its_age_limit_goes_on_until_another_has_taken_over():
    session = Session(CONNECTION)
    session.up([], now_ns=100)
    assert not session.expires(100 + 10 * PROVEN_NS)
    assert session.expires(101 + 10 * PROVEN_NS)
    assert session.ready


def test_a_connection_that_is_told_to_go_is_replaced_once_it_has_settled():
    session = ready()
    session.expire()
    assert session.ready
    assert not session.expires(99 + PROVEN_NS)
    assert session.expires(100 + PROVEN_NS)


def test_a_new_connection_in_the_same_place_is_not_told_to_go():
    session = ready()
    session.expire()
    session.lost()
    session.up([], now_ns=200)
    assert not session.expires(200 + PROVEN_NS)


def test_a_relieved_connection_listens_on_for_a_while_and_for_what_is_awaited():
    session = ready()
    session.relieve(1_000)
    assert session.phase is Phase.DRAINING
    assert session.sendable
    assert not session.hears
    assert not session.drained(999 + DRAIN_NS, waiting=False)
    assert not session.drained(1_000 + DRAIN_NS, waiting=True)
    assert session.drained(1_000 + DRAIN_NS, waiting=False)
    session.relieve(5_000)
    assert session.drained(1_000 + DRAIN_NS, waiting=False)


def test_only_a_ready_connection_that_answers_hears_us():
    session = opened()
    assert not session.hears
    session.step_done()
    session.step_done()
    assert session.hears
    session.ignored()
    assert not session.hears
    session.answered()
    assert session.hears
    session.lost()
    session.answered()
    assert not session.hears
    session.only_way()
    assert not session.hears


@pytest.mark.parametrize(("phase", "step"), list(itertools.product(Phase, Step)))
def test_an_empty_cell_of_the_table_is_an_error(phase: Phase, step: Step):
    session = Session(CONNECTION)
    session.phase = phase
    if (phase, step) in TABLE:
        session._move(step)
        assert session.phase is TABLE[phase, step]
    else:
        with pytest.raises(Misuse, match="cannot happen"):
            session._move(step)


def test_one_request_without_a_reply_is_enough_where_a_cancel_had_none_either():
    session = ready()
    session.unanswered = 1
    assert not session.unheard
    session.ignored()
    assert session.unheard
    session.answered()
    assert not session.unheard


KEPT = msgspec.structs.replace(CONNECTION, keepalive=Keepalive(every_ns=30, command=Ping()))


def test_the_venue_hears_from_us_as_often_as_it_wants_to():
    session = Session(KEPT)
    session.up([Logon()], now_ns=100)
    assert session.keepalive(500) is None, "not before the connection is ready"
    session.step_done()
    asked = [now_ns for now_ns in range(500, 600, 10) if session.keepalive(now_ns) == Ping()]
    assert asked == [500, 530, 560, 590]
    session.lost()
    assert session.keepalive(1_000) is None
    session.up([], now_ns=1_000)
    session.phase = Phase.READY
    assert session.keepalive(1_001) == Ping(), "a new connection is asked at once"


def test_a_connection_is_asked_for_nothing_where_the_venue_wants_nothing():
    assert ready().keepalive(10**12) is None


def test_a_message_that_is_missing_on_a_channel_is_noticed():
    session = ready()
    assert not session.continues("orders", 7, first=False), "the channel has not begun"
    assert session.continues("orders", 3, first=True)
    assert session.continues("orders", 4, first=False)
    assert session.continues("balances", 1, first=True), "each channel has numbers of its own"
    assert session.continues("orders", 5, first=False)
    assert not session.continues("orders", 5, first=False)
    assert not session.continues("orders", 7, first=False)
    assert session.continues("orders", 1, first=True)
    assert session.continues("orders", 2, first=False)


def test_a_new_connection_begins_its_channels_anew():
    session = ready()
    assert session.continues("orders", 3, first=True)
    session.lost()
    session.up([], now_ns=1_000)
    assert not session.continues("orders", 4, first=False)
