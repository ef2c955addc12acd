"""The faults of the world ring: what goes wrong around a whole process, and how it must react.

Each is a function as in ``faults``: it strikes once and returns what passes instead, if anything,
and a predicate that becomes true once the promised reaction is seen. These strike names, sockets,
bytes, TLS, HTTP, disk and the process itself; those of ``message_faults``, ``order_faults`` and
``exchange_faults`` strike here as they do in the tank.
"""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from functools import partial
from typing import Final

from core.model.units import NS_PER_MS, NS_PER_S
from core.protocols.websocket import CLOSE, TEXT
from tools.world import exchange_faults, order_faults
from tools.world.anywhere import Reaction, later_ns, logged, redialled, requested_again
from tools.world.dialect import MARKET, TRADE
from tools.world.everywhere import SHARED
from tools.world.net import Wire
from tools.world.outside import HOSTS, REST_HOST, Outside
from tools.world.peers import Speech, WebSocket, http_reply
from tools.world.strikes import Fault, Struck, by_number
from tools.world.tank import Message, server_frame
from tools.world.world import Change
from venues.sim.http import HttpReply, HttpRequest

CONNECTIONS: Final = (MARKET, TRADE)

SILENT_S: Final = 60.0
"""Virtual seconds after which a connection without a byte has been noticed for sure."""


# -- reactions -------------------------------------------------------------------------------


def both(*reactions: Reaction) -> Reaction:
    return lambda: all(reaction() for reaction in reactions)


# -- connections -----------------------------------------------------------------------------


def _connection(w: Outside) -> tuple[int, WebSocket] | None:
    """Return one of the connections that stand on both sides."""
    standing = [
        connection for connection in CONNECTIONS if connection in w.peers and connection in w.links
    ]
    if not standing:
        return None
    connection = w.draw.faults.choice(standing)
    return connection, w.peers[connection]


def on_a_connection(
    strike: Callable[[Outside, int, WebSocket], Struck | None],
) -> Callable[[Outside], Struck | None]:
    """Have a fault strike one of the connections that stand on both sides, if there is one."""

    def struck(w: Outside) -> Struck | None:
        found = _connection(w)
        return None if found is None else strike(w, *found)

    return struck


@on_a_connection
def reset(w: Outside, connection: int, peer: WebSocket) -> Struck:
    reaction = redialled(w, connection)
    peer.wire.reset(lost=w.draw.faults.random() < 0.5)
    return Struck(None, reaction, 60.0)


def reset_in_frame(w: Outside, message: Message) -> Struck | None:
    """A frame is cut off by a reset."""
    connection, payload, peer = message.connection, message.payload, w.peers[message.connection]
    if w.links.get(connection) is not peer.wire:
        return None
    peer.raw(b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload[: len(payload) // 2])
    reaction = redialled(w, connection)
    peer.wire.inward.then(partial(peer.wire.reset, lost=w.draw.faults.random() < 0.5))
    return Struck([], reaction, 60.0)


@on_a_connection
def close(w: Outside, connection: int, peer: WebSocket) -> Struck:
    """The exchange closes a connection, with a close frame or without."""
    reaction = redialled(w, connection)
    if w.draw.faults.random() < 0.5:
        peer.frame(CLOSE, b"\x03\xe9")
    peer.hang_up()
    return Struck(None, reaction, 60.0)


@on_a_connection
def cut_tls(w: Outside, connection: int, peer: WebSocket) -> Struck | None:
    """TLS ends without saying so: data may be missing."""
    if not w.tls:
        return None
    reaction = both(redialled(w, connection), logged(w, "without saying so in TLS"))
    peer.hang_up(politely=False)
    return Struck(None, reaction, 60.0)


@on_a_connection
def hang(w: Outside, connection: int, peer: WebSocket) -> Struck:
    """The exchange's machine acknowledges what it gets, and nothing lives on it any more."""
    silent, dead = logged(w, "silent for"), logged(w, "REST showed another best price")
    reaction = both(lambda: silent() or dead(), redialled(w, connection))
    peer.mute = True
    w.strikes.lull(SILENT_S)
    return Struck(None, reaction, 2 * SILENT_S)


@on_a_connection
def vanish(w: Outside, connection: int, peer: WebSocket) -> Struck:
    """The way is gone, and nobody says so: half open on both sides."""
    reaction = redialled(w, connection)
    peer.wire.vanish(later_ns(w.draw.faults, 5_000, 60_000))
    w.strikes.lull(30.0)
    return Struck(None, reaction, 60.0)


@on_a_connection
def clog(w: Outside, connection: int, peer: WebSocket) -> Struck:
    """One direction of a connection is held up, then everything comes at once."""
    wire = peer.wire
    way = wire.inward if w.draw.faults.random() < 0.6 else wire.outward
    for_ns = later_ns(w.draw.faults, 20, 3_000)
    way.clog(for_ns)
    over_ns = w.now_ns + for_ns
    before = w.engine.counts.messages
    return Struck(None, lambda: w.now_ns > over_ns and w.engine.counts.messages > before)


FLOOD: Final = 1_500
"""Messages at once, less than the smallest journal segment of these worlds."""


def flood(w: Outside) -> Struck | None:
    """Thousands of messages in one piece: each is taken, and everybody gets his turn meanwhile."""
    peer = w.peers.get(MARKET)
    if peer is None or MARKET not in w.links:
        return None
    peer.raw(server_frame(TEXT, w.dialect.flood) * FLOOD)
    engine, before = w.engine, sum(w.engine.counts.ignored.values())
    return Struck(None, lambda: sum(engine.counts.ignored.values()) >= before + FLOOD, 10.0)


def private_down(w: Outside) -> Struck | None:
    """The private connection is away for a while; the public one stands."""
    if TRADE not in w.links or TRADE not in w.peers:
        return None
    reaction = both(redialled(w, TRADE), logged(w, "session: interrupted"))
    w.network.refusing.add(HOSTS[TRADE])
    w.peers[TRADE].wire.reset(lost=False)
    w.agenda.later(
        later_ns(w.draw.faults, 200, 3_000), lambda: w.network.refusing.discard(HOSTS[TRADE])
    )
    return Struck(None, reaction, 60.0)


@on_a_connection
def shutdown(w: Outside, connection: int, peer: WebSocket) -> Struck:
    """The exchange says that it will go, and goes ten seconds later."""
    reaction = redialled(w, connection)
    peer.session.announce_shutdown(w.venue_ns)
    w.agenda.later(10 * NS_PER_S, peer.hang_up)
    return Struck(None, reaction, 30.0)


# -- dialling --------------------------------------------------------------------------------


def _dial_fault(w: Outside, hosts: set[str], for_ns: int) -> Struck | None:
    """Break a connection, and keep its host from being reached for a while."""
    found = _connection(w)
    if found is None:
        return None
    connection, peer = found
    host = HOSTS[connection]
    reaction = both(redialled(w, connection), logged(w, "again in"))
    hosts.add(host)
    w.agenda.later(for_ns, lambda: hosts.discard(host))
    peer.wire.reset(lost=False)
    w.strikes.last(for_ns / NS_PER_S + 5)
    return Struck(None, reaction, 90.0)


def lose_name(w: Outside) -> Struck | None:
    return _dial_fault(w, w.network.unknown, later_ns(w.draw.faults, 500, 8_000))


def refuse(w: Outside) -> Struck | None:
    return _dial_fault(w, w.network.refusing, later_ns(w.draw.faults, 500, 8_000))


def lose_dial(w: Outside) -> Struck | None:
    """Nobody answers: the dial has to be given up by its own deadline."""
    return _dial_fault(w, w.network.silent, later_ns(w.draw.faults, 11_000, 14_000))


@on_a_connection
def move(w: Outside, connection: int, peer: WebSocket) -> Struck:
    """The host gets a new address; the old one answers nobody any more."""
    w.network.move(HOSTS[connection])
    reaction = redialled(w, connection)
    peer.wire.reset(lost=False)
    return Struck(None, reaction, 60.0)


def ignore_handshake(w: Outside) -> Struck | None:
    """Connections are accepted, and TLS is not answered: on a connection, or on all of REST's."""
    if not w.tls or w.unanswering or w.strikes.injected["handshake_ignored"] > 1:
        return None
    host = w.draw.faults.choice((*HOSTS, REST_HOST))
    w.unanswering.add(host)
    for_ns = later_ns(w.draw.faults, 11_000, 15_000)
    w.agenda.later(for_ns, w.unanswering.clear)
    w.strikes.last(for_ns / NS_PER_S + 5)
    dials = w.network.dials.get(host, 0)
    if host != REST_HOST and HOSTS.index(host) in w.links:
        w.links[HOSTS.index(host)].reset(lost=False)
    for wire in w.network.unclosed():
        if wire.host == REST_HOST == host:
            wire.reset(lost=False)
    return Struck(
        None, lambda: not w.unanswering and w.network.dials.get(host, 0) > dials + 1, 60.0
    )


def delay_upgrade(w: Outside, wire: Wire, reply: Speech) -> Struck:
    """The server accepts, and answers late: at times after the dial's deadline."""
    connection = HOSTS.index(wire.host)
    after_ns = later_ns(w.draw.faults, 500, 14_000)
    return Struck(reply._replace(after_ns=after_ns), redialled(w, connection), 90.0)


WAF_PAGE: Final = b"<html><head><title>Attention Required!</title></head></html>"


def refuse_upgrade(w: Outside, wire: Wire, reply: Speech) -> Struck:
    """Anything but an open session: an error, a ban, a page of somebody in between, or noise."""
    connection = HOSTS.index(wire.host)
    html = [("Content-Type", "text/html"), ("Content-Length", str(len(WAF_PAGE)))]
    spoiled = w.draw.faults.choice(
        (
            http_reply(503, "Unavailable", [("Content-Length", "0")], b""),
            http_reply(429, "Too Many", [("Retry-After", "3"), ("Content-Length", "0")], b""),
            http_reply(418, "Banned", [("Retry-After", "4"), ("Content-Length", "0")], b""),
            http_reply(403, "Forbidden", html, WAF_PAGE),
            http_reply(200, "OK", html, WAF_PAGE),
            reply.data[: len(reply.data) // 2],
            b"\x16\x03\x01\x02\x00\x01\x00",
        )
    )
    reaction = both(redialled(w, connection), logged(w, "again in"))
    return Struck(Speech(spoiled, hang_up=True), reaction, 90.0)


def _distrust(proof: str) -> Callable[[Outside], Struck | None]:
    def strike(w: Outside) -> Struck | None:
        """Whoever answers from now on cannot prove to be the exchange: nothing is sent to it."""
        if not w.tls or w.proofs:
            return None
        host = w.draw.faults.choice((*HOSTS, REST_HOST))
        if host == REST_HOST:
            wires = [wire for wire in w.network.unclosed() if wire.host == host]
        else:
            wires = [
                w.links[connection]
                for connection in CONNECTIONS
                if HOSTS[connection] == host and connection in w.links
            ]
        if not wires:
            return None
        w.proofs[host] = proof
        for wire in wires:
            wire.reset(lost=False)
        # Such a run cannot go on: its strategy is called no more, not for its end either.
        w.auditor.callbacks.on_raised()
        engine = w.engine
        return Struck(None, lambda: "certificate" in engine.gate.fatal, 90.0)

    return strike


# -- REST ------------------------------------------------------------------------------------


def _again(w: Outside, request: HttpRequest) -> Reaction:
    return requested_again(w, request.path)


def spoil_body(w: Outside, request: HttpRequest, reply: HttpReply, said: Speech) -> Struck:
    """The body ends early: the connection is closed or reset within it."""
    cut = len(said.data) - 1 - int(w.draw.faults.random() * len(reply.body))
    resets = w.draw.faults.random() < 0.5
    spoiled = Speech(said.data[:cut], hang_up=not resets, reset=resets)
    return Struck(spoiled, _again(w, request), 40.0)


def spoil_length(w: Outside, request: HttpRequest, reply: HttpReply, said: Speech) -> Struck:
    """Content-Length is too small or too large."""
    size = len(reply.body)
    wrong = w.draw.faults.choice((size // 2, size + 100))
    data = said.data.replace(b"Content-Length: %d\r" % size, b"Content-Length: %d\r" % wrong, 1)
    return Struck(Speech(data, hang_up=wrong < size), _again(w, request), 40.0)


def show_page(w: Outside, request: HttpRequest, reply: HttpReply, said: Speech) -> Struck:
    """Somebody in between answers with a page of his own."""
    status = w.draw.faults.choice((200, 403, 502))
    headers = [("Content-Type", "text/html"), ("Content-Length", str(len(WAF_PAGE)))]
    return Struck(Speech(http_reply(status, "Page", headers, WAF_PAGE)), _again(w, request), 40.0)


def _json(w: Outside, status: int, body: bytes, *headers: tuple[str, str]) -> Speech:
    own = (
        ("Content-Length", str(len(body))),
        ("Date", formatdate(w.venue_ns / NS_PER_S, usegmt=True)),
    )
    return Speech(http_reply(status, "Status", [*own, *headers], body))


def fail_rest(w: Outside, request: HttpRequest, reply: HttpReply, said: Speech) -> Struck:
    draw = w.draw.faults
    spoiled = _json(w, draw.choice((500, 502, 503, 504)), w.dialect.no_html[1])
    return Struck(spoiled, _again(w, request), 40.0)


def never_answer(w: Outside, request: HttpRequest, reply: HttpReply, said: Speech) -> Struck:
    """The answer comes after its deadline, or never."""
    after_ns = w.draw.faults.choice((11, 30)) * NS_PER_S
    return Struck(said._replace(after_ns=after_ns), _again(w, request), 60.0)


def ban_rest(w: Outside, request: HttpRequest, reply: HttpReply, said: Speech) -> Struck:
    wait_s = w.draw.faults.randint(1, 4)
    spoiled = _json(w, 418, b'{"code":-1003,"msg":"Banned."}', ("Retry-After", str(wait_s)))
    return Struck(spoiled, lambda: w.engine.throttle.banned_until_ns > w.venue_ns)


# -- time, disk, process ---------------------------------------------------------------------


def fill_disk(w: Outside) -> Struck | None:
    """No room any more: shows when the journal wants its next segment, or a log its lines."""
    if w.disk.full or w.disk.failing:
        return None
    w.disk.full = True
    return Struck(None, _disk_missed(w), 30.0)


def break_disk(w: Outside) -> Struck | None:
    """EIO on whatever is written or made durable."""
    if w.disk.full or w.disk.failing:
        return None
    w.disk.failing = True
    return Struck(None, _disk_missed(w), 30.0)


def _disk_missed(w: Outside) -> Reaction:
    """A log that is refused stops nothing; a journal that is refused a segment stops the run."""
    w.strikes.last(3.0)
    logs, segments = w.disk.refused, w.disk.refused_segments
    stops = logged(w, "-- stop:")

    def reaction() -> bool:
        if w.disk.refused_segments > segments:
            return stops()
        return w.disk.refused > logs and w.connection_up(MARKET)

    return reaction


def slow_disk(w: Outside) -> Struck | None:
    if w.disk.slow:
        return None
    w.disk.slow = True
    w.agenda.later(later_ns(w.draw.faults, 500, 3_000), w.disk.recover)
    before = w.engine.counts.messages
    return Struck(None, lambda: not w.disk.slow and w.engine.counts.messages > before, 10.0)


MOST_BOOTS: Final = 4

PROVED_AGAIN_S: Final = 9.0
"""Virtual seconds after which the next boot has proved what this one left, and trades."""


def kill(w: Outside) -> Struck | None:
    """``kill -9`` between two steps of the loop."""
    return _die(w, None, later_ns(w.draw.disk, 1, 3_000))


def cut_power(w: Outside) -> Struck | None:
    """The machine dies, and the journal's tail with it; what was sent may expire meanwhile."""
    names = w.auditor.ledger.names()
    ledger = w.auditor.ledger
    if ledger.epoch or any(map(ledger.is_known_by_record_alone, names)):
        return None  # not survived: nothing else tells of its fills, or whose they are
    w.auditor.ledger.forgotten |= names
    return _die(w, w.draw.disk.randint(1, 200), later_ns(w.draw.disk, 8_000, 9_000))


def _die(w: Outside, lost_records: int | None, down_ns: int) -> Struck | None:
    boot = w.engine.setup.boot
    if boot >= MOST_BOOTS:
        return None
    w.crash(lost_records, down_ns)
    if w.draw.disk.random() < 0.5:
        w.strikes.last(down_ns / NS_PER_S + 9.0)
    return Struck(
        None, lambda: w.engine.setup.boot > boot and w.engine.recovery.reconciled_once, 60.0
    )


def _another(w: Outside, change: Change, *said: str) -> Struck | None:
    """Die, and start again with something changed; any of these is said then."""
    if w.engine.setup.boot >= MOST_BOOTS or not w.engine.recovery.reconciled_once:
        return None
    reactions = [logged(w, text) for text in said]
    down_ns = later_ns(w.draw.disk, 1, 3_000)
    w.crash(None, down_ns, change)
    w.strikes.last(down_ns / NS_PER_S + PROVED_AGAIN_S)
    return Struck(None, lambda: any(reaction() for reaction in reactions), 60.0)


def leave_out(w: Outside) -> Struck | None:
    """The next boot's configuration names all symbols but one."""
    symbols = w.symbols
    if len(symbols) < 2:
        return None
    out = w.draw.faults.choice(symbols)
    rest = tuple(symbol for symbol in symbols if symbol != out)
    return _another(w, Change(symbols=rest), f"{out} halted: left out")


def start_in_vain(w: Outside) -> Struck | None:
    """Two boots in a row die before they have proved anything."""
    boot = w.engine.setup.boot
    if boot > MOST_BOOTS - 2 or not w.engine.recovery.reconciled_once:
        return None
    w.crash(None, NS_PER_MS)

    def again() -> None:
        if w.alive and w.engine.setup.boot > boot and not w.engine.recovery.reconciled_once:
            w.crash(None, NS_PER_MS)

    for ms in (20, 60):
        w.agenda.later(ms * NS_PER_MS, again)
    w.strikes.last(PROVED_AGAIN_S)
    return Struck(
        None, lambda: w.engine.setup.boot > boot + 1 and w.engine.recovery.reconciled_once, 60.0
    )


def tear_a_hole(w: Outside) -> Struck | None:
    """Records in the midst of the journal are zeros; whoever looks into it lets the run go on."""
    ledger = w.auditor.ledger
    if ledger.epoch or any(map(ledger.is_known_by_record_alone, ledger.names())):
        return None  # not survived: nothing else tells of its fills, or whose they are
    hole = Change(hole_records=w.draw.faults.randint(1, 40))
    struck = _another(w, hole, "the journal is damaged", "reconciled")
    if struck is None:
        return None
    ledger.forgotten |= ledger.names()

    def resume() -> None:
        damaged = w.alive and "journal is damaged" in w.engine.risk.halted
        if damaged and not w.engine.recovery.leaving:
            w.auditor.on_word("resume")
            w.operate("resume")

    for seconds in range(10, 180, 5):
        w.at(w.now_ns + seconds * NS_PER_S, resume)
    return struck


def set_the_clock_right(w: Outside) -> Struck | None:
    """The clock was an hour off until the process died."""
    ahead_ns = w.draw.faults.choice((-3_600, 3_600)) * NS_PER_S
    return _another(w, Change(clock_ns=ahead_ns), "did not leave in order: waiting")


def slow_turn(w: Outside) -> Struck:
    """A callback of the strategy takes far too long."""
    w.slow_turn_ns = later_ns(w.draw.faults, 25, 300)
    before = w.engine.counts.slow_turns
    return Struck(None, lambda: w.engine.counts.slow_turns > before)


def stop_process(w: Outside) -> Struck | None:
    """SIGSTOP, a laptop's sleep, a frozen virtual machine: markets have moved meanwhile."""
    process = w.process
    if process is None:
        return None
    for_ns = later_ns(w.draw.faults, 1_500, 8_000)
    process.hold_up(for_ns)
    reaction = both(logged(w, "not running for"), redialled(w, MARKET))
    return Struck(None, reaction, for_ns / NS_PER_S + 30)


HTTP: Final = tuple(kind.replace("rest.", "http.") for kind in order_faults.REST)
ANY: Final = ("top", "delta", "trade", "report.NEW", "report.TRADE", "reply.p", "reply.c")

OWN: Final = (
    Fault(10, "flood", 0.1, flood),
    Fault(18, "peer_hangs", 0.02, hang),
    Fault(18, "peer_vanishes", 0.05, vanish),
    Fault(19, "reset", 0.3, reset),
    Fault(19, "reset_in_frame", 0.004, reset_in_frame, ANY),
    Fault(20, "closed", 0.15, close),
    Fault(20, "tls_cut", 0.3, cut_tls),
    Fault(21, "certificate_wrong_host", 0.03, _distrust("wrong_host")),
    Fault(21, "certificate_expired", 0.03, _distrust("expired")),
    Fault(21, "certificate_untrusted", 0.03, _distrust("untrusted")),
    Fault(22, "name_unknown", 0.1, lose_name),
    Fault(22, "address_moved", 0.1, move),
    Fault(22, "dial_refused", 0.1, refuse),
    Fault(22, "dial_lost", 0.05, lose_dial),
    Fault(22, "handshake_ignored", 0.05, ignore_handshake),
    Fault(22, "upgrade_late", 0.1, delay_upgrade, ("upgrade",)),
    Fault(22, "upgrade_refused", 0.2, refuse_upgrade, ("upgrade",)),
    Fault(23, "shutdown", 0.1, shutdown),
    Fault(24, "clogged", 0.5, clog),
    Fault(39, "rest_banned", 0.02, ban_rest, HTTP),
    Fault(40, "rest_error", 0.1, fail_rest, HTTP),
    Fault(40, "rest_unanswered", 0.05, never_answer, HTTP),
    Fault(41, "body_cut", 0.1, spoil_body, HTTP),
    Fault(41, "length_wrong", 0.1, spoil_length, HTTP),
    Fault(41, "page_of_others", 0.1, show_page, HTTP),
    Fault(43, "private_down", 0.15, private_down),
    Fault(47, "disk_full", 0.1, fill_disk),
    Fault(47, "disk_failing", 0.05, break_disk),
    Fault(47, "disk_slow", 0.1, slow_disk),
    Fault(48, "killed", 0.15, kill),
    Fault(48, "power_cut", 0.05, cut_power),
    Fault(49, "turn_slow", 0.3, slow_turn),
    Fault(51, "stopped", 0.05, stop_process),
    Fault(53, "left_out", 0.1, leave_out, share=0.2),
    Fault(54, "in_vain", 0.05, start_in_vain, share=0.2),
    Fault(55, "hole", 0.1, tear_a_hole, share=0.2),
    Fault(56, "clock_was_off", 0.1, set_the_clock_right, share=0.2),
)

FAULTS: Final = (*by_number(*SHARED, OWN), exchange_faults.MISCHIEF)
"""Latency and chunking are no faults: every world has them."""

UNDISTURBED_EVERY: Final = 3
"""One world in so many leaves connections, disk and process alone: orders get further where nothing
falls over around them."""


def faults_of(seed: int) -> tuple[Fault, ...]:
    """Return the faults that may strike in the world of a seed."""
    undisturbed = seed % UNDISTURBED_EVERY == 1
    return (*by_number(*SHARED), exchange_faults.MISCHIEF) if undisturbed else FAULTS
