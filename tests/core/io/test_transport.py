"""One contract for every transport, and what is TLS's alone."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Callable

import pytest
import trio

from core.io.clock import EngineClock
from core.io.loop import HotLoop
from core.io.transport import BACKLOG_BYTES, READ_BYTES, Transport
from tests.core.io.peers import Ears, TcpPeer, TlsPeer, tcp_pair, tls_pair, until

LINK = 3


class Pair:
    """A started transport, its peer, and what was heard of it."""

    def __init__(self, loop: HotLoop, made: tuple[Transport, TcpPeer]) -> None:
        self.loop = loop
        self.transport, self.peer = made
        self.ears = Ears()
        self.transport.start(LINK, self.ears)

    async def settle(self) -> None:
        """Let the loop make some passes in which nothing has to happen."""
        passes: list[int] = []

        def again() -> None:
            passes.append(1)
            self.loop.post(again) if len(passes) < 5 else None

        self.loop.post(again)
        await until(lambda: len(passes) == 5)


@pytest.fixture
async def loop() -> AsyncIterator[HotLoop]:
    made = HotLoop(
        spin=True,
        now_ns=EngineClock().now_ns,
        next_due_ns=lambda: 0,
        on_due=lambda now_ns: None,
        record=lambda hop, lag_ns: None,
    )
    with made:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(made.run)
            yield made
            nursery.cancel_scope.cancel()


@pytest.fixture(params=["tcp", "tls"])
async def pair(request: pytest.FixtureRequest, loop: HotLoop) -> AsyncIterator[Pair]:
    made = Pair(loop, tcp_pair(loop) if request.param == "tcp" else tls_pair(loop))
    yield made
    made.transport.close("the test is over")
    made.peer.sock.close()


@pytest.fixture
async def tls(loop: HotLoop) -> AsyncIterator[Pair]:
    made = Pair(loop, tls_pair(loop))
    yield made
    made.transport.close("the test is over")
    made.peer.sock.close()


# -- receiving -------------------------------------------------------------------------------


async def test_what_the_peer_sends_is_handed_on(pair: Pair) -> None:
    pair.peer.send(b"tick")
    await until(lambda: pair.ears.reads)
    assert (pair.ears.heard, pair.ears.links) == (b"tick", {LINK})


async def test_one_read_is_one_piece(pair: Pair) -> None:
    def twice() -> None:  # from within the loop, so that nothing is read in between
        pair.peer.send(b"first ")
        pair.peer.send(b"second")

    pair.loop.post(twice)
    await until(lambda: pair.ears.reads)
    assert [read[0] for read in pair.ears.reads] == [b"first second"]


async def test_a_read_is_bounded(pair: Pair) -> None:
    sent = bytes(range(256)) * 512  # 128 KiB
    pair.loop.post(lambda: pair.peer.send(sent))
    await until(lambda: len(pair.ears.heard) == len(sent))
    assert pair.ears.heard == sent
    assert max(len(read[0]) for read in pair.ears.reads) <= READ_BYTES + 16 * 1024


async def test_a_read_carries_the_times_before_and_after_it(pair: Pair) -> None:
    before_ns = pair.loop.now_ns()
    pair.peer.send(b"tick")
    await until(lambda: pair.ears.reads)
    _, kernel_ns, began_ns, read_ns = pair.ears.reads[0]
    assert before_ns < began_ns < read_ns < pair.loop.now_ns()
    assert kernel_ns == 0


@pytest.mark.parametrize("make", [tcp_pair, tls_pair], ids=["tcp", "tls"])
async def test_a_kernel_stamp_is_on_the_loops_clock(
    loop: HotLoop, make: Callable[..., tuple[Transport, TcpPeer]]
) -> None:
    pair = Pair(loop, make(loop, kernel_stamps=True))
    kernel_ns = 0
    while not kernel_ns:  # the kernel begins to stamp a little after it was asked to
        pair.ears.reads.clear()
        before_ns = loop.now_ns()
        pair.peer.send(b"tick")
        await until(lambda: pair.ears.reads)
        _, kernel_ns, began_ns, _ = pair.ears.reads[0]
    # Two clocks are compared: the system's is steered, ours is not, and both were just read.
    assert before_ns - 1_000_000 < kernel_ns < began_ns + 1_000_000
    pair.transport.close("the test is over")
    pair.peer.sock.close()


# -- sending ---------------------------------------------------------------------------------


async def test_sent_bytes_are_on_the_wire_before_send_returns(pair: Pair) -> None:
    pair.transport.send(b"order")
    assert pair.peer.receive() == b"order"


async def test_what_the_kernel_does_not_take_follows_in_order(pair: Pair) -> None:
    pair.transport._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    pair.peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    sent = b""
    while not pair.transport._backlog:
        piece = len(sent).to_bytes(8, "big") * 1024
        pair.transport.send(piece)
        sent += piece
    pair.transport.send(b"and what came while some was waiting")
    sent += b"and what came while some was waiting"
    received = b""

    def all_there() -> bool:
        nonlocal received
        received += pair.peer.receive()
        return len(received) >= len(sent)

    await until(all_there)
    assert received == sent
    assert not pair.transport._backlog
    assert pair.ears.losses == []


def fill(pair: Pair) -> bytes:
    """Send until something waits; return all that was sent."""
    pair.transport._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    sent = b""
    while not pair.transport._backlog:
        piece = len(sent).to_bytes(8, "big") * 1024
        pair.transport.send(piece)
        sent += piece
    return sent


async def test_an_order_does_not_overtake_what_waits_though_there_is_room_by_now(
    pair: Pair,
) -> None:
    sent = fill(pair)
    received = pair.peer.receive()  # no pass of the loop has noticed the room
    pair.transport.send(b"a later order")

    def all_there() -> bool:
        nonlocal received
        received += pair.peer.receive()
        return len(received) >= len(sent) + len(b"a later order")

    await until(all_there)
    assert received == sent + b"a later order"


async def test_room_is_watched_for_only_while_something_waits(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    drained: list[int] = []
    drain = pair.transport._drain

    def noted() -> None:
        drained.append(1)
        drain()

    monkeypatch.setattr(pair.transport, "_drain", noted)
    pair.transport.send(b"order")
    await pair.settle()
    assert drained == []
    while not pair.transport._backlog:
        pair.transport.send(bytes(65_536))
    await until(lambda: pair.peer.receive() == b"" and not pair.transport._backlog)
    assert drained
    drained.clear()
    await pair.settle()
    assert drained == []


async def test_a_backlog_over_its_bound_ends_the_connection(pair: Pair) -> None:
    while pair.transport.lost is None:
        pair.transport.send(bytes(65_536))
    assert pair.ears.losses == []  # not from within send
    await until(lambda: pair.ears.losses)
    assert f"more than {BACKLOG_BYTES}" in str(pair.ears.losses[0])


async def test_after_the_loss_bytes_go_nowhere(pair: Pair) -> None:
    pair.transport.close("enough")
    pair.transport.send(b"order")
    await until(lambda: pair.ears.losses)
    assert b"order" not in pair.peer.receive()


# -- the end ---------------------------------------------------------------------------------


async def test_an_end_by_the_peer_is_told_once(pair: Pair) -> None:
    pair.peer.end()
    await until(lambda: pair.ears.losses)
    await pair.settle()
    assert [str(lost) for lost in pair.ears.losses] == ["the peer closed the connection"]


async def test_bytes_before_the_end_are_handed_on_first(pair: Pair) -> None:
    def both() -> None:
        pair.peer.send(b"last words")
        pair.peer.end()

    pair.loop.post(both)
    await until(lambda: pair.ears.losses)
    assert pair.ears.heard == b"last words"


async def test_a_reset_is_told_once(pair: Pair) -> None:
    pair.peer.reset()
    await until(lambda: pair.ears.losses)
    await pair.settle()
    assert [str(lost) for lost in pair.ears.losses] == ["reading failed: Connection reset by peer"]


async def test_sending_into_a_reset_is_told_once(pair: Pair) -> None:
    pair.peer.reset()
    pair.transport.send(b"order")
    pair.transport.send(b"order")
    await until(lambda: pair.ears.losses)
    await pair.settle()
    assert len(pair.ears.losses) == 1


async def test_our_own_end_is_told_once_and_never_from_within_close(pair: Pair) -> None:
    pair.transport.close("silent for 20 s")
    assert pair.ears.losses == []
    pair.transport.close("again")
    await until(lambda: pair.ears.losses)
    await pair.settle()
    assert [str(lost) for lost in pair.ears.losses] == ["silent for 20 s"]


async def test_an_end_from_within_a_read_is_told_once(pair: Pair) -> None:
    pair.ears.then = lambda: pair.transport.close("malformed", redial_now=True)
    pair.peer.send(b"garbage")
    await until(lambda: pair.ears.losses)
    await pair.settle()
    assert [str(lost) for lost in pair.ears.losses] == ["malformed"]
    assert pair.transport.redial_now


async def test_the_peer_sees_our_end(pair: Pair) -> None:
    pair.transport.close("enough")
    await until(lambda: pair.ears.losses)
    pair.peer.sock.setblocking(True)
    pair.peer.sock.settimeout(5)
    while pair.peer.sock.recv(1 << 16):  # the close_notify, where there is one
        pass


async def test_an_unanswered_peer_ends_within_the_kernels_deadline(pair: Pair) -> None:
    sock = pair.transport._sock
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


# -- TLS alone -------------------------------------------------------------------------------


async def test_tls_cut_without_saying_so_is_told_as_such(tls: Pair) -> None:
    tls.peer.sock.close()
    await until(lambda: tls.ears.losses)
    assert "cut the connection without saying so" in str(tls.ears.losses[0])


async def test_tls_says_that_we_end_the_connection(tls: Pair) -> None:
    tls.transport.close("enough")
    peer = tls.peer
    assert isinstance(peer, TlsPeer)
    peer._incoming.write(peer.sock.recv(1 << 16))
    assert peer.tls.read(100) == b""  # a clean end, not an SSLEOFError


async def test_our_farewell_does_not_overtake_what_waits(tls: Pair) -> None:
    fill(tls)
    peer = tls.peer
    assert isinstance(peer, TlsPeer)
    sent = peer.sock.recv(1 << 20)  # room for a farewell, which would cut a record in two
    tls.transport.close("enough")
    while piece := peer.sock.recv(1 << 20):
        sent += piece
    peer._incoming.write(sent)

    def read_all() -> None:
        while peer.tls.read(1 << 16):
            pass

    with pytest.raises(ssl.SSLWantReadError):
        read_all()


async def test_tls_records_torn_at_every_byte_bring_the_same(tls: Pair) -> None:
    peer = tls.peer
    assert isinstance(peer, TlsPeer)
    left = bytearray(peer.records(b"one") + peer.records(b"two"))

    def one_byte() -> None:
        peer.sock.send(left[:1])
        del left[0]
        if left:
            tls.loop.post(one_byte)

    tls.loop.post(one_byte)
    await until(lambda: tls.ears.heard == b"onetwo")
    assert [read[0] for read in tls.ears.reads] == [b"one", b"two"]


async def test_bytes_that_are_no_tls_end_the_connection(tls: Pair) -> None:
    tls.peer.sock.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await until(lambda: tls.ears.losses)
    assert str(tls.ears.losses[0]).startswith("TLS failed: ")


async def test_a_forged_record_ends_the_connection(tls: Pair) -> None:
    peer = tls.peer
    assert isinstance(peer, TlsPeer)
    forged = bytearray(peer.records(b"price 1"))
    forged[-1] ^= 1
    peer.sock.send(forged)
    await until(lambda: tls.ears.losses)
    assert tls.ears.heard == b""
    assert "DECRYPTION_FAILED_OR_BAD_RECORD_MAC" in str(tls.ears.losses[0])
