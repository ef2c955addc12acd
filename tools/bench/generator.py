"""The load generator: a process of its own that is the venue, sends ticks and times the orders.

It spins on its own CPU over plain sockets and measures wire to wire in this one process: from the
moment a tick is handed to the kernel, or should have been, to the moment the kernel hands over the
order that has seen it. Here live the sockets and the six ways to load; what is said lives in
``tools.bench.wire``, what runs against whom in ``tools.bench.race``.

One word per line on standard input, one line of JSON for each on standard output:
``cell JSON`` measures, ``reset`` drops all connections, end of file ends the process.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import select
import socket
import ssl
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final

import trustme

from core.state.hops import Histogram
from tools.bench import wire

READ_BYTES: Final = 1 << 18
BACKLOG_BYTES: Final = 1 << 26
"""Most that waits for a peer that does not read; then its connection is cut."""

PERIOD_NS: Final = 1_000_000
"""Between two ticks of the closed loop."""

ANSWER_NS: Final = 1_000_000_000
"""How long the closed loop waits for an order before it counts it as lost."""

DRAIN_NS: Final = 2_000_000_000
"""How long after the last tick of an open loop orders are awaited."""

WARM_NS: Final = 200_000
"""Between two sends to a sink of its own in a quiet loop: the generator's own way out goes cold as
everybody's does, and what is measured is to be the variant's."""

HEADROOM_NS: Final = 100_000
"""Before a tick of the quiet loop is due nothing else is begun any more."""

BURST_DRAIN_NS: Final = 60_000_000_000
READY_TICKS: Final = 200
"""So many ticks answered make a variant ready: caches and codecs are warm."""

READY_EVERY_NS: Final = 1_000_000
LISTEN_KEY: Final = "listenkeyofnobody"
HANDSHAKE_S: Final = 5.0
BURST_LOTS: Final = wire.LEAST_LOTS // 2

_now_ns = time.perf_counter_ns


class Connection:
    """One client: REST until it asks for a WebSocket."""

    def __init__(self, sock: socket.socket, venue: Venue) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self._venue = venue
        self._inbox = b""
        self._outbox = bytearray()
        self._take: Callable[[], None] = self._take_request
        self.trade = False
        self.private = False
        self.silent = False
        self.streams: set[str] = set()
        self.combined = True

    def read(self) -> None:
        try:
            data = self.sock.recv(READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError:
            data = b""
        self._venue.read_ns = _now_ns()
        if not data:
            self._venue.drop(self)
            return
        self._inbox = self._inbox + data if self._inbox else data
        self._take()
        if isinstance(self.sock, ssl.SSLSocket) and self.sock.pending():
            self.read()

    def send(self, data: bytes | memoryview) -> bool:
        """Send, or keep; return whether all is with the kernel."""
        if self._outbox:
            self._outbox += data
            return self.flush()
        try:
            sent = self.sock.send(data)
        except (BlockingIOError, ssl.SSLWantWriteError):
            sent = 0
        except OSError:
            self._venue.drop(self)
            return True
        if sent == len(data):
            return True
        self._outbox += data[sent:]
        return False

    def flush(self) -> bool:
        """Send what was kept; return whether that was all."""
        while self._outbox:
            try:
                sent = self.sock.send(memoryview(self._outbox)[:READ_BYTES])
            except (BlockingIOError, ssl.SSLWantWriteError):
                break
            except OSError:
                self._outbox.clear()
                self._venue.drop(self)
                return True
            del self._outbox[:sent]
        if len(self._outbox) > BACKLOG_BYTES:
            self._venue.drop(self)
        return not self._outbox

    # -- HTTP --------------------------------------------------------------------------------

    def _take_request(self) -> None:
        head, blank, rest = self._inbox.partition(b"\r\n\r\n")
        if not blank:
            return
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines[1:])
        }
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return
        body, self._inbox = rest[:length], rest[length:]
        if "sec-websocket-key" in headers:
            self._upgrade(target, headers["sec-websocket-key"])
        else:
            self._venue.on_request(self, method, target, body)
        if self._inbox:
            self._take()

    def answer(self, body: bytes) -> None:
        self.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (len(body), body)
        )

    def _upgrade(self, target: str, key: str) -> None:
        path, _, query = target.partition("?")
        self.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n" % wire.accept_key(key).encode()
        )
        self._take = self._take_frames
        self.trade = path.startswith("/ws-api")
        self.silent = "replies=off" in query
        if self.trade:
            return
        self.combined = path.startswith("/stream")
        names = query.removeprefix("streams=") if self.combined else path.rpartition("/ws")[2]
        self.subscribe([name for name in names.strip("/").split("/") if name])

    # -- WebSocket ---------------------------------------------------------------------------

    def _take_frames(self) -> None:
        data = self._inbox
        while data:
            found = wire.take_frame(data)
            if found is None:
                break
            opcode, payload, length = found
            data = data[length:]
            if opcode == 1 or opcode == 2:
                if self.trade:
                    self._venue.on_trade(self, payload)
                else:
                    self._on_market(payload)
            elif opcode == 9:
                self.send(wire.pong(payload))
            elif opcode == 8:
                self.send(b"\x88\x00")
        self._inbox = data

    def _on_market(self, payload: bytes) -> None:
        request = json.loads(payload)
        if request.get("method") == "SUBSCRIBE":
            self.subscribe(request["params"])
        self.send(wire.frame(json.dumps({"result": None, "id": request.get("id")}).encode()))

    def subscribe(self, names: list[str]) -> None:
        for name in names:
            if name == LISTEN_KEY:
                self._venue.listener = self
            stream = name.partition("@")[2].partition("@")[0]
            self.streams.add(stream)
            self._venue.market[stream] = self

    def tell(self, events: list[bytes]) -> None:
        """Send an account's events to whoever listens by a listen key."""
        form = b'{"stream":"%b","data":%%b}' % LISTEN_KEY.encode() if self.combined else b"%b"
        self.send(b"".join(wire.frame(form % event) for event in events))


class Venue:
    """All clients, and what is known of their orders."""

    def __init__(self, listener: socket.socket, context: ssl.SSLContext | None) -> None:
        self._listener = listener
        self._context = context
        self._epoll = select.epoll()
        self._epoll.register(listener, select.EPOLLIN)
        self._connections: dict[int, Connection] = {}
        self.market: dict[str, Connection] = {}
        """Who gets the ticks of a stream: the last one that asked for it."""
        self.listener: Connection | None = None
        """Who hears of orders sent by REST."""
        self.read_ns = 0
        self.ids = wire.FIRST_ID
        """The last update id, over all streams and connections."""
        self.levels = 5_000
        self._resting: dict[int, wire.Order] = {}
        self._orders = 0
        # What is being measured: when each tick was, or should have been, sent.
        self.due_ns: list[int] = []
        self.answered = 0
        self.orders = 0
        self.late_ns: list[int] = []

    # -- sockets -----------------------------------------------------------------------------

    def serve(self, wait_s: float = 0) -> None:
        """Let one ready client have its turn."""
        for fd, events in self._epoll.poll(wait_s, 4):
            if fd == self._listener.fileno():
                self._accept()
                continue
            connection = self._connections.get(fd)
            if connection is None:
                continue
            if events & select.EPOLLIN:
                connection.read()
            elif events & (select.EPOLLHUP | select.EPOLLERR):
                self.drop(connection)

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context is not None:
            sock.settimeout(HANDSHAKE_S)
            try:
                sock = self._context.wrap_socket(sock, server_side=True)
            except OSError as error:
                print(f"generator: TLS handshake: {error}", file=sys.stderr)
                sock.close()
                return
        sock.setblocking(False)
        connection = Connection(sock, self)
        self._connections[connection.fd] = connection
        self._epoll.register(connection.fd, select.EPOLLIN)

    def drop(self, connection: Connection) -> None:
        if self._connections.pop(connection.fd, None) is not None:
            self._epoll.unregister(connection.fd)
            connection.sock.close()
            if self.listener is connection:
                self.listener = None
            for stream in connection.streams:
                if self.market.get(stream) is connection:
                    del self.market[stream]

    def reset(self) -> None:
        for connection in list(self._connections.values()):
            self.drop(connection)
        self._resting.clear()

    # -- REST --------------------------------------------------------------------------------

    def on_request(self, connection: Connection, method: str, target: str, body: bytes) -> None:
        path, _, query = target.partition("?")
        name = path.rpartition("/")[2]
        now_ms = time.time_ns() // 1_000_000
        if name == "order" and method == "POST":
            text = query.encode() + b"&" + body
            self._time(text)
            order = self._keep(text)
            connection.answer(order.placed(now_ms))
            if self.listener is not None:
                self.listener.tell(order.reports(now_ms))
            return
        answers: dict[str, Callable[[], Any]] = {
            "ping": dict,
            "time": lambda: {"serverTime": now_ms},
            "exchangeInfo": wire.exchange_info,
            "account": lambda: wire.account(now_ms),
            "depth": lambda: wire.depth(self.ids, self.levels),
            "userDataStream": lambda: {"listenKey": LISTEN_KEY},
            "openOrders": list,
            "myTrades": list,
            "tradeFee": wire.fees,
        }
        answer = answers.get(name)
        if answer is None:
            print(f"generator: nobody answers {method} {path}", file=sys.stderr)
        connection.answer(json.dumps(answer() if answer else {}).encode())

    # -- WebSocket API -----------------------------------------------------------------------

    def on_trade(self, connection: Connection, text: bytes) -> None:
        found = wire.METHOD.search(text)
        method = found[1].decode() if found else ""
        if method in ("order.place", "order.cancelReplace"):
            self._time(text)
            if connection.silent:
                return
        id_found = wire.ID.search(text)
        request_id = id_found[1] if id_found else b"null"
        now_ms = time.time_ns() // 1_000_000
        out = b""
        if method == "order.place":
            order = self._keep(text)
            out = wire.frame(wire.reply(request_id, order.placed(now_ms)))
            if connection.private:
                out += b"".join(map(wire.private, order.reports(now_ms)))
        elif method == "order.cancelReplace":
            out = self._replace(connection, request_id, text, now_ms)
        elif method == "order.cancel":
            old = self._old(text)
            out = wire.frame(wire.reply(request_id, old.cancelled(now_ms)))
        else:
            result: dict[str, Any] | list[Any] = {}
            if method.startswith("userDataStream.subscribe"):
                connection.private = True
                result = {"subscriptionId": 0}
            elif method == "session.logon":
                result = {"apiKey": "k", "authorizedSince": now_ms, "serverTime": now_ms}
            elif method == "exchangeInfo":
                result = wire.exchange_info()
            elif method == "account.status":
                result = wire.account(now_ms)
            elif method == "time":
                result = {"serverTime": now_ms}
            out = wire.frame(wire.reply(request_id, json.dumps(result).encode()))
        connection.send(out)

    def _replace(
        self, connection: Connection, request_id: bytes, text: bytes, now_ms: int
    ) -> bytes:
        old, new = self._old(text), self._keep(text)
        result = wire.replaced(old.cancelled(now_ms), new.placed(now_ms))
        out = wire.frame(wire.reply(request_id, result))
        if connection.private:
            out += b"".join(map(wire.private, (old.gone(now_ms), *new.reports(now_ms))))
        return out

    def _keep(self, text: bytes) -> wire.Order:
        self._orders += 1
        order = wire.Order(text, self._orders)
        if order.rests:
            self._resting[order.order_id] = order
        return order

    def _old(self, text: bytes) -> wire.Order:
        found = wire.OLD_ID.search(text)
        number = int(found[1]) if found else 0
        return self._resting.pop(number, None) or wire.Order(text, number)

    def _time(self, text: bytes) -> None:
        """An order answers its tick, and all ticks before that are still unanswered.

        Whoever takes several ticks at once and answers the newest is charged for each of them,
        from when it should have been sent.
        """
        self.orders += 1
        number = wire.number_of(text)
        if number is None:
            return
        answered = self.answered
        upto = answered + (number - answered) % wire.NUMBERS + 1
        if upto > len(self.due_ns):
            return  # an order for a tick that was answered before
        now_ns = self.read_ns
        self.late_ns += [now_ns - due_ns for due_ns in self.due_ns[answered:upto]]
        self.answered = upto


class Sink:
    """A connection of the generator to itself, over which it keeps its own sends and reads warm."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._near = socket.create_connection(listener.getsockname())
            self._far, _ = listener.accept()
        for end in (self._near, self._far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.setblocking(False)
        self._epoll = select.epoll()
        self._epoll.register(self._far, select.EPOLLIN)

    def send(self, data: bytes) -> None:
        """Send as to a client, and read it as from one."""
        self._near.send(data)
        if self._epoll.poll(0, 4):
            self._far.recv(READ_BYTES)

    def close(self) -> None:
        self._epoll.close()
        self._near.close()
        self._far.close()


class Cell:
    """Measures one way of loading one client."""

    def __init__(self, venue: Venue, stream: str) -> None:
        self._venue = venue
        self._client = venue.market[stream]
        self._stream = stream
        self._ticks = wire.Ticks(stream, combined=self._client.combined)
        self._ticks.update_id = venue.ids
        venue.due_ns, venue.late_ns = [], []
        venue.answered = venue.orders = 0

    def _send(self, due_ns: int) -> None:
        venue = self._venue
        lots = wire.lots_of(len(venue.due_ns))
        data = self._ticks.frame(lots, time.time_ns() // 1_000_000)
        venue.due_ns.append(due_ns or _now_ns())
        self._client.send(data)
        venue.ids = self._ticks.update_id

    def _await(self, until_ns: int) -> bool:
        """Serve until every tick is answered; return whether that came in time."""
        venue = self._venue
        while venue.answered < len(venue.due_ns):
            if self._client.fd != -1:
                self._client.flush()
            venue.serve()
            if _now_ns() > until_ns:
                return False
        return True

    def _idle(self, until_ns: int) -> None:
        while _now_ns() < until_ns:
            self._venue.serve()

    def closed(self, seconds: float, period_ns: int) -> None:
        """Send a tick, await its order, and the next one a period later."""
        end_ns = _now_ns() + int(seconds * 1e9)
        while (began_ns := _now_ns()) < end_ns:
            self._send(0)
            if not self._await(began_ns + ANSWER_NS):
                self._give_up()
            self._idle(began_ns + period_ns)

    def open(self, seconds: float, rate: int) -> None:
        """Send ticks at a fixed rate, whatever comes back."""
        period_ns = 1_000_000_000 // rate
        due_ns = _now_ns() + period_ns
        end_ns = due_ns + int(seconds * 1e9)
        serve = self._venue.serve
        while due_ns < end_ns:
            if _now_ns() >= due_ns:
                self._send(due_ns)
                due_ns += period_ns
            serve()
        self._await(_now_ns() + DRAIN_NS)

    def quiet(self, seconds: float, rate: int) -> None:
        """Send ticks at a low rate, at uneven gaps, and keep warm in between."""
        period_ns = 1_000_000_000 // rate
        gaps = Random(rate)  # the same for every variant
        sink, other = Sink(), wire.Ticks(self._stream, combined=self._client.combined)
        due_ns = _now_ns() + period_ns
        end_ns = due_ns + int(seconds * 1e9)
        warm_ns = 0
        serve = self._venue.serve
        while due_ns < end_ns:
            now_ns = _now_ns()
            if now_ns >= due_ns:
                self._send(due_ns)
                due_ns += gaps.randrange(period_ns // 2, period_ns * 3 // 2)
            elif warm_ns <= now_ns < due_ns - HEADROOM_NS:
                sink.send(other.frame(wire.LEAST_LOTS, time.time_ns() // 1_000_000))
                warm_ns = now_ns + WARM_NS
            serve()
        self._await(_now_ns() + DRAIN_NS)
        sink.close()

    def flood(self, seconds: float, rate: int, ticks_a_size: int) -> float:
        """Send ticks at a fixed rate from frames made beforehand, all that are due at once; so many
        in a row have the same size, and an order for that answers the first of them.

        Returns for what share of the time there was nothing to do here: at a rate at which there is
        always something, it is the generator that is too slow.
        """
        venue, client, ticks = self._venue, self._client, self._ticks
        count = min(int(seconds * rate), wire.MOST_MADE[self._stream])
        now_ms = time.time_ns() // 1_000_000
        whole = memoryview(
            b"".join(
                ticks.frame(wire.lots_of(number // ticks_a_size), now_ms) for number in range(count)
            )
        )
        venue.ids = ticks.update_id
        one, sent, idle_ns = len(whole) // count, 0, 0
        now_ns = began_ns = _now_ns()
        while sent < count:
            due = min((now_ns - began_ns) * rate // 1_000_000_000 + 1, count)
            sends = due > sent
            if sends:
                first = sent + -sent % ticks_a_size
                venue.due_ns += [
                    began_ns + number * 1_000_000_000 // rate
                    for number in range(first, due, ticks_a_size)
                ]
                client.send(whole[sent * one : due * one])
                sent = due
            venue.serve()
            ended_ns = _now_ns()
            if not sends and venue.read_ns < now_ns:
                idle_ns += ended_ns - now_ns
            now_ns = ended_ns
        took_ns = _now_ns() - began_ns
        self._await(_now_ns() + DRAIN_NS)
        return idle_ns / took_ns

    def burst(self, seconds: float) -> int:
        """Send as much as is taken, without orders; return messages a second up to the last."""
        client, ticks = self._client, self._ticks
        now_ms = time.time_ns() // 1_000_000
        whole = b"".join(
            ticks.frame(BURST_LOTS, now_ms) for _ in range(wire.MOST_MADE[self._stream])
        )
        one = len(whole) // wire.MOST_MADE[self._stream]
        last_id = ticks.update_id
        view = memoryview(whole)
        at, began_ns = 0, _now_ns()
        end_ns = began_ns + int(seconds * 1e9)
        while at < len(whole) and _now_ns() < end_ns:
            piece = view[at : at + 64 * one]
            if client.send(piece):
                at += len(piece)
            else:
                at += len(piece)
                while not client.flush():
                    self._venue.serve()
        sent = at // one
        # What was not sent any more never happened.
        ticks.update_id = last_id - (wire.MOST_MADE[self._stream] - sent) * ticks.ids_each
        # The last ticks ask for an order: it says that all before them were taken.
        while not self._venue.answered and _now_ns() < end_ns + BURST_DRAIN_NS:
            self._send(0)
            self._await(_now_ns() + ANSWER_NS // 20)
        if not self._venue.answered:
            return 0
        last_ns = self._venue.read_ns
        self._venue.late_ns.clear()
        self._venue.due_ns = []
        self._venue.answered = 0
        return sent * 1_000_000_000 // (last_ns - began_ns)

    def ready(self, seconds: float) -> bool:
        """Send slow ticks until enough of them were answered."""
        end_ns = _now_ns() + int(seconds * 1e9)
        answered = 0
        while answered < READY_TICKS and (began_ns := _now_ns()) < end_ns:
            self._send(0)
            if self._await(began_ns + ANSWER_NS // 4):
                answered += 1
            else:
                self._give_up()
            self._idle(began_ns + READY_EVERY_NS)
        return answered >= READY_TICKS

    def _give_up(self) -> None:
        """Count what was not answered as lost, so that later orders answer later ticks."""
        venue = self._venue
        now_ns = _now_ns()
        self._lost += len(venue.due_ns) - venue.answered
        venue.late_ns += [now_ns - due_ns for due_ns in venue.due_ns[venue.answered :]]
        venue.answered = len(venue.due_ns)

    _lost = 0

    def finish(self) -> dict[str, Any]:
        """Return what was measured; ticks never answered count with the time they have waited."""
        self._give_up()
        histogram = Histogram()
        for late_ns in self._venue.late_ns:
            histogram.record(late_ns)
        return {
            "counts": list(histogram.counts.items()),
            "orders": self._venue.orders,
            "lost": self._lost,
        }


def measure(venue: Venue, asked: dict[str, Any]) -> dict[str, Any]:
    """Measure one cell: ``mode``, ``stream``, ``seconds``; ``rate`` for an open loop and a flood,
    and for that also ``ticks_a_size``.
    """
    stream, seconds, mode = asked["stream"], asked["seconds"], asked["mode"]
    until_ns = _now_ns() + int(seconds * 1e9)
    if mode == "ready":
        while stream not in venue.market:
            if _now_ns() > until_ns:
                return {"ready": False, "why": "it never subscribed"}
            venue.serve(0.01)
        cell = Cell(venue, stream)
        if not asked.get("orders", True):
            return {"ready": True}
        return {"ready": cell.ready(seconds), "why": "its orders did not come"}
    if stream not in venue.market:
        return {"counts": [], "orders": 0, "lost": 0, "gone": True}
    cell = Cell(venue, stream)
    rate, idle = 0, 0.0
    gc.collect()
    gc.disable()
    match mode:
        case "closed":
            cell.closed(seconds, PERIOD_NS)
        case "back_to_back":
            cell.closed(seconds, 0)
        case "open":
            cell.open(seconds, asked["rate"])
        case "quiet":
            cell.quiet(seconds, asked["rate"])
        case "flood":
            idle = cell.flood(seconds, asked["rate"], asked["ticks_a_size"])
        case "burst":
            rate = cell.burst(seconds)
    gc.enable()
    return {**cell.finish(), "messages_per_s": rate, "idle": idle}


def serve(venue: Venue) -> None:
    """Obey standard input until it ends; clients are served meanwhile."""
    words = select.poll()
    words.register(0, select.POLLIN)
    text = b""
    while True:
        venue.serve(0.002)
        if not words.poll(0):
            continue
        data = os.read(0, 65536)
        if not data:
            return
        text += data
        while b"\n" in text:
            line, _, text = text.partition(b"\n")
            word, _, argument = line.partition(b" ")
            if word == b"reset":
                venue.reset()
                answer: dict[str, Any] = {}
            else:
                answer = measure(venue, json.loads(argument))
            print(json.dumps(answer), flush=True)


def main() -> int:
    """Announce the port, and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cpu", type=int)
    parser.add_argument("--ca-out", type=Path)
    parser.add_argument("--levels", type=int, default=5_000)
    args = parser.parse_args()
    if args.cpu is not None:
        os.sched_setaffinity(0, {args.cpu})
    context = None
    if args.ca_out is not None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(args.ca_out))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        venue = Venue(listener, context)
        venue.levels = args.levels
        print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
        serve(venue)
    return 0


if __name__ == "__main__":
    sys.exit(main())
