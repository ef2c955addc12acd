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
from tests.core.io.peers import Ears, TcpPeer, TlsPeer, tcp_line, tls_line, until


class Line:
    """A started transport, its peer, and what was heard of it."""

    def __init__(self, loop: HotLoop, made: tuple[Transport, TcpPeer]) -> None:
        self.loop = loop
        self.transport, self.peer = made
        self.ears = Ears()
        self.transport.start(self.ears)

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
async def line(request: pytest.FixtureRequest, loop: HotLoop) -> AsyncIterator[Line]:
    made = Line(loop, tcp_line(loop) if request.param == "tcp" else tls_line(loop))
    yield made
    made.transport.close("the test is over")
    made.peer.sock.close()


@pytest.fixture
async def tls(loop: HotLoop) -> AsyncIterator[Line]:
    made = Line(loop, tls_line(loop))
    yield made
    made.transport.close("the test is over")
    made.peer.sock.close()


# -- receiving -------------------------------------------------------------------------------


async def test_what_the_peer_sends_is_handed_on(line: Line) -> None:
    line.peer.send(b"tick")
    await until(lambda: line.ears.reads)
    assert line.ears.heard == b"tick"


async def test_one_read_is_one_piece(line: Line) -> None:
    def twice() -> None:  # from within the loop, so that nothing is read in between
        line.peer.send(b"first ")
        line.peer.send(b"second")

    line.loop.post(twice)
    await until(lambda: line.ears.reads)
    assert [read[0] for read in line.ears.reads] == [b"first second"]


async def test_a_read_is_bounded(line: Line) -> None:
    sent = bytes(range(256)) * 512  # 128 KiB
    line.loop.post(lambda: line.peer.send(sent))
    await until(lambda: len(line.ears.heard) == len(sent))
    assert line.ears.heard == sent
    assert max(len(read[0]) for read in line.ears.reads) <= READ_BYTES + 16 * 1024


async def test_a_read_carries_the_times_before_and_after_it(line: Line) -> None:
    before_ns = line.loop.now_ns()
    line.peer.send(b"tick")
    await until(lambda: line.ears.reads)
    _, kernel_ns, began_ns, read_ns = line.ears.reads[0]
    assert before_ns < began_ns < read_ns < line.loop.now_ns()
    assert kernel_ns == 0


@pytest.mark.parametrize("make", [tcp_line, tls_line], ids=["tcp", "tls"])
async def test_a_kernel_stamp_is_on_the_loops_clock(
    loop: HotLoop, make: Callable[..., tuple[Transport, TcpPeer]]
) -> None:
    line = Line(loop, make(loop, kernel_stamps=True))
    kernel_ns = 0
    while not kernel_ns:  # the kernel begins to stamp a little after it was asked to
        line.ears.reads.clear()
        before_ns = loop.now_ns()
        line.peer.send(b"tick")
        await until(lambda: line.ears.reads)
        _, kernel_ns, began_ns, _ = line.ears.reads[0]
    # Two clocks are compared: the system's is steered, ours is not, and both were just read.
    assert before_ns - 1_000_000 < kernel_ns < began_ns + 1_000_000
    line.transport.close("the test is over")
    line.peer.sock.close()


# -- sending ---------------------------------------------------------------------------------


async def test_sent_bytes_are_on_the_wire_before_send_returns(line: Line) -> None:
    line.transport.send(b"order")
    assert line.peer.receive() == b"order"


async def test_what_the_kernel_does_not_take_follows_in_order(line: Line) -> None:
    line.transport._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    line.peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    sent = b""
    while not line.transport._backlog:
        piece = len(sent).to_bytes(8, "big") * 1024
        line.transport.send(piece)
        sent += piece
    line.transport.send(b"and what came while some was waiting")
    sent += b"and what came while some was waiting"
    received = b""

    def all_there() -> bool:
        nonlocal received
        received += line.peer.receive()
        return len(received) >= len(sent)

    await until(all_there)
    assert received == sent
    assert not line.transport._backlog
    assert line.ears.losses == []


def fill(line: Line) -> bytes:
    """Send until something waits; return all that was sent."""
    line.transport._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    sent = b""
    while not line.transport._backlog:
        piece = len(sent).to_bytes(8, "big") * 1024
        line.transport.send(piece)
        sent += piece
    return sent


async def test_an_order_does_not_overtake_what_waits_though_there_is_room_by_now(
    line: Line,
) -> None:
    sent = fill(line)
    received = line.peer.receive()  # no pass of the loop has noticed the room
    line.transport.send(b"a later order")

    def all_there() -> bool:
        nonlocal received
        received += line.peer.receive()
        return len(received) >= len(sent) + len(b"a later order")

    await until(all_there)
    assert received == sent + b"a later order"


async def test_room_is_watched_for_only_while_something_waits(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    drained: list[int] = []
    drain = line.transport._drain

    def noted() -> None:
        drained.append(1)
        drain()

    monkeypatch.setattr(line.transport, "_drain", noted)
    line.transport.send(b"order")
    await line.settle()
    assert drained == []
    while not line.transport._backlog:
        line.transport.send(bytes(65_536))
    await until(lambda: line.peer.receive() == b"" and not line.transport._backlog)
    assert drained
    drained.clear()
    await line.settle()
    assert drained == []


async def test_a_backlog_over_its_bound_ends_the_connection(line: Line) -> None:
    while line.transport.lost is None:
        line.transport.send(bytes(65_536))
    assert line.ears.losses == []  # not from within send
    await until(lambda: line.ears.losses)
    assert f"more than {BACKLOG_BYTES}" in str(line.ears.losses[0])


async def test_after_the_loss_bytes_go_nowhere(line: Line) -> None:
    line.transport.close("enough")
    line.transport.send(b"order")
    await until(lambda: line.ears.losses)
    assert b"order" not in line.peer.receive()


# -- the end ---------------------------------------------------------------------------------


async def test_an_end_by_the_peer_is_told_once(line: Line) -> None:
    line.peer.end()
    await until(lambda: line.ears.losses)
    await line.settle()
    assert [str(lost) for lost in line.ears.losses] == ["the peer closed the connection"]


async def test_bytes_before_the_end_are_handed_on_first(line: Line) -> None:
    def both() -> None:
        line.peer.send(b"last words")
        line.peer.end()

    line.loop.post(both)
    await until(lambda: line.ears.losses)
    assert line.ears.heard == b"last words"


async def test_a_reset_is_told_once(line: Line) -> None:
    line.peer.reset()
    await until(lambda: line.ears.losses)
    await line.settle()
    assert [str(lost) for lost in line.ears.losses] == ["reading failed: Connection reset by peer"]


async def test_sending_into_a_reset_is_told_once(line: Line) -> None:
    line.peer.reset()
    line.transport.send(b"order")
    line.transport.send(b"order")
    await until(lambda: line.ears.losses)
    await line.settle()
    assert len(line.ears.losses) == 1


async def test_our_own_end_is_told_once_and_never_from_within_close(line: Line) -> None:
    line.transport.close("silent for 20 s")
    assert line.ears.losses == []
    line.transport.close("again")
    await until(lambda: line.ears.losses)
    await line.settle()
    assert [str(lost) for lost in line.ears.losses] == ["silent for 20 s"]


async def test_an_end_from_within_a_read_is_told_once(line: Line) -> None:
    line.ears.then = lambda: line.transport.close("malformed", redial_now=True)
    line.peer.send(b"garbage")
    await until(lambda: line.ears.losses)
    await line.settle()
    assert [str(lost) for lost in line.ears.losses] == ["malformed"]
    assert line.transport.redial_now


async def test_the_peer_sees_our_end(line: Line) -> None:
    line.transport.close("enough")
    await until(lambda: line.ears.losses)
    line.peer.sock.setblocking(True)
    line.peer.sock.settimeout(5)
    while line.peer.sock.recv(1 << 16):  # the close_notify, where there is one
        pass


async def test_an_unanswered_peer_ends_within_the_kernels_deadline(line: Line) -> None:
    sock = line.transport._sock
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


# -- TLS alone -------------------------------------------------------------------------------


async def test_tls_cut_without_saying_so_is_told_as_such(tls: Line) -> None:
    tls.peer.sock.close()
    await until(lambda: tls.ears.losses)
    assert "cut the connection without saying so" in str(tls.ears.losses[0])


async def test_tls_says_that_we_end_the_connection(tls: Line) -> None:
    tls.transport.close("enough")
    peer = tls.peer
    assert isinstance(peer, TlsPeer)
    peer._incoming.write(peer.sock.recv(1 << 16))
    assert peer.tls.read(100) == b""  # a clean end, not an SSLEOFError


async def test_our_farewell_does_not_overtake_what_waits(tls: Line) -> None:
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


async def test_tls_records_torn_at_every_byte_bring_the_same(tls: Line) -> None:
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


async def test_bytes_that_are_no_tls_end_the_connection(tls: Line) -> None:
    tls.peer.sock.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await until(lambda: tls.ears.losses)
    assert str(tls.ears.losses[0]).startswith("TLS failed: ")


async def test_a_forged_record_ends_the_connection(tls: Line) -> None:
    peer = tls.peer
    assert isinstance(peer, TlsPeer)
    forged = bytearray(peer.records(b"price 1"))
    forged[-1] ^= 1
    peer.sock.send(forged)
    await until(lambda: tls.ears.losses)
    assert tls.ears.heard == b""
    assert "DECRYPTION_FAILED_OR_BAD_RECORD_MAC" in str(tls.ears.losses[0])
