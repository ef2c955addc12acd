"""The floor: the least that Python can do between a tick and an order.

A spinning ``recv`` and a ``send`` of prepared bytes, into which only the tick's number is copied.
Nothing is framed, decoded, decided or signed, and no reply is read. What any other variant takes
more is what it does more.
"""

from __future__ import annotations

import argparse
import gc
import os
import socket
import ssl
import sys

from tools.bench import wire

READ_BYTES = 1 << 16
_SIZE = b'"B":"0.'
_UPPER = b'["60000.01000000","0.'
_LOWER = b'["60000.00000000","0.'
_DIGITS = 5
_NO_SIZE = b"00000"
_PLACE = (
    b'{"id":"p1","method":"order.place","params":{"newClientOrderId":"floor-1",'
    b'"newOrderRespType":"FULL","price":"60000.00000000","quantity":"0.#####000","recvWindow":5000,'
    b'"side":"BUY","symbol":"BTCUSDT","timeInForce":"IOC","timestamp":1780000000000,'
    b'"type":"LIMIT"}}'
)


def _open(port: int, context: ssl.SSLContext | None, target: str) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if context is not None:
        sock = context.wrap_socket(sock, server_hostname="127.0.0.1")
    sock.sendall(
        f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += sock.recv(4096)
    return sock


def main() -> int:
    """Answer ticks until the connection ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--stream", required=True)
    parser.add_argument("--ca")
    parser.add_argument("--cpu", type=int)
    args = parser.parse_args()
    if args.cpu is not None:
        os.sched_setaffinity(0, {args.cpu})
    context = ssl.create_default_context(cafile=args.ca) if args.ca else None
    name = "depth@100ms" if args.stream == "depth" else args.stream
    trade = _open(args.port, context, "/ws-api/v3?replies=off")
    market = _open(args.port, context, f"/stream?streams=btcusdt@{name}")
    first, _, last = wire.masked_frame(_PLACE).partition(b"#####")
    send, recv = trade.send, market.recv
    tick = recv(READ_BYTES)
    length, spots = len(tick), _spots(tick, args.stream == "depth")
    market.setblocking(False)
    gc.disable()
    not_yet = (BlockingIOError, ssl.SSLWantReadError)
    torn = 0
    while True:
        try:
            data = recv(READ_BYTES)
        except not_yet:
            continue
        if not data:
            return 0
        # All ticks are equally long: the last whole one ends where the torn one begins.
        torn = (torn + len(data)) % length
        begin = len(data) - torn - length
        if begin < 0:
            continue
        for spot in spots:
            number = data[begin + spot : begin + spot + _DIGITS]
            if number != _NO_SIZE:
                break
        send(first + number + last)


def _spots(tick: bytes, depth: bool) -> list[int]:
    """Return where in a tick its number may stand.

    Every other depth update has its best bid in the second place; the first one is gone then.
    """
    if not depth:
        return [tick.index(_SIZE) + len(_SIZE)]
    return [tick.index(level) + len(level) for level in (_UPPER, _LOWER)]


if __name__ == "__main__":
    sys.exit(main())
