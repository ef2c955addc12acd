"""Measure the hot loop on this machine: round trips, fairness under a flood, idle CPU.

``python -m tools.measure_loop`` takes some 30 s. Peers run in processes of their own, on loopback.
Round trips of all variants are taken in turns within one run, so that what else happens on the
machine meets all of them; trust the ratios to the bare loop, not the microseconds.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from statistics import median

import trio
import trustme

from core.io.clock import EngineClock
from core.io.loop import HotLoop
from core.io.tls import TlsClient, trust
from core.io.transport import READ_BYTES, Transport
from core.model.errors import ConnectionLost

HOST = "venue.test"
TICK = bytes(200)
ORDER = bytes(150)
DEADLINE_S = 60
CPUS = sorted(os.sched_getaffinity(0))

_processes = multiprocessing.get_context("fork")


class Measured:
    """A receiver that answers each read, or works some time for every byte of it."""

    def __init__(self, answer: Callable[[bytes], None] | None, work_ns_per_kib: int = 0) -> None:
        self._answer = answer
        self._work_ns_per_kib = work_ns_per_kib
        self.received = 0
        self.gone = trio.Event()

    def on_bytes(self, link: int, data: bytes, kernel_ns: int, began_ns: int, read_ns: int) -> None:
        self.received += len(data)
        if self._answer is not None:
            self._answer(ORDER)
        elif self._work_ns_per_kib:
            end_ns = time.perf_counter_ns() + len(data) * self._work_ns_per_kib // 1024
            while time.perf_counter_ns() < end_ns:
                pass

    def on_lost(self, lost: ConnectionLost) -> None:
        self.gone.set()


# -- peers -----------------------------------------------------------------------------------


def _ping(
    listener: socket.socket, context: ssl.SSLContext | None, rounds: int, out: Connection
) -> None:
    """Send ticks, await the order for each, and report the round trips."""
    _pin(last=True)
    peer, _ = listener.accept()
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if context is not None:
        peer = context.wrap_socket(peer, server_side=True)
    peer.setblocking(False)
    trips_ns = []
    for _ in range(rounds):
        began_ns = time.perf_counter_ns()
        peer.send(TICK)
        while True:
            try:
                if peer.recv(1000):
                    break
            except (BlockingIOError, ssl.SSLWantReadError):
                continue
        trips_ns.append(time.perf_counter_ns() - began_ns)
    out.send(sorted(trips_ns))
    peer.close()


def _flood(listener: socket.socket, seconds: float) -> None:
    """Send as fast as it goes."""
    _pin(last=True)
    peer, _ = listener.accept()
    end_s = time.monotonic() + seconds
    with peer:
        while time.monotonic() < end_s:
            peer.sendall(bytes(65_536))


def _pin(*, last: bool) -> None:
    os.sched_setaffinity(0, {CPUS[-1] if last else CPUS[0]})


@contextmanager
def _peer(target: Callable[..., None], *args: object) -> Iterator[socket.socket]:
    """Run a peer in a process of its own; yields our end of the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = _processes.Process(target=target, args=(listener, *args), daemon=True)
        process.start()
        ours = socket.create_connection(listener.getsockname(), timeout=DEADLINE_S)
        try:
            with ours:
                yield ours
        finally:
            process.join(DEADLINE_S)
        if process.exitcode:
            raise RuntimeError(f"the peer ended with {process.exitcode}: nothing was measured")


# -- round trips -----------------------------------------------------------------------------


def _bare(ours: socket.socket) -> None:
    """The least that Python can do: one spinning recv, one send."""
    ours.setblocking(False)
    ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while True:
        try:
            data = ours.recv(READ_BYTES)
        except BlockingIOError:
            continue
        except ConnectionResetError:
            return
        if not data:
            return
        ours.send(ORDER)


def _hot_loop(*, spin: bool) -> HotLoop:
    return HotLoop(
        spin=spin,
        now_ns=EngineClock().now_ns,
        next_due_ns=lambda: 0,
        on_due=lambda now_ns: None,
        record=lambda hop, ns: None,
    )


def _proved(ours: socket.socket, trusted: ssl.SSLContext) -> TlsClient:
    tls, proven = TlsClient(trusted, HOST), False
    data = b""
    while not proven:
        proven = tls.handshake(data)
        ours.sendall(tls.outgoing())
        data = b"" if proven else ours.recv(READ_BYTES)
    return tls


async def _hot(ours: socket.socket, *, spin: bool, stamps: bool, tls: TlsClient | None) -> None:
    with _hot_loop(spin=spin) as loop:
        transport: Transport
        if tls is None:
            transport = Transport(ours, loop, kernel_stamps=stamps)
        else:
            transport = Transport(ours, loop, tls, kernel_stamps=stamps)
        measured = Measured(transport.send)
        transport.start(0, measured)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(loop.run)
            await measured.gone.wait()
            nursery.cancel_scope.cancel()


VARIANTS: dict[str, dict[str, bool]] = {
    "bare recv and send, spinning": {},
    "hot loop": {"spin": True, "stamps": False, "tls": False},
    "hot loop, kernel stamps": {"spin": True, "stamps": True, "tls": False},
    "hot loop, TLS": {"spin": True, "stamps": False, "tls": True},
    "hot loop, TLS, kernel stamps": {"spin": True, "stamps": True, "tls": True},
    "hot loop, waiting": {"spin": False, "stamps": False, "tls": False},
}


def _trips_ns(options: dict[str, bool], trips: int) -> list[int]:
    """Return the sorted round trips of one variant."""
    authority = trustme.CA()
    trusted = trust(None)
    authority.configure_trust(trusted)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(served)
    under_tls = options.get("tls", False)
    results, out = _processes.Pipe(duplex=False)
    with _peer(_ping, served if under_tls else None, trips, out) as ours:
        if not options:
            _bare(ours)
        else:
            tls = _proved(ours, trusted) if under_tls else None

            async def run() -> None:
                await _hot(ours, spin=options["spin"], stamps=options["stamps"], tls=tls)

            trio.run(run)
    if not results.poll(DEADLINE_S):
        raise RuntimeError("the peer reports no round trips")
    trips_ns: list[int] = results.recv()
    return trips_ns


def round_trips(trips: int, turns: int) -> None:
    """Print p50 and p99 of every variant, and the p50 against the bare loop's."""
    p50_ns: dict[str, list[int]] = {name: [] for name in VARIANTS}
    p99_ns: dict[str, list[int]] = {name: [] for name in VARIANTS}
    for _ in range(turns):
        for name, options in VARIANTS.items():
            trips_ns = _trips_ns(options, trips)
            p50_ns[name].append(trips_ns[len(trips_ns) // 2])
            p99_ns[name].append(trips_ns[len(trips_ns) * 99 // 100])
    bare_ns = median(p50_ns["bare recv and send, spinning"])
    print(f"round trip, {turns} x {trips}, median of turns   p50 us  p99 us  to bare")
    for name in VARIANTS:
        p50, p99 = median(p50_ns[name]), median(p99_ns[name])
        print(f"  {name:44} {p50 / 1e3:6.1f}  {p99 / 1e3:6.1f}  {p50 / bare_ns:5.2f}")


# -- fairness and idling ---------------------------------------------------------------------


class Waits:
    """How long trio's other tasks waited."""

    def __init__(self) -> None:
        self.turns_ns: list[int] = []
        """A runnable task, for its turn."""
        self.ran_ns: list[int] = []
        """The same in CPU time of our own: without what other processes took of this CPU."""
        self.lates_ns: list[int] = []
        """A sleeping task, for being woken after its time."""


async def _flooded(ours: socket.socket, work_ns_per_kib: int) -> tuple[Waits, int]:
    """Return the waits under a flood, and how many bytes were taken."""
    waits = Waits()
    with _hot_loop(spin=True) as loop:
        measured = Measured(None, work_ns_per_kib)
        Transport(ours, loop, kernel_stamps=True).start(0, measured)

        async def runnable() -> None:
            while True:
                began_ns, ran_ns = time.perf_counter_ns(), time.thread_time_ns()
                await trio.lowlevel.checkpoint()
                waits.turns_ns.append(time.perf_counter_ns() - began_ns)
                waits.ran_ns.append(time.thread_time_ns() - ran_ns)

        async def sleeping() -> None:
            while True:
                due_s = trio.current_time() + random.uniform(0.001, 0.010)
                await trio.sleep_until(due_s)
                waits.lates_ns.append(round((trio.current_time() - due_s) * 1e9))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(loop.run)
            nursery.start_soon(runnable)
            nursery.start_soon(sleeping)
            await measured.gone.wait()
            nursery.cancel_scope.cancel()
    return waits, measured.received


def fairness(seconds: float, work_ns_per_kib: int) -> None:
    """Print how long trio tasks wait while a peer floods the spinning loop."""
    with _peer(_flood, seconds) as ours:
        waits, received = trio.run(_flooded, ours, work_ns_per_kib)
    print(
        f"flood for {seconds:g} s, {work_ns_per_kib / 1e3:g} us of work for each KiB, "
        f"{received / seconds / 1e6:.0f} MB/s taken"
    )
    for name, values_ns in (
        ("a task waits for its turn", sorted(waits.turns_ns)),
        ("  of that in CPU time of our own", sorted(waits.ran_ns)),
        ("a sleeper is late", sorted(waits.lates_ns)),
    ):
        p50, p99 = values_ns[len(values_ns) // 2], values_ns[len(values_ns) * 99 // 100]
        late = sum(value_ns > 2_000_000 for value_ns in values_ns)
        print(
            f"  {name:44} p50 {p50 / 1e3:.0f} us, p99 {p99 / 1e3:.0f} us, "
            f"max {values_ns[-1] / 1e3:.0f} us, over 2 ms: {late} of {len(values_ns)}"
        )


async def _idle(seconds: float) -> None:
    with _hot_loop(spin=False) as loop:
        loop.add_idle(lambda: None)
        with trio.move_on_after(seconds):
            await loop.run()


def idling(seconds: float) -> None:
    """Print how much CPU a waiting loop takes without any traffic."""
    began_s = time.process_time()
    trio.run(_idle, seconds)
    share = (time.process_time() - began_s) / seconds
    print(f"idle, waiting: {share:.2%} of a CPU")


def main() -> int:
    """Run all measurements and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trips", type=int, default=5_000, help="round trips of one turn")
    parser.add_argument("--turns", type=int, default=5, help="turns of every variant")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of flood and idling")
    chosen = parser.parse_args()
    _pin(last=False)
    round_trips(chosen.trips, chosen.turns)
    fairness(chosen.seconds, 0)
    fairness(chosen.seconds, 25_000)
    idling(chosen.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
