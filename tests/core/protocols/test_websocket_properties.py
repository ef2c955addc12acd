"""Against wsproto on random traffic, and against bytes that nobody should send."""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Message, Ping, Pong, TextMessage
from wsproto.extensions import PerMessageDeflate

from core.protocols.websocket import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    ClientCodec,
    DeflateParams,
    State,
)
from tests.core.protocols.frames import Messages, codec, deflated, frame, pieces, received

LIMIT = 1 << 20

plain_or_deflate = st.none() | st.builds(
    DeflateParams,
    server_no_context_takeover=st.booleans(),
    client_no_context_takeover=st.booleans(),
    server_max_window_bits=st.integers(9, 15),
    client_max_window_bits=st.integers(9, 15),
)
cuts = st.lists(st.integers(0, 4000), max_size=8)
# Short and odd, or long and repetitive enough to be compressed and to take every length form.
texts = st.text(max_size=40) | st.builds(
    lambda text, times: text * times, st.text(min_size=1, max_size=4), st.integers(100, 20_000)
)
blobs = st.binary(max_size=40) | st.builds(
    lambda size, seed: random.Random(seed).randbytes(size), st.integers(0, 70_000), st.integers()
)


@dataclass
class Said:
    """A message cut into fragments, with a control frame before each."""

    data: str | bytes
    cuts: list[int]
    controls: list[tuple[int, bytes]]


controls = st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125))
scripts = st.lists(
    st.builds(Said, texts | blobs, st.lists(st.integers(0, 200), max_size=3), st.lists(controls)),
    max_size=5,
)


def wsproto_server(deflate: DeflateParams | None) -> Connection:
    if deflate is None:
        return Connection(ConnectionType.SERVER)
    extension = PerMessageDeflate(
        server_no_context_takeover=deflate.server_no_context_takeover,
        client_no_context_takeover=deflate.client_no_context_takeover,
    )
    extension.accept(
        f"permessage-deflate; client_max_window_bits={deflate.client_max_window_bits}; "
        f"server_max_window_bits={deflate.server_max_window_bits}"
    )
    return Connection(ConnectionType.SERVER, [extension])


def spoken(server: Connection, script: Sequence[Said]) -> tuple[bytes, Messages]:
    """What wsproto writes for a script, and what should be read from it."""
    wire = b""
    expected: Messages = []
    for said in script:
        bounds = [0, *sorted(min(cut, len(said.data)) for cut in said.cuts), len(said.data)]
        between = iter(said.controls)
        spans = list(pairwise(bounds))
        for i, (start, stop) in enumerate(spans, start=1):
            if control := next(between, None):
                opcode, payload = control
                wire += server.send(Ping(payload) if opcode == PING else Pong(payload))
                expected.append(control)
            final = i == len(spans)
            if isinstance(said.data, str):
                wire += server.send(TextMessage(said.data[start:stop], message_finished=final))
            else:
                wire += server.send(BytesMessage(said.data[start:stop], message_finished=final))
        payload = said.data.encode() if isinstance(said.data, str) else said.data
        expected.append((TEXT if isinstance(said.data, str) else BINARY, payload))
    return wire, expected


@settings(max_examples=120, deadline=None)
@given(deflate=plain_or_deflate, script=scripts, cuts=cuts)
def test_what_wsproto_writes_we_read(
    deflate: DeflateParams | None, script: list[Said], cuts: list[int]
) -> None:
    wire, expected = spoken(wsproto_server(deflate), script)
    wire += wsproto_server(None).send(CloseConnection(1001, "bye"))
    expected.append((CLOSE, b"\x03\xe9bye"))
    ways = [[wire], list(pieces(wire, cuts))]
    if len(wire) < 4000:
        ways.append([wire[i : i + 1] for i in range(len(wire))])
    for parts in ways:
        reader = codec(deflate=deflate)
        assert received(reader, parts) == (expected, None)
        assert reader.state is State.CLOSE_RECEIVED


@settings(max_examples=120, deadline=None)
@given(
    deflate=plain_or_deflate,
    messages=st.lists(st.one_of(texts, blobs, controls), max_size=6),
    masks=st.randoms(use_true_random=False),
    cuts=cuts,
)
def test_what_we_write_wsproto_reads(
    deflate: DeflateParams | None,
    messages: list[str | bytes | tuple[int, bytes]],
    masks: random.Random,
    cuts: list[int],
) -> None:
    writer = ClientCodec(
        mask_source=lambda: masks.getrandbits(32), max_message_bytes=LIMIT, deflate=deflate
    )
    expected: list[tuple[type, str | bytes]] = []
    wire = b""
    for message in messages:
        if isinstance(message, tuple):
            wire += writer.frame(*message)
            expected.append((Ping if message[0] == PING else Pong, message[1]))
        elif isinstance(message, str):
            wire += writer.frame(TEXT, message.encode())
            expected.append((TextMessage, message))
        else:
            wire += writer.frame(BINARY, message)
            expected.append((BytesMessage, message))
    wire += writer.close(1000, "done")

    server = wsproto_server(deflate)
    heard: list[tuple[type, str | bytes]] = []
    parts: list[str | bytes] = []
    for piece in pieces(wire, cuts):
        server.receive_data(piece)
        for event in server.events():
            if isinstance(event, Message):
                parts.append(event.data)
                if event.message_finished:
                    empty = event.data[:0]
                    heard.append((type(event), empty.join(parts)))
                    parts = []
            elif isinstance(event, Ping | Pong):
                heard.append((type(event), bytes(event.payload)))
            else:
                assert isinstance(event, CloseConnection)
                assert (event.code, event.reason) == (1000, "done")
    assert heard == expected


# -- any bytes -----------------------------------------------------------------------------------

# Nearly legal frames reach further than random bytes, which mostly die at the first header.
payloads = st.one_of(
    st.binary(max_size=20),
    st.text(max_size=10).map(str.encode),
    st.binary(max_size=30).map(deflated),
    st.sampled_from([b"", b"\x03\xe8", b"\x03\xe8ok", b"x" * 126, "é".encode()[:1]]),
    st.integers(1, 5000).map(lambda size: deflated(bytes(size))),
)
frames = st.builds(
    frame,
    st.sampled_from([0, 0, TEXT, TEXT, BINARY, CLOSE, PING, PONG, 3]),
    payloads,
    fin=st.sampled_from([True, True, True, False]),
    rsv=st.sampled_from([0, 0, 0, 4, 4, 1]),
)
anything = st.one_of(
    st.binary(max_size=200),
    st.lists(frames | frames | st.binary(max_size=3), max_size=12).map(b"".join),
)


@settings(max_examples=400, deadline=None)
@given(wire=anything, cuts=cuts, deflate=st.sampled_from([None, DeflateParams()]))
def test_any_bytes_give_the_same_messages_and_at_most_one_fault_however_torn(
    wire: bytes, cuts: list[int], deflate: DeflateParams | None
) -> None:
    limit = 2000
    whole = codec(max_message_bytes=limit, deflate=deflate)
    expected = received(whole, [wire])
    for parts in (pieces(wire, cuts), (wire[i : i + 1] for i in range(len(wire)))):
        reader = codec(max_message_bytes=limit, deflate=deflate)
        assert received(reader, parts) == expected
        assert reader.state is whole.state
    assert all(len(payload) <= limit for _, payload in expected[0])
    if deflate is None:
        assert sum(len(payload) for _, payload in expected[0]) <= len(wire)
    for opcode, payload in expected[0]:
        if opcode == TEXT:
            payload.decode()


@settings(max_examples=100, deadline=None)
@given(
    sent=st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=4),
    at=st.integers(0, 1000),
    flip=st.integers(1, 255),
    cuts=cuts,
)
def test_a_damaged_compressed_stream_gives_messages_or_one_fault(
    sent: list[bytes], at: int, flip: int, cuts: list[int]
) -> None:
    compressor = zlib.compressobj(wbits=-15)
    wire = bytearray()
    for data in sent:
        body = compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)
        wire += frame(BINARY, body[:-4], rsv=4)
    wire[at % len(wire)] ^= flip
    expected = received(codec(deflate=DeflateParams()), [bytes(wire)])
    assert received(codec(deflate=DeflateParams()), pieces(bytes(wire), cuts)) == expected


@pytest.mark.parametrize("deflate", [None, DeflateParams()])
def test_every_first_byte_has_a_verdict(deflate: DeflateParams | None) -> None:
    for first in range(256):
        for second in (0, 1, 2, 125, 126, 127, 128, 255):
            wire = bytes((first, second)) + bytes(140)
            torn = codec(deflate=deflate)
            expected = received(codec(deflate=deflate), [wire])
            assert received(torn, (wire[:1], wire[1:2], wire[2:9], wire[9:])) == expected
